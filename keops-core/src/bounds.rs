//! Bounds of a formula on boxes.
//!
//! The stages of a [`Formula`] are generic over [`Real`](crate::number::Real). Run once on numbers that only write down what is asked of them, a stage
//! becomes a list of operations, which is evaluated with an [`Interval`] for each number: of the coordinates of a box of targets and
//! a box of sources, it makes bounds of f over all pairs of the two. No formula is written for this. Programs compile the stages on
//! such numbers ([`Stages`]); what makes lists of them and evaluates these is compiled once, with this crate.
//!
//! *What the bounds hold for* is what the engine computes in f32 or f64, with its roundings: on the CPU with every instruction
//! set, fused or not, also where contractions of many components are matrix products; and on the GPU. They do not hold
//! for the scaled exponents of a GPU ([`Formula::SCALED`]), whose error is absolute, nor for its approximate functions.
//! What the engine makes of the components of f afterwards, such as a sum, has roundings of its own.
//!
//! | where | what |
//! |---|---|
//! | `tape` | stages as lists of operations |
//! | `eval` | lists on intervals, and at points |
//! | `slopes`, `mean_value` | narrow bounds, from derivatives of lists |
//! | `series` | higher derivatives, for the errors of interpolations |
//! | `dependence` | in which variables f is linear |
//! | `separation` | whether f is a product, or a sum, of functions of one axis each |
//! | `points` | f at points |
//! | `interval` | the number, and arithmetic |
//! | `functions` | elementary functions |
//! | `contraction` | dot products and squared distances |
//! | `truth` | comparisons, from which selections learn |
//! | `identity` | which intervals are of the same number |
//!
//! *How wide bounds are.* An operand that occurs twice may take different values in the two places, unless it is the same
//! number in both, as in x·x, or is rounded, as in x - round(x). [`Bounds::narrow`] knows more, by derivatives. These are widths of
//! bounds over those of values (f32, D = 3, boxes of edge 0.2 in the unit cube; the median and the 90 % quantile, which `cargo test
//! --test bounds widths` measures again):
//!
//! | formula | [`Bounds::pair`] | [`Bounds::narrow`] |
//! |---|---|---|
//! | distances: squared, Manhattan, Chebyshev, haversine; Gaussian, Laplacian, Cauchy kernels; dot product | 1.0, 1.3 | the same |
//! | `clamp` of a distance | 1.0, 1.2 | the same |
//! | hyperbolic distance; nearest image, by `min(d, 1 - d)` or by `d - round(d, 0)` | 1.2, 1.7 | the same |
//! | a Gaussian times a dot product | 1.3, 1.8 | 1.3, 1.7 |
//! | Huber, by `ifelse` | 1.3, 1.6 | 1.1, 1.1 |
//! | Matérn (1 + r) exp(-r); Wendland | 2.7, 5.2 | 1.1, 1.6 |
//! | r² exp(-g r²) | 5.8, 14 | 1.1, 1.3 |
//! | gradients of a Gaussian, a Laplacian, a hyperbolic distance | 2.8, 4.1; 2.8, 13; 5.7, 35 | the same |
//! | \|x\|² + \|y\|² - 2 (x \| y) | 5, 25 | 1.2, 4.2 |
//! | cosine distance | 6.5, 28 | 5.5, 23 |
//!
//! What the mean value theorem leaves shrinks with the square of the edge: of smaller boxes, as those of many points are, the last two
//! are much narrower. With more components than 3 boxes themselves are wide, whatever the formula.

mod contraction;
mod dependence;
mod eval;
mod functions;
mod identity;
mod interval;
mod mean_value;
mod points;
mod separation;
mod series;
mod slopes;
mod tape;
mod truth;

use core::{
    any::{Any, TypeId},
    marker::PhantomData,
};
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

pub use dependence::Dependence;
pub use interval::{Interval, Rounding};
pub use mean_value::{End, Scratch};
pub use points::PointScratch;
pub use series::{Along, SeriesScratch};
pub use tape::Stages;
pub use truth::Truth;

use crate::{
    formula::{Contraction, Formula, Role, is_long, width},
    number::Scalar,
};
use contraction::{contract, contract_box, contract_rows};
use mean_value::CUT;
use tape::{OnTraced, Tape, Traced};

/// A formula on boxes, for an element type. See the [module](self).
#[derive(Debug)]
pub struct Bounds<T> {
    parameters: Stage,
    target: Stage,
    source: Stage,
    pair: Tape,
    contractions: &'static [Contraction],
    /// Whether the CPU may compute contractions as products about a centre.
    products: bool,
    reads: Reads,
    element: PhantomData<T>,
}

