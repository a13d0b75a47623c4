//! Dynamic shared memory, by 32-bit addresses. The loads and stores name the space; generic ones would go through the window of
//! the generic address space.

use core::arch::{asm, global_asm};

global_asm!(".extern .shared .align 16 .b8 keops_shared[];");

/// The address of the block's dynamic shared memory, aligned to 16 bytes.
#[inline(always)]
pub fn start() -> u32 {
    let wide: u64;
    // SAFETY: takes the address of a symbol.
    unsafe { asm!("mov.u64 {0}, keops_shared;", out(reg64) wide, options(pure, nomem, nostack)) };
    wide as u32
}

/// An element type in shared memory.
pub trait Shared: Copy {
    /// Reads a number.
    ///
    /// # Safety
    /// `address` must be the address of a number in shared memory that was written before the last barrier.
    unsafe fn read(address: u32) -> Self;

    /// Reads consecutive numbers, as many as `to` has, 16 bytes at a time.
    ///
    /// # Safety
    /// As for [`Self::read`], for each of the numbers. `address` must be a multiple of 16, and the memory must reach up to the
    /// next multiple of 16 bytes after the last number; that rest need not be written.
    unsafe fn read_row(address: u32, to: &mut [Self]);

    /// Writes a number.
    ///
    /// # Safety
    /// `address` must be the address of a number in shared memory that no other thread touches before the next barrier.
    unsafe fn write(self, address: u32);
}

impl Shared for f32 {
    #[inline(always)]
    unsafe fn read(address: u32) -> f32 {
        let x: f32;
        // SAFETY: the contract of this function.
        unsafe { asm!("ld.shared.f32 {0}, [{1}];", out(reg32) x, in(reg32) address, options(pure, readonly, nostack)) };
        x
    }

    #[inline(always)]
    unsafe fn read_row(address: u32, to: &mut [f32]) {
        let mut at = 0;
        while at < to.len() {
            let (a, b, c, d): (f32, f32, f32, f32);
            // SAFETY: the contract of this function.
            unsafe {
                asm!("ld.shared.v4.f32 {{{0}, {1}, {2}, {3}}}, [{4}];",
                    out(reg32) a, out(reg32) b, out(reg32) c, out(reg32) d, in(reg32) address + 4 * at as u32,
                    options(pure, readonly, nostack));
            }
            // Written out: in a loop the row would not stay in registers.
            to[at] = a;
            if at + 1 < to.len() {
                to[at + 1] = b;
            }
            if at + 2 < to.len() {
                to[at + 2] = c;
            }
            if at + 3 < to.len() {
                to[at + 3] = d;
            }
            at += 4;
        }
    }

    #[inline(always)]
    unsafe fn write(self, address: u32) {
        // SAFETY: the contract of this function.
        unsafe { asm!("st.shared.f32 [{0}], {1};", in(reg32) address, in(reg32) self, options(nostack)) };
    }
}

impl Shared for f64 {
    #[inline(always)]
    unsafe fn read(address: u32) -> f64 {
        let x: f64;
        // SAFETY: the contract of this function.
        unsafe { asm!("ld.shared.f64 {0}, [{1}];", out(reg64) x, in(reg32) address, options(pure, readonly, nostack)) };
        x
    }

    #[inline(always)]
    unsafe fn read_row(address: u32, to: &mut [f64]) {
        let mut at = 0;
        while at < to.len() {
            let (a, b): (f64, f64);
            // SAFETY: the contract of this function.
            unsafe {
                asm!("ld.shared.v2.f64 {{{0}, {1}}}, [{2}];",
                    out(reg64) a, out(reg64) b, in(reg32) address + 8 * at as u32,
                    options(pure, readonly, nostack));
            }
            to[at] = a;
            if at + 1 < to.len() {
                to[at + 1] = b;
            }
            at += 2;
        }
    }

    #[inline(always)]
    unsafe fn write(self, address: u32) {
        // SAFETY: the contract of this function.
        unsafe { asm!("st.shared.f64 [{0}], {1};", in(reg32) address, in(reg64) self, options(nostack)) };
    }
}
