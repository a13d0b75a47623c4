//! `cargo xtask test-cuda`: tests on NVIDIA's driver, or on the emulator.

use std::{
    cmp,
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use keops_build::{Built, Kernels, build};
use keops_compiler::emit::device::Fingerprint;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{ptx::costs, root, run};

/// Options of the task.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Use the emulator of xtask/testing/keops-emulator in the place of NVIDIA's driver.
    #[arg(long)]
    emulator: bool,
    /// Run the other integration tests, too: their calls take the device where there is one.
    #[arg(long, conflicts_with = "no_device")]
    all: bool,
    /// Run only the test for machines without a device, where the processor must run all calls that choose no device.
    #[arg(long, conflicts_with = "emulator")]
    no_device: bool,
    /// Assemble the kernels of tests/cuda.rs for these architectures, too.
    #[arg(long, value_delimiter = ',')]
    assemble: Vec<String>,
    /// Assemble the kernels for these architectures and put the binaries into the program; needs `ptxas`. The emulator refuses
    /// binaries, so that the tests take the PTX on it.
    #[arg(long, value_delimiter = ',')]
    cubins: Vec<String>,
}

/// The integration tests that choose no device. `second_order` is not among them: its hundreds of kernels are sums, as those of
/// `derivatives` are.
pub(crate) const SUITE: [&str; 15] = [
    "arguments",
    "derivatives",
    "dimensions",
    "edges",
    "exponential",
    "keops_cases",
    "means",
    "operations",
    "powers",
    "reductions",
    "selection",
    "solve",
    "sparse",
    "spellings",
    "sums",
];

/// The record of the kernels that ran on the emulator, by test file.
const RECORD: &str = "tests/kernels.json";

/// The kernels of a test file that ran. Only these are built as long as the file does not change: the kernels that its calls need
/// cannot be told from their tokens.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ran {
    /// The fingerprint of the file.
    source: String,
    kernels: BTreeSet<String>,
}

/// The formulas of `spellings` that no test calls: the tests only check their types.
const NEVER_CALLED: [&str; 10] = [
    "arg_max",
    "arg_min",
    "k_min",
    "k_min_arg_k_min",
    "max",
    "min",
    "min_arg_min",
    "of_path",
    "soft_max_too",
    "weighted_too",
];

/// Runs the task.
pub(crate) fn run_task(options: &Options) -> Result<()> {
    // both at a time, since the compiler has one thread for the kernels of a file
    let (built, suite) = rayon::join(|| cuda_kernels(&options.cubins), || options.all.then(suite_kernels).transpose());
    let (built, suite) = (built?, suite?);
    println!("{} kernels in {}", built.kernels.len(), built.folder.display());
    costs(&options.assemble, &built, &[], [&[], &[]])?;
    let mut test = Command::new("cargo");
    test.current_dir(root())
        .args(["test", "--workspace", "--features", "keops/cuda", "--test", "cuda"])
        .env("KEOPS_PTX_DIR", built.folder);
    if options.no_device {
        test.args(["--", "--ignored", "--nocapture", "without_a_device"]);
    }
    let emulator = if options.emulator { Some(emulator()?) } else { None };
    if let Some(emulator) = &emulator {
        // two devices, for the calls that several devices share
        test.env("LD_LIBRARY_PATH", emulator).env("KEOPS_EMULATOR_DEVICES", "2");
    }
    run(&mut test)?;
    suite.map_or(Ok(()), |suite| run_suite(suite, emulator.as_deref()))
}

/// Builds the kernels of tests/cuda.rs.
pub(crate) fn cuda_kernels(cubins: &[String]) -> Result<Built> {
    let out = root().join("target/ptx-tests");
    libraries(&out.join("crate"))?;
    build(&keops_build::Options {
        sources: vec![root().join("tests/cuda.rs")],
        work: out.join("crate"),
        out,
        arch: "sm_80".to_owned(),
        precise: false,
        kernels: Kernels::All,
        cubins: cubins.to_vec(),
    })
}

/// Gives a device crate the libraries that `cargo xtask build-ptx` has compiled, if it ran: `core` and its like take longer
/// than most formulas. Crates that share a folder would wait for each other.
fn libraries(to: &Path) -> Result<()> {
    let from = root().join("target/ptx/crate/target");
    if to.join("target").exists() || !from.exists() {
        return Ok(());
    }
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    // with the times of all files, by which cargo knows that nothing has changed
    run(Command::new("cp").arg("-a").arg(from).arg(to))
}

/// The kernels of [`SUITE`].
pub(crate) struct SuiteKernels {
    /// The folder with the kernels of all files, for one run of cargo.
    pub(crate) folder: PathBuf,
    files: Vec<OfFile>,
    record: BTreeMap<String, Ran>,
}

/// The kernels of a file.
struct OfFile {
    file: &'static str,
    built: Built,
    /// The new record of the file, if it has none or has changed since.
    new: Option<Ran>,
}

