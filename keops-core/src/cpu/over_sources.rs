//! Lanes over sources: few targets against many sources.
//!
//! The sources are cut into chunks, one unit of work each. A unit copies its sources into rows of lanes, a tile at a
//! time, and every target takes all pairs with the tile; in the end the lanes of each target's state are joined, and
//! so are, in their order, the states of the chunks. Sources that do not fill a row have a state of their own, whose
//! surplus lanes repeat the last source and are not joined.

use core::{marker::PhantomData, ops::Range};
use std::sync::OnceLock;

use pulp::{Simd, WithSimd};

use crate::{
    components::Components,
    cpu::{
        instructions::{self, Common},
        output::{self, Piece, Totals},
        plan,
        prepare::{Work, rows_to_lanes, splat_into},
        sweep::{OverSources, sweep},
        threads,
    },
    formula::Formula,
    real::{Element, Real},
    reduction::Reduction,
};

/// Runs all chunks.
#[inline(never)]
pub(super) fn run<T: Element, F: Formula, Red: Reduction>(
    common: Common,
    work: &Work<'_, T, F>,
    pieces: &mut [Piece<'_, T>],
    indices: &mut [u32],
) {
    let shape = work.shape;
    let targets = work.targets(0..shape.targets);
    let step = plan::chunk_sources(shape);
    let states: Vec<_> = (0..shape.sources.div_ceil(step)).map(|_| OnceLock::new()).collect();
    threads::for_each(0..states.len(), plan::in_parallel(shape), &|number| {
        let first = number * step;
        let sources = first..shape.sources.min(first + step);
        states[number].get_or_init(|| {
            instructions::run(common, Unit::<T, F, Red> { work, targets: &targets, sources, reduction: PhantomData })
        });
    });

    let mut joined = vec![Red::init::<F, T>(()); shape.targets];
    for states in states.iter().filter_map(OnceLock::get) {
        for (to, from) in joined.iter_mut().zip(states) {
            Red::merge::<F, T>(to, from);
        }
    }
    let mut totals = Totals::new(pieces);
    for mut block in output::blocks(pieces, indices, shape.targets, shape.targets) {
        block.finish::<F, Red>(0, &joined);
        totals.add(&block.take_totals());
    }
    totals.write(pieces);
}

/// A unit of work: all targets against a chunk of sources.
struct Unit<'a, T: Element, F: Formula, Red> {
    work: &'a Work<'a, T, F>,
    targets: &'a [F::I<T>],
    sources: Range<usize>,
    reduction: PhantomData<Red>,
}

impl<T: Element, F: Formula, Red: Reduction> WithSimd for Unit<'_, T, F, Red> {
    type Output = Vec<Red::State<F, T>>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        // Branches on constants: only one of the three is ever compiled.
        if const { plan::tile_vectors::<S, F, Red>() == 4 } {
            self.run::<T::Lanes<S, 4>>(simd)
        } else if const { plan::tile_vectors::<S, F, Red>() == 2 } {
            self.run::<T::Lanes<S, 2>>(simd)
        } else {
            self.run::<T::Lanes<S, 1>>(simd)
        }
    }
}

impl<T: Element, F: Formula, Red: Reduction> Unit<'_, T, F, Red> {
    #[inline(always)]
    fn run<R: Real<Scalar = T>>(self, cx: R::Cx) -> Vec<Red::State<F, T>> {
        let count = self.targets.len();
        let mut joined = vec![Red::init::<F, T>(()); count];
        let mut lanes = vec![T::zero(); R::LANES];
        let mut unpacked = vec![Red::init::<F, T>(()); R::LANES];
        let mut scratch = Vec::new();
        let mut tile: Vec<F::J<R>> = Vec::new();
        let mut states: Vec<Red::State<F, R>> = Vec::with_capacity(count);
        let parameters = self.work.parameters::<R>(cx);
        let mut target = F::I::<R>::splat(R::lit(cx, 0.0));

        // Whole rows first; then, with fresh states, the sources that are left over.
        let end = self.sources.end;
        let whole = end - self.sources.len() % R::LANES;
        let mut first = self.sources.start;
        while first < end {
            let (stop, valid) = if first < whole { (whole, R::LANES) } else { (end, end - whole) };
            states.clear();
            for _ in 0..count {
                states.push(Red::init::<F, R>(cx));
            }
            while first < stop {
                let most = plan::lane_tile::<T, F>(R::LANES) * R::LANES;
                let sources = self.work.sources(first..stop, most, &mut scratch);
                tile.clear();
                for rows in sources.chunks(R::LANES) {
                    let mut row = F::J::<R>::splat(R::lit(cx, 0.0));
                    rows_to_lanes(cx, rows, &mut lanes, row.as_mut_slice());
                    tile.push(row);
                }
                for (from, state) in self.targets.iter().zip(&mut states) {
                    splat_into(cx, from.as_slice(), target.as_mut_slice());
                    // Row numbers fit: `shape` saw to it.
                    sweep::<F, R, Red, OverSources>(cx, &parameters, &target, state, &tile, first as u32);
                }
                first += sources.len();
            }
            for (joined, state) in joined.iter_mut().zip(&states) {
                Red::unpack::<F, R>(cx, state, &mut unpacked);
                for lane in &unpacked[..valid] {
                    Red::merge::<F, T>(joined, lane);
                }
            }
        }
        joined
    }
}
