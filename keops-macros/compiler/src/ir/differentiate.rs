//! Derivatives of formulas: of a graph they make nodes of the same graph, so derivatives of any order are possible.

mod forward;
mod linear;
mod regular;
mod reverse;
mod trace;

pub(crate) use forward::diff;
pub(crate) use linear::{is_linear, is_multiple};
pub(crate) use reverse::{grad, grads};
pub(crate) use trace::{divergence, trace};
