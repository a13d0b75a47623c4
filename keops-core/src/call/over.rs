//! Passes over ranks: each computes the result for its own targets from the sources of all ranks.
//!
//! It is done below everything that a call consists of: a derivative that takes several passes, or saves rows for its targets, makes
//! its passes as it does in one process, and rows that were saved travel where they are sources.
//!
//! By [`Exchange::Gather`] every rank gets all sources and computes as one process would. By [`Exchange::Ring`] the sources of
//! one rank after another come by, while those that came before them are computed: states of reductions go on from block to
//! block.

use core::ops::Range;

use pulp::{Arch, bytemuck};

use crate::{
    call::{Element, Pass, engine},
    data::{Error, Pattern, Ranges, View, room},
    formula::{Index, Role},
    problem::{Exchange, Outputs, Over, Pairs, Settings, Shape, digest},
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
        let local = [shape.targets, shape.sources];
        let Some(over) = &self.over else { return Ok(local.map(Spread::shared)) };
        let notes = over.agree(what, operands, local.map(|rows| rows as u64))?;
        let spread = |role: usize, index: Index| match self.spread(index) {
            None => Ok(Spread::shared(local[role])),
            Some(_) => Spread::of(over.rank(), notes.iter().map(|note| note[role])),
        };
        Ok([spread(0, targets)?, spread(1, targets.other())?])
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
    let [own, all] = settings.spreads((signature.name, operands), signature.targets, problem.shape())?;
    let ranges = settings.part_of_ranges(signature.name, signature.targets, &own, &all)?;
    let pairs = Pairs { pattern: ranges.as_ref().map(Ranges::by_i), ..problem.pairs() };
    let Some(over_sources) = settings.spread(signature.targets.other()).filter(|over| over.count() > 1) else {
        // Every rank has the one row of the sources.
        return here(over, arch, pass, &views, pairs, outputs);
    };
    let blocks: Vec<&View<'_, T>> =
        views.iter().enumerate().filter(|&(k, _)| travels(k)).map(|(_, view)| view).collect();
    let mut gathered = gather(over_sources, &blocks, &all)?.into_iter();
    let views: Vec<View<'_, T>> = (views.iter().enumerate())
        .map(
            |(number, view)| {
                if travels(number) { gathered.next().unwrap_or_else(|| view.clone()) } else { view.clone() }
            },
        )
        .collect();
    here(over, arch, pass, &views, pairs, outputs)
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
    add(format!("{tolerance:?} {:?}", settings.over.as_ref().map(Over::exchange)).as_bytes());
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
fn deal<T: bytemuck::Pod + Default>(over: &Over, send: &[Vec<T>], width: usize) -> Result<Vec<Vec<T>>, Error> {
    over.agree("rows of selected pairs", 0, [])?;
    let lengths: Vec<u64> = send.iter().map(|list| list.len() as u64).collect();
    let mut received = Vec::with_capacity(send.len());
    for length in over.messages().swap(&lengths) {
        received.push(room::<T>((length as usize).checked_div(width).unwrap_or(0), width)?);
    }
    over.agree("memory for rows of selected pairs", 0, [])?;
    let send: Vec<&[u8]> = send.iter().map(|list| bytemuck::cast_slice(list)).collect();
    let mut receive: Vec<&mut [u8]> = received.iter_mut().map(|list| bytemuck::cast_slice_mut(list)).collect();
    over.messages().deal(&send, &mut receive);
    Ok(received)
}
