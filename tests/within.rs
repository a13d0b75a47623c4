//! All sources within a radius, as lists and as their number, by bounds on boxes of points and from all pairs.
#![allow(missing_docs, reason = "tests")]

mod harness;

use harness::Random;
use keops::{Element, Neighbours, bf16, cluster::Tree, f16, prelude::*};
use keops_core::problem::Pruning;

keops! {
    fn near<const D: usize>(x: Vi<D>, y: Vj<D>, r: Pm<1>) -> Within<j> { (sqdist(x, y), r) }
    fn number<const D: usize>(x: Vi<D>, y: Vj<D>, r: Pm<1>) -> Count<j> { (sqdist(x, y), r) }
    fn near_each<const D: usize>(x: Vi<D>, y: Vj<D>, r: Vi<1>) -> Within<j> { (sqdist(x, y), r) }
    fn number_each<const D: usize>(x: Vi<D>, y: Vj<D>, r: Vi<1>) -> Count<j> { (sqdist(x, y), r) }
    fn near_of_j(x: Vi<3>, y: Vj<3>, r: Pm<1>) -> Within<i> { (sqdist(x, y), r) }
    fn nearest<const D: usize>(x: Vi<D>, y: Vj<D>) -> KMin<7, j> { sqdist(x, y) }
    fn manhattan(x: Vi<3>, y: Vj<3>, r: Pm<1>) -> Within<j> { (sum(abs(x - y)), r) }
    fn haversine(x: Vi<2>, y: Vj<2>, r: Pm<1>) -> Within<j> {
        let d = (x - y) / 2;
        (sin(d[0]) ** 2 + cos(x[0]) * cos(y[0]) * sin(d[1]) ** 2, sin(r / 2) ** 2)
    }
    fn periodic(x: Vi<3>, y: Vj<3>, r: Vi<1>) -> Within<j> { (sqnorm2(x - y - round(x - y, 0)), r ** 2) }
    fn dense(x: Vi<3>, y: Vj<3>, b: Vj<1>, least: Pm<1>) -> Within<j> { (-b * exp(-sqdist(x, y)), -least) }
    fn dense_number(x: Vi<3>, y: Vj<3>, b: Vj<1>, least: Pm<1>) -> Count<j> { (-b * exp(-sqdist(x, y)), -least) }
    fn roots(x: Vi<3>, y: Vj<3>, r: Pm<1>) -> Within<j> { (sqrt(0.3 - sqdist(x, y)), r) }
    fn total(x: Vi<3>, y: Vj<3>) -> Sum<j> { sum(x) * sum(y) }
}

/// A call that computes bounds although it has few pairs.
macro_rules! pruned {
    ($call:expr) => {{
        let mut call = $call;
        call.__settings().pruning = Pruning::Always;
        call.eval().unwrap()
    }};
}

/// Rows on a grid so coarse that squared distances are exact in any type, and often equal.
fn grid<T: Element, const D: usize>(random: &mut Random, count: usize) -> Vec<[T; D]> {
    let rows: Vec<[f64; D]> = random.rows(count, -1.0..1.0);
    rows.iter().map(|row| row.map(|x| T::from_f64((4.0 * x).round() / 4.0))).collect()
}

/// Lists from their definition.
fn listed<T: Element, const D: usize>(x: &[[T; D]], y: &[[T; D]], r: impl Fn(usize) -> f64) -> Vec<(Vec<u32>, Vec<T>)> {
    let value = |a: &[T; D], b: &[T; D]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (Element::to_f64(*a) - Element::to_f64(*b)).powi(2)).sum()
    };
    let list = |(i, x)| {
        let pairs = (0..).zip(y.iter().map(|y| value(x, y))).filter(|&(_, value)| value <= r(i));
        pairs.map(|(j, value)| (j, T::from_f64(value))).unzip()
    };
    x.iter().enumerate().map(list).collect()
}

