//! A partial result, and the traits of calls that have some.

use core::{fmt, marker::PhantomData};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    call::{
        Accuracy, Element, OutputOf, Plan, State,
        pieces::sweep::{Course, Known, OfPass, Task},
    },
    data::{Device, Error, Host, Matrix, View},
    formula::Index,
    problem::{Settings, Sweep},
};

/// A value or derivative that can be computed from sources in pieces. The macro implements this trait for the markers of calls, as
/// `gaussian::Value` and `gaussian::Vjp_x`.
#[diagnostic::on_unimplemented(
    message = "this call has no partial results",
    label = "cannot be computed from sources in pieces",
    note = "derivatives of `Min`, `Max` and `KMin` gather the rows that were selected, which may be of any piece: find them with \
            `MinArgMin`, `MaxArgMax` or `KMinArgKMin` in pieces, and differentiate the formula of the rows that were found"
)]
pub trait InPieces: Plan {
    /// The index whose rows come in pieces: that of the sources of the value.
    const PIECES: Index;
}

/// The result of a call for a part of its sources: the states of its reduction, which can be gone on from with further sources,
/// merged with those of others, kept in a file and, in the end, finished.
///
/// The method `partial` of a call gives one, and `partial_after` one that goes on from another one.
///
/// ```
/// use keops::{Partial, prelude::*};
///
/// keops! {
///     /// a_i = Σ_j exp(-|x_i - y_j|²) b_j
///     pub fn gaussian(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
///     /// The nearest of all y.
///     #[keops(order = 0)]
///     pub fn nearest(x: Vi<1>, y: Vj<1>) -> ArgMin<j> { sqdist(x, y) }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let x = [[0.0_f64], [1.0]];
/// let (y, b) = ([[0.5], [2.0], [3.0]], [[1.0], [2.0], [3.0]]);
/// let whole = gaussian(&x, &y, &b).eval()?;
///
/// // one piece after another
/// let partial: Partial<gaussian::Value, f64> = gaussian(&x, &y[..2], &b[..2]).partial()?;
/// let partial = gaussian(&x, &y[2..], &b[2..]).partial_after(partial)?;
/// assert!((partial.finish()?[1][0] - whole[1][0]).abs() < 1e-15);
///
/// // each piece by itself: `sources_from` says where its row numbers begin
/// let first = nearest(&x, &y[..1]).partial()?;
/// let others = nearest(&x, &y[1..]).sources_from(1).partial()?;
/// assert_eq!(others.merge(first)?.finish()?, nearest(&x, &y).eval()?);
/// # Ok(())
/// # }
/// ```
///
/// # Which rows are in pieces
///
/// The rows that the reduction of the *value* runs over are: those of j for a `Sum<j>`, and those of i for a `Sum<i>`. They are
/// also in derivatives.
///
/// - In the value, and in derivatives with the same rows as the value (`vjp_x` of an x that is not in pieces, all `jvp`), and for
///   gradients in parameters, the sources are in pieces, and states are merged.
/// - A gradient in rows that are in pieces, as `vjp_y` of a `Sum<j>`, has a row for each of these. A piece gives its own rows, and they follow
///   each other in the order of the row numbers. So do they in the struct of all gradients, `vjp`. Each piece may be
///   finished by itself, so that not all rows are in memory at a time.
///
/// # Sweeps
///
/// The derivatives of `LogSumExp`, `SumSoftMaxWeight`, `Prod` and `Mean` read what is found of *all* sources: their number, what
/// they have in common, the value. A partial result is then one of these, [`needs_sweep`](Self::needs_sweep) is true, and after all pieces [`next_sweep`](Self::next_sweep) gives a partial result
/// with which the pieces are gone over again. [`in_chunks`](crate::call::in_chunks) does so by itself.
///
/// ```
/// use keops::prelude::*;
///
/// keops! { pub fn log_sum(x: Vi<1>, y: Vj<1>) -> LogSumExp<j> { x * y } }
///
/// # fn main() -> Result<(), Error> {
/// let (x, e, pieces) = ([[0.5_f64], [1.0]], [[1.0], [1.0]], [vec![[1.0], [2.0]], vec![[3.0]]]);
/// let mut partial = None;
/// let gradient = loop {
///     for y in &pieces {
///         partial = Some(log_sum(&x, y).vjp_x(&e).partial_after(partial)?);
///     }
///     match partial.take() {
///         Some(done) if done.needs_sweep() => partial = Some(done.next_sweep()?),
///         Some(done) => break done.finish()?,
///         None => unreachable!("there are pieces"),
///     }
/// };
/// let whole = log_sum(&x, &pieces.concat()).vjp_x(&e).eval()?;
/// assert!((gradient[0][0] - whole[0][0]).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
///
/// # What belongs together
///
/// Arguments that are not in pieces must have the same values in all pieces, and so must cotangents and tangents of their rows:
/// others are [`Error::PartialMismatch`]. Selections and lists with sources whose row numbers come twice are
/// [`Error::SourcesTwice`]. [`Ranges`](crate::data::Ranges) of a call count the rows of its own piece. Calls with batches have partial results,
/// but for gradients in rows that are in pieces.
///
/// # Accuracy
///
/// Sums keep the digits beyond those of their type from piece to piece, so they are as accurate as in one call, and selections are
/// the same to the bit in any grouping. Two things differ. One call of a softmax subtracts what all rows of a key have in common, as k in
/// (q | k); this is not known of the first piece, so keys that are far from 0 and close to each other lose digits of the *value*. (Derivatives
/// have a sweep for it.) And sums with a [`tolerance`](crate::problem::Tolerance) are rounded to their type for each piece.
///
/// Partial results are computed on the processor: [`Error::PartialOnlyOnCpu`]. The callback of `progress` is told of each pass of
/// a piece by itself.
pub struct Partial<K, T> {
    /// What earlier sweeps found.
    pub(super) known: Vec<Known<T>>,
    /// The states of the passes of this sweep.
    pub(super) passes: Vec<OfPass<T>>,
    /// The shapes of the arguments.
    pub(super) shapes: Vec<ShapeOf>,
    /// How many rows in pieces were seen in this sweep, and how many in the sweep before.
    pub(super) seen: u64,
    pub(super) expected: Option<u64>,
    /// The row number after the last one that was seen.
    pub(super) end: u64,
    /// Whether the passes of this sweep do not give the result.
    pub(super) ended: bool,
    pub(super) kind: PhantomData<fn() -> K>,
}

