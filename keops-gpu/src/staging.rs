//! Copies between memory of the host and of a device, through page-locked memory.
//!
//! The device reads and writes only page-locked memory of the host, which cannot be moved; the driver copies other memory to
//! such memory first. This module does that copy itself, a part at a time, through two buffers in turn: one is on its way while
//! the host fills or empties the other. After a function of this module has returned, nothing touches the caller's memory.

use core::ops::Range;

use cust::{
    error::CudaResult,
    event::{Event, EventFlags},
    memory::{AsyncCopyDestination, DevicePointer, DeviceSlice, LockedBuffer},
    stream::Stream,
};
use rayon::prelude::*;

/// The most bytes of a buffer. Filling so many takes longer than waking the threads that fill it.
const MOST: usize = 8 << 20;

/// The fewest bytes of a buffer.
const LEAST: usize = 64 << 10;

/// The bytes that one thread copies on the host; copies of twice as many or more are shared by threads.
const SHARED: usize = 256 << 10;

/// The two buffers of one stream.
#[derive(Debug, Default)]
pub(crate) struct Staging {
    halves: [Option<Half>; 2],
}

/// A page-locked buffer.
#[derive(Debug)]
struct Half {
    buffer: LockedBuffer<u8>,
    /// Recorded after the copy from or to the buffer.
    done: Event,
    /// Whether such a copy may be on its way.
    busy: bool,
}

impl Half {
    fn new(bytes: usize) -> CudaResult<Self> {
        let buffer = LockedBuffer::new(&0, bytes)?;
        Ok(Self { buffer, done: Event::new(EventFlags::DISABLE_TIMING)?, busy: false })
    }

    fn wait(&mut self) -> CudaResult<()> {
        if self.busy {
            self.done.synchronize()?;
            self.busy = false;
        }
        Ok(())
    }
}

/// Memory of a device as a slice.
///
/// # Safety
/// The memory must live for as long as the slice is used.
unsafe fn device(address: u64, bytes: usize) -> DeviceSlice<u8> {
    // SAFETY: the contract of this function.
    unsafe { DeviceSlice::from_raw_parts(DevicePointer::from_raw(address), bytes) }
}

impl Staging {
    /// Forgets the copies of earlier passes. They are done.
    pub(crate) fn idle(&mut self) {
        self.halves.iter_mut().flatten().for_each(|half| half.busy = false);
    }

    /// The buffer for part `number` of a copy of `bytes` in all.
    fn half(&mut self, number: usize, bytes: usize) -> CudaResult<&mut Half> {
        let wanted = bytes.clamp(LEAST, MOST).next_power_of_two();
        let place = &mut self.halves[number % 2];
        if place.as_ref().is_none_or(|half| half.buffer.len() < wanted) {
            if let Some(half) = place {
                half.wait()?;
            }
            *place = Some(Half::new(wanted)?);
        }
        match place {
            Some(half) => Ok(half),
            None => Err(cust::error::CudaError::UnknownError),
        }
    }

    /// Copies pieces of memory to the device, in the order of the stream. The place of each piece is relative to `address`; the
    /// places ascend, and the pieces do not overlap. The memory between pieces is overwritten, too.
    ///
    /// # Safety
    /// The memory of the device must live until the stream has been synchronized, up to the end of the last piece.
    pub(crate) unsafe fn upload(&mut self, address: u64, pieces: &[(usize, &[u8])], stream: &Stream) -> CudaResult<()> {
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return Ok(()) };
        let (start, end) = (first.0, last.0 + last.1.len());
        let mut pieces = pieces;
        for (number, from) in (start..end).step_by(MOST).enumerate() {
            let to = end.min(from + MOST);
            let half = self.half(number, end - start)?;
            half.wait()?;
            // pieces that end before this part are done
            while let Some(((place, piece), rest)) = pieces.split_first()
                && place + piece.len() <= from
            {
                pieces = rest;
            }
            for (place, piece) in pieces.iter().take_while(|(place, _)| *place < to) {
                let Range { start: a, end: b } = from.max(*place)..to.min(place + piece.len());
                copy(&mut half.buffer[a - from..b - from], &piece[a - place..b - place]);
            }
            // SAFETY: the caller's promise, and that of the buffer is kept by waiting for `done`.
            unsafe { device(address + from as u64, to - from).async_copy_from(&half.buffer[..to - from], stream)? };
            half.busy = true;
            half.done.record(stream)?;
        }
        Ok(())
    }

    /// Copies memory of the device to `to`, in the order of the stream, and waits. An error may also be that of earlier work on
    /// the stream.
    ///
    /// # Safety
    /// The memory of the device must exist and be as long as `to`.
    pub(crate) unsafe fn download(&mut self, address: u64, to: &mut [u8], stream: &Stream) -> CudaResult<()> {
        let (bytes, parts) = (to.len(), to.len().div_ceil(MOST));
        let range = |number: usize| number * MOST..bytes.min((number + 1) * MOST);
        for number in 0..=parts {
            if number < parts {
                let range = range(number);
                let half = self.half(number, bytes)?;
                half.wait()?;
                // SAFETY: the caller's promise, and that of the buffer is kept by waiting for `done`.
                unsafe {
                    device(address + range.start as u64, range.len())
                        .async_copy_to(&mut half.buffer[..range.len()], stream)?;
                }
                half.busy = true;
                half.done.record(stream)?;
            }
            if let Some(number) = number.checked_sub(1) {
                let range = range(number);
                let half = self.half(number, bytes)?;
                half.wait()?;
                let from = &half.buffer[..range.len()];
                copy(&mut to[range], from);
            }
        }
        Ok(())
    }
}

fn copy(to: &mut [u8], from: &[u8]) {
    if to.len() < 2 * SHARED {
        to.copy_from_slice(from);
    } else {
        to.par_chunks_mut(SHARED).zip(from.par_chunks(SHARED)).for_each(|(to, from)| to.copy_from_slice(from));
    }
}
