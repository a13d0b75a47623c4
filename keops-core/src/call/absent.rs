//! Methods that a call has only for the sake of their error message.
//!
//! For a derivative beyond the order that was asked for, or for equations where a formula is not linear, rustc would
//! say "no method named ..". The macro writes methods of these names with a bound that no element type satisfies, and
//! the message of the bound says why.

use core::convert::Infallible;

use super::Plan;

macro_rules! absent {
    ($(#[$doc:meta])* $name:ident, $message:literal, $label:literal, $note:literal) => {
        $(#[$doc])*
        #[diagnostic::on_unimplemented(message = $message, label = $label, note = $note)]
        pub trait $name {
            /// A constant that no type has.
            const NEVER: Infallible;
        }
    };
}

absent!(
    /// The bound of derivatives that come after the last.
    NextOrder,
    "this call has no derivatives",
    "`#[keops(order = n)]` says how often a formula is differentiated",
    "the order is 1 if nothing is said; all gradients at once, `.vjp(&e)`, have no derivatives of any order"
);
absent!(
    /// The bound of derivatives of row numbers, and of the parts of a `LogSumExp`.
    Differentiable,
    "this reduction has no derivatives",
    "row numbers, lists and counts are steps, and `MaxSumShiftExp` is in parts",
    "`Min`, `Max` and `KMin` have derivatives, and so has `LogSumExp`"
);
absent!(
    /// The bound of operators where there are no derivatives.
    FirstOrder,
    "operators and equations need derivatives",
    "`#[keops(order = 0)]` leaves them out",
    "the product with the transpose is a derivative: without `order = 0` both are there"
);
absent!(
    /// The bound of operators on variables that a formula is not linear in.
    Linear,
    "this is no linear operator on that variable",
    "needs a `Sum` that is linear in the variable",
    "an operator is a `Sum<j>` that is linear in a variable `Vj`, or a `Sum<i>` in a variable `Vi`"
);
absent!(
    /// The bound of equations with more or fewer unknowns than a result has components.
    Square,
    "the result has another dimension than that variable",
    "equations need as many components as unknowns",
    "`.operator_b()` is there for any dimension"
);

absent!(
    /// The bound of operators and equations of a derivative.
    OfTheValue,
    "a derivative has no operators and equations",
    "this call is a derivative",
    "they are those of the value: `f(..).operator_b()?` has products with its transpose, `.apply_transpose(&w)`, and the \
     solution of `f(..).solve_b(alpha)` has gradients, `.vjp(&e)`"
);

absent!(
    /// The bound of tolerances of reductions that are not made of sums.
    Tolerable,
    "this reduction has no tolerance",
    "`.tolerance(t)` is there for `Sum`, `LogSumExp` and `SumSoftMaxWeight`",
    "a sum of small or smooth terms takes less time if it need not be exact; `Min`, `ArgKMin` and their kind leave out \
     pairs by themselves, with the same result"
);

/// Marks the calls that have no derivatives.
pub trait Last {}
/// Marks the calls that are derivatives of a value with operators.
pub trait Derived {
    /// The marker of the value.
    type Value: Plan;
}
