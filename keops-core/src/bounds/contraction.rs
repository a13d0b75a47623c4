//! Dot products and squared distances of boxes.
//!
//! With n components and unit roundoff u, the roundings of a sum of products in any order are at most (n + 2) u Σ |u_d w_d|,
//! and of squared differences a relative (n + 4) u. Where some contraction of a formula has sixteen components or more, the
//! CPU computes all squared distances from products about a centre c (`cpu::contract`): D = U + W - 2 P, with U = |u - c|², W = |w - c|² and P = (u - c | w - c). The error of U + W is at most (n + 3) u (U + W), and
//! that of 2 P at most (n + 1) u (U + W), with n u (U + W) / 4 for products that underflow. The roundings of u - c and w - c
//! change D by at most 2 u √D √(2 (U + W)). As the engine keeps D only where U + W <= 8 D, these are less than
//! (16 (n + 2) + 2 n + 8) u D, and with the last rounding and what is of second order less than (20 n + 64) u D.

use core::marker::PhantomData;

use super::{
    identity,
    identity::word,
    interval::{Interval, Rounding},
};
use crate::{
    formula::{Contraction, ContractionKind},
    number::Scalar,
};

/// Adds all contractions of a pair to `numbers`, in which prepared targets begin at `i` and prepared sources at `j`.
#[inline]
pub(super) fn contract<T: Scalar>(
    cx: Rounding<T>,
    contractions: &[Contraction],
    products: bool,
    [i, j]: [usize; 2],
    numbers: &mut Vec<Interval<T>>,
) {
    for (number, contraction) in contractions.iter().enumerate() {
        let &Contraction { target: u, source: w, len, .. } = contraction;
        let rows = numbers[i + u..][..len].iter().copied().zip(numbers[j + w..][..len].iter().copied());
        let value = of_rows(cx, (number, contraction), products, rows);
        numbers.push(value);
    }
}

/// The contraction of this number, of the components of two prepared rows.
#[inline]
pub(super) fn contract_rows<T: Scalar>(
    cx: Rounding<T>,
    (number, contraction): (usize, &Contraction),
    products: bool,
    [target, source]: [&[Interval<T>]; 2],
) -> Interval<T> {
    let &Contraction { target: u, source: w, len, .. } = contraction;
    let rows = target[u..][..len].iter().copied().zip(source[w..][..len].iter().copied());
    of_rows(cx, (number, contraction), products, rows)
}

/// The contraction of this number, of the components of a prepared target and the coordinates of a box: the least and the largest
/// ones, and whether any may be NaN.
#[inline]
pub(super) fn contract_box<T: Scalar>(
    cx: Rounding<T>,
    (number, contraction): (usize, &Contraction),
    products: bool,
    target: &[Interval<T>],
    ((low, high), nan): ((&[T], &[T]), bool),
) -> Interval<T> {
    let &Contraction { kind, target: u, source: w, len } = contraction;
    let (target, low, high) = (&target[u..][..len], &low[w..][..len], &high[w..][..len]);
    let one = (number, contraction);
    if kind == ContractionKind::SquaredDistance && !nan && !cx.outward {
        let relative = relative_error(cx, contraction, products);
        let (mut near, mut far, mut nan, smallest) = (0.0, 0.0, false, len as f64 * cx.least);
        for ((u, low), high) in target.iter().zip(low).zip(high) {
            let (nearest, farthest) = distances([u.lo, u.hi], [low.as_f64(), high.as_f64()]);
            near += nearest * nearest;
            far += farthest * farthest;
            nan |= u.nan;
        }
        let most = far + (far * (relative / (1.0 - relative).max(0.0)) + smallest);
        // Otherwise the same with all that infinite numbers need.
        if most < T::max_value().as_f64() && !nan {
            let least = larger(near - (near * relative + smallest), 0.0);
            let id = identity::of(const { word("contraction") }, number as u64, 0);
            return Interval { lo: cx.round(least), hi: cx.round(most), nan, id, element: PhantomData };
        }
    }
    let ends = low.iter().zip(high).map(|(&low, &high)| Interval::coordinate(low, high, nan));
    of_rows(cx, one, products, target.iter().copied().zip(ends))
}

