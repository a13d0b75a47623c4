//! The certainty that every engine has about a number, in whatever order it computes.
//!
//! A number is exact in every engine if it is a small whole multiple of a power of 2, a difference of equal numbers,
//! a product with 0, or a step. Its sign is certain if its error is relative to its size, as for a difference of two
//! exact numbers or a sum of squares of these. In both cases the engine is on the same side of a kink or a
//! singularity at 0 as the oracle.

use crate::{
    ir::{graph::Op, table::Fun},
    oracle::places,
};

/// What every engine has right about a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certain {
    /// Nothing: a small number may be 0 or have the other sign.
    Nothing,
    /// Its sign, and whether it is 0.
    Sign,
    /// The number itself.
    Exact,
}

use Certain::{Exact, Nothing, Sign};

type Number = (f64, Certain);

/// Whether `f32` can represent the number.
fn single(x: f64) -> bool {
    f64::from(x as f32) == x
}

fn exact_or(exact: bool, otherwise: Certain) -> Certain {
    if exact { Exact } else { otherwise }
}

/// The largest power of 2 that the number is a whole multiple of, as a power; that of `f64`'s least number for 0.
fn grain(x: f64) -> i32 {
    let bits = x.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let mantissa = bits & ((1 << 52) - 1) | if exponent > 0 { 1 << 52 } else { 0 };
    exponent.max(1) - 1075 + mantissa.trailing_zeros() as i32 % 64
}

/// The certainty of a sum of products. It is exact in any order if each product is exact and `f32` can represent all
/// partial sums: multiples of the grain of the finest product, up to the sum of the sizes. Its sign is certain if the
/// signs of all products are certain and the same.
fn sum_of_products(factors: impl Iterator<Item = (Number, Number)>) -> Certain {
    let (mut size, mut sum, mut least, mut finest) = (0.0, 0.0, Exact, i32::MAX);
    for (a, b) in factors {
        least = least.min(product(a, b));
        let term = a.0 * b.0;
        size += term.abs();
        sum += term;
        if term != 0.0 {
            finest = finest.min(grain(term));
        }
    }
    let most = 2.0_f64.powi(finest.clamp(-1000, 1000).saturating_add(24));
    match least {
        Exact if size <= most && size <= f64::from(f32::MAX) => Exact,
        Sign | Exact if sum.abs() == size => Sign,
        _ => Nothing,
    }
}

fn product((a, of_a): Number, (b, of_b): Number) -> Certain {
    let zero = a == 0.0 && of_a >= Sign && b.is_finite() || b == 0.0 && of_b >= Sign && a.is_finite();
    let both = of_a.min(of_b);
    exact_or(zero || both == Exact && single(a * b), both.min(Sign))
}

/// Whether every engine is on the same side of the kinks and singularities of an operation as the oracle, at
/// component c.
pub(super) fn side(op: &Op, certain: &[&[Certain]], c: usize) -> bool {
    let of = |k: usize| certain[k][if certain[k].len() == 1 { 0 } else { c }];
    match op {
        Op::Max | Op::ArgMax => certain[0].iter().all(|&of| of == Exact),
        Op::Div => of(1) >= Sign,
        Op::Powi(_) => of(0) >= Sign,
        // functions with a kink or a singularity at 0
        Op::Fun(
            Fun::Abs
            | Fun::Sign
            | Fun::Step
            | Fun::Relu
            | Fun::IfElse
            | Fun::Log
            | Fun::Sqrt
            | Fun::Rsqrt
            | Fun::Inv
            | Fun::XLogX
            | Fun::Pow,
        ) => of(0) >= Sign,
        _ => (0..certain.len()).all(|k| of(k) == Exact),
    }
}

