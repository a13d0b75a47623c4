//! The expression of one component of a node. The index of the component is a number or depends on loop variables.

use std::collections::HashMap;

use super::{
    body::Builder,
    program::{Expr, Ix, Origin, Scope, Stmt},
    stage::Stage,
};
use crate::ir::{
    dim::Dim,
    graph::{Id, Op},
    table::{self, Fun},
    view::{Axis, View},
};

/// A scope that is being written, with the values that have been computed in it or around it.
#[derive(Clone, Default)]
pub(super) struct Frame {
    pub(super) body: Vec<Stmt>,
    /// Components that have been computed, and the expression that reads each.
    pub(super) known: HashMap<(Id, Ix), Expr>,
    /// Vectors that have been computed whole, and the array that holds each.
    pub(super) arrays: HashMap<Id, u32>,
}

impl Frame {
    /// A new scope inside this one, which can read all that has been computed here.
    pub(super) fn nested(&self) -> Frame {
        Frame { body: Vec::new(), known: self.known.clone(), arrays: self.arrays.clone() }
    }
}

/// Whether a component costs at most an instruction or two besides its arguments.
pub(super) fn is_cheap(op: &Op) -> bool {
    match op {
        Op::MatVec | Op::VecMat | Op::Div | Op::Sum => false,
        Op::Powi(n) => (2..=3).contains(n),
        Op::Fun(fun) => matches!(
            fun,
            Fun::Abs
                | Fun::Sign
                | Fun::Step
                | Fun::Relu
                | Fun::Max
                | Fun::Min
                | Fun::IfElse
                | Fun::UnlessZero
                | Fun::UnlessInfinite
                | Fun::Bounded
                | Fun::Clamp
                | Fun::Equal
                | Fun::NotEqual
                | Fun::LessThan
                | Fun::LessOrEqual
        ),
        _ => true,
    }
}

impl Builder<'_, '_> {
    /// Component `index` of a node. A scalar has component 0 only, which stands for every index.
    pub(super) fn component(&mut self, id: Id, index: &Ix, frame: &mut Frame) -> Expr {
        let zero = Ix::Number(Dim::default());
        let index = if self.lowering.g.is_scalar(id) { &zero } else { index };
        if let Some(known) = frame.known.get(&(id, index.clone())) {
            return known.clone();
        }
        if let Some(&array) = frame.arrays.get(&id) {
            return Expr::Read(Origin::Array(array), index.clone());
        }
        let g = self.lowering.g;
        let is_factor = self.stage == Stage::Pair && self.lowering.scaled.is_some_and(|scaled| scaled.factor == id);
        match g.op(id).clone() {
            // read and not written out: an engine may replace this number
            Op::Const(_) if is_factor => {}
            Op::Const(bits) => return Expr::Lit(f64::from_bits(bits)),
            Op::Zero => return Expr::Lit(0.0),
            Op::Unit(k) => return self.unit(k, index),
            Op::Places => return Expr::Index(index.clone()),
            Op::Broadcast => return self.component(g.args(id)[0], &zero, frame),
            _ => {}
        }
        let value = if self.is_leaf(id) {
            let (origin, offset) = self.leaf(id);
            Expr::Read(origin, index.plus(&offset))
        } else {
            match self.compute(id, index, frame) {
                // a temporary for these would be no shorter
                value @ (Expr::Temp(_) | Expr::Lit(_)) => return value,
                value => value,
            }
        };
        let temp = self.fresh();
        frame.body.push(Stmt::Let(temp, value));
        frame.known.insert((id, index.clone()), Expr::Temp(temp));
        Expr::Temp(temp)
    }

