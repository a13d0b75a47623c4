//! pykeops, in a virtual environment of its own, twice: as installed, and with the compiler flags that help it most.

use super::side::Side;
use crate::run;
use anyhow::{Context, Result};
use std::{fs, num::NonZero, path::Path, process::Command};

/// What is installed, in these versions.
const PACKAGES: &[&str] = &["pykeops==2.3", "numpy==2.4.6"];
/// The program that computes.
const SCRIPT: &str = include_str!("pykeops_side.py");
/// Name and C++ flags of each rival; no flags are KeOps' own.
const RIVALS: &[(&str, Option<&str>)] = &[("pykeops", None), ("pykeops tuned", Some(TUNED))];
/// What makes KeOps' C++ code fastest.
pub(super) const TUNED: &str = "-march=native -ffast-math";
/// What to do if something is missing.
const HINT: &str = "the rivals need Python with venv and its headers, a C++ compiler and, the first time, PyPI \
                    (Debian: apt-get install g++ python3-dev python3-venv)";

/// Installs pykeops unless it is there, and starts the rivals. Everything lies in `folder`.
pub(super) fn start(folder: &Path, python: &Path, threads: NonZero<usize>) -> Result<Vec<Side>> {
    let environment = folder.join("venv");
    let installed = environment.join("installed");
    let wanted = PACKAGES.join(" ");
    if fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        println!("{wanted}: already installed");
    } else {
        println!("{wanted}: installing");
        run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&environment)).context(HINT)?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(environment.join("bin/python")).args(pip).args(PACKAGES)).context(HINT)?;
        fs::write(&installed, wanted)?;
    }
    let script = folder.join("pykeops_side.py");
    fs::write(&script, SCRIPT)?;
    let start = |(number, &(name, flags)): (usize, &(&str, Option<&str>))| {
        // A cache of its own: KeOps does not look at the flags when it looks for a compiled kernel.
        let cache = folder.join(format!("cache-{number}"));
        fs::create_dir_all(&cache)?;
        let mut command = Command::new(environment.join("bin/python"));
        command.arg(&script).env("KEOPS_CACHE_FOLDER", cache).env("OMP_NUM_THREADS", threads.to_string());
        match flags {
            Some(flags) => command.env("CXXFLAGS", flags),
            None => command.env_remove("CXXFLAGS"),
        };
        Side::start(name, &mut command).context(HINT)
    };
    RIVALS.iter().enumerate().map(start).collect()
}
