//! A stage of a formula as a list of operations.
//!
//! A stage is run once on numbers that write down what is asked of them ([`Traced`]). What is then evaluated on boxes is the
//! list, by code that is compiled once for all formulas: programs of users compile the stages on these numbers ([`Stages`]) and
//! no more, and the list can also be read backwards, for slopes.
//!
//! Equal operations on equal operands are one number of the list.

use core::{any::TypeId, marker::PhantomData, ops::Range};
use std::{cell::RefCell, collections::HashMap};

use super::{identity, identity::word};
use crate::{
    formula::{Components, Contraction, Formula, Sink, Variable},
    number::{Real, Scalar},
};

/// An operation. Its operands are places of earlier numbers, or of earlier truths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    /// The bits of an `f64`.
    Constant(u64),
    Add(u32, u32),
    Sub(u32, u32),
    Mul(u32, u32),
    Div(u32, u32),
    Neg(u32),
    /// a b + c
    MulAdd(u32, u32, u32),
    /// c - a b
    NegMulAdd(u32, u32, u32),
    /// a - b, where b is a rounded to a multiple of something.
    Residue(u32, u32, Multiple),
    /// |a - b|, for such a b.
    Fold(u32, u32, Multiple),
    Abs(u32),
    Sqrt(u32),
    Min(u32, u32),
    Max(u32, u32),
    Select(u32, u32, u32),
    Pow(u32, u32),
    Atan2(u32, u32),
    Of(Function, u32),
    Less(u32, u32),
    LessOrEqual(u32, u32),
    Equal(u32, u32),
    And(u32, u32),
    Or(u32, u32),
    Not(u32),
}

/// Of what a number was rounded to a multiple, n the nearest integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Multiple {
    /// n of a
    One,
    /// c n of a / d
    Quotient { c: u32, d: u32 },
    /// c n of a k
    Product { c: u32, k: u32 },
}

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Function {
    Round,
    Nearest,
    Floor,
    Exp2,
    Exp,
    Log2,
    Log,
    Log10,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    ExpM1,
    Ln1p,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Erf,
    Erfc,
    Cbrt,
    Pow2Integer,
    Mantissa,
    Exponent,
}

/// The stages of a formula on numbers that write down what is asked of them, and the sizes of their rows: all that is compiled for
/// a formula so that it has bounds.
#[derive(Debug)]
pub struct Stages<T> {
    /// The type of the formula.
    pub(super) formula: fn() -> TypeId,
    pub(super) variables: &'static [Variable],
    pub(super) contractions: &'static [Contraction],
    /// How many numbers the prepared parameters, a prepared target and a prepared source have.
    pub(super) prepared: [usize; 3],
    /// How many components f has.
    pub(super) components: usize,
    /// From a row.
    pub(super) parameters: StageOn1<Traced<T>>,
    /// From prepared parameters and a row.
    pub(super) target: StageOn2<Traced<T>>,
    pub(super) source: StageOn2<Traced<T>>,
    /// From prepared parameters, target and source, and contractions.
    pub(super) pair: StageOn4<Traced<T>>,
}

/// A stage of one, two and four lists of numbers, and what it writes to.
type StageOn1<R> = fn((), &[R], &mut [R]);
type StageOn2<R> = fn((), &[R], &[R], &mut [R]);
type StageOn4<R> = fn([&[R]; 4], &mut [R]);

impl<T: Scalar> Stages<T> {
    /// The stages of `F`.
    #[must_use]
    pub const fn of<F: Formula>() -> Self {
        Self {
            formula: TypeId::of::<F>,
            variables: F::VARIABLES,
            contractions: F::CONTRACTIONS,
            prepared: [
                <F::Parameters<T> as Components<T>>::LEN,
                <F::Target<T> as Components<T>>::LEN,
                <F::Source<T> as Components<T>>::LEN,
            ],
            components: <F::Output<T> as Components<T>>::LEN,
            parameters: F::parameters::<Traced<T>>,
            target: F::target::<Traced<T>>,
            source: F::source::<Traced<T>>,
            pair: |[parameters, target, source, contractions], to| {
                F::pair((), parameters, &target, &source, contractions, &mut Put(to));
            },
        }
    }
}

