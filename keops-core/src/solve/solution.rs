//! What equations give, and its derivatives.

use core::{fmt, ops::ControlFlow};

use super::{Problem, Progress, Report, conjugate_gradients::conjugate_gradients};
use crate::{
    arguments::{AsRows, View},
    array::Host,
    call::{OnePass, Plan},
    error::Error,
    host::numbers,
    real::Element,
    rows::Rows,
};

/// The solution a of (αI + K) a = b; made by [`Solve::eval`](super::Solve::eval).
pub struct Solution<'a, T: Element, F, G: Plan, const E: usize> {
    /// a, in f64 whatever the arguments are: see the [module](super).
    pub values: Rows<f64, E>,
    /// How the equations were solved.
    pub report: Report,
    problem: Problem<'a, T, F, G, E>,
}

/// The gradients of a solution. `G` is the struct of all gradients of the call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SolutionGradients<G> {
    /// In each argument of the call; that in the right-hand side is under its name too.
    pub arguments: G,
    /// In α.
    pub alpha: f64,
    /// How the equations of the gradients were solved.
    pub report: Report,
}

impl<'a, T: Element, F: OnePass, G: Plan, const E: usize> Solution<'a, T, F, G, E> {
    pub(super) fn new(values: Vec<f64>, report: Report, problem: Problem<'a, T, F, G, E>) -> Self {
        Self { values: in_rows(&values), report, problem }
    }

    /// a in the type of the arguments.
    #[must_use]
    pub fn rounded(&self) -> Rows<T, E> {
        in_rows(self.values.as_flat())
    }

    /// (∂a/∂v)ᵀ e for every argument v of the call and for α, by the rule of implicit functions: with
    /// (αI + K) u = e, solved as a was, they are u in b, -(u|a) in α, and -∂(u|K a)/∂v in every other argument, for which
    /// the call is differentiated once. Points that stand on both sides are two arguments: add up their gradients.
    ///
    /// # Errors
    /// Those of [`Solve::eval`](super::Solve::eval); another number of rows than b has.
    pub fn vjp<'e>(&self, e: impl AsRows<'e, T, E>) -> Result<SolutionGradients<G::Output<T, Host>>, Error> {
        let Problem { products, limits, preconditioner, put } = &self.problem;
        let sum = &products.sum;
        let e = e.as_rows();
        let cotangent = numbers(&e, "cotangent")?;
        if e.rows() != self.values.len() {
            return Err(Error::RowCount {
                variable: "cotangent",
                rows: e.rows(),
                other: sum.name(),
                other_rows: self.values.len(),
            });
        }
        if let Some(k) = cotangent.iter().position(|e| !e.is_finite()) {
            return Err(Error::NotFinite { what: "cotangent", row: k / E, component: k % E });
        }
        let e: Vec<f64> = cotangent.iter().map(|&e| Element::to_f64(e)).collect();
        let go_on = &mut |_: &Progress<'_>| ControlFlow::Continue(());
        let (u, report) = conjugate_gradients(products, &e, *limits, &**preconditioner, go_on)?;

        let rounded = self.rounded();
        let minus_u: Vec<T> = u.iter().map(|&u| T::from_f64(-u)).collect();
        let mut views = sum.with(View::from_rows(&rounded));
        views.push(View::from_flat(&minus_u, E));
        let mut arguments = G::eval::<T, Host>(&views, &sum.settings)?;
        put(&mut arguments, in_rows(&u));
        let alpha = -u.iter().zip(self.values.as_flat()).map(|(u, a)| u * a).sum::<f64>();
        Ok(SolutionGradients { arguments, alpha, report })
    }
}

impl<T: Element, F, G: Plan, const E: usize> fmt::Debug for Solution<'_, T, F, G, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solution").field("values", &self.values).field("report", &self.report).finish_non_exhaustive()
    }
}

/// Numbers as rows of `E` of another type.
fn in_rows<T: Element, const E: usize>(numbers: &[f64]) -> Rows<T, E> {
    numbers.as_chunks().0.iter().map(|row| row.map(T::from_f64)).collect()
}
