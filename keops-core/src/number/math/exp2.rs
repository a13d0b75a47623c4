//! 2^x: the innermost function of most kernels.
//!
//! With n the integer nearest to x and f = x - n, 2^x = 2·2^f · 2^(n-1). The first factor is a polynomial on
//! [-1/2, 1/2]; the second is made from the bits of x + shift, which rounds x in the same step: twelve operations and
//! one shift in f32.
//!
//! Halving the second factor lets it reach every normal result at the top, where n is one more than the largest
//! exponent. The price is at the bottom: results below sqrt(2) times the smallest normal number are 0. Nothing is ever
//! subnormal, which would slow down what is computed with it.
//!
//! Where a register holds sixteen numbers ([`Packed::SIXTEENTHS`]), n is a multiple of 1/16 instead (Tang 1989): a table
//! in registers has the 2^(n-1), and half of the polynomial is enough. Where the exponent field is 0 a table's entry
//! loses its first digit and is subnormal, so results below twice the smallest normal number are 0 there: a mask on the
//! last operation, instead of a clamp from below.

use core::f32::consts::LN_2 as LN_2_F32;
use core::f64::consts::LN_2 as LN_2_F64;

use super::polynomial;
use crate::number::{Packed, Scalar};

/// The constants of an element type.
pub(crate) struct Exp2<E, const N: usize, const H: usize> {
    /// For x up to this number the result is 0.
    low: E,
    /// For x from this number on the result is infinite.
    pub(super) high: E,
    /// [`Scalar::ROUND`] + the exponent field of 1/2, so that [`Packed::shift_to_exponent`] gives 2^(n-1).
    pub(super) shift: E,
    /// 2·2^f. The first is exact, and so are powers of two.
    pub(super) polynomial: [E; N],
    /// What is needed with a table.
    sixteenths: Sixteenths<E, H>,
}

/// The constants of an element type where there is a table of 2^(n/16).
pub(crate) struct Sixteenths<E, const H: usize> {
    /// For x below this number the result is 0; from it on, the exponent field of 2^(n-1) is at least 1.
    low: E,
    /// [`Scalar::ROUND`] / 16 + the exponent field of 1/2, so that [`Packed::pow2_sixteenths`] gives 2^(n-1).
    shift: E,
    /// 2·2^f - 1 for |f| up to 1/32. The first is exact.
    polynomial: [E; H],
}

/// Polynomials of error 0.06 and 0.02 ULP.
pub(crate) const F32: Exp2<f32, 7, 4> = Exp2 {
    low: -126.0,
    high: 128.0,
    shift: f32::ROUND + 126.0,
    polynomial: [
        2.0,
        2.0 * LN_2_F32,
        2.0 * 0.240_226_5,
        2.0 * 0.055_503_78,
        2.0 * 0.009_618_464,
        2.0 * 0.001_338_396_3,
        2.0 * 0.000_152_852_14,
    ],
    sixteenths: Sixteenths {
        low: -125.0,
        shift: f32::ROUND / 16.0 + 126.0,
        polynomial: [1.0, 2.0 * LN_2_F32, 2.0 * 0.240_234_29, 2.0 * 0.055_502_35],
    },
};

/// Polynomials of error 0.05 and 0.04 ULP.
pub(crate) const F64: Exp2<f64, 12, 7> = Exp2 {
    low: -1022.0,
    high: 1024.0,
    shift: f64::ROUND + 1022.0,
    polynomial: [
        2.0,
        2.0 * LN_2_F64,
        2.0 * 0.240_226_506_959_101_08,
        2.0 * 0.055_504_108_664_820_445,
        2.0 * 0.009_618_129_107_602_154,
        2.0 * 0.001_333_355_814_695_215,
        2.0 * 0.000_154_035_304_474_914_2,
        2.0 * 1.525_273_321_816_508_1e-5,
        2.0 * 1.321_543_994_435_350_5e-6,
        2.0 * 1.017_833_277_156_124_5e-7,
        2.0 * 7.073_000_229_879_664_5e-9,
        2.0 * 4.413_587_623_368_458_4e-10,
    ],
    sixteenths: Sixteenths {
        low: -1021.0,
        shift: f64::ROUND / 16.0 + 1022.0,
        polynomial: [
            1.0,
            2.0 * 0.693_147_180_559_946_8,
            2.0 * 0.240_226_506_959_099_1,
            2.0 * 0.055_504_108_652_167_02,
            2.0 * 0.009_618_129_112_073_395,
            2.0 * 0.001_333_381_828_047_987,
            2.0 * 0.000_154_033_560_288_645_84,
        ],
    },
};

