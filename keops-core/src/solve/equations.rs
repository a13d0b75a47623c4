//! Equations whose rows are of any dimension: what [`Solve`](super::Solve) and [`DynSolve`](super::DynSolve) share.

use core::{marker::PhantomData, ops::ControlFlow};

use super::{
    Progress, Report,
    conjugate_gradients::conjugate_gradients,
    precondition::{self, Precondition, Preconditioner},
    system::{self, Products},
};
use crate::{
    call::{Element, OnePass, Plan},
    data::{Error, Host, View, numbers},
    operator::LinearSum,
    problem::Settings,
};

/// The criteria for stopping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) tolerance: f64,
    pub(super) iterations: usize,
}

impl Limits {
    fn check(self, alpha: f64) -> Result<(), Error> {
        let wrong = |what, value: f64| Err(Error::Option { what, value });
        if !(alpha >= 0.0 && alpha.is_finite()) {
            return wrong("alpha", alpha);
        }
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            return wrong("tolerance", self.tolerance);
        }
        Ok(())
    }
}

/// The function that is called after each iteration.
pub(super) type Callback<'p> = Box<dyn FnMut(&Progress<'_>) -> ControlFlow<()> + 'p>;

/// Equations (αI + K) a = b with options, not solved yet. `F` is the formula of K a.
pub(super) struct Equations<'a, 'p, T, F> {
    views: Vec<View<'a, T>>,
    settings: Settings,
    /// The place of b among the arguments, and whether each pair multiplies it by a number.
    variable: (usize, bool),
    /// Components of a row of b.
    dim: usize,
    alpha: f64,
    pub(super) limits: Limits,
    pub(super) preconditioner: Preconditioner,
    progress: Option<Callback<'p>>,
    formula: PhantomData<F>,
}

impl<'a, 'p, T: Element, F: OnePass> Equations<'a, 'p, T, F> {
    pub(super) fn new(
        views: Vec<View<'a, T>>,
        settings: Settings,
        variable: (usize, bool),
        dim: usize,
        alpha: f64,
    ) -> Self {
        let limits = Limits { tolerance: 1e-6, iterations: 1000 };
        let preconditioner = Preconditioner::None;
        Self { views, settings, variable, dim, alpha, limits, preconditioner, progress: None, formula: PhantomData }
    }

    /// The same equations with another callback.
    pub(super) fn watched<'c>(self, callback: Callback<'c>) -> Equations<'a, 'c, T, F> {
        let Self { views, settings, variable, dim, alpha, limits, preconditioner, formula, .. } = self;
        let progress = Some(callback);
        Equations { views, settings, variable, dim, alpha, limits, preconditioner, progress, formula }
    }

    /// Solves the equations by conjugate gradients.
    pub(super) fn solve(self) -> Result<Outcome<'a, T, F>, Error> {
        let settings = self.settings.clone();
        settings.agreed(|| self.solve_together())
    }

    /// [`Self::solve`], which all ranks do, if there are ranks.
    fn solve_together(self) -> Result<Outcome<'a, T, F>, Error> {
        let Self { views, settings, variable, dim, alpha, limits, preconditioner, progress, .. } = self;
        limits.check(alpha)?;
        let sum = LinearSum::<T, F>::new(views, settings, variable, [dim, dim])?;
        let (rows, cols) = (sum.shape.targets, sum.shape.sources);
        if rows != cols {
            return Err(Error::NotSquare { rows, cols });
        }
        let mut b = Vec::with_capacity(rows * dim);
        if let Some(view) = sum.views.get(variable.0) {
            b.extend(numbers(view, sum.name())?.iter().map(|&b| Element::to_f64(b)));
        }
        all_finite(&b, sum.name(), dim)?;
        let products = Products::new(sum, alpha)?;
        let preconditioner = precondition::build(preconditioner, &products)?;
        let mut progress = progress.unwrap_or_else(|| Box::new(|_| ControlFlow::Continue(())));
        let (values, report) = conjugate_gradients(&products, &b, limits, &*preconditioner, &mut *progress)?;
        Ok(Outcome { values, report, solved: Solved { products, limits, preconditioner } })
    }
}

/// [`Error::NotFinite`] for the first of some rows' numbers that is infinite or NaN.
fn all_finite(numbers: &[f64], what: &'static str, dim: usize) -> Result<(), Error> {
    match numbers.iter().position(|x| !x.is_finite()) {
        Some(k) => Err(Error::NotFinite { what, row: k / dim, component: k % dim }),
        None => Ok(()),
    }
}

/// The solution of equations, and how it was found.
pub(super) struct Outcome<'a, T: Element, F> {
    /// The last iterate, row after row.
    pub(super) values: Vec<f64>,
    /// How it was found.
    pub(super) report: Report,
    pub(super) solved: Solved<'a, T, F>,
}

/// Equations that were solved, which derivatives of the solution solve again.
pub(super) struct Solved<'a, T: Element, F> {
    products: Products<'a, T, F>,
    limits: Limits,
    preconditioner: Box<dyn Precondition>,
}

/// The gradients of a solution.
pub(super) struct Gradients<A> {
    /// Of the arguments, but for b.
    pub(super) arguments: A,
    /// Of b, row after row.
    pub(super) b: Vec<f64>,
    pub(super) alpha: f64,
    pub(super) report: Report,
}

impl<T: Element, F: OnePass> Solved<'_, T, F> {
    /// The gradients along a cotangent of the solution `values`, of which `rounded` are the rows in the type of the
    /// arguments. `G` is the struct of all gradients of the call.
    pub(super) fn gradients<G: Plan>(
        &self,
        values: &[f64],
        rounded: View<'_, T>,
        e: &View<'_, T>,
    ) -> Result<Gradients<G::Output<T, Host>>, Error> {
        self.products.sum.settings.agreed(|| self.gradients_together::<G>(values, rounded, e))
    }

    /// [`Self::gradients`], which all ranks compute, if there are ranks.
    fn gradients_together<G: Plan>(
        &self,
        values: &[f64],
        rounded: View<'_, T>,
        e: &View<'_, T>,
    ) -> Result<Gradients<G::Output<T, Host>>, Error> {
        let Self { products, limits, preconditioner } = self;
        let (sum, dim) = (&products.sum, products.sum.dims[0]);
        let cotangent = numbers(e, "cotangent")?;
        if e.rows() != sum.shape.targets {
            return Err(Error::RowCount {
                variable: "cotangent",
                rows: e.rows(),
                other: sum.name(),
                other_rows: sum.shape.targets,
            });
        }
        let e: Vec<f64> = cotangent.iter().map(|&e| Element::to_f64(e)).collect();
        all_finite(&e, "cotangent", dim)?;
        let go_on = &mut |_: &Progress<'_>| ControlFlow::Continue(());
        let (u, report) = conjugate_gradients(products, &e, *limits, &**preconditioner, go_on)?;

        let minus_u: Vec<T> = u.iter().map(|&u| T::from_f64(-u)).collect();
        let mut views = sum.with(rounded);
        views.push(View::from_flat(&minus_u, dim));
        let arguments = G::eval::<T, Host>(&views, &sum.settings)?;
        let own = u.iter().zip(values).map(|(u, a)| u * a).sum::<f64>();
        let alpha = -system::sum(products, vec![own])?[0];
        Ok(Gradients { arguments, b: u, alpha, report })
    }
}
