//! How a call runs, apart from what it computes.

use crate::{
    data::{Device, Ranges},
    formula::Index,
    problem::{Pairs, Shape, Watch, cuda::Engines},
};

/// The settings of a call. Its methods change them: `.device(..)`, `.ranges(..)`, `.progress(..)`.
///
/// ```
/// use keops_core::{data::Device, problem::Settings};
///
/// let settings = Settings::default();
/// assert_eq!(settings.device, Device::Auto);
/// assert!(settings.cuda.is_none() && settings.ranges.is_none() && settings.watch.is_none());
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// Where it runs.
    pub device: Device,
    /// What runs it on CUDA devices, if the program has it.
    pub cuda: Option<&'static dyn Engines>,
    /// The pairs that count, in every batch; all of them if there are no ranges.
    pub ranges: Option<Ranges>,
    /// Who is told how far a call is.
    pub watch: Option<Watch>,
}

impl Settings {
    /// The default settings of a program that has an engine for CUDA.
    #[must_use]
    pub fn with_cuda(engine: &'static dyn Engines) -> Self {
        Self { cuda: Some(engine), ..Self::default() }
    }

    /// These settings for a call that starts, of so many passes.
    #[must_use]
    pub fn of_passes(mut self, passes: u32) -> Self {
        self.watch = self.watch.map(|watch| watch.of_passes(passes));
        self
    }

    /// The pairs that count, for targets of this index, and who is told of them.
    pub(crate) fn pairs(&self, targets: Index) -> Pairs<'_> {
        let pattern = self.ranges.as_ref().map(|ranges| match targets {
            Index::I => ranges.by_i(),
            Index::J => ranges.by_j(),
        });
        Pairs { pattern, watch: self.watch.as_ref() }
    }

    /// How many sources each target meets in a batch, for targets of this index.
    pub(crate) fn counts(&self, targets: Index, shape: Shape) -> Vec<u64> {
        match self.pairs(targets).pattern {
            Some(pattern) => pattern.counts(shape.targets),
            None => vec![shape.sources as u64; shape.targets],
        }
    }
}
