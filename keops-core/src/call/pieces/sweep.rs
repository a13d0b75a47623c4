//! One sweep over the sources: what a plan does where its call has some of them only.
//!
//! A plan is run as it is for a result. [`Settings::sweep`](crate::problem::Settings::sweep) says that it is run for a [`Task`], and its
//! passes ask here instead of an engine: a pass of the result takes, merges or finishes states. A pass whose rows a later one reads
//! is answered with these rows once all sources were seen, and ends the plan until then ([`Error::SweepsLeft`]).

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pulp::Arch;

use crate::{
    call::{Element, Part, Pass, engine},
    data::{Array, Error, Neighbours, To, View, room},
    formula::{Index, Role},
    number::Scalar,
    problem::{Shape, States, Sweep},
};

/// What a plan is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// To go on from states with the sources of the call.
    Reduce,
    /// To merge the states of two partial results.
    Merge,
    /// To make known what the pass at the end of this sweep saves.
    Close,
    /// To write the result.
    Finish,
    /// To write the result with row numbers of 64 bits.
    FinishU64,
    /// To look whether states belong to the plan.
    #[cfg_attr(not(feature = "serde"), expect(dead_code, reason = "only what is read has to be looked at"))]
    Check,
}

/// The states of a pass for some of the rows that are in pieces.
#[derive(Clone, Debug)]
pub(super) struct OfPass<T> {
    /// The name of its formula.
    pub(super) name: String,
    /// A number that arguments with other values would most likely not have; those in pieces do not count.
    pub(super) fingerprint: u64,
    /// Whether its targets are in pieces, so that the states of pieces follow each other.
    pub(super) appended: bool,
    /// The row numbers in pieces that were seen, as ranges that do not meet; where these matter.
    pub(super) seen: Vec<(u64, u64)>,
    /// The states of each piece with the number of its first target, or the states of all.
    pub(super) states: Vec<(u64, States<T>)>,
}

/// Rows that a pass saved for later ones, for all sources.
#[derive(Clone, Debug)]
pub(super) struct Known<T> {
    pub(super) name: String,
    pub(super) dim: usize,
    pub(super) batch: Vec<usize>,
    pub(super) rows: Arc<Vec<T>>,
}

impl<T: Element> Known<T> {
    fn view<'a>(&self) -> View<'a, T> {
        View::from_array(Array::Host(Arc::clone(&self.rows)), self.dim).batched(&self.batch)
    }
}

/// How far a plan has come.
#[derive(Debug)]
pub(super) struct Course<T> {
    pub(super) task: Task,
    /// The index whose rows are in pieces.
    pub(super) pieces: Index,
    /// The number of the first row in pieces.
    pub(super) start: u64,
    /// What was saved in earlier sweeps, in the order in which the plan asks for it.
    pub(super) known: Vec<Known<T>>,
    /// How much of that it has asked for.
    pub(super) asked: usize,
    /// The states of the passes of this sweep, in order, and those that are to be merged into them.
    pub(super) states: VecDeque<OfPass<T>>,
    pub(super) others: VecDeque<OfPass<T>>,
    /// The states of the passes that were run.
    pub(super) done: Vec<OfPass<T>>,
    /// Which arguments are in pieces.
    pub(super) in_pieces: Vec<bool>,
    /// The number of rows in pieces.
    pub(super) sources: usize,
    /// Whether the plan ended at a pass whose rows a later one reads, or is to end at the next pass.
    pub(super) ended: bool,
    pub(super) is_to_end: bool,
    /// The result with row numbers of 64 bits.
    pub(super) wide: Option<super::U64Rows<T>>,
}

