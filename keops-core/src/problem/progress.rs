//! The progress of a call, reported to a callback.
//!
//! A call with a callback (`.progress(..)`) calls it with the number of pairs that are done and the number of all
//! pairs, whenever a thread or a device has finished a unit of work. A unit is thousands of pairs, and the loop over
//! pairs counts nothing.
//!
//! The numbers never fall, and the last one is that of all pairs. The callback may be called by any thread, but by one
//! at a time: a thread that finds another one in the callback goes on with its work, and the pairs that it has done are
//! included in the next call of the callback.
//!
//! A call of several passes counts the pairs of all passes; each pass counts as many pairs as the first one, also if
//! its shape is another.
//!
//! ```
//! use keops::prelude::*;
//! use std::sync::{Arc, Mutex};
//!
//! keops! { pub fn product(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y } }
//!
//! # fn main() -> Result<(), Error> {
//! let (x, y) = (vec![[1.0_f32]; 200], vec![[1.0]; 300]);
//! let told = Arc::new(Mutex::new(Vec::new()));
//! let to = Arc::clone(&told);
//! product(&x, &y).progress(move |done, all| to.lock().unwrap().push((done, all))).eval()?;
//! let told = told.lock().unwrap();
//! assert!(told.is_sorted());
//! assert_eq!(told.last(), Some(&(200 * 300, 200 * 300)));
//! # Ok(())
//! # }
//! ```

use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};
use std::sync::{Arc, Mutex, TryLockError};

use crate::{
    data::Pattern,
    problem::{Pruning, Shape},
};

/// The callback: how many pairs are done, and how many there are.
type Callback = dyn Fn(u64, u64) + Send + Sync;

/// The callback of a call, with what it was told, for all passes of the call.
///
/// ```
/// use keops_core::problem::Watch;
/// use std::sync::{Arc, Mutex};
///
/// let told = Arc::new(Mutex::new(Vec::new()));
/// let to = Arc::clone(&told);
/// let watch = Watch::new(move |done, all| to.lock().unwrap().push((done, all))).of_passes(2);
/// for _ in 0..2 {
///     let meter = watch.meter(100); // a pass of 100 pairs
///     meter.add(60);
///     meter.finish();
/// }
/// assert_eq!(*told.lock().unwrap(), [(60, 200), (100, 200), (160, 200), (200, 200)]);
/// ```
#[derive(Clone)]
pub struct Watch {
    callback: Arc<Callback>,
    passes: u64,
    course: Arc<Mutex<Course>>,
}

/// How far a call has come.
#[derive(Debug, Default)]
struct Course {
    /// The number of passes that are done.
    finished: u64,
    /// The number of pairs of the first pass.
    pairs: u64,
    /// The number of pairs that the callback was last told in this call.
    told: Option<u64>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("passes", &self.passes).field("course", &self.course).finish_non_exhaustive()
    }
}

impl Watch {
    /// A progress counter for calls of one pass.
    #[must_use]
    pub fn new(callback: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self { callback: Arc::new(callback), passes: 1, course: Arc::default() }
    }

    /// Resets the progress counter for a new call that will run `passes` passes over the pairs.
    #[must_use]
    pub fn of_passes(self, passes: u32) -> Self {
        Self { callback: self.callback, passes: u64::from(passes).max(1), course: Arc::default() }
    }

    /// Starts the next pass, which has `pairs` pairs, and gives the counter for it.
    #[must_use]
    pub fn meter(&self, pairs: u64) -> Meter {
        if let Ok(mut course) = self.course.try_lock()
            && course.finished == 0
        {
            course.pairs = pairs;
        }
        Meter { watch: self.clone(), pairs, done: AtomicU64::new(0) }
    }
}

/// Counts the pairs of a pass.
#[derive(Debug)]
pub struct Meter {
    watch: Watch,
    pairs: u64,
    done: AtomicU64,
}

impl Meter {
    /// Adds pairs that are done.
    pub fn add(&self, pairs: u64) {
        self.done.fetch_add(pairs, Ordering::Relaxed);
        self.tell(false);
    }

    /// Ends the pass: all of its pairs are done.
    pub fn finish(self) {
        self.done.store(self.pairs, Ordering::Relaxed);
        self.tell(true);
    }

