//! This crate compiles the formulas of a crate to PTX, with rustc.
//!
//! A crate with formulas calls it in its build script, `build.rs`:
//!
//! ```no_run
//! keops_build::compile();
//! ```
//!
//! The crate's `Cargo.toml` has keops with the feature `cuda`, and this crate below `[build-dependencies]`. The program then
//! contains the kernels, and needs nothing but NVIDIA's driver where it runs. `cargo xtask build-ptx` of the repository calls
//! [`build`] for the formulas of its own tests, examples and benchmarks.
//!
//! | module | what it has |
//! |---|---|
//! | [`formulas`] | the search for `keops! { .. }` in sources |
//! | [`toolchain`] | the search for a Rust toolchain that compiles for GPUs |
//! | [`crates`] | the device crate: formulas and entry points |
//! | [`compiler`] | the trait of compilers for the device crate, for which there may be others than rustc |
//! | [`split`] | the split of the PTX into a module for each entry point |
//! | [`cubins`] | the assembly of modules to machine code |
//! | [`report`] | the costs of kernels |

pub mod compiler;
pub mod crates;
pub mod cubins;
pub mod formulas;
pub mod report;
mod rustc;
pub mod split;
pub mod toolchain;

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf, absolute},
};

use anyhow::{Context, Result};
use compiler::{DeviceCompiler, DeviceCrate};
use formulas::OfCrate;
use keops_compiler::emit::device::{Device, Fingerprint};

/// The sources, the kernels and the folders of a [`build`].
///
/// ```
/// let options = keops_build::Options {
///     sources: vec!["src".into(), "examples/own.rs".into()],
///     work: "target/device".into(),
///     out: "target/ptx".into(),
///     arch: "sm_90".to_owned(),
///     precise: false,
///     kernels: keops_build::Kernels::All,
///     cubins: vec!["sm_90".to_owned()],
/// };
/// assert!(!options.precise); // the elementary functions of the hardware
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// Rust files with formulas, or folders of them.
    pub sources: Vec<PathBuf>,
    /// The folder where the device crate is built. It is kept, so that `core` is compiled once.
    pub work: PathBuf,
    /// The folder below which the build makes a folder with the modules.
    pub out: PathBuf,
    /// The oldest architecture that the kernels run on: `sm_80`.
    pub arch: String,
    /// Whether all formulas use the elementary functions of the CPU, as with `#[keops(precise)]`, for comparisons with the CPU.
    pub precise: bool,
    /// The kernels of these formulas that are compiled.
    pub kernels: Kernels,
    /// The architectures for which `ptxas` assembles the kernels as well: `sm_90`. A device with the same major number, and a
    /// minor number that is not smaller, takes these binaries; for other devices the driver compiles the PTX.
    pub cubins: Vec<String>,
}

/// The choice of kernels that are compiled; see [`Options`].
///
/// ```
/// use keops_build::Kernels;
///
/// let one = Kernels::Titled(["gaussian: Vjp_x<3> f32".to_owned()].into());
/// assert_ne!(one, Kernels::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kernels {
    /// All kernels: all derivatives that a formula has, and both element types. The callers of a library are not known here.
    #[default]
    All,
    /// The kernels whose derivatives and element types occur in the sources, for programs all of whose calls are there, each
    /// in one expression. A derivative that follows the call of a formula is a derivative of that formula.
    Called,
    /// The kernels with these titles ([`Built::kernels`]), as far as they exist.
    Titled(BTreeSet<String>),
}

/// The result of a [`build`].
///
/// ```no_run
/// # fn show(built: &keops_build::Built) {
/// for (kernel, title) in &built.kernels {
///     println!("{kernel} is {title}");
/// }
/// for module in &built.modules {
///     println!("{}", built.folder.join(format!("{module}.ptx")).display());
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Built {
    /// The folder with the modules, `<name>.ptx`, and their binaries, `<name>.sm_90.cubin`. Its name depends on its content.
    pub folder: PathBuf,
    /// The names of the modules. Each has the name of its only entry point.
    pub modules: Vec<String>,
    /// The files in which formulas were looked for.
    pub files: Vec<PathBuf>,
    /// The names and the titles of the kernels. A title says the formula, derivative, dimensions and element type.
    pub kernels: Vec<(String, String)>,
    /// The names of functions with const generics that have no kernels, since they lack `#[keops(cuda(..))]`.
    pub without: Vec<String>,
    /// Whether nothing had changed since the last build, so that its modules were taken.
    pub fresh: bool,
}

