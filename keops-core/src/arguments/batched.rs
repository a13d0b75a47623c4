//! Arguments with batch dimensions.

use super::{AsDynParameter, AsDynRows, AsParameter, AsRows};
use crate::data::View;
use crate::number::Scalar;

/// Rows that are divided among batches; made by [`batched`].
///
/// ```
/// use keops::{Batched, prelude::*};
///
/// keops! { pub fn total(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y } }
///
/// # fn main() -> Result<(), Error> {
/// let y = [[1.0_f32], [2.0], [3.0], [4.0]];
/// let pairs: Batched<&[[f32; 1]; 4]> = batched(&y, [2]);
/// let a = total(&[[1.0]], pairs.clone()).eval()?;
/// assert_eq!(*a, [[3.0], [7.0]]); // 1 + 2 and 3 + 4
/// assert_eq!(*total(&a, pairs).eval()?, [[9.0], [21.0], [21.0], [49.0]]); // a has no batches: both share it
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Batched<A> {
    rows: A,
    batch: Vec<usize>,
}

/// Divides the rows of an argument among batches of this shape, in row-major order. A call computes each batch
/// separately.
///
/// With `batched(&x, [8, 2])`, `x` holds 16 N rows: first the N rows of batch (0, 0), then the N rows of batch (0, 1),
/// and so on. The batch dimensions of all arguments are broadcast as the dimensions of arrays are in NumPy: they are
/// aligned at the last one, missing dimensions count as 1, and a dimension of size 1 is repeated. All batches share the
/// arguments without batches. The result has the rows of all batches, one batch after another. A gradient has as many
/// rows as its variable; it is the sum over the batches that share the variable. A parameter is given as rows, one for
/// each batch.
///
/// ```
/// use keops::prelude::*;
///
/// keops! { pub fn product(s: Pm<1>, x: Vi<1>, y: Vj<1>) -> Sum<j> { s * x * y } }
///
/// # fn main() -> Result<(), Error> {
/// let (x, y) = ([[1.0_f32], [2.0]], [[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]]);
/// // three batches, each with two rows of y and an s of its own; all have the same x
/// let a = product(batched(&[[1.0], [10.0], [100.0]], [3]), &x, batched(&y, [3])).eval()?;
/// assert_eq!(a.as_flat(), [3.0, 6.0, 70.0, 140.0, 1100.0, 2200.0]);
/// let error = product(1.0, batched(&x, [2]), batched(&y, [3])).eval().unwrap_err();
/// assert_eq!(error.to_string(), "`y` has batches of shape [3], which do not broadcast with [2]");
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn batched<A>(rows: A, batch: impl AsRef<[usize]>) -> Batched<A> {
    Batched { rows, batch: batch.as_ref().to_vec() }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, const D: usize, A: AsRows<'a, T, D>> AsRows<'a, T, D> for Batched<A> {
    fn as_rows(self) -> View<'a, T> {
        self.rows.as_rows().batched(&self.batch)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, const D: usize, A: AsRows<'a, T, D>> AsParameter<'a, T, D> for Batched<A> {
    fn as_parameter(self) -> View<'a, T> {
        self.rows.as_rows().batched(&self.batch).into_parameters()
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, A: AsDynRows<'a, T>> AsDynRows<'a, T> for Batched<A> {
    fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
        self.rows.as_dyn_rows(dim).batched(&self.batch)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Scalar, A: AsDynRows<'a, T>> AsDynParameter<'a, T> for Batched<A> {
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T> {
        self.rows.as_dyn_rows(dim).batched(&self.batch).into_parameters()
    }
}
