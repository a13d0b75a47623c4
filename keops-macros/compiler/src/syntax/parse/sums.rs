//! The options of pykeops for the rounding of sums: `sum_scheme`, `dtype_acc` and `use_double_acc`.
//!
//! An accumulator is never less precise than the elements, so `dtype_acc = "float32"` changes nothing. An accumulator
//! in `f64` becomes a compensated sum, which keeps the digits of two elements, at least as many as `f64` has. The
//! total of `block_sum` has as many digits, and KeOps sums its blocks in the element type, too.

use proc_macro2::{Ident, Span};
use syn::{LitStr, parse::ParseStream};

use super::signature::{string, truth};
use crate::ir::reduction::Scheme;

/// The schemes of pykeops; `auto` is no choice.
const SCHEMES: [(&str, Option<Scheme>); 4] = [
    ("auto", None),
    ("direct_sum", Some(Scheme::Direct)),
    ("block_sum", Some(Scheme::Blocked)),
    ("kahan_scheme", Some(Scheme::Compensated)),
];
/// The types of accumulators, and whether they are `f64`.
const TYPES: [(&str, Option<bool>); 3] = [("auto", None), ("float32", Some(false)), ("float64", Some(true))];

/// The values of the options, with the tokens to point at.
#[derive(Default)]
pub(super) struct Sums {
    scheme: Option<(Option<Scheme>, Span)>,
    accumulator: Option<(Option<bool>, Span)>,
    double: Option<(bool, Span)>,
}

impl Sums {
    /// Reads the value of an option. Returns whether the option was given already.
    pub(super) fn parse(&mut self, key: &Ident, input: ParseStream) -> syn::Result<bool> {
        if key == "use_double_acc" {
            return Ok(self.double.replace(truth(input)?).is_some());
        }
        let text = string(input)?;
        if key == "sum_scheme" {
            let scheme = named("sum scheme", &text, &SCHEMES)?;
            return Ok(self.scheme.replace((scheme, text.span())).is_some());
        }
        let accumulator = named("accumulator", &text, &TYPES)?;
        Ok(self.accumulator.replace((accumulator, text.span())).is_some())
    }

    /// The scheme that the options choose, if they do; `own` is that of `#[keops(sum = ..)]`.
    pub(super) fn scheme(&self, own: Option<(Scheme, Span)>) -> syn::Result<Option<(Scheme, Span)>> {
        let fault = |span: Span, message: &str| Err(syn::Error::new(span, message));
        let double = match (self.accumulator, self.double) {
            (Some((Some(false), span)), Some((true, _))) => {
                return fault(span, "`use_double_acc = True` asks for another accumulator");
            }
            (Some((Some(true), span)), Some((false, _))) => {
                return fault(span, "`use_double_acc = False` asks for another accumulator");
            }
            (Some((Some(true), span)), _) | (_, Some((true, span))) => Some(span),
            _ => None,
        };
        let chosen = match (self.scheme, double) {
            (Some((Some(Scheme::Direct) | None, _)) | None, Some(span)) => Some((Scheme::Compensated, span)),
            (Some((Some(scheme), span)), _) => Some((scheme, span)),
            _ => None,
        };
        match (chosen, own) {
            (Some((_, span)), Some(_)) => fault(span, "`#[keops(sum = ..)]` says already how sums are rounded"),
            _ => Ok(chosen.or(own)),
        }
    }
}

/// The value that the string names.
fn named<T: Copy>(what: &str, text: &LitStr, known: &[(&'static str, T)]) -> syn::Result<T> {
    let value = text.value();
    let found = known.iter().find(|(name, _)| *name == value).map(|(_, found)| *found);
    found.ok_or_else(|| {
        let names: Vec<String> = known.iter().map(|(name, _)| format!("`{name}`")).collect();
        syn::Error::new(text.span(), format!("unknown {what} `{value}`: there are {}", names.join(", ")))
    })
}