/// Compiles the formulas below `src` of the crate whose build script calls this, and tells cargo where the kernels are.
///
/// Without a toolchain for GPUs the crate is built for the CPU only, with a warning that says what to install. A fault in a
/// formula is left to the macro, which points at it.
///
/// The `build.rs` of a crate with formulas needs nothing else:
///
/// ```no_run
/// keops_build::compile();
/// ```
pub fn compile() {
    compile_for(&[]);
}

/// Does what [`compile`] does, and assembles the kernels for these architectures.
///
/// The first call on a device of these architectures then takes no longer than the second. Otherwise the driver needs a tenth of
/// a second or more for a kernel that it has not compiled before, and again in each container. Assembling needs NVIDIA's `ptxas`,
/// on the path or named by `KEOPS_PTXAS`; without it, or where it refuses an architecture, there is a warning, and the driver
/// compiles the PTX.
///
/// ```no_run
/// keops_build::compile_for(&["sm_80", "sm_90"]); // A100, H100 and H200
/// ```
pub fn compile_for(archs: &[&str]) {
    println!("cargo:rerun-if-env-changed=KEOPS_DEVICE_RUSTC");
    println!("cargo:rerun-if-env-changed=KEOPS_DEVICE_CARGO");
    println!("cargo:rerun-if-env-changed=KEOPS_PTXAS");
    if !compile_crate(archs, toolchain::find) {
        watch(toolchain::watched());
    }
}

/// Does what [`compile_for`] does, with a compiler of the caller's instead of rustc's own back end.
///
/// If the build script depends on more of the compiler than its [`version`](DeviceCompiler::version), the compiler must tell
/// cargo so (`cargo:rerun-if-..`). [`DeviceCompiler`] has an example of another compiler; this example names rustc, as [`compile`]
/// finds it:
///
/// ```no_run
/// use keops_build::toolchain;
///
/// match toolchain::find() {
///     Ok(rustc) => keops_build::compile_with(&rustc, &["sm_90"]),
///     Err(error) => println!("cargo:warning={error}"),
/// }
/// ```
pub fn compile_with(compiler: &dyn DeviceCompiler, archs: &[&str]) {
    println!("cargo:rerun-if-env-changed=KEOPS_PTXAS");
    compile_crate(archs, || Ok(compiler));
}

/// Compiles the crate of the build script, and tells cargo. Returns whether there are kernels.
fn compile_crate<C: DeviceCompiler>(archs: &[&str], compiler: impl Fn() -> Result<C>) -> bool {
    println!("cargo:rerun-if-changed=src");
    let archs = archs.iter().map(|&arch| arch.to_owned()).collect();
    match built_crate(archs, compiler) {
        Ok(built) => {
            for name in &built.without {
                warn(&format!(
                    "`{name}` has const generics and no kernels for GPUs; name their values: #[keops(cuda(D = 3))]"
                ));
            }
            println!("cargo:rustc-env=KEOPS_PTX_DIR={}", built.folder.display());
            true
        }
        Err(error) => {
            warn(&format!("built for the CPU only: {error:#}"));
            false
        }
    }
}

/// Has cargo run the build script again when one of these paths changes: a missing program may be installed then.
fn watch(paths: Vec<PathBuf>) {
    for path in paths {
        println!("cargo:rerun-if-changed={}", path.display());
    }
}

/// The most lines of a warning.
const MOST_LINES: usize = 20;

/// Has cargo print a warning.
fn warn(text: &str) {
    for line in warning(text) {
        println!("cargo:warning={line}");
    }
}

/// The lines of a warning, each of which cargo takes by itself. The messages of a compiler are cut to the first lines.
fn warning(text: &str) -> Vec<String> {
    let all: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let mut lines: Vec<String> = all.iter().take(MOST_LINES).map(|&line| line.to_owned()).collect();
    if let Some(first) = lines.first_mut() {
        first.insert_str(0, "keops: ");
    }
    if all.len() > MOST_LINES {
        lines.push(format!("({} more lines)", all.len() - MOST_LINES));
    }
    lines
}

