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
//! Steps 2 to 4 run on the host, and copy to it what is on a device: they are little work beside the search.
//! A component of f that did not select a pair is multiplied by 0 there; only where its slope is infinite or NaN does that
//! show. A neighbour that there is not ([`crate::reduction::MISSING`]) is no pair, and contributes nothing.

use crate::{
    arguments::View,
    array::{Array, Buffer, Storage},
    components::Components,
    cpu::{Piece, Shape, To, reduce, room, shape},
    error::Error,
    formula::{Formula, Role, Variable},
    real::{Element, Stored},
    reduction::{self, MISSING, Reduction, Sum, Total},
    settings::{Device, Settings},
};

/// What the rows of an argument or of a result belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// One row for each target.
    Target,
    /// One row for each source.
    Source,
    /// One row in all.
    Parameter,
    /// One number for each pair: row i has those of target i, in the order of the reduction's result.
    Pair,
}

/// A result of [`Selection::eval`]: to whom its rows belong, their width, and where they go.
pub type Part<'a, T> = (Side, usize, To<'a, T>);

/// The pairs (i, j) that a reduction selected.
#[derive(Debug)]
pub struct Selection<'s> {
    targets: Vec<usize>,
    sources: Vec<usize>,
    /// Which number of the result each pair is.
    places: Vec<usize>,
    shape: Shape,
    /// Components of the formula.
    components: usize,
    /// Numbers in a row of the result.
    width: usize,
    /// Where the pass for the row numbers ran.
    device: Device,
    settings: &'s Settings,
}

