//! `f32` and `f64` as bytes.

use core::{any::TypeId, marker::PhantomData};

use keops_core::data::Stored;

/// Proof that `T` is `f32`, `f64` or `u32`, which are the types that kernels read and write.
#[derive(Debug)]
pub(crate) struct Numbers<T>(PhantomData<T>);

impl<T> Clone for Numbers<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Numbers<T> {}

impl<T: Stored> Numbers<T> {
    /// The proof; `None` if `T` is something else.
    pub(crate) fn new() -> Option<Self> {
        let numbers = [TypeId::of::<f32>(), TypeId::of::<f64>(), TypeId::of::<u32>()];
        let is_number = numbers.contains(&TypeId::of::<T>());
        is_number.then_some(Self(PhantomData))
    }

    /// The name of the total kernel of this type.
    pub(crate) fn total_kernel(self) -> &'static str {
        if size_of::<T>() == 4 { "keops_total_f32" } else { "keops_total_f64" }
    }

    /// The numbers as bytes.
    pub(crate) fn bytes(self, numbers: &[T]) -> &[u8] {
        // SAFETY: T is f32, f64 or u32, which have no padding, so that all bytes are initialized.
        unsafe { core::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
    }

    /// The numbers as bytes, to be written.
    pub(crate) fn bytes_mut(self, numbers: &mut [T]) -> &mut [u8] {
        // SAFETY: as in `bytes`, and any bytes make numbers; the borrow makes the access exclusive.
        unsafe { core::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes() {
        let numbers = Numbers::<f32>::new().expect("f32 is a number");
        let mut data = [1.5_f32, -2.0];
        assert_eq!(numbers.bytes(&data), [1.5_f32.to_ne_bytes(), (-2.0_f32).to_ne_bytes()].as_flattened());
        numbers.bytes_mut(&mut data)[4..].copy_from_slice(&3.25_f32.to_ne_bytes());
        assert_eq!(data, [1.5, 3.25]);
        let mut indices = [7, 8];
        let row_numbers = Numbers::<u32>::new().expect("u32 is a number");
        row_numbers.bytes_mut(&mut indices)[..4].copy_from_slice(&9_u32.to_ne_bytes());
        assert_eq!(indices, [9, 8]);
        assert_eq!(numbers.total_kernel(), "keops_total_f32");
        assert_eq!(Numbers::<f64>::new().map(Numbers::total_kernel), Some("keops_total_f64"));
    }
}
