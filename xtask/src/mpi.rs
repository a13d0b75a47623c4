//! `cargo xtask mpi`: tests/mpi under `mpirun`.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::root;

/// Options of the task.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The numbers of ranks.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3, 4])]
    ranks: Vec<usize>,
    /// The seed of the numbers; another one each time, if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// The seconds after which a run is taken to hang.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
}

/// Runs the task.
pub(crate) fn run_task(options: &Options) -> Result<()> {
    let version = Command::new("mpirun").arg("--version").output();
    let Ok(version) = version else {
        println!("skipped: no mpirun (on Debian: apt install libopenmpi-dev openmpi-bin libclang-dev)");
        return Ok(());
    };
    let is_open_mpi = String::from_utf8_lossy(&version.stdout).contains("Open MPI");
    let program = program()?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    for &ranks in &options.ranks {
        let mut run = Command::new("mpirun");
        if is_open_mpi {
            // more ranks than cores, and root in a container
            run.arg("--oversubscribe").envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
        }
        run.current_dir(root()).args(["-n", &ranks.to_string()]).arg(&program).arg(seed.to_string());
        ends(&mut run, Duration::from_secs(options.seconds))
            .with_context(|| format!("{ranks} ranks, --seed {seed}"))?;
    }
    Ok(())
}

/// Compiles the test, and gives its program.
fn program() -> Result<PathBuf> {
    let mut build = Command::new("cargo");
    build.current_dir(root()).args(["test", "--workspace", "--features", "keops/mpi,keops/nystrom", "--test", "mpi"]);
    build.args(["--no-run", "--message-format", "json-render-diagnostics"]).stderr(Stdio::inherit());
    let output = build.output().context("cargo does not start")?;
    ensure!(output.status.success(), "tests/mpi does not compile");
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let program = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_test = message["target"]["name"] == "mpi" && message["target"]["kind"][0] == "test";
        message["executable"].as_str().filter(|_| is_test).map(PathBuf::from)
    });
    program.context("cargo names no program of tests/mpi")
}

/// Runs a command, which must end by itself, with success.
fn ends(command: &mut Command, most: Duration) -> Result<()> {
    let mut child = command.spawn().context("mpirun does not start")?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "{status}");
            return Ok(());
        }
        if start.elapsed() > most {
            child.kill()?;
            child.wait()?;
            bail!("it hangs: no end after {} s", most.as_secs());
        }
        thread::sleep(Duration::from_millis(50));
    }
}
