//! Tests of the grammar: precedence, and that all spellings of a formula mean the same graph.

use super::{checked, messages};
use crate::ir::graph::{Graph, Id, Op};

const VARIABLES: &str = "g: Pm<1>, s: Pm<3>, m: Pm<9>, x: Vi<3>, y: Vj<3>, u: Vi<2>, v: Vj<2>, a: Vi<1>, b: Vj<1>";
const USED: &str = "let r1 = (x | y) * (u | v) * g * a * b; let r2 = s * sum(m);";

/// The graph of a formula, written out.
fn graph(formula: &str) -> String {
    let checked = checked(&format!("fn f({VARIABLES}) -> Sum<j> {{ {USED} {formula} }}"));
    show(&checked.graph, checked.values[0])
}

fn show(g: &Graph, id: Id) -> String {
    let name = match g.op(id) {
        Op::Var(v) => g.variable(*v).name.clone(),
        Op::Const(bits) => f64::from_bits(*bits).to_string(),
        op => format!("{op:?}"),
    };
    let args: Vec<String> = g.args(id).iter().map(|&arg| show(g, arg)).collect();
    if args.is_empty() { name } else { format!("{name}({})", args.join(", ")) }
}

#[track_caller]
fn assert_same(spellings: &[&str]) {
    let first = graph(spellings[0]);
    for other in spellings {
        assert_eq!(first, graph(other), "`{}` and `{other}`", spellings[0]);
    }
}

#[test]
fn powers_are_tighter_than_signs() {
    assert_same(&["-x**2", "-(x**2)", "-Square(x)", "0 - x ** 2"]);
    assert_same(&["2 * -x**2", "-2 * (x*x)"]);
    assert_same(&["a**-1", "inv(a)", "1/a", "Pow(a, -1)", "a.powi(-1)"]);
    assert_same(&["2**-1 * a", "a / 2", "0.5 * a", "IntInv(2) * a", "RatCst(1, 2) * a"]);
    // powers associate to the right
    assert_same(&["a**2**3", "a**8", "a**(2**3)"]);
    assert_same(&["(a**2)**3", "a**6"]);
    assert_same(&["a**-b", "pow(a, -b)", "Powf(a, 0 - b)", "a.power(-b)"]);
    assert_same(&["a**0.5", "sqrt(a)", "Sqrt(a)"]);
    assert_same(&["a**-0.5", "rsqrt(a)", "a.rsqrt()"]);
    assert_same(&["x.square()**2", "x**4"]);
    assert_same(&["-x.square()", "-(x.square())"]);
    assert_same(&["+x", "x"]);
    assert_same(&["--x", "x"]);
}

#[test]
fn products_sums_dots_and_comparisons() {
    assert_same(&["x + y * s", "x + (y * s)"]);
    assert_same(&["x - y - s", "(x - y) - s"]);
    assert_same(&["x / y / s", "(x / y) / s"]);
    assert_same(&["x / y * s", "(x / y) * s"]);
    // as in Python: | is looser than +
    assert_same(&["x | y + s", "x | (y + s)"]);
    assert_same(&["2 * (x | y) + a", "((x | y) * 2) + a"]);
    assert_same(&["x - y | s * x", "(x - y) | (s * x)", "(x - y).dot(s * x)", "Scalprod(x - y, s * x)"]);
    assert_same(&["x | y < a + b", "(x | y) < (a + b)", "LessThan((x | y), a + b)"]);
    assert_same(&["a < b", "b > a", "LessThan(a, b)", "a.less_than(b)"]);
    assert_same(&["a <= b", "b >= a", "LessOrEqual(a, b)"]);
    assert_same(&["a == b", "Equal(a, b)"]);
    assert_same(&["a != b", "NotEqual(a, b)"]);
    assert_same(&["a <-b", "a < (-b)"]);
}

