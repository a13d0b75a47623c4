//! Whether there is a driver, and how many devices it has.

use core::ptr;
use std::sync::OnceLock;

use crate::{
    functions::{cuDeviceGetCount, cuInit, last_error},
    library::library,
};

/// What [`status`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The driver is not installed, or cannot be loaded.
    NoLibrary {
        /// What the system says about it.
        reason: String,
    },
    /// There is a driver, but it does not work.
    Failed {
        /// What was asked of it.
        operation: &'static str,
        /// Its answer: 100 if there is no device, see [`crate::name`].
        code: u32,
    },
    /// The driver works, and has so many devices.
    Devices(usize),
}

/// Initializes the driver the first time, and says what came of it every time.
pub fn status() -> &'static Status {
    static STATUS: OnceLock<Status> = OnceLock::new();
    STATUS.get_or_init(find)
}

fn find() -> Status {
    if let Err(reason) = library() {
        return Status::NoLibrary { reason: reason.to_owned() };
    }
    // SAFETY: `cuInit` has no conditions.
    if unsafe { cuInit(0) } != 0 {
        return Status::Failed { operation: "cuInit", code: last_error() };
    }
    let mut count = 0_i32;
    // SAFETY: `count` is an integer that may be written.
    if unsafe { cuDeviceGetCount(ptr::from_mut(&mut count).cast()) } != 0 {
        return Status::Failed { operation: "cuDeviceGetCount", code: last_error() };
    }
    Status::Devices(usize::try_from(count).unwrap_or(0))
}
