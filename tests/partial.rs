//! Partial results and sources in chunks: any cut of the sources and any grouping gives what one call gives.

#![allow(clippy::needless_borrows_for_generic_args, reason = "parameters are alike in all tests")]

mod harness;

use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use harness::{Exact, Random, assert_identical, assert_near, assert_rows, epsilon, large, times, wide};
use keops::{Element, Partial, batched, in_chunks, prelude::*};
use keops_core::problem::Pruning;

keops! {
    fn sum(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
    #[keops(sum = direct, order = 0)]
    fn direct(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
    #[keops(sum = compensated, order = 0)]
    fn compensated(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
    #[keops(order = 2)]
    fn log_sum(p: Pm<1>, x: Vi<2>, y: Vj<2>) -> LogSumExp<j> { -p * sqdist(x, y) }
    fn log_sum_of(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> LogSumExp<j> { (-sqdist(x, y), b ** 2) }
    fn log_sums(x: Vi<2>, y: Vj<2>) -> LogSumExp<j> { x * y }
    fn softmax(x: Vi<2>, y: Vj<2>, b: Vj<2>) -> SumSoftMaxWeight<j> { ((x | y), b) }
    #[keops(order = 0)]
    fn parts(x: Vi<2>, y: Vj<2>) -> MaxSumShiftExp<j> { -sqdist(x, y) }
    fn product(x: Vi<2>, y: Vj<2>) -> Prod<j> { 1 + 0.5 * exp(-sqdist(x, y)) - 0.4 }
    fn mean(x: Vi<2>, y: Vj<2>) -> Mean<j> { exp(-sqdist(x, y)) }
    fn sum_over_i(y: Vi<2>, b: Vi<1>, x: Vj<2>) -> Sum<i> { exp(-sqdist(x, y)) * b }
    fn log_sum_over_i(y: Vi<2>, x: Vj<2>) -> LogSumExp<i> { -sqdist(x, y) }
    fn of_sources(p: Pm<1>, y: Vj<2>) -> LogSumExp<j> { p * y[0] }
}

keops! {
    #[keops(order = 0)]
    fn min(x: Vi<2>, y: Vj<2>) -> Min<j> { x - y }
    #[keops(order = 0)]
    fn max(x: Vi<2>, y: Vj<2>) -> Max<j> { x - y }
    #[keops(order = 0)]
    fn arg_max(x: Vi<2>, y: Vj<2>) -> ArgMax<j> { x - y }
    #[keops(order = 0)]
    fn max_arg_max(x: Vi<2>, y: Vj<2>) -> MaxArgMax<j> { -sqdist(x, y) }
    #[keops(order = 0)]
    fn nearest(x: Vi<2>, y: Vj<2>) -> ArgMin<j> { sqdist(x, y) }
    #[keops(order = 0)]
    fn k_min(x: Vi<2>, y: Vj<2>) -> KMin<4, j> { sqdist(x, y) }
    #[keops(order = 0)]
    fn neighbours(x: Vi<2>, y: Vj<2>) -> KMinArgKMin<7, j> { sqdist(x, y) }
    #[keops(order = 0)]
    fn of_components(x: Vi<2>, y: Vj<2>) -> KMinArgKMin<3, j> { abs(x - y) }
    #[keops(order = 0)]
    fn near(r: Pm<1>, x: Vi<2>, y: Vj<2>) -> Within<j> { (sqdist(x, y), r) }
    #[keops(order = 0)]
    fn count(r: Pm<1>, x: Vi<2>, y: Vj<2>) -> Count<j> { (sqdist(x, y), r) }
}

/// `0..rows` in a few pieces, some of which may be empty.
fn cut(random: &mut Random, rows: usize) -> Vec<Range<usize>> {
    let mut ends: Vec<usize> = (0..random.integer(1..6)).map(|_| random.integer(0..rows + 1)).collect();
    ends.extend([0, rows]);
    ends.sort_unstable();
    ends.windows(2).map(|ends| ends[0]..ends[1]).collect()
}

/// The results from pieces of `0..$rows`: one after another, from some piece on and around, and by merging each in some grouping.
macro_rules! in_pieces {
    ($random:expr, $rows:expr, |$piece:ident| $call:expr) => {{
        let pieces = cut($random, $rows);
        let call = |piece: &Range<usize>| {
            let $piece = piece.clone();
            $call
        };
        let mut results = Vec::new();
        let mut partial = None;
        for piece in &pieces {
            partial = Some(call(piece).partial_after(partial).unwrap());
        }
        results.push(partial.unwrap().finish().unwrap());
        let (mut partial, first) = (None, $random.integer(0..pieces.len()));
        for piece in pieces[first..].iter().chain(&pieces[..first]) {
            partial = Some(call(piece).sources_from(piece.start as u64).partial_after(partial).unwrap());
        }
        results.push(partial.unwrap().finish().unwrap());
        let each = pieces.iter().map(|piece| call(piece).sources_from(piece.start as u64).partial().unwrap());
        let mut partials: Vec<_> = each.collect();
        while partials.len() > 1 {
            let one = partials.swap_remove($random.integer(0..partials.len()));
            let other = partials.swap_remove($random.integer(0..partials.len()));
            partials.push(one.merge(other).unwrap());
        }
        results.push(partials.pop().unwrap().finish().unwrap());
        results
    }};
}

/// Points on a grid so coarse that many values are equal, some of them far away, and some not finite if these are `wild`.
fn grid<T: Element>(random: &mut Random, rows: usize, wild: bool) -> Vec<[T; 2]> {
    let number = |random: &mut Random| match random.integer(0..200) {
        0 if wild => T::nan(),
        1 if wild => T::infinity(),
        2 if wild => T::neg_infinity(),
        number => T::from_f64((number % 9) as f64 / 4.0 - 1.0),
    };
    (0..rows).map(|_| [number(random), number(random)]).collect()
}

/// The numbers of targets and sources of tests: lanes over targets, lanes over sources, none, and fewer sources than neighbours.
fn shapes() -> [[usize; 2]; 6] {
    [[large(150), large(400)], [3, large(3000)], [40, 5], [1, 1], [0, 20], [20, 0]]
}

fn check_selections<T: Element>() {
    let mut random = Random::new();
    for [n, m] in shapes().into_iter().cycle().take(6 * times(2)) {
        for wild in [false, true] {
            let (x, y) = (grid::<T>(&mut random, n, wild), grid::<T>(&mut random, m, wild));
            macro_rules! check {
                ($($f:ident ($($p:expr)?)),*) => {$(
                    let whole = $f($(&$p,)? &x, &y).eval().unwrap();
                    for found in in_pieces!(&mut random, m, |piece| $f($(&$p,)? &x, &y[piece])) {
                        assert_eq!(format!("{found:?}"), format!("{whole:?}"), "{}, {n}, {m}", stringify!($f));
                    }
                )*};
            }
            check!(min(), max(), arg_max(), max_arg_max(), nearest(), k_min(), neighbours(), of_components());
            check!(near(T::from_f64(0.5)), count(T::from_f64(0.5)));
        }
    }
}

#[test]
fn selections_and_lists_are_the_same_in_any_grouping() {
    check_selections::<f32>();
    check_selections::<f64>();
}

#[test]
fn selections_go_on_by_bounds() {
    let mut random = Random::new();
    let (n, m) = (large(500), large(3000));
    for points in [false, true] {
        let mut some = |rows: usize| if points { random.cloud(rows) } else { grid::<f32>(&mut random, rows, false) };
        let (x, y) = (some(n), some(m));
        for pruning in [Pruning::Always, Pruning::Narrowly, Pruning::Never] {
            macro_rules! check {
                ($($f:ident)*) => {$(
                    let whole = $f(&x, &y).exhaustive().eval().unwrap();
                    for found in in_pieces!(&mut random, m, |piece| {
                        let mut call = $f(&x, &y[piece]);
                        call.__settings().pruning = pruning;
                        call
                    }) {
                        assert_eq!(found, whole, "{pruning:?}, {}", stringify!($f));
                    }
                )*};
            }
            check!(neighbours max_arg_max min);
        }
    }
}

/// Compares with one call; sums may be off by roundings of the type. `error` is in units of the rounding error.
fn check_sums<T: Element>() {
    let mut random = Random::new();
    let error = 30.0 * epsilon::<T>();
    for [n, m] in shapes().into_iter().cycle().take(6 * times(2)) {
        let (x, y): (Vec<[T; 2]>, Vec<[T; 2]>) = (random.cloud(n), random.cloud(m));
        let b: Vec<[T; 1]> = random.cloud(m);
        let b: Vec<[T; 1]> = b.iter().map(|b| [b[0].abs()]).collect();
        let p = T::from_f64(1.5);
        macro_rules! check {
            ($($f:ident ($($p:expr),*; $($b:ident),*)),*) => {$(
                let whole = wide(&$f($(&$p,)* &x, &y $(, &$b)*).eval().unwrap());
                for found in in_pieces!(&mut random, m, |piece| $f($(&$p,)* &x, &y[piece.clone()] $(, &$b[piece.clone()])*)) {
                    assert_rows(&found, &whole, error, stringify!($f));
                }
            )*};
        }
        check!(sum(; b), direct(; b), compensated(; b), log_sum(p;), log_sum_of(; b), log_sums(;), softmax(; y), parts(;), mean(;));
        let whole = wide(&product(&x, &y).eval().unwrap());
        // Products of so many factors may be subnormal, whose roundings are not relative to them.
        let least = T::min_positive_value().exact() * epsilon::<T>();
        for found in in_pieces!(&mut random, m, |piece| product(&x, &y[piece])) {
            for (found, whole) in found.iter().zip(&whole) {
                let error = (m + 4) as f64 * epsilon::<T>() * whole[0].abs() + least;
                assert_near(found[0].exact(), whole[0], error, "product");
            }
        }
        let whole = wide(&sum_over_i(&y, &b, &x).eval().unwrap());
        for found in in_pieces!(&mut random, m, |piece| sum_over_i(&y[piece.clone()], &b[piece.clone()], &x)) {
            assert_rows(&found, &whole, error, "over i");
        }
    }
}

#[test]
fn sums_are_those_of_one_call() {
    check_sums::<f32>();
    check_sums::<f64>();
}

#[test]
fn numbers_that_are_not_finite_count_as_in_one_call() {
    let mut random = Random::new();
    let x: Vec<[f32; 2]> = random.cloud(20);
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut y: Vec<[f32; 2]> = random.cloud(50);
        let mut b: Vec<[f32; 1]> = random.cloud(50);
        (y[17][1], b[31][0]) = (odd, odd);
        macro_rules! check {
            ($($f:ident ($($b:ident),*)),*) => {$(
                let whole = $f(&x, &y $(, &$b)*).eval().unwrap();
                for found in in_pieces!(&mut random, 50, |piece| $f(&x, &y[piece.clone()] $(, &$b[piece.clone()])*)) {
                    assert_rows(&found, &wide(&whole), 1e-5, stringify!($f));
                }
            )*};
        }
        check!(sum(b), compensated(b), log_sums(), softmax(y), parts(), product(), mean());
    }
}

#[test]
fn sums_keep_their_digits_from_piece_to_piece() {
    // Each piece adds less than the rounding error of the sum.
    let (x, small, pieces) = ([[0.0_f32; 2]], [[2e-8_f32]], 20_000);
    let mut partial = sum(&x, &[[0.0; 2]], &[[1.0]]).partial().unwrap();
    let alone = sum(&x, &[[0.0; 2]], &small).partial().unwrap();
    let mut merged = partial.clone();
    for _ in 0..pieces {
        partial = sum(&x, &[[0.0; 2]], &small).partial_after(partial).unwrap();
        merged = merged.merge(alone.clone()).unwrap();
    }
    assert_eq!(partial.sources(), 20_001);
    for found in [partial, merged] {
        assert_near(found.finish().unwrap()[0][0].exact(), 1.0 + 2e-8 * 2e4, 1e-7, "the sum");
    }
}

fn chunks<'a, T: Element, const D: usize>(
    rows: &'a [[T; D]],
    pieces: &'a [Range<usize>],
) -> impl Fn(usize) -> &'a [[T; D]] {
    |number| &rows[pieces[number].clone()]
}

fn check_derivatives<T: Element>() {
    let mut random = Random::new();
    let error = 100.0 * epsilon::<T>();
    for [n, m] in [[60, 150], [2, 3000], [150, 40]] {
        let (x, y): (Vec<[T; 2]>, Vec<[T; 2]>) = (random.cloud(n), random.cloud(m));
        let (b, e): (Vec<[T; 1]>, Vec<[T; 1]>) = (random.cloud(m), random.cloud(n));
        let (u, w): (Vec<[T; 2]>, Vec<[T; 2]>) = (random.cloud(n), random.cloud(m));
        let p = T::from_f64(1.5);
        let pieces = cut(&mut random, m);
        let (y_of, b_of, w_of) = (chunks(&y, &pieces), chunks(&b, &pieces), chunks(&w, &pieces));
        let numbers = || (0..pieces.len()).map(Ok::<_, Error>);
        macro_rules! rows {
            ($($what:literal: $whole:expr, |$k:ident| $call:expr;)*) => {$(
                let found = in_chunks(numbers, |&$k, before| $call.partial_after(before)).unwrap();
                assert_rows(&found, &wide(&$whole.eval().unwrap()), error, $what);
            )*};
        }
        macro_rules! all {
            ($($what:literal: $whole:expr, |$k:ident| $call:expr, $($field:ident)*;)*) => {$(
                let found = in_chunks(numbers, |&$k, before| $call.partial_after(before)).unwrap();
                let whole = $whole.eval().unwrap();
                $(assert_rows(&found.$field, &wide(&whole.$field), error, $what);)*
            )*};
        }
        rows! {
            "x of a sum": sum(&x, &y, &b).vjp_x(&e), |k| sum(&x, y_of(k), b_of(k)).vjp_x(&e);
            "y of a sum": sum(&x, &y, &b).vjp_y(&e), |k| sum(&x, y_of(k), b_of(k)).vjp_y(&e);
            "tangent of a sum": sum(&x, &y, &b).jvp_y(&w), |k| sum(&x, y_of(k), b_of(k)).jvp_y(w_of(k));
            "x of a logarithm": log_sum(&p, &x, &y).vjp_x(&e), |k| log_sum(&p, &x, y_of(k)).vjp_x(&e);
            "y of a logarithm": log_sum(&p, &x, &y).vjp_y(&e), |k| log_sum(&p, &x, y_of(k)).vjp_y(&e);
            "p of a logarithm": log_sum(&p, &x, &y).vjp_p(&e), |k| log_sum(&p, &x, y_of(k)).vjp_p(&e);
            "tangents of a logarithm": log_sum(&p, &x, &y).jvp_x(&u), |k| log_sum(&p, &x, y_of(k)).jvp_x(&u);
            "twice": log_sum(&p, &x, &y).vjp_x(&e).jvp_x(&u), |k| log_sum(&p, &x, y_of(k)).vjp_x(&e).jvp_x(&u);
            "y and x": log_sum(&p, &x, &y).vjp_y(&e).jvp_x(&u), |k| log_sum(&p, &x, y_of(k)).vjp_y(&e).jvp_x(&u);
            "x and y": log_sum(&p, &x, &y).vjp_x(&e).vjp_y(&u), |k| log_sum(&p, &x, y_of(k)).vjp_x(&e).vjp_y(&u);
            "tangent of a softmax": softmax(&x, &y, &w).jvp_b(&y), |k| softmax(&x, y_of(k), w_of(k)).jvp_b(y_of(k));
            "x of a mean": mean(&x, &y).vjp_x(&e), |k| mean(&x, y_of(k)).vjp_x(&e);
            "y of a mean": mean(&x, &y).vjp_y(&e), |k| mean(&x, y_of(k)).vjp_y(&e);
            "over i": log_sum_over_i(&y, &x).vjp_y(&e), |k| log_sum_over_i(y_of(k), &x).vjp_y(&e);
            "sources only": of_sources(&p, &y).vjp_y(&[[p]]), |k| of_sources(&p, y_of(k)).vjp_y(&[[p]]);
            "the parameter of these": of_sources(&p, &y).vjp_p(&[[p]]), |k| of_sources(&p, y_of(k)).vjp_p(&[[p]]);
        }
        all! {
            "all of a sum": sum(&x, &y, &b).vjp(&e), |k| sum(&x, y_of(k), b_of(k)).vjp(&e), x y b;
            "all of a logarithm": log_sum(&p, &x, &y).vjp(&e), |k| log_sum(&p, &x, y_of(k)).vjp(&e), p x y;
            "all of logarithms": log_sums(&x, &y).vjp(&u), |k| log_sums(&x, y_of(k)).vjp(&u), x y;
            "all with weights": log_sum_of(&x, &y, &b).vjp(&e), |k| log_sum_of(&x, y_of(k), b_of(k)).vjp(&e), x y b;
            "all of a softmax": softmax(&x, &y, &w).vjp(&u), |k| softmax(&x, y_of(k), w_of(k)).vjp(&u), x y b;
            "all over i": sum_over_i(&y, &b, &x).vjp(&e), |k| sum_over_i(y_of(k), b_of(k), &x).vjp(&e), y b x;
        }
        let found = in_chunks(numbers, |&k, before| product(&x, y_of(k)).vjp_x(&e).partial_after(before)).unwrap();
        let whole = wide(&product(&x, &y).vjp_x(&e).eval().unwrap());
        let most = whole.iter().flatten().fold(0.0, |most: f64, number| most.max(number.abs()));
        for (found, whole) in found.iter().flatten().zip(whole.iter().flatten()) {
            assert_near(found.exact(), *whole, (m + 30) as f64 * epsilon::<T>() * most, "product");
        }
    }
}

#[test]
fn derivatives_read_the_value_over_all_pieces() {
    check_derivatives::<f32>();
    check_derivatives::<f64>();
}

#[test]
fn derivatives_keep_digits_of_rows_that_are_near_each_other() {
    let mut random = Random::new();
    let near = |rows: Vec<[f32; 2]>, by: f32| -> Vec<[f32; 2]> { rows.iter().map(|row| row.map(|c| c + by)).collect() };
    let (x, e): (Vec<[f32; 2]>, Vec<[f32; 2]>) = (random.cloud(40), random.cloud(40));
    // keys and values far from 0, some rows of which are not numbers
    let (mut y, mut b) = (near(random.cloud(300), 3000.0), near(random.cloud(300), -5000.0));
    for odd in [false, true] {
        let exact = {
            let [x, e, y, b] = [&x, &e, &y, &b].map(|rows| wide(rows));
            softmax(&x, &y, &b).vjp(&e).eval().unwrap()
        };
        if odd {
            (y[250][1], b[0][0]) = (f32::NAN, f32::NAN);
        }
        let whole = softmax(&x, &y, &b).vjp(&e).eval().unwrap();
        let pieces = cut(&mut random, 300);
        let read = || pieces.iter().map(Ok::<_, Error>);
        let mut sweeps = 0;
        let read_counted = || {
            sweeps += 1;
            read()
        };
        let found = in_chunks(read_counted, |piece, before| {
            softmax(&x, &y[(*piece).clone()], &b[(*piece).clone()]).vjp(&e).partial_after(before)
        })
        .unwrap();
        assert!(sweeps >= 3, "one for what rows have in common, one for the mean, one for the gradients: {sweeps}");
        if odd {
            assert!(found.x.iter().flatten().all(|c| c.is_nan()) && whole.x.iter().flatten().all(|c| c.is_nan()));
        } else {
            for (found, exact, what) in
                [(&found.x, &exact.x, "x"), (&found.y, &exact.y, "y"), (&found.b, &exact.b, "b")]
            {
                assert_rows(found, exact, 1e-5, what);
            }
        }
        // merged in another order
        let call = |piece: &Range<usize>| {
            softmax(&x, &y[piece.clone()], &b[piece.clone()]).vjp_x(&e).sources_from(piece.start as u64)
        };
        let mut known: Option<Partial<softmax::Vjp_x, f32>> = None;
        let merged = loop {
            let mut all: Option<Partial<softmax::Vjp_x, f32>> = None;
            for piece in pieces.iter().rev() {
                let one = call(piece).partial_after(known.clone()).unwrap();
                all = Some(match all {
                    Some(all) => all.merge(one).unwrap(),
                    None => one,
                });
            }
            let all = all.unwrap();
            if !all.needs_sweep() {
                break all.finish().unwrap();
            }
            known = Some(all.next_sweep().unwrap());
        };
        if !odd {
            assert_rows(&merged, &exact.x, 1e-5, "merged");
        }
    }
    // infinite queries: nothing is taken off
    let mut x = x;
    x[3][0] = f32::INFINITY;
    let whole = softmax(&x, &y[1..200], &b[1..200]).vjp_x(&e).eval().unwrap();
    let found = in_chunks(
        || [1..50, 50..200].into_iter().map(Ok::<_, Error>),
        |piece, before| softmax(&x, &y[piece.clone()], &b[piece.clone()]).vjp_x(&e).partial_after(before),
    )
    .unwrap();
    for (found, whole) in found.iter().flatten().zip(whole.iter().flatten()) {
        assert_eq!(found.is_nan(), whole.is_nan());
    }
}

#[test]
fn sweeps_are_counted() {
    let (x, y, e) = ([[0.5_f64; 2]], [[1.0; 2], [2.0; 2]], [[1.0]]);
    let value = log_sum(&1.0, &x, &y).partial().unwrap();
    assert!(!value.needs_sweep());
    assert_eq!(value.next_sweep().unwrap_err(), Error::NoSweepsLeft { formula: "log_sum: Value" });
    let first = || log_sum(&1.0, &x, &y).vjp_x(&e).partial().unwrap();
    assert!(first().needs_sweep());
    assert_eq!(first().finish().unwrap_err(), Error::SweepsLeft { formula: "log_sum: Saved" });
    let second = first().next_sweep().unwrap();
    assert_eq!(second.clone().merge(second.clone()).unwrap_err(), Error::NoChunks);
    assert_eq!(second.clone().finish().unwrap_err(), Error::SweepLength { found: 0, expected: 2 });
    // what is known goes along with clones: each piece gives its own rows of the gradient in y
    let half = |piece: Range<usize>| {
        let known = log_sum(&1.0, &x, &y).vjp_y(&e).partial().unwrap().next_sweep().unwrap();
        log_sum(&1.0, &x, &y[piece]).vjp_y(&e).partial_after(known).unwrap()
    };
    let whole = log_sum(&1.0, &x, &y).vjp_y(&e).eval().unwrap();
    assert_rows(&half(1..2).finish().unwrap(), &wide(&whole[1..]), 1e-14, "one of them");
    let both = log_sum(&1.0, &x, &y[1..]).vjp_y(&e).partial_after(half(0..1)).unwrap().finish().unwrap();
    assert_rows(&both, &wide(&whole), 1e-14, "both");
    // another number of sources than in the sweep before
    let more = log_sum(&1.0, &x, &y[..1]).vjp_x(&e).partial_after(second.clone()).unwrap();
    assert_eq!(more.finish().unwrap_err(), Error::SweepLength { found: 1, expected: 2 });
    // another sweep
    let again = log_sum(&1.0, &x, &y).vjp_x(&e).partial_after(second).unwrap();
    assert!(matches!(again.merge(first()), Err(Error::PartialMismatch { .. })));
}

#[test]
fn batches_and_ranges_are_those_of_each_piece() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 2]>, Vec<[f32; 2]>) = (random.cloud(3 * 40), random.cloud(3 * 60));
    let pieces = [0..10, 10..45, 45..60];
    // the rows of a piece, of each batch
    let of = |rows: &[[f32; 2]], piece: &Range<usize>| -> Vec<[f32; 2]> {
        rows.chunks_exact(60).flat_map(|batch| &batch[piece.clone()]).copied().collect()
    };
    let ends: Vec<_> = pieces.iter().map(|piece| of(&y, piece)).collect();
    macro_rules! check {
        ($($f:ident $(($p:expr))? $(. $vjp:ident ($e:expr))?),*) => {$(
            let whole = $f($(&$p,)? batched(&x, &[3]), batched(&y, &[3]))$(.$vjp($e))?.eval().unwrap();
            let found = in_chunks(
                || ends.iter().map(Ok::<_, Error>),
                |y, before| $f($(&$p,)? batched(&x, &[3]), batched(*y, &[3]))$(.$vjp($e))?.partial_after(before),
            ).unwrap();
            assert_eq!(format!("{found:?}").len(), format!("{whole:?}").len());
            assert_eq!(found.len(), whole.len());
        )*};
    }
    check!(near(0.1), count(0.1));
    let e: Vec<[f32; 1]> = random.cloud(3 * 40);
    macro_rules! in_batches {
        (|$y:ident| $call:expr) => {
            in_chunks(|| ends.iter().map(Ok::<_, Error>), |$y, before| $call.partial_after(before))
        };
    }
    let whole = neighbours(batched(&x, &[3]), batched(&y, &[3])).eval().unwrap();
    assert_eq!(in_batches!(|y| neighbours(batched(&x, &[3]), batched(*y, &[3]))).unwrap(), whole);
    let whole = near(&0.1, batched(&x, &[3]), batched(&y, &[3])).eval().unwrap();
    assert_eq!(in_batches!(|y| near(&0.1, batched(&x, &[3]), batched(*y, &[3]))).unwrap(), whole);
    let whole = log_sum(&1.5, batched(&x, &[3]), batched(&y, &[3])).vjp_x(batched(&e, &[3])).eval().unwrap();
    let found = in_batches!(|y| log_sum(&1.5, batched(&x, &[3]), batched(*y, &[3])).vjp_x(batched(&e, &[3]))).unwrap();
    assert_rows(&found, &wide(&whole), 1e-5, "batches");
    let error =
        in_batches!(|y| sum(batched(&x, &[3]), batched(*y, &[3]), &[[1.0]; 0]).vjp_y(batched(&e, &[3]))).map(drop);
    assert!(error.is_err());
    let error =
        in_batches!(|y| log_sum(&1.5, batched(&x, &[3]), batched(*y, &[3])).vjp_y(batched(&e, &[3]))).unwrap_err();
    assert_eq!(error, Error::Batches { what: "a gradient in rows that come in pieces" });

    // Ranges: scattered pairs, and blocks.
    let (x, y) = (&x[..100], &y[..100]);
    let scattered: Vec<_> = (0..100)
        .flat_map(|i| (0..100).filter(move |j| (7 * i + j) % 9 == 0).map(move |j| (i..i + 1, j..j + 1)))
        .collect();
    let blocks: Vec<_> = vec![(0..40, 3..60), (30..77, 20..30), (90..100, 0..100)];
    for blocks in [scattered, blocks] {
        let all = Ranges::new(blocks.clone()).unwrap();
        let pieces = cut(&mut random, 100);
        let ranges = |piece: &Range<usize>| {
            let inside = blocks.iter().map(|(i, j)| {
                let j = j.start.clamp(piece.start, piece.end)..j.end.clamp(piece.start, piece.end);
                (i.clone(), j.start - piece.start..j.end - piece.start)
            });
            Ranges::new(inside.filter(|(_, j)| !j.is_empty()).collect::<Vec<_>>()).unwrap()
        };
        macro_rules! in_ranges {
            (|$y:ident| $call:expr) => {
                in_chunks(
                    || pieces.iter().map(Ok::<_, Error>),
                    |piece, before| {
                        let $y = &y[(*piece).clone()];
                        $call.ranges(&ranges(piece)).partial_after(before)
                    },
                )
                .unwrap()
            };
        }
        for pruning in [Pruning::WherePays, Pruning::Always] {
            let pruned = in_ranges!(|y| {
                let mut call = neighbours(x, y);
                call.__settings().pruning = pruning;
                call
            });
            assert_eq!(pruned, neighbours(x, y).ranges(&all).eval().unwrap());
        }
        assert_eq!(in_ranges!(|y| near(&0.3, x, y)), near(&0.3, x, y).ranges(&all).eval().unwrap());
        assert_eq!(in_ranges!(|y| count(&0.3, x, y)), count(&0.3, x, y).ranges(&all).eval().unwrap());
        assert_eq!(in_ranges!(|y| min(x, y)), min(x, y).ranges(&all).eval().unwrap());
        assert_rows(&in_ranges!(|y| mean(x, y)), &wide(&mean(x, y).ranges(&all).eval().unwrap()), 1e-6, "means");
        assert_rows(
            &in_ranges!(|y| log_sums(x, y)),
            &wide(&log_sums(x, y).ranges(&all).eval().unwrap()),
            1e-6,
            "logarithms",
        );
        let whole = mean(x, y).ranges(&all).vjp_x(&e[..100]).eval().unwrap();
        assert_rows(&in_ranges!(|y| mean(x, y).vjp_x(&e[..100])), &wide(&whole), 1e-6, "the gradient of means");
    }
}

