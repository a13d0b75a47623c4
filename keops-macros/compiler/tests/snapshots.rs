//! Snapshots: the expansions of characteristic formulas as pretty-printed Rust, in which a change of the compiler
//! shows.
//!
//! A snapshot holds the implementations of `Formula` for some calls of a function. The code around them is the same
//! for all functions, and is shown once.

use proc_macro2::TokenStream;
use syn::{Item, Type};

fn expand(input: &str) -> syn::File {
    let tokens: TokenStream = input.parse().unwrap();
    syn::parse2(keops_compiler::expand(tokens)).unwrap()
}

/// The implementations of `Formula` for these marker types.
fn formulas(input: &str, markers: &[&str]) -> String {
    let mut file = expand(input);
    let module = file.items.into_iter().find_map(|item| match item {
        Item::Mod(module) => Some(module.content.unwrap().1),
        _ => None,
    });
    let is_wanted = |item: &Item| {
        let Item::Impl(item) = item else { return false };
        let Some(of) = &item.trait_ else { return false };
        let Type::Path(marker) = &*item.self_ty else { return false };
        let marker = marker.path.segments[0].ident.to_string();
        of.0.segments.last().unwrap().ident == "Formula" && markers.contains(&marker.as_str())
    };
    file.items = module.unwrap().into_iter().filter(is_wanted).collect();
    assert_eq!(file.items.len(), markers.len(), "one implementation for each marker type");
    prettyplease::unparse(&file)
}

macro_rules! snapshots {
    ($($(#[$doc:meta])* $name:ident($($marker:literal),+): $input:literal;)+) => {
        $(
            $(#[$doc])*
            #[test]
            fn $name() {
                insta::assert_snapshot!(stringify!($name), formulas($input, &[$($marker),+]), $input);
            }
        )+
    };
}

snapshots! {
    gaussian("Value", "Vjp_x", "Vjp_g", "Jvp_x"):
        "fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }";
    /// Without a parameter the parameter stage leaves nothing.
    gaussian_of_unit_scale("Value", "VjpI"):
        "fn f(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { gaussian(x, y) * b }";
    const_generic("Value", "Vjp_y"):
        "fn f<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }";
    /// A wide right-hand side goes to the reduction in one piece. `E` is printed differently: the expansion has an `E`.
    wide("Value", "Vjp_b"):
        "fn f<const D: usize, const E: usize>(x: Vi<D>, y: Vj<D>, b: Vj<E>) -> Sum<j> { cauchy(x, y) * b }";
    log_sum_exp("Value", "Saved", "Vjp_x"):
        "fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> LogSumExp<j> { (-g * sqdist(x, y), b) }";
    attention("Value", "VjpI", "VjpJ"):
        "fn f<const D: usize>(q: Vi<D>, k: Vj<D>, v: Vj<D>) -> SumSoftMaxWeight<j> { ((q | k) * 0.125, v) }";
    nearest("Value"):
        "fn f(x: Vi<64>, y: Vj<64>) -> KMinArgKMin<10, j> { sqdist(x, y) }";
    matrix("Value", "Vjp_a"):
        "fn f(a: Pm<12>, x: Vi<3>, y: Vj<4>) -> Sum<j> { (x | mat_vec(a, y)) * x }";
    concatenated("Value", "Vjp_y"):
        "fn f(x: Vi<2>, y: Vj<3>) -> Sum<j> { concat(x, exp(y)) * (1 + sqnorm2(x)) }";
    /// The formula of `high_level` in KeOps' spelling, with a parameter.
    keops_names("Value"):
        "fn f(G: Pm<1>, X: Vi<3>, Y: Vj<3>, U: Vi<2>, V: Vj<2>) -> Sum<j> \
         { Exp(-G*SqDist(X,Y)) * ( IntCst(1) + Pow((U|V), 2) ) }";
    high_level("Value", "Vjp_x", "Vjp_u"):
        "fn f(x: Vi<3>, y: Vj<3>, u: Vi<2>, v: Vj<2>) -> Sum<j> { gaussian(x,y) * (1+linear(u,v)**2) }";
    genred("Value"):
        r#"fn f = Genred("Exp(-G*SqDist(X,Y))*B", ["G = Pm(1)", "X = Vi(3)", "Y = Vj(3)", "B = Vj(2)"], axis = 0);"#;
    laplacian("Value"):
        "fn f<const D: usize>(x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> { laplacian(gaussian(x, y), x) * b }";
    metric("Value", "Vjp_s"):
        "fn f(s: Pm<9>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { gaussian(x, y, s) * b }";
}

/// The function and its module, without what the other snapshots show.
#[test]
fn function_and_module() {
    let mut file = expand(
        "/// A documented sum.\npub fn f<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<3>) -> Sum<j> { exp(g) * sum(y) * x }",
    );
    for item in &mut file.items {
        if let Item::Mod(module) = item {
            module.content.as_mut().unwrap().1.retain(|item| match item {
                Item::Impl(item) => {
                    item.trait_.as_ref().is_none_or(|of| of.0.segments.last().unwrap().ident != "Formula")
                }
                _ => true,
            });
        }
    }
    insta::assert_snapshot!(prettyplease::unparse(&file));
}
