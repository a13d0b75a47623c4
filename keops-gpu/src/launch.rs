//! The kernels of a pass, launched by the driver with the parameters that `keops-core`'s `launch` says.

use core::{ffi::c_void, ops, ptr};

use cust::{
    error::{CudaError, CudaResult},
    stream::Stream,
};
use keops_core::{
    data::{Error, View},
    launch::{MERGED, Range, THREADS, TOTAL_BLOCKS, Unit},
    number::Scalar,
};

use crate::{
    Kernel,
    cut::Cut,
    device::{Gpu, LaunchError},
    failure,
    memory::{Allocation, MemoryPlan, Region},
    output::PARTIAL_BYTES,
};

/// Bytes of an address on the device.
const ADDRESS_BYTES: usize = 8;

/// The places of all data of a pass in its memory. Arguments that are on the device already, and results that stay there, have no
/// place in it.
pub(crate) struct Regions {
    /// The numbers of each variable; an empty region for a variable that is on the device.
    pub(crate) data: Vec<Region>,
    /// The addresses of `data`, for each batch.
    pub(crate) pointers: Region,
    pub(crate) ranges: Region,
    pub(crate) units: Region,
    pub(crate) values: Region,
    pub(crate) indices: Region,
    pub(crate) states: Region,
    /// The partial sums that the total kernel writes.
    pub(crate) partial: Region,
}

impl Regions {
    /// Lays out a pass with these numbers of rows of results and of batches, whose sources are split into `parts`.
    pub(crate) fn plan<T: Scalar>(
        kernel: &Kernel,
        [rows, batches]: [usize; 2],
        views: &[View<'_, T>],
        outputs: ScratchOutputs,
        parts: usize,
        cut: &Cut,
    ) -> (MemoryPlan, Self) {
        let ScratchOutputs { totals, values, indices } = outputs;
        let number = size_of::<T>();
        let rows = |width: usize| rows.saturating_mul(width);
        let rows_if = |wanted: bool, width: usize| if wanted { rows(width) } else { 0 };
        let states = if parts > 1 { rows(kernel.sizes.state_words).saturating_mul(parts) } else { 0 };
        let partial = if totals { TOTAL_BLOCKS.saturating_mul(kernel.signature.values) } else { 0 };
        let mut plan = MemoryPlan::default();
        let regions = Self {
            data: views.iter().map(|view| plan.region(view.host().map_or(0, <[T]>::len), number)).collect(),
            pointers: plan.region(views.len().saturating_mul(batches), ADDRESS_BYTES),
            ranges: plan.region(cut.ranges.len(), size_of::<Range>()),
            units: plan.region(cut.units.len(), size_of::<Unit>()),
            values: plan.region(rows_if(values, kernel.signature.values), number),
            indices: plan.region(rows_if(indices, kernel.signature.indices), size_of::<u32>()),
            states: plan.region(states, number),
            partial: plan.region(partial, PARTIAL_BYTES),
        };
        (plan, regions)
    }
}

/// The results that are in the memory of a pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScratchOutputs {
    /// Whether any piece is a total.
    pub(crate) totals: bool,
    /// Whether the values are in this memory, and not in memory that stays.
    pub(crate) values: bool,
    /// Whether the row numbers are in this memory, and not in memory that stays.
    pub(crate) indices: bool,
}

/// The addresses of a result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Results {
    pub(crate) values: u64,
    pub(crate) indices: u64,
}

/// Rows of bytes, one after another.
pub(crate) fn table<const N: usize>(rows: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
    rows.collect::<Vec<_>>().into_flattened()
}

/// A range as a kernel reads it.
pub(crate) fn range_bytes(&Range { first, end }: &Range) -> [u8; size_of::<Range>()] {
    words([first, end])
}

/// A unit as a kernel reads it.
pub(crate) fn unit_bytes(unit: &Unit) -> [u8; size_of::<Unit>()] {
    let &Unit { first_target, targets, first_range, ranges, part, first_row, data } = unit;
    words([first_target, targets, first_range, ranges, part, first_row, data])
}

fn words<const N: usize, const BYTES: usize>(words: [u32; N]) -> [u8; BYTES] {
    const { assert!(4 * N == BYTES) };
    let mut bytes = [0; BYTES];
    bytes.as_chunks_mut::<4>().0.iter_mut().zip(words).for_each(|(to, word)| *to = word.to_le_bytes());
    bytes
}

/// The kernels of a pass.
#[derive(Clone, Copy)]
pub(crate) struct Launches<'c> {
    pub(crate) kernel: &'c Kernel,
    /// The device that they run on, which is current.
    pub(crate) device: &'c Gpu,
    /// The number of rows of the result.
    pub(crate) rows: usize,
}

