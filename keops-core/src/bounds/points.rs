//! f at points.

use super::{
    Bounds, Reads, Stage,
    tape::{Op, Tape},
};
use crate::{
    formula::{Contraction, ContractionKind, Role},
    number::{Real, Scalar},
};

/// Memory for values at points, to be used again and again.
#[derive(Clone, Debug, Default)]
pub struct PointScratch {
    numbers: Vec<f64>,
    truths: Vec<bool>,
    prepared: [Vec<f64>; 2],
}

impl Tape {
    /// Evaluates the list, of whose numbers those of the inputs are there.
    fn point(&self, v: &mut Vec<f64>, truths: &mut Vec<bool>) {
        truths.clear();
        for &op in &self.ops {
            let of = |place: u32| v[place as usize];
            let truth = |place: u32| truths[place as usize];
            let number = match op {
                Op::Constant(bits) => f64::from_bits(bits),
                Op::Add(a, b) => of(a) + of(b),
                Op::Sub(a, b) | Op::Residue(a, b, _) => of(a) - of(b),
                Op::Mul(a, b) => of(a) * of(b),
                Op::Div(a, b) => of(a) / of(b),
                Op::Neg(a) => -of(a),
                Op::MulAdd(a, b, c) => of(a) * of(b) + of(c),
                Op::NegMulAdd(a, b, c) => of(c) - of(a) * of(b),
                Op::Fold(a, b, _) => (of(a) - of(b)).abs(),
                Op::Abs(a) => of(a).abs(),
                Op::Sqrt(a) => of(a).sqrt(),
                Op::Min(a, b) => <f64 as Real>::min((), of(a), of(b)),
                Op::Max(a, b) => <f64 as Real>::max((), of(a), of(b)),
                Op::Select(mask, yes, no) => of(if truth(mask) { yes } else { no }),
                Op::Pow(x, y) => <f64 as Real>::pow((), of(x), of(y)),
                Op::Atan2(y, x) => <f64 as Real>::atan2((), of(y), of(x)),
                Op::Of(function, a) => function.of((), of(a)),
                Op::Less(..) | Op::LessOrEqual(..) | Op::Equal(..) | Op::And(..) | Op::Or(..) | Op::Not(_) => {
                    let is = match op {
                        Op::Less(a, b) => of(a) < of(b),
                        Op::LessOrEqual(a, b) => of(a) <= of(b),
                        Op::Equal(a, b) => of(a) == of(b),
                        Op::And(a, b) => truth(a) && truth(b),
                        Op::Or(a, b) => truth(a) || truth(b),
                        Op::Not(a) => !truth(a),
                        _ => false,
                    };
                    truths.push(is);
                    continue;
                }
            };
            v.push(number);
        }
    }
}

fn contraction(contraction: &Contraction, target: &[f64], source: &[f64]) -> f64 {
    let &Contraction { kind, target: u, source: w, len } = contraction;
    let pairs = target[u..u + len].iter().zip(&source[w..w + len]);
    let terms = pairs.map(|(&u, &w)| match kind {
        ContractionKind::Dot => u * w,
        ContractionKind::SquaredDistance => (u - w) * (u - w),
    });
    terms.sum()
}

impl<T: Scalar> Bounds<T> {
    /// The prepared parameters of a row.
    #[must_use]
    pub fn parameters_at(&self, row: &[f64]) -> Vec<f64> {
        let Stage { tape, .. } = self.stage(Role::Parameter);
        let mut numbers = row.to_vec();
        tape.point(&mut numbers, &mut Vec::new());
        tape.outputs.iter().map(|&place| numbers[place as usize]).collect()
    }

    /// The components of f, of prepared parameters and the rows of a target and of a source, in `f64`: `to` is replaced.
    ///
    /// # Panics
    /// If there are fewer numbers than components.
    pub fn at_point(&self, parameters: &[f64], rows: [&[f64]; 2], scratch: &mut PointScratch, to: &mut Vec<f64>) {
        let PointScratch { numbers, truths, prepared } = scratch;
        for (side, role) in [Role::Target, Role::Source].into_iter().enumerate() {
            let Stage { tape, row, .. } = self.stage(role);
            numbers.clear();
            numbers.extend_from_slice(parameters);
            numbers.extend_from_slice(&rows[side][..*row]);
            tape.point(numbers, truths);
            prepared[side].clear();
            prepared[side].extend(tape.outputs.iter().map(|&place| numbers[place as usize]));
        }
        let [target, source] = prepared;
        numbers.clear();
        numbers.extend_from_slice(parameters);
        if self.reads == Reads::Rows {
            numbers.extend_from_slice(target);
            numbers.extend_from_slice(source);
        }
        numbers.extend(self.contractions.iter().map(|one| contraction(one, target, source)));
        self.pair.point(numbers, truths);
        to.clear();
        to.extend(self.pair.outputs.iter().map(|&place| numbers[place as usize]));
    }
}
