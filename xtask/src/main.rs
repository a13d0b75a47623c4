//! Development tasks: `cargo xtask <task>`, `cargo xtask help` for a list.

mod bench;
mod bundle;
mod compile_time;
mod layers;
mod mpi;
mod package;
mod parity;
mod ptx;
mod random;
mod test_cuda;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use std::{
    path::Path,
    process::{Command, ExitCode},
};

/// Development tasks of keops.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check format, lints, docs and tests, as `.ci/run` does.
    Ci,
    /// Time keops and its rivals side by side, and write benches/results, docs/benchmarks.md and the table of README.md.
    BenchKeops(bench::Options),
    /// Compile formulas for GPUs.
    BuildPtx(ptx::Options),
    /// Run tests/cuda.rs, or all integration tests, on the GPU of this machine, or on the emulator.
    TestCuda(test_cuda::Options),
    /// Make a folder of programs that test and time keops on another machine, which has an NVIDIA GPU.
    GpuBundle(bundle::Options),
    /// Run tests/mpi under `mpirun`, with several numbers of ranks.
    Mpi(mpi::Options),
    /// Write docs/parity.md: the operations and options of KeOps, their names here, and the tests that show them.
    Parity(parity::Options),
    /// Write docs/public-api: the public items of the crates.
    Api {
        /// Only compare the files with the public items, and fail if they differ.
        #[arg(long)]
        check: bool,
    },
    /// Check random formulas, and all their derivatives, against the oracle.
    Random(random::Options),
    /// Build a crate outside the repository with the packages that would be published.
    Package,
    /// Time the compilation of one more formula, and of long formulas, in a release build.
    CompileTime(compile_time::Options),
    /// Check that the rooms of the crates import only from rooms below them.
    Layers(layers::Options),
}

/// The steps of `.ci/run` that need nothing but Rust and little time.
const CI_STEPS: &[&str] = &["format", "lints", "docs", "tests"];

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Ci => run(Command::new(root().join(".ci/run")).args(CI_STEPS)),
        Task::BenchKeops(options) => bench::run(&options),
        Task::BuildPtx(options) => ptx::run_task(&options),
        Task::TestCuda(options) => test_cuda::run_task(&options),
        Task::GpuBundle(options) => bundle::run_task(&options),
        Task::Mpi(options) => mpi::run_task(&options),
        Task::Parity(options) => parity::run_task(&options),
        Task::Api { check } => api(check),
        Task::Random(options) => random::run_task(&options),
        Task::Package => package::run_task(),
        Task::CompileTime(options) => compile_time::run_task(&options),
        Task::Layers(options) => layers::run_task(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the program of the feature `api`.
fn api(check: bool) -> Result<()> {
    let mut program = Command::new("cargo");
    program.current_dir(root()).args(["run", "--quiet", "--package", "xtask", "--features", "api"]);
    program.args(["--bin", "public_api", "--"]).args(check.then_some("--check"));
    run(&mut program)
}

/// The root of the repository.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// Runs a command to its end; an error if it fails.
fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} does not start"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}
