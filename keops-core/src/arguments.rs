//! The arguments of calls: rows and parameters, borrowed from the types that hold them.
//!
//! The function made by `keops!` takes `impl AsRows<'a, T, D>` for each variable and `impl AsParameter<'a, T, D>` for
//! each parameter. `T` follows from any of the arguments, and with it the type of literals; `D` is written in the
//! formula or follows from the row types.
//!
//! Making a [`View`] of an argument never fails: a fault (a flat slice of 7 numbers as rows of 3) is kept in the view
//! until the call is evaluated, where the name of the variable is known and the caller gets a `Result`.
//!
//! ```
//! use keops::prelude::*;
//!
//! keops! {
//!     /// a_i = s Σ_j (x_i | y_j)
//!     pub fn product(s: Pm<1>, x: Vi<2>, y: Vj<2>) -> Sum<j> { s * (x | y) }
//! }
//!
//! # fn main() -> Result<(), Error> {
//! let points = vec![[1.0_f32, 2.0], [3.0, 4.0]];
//! let flat = [1.0_f32, 2.0, 3.0, 4.0]; // the same rows, row after row
//! let rows = Rows::copied_from(&points)?;
//! let a = product(2.0, &points, &points).eval()?;
//! assert_eq!(product([2.0], &flat, &rows).eval()?, a);
//! assert_eq!(product(&[2.0], &points[..], &flat[..]).eval()?, a);
//! let error = product(2.0, &flat[..3], &points).eval().unwrap_err();
//! assert_eq!(error.to_string(), "`x` holds 3 numbers, which is not a multiple of its dimension 2");
//! # Ok(())
//! # }
//! ```

mod batched;
mod dynamic;
mod halves;
mod rows;
mod standard;

pub use batched::{Batched, batched};
pub use dynamic::{AsDynParameter, AsDynRows};
pub use standard::Number;

use crate::{data::View, number::Scalar};

/// Rows of `D` numbers of type `T`: an argument for a variable `Vi<D>` or `Vj<D>`.
///
/// The following are rows: references to `[[T; D]]`, `Vec<[T; D]>`, `[[T; D]; N]`, [`Rows<T, D>`](crate::data::Rows),
/// [`DeviceRows<T, D>`](crate::data::DeviceRows) and points that keep their tree, [`Tree<T, D>`](crate::cluster::Tree), and to
/// flat numbers, row after row: `[T]`, `Vec<T>` and `[T; N]`;
/// and references to a [`Box`], an [`Arc`](std::sync::Arc), an `Rc`, a [`Cow`](std::borrow::Cow) or another reference
/// to one of these. Rows that are separate lists, `&Vec<Vec<T>>` and `&[&[T]]`, are copied. Where `T` is `f32`, rows
/// may be stored as `f16` or `bf16`: see [`Halves`](crate::data::Halves). Arrays and matrices of other crates: see
/// [`interfaces`](crate::interfaces).
///
/// A type of yours becomes rows by implementing this for references to it:
///
/// ```
/// use keops::prelude::*;
/// use keops::{AsRows, View};
///
/// /// Positions, stored as x, y, x, y, ..
/// struct Track(Vec<f64>);
///
/// impl<'a> AsRows<'a, f64, 2> for &'a Track {
///     fn as_rows(self) -> View<'a, f64> {
///         View::from_flat(&self.0, 2)
///     }
/// }
///
/// keops! { pub fn farthest(x: Vi<2>, y: Vj<2>) -> Max<j> { sqdist(x, y) } }
///
/// # fn main() -> Result<(), Error> {
/// let track = Track(vec![0.0, 0.0, 3.0, 4.0]);
/// assert_eq!(*farthest(&track, &track).eval()?, [[25.0], [25.0]]);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not rows of dimension {D} with elements of type `{T}`",
    label = "expected rows of dimension {D}",
    note = "rows are references to `Vec<[_; {D}]>`, `[[_; {D}]]` or `Rows<_, {D}>`, or flat, row after row: `&[_]`; all arguments have one element type, `f32` or `f64`"
)]
pub trait AsRows<'a, T: Scalar, const D: usize> {
    /// The rows, borrowed.
    ///
    /// ```
    /// # use keops::{AsRows, View};
    /// let flat = vec![1.0, 2.0, 3.0, 4.0];
    /// let view: View<'_, f32> = AsRows::<f32, 2>::as_rows(&flat);
    /// assert_eq!(view.rows(), 2);
    /// ```
    #[allow(clippy::wrong_self_convention, reason = "`self` is a reference, or becomes the view")]
    fn as_rows(self) -> View<'a, T>;
}

/// `D` numbers of type `T`: an argument for a parameter `Pm<D>`.
///
/// The following are parameters: a number (for `Pm<1>`), an array `[T; D]`, or a reference to a number, `[T; D]`, `[T]`
/// or `Vec<T>`; or one row in a type that holds rows: `[[T; D]; 1]`, and references to it, `[[T; D]]`, `Vec<[T; D]>`,
/// [`Rows<T, D>`](crate::data::Rows) and [`DeviceRows<T, D>`](crate::data::DeviceRows). A pointer to one of these is a
/// parameter, too: `&&T`, `&Box<[T]>`, and so on.
///
/// ```
/// use keops::prelude::*;
/// use keops::{AsParameter, View};
///
/// /// The standard deviation σ; the factor of -x² in exp(-x²/(2 σ²)) is the parameter.
/// struct Deviation(f64);
///
/// impl<'a> AsParameter<'a, f64, 1> for Deviation {
///     fn as_parameter(self) -> View<'a, f64> {
///         View::scalar(0.5 / (self.0 * self.0))
///     }
/// }
///
/// keops! { pub fn density(g: Pm<1>, x: Vi<1>, y: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) } }
///
/// # fn main() -> Result<(), Error> {
/// let a = density(Deviation(2.0), &[[1.0]], &[[3.0]]).eval()?;
/// assert_eq!(a, density(0.125, &[[1.0]], &[[3.0]]).eval()?);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a parameter of dimension {D} with elements of type `{T}`",
    label = "expected a parameter of dimension {D}",
    note = "a parameter is an array `[_; {D}]`, a reference to one or to a slice, or one row, as `&Vec<[_; {D}]>`; that of `Pm<1>` may be a number, as `1.0`; all arguments have one element type, `f32` or `f64`"
)]
pub trait AsParameter<'a, T: Scalar, const D: usize> {
    /// The parameter, borrowed or copied.
    ///
    /// ```
    /// # use keops::{AsParameter, View};
    /// let view: View<'_, f32> = [0.5, 1.5].as_parameter();
    /// assert_eq!(view.host(), Some(&[0.5, 1.5][..]));
    /// ```
    #[allow(clippy::wrong_self_convention, reason = "`self` is a reference or a small value")]
    fn as_parameter(self) -> View<'a, T>;
}
