//! Prints `impl Formula for ..`.

use std::collections::HashMap;

use proc_macro2::TokenStream;
use quote::quote;

use super::body::statements;
use crate::{
    ir::{dim::Dim, graph::Category},
    lower::{
        Program,
        program::{self, Expr, Hoisted, Origin, Role, Stmt, sum},
    },
};

/// Prints the implementation of `keops_core::formula::Formula` for `marker`. `cuda` is the constant that holds the
/// kernels.
pub(super) fn formula(
    program: &Program,
    name: &str,
    params: &TokenStream,
    marker: &TokenStream,
    cuda: &TokenStream,
) -> TokenStream {
    let variables = program.variables.iter().map(|(name, role, dim)| {
        let role = match role {
            Role::Target => quote!(target),
            Role::Source => quote!(source),
            Role::Parameter => quote!(parameter),
        };
        let dim = dim.tokens();
        quote!(__p::Variable::#role(#name, #dim))
    });
    let contractions = program.contractions.iter().map(|contraction| {
        let kind = if contraction.squared_distance { quote!(squared_distance) } else { quote!(dot) };
        let [target, source, len] = [&contraction.target, &contraction.source, &contraction.len].map(Dim::tokens);
        quote!(__p::Contraction::#kind(#target, #source, #len))
    });
    let stages = hoisted_stages(program);
    let constants = optional_constants(program, stages.keeps_sources);
    let storage = storage(program);
    let (stages, pair) = (stages.functions, statements(&program.pair));
    quote! {
        impl #params __p::Formula for #marker {
            const NAME: &'static str = #name;
            const VARIABLES: &'static [__p::Variable] = &[#(#variables),*];
            const CONTRACTIONS: &'static [__p::Contraction] = &[#(#contractions),*];
            #constants
            #cuda
            #storage
            #stages
            #[inline(always)]
            fn pair<R: __p::Real>(
                cx: R::Cx,
                p: &[R],
                i: &impl __p::Row<R>,
                j: &impl __p::Row<R>,
                c: &[R],
                sink: &mut impl __p::Sink<R>,
            ) {
                #pair
            }
        }
    }
}

/// The constants that have a default in the trait, where this formula differs from it.
fn optional_constants(program: &Program, keeps_sources: bool) -> TokenStream {
    let targets = (program.targets == Category::J).then(|| {
        quote!(
            const TARGETS: __p::Index = __p::Index::J;
        )
    });
    let scaled = program.scaled.as_ref().map(|(contraction, factor)| {
        let factor = factor.tokens();
        quote! {
            const SCALED: ::core::option::Option<__p::Scaled> =
                ::core::option::Option::Some(__p::Scaled::new(#contraction, #factor));
        }
    });
    let keeps_sources = keeps_sources.then(|| {
        quote!(
            const KEEPS_SOURCES: bool = true;
        )
    });
    let stages = [&program.parameters.body, &program.target.body, &program.source.body, &program.pair];
    let locals = stages.into_iter().fold(Dim::default(), |most, body| sum(&most, &program::locals(body)));
    let locals = (locals.value().is_none_or(|numbers| numbers > FEW_LOCALS)).then(|| {
        let locals = locals.tokens();
        quote!(
            const LOCALS: usize = #locals;
        )
    });
    quote!(#targets #scaled #keeps_sources #locals)
}

/// The types of the trait: storage for the rows that stages leave, for the contractions, and for the components of f.
fn storage(program: &Program) -> TokenStream {
    let contractions = Dim::number(program.contractions.len() as u64);
    let dims = [&program.parameters.dim, &program.target.dim, &program.source.dim, &contractions, &program.out];
    let [p, i, j, c, out] = dims.map(|dim| dim.storage(&quote!(E)));
    quote! {
        type Parameters<E: __p::Item> = #p;
        type Target<E: __p::Item> = #i;
        type Source<E: __p::Item> = #j;
        type Contractions<E: __p::Item> = #c;
        type Output<E: __p::Item> = #out;
    }
}

/// The printed functions of the hoisted stages.
struct HoistedStages {
    functions: TokenStream,
    /// Whether the source stage leaves the variables as they are.
    keeps_sources: bool,
}

/// Prints the hoisted stages. A stage that leaves the variables as they are is the trait's default, and is not printed.
fn hoisted_stages(program: &Program) -> HoistedStages {
    let hoisted = |role: Role, stage: &Hoisted, signature: TokenStream| {
        let mut dims = program.variables.iter().filter(|variable| variable.1 == role).map(|variable| &variable.2);
        let width = dims.try_fold(Dim::default(), |sum, dim| sum.checked_add(dim));
        let kept = width.as_ref() == Some(&stage.dim) && keeps(&stage.body);
        (!kept).then(|| {
            let body = statements(&stage.body);
            quote!(#[inline(always)] fn #signature { #body })
        })
    };
    let parameters = hoisted(
        Role::Parameter,
        &program.parameters,
        quote!(parameters<R: __p::Real>(cx: R::Cx, x: &[R], out: &mut [R])),
    );
    let target = hoisted(
        Role::Target,
        &program.target,
        quote!(target<R: __p::Real>(cx: R::Cx, p: &[R], x: &[R], out: &mut [R])),
    );
    let source = hoisted(
        Role::Source,
        &program.source,
        quote!(source<R: __p::Real>(cx: R::Cx, p: &[R], x: &[R], out: &mut [R])),
    );
    HoistedStages { keeps_sources: source.is_none(), functions: quote!(#parameters #target #source) }
}

/// The most numbers in arrays of a formula that engines need not reckon with: they fit on any stack.
const FEW_LOCALS: u64 = 256;

/// Whether the statements do nothing but copy components of the variables to the same index.
fn keeps(statements: &[Stmt]) -> bool {
    let mut read = HashMap::new();
    statements.iter().all(|statement| match statement {
        Stmt::Let(t, Expr::Read(Origin::Raw, from)) => read.insert(t, from).is_none(),
        Stmt::Write(to, Expr::Temp(t)) => read.get(t) == Some(&to),
        Stmt::For(_, _, body) => keeps(body),
        _ => false,
    })
}
