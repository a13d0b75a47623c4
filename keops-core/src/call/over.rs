//! Passes over ranks: each computes the result for its own targets from the sources of all ranks.
//!
//! It is done below everything that a call consists of: a derivative that takes several passes, or saves rows for its targets, makes
//! its passes as it does in one process, and rows that were saved travel where they are sources.
//!
//! By [`Exchange::Gather`] every rank gets all sources and computes as one process would. By [`Exchange::Ring`] the sources of
//! one rank after another come by, while those that came before them are computed: states of reductions go on from block to
//! block.

use core::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use pulp::{Arch, bytemuck};

use crate::{
    call::{Element, Pass, engine},
    data::{Device, Error, MAX_ROWS, Pattern, Ranges, View, room},
    formula::{Index, Role},
    problem::{Exchange, Meter, Outputs, Over, Pairs, Settings, Shape, States, Watch, digest},
};

/// Where the rows of one index are: how many each rank has.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    /// The number of the first row of each rank, and the number of all rows.
    firsts: Vec<usize>,
    rank: usize,
}

impl Spread {
    /// Rows that all ranks share, or those of a call without ranks.
    pub(crate) fn shared(rows: usize) -> Self {
        Self { firsts: vec![0, rows], rank: 0 }
    }

    fn of(rank: usize, rows: impl Iterator<Item = u64>) -> Result<Self, Error> {
        let mut firsts = vec![0_usize];
        for rows in rows {
            let next = usize::try_from(rows).ok().and_then(|rows| firsts.last()?.checked_add(rows));
            firsts.push(next.ok_or(Error::OutputTooLarge { rows: usize::MAX, width: 1 })?);
        }
        Ok(Self { firsts, rank })
    }

    /// The number of all rows.
    pub(crate) fn total(&self) -> usize {
        self.firsts.last().copied().unwrap_or_default()
    }

    /// The rows of a rank.
    pub(crate) fn rows(&self, rank: usize) -> Range<usize> {
        self.firsts[rank]..self.firsts[rank + 1]
    }

    /// The rows of this rank.
    pub(crate) fn own(&self) -> Range<usize> {
        self.rows(self.rank)
    }

    /// The rank that has a row, and the number of the row there.
    pub(crate) fn place(&self, row: usize) -> (usize, usize) {
        let rank = self.firsts.partition_point(|&first| first <= row).saturating_sub(1);
        (rank, row - self.firsts[rank])
    }
}

impl Settings {
    /// Agrees with the other ranks on a step of a call with targets of this index, and on where its targets and sources are.
    ///
    /// # Errors
    /// [`Error::OnRank`].
    pub(crate) fn spreads(
        &self,
        (what, operands): (&str, u64),
        targets: Index,
        shape: Shape,
    ) -> Result<[Spread; 2], Error> {
        Ok(self.step((what, operands), targets, shape, true)?.0)
    }

    /// [`Self::spreads`], and what all ranks can do.
    fn step(
        &self,
        (what, operands): (&str, u64),
        targets: Index,
        shape: Shape,
        by_states: bool,
    ) -> Result<([Spread; 2], Ability), Error> {
        let local = [shape.targets, shape.sources];
        let Some(over) = &self.over else { return Ok((local.map(Spread::shared), Ability { by_states, memory: 0 })) };
        let memory = if over.exchange() == Exchange::Auto { over.messages().memory() } else { 0 };
        let notes = over.agree(what, operands, [local[0] as u64, local[1] as u64, u64::from(by_states), memory])?;
        let spread = |role: usize, index: Index| match self.spread(index) {
            None => Ok(Spread::shared(local[role])),
            Some(_) => Spread::of(over.rank(), notes.iter().map(|note| note[role])),
        };
        let by_states = notes.iter().all(|note| note[2] == 1);
        let memory = notes.iter().map(|note| note[3]).min().unwrap_or(0);
        Ok(([spread(0, targets)?, spread(1, targets.other())?], Ability { by_states, memory }))
    }

