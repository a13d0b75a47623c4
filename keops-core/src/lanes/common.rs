//! The common instruction set, which nearly all processors have: AVX2 on x86-64.

use pulp::Arch;

/// A proof that the processor has the common instruction set, on which lanes over sources run.
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

    /// The `pulp` token of the instruction set.
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
