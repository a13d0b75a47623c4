//! `cargo xtask compile-time`: the cost of one more formula in a user's release build, and the cost of long formulas.
//!
//! A scratch crate outside the workspace depends on keops. It is built with one formula, and then with a second one of
//! which the value and all gradients are used; only the crate itself is compiled again each time. The difference is
//! the cost of the second formula. The macro's share of the cost is measured by its compiler, run in a build script.
//!
//! Each long formula is a crate of its own, whose build is measured in CPU seconds.

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
    /// The number of times that each crate is built; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
}

const FIRST: &str = "
    pub fn first(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { norm2(x - y) * b }
";
const SECOND: &str = "
    pub fn second(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }
";

/// A program with a long formula.
struct Long {
    name: &'static str,
    release: bool,
    /// The most CPU seconds of its build.
    most: f64,
    program: String,
}

impl Long {
    /// The programs whose compile time once grew faster than their length.
    fn all() -> Vec<Self> {
        let exponentials = |count: u32| {
            let terms: Vec<String> =
                (1..=count).map(|k| format!("{k}.25 * exp(-{:.2} * d)", 0.1 * f64::from(k))).collect();
            program(
                &format!(
                    "#[keops(order = 0)] fn long(x: Vi<3>, y: Vj<3>) -> Sum<j> {{ let d = sqdist(x, y); {} }}",
                    terms.join(" + ")
                ),
                "long(&x, &x).eval()?",
            )
        };
        let third = "#[keops(order = 3)]
            fn long(g: Pm<1>, x: Vi<3>, y: Vj<3>, u: Vi<3>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * (u | y) * b }";
        let series = "fn long(x: Vi<30>, y: Vj<30>, g: Pm<1>) -> Sum<j> { softdtw_sqdist(x, y, g) }";
        let gradient = "{ let s = vec![[0.5; 30]; 4]; long(&s, &s, 0.5).vjp_x(&vec![[1.0]; 4]).eval()? }";
        vec![
            Long { name: "48 exponentials", release: true, most: 5.0, program: exponentials(48) },
            Long { name: "120 exponentials", release: true, most: 12.0, program: exponentials(120) },
            Long {
                name: "a gradient of five arguments, order 3",
                release: true,
                most: 5.0,
                program: program(third, "long(0.5, &x, &x, &x, &b).vjp_x(&b).eval()?"),
            },
            Long {
                name: "the gradient of SoftDTW of 30 and 30, debug",
                release: false,
                most: 20.0,
                program: program(series, gradient),
            },
            Long { name: "the same, release", release: true, most: 20.0, program: program(series, gradient) },
        ]
    }

    /// The CPU seconds of its build, without the dependencies, which are compiled before.
    fn measure(&self, folder: &Path) -> Result<f64> {
        let folder = folder.join("long");
        let file = folder.join("src/main.rs");
        fs::create_dir_all(folder.join("src")).with_context(|| folder.display().to_string())?;
        fs::write(folder.join("Cargo.toml"), manifest("long"))?;
        let profile: &[&str] = if self.release { &["--release"] } else { &[] };
        let build = || run(Command::new("cargo").args(["build", "--quiet"]).args(profile).current_dir(&folder));
        fs::write(&file, program("fn short(x: Vi<3>, y: Vj<3>) -> Sum<j> { norm2(x - y) }", "short(&x, &x).eval()?"))?;
        build()?;
        fs::write(&file, &self.program)?;
        let start = children_seconds();
        build()?;
        Ok(children_seconds() - start)
    }
}

/// A program of one formula, which prints a call of it.
fn program(formula: &str, call: &str) -> String {
    format!(
        "use keops::prelude::*;\nkeops! {{ {formula} }}\nfn main() -> Result<(), Error> {{
            let x = vec![[0.5_f64; 3]; 10];
            let b = vec![[1.0_f64]; 10];
            println!(\"{{:?}} {{:?}}\", {call}, (x.len(), b.len()));
            Ok(())
        }}\n"
    )
}

/// The CPU seconds of all processes that this one started and that ended; 0 where the system does not count them.
fn children_seconds() -> f64 {
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // after the name, which may have spaces: user and system time of children are the 14th and the 15th
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(13).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}

fn manifest(name: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\nkeops = {{ path = {:?} }}\n\n[workspace]\n",
        root()
    )
}

/// Runs the task.
pub(crate) fn run_task(options: &Options) -> Result<()> {
    let folder = root().join("target/compile-time");
    let (mut one, mut two) = (Vec::new(), Vec::new());
    // by turns, so that other load of the machine hits both
    for round in 0..=options.repeats {
        for (times, second) in [(&mut one, false), (&mut two, true)] {
            let seconds = build(&folder, second)?;
            // the first round compiles the dependencies
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
    println!("CPU seconds of long formulas, and what they are to stay below on a core of its own:");
    for long in Long::all() {
        println!("{}: {:.1} ({})", long.name, long.measure(&folder)?, long.most);
    }
    Ok(())
}

fn build(folder: &Path, second: bool) -> Result<f64> {
    let source = folder.join("src");
    fs::create_dir_all(&source).with_context(|| format!("{} cannot be made", source.display()))?;
    fs::write(folder.join("Cargo.toml"), manifest("compile-time"))?;
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

/// Times the macro's compiler on the second formula. It runs in the build script of another scratch crate, since cargo compiles
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