/// The larger number. `f64::max` takes three instructions, as it is never NaN.
#[inline(always)]
fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// The least and the largest distance of the numbers of two intervals.
#[inline(always)]
fn distances([u_lo, u_hi]: [f64; 2], [w_lo, w_hi]: [f64; 2]) -> (f64, f64) {
    let (below, above) = (u_lo - w_hi, u_hi - w_lo);
    (larger(larger(below, -above), 0.0), larger(above, -below))
}

/// The contraction of this number, of pairs of components.
#[inline(always)]
fn of_rows<T: Scalar>(
    cx: Rounding<T>,
    (number, contraction): (usize, &Contraction),
    products: bool,
    rows: impl ExactSizeIterator<Item = (Interval<T>, Interval<T>)>,
) -> Interval<T> {
    let id = identity::of(const { word("contraction") }, number as u64, 0);
    let relative = relative_error(cx, contraction, products);
    match contraction.kind {
        ContractionKind::Dot => dot(cx, rows, relative, id),
        ContractionKind::SquaredDistance => squared_distance(cx, rows, relative, id),
    }
}

/// The largest error of a contraction, of whose terms the absolute values are at most `size` in all.
pub(super) fn error<T: Scalar>(cx: Rounding<T>, contraction: &Contraction, products: bool, size: f64) -> f64 {
    let unit = cx.unit.max(f64::EPSILON / 2.0);
    let relative = relative_error(Rounding { unit, ..cx }, contraction, products);
    size * relative / (1.0 - relative).max(0.0) + contraction.len as f64 * cx.least
}

/// The largest relative error of a contraction, which may be made of a product about a centre. In f64 the ends of its
/// interval have as many roundings themselves.
#[inline]
fn relative_error<T: Scalar>(cx: Rounding<T>, contraction: &Contraction, products: bool) -> f64 {
    let [each, all] = match contraction.kind {
        ContractionKind::Dot => [2.0, 4.0],
        ContractionKind::SquaredDistance if products => [22.0, 72.0],
        ContractionKind::SquaredDistance => [2.0, 8.0],
    };
    (each * contraction.len as f64 + all) * cx.unit
}

/// Σ_d u_d w_d, with this error relative to the sum of absolute values.
#[inline(always)]
fn dot<T: Scalar>(
    cx: Rounding<T>,
    rows: impl ExactSizeIterator<Item = (Interval<T>, Interval<T>)>,
    relative: f64,
    id: u64,
) -> Interval<T> {
    let (mut lo, mut hi, mut size, mut nan, smallest) = (0.0, 0.0, 0.0, false, rows.len() as f64 * cx.least);
    for (u, w) in rows {
        let (term, may_be_nan) = u.product(w);
        lo += term[0];
        hi += term[1];
        size += term[0].abs().max(term[1].abs());
        nan |= may_be_nan;
    }
    // Partial sums may be infinite, and of both signs.
    let most = size * (1.0 + relative);
    if most.is_nan() || most >= T::max_value().as_f64() {
        return Interval { id, ..Interval::unknown() };
    }
    let error = size * relative / (1.0 - relative).max(0.0) + smallest;
    cx.widened([lo, hi], [error; 2], nan, id)
}

/// Σ_d (u_d - w_d)², with this relative error.
#[inline(always)]
fn squared_distance<T: Scalar>(
    cx: Rounding<T>,
    rows: impl ExactSizeIterator<Item = (Interval<T>, Interval<T>)>,
    relative: f64,
    id: u64,
) -> Interval<T> {
    let (mut lo, mut hi, mut nan, smallest) = (0.0, 0.0, false, rows.len() as f64 * cx.least);
    for (u, w) in rows {
        let (nearest, farthest) = distances([u.lo, u.hi], [w.lo, w.hi]);
        lo += nearest * nearest;
        hi += farthest * farthest;
        // equal infinities
        nan |= u.nan | w.nan | (u.lo - w.lo).is_nan() | (u.hi - w.hi).is_nan();
    }
    // Of the largest squares a sum may be infinite that is not with other roundings.
    let lo = lo.min(f64::MAX);
    let error = [lo * relative + smallest, hi * (relative / (1.0 - relative).max(0.0)) + smallest];
    let Interval { lo, hi, nan, id, element } = cx.widened([lo, hi], error, nan, id);
    Interval { lo: larger(lo, 0.0), hi, nan, id, element }
}
