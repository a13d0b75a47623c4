//! Tests of every row of the operation table, on variables of each category and several dimensions. A new row is
//! tested without a change here: its cases are the combinations of dimensions and integers that its own rule admits.

use super::{oracle::size, sample};
use crate::ir::{
    dim::Dim,
    graph::{Category, Graph, Id, VarId},
    table::{self, Arguments, Integer, Kind, Operation},
};

const CATEGORIES: [Category; 3] = [Category::I, Category::J, Category::P];

/// The most nodes of a case. Operations that write out a dimension are tested for small ones.
const LARGEST: usize = 110;

/// The form of an argument of a derivative inside a formula, which cannot be a bare variable.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Variable,
    /// sin(v) w, which has the dimension of v
    Vector,
    /// Σ exp(v / 2) w, which has dimension 1
    Scalar,
    /// v w, which is linear in v
    Linear,
    /// (v | w), which is linear in v and has dimension 1
    Form,
}

/// The arguments of an operation: the dimensions of the formulas, the integers and the lists.
#[derive(Clone, Debug)]
struct Case {
    shape: Shape,
    dims: Vec<Dim>,
    integers: Vec<Integer>,
    lists: Vec<Vec<u64>>,
}

/// All lists of `len` choices.
fn lists<T: Clone>(choices: &[T], len: usize) -> Vec<Vec<T>> {
    (0..len).fold(vec![vec![]], |lists, _| {
        lists
            .iter()
            .flat_map(|list| choices.iter().map(|c| [list.as_slice(), std::slice::from_ref(c)].concat()))
            .collect()
    })
}

/// Literal dimensions, then symbolic ones (D is 3 and E is 5), each with the matrices that belong to them.
fn dimensions(len: usize) -> Vec<Vec<Dim>> {
    let (d, e) = (Dim::symbol("D"), Dim::symbol("E"));
    let symbolic = [Dim::number(1), d.clone(), d.checked_mul(&d).unwrap(), e.clone(), d.checked_mul(&e).unwrap()];
    let mut all = lists(&[1, 3, 17, 9, 51].map(Dim::number), len);
    all.extend(lists(&symbolic, len).into_iter().filter(|dims| dims.iter().any(|d| d.value().is_none())));
    // a matrix comes with a vector of its rows or columns
    let factor = |m: &Dim, v: &Dim| m != v && v.is_one() == m.is_one() && m.divide(v).is_some();
    let is_matrix = |m: &Dim| symbolic[2] == *m || symbolic[4] == *m || matches!(m.value(), Some(9 | 51));
    all.retain(|dims| dims.iter().filter(|m| is_matrix(m)).all(|m| dims.iter().any(|v| factor(m, v))));
    all
}

/// The same for operations on pairs of components.
fn even_dimensions(len: usize) -> Vec<Vec<Dim>> {
    let (d, two) = (Dim::symbol("D"), Dim::number(2));
    let symbolic = [Dim::number(1), two.clone(), d.clone(), d.checked_mul(&two).unwrap()];
    let mut all = lists(&[1, 2, 3, 6, 34].map(Dim::number), len);
    all.extend(lists(&symbolic, len).into_iter().filter(|dims| dims.iter().any(|d| d.value().is_none())));
    all
}

/// The lists that operations take: shapes, contracted axes, and an order of the other axes.
fn lists_of_integers(len: usize) -> Vec<Vec<Vec<u64>>> {
    let shapes: [&[u64]; 6] = [&[1], &[3], &[17], &[3, 3], &[3, 17], &[1, 3]];
    let axes: [&[u64]; 4] = [&[], &[0], &[1], &[1, 0]];
    let orders: [&[u64]; 4] = [&[], &[0], &[1, 0], &[1, 2, 0]];
    let choices = |k: usize| match k {
        0 | 1 => shapes.as_slice(),
        2 | 3 => axes.as_slice(),
        _ => orders.as_slice(),
    };
    (0..len).fold(vec![vec![]], |all, k| {
        all.iter().flat_map(|list| choices(k).iter().map(|c| [list.as_slice(), &[c.to_vec()]].concat())).collect()
    })
}

fn integers(len: usize) -> Vec<Vec<Integer>> {
    let numbers = [0, 1, 2, 3, 6, -2].map(Integer::Number);
    lists(&[numbers.as_slice(), &[Integer::Symbol(Dim::symbol("D"))]].concat(), len)
}

fn cases(row: &Operation) -> Vec<Case> {
    let cases = cases_among(row, dimensions);
    if cases.is_empty() { cases_among(row, even_dimensions) } else { cases }
}

