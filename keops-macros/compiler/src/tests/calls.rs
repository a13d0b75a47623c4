//! The calls of whole items: every derivative that a user can ask for is compared with finite differences of the call
//! that it is a derivative of. The engine is a loop over all pairs.

use std::collections::BTreeMap;

use super::{
    item, machine,
    oracle::size,
    sample::{Draw, dot, slope},
};
use crate::{
    calls::{self, Call, Calls, Output, Pass, PassReduction, Saved, Side},
    ir::graph::Category,
    lower::program::Role,
    syntax::check,
};

/// The rows of a variable or of a result.
type Rows = Vec<Vec<f64>>;

fn rows_of(category: Category) -> usize {
    match category {
        Category::I => 3,
        Category::J => 4,
        Category::P => 1,
    }
}

fn calls_of(text: &str) -> (Calls, Vec<Category>) {
    let item = item(text).unwrap();
    let checked = check::check(&item).unwrap_or_else(|e| panic!("{text}: {e}"));
    let categories = item.variables.iter().map(|v| v.category).collect();
    (calls::calls(&item, checked).unwrap_or_else(|e| panic!("{text}: {e}")), categories)
}

/// Runs a pass over all pairs. Returns the outputs of its result, each with its number.
fn pass(pass: &Pass, data: &[Rows]) -> Vec<(usize, Rows)> {
    let program = &pass.program;
    let count = |role: Role| {
        let of_role = program.variables.iter().zip(data).find(|(variable, _)| variable.1 == role);
        of_role.map_or(1, |(_, rows)| rows.len())
    };
    let PassReduction { path: reduction, k } = &pass.reduction;
    let results: Rows = (0..count(Role::Target))
        .map(|t| {
            let terms: Rows = (0..count(Role::Source))
                .map(|s| {
                    let row = |(variable, rows): (&(String, Role, _), &'_ Rows)| match variable.1 {
                        Role::Target => rows[t].clone(),
                        Role::Source => rows[s].clone(),
                        Role::Parameter => rows[0].clone(),
                    };
                    let rows: Rows = program.variables.iter().zip(data).map(row).collect();
                    machine::run(program, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>())
                })
                .collect();
            let mut result = reduce(reduction, &terms);
            if *reduction == "ProdSaved" {
                result.resize(size(k.as_ref().unwrap()) * terms[0].len(), 0.0);
            }
            result
        })
        .collect();
    let mut start = 0;
    let fields = pass.parts.iter().map(|part| {
        let len = size(&part.dim);
        let mut rows: Rows = results.iter().map(|row| row[start..][..len].to_vec()).collect();
        if part.total {
            rows = vec![(0..len).map(|c| rows.iter().map(|row| row[c]).sum()).collect()];
        }
        start += len;
        (part.field, rows)
    });
    fields.collect()
}

