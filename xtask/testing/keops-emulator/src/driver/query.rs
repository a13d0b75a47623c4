//! Initialisation, versions and properties of devices, names of errors.
//!
//! Contract: attributes that the emulator does not know are 0.

use std::ffi::{CStr, c_char};

use super::names;
use super::pointer::{Host, Out};
use super::state::{self, driver, run};
use crate::device::{SHARED_DEFAULT, SHARED_MOST, THREADS_MOST};
use crate::error::code;

/// The version of the driver: 12.4.
const VERSION: i32 = 12040;
/// The number of multiprocessors.
pub(super) const PROCESSORS: i32 = 20;
/// Threads that a multiprocessor runs at once.
pub(super) const THREADS: i32 = 2048;

fn attribute(number: u32) -> i32 {
    match number {
        1..=3 => THREADS_MOST as i32,
        4 => 64,
        5 => i32::MAX,
        6 | 7 => 65535,
        8 => SHARED_DEFAULT as i32,
        9 => 65536,
        10 => 32,
        11 => i32::MAX,
        12 | 82 => 65536,
        13 => 1_000_000,
        14 | 51 => 512,
        16 => PROCESSORS,
        19 | 31 | 41 | 78 | 79 | 80 | 83 | 115 => 1,
        36 => 1_000_000,
        37 => 1024,
        38 => 1 << 20,
        39 => THREADS,
        40 => 1,
        75 => 9,
        81 => 228 << 10,
        97 => SHARED_MOST as i32,
        106 => 32,
        111 => 1024,
        _ => 0,
    }
}

driver! {
    fn cuInit(_flags: u32) {
        state::initialise()
    }

    fn cuDriverGetVersion(version: Out<i32>) {
        // This one works before `cuInit`.
        version.set(VERSION).map_or_else(|error| error.code, |()| code::SUCCESS)
    }

    fn cuDeviceGetCount(count: Out<i32>) {
        run(|state| count.set(state.devices.len() as i32))
    }

    fn cuDeviceGet(device: Out<i32>, ordinal: i32) {
        run(|state| state.device(ordinal).map(drop).and_then(|()| device.set(ordinal)))
    }

    fn cuDeviceGetName(name: Host, length: i32, device: i32) {
        run(|state| {
            state.device(device)?;
            name.text("keops emulator", usize::try_from(length).unwrap_or(0))
        })
    }

    fn cuDeviceGetAttribute(value: Out<i32>, number: u32, device: i32) {
        run(|state| state.device(device).map(drop).and_then(|()| value.set(attribute(number))))
    }

    fn cuDeviceTotalMem_v2(bytes: Out<usize>, device: i32) {
        run(|state| bytes.set(state.device(device)?.capacity() as usize))
    }

    fn cuDeviceGetUuid(uuid: Out<[u8; 16]>, device: i32) {
        run(|state| {
            state.device(device)?;
            let mut bytes = *b"keops emulator  ";
            bytes[15] = device as u8;
            uuid.set(bytes)
        })
    }

    fn cuDeviceGetUuid_v2(uuid: Out<[u8; 16]>, device: i32) {
        cuDeviceGetUuid(uuid, device)
    }

    fn cuDeviceCanAccessPeer(can: Out<i32>, device: i32, _peer: i32) {
        run(|state| state.device(device).map(drop).and_then(|()| can.set(0)))
    }

    fn cuGetErrorName(error: u32, text: Out<*const c_char>) {
        found(names::name(error), text)
    }

    fn cuGetErrorString(error: u32, text: Out<*const c_char>) {
        found(names::text(error), text)
    }
}

fn found(text: Option<&'static CStr>, to: Out<*const c_char>) -> u32 {
    let result = to.set(text.map_or(std::ptr::null(), CStr::as_ptr));
    if result.is_ok() && text.is_some() { code::SUCCESS } else { code::INVALID_VALUE }
}

/// Bytes that were allocated on all devices and not freed.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn keops_emulator_live_bytes() -> u64 {
    state::live_bytes()
}

/// Writes the text of the last error to a buffer, cut to its length, and gives the whole length without the zero.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn keops_emulator_last_error(buffer: Host, length: usize) -> usize {
    let text = state::last_error();
    // Without a buffer only the length is wanted.
    _ = buffer.text(&text, length);
    text.len()
}
