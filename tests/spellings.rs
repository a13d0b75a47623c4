//! The three spellings of formulas, what a `keops!` may hold and where it may stand: all give the numbers of plain
//! loops.

mod harness;

use harness::{Random, assert_identical, assert_rows, dot, squared_distance};
use keops::prelude::*;

/// The numbers of points: lanes are left over.
const N: usize = 37;
/// See [`N`].
const M: usize = 53;

/// Random values of g, x, y, u and v.
struct Points {
    g: f64,
    x: Vec<[f64; 3]>,
    y: Vec<[f64; 3]>,
    u: Vec<[f64; 2]>,
    v: Vec<[f64; 2]>,
}

impl Points {
    fn new() -> Self {
        let mut random = Random::new();
        let g = random.number(0.2..2.0);
        Points { g, x: random.cloud(N), y: random.cloud(M), u: random.cloud(N), v: random.cloud(M) }
    }

    /// Σ_j f(i, j) with f exp(-g |x - y|²) (1 + (u|v)²)
    fn products(&self, g: f64) -> Vec<[f64; 1]> {
        (0..N).map(|i| [(0..M).map(|j| self.product(g, i, j)).sum::<f64>()]).collect()
    }

    /// Σ_i f(i, j)
    fn products_over_i(&self, g: f64) -> Vec<[f64; 1]> {
        (0..M).map(|j| [(0..N).map(|i| self.product(g, i, j)).sum::<f64>()]).collect()
    }

    fn product(&self, g: f64, i: usize, j: usize) -> f64 {
        (-g * squared_distance(&self.x[i], &self.y[j])).exp() * (1.0 + dot(&self.u[i], &self.v[j]).powi(2))
    }
}

/// What the sums may be off by, relative to the largest.
const ERROR: f64 = 1e-14;

keops! {
    /// KeOps' names inside a function.
    pub fn with_names(G: Pm<1>, X: Vi<3>, Y: Vj<3>, U: Vi<2>, V: Vj<2>) -> Sum<j> {
        Exp(-G*SqDist(X,Y)) * ( IntCst(1) + Pow((U|V), 2) )
    }

    /// The form of pykeops.
    pub fn with_genred = Genred(
        "Exp(-G*SqDist(X,Y)) * ( IntCst(1) + Pow((U|V), 2) )",
        ["G = Pm(1)", "X = Vi(3)", "Y = Vj(3)", "U = Vi(2)", "V = Vj(2)"],
        reduction_op = "Sum",
        axis = 1
    );

    // Positions, in any order, and other ways to write the same; a trailing comma.
    fn with_positions = Genred("Exp(-G * SqDist(X,Y)) * (1 + (U|V)**2)", [
        "V=Vy(4,2)", "U = Vi( 3 , 2 )", "X = Var(1,3,0)", "Y = Vj(2,3)", "G=Pm(0,1)",
    ], axis = 1,);

    // No aliases at all, or some.
    fn with_raw_variables = Genred(
        "Exp(-Var(0,1,2) * SqDist(Var(1,3,0), Y)) * (1 + (Var(3,2,0) | Var(4,2,1))**2)", ["Y = Vj(2,3)"], axis = 1);

    // KeOps reduces over i if nothing is said.
    fn over_i_by_default =
        Genred("Exp(-G*SqDist(X,Y))*(1+(U|V)**2)", ["G=Pm(1)", "X=Vx(3)", "Y=Vy(3)", "U=Vx(2)", "V=Vy(2)"]);

    fn over_i = Genred(
        "Exp(-G*SqDist(X,Y))*(1+(U|V)**2)", ["G=Pm(1)", "X=Vi(3)", "Y=Vj(3)", "U=Vi(2)", "V=Vj(2)"], axis = 0);

    /// Our names.
    pub fn like_rust(g: Pm<1>, x: Vi<3>, y: Vj<3>, u: Vi<2>, v: Vj<2>) -> Sum<j> {
        exp(-g * sqdist(x, y)) * (1 + (u | v)**2)
    }

    /// Methods.
    pub fn with_methods(g: Pm<1>, x: Vi<3>, y: Vj<3>, u: Vi<2>, v: Vj<2>) -> Sum<j> {
        (-g * (x - y).sqnorm2()).exp() * u.dot(v).square().add(1.0)
    }

    /// Bindings, of which one hides a variable and one a binding.
    pub fn with_bindings(g: Pm<1>, x: Vi<3>, y: Vj<3>, u: Vi<2>, v: Vj<2>) -> Sum<j> {
        let x = x - y;
        let r = sqnorm2(x);
        let r = exp(-g * r);
        let p = 1 + (u | v)**2;
        p * r
    }

    /// Named kernels.
    pub fn named(x: Vi<3>, y: Vj<3>, u: Vi<2>, v: Vj<2>) -> Sum<j> {
        gaussian(x,y) * (1+linear(u,v)**2)
    }

    /// Named kernels with a parameter.
    pub fn named_with_parameter(g: Pm<1>, x: Vi<3>, y: Vj<3>, u: Vi<2>, v: Vj<2>) -> Sum<j> {
        gaussian(x,y,g) * (1 + linear(u,v)**2)
    }
}

