//! Bounds of formulas on boxes, against values of pairs of points in the boxes: of the stages on plain numbers and lanes, and
//! of whole calls.
//!
//!     KEOPS_EXHAUSTIVE=1 cargo test --release --test bounds -- --nocapture
//!
//! tries a hundred times as many pairs. The test prints how wide the bounds are, over the widths of the sampled values.

mod harness;

use harness::Random;
use keops::{Element, prelude::*};
use keops_core::{
    bounds::{Bounds, End, Interval, Rounding, Scratch},
    formula::{Components, Formula, Role, Row, Sink, width},
    lanes::Lanes,
    number::{Packed, Real},
};
use pulp::{Simd, WithSimd};

keops! {
    /// |x - y|²
    #[keops(order = 0)]
    pub fn squared_distance<const D: usize>(x: Vi<D>, y: Vj<D>) -> Min<j> { sqdist(x, y) }
    /// The same, for the largest.
    #[keops(order = 0)]
    pub fn largest_distance<const D: usize>(x: Vi<D>, y: Vj<D>) -> Max<j> { sqdist(x, y) }
    /// A dot product, the least and the largest.
    #[keops(order = 0)]
    pub fn least_product<const D: usize>(x: Vi<D>, y: Vj<D>) -> Min<j> { (x | y) }
    /// See [`least_product`].
    #[keops(order = 0)]
    pub fn largest_product<const D: usize>(x: Vi<D>, y: Vj<D>) -> Max<j> { (x | y) }
    /// exp(-g |x - y|²), and its gradient
    pub fn gauss(x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-12.5 * sqdist(x, y)) }
    /// exp(-g |x - y|²) (x | y)
    #[keops(order = 0)]
    pub fn gauss_times_product(x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-12.5 * sqdist(x, y)) * (x | y) }
    /// exp(-a |x - y|)
    #[keops(order = 1)]
    pub fn laplace(x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-5 * norm2(x - y)) }
    /// 1/(1 + g |x - y|²)
    #[keops(order = 0)]
    pub fn cauchy(g: Pm<1>, x: Vi<3>, y: Vj<3>) -> Sum<j> { 1 / (1 + g * sqdist(x, y)) }
    /// Σ |x - y|
    #[keops(order = 0)]
    pub fn manhattan(x: Vi<3>, y: Vj<3>) -> Min<j> { sum(abs(x - y)) }
    /// max |x - y|
    #[keops(order = 0)]
    pub fn chebyshev(x: Vi<3>, y: Vj<3>) -> Min<j> { max(abs(x - y)) }
    /// On the sphere; longitudes and latitudes between 0 and 1.
    #[keops(order = 0)]
    pub fn haversine(x: Vi<2>, y: Vj<2>) -> Min<j> {
        let d = 0.5 * (x - y);
        2 * asin(sqrt(square(sin(d[1])) + cos(x[1]) * cos(y[1]) * square(sin(d[0]))))
    }
    /// In the Poincaré ball.
    #[keops(order = 1)]
    pub fn hyperbolic(x: Vi<3>, y: Vj<3>) -> Min<j> {
        acosh(1 + 2 * sqdist(x, y) / ((4 - sqnorm2(x)) * (4 - sqnorm2(y))))
    }
    /// In a box of edge 1 that repeats.
    #[keops(order = 0)]
    pub fn periodic(x: Vi<3>, y: Vj<3>) -> Min<j> {
        let d = x - y;
        sqnorm2(d - round(d, 0))
    }
    /// The same, without rounding.
    #[keops(order = 0)]
    pub fn nearest_image(x: Vi<3>, y: Vj<3>) -> Min<j> {
        let d = abs(x - y);
        sqnorm2(min(d, 1 - d))
    }
    /// (1 + r) exp(-r)
    #[keops(order = 0)]
    pub fn matern(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        let r = 5 * norm2(x - y);
        (1 + r) * exp(-r)
    }
    /// |x - y|² exp(-g |x - y|²)
    #[keops(order = 0)]
    pub fn mexican_hat(x: Vi<3>, y: Vj<3>) -> Sum<j> { sqdist(x, y) * exp(-12.5 * sqdist(x, y)) }
    /// |x - y|², written as squares and a product
    #[keops(order = 0)]
    pub fn expanded(x: Vi<3>, y: Vj<3>) -> Min<j> { sqnorm2(x) + sqnorm2(y) - 2 * (x | y) }
    /// One less the cosine of the angle.
    #[keops(order = 0)]
    pub fn cosine(x: Vi<3>, y: Vj<3>) -> Min<j> { 1 - (x | y) / (norm2(x) * norm2(y)) }
    /// A distance between bounds.
    #[keops(order = 1)]
    pub fn clamped(x: Vi<3>, y: Vj<3>) -> Sum<j> { clamp(1 - norm2(x - y), 0.25, 0.75) }
    /// Wendland's function of compact support.
    #[keops(order = 0)]
    pub fn wendland(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        let r = 2 * norm2(x - y);
        relu(1 - r) ** 4 * (4 * r + 1)
    }
    /// Huber's function, quadratic near 0.
    #[keops(order = 0)]
    pub fn huber(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        let s = sqdist(x, y);
        ifelse(s - 0.25, sqrt(s) - 0.25, s)
    }
    /// 1/|x - y|
    #[keops(order = 0)]
    pub fn inverse_distance(x: Vi<3>, y: Vj<3>) -> Max<j> { 1 / norm2(x - y) }
}

