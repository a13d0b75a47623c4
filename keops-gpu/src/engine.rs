//! A call, from the arguments to the results.
//!
//! Everything goes through one stream, in this order, and the host waits once, at the end:
//!
//! ```text
//! arguments and tables to the device -> main kernel -> merge kernel, if the sources are split
//!     -> total kernel, if any piece is a total -> results to the host
//! ```

use core::mem;

use cust::{
    error::{CudaError, CudaResult},
    stream::Stream,
};
use keops_core::{
    arguments::View,
    cpu::{Piece, Place, check_outputs, shape},
    error::Error,
    real::Element,
};

use crate::{
    Kernel,
    cut::{self, Sizes},
    device::Device,
    failure,
    launch::{Launches, Regions, range_bytes, table, unit_bytes},
    memory::{Memory, free_bytes},
    numbers::{Numbers, index_bytes_mut},
    output,
};

/// Computes a_i = Reduction_j f(p, x_i, y_j) for all targets i on the CUDA device `ordinal`.
///
/// Arguments and outputs are those of [`keops_core::cpu::reduce`], for the formula that `kernel` was compiled for.
///
/// # Errors
/// Arguments that do not fit the formula or each other, and outputs that do not fit the result, as on the CPU; no such
/// device; a module that has no such kernel; less free memory than the call needs; any error of the driver.
pub fn reduce<T: Element>(
    ordinal: usize,
    kernel: &Kernel,
    views: &[View<'_, T>],
    pieces: &mut [Piece<'_, T>],
    indices: Option<&mut [u32]>,
) -> Result<(), Error> {
    let shape = shape(kernel.formula, kernel.variables, views)?;
    let indices = indices.unwrap_or_default();
    check_outputs(kernel.formula, (kernel.values, kernel.indices), shape, pieces, indices)?;
    let device = Device::open(ordinal)?;
    let numbers = Numbers::new().ok_or_else(|| failure::no_kernel(kernel.formula, &kernel.name))?;
    if shape.targets == 0 {
        output::write_totals(&output::totals(&[], kernel.values), pieces);
        return Ok(());
    }
    let _restore = device.make_current()?;
    let module = device.module(kernel)?;
    let launches = Launches { kernel, module: &module, shape };
    device.with_stream(|stream| run(&device, &launches, numbers, stream, views, pieces, indices))
}

/// [`reduce`] with arguments that are known to fit, some targets, and the device current.
fn run<T: Element>(
    device: &Device,
    launches: &Launches<'_>,
    numbers: Numbers<T>,
    stream: &Stream,
    views: &[View<'_, T>],
    pieces: &mut [Piece<'_, T>],
    indices: &mut [u32],
) -> Result<(), Error> {
    let Launches { kernel, shape, .. } = *launches;
    let width = kernel.values;
    let (rows, totals) = (output::has(pieces, Place::Rows), output::has(pieces, Place::Total));

    let free = free_bytes()?;
    let sizes = Sizes {
        block_targets: kernel.block_targets,
        tile_sources: kernel.tile_sources,
        state_bytes: kernel.state_words.saturating_mul(size_of::<T>()),
        multiprocessors: device.multiprocessors,
        memory: free / 4,
    };
    let mut parts = cut::parts(shape, &sizes);
    let plan_for = |parts| Regions::plan(kernel, shape, views, totals, parts, cut::counts(shape, &sizes, parts));
    let (mut plan, mut regions) = plan_for(parts);
    if parts > 1 && plan.bytes() > free {
        parts = 1;
        (plan, regions) = plan_for(parts);
    }
    let memory = Memory::allocate(plan, free)?;
    let cut = cut::cut(shape, &sizes, parts).ok_or_else(|| launches.failed(CudaError::InvalidValue))?;
    let pointers = table(regions.data.iter().map(|&region| memory.address(region).to_le_bytes()));
    let (ranges, units) = (table(cut.ranges.iter().map(range_bytes)), table(cut.units.iter().map(unit_bytes)));
    let mut partial = vec![0; regions.partial.bytes()];
    let mut host = Vec::new();
    let pending = Pending(stream);
    let sending = |error| failure::cuda(format!("copying the arguments of `{}`", kernel.formula), error);
    for (view, &region) in views.iter().zip(&regions.data) {
        // SAFETY: the views and the memory outlive `pending`, which waits for the stream.
        unsafe { memory.upload(region, numbers.bytes(view.data()), stream) }.map_err(sending)?;
    }
    for (region, table) in [(regions.pointers, &pointers), (regions.ranges, &ranges), (regions.units, &units)] {
        // SAFETY: as above; so do the tables.
        unsafe { memory.upload(region, table, stream) }.map_err(sending)?;
    }

    launches.reduce(&memory, &regions, stream, cut.units.len(), parts)?;
    let receiving = |error| failure::cuda(format!("copying the result of `{}`", kernel.formula), error);
    if totals {
        launches.total(&memory, &regions, stream, numbers.total_kernel())?;
        // SAFETY: the buffer and the memory outlive `pending`, which waits for the stream, and nothing touches it.
        unsafe { memory.download(regions.partial, &mut partial, stream) }.map_err(receiving)?;
    }
    if rows {
        let to = match output::whole(pieces, width) {
            Some(whole) => whole,
            None => {
                host = output::room(shape.targets, width)?;
                &mut host
            }
        };
        // SAFETY: as above; the pieces are the caller's.
        unsafe { memory.download(regions.values, numbers.bytes_mut(to), stream) }.map_err(receiving)?;
    }
    // SAFETY: as above; the row numbers are the caller's.
    unsafe { memory.download(regions.indices, index_bytes_mut(indices), stream) }.map_err(receiving)?;
    pending.wait().map_err(|error| launches.failed(error))?;

    if !host.is_empty() {
        output::write_rows(&host, width, pieces);
    }
    if totals {
        output::write_totals(&output::totals(&partial, width), pieces);
    }
    Ok(())
}

/// Work on a stream. However a call ends, the host waits for it before memory is let go that it uses.
struct Pending<'s>(&'s Stream);

impl Pending<'_> {
    /// Waits, and says whether everything went well.
    fn wait(self) -> CudaResult<()> {
        let result = self.0.synchronize();
        mem::forget(self);
        result
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        // There was an error already, which says more.
        let _ = self.0.synchronize();
    }
}