#[test]
fn spellings_of_one_formula_agree() {
    let points = Points::new();
    let Points { g, x, y, u, v } = &points;
    let expected = points.products(*g);
    let found = with_names(*g, x, y, u, v).eval().unwrap();
    assert_rows(&found, &expected, ERROR, "names");
    assert_identical(&with_genred(*g, x, y, u, v).eval().unwrap(), &found, "Genred");
    assert_identical(&with_positions(*g, x, y, u, v).eval().unwrap(), &found, "positions");
    assert_identical(&with_raw_variables(*g, x, y, u, v).eval().unwrap(), &found, "raw variables");
    assert_identical(&like_rust(*g, x, y, u, v).eval().unwrap(), &found, "like Rust");
    // these write sums and products the other way round
    assert_rows(&with_methods(*g, x, y, u, v).eval().unwrap(), &expected, ERROR, "methods");
    assert_rows(&with_bindings(*g, x, y, u, v).eval().unwrap(), &expected, ERROR, "bindings");
    assert_rows(&named_with_parameter(*g, x, y, u, v).eval().unwrap(), &expected, ERROR, "named");
    assert_rows(&named(x, y, u, v).eval().unwrap(), &points.products(1.0), ERROR, "named, without parameter");
}

#[test]
fn axis_0_reduces_over_i() {
    let points = Points::new();
    let Points { g, x, y, u, v } = &points;
    let found = over_i(*g, x, y, u, v).eval().unwrap();
    assert_rows(&found, &points.products_over_i(*g), ERROR, "axis = 0");
    assert_identical(&over_i_by_default(*g, x, y, u, v).eval().unwrap(), &found, "no axis");
}

#[test]
fn genred_has_derivatives() {
    let points = Points::new();
    let Points { g, x, y, u, v } = &points;
    let e: Vec<[f64; 1]> = Random::new().cloud(N);
    let found = with_genred(*g, x, y, u, v).vjp_U(&e).eval().unwrap();
    let expected: Vec<[f64; 2]> = (0..N)
        .map(|i| {
            let mut sum = [0.0; 2];
            for j in 0..M {
                let weight = 2.0 * e[i][0] * (-g * squared_distance(&x[i], &y[j])).exp() * dot(&u[i], &v[j]);
                sum.iter_mut().zip(v[j]).for_each(|(sum, v)| *sum += weight * v);
            }
            sum
        })
        .collect();
    assert_rows(&found, &expected, ERROR, "vjp_U");
}