    /// The number of sources that each target of a batch is paired with, for targets of this index.
    ///
    /// # Errors
    /// [`Error::OnRank`]; ranges beyond the last row of all ranks.
    pub(crate) fn counts(&self, targets: Index, shape: Shape) -> Result<Vec<u64>, Error> {
        if self.over.is_none() {
            return Ok(match self.pairs(targets).pattern {
                Some(pattern) => pattern.counts(shape.targets),
                None => vec![shape.sources as u64; shape.targets],
            });
        }
        let [own, all] = self.spreads(("counts of sources", 0), targets, shape)?;
        Ok(match self.part_of_ranges("a mean", targets, &own, &all)? {
            Some(part) => part.by_i().counts(shape.targets),
            None => vec![all.total() as u64; shape.targets],
        })
    }

    /// The part of the ranges, which are those of all ranks, for the targets of this rank; its rows i are these targets.
    fn part_of_ranges(
        &self,
        name: &'static str,
        targets: Index,
        own: &Spread,
        all: &Spread,
    ) -> Result<Option<Ranges>, Error> {
        let Some(ranges) = &self.ranges else { return Ok(None) };
        let pattern = if targets == Index::I { ranges.by_i() } else { ranges.by_j() };
        let shape = Shape { targets: own.total(), sources: all.total(), batches: 1 };
        crate::problem::check_ranges(name, targets, pattern, shape)?;
        part(pattern, own.own(), 0..all.total()).map(Some)
    }
}

/// What every rank can do.
#[derive(Clone, Copy, Debug)]
struct Ability {
    /// Whether the pass runs on the processor, where states can be gone on from.
    by_states: bool,
    /// The bytes that the rows of other ranks may take.
    memory: u64,
}

/// The pairs of a pattern in a rectangle of rows and columns, which are counted from its corner.
fn part(pattern: &Pattern, rows: Range<usize>, columns: Range<usize>) -> Result<Ranges, Error> {
    let clip = |range: crate::launch::Range, to: &Range<usize>| {
        let (first, end) = ((range.first as usize).max(to.start), (range.end as usize).min(to.end));
        (first < end).then(|| first - to.start..end - to.start)
    };
    let after = pattern.segments().partition_point(|segment| segment.rows.end as usize <= rows.start);
    let segments = pattern.segments()[after..].iter().take_while(|segment| (segment.rows.first as usize) < rows.end);
    Ranges::new(segments.flat_map(|segment| {
        let (rows, columns) = (clip(segment.rows, &rows), &columns);
        let ranges = pattern.ranges_of(segment).iter().filter_map(move |&range| clip(range, columns));
        ranges.filter_map(move |range| Some((rows.clone()?, range)))
    }))
}

