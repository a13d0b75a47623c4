//! The operation table: one row for each operation, with its names, arguments, rule for dimensions, value, derivative
//! and test range. To add an operation is to add a row and, for a new element-wise function, a function of
//! `keops_core::number::ops`.

mod autodiff;
mod complex;
mod elementwise;
mod functions;
mod kernels;
mod sequences;
mod tensors;
mod vectors;

use std::{fmt, mem};

use crate::ir::{
    dim::Dim,
    graph::{Graph, Id, VarId},
};

/// An element-wise function that the engines compute on lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fun {
    /// e^x
    Exp,
    /// 2^x
    Exp2,
    /// e^x - 1
    ExpM1,
    /// ln x
    Log,
    /// log2 x
    Log2,
    /// log10 x
    Log10,
    /// ln(1 + x)
    Ln1p,
    /// sin x
    Sin,
    /// cos x
    Cos,
    /// tan x
    Tan,
    /// arc sine
    Asin,
    /// arc cosine
    Acos,
    /// arc tangent
    Atan,
    /// the angle of the point (y, x)
    Atan2,
    /// hyperbolic sine
    Sinh,
    /// hyperbolic cosine
    Cosh,
    /// hyperbolic tangent
    Tanh,
    /// 1/cosh x
    Sech,
    /// inverse hyperbolic sine
    Asinh,
    /// inverse hyperbolic cosine
    Acosh,
    /// inverse hyperbolic tangent
    Atanh,
    /// error function
    Erf,
    /// 1 - erf x
    Erfc,
    /// 1/(1 + e^-x)
    Sigmoid,
    /// ln(1 + e^x)
    Softplus,
    /// (1/x d/dx)^n of sin(x) / x, for this n
    SinXDivX(i32),
    /// the largest integer that is not above x
    Floor,
    /// x to this many decimals
    Round(i32),
    /// -γ ln(e^(-x/γ) + e^(-y/γ) + e^(-z/γ)) of x, y, z, γ
    SoftMin,
    /// y 2^z / x: the product of the factors besides x, given as mantissa and exponent
    Others,
    /// √x
    Sqrt,
    /// ∛x
    Cbrt,
    /// 1/√x, and 0 at 0
    Rsqrt,
    /// 1/x
    Inv,
    /// |x|
    Abs,
    /// -1, 0 or 1
    Sign,
    /// 1 if x >= 0, else 0
    Step,
    /// max(x, 0)
    Relu,
    /// the larger of x and y
    Max,
    /// the smaller of x and y
    Min,
    /// x ln x, and 0 at 0
    XLogX,
    /// x^y
    Pow,
    /// x, and 0 where y is 0: a factor of a slope that is infinite there
    UnlessZero,
    /// x, and 0 where it is infinite: a factor of a slope that leaves the range
    UnlessInfinite,
    /// x, but no finite number so large that x log2(e) is infinite: a term of an exponent
    Bounded,
    /// √(x² + y²)
    Hypot,
    /// x / √(x² + y²), and 0 at the origin
    Direction,
    /// x / (x² + y²), and 0 at the origin
    OverSquare,
    /// y if x >= 0, else z
    IfElse,
    /// x, but at least y and at most z
    Clamp,
    /// 1 if x = y, else 0
    Equal,
    /// 1 if x ≠ y, else 0
    NotEqual,
    /// 1 if x < y, else 0
    LessThan,
    /// 1 if x <= y, else 0
    LessOrEqual,
}

impl Fun {
    /// Whether the function is constant between jumps, as a function of argument `k`.
    pub(crate) fn jumps(self, k: usize) -> bool {
        match self {
            Self::Floor
            | Self::Round(_)
            | Self::Sign
            | Self::Step
            | Self::Equal
            | Self::NotEqual
            | Self::LessThan
            | Self::LessOrEqual => true,
            Self::IfElse => k == 0,
            Self::UnlessZero => k == 1,
            _ => false,
        }
    }
}

