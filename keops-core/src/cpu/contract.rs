//! Long contractions: rows of targets against a tile of sources, as a matrix product.
//!
//! A contraction of many components is most of a pair's work, and as part of the loop over pairs it would be one chain
//! of dependent operations. Here a row of targets goes through a contraction with several sources in step: each number
//! that is loaded of the targets serves all of these sources. Where a row of lanes is a single vector, two rows of
//! targets go in step, so that a broadcast of a source serves both. This code is the same for all formulas, so it is
//! compiled once, and the loop over pairs of a formula (the module `sweep`) reads the results.
//!
//! ```text
//! for each tile of sources:
//!     meet:   w'[j] = w[j] - c  and  |w'[j]|²                    squared distances only; once for a call if sources are kept
//!     for each N rows of targets:                                N = 2 if a row of lanes is one vector, else 1
//!         rows:   for each contraction k:
//!             for each chunk of 128 components:                  the chunk of N rows of targets stays in the first-level cache
//!                 for each group of S sources of the tile:
//!                     sums[n][s] = 0 in the first chunk, else results[n][j + s][k]
//!                     for each component d of the chunk:
//!                         x[n] = u'[n][d]                        N loads of a row of lanes
//!                         for each s: y = w'[j + s][d]           a broadcast, which serves N rows of targets
//!                             sums[n][s] += x[n] y               N S fused operations
//!                     in the last chunk of a squared distance:
//!                         sums[n][s] = |u'[n]|² + |w'[j + s]|² - 2 sums[n][s]
//!                     results[n][j + s][k] = sums[n][s]
//!                     if one of these may be close: compute those pairs again, from u and w
//!         sweep of the N rows against the tile, which reads results[n][j]
//! ```
//!
//! *What is in registers.* The N S sums, each of which is a row of lanes of one, two or four vectors, N rows x and one
//! broadcast y. S is as large as the registers of the instruction set allow (`Task::with_simd`): with 32 registers, 12
//! sources for two rows of one vector, and 6 for one row of four vectors. Sources that do not fill a group go by four
//! and then one by one.
//!
//! *Squared distances* are |u - c|² + |w - c|² - 2 (u - c | w - c), which takes half of the operations of Σ_d (u_d -
//! w_d)². The centre c is a mean of up to 64 sources, rounded to so few digits that subtracting it rarely rounds. Where
//! the result is less than `CLOSE` of the two squares (`products.rs`), digits have cancelled: those pairs are computed
//! again as Σ_d (u_d - w_d)². So a squared distance has a relative error of a few roundings divided by `CLOSE`, and
//! equal rows have the distance 0.
//!
//! *Sums of differences.* A sum of s (u - w) over sources, which is the gradient of a function of such a distance, is
//! (Σ s) (u - c) - Σ s (w - c) where no pair of a bundle is close. As |u - c|² + |w - c|² is at most |u - w|² / `CLOSE`
//! there, the error of the sum, as a vector, is a few roundings of Σ |s| |u - w|.
//!
//! *The order of sums.* A product is summed in the order of its components, in one chain for each pair, whatever group
//! of sources it is in; chunks continue the chain. The squares are summed in f64. Whether a pair is computed again is
//! decided for all lanes of a row together, so it depends on which targets share a row, and like these on the shape and
//! the width of the vectors, but not on the number of threads.

use pulp::{Arch, Simd, WithSimd};

pub(super) use crate::formula::is_long;
use crate::{
    cpu::{
        instructions::vector_bytes,
        products::{Distances, Results, Rows, products, smallest},
    },
    formula::{Contraction, ContractionKind},
    lanes::{Lanes, Vectorized, memory::Aligned},
    number::{Packed, Scalar},
};

/// The number of sources that a centre is computed from, at most.
const SAMPLE: usize = 64;

/// The numbers of the sources that a centre is computed from.
pub(super) fn sample(sources: usize) -> impl Iterator<Item = usize> {
    (0..sources).step_by(sources.div_ceil(SAMPLE).max(1))
}

/// The centre of a contraction, computed from some prepared sources, which are `rows` of `width` numbers.
pub(super) fn centre<T: Vectorized>(contraction: &Contraction, rows: &[T], width: usize) -> Vec<T> {
    let &Contraction { source, len, kind, .. } = contraction;
    let count = rows.len().checked_div(width).unwrap_or(0);
    if kind != ContractionKind::SquaredDistance || count == 0 {
        return vec![T::zero(); len];
    }
    let vectors = || rows.chunks_exact(width).map(|row| &row[source..source + len]);
    let mut mean = vec![0.0; len];
    for vector in vectors() {
        mean.iter_mut().zip(vector).for_each(|(mean, &x)| *mean += Scalar::as_f64(x) / count as f64);
    }
    let differences = vectors().flat_map(|vector| vector.iter().zip(&mean));
    let spread = differences.fold(0.0, |spread: f64, (&x, mean)| spread.max((Scalar::as_f64(x) - mean).abs()));
    let step = spread.log2().floor().exp2();
    let rounded = |mean: f64| if spread > 0.0 { (mean / step).round() * step } else { mean };
    let finite = |centre: f64| if centre.is_finite() { T::of_f64(centre) } else { T::zero() };
    mean.into_iter().map(|mean| finite(rounded(mean))).collect()
}