/// Takes the components of f.
struct Taken<'a, R>(&'a mut [R]);

impl<R: Real> Sink<R> for Taken<'_, R> {
    fn put(&mut self, _: R::Cx, c: usize, value: R) {
        self.0[c] = value;
    }
    fn put_product(&mut self, cx: R::Cx, c: usize, a: R, b: R) {
        self.0[c] = R::mul(cx, a, b);
    }
}

/// A source in every lane.
struct Spread<'a, T>(&'a [T]);

impl<R: Packed> Row<R> for Spread<'_, R::Scalar> {
    fn get(&self, cx: R::Cx, c: usize) -> R {
        R::splat(cx, self.0[c])
    }
}

/// The values of a formula for some targets, in lanes, and a source.
struct Values<'a, F, T> {
    parameters: &'a [T],
    /// Numbers 16 c to 16 c + 15 are component c of sixteen targets.
    targets: &'a [T],
    source: &'a [T],
    /// As `targets`.
    to: &'a mut [T],
    formula: std::marker::PhantomData<F>,
}

/// How many targets are computed together.
const TOGETHER: usize = 16;

impl<F: Formula, T: Element> Values<'_, F, T> {
    #[inline(always)]
    fn run<R: Packed<Scalar = T>>(self, cx: R::Cx) {
        let mut p = <F::Parameters<T> as Components<T>>::splat(T::zero());
        F::parameters::<T>((), self.parameters, p.as_mut_slice());
        let mut j = <F::Source<T> as Components<T>>::splat(T::zero());
        F::source::<T>((), p.as_slice(), self.source, j.as_mut_slice());
        let zero = R::lit(cx, 0.0);
        let mut spread = <F::Parameters<R> as Components<R>>::splat(zero);
        spread.as_mut_slice().iter_mut().zip(p.as_slice()).for_each(|(to, &p)| *to = R::splat(cx, p));
        for k in (0..TOGETHER).step_by(R::LANES) {
            let x: Vec<R> = self.targets.chunks(TOGETHER).map(|x| R::load(cx, &x[k..])).collect();
            let mut i = <F::Target<R> as Components<R>>::splat(zero);
            F::target::<R>(cx, spread.as_slice(), &x, i.as_mut_slice());
            let mut c = <F::Contractions<R> as Components<R>>::splat(zero);
            for (to, contraction) in c.as_mut_slice().iter_mut().zip(F::CONTRACTIONS) {
                *to = contraction.of_pair(cx, i.as_slice(), &Spread(j.as_slice()));
            }
            let mut f = <F::Output<R> as Components<R>>::splat(zero);
            let (i, j) = (i.as_slice(), Spread(j.as_slice()));
            F::pair::<R>(cx, spread.as_slice(), &i, &j, c.as_slice(), &mut Taken(f.as_mut_slice()));
            f.as_slice().iter().zip(self.to.chunks_mut(TOGETHER)).for_each(|(f, to)| f.store(cx, &mut to[k..]));
        }
    }
}

impl<F: Formula, T: Element> WithSimd for Values<'_, F, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.run::<Lanes<T, S, 1>>(simd);
    }
}

