//! The states of all targets of a pass, as data.

/// The states of the targets of a pass after some of its sources: what reductions of further sources go on from.
///
/// Row numbers are counted in `u64`, over all sources, also of those that other passes reduced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct States<T> {
    /// The number of targets, in all batches.
    pub rows: usize,
    /// How many numbers a state has.
    pub width: usize,
    /// The states, row after row: `rows` × `width` numbers. Of a selection with row numbers, the second half of each state is not used.
    pub numbers: Vec<T>,
    /// The row numbers of a selection that has some: for each target as many as half of a state has numbers, in their order.
    /// [`States::NONE`] stands where no source has been selected.
    pub row_numbers: Vec<u64>,
    /// For each target, the number of sources within its radius or, where only these are counted, of all of its sources.
    pub counts: Vec<u64>,
    /// The lists of sources within the radius, list after list in the order of the targets, each with its sources in the order of
    /// their row numbers: `counts` says how long each is.
    pub lists: Vec<(u64, T)>,
}

impl<T> States<T> {
    /// The row number of a source that is not there.
    pub const NONE: u64 = u64::MAX;
}
