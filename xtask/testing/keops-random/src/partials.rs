//! The first derivatives of a row of a result by its terms, each with a bound of its rounding error.

use keops_compiler::{oracle::Formula, reduction::Reduction};

use crate::{
    points::Points,
    reduce::{Row, order, selection},
    values::epsilon,
};

/// The derivative of a number of a result by a number of a term.
pub(crate) struct Partial {
    pub(crate) source: usize,
    /// Whether the number is of f or of the weight.
    pub(crate) input: usize,
    pub(crate) component: usize,
    pub(crate) out: usize,
    pub(crate) value: f64,
    /// The bound of its rounding error, as a multiple of the precision of the elements.
    pub(crate) error: f64,
}

/// The normalised exponentials of component c.
pub(crate) fn softmax(row: &Row, c: usize) -> Vec<f64> {
    let most = row.terms.iter().map(|t| t.value[c]).fold(f64::NEG_INFINITY, f64::max);
    let exps: Vec<f64> = row.terms.iter().map(|t| (t.value[c] - most).exp()).collect();
    let total: f64 = exps.iter().sum();
    exps.iter().map(|e| e / total).collect()
}

/// The partial derivatives of a row of the result by the terms; `None` where the row is undefined.
pub(crate) fn partials(formula: &Formula, points: &Points, row: &Row, rounding: [f64; 2]) -> Option<Vec<Partial>> {
    let Row { terms, .. } = row;
    let (dim, mut partials) = (formula.dims()[0], Vec::new());
    let count = terms.len() as f64;
    let each = 16.0 + count;
    match formula.reduction().reduction {
        Reduction::Zero => {}
        Reduction::Prod => {
            if terms.iter().flat_map(|t| &t.value).any(|x| !x.is_finite()) {
                return None;
            }
            for c in 0..dim {
                let but = |left_out: &[usize]| -> f64 {
                    (0..terms.len()).filter(|s| !left_out.contains(s)).map(|s| terms[s].value[c]).product()
                };
                for source in 0..terms.len() {
                    let value = but(&[source]);
                    // the error of a factor is multiplied by all other factors
                    let others = (0..terms.len()).filter(|&other| other != source);
                    let off: f64 = others.map(|other| but(&[source, other]).abs() * rounding[0]).sum();
                    let error = 2.0 * off + value.abs() * each;
                    partials.push(Partial { source, input: 0, component: c, out: c, value, error });
                }
            }
        }
        Reduction::Sum | Reduction::Mean => {
            let value = if formula.reduction().reduction == Reduction::Mean { 1.0 / count } else { 1.0 };
            if terms.iter().flat_map(|t| &t.value).any(|x| !x.is_finite()) {
                return None;
            }
            for (source, _) in terms.iter().enumerate() {
                partials.extend((0..dim).map(|c| Partial {
                    source,
                    input: 0,
                    component: c,
                    out: c,
                    value,
                    error: each * value,
                }));
            }
        }
        Reduction::Min | Reduction::KMin { .. } => {
            if terms.iter().flat_map(|t| &t.value).any(|x| !x.is_finite()) {
                return None;
            }
            for c in 0..dim {
                let sorted = order(terms, c, selection(formula) == Some(true));
                let k = formula.k().min(sorted.len());
                for neighbours in sorted[..sorted.len().min(k + 1)].windows(2) {
                    let [a, b] = [neighbours[0], neighbours[1]];
                    let gap = (terms[a].value[c] - terms[b].value[c]).abs();
                    let known =
                        terms[a].exact[0][c] && terms[b].exact[0][c] || gap == 0.0 && same(formula, points, a, b);
                    if !known && gap <= 64.0 * epsilon::<f32>() * (1.0 + rounding[0]) {
                        return None;
                    }
                }
                for (place, &source) in sorted[..k].iter().enumerate() {
                    let out = place * dim + c;
                    partials.push(Partial { source, input: 0, component: c, out, value: 1.0, error: each });
                }
            }
        }
        Reduction::MaxSumShiftExp | Reduction::Within { .. } => return None,
        Reduction::LogSumExp | Reduction::SumSoftMaxWeight => {
            if terms.iter().flat_map(|t| &t.value).any(|x| x.is_nan() || *x == f64::INFINITY)
                || terms.iter().flat_map(|t| &t.weight).any(|x| !x.is_finite())
            {
                return None;
            }
            exponential(formula, row, rounding, &mut partials)?;
        }
    }
    Some(partials)
}