/// The reductions as `keops_core::reduction` defines them; exponents are to base 2.
fn reduce(name: &str, terms: &Rows) -> Vec<f64> {
    let sum = |value: &dyn Fn(&[f64]) -> f64| terms.iter().map(|term| value(term)).sum::<f64>();
    let len = terms[0].len();
    match (name, len) {
        ("Sum", _) => (0..len).map(|c| sum(&|f| f[c])).collect(),
        ("Mean", _) => (0..len).map(|c| sum(&|f| f[c]) / terms.len() as f64).collect(),
        ("Prod", _) => (0..len).map(|c| terms.iter().map(|f| f[c]).product()).collect(),
        ("ProdSaved", _) => {
            let factors = |c: usize| terms.iter().map(move |f| f[c]);
            // any exponent is right here: it is that of the first factor
            let exponents: Vec<f64> =
                (0..len).map(|c| factors(c).next().map_or(0.0, |f| f.abs().log2().max(-9.0).round())).collect();
            let product = |c: usize| factors(c).filter(|&f| f != 0.0).product::<f64>();
            let mut saved: Vec<f64> = (0..len).map(|c| product(c) * (-exponents[c]).exp2()).collect();
            saved.extend(&exponents);
            saved.extend((0..len).map(|c| factors(c).filter(|&f| f == 0.0).count() as f64));
            saved
        }
        ("LogSumExps", _) => (0..len).map(|c| sum(&|f| f[c].exp2()).ln()).collect(),
        ("LogSumExpsSaved", _) => {
            let shifts = (0..len).map(|c| c as f64 - 1.0);
            let sums = reduce("LogSumExps", terms).into_iter().zip(shifts.clone());
            shifts.clone().chain(sums.map(|(log, shift)| shift.exp2() * (-log).exp())).collect()
        }
        ("LogSumExp", 1) => vec![sum(&|f| f[0].exp2()).ln()],
        ("LogSumExp", _) => (1..len).map(|c| sum(&|f| f[0].exp2() * f[c]).ln()).collect(),
        // the shift is not 0, so that the test shows it
        ("LogSumExpSaved", _) => {
            std::iter::once(3.0).chain(reduce("LogSumExp", terms).iter().map(|log| 8.0 * (-log).exp())).collect()
        }
        ("SumSoftMaxWeight", _) => (1..len).map(|c| sum(&|f| f[0].exp2() * f[c]) / sum(&|f| f[0].exp2())).collect(),
        ("SoftMaxSaved", _) => {
            let mut saved = vec![-2.0, 0.25 / sum(&|f| f[0].exp2())];
            saved.extend(reduce("SumSoftMaxWeight", terms));
            saved
        }
        _ => panic!("no reduction {name}"),
    }
}

fn run(calls: &Calls, call: &Call, data: &[Rows]) -> Vec<Rows> {
    let mut data = data.to_vec();
    let mut saved: BTreeMap<usize, Rows> = BTreeMap::new();
    for k in calls.needed(call) {
        let rows = match &calls.saved[k] {
            Saved::Pass { pass: formula, arguments, reads } => {
                let mut data = data[..*arguments].to_vec();
                data.extend(reads.iter().map(|earlier| saved[earlier].clone()));
                pass(formula, &data).remove(0).1
            }
            Saved::Centred { of, pass: None, .. } => data[of[0]].clone(),
            Saved::Centred { of, pass: Some(formula), .. } => {
                let data: Vec<&Rows> = of.iter().map(|&k| &data[k]).collect();
                let count = data.iter().map(|rows| rows.len()).max().unwrap_or(1);
                let row =
                    |n: usize| -> Vec<&[f64]> { data.iter().map(|rows| &rows[n.min(rows.len() - 1)][..]).collect() };
                (0..count).map(|n| machine::run(&formula.program, &row(n))).collect()
            }
            Saved::Counts { .. } => {
                let program = &calls.calls[0].passes[0].program;
                let rows = |role: Role| {
                    let of_role = program.variables.iter().zip(&data).find(|(variable, _)| variable.1 == role);
                    of_role.map_or(1, |(_, rows)| rows.len())
                };
                vec![vec![rows(Role::Source) as f64]; rows(Role::Target)]
            }
        };
        // derivatives must not depend on the number that was subtracted
        let apart = if matches!(calls.saved[k], Saved::Centred { .. }) { 5.0 } else { 0.0 };
        saved.insert(k, rows.into_iter().map(|row| row.into_iter().map(|x| x - apart).collect()).collect());
    }
    for &(argument, k) in &call.replaced {
        assert!(matches!(&calls.saved[k], Saved::Centred { of, .. } if of[..] == [argument]));
        data[argument].iter_mut().flatten().for_each(|x| *x -= 3.0);
    }
    data.extend(call.saved.iter().map(|k| saved[k].clone()));
    let mut fields: Vec<(usize, Rows)> = call.passes.iter().flat_map(|p| pass(p, &data)).collect();
    fields.sort_by_key(|field| field.0);
    fields.into_iter().map(|field| field.1).collect()
}

fn pairing(a: &Rows, b: &Rows) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| dot(a, b)).sum()
}

