//! Products of a row or two of targets with a tile of sources, and the squared distances that are made of them.
//!
//! See [`super::contract`], which says why a squared distance may be made of a product, and where it may not.

use core::ops::Range;

use num_traits::Float;

use crate::{
    formula::{Contraction, Row},
    number::{Real, Scalar},
};

/// A squared distance below this part of the two squares that it is made of is computed again.
pub(super) const CLOSE: f64 = 0.125;

/// Of squares below this, products of components may have lost digits that count: they may be below the smallest normal number.
pub(super) fn smallest<T: Float + Scalar>() -> T {
    T::min_positive_value() / (T::epsilon() * T::of_f64(CLOSE))
}

/// Components that are taken at a time: those of a row of targets stay in the first-level cache meanwhile.
const CHUNK: usize = 128;

/// The results of one contraction, among those of all.
pub(super) struct Results<'r, R> {
    pub(super) all: &'r mut [R],
    pub(super) step: usize,
    pub(super) first: usize,
}

/// Vectors of `len` numbers inside `count` rows.
pub(super) struct Rows<'r, T> {
    pub(super) numbers: &'r [T],
    pub(super) count: usize,
    pub(super) width: usize,
    pub(super) offset: usize,
    pub(super) len: usize,
}

/// A source, the same in every lane.
struct Numbers<'r, T>(&'r [T]);

impl<R: Real> Row<R> for Numbers<'_, R::Scalar> {
    #[inline(always)]
    fn get(&self, cx: R::Cx, c: usize) -> R {
        R::splat(cx, self.0[c])
    }
}

/// How products of centred vectors become squared distances.
pub(super) struct Distances<'d, R: Real, const N: usize> {
    pub(super) contraction: &'d Contraction,
    /// The squares of the targets, and those of all sources of the tile.
    pub(super) squares: ([R; N], &'d [R::Scalar]),
    /// Whether nothing overflows or underflows.
    pub(super) bounded: bool,
    /// The vectors themselves: rows of the targets, rows of the sources, and how many numbers the latter have.
    pub(super) raw: ([&'d [R]; N], &'d [R::Scalar], usize),
    pub(super) close: &'d mut [bool],
}

impl<R: Real, const N: usize> Distances<'_, R, N> {
    /// The squared distance of row `n` of the targets and a source from their product, and something below 0 if it is close.
    /// Where squares are not bounded it may be NaN.
    #[inline(always)]
    fn of_product(&self, cx: R::Cx, n: usize, source: usize, product: R) -> (R, R) {
        let squares = R::add(cx, self.squares.0[n], R::splat(cx, self.squares.1[source]));
        let distance = R::neg_mul_add(cx, R::lit(cx, 2.0), product, squares);
        (distance, R::neg_mul_add(cx, R::lit(cx, CLOSE), squares, distance))
    }

    /// Computes again which of the squared distances to some sources are close.
    #[inline(always)]
    fn settle(&mut self, cx: R::Cx, sources: Range<usize>, results: &mut Results<'_, R>) {
        let (raw, rows, width) = self.raw;
        let count = self.squares.1.len();
        let mut n = 0;
        while n < N {
            let mut s = sources.start;
            while s < sources.end {
                let distance = &mut results.all[(n * count + s) * results.step + results.first];
                let squares = R::add(cx, self.squares.0[n], R::splat(cx, self.squares.1[s]));
                // also false for NaN, and the squares may have overflowed
                let far = R::le(cx, R::mul(cx, squares, R::lit(cx, CLOSE)), *distance);
                let finite = R::lt(cx, squares, R::splat(cx, Float::max_value()));
                let normal = R::le(cx, R::splat(cx, smallest()), squares);
                if R::any(cx, R::not(cx, R::and(cx, far, R::and(cx, finite, normal)))) {
                    *distance = self.contraction.of_pair(cx, raw[n], &Numbers(&rows[s * width..][..width]));
                    self.close[n * count + s] = true;
                }
                s += 1;
            }
            n += 1;
        }
    }
}

