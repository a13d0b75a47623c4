//! The declarations of an item: variables, const generics and the reduction.

use std::collections::{HashMap, hash_map::Entry};

use proc_macro2::Ident;

use super::Checker;
use crate::{
    ir::{
        dim::Dim,
        reduction::{self, Reduction, Scheme, Weight},
    },
    syntax::{
        ast::IntegerArg,
        dimension::{self, out_of_range},
        error::hint,
        words,
    },
};

/// The most variables of an item: a function of more arguments would be a mistake.
const VARIABLES: usize = 100;

impl Checker<'_> {
    pub(super) fn declarations(&mut self) {
        let item = self.item;
        let mut seen: HashMap<String, &Ident> = HashMap::new();
        for generic in &item.generics {
            self.declare(&mut seen, generic);
        }
        if item.variables.len() > VARIABLES {
            self.errors.push(item.name.span(), format!("a formula has at most {VARIABLES} variables"));
            return;
        }
        if item.variables.is_empty() {
            self.errors.push(item.name.span(), "a formula needs an argument, like `x: Vi<3>`");
        }
        for decl in &item.variables {
            let dim = self.dim(&decl.dim).unwrap_or_else(|| Dim::number(1));
            self.declare(&mut seen, &decl.name);
            self.graph.push_variable(decl.name.to_string(), decl.category, dim);
        }
    }

    fn declare<'a>(&mut self, seen: &mut HashMap<String, &'a Ident>, name: &'a Ident) {
        match seen.entry(name.to_string()) {
            Entry::Vacant(entry) => {
                entry.insert(name);
            }
            Entry::Occupied(first) => {
                self.errors.push(name.span(), format!("`{name}` is declared twice"));
                self.errors.push(first.get().span(), format!("`{name}` is declared here first"));
            }
        }
    }

    /// Checks a dimension: it must be at least 1, and its const generics must be those of the function.
    pub(super) fn dim(&mut self, dim: &IntegerArg) -> Option<Dim> {
        let unknown: Vec<&Ident> =
            dim.symbols().into_iter().filter(|name| !self.item.generics.contains(name)).collect();
        for (k, name) in unknown.iter().enumerate() {
            if unknown[..k].contains(name) {
                continue; // `N * N` is one fault
            }
            let known: Vec<String> = self.item.generics.iter().map(Ident::to_string).collect();
            let mut advice = hint(&name.to_string(), known.iter().map(String::as_str));
            if advice.is_empty() {
                advice = format!(": declare `<const {name}: usize>`");
            }
            self.errors.push(name.span(), format!("`{name}` is not a const generic of this function{advice}"));
        }
        let fault = match dimension::written(dim) {
            Ok(dim) if dim.value() != Some(0) => return unknown.is_empty().then_some(dim),
            Ok(_) => (dim.span(), out_of_range(0)),
            Err(fault) => fault,
        };
        self.errors.push(fault.0, fault.1);
        None
    }

    /// The row of the reduction and its number K.
    pub(super) fn reduction(&mut self) -> (Option<&'static reduction::Row>, Option<Dim>) {
        let spec = &self.item.reduction;
        let name = spec.name.to_string();
        let Some(row) = reduction::find(&name) else {
            self.errors.push(spec.name.span(), words::reduction(&name));
            return (None, None);
        };
        if let Some((scheme, span)) = self.item.scheme {
            match row.reduction {
                Reduction::Sum | Reduction::Mean | Reduction::Zero => {}
                reduction if reduction.is_exponential() && scheme == Scheme::Blocked => {}
                reduction if reduction.is_exponential() => {
                    self.errors.push(
                        span,
                        format!("`{name}` adds up in blocks: only `Sum` and `Mean` can do it in other ways"),
                    );
                }
                _ => self.errors.push(span, format!("`{name}` is no sum, whose rounding could be chosen")),
            }
        }
        if row.weight == Weight::Radius && !self.item.cuda.instances.is_empty() {
            let message = format!("`{name}` runs on the processor only: it has no kernels for `cuda(..)`");
            self.errors.push(spec.name.span(), message);
        }
        let k = match (&spec.k, row.takes_k) {
            (Some(k), true) => {
                let number = self.dim(k);
                match &number {
                    Some(dim) if dim.const_argument().is_none() => {
                        let message = format!("`{name}` takes a number or one const generic, not `{k}`");
                        self.errors.push(k.span(), message);
                        None
                    }
                    _ => number,
                }
            }
            (None, false) => Some(Dim::number(1)),
            (Some(k), false) => {
                let radius = if row.weight == Weight::Radius { ": the radius is the second formula" } else { "" };
                self.errors.push(k.span(), format!("`{name}` takes no number{radius}"));
                None
            }
            (None, true) => {
                self.errors.push(
                    spec.name.span(),
                    format!("`{name}` needs a number: `{name}<10, j>`, or `opt_arg = 10` in `Genred`"),
                );
                None
            }
        };
        (Some(row), k)
    }
}
