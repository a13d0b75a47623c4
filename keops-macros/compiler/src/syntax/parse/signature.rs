//! The arguments of `Genred`: those of pykeops 2.3, in the same order or by name.

use proc_macro2::{Ident, Span};
use syn::{
    LitStr, Token, bracketed,
    ext::IdentExt,
    parenthesized,
    parse::{ParseStream, discouraged::Speculative},
};

use super::{dimension, integer, sums::Sums, unknown};
use crate::syntax::ast::IntegerArg;

/// The names of the arguments, in the order that arguments without names have.
const ORDER: [&str; 14] = [
    "formula",
    "aliases",
    "reduction_op",
    "axis",
    "dtype",
    "opt_arg",
    "formula2",
    "cuda_type",
    "dtype_acc",
    "use_double_acc",
    "sum_scheme",
    "enable_chunks",
    "rec_multVar_highdim",
    "use_fast_math",
];
/// The arguments that may be `None`, as if they were left out.
const OPTIONAL: [&str; 4] = ["dtype", "opt_arg", "formula2", "cuda_type"];
/// The names of element types. They change nothing: the element type is that of the call's arguments.
const TYPES: [&str; 7] = ["float16", "float32", "float64", "half", "float", "double", "auto"];

/// The values of the arguments.
pub(super) struct Signature {
    pub(super) formula: LitStr,
    pub(super) aliases: Vec<LitStr>,
    pub(super) formula2: Option<LitStr>,
    pub(super) reduction: Option<Ident>,
    pub(super) axis: Option<u8>,
    pub(super) k: Option<IntegerArg>,
    pub(super) sums: Sums,
    /// `use_fast_math`, with the token to point at.
    pub(super) fast_math: Option<(bool, Span)>,
}

#[derive(Default)]
struct Arguments {
    formula: Option<LitStr>,
    aliases: Option<Vec<LitStr>>,
    formula2: Option<LitStr>,
    reduction: Option<Ident>,
    axis: Option<u8>,
    k: Option<IntegerArg>,
    sums: Sums,
    fast_math: Option<(bool, Span)>,
}

impl Signature {
    /// Reads the brackets of `Genred(..)`.
    pub(super) fn parse(input: ParseStream, genred: Span) -> syn::Result<Self> {
        let mut arguments = Arguments::default();
        let (mut seen, mut named) = (Vec::new(), false);
        while !input.is_empty() {
            let key = if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
                named = true;
                let key = input.call(Ident::parse_any)?;
                input.parse::<Token![=]>()?;
                key
            } else if named {
                return Err(input.error("arguments without a name stand before those with one"));
            } else if let Some(name) = ORDER.get(seen.len()) {
                Ident::new(name, input.span())
            } else {
                return Err(input.error(format!("`Genred` takes {} arguments", ORDER.len())));
            };
            let Some(name) = ORDER.into_iter().find(|name| key == name) else {
                return Err(unknown("option", &key, ORDER));
            };
            if seen.contains(&name) {
                return Err(syn::Error::new(key.span(), format!("`{key}` is given twice")));
            }
            seen.push(name);
            if !(OPTIONAL.contains(&name) && none(input)?) {
                arguments.value(name, &key, input)?;
            }
            if !input.is_empty() && input.parse::<Option<Token![,]>>()?.is_none() {
                return Err(input.error("expected `,`"));
            }
        }
        let missing = |what: &str| syn::Error::new(genred, format!("`Genred` needs {what}"));
        let Arguments { formula, aliases, formula2, reduction, axis, k, sums, fast_math } = arguments;
        let formula = formula.ok_or_else(|| missing("a formula, in a string"))?;
        let aliases = aliases.ok_or_else(|| missing("a list of aliases, like `[\"x = Vi(3)\", \"y = Vj(3)\"]`"))?;
        Ok(Signature { formula, aliases, formula2, reduction, axis, k, sums, fast_math })
    }
}