impl Fun {
    /// A number that is at least 0 where the function hands on argument `k`. `None` for functions that do not hand on
    /// one of their arguments.
    pub(crate) fn takes(self, g: &mut Graph, args: &[Id], k: usize) -> Option<Id> {
        let half = g.constant(0.5);
        let unless = |g: &mut Graph, less: Id, holds: bool| if holds { g.sub(half, less) } else { g.sub(less, half) };
        let less = |g: &mut Graph, a: usize, b: usize| g.fun(Fun::LessThan, &[args[a], args[b]]);
        Some(match self {
            Fun::Relu => args[0],
            Fun::Max => {
                let second = less(g, 0, 1);
                unless(g, second, k == 0)
            }
            Fun::Min => {
                let second = less(g, 1, 0);
                unless(g, second, k == 0)
            }
            // if the bounds are crossed, every number is outside of them, and the upper bound is handed on
            Fun::Clamp => {
                let (below, above, crossed) = (less(g, 0, 1), less(g, 2, 0), less(g, 2, 1));
                match k {
                    0 => {
                        let outside = g.add(below, above);
                        unless(g, outside, true)
                    }
                    1 => {
                        let order = g.sub(below, crossed);
                        unless(g, order, false)
                    }
                    _ => {
                        let outside = g.add(above, crossed);
                        unless(g, outside, false)
                    }
                }
            }
            _ => return None,
        })
    }

    /// The integer that the function takes after its arguments, if it takes one.
    pub fn integer(self) -> Option<i32> {
        match self {
            Fun::SinXDivX(n) | Fun::Round(n) => Some(n),
            _ => None,
        }
    }
}

/// The kind of an argument of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A formula.
    Formula,
    /// An integer that is known while the macro runs.
    Integer,
    /// A list of integers: the shape of a tensor, or some of its axes.
    List,
    /// The name of a variable.
    Variable,
}

/// An integer argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integer {
    /// A literal.
    Number(i64),
    /// A const generic of the function.
    Symbol(Dim),
}

impl Integer {
    /// The integer as a dimension or an offset, which must not be negative. `what` names it in the fault.
    pub fn dim(&self, what: &str) -> Result<Dim, Fault> {
        match self {
            Integer::Symbol(dim) => Ok(dim.clone()),
            Integer::Number(n) => {
                u64::try_from(*n).map(Dim::number).map_err(|_| Fault(format!("{what} must not be negative")))
            }
        }
    }

    /// The integer as a number, which must be a literal. `what` names it in the fault.
    pub fn number(&self, what: &str) -> Result<i64, Fault> {
        match self {
            Integer::Number(n) => Ok(*n),
            Integer::Symbol(name) => Err(Fault(format!("{what} must be a literal, not the const generic `{name}`"))),
        }
    }
}

/// The reason why an operation cannot be applied, which becomes a compile error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

/// The arguments of an operation, sorted by their kinds and in order.
#[derive(Default)]
pub struct Arguments {
    /// The formulas.
    pub formulas: Vec<Id>,
    /// The text of each formula.
    pub spelled: Vec<String>,
    /// The integers.
    pub integers: Vec<Integer>,
    /// The lists.
    pub lists: Vec<Vec<u64>>,
    /// The variables.
    pub variables: Vec<VarId>,
}

/// The partial derivative of an element-wise function with respect to argument k, made of the arguments and the
/// value.
type Partial = fn(&mut Graph, args: &[Id], value: Id, k: usize) -> Id;

/// What an operation computes.
pub enum Value {
    /// An element-wise function on lanes, with its name in `keops_core::number::ops` and its partial derivatives.
    Lanes(Fun, &'static str, Partial),
    /// A node made of other operations, which give it its derivatives. The function checks the dimensions.
    Built(fn(&mut Graph, &Arguments) -> Result<Id, Fault>),
}

/// A row of the table.
pub struct Operation {
    /// KeOps' name, or ours where KeOps has none.
    pub name: &'static str,
    /// The other names.
    pub aliases: &'static [&'static str],
    /// The arguments.
    pub args: &'static [Kind],
    /// The number of arguments that may be left out, which are the last ones.
    pub optional: usize,
    /// The value.
    pub value: Value,
    /// The range from which tests take the components of arguments.
    pub range: (f64, f64),
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The rows of the table.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    [
        elementwise::OPERATIONS,
        functions::OPERATIONS,
        vectors::OPERATIONS,
        tensors::OPERATIONS,
        sequences::OPERATIONS,
        complex::OPERATIONS,
        autodiff::OPERATIONS,
        kernels::OPERATIONS,
    ]
    .into_iter()
    .flatten()
}

