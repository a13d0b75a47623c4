//! The hoisted stages of a formula, on plain numbers.
//!
//! Work that depends on the parameters, on one target or on one source only is O(N + M). It is computed on plain
//! numbers, by the same code for every instruction set and both directions of lanes, so that there is less code for
//! each formula. The results are then copied into lanes.

use core::ops::Range;
use std::{
    borrow::Cow,
    sync::{Mutex, OnceLock, PoisonError},
};

use crate::{
    cpu::{
        contract::{self, Sources, Vectors},
        kernel::{Kernel, Layout},
        threads,
    },
    data::{Device, Error, Halves, View},
    formula::{Role, Variable, width},
    lanes::{
        Vectorized,
        memory::{self, Aligned},
    },
    problem::{Begin, Meter, Problem, Shape},
    tree::Points,
};

/// How many sources are prepared at a time.
pub(super) const CHUNK: usize = 4096;

/// How many rows of the arguments are gathered at a time.
const GATHERED: usize = 64;

/// How many sources are prepared and then spaced at a time.
const FEW: usize = 1024;

/// The fewest numbers of a row that is not spaced.
const SHORT_ROW: usize = 8;

/// A batch of a call: the numbers of its arguments, and the prepared parameters and sources.
pub(super) struct Work<'a, T: Vectorized> {
    pub(super) kernel: &'a dyn Kernel<T>,
    pub(super) layout: Layout,
    pub(super) shape: Shape,
    /// Counts the pairs that are done.
    meter: Option<&'a Meter>,
    /// The prepared parameters.
    pub(super) parameters: Vec<T>,
    /// The centre of each contraction, if contractions are computed as matrix products.
    pub(super) centres: Vec<Vec<T>>,
    /// The numbers of each variable, row by row, in the order of the variables in the layout.
    data: Vec<Numbers<'a, T>>,
    /// The orders of targets and sources, of which a variable keeps its tree.
    kept: [Option<KeptOrder<'a, T>>; 2],
    /// The number of each source, if the sources are in an order of their own.
    pub(super) order: Option<&'a [u32]>,
    /// The number of each target, if the targets are in an order of their own.
    targets: Option<&'a [u32]>,
    /// What the targets of the batch begin with, if the output is states.
    pub(super) begin: Option<Begin<'a, T>>,
    /// The prepared sources, in chunks that are prepared when they are first read. Empty if they are not kept.
    sources: Vec<OnceLock<Chunk<T>>>,
    /// The prepared sources, if they are known to be the rows of the only variable.
    copied: Option<&'a [T]>,
}

/// The order of the rows of a role, of which a variable keeps its tree.
pub(super) struct KeptOrder<'a, T> {
    pub(super) points: &'a Points<T>,
    /// The number of the variable among those of the role.
    pub(super) variable: usize,
    /// Whether the role has no other variable.
    pub(super) alone: bool,
}

impl<T> Clone for KeptOrder<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for KeptOrder<'_, T> {}

/// The numbers of a variable.
#[derive(Clone, Copy)]
enum Numbers<'a, T> {
    Whole(&'a [T]),
    Halves(Halves<'a>),
}

impl<T: Vectorized> Numbers<'_, T> {
    /// Copies a row, which has as many numbers as `to`.
    fn copy_row(self, row: usize, to: &mut [T]) {
        let range = row * to.len()..(row + 1) * to.len();
        match self {
            Numbers::Whole(numbers) => to.copy_from_slice(&numbers[range]),
            Numbers::Halves(halves) => to.copy_from_slice(&halves.part(range).widen()),
        }
    }
}

/// Some prepared sources, with the centred vectors of their contractions.
struct Chunk<T: Vectorized> {
    rows: Aligned<T>,
    vectors: Vec<Vectors<T>>,
}

/// Prepared rows that are read in any order. Short rows begin at multiples of a power of two, so that none lies across
/// two lines of the cache.
pub(super) struct Spaced<T: Vectorized> {
    rows: Aligned<T>,
    /// How many numbers a row has.
    pub(super) width: usize,
    /// How many numbers lie between the beginnings of two rows.
    pub(super) stride: usize,
}

