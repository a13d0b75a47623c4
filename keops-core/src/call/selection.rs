//! Derivatives of what a reduction selects: the least, the greatest, the K least.
//!
//! The value k of component c for target i is f_c(p, x_i, y_j), where j is the row number that the reduction found.
//! Where j does not change, which is almost everywhere, its derivative is that of this one term. So a derivative is
//!
//! 1. a pass for the row numbers, on any device,
//! 2. for each pair (i, j) that was selected, the arguments' rows: [`Selection::find`] lists the pairs,
//! 3. a formula of these rows alone, without a reduction: O(N K) terms,
//! 4. sums of its results by target, by source or in all, in the order of the pairs: [`Selection::eval`].
//!
//! Steps 2 to 4 run on the host, to which arguments on a device are copied; they are little work beside the search. The
//! components of f that did not select a pair are multiplied by 0 in the formula of step 3, which shows only where
//! their slope is infinite or NaN. A missing neighbour ([`crate::reduction::MISSING`]) is no pair, and contributes
//! nothing.

use core::ops::Range;

use crate::{
    call::{Element, Pass, Remote, Spread, reduce},
    data::{Array, Buffer, Device, Error, Stored, To, View, room},
    formula::{Components, Formula, Index, Role, Variable},
    problem::{Batches, Piece, Settings, Shape, shape_and_batches},
    reduction::{self, MISSING, Reduction, Sum, Total},
};

/// To what the rows of an argument or of a result belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// One row for each target.
    Target,
    /// One row for each source.
    Source,
    /// One row in all.
    Parameter,
    /// One number for each pair: row i has the numbers of the pairs of target i, in the order of the reduction's
    /// result.
    Pair,
}

/// A result of [`Selection::eval`].
#[derive(Debug)]
pub struct SelectionPart<'a, T> {
    /// To what its rows belong.
    pub side: Side,
    /// The number of the argument that the result is the gradient in, if it is a gradient: the sum over the batches
    /// that share the argument.
    pub gradient: Option<usize>,
    /// Numbers in a row.
    pub width: usize,
    /// The memory that the rows are written to.
    pub to: To<'a, T>,
}

/// Computes the terms of rows.
type Terms<'f, T> = dyn Fn(&[View<'_, T>], &Settings, &mut [T]) -> Result<(), Error> + 'f;

/// The pairs (i, j) that a reduction selected.
#[derive(Debug)]
pub struct Selection<'s> {
    /// For each pair, its place among all numbers of the reduction's result, in ascending order.
    places: Vec<usize>,
    /// For each pair, the number of its source in its batch, among the sources of all ranks.
    sources: Vec<usize>,
    /// The sources of the ranks.
    spread: Spread,
    /// The index of the targets.
    targets: Index,
    shape: Shape,
    /// The shape of the batches.
    dims: Vec<usize>,
    /// Components of the formula.
    components: usize,
    /// Numbers in a row of the result.
    width: usize,
    /// The device that the pass for the row numbers ran on.
    device: Device,
    settings: &'s Settings,
}

