//! Code of other languages: messages say what to write instead, and all faults of an item and of other items are
//! found.

use super::messages;
use crate::syntax::parse::Input;

/// The messages about a formula of x, y and their difference d.
fn of(formula: &str) -> Vec<String> {
    messages(&format!("fn f(x: Vi<3>, y: Vj<3>) -> Sum<j> {{ let d = x - y; {formula} }}"))
}

/// The messages about some items.
fn of_items(text: &str) -> Vec<String> {
    let items = syn::parse_str::<Input>(text).unwrap().0;
    let faults = items.into_iter().filter_map(|item| item.and_then(|item| crate::syntax::check::check(&item)).err());
    faults.flatten().map(|fault| fault.to_string()).collect()
}

#[track_caller]
fn assert_says(formula: &str, parts: &[&str]) {
    let found = of(formula);
    assert_eq!(found.len(), parts.len(), "{formula}: {found:?}");
    for (found, part) in found.iter().zip(parts) {
        assert!(found.contains(part), "{formula}: {found}");
    }
}

#[test]
fn operators_of_other_languages() {
    assert_says("d % 2", &["`mod(f, m)`"]);
    assert_says("d ^ 2 * exq(x)", &["`x ** 2`", "`exp`"]);
    assert_says("x @ y", &["`-> Sum<j> { k * b }`"]);
    for both in ["x < 1 && y < 1", "x < 1 and y < 1", "(x < 1) & (y < 1)"] {
        assert_says(both, &["the product, `(x < y) * (y < 1)`"]);
    }
    for either in ["x < 1 || y < 1", "x < 1 or y < 1"] {
        assert_says(either, &["`(x < y) + (y < 1) > 0`"]);
    }
    for not in ["!(x < y)", "~(x < y)", "not x < y"] {
        assert_says(not, &["`1 - f`"]);
    }
    assert_says("&x * sqdist(&d, y)", &["leave out the `&`", "leave out the `&`"]);
    assert_says("x as f32 * y as f64", &["no casts", "no casts"]);
    assert_says("0..3", &["no ranges"]);
    assert_says("d * .5", &["`0.5`"]);
    assert_says("d * 2.0ff + 3j", &["suffix `ff`", "`concat(0, 1)` is i"]);
}

#[test]
fn statements_of_rust() {
    assert_says("return d;", &["without `return`"]);
    assert_says("let r: f64 = sum(d); r", &["`let r = ..`"]);
    assert_says("let mut r = d; r += x; r", &["leave out `mut`", "`let r = r + ..`"]);
    assert_says("r = d; r", &["`let r = ..`"]);
    assert_says("const R: f64 = 2.0; R * d", &["bound by `let`", "no type"]);
    assert_says("let (a, b) = (x, y); d", &["one name at a time"]);
    assert_says("let r = d r", &["expected `;` after the value of `r`"]);
    assert_says("d; x", &["stands last"]);
    for choice in ["if x < y { x } else if d > 1 { y } else { d }", "match x { _ => y }", "x if x < y else y"] {
        assert_says(choice, &["`ifelse((x < y) - 0.5, g, h)`"]);
    }
    assert_says("d + loop { y }", &["no loops"]);
    assert_says("(|a| a * d)(x)", &["no closures"]);
    assert_says("d * { let q = x; q }", &["no blocks"]);
    assert_says("d * vec![1]", &["no macros"]);
    assert_says("#[inline] d", &["belongs to the function"]);
    assert_says("d.0 + d.x + d.dim", &["`elem(d, 0)`", "`elem(d, 0)`", "needs brackets"]);
}

#[test]
fn paths_and_constants() {
    assert_says("d * SIGMA + d * config::SIGMA", &["`SIGMA: Pm<1>`", "`sigma: Pm<1>`"]);
    assert_says("d * f64::INFINITY + inf + np.nan", &["`1e30`", "`1e30`", "`1e30`"]);
    assert_says("d * E + pi * d", &["`consts::E`", "`PI`"]);
    assert_says("d * f64::PI", &["unknown constant `f64::PI`"]);
    assert_says("f64::exp(d) + f64::copysign(x, y)", &["`f64::exp` is `exp` here", "unknown operation"]);
    assert_says("d * crate::kernel(x)", &["cannot call functions around it"]);
    assert_says("np.exp(d) + torch.nn.functional.relu(d)", &["`np.exp` is `exp`", "`torch.relu` is `relu`"]);
}

