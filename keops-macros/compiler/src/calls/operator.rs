//! Sums as linear operators: which variables stand for the vector of a matrix product.

use crate::ir::{
    differentiate::{is_linear, is_multiple},
    dim::Dim,
    graph::{Category, Graph, Id, VarId},
};

/// A sum as a linear operator on one of its variables.
pub struct Operator {
    /// The variable.
    pub variable: String,
    /// Its place among the arguments.
    pub place: usize,
    /// Its components.
    pub dim: Dim,
    /// Components of a row of the result.
    pub width: Dim,
    /// Each pair multiplies the variable by a number.
    pub multiple: bool,
}

/// The variables of the index that is summed over in which f is linear.
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
