//! That formulas are drawn of everything there is, and that what is wrong is noticed.

use std::{collections::HashSet, marker::PhantomData};

use keops::{Device, Element, Error};
use keops_compiler::{
    oracle::{Category, Formula},
    table,
};
use pulp::Arch;

use crate::{Derivative, Outcome, Subject, Units, check, draw::draw, rules, values::wide};

#[test]
fn most_operations_are_drawn() {
    let mut drawn = HashSet::new();
    for seed in 0..200 {
        let formula = draw(seed);
        Formula::new(&formula.item).unwrap();
        assert_eq!(formula.item, draw(seed).item, "seed {seed} is drawn twice alike");
        let words = formula.item.split(|c: char| !c.is_alphanumeric() && c != '_');
        drawn.extend(words.filter_map(table::find).map(|row| row.name));
    }
    let all = table::operations().count();
    assert!(4 * drawn.len() > 3 * all, "{} of {all} operations were drawn", drawn.len());
}

/// Σ_j x_i y_j, with one number of one shape off by a part of `OFF` millionths.
struct Off<const OFF: u32>;

impl<const OFF: u32> Subject for Off<OFF> {
    const SEED: u64 = 1;
    const ITEM: &'static str = "fn f(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y }";
    const ORDER: u32 = 0;

    fn value<T: Element>(rows: &[Vec<T>], _: Device) -> Result<Outcome<T>, Error> {
        let wide = |row: &[T]| row.iter().map(|&x| Element::to_f64(x)).collect::<Vec<f64>>();
        let (x, y) = (wide(&rows[0]), wide(&rows[1]));
        let mut values: Vec<f64> = x.iter().map(|x| y.iter().map(|y| x * y).sum()).collect();
        if values.len() == 70 {
            let size: f64 = y.iter().map(|y| (x[69] * y).abs()).sum();
            values[69] += 1e-6 * f64::from(OFF) * size;
        }
        Ok(Outcome { values: values.into_iter().map(T::from_f64).collect(), indices: vec![] })
    }

    fn on<T: Element>(_: &[Vec<T>], _: Arch) -> Result<Option<Outcome<T>>, Error> {
        Ok(None)
    }

    fn derivative<T: Element>(_: Derivative, _: &[Vec<T>], _: Device) -> Result<Vec<T>, Error> {
        unreachable!("the order is 0")
    }

    fn second(_: Derivative, _: &[Vec<f64>], _: Device) -> Result<Vec<f64>, Error> {
        unreachable!("the order is 0")
    }

    fn gradients(_: &[Vec<f64>], _: Device) -> Result<Vec<Vec<f64>>, Error> {
        unreachable!("the order is 0")
    }
}

#[test]
fn a_wrong_number_is_noticed() {
    assert!(check::<Off<0>>(false).unwrap().values > 4000);
    let message = format!("{:#}", check::<Off<1000>>(false).unwrap_err());
    assert!(message.contains("row 69") && message.contains("(70, 130)"), "{message}");
}

/// Formulas of numbers of one component, by what each pair adds to the derivative by each variable. `OLD` has a fault that
/// was once there.
trait Plain {
    const ITEM: &'static str;
    /// a_i
    fn value(rows: &[Vec<f64>], i: usize) -> f64;
    /// What the pair adds to the derivative of a_i by variable k.
    fn slope(rows: &[Vec<f64>], k: usize, pair: (usize, usize), single: bool) -> f64;
}

struct Engine<P>(PhantomData<P>);

impl<P: Plain> Engine<P> {
    fn by<T: Element>(of: Derivative, all: &[Vec<T>]) -> Vec<T> {
        let formula = Formula::new(P::ITEM).unwrap();
        let rows: Vec<Vec<f64>> = all.iter().map(|row| wide(row)).collect();
        let (n, m) = (rows[0].len(), rows[1].len());
        let (Derivative::Vjp(k) | Derivative::Jvp(k) | Derivative::JvpOfVjp(k)) = of;
        let category = formula.variables().nth(k).unwrap().1;
        let (e, u) = (&rows[rows.len() - 2], &rows[rows.len() - 1]);
        let mut sums = vec![0.0; if of == Derivative::Vjp(k) { rows[k].len() } else { n }];
        for (i, j) in (0..n).flat_map(|i| (0..m).map(move |j| (i, j))) {
            let slope = P::slope(&rows, k, (i, j), size_of::<T>() == 4);
            let own = if category == Category::I { i } else { j };
            match of {
                Derivative::Vjp(_) => sums[own] += e[i] * slope,
                _ => sums[i] += u[own] * slope,
            }
        }
        sums.into_iter().map(T::from_f64).collect()
    }
}

impl<P: Plain> Subject for Engine<P> {
    const SEED: u64 = 2;
    const ITEM: &'static str = P::ITEM;
    const ORDER: u32 = 1;

