//! Words of other languages, and how they are written in a formula: words of Rust, C, Python with NumPy, PyTorch and
//! JAX, MATLAB and Julia.
//!
//! An unknown name is looked up here first, by its meaning. Only a word that is not in the table is taken for a
//! misspelt one: `acosh` is not `acos`.

mod known;

use proc_macro2::Ident;

use crate::{
    ir::{reduction, table},
    syntax::{
        error::hint,
        parse::{self, FUNCTIONAL, MODULES},
    },
};

use known::{OTHERS, SENTENCES, WORDS};

/// The message for a call of a function that is not an operation.
pub(crate) const CALLS: &str = "a formula cannot call functions around it";
/// The message for code that declares an argument in pykeops.
pub(crate) const DECLARED: &str =
    "an argument is declared, as `x: Vi<3>` with rows of i, `y: Vj<3>` of j, or `p: Pm<1>`";

/// The message for a mean, a product, a variance or a standard deviation of the components, of which there are `n`;
/// `None` for other names.
pub(crate) fn of_components(name: &str, n: &str) -> Option<String> {
    let formula = match name.to_lowercase().as_str() {
        // declares an argument in KeOps
        _ if name == "Var" || n == "1" => return None,
        "mean" | "average" | "avg" | "nanmean" => format!("sum(f) / {n}"),
        "prod" | "product" => match n {
            "2" | "3" | "4" => {
                let factors: Vec<String> =
                    (0..n.parse().unwrap_or(0)).map(|component: u8| format!("f[{component}]")).collect();
                factors.join(" * ")
            }
            _ => "f[0] * f[1] * ..".to_owned(),
        },
        "var" | "variance" => format!("sqnorm2(f - sum(f) / {n}) / {n}"),
        "std" | "stddev" => format!("norm2(f - sum(f) / {n}) / sqrt({n})"),
        _ => return None,
    };
    Some(match reduction::like(name) {
        Some(row) => format!(
            "`{name}` of the components is `{formula}`; over rows it is the reduction, which stands behind the arrow: \
             `-> {}<j>`",
            row.name
        ),
        None => format!("unknown operation `{name}`, of the components it is `{formula}`"),
    })
}

/// The message for a call with a name that is not an operation.
pub(crate) fn operation(name: &str) -> String {
    if let Some(message) = of_components(name, "n") {
        return message;
    }
    let plain = name.replace('_', "").to_lowercase();
    let written = |words: &[&str]| words.iter().any(|word| plain == *word || *word == name);
    if let Some((_, formula)) = WORDS.iter().find(|(words, _)| written(words)) {
        return format!("unknown operation `{name}`, write `{formula}`");
    }
    if let Some((_, sentence)) = SENTENCES.iter().find(|(words, _)| written(words)) {
        return format!("unknown operation `{name}`: {sentence}");
    }
    if let Some(row) = reduction::like(name) {
        let k = if row.takes_k { "10, " } else { "" };
        return format!("`{name}` is a reduction, which stands behind the arrow: `-> {}<{k}j>`", row.name);
    }
    if OTHERS.contains(&plain.as_str()) {
        return format!("unknown operation `{name}`");
    }
    let names = || table::operations().flat_map(|row| std::iter::once(&row.name).chain(row.aliases)).copied();
    // the same letters, whatever their case and wherever underscores are
    let same = names().filter(|known| known.replace('_', "").to_lowercase() == plain);
    if let Some(meant) = same.min_by_key(|known| strsim::damerau_levenshtein(name, known)) {
        return format!("unknown operation `{name}`, did you mean `{meant}`?");
    }
    match hint(name, names()) {
        near if near.is_empty() => format!("unknown operation `{name}`: {CALLS}"),
        near => format!("unknown operation `{name}`{near}"),
    }
}

/// The message for a name that is not a variable, if no variable has a name near to it.
pub(crate) fn variable(name: &str) -> String {
    let is = match name {
        "pi" | "Pi" | "π" => "π is `PI`".to_owned(),
        "tau" | "τ" => "2π is `TAU`".to_owned(),
        "E" | "e" => "Euler's number is `consts::E`".to_owned(),
        "None" | "null" | "nil" => "a formula has numbers only".to_owned(),
        "True" => "it is 1".to_owned(),
        "False" => "it is 0".to_owned(),
        "i" | "j" => "row numbers are passed as an argument of dimension 1".to_owned(),
        "inf" | "Inf" | "infinity" | "Infinity" | "INF" | "INFINITY" | "NEG_INFINITY" | "nan" | "NaN" | "NAN" => {
            return parse::not_finite(name);
        }
        "self" | "Self" => "pass what it holds as arguments".to_owned(),
        _ if MODULES.contains(&name) && name != FUNCTIONAL => "operations have no module".to_owned(),
        _ => {
            return parse::of_the_scope(name).unwrap_or_else(|| {
                let declared = match (name, name.strip_suffix("_i"), name.strip_suffix("_j")) {
                    (_, Some(_), _) => format!("rows of i as `{name}: Vi<3>`"),
                    (_, _, Some(_)) => format!("rows of j as `{name}: Vj<3>`"),
                    ("D", ..) => "a dimension as `const D: usize`, a number as `D: Pm<1>`".to_owned(),
                    _ => format!("a number as `{name}: Pm<1>`"),
                };
                format!("unknown variable `{name}`: an argument is declared, {declared}")
            });
        }
    };
    format!("unknown variable `{name}`, {is}")
}