fn check_lists<T: Element>(found: &Neighbours<T>, expected: &[(Vec<u32>, Vec<T>)]) {
    assert_eq!(found.len(), expected.len());
    assert_eq!(found.pairs(), expected.iter().map(|(rows, _)| rows.len()).sum::<usize>());
    for (number, (list, (rows, values))) in found.iter().zip(expected).enumerate() {
        assert_eq!(list, (&rows[..], &values[..]), "target {number}");
    }
}

fn check_against_the_definition<T: Element, const D: usize>(radius: f64) {
    let mut random = Random::new();
    let (x, y): (Vec<[T; D]>, Vec<[T; D]>) = (grid(&mut random, 130), grid(&mut random, 430));
    let (expected, r) = (listed(&x, &y, |_| radius), T::from_f64(radius));
    let counts: Vec<[u32; 1]> = expected.iter().map(|(rows, _)| [rows.len() as u32]).collect();
    check_lists(&near(&x, &y, r).exhaustive().eval().unwrap(), &expected);
    check_lists(&pruned!(near(&x, &y, r)), &expected);
    assert_eq!(*number(&x, &y, r).exhaustive().eval().unwrap(), *counts);
    assert_eq!(*pruned!(number(&x, &y, r)), *counts);
    // few targets, for which lanes run over sources
    assert_eq!(*number(&x[..2], &y, r).exhaustive().eval().unwrap(), counts[..2]);
    check_lists(&near(&x[..2], &y, r).exhaustive().eval().unwrap(), &expected[..2]);
    // a radius for each target
    let each: Vec<[T; 1]> = (0..130).map(|i| [T::from_f64(f64::from(i % 5) * radius / 2.0)]).collect();
    let expected = listed(&x, &y, |i| (i % 5) as f64 * radius / 2.0);
    check_lists(&near_each(&x, &y, &each).exhaustive().eval().unwrap(), &expected);
    check_lists(&pruned!(near_each(&x, &y, &each)), &expected);
    let found = pruned!(number_each(&x, &y, &each));
    assert!(found.iter().zip(&expected).all(|([count], (rows, _))| *count as usize == rows.len()));
}

#[test]
fn lists_are_those_of_the_definition() {
    for radius in [0.0, 0.25, 0.5, 3.0, -1.0, f64::INFINITY] {
        check_against_the_definition::<f32, 1>(radius);
        check_against_the_definition::<f32, 3>(radius);
        check_against_the_definition::<f64, 2>(radius);
    }
    // a contraction of so many components is a matrix product, which is exact for these numbers
    check_against_the_definition::<f32, 20>(4.0);
    check_against_the_definition::<f64, 17>(4.0);
}

#[test]
fn sources_of_the_other_index() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (grid(&mut random, 200), grid(&mut random, 150));
    let expected = listed(&y, &x, |_| 0.25);
    let found = near_of_j(&x, &y, 0.25).eval().unwrap();
    check_lists(&found, &expected);
    check_lists(&pruned!(near_of_j(&x, &y, 0.25)), &expected);
    // rows i are the sources here
    let ranges = found.to_ranges().unwrap();
    let contained = |i: u32, j: usize| ranges.by_i().contains(i as usize, j);
    assert_eq!(ranges.pairs(), found.pairs() as u64);
    assert!(found.iter().enumerate().all(|(j, (rows, _))| rows.iter().all(|&i| contained(i, j))));
}

/// Checks that bounds find the same lists.
macro_rules! same {
    ($call:expr) => {{
        let all = $call.exhaustive().eval().unwrap();
        assert_eq!(pruned!($call), all, "{}", stringify!($call));
        let mut narrowly = $call;
        narrowly.__settings().pruning = Pruning::Narrowly;
        assert_eq!(narrowly.eval().unwrap(), all, "{}", stringify!($call));
        all
    }};
}

