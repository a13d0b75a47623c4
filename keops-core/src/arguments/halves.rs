//! Numbers of 16 bits as rows and parameters of calls that compute in `f32`.

use super::{AsDynParameter, AsDynRows, AsParameter, AsRows};
use crate::data::{Halves, View, bf16, f16};

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
