//! `cargo xtask package`: the files that would be published are enough for a crate outside the repository.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command, Output},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{root, run};

/// The crates of the workspace that are not published.
const PRIVATE: [&str; 3] = ["xtask", "keops-random", "keops-emulator"];

/// The text with which the PTX of each kernel begins.
const ENTRY: &[u8] = b".visible .entry";

/// Packs all crates, builds xtask/scratch with them in a folder outside the repository, and runs it: for the processor,
/// then with the feature `cuda`. Its examples have a fault each, which the compiler must name.
pub(crate) fn run_task() -> Result<()> {
    let target = root().join(env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from));
    // cargo would take packages of earlier versions for published ones
    let packages = target.join("package");
    if packages.exists() {
        fs::remove_dir_all(&packages).with_context(|| packages.display().to_string())?;
    }
    let mut package = Command::new("cargo");
    package.current_dir(root()).args(["package", "--quiet", "--workspace", "--no-verify", "--allow-dirty"]);
    for name in PRIVATE {
        package.args(["--exclude", name]);
    }
    let output = package.output().context("cargo does not start")?;
    ensure!(output.status.success(), "cargo package failed:\n{}", text(&output));

    let outside = Outside::new(&packages, target.join("scratch"))?;
    outside.run(&[])?;
    outside.faults()?;
    outside.run(&["--features", "cuda"])?;
    let kernels = outside.kernels()?;
    match keops_build::toolchain::find() {
        Ok(_) => ensure!(kernels > 0, "there is a toolchain for GPUs, but no kernels in the program"),
        Err(_) => println!("skipped: that kernels are in the program, for want of a toolchain for GPUs"),
    }
    println!("{kernels} kernels in the program with the feature cuda");
    fs::remove_dir_all(&outside.folder).with_context(|| outside.folder.display().to_string())
}

/// The crate xtask/scratch in a folder where no configuration of the repository is in force.
struct Outside {
    /// The folder of the crate. Below its folder `packages` are the packages that it is built with.
    folder: PathBuf,
    /// The values of cargo's options `--config` that name the packages.
    patches: Vec<String>,
    /// The folder where cargo builds. It is kept from run to run, since it has the dependencies from the registry.
    target: PathBuf,
}

impl Outside {
    fn new(packages: &Path, target: PathBuf) -> Result<Self> {
        let folder = env::temp_dir().join(format!("keops-scratch-{}", process::id()));
        let unpacked = folder.join("packages");
        fs::create_dir_all(&unpacked).with_context(|| unpacked.display().to_string())?;
        let mut patches = Vec::new();
        for entry in fs::read_dir(packages)? {
            let archive = entry?.path();
            if archive.extension().is_none_or(|extension| extension != "crate") {
                continue;
            }
            // Files get the present time: with that of the archive, which is always the same, cargo would take them for those of
            // the last run.
            run(Command::new("tar").arg("-xmzf").arg(&archive).arg("-C").arg(&unpacked))?;
            let size = fs::metadata(&archive)?.len();
            let stem = archive.file_stem().unwrap_or_default().to_string_lossy();
            println!("{stem}: {} kB", size / 1000);
            ensure!(size < 500_000, "{stem} has files that are not for a package");
            let (name, _) = stem.rsplit_once('-').context("a package without version")?;
            patches.push(format!("patch.crates-io.{name}.path={:?}", unpacked.join(&*stem)));
        }
        let scratch = root().join("xtask/scratch");
        for path in ["Cargo.toml", "build.rs", "src", "examples"] {
            copy(&scratch.join(path), &folder.join(path))?;
        }
        // the folder that the build script of cust takes for CUDA, as docs/gpu.md says
        let stub = folder.join("cuda-stub/lib64");
        fs::create_dir_all(&stub)?;
        fs::write(stub.join("libcuda.a"), "!<arch>\n")?;
        Ok(Self { folder, patches, target })
    }

    /// A command of cargo, as a user calls it.
    fn cargo(&self, command: &str) -> Command {
        let mut cargo = Command::new("cargo");
        // the variables that cargo and its configuration here have set for xtask
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO") && name != "CARGO_HOME" || name.starts_with("KEOPS") {
                cargo.env_remove(&*name);
            }
        }
        cargo.arg(command).arg("--quiet");
        for patch in &self.patches {
            cargo.arg("--config").arg(patch);
        }
        cargo
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            // nobody debugs the program, and each run has other packages
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "0")
            .env("CUDA_LIBRARY_PATH", self.folder.join("cuda-stub"));
        cargo
    }

    fn run(&self, options: &[&str]) -> Result<()> {
        let start = Instant::now();
        let output = self.cargo("run").args(options).output().context("cargo does not start")?;
        ensure!(output.status.success(), "the crate with {options:?} failed:\n{}", text(&output));
        print!("{}", text(&output));
        println!("built and run with {options:?}: {:.0} s", start.elapsed().as_secs_f64());
        Ok(())
    }

    /// Compiles every example, each of which begins with the error that the compiler must name.
    fn faults(&self) -> Result<()> {
        let mut count = 0;
        for entry in fs::read_dir(self.folder.join("examples"))? {
            let path = entry?.path();
            let source = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let first = source.lines().next().unwrap_or_default();
            let expected = first.strip_prefix("// error: ").with_context(|| path.display().to_string())?;
            let name = path.file_stem().unwrap_or_default();
            let output = self.cargo("build").arg("--example").arg(name).output().context("cargo does not start")?;
            let found = text(&output);
            if output.status.success() || !found.contains(expected) {
                bail!("{}: the compiler does not say: {expected}\nbut:\n{found}", path.display());
            }
            count += 1;
        }
        println!("{count} mistakes are named by the compiler");
        Ok(())
    }

    /// The number of kernels in the program.
    fn kernels(&self) -> Result<usize> {
        let program = self.target.join("debug").join(format!("scratch{}", env::consts::EXE_SUFFIX));
        let program = fs::read(&program).with_context(|| program.display().to_string())?;
        Ok(program.windows(ENTRY.len()).filter(|window| window == &ENTRY).count())
    }
}

/// The output of a command.
fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// Copies a file or a folder.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to).with_context(|| to.display().to_string())?;
        for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
            let name = entry?.file_name();
            copy(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    fs::copy(from, to).map(|_| ()).with_context(|| from.display().to_string())
}
