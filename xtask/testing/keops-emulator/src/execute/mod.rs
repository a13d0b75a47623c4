//! The functions that instructions compute.
//!
//! Contract: the modules give, for an opcode with its type and modifiers, the function that computes it, or `None`
//! where PTX has no such instruction or the emulator does not know it. The functions truncate their operands to the
//! type and return results that are zero-extended to 64 bits.

pub(crate) mod convert;
pub(crate) mod float;
pub(crate) mod integer;
pub(crate) mod memory;
