//! Transposes rows into rows of lanes, and back.

use crate::lanes::{Common, Vectorized, memory::Aligned, transposed};

/// Transposes `count` rows of `width` numbers, at least one, into rows of lanes. Surplus lanes of the last row of lanes
/// repeat the last row.
pub(super) fn to_lanes<T: Vectorized>(
    common: Option<Common>,
    rows: &[T],
    width: usize,
    count: usize,
    lanes: usize,
    to: &mut Aligned<T>,
) {
    to.resize(count.div_ceil(lanes) * width * lanes);
    if width == 0 {
        return;
    }
    let done = match (width, common) {
        (4, Some(common)) => fours_to_lanes::<T, 1>(common, &rows[..count * width], lanes, to.numbers_mut()),
        (8, Some(common)) => fours_to_lanes::<T, 2>(common, &rows[..count * width], lanes, to.numbers_mut()),
        _ => 0,
    };
    let groups = rows[done * width..count * width].chunks(width * lanes);
    for (to, rows) in to.numbers_mut()[done * width..].chunks_exact_mut(width * lanes).zip(groups) {
        for (c, to) in to.chunks_exact_mut(lanes).enumerate() {
            let (own, left) = to.split_at_mut(rows.len() / width);
            own.iter_mut().zip(rows[c..].iter().step_by(width)).for_each(|(to, &from)| *to = from);
            left.fill(rows[rows.len() - width + c]);
        }
    }
}

/// How many rows are transposed at a time: what a vector of every instruction set holds.
pub(super) const FOUR: usize = 4;

/// Transposes rows of `PARTS` times four numbers, as many as fill rows of lanes, and gives their number.
fn fours_to_lanes<T: Vectorized, const PARTS: usize>(common: Common, rows: &[T], lanes: usize, to: &mut [T]) -> usize {
    if !lanes.is_multiple_of(FOUR) {
        return 0;
    }
    let (rows, to) = (rows.as_chunks::<FOUR>().0.as_chunks::<PARTS>().0, to.as_chunks_mut::<FOUR>().0);
    let step = lanes / FOUR;
    for (to, rows) in to.chunks_exact_mut(PARTS * lanes).zip(rows.chunks_exact(lanes)) {
        for (number, [a, b, c, d]) in rows.as_chunks::<FOUR>().0.iter().enumerate() {
            for part in 0..PARTS {
                let columns = transposed(common, [a[part], b[part], c[part], d[part]]);
                for (n, column) in columns.into_iter().enumerate() {
                    to[(part * FOUR + n) * step + number] = column;
                }
            }
        }
    }
    rows.len() / lanes * lanes
}

/// Makes `rows` rows of lanes, in which every lane is `row`.
pub(super) fn fill_lanes<T: Vectorized>(row: &[T], rows: usize, lanes: usize, to: &mut Aligned<T>) {
    to.resize(rows * row.len() * lanes);
    let numbers = row.iter().cycle();
    for (to, &number) in to.numbers_mut().chunks_exact_mut(lanes).zip(numbers) {
        to.fill(number);
    }
}

/// Copies lane `lane` of row `row` of some rows of lanes to `to`.
pub(super) fn lane<T: Copy>(rows: &[T], row: usize, lane: usize, lanes: usize, to: &mut [T]) {
    let width = to.len();
    for (c, to) in to.iter_mut().enumerate() {
        *to = rows[(row * width + c) * lanes + lane];
    }
}