fn built_crate<C: DeviceCompiler>(cubins: Vec<String>, compiler: impl Fn() -> Result<C>) -> Result<Built> {
    let variable = |name| env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set"));
    let (folder, out) = (variable("CARGO_MANIFEST_DIR")?, variable("OUT_DIR")?);
    let sources = folder.join("src");
    let OfCrate { files, devices, unread } = formulas::of_crate(&sources)?;
    for text in unread {
        warn(&format!("no kernels for the formulas of a file that is not read: {text}"));
    }
    let options = Options {
        sources: vec![sources.clone()],
        work: out.join("keops-device"),
        out: out.join("ptx"),
        arch: "sm_80".to_owned(),
        precise: false,
        kernels: Kernels::All,
        cubins,
    };
    let only_ptx = options.cubins.is_empty();
    build_of(&options, (files, devices), &compiler).or_else(|error| {
        if only_ptx {
            return Err(error);
        }
        let OfCrate { files, devices, .. } = formulas::of_crate(&sources)?;
        let built = build_of(&Options { cubins: Vec::new(), ..options }, (files, devices), &compiler)?;
        warn(&format!("kernels are left to the driver's compiler: {error:#}"));
        println!("cargo:rerun-if-env-changed=PATH");
        watch(report::ptxas_watched());
        Ok(built)
    })
}

/// Compiles all formulas in the sources.
///
/// # Errors
/// A source is not Rust, a formula has a fault, there is no toolchain ([`toolchain::HELP`]), or the compiler fails. With
/// `cubins`, there is no assembler ([`cubins::HELP`]), or it fails.
///
/// ```no_run
/// let built = keops_build::build(&keops_build::Options {
///     sources: vec!["src".into()],
///     work: "target/device".into(),
///     out: "target/ptx".into(),
///     arch: "sm_80".to_owned(),
///     precise: false,
///     kernels: keops_build::Kernels::All,
///     cubins: Vec::new(),
/// })?;
/// println!("{} kernels in {}", built.kernels.len(), built.folder.display());
/// # Ok::<(), anyhow::Error>(())
/// ```
pub fn build(options: &Options) -> Result<Built> {
    build_of(options, formulas::find(&options.sources)?, toolchain::find)
}

/// Does what [`build`] does, with a compiler of the caller's instead of rustc's own back end.
///
/// # Errors
/// [`build`] would fail, the compiler fails, or its PTX lacks an entry point or calls a function that is not in it.
///
/// ```no_run
/// use keops_build::{Built, Options, compiler::DeviceCompiler};
///
/// fn titles(options: &Options, compiler: &dyn DeviceCompiler) -> anyhow::Result<Vec<String>> {
///     let Built { kernels, .. } = keops_build::build_with(options, compiler)?;
///     Ok(kernels.into_iter().map(|(_, title)| title).collect())
/// }
/// ```
pub fn build_with(options: &Options, compiler: &dyn DeviceCompiler) -> Result<Built> {
    build_of(options, formulas::find(&options.sources)?, || Ok(compiler))
}

