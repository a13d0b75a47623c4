//! The events for the crate tracing: one for each pass, before it runs, and one for each batch in which bounds left out pairs.

use pulp::Arch;

use crate::{
    cpu::{Cpu, contract::is_long, instructions::vector_bytes, plan},
    lanes::{Common, Vectorized},
    problem::{Pairs, Shape},
};

/// Emits the event of a pass. `all` is the shape with all batches; lanes run over sources if `common` is given.
pub(super) fn pass<T: Vectorized>(engine: &Cpu<'_, T>, common: Option<Common>, pairs: Pairs<'_>, all: Shape) {
    if !tracing::enabled!(target: "keops", tracing::Level::DEBUG) {
        return;
    }
    let Cpu { arch, kernel, layout, .. } = *engine;
    let shape = Shape { batches: 1, ..all };
    let arch = common.map_or(arch, Common::arch);
    let lanes = kernel.lanes(arch);
    let (instructions, bytes) = (name(arch), vector_bytes(arch));
    let block = plan::block_targets::<T>(&layout, shape);
    let blocks = shape.targets.div_ceil(block);
    let (cut, block, tile) = match common {
        Some(_) => ("sources", plan::chunk_sources(shape), plan::lane_tile::<T>(&layout, lanes)),
        None if pairs.pattern.is_some() => ("ranges", block, plan::source_tile::<T>(&layout)),
        None if plan::part_sources(shape, blocks) < shape.sources => {
            ("targets and sources", block, plan::source_tile::<T>(&layout))
        }
        None => ("targets", block, plan::source_tile::<T>(&layout)),
    };
    let parallel = plan::in_parallel(if all.batches > 1 { all } else { shape });
    tracing::debug!(
        target: "keops",
        formula = layout.signature.name,
        element = T::TYPE_NAME,
        engine = "cpu",
        instructions,
        lanes,
        vectors = lanes * size_of::<T>() / bytes.max(size_of::<T>()),
        cut,
        block,
        tile,
        matrix_products = common.is_none() && is_long(layout.contractions),
        targets = all.targets,
        sources = all.sources,
        batches = all.batches,
        pairs = pairs.count(all),
        threads = if parallel { rayon::current_num_threads() } else { 1 },
        "pass"
    );
}

/// Emits the event of a batch whose pairs were left out by bounds: of all pairs, `met` were computed.
pub(super) fn best_first(formula: &str, shape: Shape, met: usize) {
    let Shape { targets, sources, .. } = shape;
    tracing::debug!(target: "keops", formula, engine = "cpu", targets, sources, met, "best first");
}

/// The name of an instruction set.
fn name(arch: Arch) -> &'static str {
    match arch {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => "avx512",
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => "avx2",
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(_) => "neon",
        #[cfg(target_arch = "wasm32")]
        Arch::Simd128(_) => "simd128",
        _ => "scalar",
    }
}
