//! `cargo xtask bench-keops`: keops and its rivals on the same workloads, the same inputs and as many threads.
//!
//! Each side is a process that loads a workload, computes it once for warming up (pykeops compiles its kernel then),
//! and then computes on request and answers with the seconds that took. The requests go round the sides, so that
//! whatever else the machine does hits all of them. Results are compared before anything is timed. The table goes to
//! the terminal and, with the machine and the versions, to docs/benchmarks.md.

mod report;
mod rival;
mod side;
mod workload;

use crate::root;
use anyhow::{Context, Result, ensure};
use side::Side;
use std::{fs, num::NonZero, path::PathBuf, thread, time::Duration};
use workload::{Inputs, WORKLOADS, Workload};

/// Options of `cargo xtask bench-keops`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often each side computes each workload; the median counts.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(7..))]
    repeats: u16,
    /// Threads of each side [default: one for each core].
    #[arg(long)]
    threads: Option<NonZero<usize>>,
    /// Only the workloads whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// The Python that the rivals' virtual environment is made with.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
}

/// The largest difference to plain loops in f64 that passes, relative to the sum of the terms' absolute values.
const BOUND: f64 = 1e-5;
/// Rows that are compared with plain loops.
const CHECKED_ROWS: usize = 50;
/// Before each run, so that threads that spin after the other side's run have gone to sleep.
const PAUSE: Duration = Duration::from_millis(50);

/// What one side did on one workload.
pub(crate) struct Measurement {
    side: String,
    /// Of the runs, ascending.
    seconds: Vec<f64>,
    /// The largest difference to plain loops, relative as for [`BOUND`].
    error: f64,
}

/// Runs the task.
pub(crate) fn run(options: &Options) -> Result<()> {
    let cores = thread::available_parallelism().context("the number of cores is unknown")?;
    let threads = options.threads.unwrap_or(cores);
    let folder = root().join("target/bench-keops");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;

    let chosen: Vec<&Workload> = WORKLOADS.iter().filter(|w| w.name.contains(&options.only)).collect();
    ensure!(!chosen.is_empty(), "no workload has {:?} in its name", options.only);

    let mut sides = vec![Side::keops(threads)?];
    sides.extend(rival::start(&folder, &options.python, threads)?);
    let mut results = Vec::new();
    for workload in chosen {
        println!("{}", workload.title);
        let measurements = measure(workload, &mut sides, &folder, options.repeats)?;
        print!("{}", report::lines(workload, &measurements));
        results.push((workload, measurements));
    }
    let path = root().join("docs/benchmarks.md");
    let text = report::document(&results, &mut sides, options.repeats, threads, cores)?;
    fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    println!("written: {}", path.display());
    Ok(())
}

/// Loads one workload on all sides, compares the results, then times.
fn measure(
    workload: &Workload,
    sides: &mut [Side],
    folder: &std::path::Path,
    repeats: u16,
) -> Result<Vec<Measurement>> {
    let inputs = Inputs::random(workload);
    let files = inputs.write(workload, folder)?;
    let mut measurements = Vec::new();
    for side in &mut *sides {
        side.load(workload, &files).with_context(|| format!("{} does not load {}", side.name(), workload.name))?;
        let result = side.result(&folder.join("result.bin"))?;
        let error = inputs.largest_error(workload, &result, CHECKED_ROWS)?;
        ensure!(error <= BOUND, "{} is wrong on {}: error {error:.1e}", side.name(), workload.name);
        measurements.push(Measurement { side: side.name().to_owned(), seconds: Vec::new(), error });
    }
    for _ in 0..repeats {
        for (side, measurement) in sides.iter_mut().zip(&mut measurements) {
            thread::sleep(PAUSE);
            measurement.seconds.push(side.time()?);
        }
    }
    for measurement in &mut measurements {
        measurement.seconds.sort_by(f64::total_cmp);
    }
    Ok(measurements)
}

impl Measurement {
    /// The median of the runs' seconds.
    fn median(&self) -> f64 {
        let (s, n) = (&self.seconds, self.seconds.len());
        (s[n / 2] + s[(n - 1) / 2]) / 2.0
    }
}
