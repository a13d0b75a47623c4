//! Results: rows, and totals over all rows.
//!
//! The kernels write rows of all values. The columns of a piece that is a total are summed on the device, to a sum in two terms for
//! each block of the total kernel, and the host adds these sums.

use keops_core::{
    launch::TOTAL_BLOCKS,
    number::Scalar,
    problem::{Piece, Place},
    reduction::Total,
};

/// The bytes of the sum that a block of the total kernel writes for a column: two terms of 8 bytes.
pub(crate) const PARTIAL_BYTES: usize = 16;

/// Whether any piece with components goes to this place.
pub(crate) fn has<T>(pieces: &[Piece<'_, T>], place: Place) -> bool {
    pieces.iter().any(|piece| piece.place == place && piece.width > 0)
}

/// The number of the piece that is the whole result, if there is one: the rows of the device are copied to it as they are.
pub(crate) fn whole<T>(pieces: &[Piece<'_, T>], width: usize) -> Option<usize> {
    pieces.iter().position(|piece| piece.place == Place::Rows && piece.width == width && width > 0)
}

/// Copies `to_width` columns, from `column` on, of rows of `width` values to a piece.
pub(crate) fn write_rows<T: Scalar>(values: &[T], width: usize, column: usize, to: &mut [T], to_width: usize) {
    let rows = values.chunks_exact(width).zip(to.chunks_exact_mut(to_width));
    rows.for_each(|(row, to)| to.copy_from_slice(&row[column..column + to_width]));
}

/// The totals of all `width` columns, from the sums of the blocks of the total kernel. The sums are added in the order of the
/// blocks, so the rounding is always the same.
pub(crate) fn totals(partial: &[u8], width: usize) -> Vec<Total> {
    let mut totals = vec![Total::default(); width];
    let (terms, _) = partial.as_chunks::<8>();
    let terms: Vec<f64> = terms.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
    let (sums, _) = terms.as_chunks::<2>();
    for (number, &[high, low]) in sums.iter().enumerate().take(TOTAL_BLOCKS.saturating_mul(width)) {
        totals[number % width].merge(&Total::from_parts(high, low));
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_to_their_pieces() {
        let values = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let (mut first, mut total, mut last) = ([0.0_f32; 2], [0.0; 2], [0.0; 2]);
        let pieces = [Piece::rows(1, &mut first), Piece::total(2, &mut total), Piece::rows(1, &mut last)];
        assert!(has(&pieces, Place::Rows) && has(&pieces, Place::Total));
        let mut rows = [0.0; 4];
        write_rows(&values, 4, 1, &mut rows, 2);
        assert_eq!(rows, [2.0, 3.0, 6.0, 7.0]);
    }

    #[test]
    fn the_whole_result() {
        let (mut all, mut none) = ([0.0_f32; 6], [0.0; 0]);
        let pieces = [Piece::rows(0, &mut none), Piece::rows(3, &mut all)];
        assert_eq!(whole(&pieces, 3), Some(1));
        assert_eq!(whole(&pieces[..1], 3), None);
        assert_eq!(whole(&pieces[..1], 0), None);
    }

    #[test]
    fn totals_keep_both_terms() {
        let sums = [[1e16, 1.0], [f64::INFINITY, f64::NAN], [-1e16, 1.0], [1.0, 0.0]];
        let bytes: Vec<u8> = sums.as_flattened().iter().flat_map(|term| term.to_le_bytes()).collect();
        let totals: Vec<f64> = totals(&bytes, 2).iter().map(Total::value).collect();
        assert_eq!(totals, [2.0, f64::INFINITY]);
        assert!(super::totals(&[], 0).is_empty());
    }
}
