//! `cargo xtask api`: docs/public-api, what the crates offer to their users, an item a line.
//!
//! A program of its own, behind a feature, so that no other task waits for what reads the output of rustdoc. That output is
//! JSON, an unstable feature whose format stays the same for months at a time only: the crate public-api reads one.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail, ensure};

/// The crates whose names users write.
const CRATES: [&str; 4] = ["keops", "keops-core", "keops-gpu", "keops-build"];
/// All; the order is that of `.ci/run`.
const FEATURES: &str =
    "keops/cuda,keops/ndarray,keops/nalgebra,keops/faer,keops/serde,keops/tracing,keops/nystrom,xtask/api";
/// What public-api reads; it goes with its version in Cargo.toml.
const FORMAT: u64 = 57;
/// Traits that a type has or has not by itself. `Send` and `Sync` matter to users of threads; the others come and go with
/// the compiler, and nobody chose them.
const LEFT_OUT: [&str; 5] = [
    "core::marker::Freeze for ",
    "core::marker::Unpin for ",
    "core::marker::UnsafeUnpin for ",
    "core::panic::unwind_safe::RefUnwindSafe for ",
    "core::panic::unwind_safe::UnwindSafe for ",
];

/// In the environment of this program where cargo runs it in rustdoc's place.
const AS_RUSTDOC: &str = "KEOPS_AS_RUSTDOC";

fn main() -> ExitCode {
    if env::var_os(AS_RUSTDOC).is_some() {
        return rustdoc();
    }
    match run(env::args().any(|argument| argument == "--check")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(check: bool) -> Result<()> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().unwrap_or(package);
    let folder = document(root)?;
    let mut differ = Vec::new();
    for name in CRATES {
        let json = folder.join(format!("{}.json", name.replace('-', "_")));
        let format = format(&json)?;
        if format != FORMAT {
            // nothing to compare, or nothing to write
            let why = format!("this rustdoc writes format {format} of its JSON, and {FORMAT} is read");
            if !check {
                bail!("{why}");
            }
            println!("skipped: {why}");
            return Ok(());
        }
        let text = items(&json)?;
        let file = root.join("docs/public-api").join(format!("{name}.txt"));
        if !check {
            fs::write(&file, text).with_context(|| file.display().to_string())?;
            continue;
        }
        // a file that is not there differs in all its lines
        let changes = changes(&fs::read_to_string(&file).unwrap_or_default(), &text);
        if !changes.is_empty() {
            println!("docs/public-api/{name}.txt:\n{}", changes.join("\n"));
            differ.push(name);
        }
    }
    ensure!(
        differ.is_empty(),
        "what is public has changed in {}: if that is meant, `cargo xtask api` writes docs/public-api again, and \
         CHANGELOG.md says what users must know",
        differ.join(", ")
    );
    println!(
        "{} crates: {}",
        CRATES.len(),
        if check { "what is public is that of docs/public-api" } else { "written" }
    );
    Ok(())
}

/// Runs rustdoc on the workspace, with the checks of dependencies that clippy and `cargo doc` have made; the folder of what
/// it writes.
fn document(root: &Path) -> Result<PathBuf> {
    let mut doc = Command::new("cargo");
    doc.current_dir(root).args(["doc", "--quiet", "--workspace", "--lib", "--no-deps", "--features", FEATURES]);
    doc.env("RUSTDOC", env::current_exe()?).env(AS_RUSTDOC, "1");
    doc.env("RUSTDOCFLAGS", "-Z unstable-options --output-format json --cap-lints allow");
    let output = doc.output().context("cargo does not start")?;
    ensure!(output.status.success(), "rustdoc failed:\n{}", String::from_utf8_lossy(&output.stderr));
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    Ok(root.join(target).join("doc"))
}

/// Runs rustdoc with unstable features, whatever its toolchain: with the variable set for all of cargo, every crate that looks
/// at it would be compiled anew.
fn rustdoc() -> ExitCode {
    let mut rustdoc = Command::new("rustdoc");
    rustdoc.args(env::args_os().skip(1)).env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTDOC");
    match rustdoc.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rustdoc does not start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The version of the format of rustdoc's output.
fn format(json: &Path) -> Result<u64> {
    let text = fs::read_to_string(json).with_context(|| json.display().to_string())?;
    let value: serde_json::Value = serde_json::from_str(&text)?;
    value["format_version"].as_u64().context("no output of rustdoc")
}

/// What is public, but for implementations for all types, which are those of the standard library.
fn items(json: &Path) -> Result<String> {
    let api = public_api::Builder::from_rustdoc_json(json).omit_blanket_impls(true).build()?;
    let lines = api.items().map(|item| format!("{item}\n"));
    Ok(lines.filter(|line| !LEFT_OUT.iter().any(|name| line.contains(name))).collect())
}

/// Lines that went, with a minus, and lines that came, with a plus.
fn changes(old: &str, new: &str) -> Vec<String> {
    let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
    old.lines().for_each(|line| *counts.entry(line).or_default() -= 1);
    new.lines().for_each(|line| *counts.entry(line).or_default() += 1);
    counts
        .into_iter()
        .filter(|(_, count)| *count != 0)
        .map(|(line, count)| format!("{} {line}", if count < 0 { '-' } else { '+' }))
        .collect()
}
