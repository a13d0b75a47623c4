//! Memory that calls keep for the next ones.
//!
//! What a call stores meanwhile (prepared rows, states, matrix products) is as much as its arguments where rows are long.
//! Fresh memory costs a page fault for every 4 KiB, which is then a fifth of the whole time; so large pieces go to a
//! list when they are no longer needed, and come from there.

use std::sync::{Mutex, PoisonError};

use crate::real::Element;

/// The alignment of the widest vectors, in bytes. Loads that straddle two cache lines cost twice as much.
const ALIGNMENT: usize = 64;

/// Smaller pieces are left to the allocator, which has them at hand.
const LARGE: usize = 1 << 16;

/// So many bytes are kept between calls, for each element type.
const KEPT: usize = 32 << 20;

/// Pieces of memory that nobody uses.
#[derive(Debug)]
pub struct Pool<T>(Mutex<Vec<Vec<T>>>);

impl<T: Element> Pool<T> {
    /// No pieces.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// At least `len` numbers of any value.
    fn take(&self, len: usize) -> Vec<T> {
        if len.saturating_mul(size_of::<T>()) >= LARGE {
            let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // A piece that is much larger would be missed by those who need all of it.
            let fits = pieces.iter().enumerate().filter(|(_, piece)| piece.len() >= len && piece.len() / 4 <= len);
            if let Some((number, _)) = fits.min_by_key(|(_, piece)| piece.len()) {
                return pieces.swap_remove(number);
            }
        }
        vec![T::zero(); len]
    }

    fn give(&self, piece: Vec<T>) {
        let bytes = |piece: &Vec<T>| piece.len() * size_of::<T>();
        if bytes(&piece) < LARGE {
            return;
        }
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The oldest make room: a call of another size does not need them.
        let mut kept: usize = pieces.iter().map(bytes).sum();
        while kept + bytes(&piece) > KEPT && !pieces.is_empty() {
            kept -= bytes(&pieces.remove(0));
        }
        if kept + bytes(&piece) <= KEPT {
            pieces.push(piece);
        }
    }
}

impl<T: Element> Default for Pool<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Numbers in memory that is aligned for vectors.
#[derive(Debug)]
pub(super) struct Aligned<T: Element> {
    memory: Vec<T>,
    skip: usize,
    len: usize,
}

impl<T: Element> Default for Aligned<T> {
    fn default() -> Self {
        Self { memory: Vec::new(), skip: 0, len: 0 }
    }
}

impl<T: Element> Drop for Aligned<T> {
    fn drop(&mut self) {
        T::pool().give(core::mem::take(&mut self.memory));
    }
}

impl<T: Element> Aligned<T> {
    /// Makes room for so many numbers, whose values are left open.
    pub(super) fn resize(&mut self, len: usize) {
        let spare = ALIGNMENT / size_of::<T>();
        if self.memory.len() < len + spare {
            T::pool().give(core::mem::take(&mut self.memory));
            self.memory = T::pool().take(len + spare);
            self.skip = self.memory.as_ptr().align_offset(ALIGNMENT).min(spare);
        }
        self.len = len;
    }

    pub(super) fn numbers(&self) -> &[T] {
        &self.memory[self.skip..][..self.len]
    }

    pub(super) fn numbers_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.skip..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pieces_are_kept_up_to_a_limit() {
        let pool = Pool::<f64>::new();
        let kept = || pool.0.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>();
        pool.give(vec![1.0; 100]);
        assert_eq!(kept(), [0; 0], "small");
        let limit = KEPT / size_of::<f64>();
        pool.give(vec![1.0; limit / 2]);
        pool.give(vec![2.0; limit / 4]);
        assert_eq!(kept(), [limit / 2, limit / 4]);
        assert_eq!(pool.take(limit / 5).len(), limit / 4, "the smallest that is enough");
        assert_eq!(pool.take(limit / 5).len(), limit / 2);
        assert_eq!(pool.take(limit / 5), vec![0.0; limit / 5], "none is left");
        pool.give(vec![1.0; limit / 2]);
        assert_eq!(pool.take(10_000).len(), 10_000, "not one that is much too large");
        pool.give(vec![2.0; limit / 2]);
        pool.give(vec![3.0; limit / 4]);
        assert_eq!(kept(), [limit / 2, limit / 4], "the oldest went");
        pool.give(vec![0.0; limit + 1]);
        assert_eq!(kept(), [0; 0]);
    }

    #[test]
    fn numbers_are_aligned() {
        let mut numbers = Aligned::<f32>::default();
        for len in [0, 1, 100, 100_000, 7] {
            numbers.resize(len);
            assert_eq!(numbers.numbers().len(), len);
            assert!(len == 0 || numbers.numbers_mut().as_ptr().align_offset(ALIGNMENT) == 0);
        }
    }
}