impl<T: Vectorized> Default for Spaced<T> {
    fn default() -> Self {
        Self { rows: Aligned::default(), width: 0, stride: 0 }
    }
}

impl<T: Vectorized> Spaced<T> {
    fn resize(&mut self, count: usize, width: usize) {
        self.width = width;
        self.stride = if (1..SHORT_ROW).contains(&width) { width.next_power_of_two() } else { width };
        self.rows.resize(count * self.stride);
    }

    /// The rows, and unspecified numbers between them.
    pub(super) fn numbers(&self) -> &[T] {
        self.rows.numbers()
    }
}

impl<'a, T: Vectorized> Work<'a, T> {
    /// Prepares the parameters of a batch, whose targets may `begin` with states; `shape` is the shape of one batch. Prepared sources are kept if they take at
    /// most `kept` bytes; 0 says that they are read only once.
    ///
    /// # Errors
    /// Views that are not on the host.
    pub(super) fn new(
        (kernel, layout): (&'a dyn Kernel<T>, Layout),
        (problem, batch, begin): (&Problem<'a, T>, usize, Option<Begin<'a, T>>),
        shape: Shape,
        kept: usize,
        meter: Option<&'a Meter>,
    ) -> Result<Self, Error> {
        let (views, batches) = (problem.views(), problem.batches());
        let elsewhere = |variable: &Variable, view: &View<'_, T>| Error::OtherDevice {
            variable: variable.name,
            place: view.device().unwrap_or_default(),
            device: Device::Cpu,
        };
        let data = layout.signature.variables.iter().zip(views).enumerate().map(|(number, (variable, view))| {
            let len = view.len() / view.batches();
            let first = if len < view.len() { batches.of(number, batch) * len } else { 0 };
            match (view.host(), view.halves()) {
                (Some(numbers), _) => Ok(Numbers::Whole(&numbers[first..][..len])),
                (None, Some(halves)) => Ok(Numbers::Halves(halves.part(first..first + len))),
                (None, None) => Err(elsewhere(variable, view)),
            }
        });
        let data = data.collect::<Result<_, _>>()?;
        let kept_orders = [Role::Target, Role::Source].map(|role| order_of(problem, role));
        let twice = if contract::is_long(layout.contractions) { 2 } else { 1 };
        let bytes = shape.sources.saturating_mul(twice * layout.source * size_of::<T>());
        let chunks = if kept > 0 && bytes <= kept { shape.sources.div_ceil(CHUNK) } else { 0 };
        let sources = (0..chunks).map(|_| OnceLock::new()).collect();
        let mut work = Self {
            kernel,
            layout,
            shape,
            meter,
            parameters: Vec::new(),
            centres: Vec::new(),
            data,
            kept: kept_orders,
            order: None,
            targets: None,
            begin,
            sources,
            copied: None,
        };
        let mut parameters = Aligned::default();
        work.prepare(Role::Parameter, 0..1, &mut parameters);
        work.parameters = parameters.numbers().to_vec();
        if contract::is_long(layout.contractions) {
            let (mut rows, mut row) = (Vec::new(), Aligned::default());
            for source in contract::sample(shape.sources) {
                work.prepare(Role::Source, source..source + 1, &mut row);
                rows.extend_from_slice(row.numbers());
            }
            let centre = |contraction| contract::centre(contraction, &rows, layout.source);
            work.centres = layout.contractions.iter().map(centre).collect();
        }
        Ok(work)
    }

