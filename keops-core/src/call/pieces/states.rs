//! The states of one pass: reduced from sources, merged, and finished.
//!
//! In the engine a state has row numbers of 32 bits, by which it decides between equal values. While a pass goes on from states that
//! have row numbers, these stand for a place in the list of the target instead: the place itself for a source before those of the
//! pass, whose own numbers follow, and a number beyond them for a later one. Sources of equal values are in the order of their
//! numbers in the list, so the places are, too.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pulp::Arch;
use rayon::prelude::*;

use crate::{
    call::{Element, Part, Pass, engine, parts, pieces::U64Rows},
    cpu::Cpu,
    data::{Device, Error, MAX_ROWS, Matrix, Neighbours, To, View, room},
    problem::{Begin, Engine, Outputs, Piece, Problem, States},
    reduction::{MISSING, Selects},
};

impl<T> States<T> {
    /// No states, of no targets.
    fn of(rows: usize, width: usize) -> Self {
        let (numbers, row_numbers, counts, lists) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { rows, width, numbers, row_numbers, counts, lists }
    }
}

impl<'a, T: Element> Pass<'a, T> {
    /// This pass with other arguments, as many and of the same variables.
    ///
    /// # Errors
    /// The errors of [`Pass::new`].
    pub fn with_views<'b>(&'b self, views: &'b [View<'b, T>]) -> Result<Pass<'b, T>, Error> {
        let signature = *self.problem().signature();
        let problem = T::problem(signature, views, self.settings.pairs(signature.targets))?;
        Ok(self.with_problem(problem))
    }

    /// The states of the targets after the sources of this pass and, if there are any, those of `before`. The first source of the
    /// pass has the row number `start`.
    ///
    /// # Errors
    /// [`Error::PartialOnlyOnCpu`]; [`Error::PartialMismatch`]; [`Error::SourcesTwice`]; [`Error::RowNumber`] for sources beyond the
    /// row numbers of 64 bits; no memory.
    pub fn states(&self, start: u64, before: Option<States<T>>) -> Result<States<T>, Error> {
        T::states(self, start, before)
    }

    /// Merges the states of other sources of the same targets into `states`.
    ///
    /// # Errors
    /// [`Error::PartialMismatch`].
    pub fn merge(&self, states: &mut States<T>, other: &States<T>) -> Result<(), Error> {
        self.check(states)?;
        self.check(other)?;
        if states.rows != other.rows {
            return Err(self.mismatch("the number of targets"));
        }
        if !states.counts.is_empty() {
            merge_counts(states, other, self.layout.lists);
        } else if let Some(selects) = self.numbered() {
            merge_selected(states, other, selects.count, self.layout.components);
        } else if self.layout.state > 0 {
            let rows = states.numbers.chunks_exact_mut(self.layout.state);
            for (state, other) in rows.zip(other.numbers.chunks_exact(self.layout.state)) {
                self.kernel.merge(state, other);
            }
        }
        Ok(())
    }

    /// Writes the result that belongs to states, as [`Pass::run`] writes that of all sources of the pass.
    ///
    /// # Errors
    /// [`Error::PartialMismatch`]; [`Error::RowNumber`]; outputs that do not fit the result.
    pub fn finish(
        &self,
        states: &States<T>,
        parts: &mut [Part<'_, T>],
        indices: Option<To<'_, u32>>,
    ) -> Result<(), Error> {
        self.check(states)?;
        let states = self.in_32_bits(states, small)?;
        parts::run_by(self, parts, indices, &|pieces, indices| self.finish_pieces(&states, pieces, indices))
    }

    /// [`Self::finish`] as an engine writes its outputs, without sums over batches; lists are an output, too.
    ///
    /// # Errors
    /// The errors of [`Self::finish`] and [`Self::finish_lists`].
    pub(in crate::call) fn finish_outputs(
        &self,
        states: &States<T>,
        outputs: &mut Outputs<'_, '_, T>,
    ) -> Result<(), Error> {
        if let Some(lists) = &mut outputs.lists {
            **lists = self.finish_lists(states)?;
            return Ok(());
        }
        self.check(states)?;
        let states = self.in_32_bits(states, small)?;
        self.finish_pieces(&states, outputs.pieces, Some(outputs.indices.reborrow()))
    }

    /// The result that belongs to states, with row numbers of 64 bits.
    ///
    /// # Errors
    /// [`Error::PartialMismatch`]; no memory.
    pub(super) fn finish_u64(&self, states: States<T>) -> Result<U64Rows<T>, Error> {
        self.check(&states)?;
        let (rows, layout) = (states.rows, &self.layout);
        let none = || Matrix::new(rows, 0, Vec::new());
        if layout.lists {
            let mut starts = room(rows + 1, 1)?;
            let mut end = 0;
            for (start, &count) in starts[1..].iter_mut().zip(&states.counts) {
                end += count as usize;
                *start = end;
            }
            let (row_numbers, values): (Vec<u64>, Vec<T>) = states.lists.into_iter().unzip();
            let (row_numbers, values) = (Matrix::new(end, 1, row_numbers), Matrix::new(end, 1, values));
            return Ok(U64Rows { values, row_numbers, starts });
        }
        if layout.within {
            let row_numbers = Matrix::new(rows, 1, states.counts);
            return Ok(U64Rows { values: none(), row_numbers, starts: Vec::new() });
        }
        let [width, indices] = [layout.signature.values, layout.signature.indices];
        let (mut values, mut small) = (room(rows, width)?, room(rows, indices)?);
        let in_32_bits = self.in_32_bits(&states, |_| Ok(0))?;
        self.finish_pieces(&in_32_bits, &mut [Piece::rows(width, &mut values[..])], Some(To::Host(&mut small)))?;
        let row_numbers = Matrix::new(rows, indices, states.row_numbers);
        Ok(U64Rows { values: Matrix::new(rows, width, values), row_numbers, starts: Vec::new() })
    }

    /// The lists that belong to states.
    ///
    /// # Errors
    /// [`Error::PartialMismatch`]; [`Error::RowNumber`]; no memory.
    pub fn finish_lists(&self, states: &States<T>) -> Result<Neighbours<T>, Error> {
        self.check(states)?;
        let too_many = |_| Error::TooManyPairs { pairs: states.lists.len() as u64 };
        let (mut starts, mut end) = (room(states.rows + 1, 1)?, 0);
        for (start, &count) in starts[1..].iter_mut().zip(&states.counts) {
            end += count as usize;
            *start = end;
        }
        let (mut row_numbers, mut values) = (Vec::new(), Vec::new());
        row_numbers.try_reserve_exact(states.lists.len()).map_err(too_many)?;
        values.try_reserve_exact(states.lists.len()).map_err(too_many)?;
        for &(number, value) in &states.lists {
            let small = u32::try_from(number).ok().filter(|&small| small != MISSING);
            row_numbers.push(small.ok_or(Error::RowNumber { number })?);
            values.push(value);
        }
        let problem = self.problem();
        let lists = Neighbours::new(starts, row_numbers, values);
        Ok(lists.with(problem.signature().targets, problem.shape().batches))
    }

    /// The pieces of the result that belongs to these states, row after row.
    fn finish_pieces(
        &self,
        states: &[T],
        pieces: &mut [Piece<'_, T>],
        indices: Option<To<'_, u32>>,
    ) -> Result<(), Error> {
        let indices = indices.filter(|_| self.problem().signature().indices > 0);
        let mut outputs = Outputs::new(self.problem(), pieces, indices)?;
        if self.layout.within {
            // the states are the result
            let to = outputs.indices.host(self.problem().shape().rows(), 1)?;
            to.iter_mut().zip(states).for_each(|(to, &state)| *to = T::index_from_bits((), state));
            return Ok(());
        }
        self.cpu(Arch::new()).finish(self.problem(), states, &mut outputs)
    }

    /// The states as the engine has them, with these row numbers. Counts are states of one row number.
    fn in_32_bits(&self, states: &States<T>, number: impl Fn(u64) -> Result<u32, Error>) -> Result<Vec<T>, Error> {
        let bits = |of: u64| Ok(T::index_to_bits((), if of == States::<T>::NONE { MISSING } else { number(of)? }));
        if self.layout.within {
            return states.counts.iter().map(|&count| bits(count)).collect();
        }
        let mut numbers = room(states.numbers.len(), 1)?;
        numbers.copy_from_slice(&states.numbers);
        if self.numbered().is_some() {
            let half = self.layout.state / 2;
            let rows = numbers.chunks_exact_mut(self.layout.state).zip(states.row_numbers.chunks_exact(half));
            for (state, row_numbers) in rows {
                for (to, &of) in state[half..].iter_mut().zip(row_numbers) {
                    *to = bits(of)?;
                }
            }
        }
        Ok(numbers)
    }

    /// What the reduction selects, if its state has row numbers.
    fn numbered(&self) -> Option<Selects> {
        self.layout.selects.filter(|selects| selects.numbered)
    }

    /// How many numbers a state has in [`States`].
    fn width(&self) -> usize {
        if self.layout.within { 0 } else { self.layout.state }
    }

    /// Checks that states have the sizes of those of this pass.
    pub(super) fn check(&self, states: &States<T>) -> Result<(), Error> {
        let States { rows, width, numbers, row_numbers, counts, lists } = states;
        let numbered = if self.numbered().is_some() { self.layout.state / 2 } else { 0 };
        let listed: u64 =
            if self.layout.lists { counts.iter().fold(0, |sum, &count| sum.saturating_add(count)) } else { 0 };
        let fits = *width == self.width()
            && Some(numbers.len()) == rows.checked_mul(*width)
            && Some(row_numbers.len()) == rows.checked_mul(numbered)
            && counts.len() == if self.layout.within { *rows } else { 0 }
            && lists.len() as u64 == listed;
        if fits { Ok(()) } else { Err(self.mismatch("the size of a state")) }
    }

    pub(super) fn mismatch(&self, what: &'static str) -> Error {
        Error::PartialMismatch { formula: self.problem().signature().name, what }
    }

    fn cpu(&self, arch: Arch) -> Cpu<'a, T> {
        Cpu { arch, kernel: self.kernel, layout: self.layout, approximation: self.approximation }
    }
}