#[test]
fn names_methods_and_bindings() {
    assert_same(&["sqdist(x, y)", "SqDist(x, y)", "x.sqdist(y)", "(x - y).sqnorm2()", "sum((x - y)**2)"]);
    assert_same(&["exp(-sqdist(x, y))", "Exp(-SqDist(x, y))", "(-x.sqdist(y)).exp()", "gaussian(x, y)"]);
    assert_same(&["let d = x - y; exp(-sum(d*d))", "let x = x - y; exp(-sqnorm2(x))", "gaussian(x, y)"]);
    assert_same(&["elem(x, 1)", "Elem(x, 1)", "x.elem(1)", "Extract(x, 1, 1)"]);
    assert_same(&[
        "Clamp(a, 0, 1)",
        "a.clamp(0, 1)",
        "a.clamp(min=0, max=1)",
        "clamp(a, max=1, min=0)",
        "a.clamp(0, max=1)",
    ]);
    assert_same(&[
        "concat(x, y,)",
        "Concat(x, y)",
        "concat([x, y])",
        "cat([x, y], -1)",
        "cat([x, y], dim=-1)",
        "x.cat(y)",
    ]);
    assert_same(&[
        "concatenate([x, y, a], axis=-1)",
        "concat(x, y, a)",
        "concat(x, [y, a])",
        "cat((x, y, a), -1)",
        "x.concat([y, a])",
    ]);
    assert_same(&["a * 1e-1", "a * 0.1", "a / 10"]);
    // the two forms that users of KeOps know best
    assert_same(&[
        "Exp(-g*SqDist(x,y)) * ( IntCst(1) + Pow((u|v), 2) )",
        "exp(-g * sqdist(x, y)) * (1 + (u | v)**2)",
        "gaussian(x, y, g) * (1 + linear(u, v)**2)",
    ]);
}

#[test]
fn components_in_brackets() {
    assert_same(&["x[0] * a", "elem(x, 0) * a", "x[:, 0] * a", "x[:, :, 0] * a", "x[..., 0] * a", "x[.., 0] * a"]);
    assert_same(&["x[1..3]", "extract(x, 1, 2)", "x[1:3]", "x[1..=2]", "x[:, 1:3]", "(x[1..3])", "x[0..3][1..3]"]);
    assert_same(&["x[..2]", "x[:2]", "extract(x, 0, 2)"]);
    assert_same(&["x[:]", "x[..]", "x[:, :]", "x"]);
    assert_same(&["-x[0]**2", "-(elem(x, 0)**2)"]);
    assert_same(&["x.square()[2]", "(x**2)[2]", "elem(x**2, 2)"]);
}

#[test]
fn the_axis_of_the_components() {
    assert_same(&["((x - y) ** 2).sum(-1)", "sqdist(x, y)", "((x - y)**2).sum(dim=2)", "sum((x - y)**2, axis=-1)"]);
    assert_same(&["x.max(dim=-1)", "max(x)"]);
    assert_same(&["x.min(axis=2)", "min(x)"]);
    // what is no axis is an operand
    assert_same(&["x.max(0)", "max(x, 0)", "max(x, 0.0)"]);
    assert_same(&["x.max(-1.0)", "max(x, -1)"]);
    assert_same(&["x.argmax(-1) * a", "argmax(x) * a"]);
    assert_same(&[
        "(x - y).norm(-1)",
        "norm2(x - y)",
        "norm(x - y, 2, -1)",
        "(x - y).norm(p=2, dim=-1)",
        "(x - y).norm(2)",
    ]);
}

#[test]
fn constants_and_suffixes() {
    let pi = std::f64::consts::PI;
    assert_same(&[
        &format!("a * {pi:?}"),
        "a * PI",
        "a * consts::PI",
        "a * f64::consts::PI",
        "a * f32::consts::PI",
        "a * std::f64::consts::PI",
        "a * ::core::f32::consts::PI",
    ]);
    assert_same(&["a * TAU / 2", "a * PI"]);
    assert_same(&[&format!("a * {:?}", std::f64::consts::E), "a * consts::E"]);
    assert_same(&[&format!("a + {:?}", f64::EPSILON), "a + f64::EPSILON", "a + std::f64::EPSILON"]);
    assert_same(&["a * 1.1920928955078125e-7", "a * f32::EPSILON"]);
    assert_same(&["a * 1000", "a * 1_000", "a * 1000f32", "a * 1_000.0_f64", "a * 1000i32", "a * 1e3"]);
    // a binding hides a constant
    assert_same(&["let PI = a; PI * x", "a * x"]);
}

