//! Measurements on the disk: a file for each machine in benches/results, in which each workload is a line, so that a part
//! can be measured again without the rest.

use super::{
    machine::Machine,
    workload::{CURVES, Workload},
};
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The measurements of all sides on one workload, with the day and the command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Comparison {
    /// The day of the measurement, if it is known.
    pub(super) date: Option<String>,
    pub(super) command: String,
    /// The load average of the last minute, if the system has it. For results that were transcribed, the least and the largest
    /// one of the whole run.
    pub(super) load: Vec<f64>,
    pub(super) versions: Vec<String>,
    /// The measurement of each side; that of keops is the first.
    pub(super) measurements: Vec<Measurement>,
}

/// The measurement of one side on one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Measurement {
    pub(super) side: String,
    pub(super) outcome: Outcome,
}

/// The times of a side, or the reason why there are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Outcome {
    Measured {
        /// The seconds of the runs, ascending.
        seconds: Vec<f64>,
        /// The largest difference to plain loops.
        error: f64,
    },
    /// Numbers that were copied from a document, since the times of the runs were not kept.
    Transcribed {
        /// The ratio of the time to that of keops.
        ratio: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        times: Option<Times>,
    },
    LeftOut(String),
}

/// The numbers that a document has about the runs of a side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Times {
    /// Seconds, as the others.
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    /// The largest difference to plain loops.
    pub(super) error: f64,
}

impl Outcome {
    /// The seconds of the runs and the error, if they are known.
    pub(super) fn times(&self) -> Option<Times> {
        match self {
            Outcome::Measured { seconds, error } => {
                let n = seconds.len();
                let median = (seconds[n / 2] + seconds[(n - 1) / 2]) / 2.0;
                Some(Times { median, least: seconds[0], most: seconds[n - 1], error: *error })
            }
            Outcome::Transcribed { times, .. } => *times,
            Outcome::LeftOut(_) => None,
        }
    }
}

impl Measurement {
    /// The number of runs of the side, if it is known.
    pub(super) fn runs(&self) -> usize {
        if let Outcome::Measured { seconds, .. } = &self.outcome { seconds.len() } else { 0 }
    }

    /// The median of the runs' seconds, if it is known.
    pub(super) fn median(&self) -> Option<f64> {
        Some(self.outcome.times()?.median)
    }
}

impl Comparison {
    /// The measurement of a side.
    pub(super) fn of(&self, side: &str) -> Option<&Measurement> {
        self.measurements.iter().find(|measurement| measurement.side == side)
    }

    /// The ratio of a side's time to that of keops.
    pub(super) fn ratio(&self, measurement: &Measurement) -> Option<f64> {
        match measurement.outcome {
            Outcome::Transcribed { ratio, .. } => Some(ratio),
            _ => Some(measurement.median()? / self.measurements[0].median()?),
        }
    }

    /// Checks that a reader can make sense of the numbers; the error names those that have none.
    fn check(&self) -> Result<()> {
        ensure!(self.measurements.first().is_some_and(|first| first.side == OURS), "the first side is not {OURS}");
        for Measurement { side, outcome } in &self.measurements {
            let positive = |number: &f64| number.is_finite() && *number > 0.0;
            let fine = match outcome {
                Outcome::Measured { seconds, .. } => {
                    !seconds.is_empty() && seconds.iter().all(positive) && seconds.is_sorted()
                }
                Outcome::Transcribed { ratio, times } => {
                    let ascending = |times: &Times| times.least <= times.median && times.median <= times.most;
                    positive(ratio) && times.as_ref().is_none_or(|times| positive(&times.least) && ascending(times))
                }
                Outcome::LeftOut(_) => true,
            };
            ensure!(fine, "the times of {side} are not positive and ascending");
        }
        Ok(())
    }
}

/// The name of the side of keops.
pub(super) const OURS: &str = "keops";

/// All measurements of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Results {
    pub(super) machine: Machine,
    /// The measurements of the tables, by the name of the workload.
    workloads: BTreeMap<String, Comparison>,
    /// The measurements of the pictures.
    curves: BTreeMap<String, Comparison>,
}

/// The purpose of a measurement.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Table,
    Picture,
}

impl Results {
    /// The measurements on a workload, if there are any.
    pub(super) fn get(&self, purpose: Purpose, workload: &Workload) -> Option<&Comparison> {
        match purpose {
            Purpose::Table => &self.workloads,
            Purpose::Picture => &self.curves,
        }
        .get(&workload.name())
    }

