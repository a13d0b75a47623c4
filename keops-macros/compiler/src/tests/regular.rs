//! Second derivatives at equal points of formulas that are smooth there, but are made of roots.

use super::{checked, oracle::evaluate_rounded};
use crate::ir::{
    differentiate::{diff, grad},
    graph::{Category, Graph, Id, VarId},
};

/// A formula of x, of dimension 3, y, and p; and a function of p, of which the multiple of the unit matrix is the Hessian at
/// x = y.
type Radial = (&'static str, fn(f64) -> f64);

const RADIAL: &[Radial] = &[
    ("(1 + norm2(x - y)) * exp(-norm2(x - y))", |_| -1.0),
    ("(1 + sqrt(3) * norm2(x - y)) * exp(-sqrt(3) * norm2(x - y))", |_| -3.0),
    ("(1 + sqrt(3) * norm2(x - y) / p) * exp(-sqrt(3) * norm2(x - y) / p)", |p| -3.0 / (p * p)),
    ("let r = norm2((x - y) / p); (1 + sqrt(3) * r) * exp(-sqrt(3) * r)", |p| -3.0 / (p * p)),
    ("let r = sqrt(3 * sqdist(x, y)) / p; exp(-r) + r * exp(-r)", |p| -3.0 / (p * p)),
    ("let r = sqrt(5) * norm2(x - y) / p; (1 + r + r**2 / 3) * exp(-r)", |p| -5.0 / (3.0 * p * p)),
    ("let r = norm2(x - y); (1 + r + r * r / 3) * exp(-r) * exp(-sqdist(x, y))", |_| -1.0 / 3.0 - 2.0),
    ("let r = norm2(x - y); (15 + 15 * r + 6 * r**2 + r**3) * exp(-r)", |_| -3.0),
    ("((1 + norm2(x - y)) * exp(-norm2(x - y)))**2", |_| -2.0),
    ("log((1 + norm2(x - y)) * exp(-norm2(x - y)))", |_| -1.0),
    ("let r = norm2(x - y); 1 / (1 + r) + r", |_| 2.0),
    ("let r = norm2(x - y) / p; p**2 * (r - log(1 + r))", |_| 1.0),
    ("relu(1 - norm2(x - y) / p)**4 * (1 + 4 * norm2(x - y) / p)", |p| -20.0 / (p * p)),
    ("max(1 - norm2(x - y), 0)**4 * (1 + 4 * norm2(x - y))", |_| -20.0),
    ("norm2(x - y)**3 + norm2(x - y)**4", |_| 0.0),
    ("norm2(x - y)**2", |_| 2.0),
    ("cos(norm2(x - y) * p)", |p| -p * p),
    ("sinxdivx(norm2(x - y))", |_| -1.0 / 3.0),
    ("cosh(norm2(x - y))", |_| 1.0),
    ("1 / cosh(norm2(x - y) / p)", |p| -1.0 / (p * p)),
    ("sech(norm2(x - y))", |_| -1.0),
    ("log(cosh(norm2(x - y)))", |_| 1.0),
    ("tanh(norm2(x - y))**2", |_| 2.0),
    ("norm2(x - y) * tanh(norm2(x - y))", |_| 2.0),
    ("norm2(x - y) * atan(norm2(x - y) / p)", |p| 2.0 / p),
    ("norm2(x - y) * erf(norm2(x - y))", |_| 4.0 / std::f64::consts::PI.sqrt()),
    ("sin(norm2(x - y))**2", |_| 2.0),
    ("asin(norm2(x - y))**2", |_| 2.0),
    ("(2 * asin(sqrt(sqdist(x, y) / 4)))**2", |_| 2.0),
    ("exp(-asin(sqrt(sqdist(x, y)))**2 / p)", |p| -2.0 / p),
    ("acosh(1 + sqdist(x, y))**2", |_| 4.0),
    ("acosh(1 + 2 * sqdist(x, y) / p)**2", |p| 8.0 / p),
    ("exp(-acosh(1 + sqdist(x, y))**2)", |_| -4.0),
    ("acos(1 - sqdist(x, y))**2", |_| 4.0),
    ("acos(clamp(1 - sqdist(x, y), -1, 1))**2", |_| 4.0),
    ("sum(abs(x - y)**2)", |_| 2.0),
    ("sum(abs(x - y) * abs(x - y) * p)", |p| 2.0 * p),
    ("sum((1 + abs(x - y)) * exp(-abs(x - y)))", |_| -1.0),
    ("sum(cosh(abs(x - y)))", |_| 1.0),
    ("sum(log(cosh(abs(x - y))))", |_| 1.0),
    ("sum(abs(x - y) - log(1 + abs(x - y)))", |_| 1.0),
    ("sum(abs(x - y) * atan(abs(x - y)))", |_| 2.0),
    ("sum(hypot(x - y, 0)**2)", |_| 2.0),
    ("sum(hypot(x - y, 0 * y) * tanh(hypot(x - y, 0 * y)))", |_| 2.0),
    ("sum(cbrt(x - y)**6)", |_| 2.0),
    ("cbrt(sqdist(x, y))**3", |_| 2.0),
    ("(sqdist(x, y)**0.25)**4", |_| 2.0),
    ("(sqdist(x, y)**(1/3))**3", |_| 2.0),
    ("(2 * atan2(sqrt(sqdist(x, y)), sqrt(4 - sqdist(x, y))))**2", |_| 2.0),
    ("let h = sum(sin((x - y) / 2)**2); (2 * p * asin(sqrt(h)))**2", |p| 2.0 * p * p),
    ("clamp(norm2(x - y), -1, 1)**2", |_| 2.0),
    ("clamp(norm2(x - y), 0, p)**2", |_| 2.0),
    ("clamp(norm2(x - y), -p, 2 * p)**4 + clamp(norm2(x - y), -p, p)**2", |_| 2.0),
    ("exp(-clamp(norm2(x - y) / p, 0, p)**2)", |p| -2.0 / (p * p)),
    ("min(norm2(x - y), p)**2", |_| 2.0),
    ("max(norm2(x - y), -p)**2 + min(p, norm2(x - y))**2", |_| 4.0),
    ("sum(clamp(abs(x - y), 0, p)**2)", |_| 2.0),
    ("ifelse(p - norm2(x - y), norm2(x - y)**2 / 2, p * (norm2(x - y) - p / 2))", |_| 1.0),
    ("p**2 * (sqrt(1 + (norm2(x - y) / p)**2) - 1)", |_| 1.0),
    // the second derivative is infinite, and counts as 0
    ("norm2(x - y)", |_| 0.0),
    ("exp(-norm2(x - y))", |_| 0.0),
    ("norm2(x - y)**1.5", |_| 0.0),
    ("sum(abs(x - y))", |_| 0.0),
];

/// The Hessian times `u`, in all pairs of modes.
fn hessian(g: &mut Graph, f: Id, x: VarId, [u, w]: [VarId; 2]) -> Vec<(&'static str, Id)> {
    let one = g.constant(1.0);
    let [u, w] = [u, w].map(|v| g.var(v));
    let gradient = grad(g, f, x, one);
    let change = diff(g, f, x, u);
    let both = diff(g, change, x, w);
    vec![
        ("jvp of vjp", diff(g, gradient, x, u)),
        ("vjp of vjp", grad(g, gradient, x, u)),
        ("vjp of jvp", grad(g, change, x, one)),
        ("jvp of jvp", both),
    ]
}

#[test]
fn a_smooth_formula_has_its_hessian_at_equal_points() {
    let mut faults = Vec::new();
    for (text, expected) in RADIAL {
        let of =
            checked(&format!("fn f(p: Pm<1>, x: Vi<3>, y: Vj<3>) -> Sum<j> {{ let all = sum(x + y) + p; {text} }}"));
        let (mut g, f) = (of.graph, of.values[0]);
        let tangents = [0; 2].map(|_| {
            let dim = g.variable(VarId(1)).dim.clone();
            g.push_variable("tangent".to_owned(), Category::I, dim)
        });
        let all = hessian(&mut g, f, VarId(1), tangents);
        let roots: Vec<Id> = all.iter().map(|(_, id)| *id).collect();
        g.verify(&roots);
        let (p, u, w) = (1.75, [0.5, -1.25, 2.0], [1.5, 0.75, -0.5]);
        let x = vec![0.5, -0.25, 2.0];
        let point = vec![vec![p], x.clone(), x, u.to_vec(), w.to_vec()];
        for bits in [64, 32] {
            let round = |x: f64, _: f64| if bits == 32 { f64::from(x as f32) } else { x };
            let evaluation = evaluate_rounded(&g, &roots, &point, round);
            let scale = expected(p);
            let tolerance = if bits == 32 { 3e-6 } else { 1e-13 } * (1.0 + scale.abs());
            for (what, id) in &all {
                let found = evaluation.get(*id);
                let right: Vec<f64> = if what.ends_with("jvp of jvp") {
                    vec![scale * u.iter().zip(&w).map(|(u, w)| u * w).sum::<f64>()]
                } else {
                    u.iter().map(|u| scale * u).collect()
                };
                let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 4.0 * tolerance;
                if found.len() != right.len() || !found.iter().zip(&right).all(near) {
                    faults.push(format!("{text}, {bits} bits, {what}: {found:?}, not {right:?}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
