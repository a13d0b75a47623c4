//! The table, for the terminal and for docs/benchmarks.md.

use super::{
    DENSE_BYTES, ENOUGH, FEW, LONGEST,
    check::CHECKED_ROWS,
    picture,
    rival::TUNED,
    store::{Comparison, Measurement, Outcome, Store},
    workload::{CURVES, Call, Variable, Workload},
};
use crate::root;
use anyhow::{Context, Result};
use std::{collections::BTreeSet, fmt::Write, fs, num::NonZero};

/// What one workload gave, a line for each side.
pub(super) fn lines(workload: &Workload, comparison: &Comparison) -> String {
    let mut text = String::new();
    for measurement in &comparison.measurements {
        let _ = match (&measurement.outcome, measurement.median()) {
            (Outcome::Measured { error, .. }, Some(median)) => writeln!(
                text,
                "  {:<22} {:>10}  {:>7.3} Gpairs/s  error {}  ratio {:.2}",
                measurement.side,
                digits(median),
                workload.pairs() / median / 1e9,
                error_digits(*error),
                ratio(comparison, measurement).unwrap_or(f64::NAN),
            ),
            (Outcome::LeftOut(reason), _) => writeln!(text, "  {:<22} {reason}", measurement.side),
            (Outcome::Measured { .. }, None) => Ok(()),
        };
    }
    text
}

/// Writes the document and its pictures from all that is stored.
pub(super) fn write(
    table: &Store,
    points: &Store,
    workloads: &[Workload],
    threads: NonZero<usize>,
    cores: NonZero<usize>,
) -> Result<()> {
    let mut results = Vec::new();
    let mut missing = Vec::new();
    for workload in workloads {
        match table.load(workload)? {
            Some(comparison) => results.push((*workload, comparison)),
            None => missing.push(*workload),
        }
    }
    let mut text = String::from(
        "# keops and its rivals side by side\n\n\
         Written by `cargo xtask bench-keops`; run it again for the numbers of another machine.\n\n",
    );
    let folder = root().join("docs/benchmarks");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for curve in CURVES {
        let mut comparisons = Vec::new();
        for workload in curve.workloads(false) {
            if let Some(comparison) = points.load(&workload)? {
                comparisons.push((workload, comparison));
            }
        }
        if !comparisons.is_empty() {
            picture::draw(&folder.join(format!("{}.png", curve.name)), curve.title, threads, &comparisons)?;
            writeln!(text, "![{}: seconds against N = M](benchmarks/{}.png)\n", curve.title, curve.name)?;
        }
    }
    writeln!(
        text,
        "A rival has no more points where one computation would take more than {LONGEST} s, or its matrices more than \
         {} GB.\n",
        DENSE_BYTES / 1e9
    )?;
    text += &summary(&results)?;
    text += HOW;
    let runs = results.iter().flat_map(|(_, comparison)| &comparison.measurements).map(Measurement::runs).max();
    writeln!(
        text,
        "Every side computed each workload up to {} times, by turns, after one time for warming up, which is when \
         KeOps compiles; sides
that had computed for {ENOUGH} seconds did so {FEW} times. A call that takes less than \
         10 ms is repeated until 10 ms have passed. The
inputs are the same random numbers for all sides. Errors are \
         the largest of up to {CHECKED_ROWS} rows against plain loops in f64,
relative to the sum of the terms' \
         absolute values (LogSumExp: to the value; neighbours: their squared distances, relative to
that of the \
         last). A pair is one value of the formula for one i and one j; Gpairs/s of all gradients count each pair \
         once.
",
        runs.unwrap_or(0),
    )?;
    text += &details(&results)?;
    if !missing.is_empty() {
        writeln!(text, "## Not measured\n")?;
        for workload in missing {
            writeln!(text, "- {}, {}", workload.family.title(), workload.title())?;
        }
        writeln!(text)?;
    }
    text += &circumstances(&results, threads, cores)?;
    let path = root().join("docs/benchmarks.md");
    fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    println!("written: {}", path.display());
    Ok(())
}

/// What the reader should know to judge the numbers.
const HOW: &str = "\
NumPy and torch hold the matrix of all pairs, made with a matrix product and changed in place. Neighbours by k-d trees
include the building of the tree. In few dimensions a k-d tree compares a point with few others, and its time grows as
N log N: for D = 3 it is the better tool as soon as there are many points, see the picture. In many dimensions it
compares almost all of them, with more work for each.

";