fn check_formulas<T: Element>() {
    let mut random = Random::new();
    let (x, y): (Vec<[T; 3]>, Vec<[T; 3]>) = (random.rows(300, -1.0..1.0), random.rows(1_500, -1.0..1.0));
    let (u, v): (Vec<[T; 2]>, Vec<[T; 2]>) = (random.rows(300, -1.0..1.0), random.rows(1_500, -1.0..1.0));
    let (b, r): (Vec<[T; 1]>, Vec<[T; 1]>) = (random.rows(1_500, 0.5..1.0), random.rows(300, 0.0..0.5));
    let of = T::from_f64;
    assert!(same!(near(&x, &y, of(0.1))).pairs() > 1_000);
    assert!(same!(manhattan(&x, &y, of(0.4))).pairs() > 1_000);
    assert!(same!(haversine(&u, &v, of(0.2))).pairs() > 1_000);
    assert!(same!(periodic(&x, &y, &r)).pairs() > 1_000);
    let lists = same!(dense(&x, &y, &b, of(0.6)));
    let counts = pruned!(dense_number(&x, &y, &b, of(0.6)));
    assert!(
        lists.pairs() > 1_000 && lists.iter().zip(&counts).all(|((rows, _), [count])| rows.len() == *count as usize)
    );
    assert!(same!(roots(&x, &y, of(0.4))).values().iter().all(|value| value.is_finite()));
    same!(near_each(&x, &y, &r));
    // random numbers, whose contractions are rounded
    let (z, w): (Vec<[T; 20]>, Vec<[T; 20]>) = (random.rows(100, -1.0..1.0), random.rows(400, -1.0..1.0));
    let all = near(&z, &w, of(11.0)).exhaustive().eval().unwrap();
    let by_bounds = pruned!(near(&z, &w, of(11.0)));
    assert!(all.pairs().abs_diff(by_bounds.pairs()) < 4 && all.pairs() > 1_000);
    for (i, (rows, values)) in all.iter().enumerate() {
        for (&j, &value) in rows.iter().zip(values) {
            let exact: f64 =
                (0..20).map(|c| (Element::to_f64(z[i][c]) - Element::to_f64(w[j as usize][c])).powi(2)).sum();
            assert!((Element::to_f64(value) - exact).abs() < 1e-5 * exact);
        }
    }
}

#[test]
fn bounds_find_the_same_lists() {
    check_formulas::<f32>();
    check_formulas::<f64>();
}

#[test]
fn a_selected_radius_has_its_own_row() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (random.rows(500, 0.0..1.0), random.rows(700, 0.0..1.0));
    let radii: Vec<[f32; 1]> = nearest(&x, &y).eval().unwrap().iter().map(|row| [row[6]]).collect();
    let lists = same!(near_each(&x, &y, &radii));
    for (i, (_, values)) in lists.iter().enumerate() {
        assert!(values.len() >= 7 && values.contains(&radii[i][0]));
    }
}

#[test]
fn missing_and_infinite_numbers() {
    let (nan, infinity) = (f32::NAN, f32::INFINITY);
    let x = [[0.0], [nan], [infinity], [1.0]];
    let y = [[0.0], [nan], [1.0], [infinity], [-infinity], [3.0]];
    for lists in [near(&x, &y, 1.0).exhaustive().eval().unwrap(), pruned!(near(&x, &y, 1.0))] {
        let rows: Vec<&[u32]> = lists.iter().map(|(rows, _)| rows).collect();
        assert_eq!(rows, [&[0, 2][..], &[], &[], &[0, 2]]);
    }
    for lists in [near(&x, &y, infinity).exhaustive().eval().unwrap(), pruned!(near(&x, &y, infinity))] {
        let rows: Vec<&[u32]> = lists.iter().map(|(rows, _)| rows).collect();
        assert_eq!(rows, [&[0, 2, 3, 4, 5][..], &[], &[0, 2, 4, 5], &[0, 2, 3, 4, 5]]);
    }
    assert_eq!(*pruned!(number(&x, &y, infinity)), [[5], [0], [4], [5]]);
    assert_eq!(near(&x, &y, nan).eval().unwrap().pairs(), 0);
    assert_eq!(pruned!(near(&x, &y, nan)).pairs(), 0);
    assert_eq!(*pruned!(number(&x, &y, nan)), [[0]; 4]);
    let none: [[f32; 1]; 0] = [];
    assert_eq!(near(&x, &none, 1.0).eval().unwrap().starts(), [0; 5]);
    assert!(near(&none, &y, 1.0).eval().unwrap().is_empty());
    assert!(near(&none, &none, 1.0).eval().unwrap().starts() == [0]);
    assert_eq!(*number(&x, &none, 1.0).eval().unwrap(), [[0]; 4]);
}