/// Runs a pass over ranks.
///
/// # Errors
/// [`Error::OnRank`]; the errors of a pass in one process.
pub(super) fn run<T: Element>(
    over: &Over,
    arch: Arch,
    pass: &Pass<'_, T>,
    outputs: &mut Outputs<'_, '_, T>,
) -> Result<(), Error> {
    let (problem, settings) = (pass.problem(), pass.settings);
    let signature = problem.signature();
    // Rows that travel are in memory of the host, in the element type.
    let travels = |number: usize| signature.variables[number].role == Role::Source;
    let views = problem.views().iter().enumerate();
    let views = views.map(|(number, view)| if travels(number) { view.on_host() } else { Ok(view.clone()) });
    let views = views.collect::<Result<Vec<View<'_, T>>, Error>>()?;
    let operands = operands(pass)?;
    let elsewhere = problem.views().iter().any(|view| view.device().is_some());
    let by_states = !elsewhere && matches!(settings.device, Device::Auto | Device::Cpu);
    let (targets, what) = (signature.targets, (signature.name, operands));
    let ([own, all], ability) = settings.step(what, targets, problem.shape(), by_states)?;
    let ranges = settings.part_of_ranges(signature.name, targets, &own, &all)?;
    let pairs = Pairs { pattern: ranges.as_ref().map(Ranges::by_i), ..problem.pairs() };
    let blocks: Vec<&View<'_, T>> =
        views.iter().enumerate().filter(|&(number, _)| travels(number)).map(|(_, view)| view).collect();
    let way = match settings.spread(targets.other()).filter(|over| over.count() > 1) {
        // Every rank has all sources.
        None => Way::Here,
        Some(_) => Way::of(over.exchange(), settings.spread(targets).is_none(), ability, &blocks, &all),
    };
    #[cfg(feature = "tracing")]
    event(over, pass, way, [&own, &all]);
    let gathered = match way {
        Way::Here => return here(over, arch, pass, &views, pairs, outputs),
        Way::Gather => gather(over, &blocks, &all)?,
        Way::Ring | Way::Merge => {
            let settings = Settings { over: None, ranges: None, start: None, watch: None, ..settings.clone() };
            let alone = T::problem(*signature, &views, Pairs::default())?;
            let alone = Pass { problem: alone, settings: &settings, ..*pass };
            let ring = Ring { over, pass: &alone, views: &views, own: &own, all: &all, pattern: ranges.as_ref() };
            let meter = pairs.meter(Shape { sources: all.total(), ..problem.shape() }).map(Arc::new);
            let states =
                if way == Way::Ring { ring.go_around(&blocks, meter.as_ref())? } else { ring.merge(meter.as_ref())? };
            let mut result = Ok(());
            over.messages().compute(&mut || result = alone.finish_outputs(&states, outputs));
            if let Some(meter) = meter.and_then(Arc::into_inner) {
                meter.finish();
            }
            return result;
        }
    };
    let mut gathered = gathered.into_iter();
    let mut together = Vec::with_capacity(views.len());
    for (number, view) in views.iter().enumerate() {
        let all = if travels(number) { gathered.next() } else { None };
        together.push(all.unwrap_or_else(|| view.clone()));
    }
    here(over, arch, pass, &together, pairs, outputs)
}

/// What the ranks do for a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Each has all sources already.
    Here,
    /// Each gets all sources.
    Gather,
    /// Blocks of sources go around.
    Ring,
    /// All have the same targets: each reduces its own sources, and the states of all are merged, on each in the order of the ranks.
    Merge,
}

impl Way {
    fn of<T>(exchange: Exchange, same_targets: bool, ability: Ability, blocks: &[&View<'_, T>], all: &Spread) -> Self {
        let numbers = blocks.iter().map(|view| view.batches().saturating_mul(view.dim()));
        let bytes =
            numbers.fold(0_usize, usize::saturating_add).saturating_mul(all.total()).saturating_mul(size_of::<T>());
        let batches = blocks.iter().any(|view| view.batches() > 1);
        let needed = if batches { bytes.saturating_mul(2) } else { bytes };
        let fits = needed as u64 <= ability.memory && all.total() <= MAX_ROWS;
        match exchange {
            Exchange::Gather => Self::Gather,
            Exchange::Auto if !ability.by_states => Self::Gather,
            _ if same_targets => Self::Merge,
            Exchange::Auto if fits => Self::Gather,
            _ => Self::Ring,
        }
    }
}

/// Emits the event of a pass over ranks.
#[cfg(feature = "tracing")]
fn event<T: Element>(over: &Over, pass: &Pass<'_, T>, way: Way, [own, all]: [&Spread; 2]) {
    tracing::debug!(
        target: "keops",
        formula = pass.problem().signature().name,
        rank = over.rank(),
        ranks = over.count(),
        threads = over.messages().threads(),
        exchange = match way {
            Way::Here => "none",
            Way::Gather => "gather",
            Way::Ring => "ring",
            Way::Merge => "merge",
        },
        targets = own.own().len(),
        all_targets = own.total(),
        sources = all.own().len(),
        all_sources = all.total(),
        "over ranks"
    );
}

/// A pass whose states go on from the sources of one rank to those of the next.
struct Ring<'r, 'a, T: Element> {
    over: &'r Over,
    /// The pass as that of a call of this process.
    pass: &'r Pass<'a, T>,
    views: &'r [View<'a, T>],
    own: &'r Spread,
    all: &'r Spread,
    /// The ranges of the targets of this rank, if the call has ranges.
    pattern: Option<&'r Ranges>,
}

