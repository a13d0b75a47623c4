//! Hands out units of work to threads.
//!
//! Not generic, so that it is compiled here once and not again for every formula.

use core::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

/// Calls `unit` with each of the numbers: on the threads of the caller's pool, or one after the other.
pub(super) fn for_each(numbers: Range<usize>, parallel: bool, unit: &(dyn Fn(usize) + Sync)) {
    if parallel && numbers.len() > 1 {
        numbers.into_par_iter().for_each(unit);
    } else {
        numbers.for_each(unit);
    }
}

/// Threads whose stacks have so many bytes, and so many of them.
struct Stacks {
    bytes: usize,
    pool: ThreadPool,
}

/// Those that the last call made that needed them: making them takes longer than many a call.
static STACKS: Mutex<Option<Arc<Stacks>>> = Mutex::new(None);

/// Runs `call` on as many threads as the caller's pool has, but with stacks of at least so many bytes: rows of thousands of
/// numbers do not fit on those that threads usually have, and a stack that overflows ends the process.
pub(super) fn with_stacks<R: Send>(bytes: usize, call: impl FnOnce() -> R + Send) -> R {
    let threads = rayon::current_num_threads();
    let mut kept = STACKS.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = |stacks: &Arc<Stacks>| stacks.bytes >= bytes && stacks.pool.current_num_threads() == threads;
    let stacks = match kept.clone().filter(fits) {
        Some(stacks) => stacks,
        None => match ThreadPoolBuilder::new().num_threads(threads).stack_size(bytes).build() {
            Ok(pool) => kept.insert(Arc::new(Stacks { bytes, pool })).clone(),
            // a system without threads; the stack of its only one may do
            Err(_) => {
                drop(kept);
                return call();
            }
        },
    };
    drop(kept);
    stacks.pool.install(call)
}
