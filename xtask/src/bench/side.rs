//! A process that computes workloads on request: one line of JSON for each request and each answer.

use super::{
    check::File,
    rival::Kind,
    workload::{Call, Element, Family, Variable, Workload},
};
use crate::{root, run};
use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    num::NonZero,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// A running side. Its process ends when the value is dropped, because its input ends.
pub(super) struct Side {
    name: String,
    kind: Kind,
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// A request to a side. The programs (`bin/keops_side.rs`, `rivals/side.py`) read the same words.
#[derive(Serialize)]
#[serde(tag = "request", rename_all = "lowercase")]
enum Request<'a> {
    /// Read the inputs and compute once.
    Load {
        family: Family,
        dim: usize,
        columns: usize,
        element: Element,
        aliases: Vec<String>,
        /// The number of batches that share the rows.
        batches: usize,
        calls: Vec<Call>,
        files: &'a [File],
    },
    /// Compute, and answer with the seconds.
    Time,
    /// Write the last result as `f64`, row after row and part after part.
    Save { path: &'a Path },
    /// Answer with the versions of the programs that compute.
    Versions,
}

/// The answer of a side, with a field for each kind of request.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Answer {
    seconds: Option<f64>,
    versions: Option<Vec<String>>,
    error: Option<String>,
}

impl Side {
    /// The side of keops: the program `keops_side`, built with the release profile.
    pub(super) fn keops(threads: NonZero<usize>) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = ["--quiet", "--release", "--package", "xtask", "--bin", "keops_side"];
        run(Command::new(&cargo).arg("build").args(arguments).current_dir(root()))?;
        let mut command = Command::new(&cargo);
        command.arg("run").args(arguments).current_dir(root()).env("RAYON_NUM_THREADS", threads.to_string());
        Self::start(super::OURS, Kind::Keops, &mut command)
    }

    /// Starts the command that is the side's process.
    pub(super) fn start(name: &str, kind: Kind, command: &mut Command) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} does not start: {command:?}"))?;
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().context("the process has no output")?);
        Ok(Side { name: name.to_owned(), kind, process, requests, answers })
    }

    /// The name of the side for readers.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The workloads that the side can compute.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Asks the side to read the inputs and to compute once, which is done when [`Side::loaded`] returns.
    pub(super) fn load(&mut self, workload: &Workload, files: &[File]) -> Result<()> {
        self.send(&Request::Load {
            family: workload.family,
            dim: workload.dim,
            columns: workload.columns,
            element: workload.element,
            aliases: workload.variables().iter().map(Variable::alias).collect(),
            batches: workload.batches(),
            calls: workload.family.calls(),
            files,
        })
    }

    /// Waits until a workload is loaded.
    pub(super) fn loaded(&mut self) -> Result<()> {
        self.receive().map(drop)
    }

    /// Makes the side compute, and returns the seconds that it took.
    pub(super) fn time(&mut self) -> Result<f64> {
        self.ask(&Request::Time)?.seconds.with_context(|| format!("{} gave no time", self.name))
    }

    /// The last result of the side, through a file at `path`.
    pub(super) fn result(&mut self, path: &Path) -> Result<Vec<f64>> {
        self.ask(&Request::Save { path })?;
        let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let (numbers, rest) = bytes.as_chunks();
        ensure!(rest.is_empty(), "the result ends within a number");
        Ok(numbers.iter().map(|&number| f64::from_le_bytes(number)).collect())
    }

    /// The programs that compute, each with its version.
    pub(super) fn versions(&mut self) -> Result<Vec<String>> {
        self.ask(&Request::Versions)?.versions.with_context(|| format!("{} gave no versions", self.name))
    }

    fn ask(&mut self, request: &Request<'_>) -> Result<Answer> {
        self.send(request)?;
        self.receive()
    }

    fn send(&mut self, request: &Request<'_>) -> Result<()> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        let requests = self.requests.as_mut().with_context(|| ended(&self.name))?;
        requests.write_all(line.as_bytes()).and_then(|()| requests.flush()).with_context(|| ended(&self.name))
    }

    fn receive(&mut self) -> Result<Answer> {
        let mut line = String::new();
        let length = self.answers.read_line(&mut line).with_context(|| ended(&self.name))?;
        ensure!(length > 0, ended(&self.name));
        let answer: Answer = serde_json::from_str(&line).with_context(|| format!("{} answered {line:?}", self.name))?;
        match answer.error {
            Some(error) => Err(anyhow!("{}: {error}", self.name)),
            None => Ok(answer),
        }
    }
}

fn ended(name: &str) -> String {
    format!("{name} ended early; its messages are above")
}

impl Drop for Side {
    fn drop(&mut self) {
        drop(self.requests.take());
        // there is no remedy for a process that ends with an error
        let _ = self.process.wait();
    }
}
