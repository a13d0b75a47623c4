//! Writes results: rows, and totals over all rows.

use std::sync::{Mutex, PoisonError};

use crate::{
    cpu::{
        kernel::{Kernel, Layout},
        threads,
    },
    lanes::{Vectorized, memory::Aligned},
    number::Scalar,
    problem::{HostPiece, Place},
    reduction::Total,
};

/// The outputs of a block of targets.
pub(super) struct BlockOutput<'a, T> {
    pieces: Vec<BlockPiece<'a, T>>,
    indices: &'a mut [u32],
    /// The totals over the targets of this block, of all pieces that are totals.
    totals: Vec<Total>,
}

/// A piece of the result, for one block.
struct BlockPiece<'a, T> {
    width: usize,
    /// The rows of the block; `None` if the piece is a total.
    rows: Option<&'a mut [T]>,
}

/// Cuts the outputs into the outputs of each batch.
pub(super) fn batches<'a, T>(
    pieces: &'a mut [HostPiece<'_, T>],
    indices: &'a mut [u32],
    batches: usize,
) -> Vec<(Vec<HostPiece<'a, T>>, &'a mut [u32])> {
    let index_count = indices.len() / batches;
    let mut indices = indices;
    let mut rest: Vec<_> = pieces.iter_mut().map(|piece| (piece.width, piece.place, &mut *piece.data)).collect();
    let lengths: Vec<_> = rest.iter().map(|(_, _, data)| data.len() / batches).collect();
    let mut of_batches = Vec::with_capacity(batches);
    for _ in 0..batches {
        let pieces = rest.iter_mut().zip(&lengths).map(|((width, place, data), &len)| {
            // The output of a total belongs to no batch.
            let len = if *place == Place::Rows { len } else { 0 };
            HostPiece { width: *width, place: *place, data: data.split_off_mut(..len).unwrap_or_default() }
        });
        of_batches.push((pieces.collect(), indices.split_off_mut(..index_count).unwrap_or_default()));
    }
    of_batches
}

/// Cuts the outputs for `targets` rows, at least one, into the outputs of blocks; `counts` are their numbers of rows.
pub(super) fn blocks<'a, T: Vectorized>(
    pieces: &'a mut [HostPiece<'_, T>],
    indices: &'a mut [u32],
    targets: usize,
    counts: impl ExactSizeIterator<Item = usize>,
) -> Vec<BlockOutput<'a, T>> {
    let index_width = indices.len() / targets;
    let mut rest: Vec<_> = pieces.iter_mut().map(|piece| (piece.width, piece.place, &mut *piece.data)).collect();
    let mut indices = indices;
    let mut blocks = Vec::with_capacity(counts.len());
    for count in counts {
        let mut pieces = Vec::with_capacity(rest.len());
        for (width, place, data) in &mut rest {
            let width = *width;
            let rows = (*place == Place::Rows).then(|| data.split_off_mut(..count * width).unwrap_or_default());
            pieces.push(BlockPiece { width, rows });
        }
        blocks.push(BlockOutput {
            pieces,
            indices: indices.split_off_mut(..count * index_width).unwrap_or_default(),
            totals: Vec::new(),
        });
    }
    blocks
}

impl<T: Vectorized> BlockOutput<'_, T> {
    /// Writes the results of all `count` targets of the block, whose states are rows of lanes.
    pub(super) fn finish(&mut self, kernel: &dyn Kernel<T>, layout: &Layout, states: &[T], lanes: usize, count: usize) {
        if let [BlockPiece { rows: Some(rows), .. }] = &mut self.pieces[..] {
            // There is one piece, so the rows need not be taken apart.
            kernel.finish(states, lanes, count, rows, self.indices);
            return;
        }
        let mut values = vec![T::zero(); count * layout.signature.values];
        kernel.finish(states, lanes, count, &mut values, self.indices);
        for row in 0..count {
            self.write(row, &values[row * layout.signature.values..][..layout.signature.values]);
        }
    }

    /// Adds to the row numbers of all targets, which are numbers of sources within a radius.
    pub(super) fn count_more(&mut self, more: u32) {
        if more > 0 {
            self.indices.iter_mut().for_each(|count| *count += more);
        }
    }

    /// [`Self::finish`] for states in another order than the targets: `order` has the number of the target of each
    /// state. `name` replaces the places that the states hold instead of row numbers by row numbers, for all states in
    /// their order.
    pub(super) fn finish_in_order(
        &mut self,
        kernel: &dyn Kernel<T>,
        layout: &Layout,
        (states, lanes): (&[T], usize),
        order: &[u32],
        name: &dyn Fn(&mut [u32]),
    ) {
        let (mut values, mut indices) = (Aligned::default(), vec![0; order.len() * layout.signature.indices]);
        values.resize(order.len() * layout.signature.values);
        kernel.finish(states, lanes, order.len(), values.numbers_mut(), &mut indices);
        name(&mut indices);
        permute(&indices, layout.signature.indices, order, self.indices);
        if let [BlockPiece { rows: Some(rows), width }] = &mut self.pieces[..] {
            return permute(values.numbers(), *width, order, rows);
        }
        for (row, &target) in order.iter().enumerate() {
            self.write(target as usize, &values.numbers()[row * layout.signature.values..][..layout.signature.values]);
        }
    }

    /// Writes the values of one row, and adds them to the totals.
    fn write(&mut self, row: usize, values: &[T]) {
        let mut rest = values;
        let mut total = 0;
        for BlockPiece { width, rows } in &mut self.pieces {
            let (front, back) = rest.split_at(*width);
            if let Some(rows) = rows {
                rows[row * *width..][..*width].copy_from_slice(front);
            } else {
                self.totals.resize(self.totals.len().max(total + *width), Total::default());
                self.totals[total..].iter_mut().zip(front).for_each(|(sum, &value)| sum.add(Scalar::as_f64(value)));
                total += *width;
            }
            rest = back;
        }
    }

    /// Takes the totals over the targets of this block out of it.
    pub(super) fn take_totals(&mut self) -> Vec<Total> {
        core::mem::take(&mut self.totals)
    }
}