fn lock<T: Element>(sweep: &Sweep) -> Result<MutexGuard<'_, Course<T>>, Error> {
    let course = sweep.0.downcast_ref::<Mutex<Course<T>>>();
    let course = course.ok_or(Error::PartialMismatch { formula: "a call", what: "the element type" })?;
    Ok(course.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Whether the arguments of the call have shapes only.
pub(in crate::call) fn has_no_numbers<T: Element>(sweep: &Sweep) -> bool {
    lock::<T>(sweep).is_ok_and(|course| course.task != Task::Reduce)
}

/// Runs a pass of the result.
pub(in crate::call) fn run<T: Element>(
    sweep: &Sweep,
    pass: &Pass<'_, T>,
    parts: &mut [Part<'_, T>],
    indices: Option<To<'_, u32>>,
) -> Result<(), Error> {
    let mut course = lock::<T>(sweep)?;
    course.end_before(pass)?;
    match course.task {
        Task::Reduce | Task::Merge | Task::Check => course.take(pass),
        Task::Close => Err(Error::NoSweepsLeft { formula: pass.problem().signature().name }),
        Task::Finish => pass.finish(&course.joined(pass)?, parts, indices),
        Task::FinishU64 => course.finish_u64(pass),
    }
}

/// Runs a pass whose result is lists.
pub(in crate::call) fn lists<T: Element>(pass: &Pass<'_, T>) -> Result<Neighbours<T>, Error> {
    let Some(sweep) = &pass.settings.sweep else {
        let lists = engine::lists(Arch::new(), pass)?;
        return match pass.settings.start {
            None => Ok(lists),
            Some(start) => lists.number_from(start),
        };
    };
    let mut course = lock::<T>(sweep)?;
    course.end_before(pass)?;
    match course.task {
        Task::Reduce | Task::Merge | Task::Check => course.take(pass)?,
        Task::Close => return Err(Error::NoSweepsLeft { formula: pass.problem().signature().name }),
        Task::Finish => return pass.finish_lists(&course.joined(pass)?),
        Task::FinishU64 => course.finish_u64(pass)?,
    }
    Ok(Neighbours::default())
}

/// The rows that a pass saves for later ones. An error ends the plan while these are not known.
pub(in crate::call) fn saved<'a, T: Element>(sweep: &Sweep, pass: &Pass<'_, T>) -> Result<View<'a, T>, Error> {
    let mut course = lock::<T>(sweep)?;
    let (name, dim) = (pass.problem().signature().name, pass.problem().signature().values);
    if let Some(known) = course.next_known(name)? {
        return Ok(known.view());
    }
    course.end_before(pass)?;
    match course.task {
        Task::Reduce | Task::Merge | Task::Check => course.take(pass)?,
        Task::Close => {
            let states = course.joined(pass)?;
            let mut rows = room(states.rows, dim)?;
            pass.finish(&states, &mut [Part { width: dim, gradient: None, to: To::Host(&mut rows) }], None)?;
            let (name, batch) = (name.to_owned(), pass.problem().batches().dims().to_vec());
            course.known.push(Known { name, dim, batch, rows: rows.into() });
        }
        Task::Finish | Task::FinishU64 => return Err(Error::SweepsLeft { formula: name }),
    }
    course.ended = true;
    Err(Error::SweepsLeft { formula: name })
}

/// The number of sources of each target, which is known when all were seen; those of a call are `counts`, for each batch again.
pub(in crate::call) fn counts<'a, T: Element>(
    sweep: &Sweep,
    name: &'static str,
    (shape, batch): (Shape, &[usize]),
    counts: &[u64],
) -> Result<View<'a, T>, Error> {
    let mut course = lock::<T>(sweep)?;
    let of_piece = || {
        let counts = counts.iter().copied().cycle().take(shape.rows()).collect();
        Ok(States { rows: shape.rows(), counts, ..States::default() })
    };
    let is_whole = |states: &States<T>| states.counts.len() == shape.rows() && states.numbers.is_empty();
    let merge = |states: &mut States<T>, others: States<T>| {
        states.counts.iter_mut().zip(others.counts).for_each(|(count, more)| *count = count.saturating_add(more));
    };
    let close = |states: States<T>| {
        let rows: Vec<T> = states.counts.iter().map(|&count| T::from_f64(count as f64)).collect();
        Ok(Known { name: name.to_owned(), dim: 1, batch: batch.to_vec(), rows: rows.into() })
    };
    let rules = OfSources { of_piece: &of_piece, is_whole: &is_whole, merge: &merge, close: &close };
    match course.of_sources(name, shape.sources, &rules)? {
        Some(known) => Ok(known.view()),
        None => Ok(View::shape_only(shape.targets, 1, batch)),
    }
}

