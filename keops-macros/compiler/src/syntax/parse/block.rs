//! The body of a function: bindings, then the value. Statements that Rust has and formulas do not have are faults,
//! which do not keep the rest from being read.

use proc_macro2::{Ident, Span};
use syn::{
    Token, parenthesized,
    parse::{ParseStream, discouraged::Speculative},
};

use super::expr;
use crate::syntax::{
    ast::{Body, Expr},
    error::Errors,
};

/// Reads a body: `let d = x - y; exp(-d)`, also with a tuple at the end.
pub(super) fn block(input: ParseStream, faults: &mut Errors) -> syn::Result<Body> {
    let mut lets = Vec::new();
    let (values, span) = loop {
        attributes(input, faults)?;
        if let Some(binding) = binding(input, faults)? {
            lets.push(binding);
            continue;
        }
        let span = if input.is_empty() { Span::call_site() } else { input.span() };
        let values = value(input, faults)?;
        if !input.peek(Token![;]) {
            break (values, span);
        }
        faults.push(input.span(), "the value of a formula stands last, without a semicolon");
        input.parse::<Token![;]>()?;
        if input.is_empty() {
            break (values, span);
        }
    };
    if !input.is_empty() {
        return Err(expr::unexpected(input));
    }
    Ok(Body { lets, values, span })
}

/// Reads documentation and other attributes, which are faults in a body.
fn attributes(input: ParseStream, faults: &mut Errors) -> syn::Result<()> {
    if input.peek(Token![#]) && input.peek2(syn::token::Bracket) {
        for attribute in input.call(syn::Attribute::parse_outer)? {
            let message = match attribute.path().is_ident("doc") {
                true => "a comment in a formula begins with `//`",
                false => "an attribute belongs to the function",
            };
            faults.push(attribute.pound_token.span, message);
        }
    }
    Ok(())
}

/// Reads a binding `let name = formula;`, also in the words of other languages; `None` if there is none.
fn binding(input: ParseStream, faults: &mut Errors) -> syn::Result<Option<(Ident, Expr)>> {
    if input.peek(Token![const]) || input.peek(Token![static]) {
        faults.push(input.span(), "a value is bound by `let` here");
        input.parse::<proc_macro2::TokenTree>()?;
    } else if input.peek(Token![let]) {
        input.parse::<Token![let]>()?;
    } else {
        return assignment(input, faults);
    }
    if input.peek(Token![mut]) {
        faults.push(input.span(), "a name keeps its value: leave out `mut`, a second `let` binds it anew");
        input.parse::<Token![mut]>()?;
    }
    if input.peek(syn::token::Paren) {
        return Err(input.error("`let` binds one name at a time"));
    }
    let name: Ident = input.parse()?;
    if input.peek(Token![:]) {
        faults.push(input.span(), format!("a binding has no type: `let {name} = ..`"));
        input.parse::<Token![:]>()?;
        input.parse::<syn::Type>()?;
    }
    input.parse::<Token![=]>()?;
    let value = expr::expression(input)?;
    end(input, &name)?;
    Ok(Some((name, value)))
}

/// Reads an assignment `x = f;` or `x += f;`, which is a fault that counts as a binding; `None` if there is none.
fn assignment(input: ParseStream, faults: &mut Errors) -> syn::Result<Option<(Ident, Expr)>> {
    if !input.peek(syn::Ident) || input.peek2(Token![==]) || input.peek2(Token![=>]) {
        return Ok(None);
    }
    let ahead = input.fork();
    let name: Ident = ahead.parse()?;
    let (span, operator) = (ahead.span(), ahead.cursor().punct().map(|(punct, _)| punct.as_char()));
    let message = if ahead.peek(Token![=]) {
        format!("a name is bound by `let {name} = ..`")
    } else if ahead.peek(Token![+=]) || ahead.peek(Token![-=]) || ahead.peek(Token![*=]) || ahead.peek(Token![/=]) {
        ahead.parse::<proc_macro2::TokenTree>()?;
        format!("a name keeps its value: write `let {name} = {name} {} ..`", operator.unwrap_or('+'))
    } else {
        return Ok(None);
    };
    ahead.parse::<Token![=]>()?;
    input.advance_to(&ahead);
    faults.push(span, message);
    let value = expr::expression(input)?;
    end(input, &name)?;
    Ok(Some((name, value)))
}

fn end(input: ParseStream, name: &Ident) -> syn::Result<()> {
    if input.parse::<Option<Token![;]>>()?.is_some() {
        return Ok(());
    }
    Err(if input.is_empty() || input.peek(Token![let]) || input.peek(syn::Ident) {
        input.error(format!("expected `;` after the value of `{name}`"))
    } else {
        expr::unexpected(input)
    })
}

/// Reads the value, also after `return`, which is a fault.
fn value(input: ParseStream, faults: &mut Errors) -> syn::Result<Vec<Expr>> {
    let returned = input.peek(Token![return]);
    if returned {
        faults.push(input.span(), "the value of a formula stands last, without `return`");
        input.parse::<Token![return]>()?;
    }
    let values = tuple(input)?;
    if returned {
        input.parse::<Option<Token![;]>>()?;
    }
    Ok(values)
}

/// Reads `f` or `(f, g)`. Parentheses are a tuple if there is a comma in them and nothing follows.
fn tuple(input: ParseStream) -> syn::Result<Vec<Expr>> {
    if input.peek(syn::token::Paren) {
        let ahead = input.fork();
        let content;
        parenthesized!(content in ahead);
        if (ahead.is_empty() || ahead.peek(Token![;]))
            && let Ok(values) = content.parse_terminated(expr::expression, Token![,])
            && values.len() > 1
        {
            input.advance_to(&ahead);
            return Ok(values.into_iter().collect());
        }
    }
    Ok(vec![expr::expression(input)?])
}
