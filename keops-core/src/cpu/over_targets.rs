//! Lanes over targets: a block of targets against ranges of sources.
//!
//! A block prepares its targets once, as tiles of lanes, each with its state. Then, for each tile of sources, small
//! enough for the first-level cache, every tile of targets takes all of its pairs.

use core::{marker::PhantomData, ops::Range, slice};
use std::sync::{Mutex, PoisonError};

use pulp::{Arch, Simd, WithSimd};

use crate::{
    components::Components,
    cpu::{
        output::{self, Block, Piece, Totals},
        plan,
        prepare::{Work, rows_to_lanes},
        sweep::{OverTargets, sweep},
        threads,
    },
    formula::Formula,
    real::{Element, Real},
    reduction::Reduction,
};

/// Runs all blocks.
#[inline(never)]
pub(super) fn run<T: Element, F: Formula, Red: Reduction>(
    arch: Arch,
    work: &Work<'_, T, F>,
    pieces: &mut [Piece<'_, T>],
    indices: &mut [u32],
) {
    let shape = work.shape;
    let step = plan::block_targets::<T, F, Red>(shape);
    let sources = 0..shape.sources;
    let mut totals = Totals::new(pieces);
    let blocks = output::blocks(pieces, indices, shape.targets, step);
    // Each lock is taken by the one thread that has the block, and again when it is done.
    let blocks: Vec<_> = blocks.into_iter().map(Mutex::new).collect();
    let lock = |number: usize| blocks[number].lock().unwrap_or_else(PoisonError::into_inner);
    let wave = plan::wave(totals.len());
    for start in (0..blocks.len()).step_by(wave) {
        let end = blocks.len().min(start + wave);
        threads::for_each(start..end, plan::in_parallel(shape), &|number| {
            let first = number * step;
            let targets = first..shape.targets.min(first + step);
            let out = &mut lock(number);
            arch.dispatch(Unit::<T, F, Red> {
                work,
                targets,
                sources: slice::from_ref(&sources),
                out,
                reduction: PhantomData,
            });
        });
        (start..end).for_each(|number| totals.add(&lock(number).take_totals()));
    }
    drop(blocks);
    totals.write(pieces);
}

/// A unit of work: a block of targets against ranges of sources.
struct Unit<'a, 'd, T: Element, F: Formula, Red> {
    work: &'a Work<'a, T, F>,
    targets: Range<usize>,
    sources: &'a [Range<usize>],
    out: &'a mut Block<'d, T>,
    reduction: PhantomData<Red>,
}

/// As many targets as there are lanes.
struct Tile<F: Formula, R: Real, Red: Reduction> {
    target: F::I<R>,
    state: Red::State<F, R>,
}

impl<T: Element, F: Formula, Red: Reduction> WithSimd for Unit<'_, '_, T, F, Red> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Branches on constants: only one of the three is ever compiled.
        if const { plan::tile_vectors::<S, F, Red>() == 4 } {
            self.run::<T::Lanes<S, 4>>(simd);
        } else if const { plan::tile_vectors::<S, F, Red>() == 2 } {
            self.run::<T::Lanes<S, 2>>(simd);
        } else {
            self.run::<T::Lanes<S, 1>>(simd);
        }
    }
}

impl<T: Element, F: Formula, Red: Reduction> Unit<'_, '_, T, F, Red> {
    #[inline(always)]
    fn run<R: Real<Scalar = T>>(self, cx: R::Cx) {
        let targets = self.work.targets(self.targets);
        let mut lanes = vec![T::zero(); R::LANES];
        let mut tiles: Vec<Tile<F, R, Red>> = Vec::with_capacity(targets.len().div_ceil(R::LANES));
        for rows in targets.chunks(R::LANES) {
            let mut target = F::I::<R>::splat(R::lit(cx, 0.0));
            rows_to_lanes(cx, rows, &mut lanes, target.as_mut_slice());
            tiles.push(Tile { target, state: Red::init::<F, R>(cx) });
        }

        let parameters = self.work.parameters::<R>(cx);
        let mut scratch = Vec::new();
        for range in self.sources {
            let mut first = range.start;
            while first < range.end {
                let sources = self.work.sources(first..range.end, plan::source_tile::<T, F>(), &mut scratch);
                for tile in &mut tiles {
                    // Row numbers fit: `shape` saw to it.
                    let Tile { target, state } = tile;
                    sweep::<F, R, Red, OverTargets>(cx, &parameters, target, state, sources, first as u32);
                }
                first += sources.len();
            }
        }

        let mut states = vec![Red::init::<F, T>(()); R::LANES];
        let mut first = 0;
        for tile in &tiles {
            Red::unpack::<F, R>(cx, &tile.state, &mut states);
            let valid = R::LANES.min(targets.len() - first);
            self.out.finish::<F, Red>(first, &states[..valid]);
            first += valid;
        }
    }
}
