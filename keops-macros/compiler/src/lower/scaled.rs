//! Finds a squared distance that an engine may scale: its only use is in an exponent, times a factor that is the same
//! for all pairs.
//!
//! With a negative factor c, 2^(c |u - w|²) = 2^(-|s u - s w|²) for s = √-c. An engine that scales all coordinates by
//! s once saves a multiplication for each pair. Scaling moves each coordinate by a rounding, and the result may be
//! NaN where s u overflows though the formula is finite. An engine must therefore see such a NaN in the result, so a
//! contraction is offered only where every operation after it hands NaN on.

use std::collections::{HashMap, HashSet};

use super::{
    Lowering,
    program::Role,
    stage::{Stage, is_transparent},
};
use crate::ir::{
    graph::{Graph, Id, Op},
    table::Fun,
};

/// The contraction that may be scaled.
#[derive(Clone, Copy)]
pub(super) struct Scaled {
    /// The number of the contraction.
    pub(super) contraction: usize,
    /// The factor: a parameter, or a constant.
    pub(super) factor: Id,
}

/// Whether the result of an operation is NaN where one of its arguments is.
fn hands_nan_on(op: &Op) -> bool {
    match op {
        Op::Add
        | Op::Sub
        | Op::Mul
        | Op::Div
        | Op::Neg
        | Op::Powi(_)
        | Op::Sum
        | Op::Broadcast
        | Op::View(_)
        | Op::Spread(_)
        | Op::Concat
        | Op::MatVec
        | Op::VecMat
        | Op::Outer => true,
        Op::Fun(fun) => matches!(
            fun,
            Fun::Exp
                | Fun::Exp2
                | Fun::Log
                | Fun::Sin
                | Fun::Cos
                | Fun::Asin
                | Fun::Acos
                | Fun::Atan
                | Fun::Atan2
                | Fun::Hypot
                | Fun::Direction
                | Fun::OverSquare
                | Fun::ExpM1
                | Fun::Log2
                | Fun::Log10
                | Fun::Ln1p
                | Fun::Tan
                | Fun::Sinh
                | Fun::Cosh
                | Fun::Tanh
                | Fun::Sech
                | Fun::Asinh
                | Fun::Acosh
                | Fun::Atanh
                | Fun::Erf
                | Fun::Erfc
                | Fun::Sigmoid
                | Fun::Softplus
                | Fun::Cbrt
                | Fun::Max
                | Fun::Min
                | Fun::Sqrt
                | Fun::Rsqrt
                | Fun::Inv
                | Fun::Abs
        ),
        Op::Max | Op::ArgMax | Op::Var(_) | Op::Const(_) | Op::Zero | Op::Unit(_) | Op::Places => false,
    }
}

impl Lowering<'_> {
    /// The contraction that may be scaled, if there is one. `first_is_exponent` says that the first root is an
    /// exponent of the reduction.
    pub(super) fn find_scaled(&self, roots: &[Id], first_is_exponent: bool) -> Option<Scaled> {
        let nodes = self.of_pair(roots);
        let g = self.g;
        let mut computed = nodes.iter().filter(|&&id| self.stage_of(id) == Stage::Pair);
        if !computed.all(|&id| hands_nan_on(g.op(id))) {
            return None;
        }
        let mut users: HashMap<Id, Vec<Id>> = HashMap::new();
        for &id in &nodes {
            for &arg in g.args(id) {
                users.entry(arg).or_default().push(id);
            }
        }
        let only_user = |id: Id| match users.get(&id).map(Vec::as_slice) {
            Some(&[user]) if !roots.contains(&id) => Some(user),
            _ => None,
        };
        let is_exponent = |id: Id| match only_user(id) {
            Some(user) => *g.op(user) == Op::Fun(Fun::Exp2),
            None => first_is_exponent && roots.first() == Some(&id) && !users.contains_key(&id),
        };
        let mut contractions: Vec<(Id, usize)> = self.contraction_of.iter().map(|(&id, &k)| (id, k)).collect();
        contractions.sort_by_key(|&(_, k)| k);
        contractions.into_iter().find_map(|(id, contraction)| {
            let product = only_user(id).filter(|&user| *g.op(user) == Op::Mul && g.beyond(g.args(user)).is_none())?;
            let factor = g.args(product).iter().copied().find(|&arg| arg != id)?;
            let wanted = self.contractions[contraction].squared_distance
                && is_exponent(product)
                && g.is_scalar(factor)
                && self.stage_of(factor) == Stage::Of(Role::Parameter)
                && only_user(factor) == Some(product)
                && matches!(g.op(factor), Op::Const(_)) | !is_transparent(g, factor)
                && self.ends_are_its_own(id, roots, &users);
            wanted.then_some(Scaled { contraction, factor })
        })
    }

    /// The nodes that the pair stage writes: nodes which it computes, and nodes of other stages which are written
    /// where they are read. Nodes inside contractions are not among them.
    fn of_pair(&self, roots: &[Id]) -> Vec<Id> {
        let mut seen = HashSet::new();
        let mut stack = roots.to_vec();
        while let Some(id) = stack.pop() {
            let written = self.stage_of(id) == Stage::Pair || is_transparent(self.g, id);
            if written && !self.contraction_of.contains_key(&id) && seen.insert(id) {
                stack.extend(self.g.args(id));
            }
        }
        let mut nodes: Vec<Id> = seen.into_iter().collect();
        nodes.sort();
        nodes
    }

    /// Whether nothing but the contraction reads its two vectors: no node, no other contraction, and not the reduction.
    fn ends_are_its_own(&self, id: Id, roots: &[Id], users: &HashMap<Id, Vec<Id>>) -> bool {
        let ends = |id: Id| contracted(self.g, id);
        let others = self.contraction_of.keys().filter(|&&other| other != id);
        let read: HashSet<Id> = others.flat_map(|&other| ends(other)).collect();
        ends(id).iter().all(|end| !users.contains_key(end) && !read.contains(end) && !roots.contains(end))
    }
}

/// The two vectors of a contraction.
fn contracted(g: &Graph, id: Id) -> Vec<Id> {
    let inner = g.args(id)[0];
    match g.op(inner) {
        Op::Powi(_) => g.args(g.args(inner)[0]).to_vec(),
        _ => g.args(inner).to_vec(),
    }
}