keops! {
    // The reductions under KeOps' names. Only some are run: tests/reductions.rs has the numbers.
    #[keops(order = 0)]
    fn log_sum_exp = Genred("-SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)"], reduction_op = "LogSumExp", axis = 1);
    #[keops(order = 0)]
    fn weighted = Genred(
        "-SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"], reduction_op = "LogSumExp", axis = 1, formula2 = "Square(B)");
    #[keops(order = 0)]
    fn weighted_too = Genred(
        "-SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"], formula2 = "B**2", axis = 1, reduction_op = "LogSumExpWeight");
    #[keops(order = 0)]
    fn soft_max = Genred(
        "-SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"], reduction_op = "SoftMax", axis = 0, formula2 = "B*Var(3,1,0)");
    fn soft_max_too = Genred(
        "-SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)", "B=Vj(2)"], reduction_op = "SumSoftMaxWeight", axis = 0, formula2 = "B");
    fn min = Genred("SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)"], reduction_op = "Min", axis = 1);
    fn max = Genred("SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)"], reduction_op = "Max", axis = 1);
    fn arg_min = Genred("SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)"], reduction_op = "ArgMin", axis = 1);
    fn arg_max = Genred("SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)"], reduction_op = "ArgMax", axis = 1);
    fn min_arg_min = Genred("X*Y", ["X=Vi(3)", "Y=Vj(3)"], reduction_op = "Min_ArgMin", axis = 1);
    fn max_arg_max = Genred("X*Y", ["X=Vi(3)", "Y=Vj(3)"], reduction_op = "Max_ArgMax", axis = 0);
    fn k_min = Genred("SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)"], reduction_op = "KMin", axis = 1, opt_arg = 4);
    fn arg_k_min = Genred("SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)"], opt_arg = 4, reduction_op = "ArgKMin", axis = 0);
    fn k_min_arg_k_min = Genred("X*Y", ["X=Vi(3)", "Y=Vj(3)"], reduction_op = "KMin_ArgKMin", axis = 1, opt_arg = 4);
}

/// What the reductions that are not run would give: this compiles, and no more is wanted.
#[allow(dead_code, reason = "it is the types that are tested")]
fn types_of_reductions(x: &Vec<[f64; 3]>, y: &Vec<[f64; 3]>, b: &Vec<[f64; 2]>) -> Result<(), Error> {
    let _: Rows<f64, 2> = weighted_too(x, y, b).eval()?;
    let _: Rows<f64, 2> = soft_max_too(x, y, b).eval()?;
    let (_, _): (Rows<f64, 1>, Rows<f64, 1>) = (min(x, y).eval()?, max(x, y).eval()?);
    let (_, _): (Rows<u32, 1>, Rows<u32, 1>) = (arg_min(x, y).eval()?, arg_max(x, y).eval()?);
    let (_, _): (Rows<f64, 3>, Rows<u32, 3>) = min_arg_min(x, y).eval()?;
    let _: Rows<f64, 4> = k_min(x, y).eval()?;
    let (_, _): (Rows<f64, 12>, Rows<u32, 12>) = k_min_arg_k_min(x, y).eval()?;
    let mut out = vec![[0.0; 4]; N];
    k_min(x, y).into_rows(&mut out)
}

#[test]
fn genred_reductions() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(N), random.cloud(M));
    let (b, c): (Vec<[f64; 2]>, Vec<[f64; 1]>) = (random.cloud(M), random.cloud(N));
    let exponent = |i: usize, j: usize| -squared_distance(&x[i], &y[j]);

    let plain: Vec<[f64; 1]> = (0..N).map(|i| [(0..M).map(|j| exponent(i, j).exp()).sum::<f64>().ln()]).collect();
    assert_rows(&log_sum_exp(&x, &y).eval().unwrap(), &plain, ERROR, "LogSumExp");
    let with_weight = |i: usize, d: usize| (0..M).map(|j| exponent(i, j).exp() * b[j][d] * b[j][d]).sum::<f64>().ln();
    let expected: Vec<[f64; 2]> = (0..N).map(|i| [0, 1].map(|d| with_weight(i, d))).collect();
    assert_rows(&weighted(&x, &y, &b).eval().unwrap(), &expected, ERROR, "formula2");
    let mean = |j: usize, d: usize| {
        let weights = (0..N).map(|i| exponent(i, j).exp());
        let terms = (0..N).map(|i| exponent(i, j).exp() * b[j][d] * c[i][0]);
        terms.sum::<f64>() / weights.sum::<f64>()
    };
    let expected: Vec<[f64; 2]> = (0..M).map(|j| [0, 1].map(|d| mean(j, d))).collect();
    assert_rows(&soft_max(&x, &y, &b, &c).eval().unwrap(), &expected, ERROR, "SoftMax over i");

    let (values, places) = max_arg_max(&x, &y).eval().unwrap();
    let neighbours = arg_k_min(&x, &y).eval().unwrap();
    for j in 0..M {
        for d in 0..3 {
            let best = (0..N).max_by(|&a, &b| (x[a][d] * y[j][d]).total_cmp(&(x[b][d] * y[j][d]))).unwrap();
            assert_eq!((values[j][d], places[j][d]), (x[best][d] * y[j][d], best as u32), "Max_ArgMax {j} {d}");
        }
        let mut order: Vec<usize> = (0..N).collect();
        order.sort_by(|&a, &b| exponent(b, j).total_cmp(&exponent(a, j)));
        assert_eq!(neighbours[j].map(|i| i as usize), order[..4], "ArgKMin {j}");
    }
}

