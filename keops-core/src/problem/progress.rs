//! How far a call is, for whoever waits for it.
//!
//! A call that was given a callback (`.progress(..)`) calls it with the number of pairs that are done and the number of
//! all pairs, whenever a thread or a device has finished a part of the work. What is counted is units of work, which are
//! thousands of pairs, so the loop over pairs does not know of it.
//!
//! The numbers never fall, and end with all pairs done. A callback is called by one thread at a time, but by any of them;
//! a thread that finds another one in it goes on with its work, and what it has done is part of the next answer.
//!
//! A call of several passes counts the pairs of all of them: passes of other shapes count as the first one.
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

use crate::{data::Pattern, problem::Shape};

/// The callback: how many pairs are done, and how many there are.
type Callback = dyn Fn(u64, u64) + Send + Sync;

/// What a caller gave, for all passes of a call.
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

/// Where a call is.
#[derive(Debug, Default)]
struct Course {
    /// Passes that are done.
    finished: u64,
    /// Pairs of the first pass.
    pairs: u64,
    /// What the callback was last told, of this call.
    told: Option<u64>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("passes", &self.passes).field("course", &self.course).finish_non_exhaustive()
    }
}

impl Watch {
    /// For calls of one pass.
    #[must_use]
    pub fn new(callback: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self { callback: Arc::new(callback), passes: 1, course: Arc::default() }
    }

    /// For a call that starts, of so many passes.
    #[must_use]
    pub fn of_passes(self, passes: u32) -> Self {
        Self { callback: self.callback, passes: u64::from(passes).max(1), course: Arc::default() }
    }

    /// For the next pass, of so many pairs.
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

    /// Calls the callback if there is news, unless another thread is there.
    fn tell(&self, at_end: bool) {
        let Watch { callback, passes, course } = &self.watch;
        // Not to wait is more than faster: what a callback computes itself may run units of this call on its thread.
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
                // in pairs of the first pass
                let part = u128::from(done.min(self.pairs)) * u128::from(course.pairs);
                let part = part.checked_div(u128::from(self.pairs)).unwrap_or(0);
                course.pairs.saturating_mul(course.finished).saturating_add(u64::try_from(part).unwrap_or(u64::MAX))
            }
        };
        // The last one comes at the end, when there is nothing to wait for any more.
        let is_news = course.told.is_none_or(|told| told < done) && (ends || done < all);
        if is_news || ends {
            course.told = Some(done);
            callback(done, all);
        }
        if ends {
            // An operator starts again with the next product.
            *course = Course::default();
        }
    }
}

/// The pairs of a pass, and who wants to know how many of them are done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pairs<'a> {
    /// Which pairs count; all of them if there is no pattern.
    pub pattern: Option<&'a Pattern>,
    /// Who is told.
    pub watch: Option<&'a Watch>,
}

impl Pairs<'_> {
    /// How many there are in a call of this shape, which was checked.
    #[must_use]
    pub fn count(&self, shape: Shape) -> u64 {
        let wide = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
        let of_batch = match self.pattern {
            Some(pattern) => pattern.pairs(),
            None => wide(shape.targets).saturating_mul(wide(shape.sources)),
        };
        of_batch.saturating_mul(wide(shape.batches))
    }

    /// What counts those that are done, if anybody wants to know.
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
