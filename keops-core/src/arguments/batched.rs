//! Arguments with batch dimensions.

use super::{AsParameter, AsRows, View};
use crate::real::Element;

/// Rows that are shared out among batches; made by [`batched`].
#[derive(Clone, Debug)]
pub struct Batched<A> {
    rows: A,
    batch: Vec<usize>,
}

/// Shares the rows of an argument out among batches of this shape, in row-major order: a call computes each batch by
/// itself.
///
/// With `batched(&x, [8, 2])`, `x` holds 16 N rows, those of batch (0, 0) first, then those of batch (0, 1). The batch
/// dimensions of all arguments are broadcast as arrays are in NumPy: the last ones belong together, missing ones count
/// as 1, and those of size 1 serve for all. Arguments without batches are shared by all of them. The result has the rows of all batches, one
/// batch after another; a gradient has as many as its variable, and is the sum over the batches that share it. A
/// parameter is given as rows, one for each batch.
///
/// ```
/// # use keops_core::{arguments::{AsRows, Batched, batched}, arguments::View};
/// let x: Vec<[f32; 3]> = vec![[0.0; 3]; 80];
/// let view: View<f32> = batched(&x, [4]).as_rows();
/// assert_eq!((view.batches(), view.rows()), (4, 20));
/// ```
#[must_use]
pub fn batched<A>(rows: A, batch: impl AsRef<[usize]>) -> Batched<A> {
    Batched { rows, batch: batch.as_ref().to_vec() }
}

impl<'a, T: Element, const D: usize, A: AsRows<'a, T, D>> AsRows<'a, T, D> for Batched<A> {
    fn as_rows(self) -> View<'a, T> {
        self.rows.as_rows().batched(&self.batch)
    }
}

impl<'a, T: Element, const D: usize, A: AsRows<'a, T, D>> AsParameter<'a, T, D> for Batched<A> {
    fn as_parameter(self) -> View<'a, T> {
        self.rows.as_rows().batched(&self.batch).into_parameters()
    }
}
