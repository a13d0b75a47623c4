//! The state of the driver, and the number of its devices.

use core::ptr;
use std::sync::OnceLock;

use crate::{
    functions::{cuDeviceGetCount, cuInit, last_error},
    library::library,
};

/// The state of the driver, which [`status`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The driver is not installed, or cannot be loaded.
    NoLibrary {
        /// The message of the system.
        reason: String,
    },
    /// The driver is installed, but does not work.
    Failed {
        /// The function that failed.
        operation: &'static str,
        /// The code that the function returned: 100 if there is no device, see [`crate::name`].
        code: u32,
    },
    /// The driver works, and has this number of devices.
    Devices(usize),
}

/// The state of the driver, which the first call initializes.
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
