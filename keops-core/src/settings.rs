//! How a call runs, apart from what it computes.

use core::fmt;

use crate::{
    array::Array,
    cpu::Shape,
    cuda::Engine,
    element::Element,
    error::Error,
    formula::Index,
    progress::{Pairs, Watch},
    ranges::Ranges,
};

/// Where a call runs.
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
    /// The first CUDA device, if the program was built with the feature `cuda`, the machine has one, and the formula was
    /// compiled for it; else the processor.
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

/// The settings of a call. Its methods change them: `.device(..)`, `.ranges(..)`, `.progress(..)`.
///
/// ```
/// use keops_core::settings::{Device, Settings};
///
/// let settings = Settings::default();
/// assert_eq!(settings.device, Device::Auto);
/// assert!(settings.cuda.is_none() && settings.ranges.is_none() && settings.watch.is_none());
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// Where it runs.
    pub device: Device,
    /// What runs it on CUDA devices, if the program has it.
    pub cuda: Option<&'static dyn Engine>,
    /// The pairs that count, in every batch; all of them if there are no ranges.
    pub ranges: Option<Ranges>,
    /// Who is told how far a call is.
    pub watch: Option<Watch>,
}

impl Settings {
    /// The default settings of a program that has an engine for CUDA.
    #[must_use]
    pub fn with_cuda(engine: &'static dyn Engine) -> Self {
        Self { cuda: Some(engine), ..Self::default() }
    }

    /// These settings for a call that starts, of so many passes.
    #[must_use]
    pub fn of_passes(mut self, passes: u32) -> Self {
        self.watch = self.watch.map(|watch| watch.of_passes(passes));
        self
    }

    /// The pairs that count, for targets of this index, and who is told of them.
    pub(crate) fn pairs(&self, targets: Index) -> Pairs<'_> {
        let pattern = self.ranges.as_ref().map(|ranges| match targets {
            Index::I => ranges.by_i(),
            Index::J => ranges.by_j(),
        });
        Pairs { pattern, watch: self.watch.as_ref() }
    }

    /// How many sources each target meets in a batch, for targets of this index.
    pub(crate) fn counts(&self, targets: Index, shape: Shape) -> Vec<u64> {
        match self.pairs(targets).pattern {
            Some(pattern) => pattern.counts(shape.targets),
            None => vec![shape.sources as u64; shape.targets],
        }
    }

    /// Leaves numbers on the device: for [`Device::Auto`] the first CUDA device that can run kernels, if
    /// there is one, else the host.
    ///
    /// # Errors
    /// No such device; [`Device::AllCuda`], which is not one place; whatever the device says.
    ///
    /// ```
    /// # use keops_core::{error::Error, settings::{Device, Settings}};
    /// let mut settings = Settings::default(); // without an engine for CUDA
    /// assert_eq!(settings.upload(&[1.0_f32, 2.0])?.device(), Device::Cpu);
    /// settings.device = Device::AllCuda;
    /// assert_eq!(settings.upload(&[1.0_f32, 2.0]).unwrap_err(), Error::NotOnePlace);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn upload<T: Element>(&self, numbers: &[T]) -> Result<Array<T>, Error> {
        let here = || Array::Host(numbers.to_vec().into());
        match (self.device, self.cuda) {
            (Device::Cpu, _) | (Device::Auto, None) => Ok(here()),
            (Device::Auto, Some(engine)) => match engine.first_available() {
                Some(ordinal) => T::copy_to_device(engine, ordinal, numbers),
                None => Ok(here()),
            },
            (Device::Cuda(ordinal), Some(engine)) => T::copy_to_device(engine, ordinal, numbers),
            (Device::Cuda(_), None) => Err(Error::BuiltWithoutCuda),
            (Device::AllCuda, _) => Err(Error::NotOnePlace),
        }
    }
}
