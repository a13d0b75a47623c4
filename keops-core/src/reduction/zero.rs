//! The result 0, for formulas that are 0, as some derivatives are.

use super::{Componentwise, Numbers};
use crate::number::{Packed, Scalar};

/// 0 for each component of f, which is not computed.
#[derive(Clone, Copy, Debug)]
pub struct Zero;

impl Componentwise for Zero {
    type State = Numbers<1>;
    type Run = Numbers<0>;

    #[inline(always)]
    fn init<R: Packed>(cx: R::Cx) -> [R; 1] {
        [R::lit(cx, 0.0)]
    }

    #[inline(always)]
    fn begin<R: Packed>(_cx: R::Cx, _state: [R; 1]) -> [R; 0] {
        []
    }

    #[inline(always)]
    fn push<R: Packed>(_cx: R::Cx, []: [&mut R; 0], _value: R) {}

    #[inline(always)]
    fn flush<R: Packed>(_cx: R::Cx, state: [R; 1], []: [R; 0]) -> [R; 1] {
        state
    }

    fn merge<T: Scalar>(state: [T; 1], _other: [T; 1]) -> [T; 1] {
        state
    }

    fn finish<T: Scalar>(_state: [T; 1], _number: usize) -> T {
        T::zero()
    }
}
