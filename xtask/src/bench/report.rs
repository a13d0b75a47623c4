//! The table, for the terminal and for docs/benchmarks.md.

use super::{CHECKED_ROWS, Measurement, rival::TUNED, side::Side, workload::Workload};
use anyhow::Result;
use std::{fmt::Write, fs, num::NonZero};

/// What one workload gave, a line for each side.
pub(super) fn lines(workload: &Workload, measurements: &[Measurement]) -> String {
    let mut text = String::new();
    for measurement in measurements {
        let _ = writeln!(
            text,
            "  {:<14} {:>8.4} s  {:>7.3} Gpairs/s  error {:.1e}  ratio {:.2}",
            measurement.side,
            measurement.median(),
            workload.pairs() / measurement.median() / 1e9,
            measurement.error,
            measurement.median() / measurements[0].median(),
        );
    }
    text
}

/// The whole document.
pub(super) fn document(
    results: &[(&Workload, Vec<Measurement>)],
    sides: &mut [Side],
    repeats: u16,
    threads: NonZero<usize>,
    cores: NonZero<usize>,
) -> Result<String> {
    let mut text = String::from(
        "# keops and pykeops side by side\n\n\
         Written by `cargo xtask bench-keops`; run it again for the numbers of another machine.\n\n\
         | workload | side | seconds: median (least to most) | Gpairs/s | error | times as long as keops |\n\
         |---|---|---|---|---|---|\n",
    );
    for (workload, measurements) in results {
        for measurement in measurements {
            let seconds = &measurement.seconds;
            writeln!(
                text,
                "| {} | {} | {:.4} ({:.4} to {:.4}) | {:.3} | {:.1e} | {:.2} |",
                workload.title,
                measurement.side,
                measurement.median(),
                seconds[0],
                seconds[seconds.len() - 1],
                workload.pairs() / measurement.median() / 1e9,
                measurement.error,
                measurement.median() / measurements[0].median(),
            )?;
        }
    }
    writeln!(
        text,
        "\nEvery side computed each workload {repeats} times, by turns, after one time for warming up, which is when \
         KeOps compiles.\nThe inputs are the same random numbers for all sides. A pair is one value of the formula \
         for one i and one j. The error is\nthe largest one against plain loops in f64, of {CHECKED_ROWS} rows, \
         relative to the sum of the terms' absolute values.\n"
    )?;
    writeln!(text, "- Date: {}", time::UtcDateTime::now().date())?;
    writeln!(text, "- Processor: {}, {cores} cores in sight", processor())?;
    writeln!(text, "- Threads of each side: {threads}")?;
    if let Some(load) = load() {
        writeln!(text, "- Load of the machine over the last minute, ours included: {load}")?;
    }
    let mut listed = Vec::new();
    for side in sides {
        let versions = side.versions()?;
        if !listed.contains(&versions) {
            writeln!(text, "- {versions}")?;
            listed.push(versions);
        }
    }
    writeln!(text, "- keops and pykeops: default flags; pykeops tuned: `CXXFLAGS=\"{TUNED}\"`\n")?;
    writeln!(text, "Formulas, in KeOps' words:\n")?;
    for (workload, _) in results {
        let aliases: Vec<String> = workload.variables.iter().map(super::workload::Variable::alias).collect();
        let (formula, reduction) = (workload.formula, workload.reduction);
        writeln!(text, "- {}:\n  `{reduction}` over j of `{formula}`, {}", workload.title, aliases.join(", "))?;
    }
    Ok(text)
}

/// The name of the processor where the system tells it.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// The load average of a minute where the system tells it.
fn load() -> Option<String> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next().map(str::to_owned)
}
