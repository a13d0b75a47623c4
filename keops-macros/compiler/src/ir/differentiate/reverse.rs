//! Reverse mode: cotangents flow from the value to the variables. Each node hands its cotangent on once, when it is
//! complete.

use std::collections::{HashMap, HashSet};

use super::regular;
use crate::ir::{
    dim::Dim,
    graph::{Graph, Id, Op, VarId},
    table::{self, Fun},
    view::{View, product},
};

/// The gradient (∂f/∂v)ᵀ e of f in v for the cotangent `e`: a vector of the dimension of v, for an `e` of the
/// dimension of f.
pub(crate) fn grad(g: &mut Graph, f: Id, v: VarId, e: Id) -> Id {
    grads(g, &[(f, e)], &[v])[0]
}

/// The gradient in each variable v: Σ (∂f/∂v)ᵀ e, summed over pairs of a value f and its cotangent e.
pub(crate) fn grads(g: &mut Graph, values: &[(Id, Id)], variables: &[VarId]) -> Vec<Id> {
    grads_and_regular(g, values, variables).0
}

/// The gradients, and whether a slope in them is that of [`regular`].
pub(super) fn grads_and_regular(g: &mut Graph, values: &[(Id, Id)], variables: &[VarId]) -> (Vec<Id>, bool) {
    let mut is_regular = false;
    let mut cotangents: HashMap<Id, Id> = HashMap::new();
    // the conditions by which `relu` and `clamp` hand on an argument: where no slope is infinite, a choice by one of
    // them is not carried on, but is a factor like any other
    let mut steps: HashSet<Id> = HashSet::new();
    let none = HashSet::new();
    for &(f, e) in values {
        accumulate(g, &mut cotangents, f, e, &none);
    }
    let roots: Vec<Id> = values.iter().map(|v| v.0).collect();
    for id in g.reachable(&roots).into_iter().rev() {
        let wanted = |g: &Graph, id: Id| variables.iter().any(|&v| g.depends(id, v));
        if let Some(&e) = cotangents.get(&id)
            && wanted(g, id)
        {
            // it is carried on only where a slope may be infinite
            let settled = if g.is_steep(id) { &none } else { &steps };
            let mut new = Vec::new();
            for (k, argument) in g.args(id).to_vec().into_iter().enumerate() {
                if wanted(g, argument) {
                    let components = components_of(g.op(id));
                    let usual = |g: &mut Graph| of_sides(g, e, components, settled, &|g, e| pull_back(g, id, k, e));
                    let part = regular::pull_back(g, id, k, e, &usual);
                    is_regular |= part.is_some();
                    let e = part.unwrap_or_else(|| usual(g));
                    let settled = if g.is_steep(argument) { &none } else { &steps };
                    accumulate(g, &mut cotangents, argument, e, settled);
                    if let Op::Fun(fun @ (Fun::Relu | Fun::Clamp)) = *g.op(id) {
                        let args = g.args(id).to_vec();
                        new.extend(fun.takes(g, &args, k));
                    }
                }
            }
            steps.extend(new);
        }
    }
    let gradient = |&v: &VarId| {
        let (node, dim) = (g.var(v), g.variable(v).dim.clone());
        cotangents.get(&node).copied().unwrap_or_else(|| g.zero(dim))
    };
    (variables.iter().map(gradient).collect(), is_regular)
}

/// Adds `e` to the cotangent of the node `id`. If `id` is a scalar, which was broadcast, the components of `e` are
/// summed.
fn accumulate(g: &mut Graph, cotangents: &mut HashMap<Id, Id>, id: Id, e: Id, settled: &HashSet<Id>) {
    let e = if g.is_scalar(id) {
        of_sides(g, e, if g.is_steep(id) { Components::Summed } else { Components::Mixed }, settled, &Graph::sum)
    } else {
        g.broadcast(e, &g.dim(id).clone())
    };
    let sum = match cotangents.get(&id) {
        Some(&other) => g.add(other, e),
        None => e,
    };
    cotangents.insert(id, sum);
}

