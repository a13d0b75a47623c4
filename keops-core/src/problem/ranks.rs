//! Calls over several processes, the *ranks*, each of which has its own part of the targets and of the sources.
//!
//! Every rank makes the same call, and its result is that for its own targets. What ranks say to each other goes
//! through [`Messages`], of which the feature `mpi` has an implementation; nothing here or above knows MPI.
//!
//! # Agreement
//! A rank that fails must not leave others waiting for it. Therefore every exchange begins with a *note* of fixed length
//! from every rank, which says what the rank is about to do, and a call ends with one more:
//!
//! ```text
//! rank 0   note: pass `f`   exchange   note: pass `g`   exchange   note: end
//! rank 1   note: pass `f`   exchange   note: failed
//! ```
//!
//! The notes of all ranks meet each other whatever they say. If one says that its rank failed, the reason is exchanged,
//! and all ranks return [`Error::OnRank`]; if they say different things, all ranks return that, too. In either case no rank
//! sends anything more for this call. A rank that fails inside of an exchange takes part in it to its end.

use core::{fmt, sync::atomic::Ordering};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::AtomicBool},
};

use crate::{data::Error, problem::Settings, reduction::Total};

/// Work for the threads of a rank.
pub type Work<'w> = &'w mut (dyn FnMut() + Send);

/// Messages between ranks, and the threads of a rank. All methods that send are called by all ranks, in the same order.
pub trait Messages: fmt::Debug + Send + Sync {
    /// The number of this rank.
    fn rank(&self) -> usize;
    /// The number of ranks, at least 1.
    fn count(&self) -> usize;
    /// Whether this thread can send messages. It is asked before anything is sent.
    ///
    /// # Errors
    /// It cannot, and why.
    fn check(&self) -> Result<(), Error>;
    /// The notes of all ranks, one after another; they are of one length.
    fn notes(&self, note: &[u64]) -> Vec<u64>;
    /// Sends slices to the next rank, and receives slices from the one before this one, while the threads do the work. The lengths are
    /// those of the other side. A panic of the work goes on when the messages have arrived.
    fn shift(&self, send: &[&[u8]], receive: &mut [&mut [u8]], work: Option<Work<'_>>);
    /// Sends number r of `send` to rank r, and receives number r of the result from it.
    fn swap(&self, send: &[u64]) -> Vec<u64>;
    /// Sends slice r of `send` to rank r, and receives slice r of `receive` from it, whose length is that of the other side.
    fn deal(&self, send: &[&[u8]], receive: &mut [&mut [u8]]);
    /// Does work on the threads of this rank.
    fn compute(&self, work: Work<'_>);
    /// How many bytes the rows of other ranks may take on this rank.
    fn memory(&self) -> u64;
    /// The number of threads of this rank.
    fn threads(&self) -> usize;
}

/// How the sources of other ranks come to a rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exchange {
    /// [`Exchange::Gather`] where all sources fit into the memory of every rank beside what is there, else [`Exchange::Ring`].
    #[default]
    Auto,
    /// Every rank has all sources, while a pass over them runs. The result is that of one process.
    Gather,
    /// The sources of the ranks go around, one rank's at a time: each rank has its own and two others' at most.
    Ring,
}

/// The ranks that a call runs over.
#[derive(Clone, Debug)]
pub struct Over {
    messages: Arc<dyn Messages>,
    exchange: Exchange,
    /// Whether the ranks have agreed that the call failed.
    failed: Arc<AtomicBool>,
}

/// The words of a note: the kind, two digests, and numbers.
const NOTE: usize = 32;
const HEAD: usize = 3;
/// How many numbers a note has.
pub(crate) const NUMBERS: usize = NOTE - HEAD;
/// The words of the reason for a failure.
const REASON: usize = 128;

const STEP: u64 = 1;
const END: u64 = 2;
const FAILED: u64 = 3;

impl Over {
    /// Calls over these ranks.
    #[must_use]
    pub fn new(messages: Arc<dyn Messages>, exchange: Exchange) -> Self {
        Self { messages, exchange, failed: Arc::default() }
    }

    /// The messages between the ranks.
    pub(crate) fn messages(&self) -> &dyn Messages {
        &*self.messages
    }

    /// How sources are exchanged.
    pub(crate) fn exchange(&self) -> Exchange {
        self.exchange
    }