/// One line for each workload: how many times as long as keops each rival takes.
fn summary(results: &[(Workload, Comparison)]) -> Result<String> {
    let mut sides: Vec<&str> = Vec::new();
    for measurement in results.iter().flat_map(|(_, comparison)| &comparison.measurements) {
        if !sides.contains(&&*measurement.side) {
            sides.push(&measurement.side);
        }
    }
    let mut text = String::from("## How many times as long as keops\n\n| workload | keops |");
    for side in &sides[1.min(sides.len())..] {
        write!(text, " {side} |")?;
    }
    writeln!(text, "\n|---|---|{}", "---|".repeat(sides.len().saturating_sub(1)))?;
    for (workload, comparison) in results {
        let ours = comparison.measurements[0].median().map_or_else(String::new, digits);
        write!(text, "| {}, {} | {ours} |", workload.family.title(), workload.title())?;
        for side in &sides[1..] {
            let measurement = comparison.measurements.iter().find(|measurement| measurement.side == *side);
            let cell = match measurement.map(|measurement| (&measurement.outcome, ratio(comparison, measurement))) {
                Some((Outcome::LeftOut(_), _)) => "does not fit".to_owned(),
                Some((_, Some(ratio))) => format!("{ratio:.2}"),
                _ => String::new(),
            };
            write!(text, " {cell} |")?;
        }
        writeln!(text)?;
    }
    writeln!(text)?;
    Ok(text)
}

/// A table for each family.
fn details(results: &[(Workload, Comparison)]) -> Result<String> {
    let mut text = String::new();
    for group in results.chunk_by(|(a, _), (b, _)| a.family == b.family) {
        let (first, _) = &group[0];
        writeln!(text, "## {}\n", first.family.title())?;
        let declared: Vec<String> = first.variables().iter().map(Variable::title).collect();
        let calls: Vec<String> = first.family.calls().iter().map(Call::title).collect();
        writeln!(text, "In KeOps' words, of {}:\n\n- {}\n", declared.join(", "), calls.join("\n- "))?;
        writeln!(text, "| workload | side | time: median (least to most) | Gpairs/s | error | times keops |")?;
        writeln!(text, "|---|---|---|---|---|---|")?;
        for (workload, comparison) in group {
            for (number, measurement) in comparison.measurements.iter().enumerate() {
                let title = if number == 0 { workload.title() } else { String::new() };
                write!(text, "| {title} | {} |", measurement.side)?;
                match (&measurement.outcome, measurement.median()) {
                    (Outcome::Measured { seconds, error }, Some(median)) => writeln!(
                        text,
                        " {} ({} to {}) | {:.3} | {} | {:.2} |",
                        digits(median),
                        digits(seconds[0]),
                        digits(seconds[seconds.len() - 1]),
                        workload.pairs() / median / 1e9,
                        error_digits(*error),
                        ratio(comparison, measurement).unwrap_or(f64::NAN),
                    )?,
                    (Outcome::LeftOut(reason), _) => writeln!(text, " {reason} | | | |")?,
                    (Outcome::Measured { .. }, None) => writeln!(text, " | | | |")?,
                }
            }
        }
        writeln!(text)?;
    }
    Ok(text)
}

/// Machine, versions and flags.
fn circumstances(results: &[(Workload, Comparison)], threads: NonZero<usize>, cores: NonZero<usize>) -> Result<String> {
    let mut text = String::from("## Machine, versions and flags\n\n");
    let dates: BTreeSet<&str> = results.iter().map(|(_, comparison)| &*comparison.date).collect();
    writeln!(text, "- Date: {}", dates.into_iter().collect::<Vec<_>>().join(", "))?;
    writeln!(text, "- Processor: {}, {cores} cores in sight", processor())?;
    writeln!(text, "- Threads of each side: {threads}")?;
    let loads = || results.iter().filter_map(|(_, comparison)| comparison.load);
    if let (Some(least), Some(most)) = (loads().min_by(f64::total_cmp), loads().max_by(f64::total_cmp)) {
        writeln!(text, "- Load of the machine over the last minute, that of the sides included: {least} to {most}")?;
    }
    let mut versions: Vec<&str> = Vec::new();
    for version in results.iter().flat_map(|(_, comparison)| &comparison.versions) {
        if !versions.contains(&&**version) {
            versions.push(version);
        }
    }
    writeln!(text, "- {}", versions.join(", "))?;
    writeln!(text, "- keops and pykeops: default flags; pykeops tuned: `CXXFLAGS=\"{TUNED}\"`")?;
    if !versions.iter().any(|version| version.starts_with("torch")) {
        writeln!(text, "- torch is missing: its build for processors alone could not be installed on this machine")?;
    }
    Ok(text)
}

/// How many times as long as keops.
fn ratio(comparison: &Comparison, measurement: &Measurement) -> Option<f64> {
    Some(measurement.median()? / comparison.measurements[0].median()?)
}

/// A time with about three digits that count.
fn digits(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// An error, which is often exactly 0 where neighbours are compared.
fn error_digits(error: f64) -> String {
    if error == 0.0 { "0".to_owned() } else { format!("{error:.1e}") }
}

/// The name of the processor where the system tells it.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// The load average of a minute where the system tells it.
pub(super) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}