/// Applies a linear map to the cotangent `e`. If `e` is a choice by `ifelse`, the map is applied to both sides, and
/// the choice is made after it. The cotangent of a side that is not taken is then 0, and so are the cotangents of the
/// nodes it is made of, even where a slope is infinite. A choice for each component by itself moves with the
/// components, unless the map sums them. Choices by a condition in `settled` are not carried on.
fn of_sides(
    g: &mut Graph,
    e: Id,
    components: Components,
    settled: &HashSet<Id>,
    map: &dyn Fn(&mut Graph, Id) -> Id,
) -> Id {
    if !is_chosen(g, e, settled) {
        return map(g, e);
    }
    let args = g.args(e).to_vec();
    match (g.op(e), args.as_slice()) {
        (Op::Fun(Fun::IfElse), &[condition, a, b])
            if !settled.contains(&condition)
                && (g.is_scalar(condition) || matches!(components, Components::Own | Components::Moved)) =>
        {
            let moved = components == Components::Moved && !g.is_scalar(condition);
            let condition = if moved { map(g, condition) } else { condition };
            let dim = g.dim(e).clone();
            let [a, b] = [a, b].map(|side| {
                let side = g.broadcast(side, &dim);
                of_sides(g, side, components, settled, map)
            });
            g.fun(Fun::IfElse, &[condition, a, b])
        }
        // the sum is 0 where the side with the cotangent is taken for no component
        (Op::Fun(Fun::IfElse), &[condition, a, b])
            if !settled.contains(&condition) && components == Components::Summed && (g.is_zero(a) || g.is_zero(b)) =>
        {
            let (sum, zero) = (map(g, e), g.constant(0.0));
            if g.is_zero(b) {
                let any = g.max(condition);
                return g.fun(Fun::IfElse, &[any, sum, zero]);
            }
            let opposite = g.neg(condition);
            let most = g.max(opposite);
            let any = g.neg(most);
            g.fun(Fun::IfElse, &[any, zero, sum])
        }
        (Op::Add, &[a, b]) => {
            let (a, b) = (of_sides(g, a, components, settled, map), of_sides(g, b, components, settled, map));
            g.add(a, b)
        }
        (Op::Sub, &[a, b]) => {
            let (a, b) = (of_sides(g, a, components, settled, map), of_sides(g, b, components, settled, map));
            g.sub(a, b)
        }
        (Op::Neg, &[a]) => {
            let a = of_sides(g, a, components, settled, map);
            g.neg(a)
        }
        _ => map(g, e),
    }
}

/// Whether a cotangent, or one of its first terms, is a choice between a cotangent and 0.
fn is_chosen(g: &Graph, e: Id, settled: &HashSet<Id>) -> bool {
    /// The number of terms that are looked at.
    const TERMS: usize = 64;
    let mut terms = vec![e];
    let mut next = 0;
    while next < terms.len().min(TERMS) {
        let term = terms[next];
        match g.op(term) {
            Op::Fun(Fun::IfElse) if settled.contains(&g.args(term)[0]) => {}
            Op::Fun(Fun::IfElse) if g.args(term)[1..].iter().any(|&side| g.is_zero(side)) => return true,
            Op::Add | Op::Sub | Op::Neg => {
                let new: Vec<Id> = g.args(term).iter().copied().filter(|arg| !terms.contains(arg)).collect();
                terms.extend(new);
            }
            _ => {}
        }
        next += 1;
    }
    false
}

/// What becomes of the components of a cotangent when it is pulled back through an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Components {
    /// Each component of the result depends on the same component of the cotangent.
    Own,
    /// The components are moved to other places.
    Moved,
    /// The components are summed to one.
    Summed,
    /// Some components are summed, or the operation mixes them.
    Mixed,
}

fn components_of(op: &Op) -> Components {
    match op {
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Neg | Op::Powi(_) | Op::Fun(_) | Op::Broadcast => Components::Own,
        Op::Concat | Op::Spread(_) | Op::Sum => Components::Moved,
        Op::View(view) if !view.repeats() => Components::Moved,
        _ => Components::Mixed,
    }
}

