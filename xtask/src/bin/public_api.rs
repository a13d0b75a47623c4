//! `cargo xtask api`: docs/public-api, the items that the crates offer to their users, an item a line.
//!
//! The task is a program of its own, behind a feature, so that no other task waits for the crate that reads the output of rustdoc.
//! That output is JSON, an unstable feature whose format stays the same for months at a time only: public-api reads one format.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail, ensure};

/// The crates whose names users write.
const CRATES: [&str; 3] = ["keops", "keops-gpu", "keops-build"];
/// The crate whose items [`FACADE`] re-exports. Its own list is for nobody: the items that users reach through the facade are in
/// the facade's list, under the names that the facade gives them.
const CORE: &str = "keops_core";
/// See [`CORE`].
const FACADE: &str = "keops";
/// All features, in the order of `.ci/run`.
const FEATURES: &str =
    "keops/cuda,keops/ndarray,keops/nalgebra,keops/faer,keops/serde,keops/tracing,keops/nystrom,xtask/api";
/// The version of the format that public-api reads; it goes with the version of public-api in Cargo.toml.
const FORMAT: u64 = 57;
/// Auto traits that are left out. `Send` and `Sync` matter to users of threads; these come and go with the compiler, and nobody
/// chose them.
const LEFT_OUT: [&str; 5] = [
    "core::marker::Freeze for ",
    "core::marker::Unpin for ",
    "core::marker::UnsafeUnpin for ",
    "core::panic::unwind_safe::RefUnwindSafe for ",
    "core::panic::unwind_safe::UnwindSafe for ",
];

/// The variable that is set where cargo runs this program in the place of rustdoc.
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
        let mut text = items(&json)?;
        if name == FACADE {
            text += &reexported(&text, &items(&folder.join(format!("{CORE}.json")))?, &reexports(&json)?);
        }
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

/// Runs rustdoc on the workspace, with the dependencies as clippy and `cargo doc` have checked them, and returns the folder of its
/// output.
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

/// Runs rustdoc with unstable features on any toolchain. The variable for that is not set for all of cargo, since every crate
/// that reads it would be compiled again.
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

/// The public items of a crate, without the implementations for all types, which are those of the standard library.
fn items(json: &Path) -> Result<String> {
    let api = public_api::Builder::from_rustdoc_json(json).omit_blanket_impls(true).build()?;
    let lines = api.items().map(|item| format!("{item}\n"));
    Ok(lines.filter(|line| !LEFT_OUT.iter().any(|name| line.contains(name))).collect())
}

/// What the facade re-exports from the core: paths there, and here.
fn reexports(json: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(json).with_context(|| json.display().to_string())?;
    let value: serde_json::Value = serde_json::from_str(&text)?;
    let index = value["index"].as_object().context("no index of items")?;
    let of_item = |item: &serde_json::Value| {
        let item = &item["inner"]["use"];
        let (source, name) = (item["source"].as_str()?, item["name"].as_str()?);
        source.starts_with(&format!("{CORE}::")).then(|| (source.to_owned(), format!("{FACADE}::{name}")))
    };
    Ok(index.values().filter_map(of_item).collect())
}

/// The lines of the core about what is re-exported, under the names of the facade. Re-exports that have lines of their own
/// already are not among them.
fn reexported(facade: &str, core: &str, reexports: &BTreeMap<String, String>) -> String {
    let is_reexported = |path: &str| reexports.keys().any(|root| begins(path, root));
    let mut text = String::new();
    // an item of an implementation for a foreign type is under that type's name
    let mut of_implementation = false;
    for line in core.lines() {
        let is_implementation = line.starts_with("impl");
        let kept = if is_implementation {
            of_implementation = heads(line).into_iter().any(is_reexported);
            of_implementation
        } else {
            let path = subject(line);
            is_reexported(path) || of_implementation && !begins(path, CORE)
        };
        let here = reexports.iter().fold(line.to_owned(), |line, (there, here)| renamed(&line, there, here));
        if kept && !facade.lines().any(|line| line == here) {
            text += &here;
            text.push('\n');
        }
    }
    text
}

/// Whether a path is `root` or goes on from it.
fn begins(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| !rest.starts_with(is_of_name))
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The path of the item that a line declares, and what follows it.
fn subject(line: &str) -> &str {
    const KEYWORDS: [&str; 15] = [
        "pub", "use", "mod", "const", "static", "unsafe", "async", "fn", "struct", "enum", "union", "trait", "type",
        "macro", "proc",
    ];
    let mut rest = line;
    loop {
        // attributes come first
        let word = if rest.starts_with("#[") { rest.split_inclusive(']').next() } else { rest.split(' ').next() };
        match word {
            Some(word) if word.starts_with("#[") || KEYWORDS.contains(&word) => {
                rest = rest[word.len()..].trim_start();
            }
            _ => return rest,
        }
    }
}

/// Of an implementation: the trait, if it is of one, and the type.
fn heads(line: &str) -> Vec<&str> {
    let mut rest = line.trim_start_matches("impl");
    if rest.starts_with('<') {
        let mut depth = 0;
        let end = rest.char_indices().find_map(|(at, c)| {
            // the arrow of a function's result closes nothing
            match c {
                '<' => depth += 1,
                '>' if !rest[..at].ends_with('-') => depth -= 1,
                _ => {}
            }
            (depth == 0).then_some(at + 1)
        });
        rest = &rest[end.unwrap_or(0)..];
    }
    rest.trim_start().splitn(2, " for ").map(|head| head.trim_start_matches(['!', '&', ' '])).collect()
}

/// A line with each path that begins with `there` beginning with `here`.
fn renamed(line: &str, there: &str, here: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(there) {
        let (before, after) = (&rest[..at], &rest[at + there.len()..]);
        let whole = !before.ends_with(is_of_name) && !after.starts_with(is_of_name);
        text += before;
        text += if whole { here } else { there };
        rest = after;
    }
    text + rest
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
