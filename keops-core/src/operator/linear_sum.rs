//! A sum as a function of one of its arguments; the other arguments are given.

use core::{fmt, marker::PhantomData};

use crate::data::Matrix;
use crate::{
    call::{Element, OnePass, reduce, shape_of},
    data::{Device, Error, Ranges, View, numbers, room},
    formula::Role,
    problem::{Piece, Settings, Shape},
    reduction::Reduction,
};

/// See the [module](self).
pub(crate) struct LinearSum<'a, T, F> {
    pub(crate) views: Vec<View<'a, T>>,
    pub(crate) settings: Settings,
    /// The place of the variable among the arguments.
    pub(crate) variable: usize,
    /// Whether each pair multiplies the variable by a number, whatever its dimension.
    pub(crate) multiple: bool,
    /// Components of the variable and of the result.
    pub(crate) dims: [usize; 2],
    pub(crate) shape: Shape,
    formula: PhantomData<F>,
}

// The traits are implemented by hand, because a derive would require them of the marker type `F`.
impl<T: Element, F> Clone for LinearSum<'_, T, F> {
    fn clone(&self) -> Self {
        let Self { views, settings, .. } = self;
        Self { views: views.clone(), settings: settings.clone(), ..*self }
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LinearSum<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { views, settings, variable, dims, shape, .. } = self;
        let mut fields = f.debug_struct("LinearSum");
        fields.field("views", views).field("settings", settings).field("variable", variable);
        fields.field("dims", dims).field("shape", shape).finish_non_exhaustive()
    }
}

impl<'a, T: Element, F: OnePass> LinearSum<'a, T, F> {
    /// # Errors
    /// Arguments that do not fit together, or that have batches.
    pub(crate) fn new(
        views: Vec<View<'a, T>>,
        settings: Settings,
        (variable, multiple): (usize, bool),
        dims: [usize; 2],
    ) -> Result<Self, Error> {
        let shape = shape_of::<T, F>(&views)?;
        if views.iter().any(|view| !view.batch().is_empty()) {
            return Err(Error::Batches { what: "a linear operator" });
        }
        Ok(Self { views, settings, variable, multiple, dims, shape, formula: PhantomData })
    }

