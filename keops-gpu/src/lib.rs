//! The CUDA engine of `keops`: [`reduce`] runs a compiled formula on a GPU.
//!
//! The kernels come as PTX text, compiled beforehand from the same formula that the CPU engine runs; `keops-core`'s
//! `device` says what their parameters are. This crate checks the arguments, cuts the work into blocks, moves data
//! there and back, and launches. What it knows of a formula is in [`Kernel`]: plain numbers, so that it is compiled
//! once.
//!
//! A program that contains it starts on a machine without a driver: [`devices`] answers 0 there (see `keops-driver`).
//!
//! | where | what |
//! |---|---|
//! | `engine` | a call, from the arguments to the results, on one device or on all |
//! | `launch` | the kernels of a call, and their parameters |
//! | `cut` | how the work is cut: pure functions of its shape and the device |
//! | `output` | results: rows, and totals over all rows |
//! | `memory` | the one allocation of a call, and memory that stays |
//! | `staging` | copies to and from the host, through page-locked memory |
//! | `numbers` | `f32` and `f64` as bytes |
//! | `device` | devices, and what is kept for each: its context, its modules, and streams and memory for calls |
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
mod staging;

pub use device::{devices, is_available, release_kept};
pub use engine::{reduce, upload};
pub use keops_core::cuda::Kernel;

use keops_core::{
    cpu::Piece,
    cuda::{Devices, Engine},
    data::{Array, Error, To, View},
    progress::Pairs,
};

/// The engine, for the settings of calls. The facade `keops` gives it to every call, with the feature `cuda`.
///
/// ```
/// use keops_core::settings::{Device, Settings};
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

impl Engine for Cuda {
    fn is_available(&self, ordinal: usize) -> bool {
        is_available(ordinal)
    }

    fn first_available(&self) -> Option<usize> {
        device::available().next()
    }

    fn has_room(&self, ordinal: usize, kernel: &Kernel) -> bool {
        device::has_room(ordinal, kernel)
    }

    fn reduce_f32(
        &self,
        devices: Devices,
        kernel: &Kernel,
        pairs: Pairs<'_>,
        views: &[View<'_, f32>],
        pieces: &mut [Piece<'_, f32>],
        indices: Option<To<'_, u32>>,
    ) -> Result<(), Error> {
        reduce(devices, kernel, pairs, views, pieces, indices)
    }

    fn reduce_f64(
        &self,
        devices: Devices,
        kernel: &Kernel,
        pairs: Pairs<'_>,
        views: &[View<'_, f64>],
        pieces: &mut [Piece<'_, f64>],
        indices: Option<To<'_, u32>>,
    ) -> Result<(), Error> {
        reduce(devices, kernel, pairs, views, pieces, indices)
    }

    fn upload_f32(&self, ordinal: usize, numbers: &[f32]) -> Result<Array<f32>, Error> {
        upload(ordinal, numbers)
    }

    fn upload_f64(&self, ordinal: usize, numbers: &[f64]) -> Result<Array<f64>, Error> {
        upload(ordinal, numbers)
    }
}
