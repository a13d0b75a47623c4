//! The checks that hold for every formula, at random points: its derivatives agree with each other and with finite
//! differences, and its lowered programs agree with the graph.

use super::{
    machine,
    oracle::{Evaluation, evaluate, size, slopes::slopes},
};
use crate::{
    ir::{
        differentiate::{diff, grads},
        graph::{Category, Graph, Id, VarId},
    },
    lower,
};

/// Pseudo-random numbers (SplitMix64), the same on every run.
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Draw(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Draws a row of numbers in a range.
    pub(super) fn row(&mut self, len: usize, (low, high): (f64, f64)) -> Vec<f64> {
        (0..len).map(|_| low + (high - low) * (self.next() >> 11) as f64 / (1_u64 << 53) as f64).collect()
    }

    /// Draws a row for each variable of the graph.
    pub(super) fn rows(&mut self, g: &Graph, range: (f64, f64)) -> Vec<Vec<f64>> {
        g.variables.iter().map(|v| self.row(size(&v.dim), range)).collect()
    }
}

/// The dot product.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The derivative f'(0) by differences over five points; `None` if the points are not on one smooth branch of f.
pub(super) fn slope(f: impl Fn(f64) -> Option<(f64, Vec<i8>)>) -> Option<f64> {
    let (_, sides) = f(0.0)?;
    let at = |t: f64| f(t).filter(|(_, there)| *there == sides).map(|(value, _)| value);
    let stencil = |h: f64| Some((8.0 * (at(h)? - at(-h)?) - (at(2.0 * h)? - at(-2.0 * h)?)) / (12.0 * h));
    let (coarse, fine) = (stencil(2e-3)?, stencil(1e-3)?);
    ((coarse - fine).abs() <= 1e-7 * (1.0 + fine.abs())).then_some(fine)
}

/// The derivatives of a formula that were checked.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Seen {
    /// Whether the gradient was compared with finite differences.
    pub(super) first: bool,
    /// Whether the gradient of the gradient was.
    pub(super) second: bool,
}

/// A formula and its derivatives in one graph, with variables for the cotangent and the tangents.
struct Derivatives {
    f: Id,
    variables: Vec<VarId>,
    cotangent: VarId,
    tangents: Vec<VarId>,
    /// The gradient (∂f/∂v)ᵀ e for each variable v.
    gradients: Vec<Id>,
    /// The change (∂f/∂v) u_v for each variable v.
    images: Vec<Id>,
    /// The number s = Σ_v ⟨(∂f/∂v)ᵀ e, u_v⟩.
    change: Id,
    /// The gradient of s in each variable.
    second: Vec<Id>,
    /// The change of s along the tangents.
    curvature: Id,
}

fn derive(g: &mut Graph, f: Id) -> Derivatives {
    let variables: Vec<VarId> = g.variable_ids().collect();
    let dim = g.dim(f).clone();
    let cotangent = g.push_variable("cotangent".to_owned(), Category::I, dim);
    let mut tangents = Vec::new();
    for &v in &variables {
        let variable = g.variable(v).clone();
        tangents.push(g.push_variable(format!("tangent of {}", variable.name), variable.category, variable.dim));
    }
    let e = g.var(cotangent);
    let gradients = grads(g, &[(f, e)], &variables);
    let us: Vec<Id> = tangents.iter().map(|&u| g.var(u)).collect();
    let images: Vec<Id> = variables.iter().zip(&us).map(|(&v, &u)| diff(g, f, v, u)).collect();
    let (zero, one) = (g.constant(0.0), g.constant(1.0));
    let change = gradients.iter().zip(&us).fold(zero, |sum, (&gradient, &u)| {
        let part = g.dot(gradient, u);
        g.add(sum, part)
    });
    let second = grads(g, &[(change, one)], &variables);
    let curvature = variables.iter().zip(&us).fold(zero, |sum, (&v, &u)| {
        let part = diff(g, change, v, u);
        g.add(sum, part)
    });
    Derivatives { f, variables, cotangent, tangents, gradients, images, change, second, curvature }
}

impl Derivatives {
    fn all(&self) -> Vec<Id> {
        let mut all = vec![self.f, self.change, self.curvature];
        all.extend([&self.gradients, &self.images, &self.second].into_iter().flatten());
        all
    }

    /// The point moved along the tangents.
    fn moved(&self, point: &[Vec<f64>], t: f64) -> Vec<Vec<f64>> {
        let mut moved = point.to_vec();
        for (v, u) in self.variables.iter().zip(&self.tangents) {
            for (x, u) in moved[v.0 as usize].iter_mut().zip(&point[u.0 as usize]) {
                *x += t * u;
            }
        }
        moved
    }
}

