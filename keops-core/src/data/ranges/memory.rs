//! Memory that patterns keep for the next ones.
//!
//! A pattern of a million ranges is 8 MB, and its first touch of each of their pages takes longer than all that is
//! computed. Programs that make a graph again and again, or that let the transpose of one go, have the same memory again.

use core::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use crate::{data::Segment, launch::Range};

/// Pieces of fewer bytes are not kept: allocators have them at hand.
const LEAST: usize = 1 << 16;

/// The most bytes of unused vectors that are kept for each type of element.
const KEPT: usize = 32 << 20;

/// Vectors that nobody uses.
#[derive(Debug)]
pub(super) struct Spare<T>(Mutex<Vec<Vec<T>>>);

impl<T> Spare<T> {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// A kept vector with room for `count` elements. One that is much larger is left to patterns that need all of it.
    fn take(&self, count: usize) -> Option<Vec<T>> {
        if count.saturating_mul(size_of::<T>()) < LEAST {
            return None;
        }
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = pieces.iter().enumerate();
        let fits = fits.filter(|(_, piece)| piece.capacity() >= count && piece.capacity() / 4 <= count);
        let (number, _) = fits.min_by_key(|(_, piece)| piece.capacity())?;
        Some(pieces.swap_remove(number))
    }

    fn give(&self, piece: Vec<T>) {
        let size = |piece: &Vec<T>| piece.capacity() * size_of::<T>();
        let bytes = size(&piece);
        if !(LEAST..=KEPT).contains(&bytes) {
            return;
        }
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The oldest make room.
        let mut kept: usize = pieces.iter().map(size).sum();
        while kept + bytes > KEPT && !pieces.is_empty() {
            kept -= size(&pieces.remove(0));
        }
        pieces.push(piece);
    }
}

/// What patterns consist of.
pub(super) trait Part: Copy + 'static {
    /// Any one.
    const ANY: Self;
    /// Vectors of it that nobody uses.
    fn spare() -> &'static Spare<Self>;
}

impl Part for Range {
    const ANY: Self = Self { first: 0, end: 0 };
    fn spare() -> &'static Spare<Self> {
        static SPARE: Spare<Range> = Spare::new();
        &SPARE
    }
}

impl Part for Segment {
    const ANY: Self = Self { rows: Range::ANY, first: 0, count: 0 };
    fn spare() -> &'static Spare<Self> {
        static SPARE: Spare<Segment> = Spare::new();
        &SPARE
    }
}

/// A vector whose memory is kept.
#[derive(Debug)]
pub(super) struct Reused<T: Part>(Vec<T>);

impl<T: Part> Default for Reused<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Part> Drop for Reused<T> {
    fn drop(&mut self) {
        T::spare().give(core::mem::take(&mut self.0));
    }
}

impl<T: Part> Reused<T> {
    /// None, and room for so many.
    pub(super) fn with_capacity(count: usize) -> Self {
        let mut vector = T::spare().take(count).unwrap_or_else(|| Vec::with_capacity(count));
        vector.clear();
        Self(vector)
    }

    /// Room for so many. What is in it has any value, and is worth keeping, since memory is written before it is in a vector.
    pub(super) fn room(count: usize) -> Self {
        Self(T::spare().take(count).unwrap_or_else(|| Vec::with_capacity(count)))
    }

    /// So many of any value.
    pub(super) fn any(count: usize) -> Self {
        let mut vector = T::spare().take(count).unwrap_or_default();
        vector.resize(count, T::ANY);
        Self(vector)
    }

    /// Lets memory go that is much more than is used.
    pub(super) fn shrink(&mut self) {
        if self.0.len() < self.0.capacity() / 2 {
            self.0.shrink_to_fit();
        }
    }
}

impl<T: Part> Clone for Reused<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::with_capacity(self.len());
        copy.extend_from_slice(self);
        copy
    }
}

impl<T: Part> Deref for Reused<T> {
    type Target = Vec<T>;
    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Part> DerefMut for Reused<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_kept_up_to_a_limit() {
        let spare = Spare::<u64>::new();
        let kept = || spare.0.lock().unwrap().iter().map(Vec::capacity).collect::<Vec<_>>();
        let limit = KEPT / size_of::<u64>();
        spare.give(Vec::with_capacity(LEAST / size_of::<u64>() - 1));
        spare.give(Vec::with_capacity(limit + 1));
        assert_eq!(kept(), [0; 0], "neither small ones nor those above the limit");
        spare.give(Vec::with_capacity(limit / 2));
        spare.give(Vec::with_capacity(limit / 4));
        assert_eq!(spare.take(limit / 5).map(|piece| piece.capacity()), Some(limit / 4), "the smallest that is enough");
        assert_eq!(spare.take(limit / 10), None, "none that is much too large");
        spare.give(Vec::with_capacity(limit / 4));
        spare.give(Vec::with_capacity(limit / 2));
        assert_eq!(kept(), [limit / 4, limit / 2], "the oldest went");
    }

    #[test]
    fn vectors_that_are_used_again_begin_empty() {
        let mut first = Reused::<Range>::any(10_000);
        first.fill(Range { first: 1, end: 2 });
        drop(first);
        let mut second = Reused::<Range>::with_capacity(10_000);
        assert!(second.is_empty() && second.capacity() >= 10_000);
        second.push(Range { first: 3, end: 4 });
        assert_eq!(second.clone()[..], [Range { first: 3, end: 4 }]);
        second.shrink();
        assert_eq!(second.capacity(), 1);
        assert_eq!(Reused::<Range>::any(12_000).len(), 12_000);
    }
}
