//! From PTX text to a [`Program`].
//!
//! Contract: [`program`] either gives a program of which every instruction is known and every name is bound, or an
//! error that names the line; it never panics, whatever the text is.
//!
//! Three steps: `lexer` cuts the text into tokens, `module` and `statement` read the grammar into `syntax`, and
//! `function` with `instruction` decode each body into slots and function pointers.

mod arithmetic;
mod builder;
mod function;
mod instruction;
mod lexer;
mod module;
mod statement;
mod syntax;
mod transfer;

use crate::error::Error;
use crate::program::Program;

/// Reads, checks and decodes PTX text; `strict` also lists which registers each instruction reads and writes.
pub(crate) fn program(text: &str, strict: bool) -> Result<Program, Error> {
    let tokens = lexer::tokens(text)?;
    let module = module::parse(&tokens)?;
    function::decode(text, &module, strict)
}