/// A row number of 32 bits.
fn small(number: u64) -> Result<u32, Error> {
    u32::try_from(number).ok().filter(|&number| number != MISSING).ok_or(Error::RowNumber { number })
}

/// See [`Pass::states`].
pub(in crate::call) fn states<T: Element>(
    pass: &Pass<'_, T>,
    start: u64,
    before: Option<States<T>>,
) -> Result<States<T>, Error> {
    let (problem, layout) = (pass.problem(), pass.layout);
    let (shape, sources) = (problem.shape(), problem.shape().sources as u64);
    let elsewhere = problem.views().iter().any(|view| view.device().is_some_and(|device| device != Device::Cpu));
    if elsewhere || !matches!(pass.settings.device, Device::Auto | Device::Cpu) {
        return Err(Error::PartialOnlyOnCpu { formula: problem.signature().name });
    }
    // the number of a source is not that of none
    start.checked_add(sources).ok_or(Error::RowNumber { number: States::<T>::NONE })?;
    if let Some(before) = &before {
        pass.check(before)?;
        if before.rows != shape.rows() {
            return Err(pass.mismatch("the number of targets"));
        }
    }
    let mut states = States::of(shape.rows(), pass.width());
    if layout.within {
        if layout.lists {
            let lists = engine::lists(Arch::new(), pass)?;
            let (starts, row_numbers, values) = lists.into_parts();
            states.counts = starts.windows(2).map(|ends| (ends[1] - ends[0]) as u64).collect();
            states.lists = room_for(row_numbers.len())?;
            states.lists.extend(row_numbers.iter().map(|&number| start + u64::from(number)).zip(values));
        } else {
            let mut counts = room(shape.rows(), layout.signature.indices)?;
            let mut outputs = Outputs::new(problem, &mut [], Some(To::Host(&mut counts)))?;
            pass.cpu(Arch::new()).reduce(problem, &mut outputs)?;
            states.counts = counts.iter().map(|&count| u64::from(count)).collect();
        }
        if let Some(before) = &before {
            merge_counts(&mut states, before, layout.lists);
        }
        return Ok(states);
    }
    let Some(selects) = pass.numbered() else {
        let begin = Begin { states: before.as_ref().map(|before| &*before.numbers), first: 0, any_order: false };
        states.numbers = reduced(pass, begin)?;
        return Ok(states);
    };
    let too_many = sources > (MAX_ROWS as u64).saturating_sub(2 * selects.count as u64);
    match before {
        Some(before) if too_many => {
            numbered(pass, selects, start, &mut states)?;
            merge_selected(&mut states, &before, selects.count, layout.components);
        }
        Some(before) => {
            states = before;
            numbered(pass, selects, start, &mut states)?;
        }
        None => numbered(pass, selects, start, &mut states)?,
    }
    Ok(states)
}

