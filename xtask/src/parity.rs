//! `cargo xtask parity`: docs/parity.md, KeOps' list row by row with the test that shows each row.
//!
//! The rows come from the operation table and the reduction table of the compiler, the tests from their sources and from the
//! output of `cargo test`: the document cannot claim anything that no test shows.

mod keops;
mod scan;

use self::{
    keops::{Entry, Use},
    scan::Shown,
};
use crate::{root, run};
use anyhow::{Context, Result, bail};
use keops_compiler::{reduction, table};
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The test files whose formulas count.
const FILES: [&str; 12] = [
    "operations",
    "reductions",
    "derivatives",
    "second_order",
    "selection",
    "spellings",
    "arguments",
    "dimensions",
    "sums",
    "sparse",
    "solve",
    "cluster",
];

/// Write docs/parity.md.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The file with the output of `cargo test` [default: run the tests].
    #[arg(long)]
    results: Option<PathBuf>,
    /// Only compare docs/parity.md with the tables and tests, and fail if it is not up to date.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run_task(options: &Options) -> Result<()> {
    let log = match &options.results {
        Some(file) => fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?,
        None => test()?,
    };
    let passed = scan::passed(&log);
    let mut shown = Shown::default();
    for stem in FILES {
        let file = format!("tests/{stem}.rs");
        let Some(passed) = passed.get(&file) else { bail!("the results have no test of {file}") };
        shown.read(&root().join(&file), passed)?;
    }
    let text = document(&shown)?;
    let path = root().join("docs/parity.md");
    if !options.check {
        return fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()));
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    if found != text {
        bail!("{} is not what the tests show: run `cargo xtask parity`", path.display());
    }
    Ok(())
}

/// Runs the tests, and returns their output.
fn test() -> Result<String> {
    let log = root().join("target/parity.log");
    let mut command = Command::new("cargo");
    command.current_dir(root()).arg("test");
    FILES.iter().for_each(|stem| {
        command.args(["--test", stem]);
    });
    let file = || fs::File::create(Path::new(&log)).with_context(|| format!("{} cannot be written", log.display()));
    let both = file()?;
    let same = both.try_clone().context("the log cannot be opened twice")?;
    run(command.stdout(both).stderr(same)).with_context(|| format!("see {}", log.display()))?;
    fs::read_to_string(&log).with_context(|| format!("{} cannot be read", log.display()))
}

fn document(shown: &Shown) -> Result<String> {
    let mut text = String::from(
        "# KeOps and keops\n\n\
         These tables list all that KeOps 2.3 has, under its names, each with the name here and a test that computes it\n\
         (file::test below `tests/`). `cargo xtask parity` writes them from the compiler's tables and the results of the tests; \
         CI fails\nif they are not up to date.\n",
    );
    let mut unshown = Vec::new();
    let mut line = |text: &mut String, name: &str, ours: &str, test: Option<&str>| -> std::fmt::Result {
        if test.is_none() {
            unshown.push(name.to_owned());
        }
        writeln!(text, "| `{name}` | {ours} | `{}` |", test.unwrap_or_default())
    };
    for section in keops::SECTIONS {
        write!(text, "\n## {}\n\n| KeOps | here | test |\n|---|---|---|\n", section.title)?;
        for Entry { name, ours } in section.entries {
            match (ours, table::find(name)) {
                (Some(ours), _) => line(&mut text, name, &format!("`{ours}`"), shown.operation([*ours]))?,
                (None, Some(row)) => {
                    // The test of KeOps' own name, where there is one.
                    let test = shown.operation([*name]).or(shown.operation([row.name]));
                    line(&mut text, name, &names(name, row.name, row.aliases), test)?;
                }
                (None, None) => writeln!(text, "| `{name}` | not yet | |")?,
            }
        }
    }
    write!(text, "\n## Reductions\n\n| KeOps | here | test |\n|---|---|---|\n")?;
    for name in keops::REDUCTIONS {
        match reduction::find(name) {
            Some(row) => {
                let test = shown.reduction([*name]).or(shown.reduction([row.name]));
                line(&mut text, name, &names(name, row.name, row.aliases), test)?;
            }
            None => writeln!(text, "| `{name}` | not yet | |")?,
        }
    }
    for (title, uses) in keops::USES {
        write!(text, "\n## {title}\n\n| KeOps | here | test |\n|---|---|---|\n")?;
        for Use { name, ours, words } in *uses {
            line(&mut text, name, ours, shown.using(words))?;
        }
    }
    if !unshown.is_empty() {
        bail!("no test that passed shows {}", unshown.join(", "));
    }
    Ok(text)
}

/// All names of a row but KeOps'.
fn names(keops: &str, name: &str, aliases: &[&str]) -> String {
    let others = std::iter::once(&name).chain(aliases).filter(|other| **other != keops);
    let others: Vec<String> = others.map(|other| format!("`{other}`")).collect();
    if others.is_empty() { "the same".to_owned() } else { format!("the same, {}", others.join(", ")) }
}
