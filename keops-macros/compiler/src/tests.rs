//! Tests of the compiler on numbers, without rustc.
//!
//! Two interpreters are compared: [`crate::oracle`] evaluates a graph node by node, and [`machine`] runs the lowered
//! program as the engines would. Derivatives are compared with finite differences of the oracle.

mod calls;
mod derivatives;
mod finite;
mod foreign;
mod kernels;
mod machine;
mod operations;
mod random;
mod regular;
mod sample;
mod spelling;
mod tokens;

use crate::{
    oracle,
    syntax::{
        ast::Item,
        check::{self, Checked},
        parse::Input,
    },
};

/// The only item of a `keops! { ... }`.
fn item(text: &str) -> syn::Result<Item> {
    syn::parse_str::<Input>(text)?.0.pop().expect("an item")
}

/// The checked form of an item that has no fault.
fn checked(text: &str) -> Checked {
    check::check(&item(text).unwrap()).unwrap_or_else(|e| panic!("{text}: {}", e.into_compile_error()))
}

/// All messages about an item, in order.
fn messages(text: &str) -> Vec<String> {
    let fault = match item(text).and_then(|item| check::check(&item)) {
        Ok(_) => return Vec::new(),
        Err(fault) => fault,
    };
    fault.into_iter().map(|e| e.to_string()).collect()
}
