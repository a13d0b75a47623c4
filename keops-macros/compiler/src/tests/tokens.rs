//! For any tokens between the braces of `keops!` the answer is Rust: an expansion or `compile_error!`s, and never a
//! panic.

use proc_macro2::TokenStream;
use proptest::{prelude::*, test_runner::Config};

/// Words of the language, and words that it does not have.
const VOCABULARY: &[&str] = &[
    "pub",
    "fn",
    "let",
    "const",
    "usize",
    "f",
    "x",
    "y",
    "b",
    "g",
    "D",
    "d",
    "Vi",
    "Vj",
    "Pm",
    "Vx",
    "Sum",
    "i",
    "j",
    "LogSumExp",
    "KMin",
    "SumSoftMaxWeight",
    "ArgMin",
    "exp",
    "sqdist",
    "gaussian",
    "laplacian",
    "linear",
    "elem",
    "extract",
    "concat",
    "mat_vec",
    "outer",
    "grad",
    "diff",
    "divergence",
    "Laplacian",
    "Pow",
    "IntCst",
    "broadcast",
    "Zero",
    "ifelse",
    "clamp",
    "Genred",
    "axis",
    "reduction_op",
    "opt_arg",
    "formula2",
    "keops",
    "order",
    "+",
    "-",
    "*",
    "/",
    "|",
    "**",
    ".",
    ",",
    ";",
    ":",
    "<",
    ">",
    "->",
    "=",
    "==",
    "<=",
    "!=",
    "#",
    "(",
    ")",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "0",
    "1",
    "2",
    "3",
    "17",
    "0.5",
    "1e400",
    "99999999999999999999",
    "-1",
    "2147483648",
    "%",
    "^",
    "@",
    "&&",
    "||",
    "!",
    "&",
    "return",
    "mut",
    "as",
    "f64",
    "if",
    "else",
    "match",
    "not",
    "np",
    "PI",
    "None",
    "dim",
    "sum",
    "LazyTensor",
    "impl",
    "\"x = Vi(3)\"",
    "\"Exp(-x)\"",
    "\"Var(0,3,0)\"",
    "\"Sum\"",
    "\"(\"",
    "'a'",
    "self",
    "_",
    "r#in",
    "true",
    "..",
    "::",
    "é",
    "0x10",
    "1u8",
];

/// Items without a fault, one of each kind.
const ITEMS: &[&str] = &[
    "pub fn f ( g : Pm < 1 > , x : Vi < 3 > , y : Vj < 3 > , b : Vj < 1 > ) -> Sum < j > { exp ( - g * sqdist ( x , y ) ) * b }",
    "# [ keops ( order = 2 ) ] fn f < const D : usize > ( x : Vi < D > , y : Vj < D > ) -> Sum < i > \
     { let d = x - y ; ( d | x ) ** 2 * elem ( concat ( sum ( d ) , d ) , 0 ) * x }",
    "fn f ( x : Vi < 3 > , y : Vj < 3 > , b : Vj < 2 > ) -> SumSoftMaxWeight < j > { ( - distance ( x , y ) , b ) }",
    "fn f ( x : Vi < 2 > , y : Vj < 2 > ) -> KMinArgKMin < 5 , j > { x . sqdist ( y ) / ( 1 + x . elem ( 1 ) ** -1 ) }",
    "fn f ( a : Pm < 6 > , x : Vi < 2 > , y : Vj < 3 > ) -> Sum < j > { grad ( ( vec_mat ( x , a ) | y ) ** 3 , x , 2 ) * divergence ( x , x ) }",
    "fn f ( x : Vi < 3 > , y : Vj < 3 > ) -> LogSumExp < j > { laplacian ( gaussian ( x , y , 2 ) , x ) + clamp ( x | y , 0 , 1 ) }",
    "pub fn f = Genred ( \"Exp(-G*SqDist(X,Y))*B\" , [ \"G = Pm(1)\" , \"X = Vi(3)\" , \"Y = Vj(3)\" , \"B = Vj(2)\" ] , \
     reduction_op = \"Sum\" , axis = 1 ) ;",
    "fn f = Genred ( \"SqDist(Var(0,3,0),Var(1,3,1))\" , [ ] , reduction_op = \"ArgKMin\" , opt_arg = 3 , axis = 0 ) ;",
];

/// Strings of a `Genred`, without a fault.
const STRINGS: &[&str] =
    &["Exp ( - G * SqDist ( X , Var ( 2 , 3 , 1 ) ) ) * B", "X = Vi ( 1 , 3 )", "Y = Var ( 2 , 3 , 1 )"];

fn check(text: &str) {
    // brackets that do not match are rejected by rustc itself
    let Ok(tokens) = text.parse::<TokenStream>() else { return };
    let expansion = crate::expand(tokens);
    if let Err(e) = syn::parse2::<syn::File>(expansion.clone()) {
        panic!("{text}\nbecomes\n{expansion}\nwhich is no Rust: {e}");
    }
}