impl Arguments {
    /// Reads the value of an argument.
    fn value(&mut self, name: &str, key: &Ident, input: ParseStream) -> syn::Result<()> {
        match name {
            "formula" => self.formula = Some(string(input)?),
            "aliases" => self.aliases = Some(list(input)?),
            "formula2" => self.formula2 = Some(string(input)?),
            "reduction_op" => {
                let text = string(input)?;
                let ident = syn::parse_str::<Ident>(&text.value())
                    .map_err(|_| syn::Error::new(text.span(), format!("unknown reduction `{}`", text.value())))?;
                self.reduction = Some(Ident::new(&ident.to_string(), text.span()));
            }
            "axis" => match integer(input)? {
                IntegerArg::Number(axis @ (0 | 1), _) => self.axis = Some(axis as u8),
                other => {
                    return Err(syn::Error::new(other.span(), "`axis` is 1 (reduce over j) or 0 (reduce over i)"));
                }
            },
            "opt_arg" => self.k = Some(dimension(input)?),
            "dtype" | "cuda_type" => {
                let text = string(input)?;
                if !TYPES.contains(&text.value().as_str()) {
                    let message =
                        format!("unknown element type `{}`; it is that of the arguments anyway", text.value());
                    return Err(syn::Error::new(text.span(), message));
                }
            }
            "use_fast_math" => self.fast_math = Some(truth(input)?),
            // options for KeOps' kernels in high dimensions, which have no counterpart here
            "enable_chunks" | "rec_multVar_highdim" => drop(truth(input)?),
            _ => drop(self.sums.parse(key, input)?),
        }
        Ok(())
    }
}

/// Reads a string. As in Python, strings that follow each other, also with a `+` between them, are one.
pub(super) fn string(input: ParseStream) -> syn::Result<LitStr> {
    let span = input.span();
    const NO_FORMAT: &str = "a formula is a string as it is: a number that changes is an argument, like `s = Pm(1)`";
    if input.peek(Ident::peek_any) && input.peek2(LitStr) {
        return Err(input.error(NO_FORMAT));
    }
    let mut text = match input.parse() {
        Ok(syn::Lit::Str(text)) => text.value(),
        // `'Sum'`: rustc itself has already reported that a string needs double quotes
        Ok(syn::Lit::Verbatim(text)) if text.to_string().starts_with('\'') => text.to_string().replace('\'', ""),
        Ok(syn::Lit::Char(_)) => return Err(syn::Error::new(span, "a string stands in double quotes")),
        _ => return Err(syn::Error::new(span, "expected string literal")),
    };
    while input.peek(LitStr) || input.peek(Token![+]) && input.peek2(LitStr) {
        input.parse::<Option<Token![+]>>()?;
        text += &input.parse::<LitStr>()?.value();
    }
    if input.peek(Token![.]) || input.peek(Token![%]) || input.peek(Token![+]) {
        return Err(input.error(NO_FORMAT));
    }
    Ok(LitStr::new(&text, span))
}

/// Reads Python's `True` or `False`. Returns the value and the token.
pub(super) fn truth(input: ParseStream) -> syn::Result<(bool, Span)> {
    let name = input.call(Ident::parse_any)?;
    match name.to_string().as_str() {
        "True" => Ok((true, name.span())),
        "False" => Ok((false, name.span())),
        _ => Err(unknown("value", &name, ["True", "False"])),
    }
}

/// Reads a `None`, if there is one, and returns whether there is.
fn none(input: ParseStream) -> syn::Result<bool> {
    let ahead = input.fork();
    let none = ahead.peek(Ident::peek_any) && ahead.call(Ident::parse_any)? == "None";
    if none {
        input.advance_to(&ahead);
    }
    Ok(none)
}

/// Reads a list or a tuple of strings.
fn list(input: ParseStream) -> syn::Result<Vec<LitStr>> {
    let content;
    if input.peek(syn::token::Paren) {
        parenthesized!(content in input);
    } else {
        bracketed!(content in input);
    }
    Ok(content.parse_terminated(string, Token![,])?.into_iter().collect())
}