/// The bounds of a formula on one pair of boxes, by `pair` and by `narrow`.
struct Found<T: Element> {
    whole: Vec<Interval<T>>,
    narrow: Vec<Interval<T>>,
}

/// The box from each of some numbers to the number of the same place.
type Ends<T> = (Vec<T>, Vec<T>);

fn intervals<T: Element>(role: Role, (lo, hi): &Ends<T>) -> Vec<Interval<T>> {
    lo.iter().zip(hi).enumerate().map(|(k, (&lo, &hi))| Interval::component(role, k, lo, hi)).collect()
}

fn bounds<F: Formula, T: Element>(cx: Rounding<T>, p: &[T], x: &Ends<T>, y: &Ends<T>) -> Found<T> {
    let (boxes, mut scratch) = (Bounds::<T>::of::<F>(), Scratch::default());
    let [mut parameters, mut target, mut source] = [Vec::new(), Vec::new(), Vec::new()];
    let p = intervals(Role::Parameter, &(p.to_vec(), p.to_vec()));
    boxes.prepare(cx, Role::Parameter, &[], &p, &mut parameters);
    boxes.prepare(cx, Role::Target, &parameters, &intervals(Role::Target, x), &mut target);
    boxes.prepare(cx, Role::Source, &parameters, &intervals(Role::Source, y), &mut source);
    let any = Interval::component(Role::Target, 0, T::zero(), T::zero());
    let mut found = Found { whole: vec![any; boxes.components()], narrow: vec![any; boxes.components()] };
    boxes.pair(cx, &parameters, &target, &source, &mut scratch, &mut found.whole);
    if boxes.reads_boxes() {
        boxes.pair_with_box(cx, &parameters, &target, ((&y.0, &y.1), false), &mut scratch, &mut found.narrow);
        assert_eq!(ends(&found.narrow), ends(&found.whole), "a box that was not prepared");
    }
    found.narrow.copy_from_slice(&found.whole);
    let enough = vec![f64::NAN; boxes.components()];
    for end in [End::Lower, End::Upper] {
        boxes.narrow(cx, &parameters, &target, &source, (end, &enough), &mut scratch, &mut found.narrow);
    }
    found
}

/// The ends of intervals, and whether these may be NaN.
fn ends<T: Element>(intervals: &[Interval<T>]) -> Vec<(f64, f64, bool)> {
    intervals.iter().map(|interval| (interval.lo(), interval.hi(), interval.may_be_nan())).collect()
}

fn exhaustive() -> bool {
    std::env::var_os("KEOPS_EXHAUSTIVE").is_some_and(|v| v == "1")
}

/// A box of this edge, whose lower corner is between 0 and 1, or between -1 and 1.
fn random_box<T: Element>(random: &mut Random, len: usize, edge: f64, signed: bool) -> Ends<T> {
    let least = if signed { -1.0 } else { 0.0 };
    let lo: Vec<T> = (0..len).map(|_| random.number(least..1.0)).collect();
    let hi = lo.iter().map(|&lo| lo + T::from_f64(edge)).collect();
    (lo, hi)
}

/// A number between two, often one of them.
fn between<T: Element>(random: &mut Random, lo: T, hi: T) -> T {
    match random.integer(0..6) {
        0 => lo,
        1 => hi,
        _ => {
            let part: T = random.number(0.0..1.0);
            let x = lo + (hi - lo) * part;
            if x > hi { hi } else { x }
        }
    }
}

/// How many values are outside of their bounds, of how many; and the widths of bounds over those of the values, sorted.
struct Outcome {
    outside: usize,
    count: usize,
    first: String,
    whole: Vec<f64>,
    narrow: Vec<f64>,
}

