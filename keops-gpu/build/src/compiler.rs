//! What compiles the device crate to PTX.
//!
//! [`Toolchain`](crate::toolchain::Toolchain) does, which is rustc with its own back end for `nvptx64-nvidia-cuda`, and is
//! what [`compile`](crate::compile) and [`build`](crate::build) look for. Another compiler, a back end of rustc among them,
//! implements [`DeviceCompiler`] and is passed to [`compile_with`](crate::compile_with) or
//! [`build_with`](crate::build_with). Finding formulas, writing the device crate, splitting its PTX into modules,
//! assembling and caching them are the same for all.

use std::path::Path;

use anyhow::Result;

/// A device crate that was written and is to be compiled; see [`DeviceCompiler::compile`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DeviceCrate<'a> {
    /// The absolute path of its folder, with `Cargo.toml` and `src/lib.rs`. What a compiler adds there is kept for the next
    /// time; these two files are written anew.
    pub folder: &'a Path,
    /// The oldest architecture that the kernels run on: `sm_80`.
    pub arch: &'a str,
    /// The names of the kernels that the PTX has to have, each an `extern "ptx-kernel"` function of the source.
    pub entry_points: &'a [String],
}

/// Compiles device crates to PTX.
///
/// The crate is a `cdylib` for `nvptx64-nvidia-cuda`, without `std`; it depends on keops-device, and through it on
/// keops-core. These take from a compiler the calling convention `ptx-kernel`, the intrinsics of `core::arch::nvptx`, `asm!` with
/// registers of 32 and 64 bits, and `global_asm!`, which declares the shared memory.
///
/// ```
/// use std::{fs, process::Command};
///
/// use anyhow::{Context, Result, ensure};
/// use keops_build::compiler::{DeviceCompiler, DeviceCrate};
///
/// /// A program that is called with the folder of a crate and an architecture, and writes `kernels.ptx` there.
/// struct Program(&'static str);
///
/// impl DeviceCompiler for Program {
///     fn version(&self) -> String {
///         format!("{} 1.0", self.0)
///     }
///
///     fn compile(&self, device: &DeviceCrate<'_>) -> Result<String> {
///         let mut command = Command::new(self.0);
///         let output = command.arg(device.folder).arg(device.arch).output().context(self.0)?;
///         ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
///         Ok(fs::read_to_string(device.folder.join("kernels.ptx"))?)
///     }
/// }
///
/// # fn in_a_build_script() {
/// // in build.rs
/// keops_build::compile_with(&Program("other-rustc"), &[]);
/// # }
/// ```
pub trait DeviceCompiler {
    /// The compiler, its version, and whatever else of it decides about the PTX: kernels are compiled again when it changes.
    ///
    /// ```no_run
    /// use keops_build::{compiler::DeviceCompiler, toolchain};
    ///
    /// assert!(toolchain::find()?.version().starts_with("rustc "));
    /// # Ok::<(), anyhow::Error>(())
    /// ```
    fn version(&self) -> String;

    /// The PTX of the crate, in one module: an entry point (`.visible .entry`) for each of
    /// [`entry_points`](DeviceCrate::entry_points), and all functions that they call. It is not called where the PTX of this
    /// crate by this version is there already.
    ///
    /// # Errors
    /// Whatever the compiler says. A build script makes it a warning, and the program is built for the processor. PTX without one of the
    /// entry points, or with calls of functions that are not in it, is an error of the caller's.
    ///
    /// ```no_run
    /// use keops_build::compiler::{DeviceCompiler, DeviceCrate};
    ///
    /// fn entries(compiler: &dyn DeviceCompiler, device: &DeviceCrate<'_>) -> anyhow::Result<usize> {
    ///     Ok(compiler.compile(device)?.matches(".visible .entry").count())
    /// }
    /// ```
    fn compile(&self, device: &DeviceCrate<'_>) -> Result<String>;
}

impl<C: DeviceCompiler + ?Sized> DeviceCompiler for &C {
    fn version(&self) -> String {
        (**self).version()
    }

    fn compile(&self, device: &DeviceCrate<'_>) -> Result<String> {
        (**self).compile(device)
    }
}
