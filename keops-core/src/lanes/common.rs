//! The instruction set that nearly all processors have.

use pulp::Arch;

/// The instruction set for lanes over sources, which the processor has.
#[derive(Clone, Copy, Debug)]
pub struct Common(#[cfg(target_arch = "x86_64")] pulp::x86::V3, #[cfg(not(target_arch = "x86_64"))] Arch);

impl Common {
    /// The common instruction set, if the processor has it.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn of(arch: Arch) -> Option<Self> {
        match arch {
            Arch::V4(simd) => Some(Self(*simd)),
            Arch::V3(simd) => Some(Self(simd)),
            _ => None,
        }
    }
    /// The common instruction set: there are only two, and one of them is scalar.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn of(arch: Arch) -> Option<Self> {
        Some(Self(arch))
    }

    /// The instructions.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn simd(self) -> pulp::x86::V3 {
        self.0
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn arch(self) -> Arch {
        Arch::V3(self.0)
    }
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn arch(self) -> Arch {
        self.0
    }
}
