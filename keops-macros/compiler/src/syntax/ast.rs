//! What the user wrote: one tree for all three spellings, each part with the token to point at.

use std::{fmt, rc::Rc};

use proc_macro2::{Ident, Span};

use crate::ir::{graph::Category, reduction::Scheme};

/// One function: `pub fn name<const D: usize>(x: Vi<D>, ...) -> Sum<j> { formula }`, or its `Genred` form.
pub struct Item {
    /// Attributes that go to the function: its documentation, lint levels.
    pub attributes: Vec<syn::Attribute>,
    /// How many times the result can be differentiated, from `#[keops(order = n)]`.
    pub order: u32,
    /// How sums are rounded, if that is said, and where: `#[keops(sum = direct)]`, or options of `Genred`.
    pub scheme: Option<(Scheme, Span)>,
    /// What else `#[keops(..)]` says: how it is compiled for GPUs.
    pub cuda: Cuda,
    /// Its visibility, which is the module's too.
    pub visibility: syn::Visibility,
    /// Its name.
    pub name: Ident,
    /// Its const generics.
    pub generics: Vec<Ident>,
    /// Its arguments, in order.
    pub variables: Vec<VariableDecl>,
    /// The reduction.
    pub reduction: ReductionSpec,
    /// The formulas that are reduced: one, or two with a weight.
    pub body: Body,
    /// Faults that did not keep it from being read.
    pub faults: Option<syn::Error>,
    /// The names of all items that stand together.
    pub names: Rc<[String]>,
}

/// How a formula is compiled for GPUs.
#[derive(Clone, Debug, Default)]
pub struct Cuda {
    /// With the elementary functions of the CPU instead of the hardware's: `#[keops(precise)]`.
    pub precise: bool,
    /// For which values of the const generics, in their order: `#[keops(cuda(D = 3), cuda(D = 10))]`.
    pub instances: Vec<Vec<u64>>,
}

/// `x: Vi<3>`
pub struct VariableDecl {
    /// The name.
    pub name: Ident,
    /// Whose rows it has.
    pub category: Category,
    /// Components of a row.
    pub dim: IntegerArg,
}

/// `KMin<10, j>`
pub struct ReductionSpec {
    /// Its name, as written.
    pub name: Ident,
    /// The index that is reduced over: `I` or `J`.
    pub over: Category,
    /// The number K of a K-min.
    pub k: Option<IntegerArg>,
}

/// `let d = x - y; exp(-d)`
pub struct Body {
    /// The bindings.
    pub lets: Vec<(Ident, Expr)>,
    /// The values after the last semicolon: one, or a tuple.
    pub values: Vec<Expr>,
    /// Where the values begin.
    pub span: Span,
}

/// An integer: a literal, a const generic, or what operators make of them.
#[derive(Clone)]
pub enum IntegerArg {
    /// A literal, maybe with a minus.
    Number(i64, Span),
    /// A const generic.
    Symbol(Ident),
    /// `D * D`, with the token of its sign: a sum, a difference, a product or a quotient.
    Operation(BinaryOp, Span, Box<IntegerArg>, Box<IntegerArg>),
}

impl IntegerArg {
    /// The token to point at.
    pub fn span(&self) -> Span {
        match self {
            IntegerArg::Number(_, span) | IntegerArg::Operation(_, span, ..) => *span,
            IntegerArg::Symbol(name) => name.span(),
        }
    }

    /// The const generics in it, from left to right.
    pub fn symbols(&self) -> Vec<&Ident> {
        match self {
            IntegerArg::Number(..) => Vec::new(),
            IntegerArg::Symbol(name) => vec![name],
            IntegerArg::Operation(_, _, a, b) => [a.symbols(), b.symbols()].concat(),
        }
    }

    /// The number it is, if there is no const generic in it and its value is an integer.
    pub fn number(&self) -> Option<i64> {
        match self {
            IntegerArg::Number(n, _) => Some(*n),
            IntegerArg::Symbol(_) => None,
            IntegerArg::Operation(op, _, a, b) => {
                let (a, b) = (a.number()?, b.number()?);
                match op {
                    BinaryOp::Add => a.checked_add(b),
                    BinaryOp::Sub => a.checked_sub(b),
                    BinaryOp::Mul => a.checked_mul(b),
                    BinaryOp::Div if a.checked_rem(b) == Some(0) => a.checked_div(b),
                    _ => None,
                }
            }
        }
    }
}

impl fmt::Display for IntegerArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operand = |inner: &IntegerArg| match inner {
            IntegerArg::Operation(..) => format!("({inner})"),
            _ => inner.to_string(),
        };
        match self {
            IntegerArg::Number(n, _) => write!(f, "{n}"),
            IntegerArg::Symbol(name) => write!(f, "{name}"),
            IntegerArg::Operation(op, _, a, b) => write!(f, "{} {} {}", operand(a), op.sign(), operand(b)),
        }
    }
}

/// An expression.
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// The token to point at: the name of a call, the sign of an operator.
    pub span: Span,
    /// How many expressions the longest path down from here passes.
    pub depth: usize,
}

/// See [`Expr`].
pub enum ExprKind {
    /// A variable, a binding or a const generic.
    Name(Ident),
    /// `3`
    Integer(i64),
    /// `0.5`
    Float(f64),
    /// `[3, 4]`, which only some operations take.
    List(Vec<Expr>),
    /// `name(args)` or `receiver.name(args)`.
    Call(Ident, Vec<Expr>),
    /// `-f`
    Neg(Box<Expr>),
    /// `f + g` and so on.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// What is no part of the language, but was read.
    Foreign(Foreign),
}

/// A fault in an expression, which does not keep the rest from being checked.
pub struct Foreign {
    /// What is wrong, and what to write.
    pub message: String,
    /// The formulas in it.
    pub parts: Vec<Expr>,
    /// Names in what was not read.
    pub names: Vec<Ident>,
}

/// Operators, from the loosest to the tightest: comparisons, `|`, sums, products, (unary minus,) powers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BinaryOp {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `<=`
    LessEqual,
    /// `>=`
    GreaterEqual,
    /// `|`, the dot product
    Dot,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `**`
    Power,
}

impl BinaryOp {
    /// As written.
    pub fn sign(self) -> &'static str {
        match self {
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::Less => "<",
            BinaryOp::Greater => ">",
            BinaryOp::LessEqual => "<=",
            BinaryOp::GreaterEqual => ">=",
            BinaryOp::Dot => "|",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Power => "**",
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // brackets around what is inside another operation, whether it needs them or not
        let operand = |inner: &Expr| match inner.kind {
            ExprKind::Binary(..) => format!("({inner})"),
            _ => inner.to_string(),
        };
        match &self.kind {
            ExprKind::Name(name) => write!(f, "{name}"),
            ExprKind::Integer(n) => write!(f, "{n}"),
            ExprKind::Float(x) => write!(f, "{x:?}"),
            ExprKind::List(items) => {
                let items: Vec<String> = items.iter().map(Expr::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            ExprKind::Neg(x) => write!(f, "-{}", operand(x)),
            ExprKind::Binary(op, a, b) => write!(f, "{} {} {}", operand(a), op.sign(), operand(b)),
            ExprKind::Call(name, args) => {
                let args: Vec<String> = args.iter().map(Expr::to_string).collect();
                write!(f, "{name}({})", args.join(", "))
            }
            ExprKind::Foreign(_) => f.write_str(".."),
        }
    }
}