/// Targets, sources and results of a contraction are rows of the whole formula's: where its numbers are in them.
#[derive(Clone, Copy)]
struct Columns {
    /// Numbers in a row.
    width: usize,
    /// Where the vector starts.
    offset: usize,
}

/// The vectors of all contractions in some rows. Only the vectors of squared distances are filled in, centred.
pub(super) fn centred<T: Vectorized>(
    contractions: &[Contraction],
    centres: &[Vec<T>],
    offset: impl Fn(&Contraction) -> usize,
    (rows, width, lanes): (&[T], usize, usize),
) -> Vec<Vectors<T>> {
    let vectors = contractions.iter().zip(centres).map(|(contraction, centre)| {
        let mut vectors = Vectors::default();
        if contraction.kind == ContractionKind::SquaredDistance {
            vectors.fill(rows, Columns { width, offset: offset(contraction) }, lanes, centre);
        }
        vectors
    });
    vectors.collect()
}

/// The vectors of one contraction, centred if it is a squared distance.
#[derive(Debug)]
pub(super) struct Vectors<T: Vectorized> {
    /// Row after row.
    centred: Aligned<T>,
    /// The squares |u - c|² of the vectors.
    squares: Vec<T>,
    /// True if no square is NaN, so large that a distance might overflow, or so small that products might underflow.
    bounded: bool,
}

impl<T: Vectorized> Default for Vectors<T> {
    fn default() -> Self {
        Self { centred: Aligned::default(), squares: Vec::new(), bounded: true }
    }
}

impl<T: Vectorized> Vectors<T> {
    /// Takes the vectors from `rows`. The numbers of a component are side by side for all lanes: lane l of component d
    /// of row r is number (r * width + offset + d) * lanes + l.
    fn fill(&mut self, rows: &[T], columns: Columns, lanes: usize, centre: &[T]) {
        let (len, count) = (centre.len(), rows.len().checked_div(columns.width * lanes).unwrap_or(0));
        self.centred.resize(count * len * lanes);
        self.squares.clear();
        self.squares.resize(count * lanes, T::zero());
        let to = self.centred.numbers_mut().chunks_exact_mut((len * lanes).max(1));
        let from = rows.chunks_exact(columns.width * lanes);
        for ((to, from), squares) in to.zip(from).zip(self.squares.chunks_exact_mut(lanes)) {
            let from = &from[columns.offset * lanes..][..len * lanes];
            if lanes == 1 {
                to.iter_mut().zip(from).zip(centre).for_each(|((to, &x), &centre)| *to = x - centre);
            } else {
                let rows = to.chunks_exact_mut(lanes).zip(from.chunks_exact(lanes)).zip(centre);
                rows.for_each(|((to, from), &centre)| to.iter_mut().zip(from).for_each(|(to, &x)| *to = x - centre));
            }
            square(to, squares);
        }
        // The two squares and twice the product are at most four times the larger square.
        let most = T::max_value() / T::of_f64(8.0);
        let least = smallest::<T>();
        let is_bounded = |square: T| (square <= most) & ((square >= least) | (square == T::zero()));
        self.bounded = self.squares.iter().fold(true, |bounded, &square| bounded & is_bounded(square));
    }
}

/// The sum of squares in each lane of rows of lanes. It is summed in `f64`, because distances are differences of such
/// sums.
fn square<T: Vectorized>(rows: &[T], to: &mut [T]) {
    // Several partial sums, so that the compiler uses vectors; the squares are not added in the order of the
    // components.
    const SUMS: usize = 8;
    let square = |x: T| Scalar::as_f64(x) * Scalar::as_f64(x);
    if let [to] = to {
        let mut sums = [0.0; SUMS];
        let (parts, rest) = rows.as_chunks::<SUMS>();
        parts.iter().for_each(|part| sums.iter_mut().zip(part).for_each(|(sum, &x)| *sum += square(x)));
        *to = T::of_f64(sums.iter().sum::<f64>() + rest.iter().map(|&x| square(x)).sum::<f64>());
    } else {
        let mut sums = vec![0.0; to.len()];
        for row in rows.chunks_exact(to.len()) {
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += square(x));
        }
        to.iter_mut().zip(&sums).for_each(|(to, &sum)| *to = T::of_f64(sum));
    }
}

