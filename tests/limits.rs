//! Limits at equal points, at zeros and at the ends of the range: the right values are those of mathematics.

mod harness;

use harness::{assert_near, assert_rows};
use keops::{Element, prelude::*};

keops! {
    /// Smooth functions of distances that are written with roots.
    #[keops(order = 2)]
    fn matern(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> Sum<j> {
        let r = sqrt(3) * norm2(x - y) / g; (1 + r) * exp(-r)
    }
    #[keops(order = 2)]
    fn matern52(g: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<2>) -> Sum<j> {
        let r = sqrt(5) * norm2(x - y) / g; (1 + r + r**2 / 3) * exp(-r) * b
    }
    #[keops(order = 2)]
    fn compact(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> Sum<j> {
        let r = norm2(x - y) / g; relu(1 - r)**4 * (1 + 4 * r)
    }
    #[keops(order = 2)]
    fn hyperbolic(x: Vi<2>, y: Vj<2>) -> Sum<j> { acosh(1 + sqdist(x, y))**2 }
    #[keops(order = 2)]
    fn haversine(x: Vi<2>, y: Vj<2>) -> Sum<j> {
        let h = sin((x[0] - y[0]) / 2)**2 + cos(x[0]) * cos(y[0]) * sin((x[1] - y[1]) / 2)**2;
        (2 * asin(sqrt(h)))**2
    }
    #[keops(order = 2)]
    fn absolute(x: Vi<2>, y: Vj<2>) -> Sum<j> { sum(abs(x - y)**2) + sum(log(cosh(abs(x - y)))) }
    #[keops(order = 2)]
    fn others(x: Vi<2>, y: Vj<2>) -> Sum<j> {
        let r = norm2(x - y); cos(r) + cosh(r) + tanh(r)**2 + (r - log(1 + r)) + cbrt(sqdist(x, y))**3 + acos(1 - sqdist(x, y))**2
    }
    /// The same as the value of another reduction.
    #[keops(order = 2)]
    fn log_matern(x: Vi<2>, y: Vj<2>) -> LogSumExp<j> { let r = norm2(x - y); (1 + r) * exp(-r) }
    /// A cube root in one dimension, whose first derivative is that of x already.
    fn cube(x: Vi<1>, y: Vj<1>) -> Sum<j> { cbrt(x - y)**3 }
    fn curvature(x: Vi<2>, y: Vj<2>) -> Sum<j> { laplacian((1 + norm2(x - y)) * exp(-norm2(x - y)), x) }

    /// A parameter with a bound in the place of a small constant.
    #[keops(order = 2)]
    fn softened(e: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> { b / sqrt(sqdist(x, y) + max(e**2, 1e-24)) }
    #[keops(order = 2)]
    fn entropy(p: Vi<1>, q: Vj<1>) -> Sum<j> { let u = p * q; Concat(u * log(u)**2, Concat(u**2 * log(u)**2, u * log(u) - u)) }
    fn masked(x: Vi<1>, y: Vj<1>, m: Vj<1>) -> LogSumExp<j> { -sqdist(x, y) - 3.4028235e38 * (1 - m) }
    fn masked_by(p: Pm<1>, x: Vi<1>, y: Vj<1>) -> LogSumExp<j> { -sqdist(x, y) - p * (x != y) }
    fn masked_components(p: Pm<1>, x: Vi<1>, y: Vj<1>) -> LogSumExp<j> { Concat(-sqdist(x, y) - p * (x != y), -sqdist(x, y)) }
    #[keops(order = 0)]
    fn masked_parts(p: Pm<1>, x: Vi<1>, y: Vj<1>) -> MaxSumShiftExp<j> { -sqdist(x, y) - p * (x != y) }
    fn masked_mean(p: Pm<1>, x: Vi<1>, y: Vj<1>, b: Vj<1>) -> SumSoftMaxWeight<j> { (-sqdist(x, y) - p * (x != y), b) }
    fn exponential(x: Vi<2>, y: Vj<2>) -> Sum<j> { complex_exp(x + y) }
}

fn rows<T: Element, const D: usize>(rows: &[[f64; D]]) -> Vec<[T; D]> {
    rows.iter().map(|row| row.map(T::from_f64)).collect()
}

fn error<T: Element>() -> f64 {
    40.0 * harness::epsilon::<T>()
}

/// Runs a test for both element types.
macro_rules! both {
    ($($name:ident $of:ident)+) => { $(
        #[test]
        fn $name() {
            $of::<f32>();
            $of::<f64>();
        }
    )+ };
}

both! {
    hessians_at_equal_points hessians
    hessians_near_equal_points near_points
    hessians_of_other_reductions of_logarithms
    a_cube_of_a_root roots
    a_small_parameter small_parameters
    logarithms_of_products products
    masks_of_all_sources masks
    complex_exponentials_in_range complex
}

/// Targets, enough for lanes and some left over, each of which is also a source.
const N: usize = 21;

/// The Hessian in x at the point that all targets are, times a tangent, for the source of the same place and for one
/// that is far from it. All pairs of modes must give it.
macro_rules! check_hessian {
    ($T:ty, $call:expr, $coefficients:expr, $what:literal) => {{
        let call = $call;
        let [a, b]: [f64; 2] = $coefficients;
        let (u, e) = (rows::<$T, 2>(&[[0.5, -1.25]; N]), vec![[<$T as Element>::from_f64(1.0)]; N]);
        let expected = [[a * 0.5, b * -1.25]; N];
        let scale = 1.0 + a.abs() + b.abs();
        let error = scale * error::<$T>();
        assert_rows(
            &call.clone().vjp_x(&e).jvp_x(&u).eval().unwrap(),
            &expected,
            error,
            concat!($what, ", jvp of vjp"),
        );
        assert_rows(
            &call.clone().vjp_x(&e).vjp_x(&u).eval().unwrap(),
            &expected,
            error,
            concat!($what, ", vjp of vjp"),
        );
        assert_rows(
            &call.clone().jvp_x(&u).vjp_x(&e).eval().unwrap(),
            &expected,
            error,
            concat!($what, ", vjp of jvp"),
        );
        let along = [[a * 0.25 + b * 1.5625]; N];
        assert_rows(&call.jvp_x(&u).jvp_x(&u).eval().unwrap(), &along, 2.0 * error, concat!($what, ", jvp of jvp"));
    }};
}

fn hessians<T: Element>() {
    let (x, y) = (rows::<T, 2>(&[[0.5, 0.25]; N]), rows::<T, 2>(&[[0.5, 0.25]]));
    let g = T::from_f64(1.75);
    let square = 1.75 * 1.75;
    check_hessian!(T, matern(g, &x, &y), [-3.0 / square; 2], "Matern 3/2");
    check_hessian!(T, compact(g, &x, &y), [-20.0 / square; 2], "compact support");
    check_hessian!(T, hyperbolic(&x, &y), [4.0; 2], "hyperbolic distance");
    check_hessian!(T, haversine(&x, &y), [2.0, 2.0 * 0.5_f64.cos().powi(2)], "haversine");
    check_hessian!(T, absolute(&x, &y), [3.0; 2], "absolute values");
    check_hessian!(T, others(&x, &y), [-1.0 + 1.0 + 2.0 + 1.0 + 2.0 + 4.0; 2], "other functions");
    let trace = curvature(&x, &y).eval().unwrap();
    assert_rows(&trace, &[[-2.0]; N], error::<T>(), "the Laplacian of a Matern kernel");

    // weights of two components
    let (b, e, u) = (rows::<T, 2>(&[[2.0, -1.0]]), rows::<T, 2>(&[[1.0, 0.5]; N]), rows::<T, 2>(&[[0.5, -1.25]; N]));
    let scale = -5.0 / 3.0 / square * 1.5;
    let change = matern52(g, &x, &y, &b).vjp_x(&e).jvp_x(&u).eval().unwrap();
    assert_rows(&change, &[[scale * 0.5, scale * -1.25]; N], error::<T>(), "Matern 5/2");
    let change = matern52(g, &x, &y, &b).jvp_x(&u).jvp_x(&u).eval().unwrap();
    let scale = -5.0 / 3.0 / square * (0.25 + 1.5625);
    assert_rows(&change, &[[scale * 2.0, -scale]; N], error::<T>(), "Matern 5/2, jvp of jvp");
    // the mixed derivative in x and y has the opposite sign
    let change = matern52(g, &x, &y, &b).vjp_x(&e).jvp_y(&u[..1]).eval().unwrap();
    let scale = 5.0 / 3.0 / square * 1.5;
    assert_rows(&change, &[[scale * 0.5, scale * -1.25]; N], error::<T>(), "Matern 5/2, by x and y");
}

/// The Hessian of a Matern kernel (1 + a r) exp(-a r) is -a² exp(-a r) (1 - a d dᵀ / r): near equal points, too, none of
/// its digits is lost.
fn near_points<T: Element>() {
    let (a, u) = (3.0_f64.sqrt(), [0.5, -1.25]);
    for size in [1e-1, 1e-3, 1e-5, 1e-7] {
        let d = [0.6 * size, -0.8 * size].map(|d| Element::to_f64(T::from_f64(d)));
        let r = (d[0] * d[0] + d[1] * d[1]).sqrt();
        let along = (d[0] * u[0] + d[1] * u[1]) * a / r;
        let expected = [0, 1].map(|k| -3.0 * (-a * r).exp() * (u[k] - along * d[k]));
        let (x, y, one) = (rows::<T, 2>(&[d; N]), rows::<T, 2>(&[[0.0; 2]]), T::from_f64(1.0));
        let found = matern(one, &x, &y).vjp_x(&[[one]; N]).jvp_x(&rows(&[u; N])).eval().unwrap();
        assert_rows(&found, &[expected; N], error::<T>(), &format!("at a distance of {size:e}"));
    }
}

fn of_logarithms<T: Element>() {
    // log Σ_j e^(k_j): for one source the exponent itself
    let (x, y) = (rows::<T, 2>(&[[0.5, 0.25]; N]), rows::<T, 2>(&[[0.5, 0.25]]));
    check_hessian!(T, log_matern(&x, &y), [-1.0; 2], "log-sum-exp of a Matern kernel");
}

fn roots<T: Element>() {
    let one = T::from_f64(1.0);
    let (x, y) = (rows::<T, 1>(&[[0.0]; N]), rows::<T, 1>(&[[0.0], [2.0]]));
    assert_rows(&cube(&x, &y).eval().unwrap(), &[[-2.0]; N], error::<T>(), "cube");
    assert_rows(&cube(&x, &y).vjp_x(&[[one]; N]).eval().unwrap(), &[[2.0]; N], error::<T>(), "cube, vjp");
    assert_rows(&cube(&x, &y).jvp_y(&[[one]; 2]).eval().unwrap(), &[[-2.0]; N], error::<T>(), "cube, jvp");
}

fn small_parameters<T: Element>() {
    let (x, y) = (rows::<T, 2>(&[[0.0, 0.0]; N]), rows::<T, 2>(&[[0.0, 0.0], [3.0, 4.0]]));
    let (b, e) = (rows::<T, 1>(&[[1.0], [5.0]]), rows::<T, 1>(&[[1.0]; N]));
    for small in [1e-12, 1e-14, 1e-24, 0.0] {
        let (epsilon, size) = (T::from_f64(small), small.max(1e-12));
        let all = softened(epsilon, &x, &y, &b).vjp(&e).eval().unwrap();
        assert_rows(&all.x, &[[3.0 / 25.0, 4.0 / 25.0]; N], error::<T>(), &format!("for {small:e}"));
        assert_near(Element::to_f64(all.b[0][0]) / N as f64 * size, 1.0, error::<T>(), small);
        let along = rows::<T, 2>(&[[1.0, 0.5]; N]);
        let second = softened(epsilon, &x, &y, &b).vjp_x(&e).jvp_x(&along).eval().unwrap();
        assert!(second.iter().flatten().all(|&x| Element::to_f64(x).is_finite()), "{small:e}: {second:?}");
    }
}

fn products<T: Element>() {
    for (p, q) in [(0.0, 2.0), (2.0, 0.0), (0.0, 0.0)] {
        let value = entropy(&rows::<T, 1>(&[[p]; N]), &rows::<T, 1>(&[[q]])).eval().unwrap();
        assert_rows(&value, &[[0.0; 3]; N], 0.0, &format!("{p} {q}"));
    }
    let (p, q) = (rows::<T, 1>(&[[2.0]; N]), rows::<T, 1>(&[[0.0], [0.5], [1.5]]));
    let all = entropy(&p, &q).vjp(&rows(&[[1.0; 3]; N])).eval().unwrap();
    // by u: log² u + 2 log u, 2 u (log² u + log u), log u
    let slope = |u: f64| (u.ln().powi(2) + 2.0 * u.ln()) + 2.0 * u * (u.ln().powi(2) + u.ln()) + u.ln();
    assert_rows(&all.p, &[[0.5 * slope(1.0) + 1.5 * slope(3.0)]; N], error::<T>(), "by p");
    let sum = 2.0 * N as f64;
    // where u is 0, the slope of u log u counts as 0, and that of -u is -1
    assert_rows(&all.q, &[[-sum], [sum * slope(1.0)], [sum * slope(3.0)]], sum * error::<T>(), "by q");
}

fn masks<T: Element>() {
    let (x, y) = (rows::<T, 1>(&[[0.0]; N]), rows::<T, 1>(&[[1.0], [2.0]]));
    let most = T::from_f64(if size_of::<T>() == 4 { f64::from(f32::MAX) } else { f64::MAX });
    let one = T::from_f64(1.0);
    let lowest = [[-most]; N];
    // a constant of the size of the largest number of f32
    let found = masked(&x, &y, &rows(&[[0.0], [0.0]])).eval().unwrap();
    assert_rows(&found, &[[-3.402_823_5e38]; N], 3.4e38 * error::<T>(), "a constant");
    assert_rows(&masked(&x, &y, &rows(&[[0.0], [1.0]])).eval().unwrap(), &[[-4.0]; N], error::<T>(), "one source");
    // as an argument, of which there are larger ones in f64
    assert_eq!(masked_by(most, &x, &y).eval().unwrap().to_vec(), lowest);
    assert_rows(&masked_by(most, &y, &y).eval().unwrap(), &[[0.0]; 2], 0.0, "the source itself");
    let both = masked_components(most, &x, &y).eval().unwrap();
    let log = ((-1.0_f64).exp() + (-4.0_f64).exp()).ln();
    assert!(both.iter().all(|row| row[0] == -most));
    assert_near(Element::to_f64(both[0][1]), log, error::<T>(), "the other component");
    assert!(masked_parts(most, &x, &y).eval().unwrap().iter().all(|&row| row == [-most, T::from_f64(2.0)]));
    let b = rows::<T, 1>(&[[1.0], [3.0]]);
    assert_rows(&masked_mean(most, &x, &y, &b).eval().unwrap(), &[[2.0]; N], error::<T>(), "the mean of all");
    let all = masked_mean(most, &x, &y, &b).vjp(&[[one]; N]).eval().unwrap();
    assert_rows(&all.b, &[[0.5 * N as f64]; 2], error::<T>() * N as f64, "the mean's weights");
}

fn complex<T: Element>() {
    // e^a is beyond the range of the type, and its product with a small cosine is not
    let single = size_of::<T>() == 4;
    let (a, b) = (if single { 89.0 } else { 710.0 }, 1.57);
    let (x, y) = (rows::<T, 2>(&[[a, b]; N]), rows::<T, 2>(&[[0.0, 0.0]]));
    let (a, b) = (Element::to_f64(x[0][0]), Element::to_f64(x[0][1]));
    let half = (a / 2.0).exp();
    let expected = half * (half * b.cos());
    let value = exponential(&x, &y).eval().unwrap();
    for row in value.iter() {
        assert_near(Element::to_f64(row[0]) / expected, 1.0, a * error::<T>(), "the real part");
    }
    let small = 1e-10;
    let slope = exponential(&x, &y).vjp_x(&rows(&[[0.0, small]; N])).eval().unwrap();
    let sides = [half * b.sin() * small * half, half * b.cos() * small * half];
    for row in slope.iter() {
        for (found, expected) in row.iter().zip(sides) {
            assert_near(Element::to_f64(*found) / expected, 1.0, a * error::<T>(), "the gradient");
        }
    }
}