impl<'s> Selection<'s> {
    /// Finds the row numbers by the reduction `R`, which gives nothing else, of a formula of the first `count` views.
    ///
    /// # Errors
    /// Those of [`reduce`].
    pub fn find<T: Element, F: Formula, R: Reduction>(
        views: &[View<'_, T>],
        count: usize,
        settings: &'s Settings,
    ) -> Result<Self, Error> {
        let views = views.get(..count).unwrap_or(views);
        let shape = shape(F::NAME, F::VARIABLES, views)?;
        let components = reduction::components::<F>();
        let width = R::indices(components);
        let mut indices = room(shape.targets, width)?;
        let mut device = settings.device;
        if device == Device::AllCuda {
            reduce::<T, F, R>(views, settings, &mut [], Some(To::Host(&mut indices)))?;
        } else {
            let mut array = Array::default();
            reduce::<T, F, R>(views, settings, &mut [], Some(To::Array(&mut array)))?;
            device = array.device();
            match array {
                Array::Host(found) => indices.copy_from_slice(&found),
                Array::Cuda(memory, _) => u32::copy_from_device(&*memory, &mut indices)?,
            }
        }
        let places: Vec<usize> = (0..indices.len()).filter(|&place| indices[place] != MISSING).collect();
        let sources = places.iter().map(|&place| indices[place] as usize).collect();
        let targets = places.iter().map(|&place| place / width).collect();
        Ok(Self { targets, sources, places, shape, components, width, device, settings })
    }

    /// How many rows a result has.
    #[must_use]
    pub fn rows(&self, side: Side) -> usize {
        match side {
            Side::Target | Side::Pair => self.shape.targets,
            Side::Source => self.shape.sources,
            Side::Parameter => 1,
        }
    }

    /// Computes `F` for each pair, and adds its components up.
    ///
    /// `views` belong to `sides`. All variables of `F` but parameters are targets; behind the views it may have one
    /// more, which tells the component of a pair: a row of zeros with 1 there.
    ///
    /// # Errors
    /// Those of [`shape`](fn@shape); parts of another length.
    pub fn eval<T: Element, F: Formula>(
        &self,
        views: &[View<'_, T>],
        sides: &[Side],
        parts: &mut [Part<'_, T>],
    ) -> Result<(), Error> {
        self.check::<T, F>(views, sides)?;
        let mut rows =
            views.iter().zip(sides).map(|(view, &side)| self.gather(view, side)).collect::<Result<Vec<_>, _>>()?;
        if F::VARIABLES.len() > views.len() {
            rows.push(self.components()?);
        }
        let width = <F::Out<T> as Components<T>>::LEN;
        let mut terms = room(self.places.len(), width)?;
        let here = Settings { device: Device::Cpu, ..self.settings.clone() };
        if !self.places.is_empty() {
            reduce::<T, F, Sum>(&rows, &here, &mut [Piece::rows(width, &mut terms)], None)?;
        }
        let mut start = 0;
        for (side, part, to) in parts {
            let each = if *side == Side::Pair { 1 } else { *part };
            let terms = terms.chunks_exact(width.max(1)).map(|row| &row[start..start + each]);
            self.add_up(terms, *side, *part, to)?;
            start += each;
        }
        Ok(())
    }

    /// [`Self::eval`] for one part, in rows of its own.
    ///
    /// # Errors
    /// Those of [`Self::eval`].
    pub fn part<T: Element, S: Storage, F: Formula, const D: usize>(
        &self,
        views: &[View<'_, T>],
        sides: &[Side],
        side: Side,
    ) -> Result<S::Rows<T, D>, Error> {
        let mut rows = S::Rows::<T, D>::room(self.rows(side))?;
        self.eval::<T, F>(views, sides, &mut [(side, D, rows.to())])?;
        Ok(rows)
    }

    /// Checks the arguments as those of any call.
    fn check<T: Element, F: Formula>(&self, views: &[View<'_, T>], sides: &[Side]) -> Result<(), Error> {
        let variables: Vec<Variable> = (F::VARIABLES.iter().zip(sides))
            .map(|(&Variable { name, dim, .. }, side)| match side {
                Side::Target => Variable { name, role: Role::Target, dim },
                Side::Source => Variable { name, role: Role::Source, dim },
                Side::Parameter => Variable { name, role: Role::Parameter, dim },
                Side::Pair => Variable { name, role: Role::Target, dim: self.width },
            })
            .collect();
        let found = shape(F::NAME, &variables, views)?;
        let same = |role: Role, rows: usize, expected: usize| {
            let named = variables.iter().find(|variable| variable.role == role && rows != expected);
            named.map_or(Ok(()), |Variable { name, .. }| {
                Err(Error::RowCount { variable: name, rows, other: "the result", other_rows: expected })
            })
        };
        same(Role::Target, found.targets, self.shape.targets)?;
        same(Role::Source, found.sources, self.shape.sources)
    }

    /// The row of an argument for each pair.
    fn gather<'a, T: Element>(&self, view: &View<'_, T>, side: Side) -> Result<View<'a, T>, Error> {
        let mut copy = Vec::new();
        let numbers = match (view.host(), view.memory()) {
            (Some(numbers), _) => numbers,
            (None, Some(memory)) => {
                copy = room(view.rows(), view.dim())?;
                T::copy_from_device(&**memory, &mut copy)?;
                &copy
            }
            (None, None) => &copy,
        };
        let (rows, dim) = match side {
            Side::Parameter => return Ok(View::from_owned(numbers.to_vec(), view.dim())),
            Side::Target => (&self.targets, view.dim()),
            Side::Source => (&self.sources, view.dim()),
            Side::Pair => (&self.places, 1),
        };
        let mut gathered = room(rows.len(), dim)?;
        for (to, &row) in gathered.chunks_exact_mut(dim.max(1)).zip(rows) {
            to.copy_from_slice(&numbers[row * dim..][..dim]);
        }
        Ok(View::from_owned(gathered, dim))
    }

    /// The component of each pair, as a row of zeros with 1 there.
    fn components<'a, T: Element>(&self) -> Result<View<'a, T>, Error> {
        let mut rows = room(self.places.len(), self.components)?;
        for (row, &place) in rows.chunks_exact_mut(self.components.max(1)).zip(&self.places) {
            row[place % self.components] = T::one();
        }
        Ok(View::from_owned(rows, self.components))
    }

    /// Adds the terms of all pairs to the rows that they belong to, one pair after another.
    fn add_up<'a, T: Element>(
        &self,
        terms: impl Iterator<Item = &'a [T]>,
        side: Side,
        width: usize,
        to: &mut To<'_, T>,
    ) -> Result<(), Error> {
        let count = self.rows(side);
        let mut sums = vec![Total::default(); room::<T>(count, width)?.len()];
        for (n, term) in terms.enumerate() {
            let start = match side {
                Side::Target => self.targets[n] * width,
                Side::Source => self.sources[n] * width,
                Side::Pair => self.places[n],
                Side::Parameter => 0,
            };
            sums[start..].iter_mut().zip(term).for_each(|(sum, &term)| sum.add(Element::to_f64(term)));
        }
        let sums = sums.iter().map(|sum| T::from_f64(sum.value()));
        match to {
            To::Host(rows) if rows.len() != sums.len() => {
                return Err(Error::OutputLength { rows: count, width, found: rows.len() });
            }
            To::Host(rows) => rows.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum),
            To::Array(array) => {
                let place = Settings { device: self.device, ..self.settings.clone() };
                **array = place.upload(&sums.collect::<Vec<T>>())?;
            }
        }
        Ok(())
    }
}
