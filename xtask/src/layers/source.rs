//! The files of a crate, and the paths in them.

use super::rules::Crate;
use anyhow::{Context, Result, bail};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use syn::{Attribute, Item, UseTree};

/// A file of a crate.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// The modules of the file, by their paths from the root: first the one that is the file, then those that are written in it.
    pub(super) modules: Vec<Vec<String>>,
    /// The paths in its code, from the root of a crate, whose name comes first.
    pub(super) imports: BTreeSet<Vec<String>>,
}

/// Reads the crate whose `lib.rs` is in this folder, file by file as its modules name them.
pub(super) fn read(folder: &Path, rules: &Crate) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut next = vec![(folder.join("lib.rs"), folder.to_owned(), Vec::new())];
    while let Some((path, folder, module)) = next.pop() {
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let parsed = syn::parse_file(&text).with_context(|| format!("{} is no Rust", path.display()))?;
        let mut reader = Reader { rules, imports: BTreeSet::new(), modules: Vec::new(), below: BTreeMap::new() };
        reader.module(&parsed.items, &module);
        for (module, name_of_folder) in reader.below {
            let folder = name_of_folder.iter().fold(folder.clone(), |folder, name| folder.join(name));
            let Some(name) = module.last() else { continue };
            let candidates = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
            let Some(found) = candidates.into_iter().find(|path| path.exists()) else {
                bail!("{}: there is no file for the module {name}", path.display());
            };
            next.push((found, folder.join(name), module));
        }
        files.push(File { path, modules: reader.modules, imports: reader.imports });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

struct Reader<'r> {
    rules: &'r Crate,
    imports: BTreeSet<Vec<String>>,
    modules: Vec<Vec<String>>,
    /// The modules that have files of their own, with the folder of each, relative to the folder of this file's modules.
    below: BTreeMap<Vec<String>, Vec<String>>,
}

impl Reader<'_> {
    /// Reads the items of a module, which is the file or is written in it.
    fn module(&mut self, items: &[Item], path: &[String]) {
        self.modules.push(path.to_vec());
        let own = self.modules[0].len();
        for item in items.iter().filter(|item| !is_for_tests(item)) {
            match item {
                Item::Mod(module) => {
                    let path = [path, &[module.ident.to_string()]].concat();
                    match &module.content {
                        Some((_, items)) => self.module(items, &path),
                        None => drop(self.below.insert(path.clone(), path[own..path.len() - 1].to_vec())),
                    }
                }
                Item::Use(tree) => self.tree(&tree.tree, &mut Vec::new(), path),
                other => self.tokens(quote::ToTokens::to_token_stream(other), path),
            }
        }
    }

    /// Reads a `use` whose path began with `before`.
    fn tree(&mut self, tree: &UseTree, before: &mut Vec<String>, module: &[String]) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before, module);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before, module)),
            UseTree::Name(name) => self.path([&before[..], &[name.ident.to_string()]].concat(), module),
            UseTree::Rename(name) => self.path([&before[..], &[name.ident.to_string()]].concat(), module),
            UseTree::Glob(_) => self.path(before.clone(), module),
        }
    }

    /// Reads the paths in code, and in a `use` inside it.
    fn tokens(&mut self, tokens: TokenStream, module: &[String]) {
        let mut tokens = tokens.into_iter().peekable();
        let mut after_colon = false;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream(), module),
                TokenTree::Ident(name) if !after_colon => {
                    let mut path = vec![name.to_string()];
                    loop {
                        // `::`, then a name; or names in braces
                        let mut ahead = tokens.clone();
                        let colons =
                            (0..2).all(|_| matches!(ahead.next(), Some(TokenTree::Punct(p)) if p.as_char() == ':'));
                        match ahead.next().filter(|_| colons) {
                            Some(TokenTree::Ident(name)) => path.push(name.to_string()),
                            Some(TokenTree::Group(names)) if names.delimiter() == Delimiter::Brace => {
                                self.names(names.stream(), &path, module);
                                path.clear();
                            }
                            _ => break,
                        }
                        (0..3).for_each(|_| drop(tokens.next()));
                        if path.is_empty() {
                            break;
                        }
                    }
                    if path.len() > 1 {
                        self.path(path, module);
                    }
                }
                _ => {}
            }
            after_colon = false;
            // the rest of `<T as crate::..>::name` is no path
            if let Some(TokenTree::Punct(p)) = tokens.peek()
                && p.as_char() == ':'
                && tokens.clone().nth(1).is_some_and(|next| matches!(next, TokenTree::Punct(p) if p.as_char() == ':'))
            {
                (0..2).for_each(|_| drop(tokens.next()));
                after_colon = true;
            }
        }
    }

    /// Reads the names in the braces of a `use` after this path.
    fn names(&mut self, names: TokenStream, before: &[String], module: &[String]) {
        let Ok(tree) = syn::parse2::<syn::ItemUse>(quote::quote!(use { #names };)) else { return };
        self.tree(&tree.tree, &mut before.to_vec(), module);
    }

    /// Adds a path that stands in this module.
    fn path(&mut self, path: Vec<String>, module: &[String]) {
        let Some((first, rest)) = path.split_first() else { return };
        let own = |from: &[String], rest: &[String]| [&[self.rules.name.to_owned()], from, rest].concat();
        let path = match &first[..] {
            "crate" => own(&[], rest),
            "self" => own(module, rest),
            "super" => {
                let up = rest.iter().take_while(|name| *name == "super").count();
                own(&module[..module.len().saturating_sub(up + 1)], &rest[up..])
            }
            name if name == self.rules.name || self.rules.imports.iter().any(|(other, _)| *other == name) => path,
            // a module below this one, or a name from elsewhere
            _ => own(module, &path),
        };
        self.imports.insert(path);
    }
}

/// Whether an item is compiled for tests only.
fn is_for_tests(item: &Item) -> bool {
    let attributes: &[Attribute] = match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    };
    attributes.iter().any(|attribute| {
        let condition = attribute.parse_args::<syn::Ident>();
        attribute.path().is_ident("cfg") && condition.is_ok_and(|name| name == "test" || name == "doctest")
    })
}
