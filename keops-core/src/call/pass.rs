//! One pass over the pairs.

use pulp::Arch;

use crate::{
    call::{Element, Part},
    cpu::{Compiled, FarFormula, Kernel, Layout},
    data::{Device, Error, Neighbours, To, View},
    formula::Formula,
    lanes::Vectorized,
    problem::{Approximation, Piece, Problem, Settings, Signature, cuda::Image},
    reduction::Reduction,
};

/// A checked call of a formula with its reduction, and the code that was compiled for them, for every engine.
pub struct Pass<'a, T: Vectorized> {
    pub(super) problem: Problem<'a, T>,
    pub(super) settings: &'a Settings,
    pub(super) kernel: &'static dyn Kernel<T>,
    pub(super) layout: Layout,
    pub(super) image: Image,
    pub(super) approximation: Option<(&'a Approximation, &'static FarFormula)>,
}

impl<'a, T: Element> Pass<'a, T> {
    /// Checks the arguments of a call of `F` with the reduction `R`.
    ///
    /// # Errors
    /// The errors of [`Problem::new`].
    pub fn new<F: Formula, R: Reduction>(views: &'a [View<'_, T>], settings: &'a Settings) -> Result<Self, Error> {
        Ok(Self {
            problem: T::problem(Signature::of::<F, R>(), views, settings.pairs(F::TARGETS))?,
            settings,
            kernel: &Compiled::<F, R>::NEW,
            layout: Layout::of::<T, F, R>(),
            image: Image::of::<T, F, R>(),
            approximation: approximation::<F>(settings),
        })
    }

    /// The same pass of another checked call.
    pub(super) fn with_problem<'b>(&'b self, problem: Problem<'b, T>) -> Pass<'b, T> {
        Pass { problem, ..*self }
    }

    /// The checked call.
    #[must_use]
    pub fn problem(&self) -> &Problem<'a, T> {
        &self.problem
    }

    /// The number of rows of the result or, given the number of an argument, of the gradient in that argument, in all
    /// batches.
    #[must_use]
    pub fn rows_of(&self, gradient: Option<usize>) -> usize {
        self.problem.rows_of(gradient)
    }

    /// Computes the parts of the result, and the row numbers if the reduction has any.
    ///
    /// # Errors
    /// Outputs that do not fit the result; a device that does not exist; errors of the device.
    pub fn run(&self, parts: &mut [Part<'_, T>], indices: Option<To<'_, u32>>) -> Result<(), Error> {
        T::run(self, parts, indices)
    }

    /// Computes the result of a reduction that lists sources.
    ///
    /// # Errors
    /// [`Error::OnlyOnCpu`]; no memory.
    pub fn lists(&self) -> Result<Neighbours<T>, Error> {
        T::lists(self)
    }

    /// Computes the pieces of the result as an engine does, without sums over batches.
    ///
    /// # Errors
    /// The errors of [`Self::run`].
    pub fn reduce(&self, pieces: &mut [Piece<'_, T>], indices: Option<To<'_, u32>>) -> Result<(), Error> {
        T::reduce(Arch::new(), self, pieces, indices)
    }
}

/// The tolerance of a call, if it has one, with what the engine needs of `F`.
fn approximation<F: Formula>(settings: &Settings) -> Option<(&Approximation, &'static FarFormula)> {
    let approximation = settings.approximation.as_ref()?;
    Some((approximation, approximation.of::<F, FarFormula>()?))
}

/// Computes a_i = Reduction_j f(p, x_i, y_j) for all targets i.
///
/// `views` are the arguments in the order of `F::VARIABLES`. The values of a result row go to `pieces`, consecutive
/// ranges of its components, and its row numbers to `indices`, row by row; a reduction without row numbers takes
/// `None`. N is 1 for a formula without targets, M is 1 for one without sources.
///
/// # Errors
/// The errors of [`Pass::new`] and [`Pass::reduce`].
pub fn reduce<T: Element, F: Formula, R: Reduction>(
    views: &[View<'_, T>],
    settings: &Settings,
    pieces: &mut [Piece<'_, T>],
    indices: Option<To<'_, u32>>,
) -> Result<(), Error> {
    Pass::new::<F, R>(views, settings)?.reduce(pieces, indices)
}

/// [`reduce`] on the CPU with a chosen instruction set, which the processor must have (a value of `Arch` is the proof
/// of it).
///
/// # Errors
/// As for [`reduce`].
#[doc(hidden)]
pub fn reduce_on<T: Element, F: Formula, R: Reduction>(
    arch: Arch,
    views: &[View<'_, T>],
    pieces: &mut [Piece<'_, T>],
    indices: Option<To<'_, u32>>,
) -> Result<(), Error> {
    let settings = Settings { device: Device::Cpu, ..Settings::default() };
    T::reduce(arch, &Pass::new::<F, R>(views, &settings)?, pieces, indices)
}