    /// Calls the callback if more pairs are done than it was told, unless another thread is calling it.
    fn tell(&self, at_end: bool) {
        let Watch { callback, passes, course } = &self.watch;
        // Waiting could be a deadlock: a callback may compute something itself, and its thread may then run units of
        // this very call.
        let mut course = match course.try_lock() {
            Ok(course) => course,
            Err(TryLockError::Poisoned(course)) => course.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let all = course.pairs.saturating_mul(*passes);
        course.finished += u64::from(at_end);
        let ends = course.finished >= *passes;
        let done = match self.done.load(Ordering::Relaxed) {
            _ if ends => all,
            _ if at_end => course.pairs.saturating_mul(course.finished),
            done => {
                // The part of this pass that is done, in pairs of the first pass.
                let part = u128::from(done.min(self.pairs)) * u128::from(course.pairs);
                let part = part.checked_div(u128::from(self.pairs)).unwrap_or(0);
                course.pairs.saturating_mul(course.finished).saturating_add(u64::try_from(part).unwrap_or(u64::MAX))
            }
        };
        // The number of all pairs is told at the end of the last pass only, when everything is done.
        let is_news = course.told.is_none_or(|told| told < done) && (ends || done < all);
        if is_news || ends {
            course.told = Some(done);
            callback(done, all);
        }
        if ends {
            // An operator starts anew with the next product.
            *course = Course::default();
        }
    }
}

/// The pairs of a pass, and the callback for their progress.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pairs<'a> {
    /// The pattern of the pairs that the reduction runs over; all pairs if there is none.
    pub pattern: Option<&'a Pattern>,
    /// The progress counter of the call, if it has a callback.
    pub watch: Option<&'a Watch>,
    /// Whether pairs are left out by bounds of the formula.
    pub pruning: Pruning,
}

impl Pairs<'_> {
    /// The number of pairs in a call of this shape.
    #[must_use]
    pub fn count(&self, shape: Shape) -> u64 {
        let wide = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
        let of_batch = match self.pattern {
            Some(pattern) => pattern.pairs(),
            None => wide(shape.targets).saturating_mul(wide(shape.sources)),
        };
        of_batch.saturating_mul(wide(shape.batches))
    }

    /// The counter for the pairs that are done, if the call has a callback.
    #[must_use]
    pub fn meter(&self, shape: Shape) -> Option<Meter> {
        self.watch.map(|watch| watch.meter(self.count(shape)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the callback of a call of so many passes is told while `run` goes.
    fn told(passes: u32, run: impl FnOnce(&Watch)) -> Vec<(u64, u64)> {
        let all: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
        let to = Arc::clone(&all);
        run(&Watch::new(move |done, of| to.lock().expect("no panic").push((done, of))).of_passes(passes));
        all.lock().expect("no panic").clone()
    }

    #[test]
    fn passes_of_other_shapes_count_as_the_first_one() {
        let told = told(3, |watch| {
            for pairs in [10, 4, 0] {
                let meter = watch.meter(pairs);
                (0..pairs).for_each(|_| meter.add(1));
                meter.finish();
            }
        });
        assert!(told.is_sorted() && told.iter().all(|&(_, all)| all == 30));
        assert_eq!(
            told.iter().map(|told| told.0).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 17, 20, 30]
        );
    }

    #[test]
    fn the_end_is_told_once_and_a_product_starts_anew() {
        let told = told(1, |watch| {
            for pairs in [2, 0, 1] {
                let meter = watch.meter(pairs);
                (0..pairs).for_each(|_| meter.add(1));
                meter.finish();
            }
        });
        assert_eq!(told, [(1, 2), (2, 2), (0, 0), (1, 1)]);
    }

    #[test]
    fn a_callback_that_computes_is_no_deadlock() {
        let inner: Arc<Mutex<Option<Watch>>> = Arc::default();
        let again = Arc::clone(&inner);
        let watch = Watch::new(move |_, _| {
            if let Some(watch) = &*again.lock().expect("no panic") {
                watch.meter(5).add(1);
            }
        });
        let meter = watch.meter(2);
        *inner.lock().expect("no panic") = Some(watch.clone());
        meter.add(1);
        meter.finish();
    }
}
