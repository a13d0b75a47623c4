//! How the components of f depend on each variable: not at all, linearly, or otherwise; and whether f reads differences of
//! positions only. Both are read off the lists of operations.

use core::ops::Range;

use super::{
    Bounds, Reads, Stage,
    tape::{Op, Tape},
};
use crate::{
    formula::{Contraction, ContractionKind, Role, Variable},
    number::Scalar,
};

/// The last bit of a set.
const LAST: usize = 63;

/// Which variables a number depends on, a bit for each variable: linearly, or otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Depends {
    linear: u64,
    other: u64,
    /// Whether the number is always 0.
    zero: bool,
}

impl Depends {
    const ZERO: Self = Self { linear: 0, other: 0, zero: true };

    fn any(self) -> u64 {
        self.linear | self.other
    }

    /// A function of such a number that is not linear.
    fn bent(self) -> Self {
        Self { linear: 0, other: self.any(), zero: false }
    }

    /// A sum is linear in a variable if both of its terms are: with a constant, it is not.
    fn plus(self, b: Self) -> Self {
        if self.zero {
            return b;
        }
        if b.zero {
            return self;
        }
        let linear = self.linear & b.linear;
        Self { linear, other: (self.any() | b.any()) & !linear, zero: false }
    }

    fn times(self, b: Self) -> Self {
        let linear = (self.linear & !b.any()) | (b.linear & !self.any());
        Self { linear, other: (self.any() | b.any()) & !linear, zero: false }
    }

    fn over(self, b: Self) -> Self {
        let linear = self.linear & !b.any();
        Self { linear, other: (self.any() | b.any()) & !linear, zero: false }
    }
}

impl Tape {
    /// Adds the dependences of the numbers behind the inputs, which are there.
    fn depends(&self, of: &mut Vec<Depends>) {
        let mut truths: Vec<u64> = Vec::new();
        for op in &self.ops {
            let at = |place: u32| of[place as usize];
            let bent = |places: &[u32]| {
                let other = places.iter().fold(0, |all, &place| all | at(place).any());
                Depends { linear: 0, other, zero: false }
            };
            let truth = |place: u32| truths[place as usize];
            let number = match *op {
                Op::Constant(bits) => {
                    if f64::from_bits(bits) == 0.0 {
                        Depends::ZERO
                    } else {
                        Depends::default()
                    }
                }
                Op::Add(a, b) | Op::Sub(a, b) => at(a).plus(at(b)),
                Op::Mul(a, b) => at(a).times(at(b)),
                Op::Div(a, b) => at(a).over(at(b)),
                Op::Neg(a) => at(a),
                Op::MulAdd(a, b, c) | Op::NegMulAdd(a, b, c) => at(a).times(at(b)).plus(at(c)),
                Op::Select(mask, yes, no) => {
                    let either = at(yes).plus(at(no));
                    let linear = either.linear & !truth(mask);
                    Depends { linear, other: (either.any() | truth(mask)) & !linear, zero: either.zero }
                }
                Op::Less(a, b) | Op::LessOrEqual(a, b) | Op::Equal(a, b) => {
                    truths.push(bent(&[a, b]).other);
                    continue;
                }
                Op::And(a, b) | Op::Or(a, b) => {
                    truths.push(truth(a) | truth(b));
                    continue;
                }
                Op::Not(a) => {
                    truths.push(truth(a));
                    continue;
                }
                ref op => bent(&op.operands()),
            };
            of.push(number);
        }
    }
}

/// A contraction of dependences, whose vectors begin at these places.
fn contraction(contraction: &Contraction, target: &[Depends], source: &[Depends]) -> Depends {
    let &Contraction { kind, target: u, source: w, len } = contraction;
    let pairs = target[u..u + len].iter().zip(&source[w..w + len]);
    pairs.fold(Depends::ZERO, |sum, (&u, &w)| match kind {
        ContractionKind::Dot => sum.plus(u.times(w)),
        ContractionKind::SquaredDistance => sum.plus(u.plus(w).bent()),
    })
}

/// How f depends on its variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependence {
    /// The numbers of the variables that every component of f is linear in.
    pub linear: Vec<usize>,
    /// The numbers of the other variables that some component of f depends on.
    pub other: Vec<usize>,
}

impl<T: Scalar> Bounds<T> {
    /// How these components of f depend on these variables, which are those of the formula.
    #[must_use]
    pub fn dependence(&self, variables: &[Variable], components: Range<usize>) -> Dependence {
        let outputs = self.depend(variables, |number, _| Some(number));
        let all = outputs[components].iter().copied().fold(Depends::ZERO, Depends::plus);
        let with = |bits: u64| (0..variables.len()).filter(move |&number| bits >> number.min(LAST) & 1 == 1).collect();
        Dependence { linear: with(all.linear), other: with(all.other) }
    }

    /// Whether number c of these components of f depends on component c of a variable that f is linear in, and on no other of its
    /// components.
    #[must_use]
    pub fn is_diagonal(&self, variables: &[Variable], number: usize, components: Range<usize>) -> bool {
        let outputs = self.depend(variables, |variable, component| (variable == number).then_some(component));
        let dim = variables[number].dim;
        let own = |(c, depends): (usize, &Depends)| depends.any() & !(1 << c) == 0;
        components.len() == dim && dim <= LAST && outputs[components].iter().enumerate().all(own)
    }

