//! Runs units of work on threads.
//!
//! This module is not generic, so it is compiled once, with this crate, and not again for every formula.

use core::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

/// Calls `unit` with each of the numbers, on the threads of the caller's pool or one after the other.
pub(super) fn for_each(numbers: Range<usize>, parallel: bool, unit: &(dyn Fn(usize) + Sync)) {
    if parallel && numbers.len() > 1 {
        numbers.into_par_iter().for_each(unit);
    } else {
        numbers.for_each(unit);
    }
}

/// A pool of threads whose stacks have `bytes` bytes.
struct Stacks {
    bytes: usize,
    pool: ThreadPool,
}

/// The pool that was made last, kept for later calls, because making threads takes longer than many a call.
static STACKS: Mutex<Option<Arc<Stacks>>> = Mutex::new(None);

/// Runs `call` on as many threads as the caller's pool has, but with stacks of at least `bytes` bytes. Rows of
/// thousands of numbers do not fit on the usual stacks, and a stack overflow ends the process.
pub(super) fn with_stacks<R: Send>(bytes: usize, call: impl FnOnce() -> R + Send) -> R {
    let threads = rayon::current_num_threads();
    let mut kept = STACKS.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = |stacks: &Arc<Stacks>| stacks.bytes >= bytes && stacks.pool.current_num_threads() == threads;
    let stacks = match kept.clone().filter(fits) {
        Some(stacks) => stacks,
        None => match ThreadPoolBuilder::new().num_threads(threads).stack_size(bytes).build() {
            Ok(pool) => kept.insert(Arc::new(Stacks { bytes, pool })).clone(),
            // The system has no threads; the stack of the calling thread may be large enough.
            Err(_) => {
                drop(kept);
                return call();
            }
        },
    };
    drop(kept);
    stacks.pool.install(call)
}