    /// The order of the rows of a role, if a variable keeps its tree that has most of its coordinates.
    pub(super) fn kept(&self, role: Role) -> Option<KeptOrder<'a, T>> {
        self.kept[usize::from(role == Role::Source)]
    }

    /// All variables of a role, row by row: the rows of these numbers, one variable after another in each.
    pub(super) fn points(&self, role: Role, rows: &[u32]) -> Vec<T> {
        let width = width(self.layout.signature.variables, role);
        let mut points = vec![T::zero(); rows.len() * width];
        let mut at = 0;
        for (dim, data) in self.of(role).filter(|&(dim, _)| dim > 0) {
            for (&row, to) in rows.iter().zip(points.chunks_exact_mut(width)) {
                data.copy_row(row as usize, &mut to[at..at + dim]);
            }
            at += dim;
        }
        points
    }

    /// All variables of a role, row by row, of all `count` rows.
    pub(super) fn all_points(&self, role: Role, count: usize) -> Cow<'a, [T]> {
        let mut variables = self.of(role);
        if let (Some((_, Numbers::Whole(numbers))), None) = (variables.next(), variables.next()) {
            return Cow::Borrowed(numbers);
        }
        Cow::Owned(self.points(role, &(0..count as u32).collect::<Vec<_>>()))
    }

    /// The numbers of each variable of a role, for the rows of these numbers. One of the variables may be known.
    pub(super) fn reordered<'s>(&self, role: Role, rows: &[u32], known: Option<(usize, &'s [T])>) -> Vec<Cow<'s, [T]>> {
        let of_variable = |(number, (dim, data)): (usize, (usize, Numbers<'a, T>))| {
            if let Some((_, numbers)) = known.filter(|&(variable, _)| variable == number) {
                return Cow::Borrowed(numbers);
            }
            let mut numbers = vec![T::zero(); rows.len() * dim];
            if dim > 0 {
                rows.iter().zip(numbers.chunks_exact_mut(dim)).for_each(|(&row, to)| data.copy_row(row as usize, to));
            }
            Cow::Owned(numbers)
        };
        self.of(role).enumerate().map(of_variable).collect()
    }

    /// This batch for other targets and sources, whose numbers [`Self::reordered`] made, and with the numbers of the sources.
    /// Prepared sources are kept if they were and `keeps` says so, unless they are copies of rows.
    pub(super) fn with_rows(
        &self,
        targets: &'a [Cow<'a, [T]>],
        sources: &'a [Cow<'a, [T]>],
        shape: Shape,
        ([targets_order, order], keeps, copies): ([&'a [u32]; 2], bool, bool),
    ) -> Self {
        let copied = sources.first().filter(|_| copies && sources.len() == 1 && self.centres.is_empty());
        let copied = copied.map(|rows| &**rows);
        let (mut targets, mut sources) = (targets.iter(), sources.iter());
        let all = self.layout.signature.variables.iter().zip(&self.data);
        let data = all.map(|(variable, &numbers)| {
            let rows = match variable.role {
                Role::Parameter => None,
                Role::Target => targets.next(),
                Role::Source => sources.next(),
            };
            rows.map_or(numbers, |rows| Numbers::Whole(rows))
        });
        let chunks = if keeps && copied.is_none() && self.keeps_sources() { shape.sources.div_ceil(CHUNK) } else { 0 };
        Self {
            shape,
            parameters: self.parameters.clone(),
            centres: self.centres.clone(),
            data: data.collect(),
            order: Some(order),
            targets: Some(targets_order),
            sources: (0..chunks).map(|_| OnceLock::new()).collect(),
            copied,
            ..*self
        }
    }

    /// The state that a target begins with; `None` if it has seen no source.
    pub(super) fn begun(&self, target: usize) -> Option<&'a [T]> {
        let states = self.begin?.states?;
        let number = self.targets.map_or(target, |order| order[target] as usize);
        Some(&states[number * self.layout.state..][..self.layout.state])
    }

    /// Whether targets begin with states that have seen sources.
    pub(super) fn has_begun(&self) -> bool {
        self.begin.is_some_and(|begin| begin.states.is_some())
    }

    /// The number of the first source in states with row numbers.
    pub(super) fn first_number(&self) -> u32 {
        self.begin.map_or(0, |begin| begin.first)
    }

    /// Whether the sources of this batch do not follow all of those that the targets have seen, in the order of their numbers.
    pub(super) fn any_order(&self) -> bool {
        self.order.is_some() || self.begin.is_some_and(|begin| begin.any_order)
    }

    /// Counts `pairs` pairs as done.
    pub(super) fn met(&self, pairs: usize) {
        if let Some(meter) = self.meter {
            meter.add(u64::try_from(pairs).unwrap_or(u64::MAX));
        }
    }

    /// The first prepared sources of a range, at most `most` of them; they are prepared in `scratch` if they are not
    /// kept.
    pub(super) fn sources<'s>(
        &'s self,
        range: Range<usize>,
        most: usize,
        scratch: &'s mut Aligned<T>,
    ) -> Sources<'s, T> {
        let Range { start, end } = range;
        let end = end.min(start.saturating_add(most));
        let chunk = start / CHUNK;
        let first = chunk * CHUNK;
        let width = self.layout.source;
        if let Some(rows) = self.copied {
            return Sources { rows: &rows[start * width..end * width], count: end - start, vectors: None };
        }
        if let Some(kept) = self.kept_chunk(chunk) {
            let end = end.min(first + CHUNK);
            let rows = &kept.rows.numbers()[(start - first) * width..(end - first) * width];
            return Sources { rows, count: end - start, vectors: Some((&kept.vectors, start - first)) };
        }
        self.prepare(Role::Source, start..end, scratch);
        Sources { rows: scratch.numbers(), count: end - start, vectors: None }
    }

    /// Asks for sources that will be read soon, and for their numbers, if they are read where they are.
    pub(super) fn fetch(&self, Range { start, end }: Range<usize>) {
        if let (Some(rows), Some(order)) = (self.copied, self.order) {
            memory::fetch(&order[start..end]);
            memory::fetch(&rows[start * self.layout.source..end * self.layout.source]);
        }
    }

    /// A chunk of prepared sources, which is prepared if it was not read before. `None` if prepared sources are not
    /// kept.
    fn kept_chunk(&self, chunk: usize) -> Option<&Chunk<T>> {
        let kept = self.sources.get(chunk)?;
        Some(kept.get_or_init(|| {
            let first = chunk * CHUNK;
            let mut rows = Aligned::default();
            self.prepare(Role::Source, first..self.shape.sources.min(first + CHUNK), &mut rows);
            let vectors = contract::centred(
                self.layout.contractions,
                &self.centres,
                |contraction| contraction.source,
                (rows.numbers(), self.layout.source, 1),
            );
            Chunk { rows, vectors }
        }))
    }

    /// Whether prepared sources are kept.
    pub(super) fn keeps_sources(&self) -> bool {
        !self.sources.is_empty()
    }

    /// All prepared sources.
    pub(super) fn all_sources(&self, parallel: bool) -> Spaced<T> {
        let count = self.shape.sources;
        let mut all = Spaced::default();
        all.resize(count, self.layout.source);
        let (width, stride) = (all.width, all.stride);
        // Each lock is taken by the one thread that has the chunk.
        let chunks: Vec<_> = all.rows.numbers_mut().chunks_mut((FEW * stride).max(1)).map(Mutex::new).collect();
        threads::for_each(0..chunks.len(), parallel, &|chunk| {
            let mut to = chunks[chunk].lock().unwrap_or_else(PoisonError::into_inner);
            let rows = chunk * FEW..count.min((chunk + 1) * FEW);
            self.prepare_to_spaced(Role::Source, rows, [width, stride], &mut to);
        });
        drop(chunks);
        all
    }

    /// Prepares the rows of a role in a range, such that none lies across two lines of the cache.
    pub(super) fn prepare_spaced(&self, role: Role, range: Range<usize>, to: &mut Spaced<T>) {
        to.resize(range.len(), self.layout.prepared(role));
        self.prepare_to_spaced(role, range, [to.width, to.stride], to.rows.numbers_mut());
    }

    fn prepare_to_spaced(&self, role: Role, range: Range<usize>, [width, stride]: [usize; 2], to: &mut [T]) {
        if width == stride {
            return self.prepare_to(role, range, to);
        }
        let mut close = Aligned::default();
        self.prepare(role, range, &mut close);
        match width {
            3 => place::<T, 3>(close.numbers(), to, 0, stride),
            5 => place::<T, 5>(close.numbers(), to, 0, stride),
            6 => place::<T, 6>(close.numbers(), to, 0, stride),
            _ => place::<T, 7>(close.numbers(), to, 0, stride),
        }
    }

    /// Prepares the rows of a role in a range.
    pub(super) fn prepare(&self, role: Role, range: Range<usize>, to: &mut Aligned<T>) {
        to.resize(range.len() * self.layout.prepared(role));
        self.prepare_to(role, range, to.numbers_mut());
    }

    /// Prepares the rows of a role in a range; `to` has the length of the result.
    fn prepare_to(&self, role: Role, range: Range<usize>, to: &mut [T]) {
        let width = width(self.layout.signature.variables, role);
        let left = self.layout.prepared(role);
        let mut variables = self.of(role);
        if let (Some((_, Numbers::Whole(data))), None) = (variables.next(), variables.next()) {
            // The rows of the only variable need not be gathered.
            let rows = &data[range.start * width..range.end * width];
            self.kernel.prepare(role, &self.parameters, rows, range.len(), to);
            return;
        }
        let mut gathered = Aligned::default();
        gathered.resize(width * GATHERED.min(range.len()));
        for start in range.clone().step_by(GATHERED) {
            let count = GATHERED.min(range.end - start);
            let rows = &mut gathered.numbers_mut()[..count * width];
            self.gather(role, start, count, width, rows);
            let to = &mut to[(start - range.start) * left..][..count * left];
            self.kernel.prepare(role, &self.parameters, rows, count, to);
        }
    }

    /// Copies rows of all variables of a role, one variable after another.
    fn gather(&self, role: Role, start: usize, count: usize, width: usize, to: &mut [T]) {
        let mut at = 0;
        for (dim, data) in self.of(role).filter(|&(dim, _)| dim > 0) {
            let range = start * dim..(start + count) * dim;
            let widened;
            let rows = match data {
                Numbers::Whole(data) => &data[range],
                Numbers::Halves(data) => {
                    widened = data.part(range).widen();
                    &widened[..]
                }
            };
            // Rows of a few numbers are copied by as many moves: neither calls nor loops.
            match dim {
                1 => place::<T, 1>(rows, to, at, width),
                2 => place::<T, 2>(rows, to, at, width),
                3 => place::<T, 3>(rows, to, at, width),
                4 => place::<T, 4>(rows, to, at, width),
                _ => {
                    let to = to.chunks_exact_mut(width).map(|to| &mut to[at..at + dim]);
                    rows.chunks_exact(dim).zip(to).for_each(|(from, to)| to.copy_from_slice(from));
                }
            }
            at += dim;
        }
    }

    /// The dimension and the numbers of each variable of a role.
    fn of(&self, role: Role) -> impl Iterator<Item = (usize, Numbers<'a, T>)> {
        let all = self.layout.signature.variables.iter().zip(&self.data);
        all.filter(move |(variable, _)| variable.role == role).map(|(variable, &data)| (variable.dim, data))
    }
}

/// The order of the rows of a role, if a variable keeps its tree that has at least half of its coordinates.
pub(super) fn order_of<'a, T>(problem: &Problem<'a, T>, role: Role) -> Option<KeptOrder<'a, T>> {
    let signature = problem.signature();
    let width = width(signature.variables, role);
    let variables = signature.variables.iter().zip(problem.views()).filter(|(variable, _)| variable.role == role);
    let alone = variables.clone().count() == 1;
    let mut kept = variables.enumerate().filter_map(|(number, (variable, view))| {
        let points = view.points().filter(|_| 2 * variable.dim >= width)?;
        Some(KeptOrder { points, variable: number, alone })
    });
    kept.next()
}

/// Copies rows of `D` numbers into rows of `width` numbers, where they begin at number `at`.
fn place<T: Copy, const D: usize>(from: &[T], to: &mut [T], at: usize, width: usize) {
    for (from, to) in from.as_chunks::<D>().0.iter().zip(to.chunks_exact_mut(width)) {
        to[at..at + D].copy_from_slice(from);
    }
}