/// Checks everything about the formula `f` of the graph's variables, at a point drawn from `range`.
pub(super) fn check(mut g: Graph, f: Id, range: (f64, f64), seed: u64, what: &str) -> Seen {
    let g = &mut g;
    g.verify(&[f]);
    let d = derive(g, f);
    g.verify(&d.all());

    let mut draw = Draw::new(seed);
    let mut point = draw.rows(g, range);
    for &v in d.tangents.iter().chain([&d.cotangent]) {
        point[v.0 as usize] = draw.row(size(&g.variable(v).dim), (-1.0, 1.0));
    }
    let here = evaluate(g, &d.all(), &point);
    let mut seen = Seen::default();
    if here.is_tame() && here.is_smooth() {
        seen = check_derivatives(g, &d, &point, &here, what);
    }
    if here.is_tame() {
        for roots in [vec![d.f], d.images.clone(), d.gradients.clone(), d.second.clone()] {
            check_programs(g, &roots, &point, what);
        }
    }
    seen
}

fn check_derivatives(g: &Graph, d: &Derivatives, point: &[Vec<f64>], here: &Evaluation, what: &str) -> Seen {
    let e = &point[d.cotangent.0 as usize];
    let tangents = || d.tangents.iter().map(|u| &point[u.0 as usize]);

    // ⟨e, J u⟩ = ⟨Jᵀ e, u⟩, for f and again for s
    let forward: f64 = d.images.iter().map(|&image| dot(here.get(image), e)).sum();
    let reverse: f64 = d.gradients.iter().zip(tangents()).map(|(&gradient, u)| dot(here.get(gradient), u)).sum();
    let near = |a: f64, b: f64, scale: f64, tolerance: f64| (a - b).abs() <= tolerance * (1.0 + scale);
    let scale = |ids: &[Id]| ids.iter().flat_map(|&id| here.get(id)).map(|x| x.abs()).sum::<f64>();
    let (first_scale, second_scale) = (scale(&d.gradients), scale(&d.second));
    assert!(near(forward, reverse, first_scale, 1e-9), "{what}: forward {forward}, reverse {reverse}");
    assert!(near(here.get(d.change)[0], reverse, first_scale, 1e-9), "{what}: change");
    let second: f64 = d.second.iter().zip(tangents()).map(|(&gradient, u)| dot(here.get(gradient), u)).sum();
    let curvature = here.get(d.curvature)[0];
    assert!(near(curvature, second, second_scale, 1e-9), "{what}: forward {curvature}, reverse {second}, second order");

    // the derivatives from books, with which `cargo xtask random` compares engines
    let mut directions: Vec<Vec<f64>> = point.iter().map(|row| vec![0.0; row.len()]).collect();
    for (v, u) in d.variables.iter().zip(tangents()) {
        directions[v.0 as usize].clone_from(u);
    }
    let along = &slopes(g, &[d.f], here, &directions, || 0.0)[&d.f];
    let [first, second]: [Vec<f64>; 2] =
        [along.iter().map(|slope| slope.first).collect(), along.iter().map(|slope| slope.second).collect()];
    assert!(near(dot(&first, e), reverse, first_scale, 1e-9), "{what}: {reverse}, by the oracle {}", dot(&first, e));
    let second = dot(&second, e);
    assert!(near(second, curvature, second_scale, 1e-9), "{what}: {curvature}, by the oracle {second}, second order");

    let along = |root: Id, weights: &[f64]| {
        slope(|t| {
            let there = evaluate(g, &[root], &d.moved(point, t));
            there.is_tame().then(|| (dot(there.get(root), weights), there.sides))
        })
    };
    let first_slope = along(d.f, e);
    if let Some(slope) = first_slope {
        assert!(near(slope, reverse, first_scale, 1e-6), "{what}: differences {slope}, gradient {reverse}");
    }
    let second_slope = along(d.change, &[1.0]);
    if let Some(slope) = second_slope {
        assert!(near(slope, second, second_scale, 1e-6), "{what}: differences {slope}, second gradient {second}");
    }
    Seen { first: first_slope.is_some(), second: second_slope.is_some() }
}

/// Lowers the roots for both targets and compares with the graph.
pub(super) fn check_programs(g: &mut Graph, roots: &[Id], point: &[Vec<f64>], what: &str) {
    let expected = |point: &[Vec<f64>]| -> Vec<f64> {
        let evaluation = evaluate(g, roots, point);
        roots.iter().flat_map(|&root| evaluation.get(root).to_vec()).collect()
    };
    // the effect of rounding: the change of the result if the last digits of the point change, and the rounding of
    // values that cancel whatever these digits are
    let largest = evaluate(g, roots, point).largest();
    let nudged: Vec<Vec<f64>> = point.iter().map(|row| row.iter().map(|x| x * (1.0 + 1e-12)).collect()).collect();
    let (value, nudged) = (expected(point), expected(&nudged));
    let variables: Vec<VarId> = g.variable_ids().collect();
    let rows: Vec<&[f64]> = point.iter().map(Vec::as_slice).collect();
    for target in [Category::I, Category::J] {
        let program = lower::lower(g, roots, &variables, target, false);
        let lowered = machine::run(&program, &rows);
        assert_eq!(lowered.len(), value.len());
        for (c, ((&a, &b), &n)) in lowered.iter().zip(&value).zip(&nudged).enumerate() {
            let tolerance = 1e-11 * (1.0 + b.abs()) + 10.0 * (b - n).abs() + 1e-14 * largest;
            assert!((a - b).abs() <= tolerance, "{what}: component {c} is {b}, lowered for {target:?} {a}");
        }
    }
}
