//! Global memory: allocations of the device.
//!
//! Contract: each allocation lies alone in the address space, with at least 4096 unmapped bytes around it, at a
//! multiple of 256; an address is never used twice. So every access that leaves an allocation, or comes after it
//! was freed, is found. Fresh memory is filled with 0xFF (floats that are NaN), as a device promises nothing about it.
//!
//! Host allocations (pinned and managed memory) are reached at their true host address, by both sides.

use crate::error::{Error, Trouble, code, trouble};

/// The first device address. No operating system maps host memory there, so that a host access to it is found too.
const FIRST: u64 = 0x2000_0000_0000;
/// The alignment of allocations.
const ALIGN: u64 = 256;
/// The least distance between allocations.
const GAP: u64 = 4096;
/// The byte that fresh memory is filled with.
const FRESH: u8 = 0xff;

/// The owner of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The program, which can free the allocation; its bytes count.
    User,
    /// A variable of a module.
    Module,
    /// The program, for host memory that the device can reach.
    Host,
}

#[derive(Debug)]
struct Allocation {
    base: u64,
    size: u64,
    owner: Owner,
    /// The offset in `data` at which the memory begins, for the alignment of host allocations.
    start: usize,
    data: Box<[u8]>,
}

/// All global memory of one device.
#[derive(Debug)]
pub(crate) struct GlobalMemory {
    /// In the order of their addresses.
    allocations: Vec<Allocation>,
    /// The allocation of the last access.
    last: usize,
    next: u64,
    capacity: u64,
    live: u64,
    /// The base and the size of each freed allocation, for the texts of faults.
    freed: Vec<(u64, u64)>,
}

impl GlobalMemory {
    /// Memory of a device; the addresses of different devices are different.
    pub(crate) fn new(capacity: u64, device: u64) -> Self {
        Self { allocations: Vec::new(), last: 0, next: FIRST + (device << 40), capacity, live: 0, freed: Vec::new() }
    }

    /// The bytes that the program has allocated.
    pub(crate) fn live(&self) -> u64 {
        self.live
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Allocates device memory.
    pub(crate) fn allocate(&mut self, size: u64, owner: Owner) -> Result<u64, Error> {
        if size == 0 && owner == Owner::User {
            return Err(Error::new(code::INVALID_VALUE, "allocation of 0 bytes"));
        }
        let counted = if owner == Owner::User { size } else { 0 };
        if counted > self.capacity - self.live {
            let text = format!("allocation of {size} bytes with {} of {} bytes in use", self.live, self.capacity);
            return Err(Error::new(code::OUT_OF_MEMORY, text));
        }
        self.live += counted;
        let base = self.next;
        self.next = (base + size + GAP).next_multiple_of(ALIGN);
        let data = vec![FRESH; size as usize].into_boxed_slice();
        self.insert(Allocation { base, size, owner, start: 0, data });
        Ok(base)
    }

    /// Allocates host memory that the device can reach too; the address is that of the host.
    pub(crate) fn allocate_host(&mut self, size: u64) -> Result<u64, Error> {
        if size == 0 || size > self.capacity {
            return Err(Error::new(code::INVALID_VALUE, format!("host allocation of {size} bytes")));
        }
        let mut data = vec![FRESH; (size + ALIGN) as usize].into_boxed_slice();
        let address = data.as_mut_ptr().expose_provenance() as u64;
        let base = address.next_multiple_of(ALIGN);
        self.insert(Allocation { base, size, owner: Owner::Host, start: (base - address) as usize, data });
        Ok(base)
    }

    fn insert(&mut self, allocation: Allocation) {
        let at = self.allocations.partition_point(|r| r.base < allocation.base);
        self.allocations.insert(at, allocation);
        self.last = 0;
    }

    /// Frees an allocation by its first address.
    pub(crate) fn free(&mut self, base: u64, owners: &[Owner]) -> Result<(), Error> {
        let found = self.allocations.iter().position(|r| r.base == base && owners.contains(&r.owner));
        let Some(at) = found else {
            let text = if self.freed.iter().any(|f| f.0 == base) { "freed twice" } else { "freed, never allocated" };
            return Err(Error::new(code::INVALID_VALUE, format!("{base:#x}: {text}")));
        };
        let allocation = self.allocations.remove(at);
        if allocation.owner == Owner::User {
            self.live -= allocation.size;
        }
        if allocation.owner != Owner::Host {
            self.freed.push((allocation.base, allocation.size));
        }
        self.last = 0;
        Ok(())
    }

    /// The first address and the size of the allocation around an address.
    pub(crate) fn range(&self, address: u64) -> Option<(u64, u64)> {
        let at = self.allocations.partition_point(|r| r.base <= address).checked_sub(1)?;
        let allocation = &self.allocations[at];
        (address - allocation.base < allocation.size).then_some((allocation.base, allocation.size))
    }

    /// The bytes at an address, if one allocation holds all of them.
    #[inline]
    pub(crate) fn bytes(&mut self, address: u64, size: u64) -> Result<&mut [u8], Trouble> {
        let inside = |r: &Allocation| {
            let offset = address.wrapping_sub(r.base);
            offset < r.size && size <= r.size - offset
        };
        if !self.allocations.get(self.last).is_some_and(inside) {
            let at = self.allocations.partition_point(|r| r.base <= address).wrapping_sub(1);
            if !self.allocations.get(at).is_some_and(inside) {
                return Err(self.outside(address, size));
            }
            self.last = at;
        }
        let allocation = &mut self.allocations[self.last];
        let from = (address - allocation.base) as usize + allocation.start;
        Ok(&mut allocation.data[from..from + size as usize])
    }

    #[cold]
    fn outside(&self, address: u64, size: u64) -> Trouble {
        let near = |base: u64, length: u64| address >= base.wrapping_sub(GAP) && address < base + length + GAP;
        let text = if let Some(f) = self.freed.iter().rev().find(|f| address >= f.0 && address - f.0 < f.1) {
            format!("use after free: byte {} of the {} bytes that were at {:#x}", address - f.0, f.1, f.0)
        } else if let Some(r) = self.allocations.iter().find(|r| near(r.base, r.size)) {
            let offset = address.wrapping_sub(r.base) as i64;
            format!("out of bounds: byte {offset} of the {} bytes at {:#x}", r.size, r.base)
        } else {
            "no memory there".to_owned()
        };
        trouble(code::ILLEGAL_ADDRESS, format!("access to {size} bytes at {address:#x}: {text}"))
    }
}