/// Keeps each component.
struct Put<'a, R>(&'a mut [R]);

impl<R: Real> Sink<R> for Put<'_, R> {
    #[inline]
    fn put(&mut self, _: R::Cx, c: usize, value: R) {
        self.0[c] = value;
    }
    #[inline]
    fn put_product(&mut self, cx: R::Cx, c: usize, a: R, b: R) {
        self.0[c] = R::mul(cx, a, b);
    }
}

/// The operations of a stage.
#[derive(Clone, Debug, Default)]
pub(super) struct Tape {
    /// The numbers that the stage reads, which come before those of the operations.
    pub(super) inputs: usize,
    pub(super) ops: Vec<Op>,
    /// Which value each number behind the inputs is; see `identity`.
    pub(super) ids: Vec<u64>,
    /// The places of what the stage writes.
    pub(super) outputs: Vec<u32>,
    numbers: u32,
    truths: u32,
}

/// The list that is being written, with the places of its operations.
#[derive(Default)]
struct Writing {
    tape: Tape,
    places: HashMap<Op, u32>,
    /// The operation of each number behind the inputs.
    made: Vec<Op>,
}

thread_local! {
    static WRITING: RefCell<Writing> = RefCell::default();
}

impl Tape {
    /// Writes down a stage, which is run on as many inputs and writes as many outputs.
    pub(super) fn new<T: Scalar>(inputs: usize, outputs: usize, stage: OnTraced<'_, T>) -> Self {
        let tape = Self { inputs, numbers: inputs as u32, ..Self::default() };
        WRITING.set(Writing { tape, ..Writing::default() });
        let input: Vec<Traced<T>> = (0..inputs as u32).map(Traced::at).collect();
        let mut output = vec![Traced::at(0); outputs];
        stage(&input, &mut output);
        let mut tape = WRITING.take().tape;
        tape.outputs.extend(output.iter().map(|traced| traced.place));
        tape
    }

    /// Whether an operation or an output is one of these numbers.
    pub(super) fn reads(&self, numbers: Range<usize>) -> bool {
        let has = |&place: &u32| numbers.contains(&(place as usize));
        self.outputs.iter().any(has) || self.ops.iter().any(|op| op.operands().iter().any(has))
    }

    /// How many numbers there are, with the inputs.
    pub(super) fn numbers(&self) -> usize {
        self.numbers as usize
    }
}

impl Writing {
    fn number(&mut self, op: Op) -> u32 {
        let op = self.residue(op).or_else(|| self.folded(op)).unwrap_or(op);
        let next = self.tape.numbers;
        let place = *self.places.entry(op).or_insert(next);
        if place == next {
            self.tape.ids.push(self.id(op));
            self.tape.ops.push(op);
            self.made.push(op);
            self.tape.numbers += 1;
        }
        place
    }

    fn truth(&mut self, op: Op) -> u32 {
        let next = self.tape.truths;
        let place = *self.places.entry(op).or_insert(next);
        if place == next {
            self.tape.ops.push(op);
            self.tape.truths += 1;
        }
        place
    }

    /// Which value the result of an operation is.
    fn id(&self, op: Op) -> u64 {
        let of = |place: u32| match (place as usize).checked_sub(self.tape.inputs) {
            Some(number) => self.tape.ids[number],
            None => identity::of(const { word("input") }, u64::from(place), 0),
        };
        match op {
            Op::Constant(bits) => identity::constant(f64::from_bits(bits)),
            Op::Add(a, b) => identity::sum(of(a), of(b)),
            Op::Sub(a, b) => identity::sum(of(a), !of(b)),
            Op::Mul(a, b) => identity::product(const { word("mul") }, of(a), of(b), true),
            Op::Div(a, b) => identity::product(const { word("div") }, of(a), of(b), false),
            Op::Neg(a) => !of(a),
            _ => identity::of(const { word("number") }, u64::from(self.tape.numbers), 0),
        }
    }

    /// The operation that made a number; `None` for an input.
    fn made(&self, place: u32) -> Option<Op> {
        (place as usize).checked_sub(self.tape.inputs).map(|number| self.made[number])
    }

