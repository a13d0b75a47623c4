//! Powers, norms and angles where points are equal, squares that leave the range of the numbers, and constants that do.

mod harness;

use harness::{assert_near, assert_rows};
use keops::{Element, prelude::*};

keops! {
    /// The kernel of UMAP.
    #[keops(order = 2)]
    fn umap(x: Vi<1>, y: Vj<1>) -> Sum<j> { 1 / (1 + 1.577 * sqdist(x, y)**0.8951) }
    /// Minkowski's distance.
    #[keops(order = 2)]
    fn minkowski(p: Pm<1>, x: Vi<2>, y: Vj<2>) -> Sum<j> { sum(abs(x - y)**p)**(1/p) }
    /// An exponent for each target.
    #[keops(order = 2)]
    fn stretched(a: Vi<1>, x: Vi<2>, y: Vj<2>) -> Sum<j> { exp(-powf(norm2(x - y), a)) }
    /// Constant exponents of distances: of each the slope is infinite at 0, or the second derivative.
    #[keops(order = 2)]
    fn powers(x: Vi<2>, y: Vj<2>, b: Vj<6>) -> Sum<j> {
        let r = norm2(x - y); let s = sqdist(x, y);
        Concat(r**0.7, Concat(s**0.7, Concat(s**(1/3), Concat(s**1.25, Concat(sqrt(s), -r**1.5))))) * b
    }
    /// A parameter as the exponent.
    #[keops(order = 2)]
    fn power(p: Pm<1>, x: Vi<2>, y: Vj<2>) -> Sum<j> { powf(sqdist(x, y), p) }
    /// An infinite part of what is finite.
    #[keops(order = 2)]
    fn flat(x: Vi<2>, y: Vj<2>) -> Sum<j> { exp(-1 / sqdist(x, y)) }
    /// Potentials, which are infinite for equal points.
    fn coulomb(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> { Concat(b / norm2(x - y), Concat(b * inv(norm2(x - y)), b * sqdist(x, y)**-1.5)) }
    /// Logarithms times powers of what they are of.
    #[keops(order = 2)]
    fn splines(x: Vi<2>, y: Vj<2>) -> Sum<j> {
        let r = norm2(x - y); let s = sqdist(x, y);
        Concat(s * log(s), Concat(s * log(r), Concat(r * log(r), r**4 * log(r))))
    }
    /// Negative powers of 0.
    #[keops(order = 0)]
    fn negative(x: Vi<1>, y: Vj<1>) -> Sum<j> { let d = abs(x - y); Concat(d**-1, Concat(d**-1.5, Concat(d**-0.5, rsqrt(d)))) }

    /// Inverses that a small number keeps finite, where powers of the number are infinite in `f32`.
    #[keops(order = 2)]
    fn softened(x: Vi<2>, y: Vj<2>) -> Sum<j> {
        let s = sqdist(x, y); let r = norm2(x - y);
        Concat(1 / (s + 1e-20), Concat(rsqrt(s + 1e-30), Concat(1 / (r + 1e-20), Concat(1 / sqrt(s + 1e-28), (s + 1e-26)**-0.5))))
    }
    #[keops(order = 2)]
    fn softened_force(x: Vi<2>, y: Vj<2>) -> Sum<j> {
        Concat((x - y) / (norm2(x - y) + 1e-10)**3, (x - y) / (sqdist(x, y) + 1e-20)**1.5)
    }
    /// The cosine of an angle, and what is nearly d log d.
    #[keops(order = 2)]
    fn softened_others(x: Vi<2>, y: Vj<2>) -> Sum<j> {
        let d = norm2(x - y);
        Concat((x / (norm2(x) + 1e-20) | y / (norm2(y) + 1e-20)), d * log(d + 1e-20))
    }

    /// Divergences of distributions that may have zeros, in several forms.
    #[keops(order = 2)]
    fn divergences(p: Vi<2>, q: Vj<2>) -> Sum<j> {
        let m = (p + q) / 2;
        Concat(sum(p * log(p / q)), Concat(sum(p * (log(p) - log(q))), Concat(sum(-p * log(q / p)), 0.5 * sum(p * log(p / m)) + 0.5 * sum(q * log(q / m)))))
    }
    /// Logarithms at 0 as terms of what their argument multiplies.
    #[keops(order = 2)]
    fn entropies(p: Vi<2>, q: Vj<2>) -> Sum<j> {
        Concat(sum(p * log(p)**2), Concat(sum((1 - p) * log1p(-p) + p * log2(p)), sqdist(p, q) * (log(norm2(p - q)) - 1)))
    }

    fn complex(x: Vi<2>, y: Vj<2>) -> Sum<j> { Concat(complex_divide(x, y), Concat(complex_abs(x), angle(x))) }
    fn angle_of(x: Vi<1>, y: Vj<1>) -> Sum<j> { atan2(x, y) }

    #[keops(order = 0)]
    fn not_itself(x: Vi<1>, y: Vj<1>) -> MinArgMin<j> { abs(x - y) + 1e300 * (x == y) }
    #[keops(order = 0)]
    fn not_itself_by_parts(x: Vi<1>, y: Vj<1>) -> MinArgMin<j> { abs(x - y) + (1e200 * 1e200) * (x == y) + 1e300 + 1e300 * (x == y) }
    /// The same, pasted.
    #[keops(order = 0)]
    pub fn not_itself_pasted = Genred("Abs(X - Y) + 1e300 * Equal(X, Y)", ["X = Vi(1)", "Y = Vj(1)"], reduction_op = "ArgMin", axis = 1);
    /// A mask of weights as logarithms.
    fn masked(x: Vi<1>, y: Vj<1>, m: Vj<1>) -> LogSumExp<j> { -sqdist(x, y) - 1e300 * (m == 0) }
    fn masked_mean(x: Vi<1>, y: Vj<1>, m: Vj<1>, b: Vj<1>) -> SumSoftMaxWeight<j> { (ifelse(m - 0.5, -sqdist(x, y), -1e300), b) }
    /// Products and quotients of constants that `f32` does not have.
    fn factors(x: Vi<1>, y: Vj<1>) -> Sum<j> {
        let z = x * y;
        Concat(1e50 * z, Concat(1e-50 * z, Concat(z / 1e60, Concat(1e60 / z, Concat(1e200 * z * 1e-200, z / (z + 1e-300))))))
    }
    fn large_factor(x: Vi<1>, y: Vj<1>) -> Sum<j> { 1e50 * x * y }
    #[keops(order = 0)]
    fn guarded(x: Vi<1>, y: Vj<1>) -> Sum<j> {
        let s = sqdist(x, y);
        Concat(s / (s + 1e-300), Concat(log(s + 1e-300), ifelse(s - 1e-300, 1 / s, 0)))
    }
}

/// Numbers as rows of an element type.
fn rows<T: Element, const D: usize>(rows: &[[f64; D]]) -> Vec<[T; D]> {
    rows.iter().map(|row| row.map(T::from_f64)).collect()
}

fn is_finite<T: Element>(x: T) -> bool {
    Element::to_f64(x).is_finite()
}

/// What a result may be off by.
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
    first_derivatives first
    second_derivatives second
    derivatives_by_the_exponent by_exponent
    an_infinite_part_of_what_is_finite infinite_part
    infinite_values_stay infinite_values
    logarithms_times_powers logarithms
    small_numbers_beside_distances small_numbers
    logarithms_as_terms terms
}

