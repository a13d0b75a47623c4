//! Reverse mode: cotangents flow from the value to the variables, and each node hands its own on once.

use std::collections::HashMap;

use crate::{
    dim::Dim,
    graph::{Graph, Id, Op, VarId},
    table::{self, Fun},
    view::{View, product},
};

/// (∂f/∂v)ᵀ e: a vector of the dimension of `v`. `e` has the dimension of `f`.
pub(crate) fn grad(g: &mut Graph, f: Id, v: VarId, e: Id) -> Id {
    grads(g, &[(f, e)], &[v])[0]
}

/// Σ (∂f/∂v)ᵀ e over the values f with their cotangents e, for each variable.
pub(crate) fn grads(g: &mut Graph, values: &[(Id, Id)], variables: &[VarId]) -> Vec<Id> {
    let mut cotangents: HashMap<Id, Id> = HashMap::new();
    for &(f, e) in values {
        accumulate(g, &mut cotangents, f, e);
    }
    let roots: Vec<Id> = values.iter().map(|v| v.0).collect();
    for id in g.reachable(&roots).into_iter().rev() {
        let wanted = |g: &Graph, id: Id| variables.iter().any(|&v| g.depends(id, v));
        if let Some(&e) = cotangents.get(&id)
            && wanted(g, id)
        {
            for (k, argument) in g.args(id).to_vec().into_iter().enumerate() {
                if wanted(g, argument) {
                    let element_wise = is_element_wise(g.op(id));
                    let e = of_sides(g, e, element_wise, &|g, e| pull_back(g, id, k, e));
                    accumulate(g, &mut cotangents, argument, e);
                }
            }
        }
    }
    variables
        .iter()
        .map(|&v| {
            let (node, dim) = (g.var(v), g.variable(v).dim.clone());
            cotangents.get(&node).copied().unwrap_or_else(|| g.zero(dim))
        })
        .collect()
}

/// Adds `e` to the cotangent of `id`, summed over components where `id` is a scalar that was broadcast.
fn accumulate(g: &mut Graph, cotangents: &mut HashMap<Id, Id>, id: Id, e: Id) {
    let e = if g.is_scalar(id) { of_sides(g, e, false, &Graph::sum) } else { g.broadcast(e, &g.dim(id).clone()) };
    let sum = match cotangents.get(&id) {
        Some(&other) => g.add(other, e),
        None => e,
    };
    cotangents.insert(id, sum);
}

/// A linear map of the cotangent `e`. Where `e` was chosen, the map is of what was chosen, and the choice comes behind it: a
/// side of `ifelse` that is not taken has the cotangent 0, and so has what it is made of, even where its slope is infinite.
/// A choice of each component by itself is behind what is element-wise only.
fn of_sides(g: &mut Graph, e: Id, element_wise: bool, map: &dyn Fn(&mut Graph, Id) -> Id) -> Id {
    if !is_chosen(g, e) {
        return map(g, e);
    }
    let args = g.args(e).to_vec();
    match (g.op(e), args.as_slice()) {
        (Op::Fun(Fun::IfElse), &[condition, a, b]) if element_wise || g.is_scalar(condition) => {
            let dim = g.dim(e).clone();
            let [a, b] = [a, b].map(|side| {
                let side = g.broadcast(side, &dim);
                of_sides(g, side, element_wise, map)
            });
            g.fun(Fun::IfElse, &[condition, a, b])
        }
        (Op::Add, &[a, b]) => {
            let (a, b) = (of_sides(g, a, element_wise, map), of_sides(g, b, element_wise, map));
            g.add(a, b)
        }
        (Op::Sub, &[a, b]) => {
            let (a, b) = (of_sides(g, a, element_wise, map), of_sides(g, b, element_wise, map));
            g.sub(a, b)
        }
        (Op::Neg, &[a]) => {
            let a = of_sides(g, a, element_wise, map);
            g.neg(a)
        }
        _ => map(g, e),
    }
}

/// Whether a cotangent was made by a choice, or one of its first terms.
fn is_chosen(g: &Graph, e: Id) -> bool {
    /// How many terms are looked at.
    const TERMS: usize = 64;
    let mut terms = vec![e];
    let mut next = 0;
    while next < terms.len().min(TERMS) {
        let term = terms[next];
        match g.op(term) {
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

/// Whether each component is made of the same components of the arguments.
fn is_element_wise(op: &Op) -> bool {
    matches!(op, Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Neg | Op::Powi(_) | Op::Fun(_) | Op::Broadcast)
}

/// The part of the cotangent `e` of `id` that goes to argument `k`, before the sum over a broadcast. Linear in `e`.
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
            g.mul(slope, e)
        }
        Op::Div if g.is_nonzero(args[1]) => match k {
            0 => g.div(e, args[1]),
            _ => {
                let slope = g.div(id, args[1]);
                let part = g.mul(slope, e);
                g.neg(part)
            }
        },
        Op::Div => {
            let inverse = g.finite_inverse(args[1]);
            if k == 0 {
                return g.mul(inverse, e);
            }
            let quotient = g.mul(args[0], inverse);
            let slope = g.mul(quotient, inverse);
            let part = g.mul(slope, e);
            g.neg(part)
        }
        Op::Powi(n) => {
            let slope = g.slope_of_powi(args[0], n);
            g.mul(slope, e)
        }
        Op::Fun(Fun::IfElse) => {
            let zero = g.zero(g.dim(e).clone());
            match k {
                0 => zero,
                1 => g.fun(Fun::IfElse, &[args[0], e, zero]),
                _ => g.fun(Fun::IfElse, &[args[0], zero, e]),
            }
        }
        Op::Fun(fun @ (Fun::Max | Fun::Min)) => {
            let (first, zero) =
                (fun.takes_first(g, args[0], args[1]).expect("it takes one of two"), g.zero(g.dim(e).clone()));
            let sides = if k == 0 { [e, zero] } else { [zero, e] };
            g.fun(Fun::IfElse, &[first, sides[0], sides[1]])
        }
        Op::Fun(fun) => {
            let slope = table::lanes(fun).1(g, args, id, k);
            g.mul(slope, e)
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
            g.mul(there, e)
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
        // e is n x p
        Op::Outer => match k {
            0 => g.mat_vec(e, args[1], g.dim(args[0]).clone()),
            _ => g.vec_mat(args[0], e, g.dim(args[1]).clone()),
        },
    }
}

/// The cotangent of what a view shows, of dimension `dim`: each component of `e` at its place, those of one place summed.
fn view_back(g: &mut Graph, e: Id, view: &View, dim: Dim) -> Id {
    let axes = || view.axes.iter().zip(view.weights());
    let repeats = |repeats: bool| axes().filter(move |(axis, _)| (axis.stride == Dim::default()) == repeats);
    // the axes that repeat to the end, where blocks of components are summed
    let order = repeats(false).chain(repeats(true)).map(|(axis, weight)| (axis.len.clone(), weight));
    let sorted = g.view(e, View::new(Dim::default(), order));
    let shown = repeats(false).fold(Dim::number(1), |dim, (axis, _)| product(&dim, &axis.len));
    let sums = g.sums(sorted, shown);
    let places = repeats(false).map(|(axis, _)| (axis.len.clone(), axis.stride.clone()));
    g.spread(sums, View::new(view.start.clone(), places), dim)
}
