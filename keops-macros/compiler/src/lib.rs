//! The formula compiler behind `keops!`: tokens in, generic Rust out.
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
mod graph;
pub mod lower;
pub mod parse;
pub mod reduction;
mod simplify;
pub mod table;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;

/// The function and the module of every formula in `input`, or `compile_error!`s at the user's tokens.
pub fn expand(input: TokenStream) -> TokenStream {
    let items = match syn::parse2::<parse::Input>(input) {
        Ok(input) => input.0,
        Err(error) => return error.into_compile_error(),
    };
    let mut output = TokenStream::new();
    for item in items {
        output.extend(compile(&item).unwrap_or_else(syn::Error::into_compile_error));
    }
    output
}

fn compile(item: &ast::Item) -> syn::Result<TokenStream> {
    let checked = check::check(item)?;
    let calls = calls::calls(item, checked)?;
    Ok(emit::item(item, &calls))
}
