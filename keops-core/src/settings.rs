//! How a call runs, apart from what it computes.

use crate::cuda::Engine;

/// Where a call runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The first CUDA device, if the program was built with the feature `cuda`, the machine has one, and the formula was
    /// compiled for it; else the processor.
    #[default]
    Auto,
    /// The SIMD units of the processor, on the threads of the rayon pool of the caller.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
}

/// The settings of a call.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// Where it runs.
    pub device: Device,
    /// What runs it on CUDA devices, if the program has it.
    pub cuda: Option<&'static dyn Engine>,
}

impl Settings {
    /// The default settings of a program that has an engine for CUDA.
    #[must_use]
    pub fn with_cuda(engine: &'static dyn Engine) -> Self {
        Self { device: Device::Auto, cuda: Some(engine) }
    }
}
