//! Memory of a device.
//!
//! Allocating takes the driver longer than a small kernel runs, so a pass does it at most once: a [`MemoryPlan`] lays out
//! everything that the pass needs, an [`Allocation`] is the memory, which a later pass uses again, and a
//! [`Region`] is a part of it. Results that stay on the device have memory of their own, which is [`Resident`].

use core::any::Any;
use std::sync::Arc;

use cust::{
    error::CudaError,
    memory::{DeviceBuffer, mem_get_info},
};
use keops_core::data::{self, Array, Error, Stored};

use crate::{device::Gpu, failure, numbers::Numbers};

/// The alignment of regions in bytes, which is that of allocations.
const ALIGNMENT: usize = 256;

/// A part of the allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    offset: usize,
    bytes: usize,
}

impl Region {
    /// The place of the region in the allocation, in bytes.
    pub(crate) fn offset(self) -> usize {
        self.offset
    }

    /// The length of the region in bytes.
    pub(crate) fn bytes(self) -> usize {
        self.bytes
    }
}

/// The layout of an allocation, region after region. A sum of sizes that overflows is `usize::MAX`, which never fits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MemoryPlan {
    bytes: usize,
}

impl MemoryPlan {
    /// Adds a region for `count` items of `size` bytes.
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

/// Memory of the current device, freed when the value is dropped; the device must be current then, too.
#[derive(Debug)]
pub(crate) struct Allocation(DeviceBuffer<u8>);

impl Allocation {
    /// Allocates memory of at least so many bytes.
    pub(crate) fn allocate(bytes: usize) -> Result<Self, Error> {
        // SAFETY: bytes are copied or written by kernels before they are read: the kernels' part of the contract.
        match unsafe { DeviceBuffer::uninitialized(bytes.max(ALIGNMENT)) } {
            Ok(buffer) => Ok(Self(buffer)),
            Err(CudaError::OutOfMemory) => Err(failure::memory(bytes, free_bytes()?)),
            Err(error) => Err(failure::cuda("allocating memory", error)),
        }
    }

    /// The length in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The address of the first byte on the device.
    pub(crate) fn start(&self) -> u64 {
        self.0.as_device_ptr().as_raw()
    }

    /// The address of a region on the device.
    pub(crate) fn address(&self, region: Region) -> u64 {
        self.start() + region.offset as u64
    }
}

/// Memory of a device that outlives the call that made it.
#[derive(Debug)]
pub(crate) struct Resident {
    device: Arc<Gpu>,
    /// `None` while the value is being dropped.
    memory: Option<Allocation>,
    /// The bytes that were asked for; the allocation may have more.
    bytes: usize,
}

impl Resident {
    /// Allocates so many bytes of a device, which must be current.
    pub(crate) fn allocate(device: &Arc<Gpu>, bytes: usize) -> Result<Self, Error> {
        let memory = match Allocation::allocate(bytes) {
            Err(Error::DeviceMemory { .. }) => {
                device.release_idle();
                Allocation::allocate(bytes)?
            }
            allocated => allocated?,
        };
        Ok(Self { device: Arc::clone(device), memory: Some(memory), bytes })
    }

    /// The address of the first byte on the device.
    pub(crate) fn start(&self) -> u64 {
        self.memory.as_ref().map_or(0, Allocation::start)
    }

    /// The bytes that were asked for.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The memory as an array of numbers of type `T`.
    pub(crate) fn into_array<T>(self) -> Array<T> {
        let len = self.bytes.checked_div(size_of::<T>()).unwrap_or(0);
        Array::Cuda(Arc::new(self), len)
    }

    /// Copies numbers of the host to new memory of `device`.
    pub(crate) fn upload<T: Stored>(device: &Arc<Gpu>, numbers: Numbers<T>, from: &[T]) -> Result<Self, Error> {
        let _restore = device.make_current()?;
        let kept = Self::allocate(device, size_of_val(from))?;
        device.with_workspace(|workspace| {
            let (staging, stream) = workspace.staging();
            // SAFETY: the memory is that long, and there until the stream has been synchronized.
            let sent = unsafe { staging.upload(kept.start(), &[(0, numbers.bytes(from))], stream) };
            // also after an error: a part may be on its way
            sent.and(stream.synchronize()).map_err(|error| failure::cuda("copying to the device", error))
        })?;
        Ok(kept)
    }

    fn read<T: Stored>(&self, to: &mut [T]) -> Result<(), Error> {
        let failed = |error| failure::cuda("copying from the device", error);
        let numbers = Numbers::new().ok_or_else(|| failed(CudaError::InvalidValue))?;
        let to = numbers.bytes_mut(to);
        if to.len() != self.bytes {
            return Err(failed(CudaError::InvalidValue));
        }
        let _restore = self.device.make_current()?;
        self.device.with_workspace(|workspace| {
            let (staging, stream) = workspace.staging();
            // SAFETY: the memory is that long.
            let received = unsafe { staging.download(self.start(), to, stream) };
            // also after an error: a copy may be on its way
            received.and(stream.synchronize()).map_err(failed)
        })
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        // without its device the memory cannot be freed, and there is nobody to tell
        let _restore = self.device.make_current();
        self.memory = None;
    }
}

impl data::Memory for Resident {
    fn ordinal(&self) -> usize {
        self.device.ordinal()
    }

    fn read_f32(&self, to: &mut [f32]) -> Result<(), Error> {
        self.read(to)
    }

    fn read_f64(&self, to: &mut [f64]) -> Result<(), Error> {
        self.read(to)
    }

    fn read_u32(&self, to: &mut [u32]) -> Result<(), Error> {
        self.read(to)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_apart_and_aligned() {
        let mut plan = MemoryPlan::default();
        let sizes = [(3, 4), (0, 8), (1, 256), (257, 1), (2, 20)];
        let regions = sizes.map(|(count, size)| plan.region(count, size));
        for (pair, (count, size)) in regions.windows(2).zip(sizes) {
            assert_eq!(pair[0].bytes, count * size);
            assert!(pair[0].offset + pair[0].bytes <= pair[1].offset && pair[1].offset.is_multiple_of(ALIGNMENT));
        }
        assert_eq!(plan.bytes(), 256 + 256 + 512 + 256);
    }

    #[test]
    fn what_is_too_large_is_as_large_as_can_be() {
        let mut plan = MemoryPlan::default();
        plan.region(usize::MAX / 2, 8);
        plan.region(100, 4);
        assert_eq!(plan.bytes(), usize::MAX);
    }
}
