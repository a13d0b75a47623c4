//! The statements of one stage. Scalars are computed as soon as their arguments are; sums over components are loops,
//! and sums of the same length that do not depend on each other share one loop.

use std::collections::{HashMap, HashSet};

use super::{
    Lowering,
    component::{Frame, divide, is_cheap, remainder},
    cut::cut,
    program::{Expr, Ix, Origin, Role, Stmt},
    stage::{Stage, is_transparent},
};
use crate::ir::{
    dim::Dim,
    graph::{Id, Op},
};

/// The most operations of a vector's component that are repeated for each of its readers; a dearer vector is kept in
/// an array.
const REPEATABLE: u32 = 4;
/// The deepest nesting of operations that are written one inside the other, which takes recursion.
const NESTED: u32 = 64;

/// Builds the statements of a stage.
pub(super) struct Builder<'l, 'g> {
    pub(super) lowering: &'l mut Lowering<'g>,
    pub(super) stage: Stage,
    /// The outermost scope.
    frame: Frame,
    /// The number of reads of each node in this stage.
    reads: HashMap<Id, u32>,
    items: HashMap<Id, Item>,
    next: u32,
}

/// A node that is computed once, before its readers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    Scalar,
    /// A loop over components that leaves one number: a sum, the largest component, or the place of it.
    Fold,
    Array,
}

impl<'l, 'g> Builder<'l, 'g> {
    /// Starts a stage: computes everything that the roots need, except vectors that are written where they are read.
    pub(super) fn new(lowering: &'l mut Lowering<'g>, stage: Stage, roots: &[Id]) -> Self {
        let mut body =
            Builder { lowering, stage, frame: Frame::default(), reads: HashMap::new(), items: HashMap::new(), next: 0 };
        let needed = body.needed(roots);
        body.reads = body.count_reads(&needed, roots);
        body.items = body.choose_items(&needed);
        body.schedule(&needed);
        body
    }

    pub(super) fn finish(self) -> Vec<Stmt> {
        cut(self.frame.body, self.next)
    }

    pub(super) fn dim(&self, id: Id) -> &Dim {
        self.lowering.g.dim(id)
    }

    pub(super) fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    /// Whether this stage computes nothing for the node: an earlier stage left its value, or it is a constant, a
    /// variable or a contraction.
    pub(super) fn is_leaf(&self, id: Id) -> bool {
        let g = self.lowering.g;
        self.lowering.contraction_of.contains_key(&id) && self.stage == Stage::Pair
            || !is_transparent(g, id) && self.lowering.stage_of(id) != self.stage
            || matches!(g.op(id), Op::Const(_) | Op::Zero | Op::Unit(_) | Op::Places | Op::Var(_))
    }

    /// The nodes that this stage computes for the roots, arguments first.
    fn needed(&self, roots: &[Id]) -> Vec<Id> {
        let mut seen = HashSet::new();
        let mut stack = roots.to_vec();
        while let Some(id) = stack.pop() {
            if !self.is_leaf(id) && seen.insert(id) {
                stack.extend(self.lowering.g.args(id));
            }
        }
        let mut needed: Vec<Id> = seen.into_iter().collect();
        needed.sort();
        needed
    }

    fn count_reads(&self, needed: &[Id], roots: &[Id]) -> HashMap<Id, u32> {
        let mut reads: HashMap<Id, u32> = HashMap::new();
        for id in needed.iter().flat_map(|&id| self.lowering.g.args(id)).chain(roots) {
            *reads.entry(*id).or_default() += 1;
        }
        reads
    }

    /// Chooses the nodes that are computed once: scalars, sums, and vectors that are not cheap and have several
    /// readers.
    fn choose_items(&self, needed: &[Id]) -> HashMap<Id, Item> {
        let g = self.lowering.g;
        let mut often: HashSet<Id> = HashSet::new();
        for &id in needed {
            let args = g.args(id);
            // these arguments are read again for each row or column of the other argument
            match g.op(id) {
                Op::MatVec => drop(often.insert(args[1])),
                Op::VecMat => drop(often.insert(args[0])),
                Op::Outer => often.extend(args),
                Op::View(view) if view.repeats() => drop(often.insert(args[0])),
                _ => {}
            }
        }
        let mut items = HashMap::new();
        // of vectors that are written where they are read: the operations of a component, and how deep these nest
        let mut cost: HashMap<Id, (u32, u32)> = HashMap::new();
        for &id in needed {
            if matches!(g.op(id), Op::Sum | Op::Max | Op::ArgMax) && g.is_scalar(id) {
                items.insert(id, Item::Fold);
            } else if g.is_scalar(id) {
                items.insert(id, Item::Scalar);
            } else {
                let inner = g.args(id).iter().filter_map(|a| cost.get(a));
                let (inner, nested) = inner.fold((0, 0), |(sum, most), &(cost, depth)| (sum + cost, depth.max(most)));
                let own = if is_cheap(g.op(id)) { 1 } else { 2 * REPEATABLE };
                let total = inner + own;
                let readers = self.reads.get(&id).copied().unwrap_or(0);
                if readers > 1 && total > REPEATABLE || often.contains(&id) || nested >= NESTED {
                    items.insert(id, Item::Array);
                } else {
                    cost.insert(id, (total, nested + 1));
                }
            }
        }
        items
    }