#[test]
fn row_numbers_begin_where_they_are_said_to() {
    let (x, y) = ([[0.0_f32; 2], [1.0; 2]], [[0.1_f32; 2], [0.9; 2], [0.2; 2]]);
    assert_eq!(*nearest(&x, &y).sources_from(40).eval().unwrap(), [[40], [41]]);
    assert_eq!(near(&0.1, &x, &y).sources_from(40).eval().unwrap().row_numbers(), [40, 42, 41]);
    assert_eq!(*count(&0.1, &x, &y).sources_from(40).eval().unwrap(), [[2], [1]]);
    let most = u64::from(u32::MAX) - 2;
    assert_eq!(*nearest(&x, &y).sources_from(most).eval().unwrap(), [[u32::MAX - 2], [u32::MAX - 1]]);
    let beyond = Error::RowNumber { number: most + 2 };
    assert_eq!(nearest(&x, &y).sources_from(most + 1).eval().unwrap_err(), beyond);
    assert_eq!(near(&0.1, &x, &y).sources_from(most + 1).eval().unwrap_err(), Error::RowNumber { number: most + 3 });
    // places without a source stay
    let (_, found) = neighbours(&x, &y[..1]).sources_from(7).eval().unwrap();
    assert_eq!(found[0], [7, u32::MAX, u32::MAX, u32::MAX, u32::MAX, u32::MAX, u32::MAX]);

    let far = 1 << 50;
    let partial = || neighbours(&x, &y).sources_from(far).partial().unwrap();
    assert_eq!(partial().finish().unwrap_err(), Error::RowNumber { number: far });
    let nearer = neighbours(&x, &y[..2]).sources_from(3).partial_after(partial()).unwrap();
    for rows in [
        nearer.finish_u64().unwrap(),
        neighbours(&x, &y[..2]).sources_from(3).partial().unwrap().merge(partial()).unwrap().finish_u64().unwrap(),
    ] {
        assert_eq!(rows.row_numbers.row(0).unwrap(), [3, far, far + 2, 4, far + 1, u64::MAX, u64::MAX]);
        assert_eq!(rows.values.row(1).unwrap()[..2], [rows.values[(1, 1)]; 2]);
        assert!(rows.starts.is_empty());
    }
    let lists = near(&0.1, &x, &y).sources_from(far).partial().unwrap();
    assert_eq!(lists.clone().finish().unwrap_err(), Error::RowNumber { number: far });
    let lists = lists.finish_u64().unwrap();
    assert_eq!((&lists.starts[..], lists.row_numbers.as_flat()), (&[0, 2, 3][..], &[far, far + 2, far + 1][..]));
    let counts = count(&0.1, &x, &y).partial().unwrap().finish_u64().unwrap();
    assert_eq!(counts.row_numbers.as_flat(), [2, 1]);
    assert_eq!(
        nearest(&x, &y).sources_from(u64::MAX - 2).partial().unwrap_err(),
        Error::RowNumber { number: u64::MAX }
    );
    assert_eq!(min(&x, &y).partial().unwrap().finish_u64().unwrap_err(), Error::NoRowNumbers { formula: "min: Value" });
}

