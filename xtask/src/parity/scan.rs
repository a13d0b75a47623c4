//! The search of the tests for those that compute formulas with an operation or a reduction, and that passed.

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
    str::FromStr,
};

/// The words of a piece of code: its identifiers, and those in its strings.
type Words = BTreeSet<String>;

/// Names of formulas, and the tests that show each.
#[derive(Default)]
pub(super) struct Shown {
    operations: BTreeMap<String, BTreeSet<String>>,
    reductions: BTreeMap<String, BTreeSet<String>>,
    /// All words of each test, its formulas and what it calls.
    words: BTreeMap<String, Words>,
}

/// The items of a file under one name, which other code in the file may use.
#[derive(Default)]
struct Item {
    words: Words,
    /// The words in the bodies of formulas of this name.
    formula: Words,
    /// The words of the reduction of a formula, which stands between its arguments and its body.
    reduction: Words,
    /// The words in the attribute `#[keops(..)]` of formulas of this name.
    attributes: Words,
    is_test: bool,
}

impl Shown {
    /// Reads a file of tests. Only tests that passed count: `passed` has their names.
    pub(super) fn read(&mut self, file: &Path, passed: &BTreeSet<String>) -> Result<()> {
        let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let tokens = TokenStream::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
        let mut items = HashMap::new();
        collect(tokens, false, &mut items);
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        for (name, _) in items.iter().filter(|(name, item)| item.is_test && passed.contains(*name)) {
            let test = format!("{stem}::{name}");
            for used in reached(name, &items) {
                let item = &items[used];
                let all = self.words.entry(test.clone()).or_default();
                let said = [&item.words, &item.formula, &item.attributes];
                all.extend(said.into_iter().flatten().cloned());
                all.insert(used.to_owned());
                for word in &item.formula {
                    self.operations.entry(word.clone()).or_default().insert(test.clone());
                }
                for word in &item.reduction {
                    self.reductions.entry(word.clone()).or_default().insert(test.clone());
                }
            }
        }
        Ok(())
    }

    /// A test that computes an operation of one of these names.
    pub(super) fn operation<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<&str> {
        first(&self.operations, "operations::", names)
    }

    /// The test that has all of these words, and the fewest other words.
    pub(super) fn using(&self, words: &[&str]) -> Option<&str> {
        let says = |said: &Words| words.iter().all(|word| said.contains(*word));
        let tests = self.words.iter().filter(|(_, said)| says(said));
        tests.min_by_key(|(_, said)| said.len()).map(|(test, _)| test.as_str())
    }

    /// A test that computes a reduction of one of these names.
    pub(super) fn reduction<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<&str> {
        first(&self.reductions, "reductions::", names)
    }
}

/// A test of one of these names, from the file about them if it has one.
fn first<'s, 'a>(
    shown: &'s BTreeMap<String, BTreeSet<String>>,
    file: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'s str> {
    let of = |name| {
        let tests = shown.get(name)?;
        tests.iter().find(|test| test.starts_with(file)).or(tests.first())
    };
    names.into_iter().find_map(of).map(String::as_str)
}

/// The names of the tests that passed, by their file, from the output of `cargo test`.
pub(super) fn passed(log: &str) -> HashMap<String, BTreeSet<String>> {
    let mut files: HashMap<String, BTreeSet<String>> = HashMap::new();
    let mut file = None;
    for line in log.lines() {
        if let Some(rest) = line.trim_start().strip_prefix("Running ") {
            file = rest.split_whitespace().find(|word| word.ends_with(".rs")).map(str::to_owned);
        } else if let (Some(file), Some(rest)) = (&file, line.strip_prefix("test "))
            && let Some(name) = rest.strip_suffix(" ... ok")
        {
            files.entry(file.clone()).or_default().insert(name.to_owned());
        }
    }
    files
}