/// What rows with some extremes have in common.
type Common<'f, T> = dyn Fn(&[T]) -> Result<Vec<T>, Error> + 'f;

/// How it is found what rows in pieces have in common.
pub(in crate::call) struct Centres<'f, T> {
    /// The extremes of the rows of the call.
    pub(in crate::call) of_piece: &'f dyn Fn() -> Result<Vec<T>, Error>,
    /// Makes extremes those of other rows, too.
    pub(in crate::call) joined: &'f dyn Fn(&mut [T], &[T]),
    /// What rows with these extremes have in common.
    pub(in crate::call) common: &'f Common<'f, T>,
}

/// What `rows` rows of each of some batches, and all others in pieces, have in common; `None` while that is not known, and where the
/// rows have no numbers.
pub(in crate::call) fn centres<T: Element>(
    sweep: &Sweep,
    ((batches, dim), rows): ((usize, usize), usize),
    centres: &Centres<'_, T>,
) -> Result<Option<Vec<T>>, Error> {
    const NAME: &str = "what rows have in common";
    let mut course = lock::<T>(sweep)?;
    let width = 2 * dim;
    let of_piece = || Ok(States { rows: batches, width, numbers: (centres.of_piece)()?, ..States::default() });
    let is_whole = |states: &States<T>| states.numbers.len() == batches * width && states.counts.is_empty();
    let merge = |states: &mut States<T>, others: States<T>| (centres.joined)(&mut states.numbers, &others.numbers);
    let close = |states: States<T>| {
        let rows = (centres.common)(&states.numbers)?;
        Ok(Known { name: NAME.to_owned(), dim, batch: vec![batches], rows: rows.into() })
    };
    let rules = OfSources { of_piece: &of_piece, is_whole: &is_whole, merge: &merge, close: &close };
    let has_numbers = course.task == Task::Reduce;
    let known = course.of_sources(NAME, rows, &rules)?.filter(|_| has_numbers);
    Ok(known.filter(|known| known.rows.len() == batches * dim).map(|known| known.rows.to_vec()))
}

/// Something that is found of all sources without a pass over pairs, in the form of states.
struct OfSources<'f, T> {
    /// What the sources of the call are.
    of_piece: &'f dyn Fn() -> Result<States<T>, Error>,
    /// Whether states have the sizes of these.
    is_whole: &'f dyn Fn(&States<T>) -> bool,
    merge: &'f dyn Fn(&mut States<T>, States<T>),
    close: &'f dyn Fn(States<T>) -> Result<Known<T>, Error>,
}

impl<T: Element> Course<T> {
    /// What is known of all sources, or the states of what will be. The plan ends at the next pass if it is not known, so that one
    /// sweep finds all of this kind.
    fn of_sources(
        &mut self,
        name: &'static str,
        rows: usize,
        rules: &OfSources<'_, T>,
    ) -> Result<Option<Known<T>>, Error> {
        if let Some(known) = self.next_known(name)? {
            return Ok(Some(known.clone()));
        }
        let mismatch = || Error::PartialMismatch { formula: name, what: "the size of a state" };
        let next = |states: &mut VecDeque<OfPass<T>>| match states.pop_front() {
            Some(of) if of.name != name => Err(Error::PartialFormula { formula: name, found: of.name }),
            Some(mut of) => match of.states.pop() {
                Some((_, states)) if of.states.is_empty() && (rules.is_whole)(&states) => Ok(Some(states)),
                _ => Err(mismatch()),
            },
            None => Ok(None),
        };
        let mut states = next(&mut self.states)?;
        let more = match self.task {
            Task::Finish | Task::FinishU64 => return Err(Error::SweepsLeft { formula: name }),
            Task::Close => {
                self.known.push((rules.close)(states.ok_or_else(mismatch)?)?);
                self.asked = self.known.len();
                self.is_to_end = true;
                return Ok(None);
            }
            Task::Reduce => {
                self.sources = rows;
                Some((rules.of_piece)()?)
            }
            Task::Merge => Some(next(&mut self.others)?.ok_or_else(mismatch)?),
            Task::Check => None,
        };
        match (&mut states, more) {
            (Some(states), Some(more)) => (rules.merge)(states, more),
            (states @ None, Some(more)) if self.task == Task::Reduce => *states = Some(more),
            _ => {}
        }
        let states = vec![(0, states.ok_or_else(mismatch)?)];
        let (name, fingerprint, appended, seen) = (name.to_owned(), 0, false, Vec::new());
        self.done.push(OfPass { name, fingerprint, appended, seen, states });
        self.is_to_end = true;
        Ok(None)
    }

