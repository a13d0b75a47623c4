//! The tables, for the terminal, for docs/benchmarks.md and for README.md.

use super::{
    DENSE_BYTES, ENOUGH, FEW, LONGEST,
    check::CHECKED_ROWS,
    machine::Machine,
    picture,
    rival::TUNED,
    store::{Comparison, Measurement, OURS, Outcome, Purpose, Results, Times},
    workload::{self, CURVES, Call, Curve, Variable, Workload},
};
use crate::root;
use anyhow::{Context, Result, ensure};
use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

/// The rows of README.md.
const ROWS: [&str; 10] = [
    "gaussian_d3_e1_10000x10000_f32",
    "gaussian_d3_e1_10000x10000_f64",
    "gaussian_d100_e1_2000x2000_f32",
    "gaussian_x_d3_e1_5000x5000_f32",
    "matern_d3_e1_5000x5000_f32",
    "cauchy_d3_e1_5000x5000_f32",
    "soft_minimum_d3_e1_5000x5000_f32",
    "attention_d64_e64_2000x2000_f32",
    "neighbours_d3_e1_10000x10000_f32",
    "neighbours_d10_e1_5000x5000_f32",
];
/// The columns of README.md: the names of rivals, and their names there.
const COLUMNS: [(&str, &str); 4] = [
    ("pykeops", "pykeops"),
    ("pykeops tuned", "pykeops, `-march=native -ffast-math`"),
    ("NumPy", "NumPy, dense"),
    ("torch", "torch, dense"),
];
/// The rows of README.md with searches by trees.
const SEARCH_ROWS: [&str; 6] = [
    "neighbours_d3_e1_100000x100000_f32",
    "neighbours_d3_e1_1000000x1000000_f32",
    "neighbours_manifold_d10_e1_100000x100000_f32",
    "neighbours_manhattan_d3_e1_1000000x1000000_f32",
    "neighbours_haversine_d2_e1_1000000x1000000_f32",
    "neighbours_one_by_one_d3_e1_10000x1000000_f32",
];
/// Their columns.
const SEARCH_COLUMNS: [(&str, &str); 3] =
    [("scipy cKDTree", "scipy cKDTree"), ("scikit-learn ball tree", "scikit-learn BallTree"), ("kiddo", "kiddo")];
/// The marks around the tables in README.md.
const BEGIN: &str = "<!-- written by `cargo xtask bench-keops --report`: begin -->\n";
const END: &str = "<!-- written by `cargo xtask bench-keops --report`: end -->\n";

/// The results of one workload, a line for each side.
pub(super) fn lines(workload: &Workload, comparison: &Comparison) -> String {
    let mut text = String::new();
    for measurement in &comparison.measurements {
        let _ = match (&measurement.outcome, measurement.outcome.times()) {
            (_, Some(times)) => writeln!(
                text,
                "  {:<22} {:>10}  {:>7.3} Gpairs/s  error {}  ratio {:.2}",
                measurement.side,
                digits(times.median),
                workload.pairs() / times.median / 1e9,
                error_digits(times.error),
                comparison.ratio(measurement).unwrap_or(f64::NAN),
            ),
            (Outcome::LeftOut(reason), None) => writeln!(text, "  {:<22} {reason}", measurement.side),
            (_, None) => Ok(()),
        };
    }
    text
}

/// Writes docs/benchmarks.md with its pictures, and the tables of README.md.
pub(super) fn write(all: &[Results]) -> Result<()> {
    let docs = root().join("docs");
    for results in all {
        for curve in CURVES {
            draw(&docs.join(picture(&results.machine, curve)), curve, results)?;
        }
    }
    let readme = root().join("README.md");
    let text = fs::read_to_string(&readme).with_context(|| format!("{} cannot be read", readme.display()))?;
    let files = [(docs.join("benchmarks.md"), document(all, &docs)?), (readme, in_readme(&text, &table(all)?)?)];
    for (path, text) in files {
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        println!("written: {}", path.display());
    }
    Ok(())
}

/// The path of a picture, relative to docs.
fn picture(machine: &Machine, curve: &Curve) -> String {
    format!("benchmarks/{}/{}.png", machine.name(), curve.name)
}

