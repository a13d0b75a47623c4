//! States as the output of a pass, and results from states.
//!
//! The engine runs as for a result, with a kernel whose result row is the state of a target: [`AsStates`]. What a target begins with
//! is looked up by the units of work ([`Work::begun`](super::prepare::Work::begun)): blocks of targets begin with it, so that
//! selections leave out what cannot change it, and units that take a part of the sources are merged with it in the end.

use std::sync::{Mutex, PoisonError};

use pulp::Arch;

use crate::{
    bounds::Stages,
    cpu::{
        Cpu,
        kernel::{Kernel, Layout},
        output::{self, Totals},
        prepare::Work,
        sweep::Tile,
        threads,
    },
    data::Error,
    formula::Role,
    lanes::{Common, Vectorized},
    problem::{Begin, HostPiece, Outputs, Problem, Signature},
};

/// The kernel of a formula, with states as its result rows.
pub(super) struct AsStates<'k, T: Vectorized>(pub(super) &'k dyn Kernel<T>);

impl Layout {
    /// The sizes of the same kernel with states as its result rows.
    pub(super) fn of_states(self) -> Self {
        Self { signature: Signature { values: self.state, indices: 0, ..self.signature }, ..self }
    }
}

impl<T: Vectorized> Kernel<T> for AsStates<'_, T> {
    fn prepare(&self, role: Role, parameters: &[T], rows: &[T], count: usize, to: &mut [T]) {
        self.0.prepare(role, parameters, rows, count, to);
    }

    fn lanes(&self, arch: Arch) -> usize {
        self.0.lanes(arch)
    }

    fn init(&self, state: &mut [T]) {
        self.0.init(state);
    }

    fn over_targets(&self, arch: Arch, tile: Tile<'_, T>) {
        self.0.over_targets(arch, tile);
    }

    fn over_sources(&self, common: Common, tile: Tile<'_, T>) {
        self.0.over_sources(common, tile);
    }

    fn merge(&self, state: &mut [T], other: &[T]) {
        self.0.merge(state, other);
    }

    fn stages(&self) -> Option<&'static Stages<T>> {
        self.0.stages()
    }

    fn finish(&self, states: &[T], lanes: usize, count: usize, values: &mut [T], _indices: &mut [u32]) {
        let width = values.len() / count.max(1);
        let of_rows = values.chunks_mut((lanes * width).max(1)).zip(states.chunks(lanes * width.max(1)));
        for (rows, states) in of_rows {
            for (c, numbers) in states.chunks_exact(lanes).enumerate() {
                rows[c..].iter_mut().step_by(width).zip(numbers).for_each(|(to, &number)| *to = number);
            }
        }
    }
}

/// Writes the states of sums that a tolerance was used for: the value, which has no digits beyond it, and what the targets began with.
pub(super) fn of_sums<T: Vectorized>(
    work: &Work<'_, T>,
    values: &[T],
    begin: Begin<'_, T>,
    pieces: &mut [HostPiece<'_, T>],
) {
    let Work { kernel, layout, .. } = work;
    let [HostPiece { data: states, .. }] = pieces else { return };
    let rows = states.chunks_exact_mut(layout.state).zip(values.chunks_exact(layout.components.max(1)));
    for (target, (state, values)) in rows.enumerate() {
        state.fill(T::zero());
        state[..values.len()].copy_from_slice(values);
        if let Some(states) = begin.states {
            let mut sum = states[target * layout.state..][..layout.state].to_vec();
            kernel.merge(&mut sum, state);
            state.copy_from_slice(&sum);
        }
    }
}

impl<T: Vectorized> Cpu<'_, T> {
    /// Writes the results that belong to states, which are row after row, without looking at any pair.
    ///
    /// # Errors
    /// [`Error::OutputTooLarge`].
    pub fn finish(
        &self,
        problem: &Problem<'_, T>,
        states: &[T],
        outputs: &mut Outputs<'_, '_, T>,
    ) -> Result<(), Error> {
        /// How many rows a thread takes at a time.
        const ROWS: usize = 1024;
        let (layout, shape) = (&self.layout, problem.shape());
        let pieces = outputs.pieces.iter_mut().map(|piece| piece.host(shape)).collect::<Result<Vec<_>, _>>()?;
        let indices = outputs.indices.host(shape.rows(), layout.signature.indices)?;
        let pieces = &mut { pieces }[..];
        let mut totals = Totals::new(pieces);
        let size = (shape.targets * layout.state).max(1);
        let of_batch = |pieces: &mut [HostPiece<'_, T>], indices: &mut [u32], states: &[T]| {
            let mut totals = Totals::new(pieces);
            let rows: Vec<_> = states.chunks(ROWS * layout.state).collect();
            let counts = rows.iter().map(|rows| rows.len() / layout.state);
            let blocks = output::blocks(pieces, indices, shape.targets, counts);
            // Each lock is taken by the one thread that has the block, and again when it is done.
            let blocks: Vec<_> = blocks.into_iter().map(Mutex::new).collect();
            let lock = |number: usize| blocks[number].lock().unwrap_or_else(PoisonError::into_inner);
            threads::for_each(0..blocks.len(), true, &|number| {
                lock(number).finish(self.kernel, layout, rows[number], 1, rows[number].len() / layout.state);
            });
            (0..blocks.len()).for_each(|number| totals.add(&lock(number).take_totals()));
            totals
        };
        if shape.rows() > 0 && shape.batches == 1 {
            totals = of_batch(pieces, indices, states);
        } else if shape.rows() > 0 {
            let batches = output::batches(pieces, indices, shape.batches);
            for ((mut pieces, indices), states) in batches.into_iter().zip(states.chunks_exact(size)) {
                totals.join(&of_batch(&mut pieces, indices, states));
            }
        }
        totals.write(pieces);
        Ok(())
    }
}
