#![doc = include_str!("../README.md")]
//! # The macro
//!
//! See [`keops!`] for the language of formulas.

mod upload;

pub use keops_core::{
    array::DeviceRows, cluster, error::Error, operator, real::Element, rows::Rows, settings::Device, solve,
};
#[doc = include_str!("keops.md")]
pub use keops_macros::keops;
pub use upload::Upload;

/// What a program that uses [`keops!`] imports.
pub mod prelude {
    pub use crate::{Device, DeviceRows, Error, Rows, Upload, keops};
}

/// What the expansions of [`keops!`] name. Not for use by hand: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use keops_core::{
        arguments::{AsParameter, AsRows, View},
        array::{Buffer, Host, OnDevice, Storage},
        call::{OnePass, Plan, PlanInto, index_rows, rows, rows_into, shape_of, value_and_index_rows, with_saved},
        components::{Chain, Components, Grid},
        cpu::{Piece, reduce},
        error::Error,
        formula::{Contraction, Cuda, Formula, Item, Row, Scaled, Sink, Variable},
        operator::Operator,
        ops,
        real::{Element, Real, Stored},
        reduction::{
            ArgKMin, ArgMax, ArgMin, KMin, KMinArgKMin, LogSumExp, Max, MaxArgMax, Min, MinArgMin, SoftMaxSaved, Sum,
            SumSoftMaxWeight,
        },
        settings::{Device, Settings},
        solve::Solve,
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