/// Sources of which fewer than the registers are enough for are left: so many at a time, before single ones.
const FEW: usize = 4;

/// Σ_d u_d w_d for each of `N` vectors u and each row w, or the squared distances that are made of these.
#[inline(always)]
pub(super) fn products<R: Real, const N: usize, const S: usize>(
    cx: R::Cx,
    u: [&[R]; N],
    rows: &Rows<'_, R::Scalar>,
    mut results: Results<'_, R>,
    mut distances: Option<Distances<'_, R, N>>,
) {
    let count = rows.count;
    let mut start = 0;
    // also for no components: the results are whatever was there
    loop {
        let end = if start + CHUNK < rows.len { start + CHUNK } else { rows.len };
        let mut part = u;
        let mut n = 0;
        while n < N {
            part[n] = &u[n][start..end];
            n += 1;
        }
        let mut s = 0;
        while s < count {
            let place = (start, s, count);
            let of = if end == rows.len { distances.as_ref() } else { None };
            let (taken, close) = if s + S <= count {
                (S, group::<R, N, S>(cx, part, rows, place, &mut results, of))
            } else if s + FEW <= count {
                (FEW, group::<R, N, FEW>(cx, part, rows, place, &mut results, of))
            } else {
                (1, group::<R, N, 1>(cx, part, rows, place, &mut results, of))
            };
            if close && let Some(distances) = &mut distances {
                distances.settle(cx, s..s + taken, &mut results);
            }
            s += taken;
        }
        if end == rows.len {
            break;
        }
        start = end;
    }
}

/// Adds what components from `start` on contribute to the products with `S` of `count` rows, from row `s` on. With
/// `distances`, which come with the last components, it makes them squared distances, and says whether some may be close.
#[inline(always)]
fn group<R: Real, const N: usize, const S: usize>(
    cx: R::Cx,
    u: [&[R]; N],
    rows: &Rows<'_, R::Scalar>,
    (start, s, count): (usize, usize, usize),
    results: &mut Results<'_, R>,
    distances: Option<&Distances<'_, R, N>>,
) -> bool {
    let len = u[0].len();
    let mut w: [&[R::Scalar]; S] = [&[]; S];
    let mut sums = [[R::lit(cx, 0.0); S]; N];
    let mut k = 0;
    while k < S {
        w[k] = &rows.numbers[(s + k) * rows.width + rows.offset + start..][..len];
        k += 1;
    }
    let mut n = 0;
    while n < N {
        let mut k = 0;
        while k < S && start > 0 {
            sums[n][k] = results.all[(n * count + s + k) * results.step + results.first];
            k += 1;
        }
        n += 1;
    }
    let mut d = 0;
    while d < len {
        let mut x = [R::lit(cx, 0.0); N];
        let mut n = 0;
        while n < N {
            x[n] = u[n][d];
            n += 1;
        }
        let mut k = 0;
        while k < S {
            let y = R::splat(cx, w[k][d]);
            let mut n = 0;
            while n < N {
                sums[n][k] = R::mul_add(cx, x[n], y, sums[n][k]);
                n += 1;
            }
            k += 1;
        }
        d += 1;
    }
    let mut close = false;
    if let Some(distances) = distances {
        let mut least = R::lit(cx, 0.0);
        let mut n = 0;
        while n < N {
            let mut k = 0;
            while k < S {
                let (distance, apart) = distances.of_product(cx, n, s + k, sums[n][k]);
                sums[n][k] = distance;
                least = R::min(cx, least, apart);
                k += 1;
            }
            n += 1;
        }
        close = !distances.bounded || R::any(cx, R::lt(cx, least, R::lit(cx, 0.0)));
    }
    let mut n = 0;
    while n < N {
        let mut k = 0;
        while k < S {
            results.all[(n * count + s + k) * results.step + results.first] = sums[n][k];
            k += 1;
        }
        n += 1;
    }
    close
}
