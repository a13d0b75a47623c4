//! The formula graph: the one representation between the checker and the lowering.
//!
//! # Contract
//! - A node is an operation, its arguments and its dimension. A value is a vector of `dim` components; a scalar is a
//!   vector of dimension 1.
//! - Nodes live in an arena and are hash-consed: equal operations on equal arguments are the same [`Id`], so what a
//!   formula says twice is computed once. Arguments have smaller ids than the nodes that use them: going through the
//!   arena upwards is a topological order.
//! - Element-wise operations take arguments of dimension 1 or of the dimension of the result; dimension 1 broadcasts.
//! - Nodes are made by the constructors of [`crate::ir::simplify`], which check nothing: dimensions were checked by
//!   [`crate::ir::table`] at the user's tokens. [`Graph::verify`] checks the contract in tests.
//! - A graph never contains the derivative of something: differentiation makes ordinary nodes at once.

use std::collections::HashMap;

use crate::ir::{dim::Dim, finite::Values, table::Fun, view::View};

/// A node of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u32);

/// A variable of a [`Graph`], by its place in [`Graph::variables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VarId(pub u32);

/// What a node computes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A row of a variable.
    Var(VarId),
    /// A constant, by its bits as f64. Dimension 1.
    Const(u64),
    /// A vector of zeros.
    Zero,
    /// The vector with 1 at the component and 0 elsewhere.
    Unit(u64),
    /// The vector 0, 1, 2, ...
    Places,
    /// Element-wise arithmetic.
    Add,
    /// Element-wise arithmetic.
    Sub,
    /// Element-wise arithmetic.
    Mul,
    /// Element-wise arithmetic.
    Div,
    /// Element-wise arithmetic.
    Neg,
    /// Element-wise fixed power.
    Powi(i32),
    /// An element-wise function of the operation table.
    Fun(Fun),
    /// Sums of as many components each as there are, one after another: of all, where the dimension is 1.
    Sum,
    /// The largest component; NaN is skipped.
    Max,
    /// The place of the largest component, the first of several.
    ArgMax,
    /// A scalar, repeated.
    Broadcast,
    /// Components of a vector, by their places in it.
    View(View),
    /// The argument at the places of a view, which are all different, in a vector of zeros: the adjoint of `View`.
    Spread(View),
    /// The components of all arguments, one after another.
    Concat,
    /// Matrix (n x p, row-major) times vector (p).
    MatVec,
    /// Vector (n) times matrix (n x p, row-major).
    VecMat,
    /// Outer product (n, p) -> n x p, row-major.
    Outer,
}

/// See [`Op`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// Its arguments.
    pub args: Vec<Id>,
    /// Components of the value.
    pub dim: Dim,
}

/// What a variable's rows belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// `Vi`: one row for each i.
    I,
    /// `Vj`: one row for each j.
    J,
    /// `Pm`: one row in all.
    P,
}

/// A variable of the formula.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What its rows belong to.
    pub category: Category,
    /// Components of a row.
    pub dim: Dim,
}

/// Which variables a node depends on: a set of bits.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Dependence(Vec<u64>);

impl Dependence {
    /// Whether the variable is among them.
    pub fn contains(&self, v: VarId) -> bool {
        self.0.get(v.0 as usize / 64).is_some_and(|word| word >> (v.0 % 64) & 1 == 1)
    }

    /// The variables.
    pub fn iter(&self) -> impl Iterator<Item = VarId> {
        self.0.iter().zip((0..).step_by(64)).flat_map(|(&word, first): (_, u32)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(VarId(first + bit))
            })
        })
    }

    fn insert(&mut self, v: VarId) {
        let word = v.0 as usize / 64;
        self.0.resize(self.0.len().max(word + 1), 0);
        self.0[word] |= 1 << (v.0 % 64);
    }

    fn union(&mut self, other: &Dependence) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        for (word, bits) in self.0.iter_mut().zip(&other.0) {
            *word |= bits;
        }
    }
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    dependence: Vec<Dependence>,
    /// What is known about the values of each node.
    values: Vec<Values>,
    known: HashMap<Node, Id>,
    /// What was divided by which constant, where a node multiplies by the reciprocal.
    pub(crate) quotients: HashMap<Id, (Id, Id)>,
    /// The variables, in the order of the function's arguments.
    pub variables: Vec<Variable>,
    /// What const generics must be like, which is known where the function is called.
    pub requirements: Vec<Requirement>,
}

/// A dimension that must not exceed another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The smaller.
    pub end: Dim,
    /// The larger.
    pub whole: Dim,
    /// What to say if it does.
    pub message: String,
}

impl Graph {
    /// The node, made or found.
    pub fn intern(&mut self, op: Op, args: Vec<Id>, dim: Dim) -> Id {
        let node = Node { op, args, dim };
        if let Some(&id) = self.known.get(&node) {
            return id;
        }
        let id = Id(u32::try_from(self.nodes.len()).expect("a formula of 2^32 operations does not fit in memory"));
        let mut dependence = Dependence::default();
        for &a in &node.args {
            dependence.union(self.dependence(a));
        }
        if let Op::Var(v) = node.op {
            dependence.insert(v);
        }
        self.dependence.push(dependence);
        self.values.push(self.values_of(&node.op, &node.args));
        self.known.insert(node.clone(), id);
        self.nodes.push(node);
        id
    }

