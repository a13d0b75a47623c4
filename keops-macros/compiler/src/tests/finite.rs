//! Derivatives at equal points, where some factors of a slope are infinite and others are 0. Derivatives of every
//! order and mode are finite there, and they are right for formulas that are smooth there.

use super::{checked, oracle::evaluate_rounded, sample::Draw};
use crate::ir::{
    differentiate::{diff, grads},
    graph::{Category, Graph, Id, VarId},
};

/// Formulas that are finite where x = y.
const FORMULAS: &[&str] = &[
    "1 / (1 + 1.577 * sqdist(x, y)**0.8951)",
    "sum(abs(x - y)**p)**(1/p)",
    "sum(abs(x - y)**q)**(1/q)",
    "sum(abs(x - y)**s)**(1/s)",
    "sum(abs(x - y)**3)**(1/3)",
    "norm2(x - y)**0.7",
    "sqdist(x, y)**0.7",
    "sqdist(x, y)**(1/3)",
    "sqdist(x, y)**1.25",
    "sqdist(x, y)**1.5",
    "sqdist(x, y)**2.5",
    "powf(sqdist(x, y), p)",
    "powf(sqdist(x, y), q)",
    "powf(norm2(x - y), q)",
    "powf(norm2(x - y), s)",
    "powf(norm2(x - y), p) * powf(norm2(x - y), q)",
    "exp(-powf(norm2(x - y), q))",
    "exp(-powf(norm2(x - y) / p, q))",
    "exp(-(sqdist(x, y) / p)**0.3)",
    "-norm2(x - y)",
    "-norm2(x - y)**q",
    "sqrt(sqdist(x, y))",
    "sqrt(sqrt(sqdist(x, y)))",
    "sqdist(x, y)**0.25 * (u | w)",
    "rsqrt(sqdist(x, y))",
    "sqdist(x, y)**-0.5",
    "norm2(x - y)**q * log(1 + norm2(x - y))",
    "exp(-norm2(x - y))",
    "exp(-norm2(x - y)) * (1 + norm2(x - y))",
    "(1 + norm2(x - y) + sqdist(x, y) / 3) * exp(-norm2(x - y))",
    "(1 + sqdist(x, y) / (2 * q * p**2))**(-q)",
    "(1 + sqdist(x, y))**-0.75",
    "xlogx(sqdist(x, y))",
    "xlogx(norm2(x - y))",
    "sqdist(x, y) * log(sqdist(x, y))",
    "sqdist(x, y) * log(norm2(x - y))",
    "norm2(x - y)**2 * log(norm2(x - y))",
    "log(norm2(x - y)) * norm2(x - y)",
    "(u | w) * norm2(x - y) * log(norm2(x - y))",
    "norm2(x - y)**4 * log(norm2(x - y))",
    "sqdist(x, y)**1.5 * log(sqdist(x, y))",
    "exp(-1 / sqdist(x, y))",
    "exp(-1 / norm2(x - y))",
    "exp(-p / norm2(x - y))",
    "1 / (1 + 1 / sqdist(x, y))",
    "1 / (1 + sqdist(x, y)**-1.5)",
    "1 / (1 + powf(sqdist(x, y), -q))",
    "atan(1 / norm2(x - y))",
    "exp(p * log(sqdist(x, y)))",
    "sum(normalize(x - y) * w)",
    "sum(normalize(x - y) * (x - y))",
    "asin(1 - norm2(x - y))",
    "acos(1 - sqdist(x, y))",
    "acos(ones / (1 + norm2(x - y)))",
    "acos(clamp((normalize(x) | normalize(y)), -1, 1))",
    "sum(atan2(x - y, x - y))",
    "sum(atan2(x - y, (x - y)**2))",
    "norm2(x - y)**2 + norm2(x - y)**4",
    "sum(w * atan2(x - y, y - x))",
    "sum(abs(x - y))",
    "sum(abs(x - y)**0.5)",
    "sum(abs(x - y)**q * w)**p",
    "sum((x - y)**2 * w**2)**q",
    "weighted_sqdist(w**2, x, y)**0.6",
    "ifelse(sqdist(x, y) - 1e-9, 1 / sqdist(x, y), 0)",
    "ifelse(norm2(x - y) - 1e-9, sqdist(x, y)**-0.75, p)",
    "sqrt(sum(abs(complex_abs(concat(x - y, x - y)))))",
    "sum(complex_abs(concat(x - y, x - y))**q)",
    "sum(angle(concat(x - y, x - y)))",
    "grad(powf(norm2(x - y), q), x, 1) | w",
    "diff(powf(sqdist(x, y), p), x, w)",
    "laplacian(exp(-powf(norm2(x - y), q)), x)",
    "divergence(sqdist(x, y)**0.2 * (x - y), x)",
    "relu(1 - norm2(x - y))**q",
    "relu(norm2(x - y) - 1)**1.5",
    // the side that is not taken is infinite, or overflows
    "relu(log(sqdist(x, y)))",
    "relu((log(norm2(x - y)) + p) * q)",
    "relu(log(norm2(x - y)) / p)",
    "relu(p - exp(q / norm2(x - y)))",
    "relu(p - exp(q / norm2(x - y)))**1.5",
    "sum(relu(concat(w, -exp(q / norm2(x - y)) * (x | w))))",
    "clamp((log(norm2(x - y)) + p) * q, -1, 2)",
    "clamp(p, (log(norm2(x - y)) + p) * q, 9)",
    "clamp(p, -9, (q - log(norm2(x - y))) * s)",
    "clamp(p, 9, -8) + clamp(-exp(q / norm2(x - y)) * p, -s, s)",
    "max((log(norm2(x - y)) + p) * q, w)",
    "max(concat(w, -exp(q / norm2(x - y))))",
    "min(concat(w, exp(q / norm2(x - y)) * p))",
    "relu(ifelse(-norm2(x - y), (log(norm2(x - y)) + p) * q, p))",
    "abs(ifelse(-norm2(x - y), 0, exp(q / norm2(x - y)) * p))",
    "abs(max(-exp(q / norm2(x - y)) * p, 0 * s))",
    "(x | y) / (norm2(x) * norm2(y))",
    "inverse_multiquadric(x, y) + cauchy(x, y) + laplacian(x, y) + distance(x, y)",
];

