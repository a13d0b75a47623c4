//! A call, from the arguments to the results.
//!
//! Everything goes through one stream, in this order; the host waits when it needs what is there:
//!
//! ```text
//! arguments and tables to the device -> main kernel -> merge kernel, if the sources are split
//!     -> total kernel, if any piece is a total -> results to the host, or columns of them to memory that stays
//! ```
//!
//! On several devices each has a share of the targets, and a thread of the host.

use core::{mem, ops::Range};
use std::{sync::Arc, thread};

use cust::{
    error::{CudaError, CudaResult},
    stream::Stream,
    sys::{CUDA_MEMCPY2D, CUmemorytype, CUresult, cuMemcpy2DAsync_v2},
};
use keops_core::{
    data::{Array, Error, Stored, To, View, room},
    formula::Role,
    number::Scalar,
    problem::{self, Batches, Meter, Piece, Place, Problem, Shape, cuda::Devices},
    reduction::Total,
};

use crate::{
    Kernel,
    cut::{self, Job, Sizes},
    device::{self, Device, Lane},
    failure,
    launch::{Launches, Outputs, Regions, Results, range_bytes, table, unit_bytes},
    memory::{Kept, free_bytes},
    numbers::Numbers,
    output,
};

/// Computes a_i = Reduction_j f(p, x_i, y_j) for all targets i on CUDA devices, for the formula and reduction that `kernel`
/// was compiled for.
///
/// # Errors
/// No such device; arguments on another device; results that are to stay on several devices; a module that has no such
/// kernel; less free memory than the call needs; any error of the driver.
pub fn reduce<T: Scalar + Stored>(
    devices: Devices,
    kernel: &Kernel,
    problem: &Problem<'_, T>,
    outputs: &mut problem::Outputs<'_, '_, T>,
) -> Result<(), Error> {
    let widened: Vec<_>;
    let mut views = problem.views();
    if views.iter().any(|view| view.halves().is_some()) {
        widened = views.iter().map(View::widened).collect();
        views = &widened;
    }
    let (shape, pairs, batches) = (problem.shape(), problem.pairs(), problem.batches());
    let problem::Outputs { pieces, indices } = outputs;
    let numbers = Numbers::new().ok_or_else(|| failure::no_kernel(kernel.signature.name, &kernel.name))?;
    let job = Job { shape, pattern: pairs.pattern, rows: [0, shape.rows()], variables: views.len() };
    let meter = pairs.meter(shape);
    let call = Call { kernel, numbers, views, batches, job, meter: meter.as_ref() };
    let mut ordinals = match devices {
        Devices::One(ordinal) => vec![ordinal],
        Devices::All => {
            device::devices()?;
            device::available().collect()
        }
    };
    ordinals.truncate(shape.rows().div_ceil(kernel.sizes.block_targets.max(1)).max(1));
    // where there is none, opening it says why
    let first = ordinals.first().copied().unwrap_or(0);
    let is_array = |piece: &Piece<'_, T>| matches!(piece.to, To::Array(_));
    if devices == Devices::All && (pieces.iter().any(is_array) || matches!(indices, To::Array(_))) {
        return Err(Error::NotOnePlace);
    }
    let totals = match ordinals.len() {
        0 | 1 => call.on(first, pieces, indices)?,
        _ => call.on_all(&ordinals, pieces, indices)?,
    };
    leave_totals(first, numbers, &totals, pieces)?;
    if let Some(meter) = meter {
        meter.finish();
    }
    Ok(())
}

/// Copies numbers to memory of a CUDA device that stays.
///
/// # Errors
/// No such device; less free memory than they need; any error of the driver.
///
/// ```
/// use keops_core::data::Error;
///
/// let error = keops_gpu::upload(999, &[1.0_f32, 2.0]).unwrap_err();
/// assert!(matches!(error, Error::NoCudaDevice { ordinal: 999, .. }));
/// if keops_gpu::is_available(0) {
///     assert_eq!(keops_gpu::upload(0, &[1.0_f32, 2.0])?.len(), 2);
/// }
/// # Ok::<(), Error>(())
/// ```
pub fn upload<T: Scalar + Stored>(ordinal: usize, from: &[T]) -> Result<Array<T>, Error> {
    let device = Device::open(ordinal)?;
    let numbers = Numbers::new().ok_or_else(|| failure::cuda("copying to the device", CudaError::InvalidValue))?;
    Kept::upload(&device, numbers, from).map(Kept::into_array)
}

