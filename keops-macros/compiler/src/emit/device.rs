//! The formulas of an item for GPUs: the same `impl Formula` without the calls, and the list of kernels to compile.
//!
//! The name of a kernel is a fingerprint of its formula and its reduction, as they are printed. The macro therefore
//! finds a kernel that a build script compiled from the same source, however the source was read, and never the
//! kernel of another formula.

use std::{collections::HashMap, fmt};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::{format_ident, quote};

use super::{Printer, formula, reduction};
use crate::{
    calls::{Call, Calls, Derivative, Pass, PassReduction},
    lower::{
        Program,
        program::{Expr, Role, Stmt},
    },
    syntax::ast::Item,
};

/// The code and the kernels of an item, for a device crate.
pub struct Device {
    /// The name of the function, for messages.
    pub item: String,
    /// The marker types and their formulas, which are the content of a module.
    pub module: TokenStream,
    /// The name of the call that a method of a call returns, by the name of the call and of the method: (`Vjp_x`,
    /// `jvp_y`).
    pub methods: HashMap<(String, String), String>,
    /// The kernels. There are none if the item has const generics and no `cuda(..)`.
    pub kernels: Vec<Kernel>,
    /// Whether the kernels use the elementary functions of the CPU.
    pub precise: bool,
}

/// A kernel to compile: a formula with its reduction, for certain values of the const generics.
pub struct Kernel {
    /// The name, as `k0123456789abcdef_3`, to which the element type is added.
    pub name: String,
    /// A name for people, as `gaussian_product<3>: Vjp_x`.
    pub title: String,
    /// The marker type in the module, with the values of its const generics.
    pub marker: TokenStream,
    /// The names of the calls that run the kernel: `Value`, `Vjp_x__Jvp_y`.
    pub needed_by: Vec<String>,
    /// The type of the reduction, below `__p`.
    pub reduction: TokenStream,
    /// The number of components of all parameters, of all variables of a target, and of those of a source.
    pub widths: [u64; 3],
    /// Whether a pair takes so few operations that the overhead of the loop around it counts.
    pub short: bool,
}