/// The first derivatives by both modes, and the second ones by all four pairs of modes, for all variables.
fn derivatives(g: &mut Graph, f: Id) -> Vec<(String, Id)> {
    let variables: Vec<VarId> = g.variable_ids().collect();
    let tangent = |g: &mut Graph, of: VarId| {
        let variable = g.variable(of).clone();
        let u = g.push_variable("tangent".to_owned(), variable.category, variable.dim);
        g.var(u)
    };
    let us: Vec<Id> = variables.iter().map(|&v| tangent(g, v)).collect();
    let dim = g.dim(f).clone();
    let e = g.push_variable("cotangent".to_owned(), Category::I, dim);
    let e = g.var(e);
    let mut all = vec![("value".to_owned(), f)];
    let name = |g: &Graph, v: VarId| g.variable(v).name.clone();
    let gradients = grads(g, &[(f, e)], &variables);
    let mut second = |g: &mut Graph, what: &str, of: Id, e: Id| {
        for (&v, gradient) in variables.iter().zip(grads(g, &[(of, e)], &variables)) {
            all.push((format!("vjp_{} of {what}", name(g, v)), gradient));
        }
        for (&v, &u) in variables.iter().zip(&us) {
            let change = diff(g, of, v, u);
            all.push((format!("jvp_{} of {what}", name(g, v)), change));
        }
    };
    for ((&v, &u), &gradient) in variables.iter().zip(&us).zip(&gradients) {
        let what = format!("vjp_{}", name(g, v));
        second(g, &what, gradient, u);
        let change = diff(g, f, v, u);
        second(g, &format!("jvp_{}", name(g, v)), change, e);
    }
    second(g, "the value", f, e);
    all
}

