//! Words of other languages, and what they are here: of Rust, C, Python with NumPy, PyTorch and JAX, MATLAB and Julia.
//!
//! A name that is no operation is looked up here first, by what it means. Only a word that nobody knows is taken for a
//! misspelt one: `acosh` is not `acos`.

use proc_macro2::Ident;

use crate::{
    error::hint,
    parse::{self, MODULES},
    reduction, table,
};

/// Said of calls of what is no operation.
pub(crate) const CALLS: &str = "a formula cannot call functions around it";
/// Said of what stands for an argument in pykeops.
pub(crate) const DECLARED: &str =
    "an argument is declared, as `x: Vi<3>` with rows of i, `y: Vj<3>` of j, or `p: Pm<1>`";

/// Words with one meaning, without underscores and capitals, and how it is written here.
const WORDS: &[(&[&str], &str)] = &[
    // other names of operations
    (&["arcsin"], "asin(f)"),
    (&["arccos"], "acos(f)"),
    (&["arctan"], "atan(f)"),
    (&["arctan2"], "atan2(f, g)"),
    (&["sgn"], "sign(f)"),
    (&["heaviside", "unitstep", "thetafunction"], "step(f)"),
    (&["fabs", "absolute", "magnitude"], "abs(f)"),
    (&["reciprocal"], "inv(f)"),
    (&["invsqrt", "inversesqrt"], "rsqrt(f)"),
    (&["sq", "sqr", "pow2", "abs2"], "square(f)"),
    (&["pown"], "powi(f, 3)"),
    (&["remeuclid", "modulo", "fmod", "remainder", "floormod"], "mod(f, g)"),
    (&["rint", "roundeven", "nearbyint"], "round(f)"),
    (&["clip", "clampf"], "clamp(f, g, h)"),
    (&["l2", "l2norm", "norml2", "vecnorm", "length", "euclideannorm"], "norm2(f)"),
    (&["normsq", "squarednorm", "norm2sq", "sqnorm", "normsquared", "sqrnorm", "sumsq", "sumofsquares"], "sqnorm2(f)"),
    (&["dist", "cdist", "pdist", "euclidean", "pairwisedistance", "euclideandistance", "euclid"], "norm2(f - g)"),
    (
        &[
            "sqeuclidean",
            "squareddistance",
            "sqdistance",
            "dist2",
            "distance2",
            "distsq",
            "squareddist",
            "sqdist2",
            "sqrdist",
            "pairwisesqdist",
        ],
        "sqdist(f, g)",
    ),
    (&["inner", "innerproduct", "dotproduct", "vdot", "vecdot", "scalarproduct"], "dot(f, g)"),
    (&["matmul", "mm", "mv", "matvec", "gemv", "mulvec"], "mat_vec(a, f)"),
    (&["einsum"], "tensordot(f, g, [2, 3], [3, 4], [1], [0])"),
    (&["outerproduct", "ger"], "outer(f, g)"),
    (&["stack", "hstack", "vstack", "append", "join", "vcat", "hcat"], "concat(f, g)"),
    (&["slice", "narrow", "chunk", "split", "segment", "head", "tail"], "extract(f, 0, 2)"),
    (&["get", "nth", "component", "item", "getitem", "gather", "take"], "elem(f, 0)"),
    (&["normalized", "normalise", "unit", "unitvector"], "normalize(f)"),
    (&["conjugate"], "conj(f)"),
    (&["imaginary"], "imag(f)"),
    (&["arg", "phase"], "angle(f)"),
    (&["cabs"], "complex_abs(f)"),
    (&["cexp"], "complex_exp(f)"),
    (&["gradient", "nabla", "vjp", "backward"], "grad(f, x, 1)"),
    (&["jvp"], "diff(f, x, y)"),
    (&["jacobian"], "grad_matrix(f, x)"),
    (&["rbf", "gauss", "gaussiankernel", "rbfkernel", "squaredexponential", "sqexp"], "gaussian(x, y, g)"),
    (&["laplace", "laplacekernel", "laplaciankernel", "matern12"], "laplacian(x, y, g)"),
    (&["student", "cauchykernel"], "cauchy(x, y, g)"),
    (&["imq", "inversemultiquadratic"], "inverse_multiquadric(x, y, g)"),
    (&["full", "fill", "repeat", "tile", "expand"], "broadcast(f, 3)"),
    (&["ones"], "broadcast(1, 3)"),
    (&["zeros"], "zero(3)"),
    // what is made of others
    (&["tan"], "sin(f) / cos(f)"),
    (&["cot"], "cos(f) / sin(f)"),
    (&["sec"], "1 / cos(f)"),
    (&["csc", "cosec"], "1 / sin(f)"),
    (&["deg2rad", "toradians", "radians"], "f * PI / 180"),
    (&["rad2deg", "todegrees", "degrees"], "f * 180 / PI"),
    (&["sind"], "sin(f * PI / 180)"),
    (&["cosd"], "cos(f * PI / 180)"),
    (&["exp2"], "2 ** f"),
    (&["exp10"], "10 ** f"),
    (&["log2", "lb"], "log(f) / LN_2"),
    (&["log10", "lg"], "log(f) / LN_10"),
    (&["sigmoid", "logistic", "expit"], "1 / (1 + exp(-f))"),
    (&["softplus"], "relu(f) + log(1 + exp(-abs(f)))"),
    (&["logit"], "log(f / (1 - f))"),
    (&["silu", "swish"], "f / (1 + exp(-f))"),
    (&["elu"], "ifelse(f, f, exp(f) - 1)"),
    (&["leakyrelu"], "ifelse(f, f, 0.01 * f)"),
    (&["relu6"], "clamp(f, 0, 6)"),
    (&["hardtanh"], "clamp(f, -1, 1)"),
    (&["cbrt"], "sign(f) * abs(f)**(1/3)"),
    (&["cube"], "f**3"),
    (&["hypot"], "sqrt(f**2 + g**2)"),
    (&["negative", "negate"], "-f"),
    (&["muladd", "fma"], "f * g + h"),
    (&["ceil"], "-floor(-f)"),
    (&["trunc", "fix"], "sign(f) * floor(abs(f))"),
    (&["fract", "frac"], "f - floor(f)"),
    (&["isnan"], "f != f"),
    (&["l1", "norm1", "l1norm", "norml1"], "sum(abs(f))"),
    (&["manhattan", "cityblock", "taxicab"], "sum(abs(f - g))"),
    (&["linf", "norminf", "maxnorm", "infnorm"], "max(abs(f))"),
    (&["chebyshev"], "max(abs(f - g))"),
    (&["minkowski"], "sum(abs(f - g)**3)**(1/3)"),
    (&["hamming"], "sum(f != g)"),
    (&["cosine", "cosinesimilarity", "cossim"], "(normalize(f) | normalize(g))"),
    (&["cosinedistance"], "1 - (normalize(f) | normalize(g))"),
    (&["mahalanobis"], "sqrt(weighted_sqdist(s, f, g))"),
    (&["ln2"], "LN_2"),
    (&["matern", "matern32"], "(1 + sqrt(3) * norm2(f - g)) * exp(-sqrt(3) * norm2(f - g))"),
    (&["matern52"], "(1 + sqrt(5) * norm2(f - g) + 5/3 * sqdist(f, g)) * exp(-sqrt(5) * norm2(f - g))"),
    (&["multiquadric"], "sqrt(1 + sqdist(f, g))"),
    (&["energydistance", "energy"], "-norm2(f - g)"),
    (&["rationalquadratic"], "(1 + sqdist(f, g) / 2)**-1"),
    (&["polynomial", "poly"], "(1 + (f | g))**3"),
    (&["coulomb", "inversedistance"], "rsqrt(sqdist(f, g))"),
    (&["thinplate", "thinplatespline", "tps"], "xlogx(sqdist(f, g)) / 2"),
    (&["epanechnikov"], "relu(1 - sqdist(f, g))"),
];

