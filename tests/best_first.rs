//! Selections by bounds on boxes of points: the same rows and values, to the bit, as from all pairs.
#![allow(missing_docs, reason = "tests")]

mod harness;

use harness::Random;
use keops::{Call, Element, cluster::Tree, prelude::*};
use keops_core::problem::Pruning;

keops! {
    fn nearest<const D: usize>(x: Vi<D>, y: Vj<D>) -> ArgKMin<10, j> { sqdist(x, y) }
    fn nearest_with_distances<const D: usize>(x: Vi<D>, y: Vj<D>) -> KMinArgKMin<4, j> { norm2(x - y) }
    fn distances(x: Vi<3>, y: Vj<3>) -> KMin<3, j> { sqdist(x, y) }
    fn targets_of_sources(x: Vi<3>, y: Vj<3>) -> ArgMin<i> { sqdist(x, y) }
    fn manhattan(x: Vi<3>, y: Vj<3>) -> MinArgMin<j> { sum(abs(x - y)) }
    fn weighted(w: Pm<3>, x: Vi<3>, y: Vj<3>) -> ArgMin<j> { weighted_sqdist(w, x, y) }
    fn farthest(x: Vi<2>, y: Vj<2>) -> MaxArgMax<j> { sqdist(x, y) }
    fn densest(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> ArgMax<j> { b * exp(-2 * sqdist(x, y)) }
    fn largest(x: Vi<2>, y: Vj<2>) -> Max<j> { (x | y) - sqdist(x, y) }
    fn smallest(x: Vi<2>, y: Vj<2>) -> Min<j> { abs(x - y) }
    fn of_each_axis(x: Vi<3>, y: Vj<3>) -> ArgKMin<2, j> { (x - y) ** 2 }
    fn periodic(x: Vi<3>, y: Vj<3>) -> ArgKMin<5, j> { sum((x - y - round(x - y, 0)) ** 2) }
    fn haversine(x: Vi<2>, y: Vj<2>) -> ArgKMin<5, j> {
        let d = (x - y) / 2;
        sin(d[0]) ** 2 + cos(x[0]) * cos(y[0]) * sin(d[1]) ** 2
    }
    fn hyperbolic(x: Vi<2>, y: Vj<2>) -> ArgKMin<5, j> {
        acosh(1 + 2 * sqdist(x, y) / ((1 - sqnorm2(x)) * (1 - sqnorm2(y))))
    }
    fn cosine(x: Vi<3>, y: Vj<3>) -> ArgKMin<5, j> { -(x | y) / (norm2(x) * norm2(y)) }
    fn above(x: Vi<3>, y: Vj<3>) -> ArgKMin<3, j> { ifelse(y[2] - x[2], sqdist(x, y), 1000) }
    fn nothing(x: Vi<3>, y: Vj<3>) -> KMinArgKMin<3, j> { sqrt(0.01 - sqdist(x, y)) }
}

/// Not multiples of the points of a box.
const N: usize = 300;
const M: usize = 1_700;

/// Rows in a few clusters, on a grid so coarse that many distances are equal, or spread evenly.
fn rows<T: Element, const D: usize>(random: &mut Random, count: usize, kind: usize) -> Vec<[T; D]> {
    let mut rows: Vec<[T; D]> = random.rows(count, -1.0..1.0);
    for (number, row) in rows.iter_mut().enumerate() {
        for (d, x) in row.iter_mut().enumerate() {
            let value = Element::to_f64(*x);
            *x = T::from_f64(match kind {
                0 => value,
                1 => (8.0 * value).round() / 8.0,
                _ => 0.1 * value + 0.8 * ((number % 7 + d) as f64 / 7.0) - 0.5,
            });
        }
    }
    rows
}

/// For so many targets all pairs are computed.
const FEW: usize = 100;

/// What a call gives, whose first rows are compared.
trait Found {
    fn starts_with(&self, few: &Self) -> bool;
}

impl<T: PartialEq, const D: usize> Found for Rows<T, D> {
    fn starts_with(&self, few: &Self) -> bool {
        self[..].starts_with(few)
    }
}

impl<A: Found, B: Found> Found for (A, B) {
    fn starts_with(&self, few: &Self) -> bool {
        self.0.starts_with(&few.0) && self.1.starts_with(&few.1)
    }
}

/// A call that computes bounds although it has few pairs.
macro_rules! pruned {
    ($call:expr) => {{
        let mut call = $call;
        call.__settings().pruning = Pruning::Always;
        call
    }};
}

/// Checks that a call finds the same with bounds as the call of its first targets from all pairs.
macro_rules! same {
    ($targets:expr, |$x:ident| $call:expr) => {{
        let all = {
            let $x = &$targets[..FEW];
            $call.exhaustive().eval().unwrap()
        };
        let found = {
            let $x = &$targets[..];
            pruned!($call).eval().unwrap()
        };
        assert!(found.starts_with(&all), "{}", stringify!($call));
        let found = {
            let $x = &$targets[..];
            let mut call = $call;
            call.__settings().pruning = Pruning::Narrowly;
            call.eval().unwrap()
        };
        assert!(found.starts_with(&all), "narrowly: {}", stringify!($call));
    }};
}

/// Checks every formula with numbers of a type.
fn check<T: Element>(kind: usize) {
    let mut random = Random::new();
    let (x, y): (Vec<[T; 3]>, Vec<[T; 3]>) = (rows(&mut random, N, kind), rows(&mut random, M, kind));
    let (u, v): (Vec<[T; 2]>, Vec<[T; 2]>) = (rows(&mut random, N, kind), rows(&mut random, M, kind));
    same!(x, |x| nearest(x, &y));
    same!(u, |x| nearest(x, &v));
    same!(x, |x| nearest_with_distances(x, &y));
    same!(x, |x| distances(x, &y));
    same!(x, |x| targets_of_sources(&y, x));
    same!(x, |x| manhattan(x, &y));
    let w = [[1.0, 0.5, 4.0].map(T::from_f64)];
    same!(x, |x| weighted(w, x, &y));
    same!(u, |x| farthest(x, &v));
    let b: Vec<[T; 1]> = random.rows(M, 0.5..1.0);
    same!(x, |x| densest(x, &y, &b));
    same!(u, |x| largest(x, &v));
    same!(u, |x| smallest(x, &v));
    same!(x, |x| of_each_axis(x, &y));
    same!(x, |x| periodic(x, &y));
    same!(u, |x| haversine(x, &v));
    let disk = |rows: &[[T; 2]]| rows.iter().map(|row| row.map(|x| x * T::from_f64(0.7))).collect::<Vec<[T; 2]>>();
    let far = disk(&v);
    same!(disk(&u), |x| hyperbolic(x, &far));
    same!(x, |x| cosine(x, &y));
    same!(x, |x| above(x, &y));
    same!(x, |x| nothing(x, &y));
}

#[test]
fn selections_of_f32() {
    (0..3).for_each(check::<f32>);
}

#[test]
fn selections_of_f64() {
    (0..3).for_each(check::<f64>);
}

/// Rows with numbers that are not finite: pairs with them are missing, or infinitely far.
#[test]
fn rows_that_are_not_finite() {
    let mut random = Random::new();
    let (mut x, mut y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (rows(&mut random, N, 0), rows(&mut random, M, 0));
    for (k, row) in x.iter_mut().step_by(97).chain(y.iter_mut().step_by(31)).enumerate() {
        row[k % 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX][k % 4];
    }
    same!(x, |x| nearest(x, &y));
    same!(x, |x| nearest_with_distances(x, &y));
    same!(x, |x| manhattan(x, &y));
    same!(x, |x| above(x, &y));
    let b: Vec<[f32; 1]> = random.rows(M, 0.5..1.0);
    same!(x, |x| densest(x, &y, &b));
    // nothing but NaN
    y.fill([f32::NAN; 3]);
    same!(x, |x| nearest_with_distances(x, &y));
}

/// Far from the origin, where neighbours differ by few roundings, and close to it.
#[test]
fn rows_far_from_the_origin() {
    for (scale, shift) in [(1e-3, 1000.0), (1.0, 3e4), (1e-20, 0.0), (1e15, 0.0)] {
        let mut random = Random::new();
        let moved =
            |rows: Vec<[f32; 3]>| rows.iter().map(|row| row.map(|x| x * scale + shift)).collect::<Vec<[f32; 3]>>();
        let (x, y) = (moved(rows(&mut random, N, 0)), moved(rows(&mut random, M, 0)));
        same!(x, |x| nearest(x, &y));
        same!(x, |x| nearest_with_distances(x, &y));
        same!(x, |x| manhattan(x, &y));
    }
}

/// Derivatives of what is selected, batches, memory of the caller, half precision, and the count of pairs.
#[test]
fn all_ways_to_call() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (rows(&mut random, N, 0), rows(&mut random, M, 0));
    let e: Vec<[f32; 3]> = random.rows(N, -1.0..1.0);
    same!(x, |x| distances(x, &y).vjp_x(&e[..x.len()]));
    let with = pruned!(distances(&x, &y)).vjp_y(&e).eval().unwrap();
    assert!(with == distances(&x, &y).exhaustive().vjp_y(&e).eval().unwrap());

    let mut found = vec![[0.0; 3]; N];
    pruned!(distances(&x, &y)).into_rows(&mut found).unwrap();
    assert!(found[..] == distances(&x, &y).exhaustive().eval().unwrap()[..]);
    assert!(found.starts_with(&distances(&x[..FEW], &y).exhaustive().eval().unwrap()));

    let two = |rows: &[[f32; 3]]| [rows, rows].concat();
    let (a, b) = (two(&x), two(&y));
    let batch = pruned!(nearest(batched(&a, [2]), batched(&b, [2]))).eval().unwrap();
    assert!(batch[..] == two_of(&nearest(&x, &y).eval().unwrap()));

    let counts = std::sync::Arc::new(std::sync::Mutex::new((0, 0)));
    let to = counts.clone();
    let call = pruned!(nearest(&x, &y)).progress(move |done, all| *to.lock().unwrap() = (done, all));
    let _ = call.eval().unwrap();
    assert_eq!(*counts.lock().unwrap(), ((N * M) as u64, (N * M) as u64));
}

/// A batch twice.
fn two_of<T: Clone>(rows: &[T]) -> Vec<T> {
    [rows, rows].concat()
}

/// The result does not depend on the number of threads.
#[test]
fn any_number_of_threads() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (rows(&mut random, N, 1), rows(&mut random, M, 1));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let found = pruned!(nearest(&x, &y)).eval().unwrap();
    assert!(pool.install(|| pruned!(nearest(&x, &y)).eval().unwrap()) == found);
}

