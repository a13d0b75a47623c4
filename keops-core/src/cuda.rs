//! The CUDA engine, as calls know it: the crate keops-gpu has it, and the facade hands it to every call.

use core::fmt::Debug;

use crate::{
    cpu::{self, Piece},
    data::{Array, Device, Error, To, View},
    element::Element,
    formula::{Formula, Index, Variable},
    launch,
    number::Scalar,
    progress::Pairs,
    reduction::{Reduction, components},
    settings::Settings,
};

/// What is compiled for a formula with a reduction and an element type: its PTX, and what [`crate::launch`] says about
/// it.
///
/// Nothing can check that the PTX does what these sizes say; a kernel that does not reads and writes memory of the
/// device that is not its own.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Names of entry points, and the PTX module of each; there may be others besides those that this kernel needs.
    pub modules: &'static [(&'static str, &'static str)],
    /// Those that were assembled, too: the name of the entry point, the compute capability (90 for sm_90), and the binary.
    pub cubins: &'static [(&'static str, u32, &'static [u8])],
    /// The name of the main kernel; that of the merge kernel is `<name>_merge`.
    pub name: String,
    /// The name of the formula, for messages.
    pub formula: &'static str,
    /// The variables, in the order of the arguments.
    pub variables: &'static [Variable],
    /// Which index the targets are.
    pub targets: Index,
    /// Values in a row of the result.
    pub values: usize,
    /// Row numbers in a row of the result.
    pub indices: usize,
    /// Numbers in the state of a target.
    pub state_words: usize,
    /// How many targets a block has at most.
    pub block_targets: usize,
    /// How many sources a tile has.
    pub tile_sources: usize,
    /// The dynamic shared memory of a block of the main kernel, in bytes.
    pub shared_bytes: usize,
    /// What a thread of the main kernel keeps for its targets, in bytes: where it is much, local memory of that size.
    pub local_bytes: usize,
}

impl Kernel {
    /// The kernel of a formula with its reduction.
    ///
    /// # Errors
    /// It was not built, or no device can run it.
    pub(crate) fn of<T: Scalar, F: Formula, R: Reduction>() -> Result<Self, Error> {
        let no_kernel = |kernel| Error::NoKernel { formula: F::NAME, kernel };
        let cuda = F::CUDA.ok_or_else(|| no_kernel(String::new()))?;
        let local_bytes = launch::local_bytes::<T, F, R>();
        fit(F::NAME, local_bytes, launch::MOST_LOCAL_BYTES)?;
        // that of a tile, which has one source at least
        fit(F::NAME, launch::shared_bytes::<T, F, R>(), launch::MOST_SHARED_BYTES)?;
        let name = kernel_name(cuda.name, cuda.dims, T::TYPE_NAME);
        let components = components::<F>();
        let kernel = Self {
            modules: cuda.modules,
            cubins: cuda.cubins,
            name,
            formula: F::NAME,
            variables: F::VARIABLES,
            targets: F::TARGETS,
            values: R::values(components),
            indices: R::indices(components),
            state_words: launch::state_words::<T, F, R>(),
            block_targets: launch::block_targets::<T, F, R>(),
            tile_sources: launch::tile_sources::<T, F, R>(),
            shared_bytes: launch::shared_bytes::<T, F, R>(),
            local_bytes,
        };
        match kernel.module(&kernel.name) {
            Some(_) => Ok(kernel),
            None => Err(no_kernel(format!(" for {:?} {}", cuda.dims, T::TYPE_NAME))),
        }
    }

    /// The PTX module of an entry point.
    #[must_use]
    pub fn module(&self, entry: &str) -> Option<&'static str> {
        self.modules.iter().find(|(name, _)| *name == entry).map(|&(_, ptx)| ptx)
    }

    /// The binary of an entry point for a device of this compute capability (90 for 9.0), if there is one: made for the same
    /// major number, and a minor number that is not larger.
    #[must_use]
    pub fn cubin(&self, entry: &str, capability: u32) -> Option<&'static [u8]> {
        let runs = |made_for: u32| made_for / 10 == capability / 10 && made_for <= capability;
        let cubins = self.cubins.iter().filter(|&&(name, made_for, _)| name == entry && runs(made_for));
        cubins.max_by_key(|&&(_, made_for, _)| made_for).map(|&(_, _, cubin)| cubin)
    }

    /// The name of the merge kernel.
    #[must_use]
    pub fn merge_name(&self) -> String {
        format!("{}_merge", self.name)
    }
}

/// Whether what a formula needs of some memory is there.
fn fit(formula: &'static str, needed: usize, most: usize) -> Result<(), Error> {
    if needed > most { Err(Error::LongRows { formula, needed, most }) } else { Ok(()) }
}

fn kernel_name(formula: &str, dims: &[usize], element: &str) -> String {
    let dims: String = dims.iter().map(|dim| format!("_{dim}")).collect();
    format!("{formula}{dims}_{element}")
}

/// Which CUDA devices a call runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Devices {
    /// The one of this number.
    One(usize),
    /// All of them that can run the kernels, each with its share of the targets.
    All,
}

impl From<Devices> for Device {
    fn from(devices: Devices) -> Self {
        match devices {
            Devices::One(ordinal) => Self::Cuda(ordinal),
            Devices::All => Self::AllCuda,
        }
    }
}

