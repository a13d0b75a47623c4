//! The header of a function, from its qualifiers to its reduction, with messages for code that other languages have
//! there.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use syn::{
    Token,
    ext::IdentExt,
    parenthesized,
    parse::{ParseStream, discouraged::Speculative},
};

use super::variable;
use crate::syntax::{ast::VariableDecl, error::Errors};

/// Skips an item that could not be read, up to a block or a semicolon after which another item may begin.
pub(super) fn skip(input: ParseStream) -> syn::Result<()> {
    while !input.is_empty() {
        let end = match input.parse()? {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Ident(_) | TokenTree::Literal(_) => false,
        };
        let inside = input.cursor().punct().is_some_and(|(punct, _)| !matches!(punct.as_char(), '#' | ';'));
        if end && !inside {
            break;
        }
    }
    Ok(())
}

/// Reads all tokens before the name of the function.
pub(super) fn function(input: ParseStream, faults: &mut Errors) -> syn::Result<()> {
    let plain = "a formula is a plain `fn`: it is computed by `.eval()` of its call";
    loop {
        if input.peek(Token![fn]) {
            input.parse::<Token![fn]>()?;
            return Ok(());
        }
        let qualifier = input.peek(Token![const]) && (input.peek2(Token![fn]) || input.peek2(Token![unsafe]));
        if qualifier || input.peek(Token![async]) || input.peek(Token![unsafe]) || input.peek(Token![extern]) {
            faults.push(input.span(), plain);
            input.parse::<TokenTree>()?;
            input.parse::<Option<syn::LitStr>>()?;
            continue;
        }
        // `name = Genred(..)`, as in Python
        if input.peek(syn::Ident) && input.peek2(Token![=]) {
            let ahead = input.fork();
            let name: Ident = ahead.parse()?;
            ahead.parse::<Token![=]>()?;
            let form = ahead.cursor().ident().is_some_and(|(form, _)| super::genred::is_form(&form));
            if !form {
                let message =
                    format!("a formula stands in a function: `fn {name}(x: Vi<3>, y: Vj<3>) -> Sum<j> {{ .. }}`");
                return Err(syn::Error::new(name.span(), message));
            }
            faults.push(name.span(), format!("a formula is a function: `fn {name} = Genred(..);`"));
            return Ok(());
        }
        return Err(input.error(item(input)));
    }
}

/// The message for an item that is not a function.
fn item(input: ParseStream) -> &'static str {
    if input.is_empty() {
        "expected `fn`"
    } else if input.peek(Token![;]) {
        "no semicolon follows a function"
    } else if input.peek(Token![impl]) || input.peek(Token![trait]) {
        "only functions stand in `keops!`, which itself stands outside of an `impl`: methods call its functions"
    } else if input.peek(Token![const]) || input.peek(Token![static]) || input.peek(Token![let]) {
        "only functions stand in `keops!`: write the number into the formula, or pass it as an argument"
    } else if input.peek(Token![use]) {
        "only functions stand in `keops!`: operations and constants like `PI` need no `use`"
    } else {
        "expected `fn`: only functions stand in `keops!`"
    }
}

/// Reads the arguments, and collects the faults of all of them.
pub(super) fn arguments(input: ParseStream) -> syn::Result<Vec<VariableDecl>> {
    if !input.peek(syn::token::Paren) {
        return Err(input.error("expected the arguments, like `(x: Vi<3>, y: Vj<3>)`"));
    }
    let content;
    parenthesized!(content in input);
    let (mut variables, mut faults) = (Vec::new(), Errors::default());
    while !content.is_empty() {
        let ahead = content.fork();
        match declared(&content).and_then(|()| variable(&ahead)) {
            Ok(variable) => {
                variables.push(variable);
                content.advance_to(&ahead);
            }
            Err(fault) => {
                faults.append(fault);
                declaration(&content)?;
            }
        }
        if !content.is_empty() && content.parse::<Option<Token![,]>>()?.is_none() {
            faults.push(content.span(), "expected `,`");
            break;
        }
    }
    if !content.is_empty() {
        content.parse::<TokenStream>()?;
    }
    faults.into_result()?;
    Ok(variables)
}