/// The mantissa bits after the leading one of 2^(j/16), less the j / 16 that [`Packed::pow2_sixteenths`] adds to an
/// exponent field: the table for `f32`.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(crate) const TABLE_F32: [u32; 16] = {
    const DIGITS: [u32; 16] = [
        0, 0x05_aac3, 0x0b_95c2, 0x11_c3d3, 0x18_37f0, 0x1e_f532, 0x25_fed7, 0x2d_583f, 0x35_04f3, 0x3d_08a4,
        0x45_672a, 0x4e_248c, 0x57_44fd, 0x60_ccdf, 0x6a_c0c7, 0x75_257d,
    ];
    let mut table = DIGITS;
    let mut j = 0;
    while j < 16 {
        table[j] = DIGITS[j].wrapping_sub((j as u32) << 19);
        j += 1;
    }
    table
};

/// [`TABLE_F32`] for `f64`.
#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub(crate) const TABLE_F64: [u64; 16] = {
    const DIGITS: [u64; 16] = [
        0,
        0x0_b558_6cf9_890f,
        0x1_72b8_3c7d_517b,
        0x2_387a_6e75_6238,
        0x3_06fe_0a31_b715,
        0x3_dea6_4c12_3422,
        0x4_bfda_d536_2a27,
        0x5_ab07_dd48_5429,
        0x6_a09e_667f_3bcd,
        0x7_a114_73eb_0187,
        0x8_ace5_422a_a0db,
        0x9_c491_82a3_f090,
        0xa_e89f_995a_d3ad,
        0xc_199b_dd85_529c,
        0xd_5818_dcfb_a487,
        0xe_a4af_a2a4_90da,
    ];
    let mut table = DIGITS;
    let mut j = 0;
    while j < 16 {
        table[j] = DIGITS[j].wrapping_sub((j as u64) << 48);
        j += 1;
    }
    table
};

/// 2^x. Largest errors: [`Scalar::exp2_real`](crate::number::Scalar::exp2_real).
#[inline(always)]
pub(crate) fn exp2<R: Packed, const N: usize, const H: usize>(cx: R::Cx, x: R, c: &Exp2<R::Scalar, N, H>) -> R {
    if const { R::SIXTEENTHS } { exp2_sixteenths(cx, x, c) } else { exp2_sum(cx, x, None, c) }
}

/// 2^x by the table.
#[inline(always)]
fn exp2_sixteenths<R: Packed, const N: usize, const H: usize>(cx: R::Cx, x: R, c: &Exp2<R::Scalar, N, H>) -> R {
    // Beyond `high` f and 2·2^f - 1 are not negative, so that the result is infinite.
    let (t, f) = R::shift_to_sixteenths(cx, x, c.sixteenths.shift, c.high);
    // 2^(n-1) (2·2^f - 1) + 2^(n-1) is rounded once.
    let power = R::pow2_sixteenths(cx, t);
    let value = R::mul_add(cx, power, polynomial(cx, f, &c.sixteenths.polynomial), power);
    R::unless_below(cx, x, c.sixteenths.low, value)
}

/// 2^(x + low) for a `low` that is small beside 1; it is not used where x is out of range.
#[inline(always)]
pub(super) fn exp2_sum<R: Packed, const N: usize, const H: usize>(
    cx: R::Cx,
    x: R,
    low: Option<R>,
    c: &Exp2<R::Scalar, N, H>,
) -> R {
    // x comes second, where NaN is kept.
    let x = R::max(cx, R::splat(cx, c.low), x);
    let x = R::min(cx, R::splat(cx, c.high), x);
    let shift = R::splat(cx, c.shift);
    let t = R::add(cx, x, shift);
    // In this order both steps use the same constant, one register less.
    let mut f = R::add(cx, x, R::sub(cx, shift, t));
    if let Some(low) = low {
        f = R::add(cx, f, low);
    }
    R::mul(cx, polynomial(cx, f, &c.polynomial), R::shift_to_exponent(cx, t))
}
