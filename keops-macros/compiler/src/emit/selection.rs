//! Prints the `Plan` of a derivative of selected values.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::{Printer, eval, eval_into, field, gradient, gradients, reduction, rows, width};
use crate::{
    calls::{Call, Output, Pass, Selected, Side},
    ir::graph::Category,
};

/// The plan finds the selected pairs by the pass `found`, computes the formula of `pass` for each pair, and adds up
/// its parts.
pub(super) fn plan(printer: &Printer, call: &Call, pass: &Pass, selected: &Selected, found: &Pass) -> TokenStream {
    let over = printer.item.reduction.over;
    let side = |side: &Side| match side {
        Side::Pair => quote!(__p::Side::Pair),
        Side::Index(Category::P) => quote!(__p::Side::Parameter),
        Side::Index(index) if *index == over => quote!(__p::Side::Source),
        Side::Index(_) => quote!(__p::Side::Target),
    };
    let (formula, finder) = (printer.marker(&pass.name), printer.marker(&found.name));
    let (reduced, count) = (reduction(&found.reduction), printer.item.variables.len());
    let arguments: Vec<TokenStream> = selected.arguments.iter().map(side).collect();
    let sides: Vec<TokenStream> = selected.parts.iter().map(side).collect();
    let of: Vec<TokenStream> = pass.parts.iter().map(|part| gradient(part.gradient)).collect();
    let find = quote! {
        let selection = __p::Selection::find::<T, #finder, #reduced>(views, #count, settings)?;
        let sides = &[#(#arguments),*];
    };
    match &call.output {
        Output::Gradients(fields) => {
            let (definition, gradients) = gradients(printer, call, fields);
            let generics = printer.generics();
            let names: Vec<Ident> = fields.iter().map(|f| field(&f.0)).collect();
            let dims: Vec<TokenStream> = fields.iter().map(|f| width(&f.1)).collect();
            let output = quote!(#gradients<#(#generics,)* T, S>);
            let body = quote! {
                #find
                let mut out = #gradients { #(#names: __p::Buffer::room(selection.rows(views, #sides, #of), #dims)?),* };
                let parts = &mut [#(__p::SelectionPart { side: #sides, gradient: #of, width: #dims, to: __p::Buffer::to(&mut out.#names) }),*];
                selection.eval::<T, #formula>(views, sides, parts)?;
                ::core::result::Result::Ok(out)
            };
            let plan = eval(printer, call, 1, &output, (&TokenStream::new(), &body));
            quote!(#definition #plan)
        }
        Output::Values(dim) | Output::Indices(dim) | Output::ValuesAndIndices(dim) => {
            let (width, side, of) = (width(dim), &sides[0], &of[0]);
            let body = quote!(#find selection.part::<T, #formula, _>(views, sides, (#side, #of), #width));
            let plan = eval(printer, call, 1, &rows(&quote!(T), dim), (&TokenStream::new(), &body));
            let to = quote! {
                &mut [__p::SelectionPart {
                    side: #side, gradient: #of, width: #width, to: __p::RowOfResult::flatten(out).into()
                }]
            };
            let into = eval_into(printer, call, dim, &quote!(#find selection.eval::<T, #formula>(views, sides, #to)));
            quote!(#plan #into)
        }
        Output::Lists => unreachable!("lists have no derivatives"),
    }
}
