//! Rows stored in 16 bits: [`f16`](struct@f16) and [`bf16`](struct@bf16) as arguments of calls that compute in `f32`.
//!
//! Such rows take half of the memory. Each number is converted to `f32` when a target or a source is prepared, so the
//! call computes the same result as with `f32` arguments of the same values. Arguments of both kinds, and of `f32`, may
//! be mixed in a call. They are converted to `f32` before they are copied to a CUDA device.
//!
//! ```
//! use keops::{bf16, f16, prelude::*};
//!
//! keops! { pub fn product(s: Pm<1>, x: Vi<1>, y: Vj<1>) -> Sum<j> { s * x * y } }
//!
//! # fn main() -> Result<(), Error> {
//! let x = vec![[f16::from_f32(0.5)], [f16::from_f32(2.0)]];
//! let y = vec![[bf16::from_f32(3.0)], [bf16::from_f32(1.0)]];
//! let a: Rows<f32, 1> = product(10.0, &x, &y).eval()?;
//! assert_eq!(*a, [[20.0], [80.0]]);
//! # Ok(())
//! # }
//! ```

use core::ops::Range;

use half::slice::HalfFloatSliceExt;
pub use half::{bf16, f16};

use crate::number::Scalar;

/// Numbers of 16 bits.
///
/// ```
/// use keops::f16;
/// use keops_core::data::Halves;
///
/// let numbers = [0.5, 1.0, 2.0].map(f16::from_f32);
/// let halves = Halves::F16(&numbers);
/// assert_eq!((halves.len(), halves.is_empty()), (3, false));
/// assert_eq!(halves.part(1..3).widen::<f32>(), [1.0, 2.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Halves<'a> {
    /// IEEE's half precision: 11 significant bits, up to 65504.
    F16(&'a [f16]),
    /// 8 significant bits, the range of `f32`.
    Bf16(&'a [bf16]),
}

impl Halves<'_> {
    /// The number of numbers.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F16(numbers) => numbers.len(),
            Self::Bf16(numbers) => numbers.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers in a range, which must not go beyond the end.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        match self {
            Self::F16(numbers) => Self::F16(&numbers[range]),
            Self::Bf16(numbers) => Self::Bf16(&numbers[range]),
        }
    }

    /// The same values in the element type of a call.
    #[must_use]
    pub fn widen<T: Scalar>(&self) -> Vec<T> {
        let mut wide = vec![0.0_f32; self.len()];
        match self {
            Self::F16(numbers) => numbers.convert_to_f32_slice(&mut wide),
            Self::Bf16(numbers) => numbers.convert_to_f32_slice(&mut wide),
        }
        wide.into_iter().map(|number| T::of_f64(number.into())).collect()
    }
}