/// A product of two factors, the logarithm of which is infinite where one of them is 0.
const PRODUCTS: &[&str] = &[
    "p * q * log(p * q)",
    "p * q * log(p * q)**2",
    "let u = q * p; u * log(u)**2",
    "let u = q * p; s * u * log(u)**2 + u",
    "let u = q * p; u**2 * log(u)**2",
    "let u = p * p * q; sqrt(u) * log(u)**2",
    "let u = p * q; u * (log(u) - 1)",
    "let u = p * q; u * log(u / s)",
    "sum(u * x * log(u * x)**2)",
    "let v = u * x; sum(v * log(v) - v + w)",
    "(1 + p * q * log(p * q)**2) * exp(-p)",
];

#[test]
fn a_logarithm_of_a_product_counts_for_nothing_where_a_factor_is_0() {
    let mut faults = Vec::new();
    for text in PRODUCTS {
        let of = checked(&format!(
            "fn f(p: Pm<1>, x: Vi<3>, y: Vj<3>, w: Vj<3>, u: Vi<3>, q: Vi<1>, s: Vj<1>) -> Sum<j> \
             {{ let all = sum(x + y + w + u) + p + q + s; {text} }}"
        ));
        let (mut g, f) = (of.graph, of.values[0]);
        let all = derivatives(&mut g, f);
        let roots: Vec<Id> = all.iter().map(|(_, id)| *id).collect();
        for (zero, p, q) in [(1.0, 0.0, 2.0), (1.0, 2.0, 0.0), (0.0, 0.0, 0.0), (0.0, 1.0, 1.0), (1e-30, 1e-30, 1e-30)]
        {
            let mut point = Draw::new(7).rows(&g, (0.3, 1.1));
            (point[0], point[5]) = (vec![p], vec![q]);
            (point[1], point[4]) = (vec![zero; 3], vec![zero, 1.0, 1e-9]);
            for bits in [64, 32] {
                let round = |x: f64, _: f64| if bits == 32 { f64::from(x as f32) } else { x };
                let evaluation = evaluate_rounded(&g, &roots, &point, round);
                // numbers whose product underflows have derivatives beyond the range
                let known = if p == 1e-30 { &all[..1] } else { &all[..] };
                for (what, id) in known {
                    if !evaluation.get(*id).iter().all(|x| x.is_finite()) {
                        faults
                            .push(format!("{text} at {p}, {q}, {zero}, {bits} bits: {what} {:?}", evaluation.get(*id)));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_finite_has_finite_derivatives_at_equal_points() {
    let mut faults = Vec::new();
    for text in FORMULAS {
        let of = checked(&format!(
            "fn f(p: Pm<1>, x: Vi<3>, y: Vj<3>, w: Vj<3>, u: Vi<3>, q: Vi<1>, s: Vj<1>) -> Sum<j> \
             {{ let all = sum(x + y + w + u) + p + q + s; let ones = 1 + 0 * p; {text} }}"
        ));
        let (mut g, f) = (of.graph, of.values[0]);
        let all = derivatives(&mut g, f);
        let roots: Vec<Id> = all.iter().map(|(_, id)| *id).collect();
        for (exponents, origin) in [([1.5, 0.7, 2.5], false), ([1.0, 0.5, 3.0], true), ([2.0, 0.25, 1.25], false)] {
            let mut point = Draw::new(7).rows(&g, (0.3, 1.1));
            [point[0], point[5], point[6]] = exponents.map(|exponent| vec![exponent]);
            if origin && !text.contains("norm2(x)") && !text.contains("normalize(x)") {
                point[1] = vec![0.0; 3];
            }
            point[2] = point[1].clone();
            for bits in [64, 32] {
                let round = |x: f64, _: f64| if bits == 32 { f64::from(x as f32) } else { x };
                let evaluation = evaluate_rounded(&g, &roots, &point, round);
                for (what, id) in &all {
                    if !evaluation.get(*id).iter().all(|x| x.is_finite()) {
                        faults.push(format!("{text} at {exponents:?}: {what} {:?}", evaluation.get(*id)));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
