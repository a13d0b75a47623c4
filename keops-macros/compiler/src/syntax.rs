//! The front end: the tokens of a `keops!` become checked graphs.
//!
//! [`parse`] reads the three spellings into one syntax tree, [`ast`]; [`check()`](check::check) makes a graph of it.
//! Whatever is wrong is said by these two, at the user's tokens: [`error`] collects faults, [`words`] knows what names of
//! other languages mean.

pub(crate) mod ast;
pub mod check;
pub(crate) mod dimension;
mod error;
pub mod parse;
mod words;