keops! {
    // Precedence, as in Python.
    #[keops(order = 0)]
    fn precedence(a: Vi<1>, b: Vj<1>, x: Vi<2>, y: Vj<2>) -> Sum<j> {
        let signs = concat(-a**2, concat(-a.square(), concat(2**-b, concat(a - b - 1, concat(a / b / 2, a - -b)))));
        let powers = concat(2**3**2 * a, concat((-a)**3, concat(a**2 * b**3, concat(a*b**2, 1.5e0 * +a))));
        let dots = concat(x | y + x, concat(x - y | y, concat(2*x | y, concat(-x | y, (x | y) | b))));
        let order = concat(a < b + 1, concat((a < b) + 1, concat((x | y) < a*b, concat(1 - (a >= b), a != b))));
        signs.concat(powers).concat(dots).concat(order)
    }

    // Without spaces and with many; numbers as Rust writes them.
    #[keops(order = 0)]
    fn characters(a: Vi<1>, b: Vj<1>) -> Sum<j> {
        concat(1_000*a,concat(0x10*b,concat(1e-3 * a ,concat(2.0f32*b,concat(2.*a,concat(2.0 .exp() * a,(a)<-(b)))))))
    }
}

#[test]
fn operators_bind_as_in_python() {
    let mut random = Random::new();
    let (a, b): (f64, f64) = (random.number(0.5..2.0), random.number(0.5..2.0));
    let (x, y): ([f64; 2], [f64; 2]) = (random.cloud(1)[0], random.cloud(1)[0]);
    let is = |b: bool| f64::from(u8::from(b));
    let xy = dot(&x, &y);
    let found = precedence(&[[a]], &[[b]], &[x], &[y]).eval().unwrap();
    let expected = [
        [-a * a, -a * a, (-b).exp2(), a - b - 1.0, a / b / 2.0, a + b].as_slice(),
        &[512.0 * a, -a * a * a, a * a * b * b * b, a * b * b, 1.5 * a],
        &[xy + dot(&x, &x), xy - dot(&y, &y), 2.0 * xy, -xy, xy * b],
        &[is(a < b + 1.0), is(a < b) + 1.0, is(xy < a * b), 1.0 - is(a >= b), is(a != b)],
    ]
    .concat();
    let expected: [f64; 21] = expected.try_into().unwrap();
    assert_rows(&found, &[expected], 1e-15, "precedence");
    let found = characters(&[[a]], &[[b]]).eval().unwrap();
    let expected = [1000.0 * a, 16.0 * b, 1e-3 * a, 2.0 * b, 2.0 * a, 2f64.exp() * a, is(a < -b)];
    assert_rows(&found, &[expected], 1e-15, "characters");
}

keops! {
    // A kernel's parameter may also be indexed by i or by j.
    #[keops(order = 0)]
    fn local_scales(x: Vi<3>, y: Vj<3>, s: Vi<1>, d: Vj<3>, m: Vi<9>) -> Sum<j> {
        concat(gaussian(x, y, s), concat(cauchy(x, y, d), linear(x, y, m)))
    }
}

