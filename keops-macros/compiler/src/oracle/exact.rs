//! Which numbers every engine has without a rounding, in whatever order it computes: small whole multiples of a power of
//! 2, differences of equal numbers, what is multiplied by 0, steps. At such a number it is known on which side of a kink
//! an engine is.

use crate::{graph::Op, oracle::places, table::Fun};

/// Whether `f32` has the number.
fn single(x: f64) -> bool {
    f64::from(x as f32) == x
}

/// A sum of products is exact in any order if each product is, and the sum of their sizes has a number.
fn sum_of_products(factors: impl Iterator<Item = ((f64, bool), (f64, bool))>) -> bool {
    let mut size = 0.0;
    for (a, b) in factors {
        if !product(a, b) {
            return false;
        }
        size += (a.0 * b.0).abs();
    }
    single(size)
}

fn product((a, exact_a): (f64, bool), (b, exact_b): (f64, bool)) -> bool {
    let zero = a == 0.0 && exact_a && b.is_finite() || b == 0.0 && exact_b && a.is_finite();
    zero || exact_a && exact_b && single(a * b)
}

/// Of each component of a value.
pub(super) fn components(op: &Op, args: &[&[f64]], exact: &[&[bool]], value: &[f64]) -> Vec<bool> {
    let len = value.len();
    let number = |k: usize, c: usize| {
        let c = if args[k].len() == 1 { 0 } else { c };
        (args[k][c], exact[k][c])
    };
    let each = |f: &dyn Fn(usize) -> bool| (0..len).map(|c| value[c].is_finite() && f(c)).collect();
    let all = |c: usize| (0..args.len()).all(|k| number(k, c).1);
    let known = |c: usize| all(c) && single(value[c]);
    match op {
        Op::Var(_) | Op::Const(_) => each(&|c| single(value[c])),
        Op::Zero | Op::Unit(_) | Op::Places | Op::ArgMax => vec![true; len],
        Op::Add | Op::Sub | Op::Neg | Op::Powi(1..) => each(&known),
        Op::Powi(_) => vec![false; len],
        Op::Mul => each(&|c| product(number(0, c), number(1, c))),
        Op::Div => each(&|c| {
            let (divisor, exact) = number(1, c);
            let power = divisor.is_normal() && exact && divisor.abs().log2().fract() == 0.0;
            number(0, c) == (0.0, true) && divisor != 0.0 || power && known(c)
        }),
        Op::Fun(fun) => each(&|c| match fun {
            Fun::Sign | Fun::Step | Fun::Floor | Fun::Round(0) => true,
            Fun::Equal | Fun::NotEqual | Fun::LessThan | Fun::LessOrEqual => true,
            Fun::Abs | Fun::Relu | Fun::Clamp => known(c),
            Fun::IfElse => number(if number(0, c).0 >= 0.0 { 1 } else { 2 }, c).1,
            Fun::Sqrt | Fun::Rsqrt | Fun::XLogX | Fun::Sin | Fun::Asin | Fun::Atan => number(0, c) == (0.0, true),
            Fun::Pow => number(0, c) == (0.0, true) && number(1, c).0 > 0.0,
            _ => false,
        }),
        Op::Sum => {
            let block = args[0].len() / len;
            each(&|c| sum_of_products((c * block..(c + 1) * block).map(|k| (number(0, k), (1.0, true)))))
        }
        Op::Max => vec![exact[0].iter().all(|&exact| exact)],
        Op::Broadcast => vec![exact[0][0]; len],
        Op::View(view) => places(view).map(|k| exact[0][k]).collect(),
        Op::Spread(view) => {
            let mut all = vec![true; len];
            places(view).zip(exact[0]).for_each(|(k, &exact)| all[k] = exact);
            all
        }
        Op::Concat => exact.concat(),
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
