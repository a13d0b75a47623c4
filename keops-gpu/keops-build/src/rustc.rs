//! The device compiler of this crate: rustc, with its own back end for `nvptx64-nvidia-cuda`, run by cargo.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    compiler::{DeviceCompiler, DeviceCrate},
    crates,
    toolchain::{TARGET, Toolchain},
};

impl DeviceCompiler for Toolchain {
    fn version(&self) -> String {
        self.version.clone()
    }

    fn compile(&self, device: &DeviceCrate<'_>) -> Result<String> {
        run(self, device)
    }
}

/// Whether a configuration that cargo reads in this folder may ask for a standard library from its sources. The crates of such a
/// library do not exist for GPUs, and a list on the command line replaces theirs.
fn configures_build_std(folder: &Path) -> bool {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let folders = folder.ancestors().map(|folder| folder.join(".cargo")).chain(home);
    let mut files = folders.flat_map(|folder| [folder.join("config.toml"), folder.join("config")]);
    files.any(|file| fs::read_to_string(file).is_ok_and(|text| text.contains("build-std")))
}

/// The file that the compiler writes, in the folder of the device crate, where cargo starts it.
const ASSEMBLY: &str = "kernels.s";

/// Runs the compiler on the device crate, and returns the assembly. The source was just written, so that cargo compiles it.
fn run(toolchain: &Toolchain, device: &DeviceCrate<'_>) -> Result<String> {
    // The folder where cargo leaves files of the compiler is not known. The name is relative, since a comma would end a path.
    let assembly = device.folder.join(ASSEMBLY);
    match fs::remove_file(&assembly) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| assembly.display().to_string());
        }
        _ => {}
    }
    let mut command = cargo(toolchain, device, "rustc");
    // a build that has all its dependencies stays offline: there may be no network, and elsewhere it is faster
    let mut fetch = cargo(toolchain, device, "fetch");
    if is_offline() || fetch.arg("--offline").output().is_ok_and(|output| output.status.success()) {
        command.arg("--offline");
    }
    command.args(["--profile", crates::PROFILE, "--"]).arg(format!("--emit=asm={ASSEMBLY}"));
    let output = command.output().with_context(|| format!("{} does not start", toolchain.cargo.display()))?;
    if !output.status.success() {
        bail!("the kernels do not compile with {}:\n{}", toolchain.version, String::from_utf8_lossy(&output.stderr));
    }
    fs::read_to_string(&assembly).with_context(|| assembly.display().to_string())
}

/// Whether the environment tells cargo to stay offline. The cargo of the device crate reads the configuration itself.
fn is_offline() -> bool {
    env::var_os("CARGO_NET_OFFLINE").is_some_and(|value| value == "true" || value == "1")
}

/// A command of cargo for the device crate.
fn cargo(toolchain: &Toolchain, device: &DeviceCrate<'_>, command: &str) -> Command {
    let target = device.folder.join("target");
    let mut cargo = Command::new(&toolchain.cargo);
    cargo.current_dir(device.folder).args([command, "--quiet", "--target", TARGET]);
    if toolchain.build_std || configures_build_std(device.folder) {
        cargo.arg("-Zbuild-std=core");
    }
    // the variables that cargo sets for a build script are about another target
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO") && name != "CARGO_HOME" || name.starts_with("RUSTC") || name == "RUSTUP_TOOLCHAIN"
        {
            cargo.env_remove(&*name);
        }
    }
    cargo
        .env("RUSTC", &toolchain.rustc)
        // no wrappers, whatever the user's configuration says
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", &target)
        // the folder of the user's configuration may be locked by the cargo that waits for this build script
        .env("CARGO_BUILD_BUILD_DIR", &target)
        // `true` is the linker: the assembly has everything already
        .env("RUSTFLAGS", format!("-C target-cpu={} -C target-feature=+ptx78 -C linker=true", device.arch));
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_library_from_sources_is_noticed() {
        let folder = env::temp_dir().join(format!("keops-build-configured-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let work = folder.join("target/work");
        fs::create_dir_all(folder.join(".cargo")).unwrap();
        fs::create_dir_all(&work).unwrap();
        let configured = |text: &str| {
            fs::write(folder.join(".cargo/config.toml"), text).unwrap();
            configures_build_std(&work)
        };
        assert!(configured("[unstable]\nbuild-std = [\"std\"]\n"));
        assert!(!configured("[build]\nrustflags = []\n"));
        fs::remove_dir_all(folder).unwrap();
    }
}
