//! `cargo xtask build-ptx`: compiles the formulas of the repository, or of any sources, for GPUs.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::PathBuf,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use keops_build::{Built, Kernels, build, report};
use rayon::prelude::*;

use crate::root;

/// Options of `cargo xtask build-ptx`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rust files, or folders of them, with `keops!` in them [default: tests, benches and examples].
    sources: Vec<PathBuf>,
    /// The oldest architecture that the kernels run on.
    #[arg(long, default_value = "sm_80")]
    arch: String,
    /// Use the elementary functions of the CPU in all formulas, as with `#[keops(precise)]`.
    #[arg(long)]
    precise: bool,
    /// Leave out derivatives and element types that occur nowhere in the sources.
    #[arg(long)]
    called: bool,
    /// Assemble the kernels for these architectures, so that their devices take the binaries; needs `ptxas`.
    #[arg(long, value_delimiter = ',')]
    cubins: Vec<String>,
    /// The folder for the modules, below which a folder named by their content has a file for each entry point.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Assemble all kernels for these architectures and print their costs; needs `ptxas`, and `nvdisasm` to count
    /// instructions.
    #[arg(long, value_delimiter = ',', num_args = 0.., default_missing_value = "sm_80,sm_90,sm_100")]
    report: Vec<String>,
    /// With a report: print only the kernels whose title begins with one of these texts; all are assembled.
    #[arg(long, value_delimiter = ',', requires = "report", default_value = "")]
    print: Vec<String>,
    /// With a report: fail if a kernel whose title begins with one of these texts spills registers.
    #[arg(long, value_delimiter = ',', requires = "report")]
    no_spills: Vec<String>,
    /// With a report: fail if a kernel whose title begins with one of these texts has local memory, spilled or not.
    #[arg(long, value_delimiter = ',', requires = "report")]
    no_stack: Vec<String>,
}

/// Runs the task.
pub(crate) fn run_task(options: &Options) -> Result<()> {
    let sources = if options.sources.is_empty() {
        // the files in tests/ui are meant not to compile
        let mut sources = vec![root().join("benches"), root().join("examples")];
        for entry in fs::read_dir(root().join("tests"))? {
            let path = entry?.path();
            sources.extend(path.is_file().then_some(path));
        }
        sources.sort();
        sources
    } else {
        options.sources.clone()
    };
    let out = options.out.clone().unwrap_or_else(|| root().join("target/ptx"));
    let build_options = keops_build::Options {
        sources,
        work: out.join("crate"),
        out: out.clone(),
        arch: options.arch.clone(),
        precise: options.precise,
        kernels: if options.called { Kernels::Called } else { Kernels::All },
        cubins: options.cubins.clone(),
    };
    let start = Instant::now();
    let built = build(&build_options)?;
    let state = if built.fresh { "nothing had changed" } else { "compiled" };
    println!("{} kernels, {state}: {:.1} s", built.kernels.len(), start.elapsed().as_secs_f64());
    for name in &built.without {
        println!("without kernels, since it has const generics and no #[keops(cuda(..))]: {name}");
    }
    println!("KEOPS_PTX_DIR={}", built.folder.display());
    costs(&options.report, &built, &options.print, [&options.no_spills, &options.no_stack])
}

/// Assembles the kernels for each architecture, and prints the costs of the kernels whose title begins with a text of `print`.
/// `guarded` has two lists of such beginnings: it is an error if a kernel of the first list spills, or if one of the second list
/// spills or has a stack.
pub(crate) fn costs(archs: &[String], built: &Built, print: &[String], guarded: [&[String]; 2]) -> Result<()> {
    if archs.is_empty() {
        return Ok(());
    }
    let ptxas = report::ptxas().context(
        "no ptxas: pip install --no-deps nvidia-cuda-nvcc nvidia-cuda-nvdisasm, and put its folder on the path or name \
         the programs by KEOPS_PTXAS and KEOPS_NVDISASM",
    )?;
    let begins = |title: &str, starts: &[String]| starts.iter().any(|start| title.starts_with(start));
    let printed: Vec<_> = built.kernels.iter().filter(|(_, title)| begins(title, print)).cloned().collect();
    // only kernels that are printed are disassembled, since the disassembler takes most of a second to start
    let instructions: HashSet<_> = printed.iter().map(|(name, _)| name).collect();
    let nvdisasm = if printed.is_empty() { None } else { report::nvdisasm() };
    for arch in archs {
        let costs = built.modules.par_iter().map(|name| {
            let nvdisasm = nvdisasm.as_deref().filter(|_| instructions.contains(name));
            report::assemble(&ptxas, nvdisasm, &built.folder.join(format!("{name}.ptx")), arch)
        });
        let all: BTreeMap<_, _> = costs.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        if !printed.is_empty() {
            println!("\n{}", report::table(arch, &printed, &all));
        }
        println!("{} kernels assembled for {arch}", built.kernels.len());
        for (name, title) in &built.kernels {
            let [no_spills, no_stack] = guarded.map(|starts| begins(title, starts));
            let Some(cost) = all.get(name) else { continue };
            if (no_spills || no_stack) && cost.spills > 0 || no_stack && cost.stack > 0 {
                bail!("{title} spills on {arch}: {} bytes, and {} bytes of stack", cost.spills, cost.stack);
            }
        }
    }
    Ok(())
}