/// The shape of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct ShapeOf {
    pub(super) rows: usize,
    pub(super) dim: usize,
    pub(super) batch: Vec<usize>,
    /// Whether the rows are in pieces; `rows` are those of some piece then.
    pub(super) in_pieces: bool,
}

impl<K, T: Clone> Clone for Partial<K, T> {
    fn clone(&self) -> Self {
        let Self { known, passes, shapes, .. } = self;
        Self { known: known.clone(), passes: passes.clone(), shapes: shapes.clone(), ..*self }
    }
}

impl<K, T> fmt::Debug for Partial<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.passes.iter().map(|pass| &pass.name).collect();
        let mut fields = f.debug_struct("Partial");
        fields.field("passes", &names).field("sources", &self.seen).field("needs_sweep", &self.ended);
        fields.finish_non_exhaustive()
    }
}

/// A result with row numbers of 64 bits: see [`Partial::finish_u64`].
#[derive(Clone, Debug)]
pub struct U64Rows<T> {
    /// The values: a row for each target or, of lists, one number for each pair. Without columns if the result has no values.
    pub values: Matrix<T>,
    /// The row numbers: a row for each target or, of lists, one number for each pair. [`u64::MAX`] stands for a missing neighbour. Of `Count`, the
    /// counts.
    pub row_numbers: Matrix<u64>,
    /// Of lists, where each begins, and in the end where the last one ends. Else empty.
    pub starts: Vec<usize>,
}

impl<'a, T: Element> State<'a, T> {
    /// Sets the number of the first source, from which row numbers count.
    #[must_use]
    pub fn sources_from(mut self, start: u64) -> Self {
        self.settings.start = Some(start);
        self
    }

    /// The partial result of the call with the plan `K`, going on from the partial result of others, if there is one.
    ///
    /// # Errors
    /// See [`Call::eval`](crate::call::Call::eval) and [`Partial`].
    pub fn partial<K: InPieces, W: Accuracy>(mut self, before: Option<Partial<K, T>>) -> Result<Partial<K, T>, Error> {
        if self.settings.over.is_some() {
            return Err(Error::NoMessages { reason: "a partial result is that of one process" });
        }
        W::prepare::<K>(&mut self.settings);
        let before = before.unwrap_or_else(|| Partial {
            known: Vec::new(),
            passes: Vec::new(),
            shapes: Vec::new(),
            seen: 0,
            expected: None,
            end: 0,
            ended: false,
            kind: PhantomData,
        });
        let start = self.settings.start.unwrap_or(before.end);
        let Self { views, settings } = self;
        let (seen, end, expected) = (before.seen, before.end, before.expected);
        let mut course = before.course(Task::Reduce, start);
        run::<K, T>(&views, settings.of_passes(1), &mut course)?;
        let in_pieces = |number: usize| course.in_pieces.get(number).copied().unwrap_or(false);
        let shapes = views.iter().enumerate().map(|(number, view)| {
            let (rows, dim, batch) = (view.rows(), view.dim(), view.batch().to_vec());
            ShapeOf { rows, dim, batch, in_pieces: in_pieces(number) }
        });
        let sources = course.sources as u64;
        Ok(Partial {
            shapes: shapes.collect(),
            known: course.known,
            passes: course.done,
            seen: seen.saturating_add(sources),
            expected,
            end: end.max(start.saturating_add(sources)),
            ended: course.ended,
            kind: PhantomData,
        })
    }
}