/// Writes the totals of all columns to the pieces that are totals.
fn leave_totals<T: Scalar + Stored>(
    ordinal: usize,
    numbers: Numbers<T>,
    totals: &[Total],
    pieces: &mut [Piece<'_, T>],
) -> Result<(), Error> {
    let mut columns = totals.iter();
    for piece in pieces {
        let of_piece = columns.by_ref().take(piece.width);
        if piece.place != Place::Total {
            of_piece.for_each(drop);
            continue;
        }
        let rounded = of_piece.map(|total| T::of_f64(total.value()));
        match &mut piece.to {
            To::Host(to) => to.iter_mut().zip(rounded).for_each(|(to, total)| *to = total),
            To::Array(array) => {
                let rounded: Vec<T> = rounded.collect();
                **array = Kept::upload(&Device::open(ordinal)?, numbers, &rounded)?.into_array();
            }
        }
    }
    Ok(())
}

/// A call whose arguments fit.
struct Call<'c, T: Scalar + Stored> {
    kernel: &'c Kernel,
    numbers: Numbers<T>,
    views: &'c [View<'c, T>],
    batches: &'c Batches,
    job: Job<'c>,
    /// Counts the pairs that are done.
    meter: Option<&'c Meter>,
}

impl<T: Scalar + Stored> Call<'_, T> {
    /// Runs on one device. The answer are the totals of all columns, if any piece is one.
    fn on(&self, ordinal: usize, pieces: &mut [Piece<'_, T>], indices: &mut To<'_, u32>) -> Result<Vec<Total>, Error> {
        let Call { kernel, job, .. } = *self;
        let device = Device::open(ordinal)?;
        let _restore = device.make_current()?;
        if job.count() == 0 {
            for piece in pieces.iter_mut().filter(|piece| piece.place == Place::Rows) {
                if let To::Array(array) = &mut piece.to {
                    **array = Kept::allocate(&device, 0)?.into_array();
                }
            }
            if let To::Array(array) = indices {
                **array = Kept::allocate(&device, 0)?.into_array();
            }
            return Ok(output::totals(&[], kernel.signature.values));
        }
        let launches = Launches { kernel, device: &device, rows: job.count() };
        device.with_lane(|lane| self.run(&device, &launches, lane, pieces, indices))
    }

    /// Runs on these devices.
    fn on_all(
        &self,
        ordinals: &[usize],
        pieces: &mut [Piece<'_, T>],
        indices: &mut To<'_, u32>,
    ) -> Result<Vec<Total>, Error> {
        let Call { kernel, job, .. } = *self;
        let (shape, shares) = (job.shape, ordinals.len());
        let indices = match indices {
            To::Host(indices) => &mut **indices,
            To::Array(_) => return Err(Error::NotOnePlace),
        };
        let mut jobs = Vec::with_capacity(shares);
        let mut rest = Vec::with_capacity(pieces.len());
        for piece in pieces.iter_mut() {
            match &mut piece.to {
                To::Host(data) => rest.push((piece.width, piece.place, &mut **data)),
                To::Array(_) => return Err(Error::NotOnePlace),
            }
        }
        let mut rest_of_indices = indices;
        for share in 0..shares {
            let range = part(shape.rows(), share, shares);
            // A device needs its own targets only; but what is not all pairs of one batch is counted from the first one.
            let own = shape.batches == 1 && job.pattern.is_none();
            let views = self.views.iter().zip(kernel.signature.variables).map(|(view, variable)| {
                let rows = if variable.role == Role::Target { range.clone() } else { 0..view.rows() };
                view.part(rows).ok_or(Error::NotOnePlace)
            });
            let views = if own { views.collect::<Result<Vec<_>, _>>()? } else { Vec::new() };
            let job = if own {
                let shape = Shape { targets: range.len(), ..shape };
                Job { shape, rows: [0, range.len()], ..job }
            } else {
                Job { rows: [range.start, range.end], ..job }
            };
            let mut outputs = Vec::with_capacity(rest.len());
            for (width, place, data) in &mut rest {
                let count = if *place == Place::Rows { range.len() * *width } else { 0 };
                outputs.push(Piece {
                    width: *width,
                    place: *place,
                    to: To::Host(data.split_off_mut(..count).unwrap_or_default()),
                });
            }
            let indices = rest_of_indices.split_off_mut(..range.len() * kernel.signature.indices).unwrap_or_default();
            jobs.push((job, views, outputs, indices));
        }
        let results: Vec<Result<Vec<Total>, Error>> = thread::scope(|scope| {
            let mut threads = Vec::with_capacity(shares);
            for (&ordinal, (job, own, mut outputs, indices)) in ordinals.iter().zip(jobs) {
                threads.push(thread::Builder::new().spawn_scoped(scope, move || {
                    let views = if own.is_empty() { self.views } else { &own };
                    let call =
                        Call { kernel, numbers: self.numbers, views, batches: self.batches, job, meter: self.meter };
                    call.on(ordinal, &mut outputs, &mut To::Host(indices))
                }));
            }
            let failed = || failure::cuda("starting a thread for each device", CudaError::OperatingSystemError);
            threads.into_iter().map(|thread| thread.ok().and_then(|t| t.join().ok()).ok_or_else(failed)?).collect()
        });
        let mut totals = output::totals(&[], kernel.signature.values);
        for result in results {
            totals.iter_mut().zip(result?).for_each(|(sum, part)| sum.merge(&part));
        }
        Ok(totals)
    }

    /// [`Self::on`] with the device current and some targets.
    fn run(
        &self,
        device: &Arc<Device>,
        launches: &Launches<'_>,
        lane: &mut Lane,
        pieces: &mut [Piece<'_, T>],
        indices: &mut To<'_, u32>,
    ) -> Result<Vec<Total>, Error> {
        let Call { kernel, numbers, views, batches, job, meter } = *self;
        let rows = job.count();
        let width = kernel.signature.values;
        let whole = output::whole(pieces, width);
        let is_array = |piece: usize| matches!(pieces[piece].to, To::Array(_));
        let outputs = Outputs {
            totals: output::has(pieces, Place::Total),
            values: !whole.is_some_and(is_array),
            indices: matches!(indices, To::Host(_)),
        };
        let kept = KeptOutputs::sizes::<T>(rows, kernel, whole, pieces, indices);

        // How the work is cut, and memory for it: what the lane has already, if that is enough.
        let sizes = Sizes {
            block_targets: kernel.sizes.block_targets,
            tile_sources: kernel.sizes.tile_sources,
            state_bytes: kernel.sizes.state_words.saturating_mul(size_of::<T>()),
            multiprocessors: device.multiprocessors,
            memory: device.memory / 8,
            local_bytes: device.most_local_bytes(),
        };
        let plan_for = |parts| {
            let cut = cut::cut(&job, &sizes, parts).ok_or_else(|| launches.failed(CudaError::InvalidValue))?;
            let (plan, regions) = Regions::plan(kernel, [rows, batches.count()], views, outputs, parts, &cut);
            Ok((cut, plan, regions))
        };
        let mut parts = cut::parts(&job, &sizes);
        let (mut cut, mut plan, mut regions) = plan_for(parts)?;
        if plan.bytes() > lane.scratch_bytes() || kept.bytes() > 0 {
            if plan.bytes() > lane.scratch_bytes() {
                lane.release();
            }
            let needed = |bytes: usize| bytes.saturating_add(kept.bytes());
            let mut free = free_bytes()?.saturating_add(lane.scratch_bytes());
            if needed(plan.bytes()) > free {
                device.release_idle();
                free = free_bytes()?.saturating_add(lane.scratch_bytes());
            }
            if parts > 1 && needed(plan.bytes()) > free {
                parts = 1;
                (cut, plan, regions) = plan_for(parts)?;
            }
            if needed(plan.bytes()) > free {
                return Err(failure::memory(needed(plan.bytes()), free));
            }
        }
        #[cfg(feature = "tracing")]
        crate::event::pass::<T>(kernel, device, &job, (cut.units.len(), parts), meter.is_some());
        let mut kept = kept.allocate(device)?;
        let (memory, staging, stream) = lane.scratch(plan.bytes())?;

        // The arguments and tables.
        let mut addresses = Vec::with_capacity(views.len());
        let mut sent = Vec::with_capacity(views.len() + 3);
        for ((view, &region), variable) in views.iter().zip(&regions.data).zip(kernel.signature.variables) {
            if let Some(data) = view.host() {
                addresses.push(memory.address(region));
                sent.push((region.offset(), numbers.bytes(data)));
            } else {
                let there = view.memory().and_then(|memory| memory.as_any().downcast_ref::<Kept>());
                let there = there.filter(|there| there.bytes() == size_of::<T>().saturating_mul(view.len()));
                let other = || Error::OtherDevice {
                    variable: variable.name,
                    place: view.device().unwrap_or_default(),
                    device: Devices::One(device.ordinal()).into(),
                };
                let there = there.filter(|_| view.device() == Some(Devices::One(device.ordinal()).into()));
                addresses.push(there.ok_or_else(other)?.start());
            }
        }
        let mut pointers = Vec::with_capacity(addresses.len().saturating_mul(batches.count()));
        for batch in 0..batches.count() {
            for (number, (address, view)) in addresses.iter().zip(views).enumerate() {
                let first = batches.of(number, batch) * (view.len() / view.batches()) * size_of::<T>();
                pointers.extend_from_slice(&(address + first as u64).to_le_bytes());
            }
        }
        let (ranges, units) = (table(cut.ranges.iter().map(range_bytes)), table(cut.units.iter().map(unit_bytes)));
        for (region, table) in [(regions.pointers, &pointers), (regions.ranges, &ranges), (regions.units, &units)] {
            sent.push((region.offset(), table));
        }
        debug_assert!(sent.is_sorted_by_key(|&(offset, _)| offset), "regions are in the order of their making");
        let pending = Pending(stream);
        // SAFETY: the regions are in the memory, which is there until `pending` has waited.
        unsafe { staging.upload(memory.start(), &sent, stream) }
            .map_err(|error| failure::cuda(format!("copying the arguments of `{}`", kernel.signature.name), error))?;

        // The kernels.
        let results = Results {
            values: kept.values().unwrap_or_else(|| memory.address(regions.values)),
            indices: kept.indices().unwrap_or_else(|| memory.address(regions.indices)),
        };
        match meter {
            None => launches.main(memory, &regions, results, stream, (0..cut.units.len(), parts))?,
            Some(meter) => {
                for units in cut.launches(&sizes) {
                    let pairs = cut.pairs(units.clone());
                    launches.main(memory, &regions, results, stream, (units, parts))?;
                    stream.synchronize().map_err(|error| launches.failed(error))?;
                    meter.add(pairs);
                }
            }
        }
        launches.merge(memory, &regions, results, stream, parts)?;
        let partial = memory.address(regions.partial);
        if outputs.totals {
            launches.total(results.values, partial, stream, numbers.total_kernel())?;
        }
        let failed = |error| launches.failed(error);
        let mut column = 0;
        for (number, piece) in pieces.iter().enumerate() {
            if let (true, Some(to)) = (whole != Some(number), kept.piece(number)) {
                let columns = Columns { from: results.values, width, column, to, to_width: piece.width };
                // SAFETY: both are memory for that many rows, there until `pending` has waited.
                unsafe { columns.copy::<T>(rows, stream) }?;
            }
            column += piece.width;
        }

        // The results.
        let mut sums = vec![0; regions.partial.bytes()];
        // SAFETY: the region, which is there.
        unsafe { staging.download(partial, &mut sums, stream) }.map_err(failed)?;
        if let (Some(To::Host(to)), true) = (whole.map(|number| &mut pieces[number].to), outputs.values) {
            // SAFETY: the region, which is there, and which the check of the outputs says is as long.
            unsafe { staging.download(results.values, numbers.bytes_mut(to), stream) }.map_err(failed)?;
        } else if pieces.iter().any(|piece| piece.place == Place::Rows && piece.width > 0 && is_host(piece)) {
            let mut all = room(rows, width)?;
            // SAFETY: the region, which is there and as long.
            unsafe { staging.download(results.values, numbers.bytes_mut(&mut all), stream) }.map_err(failed)?;
            let mut column = 0;
            for piece in pieces.iter_mut() {
                if let (To::Host(to), Place::Rows, 1..) = (&mut piece.to, piece.place, piece.width) {
                    output::write_rows(&all, width, column, to, piece.width);
                }
                column += piece.width;
            }
        }
        if let (To::Host(to), Some(row_numbers)) = (&mut *indices, Numbers::<u32>::new()) {
            // SAFETY: the region, which is there, and which the check of the outputs says is as long.
            unsafe { staging.download(results.indices, row_numbers.bytes_mut(to), stream) }.map_err(failed)?;
        }
        pending.wait().map_err(failed)?;
        kept.leave(pieces, indices);
        Ok(if outputs.totals { output::totals(&sums, width) } else { Vec::new() })
    }
}

fn is_host<T>(piece: &Piece<'_, T>) -> bool {
    matches!(piece.to, To::Host(_))
}

/// The targets of share number `share`.
fn part(targets: usize, share: usize, shares: usize) -> Range<usize> {
    let (least, more) = (targets / shares, targets % shares);
    let start = |share: usize| share * least + share.min(more);
    start(share)..start(share + 1)
}

/// How much memory the outputs take that stay on the device.
struct Stay {
    /// For each piece.
    pieces: Vec<Option<usize>>,
    /// The piece that is the whole result.
    whole: Option<usize>,
    indices: Option<usize>,
}

/// The outputs that stay on the device.
struct KeptOutputs {
    pieces: Vec<Option<Kept>>,
    whole: Option<usize>,
    indices: Option<Kept>,
}

impl KeptOutputs {
    /// Which outputs stay, and how many bytes they have.
    fn sizes<T: Scalar + Stored>(
        rows: usize,
        kernel: &Kernel,
        whole: Option<usize>,
        pieces: &[Piece<'_, T>],
        indices: &To<'_, u32>,
    ) -> Stay {
        let bytes = |width: usize, size: usize| rows.saturating_mul(width).saturating_mul(size);
        let of_piece = |piece: &Piece<'_, T>| {
            let stays = piece.place == Place::Rows && matches!(piece.to, To::Array(_));
            stays.then(|| bytes(piece.width, size_of::<T>()))
        };
        Stay {
            pieces: pieces.iter().map(of_piece).collect(),
            whole,
            indices: matches!(indices, To::Array(_)).then(|| bytes(kernel.signature.indices, size_of::<u32>())),
        }
    }

    /// The address of all values, if they stay.
    fn values(&self) -> Option<u64> {
        self.piece(self.whole?)
    }

    /// The address of a piece that stays.
    fn piece(&self, number: usize) -> Option<u64> {
        self.pieces.get(number)?.as_ref().map(Kept::start)
    }

    /// The address of the row numbers, if they stay.
    fn indices(&self) -> Option<u64> {
        self.indices.as_ref().map(Kept::start)
    }

    /// Hands them to the caller.
    fn leave<T: Scalar + Stored>(&mut self, pieces: &mut [Piece<'_, T>], indices: &mut To<'_, u32>) {
        for (piece, kept) in pieces.iter_mut().zip(&mut self.pieces) {
            if let (To::Array(array), Some(kept)) = (&mut piece.to, kept.take()) {
                **array = kept.into_array();
            }
        }
        if let (To::Array(array), Some(kept)) = (indices, self.indices.take()) {
            **array = kept.into_array();
        }
    }
}

impl Stay {
    /// All of it.
    fn bytes(&self) -> usize {
        self.pieces.iter().chain([&self.indices]).flatten().fold(0, |sum, &bytes| sum.saturating_add(bytes))
    }

    /// Allocates it on the current device.
    fn allocate(self, device: &Arc<Device>) -> Result<KeptOutputs, Error> {
        let allocate = |bytes: Option<usize>| bytes.map(|bytes| Kept::allocate(device, bytes)).transpose();
        Ok(KeptOutputs {
            pieces: self.pieces.into_iter().map(allocate).collect::<Result<_, _>>()?,
            whole: self.whole,
            indices: allocate(self.indices)?,
        })
    }
}

/// Columns of rows on the device that go to rows of their own.
struct Columns {
    /// Rows of `width` numbers.
    from: u64,
    width: usize,
    /// The first column.
    column: usize,
    /// Rows of `to_width` numbers.
    to: u64,
    to_width: usize,
}

impl Columns {
    /// Copies them, in the order of the stream.
    ///
    /// # Safety
    /// There are so many rows on both sides, until the stream has been synchronized.
    unsafe fn copy<T>(&self, rows: usize, stream: &Stream) -> Result<(), Error> {
        if self.to_width == 0 {
            return Ok(());
        }
        let bytes = |numbers: usize| numbers * size_of::<T>();
        let copy = CUDA_MEMCPY2D {
            srcXInBytes: bytes(self.column),
            srcY: 0,
            srcMemoryType: CUmemorytype::CU_MEMORYTYPE_DEVICE,
            srcHost: core::ptr::null(),
            srcDevice: self.from,
            srcArray: core::ptr::null_mut(),
            srcPitch: bytes(self.width),
            dstXInBytes: 0,
            dstY: 0,
            dstMemoryType: CUmemorytype::CU_MEMORYTYPE_DEVICE,
            dstHost: core::ptr::null_mut(),
            dstDevice: self.to,
            dstArray: core::ptr::null_mut(),
            dstPitch: bytes(self.to_width),
            WidthInBytes: bytes(self.to_width),
            Height: rows,
        };
        // SAFETY: the caller's promise; the description is read before the call returns.
        match unsafe { cuMemcpy2DAsync_v2(&raw const copy, stream.as_inner()) } {
            CUresult::CUDA_SUCCESS => Ok(()),
            // which one, the driver crate knows
            _ => Err(failure::cuda("copying columns of the result", CudaError::UnknownError)),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_all_targets() {
        for (targets, shares) in [(1, 1), (10, 3), (4, 4), (1000, 7)] {
            let mut next = 0;
            for share in 0..shares {
                let range = part(targets, share, shares);
                assert_eq!(range.start, next);
                next = range.end;
            }
            assert_eq!(next, targets);
        }
    }
}
