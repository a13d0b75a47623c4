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