/// The place of a row that [`gather`] leaves as it is.
pub(super) const NOWHERE: u32 = u32::MAX;

/// Copies a part of rows of `width` numbers, the `count` numbers from number `at` on: to row k from row `places[k]`.
pub(super) fn gather<T: Copy + Send + Sync>(
    from: &[T],
    width: usize,
    places: &[u32],
    to: &mut [T],
    count: usize,
    at: usize,
) {
    /// How many rows are copied at a time.
    const ROWS: usize = 4096;
    if count == 0 {
        return;
    }
    // Each lock is taken by the one thread that has the rows.
    let parts: Vec<_> = to.chunks_mut(ROWS * count).zip(places.chunks(ROWS)).map(Mutex::new).collect();
    threads::for_each(0..parts.len(), true, &|part| {
        let (to, places) = &mut *parts[part].lock().unwrap_or_else(PoisonError::into_inner);
        for (to, &place) in to.chunks_exact_mut(count).zip(*places).filter(|&(_, &place)| place != NOWHERE) {
            to.copy_from_slice(&from[place as usize * width + at..][..count]);
        }
    });
}

/// Copies a part of rows of `width` numbers, the `count` numbers from number `at` on: row k goes to row `order[k]`.
pub(super) fn scatter<T: Copy>(from: &[T], width: usize, order: &[u32], to: &mut [T], count: usize, at: usize) {
    if count > 0 {
        for (from, &row) in from.chunks_exact(width).zip(order) {
            to[row as usize * count..][..count].copy_from_slice(&from[at..][..count]);
        }
    }
}

/// Copies rows of `width` numbers: row k goes to row `order[k]`.
fn permute<T: Copy>(from: &[T], width: usize, order: &[u32], to: &mut [T]) {
    // Rows of a few numbers are copied by as many moves: neither calls nor loops.
    fn few<T: Copy, const WIDTH: usize>(from: &[T], order: &[u32], to: &mut [T]) {
        let to = to.as_chunks_mut::<WIDTH>().0;
        from.as_chunks::<WIDTH>().0.iter().zip(order).for_each(|(from, &row)| to[row as usize] = *from);
    }
    match width {
        0 => {}
        1 => few::<T, 1>(from, order, to),
        2 => few::<T, 2>(from, order, to),
        3 => few::<T, 3>(from, order, to),
        4 => few::<T, 4>(from, order, to),
        _ => {
            for (from, &row) in from.chunks_exact(width).zip(order) {
                to[row as usize * width..][..width].copy_from_slice(from);
            }
        }
    }
}

/// The totals over all targets, of all pieces that are totals.
pub(super) struct Totals(Vec<Total>);

impl Totals {
    /// Totals over no targets.
    pub(super) fn new<T>(pieces: &[HostPiece<'_, T>]) -> Self {
        let totals = pieces.iter().filter(|piece| piece.place == Place::Total);
        Self(vec![Total::default(); totals.map(|piece| piece.width).sum()])
    }

    /// The number of numbers in all totals.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds the totals of a block. Roundings depend on the order of the blocks, so that order must always be the same.
    pub(super) fn add(&mut self, block: &[Total]) {
        self.0.iter_mut().zip(block).for_each(|(sum, part)| sum.merge(part));
    }

    /// Adds the totals of a batch, always in the same order of batches.
    pub(super) fn join(&mut self, batch: &Self) {
        self.add(&batch.0);
    }

    /// Writes the totals to their outputs.
    pub(super) fn write<T: Vectorized>(&self, pieces: &mut [HostPiece<'_, T>]) {
        let mut totals = self.0.iter();
        for piece in pieces.iter_mut().filter(|piece| piece.place == Place::Total) {
            piece.data.iter_mut().zip(&mut totals).for_each(|(to, total)| *to = T::of_f64(total.value()));
        }
    }
}