#[test]
fn parameters_of_kernels_may_be_indexed() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(N), random.cloud(M));
    let (s, d): (Vec<[f64; 1]>, Vec<[f64; 3]>) = (random.rows(N, 0.1..2.0), random.rows(M, 0.1..2.0));
    let m: Vec<[f64; 9]> = random.cloud(N);
    let found = local_scales(&x, &y, &s, &d, &m).eval().unwrap();
    let term = |i: usize, j: usize| {
        let diagonal: f64 = (0..3).map(|k| d[j][k] * (x[i][k] - y[j][k]).powi(2)).sum();
        let form: f64 = (0..9).map(|k| x[i][k / 3] * m[i][k] * y[j][k % 3]).sum();
        [(-s[i][0] * squared_distance(&x[i], &y[j])).exp(), 1.0 / (1.0 + diagonal), form]
    };
    let expected: Vec<[f64; 3]> = (0..N)
        .map(|i| (0..M).map(|j| term(i, j)).fold([0.0; 3], |a, b| std::array::from_fn(|k| a[k] + b[k])))
        .collect();
    assert_rows(&found, &expected, ERROR, "local scales");
}

/// Formulas of other visibilities, next to names of the language and of the standard library.
mod inner {
    #![deny(warnings, clippy::all, clippy::pedantic, reason = "what keops! writes passes the lints of its user")]
    #![allow(dead_code, reason = "some are only to be seen or not")]

    use keops::keops;

    keops! {
        fn private(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y }
        pub(super) fn of_parent(x: Vi<1>, y: Vj<1>) -> Sum<j> { x + y }
        pub(crate) fn of_crate(x: Vi<1>, y: Vj<1>) -> Sum<j> { x - y }
        pub(in crate::inner) fn of_path(x: Vi<1>, y: Vj<1>) -> Sum<j> { x - y }
    }

    /// Uses the private one.
    pub(super) fn through(x: &[[f64; 1]], y: &[[f64; 1]]) -> f64 {
        private(x, y).eval().map_or(f64::NAN, |rows| rows[0][0])
    }
}

/// Names that a user may have taken.
mod taken {
    #![allow(dead_code, non_camel_case_types, reason = "they stand in the way on purpose")]

    pub(crate) struct Vec;
    pub(crate) struct Result;
    pub(crate) struct Option;
    pub(crate) struct Rows;
    pub(crate) struct R;
    pub(crate) struct T;
    pub(crate) trait Copy {}
    pub(crate) trait Send {}
    pub(crate) mod std {}
    pub(crate) mod core {}
    pub(crate) struct usize;
    ::keops::keops! {
        /// Named like an operation, with arguments that are named like things of the expansion.
        #[keops(order = 2)]
        pub(crate) fn exp(views: Vi<1>, settings: Vj<1>, out: Pm<1>, e: Vi<1>, cotangent: Vj<1>, saved: Vi<1>) -> Sum<j> {
            exp(views * settings) * out * e * cotangent * saved
        }
        #[must_use]
        pub(crate) fn keops(i: Vi<1>, j: Vj<1>, saved: Vi<1>) -> LogSumExp<j> { i * j * saved }
        pub(crate) fn r#fn(r#in: Vi<1>, r#type: Vj<1>) -> Sum<j> { exp(r#in * r#type) }
    }
}

/// Const generics with names that the expansion has too.
mod generics {
    ::keops::keops! {
        #[keops(cuda(E = 4, T = 3, R = 2, P = 5))]
        pub(crate) fn wide<const E: usize, const T: usize, const R: usize, const P: usize>(
            x: Vi<T>, y: Vj<T>, u: Vi<R>, v: Vj<R>, s: Pm<P>, b: Vj<E>) -> Sum<j> {
            exp(-sqdist(x, y) - sqdist(u, v) * sqnorm2(s)) * b
        }
        #[keops(cuda(K = 2, D = 3))]
        pub(crate) fn nearest<const K: usize, const D: usize>(x: Vi<D>, y: Vj<D>) -> ArgKMin<K, j> { sqdist(x, y) }
        #[keops(cuda(d = 3, Value = 5))]
        #[allow(non_upper_case_globals, reason = "a user may write it so")]
        pub(crate) fn small<const d: usize, const Value: usize>(x: Vi<d>, y: Vj<d>, z: Pm<Value>) -> Sum<j> {
            (x | y) * sum(z)
        }
    }
}

// One of the two is compiled.
keops! {
    #[cfg(not(target_pointer_width = "16"))]
    fn chosen(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y }
    #[cfg(target_pointer_width = "16")]
    fn chosen(x: Vi<2>, y: Vj<2>) -> Sum<j> { x * y }
}