#[test]
fn batches_are_lists_one_after_another() {
    let mut random = Random::new();
    let x: Vec<[f32; 3]> = grid(&mut random, 3 * 100);
    let y: Vec<[f32; 3]> = grid(&mut random, 3 * 300);
    let expected: Vec<_> = (0..3).flat_map(|b| listed(&x[b * 100..][..100], &y[b * 300..][..300], |_| 0.25)).collect();
    let call = || near(batched(&x, [3]), batched(&y, [3]), 0.25);
    let found = call().eval().unwrap();
    check_lists(&found, &expected);
    check_lists(&pruned!(call()), &expected);
    let error = found.to_ranges().unwrap_err();
    assert_eq!(error.to_string(), "lists for 3 batches are no ranges, which hold for all batches of a call");
    assert!(near(batched(&x[..0], [3]), batched(&y, [3]), 0.25).eval().unwrap().to_ranges().is_err());
}

#[test]
fn ranges_restrict_lists() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (grid(&mut random, 200), grid(&mut random, 310));
    let blocks = [(0..70, 5..100), (30..90, 90..310), (120..121, 0..7), (120..121, 200..201), (150..200, 1..309)];
    let ranges = Ranges::new(blocks).unwrap();
    let mut expected = listed(&x, &y, |_| 0.75);
    for (i, (rows, values)) in expected.iter_mut().enumerate() {
        (*rows, *values) = rows.iter().zip(&*values).filter(|&(&j, _)| ranges.by_i().contains(i, j as usize)).unzip();
    }
    for pruning in [Pruning::Never, Pruning::WherePays, Pruning::Always] {
        let mut call = near(&x, &y, 0.75).ranges(&ranges);
        call.__settings().pruning = pruning;
        check_lists(&call.eval().unwrap(), &expected);
        let mut call = number(&x, &y, 0.75).ranges(&ranges);
        call.__settings().pruning = pruning;
        let found = call.eval().unwrap();
        assert!(found.iter().zip(&expected).all(|([count], (rows, _))| *count as usize == rows.len()));
    }
    // as a graph: single pairs in ranges
    let graph = near(&x, &y, 0.25).eval().unwrap().to_ranges().unwrap();
    let in_graph = listed(&x, &y, |_| 0.25);
    check_lists(&near(&x, &y, 0.75).ranges(&graph).eval().unwrap(), &in_graph);
    let counts: Vec<[u32; 1]> = in_graph.iter().map(|(rows, _)| [rows.len() as u32]).collect();
    assert_eq!(*number(&x, &y, 0.75).ranges(&graph).eval().unwrap(), *counts);
    let sums = total(&x, &y).ranges(&graph).eval().unwrap();
    for ((x, (rows, _)), [sum]) in x.iter().zip(listed(&x, &y, |_| 0.25)).zip(&sums) {
        let exact: f32 = rows.iter().map(|&j| x.iter().sum::<f32>() * y[j as usize].iter().sum::<f32>()).sum();
        assert!((sum - exact).abs() < 1e-3);
    }
}

#[test]
fn trees_and_halves_as_rows() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (grid(&mut random, 200), grid(&mut random, 3_000));
    let (expected, tree) = (listed(&x, &y, |_| 0.25), Tree::new(&y).unwrap());
    check_lists(&near(&x, &tree, 0.25).eval().unwrap(), &expected);
    check_lists(&near(&x[..1], &tree, 0.25).eval().unwrap(), &expected[..1]);
    let [half, short] = [x.iter().map(|row| row.map(f16::from_f32)).collect::<Vec<_>>(), vec![]];
    let wide: Vec<_> = y.iter().map(|row| row.map(bf16::from_f32)).collect();
    assert!(short.is_empty());
    let found: Neighbours<f32> = near(&half, &wide, 0.25_f32).eval().unwrap();
    check_lists(&found, &expected);
}

