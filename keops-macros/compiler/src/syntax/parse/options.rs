//! The attribute `#[keops(..)]`.

use proc_macro2::{Ident, Span};

use super::integer;
use crate::{
    ir::reduction::Scheme,
    syntax::ast::{Cuda, IntegerArg},
};

/// The options of `#[keops(..)]`.
pub(super) struct Options {
    pub(super) order: u32,
    /// `sum = direct`, with the token to point at.
    pub(super) scheme: Option<(Scheme, Span)>,
    pub(super) precise: bool,
    /// `cuda(D = 3)`, with the token to point at.
    instances: Vec<(Span, Vec<(Ident, u64)>)>,
}

impl Options {
    /// The options for GPUs, of a function with these const generics.
    pub(super) fn cuda(&self, generics: &[Ident]) -> syn::Result<Cuda> {
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

pub(super) fn options(attributes: &[syn::Attribute]) -> syn::Result<Options> {
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