/// Generic code over calls can ask for all pairs.
#[test]
fn calls_of_any_kind() {
    fn all<C: Call>(call: C) -> C::Output {
        call.exhaustive().eval().unwrap()
    }
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (rows(&mut random, 100, 0), rows(&mut random, 200, 0));
    assert!(all(distances(&x, &y)) == distances(&x, &y).eval().unwrap());
}

/// Points that keep their tree are the same rows, for calls of one row and of many.
#[test]
fn points_that_keep_their_tree() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (rows(&mut random, N, 1), rows(&mut random, M, 1));
    let (targets, sources) = (Tree::new(&x).unwrap(), Tree::new(&y).unwrap());
    for few in [1, 2, 64, 65, 200, N] {
        let some = &x[..few];
        assert!(nearest(some, &sources).eval().unwrap() == nearest(some, &y).exhaustive().eval().unwrap(), "{few}");
        assert!(manhattan(some, &sources).eval().unwrap() == manhattan(some, &y).exhaustive().eval().unwrap(), "{few}");
        // bounds are too wide to pay
        assert!(cosine(some, &sources).eval().unwrap() == cosine(some, &y).exhaustive().eval().unwrap(), "{few}");
    }
    let all = nearest(&x, &y).exhaustive().eval().unwrap();
    assert!(nearest(&targets, &sources).eval().unwrap() == all);
    assert!(nearest(&targets, &y).eval().unwrap() == all);
    assert!(pruned!(nearest(&targets, &y)).eval().unwrap() == all);
    let e: Vec<[f32; 3]> = random.rows(N, -1.0..1.0);
    let slopes = distances(&targets, &sources).vjp_x(&e).eval().unwrap();
    assert!(slopes == distances(&x, &y).exhaustive().vjp_x(&e).eval().unwrap());
    // as one of two batches, they are rows like any others
    let halves = Tree::new(&y[..M / 2 * 2]).unwrap();
    let batches = pruned!(nearest(&x, batched(&halves, [2]))).eval().unwrap();
    assert!(batches == nearest(&x, batched(&y[..M / 2 * 2], [2])).exhaustive().eval().unwrap());
    // sums do not care
    keops! { fn sum(x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-sqdist(x, y)) } }
    assert!(sum(&targets, &sources).eval().unwrap() == sum(&x, &y).eval().unwrap());
}