#[test]
fn what_does_not_belong_together_is_an_error() {
    let (x, y, b) = ([[0.0_f32; 2], [1.0; 2]], [[0.1_f32; 2], [0.9; 2], [0.2; 2]], [[1.0_f32]; 3]);
    let other = [[0.0_f32; 2], [1.5; 2]];
    let what = |error: Error| match error {
        Error::PartialMismatch { what, .. } => what,
        other => panic!("{other}"),
    };
    let same = "parameters, in targets or in what an earlier sweep found";
    let partial = || sum(&x, &y, &b).partial().unwrap();
    assert_eq!(what(sum(&other, &y, &b).partial_after(partial()).unwrap_err()), same);
    assert_eq!(what(sum(&x[..1], &y, &b).partial_after(partial()).unwrap_err()), same);
    assert_eq!(what(partial().merge(sum(&other, &y, &b).partial().unwrap()).unwrap_err()), same);
    let of = |p: f32| log_sum(&p, &x, &y).partial().unwrap();
    assert_eq!(what(of(1.0).merge(of(1.5)).unwrap_err()), same);
    assert_eq!(what(log_sum(&1.5, &x, &y).partial_after(of(1.0)).unwrap_err()), same);
    // -0 and 0 are the same value
    assert!(of(0.0).merge(of(-0.0)).is_ok());
    let cotangent = |e: f32| sum(&x, &y, &b).vjp_x(&[[e], [1.0]]).partial().unwrap();
    assert_eq!(what(cotangent(1.0).merge(cotangent(2.0)).unwrap_err()), same);
    // sums of pieces that overlap are sums of what was given, but a neighbour is not two
    assert!(partial().merge(partial()).is_ok());
    let found = |start: u64| neighbours(&x, &y).sources_from(start).partial().unwrap();
    let twice = Error::SourcesTwice { first: 2, last: 2 };
    assert_eq!(found(0).merge(found(2)).unwrap_err(), twice);
    assert_eq!(neighbours(&x, &y).sources_from(2).partial_after(found(0)).unwrap_err(), twice);
    let gradient = |start: u64| sum(&x, &y, &b).vjp_y(&[[1.0], [1.0]]).sources_from(start).partial().unwrap();
    assert_eq!(gradient(0).merge(gradient(1)).unwrap_err(), Error::SourcesTwice { first: 1, last: 2 });
    // faults of arguments are those of `eval`
    let error = sum(&x, &y, &b[..2]).partial().unwrap_err();
    assert_eq!(error.to_string(), "`b` has 2 rows, but `y`, which is indexed alike, has 3");
    assert_eq!(
        sum(&x, &y, &b).device(Device::Cuda(0)).partial().unwrap_err(),
        Error::PartialOnlyOnCpu { formula: "sum: Value" }
    );
}