#[test]
fn named_kernels() {
    let distances = [
        ("", "sqdist(x, y)"),
        (", g", "g * sqdist(x, y)"),
        (", s", "weighted_sqdist(s, x, y)"),
        (", m", "weighted_sqdist(m, x, y)"),
    ];
    for (parameter, r2) in distances {
        let same = |kernel: &str, formula: &str| {
            assert_same(&[&format!("{kernel}(x, y{parameter})"), &formula.replace("r2", r2)]);
        };
        same("gaussian", "exp(-r2)");
        same("laplacian", "exp(-sqrt(r2))");
        same("exponential", "exp(-sqrt(r2))");
        same("cauchy", "1 / (1 + r2)");
        same("inverse_multiquadric", "(1 + r2)**-0.5");
        same("distance", "sqrt(r2)");
    }
    assert_same(&["weighted_sqdist(s, x, y)", "(s | (x - y)**2)"]);
    assert_same(&["weighted_sqdist(m, x, y)", "(x - y | mat_vec(m, x - y))"]);
    assert_same(&["linear(x, y)", "(x | y)"]);
    assert_same(&["linear(x, y, g)", "(x | g * y)"]);
    assert_same(&["linear(x, y, s)", "(x | s * y)"]);
    assert_same(&["linear(x, y, m)", "(x | mat_vec(m, y))"]);
}

#[test]
fn laplacian_is_a_kernel_of_points_and_an_operator_on_formulas() {
    let kernel = graph("exp(-sqrt(sqdist(x, y)))");
    let operator = graph("divergence(grad((x | y)**2, x, 1), x)");
    // two variables, and x depends on neither
    assert_eq!(graph("laplacian(x, y)"), kernel);
    assert_eq!(graph("x.laplacian(y)"), kernel);
    assert_eq!(graph("laplacian((x | y)**2, x)"), operator);
    assert_eq!(graph("Laplacian((x | y)**2, x)"), operator);
    // a binding is a formula
    assert_eq!(graph("let f = (x | y)**2; laplacian(f, x)"), operator);
    // a scalar formula of x, but not of y
    assert_eq!(graph("laplacian(a**2, b)"), graph("exp(-sqrt(sqdist(a**2, b)))"));
    assert_eq!(graph("laplacian(a**2, a)"), "2");
    // of two scalar variables, equal or not, `laplacian` is the kernel
    assert_eq!(graph("laplacian(a, b)"), graph("exp(-sqrt(sqdist(a, b)))"));
    assert_eq!(graph("laplacian(a, a)"), "1");
    // a vector is no scalar
    assert_eq!(graph("laplacian(2 * x, x)"), graph("exp(-sqrt(sqdist(2 * x, x)))"));
}

