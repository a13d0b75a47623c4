//! Sums as linear operators: a sum that is linear in a variable of the sources is the product of a matrix with the
//! rows of that variable.

use crate::ir::{
    differentiate::{is_linear, is_multiple},
    dim::Dim,
    graph::{Category, Graph, Id, VarId},
};

/// A sum as a linear operator on one of its variables.
pub struct Operator {
    /// The name of the variable.
    pub variable: String,
    /// The place of the variable among the arguments.
    pub place: usize,
    /// The number of components of the variable.
    pub dim: Dim,
    /// The number of components of the result.
    pub width: Dim,
    /// Whether the term of a pair is a number times the variable.
    pub multiple: bool,
}

/// The sum of f as a linear operator, for each variable of the sources in which f is linear.
pub(crate) fn operators(g: &mut Graph, f: Id, variables: &[VarId], target: Category) -> Vec<Operator> {
    let mut operators = Vec::new();
    for (place, &v) in variables.iter().enumerate() {
        let variable = g.variable(v).clone();
        let source = variable.category != target && variable.category != Category::P;
        if source && is_linear(g, f, v) {
            let (multiple, width) = (is_multiple(g, f, v), g.dim(f).clone());
            operators.push(Operator { variable: variable.name, place, dim: variable.dim, width, multiple });
        }
    }
    operators
}
