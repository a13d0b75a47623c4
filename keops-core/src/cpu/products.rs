//! Products of a row or two of targets with a tile of sources, and the squared distances that are made of them.
//!
//! See [`super::contract`], which says why a squared distance may be made of a product, and where it may not.

use core::ops::Range;

use num_traits::Float;

use crate::{
    formula::{Contraction, Row},
    number::{Packed, Scalar},
};

/// A squared distance below this fraction of the sum of the two squares that it is made of is computed again.
pub(super) const CLOSE: f64 = 0.125;

/// The smallest square of a vector for which no product of components loses digits that matter by being below the
/// smallest normal number.
pub(super) fn smallest<T: Float + Scalar>() -> T {
    T::min_positive_value() / (T::epsilon() * T::of_f64(CLOSE))
}

/// How many components make a chunk, such that the chunk of a row of targets stays in the first-level cache.
const CHUNK: usize = 128;

/// The results of one contraction, which are interleaved with those of the others: number k is `all[k * step + first]`.
pub(super) struct Results<'r, R> {
    pub(super) all: &'r mut [R],
    pub(super) step: usize,
    pub(super) first: usize,
}

/// Vectors of `len` numbers, which begin at number `offset` of each of `count` rows of `width` numbers.
pub(super) struct Rows<'r, T> {
    pub(super) numbers: &'r [T],
    pub(super) count: usize,
    pub(super) width: usize,
    pub(super) offset: usize,
    pub(super) len: usize,
}

/// A source, the same in every lane.
struct Numbers<'r, T>(&'r [T]);

impl<R: Packed> Row<R> for Numbers<'_, R::Scalar> {
    #[inline(always)]
    fn get(&self, cx: R::Cx, c: usize) -> R {
        R::splat(cx, self.0[c])
    }
}

/// How products of centred vectors become squared distances.
pub(super) struct Distances<'d, R: Packed, const N: usize> {
    pub(super) contraction: &'d Contraction,
    /// The squares |u - c|² of the targets, and |w - c|² of all sources of the tile.
    pub(super) squares: ([R; N], &'d [R::Scalar]),
    /// Whether no square is so large or so small that something might overflow or underflow.
    pub(super) bounded: bool,
    /// The vectors that are not centred: rows of the targets, rows of the sources, and how many numbers a row of the
    /// sources has.
    pub(super) raw: ([&'d [R]; N], &'d [R::Scalar], usize),
    pub(super) close: &'d mut [bool],
}

impl<R: Packed, const N: usize> Distances<'_, R, N> {
    /// The squared distance of row `n` of the targets and a source, from their product; and a number that is below 0 if
    /// the two are close. Where squares are not bounded, either may be NaN.
    #[inline(always)]
    fn of_product(&self, cx: R::Cx, n: usize, source: usize, product: R) -> (R, R) {
        let squares = R::add(cx, self.squares.0[n], R::splat(cx, self.squares.1[source]));
        let distance = R::neg_mul_add(cx, R::lit(cx, 2.0), product, squares);
        (distance, R::neg_mul_add(cx, R::lit(cx, CLOSE), squares, distance))
    }

    /// Computes those squared distances to some sources again that are close or out of range, from vectors that are not
    /// centred.
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
                // This is also false for NaN; the squares may have overflowed.
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

/// How many of the last sources, which do not fill a group, go in step before the rest go one by one.
const FEW: usize = 4;

/// Computes Σ_d u_d w_d for each of `N` vectors u and each row w, or the squared distances that are made of these
/// products.
#[inline(always)]
pub(super) fn products<R: Packed, const N: usize, const S: usize>(
    cx: R::Cx,
    u: [&[R]; N],
    rows: &Rows<'_, R::Scalar>,
    mut results: Results<'_, R>,
    mut distances: Option<Distances<'_, R, N>>,
) {
    let count = rows.count;
    let mut start = 0;
    // The loop runs once even without components, since the results hold unspecified numbers before.
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

/// Adds the terms of a chunk of components, the first of which is number `start`, to the products with `S` of `count`
/// rows, the first of which is row `s`. With `distances`, which are given for the last chunk, it makes squared
/// distances of the products, and returns whether some may be close.
#[inline(always)]
fn group<R: Packed, const N: usize, const S: usize>(
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
