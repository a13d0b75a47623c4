//! Lists of neighbours: the result of `Within`.

use core::{iter::FusedIterator, ops::Range};

use crate::{
    data::{Error, Ranges},
    formula::Index,
};

/// For each target, the sources within its radius: their row numbers and the values of the formula.
///
/// The result of a formula `-> Within<j>`, in compressed rows: the sources of target i are those in the places
/// `starts()[i]..starts()[i + 1]` of `row_numbers()` and `values()`. They are in the order of their row numbers, or by
/// [`nearest_first`](Self::nearest_first) in that of their values. With batches, the targets of all batches follow each other,
/// and a row number counts the sources of its batch.
///
/// ```
/// use keops::{Neighbours, prelude::*};
///
/// keops! {
///     /// All y within the distance r of x.
///     pub fn near(x: Vi<1>, y: Vj<1>, r: Pm<1>) -> Within<j> { (abs(x - y), r) }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let (x, y) = ([[0.0_f32], [5.0]], [[1.0], [-0.5], [9.0]]);
/// let lists: Neighbours<f32> = near(&x, &y, &1.0).eval()?;
/// assert_eq!((lists.len(), lists.pairs(), lists.starts()), (2, 2, &[0, 2, 2][..]));
/// assert_eq!(lists.of(0), (&[0, 1][..], &[1.0, 0.5][..]));
/// assert_eq!(lists.of(1), (&[][..], &[][..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours<T> {
    starts: Vec<usize>,
    row_numbers: Vec<u32>,
    values: Vec<T>,
    /// The index of the targets, and how many batches there are.
    targets: Index,
    batches: usize,
}

impl<T> Neighbours<T> {
    /// Lists that begin and end at these places of the row numbers and values.
    pub(crate) fn new(starts: Vec<usize>, row_numbers: Vec<u32>, values: Vec<T>) -> Self {
        Self { starts, row_numbers, values, targets: Index::I, batches: 1 }
    }

    /// The lists of several batches, one after another.
    ///
    /// # Errors
    /// [`Error::TooManyPairs`].
    pub(crate) fn join(mut batches: Vec<Self>) -> Result<Self, Error>
    where
        T: Copy,
    {
        if batches.len() <= 1 {
            return Ok(batches.pop().unwrap_or_default());
        }
        let pairs = batches.iter().map(Self::pairs).sum();
        let too_many = |_| Error::TooManyPairs { pairs: pairs as u64 };
        let mut all = Self::default();
        all.row_numbers.try_reserve_exact(pairs).map_err(too_many)?;
        all.values.try_reserve_exact(pairs).map_err(too_many)?;
        for batch in batches {
            let first = all.row_numbers.len();
            all.starts.extend(batch.starts[1..].iter().map(|end| first + end));
            all.row_numbers.extend_from_slice(&batch.row_numbers);
            all.values.extend_from_slice(&batch.values);
        }
        Ok(all)
    }

    /// These lists, for targets of another index and for several batches.
    pub(crate) fn with(mut self, targets: Index, batches: usize) -> Self {
        (self.targets, self.batches) = (targets, batches);
        self
    }

    /// These lists with row numbers from `start` on.
    ///
    /// # Errors
    /// [`Error::RowNumber`].
    pub(crate) fn number_from(mut self, start: u64) -> Result<Self, Error> {
        for number in &mut self.row_numbers {
            let all = start.saturating_add(u64::from(*number));
            *number = u32::try_from(all).ok().filter(|&all| all < u32::MAX).ok_or(Error::RowNumber { number: all })?;
        }
        Ok(self)
    }