    fn schedule(&mut self, needed: &[Id]) {
        // a loop runs in the round in which its arguments have been computed, and its result can be read in the next
        // round
        let mut round: HashMap<Id, usize> = HashMap::new();
        let mut last = 0;
        for &id in needed {
            let ready = self.lowering.g.args(id).iter().filter_map(|a| round.get(a)).copied().max().unwrap_or(0);
            let is_loop = matches!(self.items.get(&id), Some(Item::Fold | Item::Array));
            round.insert(id, ready + usize::from(is_loop));
            last = last.max(ready + usize::from(is_loop));
        }
        for now in 0..=last {
            for &id in needed {
                if round[&id] == now && self.items.get(&id) == Some(&Item::Scalar) {
                    let value = self.scalar(id);
                    self.frame.known.insert((id, Ix::Number(Dim::default())), value);
                }
            }
            let loops: Vec<(Id, Item)> = needed
                .iter()
                .filter(|id| round[id] == now + 1)
                .filter_map(|&id| self.items.get(&id).map(|&item| (id, item)))
                .filter(|&(_, item)| item != Item::Scalar)
                .collect();
            self.loops(&loops);
        }
    }

    /// Writes the loops of one round: one loop for each length.
    fn loops(&mut self, loops: &[(Id, Item)]) {
        let mut by_len: Vec<(Dim, Vec<(Id, Item)>)> = Vec::new();
        for &(id, item) in loops {
            let over = if item == Item::Fold { self.lowering.g.args(id)[0] } else { id };
            let len = self.dim(over);
            match by_len.iter_mut().find(|(dim, _)| dim == len) {
                Some((_, same)) => same.push((id, item)),
                None => by_len.push((len.clone(), vec![(id, item)])),
            }
        }
        for (dim, same) in by_len {
            let variable = self.fresh();
            let mut inner = self.frame.nested();
            let mut results = Vec::new();
            for (id, item) in same {
                let index = Ix::Loop(variable);
                let temp = self.fresh();
                if item == Item::Fold {
                    self.fold(id, temp, &index, &mut inner);
                    results.push(((id, Ix::Number(Dim::default())), Expr::Temp(temp)));
                } else {
                    self.frame.body.push(Stmt::Array(temp, dim.clone()));
                    let value = self.component(id, &index, &mut inner);
                    inner.body.push(Stmt::Store(temp, index, value));
                    self.frame.arrays.insert(id, temp);
                }
            }
            self.frame.body.push(Stmt::For(variable, dim, inner.body));
            self.frame.known.extend(results);
        }
    }

    /// The two factors of a node, if it is a product or a square that this stage computes.
    pub(super) fn product(&self, id: Id) -> Option<(Id, Id)> {
        if self.is_leaf(id) || self.items.get(&id) == Some(&Item::Array) {
            return None;
        }
        match (self.lowering.g.op(id), self.lowering.g.args(id)) {
            (Op::Mul, &[a, b]) if self.lowering.g.beyond(&[a, b]).is_none() => Some((a, b)),
            (Op::Powi(2), &[a]) => Some((a, a)),
            _ => None,
        }
    }

    /// Writes a fold: a temporary that starts before the loop, and in the loop, `inner`, the statement that makes it
    /// the sum, the largest component, or the place of that.
    fn fold(&mut self, id: Id, temp: u32, index: &Ix, inner: &mut Frame) {
        let over = self.lowering.g.args(id)[0];
        let lowest = || Expr::Call("lowest", vec![]);
        match self.lowering.g.op(id) {
            Op::Max => {
                self.frame.body.push(Stmt::Start(temp, lowest()));
                let value = self.component(over, index, inner);
                inner.body.push(Stmt::Replace(temp, Expr::Call("larger", vec![Expr::Temp(temp), value])));
            }
            Op::ArgMax => {
                let best = self.fresh();
                self.frame.body.extend([Stmt::Start(best, lowest()), Stmt::Start(temp, Expr::Lit(0.0))]);
                let value = self.component(over, index, inner);
                let place = vec![Expr::Temp(best), value.clone(), Expr::Temp(temp), Expr::Index(index.clone())];
                let larger = vec![Expr::Temp(best), value];
                inner.body.push(Stmt::Replace(temp, Expr::Call("place_of_larger", place)));
                inner.body.push(Stmt::Replace(best, Expr::Call("larger", larger)));
            }
            _ => {
                self.frame.body.push(Stmt::Start(temp, Expr::Lit(0.0)));
                self.accumulate(temp, over, index, inner);
            }
        }
    }

