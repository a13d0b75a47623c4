//! Outputs that stay on the device: how much memory they take, the memory, and copies of columns to it.

use std::sync::Arc;

use cust::{
    error::CudaError,
    stream::Stream,
    sys::{CUDA_MEMCPY2D, CUmemorytype, CUresult, cuMemcpy2DAsync_v2},
};
use keops_core::{
    data::{Error, Stored, To},
    number::Scalar,
    problem::{Piece, Place},
};

use crate::{Kernel, device::Gpu, failure, memory::Resident};

/// The memory that the outputs take that stay on the device, in bytes.
pub(crate) struct ResidentSizes {
    /// The bytes of each piece, and none of a piece that goes to the host.
    pieces: Vec<Option<usize>>,
    /// The number of the piece that is the whole result, if there is one.
    whole: Option<usize>,
    /// The bytes of the row numbers, and none if they go to the host.
    indices: Option<usize>,
}

impl ResidentSizes {
    /// The sizes of the outputs of `rows` rows.
    pub(crate) fn of<T: Scalar + Stored>(
        rows: usize,
        kernel: &Kernel,
        whole: Option<usize>,
        pieces: &[Piece<'_, T>],
        indices: &To<'_, u32>,
    ) -> Self {
        let bytes = |width: usize, size: usize| rows.saturating_mul(width).saturating_mul(size);
        let of_piece = |piece: &Piece<'_, T>| {
            let stays = piece.place == Place::Rows && matches!(piece.to, To::Array(_));
            stays.then(|| bytes(piece.width, size_of::<T>()))
        };
        Self {
            pieces: pieces.iter().map(of_piece).collect(),
            whole,
            indices: matches!(indices, To::Array(_)).then(|| bytes(kernel.signature.indices, size_of::<u32>())),
        }
    }

    /// The bytes of all outputs that stay.
    pub(crate) fn bytes(&self) -> usize {
        self.pieces.iter().chain([&self.indices]).flatten().fold(0, |sum, &bytes| sum.saturating_add(bytes))
    }

    /// Allocates the memory on the current device.
    pub(crate) fn allocate(self, device: &Arc<Gpu>) -> Result<ResidentOutputs, Error> {
        let allocate = |bytes: Option<usize>| bytes.map(|bytes| Resident::allocate(device, bytes)).transpose();
        Ok(ResidentOutputs {
            pieces: self.pieces.into_iter().map(allocate).collect::<Result<_, _>>()?,
            whole: self.whole,
            indices: allocate(self.indices)?,
        })
    }
}

/// The outputs that stay on the device.
pub(crate) struct ResidentOutputs {
    pieces: Vec<Option<Resident>>,
    whole: Option<usize>,
    indices: Option<Resident>,
}

impl ResidentOutputs {
    /// The address of the memory of all values, if one piece has all of them and stays.
    pub(crate) fn values(&self) -> Option<u64> {
        self.piece(self.whole?)
    }

    /// The address of a piece, if it stays.
    pub(crate) fn piece(&self, number: usize) -> Option<u64> {
        self.pieces.get(number)?.as_ref().map(Resident::start)
    }

    /// The address of the row numbers, if they stay.
    pub(crate) fn indices(&self) -> Option<u64> {
        self.indices.as_ref().map(Resident::start)
    }

    /// Hands the memory to the caller.
    pub(crate) fn leave<T: Scalar + Stored>(mut self, pieces: &mut [Piece<'_, T>], indices: &mut To<'_, u32>) {
        for (piece, resident) in pieces.iter_mut().zip(&mut self.pieces) {
            if let (To::Array(array), Some(resident)) = (&mut piece.to, resident.take()) {
                **array = resident.into_array();
            }
        }
        if let (To::Array(array), Some(resident)) = (indices, self.indices.take()) {
            **array = resident.into_array();
        }
    }
}

/// Columns of rows on the device, which are copied to rows of their own there.
pub(crate) struct Columns {
    /// The address of rows of `width` numbers.
    pub(crate) from: u64,
    pub(crate) width: usize,
    /// The first column that is copied.
    pub(crate) column: usize,
    /// The address of rows of `to_width` numbers, which take as many columns.
    pub(crate) to: u64,
    pub(crate) to_width: usize,
}

impl Columns {
    /// Copies the columns of `rows` rows, in the order of the stream.
    ///
    /// # Safety
    /// The memory on both sides has so many rows, and exists until the stream has been synchronized.
    pub(crate) unsafe fn copy<T>(&self, rows: usize, stream: &Stream) -> Result<(), Error> {
        if self.to_width == 0 {
            return Ok(());
        }
        let bytes = |numbers: usize| numbers * size_of::<T>();
        let copy = CUDA_MEMCPY2D {
            srcXInBytes: bytes(self.column),
            srcY: 0,
            srcMemoryType: CUmemorytype::CU_MEMORYTYPE_DEVICE,
            srcHost: core::ptr::null(),
            srcDevice: self.from,
            srcArray: core::ptr::null_mut(),
            srcPitch: bytes(self.width),
            dstXInBytes: 0,
            dstY: 0,
            dstMemoryType: CUmemorytype::CU_MEMORYTYPE_DEVICE,
            dstHost: core::ptr::null_mut(),
            dstDevice: self.to,
            dstArray: core::ptr::null_mut(),
            dstPitch: bytes(self.to_width),
            WidthInBytes: bytes(self.to_width),
            Height: rows,
        };
        // SAFETY: the caller's promise; the description is read before the call returns.
        match unsafe { cuMemcpy2DAsync_v2(&raw const copy, stream.as_inner()) } {
            CUresult::CUDA_SUCCESS => Ok(()),
            // keops-driver knows the code
            _ => Err(failure::cuda("copying columns of the result", CudaError::UnknownError)),
        }
    }
}