fn exponential(formula: &Formula, row: &Row, rounding: [f64; 2], partials: &mut Vec<Partial>) -> Option<()> {
    let terms = &row.terms;
    // exponentials that are all 0 count for nothing
    let none = |c: usize| terms.iter().all(|t| t.value[c] == f64::NEG_INFINITY);
    let finite = terms.iter().flat_map(|t| &t.value).map(|x| x.abs()).filter(|x| x.is_finite());
    // an exponent that is off by so much changes its exponential by as large a part
    let error = rounding[0] + 4.0 * (2.0 + finite.fold(0.0, f64::max)) + terms.len() as f64;
    let weighted = formula.dims().len() > 1;
    let mut push = |source, input, out, value: f64, error| {
        let component = if input == 0 && weighted { 0 } else { out };
        partials.push(Partial { source, input, component, out, value, error });
    };
    if !weighted {
        for c in (0..formula.dims()[0]).filter(|&c| !none(c)) {
            softmax(row, c).into_iter().enumerate().for_each(|(source, p)| push(source, 0, c, p, p * error));
        }
        return Some(());
    }
    if none(0) {
        return Some(());
    }
    let weights = softmax(row, 0);
    for out in 0..formula.dims()[1] {
        let g = |source: usize| terms[source].weight[out];
        let sum: f64 = weights.iter().enumerate().map(|(source, p)| p * g(source)).sum();
        let size: f64 = weights.iter().enumerate().map(|(source, p)| p * g(source).abs()).sum();
        let of_weights = if row.is_exact(out) { 0.0 } else { rounding[1] };
        if formula.reduction().reduction == Reduction::SumSoftMaxWeight {
            // from one of the factors on, since what all of them share would round what they differ by
            let from = weights.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0.0, |(s, _)| g(s));
            let mean: f64 = weights.iter().enumerate().map(|(s, p)| p * (g(s) - from)).sum();
            for (source, &p) in weights.iter().enumerate() {
                // the mean is off by as much as the mean distance from it is, and more where the factors are
                let spread: f64 = weights.iter().enumerate().map(|(s, p)| p * (g(s) - from - mean).abs()).sum();
                let value = p * (g(source) - from - mean);
                push(source, 0, out, value, error * (value.abs() + p * spread) + p * of_weights);
                push(source, 1, out, p, p * error);
            }
            continue;
        }
        // a logarithm of weights that are all 0 counts for nothing
        if terms.iter().all(|t| t.weight[out] == 0.0 && t.exact[1][out]) {
            continue;
        }
        let lost = (error * size + of_weights) / sum;
        if sum.is_nan() || sum <= 0.0 || lost * epsilon::<f32>() > 0.05 {
            return None;
        }
        for (source, &p) in weights.iter().enumerate() {
            push(source, 0, out, p * g(source) / sum, p * ((error + lost) * g(source).abs() + of_weights) / sum);
            push(source, 1, out, p / sum, p * (error + lost) / sum);
        }
    }
    Some(())
}

/// Whether two sources are the same in all variables of their index.
fn same(formula: &Formula, points: &Points, a: usize, b: usize) -> bool {
    formula
        .variables()
        .zip(&points.rows)
        .filter(|((_, category, _), _)| *category == formula.over())
        .all(|((.., dim), rows)| rows[a * dim..(a + 1) * dim] == rows[b * dim..(b + 1) * dim])
}