/// The certainty of each component of a value.
pub(super) fn components(op: &Op, args: &[&[f64]], certain: &[&[Certain]], value: &[f64]) -> Vec<Certain> {
    let len = value.len();
    let number = |k: usize, c: usize| {
        let c = if args[k].len() == 1 { 0 } else { c };
        (args[k][c], certain[k][c])
    };
    let each = |f: &dyn Fn(usize) -> Certain| {
        (0..len).map(|c| if value[c].is_finite() { f(c) } else { Nothing }).collect::<Vec<Certain>>()
    };
    let least = |c: usize| (0..args.len()).map(|k| number(k, c).1).min().unwrap_or(Exact);
    let rounded = |c: usize| exact_or(least(c) == Exact && single(value[c]), least(c).min(Sign));
    // for functions that are 0 where the argument is
    let zero = |c: usize| exact_or(number(0, c).1 >= Sign && number(0, c).0 == 0.0, number(0, c).1.min(Sign));
    let sum = |c: usize, sign: f64| {
        let ((a, of_a), (b, of_b)) = (number(0, c), number(1, c));
        let same = a * sign * b >= 0.0 && of_a.min(of_b) >= Sign;
        let exact = of_a.min(of_b) == Exact;
        exact_or(exact && single(value[c]), if exact || same { Sign } else { Nothing })
    };
    match op {
        Op::Var(_) | Op::Const(_) => each(&|c| exact_or(single(value[c]), Sign)),
        Op::Zero | Op::Unit(_) | Op::Places | Op::ArgMax => vec![Exact; len],
        Op::Add => each(&|c| sum(c, 1.0)),
        Op::Sub => each(&|c| sum(c, -1.0)),
        Op::Neg | Op::Powi(1..) => each(&rounded),
        Op::Powi(_) => each(&|c| number(0, c).1.min(Sign)),
        Op::Mul => each(&|c| product(number(0, c), number(1, c))),
        Op::Div => each(&|c| {
            let divisor = number(1, c).0;
            let power = divisor.is_normal() && divisor.abs().log2().fract() == 0.0;
            exact_or(least(c) >= Sign && number(0, c).0 == 0.0 || power && rounded(c) == Exact, least(c).min(Sign))
        }),
        Op::Fun(fun) => each(&|c| match fun {
            Fun::Sign | Fun::Step | Fun::Floor | Fun::Round(0) => Exact,
            Fun::Equal | Fun::NotEqual | Fun::LessThan | Fun::LessOrEqual => Exact,
            Fun::Abs | Fun::Relu | Fun::Clamp if rounded(c) == Exact => Exact,
            Fun::Abs | Fun::Relu => number(0, c).1.min(Sign),
            Fun::IfElse => number(if number(0, c).0 >= 0.0 { 1 } else { 2 }, c).1,
            Fun::Sqrt | Fun::Rsqrt | Fun::Sin | Fun::Asin | Fun::Atan if zero(c) == Exact => Exact,
            Fun::Sqrt | Fun::Rsqrt | Fun::Inv | Fun::Atan => zero(c).min(Sign),
            Fun::XLogX => exact_or(zero(c) == Exact, Nothing),
            Fun::Pow if number(0, c).0 == 0.0 => exact_or(zero(c) == Exact && number(1, c).0 > 0.0, Nothing),
            Fun::Pow => number(0, c).1.min(Sign),
            // above this, an exponential is not 0 in `f32`
            Fun::Exp if value[c] > 1e-30 => Sign,
            _ => Nothing,
        }),
        Op::Sum => {
            let block = args[0].len() / len;
            each(&|c| sum_of_products((c * block..(c + 1) * block).map(|k| (number(0, k), (1.0, Exact)))))
        }
        Op::Max => each(&|_| exact_or(certain[0].iter().all(|&of| of == Exact), Nothing)),
        Op::Broadcast => vec![certain[0][0]; len],
        Op::View(view) => places(view).map(|k| certain[0][k]).collect(),
        Op::Spread(view) => {
            let mut all = vec![Exact; len];
            places(view).zip(certain[0]).for_each(|(k, &of)| all[k] = of);
            all
        }
        Op::Concat => certain.concat(),
        Op::MatVec => {
            let columns = args[1].len();
            each(&|row| sum_of_products((0..columns).map(|k| (number(0, row * columns + k), number(1, k)))))
        }
        Op::VecMat => {
            let rows = args[0].len();
            each(&|column| sum_of_products((0..rows).map(|k| (number(0, k), number(1, k * len + column)))))
        }
        Op::Outer => {
            let columns = args[1].len();
            each(&|c| product(number(0, c / columns), number(1, c % columns)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(terms: &[f64]) -> Certain {
        sum_of_products(terms.iter().map(|&term| ((term, Exact), (1.0, Exact))))
    }

    #[test]
    fn grains_of_numbers() {
        let numbers = [(1.0, 0), (-6.0, 1), (0.75, -2), (10_000.0 + 1.0 / 1024.0, -10), (2.0_f64.powi(-1074), -1074)];
        assert!(numbers.iter().all(|&(x, power)| grain(x) == power));
    }

    /// The sum of all three is a number of `f32`, but that of the first two is none.
    #[test]
    fn partial_sums_are_exact_too() {
        let near = |odd: f64| 10_000.0 + odd / 1024.0;
        assert_eq!(sum(&[near(1.0), near(0.0), near(1.0)]), Sign);
        assert_eq!(sum(&[near(2.0), near(0.0), near(4.0)]), Exact);
        assert_eq!(sum(&[near(1.0), -near(3.0)]), Nothing);
        assert_eq!(sum(&[0.5, 0.0, -0.25]), Exact);
        assert_eq!(sum(&[0.0, 0.0]), Exact);
    }
}