impl Outcome {
    fn of<F: Formula, T: Element>(cx: Rounding<T>, p: &[T], boxes: usize, samples: usize, edge: Option<f64>) -> Self {
        let mut random = Random::new();
        let mut outcome = Self { outside: 0, count: 0, first: String::new(), whole: Vec::new(), narrow: Vec::new() };
        let [wide_x, wide_y] = [Role::Target, Role::Source].map(|role| width(F::VARIABLES, role));
        let components = <F::Output<T> as Components<T>>::LEN;
        let fixed = edge.is_some();
        for _ in 0..boxes {
            let edges = [0.0, 1e-6, 1e-3, 0.05, 0.2, 0.2, 1.0, 3.0];
            let mut edge = || edge.unwrap_or_else(|| edges[random.integer(0..edges.len())]);
            let edges = [edge(), edge()];
            let signed = random.integer(0..2) == 0 && !fixed;
            let x: Ends<T> = random_box(&mut random, wide_x, edges[0], signed);
            let y: Ends<T> = if random.integer(0..5) == 0 && wide_x == wide_y {
                x.clone()
            } else {
                random_box(&mut random, wide_y, edges[1], signed)
            };
            let found = bounds::<F, T>(cx, p, &x, &y);
            let mut seen = vec![[f64::INFINITY, f64::NEG_INFINITY]; components];
            for _ in 0..samples / TOGETHER {
                let mut targets = vec![T::zero(); wide_x * TOGETHER];
                for (k, to) in targets.iter_mut().enumerate() {
                    *to = between(&mut random, x.0[k / TOGETHER], x.1[k / TOGETHER]);
                }
                let source: Vec<T> = y.0.iter().zip(&y.1).map(|(&lo, &hi)| between(&mut random, lo, hi)).collect();
                let mut values = vec![T::zero(); components * TOGETHER];
                for lanes in [false, true] {
                    let formula = std::marker::PhantomData::<F>;
                    let task = Values { parameters: p, targets: &targets, source: &source, to: &mut values, formula };
                    if lanes {
                        pulp::Arch::new().dispatch(task)
                    } else {
                        task.run::<T>(())
                    }
                    for (k, &value) in values.iter().enumerate() {
                        let value = Element::to_f64(value);
                        let seen = &mut seen[k / TOGETHER];
                        *seen = [seen[0].min(value), seen[1].max(value)];
                        for bound in [found.whole[k / TOGETHER], found.narrow[k / TOGETHER]] {
                            let within = bound.lo() <= value && value <= bound.hi();
                            let within = if value.is_nan() { bound.may_be_nan() } else { within };
                            outcome.count += 1;
                            outcome.outside += usize::from(!within);
                            if !within && outcome.first.is_empty() {
                                outcome.first =
                                    format!("{value:e}, lanes {lanes}, is not in {bound:?} of {x:?} and {y:?}");
                            }
                        }
                    }
                }
            }
            for (c, seen) in seen.iter().enumerate() {
                let over = |bound: Interval<T>| (bound.hi() - bound.lo()) / (seen[1] - seen[0]);
                outcome.whole.push(over(found.whole[c]));
                outcome.narrow.push(over(found.narrow[c]));
            }
        }
        outcome.whole.sort_by(f64::total_cmp);
        outcome.narrow.sort_by(f64::total_cmp);
        outcome
    }
}

fn check<F: Formula, T: Element>(p: &[T]) {
    let boxes = if exhaustive() { 40_000 } else { 400 };
    let Outcome { outside, count, first, .. } = Outcome::of::<F, T>(Rounding::engine(), p, boxes, 64, None);
    assert_eq!(outside, 0, "{}: {outside} of {count}: {first}", F::NAME);
}

/// One test for each formula, in both element types, and a line with the widths of all.
macro_rules! formulas {
    ($($name:ident: $formula:ty $(, $p:literal)?;)*) => {
        $(
            #[test]
            fn $name() {
                check::<$formula, f32>(&[$($p)?]);
                check::<$formula, f64>(&[$($p)?]);
            }
        )*
        /// How wide the bounds are: the median and the 90 % quantile of the widths over those of the values, for boxes of edge 0.2
        /// in the unit cube; by `pair` and by `narrow`.
        #[test]
        fn widths() {
            $({
                let outcome = Outcome::of::<$formula, f32>(Rounding::engine(), &[$($p)?], if exhaustive() { 600 } else { 60 }, 2048, Some(0.2));
                let at = |sorted: &[f64], part: f64| sorted[(sorted.len() as f64 * part) as usize];
                let [whole, narrow] = [&outcome.whole, &outcome.narrow].map(|all| [at(all, 0.5), at(all, 0.9)]);
                println!(
                    "{:22} pair {:6.2} {:6.2}   narrow {:6.2} {:6.2}",
                    stringify!($name), whole[0], whole[1], narrow[0], narrow[1],
                );
                assert_eq!(outcome.outside, 0, "{}", outcome.first);
            })*
        }
        /// Bounds that leave the roundings out are too narrow, and the tests above would find it; most clearly for boxes that are
        /// points.
        #[test]
        fn roundings_count() {
            $({
                let outcome = Outcome::of::<$formula, f32>(Rounding::none(), &[$($p)?], 400, 16, Some(0.0));
                println!("{:22} without roundings {} of {} outside", stringify!($name), outcome.outside, outcome.count);
                assert!(outcome.outside > 0, stringify!($name));
            })*
        }
    };
}

