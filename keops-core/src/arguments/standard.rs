//! The types of the standard library and of this crate that are rows and parameters: slices, vectors and arrays, of
//! rows or flat, and the rows of results.
//!
//! The notes of the traits say what an argument may be; rustc's list of implementations would be their macros.

use std::{borrow::Cow, rc::Rc, sync::Arc};

use super::{AsDynParameter, AsDynRows, AsParameter, AsRows};
use crate::data::View;
use crate::{
    data::{DeviceMatrix, DeviceRows, Matrix, Rows},
    number::Scalar,
};

/// Types that hold numbers one after another, without a number of columns.
macro_rules! flat {
    ($([$($n:ident)?] $type:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar, const D: usize $(, const $n: usize)?> AsRows<'a, T, D> for &'a $type {
            fn as_rows(self) -> View<'a, T> {
                View::from_flat(self, D)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar $(, const $n: usize)?> AsDynRows<'a, T> for &'a $type {
            fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
                View::from_flat(self, dim)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar $(, const $n: usize)?> AsDynParameter<'a, T> for &'a $type {
            fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
                View::parameter(self, dim)
            }
        }
    )*};
}

flat! {
    [] [T];
    [] Vec<T>;
    [N] [T; N];
}

/// Types that hold rows of `D` numbers; a single row is a parameter.
macro_rules! rows {
    ($([$($n:ident)?] $row:ident: $type:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar, const D: usize $(, const $n: usize)?> AsRows<'a, T, D> for &'a $type {
            fn as_rows(self) -> View<'a, T> {
                View::from_rows(self)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar, const D: usize $(, const $n: usize)?> AsParameter<'a, T, D> for &'a $type {
            fn as_parameter(self) -> View<'a, T> {
                View::parameter(self.as_flattened(), D)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar, const D: usize $(, const $n: usize)?> AsDynRows<'a, T> for &'a $type {
            fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
                View::from_table(self.as_flattened().into(), [self.len(), D], dim)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar, const D: usize $(, const $n: usize)?> AsDynParameter<'a, T> for &'a $type {
            fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
                View::parameter(self.as_flattened(), dim)
            }
        }
    )*};
}

rows! {
    [] D: [[T; D]];
    [] D: Vec<[T; D]>;
    [N] D: [[T; D]; N];
    [] D: Rows<T, D>;
}

/// Types that hold matrices of B rows and A columns, which are rows of dimension A*B.
macro_rules! matrices {
    ($([$($n:ident)?] $type:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar, const A: usize, const B: usize $(, const $n: usize)?> AsDynRows<'a, T> for &'a $type {
            fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
                let numbers = self.as_flattened().as_flattened();
                View::from_table(numbers.into(), [self.len(), A.saturating_mul(B)], dim)
            }
        }
    )*};
}

matrices! {
    [] [[[T; A]; B]];
    [] Vec<[[T; A]; B]>;
    [N] [[[T; A]; B]; N];
}

/// Types whose rows are separate lists, which are copied.
macro_rules! lists {
    ($($type:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar, const D: usize> AsRows<'a, T, D> for &$type {
            fn as_rows(self) -> View<'a, T> {
                View::from_lists(self, D)
            }
        }


        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar> AsDynRows<'a, T> for &$type {
            fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
                View::from_lists(self, dim)
            }
        }


        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar, const D: usize> AsParameter<'a, T, D> for &$type {
            fn as_parameter(self) -> View<'a, T> {
                View::from_lists(self, D)
            }
        }


        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar> AsDynParameter<'a, T> for &$type {
            fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
                View::parameter_of(self.concat().into(), dim)
            }
        }
    )*};
}

lists! {
    [Vec<T>];
    Vec<Vec<T>>;
    [&[T]];
    Vec<&[T]>;
}

/// Pointers to types that are rows.
macro_rules! pointers_to_rows {
    ($([$($bound:tt)*] $type:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar, P: ?Sized $($bound)*, const D: usize> AsRows<'a, T, D> for &'a $type
        where
            &'a P: AsRows<'a, T, D>,
        {
            fn as_rows(self) -> View<'a, T> {
                <&'a P>::as_rows(&**self)
            }
        }


        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar, P: ?Sized $($bound)*> AsDynRows<'a, T> for &'a $type
        where
            &'a P: AsDynRows<'a, T>,
        {
            fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
                <&'a P>::as_dyn_rows(&**self, dim)
            }
        }
    )*};
}

pointers_to_rows! {
    [] &P;
    [] &mut P;
    [] Box<P>;
    [] Rc<P>;
    [] Arc<P>;
    [+ ToOwned] Cow<'_, P>;
}

/// Pointers to parameters. They are listed one by one and not, as pointers to rows are, generic over what they point
/// to: another crate may implement [`Scalar`] for a reference or a box of its own types.
macro_rules! pointers_to_parameters {
    ([$($static:tt)*] [$($dynamic:tt)*] $element:ty, $dim:tt, $type:ty, $pointer:ty) => {
        #[diagnostic::do_not_recommend]
        impl<'a, $($static)*> AsParameter<'a, $element, $dim> for &'a $pointer {
            fn as_parameter(self) -> View<'a, $element> {
                <&'a $type as AsParameter<'a, $element, $dim>>::as_parameter(&**self)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<'a, $($dynamic)*> AsDynParameter<'a, $element> for &'a $pointer {
            fn as_dyn_parameter(self, dim: usize) -> View<'a, $element> {
                <&'a $type as AsDynParameter<'a, $element>>::as_dyn_parameter(&**self, dim)
            }
        }
    };
    ($([$($d:ident)?] $type:ty;)+) => {$(
        pointers_to_parameters! { [T: Scalar, const D: usize] [T: Scalar $(, const $d: usize)?] T, D, $type, &$type }
        pointers_to_parameters! { [T: Scalar, const D: usize] [T: Scalar $(, const $d: usize)?] T, D, $type, Box<$type> }
    )+};
}

