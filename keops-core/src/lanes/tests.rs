//! Every operation of a tile against the plain numbers, lane by lane, on every instruction set of this machine.

use num_traits::{Float, One, Zero};
use pulp::{Simd, WithSimd};

use crate::number::{Packed, Real, Scalar};

/// Runs `check` with tiles of one, two and three vectors, in f32 and f64.
struct Check;

impl WithSimd for Check {
    type Output = ();
    fn with_simd<S: Simd>(self, simd: S) {
        check::<super::F32Lanes<S, 1>>(simd);
        check::<super::F32Lanes<S, 2>>(simd);
        check::<super::F32Lanes<S, 3>>(simd);
        check::<super::F64Lanes<S, 1>>(simd);
        check::<super::F64Lanes<S, 3>>(simd);
    }
}

#[test]
fn lanes_agree_with_plain_numbers() {
    pulp::Scalar::new().vectorize(Check);
    pulp::Arch::new().dispatch(Check);
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        Simd::vectorize(simd, Check);
    }
}

fn specials<T: Scalar>() -> Vec<T> {
    let mut all: Vec<T> =
        [0.0, 0.5, 0.7, 1.0, 1.5, 2.5, 3.0, 1e-3, 1e5, 8_388_607.5, 8_388_609.0, 1e30, 4_503_599_627_370_495.5]
            .iter()
            .flat_map(|&v| [T::of_f64(v), T::of_f64(-v)])
            .collect();
    all.extend([T::infinity(), T::neg_infinity(), T::nan(), T::min_positive_value(), T::max_value(), T::epsilon()]);
    all
}

/// The same number, or NaN both; the sign of zero counts.
fn same<T: Scalar>(a: T, b: T) -> bool {
    (a.is_nan() && b.is_nan()) || (a == b && a.is_sign_negative() == b.is_sign_negative())
}

fn check<R: Packed>(cx: R::Cx) {
    let numbers = specials::<R::Scalar>();
    // Lane k of the second operand is another number than lane k of the first, and every pair occurs.
    for shift in 0..numbers.len() {
        let a: Vec<R::Scalar> = (0..R::LANES).map(|k| numbers[(k + shift) % numbers.len()]).collect();
        for &other in &numbers {
            let b: Vec<R::Scalar> = (0..R::LANES).map(|k| if k % 3 == 1 { a[k] } else { other }).collect();
            arithmetic::<R>(cx, &a, &b);
        }
        bits::<R>(cx, &a);
    }
    row_numbers::<R>(cx);
}

fn lanes<R: Packed>(cx: R::Cx, x: R) -> Vec<R::Scalar> {
    let mut to = vec![R::Scalar::zero(); R::LANES];
    x.store(cx, &mut to);
    to
}

/// The mask as ones and zeros.
fn truths<R: Packed>(cx: R::Cx, mask: R::Mask) -> Vec<bool> {
    let ones = R::select(cx, mask, R::lit(cx, 1.0), R::lit(cx, 0.0));
    let truths: Vec<bool> = lanes(cx, ones).iter().map(|v| *v == R::Scalar::one()).collect();
    assert_eq!(R::any(cx, mask), truths.contains(&true));
    truths
}

fn arithmetic<R: Packed>(cx: R::Cx, a: &[R::Scalar], b: &[R::Scalar]) {
    let (x, y) = (R::load(cx, a), R::load(cx, b));
    let numbers = |name: &str, found: R, f: fn(R::Scalar, R::Scalar) -> R::Scalar| {
        for (k, found) in lanes(cx, found).into_iter().enumerate() {
            assert!(same(found, f(a[k], b[k])), "{name}({}, {}) = {found}", a[k], b[k]);
        }
    };
    numbers("add", R::add(cx, x, y), |a, b| a + b);
    numbers("sub", R::sub(cx, x, y), |a, b| a - b);
    numbers("mul", R::mul(cx, x, y), |a, b| a * b);
    numbers("div", R::div(cx, x, y), |a, b| a / b);
    numbers("neg", R::neg(cx, x), |a, _| -a);
    numbers("abs", R::abs(cx, x), |a, _| Real::abs((), a));
    numbers("sqrt", R::sqrt(cx, x), |a, _| Real::sqrt((), a));
    numbers("round", R::round(cx, x), |a, _| Real::round((), a));
    // Nothing is promised if only `a` is NaN, and which zero is the smaller one.
    let ordered = |a: R::Scalar, b: R::Scalar| if a.is_nan() || (a == b) { b } else { a };
    let x_ordered: Vec<R::Scalar> = a.iter().zip(b).map(|(&a, &b)| ordered(a, b)).collect();
    let x_ordered = R::load(cx, &x_ordered);
    numbers("min", R::min(cx, x_ordered, y), |a, b| if a < b { a } else { b });
    numbers("max", R::max(cx, x_ordered, y), |a, b| if a > b { a } else { b });

    // Small integers: one rounding or two make no difference.
    let small: Vec<R::Scalar> = (0..R::LANES).map(|k| R::Scalar::of_f64(k as f64 - 3.0)).collect();
    let z = R::load(cx, &small);
    for (k, found) in lanes(cx, R::mul_add(cx, z, z, z)).into_iter().enumerate() {
        assert!(found == small[k] * small[k] + small[k]);
    }
    for (k, found) in lanes(cx, R::neg_mul_add(cx, z, z, z)).into_iter().enumerate() {
        assert!(found == small[k] - small[k] * small[k]);
    }

    let compare = |found: R::Mask, f: fn(R::Scalar, R::Scalar) -> bool| {
        for (k, found) in truths::<R>(cx, found).into_iter().enumerate() {
            assert_eq!(found, f(a[k], b[k]), "{} and {}", a[k], b[k]);
        }
    };
    let (less, equal) = (R::lt(cx, x, y), R::eq(cx, x, y));
    compare(less, |a, b| a < b);
    compare(equal, |a, b| a == b);
    compare(R::le(cx, x, y), |a, b| a <= b);
    compare(R::or(cx, less, equal), |a, b| a <= b);
    compare(R::and(cx, less, equal), |_, _| false);
    compare(R::not(cx, less), |a, b| a.partial_cmp(&b) != Some(core::cmp::Ordering::Less));
    numbers("select", R::select(cx, less, x, y), |a, b| if a < b { a } else { b });
    numbers("map", R::map(cx, x, |v| v + v), |a, _| a + a);
}

