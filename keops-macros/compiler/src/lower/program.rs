//! The lowered form: for each stage of `keops_core::formula::Formula` a list of statements on scalars.
//!
//! # Contract
//! - An expression is one number. Vectors exist only as loops over components, and as arrays where a component is read
//!   more than once and is worth keeping.
//! - A temporary is assigned once, before it is read, in its scope or one around it.
//! - Offsets are in components and stay inside their place for every value of the const generics.

use crate::ir::{dim::Dim, graph::Category, view::product};

/// A formula, ready to be printed.
pub struct Program {
    /// The variables, by their order in the call: name, role, dimension.
    pub variables: Vec<(String, Role, Dim)>,
    /// Which index the targets are: i or j.
    pub targets: Category,
    /// Contractions of target and source vectors.
    pub contractions: Vec<Contraction>,
    /// See `keops_core::formula::Scaled`: the number of the contraction, and the offset of the factor.
    pub scaled: Option<(usize, Dim)>,
    /// Components of what the stages leave.
    pub parameters: Hoisted,
    /// See [`Program::parameters`].
    pub target: Hoisted,
    /// See [`Program::parameters`].
    pub source: Hoisted,
    /// The rest, once a pair.
    pub pair: Vec<Stmt>,
    /// Components of f.
    pub out: Dim,
}

/// A hoisted stage.
#[derive(Default)]
pub struct Hoisted {
    /// How many components it leaves.
    pub dim: Dim,
    /// What it does.
    pub body: Vec<Stmt>,
}

/// Which rows a variable has in this formula; see `keops_core::formula::Role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// One row for each row of the result.
    Target,
    /// One row for each term.
    Source,
    /// One row.
    Parameter,
}

/// See `keops_core::formula::Contraction`.
#[derive(Clone)]
pub struct Contraction {
    /// Squared distance, or else dot product.
    pub squared_distance: bool,
    /// Offset in what the target stage leaves.
    pub target: Dim,
    /// Offset in what the source stage leaves.
    pub source: Dim,
    /// How many components.
    pub len: Dim,
}

/// Where a number is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The variables of the stage's own role, one after another.
    Raw,
    /// What the stage of this role left.
    Left(Role),
    /// The contractions.
    Contractions,
    /// An array of this body.
    Array(u32),
}

/// An index: an integer expression of loop variables and dimensions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ix {
    /// A number.
    Number(Dim),
    /// A loop variable.
    Loop(u32),
    /// a + n
    Add(Box<Ix>, Dim),
    /// a - n, not negative
    Sub(Box<Ix>, Dim),
    /// a * n + b, with b below n
    Row(Box<Ix>, Dim, Box<Ix>),
    /// a / n
    Div(Box<Ix>, Dim),
    /// a % n
    Rem(Box<Ix>, Dim),
    /// a * n
    Times(Box<Ix>, Dim),
    /// a + b
    Sum(Box<Ix>, Box<Ix>),
}

impl Ix {
    /// self + n
    pub fn plus(&self, n: &Dim) -> Ix {
        if n.value() == Some(0) {
            return self.clone();
        }
        match self {
            Ix::Number(m) => Ix::Number(sum(m, n)),
            Ix::Add(a, m) => Ix::Add(a.clone(), sum(m, n)),
            _ => Ix::Add(Box::new(self.clone()), n.clone()),
        }
    }

    /// self * n
    pub fn times(&self, n: &Dim) -> Ix {
        match self {
            _ if n.is_one() => self.clone(),
            _ if *n == Dim::default() => Ix::Number(Dim::default()),
            Ix::Number(m) => Ix::Number(product(m, n)),
            _ => Ix::Times(Box::new(self.clone()), n.clone()),
        }
    }

    /// self + other
    pub fn and(&self, other: &Ix) -> Ix {
        match (self, other) {
            (a, Ix::Number(n)) | (Ix::Number(n), a) => a.plus(n),
            (a, b) => Ix::Sum(Box::new(a.clone()), Box::new(b.clone())),
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<u64> {
        if let Ix::Number(n) = self { n.value() } else { None }
    }
}

/// A sum of dimensions and offsets, each of which was checked to be far from overflow.
pub fn sum(a: &Dim, b: &Dim) -> Dim {
    a.checked_add(b).expect("dimensions are checked to stay far below 2^64")
}

/// A number.
#[derive(Clone, Debug)]
pub enum Expr {
    /// A temporary.
    Temp(u32),
    /// A constant.
    Lit(f64),
    /// A component.
    Read(Origin, Ix),
    /// A function of `keops_core::number::ops` on numbers; an integer or a factor that it takes comes last.
    Call(&'static str, Vec<Expr>),
    /// A factor that a function takes as it is, whatever the range of the numbers.
    Factor(f64),
    /// An integer that a function takes, known while compiling.
    Integer(i32),
    /// An index as a number.
    Index(Ix),
    /// `yes` if the index is below the limit, else `no`. Each side is a scope: it is computed only if taken.
    Branch(Ix, Dim, Box<Scope>, Box<Scope>),
}

/// Statements and a value.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The statements.
    pub body: Vec<Stmt>,
    /// The value.
    pub value: Expr,
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Stmt {
    /// Assigns a temporary.
    Let(u32, Expr),
    /// A temporary that starts at a value and that `Accumulate` and `Replace` change.
    Start(u32, Expr),
    /// Adds a, or a b, to a temporary.
    Accumulate(u32, Expr, Option<Expr>),
    /// Gives a temporary another value.
    Replace(u32, Expr),
    /// An array of this many components.
    Array(u32, Dim),
    /// Sets a component of an array.
    Store(u32, Ix, Expr),
    /// for variable in 0..dim
    For(u32, Dim, Vec<Stmt>),
    /// Statements that are compiled as a function of their own; the temporaries that it leaves become an array.
    Section {
        /// The number of the array.
        array: u32,
        /// The statements.
        body: Vec<Stmt>,
        /// Of these temporaries, in this order.
        left: Vec<u32>,
    },
    /// Sets a component of what the stage leaves.
    Write(Ix, Expr),
    /// Hands component `Ix` of f to the reduction: a, or a b.
    Put(Ix, Expr, Option<Expr>),
    /// Hands components from an offset on to the reduction: a scalar times source components from an offset on.
    PutScaled {
        /// Where in f.
        to: Dim,
        /// The scalar.
        scale: Expr,
        /// Where in the source's components.
        from: Dim,
        /// How many.
        len: Dim,
    },
    /// Hands components from an offset on to the reduction: a scalar times the differences of a squared distance's vectors.
    PutDifferences {
        /// Where in f.
        to: Dim,
        /// The scalar.
        scale: Expr,
        /// The number of the squared distance among the contractions.
        contraction: usize,
        /// Whether the target's vector is subtracted from the source's.
        flipped: bool,
    },
}

/// The components of all arrays of a body.
pub fn locals(body: &[Stmt]) -> Dim {
    body.iter().fold(Dim::default(), |total, stmt| match stmt {
        Stmt::Array(_, dim) => sum(&total, dim),
        Stmt::For(_, _, body) => sum(&total, &locals(body)),
        Stmt::Section { body, left, .. } => sum(&sum(&total, &locals(body)), &Dim::number(left.len() as u64)),
        _ => total,
    })
}