/// Words that need a sentence.
const SENTENCES: &[(&[&str], &str)] = &[
    (
        &["where", "cond", "select", "iif", "mux", "choose", "piecewise"],
        "`ifelse(f, g, h)` is g where f >= 0, else h; of a comparison it is `ifelse((x < y) - 0.5, g, h)`",
    ),
    (&["transpose", "permute", "swapaxes"], "`vec_mat(x, a)` is the product with a transposed matrix"),
    (
        &[
            "reshape",
            "view",
            "flatten",
            "ravel",
            "squeeze",
            "unsqueeze",
            "contiguous",
            "detach",
            "clone",
            "expanddims",
            "float",
            "double",
            "half",
            "cuda",
            "cpu",
            "to",
            "into",
        ],
        "a formula has one vector for each pair: leave it out",
    ),
    (&["lazytensor", "vi", "vj", "pm", "vx", "vy", "var"], DECLARED),
    (&["softmax", "attention"], "a softmax over j is the reduction `-> SumSoftMaxWeight<j> { (f, g) }`"),
    (&["topk", "knn", "nearest", "kneighbors"], "the nearest K are a reduction: `-> ArgKMin<10, j>`"),
    (
        &["solve", "kernelsolve", "lstsq"],
        "equations are solved by the call of a sum that is linear in `b`: `.solve_b(alpha)`",
    ),
    (&["rand", "randn", "random", "normal", "uniform"], "a formula has no random numbers: pass them as an argument"),
    (&["print", "println", "dbg"], "a formula cannot print"),
];

