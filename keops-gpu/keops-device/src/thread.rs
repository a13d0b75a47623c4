//! Where a thread stands in its grid, and barriers: named as in `cuda_std`.

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

/// How many threads a block has.
#[inline(always)]
pub fn block_dim_x() -> u32 {
    // SAFETY: reads a special register.
    (unsafe { nvptx::_block_dim_x() }) as u32
}

/// How many blocks the grid has.
#[inline(always)]
pub fn grid_dim_x() -> u32 {
    // SAFETY: reads a special register.
    (unsafe { nvptx::_grid_dim_x() }) as u32
}

/// In the body of a loop: the assembler must not write it out several times. Loops that run a few times beside those over
/// pairs take most of its time otherwise, and that is the time of the first call.
#[inline(always)]
pub fn not_unrolled() {
    // SAFETY: a comment, from which the build script makes a directive.
    unsafe { asm!("// keops: not unrolled", options(nomem, nostack, preserves_flags)) };
}

/// Waits until all threads of the block are here, and what they wrote to shared memory can be read.
///
/// # Safety
/// All threads of the block must come to the same barrier.
#[inline(always)]
pub unsafe fn sync_threads() {
    // SAFETY: the contract of this function.
    unsafe { nvptx::_syncthreads() }
}

/// Waits as [`sync_threads`] does, and answers whether any thread of the block `says` so.
///
/// # Safety
/// All threads of the block must come to the same barrier.
#[inline(always)]
pub unsafe fn sync_threads_or(says: bool) -> bool {
    let any: u32;
    // SAFETY: the contract of this function; it touches no memory, but what was written before it can be read.
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
