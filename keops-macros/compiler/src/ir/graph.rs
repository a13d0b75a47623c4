//! The formula graph: the one representation of a formula between the checker and the lowering.
//!
//! # Contract
//! - A node is an operation, its arguments and its dimension. Its value is a vector of `dim` components; a scalar is
//!   a vector of dimension 1.
//! - Nodes are kept in an arena and hash-consed: equal operations on equal arguments are the same [`Id`], so an
//!   expression that a formula has twice is computed once. Arguments have smaller ids than the nodes that use them,
//!   so ascending ids are a topological order.
//! - Element-wise operations take arguments of dimension 1 or of the dimension of the result; dimension 1 broadcasts.
//! - Nodes are made by the constructors of [`crate::ir::simplify`], which check nothing: the rows of
//!   [`crate::ir::table`] have checked dimensions, with faults at the user's tokens. [`Graph::verify`] checks the
//!   contract in tests.
//! - A graph has no nodes for derivatives: differentiation makes ordinary nodes at once.

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
    /// A constant of dimension 1, by its bits as f64.
    Const(u64),
    /// A vector of zeros.
    Zero,
    /// The unit vector with 1 at this component and 0 elsewhere.
    Unit(u64),
    /// The vector 0, 1, 2, ...
    Places,
    /// Element-wise sum.
    Add,
    /// Element-wise difference.
    Sub,
    /// Element-wise product.
    Mul,
    /// Element-wise quotient.
    Div,
    /// Element-wise negation.
    Neg,
    /// Element-wise power with a fixed integer exponent.
    Powi(i32),
    /// An element-wise function of the operation table.
    Fun(Fun),
    /// Sums of consecutive blocks of components, of one length each. A node of dimension 1 is the sum of all
    /// components.
    Sum,
    /// The largest component; NaN is skipped.
    Max,
    /// The place of the largest component; of equal ones the first.
    ArgMax,
    /// A vector whose components are all a scalar.
    Broadcast,
    /// Components of a vector, chosen by a view.
    View(View),
    /// The adjoint of `View`: a vector of zeros, with the argument's components at the places of a view. The places
    /// are all different.
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

/// A node: an operation on arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// The arguments.
    pub args: Vec<Id>,
    /// The number of components of the value.
    pub dim: Dim,
}

/// The category of a variable, in KeOps' word: which rows it has.
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
    /// The name.
    pub name: String,
    /// Which rows the variable has.
    pub category: Category,
    /// The number of components of a row.
    pub dim: Dim,
}

/// The set of variables that a node depends on, as bits.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Dependence(Vec<u64>);

impl Dependence {
    /// Whether the set has this variable.
    pub fn contains(&self, v: VarId) -> bool {
        self.0.get(v.0 as usize / 64).is_some_and(|word| word >> (v.0 % 64) & 1 == 1)
    }

    /// The variables in the set.
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

/// A graph of formulas, see the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    dependence: Vec<Dependence>,
    /// The facts that are known about the values of each node.
    values: Vec<Values>,
    known: HashMap<Node, Id>,
    /// The dividend and the constant of each node that multiplies by the reciprocal of a constant instead of
    /// dividing.
    pub(crate) quotients: HashMap<Id, (Id, Id)>,
    /// The variables, in the order of the function's arguments.
    pub variables: Vec<Variable>,
    /// Conditions on const generics, which can be checked where the function is called.
    pub requirements: Vec<Requirement>,
}

/// A dimension that must not exceed another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The dimension that must not exceed the other.
    pub end: Dim,
    /// The other dimension.
    pub whole: Dim,
    /// The message if it does.
    pub message: String,
}

impl Graph {
    /// The node of an operation, which is made unless the graph has it.
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

    /// The node of an operation, if the graph has it, with the dimension of its first argument.
    pub(crate) fn find(&self, op: &Op, args: &[Id]) -> Option<Id> {
        let node = Node { op: op.clone(), args: args.to_vec(), dim: self.dim(args[0]).clone() };
        self.known.get(&node).copied()
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

    /// The variable with this number.
    pub fn variable(&self, v: VarId) -> &Variable {
        &self.variables[v.0 as usize]
    }

    /// The numbers of all variables.
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

    /// The number of components of the node's value.
    pub fn dim(&self, id: Id) -> &Dim {
        &self.nodes[id.0 as usize].dim
    }

    /// The node with this number.
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The variables that the node depends on.
    pub fn dependence(&self, id: Id) -> &Dependence {
        &self.dependence[id.0 as usize]
    }

    /// The facts that are known about the node's values.
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

    /// The value of the node, if it is a scalar constant.
    pub fn constant_value(&self, id: Id) -> Option<f64> {
        match *self.op(id) {
            Op::Const(bits) => Some(f64::from_bits(bits)),
            Op::Zero if self.is_scalar(id) => Some(0.0),
            _ => None,
        }
    }

    /// The roots and all nodes that they need, arguments first.
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

    /// Panics if the contract of the module is broken.
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
