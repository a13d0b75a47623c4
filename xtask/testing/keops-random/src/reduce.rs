//! Reductions on plain numbers, with bounds of their rounding errors.

use keops_compiler::{
    oracle::{Category, Formula, Term},
    reduction::Reduction,
};

use crate::points::Points;

/// The results of all targets.
#[derive(Debug)]
pub struct Expected {
    /// The result of each target.
    pub rows: Vec<Row>,
    /// The largest rounding errors of a term and of a weight, as multiples of the precision of the elements.
    pub rounding: [f64; 2],
}

impl Expected {
    /// The larger one of the two errors.
    pub fn rounding(&self) -> f64 {
        self.rounding[0].max(self.rounding[1])
    }
}

/// The result of a target.
#[derive(Debug, Default)]
pub struct Row {
    /// The numbers of the result; for a selection the selected values, K for each component, K-major.
    pub values: Vec<f64>,
    /// The bound of the rounding error of each number, as a multiple of the precision of the elements.
    pub errors: Vec<f64>,
    /// The distance of the nearest pair from a kink or a singularity.
    pub distance: f64,
    /// Of each source.
    pub terms: Vec<Term>,
}

impl Row {
    /// Whether no weight of this component is rounded.
    pub fn is_exact(&self, component: usize) -> bool {
        self.terms.iter().all(|term| term.exact[1][component])
    }
}

/// The pair of a target and a source.
pub(crate) fn pair(formula: &Formula, target: usize, source: usize) -> (usize, usize) {
    if formula.over() == Category::J { (target, source) } else { (source, target) }
}

/// The numbers of targets and of sources.
pub fn sides(formula: &Formula, (n, m): (usize, usize)) -> (usize, usize) {
    if formula.over() == Category::J { (n, m) } else { (m, n) }
}

/// The terms of each target.
fn terms(formula: &Formula, points: &Points) -> Vec<Vec<Term>> {
    let (targets, sources) = sides(formula, points.shape);
    let of_target = |target| {
        let term = |source| formula.term(&points.pair(formula, pair(formula, target, source)));
        (0..sources).map(term).collect()
    };
    (0..targets).map(of_target).collect()
}

/// The results, with the side of every kink on which each pair is, and the pairs that each target selects.
pub fn values(formula: &Formula, points: &Points) -> (Vec<f64>, Vec<i64>) {
    let (mut values, mut places) = (Vec::new(), Vec::new());
    for terms in terms(formula, points) {
        places.extend(terms.iter().flat_map(|term| &term.sides).map(|&side| i64::from(side)));
        let row = reduce(formula, terms, [0.0; 2]);
        if let Some(descending) = selection(formula) {
            let of_component = |c| order(&row.terms, c, descending).into_iter().take(formula.k());
            places.extend((0..formula.dims()[0]).flat_map(of_component).map(|source| source as i64));
        }
        values.extend(row.values);
    }
    (values, places)
}

/// The results, with bounds of their errors.
pub fn expected(formula: &Formula, points: &Points) -> Expected {
    let terms = terms(formula, points);
    // the largest change over all pairs where each operation is rounded to f32
    let mut rounding = [0.0_f64; 2];
    for (target, terms) in terms.iter().enumerate() {
        for (source, term) in terms.iter().enumerate() {
            let rounded = formula.rounded(&points.pair(formula, pair(formula, target, source)));
            for (k, exact) in [&term.value, &term.weight].into_iter().enumerate() {
                let off = exact.iter().zip(&rounded[k]).map(|(x, r)| (x - r).abs() / f64::from(f32::EPSILON));
                // an infinite error says nothing about the other pairs
                rounding[k] = off.filter(|off| off.is_finite()).fold(rounding[k], f64::max);
            }
        }
    }
    let rounding = rounding.map(|r| 8.0 * (r + 1.0));
    let rows = terms.into_iter().map(|terms| reduce(formula, terms, rounding)).collect();
    Expected { rows, rounding }
}

/// Whether a reduction selects pairs, and then whether it selects the largest.
pub fn selection(formula: &Formula) -> Option<bool> {
    match formula.reduction().reduction {
        Reduction::Min | Reduction::KMin { .. } => Some(formula.reduction().name.contains("Max")),
        _ => None,
    }
}

/// The sources by component c, the first of equal ones first.
pub(crate) fn order(terms: &[Term], c: usize, descending: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..terms.len()).collect();
    let sign = if descending { -1.0 } else { 1.0 };
    // zeros of either sign are equal
    let number = |source: usize| sign * terms[source].value[c] + 0.0;
    order.sort_by(|&a, &b| number(a).total_cmp(&number(b)));
    order
}

