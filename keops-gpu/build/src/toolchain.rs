//! A Rust toolchain that compiles for `nvptx64-nvidia-cuda`.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

/// The target.
pub const TARGET: &str = "nvptx64-nvidia-cuda";

/// A compiler and the cargo that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The compiler.
    pub rustc: PathBuf,
    /// The cargo that builds with it.
    pub cargo: PathBuf,
    /// `core` is compiled from its sources, since the toolchain does not bring it for the target.
    pub build_std: bool,
    /// `rustc --version`, by which a change of the toolchain is noticed.
    pub version: String,
}

/// What helps if there is none.
pub const HELP: &str = "no Rust toolchain for nvptx64-nvidia-cuda: run `rustup target add nvptx64-nvidia-cuda` \
     (Debian: `apt-get install rustc-web rust-web-src cargo-web`), or name a compiler by KEOPS_DEVICE_RUSTC";

/// The first toolchain that can compile for GPUs.
///
/// In order: the compiler named by `KEOPS_DEVICE_RUSTC` (its cargo by `KEOPS_DEVICE_CARGO`, else the one beside it); the
/// present toolchain with the target added; the present toolchain with its sources; Debian's. The last two compile
/// `core` themselves. Whatever is not a nightly is told to accept its features by `RUSTC_BOOTSTRAP=1`.
///
/// # Errors
/// There is none: [`HELP`]. The compiler named by `KEOPS_DEVICE_RUSTC` cannot do it.
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
