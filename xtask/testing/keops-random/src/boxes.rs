//! Bounds of formulas on boxes, against values at points of the boxes.

use std::{env, ops::Add};

use anyhow::{Result, ensure};
use fastrand::Rng;
use keops::Element;
use keops_core::{
    bounds::{Bounds, End, Interval, Rounding, Scratch},
    formula::{Components, Formula, Role, Sink, width},
    number::Real,
};

use crate::points::RANGE;

/// How many pairs of boxes are tried, and how many pairs of points in each. With `KEOPS_EXHAUSTIVE=1` there are a hundred times
/// as many boxes.
const BOXES: usize = 24;
const PAIRS: usize = 32;

/// The edges of boxes; without one, a box is a point.
const EDGES: [f64; 5] = [0.0, 1e-4, 0.02, 0.3, 1.0];

/// Takes the components of f.
struct Taken<T>(Vec<T>);

impl<T: Element> Sink<T> for Taken<T> {
    fn put(&mut self, (): (), c: usize, value: T) {
        self.0[c] = value;
    }
    fn put_product(&mut self, (): (), c: usize, a: T, b: T) {
        self.0[c] = Real::mul((), a, b);
    }
}

/// The least and the largest numbers of a box.
struct Ends<T>(Vec<[T; 2]>);

impl<T: Element> Ends<T> {
    /// A box for the variables of a role. Some numbers are 0, and some boxes are those of other numbers.
    fn new(rng: &mut Rng, len: usize, edge: f64) -> Self {
        let mut ends = |_| {
            let low = if rng.u8(..8) == 0 { 0.0 } else { RANGE.0 + (RANGE.1 - RANGE.0) * rng.f64() };
            [T::from_f64(low), T::from_f64(low + edge)]
        };
        Self((0..len).map(&mut ends).collect())
    }

    fn intervals(&self, role: Role) -> Vec<Interval<T>> {
        self.0.iter().enumerate().map(|(k, &[low, high])| Interval::component(role, k, low, high)).collect()
    }

    /// A point of the box, often at its sides.
    fn point(&self, rng: &mut Rng) -> Vec<T> {
        let mut between = |&[low, high]: &[T; 2]| match rng.u8(..6) {
            0 => low,
            1 => high,
            _ => (low + (high - low) * T::from_f64(rng.f64())).min(high),
        };
        self.0.iter().map(&mut between).collect()
    }
}

/// How many values were compared with bounds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounded {
    /// Values that were within their bounds.
    pub values: usize,
    /// Those that are not within bounds which leave the roundings out.
    pub rounded: usize,
}

impl Add for Bounded {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { values: self.values + other.values, rounded: self.rounded + other.rounded }
    }
}

/// Checks that values of a formula are within its bounds.
///
/// # Errors
/// A value is not, or may be NaN where the bounds do not say so.
pub fn within_bounds<T: Element, F: Formula>(rng: &mut Rng) -> Result<Bounded> {
    let times = if env::var_os("KEOPS_EXHAUSTIVE").is_some_and(|v| v == "1") { 100 } else { 1 };
    let [wide_p, wide_x, wide_y] = [Role::Parameter, Role::Target, Role::Source].map(|role| width(F::VARIABLES, role));
    let mut seen = Bounded::default();
    for _ in 0..BOXES * times {
        let mut edge = || EDGES[rng.usize(..EDGES.len())];
        let edges = [edge(), edge()];
        let (p, x) = (Ends::<T>::new(rng, wide_p, 0.0), Ends::<T>::new(rng, wide_x, edges[0]));
        let y = if wide_x == wide_y && rng.u8(..4) == 0 { Ends(x.0.clone()) } else { Ends::new(rng, wide_y, edges[1]) };
        let engine = bounds::<T, F>(Rounding::engine(), [&p, &x, &y]);
        let exact = bounds::<T, F>(Rounding::none(), [&p, &x, &y]);
        let p: Vec<T> = p.0.iter().map(|ends| ends[0]).collect();
        for _ in 0..PAIRS {
            let (x, y) = (x.point(rng), y.point(rng));
            let values = value::<T, F>(&p, &x, &y);
            for (c, &value) in values.iter().enumerate() {
                let value = Element::to_f64(value);
                let within = |bound: &Interval<T>| {
                    bound.lo() <= value && value <= bound.hi() || value.is_nan() && bound.may_be_nan()
                };
                for bound in engine.iter().map(|bounds| bounds[c]) {
                    ensure!(
                        within(&bound),
                        "component {c} of {} is {value:e} at {x:?}, {y:?} with {p:?}, and not within {bound:?}",
                        F::NAME
                    );
                    seen.values += 1;
                }
                seen.rounded += exact.iter().filter(|bounds| !within(&bounds[c])).count();
            }
        }
    }
    Ok(seen)
}

/// The bounds of the components of f, as [`Bounds::pair`] and as [`Bounds::narrow`] has them.
fn bounds<T: Element, F: Formula>(cx: Rounding<T>, [p, x, y]: [&Ends<T>; 3]) -> [Vec<Interval<T>>; 2] {
    let (boxes, mut scratch) = (Bounds::<T>::of::<F>(), Scratch::default());
    let [mut parameters, mut target, mut source] = [Vec::new(), Vec::new(), Vec::new()];
    boxes.prepare(cx, Role::Parameter, &[], &p.intervals(Role::Parameter), &mut parameters);
    boxes.prepare(cx, Role::Target, &parameters, &x.intervals(Role::Target), &mut target);
    boxes.prepare(cx, Role::Source, &parameters, &y.intervals(Role::Source), &mut source);
    let any = Interval::component(Role::Target, 0, T::zero(), T::zero());
    let mut found = [vec![any; boxes.components()], vec![any; boxes.components()]];
    boxes.pair(cx, &parameters, &target, &source, &mut scratch, &mut found[0]);
    found[1] = found[0].clone();
    let enough = vec![f64::NAN; boxes.components()];
    for end in [End::Lower, End::Upper] {
        boxes.narrow(cx, &parameters, &target, &source, (end, &enough), &mut scratch, &mut found[1]);
    }
    found
}

/// The components of f for a pair, as plain numbers.
fn value<T: Element, F: Formula>(p: &[T], x: &[T], y: &[T]) -> Vec<T> {
    let mut parameters = <F::Parameters<T> as Components<T>>::splat(T::zero());
    F::parameters::<T>((), p, parameters.as_mut_slice());
    let p = parameters.as_slice();
    let (mut i, mut j) =
        (<F::Target<T> as Components<T>>::splat(T::zero()), <F::Source<T> as Components<T>>::splat(T::zero()));
    F::target::<T>((), p, x, i.as_mut_slice());
    F::source::<T>((), p, y, j.as_mut_slice());
    let (i, j) = (i.as_slice(), j.as_slice());
    let contractions: Vec<T> = F::CONTRACTIONS.iter().map(|contraction| contraction.of_pair((), i, &j)).collect();
    let mut taken = Taken(vec![T::zero(); <F::Output<T> as Components<T>>::LEN]);
    F::pair::<T>((), p, &i, &j, &contractions, &mut taken);
    taken.0
}
