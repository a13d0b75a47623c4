//! Pointers that a C caller passes.
//!
//! Contract: a null pointer is `CUDA_ERROR_INVALID_VALUE`; any other pointer is what `cuda.h` promises for the
//! argument. The types below are made by C callers only, which is why their functions need not be `unsafe` themselves.

use std::ffi::{CStr, c_char};

use crate::error::{Error, code};

fn null() -> Error {
    Error::new(code::INVALID_VALUE, "null pointer")
}

/// Where a result goes.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Out<T>(*mut T);

impl<T: Copy> Out<T> {
    /// Writes the result.
    pub(crate) fn set(self, value: T) -> Result<(), Error> {
        if self.0.is_null() {
            return Err(null());
        }
        // SAFETY: by the contract of the driver function the caller's pointer is valid for one value.
        unsafe { self.0.write_unaligned(value) };
        Ok(())
    }

    /// Writes the result where the caller wants it.
    pub(crate) fn set_optional(self, value: T) {
        // A null pointer means that the caller does not want it.
        _ = self.set(value);
    }
}

/// Text of the caller, with a zero at its end.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Text(*const c_char);

impl Text {
    /// The text; bytes that are not UTF-8 are replaced.
    pub(crate) fn get(self) -> Result<String, Error> {
        if self.0.is_null() {
            return Err(null());
        }
        // SAFETY: by the contract of the driver function the text ends with a zero.
        let text = unsafe { CStr::from_ptr(self.0) };
        Ok(text.to_string_lossy().into_owned())
    }

    /// The first four bytes of an image that may be binary.
    pub(crate) fn magic(self) -> Result<[u8; 4], Error> {
        if self.0.is_null() {
            return Err(null());
        }
        let mut bytes = [0; 4];
        for (at, byte) in bytes.iter_mut().enumerate() {
            // SAFETY: the bytes before the zero at the end of the text are readable, and the loop ends at the zero; a
            // binary image is longer than four bytes.
            *byte = unsafe { self.0.add(at).cast::<u8>().read() };
            if *byte == 0 {
                break;
            }
        }
        Ok(bytes)
    }
}

/// Host memory of the caller.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Host(*mut u8);

impl Host {
    /// Its address.
    pub(crate) fn address(self) -> u64 {
        self.0.addr() as u64
    }

    /// Copies from the host.
    pub(crate) fn read(self, to: &mut [u8]) -> Result<(), Error> {
        if self.0.is_null() && !to.is_empty() {
            return Err(null());
        }
        // SAFETY: the caller promises as many readable bytes as the size says; pinned memory may overlap, hence `copy`.
        unsafe { std::ptr::copy(self.0, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    /// Copies to the host.
    pub(crate) fn write(self, from: &[u8]) -> Result<(), Error> {
        if self.0.is_null() && !from.is_empty() {
            return Err(null());
        }
        // SAFETY: the caller promises as many writable bytes as the size says; pinned memory may overlap, hence `copy`.
        unsafe { std::ptr::copy(from.as_ptr(), self.0, from.len()) };
        Ok(())
    }

    /// Writes text that is cut to `length` bytes with its zero.
    pub(crate) fn text(self, text: &str, length: usize) -> Result<(), Error> {
        if length == 0 {
            return Err(Error::new(code::INVALID_VALUE, "no room for text"));
        }
        let mut bytes = text.as_bytes()[..text.len().min(length - 1)].to_vec();
        bytes.push(0);
        self.write(&bytes)
    }
}

/// The parameters of a launch: an array of pointers to values.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Parameters(*const Host);

impl Parameters {
    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Copies the values of these sizes.
    pub(crate) fn get(self, sizes: &[u64]) -> Result<Vec<Vec<u8>>, Error> {
        if self.0.is_null() && !sizes.is_empty() {
            return Err(null());
        }
        let mut values = Vec::new();
        for (at, size) in sizes.iter().enumerate() {
            // SAFETY: the caller passes one pointer for each parameter of the kernel.
            let pointer = unsafe { self.0.add(at).read() };
            let mut value = vec![0; *size as usize];
            pointer.read(&mut value)?;
            values.push(value);
        }
        Ok(values)
    }
}

/// A function of the caller with one pointer of its own.
pub(crate) type Callback = Option<unsafe extern "C" fn(*mut u8)>;

/// Calls a function of the caller.
pub(crate) fn call(function: Callback, data: Host) -> Result<(), Error> {
    let function = function.ok_or_else(null)?;
    // SAFETY: the caller gave the function together with the pointer that it takes.
    unsafe { function(data.0) };
    Ok(())
}
