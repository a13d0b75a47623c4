//! The types of other crates as rows, parameters and results; each behind the feature of its name.
//!
//! | feature | arguments | from [`Rows`](crate::data::Rows) |
//! |---|---|---|
#![cfg_attr(
    feature = "ndarray",
    doc = "| [`ndarray`] | `&Array2`, `ArrayView2`, any `ArrayBase`; more axes are batches | `Array2` |"
)]
#![cfg_attr(
    feature = "nalgebra",
    doc = "| [`nalgebra`] | `&[SVector]`, `&[Point]`, `&Vec` of them; `&DMatrix`, views | `DMatrix`, `DVector`; `Vec<SVector>`, `Vec<Point>` by functions |"
)]
#![cfg_attr(feature = "faer", doc = "| [`faer`] | `&Mat`, `MatRef`, `&Col`, `ColRef` | `Mat` |")]
#![cfg_attr(feature = "mpi", doc = "| [`mpi`] | communicators, for calls over ranks | |")]
#![cfg_attr(feature = "serde", doc = "| `serde` | | `Serialize`, `Deserialize`: see [`serde`] |")]
//!
//! Each row of a matrix is a row of a variable. Types whose rows follow each other in memory, such as slices of points
//! and arrays in the standard layout, are borrowed. All others (column-major matrices, strides, reversed axes) are
//! copied row by row when the call is made, which is little work: N D numbers beside N M pairs. A matrix with another
//! number of columns than the variable's dimension is [`Error::Dimension`](crate::data::Error::Dimension).

#[cfg(feature = "faer")]
pub mod faer;
#[cfg(feature = "mpi")]
pub mod mpi;
#[cfg(feature = "nalgebra")]
pub mod nalgebra;
#[cfg(feature = "ndarray")]
pub mod ndarray;
#[cfg(feature = "serde")]
pub mod serde;

/// Calls run over ranks with the feature `mpi` only.
#[doc(hidden)]
#[macro_export]
#[cfg(not(feature = "mpi"))]
macro_rules! __over {
    () => {};
}
