//! Memory of the device and of the host, copies, fills.
//!
//! Contract: copies are done when the call returns, with or without a stream. Host memory that the driver allocates is
//! reached by kernels at its host address.

use super::pointer::{Host, Out};
use super::state::{Handle, State, driver, on_device, run};
use crate::error::Error;

fn copy_in(state: &mut State, to: u64, from: Host, size: usize) -> Result<(), Error> {
    from.read(state.owner(to)?.bytes(to, size as u64)?)
}

fn copy_out(state: &mut State, to: Host, from: u64, size: usize) -> Result<(), Error> {
    to.write(state.owner(from)?.bytes(from, size as u64)?)
}

fn copy(state: &mut State, to: u64, from: u64, size: usize) -> Result<(), Error> {
    let bytes = state.owner(from)?.bytes(from, size as u64)?.to_vec();
    state.owner(to)?.write(to, &bytes)
}

/// Copies rows of bytes from memory of a device to such memory; other kinds are an error. The description is a
/// `CUDA_MEMCPY2D` of `cuda.h`: 16 words of 8 bytes.
fn copy_rows(state: &mut State, description: Host) -> Result<(), Error> {
    const DEVICE: u64 = 2;
    let mut bytes = [0; 128];
    description.read(&mut bytes)?;
    let word = |number: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[8 * number..][..8]);
        u64::from_le_bytes(word)
    };
    // the kind of memory is in the lower 4 bytes; the others are padding
    let kind = |number: usize| word(number) & u64::from(u32::MAX);
    let (from, to) = (PitchedRows::of(word, 0), PitchedRows::of(word, 7));
    let (bytes, rows) = (word(14), word(15));
    if kind(2) != DEVICE || kind(9) != DEVICE || bytes > from.pitch || bytes > to.pitch {
        return Err(Error::new(crate::code::INVALID_VALUE, "not rows of memory of a device"));
    }
    for row in 0..rows {
        copy(state, to.row(row), from.row(row), usize::try_from(bytes).unwrap_or(usize::MAX))?;
    }
    Ok(())
}

/// Rows in memory, `pitch` bytes apart: one side of a copy of rows.
struct PitchedRows {
    start: u64,
    pitch: u64,
}

impl PitchedRows {
    /// The rows that the words from `at` on describe: x, y, kind, host address, device address, array, pitch.
    fn of(word: impl Fn(usize) -> u64, at: usize) -> Self {
        let (x, y, address, pitch) = (word(at), word(at + 1), word(at + 4), word(at + 6));
        Self { start: address.wrapping_add(x).wrapping_add(y.wrapping_mul(pitch)), pitch }
    }

    fn row(&self, row: u64) -> u64 {
        self.start.wrapping_add(row.wrapping_mul(self.pitch))
    }
}

fn fill(to: u64, pattern: &[u8], count: usize, stream: Handle) -> u32 {
    run(|state| {
        state.stream(stream)?;
        let size = (pattern.len() as u64).saturating_mul(count as u64);
        let bytes = state.owner(to)?.bytes(to, size)?;
        bytes.chunks_exact_mut(pattern.len()).for_each(|part| part.copy_from_slice(pattern));
        Ok(())
    })
}

fn allocate(address: Out<u64>, size: usize) -> u32 {
    on_device(|device| address.set(device.allocate(size as u64)?))
}

fn allocate_host(address: Out<u64>, size: usize) -> u32 {
    on_device(|device| address.set(device.allocate_host(size as u64)?))
}

fn free(address: u64) -> u32 {
    // As in CUDA, freeing nothing is fine.
    run(|state| if address == 0 { Ok(()) } else { state.owner(address)?.free(address) })
}

driver! {
    fn cuMemGetInfo_v2(free: Out<usize>, total: Out<usize>) {
        on_device(|device| {
            device.check()?;
            free.set((device.capacity() - device.live_bytes()) as usize)?;
            total.set(device.capacity() as usize)
        })
    }

    fn cuMemAlloc_v2(address: Out<u64>, size: usize) {
        allocate(address, size)
    }

    fn cuMemAllocAsync(address: Out<u64>, size: usize, _stream: Handle) {
        allocate(address, size)
    }

    fn cuMemAllocManaged(address: Out<u64>, size: usize, _flags: u32) {
        allocate_host(address, size)
    }

    fn cuMemAllocHost_v2(address: Out<u64>, size: usize) {
        allocate_host(address, size)
    }

    fn cuMemHostAlloc(address: Out<u64>, size: usize, _flags: u32) {
        allocate_host(address, size)
    }

    fn cuMemHostGetDevicePointer_v2(address: Out<u64>, host: Host, _flags: u32) {
        run(|state| address.set(host.address()).and(state.current().map(drop)))
    }

    fn cuMemFree_v2(address: u64) {
        free(address)
    }

    fn cuMemFreeAsync(address: u64, _stream: Handle) {
        free(address)
    }

    fn cuMemFreeHost(host: Host) {
        free(host.address())
    }

    fn cuMemGetAddressRange_v2(base: Out<u64>, size: Out<usize>, address: u64) {
        run(|state| {
            let missing = || Error::new(crate::code::NOT_FOUND, "no allocation there");
            let (first, bytes) = state.owner(address)?.range(address).ok_or_else(missing)?;
            base.set_optional(first);
            size.set_optional(bytes as usize);
            Ok(())
        })
    }

    fn cuMemcpyHtoD_v2(to: u64, from: Host, size: usize) {
        run(|state| copy_in(state, to, from, size))
    }

    fn cuMemcpyDtoH_v2(to: Host, from: u64, size: usize) {
        run(|state| copy_out(state, to, from, size))
    }

    fn cuMemcpyDtoD_v2(to: u64, from: u64, size: usize) {
        run(|state| copy(state, to, from, size))
    }

    fn cuMemcpyHtoDAsync_v2(to: u64, from: Host, size: usize, stream: Handle) {
        run(|state| state.stream(stream).map(drop).and_then(|()| copy_in(state, to, from, size)))
    }

    fn cuMemcpyDtoHAsync_v2(to: Host, from: u64, size: usize, stream: Handle) {
        run(|state| state.stream(stream).map(drop).and_then(|()| copy_out(state, to, from, size)))
    }

    fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, size: usize, stream: Handle) {
        run(|state| state.stream(stream).map(drop).and_then(|()| copy(state, to, from, size)))
    }

    fn cuMemcpy2DAsync_v2(description: Host, stream: Handle) {
        run(|state| state.stream(stream).map(drop).and_then(|()| copy_rows(state, description)))
    }

    fn cuMemsetD8_v2(to: u64, value: u8, count: usize) {
        fill(to, &[value], count, 0)
    }

    fn cuMemsetD16_v2(to: u64, value: u16, count: usize) {
        fill(to, &value.to_le_bytes(), count, 0)
    }

    fn cuMemsetD32_v2(to: u64, value: u32, count: usize) {
        fill(to, &value.to_le_bytes(), count, 0)
    }

    fn cuMemsetD8Async(to: u64, value: u8, count: usize, stream: Handle) {
        fill(to, &[value], count, stream)
    }

    fn cuMemsetD16Async(to: u64, value: u16, count: usize, stream: Handle) {
        fill(to, &value.to_le_bytes(), count, stream)
    }

    fn cuMemsetD32Async(to: u64, value: u32, count: usize, stream: Handle) {
        fill(to, &value.to_le_bytes(), count, stream)
    }
}
