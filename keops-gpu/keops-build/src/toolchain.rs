//! The search for a Rust toolchain that compiles for `nvptx64-nvidia-cuda`.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

/// The target that device crates are compiled for.
pub const TARGET: &str = "nvptx64-nvidia-cuda";

/// A Rust compiler, and the cargo that builds with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The path of the compiler.
    pub rustc: PathBuf,
    /// The path of the cargo that builds with the compiler.
    pub cargo: PathBuf,
    /// Whether `core` is compiled from its sources, since the toolchain lacks it for the target.
    pub build_std: bool,
    /// The text of `rustc --version`, by which a change of the toolchain is noticed.
    pub version: String,
}

/// The advice where there is no toolchain.
pub const HELP: &str = "no Rust toolchain for nvptx64-nvidia-cuda: run `rustup target add nvptx64-nvidia-cuda` \
     (Debian: `apt-get install rustc-web rust-web-src cargo-web`), or name a compiler by KEOPS_DEVICE_RUSTC";

/// Finds the first toolchain that can compile for GPUs.
///
/// The order is: the compiler named by `KEOPS_DEVICE_RUSTC` (with the cargo named by `KEOPS_DEVICE_CARGO`, or else the one beside
/// the compiler); the toolchain of the build with the target added; the toolchain of the build with its sources; Debian's. The last
/// two compile `core` themselves. `RUSTC_BOOTSTRAP=1` tells a compiler that is not a nightly to accept nightly features.
///
/// # Errors
/// There is no such toolchain ([`HELP`]), or the compiler named by `KEOPS_DEVICE_RUSTC` cannot compile for GPUs.
///
/// ```no_run
/// use keops_build::toolchain;
///
/// match toolchain::find() {
///     Ok(found) => println!("kernels are compiled by {}", found.version),
///     Err(error) => println!("{error}"), // what to install
/// }
/// ```
pub fn find() -> Result<Toolchain> {
    if let Some(named) = env::var_os("KEOPS_DEVICE_RUSTC").map(PathBuf::from) {
        let cargo = env::var_os("KEOPS_DEVICE_CARGO").map_or_else(|| beside(&named), PathBuf::from);
        return match look(&named, &cargo) {
            Some(toolchain) => Ok(toolchain),
            None => bail!(
                "KEOPS_DEVICE_RUSTC={} has neither the target nvptx64-nvidia-cuda nor the sources of core",
                named.display()
            ),
        };
    }
    let present = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let candidates = [
        (PathBuf::from(present), PathBuf::from(cargo)),
        (PathBuf::from("/usr/bin/rustc"), PathBuf::from("/usr/bin/cargo")),
    ];
    match candidates.iter().find_map(|(rustc, cargo)| look(rustc, cargo)) {
        Some(toolchain) => Ok(toolchain),
        None => bail!(HELP),
    }
}

/// The paths that change when a toolchain is installed that [`find`] did not find. All of them exist: a build script that names a
/// path which does not exist runs at every build.
pub(crate) fn watched() -> Vec<PathBuf> {
    let rustcs = match env::var_os("KEOPS_DEVICE_RUSTC") {
        Some(named) => vec![PathBuf::from(named)],
        None => {
            let present = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
            vec![PathBuf::from(present), PathBuf::from("/usr/bin/rustc")]
        }
    };
    rustcs.iter().filter_map(|rustc| changes(rustc)).collect()
}

/// The path that changes when the toolchain of this compiler, which need not exist, gets a target.
fn changes(rustc: &Path) -> Option<PathBuf> {
    let Some(sysroot) = output(rustc, &["--print", "sysroot"]) else {
        return rustc.parent().filter(|folder| is_flat(folder)).map(Path::to_owned);
    };
    let targets = PathBuf::from(sysroot).join("lib/rustlib");
    // rustup has a list of targets; other toolchains have a folder for each
    let list = targets.join("components");
    [list, targets].into_iter().find(|path| path.exists())
}

/// The most entries of a folder that cargo is made to look at in each build.
const MOST_ENTRIES: usize = 10_000;

/// Whether a folder exists and has no folders in it: cargo would look at all files below.
pub(crate) fn is_flat(folder: &Path) -> bool {
    let Ok(mut entries) = folder.read_dir() else { return false };
    let is_itself = |path: &Path| path.canonicalize().is_ok_and(|path| folder.canonicalize().is_ok_and(|f| f == path));
    let is_file = |path: &Path| !path.is_dir() || is_itself(path);
    let flat = entries.by_ref().take(MOST_ENTRIES).all(|entry| entry.is_ok_and(|entry| is_file(&entry.path())));
    flat && folder.is_absolute() && entries.next().is_none()
}

fn beside(rustc: &Path) -> PathBuf {
    rustc.with_file_name(if cfg!(windows) { "cargo.exe" } else { "cargo" })
}

/// The toolchain of this compiler, if it can compile for the target.
fn look(rustc: &Path, cargo: &Path) -> Option<Toolchain> {
    let sysroot = PathBuf::from(output(rustc, &["--print", "sysroot"])?);
    let version = output(rustc, &["--version"])?;
    output(cargo, &["--version"])?;
    let has_target = sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir();
    let has_sources = sysroot.join("lib/rustlib/src/rust/library/core").is_dir();
    let toolchain = |build_std| Toolchain { rustc: rustc.to_owned(), cargo: cargo.to_owned(), build_std, version };
    (has_target || has_sources).then(|| toolchain(!has_target))
}

fn output(program: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    // a build script's variables would make rustup's cargo take over
    let output = command.args(arguments).env_remove("RUSTUP_TOOLCHAIN").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_watched_is_there() {
        let folder = env::temp_dir().join(format!("keops-build-watched-{}", std::process::id()));
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::write(folder.join("bin/tool"), "").unwrap();
        assert!(is_flat(&folder.join("bin")) && !is_flat(&folder) && !is_flat(&folder.join("none")));
        assert!(!is_flat(Path::new("bin")), "cargo would look for it in the folder of the crate");
        assert_eq!(changes(&folder.join("bin/rustc")), Some(folder.join("bin")));
        assert_eq!(changes(&folder.join("none/rustc")), None);
        assert!(watched().iter().all(|path| path.exists()));
        fs::remove_dir_all(folder).unwrap();
    }
}