    /// The name of the variable.
    pub(crate) fn name(&self) -> &'static str {
        F::VARIABLES.get(self.variable).map_or("", |variable| variable.name)
    }

    /// Computes the sum with `v` in the place of the variable.
    pub(crate) fn apply(&self, v: View<'_, T>, out: &mut [T]) -> Result<(), Error> {
        reduce::<T, F, F::Reduction>(&self.with(v), &self.settings, &mut [Piece::rows(self.dims[1], out)], None)
    }

    /// Computes the transpose, by the formula `A`, whose last argument is the cotangent `w`.
    pub(crate) fn apply_transpose<A: OnePass>(&self, w: View<'_, T>, out: &mut [T]) -> Result<(), Error> {
        let mut views: Vec<View<'_, T>> = self.views.clone();
        views.push(if <F::Reduction as Reduction>::DIVIDES { self.divided(w)? } else { w });
        reduce::<T, A, A::Reduction>(&views, &self.settings, &mut [Piece::rows(self.dims[0], out)], None)
    }

    /// The dense matrix: see [`Operator::to_dense`](super::Operator::to_dense).
    pub(crate) fn to_dense(&self) -> Result<Matrix<T>, Error> {
        let Self { shape, multiple, dims: [dim, width], .. } = *self;
        // All components of a row have the same factor, so one component is enough.
        let [b, c] = if multiple { [1, 1] } else { [dim, width] };
        // The columns are those of all ranks.
        let [_, sources] = self.settings.spreads(("dense matrix", 0), F::TARGETS, shape)?;
        let too_large = || Error::OutputTooLarge { rows: shape.targets, width: sources.total() };
        let rows = shape.targets.checked_mul(c).ok_or_else(too_large)?;
        let cols = sources.total().checked_mul(b).ok_or_else(too_large)?;
        let mut values = room(rows, cols)?;
        let (mut unit, mut column) = (room(shape.sources, dim)?, room(shape.targets, width)?);
        let own = sources.own();
        for col in 0..cols {
            let place = (if multiple { col * dim } else { col }).checked_sub(own.start * dim);
            let place = place.filter(|&place| place < unit.len());
            place.into_iter().for_each(|place| unit[place] = T::one());
            self.apply(View::from_flat(&unit, dim), &mut column)?;
            place.into_iter().for_each(|place| unit[place] = T::zero());
            let column = column.iter().step_by(if multiple { width } else { 1 });
            column.enumerate().for_each(|(row, &value)| values[row * cols + col] = value);
        }
        Ok(Matrix::new(rows, cols, values))
    }

    /// `w`, with each row divided by the number of sources that its target is paired with.
    fn divided<'w>(&self, w: View<'w, T>) -> Result<View<'w, T>, Error> {
        let width = self.dims[1];
        let mut rows = numbers(&w, "w")?.into_owned();
        // Another number of rows becomes an error of the call.
        for (row, n) in rows.chunks_mut(width.max(1)).zip(self.settings.counts(F::TARGETS, self.shape)?) {
            row.iter_mut().for_each(|x| *x = T::from_f64(Element::to_f64(*x) / n as f64));
        }
        Ok(View::from_owned(rows, width))
    }

    /// The arguments, with `v` in the place of the variable.
    pub(crate) fn with<'v>(&self, v: View<'v, T>) -> Vec<View<'v, T>>
    where
        'a: 'v,
    {
        let mut views: Vec<View<'v, T>> = self.views.clone();
        if let Some(view) = views.get_mut(self.variable) {
            *view = v;
        }
        views
    }

    /// The same sum without a tolerance, computed in f64, with the same numbers as arguments.
    pub(crate) fn exact(&self) -> Result<LinearSum<'static, f64, F>, Error> {
        let exact = |(view, variable): (&View<'_, T>, &crate::formula::Variable)| {
            let numbers = numbers(view, variable.name)?;
            Ok(View::from_owned(numbers.iter().map(|&x| Element::to_f64(x)).collect(), variable.dim))
        };
        let views = self.views.iter().zip(F::VARIABLES).map(exact).collect::<Result<Vec<_>, Error>>()?;
        let settings = Settings { approximation: None, ..self.settings.clone() };
        LinearSum::new(views, settings, (self.variable, self.multiple), self.dims)
    }

    /// How far products may be off, relative to the sums of the absolute values of their terms, beside roundings.
    pub(crate) fn tolerance(&self) -> Result<f64, Error> {
        let approximation = self.settings.approximation.as_ref();
        approximation.map_or(Ok(0.0), |approximation| Ok(approximation.tolerance()?.relative()))
    }

    /// The diagonal of a square operator, one pair at a time on the processor: N (or N B) pairs.
    pub(crate) fn diagonal(&self) -> Result<Vec<f64>, Error> {
        let [dim, width] = self.dims;
        let views = self.views.iter().zip(F::VARIABLES);
        let all = views.map(|(view, variable)| numbers(view, variable.name)).collect::<Result<Vec<_>, Error>>()?;
        let settings = Settings { device: Device::Cpu, ..Settings::default() };
        let (mut out, mut unit) = (vec![T::zero(); width], vec![T::zero(); dim]);
        let mut diagonal = Vec::with_capacity(self.shape.targets * dim);
        // Ranges over ranks have the rows of all of them.
        let pattern = self.settings.ranges.as_ref().map(Ranges::by_i);
        let [first, _] = self.settings.spreads(("diagonal", 0), F::TARGETS, self.shape)?.map(|rows| rows.own().start);
        let divides = <F::Reduction as Reduction>::DIVIDES;
        let counts = if divides { self.settings.counts(F::TARGETS, self.shape)? } else { vec![] };
        for row in 0..self.shape.targets {
            if pattern.is_some_and(|pattern| !pattern.contains(first + row, first + row)) {
                diagonal.resize((row + 1) * dim, 0.0);
                continue;
            }
            for component in 0..if self.multiple { dim.min(1) } else { dim } {
                unit[component] = T::one();
                let view = |(place, variable): (usize, &crate::formula::Variable)| {
                    let numbers = match variable.role {
                        _ if place == self.variable => &unit[..],
                        Role::Parameter => &all[place],
                        Role::Target | Role::Source => all[place].get(row * variable.dim..)?.get(..variable.dim)?,
                    };
                    Some(View::from_flat(numbers, variable.dim))
                };
                let pair: Option<Vec<View<'_, T>>> = F::VARIABLES.iter().enumerate().map(view).collect();
                reduce::<T, F, F::Reduction>(
                    &pair.unwrap_or_default(),
                    &settings,
                    &mut [Piece::rows(width, &mut out[..])],
                    None,
                )?;
                unit[component] = T::zero();
                let n = counts.get(row).map_or(1.0, |&n| n as f64);
                diagonal.extend(out.get(component).map(|&value| Element::to_f64(value) / n));
            }
            if self.multiple {
                let value = diagonal.last().copied().unwrap_or_default();
                diagonal.resize((row + 1) * dim, value);
            }
        }
        Ok(diagonal)
    }
}
