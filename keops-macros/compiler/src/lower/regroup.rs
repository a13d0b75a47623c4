//! Rewrites of the graph that move work out of the loop over pairs, made once the roles of variables are known.
//!
//! - An exponential e^x becomes 2^(x log2(e)) where x depends on both ends of the pair. The constant joins the other
//!   factors of x, and is hoisted with them. It goes into the terms of a sum if it can be hoisted from all terms but
//!   one.
//! - Products are sorted by what their factors depend on: constants and parameters come first, with the factors of
//!   the target or of the source, so that each of these groups is one hoisted number.

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

/// Rewrites the roots.
pub(super) fn regroup(g: &mut Graph, roots: &[Id], roles: &Roles) -> Vec<Id> {
    let roots = base_two(g, roots, roles);
    sort_products(g, &roots, roles)
}

fn base_two(g: &mut Graph, roots: &[Id], roles: &Roles) -> Vec<Id> {
    let uses = uses(g, roots);
    let once = |id: Id| uses.get(&id) == Some(&1);
    rewrite(g, roots, |g, id, args| match g.op(id) {
        Op::Fun(Fun::Exp) if roles.stage(g, args[0]) == Stage::Pair => {
            // an exponent that was not rewritten still shows its terms
            let before = g.args(id)[0];
            let exponent =
                if before == args[0] { to_base_two(g, before, roles, &once) } else { log2_e_times(g, args[0]) };
            g.fun(Fun::Exp2, &[exponent])
        }
        _ if args == g.args(id) => id,
        _ => g.rebuild(id, args),
    })
}

/// The exponent to base 2 of the same number, for an exponent to base e. `once` says which nodes have one reader.
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

/// The number of multiplications for each pair that a constant factor costs if it goes into the terms of a sum. It
/// costs none in a term that is hoisted or has a hoisted factor.
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

/// Multiplies an exponent by log2(e). The factor goes into the terms of a sum if one of them belongs to the pair; it
/// does not where both are hoisted, since x - y may be exact where c x - c y is not.
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

/// The exponent, with its terms bounded: see [`super::bounded_terms`].
pub(super) fn bounded_terms(g: &mut Graph, exponent: Id, roles: &Roles) -> Id {
    /// A constant that is this large in `f32` may be infinite times log2(e) and a small number.
    const LARGE: f64 = 1e38;
    let is_large = |g: &Graph, id: Id| g.constant_value(id).is_some_and(|c| c.abs() >= LARGE);
    let args = g.args(exponent).to_vec();
    match (g.op(exponent), args.as_slice()) {
        (Op::Const(_) | Op::Zero, _) => exponent,
        (Op::Add | Op::Sub | Op::Neg | Op::Broadcast | Op::Concat, _) => {
            let bounded: Vec<Id> = args.iter().map(|&arg| bounded_terms(g, arg, roles)).collect();
            if bounded == args { exponent } else { g.rebuild(exponent, &bounded) }
        }
        (Op::Mul | Op::Fun(Fun::IfElse), args) if args.iter().any(|&arg| is_large(g, arg)) => {
            g.fun(Fun::Bounded, &[exponent])
        }
        // a mask whose size is an argument
        (Op::Mul, args) if roles.stage(g, exponent) == Stage::Pair && args.iter().any(|&arg| is_mask(g, arg)) => {
            let bounded: Vec<Id> = args.iter().map(|&arg| bounded_factor(g, arg, roles)).collect();
            if bounded == args { exponent } else { g.rebuild(exponent, &bounded) }
        }
        _ if roles.stage(g, exponent) == Stage::Pair => exponent,
        _ => g.fun(Fun::Bounded, &[exponent]),
    }
}

/// Whether the node is a comparison, the opposite of one, or a product with one of these as a factor.
fn is_mask(g: &Graph, id: Id) -> bool {
    let args = g.args(id);
    match g.op(id) {
        Op::Fun(Fun::Equal | Fun::NotEqual | Fun::LessThan | Fun::LessOrEqual | Fun::Step) => true,
        Op::Sub => g.constant_value(args[0]).is_some() && is_mask(g, args[1]),
        Op::Mul => args.iter().any(|&arg| is_mask(g, arg)),
        Op::Neg => is_mask(g, args[0]),
        _ => false,
    }
}

/// The node with its factors bounded that do not belong to the pair: they are multiplied by log2(e) before the others.
fn bounded_factor(g: &mut Graph, id: Id, roles: &Roles) -> Id {
    let args = g.args(id).to_vec();
    if roles.stage(g, id) != Stage::Pair {
        return if is_mask(g, id) || g.constant_value(id).is_some() { id } else { g.fun(Fun::Bounded, &[id]) };
    }
    match g.op(id) {
        Op::Mul | Op::Neg => {
            let bounded: Vec<Id> = args.iter().map(|&arg| bounded_factor(g, arg, roles)).collect();
            if bounded == args { id } else { g.rebuild(id, &bounded) }
        }
        _ => id,
    }
}

/// The number of uses of each node as an argument. To be a root counts as two uses.
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

/// Replaces all nodes that the roots need, arguments first: `image_of` is given a node and the images of its
/// arguments.
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
            // without the simplifying constructors, which would pull constants out of products again
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
    /// Constants that are not combined with others: not all element types have them, or not their product.
    apart: Vec<f64>,
    others: Vec<Id>,
}

impl Factors {
    /// The factors of a product. A product among them that has no other use is taken apart, too.
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
        // a hoisted scalar goes into a hoisted vector if the pair has only vectors, each component of which it would
        // be multiplied with
        if x.is_none() && xv.is_some() {
            for (scalar, vector) in [(&mut t, &mut tv), (&mut s, &mut sv)] {
                if vector.is_some() {
                    *vector = join(g, scalar.take(), *vector);
                }
            }
        }
        // if no factor depends on the pair, hoisted scalars go into hoisted vectors
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
        // constants out of range come last: the product that they multiply may be small where they are large
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

/// The product of `a` and `b` in this order, which the simplifying constructor might change.
fn times(g: &mut Graph, a: Id, b: Id) -> Id {
    let dim = if g.is_scalar(a) { g.dim(b) } else { g.dim(a) }.clone();
    match (g.constant_value(a), g.constant_value(b)) {
        (Some(1.0), _) => b,
        (_, Some(1.0)) => a,
        (Some(-1.0), _) => g.intern(Op::Neg, vec![b], dim),
        _ => g.intern(Op::Mul, vec![a, b], dim),
    }
}
