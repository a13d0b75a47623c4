//! `cargo xtask gpu-bundle`: a folder to carry to a machine with an NVIDIA GPU, where there need be no Rust.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use keops_build::{Kernels, build};
use serde::Deserialize;
use serde_json::json;

use crate::{root, run, test_cuda};

/// The most bytes of the folder.
const LIMIT: u64 = 60_000_000;
/// Test files about the spelling of calls, which is the same on every machine.
const LEFT_OUT: [&str; 2] = ["arguments", "spellings"];
/// The packages that pykeops consists of. numpy must be on the other machine, since its wheels fit one version of Python.
const PACKAGES: [&str; 3] = ["pykeops==2.3", "keopscore==2.3", "pybind11==3.0.1"];
/// The programs in Python, with their names in the folder.
const SCRIPTS: [(&str, &str); 2] = [
    ("run.py", include_str!("../../benches/gpu/run.py")),
    ("pykeops_side.py", include_str!("../../benches/gpu/pykeops_side.py")),
];

/// Options of `cargo xtask gpu-bundle`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The Python that installs pykeops into the folder.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Assemble the kernels of the tests and the benchmark for these architectures; needs `ptxas`.
    #[arg(long, value_delimiter = ',')]
    cubins: Vec<String>,
}

/// Runs the task.
pub(crate) fn run_task(options: &Options) -> Result<()> {
    let bundle = root().join("target/gpu-bundle");
    if bundle.exists() {
        fs::remove_dir_all(&bundle).with_context(|| bundle.display().to_string())?;
    }
    fs::create_dir_all(bundle.join("tests")).with_context(|| bundle.display().to_string())?;

    let mut cubins = BTreeMap::new();
    let kernels = test_cuda::cuda_kernels(&options.cubins)?.folder;
    cubins.insert("tests/cuda", binaries(&kernels)?);
    programs(&["test", "--no-run", "--test", "cuda"], &kernels, &bundle.join("tests"))?;
    let kernels = test_cuda::suite_kernels()?.folder;
    cubins.insert("other tests", binaries(&kernels)?);
    let mut tests = vec!["test", "--no-run"];
    tests.extend(test_cuda::SUITE.iter().filter(|file| !LEFT_OUT.contains(file)).flat_map(|file| ["--test", file]));
    programs(&tests, &kernels, &bundle.join("tests"))?;

    let out = root().join("target/ptx-bundle");
    let kernels = build(&keops_build::Options {
        sources: vec![root().join("benches/gpu/main.rs")],
        work: out.join("crate"),
        out,
        arch: "sm_80".to_owned(),
        precise: false,
        kernels: Kernels::Called,
        cubins: options.cubins.clone(),
    })?;
    cubins.insert("keops_bench", binaries(&kernels.folder)?);
    programs(&["bench", "--no-run", "--bench", "gpu"], &kernels.folder, &bundle)?;
    fs::rename(bundle.join("gpu.xz"), bundle.join("keops_bench.xz"))?;

    let mut pip = Command::new(&options.python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-compile",
        "--target",
    ]);
    run(pip.arg(bundle.join("site")).args(PACKAGES)).context("pykeops does not install")?;
    for (name, text) in SCRIPTS {
        fs::write(bundle.join(name), text)?;
    }
    let of = |program: &str, arguments: &[&str]| -> Result<String> {
        let output = Command::new(program).args(arguments).current_dir(root()).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let about = json!({
        "commit": of("git", &["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"])?,
        "rustc": of("rustc", &["--version"])?,
        "device_rustc": keops_build::toolchain::find()?.version,
        "packages": PACKAGES,
        // the numbers of kernels with binaries, which the driver does not compile: a first call takes another time then
        "cubins": cubins,
    });
    fs::write(bundle.join("bundle.json"), format!("{about:#}\n"))?;

    let size = size(&bundle)?;
    println!("{}: {:.1} MB; there, run: python3 run.py", bundle.display(), size as f64 / 1e6);
    ensure!(size <= LIMIT, "the folder has {size} bytes, more than {LIMIT}");
    Ok(())
}

/// The number of kernels in a folder that are assembled for each architecture.
fn binaries(folder: &Path) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some((_, arch)) = name.strip_suffix(".cubin").and_then(|name| name.rsplit_once('.')) {
            *counts.entry(arch.to_owned()).or_insert(0) += 1;
        }
    }
    Ok(counts)
}

/// A line of `cargo --message-format json`. Only lines about programs matter.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds programs with kernels inside, and puts them into a folder under the names that cargo gives them, without symbols and
/// compressed: they consist of PTX and unoptimized code for the most part.
fn programs(arguments: &[&str], kernels: &Path, to: &Path) -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(arguments).args([
        "--features",
        "cuda",
        "--message-format",
        "json-render-diagnostics",
    ]);
    cargo.env("KEOPS_PTX_DIR", kernels);
    let output = cargo.stderr(Stdio::inherit()).output().context("cargo does not start")?;
    ensure!(output.status.success(), "{cargo:?} failed: {}", output.status);
    for line in String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.starts_with('{')) {
        let message: Message = serde_json::from_str(line).with_context(|| format!("cargo said {line}"))?;
        if let (Some(program), Some(target)) = (message.executable, message.target) {
            let to = to.join(target.name);
            // debug information would be most of a program; a profile without it would build all dependencies again
            run(Command::new("strip").arg("-o").arg(&to).arg(&program))?;
            run(Command::new("xz").args(["--threads=0", "-6"]).arg(&to))?;
        }
    }
    Ok(())
}

/// The bytes of all files below a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let data = entry.metadata()?;
        bytes += if data.is_dir() { size(&entry.path())? } else { data.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_are_counted_by_architecture() {
        let folder = std::env::temp_dir().join(format!("keops-bundle-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for name in ["k0_f32.ptx", "k0_f32.sm_80.cubin", "k0_f32.sm_90.cubin", "k1_f32.sm_90.cubin"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let counts: Vec<_> = binaries(&folder).unwrap().into_iter().collect();
        assert_eq!(counts, [("sm_80".to_owned(), 1), ("sm_90".to_owned(), 2)]);
        fs::remove_dir_all(folder).unwrap();
    }
}