    /// The number of ranks.
    pub(crate) fn count(&self) -> usize {
        self.messages.count()
    }

    /// The number of this rank.
    pub(crate) fn rank(&self) -> usize {
        self.messages.rank()
    }

    /// Announces a step, in which every rank does the same: `what`, with the same `operands`. Gives the numbers of all ranks, which may
    /// differ.
    ///
    /// # Errors
    /// [`Error::OnRank`] if a rank has failed, or takes another step.
    pub(crate) fn agree<const N: usize>(
        &self,
        what: &str,
        operands: u64,
        numbers: [u64; N],
    ) -> Result<Vec<[u64; N]>, Error> {
        const { assert!(N <= NUMBERS, "a note is longer") };
        let mut note = [0; NOTE];
        (note[0], note[1], note[2]) = (STEP, digest([what.as_bytes()]), operands);
        note[HEAD..][..N].copy_from_slice(&numbers);
        let notes = self.settle(&note, "")?;
        Ok(notes.iter().map(|note| core::array::from_fn(|k| note[HEAD + k])).collect())
    }

    /// Exchanges notes, and what went wrong if a rank failed.
    fn settle(&self, note: &[u64; NOTE], reason: &str) -> Result<Vec<[u64; NOTE]>, Error> {
        let notes = self.messages.notes(note);
        let notes: Vec<[u64; NOTE]> = notes.as_chunks().0.to_vec();
        if let Some(rank) = notes.iter().position(|note| note[0] == FAILED) {
            let reasons = self.messages.notes(&packed(reason));
            let reason = reasons.chunks_exact(REASON).nth(rank).map(unpacked).unwrap_or_default();
            return Err(self.failed(rank, reason));
        }
        let of = |rank: &[u64; NOTE]| [rank[0], rank[1]];
        let first = notes.first().copied().unwrap_or(*note);
        if let Some(rank) = notes.iter().position(|note| of(note) != of(&first)) {
            return Err(
                self.failed(rank, "it takes another step than rank 0: ranks must make the same calls".to_owned())
            );
        }
        if let Some(rank) = notes.iter().position(|note| note[2] != first[2]) {
            let reason = "parameters, numbers of batches or settings of the call are not those of rank 0";
            return Err(self.failed(rank, reason.to_owned()));
        }
        Ok(notes)
    }

    fn failed(&self, rank: usize, reason: String) -> Error {
        self.failed.store(true, Ordering::Relaxed);
        Error::OnRank { rank, reason }
    }

    /// The lists of all ranks, in their order; `None` if the ranks have lists of different lengths, or one has none.
    ///
    /// # Errors
    /// Those of [`Self::agree`].
    pub(crate) fn lists(&self, what: &str, list: Option<&[u64]>) -> Result<Option<Vec<Vec<u64>>>, Error> {
        let length = list.map_or(u64::MAX, |list| list.len() as u64);
        let lengths = self.agree(what, 0, [length])?;
        let Some(list) = list.filter(|_| lengths.iter().all(|&[other]| other == length)) else { return Ok(None) };
        if list.is_empty() {
            return Ok(Some(vec![Vec::new(); self.count()]));
        }
        Ok(Some(self.messages.notes(list).chunks_exact(list.len()).map(<[u64]>::to_vec).collect()))
    }

    /// The numbers of all ranks, which are equally many, in the order of the ranks.
    ///
    /// # Errors
    /// Those of [`Self::agree`].
    pub(crate) fn each(&self, what: &str, numbers: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        const FEW: usize = NUMBERS - 1;
        let rank = |words: &[u64]| words.iter().map(|&word| f64::from_bits(word)).collect::<Vec<_>>();
        if numbers.len() <= FEW {
            let mut note = [0; NUMBERS];
            note[0] = numbers.len() as u64;
            note[1..].iter_mut().zip(numbers).for_each(|(to, number)| *to = number.to_bits());
            let notes = self.agree(what, digest([&b"few"[..]]), note)?;
            return self.alike(notes.iter().map(|note| rank(&note[1..][..FEW.min(note[0] as usize)])).collect());
        }
        let words: Vec<u64> = numbers.iter().map(|number| number.to_bits()).collect();
        let all = self.lists(what, Some(&words))?.unwrap_or_default();
        self.alike(all.iter().map(|words| rank(words)).collect())
    }