    /// A square or an absolute value of a residue by [`Op::Fold`].
    fn folded(&mut self, op: Op) -> Option<Op> {
        let (Op::Mul(r, s) | Op::MulAdd(r, s, _) | Op::NegMulAdd(r, s, _)) = op else {
            let Op::Abs(r) = op else { return None };
            let Op::Residue(a, b, multiple) = self.made(r)? else { return None };
            return Some(Op::Fold(a, b, multiple));
        };
        let Op::Residue(a, b, multiple) = self.made(r).filter(|_| r == s)? else { return None };
        let size = self.number(Op::Fold(a, b, multiple));
        Some(match op {
            Op::MulAdd(_, _, c) => Op::MulAdd(size, size, c),
            Op::NegMulAdd(_, _, c) => Op::NegMulAdd(size, size, c),
            _ => Op::Mul(size, size),
        })
    }

    /// A difference as [`Op::Residue`], if it is one.
    fn residue(&self, op: Op) -> Option<Op> {
        let Op::Sub(a, b) = op else { return None };
        let rounded = |place: u32| match self.made(place)? {
            Op::Of(Function::Round | Function::Nearest, of) => Some(of),
            _ => None,
        };
        match self.made(b)? {
            Op::Of(Function::Round | Function::Nearest, of) if of == a => Some(Op::Residue(a, b, Multiple::One)),
            Op::Mul(x, y) => [(x, y), (y, x)].into_iter().find_map(|(c, n)| {
                let multiple = match self.made(rounded(n)?)? {
                    Op::Div(of, d) if of == a => Multiple::Quotient { c, d },
                    Op::Mul(of, k) | Op::Mul(k, of) if of == a => Multiple::Product { c, k },
                    _ => return None,
                };
                Some(Op::Residue(a, b, multiple))
            }),
            _ => None,
        }
    }
}

impl Op {
    /// The numbers among the operands.
    pub(super) fn operands(&self) -> Vec<u32> {
        match *self {
            Self::Constant(_) | Self::And(..) | Self::Or(..) | Self::Not(_) => Vec::new(),
            Self::Neg(a) | Self::Abs(a) | Self::Sqrt(a) | Self::Of(_, a) => vec![a],
            Self::Add(a, b)
            | Self::Sub(a, b)
            | Self::Mul(a, b)
            | Self::Div(a, b)
            | Self::Residue(a, b, _)
            | Self::Fold(a, b, _)
            | Self::Min(a, b)
            | Self::Max(a, b)
            | Self::Select(_, a, b)
            | Self::Pow(a, b)
            | Self::Atan2(a, b)
            | Self::Less(a, b)
            | Self::LessOrEqual(a, b)
            | Self::Equal(a, b) => vec![a, b],
            Self::MulAdd(a, b, c) | Self::NegMulAdd(a, b, c) => vec![a, b, c],
        }
    }

    pub(super) fn is_truth(self) -> bool {
        matches!(
            self,
            Self::Less(..) | Self::LessOrEqual(..) | Self::Equal(..) | Self::And(..) | Self::Or(..) | Self::Not(_)
        )
    }
}

/// Adds an operation to the list, or finds it there; the place of its result. It is compiled with this crate, and not with those of
/// users.
#[inline(never)]
fn write(op: Op) -> u32 {
    WRITING.with_borrow_mut(|writing| if op.is_truth() { writing.truth(op) } else { writing.number(op) })
}

/// Adds a constant of a formula, rounded to one of the element types; compiled with this crate, too.
#[inline(never)]
fn write_constant(value: f64, single: bool) -> u32 {
    let rounded = if single { f32::lit((), value).as_f64() } else { f64::lit((), value) };
    write(Op::Constant(rounded.to_bits()))
}

/// A number of which only the place in the list is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traced<T> {
    place: u32,
    element: PhantomData<T>,
}

impl<T> Traced<T> {
    /// A number that the stage is known not to read.
    pub(super) const UNREAD: Self = Self { place: u32::MAX, element: PhantomData };