/// Prints the formulas of an item, and lists its kernels.
pub fn device(item: &Item, calls: &Calls) -> Device {
    let printer = Printer { item, kernels: None };
    let passes = passes(calls);
    let formulas = passes.iter().map(|(pass, _)| super::pass_tokens(&printer, pass, ""));
    let module = quote!(use ::keops::__private::{self as __p, ops}; #(#formulas)*);
    let instances = if item.generics.is_empty() { vec![Vec::new()] } else { item.cuda.instances.clone() };
    let kernels = instances
        .iter()
        .flat_map(|values| passes.iter().map(|(pass, needed_by)| kernel(&printer, pass, needed_by, values)))
        .collect();
    let methods = calls.calls.iter().flat_map(|call| {
        let method = |derivative: &Derivative| (call.name.clone(), derivative.method.clone());
        call.derivatives.iter().map(move |derivative| (method(derivative), derivative.call.clone()))
    });
    Device { item: item.name.to_string(), module, methods: methods.collect(), kernels, precise: item.cuda.precise }
}

/// The passes that run on a device, each with the names of the calls that need it. Formulas of selected pairs run on
/// the host, and so does what finds all sources within a radius.
fn passes(calls: &Calls) -> Vec<(&Pass, Vec<&str>)> {
    let names = |needs: &dyn Fn(&Call) -> bool| -> Vec<&str> {
        calls.calls.iter().filter(|call| needs(call)).map(|call| call.name.as_str()).collect()
    };
    let selection = calls.selection.iter().map(|pass| (pass, names(&|call| call.selected.is_some())));
    // rows that take no pass over pairs are computed on the host
    let saved = calls.saved.iter().enumerate().filter(|(_, saved)| saved.is_of_pairs());
    let saved = saved.filter_map(|(k, saved)| Some((saved.pass()?, names(&|call| calls.needed(call).contains(&k)))));
    let own = calls.calls.iter().filter(|call| call.selected.is_none());
    let own = own.flat_map(|call| call.passes.iter().map(|pass| (pass, vec![call.name.as_str()])));
    let own = own.filter(|(pass, _)| !pass.reduction.is_on_host());
    selection.chain(saved).chain(own).collect()
}

fn kernel(printer: &Printer, pass: &Pass, needed_by: &[&str], values: &[u64]) -> Kernel {
    let generics: Vec<String> = printer.item.generics.iter().map(ToString::to_string).collect();
    let value = |name: &str| generics.iter().position(|generic| generic == name).map_or(0, |n| values[n]);
    let width = |role| {
        let dims = pass.program.variables.iter().filter(|variable| variable.1 == role);
        dims.map(|variable| variable.2.at(value)).sum()
    };
    let literals = values.iter().map(|&value| proc_macro2::Literal::u64_unsuffixed(value));
    let marker = format_ident!("{}", pass.name);
    let marker = if values.is_empty() { quote!(#marker) } else { quote!(#marker<#(#literals),*>) };
    // K may be a const generic, whose value is printed here
    let reduction = match &pass.reduction {
        PassReduction { path, k: Some(k) } => {
            let (path, k) = (format_ident!("{path}"), proc_macro2::Literal::u64_unsuffixed(k.at(value)));
            quote!(__p::#path<#k>)
        }
        other => reduction(other),
    };
    let numbers: String = values.iter().map(|value| format!("_{value}")).collect();
    Kernel {
        name: format!("{}{numbers}", fingerprint(printer, pass)),
        title: format!("{}: {}", printer.item.name, quote!(#marker).to_string().replace(' ', "")),
        marker,
        needed_by: needed_by.iter().map(ToString::to_string).collect(),
        reduction,
        widths: [width(Role::Parameter), width(Role::Target), width(Role::Source)],
        short: is_short(&pass.program, value),
    }
}

/// Whether a pair of the program takes few operations, for these values of the const generics.
fn is_short(program: &Program, value: impl Fn(&str) -> u64) -> bool {
    const CALLED: [&str; 6] = ["exp", "log", "sin", "cos", "pow", "x_log_x"];
    let components: u64 = program.contractions.iter().map(|contraction| contraction.len.at(&value)).sum();
    let simple = |expression: &Expr| !matches!(expression, Expr::Call(name, _) if CALLED.contains(name));
    let simple = program.pair.iter().all(|statement| match statement {
        Stmt::Let(_, expression) => simple(expression),
        Stmt::Put(..) => true,
        _ => false,
    });
    simple && program.pair.len() <= 20 && components <= 8
}

/// The name of the kernels of a pass without the values of const generics: `k0123456789abcdef`.
pub(super) fn fingerprint(printer: &Printer, pass: &Pass) -> String {
    let (params, marker) = (printer.impl_params(), printer.marker(&pass.name));
    let name = super::formula_name(printer, pass);
    let formula = formula::formula(&pass.program, &name, &params, &marker, &TokenStream::new());
    let mut hash = Fingerprint::default();
    hash.text(env!("CARGO_PKG_VERSION"));
    hash.text(if printer.item.cuda.precise { "precise" } else { "fast" });
    hash.tokens(reduction(&pass.reduction));
    hash.tokens(formula);
    format!("k{hash}")
}

/// An FNV-1a hash, which is the same whichever Rust computes it: for names of files and kernels. Its text has sixteen hexadecimal
/// digits. Of tokens it takes their text but not the spaces between them, which depend on how the tokens were read.
///
/// ```
/// use keops_compiler::emit::device::Fingerprint;
///
/// let mut fingerprint = Fingerprint::default();
/// fingerprint.text("sm_80");
/// assert_eq!(fingerprint.to_string(), "4ff03e67448c3e7a");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Fingerprint {
    /// Adds a text, and its end.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Adds bytes, and their end.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().chain(&[0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Adds tokens, but not the spaces between them, which depend on how the tokens were read.
    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    self.text(open);
                    self.tokens(group.stream());
                    self.text(close);
                }
                other => self.text(&other.to_string()),
            }
        }
    }
}
