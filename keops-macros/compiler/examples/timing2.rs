use std::time::Instant;
use keops_compiler::*;
fn main() {
    for text in ["pub fn gaussian(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }", "#[keops(order = 2)] pub fn gaussian(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }"] {
    for _ in 0..3 {
    let t0 = Instant::now();
    let tokens: proc_macro2::TokenStream = text.parse().unwrap();
    let t1 = Instant::now();
    let item = syn::parse2::<parse::Input>(tokens).ok().unwrap().0.pop().unwrap();
    let t2 = Instant::now();
    let checked = check::check(&item).ok().unwrap();
    let t3 = Instant::now();
    let calls = calls::calls(&item, checked).ok().unwrap();
    let t4 = Instant::now();
    let out = emit::item(&item, &calls);
    let t5 = Instant::now();
    println!("lex {:?} parse {:?} check {:?} calls {:?} emit {:?} {}", t1-t0, t2-t1, t3-t2, t4-t3, t5-t4, out.into_iter().count());
    }}
}