#[test]
fn nearest_first_keeps_pairs() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (grid(&mut random, 50), grid(&mut random, 300));
    let lists = near(&x, &y, 1.0).eval().unwrap();
    let sorted = lists.clone().nearest_first();
    assert_eq!(sorted.starts(), lists.starts());
    for ((rows, values), (all, of)) in sorted.iter().zip(lists.iter()) {
        let mut expected: Vec<(f64, u32)> = of.iter().copied().zip(all.iter().copied()).collect();
        expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert!(values.iter().copied().zip(rows.iter().copied()).eq(expected));
    }
}

#[test]
fn few_targets_and_many_sources() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (grid(&mut random, 3), grid(&mut random, 20_011));
    check_lists(&near(&x, &y, 0.25).eval().unwrap(), &listed(&x, &y, |_| 0.25));
    let all = near(&x, &y, f32::INFINITY).eval().unwrap();
    assert!(all.iter().all(|(rows, _)| rows.iter().copied().eq(0..20_011)));
}

#[test]
fn results_do_not_depend_on_threads() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 3]>, Vec<[f32; 3]>) = (random.rows(700, 0.0..1.0), random.rows(900, 0.0..1.0));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let both = || (near(&x, &y, 0.05).eval().unwrap(), pruned!(near(&x, &y, 0.05)));
    assert_eq!(pool.install(both), both());
}

#[test]
fn devices_have_no_kernels_for_lists() {
    let x = [[0.0_f32]];
    let error = near(&x, &x, 1.0).device(Device::Cuda(0)).eval().unwrap_err();
    let message = "`near: Value` runs on the processor only: `Within` and `Count` have no kernels for CUDA devices";
    assert_eq!(error.to_string(), message);
    assert!(number(&x, &x, 1.0).device(Device::AllCuda).eval().is_err());
    assert_eq!(near(&x, &x, 1.0).device(Device::Cpu).eval_on_device().unwrap().pairs(), 1);
}

#[test]
fn lists_from_both_ends() {
    let (x, y) = ([[0.0_f32], [5.0], [1.0]], [[1.0], [2.0], [9.0]]);
    let lists = near(&x, &y, 1.0).eval().unwrap();
    let expected = [(&[0_u32][..], &[1.0_f32][..]), (&[], &[]), (&[0, 1], &[0.0, 1.0])];
    assert!((&lists).into_iter().eq(expected) && lists.iter().rev().eq(expected.into_iter().rev()));
    let mut left = lists.iter();
    assert_eq!((left.len(), left.nth(1), left.len()), (3, Some(expected[1]), 1));
    assert_eq!((left.next_back(), left.next(), left.next_back()), (Some(expected[2]), None, None));
    let mut degrees = vec![];
    for (rows, _) in &lists {
        degrees.push(rows.len());
    }
    assert_eq!(degrees, [1, 0, 2]);
}

/// Long contractions are computed before, and read what few targets against many sources do without.
#[test]
fn few_targets_with_long_rows() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 20]>, Vec<[f32; 20]>) = (grid(&mut random, 5), grid(&mut random, 4_500));
    let tree = Tree::new(&y).unwrap();
    let mut sums: Vec<f64> = listed(&x, &y, |_| f64::INFINITY)[0].1.iter().map(|&value| value.into()).collect();
    sums.sort_by(f64::total_cmp);
    let expected = listed(&x, &y, |_| sums[100]);
    let radius = sums[100] as f32;
    check_lists(&near(&x, &y, radius).eval().unwrap(), &expected);
    check_lists(&near(&x, &tree, radius).eval().unwrap(), &expected);
    let counts: Vec<[u32; 1]> = expected.iter().map(|(rows, _)| [rows.len() as u32]).collect();
    assert_eq!(*number(&x, &tree, radius).eval().unwrap(), *counts);
    assert_eq!(*pruned!(number(&x, &y, radius)), *counts);
    assert_eq!(nearest(&x, &tree).eval().unwrap(), nearest(&x, &y).eval().unwrap());
}