    /// Adds a variable.
    pub fn push_variable(&mut self, name: String, category: Category, dim: Dim) -> VarId {
        let id = VarId(u32::try_from(self.variables.len()).expect("fewer than 2^32"));
        self.variables.push(Variable { name, category, dim });
        id
    }

    /// The node of a variable.
    pub fn var(&mut self, v: VarId) -> Id {
        let dim = self.variables[v.0 as usize].dim.clone();
        self.intern(Op::Var(v), vec![], dim)
    }

    /// The variable.
    pub fn variable(&self, v: VarId) -> &Variable {
        &self.variables[v.0 as usize]
    }

    /// All variables.
    pub fn variable_ids(&self) -> impl Iterator<Item = VarId> + use<> {
        (0..self.variables.len() as u32).map(VarId)
    }

    /// The node's operation.
    pub fn op(&self, id: Id) -> &Op {
        &self.nodes[id.0 as usize].op
    }

    /// The node's arguments.
    pub fn args(&self, id: Id) -> &[Id] {
        &self.nodes[id.0 as usize].args
    }

    /// Components of the node's value.
    pub fn dim(&self, id: Id) -> &Dim {
        &self.nodes[id.0 as usize].dim
    }

    /// The node.
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Which variables the node depends on.
    pub fn dependence(&self, id: Id) -> &Dependence {
        &self.dependence[id.0 as usize]
    }

    /// What is known about the node's values.
    pub(crate) fn known_values(&self, id: Id) -> Values {
        self.values[id.0 as usize]
    }

    /// Whether the node depends on the variable.
    pub fn depends(&self, id: Id, v: VarId) -> bool {
        self.dependence(id).contains(v)
    }

    /// Whether the value has one component.
    pub fn is_scalar(&self, id: Id) -> bool {
        self.dim(id).is_one()
    }

    /// The constant's value.
    pub fn constant_value(&self, id: Id) -> Option<f64> {
        match *self.op(id) {
            Op::Const(bits) => Some(f64::from_bits(bits)),
            Op::Zero if self.is_scalar(id) => Some(0.0),
            _ => None,
        }
    }

    /// All nodes that the roots need, arguments first.
    pub fn reachable(&self, roots: &[Id]) -> Vec<Id> {
        let end = roots.iter().map(|root| root.0 + 1).max().unwrap_or(0);
        let mut seen = vec![false; end as usize];
        let mut stack = roots.to_vec();
        while let Some(id) = stack.pop() {
            if !std::mem::replace(&mut seen[id.0 as usize], true) {
                stack.extend(self.args(id));
            }
        }
        (0..end).map(Id).filter(|id| seen[id.0 as usize]).collect()
    }

    /// Panics where the contract of the module is broken; for tests.
    #[cfg(test)]
    pub fn verify(&self, roots: &[Id]) {
        for id in self.reachable(roots) {
            let node = self.node(id);
            assert!(node.args.iter().all(|&a| a < id), "{node:?} comes before an argument");
            let dims: Vec<&Dim> = node.args.iter().map(|&a| self.dim(a)).collect();
            let inside = |view: &View, dim: &Dim| view.end().is_none_or(|end| end.at_most(dim) != Some(false));
            let sum = |dims: &[&Dim]| dims.iter().fold(Dim::default(), |s, d| s.checked_add(d).unwrap());
            let holds = match &node.op {
                Op::Var(v) => self.variable(*v).dim == node.dim,
                Op::Const(_) => node.dim.is_one(),
                Op::Zero | Op::Unit(_) | Op::Places => dims.is_empty(),
                Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Neg | Op::Powi(_) | Op::Fun(_) => {
                    dims.iter().all(|d| d.is_one() || **d == node.dim) && dims.contains(&&node.dim)
                }
                Op::Sum => dims[0].divide(&node.dim).is_some(),
                Op::Max | Op::ArgMax => node.dim.is_one(),
                Op::Broadcast => dims[0].is_one(),
                Op::View(view) => inside(view, dims[0]) && view.dim() == node.dim,
                Op::Spread(view) => inside(view, &node.dim) && view.dim() == *dims[0] && !view.repeats(),
                Op::Concat => sum(&dims) == node.dim,
                Op::MatVec | Op::VecMat => {
                    let (matrix, vector) = if node.op == Op::MatVec { (dims[0], dims[1]) } else { (dims[1], dims[0]) };
                    node.dim.checked_mul(vector).as_ref() == Some(matrix)
                }
                Op::Outer => dims[0].checked_mul(dims[1]).as_ref() == Some(&node.dim),
            };
            assert!(holds, "dimensions of {node:?}: {dims:?}");
        }
    }
}