/// A change of a list of tokens: the place, the kind of change, and the token of the vocabulary that comes in.
type Edit = (prop::sample::Index, u8, prop::sample::Index);

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut tokens: Vec<&str> = text.split(' ').collect();
    for (place, kind, token) in edits {
        let (k, new) = (place.index(tokens.len()), *token.get(VOCABULARY));
        let other = token.index(tokens.len());
        match kind % 6 {
            0 if tokens.len() > 1 => drop(tokens.remove(k)),
            1 => tokens.insert(k, new),
            2 => tokens.swap(k, other),
            3 => tokens.insert(other, tokens[k]),
            _ => tokens[k] = new,
        }
    }
    tokens.join(" ")
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec(any::<Edit>(), 1..6)
}

proptest! {
    #![proptest_config(Config { cases: 8 * Config::default().cases, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_tokens(tokens in prop::collection::vec(prop::sample::select(VOCABULARY), 0..40)) {
        check(&tokens.join(" "));
    }

    #[test]
    fn any_formula(tokens in prop::collection::vec(prop::sample::select(VOCABULARY), 0..20)) {
        check(&format!("fn f<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<3>) -> Sum<j> {{ {} }}", tokens.join(" ")));
    }

    #[test]
    fn nearly_right(item in prop::sample::select(ITEMS), edits in edits()) {
        check(&edited(item, &edits));
    }

    #[test]
    fn nearly_right_strings(string in prop::sample::select(STRINGS), edits in edits()) {
        let string = edited(string, &edits).replace('"', "\\\"");
        check(&format!("fn f = Genred(\"{string}\", [\"G = Pm(1)\", \"X = Vi(3)\", \"{string}\", \"B = Vj(1)\"]);"));
    }
}

#[test]
fn items_without_a_fault_have_none() {
    for item in ITEMS {
        check(item);
        let expansion = crate::expand(item.parse().unwrap()).to_string();
        assert!(!expansion.contains("compile_error"), "{item}: {expansion}");
    }
}

/// Deep and long formulas give an error at worst: a proc macro runs on the stack of rustc.
#[test]
fn depth_and_length() {
    let item = |formula: &str| check(&format!("fn f(x: Vi<3>, y: Vj<3>) -> Sum<j> {{ {formula} }}"));
    let repeat = |text: &str, n: usize| text.repeat(n);
    for n in [10, 255, 256, 1000] {
        item(&format!("{}x{}", repeat("exp(", n), repeat(")", n)));
        item(&format!("{}x{}", repeat("(", n), repeat(")", n)));
        item(&format!("{}x", repeat("-", n)));
        item(&format!("x{}", repeat("**x", n)));
        item(&format!("x{}", repeat(".exp()", n)));
        item(&format!("x{}", repeat(" + y", n)));
        item(&format!("x{}", repeat(" * y", n)));
        item(&format!("x{}", repeat(" / y", n)));
        item(&format!("x{}", repeat(" | y", n)));
        item(&format!("let z = x - y; {} z", repeat("let z = sin(z * y) + x; ", n.min(100))));
    }
    for n in [1, 10, 100, 1000] {
        let variables: Vec<String> = (0..n).map(|k| format!("v{k}: Vi<2>")).collect();
        let sum: Vec<String> = (0..n).map(|k| format!("v{k}")).collect();
        check(&format!("fn f({}) -> Sum<j> {{ {} }}", variables.join(", "), sum.join(" + ")));
    }
}

/// Dimensions at the ends of their range.
#[test]
fn extreme_dimensions() {
    for d in ["0", "1", "16777216", "16777217", "4294967296", "9223372036854775807", "18446744073709551615", "-1"] {
        for formula in [
            "x",
            "outer(outer(x, x), outer(x, x))",
            "concat(x, x)",
            "elem(x, 0)",
            "divergence(x*x, x)",
            "Laplacian((x|x), x)",
        ] {
            check(&format!("fn f(x: Vi<{d}>) -> Sum<j> {{ {formula} }}"));
        }
        check(&format!("fn f(x: Vi<3>) -> Sum<j> {{ extract(x, {d}, {d}) * Pow(x, {d}) * IntCst({d}) * Zero({d}) }}"));
        check(&format!(
            "fn f(x: Vi<3>) -> KMin<{d}, j> {{ Zero({d}) + grad(Pow(elem(x, 0), {d}), x, broadcast(1, {d})) }}"
        ));
    }
    for n in ["2147483647", "2147483648", "-2147483648", "-2147483649"] {
        check(&format!("fn f(x: Vi<1>) -> Sum<j> {{ grad(Pow(x, {n}), x, 1) + grad(x**{n}, x, 1) }}"));
    }
}
