//! The numbers of a thread in its grid, and barriers. The functions have the names that `cuda_std` gives them.

use core::arch::{asm, nvptx};

/// The number of this thread in its block.
#[inline(always)]
pub fn thread_idx_x() -> u32 {
    // SAFETY: reads a special register.
    (unsafe { nvptx::_thread_idx_x() }) as u32
}

/// The number of this block in the grid.
#[inline(always)]
pub fn block_idx_x() -> u32 {
    // SAFETY: reads a special register.
    (unsafe { nvptx::_block_idx_x() }) as u32
}

/// The number of threads in a block.
#[inline(always)]
pub fn block_dim_x() -> u32 {
    // SAFETY: reads a special register.
    (unsafe { nvptx::_block_dim_x() }) as u32
}

/// The number of blocks in the grid.
#[inline(always)]
pub fn grid_dim_x() -> u32 {
    // SAFETY: reads a special register.
    (unsafe { nvptx::_grid_dim_x() }) as u32
}

/// Keeps the assembler from unrolling the loop in whose body this is called. The loops that run a few times would otherwise take
/// most of the assembler's time, and so of the first call.
#[inline(always)]
pub fn not_unrolled() {
    // SAFETY: a comment, from which the build script makes a directive.
    unsafe { asm!("// keops: not unrolled", options(nomem, nostack, preserves_flags)) };
}

/// Waits until all threads of the block have come here. What they wrote to shared memory before can then be read.
///
/// # Safety
/// All threads of the block must come to the same barrier.
#[inline(always)]
pub unsafe fn sync_threads() {
    // SAFETY: the contract of this function.
    unsafe { nvptx::_syncthreads() }
}

/// Waits as [`sync_threads`] does, and returns whether any thread of the block `says` so.
///
/// # Safety
/// All threads of the block must come to the same barrier.
#[inline(always)]
pub unsafe fn sync_threads_or(says: bool) -> bool {
    let any: u32;
    // SAFETY: the contract of this function. The instruction touches no memory itself, but without `nomem` the compiler takes it
    // for a barrier, which it is.
    unsafe {
        asm!(
            "{{",
            ".reg .pred says, any;",
            "setp.ne.u32 says, {1}, 0;",
            "bar.red.or.pred any, 0, says;",
            "selp.u32 {0}, 1, 0, any;",
            "}}",
            out(reg32) any, in(reg32) u32::from(says), options(nostack)
        );
    }
    any != 0
}