#[test]
fn chunks_are_fetched_while_others_are_computed() {
    static HERE: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    /// Counts how many chunks there are at a time.
    struct Chunk(Vec<[f64; 2]>);
    impl Chunk {
        fn new(rows: Vec<[f64; 2]>) -> Self {
            MOST.fetch_max(HERE.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            Self(rows)
        }
    }
    impl Drop for Chunk {
        fn drop(&mut self) {
            HERE.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(10), random.cloud(100));
    let here = thread::current().id();
    let read = || {
        y.chunks(10).map(|rows| {
            assert_ne!(thread::current().id(), here);
            Ok::<_, Error>(Chunk::new(rows.to_vec()))
        })
    };
    let found = in_chunks(read, |chunk, before| mean(&x, &chunk.0).partial_after(before)).unwrap();
    assert_rows(&found, &wide(&mean(&x, &y).eval().unwrap()), 1e-14, "the mean");
    assert_eq!((HERE.load(Ordering::SeqCst), MOST.load(Ordering::SeqCst)), (0, 2));
}

#[test]
fn errors_of_chunks_are_passed_on() {
    #[derive(Debug, PartialEq)]
    enum Fault {
        Read(usize),
        Call(Error),
    }
    impl From<Error> for Fault {
        fn from(error: Error) -> Self {
            Self::Call(error)
        }
    }
    let x = [[0.0_f32; 2]];
    let read =
        |fault: usize| move || (0..5).map(move |k| if k == fault { Err(Fault::Read(k)) } else { Ok([[k as f32; 2]]) });
    let sum = |fault| {
        in_chunks(read(fault), |y, before: Option<Partial<mean::Value, f32>>| mean(&x, y).partial_after(before))
    };
    assert_eq!(sum(0).unwrap_err(), Fault::Read(0));
    assert_eq!(sum(4).unwrap_err(), Fault::Read(4));
    assert!(sum(9).is_ok());
    let mut calls = 0;
    let result = in_chunks(read(9), |y, before: Option<Partial<sum::Value, f32>>| {
        calls += 1;
        self::sum(&x, y, if calls == 3 { &[][..] } else { &[[1.0_f32]][..] }).partial_after(before)
    });
    assert!(matches!(result, Err(Fault::Call(Error::RowCount { variable: "b", .. }))));
    assert_eq!(calls, 3);
    let none = in_chunks(Vec::<Result<[[f32; 2]; 1], Error>>::new, |y, before| mean(&x, y).partial_after(before));
    assert_eq!(none.unwrap_err(), Error::NoChunks);
    // a second sweep that is shorter than the first
    let mut sweeps = 0;
    let shrinking = || {
        sweeps += 1;
        (sweeps..5).map(|k| Ok::<_, Error>([[k as f32; 2]]))
    };
    let result = in_chunks(shrinking, |y, before| log_sum(&1.0, &x, y).vjp_x(&[[1.0]]).partial_after(before));
    assert_eq!(result.unwrap_err(), Error::SweepLength { found: 3, expected: 4 });
}

#[test]
fn progress_comes_to_its_end_in_each_pass_of_a_piece() {
    use std::sync::{Arc, Mutex};

    let (x, y, e) = ([[0.5_f32; 2]; 3], [[1.0_f32; 2]; 8], [[1.0_f32]; 3]);
    let told: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let piece = |before| {
        let to = Arc::clone(&told);
        log_sum(&1.0, &x, &y)
            .vjp_x(&e)
            .progress(move |done, all| to.lock().unwrap().push((done, all)))
            .partial_after(before)
    };
    let first = piece(None).unwrap();
    assert_eq!(told.lock().unwrap().last(), Some(&(24, 24)));
    told.lock().unwrap().clear();
    piece(Some(first.next_sweep().unwrap())).unwrap().finish().unwrap();
    assert_eq!(told.lock().unwrap().last(), Some(&(24, 24)));
}

#[test]
fn tolerances_of_pieces_add_up() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 2]>, Vec<[f32; 2]>) = (random.cloud(large(2000)), random.cloud(large(3000)));
    let b = vec![[1.0_f32]; y.len()];
    let whole = sum(&x, &y, &b).eval().unwrap();
    let found = in_pieces!(&mut random, y.len(), |piece| {
        let mut call = sum(&x, &y[piece.clone()], &b[piece.clone()]).tolerance(1e-3);
        call.__settings().pruning = Pruning::Always;
        call
    });
    for found in found {
        for (found, whole) in found.iter().zip(whole.iter()) {
            assert_near(found[0].exact(), whole[0].exact(), (1e-3 + 1e-6) * whole[0].exact(), "within the tolerance");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let mut random = Random::new();
    let (x, y): (Vec<[f32; 2]>, Vec<[f32; 2]>) = (random.cloud(large(700)), random.cloud(large(4000)));
    let b: Vec<[f32; 1]> = random.cloud(y.len());
    let pieces: Vec<_> = (0..y.len()).step_by(900).map(|first| first..y.len().min(first + 900)).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let read = || pieces.iter().map(Ok::<_, Error>);
            let sums = in_chunks(read, |p, before| sum(&x, &y[(*p).clone()], &b[(*p).clone()]).partial_after(before));
            let few =
                in_chunks(read, |p, before| sum(&x[..2], &y[(*p).clone()], &b[(*p).clone()]).partial_after(before));
            (sums.unwrap(), few.unwrap())
        })
    };
    let one = run(1);
    for threads in [2, 3] {
        let several = run(threads);
        assert_identical(&several.0, &one.0, "many targets");
        assert_identical(&several.1, &one.1, "few targets");
    }
}
