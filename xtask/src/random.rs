//! `cargo xtask random`: random formulas, compiled by rustc, against the oracle of the compiler.
//!
//! Formulas are drawn from consecutive seeds, so that each can be run again alone. The program that checks them
//! is a package of its own below `target/random`, whose dependencies are compiled once.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use keops_build::{Kernels, build};
use keops_random::{draw::draw, program::program};
use rayon::prelude::*;

use crate::{root, run, test_cuda::emulator};

/// Options of the task.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The number from which the first formula is drawn; the next formula has the next number [default: another number on each
    /// run]. With several seeds, each has as many formulas as `--formulas` says.
    #[arg(long)]
    seed: Vec<u64>,
    /// The number of formulas that are compiled and checked.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..))]
    formulas: u16,
    /// The number of further formulas, whose derivatives are checked as graphs, without compiling them.
    #[arg(long, default_value_t = 40)]
    rules: u16,
    /// Run on the emulator of xtask/testing/keops-emulator instead of the processor.
    #[arg(long)]
    emulator: bool,
    /// Only write the program, and print the formulas.
    #[arg(long)]
    list: bool,
}

/// Runs the task.
pub(crate) fn run_task(options: &Options) -> Result<()> {
    // short enough to be typed
    let first = match options.seed.as_slice() {
        [] => vec![fastrand::u64(..1_000_000_000)],
        seeds => seeds.to_vec(),
    };
    let text: Vec<String> = first.iter().map(|seed| format!("--seed {seed}")).collect();
    println!("cargo xtask random {} --formulas {} --rules {}", text.join(" "), options.formulas, options.rules);
    let following = |n: u16| {
        let of = |&seed: &u64| (0..u64::from(n)).map(move |k: u64| seed.wrapping_add(k));
        first.iter().flat_map(of).collect::<Vec<u64>>()
    };
    let seeds = following(options.formulas);
    let drawn: Vec<_> = seeds.into_par_iter().map(draw).collect();
    let folder = root().join("target/random");
    let main = folder.join("src/main.rs");
    write(&folder.join("Cargo.toml"), &manifest())?;
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).context("Cargo.lock")?;
    write(&main, &program(&drawn)?)?;
    if options.list {
        drawn.iter().for_each(|formula| println!("// seed {}\n{}", formula.seed, formula.item));
        return Ok(());
    }
    let rules = rules(&following(options.formulas.saturating_add(options.rules)));
    let mut check = Command::new("cargo");
    check.args(["run", "--quiet", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    check.env("CARGO_TARGET_DIR", target());
    if options.emulator {
        let built = build(&keops_build::Options {
            sources: vec![main],
            work: folder.join("ptx/crate"),
            out: folder.join("ptx"),
            arch: "sm_80".to_owned(),
            precise: true,
            kernels: Kernels::Called,
            cubins: Vec::new(),
        })?;
        println!("{} kernels in {}", built.kernels.len(), built.folder.display());
        ensure!(!built.kernels.is_empty(), "no kernel was built");
        check.args(["--features", "cuda", "--", "--cuda"]);
        check.env("KEOPS_PTX_DIR", built.folder).env("LD_LIBRARY_PATH", emulator()?);
    }
    run(&mut check)?;
    rules
}

/// Checks the rules of derivatives of the formulas of these seeds, whose graphs are evaluated as they are.
fn rules(seeds: &[u64]) -> Result<()> {
    let seen: Vec<Result<usize>> = seeds.par_iter().map(|&seed| keops_random::rules::check(seed)).collect();
    let mut failed = 0;
    for (&seed, seen) in seeds.iter().zip(&seen) {
        if let Err(error) = seen {
            println!("{}    {error:#}\n    again: cargo xtask random --seed {seed} --formulas 1\n", draw(seed).item);
            failed += 1;
        }
    }
    let numbers: usize = seen.iter().flatten().sum();
    println!("the rules of {} formulas: {numbers} numbers compared at special points", seeds.len());
    ensure!(failed == 0, "the rules of {failed} formulas");
    Ok(())
}

/// The folder where cargo builds. It is that of the workspace, so that the dependencies that both compile in the same way are
/// compiled once.
fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    // an unchanged file is not compiled again
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text).with_context(|| path.display().to_string())
}

/// The `Cargo.toml` of the program. Formulas are compiled as for tests, without optimizations, which take LLVM several times as long as
/// they save; but the oracle, which evaluates hundreds of thousands of terms, with optimizations.
fn manifest() -> String {
    let root = root();
    format!(
        "[package]
name = \"random-formulas\"
version = \"0.0.0\"
edition = \"2024\"

[dependencies]
keops = {{ path = {root:?} }}
keops-random = {{ path = {:?} }}

[features]
cuda = [\"keops/cuda\"]

[profile.dev]
debug = false

[profile.dev.package.\"*\"]
opt-level = 0

[profile.dev.package.keops-core]
opt-level = 1

[profile.dev.package.keops-random]
opt-level = 1

[profile.dev.package.keops-compiler]
opt-level = 1

[workspace]
",
        root.join("xtask/testing/keops-random")
    )
}