    /// How many lists there are: one for each target.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there are no targets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many pairs all lists have.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.row_numbers.len()
    }

    /// Where the lists begin, and in the end where the last one ends.
    #[must_use]
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The row numbers of the sources, list after list.
    #[must_use]
    pub fn row_numbers(&self) -> &[u32] {
        &self.row_numbers
    }

    /// The values of the formula, in the same order.
    #[must_use]
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The list of target number `target`: row numbers, and as many values. Panics if there is no such target.
    #[must_use]
    #[track_caller]
    pub fn of(&self, target: usize) -> (&[u32], &[T]) {
        assert!(target < self.len(), "there are {} targets, and none with number {target}", self.len());
        let places = self.places(target);
        (&self.row_numbers[places.clone()], &self.values[places])
    }

    /// All lists, in the order of the targets. A loop over `&lists` is one over these, too.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// # keops! { pub fn near(x: Vi<1>, y: Vj<1>, r: Pm<1>) -> Within<j> { (abs(x - y), r) } }
    /// let lists = near(&[[0.0_f32], [5.0]], &[[1.0], [-0.5], [9.0]], &4.0).eval()?;
    /// let degrees: Vec<usize> = lists.iter().map(|(row_numbers, _)| row_numbers.len()).collect();
    /// assert_eq!(degrees, [2, 2]);
    /// for (row_numbers, distances) in &lists {
    ///     assert_eq!(row_numbers.len(), distances.len());
    /// }
    /// # Ok::<(), keops::Error>(())
    /// ```
    pub fn iter(&self) -> Lists<'_, T> {
        Lists { neighbours: self, left: 0..self.len() }
    }

    /// The places where the lists begin, the row numbers and the values, without copying.
    #[must_use]
    pub fn into_parts(self) -> (Vec<usize>, Vec<u32>, Vec<T>) {
        (self.starts, self.row_numbers, self.values)
    }

    /// The pairs as ranges, for further calls of formulas of the same rows: rows i, rows j.
    ///
    /// ```
    /// use keops::prelude::*;
    ///
    /// keops! {
    ///     pub fn near(x: Vi<1>, y: Vj<1>, r: Pm<1>) -> Within<j> { (abs(x - y), r) }
    ///     pub fn total(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y }
    /// }
    ///
    /// # fn main() -> Result<(), Error> {
    /// let (x, y) = ([[1.0_f32], [5.0]], [[1.0], [2.0], [9.0]]);
    /// let pairs = near(&x, &y, &1.5).eval()?.to_ranges()?;
    /// assert_eq!(*total(&x, &y).ranges(&pairs).eval()?, [[3.0], [0.0]]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::BatchedRanges`] for several batches: ranges hold for all batches of a call.
    pub fn to_ranges(&self) -> Result<Ranges, Error> {
        if self.batches != 1 {
            return Err(Error::BatchedRanges { batches: self.batches });
        }
        let one = |row: usize| row..row + 1;
        let pair = move |target: usize, &source: &u32| {
            let (target, source) = (one(target), one(source as usize));
            if self.targets == Index::I { (target, source) } else { (source, target) }
        };
        let of =
            move |target: usize| self.row_numbers[self.places(target)].iter().map(move |source| pair(target, source));
        Ranges::new((0..self.len()).flat_map(of))
    }

    fn places(&self, target: usize) -> Range<usize> {
        self.starts[target]..self.starts[target + 1]
    }
}

/// The lists of [`Neighbours`], in the order of the targets: made by [`Neighbours::iter`].
#[derive(Clone, Debug)]
pub struct Lists<'a, T> {
    neighbours: &'a Neighbours<T>,
    /// The targets whose lists are still to come.
    left: Range<usize>,
}

impl<'a, T> Iterator for Lists<'a, T> {
    type Item = (&'a [u32], &'a [T]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left.next().map(|target| self.neighbours.of(target))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        self.left.nth(n).map(|target| self.neighbours.of(target))
    }
}

impl<T> DoubleEndedIterator for Lists<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left.next_back().map(|target| self.neighbours.of(target))
    }
}

impl<T> ExactSizeIterator for Lists<'_, T> {}

impl<T> FusedIterator for Lists<'_, T> {}

impl<'a, T> IntoIterator for &'a Neighbours<T> {
    type Item = (&'a [u32], &'a [T]);
    type IntoIter = Lists<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Copy + PartialOrd> Neighbours<T> {
    /// The same lists, each in the order of its values; equal values in the order of their row numbers.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// # keops! { pub fn near(x: Vi<1>, y: Vj<1>, r: Pm<1>) -> Within<j> { (abs(x - y), r) } }
    /// let lists = near(&[[0.0_f32]], &[[1.0], [-0.5], [9.0]], &1.0).eval()?.nearest_first();
    /// assert_eq!(lists.of(0), (&[1, 0][..], &[0.5, 1.0][..]));
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn nearest_first(mut self) -> Self {
        let mut list = Vec::new();
        for target in 0..self.len() {
            let places = self.places(target);
            let (row_numbers, values) = (&mut self.row_numbers[places.clone()], &mut self.values[places]);
            list.clear();
            list.extend(values.iter().copied().zip(row_numbers.iter().copied()));
            // no value is NaN
            list.sort_unstable_by(|(a, i), (b, j)| {
                a.partial_cmp(b).unwrap_or(core::cmp::Ordering::Equal).then(i.cmp(j))
            });
            for ((&(value, row), to), number) in list.iter().zip(values).zip(row_numbers) {
                (*to, *number) = (value, row);
            }
        }
        self
    }
}

impl<T> Default for Neighbours<T> {
    fn default() -> Self {
        Self::new(vec![0], Vec::new(), Vec::new())
    }
}