/// The message for a call of a function of a module: `np.exp(x)`.
pub(crate) fn of_a_module(module: &Ident, name: &Ident) -> String {
    let text = name.to_string();
    match table::find(&text) {
        Some(_) => format!("`{module}.{name}` is `{name}` here"),
        None => operation(&text),
    }
}

/// The message for a name that is not a reduction.
pub(crate) fn reduction(name: &str) -> String {
    if let Some(row) = reduction::like(name) {
        return format!("unknown reduction `{name}`, did you mean `{}`?", row.name);
    }
    let meant = match name.replace('_', "").to_lowercase().as_str() {
        "kmax" | "maxk" => "the largest K are `KMin<10, j>` of `-f`, with the other sign",
        "argkmax" | "argmaxk" => "the places of the largest K are `ArgKMin<10, j>` of `-f`",
        "kmaxargkmax" => "the largest K and their places are `KMinArgKMin<10, j>` of `-f`, with the other sign",
        "softmin" => "a soft minimum is `LogSumExp<j>` of `-f`, with the other sign",
        "sumexp" | "expsum" => "it is `Sum` of `exp(f)`, or `LogSumExp`, which is its logarithm",
        "logsoftmax" => "it is an exponent minus the `LogSumExp` of its row",
        "topk" | "knn" | "nearest" | "argktop" => "the nearest K are `ArgKMin<10, j>`",
        "lse" | "logaddexp" | "logsum" => "it is `LogSumExp`",
        "attention" => "it is `SumSoftMaxWeight`",
        "any" => "it is `Max` of a comparison",
        "all" => "it is `Min` of a comparison",
        "radius" | "radiussearch" | "ballquery" | "queryball" | "queryballpoint" | "queryradius"
        | "radiusneighbors" | "radiusneighbours" | "frnn" | "neighbours" | "neighbors" | "argwithin"
        | "countwithin" | "ball" | "rangesearch" | "epsneighbours" => {
            "all within a radius are `Within<j> { (f, radius) }`, and `Count<j>` is how many they are"
        }
        "add" | "total" | "reduce" | "plus" => "it is `Sum`",
        "average" | "avg" => "it is `Mean`",
        "product" => "it is `Prod`",
        "norm" | "norm2" => "it is `Sum` of squares, and its root",
        "argsort" | "sort" | "median" | "quantile" | "mode" | "cumsum" | "cumprod" => {
            return format!("unknown reduction `{name}`");
        }
        "var" | "variance" | "std" | "stddev" => {
            "a variance is the `Mean` of squares minus the square of the `Mean`: reduce `concat(f, f**2)`"
        }
        _ => {
            let names = reduction::REDUCTIONS.iter().flat_map(|row| std::iter::once(&row.name).chain(row.aliases));
            return format!("unknown reduction `{name}`{}", hint(name, names.copied()));
        }
    };
    format!("unknown reduction `{name}`, {meant}")
}

#[cfg(test)]
mod tests {
    use super::known::{OTHERS, SENTENCES, WORDS};
    use crate::{
        ir::table,
        syntax::{check::check, parse::Input},
    };

    fn words() -> impl Iterator<Item = &'static str> {
        let known = WORDS.iter().chain(SENTENCES).flat_map(|(words, _)| *words);
        known.chain(OTHERS).copied()
    }

    #[test]
    fn no_word_is_an_operation_or_stands_twice() {
        let operations: Vec<&str> = words().filter(|word| table::find(word).is_some()).collect();
        assert!(operations.is_empty(), "{operations:?} are operations");
        let mut seen = std::collections::HashSet::new();
        for word in words() {
            assert!(seen.insert(word), "{word} stands twice");
            assert!(word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{word} is never found");
        }
    }

    #[test]
    fn what_is_written_instead_is_right() {
        for (words, formula) in WORDS {
            // each formula fits at least one of these dimensions of f and g
            let checked = [(3, 3), (1, 1), (6, 12), (2, 2)].map(|(f, g)| {
                let text = format!(
                    "fn test(a: Pm<9>, s: Pm<3>, f: Vi<{f}>, g: Vj<{g}>, h: Pm<1>, x: Vi<{f}>, y: Vj<{f}>) -> Sum<j> {{ \
                     let all = sum(a) * sum(s) * sum(f) * sum(g) * h * sum(x) * sum(y); {formula} }}"
                );
                let item = syn::parse_str::<Input>(&text).unwrap().0.pop().expect("an item");
                item.and_then(|item| check(&item).map(drop)).map_err(|e| e.to_string())
            });
            assert!(checked.iter().any(Result::is_ok), "{words:?}: {formula}: {checked:?}");
        }
    }
}
