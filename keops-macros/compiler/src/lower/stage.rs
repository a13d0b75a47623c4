//! The stage of a node, which is decided by the variables that the node depends on.

use super::program::Role;
use crate::ir::graph::{Category, Graph, Id, Op, VarId};

/// A stage of a program: it computes the nodes that depend on the same ends of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// The hoisted stage of a role: nodes that depend on a row of this role, and on no other row but that of the
    /// parameters. Nodes that depend on nothing belong to the stage of the parameters.
    Of(Role),
    /// The stage of the pair: nodes that depend on a target and on a source.
    Pair,
}

/// The roles of the variables, which are known once the index of the targets is.
pub(super) struct Roles {
    target: Option<Category>,
}

impl Roles {
    /// The roles for a result whose rows have the index `target`, I or J. With `None` all variables but parameters
    /// are targets.
    pub(super) fn new(target: Option<Category>) -> Self {
        Roles { target }
    }

    /// The index of the targets; I if all variables but parameters are targets.
    pub(super) fn target(&self) -> Category {
        self.target.unwrap_or(Category::I)
    }

    /// The role of a variable.
    pub(super) fn role(&self, g: &Graph, v: VarId) -> Role {
        match g.variable(v).category {
            Category::P => Role::Parameter,
            category if self.target.is_none_or(|target| category == target) => Role::Target,
            _ => Role::Source,
        }
    }

    /// The stage of a node.
    pub(super) fn stage(&self, g: &Graph, id: Id) -> Stage {
        let (mut target, mut source) = (false, false);
        for v in g.dependence(id).iter() {
            match self.role(g, v) {
                Role::Target => target = true,
                Role::Source => source = true,
                Role::Parameter => {}
            }
        }
        match (target, source) {
            (false, false) => Stage::Of(Role::Parameter),
            (true, false) => Stage::Of(Role::Target),
            (false, true) => Stage::Of(Role::Source),
            (true, true) => Stage::Pair,
        }
    }
}

/// Whether a node is written where it is read, in whatever stage that is: constants, and vectors that repeat
/// components.
pub(super) fn is_transparent(g: &Graph, id: Id) -> bool {
    match g.op(id) {
        Op::Const(_) | Op::Zero | Op::Unit(_) | Op::Places | Op::Broadcast => true,
        Op::View(view) => view.repeats(),
        _ => false,
    }
}
