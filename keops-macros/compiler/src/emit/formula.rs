//! `impl Formula for ...`.

use std::collections::HashMap;

use proc_macro2::TokenStream;
use quote::quote;

use super::body::statements;
use crate::{
    ir::{dim::Dim, graph::Category},
    lower::{
        Program, Role,
        program::{self, Expr, Place, Stage, Stmt, sum},
    },
};

/// The implementation of `keops_core::formula::Formula` for `marker`; `cuda` are its kernels.
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
    let targets = (program.targets == Category::J).then(|| {
        quote!(
            const TARGETS: __p::Index = __p::Index::J;
        )
    });
    let contractions = program.contractions.iter().map(|contraction| {
        let kind = if contraction.squared_distance { quote!(squared_distance) } else { quote!(dot) };
        let [target, source, len] = [&contraction.target, &contraction.source, &contraction.len].map(Dim::tokens);
        quote!(__p::Contraction::#kind(#target, #source, #len))
    });
    let scaled = program.scaled.as_ref().map(|(contraction, factor)| {
        let factor = factor.tokens();
        quote! {
            const SCALED: ::core::option::Option<__p::Scaled> =
                ::core::option::Option::Some(__p::Scaled::new(#contraction, #factor));
        }
    });
    let e = quote!(E);
    let storage = |dim: &Dim| dim.storage(&e);
    let p = storage(&program.parameters.dim);
    let i = storage(&program.target.dim);
    let j = storage(&program.source.dim);
    let c = storage(&Dim::number(program.contractions.len() as u64));
    let out = storage(&program.out);
    let width = |role| {
        let mut dims = program.variables.iter().filter(|variable| variable.1 == role).map(|variable| &variable.2);
        dims.try_fold(Dim::default(), |sum, dim| sum.checked_add(dim))
    };
    // a stage that leaves the variables as they are is what the trait does by itself
    let hoisted = |role, stage: &Stage, signature: TokenStream| {
        let kept = width(role).as_ref() == Some(&stage.dim) && keeps(&stage.body);
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
    let keeps_sources = source.is_none().then(|| {
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
    let pair = statements(&program.pair);
    quote! {
        impl #params __p::Formula for #marker {
            const NAME: &'static str = #name;
            const VARIABLES: &'static [__p::Variable] = &[#(#variables),*];
            const CONTRACTIONS: &'static [__p::Contraction] = &[#(#contractions),*];
            #targets
            #scaled
            #keeps_sources
            #locals
            #cuda
            type Parameters<E: __p::Item> = #p;
            type Target<E: __p::Item> = #i;
            type Source<E: __p::Item> = #j;
            type Contractions<E: __p::Item> = #c;
            type Output<E: __p::Item> = #out;
            #parameters
            #target
            #source
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

/// Arrays of so many numbers fit beside everything else.
const FEW_LOCALS: u64 = 256;

/// Whether all that the statements do is copy components of the variables to the same place.
fn keeps(statements: &[Stmt]) -> bool {
    let mut read = HashMap::new();
    statements.iter().all(|statement| match statement {
        Stmt::Let(t, Expr::Read(Place::Raw, from)) => read.insert(t, from).is_none(),
        Stmt::Write(to, Expr::Temp(t)) => read.get(t) == Some(&to),
        Stmt::For(_, _, body) => keeps(body),
        _ => false,
    })
}