formulas! {
    squared_distance_3: squared_distance::Value<3>;
    squared_distance_16: squared_distance::Value<16>;
    product_3: least_product::Value<3>;
    gaussian: gauss::Value;
    gaussian_gradient: gauss::Vjp_x;
    gaussian_product: gauss_times_product::Value;
    gaussian_tangent: gauss::Jvp_y;
    laplacian: laplace::Value;
    laplacian_gradient: laplace::Vjp_x;
    cauchy_of_parameter: cauchy::Value, 2.5;
    manhattan_distance: manhattan::Value;
    chebyshev_distance: chebyshev::Value;
    haversine_distance: haversine::Value;
    hyperbolic_distance: hyperbolic::Value;
    periodic_distance: periodic::Value;
    nearest_image_distance: nearest_image::Value;
    hyperbolic_gradient: hyperbolic::Vjp_x;
    matern_kernel: matern::Value;
    mexican_hat_kernel: mexican_hat::Value;
    expanded_distance: expanded::Value;
    cosine_distance: cosine::Value;
    clamped_distance: clamped::Value;
    clamped_gradient: clamped::Vjp_y;
    wendland_kernel: wendland::Value;
    huber_distance: huber::Value;
    inverse: inverse_distance::Value;
}

/// The least and the largest contraction of each target, computed by a call, lie in the bounds of all pairs; of few and
/// many components, close together and far from 0.
fn calls<const D: usize, T: Element>(cx: Rounding<T>) -> (usize, usize) {
    let mut random = Random::new();
    let (mut outside, mut count) = (0, 0);
    for _ in 0..if exhaustive() { 4000 } else { 120 } {
        let edge = [1e-6, 1e-3, 0.2, 1.0][random.integer(0..4)];
        let (mut x, mut y): (Ends<T>, Ends<T>) =
            (random_box(&mut random, D, edge, true), random_box(&mut random, D, edge, true));
        if random.integer(0..2) == 0 {
            // the two boxes are close, beside the distance of the origin
            y = (x.0.clone(), x.1.iter().map(|&hi| hi + T::from_f64(edge)).collect());
        }
        // also where squares underflow or overflow in f32
        let shift = T::from_f64([0.0, 10.0][random.integer(0..2)]);
        let scale = T::from_f64([1.0, 1.0, 1.0, 1e-22, 1e-19, 1e-16, 2e18, 1e19][random.integer(0..8)]);
        for ends in [&mut x.0, &mut x.1, &mut y.0, &mut y.1] {
            ends.iter_mut().for_each(|end| *end = (*end + shift) * scale);
        }
        let mut points = |ends: &Ends<T>, n: usize| -> Vec<[T; D]> {
            (0..n).map(|_| std::array::from_fn(|d| between(&mut random, ends.0[d], ends.1[d]))).collect()
        };
        let (targets, sources) = (points(&x, 40), points(&y, 50));
        let mut assert_within = |bound: &Found<T>, rows: Rows<T, 1>| {
            for row in &*rows {
                let value = Element::to_f64(row[0]);
                count += 1;
                outside += usize::from(!(bound.whole[0].lo() <= value && value <= bound.whole[0].hi()));
            }
        };
        let distance = bounds::<squared_distance::Value<D>, T>(cx, &[], &x, &y);
        assert_within(&distance, squared_distance(&targets, &sources).device(Device::Cpu).eval().unwrap());
        assert_within(&distance, largest_distance(&targets, &sources).device(Device::Cpu).eval().unwrap());
        let product = bounds::<least_product::Value<D>, T>(cx, &[], &x, &y);
        assert_within(&product, least_product(&targets, &sources).device(Device::Cpu).eval().unwrap());
        assert_within(&product, largest_product(&targets, &sources).device(Device::Cpu).eval().unwrap());
    }
    (outside, count)
}

