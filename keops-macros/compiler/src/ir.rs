//! The intermediate representation: formulas as graphs, and everything that makes graphs of graphs.
//!
//! [`graph`] has the nodes and their contract, [`dim`] and [`view`] what nodes know about components. [`simplify`] and
//! [`finite`] are the constructors of nodes, [`differentiate`] the derivatives. [`table`] lists the operations of formulas,
//! [`reduction`] the reductions.

pub(crate) mod differentiate;
pub(crate) mod dim;
mod finite;
pub(crate) mod graph;
pub mod reduction;
pub(crate) mod simplify;
pub mod table;
pub(crate) mod view;
