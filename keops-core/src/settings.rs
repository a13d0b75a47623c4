//! How a call runs, apart from what it computes.

/// Where a call runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The best device there is.
    #[default]
    Auto,
    /// The SIMD units of the processor, on the threads of the rayon pool of the caller.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
}

/// The settings of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Where it runs.
    pub device: Device,
}
