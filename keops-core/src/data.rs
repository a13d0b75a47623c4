//! What goes into calls and comes out of them: rows, where they are, and which of their pairs count.

mod array;
mod device;
mod error;
mod halves;
mod host;
mod matrix;
mod ranges;
mod rows;
mod storage;
mod view;

pub use array::{Array, DeviceMatrix, DeviceRows, Memory, Stored};
pub use device::Device;
pub use error::Error;
pub use halves::{Halves, bf16, f16};
pub(crate) use host::numbers;
pub use matrix::Matrix;
pub use ranges::{Pattern, Ranges, Segment};
pub use rows::Rows;
pub use storage::{Buffer, Host, OnDevice, Storage, To, room};
pub use view::{Fault, View};

/// The largest number of rows: row numbers are `u32`, and [`u32::MAX`] marks a neighbour that there is not.
pub const MAX_ROWS: usize = u32::MAX as usize - 1;
