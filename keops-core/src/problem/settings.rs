//! How a call runs, apart from what it computes.

use core::{any::Any, fmt};
use std::sync::Arc;

use crate::{
    data::{Device, Ranges},
    formula::Index,
    problem::{Approximation, Over, Pairs, Watch, cuda::Engines},
};

/// Whether a selection leaves out pairs which cannot change its result, by bounds of the formula on boxes of points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pruning {
    /// Where it is faster, as a few boxes show.
    #[default]
    WherePays,
    /// Also where it is slower: for tests.
    Always,
    /// Also where it is slower, and with bounds that are as narrow as they can be: for tests.
    Narrowly,
    /// Never: all pairs are computed.
    Never,
}

/// The settings of a call. Its methods change them: `.device(..)`, `.ranges(..)`, `.progress(..)`,
/// `.exhaustive()`.
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
    /// The device that the call runs on.
    pub device: Device,
    /// The engines for CUDA devices, if the program has any.
    pub cuda: Option<&'static dyn Engines>,
    /// The pairs that the reduction runs over, in every batch; all pairs if there are no ranges.
    pub ranges: Option<Ranges>,
    /// The progress counter of the call, if it has a callback.
    pub watch: Option<Watch>,
    /// Whether pairs are left out by bounds of the formula.
    pub pruning: Pruning,
    /// How far sums may be off, if they need not be exact.
    pub approximation: Option<Approximation>,
    /// The ranks that the call runs over, if it runs over several.
    pub over: Option<Over>,
    /// For i and for j, whether the formula has no variable of this index, and so one row in all.
    pub absent: [bool; 2],
    /// The number of the first source, for row numbers in results; 0 if nothing is said.
    pub start: Option<u64>,
    /// The partial result that the call is for, if it is for one.
    pub sweep: Option<Sweep>,
}

/// A partial result that is being made of a call, or a result that is being made of one. Calls know what it is.
#[derive(Clone)]
pub struct Sweep(pub(crate) Arc<dyn Any + Send + Sync>);

impl fmt::Debug for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweep").finish_non_exhaustive()
    }
}

impl Pruning {
    /// Whether it is done where it may be slower, too.
    #[must_use]
    pub fn is_forced(self) -> bool {
        matches!(self, Self::Always | Self::Narrowly)
    }
}

impl Settings {
    /// The default settings of a program that has an engine for CUDA.
    #[must_use]
    pub fn with_cuda(engine: &'static dyn Engines) -> Self {
        Self { cuda: Some(engine), ..Self::default() }
    }

    /// The settings for a formula without a variable of this index.
    #[must_use]
    pub fn without(mut self, index: Index) -> Self {
        self.absent[index as usize] = true;
        self
    }

    /// These settings for a new call that will run `passes` passes over the pairs.
    #[must_use]
    pub fn of_passes(mut self, passes: u32) -> Self {
        self.watch = self.watch.map(|watch| watch.of_passes(passes));
        self
    }

    /// The pairs for targets of this index, with the progress counter. Over ranks the rows of ranges are those of all ranks, so
    /// that there is no pattern for the rows of one.
    pub(crate) fn pairs(&self, targets: Index) -> Pairs<'_> {
        let ranges = self.ranges.as_ref().filter(|_| self.over.is_none());
        let pattern = ranges.map(|ranges| match targets {
            Index::I => ranges.by_i(),
            Index::J => ranges.by_j(),
        });
        Pairs { pattern, watch: self.watch.as_ref(), pruning: self.pruning }
    }
}