#[test]
fn lazy_tensors() {
    assert_says("LazyTensor(x[:, None, :]) - y", &["`x: Vi<3>` with rows of i"]);
    assert_says("x[:, None, :] - Vj(y)", &["axes are not added", "`y: Vj<3>`"]);
    assert_says("((x_i - y_j) ** 2).sum(-1)", &["did you mean `x`?", "did you mean `y`?"]);
    assert_says("d.sum(dim=1) + d.sum(0)", &["`-> Sum<j>`", "`-> Sum<i>`"]);
    assert_says("d.argKmin(7, dim=1)", &["`-> ArgKMin<7, j>`"]);
    assert_says("d.logsumexp(1) + d.min_argmin(axis=0)", &["`-> LogSumExp<j>`", "`-> MinArgMin<i>`"]);
    assert_says("d.max_reduction(dim=1)", &["`-> Max<j>`"]);
    assert_says("d.exp().sum(dim=3)", &["no such axis"]);
    assert_says(
        "x.clamp(min=0) + d.clamp(max=1) + d.clamp(0)",
        &["`max(x, 0)`", "`min(d, 1)`", "`max(d, 0)`, an upper"],
    );
    assert_says("torch.clamp(d, min=0) + d.step(x=0)", &["`max(d, 0)`", "in order, without names"]);
    assert_says(
        "d.sum(-1, keepdim=True) + d.sum(dim=-1, keepdims=True)",
        &["leave out `keepdim`", "leave out `keepdims`"],
    );
    assert_says(
        "d.sum(-1, True) + d.max(-1, keepdim=True)",
        &["leave out `True`", "leave out `keepdim`", "an axis or"],
    );
    assert_says("d.norm(p=1) + d.norm(1)", &["`sum(abs(d))`", "`sum(abs(d))`"]);
    assert_says("d.norm(3, -1) + d.norm(ord=inf, axis=-1)", &["`sum(abs(d)**3)**(1/3)`", "`max(abs(d))`"]);
    assert_says("d.square().mean(-1) + concat(x)", &["`sum(f) / 3`; over rows", "2 or more arguments, not 1"]);
    assert_says("d.prod() + d.std(-1)", &["`f[0] * f[1] * f[2]`", "`norm2(f - sum(f) / 3) / sqrt(3)`"]);
    assert_says("sum(d).mean() + mean(d + q)", &["`sum(f) / n`", "`sum(f) / n`", "`q: Pm<1>`"]);
    assert_says("torch.max(d, dim=-1) + dot(x, y, dim=-1)", &["`torch.max` is `max` here", "no axis: leave it out"]);
    assert_says("cat([x, y], dim=0) + np.dot(x, y, axis=-1)", &["no such axis", "`np.dot` is `dot` here"]);
    assert_says("d.sum(axis=(1, 2)) + (x, y) * 2", &["one axis at a time", "a list stands only where"]);
    assert_says("torch.cat([x, y], -1) + hstack([x, y])", &["`torch.cat` is `cat` here", "`concat(f, g)`"]);
    let of_generics = messages("fn f<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { concat(x, y).var() + x.mean() }");
    assert!(of_generics[0].contains("`sqnorm2(f - sum(f) / (2*D)) / (2*D)`"), "{of_generics:?}");
    assert!(of_generics[1].contains("`sum(f) / D`"), "{of_generics:?}");
    assert_says("d[-1] + d[i] + d[1:] + d[3]", &["from 0", "row of i or j", "the end is missing", "out of range"]);
}

#[test]
fn axes_that_may_be_operands() {
    for number in ["-1", "2"] {
        let both = format!("with the number `max(x, {number}.0)`");
        assert_says(&format!("x.max({number}) * d"), &[&format!("over the components it is `max(x)`, {both}")]);
    }
    assert_says("x.min(1) * d", &["over j it is the reduction `-> Min<j>`, over the components it is `min(x)`"]);
    assert_says("d.max(x, dim=-1) * max(x, y, axis=2)", &["no axis: it is `max(d, x)`", "`max(x, y)`"]);
    assert_says("np.max(d, -1)", &["`np.max` over the components is `max(d)` here"]);
}

#[test]
fn arguments_that_are_not_declared() {
    for name in ["sigma", "s", "G", "d2", "eps"] {
        assert_says(
            &format!("d / {name}"),
            &[&format!("unknown variable `{name}`: an argument is declared, a number as `{name}: Pm<1>`")],
        );
    }
    let dimension = messages("fn f(x: Vi<3>, y: Vj<3>) -> Sum<j> { x * y / D }");
    assert_eq!(
        dimension,
        ["unknown variable `D`: an argument is declared, a dimension as `const D: usize`, a number as `D: Pm<1>`"]
    );
    assert_says("d * z_i + b_j", &["`z_i: Vi<3>`", "`b_j: Vj<3>`"]);
}