impl<T: Element> Ring<'_, '_, T> {
    fn travels(&self, number: usize) -> bool {
        self.pass.problem().signature().variables[number].role == Role::Source
    }

    /// The states after the sources of all ranks. First come those of this rank, then those of the rank before it, and so on: while a block
    /// is computed, it is sent on, and the next one arrives.
    fn go_around(&self, blocks: &[&View<'_, T>], meter: Option<&Arc<Meter>>) -> Result<States<T>, Error> {
        let (rank, ranks) = (self.over.rank(), self.over.count());
        let numbers: usize = blocks.iter().map(|view| view.batches().saturating_mul(view.dim())).sum();
        let longest = (0..ranks).map(|rank| self.all.rows(rank).len()).max().unwrap_or(0);
        // One for the block that is computed, and one for the block that comes; the own block is where it is.
        let mut current = room::<T>(if ranks > 2 { longest } else { 0 }, numbers)?;
        let mut next = room::<T>(longest, numbers)?;
        self.over.agree("memory for blocks of sources", 0, [])?;
        // How many numbers each argument has in the block of a rank.
        let lengths = |rank: usize| {
            let rows = self.all.rows(rank).len();
            blocks.iter().map(move |view| rows * view.batches() * view.dim()).collect::<Vec<usize>>()
        };
        let own: Vec<&[T]> = blocks.iter().map(|view| view.host().unwrap_or_default()).collect();
        let mut course = Ok(Ok(None));
        for step in 0..ranks {
            let (owner, coming) = ((rank + ranks - step) % ranks, (rank + 2 * ranks - step - 1) % ranks);
            let block = if step == 0 { own.clone() } else { cut(&current, &lengths(owner)) };
            let mut work = || {
                // A rank that has failed still hands on what comes.
                let Ok(Ok(states)) = &mut course else { return };
                let states = states.take();
                course = catch_unwind(AssertUnwindSafe(|| self.reduce(owner, &block, states, meter).map(Some)));
            };
            if step + 1 == ranks {
                self.over.messages().compute(&mut work);
                break;
            }
            let send: Vec<&[u8]> = block.iter().map(|numbers| bytemuck::cast_slice(numbers)).collect();
            let mut receive: Vec<&mut [u8]> = Vec::with_capacity(blocks.len());
            let mut rest = &mut next[..];
            for length in lengths(coming) {
                receive.extend(rest.split_off_mut(..length).map(|numbers| bytemuck::cast_slice_mut::<T, u8>(numbers)));
            }
            self.over.messages().shift(&send, &mut receive, Some(&mut work));
            core::mem::swap(&mut current, &mut next);
        }
        match course {
            Ok(states) => states.map(Option::unwrap_or_default),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Goes on from states with the sources of a rank.
    fn reduce(
        &self,
        owner: usize,
        block: &[&[T]],
        states: Option<States<T>>,
        meter: Option<&Arc<Meter>>,
    ) -> Result<States<T>, Error> {
        let rows = self.all.rows(owner);
        if let Some(states) = states.as_ref().filter(|_| rows.is_empty()) {
            return Ok(states.clone());
        }
        let mut blocks = block.iter();
        let mut views = Vec::with_capacity(self.views.len());
        for (number, view) in self.views.iter().enumerate() {
            let numbers = if self.travels(number) { blocks.next() } else { None };
            views.push(match numbers {
                Some(numbers) => View::from_flat(numbers, view.dim()).batched(view.batch()),
                None => view.clone(),
            });
        }
        let ranges =
            self.pattern.map(|ranges| part(ranges.by_i(), 0..self.own.own().len(), rows.clone())).transpose()?;
        // The pairs of a block are counted as a part of those of the pass.
        let watch = meter.map(|meter| {
            let (meter, told) = (Arc::clone(meter), AtomicU64::new(0));
            Watch::new(move |done, _| meter.add(done.saturating_sub(told.swap(done, Ordering::Relaxed))))
        });
        let settings = self.pass.settings;
        let pairs =
            Pairs { pattern: ranges.as_ref().map(Ranges::by_i), watch: watch.as_ref(), pruning: settings.pruning };
        let problem = T::problem(*self.pass.problem().signature(), &views, pairs)?;
        self.pass.with_problem(problem).states(rows.start as u64, states)
    }

    /// The states after the sources of all ranks, for targets that all ranks have: the same on all of them.
    fn merge(&self, meter: Option<&Arc<Meter>>) -> Result<States<T>, Error> {
        let own: Vec<View<'_, T>> = self
            .views
            .iter()
            .enumerate()
            .filter(|&(number, _)| self.travels(number))
            .map(|(_, view)| view.clone())
            .collect();
        let own: Vec<&[T]> = own.iter().map(|view| view.host().unwrap_or_default()).collect();
        let mut states = Err(Error::NoMessages { reason: "" });
        self.over.messages().compute(&mut || states = self.reduce(self.over.rank(), &own, None, meter));
        let words = written(&states?);
        let mut merged: Option<States<T>> = None;
        for words in deal(self.over, &vec![&words[..]; self.over.count()], 1)? {
            let states = read(&words);
            match &mut merged {
                None => merged = Some(states),
                Some(merged) => self.pass.merge(merged, &states)?,
            }
        }
        Ok(merged.unwrap_or_default())
    }
}

/// States as words.
fn written<T: Element>(states: &States<T>) -> Vec<u64> {
    let States { rows, width, numbers, row_numbers, counts, lists } = states;
    let bits = |&number: &T| Element::to_f64(number).to_bits();
    let mut words: Vec<u64> = [*rows, *width, numbers.len(), row_numbers.len(), counts.len()].map(|n| n as u64).into();
    words.extend(numbers.iter().map(bits));
    words.extend(row_numbers);
    words.extend(counts);
    words.extend(lists.iter().flat_map(|(row, value)| [*row, bits(value)]));
    words
}

/// The states that were [`written`].
fn read<T: Element>(words: &[u64]) -> States<T> {
    let number = |&word: &u64| T::from_f64(f64::from_bits(word));
    let (head, mut rest) = words.split_at(5.min(words.len()));
    let mut next = |place: usize| {
        let (front, back) = rest.split_at(rest.len().min(head.get(place).map_or(0, |&length| length as usize)));
        rest = back;
        front
    };
    let (numbers, row_numbers, counts) = (next(2), next(3).to_vec(), next(4).to_vec());
    let numbers = numbers.iter().map(number).collect();
    let lists = rest.as_chunks().0.iter().map(|[row, value]| (*row, number(value))).collect();
    let size = |place: usize| head.get(place).map_or(0, |&size| size as usize);
    States { rows: size(0), width: size(1), numbers, row_numbers, counts, lists }
}

/// Numbers cut into slices of these lengths.
fn cut<'n, T>(mut numbers: &'n [T], lengths: &[usize]) -> Vec<&'n [T]> {
    let next = |&length: &usize| {
        let (front, back) = numbers.split_at(length);
        numbers = back;
        front
    };
    lengths.iter().map(next).collect()
}

/// Runs a pass with these arguments on the threads of this rank.
fn here<T: Element>(
    over: &Over,
    arch: Arch,
    pass: &Pass<'_, T>,
    views: &[View<'_, T>],
    pairs: Pairs<'_>,
    outputs: &mut Outputs<'_, '_, T>,
) -> Result<(), Error> {
    let problem = T::problem(*pass.problem().signature(), views, pairs)?;
    let pass = Pass { problem, ..*pass };
    let mut result = Ok(());
    over.messages().compute(&mut || result = engine::run_here(arch, &pass, outputs));
    result
}

/// What must be the same on all ranks: the parameters, the batches and the settings of a pass.
fn operands<T: Element>(pass: &Pass<'_, T>) -> Result<u64, Error> {
    let (problem, settings) = (pass.problem(), pass.settings);
    let mut digests = vec![digest([T::NAME.as_bytes()])];
    let mut add = |bytes: &[u8]| digests.push(digest([bytes]));
    for (variable, view) in problem.signature().variables.iter().zip(problem.views()) {
        add(bytemuck::cast_slice(&[variable.dim as u64]));
        add(bytemuck::cast_slice(view.batch()));
        if variable.role == Role::Parameter {
            add(bytemuck::cast_slice(&view.numbers()?));
        }
    }
    let tolerance = settings.approximation.as_ref().map(|some| some.tolerance()).transpose()?;
    add(format!("{tolerance:?} {:?} {:?}", settings.start, settings.over.as_ref().map(Over::exchange)).as_bytes());
    if let Some(ranges) = &settings.ranges {
        add(format!("{:?} {}", ranges.by_i().ends(), ranges.pairs()).as_bytes());
    }
    Ok(digest([bytemuck::cast_slice(&digests)]))
}

/// The rows of all ranks, for each of some arguments.
///
/// # Errors
/// [`Error::OnRank`]: there is no memory on one of them.
fn gather<'v, T: Element>(over: &Over, blocks: &[&View<'_, T>], all: &Spread) -> Result<Vec<View<'v, T>>, Error> {
    let ranks = over.count();
    let mut rows = Vec::with_capacity(blocks.len());
    for view in blocks {
        rows.push(room::<T>(all.total().saturating_mul(view.batches()), view.dim())?);
    }
    over.agree("memory for all sources", 0, [])?;
    // The numbers of a rank follow those of the ranks before it.
    let place = |view: &View<'_, T>, rank: usize| {
        let (rows, row) = (all.rows(rank), view.batches() * view.dim());
        rows.start * row..rows.end * row
    };
    for (rows, view) in rows.iter_mut().zip(blocks) {
        rows[place(view, over.rank())].copy_from_slice(view.host().unwrap_or_default());
    }
    for step in 0..ranks - 1 {
        let (to_send, to_receive) =
            ((over.rank() + ranks - step) % ranks, (over.rank() + 2 * ranks - step - 1) % ranks);
        let (mut send, mut receive) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for (rows, view) in rows.iter_mut().zip(blocks) {
            let (out, into) = apart(rows, place(view, to_send), place(view, to_receive));
            send.push(bytemuck::cast_slice::<T, u8>(out));
            receive.push(bytemuck::cast_slice_mut::<T, u8>(into));
        }
        over.messages().shift(&send, &mut receive, None);
    }
    let by_batch = |(rows, view): (Vec<T>, &&View<'_, T>)| -> Result<View<'v, T>, Error> {
        let (dim, batches) = (view.dim(), view.batches());
        if batches <= 1 {
            return Ok(View::from_owned(rows, dim).batched(view.batch()));
        }
        let mut sorted = room::<T>(all.total().saturating_mul(batches), dim)?;
        let size = all.total() * dim;
        for rank in 0..ranks {
            let own = all.rows(rank);
            let of_rank = rows[place(view, rank)].chunks_exact((own.len() * dim).max(1));
            for (batch, rows) in of_rank.enumerate() {
                sorted[batch * size + own.start * dim..][..rows.len()].copy_from_slice(rows);
            }
        }
        Ok(View::from_owned(sorted, dim).batched(view.batch()))
    };
    rows.into_iter().zip(blocks).map(by_batch).collect()
}