/// The part of the cotangent `e` of the node `id` that goes to argument `k`, before the sum over a broadcast. The
/// part is linear in `e`.
fn pull_back(g: &mut Graph, id: Id, k: usize, e: Id) -> Id {
    let node = g.node(id).clone();
    let args = &node.args;
    match node.op {
        Op::Var(_) | Op::Const(_) | Op::Zero | Op::Unit(_) | Op::Places => unreachable!("a leaf has no arguments"),
        Op::Add => e,
        Op::Sub => match k {
            0 => e,
            _ => g.neg(e),
        },
        Op::Neg => g.neg(e),
        Op::Mul => {
            let slope = g.finite(args[1 - k]);
            g.slope_times(slope, e)
        }
        Op::Div if g.is_nonzero(args[1]) => match k {
            0 => g.slope_over(e, args[1]),
            _ => {
                let quotient = g.finite(id);
                let slope = g.slope_over(quotient, args[1]);
                let part = g.slope_times(slope, e);
                g.neg(part)
            }
        },
        Op::Div => {
            let inverse = g.finite_inverse(args[1]);
            if k == 0 {
                return g.slope_times(inverse, e);
            }
            let numerator = g.finite(args[0]);
            let quotient = g.slope_times(numerator, inverse);
            let slope = g.slope_times(quotient, inverse);
            let part = g.slope_times(slope, e);
            g.neg(part)
        }
        Op::Powi(n) => {
            let slope = g.slope_of_powi(args[0], n);
            g.slope_times(slope, e)
        }
        Op::Fun(Fun::IfElse) => {
            let zero = g.zero(g.dim(e).clone());
            match k {
                0 => zero,
                1 => g.fun(Fun::IfElse, &[args[0], e, zero]),
                _ => g.fun(Fun::IfElse, &[args[0], zero, e]),
            }
        }
        Op::Fun(fun @ (Fun::Max | Fun::Min | Fun::Relu | Fun::Clamp)) => {
            let (taken, zero) = (fun.takes(g, args, k).expect("it takes one of them"), g.zero(g.dim(e).clone()));
            let e = if is_root_beside_arguments(g, id, k, e) {
                let argument = g.broadcast(args[k], &node.dim);
                g.substitute(e, id, argument)
            } else {
                e
            };
            g.fun(Fun::IfElse, &[taken, e, zero])
        }
        Op::Fun(Fun::Abs) if g.is_steep(args[0]) => {
            let (sign, there, zero) = (g.fun(Fun::Sign, args), unless_zero(g, args[0]), g.zero(g.dim(e).clone()));
            let part = g.mul(sign, e);
            g.fun(Fun::IfElse, &[there, part, zero])
        }
        Op::Fun(fun) => {
            let slope = table::lanes(fun).1(g, args, id, k);
            g.slope_times(slope, e)
        }
        Op::Sum if node.dim.is_one() => g.broadcast(e, &g.dim(args[0]).clone()),
        Op::Sum => {
            let block = g.dim(args[0]).divide(&node.dim).expect("blocks of one length");
            let repeated = [(node.dim, Dim::number(1)), (block, Dim::default())];
            g.view(e, View::new(Dim::default(), repeated))
        }
        Op::Max => {
            let place = g.arg_max(args[0]);
            let there = g.one_hot(place, g.dim(args[0]).clone());
            if !g.is_steep(args[0]) {
                return g.mul(there, e);
            }
            let (taken, zero) = (above_half(g, there), g.zero(g.dim(args[0]).clone()));
            g.fun(Fun::IfElse, &[taken, e, zero])
        }
        Op::ArgMax => g.zero(g.dim(args[0]).clone()),
        Op::Broadcast => e,
        Op::View(view) => view_back(g, e, &view, g.dim(args[0]).clone()),
        Op::Spread(view) => g.view(e, view),
        Op::Concat => {
            let start = args[..k].iter().fold(Default::default(), |sum: Dim, &a| {
                sum.checked_add(g.dim(a)).expect("a part of a dimension that was counted")
            });
            g.extract(e, start, g.dim(args[k]).clone())
        }
        Op::MatVec => match k {
            0 => g.outer(e, args[1]).expect("the dimension of the matrix"),
            _ => g.vec_mat(e, args[0], g.dim(args[1]).clone()),
        },
        Op::VecMat => match k {
            0 => g.mat_vec(args[1], e, g.dim(args[0]).clone()),
            _ => g.outer(args[0], e).expect("the dimension of the matrix"),
        },
        // `e` is an n x p matrix here
        Op::Outer => match k {
            0 => g.mat_vec(e, args[1], g.dim(args[0]).clone()),
            _ => g.vec_mat(args[0], e, g.dim(args[1]).clone()),
        },
    }
}