    /// Replaces the measurements on a workload.
    fn set(&mut self, purpose: Purpose, workload: &Workload, comparison: Comparison) {
        match purpose {
            Purpose::Table => &mut self.workloads,
            Purpose::Picture => &mut self.curves,
        }
        .insert(workload.name(), comparison);
    }

    /// The content of the file: JSON with a line for each workload.
    fn text(&self) -> Result<String> {
        let lines = |comparisons: &BTreeMap<String, Comparison>| -> Result<String> {
            let line = |(name, comparison)| Ok(format!("{name:?}: {}", serde_json::to_string(comparison)?));
            Ok(comparisons.iter().map(line).collect::<Result<Vec<_>>>()?.join(",\n"))
        };
        Ok(format!(
            "{{\n\"machine\": {},\n\"workloads\": {{\n{}\n}},\n\"curves\": {{\n{}\n}}\n}}\n",
            serde_json::to_string(&self.machine)?,
            lines(&self.workloads)?,
            lines(&self.curves)?,
        ))
    }

    /// Reads a file; its name must be the machine's, and its workloads must be ours.
    fn read(path: &Path) -> Result<Self> {
        let read = || -> Result<Self> {
            let results: Results = serde_json::from_str(&fs::read_to_string(path)?)?;
            let name = results.machine.name();
            ensure!(path.file_stem().is_some_and(|stem| *stem == *name), "it has the results of {name}");
            let tables = super::workload::all(false);
            let pictures: Vec<Workload> = CURVES.iter().flat_map(|curve| curve.workloads(false)).collect();
            for (comparisons, known) in [(&results.workloads, &tables), (&results.curves, &pictures)] {
                for (name, comparison) in comparisons {
                    ensure!(known.iter().any(|workload| workload.name() == *name), "no workload has the name {name}");
                    comparison.check().with_context(|| name.clone())?;
                }
            }
            Ok(results)
        };
        read().with_context(|| format!("{} has no results that can be read", path.display()))
    }
}

/// The file of a machine.
pub(super) struct Store {
    path: PathBuf,
    results: Results,
}

impl Store {
    /// The machine's file in `folder`, with the measurements that it has; it is written when a measurement is saved.
    pub(super) fn open(folder: &Path, machine: Machine) -> Result<Self> {
        let path = folder.join(format!("{}.json", machine.name()));
        let mut results = Results { machine, workloads: BTreeMap::new(), curves: BTreeMap::new() };
        if path.exists() {
            let found = Results::read(&path)?;
            results = Results { machine: Machine { note: found.machine.note, ..results.machine }, ..found };
        }
        Ok(Store { path, results })
    }

