//! The rivals, in a virtual environment of their own. pykeops is measured twice: as installed, and with the compiler flags
//! that help it most.

use super::side::Side;
use crate::{root, run};
use anyhow::{Context, Result};
use std::{fs, num::NonZero, path::Path, process::Command};

/// The packages that are installed, with their versions.
const PACKAGES: &[&str] = &["pykeops==2.3", "numpy==2.4.6", "scipy==1.17.1", "scikit-learn==1.9.1"];
/// The two packages of torch: first the one without CUDA, which is not on PyPI; then that of PyPI, which brings some gigabytes of
/// CUDA. Where neither can be installed, torch is not measured.
const TORCH: [&[&str]; 2] =
    [&["torch>=2.12,<3", "--index-url", "https://download.pytorch.org/whl/cpu"], &["torch>=2.12,<3"]];
/// The programs that compute.
const SCRIPTS: &[(&str, &str)] = &[
    ("side.py", include_str!("rivals/side.py")),
    ("with_pykeops.py", include_str!("rivals/with_pykeops.py")),
    ("dense.py", include_str!("rivals/dense.py")),
    ("neighbours.py", include_str!("rivals/neighbours.py")),
];
/// The compiler flags that make KeOps' C++ code fastest.
pub(super) const TUNED: &str = "-march=native -ffast-math";
/// The advice where something is missing.
const HINT: &str = "the rivals need Python with venv and its headers, a C++ compiler and, the first time, PyPI \
                    (Debian: apt-get install g++ python3-dev python3-venv)";

/// The workloads that a side can compute, and what it needs for them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// All workloads.
    Keops,
    /// All workloads, after their formulas are compiled.
    Pykeops,
    /// Workloads whose matrix fits into memory.
    Dense,
    /// Nearest neighbours by a tree.
    Tree(Trees),
    /// Nearest neighbours by all distances.
    Search,
}

/// The searches for nearest neighbours that a tree can do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trees {
    /// For Euclidean and Manhattan distances.
    Axes,
    /// For Euclidean distances of points that all come at once.
    Euclidean,
    /// For all distances, of points that all come at once.
    Balls,
}

/// A rival: its name, the workloads that it can compute, and the command of its program.
struct Rival {
    name: &'static str,
    kind: Kind,
    argument: &'static str,
    flags: Option<&'static str>,
}

const RIVALS: &[Rival] = &[
    Rival { name: "pykeops", kind: Kind::Pykeops, argument: "pykeops", flags: None },
    Rival { name: "pykeops tuned", kind: Kind::Pykeops, argument: "pykeops", flags: Some(TUNED) },
    Rival { name: "NumPy", kind: Kind::Dense, argument: "numpy", flags: None },
    Rival { name: "torch", kind: Kind::Dense, argument: "torch", flags: None },
    Rival { name: "scipy cKDTree", kind: Kind::Tree(Trees::Axes), argument: "ckdtree", flags: None },
    Rival { name: "scikit-learn k-d tree", kind: Kind::Tree(Trees::Euclidean), argument: "kd_tree", flags: None },
    Rival { name: "scikit-learn ball tree", kind: Kind::Tree(Trees::Balls), argument: "ball_tree", flags: None },
    Rival { name: "scikit-learn brute", kind: Kind::Search, argument: "brute", flags: None },
];

/// Installs the rivals in `folder` unless they are installed, and starts them.
pub(super) fn start(folder: &Path, python: &Path, threads: NonZero<usize>) -> Result<Vec<Side>> {
    let environment = folder.join("venv");
    let program = environment.join("bin/python");
    let installed = environment.join("installed");
    let wanted = PACKAGES.join(" ");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    if fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        println!("{wanted}: already installed");
    } else {
        println!("{wanted}: installing");
        run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&environment)).context(HINT)?;
        run(Command::new(&program).args(pip).args(PACKAGES)).context(HINT)?;
        fs::write(&installed, wanted)?;
    }
    let imports = || Command::new(&program).args(["-c", "import torch"]).output().is_ok_and(|out| out.status.success());
    let patience = ["--retries", "0", "--timeout", "20"];
    let install =
        |source: &[&str]| run(Command::new(&program).args(pip).args(patience).args(source)).is_ok() && imports();
    let with_torch = imports() || TORCH.into_iter().any(install);
    if !with_torch {
        println!("torch is left out: neither its own index nor PyPI has it for this Python");
    }
    for (name, text) in SCRIPTS {
        fs::write(folder.join(name), text)?;
    }
    let start = |(number, rival): (usize, &Rival)| {
        // Each has a cache of its own: KeOps ignores the flags when it looks for a compiled kernel.
        let cache = folder.join(format!("cache-{number}"));
        fs::create_dir_all(&cache)?;
        remove_empty(&cache)?;
        let mut command = Command::new(&program);
        command
            .arg(folder.join("side.py"))
            .arg(rival.argument)
            .env("KEOPS_CACHE_FOLDER", cache)
            .env("PYKEOPS_VERBOSE", "0");
        for variable in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(variable, threads.to_string());
        }
        match rival.flags {
            Some(flags) => command.env("CXXFLAGS", flags),
            None => command.env_remove("CXXFLAGS"),
        };
        Side::start(rival.name, rival.kind, &mut command).context(HINT)
    };
    let rivals = RIVALS.iter().filter(|rival| with_torch || rival.argument != "torch").enumerate().map(start);
    rivals.chain([kiddo(folder, threads)]).collect()
}

/// Builds and starts the side of kiddo, a crate of its own, for the processor of the machine.
fn kiddo(folder: &Path, threads: NonZero<usize>) -> Result<Side> {
    let manifest = root().join("xtask/src/bench/rivals/kiddo/Cargo.toml");
    let target = folder.join("kiddo");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]).arg(manifest);
    run(build.arg("--target-dir").arg(&target).env("RUSTFLAGS", "-C target-cpu=native"))?;
    let mut command = Command::new(target.join("release/kiddo_side"));
    command.env("RAYON_NUM_THREADS", threads.to_string());
    Side::start("kiddo", Kind::Tree(Trees::Axes), &mut command)
}

/// Removes libraries without content: an interrupted compilation leaves one, which KeOps would try to load ever after.
fn remove_empty(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, data) = (entry.path(), entry.metadata()?);
        if data.is_dir() {
            remove_empty(&path)?;
        } else if data.is_file() && data.len() == 0 && path.extension().is_some_and(|extension| extension == "so") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