    /// How the components of f depend on components of variables, of which each has the bit that `bit` gives for the number of the
    /// variable and that of the component.
    fn depend(&self, variables: &[Variable], bit: impl Fn(usize, usize) -> Option<usize>) -> Vec<Depends> {
        let row = |role: Role| {
            let of_role = variables.iter().enumerate().filter(move |(_, variable)| variable.role == role);
            let bit = &bit;
            of_role.flat_map(move |(number, variable)| {
                (0..variable.dim).map(move |component| match bit(number, component) {
                    None => Depends::default(),
                    Some(bit) if bit < LAST => Depends { linear: 1 << bit, ..Depends::default() },
                    // The last bit stands for all that have none of their own.
                    Some(_) => Depends { other: 1 << LAST, ..Depends::default() },
                })
            })
        };
        let outputs = |stage: &Stage, parameters: &[Depends], role: Role| {
            let mut numbers = parameters.to_vec();
            numbers.extend(row(role));
            stage.tape.depends(&mut numbers);
            stage.tape.outputs.iter().map(|&place| numbers[place as usize]).collect::<Vec<_>>()
        };
        let parameters = outputs(&self.parameters, &[], Role::Parameter);
        let target = outputs(&self.target, &parameters, Role::Target);
        let source = outputs(&self.source, &parameters, Role::Source);
        let contracted = self.contractions.iter().map(|one| contraction(one, &target, &source));
        let contracted: Vec<_> = contracted.collect();
        let rows = if self.reads == Reads::Rows { [target, source].concat() } else { Vec::new() };
        let mut numbers = [parameters, rows, contracted].concat();
        self.pair.depends(&mut numbers);
        self.pair.outputs.iter().map(|&place| numbers[place as usize]).collect()
    }

    /// Whether f is the same if the same number is added to a coordinate of the target and to one of the source, for each pair of
    /// these components of rows.
    #[must_use]
    pub fn reads_differences(&self, positions: &[[usize; 2]]) -> bool {
        let [target, source] = [(&self.target, 0), (&self.source, 1)].map(|(stage, side)| {
            let parameters = stage.tape.inputs - stage.row;
            let mut numbers = vec![Moves::Not; stage.tape.inputs];
            for (number, position) in positions.iter().enumerate() {
                numbers[parameters + position[side]] = Moves::With(number);
            }
            stage.tape.moves(&mut numbers);
            stage.tape.outputs.iter().map(|&place| numbers[place as usize]).collect::<Vec<_>>()
        });
        let contracted = self.contractions.iter().map(|contraction| {
            let &Contraction { kind, target: u, source: w, len } = contraction;
            let mut pairs = target[u..u + len].iter().zip(&source[w..w + len]);
            let still = |u: Moves, w: Moves| match kind {
                ContractionKind::Dot => (u, w) == (Moves::Not, Moves::Not),
                ContractionKind::SquaredDistance => u.minus(w) == Moves::Not,
            };
            if pairs.all(|(&u, &w)| still(u, w)) { Moves::Not } else { Moves::Otherwise }
        });
        let contracted: Vec<_> = contracted.collect();
        let mut numbers = vec![Moves::Not; self.parameters.tape.outputs.len()];
        if self.reads == Reads::Rows {
            numbers.extend(target.iter().chain(&source));
        }
        numbers.extend(&contracted);
        self.pair.moves(&mut numbers);
        self.pair.outputs.iter().all(|&place| numbers[place as usize] == Moves::Not)
    }

    /// The components of a row of a role that are those of a variable.
    #[must_use]
    pub fn components_of(variables: &[Variable], number: usize) -> Range<usize> {
        let role = variables[number].role;
        let first =
            variables[..number].iter().filter(|variable| variable.role == role).map(|variable| variable.dim).sum();
        first..first + variables[number].dim
    }
}

/// What becomes of a number if points are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moves {
    Not,
    /// It moves as coordinates of this number do.
    With(usize),
    Otherwise,
}

impl Moves {
    fn minus(self, b: Self) -> Self {
        match (self, b) {
            (a, Self::Not) => a,
            (Self::With(a), Self::With(b)) if a == b => Self::Not,
            _ => Self::Otherwise,
        }
    }

    fn plus(self, b: Self) -> Self {
        match (self, b) {
            (a, Self::Not) | (Self::Not, a) => a,
            _ => Self::Otherwise,
        }
    }
}

impl Tape {
    /// Adds what becomes of the numbers behind the inputs.
    fn moves(&self, of: &mut Vec<Moves>) {
        let mut truths: Vec<bool> = Vec::new();
        for op in &self.ops {
            let at = |place: u32| of[place as usize];
            let still = |still: bool| if still { Moves::Not } else { Moves::Otherwise };
            let truth = |place: u32| truths[place as usize];
            let number = match *op {
                Op::Add(a, b) => at(a).plus(at(b)),
                Op::Sub(a, b) => at(a).minus(at(b)),
                Op::Select(mask, yes, no) => still(truth(mask) && at(yes) == Moves::Not && at(no) == Moves::Not),
                // comparisons of numbers that move alike stay the same
                Op::Less(a, b) | Op::LessOrEqual(a, b) | Op::Equal(a, b) => {
                    truths.push(at(a).minus(at(b)) == Moves::Not);
                    continue;
                }
                Op::And(a, b) | Op::Or(a, b) => {
                    truths.push(truth(a) && truth(b));
                    continue;
                }
                Op::Not(a) => {
                    truths.push(truth(a));
                    continue;
                }
                ref op => still(op.operands().iter().all(|&place| at(place) == Moves::Not)),
            };
            of.push(number);
        }
    }
}
