//! Results: rows, and totals over all rows.
//!
//! The kernels leave rows of all values. A piece of them that is a total is summed on the device, in two terms for
//! each block of the total kernel, and the host adds those.

use keops_core::{
    cpu::{Piece, Place},
    device::TOTAL_BLOCKS,
    error::Error,
    real::Element,
    reduction::Total,
};

/// Bytes of what a block of the total kernel leaves for a column: two terms of 8 bytes.
pub(crate) const PARTIAL_BYTES: usize = 16;

/// Whether any piece with components is of this kind.
pub(crate) fn has<T>(pieces: &[Piece<'_, T>], place: Place) -> bool {
    pieces.iter().any(|piece| piece.place == place && piece.width > 0)
}

/// The piece that is the whole result, if there is one: its memory is what the device leaves.
pub(crate) fn whole<'p, T>(pieces: &'p mut [Piece<'_, T>], width: usize) -> Option<&'p mut [T]> {
    let piece = pieces.iter_mut().find(|piece| piece.place == Place::Rows && piece.width == width)?;
    Some(&mut *piece.data)
}

/// Room for `rows` rows of `width` values on the host.
pub(crate) fn room<T: Element>(rows: usize, width: usize) -> Result<Vec<T>, Error> {
    let too_large = || Error::OutputTooLarge { rows, width };
    let len = rows.checked_mul(width).ok_or_else(too_large)?;
    let mut room = Vec::new();
    room.try_reserve_exact(len).map_err(|_| too_large())?;
    room.resize(len, T::zero());
    Ok(room)
}

/// Hands rows of `width` values out to the pieces that are rows.
pub(crate) fn write_rows<T: Element>(values: &[T], width: usize, pieces: &mut [Piece<'_, T>]) {
    let mut column = 0;
    for piece in pieces {
        let columns = column..column + piece.width;
        if piece.place == Place::Rows && piece.width > 0 {
            let rows = values.chunks_exact(width).zip(piece.data.chunks_exact_mut(piece.width));
            rows.for_each(|(row, to)| to.copy_from_slice(&row[columns.clone()]));
        }
        column = columns.end;
    }
}

/// The totals of all `width` columns, from what the blocks of the total kernel left. Rounding depends on the order of
/// the blocks, so it is always the same.
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

/// Writes the totals of all columns to the pieces that are totals.
pub(crate) fn write_totals<T: Element>(totals: &[Total], pieces: &mut [Piece<'_, T>]) {
    let mut columns = totals.iter();
    for piece in pieces {
        let of_piece = columns.by_ref().take(piece.width);
        if piece.place == Place::Total {
            piece.data.iter_mut().zip(of_piece).for_each(|(to, total)| *to = T::from_f64(total.value()));
        } else {
            of_piece.for_each(drop);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_to_their_pieces() {
        let values = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let (mut first, mut total, mut last, mut none) = ([0.0; 2], [0.0; 2], [0.0; 2], [0.0; 0]);
        let mut pieces = [
            Piece::rows(1, &mut first),
            Piece::total(&mut total),
            Piece::rows(0, &mut none),
            Piece::rows(1, &mut last),
        ];
        assert!(has(&pieces, Place::Rows) && has(&pieces, Place::Total));
        write_rows(&values, 4, &mut pieces);
        write_totals(&[9.0, 10.0, 11.0, 12.0].map(total_of), &mut pieces);
        assert_eq!((first, total, last), ([1.0, 5.0], [10.0, 11.0], [4.0, 8.0]));
    }

    fn total_of(value: f64) -> Total {
        let mut total = Total::default();
        total.add(value);
        total
    }

    #[test]
    fn the_whole_result() {
        let (mut all, mut none) = ([0.0_f32; 6], [0.0; 0]);
        let mut pieces = [Piece::rows(0, &mut none), Piece::rows(3, &mut all)];
        assert_eq!(whole(&mut pieces, 3).map(|data| data.len()), Some(6));
        assert_eq!(whole(&mut pieces[..1], 3), None);
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
