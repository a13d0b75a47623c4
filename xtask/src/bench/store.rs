//! Measurements on the disk, a file for each workload: the document consists of all of them, so that a part can be
//! measured again without the rest.

use super::workload::Workload;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    num::NonZero,
    path::{Path, PathBuf},
};

/// What all sides did on one workload, and when.
#[derive(Serialize, Deserialize)]
pub(super) struct Comparison {
    pub(super) date: String,
    /// The load average of the last minute, where the system tells it.
    pub(super) load: Option<f64>,
    pub(super) versions: Vec<String>,
    /// Ours is the first.
    pub(super) measurements: Vec<Measurement>,
}

/// What one side did on one workload.
#[derive(Serialize, Deserialize)]
pub(super) struct Measurement {
    pub(super) side: String,
    pub(super) outcome: Outcome,
}

/// Times, or why there are none.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Measured {
        /// Of the runs, ascending.
        seconds: Vec<f64>,
        /// The largest difference to plain loops.
        error: f64,
    },
    LeftOut(String),
}

impl Measurement {
    /// How often the side computed.
    pub(super) fn runs(&self) -> usize {
        match &self.outcome {
            Outcome::Measured { seconds, .. } => seconds.len(),
            Outcome::LeftOut(_) => 0,
        }
    }

    /// The median of the runs' seconds, if there are any.
    pub(super) fn median(&self) -> Option<f64> {
        let Outcome::Measured { seconds, .. } = &self.outcome else { return None };
        let n = seconds.len();
        Some((seconds[n / 2] + seconds[(n - 1) / 2]) / 2.0)
    }
}

/// The measurements with one number of threads, for one part of the document.
pub(super) struct Store(PathBuf);

impl Store {
    /// In a folder in `folder`.
    pub(super) fn open(folder: &Path, threads: NonZero<usize>, part: &str) -> Result<Self> {
        let folder = folder.join(format!("results/{threads}-threads/{part}"));
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Store(folder))
    }

    /// Replaces what is there for the workload.
    pub(super) fn save(&self, workload: &Workload, comparison: &Comparison) -> Result<()> {
        let path = self.path(workload);
        let text = serde_json::to_string_pretty(comparison)?;
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// What is there for the workload, if anything.
    pub(super) fn load(&self, workload: &Workload) -> Result<Option<Comparison>> {
        let path = self.path(workload);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let comparison = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a measurement; delete it", path.display()))?;
        Ok(Some(comparison))
    }

    fn path(&self, workload: &Workload) -> PathBuf {
        self.0.join(format!("{}.json", workload.name()))
    }
}