impl<'s> Selection<'s> {
    /// Finds the pairs by the reduction `R`, whose result is row numbers only, of the formula `F` of the first `count`
    /// views.
    ///
    /// # Errors
    /// The errors of [`reduce`].
    pub fn find<T: Element, F: Formula, R: Reduction>(
        views: &[View<'_, T>],
        count: usize,
        settings: &'s Settings,
    ) -> Result<Self, Error> {
        let views = views.get(..count).unwrap_or(views);
        let pass = Pass::new::<F, R>(views, settings)?;
        let shape = pass.problem().shape();
        let dims = pass.problem().batches().dims().to_vec();
        let components = reduction::components::<F>();
        let width = pass.problem().signature().indices;
        let mut indices = room(shape.rows(), width)?;
        let mut device = settings.device;
        if device == Device::AllCuda {
            pass.reduce(&mut [], Some(To::Host(&mut indices)))?;
        } else {
            let mut array = Array::default();
            pass.reduce(&mut [], Some(To::Array(&mut array)))?;
            device = array.device();
            match array {
                Array::Host(found) => indices.copy_from_slice(&found),
                Array::Cuda(memory, _) => u32::copy_from_device(&*memory, &mut indices)?,
            }
        }
        let places: Vec<usize> = (0..indices.len()).filter(|&place| indices[place] != MISSING).collect();
        let sources = places.iter().map(|&place| indices[place] as usize).collect();
        let targets = F::TARGETS;
        let [_, spread] = settings.spreads(("selected pairs", 0), targets, shape)?;
        Ok(Self { places, sources, spread, targets, shape, dims, components, width, device, settings })
    }

    /// The number of rows of a result that belongs to a side: in all batches of the call or, for a gradient, in all
    /// batches of the argument.
    #[must_use]
    pub fn rows<T>(&self, views: &[View<'_, T>], side: Side, gradient: Option<usize>) -> usize {
        let batches = gradient.map_or(self.shape.batches, |view| views[view].batches());
        batches.saturating_mul(self.rows_of_batch(side))
    }

    fn rows_of_batch(&self, side: Side) -> usize {
        match side {
            Side::Target | Side::Pair => self.shape.targets,
            Side::Source => self.shape.sources,
            Side::Parameter => 1,
        }
    }

    /// Computes `F` for each pair, and adds its components up.
    ///
    /// `sides` say to what the rows of each view belong. All variables of `F` that are not parameters are targets.
    /// After the views `F` may have one more variable, which tells it the component that selected the pair: a row of
    /// zeros with 1 in the place of the component.
    ///
    /// # Errors
    /// The errors of [`Pass::new`]; parts of another length; arguments with more batches than the result.
    pub fn eval<T: Element, F: Formula>(
        &self,
        views: &[View<'_, T>],
        sides: &[Side],
        parts: &mut [SelectionPart<'_, T>],
    ) -> Result<(), Error> {
        let width = <F::Output<T> as Components<T>>::LEN;
        let reduce = |rows: &[View<'_, T>], settings: &Settings, terms: &mut [T]| {
            reduce::<T, F, Sum>(rows, settings, &mut [Piece::rows(width, terms)], None)
        };
        self.eval_by((F::NAME, F::VARIABLES, width), views, sides, parts, &reduce)
    }

    /// [`Self::eval`] of a formula with this name, these variables and so many components, by a function that computes it for rows.
    fn eval_by<T: Element>(
        &self,
        (name, formula, width): (&'static str, &'static [Variable], usize),
        views: &[View<'_, T>],
        sides: &[Side],
        parts: &mut [SelectionPart<'_, T>],
        reduce: &Terms<'_, T>,
    ) -> Result<(), Error> {
        let batches = self.check(name, formula, views, sides)?;
        let views = views.iter().map(View::on_host).collect::<Result<Vec<_>, _>>()?;
        let mut sums = Vec::with_capacity(parts.len());
        for part in &*parts {
            let count = room::<T>(self.rows(&views, part.side, part.gradient), part.width)?.len();
            sums.push(vec![Total::default(); count]);
        }
        // The formula runs on the processor, for all pairs.
        let here = Settings { device: Device::Cpu, ranges: None, watch: None, over: None, ..self.settings.clone() };
        for batch in 0..self.shape.batches {
            let numbers = self.shape.targets * self.width;
            let pairs = self.places.partition_point(|&place| place < batch * numbers)
                ..self.places.partition_point(|&place| place < (batch + 1) * numbers);
            // The other ranks may have some.
            let remote = self.remote(pairs.clone())?;
            if pairs.is_empty() && remote.is_none() {
                continue;
            }
            let mut rows = Vec::with_capacity(formula.len());
            for (number, (view, &side)) in views.iter().zip(sides).enumerate() {
                let batch = batches.of(number, batch);
                rows.push(match &remote {
                    Some(remote) if side == Side::Source => {
                        let first = batch * view.rows() * view.dim();
                        let numbers = view.host().unwrap_or_default().get(first..).unwrap_or_default();
                        View::from_owned(remote.fetch(numbers, view.dim())?, view.dim())
                    }
                    _ => self.gather(view, side, batch, pairs.clone())?,
                });
            }
            if formula.len() > views.len() {
                rows.push(self.components(pairs.clone())?);
            }
            let mut terms = room(pairs.len(), width)?;
            if !pairs.is_empty() {
                reduce(&rows, &here, &mut terms)?;
            }
            let mut start = 0;
            for (part, sums) in parts.iter().zip(&mut sums) {
                let each = if part.side == Side::Pair { 1 } else { part.width };
                let terms = terms.chunks_exact(width.max(1)).map(|row| &row[start..start + each]);
                let batch = part.gradient.map_or(batch, |view| batches.of(view, batch));
                match &remote {
                    Some(remote) if part.side == Side::Source => {
                        let terms: Vec<T> = terms.flatten().copied().collect();
                        let first = batch * self.shape.sources * part.width;
                        remote.give(&terms, part.width, |row, term| {
                            let sums = sums[first + row * part.width..].iter_mut();
                            sums.zip(term).for_each(|(sum, &term)| sum.add(Element::to_f64(term)));
                        })?;
                    }
                    _ => self.add_up(pairs.clone().zip(terms), batch, part, sums),
                }
                start += each;
            }
        }
        if let Some(over) = self.settings.spread(self.targets) {
            for (_, sums) in parts.iter().zip(&mut sums).filter(|(part, _)| part.side == Side::Parameter) {
                over.sum(sums)?;
            }
        }
        for (part, sums) in parts.iter_mut().zip(sums) {
            let sums = sums.iter().map(|sum| T::from_f64(sum.value()));
            match &mut part.to {
                To::Host(rows) if rows.len() != sums.len() => {
                    let count = sums.len() / part.width.max(1);
                    return Err(Error::OutputLength { rows: count, width: part.width, found: rows.len() });
                }
                To::Host(rows) => rows.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum),
                To::Array(array) => {
                    let place = Settings { device: self.device, ..self.settings.clone() };
                    **array = place.upload(&sums.collect::<Vec<T>>())?;
                }
            }
        }
        Ok(())
    }

    /// [`Self::eval`] for one part, in newly allocated rows.
    ///
    /// # Errors
    /// The errors of [`Self::eval`].
    pub fn part<T: Element, F: Formula, B: Buffer<T>>(
        &self,
        views: &[View<'_, T>],
        sides: &[Side],
        (side, gradient): (Side, Option<usize>),
        width: usize,
    ) -> Result<B, Error> {
        let mut rows = B::room(self.rows(views, side, gradient), width)?;
        self.eval::<T, F>(views, sides, &mut [SelectionPart { side, gradient, width, to: rows.to() }])?;
        Ok(rows)
    }

    /// The ranks that have the sources of some pairs; `None` if this one has all. Targets that all ranks share are reduced on each of
    /// them, so that each gives itself what is its own, and the others nothing.
    fn remote(&self, pairs: Range<usize>) -> Result<Option<Remote<'_>>, Error> {
        let Some(over) = self.settings.spread(self.targets.other()).filter(|over| over.count() > 1) else {
            return Ok(None);
        };
        let shared = self.settings.spread(self.targets).is_none();
        Remote::new(over, &self.spread, &self.sources[pairs], shared).map(Some)
    }

    /// Checks the arguments as for any call, and that they do not have more batches than the result.
    fn check<T: Element>(
        &self,
        name: &'static str,
        formula: &[Variable],
        views: &[View<'_, T>],
        sides: &[Side],
    ) -> Result<Batches, Error> {
        let variables: Vec<Variable> = (formula.iter().zip(sides))
            .map(|(&Variable { name, dim, .. }, side)| match side {
                Side::Target => Variable { name, role: Role::Target, dim },
                Side::Source => Variable { name, role: Role::Source, dim },
                Side::Parameter => Variable { name, role: Role::Parameter, dim },
                Side::Pair => Variable { name, role: Role::Target, dim: self.width },
            })
            .collect();
        let (found, batches) = shape_and_batches(name, &variables, views)?;
        let same = |role: Role, rows: usize, expected: usize| {
            let named = variables.iter().find(|variable| variable.role == role && rows != expected);
            named.map_or(Ok(()), |Variable { name, .. }| {
                Err(Error::RowCount { variable: name, rows, other: "the result", other_rows: expected })
            })
        };
        same(Role::Target, found.targets, self.shape.targets)?;
        same(Role::Source, found.sources, self.shape.sources)?;
        if let (true, Some(variable)) = (batches.count() != self.shape.batches, variables.last()) {
            let batch = batches.dims().to_vec();
            return Err(Error::BatchShape { variable: variable.name, batch, other: self.dims.clone() });
        }
        Ok(batches)
    }

    /// The row of an argument for each of some pairs, from batch number `batch` of the argument.
    fn gather<'a, T: Element>(
        &self,
        view: &View<'_, T>,
        side: Side,
        batch: usize,
        pairs: Range<usize>,
    ) -> Result<View<'a, T>, Error> {
        let (numbers, rows) = (view.host().unwrap_or_default(), view.rows());
        let first = batch * rows;
        let target = |pair: usize| self.places[pair] / self.width % self.shape.targets;
        let (dim, row): (usize, &dyn Fn(usize) -> usize) = match side {
            Side::Parameter => {
                return Ok(View::from_owned(numbers[first * view.dim()..][..view.dim()].to_vec(), view.dim()));
            }
            Side::Target => (view.dim(), &target),
            Side::Source => (view.dim(), &|pair| self.sources[pair]),
            Side::Pair => (1, &|pair| self.places[pair] % (self.shape.targets * self.width)),
        };
        let first = if side == Side::Pair { first * view.dim() } else { first };
        let mut gathered = room(pairs.len(), dim)?;
        for (to, pair) in gathered.chunks_exact_mut(dim.max(1)).zip(pairs) {
            to.copy_from_slice(&numbers[(first + row(pair)) * dim..][..dim]);
        }
        Ok(View::from_owned(gathered, dim))
    }

    /// The component that selected each of some pairs, as a row of zeros with 1 in its place.
    fn components<'a, T: Element>(&self, pairs: Range<usize>) -> Result<View<'a, T>, Error> {
        let mut rows = room(pairs.len(), self.components)?;
        for (row, pair) in rows.chunks_exact_mut(self.components.max(1)).zip(pairs) {
            row[self.places[pair] % self.components] = T::one();
        }
        Ok(View::from_owned(rows, self.components))
    }

    /// Adds the terms of pairs, in the order of the pairs, to the rows that they belong to in batch number `batch` of a
    /// result.
    fn add_up<'a, T: Element>(
        &self,
        terms: impl Iterator<Item = (usize, &'a [T])>,
        batch: usize,
        part: &SelectionPart<'_, T>,
        sums: &mut [Total],
    ) {
        let first = batch * self.rows_of_batch(part.side) * part.width;
        for (pair, term) in terms {
            let place = self.places[pair] % (self.shape.targets * self.width);
            let start = match part.side {
                Side::Target => place / self.width * part.width,
                Side::Source => self.sources[pair] * part.width,
                Side::Pair => place,
                Side::Parameter => 0,
            };
            sums[first + start..].iter_mut().zip(term).for_each(|(sum, &term)| sum.add(Element::to_f64(term)));
        }
    }
}