/// Draws a picture if its points are known.
fn draw(path: &Path, curve: &Curve, results: &Results) -> Result<()> {
    let point = |workload| Some((workload, results.get(Purpose::Picture, &workload)?));
    let points: Vec<(Workload, &Comparison)> = curve.workloads(false).filter_map(point).collect();
    if points.is_empty() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    picture::draw(path, curve.title, results.machine.threads, &points)
}

/// README.md with another table between its marks.
fn in_readme(readme: &str, table: &str) -> Result<String> {
    let parts = readme.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.with_context(|| format!("README.md lacks the lines\n{BEGIN}{END}"))?;
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

/// The tables of README.md, and the descriptions of their machines.
fn table(all: &[Results]) -> Result<String> {
    let mut text = rows(all, &ROWS, &COLUMNS)?;
    writeln!(
        text,
        "\nNeighbours by bounds, beside searches by trees, which are built each time but for the last row:\n"
    )?;
    text += &rows(all, &SEARCH_ROWS, &SEARCH_COLUMNS)?;
    writeln!(text)?;
    for (number, results) in all.iter().enumerate() {
        writeln!(text, "- {}", legend(number, results))?;
    }
    Ok(text)
}

/// A table of these workloads and rivals.
fn rows(all: &[Results], names: &[&str], columns: &[(&str, &str)]) -> Result<String> {
    let mut text = heading(columns.iter().map(|(_, title)| *title));
    let workloads = workload::all(false);
    for &name in names {
        let workload = workloads.iter().find(|workload| workload.name() == name);
        let workload = workload.with_context(|| format!("README.md has a row of {name}, which is no workload"))?;
        let sides: Vec<&str> = columns.iter().map(|(side, _)| *side).collect();
        text += &ranges(workload, all, &sides)?;
    }
    Ok(text)
}

/// A machine, and the days on which it was measured.
fn legend(number: usize, results: &Results) -> String {
    let comparisons = measured(results).map(|(_, comparison)| comparison);
    let dates: BTreeSet<&str> = comparisons.filter_map(|comparison| comparison.date.as_deref()).collect();
    let dates: Vec<&str> = dates.into_iter().collect();
    let dates = if dates.is_empty() { "date unknown".to_owned() } else { dates.join(", ") };
    format!("{}: {}; {dates}", letter(number), results.machine.title())
}

/// A machine's short name in the tables.
fn letter(number: usize) -> String {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    LETTERS.get(number..=number).map_or_else(|| (number + 1).to_string(), str::to_owned)
}

/// The workloads of the tables for which there are results, in their order.
fn measured(results: &Results) -> impl Iterator<Item = (Workload, &Comparison)> {
    workload::all(false).into_iter().filter_map(|workload| Some((workload, results.get(Purpose::Table, &workload)?)))
}

/// The columns of a table over all machines.
fn heading<'a>(titles: impl ExactSizeIterator<Item = &'a str>) -> String {
    let line = format!("|---|---|---|{}", "---|".repeat(titles.len()));
    let titles: String = titles.map(|title| format!(" {title} |")).collect();
    format!("| workload | machines | {OURS} |{titles}\n{line}\n")
}

/// A row of a table over all machines: the times of keops, and the ratio of each rival's time to them.
fn ranges(workload: &Workload, all: &[Results], sides: &[&str]) -> Result<String> {
    let comparisons: Vec<Option<&Comparison>> =
        all.iter().map(|results| results.get(Purpose::Table, workload)).collect();
    let machines = letters(&comparisons);
    let mut text = format!("| {}, {} | {machines} |", workload.family.title(), workload.title());
    let ours = comparisons.iter().map(|comparison| comparison.as_ref()?.measurements[0].median());
    write!(text, " {} |", range(&ours.collect::<Vec<_>>(), &machines, time))?;
    for side in sides {
        let found: Vec<Option<&Measurement>> = comparisons.iter().map(|comparison| (*comparison)?.of(side)).collect();
        let ratios = comparisons.iter().zip(&found).map(|(comparison, found)| (*comparison)?.ratio((*found)?));
        let mut cell = range(&ratios.collect::<Vec<_>>(), &machines, two_digits);
        let left_out = |measurement: &&Measurement| matches!(measurement.outcome, Outcome::LeftOut(_));
        if cell.is_empty() && found.iter().flatten().any(left_out) {
            cell.push_str("does not fit");
        }
        write!(text, " {cell} |")?;
    }
    writeln!(text)?;
    Ok(text)
}

