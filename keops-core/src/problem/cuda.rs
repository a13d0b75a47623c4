//! The interface of the CUDA engine. The crate keops-gpu implements it, and the facade hands the implementation to
//! every call.

use core::fmt::Debug;

use crate::{
    data::{Array, Device, Error},
    formula::{Cuda, Formula},
    launch::{self, Sizes},
    number::Scalar,
    problem::{Engine, Signature},
    reduction::Reduction,
};

/// The kernels that were built for a formula with a reduction, and the sizes of their launches for an element type.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// The kernels, if any were built.
    pub cuda: Option<Cuda>,
    /// The sizes of their launches.
    pub sizes: Sizes,
}

impl Image {
    /// The image of a formula with its reduction.
    #[must_use]
    pub const fn of<T: Scalar, F: Formula, R: Reduction>() -> Self {
        Self { cuda: F::CUDA, sizes: Sizes::of::<T, F, R>() }
    }
}

/// The kernel of a formula with a reduction and an element type: its PTX, and the sizes of its launches (see
/// [`crate::launch`]).
///
/// Nothing can check that the PTX agrees with these sizes; a kernel that does not agree reads and writes memory of the
/// device out of bounds.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The names of entry points, with the PTX module of each; this kernel may not need all of them.
    pub modules: &'static [(&'static str, &'static str)],
    /// The entry points that were also assembled: the name, the compute capability (90 for sm_90), and the binary.
    pub cubins: &'static [(&'static str, u32, &'static [u8])],
    /// The name of the main kernel. The merge kernel is called `<name>_merge`.
    pub name: String,
    /// The signature of the formula with its reduction.
    pub signature: Signature,
    /// The sizes of its launches.
    pub sizes: Sizes,
}

impl Kernel {
    /// The kernel of a formula with its reduction, for this type of numbers.
    ///
    /// # Errors
    /// The kernel was not built, or its rows are too long for any device.
    pub fn new(signature: &Signature, image: &Image, element: &'static str) -> Result<Self, Error> {
        let formula = signature.name;
        let no_kernel = |kernel| Error::NoKernel { formula, kernel };
        let Image { cuda, sizes } = *image;
        let cuda = cuda.ok_or_else(|| no_kernel(String::new()))?;
        fit(formula, sizes.local_bytes, launch::MOST_LOCAL_BYTES)?;
        // The shared memory of a tile, which has one source at least.
        fit(formula, sizes.shared_bytes, launch::MOST_SHARED_BYTES)?;
        let name = kernel_name(cuda.name, cuda.dims, element);
        let kernel = Self { signature: *signature, modules: cuda.modules, cubins: cuda.cubins, name, sizes };
        match kernel.module(&kernel.name) {
            Some(_) => Ok(kernel),
            None => Err(no_kernel(format!(" for {:?} {element}", cuda.dims))),
        }
    }

    /// The PTX module of an entry point.
    #[must_use]
    pub fn module(&self, entry: &str) -> Option<&'static str> {
        self.modules.iter().find(|(name, _)| *name == entry).map(|&(_, ptx)| ptx)
    }

    /// The binary of an entry point for a device of this compute capability (90 for 9.0), if there is one: made for the
    /// same major number, and a minor number that is not larger.
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

/// Checks that a formula needs at most `most` bytes of some memory.
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
    /// The device of this number.
    One(usize),
    /// All devices that can run the kernels, each with its share of the targets.
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

/// Makes engines that run kernels on CUDA devices.
pub trait Engines: EnginesFor<f32> + EnginesFor<f64> + Debug + Sync {
    /// The number of the first device that can run kernels, if there is one; a call after the first one costs little.
    fn first_available(&self) -> Option<usize>;
    /// Whether a device has memory for the local memory of the threads of a kernel; called only for devices that can
    /// run kernels.
    fn has_room(&self, ordinal: usize, kernel: &Kernel) -> bool;
}

/// The part of [`Engines`] for an element type.
pub trait EnginesFor<T> {
    /// Makes an engine that runs this kernel on these devices.
    fn engine(&self, devices: Devices, kernel: Kernel) -> Box<dyn Engine<T>>;
    /// Copies numbers to a device.
    ///
    /// # Errors
    /// An error of the device.
    fn upload(&self, ordinal: usize, numbers: &[T]) -> Result<Array<T>, Error>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::Index;

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
            signature: Signature { name: "f", variables: &[], targets: Index::I, values: 1, indices: 0 },
            sizes: Sizes { state_words: 1, block_targets: 1, tile_sources: 1, shared_bytes: 0, local_bytes: 0 },
        };
        let of = |capability| kernel.cubin("f", capability).map_or("none", |cubin| str::from_utf8(cubin).unwrap());
        let found = [75, 80, 86, 87, 89, 90, 100, 101, 109, 110, 8, 0].map(of);
        assert_eq!(found, ["none", "80", "86", "86", "89", "none", "100", "100", "100", "none", "none", "none"]);
    }
}
