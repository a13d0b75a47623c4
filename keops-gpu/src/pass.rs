//! A pass on CUDA devices: memory, copies and launches.
//!
//! Everything of a pass goes through one stream of its device, in this order. The host waits where it needs results:
//!
//! ```text
//! arguments and tables to the device -> main kernel -> merge kernel, if the sources are split
//!     -> total kernel, if any piece is a total -> columns of the results to memory that stays
//!     -> results to the host
//! ```

use core::{mem, ops::Range};
use std::{sync::Arc, thread};

use cust::{
    error::{CudaError, CudaResult},
    stream::Stream,
};
use keops_core::{
    data::{Error, Stored, To, View, room},
    formula::Role,
    number::Scalar,
    problem::{Batches, Meter, Piece, Place, Shape, cuda::Devices},
    reduction::Total,
};

use crate::{
    Kernel,
    cut::{self, Cut, CutSizes, Job},
    device::{Gpu, Workspace},
    failure,
    launch::{Launches, Regions, Results, ScratchOutputs, range_bytes, table, unit_bytes},
    memory::{Allocation, MemoryPlan, Resident, free_bytes},
    numbers::Numbers,
    output,
    resident::{Columns, ResidentOutputs, ResidentSizes},
    staging::Staging,
};

/// A pass over the pairs of a problem, with the kernel that computes it.
#[derive(Clone, Copy)]
pub(crate) struct DevicePass<'c, T: Scalar + Stored> {
    pub(crate) kernel: &'c Kernel,
    pub(crate) numbers: Numbers<T>,
    pub(crate) views: &'c [View<'c, T>],
    pub(crate) batches: &'c Batches,
    pub(crate) job: Job<'c>,
    /// Counts the pairs that are done.
    pub(crate) meter: Option<&'c Meter>,
}

/// The part of a pass that one of several devices computes.
struct Share<'s, T> {
    job: Job<'s>,
    /// The arguments with the targets of this share only; empty if the device gets all arguments.
    views: Vec<View<'s, T>>,
    pieces: Vec<Piece<'s, T>>,
    indices: &'s mut [u32],
}

/// How a pass is cut, and where its data are in the memory of the device.
struct Fitted {
    parts: usize,
    cut: Cut,
    plan: MemoryPlan,
    regions: Regions,
}

impl<'c, T: Scalar + Stored> DevicePass<'c, T> {
    /// Runs the pass on one device. Returns the totals of all columns, or none if no piece is a total.
    pub(crate) fn on(
        &self,
        ordinal: usize,
        pieces: &mut [Piece<'_, T>],
        indices: &mut To<'_, u32>,
    ) -> Result<Vec<Total>, Error> {
        let Self { kernel, job, .. } = *self;
        let device = Gpu::open(ordinal)?;
        let _restore = device.make_current()?;
        if job.count() == 0 {
            for piece in pieces.iter_mut().filter(|piece| piece.place == Place::Rows) {
                if let To::Array(array) = &mut piece.to {
                    **array = Resident::allocate(&device, 0)?.into_array();
                }
            }
            if let To::Array(array) = indices {
                **array = Resident::allocate(&device, 0)?.into_array();
            }
            return Ok(output::totals(&[], kernel.signature.values));
        }
        let launches = Launches { kernel, device: &device, rows: job.count() };
        device.with_workspace(|workspace| self.run(&device, &launches, workspace, pieces, indices))
    }

    /// Runs the pass on several devices: each has a share of the targets, and a thread of the host. Returns the totals of all
    /// columns.
    pub(crate) fn on_all(
        &self,
        ordinals: &[usize],
        pieces: &mut [Piece<'_, T>],
        indices: &mut To<'_, u32>,
    ) -> Result<Vec<Total>, Error> {
        let shares = self.shares(ordinals.len(), pieces, indices)?;
        let results: Vec<Result<Vec<Total>, Error>> = thread::scope(|scope| {
            let mut threads = Vec::with_capacity(shares.len());
            for (&ordinal, share) in ordinals.iter().zip(shares) {
                threads.push(thread::Builder::new().spawn_scoped(scope, move || {
                    let Share { job, views, mut pieces, indices } = share;
                    let views = if views.is_empty() { self.views } else { &views };
                    let pass = DevicePass { views, job, ..*self };
                    pass.on(ordinal, &mut pieces, &mut To::Host(indices))
                }));
            }
            let failed = || failure::cuda("starting a thread for each device", CudaError::OperatingSystemError);
            threads.into_iter().map(|thread| thread.ok().and_then(|t| t.join().ok()).ok_or_else(failed)?).collect()
        });
        let mut totals = output::totals(&[], self.kernel.signature.values);
        for result in results {
            totals.iter_mut().zip(result?).for_each(|(sum, part)| sum.merge(&part));
        }
        Ok(totals)
    }

    /// Divides the targets, and the memory of the outputs, among so many devices.
    fn shares<'s>(
        &self,
        count: usize,
        pieces: &'s mut [Piece<'_, T>],
        indices: &'s mut To<'_, u32>,
    ) -> Result<Vec<Share<'s, T>>, Error>
    where
        'c: 's,
    {
        let Self { kernel, job, .. } = *self;
        let shape = job.shape;
        let To::Host(rest_of_indices) = indices else { return Err(Error::NotOnePlace) };
        let mut rest_of_indices = &mut **rest_of_indices;
        let mut rest = Vec::with_capacity(pieces.len());
        for piece in pieces.iter_mut() {
            match &mut piece.to {
                To::Host(data) => rest.push((piece.width, piece.place, &mut **data)),
                To::Array(_) => return Err(Error::NotOnePlace),
            }
        }
        let mut shares = Vec::with_capacity(count);
        for number in 0..count {
            let range = share_of(shape.rows(), number, count);
            // A device needs its own targets only. The rows of several batches, and of a pattern, are counted from the first one.
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
            let mut pieces = Vec::with_capacity(rest.len());
            for (width, place, data) in &mut rest {
                let count = if *place == Place::Rows { range.len() * *width } else { 0 };
                let data = data.split_off_mut(..count).unwrap_or_default();
                pieces.push(Piece { width: *width, place: *place, to: To::Host(data) });
            }
            let indices = rest_of_indices.split_off_mut(..range.len() * kernel.signature.indices).unwrap_or_default();
            shares.push(Share { job, views, pieces, indices });
        }
        Ok(shares)
    }