/// Origins that are sources, too: enough for lanes, and some left over.
const N: usize = 37;

fn points<T: Element>() -> (Vec<[T; 2]>, Vec<[T; 2]>) {
    (rows(&[[0.0, 0.0]; N]), rows(&[[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [-0.6, -0.8]]))
}

fn first<T: Element>() {
    let (zero, one) = (T::zero(), T::one());
    let gradient = umap(&[[zero]; N], &[[zero], [one]]).vjp_x(&[[one]; N]).eval().unwrap();
    assert_rows(&gradient, &[[0.425_113_022_590_664_64]; N], error::<T>(), "UMAP");

    let e = vec![[one]; N];
    let (x, y) = points::<T>();
    let three = T::from_f64(3.0);
    let found = minkowski(three, &x[..1], &y[..2]).vjp(&e[..1]).eval().unwrap();
    assert_rows(&found.x, &[[-1.0, 0.0]], error::<T>(), "Minkowski");
    assert_rows(&found.y, &[[0.0, 0.0], [1.0, 0.0]], error::<T>(), "Minkowski, sources");
    assert_rows(&found.p, &[[0.0]], error::<T>(), "Minkowski, exponent");

    let half = vec![[T::from_f64(0.5)]; N];
    let found = stretched(&half, &x, &y).vjp(&e).eval().unwrap();
    // both distances are 1, where the slope is -e^-1 / 2
    let slope = 0.5 * (-1.0_f64).exp();
    assert_rows(&found.x, &[[slope * (1.0 - 0.6), slope * -0.8]; N], error::<T>(), "stretched");
    assert_rows(&found.a, &[[0.0]; N], error::<T>(), "stretched, exponent");

    let exponents = [0.7, 1.4, 2.0 / 3.0, 2.5, 1.0, 1.5];
    for (k, exponent) in exponents.into_iter().enumerate() {
        let mut b = vec![[zero; 6]; 4];
        b.iter_mut().for_each(|b| b[k] = one);
        let size = if k == 5 { -exponent } else { exponent };
        let expected = [[size * (-1.0 + 0.6), size * 0.8]; N];
        let e = vec![[one; 6]; N];
        assert_rows(&powers(&x, &y, &b).vjp_x(&e).eval().unwrap(), &expected, error::<T>(), "vjp");
        let u = vec![[one, zero]; N];
        let along = powers(&x, &y, &b).jvp_x(&u).eval().unwrap();
        assert!(along.iter().all(|row| (Element::to_f64(row[k]) - expected[0][0]).abs() < 1e-5), "jvp of {exponent}");
    }
}

fn second<T: Element>() {
    let (zero, one) = (T::zero(), T::one());
    let (x, y) = points::<T>();
    let (e, u) = (vec![[one; 6]; N], vec![[one, zero]; N]);
    // of r^n along d/r = (c, s) the second derivative is n r^(n-2) (1 + (n - 2) c²), and n (n - 2) r^(n-2) c s across
    for (k, exponent) in [0.7, 1.4, 2.0 / 3.0, 2.5, 1.0, 1.5].into_iter().enumerate() {
        let mut b = vec![[zero; 6]; 4];
        b.iter_mut().for_each(|b| b[k] = if k == 5 { -one } else { one });
        let n: f64 = exponent;
        let expected = [n * (2.0 + (n - 2.0) * (1.0 + 0.36)), n * (n - 2.0) * 0.48];
        let near = |found: &[[T; 2]], what: &str| assert_rows(found, &[expected; N], 4.0 * error::<T>(), what);
        near(&powers(&x, &y, &b).vjp_x(&e).vjp_x(&u).eval().unwrap(), "vjp of vjp");
        near(&powers(&x, &y, &b).vjp_x(&e).jvp_x(&u).eval().unwrap(), "jvp of vjp");
        near(&powers(&x, &y, &b).jvp_x(&u).vjp_x(&e).eval().unwrap(), "vjp of jvp");
        let all = powers(&x, &y, &b).vjp_x(&e).vjp(&u).eval().unwrap();
        near(&all.x, "all");
        assert!(all.b.iter().flatten().all(|b| is_finite(*b)) && all.y.iter().flatten().all(|y| is_finite(*y)));
        let twice = powers(&x, &y, &b).jvp_x(&u).jvp_x(&u).eval().unwrap();
        assert!((Element::to_f64(twice[0][k]) - expected[0]).abs() < 1e-5, "jvp of jvp: {twice:?}");
    }
}

fn by_exponent<T: Element>() {
    let one = T::one();
    let (x, y) = (rows::<T, 2>(&[[0.0, 0.0]]), rows::<T, 2>(&[[0.0, 0.0], [2.0, 0.0]]));
    let (e, u) = ([[one]], [[one, T::zero()]]);
    let ln4 = 4.0_f64.ln();
    for p in [0.5, 1.0, 1.25, 1.5, 2.0, 3.0] {
        let call = || power(T::from_f64(p), &x, &y);
        let near = |found: T, expected: f64, what: &str| {
            assert_near(Element::to_f64(found), expected, error::<T>() * expected.abs().max(1.0), (what, p));
        };
        // s^p for s = 4, and for s = 0 its terms are 0, but for the curvature 2 of s^1
        let (power, slope, curved) = (4_f64.powf(p), -p * 4_f64.powf(p), if p == 1.0 { 2.0 } else { 0.0 });
        let all = call().vjp(&e).eval().unwrap();
        near(all.p[0][0], power * ln4, "p");
        near(all.x[0][0], slope, "x");
        let second = call().vjp_x(&e).vjp(&u).eval().unwrap();
        near(second.x[0][0], curved + 2.0 * p * (2.0 * p - 1.0) * 4_f64.powf(p - 1.0), "x x");
        near(second.p[0][0], -power * (1.0 + p * ln4), "x p");
        near(call().vjp_p(&e).vjp_x(one).eval().unwrap()[0][0], -power * (1.0 + p * ln4), "p x");
        near(call().vjp_p(&e).jvp_p(one).eval().unwrap()[0][0], power * ln4 * ln4, "p p");
        near(call().jvp_p(one).jvp_x(&u).eval().unwrap()[0][0], -power * (1.0 + p * ln4), "forward p x");
    }
    // 0^0 is 1, whatever is 0; its slopes are 0
    let none = power(T::zero(), &x, &y[..1]).vjp(&e).eval().unwrap();
    assert_eq!((none.x[0], none.p[0]), ([T::zero(); 2], [T::zero()]));
    // a negative power of 0 is infinite, and counts for nothing in derivatives
    let negative = power(-one, &x, &y).vjp(&e).eval().unwrap();
    assert_rows(&negative.x, &[[0.25, 0.0]], error::<T>(), "negative, x");
    assert_rows(&negative.p, &[[0.25 * ln4]], error::<T>(), "negative, p");
}

fn infinite_part<T: Element>() {
    let (x, y) = points::<T>();
    let (e, u) = (vec![[T::one()]; N], vec![[T::one(), T::zero()]; N]);
    let size = 2.0 * (-1.0_f64).exp();
    // two sources are equal, two at distance 1
    assert_rows(&flat(&x, &y).eval().unwrap(), &[[size]; N], error::<T>(), "value");
    let expected = [[size * (-1.0 + 0.6), size * 0.8]; N];
    assert_rows(&flat(&x, &y).vjp_x(&e).eval().unwrap(), &expected, error::<T>(), "gradient");
    // of f(s) = exp(-1/s) at s = 1: 4 f'' d d' + 2 f' with f' = f and f'' = -f
    let expected = [[size * (2.0 - 2.0 * (1.0 + 0.36)), -2.0 * size * 0.48]; N];
    assert_rows(&flat(&x, &y).vjp_x(&e).vjp_x(&u).eval().unwrap(), &expected, 4.0 * error::<T>(), "second");
    assert_rows(&flat(&x, &y).vjp_x(&e).jvp_x(&u).eval().unwrap(), &expected, 4.0 * error::<T>(), "second, forward");
}

fn infinite_values<T: Element>() {
    let (zero, one) = (T::zero(), T::one());
    let infinite = T::infinity();
    assert_eq!(negative(&[[zero]], &[[zero]]).eval().unwrap()[0], [infinite, infinite, zero, zero]);
    let (x, y) = points::<T>();
    let b = vec![[one]; 4];
    assert_eq!(coulomb(&x, &y, &b).eval().unwrap()[0], [infinite; 3]);
    // the forces of the other points
    let forces = coulomb(&x, &y, &b).vjp_x(&vec![[one; 3]; N]).eval().unwrap();
    assert_rows(&forces, &[[5.0 * (1.0 - 0.6), 5.0 * -0.8]; N], error::<T>(), "forces");
    let weights = coulomb(&x, &y, &b).vjp_b(&vec![[one; 3]; N]).eval().unwrap();
    let each = 3.0 * N as f64;
    assert_rows(&weights, &[[0.0], [each], [0.0], [each]], error::<T>(), "weights");
}

fn logarithms<T: Element>() {
    let one = T::one();
    let (x, y) = (rows::<T, 2>(&[[0.0, 0.0]]), rows::<T, 2>(&[[0.0, 0.0], [2.0, 0.0]]));
    let ln2 = 2.0_f64.ln();
    let expected = [8.0 * ln2, 4.0 * ln2, 2.0 * ln2, 16.0 * ln2];
    assert_rows(&splines(&x, &y).eval().unwrap(), &[expected], error::<T>(), "values");
    let slopes = [-4.0 * (2.0 * ln2 + 1.0), -2.0 * (2.0 * ln2 + 1.0), -(ln2 + 1.0), -8.0 * (4.0 * ln2 + 1.0)];
    let along = splines(&x, &y).jvp_x(&[[one, T::zero()]]).eval().unwrap();
    assert_rows(&along, &[slopes], error::<T>(), "slopes");
    let all: Vec<[T; 2]> = splines(&x, &y).vjp_x(&[[one; 4]]).vjp_x(&[[one; 2]]).eval().unwrap().into_vec();
    assert!(all[0].iter().all(|x| is_finite(*x)));
}

/// The slopes of pairs of equal points are 0, in `f32` because they are infinite powers times 0. Only the second
/// derivatives of these are infinite.
fn small_numbers<T: Element>() {
    let (zero, one) = (T::zero(), T::one());
    let (x, y) = (rows::<T, 2>(&[[0.0, 0.0]; N]), rows::<T, 2>(&[[0.0, 0.0], [1.0, 0.0], [-0.6, -0.8]]));
    let u = vec![[one, zero]; N];
    // of 1/s and 1/r at distance 1: the slopes are 2 and 1 times the direction
    let along = softened(&x, &y).jvp_x(&u).eval().unwrap();
    assert_rows(&along, &[[0.8, 0.4, 0.4, 0.4, 0.4]; N], error::<T>(), "along");
    let gradient = softened(&x, &y).vjp_x(&vec![[one; 5]; N]).eval().unwrap();
    assert_rows(&gradient, &[[0.4 * 6.0, -0.8 * 6.0]; N], 4.0 * error::<T>(), "gradient");
    let of_sources = softened(&x, &y).vjp_y(&vec![[one; 5]; N]).eval().unwrap();
    let count = N as f64;
    let expected = [[0.0, 0.0], [-6.0 * count, 0.0], [3.6 * count, 4.8 * count]];
    assert_rows(&of_sources, &expected, 400.0 * error::<T>(), "gradient of sources");
    for second in [
        softened(&x, &y).vjp_x(&vec![[one; 5]; N]).vjp_x(&u).eval().unwrap(),
        softened(&x, &y).vjp_x(&vec![[one; 5]; N]).jvp_x(&u).eval().unwrap(),
    ] {
        assert!(second.iter().flatten().all(|&x| is_finite(x)), "second derivatives");
    }

    let e = vec![[one; 4]; N];
    // equal points have the slope 1e30 by (1, 0) and (0, 1), which is in range
    let gradient = softened_force(&x, &y).vjp_x(&e).eval().unwrap();
    for row in &gradient {
        row.iter().for_each(|&slope| assert_near(Element::to_f64(slope) / 2e30, 1.0, error::<T>(), "force"));
    }
    let second = softened_force(&x, &y).vjp_x(&e).vjp_x(&u).eval().unwrap();
    assert!(second.iter().flatten().all(|&x| is_finite(x)), "second derivatives of the force");
    let along = softened_force(&x, &y[1..]).jvp_x(&u).eval().unwrap();
    assert_rows(&along, &[[-2.0 - 0.08, -1.44, -2.0 - 0.08, -1.44]; N], 1e-8_f64.max(error::<T>()), "of other points");

    let gradient = softened_others(&x, &y).vjp_x(&vec![[zero, one]; N]).eval().unwrap();
    assert_rows(&gradient, &[[-0.4, 0.8]; N], error::<T>(), "d log d");
    let second = softened_others(&x, &y).vjp_x(&vec![[one; 2]; N]).vjp_x(&u).eval().unwrap();
    assert!(second.iter().flatten().all(|&x| is_finite(x)), "second derivatives of d log d");
    let of_sources = softened_others(&x, &y).vjp_y(&vec![[one; 2]; N]).eval().unwrap();
    let expected = [[0.0, 0.0], [count, 0.0], [-0.6 * count, -0.8 * count]];
    assert_rows(&of_sources, &expected, 400.0 * error::<T>(), "of a cosine with nothing");
}

/// The terms of 0 are 0, and so are their slopes.
fn terms<T: Element>() {
    let (zero, one) = (T::zero(), T::one());
    let (p, q) = (rows::<T, 2>(&[[0.0, 0.5]; N]), rows::<T, 2>(&[[0.0, 1.0]]));
    let ln2 = 2.0_f64.ln();
    let kl = -0.5 * ln2;
    let js = 0.25 * (2.0_f64 / 3.0).ln() + 0.5 * (4.0_f64 / 3.0).ln();
    assert_rows(&divergences(&p, &q).eval().unwrap(), &[[kl, kl, kl, js]; N], error::<T>(), "divergences");
    let u = vec![[one, one]; N];
    let js_slope = 0.5 * (2.0_f64 / 3.0).ln();
    let slopes = [1.0 - ln2, 1.0 - ln2, 1.0 - ln2, js_slope];
    assert_rows(&divergences(&p, &q).jvp_p(&u).eval().unwrap(), &[slopes; N], error::<T>(), "slopes");
    let e = vec![[one; 4]; N];
    let gradient = divergences(&p, &q).vjp_p(&e).eval().unwrap();
    assert_rows(&gradient, &[[0.0, slopes.iter().sum()]; N], error::<T>(), "gradient");
    let of_sources = divergences(&p[..1], &q).vjp_q(&e[..1]).eval().unwrap();
    // -p/q three times, and log(q/m)/2
    assert_rows(&of_sources, &[[0.0, -1.5 + 0.5 * (4.0_f64 / 3.0).ln()]], error::<T>(), "gradient of sources");
    // 1/p three times, and 1/(2 p) - 1/(2 (p + q))
    let expected = [[0.0, 6.0 + 1.0 - 1.0 / 3.0]; N];
    let second = divergences(&p, &q).vjp_p(&e).vjp_p(&u).eval().unwrap();
    assert_rows(&second, &expected, 4.0 * error::<T>(), "second derivatives");
    let second = divergences(&p, &q).vjp_p(&e).jvp_p(&u).eval().unwrap();
    assert_rows(&second, &expected, 4.0 * error::<T>(), "second derivatives, forward");

    let (p, q) = (rows::<T, 2>(&[[0.0, 1.0]; N]), rows::<T, 2>(&[[0.0, 1.0], [0.0, 0.0]]));
    assert_rows(&entropies(&p, &q).eval().unwrap(), &[[0.0, 0.0, -1.0]; N], error::<T>(), "entropies");
    let e = vec![[one, zero, one]; N];
    let gradient = entropies(&p, &q).vjp_p(&e).eval().unwrap();
    // of s (log(s)/2 - 1) at s = 1: twice the direction times the slope -1/2
    assert_rows(&gradient, &[[0.0, -1.0]; N], error::<T>(), "gradient of entropies");
    let e = vec![[one; 3]; N];
    for second in
        [entropies(&p, &q).vjp_p(&e).vjp_p(&u).eval().unwrap(), entropies(&p, &q).vjp_p(&e).jvp_p(&u).eval().unwrap()]
    {
        assert!(second.iter().flatten().all(|&x| is_finite(x)), "second derivatives of entropies");
    }
}

#[test]
fn complex_numbers_of_any_length() {
    fn check<T: Element>(sizes: &[f64]) {
        for &size in sizes {
            let (x, y) = (rows::<T, 2>(&[[3.0 * size, 4.0 * size]]), rows::<T, 2>(&[[4.0 * size, -3.0 * size]]));
            let value = complex(&x, &y).eval().unwrap()[0].map(Element::to_f64);
            let expected = [0.0, 1.0, 5.0, (4.0_f64).atan2(3.0)];
            for (k, scale) in [1.0, 1.0, size, 1.0].into_iter().enumerate() {
                assert_near(value[k] / scale, expected[k], error::<T>(), (size, k));
            }
            let gradient = |component: usize| {
                let mut e = [[T::zero(); 4]];
                e[0][component] = T::one();
                let all = complex(&x, &y).vjp(&e).eval().unwrap();
                [all.x[0], all.y[0]].concat().iter().map(|&x| Element::to_f64(x)).collect::<Vec<f64>>()
            };
            // 1/y = (4 + 3i) / 25 / size, and -q/y for q = i
            let [re, im, abs, angle] = [0, 1, 2, 3].map(gradient);
            let expected = [
                ([0.16, -0.12, 0.12, 0.16], re, 1.0 / size),
                ([0.12, 0.16, -0.16, 0.12], im, 1.0 / size),
                ([0.6, 0.8, 0.0, 0.0], abs, 1.0),
                ([-0.16, 0.12, 0.0, 0.0], angle, 1.0 / size),
            ];
            for (n, (expected, found, scale)) in expected.into_iter().enumerate() {
                for k in 0..4 {
                    assert_near(found[k] / scale, expected[k], error::<T>(), (size, n, k));
                }
            }
            let all = angle_of(&[[x[0][0]]], &[[x[0][1]]]).vjp(&[[T::one()]]).eval().unwrap();
            assert_near(Element::to_f64(all.x[0][0]) * size, 0.16, error::<T>(), size);
            assert_near(Element::to_f64(all.y[0][0]) * size, -0.12, error::<T>(), size);
        }
        let all =
            complex(&rows::<T, 2>(&[[0.0, 0.0]]), &rows::<T, 2>(&[[1.0, 1.0]])).vjp(&[[T::one(); 4]]).eval().unwrap();
        assert_rows(&all.x, &[[0.0, 1.0]], error::<T>(), "of a quotient; |x| and the angle have the slope 0 at 0");
    }
    check::<f32>(&[1.0, 1e-25, 1e-30, 1e-18, 1e15, 1e20, 1e36]);
    check::<f64>(&[1.0, 1e-300, 1e-160, 1e150, 1e200, 1e300]);
}

#[test]
fn masks_of_large_constants() {
    let (x, y) = ([[1.0_f32]], [[1.0_f32], [2.0]]);
    let (value, row) = not_itself(&x, &y).eval().unwrap();
    assert_eq!((value[0], row[0]), ([1.0], [1]));
    assert_eq!(not_itself_by_parts(&x, &y).eval().unwrap().1[0], [1]);
    assert_eq!(not_itself_pasted(&x, &y).eval().unwrap()[0], [1]);
    let (value, row) = not_itself(&[[1.0_f64]], &[[1.0], [2.0]]).eval().unwrap();
    assert_eq!((value[0], row[0]), ([1.0], [1]));
    // all are equal: the least is the mask itself
    assert_eq!(not_itself(&x, &y[..1]).eval().unwrap().0[0], [f32::MAX]);

    fn check<T: Element>() {
        let (zero, one) = (T::zero(), T::one());
        let (x, y, m) = ([[zero]], [[one], [one + one]], [[one], [zero]]);
        let all = masked(&x, &y, &m).vjp(&[[one]]).eval().unwrap();
        assert_rows(&masked(&x, &y, &m).eval().unwrap(), &[[-1.0]], error::<T>(), "one of two");
        assert_rows(&all.x, &[[2.0]], error::<T>(), "gradient");
        let none = masked(&x, &y, &[[zero]; 2]).vjp(&[[one]]).eval().unwrap();
        assert!(is_finite(none.x[0][0]));
        let b = [[T::from_f64(3.0)], [T::from_f64(5.0)]];
        assert_rows(&masked_mean(&x, &y, &m, &b).eval().unwrap(), &[[3.0]], error::<T>(), "mean");
        assert_rows(
            &masked_mean(&x, &y, &[[zero]; 2], &b).eval().unwrap(),
            &[[4.0]],
            error::<T>(),
            "no weight but the mask's",
        );
        let all = masked_mean(&x, &y, &m, &b).vjp(&[[one]]).eval().unwrap();
        assert_rows(&all.b, &[[1.0], [0.0]], error::<T>(), "weights");
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn factors_that_f32_does_not_have() {
    let row = |z: f32| factors(&[[z]], &[[1.0]]).eval().unwrap()[0].map(f64::from);
    let near = |found: f64, expected: f64| assert_near(found / expected, 1.0, 1e-6, expected);
    near(row(1e-20)[0], 1e30);
    assert_eq!((row(0.0)[0], row(1.0)[0], row(-1.0)[0]), (0.0, f64::from(f32::MAX), f64::from(-f32::MAX)));
    assert!(row(f32::INFINITY)[0].is_infinite() && row(f32::NAN)[0].is_nan());
    near(row(1e30)[1], 1e-20);
    assert_eq!(row(1.0)[1], 0.0);
    near(row(1e38)[2], 1e-22);
    near(row(1e30)[3], 1e30);
    near(row(7.0)[4], 7.0);
    assert_eq!((row(1.0)[5], row(0.0)[5]), (1.0, 0.0));
    let wide = factors(&[[2.0_f64]], &[[1.0]]).eval().unwrap()[0];
    assert_eq!((wide[0], wide[1], wide[4], wide[5]), (2e50, 2e-50, 2.0, 1.0));
    near(wide[2], 2e-60);
    near(wide[3], 5e59);
    let slope = large_factor(&[[1e-20_f32]], &[[1.0]]).vjp_y(&[[1.0]]).eval().unwrap();
    near(f64::from(slope[0][0]), 1e30);
    let slope = large_factor(&[[1.0_f32]], &[[1e-20]]).vjp_x(&[[1.0]]).eval().unwrap();
    near(f64::from(slope[0][0]), 1e30);

    let found = guarded(&[[1.0_f32]], &[[1.0]]).eval().unwrap()[0];
    assert_eq!((found[0], found[2]), (0.0, 0.0));
    assert_near(f64::from(found[1]), f64::from(f32::MIN_POSITIVE).ln(), 1e-5, "the logarithm of the smallest number");
    assert_eq!(guarded(&[[1.0_f32]], &[[3.0]]).eval().unwrap()[0], [1.0, 4.0_f32.ln(), 0.25]);
}
