//! Derivatives inside formulas, compared with finite differences of the differentiated formula.

use super::{
    checked,
    oracle::evaluate,
    sample::{Draw, slope},
};
use crate::syntax::check::Checked;

/// A formula of variables of each category, some of which it may leave unused.
fn formula(text: &str) -> Checked {
    checked(&format!(
        "fn f(p: Pm<1>, s: Pm<9>, x: Vi<3>, y: Vj<3>, w: Vj<3>, u: Vi<1>) -> Sum<j> \
         {{ let all = sum(x + y + w) + p + u; let matrix = s + s; {text} }}"
    ))
}

/// The place of x among the variables.
const X: usize = 2;

fn value(checked: &Checked, point: &[Vec<f64>]) -> Vec<f64> {
    evaluate(&checked.graph, &checked.values, point).get(checked.values[0]).to_vec()
}

/// The derivative of component c of a formula by x_k, at a point.
fn partial(of: &Checked, point: &[Vec<f64>], c: usize, k: usize) -> f64 {
    let slope = slope(|t| {
        let mut there = point.to_vec();
        there[X][k] += t;
        let evaluation = evaluate(&of.graph, &of.values, &there);
        Some((evaluation.get(of.values[0])[c], evaluation.sides))
    });
    slope.expect("a smooth formula")
}

fn point(of: &Checked) -> Vec<Vec<f64>> {
    Draw::new(3).rows(&of.graph, (0.3, 1.1))
}

fn assert_near(a: f64, b: f64, what: &str) {
    assert!((a - b).abs() < 1e-6 * (1.0 + a.abs()), "{what}: {a} and {b}");
}

/// Vector fields of dimension 3, for the rules of the trace and for mixed components.
const FIELDS: &[&str] = &[
    "x",
    "p * x",
    "exp(x * y)",
    "gaussian(x, y) * w",
    "gaussian(x, y) * x",
    "x / norm2(x)",
    "(x | y) * x + w",
    "sin(x) / y",
    "ifelse(y - 0.7, x**2, x**3)",
    "ifelse(x - 0.7, x**2, x**3)",
    "-normalize(x - y) * (x | w)",
    "mat_vec(s, x)",
    "vec_mat(x, s) * sqdist(x, y)",
    "concat(elem(x, 2) * elem(x, 0), concat(elem(x, 1)**2, elem(x, 0) * u))",
    "extract(concat(x, y), 1, 3)",
    "broadcast(sqnorm2(x), 3)",
    "grad(gaussian(x, y), x, p)",
    "diff(exp(x * y), x, w) - (x | x)",
    // each component takes another argument, and the sum mixes them
    "exp(-sum(clamp(abs(x), 0, y)**2)) * w",
    "min(norm2(x), p)**2 * max(sqrt(x), y)",
    "w + y",
];

#[test]
fn a_divergence_is_the_sum_of_partial_derivatives() {
    for field in FIELDS {
        let of = formula(field);
        let point = point(&of);
        let expected: f64 = (0..3).map(|k| partial(&of, &point, k, k)).sum();
        assert_near(expected, value(&formula(&format!("divergence({field}, x)")), &point)[0], field);
    }
}

#[test]
fn a_laplacian_is_the_divergence_of_the_gradient() {
    for field in FIELDS {
        // a scalar from each field
        let scalar = format!("(w | {field}) * (1 + p)");
        let gradient = formula(&format!("grad({scalar}, x, 1)"));
        let point = point(&gradient);
        let expected: f64 = (0..3).map(|k| partial(&gradient, &point, k, k)).sum();
        assert_near(expected, value(&formula(&format!("Laplacian({scalar}, x)")), &point)[0], &scalar);
    }
}

#[test]
fn grad_and_diff_are_the_jacobian_from_both_sides() {
    for field in FIELDS {
        let of = formula(field);
        let point = point(&of);
        let jacobian: Vec<Vec<f64>> = (0..3).map(|c| (0..3).map(|k| partial(&of, &point, c, k)).collect()).collect();
        let (y, w) = (&point[3], &point[4]);
        let grad = value(&formula(&format!("grad({field}, x, y)")), &point);
        let diff = value(&formula(&format!("diff({field}, x, w)")), &point);
        for k in 0..3 {
            assert_near((0..3).map(|c| y[c] * jacobian[c][k]).sum(), grad[k], field);
            assert_near((0..3).map(|d| jacobian[k][d] * w[d]).sum(), diff[k], field);
        }
    }
}

#[test]
fn derivatives_nest() {
    for field in FIELDS {
        // the Hessian of (w | field) along y, by each of three orders of the two modes
        let texts = ["diff(grad(F, x, 1), x, y)", "grad(diff(F, x, y), x, 1)", "grad((grad(F, x, 1) | y), x, 1)"];
        let gradient = formula(&format!("grad((w | {field}), x, 1)"));
        let point = point(&gradient);
        for text in texts {
            let nested = value(&formula(&text.replace('F', &format!("(w | {field})"))), &point);
            for (c, &found) in nested.iter().enumerate() {
                let expected = (0..3).map(|k| partial(&gradient, &point, c, k) * point[3][k]).sum();
                assert_near(expected, found, &format!("{text} of {field}"));
            }
        }
    }
}

/// Code must not grow with the dimension where a rule of the trace applies.
#[test]
fn the_laplacian_of_a_radial_kernel_is_short() {
    for kernel in ["gaussian", "cauchy", "inverse_multiquadric", "laplacian"] {
        let mut sizes = Vec::new();
        for dim in ["2", "1000", "D"] {
            let of = checked(&format!(
                "fn f<const D: usize>(x: Vi<{dim}>, y: Vj<{dim}>) -> Sum<j> {{ Laplacian({kernel}(x, y), x) }}"
            ));
            sizes.push(of.graph.reachable(&of.values).len());
        }
        assert!(sizes.iter().all(|&n| n < 40), "{kernel}: {sizes:?} operations");
    }
}
