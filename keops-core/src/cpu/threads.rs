//! Hands out units of work to threads.
//!
//! Not generic, so that it is compiled here once and not again for every formula.

use core::ops::Range;

use rayon::prelude::*;

/// Calls `unit` with each of the numbers: on the threads of the caller's pool, or one after the other.
pub(super) fn for_each(numbers: Range<usize>, parallel: bool, unit: &(dyn Fn(usize) + Sync)) {
    if parallel && numbers.len() > 1 {
        numbers.into_par_iter().for_each(unit);
    } else {
        numbers.for_each(unit);
    }
}
