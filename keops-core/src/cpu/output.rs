//! Results: rows, and totals over all rows.

use crate::{
    cpu::{
        Shape,
        kernel::{Kernel, Layout},
        lanes::lane,
    },
    error::Error,
    real::Element,
    reduction::Total,
};

/// What becomes of a piece of the result rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Row i of the piece is row i of the output.
    Rows,
    /// The output is one row, the sum of the piece over all targets: the gradient of a parameter.
    Total,
}

/// The output for a consecutive range of the components of a result row.
#[derive(Debug)]
pub struct Piece<'a, T> {
    /// How many components.
    pub width: usize,
    /// What becomes of them.
    pub place: Place,
    /// Where they go: N × `width` numbers for [`Place::Rows`], `width` for [`Place::Total`].
    pub data: &'a mut [T],
}

impl<'a, T> Piece<'a, T> {
    /// `width` components of every row.
    pub fn rows(width: usize, data: &'a mut [T]) -> Self {
        Piece { width, place: Place::Rows, data }
    }

    /// As many components as `data` has, summed over all rows.
    pub fn total(data: &'a mut [T]) -> Self {
        Piece { width: data.len(), place: Place::Total, data }
    }
}

/// Checks that outputs hold the result of a call of `formula`, whose rows have so many values and row numbers.
///
/// # Errors
/// Pieces that do not make up a row; outputs of another length.
pub fn check_outputs<T>(
    formula: &'static str,
    (width, index_width): (usize, usize),
    shape: Shape,
    pieces: &[Piece<'_, T>],
    indices: &[u32],
) -> Result<(), Error> {
    let found = pieces.iter().fold(0, |sum: usize, piece| sum.saturating_add(piece.width));
    if found != width {
        return Err(Error::OutputWidth { formula, width, found });
    }
    for piece in pieces {
        let rows = if piece.place == Place::Rows { shape.targets } else { 1 };
        check_length(rows, piece.width, piece.data.len())?;
    }
    check_length(shape.targets, index_width, indices.len())
}

fn check_length(rows: usize, width: usize, found: usize) -> Result<(), Error> {
    match rows.checked_mul(width) {
        None => Err(Error::OutputTooLarge { rows, width }),
        Some(len) if len != found => Err(Error::OutputLength { rows, width, found }),
        Some(_) => Ok(()),
    }
}

/// Where a block of targets leaves its results.
pub(super) struct Block<'a, T> {
    parts: Vec<Part<'a, T>>,
    indices: &'a mut [u32],
    /// The totals over the targets of this block, of all pieces that are one.
    totals: Vec<Total>,
}

/// A piece of the result, for one block.
struct Part<'a, T> {
    width: usize,
    /// The rows of the block; none if the piece is a total.
    rows: Option<&'a mut [T]>,
}

/// Cuts the outputs for `targets` rows, of which there are some, into blocks of `step` rows.
pub(super) fn blocks<'a, T: Element>(
    pieces: &'a mut [Piece<'_, T>],
    indices: &'a mut [u32],
    targets: usize,
    step: usize,
) -> Vec<Block<'a, T>> {
    let index_width = indices.len() / targets;
    let mut rest: Vec<_> = pieces.iter_mut().map(|piece| (piece.width, piece.place, &mut *piece.data)).collect();
    let mut indices = indices;
    let mut blocks = Vec::with_capacity(targets.div_ceil(step));
    for start in (0..targets).step_by(step) {
        let count = step.min(targets - start);
        let mut parts = Vec::with_capacity(rest.len());
        for (width, place, data) in &mut rest {
            let width = *width;
            let rows = (*place == Place::Rows).then(|| take_front(data, count * width));
            parts.push(Part { width, rows });
        }
        blocks.push(Block { parts, indices: take_front(&mut indices, count * index_width), totals: Vec::new() });
    }
    blocks
}

fn take_front<'a, T>(rest: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (front, back) = core::mem::take(rest).split_at_mut(count);
    *rest = back;
    front
}

impl<T: Element> Block<'_, T> {
    /// Finishes the states of all `count` targets of the block, which are rows of lanes.
    pub(super) fn finish(&mut self, kernel: &dyn Kernel<T>, layout: &Layout, states: &[T], lanes: usize, count: usize) {
        let mut state = vec![T::zero(); layout.state];
        let mut values = vec![T::zero(); layout.values];
        for row in 0..count {
            lane(states, row / lanes, row % lanes, lanes, &mut state);
            let indices = &mut self.indices[row * layout.indices..][..layout.indices];
            kernel.finish(&state, &mut values, indices);
            self.write(row, &values);
        }
    }

    /// Takes the values of one row.
    fn write(&mut self, row: usize, values: &[T]) {
        let mut rest = values;
        let mut total = 0;
        for Part { width, rows } in &mut self.parts {
            let (front, back) = rest.split_at(*width);
            if let Some(rows) = rows {
                rows[row * *width..][..*width].copy_from_slice(front);
            } else {
                self.totals.resize(self.totals.len().max(total + *width), Total::default());
                self.totals[total..].iter_mut().zip(front).for_each(|(sum, &value)| sum.add(Element::to_f64(value)));
                total += *width;
            }
            rest = back;
        }
    }

    /// The totals over the targets of this block, which are not kept.
    pub(super) fn take_totals(&mut self) -> Vec<Total> {
        core::mem::take(&mut self.totals)
    }
}

/// The totals over all targets, of all pieces that are one.
pub(super) struct Totals(Vec<Total>);

impl Totals {
    /// Totals over no targets.
    pub(super) fn new<T>(pieces: &[Piece<'_, T>]) -> Self {
        let totals = pieces.iter().filter(|piece| piece.place == Place::Total);
        Self(vec![Total::default(); totals.map(|piece| piece.width).sum()])
    }

    /// How many numbers.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds those of a block. Rounding depends on the order of the blocks, so it must always be the same.
    pub(super) fn add(&mut self, block: &[Total]) {
        self.0.iter_mut().zip(block).for_each(|(sum, part)| sum.merge(part));
    }

    /// Writes them.
    pub(super) fn write<T: Element>(&self, pieces: &mut [Piece<'_, T>]) {
        let mut totals = self.0.iter();
        for piece in pieces.iter_mut().filter(|piece| piece.place == Place::Total) {
            piece.data.iter_mut().zip(&mut totals).for_each(|(to, total)| *to = T::from_f64(total.value()));
        }
    }
}