/// The letters of the machines that have a value.
fn letters<T>(values: &[Option<T>]) -> String {
    let there = values.iter().enumerate().filter(|(_, value)| value.is_some());
    there.map(|(number, _)| letter(number)).collect::<Vec<_>>().join(", ")
}

/// The least and the largest value of the machines, with the letters of these machines unless they are those of the row.
fn range(values: &[Option<f64>], row: &str, show: impl Fn(f64) -> String) -> String {
    let there = || values.iter().flatten().copied();
    let (Some(least), Some(most)) = (there().min_by(f64::total_cmp), there().max_by(f64::total_cmp)) else {
        return String::new();
    };
    let (least, most, machines) = (show(least), show(most), letters(values));
    let range = if least == most { least } else { format!("{least} to {most}") };
    if machines == row { range } else { format!("{range} ({machines})") }
}

/// docs/benchmarks.md; pictures are looked for in `docs`.
fn document(all: &[Results], docs: &Path) -> Result<String> {
    ensure!(!all.is_empty(), "there are no results");
    let mut text = String::from(
        "# keops and its rivals side by side\n\n\
         This document is written by `cargo xtask bench-keops --report` from the files in benches/results, one for each \
         machine.\n`cargo xtask bench-keops` measures the machine that it runs on, adds or replaces the machine's file, and \
         writes the\ndocument again.\n\n## Machines\n\n",
    );
    for (number, results) in all.iter().enumerate() {
        writeln!(text, "- {}: benches/results/{}.json", legend(number, results), results.machine.name())?;
    }
    text += "\n## How many times as long as keops\n\n\
             The column of keops has its time, the others the time of a rival divided by that of keops. A range has the least \
             and the\nmost of the machines of the row; letters after a number say that these machines alone have it.\n\n";
    let sides = sides(all);
    text += &heading(sides.iter().copied());
    for workload in workload::all(false) {
        if all.iter().any(|results| results.get(Purpose::Table, &workload).is_some()) {
            text += &ranges(&workload, all, &sides)?;
        }
    }
    text += "\n## How it is measured\n\n";
    text += HOW;
    let runs =
        all.iter().flat_map(measured).flat_map(|(_, comparison)| &comparison.measurements).map(Measurement::runs);
    writeln!(
        text,
        "\
The sides take turns. Each computes a workload once for warming up, which is when KeOps compiles, and then up to {}
times; a side that has computed for {ENOUGH} seconds stops after {FEW} times. A call that takes less than 10 ms is
repeated until 10 ms have passed. The inputs are the same random numbers for all sides. Errors are the
largest of up to {CHECKED_ROWS} rows against plain loops in f64, relative to the sum of the absolute values of the terms. The
errors of LogSumExp are relative to its value; those of neighbours are of their squared distances, relative to that of
the last neighbour. A pair is one value of the formula, for one i and one j; Gpairs/s of all gradients count each pair
once. keops and pykeops are built with their default flags, \"pykeops tuned\" with
`CXXFLAGS=\"{TUNED}\"`. In the pictures a rival has no more points where one computation would take
more than {LONGEST} s, or its matrices more than {} GB.
",
        runs.max().filter(|&runs| runs > 0).unwrap_or(super::REPEATS.into()),
        DENSE_BYTES / 1e9,
    )?;
    text += &formulas()?;
    for (number, results) in all.iter().enumerate() {
        let machine = &results.machine;
        writeln!(text, "## {}: {}\n", letter(number), machine.title())?;
        text += &circumstances(results)?;
        for curve in CURVES {
            let picture = picture(machine, curve);
            if docs.join(&picture).exists() {
                writeln!(text, "![{}: seconds against N = M]({picture})\n", curve.title)?;
            }
        }
        text += &summary(results)?;
        text += &details(results)?;
    }
    let end = text.trim_end().len();
    text.truncate(end);
    text.push('\n');
    Ok(text)
}

/// The notes that a reader needs to judge the numbers.
const HOW: &str = "\
NumPy and torch hold the matrix of all pairs, which they make with a matrix product and change in place. Neighbours by trees
include the time for building the tree, except those of one target at a time, and keops sorts its points, too. In few
dimensions a tree compares a point with few others, and its time grows as N log N. In many dimensions it compares almost all
points, with more work for each. kiddo is compiled for the processor of the machine, and takes all queries as a batch. Queries
are in no order.

";