    #[inline(always)]
    fn at(place: u32) -> Self {
        Self { place, element: PhantomData }
    }
    #[inline(always)]
    fn new(op: Op) -> Self {
        Self::at(write(op))
    }
}

/// A stage on such numbers.
pub(super) type OnTraced<'a, T> = &'a dyn Fn(&[Traced<T>], &mut [Traced<T>]);

/// The place of a truth.
#[derive(Clone, Copy, Debug)]
pub(super) struct TracedTruth(u32);

/// Methods of [`Real`] that write an operation.
macro_rules! written {
    ($($name:ident($($arg:ident),*): $op:ident;)*) => {$(
        #[inline(always)]
        fn $name(_: (), $($arg: Self),*) -> Self {
            Self::new(Op::$op($($arg.place),*))
        }
    )*};
}

macro_rules! functions {
    ($($name:ident: $function:ident),*) => {$(
        #[inline(always)]
        fn $name(_: (), x: Self) -> Self {
            Self::new(Op::Of(Function::$function, x.place))
        }
    )*};
}

impl<T: Scalar> Real for Traced<T> {
    type Cx = ();
    type Scalar = T;
    type Mask = TracedTruth;

    #[inline(always)]
    fn splat((): (), value: T) -> Self {
        Self::new(Op::Constant(value.as_f64().to_bits()))
    }
    #[inline(always)]
    fn lit((): (), value: f64) -> Self {
        Self::at(write_constant(value, const { size_of::<T>() == size_of::<f32>() }))
    }
    written! {
        add(a, b): Add;
        sub(a, b): Sub;
        mul(a, b): Mul;
        div(a, b): Div;
        neg(a): Neg;
        mul_add(a, b, c): MulAdd;
        neg_mul_add(a, b, c): NegMulAdd;
        abs(a): Abs;
        sqrt(a): Sqrt;
        min(a, b): Min;
        max(a, b): Max;
        pow(x, y): Pow;
        atan2(y, x): Atan2;
    }
    functions! {
        round: Round, nearest: Nearest, floor: Floor, exp2: Exp2, exp: Exp, log2: Log2, log: Log, log10: Log10, sin: Sin, cos: Cos,
        tan: Tan, asin: Asin, acos: Acos, atan: Atan, exp_m1: ExpM1, ln_1p: Ln1p, sinh: Sinh, cosh: Cosh, tanh: Tanh, asinh: Asinh,
        acosh: Acosh, atanh: Atanh, erf: Erf, erfc: Erfc, cbrt: Cbrt, pow2_integer: Pow2Integer
    }
    fn split_exponent((): (), x: Self) -> (Self, Self) {
        (Self::new(Op::Of(Function::Mantissa, x.place)), Self::new(Op::Of(Function::Exponent, x.place)))
    }

    #[inline(always)]
    fn lt((): (), a: Self, b: Self) -> TracedTruth {
        TracedTruth(write(Op::Less(a.place, b.place)))
    }
    #[inline(always)]
    fn le((): (), a: Self, b: Self) -> TracedTruth {
        TracedTruth(write(Op::LessOrEqual(a.place, b.place)))
    }
    #[inline(always)]
    fn eq((): (), a: Self, b: Self) -> TracedTruth {
        TracedTruth(write(Op::Equal(a.place, b.place)))
    }
    #[inline(always)]
    fn and((): (), a: TracedTruth, b: TracedTruth) -> TracedTruth {
        TracedTruth(write(Op::And(a.0, b.0)))
    }
    #[inline(always)]
    fn or((): (), a: TracedTruth, b: TracedTruth) -> TracedTruth {
        TracedTruth(write(Op::Or(a.0, b.0)))
    }
    #[inline(always)]
    fn not((): (), a: TracedTruth) -> TracedTruth {
        TracedTruth(write(Op::Not(a.0)))
    }
    /// A shortcut that nothing depends on is taken for some numbers, and never for all of them.
    #[inline(always)]
    fn any((): (), _: TracedTruth) -> bool {
        true
    }
    #[inline(always)]
    fn select((): (), mask: TracedTruth, yes: Self, no: Self) -> Self {
        Self::new(Op::Select(mask.0, yes.place, no.place))
    }
}