#[test]
fn contractions_of_calls() {
    fn both<const D: usize>() -> usize {
        for (outside, count) in [calls::<D, f32>(Rounding::engine()), calls::<D, f64>(Rounding::engine())] {
            assert_eq!(outside, 0, "{D} components: {outside} of {count}");
        }
        let (outside, count) = calls::<D, f32>(Rounding::none());
        println!("{D} components without roundings: {outside} of {count} outside");
        outside
    }
    assert!(both::<1>() + both::<3>() + both::<7>() > 0);
    // products about a centre
    assert!(both::<16>() + both::<64>() + both::<300>() > 0);
}

/// Boxes of sources that were not prepared have the bounds of those that were, also with numbers that are not finite.
#[test]
fn boxes_are_read_as_they_are() {
    fn check<F: Formula, T: Element>() {
        let boxes = Bounds::<T>::of::<F>();
        assert!(boxes.reads_boxes());
        let mut random = Random::new();
        let least = T::min_positive_value();
        let numbers =
            [T::neg_infinity(), -T::max_value(), -T::one(), T::zero(), least, T::one(), T::max_value(), T::infinity()];
        let cx = Rounding::engine();
        let mut scratch = Scratch::default();
        let (mut prepared, mut read) =
            (vec![Interval::component(Role::Source, 0, T::zero(), T::zero()); 1], Vec::new());
        for round in 0..4000 {
            let mut corners = || {
                let ends: [_; 3] = std::array::from_fn(|_| [random.integer(0..8), random.integer(0..8)]);
                (ends.map(|[a, b]| numbers[a.min(b)]).to_vec(), ends.map(|[a, b]| numbers[a.max(b)]).to_vec())
            };
            let (x, mut y) = (intervals::<T>(Role::Target, &corners()), corners());
            let nan = round % 3 == 0;
            let mut source = intervals(Role::Source, &y);
            if nan {
                source = source.into_iter().map(Interval::or_nan).collect();
            }
            if round % 6 == 0 {
                // one coordinate is NaN for all points of the box
                (y.0[1], y.1[1]) = (T::infinity(), T::neg_infinity());
                source[1] = Interval::component(Role::Source, 1, T::zero(), T::zero()).or_nan();
            }
            boxes.pair(cx, &[], &x, &source, &mut scratch, &mut prepared);
            read.clone_from(&prepared);
            boxes.pair_with_box(cx, &[], &x, ((&y.0, &y.1), nan), &mut scratch, &mut read);
            assert_eq!(ends(&read), ends(&prepared), "{x:?} {y:?}");
        }
    }
    check::<squared_distance::Value<3>, f32>();
    check::<squared_distance::Value<3>, f64>();
    check::<least_product::Value<3>, f32>();
    check::<least_product::Value<3>, f64>();
}

mod series {
    //! Coefficients of Taylor series bound the errors of interpolations.

    use keops_core::bounds::{Along, Bounds, Interval, Rounding, SeriesScratch};
    use keops_core::formula::Role;