    /// Adds component `index` of `summand` to a temporary. A product is added by one fused operation.
    pub(super) fn accumulate(&mut self, temp: u32, summand: Id, index: &Ix, frame: &mut Frame) {
        let (a, b) = self.product(summand).map_or((summand, None), |(a, b)| (a, Some(b)));
        let a = self.component(a, index, frame);
        let b = b.map(|b| self.component(b, index, frame));
        frame.body.push(Stmt::Accumulate(temp, a, b));
    }

    /// Computes a scalar in the outermost scope.
    fn scalar(&mut self, id: Id) -> Expr {
        let mut frame = std::mem::take(&mut self.frame);
        let value = self.component(id, &Ix::Number(Dim::default()), &mut frame);
        self.frame = frame;
        value
    }

    /// Writes all components of a node to the row that this stage leaves, from `offset` on.
    pub(super) fn write(&mut self, id: Id, offset: &Dim) {
        self.each(id, |body, index, frame| {
            let value = body.component(id, &index, frame);
            frame.body.push(Stmt::Write(index.plus(offset), value));
        });
    }

    /// Hands a root to the reduction, as the components of f from `offset` on.
    pub(super) fn put(&mut self, root: Id, offset: &Dim) {
        let factors = self.lowering.factors(root);
        if let &[scale, row] = factors.as_slice()
            && self.lowering.g.is_scalar(scale)
            && !self.lowering.g.is_scalar(row)
            && !is_transparent(self.lowering.g, row)
            && self.lowering.stage_of(row) == Stage::Of(Role::Source)
        {
            let scale = self.scalar(scale);
            let (_, from) = self.lowering.slot(row);
            let len = self.dim(row).clone();
            self.frame.body.push(Stmt::PutScaled { to: offset.clone(), scale, from, len });
            return;
        }
        if let &[scale, row] = factors.as_slice()
            && self.lowering.g.is_scalar(scale)
            && self.items.get(&row) != Some(&Item::Array)
            && let Some((contraction, flipped)) = self.lowering.differences(row)
        {
            let scale = self.scalar(scale);
            self.frame.body.push(Stmt::PutDifferences { to: offset.clone(), scale, contraction, flipped });
            return;
        }
        if let (&Op::Outer, false) = (self.lowering.g.op(root), self.is_leaf(root)) {
            let (u, w) = (self.lowering.g.args(root)[0], self.lowering.g.args(root)[1]);
            let columns = self.dim(w).clone();
            self.each(root, |body, index, frame| {
                let a = body.component(u, &divide(&index, &columns), frame);
                let b = body.component(w, &remainder(&index, &columns), frame);
                frame.body.push(Stmt::Put(index.plus(offset), a, Some(b)));
            });
            return;
        }
        let negated = *self.lowering.g.op(root) == Op::Neg && factors[0] != root;
        self.each(root, |body, index, frame| {
            let a = body.component(factors[0], &index, frame);
            let b = match factors.get(1) {
                Some(&b) => Some(body.component(b, &index, frame)),
                None => negated.then_some(Expr::Lit(-1.0)),
            };
            frame.body.push(Stmt::Put(index.plus(offset), a, b));
        });
    }

    /// Runs `action` for each component of a node: once for a scalar, in a loop for a vector.
    fn each(&mut self, id: Id, action: impl FnOnce(&mut Self, Ix, &mut Frame)) {
        let dim = self.dim(id).clone();
        if dim.is_one() {
            let mut frame = std::mem::take(&mut self.frame);
            action(self, Ix::Number(Dim::default()), &mut frame);
            self.frame = frame;
        } else {
            let variable = self.fresh();
            let mut inner = self.frame.nested();
            action(self, Ix::Loop(variable), &mut inner);
            self.frame.body.push(Stmt::For(variable, dim, inner.body));
        }
    }

    /// The origin and the offset of a leaf: of a contraction, of a node that an earlier stage left, or of a variable
    /// that this stage reads.
    pub(super) fn leaf(&mut self, id: Id) -> (Origin, Dim) {
        if let Some(&k) = self.lowering.contraction_of.get(&id)
            && self.stage == Stage::Pair
        {
            return (Origin::Contractions, Dim::number(k as u64));
        }
        match *self.lowering.g.op(id) {
            Op::Var(v) if self.lowering.stage_of(id) == self.stage => (Origin::Raw, self.lowering.raw[&v].clone()),
            _ => self.lowering.slot(id),
        }
    }
}