/// One range of some numbers, and another one to be changed, which do not overlap.
fn apart<T>(numbers: &mut [T], one: Range<usize>, other: Range<usize>) -> (&[T], &mut [T]) {
    if one.end <= other.start {
        let (front, back) = numbers.split_at_mut(other.start);
        (&front[one], &mut back[..other.len()])
    } else {
        let (front, back) = numbers.split_at_mut(one.start);
        (&back[..one.len()], &mut front[other])
    }
}

/// Rows of other ranks that some pairs have as their sources.
pub(crate) struct Remote<'s> {
    over: &'s Over,
    /// For each pair, the rank that has its source, and the place of the row among those that this rank asks it for.
    places: Vec<(usize, usize)>,
    /// For each rank, the rows of this rank that it asks for, in the order of its pairs.
    asked: Vec<Vec<u64>>,
    /// Whether all ranks have the same pairs.
    shared: bool,
}

impl<'s> Remote<'s> {
    /// The sources of some pairs, whose numbers are those among all ranks. The pairs are of this rank, or all ranks have the same ones.
    ///
    /// # Errors
    /// [`Error::OnRank`].
    pub(crate) fn new(over: &'s Over, spread: &Spread, sources: &[usize], shared: bool) -> Result<Self, Error> {
        let mut asking = vec![Vec::new(); over.count()];
        let mut places = Vec::with_capacity(sources.len());
        for &source in sources {
            let (rank, row) = spread.place(source);
            let asked: &mut Vec<u64> = &mut asking[rank];
            places.push((rank, asked.len()));
            asked.push(row as u64);
        }
        let asked = deal(over, &asking, 1)?;
        Ok(Self { over, places, asked, shared })
    }

