//! Random formulas, and what must hold of each of them on every engine. `cargo xtask random` draws them ([`draw`]),
//! writes a program that has each as an item of `keops!` ([`program`]), and runs it ([`run`]).
//!
//! Points are random ones (`values`, `derivatives`) and special ones (`special`): equal, zero, far from the origin.
//!
//! The other side of every comparison is the compiler's oracle: the formula evaluated in `f64` from the meaning of each
//! operation, before lowering, and a plain loop over all pairs ([`reduce`]).

pub mod boxes;
mod derivatives;
pub mod draw;
mod partials;
pub mod points;
pub mod program;
pub mod reduce;
pub mod rules;
pub mod scales;
mod special;
mod subject;
#[cfg(test)]
mod tests;
mod values;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use anyhow::{Result, anyhow};
use fastrand::Rng;
use keops_compiler::oracle::Formula;

pub use scales::Units;
pub use subject::{Derivative, Outcome, Subject, on};

/// The items that the written program names.
pub mod prelude {
    pub use anyhow;
    pub use fastrand::Rng;
    pub use keops::{
        __private::{OnePass, View},
        Device, Element, Error, keops,
    };
    pub use pulp::Arch;

    pub use crate::{
        Check, Derivative, Outcome, Subject, Units,
        boxes::{Bounded, within_bounds},
        check, on, run,
    };
}

/// The counts of numbers that were compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Numbers of results that were compared with the oracle.
    pub values: usize,
    /// Components of gradients that were compared with finite differences.
    pub slopes: usize,
    /// Components where no finite difference could be taken.
    pub rough: usize,
    /// Numbers of derivatives at special points.
    pub kinks: usize,
    /// Numbers of results near the ends of the range.
    pub scaled: usize,
    /// Values that were compared with bounds on boxes.
    pub bounded: boxes::Bounded,
}

/// Checks one formula, on the processor, or on the first CUDA device.
pub type Check = fn(cuda: bool) -> Result<Seen>;

/// Checks everything about a formula.
///
/// # Errors
/// The first disagreement.
pub fn check<S: Subject>(cuda: bool) -> Result<Seen> {
    let formula = Formula::new(S::ITEM)?;
    let mut rng = Rng::with_seed(!S::SEED);
    let mut seen = Seen::default();
    values::check::<S>(&formula, &mut rng, cuda, &mut seen)?;
    if S::ORDER > 0 {
        derivatives::check::<S>(&formula, &mut rng, cuda, &mut seen)?;
    }
    scales::check::<S>(&formula, &mut rng, cuda, &mut seen)?;
    special::check::<S>(&formula, &mut rng, cuda, &mut seen)?;
    if !cuda {
        seen.bounded = S::within_bounds::<f32>(&mut rng)? + S::within_bounds::<f64>(&mut rng)?;
    }
    Ok(seen)
}

/// Checks formulas, each with its seed and its text, and prints those that failed with the command that runs them again.
pub fn run(checks: &[(u64, &str, Check)]) -> ExitCode {
    let cuda = std::env::args().any(|argument| argument == "--cuda");
    let (mut total, mut failed) = (Seen::default(), Vec::new());
    for &(seed, item, check) in checks {
        let result = catch_unwind(AssertUnwindSafe(|| check(cuda)));
        match result.unwrap_or_else(|_| Err(anyhow!("a panic, see above"))) {
            Ok(seen) => {
                total.values += seen.values;
                total.slopes += seen.slopes;
                total.rough += seen.rough;
                total.kinks += seen.kinks;
                total.scaled += seen.scaled;
                total.bounded = total.bounded + seen.bounded;
            }
            Err(error) => {
                println!("{item}    {error:#}\n    again: cargo xtask random --seed {seed} --formulas 1\n");
                failed.push(seed);
            }
        }
    }
    println!(
        "{} formulas: {} numbers of results and {} of gradients compared, {} of gradients not smooth enough; {} of derivatives \
         at special points, {} of results at the ends of the range, {} with bounds on boxes, of \
         which {} are beyond bounds without roundings",
        checks.len(),
        total.values,
        total.slopes,
        total.rough,
        total.kinks,
        total.scaled,
        total.bounded.values,
        total.bounded.rounded
    );
    // Of several formulas some round; bounds that are wide whatever they leave out would say nothing.
    if checks.len() >= 6 && total.bounded.values > 0 && total.bounded.rounded == 0 {
        println!("failed: bounds without roundings hold for every value");
        return ExitCode::FAILURE;
    }
    if failed.is_empty() && total.values > 0 {
        return ExitCode::SUCCESS;
    }
    println!("failed: {failed:?}");
    ExitCode::FAILURE
}
