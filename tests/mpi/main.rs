//! Calls over the ranks of an MPI program, against the same calls in one process. `cargo xtask mpi` runs it under `mpirun`, with several
//! numbers of ranks; by itself it is a program of one rank.
//!
//! Every rank draws the same numbers from the seed (the first argument), and so knows what all ranks hold: it computes the whole result by
//! itself and compares its own rows.

#![allow(missing_docs, reason = "tests")]

mod derivatives;
mod equations;
mod faults;
mod reductions;

use std::{fmt::Debug, ops::Range};

use keops::{
    Element,
    interfaces::mpi::{Exchange, Ranks},
};
use mpi::{Threading, topology::SimpleCommunicator, traits::*};

/// How sources are exchanged in tests. By default it is one of these.
const EXCHANGES: [Exchange; 2] = [Exchange::Gather, Exchange::Ring];

/// The rows of a part of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// Those of i, and so those of this rank among them.
    I,
    /// Those of j.
    J,
    /// The same on all ranks.
    All,
}

/// A part of a result, as numbers.
type Part = (Side, Vec<f64>);

/// How close numbers must be to those of one process.
#[derive(Clone, Copy, Debug)]
enum Error {
    /// The same to the bit.
    None,
    /// Relative to the largest number of the part.
    Below(f64),
}

/// The arguments of calls: rows of all ranks, or of one.
#[derive(Clone)]
struct Points<T> {
    x: Vec<[T; 3]>,
    u: Vec<[T; 1]>,
    e: Vec<[T; 1]>,
    e2: Vec<[T; 2]>,
    dx: Vec<[T; 3]>,
    y: Vec<[T; 3]>,
    b: Vec<[T; 1]>,
    b2: Vec<[T; 2]>,
    dy: Vec<[T; 3]>,
    f: Vec<[T; 1]>,
    p: [T; 1],
}

/// Where a test runs, and on which rows.
struct Here<'c, T> {
    world: &'c SimpleCommunicator,
    all: Points<T>,
    own: Points<T>,
    i: Range<usize>,
    j: Range<usize>,
    rows: [usize; 2],
}

impl<'c, T: Element> Here<'c, T> {
    fn new(world: &'c SimpleCommunicator, random: &mut fastrand::Rng, i: &[usize], j: &[usize]) -> Self {
        let rows = [i.iter().sum(), j.iter().sum()];
        let rank = world.rank() as usize;
        let own = |counts: &[usize]| {
            let first: usize = counts[..rank].iter().sum();
            first..first + counts[rank]
        };
        let all = Points::random(random, rows);
        let (i, j) = (own(i), own(j));
        let own = all.part(i.clone(), j.clone());
        Self { world, all, own, i, j, rows }
    }

    fn ranks(&self, exchange: Exchange) -> Ranks {
        Ranks::new(self.world).exchange(exchange)
    }

    /// Compares a result with that of one process.
    fn compare(&self, what: impl Debug, exchange: Exchange, error: Error, expected: &[Part], found: &[Part]) {
        assert_eq!(expected.len(), found.len());
        for (number, ((side, expected), (_, found))) in expected.iter().zip(found).enumerate() {
            let own = match side {
                Side::I => share(expected, self.rows[0], &self.i),
                Side::J => share(expected, self.rows[1], &self.j),
                Side::All => &expected[..],
            };
            let at = format!("{what:?} by {exchange:?}, {} ranks, part {number} {side:?}", self.world.size());
            assert_eq!(own.len(), found.len(), "{at}: the number of numbers");
            let size = expected.iter().filter(|number| number.is_finite()).fold(0.0_f64, |most, x| most.max(x.abs()));
            // A gradient in a parameter may be a small sum of terms near 1.
            let size = if *side == Side::All { size.max(1.0) } else { size };
            for (place, (&own, &found)) in own.iter().zip(found).enumerate() {
                let same = own == found || own.is_nan() && found.is_nan();
                let near = match error {
                    Error::None => same,
                    Error::Below(bound) => same || (own - found).abs() <= bound * size,
                };
                assert!(near, "{at}, number {place}: {found:e} instead of {own:e}, of numbers up to {size:e}");
            }
            if *side == Side::All {
                self.same_everywhere(&at, found);
            }
        }
    }

    /// Compares numbers of all ranks, to the bit.
    fn same_everywhere(&self, what: &str, numbers: &[f64]) {
        let bits: Vec<u64> = numbers.iter().map(|number| number.to_bits()).collect();
        let mut first = bits.clone();
        self.world.process_at_rank(0).broadcast_into(&mut first[..]);
        assert_eq!(bits, first, "{what}: not the numbers of rank 0");
    }
}

/// The numbers of some of `rows` rows.
fn share<'n>(numbers: &'n [f64], rows: usize, own: &Range<usize>) -> &'n [f64] {
    let width = numbers.len().checked_div(rows).unwrap_or(0);
    &numbers[own.start * width..own.end * width]
}

