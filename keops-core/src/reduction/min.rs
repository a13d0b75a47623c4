//! The smallest value of each component, without its row number.

use super::{Componentwise, Numbers, Selecting, Selects};
use crate::number::{Packed, Scalar};

/// min_j f(p, x_i, y_j), for each component. NaN is skipped; +infinity if there are no sources.
#[derive(Clone, Copy, Debug)]
pub struct Min;

/// The smaller of two numbers; `old` if `new` is NaN, a case that `Packed::min` leaves open.
#[inline(always)]
fn smaller<R: Packed>(cx: R::Cx, new: R, old: R) -> R {
    R::select(cx, R::lt(cx, new, old), new, old)
}

impl Componentwise for Min {
    type State = Numbers<1>;
    type Run = Numbers<1>;
    const COMPARES: bool = true;
    const SELECTS: Option<Selects> = Some(Selects { count: 1, negated: false, numbered: false });

    #[inline(always)]
    fn if_selecting<O>(selecting: impl Selecting<Output = O>) -> Option<O> {
        Some(selecting.selects())
    }

    #[inline(always)]
    fn init<R: Packed>(cx: R::Cx) -> [R; 1] {
        [R::lit(cx, f64::INFINITY)]
    }

    #[inline(always)]
    fn begin<R: Packed>(_cx: R::Cx, state: [R; 1]) -> [R; 1] {
        state
    }

    #[inline(always)]
    fn push<R: Packed>(cx: R::Cx, [best]: [&mut R; 1], value: R) {
        *best = smaller(cx, value, *best);
    }

    #[inline(always)]
    fn flush<R: Packed>(_cx: R::Cx, _state: [R; 1], run: [R; 1]) -> [R; 1] {
        run
    }

    fn merge<T: Scalar>([best]: [T; 1], [new]: [T; 1]) -> [T; 1] {
        [smaller((), new, best)]
    }

    fn finish<T: Scalar>([best]: [T; 1], _number: usize) -> T {
        // Never a negative zero: of two zeros, the first is smaller, and results do not depend on the order of the sources.
        best + T::zero()
    }
}
