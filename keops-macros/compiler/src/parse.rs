//! Tokens to [`crate::ast`], in the three spellings.
//!
//! The loop over items is here; [`expr`] has the one grammar of formulas, [`genred`] the form of pykeops.

mod expr;
mod genred;
mod sums;

use proc_macro2::{Ident, Span};
use syn::{
    Token, braced, parenthesized,
    parse::{Parse, ParseStream, discouraged::Speculative},
};

use crate::{
    ast::{Block, Cuda, IntegerArg, Item, ReductionSpec, VariableDecl},
    error::hint,
    graph::Category,
    reduction::{self, Scheme},
};

/// The items of one `keops! { ... }`.
pub struct Input(pub Vec<Item>);

impl Parse for Input {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let mut items = Vec::new();
        while !input.is_empty() {
            items.push(item(input)?);
        }
        Ok(Input(items))
    }
}

fn item(input: ParseStream) -> syn::Result<Item> {
    let mut attributes = input.call(syn::Attribute::parse_outer)?;
    let own: Vec<syn::Attribute> = attributes.extract_if(.., |a| a.path().is_ident("keops")).collect();
    let options = options(&own)?;
    let visibility: syn::Visibility = input.parse()?;
    input.parse::<Token![fn]>()?;
    let name: Ident = input.parse()?;
    if input.peek(Token![=]) {
        return genred::item(input, attributes, &options, visibility, name);
    }
    let generics = generics(input)?;
    let cuda = options.cuda(&generics)?;
    let arguments;
    parenthesized!(arguments in input);
    let variables = arguments.parse_terminated(variable, Token![,])?.into_iter().collect();
    input.parse::<Token![->]>()?;
    let reduction = reduction(input)?;
    let content;
    braced!(content in input);
    let body = block(&content)?;
    let Options { order, scheme, .. } = options;
    Ok(Item { attributes, order, scheme, cuda, visibility, name, generics, variables, reduction, body })
}

/// What `#[keops(..)]` says.
struct Options {
    order: u32,
    /// `sum = direct`, with the token to point at.
    scheme: Option<(Scheme, Span)>,
    precise: bool,
    /// `cuda(D = 3)`, with the token to point at.
    instances: Vec<(Span, Vec<(Ident, u64)>)>,
}

impl Options {
    /// The options for GPUs of a function with these const generics.
    fn cuda(&self, generics: &[Ident]) -> syn::Result<Cuda> {
        let mut instances = Vec::new();
        for (span, values) in &self.instances {
            if let Some((name, _)) = values.iter().find(|(name, _)| !generics.contains(name)) {
                return Err(syn::Error::new(name.span(), format!("`{name}` is not a const generic of this function")));
            }
            let mut instance = Vec::new();
            for generic in generics {
                match values.iter().filter(|(name, _)| name == generic).collect::<Vec<_>>().as_slice() {
                    [(_, value)] => instance.push(*value),
                    [] => return Err(syn::Error::new(*span, format!("the value of `{generic}` is missing"))),
                    [.., (name, _)] => return Err(syn::Error::new(name.span(), format!("`{name}` is given twice"))),
                }
            }
            if !instances.contains(&instance) {
                instances.push(instance);
            }
        }
        Ok(Cuda { precise: self.precise, instances })
    }
}