    fn value<T: Element>(rows: &[Vec<T>], _: Device) -> Result<Outcome<T>, Error> {
        let rows: Vec<Vec<f64>> = rows.iter().map(|row| wide(row)).collect();
        let values = (0..rows[0].len()).map(|i| T::from_f64(P::value(&rows, i))).collect();
        Ok(Outcome { values, indices: vec![] })
    }

    fn on<T: Element>(_: &[Vec<T>], _: Arch) -> Result<Option<Outcome<T>>, Error> {
        Ok(None)
    }

    fn derivative<T: Element>(of: Derivative, rows: &[Vec<T>], _: Device) -> Result<Vec<T>, Error> {
        Ok(Self::by(of, rows))
    }

    fn second(_: Derivative, _: &[Vec<f64>], _: Device) -> Result<Vec<f64>, Error> {
        unreachable!("the order is 1")
    }

    fn gradients(rows: &[Vec<f64>], _: Device) -> Result<Vec<Vec<f64>>, Error> {
        // no tangent stands behind the cotangent
        let n = Formula::new(P::ITEM).unwrap().variables().count();
        Ok((0..n).map(|k| Self::by(Derivative::Vjp(k), rows)).collect())
    }
}

/// The message for the fault; without it all is right.
fn noticed<Old: Plain, New: Plain>() -> String {
    let seen = check::<Engine<New>>(false).unwrap();
    assert!(seen.kinks > 100, "{seen:?}");
    format!("{:#}", check::<Engine<Old>>(false).unwrap_err())
}

/// A power whose slope is infinite where the distance is 0: 0 times that was NaN.
struct Power<const OLD: bool>;

impl<const OLD: bool> Plain for Power<OLD> {
    const ITEM: &'static str = "fn f(xi0: Vi<1>, xj1: Vj<1>) -> Sum<j> { 1 / (1 + 1.577 * sqdist(xi0, xj1)**0.8951) }";

    fn value(rows: &[Vec<f64>], i: usize) -> f64 {
        rows[1].iter().map(|y| 1.0 / (1.0 + 1.577 * (rows[0][i] - y).powi(2).powf(0.8951))).sum()
    }

    fn slope(rows: &[Vec<f64>], k: usize, (i, j): (usize, usize), _: bool) -> f64 {
        let difference = rows[0][i] - rows[1][j];
        if difference == 0.0 {
            return if OLD { f64::NAN } else { 0.0 };
        }
        let power = 1.577 * difference.powi(2).powf(0.8951);
        let slope = -power * 0.8951 * 2.0 / difference / (1.0 + power).powi(2);
        if k == 0 { slope } else { -slope }
    }
}

#[test]
fn an_infinite_slope_is_noticed() {
    let message = noticed::<Power<true>, Power<false>>();
    assert!(message.contains("is NaN and not"), "{message}");
}

/// A logarithm of a sum of which all weights are 0: the other targets were NaN, too.
struct Masked<const OLD: bool>;

impl<const OLD: bool> Masked<OLD> {
    fn weight(rows: &[Vec<f64>], i: usize, j: usize) -> f64 {
        let counts = if rows[2][i] == rows[3][j] { 1.0 } else { 0.0 };
        counts * (-(rows[0][i] - rows[1][j]).powi(2)).exp()
    }
}

impl<const OLD: bool> Plain for Masked<OLD> {
    const ITEM: &'static str = "fn f(xi0: Vi<1>, xj1: Vj<1>, li2: Vi<1>, lj3: Vj<1>) -> LogSumExp<j> { \
                                (-sqdist(xi0, xj1), (li2 == lj3)) }";

    fn value(rows: &[Vec<f64>], i: usize) -> f64 {
        (0..rows[1].len()).map(|j| Self::weight(rows, i, j)).sum::<f64>().ln()
    }

    fn slope(rows: &[Vec<f64>], k: usize, (i, j): (usize, usize), _: bool) -> f64 {
        let total: f64 = (0..rows[1].len()).map(|j| Self::weight(rows, i, j)).sum();
        if k > 1 || !OLD && total == 0.0 {
            return 0.0;
        }
        let slope = -2.0 * (rows[0][i] - rows[1][j]) * Self::weight(rows, i, j) / total;
        if k == 0 { slope } else { -slope }
    }
}

#[test]
fn weights_of_zero_are_noticed() {
    let message = noticed::<Masked<true>, Masked<false>>();
    assert!(message.contains("is NaN and not"), "{message}");
}

/// A mean that was rounded before it was subtracted.
struct Softmax<const OLD: bool>;