/// Where a call runs.
pub(crate) enum Place {
    Cpu,
    Cuda(&'static dyn Engine, Devices, Kernel),
}

impl Place {
    /// Where a call with these settings and arguments runs, if it can: one that may run anywhere runs where its
    /// arguments are, else on the first CUDA device that can run kernels, if there is one for it and room for that.
    pub(crate) fn of<T: Element>(
        settings: &Settings,
        kernel: &dyn cpu::Kernel<T>,
        views: &[View<'_, T>],
    ) -> Result<Self, Error> {
        let on_cuda = |devices| {
            let engine = settings.cuda.ok_or(Error::BuiltWithoutCuda)?;
            Ok(Self::Cuda(engine, devices, kernel.cuda()?))
        };
        let (device, place) = match settings.device {
            Device::Cuda(ordinal) => (settings.device, on_cuda(Devices::One(ordinal))?),
            Device::AllCuda => (settings.device, on_cuda(Devices::All)?),
            Device::Cpu => (settings.device, Self::Cpu),
            Device::Auto => match views.iter().find_map(View::device) {
                Some(Device::Cuda(ordinal)) => (Device::Cuda(ordinal), on_cuda(Devices::One(ordinal))?),
                _ => match preferred(settings, kernel) {
                    Some((engine, ordinal, kernel)) => {
                        (Device::Cuda(ordinal), Self::Cuda(engine, Devices::One(ordinal), kernel))
                    }
                    None => (Device::Cpu, Self::Cpu),
                },
            },
        };
        for (variable, view) in kernel.layout().variables.iter().zip(views) {
            if let Some(place) = view.device().filter(|&place| place != device) {
                return Err(Error::OtherDevice { variable: variable.name, place, device });
            }
        }
        Ok(place)
    }
}

/// The device that a call prefers to the processor, and its kernel.
fn preferred<T: Element>(
    settings: &Settings,
    kernel: &dyn cpu::Kernel<T>,
) -> Option<(&'static dyn Engine, usize, Kernel)> {
    let engine = settings.cuda.filter(|_| kernel.layout().cuda.is_some())?;
    let ordinal = engine.first_available()?;
    let kernel = kernel.cuda().ok()?;
    engine.has_room(ordinal, &kernel).then_some((engine, ordinal, kernel))
}

/// An engine that runs kernels on CUDA devices.
pub trait Engine: Debug + Sync {
    /// Whether there is such a device that can run the kernels; cheap after the first call.
    fn is_available(&self, ordinal: usize) -> bool;
    /// The first device that can run the kernels; as cheap.
    fn first_available(&self) -> Option<usize>;
    /// Whether a device has room for what the threads of a kernel keep; asked only where it can run the kernels.
    fn has_room(&self, ordinal: usize, kernel: &Kernel) -> bool;
    /// [`crate::cpu::reduce`] on CUDA devices, for some pairs.
    ///
    /// # Errors
    /// Those of [`crate::cpu::reduce`], and whatever the device says.
    fn reduce_f32(
        &self,
        devices: Devices,
        kernel: &Kernel,
        pairs: Pairs<'_>,
        views: &[View<'_, f32>],
        pieces: &mut [Piece<'_, f32>],
        indices: Option<To<'_, u32>>,
    ) -> Result<(), Error>;
    /// [`crate::cpu::reduce`] on CUDA devices.
    ///
    /// # Errors
    /// Those of [`crate::cpu::reduce`], and whatever the device says.
    fn reduce_f64(
        &self,
        devices: Devices,
        kernel: &Kernel,
        pairs: Pairs<'_>,
        views: &[View<'_, f64>],
        pieces: &mut [Piece<'_, f64>],
        indices: Option<To<'_, u32>>,
    ) -> Result<(), Error>;
    /// Copies numbers to a device.
    ///
    /// # Errors
    /// Whatever the device says.
    fn upload_f32(&self, ordinal: usize, numbers: &[f32]) -> Result<Array<f32>, Error>;
    /// Copies numbers to a device.
    ///
    /// # Errors
    /// Whatever the device says.
    fn upload_f64(&self, ordinal: usize, numbers: &[f64]) -> Result<Array<f64>, Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_said() {
        assert_eq!(fit("f", 0, 0), Ok(()));
        assert_eq!(fit("f", 49_152, launch::MOST_SHARED_BYTES), Ok(()));
        let (needed, most) = (49_168, 49_152);
        assert_eq!(fit("f", needed, launch::MOST_SHARED_BYTES), Err(Error::LongRows { formula: "f", needed, most }));
    }

    #[test]
    fn binaries_are_for_a_major_number() {
        let kernel = Kernel {
            modules: &[],
            cubins: &[("f", 80, b"80"), ("f", 89, b"89"), ("f", 86, b"86"), ("f", 100, b"100"), ("g", 90, b"90")],
            name: "f".to_owned(),
            formula: "f",
            variables: &[],
            targets: Index::I,
            values: 1,
            indices: 0,
            state_words: 1,
            block_targets: 1,
            tile_sources: 1,
            shared_bytes: 0,
            local_bytes: 0,
        };
        let of = |capability| kernel.cubin("f", capability).map_or("none", |cubin| str::from_utf8(cubin).unwrap());
        let found = [75, 80, 86, 87, 89, 90, 100, 101, 109, 110, 8, 0].map(of);
        assert_eq!(found, ["none", "80", "86", "86", "89", "none", "100", "100", "100", "none", "none", "none"]);
    }
}