/// Checks all derivatives of a call, and the derivatives of these. Returns their number.
fn check_derivatives(calls: &Calls, call: &Call, data: &[Rows], draw: &mut Draw, order: u32) -> usize {
    let draw_rows =
        |draw: &mut Draw, count: usize, dim: usize| -> Rows { (0..count).map(|_| draw.row(dim, (0.2, 1.2))).collect() };
    let value = run(calls, call, data);
    assert!(value.iter().flatten().flatten().all(|x| x.is_finite()), "{}", call.name);
    let find = |name: &str| calls.calls.iter().find(|call| call.name == name).unwrap();
    let program = &call.passes[0].program;
    let mut number = 0;
    let mut all_gradients = Vec::new();
    let e = draw_rows(draw, value[0].len(), value[0][0].len());
    for derivative in &call.derivatives {
        let (mode, variable) = derivative.method.split_once('_').unwrap_or((&derivative.method, ""));
        let next = find(&derivative.call);
        let (_, category, dim) = &derivative.argument;
        let with = |extra: &Rows| {
            let mut data = data.to_vec();
            derivative.arguments.without.map(|without| data.remove(without));
            data.insert(derivative.arguments.place, extra.clone());
            data
        };
        number += 1;
        if variable.is_empty() {
            let together = run(calls, next, &with(&e));
            assert!(matches!(&next.output, Output::Gradients(fields) if fields.len() == together.len()));
            assert_eq!(together.len(), all_gradients.len(), "{}", next.name);
            for (a, b) in together.iter().zip(&all_gradients) {
                assert!((pairing(a, a) - pairing(a, b)).abs() < 1e-9 * (1.0 + pairing(a, a)), "{}", next.name);
            }
            continue;
        }
        let v = program.variables.iter().position(|(name, ..)| name == variable).expect("a variable");
        let u = draw_rows(draw, data[v].len(), data[v][0].len());
        let change = slope(|t| {
            let mut there = data.to_vec();
            for (row, u) in there[v].iter_mut().zip(&u) {
                row.iter_mut().zip(u).for_each(|(x, u)| *x += t * u);
            }
            Some((pairing(&run(calls, call, &there)[0], &e), vec![]))
        });
        let change = change.expect("a smooth call");
        let extra = if mode == "vjp" { &e } else { &u };
        assert_eq!((extra.len(), extra[0].len()), (rows_of(*category), size(dim)), "{}", next.name);
        let result = run(calls, next, &with(extra)).remove(0);
        let found = if mode == "vjp" { pairing(&result, &u) } else { pairing(&result, &e) };
        assert!((found - change).abs() < 1e-6 * (1.0 + change.abs()), "{}: {found}, differences {change}", next.name);
        if mode == "vjp" {
            all_gradients.push(result);
        }
        if order > 1 {
            number += check_derivatives(calls, next, &with(extra), draw, order - 1);
        }
    }
    number
}

fn check_item(text: &str) -> usize {
    let (calls, categories) = calls_of(text);
    let mut draw = Draw::new(5);
    let value = &calls.calls[0];
    let data: Vec<Rows> = (value.passes[0].program.variables.iter().zip(&categories))
        .map(|((_, _, dim), &category)| (0..rows_of(category)).map(|_| draw.row(size(dim), (0.2, 1.2))).collect())
        .collect();
    check_derivatives(&calls, value, &data, &mut draw, item(text).unwrap().order)
}

#[test]
fn derivatives_of_sums() {
    for text in [
        "fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }",
        "fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vi<2>) -> Sum<i> { exp(-g * sqdist(x, y)) * b }",
        "fn f<const D: usize>(s: Pm<D>, x: Vi<D>, y: Vj<D>) -> Sum<j> { cauchy(x, y, s) * (x - y) }",
        "fn f(x: Vi<3>, y: Vj<3>, u: Vi<2>, v: Vj<2>) -> Sum<j> { gaussian(x,y) * (1 + linear(u,v)**2) }",
        "fn f(s: Pm<6>, x: Vi<3>, y: Vj<2>) -> Sum<j> { mat_vec(s, y) * norm2(x) }",
        "fn f(cotangent: Pm<1>, tangent: Vi<1>, saved: Vj<1>) -> Sum<i> { (cotangent * tangent / saved)**3 }",
        "fn f(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> Sum<i> { y * ifelse(g - 9, 1 / (x - x), norm2(x) * y) + sqrt(x) }",
    ] {
        assert!(check_item(text) >= 7, "{text}");
    }
}

