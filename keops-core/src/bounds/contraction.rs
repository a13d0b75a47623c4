//! Dot products and squared distances of boxes.
//!
//! With n components and unit roundoff u, the roundings of a sum of products in any order are at most (n + 2) u Σ |u_d w_d|,
//! and of squared differences a relative (n + 4) u. Where some contraction of a formula has sixteen components or more, the
//! CPU computes all squared distances from products about a centre c (`cpu::contract`): D = U + W - 2 P, with U = |u - c|², W = |w - c|² and P = (u - c | w - c). The error of U + W is at most (n + 3) u (U + W), and
//! that of 2 P at most (n + 1) u (U + W), with n u (U + W) / 4 for products that underflow. The roundings of u - c and w - c
//! change D by at most 2 u √D √(2 (U + W)). As the engine keeps D only where U + W <= 8 D, these are less than
//! (16 (n + 2) + 2 n + 8) u D, and with the last rounding and what is of second order less than (20 n + 64) u D.

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
        let &Contraction { kind, target: u, source: w, len } = contraction;
        let rows = numbers[i + u..][..len].iter().zip(&numbers[j + w..][..len]);
        let id = identity::of(const { word("contraction") }, number as u64, 0);
        let relative = relative_error(cx, contraction, products);
        let value = match kind {
            ContractionKind::Dot => dot(cx, rows, relative, id),
            ContractionKind::SquaredDistance => squared_distance(cx, rows, relative, id),
        };
        numbers.push(value);
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
#[inline]
fn dot<'a, T: Scalar>(
    cx: Rounding<T>,
    rows: impl ExactSizeIterator<Item = (&'a Interval<T>, &'a Interval<T>)>,
    relative: f64,
    id: u64,
) -> Interval<T> {
    let (mut lo, mut hi, mut size, mut nan, smallest) = (0.0, 0.0, 0.0, false, rows.len() as f64 * cx.least);
    for (&u, &w) in rows {
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
#[inline]
fn squared_distance<'a, T: Scalar>(
    cx: Rounding<T>,
    rows: impl ExactSizeIterator<Item = (&'a Interval<T>, &'a Interval<T>)>,
    relative: f64,
    id: u64,
) -> Interval<T> {
    let (mut lo, mut hi, mut nan, smallest) = (0.0, 0.0, false, rows.len() as f64 * cx.least);
    for (u, w) in rows {
        let (below, above) = (u.lo - w.hi, u.hi - w.lo);
        let nearest = below.max(-above).max(0.0);
        let farthest = above.max(-below);
        lo += nearest * nearest;
        hi += farthest * farthest;
        let meet = |a: f64, b: f64| a == b && a.is_infinite();
        nan |= u.nan | w.nan | meet(u.lo, w.lo) | meet(u.hi, w.hi);
    }
    // Of the largest squares a sum may be infinite that is not with other roundings.
    let lo = lo.min(f64::MAX);
    let error = [lo * relative + smallest, hi * relative / (1.0 - relative).max(0.0) + smallest];
    let distance = cx.widened([lo, hi], error, nan, id);
    Interval { lo: distance.lo.max(0.0), ..distance }
}