#[test]
fn genred_is_another_spelling() {
    let of = |text: &str| {
        let checked = checked(text);
        let variables = checked.graph.variables.iter().map(|v| format!("{}: {:?} {}", v.name, v.category, v.dim));
        let values = checked.values.iter().map(|&value| show(&checked.graph, value));
        (variables.collect::<Vec<_>>().join(", "), values.collect::<Vec<_>>(), checked.reduction.name)
    };
    let rust = of("fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }");
    for genred in [
        r#"fn f = Genred("Exp(-g*SqDist(x,y))*b", ["g = Pm(1)", "x = Vi(3)", "y = Vj(3)", "b = Vj(2)"], reduction_op = "Sum", axis = 1);"#,
        r#"fn f = Genred("exp(-g * x.sqdist(y)) * b", ["x = Vi(1,3)", "b = Vj(3,2)", "y = Vy(2,3)", "g = Pm(0, 1)"], axis = 1);"#,
        r#"fn f = Genred("Exp(-g*SqDist(x,Var(2,3,1)))*b", ["g=Var(0,1,2)", "x=Var(1,3,0)", "y=Var(2,3,1)", "b=Var(3,2,1)"], axis=1,);"#,
        r#"fn f = Genred("exp(-g * " + "sqdist(x, y))" "* b", ["g=Pm(1)", "x=Vi(3)", "y=Vj(3)", "b=Vj(2)"], axis=1);"#,
    ] {
        assert_eq!(of(genred), rust, "{genred}");
    }
    let raw = of(r#"fn f = Genred("Exp(-Var(0,1,2)*SqDist(Var(1,3,0),Var(2,3,1)))*Var(3,2,1)", [], axis = 1);"#);
    assert_eq!(raw.0, "var0: P 1, var1: I 3, var2: J 3, var3: J 2");
    let weighted = of(
        r#"fn f = Genred("(x|y)", ["x = Vi(3)", "y = Vj(3)", "b = Vj(2)"], reduction_op = "SumSoftMaxWeight", axis = 0, formula2 = "b");"#,
    );
    assert_eq!(weighted, of("fn f(x: Vi<3>, y: Vj<3>, b: Vj<2>) -> SumSoftMaxWeight<i> { ((x | y), b) }"));
}

#[test]
fn const_generics_where_no_integer_belongs() {
    let of = |formula: &str| {
        let checked = checked(&format!("fn f<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> {{ x * y * {formula} }}"));
        show(&checked.graph, checked.values[0])
    };
    assert_eq!(of("D"), of("sum(broadcast(1, D))"));
    assert_eq!(of("sqrt(D)"), of("D ** 0.5"));
    assert_eq!(of("broadcast(D, D)"), of("D"));
}

/// The messages about a formula of x and y.
fn messages_of(formula: &str) -> Vec<String> {
    messages(&format!("fn f(x: Vi<3>, y: Vj<3>) -> Sum<j> {{ let d = x - y; {formula} }}"))
}

#[test]
fn what_is_no_formula() {
    for (formula, message) in [
        ("x < d < y", "comparisons do not chain: that both hold is the product, `(x < y) * (y < 1)`"),
        ("(x + )", "unexpected end of input, expected a formula"),
        ("x + * y", "expected a formula"),
        ("x y", "expected an operator"),
        ("(x y) * 2", "expected an operator"),
        ("sqdist(x y)", "expected an operator"),
        ("x ^ 2", "`^` is no operator here, a power is `x ** 2`"),
        ("x * y;", "the value of a formula stands last, without a semicolon"),
        ("\"x\"", "a formula has numbers only"),
        ("x.len", "`len` needs brackets: what follows a dot is a call"),
        ("x * 1e999", "this number is too large for f64"),
        ("", "unexpected end of input, expected a formula"),
    ] {
        assert_eq!(messages_of(formula), [message], "{formula}");
    }
}

#[test]
fn hints_are_near_and_in_the_same_case() {
    for (formula, message) in [
        ("sqdst(x, y)", "unknown operation `sqdst`, did you mean `sqdist`?"),
        ("SqDst(x, y)", "unknown operation `SqDst`, did you mean `SqDist`?"),
        ("x.EXP()", "unknown operation `EXP`, did you mean `Exp`?"),
        ("selu(x)", "unknown operation `selu`"),
        // names of other functions, and unknown names
        ("acoth(x)", "unknown operation `acoth`, write `atanh(1 / f)`"),
        ("sqdist3(x, y)", "unknown operation `sqdist3`: a formula cannot call functions around it"),
        // names of one letter are all near to each other, so that only the case may differ
        ("x * q", "unknown variable `q`: an argument is declared, a number as `q: Pm<1>`"),
        ("x * Y", "unknown variable `Y`, did you mean `y`?"),
    ] {
        assert_eq!(messages_of(formula), [message], "{formula}");
    }
}

#[test]
fn one_fault_is_reported_once() {
    let of = |body: &str| messages(&format!("fn f<const D: usize>(x: Vi<D>, sigma: Vj<D>) -> Sum<j> {{ {body} }}"));
    for (formula, message) in [
        // variables in a faulty call count as used
        ("x * exp(sigma, 1)", "`exp` takes 1 argument, not 2"),
        ("x * elem(x, sigma)", "`elem` needs an integer here, not `sigma`"),
        ("x * grad(x, 2 * sigma, x)", "`grad` needs the name of a variable here, not `2 * sigma`"),
        ("x * exq(sigma)", "unknown operation `exq`, did you mean `exp`?"),
        ("x * sigmma", "unknown variable `sigmma`, did you mean `sigma`?"),
        // a const generic may be right where the operation is not
        ("broadcst(sum(x * sigma), D)", "unknown operation `broadcst`, did you mean `broadcast`?"),
    ] {
        assert_eq!(of(formula), [message], "{formula}");
    }
}
