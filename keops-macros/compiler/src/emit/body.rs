//! Prints statements and expressions. A hoisted stage leaves components in `out`, the pair stage hands them to
//! `sink`.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::lower::program::{Expr, Ix, Origin, Role, Scope, Stmt};

fn temp(t: u32) -> Ident {
    format_ident!("t{t}")
}

fn array(a: u32) -> Ident {
    format_ident!("a{a}")
}

fn variable(d: u32) -> Ident {
    format_ident!("d{d}")
}

/// Prints statements in their order.
pub(super) fn statements(body: &[Stmt]) -> TokenStream {
    body.iter().map(statement).collect()
}

fn statement(stmt: &Stmt) -> TokenStream {
    match stmt {
        Stmt::Let(t, value) => {
            let (t, value) = (temp(*t), expression(value));
            quote!(let #t = #value;)
        }
        Stmt::Start(t, value) => {
            let (t, value) = (temp(*t), expression(value));
            quote!(let mut #t = #value;)
        }
        Stmt::Replace(t, value) => {
            let (t, value) = (temp(*t), expression(value));
            quote!(#t = #value;)
        }
        Stmt::Accumulate(t, a, b) => {
            let (t, a) = (temp(*t), expression(a));
            match b.as_ref().map(expression) {
                Some(b) => quote!(#t = R::mul_add(cx, #a, #b, #t);),
                None => quote!(#t = R::add(cx, #t, #a);),
            }
        }
        Stmt::Array(a, dim) => {
            let (a, storage) = (array(*a), dim.storage(&quote!(R)));
            quote! {
                let mut #a = <#storage as __p::Components<R>>::splat(R::lit(cx, 0.0));
                let #a = __p::Components::<R>::as_mut_slice(&mut #a);
            }
        }
        Stmt::Store(a, index, value) => {
            let (a, index, value) = (array(*a), ix(index), expression(value));
            quote!(#a[#index] = #value;)
        }
        Stmt::For(d, dim, body) => {
            let body = match body.as_slice() {
                [before @ .., Stmt::Let(difference, Expr::Call("sub", args)), Stmt::Accumulate(t, a, Some(b))] => {
                    let last = scaled_difference(*t, (a, b), *difference, args);
                    last.map(|last| [statements(before), last].into_iter().collect())
                }
                _ => None,
            }
            .unwrap_or_else(|| statements(body));
            let (d, dim) = (variable(*d), dim.tokens());
            quote!(let mut #d = 0; while #d < #dim { #body #d += 1; })
        }
        Stmt::Section { array: a, body, left } => {
            let (a, body) = (array(*a), statements(body));
            if left.is_empty() {
                return quote!(R::apart(cx, #[inline(always)] |cx| { #body }););
            }
            let left = left.iter().map(|t| temp(*t));
            quote!(let #a = R::apart(cx, #[inline(always)] |cx| { #body [#(#left),*] });)
        }
        Stmt::Write(index, value) => {
            let (index, value) = (ix(index), expression(value));
            quote!(out[#index] = #value;)
        }
        Stmt::Put(index, a, b) => {
            let (index, a) = (ix(index), expression(a));
            match b.as_ref().map(expression) {
                Some(b) => quote!(sink.put_product(cx, #index, #a, #b);),
                None => quote!(sink.put(cx, #index, #a);),
            }
        }
        Stmt::PutScaled { to, scale, from, len } => {
            let (to, scale, from, len) = (to.tokens(), expression(scale), from.tokens(), len.tokens());
            quote!(sink.put_scaled(cx, #to, #scale, j, #from, #len);)
        }
        Stmt::PutDifferences { to, scale, contraction, flipped } => {
            let (to, scale) = (to.tokens(), expression(scale));
            let differences = quote!(__p::Differences::of(Self::CONTRACTIONS, #contraction, #flipped));
            quote!(sink.put_differences(cx, #to, #scale, (i, j), #differences);)
        }
    }
}

/// Prints the addition of a difference times another factor as one operation; `None` if the product is not of this
/// form. As two operations, the differences for all sources of a bundle would be computed first, and take the
/// registers of the sums.
fn scaled_difference(sum: u32, (a, b): (&Expr, &Expr), difference: u32, args: &[Expr]) -> Option<TokenStream> {
    let scale = match (a, b) {
        (Expr::Temp(a), b) if *a == difference => b,
        (a, Expr::Temp(b)) if *b == difference => a,
        _ => return None,
    };
    let is_another = match scale {
        Expr::Temp(t) => *t != difference,
        Expr::Lit(_) | Expr::Read(..) => true,
        _ => false,
    };
    let (sum, scale, args) = (temp(sum), expression(scale), args.iter().map(expression));
    is_another.then(|| quote!(#sum = R::add_scaled_difference(cx, #scale, #(#args),*, #sum);))
}

fn expression(value: &Expr) -> TokenStream {
    match value {
        Expr::Temp(t) => {
            let t = temp(*t);
            quote!(#t)
        }
        Expr::Lit(x) => quote!(R::lit(cx, #x)),
        Expr::Read(origin, index) => {
            let index = ix(index);
            match origin {
                Origin::Raw => quote!(x[#index]),
                Origin::Left(Role::Parameter) => quote!(p[#index]),
                Origin::Left(Role::Target) => quote!(i.get(cx, #index)),
                Origin::Left(Role::Source) => quote!(j.get(cx, #index)),
                Origin::Contractions => quote!(c[#index]),
                Origin::Array(a) => {
                    let a = array(*a);
                    quote!(#a[#index])
                }
            }
        }
        Expr::Call(name, args) => {
            let name = Ident::new(name, proc_macro2::Span::call_site());
            let args = args.iter().map(expression);
            quote!(ops::#name(cx, #(#args),*))
        }
        Expr::Integer(n) => quote!(#n),
        Expr::Factor(x) => quote!(#x),
        Expr::Index(index) => {
            let index = ix(index);
            quote!(R::lit(cx, (#index) as f64))
        }
        Expr::Branch(index, limit, yes, no) => {
            let (index, limit, yes, no) = (ix(index), limit.tokens(), scope(yes), scope(no));
            quote!(if #index < (#limit) { #yes } else { #no })
        }
    }
}

fn scope(scope: &Scope) -> TokenStream {
    let (body, value) = (statements(&scope.body), expression(&scope.value));
    quote!(#body #value)
}

fn ix(index: &Ix) -> TokenStream {
    match index {
        Ix::Number(n) => n.tokens(),
        Ix::Loop(d) => {
            let d = variable(*d);
            quote!(#d)
        }
        Ix::Add(a, n) => {
            let (a, n) = (ix(a), n.tokens());
            quote!(#a + #n)
        }
        Ix::Sub(a, n) => {
            let (a, n) = (ix(a), n.tokens());
            quote!((#a - (#n)))
        }
        Ix::Row(a, n, b) => {
            let (a, n, b) = (ix(a), n.tokens(), ix(b));
            quote!(((#a) * (#n) + #b))
        }
        Ix::Times(a, n) => {
            let (a, n) = (ix(a), n.tokens());
            quote!((#a) * (#n))
        }
        Ix::Sum(a, b) => {
            let (a, b) = (ix(a), ix(b));
            quote!((#a + #b))
        }
        Ix::Div(a, n) => {
            let (a, n) = (ix(a), n.tokens());
            quote!((#a) / (#n))
        }
        Ix::Rem(a, n) => {
            let (a, n) = (ix(a), n.tokens());
            quote!((#a) % (#n))
        }
    }
}
