//! Shared memory of a block, with the checks that a device does not make.
//!
//! Contract: an access out of bounds, a read of a byte that the block has not written, and two threads that meet at a
//! byte between the same two barriers, one of them writing, are faults. Atomic accesses do not race.

use crate::error::{Trouble, code, trouble};

/// The bits of a thread number in a record.
const FIELD: u32 = 11;
/// The thread number that means no thread.
const NONE: u64 = (1 << FIELD) - 1;
/// The fields of a record that nobody has touched. A record has the barrier interval, the thread that wrote, and the first two
/// threads that read.
const UNTOUCHED: u64 = NONE << (2 * FIELD) | NONE << FIELD | NONE;

/// Shared memory of the block that runs.
#[derive(Debug, Default)]
pub(crate) struct SharedMemory {
    data: Vec<u8>,
    /// A flag for each byte, 1 if the block has written it.
    written: Vec<u8>,
    /// A record for each byte; records of earlier intervals count as untouched.
    records: Vec<u64>,
    interval: u64,
    /// The `or` over the predicates of all threads: for the barrier that comes, and for the last one.
    said: [bool; 2],
}

impl SharedMemory {
    /// Starts a block: nothing is written.
    pub(crate) fn begin(&mut self, size: usize) {
        self.data.resize(size, 0);
        self.written.clear();
        self.written.resize(size, 0);
        self.records.resize(size, 0);
        self.interval += 1;
        self.said = [false; 2];
    }

    /// Ends an interval: what was done before it cannot race with what comes.
    pub(crate) fn barrier(&mut self) {
        self.interval += 1;
        self.said = [false, self.said[0]];
    }

    /// Adds the predicate that a thread brings to the next barrier.
    pub(crate) fn say(&mut self, says: bool) {
        self.said[0] |= says;
    }

    /// Whether the predicate of any thread was true at the last barrier.
    pub(crate) fn any_said(&self) -> bool {
        self.said[1]
    }

    fn check(&self, address: u64, size: u64) -> Result<std::ops::Range<usize>, Trouble> {
        let length = self.data.len() as u64;
        if address > length || size > length - address {
            let text = format!("access to {size} bytes at {address:#x} of {length} bytes of shared memory");
            return Err(trouble(code::ILLEGAL_ADDRESS, text));
        }
        Ok(address as usize..(address + size) as usize)
    }

    fn initialised(&self, range: std::ops::Range<usize>) -> Result<(), Trouble> {
        match self.written[range.clone()].iter().position(|written| *written == 0) {
            None => Ok(()),
            Some(at) => {
                let text =
                    format!("read of byte {:#x} of shared memory, which the block has not written", range.start + at);
                Err(trouble(code::LAUNCH_FAILED, text))
            }
        }
    }

    /// The bytes that a thread reads.
    pub(crate) fn read(&mut self, address: u64, size: u64, thread: u32) -> Result<&[u8], Trouble> {
        let range = self.check(address, size)?;
        self.initialised(range.clone())?;
        let (me, now) = (u64::from(thread), self.interval << (3 * FIELD));
        for (at, record) in self.records[range.clone()].iter_mut().enumerate() {
            let state = if *record >> (3 * FIELD) == self.interval { *record } else { now | UNTOUCHED };
            let (writer, first, second) = (state >> (2 * FIELD) & NONE, state >> FIELD & NONE, state & NONE);
            if writer != NONE && writer != me {
                return Err(race(range.start + at, writer, me, "wrote", "reads"));
            }
            *record = if first == NONE {
                state & !(NONE << FIELD) | me << FIELD
            } else if second == NONE && first != me {
                state & !NONE | me
            } else {
                state
            };
        }
        Ok(&self.data[range])
    }

    /// The bytes that a thread is about to write.
    pub(crate) fn write(&mut self, address: u64, size: u64, thread: u32) -> Result<&mut [u8], Trouble> {
        let range = self.check(address, size)?;
        let (me, now) = (u64::from(thread), self.interval << (3 * FIELD));
        for (at, record) in self.records[range.clone()].iter_mut().enumerate() {
            let state = if *record >> (3 * FIELD) == self.interval { *record } else { now | UNTOUCHED };
            let (writer, first, second) = (state >> (2 * FIELD) & NONE, state >> FIELD & NONE, state & NONE);
            if writer != NONE && writer != me {
                return Err(race(range.start + at, writer, me, "wrote", "writes"));
            }
            if let Some(reader) = [first, second].into_iter().find(|reader| *reader != NONE && *reader != me) {
                return Err(race(range.start + at, reader, me, "read", "writes"));
            }
            *record = state & !(NONE << (2 * FIELD)) | me << (2 * FIELD);
        }
        self.written[range.clone()].fill(1);
        Ok(&mut self.data[range])
    }

    /// The bytes of an atomic access.
    pub(crate) fn atomic(&mut self, address: u64, size: u64) -> Result<&mut [u8], Trouble> {
        let range = self.check(address, size)?;
        self.initialised(range.clone())?;
        Ok(&mut self.data[range])
    }
}

#[cold]
fn race(byte: usize, other: u64, me: u64, did: &str, does: &str) -> Trouble {
    let text = format!(
        "data race at byte {byte:#x} of shared memory: thread {other} {did} it, thread {me} {does} it, no barrier"
    );
    trouble(code::LAUNCH_FAILED, text)
}