/// Runs a pass on the processor whose output is states, row after row.
fn reduced<T: Element>(pass: &Pass<'_, T>, begin: Begin<'_, T>) -> Result<Vec<T>, Error> {
    let problem: &Problem<'_, T> = pass.problem();
    let mut numbers = room(problem.shape().rows(), pass.layout.state)?;
    let pieces = &mut [Piece::rows(pass.layout.state, &mut numbers)];
    let mut outputs = Outputs { pieces, indices: To::default(), lists: None, begin: Some(begin) };
    pass.cpu(Arch::new()).reduce(problem, &mut outputs)?;
    Ok(numbers)
}

/// Goes on from the states of a selection, if these are not empty, with the sources of a pass.
fn numbered<T: Element>(pass: &Pass<'_, T>, selects: Selects, start: u64, states: &mut States<T>) -> Result<(), Error> {
    let (state, components) = (pass.layout.state.max(1), pass.layout.components.max(1));
    let half = state / 2;
    let end = start + pass.problem().shape().sources as u64;
    // The place of a later source in its list is this number and those that follow it.
    let later = MISSING - selects.count as u32;
    let (begins, twice) = (!states.row_numbers.is_empty(), AtomicU64::new(States::<T>::NONE));
    let any_order = AtomicBool::new(false);
    let rows = states.numbers.par_chunks_mut(state).zip(states.row_numbers.par_chunks(half.max(1)));
    rows.with_min_len(MANY).for_each(|(state, row_numbers)| {
        let places = state[half..].chunks_mut(components).zip(row_numbers.chunks(components));
        for (place, (to, row_numbers)) in (0..).zip(places) {
            for (to, &number) in to.iter_mut().zip(row_numbers) {
                let number = match number {
                    States::<T>::NONE => MISSING,
                    number if number < start => place,
                    number => {
                        any_order.store(true, Ordering::Relaxed);
                        if number < end {
                            twice.fetch_min(number, Ordering::Relaxed);
                        }
                        later + place
                    }
                };
                *to = T::index_to_bits((), number);
            }
        }
    });
    match twice.into_inner() {
        States::<T>::NONE => {}
        number => return Err(Error::SourcesTwice { first: number, last: number }),
    }
    let first = if begins { selects.count as u32 } else { 0 };
    let any_order = any_order.into_inner();
    let begun = begins.then_some(&*states.numbers);
    states.numbers = reduced(pass, Begin { states: begun, first, any_order })?;
    if !begins {
        states.row_numbers = room(states.rows, half)?;
    }
    let rows = states.numbers.par_chunks_mut(state).zip(states.row_numbers.par_chunks_mut(half.max(1)));
    rows.with_min_len(MANY).for_each_init(Vec::new, |earlier, (state, row_numbers)| {
        earlier.clear();
        earlier.extend_from_slice(row_numbers);
        let places = state[half..].chunks_mut(components).zip(row_numbers.chunks_mut(components));
        for (bits, to) in places {
            for (c, (bits, to)) in bits.iter_mut().zip(to).enumerate() {
                *to = match T::index_from_bits((), *bits) {
                    MISSING => States::<T>::NONE,
                    place if place < first => earlier[place as usize * components + c],
                    place if begins && place >= later => earlier[(place - later) as usize * components + c],
                    number => start + u64::from(number - first),
                };
                *bits = T::zero();
            }
        }
    });
    Ok(())
}