#[test]
fn bars_and_closures() {
    assert_says("exp(-|x - y|) * |d|", &["`abs(f)`", "`abs(f)`"]);
    assert_says("exp(-||x - y||**2 / 2) + |x|", &["`sqnorm2(f)`", "`abs(f)`"]);
    assert_says("(x | |d|) * (|x - z|)", &["`abs(f)`", "`abs(f)`", "`z: Pm<1>`"]);
    assert_says("let f = |a| a * d; let g = |a, b| (a | b); let h = || x; f(x) + g(x, y)", &["no closures"; 3]);
    assert_says("let f = lambda a: a; f(d) * exq(x)", &["no functions of its own", "did you mean `exp`?"]);
}

#[test]
fn functions_of_modules() {
    assert_says("F.relu(d) + F.normalize(d)", &["`F.relu` is `relu` here", "`F.normalize` is `normalize` here"]);
    assert_says(
        "F.cosine_similarity(x, y) + special.xlogy(x, y)",
        &["`(normalize(f) | normalize(g))`", "`f * log(g)`"],
    );
    assert_says("d * F", &["`F: Pm<1>`"]);
    assert_eq!(messages("fn f(F: Vi<3>, y: Vj<3>) -> Sum<j> { F.relu() * y + F.max(y) }"), [""; 0]);
    let of_a_variable = messages("fn f(tf: Vi<3>, y: Vj<3>) -> Sum<j> { tf.x * y }");
    assert!(of_a_variable.len() == 1 && of_a_variable[0].contains("`elem(tf, 0)`"), "{of_a_variable:?}");
    assert_says("d * np.float32", &["needs brackets"]);
    assert!(messages("fn f(F: Vi<3>, y: Vj<3>) -> Sum<j> { F.T * y }")[0].contains("no transpose"));
}

#[test]
fn functions_with_a_formula() {
    for (call, part) in [
        ("xlogy(x, y)", "`f * log(g)`"),
        ("Cst(2) * d", "written as it is"),
        ("GaussKernel(x, y)", "`gaussian(x, y, g)`"),
        ("logaddexp(x, y)", "`g + softplus(f - g)`"),
        ("gelu(d)", "`f * erfc(-f / SQRT_2) / 2`"),
        ("log_softmax(d, -1)", "`f - max(f) - log(sum(exp(f - max(f))))`"),
        ("d.clamp_min(0)", "`max(f, g)`"),
        ("huber_loss(x, y)", "`ifelse(1 - abs(f - g)"),
        ("mse_loss(x, y)", "`sqdist(f, g) / 3`"),
        ("kl_div(x, y)", "`sum(f * log(f / g))`"),
        ("0 < d < 1", "both hold is the product"),
    ] {
        assert_says(call, &[part]);
    }
}

#[test]
fn meaning_comes_before_spelling() {
    for (word, meant) in [
        ("cot", "`cos(f) / sin(f)`"),
        ("lg", "`log10(f)`"),
        ("norm1", "`sum(abs(f))`"),
        ("rbf", "`gaussian(x, y, g)`"),
        ("cdist", "`norm2(f - g)`"),
        ("where", "`ifelse((x < y) - 0.5, g, h)`"),
        ("softmax", "`-> SumSoftMaxWeight<j> { (f, g) }`"),
        ("topk", "`-> ArgKMin<10, j>`"),
        ("lgamma", "a function of one row alone is computed before the call"),
        ("bessel_k", "there are `erf`, `erfc`"),
        ("entr", "`-xlogx(f)`"),
        ("my_kernel", "cannot call functions around it"),
    ] {
        assert_says(&format!("{word}(d, x)"), &[meant]);
    }
    // these are not misspelt names of operations
    for word in ["selu", "cumsum", "norm3"] {
        assert_eq!(of(&format!("{word}(d)")), [format!("unknown operation `{word}`")]);
    }
    let items = "fn gauss(x: Vi<1>) -> Sum<i> { x } fn other(x: Vi<1>) -> Sum<i> { gauss(x) }";
    assert_eq!(
        of_items(items),
        ["`gauss` is a formula of its own, which no other can call: write out what it computes"]
    );
}

