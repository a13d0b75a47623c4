//! `cargo xtask compile-time`: what one more formula costs in a user's release build.
//!
//! A scratch crate outside the workspace depends on keops. It is built with one formula, and with a second one of
//! which the value and all gradients are used; only the crate itself is compiled again each time. The difference is
//! the cost of the second formula. The part of the macro is its compiler, run in a build script.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result};

use crate::{root, run};

/// Options of `cargo xtask compile-time`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often each crate is built; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
}

const FIRST: &str = "
    pub fn first(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { norm2(x - y) * b }
";
const SECOND: &str = "
    pub fn second(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }
";

/// Runs the task.
pub(crate) fn run_task(options: &Options) -> Result<()> {
    let folder = root().join("target/compile-time");
    let (mut one, mut two) = (Vec::new(), Vec::new());
    // by turns, so that whatever else the machine does hits both
    for round in 0..=options.repeats {
        for (times, second) in [(&mut one, false), (&mut two, true)] {
            let seconds = build(&folder, second)?;
            // the first round compiles what the crate depends on
            if round > 0 {
                times.push(seconds);
            }
        }
    }
    let (one, two) = (median(one), median(two));
    println!("a crate with one formula:            {one:.2} s");
    println!("and a second one with all gradients: {two:.2} s");
    println!("cost of the second:                  {:.2} s", two - one);
    println!(
        "of which the macro:                  {:.1} ms",
        1e3 * median(macro_seconds(&folder, options.repeats.max(9))?)
    );
    Ok(())
}

fn build(folder: &Path, second: bool) -> Result<f64> {
    let source = folder.join("src");
    fs::create_dir_all(&source).with_context(|| format!("{} cannot be made", source.display()))?;
    let manifest = format!(
        "[package]\nname = \"compile-time\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\nkeops = {{ path = {:?} }}\n\n[workspace]\n",
        root()
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    let (formula, call) = if second {
        (
            SECOND,
            "let a = second(0.5, &x, &x, &b).eval()?;
             let d = second(0.5, &x, &x, &b).vjp(&b).eval()?;
             println!(\"{a:?} {d:?}\");",
        )
    } else {
        ("", "")
    };
    let program = format!(
        "use keops::prelude::*;\nkeops! {{ {FIRST} {formula} }}\nfn main() -> Result<(), Error> {{
            let x = vec![[0.5_f32; 3]; 100];
            let b = vec![[1.0]; 100];
            println!(\"{{:?}}\", first(&x, &x, &b).eval()?);
            {call}
            Ok(())
        }}\n"
    );
    fs::write(source.join("main.rs"), program)?;
    let start = Instant::now();
    run(Command::new("cargo").args(["build", "--quiet", "--release"]).current_dir(folder).stdout(Stdio::null()))?;
    Ok(start.elapsed().as_secs_f64())
}

/// Times the macro's compiler on the second formula: in the build script of another scratch crate, since cargo compiles
/// build scripts as it compiles macros.
fn macro_seconds(folder: &Path, repeats: u16) -> Result<Vec<f64>> {
    let folder = folder.join("macro");
    fs::create_dir_all(folder.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"macro-time\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[build-dependencies]\n\
         keops-compiler = {{ path = {:?} }}\nproc-macro2 = \"1\"\n\n[workspace]\n",
        root().join("keops-macros/compiler")
    );
    let script = format!(
        "use std::{{fmt::Write, time::Instant}};\nfn main() {{
            let tokens: proc_macro2::TokenStream = {SECOND:?}.parse().unwrap();
            let mut times = String::new();
            for _ in 0..{repeats} {{
                let (tokens, start) = (tokens.clone(), Instant::now());
                std::hint::black_box(keops_compiler::expand(tokens));
                writeln!(times, \"{{}}\", start.elapsed().as_secs_f64()).unwrap();
            }}
            std::fs::write(\"times\", times).unwrap();
        }}\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/lib.rs"), "")?;
    fs::write(folder.join("build.rs"), script)?;
    run(Command::new("cargo").args(["build", "--quiet", "--release"]).current_dir(&folder))?;
    let times = fs::read_to_string(folder.join("times"))?;
    times.lines().map(|line| Ok(line.parse()?)).collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
