//! The costs of kernels, from NVIDIA's assembler and disassembler where they are installed.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::toolchain::is_flat;

/// The costs of an entry point, as `ptxas` and `nvdisasm` report them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// The registers of a thread.
    pub registers: u32,
    /// The bytes that are spilled, stores and loads together.
    pub spills: u32,
    /// The bytes of the stack of a thread, which has arrays that are indexed at run time.
    pub stack: u32,
    /// The bytes of static shared memory of a block.
    pub shared: u32,
    /// The instructions of the inner loop, by kind. Of the loops that contain no other loop it is the one with the most
    /// arithmetic: the loop over pairs, or over components where targets are long.
    pub inner: BTreeMap<String, u32>,
}

/// The path of `ptxas`, which is looked for on the path or named by `KEOPS_PTXAS`.
#[must_use]
pub fn ptxas() -> Option<PathBuf> {
    tool("KEOPS_PTXAS", "ptxas")
}

/// The paths that change when `ptxas` is installed, and that exist: the folders on the path, without those of this build itself,
/// which are on it on Windows.
pub(crate) fn ptxas_watched() -> Vec<PathBuf> {
    if let Some(named) = env::var_os("KEOPS_PTXAS").map(PathBuf::from) {
        return named.parent().filter(|folder| is_flat(folder)).map(Path::to_owned).into_iter().collect();
    }
    let profile = env::var_os("OUT_DIR").and_then(|out| Path::new(&out).ancestors().nth(3).map(Path::to_owned));
    let of_build = |folder: &PathBuf| profile.as_ref().is_some_and(|profile| folder.starts_with(profile));
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).filter(|folder| is_flat(folder) && !of_build(folder)).collect()
}

/// The path of `nvdisasm`, which is looked for on the path or named by `KEOPS_NVDISASM`.
#[must_use]
pub fn nvdisasm() -> Option<PathBuf> {
    tool("KEOPS_NVDISASM", "nvdisasm")
}

fn tool(variable: &str, name: &str) -> Option<PathBuf> {
    let program = env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from);
    let answers = Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success());
    answers.then_some(program)
}

/// Assembles PTX for an architecture (`sm_90`), and returns the costs of each entry point. The instructions of inner loops are
/// counted if there is a disassembler.
///
/// # Errors
/// The assembler refuses the PTX, or one of the two programs cannot be run.
pub fn assemble(ptxas: &Path, nvdisasm: Option<&Path>, ptx: &Path, arch: &str) -> Result<BTreeMap<String, Cost>> {
    // another name than that of the binary itself
    let cubin = ptx.with_extension(format!("{arch}.report"));
    let mut costs = costs(&cubin_of(ptxas, ptx, arch, &cubin)?);
    if let Some(nvdisasm) = nvdisasm {
        let output = Command::new(nvdisasm).arg("-c").arg(&cubin).output();
        let output = output.with_context(|| format!("{} does not start", nvdisasm.display()))?;
        let sass = String::from_utf8_lossy(&output.stdout);
        for (name, cost) in &mut costs {
            cost.inner = inner_loop(&sass, name);
        }
    }
    // the file has been read
    let _ = fs::remove_file(cubin);
    Ok(costs)
}

/// Assembles PTX for an architecture (`sm_90`) into the file `cubin`, and returns what the assembler prints about each entry point.
///
/// # Errors
/// The assembler refuses the PTX, or cannot be run.
pub fn cubin_of(ptxas: &Path, ptx: &Path, arch: &str, cubin: &Path) -> Result<String> {
    let mut command = Command::new(ptxas);
    command.arg(format!("-arch={arch}")).arg("-v").arg(ptx).arg("-o").arg(cubin);
    let output = command.output().with_context(|| format!("{} does not start", ptxas.display()))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("ptxas refuses {} for {arch}:\n{text}", ptx.display());
    }
    Ok(text)
}

/// Reads the messages of `ptxas -v`.
fn costs(text: &str) -> BTreeMap<String, Cost> {
    let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
    let (mut name, mut function) = (String::new(), String::new());
    let before = |line: &str, unit: &str| -> u32 {
        let at = line.find(unit).unwrap_or(0);
        line[..at].split_whitespace().last().and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    for line in text.lines() {
        if let Some(quoted) = line.split("Compiling entry function '").nth(1) {
            name = quoted.split('\'').next().unwrap_or_default().to_owned();
            costs.entry(name.clone()).or_default();
        }
        if let Some(properties) = line.split("Function properties for ").nth(1) {
            function = properties.trim().to_owned();
        }
        let Some(cost) = costs.get_mut(&name) else { continue };
        if line.contains("bytes stack frame") {
            // the lines of the functions that it calls follow
            if function == name {
                cost.stack = before(line, "bytes stack frame");
            }
            cost.spills += before(line, "bytes spill stores") + before(line, "bytes spill loads");
        }
        if line.contains("bytes cumulative stack size") {
            cost.stack = cost.stack.max(before(line, "bytes cumulative stack size"));
        }
        if let Some(used) = line.split("Used ").nth(1) {
            cost.registers = used.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0);
            cost.shared = before(line, "bytes smem");
        }
    }
    costs
}