    fn compute(&mut self, id: Id, index: &Ix, frame: &mut Frame) -> Expr {
        let g = self.lowering.g;
        let args = g.args(id).to_vec();
        let name = match g.op(id).clone() {
            Op::Add => "add",
            Op::Sub => "sub",
            Op::Mul if self.lowering.g.beyond(&args).is_some() => {
                let (factor, other) = self.lowering.g.beyond(&args).expect("it is there");
                return Expr::Call("times", vec![self.component(other, index, frame), Expr::Factor(factor)]);
            }
            Op::Mul => "mul",
            Op::Div => "div",
            Op::Neg => "neg",
            Op::Fun(fun) => table::lanes(fun).0,
            Op::Powi(n) => return Expr::Call("powi", vec![self.component(args[0], index, frame), Expr::Integer(n)]),
            Op::View(view) => return self.component(args[0], &behind(&view, index), frame),
            Op::Spread(view) => return self.spread(args[0], &view, index, frame),
            Op::Concat => return self.concat(&args, index, frame),
            Op::MatVec => {
                let columns = g.dim(args[1]).clone();
                let row = index.clone();
                let at = |k: &Ix| Ix::Row(Box::new(row.clone()), columns.clone(), Box::new(k.clone()));
                return self.inner_product((args[0], &at), (args[1], &Ix::clone), &columns, frame);
            }
            Op::VecMat => {
                let (rows, columns) = (g.dim(args[0]).clone(), g.dim(id).clone());
                let column = index.clone();
                let at = |k: &Ix| Ix::Row(Box::new(k.clone()), columns.clone(), Box::new(column.clone()));
                return self.inner_product((args[0], &Ix::clone), (args[1], &at), &rows, frame);
            }
            Op::Outer => {
                let columns = g.dim(args[1]).clone();
                let a = self.component(args[0], &divide(index, &columns), frame);
                let b = self.component(args[1], &remainder(index, &columns), frame);
                return Expr::Call("mul", vec![a, b]);
            }
            Op::Sum if !g.is_scalar(id) => return self.sum_of_block(id, index, frame),
            Op::Sum | Op::Max | Op::ArgMax => unreachable!("computed before their readers"),
            Op::Var(_) | Op::Const(_) | Op::Zero | Op::Unit(_) | Op::Places | Op::Broadcast => {
                unreachable!("taken before")
            }
        };
        let integer = if let Op::Fun(fun) = g.op(id) { fun.integer().map(Expr::Integer) } else { None };
        let args = args.into_iter().map(|arg| self.component(arg, index, frame));
        Expr::Call(name, args.chain(integer).collect())
    }

    /// Σ_k a(k) b(k), in a loop of its own.
    fn inner_product(
        &mut self,
        a: (Id, &dyn Fn(&Ix) -> Ix),
        b: (Id, &dyn Fn(&Ix) -> Ix),
        len: &Dim,
        frame: &mut Frame,
    ) -> Expr {
        let (temp, variable) = (self.fresh(), self.fresh());
        let k = Ix::Loop(variable);
        let mut inner = frame.nested();
        let x = self.component(a.0, &a.1(&k), &mut inner);
        let y = self.component(b.0, &b.1(&k), &mut inner);
        inner.body.push(Stmt::Accumulate(temp, x, Some(y)));
        frame.body.push(Stmt::Start(temp, Expr::Lit(0.0)));
        frame.body.push(Stmt::For(variable, len.clone(), inner.body));
        Expr::Temp(temp)
    }

    /// Component `index` of a sum of blocks: the sum over one block of the argument's components, in a loop of its
    /// own.
    fn sum_of_block(&mut self, id: Id, index: &Ix, frame: &mut Frame) -> Expr {
        let g = self.lowering.g;
        let summand = g.args(id)[0];
        let len = g.dim(summand).divide(g.dim(id)).expect("blocks of one length");
        let (temp, variable) = (self.fresh(), self.fresh());
        let at = Ix::Row(Box::new(index.clone()), len.clone(), Box::new(Ix::Loop(variable)));
        let mut inner = frame.nested();
        self.accumulate(temp, summand, &at, &mut inner);
        frame.body.push(Stmt::Start(temp, Expr::Lit(0.0)));
        frame.body.push(Stmt::For(variable, len, inner.body));
        Expr::Temp(temp)
    }

    fn unit(&mut self, k: u64, index: &Ix) -> Expr {
        if let Some(n) = index.number() {
            return Expr::Lit(if n == k { 1.0 } else { 0.0 });
        }
        let literal = |x: f64| Box::new(Scope { body: vec![], value: Expr::Lit(x) });
        let upper = Expr::Branch(index.clone(), Dim::number(k + 1), literal(1.0), literal(0.0));
        let upper = Box::new(Scope { body: vec![], value: upper });
        Expr::Branch(index.clone(), Dim::number(k), literal(0.0), upper)
    }

    /// Component `index` of [`Op::Spread`]: the component of `inner` that belongs there, or 0 between the places of
    /// the view.
    fn spread(&mut self, inner: Id, view: &View, index: &Ix, frame: &mut Frame) -> Expr {
        let mut axes: Vec<(Axis, Dim)> = view.axes.iter().cloned().zip(view.weights()).collect();
        axes.sort_by_key(|(axis, _)| std::cmp::Reverse(axis.stride.magnitude()));
        self.branch(
            index,
            &view.start,
            frame,
            |_, _| Expr::Lit(0.0),
            |body, frame| {
                let left = minus(index, &view.start);
                body.digits(inner, &axes, left, Ix::Number(Dim::default()), frame)
            },
        )
    }