/// The rivals, in the order in which they appear.
fn sides(all: &[Results]) -> Vec<&str> {
    let mut sides: Vec<&str> = Vec::new();
    for results in all {
        for measurement in measured(results).flat_map(|(_, comparison)| &comparison.measurements) {
            if measurement.side != OURS && !sides.contains(&&*measurement.side) {
                sides.push(&measurement.side);
            }
        }
    }
    sides
}

/// The formulas of all families in KeOps' words.
fn formulas() -> Result<String> {
    let mut text = String::from(
        "## Formulas\n\nThese are the workloads in the words of KeOps.\n\n| | variables | reductions |\n|---|---|---|\n",
    );
    for group in workload::all(false).chunk_by(|a, b| a.family == b.family) {
        let family = group[0].family;
        let variables: Vec<String> = group[0].variables().iter().map(Variable::title).collect();
        let calls: Vec<String> = family.calls().iter().map(|call| Call::title(call).replace('|', "\\|")).collect();
        writeln!(text, "| {} | {} | {} |", family.title(), variables.join(", "), calls.join("; "))?;
    }
    writeln!(text)?;
    Ok(text)
}

/// The ratio of each rival's time to that of keops on one machine, a line for each workload.
fn summary(results: &Results) -> Result<String> {
    let sides = sides(std::slice::from_ref(results));
    let mut text = format!("| workload | {OURS} |");
    for side in &sides {
        write!(text, " {side} |")?;
    }
    writeln!(text, "\n|---|---|{}", "---|".repeat(sides.len()))?;
    for (workload, comparison) in measured(results) {
        let ours = comparison.measurements[0].median().map_or_else(String::new, digits);
        write!(text, "| {}, {} | {ours} |", workload.family.title(), workload.title())?;
        for side in &sides {
            let measurement = comparison.of(side);
            let cell = match measurement.map(|found| (&found.outcome, comparison.ratio(found))) {
                Some((Outcome::LeftOut(_), _)) => "does not fit".to_owned(),
                Some((Outcome::Transcribed { times: None, .. }, Some(ratio))) => format!("{ratio}"),
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

/// A table for each family of which the times on a machine are known.
fn details(results: &Results) -> Result<String> {
    let mut text = String::new();
    let comparisons: Vec<_> = measured(results).collect();
    let known = |(_, comparison): &&(Workload, &Comparison)| {
        comparison
            .measurements
            .iter()
            .any(|measurement| !matches!(measurement.outcome, Outcome::Transcribed { times: None, .. }))
    };
    for group in comparisons.chunk_by(|(a, _), (b, _)| a.family == b.family) {
        if !group.iter().any(|comparison| known(&comparison)) {
            continue;
        }
        writeln!(text, "### {}\n", group[0].0.family.title())?;
        writeln!(text, "| workload | side | time: median (least to most) | Gpairs/s | error | times keops |")?;
        writeln!(text, "|---|---|---|---|---|---|")?;
        for (workload, comparison) in group {
            for (number, measurement) in comparison.measurements.iter().enumerate() {
                let title = if number == 0 { workload.title() } else { String::new() };
                write!(text, "| {title} | {} |", measurement.side)?;
                match (&measurement.outcome, measurement.outcome.times()) {
                    (_, Some(Times { median, least, most, error })) => writeln!(
                        text,
                        " {} ({} to {}) | {:.3} | {} | {:.2} |",
                        digits(median),
                        digits(least),
                        digits(most),
                        workload.pairs() / median / 1e9,
                        error_digits(error),
                        comparison.ratio(measurement).unwrap_or(f64::NAN),
                    )?,
                    (Outcome::LeftOut(reason), None) => writeln!(text, " {reason} | | | |")?,
                    (_, None) => writeln!(text, " | | | |")?,
                }
            }
        }
        writeln!(text)?;
    }
    Ok(text)
}

/// The processor, the versions and the command of a machine's results, and the workloads that are missing.
fn circumstances(results: &Results) -> Result<String> {
    let machine = &results.machine;
    let comparisons: Vec<_> = measured(results).collect();
    let all = || comparisons.iter().map(|(_, comparison)| comparison);
    let mut text = String::new();
    writeln!(text, "- Processor: {}", machine.processor)?;
    let commands: BTreeSet<&str> = all().map(|comparison| &*comparison.command).collect();
    writeln!(text, "- Command: {}", commands.into_iter().collect::<Vec<_>>().join("; "))?;
    let loads = || all().flat_map(|comparison| comparison.load.iter().copied());
    if let (Some(least), Some(most)) = (loads().min_by(f64::total_cmp), loads().max_by(f64::total_cmp)) {
        writeln!(text, "- Load of the machine over the last minute, that of the sides included: {least} to {most}")?;
    }
    let mut versions: Vec<&str> = Vec::new();
    for version in all().flat_map(|comparison| &comparison.versions) {
        if !versions.contains(&&**version) {
            versions.push(version);
        }
    }
    if versions.is_empty() {
        writeln!(text, "- Versions: not recorded")?;
    } else {
        writeln!(text, "- Versions: {}", versions.join(", "))?;
        if !versions.iter().any(|version| version.starts_with("torch")) {
            writeln!(
                text,
                "- torch is missing: its build for processors alone could not be installed on this machine"
            )?;
        }
    }
    let transcribed = |comparison: &&&Comparison| {
        comparison.measurements.iter().any(|measurement| matches!(measurement.outcome, Outcome::Transcribed { .. }))
    };
    let transcribed = all().filter(transcribed).count();
    if transcribed > 0 {
        writeln!(
            text,
            "- Transcribed from a document, since the times of the runs were not kept: {transcribed} workloads"
        )?;
    }
    let missing = workload::all(false).len() - comparisons.len();
    if missing > 0 {
        writeln!(text, "- Not measured on this machine: {missing} of {} workloads", workload::all(false).len())?;
    }
    writeln!(text)?;
    Ok(text)
}

/// A time with about three significant digits.
fn digits(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// A time with two digits.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{} µs", two_digits(s * 1e6)),
        s if s < 1.0 => format!("{} ms", two_digits(s * 1e3)),
        s => format!("{} s", two_digits(s)),
    }
}

/// A number with two digits, or with all digits before the point. Ratios that were recorded as whole numbers stay whole.
fn two_digits(number: f64) -> String {
    match number {
        n if n >= 9.95 || n.fract() == 0.0 => format!("{n:.0}"),
        n if n >= 0.995 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}

/// An error, which is often exactly 0 where neighbours are compared.
fn error_digits(error: f64) -> String {
    if error == 0.0 { "0".to_owned() } else { format!("{error:.1e}") }
}

/// The load average of the last minute, if the system has it.
pub(super) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{super::store, *};

    #[test]
    fn the_documents_are_what_the_results_say() {
        let all = store::read_all(&root().join("benches/results")).unwrap();
        let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
        let hint = "run `cargo xtask bench-keops --report`";
        assert!(read("docs/benchmarks.md") == document(&all, &root().join("docs")).unwrap(), "{hint}");
        let readme = read("README.md");
        assert!(in_readme(&readme, &table(&all).unwrap()).unwrap() == readme, "{hint}");
    }

    #[test]
    fn a_range_names_its_machines_unless_the_row_does() {
        let range = |values: &[Option<f64>], row| range(values, row, two_digits);
        assert_eq!(range(&[Some(44.04), Some(29.0)], "A, B"), "29 to 44");
        assert_eq!(range(&[Some(14.9), Some(15.1)], "A, B"), "15");
        assert_eq!(range(&[None, Some(9.0)], "B"), "9");
        assert_eq!(range(&[None, Some(9.0)], "A, B"), "9 (B)");
        assert_eq!(range(&[Some(2.64), None, Some(2.07)], "A, B, C"), "2.1 to 2.6 (A, C)");
        assert_eq!(range(&[None, None], "A, B"), "");
        let numbers = [9.96, 9.94, 127.7, 6.98, 0.953, 0.996];
        assert_eq!(numbers.map(two_digits), ["10", "9.9", "128", "7.0", "0.95", "1.0"]);
        assert_eq!((time(8.2e-6), time(5.66e-3), time(5.12)), ("8.2 µs".into(), "5.7 ms".into(), "5.1 s".into()));
        assert_eq!((letter(0), letter(25), letter(26)), ("A".into(), "Z".into(), "27".into()));
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let readme = format!("before\n{BEGIN}old\n{END}after\n");
        assert_eq!(in_readme(&readme, "new\n").unwrap(), format!("before\n{BEGIN}new\n{END}after\n"));
        assert!(in_readme("before\n", "new\n").is_err());
    }
}