/// Calls for any number of rows against a kept tree, also where some of these are missing, or all sources are.
#[test]
fn a_few_rows_and_a_kept_tree() {
    fn check<T: Element>() {
        let mut random = Random::new();
        let (mut x, mut y): (Vec<[T; 3]>, Vec<[T; 3]>) = (rows(&mut random, 150, 0), rows(&mut random, 40 * M, 1));
        x[1] = [T::nan(); 3];
        x[7][2] = T::infinity();
        y.iter_mut().step_by(5).for_each(|row| row[1] = T::nan());
        let b: Vec<[T; 1]> = random.rows(y.len(), 0.5..1.0);
        for (y, b) in
            [(&y[..], &b[..]), (&y[..1100], &b[..1100]), (&y[..70], &b[..70]), (&vec![[T::nan(); 3]; M][..], &b[..M])]
        {
            let tree = Tree::new(y).unwrap();
            for count in [1, 2, 3, 7, 8, 15, 16, 17, 31, 64, 150] {
                let few = &x[..count];
                let found = nearest(few, &tree).eval().unwrap();
                assert!(found == nearest(few, y).exhaustive().eval().unwrap(), "{count} of {}", y.len());
                let found = nearest_with_distances(few, &tree).eval().unwrap();
                assert!(found == nearest_with_distances(few, y).exhaustive().eval().unwrap(), "{count} of {}", y.len());
                let found = manhattan(few, &tree).eval().unwrap();
                assert!(found == manhattan(few, y).exhaustive().eval().unwrap(), "{count} of {}", y.len());
                let found = densest(few, &tree, b).eval().unwrap();
                assert!(found == densest(few, y, b).exhaustive().eval().unwrap(), "{count} of {}", y.len());
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Rows of several variables, of which one keeps its tree, are in the order of the tree.
#[test]
fn points_that_keep_their_tree_beside_others() {
    keops! {
        fn labelled(x: Vi<3>, k: Vi<1>, y: Vj<3>, l: Vj<1>) -> ArgKMin<4, j> { ifelse(abs(k - l) - 0.5, 100, sqdist(x, y)) }
        fn moved(d: Vi<2>, x: Vi<3>, v: Vj<2>, y: Vj<3>) -> KMinArgKMin<3, j> { sqdist(x, y) + sqdist(d, v) }
        fn of_targets(y: Vi<3>, b: Vi<1>, x: Vj<3>) -> ArgMax<i> { b * exp(-2 * sqdist(x, y)) }
    }
    fn check<T: Element>() {
        let mut random = Random::new();
        let (x, y): (Vec<[T; 3]>, Vec<[T; 3]>) = (rows(&mut random, N, 2), rows(&mut random, M, 2));
        let (targets, sources) = (Tree::new(&x).unwrap(), Tree::new(&y).unwrap());
        let b: Vec<[T; 1]> = random.rows(M, 0.5..1.0);
        let all = densest(&x, &y, &b).exhaustive().eval().unwrap();
        assert!(pruned!(densest(&x, &sources, &b)).eval().unwrap() == all);
        assert!(pruned!(densest(&targets, &sources, &b)).eval().unwrap() == all);
        assert!(densest(&x, &sources, &b).eval().unwrap() == all);
        assert!(pruned!(of_targets(&sources, &b, &targets)).eval().unwrap() == all);
        let label = |count: usize| (0..count).map(|k| [T::from_f64((k * k % 7) as f64)]).collect::<Vec<_>>();
        let (k, mut l) = (label(N), label(M));
        let all = labelled(&x, &k, &y, &l).exhaustive().eval().unwrap();
        assert!(pruned!(labelled(&targets, &k, &sources, &l)).eval().unwrap() == all);
        assert!(pruned!(labelled(&x, &k, &sources, &l)).eval().unwrap() == all);
        assert!(pruned!(labelled(&targets, &k, &y, &l)).eval().unwrap() == all);
        l.iter_mut().step_by(3).for_each(|label| *label = [T::nan()]);
        let all = labelled(&x, &k, &y, &l).exhaustive().eval().unwrap();
        assert!(pruned!(labelled(&targets, &k, &sources, &l)).eval().unwrap() == all);
        let (d, v): (Vec<[T; 2]>, Vec<[T; 2]>) = (rows(&mut random, N, 1), rows(&mut random, M, 1));
        let all = moved(&d, &x, &v, &y).exhaustive().eval().unwrap();
        assert!(pruned!(moved(&d, &targets, &v, &sources)).eval().unwrap() == all);
        // a tree of the fewer coordinates lends no order
        let fewer = Tree::new(&v).unwrap();
        assert!(pruned!(moved(&d, &x, &fewer, &y)).eval().unwrap() == all);
        // shared by batches of the other variable
        let two = [b.clone(), b.iter().map(|b| [T::from_f64(1.5) - b[0]]).collect()];
        let flat = two.concat();
        let both = pruned!(densest(&x, &sources, batched(&flat, [2]))).eval().unwrap();
        let each = two.map(|b| densest(&x, &y, &b).exhaustive().eval().unwrap()[..].to_vec());
        assert!(both[..] == each.concat());
    }
    check::<f32>();
    check::<f64>();
}

/// An order by coordinates that hardly matter serves a few targets, for which bounds do not pay then, and not many.
#[test]
fn orders_by_some_coordinates_may_not_pay() {
    keops! {
        #[keops(order = 0)]
        fn moved(x: Vi<2>, d: Vi<1>, y: Vj<2>, v: Vj<1>) -> ArgKMin<3, j> { 0.0001 * sqdist(x, y) + sqdist(d, v) }
    }
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 2]>, Vec<[f32; 2]>) = (rows(&mut random, 5_000, 0), rows(&mut random, 60_000, 0));
    let (d, v): (Vec<[f32; 1]>, Vec<[f32; 1]>) = (rows(&mut random, 5_000, 0), rows(&mut random, 60_000, 0));
    let tree = Tree::new(&y).unwrap();
    let few = moved(&x[..1_200], &d[..1_200], &tree, &v).eval().unwrap();
    let found = moved(&x, &d, &tree, &v).eval().unwrap();
    assert!(found.starts_with(&few));
    assert!(found.starts_with(&moved(&x[..FEW], &d[..FEW], &y, &v).exhaustive().eval().unwrap()));
}

/// Checks selections over ranges: any blocks, which may overlap, be empty or everything.
fn check_ranges<T: Element>(kind: usize) {
    let mut random = Random::new();
    let (x, y): (Vec<[T; 3]>, Vec<[T; 3]>) = (rows(&mut random, N, kind), rows(&mut random, M, kind));
    let b: Vec<[T; 1]> = random.rows(M, 0.5..1.0);
    let e: Vec<[T; 3]> = random.rows(N, -1.0..1.0);
    let mut number = |end: usize| (random.rows::<f64, 1>(1, 0.0..1.0)[0][0] * (end + 1) as f64) as usize;
    for round in 0..6 {
        let blocks: Vec<_> = match round {
            0 => vec![(0..N, 0..M)],
            1 => vec![(0..N / 2, 0..0), (0..N, 3..3)],
            // targets in any order, of which each third meets the same
            2 => (0..N).map(|i| (i..i + 1, i % 3 * 500..(i % 3 + 1) * 560)).collect(),
            // one source for each, or a few
            3 => (0..N).map(|i| (i..i + 1, i..i + 1 + i % 3)).collect(),
            _ => (0..round * 4)
                .map(|_| {
                    let ([a, b], [c, d]) = ([number(N), number(N)], [number(M), number(M)]);
                    (a.min(b)..a.max(b), c.min(d)..c.max(d))
                })
                .collect(),
        };
        let ranges = Ranges::new(blocks).unwrap();
        macro_rules! same_over_ranges {
            ($ranges:expr, $call:expr) => {{
                let all = $call.ranges($ranges).exhaustive().eval().unwrap();
                let found = pruned!($call.ranges($ranges)).eval().unwrap();
                assert!(found == all, "{}: {kind} {round}", stringify!($call));
                // as few pairs as these are computed alike in every round
                assert!(round > 0 || $call.ranges($ranges).eval().unwrap() == all);
            }};
        }
        same_over_ranges!(&ranges, nearest(&x, &y));
        same_over_ranges!(&ranges, nearest_with_distances(&x, &y));
        same_over_ranges!(&ranges, manhattan(&x, &y));
        same_over_ranges!(&ranges, densest(&x, &y, &b));
        same_over_ranges!(&ranges.transpose(), targets_of_sources(&y, &x));
        same_over_ranges!(&ranges, of_each_axis(&x, &y));
        same_over_ranges!(&ranges, distances(&x, &y).vjp_x(&e));
        let (targets, sources) = (Tree::new(&x).unwrap(), Tree::new(&y).unwrap());
        same_over_ranges!(&ranges, nearest(&targets, &sources));
        let (u, v) = ([&x[..], &x[..]].concat(), [&y[..], &y[..]].concat());
        same_over_ranges!(&ranges, nearest(batched(&u, [2]), batched(&v, [2])));
    }
}

#[test]
fn selections_over_ranges_of_f32() {
    check_ranges::<f32>(1);
}

#[test]
fn selections_over_ranges_of_f64() {
    check_ranges::<f64>(2);
}

/// Ranges of missing rows, the count of pairs, and any number of threads.
#[test]
fn ranges_of_rows_that_are_not_finite() {
    let mut random = Random::new();
    let (mut x, mut y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (rows(&mut random, N, 0), rows(&mut random, M, 0));
    x.iter_mut().step_by(2).for_each(|row| *row = [f32::NAN; 3]);
    y[200..700].fill([f32::NAN; 3]);
    let ranges = Ranges::new([(0..100, 0..800), (60..N, 300..M), (250..260, 300..600)]).unwrap();
    let all = nearest_with_distances(&x, &y).ranges(&ranges).exhaustive().eval().unwrap();
    assert!(pruned!(nearest_with_distances(&x, &y).ranges(&ranges)).eval().unwrap() == all);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert!(pool.install(|| pruned!(nearest_with_distances(&x, &y).ranges(&ranges)).eval().unwrap()) == all);
    let counts = std::sync::Arc::new(std::sync::Mutex::new((0, 0)));
    let to = counts.clone();
    let call = pruned!(nearest(&x, &y).ranges(&ranges)).progress(move |done, all| *to.lock().unwrap() = (done, all));
    let _ = call.eval().unwrap();
    assert_eq!(*counts.lock().unwrap(), (ranges.pairs(), ranges.pairs()));
}

/// Ranges that are long enough that bounds pay, with targets in any order and some that meet few sources.
#[test]
fn long_ranges() {
    let mut random = Random::new();
    const TARGETS: usize = 12_000;
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (rows(&mut random, TARGETS, 0), rows(&mut random, 50_000, 0));
    let some = |i: usize| [0..25_000, 10_000..50_000, 7..8][i % 5 / 2].clone();
    let ranges = |targets: usize| Ranges::new((0..targets).map(|i| (i..i + 1, some(i)))).unwrap();
    let found = nearest_with_distances(&x, &y).ranges(&ranges(TARGETS)).eval().unwrap();
    let all = nearest_with_distances(&x[..FEW], &y).ranges(&ranges(FEW)).exhaustive().eval().unwrap();
    assert!(found.starts_with(&all));
}

/// Targets that are missing meet all sources; the others, among them, find what they find without them.
#[test]
fn many_targets_are_missing() {
    let mut random = Random::new();
    let (mut x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (rows(&mut random, N, 1), rows(&mut random, 3 * M, 1));
    x.iter_mut().step_by(2).for_each(|row| *row = [f32::NAN; 3]);
    same!(x, |x| nearest(x, &y));
    same!(x, |x| nearest_with_distances(x, &y));
    same!(x, |x| nothing(x, &y));
    let b: Vec<[f32; 1]> = random.rows(3 * M, 0.5..1.0);
    same!(x, |x| densest(x, &y, &b));
}

/// Squares whose sum is the largest number with one rounding, and infinite with two: of equal distances the first counts.
#[test]
fn squares_at_the_end_of_the_range() {
    let x = vec![[0.0; 2]; N];
    let y =
        [[[9.040444282172731e153, 9.901498910122747e153]; 64], [[1.1677830610030535e154, 6.5876843981527715e153]; 64]];
    let y = y.concat();
    same!(x, |x| nearest(x, &y));
    same!(x, |x| farthest(x, &y));
}