    /// Takes the index `left` apart into steps along the `axes`, of which the one with the widest stride comes first.
    /// `at` is the index in `inner` that earlier axes add up to. The expression is 0 where the view has no place at
    /// `left`.
    fn digits(&mut self, inner: Id, axes: &[(Axis, Dim)], left: Ix, at: Ix, frame: &mut Frame) -> Expr {
        let Some(((axis, weight), rest)) = axes.split_first() else {
            let one = Dim::number(1);
            let found = |body: &mut Self, frame: &mut Frame| body.component(inner, &at, frame);
            return self.branch(&left, &one, frame, found, |_, _| Expr::Lit(0.0));
        };
        let digit = divide(&left, &axis.stride);
        let found = |body: &mut Self, frame: &mut Frame| {
            let at = at.and(&digit.times(weight));
            if axis.stride.is_one() {
                return body.component(inner, &at, frame);
            }
            body.digits(inner, rest, remainder(&left, &axis.stride), at, frame)
        };
        self.branch(&digit, &axis.len, frame, found, |_, _| Expr::Lit(0.0))
    }

    fn concat(&mut self, parts: &[Id], index: &Ix, frame: &mut Frame) -> Expr {
        let Some((&first, others)) = parts.split_first() else { return Expr::Lit(0.0) };
        if others.is_empty() {
            return self.component(first, index, frame);
        }
        let end = self.dim(first).clone();
        self.branch(
            index,
            &end,
            frame,
            |body, frame| body.component(first, index, frame),
            |body, frame| body.concat(others, &minus(index, &end), frame),
        )
    }

    /// The expression `yes` where index < limit, else `no`. Where both are numbers, the choice is made here.
    fn branch(
        &mut self,
        index: &Ix,
        limit: &Dim,
        frame: &mut Frame,
        yes: impl FnOnce(&mut Self, &mut Frame) -> Expr,
        no: impl FnOnce(&mut Self, &mut Frame) -> Expr,
    ) -> Expr {
        if limit.value() == Some(0) {
            return no(self, frame);
        }
        if let (Some(n), Some(limit)) = (index.number(), limit.value()) {
            return if n < limit { yes(self, frame) } else { no(self, frame) };
        }
        let mut scope = |side: &mut dyn FnMut(&mut Self, &mut Frame) -> Expr| {
            let mut inner = frame.nested();
            let value = side(self, &mut inner);
            Box::new(Scope { body: inner.body, value })
        };
        let (mut yes, mut no) = (Some(yes), Some(no));
        let yes = scope(&mut |body, frame| yes.take().expect("called once")(body, frame));
        let no = scope(&mut |body, frame| no.take().expect("called once")(body, frame));
        Expr::Branch(index.clone(), limit.clone(), yes, no)
    }
}

fn minus(index: &Ix, n: &Dim) -> Ix {
    match (index.number(), n.value()) {
        (_, Some(0)) => index.clone(),
        (Some(a), Some(b)) => Ix::Number(Dim::number(a.saturating_sub(b))),
        _ => Ix::Sub(Box::new(index.clone()), n.clone()),
    }
}

/// The index in a view's argument of the component that the view shows at `index`.
fn behind(view: &View, index: &Ix) -> Ix {
    let mut at = Ix::Number(view.start.clone());
    for (a, (axis, weight)) in view.axes.iter().zip(view.weights()).enumerate() {
        let steps = divide(index, &weight);
        let digit = if a == 0 { steps } else { remainder(&steps, &axis.len) };
        at = at.and(&digit.times(&axis.stride));
    }
    at
}

pub(super) fn divide(index: &Ix, n: &Dim) -> Ix {
    if n.is_one() {
        return index.clone();
    }
    if let Ix::Row(row, columns, _) = index
        && columns == n
    {
        return Ix::clone(row);
    }
    match (index.number(), n.value()) {
        (Some(a), Some(b @ 1..)) => Ix::Number(Dim::number(a / b)),
        _ => Ix::Div(Box::new(index.clone()), n.clone()),
    }
}

pub(super) fn remainder(index: &Ix, n: &Dim) -> Ix {
    if let Ix::Row(_, columns, column) = index
        && columns == n
    {
        return Ix::clone(column);
    }
    match (index.number(), n.value()) {
        (Some(a), Some(b @ 1..)) => Ix::Number(Dim::number(a % b)),
        _ => Ix::Rem(Box::new(index.clone()), n.clone()),
    }
}