fn reduce(formula: &Formula, terms: Vec<Term>, rounding: [f64; 2]) -> Row {
    let count = terms.len() as f64;
    let dim = formula.dims()[0];
    let mut row = Row { distance: terms.iter().map(|t| t.distance).fold(f64::INFINITY, f64::min), ..Row::default() };
    let mut push = |value: f64, error: f64| {
        row.values.push(value);
        row.errors.push(error);
    };
    if let Some(descending) = selection(formula) {
        let none = if descending { f64::NEG_INFINITY } else { f64::INFINITY };
        let sorted: Vec<Vec<usize>> = (0..dim).map(|c| order(&terms, c, descending)).collect();
        for k in 0..formula.k() {
            for (c, sorted) in sorted.iter().enumerate() {
                let value = sorted.get(k).map_or(none, |&source| terms[source].value[c]);
                push(value, rounding[0] + 8.0 * if value.is_finite() { value.abs() } else { 0.0 });
            }
        }
    } else if formula.reduction().reduction == Reduction::Sum {
        for c in 0..dim {
            let sum: f64 = terms.iter().map(|t| t.value[c]).sum();
            let size: f64 = terms.iter().map(|t| t.value[c].abs()).sum();
            push(sum, count * rounding[0] + (16.0 + count) * size);
        }
    } else if formula.reduction().reduction == Reduction::Mean {
        for c in 0..dim {
            let sum: f64 = terms.iter().map(|t| t.value[c]).sum();
            let size: f64 = terms.iter().map(|t| t.value[c].abs()).sum();
            push(sum / count, rounding[0] + (16.0 + count) * size / count);
        }
    } else if formula.reduction().reduction == Reduction::Prod {
        for c in 0..dim {
            let product: f64 = terms.iter().map(|t| t.value[c]).product();
            // the error of a factor is multiplied by the other factors
            let off = |skipped: usize| -> f64 {
                let others = terms.iter().enumerate().filter(|&(k, _)| k != skipped);
                others.map(|(_, t)| t.value[c].abs()).product::<f64>() * rounding[0]
            };
            push(product, 2.0 * (0..terms.len()).map(off).sum::<f64>() + (16.0 + count) * product.abs());
        }
    } else if formula.reduction().reduction == Reduction::Zero {
        (0..dim).for_each(|_| push(0.0, 0.0));
    } else {
        // without a weight each component is an exponent
        let exponents = if formula.dims().len() > 1 { 1 } else { dim };
        (0..exponents).for_each(|c| exponential(formula, (&terms, c), rounding, &mut push));
    }
    Row { terms, ..row }
}

/// The result of an exponential reduction with component c of the terms as the exponent.
fn exponential(formula: &Formula, (terms, c): (&[Term], usize), rounding: [f64; 2], push: &mut impl FnMut(f64, f64)) {
    let count = terms.len() as f64;
    let most = terms.iter().map(|t| t.value[c]).fold(f64::NEG_INFINITY, f64::max);
    let size = terms.iter().map(|t| t.value[c].abs()).fold(0.0, f64::max);
    let exps: Vec<f64> = terms.iter().map(|t| (t.value[c] - most).exp()).collect();
    let total: f64 = exps.iter().sum();
    // an exponent that is off by so much changes its exponential by as large a part
    let relative = rounding[0] + 16.0 * (1.0 + size) + count;
    let weighted = formula.dims().len() > 1;
    let sums: Vec<(f64, f64)> = if weighted {
        let component = |c: usize| {
            let sum: f64 = exps.iter().zip(terms).map(|(e, t)| e * t.weight[c]).sum();
            let size: f64 = exps.iter().zip(terms).map(|(e, t)| e * t.weight[c].abs()).sum();
            (sum, relative * size + rounding[1] * total)
        };
        (0..formula.dims()[1]).map(component).collect()
    } else {
        vec![(total, relative * total)]
    };
    match formula.reduction().reduction {
        Reduction::LogSumExp => {
            for (c, (sum, error)) in sums.into_iter().enumerate() {
                if weighted && terms.iter().all(|t| t.weight[c] == 0.0 && t.exact[1][c]) {
                    push(f64::NEG_INFINITY, 0.0);
                    continue;
                }
                // the logarithm of a sum that is not positive is NaN; where rounding decides the sign, nothing is known
                let known = sum.abs() > 20.0 * error * f64::from(f32::EPSILON);
                push(most + sum.ln(), if known { error / sum.abs() * 2.0 + 8.0 * most.abs() } else { f64::INFINITY });
            }
        }
        Reduction::SumSoftMaxWeight => {
            for (sum, error) in sums {
                push(sum / total, 2.0 * (error + relative * sum.abs()) / total);
            }
        }
        _ => {
            push(most, rounding[0] + 8.0 * size);
            for (sum, error) in sums {
                push(sum, 2.0 * (error + rounding[0] * sum.abs()));
            }
        }
    }
}