/// Computes the contractions of a block of targets.
pub(super) struct Contractor<'a, T: Vectorized> {
    contractions: &'static [Contraction],
    centres: &'a [Vec<T>],
    arch: Arch,
    lanes: usize,
    /// How many rows of targets go in step.
    together: usize,
    /// How many numbers a prepared target and a prepared source have.
    widths: [usize; 2],
    targets: Vec<Vectors<T>>,
    /// The vectors of the tile, if they are not kept for all blocks.
    sources: Vec<Vectors<T>>,
    results: Aligned<T>,
    /// For each row of targets and each source, whether one of the squared distances was computed again in some lane.
    close: Vec<bool>,
}

/// The contractions of some rows of targets with a tile of sources.
#[derive(Clone, Copy, Debug)]
pub struct Contracted<'c, T: Vectorized> {
    /// All contractions: number k of source s and target t is row (t * S + s) * K + k of lanes, for S sources and K
    /// contractions.
    pub(super) results: &'c [T],
    /// Whether some squared distance of source s and target t is small beside the squares that it is made of: number
    /// t * S + s.
    pub(super) close: &'c [bool],
    /// The vectors of all targets, and the number of the first of these rows.
    targets: (&'c [Vectors<T>], usize),
    /// The vectors of a chunk of sources, and the number of the first source of the tile among them.
    sources: (&'c [Vectors<T>], usize),
}

impl<'c, T: Vectorized> Contracted<'c, T> {
    /// The centred vector of a squared distance for row `row` of the targets.
    #[inline(always)]
    pub(super) fn target<R: Packed<Scalar = T>>(&self, number: usize, len: usize, row: usize) -> &'c [R] {
        let (vectors, first) = self.targets;
        &R::view(vectors[number].centred.numbers())[(first + row) * len..][..len]
    }

    /// That of source `source` of the tile.
    #[inline(always)]
    pub(super) fn source(&self, number: usize, len: usize, source: usize) -> &'c [T] {
        let (vectors, first) = self.sources;
        &vectors[number].centred.numbers()[(first + source) * len..][..len]
    }
}

/// A tile of prepared sources.
#[derive(Clone, Copy)]
pub(super) struct Sources<'s, T: Vectorized> {
    /// Row after row.
    pub(super) rows: &'s [T],
    /// How many rows.
    pub(super) count: usize,
    /// The vectors of a chunk of sources, and where in it the tile begins, if they are kept.
    pub(super) vectors: Option<(&'s [Vectors<T>], usize)>,
}

impl<'a, T: Vectorized> Contractor<'a, T> {
    /// A contractor for `targets`, which are rows of lanes.
    pub(super) fn new(
        contractions: &'static [Contraction],
        centres: &'a [Vec<T>],
        arch: Arch,
        lanes: usize,
        widths: [usize; 2],
        targets: &[T],
    ) -> Self {
        let of_targets = centred(contractions, centres, |contraction| contraction.target, (targets, widths[0], lanes));
        Self {
            contractions,
            centres,
            arch,
            lanes,
            together: if lanes * size_of::<T>() == vector_bytes(arch) { 2 } else { 1 },
            widths,
            targets: of_targets,
            sources: Vec::new(),
            results: Aligned::default(),
            close: Vec::new(),
        }
    }

    /// Prepares the tile of sources for the next calls of [`Self::rows`].
    pub(super) fn meet(&mut self, sources: Sources<'_, T>) {
        if sources.vectors.is_none() {
            let rows = (sources.rows, self.widths[1], 1);
            self.sources = centred(self.contractions, self.centres, |contraction| contraction.source, rows);
        }
    }

    /// How many rows of targets [`Self::rows`] takes at most.
    pub(super) fn together(&self) -> usize {
        self.together
    }

    /// Computes all contractions of some rows of the targets, the first of which is number `row`, with the tile that
    /// [`Self::meet`] prepared.
    pub(super) fn rows<'c>(&'c mut self, row: usize, targets: &[T], sources: Sources<'c, T>) -> Contracted<'c, T> {
        let rows = targets.len() / (self.widths[0] * self.lanes);
        self.results.resize(rows * sources.count * self.contractions.len() * self.lanes);
        let (mut results, mut close) = (core::mem::take(&mut self.results), core::mem::take(&mut self.close));
        close.clear();
        close.resize(rows * sources.count, false);
        for number in 0..self.contractions.len() {
            let (results, close) = (results.numbers_mut(), &mut close[..]);
            let task = Task { contractor: self, number, row, targets, sources, results, close };
            match self.arch {
                #[cfg(target_arch = "x86_64")]
                Arch::V4(simd) => Simd::vectorize(simd, task),
                #[cfg(target_arch = "x86_64")]
                Arch::V3(simd) => Simd::vectorize(simd, task),
                #[cfg(target_arch = "aarch64")]
                Arch::Neon(simd) => Simd::vectorize(simd, task),
                #[cfg(target_arch = "wasm32")]
                Arch::Simd128(simd) => Simd::vectorize(simd, task),
                _ => task.run::<T, 1, 4>(()),
            }
        }
        (self.results, self.close) = (results, close);
        Contracted {
            results: self.results.numbers(),
            close: &self.close,
            targets: (&self.targets, row),
            sources: sources.vectors.unwrap_or((&self.sources, 0)),
        }
    }
}

