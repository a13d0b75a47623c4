//! Devices, on which calls run and numbers are stored.

use core::fmt;

/// The device that a call runs on.
///
/// ```
/// use keops::prelude::*;
///
/// keops! { pub fn product(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y } }
///
/// # fn main() -> Result<(), Error> {
/// let (x, y) = ([[1.0_f32], [2.0]], [[3.0], [4.0]]);
/// let a = product(&x, &y).device(Device::Cpu).eval()?; // without it `Device::Auto`
/// assert_eq!(*a, [[7.0], [14.0]]);
/// // a device that is not there is an error, and never another device
/// let error = product(&x, &y).device(Device::Cuda(99)).eval().unwrap_err();
/// assert!(matches!(error, Error::BuiltWithoutCuda | Error::NoCudaDevice { ordinal: 99, .. }));
/// assert_eq!(Device::Cuda(99).to_string(), "the CUDA device 99");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The first CUDA device, if the program was built with the feature `cuda`, the machine has one, and the formula
    /// was compiled for it; else the processor.
    #[default]
    Auto,
    /// The SIMD units of the processor, on the threads of the rayon pool of the caller.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
    /// All CUDA devices, each with its share of the rows of the result.
    AllCuda,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("any device"),
            Self::Cpu => f.write_str("the processor"),
            Self::Cuda(ordinal) => write!(f, "the CUDA device {ordinal}"),
            Self::AllCuda => f.write_str("all CUDA devices"),
        }
    }
}