/// Whether argument `k` of a choice of the largest or the smallest is made of a root, the others are no numbers, and the
/// cotangent `e` has the choice as a factor or in a function that is finite at 0. The choice is then the argument where
/// the argument is taken, and nothing else tells whether the root is a factor of the cotangent: no number says which
/// argument is taken at a root of 0.
fn is_root_beside_arguments(g: &Graph, id: Id, k: usize, e: Id) -> bool {
    let args = g.args(id);
    let is_root = |&node: &Id| {
        matches!(g.op(node), Op::Fun(Fun::Sqrt | Fun::Abs | Fun::Hypot | Fun::Cbrt | Fun::Acos | Fun::Acosh))
    };
    let is_number = |at: usize| at == k || g.constant_value(args[at]).is_some();
    if matches!(g.op(id), Op::Fun(Fun::Relu)) || (0..args.len()).all(is_number) {
        return false;
    }
    let of_choice: HashSet<Id> = g.reachable(&[e]).into_iter().fold(HashSet::new(), |mut above, node| {
        if node == id || g.args(node).iter().any(|arg| above.contains(arg)) {
            above.insert(node);
        }
        above
    });
    let is_infinite = |&node: &Id| match g.op(node) {
        Op::Fun(Fun::Inv | Fun::Rsqrt | Fun::Log | Fun::Log2 | Fun::Log10 | Fun::Pow) => node != id,
        Op::Div => of_choice.contains(&g.args(node)[1]),
        &Op::Powi(n) => n < 0,
        _ => false,
    };
    // components of which another argument is taken must not come together with this one
    let is_apart = |&node: &Id| {
        let of_components =
            matches!(g.op(node), Op::Add | Op::Sub | Op::Neg | Op::Mul | Op::Div | Op::Powi(_) | Op::Fun(_));
        g.is_scalar(id) || of_components && g.dim(node) == g.dim(id)
    };
    of_choice.contains(&e)
        && of_choice.iter().all(|node| !is_infinite(node) && is_apart(node))
        && g.reachable(&args[k..=k]).iter().any(is_root)
}

/// A number that is at least 0 unless x is 0.
pub(super) fn unless_zero(g: &mut Graph, x: Id) -> Id {
    let (zero, half) = (g.constant(0.0), g.constant(0.5));
    let equal = g.fun(Fun::Equal, &[x, zero]);
    g.sub(half, equal)
}

/// A number that is at least 0 where a step is 1.
pub(super) fn above_half(g: &mut Graph, step: Id) -> Id {
    let half = g.constant(0.5);
    g.sub(step, half)
}

/// The cotangent of the argument of a view, of dimension `dim`: each component of `e` is moved to its place, and
/// components with the same place are summed.
fn view_back(g: &mut Graph, e: Id, view: &View, dim: Dim) -> Id {
    let axes = || view.axes.iter().zip(view.weights());
    let repeats = |repeats: bool| axes().filter(move |(axis, _)| (axis.stride == Dim::default()) == repeats);
    // axes that repeat components go to the end, where each block of components is summed
    let order = repeats(false).chain(repeats(true)).map(|(axis, weight)| (axis.len.clone(), weight));
    let sorted = g.view(e, View::new(Dim::default(), order));
    let shown = repeats(false).fold(Dim::number(1), |dim, (axis, _)| product(&dim, &axis.len));
    let sums = g.sums(sorted, shown);
    let places = repeats(false).map(|(axis, _)| (axis.len.clone(), axis.stride.clone()));
    g.spread(sums, View::new(view.start.clone(), places), dim)
}
