//! The lowering, from a graph to a program: it sorts the work into stages and writes each stage as loops over
//! components.
//!
//! A value that depends on one end of the pair only, and that the pair stage reads, gets an offset in the row which
//! the stage of that end leaves. Contractions of a target vector with a source vector are listed apart, so that an
//! engine can compute a tile of them as a matrix product.

mod body;
mod component;
mod cut;
pub mod program;
mod regroup;
mod scaled;
mod stage;

use std::collections::HashMap;

use crate::ir::{
    dim::Dim,
    graph::{Category, Graph, Id, Op, VarId},
};
use body::Builder;
pub use program::Program;
use program::{Contraction, Hoisted, Origin, Role, Stmt, sum};
use scaled::Scaled;
use stage::{Roles, Stage};

/// Lowers the formula f, whose components are the components of the `roots` one after another, for targets with the
/// index `targets` (I or J). `first_is_exponent` says that the reduction takes the first root as an exponent to base
/// 2.
pub fn lower(g: &mut Graph, roots: &[Id], variables: &[VarId], targets: Category, first_is_exponent: bool) -> Program {
    lower_for(g, roots, variables, Roles::new(Some(targets)), first_is_exponent)
}

/// Lowers a formula of rows, without a pair: as [`lower`], but all variables except parameters are targets, and there
/// are no sources.
pub fn lower_rows(g: &mut Graph, roots: &[Id], variables: &[VarId]) -> Program {
    lower_for(g, roots, variables, Roles::new(None), false)
}

/// The exponent to base 2 of e^f, f log2(e), for several programs to share. The constant stands where each of the
/// programs can hoist it.
pub fn to_base_two(g: &mut Graph, f: Id, targets: Category) -> Id {
    regroup::to_base_two(g, f, &Roles::new(Some(targets)), &|_| true)
}

/// The exponent f of a reduction, in which no finite term of one end is so large that f log2(e) is infinite: a mask that
/// all sources of a target have is then the same number for all of them, as it is in f. Terms of the pair are as they
/// are, unless a constant in them is as large as this.
pub fn bounded_terms(g: &mut Graph, f: Id, targets: Category) -> Id {
    regroup::bounded_terms(g, f, &Roles::new(Some(targets)))
}

fn lower_for(g: &mut Graph, roots: &[Id], variables: &[VarId], roles: Roles, first_is_exponent: bool) -> Program {
    let roots = regroup::regroup(g, roots, &roles);
    let roots = parts(g, &roots);
    #[cfg(test)]
    g.verify(&roots);
    let mut lowering = Lowering {
        raw: raw_offsets(g, variables, &roles),
        g,
        roles,
        slots: HashMap::new(),
        lens: Default::default(),
        contractions: Vec::new(),
        contraction_of: HashMap::new(),
        scaled: None,
    };
    lowering.find_contractions(&roots);
    lowering.scaled = lowering.find_scaled(&roots, first_is_exponent);
    let pair = lowering.pair(&roots);
    let scaled = lowering.scaled.map(|scaled| (scaled.contraction, lowering.slot(scaled.factor).1));
    let source = lowering.stage(Stage::Of(Role::Source));
    let target = lowering.stage(Stage::Of(Role::Target));
    let parameters = lowering.stage(Stage::Of(Role::Parameter));
    Program {
        variables: variables
            .iter()
            .map(|&v| {
                let variable = lowering.g.variable(v);
                (variable.name.clone(), lowering.roles.role(lowering.g, v), variable.dim.clone())
            })
            .collect(),
        targets: lowering.roles.target(),
        contractions: lowering.contractions,
        scaled,
        parameters,
        target,
        source,
        pair,
        out: roots.iter().fold(Dim::default(), |total, &root| sum(&total, lowering.g.dim(root))),
    }
}

/// The roots, with each concatenation replaced by its arguments: these go to the reduction one after another, while a
/// loop over the whole would have to choose between them.
fn parts(g: &Graph, roots: &[Id]) -> Vec<Id> {
    let part = |&root: &Id| if *g.op(root) == Op::Concat { parts(g, g.args(root)) } else { vec![root] };
    roots.iter().flat_map(part).collect()
}

/// The offset of each variable among the variables of its role, which a stage reads one after another.
fn raw_offsets(g: &Graph, variables: &[VarId], roles: &Roles) -> HashMap<VarId, Dim> {
    let mut ends: [Dim; 3] = Default::default();
    let mut offsets = HashMap::new();
    for &v in variables {
        let end = &mut ends[roles.role(g, v) as usize];
        offsets.insert(v, end.clone());
        *end = sum(end, &g.variable(v).dim);
    }
    offsets
}

/// The state of the lowering of one formula.
pub(crate) struct Lowering<'a> {
    g: &'a Graph,
    roles: Roles,
    raw: HashMap<VarId, Dim>,
    /// The nodes that hoisted stages leave, and the offset of each in the row of its stage.
    slots: HashMap<Id, Dim>,
    lens: HashMap<Stage, Dim>,
    contractions: Vec<Contraction>,
    contraction_of: HashMap<Id, usize>,
    scaled: Option<Scaled>,
}