/// One contraction of some rows of targets with a tile.
struct Task<'t, 'a, T: Vectorized> {
    contractor: &'t Contractor<'a, T>,
    number: usize,
    row: usize,
    targets: &'t [T],
    sources: Sources<'t, T>,
    results: &'t mut [T],
    close: &'t mut [bool],
}

impl<T: Vectorized> WithSimd for Task<'_, '_, T> {
    type Output = ();

    /// A row of lanes has as many vectors as in the formula's loop over pairs; S is as large as the registers allow.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let vectors = self.contractor.lanes / <Lanes<T, S, 1> as Packed>::LANES;
        let rows = self.targets.len() / (self.contractor.widths[0] * self.contractor.lanes);
        if const { S::REGISTER_COUNT >= 32 } {
            match (vectors, rows) {
                (4, _) => self.run::<Lanes<T, S, 4>, 1, 6>(simd),
                (2, _) => self.run::<Lanes<T, S, 2>, 1, 8>(simd),
                (_, 1) => self.run::<Lanes<T, S, 1>, 1, 8>(simd),
                _ => self.run::<Lanes<T, S, 1>, 2, 12>(simd),
            }
        } else {
            match (vectors, rows) {
                (4, _) => self.run::<Lanes<T, S, 4>, 1, 2>(simd),
                (2, _) => self.run::<Lanes<T, S, 2>, 1, 5>(simd),
                (_, 1) => self.run::<Lanes<T, S, 1>, 1, 8>(simd),
                _ => self.run::<Lanes<T, S, 1>, 2, 6>(simd),
            }
        }
    }
}

impl<T: Vectorized> Task<'_, '_, T> {
    /// Computes the contraction for `N` rows of targets and groups of `S` sources.
    #[inline(always)]
    fn run<R: Packed<Scalar = T>, const N: usize, const S: usize>(self, cx: R::Cx) {
        let Contractor { contractions, widths, .. } = self.contractor;
        let contraction = &contractions[self.number];
        let &Contraction { kind, target, source, len } = contraction;
        let count = self.sources.count;
        let raw: [&[R]; N] = rows_of(R::view(self.targets), widths[0]);
        let results = Results { all: R::view_mut(self.results), step: contractions.len(), first: self.number };
        match kind {
            ContractionKind::Dot => {
                let rows = Rows { numbers: self.sources.rows, count, width: widths[1], offset: source, len };
                products::<R, N, S>(cx, raw.map(|raw| &raw[target..target + len]), &rows, results, None);
            }
            ContractionKind::SquaredDistance => {
                let (vectors, from) = self.sources.vectors.unwrap_or((&self.contractor.sources, 0));
                let (targets, sources) = (&self.contractor.targets[self.number], &vectors[self.number]);
                let to = from + count;
                let centred: [&[R]; N] = rows_of(&R::view(targets.centred.numbers())[self.row * len..], len);
                let numbers = &sources.centred.numbers()[from * len..to * len];
                let rows = Rows { numbers, count, width: len, offset: 0, len };
                let mut squares = [R::lit(cx, 0.0); N];
                let mut n = 0;
                while n < N {
                    squares[n] = R::view(&targets.squares[(self.row + n) * R::LANES..])[0];
                    n += 1;
                }
                let distances = Distances {
                    contraction,
                    squares: (squares, &sources.squares[from..to]),
                    bounded: targets.bounded && sources.bounded,
                    raw: (raw, self.sources.rows, widths[1]),
                    close: self.close,
                };
                products::<R, N, S>(cx, centred, &rows, results, Some(distances));
            }
        }
    }
}

/// The first `N` rows of `width` numbers.
#[inline(always)]
fn rows_of<R, const N: usize>(numbers: &[R], width: usize) -> [&[R]; N] {
    let mut rows: [&[R]; N] = [&[]; N];
    let mut n = 0;
    while n < N {
        rows[n] = &numbers[n * width..][..width];
        n += 1;
    }
    rows
}
