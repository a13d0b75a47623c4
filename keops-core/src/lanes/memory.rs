//! Memory that calls keep for the next ones.
//!
//! While it runs, a call stores prepared rows, states and matrix products, which take as much memory as its arguments
//! where rows are long. Fresh memory costs a page fault for every 4 KiB, which would then be a fifth of the whole time.
//! So large pieces of memory go to a list when they are no longer needed, and later calls take them from there. Small
//! pieces go to a list of their thread: for a call with a hundred points, allocating and zeroing them would take a
//! sixth of the time of its pairs.

use std::{
    cell::RefCell,
    sync::{Mutex, PoisonError},
    thread::LocalKey,
};

use super::Vectorized;

/// The alignment of the widest vectors, in bytes. Loads that straddle two cache lines cost twice as much.
const ALIGNMENT: usize = 64;

/// Pieces of this many bytes or more are shared by all threads; smaller ones, of at most half as many bytes, stay with
/// the thread that allocated them.
const LARGE: usize = 1 << 16;

/// The number of small pieces that a thread keeps for each element type: more than a call has at a time.
const SMALL_KEPT: usize = 16;

/// The fewest numbers of a piece that is allocated, so that small pieces serve for many lengths.
const SMALLEST: usize = 256;

/// The most bytes that are kept between calls, for each element type.
const KEPT: usize = 32 << 20;

/// Pieces of memory that no call uses at the moment.
#[derive(Debug)]
pub struct Pool<T: 'static> {
    large: Mutex<Vec<Vec<T>>>,
    small: &'static LocalKey<Small<T>>,
}

/// The small pieces of a thread that no call uses at the moment.
#[derive(Debug)]
pub struct Small<T>(RefCell<Vec<Vec<T>>>);

impl<T> Small<T> {
    /// A list without pieces.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }
}

impl<T> Default for Small<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Vectorized> Pool<T> {
    /// A pool without large pieces, beside the small ones of each thread.
    #[must_use]
    pub const fn new(small: &'static LocalKey<Small<T>>) -> Self {
        Self { large: Mutex::new(Vec::new()), small }
    }

    /// A piece of at least `len` numbers, of unspecified values.
    fn take(&self, len: usize) -> Vec<T> {
        let large = LARGE / size_of::<T>();
        if len > large / 2 {
            let len = len.max(large);
            let mut pieces = self.large.lock().unwrap_or_else(PoisonError::into_inner);
            // A much larger piece is left for a call that needs all of it.
            let fits = pieces.iter().enumerate().filter(|(_, piece)| piece.len() >= len && piece.len() / 4 <= len);
            if let Some((number, _)) = fits.min_by_key(|(_, piece)| piece.len()) {
                return pieces.swap_remove(number);
            }
            return vec![T::zero(); len];
        }
        let len = len.max(SMALLEST).next_power_of_two();
        let take = |small: &Small<T>| {
            let mut pieces = small.0.borrow_mut();
            let number = pieces.iter().rposition(|piece| piece.len() == len)?;
            Some(pieces.swap_remove(number))
        };
        // A thread that is ending has no list any more.
        self.small.try_with(take).ok().flatten().unwrap_or_else(|| vec![T::zero(); len])
    }

    fn give(&self, piece: Vec<T>) {
        if piece.is_empty() {
            return;
        }
        // Its length is that which `take` gave it.
        let bytes = size_of_val(&piece[..]);
        if bytes < LARGE {
            let keep = |small: &Small<T>| {
                let mut pieces = small.0.borrow_mut();
                if pieces.len() == SMALL_KEPT {
                    // The oldest piece is dropped: it comes from calls of another size.
                    pieces.remove(0);
                }
                pieces.push(piece);
            };
            // A thread that ends keeps nothing.
            self.small.try_with(keep).unwrap_or_default();
            return;
        }
        let mut pieces = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        // The oldest pieces are dropped to make room: they come from calls of another size.
        let mut kept: usize = pieces.iter().map(|piece| size_of_val(&piece[..])).sum();
        while kept + bytes > KEPT && !pieces.is_empty() {
            kept -= size_of_val(&pieces.remove(0)[..]);
        }
        if kept + bytes <= KEPT {
            pieces.push(piece);
        }
    }
}

/// Asks for the lines of the cache that these numbers are in, which come from memory while the processor goes on. Elsewhere than
/// on x86-64 nothing is done.
#[inline]
pub(crate) fn fetch<T>(numbers: &[T]) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for line in numbers.chunks(ALIGNMENT / size_of::<T>().max(1)) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, and has no other effect than on time; all of these processors have it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = numbers;
}

/// Numbers in memory that is aligned for vectors.
#[derive(Debug)]
pub(crate) struct Aligned<T: Vectorized> {
    memory: Vec<T>,
    skip: usize,
    len: usize,
}

impl<T: Vectorized> Default for Aligned<T> {
    fn default() -> Self {
        Self { memory: Vec::new(), skip: 0, len: 0 }
    }
}

impl<T: Vectorized> Drop for Aligned<T> {
    fn drop(&mut self) {
        T::pool().give(core::mem::take(&mut self.memory));
    }
}

impl<T: Vectorized> Aligned<T> {
    /// Makes room for `len` numbers, whose values are unspecified.
    pub(crate) fn resize(&mut self, len: usize) {
        let spare = ALIGNMENT / size_of::<T>();
        if len > 0 && self.memory.len() < len + spare {
            T::pool().give(core::mem::take(&mut self.memory));
            self.memory = T::pool().take(len + spare);
            self.skip = self.memory.as_ptr().align_offset(ALIGNMENT).min(spare);
        }
        self.len = len;
    }

    pub(crate) fn numbers(&self) -> &[T] {
        &self.memory[self.skip..][..self.len]
    }

    pub(crate) fn numbers_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.skip..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    std::thread_local! {
        static SMALL: Small<f64> = const { Small::new() };
    }

    #[test]
    fn large_pieces_are_kept_up_to_a_limit() {
        let pool = Pool::<f64>::new(&SMALL);
        let kept = || pool.large.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>();
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
    fn small_pieces_stay_with_their_thread() {
        let pool = Pool::<f64>::new(&SMALL);
        let kept = || SMALL.with(|small| small.0.borrow().iter().map(Vec::len).collect::<Vec<_>>());
        pool.give(Vec::new());
        pool.give(pool.take(3));
        pool.give(pool.take(1000));
        assert_eq!(kept(), [SMALLEST, 1024]);
        assert_eq!(pool.take(SMALLEST + 1).len(), 512, "a power of two");
        assert_eq!(pool.take(513).len(), 1024);
        assert_eq!(kept(), [SMALLEST]);
        (0..2 * SMALL_KEPT).for_each(|_| pool.give(vec![1.0; 512]));
        assert_eq!(kept(), [512; SMALL_KEPT], "up to a limit, the newest");
        for len in [1, 300, 4096, 4097, 8191, 8192, 8193, 100_000] {
            let piece = pool.take(len);
            let address = piece.as_ptr();
            pool.give(piece);
            let again = pool.take(len);
            assert_eq!(again.as_ptr(), address, "{len} numbers, given and taken again");
        }
        std::thread::scope(|scope| scope.spawn(|| assert_eq!(pool.take(300), [0.0; 512], "of another thread")).join())
            .expect("the other thread has none");
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
