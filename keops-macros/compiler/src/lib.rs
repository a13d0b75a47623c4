//! Internal to the crate `keops`: the formula compiler behind `keops!`, tokens in and generic Rust out. Changes without notice.
//!
//! ```text
//! parse  ->  check  ->  calls (differentiate)  ->  lower  ->  emit
//! tokens     graph      formulas of the calls      program    tokens
//! ```
//!
//! [`expand`] shows the phases. `docs/architecture.md` in the repository says why they are as they are.
#![allow(rustdoc::private_intra_doc_links, reason = "the documentation is for those who read the code")]

mod ast;
pub mod calls;
pub mod check;
mod differentiate;
mod dim;
pub mod emit;
mod error;
mod finite;
mod graph;
pub mod lower;
pub mod operator;
#[cfg(any(test, feature = "testing"))]
pub mod oracle;
pub mod parse;
pub mod reduction;
mod simplify;
pub mod table;
#[cfg(test)]
mod tests;
mod view;
mod words;

use std::path::Path;

use proc_macro2::TokenStream;

/// The function and the module of every formula in `input`, or `compile_error!`s at the user's tokens.
pub fn expand(input: TokenStream) -> TokenStream {
    expand_with(input, None)
}

/// [`expand`], with the kernels for GPUs that are in a folder.
pub fn expand_with(input: TokenStream, kernels: Option<&Path>) -> TokenStream {
    let items = match syn::parse2::<parse::Input>(input) {
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

/// What is compiled for GPUs of every formula in `input`.
///
/// # Errors
/// Those of [`expand`], of the first formula that has one.
pub fn device(input: TokenStream) -> syn::Result<Vec<emit::device::Device>> {
    let items = syn::parse2::<parse::Input>(input)?.0;
    items.into_iter().map(|item| item.and_then(|item| Ok(emit::device::device(&item, &compile(&item)?)))).collect()
}

fn compile(item: &ast::Item) -> syn::Result<calls::Calls> {
    calls::calls(item, check::check(item)?)
}
