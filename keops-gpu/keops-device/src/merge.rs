//! The merge kernel: it joins the states of the parts of each target, in their order, and writes the result. Many parts are joined
//! in stages: a thread that went through a thousand parts would wait for memory a thousand times.

use keops_core::{
    formula::{Components, Formula},
    launch::MERGED,
    number::Scalar,
    reduction::{Reduction, components},
};

use crate::{pairs::finish, thread};

/// The merge kernel. Each thread joins [`MERGED`] parts of a target, whose numbers are `apart` apart.
///
/// # Safety
/// The contract of the module `launch` of keops-core.
#[inline(always)]
pub unsafe fn merge<T: Scalar, F: Formula, Red: Reduction>(
    states: *mut T,
    values: *mut T,
    indices: *mut u32,
    targets: u32,
    parts: u32,
    apart: u32,
) {
    let thread = thread::block_idx_x() * thread::block_dim_x() + thread::thread_idx_x();
    let (group, target) = (thread / targets, (thread % targets) as usize);
    let (step, count) = (apart as usize, MERGED * apart as usize);
    let first = group as usize * count;
    if first >= parts as usize {
        return;
    }
    let last = (first + count).min(parts as usize);
    let place = |part: usize, w: usize, words: usize| (part * words + w) * targets as usize + target;
    let mut joined = Red::init::<F, T>(());
    let joined = Components::<T>::as_mut_slice(&mut joined);
    let mut next = Red::init::<F, T>(());
    let next = Components::<T>::as_mut_slice(&mut next);
    let mut part = first;
    while part < last {
        let mut w = 0;
        while w < next.len() {
            // SAFETY: the states have all words of all parts of all targets.
            next[w] = unsafe { *states.add(place(part, w, next.len())) };
            w += 1;
        }
        Red::merge(components::<F>(), joined, next);
        part += step;
    }
    if count >= parts as usize {
        // SAFETY: a target of the call.
        unsafe { finish::<T, F, Red>(joined, target as u32, values, indices) };
        return;
    }
    let mut w = 0;
    while w < joined.len() {
        // SAFETY: as above; no other thread reads the parts of this group.
        unsafe { *states.add(place(first, w, joined.len())) = joined[w] };
        w += 1;
    }
}