    /// The lists, which must be of one length.
    fn alike(&self, lists: Vec<Vec<f64>>) -> Result<Vec<Vec<f64>>, Error> {
        let first = lists.first().map_or(0, Vec::len);
        match lists.iter().position(|list| list.len() != first) {
            None if lists.len() == self.count() => Ok(lists),
            rank => Err(self.failed(rank.unwrap_or(0), "its result has another size than that of rank 0".to_owned())),
        }
    }

    /// The sums over all ranks, added in the order of the ranks, so that they are the same numbers on each.
    ///
    /// # Errors
    /// Those of [`Self::agree`].
    pub(crate) fn sum(&self, totals: &mut [Total]) -> Result<(), Error> {
        let parts: Vec<f64> = totals.iter().flat_map(|total| <[f64; 2]>::from(total.parts())).collect();
        totals.fill(Total::default());
        for rank in self.each("sums over all ranks", &parts)? {
            for (total, &[high, low]) in totals.iter_mut().zip(rank.as_chunks().0) {
                total.merge(&Total::from_parts(high, low));
            }
        }
        Ok(())
    }
}

impl Settings {
    /// Runs something that all ranks do, if the call has ranks, so that it fails on all of them or on none. A panic is an error.
    ///
    /// # Errors
    /// The error of `run`; [`Error::OnRank`] if the call has ranks and it failed on one of them.
    pub fn together(&self, run: &mut dyn FnMut() -> Result<(), Error>) -> Result<(), Error> {
        let Some(over) = &self.over else { return run() };
        over.messages.check()?;
        over.failed.store(false, Ordering::Relaxed);
        let result = catch_unwind(AssertUnwindSafe(run));
        if let Ok(Err(error)) = &result
            && over.failed.load(Ordering::Relaxed)
        {
            return Err(error.clone());
        }
        let (kind, reason) = match result {
            Ok(Ok(())) => (END, String::new()),
            Ok(Err(error)) => (FAILED, error.to_string()),
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().copied();
                let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
                (FAILED, format!("a panic: {}", text.unwrap_or("without a message")))
            }
        };
        let mut note = [0; NOTE];
        note[0] = kind;
        over.settle(&note, &reason).map(drop)
    }

    /// The result of something that all ranks do: see [`Self::together`].
    ///
    /// # Errors
    /// Those of [`Self::together`].
    #[inline(always)]
    pub fn agreed<R>(&self, run: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
        // Without the feature calls have no ranks, and nothing is compiled for them where a formula is.
        if cfg!(not(feature = "mpi")) {
            return run();
        }
        let (mut run, mut result) = (Some(run), None);
        self.together(&mut || {
            result = run.take().map(|run| run()).transpose()?;
            Ok(())
        })?;
        Ok(result.unwrap_or_else(|| unreachable!("it was run")))
    }

    /// The ranks that rows of an index are spread over: none if the call has no ranks, or the formula has no variable of this index, so
    /// that all ranks share its one row.
    pub(crate) fn spread(&self, index: crate::formula::Index) -> Option<&Over> {
        self.over.as_ref().filter(|_| !self.absent[index as usize])
    }
}

/// A text as words, cut to their number at a character.
fn packed(text: &str) -> [u64; REASON] {
    let mut bytes = text.bytes().take(text.floor_char_boundary_of(REASON * 8));
    core::array::from_fn(|_| u64::from_le_bytes(core::array::from_fn(|_| bytes.next().unwrap_or(0))))
}

/// The text of [`packed`].
fn unpacked(words: &[u64]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).take_while(|&byte| byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// [`str::floor_char_boundary`], which is newer than the oldest compiler that is supported.
trait FloorCharBoundary {
    fn floor_char_boundary_of(&self, most: usize) -> usize;
}

impl FloorCharBoundary for str {
    fn floor_char_boundary_of(&self, most: usize) -> usize {
        (0..=most.min(self.len())).rev().find(|&end| self.is_char_boundary(end)).unwrap_or(0)
    }
}

/// A digest of bytes (FNV-1a, 64 bits), which is the same on all ranks.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        // the length tells where a part ends
        for &byte in part.iter().chain(&part.len().to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}