#[test]
fn headers() {
    for (header, part) in [
        ("fn f(x: Vi<3>) { x }", "`-> Sum<j>`"),
        ("fn f(x: Vi<3>) -> Sum<j>;", "expected the formula, in braces"),
        ("fn f(x: Vi<3>) -> Sum(j) { x }", "`Sum<j>` or `Sum<i>`"),
        ("fn f(x: Vi<3>) -> Vec<f64> { x }", "a formula gives a reduction"),
        ("fn f(x: Vi<3>) -> [f64; 3] { x }", "a formula gives a reduction"),
        ("fn f(x: Vi<3>) -> logsumexp<j> { sum(x) }", "did you mean `LogSumExp`?"),
        ("fn f(x: Vi<3>) -> TopK<3, i> { x }", "`ArgKMin<10, j>`"),
        ("fn f(x: Vi<3>) -> KMax<3, j> { x }", "`KMin<10, j>` of `-f`"),
        ("fn f(x: Vi<3>) -> ArgKMax<3, j> { x }", "`ArgKMin<10, j>` of `-f`"),
        ("fn f(x: Vi<3>) -> SoftMin<j> { x }", "`LogSumExp<j>` of `-f`"),
        ("fn f(x: Vi<3>) -> Var<j> { x }", "the square of the `Mean`"),
        ("fn f(x: Vi<3>) -> SumExp<j> { x }", "`Sum` of `exp(f)`"),
        ("fn f(x: Vi<f32, 3>) -> Sum<j> { x }", "the element type is that of the call's arguments: `x: Vi<3>`"),
        ("fn f(x: Vi<f64>) -> Sum<j> { x }", "the element type is that of the call's arguments: `x: Vi<3>`"),
        ("K_ij = (-((x_i - y_j)**2).sum(-1)).exp()", "stands in a function: `fn K_ij(x: Vi<3>"),
        ("fn f<const D: usize> = Genred(\"X\", [\"X=Vi(3)\"]);", "`fn f<const D: usize>(x: Vi<D>, ..)"),
        ("fn f = generic_argkmin(\"X\", \"a=Vi(3)\");", "reduction_op = \"ArgKMin\", axis = 1, opt_arg = 10)`"),
        ("fn f = generic_logsumexp(\"X\", \"a=Vi(3)\");", "reduction_op = \"LogSumExp\", axis = 1)`"),
        ("fn f = Genred(\"X * {}\".format(2), [\"X=Vi(3)\"]);", "a string as it is"),
        ("fn f = Genred(\"X * %d\" % 2, [\"X=Vi(3)\"]);", "a string as it is"),
        ("fn f = Genred(\"X * \" + s, [\"X=Vi(3)\"]);", "a string as it is"),
        ("fn f() -> Sum<j> { 1 }", "needs an argument"),
        ("fn f -> Sum<j> { 1 }", "expected the arguments"),
        ("fn f(x) -> Sum<j> { x }", "`x: Vi<3>`, `x: Vj<3>` or `x: Pm<1>`"),
        ("fn f(x: f64) -> Sum<j> { x }", "the parameter `x: Pm<1>`"),
        ("fn f(x: &[f64]) -> Sum<j> { x }", "`x: Vi<3>` or `x: Vj<3>`"),
        ("fn f(x: Vj(3)) -> Sum<j> { x }", "in angle brackets: `x: Vj<3>`"),
        ("fn f(&self) -> Sum<j> { 1 }", "no `self`"),
        ("fn f<const D: usize>(x: Vi<D>) -> Sum<j> where T: Float { x }", "no `where`"),
        ("async fn f(x: Vi<3>) -> Sum<j> { x }", "a plain `fn`"),
        ("const fn f(x: Vi<3>) -> Sum<j> { x }", "a plain `fn`"),
        ("c = Genred(\"X\", [\"X=Vi(3)\"]);", "`fn c = Genred(..);`"),
        ("impl A { fn f(x: Vi<3>) -> Sum<j> { x } }", "outside of an `impl`"),
        ("const S: f64 = 0.5;", "write the number into the formula"),
        ("use std::f64::consts::PI;", "need no `use`"),
        ("struct X;", "expected `fn`"),
        ("fn f(x: Vi<3>) -> Sum<j> { x };", "no semicolon"),
    ] {
        let found = of_items(header);
        assert!(found.len() == 1 && found[0].contains(part), "{header}: {found:?}");
    }
}

#[test]
fn an_item_that_cannot_be_read_hides_no_other() {
    let text = "fn a(x: Vi<3>) -> Sum<i> { x * } struct S; use x::y; fn b(x: Vi<3>, y: f32, z) -> Sum<i> { x } \
                #[doc = \"\"] pub fn c(x: Vi<3>) -> Sum<i> { expp(x) } fn d = Genred(\"X *\", [\"X = Vi(3)\"]); \
                fn good(x: Vi<3>) -> Sum<i> { x }";
    let found = of_items(text);
    let parts = [
        "expected a formula",
        "only functions",
        "no `use`",
        "`y: Pm<1>`",
        "`z` needs",
        "did you mean `exp`?",
        "\"X *\"",
    ];
    assert_eq!(found.len(), parts.len(), "{found:?}");
    assert!(found.iter().zip(parts).all(|(found, part)| found.contains(part)), "{found:?}");
    let expansion = crate::expand(text.parse().unwrap()).to_string();
    assert!(expansion.contains("fn good") && !expansion.contains("fn c "));
}
