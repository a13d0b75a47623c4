//! What is rows and parameters already: slices, vectors and arrays, of rows or flat, and the rows of results.

use super::{AsParameter, AsRows, View};
use crate::{array::DeviceRows, real::Element, rows::Rows};

impl<'a, T: Element, const D: usize> AsRows<'a, T, D> for &'a [[T; D]] {
    fn as_rows(self) -> View<'a, T> {
        View::from_rows(self)
    }
}

impl<'a, T: Element, const D: usize> AsRows<'a, T, D> for &'a Vec<[T; D]> {
    fn as_rows(self) -> View<'a, T> {
        View::from_rows(self)
    }
}

impl<'a, T: Element, const D: usize, const N: usize> AsRows<'a, T, D> for &'a [[T; D]; N] {
    fn as_rows(self) -> View<'a, T> {
        View::from_rows(self)
    }
}

impl<'a, T: Element, const D: usize> AsRows<'a, T, D> for &'a Rows<T, D> {
    fn as_rows(self) -> View<'a, T> {
        View::from_rows(self)
    }
}

impl<'a, T: Element, const D: usize> AsRows<'a, T, D> for &'a DeviceRows<T, D> {
    fn as_rows(self) -> View<'a, T> {
        self.view()
    }
}

impl<'a, T: Element, const D: usize> AsRows<'a, T, D> for &'a [T] {
    fn as_rows(self) -> View<'a, T> {
        View::from_flat(self, D)
    }
}

impl<'a, T: Element, const D: usize> AsRows<'a, T, D> for &'a Vec<T> {
    fn as_rows(self) -> View<'a, T> {
        View::from_flat(self, D)
    }
}

impl<'a, T: Element, const D: usize, const N: usize> AsRows<'a, T, D> for &'a [T; N] {
    fn as_rows(self) -> View<'a, T> {
        View::from_flat(self, D)
    }
}

impl<'a, T: Element, const D: usize> AsRows<'a, T, D> for View<'a, T> {
    fn as_rows(self) -> View<'a, T> {
        self
    }
}

impl<'a, T: Element> AsParameter<'a, T, 1> for T {
    fn as_parameter(self) -> View<'a, T> {
        View::scalar(self)
    }
}

impl<'a, T: Element, const D: usize> AsParameter<'a, T, D> for [T; D] {
    fn as_parameter(self) -> View<'a, T> {
        View::array(self)
    }
}

impl<'a, T: Element, const D: usize> AsParameter<'a, T, D> for &'a [T; D] {
    fn as_parameter(self) -> View<'a, T> {
        View::parameter(self, D)
    }
}

impl<'a, T: Element, const D: usize> AsParameter<'a, T, D> for &'a [T] {
    fn as_parameter(self) -> View<'a, T> {
        View::parameter(self, D)
    }
}

impl<'a, T: Element, const D: usize> AsParameter<'a, T, D> for &'a Vec<T> {
    fn as_parameter(self) -> View<'a, T> {
        View::parameter(self, D)
    }
}

impl<'a, T: Element, const D: usize> AsParameter<'a, T, D> for &'a Rows<T, D> {
    fn as_parameter(self) -> View<'a, T> {
        View::parameter(self.as_flat(), D)
    }
}

impl<'a, T: Element, const D: usize> AsParameter<'a, T, D> for &'a DeviceRows<T, D> {
    fn as_parameter(self) -> View<'a, T> {
        self.view()
    }
}
