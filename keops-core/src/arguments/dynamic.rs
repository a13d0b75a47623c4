//! Arguments of variables whose dimension stable Rust cannot name in a type, as D*D for a const generic D.

use crate::data::View;
use crate::number::Scalar;

/// Rows of numbers of type `T`, whose dimension is checked when the call is made: an argument for a variable `Vi<D *
/// D>`, say, for which stable Rust has no type `[T; D * D]`.
///
/// These are all types that are rows of some dimension, see [`AsRows`](super::AsRows), flat rows, a
/// [`Matrix`](crate::data::Matrix), and rows that are matrices of N by M numbers, row-major, for a variable of
/// dimension N*M: `&Vec<[[T; M]; N]>`, `&[[[T; M]; N]]`.
///
/// ```
/// use keops::prelude::*;
///
/// keops! {
///     /// Each target has its own metric S_i: a_i = Σ_j exp(-(x_i - y_j)ᵀ S_i (x_i - y_j))
///     pub fn density<const D: usize>(s: Vi<D * D>, x: Vi<D>, y: Vj<D>) -> Sum<j> {
///         exp(-weighted_sqdist(s, x, y))
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let (x, y) = ([[0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]);
/// let a = density(&[[[2.0, 0.0], [0.0, 3.0]]], &x, &y).eval()?; // one matrix
/// assert_eq!(a, density(&[[2.0, 0.0, 0.0, 3.0]], &x, &y).eval()?); // one row
/// assert_eq!(a, density(&[2.0, 0.0, 0.0, 3.0], &x, &y).eval()?); // flat
/// let error = density(&[[2.0, 0.0, 3.0]], &x, &y).eval().unwrap_err();
/// assert_eq!(error.to_string(), "`s` has dimension 4, but its rows hold 3 numbers");
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not rows with elements of type `{T}`",
    label = "expected rows",
    note = "rows are references to `Vec<[_; N]>`, `[[_; N]]`, `Vec<[[_; N]; M]>` or a `Matrix<_>`, or flat, row after row: `&[_]`; all arguments have one element type, `f32` or `f64`"
)]
pub trait AsDynRows<'a, T: Scalar> {
    /// The rows, borrowed. A row that does not have `dim` numbers is a fault of the view.
    ///
    /// ```
    /// # use keops::{AsDynRows, View};
    /// let matrices = [[[1.0, 2.0], [3.0, 4.0]]; 5];
    /// let view: View<'_, f32> = matrices.as_dyn_rows(4);
    /// assert_eq!((view.rows(), view.check("s")), (5, Ok(())));
    /// assert!(matrices.as_dyn_rows(3).check("s").is_err());
    /// ```
    #[allow(clippy::wrong_self_convention, reason = "`self` is a reference, or becomes the view")]
    fn as_dyn_rows(self, dim: usize) -> View<'a, T>;
}

/// Numbers of type `T` for a parameter whose dimension is checked when the call is made: an argument for `Pm<D * D>`,
/// say.
///
/// These are all types that are a parameter of some dimension, see [`AsParameter`](super::AsParameter), and arrays of
/// arrays: `[[T; M]; N]` is a row-major matrix for a parameter of dimension N*M.
///
/// ```
/// use keops::prelude::*;
///
/// keops! {
///     pub fn product<const D: usize>(s: Pm<D * D>, x: Vi<D>, y: Vj<D>) -> Sum<j> { (x | mat_vec(s, y)) }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let x = [[1.0_f32, 2.0]];
/// assert_eq!(*product([[0.0, 1.0], [1.0, 0.0]], &x, &x).eval()?, [[4.0]]);
/// let error = product([1.0, 0.0], &x, &x).eval().unwrap_err();
/// assert_eq!(error.to_string(), "the parameter `s` has dimension 4, but holds 2 numbers");
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a parameter with elements of type `{T}`",
    label = "expected a parameter",
    note = "a parameter is an array, as `[_; N]` or `[[_; N]; M]`, or a reference to one, to a slice or a vector; all arguments have one element type, `f32` or `f64`"
)]
pub trait AsDynParameter<'a, T: Scalar> {
    /// The parameter, borrowed or copied. Another number of numbers than `dim` is a fault of the view.
    ///
    /// ```
    /// # use keops::{AsDynParameter, View};
    /// let view: View<'_, f32> = [[0.5, 1.5], [2.5, 3.5]].as_dyn_parameter(4);
    /// assert_eq!(view.host(), Some(&[0.5, 1.5, 2.5, 3.5][..]));
    /// ```
    #[allow(clippy::wrong_self_convention, reason = "`self` is a reference or a small value")]
    fn as_dyn_parameter(self, dim: usize) -> View<'a, T>;
}