#[test]
fn formulas_stand_anywhere() {
    keops! {
        fn local(x: Vi<1>, y: Vj<1>) -> Sum<j> { 3 * x * y }
    }
    let (x, y) = ([[2.0]], [[0.5], [1.5]]);
    assert_eq!(inner::through(&x, &y), 4.0);
    assert_eq!(inner::of_parent(&x, &y).eval().unwrap().as_flat(), [6.0]);
    assert_eq!(inner::of_crate(&x, &y).eval().unwrap().as_flat(), [2.0]);
    assert_eq!(local(&x, &y).eval().unwrap().as_flat(), [12.0]);
    assert_eq!(chosen(&x, &y).eval().unwrap().as_flat(), [4.0]);
}

#[test]
fn names_do_not_clash() {
    let (x, y) = ([[2.0]], [[0.5]]);
    let e = 1f64.exp();
    assert_rows(&taken::exp(&x, &y, 3.0, &x, &y, &x).eval().unwrap(), &[[6.0 * e]], 1e-15, "exp");
    // with e a vjp's argument is meant, and not the variable
    let again = taken::exp(&x, &y, 3.0, &x, &y, &x).vjp_cotangent(&x).vjp_saved(&y).eval().unwrap();
    assert_rows(&again, &[[3.0 * 2.0 * e * 2.0 * 0.5]], 1e-15, "exp, derived twice");
    // log exp(i j s) = i j s
    assert_rows(&taken::keops(&x, &y, &x).vjp_saved(&[[7.0]]).eval().unwrap(), &[[7.0]], 1e-15, "saved");
    assert_rows(&taken::r#fn(&x, &y).vjp_in(&[[1.0]]).eval().unwrap(), &[[0.5 * e]], 1e-15, "in");
    let all = taken::r#fn(&x, &y).vjp(&[[1.0]]).eval().unwrap();
    assert_rows(&all.r#type, &[[2.0 * e]], 1e-15, "type");
}

#[test]
fn const_generics_of_any_name() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(N), random.cloud(M));
    let (u, v): (Vec<[f64; 2]>, Vec<[f64; 2]>) = (random.cloud(N), random.cloud(M));
    let b: Vec<[f64; 4]> = random.cloud(M);
    let s: [f64; 5] = random.cloud(1)[0];
    let found = generics::wide(&x, &y, &u, &v, s, &b).eval().unwrap();
    let expected: Vec<[f64; 4]> = (0..N)
        .map(|i| {
            std::array::from_fn(|c| {
                let exponent =
                    |j: usize| -squared_distance(&x[i], &y[j]) - squared_distance(&u[i], &v[j]) * dot(&s, &s);
                (0..M).map(|j| exponent(j).exp() * b[j][c]).sum()
            })
        })
        .collect();
    assert_rows(&found, &expected, ERROR, "const generics");
    // the number K is not in the arguments
    let nearest = generics::nearest::<2, 3, _>(&x, &y).eval().unwrap();
    for i in 0..N {
        let mut order: Vec<usize> = (0..M).collect();
        order.sort_by(|&a, &b| squared_distance(&x[i], &y[a]).total_cmp(&squared_distance(&x[i], &y[b])));
        assert_eq!(nearest[i].map(|j| j as usize), order[..2]);
    }
    let found = generics::small(&x, &y, s).eval().unwrap();
    let total: f64 = s.iter().sum();
    let expected: Vec<[f64; 1]> = (0..N).map(|i| [(0..M).map(|j| dot(&x[i], &y[j])).sum::<f64>() * total]).collect();
    assert_rows(&found, &expected, ERROR, "lower-case const generics");
}

