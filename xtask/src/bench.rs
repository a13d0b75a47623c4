//! `cargo xtask bench-keops`: keops and its rivals on the same workloads, the same inputs and as many threads.
//!
//! Each side is a process that loads a workload, computes it once for warming up (pykeops compiles its kernel then),
//! and then computes on request and answers with the seconds that the computation took. The requests go round the sides, so that
//! other load of the machine hits all of them. Results are compared before anything is timed. The measurements go to the machine's
//! file in benches/results; docs/benchmarks.md and the table of README.md are written from all files there.

mod check;
mod machine;
mod picture;
mod report;
mod rival;
mod side;
mod store;
mod workload;

use crate::root;
use anyhow::{Context, Result, ensure};
use check::{File, Inputs};
use machine::Machine;
use rival::{Kind, Trees};
use side::Side;
use std::{collections::BTreeMap, fs, num::NonZero, path::Path, path::PathBuf, thread, time::Duration};
use store::{Comparison, Measurement, OURS, Outcome, Purpose, Store};
use workload::{CURVES, Curve, Element, Family, Workload};

/// Options of `cargo xtask bench-keops`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many times each side computes each workload; the median counts. Slow sides compute fewer times, but at least 3.
    #[arg(long, default_value_t = REPEATS, value_parser = clap::value_parser!(u16).range(3..))]
    repeats: u16,
    /// The number of threads of each side [default: one for each core].
    #[arg(long)]
    threads: Option<NonZero<usize>>,
    /// Measure only the workloads whose name contains this text (`gaussian_d3`; the points of the pictures are `curve_...`);
    /// the other results in the machine's file stay as they are.
    #[arg(long, default_value = "")]
    only: String,
    /// Small sizes and 3 repeats, to see whether everything works. Writes neither results nor documents.
    #[arg(long)]
    quick: bool,
    /// The Python that makes the rivals' virtual environment.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Measure nothing: write docs/benchmarks.md and the table of README.md from the files in benches/results.
    #[arg(long, conflicts_with_all = ["repeats", "threads", "only", "quick", "python"])]
    report: bool,
}

/// The default number of repeats of sides that are not slow.
const REPEATS: u16 = 9;
/// The number of repeats of slow sides.
const FEW: u16 = 3;
/// The seconds of computing after which a side counts as slow, and repeats at most [`FEW`] times.
const ENOUGH: f64 = 3.0;
/// The most seconds of a computation that is a point of a picture.
const LONGEST: f64 = 10.0;
/// The most bytes that dense rivals may take for their matrices.
const DENSE_BYTES: f64 = 7e9;
/// The pause before each run, after which threads that spin after the other side's run have gone to sleep.
const PAUSE: Duration = Duration::from_millis(50);

/// The folder with the file of each machine.
fn results_folder() -> PathBuf {
    root().join("benches/results")
}

/// Runs the task.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.report {
        return report::write(&store::read_all(&results_folder())?);
    }
    let machine = Machine::here(options.threads)?;
    let threads = NonZero::new(machine.threads).context("no threads")?;
    let folder = root().join("target/bench-keops");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let mut store = Store::open(&results_folder(), machine)?;
    let command = options.command();

    let workloads = workload::all(options.quick);
    let chosen: Vec<&Workload> = workloads.iter().filter(|w| w.name().contains(&options.only)).collect();
    let curves: Vec<&Curve> = CURVES.iter().filter(|c| format!("curve_{}", c.name).contains(&options.only)).collect();
    ensure!(!chosen.is_empty() || !curves.is_empty(), "no workload has {:?} in its name", options.only);

    let mut sides = vec![Side::keops(threads)?];
    sides.extend(rival::start(&folder, &options.python, threads)?);
    let repeats = if options.quick { FEW } else { options.repeats };
    let mut compare = |workload: &Workload, before: &Before, purpose: Purpose| -> Result<Comparison> {
        println!("{}, {}", workload.family.title(), workload.title());
        let comparison = measure(workload, &mut sides, &folder, repeats, before, &command)?;
        print!("{}", report::lines(workload, &comparison));
        if !options.quick {
            store.save(purpose, workload, comparison.clone())?;
        }
        Ok(comparison)
    };
    for workload in chosen {
        compare(workload, &Before::new(), Purpose::Table)?;
    }
    for curve in curves {
        let mut before = Before::new();
        for workload in curve.workloads(options.quick) {
            for measurement in compare(&workload, &before, Purpose::Picture)?.measurements {
                // A side that is left out once stays left out: its last time is the longest that is known.
                if let Some(median) = measurement.median() {
                    before.insert(measurement.side, (workload.pairs(), median));
                }
            }
        }
    }
    if options.quick { Ok(()) } else { report::write(&store::read_all(&results_folder())?) }
}

