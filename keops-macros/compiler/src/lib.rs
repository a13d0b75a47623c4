//! Internal to the crate `keops`: the formula compiler behind `keops!`, tokens in and generic Rust out. Changes without notice.
//!
//! ```text
//! parse  ->  check  ->  calls (differentiate)  ->  lower  ->  emit
//! tokens     graph      formulas of the calls      program    tokens
//! ```
//!
//! [`expand`] shows the phases. Each module of the root is a room on a floor, and imports only from the floors below its own;
//! `cargo xtask layers` checks that:
//!
//! ```text
//! emit                 printing
//! calls      oracle    what a user can call; formulas on plain numbers, for tests
//! syntax     lower     tokens to a graph; a graph to a program
//! ir                   graphs, their constructors and derivatives, and the tables of operations and reductions
//! ```
//!
//! `docs/architecture.md` in the repository says why they are as they are.
#![allow(rustdoc::private_intra_doc_links, reason = "the documentation is for those who read the code")]

pub mod calls;
pub mod emit;
pub mod ir;
pub mod lower;
#[cfg(any(test, feature = "testing"))]
pub mod oracle;
pub mod syntax;
#[cfg(test)]
mod tests;

pub use ir::{reduction, table};

use std::path::Path;

use proc_macro2::TokenStream;

/// Expands every item in `input` to a function and a module, or to `compile_error!`s at the user's tokens.
pub fn expand(input: TokenStream) -> TokenStream {
    expand_with(input, None)
}

/// Expands every item as [`expand`] does, with the kernels for GPUs that are in a folder.
pub fn expand_with(input: TokenStream, kernels: Option<&Path>) -> TokenStream {
    let items = match syn::parse2::<syntax::parse::Input>(input) {
        Ok(input) => input.0,
        Err(error) => return error.into_compile_error(),
    };
    let mut output = TokenStream::new();
    for item in items {
        let tokens = item.and_then(|item| Ok(emit::item(&item, &compile(&item)?, kernels)));
        output.extend(tokens.unwrap_or_else(syn::Error::into_compile_error));
    }
    output
}

/// The code and the kernels for GPUs of every item in `input`.
///
/// # Errors
/// The faults of the first item that has one, as [`expand`] reports them.
pub fn device(input: TokenStream) -> syn::Result<Vec<emit::device::Device>> {
    let items = syn::parse2::<syntax::parse::Input>(input)?.0;
    items.into_iter().map(|item| item.and_then(|item| Ok(emit::device::device(&item, &compile(&item)?)))).collect()
}

fn compile(item: &syntax::ast::Item) -> syn::Result<calls::Calls> {
    calls::calls(item, syntax::check::check(item)?)
}
