//! The last phase, printing, which cannot fail.
//!
//! Paths are absolute, below `::keops::__private`. Names that are not the user's are in the module of the function,
//! where the user has no names.

mod absent;
mod body;
pub mod device;
mod formula;
mod operator;
mod selection;

use std::path::{Path, PathBuf};

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote};

use crate::{
    calls::{Arguments, Call, Calls, Derivative, Output, Pass, PassReduction, Saved},
    ir::{
        dim::{Dim, const_generic},
        graph::{Category, Requirement},
    },
    syntax::{ast::Item, dimension},
};

/// Prints the function and its module. `kernels` is the folder of the kernels for GPUs, if kernels were built.
pub fn item(item: &Item, calls: &Calls, kernels: Option<&Path>) -> TokenStream {
    let function = function(item, calls);
    let module = module(item, calls, kernels);
    quote!(#function #module)
}

/// The item whose names are printed, and the folder of its kernels.
struct Printer<'a> {
    item: &'a Item,
    kernels: Option<&'a Path>,
}

impl Printer<'_> {
    /// The names of the const generics, as they are printed.
    fn generics(&self) -> Vec<Ident> {
        self.item.generics.iter().map(|generic| const_generic(&generic.to_string())).collect()
    }

    /// `const D: usize,` for each const generic.
    fn const_params(&self) -> TokenStream {
        let generics = self.generics();
        quote!(#(const #generics: usize,)*)
    }

    /// The marker type with its const generics.
    fn marker(&self, name: &str) -> TokenStream {
        let (name, generics) = (format_ident!("{name}"), self.generics());
        if generics.is_empty() { quote!(#name) } else { quote!(#name<#(#generics),*>) }
    }

    /// The definition of a marker type.
    fn define(&self, name: &str, doc: &str) -> TokenStream {
        let (name, params) = (format_ident!("{name}"), self.const_params());
        let params = if params.is_empty() { params } else { quote!(<#params>) };
        quote! {
            #[doc = #doc]
            pub struct #name #params;
        }
    }

    fn impl_params(&self) -> TokenStream {
        let params = self.const_params();
        if params.is_empty() { params } else { quote!(<#params>) }
    }
}

/// The number K of a reduction.
fn const_argument(dim: &Dim) -> TokenStream {
    dim.const_argument().expect("it was checked")
}

/// A dimension as an expression: a number or a name if it is one, else a sum of products.
fn width(dim: &Dim) -> TokenStream {
    dim.const_argument().unwrap_or_else(|| dim.tokens())
}

/// The type of rows of a result in the storage `S`. It is a matrix where stable Rust cannot name the dimension in a
/// type.
fn rows(element: &TokenStream, dim: &Dim) -> TokenStream {
    match dim.const_argument() {
        Some(dim) => quote!(S::Rows<#element, #dim>),
        None => quote!(S::Matrix<#element>),
    }
}

/// The name of a variable, which may be raw: `r#in`.
fn field(name: &str) -> Ident {
    match name.strip_prefix("r#") {
        Some(raw) => Ident::new_raw(raw, Span::call_site()),
        None => Ident::new(name, Span::call_site()),
    }
}

/// The trait that the type of an argument implements, with a lifetime and an element type, and the method that views
/// the argument. A dimension that stable Rust cannot name in a type is checked at run time.
fn argument(
    category: Category,
    dim: &Dim,
    lifetime: &TokenStream,
    element: &TokenStream,
) -> (TokenStream, TokenStream) {
    let parameter = category == Category::P;
    match dim.const_argument() {
        Some(dim) if parameter => (quote!(AsParameter<#lifetime, #element, #dim>), quote!(as_parameter())),
        Some(dim) => (quote!(AsRows<#lifetime, #element, #dim>), quote!(as_rows())),
        None => {
            let dim = dim.tokens();
            if parameter {
                (quote!(AsDynParameter<#lifetime, #element>), quote!(as_dyn_parameter(const { #dim })))
            } else {
                (quote!(AsDynRows<#lifetime, #element>), quote!(as_dyn_rows(const { #dim })))
            }
        }
    }
}

fn function(item: &Item, calls: &Calls) -> TokenStream {
    let printer = Printer { item, kernels: None };
    let (attributes, visibility, name) = (&item.attributes, &item.visibility, &item.name);
    let params = printer.const_params();
    let marker = if item.generics.is_empty() {
        quote!(#name::Value)
    } else {
        let generics = printer.generics();
        quote!(#name::Value<#(#generics),*>)
    };
    let names: Vec<&Ident> = item.variables.iter().map(|v| &v.name).collect();
    let arguments = item.variables.iter().map(|v| {
        let dim = dimension::written(&v.dim).expect("the dimensions of variables were checked");
        let (bound, view) = argument(v.category, &dim, &quote!('__keops), &quote!(__T));
        let name = &v.name;
        (quote!(impl ::keops::__private::#bound), quote!(#name.#view))
    });
    let (types, views): (Vec<TokenStream>, Vec<TokenStream>) = arguments.unzip();
    let requirements = calls.requirements.iter().map(|Requirement { end, whole, message }| {
        let (end, whole) = (end.tokens(), whole.tokens());
        quote!(const { ::core::assert!(#end <= #whole, #message) };)
    });
    quote! {
        #(#attributes)*
        #[allow(non_snake_case, clippy::too_many_arguments, reason = "the names and arguments are those of the formula")]
        #visibility fn #name<'__keops, #params __T: ::keops::__private::Element>(
            #(#names: #types),*
        ) -> #name::Call<'__keops, __T, #marker> {
            #(#requirements)*
            #name::Call::__new(::std::vec![#(#views),*])
        }
    }
}

fn module(item: &Item, calls: &Calls, kernels: Option<&Path>) -> TokenStream {
    let printer = Printer { item, kernels };
    let (visibility, name) = (&item.visibility, &item.name);
    let doc = format!("What [`{name}`](fn@{name}) gives: its calls, and the formulas behind them.");
    let call_type = call_type(item);
    let tolerance = tolerance(calls);
    let first = calls.selection.iter().chain(calls.saved.iter().filter_map(Saved::pass));
    let first = first.map(|pass| pass_tokens(&printer, pass, "What derivatives need for each target or source."));
    let calls_tokens = calls.calls.iter().map(|call| call_tokens(&printer, call, calls));
    let absent = absent::absent(&printer, calls);
    // attributes that decide whether the function exists and whether it is documented hold for its module too
    let attributes = item.attributes.iter().filter(|attribute| {
        let list = matches!(attribute.meta, syn::Meta::List(_));
        list && (attribute.path().is_ident("cfg") || attribute.path().is_ident("doc"))
    });
    quote! {
        #(#attributes)*
        #[doc = #doc]
        #[allow(
            non_camel_case_types, non_snake_case, non_upper_case_globals, unreachable_pub, dead_code, unused_variables, unused_mut,
            unused_imports, unused_parens, missing_debug_implementations, clippy::all, clippy::pedantic,
            reason = "written by keops!"
        )]
        #visibility mod #name {
            use ::keops::__private::{self as __p, ops};
            // a change of the variable compiles this anew
            const __PTX: ::core::option::Option<&'static str> = ::core::option_env!("KEOPS_PTX_DIR");
            #call_type
            #tolerance
            #(#first)*
            #(#calls_tokens)*
            #absent
        }
    }
}

/// The type of the calls. Only its documentation differs between formulas, by the name in it.
fn call_type(item: &Item) -> TokenStream {
    let name = &item.name;
    let doc = format!("A call of [`{name}`](fn@super::{name}) or of one of its derivatives, to be run by `eval`.");
    // without a variable of an index there is one row of it, which a derivative cannot tell from its own variables
    let has = |category| item.variables.iter().any(|variable| variable.category == category);
    let without =
        [(Category::I, quote!(I)), (Category::J, quote!(J))].into_iter().filter(|&(category, _)| !has(category));
    let without = without.map(|(_, index)| quote!(.without(__p::Index::#index)));
    quote!(__p::call! { #doc, __p::settings() #(#without)* })
}

/// The method `tolerance`, or a method of that name that says why there is none.
fn tolerance(calls: &Calls) -> TokenStream {
    if has_tolerance(calls) { quote!(__p::tolerance! {}) } else { quote!(__p::no_tolerance! {}) }
}

/// Whether the value need not be exact.
fn has_tolerance(calls: &Calls) -> bool {
    let sums = ["Sum", "DirectSum", "CompensatedSum", "LogSumExp", "SumSoftMaxWeight"];
    let passes = calls.calls.first().map_or(&[][..], |value| &value.passes);
    passes.iter().all(|pass| sums.contains(&pass.reduction.path))
}

fn call_tokens(printer: &Printer, call: &Call, calls: &Calls) -> TokenStream {
    let plan = plan(printer, call, calls);
    let derivatives = derivatives(printer, call);
    // the marker of a call of one pass is that of its formula; the call of all gradients has a marker besides those
    // of its passes
    let passes = call.passes.iter().map(|pass| pass_tokens(printer, pass, &call.doc));
    let own = (!call.passes.iter().any(|pass| pass.name == call.name)).then(|| printer.define(&call.name, &call.doc));
    let operators = operator::operators(printer, call);
    let in_pieces = in_pieces(printer, call);
    quote!(#own #(#passes)* #plan #in_pieces #derivatives #operators)
}

/// Says which rows may come in pieces. Derivatives of selected values gather rows of all pieces.
fn in_pieces(printer: &Printer, call: &Call) -> TokenStream {
    if call.selected.is_some() || call.passes.is_empty() {
        return TokenStream::new();
    }
    let (params, marker) = (printer.impl_params(), printer.marker(&call.name));
    let index = if printer.item.reduction.over == Category::I { quote!(I) } else { quote!(J) };
    quote! {
        impl #params __p::InPieces for #marker {
            const PIECES: __p::Index = __p::Index::#index;
        }
    }
}

fn pass_tokens(printer: &Printer, pass: &Pass, doc: &str) -> TokenStream {
    let define = printer.define(&pass.name, doc);
    let name = formula_name(printer, pass);
    let (params, marker) = (printer.impl_params(), printer.marker(&pass.name));
    let formula = formula::formula(&pass.program, &name, &params, &marker, &kernels(printer, pass));
    quote!(#define #formula)
}

fn formula_name(printer: &Printer, pass: &Pass) -> String {
    format!("{}: {}", printer.item.name, pass.name)
}

/// The constant that holds the kernels of a pass: all files in the folder whose names begin with its fingerprint, and
/// the files of total kernels if a part of the result is a total.
fn kernels(printer: &Printer, pass: &Pass) -> TokenStream {
    let Some(folder) = printer.kernels else { return TokenStream::new() };
    let name = device::fingerprint(printer, pass);
    // without a folder there are no kernels, which calls on a GPU report
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let total = pass.parts.iter().any(|part| part.total);
    let needed = |stem: &str| stem.starts_with(&name) || total && stem.starts_with("keops_total_");
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.file_stem().and_then(|stem| stem.to_str()).is_some_and(needed)).collect();
    files.sort();
    let with = |extension: &'static str| {
        let files = files.iter().filter(move |file| file.extension().is_some_and(|found| found == extension));
        files.filter_map(|file| Some((file.file_stem()?.to_str()?, file.to_str()?)))
    };
    let modules = with("ptx").map(|(stem, path)| quote!((#stem, ::core::include_str!(#path))));
    // a file is named `<name>.sm_90.cubin`
    let cubins = with("cubin").filter_map(|(stem, path)| {
        let (name, arch) = stem.rsplit_once(".sm_")?;
        let capability: u32 = arch.parse().ok()?;
        Some(quote!((#name, #capability, ::core::include_bytes!(#path))))
    });
    let generics = printer.generics();
    quote! {
        const CUDA: ::core::option::Option<__p::Cuda> = ::core::option::Option::Some(__p::Cuda {
            name: #name,
            dims: &[#(#generics),*],
            modules: &[#(#modules),*],
            cubins: &[#(#cubins),*],
        });
    }
}

fn reduction(reduction: &PassReduction) -> TokenStream {
    let PassReduction { path, k } = reduction;
    let path = Ident::new(path, Span::call_site());
    match k.as_ref().map(const_argument) {
        Some(k) => quote!(__p::#path<#k>),
        None => quote!(__p::#path),
    }
}

/// The `impl Plan` of a call: the type of the result, and the code that computes it.
fn eval(
    printer: &Printer,
    call: &Call,
    passes: usize,
    output: &TokenStream,
    (approximate, body): (&TokenStream, &TokenStream),
) -> TokenStream {
    let (params, marker) = (printer.impl_params(), printer.marker(&call.name));
    let count = Literal::usize_unsuffixed(passes);
    let passes = (passes > 1).then(|| quote!(const PASSES: u32 = #count;));
    quote! {
        impl #params __p::Plan for #marker {
            type Output<T: __p::Element, S: __p::Storage> = #output;
            #passes
            #approximate
            fn eval<T: __p::Element, S: __p::Storage>(
                views: &[__p::View<'_, T>],
                settings: &__p::Settings,
            ) -> ::core::result::Result<Self::Output<T, S>, __p::Error> {
                #body
            }
        }
    }
}

/// The method of `Plan` that adds the formulas of sums, of a call whose marker is not that of its formula. Programs without tolerances
/// compile nothing of it.
fn approximate(printer: &Printer, call: &Call, calls: &Calls) -> TokenStream {
    if !has_tolerance(calls) {
        return TokenStream::new();
    }
    let add = |pass: &Pass| {
        let (formula, reduction) = (printer.marker(&pass.name), reduction(&pass.reduction));
        quote!(__p::approximate::<#formula, #reduction>(to);)
    };
    let passes = call.passes.iter().map(add);
    // An error of what else is saved could not be told from those of terms.
    let saved = calls.needed(call).into_iter().filter_map(|k| calls.saved[k].pass());
    let saved: Vec<TokenStream> = saved.filter(|pass| pass.reduction.path == "LogSumExpSaved").map(add).collect();
    let shared = (!saved.is_empty()).then(|| quote!(to.share(2);));
    quote! {
        #[inline]
        fn approximate(to: &mut __p::Approximation) {
            #(#passes)*
            #(#saved)*
            #shared
        }
    }
}

/// The type of which `into_rows` takes a slice: a row, or a number of it where stable Rust cannot name the type of a
/// row.
fn row(dim: &Dim) -> TokenStream {
    dim.const_argument().map_or_else(|| quote!(T), |dim| quote!([T; #dim]))
}

/// The `impl PlanInto` of a call whose result is rows of `dim` numbers.
fn eval_into(printer: &Printer, call: &Call, dim: &Dim, body: &TokenStream) -> TokenStream {
    let (params, marker, row) = (printer.impl_params(), printer.marker(&call.name), row(dim));
    quote! {
        impl #params __p::PlanInto for #marker {
            type Row<T: __p::Element> = #row;
            fn eval_into<T: __p::Element>(
                views: &[__p::View<'_, T>],
                settings: &__p::Settings,
                out: &mut [#row],
            ) -> ::core::result::Result<(), __p::Error> {
                #body
            }
        }
    }
}

/// The definition of the type of all gradients of a call, and its name.
fn gradients(printer: &Printer, call: &Call, fields: &[(String, Dim)]) -> (TokenStream, Ident) {
    let name = format_ident!("{}Gradients", call.name.trim_end_matches("Vjp"));
    let const_params = printer.const_params();
    let names = fields.iter().map(|f| field(&f.0));
    let types = fields.iter().map(|f| rows(&quote!(T), &f.1));
    let docs = fields.iter().map(|f| format!("The gradient in `{}`.", f.0));
    let definition = quote! {
        /// All gradients of a call.
        #[derive(Clone, Debug)]
        pub struct #name<#const_params T: __p::Stored, S: __p::Storage = __p::Host> {
            #(#[doc = #docs] pub #names: #types,)*
        }
    };
    (definition, name)
}

/// The number of the argument that a part is the gradient in, as an `Option`.
fn gradient(number: Option<usize>) -> TokenStream {
    match number {
        Some(number) => quote!(::core::option::Option::Some(#number)),
        None => quote!(::core::option::Option::None),
    }
}

/// The statements that compute the saved rows which a call reads, and add them to its arguments.
fn saved(printer: &Printer, call: &Call, calls: &Calls) -> Option<TokenStream> {
    let rows = |reads: &[usize]| {
        let names = reads.iter().map(|k| format_ident!("saved_{k}"));
        quote!(&[#(&#names),*])
    };
    let passes = calls.needed(call).into_iter().map(|k| {
        let name = format_ident!("saved_{k}");
        let rows = match &calls.saved[k] {
            Saved::Pass { pass, arguments, reads } => {
                let (formula, reduction, reads) = (printer.marker(&pass.name), reduction(&pass.reduction), rows(reads));
                quote!(__p::saved::<T, #formula, #reduction>(views, #arguments, #reads, settings)?)
            }
            Saved::Centred { of, beside: Some(beside), .. } => {
                quote!(__p::centred_beside(#(&views[#of]),*, &[#(&views[#beside]),*], settings)?)
            }
            Saved::Centred { of, pass: None, .. } => quote!(__p::centred(#(&views[#of]),*, settings)?),
            Saved::Centred { of, pass: Some(pass), .. } => {
                let formula = printer.marker(&pass.name);
                quote!(__p::centred_rows::<T, #formula>(&[#(&views[#of]),*], settings)?)
            }
            Saved::Counts { arguments } => {
                let value = printer.marker("Value");
                quote!(__p::counts::<T, #value>(views, #arguments, settings)?)
            }
        };
        quote!(let #name = #rows;)
    });
    let appended = (!call.saved.is_empty()).then(|| {
        let all = rows(&call.saved);
        quote!(let views = &*__p::with_saved(views, #all);)
    });
    let replaced = (!call.replaced.is_empty()).then(|| {
        let rows = call.replaced.iter().map(|&(argument, k)| {
            let Saved::Centred { beside: Some(beside), .. } = &calls.saved[k] else { unreachable!("centred rows") };
            quote!((#argument, &[#(&views[#beside]),*]))
        });
        quote!(let views = &*__p::with_centred(views, [#(#rows),*], settings)?;)
    });
    (appended.is_some() || replaced.is_some()).then(|| quote!(#(#passes)* #replaced #appended))
}

/// The implementations that run a call: `OnePass` for the rows of one pass without saved rows, else `Plan` and, for
/// rows of values, `PlanInto`.
fn plan(printer: &Printer, call: &Call, calls: &Calls) -> TokenStream {
    let (params, marker) = (printer.impl_params(), printer.marker(&call.name));
    let Some(pass) = call.passes.first() else { return TokenStream::new() };
    if let (Some(selected), Some(found)) = (&call.selected, &calls.selection) {
        return selection::plan(printer, call, pass, selected, found);
    }
    let saved = saved(printer, call, calls);
    let (formula, reduced) = (printer.marker(&pass.name), reduction(&pass.reduction));
    let of = pass.parts.first().and_then(|part| part.gradient);
    let count = calls.passes(call);
    let eval = |output: TokenStream, body: TokenStream| {
        eval(printer, call, count, &output, (&approximate(printer, call, calls), &quote!(#saved #body)))
    };
    match &call.output {
        Output::Values(dim) if saved.is_none() => {
            let row = row(dim);
            let wide = dim.const_argument().is_none().then(|| {
                let dim = dim.tokens();
                quote!(const WIDTH: usize = #dim;)
            });
            let of = of.map(|of| {
                let of = gradient(Some(of));
                quote!(
                    const GRADIENT: ::core::option::Option<usize> = #of;
                )
            });
            quote! {
                impl #params __p::OnePass for #marker {
                    type Reduction = #reduced;
                    type Row<T: __p::Element> = #row;
                    #wide
                    #of
                }
            }
        }
        Output::Values(dim) => {
            let (width, of) = (width(dim), gradient(of));
            let plan = eval(
                rows(&quote!(T), dim),
                quote!(__p::rows::<T, #formula, #reduced, _>(views, settings, #of, #width)),
            );
            let body = quote!(#saved __p::rows_into::<T, #formula, #reduced, _>(views, settings, #of, #width, out));
            let into = eval_into(printer, call, dim, &body);
            quote!(#plan #into)
        }
        Output::Indices(dim) => {
            let (indices, width) = (rows(&quote!(u32), dim), width(dim));
            eval(indices, quote!(__p::index_rows::<T, #formula, #reduced, _>(views, settings, #width)))
        }
        Output::ValuesAndIndices(dim) => {
            let (values, indices, width) = (rows(&quote!(T), dim), rows(&quote!(u32), dim), width(dim));
            eval(
                quote!((#values, #indices)),
                quote!(__p::value_and_index_rows::<T, #formula, #reduced, _, _>(views, settings, #width)),
            )
        }
        Output::Lists => {
            eval(quote!(__p::Neighbours<T>), quote!(__p::neighbours::<T, #formula, #reduced>(views, settings)))
        }
        Output::Gradients(fields) => {
            let (definition, gradients) = gradients(printer, call, fields);
            let generics = printer.generics();
            let names: Vec<Ident> = fields.iter().map(|f| field(&f.0)).collect();
            let dims: Vec<TokenStream> = fields.iter().map(|f| width(&f.1)).collect();
            let passes = call.passes.iter().map(|pass| {
                let (formula, reduction) = (printer.marker(&pass.name), reduction(&pass.reduction));
                let parts = pass.parts.iter().map(|part| {
                    let (name, width, of) = (&names[part.field], &dims[part.field], gradient(part.gradient));
                    quote!(__p::Part { width: #width, gradient: #of, to: __p::Buffer::to(&mut out.#name) })
                });
                let rooms = pass.parts.iter().map(|part| {
                    let (name, width, of) = (&names[part.field], &dims[part.field], gradient(part.gradient));
                    quote!(out.#name = __p::Buffer::room(pass.rows_of(#of), #width)?;)
                });
                quote! {
                    let pass = __p::Pass::<T>::new::<#formula, #reduction>(views, settings)?;
                    #(#rooms)*
                    pass.run(&mut [#(#parts),*], ::core::option::Option::None)?;
                }
            });
            let plan = eval(
                quote!(#gradients<#(#generics,)* T, S>),
                quote! {
                    let mut out = #gradients { #(#names: ::core::default::Default::default()),* };
                    #(#passes)*
                    ::core::result::Result::Ok(out)
                },
            );
            quote!(#definition #plan)
        }
    }
}

/// The methods of a call that give its derivatives.
fn derivatives(printer: &Printer, call: &Call) -> TokenStream {
    if call.derivatives.is_empty() {
        return TokenStream::new();
    }
    let (params, marker) = (printer.const_params(), printer.marker(&call.name));
    let methods = call.derivatives.iter().map(|derivative| {
        let Derivative { method, doc, call, argument: (name, category, dim), arguments } = derivative;
        let Arguments { without, place } = *arguments;
        let place = Literal::usize_unsuffixed(place);
        let without = match without.map(Literal::usize_unsuffixed) {
            Some(without) => quote!(::core::option::Option::Some(#without)),
            None => quote!(::core::option::Option::None),
        };
        let (method, name) = (format_ident!("{method}"), format_ident!("{name}"));
        let (bound, view) = argument(*category, dim, &quote!('a), &quote!(T));
        let target = printer.marker(call);
        quote! {
            #[doc = #doc]
            pub fn #method(self, #name: impl __p::#bound) -> Call<'a, T, #target, W> {
                Call::of(self.state.derivative(#name.#view, #without, #place))
            }
        }
    });
    quote! {
        impl<'a, #params T: __p::Element, W> Call<'a, T, #marker, W> {
            #(#methods)*
        }
    }
}
