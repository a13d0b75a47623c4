//! Rows of lanes from rows, and back.

use crate::{cpu::memory::Aligned, real::Element};

/// Transposes `count` rows of `width` numbers, of which there is at least one, into rows of lanes. The last row fills
/// the lanes that are left.
pub(super) fn to_lanes<T: Element>(rows: &[T], width: usize, count: usize, lanes: usize, to: &mut Aligned<T>) {
    to.resize(count.div_ceil(lanes) * width * lanes);
    if width == 0 {
        return;
    }
    let groups = rows[..count * width].chunks(width * lanes);
    for (to, rows) in to.numbers_mut().chunks_exact_mut(width * lanes).zip(groups) {
        for (c, to) in to.chunks_exact_mut(lanes).enumerate() {
            let (own, left) = to.split_at_mut(rows.len() / width);
            own.iter_mut().zip(rows[c..].iter().step_by(width)).for_each(|(to, &from)| *to = from);
            left.fill(rows[rows.len() - width + c]);
        }
    }
}

/// `rows` rows of lanes, every lane of which is `row`.
pub(super) fn fill_lanes<T: Element>(row: &[T], rows: usize, lanes: usize, to: &mut Aligned<T>) {
    to.resize(rows * row.len() * lanes);
    let numbers = row.iter().cycle();
    for (to, &number) in to.numbers_mut().chunks_exact_mut(lanes).zip(numbers) {
        to.fill(number);
    }
}

/// Lane `lane` of row `row` of rows of lanes.
pub(super) fn lane<T: Copy>(rows: &[T], row: usize, lane: usize, lanes: usize, to: &mut [T]) {
    let width = to.len();
    for (c, to) in to.iter_mut().enumerate() {
        *to = rows[(row * width + c) * lanes + lane];
    }
}
