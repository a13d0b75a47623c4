//! Rows stored in 16 bits: [`f16`](struct@f16) and [`bf16`](struct@bf16) as arguments of calls that compute in `f32`.
//!
//! They take half of the memory, and each number becomes an `f32` where a target or a source is prepared: computing, and
//! the result, are those of the call on `f32` arguments of the same values. Arguments of both kinds, and of `f32`, may be mixed in
//! a call. On a CUDA device they arrive as `f32`.
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

use crate::{
    arguments::{AsDynParameter, AsDynRows, AsParameter, AsRows, View},
    number::Scalar,
};

/// Numbers of 16 bits.
///
/// ```
/// use keops::f16;
/// use keops_core::halves::Halves;
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
    /// How many numbers.
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

    /// Those of a range, which must be there.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        match self {
            Self::F16(numbers) => Self::F16(&numbers[range]),
            Self::Bf16(numbers) => Self::Bf16(&numbers[range]),
        }
    }

    /// The same values as numbers that are computed with.
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

macro_rules! halves {
    ($half:ident, $kind:ident) => {
        halves! { flat $half, $kind, [] [$half] }
        halves! { flat $half, $kind, [] Vec<$half> }
        halves! { flat $half, $kind, [N] [$half; N] }
        halves! { rows $half, $kind, [] [[$half; D]] }
        halves! { rows $half, $kind, [] Vec<[$half; D]> }
        halves! { rows $half, $kind, [N] [[$half; D]; N] }

        #[diagnostic::do_not_recommend]

        impl<'a> AsParameter<'a, f32, 1> for $half {
            fn as_parameter(self) -> View<'a, f32> {
                View::scalar(self.to_f32())
            }
        }
        #[diagnostic::do_not_recommend]
        impl<'a> AsParameter<'a, f32, 1> for &$half {
            fn as_parameter(self) -> View<'a, f32> {
                View::scalar(self.to_f32())
            }
        }
        #[diagnostic::do_not_recommend]
        impl<'a, const D: usize> AsParameter<'a, f32, D> for [$half; D] {
            fn as_parameter(self) -> View<'a, f32> {
                View::array(self.map($half::to_f32))
            }
        }
        #[diagnostic::do_not_recommend]
        impl<'a, const D: usize, const N: usize> AsParameter<'a, f32, D> for [[$half; D]; N] {
            fn as_parameter(self) -> View<'a, f32> {
                View::parameter_of(Halves::$kind(self.as_flattened()).widen().into(), D)
            }
        }
        #[diagnostic::do_not_recommend]
        impl<'a, const N: usize> AsDynParameter<'a, f32> for [$half; N] {
            fn as_dyn_parameter(self, dim: usize) -> View<'a, f32> {
                View::parameter_of(Halves::$kind(&self).widen().into(), dim)
            }
        }
        #[diagnostic::do_not_recommend]
        impl<'a, const D: usize> AsParameter<'a, f32, D> for &'a [$half; D] {
            fn as_parameter(self) -> View<'a, f32> {
                View::halves_parameter(Halves::$kind(self), D)
            }
        }
        #[diagnostic::do_not_recommend]
        impl<'a, const D: usize> AsParameter<'a, f32, D> for &'a [$half] {
            fn as_parameter(self) -> View<'a, f32> {
                View::halves_parameter(Halves::$kind(self), D)
            }
        }
        #[diagnostic::do_not_recommend]
        impl<'a, const D: usize> AsParameter<'a, f32, D> for &'a Vec<$half> {
            fn as_parameter(self) -> View<'a, f32> {
                View::halves_parameter(Halves::$kind(self), D)
            }
        }
    };
    // numbers one after another
    (flat $half:ident, $kind:ident, [$($n:ident)?] $type:ty) => {
        #[diagnostic::do_not_recommend]
        impl<'a, const D: usize $(, const $n: usize)?> AsRows<'a, f32, D> for &'a $type {
            fn as_rows(self) -> View<'a, f32> {
                View::from_halves(Halves::$kind(self), D)
            }
        }
        #[diagnostic::do_not_recommend]
        impl<'a $(, const $n: usize)?> AsDynRows<'a, f32> for &'a $type {
            fn as_dyn_rows(self, dim: usize) -> View<'a, f32> {
                View::from_halves(Halves::$kind(self), dim)
            }
        }
        #[diagnostic::do_not_recommend]
        impl<'a $(, const $n: usize)?> AsDynParameter<'a, f32> for &'a $type {
            fn as_dyn_parameter(self, dim: usize) -> View<'a, f32> {
                View::halves_parameter(Halves::$kind(self), dim)
            }
        }
    };
    // rows of D numbers
    (rows $half:ident, $kind:ident, [$($n:ident)?] $type:ty) => {
        #[diagnostic::do_not_recommend]
        impl<'a, const D: usize $(, const $n: usize)?> AsRows<'a, f32, D> for &'a $type {
            fn as_rows(self) -> View<'a, f32> {
                View::from_halves(Halves::$kind(self.as_flattened()), D)
            }
        }
        #[diagnostic::do_not_recommend]
        impl<'a, const D: usize $(, const $n: usize)?> AsParameter<'a, f32, D> for &'a $type {
            fn as_parameter(self) -> View<'a, f32> {
                View::halves_parameter(Halves::$kind(self.as_flattened()), D)
            }
        }
        #[diagnostic::do_not_recommend]
        impl<'a, const D: usize $(, const $n: usize)?> AsDynRows<'a, f32> for &'a $type {
            // the call compares the dimensions
            fn as_dyn_rows(self, _dim: usize) -> View<'a, f32> {
                View::from_halves(Halves::$kind(self.as_flattened()), D)
            }
        }
        #[diagnostic::do_not_recommend]
        impl<'a, const D: usize $(, const $n: usize)?> AsDynParameter<'a, f32> for &'a $type {
            fn as_dyn_parameter(self, dim: usize) -> View<'a, f32> {
                View::halves_parameter(Halves::$kind(self.as_flattened()), dim)
            }
        }
    };
}

halves!(f16, F16);
halves!(bf16, Bf16);