/// Words that mean something else than any operation, and that no near name is the right one for.
const OTHERS: &[&str] = &[
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "coth",
    "sech",
    "csch",
    "acot",
    "asec",
    "acsc",
    "erf",
    "erfc",
    "erfinv",
    "erfcinv",
    "gamma",
    "lgamma",
    "loggamma",
    "gammaln",
    "digamma",
    "beta",
    "expm1",
    "log1p",
    "ln1p",
    "logaddexp",
    "logsigmoid",
    "logsoftmax",
    "gelu",
    "selu",
    "celu",
    "mish",
    "sincos",
    "sinpi",
    "cospi",
    "cross",
    "det",
    "svd",
    "eig",
    "pinv",
    "cholesky",
    "trace",
    "mean",
    "average",
    "prod",
    "product",
    "std",
    "variance",
    "median",
    "mode",
    "cumsum",
    "cumprod",
    "sort",
    "argsort",
    "unique",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "nanmax",
    "nanmin",
    "max3",
    "min3",
    "any",
    "all",
    "count",
    "len",
    "size",
    "shape",
    "dim",
    "isinf",
    "isfinite",
    "copysign",
    "nextafter",
    "ldexp",
    "frexp",
    "ulp",
    "j0",
    "j1",
    "y0",
    "y1",
    "i0",
    "i1",
    "k0",
    "k1",
    "besselj",
    "besselk",
    "ei",
    "zeta",
    "curl",
    "hessian",
    "norm3",
    "normp",
    "haversine",
    "wendland",
    "periodic",
    "ceildiv",
    "ilogb",
    "logb",
    "root",
    "nthroot",
    "legendre",
    "hermite",
    "chebyshevt",
    "fft",
    "conv",
    "map",
    "fold",
    "iter",
    "eye",
    "arange",
    "linspace",
];

/// What to say of a call of what is no operation.
pub(crate) fn operation(name: &str) -> String {
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
    // the same letters, however they are joined
    let same = names().filter(|known| known.replace('_', "").to_lowercase() == plain);
    if let Some(meant) = same.min_by_key(|known| strsim::damerau_levenshtein(name, known)) {
        return format!("unknown operation `{name}`, did you mean `{meant}`?");
    }
    match hint(name, names()) {
        near if near.is_empty() => format!("unknown operation `{name}`: {CALLS}"),
        near => format!("unknown operation `{name}`{near}"),
    }
}

/// What to say of a name that is no variable, where none has a name near to it.
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
        _ if MODULES.contains(&name) => "operations have no module".to_owned(),
        _ => return parse::of_the_scope(name).unwrap_or_else(|| format!("unknown variable `{name}`")),
    };
    format!("unknown variable `{name}`, {is}")
}

/// What to say of a call of a module's function: `np.exp(x)`.
pub(crate) fn of_a_module(module: &Ident, name: &Ident) -> String {
    let text = name.to_string();
    match table::find(&text) {
        Some(_) => format!("`{module}.{name}` is `{name}` here"),
        None => operation(&text),
    }
}

/// What to say of a name that is no reduction.
pub(crate) fn reduction(name: &str) -> String {
    if let Some(row) = reduction::like(name) {
        return format!("unknown reduction `{name}`, did you mean `{}`?", row.name);
    }
    let meant = match name.replace('_', "").to_lowercase().as_str() {
        "topk" | "knn" | "nearest" | "argktop" => "the nearest K are `ArgKMin<10, j>`",
        "lse" | "logaddexp" | "logsum" => "it is `LogSumExp`",
        "attention" => "it is `SumSoftMaxWeight`",
        "any" => "it is `Max` of a comparison",
        "all" => "it is `Min` of a comparison",
        "count" => "it is `Sum` of a comparison",
        "add" | "total" | "reduce" | "plus" => "it is `Sum`",
        "norm" | "norm2" => "it is `Sum` of squares, and its root",
        "argsort" | "sort" | "median" | "quantile" | "mode" | "prod" | "product" | "mean" | "average" | "avg"
        | "var" | "std" => return format!("unknown reduction `{name}`"),
        _ => {
            let names = reduction::REDUCTIONS.iter().flat_map(|row| std::iter::once(&row.name).chain(row.aliases));
            return format!("unknown reduction `{name}`{}", hint(name, names.copied()));
        }
    };
    format!("unknown reduction `{name}`, {meant}")
}

#[cfg(test)]
mod tests {
    use super::{OTHERS, SENTENCES, WORDS};
    use crate::{check::check, parse::Input, table};

    fn words() -> impl Iterator<Item = &'static str> {
        let known = WORDS.iter().chain(SENTENCES).flat_map(|(words, _)| *words);
        known.chain(OTHERS).copied()
    }

    #[test]
    fn no_word_is_an_operation_or_stands_twice() {
        let mut seen = std::collections::HashSet::new();
        for word in words() {
            assert!(table::find(word).is_none(), "{word} is an operation");
            assert!(seen.insert(word), "{word} stands twice");
            assert!(word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{word} is never found");
        }
    }

    #[test]
    fn what_is_written_instead_is_right() {
        for (words, formula) in WORDS {
            // some dimensions of f and g fit
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
