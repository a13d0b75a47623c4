//! Which stage computes a node: what it depends on decides.

use super::program::Role;
use crate::ir::graph::{Category, Graph, Id, Op, VarId};

/// A stage, which computes the nodes that depend on the same ends of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// Nodes of a row of this role, and of what all rows share: a hoisted stage. Nodes of nothing but constants are computed
    /// with the parameters.
    Of(Role),
    /// Nodes of a target and a source.
    Pair,
}

/// The roles of the variables, once it is known which index is the target.
pub(super) struct Roles {
    target: Option<Category>,
}

impl Roles {
    /// With rows of the result indexed by `target`: I or J; `None` if all rows are targets.
    pub(super) fn new(target: Option<Category>) -> Self {
        Roles { target }
    }

    /// What the targets are indexed by; I if all rows are.
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

/// Whether a node is written where it is read, in whatever stage: constants, and what repeats.
pub(super) fn is_transparent(g: &Graph, id: Id) -> bool {
    match g.op(id) {
        Op::Const(_) | Op::Zero | Op::Unit(_) | Op::Places | Op::Broadcast => true,
        Op::View(view) => view.repeats(),
        _ => false,
    }
}
