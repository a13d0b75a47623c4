//! A process that computes workloads on request: one line of JSON for each request and each answer.

use super::workload::{Element, File, Workload};
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

/// A running side. It ends when this is dropped, because its input ends.
pub(super) struct Side {
    name: String,
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What a side is asked. The two sides (`bin/keops_side.rs`, `pykeops_side.py`) read the same words.
#[derive(Serialize)]
#[serde(tag = "request", rename_all = "lowercase")]
enum Request<'a> {
    /// Read the inputs and compute once.
    Load {
        name: &'a str,
        formula: &'a str,
        aliases: Vec<String>,
        reduction: &'a str,
        element: Element,
        files: &'a [File],
    },
    /// Compute, and answer with the seconds.
    Time,
    /// Write the last result, row after row, as the inputs are written.
    Save { path: &'a Path },
    /// Answer with the versions of what computes.
    Versions,
}

/// What a side answers; every request has its own part.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Answer {
    seconds: Option<f64>,
    versions: Option<String>,
    error: Option<String>,
}

impl Side {
    /// Ours: the program `keops_side`, built with the release profile.
    pub(super) fn keops(threads: NonZero<usize>) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = ["--quiet", "--release", "--package", "xtask", "--bin", "keops_side"];
        run(Command::new(&cargo).arg("build").args(arguments).current_dir(root()))?;
        let mut command = Command::new(&cargo);
        command.arg("run").args(arguments).current_dir(root()).env("RAYON_NUM_THREADS", threads.to_string());
        Self::start("keops", &mut command)
    }

    /// Starts the command that is the side's process.
    pub(super) fn start(name: &str, command: &mut Command) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} does not start: {command:?}"))?;
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().context("the process has no output")?);
        Ok(Side { name: name.to_owned(), process, requests, answers })
    }

    /// What readers know it by.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes it read the inputs and compute once.
    pub(super) fn load(&mut self, workload: &Workload, files: &[File]) -> Result<()> {
        self.ask(&Request::Load {
            name: workload.name,
            formula: workload.formula,
            aliases: workload.variables.iter().map(super::workload::Variable::alias).collect(),
            reduction: workload.reduction,
            element: workload.element,
            files,
        })
        .map(drop)
    }

    /// Makes it compute, and says how many seconds that took.
    pub(super) fn time(&mut self) -> Result<f64> {
        self.ask(&Request::Time)?.seconds.with_context(|| format!("{} gave no time", self.name))
    }

    /// Its last result, through a file at `path`.
    pub(super) fn result(&mut self, path: &Path) -> Result<Vec<u8>> {
        self.ask(&Request::Save { path })?;
        fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
    }

    /// The versions of what computes.
    pub(super) fn versions(&mut self) -> Result<String> {
        self.ask(&Request::Versions)?.versions.with_context(|| format!("{} gave no versions", self.name))
    }

    fn ask(&mut self, request: &Request<'_>) -> Result<Answer> {
        let ended = || anyhow!("{} ended early; its messages are above", self.name);
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        let requests = self.requests.as_mut().with_context(ended)?;
        requests.write_all(line.as_bytes()).and_then(|()| requests.flush()).with_context(ended)?;
        line.clear();
        ensure!(self.answers.read_line(&mut line).with_context(ended)? > 0, ended());
        let answer: Answer = serde_json::from_str(&line).with_context(|| format!("{} answered {line:?}", self.name))?;
        match answer.error {
            Some(error) => Err(anyhow!("{}: {error}", self.name)),
            None => Ok(answer),
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        drop(self.requests.take());
        // Nothing is left to be done about a process that does not end well.
        let _ = self.process.wait();
    }
}
