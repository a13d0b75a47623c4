//! The parser, from tokens in three spellings to the syntax tree [`crate::syntax::ast`].
//!
//! The loop over items is here. [`expr`] has the grammar of formulas, which the spellings share, and [`genred`] the
//! form of pykeops.

mod block;
mod expr;
mod foreign;
mod genred;
mod header;
mod index;
mod keywords;
mod options;
mod path;
mod signature;
mod sums;

use std::rc::Rc;

use proc_macro2::{Ident, Span};
use syn::{
    Token, braced, parenthesized,
    parse::{Parse, ParseStream, discouraged::Speculative},
};

use crate::{
    ir::{graph::Category, reduction},
    syntax::{
        ast::{BinaryOp, IntegerArg, Item, ReductionSpec, VariableDecl},
        error::{Errors, hint},
    },
};
pub(crate) use foreign::{FUNCTIONAL, MODULES};
use options::Options;
pub(crate) use path::{constant, not_finite, of_the_scope};

/// The items of one `keops! { ... }`, each with its fault if it could not be read.
pub struct Input(pub Vec<syn::Result<Item>>);

impl Parse for Input {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let mut items = Vec::new();
        while !input.is_empty() {
            // the rest of an item with a fault is skipped, so that it is not read as another item
            let ahead = input.fork();
            let item = item(&ahead);
            match item {
                Ok(_) => input.advance_to(&ahead),
                Err(_) => header::skip(input)?,
            }
            items.push(item);
        }
        let names: Rc<[String]> = items.iter().flatten().map(|item| item.name.to_string()).collect();
        for item in items.iter_mut().flatten() {
            item.names = Rc::clone(&names);
        }
        Ok(Input(items))
    }
}

fn item(input: ParseStream) -> syn::Result<Item> {
    let mut attributes = input.call(syn::Attribute::parse_outer)?;
    let own: Vec<syn::Attribute> = attributes.extract_if(.., |a| a.path().is_ident("keops")).collect();
    let options = options::options(&own)?;
    let visibility: syn::Visibility = input.parse()?;
    let mut faults = Errors::default();
    header::function(input, &mut faults)?;
    let name: Ident = input.parse()?;
    if input.peek(Token![=]) {
        return genred::item(input, attributes, &options, visibility, name, faults);
    }
    let generics = generics(input)?;
    if let (true, Some(generic)) = (input.peek(Token![=]), generics.first()) {
        let message = format!(
            "`Genred` has no const generics: write `fn {name}<const {generic}: usize>(x: Vi<{generic}>, ..) -> Sum<j> {{ .. }}`"
        );
        return Err(syn::Error::new(generic.span(), message));
    }
    let cuda = options.cuda(&generics)?;
    let variables = header::arguments(input)?;
    header::arrow(input)?;
    let reduction = reduction(input)?;
    header::body(input, &mut faults)?;
    let content;
    braced!(content in input);
    let body = block::block(&content, &mut faults)?;
    let (Options { order, scheme, .. }, faults, names) = (options, faults.into_option(), Rc::default());
    Ok(Item { attributes, order, scheme, cuda, visibility, name, generics, variables, reduction, body, faults, names })
}

fn generics(input: ParseStream) -> syn::Result<Vec<Ident>> {
    let generics: syn::Generics = input.parse()?;
    generics
        .params
        .into_iter()
        .map(|param| match param {
            syn::GenericParam::Const(c) if matches!(&c.ty, syn::Type::Path(p) if p.path.is_ident("usize")) => {
                Ok(c.ident)
            }
            other => Err(syn::Error::new_spanned(other, "the only generics of a formula are `const D: usize`")),
        })
        .collect()
}

/// Reads the declaration of a variable: `x: Vi<3>`.
fn variable(input: ParseStream) -> syn::Result<VariableDecl> {
    let name: Ident = input.parse()?;
    input.parse::<Token![:]>()?;
    let kind: Ident = input.parse()?;
    let category = category(&kind)?;
    input.parse::<Token![<]>()?;
    let dim = dimension(input)?;
    input.parse::<Token![>]>().map_err(|fault| no_dimension(input, fault))?;
    Ok(VariableDecl { name, category, dim })
}

fn category(kind: &Ident) -> syn::Result<Category> {
    match kind.to_string().as_str() {
        "Vi" | "Vx" => Ok(Category::I),
        "Vj" | "Vy" => Ok(Category::J),
        "Pm" => Ok(Category::P),
        other => Err(syn::Error::new(
            kind.span(),
            format!("unknown category `{other}`: a variable is `Vi<D>`, `Vj<D>` or `Pm<D>`"),
        )),
    }
}

/// Reads a literal, which may have a minus, or a const generic.
fn integer(input: ParseStream) -> syn::Result<IntegerArg> {
    if input.peek(syn::Ident) {
        return Ok(IntegerArg::Symbol(input.parse()?));
    }
    let minus: Option<Token![-]> = input.parse()?;
    let literal: syn::Lit = input.parse().map_err(|e| syn::Error::new(e.span(), "expected an integer"))?;
    let syn::Lit::Int(literal) = literal else {
        return Err(syn::Error::new(literal.span(), "expected an integer"));
    };
    let suffix = literal.suffix();
    if !matches!(suffix, "" | "usize" | "isize" | "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64") {
        let message = format!("`{literal}` is no integer: a product is `{} * {suffix}`", literal.base10_digits());
        return Err(syn::Error::new(literal.span(), message));
    }
    let n: i64 = literal.base10_parse()?;
    Ok(IntegerArg::Number(if minus.is_some() { -n } else { n }, literal.span()))
}