    /// The rows of the sources, of which `numbers` are those of this rank.
    ///
    /// # Errors
    /// [`Error::OnRank`].
    pub(crate) fn fetch<T: Element>(&self, numbers: &[T], dim: usize) -> Result<Vec<T>, Error> {
        let row = |&row: &u64| numbers.get(row as usize * dim..).and_then(|rest| rest.get(..dim)).unwrap_or_default();
        let answers: Vec<Vec<T>> = self.asked.iter().map(|rows| rows.iter().flat_map(row).copied().collect()).collect();
        let received = deal(self.over, &answers, dim)?;
        let mut rows = Vec::with_capacity(self.places.len() * dim);
        for &(rank, place) in &self.places {
            rows.extend_from_slice(&received[rank][place * dim..][..dim]);
        }
        Ok(rows)
    }

    /// Gives the terms of pairs to the ranks of their sources. `take` gets, on each of these, its rows and their terms, in the order of
    /// all pairs of all ranks.
    ///
    /// # Errors
    /// [`Error::OnRank`].
    pub(crate) fn give<T: Element>(
        &self,
        terms: &[T],
        width: usize,
        mut take: impl FnMut(usize, &[T]),
    ) -> Result<(), Error> {
        let mut given: Vec<Vec<T>> = vec![Vec::new(); self.over.count()];
        for (&(rank, _), term) in self.places.iter().zip(terms.chunks_exact(width.max(1))) {
            if !self.shared || rank == self.over.rank() {
                given[rank].extend_from_slice(term);
            }
        }
        let received = deal(self.over, &given, width)?;
        for (rows, terms) in self.asked.iter().zip(&received) {
            for (&row, term) in rows.iter().zip(terms.chunks_exact(width.max(1))) {
                take(row as usize, term);
            }
        }
        Ok(())
    }
}

/// Sends a list of rows of `width` numbers to each rank, and receives one from each.
///
/// # Errors
/// [`Error::OnRank`]: there is no memory on one of them.
fn deal<T: bytemuck::Pod + Default>(over: &Over, send: &[impl AsRef<[T]>], width: usize) -> Result<Vec<Vec<T>>, Error> {
    over.agree("rows of selected pairs", 0, [])?;
    let lengths: Vec<u64> = send.iter().map(|list| list.as_ref().len() as u64).collect();
    let mut received = Vec::with_capacity(send.len());
    for length in over.messages().swap(&lengths) {
        received.push(room::<T>((length as usize).checked_div(width).unwrap_or(0), width)?);
    }
    over.agree("memory for rows of selected pairs", 0, [])?;
    let send: Vec<&[u8]> = send.iter().map(|list| bytemuck::cast_slice(list.as_ref())).collect();
    let mut receive: Vec<&mut [u8]> = received.iter_mut().map(|list| bytemuck::cast_slice_mut(list)).collect();
    over.messages().deal(&send, &mut receive);
    Ok(received)
}
