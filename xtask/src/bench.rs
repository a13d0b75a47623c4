//! `cargo xtask bench-keops`: keops and its rivals on the same workloads, the same inputs and as many threads.
//!
//! Each side is a process that loads a workload, computes it once for warming up (pykeops compiles its kernel then),
//! and then computes on request and answers with the seconds that took. The requests go round the sides, so that
//! whatever else the machine does hits all of them. Results are compared before anything is timed. What was measured is
//! kept in target/bench-keops/results, and docs/benchmarks.md is written from all that is there.

mod check;
mod picture;
mod report;
mod rival;
mod side;
mod store;
mod workload;

use crate::root;
use anyhow::{Context, Result, ensure};
use check::{File, Inputs};
use rival::Kind;
use side::Side;
use std::{collections::BTreeMap, fs, num::NonZero, path::Path, path::PathBuf, thread, time::Duration};
use store::{Comparison, Measurement, Outcome, Store};
use workload::{CURVES, Curve, Element, Family, Workload};

/// Options of `cargo xtask bench-keops`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often each side computes each workload; the median counts. Slow sides compute less often, but 3 times.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(3..))]
    repeats: u16,
    /// Threads of each side [default: one for each core].
    #[arg(long)]
    threads: Option<NonZero<usize>>,
    /// Only the workloads whose name contains this; the pictures are `curve_...`. The document keeps the others.
    #[arg(long, default_value = "")]
    only: String,
    /// Small sizes and 3 repeats, to see whether everything works. Writes no document.
    #[arg(long)]
    quick: bool,
    /// The Python that the rivals' virtual environment is made with.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
}

/// Repeats of slow sides.
const FEW: u16 = 3;
/// A side that has computed for so many seconds does not repeat more than [`FEW`] times.
const ENOUGH: f64 = 3.0;
/// A side has no place in a picture from where one computation takes more seconds than this.
const LONGEST: f64 = 10.0;
/// Bytes that dense rivals may take for their matrices.
const DENSE_BYTES: f64 = 7e9;
/// Before each run, so that threads that spin after the other side's run have gone to sleep.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs the task.
pub(crate) fn run(options: &Options) -> Result<()> {
    let cores = thread::available_parallelism().context("the number of cores is unknown")?;
    let threads = options.threads.unwrap_or(cores);
    let folder = root().join("target/bench-keops");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let (table, points) = (Store::open(&folder, threads, "table")?, Store::open(&folder, threads, "curves")?);

    let workloads = workload::all(options.quick);
    let chosen: Vec<&Workload> = workloads.iter().filter(|w| w.name().contains(&options.only)).collect();
    let curves: Vec<&Curve> = CURVES.iter().filter(|c| format!("curve_{}", c.name).contains(&options.only)).collect();
    ensure!(!chosen.is_empty() || !curves.is_empty(), "no workload has {:?} in its name", options.only);

    let mut sides = vec![Side::keops(threads)?];
    sides.extend(rival::start(&folder, &options.python, threads)?);
    let repeats = if options.quick { FEW } else { options.repeats };
    let mut compare = |workload: &Workload, before: &Before, store: &Store| -> Result<Comparison> {
        println!("{}, {}", workload.family.title(), workload.title());
        let comparison = measure(workload, &mut sides, &folder, repeats, before)?;
        print!("{}", report::lines(workload, &comparison));
        if !options.quick {
            store.save(workload, &comparison)?;
        }
        Ok(comparison)
    };
    for workload in chosen {
        compare(workload, &Before::new(), &table)?;
    }
    for curve in curves {
        let mut before = Before::new();
        for workload in curve.workloads(options.quick) {
            for measurement in compare(&workload, &before, &points)?.measurements {
                // What is left out once stays so: its last time is the longest that is known.
                if let Some(median) = measurement.median() {
                    before.insert(measurement.side, (workload.pairs(), median));
                }
            }
        }
    }
    if options.quick { Ok(()) } else { report::write(&table, &points, &workloads, threads, cores) }
}

/// For each side the pairs and the seconds of a smaller workload.
type Before = BTreeMap<String, (f64, f64)>;