#[test]
fn derivatives_of_sums_of_two_variables() {
    for text in [
        // a component beside the exponential reads a vector of the squared distance
        "fn f(x: Vi<3>, y: Vj<3>) -> Sum<j> { concat(exp(-sqdist(x, y)), y) }",
        "fn f(x: Vi<3>, y: Vj<3>) -> Sum<i> { concat(exp(-2 * sqdist(x, y)), concat(y, (x | y))) }",
        "fn f(x: Vi<2>, y: Vj<2>) -> Sum<j> { exp(-sqdist(x, y)) * complex_sum_t(y, 4) }",
        // the side that is not taken has an infinite slope
        "fn f(x: Vi<3>, y: Vj<3>) -> Sum<j> { ifelse(sqdist(x, x) - 1, 1 / sqdist(x, x), 2 * (x | y)) }",
        "fn f(x: Vi<3>, y: Vj<3>) -> Sum<j> { ifelse(x - 9, sqrt(y - x - 9), ifelse(y - 9, log(y - 9), x * y)) }",
    ] {
        assert!(check_item(text) >= 5, "{text}");
    }
}

#[test]
fn derivatives_of_means_and_products() {
    for (text, least) in [
        ("fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Mean<j> { exp(-g * sqdist(x, y)) * b }", 9),
        ("#[keops(order = 2)] fn f(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> Mean<i> { exp(-g * sqdist(x, y)) * y }", 7 + 6 * 9),
        ("fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Prod<j> { (1 - exp(-g * sqdist(x, y))) * b }", 9),
        ("fn f<const D: usize>(x: Vi<D>, y: Vj<D>) -> Prod<j> { x - y }", 5),
        ("#[keops(order = 2)] fn f(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> Prod<i> { g + x * y }", 7 + 6 * 9),
        ("#[keops(order = 3)] fn f(x: Vi<1>, y: Vj<1>) -> Prod<j> { sin(x * y) }", 5 + 4 * (7 + 4 * 9 + 2 * 7)),
    ] {
        assert!(check_item(text) >= least, "{text}");
    }
}

#[test]
fn derivatives_of_exponential_reductions() {
    for text in [
        "fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { -g * sqdist(x, y) }",
        "fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> LogSumExp<i> { (-g * sqdist(x, y), b * b + 1) }",
        "fn f(x: Vi<3>, y: Vj<3>, b: Vj<2>) -> LogSumExpWeight<j> { ((x | y), b * norm2(x)) }",
        "fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<2>) -> SumSoftMaxWeight<j> { (g * (x | y), b) }",
        "fn f(saved: Pm<1>, x: Vi<3>, y: Vj<3>) -> SoftMax<i> { ((x | y), saved * x * y) }",
        "fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { -g * (x - y)**2 }",
        "fn f(x: Vi<3>, y: Vj<3>, s: Pm<3>) -> LogSumExp<i> { concat((x | y), s * y * x) }",
        // terms that all sources have in common, and terms that all targets have
        "fn f(c: Pm<1>, x: Vi<2>, y: Vj<2>, h: Vj<1>) -> LogSumExp<j> { c - (sqdist(x, y) - 2 * h) + log(norm2(x)) }",
        "fn f(c: Pm<1>, x: Vi<2>, y: Vj<2>, h: Vj<2>) -> LogSumExp<j> { log(x + 1) - x * y * c + c * h }",
        "fn f(c: Pm<1>, x: Vi<2>, y: Vj<2>) -> SumSoftMaxWeight<i> { (c * sum(y) - (x | y), concat(x, c * x)) }",
        "fn f(x: Vi<2>, y: Vj<2>, h: Vj<1>) -> LogSumExp<j> { (log(h) - sqdist(x, y), h * y) }",
        "fn f(c: Pm<1>, x: Vi<2>) -> LogSumExp<j> { c * x }",
        // the weight is a vector of the squared distance
        "fn f(x: Vi<3>, y: Vj<3>) -> SumSoftMaxWeight<j> { (-0.5 * sqdist(x, y), y) }",
        "fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>) -> LogSumExp<i> { (-g * sqdist(x, y), concat(y, x)) }",
    ] {
        assert!(check_item(text) >= 5, "{text}");
    }
}