keops! {
    /// All arguments of pykeops, in its order.
    fn positional = Genred("Exp(-SqDist(X,Y)) * B", ["X = Vi(3)", "Y = Vj(3)", "B = Vj(2)"], "Sum", 1, "float64", None, None,
        None, "auto", False, "block_sum", True, False, True);
    /// By name, in any order; two strings are one, and `dtype` says nothing.
    fn by_name = Genred(
        axis=1, dtype="float32", aliases=("X = Vi(3)", "Y = Vj(3)", "B = Vj(2)"), reduction_op="Sum", opt_arg=None,
        formula="Exp(-SqDist(X,Y))" " * B", use_fast_math=False, enable_chunks=False);
    /// Variables that say themselves what they are.
    fn unnamed = Genred("Exp(-SqDist(Vi(0,3), Var(1,3,1))) * Vj(2,2)", ["Vi(3)", "Vj(3)"], axis=1);
    fn least = Genred("SqDist(X,Y)", ["X=Vi(3)", "Y=Vj(3)"], "ArgKMin", 1, None, 2);

    /// A paste of a LazyTensor.
    fn lazy(x_i: Vi<3>, y_j: Vj<3>, b_j: Vj<2>) -> Sum<j> {
        let D_ij = ((x_i - y_j) ** 2).sum(-1);
        (-D_ij).exp() * b_j
    }
    fn components(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        x[0] * y[..2] + x[:, 1:3] * y[2] + concat(x.max(dim=-1), y[:, :, 0]) * (x - y)[1..=2].norm(-1)
    }
    /// Constants of std.
    fn constants(x: Vi<3>, y: Vj<3>) -> Sum<j> {
        std::f64::consts::TAU * x + y / PI * 1_000.0_f64 + f32::consts::SQRT_2 + consts::E * 2f32 + f64::EPSILON
    }
}

#[test]
fn arguments_of_genred_stand_in_any_order() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(N), random.cloud(M));
    let b: Vec<[f64; 2]> = random.cloud(M);
    let sum = |i: usize, d: usize| (0..M).map(|j| (-squared_distance(&x[i], &y[j])).exp() * b[j][d]).sum();
    let expected: Vec<[f64; 2]> = (0..N).map(|i| [sum(i, 0), sum(i, 1)]).collect();
    let found = positional(&x, &y, &b).eval().unwrap();
    assert_rows(&found, &expected, ERROR, "positional");
    assert_identical(&by_name(&x, &y, &b).eval().unwrap(), &found, "by name");
    assert_identical(&unnamed(&x, &y, &b).eval().unwrap(), &found, "unnamed");
    assert_identical(&lazy(&x, &y, &b).eval().unwrap(), &found, "LazyTensor");
    let e: Vec<[f64; 2]> = random.cloud(N);
    let slopes = positional(&x, &y, &b).vjp_X(&e).eval().unwrap();
    assert_identical(&lazy(&x, &y, &b).vjp_x_i(&e).eval().unwrap(), &slopes, "gradient of LazyTensor");
    let nearest = least(&x, &y).eval().unwrap();
    for i in 0..N {
        let mut order: Vec<usize> = (0..M).collect();
        order.sort_by(|&a, &b| squared_distance(&x[i], &y[a]).total_cmp(&squared_distance(&x[i], &y[b])));
        assert_eq!(nearest[i].map(|j| j as usize), order[..2], "neighbours of {i}");
    }
}

#[test]
fn components_in_brackets_and_constants() {
    use std::f64::consts;
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(N), random.cloud(M));
    let term = |x: &[f64; 3], y: &[f64; 3], d: usize| {
        let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let norm = ((x[1] - y[1]).powi(2) + (x[2] - y[2]).powi(2)).sqrt();
        x[0] * y[d] + x[1 + d] * y[2] + [most, y[0]][d] * norm
    };
    let expected: Vec<[f64; 2]> =
        x.iter().map(|x| [0, 1].map(|d| y.iter().map(|y| term(x, y, d)).sum::<f64>())).collect();
    assert_rows(&components(&x, &y).eval().unwrap(), &expected, ERROR, "components");
    // its gradient in x by differences of the sum of the result
    let slopes = components(&x, &y).vjp_x(&[[1.0, 1.0]; N]).eval().unwrap();
    let h = 1e-6;
    for (i, c) in (0..N).flat_map(|i| (0..3).map(move |c| (i, c))) {
        let at = |h: f64| {
            let mut moved = x[i];
            moved[c] += h;
            y.iter().map(|y| term(&moved, y, 0) + term(&moved, y, 1)).sum::<f64>()
        };
        let difference = (at(h) - at(-h)) / (2.0 * h);
        assert!((slopes[i][c] - difference).abs() < 1e-6 * difference.abs().max(1.0), "slope {i} {c}");
    }
    let value =
        |x: f64, y: f64| consts::TAU * x + y / consts::PI * 1000.0 + consts::SQRT_2 + consts::E * 2.0 + f64::EPSILON;
    let expected: Vec<[f64; 3]> =
        x.iter().map(|x| [0, 1, 2].map(|d| y.iter().map(|y| value(x[d], y[d])).sum::<f64>())).collect();
    assert_rows(&constants(&x, &y).eval().unwrap(), &expected, ERROR, "constants");
    let single = |rows: &[[f64; 3]]| rows.iter().map(|row| row.map(|c| c as f32)).collect::<Vec<_>>();
    let in_f32 = constants(&single(&x), &single(&y)).eval().unwrap();
    assert!((f64::from(in_f32[0][0]) - expected[0][0]).abs() < 1e-5 * expected[0][0].abs().max(100.0));
}

