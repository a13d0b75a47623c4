//! Loads, stores and atomic accesses in all state spaces.
//!
//! Contract: an access that is not aligned to its whole size (of a vector: of the whole vector), or that leaves its
//! memory, is a fault and has no effect. Generic addresses in the windows below belong to local, shared and parameter
//! memory; all others to global memory.

use crate::error::{Trouble, code, trouble};
use crate::memory::GlobalMemory;
use crate::program::{Access, Slot, Space, Ternary, mask};
use crate::shared::SharedMemory;

/// The generic addresses of local memory begin here.
pub(crate) const LOCAL_WINDOW: u64 = 0x1100_0000_0000;
/// The generic addresses of shared memory begin here.
pub(crate) const SHARED_WINDOW: u64 = 0x1200_0000_0000;
/// The generic addresses of parameter memory begin here.
pub(crate) const PARAMETER_WINDOW: u64 = 0x1300_0000_0000;
/// The size of each window.
pub(crate) const WINDOW: u64 = 1 << 32;

/// The memory that one thread sees.
pub(crate) struct Spaces<'a> {
    pub(crate) global: &'a mut GlobalMemory,
    pub(crate) shared: &'a mut SharedMemory,
    /// The number of the thread in its block.
    pub(crate) thread: u32,
}

/// The space and the offset in it that a generic address means.
fn resolve(space: Space, address: u64) -> (Space, u64) {
    if space != Space::Generic {
        return (space, address);
    }
    for (window, space) in
        [(LOCAL_WINDOW, Space::Local), (SHARED_WINDOW, Space::Shared), (PARAMETER_WINDOW, Space::Parameter)]
    {
        if address.wrapping_sub(window) < WINDOW {
            return (space, address - window);
        }
    }
    (Space::Global, address)
}

/// The address of an access, checked for its alignment, and its size.
#[inline]
fn place(access: &Access, slots: &[u64]) -> Result<(Space, u64, u64), Trouble> {
    let mut address = slots[access.address as usize].wrapping_add(access.offset as u64);
    if access.narrow {
        address &= 0xffff_ffff;
    }
    let size = u64::from(access.bytes) * u64::from(access.lanes);
    if address & (size - 1) != 0 {
        return Err(misaligned(address, size));
    }
    let (space, address) = resolve(access.space, address);
    Ok((space, address, size))
}

#[cold]
fn misaligned(address: u64, size: u64) -> Trouble {
    trouble(
        code::MISALIGNED_ADDRESS,
        format!("access to {size} bytes at {address:#x}, which is not a multiple of {size}"),
    )
}

fn own<'m>(memory: &'m mut [u8], name: &str, address: u64, size: u64) -> Result<&'m mut [u8], Trouble> {
    let length = memory.len() as u64;
    if address > length || size > length - address {
        let text = format!("access to {size} bytes at {address:#x} of {length} bytes of {name} memory");
        return Err(trouble(code::ILLEGAL_ADDRESS, text));
    }
    Ok(&mut memory[address as usize..(address + size) as usize])
}

#[inline]
fn fetch(bytes: &[u8]) -> u64 {
    match *bytes {
        [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a] => u64::from(a),
        _ => 0,
    }
}

#[inline]
fn put(bytes: &mut [u8], value: u64) {
    let all = value.to_le_bytes();
    match bytes.len() {
        4 => bytes.copy_from_slice(&all[..4]),
        8 => bytes.copy_from_slice(&all),
        2 => bytes.copy_from_slice(&all[..2]),
        _ => bytes[0] = all[0],
    }
}

impl Spaces<'_> {
    /// Reads memory into slots; `wide` masks elements that were sign-extended.
    #[inline]
    pub(crate) fn load(
        &mut self,
        access: &Access,
        to: &[Slot; 4],
        wide: u64,
        slots: &mut [u64],
        local: &mut [u8],
        parameters: &mut [u8],
    ) -> Result<(), Trouble> {
        let (space, address, size) = place(access, slots)?;
        let bytes: &[u8] = match space {
            Space::Global | Space::Constant | Space::Generic => self.global.bytes(address, size)?,
            Space::Shared => self.shared.read(address, size, self.thread)?,
            Space::Local => own(local, "local", address, size)?,
            Space::Parameter => own(parameters, "parameter", address, size)?,
        };
        if access.lanes == 1 {
            let mut value = fetch(bytes);
            if access.signed {
                let unused = 64 - 8 * u32::from(access.bytes);
                value = ((value << unused) as i64 >> unused) as u64 & wide;
            }
            slots[to[0] as usize] = value;
            return Ok(());
        }
        for (part, to) in bytes.chunks_exact(usize::from(access.bytes)).zip(to) {
            let mut value = fetch(part);
            if access.signed {
                let unused = 64 - 8 * u32::from(access.bytes);
                value = ((value << unused) as i64 >> unused) as u64 & wide;
            }
            slots[*to as usize] = value;
        }
        Ok(())
    }

    /// Writes slots to memory.
    #[inline]
    pub(crate) fn store(
        &mut self,
        access: &Access,
        from: &[Slot; 4],
        slots: &[u64],
        local: &mut [u8],
        parameters: &mut [u8],
    ) -> Result<(), Trouble> {
        let (space, address, size) = place(access, slots)?;
        let bytes = match space {
            Space::Global | Space::Generic => self.global.bytes(address, size)?,
            Space::Constant => return Err(trouble(code::ILLEGAL_ADDRESS, "store to constant memory")),
            Space::Shared => self.shared.write(address, size, self.thread)?,
            Space::Local => own(local, "local", address, size)?,
            Space::Parameter => own(parameters, "parameter", address, size)?,
        };
        for (part, from) in bytes.chunks_exact_mut(usize::from(access.bytes)).zip(from) {
            put(part, slots[*from as usize]);
        }
        Ok(())
    }

    /// Replaces a number in memory and gives the old one.
    pub(crate) fn atomic(
        &mut self,
        access: &Access,
        function: Ternary,
        operands: [u64; 2],
        slots: &[u64],
    ) -> Result<u64, Trouble> {
        let (space, address, size) = place(access, slots)?;
        let bytes = match space {
            Space::Global | Space::Generic => self.global.bytes(address, size)?,
            Space::Shared => self.shared.atomic(address, size)?,
            _ => return Err(trouble(code::ILLEGAL_ADDRESS, "atomic access outside of global and shared memory")),
        };
        let old = fetch(bytes);
        put(bytes, function(old, operands[0], operands[1]) & mask(8 * u32::from(access.bytes)));
        Ok(old)
    }
}