/// Does what [`build`] does, for formulas that were found in these files. The compiler is looked for only if there are kernels.
fn build_of<C: DeviceCompiler>(
    options: &Options,
    (files, mut devices): (Vec<PathBuf>, Vec<Device>),
    compiler: impl FnOnce() -> Result<C>,
) -> Result<Built> {
    // cargo runs in another folder
    let options = &Options { work: absolute(&options.work)?, out: absolute(&options.out)?, ..options.clone() };
    for device in &mut devices {
        device.precise |= options.precise;
    }
    let mut elements = crates::ELEMENTS.to_vec();
    if options.kernels == Kernels::Called {
        let calls = formulas::Calls::of(&files)?;
        calls.keep(&mut devices);
        elements.retain(|(element, ..)| calls.has(element));
    }
    let mut kernels = crates::names(&devices, &elements);
    if let Kernels::Titled(titles) = &options.kernels {
        kernels.retain(|(_, title)| titles.contains(title));
    }
    let without = devices.iter().filter(|device| device.kernels.is_empty()).map(|d| d.item.clone()).collect();
    if kernels.is_empty() {
        // no kernels need no compiler
        let folder = options.out.join("none");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        return Ok(Built { folder, modules: Vec::new(), files, kernels, without, fresh: true });
    }
    let assembler = cubins::Assembler::new(&options.cubins)?;
    let assembled = |built| match &assembler {
        Some(assembler) => assembler.assembled(built),
        None => Ok(built),
    };
    let modules = crates::entry_points(&kernels, &elements);
    let source = crates::source(&devices, &kernels, &elements);
    let compiler = compiler()?;
    let mut content = Fingerprint::default();
    [&source, &compiler.version(), &options.arch].into_iter().for_each(|text| content.text(text));
    add_own_sources(&mut content)?;
    let folder = options.out.join(content.to_string());
    let built = |fresh| Built {
        folder: folder.clone(),
        modules: modules.clone(),
        files,
        kernels: kernels.clone(),
        without,
        fresh,
    };
    if modules.iter().all(|name| folder.join(format!("{name}.ptx")).is_file()) {
        return assembled(built(true));
    }
    fs::create_dir_all(options.work.join("src")).with_context(|| options.work.display().to_string())?;
    fs::write(options.work.join("Cargo.toml"), crates::manifest(keops_device::FOLDER, keops_device::CORE_FOLDER))?;
    fs::write(options.work.join("src/lib.rs"), source)?;
    let ptx = compiler.compile(&DeviceCrate { folder: &options.work, arch: &options.arch, entry_points: &modules })?;
    fs::create_dir_all(&folder)?;
    for (name, text) in split::split(&ptx, &modules)? {
        write_whole(&folder.join(format!("{name}.ptx")), text.as_bytes())?;
    }
    write_whole(&options.out.join("kernels.ptx"), ptx.as_bytes())?;
    assembled(built(false))
}

/// Writes a file that is complete wherever it exists: a file that exists is not built again.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    make_whole(path, |unfinished| fs::write(unfinished, bytes).with_context(|| unfinished.display().to_string()))
}

/// Does what [`write_whole`] does, where `write` writes the file under the path that it is given.
fn make_whole(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    // two builds may make the same file at the same time
    let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
    write(&unfinished)?;
    fs::rename(&unfinished, path).with_context(|| path.display().to_string())
}

/// The sources of this crate that the text of the modules depends on, besides the device crate's source.
const OWN_SOURCES: [&str; 4] =
    [include_str!("lib.rs"), include_str!("crates.rs"), include_str!("rustc.rs"), include_str!("split.rs")];

/// Adds the sources of the crates that kernels are made of, and of the steps that compile and split them.
fn add_own_sources(content: &mut Fingerprint) -> Result<()> {
    OWN_SOURCES.iter().for_each(|source| content.text(source));
    let mut files = BTreeSet::new();
    for folder in [keops_device::FOLDER, keops_device::CORE_FOLDER] {
        list_files(&Path::new(folder).join("src"), &mut files)?;
    }
    for file in files {
        content.text(&file.to_string_lossy());
        content.bytes(&fs::read(&file).with_context(|| file.display().to_string())?);
    }
    Ok(())
}

/// Adds the files in and below a folder.
fn list_files(folder: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            list_files(&path, files)?;
        } else {
            files.insert(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder for a test, empty.
    fn folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("keops-build-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn warnings_are_lines() {
        assert_eq!(warning("one"), ["keops: one"]);
        assert_eq!(warning("one:\n  two\r\n\n three\n"), ["keops: one:", "  two", " three"]);
        let long = warning(&"line\n".repeat(25));
        assert_eq!((long.len(), long.last().map(String::as_str)), (21, Some("(5 more lines)")));
        assert_eq!(warning(&"line\n".repeat(20)).len(), 20);
        assert!(warning("").is_empty());
    }

    #[test]
    fn no_formulas_need_nothing() {
        let folder = folder("empty");
        fs::write(folder.join("lib.rs"), "keops! { fn f<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { x + y } }")
            .unwrap();
        let options = Options {
            sources: vec![folder.clone()],
            work: folder.join("work"),
            out: folder.join("out"),
            arch: "sm_80".to_owned(),
            precise: false,
            kernels: Kernels::All,
            cubins: vec!["sm_90".to_owned()],
        };
        let built = build(&options).unwrap();
        assert!(built.folder.is_dir() && built.modules.is_empty() && built.kernels.is_empty() && built.fresh);
        assert_eq!(built.without, ["f"]);
        assert!(!options.work.exists(), "nothing is compiled");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn files_are_whole() {
        let folder = folder("whole");
        let file = folder.join("k0.ptx");
        for text in ["first", "second, longer"] {
            write_whole(&file, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
