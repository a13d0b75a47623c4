//! The split of the PTX module that the compiler wrote into a module for each entry point.
//!
//! The driver compiles a whole module when it is loaded, and most calls launch the main kernel alone. Therefore a module has one
//! entry point, and the functions and variables that it needs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

/// A statement of a PTX file at its outermost level.
struct Statement<'a> {
    /// The name that the statement defines; none in the header.
    name: Option<&'a str>,
    text: &'a str,
    entry: bool,
}

/// Splits PTX into a module for each of these entry points, by name.
///
/// # Errors
/// The PTX lacks one of the entry points, or calls a function that is not in it.
///
/// ```
/// use keops_build::split::split;
///
/// let ptx = ".version 7.8\n.target sm_80\n.visible .entry a()\n{\n\tret;\n}\n.visible .entry b()\n{\n\tret;\n}\n";
/// let modules = split(ptx, &["a".to_owned(), "b".to_owned()])?;
/// assert!(modules["a"].contains(".entry a(") && !modules["a"].contains(".entry b("));
/// assert!(split(ptx, &["c".to_owned()]).is_err());
/// # Ok::<(), anyhow::Error>(())
/// ```
pub fn split(ptx: &str, entries: &[String]) -> Result<BTreeMap<String, String>> {
    let statements = statements(ptx)?;
    // a function is declared before it is defined
    let mut defined: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (n, statement) in statements.iter().enumerate() {
        if let Some(name) = statement.name {
            defined.entry(name).or_default().push(n);
        }
    }
    for statement in &statements {
        if statement.text.trim_start().starts_with(".extern .func") {
            bail!("the PTX is not self-contained: it calls {}", statement.name.unwrap_or("a function without a name"));
        }
    }
    let mut modules = BTreeMap::new();
    for entry in entries {
        let mut needed = BTreeSet::new();
        let mut stack = defined.get(entry.as_str()).with_context(|| format!("the PTX has no kernel {entry}"))?.clone();
        while let Some(n) = stack.pop() {
            if needed.insert(n) {
                for others in words(statements[n].text).filter_map(|word| defined.get(word)) {
                    stack.extend(others.iter().filter(|&&other| !statements[other].entry));
                }
            }
        }
        let text =
            statements.iter().enumerate().filter(|(n, statement)| statement.name.is_none() || needed.contains(n));
        let text: Vec<String> = text
            .map(|(_, statement)| not_unrolled(&limited(statement.text.trim())))
            .filter(|text| !text.is_empty())
            .collect();
        modules.insert(entry.clone(), text.join("\n") + "\n");
    }
    Ok(modules)
}

/// Adds the directive that limits the registers of a function to the number in a comment in its code. rustc has no way to write the
/// directive.
fn limited(text: &str) -> String {
    let limit = text.split_once("// keops: at most ").and_then(|(_, rest)| rest.split_once(" registers"));
    match limit.and_then(|(registers, _)| Some((registers.parse::<u32>().ok()?, text.split_once("\n{")?))) {
        Some((registers, (head, body))) => format!("{head}\n.maxnreg {registers}\n{{{body}"),
        None => text.to_owned(),
    }
}