keops! {
    /// Dot-product attention scores and a mean over the components: D as a number.
    #[keops(order = 2, cuda(D = 2), cuda(D = 3))]
    pub fn scaled<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> {
        exp((x | y) / sqrt(D)) * (2 * D - sum(x * y) / D) + ((x - y) | (x - y)) ** (D / 2)
    }

    /// Three vectors of any dimension and a number, one after another.
    #[keops(cuda(D = 3))]
    pub fn joined<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { concat(x, D, y, x * y) | concat([y, 2, y, x]) }
}

#[test]
fn const_generics_are_numbers() {
    let mut random = Random::new();
    let (x, y): (Vec<[f64; 3]>, Vec<[f64; 3]>) = (random.cloud(N), random.cloud(M));
    let term = |x: &[f64; 3], y: &[f64; 3]| {
        (dot(x, y) / 3f64.sqrt()).exp() * (6.0 - dot(x, y) / 3.0) + squared_distance(x, y).powf(1.5)
    };
    let total = |x: &[f64; 3]| y.iter().map(|y| term(x, y)).sum::<f64>();
    let expected: Vec<[f64; 1]> = x.iter().map(|x| [total(x)]).collect();
    let call = scaled(&x, &y);
    assert_rows(&call.eval().unwrap(), &expected, ERROR, "scaled");
    let (slopes, h) = (scaled(&x, &y).vjp_x(&[[1.0]; N]).eval().unwrap(), 1e-6);
    for (i, c) in (0..N).flat_map(|i| (0..3).map(move |c| (i, c))) {
        let at = |h: f64| {
            let mut moved = x[i];
            moved[c] += h;
            total(&moved)
        };
        let difference = (at(h) - at(-h)) / (2.0 * h);
        assert!((slopes[i][c] - difference).abs() < 1e-6 * difference.abs().max(1.0), "slope {i} {c}");
    }
    // another value of D in f32
    let single = |rows: &[[f64; 3]]| rows.iter().map(|row| [row[0] as f32, row[1] as f32]).collect::<Vec<_>>();
    let (u, v) = (single(&x), single(&y));
    let found = scaled(&u, &v).eval().unwrap();
    for (u, found) in u.iter().zip(&found) {
        let terms = v.iter().map(|v| {
            let [u, v] = [u, v].map(|row| row.map(f64::from));
            (dot(&u, &v) / 2f64.sqrt()).exp() * (4.0 - dot(&u, &v) / 2.0) + squared_distance(&u, &v)
        });
        let expected = terms.sum::<f64>();
        assert!((f64::from(found[0]) - expected).abs() < 1e-5 * expected.abs(), "{found:?} {expected}");
    }
    let term = |x: &[f64; 3], y: &[f64; 3]| {
        let products: f64 = (0..3).map(|d| x[d] * y[d] * x[d]).sum();
        dot(x, y) + 6.0 + dot(y, y) + products
    };
    let expected: Vec<[f64; 1]> = x.iter().map(|x| [y.iter().map(|y| term(x, y)).sum()]).collect();
    assert_rows(&joined(&x, &y).eval().unwrap(), &expected, ERROR, "joined");
}
