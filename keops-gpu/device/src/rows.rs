//! Several targets of a thread as one number, which go through every operation in step: what is read of a source is
//! read once for all of them, and their chains of operations hide each other's latency.

use core::slice;

use keops_core::real::{Element, Real};

/// A number of one thread.
pub trait Number: Real<Cx = (), Mask = bool, Index = u32> {
    /// Whether coordinates are scaled where an exponent is a squared distance times a factor; see
    /// [`keops_core::formula::Scaled`].
    const SCALES: bool;
}

impl Number for f32 {
    const SCALES: bool = false;
}

impl Number for f64 {
    const SCALES: bool = false;
}

/// A number for each of `Q` targets.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Rows<N, const Q: usize>(pub [N; Q]);

/// The array of an expression's values for each target `q`.
macro_rules! each {
    ($q:ident, $first:expr => $value:expr) => {{
        let mut out = [$first; Q];
        let mut $q = 0;
        while $q < Q {
            out[$q] = $value;
            $q += 1;
        }
        out
    }};
}

macro_rules! numbers {
    ($( $name:ident($($arg:ident),+); )*) => {$(
        #[inline(always)]
        fn $name(cx: (), $($arg: Self),+) -> Self {
            Rows(each!(q, N::splat(cx, zero::<N>()) => N::$name(cx, $($arg.0[q]),+)))
        }
    )*};
}

macro_rules! truths {
    ($( $name:ident($($arg:ident: $ty:ty),+); )*) => {$(
        #[inline(always)]
        fn $name(cx: (), $($arg: $ty),+) -> Self::Mask {
            let mut out = [false; Q];
            let mut q = 0;
            while q < Q {
                out[q] = N::$name(cx, $($arg.at(q)),+);
                q += 1;
            }
            out
        }
    )*};
}

/// The part of a value that belongs to one target.
trait At {
    type One;
    fn at(self, q: usize) -> Self::One;
}

impl<N: Copy, const Q: usize> At for Rows<N, Q> {
    type One = N;
    #[inline(always)]
    fn at(self, q: usize) -> N {
        self.0[q]
    }
}

impl<const Q: usize> At for [bool; Q] {
    type One = bool;
    #[inline(always)]
    fn at(self, q: usize) -> bool {
        self[q]
    }
}

#[inline(always)]
fn zero<N: Real>() -> N::Scalar {
    N::Scalar::from_f64(0.0)
}

impl<N: Real<Cx = (), Mask = bool, Index = u32>, const Q: usize> Real for Rows<N, Q> {
    type Cx = ();
    type Scalar = N::Scalar;
    type Mask = [bool; Q];
    type Index = [u32; Q];
    const LANES: usize = Q * N::LANES;

    numbers! {
        add(a, b);
        sub(a, b);
        mul(a, b);
        div(a, b);
        neg(a);
        mul_add(a, b, c);
        neg_mul_add(a, b, c);
        abs(a);
        sqrt(a);
        inv(a);
        inv_sqrt(a);
        min(a, b);
        max(a, b);
        round(a);
        pow2_integer(n);
        shift_to_exponent(t);
        exp2(x);
        exp(x);
        log2(x);
        log(x);
        sin(x);
        cos(x);
        pow(x, y);
    }
    truths! {
        lt(a: Self, b: Self);
        le(a: Self, b: Self);
        eq(a: Self, b: Self);
        and(a: Self::Mask, b: Self::Mask);
        or(a: Self::Mask, b: Self::Mask);
        not(a: Self::Mask);
    }

    #[inline(always)]
    fn splat(cx: (), value: N::Scalar) -> Self {
        Rows([N::splat(cx, value); Q])
    }
    #[inline(always)]
    fn load(cx: (), from: &[N::Scalar]) -> Self {
        Rows(each!(q, N::splat(cx, zero::<N>()) => N::load(cx, &from[q * N::LANES..])))
    }
    #[inline(always)]
    fn view(from: &[N::Scalar]) -> &[Self] {
        let numbers = N::view(from);
        // SAFETY: a transparent wrapper of Q numbers; as many as there are.
        unsafe { slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len() / Q) }
    }
    #[inline(always)]
    fn view_mut(from: &mut [N::Scalar]) -> &mut [Self] {
        let numbers = N::view_mut(from);
        // SAFETY: a transparent wrapper of Q numbers; as many as there are.
        unsafe { slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len() / Q) }
    }
    #[inline(always)]
    fn store(self, cx: (), to: &mut [N::Scalar]) {
        let mut q = 0;
        while q < Q {
            self.0[q].store(cx, &mut to[q * N::LANES..]);
            q += 1;
        }
    }
    #[inline(always)]
    fn any(_: (), mask: Self::Mask) -> bool {
        let mut any = false;
        let mut q = 0;
        while q < Q {
            any |= mask[q];
            q += 1;
        }
        any
    }
    #[inline(always)]
    fn select(cx: (), mask: Self::Mask, yes: Self, no: Self) -> Self {
        Rows(each!(q, no.0[0] => N::select(cx, mask[q], yes.0[q], no.0[q])))
    }
    #[inline(always)]
    fn index_splat(_: (), index: u32) -> Self::Index {
        [index; Q]
    }
    #[inline(always)]
    fn index_ramp(_: (), first: u32) -> Self::Index {
        each!(q, first => first.wrapping_add(q as u32))
    }
    #[inline(always)]
    fn index_select(_: (), mask: Self::Mask, yes: Self::Index, no: Self::Index) -> Self::Index {
        each!(q, no[0] => if mask[q] { yes[q] } else { no[q] })
    }
    #[inline(always)]
    fn index_to_bits(cx: (), index: Self::Index) -> Self {
        Rows(each!(q, N::splat(cx, zero::<N>()) => N::index_to_bits(cx, index[q])))
    }
    #[inline(always)]
    fn index_from_bits(cx: (), bits: Self) -> Self::Index {
        each!(q, 0 => N::index_from_bits(cx, bits.0[q]))
    }
    #[inline(always)]
    fn bit(cx: (), t: Self, bit: u32) -> Self::Mask {
        each!(q, false => N::bit(cx, t.0[q], bit))
    }
    #[inline(always)]
    fn two_product(cx: (), a: Self, b: Self) -> (Self, Self) {
        let (mut product, mut error) = (a, a);
        let mut q = 0;
        while q < Q {
            (product.0[q], error.0[q]) = N::two_product(cx, a.0[q], b.0[q]);
            q += 1;
        }
        (product, error)
    }
    #[inline(always)]
    fn split_exponent(cx: (), x: Self) -> (Self, Self) {
        let (mut mantissa, mut exponent) = (x, x);
        let mut q = 0;
        while q < Q {
            (mantissa.0[q], exponent.0[q]) = N::split_exponent(cx, x.0[q]);
            q += 1;
        }
        (mantissa, exponent)
    }
    #[inline(always)]
    fn map(cx: (), x: Self, f: impl Fn(N::Scalar) -> N::Scalar) -> Self {
        Rows(each!(q, x.0[0] => N::map(cx, x.0[q], &f)))
    }
}