impl Options {
    /// The command that measures the same again.
    fn command(&self) -> String {
        let mut command = "cargo xtask bench-keops".to_owned();
        if self.repeats != REPEATS {
            command += &format!(" --repeats {}", self.repeats);
        }
        if let Some(threads) = self.threads {
            command += &format!(" --threads {threads}");
        }
        if !self.only.is_empty() {
            command += &format!(" --only {}", self.only);
        }
        command
    }
}

/// The pairs and the seconds of a smaller workload, for each side.
type Before = BTreeMap<String, (f64, f64)>;

/// Loads one workload on all sides, compares the results, then times.
fn measure(
    workload: &Workload,
    sides: &mut [Side],
    folder: &Path,
    repeats: u16,
    before: &Before,
    command: &str,
) -> Result<Comparison> {
    let reasons: Vec<Option<String>> =
        sides.iter().map(|side| reason_against(workload, side, before.get(side.name()))).collect();
    let is_there = |side: &Side, reason: &Option<String>| reason.is_none() && takes_part(workload, side.kind());
    let mut there: Vec<&mut Side> =
        sides.iter_mut().zip(&reasons).filter(|(side, reason)| is_there(side, reason)).map(|(side, _)| side).collect();

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
    let mut versions: Vec<String> = Vec::new();
    for side in there {
        for version in side.versions()? {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
    }
    let outcome = |(side, reason): (&Side, Option<String>)| {
        let outcome = measured.remove(side.name()).or(reason.map(Outcome::LeftOut))?;
        Some(Measurement { side: side.name().to_owned(), outcome })
    };
    let measurements = sides.iter().zip(reasons).filter_map(outcome).collect();
    let date = Some(time::UtcDateTime::now().date().to_string());
    Ok(Comparison {
        date,
        command: command.to_owned(),
        load: report::load().into_iter().collect(),
        versions,
        measurements,
    })
}

/// Makes all sides compute once.
fn load(workload: &Workload, sides: &mut [&mut Side], files: &[File]) -> Result<()> {
    // Only sides that compile formulas compute at the same time: matrices might not fit into memory together.
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

/// Whether a side computes workloads of this family and about this size.
fn takes_part(workload: &Workload, kind: Kind) -> bool {
    /// More pairs than this are for sides that need not look at all of them.
    const ALL: f64 = 4e9;
    let family = workload.family;
    match kind {
        Kind::Keops => true,
        Kind::Pykeops | Kind::Dense => family == Family::Neighbours && workload.pairs() <= ALL || !family.is_search(),
        Kind::Search => family == Family::Neighbours && workload.pairs() <= ALL,
        Kind::Tree(trees) => match family {
            Family::Neighbours | Family::NeighboursManifold => true,
            Family::NeighboursManhattan => trees != Trees::Euclidean,
            Family::NeighboursHaversine => trees == Trees::Balls,
            Family::NeighboursOneByOne => trees == Trees::Axes,
            _ => false,
        },
    }
}

/// The reason why a side cannot take part in a workload that it could compute in principle.
fn reason_against(workload: &Workload, side: &Side, before: Option<&(f64, f64)>) -> Option<String> {
    // A dense side has two matrices of numbers, and where it searches NumPy's matrix of row numbers.
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
        Kind::Dense | Kind::Search | Kind::Tree(_) => bound * 1e3,
    }
}