/// The deepest nesting of a dimension, in brackets and in long sums: the functions that read dimensions are
/// recursive.
const DEPTH: usize = 32;

/// Reads a dimension: `3`, `D`, `D * D`, `{ D + 1 }`, `2 * (D + E)`.
pub(crate) fn dimension(input: ParseStream) -> syn::Result<IntegerArg> {
    Ok(dimension_sum(input, 0)?.0)
}

fn dimension_sum(input: ParseStream, depth: usize) -> syn::Result<(IntegerArg, usize)> {
    let mut left = dimension_product(input, depth)?;
    loop {
        let (op, span) = if input.peek(Token![+]) {
            (BinaryOp::Add, input.parse::<Token![+]>()?.span)
        } else if input.peek(Token![-]) {
            (BinaryOp::Sub, input.parse::<Token![-]>()?.span)
        } else {
            return Ok(left);
        };
        left = dimension_operation(op, span, left, dimension_product(input, depth)?)?;
    }
}

fn dimension_product(input: ParseStream, depth: usize) -> syn::Result<(IntegerArg, usize)> {
    let mut left = dimension_factor(input, depth)?;
    loop {
        let (op, span) = if input.peek(Token![*]) {
            (BinaryOp::Mul, input.parse::<Token![*]>()?.span)
        } else if input.peek(Token![/]) {
            (BinaryOp::Div, input.parse::<Token![/]>()?.span)
        } else {
            return Ok(left);
        };
        if op == BinaryOp::Mul && input.peek(Token![*]) {
            let a = &left.0;
            return Err(syn::Error::new(span, format!("a dimension has no powers, a square is `{a} * {a}`")));
        }
        left = dimension_operation(op, span, left, dimension_factor(input, depth)?)?;
    }
}

fn dimension_factor(input: ParseStream, depth: usize) -> syn::Result<(IntegerArg, usize)> {
    if depth > DEPTH {
        return Err(input.error(TOO_DEEP));
    }
    let content;
    if input.peek(syn::token::Paren) {
        parenthesized!(content in input);
    } else if input.peek(syn::token::Brace) {
        braced!(content in input);
    } else {
        return Ok((integer(input)?, 1));
    }
    let inner = dimension_sum(&content, depth + 1)?;
    if content.is_empty() { Ok(inner) } else { Err(no_dimension(&content, content.error("expected an operator"))) }
}

fn dimension_operation(
    op: BinaryOp,
    span: Span,
    (a, m): (IntegerArg, usize),
    (b, n): (IntegerArg, usize),
) -> syn::Result<(IntegerArg, usize)> {
    let depth = 1 + m.max(n);
    if depth > DEPTH {
        return Err(syn::Error::new(span, TOO_DEEP));
    }
    Ok((IntegerArg::Operation(op, span, Box::new(a), Box::new(b)), depth))
}

const TOO_DEEP: &str = "the dimension nests too deep";

/// The fault of the token that follows a dimension. It has a message of its own if the token is an operator that
/// dimensions do not have.
fn no_dimension(input: ParseStream, fault: syn::Error) -> syn::Error {
    match input.cursor().punct() {
        Some((punct, _)) if !matches!(punct.as_char(), ',' | '>') => {
            let message = format!("a dimension has no `{}`: it is a sum or a product", punct.as_char());
            syn::Error::new(punct.span(), message)
        }
        _ => fault,
    }
}

/// Reads a reduction: `Sum<j>`, `KMin<10, j>`.
fn reduction(input: ParseStream) -> syn::Result<ReductionSpec> {
    let name: Ident = input.parse()?;
    let (mut over, mut k) = (None, None);
    let missing = |number: &str| {
        let message =
            format!("`{name}` needs the index that it reduces over, `{name}<{number}j>` or `{name}<{number}i>`");
        Err(syn::Error::new(name.span(), message))
    };
    if !input.peek(Token![<]) {
        return missing("");
    }
    input.parse::<Token![<]>()?;
    while !input.peek(Token![>]) {
        let within = reduction::find(&name.to_string()).is_some_and(|row| row.weight == reduction::Weight::Radius);
        if within && input.peek(syn::LitFloat) {
            return Err(
                input.error(format!("the radius of `{name}` is the second formula: `{name}<j> {{ (f, radius) }}`"))
            );
        }
        match dimension(input)? {
            IntegerArg::Symbol(index) if index == "i" || index == "j" => {
                let category = if index == "i" { Category::I } else { Category::J };
                if over.replace(category).is_some() {
                    return Err(syn::Error::new(index.span(), "the index of the reduction is given twice"));
                }
            }
            number if k.is_none() => k = Some(number),
            number => return Err(syn::Error::new(number.span(), "a reduction takes one number at most")),
        }
        if !input.peek(Token![>]) {
            input.parse::<Token![,]>()?;
        }
    }
    input.parse::<Token![>]>()?;
    let Some(over) = over else {
        // an index with another name is not shown as a number
        let number = k.filter(|_| reduction::find(&name.to_string()).is_none_or(|row| row.takes_k));
        return missing(&number.map_or(String::new(), |k| format!("{k}, ")));
    };
    Ok(ReductionSpec { name, over, k })
}

/// The fault of a name that is not in the list, with a hint if one is near.
fn unknown<'a>(what: &str, name: &Ident, known: impl IntoIterator<Item = &'a str>) -> syn::Error {
    syn::Error::new(name.span(), format!("unknown {what} `{name}`{}", hint(&name.to_string(), known)))
}