impl<T: Element> Points<T> {
    /// Rows on a grid, so that distances are often equal, and numbers near 1.
    fn random(random: &mut fastrand::Rng, [n, m]: [usize; 2]) -> Self {
        fn rows<T: Element, const D: usize>(count: usize, mut number: impl FnMut() -> f64) -> Vec<[T; D]> {
            (0..count).map(|_| std::array::from_fn(|_| T::from_f64(number()))).collect()
        }
        let mut grid = || f64::from(random.i32(-8..=8)) / 8.0;
        let (x, y) = (rows(n, &mut grid), rows(m, &mut grid));
        let mut weight = || random.f64() + 0.5;
        let (u, e, e2, dx) = (rows(n, &mut weight), rows(n, &mut weight), rows(n, &mut weight), rows(n, &mut weight));
        let (b, b2, dy, f) = (rows(m, &mut weight), rows(m, &mut weight), rows(m, &mut weight), rows(m, &mut weight));
        let p = [T::from_f64(weight())];
        Self { x, u, e, e2, dx, y, b, b2, dy, f, p }
    }

    fn part(&self, i: Range<usize>, j: Range<usize>) -> Self {
        let Self { x, u, e, e2, dx, y, b, b2, dy, f, p } = self;
        let [u, e] = [u, e].map(|rows| rows[i.clone()].to_vec());
        let [b, f] = [b, f].map(|rows| rows[j.clone()].to_vec());
        let [x, dx] = [x, dx].map(|rows| rows[i.clone()].to_vec());
        let [y, dy] = [y, dy].map(|rows| rows[j.clone()].to_vec());
        Self { x, u, e, e2: e2[i].to_vec(), dx, y, b, b2: b2[j].to_vec(), dy, f, p: *p }
    }
}

/// Rows of a result as numbers.
fn flat<T: Element, const D: usize>(rows: &[[T; D]]) -> Vec<f64> {
    rows.iter().flatten().map(|&number| Element::to_f64(number)).collect()
}

/// Row numbers as numbers.
fn numbers<const D: usize>(rows: &[[u32; D]]) -> Vec<f64> {
    rows.iter().flatten().map(|&number| f64::from(number)).collect()
}

/// The relative error of sums in this type, which are added in another order.
fn rounding<T: Element>() -> Error {
    Error::Below(if size_of::<T>() == 4 { 2e-6 } else { 1e-13 })
}

/// Evaluates a call over ranks, by every exchange, and compares its result with that of one process.
#[macro_export]
macro_rules! check {
    ($here:expr, $what:expr, $error:expr, |$points:ident| $call:expr, |$output:ident| $parts:expr) => {{
        let expected: Vec<$crate::Part> = {
            let $points = &$here.all;
            let $output = $call.eval().unwrap();
            $parts
        };
        for exchange in $crate::EXCHANGES {
            let $points = &$here.own;
            let $output = $call.over($here.ranks(exchange)).eval().unwrap();
            let found: Vec<$crate::Part> = $parts;
            // what every rank has is the same to the bit
            $here.compare($what, exchange, $error, &expected, &found);
        }
    }};
}

/// Numbers of rows of each rank that add up to `rows`; some may have none.
fn shares(random: &mut fastrand::Rng, rows: usize, ranks: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = (1..ranks).map(|_| random.usize(0..=rows)).collect();
    cuts.sort_unstable();
    cuts.insert(0, 0);
    cuts.push(rows);
    cuts.windows(2).map(|ends| ends[1] - ends[0]).collect()
}

/// Runs a test on several numbers of rows, in several shares.
fn on_shares<T: Element>(world: &SimpleCommunicator, random: &mut fastrand::Rng, test: impl Fn(&Here<'_, T>)) {
    let ranks = world.size() as usize;
    // even and uneven ones, fewer rows than ranks, no rows
    for [n, m] in [[300, 400], [37, 1100], [2, 1], [0, 5], [6, 0]] {
        let (i, j) = (shares(random, n, ranks), shares(random, m, ranks));
        test(&Here::new(world, random, &i, &j));
    }
    // all rows on one rank
    let only = |rank: usize, rows: usize| (0..ranks).map(|r| if r == rank { rows } else { 0 }).collect::<Vec<_>>();
    test(&Here::new(world, random, &only(0, 20), &only(ranks - 1, 30)));
}

fn main() {
    let seed = std::env::args().nth(1).map_or(1, |seed| seed.parse().expect("a seed"));
    let (universe, _) = mpi::initialize_with_threading(Threading::Funneled).expect("MPI is initialized once");
    let world = universe.world();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut run = |name: &str, test: &dyn Fn(&SimpleCommunicator, &mut fastrand::Rng)| {
        let start = std::time::Instant::now();
        test(&world, &mut random);
        if world.rank() == 0 {
            println!("{name}: ok on {} ranks, {:.1} s", world.size(), start.elapsed().as_secs_f64());
        }
    };
    // A rank that panics would wait for the others in MPI_Finalize.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.payload().is::<faults::Wanted>() {
            hook(panic);
            std::process::exit(1);
        }
    }));
    run("reductions in f32", &reductions::check::<f32>);
    run("reductions in f64", &reductions::check::<f64>);
    run("selections in f32", &reductions::check_selections::<f32>);
    run("selections in f64", &reductions::check_selections::<f64>);
    run("derivatives in f32", &derivatives::check::<f32>);
    run("derivatives in f64", &derivatives::check::<f64>);
    run("derivatives of selections", &derivatives::check_selections);
    run("equations", &equations::check);
    run("operators", &equations::check_operators);
    run("faults", &faults::check);
}