/// What the pair stage reads beside parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// Up to three contractions.
    Contractions,
    Rows,
}

/// A stage that prepares the rows of a role.
#[derive(Debug)]
struct Stage {
    tape: Tape,
    /// The numbers of a row.
    row: usize,
    /// Whether it copies the row.
    copies: bool,
}

impl Stage {
    fn new<T: Scalar>(parameters: usize, row: usize, outputs: usize, f: OnTraced<'_, T>) -> Self {
        let tape = Tape::new(parameters + row, outputs, f);
        let copies =
            outputs == row && tape.outputs.iter().enumerate().all(|(k, &place)| place as usize == parameters + k);
        Self { tape, row, copies }
    }
}

impl<T: Scalar> Bounds<T> {
    /// The bounds of `F`, which are made once.
    #[must_use]
    pub fn of<F: Formula>() -> &'static Self {
        Self::of_stages(const { &Stages::of::<F>() })
    }

    /// The bounds of the formula with these stages, which are made once.
    #[must_use]
    pub fn of_stages(stages: &Stages<T>) -> &'static Self {
        type Made = HashMap<[TypeId; 2], &'static (dyn Any + Send + Sync)>;
        static MADE: RwLock<Option<Made>> = RwLock::new(None);
        let key = [(stages.formula)(), TypeId::of::<T>()];
        let found = |made: &Option<Made>| made.as_ref()?.get(&key)?.downcast_ref();
        if let Some(bounds) = found(&MADE.read().unwrap_or_else(PoisonError::into_inner)) {
            return bounds;
        }
        let new = &*Box::leak(Box::new(Self::new(stages)));
        let mut all = MADE.write().unwrap_or_else(PoisonError::into_inner);
        found(&all).unwrap_or_else(|| {
            all.get_or_insert_default().insert(key, new);
            new
        })
    }

    fn new(stages: &Stages<T>) -> Self {
        let &Stages { contractions, prepared: [p, i, j], .. } = stages;
        let row = |role| width(stages.variables, role);
        // The pair stage, with rows among its inputs or not.
        let pair = |rows: bool| {
            let inputs = p + contractions.len() + if rows { i + j } else { 0 };
            Tape::new::<T>(inputs, stages.components, &|x, to| {
                let unread = vec![Traced::UNREAD; i + j];
                let (p, x) = x.split_at(p);
                let (x, contractions) = x.split_at(x.len() - contractions.len());
                let (target, source) = if rows { x } else { &unread }.split_at(i);
                (stages.pair)([p, target, source, contractions], to);
            })
        };
        let of_rows = pair(true);
        let rows = contractions.len() > CUT || of_rows.reads(p..p + i + j);
        let (pair, reads) = if rows { (of_rows, Reads::Rows) } else { (pair(false), Reads::Contractions) };
        Self {
            parameters: Stage::new::<T>(0, row(Role::Parameter), p, &|x, to| (stages.parameters)((), x, to)),
            target: Stage::new::<T>(p, row(Role::Target), i, &|x, to| (stages.target)((), &x[..p], &x[p..], to)),
            source: Stage::new::<T>(p, row(Role::Source), j, &|x, to| (stages.source)((), &x[..p], &x[p..], to)),
            pair,
            reads,
            contractions,
            products: is_long(contractions),
            element: PhantomData,
        }
    }

    fn stage(&self, role: Role) -> &Stage {
        match role {
            Role::Parameter => &self.parameters,
            Role::Target => &self.target,
            Role::Source => &self.source,
        }
    }

    /// How many components f has.
    #[must_use]
    pub fn components(&self) -> usize {
        self.pair.outputs.len()
    }

    /// Whether [`Self::narrow`] may say more than [`Self::pair`].
    #[must_use]
    pub fn narrows(&self) -> bool {
        !self.pair.ops.is_empty()
    }

    /// How many intervals [`Self::prepare`] makes of a row of a role.
    #[must_use]
    pub fn prepared(&self, role: Role) -> usize {
        let stage = self.stage(role);
        if stage.copies { stage.row } else { stage.tape.outputs.len() + stage.row }
    }

    /// Prepares the variables of a role: `row` has all of them one after another, and `to` is replaced by what [`Self::pair`]
    /// reads, the components that the engine prepares and behind them the row, if it is not the same. `parameters` are prepared, and
    /// not read for the role of parameters.
    ///
    /// # Panics
    /// If there are fewer intervals than components.
    pub fn prepare(
        &self,
        cx: Rounding<T>,
        role: Role,
        parameters: &[Interval<T>],
        row: &[Interval<T>],
        to: &mut Vec<Interval<T>>,
    ) {
        let stage = self.stage(role);
        to.clear();
        let row = &row[..stage.row];
        if !stage.copies {
            let mut values = eval::Values::default();
            let parameters =
                if role == Role::Parameter { &[] } else { &parameters[..self.parameters.tape.outputs.len()] };
            values.numbers.extend_from_slice(parameters);
            values.numbers.extend_from_slice(row);
            stage.tape.intervals(cx, &mut values);
            // What a stage prepared is a number of its own: computed on other lanes, the same expression may have other
            // roundings.
            to.extend(stage.tape.outputs.iter().enumerate().map(|(number, &place)| Interval {
                id: interval::component(role, number),
                ..values.numbers[place as usize]
            }));
        }
        to.extend_from_slice(row);
    }

    /// The bounds of all components of f, from prepared intervals.
    ///
    /// # Panics
    /// If there are fewer intervals than components.
    pub fn pair(
        &self,
        cx: Rounding<T>,
        parameters: &[Interval<T>],
        target: &[Interval<T>],
        source: &[Interval<T>],
        scratch: &mut Scratch<T>,
        to: &mut [Interval<T>],
    ) {
        let [p, i, j] = [&self.parameters, &self.target, &self.source].map(|stage| stage.tape.outputs.len());
        let numbers = &mut scratch.pair.numbers;
        numbers.clear();
        numbers.extend_from_slice(&parameters[..p]);
        match self.reads {
            Reads::Contractions => {
                let all = self.contractions.iter().enumerate();
                numbers.extend(all.map(|one| contract_rows(cx, one, self.products, [target, source])));
            }
            Reads::Rows => {
                numbers.extend_from_slice(&target[..i]);
                numbers.extend_from_slice(&source[..j]);
                contract(cx, self.contractions, self.products, [p, p + i], numbers);
            }
        }
        self.of_numbers(cx, scratch, to);
    }

    /// Whether the prepared components of a source are those of its variables.
    #[must_use]
    pub fn copies_sources(&self) -> bool {
        self.source.copies
    }

    /// Whether f reads nothing of a source but contractions of its coordinates, so that there is [`Self::pair_with_box`].
    #[must_use]
    pub fn reads_boxes(&self) -> bool {
        self.reads == Reads::Contractions && self.source.copies
    }

    /// [`Self::pair`] for a box of sources that was not prepared: its least and its largest coordinates, and whether any may be NaN,
    /// of a formula that [`Self::reads_boxes`].
    ///
    /// # Panics
    /// As [`Self::pair`].
    #[inline]
    pub fn pair_with_box(
        &self,
        cx: Rounding<T>,
        parameters: &[Interval<T>],
        target: &[Interval<T>],
        source: ((&[T], &[T]), bool),
        scratch: &mut Scratch<T>,
        to: &mut [Interval<T>],
    ) {
        let p = self.parameters.tape.outputs.len();
        if let ([contraction], [], &[place], [to]) =
            (self.contractions, &self.pair.ops[..], &self.pair.outputs[..], &mut *to)
            && place as usize == p
        {
            // A copy of the whole would wait for its parts.
            let Interval { lo, hi, nan, id, .. } = contract_box(cx, (0, contraction), self.products, target, source);
            (to.lo, to.hi, to.nan, to.id) = (lo, hi, nan, id);
            return;
        }
        let numbers = &mut scratch.pair.numbers;
        numbers.clear();
        numbers.extend_from_slice(&parameters[..p]);
        let all = self.contractions.iter().enumerate();
        numbers.extend(all.map(|one| contract_box(cx, one, self.products, target, source)));
        self.of_numbers(cx, scratch, to);
    }

    /// The bounds, from the numbers that the pair stage reads.
    fn of_numbers(&self, cx: Rounding<T>, scratch: &mut Scratch<T>, to: &mut [Interval<T>]) {
        if !self.pair.ops.is_empty() {
            self.pair.intervals(cx, &mut scratch.pair);
        }
        for (to, &place) in to.iter_mut().zip(&self.pair.outputs) {
            *to = scratch.pair.numbers[place as usize];
        }
    }
}
