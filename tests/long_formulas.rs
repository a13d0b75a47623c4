//! Formulas that are compiled in pieces: longer than some sixteen exponentials.
#![allow(missing_docs, reason = "tests")]

mod harness;

use harness::{Random, assert_near, assert_rows, wide};
use keops::{Element, prelude::*};

const TERMS: i32 = 40;

keops! {
    fn exponentials(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        let d = sqdist(x, y);
        -2.5 * exp(-0.05 * d) + -1.5 * exp(-0.10 * d) + -0.5 * exp(-0.15 * d) + 0.5 * exp(-0.20 * d) + 1.5 * exp(-0.25 * d) + 2.5 * exp(-0.30 * d) + 3.5 * exp(-0.35 * d) + -2.5 * exp(-0.40 * d) + -1.5 * exp(-0.45 * d) + -0.5 * exp(-0.50 * d) + 0.5 * exp(-0.55 * d) + 1.5 * exp(-0.60 * d) + 2.5 * exp(-0.65 * d) + 3.5 * exp(-0.70 * d) + -2.5 * exp(-0.75 * d) + -1.5 * exp(-0.80 * d) + -0.5 * exp(-0.85 * d) + 0.5 * exp(-0.90 * d) + 1.5 * exp(-0.95 * d) + 2.5 * exp(-1.00 * d) + 3.5 * exp(-1.05 * d) + -2.5 * exp(-1.10 * d) + -1.5 * exp(-1.15 * d) + -0.5 * exp(-1.20 * d) + 0.5 * exp(-1.25 * d) + 1.5 * exp(-1.30 * d) + 2.5 * exp(-1.35 * d) + 3.5 * exp(-1.40 * d) + -2.5 * exp(-1.45 * d) + -1.5 * exp(-1.50 * d) + -0.5 * exp(-1.55 * d) + 0.5 * exp(-1.60 * d) + 1.5 * exp(-1.65 * d) + 2.5 * exp(-1.70 * d) + 3.5 * exp(-1.75 * d) + -2.5 * exp(-1.80 * d) + -1.5 * exp(-1.85 * d) + -0.5 * exp(-1.90 * d) + 0.5 * exp(-1.95 * d) + 1.5 * exp(-2.00 * d)
    }
    /// In a loop over components, and of the sources alone.
    fn components(x: Vi<2>, y: Vj<2>) -> Sum<j> {
        let d = abs(x - y);
        let s = exp(-0.1 * y) + exp(-0.2 * y) + exp(-0.3 * y) + exp(-0.4 * y) + exp(-0.5 * y) + exp(-0.6 * y) + exp(-0.7 * y) + exp(-0.8 * y) + exp(-0.9 * y) + exp(-1.0 * y) + exp(-1.1 * y) + exp(-1.2 * y) + exp(-1.3 * y) + exp(-1.4 * y) + exp(-1.5 * y) + exp(-1.6 * y) + exp(-1.7 * y) + exp(-1.8 * y) + exp(-1.9 * y) + exp(-2.0 * y);
        s * (exp(-0.1 * d) + exp(-0.2 * d) + exp(-0.3 * d) + exp(-0.4 * d) + exp(-0.5 * d) + exp(-0.6 * d) + exp(-0.7 * d) + exp(-0.8 * d) + exp(-0.9 * d) + exp(-1.0 * d) + exp(-1.1 * d) + exp(-1.2 * d) + exp(-1.3 * d) + exp(-1.4 * d) + exp(-1.5 * d) + exp(-1.6 * d) + exp(-1.7 * d) + exp(-1.8 * d) + exp(-1.9 * d) + exp(-2.0 * d))
    }
    fn warped(x: Vi<12>, y: Vj<9>, g: Pm<1>) -> Sum<j> { softdtw_sqdist(x, y, g) }
}

/// Σ_k a_k exp(-b_k d), and its slope by d.
fn of_distance(d: f64) -> [f64; 2] {
    (0..TERMS).fold([0.0; 2], |[value, slope], k| {
        let (a, b) = (f64::from(k % 7 - 3) + 0.5, 0.05 * f64::from(k + 1));
        let term = a * (-b * d).exp();
        [value + term, slope - b * term]
    })
}

fn check_exponentials<T: Element>(error: f64) {
    let mut random = Random::new();
    let (x, y) = (random.rows::<T, 3>(23, -1.0..1.0), random.rows::<T, 3>(37, -1.0..1.0));
    let (x64, y64) = (wide(&x), wide(&y));
    let (mut value, mut gradient) = (vec![[0.0]; 23], vec![[0.0; 3]; 23]);
    for (i, x) in x64.iter().enumerate() {
        for y in &y64 {
            let difference: [f64; 3] = std::array::from_fn(|c| x[c] - y[c]);
            let [term, slope] = of_distance(difference.iter().map(|d| d * d).sum());
            value[i][0] += term;
            (0..3).for_each(|c| gradient[i][c] += 2.0 * slope * difference[c]);
        }
    }
    let e = vec![[T::from_f64(1.0)]; 23];
    assert_rows(&exponentials(&x, &y).eval().unwrap(), &value, error, "value");
    assert_rows(&exponentials(&x, &y).vjp_x(&e).eval().unwrap(), &gradient, error, "gradient");
}

#[test]
fn sums_of_many_exponentials() {
    check_exponentials::<f64>(1e-12);
    check_exponentials::<f32>(2e-4);
}

#[test]
fn pieces_of_loops_and_of_stages() {
    let (x, y) = ([[0.25, -0.5], [1.0, 0.75]], [[0.5, 0.125], [-0.25, 1.0], [0.0, 0.0]]);
    let sum = |t: f64| (1..=20).map(|k| (-0.1 * f64::from(k) * t).exp()).sum::<f64>();
    let expected: Vec<[f64; 2]> = (x.iter())
        .map(|x| std::array::from_fn(|c| y.iter().map(|y| sum(y[c]) * sum((x[c] - y[c]).abs())).sum()))
        .collect();
    assert_rows(&components(&x, &y).eval().unwrap(), &expected, 1e-12, "components");
}

/// On threads with the usual stack.
#[test]
fn alignments_of_series_have_their_gradient() {
    let mut random = Random::new();
    let (x, y) = (random.rows::<f64, 12>(5, -1.0..1.0), random.rows::<f64, 9>(300, -1.0..1.0));
    let e = vec![[1.0]; 5];
    let value = |x: &Vec<[f64; 12]>| -> f64 { warped(x, &y, 0.5).eval().unwrap().iter().map(|row| row[0]).sum() };
    let gradient = warped(&x, &y, 0.5).vjp_x(&e).eval().unwrap();
    for (i, c) in [(0, 0), (2, 5), (4, 11)] {
        let moved = |h: f64| {
            let mut x = x.clone();
            x[i][c] += h;
            value(&x)
        };
        let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert_near(gradient[i][c], slope, 1e-6, "gradient");
    }
}
