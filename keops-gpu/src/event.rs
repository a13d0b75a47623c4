//! Events of the crate tracing: the CUDA engine sends one for each pass and device, before the pass runs.

use keops_core::{
    number::Scalar,
    problem::{Pairs, Shape},
};

use crate::{Kernel, cut::Job, device::Gpu};

/// Sends the event of a pass with these numbers of units and of parts; `watched` says whether a caller asked for its progress.
pub(crate) fn pass<T: Scalar>(
    kernel: &Kernel,
    device: &Gpu,
    job: &Job<'_>,
    (units, parts): (usize, usize),
    watched: bool,
) {
    if !tracing::enabled!(target: "keops", tracing::Level::DEBUG) {
        return;
    }
    let Shape { targets, sources, batches } = job.shape;
    let name = u32::try_from(device.ordinal()).ok().and_then(|ordinal| {
        let device = cust::device::Device::get_device(ordinal).ok()?;
        device.name().ok()
    });
    let cut = match job.pattern {
        Some(_) => "ranges",
        None if parts > 1 => "targets and sources",
        None => "targets",
    };
    tracing::debug!(
        target: "keops",
        formula = kernel.signature.name,
        element = T::TYPE_NAME,
        engine = "cuda",
        device = device.ordinal(),
        name = name.as_deref().unwrap_or("?"),
        cut,
        block = kernel.sizes.block_targets,
        tile = kernel.sizes.tile_sources,
        targets,
        sources,
        batches,
        pairs = Pairs { pattern: job.pattern, ..Pairs::default() }.count(job.shape),
        rows = job.count(),
        units,
        parts,
        watched,
        "pass"
    );
}
