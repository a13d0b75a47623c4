//! Graph to graph, once the roles are known: rewrites that move work out of the pair loop.
//!
//! - exp(e) becomes 2^(log2(e) e) where e depends on both ends of the pair: the factor joins the others of e, and is
//!   hoisted with them; into the terms of a sum it goes if it is hoisted from all of them but one.
//! - Products are sorted by what their factors depend on: (constants and parameters) with the target's or the
//!   source's factors first, so that each of these is one hoisted number.

use std::collections::HashMap;

use super::{
    program::Role,
    stage::{Roles, Stage},
};
use crate::ir::{
    dim::Dim,
    graph::{Graph, Id, Op},
    simplify,
    table::Fun,
};

/// The roots, rewritten.
pub(super) fn regroup(g: &mut Graph, roots: &[Id], roles: &Roles) -> Vec<Id> {
    let roots = base_two(g, roots, roles);
    sort_products(g, &roots, roles)
}

fn base_two(g: &mut Graph, roots: &[Id], roles: &Roles) -> Vec<Id> {
    let uses = uses(g, roots);
    let once = |id: Id| uses.get(&id) == Some(&1);
    rewrite(g, roots, |g, id, args| match g.op(id) {
        Op::Fun(Fun::Exp) if roles.stage(g, args[0]) == Stage::Pair => {
            // the exponent before the rewrite says what it is made of
            let before = g.args(id)[0];
            let exponent =
                if before == args[0] { to_base_two(g, before, roles, &once) } else { log2_e_times(g, args[0]) };
            g.fun(Fun::Exp2, &[exponent])
        }
        _ if args == g.args(id) => id,
        _ => g.rebuild(id, args),
    })
}

/// The exponent of the same number to base 2.
pub(super) fn to_base_two(g: &mut Graph, exponent: Id, roles: &Roles, once: &impl Fn(Id) -> bool) -> Id {
    if multiplications(g, exponent, roles, once) <= 1 {
        times_log2_e(g, exponent, roles, once)
    } else {
        log2_e_times(g, exponent)
    }
}

fn log2_e_times(g: &mut Graph, id: Id) -> Id {
    let log2_e = g.constant(std::f64::consts::LOG2_E);
    g.mul(log2_e, id)
}

/// How many multiplications inside the pair loop a constant factor costs if it goes into the terms of a sum: none where
/// another factor, or the whole term, is hoisted.
fn multiplications(g: &Graph, id: Id, roles: &Roles, once: &impl Fn(Id) -> bool) -> usize {
    let hoisted = |id: &Id| roles.stage(g, *id) != Stage::Pair;
    match (g.op(id), g.args(id)) {
        _ if hoisted(&id) => 0,
        (Op::Add | Op::Sub, &[a, b]) if once(id) => {
            multiplications(g, a, roles, once) + multiplications(g, b, roles, once)
        }
        (Op::Neg, &[a]) if once(id) => multiplications(g, a, roles, once),
        (Op::Mul, args) if once(id) && args.iter().any(hoisted) => 0,
        _ => 1,
    }
}

/// The factor goes into sums of which a term belongs to the pair. Between terms that were hoisted it does not: there
/// x - y may be exact where c x - c y is not.
fn times_log2_e(g: &mut Graph, id: Id, roles: &Roles, once: &impl Fn(Id) -> bool) -> Id {
    let of_pair = |g: &Graph, id: &Id| roles.stage(g, *id) == Stage::Pair;
    match (g.op(id).clone(), g.args(id).to_vec().as_slice()) {
        (op @ (Op::Add | Op::Sub), &[a, b]) if once(id) && (of_pair(g, &a) || of_pair(g, &b)) => {
            let (a, b) = (times_log2_e(g, a, roles, once), times_log2_e(g, b, roles, once));
            if op == Op::Add { g.add(a, b) } else { g.sub(a, b) }
        }
        _ => log2_e_times(g, id),
    }
}

/// How often each node is an argument; a root counts as two.
fn uses(g: &Graph, roots: &[Id]) -> HashMap<Id, usize> {
    let mut uses: HashMap<Id, usize> = HashMap::new();
    for id in g.reachable(roots) {
        for &arg in g.args(id) {
            *uses.entry(arg).or_default() += 1;
        }
    }
    for &root in roots {
        *uses.entry(root).or_default() += 2;
    }
    uses
}

/// Rebuilds all nodes from the arguments up.
fn rewrite(g: &mut Graph, roots: &[Id], mut image_of: impl FnMut(&mut Graph, Id, &[Id]) -> Id) -> Vec<Id> {
    let mut images: HashMap<Id, Id> = HashMap::new();
    for id in g.reachable(roots) {
        let args: Vec<Id> = g.args(id).iter().map(|a| images[a]).collect();
        let image = image_of(g, id, &args);
        images.insert(id, image);
    }
    roots.iter().map(|root| images[root]).collect()
}

fn sort_products(g: &mut Graph, roots: &[Id], roles: &Roles) -> Vec<Id> {
    let uses = uses(g, roots);
    let mut images: HashMap<Id, Id> = HashMap::new();
    for id in g.reachable(roots) {
        let negated = |g: &Graph| {
            let factor = g.args(id)[0];
            *g.op(factor) == Op::Mul && uses.get(&factor) == Some(&1)
        };
        let image = if *g.op(id) == Op::Mul || *g.op(id) == Op::Neg && negated(g) {
            Factors::collect(g, id, &uses, &images).product(g, roles, &g.dim(id).clone())
        } else {
            let args: Vec<Id> = g.args(id).iter().map(|a| images[a]).collect();
            // interned as it is: the simplifying constructors would pull constants out of products again
            let node = g.node(id).clone();
            g.intern(node.op, args, node.dim)
        };
        images.insert(id, image);
    }
    roots.iter().map(|root| images[root]).collect()
}

