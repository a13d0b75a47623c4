//! Methods that exist for their error message only, see `keops_core::call::absent`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::Printer;
use crate::calls::{Call, Calls};

/// The methods for absent derivatives and operators. The calls without further derivatives implement `Last`, and so
/// have the former.
pub(super) fn absent(printer: &Printer, calls: &Calls) -> TokenStream {
    let names: Vec<String> = printer.item.variables.iter().map(|v| v.name.to_string()).collect();
    let names: Vec<&str> = names.iter().map(|name| name.trim_start_matches("r#")).collect();
    let derivatives = derivatives(printer, calls, &names);
    let value = calls.calls.first().map(|value| operators(printer, value, &names));
    let derived = operators_of_derivatives(printer, calls);
    quote!(#derivatives #value #derived)
}

/// The methods for derivatives, of the calls that have none.
fn derivatives(printer: &Printer, calls: &Calls, names: &[&str]) -> TokenStream {
    let last = calls.calls.iter().filter(|call| call.derivatives.is_empty());
    let (params, markers) = (printer.impl_params(), last.map(|call| printer.marker(&call.name)));
    let smooth = printer.item.order == 0 || calls.calls.first().is_some_and(|value| !value.derivatives.is_empty());
    let bound = if smooth { format_ident!("NextOrder") } else { format_ident!("Differentiable") };
    let named = names.iter().flat_map(|name| [format_ident!("vjp_{name}"), format_ident!("jvp_{name}")]);
    let gives = quote!(Call<'a, T, K, W>);
    let methods =
        named.chain([format_ident!("vjp")]).map(|method| absence(printer, &method, &quote!(_: A), &gives, &bound));
    quote! {
        #(impl #params __p::Last for #markers {})*
        impl<'a, T: __p::Element, K: __p::Last, W> Call<'a, T, K, W> {
            #(#methods)*
        }
    }
}

/// The methods `operator_v` and `solve_v` of the value, for variables v that do not have them.
fn operators(printer: &Printer, value: &Call, names: &[&str]) -> TokenStream {
    let (params, marker) = (printer.const_params(), printer.marker(&value.name));
    let methods = names.iter().map(|name| {
        let operator = value.operators.iter().find(|operator| operator.variable.trim_start_matches("r#") == *name);
        let (operator, solve) = match operator {
            None => (Some(format_ident!("Linear")), Some(format_ident!("Linear"))),
            Some(_) if printer.item.order == 0 => {
                (Some(format_ident!("FirstOrder")), Some(format_ident!("FirstOrder")))
            }
            Some(operator) => (None, (operator.dim != operator.width).then(|| format_ident!("Square"))),
        };
        let gives = quote!(::core::result::Result<__p::Operator<'a, T, #marker, #marker, 1, 1>, __p::Error>);
        let (method, none) = (format_ident!("operator_{name}"), TokenStream::new());
        let operator = operator.map(|bound| absence(printer, &method, &none, &gives, &bound));
        let gives = quote!(__p::Solve<'a, 'static, T, #marker, #marker, 1>);
        let method = format_ident!("solve_{name}");
        let solve = solve.map(|bound| absence(printer, &method, &quote!(_: A), &gives, &bound));
        quote!(#operator #solve)
    });
    quote! {
        impl<'a, #params T: __p::Element> Call<'a, T, #marker> {
            #(#methods)*
        }
    }
}

/// The methods `operator_v` and `solve_v` of derivatives, for variables v of which the value has an operator.
fn operators_of_derivatives(printer: &Printer, calls: &Calls) -> TokenStream {
    let Some((value, derivatives)) = calls.calls.split_first() else { return TokenStream::new() };
    if value.operators.is_empty() || derivatives.is_empty() {
        return TokenStream::new();
    }
    let (params, of) = (printer.impl_params(), printer.marker(&value.name));
    let markers = derivatives.iter().map(|call| printer.marker(&call.name));
    let methods = value.operators.iter().map(|operator| {
        let (name, bound) = (operator.variable.trim_start_matches("r#"), format_ident!("OfTheValue"));
        let (method, solve) = (format_ident!("operator_{name}"), format_ident!("solve_{name}"));
        let gives = quote!(::core::result::Result<__p::Operator<'a, T, K::Value, K::Value, 1, 1>, __p::Error>);
        let operator = absence(printer, &method, &TokenStream::new(), &gives, &bound);
        let gives = quote!(__p::Solve<'a, 'static, T, K::Value, K::Value, 1>);
        let solve = absence(printer, &solve, &quote!(_: A), &gives, &bound);
        quote!(#operator #solve)
    });
    quote! {
        #(impl #params __p::Derived for #markers {
            type Value = #of;
        })*
        impl<'a, T: __p::Element, K: __p::Derived> Call<'a, T, K> {
            #(#methods)*
        }
    }
}

/// A method that fails by its bound. It returns the type that the real method would return, so that code which uses
/// the result does not fail besides.
fn absence(
    printer: &Printer,
    method: &Ident,
    argument: &TokenStream,
    gives: &TokenStream,
    bound: &Ident,
) -> TokenStream {
    let generics = (!argument.is_empty()).then(|| quote!(<A>));
    // the message points at the bound, which is therefore placed at the function
    let span = Span::call_site().located_at(printer.item.name.span());
    let bound = Ident::new(&bound.to_string(), span);
    quote_spanned! { span=>
        #[doc(hidden)]
        pub fn #method #generics (self, #argument) -> #gives
        where
            T: __p::#bound,
        {
            match <T as __p::#bound>::NEVER {}
        }
    }
}
