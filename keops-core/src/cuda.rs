//! The CUDA engine, as calls know it: the crate keops-gpu has it, and the facade hands it to every call.

use core::fmt::Debug;

use crate::{
    arguments::View,
    cpu::Piece,
    device,
    error::Error,
    formula::{Formula, Variable},
    real::Element,
    reduction::{Reduction, components},
};

/// What is compiled for a formula with a reduction and an element type: its PTX, and what [`crate::device`] says about
/// it.
///
/// Nothing can check that the PTX does what these sizes say; a kernel that does not reads and writes memory of the
/// device that is not its own.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The PTX text of the module that has the kernels.
    pub ptx: &'static str,
    /// The name of the main kernel; that of the merge kernel is `<name>_merge`.
    pub name: String,
    /// The name of the formula, for messages.
    pub formula: &'static str,
    /// The variables, in the order of the arguments.
    pub variables: &'static [Variable],
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
}

impl Kernel {
    /// The kernel `name` of the module `ptx`, which was compiled for these types.
    #[must_use]
    pub fn new<T: Element, F: Formula, R: Reduction>(ptx: &'static str, name: String) -> Self {
        let components = components::<F>();
        Self {
            ptx,
            name,
            formula: F::NAME,
            variables: F::VARIABLES,
            values: R::values(components),
            indices: R::indices(components),
            state_words: device::state_words::<T, F, R>(),
            block_targets: device::block_targets::<T, F, R>(),
            tile_sources: device::tile_sources::<T, F, R>(),
            shared_bytes: device::shared_bytes::<T, F, R>(),
        }
    }

    /// The kernel of a formula with its reduction, if it was built.
    pub(crate) fn of<T: Element, F: Formula, R: Reduction>() -> Option<Self> {
        let cuda = F::CUDA?;
        let name = kernel_name(cuda.name, cuda.dims, T::NAME);
        let &(_, ptx) = cuda.modules.iter().find(|(built, _)| *built == name)?;
        Some(Self::new::<T, F, R>(ptx, name))
    }

    /// The name of the merge kernel.
    #[must_use]
    pub fn merge_name(&self) -> String {
        format!("{}_merge", self.name)
    }
}

fn kernel_name(formula: &str, dims: &[usize], element: &str) -> String {
    let dims: String = dims.iter().map(|dim| format!("_{dim}")).collect();
    format!("{formula}{dims}_{element}")
}

/// An engine that runs kernels on CUDA devices.
pub trait Engine: Debug + Sync {
    /// Whether there is such a device that can run the kernels; cheap after the first call.
    fn is_available(&self, ordinal: usize) -> bool;
    /// [`crate::cpu::reduce`] on a device.
    ///
    /// # Errors
    /// Those of [`crate::cpu::reduce`], and whatever the device says.
    fn reduce_f32(
        &self,
        ordinal: usize,
        kernel: &Kernel,
        views: &[View<'_, f32>],
        pieces: &mut [Piece<'_, f32>],
        indices: Option<&mut [u32]>,
    ) -> Result<(), Error>;
    /// [`crate::cpu::reduce`] on a device.
    ///
    /// # Errors
    /// Those of [`crate::cpu::reduce`], and whatever the device says.
    fn reduce_f64(
        &self,
        ordinal: usize,
        kernel: &Kernel,
        views: &[View<'_, f64>],
        pieces: &mut [Piece<'_, f64>],
        indices: Option<&mut [u32]>,
    ) -> Result<(), Error>;
}
