//! The trait of compilers that compile the device crate to PTX.
//!
//! [`Toolchain`](crate::toolchain::Toolchain) is rustc with its own back end for `nvptx64-nvidia-cuda`;
//! [`compile`](crate::compile) and [`build`](crate::build) look for it. Another compiler, such as another back end of rustc,
//! implements [`DeviceCompiler`] and is passed to [`compile_with`](crate::compile_with) or
//! [`build_with`](crate::build_with). All compilers share the other steps: finding formulas, writing the device crate, splitting
//! its PTX into modules, assembling and caching them.

use std::path::Path;

use anyhow::Result;

/// A device crate that was written, and that [`DeviceCompiler::compile`] compiles.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DeviceCrate<'a> {
    /// The absolute path of the crate's folder, with `Cargo.toml` and `src/lib.rs`. Files that a compiler adds there are kept for
    /// the next build; these two files are written again.
    pub folder: &'a Path,
    /// The oldest architecture that the kernels run on: `sm_80`.
    pub arch: &'a str,
    /// The names of the kernels that the PTX must have. Each is an `extern "ptx-kernel"` function of the source.
    pub entry_points: &'a [String],
}

/// A compiler of device crates to PTX.
///
/// A device crate is a `cdylib` for `nvptx64-nvidia-cuda`, without `std`; it depends on keops-device, and through it on
/// keops-core. The compiler must have the calling convention `ptx-kernel`, the intrinsics of `core::arch::nvptx`, `asm!` with
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
    /// The name and version of the compiler, and all else that the PTX depends on: kernels are compiled again when this text
    /// changes.
    ///
    /// ```no_run
    /// use keops_build::{compiler::DeviceCompiler, toolchain};
    ///
    /// assert!(toolchain::find()?.version().starts_with("rustc "));
    /// # Ok::<(), anyhow::Error>(())
    /// ```
    fn version(&self) -> String;

    /// Compiles the crate, and returns its PTX in one module: an entry point (`.visible .entry`) for each of
    /// [`entry_points`](DeviceCrate::entry_points), and all functions that they call. The method is not called where the PTX of
    /// this crate by this version exists already.
    ///
    /// # Errors
    /// The compiler fails. A build script turns the error into a warning, and the program is built for the processor. The caller
    /// checks the PTX: it is an error if it lacks an entry point or calls a function that is not in it.
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
