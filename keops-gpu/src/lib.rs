//! Internal to the crate `keops`: its CUDA engine. Changes without notice.
//!
//! [`reduce`] runs a compiled formula on a GPU.
//!
//! The kernels come as PTX text, compiled beforehand from the same formula that the CPU engine runs; `keops-core`'s
//! `launch` says what their parameters are. This crate takes checked problems, cuts the work into blocks, copies arguments to the
//! device and results back, and launches the kernels. All that it knows of a formula are the plain numbers of a [`Kernel`], so
//! that it is compiled once for all formulas.
//!
//! A program that contains this crate starts on a machine without a driver, too: [`devices`] returns 0 there (see `keops-driver`).
//!
//! | where | what |
//! |---|---|
//! | `engine` | a pass, from the checked arguments to the results, on one device or on all |
//! | `pass` | a pass on a device: memory, copies and launches |
//! | `launch` | the kernels of a pass, and their parameters |
//! | `cut` | how the work is cut: pure functions of its shape and the device |
//! | `output` | results: rows, and totals over all rows |
//! | `memory` | the one allocation of a pass, and memory that stays |
//! | `resident` | the outputs that stay on a device |
//! | `staging` | copies to and from the host, through page-locked memory |
//! | `numbers` | `f32` and `f64` as bytes |
//! | `device` | devices, with the context, the modules and the workspaces (streams and memory) that are kept for each |
//! | `event` | with the feature `tracing`: what ran, and how it was cut |
//! | `failure` | errors of the driver as errors of a call |

mod cut;
mod device;
mod engine;
#[cfg(feature = "tracing")]
mod event;
mod failure;
mod launch;
mod memory;
mod numbers;
mod output;
mod pass;
mod resident;
mod staging;

pub use device::{devices, is_available, release_kept};
pub use engine::{reduce, upload};
pub use keops_core::problem::cuda::Kernel;

use keops_core::{
    data::{Array, Error, Stored},
    number::Scalar,
    problem::{
        Engine, Outputs, Problem,
        cuda::{Devices, Engines, EnginesFor},
    },
};

/// The CUDA engine, for the settings of calls. With the feature `cuda`, the facade `keops` gives it to every call.
///
/// ```
/// use keops_core::{data::Device, problem::Settings};
/// use keops_gpu::Cuda;
///
/// let settings = Settings::with_cuda(&Cuda);
/// assert_eq!(settings.device, Device::Auto);
/// // the first GPU, if there is one
/// let place = if keops_gpu::is_available(0) { Device::Cuda(0) } else { Device::Cpu };
/// assert_eq!(settings.upload(&[1.0_f32, 2.0])?.device(), place);
/// # Ok::<(), keops_core::data::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Cuda;

impl Engines for Cuda {
    fn first_available(&self) -> Option<usize> {
        device::available().next()
    }

    fn has_room(&self, ordinal: usize, kernel: &Kernel) -> bool {
        device::has_room(ordinal, kernel)
    }
}

impl<T: Scalar + Stored> EnginesFor<T> for Cuda {
    fn engine(&self, devices: Devices, kernel: Kernel) -> Box<dyn Engine<T>> {
        Box::new(OnDevices { devices, kernel })
    }

    fn upload(&self, ordinal: usize, numbers: &[T]) -> Result<Array<T>, Error> {
        upload(ordinal, numbers)
    }
}

/// A kernel on some devices.
struct OnDevices {
    devices: Devices,
    kernel: Kernel,
}

impl<T: Scalar + Stored> Engine<T> for OnDevices {
    fn reduce(&self, problem: &Problem<'_, T>, outputs: &mut Outputs<'_, '_, T>) -> Result<(), Error> {
        reduce(self.devices, &self.kernel, problem, outputs)
    }
}