/// The instructions of the innermost loop with the most arithmetic of an entry point.
fn inner_loop(sass: &str, name: &str) -> BTreeMap<String, u32> {
    let mut instructions: Vec<&str> = Vec::new();
    let mut labels: BTreeMap<&str, usize> = BTreeMap::new();
    let mut inside = false;
    for line in sass.lines() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix(".text.").and_then(|rest| rest.strip_suffix(':')) {
            inside = section == name;
        } else if inside && line.starts_with(".L_") {
            labels.insert(line.trim_end_matches(':'), instructions.len());
        } else if inside && line.starts_with("/*") {
            instructions.extend(line.split("*/").nth(1).map(str::trim));
        }
    }
    let loops: Vec<(usize, usize)> = instructions
        .iter()
        .enumerate()
        .filter(|(_, instruction)| instruction.contains("BRA"))
        .filter_map(|(end, instruction)| {
            let label = instruction.split(['(', ')', ' ', ';', '`']).find(|word| word.starts_with(".L_"))?;
            let start = *labels.get(label)?;
            (start < end).then_some((start, end))
        })
        .collect();
    let innermost = loops.iter().filter(|(start, end)| {
        !loops.iter().any(|(other_start, other_end)| {
            (other_start, other_end) != (start, end) && start <= other_start && other_end <= end
        })
    });
    let arithmetic = |&&(start, end): &&(usize, usize)| {
        let operations = ["FFMA", "FADD", "FMUL", "DFMA", "DADD", "DMUL", "MUFU"];
        let is_one = |instruction: &&&str| operations.iter().any(|operation| instruction.contains(operation));
        (instructions[start..=end].iter().filter(is_one).count(), end - start)
    };
    let mut kinds = BTreeMap::new();
    if let Some(&(start, end)) = innermost.max_by_key(arithmetic) {
        for instruction in &instructions[start..=end] {
            let word = instruction.split_whitespace().find(|word| !word.starts_with('@')).unwrap_or_default();
            *kinds.entry(word.split(['.', ';']).next().unwrap_or_default().to_owned()).or_insert(0) += 1;
        }
    }
    kinds
}

/// A table of kernels and their costs, as text for people. `titles` has the names and the titles of the kernels.
///
/// ```
/// use keops_build::report::{Cost, table};
///
/// let titles = [("k0_f32".to_owned(), "gaussian: Value f32".to_owned())];
/// let costs = [("k0_f32".to_owned(), Cost { registers: 40, ..Cost::default() })].into();
/// let table = table("sm_90", &titles, &costs);
/// assert!(table.lines().last().is_some_and(|line| line.contains("40") && line.ends_with("gaussian: Value f32")));
/// ```
#[must_use]
pub fn table(arch: &str, titles: &[(String, String)], costs: &BTreeMap<String, Cost>) -> String {
    let mut text = format!("{arch}\nregisters  spills  stack  shared  kernel; inner loop\n");
    for (name, title) in titles {
        for (entry, part) in [(name.clone(), ""), (format!("{name}_merge"), ", merge")] {
            let Some(cost) = costs.get(&entry) else { continue };
            let Cost { registers, spills, stack, shared, inner } = cost;
            let kinds: Vec<String> = inner.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let total: u32 = inner.values().sum();
            let _ = write!(text, "{registers:9}  {spills:6}  {stack:5}  {shared:6}  {title}{part}");
            if part.is_empty() && total > 0 {
                let _ = write!(text, "; {total}: {}", kinds.join(", "));
            }
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_ptxas() {
        let text = "ptxas info    : 0 bytes gmem\nptxas info    : Compiling entry function 'a' for 'sm_90'\n\
            ptxas info    : Function properties for a\n    32 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads\n\
            ptxas info    : Used 47 registers, used 1 barriers, 2048 bytes smem\n";
        let cost = Cost { registers: 47, spills: 12, stack: 32, shared: 2048, inner: BTreeMap::new() };
        assert_eq!(costs(text), BTreeMap::from([("a".to_owned(), cost)]));
    }

    #[test]
    fn loops_of_a_disassembly() {
        let sass = ".text.a:\n /*0000*/ MOV R1, c[0x0] ;\n.L_x_0:\n /*0010*/ FADD R1, R1, R2 ;\n.L_x_1:\n\
            /*0020*/ FFMA R1, R1, R2, R3 ;\n /*0030*/ @P0 MUFU.EX2 R1, R1 ;\n /*0040*/ @P1 BRA `(.L_x_1) ;\n\
            /*0050*/ @P2 BRA `(.L_x_0) ;\n.text.b:\n.L_x_0:\n /*0000*/ BRA `(.L_x_0);\n";
        let inner = inner_loop(sass, "a");
        let expected = [("BRA", 1), ("FFMA", 1), ("MUFU", 1)].map(|(kind, count)| (kind.to_owned(), count));
        assert_eq!(inner, BTreeMap::from(expected));
    }
}