/// The functions, macros and formulas of a file; those below `keops! { .. }` are formulas.
fn collect(tokens: TokenStream, formulas: bool, items: &mut HashMap<String, Item>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut is_test = false;
    let mut attributes = Words::new();
    let mut at = 0;
    while at < tokens.len() {
        match (&tokens[at], tokens.get(at + 1), tokens.get(at + 2)) {
            (TokenTree::Group(group), ..) if group.stream().to_string() == "test" => is_test = true,
            (TokenTree::Group(group), ..) if formulas && group.stream().to_string().starts_with("keops") => {
                words(group.stream(), &mut attributes);
            }
            (TokenTree::Ident(word), Some(TokenTree::Punct(_)), Some(TokenTree::Group(group))) if *word == "keops" => {
                collect(group.stream(), true, items);
            }
            (TokenTree::Ident(word), Some(TokenTree::Ident(name)), _) if *word == "fn" || *word == "kernel" => {
                // up to the body, which is the first group in braces after the name; the arguments of `Genred` are the whole
                // formula
                let genred = matches!(tokens.get(at + 2), Some(TokenTree::Punct(sign)) if sign.as_char() == '=');
                let around = if genred { Delimiter::Parenthesis } else { Delimiter::Brace };
                let is_body =
                    |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == around);
                let Some(length) = tokens[at..].iter().position(is_body) else { break };
                let body: TokenStream = tokens[at + length].clone().into();
                let signature: TokenStream = tokens[at + 2..at + length].iter().cloned().collect();
                let item = items.entry(name.to_string()).or_default();
                if formulas {
                    words(body, &mut item.formula);
                    words(signature, &mut item.reduction);
                    if genred {
                        item.reduction.extend(item.formula.iter().cloned());
                    }
                    item.formula.extend(item.reduction.iter().cloned());
                    item.attributes.append(&mut attributes);
                } else {
                    item.is_test |= is_test;
                    words(body, &mut item.words);
                    words(signature, &mut item.words);
                }
                at += length;
                is_test = false;
            }
            (TokenTree::Ident(word), Some(TokenTree::Punct(_)), Some(TokenTree::Ident(name)))
                if *word == "macro_rules" =>
            {
                if let Some(body) = tokens.get(at + 3) {
                    words(body.clone().into(), &mut items.entry(name.to_string()).or_default().words);
                }
            }
            (TokenTree::Ident(word), Some(TokenTree::Ident(_)), _) if *word == "mod" => {
                let body = tokens[at..].iter().find_map(|token| match token {
                    TokenTree::Group(group) => Some(group.stream()),
                    _ => None,
                });
                collect(body.unwrap_or_default(), false, items);
            }
            _ => {}
        }
        at += 1;
    }
}

/// The words of some code.
fn words(tokens: TokenStream, to: &mut Words) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => words(group.stream(), to),
            TokenTree::Ident(word) => {
                to.insert(word.to_string());
            }
            // a formula in KeOps' own spelling
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let split = text.split(|c: char| !c.is_alphanumeric() && c != '_');
                to.extend(split.filter(|word| !word.is_empty()).map(str::to_owned));
            }
            TokenTree::Punct(_) => {}
        }
    }
}

/// The items that a test uses, directly or through others.
fn reached<'a>(test: &'a str, items: &'a HashMap<String, Item>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::from([test]);
    let mut open = vec![test];
    while let Some(name) = open.pop() {
        for word in &items[name].words {
            if let Some((word, _)) = items.get_key_value(word)
                && reached.insert(word)
            {
                open.push(word);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_that_passed_show_something() {
        let file = std::env::temp_dir().join(format!("keops_parity_{}.rs", std::process::id()));
        let text = r#"
            keops! {
                pub fn a(x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { Exp(x) }
                pub fn b(x: Vi<3>, y: Vj<3>) -> Sum<j> { sin(x - y) }
            }
            fn helper() { b(1) }
            #[test]
            fn uses_a() { a(0) }
            #[test]
            fn uses_b() { helper() }
        "#;
        fs::write(&file, text).unwrap();
        let log = "     Running tests/x.rs (target/x)\ntest uses_b ... ok\ntest uses_a ... FAILED\n";
        let passed = passed(log);
        let mut shown = Shown::default();
        shown.read(&file, &passed["tests/x.rs"]).unwrap();
        fs::remove_file(&file).unwrap();
        assert!(shown.operation(["Sin", "sin"]).unwrap().ends_with("::uses_b"));
        assert!(shown.reduction(["Sum"]).unwrap().ends_with("::uses_b"));
        assert_eq!(shown.operation(["Exp"]), None);
        assert_eq!(shown.reduction(["LogSumExp"]), None);
    }
}
