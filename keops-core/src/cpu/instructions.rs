//! Which instruction sets a formula is compiled for.
//!
//! Compiling the loop over pairs takes longer than everything else about a formula, and it is compiled again for each
//! instruction set and each direction of lanes. Lanes over targets is what nearly all calls run, so it has every
//! instruction set; lanes over sources has the one that nearly all processors have.

use pulp::{Arch, Simd, WithSimd};

/// The instruction set for lanes over sources.
#[cfg(target_arch = "x86_64")]
pub(super) type Common = pulp::x86::V3;
/// The instruction set for lanes over sources: there are only two, and one of them is scalar.
#[cfg(not(target_arch = "x86_64"))]
pub(super) type Common = Arch;

/// The common instruction set, if the processor has it.
pub(super) fn common(arch: Arch) -> Option<Common> {
    #[cfg(target_arch = "x86_64")]
    match arch {
        Arch::V4(simd) => Some(*simd),
        Arch::V3(simd) => Some(simd),
        _ => None,
    }
    #[cfg(not(target_arch = "x86_64"))]
    Some(arch)
}

/// Runs `op` with the common instruction set.
pub(super) fn run<Op: WithSimd>(common: Common, op: Op) -> Op::Output {
    #[cfg(target_arch = "x86_64")]
    let output = Simd::vectorize(common, op);
    #[cfg(not(target_arch = "x86_64"))]
    let output = common.dispatch(op);
    output
}