fn bits<R: Packed>(cx: R::Cx, a: &[R::Scalar]) {
    let x = R::load(cx, a);
    let (mantissa, exponent) = R::split_exponent(cx, x);
    let (mantissa, exponent) = (lanes(cx, mantissa), lanes(cx, exponent));
    for (k, &a) in a.iter().enumerate().filter(|(_, a)| a.is_normal() && a.is_sign_positive()) {
        let root = R::Scalar::of_f64(core::f64::consts::FRAC_1_SQRT_2);
        assert!(root <= mantissa[k] && mantissa[k] < root + root, "mantissa {} of {a}", mantissa[k]);
        let power = R::Scalar::of_f64(2f64.powi(Scalar::as_f64(exponent[k]) as i32));
        assert!(mantissa[k] * power == a || !power.is_normal(), "exponent {} of {a}", exponent[k]);
    }

    // An integer a lane, and its power of two.
    let highest = Scalar::as_f64(R::Scalar::max_value()).log2().round();
    let n: Vec<f64> =
        (0..R::LANES).map(|k| [0.0, 1.0, -5.0, 7.0, 1.0 - highest, highest, highest - 1.0][k % 7]).collect();
    let tile = R::load(cx, &n.iter().map(|&n| R::Scalar::of_f64(n)).collect::<Vec<_>>());
    for (k, found) in lanes(cx, R::pow2_integer(cx, tile)).into_iter().enumerate() {
        let expected = if n[k] == 1.0 - highest { 0.0 } else { n[k].exp2() };
        assert!(found == R::Scalar::of_f64(expected), "2^{} = {found}", n[k]);
    }
    let t = R::add(cx, tile, R::splat(cx, R::Scalar::ROUND));
    for bit in 0..2 {
        for (k, found) in truths::<R>(cx, R::bit(cx, t, bit)).into_iter().enumerate() {
            assert_eq!(found, (n[k] as i64 >> bit) & 1 == 1, "bit {bit} of {}", n[k]);
        }
    }

    let third = R::lit(cx, 1.0 / 3.0);
    let factor = R::load(cx, &(0..R::LANES).map(|k| R::Scalar::of_f64(1.1 + k as f64)).collect::<Vec<_>>());
    let (product, error) = R::two_product(cx, third, factor);
    let (product, error) = (lanes(cx, product), lanes(cx, error));
    for (k, &factor) in lanes(cx, factor).iter().enumerate() {
        let (p, e) = Packed::two_product((), R::Scalar::of_f64(1.0 / 3.0), factor);
        assert!(product[k] == p && error[k] == e, "{factor} / 3");
        assert!(e.abs() <= p * R::Scalar::epsilon());
    }
}

fn row_numbers<R: Packed>(cx: R::Cx) {
    let read = |index: R::Index| -> Vec<u32> {
        let bits = lanes(cx, R::index_to_bits(cx, R::index_from_bits(cx, R::index_to_bits(cx, index))));
        bits.iter().map(|&bits| Packed::index_from_bits((), bits)).collect()
    };
    for first in [0, 7, (1 << 31) - 2, u32::MAX - 2] {
        let ramp = R::index_ramp(cx, first);
        let expected: Vec<u32> = (0..R::LANES as u32).map(|k| first.wrapping_add(k)).collect();
        assert_eq!(read(ramp), expected);
        let splat = R::index_splat(cx, first);
        assert_eq!(read(splat), vec![first; R::LANES]);
        let odd = R::load(cx, &(0..R::LANES).map(|k| R::Scalar::of_f64((k % 2) as f64)).collect::<Vec<_>>());
        let selected = R::index_select(cx, R::lt(cx, R::lit(cx, 0.5), odd), ramp, splat);
        let expected: Vec<u32> =
            expected.iter().enumerate().map(|(k, &j)| if k % 2 == 1 { j } else { first }).collect();
        assert_eq!(read(selected), expected);
    }
}
