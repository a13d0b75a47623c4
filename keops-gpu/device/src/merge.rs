//! Joins the states of the parts of each target, in their order, and writes the result.

use keops_core::{
    components::Components,
    formula::Formula,
    real::Element,
    reduction::{Reduction, components},
};

use crate::{pairs::finish, thread};

/// The merge kernel: a thread for each target.
///
/// # Safety
/// The contract of the module `device` of keops-core.
#[inline(always)]
pub unsafe fn merge<T: Element, F: Formula, Red: Reduction>(
    states: *const T,
    values: *mut T,
    indices: *mut u32,
    targets: u32,
    parts: u32,
) {
    let target = thread::block_idx_x() * thread::block_dim_x() + thread::thread_idx_x();
    if target >= targets {
        return;
    }
    let mut joined = Red::init::<F, T>(());
    let joined = Components::<T>::as_mut_slice(&mut joined);
    let mut next = Red::init::<F, T>(());
    let next = Components::<T>::as_mut_slice(&mut next);
    for part in 0..parts as usize {
        let mut w = 0;
        while w < next.len() {
            // SAFETY: there are all words of all parts of all targets.
            next[w] = unsafe { *states.add((part * next.len() + w) * targets as usize + target as usize) };
            w += 1;
        }
        Red::merge(components::<F>(), joined, next);
    }
    // SAFETY: a target of the call.
    unsafe { finish::<T, F, Red>(joined, target, values, indices) };
}