fn options(attributes: &[syn::Attribute]) -> syn::Result<Options> {
    let (mut order, mut scheme, mut precise, mut instances) = (None, None, false, Vec::new());
    for attribute in attributes {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("precise") {
                if std::mem::replace(&mut precise, true) {
                    return Err(meta.error("`precise` is given twice"));
                }
            } else if meta.path.is_ident("cuda") {
                let mut values = Vec::new();
                meta.parse_nested_meta(|value| {
                    let name = value.path.require_ident()?.clone();
                    let number: syn::LitInt = value.value()?.parse()?;
                    values.push((name, number.base10_parse()?));
                    Ok(())
                })?;
                instances.push((meta.path.require_ident()?.span(), values));
            } else if meta.path.is_ident("order") {
                let value = integer(meta.value()?)?;
                let IntegerArg::Number(n @ 0..=4, _) = value else {
                    let message = "an order is 0, 1, 2, 3 or 4: each multiplies the code";
                    return Err(syn::Error::new(value.span(), message));
                };
                if order.replace(n as u32).is_some() {
                    return Err(meta.error("`order` is given twice"));
                }
            } else if meta.path.is_ident("sum") {
                let name: Ident = meta.value()?.parse()?;
                let Some((_, found)) = Scheme::ALL.into_iter().find(|(scheme, _)| name == scheme) else {
                    let message =
                        format!("unknown sum scheme `{name}`: there are `direct`, `blocked` and `compensated`");
                    return Err(syn::Error::new(name.span(), message));
                };
                if scheme.replace((found, name.span())).is_some() {
                    return Err(meta.error("`sum` is given twice"));
                }
            } else {
                let message = "unknown option: there are `order = n`, `sum = scheme`, `precise` and `cuda(D = n)`";
                return Err(meta.error(message));
            }
            Ok(())
        })?;
    }
    Ok(Options { order: order.unwrap_or(1), scheme, precise, instances })
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

/// `x: Vi<3>`
fn variable(input: ParseStream) -> syn::Result<VariableDecl> {
    let name: Ident = input.parse()?;
    input.parse::<Token![:]>()?;
    let kind: Ident = input.parse()?;
    let category = category(&kind)?;
    input.parse::<Token![<]>()?;
    let dim = integer(input)?;
    input.parse::<Token![>]>()?;
    Ok(VariableDecl { name, category, dim, raw: false })
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

/// A literal, maybe with a minus, or a const generic.
fn integer(input: ParseStream) -> syn::Result<IntegerArg> {
    if input.peek(syn::Ident) {
        return Ok(IntegerArg::Symbol(input.parse()?));
    }
    let minus: Option<Token![-]> = input.parse()?;
    let literal: syn::Lit = input.parse().map_err(|e| syn::Error::new(e.span(), "expected an integer"))?;
    let syn::Lit::Int(literal) = literal else {
        return Err(syn::Error::new(literal.span(), "expected an integer"));
    };
    let n: i64 = literal.base10_parse()?;
    Ok(IntegerArg::Number(if minus.is_some() { -n } else { n }, literal.span()))
}

/// `Sum<j>`, `KMin<10, j>`
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
        match integer(input)? {
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
        // an index with another name is no number
        let number = k.filter(|_| reduction::find(&name.to_string()).is_none_or(|row| row.takes_k));
        return match number {
            Some(IntegerArg::Number(k, _)) => missing(&format!("{k}, ")),
            Some(IntegerArg::Symbol(k)) => missing(&format!("{k}, ")),
            None => missing(""),
        };
    };
    Ok(ReductionSpec { name, over, k })
}

/// `let d = x - y; exp(-d)`, or with a tuple at the end.
fn block(input: ParseStream) -> syn::Result<Block> {
    let mut lets = Vec::new();
    while input.peek(Token![let]) {
        input.parse::<Token![let]>()?;
        let name: Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        lets.push((name, expr::expression(input)?));
        input.parse::<Token![;]>()?;
    }
    let span = if input.is_empty() { Span::call_site() } else { input.span() };
    let values = tuple(input)?;
    if !input.is_empty() {
        return Err(expr::unexpected(input));
    }
    Ok(Block { lets, values, span })
}

/// `f` or `(f, g)`: what is in parentheses is a tuple if nothing follows and there is a comma.
fn tuple(input: ParseStream) -> syn::Result<Vec<crate::ast::Expr>> {
    if input.peek(syn::token::Paren) {
        let ahead = input.fork();
        let content;
        parenthesized!(content in ahead);
        if ahead.is_empty()
            && let Ok(values) = content.parse_terminated(expr::expression, Token![,])
            && values.len() > 1
        {
            input.advance_to(&ahead);
            return Ok(values.into_iter().collect());
        }
    }
    Ok(vec![expr::expression(input)?])
}

/// A message for a name that is not in the list.
fn unknown<'a>(what: &str, name: &Ident, known: impl IntoIterator<Item = &'a str>) -> syn::Error {
    syn::Error::new(name.span(), format!("unknown {what} `{name}`{}", hint(&name.to_string(), known)))
}
