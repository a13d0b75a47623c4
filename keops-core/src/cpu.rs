//! The CPU engine: [`reduce`] runs any formula with any reduction on SIMD lanes and threads.
//!
//! The work is cut into units, an i-block × a list of ranges of sources, so small that they balance over threads and
//! so large that their cost is all in the loop over pairs. Nothing of size N × M is ever stored: beyond inputs and
//! outputs there are the prepared sources (at most 16 MiB, else a tile of them at a time) and, for each thread, the
//! prepared targets and states of one block.
//!
//! | where | what |
//! |---|---|
//! | [`shape`] | checks the arguments, and finds N and M |
//! | `plan` | how the work is cut, and how many vectors make a tile: functions of the shape and the formula only |
//! | `instructions` | the instruction sets that formulas are compiled for |
//! | `prepare` | the hoisted stages of the formula, on plain numbers |
//! | `sweep` | the loop over pairs |
//! | `over_targets` | lanes over targets: a block of targets against all sources |
//! | `over_sources` | lanes over sources: few targets against a chunk of many sources |
//! | `threads` | hands out units |
//! | `output` | results: rows, and totals over all rows |
//!
//! Results do not depend on the number of threads: neither how the work is cut nor the order in which parts are
//! merged does. They may differ in the last digits between processors with different vector widths.

mod instructions;
mod output;
mod over_sources;
mod over_targets;
mod plan;
mod prepare;
mod shape;
mod sweep;
mod threads;

pub use output::{Piece, Place};
pub use shape::{MAX_ROWS, Shape, shape};

use pulp::Arch;

use crate::{
    arguments::View,
    components::Components,
    error::Error,
    formula::Formula,
    real::Element,
    reduction::Reduction,
    settings::{Device, Settings},
};

/// Computes a_i = Reduction_j f(p, x_i, y_j) for all targets i.
///
/// `views` are the arguments in the order of `F::VARIABLES`. The values of a result row go to `pieces`, consecutive
/// ranges of its components, and its row numbers to `indices`, row by row; a reduction without row numbers takes
/// `None`. N is 1 for a formula without targets, M is 1 for one without sources.
///
/// # Errors
/// Whatever [`shape`] finds; outputs that do not fit the result; a device that there is not.
pub fn reduce<T: Element, F: Formula, R: Reduction>(
    views: &[View<'_, T>],
    settings: &Settings,
    pieces: &mut [Piece<'_, T>],
    indices: Option<&mut [u32]>,
) -> Result<(), Error> {
    match settings.device {
        Device::Auto | Device::Cpu => reduce_on::<T, F, R>(Arch::new(), views, pieces, indices),
        Device::Cuda(_) => Err(Error::BuiltWithoutCuda),
    }
}

/// [`reduce`] on the CPU with a chosen instruction set, which the processor must have (a value of `Arch` is the proof
/// of it).
///
/// # Errors
/// As for [`reduce`].
#[doc(hidden)]
#[inline(never)]
pub fn reduce_on<T: Element, F: Formula, R: Reduction>(
    arch: Arch,
    views: &[View<'_, T>],
    pieces: &mut [Piece<'_, T>],
    indices: Option<&mut [u32]>,
) -> Result<(), Error> {
    let shape = shape(F::NAME, F::VARIABLES, views)?;
    let indices = indices.unwrap_or_default();
    let components = <F::Out<T> as Components<T>>::LEN;
    let widths = (R::values(components), R::indices(components));
    output::check(F::NAME, shape, widths, pieces, indices)?;
    if shape.targets == 0 {
        output::Totals::new(pieces).write(pieces);
        return Ok(());
    }
    let common = instructions::common(arch).filter(|_| plan::lanes_over_sources::<T, F, R>(shape));
    let work = prepare::Work::<T, F>::new(views, shape, common.is_none());
    match common {
        Some(common) => over_sources::run::<T, F, R>(common, &work, pieces, indices),
        None => over_targets::run::<T, F, R>(arch, &work, pieces, indices),
    }
    Ok(())
}