/// Skips a declaration, up to a comma that does not stand in angle brackets.
fn declaration(input: ParseStream) -> syn::Result<()> {
    let mut depth = 0_usize;
    while !input.is_empty() && (depth > 0 || !input.peek(Token![,])) {
        if let TokenTree::Punct(punct) = input.parse()? {
            match punct.as_char() {
                '<' => depth += 1,
                '>' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Checks for declarations in the words of other languages, which have messages of their own.
fn declared(input: ParseStream) -> syn::Result<()> {
    let ahead = input.fork();
    if ahead.peek(Token![&]) || ahead.peek(Token![self]) {
        return Err(ahead.error("a formula has no `self`: pass what it holds as arguments"));
    }
    if ahead.peek(Token![mut]) {
        return Err(ahead.error("a variable keeps its value: leave out `mut`"));
    }
    let name = ahead.call(Ident::parse_any)?;
    if !ahead.peek(Token![:]) {
        let message =
            format!("`{name}` needs a kind and a dimension: `{name}: Vi<3>`, `{name}: Vj<3>` or `{name}: Pm<1>`");
        return Err(syn::Error::new(name.span(), message));
    }
    ahead.parse::<Token![:]>()?;
    let rows = || {
        format!("rows are `{name}: Vi<3>` or `{name}: Vj<3>`, whatever type holds them; a parameter is `{name}: Pm<3>`")
    };
    if ahead.peek(Token![&]) || ahead.peek(syn::token::Bracket) {
        return Err(ahead.error(rows()));
    }
    let kind = ahead.call(Ident::parse_any)?;
    match kind.to_string().as_str() {
        "f32" | "f64" | "f16" | "bf16" | "i32" | "u32" | "usize" | "float" | "T" => {
            Err(syn::Error::new(kind.span(), format!("a number is the parameter `{name}: Pm<1>`")))
        }
        "Vec" | "Rows" | "Array" | "Array2" | "ArrayView2" | "DMatrix" | "Mat" | "Tensor" => {
            Err(syn::Error::new(kind.span(), rows()))
        }
        "Vi" | "Vj" | "Pm" | "Vx" | "Vy" if !ahead.peek(Token![<]) => {
            let dim = if ahead.peek(syn::token::Paren) { "in angle brackets" } else { "" };
            let message = format!("`{kind}` needs its dimension {dim}").trim_end().to_owned();
            Err(syn::Error::new(kind.span(), format!("{message}: `{name}: {kind}<3>`")))
        }
        _ if ahead.peek(Token![<]) => {
            ahead.parse::<Token![<]>()?;
            match ahead.cursor().ident() {
                Some((element, _)) if ["f32", "f64", "f16", "bf16"].iter().any(|known| element == known) => {
                    let message = format!("the element type is that of the call's arguments: `{name}: {kind}<3>`");
                    Err(syn::Error::new(element.span(), message))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Reads the `->`, and checks that a type does not follow instead of a reduction.
pub(super) fn arrow(input: ParseStream) -> syn::Result<()> {
    let like = "like `-> Sum<j>`, which gives a row for each i";
    if !input.peek(Token![->]) {
        return Err(input.error(format!("expected the reduction, {like}")));
    }
    input.parse::<Token![->]>()?;
    const TYPES: [&str; 16] = [
        "f32", "f64", "Vec", "Rows", "Vi", "Vj", "Pm", "T", "Self", "Result", "Option", "usize", "bool", "impl", "Box",
        "Array2",
    ];
    let ident = input.cursor().ident().map(|(name, _)| name);
    if ident.is_none() || ident.is_some_and(|name| TYPES.iter().any(|known| name == known)) {
        return Err(input.error(format!("a formula gives a reduction, {like}")));
    }
    Ok(())
}

/// Reads tokens between the reduction and the body, which are a fault.
pub(super) fn body(input: ParseStream, faults: &mut Errors) -> syn::Result<()> {
    if input.peek(Token![where]) {
        faults.push(input.span(), "a formula has no `where`: its generics are `const D: usize`");
        while !input.is_empty() && !input.peek(syn::token::Brace) {
            input.parse::<TokenTree>()?;
        }
    }
    if !input.peek(syn::token::Brace) {
        return Err(input.error("expected the formula, in braces"));
    }
    Ok(())
}
