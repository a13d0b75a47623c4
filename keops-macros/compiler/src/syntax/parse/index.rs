//! Components in brackets: `x[0]`, `x[1..3]`, and Python's `x[1:3]`, `x[:, :, 0]`, `x[.., 0]`.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::{
    Token, bracketed,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

use super::{expr, foreign};
use crate::syntax::ast::{Expr, ExprKind};

/// Reads the square brackets after a formula.
pub(super) fn index(input: ParseStream, receiver: Expr) -> syn::Result<Expr> {
    let span = input.span();
    let content;
    bracketed!(content in input);
    let tokens: TokenStream = content.parse()?;
    let fault = |message: &str, receiver: Expr| foreign::fault(span, message, vec![receiver]);
    let mut axes: Vec<TokenStream> = vec![TokenStream::new()];
    for token in tokens {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => axes.push(TokenStream::new()),
            _ => axes.last_mut().expect("never empty").extend([token]),
        }
    }
    let last = axes.pop().unwrap_or_default();
    let none = |axis: &TokenStream| axis.to_string() == "None";
    if axes.iter().any(none) || none(&last) {
        return fault("axes are not added: an argument is declared as `x: Vi<3>` or `y: Vj<3>`", receiver);
    }
    if !axes.iter().all(|axis| matches!(axis.to_string().as_str(), ":" | ".." | "...")) {
        return fault("only components have an index, `x[0]`: rows are those of i and j", receiver);
    }
    match subscript.parse2(last) {
        Ok(Subscript::All) => Ok(receiver),
        Ok(Subscript::One(component)) => call("elem", span, vec![receiver, component]),
        Ok(Subscript::Range(start, end)) if start < end => {
            let number = |n: i64| expr::leaf(ExprKind::Integer(n), span);
            call("extract", span, vec![receiver, number(start), number(end - start)])
        }
        Ok(Subscript::Range(..)) => fault("a range of components ends behind its start", receiver),
        Err(e) => fault(&e.to_string(), receiver),
    }
}

fn call(name: &str, span: Span, args: Vec<Expr>) -> syn::Result<Expr> {
    expr::call(Ident::new(name, span), args)
}

/// A fault of which only the message is used: it is reported at the brackets.
fn fault(message: impl std::fmt::Display) -> syn::Error {
    syn::Error::new(Span::call_site(), message)
}

/// The components that the last axis chooses.
enum Subscript {
    All,
    One(Expr),
    Range(i64, i64),
}

fn subscript(input: ParseStream) -> syn::Result<Subscript> {
    let start = if input.peek(Token![:]) || input.peek(Token![..]) { None } else { Some(number(input)?) };
    if input.is_empty() {
        return match start {
            Some(component) => Ok(Subscript::One(component)),
            None => Err(fault("the component is missing: `x[0]`")),
        };
    }
    let inclusive = input.peek(Token![..=]);
    if input.peek(Token![...]) {
        input.parse::<Token![...]>()?;
    } else if inclusive {
        input.parse::<Token![..=]>()?;
    } else if input.peek(Token![..]) {
        input.parse::<Token![..]>()?;
    } else if input.peek(Token![:]) {
        input.parse::<Token![:]>()?;
    } else {
        return Err(fault("a component is an integer"));
    }
    if input.is_empty() {
        return match start {
            None => Ok(Subscript::All),
            Some(_) => Err(fault("the end is missing: n components from `start` on are `extract(f, start, n)`")),
        };
    }
    let end = number(input)?;
    if !input.is_empty() {
        return Err(fault("components have no step"));
    }
    let literal = |expr: &Expr| if let ExprKind::Integer(n) = expr.kind { Some(n) } else { None };
    match (start.as_ref().map_or(Some(0), literal), literal(&end)) {
        (Some(start), Some(end)) => Ok(Subscript::Range(start, end.saturating_add(i64::from(inclusive)))),
        _ => Err(fault("a range of components has two literals: `extract(f, start, n)` takes const generics")),
    }
}

/// Reads an integer that is not negative, or a const generic.
fn number(input: ParseStream) -> syn::Result<Expr> {
    let span = input.span();
    if input.peek(Token![-]) {
        return Err(fault("components are counted from 0, not from the end"));
    }
    if input.peek(syn::LitInt) {
        let literal: syn::LitInt = input.parse()?;
        return Ok(expr::leaf(ExprKind::Integer(literal.base10_parse()?), span));
    }
    if input.peek(Ident::peek_any) {
        let name = input.call(Ident::parse_any)?;
        if name == "i" || name == "j" {
            return Err(fault(format!("`{name}` is no index to write: a variable is its row of i or j already")));
        }
        return Ok(expr::leaf(ExprKind::Name(name), span));
    }
    Err(fault("a component is an integer"))
}