    /// Ends the plan before a pass, if something is to be known first.
    fn end_before(&mut self, pass: &Pass<'_, T>) -> Result<(), Error> {
        if self.is_to_end {
            self.ended = true;
            return Err(Error::SweepsLeft { formula: pass.problem().signature().name });
        }
        Ok(())
    }
}

impl<T: Element> Course<T> {
    /// What was saved in an earlier sweep, if that is what the plan asks for.
    fn next_known(&mut self, name: &'static str) -> Result<Option<&Known<T>>, Error> {
        let Some(known) = self.known.get(self.asked) else { return Ok(None) };
        if known.name != name {
            return Err(Error::PartialFormula { formula: name, found: known.name.clone() });
        }
        self.asked += 1;
        Ok(Some(known))
    }

    /// The next states, if they are those of this pass.
    fn next(pass: &Pass<'_, T>, states: &mut VecDeque<OfPass<T>>) -> Result<Option<OfPass<T>>, Error> {
        let Some(of) = states.pop_front() else { return Ok(None) };
        if of.name != pass.problem().signature().name {
            let formula = pass.problem().signature().name;
            return Err(Error::PartialFormula { formula, found: of.name });
        }
        of.states.iter().try_for_each(|(_, states)| pass.check(states))?;
        Ok(Some(of))
    }

    /// The states of this pass, as they would be without pieces.
    fn joined(&mut self, pass: &Pass<'_, T>) -> Result<States<T>, Error> {
        let missing = || pass.mismatch("the number of passes");
        let mut of = Self::next(pass, &mut self.states)?.ok_or_else(missing)?;
        of.states.sort_by_key(|&(start, _)| start);
        let mut pieces = of.states.into_iter().map(|(_, states)| states);
        let mut all = pieces.next().ok_or_else(missing)?;
        for piece in pieces {
            all.rows += piece.rows;
            all.numbers.extend(piece.numbers);
            all.row_numbers.extend(piece.row_numbers);
            all.counts.extend(piece.counts);
            all.lists.extend(piece.lists);
        }
        if all.rows != pass.problem().shape().rows() {
            return Err(pass.mismatch("the number of targets"));
        }
        Ok(all)
    }

    fn finish_u64(&mut self, pass: &Pass<'_, T>) -> Result<(), Error> {
        if pass.problem().signature().indices == 0 {
            return Err(Error::NoRowNumbers { formula: pass.problem().signature().name });
        }
        let states = self.joined(pass)?;
        self.wide = Some(pass.finish_u64(states)?);
        Ok(())
    }

    /// Reduces or merges the states of a pass, as the task says.
    fn take(&mut self, pass: &Pass<'_, T>) -> Result<(), Error> {
        let before = Self::next(pass, &mut self.states)?;
        let of = match self.task {
            Task::Reduce => self.reduce(pass, before)?,
            Task::Merge => {
                let others = Self::next(pass, &mut self.others)?;
                let (before, others) = before.zip(others).ok_or_else(|| pass.mismatch("the sweep"))?;
                before.merge(others, pass)?
            }
            _ => {
                let of = before.ok_or_else(|| pass.mismatch("the number of passes"))?;
                let rows: usize = of.states.iter().map(|(_, states)| states.rows).sum();
                let is_one = of.appended || of.states.len() == 1;
                if rows != pass.problem().shape().rows() || !is_one || of.appended != self.appends(pass) {
                    return Err(pass.mismatch("the number of targets"));
                }
                of
            }
        };
        self.done.push(of);
        Ok(())
    }

    /// Whether the targets of a pass are in pieces.
    fn appends(&self, pass: &Pass<'_, T>) -> bool {
        pass.problem().signature().targets == self.pieces
    }