#[derive(Default)]
struct Factors {
    constant: Option<f64>,
    /// Constants that cannot be combined with the others.
    apart: Vec<f64>,
    others: Vec<Id>,
}

impl Factors {
    /// A product that is used once is part of the product around it.
    fn collect(g: &Graph, product: Id, uses: &HashMap<Id, usize>, images: &HashMap<Id, Id>) -> Factors {
        let mut factors = Factors::default();
        let mut stack = vec![product];
        while let Some(id) = stack.pop() {
            let once = id == product || uses.get(&id) == Some(&1);
            match g.op(id) {
                Op::Mul if once => stack.extend(g.args(id).iter().rev()),
                Op::Neg if once => {
                    factors.constant = Some(-factors.constant.unwrap_or(1.0));
                    stack.push(g.args(id)[0]);
                }
                _ => match g.constant_value(id) {
                    Some(c) if !simplify::is_normal(c) => factors.apart.push(c),
                    Some(c) => match simplify::product(c, factors.constant.unwrap_or(1.0)) {
                        Some(product) => factors.constant = Some(product),
                        None => factors.apart.push(c),
                    },
                    None => factors.others.push(images[&id]),
                },
            }
        }
        factors
    }

    /// √x (1/√x)ⁿ is (1/√x)ⁿ⁻¹ for n > 1, and 0 at x = 0 as before: the gradient of a norm's normalization has such factors, and
    /// the cube of an inverse leaves the range long before its square.
    fn cancel_roots(&mut self, g: &mut Graph) {
        let root = |g: &Graph, id: Id| matches!(g.op(id), Op::Fun(Fun::Sqrt)).then(|| g.args(id)[0]);
        let inverse_power = |g: &Graph, id: Id| match (g.op(id), g.args(id)) {
            (&Op::Powi(n @ 2..), &[base]) if *g.op(base) == Op::Fun(Fun::Rsqrt) => Some((g.args(base)[0], base, n)),
            _ => None,
        };
        let mut k = 0;
        while let Some(&factor) = self.others.get(k) {
            let partner = root(g, factor).and_then(|x| {
                let found = |&other: &Id| inverse_power(g, other).filter(|&(of, ..)| of == x);
                self.others.iter().enumerate().find_map(|(at, other)| Some((at, found(other)?)))
            });
            match partner {
                Some((at, (_, base, n))) => {
                    self.others[at] = g.powi(base, n - 1);
                    self.others.remove(k);
                }
                None => k += 1,
            }
        }
    }

    fn product(mut self, g: &mut Graph, roles: &Roles, dim: &Dim) -> Id {
        self.cancel_roots(g);
        let constant = self.constant.map(|c| g.constant(c));
        let mut group = |scalar: bool, stage: Stage| -> Option<Id> {
            let chosen: Vec<Id> = (self.others.iter().copied())
                .filter(|&f| g.is_scalar(f) == scalar && roles.stage(g, f) == stage)
                .collect();
            chosen.into_iter().reduce(|a, b| times(g, a, b))
        };
        let stages = [Stage::Of(Role::Parameter), Stage::Of(Role::Target), Stage::Of(Role::Source), Stage::Pair];
        let [mut p, mut t, mut s, x] = stages.map(|stage| group(true, stage));
        let [mut pv, mut tv, mut sv, xv] = stages.map(|stage| group(false, stage));
        p = join(g, constant, p);
        for side in [&mut t, &mut s] {
            if side.is_some() {
                *side = join(g, p.take(), *side);
            }
        }
        for side in [&mut tv, &mut sv] {
            if side.is_some() {
                *side = join(g, pv.take(), *side);
            }
        }
        // a scalar of the pair is as good a place for others as a vector is a bad one
        if x.is_none() && xv.is_some() {
            for (scalar, vector) in [(&mut t, &mut tv), (&mut s, &mut sv)] {
                if vector.is_some() {
                    *vector = join(g, scalar.take(), *vector);
                }
            }
        }
        // without anything of the pair, hoisted scalars belong to hoisted vectors
        if x.is_none() && xv.is_none() {
            if tv.is_some() {
                tv = join(g, t.take(), tv);
                tv = join(g, p.take(), tv);
            }
            if sv.is_some() {
                sv = join(g, s.take(), sv);
                sv = join(g, p.take(), sv);
            }
        }
        let parts = [p, t, x, s, pv, tv, xv, sv];
        let product = parts.into_iter().fold(None, |a, b| join(g, a, b));
        let product = product.unwrap_or_else(|| g.constant(1.0));
        // last, when the product is what it is: it may be small where they are large
        let product = self.apart.iter().fold(product, |product, &c| {
            let c = g.constant(c);
            times(g, c, product)
        });
        g.broadcast(product, dim)
    }
}

fn join(g: &mut Graph, a: Option<Id>, b: Option<Id>) -> Option<Id> {
    match (a, b) {
        (Some(a), Some(b)) => Some(times(g, a, b)),
        (one, other) => one.or(other),
    }
}

/// A product in this order, whatever the simplifier would do.
fn times(g: &mut Graph, a: Id, b: Id) -> Id {
    let dim = if g.is_scalar(a) { g.dim(b) } else { g.dim(a) }.clone();
    match (g.constant_value(a), g.constant_value(b)) {
        (Some(1.0), _) => b,
        (_, Some(1.0)) => a,
        (Some(-1.0), _) => g.intern(Op::Neg, vec![b], dim),
        _ => g.intern(Op::Mul, vec![a, b], dim),
    }
}