/// Loads one workload on all sides, compares the results, then times.
fn measure(
    workload: &Workload,
    sides: &mut [Side],
    folder: &Path,
    repeats: u16,
    before: &Before,
) -> Result<Comparison> {
    let reasons: Vec<Option<String>> =
        sides.iter().map(|side| reason_against(workload, side, before.get(side.name()))).collect();
    let mut there: Vec<&mut Side> =
        sides.iter_mut().zip(&reasons).filter(|(_, reason)| reason.is_none()).map(|(side, _)| side).collect();
    there.retain(|side| side.kind() != Kind::Search || workload.family == Family::Neighbours);

    let inputs = Inputs::random(workload);
    let expected = inputs.expected(workload);
    let files = inputs.write(workload.element, folder)?;
    load(workload, &mut there, &files)?;
    let mut errors = Vec::new();
    for side in &mut there {
        let result = side.result(&folder.join("result.bin"))?;
        let error = inputs.largest_error(workload, &expected, &result)?;
        let bound = bound(workload.element, side.kind());
        ensure!(error <= bound, "{} is wrong on {}: error {error:.1e}", side.name(), workload.name());
        errors.push(error);
    }
    let mut seconds = vec![Vec::new(); there.len()];
    for repeat in 0..repeats {
        for (side, seconds) in there.iter_mut().zip(&mut seconds) {
            if repeat < FEW || seconds.iter().sum::<f64>() < ENOUGH {
                thread::sleep(PAUSE);
                seconds.push(side.time()?);
            }
        }
    }
    let mut measured = BTreeMap::new();
    for ((side, mut seconds), error) in there.iter().zip(seconds).zip(errors) {
        seconds.sort_by(f64::total_cmp);
        measured.insert(side.name().to_owned(), Outcome::Measured { seconds, error });
    }
    let mut versions = Vec::new();
    for side in there {
        versions.extend(side.versions()?);
    }
    let outcome = |(side, reason): (&Side, Option<String>)| {
        let outcome = measured.remove(side.name()).or(reason.map(Outcome::LeftOut))?;
        Some(Measurement { side: side.name().to_owned(), outcome })
    };
    let measurements = sides.iter().zip(reasons).filter_map(outcome).collect();
    Ok(Comparison { date: time::UtcDateTime::now().date().to_string(), load: report::load(), versions, measurements })
}

/// Makes all sides compute once.
fn load(workload: &Workload, sides: &mut [&mut Side], files: &[File]) -> Result<()> {
    // Only compilers of formulas do so at the same time: matrices might not fit into memory together.
    let (compilers, others): (Vec<_>, Vec<_>) = sides.iter_mut().partition(|side| side.kind() == Kind::Pykeops);
    for mut group in [compilers].into_iter().chain(others.into_iter().map(|side| vec![side])) {
        for side in &mut group {
            side.load(workload, files)?;
        }
        for side in &mut group {
            side.loaded().with_context(|| format!("{} does not load {}", side.name(), workload.name()))?;
        }
    }
    Ok(())
}

/// Why a side cannot take part in a workload that it could compute in principle.
fn reason_against(workload: &Workload, side: &Side, before: Option<&(f64, f64)>) -> Option<String> {
    // Two matrices of numbers, and NumPy's matrix of row numbers where it searches.
    let indices = if workload.family == Family::Neighbours { 8.0 } else { 0.0 };
    let bytes = workload.pairs() * (2.0 * workload.element.bytes() + indices);
    if side.kind() == Kind::Dense && bytes > DENSE_BYTES {
        return Some(format!("does not fit: {:.0} GB", bytes / 1e9));
    }
    let &(pairs, seconds) = before?;
    (seconds * workload.pairs() / pairs > LONGEST).then(|| format!("would take more than {LONGEST} s"))
}

/// The largest error that passes.
fn bound(element: Element, kind: Kind) -> f64 {
    let bound = match element {
        Element::Float32 => 1e-5,
        Element::Float64 => 1e-12,
    };
    match kind {
        Kind::Keops | Kind::Pykeops => bound,
        // Squared distances by a matrix product are inexact where points are close.
        Kind::Dense | Kind::Search => bound * 1e3,
    }
}
