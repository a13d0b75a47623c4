//! Whether f is a product of functions of one axis each: of a coordinate of the target and one of the source. This is read off the
//! lists of operations.

use super::{
    Bounds, Reads, Stage,
    tape::{Function, Op, Tape},
};
use crate::{
    formula::{Contraction, ContractionKind},
    number::Scalar,
};

/// What is known of a number.
#[derive(Clone, Copy, Debug)]
struct Apart {
    /// The axes that it depends on, a bit for each.
    axes: u64,
    /// Whether it is a sum of functions of one axis each.
    sum: bool,
    /// Whether it is a product of functions of one axis each.
    product: bool,
    /// Whether it is always 0.
    zero: bool,
}

impl Apart {
    const CONSTANT: Self = Self { axes: 0, sum: true, product: true, zero: false };

    fn is_constant(self) -> bool {
        self.axes == 0
    }

    /// A number that depends on these axes: anything is known of a function of one axis.
    fn new(axes: u64, sum: bool, product: bool) -> Self {
        let one = axes & axes.saturating_sub(1) == 0;
        Self { axes, sum: sum || one, product: product || one, zero: false }
    }

    fn plus(self, b: Self) -> Self {
        if self.zero {
            return b;
        }
        if b.zero {
            return self;
        }
        Self::new(self.axes | b.axes, self.sum && b.sum, false)
    }

    fn times(self, b: Self) -> Self {
        let sum = self.is_constant() && b.sum || self.sum && b.is_constant();
        Self::new(self.axes | b.axes, sum, self.product && b.product)
    }

    fn over(self, b: Self) -> Self {
        Self::new(self.axes | b.axes, self.sum && b.is_constant(), self.product && b.product)
    }
}

impl Tape {
    /// Adds what is known of the numbers behind the inputs, which are there.
    fn apart(&self, of: &mut Vec<Apart>) {
        let mut truths: Vec<u64> = Vec::new();
        for op in &self.ops {
            let at = |place: u32| of[place as usize];
            let axes = |places: &[u32]| places.iter().fold(0, |all, &place| all | at(place).axes);
            let number = match *op {
                Op::Constant(bits) => Apart { zero: f64::from_bits(bits) == 0.0, ..Apart::CONSTANT },
                Op::Add(a, b) | Op::Sub(a, b) => at(a).plus(at(b)),
                Op::Mul(a, b) => at(a).times(at(b)),
                Op::Div(a, b) => at(a).over(at(b)),
                Op::Neg(a) => at(a),
                Op::MulAdd(a, b, c) | Op::NegMulAdd(a, b, c) => at(a).times(at(b)).plus(at(c)),
                Op::Abs(a) => Apart::new(at(a).axes, false, at(a).product),
                Op::Of(Function::Exp2 | Function::Exp, a) => Apart::new(at(a).axes, false, at(a).sum),
                Op::Select(mask, yes, no) => {
                    let (yes, no, mask) = (at(yes), at(no), truths[mask as usize]);
                    let same = mask == 0;
                    Apart::new(yes.axes | no.axes | mask, same && yes.sum && no.sum, same && yes.product && no.product)
                }
                Op::Less(a, b) | Op::LessOrEqual(a, b) | Op::Equal(a, b) => {
                    truths.push(axes(&[a, b]));
                    continue;
                }
                Op::And(a, b) | Op::Or(a, b) => {
                    truths.push(truths[a as usize] | truths[b as usize]);
                    continue;
                }
                Op::Not(a) => {
                    truths.push(truths[a as usize]);
                    continue;
                }
                ref op => Apart::new(axes(&op.operands()), false, false),
            };
            of.push(number);
        }
    }
}

/// What is known of a contraction, whose vectors begin at these places.
fn contraction(contraction: &Contraction, target: &[Apart], source: &[Apart]) -> Apart {
    let &Contraction { kind, target: u, source: w, len } = contraction;
    let pairs = target[u..u + len].iter().zip(&source[w..w + len]);
    let terms = pairs.map(|(&u, &w)| match kind {
        ContractionKind::Dot => u.times(w),
        ContractionKind::SquaredDistance => Apart::new(u.axes | w.axes, false, false),
    });
    terms.reduce(Apart::plus).unwrap_or(Apart::CONSTANT)
}

impl<T: Scalar> Bounds<T> {
    /// Whether every component of f is a product of functions, each of which depends on the two components of rows of one of these
    /// positions, and on nothing else that varies; other components of rows count as constants.
    #[must_use]
    pub fn separates(&self, positions: &[[usize; 2]]) -> bool {
        if positions.len() > 63 {
            return false;
        }
        let [target, source] = [(&self.target, 0), (&self.source, 1)].map(|(stage, side): (&Stage, usize)| {
            let parameters = stage.tape.inputs - stage.row;
            let mut numbers = vec![Apart::CONSTANT; stage.tape.inputs];
            for (axis, position) in positions.iter().enumerate() {
                numbers[parameters + position[side]] = Apart::new(1 << axis, true, true);
            }
            stage.tape.apart(&mut numbers);
            stage.tape.outputs.iter().map(|&place| numbers[place as usize]).collect::<Vec<_>>()
        });
        let mut numbers = vec![Apart::CONSTANT; self.parameters.tape.outputs.len()];
        if self.reads == Reads::Rows {
            numbers.extend(target.iter().chain(&source));
        }
        numbers.extend(self.contractions.iter().map(|one| contraction(one, &target, &source)));
        self.pair.apart(&mut numbers);
        self.pair.outputs.iter().all(|&place| numbers[place as usize].product)
    }
}