/// The fewest targets for a thread.
const MANY: usize = 1 << 12;

/// Merges the lists of the `count` smallest values of each component. In each list, values are ascending, and equal ones in the
/// order of their row numbers; a place that no source has taken is NaN.
fn merge_selected<T: Element>(states: &mut States<T>, other: &States<T>, count: usize, components: usize) {
    let half = count * components;
    if half == 0 {
        return;
    }
    let rows = states.numbers.chunks_exact_mut(2 * half).zip(states.row_numbers.chunks_exact_mut(half));
    let others = other.numbers.chunks_exact(2 * half).zip(other.row_numbers.chunks_exact(half));
    let mut merged = Vec::with_capacity(count);
    for ((values, numbers), (other_values, other_numbers)) in rows.zip(others) {
        for c in 0..components {
            merged.clear();
            let (mut mine, mut theirs) = (0, 0);
            while merged.len() < count {
                let (a, b) = (mine * components + c, theirs * components + c);
                let ((a, i), (b, j)) = ((values[a], numbers[a]), (other_values[b], other_numbers[b]));
                let theirs_first = b < a || (b == a && j < i) || (a.is_nan() && !b.is_nan());
                merged.push(if theirs_first { (b, j) } else { (a, i) });
                if theirs_first {
                    theirs += 1;
                } else {
                    mine += 1;
                }
            }
            for (k, &(value, number)) in merged.iter().enumerate() {
                values[k * components + c] = value;
                numbers[k * components + c] = number;
            }
        }
    }
}

/// Adds counts and, if there are `lists`, merges these.
fn merge_counts<T: Element>(states: &mut States<T>, other: &States<T>, lists: bool) {
    if lists {
        let (mut mine, mut theirs) = (&states.lists[..], &other.lists[..]);
        let mut merged = Vec::with_capacity(mine.len() + theirs.len());
        for (&count, &other_count) in states.counts.iter().zip(&other.counts) {
            let (own, after) = mine.split_at(count as usize);
            let (others, other_after) = theirs.split_at(other_count as usize);
            (mine, theirs) = (after, other_after);
            let first = merged.len();
            merged.extend_from_slice(own);
            merged.extend_from_slice(others);
            // of one piece after another, nothing moves
            merged[first..].sort_by_key(|&(number, _)| number);
        }
        states.lists = merged;
    }
    states.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count = count.saturating_add(*other));
}

/// Room for so many pairs.
fn room_for<T>(pairs: usize) -> Result<Vec<(u64, T)>, Error> {
    let mut room = Vec::new();
    room.try_reserve_exact(pairs).map_err(|_| Error::TooManyPairs { pairs: pairs as u64 })?;
    Ok(room)
}
