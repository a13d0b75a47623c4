//! The methods of a sum that is linear in a variable of the sources: the operator, and equations with it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{Printer, field};
use crate::{
    calls::{Call, adjoint_name, operator::Operator},
    ir::{dim::Dim, reduction::Scheme},
};

/// Prints `operator_b` and, where the result has as many components as `b`, `solve_b`.
pub(super) fn operators(printer: &Printer, call: &Call) -> TokenStream {
    // an operator needs the product with the transpose, which is a derivative
    if call.operators.is_empty() || printer.item.order == 0 {
        return TokenStream::new();
    }
    let (params, value, vjp) = (printer.const_params(), printer.marker(&call.name), printer.marker("Vjp"));
    // the gradient of a mean reads the number of terms, for which the operator of a mean has a call of its own
    let divided =
        call.passes.iter().any(|pass| Scheme::ALL.iter().any(|(_, scheme)| scheme.mean_path() == pass.reduction.path));
    let methods = call.operators.iter().map(|operator| {
        let Operator { variable, place, dim, width, multiple } = operator;
        let (field, name) = (field(variable), variable.trim_start_matches("r#"));
        let (method, solve) = (format_ident!("operator_{name}"), format_ident!("solve_{name}"));
        let adjoint = printer.marker(&if divided { adjoint_name(name) } else { format!("Vjp_{name}") });
        let doc = format!(
            "This sum as a linear operator on `{name}`: v -> a, with `v` in the place of `{name}`, of which only the \
             number of rows matters."
        );
        let (operator, b) = match (dim.const_argument(), width.const_argument()) {
            (Some(b), Some(a)) => (quote!(Operator<'a, T, #value, #adjoint, #b, #a>), Some(b)),
            // stable Rust cannot name the dimensions in a type
            _ => (quote!(DynOperator<'a, T, #value, #adjoint>), None),
        };
        let new = if b.is_some() {
            quote!(Operator::__new(self.state.views, settings, (#place, #multiple)))
        } else {
            let [b, a] = [dim, width].map(Dim::tokens);
            quote!(DynOperator::__new(self.state.views, settings, (#place, #multiple), const { [#b, #a] }))
        };
        let solve = (dim == width).then(|| {
            let doc = format!(
                "The solution v of (αI + K) v = `{name}`, where K v is this sum with `v` in the place of `{name}`, by \
                 conjugate gradients."
            );
            let (of, rows) = match &b {
                Some(b) => (quote!(Solve<'a, 'static, T, #value, #vjp, #b>), None),
                None => {
                    let dim = dim.tokens();
                    (quote!(DynSolve<'a, 'static, T, #value, #vjp>), Some(quote!(const { #dim },)))
                }
            };
            quote! {
                #[doc = #doc]
                pub fn #solve(self, alpha: f64) -> __p::#of {
                    let settings = __W::prepared::<#vjp>(__W::prepared::<#value>(self.state.settings));
                    <__p::#of>::__new(self.state.views, settings, (#place, #multiple), #rows alpha, |all, u| all.#field = u)
                }
            }
        });
        quote! {
            #[doc = #doc]
            ///
            /// # Errors
            /// Where the arguments do not fit together, see [`Error`](__p::Error).
            pub fn #method(
                self,
            ) -> ::core::result::Result<__p::#operator, __p::Error> {
                let settings = __W::prepared::<#adjoint>(__W::prepared::<#value>(self.state.settings));
                __p::#new
            }
            #solve
        }
    });
    quote! {
        impl<'a, #params T: __p::Element, __W: __p::Accuracy> Call<'a, T, #value, __W> {
            #(#methods)*
        }
    }
}
