//! The total kernel: sums over all targets, for the gradients of parameters. Each block writes a partial sum of each column, in two
//! terms of `f64`.

use core::arch::global_asm;

use keops_core::{launch::THREADS, number::Scalar, reduction::Total};

use crate::{shared::Shared, thread};

global_asm!(".shared .align 16 .b8 keops_partial[2048];");

/// The address of the partial sums of the threads, in shared memory.
fn partial() -> u32 {
    let wide: u64;
    // SAFETY: takes the address of a symbol.
    unsafe {
        core::arch::asm!("mov.u64 {0}, keops_partial;", out(reg64) wide, options(pure, nomem, nostack));
    }
    wide as u32
}

/// The total kernel.
///
/// # Safety
/// The contract of the module `launch` of keops-core.
#[inline(always)]
pub unsafe fn total<T: Scalar>(values: *const T, to: *mut [f64; 2], rows: u32, width: u32) {
    const { assert!(THREADS * 16 == 2048, "the shared memory of this kernel") };
    let thread = thread::thread_idx_x();
    let (block, step) = (thread::block_idx_x(), thread::grid_dim_x() * THREADS as u32);
    let place = partial();
    for column in 0..width {
        let mut sum = Total::default();
        let mut row = block * THREADS as u32 + thread;
        while row < rows {
            // SAFETY: a number of `values`.
            sum.add(Scalar::as_f64(unsafe { *values.add(row as usize * width as usize + column as usize) }));
            row += step;
            if row < step {
                break; // past the largest row number
            }
        }
        let (high, low) = sum.parts();
        // SAFETY: every thread has its own 16 bytes; barriers are reached by all threads.
        unsafe {
            high.write(place + thread * 16);
            low.write(place + thread * 16 + 8);
            thread::sync_threads();
        }
        if thread == 0 {
            let mut all = Total::default();
            for other in 0..THREADS as u32 {
                // SAFETY: written before the barrier.
                let (high, low) = unsafe { (f64::read(place + other * 16), f64::read(place + other * 16 + 8)) };
                all.merge(&Total::from_parts(high, low));
            }
            let (high, low) = all.parts();
            // SAFETY: there is room for each column of each block.
            unsafe { *to.add(block as usize * width as usize + column as usize) = [high, low] };
        }
        // SAFETY: all threads come here, after the last read of the partial sums.
        unsafe { thread::sync_threads() };
    }
}
