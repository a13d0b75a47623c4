//! Errors: the driver's number, and a text for people.
//!
//! Contract: every function of this crate that can fail returns an [`Error`]; its `code` is the `CUresult` that the
//! driver of a real device would have returned, its `text` names the place (PTX line, kernel, block, thread, address).

use std::fmt;

/// The `CUresult` numbers that the emulator uses.
pub mod code {
    /// `CUDA_SUCCESS`.
    pub const SUCCESS: u32 = 0;
    /// `CUDA_ERROR_INVALID_VALUE`.
    pub const INVALID_VALUE: u32 = 1;
    /// `CUDA_ERROR_OUT_OF_MEMORY`.
    pub const OUT_OF_MEMORY: u32 = 2;
    /// `CUDA_ERROR_NOT_INITIALIZED`.
    pub const NOT_INITIALIZED: u32 = 3;
    /// `CUDA_ERROR_NO_DEVICE`.
    pub const NO_DEVICE: u32 = 100;
    /// `CUDA_ERROR_INVALID_DEVICE`.
    pub const INVALID_DEVICE: u32 = 101;
    /// `CUDA_ERROR_INVALID_CONTEXT`.
    pub const INVALID_CONTEXT: u32 = 201;
    /// `CUDA_ERROR_INVALID_PTX`.
    pub const INVALID_PTX: u32 = 218;
    /// `CUDA_ERROR_OPERATING_SYSTEM`.
    pub const OPERATING_SYSTEM: u32 = 304;
    /// `CUDA_ERROR_INVALID_HANDLE`.
    pub const INVALID_HANDLE: u32 = 400;
    /// `CUDA_ERROR_NOT_FOUND`.
    pub const NOT_FOUND: u32 = 500;
    /// `CUDA_ERROR_ILLEGAL_ADDRESS`.
    pub const ILLEGAL_ADDRESS: u32 = 700;
    /// `CUDA_ERROR_LAUNCH_TIMEOUT`.
    pub const LAUNCH_TIMEOUT: u32 = 702;
    /// `CUDA_ERROR_MISALIGNED_ADDRESS`.
    pub const MISALIGNED_ADDRESS: u32 = 716;
    /// `CUDA_ERROR_LAUNCH_FAILED`.
    pub const LAUNCH_FAILED: u32 = 719;
    /// `CUDA_ERROR_NOT_SUPPORTED`.
    pub const NOT_SUPPORTED: u32 = 801;
}

/// A refused request or a fault of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The driver's number, one of [`code`].
    pub code: u32,
    /// What happened, and where.
    pub text: String,
}

impl Error {
    /// An error of this number and text.
    pub fn new(code: u32, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// An error in the PTX text at a line (counted from 1).
    pub(crate) fn ptx(line: u32, text: impl fmt::Display) -> Self {
        Self::new(code::INVALID_PTX, format!("PTX line {line}: {text}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CUDA error {}: {}", self.code, self.text)
    }
}

impl std::error::Error for Error {}

/// The fault of one instruction, boxed so that the results of the hot loop stay small.
pub(crate) type Trouble = Box<Error>;

/// A fault of one instruction.
#[cold]
pub(crate) fn trouble(code: u32, text: impl Into<String>) -> Trouble {
    Box::new(Error::new(code, text))
}