impl<const OLD: bool> Softmax<OLD> {
    fn weight(rows: &[Vec<f64>], i: usize, j: usize) -> f64 {
        let weight = |j: usize| (-(rows[0][i] - rows[1][j]).powi(2)).exp();
        weight(j) / (0..rows[1].len()).map(weight).sum::<f64>()
    }
}

impl<const OLD: bool> Plain for Softmax<OLD> {
    const ITEM: &'static str =
        "fn f(xi0: Vi<1>, xj1: Vj<1>, vj2: Vj<1>) -> SumSoftMaxWeight<j> { (-sqdist(xi0, xj1), vj2) }";

    fn value(rows: &[Vec<f64>], i: usize) -> f64 {
        (0..rows[1].len()).map(|j| Self::weight(rows, i, j) * rows[2][j]).sum()
    }

    fn slope(rows: &[Vec<f64>], k: usize, (i, j): (usize, usize), single: bool) -> f64 {
        let weight = Self::weight(rows, i, j);
        let mean = Self::value(rows, i);
        let mean = if OLD && single { f64::from(mean as f32) } else { mean };
        let slope = -2.0 * (rows[0][i] - rows[1][j]) * weight * (rows[2][j] - mean);
        [slope, -slope, weight][k]
    }
}

#[test]
fn a_rounded_mean_is_noticed() {
    let message = noticed::<Softmax<true>, Softmax<false>>();
    assert!(message.contains("Offset") && message.contains("in f32"), "{message}");
}

/// A root of a sum of squares, which over- and underflow.
struct Length<const OLD: bool>;

impl<const OLD: bool> Subject for Length<OLD> {
    const SEED: u64 = 3;
    const ITEM: &'static str = "fn f(xi0: Vi<2>, xj1: Vj<2>) -> Sum<j> { complex_abs(xi0 - xj1) }";
    const ORDER: u32 = 0;

    fn units() -> Option<Units> {
        Some(Units { variables: (&[[1, 0]; 2]).into(), parts: (&[[1, 0]; 2]).into(), lengths: (&[]).into() })
    }

    fn value<T: Element>(rows: &[Vec<T>], _: Device) -> Result<Outcome<T>, Error> {
        let (x, y) = (wide(&rows[0]), wide(&rows[1]));
        let narrow = |x: f64| Element::to_f64(T::from_f64(x));
        let length = |x: &[f64], y: &[f64]| {
            let (a, b) = (x[0] - y[0], x[1] - y[1]);
            if OLD { narrow(narrow(a * a) + narrow(b * b)).sqrt() } else { a.hypot(b) }
        };
        let sum = |x: &[f64]| T::from_f64(y.chunks(2).map(|y| length(x, y)).sum());
        Ok(Outcome { values: x.chunks(2).map(sum).collect(), indices: vec![] })
    }

    fn on<T: Element>(_: &[Vec<T>], _: Arch) -> Result<Option<Outcome<T>>, Error> {
        Ok(None)
    }

    fn derivative<T: Element>(_: Derivative, _: &[Vec<T>], _: Device) -> Result<Vec<T>, Error> {
        unreachable!("the order is 0")
    }

    fn second(_: Derivative, _: &[Vec<f64>], _: Device) -> Result<Vec<f64>, Error> {
        unreachable!("the order is 0")
    }

    fn gradients(_: &[Vec<f64>], _: Device) -> Result<Vec<Vec<f64>>, Error> {
        unreachable!("the order is 0")
    }
}

#[test]
fn squares_beyond_the_range_are_noticed() {
    assert!(check::<Length<false>>(false).unwrap().scaled > 50);
    let message = format!("{:#}", check::<Length<true>>(false).unwrap_err());
    assert!(message.contains("in units of"), "{message}");
}

/// Without compiled code: kinks at which the right value is known.
#[test]
fn rules_hold_at_special_points() {
    for body in [
        "norm2(x - y)",
        "exp(-sqdist(x, y)**1.5)",
        "sum(abs(x - y)) * relu(u - v)",
        "normalize(x - y) * clamp(u, v, 1)",
        "ifelse(sqdist(x, y) - 0.5, 1 / sqdist(x, y), 0)",
        "max(x - y) + atan2(u, 2 + v) * (u == v)",
        "xlogx(sqdist(x, y)) + laplacian(x, y)",
    ] {
        let item = format!("fn f(x: Vi<2>, y: Vj<2>, u: Vi<1>, v: Vj<1>) -> Sum<j> {{ let all = u + v; {body} }}");
        let seen = rules::of_item(&item, 5).unwrap();
        assert!(seen > 100, "{body}: {seen}");
    }
    let wrong = "fn f(x: Vi<1>, y: Vj<1>) -> Sum<j> { grad(exp(-abs(x - y)), x, 1) + 1 / (x == y) }";
    assert!(rules::of_item(wrong, 5).is_ok(), "where the value is infinite nothing is known");
}
