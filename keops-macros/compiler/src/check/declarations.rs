//! Variables, const generics and the reduction of an item.

use std::collections::{HashMap, hash_map::Entry};

use proc_macro2::Ident;

use super::Checker;
use crate::{
    ast::IntegerArg,
    dim::Dim,
    error::hint,
    reduction::{self, Reduction, Scheme},
    words,
};

/// More variables than any formula has: a function of so many arguments is a mistake.
const VARIABLES: usize = 100;
/// The largest dimension that can be declared: sums of a few of them fit into any integer of the compiler.
const LARGEST: i64 = 1 << 24;

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

    /// A dimension: at least 1, and its const generic is one of the function's.
    pub(super) fn dim(&mut self, dim: &IntegerArg) -> Option<Dim> {
        match dim {
            IntegerArg::Number(n @ 1..=LARGEST, _) => Some(Dim::number(*n as u64)),
            IntegerArg::Number(n, span) => {
                self.errors.push(*span, format!("a dimension must be at least 1 and at most {LARGEST}, not {n}"));
                None
            }
            IntegerArg::Symbol(name) if self.item.generics.contains(name) => Some(Dim::symbol(&name.to_string())),
            IntegerArg::Symbol(name) => {
                let known: Vec<String> = self.item.generics.iter().map(Ident::to_string).collect();
                let mut advice = hint(&name.to_string(), known.iter().map(String::as_str));
                if advice.is_empty() {
                    advice = format!(": declare `<const {name}: usize>`");
                }
                self.errors.push(name.span(), format!("`{name}` is not a const generic of this function{advice}"));
                None
            }
        }
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
                Reduction::Sum | Reduction::Zero => {}
                reduction if reduction.is_exponential() && scheme == Scheme::Blocked => {}
                reduction if reduction.is_exponential() => {
                    self.errors.push(span, format!("`{name}` adds up in blocks: only `Sum` can do it in other ways"));
                }
                _ => self.errors.push(span, format!("`{name}` is no sum, whose rounding could be chosen")),
            }
        }
        let k = match (&spec.k, row.takes_k) {
            (Some(k), true) => self.dim(k),
            (None, false) => Some(Dim::number(1)),
            (Some(k), false) => {
                self.errors.push(k.span(), format!("`{name}` takes no number"));
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