/// The row with this name.
pub fn find(name: &str) -> Option<&'static Operation> {
    operations().find(|row| row.name == name || row.aliases.contains(&name))
}

/// The name in `keops_core::number::ops` and the partial derivatives of an element-wise function.
pub fn lanes(fun: Fun) -> (&'static str, Partial) {
    // a row stands for a function with any integer that it takes
    let same = |f: Fun| mem::discriminant(&f) == mem::discriminant(&fun);
    let rows = elementwise::OPERATIONS.iter().chain(functions::OPERATIONS);
    let of_rows = rows.filter_map(|row| match row.value {
        Value::Lanes(f, method, partial) => Some((f, method, partial)),
        Value::Built(_) => None,
    });
    let mut all = of_rows.chain(elementwise::PARTS.iter().copied());
    let (_, method, partial) = all.find(|&(f, ..)| same(f)).expect("every element-wise function has a row");
    (method, partial)
}

impl Operation {
    /// Applies the operation to arguments whose number and kinds have been checked.
    pub fn apply(&self, g: &mut Graph, args: &Arguments) -> Result<Id, Fault> {
        match self.value {
            Value::Lanes(fun, ..) => {
                same_or_scalar(g, args)?;
                Ok(g.fun(fun, &args.formulas))
            }
            Value::Built(build) => build(g, args),
        }
    }
}

const F: Kind = Kind::Formula;
const INT: Kind = Kind::Integer;
const LIST: Kind = Kind::List;
const VAR: Kind = Kind::Variable;

/// Checks the dimensions of an element-wise operation: all are equal, except that 1 broadcasts.
fn same_or_scalar(g: &Graph, args: &Arguments) -> Result<(), Fault> {
    let mut wide: Option<usize> = None;
    for (k, &f) in args.formulas.iter().enumerate().filter(|&(_, &f)| !g.is_scalar(f)) {
        match wide {
            Some(first) if g.dim(args.formulas[first]) != g.dim(f) => return Err(unequal(g, args, first, k)),
            Some(_) => {}
            None => wide = Some(k),
        }
    }
    Ok(())
}

/// Checks that an argument is a vector of pairs, as complex numbers are. Returns half of its dimension.
fn half(g: &Graph, args: &Arguments, k: usize) -> Result<Dim, Fault> {
    let dim = g.dim(args.formulas[k]);
    let odd = || Fault(format!("`{}` must have an even dimension, it has dimension {dim}", args.spelled[k]));
    dim.divide(&Dim::number(2)).ok_or_else(odd)
}

/// Checks that two arguments have the same dimension.
fn same(g: &Graph, args: &Arguments, a: usize, b: usize) -> Result<(), Fault> {
    if g.dim(args.formulas[a]) == g.dim(args.formulas[b]) { Ok(()) } else { Err(unequal(g, args, a, b)) }
}

fn unequal(g: &Graph, args: &Arguments, a: usize, b: usize) -> Fault {
    let side = |k: usize| format!("`{}` has dimension {}", args.spelled[k], g.dim(args.formulas[k]));
    Fault(format!("{}, {}", side(a), side(b)))
}

/// Checks that an argument is a scalar.
fn scalar(g: &Graph, args: &Arguments, k: usize) -> Result<(), Fault> {
    if g.is_scalar(args.formulas[k]) {
        return Ok(());
    }
    Err(Fault(format!("`{}` must have dimension 1, it has dimension {}", args.spelled[k], g.dim(args.formulas[k]))))
}

/// The dimension of an argument, which must be a number while the macro runs.
fn literal(g: &Graph, args: &Arguments, k: usize) -> Result<u64, Fault> {
    let dim = g.dim(args.formulas[k]);
    let symbolic = || Fault(format!("`{}` needs a literal dimension, it has dimension {dim}", args.spelled[k]));
    dim.value().ok_or_else(symbolic)
}

fn too_large() -> Fault {
    Fault("the dimension is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn every_name_stands_once() {
        let mut seen = HashSet::new();
        for row in super::operations() {
            assert!(row.optional <= row.args.len(), "{row:?}");
            for name in std::iter::once(&row.name).chain(row.aliases) {
                assert!(seen.insert(*name), "{name} stands twice");
            }
        }
    }
}
