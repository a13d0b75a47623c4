//! What the CUDA engine tells the crate tracing: an event for each pass and device, before it runs.

use keops_core::{
    number::Scalar,
    problem::{Pairs, Shape},
};

use crate::{Kernel, cut::Job, device::Gpu};

/// A pass in so many units and parts of the sources; `watched` if somebody wants to know how far it is.
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
        pairs = Pairs { pattern: job.pattern, watch: None }.count(job.shape),
        rows = job.count(),
        units,
        parts,
        watched,
        "pass"
    );
}