impl Launches<'_> {
    /// The error that the main kernel failed.
    pub(crate) fn failed(&self, error: CudaError) -> Error {
        failure::cuda(format!("the kernel {}", self.kernel.name), error)
    }

    /// Launches the main kernel for some of the units; `parts` is the number of parts that the sources are split into.
    pub(crate) fn main(
        &self,
        memory: &Allocation,
        regions: &Regions,
        results: Results,
        stream: &Stream,
        (units, parts): (ops::Range<usize>, usize),
    ) -> Result<(), Error> {
        let kernel = self.kernel;
        let address = |region| memory.address(region);
        let (data, ranges) = (address(regions.pointers), address(regions.ranges));
        let list = address(regions.units) + (units.start * size_of::<Unit>()) as u64;
        let (Results { values, indices }, states) = (results, address(regions.states));
        let (targets, parts_u32) = (self.count(self.rows)?, self.count(parts)?);
        let parameters = [
            parameter(&data),
            parameter(&list),
            parameter(&ranges),
            parameter(&values),
            parameter(&indices),
            parameter(&states),
            parameter(&targets),
            parameter(&parts_u32),
        ];
        // SAFETY: these are the parameters of the main kernel, and the memory that they point to is as large as the contract says.
        unsafe { self.launch(&kernel.name, units.len(), kernel.sizes.shared_bytes, stream, &parameters) }
    }

    /// Launches the merge kernel, once for each stage, if there is more than one part.
    pub(crate) fn merge(
        &self,
        memory: &Allocation,
        regions: &Regions,
        results: Results,
        stream: &Stream,
        parts: usize,
    ) -> Result<(), Error> {
        let (Results { values, indices }, states) = (results, memory.address(regions.states));
        let (targets, parts_u32) = (self.count(self.rows)?, self.count(parts)?);
        let mut apart = 1;
        while apart < parts {
            let apart_u32 = self.count(apart)?;
            let parameters = [
                parameter(&states),
                parameter(&values),
                parameter(&indices),
                parameter(&targets),
                parameter(&parts_u32),
                parameter(&apart_u32),
            ];
            apart = apart.saturating_mul(MERGED);
            let threads = self.rows.saturating_mul(parts.div_ceil(apart));
            self.count(threads)?;
            // SAFETY: these are the parameters of the merge kernel, and the memory that they point to is as large as the contract says.
            unsafe { self.launch(&self.kernel.merge_name(), threads.div_ceil(THREADS), 0, stream, &parameters)? };
        }
        Ok(())
    }

    /// Launches the total kernel, whose name depends on the element type.
    pub(crate) fn total(&self, values: u64, partial: u64, stream: &Stream, name: &str) -> Result<(), Error> {
        let (rows, width) = (self.count(self.rows)?, self.count(self.kernel.signature.values)?);
        let parameters = [parameter(&values), parameter(&partial), parameter(&rows), parameter(&width)];
        // SAFETY: these are the parameters of the total kernel, and the memory that they point to is as large as the contract says.
        unsafe { self.launch(name, TOTAL_BLOCKS, 0, stream, &parameters) }
    }

    /// A number as the `u32` that a kernel takes; an error if it is larger.
    fn count(&self, number: usize) -> Result<u32, Error> {
        u32::try_from(number).map_err(|_| self.failed(CudaError::InvalidValue))
    }

    /// Launches the kernel `name` with `blocks` blocks of [`THREADS`] threads.
    ///
    /// # Safety
    /// `parameters` must be the addresses of the kernel's parameters. Memory that the parameters point to must live until the
    /// stream has been synchronized.
    unsafe fn launch(
        &self,
        name: &str,
        blocks: usize,
        shared_bytes: usize,
        stream: &Stream,
        parameters: &[*mut c_void],
    ) -> Result<(), Error> {
        let loaded = self.device.module(self.kernel, name)?;
        let function = loaded.module.get_function(name).map_err(|error| match error {
            CudaError::NotFound => failure::no_kernel(self.kernel.signature.name, name),
            error => failure::cuda(format!("looking for the kernel {name}"), error),
        })?;
        let launched = || -> CudaResult<()> {
            let count = |number| u32::try_from(number).map_err(|_| CudaError::InvalidValue);
            let (blocks, threads, shared) = (count(blocks)?, count(THREADS)?, count(shared_bytes)?);
            // SAFETY: the caller's promise.
            unsafe { stream.launch(&function, blocks, threads, shared, parameters) }
        };
        self.device.with_local(loaded.local_bytes, launched).map_err(|error| match error {
            LaunchError::Memory(error) => error,
            LaunchError::Failed(error) => failure::cuda(format!("launching the kernel {name}"), error),
        })
    }
}

/// The address of a parameter.
fn parameter<P>(value: &P) -> *mut c_void {
    ptr::from_ref(value).cast_mut().cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_little_endian() {
        let range = Range { first: 0x0102_0304, end: 5 };
        assert_eq!(table([range, range].iter().map(range_bytes)), [4, 3, 2, 1, 5, 0, 0, 0, 4, 3, 2, 1, 5, 0, 0, 0]);
        let unit = Unit { first_target: 1, targets: 2, first_range: 3, ranges: 4, part: 5, first_row: 6, data: 7 };
        let bytes: Vec<u8> = (1..=7).flat_map(|word: u32| word.to_le_bytes()).collect();
        assert_eq!(unit_bytes(&unit)[..], bytes);
    }
}
