//! Whether f is a product, or a sum, of functions of one axis each: of a coordinate of the target and one of the source, or of a
//! variable. This is read off the lists of operations.

use core::ops::Range;

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
    /// What it is, if it is a constant of the formula.
    constant: Option<f64>,
    /// The place of the number that it is, but where that is cut to the range of numbers.
    place: usize,
}

/// Numbers are cut to ranges whose ends are beyond this.
const BEYOND: f64 = 1e30;

impl Apart {
    /// No number of a list has this place.
    const NOWHERE: usize = usize::MAX;
    const CONSTANT: Self = Self { axes: 0, sum: true, product: true, constant: None, place: Self::NOWHERE };

    fn is_constant(self) -> bool {
        self.axes == 0
    }

    /// A number that depends on these axes: anything is known of a function of one axis.
    fn new(axes: u64, sum: bool, product: bool) -> Self {
        let one = axes & axes.saturating_sub(1) == 0;
        Self { axes, sum: sum || one, product: product || one, constant: None, place: Self::NOWHERE }
    }

    fn plus(self, b: Self) -> Self {
        if self.constant == Some(0.0) {
            return b;
        }
        if b.constant == Some(0.0) {
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
            let place = of.len();
            let at = |place: u32| of[place as usize];
            let axes = |places: &[u32]| places.iter().fold(0, |all, &place| all | at(place).axes);
            let number = match *op {
                Op::Constant(bits) => Apart { constant: Some(f64::from_bits(bits)), ..Apart::CONSTANT },
                Op::Add(a, b) | Op::Sub(a, b) => at(a).plus(at(b)),
                Op::Mul(a, b) => {
                    let constant = at(a).constant.zip(at(b).constant).map(|(a, b)| a * b);
                    Apart { constant, ..at(a).times(at(b)) }
                }
                Op::Div(a, b) => at(a).over(at(b)),
                Op::Neg(a) => Apart { constant: at(a).constant.map(|x| -x), place: Apart::NOWHERE, ..at(a) },
                Op::MulAdd(a, b, c) | Op::NegMulAdd(a, b, c) => at(a).times(at(b)).plus(at(c)),
                Op::Abs(a) => Apart::new(at(a).axes, false, at(a).product),
                Op::Of(Function::Exp2 | Function::Exp, a) => Apart::new(at(a).axes, false, at(a).sum),
                Op::Select(mask, yes, no) => {
                    let (yes, no, mask) = (at(yes), at(no), truths[mask as usize]);
                    let is_end = |x: Apart| x.constant.is_some_and(|x| x.abs() > BEYOND);
                    let same = mask == 0;
                    if yes.place == no.place && yes.place != Apart::NOWHERE || is_end(yes) {
                        of.push(no);
                        continue;
                    }
                    if is_end(no) {
                        of.push(yes);
                        continue;
                    }
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
            // Sums and products of numbers that are 0 are these.
            let place = if number.place == Apart::NOWHERE { place } else { number.place };
            of.push(Apart { place, ..number });
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
    /// Whether each of these components of f is a product of functions, each of which depends on the two components of rows of one of
    /// these positions, and on nothing else that varies; other components of rows count as constants.
    #[must_use]
    pub fn separates(&self, positions: &[[usize; 2]], components: Range<usize>) -> bool {
        let axis = |side: usize, component: usize| positions.iter().position(|position| position[side] == component);
        positions.len() < MOST && self.apart(axis)[components].iter().all(|of| of.product)
    }

    /// Whether each of these components of f is a function of these components of rows of a side (0 for targets, 1 for sources) times a
    /// function of all others.
    #[must_use]
    pub fn has_factor(&self, side: usize, rows: Range<usize>, components: Range<usize>) -> bool {
        self.apart(Self::rest(side, rows))[components].iter().all(|of| of.product)
    }

    /// Whether the first component of f is a function of these components of rows of a side plus a function of all others, which the
    /// other components of f do not depend on. That it may be cut to the range of numbers, at 1e30 or beyond, does not count.
    #[must_use]
    pub fn has_term(&self, side: usize, rows: Range<usize>) -> bool {
        let all = self.apart(Self::rest(side, rows));
        let (first, others) = all.split_first().unzip();
        first.is_some_and(|first: &Apart| first.sum)
            && others.is_none_or(|of: &[Apart]| of.iter().all(|of| of.axes & 1 == 0))
    }

    /// Some components of rows of a side are an axis, and all others are another.
    fn rest(side: usize, rows: Range<usize>) -> impl Fn(usize, usize) -> Option<usize> {
        move |of_side, component| Some(usize::from(of_side != side || !rows.contains(&component)))
    }

    /// What is known of the components of f, for the axes of sides and components of rows.
    fn apart(&self, axis: impl Fn(usize, usize) -> Option<usize>) -> Vec<Apart> {
        let [target, source] = [(&self.target, 0), (&self.source, 1)].map(|(stage, side): (&Stage, usize)| {
            let parameters = stage.tape.inputs - stage.row;
            let of_row = (0..stage.row).map(|component| {
                axis(side, component).map_or(Apart::CONSTANT, |axis| Apart::new(1 << axis, true, true))
            });
            let mut numbers = vec![Apart::CONSTANT; parameters];
            numbers.extend(of_row);
            placed(&mut numbers);
            stage.tape.apart(&mut numbers);
            stage.tape.outputs.iter().map(|&place| numbers[place as usize]).collect::<Vec<_>>()
        });
        let mut numbers = vec![Apart::CONSTANT; self.parameters.tape.outputs.len()];
        if self.reads == Reads::Rows {
            numbers.extend(target.iter().chain(&source));
        }
        numbers.extend(self.contractions.iter().map(|one| contraction(one, &target, &source)));
        placed(&mut numbers);
        self.pair.apart(&mut numbers);
        self.pair.outputs.iter().map(|&place| numbers[place as usize]).collect()
    }
}

/// The most axes.
const MOST: usize = 63;

/// Sets the places of inputs.
fn placed(numbers: &mut [Apart]) {
    numbers.iter_mut().enumerate().for_each(|(place, number)| number.place = place);
}