    /// Runs the pass on the current device, in a workspace.
    fn run(
        &self,
        device: &Arc<Gpu>,
        launches: &Launches<'_>,
        workspace: &mut Workspace,
        pieces: &mut [Piece<'_, T>],
        indices: &mut To<'_, u32>,
    ) -> Result<Vec<Total>, Error> {
        let (rows, width) = (self.job.count(), self.kernel.signature.values);
        let whole = output::whole(pieces, width);
        let is_array = |piece: usize| matches!(pieces[piece].to, To::Array(_));
        let outputs = ScratchOutputs {
            totals: output::has(pieces, Place::Total),
            values: !whole.is_some_and(is_array),
            indices: matches!(indices, To::Host(_)),
        };
        let resident = ResidentSizes::of::<T>(rows, self.kernel, whole, pieces, indices);
        let sizes = self.sizes(device);
        let fitted = self.fit(device, launches, workspace, outputs, &sizes, resident.bytes())?;
        #[cfg(feature = "tracing")]
        {
            let cut = (fitted.cut.units.len(), fitted.parts);
            crate::event::pass::<T>(self.kernel, device, &self.job, cut, self.meter.is_some());
        }
        let resident = resident.allocate(device)?;
        let (memory, staging, stream) = workspace.scratch(fitted.plan.bytes())?;
        let regions = &fitted.regions;
        let results = Results {
            values: resident.values().unwrap_or_else(|| memory.address(regions.values)),
            indices: resident.indices().unwrap_or_else(|| memory.address(regions.indices)),
        };

        let addresses = self.addresses(device, memory, regions)?;
        let pending = Pending(stream);
        // SAFETY: the plan of the memory is that of the regions, and the memory lives until `pending` has waited.
        unsafe { self.send(&addresses, &fitted, (memory, staging, stream)) }?;
        self.launch(launches, &fitted, &sizes, results, (memory, stream))?;
        if outputs.totals {
            launches.total(results.values, memory.address(regions.partial), stream, self.numbers.total_kernel())?;
        }
        // SAFETY: the memory of the results and of the pieces has so many rows, and lives until `pending` has waited.
        unsafe { copy_columns::<T>(pieces, whole, &resident, (results.values, width, rows), stream) }?;

        let mut sums = vec![0; regions.partial.bytes()];
        // SAFETY: the region, which lives until `pending` has waited.
        unsafe { staging.download(memory.address(regions.partial), &mut sums, stream) }
            .map_err(|error| launches.failed(error))?;
        let whole = whole.filter(|_| outputs.values);
        // SAFETY: the memory of the results is as long as the check of the outputs says, and lives until `pending` has waited.
        unsafe { self.receive(launches, results, (staging, stream), whole, pieces, indices) }?;
        pending.wait().map_err(|error| launches.failed(error))?;
        resident.leave(pieces, indices);
        Ok(if outputs.totals { output::totals(&sums, width) } else { Vec::new() })
    }

    /// What the cut of the work depends on, on this device.
    fn sizes(&self, device: &Gpu) -> CutSizes {
        let sizes = &self.kernel.sizes;
        CutSizes {
            block_targets: sizes.block_targets,
            tile_sources: sizes.tile_sources,
            state_bytes: sizes.state_words.saturating_mul(size_of::<T>()),
            multiprocessors: device.multiprocessors,
            memory: device.memory / 8,
            local_bytes: device.most_local_bytes(),
        }
    }

    /// Cuts the work so that its data fit into the memory of the device beside outputs of `resident` bytes. The memory that the
    /// workspace has already is used if it is enough; otherwise idle workspaces release theirs, and at last the sources are not
    /// split into parts.
    ///
    /// # Errors
    /// The data need more memory than is free.
    fn fit(
        &self,
        device: &Gpu,
        launches: &Launches<'_>,
        workspace: &mut Workspace,
        outputs: ScratchOutputs,
        sizes: &CutSizes,
        resident: usize,
    ) -> Result<Fitted, Error> {
        let Self { kernel, views, batches, job, .. } = *self;
        let fitted = |parts| {
            let cut = cut::cut(&job, sizes, parts).ok_or_else(|| launches.failed(CudaError::InvalidValue))?;
            let (plan, regions) = Regions::plan(kernel, [job.count(), batches.count()], views, outputs, parts, &cut);
            Ok(Fitted { parts, cut, plan, regions })
        };
        let mut wanted = fitted(cut::parts(&job, sizes))?;
        if wanted.plan.bytes() <= workspace.scratch_bytes() && resident == 0 {
            return Ok(wanted);
        }
        if wanted.plan.bytes() > workspace.scratch_bytes() {
            workspace.release();
        }
        let needed = |fitted: &Fitted| fitted.plan.bytes().saturating_add(resident);
        let mut free = free_bytes()?.saturating_add(workspace.scratch_bytes());
        if needed(&wanted) > free {
            device.release_idle();
            free = free_bytes()?.saturating_add(workspace.scratch_bytes());
        }
        if wanted.parts > 1 && needed(&wanted) > free {
            wanted = fitted(1)?;
        }
        if needed(&wanted) > free {
            return Err(failure::memory(needed(&wanted), free));
        }
        Ok(wanted)
    }

    /// The addresses of the arguments: of those of the host, where the regions have room for them, and of the others, where they
    /// are.
    ///
    /// # Errors
    /// An argument is on another device.
    fn addresses(&self, device: &Gpu, memory: &Allocation, regions: &Regions) -> Result<Vec<u64>, Error> {
        let here = Devices::One(device.ordinal()).into();
        let mut addresses = Vec::with_capacity(self.views.len());
        for ((view, &region), variable) in self.views.iter().zip(&regions.data).zip(self.kernel.signature.variables) {
            if view.host().is_some() {
                addresses.push(memory.address(region));
                continue;
            }
            let place = view.device();
            let there = view.memory().and_then(|memory| memory.as_any().downcast_ref::<Resident>());
            let there = there.filter(|there| there.bytes() == size_of::<T>().saturating_mul(view.len()));
            let there = there.filter(|_| place == Some(here));
            let other =
                || Error::OtherDevice { variable: variable.name, place: place.unwrap_or_default(), device: here };
            addresses.push(there.ok_or_else(other)?.start());
        }
        Ok(addresses)
    }

    /// Copies the arguments of the host and the tables to the device, in the order of the stream.
    ///
    /// # Safety
    /// The memory must have the regions, and live until the stream has been synchronized.
    unsafe fn send(
        &self,
        addresses: &[u64],
        fitted: &Fitted,
        (memory, staging, stream): (&Allocation, &mut Staging, &Stream),
    ) -> Result<(), Error> {
        let Self { kernel, numbers, views, batches, .. } = *self;
        let Fitted { cut, regions, .. } = fitted;
        let mut pointers = Vec::with_capacity(addresses.len().saturating_mul(batches.count()));
        for batch in 0..batches.count() {
            for (number, (address, view)) in addresses.iter().zip(views).enumerate() {
                let first = batches.of(number, batch) * (view.len() / view.batches()) * size_of::<T>();
                pointers.extend_from_slice(&(address + first as u64).to_le_bytes());
            }
        }
        let (ranges, units) = (table(cut.ranges.iter().map(range_bytes)), table(cut.units.iter().map(unit_bytes)));
        let mut sent = Vec::with_capacity(views.len() + 3);
        for (view, region) in views.iter().zip(&regions.data) {
            sent.extend(view.host().map(|data| (region.offset(), numbers.bytes(data))));
        }
        for (region, table) in [(regions.pointers, &pointers), (regions.ranges, &ranges), (regions.units, &units)] {
            sent.push((region.offset(), table));
        }
        debug_assert!(sent.is_sorted_by_key(|&(offset, _)| offset), "regions are in the order of their making");
        // SAFETY: the contract of this function.
        unsafe { staging.upload(memory.start(), &sent, stream) }
            .map_err(|error| failure::cuda(format!("copying the arguments of `{}`", kernel.signature.name), error))
    }

    /// Launches the main kernel, in shares if a caller wants to know how far it is, and the merge kernel.
    fn launch(
        &self,
        launches: &Launches<'_>,
        Fitted { parts, cut, regions, .. }: &Fitted,
        sizes: &CutSizes,
        results: Results,
        (memory, stream): (&Allocation, &Stream),
    ) -> Result<(), Error> {
        match self.meter {
            None => launches.main(memory, regions, results, stream, (0..cut.units.len(), *parts))?,
            Some(meter) => {
                for units in cut.launches(sizes) {
                    let pairs = cut.pairs(units.clone());
                    launches.main(memory, regions, results, stream, (units, *parts))?;
                    stream.synchronize().map_err(|error| launches.failed(error))?;
                    meter.add(pairs);
                }
            }
        }
        launches.merge(memory, regions, results, stream, *parts)
    }

    /// Copies the results to the host, and waits. `whole` is the number of the piece that takes all values as they are, if there is
    /// one.
    ///
    /// # Safety
    /// The memory of the results must be as long as the outputs of the host, and live until the stream has been synchronized.
    unsafe fn receive(
        &self,
        launches: &Launches<'_>,
        results: Results,
        (staging, stream): (&mut Staging, &Stream),
        whole: Option<usize>,
        pieces: &mut [Piece<'_, T>],
        indices: &mut To<'_, u32>,
    ) -> Result<(), Error> {
        let (numbers, width) = (self.numbers, self.kernel.signature.values);
        let failed = |error| launches.failed(error);
        let is_read = |piece: &Piece<'_, T>| piece.place == Place::Rows && piece.width > 0;
        if let Some(To::Host(to)) = whole.map(|number| &mut pieces[number].to) {
            // SAFETY: the contract of this function.
            unsafe { staging.download(results.values, numbers.bytes_mut(to), stream) }.map_err(failed)?;
        } else if pieces.iter().any(|piece| is_read(piece) && matches!(piece.to, To::Host(_))) {
            let mut all = room(self.job.count(), width)?;
            // SAFETY: the contract of this function.
            unsafe { staging.download(results.values, numbers.bytes_mut(&mut all), stream) }.map_err(failed)?;
            let mut column = 0;
            for piece in pieces.iter_mut() {
                let (is_read, to_width) = (is_read(piece), piece.width);
                if let (To::Host(to), true) = (&mut piece.to, is_read) {
                    output::write_rows(&all, width, column, to, to_width);
                }
                column += to_width;
            }
        }
        if let (To::Host(to), Some(row_numbers)) = (indices, Numbers::<u32>::new()) {
            // SAFETY: the contract of this function.
            unsafe { staging.download(results.indices, row_numbers.bytes_mut(to), stream) }.map_err(failed)?;
        }
        Ok(())
    }
}

/// Copies the columns of the pieces that stay on the device to their memory, but for the piece that is the whole result.
/// `values` are the address, the width and the number of the rows of all values.
///
/// # Safety
/// The memory of the values and of the pieces must have so many rows, and live until the stream has been synchronized.
unsafe fn copy_columns<T: Scalar + Stored>(
    pieces: &[Piece<'_, T>],
    whole: Option<usize>,
    resident: &ResidentOutputs,
    (from, width, rows): (u64, usize, usize),
    stream: &Stream,
) -> Result<(), Error> {
    let mut column = 0;
    for (number, piece) in pieces.iter().enumerate() {
        if let (true, Some(to)) = (whole != Some(number), resident.piece(number)) {
            let columns = Columns { from, width, column, to, to_width: piece.width };
            // SAFETY: the contract of this function.
            unsafe { columns.copy::<T>(rows, stream) }?;
        }
        column += piece.width;
    }
    Ok(())
}

/// The targets of share number `share`.
fn share_of(targets: usize, share: usize, shares: usize) -> Range<usize> {
    let (least, more) = (targets / shares, targets % shares);
    let start = |share: usize| share * least + share.min(more);
    start(share)..start(share + 1)
}

/// Work on a stream. However a pass ends, the host waits for the work before the memory is released that it uses.
struct Pending<'s>(&'s Stream);

impl Pending<'_> {
    /// Waits for the work, and returns its first error.
    fn wait(self) -> CudaResult<()> {
        let result = self.0.synchronize();
        mem::forget(self);
        result
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        // the pass has an error already, which says more
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
                let range = share_of(targets, share, shares);
                assert_eq!(range.start, next);
                next = range.end;
            }
            assert_eq!(next, targets);
        }
    }
}