/// Adds the directive that a loop is not unrolled, after the label of each loop whose code has a comment that says so. The compiler
/// writes the label of a loop where its body begins, which is before the comment.
fn not_unrolled(text: &str) -> String {
    const COMMENT: &str = "// keops: not unrolled";
    let mut lines: Vec<&str> = Vec::new();
    let mut label = None;
    for line in text.lines() {
        if line.starts_with("$L") && line.contains(':') {
            label = Some(lines.len());
        }
        if line.trim() == COMMENT
            && let Some(label) = label.take()
        {
            lines.insert(label + 1, "\t.pragma \"nounroll\";");
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// The statements of a PTX file, which end in a semicolon or a block, and the directives of its header.
fn statements(ptx: &str) -> Result<Vec<Statement<'_>>> {
    let mut list = Vec::new();
    let mut rest = ptx;
    while let Some(start) = rest.find(|c: char| !c.is_whitespace()) {
        rest = &rest[start..];
        let line = rest.lines().next().unwrap_or_default();
        let first = line.split_whitespace().next().unwrap_or_default();
        let end = match first {
            ".version" | ".target" | ".address_size" | ".file" => line.len(),
            _ if line.starts_with("//") => {
                rest = &rest[line.len()..];
                continue;
            }
            _ => statement(rest).context("a statement of the PTX has no end")?,
        };
        let text = &rest[..end];
        let header = matches!(first, ".version" | ".target" | ".address_size" | ".file");
        list.push(Statement { name: if header { None } else { name(text) }, text, entry: text.contains(".entry ") });
        rest = &rest[end..];
    }
    Ok(list)
}

/// The end of the statement at the front of the text: after the first semicolon outside of brackets, or after the block of a
/// function.
fn statement(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.checked_sub(1)?;
                let function = text[..at].contains(".func") || text[..at].contains(".entry");
                if depth == 0 && function {
                    return Some(at + 1);
                }
            }
            ';' if depth == 0 => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The name that a statement defines. The name of a function stands before its parameters, that of a variable before its length
/// or its value.
fn name(text: &str) -> Option<&str> {
    let head = text.split('{').next()?;
    if let Some(at) = head.find(".entry").map(|at| at + 6).or_else(|| head.find(".func").map(|at| at + 5)) {
        let mut head = head[at..].trim_start();
        if head.starts_with('(') {
            // the parameter for the result
            head = head.split_once(')')?.1;
        }
        return words(head).next();
    }
    let head = head.split(['=', ';', '[']).next()?;
    words(head).last()
}

/// The identifiers of a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$')).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTX: &str = "//\n// comment\n.version 7.8\n.target sm_80\n.address_size 64\n\n\t// .globl a_f32\n\
        .extern .shared .align 16 .b8 keops_shared[];\n.global .align 4 .b8 table[8] = {1, 2};\n.func (.param .b32 r) helper(.param .b32 p);\n.func (.param .b32 r) helper(\n\
        \t.param .b32 p\n)\n{\n\t{ mov.u32 %r1, table; }\n\tret;\n}\n.visible .entry a_f32(\n\t.param .u64 p\n)\n{\n\tcall helper;\n\tret;\n}\n\
        .visible .entry a_f32_merge()\n{\n\tret;\n}\n.visible .entry b_f32()\n{\n\tmov.u32 %r1, keops_shared;\n}\n.visible .entry b_f32_merge()\n{\n\tret;\n}\n.visible .entry keops_total_f32()\n{\n\tret;\n}\n";

    #[test]
    fn modules_have_what_they_need_and_no_more() {
        let entries = ["a_f32", "a_f32_merge", "b_f32", "keops_total_f32"].map(str::to_owned);
        let modules = split(PTX, &entries).unwrap();
        assert!(modules.keys().eq(&entries));
        for (entry, module) in &modules {
            assert!(module.starts_with(".version 7.8\n.target sm_80\n.address_size 64\n"));
            assert_eq!(module.matches(".entry").count(), 1);
            assert!(module.contains(&format!(".visible .entry {entry}(")));
        }
        let [a, a_merge, b, _] = entries.each_ref().map(|entry| &modules[entry]);
        assert!(a.contains("table[8]") && a.matches("helper(").count() == 2 && !a.contains("keops_shared"));
        assert!(b.contains("keops_shared[]") && !b.contains("helper") && !b.contains("table"));
        assert!(!a_merge.contains("helper") && !a_merge.contains("keops_shared"));
    }

    #[test]
    fn registers_are_limited() {
        let ptx = PTX.replace(")\n{\n\tcall", ")\n{\n\t// keops: at most 48 registers\n\tcall");
        let modules = split(&ptx, &["a_f32".to_owned()]).unwrap();
        assert!(modules["a_f32"].contains("\n)\n.maxnreg 48\n{\n\t// keops"));
        assert_eq!(modules["a_f32"].matches(".maxnreg").count(), 1);
    }

    #[test]
    fn loops_are_not_unrolled() {
        let body = "call helper;\n$L__BB0_1:\n\tadd.s32 %r1, %r1, 1;\n\t// begin inline asm\n\t// keops: not unrolled\n\
            \t// end inline asm\n$L__BB0_2:\t// in Loop\n\tbra $L__BB0_1;";
        let modules = split(&PTX.replace("call helper;", body), &["a_f32".to_owned()]).unwrap();
        assert!(modules["a_f32"].contains("$L__BB0_1:\n\t.pragma \"nounroll\";\n\tadd"));
        assert_eq!(modules["a_f32"].matches(".pragma").count(), 1);
    }

    #[test]
    fn what_is_missing_is_said() {
        let error = split(PTX, &["c_f32".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "the PTX has no kernel c_f32");
        let called = PTX.replace(".global", ".extern .func memcpy;\n.global");
        let error = split(&called, &["a_f32".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "the PTX is not self-contained: it calls memcpy");
    }
}
