//! `cargo xtask layers`: checks that the rooms of the crates stand on each other as their table says.
//!
//! A room is a module of the root, with all modules below it. Each room stands on a floor, and imports only from floors below its
//! own; rooms of one floor may import each other, unless their files form a circle. An import is a path in a `use` or
//! elsewhere in the code, also in macros; code that is compiled for tests only does not count.

mod graph;
mod rules;
mod source;

use self::{
    graph::{Fault, Graph},
    rules::{CRATES, Crate},
};
use crate::root;
use anyhow::{Result, bail};
use std::path::Path;

/// Check that rooms import from the floors below them only.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Show every import between rooms, by the files that it is in.
    #[arg(long)]
    list: bool,
}

pub(crate) fn run_task(options: &Options) -> Result<()> {
    let mut count = 0;
    for rules in CRATES {
        let graph = read(rules, root())?;
        if options.list {
            graph.arrows().for_each(|arrow| println!("{arrow}"));
        }
        let faults = graph.faults();
        let of = |is: fn(&Fault) -> bool| faults.iter().filter(|&fault| is(fault)).count();
        let circles = of(|fault| matches!(fault, Fault::Circle(_)));
        let (files, rooms, up) = (graph.files(), graph.rooms(), of(|fault| matches!(fault, Fault::Up(_))));
        println!("{}: {files} files, {rooms} rooms, {up} imports go up, {circles} circles", rules.name);
        faults.iter().for_each(|fault| println!("{fault}"));
        count += faults.len();
    }
    match count {
        0 => Ok(()),
        _ => bail!("{count} faults; the floors are in xtask/src/layers/rules.rs"),
    }
}

/// The imports of a crate of the repository in this folder.
fn read(rules: &'static Crate, repository: &Path) -> Result<Graph> {
    Ok(Graph::new(rules, source::read(&repository.join(rules.folder), rules)?))
}

#[cfg(test)]
mod tests;
