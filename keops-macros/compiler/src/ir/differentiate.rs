//! Derivatives: graph in, graph out, closed under itself, so any order works.

mod forward;
mod linear;
mod reverse;
mod trace;

pub(crate) use forward::diff;
pub(crate) use linear::{is_linear, is_multiple};
pub(crate) use reverse::{grad, grads};
pub(crate) use trace::{divergence, trace};