    /// Replaces the measurements on a workload in the file.
    pub(super) fn save(&mut self, purpose: Purpose, workload: &Workload, comparison: Comparison) -> Result<()> {
        self.results.set(purpose, workload, comparison);
        let text = self.results.text()?;
        // At once, so that a program that is interrupted leaves a whole file.
        let unfinished = self.path.with_extension("unfinished");
        fs::write(&unfinished, text)
            .and_then(|()| fs::rename(&unfinished, &self.path))
            .with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

/// The results of all machines in `folder`, by the names of their files.
pub(super) fn read_all(folder: &Path) -> Result<Vec<Results>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        bail!("{} has no results: `cargo xtask bench-keops` measures this machine", folder.display());
    }
    paths.iter().map(|path| Results::read(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::workload, *};

    fn machine(family: &str) -> Machine {
        Machine {
            family: family.to_owned(),
            cores: 2,
            instructions: "avx2".to_owned(),
            threads: 2,
            processor: "a processor".to_owned(),
            note: None,
        }
    }

    fn comparison(ours: f64) -> Comparison {
        let side = |side: &str, outcome| Measurement { side: side.to_owned(), outcome };
        Comparison {
            date: Some("2026-11-28".to_owned()),
            command: "cargo xtask bench-keops".to_owned(),
            load: vec![0.5],
            versions: vec!["keops 0.1.0".to_owned()],
            measurements: vec![
                side(OURS, Outcome::Measured { seconds: vec![ours, 2.0 * ours, 4.0 * ours], error: 1e-7 }),
                side("NumPy", Outcome::LeftOut("does not fit: 8 GB".to_owned())),
                side("pykeops", Outcome::Transcribed { ratio: 29.0, times: None }),
            ],
        }
    }

    /// An empty folder that is removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("keops-bench-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn each_machine_has_a_file_and_a_second_run_replaces_its_own() {
        let folder = Folder::new("files");
        let workloads = workload::all(false);
        let [first, second] = [&workloads[0], &workloads[1]];
        let save = |family: &str, workload: &Workload, ours: f64| {
            let mut store = Store::open(&folder.0, machine(family)).unwrap();
            store.save(Purpose::Table, workload, comparison(ours)).unwrap();
        };
        save("zen-4", first, 1.0);
        save("zen-4", second, 1.0);
        save("ice-lake", first, 2.0);
        let other = fs::read(folder.0.join("ice-lake-2-avx2.json")).unwrap();
        save("zen-4", first, 3.0);
        assert_eq!(fs::read(folder.0.join("ice-lake-2-avx2.json")).unwrap(), other);

        let all = read_all(&folder.0).unwrap();
        let names: Vec<String> = all.iter().map(|results| results.machine.name()).collect();
        assert_eq!(names, ["ice-lake-2-avx2", "zen-4-2-avx2"]);
        assert_eq!(all[0].get(Purpose::Table, first), Some(&comparison(2.0)));
        assert_eq!(all[1].get(Purpose::Table, first), Some(&comparison(3.0)));
        assert_eq!(all[1].get(Purpose::Table, second), Some(&comparison(1.0)));
        assert_eq!(all[1].get(Purpose::Picture, second), None);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2);
    }

    #[test]
    fn a_note_stays_when_the_machine_is_measured_again() {
        let folder = Folder::new("note");
        let workload = &workload::all(false)[0];
        let noted = Machine { note: Some("shared".to_owned()), ..machine("zen-4") };
        Store::open(&folder.0, noted).unwrap().save(Purpose::Table, workload, comparison(1.0)).unwrap();
        Store::open(&folder.0, machine("zen-4")).unwrap().save(Purpose::Table, workload, comparison(2.0)).unwrap();
        let all = read_all(&folder.0).unwrap();
        assert_eq!(all[0].machine.note.as_deref(), Some("shared"));
        assert_eq!(all[0].get(Purpose::Table, workload), Some(&comparison(2.0)));
    }

    #[test]
    fn bad_files_are_named() {
        let folder = Folder::new("bad");
        assert!(read_all(&folder.0).unwrap_err().to_string().contains("has no results"));
        let workload = &workload::all(false)[0];
        let mut store = Store::open(&folder.0, machine("zen-4")).unwrap();
        store.save(Purpose::Table, workload, comparison(1.0)).unwrap();
        let good = fs::read_to_string(&store.path).unwrap();
        let faults = [
            (good[..good.len() / 2].to_owned(), "EOF"),
            (good.replace("\"zen-4\"", "\"zen-5\""), "it has the results of zen-5-2-avx2"),
            (good.replace(&workload.name(), "gaussian_d0"), "no workload has the name gaussian_d0"),
            (good.replace("[1.0,2.0,4.0]", "[]"), "the times of keops are not positive and ascending"),
            (good.replace("[1.0,2.0,4.0]", "[1.0,4.0,2.0]"), "the times of keops are not positive and ascending"),
            (good.replace("29.0", "-29.0"), "the times of pykeops are not positive and ascending"),
            (good.replace("\"side\":\"keops\"", "\"side\":\"ours\""), "the first side is not keops"),
            (good.replace("\"load\"", "\"lode\""), "unknown field `lode`"),
        ];
        for (text, fault) in faults {
            assert_ne!(text, good);
            fs::write(&store.path, text).unwrap();
            for error in [read_all(&folder.0).err(), Store::open(&folder.0, machine("zen-4")).err()] {
                let error = format!("{:#}", error.unwrap());
                assert!(error.contains("zen-4-2-avx2.json") && error.contains(fault), "{error}");
            }
        }
    }

    #[test]
    fn medians_and_ratios() {
        let comparison = comparison(1.0);
        let [ours, left_out, transcribed] = &comparison.measurements[..] else { panic!() };
        assert_eq!((ours.median(), comparison.ratio(ours), ours.runs()), (Some(2.0), Some(1.0), 3));
        assert_eq!((left_out.median(), comparison.ratio(left_out)), (None, None));
        assert_eq!((transcribed.median(), comparison.ratio(transcribed)), (None, Some(29.0)));
    }
}