#[test]
fn derivatives_of_derivatives_of_exponential_reductions() {
    for (text, least) in [
        ("#[keops(order = 2)] fn f(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> LogSumExp<j> { -g * sqdist(x, y) }", 7 + 6 * 9),
        ("#[keops(order = 2)] fn f(x: Vi<2>, y: Vj<2>, b: Vj<2>) -> LogSumExp<i> { ((x | y), b * b * x) }", 7 + 6 * 9),
        ("#[keops(order = 2)] fn f(x: Vi<2>, y: Vj<2>, b: Vj<2>) -> SoftMax<j> { ((x | y), b * sum(x)) }", 7 + 6 * 9),
        ("#[keops(order = 2)] fn f(s: Pm<1>, x: Vi<2>, y: Vj<2>) -> SoftMax<i> { (s * (x | y), x * y) }", 7 + 6 * 9),
        ("#[keops(order = 2)] fn f(x: Vi<2>, y: Vj<2>) -> LogSumExp<j> { sin(x * y) - log(x) + y }", 5 + 4 * 7),
        (
            "#[keops(order = 2)] fn f(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> SoftMax<j> { ((x | y) + 2 * b, b * y) }",
            7 + 6 * 9,
        ),
        ("#[keops(order = 2)] fn f(x: Vi<2>, y: Vj<2>, b: Vi<1>) -> LogSumExp<j> { ((x | y) + 1 / b, y) }", 7 + 6 * 9),
        ("#[keops(order = 3)] fn f(x: Vi<1>, y: Vj<1>) -> LogSumExp<j> { sin(x * y) }", 5 + 4 * (7 + 4 * 9 + 2 * 7)),
        ("#[keops(order = 3)] fn f(x: Vi<1>, y: Vj<1>) -> SoftMax<j> { (x * y, y * y) }", 5 + 4 * (7 + 4 * 9 + 2 * 7)),
    ] {
        assert!(check_item(text) >= least, "{text}");
    }
}

#[test]
fn derivatives_of_derivatives() {
    for (text, least) in [
        ("#[keops(order = 2)] fn f(g: Pm<1>, x: Vi<2>, y: Vj<2>) -> Sum<j> { exp(-g * sqdist(x, y)) }", 7 + 6 * 9),
        ("#[keops(order = 2)] fn f(x: Vi<2>, y: Vj<2>, b: Vi<1>) -> Sum<i> { (x | y)**3 * b }", 7 + 6 * 9),
        ("#[keops(order = 3)] fn f(x: Vi<1>, y: Vj<1>) -> Sum<j> { sin(x * y) / x }", 5 + 4 * (7 + 4 * 9 + 2 * 7)),
    ] {
        assert!(check_item(text) >= least, "{text}");
    }
}

#[test]
fn what_is_selected_has_derivatives_of_pairs() {
    let (calls, _) = calls_of("#[keops(order = 2)] fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>) -> KMin<4, j> { g * x * y }");
    assert!(calls.saved.is_empty() && calls.selection.is_some());
    let of = |name: &str| calls.calls.iter().find(|call| call.name == name).unwrap();
    let sides = |name: &str| of(name).selected.as_ref().map(|selected| selected.arguments.clone()).unwrap();
    let inputs = [Category::P, Category::I, Category::J].map(Side::Index);
    assert_eq!(sides("Vjp_y__Jvp_x"), [&inputs[..], &[Side::Pair, Side::Index(Category::I)]].concat());
    assert_eq!(sides("Jvp_y__Vjp"), [&inputs[..], &[Side::Index(Category::J), Side::Pair]].concat());
    // there are no sources, and the variable for the component of a pair comes last
    let program = &of("Vjp_y").passes[0].program;
    assert!(program.variables.iter().all(|(_, role, _)| *role != Role::Source));
    assert_eq!(program.variables.len(), 5);
}

