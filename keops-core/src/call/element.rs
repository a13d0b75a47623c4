//! The element types of calls.

use pulp::Arch;

use crate::{
    arguments::Number,
    call::{Part, Pass, engine, parts, pieces},
    data::{Error, Neighbours, Stored, To, View},
    lanes::Vectorized,
    number::Scalar,
    problem::{
        Pairs, Piece, Problem, Signature, States, Sweep,
        cuda::{Engines, EnginesFor},
    },
};

/// The element type of a call: `f32` or `f64`.
///
/// The numbers of the arguments have this type, formulas are computed in it, and results consist of it.
///
/// ```
/// use keops::{Element, prelude::*};
///
/// keops! {
///     /// a_i = Σ_j exp(-|x_i - y_j|²)
///     pub fn gaussian(x: Vi<1>, y: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) }
/// }
///
/// /// The mean over all pairs, in the precision of the points.
/// fn mean<T: Element>(x: &[[T; 1]]) -> Result<f64, Error> {
///     let sums = gaussian(x, x).eval()?;
///     let total: f64 = sums.iter().map(|row| Element::to_f64(row[0])).sum();
///     Ok(total / (x.len() * x.len()) as f64)
/// }
///
/// # fn main() -> Result<(), Error> {
/// let exact = (1.0 + (-1.0_f64).exp()) / 2.0;
/// assert!((mean(&[[0.0_f64], [1.0]])? - exact).abs() < 1e-15);
/// assert!((mean(&[[0.0_f32], [1.0]])? - exact).abs() < 1e-7);
/// assert_eq!((<f32 as Element>::NAME, <f64 as Element>::NAME), ("f32", "f64"));
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the element type of an argument, which is `f32` or `f64`",
    label = "expected numbers of type `f32` or `f64`",
    note = "points are arrays, as `[f32; 3]`; a type of yours becomes rows by implementing `keops::AsRows` for references to it"
)]
pub trait Element: Vectorized + Stored + Number<Self> {
    /// `f32` or `f64`.
    const NAME: &'static str = <Self as Scalar>::TYPE_NAME;

    /// The value nearest to `value`.
    ///
    /// ```
    /// # use keops::Element;
    /// assert_eq!(<f32 as Element>::from_f64(0.1), 0.1_f32);
    /// ```
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        Self::of_f64(value)
    }
    /// The exact value as `f64`.
    ///
    /// ```
    /// # use keops::Element;
    /// assert_eq!(Element::to_f64(0.5_f32), 0.5);
    /// assert_ne!(Element::to_f64(0.1_f32), 0.1); // the f32 nearest to 0.1 is another number than the f64
    /// ```
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self.as_f64()
    }

    /// [`Problem::new`]. As a method of the element type, it is compiled once, with this crate.
    ///
    /// # Errors
    /// The errors of [`Problem::new`].
    #[doc(hidden)]
    fn problem<'a>(
        signature: Signature,
        views: &'a [View<'_, Self>],
        pairs: Pairs<'a>,
    ) -> Result<Problem<'a, Self>, Error>;

    /// [`Pass::run`]; it is compiled once, too.
    ///
    /// # Errors
    /// The errors of [`Pass::run`].
    #[doc(hidden)]
    fn run(pass: &Pass<'_, Self>, parts: &mut [Part<'_, Self>], indices: Option<To<'_, u32>>) -> Result<(), Error>;

    /// [`Pass::reduce`] with a chosen instruction set of the processor; it is compiled once, too.
    ///
    /// # Errors
    /// The errors of [`Pass::reduce`].
    #[doc(hidden)]
    fn reduce(
        arch: Arch,
        pass: &Pass<'_, Self>,
        pieces: &mut [Piece<'_, Self>],
        indices: Option<To<'_, u32>>,
    ) -> Result<(), Error>;

    /// [`Pass::states`]; it is compiled once, too.
    ///
    /// # Errors
    /// The errors of [`Pass::states`].
    #[doc(hidden)]
    fn states(pass: &Pass<'_, Self>, start: u64, before: Option<States<Self>>) -> Result<States<Self>, Error>;

    /// The rows that a pass saves, where it is one of a partial result; it is compiled once, too.
    ///
    /// # Errors
    /// [`Error::SweepsLeft`] ends a sweep.
    #[doc(hidden)]
    fn saved<'a>(sweep: &Sweep, pass: &Pass<'_, Self>) -> Result<View<'a, Self>, Error>;

    /// The lists of a pass that has some; it is compiled once, too.
    ///
    /// # Errors
    /// The errors of [`Pass::lists`].
    #[doc(hidden)]
    fn lists(pass: &Pass<'_, Self>) -> Result<Neighbours<Self>, Error>;

    /// The engines for this element type.
    #[doc(hidden)]
    fn engines(engines: &dyn Engines) -> &dyn EnginesFor<Self>;
}

macro_rules! element {
    ($($t:ident)*) => {$(
        #[diagnostic::do_not_recommend]
        impl Element for $t {
            #[inline(never)]
            fn problem<'a>(
                signature: Signature,
                views: &'a [View<'_, $t>],
                pairs: Pairs<'a>,
            ) -> Result<Problem<'a, $t>, Error> {
                Problem::new(signature, views, pairs)
            }

            #[inline(never)]
            fn run(
                pass: &Pass<'_, $t>,
                parts: &mut [Part<'_, $t>],
                indices: Option<To<'_, u32>>,
            ) -> Result<(), Error> {
                parts::run(pass, parts, indices)
            }

            #[inline(never)]
            fn reduce(
                arch: Arch,
                pass: &Pass<'_, $t>,
                pieces: &mut [Piece<'_, $t>],
                indices: Option<To<'_, u32>>,
            ) -> Result<(), Error> {
                engine::reduce(arch, pass, pieces, indices)
            }

            #[inline(never)]
            fn states(pass: &Pass<'_, $t>, start: u64, before: Option<States<$t>>) -> Result<States<$t>, Error> {
                pieces::states(pass, start, before)
            }

            #[inline(never)]
            fn saved<'a>(sweep: &Sweep, pass: &Pass<'_, $t>) -> Result<View<'a, $t>, Error> {
                pieces::saved(sweep, pass)
            }

            #[inline(never)]
            fn lists(pass: &Pass<'_, $t>) -> Result<Neighbours<$t>, Error> {
                pieces::lists(pass)
            }

            fn engines(engines: &dyn Engines) -> &dyn EnginesFor<$t> {
                engines
            }
        }
    )*};
}

element!(f32 f64);