/// Builds the kernels of the tests that choose no device, with the functions of the processor, whose errors these tests
/// allow.
pub(crate) fn suite_kernels() -> Result<SuiteKernels> {
    let out = root().join("target/ptx-suite");
    let start = Instant::now();
    let record = fs::read_to_string(root().join(RECORD)).context(RECORD)?;
    let record: BTreeMap<String, Ran> = serde_json::from_str(&record).context(RECORD)?;
    let build_file = |file: &&'static str| -> Result<OfFile> {
        libraries(&out.join(file).join("crate"))?;
        let path = root().join(format!("tests/{file}.rs"));
        let mut fingerprint = Fingerprint::default();
        fingerprint.bytes(&fs::read(&path).with_context(|| path.display().to_string())?);
        let source = fingerprint.to_string();
        let (kernels, new) = match record.get(*file) {
            Some(ran) if ran.source == source => (Kernels::Titled(ran.kernels.clone()), None),
            _ => (Kernels::Called, Some(Ran { source, ..Ran::default() })),
        };
        let options = keops_build::Options {
            sources: vec![path],
            work: out.join(file).join("crate"),
            out: out.join(file),
            arch: "sm_80".to_owned(),
            precise: true,
            kernels,
            cubins: Vec::new(),
        };
        Ok(OfFile { file, built: build(&options).with_context(|| format!("tests/{file}.rs"))?, new })
    };
    // the longest first, and each as soon as a thread is free, so that no long one is left for the end
    let mut longest_first = SUITE;
    longest_first.sort_by_key(|file| {
        let bytes = fs::metadata(root().join(format!("tests/{file}.rs"))).map_or(0, |data| data.len());
        cmp::Reverse(bytes)
    });
    let mut files = longest_first.iter().par_bridge().map(build_file).collect::<Result<Vec<_>>>()?;
    files.sort_by_key(|of| of.file);
    println!("kernels of {} test files: {:.1} s", files.len(), start.elapsed().as_secs_f64());
    for OfFile { file, .. } in files.iter().filter(|of| of.new.is_some()) {
        println!("tests/{file}.rs has changed: all kernels that its calls may need");
    }
    // the name depends on the content of the folder, since the macro looks again when the name changes
    let folders: Vec<_> = files.iter().filter_map(|of| of.built.folder.file_name()?.to_str()).collect();
    let folder = out.join(folders.join("-"));
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for OfFile { file, built, .. } in &files {
        if !built.without.is_empty() {
            bail!(
                "formulas of tests/{file}.rs lack #[keops(cuda(..))] and would run on the processor: {:?}",
                built.without
            );
        }
        for name in &built.modules {
            let module = format!("{name}.ptx");
            fs::copy(built.folder.join(&module), folder.join(&module)).with_context(|| module)?;
        }
    }
    Ok(SuiteKernels { folder, files, record })
}

/// Runs the tests that choose no device. On the emulator, it then checks that they ran there.
fn run_suite(suite: SuiteKernels, emulator: Option<&Path>) -> Result<()> {
    let launches = root().join("target/ptx-suite/launches.txt");
    let mut test = Command::new("cargo");
    test.current_dir(root())
        .args(["test", "--workspace", "--features", "keops/cuda", "--no-fail-fast"])
        .env("KEOPS_PTX_DIR", &suite.folder);
    test.args(SUITE.iter().flat_map(|file| ["--test", file]));
    let Some(emulator) = emulator else { return run(&mut test) };
    fs::write(&launches, "").with_context(|| launches.display().to_string())?;
    test.env("LD_LIBRARY_PATH", emulator).env("KEOPS_TEST_SIZES", "small").env("KEOPS_EMULATOR_LAUNCHES", &launches);
    run(&mut test)?;
    let launched = fs::read_to_string(&launches).with_context(|| launches.display().to_string())?;
    check_launches(suite, &launched.lines().collect())
}

/// Fails if no kernel of a formula with some values of its const generics ran, since its tests then ran on the processor. Records
/// the kernels that ran of files that have changed.
fn check_launches(suite: SuiteKernels, launched: &HashSet<&str>) -> Result<()> {
    let SuiteKernels { files, mut record, .. } = suite;
    let mut changed = false;
    for OfFile { file, built, new } in files {
        let mut formulas: BTreeMap<String, bool> = BTreeMap::new();
        let mut ran = BTreeSet::new();
        for (name, title) in &built.kernels {
            let launched = launched.contains(name.as_str());
            if launched {
                ran.insert(title.clone());
            }
            // `gauss: Vjp_x<3> f64`
            let (formula, marker) = title.split_once(':').unwrap_or((title, ""));
            let generics =
                marker.find('<').map_or("", |at| marker[at..].trim_end_matches(" f32").trim_end_matches(" f64"));
            *formulas.entry(format!("{formula}{generics}")).or_default() |= launched;
        }
        println!("tests/{file}.rs: {} of {} kernels ran", ran.len(), built.kernels.len());
        ensure!(!ran.is_empty(), "tests/{file}.rs ran on the processor");
        let never: Vec<String> = formulas.into_iter().filter(|(_, launched)| !launched).map(|(name, _)| name).collect();
        // only kernels that ran are built of a file with a record
        let expected: &[&str] = if new.is_some() && file == "spellings" { &NEVER_CALLED } else { &[] };
        ensure!(never == expected, "tests/{file}.rs: no kernel ran of {never:?}, where {expected:?} were expected");
        if let Some(new) = new {
            record.insert(file.to_owned(), Ran { kernels: ran, ..new });
            changed = true;
        }
    }
    if changed {
        record.retain(|file, _| SUITE.contains(&file.as_str()));
        fs::write(root().join(RECORD), serde_json::to_string_pretty(&record)? + "\n").context(RECORD)?;
        println!("{RECORD} has what ran of the files that have changed");
    }
    Ok(())
}

/// Builds the emulator, and returns the folder where it has the name of the driver.
pub(crate) fn emulator() -> Result<PathBuf> {
    let target = root().join("target/emulator");
    let mut build = Command::new("cargo");
    build
        .current_dir(root())
        .args(["build", "--quiet", "--release", "--package", "keops-emulator"])
        .env("CARGO_TARGET_DIR", &target);
    run(&mut build)?;
    let folder = target.join("lib");
    fs::create_dir_all(&folder)?;
    fs::copy(target.join("release/libkeops_emulator.so"), folder.join("libcuda.so.1"))?;
    Ok(folder)
}