/// Runs a plan for a task. The result is the output of the plan, if it came to its end.
fn run<K: InPieces, T: Element>(
    views: &[View<'_, T>],
    settings: Settings,
    course: &mut Course<T>,
) -> Result<Option<OutputOf<K, T>>, Error> {
    let empty = Course { known: Vec::new(), wide: None, ..Course::new(course.task, K::PIECES, 0) };
    let shared = Arc::new(Mutex::new(core::mem::replace(course, empty)));
    course.pieces = K::PIECES;
    shared.lock().unwrap_or_else(PoisonError::into_inner).pieces = K::PIECES;
    let settings = Settings { sweep: Some(Sweep(shared.clone())), ..settings };
    let output = K::eval::<T, Host>(views, &settings);
    drop(settings);
    let mut done = shared.lock().unwrap_or_else(PoisonError::into_inner);
    core::mem::swap(course, &mut done);
    if course.ended { Ok(None) } else { output.map(Some) }
}

impl<T: Element> Course<T> {
    pub(super) fn new(task: Task, pieces: Index, start: u64) -> Self {
        Self {
            task,
            pieces,
            start,
            known: Vec::new(),
            asked: 0,
            states: Vec::new().into(),
            others: Vec::new().into(),
            done: Vec::new(),
            in_pieces: Vec::new(),
            sources: 0,
            ended: false,
            is_to_end: false,
            wide: None,
        }
    }
}

impl<K, T: Element> Partial<K, T> {
    /// A plan that begins with these states.
    fn course(self, task: Task, start: u64) -> Course<T> {
        Course { known: self.known, states: self.passes.into(), ..Course::new(task, Index::J, start) }
    }

    /// Arguments of these shapes, without numbers.
    ///
    /// # Errors
    /// [`Error::NoChunks`] before the first piece of a sweep.
    fn views<'a>(&self) -> Result<Vec<View<'a, T>>, Error> {
        if self.passes.is_empty() {
            return Err(Error::NoChunks);
        }
        let appended = self.passes.iter().find_map(OfPass::appended).unwrap_or(0);
        let shape = |shape: &ShapeOf| {
            let rows = if shape.in_pieces { appended } else { shape.rows };
            View::shape_only(rows, shape.dim, &shape.batch)
        };
        Ok(self.shapes.iter().map(shape).collect())
    }

    /// How many sources were seen in this sweep: rows in pieces, of each batch.
    #[must_use]
    pub fn sources(&self) -> u64 {
        self.seen
    }

    /// Whether the result reads what a pass finds of all sources, and this is a partial result of that pass: after all pieces,
    /// [`next_sweep`](Self::next_sweep) is to come.
    #[must_use]
    pub fn needs_sweep(&self) -> bool {
        self.ended
    }
}

/// The settings of a call that reads no numbers.
fn here() -> Settings {
    Settings { device: Device::Cpu, ..Settings::default() }
}

impl<K: InPieces, T: Element> Partial<K, T> {
    /// The partial result of the sources of both.
    ///
    /// Selections and lists are the same to the bit in whatever order and grouping partial results are merged; sums differ by roundings
    /// of their second terms.
    ///
    /// # Errors
    /// [`Error::PartialMismatch`] if arguments other than the sources are not the same, or if this is another sweep;
    /// [`Error::SourcesTwice`].
    pub fn merge(self, other: Self) -> Result<Self, Error> {
        let views = self.views()?;
        let (shapes, seen, end, expected) = (self.shapes.clone(), self.seen, self.end, self.expected);
        let (other_seen, other_end) = (other.seen, other.end);
        let is_alike = self.ended == other.ended && self.known.len() == other.known.len();
        let mut course = self.course(Task::Merge, 0);
        if is_alike {
            course.others = other.passes.into();
        }
        run::<K, T>(&views, here(), &mut course)?;
        Ok(Self {
            known: course.known,
            passes: course.done,
            shapes,
            seen: seen.saturating_add(other_seen),
            expected,
            end: end.max(other_end),
            ended: course.ended,
            kind: PhantomData,
        })
    }

    /// Ends a sweep over all pieces: what its pass found is known to the next sweep, for which the pieces are gone over again,
    /// from the first row number on.
    ///
    /// # Errors
    /// [`Error::NoSweepsLeft`] if [`needs_sweep`](Self::needs_sweep) is false; [`Error::SweepLength`] if the sweep before went over
    /// another number of sources; no memory.
    pub fn next_sweep(self) -> Result<Self, Error> {
        self.check_length()?;
        let (views, shapes, seen) = (self.views()?, self.shapes.clone(), self.seen);
        let mut course = self.course(Task::Close, 0);
        run::<K, T>(&views, here(), &mut course)?;
        Ok(Self {
            known: course.known,
            passes: Vec::new(),
            shapes,
            seen: 0,
            expected: Some(seen),
            end: 0,
            ended: false,
            kind: PhantomData,
        })
    }

    /// The result, as `eval` of a call of all sources gives it.
    ///
    /// # Errors
    /// [`Error::SweepsLeft`] if [`needs_sweep`](Self::needs_sweep) is true; [`Error::SweepLength`] if the sweep before went over another
    /// number of sources; [`Error::RowNumber`] if a row number does not fit into `u32`; no memory.
    pub fn finish(self) -> Result<OutputOf<K, T>, Error> {
        self.check_length()?;
        let views = self.views()?;
        let missing = Error::PartialMismatch { formula: "a call", what: "the number of passes" };
        run::<K, T>(&views, here(), &mut self.course(Task::Finish, 0))?.ok_or(missing)
    }

    /// The result of a selection, of `Within` or of `Count`, with row numbers and counts of 64 bits.
    ///
    /// ```
    /// use keops::prelude::*;
    ///
    /// keops! {
    ///     #[keops(order = 0)]
    ///     pub fn nearest(x: Vi<1>, y: Vj<1>) -> MinArgMin<j> { abs(x - y) }
    /// }
    ///
    /// # fn main() -> Result<(), Error> {
    /// let far = 1 << 40;
    /// let partial = nearest(&[[0.9_f32]], &[[0.0], [1.0]]).sources_from(far).partial()?;
    /// assert!(partial.clone().finish().is_err());
    /// let rows = partial.finish_u64()?;
    /// assert_eq!((rows.values.row(0), rows.row_numbers.row(0)), (Some(&[1.0 - 0.9][..]), Some(&[far + 1][..])));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoRowNumbers`] if the result has no row numbers; the errors of [`finish`](Self::finish).
    pub fn finish_u64(self) -> Result<U64Rows<T>, Error> {
        self.check_length()?;
        let views = self.views()?;
        let mut course = self.course(Task::FinishU64, 0);
        run::<K, T>(&views, here(), &mut course)?;
        course.wide.ok_or(Error::PartialMismatch { formula: "a call", what: "the number of passes" })
    }

    /// Checks that this sweep went over as many sources as the one before.
    fn check_length(&self) -> Result<(), Error> {
        match self.expected {
            // the rows of each piece are complete
            _ if !self.passes.is_empty() && self.passes.iter().all(|pass| pass.appended().is_some()) => Ok(()),
            Some(expected) if expected != self.seen => Err(Error::SweepLength { found: self.seen, expected }),
            _ => Ok(()),
        }
    }

    /// Checks that a partial result that was read is one of `K`.
    #[cfg(feature = "serde")]
    pub(super) fn checked(self) -> Result<Self, Error> {
        /// A call without targets may have as many batches.
        const FEW: usize = 1 << 16;
        let missing = Error::PartialMismatch { formula: "a call", what: "the number of passes" };
        if self.passes.is_empty() {
            return Ok(self);
        }
        // No memory is taken for more rows than there are.
        let rows = self.passes.iter().map(OfPass::rows).max().unwrap_or(0);
        let is_more = |shape: &ShapeOf| {
            let all = shape.batch.iter().fold(shape.rows, |all, &size| all.saturating_mul(size));
            !shape.in_pieces && all > rows.max(FEW)
        };
        if !self.ended && self.shapes.iter().any(is_more) {
            return Err(missing);
        }
        let views = self.views()?;
        let (passes, ended) = (self.passes.len(), self.ended);
        let mut course = self.clone().course(Task::Check, 0);
        run::<K, T>(&views, here(), &mut course)?;
        if course.ended == ended && course.done.len() == passes { Ok(self) } else { Err(missing) }
    }
}