pointers_to_parameters! {
    [D] [T; D];
    [] [T];
    [] Vec<T>;
    [D] [[T; D]];
    [D] Vec<[T; D]>;
    [D] Rows<T, D>;
}
pointers_to_parameters! { [] [] f32, 1, f32, &f32 }
pointers_to_parameters! { [] [] f32, 1, f32, Box<f32> }
pointers_to_parameters! { [] [] f64, 1, f64, &f64 }
pointers_to_parameters! { [] [] f64, 1, f64, Box<f64> }

/// Types that know how many numbers their rows have.
macro_rules! views {
    ($($type:ty, |$it:ident| $view:expr;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar> AsDynRows<'a, T> for $type {
            fn as_dyn_rows(self, _dim: usize) -> View<'a, T> {
                let $it = self;
                $view
            }
        }


        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar> AsDynParameter<'a, T> for $type {
            fn as_dyn_parameter(self, _dim: usize) -> View<'a, T> {
                let $it = self;
                $view
            }
        }


        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar, const D: usize> AsRows<'a, T, D> for $type {
            fn as_rows(self) -> View<'a, T> {
                let $it = self;
                $view
            }
        }


        #[diagnostic::do_not_recommend]
        impl<'a, T: Scalar, const D: usize> AsParameter<'a, T, D> for $type {
            fn as_parameter(self) -> View<'a, T> {
                let $it = self;
                $view
            }
        }
    )*};
}

views! {
    View<'a, T>, |view| view;
    &'a Matrix<T>, |matrix| View::from_table(matrix.as_flat().into(), [matrix.rows(), matrix.cols()], matrix.cols());
    &'a DeviceMatrix<T>, |matrix| matrix.view();
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, const D: usize> AsRows<'a, T, D> for &'a DeviceRows<T, D> {
    fn as_rows(self) -> View<'a, T> {
        self.view()
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, const D: usize> AsParameter<'a, T, D> for &'a DeviceRows<T, D> {
    fn as_parameter(self) -> View<'a, T> {
        self.view()
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, const D: usize> AsDynRows<'a, T> for &'a DeviceRows<T, D> {
    fn as_dyn_rows(self, _dim: usize) -> View<'a, T> {
        self.view()
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, const D: usize> AsDynParameter<'a, T> for &'a DeviceRows<T, D> {
    fn as_dyn_parameter(self, _dim: usize) -> View<'a, T> {
        self.view()
    }
}

/// The type `T` itself. By this trait an argument that is a number has the element type of the call without deciding
/// it, so that an argument that is no number is the only one that rustc reports.
#[doc(hidden)]
pub trait Number<T: Scalar>: for<'a> AsParameter<'a, T, 1> + for<'a> AsDynParameter<'a, T> {
    /// The same number.
    fn same(self) -> T;
}

/// The types of numbers. They are listed, and the implementation is not for all elements, so that a type that is no
/// number does not become the element type of a call.
macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Number<$number> for $number {
            fn same(self) -> $number {
                self
            }
        }

        #[diagnostic::do_not_recommend]
        impl<'a> AsParameter<'a, $number, 1> for $number {
            fn as_parameter(self) -> View<'a, $number> {
                View::scalar(self)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<'a> AsDynParameter<'a, $number> for $number {
            fn as_dyn_parameter(self, dim: usize) -> View<'a, $number> {
                View::parameter_of(vec![self].into(), dim)
            }
        }
    )*};
}

numbers!(f32 f64);

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, X: Scalar + Number<T>> AsParameter<'a, T, 1> for &X {
    fn as_parameter(self) -> View<'a, T> {
        View::scalar(self.same())
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, const D: usize> AsParameter<'a, T, D> for [T; D] {
    fn as_parameter(self) -> View<'a, T> {
        View::array(self)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, const D: usize> AsParameter<'a, T, D> for &'a [T; D] {
    fn as_parameter(self) -> View<'a, T> {
        View::parameter(self, D)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, const D: usize, const N: usize> AsParameter<'a, T, D> for [[T; D]; N] {
    fn as_parameter(self) -> View<'a, T> {
        View::parameter_of(self.as_flattened().to_vec().into(), D)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, const D: usize> AsParameter<'a, T, D> for &'a [T] {
    fn as_parameter(self) -> View<'a, T> {
        View::parameter(self, D)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, const D: usize> AsParameter<'a, T, D> for &'a Vec<T> {
    fn as_parameter(self) -> View<'a, T> {
        View::parameter(self, D)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, X: Scalar + Number<T>> AsDynParameter<'a, T> for &X {
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
        View::parameter_of(vec![self.same()].into(), dim)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, const N: usize> AsDynParameter<'a, T> for [T; N] {
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
        View::parameter_of(Vec::from(self).into(), dim)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, const A: usize, const B: usize> AsDynParameter<'a, T> for [[T; A]; B] {
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
        View::parameter_of(self.as_flattened().to_vec().into(), dim)
    }
}
