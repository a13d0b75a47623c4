//! Sums over cells of points by polynomials: what an approximate sum is made of, apart from the formula.
//!
//! A function of a point that is smooth in a cell (a cube) is nearly the polynomial of its values at the cell's *nodes*, the
//! p^D points of a grid of Chebyshev nodes. So the sum of a smooth f over the sources of a cell is a sum over its nodes, with
//! weights that do not depend on f; and the values of a smooth function for the targets of a cell follow from those at its nodes.
//!
//! | where | what |
//! |---|---|
//! | `cells` | points sorted into cubes, which are cut in half along each axis |
//! | `nodes` | the polynomials: weights of nodes from points, values at points from nodes, and both from cell to cell |
//! | `axes` | sums over nodes along one axis after another |
//!
//! The method is the black-box fast multipole method (Fong and Darve, *The black-box fast multipole method*, Journal of Computational Physics 228,
//! 2009); what is interpolated here is any formula of a call.

mod axes;
mod cells;
mod nodes;

pub use axes::{Arrays, Matrix};
pub use cells::{AXES, Cell, Cells, Cube};
pub use nodes::{MOST as MOST_NODES, Nodes, OfCell};
