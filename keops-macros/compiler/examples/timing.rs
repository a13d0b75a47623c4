use std::time::Instant;
fn main() {
    let run = |name: &str, text: &str| {
        let mut best = f64::MAX; let mut len = 0;
        for _ in 0..5 {
            let tokens: proc_macro2::TokenStream = text.parse().unwrap();
            let t = Instant::now();
            let out = keops_compiler::expand(tokens);
            best = best.min(t.elapsed().as_secs_f64());
            len = out.to_string().len();
        }
        println!("{name}: {:.2} ms, {len} bytes", best * 1e3);
    };
    run("gaussian", "pub fn gaussian(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }");
    run("gaussian order 2", "#[keops(order = 2)] pub fn gaussian(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }");
    run("gaussian order 3", "#[keops(order = 3)] pub fn gaussian(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }");
    for n in [10, 32, 64, 128, 256] {
        run(&format!("{n} lets"), &format!("fn f(x: Vi<3>, y: Vj<3>) -> Sum<j> {{ let z = x - y; {} z }}", "let z = sin(z * y) + x; ".repeat(n)));
        run(&format!("{n} sum"), &format!("fn f(x: Vi<3>, y: Vj<3>) -> Sum<j> {{ x {} }}", " + y*2".repeat(n.min(250))));
    }
}
