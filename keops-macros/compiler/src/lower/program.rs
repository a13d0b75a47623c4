//! The lowered form of a formula: for each stage of `keops_core::formula::Formula` a list of statements on numbers.
//!
//! # Contract
//! - An expression is one number. Vectors exist only as loops over components, and as arrays where components are
//!   read more than once and are worth keeping.
//! - A temporary is assigned before it is read, in the same scope or in one around it. It is assigned once, unless it
//!   is started by [`Stmt::Start`].
//! - Indices count components, and stay inside the memory that they index for every value of the const generics.

use crate::ir::{dim::Dim, graph::Category, view::product};

/// A formula, ready to be printed.
pub struct Program {
    /// The variables in the order of the call's arguments: name, role and dimension.
    pub variables: Vec<(String, Role, Dim)>,
    /// The index of the targets: i or j.
    pub targets: Category,
    /// The contractions of a target's vector with a source's.
    pub contractions: Vec<Contraction>,
    /// The contraction that may be scaled, by its number, and the offset of its factor among the prepared parameters;
    /// see `keops_core::formula::Scaled`.
    pub scaled: Option<(usize, Dim)>,
    /// The stage that runs once for a call.
    pub parameters: Hoisted,
    /// The stage that runs once for each target.
    pub target: Hoisted,
    /// The stage that runs once for each source.
    pub source: Hoisted,
    /// The statements that run for each pair.
    pub pair: Vec<Stmt>,
    /// The number of components of f.
    pub out: Dim,
}

/// A stage that runs before the loop over pairs.
#[derive(Default)]
pub struct Hoisted {
    /// The number of components that the stage leaves.
    pub dim: Dim,
    /// The statements.
    pub body: Vec<Stmt>,
}

/// What the rows of a variable are for this formula; see `keops_core::formula::Role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The variable has one row for each row of the result.
    Target,
    /// The variable has one row for each term of the reduction.
    Source,
    /// The variable has one row.
    Parameter,
}

/// A dot product or a squared distance of a target's vector with a source's; see `keops_core::formula::Contraction`.
#[derive(Clone)]
pub struct Contraction {
    /// Whether this is a squared distance; else it is a dot product.
    pub squared_distance: bool,
    /// The offset of the target's vector in the prepared target.
    pub target: Dim,
    /// The offset of the source's vector in the prepared source.
    pub source: Dim,
    /// The number of components of both vectors.
    pub len: Dim,
}

/// The memory that a number is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The variables of the role that the stage itself has, one after another.
    Raw,
    /// The row that the stage of this role left.
    Left(Role),
    /// The contractions of the pair.
    Contractions,
    /// The array with this number.
    Array(u32),
}

/// An index: an integer expression of loop variables and dimensions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ix {
    /// A number, or a polynomial in the const generics.
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

    /// The value of the index, if it is a number.
    pub fn number(&self) -> Option<u64> {
        if let Ix::Number(n) = self { n.value() } else { None }
    }
}

/// The sum of two dimensions or offsets, which were checked to be far from overflow.
pub fn sum(a: &Dim, b: &Dim) -> Dim {
    a.checked_add(b).expect("dimensions are checked to stay far below 2^64")
}

/// An expression, whose value is one number.
#[derive(Clone, Debug)]
pub enum Expr {
    /// A temporary.
    Temp(u32),
    /// A constant.
    Lit(f64),
    /// The component at this index of some memory.
    Read(Origin, Ix),
    /// A call of a function of `keops_core::number::ops`. An integer or a factor that the function takes is its last
    /// argument.
    Call(&'static str, Vec<Expr>),
    /// A factor that a function takes as f64, since the element type may not have the number.
    Factor(f64),
    /// An integer that a function takes as a constant.
    Integer(i32),
    /// The value of an index, as a number to compute with.
    Index(Ix),
    /// The first scope if the index is below the limit, else the second. Only the scope that is taken is computed.
    Branch(Ix, Dim, Box<Scope>, Box<Scope>),
}

/// Statements, and the value that they end with.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The statements.
    pub body: Vec<Stmt>,
    /// The value, which may read what the statements assign.
    pub value: Expr,
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Stmt {
    /// Assigns a temporary, which then keeps its value.
    Let(u32, Expr),
    /// Starts a temporary, which `Accumulate` and `Replace` change.
    Start(u32, Expr),
    /// Adds the first expression to a temporary, or the product of the two expressions.
    Accumulate(u32, Expr, Option<Expr>),
    /// Assigns another value to a temporary.
    Replace(u32, Expr),
    /// Declares an array of this many components.
    Array(u32, Dim),
    /// Assigns a component of an array.
    Store(u32, Ix, Expr),
    /// A loop, `for variable in 0..dim`.
    For(u32, Dim, Vec<Stmt>),
    /// Statements that are compiled as a function of their own. Temporaries that later statements read become the
    /// components of an array.
    Section {
        /// The number of the array.
        array: u32,
        /// The statements.
        body: Vec<Stmt>,
        /// The temporaries in the array, in its order.
        left: Vec<u32>,
    },
    /// Assigns a component of the row that the stage leaves.
    Write(Ix, Expr),
    /// Hands the component of f at an index to the reduction: the first expression, or the product of the two.
    Put(Ix, Expr, Option<Expr>),
    /// Hands consecutive components of f to the reduction: a scalar times consecutive components of the prepared
    /// source.
    PutScaled {
        /// The offset in f.
        to: Dim,
        /// The scalar.
        scale: Expr,
        /// The offset in the prepared source.
        from: Dim,
        /// The number of components.
        len: Dim,
    },
    /// Hands consecutive components of f to the reduction: a scalar times the differences of the two vectors of a
    /// squared distance.
    PutDifferences {
        /// The offset in f.
        to: Dim,
        /// The scalar.
        scale: Expr,
        /// The number of the squared distance in [`Program::contractions`].
        contraction: usize,
        /// Whether the target's vector is subtracted from the source's.
        flipped: bool,
    },
}

/// The number of components of all arrays that a body declares.
pub fn locals(body: &[Stmt]) -> Dim {
    body.iter().fold(Dim::default(), |total, stmt| match stmt {
        Stmt::Array(_, dim) => sum(&total, dim),
        Stmt::For(_, _, body) => sum(&total, &locals(body)),
        Stmt::Section { body, left, .. } => sum(&sum(&total, &locals(body)), &Dim::number(left.len() as u64)),
        _ => total,
    })
}
