//! The errors of calls.

use crate::data::Device;

/// Why a call could not be evaluated.
///
/// Messages name the variable that is at fault and the numbers that do not agree.
///
/// ```
/// use keops::prelude::*;
///
/// keops! { pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b } }
///
/// let (x, y, b) = ([[1.0_f32]; 3], [[1.0]; 4], [[1.0]; 5]);
/// match product(&x, &y, &b).eval() {
///     Err(Error::RowCount { variable, rows, other, other_rows }) => {
///         assert_eq!((variable, rows, other, other_rows), ("b", 5, "y", 4));
///     }
///     other => panic!("{other:?}"),
/// }
/// let error = product(&x, &y, &b).eval().unwrap_err();
/// assert_eq!(error.to_string(), "`b` has 5 rows, but `y`, which is indexed alike, has 4");
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Variables that are indexed alike have different numbers of rows.
    #[error("`{variable}` has {rows} rows, but `{other}`, which is indexed alike, has {other_rows}")]
    RowCount {
        /// The variable that was found to differ.
        variable: &'static str,
        /// Its number of rows.
        rows: usize,
        /// The first variable indexed alike.
        other: &'static str,
        /// Its number of rows.
        other_rows: usize,
    },
    /// A flat slice does not hold a whole number of rows.
    #[error("`{variable}` holds {len} numbers, which is not a multiple of its dimension {dim}")]
    FlatLength {
        /// The variable.
        variable: &'static str,
        /// Length of the slice.
        len: usize,
        /// Components of a row.
        dim: usize,
    },
    /// A parameter has the wrong number of components.
    #[error("the parameter `{variable}` has dimension {dim}, but holds {len} numbers")]
    ParameterLength {
        /// The parameter.
        variable: &'static str,
        /// How many numbers were given.
        len: usize,
        /// The dimension of the parameter.
        dim: usize,
    },
    /// The rows of a variable have the wrong number of components.
    #[error("`{variable}` has dimension {dim}, but its rows hold {found} numbers")]
    Dimension {
        /// The variable.
        variable: &'static str,
        /// Components of a row in the formula.
        dim: usize,
        /// Components of a row that was given.
        found: usize,
    },
    /// A variable has more rows than row numbers can count. [`u32::MAX`] is not a row number: it stands for a missing
    /// neighbour.
    #[error("`{variable}` has {rows} rows, more than the {limit} that can be numbered")]
    TooManyRows {
        /// The variable.
        variable: &'static str,
        /// Its number of rows.
        rows: usize,
        /// The largest number of rows.
        limit: usize,
    },
    /// The formula takes another number of arguments.
    #[error("`{formula}` takes {expected} arguments, but was given {found}")]
    ArgumentCount {
        /// The formula.
        formula: &'static str,
        /// How many it takes.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// An output buffer does not fit the result.
    #[error("the output holds {found} numbers, but the result has {rows} rows of {width}")]
    OutputLength {
        /// Rows of the result.
        rows: usize,
        /// Numbers in a row of the result.
        width: usize,
        /// Length of the buffer.
        found: usize,
    },
    /// The rows of an output do not follow each other in memory.
    #[error("`{variable}` is not row-major, so that nothing can be computed into its rows")]
    NotRowMajor {
        /// The output.
        variable: &'static str,
    },
    /// The parts of an output do not make up a row of the result.
    #[error("the outputs take {found} numbers of a row, but a row of the result of `{formula}` has {width}")]
    OutputWidth {
        /// The formula.
        formula: &'static str,
        /// Numbers in a row of the result.
        width: usize,
        /// The sum of the widths of the parts.
        found: usize,
    },
    /// The result does not fit into memory.
    #[error("a result of {rows} rows of {width} numbers does not fit into memory")]
    OutputTooLarge {
        /// Rows of the result.
        rows: usize,
        /// Numbers in a row.
        width: usize,
    },
    /// A range of rows ends before it starts, or after the last row.
    #[error("{start}..{end} is no range of rows of at most {rows}")]
    RangeEnd {
        /// The first row.
        start: usize,
        /// One past the last row.
        end: usize,
        /// How many rows there can be.
        rows: usize,
    },
    /// A tolerance that is no number between 0 and 1.
    #[error("a tolerance of {found}: it is a number above 0 and below 1, relative to the sum of |f|")]
    Tolerance {
        /// What was given.
        found: f64,
    },
    /// A mask over clusters has the wrong number of entries.
    #[error("a mask of {rows} by {columns} clusters has {} entries, but {found} were given", rows.saturating_mul(*columns))]
    MaskLength {
        /// Clusters of rows i.
        rows: usize,
        /// Clusters of rows j.
        columns: usize,
        /// How many entries were given.
        found: usize,
    },
    /// The ranges of a call go beyond its rows.
    #[error("the ranges of `{formula}` go up to row {end} of {index}, of which there are {rows}")]
    RangeBeyond {
        /// The formula.
        formula: &'static str,
        /// `i` or `j`.
        index: char,
        /// One past the last row of the ranges.
        end: usize,
        /// How many rows there are.
        rows: usize,
    },
    /// An argument with batches was given where only one batch is possible.
    #[error("{what} has no batches")]
    Batches {
        /// The argument or the operation.
        what: &'static str,
    },
    /// The rows of a variable cannot be shared out among its batches.
    #[error("`{variable}` has {rows} rows, which are no batches of shape {batch:?}")]
    BatchRows {
        /// The variable.
        variable: &'static str,
        /// All its rows.
        rows: usize,
        /// The batch dimensions it was given.
        batch: Vec<usize>,
    },
    /// The batch dimensions of two variables do not go together.
    #[error("`{variable}` has batches of shape {batch:?}, which do not broadcast with {other:?}")]
    BatchShape {
        /// The variable.
        variable: &'static str,
        /// Its batch dimensions.
        batch: Vec<usize>,
        /// The batch dimensions of the variables before it, broadcast.
        other: Vec<usize>,
    },
    /// A number is infinite or NaN where it has to be finite.
    #[error("component {component} of row {row} of `{what}` is not a finite number")]
    NotFinite {
        /// The argument that the number belongs to.
        what: &'static str,
        /// The row of the number.
        row: usize,
        /// The place of the number in the row.
        component: usize,
    },
    /// The cells of a grid cannot be counted.
    #[error("cells of size {size} in dimension {dimension} are not positive and finite, or too many to be counted")]
    CellSize {
        /// The dimension.
        dimension: usize,
        /// The edge of a cell.
        size: f64,
    },
    /// A label is not the number of a cluster.
    #[error("row {row} has the label {label}, but labels are smaller than the number of rows, {limit}")]
    Label {
        /// The row.
        row: usize,
        /// Its label.
        label: usize,
        /// How many rows there are.
        limit: usize,
    },
    /// A weight is negative.
    #[error("row {row} has the weight {weight}, which is negative")]
    Weight {
        /// The row.
        row: usize,
        /// Its weight.
        weight: f64,
    },
    /// A result is infinite or NaN where it has to be finite.
    #[error("{what} is not finite")]
    NotFiniteValue {
        /// What was computed.
        what: &'static str,
    },
    /// The number of unknowns is not the number of equations.
    #[error("equations need as many rows on both sides, but there are {rows} and {cols}")]
    NotSquare {
        /// Rows of the result.
        rows: usize,
        /// Rows of the unknown.
        cols: usize,
    },
    /// The matrix of equations is not symmetric.
    #[error("the matrix is not symmetric: it is off by {asymmetry:.1e} of its norm")]
    NotSymmetric {
        /// |(u|K v) - (v|K u)| for two vectors u and v, divided by |u| |v| |K|.
        asymmetry: f64,
    },
    /// The matrix of equations is not positive definite.
    #[error("the matrix is not positive definite: its curvature along a direction is {curvature:e}")]
    NotPositiveDefinite {
        /// (v|K v) / (v|v) for a vector v.
        curvature: f64,
    },
    /// The value of an option is not possible.
    #[error("`{what}` cannot be {value}")]
    Option {
        /// The option.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// There are more pairs within a radius than memory for lists of them.
    #[error("{pairs} pairs are within the radius, for which there is no memory")]
    TooManyPairs {
        /// The number of pairs.
        pairs: u64,
    },
    /// Lists of neighbours in several batches, which cannot become the ranges of a call.
    #[error("lists for {batches} batches are no ranges, which hold for all batches of a call")]
    BatchedRanges {
        /// The number of batches.
        batches: usize,
    },
    /// A call over several ranks failed on one of them. It is the error of all ranks.
    #[error("on rank {rank}: {reason}")]
    OnRank {
        /// The first rank that failed.
        rank: usize,
        /// Why it failed there: the error, or the message of a panic.
        reason: String,
    },
    /// A call over several ranks cannot send messages.
    #[error("no messages to other ranks: {reason}")]
    NoMessages {
        /// Why.
        reason: &'static str,
    },
    /// A call was to run on a CUDA device, or has arguments there, but its reduction runs on the processor only.
    #[error("`{formula}` runs on the processor only: `Within` and `Count` have no kernels for CUDA devices")]
    OnlyOnCpu {
        /// The formula.
        formula: &'static str,
    },
    /// A CUDA device was asked for, but the program was built without the feature `cuda`.
    #[error("built without CUDA")]
    BuiltWithoutCuda,
    /// There is no such CUDA device.
    #[error("no CUDA device {ordinal}: {reason}")]
    NoCudaDevice {
        /// The number of the device.
        ordinal: usize,
        /// Why there is none, or why it cannot be used.
        reason: String,
    },
    /// Partial results were to be computed on a CUDA device, or of arguments there.
    #[error("partial results of `{formula}` are computed on the processor only")]
    PartialOnlyOnCpu {
        /// The formula.
        formula: &'static str,
    },
    /// Partial results do not belong together.
    #[error("the partial results of `{formula}` do not belong together: they differ in {what}")]
    PartialMismatch {
        /// The formula.
        formula: &'static str,
        /// What is different.
        what: &'static str,
    },
    /// A partial result is not one of this formula.
    #[error("a partial result of `{found}`, and not of `{formula}`")]
    PartialFormula {
        /// The formula.
        formula: &'static str,
        /// The formula that the partial result is of.
        found: String,
    },
    /// A result needs another sweep over the sources.
    #[error(
        "`{formula}` reads what an earlier pass finds of all sources: the partial result is one of that pass, and after \
         `next_sweep` the sources are gone over once more"
    )]
    SweepsLeft {
        /// The formula.
        formula: &'static str,
    },
    /// A sweep over the sources is to begin although the partial result needs no further one.
    #[error("the partial result of `{formula}` needs no further sweep over the sources")]
    NoSweepsLeft {
        /// The formula.
        formula: &'static str,
    },
    /// Sweeps over the sources of a call went over different numbers of them.
    #[error("{found} sources were gone over, but {expected} in the sweep before")]
    SweepLength {
        /// The number of sources in this sweep.
        found: u64,
        /// The number of sources in the sweep before.
        expected: u64,
    },
    /// Sources with the same row numbers are in both of two partial results.
    #[error("sources with the row numbers {first} to {last} come twice; `sources_from` says where row numbers begin")]
    SourcesTwice {
        /// The first row number.
        first: u64,
        /// The last row number.
        last: u64,
    },
    /// A row number is beyond those of a result.
    #[error("the row number {number} does not fit into `u32`; `Partial::finish_u64` has row numbers that do")]
    RowNumber {
        /// The row number.
        number: u64,
    },
    /// Row numbers were asked for where a result has none.
    #[error("the result of `{formula}` has no row numbers")]
    NoRowNumbers {
        /// The formula.
        formula: &'static str,
    },
    /// There are no pieces of sources, so that nothing is known of the targets.
    #[error("there is no piece of the sources, and so no call; a piece of 0 rows is one")]
    NoChunks,
    /// An argument is on another device than the one that the call was told to run on.
    #[error("`{variable}` is on {place}, but the call runs on {device}")]
    OtherDevice {
        /// The variable.
        variable: &'static str,
        /// The device of the argument.
        place: Device,
        /// Where the call runs.
        device: Device,
    },
    /// An array was to be left on all CUDA devices, where it has to be on one.
    #[error("arrays stay on one device, and not on all CUDA devices")]
    NotOnePlace,
    /// Rows of the formula are too long for a CUDA device: target rows for the local memory of a thread, or source rows
    /// for the shared memory of a block.
    #[error(
        "the rows of `{formula}` are too long for CUDA: they take {needed} bytes where {most} can be had; `Device::Cpu` has \
         no such limit"
    )]
    LongRows {
        /// The formula.
        formula: &'static str,
        /// The bytes that a thread or a block would need.
        needed: usize,
        /// The most bytes that it can have.
        most: usize,
    },
    /// The formula was not compiled for CUDA, or not for these dimensions and this element type.
    #[error("`{formula}` has no CUDA kernel{kernel}; build scripts make them by `keops_build::compile()`")]
    NoKernel {
        /// The formula.
        formula: &'static str,
        /// A space and the name of the kernel that was looked for; empty if no kernel was built.
        kernel: String,
    },
    /// The arguments, results and states of a call do not fit into the memory of the device.
    #[error("the CUDA device has {free} bytes of free memory, but the call needs {needed}")]
    DeviceMemory {
        /// Bytes of all arguments, results and states.
        needed: usize,
        /// Bytes that are free.
        free: usize,
    },
    /// The CUDA driver reports an error.
    #[error("CUDA: {operation} failed: {name} ({code})")]
    Cuda {
        /// The operation that failed: a copy, or the name of a kernel.
        operation: String,
        /// The name of the error.
        name: &'static str,
        /// Its number.
        code: u32,
    },
}
