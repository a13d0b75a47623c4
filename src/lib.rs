#![doc = include_str!("../README.md")]
//! # The macro
//!
//! The documentation of [`keops!`] describes the language of formulas.

mod upload;

/// A number of 16 bits. The rows of an `f32` call may be stored in this type; see [`keops!`].
///
/// ```
/// use keops::{bf16, f16, prelude::*};
///
/// keops! {
///     #[keops(order = 0)]
///     pub fn product(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let x = vec![[f16::from_f32(0.5)], [f16::from_f32(2.0)]];
/// let y = vec![[bf16::from_f32(3.0)]];
/// let a: Rows<f32, 1> = product(&x, &y).eval()?; // computed in f32
/// assert_eq!(*a, [[1.5], [6.0]]);
/// # Ok(())
/// # }
/// ```
pub use keops_core::data::{bf16, f16};
pub use keops_core::{
    arguments::{AsDynParameter, AsDynRows, AsParameter, AsRows, Batched, batched},
    call::{Call, CallInto, Element, InPieces, Partial, U64Rows, in_chunks},
    cluster,
    data::{Device, DeviceMatrix, DeviceRows, Error, Matrix, Neighbours, OnDevice, Ranges, Rows, View},
    interfaces, operator,
    problem::{Tolerance, ToleranceReport},
    solve,
};
#[doc = include_str!("keops.md")]
pub use keops_macros::keops;
pub use upload::Upload;

/// The names that a program with [`keops!`] imports: `use keops::prelude::*`.
///
/// ```
/// use keops::prelude::*;
///
/// keops! {
///     /// The nearest of y.
///     #[keops(order = 0)]
///     pub fn nearest(x: Vi<1>, y: Vj<1>) -> ArgMin<j> { sqdist(x, y) }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let rows: Rows<u32, 1> = nearest(&[[0.9_f32]], &[[0.0], [1.0]]).device(Device::Cpu).eval()?;
/// assert_eq!(*rows, [[1]]);
/// # Ok(())
/// # }
/// ```
pub mod prelude {
    pub use crate::{Device, DeviceRows, Error, Ranges, Rows, Upload, batched, keops};
}

/// The items that expansions of [`keops!`] name. Programs must not use them: they change without notice.
#[doc(hidden)]
pub mod __private {
    pub use keops_core::{
        __call as call, __no_tolerance as no_tolerance, __tolerance as tolerance,
        arguments::{AsDynParameter, AsDynRows, AsParameter, AsRows},
        call::{
            Accuracy, Element, InPieces, OnePass, Part, Pass, Plan, PlanInto, Row as RowOfResult,
            absent::{Derived, Differentiable, FirstOrder, Last, Linear, NextOrder, OfTheValue, Square},
            approximate, centred, centred_beside, centred_rows, counts, index_rows, neighbours, rows, rows_into, saved,
            selection::{Selection, SelectionPart, Side},
            value_and_index_rows, with_centred, with_saved,
        },
        data::{Buffer, Device, Error, Host, Neighbours, OnDevice, Ranges, Storage, Stored, View},
        formula::{
            Chain, Components, Contraction, Cuda, Differences, Formula, Grid, Index, Item, Row, Scaled, Sink, Variable,
        },
        number::{Real, ops},
        operator::{DynOperator, Operator},
        problem::{Approximation, Settings, Watch},
        reduction::{
            ArgKMin, ArgMax, ArgMin, CompensatedMean, CompensatedSum, CountWithin, DirectMean, DirectSum, KMin,
            KMinArgKMin, LogSumExp, LogSumExpSaved, LogSumExps, LogSumExpsSaved, Max, MaxArgMax, MaxSumShiftExp, Mean,
            Min, MinArgMin, Prod, ProdSaved, SoftMaxSaved, Sum, SumSoftMaxWeight, Within, Zero,
        },
        solve::{DynSolve, Solve},
    };

    /// The settings of a new call.
    #[must_use]
    pub fn settings() -> Settings {
        #[cfg(feature = "cuda")]
        let settings = Settings::with_cuda(&keops_gpu::Cuda);
        #[cfg(not(feature = "cuda"))]
        let settings = Settings::default();
        settings
    }
}

/// The programs in the guide.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../docs/guide/src/first-formula.md")]
    mod first_formula {}
    #[doc = include_str!("../docs/guide/src/language.md")]
    mod language {}
    #[doc = include_str!("../docs/guide/src/reductions.md")]
    mod reductions {}
    #[doc = include_str!("../docs/guide/src/neighbours.md")]
    mod neighbours {}
    #[doc = include_str!("../docs/guide/src/tolerance.md")]
    mod tolerance {}
    #[doc = include_str!("../docs/guide/src/derivatives.md")]
    mod derivatives {}
    #[doc = include_str!("../docs/guide/src/batches-and-ranges.md")]
    mod batches_and_ranges {}
    #[doc = include_str!("../docs/guide/src/pieces.md")]
    mod pieces {}
    #[doc = include_str!("../docs/guide/src/solving.md")]
    mod solving {}
    #[doc = include_str!("../docs/guide/src/interfaces.md")]
    mod interfaces {}
    #[cfg(feature = "mpi")]
    #[doc = include_str!("../docs/guide/src/machines.md")]
    mod machines {}
    #[doc = include_str!("../docs/guide/src/errors.md")]
    mod errors {}
    #[doc = include_str!("../docs/guide/src/from-pykeops.md")]
    mod from_pykeops {}
}