fn cases_among(row: &Operation, dimensions: fn(usize) -> Vec<Vec<Dim>>) -> Vec<Case> {
    let mut cases = Vec::new();
    for given in row.args.len() - row.optional..=row.args.len() {
        let count = |kind: Kind| row.args[..given].iter().filter(|&&k| k == kind).count();
        let shapes: &[Shape] = if count(Kind::Variable) > 0 {
            &[Shape::Vector, Shape::Scalar, Shape::Linear, Shape::Form]
        } else {
            &[Shape::Variable]
        };
        let lists = lists_of_integers(count(Kind::List));
        for dims in dimensions(count(Kind::Formula)) {
            for integers in integers(count(Kind::Integer)) {
                let cases_of = shapes.iter().flat_map(|&shape| lists.iter().map(move |list| (shape, list)));
                cases.extend(cases_of.filter_map(|(shape, lists)| {
                    let case = Case { shape, dims: dims.clone(), integers: integers.clone(), lists: lists.clone() };
                    let (g, f) = build(row, &case, &[Category::I; 3])?;
                    (g.reachable(&[f]).len() <= LARGEST).then_some(case)
                }));
            }
        }
    }
    cases
}

/// Applies the operation in a graph of its own; `None` if its rule for dimensions does not admit the case.
fn build(row: &Operation, case: &Case, categories: &[Category]) -> Option<(Graph, Id)> {
    let mut g = Graph::default();
    let (integers, lists) = (case.integers.clone(), case.lists.clone());
    let mut args = Arguments { integers, lists, ..Arguments::default() };
    for (k, dim) in case.dims.iter().enumerate() {
        let v = g.push_variable(format!("v{k}"), categories[k], dim.clone());
        let formula = if k == 0 { shaped(&mut g, v, case.shape, categories) } else { g.var(v) };
        args.formulas.push(formula);
        args.spelled.push(format!("v{k}"));
    }
    args.variables = vec![VarId(0); row.args.iter().filter(|&&kind| kind == Kind::Variable).count()];
    let id = row.apply(&mut g, &args).ok()?;
    let admitted = g.requirements.iter().all(|requirement| size(&requirement.end) <= size(&requirement.whole));
    admitted.then_some((g, id))
}

fn shaped(g: &mut Graph, v: VarId, shape: Shape, categories: &[Category]) -> Id {
    let (dim, x) = (g.variable(v).dim.clone(), g.var(v));
    if shape == Shape::Variable {
        return x;
    }
    let w = g.push_variable("w".to_owned(), categories[2], dim);
    let w = g.var(w);
    match shape {
        Shape::Vector => {
            let sin = g.fun(table::Fun::Sin, &[x]);
            return g.mul(sin, w);
        }
        Shape::Linear => return g.mul(x, w),
        Shape::Form => return g.dot(x, w),
        Shape::Variable | Shape::Scalar => {}
    }
    let half = g.constant(0.5);
    let half = g.mul(half, x);
    let exp = g.fun(table::Fun::Exp, &[half]);
    g.dot(exp, w)
}

/// The categories of up to three variables, in all combinations.
fn categories() -> Vec<Vec<Category>> {
    let mut all = lists(&CATEGORIES, 2);
    for (n, pair) in all.iter_mut().enumerate() {
        pair.push(CATEGORIES[(n / 3 + 2 * n) % 3]);
    }
    all
}

/// Checks a row. Returns the number of its cases.
fn check(row: &'static Operation) -> usize {
    let start = std::time::Instant::now();
    let cases = cases(row);
    assert!(!cases.is_empty(), "{row:?} admits none of the test cases");
    let (mut first, mut second) = (0, 0);
    for (n, case) in cases.iter().enumerate() {
        let mut all = categories();
        if case.dims.len() < 2 {
            all.truncate(3);
            all.iter_mut().zip(CATEGORIES).for_each(|(list, c)| list[0] = c);
        }
        for (m, categories) in all.iter().enumerate() {
            let (g, f) = build(row, case, categories).expect("categories do not change what is admitted");
            let what = format!("{row:?} on {case:?} of {categories:?}");
            let seen = sample::check(g, f, row.range, (n * 100 + m) as u64, &what);
            first += usize::from(seen.first);
            second += usize::from(seen.second);
        }
    }
    // at a kink a case shows nothing about derivatives: most cases must not be at one
    let all = cases.len();
    println!("{row:?}: {all} cases in {:.2} s", start.elapsed().as_secs_f64());
    assert!(2 * first >= all && 2 * second >= all, "{row:?}: of {all} cases {first} and {second} were differentiated");
    all
}

#[test]
fn every_row_agrees_with_its_derivatives_and_its_programs() {
    let rows: Vec<_> = table::operations().collect();
    let (even, odd): (Vec<_>, Vec<_>) = rows.iter().enumerate().partition(|(n, _)| n % 2 == 0);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| odd.iter().map(|(_, row)| check(row)).sum::<usize>());
        let cases: usize = even.iter().map(|(_, row)| check(row)).sum();
        println!("{} cases", cases + other.join().unwrap());
    });
}
