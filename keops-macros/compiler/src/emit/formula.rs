//! `impl Formula for ...`.

use proc_macro2::TokenStream;
use quote::quote;

use super::body::statements;
use crate::{
    dim::Dim,
    lower::{
        Program, Role,
        program::{Contraction, Stage},
    },
};

/// The implementation of `keops_core::formula::Formula` for `marker`.
pub(super) fn formula(program: &Program, name: &str, params: &TokenStream, marker: &TokenStream) -> TokenStream {
    let variables = program.variables.iter().map(|(name, role, dim)| {
        let role = match role {
            Role::Target => quote!(Target),
            Role::Source => quote!(Source),
            Role::Parameter => quote!(Parameter),
        };
        let dim = dim.tokens();
        quote!(__p::Variable { name: #name, role: __p::Role::#role, dim: #dim })
    });
    let contractions = program.contractions.iter().map(|contraction| {
        let kind = if contraction.squared_distance { quote!(SquaredDistance) } else { quote!(Dot) };
        let [target, source, len] = [&contraction.target, &contraction.source, &contraction.len].map(Dim::tokens);
        quote!(__p::Contraction { kind: __p::ContractionKind::#kind, target: #target, source: #source, len: #len })
    });
    let e = quote!(E);
    let storage = |dim: &Dim| dim.storage(&e);
    let p = storage(&program.parameters.dim);
    let i = storage(&program.target.dim);
    let j = storage(&program.source.dim);
    let c = storage(&Dim::number(program.contractions.len() as u64));
    let out = storage(&program.out);
    let parameters = hoisted(&program.parameters, &quote!(P));
    let target = hoisted(&program.target, &quote!(I));
    let source = hoisted(&program.source, &quote!(J));
    let contract = contract(&program.contractions);
    let pair = statements(&program.pair);
    quote! {
        impl #params __p::Formula for #marker {
            const NAME: &'static str = #name;
            const VARIABLES: &'static [__p::Variable] = &[#(#variables),*];
            const CONTRACTIONS: &'static [__p::Contraction] = &[#(#contractions),*];
            type P<E: Copy + Send + Sync + 'static> = #p;
            type I<E: Copy + Send + Sync + 'static> = #i;
            type J<E: Copy + Send + Sync + 'static> = #j;
            type C<E: Copy + Send + Sync + 'static> = #c;
            type Out<E: Copy + Send + Sync + 'static> = #out;
            #[inline(always)]
            fn parameters<R: __p::Real>(cx: R::Cx, x: &[R]) -> Self::P<R> {
                #parameters
            }
            #[inline(always)]
            fn target<R: __p::Real>(cx: R::Cx, p: &Self::P<R>, x: &[R]) -> Self::I<R> {
                let p = __p::Components::<R>::as_slice(p);
                #target
            }
            #[inline(always)]
            fn source<R: __p::Real>(cx: R::Cx, p: &Self::P<R>, x: &[R]) -> Self::J<R> {
                let p = __p::Components::<R>::as_slice(p);
                #source
            }
            #[inline(always)]
            fn contract<R: __p::Real>(cx: R::Cx, i: &Self::I<R>, j: &impl __p::SourceRow<R>) -> Self::C<R> {
                #contract
            }
            #[inline(always)]
            fn pair<R: __p::Real>(
                cx: R::Cx,
                p: &Self::P<R>,
                i: &Self::I<R>,
                j: &impl __p::SourceRow<R>,
                c: &Self::C<R>,
                sink: &mut impl __p::Sink<R>,
            ) {
                let p = __p::Components::<R>::as_slice(p);
                let i = __p::Components::<R>::as_slice(i);
                let c = __p::Components::<R>::as_slice(c);
                #pair
            }
        }
    }
}

fn hoisted(stage: &Stage, kind: &TokenStream) -> TokenStream {
    let body = statements(&stage.body);
    quote! {
        let mut left = <Self::#kind<R> as __p::Components<R>>::splat(R::lit(cx, 0.0));
        let out = __p::Components::<R>::as_mut_slice(&mut left);
        #body
        left
    }
}

fn contract(contractions: &[Contraction]) -> TokenStream {
    let parts = contractions.iter().enumerate().map(|(k, contraction)| {
        let [target, source, len] = [&contraction.target, &contraction.source, &contraction.len].map(Dim::tokens);
        let step = if contraction.squared_distance {
            quote! {
                let e = R::sub(cx, u, w);
                sum = R::mul_add(cx, e, e, sum);
            }
        } else {
            quote!(sum = R::mul_add(cx, u, w, sum);)
        };
        quote! {
            let mut sum = R::lit(cx, 0.0);
            for d in 0..#len {
                let (u, w) = (i[#target + d], j.get(cx, #source + d));
                #step
            }
            out[#k] = sum;
        }
    });
    quote! {
        let i = __p::Components::<R>::as_slice(i);
        let mut left = <Self::C<R> as __p::Components<R>>::splat(R::lit(cx, 0.0));
        let out = __p::Components::<R>::as_mut_slice(&mut left);
        #(#parts)*
        left
    }
}