impl Lowering<'_> {
    fn stage_of(&self, id: Id) -> Stage {
        self.roles.stage(self.g, id)
    }

    /// The origin and the offset of a node that an earlier stage computes. The first request makes the offset.
    fn slot(&mut self, id: Id) -> (Origin, Dim) {
        let stage = self.stage_of(id);
        let Stage::Of(role) = stage else { unreachable!("nothing comes after the pair stage") };
        let origin = Origin::Left(role);
        if let Some(offset) = self.slots.get(&id) {
            return (origin, offset.clone());
        }
        let end = self.lens.entry(stage).or_default();
        let offset = end.clone();
        *end = sum(end, self.g.dim(id));
        self.slots.insert(id, offset.clone());
        (origin, offset)
    }

    /// Finds the contractions Σ_d u_d w_d and Σ_d (u_d - w_d)² of a vector u of the target with a vector w of the
    /// source.
    fn find_contractions(&mut self, roots: &[Id]) {
        for id in self.g.reachable(roots) {
            if *self.g.op(id) != Op::Sum || !self.g.is_scalar(id) || self.stage_of(id) != Stage::Pair {
                continue;
            }
            let inner = self.g.args(id)[0];
            let (squared_distance, ends) = match (self.g.op(inner), self.g.args(inner)) {
                (Op::Mul, &[a, b]) => (false, [a, b]),
                (Op::Powi(2), &[difference]) => match (self.g.op(difference), self.g.args(difference)) {
                    (Op::Sub, &[a, b]) => (true, [a, b]),
                    _ => continue,
                },
                _ => continue,
            };
            let full = |end: Id| self.g.dim(end) == self.g.dim(inner) && !stage::is_transparent(self.g, end);
            let (target, source) = match ends.map(|end| self.stage_of(end)) {
                _ if !ends.into_iter().all(full) => continue,
                [Stage::Of(Role::Target), Stage::Of(Role::Source)] => (ends[0], ends[1]),
                [Stage::Of(Role::Source), Stage::Of(Role::Target)] => (ends[1], ends[0]),
                _ => continue,
            };
            let len = self.g.dim(inner).clone();
            let (target, source) = (self.slot(target).1, self.slot(source).1);
            self.contraction_of.insert(id, self.contractions.len());
            self.contractions.push(Contraction { squared_distance, target, source, len });
        }
    }

    /// The squared distance whose two vectors a node is the difference of: the number of its contraction, and whether
    /// the target's vector is subtracted from the source's. `None` for other nodes.
    fn differences(&self, id: Id) -> Option<(usize, bool)> {
        let (Op::Sub, &[a, b]) = (self.g.op(id), self.g.args(id)) else { return None };
        let (target, source, flipped) = match (self.stage_of(a), self.stage_of(b)) {
            (Stage::Of(Role::Target), Stage::Of(Role::Source)) => (a, b, false),
            (Stage::Of(Role::Source), Stage::Of(Role::Target)) => (b, a, true),
            _ => return None,
        };
        let (target, source) = (self.slots.get(&target)?, self.slots.get(&source)?);
        let same =
            |c: &Contraction| c.squared_distance && (&c.target, &c.source, &c.len) == (target, source, self.g.dim(id));
        Some((self.contractions.iter().position(same)?, flipped))
    }

    /// Writes a hoisted stage. It is called after everything that reads the stage has been written, so that all nodes
    /// which the stage must leave are known.
    fn stage(&mut self, stage: Stage) -> Hoisted {
        let mut slots: Vec<(Dim, Id)> = (self.slots.iter())
            .filter(|&(&id, _)| self.roles.stage(self.g, id) == stage)
            .map(|(&id, offset)| (offset.clone(), id))
            .collect();
        // by nodes, which were made in the same order on every run
        slots.sort_by_key(|&(_, id)| id);
        let nodes: Vec<Id> = slots.iter().map(|s| s.1).collect();
        let mut body = Builder::new(self, stage, &nodes);
        for (offset, id) in &slots {
            body.write(*id, offset);
        }
        let body = body.finish();
        Hoisted { dim: self.lens.get(&stage).cloned().unwrap_or_default(), body }
    }

    fn pair(&mut self, roots: &[Id]) -> Vec<Stmt> {
        // the reduction takes the two factors of a product, so the product itself need not be computed
        let needed: Vec<Id> = roots.iter().flat_map(|&root| self.factors(root)).collect();
        let mut body = Builder::new(self, Stage::Pair, &needed);
        let mut offset = Dim::default();
        for &root in roots {
            let next = sum(&offset, body.dim(root));
            body.put(root, &offset);
            offset = next;
        }
        body.finish()
    }

    /// What the reduction is handed for a root: the two factors of a product, the operand of a negation, or the root
    /// itself.
    fn factors(&self, root: Id) -> Vec<Id> {
        match self.g.op(root) {
            Op::Mul if self.stage_of(root) == Stage::Pair && self.g.beyond(self.g.args(root)).is_none() => {
                self.g.args(root).to_vec()
            }
            Op::Neg if self.stage_of(root) == Stage::Pair => self.g.args(root).to_vec(),
            Op::Powi(2) if self.stage_of(root) == Stage::Pair => vec![self.g.args(root)[0]; 2],
            _ => vec![root],
        }
    }
}