#[test]
fn no_derivatives_are_made_that_cannot_be() {
    let none = |text: &str| calls_of(text).0.calls[0].derivatives.is_empty();
    assert!(none("fn f(x: Vi<3>, y: Vj<3>) -> ArgMin<j> { sqdist(x, y) }"));
    assert!(none("fn f(x: Vi<3>, y: Vj<3>) -> ArgKMin<4, j> { sqdist(x, y) }"));
    assert!(none("#[keops(order = 0)] fn f(x: Vi<3>, y: Vj<3>) -> KMin<4, j> { sqdist(x, y) }"));
    assert!(none("#[keops(order = 0)] fn f(x: Vi<3>, y: Vj<3>) -> Sum<j> { sqdist(x, y) }"));
}

/// The variables for which there is an operator, with a star if the term of a pair is a number times the variable.
fn operators(text: &str) -> String {
    let operators = &calls_of(text).0.calls[0].operators;
    let names = operators.iter().map(|operator| {
        let star = if operator.multiple { "*" } else { "" };
        format!("{}{star}", operator.variable)
    });
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn sums_are_operators_on_what_they_are_linear_in() {
    for (text, expected) in [
        ("fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }", "b*"),
        ("fn f(g: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Sum<j> { -b / (1 + sqdist(x, y)) + g * b }", "b*"),
        ("fn f<const E: usize>(x: Vi<3>, y: Vj<3>, b: Vj<E>) -> Sum<j> { cauchy(x, y) * b * 2 }", "b*"),
        // components with different factors, a result of another dimension, a matrix
        ("fn f(x: Vi<2>, y: Vj<2>, b: Vj<2>) -> Sum<j> { exp(x) * b * (sqnorm2(y) + 1) }", "b"),
        ("fn f(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> { exp(x + y) * b }", "b"),
        ("fn f(x: Vi<2>, a: Pm<4>, b: Vj<2>) -> Sum<j> { mat_vec(a, b) * (x | x) }", "b"),
        ("fn f(x: Vi<2>, y: Vj<2>, b: Vj<2>) -> Sum<j> { exp(x | y) * (b + (x | b) * y) }", "b"),
        // several variables, a sum over i, no variable, no parameter and no target
        ("fn f(x: Vi<3>, y: Vj<3>, b: Vj<1>, c: Vj<1>) -> Sum<j> { (x | y) * b * c }", "y b* c*"),
        ("fn f(x: Vi<3>, b: Vi<1>, y: Vj<3>) -> Sum<i> { exp(-sqdist(x, y)) * b }", "b*"),
        ("fn f(x: Vi<3>, b: Vi<1>, y: Vj<3>, c: Pm<1>) -> Sum<j> { exp(-sqdist(x, y)) * b * c }", ""),
        ("fn f(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * (b + 1) }", ""),
        ("fn f(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * abs(b) }", ""),
        // concatenated parts: complex products
        ("fn f(x: Vi<1>, y: Vj<1>, b: Vj<2>) -> Sum<j> { complex_mult(exp1j(x * y), b) }", "b"),
        ("fn f(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> { concat((x | y) * b, b) }", "b"),
        // a step has the derivative 0, which does not make it linear
        ("fn f(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * round(b, 2) }", ""),
        ("fn f(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * mod(b, 2) }", ""),
        ("fn f(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * floor(b) }", ""),
        ("fn f(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * sign(b) }", ""),
        ("fn f(x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Mean<j> { exp(-sqdist(x, y)) * b }", "b*"),
        ("fn f(x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Prod<j> { exp(-sqdist(x, y)) * b }", ""),
        // other reductions have no operators; without derivatives the methods exist for their message
        ("fn f(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> LogSumExp<j> { (x | y) * b }", ""),
        ("#[keops(order = 0)] fn f(x: Vi<3>, b: Vj<1>) -> Sum<j> { sqnorm2(x) * b }", "b*"),
    ] {
        assert_eq!(operators(text), expected, "{text}");
    }
}
