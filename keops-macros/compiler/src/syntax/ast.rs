//! The syntax tree: an item as the user wrote it. The three spellings have one tree, each part of which keeps the
//! token to point at.

use std::{fmt, rc::Rc};

use proc_macro2::{Ident, Span};

use crate::ir::{graph::Category, reduction::Scheme};

/// One function: `pub fn name<const D: usize>(x: Vi<D>, ...) -> Sum<j> { formula }`, or its `Genred` form.
pub struct Item {
    /// Attributes that go to the function: its documentation, lint levels.
    pub attributes: Vec<syn::Attribute>,
    /// How many times the result can be differentiated, from `#[keops(order = n)]`.
    pub order: u32,
    /// How sums are rounded, if the item says so, and the token that says it: `#[keops(sum = direct)]`, or options of
    /// `Genred`.
    pub scheme: Option<(Scheme, Span)>,
    /// How the item is compiled for GPUs, from `#[keops(..)]`.
    pub cuda: Cuda,
    /// The visibility of the function and of its module.
    pub visibility: syn::Visibility,
    /// The name.
    pub name: Ident,
    /// The const generics.
    pub generics: Vec<Ident>,
    /// The arguments in order.
    pub variables: Vec<VariableDecl>,
    /// The reduction.
    pub reduction: ReductionSpec,
    /// The formulas that are reduced: one, or two if there is a weight.
    pub body: Body,
    /// The faults that did not keep the item from being read.
    pub faults: Option<syn::Error>,
    /// The names of all items of the same `keops! { .. }`.
    pub names: Rc<[String]>,
}

/// How a formula is compiled for GPUs.
#[derive(Clone, Debug, Default)]
pub struct Cuda {
    /// Whether kernels use the elementary functions of the CPU instead of the hardware's: `#[keops(precise)]`.
    pub precise: bool,
    /// The values of the const generics, in their order, for which kernels are built: `#[keops(cuda(D = 3), cuda(D =
    /// 10))]`.
    pub instances: Vec<Vec<u64>>,
}

/// The declaration of a variable: `x: Vi<3>`.
pub struct VariableDecl {
    /// The name.
    pub name: Ident,
    /// The category, which says what rows the variable has.
    pub category: Category,
    /// The number of components of a row.
    pub dim: IntegerArg,
}

/// The reduction of an item: `KMin<10, j>`.
pub struct ReductionSpec {
    /// The name, as it is written.
    pub name: Ident,
    /// The index that is reduced over: `I` or `J`.
    pub over: Category,
    /// The number K, if one is written.
    pub k: Option<IntegerArg>,
}

/// The body of a function: `let d = x - y; exp(-d)`.
pub struct Body {
    /// The bindings.
    pub lets: Vec<(Ident, Expr)>,
    /// The values after the last semicolon: one, or a tuple.
    pub values: Vec<Expr>,
    /// The token at which the values begin.
    pub span: Span,
}

/// An integer: a literal, a const generic, or an operation on integers.
#[derive(Clone)]
pub enum IntegerArg {
    /// A literal, maybe with a minus.
    Number(i64, Span),
    /// A const generic.
    Symbol(Ident),
    /// A sum, a difference, a product or a quotient, with the token of its sign: `D * D`.
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

    /// The const generics in the integer, from left to right.
    pub fn symbols(&self) -> Vec<&Ident> {
        match self {
            IntegerArg::Number(..) => Vec::new(),
            IntegerArg::Symbol(name) => vec![name],
            IntegerArg::Operation(_, _, a, b) => [a.symbols(), b.symbols()].concat(),
        }
    }

    /// The value, if there are no const generics in the integer and divisions come out even.
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
    /// The kind of the expression.
    pub kind: ExprKind,
    /// The token to point at: the name of a call, the sign of an operator.
    pub span: Span,
    /// The number of expressions on the longest path from this one down.
    pub depth: usize,
}

/// The kind of an expression, with its operands.
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
    /// Code that was read though it is no part of the language.
    Foreign(Foreign),
}

/// Code that is no part of the language, as an expression: a fault that does not keep other code from being checked.
pub struct Foreign {
    /// The message: what is wrong, and what to write instead.
    pub message: String,
    /// The formulas in the code.
    pub parts: Vec<Expr>,
    /// The names in the parts of the code that are not read as formulas.
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
    /// The operator as it is written.
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
        // an operation inside another one gets brackets, whether it needs them or not
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
