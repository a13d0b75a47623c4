//! Errors of the driver as errors of a call: every error that only this engine has is made here.

use cust::error::CudaError;
use keops_core::data::Error;
use keops_driver::Status;

/// The code of the driver for an unknown error; `cust` has it for all codes that it does not know.
const UNKNOWN: u32 = CudaError::UnknownError as u32;

/// The error that `operation` failed, as the last call of the driver on this thread.
pub(crate) fn cuda(operation: impl Into<String>, error: CudaError) -> Error {
    let code = match error as u32 {
        // keops-driver still knows the codes that `cust` has no name for
        UNKNOWN if keops_driver::last_error() != 0 => keops_driver::last_error(),
        code => code,
    };
    failed(operation, code)
}

/// The error that the driver answered `code` to `operation`.
pub(crate) fn failed(operation: impl Into<String>, code: u32) -> Error {
    Error::Cuda { operation: operation.into(), name: keops_driver::name(code), code }
}

/// The error that there is no device of this number.
pub(crate) fn no_device(ordinal: usize, status: &Status) -> Error {
    let reason = match status {
        Status::NoLibrary { reason } => format!("there is no CUDA driver ({reason})"),
        Status::Failed { operation, code } => {
            format!("{operation} answers {} ({code})", keops_driver::name(*code))
        }
        Status::Devices(0) => "the driver sees none".to_owned(),
        Status::Devices(1) => "there is one, number 0".to_owned(),
        Status::Devices(count) => format!("there are {count}, from 0 to {}", count - 1),
    };
    Error::NoCudaDevice { ordinal, reason }
}

/// The error that the program has no kernel of this name.
pub(crate) fn no_kernel(formula: &'static str, kernel: impl Into<String>) -> Error {
    Error::NoKernel { formula, kernel: kernel.into() }
}

/// The error that a call needs more memory than is free.
pub(crate) fn memory(needed: usize, free: usize) -> Error {
    Error::DeviceMemory { needed, free }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let text = |status| no_device(3, &status).to_string();
        assert_eq!(
            text(Status::NoLibrary { reason: "libcuda.so.1: no such file".to_owned() }),
            "no CUDA device 3: there is no CUDA driver (libcuda.so.1: no such file)"
        );
        assert_eq!(
            text(Status::Failed { operation: "cuInit", code: 803 }),
            "no CUDA device 3: cuInit answers CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)"
        );
        assert_eq!(text(Status::Devices(0)), "no CUDA device 3: the driver sees none");
        assert_eq!(text(Status::Devices(2)), "no CUDA device 3: there are 2, from 0 to 1");
        assert_eq!(
            cuda("the kernel `f`", CudaError::IllegalAddress).to_string(),
            "CUDA: the kernel `f` failed: CUDA_ERROR_ILLEGAL_ADDRESS (700)"
        );
    }
}