    macro_rules! functions {
        ($($name:ident($low:expr, $high:expr): $formula:expr, $f:expr;)*) => {
            $(mod $name {
                keops::keops! {
                    /// A formula on intervals; the function is not called.
                    #[keops(order = 0)]
                    #[allow(dead_code, reason = "its formula is read")]
                    pub(super) fn of(x: Vi<1>, y: Vj<1>) -> Sum<j> { $formula }
                }
            })*
            /// Each formula with its name, the range of its argument, and its values.
            fn all(mut check: impl FnMut(&str, &Bounds<f64>, [f64; 2], fn(f64, f64) -> f64)) {
                $(check(stringify!($name), Bounds::<f64>::of::<$name::of::Value>(), [$low, $high], $f);)*
            }
        };
    }
    functions! {
        exponential(-2.0, 2.0): exp(x * y), |x, y| (x * y).exp();
        logarithm(0.2, 3.0): log(x + square(y)), |x, y| (x + y * y).ln();
        root(0.2, 3.0): sqrt(x + square(y)), |x, y| (x + y * y).sqrt();
        inverse_root(0.2, 3.0): rsqrt(x + square(y)), |x, y| 1.0 / (x + y * y).sqrt();
        quotient(0.2, 3.0): (1 + x * y) / (1 + x + square(y)), |x, y| (1.0 + x * y) / (1.0 + x + y * y);
        power(0.2, 3.0): powf(x + square(y), 1.7), |x, y| (x + y * y).powf(1.7);
        sine(-2.0, 2.0): sin(x * y) + cos(x + y), |x, y| (x * y).sin() + (x + y).cos();
        tangent(-0.6, 0.6): tan(x) * y, |x, y| x.tan() * y;
        hyperbolic(-2.0, 2.0): sinh(x) * y + cosh(x - y) + tanh(x * y), |x, y| x.sinh() * y + (x - y).cosh() + (x * y).tanh();
        arcs(-0.6, 0.6): asin(x) + acos(x * 0.5) * y + atan(x), |x, y| x.asin() + (0.5 * x).acos() * y + x.atan();
        areas(-0.6, 0.6): asinh(x) + acosh(2 + x) * y + atanh(x), |x, y| x.asinh() + (2.0 + x).acosh() * y + x.atanh();
        gauss(-2.0, 2.0): exp(-3 * sqdist(x, y)), |x, y| (-3.0 * (x - y) * (x - y)).exp();
        kink(-2.0, 2.0): abs(x - y) + max(x, y), |x, y| (x - y).abs() + x.max(y);
        jump(-2.0, 2.0): ifelse(x - y, 2, 1), |x, y| if x - y > 0.0 { 2.0 } else { 1.0 };
    }

    /// The polynomial through values at the Chebyshev nodes of an interval.
    fn interpolated(values: &[f64], nodes: &[f64], x: f64) -> f64 {
        (0..nodes.len())
            .map(|k| {
                let others = (0..nodes.len()).filter(|&m| m != k);
                values[k] * others.map(|m| (x - nodes[m]) / (nodes[k] - nodes[m])).product::<f64>()
            })
            .sum()
    }

    #[test]
    fn coefficients_bound_errors() {
        const ORDER: usize = 9;
        let seed = fastrand::u64(..);
        let mut numbers = fastrand::Rng::with_seed(seed);
        let (mut finite, mut count) = (0, 0);
        all(|name, bounds, [low, high], f| {
            for _ in 0..60 {
                let edge = (high - low) * numbers.f64() * 0.5;
                let start = low + (high - low - edge) * numbers.f64();
                let y = 2.0 * numbers.f64() - 1.0;
                let reach = 0.2 * numbers.f64();
                let rows = [
                    [Interval::component(Role::Target, 0, start, start + edge)],
                    [Interval::component(Role::Source, 0, y - reach, y + reach)],
                ];
                let cx = Rounding::none();
                let mut parameters = Vec::new();
                bounds.prepare(cx, Role::Parameter, &[], &[], &mut parameters);
                let along = Along { role: Role::Target, component: 0, order: ORDER };
                let (mut scratch, mut coefficients) = (SeriesScratch::default(), Vec::new());
                bounds.coefficients(cx, along, &parameters, [&rows[0], &rows[1]], &mut scratch, &mut coefficients);
                let (centre, half) = (start + 0.5 * edge, 0.5 * edge);
                for p in 1..=ORDER {
                    let bound = 2.0 * (0.5 * half).powi(p as i32) * coefficients[p - 1];
                    count += 1;
                    finite += usize::from(bound.is_finite());
                    let node =
                        |k: usize| centre + half * ((2 * k + 1) as f64 * std::f64::consts::PI / (2 * p) as f64).cos();
                    let nodes: Vec<f64> = (0..p).map(node).collect();
                    for _ in 0..20 {
                        let (x, y) = (start + edge * numbers.f64(), y + reach * (2.0 * numbers.f64() - 1.0));
                        let values: Vec<f64> = nodes.iter().map(|&x| f(x, y)).collect();
                        let error = (interpolated(&values, &nodes, x) - f(x, y)).abs();
                        let rounding = 1e-12 * (1.0 + f(x, y).abs());
                        assert!(error <= bound + rounding, "seed {seed}: {name}, {p} nodes, {x} {y}: {error} {bound}");
                    }
                }
            }
        });
        assert!(3 * finite > 2 * count, "seed {seed}: {finite} of {count} bounds are finite");
    }
}