    /// The states of a pass after the sources of the call.
    fn reduce(&mut self, pass: &Pass<'_, T>, before: Option<OfPass<T>>) -> Result<OfPass<T>, Error> {
        let (problem, appended) = (pass.problem(), self.appends(pass));
        let (signature, shape) = (problem.signature(), problem.shape());
        let of_pieces = if appended { Role::Target } else { Role::Source };
        let in_pieces: Vec<bool> = signature.variables.iter().map(|variable| variable.role == of_pieces).collect();
        if appended && shape.batches != 1 {
            return Err(Error::Batches { what: "a gradient in rows that come in pieces" });
        }
        let others = problem.views().iter().zip(&in_pieces).filter(|(_, in_pieces)| !**in_pieces).map(|(view, _)| view);
        let fingerprint = fingerprint(others)?;
        let rows = if appended { shape.targets } else { shape.sources };
        self.sources = if in_pieces.contains(&true) { rows } else { 0 };
        if in_pieces.len() > self.in_pieces.len() {
            self.in_pieces = in_pieces;
        }
        let mut of = match before {
            Some(before) if before.fingerprint != fingerprint => return Err(pass.mismatch(DIFFERENT)),
            Some(before) => before,
            None => {
                let name = signature.name.to_owned();
                OfPass { name, fingerprint, appended, seen: Vec::new(), states: Vec::new() }
            }
        };
        let numbered = pass.layout.lists || pass.layout.selects.is_some_and(|selects| selects.numbered);
        if appended || numbered {
            of.see(&[(self.start, self.start.saturating_add(rows as u64))])?;
        }
        if appended {
            of.states.push((self.start, pass.states(0, None)?));
        } else {
            let before = of.states.pop().map(|(_, states)| states);
            of.states.push((0, pass.states(self.start, before)?));
        }
        Ok(of)
    }
}

/// What is said of arguments that differ.
const DIFFERENT: &str = "parameters, in targets or in what an earlier sweep found";

impl<T: Element> OfPass<T> {
    /// How many targets all states have.
    pub(super) fn rows(&self) -> usize {
        self.states.iter().map(|(_, states)| states.rows).fold(0, usize::saturating_add)
    }

    /// How many targets are in pieces.
    pub(super) fn appended(&self) -> Option<usize> {
        self.appended.then(|| self.rows())
    }

    /// Adds ranges of row numbers that are seen.
    fn see(&mut self, more: &[(u64, u64)]) -> Result<(), Error> {
        self.seen.extend(more.iter().filter(|(start, end)| start < end));
        self.seen.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(self.seen.len());
        for &(start, end) in &self.seen {
            match merged.last_mut() {
                Some(last) if start < last.1 => {
                    return Err(Error::SourcesTwice { first: start, last: end.min(last.1).saturating_sub(1) });
                }
                Some(last) if start == last.1 => last.1 = end,
                _ => merged.push((start, end)),
            }
        }
        self.seen = merged;
        Ok(())
    }

    /// The states of both.
    fn merge(mut self, others: Self, pass: &Pass<'_, T>) -> Result<Self, Error> {
        if self.fingerprint != others.fingerprint {
            return Err(pass.mismatch(DIFFERENT));
        }
        self.see(&others.seen)?;
        if self.appended {
            self.states.extend(others.states);
            return Ok(self);
        }
        let [(_, mine)] = &mut self.states[..] else { return Err(pass.mismatch("the number of passes")) };
        for (_, others) in &others.states {
            pass.merge(mine, others)?;
        }
        Ok(self)
    }
}

/// A number that depends on all numbers of the views, and on their shapes.
fn fingerprint<'v, T: Element>(views: impl Iterator<Item = &'v View<'v, T>>) -> Result<u64, Error> {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    // The low bits of numbers are often 0, and multiplication carries nothing down.
    let mut add = |word: u64| hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    for view in views {
        add(view.dim() as u64);
        add(view.rows() as u64);
        view.batch().iter().for_each(|&size| add(size as u64));
        // both zeros are alike
        view.numbers()?.iter().for_each(|&number| add((Scalar::as_f64(number) + 0.0).to_bits()));
    }
    Ok(hash)
}
