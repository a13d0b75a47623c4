//! The data of calls: rows as arguments and results, the device that they are on, and ranges that restrict the pairs.

mod array;
mod device;
mod error;
mod halves;
mod host;
mod matrix;
mod neighbours;
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
pub use neighbours::{Lists, Neighbours};
pub use ranges::{Pattern, Ranges, Segment};
pub use rows::Rows;
pub use storage::{Buffer, Host, OnDevice, Storage, To, room};
pub use view::{Fault, View};

/// The largest number of rows. Row numbers are `u32`, and [`u32::MAX`] stands for a missing neighbour.
pub const MAX_ROWS: usize = u32::MAX as usize - 1;
