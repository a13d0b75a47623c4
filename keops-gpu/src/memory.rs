//! The one allocation of a call, and copies to and from it.
//!
//! Allocating takes the driver longer than a small kernel runs, so a call does it once: a [`Plan`] lays out everything
//! that it needs, [`Memory`] is the allocation, and a [`Region`] a part of it.

use cust::{
    error::{CudaError, CudaResult},
    memory::{AsyncCopyDestination, DeviceBuffer, DevicePointer, DeviceSlice, mem_get_info},
    stream::Stream,
};
use keops_core::error::Error;

use crate::failure;

/// Regions start at multiples of so many bytes, as allocations of their own would.
const ALIGNMENT: usize = 256;

/// A part of the allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    offset: usize,
    bytes: usize,
}

impl Region {
    /// How long it is.
    pub(crate) fn bytes(self) -> usize {
        self.bytes
    }
}

/// Where everything goes. Sizes that no memory has are the largest there is, so that they never fit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    bytes: usize,
}

impl Plan {
    /// Memory for `count` items of `size` bytes.
    pub(crate) fn region(&mut self, count: usize, size: usize) -> Region {
        let region = Region { offset: self.bytes, bytes: count.saturating_mul(size) };
        let end = region.offset.saturating_add(region.bytes);
        self.bytes = end.checked_next_multiple_of(ALIGNMENT).unwrap_or(usize::MAX);
        region
    }

    /// The bytes of all regions.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The free memory of the current device, in bytes.
pub(crate) fn free_bytes() -> Result<usize, Error> {
    let (free, _) = mem_get_info().map_err(|error| failure::cuda("asking for the free memory", error))?;
    Ok(free)
}

/// Memory of the current device, let go when it is dropped.
#[derive(Debug)]
pub(crate) struct Memory(DeviceBuffer<u8>);

impl Memory {
    /// Memory for all regions of a plan, if as much is `free`.
    pub(crate) fn allocate(plan: Plan, free: usize) -> Result<Self, Error> {
        let needed = plan.bytes;
        if needed > free {
            return Err(failure::memory(needed, free));
        }
        // SAFETY: bytes are copied or written by kernels before they are read: the kernels' part of the contract.
        match unsafe { DeviceBuffer::uninitialized(needed.max(ALIGNMENT)) } {
            Ok(buffer) => Ok(Self(buffer)),
            // Memory may be in pieces, or another program was faster.
            Err(CudaError::OutOfMemory) => Err(failure::memory(needed, free)),
            Err(error) => Err(failure::cuda("allocating memory", error)),
        }
    }

    /// The address of a region on the device.
    pub(crate) fn address(&self, region: Region) -> u64 {
        self.0.as_device_ptr().as_raw() + region.offset as u64
    }

    /// A region, to be copied; an error if it is not that long.
    fn slice(&self, region: Region, bytes: usize) -> CudaResult<DeviceSlice<u8>> {
        let inside = region.offset.checked_add(region.bytes).is_some_and(|end| end <= self.0.len());
        if region.bytes != bytes || !inside {
            return Err(CudaError::InvalidValue);
        }
        let pointer = DevicePointer::from_raw(self.address(region));
        // SAFETY: the region is inside the allocation, and only handed to copies of this module.
        Ok(unsafe { DeviceSlice::from_raw_parts(pointer, bytes) })
    }

    /// Copies `from` to a region of the same length, in the order of the stream.
    ///
    /// # Safety
    /// `from` and `self` must live until the stream has been synchronized.
    pub(crate) unsafe fn upload(&self, region: Region, from: &[u8], stream: &Stream) -> CudaResult<()> {
        // SAFETY: the lengths agree; the rest is the caller's promise.
        unsafe { self.slice(region, from.len())?.async_copy_from(from, stream) }
    }

    /// Copies a region to `to` of the same length, in the order of the stream.
    ///
    /// # Safety
    /// `to` and `self` must live, and `to` not be touched, until the stream has been synchronized.
    pub(crate) unsafe fn download(&self, region: Region, to: &mut [u8], stream: &Stream) -> CudaResult<()> {
        // SAFETY: the lengths agree; the rest is the caller's promise.
        unsafe { self.slice(region, to.len())?.async_copy_to(to, stream) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_apart_and_aligned() {
        let mut plan = Plan::default();
        let sizes = [(3, 4), (0, 8), (1, 256), (257, 1), (2, 20)];
        let regions = sizes.map(|(count, size)| plan.region(count, size));
        for (pair, (count, size)) in regions.windows(2).zip(sizes) {
            assert_eq!(pair[0].bytes, count * size);
            assert!(pair[0].offset + pair[0].bytes <= pair[1].offset && pair[1].offset.is_multiple_of(ALIGNMENT));
        }
        assert_eq!(plan.bytes(), 256 + 256 + 512 + 256);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let mut plan = Plan::default();
        plan.region(usize::MAX / 2, 8);
        plan.region(100, 4);
        assert_eq!(plan.bytes(), usize::MAX);
        assert_eq!(
            Memory::allocate(plan, 1 << 40).err(),
            Some(Error::DeviceMemory { needed: usize::MAX, free: 1 << 40 })
        );
    }
}
