//! Rows and parameters, borrowed from whatever holds them.
//!
//! Making a [`View`] never fails: a fault (a flat slice of 7 numbers as rows of 3) is kept in the view until the call
//! is evaluated, where the name of the variable is known and the caller gets a `Result`.

use std::{borrow::Cow, sync::Arc};

use crate::{
    data::{Array, Device, Error, Halves, Memory},
    number::Scalar,
    tree::Points,
};

/// The rows of one variable as the engines see them: numbers, row by row. [`AsRows`](crate::arguments::AsRows) and
/// [`AsParameter`](crate::arguments::AsParameter) make a view of an argument.
///
/// ```
/// use keops::View;
///
/// let view = View::from_flat(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], 3);
/// assert_eq!((view.rows(), view.dim(), view.len()), (2, 3, 6));
/// assert_eq!(view.host(), Some(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0][..]));
/// assert_eq!(view.check("x"), Ok(()));
/// ```
#[derive(Clone, Debug)]
pub struct View<'a, T> {
    data: Data<'a, T>,
    dim: usize,
    rows: usize,
    batch: Vec<usize>,
    fault: Option<Fault>,
    /// The points that the rows are, if these keep their tree.
    points: Option<&'a Points<T>>,
}

/// Where the numbers are.
#[derive(Clone, Debug)]
enum Data<'a, T> {
    Borrowed(&'a [T]),
    /// A parameter of one number given by value, the most common case, which needs no allocation.
    One([T; 1]),
    Owned(Vec<T>),
    /// Numbers in an array, which may be on a device.
    Array(Array<T>),
    /// Numbers stored in 16 bits.
    Halves(Halves<'a>),
}

/// A fault of a view: why it cannot be an argument.
///
/// ```
/// use keops_core::data::{Fault, View};
///
/// let view = View::from_flat(&[1.0_f32, 2.0, 3.0, 4.0], 3);
/// assert_eq!(view.fault(), Some(Fault::FlatLength));
/// // with the name of the variable it is an error
/// let error = view.check("x").unwrap_err();
/// assert_eq!(error.to_string(), "`x` holds 4 numbers, which is not a multiple of its dimension 3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The length is not a multiple of the dimension.
    FlatLength,
    /// Rows hold this many numbers, which is not the dimension of the variable.
    RowLength(usize),
    /// The length of a parameter is not its dimension.
    ParameterLength,
    /// The number of rows is not a multiple of the number of batches.
    Batch,
}

impl<'a, T> View<'a, T> {
    /// Rows of fixed length.
    ///
    /// ```
    /// # use keops::View;
    /// let view = View::from_rows(&[[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!((view.rows(), view.dim()), (2, 2));
    /// ```
    #[must_use]
    pub fn from_rows<const D: usize>(rows: &'a [[T; D]]) -> Self {
        Self {
            data: Data::Borrowed(rows.as_flattened()),
            dim: D,
            rows: rows.len(),
            batch: Vec::new(),
            fault: None,
            points: None,
        }
    }

    /// Rows of length `dim`, one after another.
    ///
    /// ```
    /// # use keops::View;
    /// assert_eq!(View::from_flat(&[1.0, 2.0, 3.0, 4.0], 2).rows(), 2);
    /// assert!(View::from_flat(&[1.0, 2.0, 3.0, 4.0], 3).fault().is_some());
    /// ```
    #[must_use]
    pub fn from_flat(data: &'a [T], dim: usize) -> Self {
        let (rows, fault) = whole_rows(data.len(), dim);
        Self { data: Data::Borrowed(data), dim, rows, batch: Vec::new(), fault, points: None }
    }

    /// Rows of length `dim` that were copied, because they were not one after another.
    ///
    /// ```
    /// # use keops::View;
    /// let (x, y) = ([1.0, 2.0], [3.0, 4.0]); // coordinates by themselves
    /// let rows = x.iter().zip(&y).flat_map(|(&x, &y)| [x, y]).collect();
    /// assert_eq!(View::from_owned(rows, 2).host(), Some(&[1.0, 3.0, 2.0, 4.0][..]));
    /// ```
    #[must_use]
    pub fn from_owned(data: Vec<T>, dim: usize) -> Self {
        let (rows, fault) = whole_rows(data.len(), dim);
        Self { data: Data::Owned(data), dim, rows, batch: Vec::new(), fault, points: None }
    }

    /// Rows whose shape `[rows, columns]` is known at run time, for a variable of dimension `dim`; another number of
    /// columns is a fault.
    ///
    /// ```
    /// # use keops::View;
    /// let table = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // 3 rows of 2 numbers
    /// let error = View::from_table(table[..].into(), [3, 2], 3).check("x").unwrap_err();
    /// assert_eq!(error.to_string(), "`x` has dimension 3, but its rows hold 2 numbers");
    /// ```
    #[must_use]
    pub fn from_table(data: Cow<'a, [T]>, [rows, width]: [usize; 2], dim: usize) -> Self
    where
        T: Clone,
    {
        let fault = match rows.checked_mul(width) {
            _ if width != dim => Some(Fault::RowLength(width)),
            Some(len) if len == data.len() => None,
            _ => Some(Fault::FlatLength),
        };
        let data = match data {
            Cow::Borrowed(data) => Data::Borrowed(data),
            Cow::Owned(data) => Data::Owned(data),
        };
        Self { data, dim, rows, batch: Vec::new(), fault, points: None }
    }

    /// A copy of rows that are separate lists; the first list whose length is not `dim` is a fault.
    pub(crate) fn from_lists(rows: &[impl AsRef<[T]>], dim: usize) -> Self
    where
        T: Copy,
    {
        let rows = rows.iter().map(AsRef::as_ref);
        match rows.clone().find(|row| row.len() != dim) {
            Some(row) => Self::from_table(Cow::Owned(Vec::new()), [rows.len(), row.len()], dim),
            None => Self::from_table(rows.clone().flatten().copied().collect(), [rows.len(), dim], dim),
        }
    }

    /// Points of `dim` coordinates that keep their tree.
    #[must_use]
    pub(crate) fn from_points(points: &'a Points<T>, dim: usize) -> Self
    where
        T: Scalar,
    {
        Self { points: Some(points), ..Self::from_flat(points.numbers(), dim) }
    }

    /// The points that the rows are, if these keep their tree.
    #[must_use]
    pub(crate) fn points(&self) -> Option<&'a Points<T>> {
        self.points
    }

    /// A parameter of `dim` components, borrowed or copied.
    ///
    /// ```
    /// # use keops::View;
    /// let (borrowed, copied) = ([1.0, 2.0], vec![1.0, 2.0]);
    /// let views = [View::parameter_of(borrowed[..].into(), 2), View::parameter_of(copied.into(), 2)];
    /// assert!(views.iter().all(|view| view.fault().is_none() && view.rows() == 1));
    /// ```
    #[must_use]
    pub fn parameter_of(data: Cow<'a, [T]>, dim: usize) -> Self
    where
        T: Clone,
    {
        let len = data.len();
        match data {
            Cow::Borrowed(data) => Self::parameter(data, dim),
            Cow::Owned(data) => Self::one_row(Data::Owned(data), len, dim),
        }
    }

    /// Rows of length `dim` in an array.
    ///
    /// ```
    /// # use keops_core::data::{Array, View};
    /// let view = View::from_array(Array::Host(vec![1.0, 2.0, 3.0, 4.0].into()), 2);
    /// assert_eq!((view.rows(), view.kept().is_some()), (2, true));
    /// ```
    #[must_use]
    pub fn from_array(data: Array<T>, dim: usize) -> Self {
        let (rows, fault) = whole_rows(data.len(), dim);
        Self { data: Data::Array(data), dim, rows, batch: Vec::new(), fault, points: None }
    }

    /// Rows of length `dim`, one after another, stored in 16 bits.
    ///
    /// ```
    /// # use keops_core::data::{Halves, View, f16};
    /// let numbers = [0.5, 1.0, 1.5, 2.0].map(f16::from_f32);
    /// let view = View::<f32>::from_halves(Halves::F16(&numbers), 2);
    /// assert_eq!((view.rows(), view.host()), (2, None));
    /// assert_eq!(view.widened().host(), Some(&[0.5, 1.0, 1.5, 2.0][..]));
    /// ```
    #[must_use]
    pub fn from_halves(data: Halves<'a>, dim: usize) -> Self {
        let (rows, fault) = whole_rows(data.len(), dim);
        Self { data: Data::Halves(data), dim, rows, batch: Vec::new(), fault, points: None }
    }

    /// A parameter of `dim` components, stored in 16 bits.
    ///
    /// ```
    /// # use keops_core::data::{Halves, View, f16};
    /// let numbers = [0.5, 1.0].map(f16::from_f32);
    /// assert_eq!(View::<f32>::halves_parameter(Halves::F16(&numbers), 2).fault(), None);
    /// ```
    #[must_use]
    pub fn halves_parameter(data: Halves<'a>, dim: usize) -> Self {
        Self::one_row(Data::Halves(data), data.len(), dim)
    }

    /// A parameter of `dim` components.
    ///
    /// ```
    /// # use keops::View;
    /// let error = View::parameter(&[1.0, 2.0], 3).check("g").unwrap_err();
    /// assert_eq!(error.to_string(), "the parameter `g` has dimension 3, but holds 2 numbers");
    /// ```
    #[must_use]
    pub fn parameter(data: &'a [T], dim: usize) -> Self {
        Self::one_row(Data::Borrowed(data), data.len(), dim)
    }

    /// A parameter of one component.
    ///
    /// ```
    /// # use keops::View;
    /// assert_eq!(View::scalar(0.5).host(), Some(&[0.5][..]));
    /// ```
    #[must_use]
    pub fn scalar(value: T) -> Self {
        Self::one_row(Data::One([value]), 1, 1)
    }

    /// A parameter of `D` components.
    ///
    /// ```
    /// # use keops::View;
    /// assert_eq!(View::array([0.5, 1.5]).dim(), 2);
    /// ```
    #[must_use]
    pub fn array<const D: usize>(value: [T; D]) -> Self {
        Self::one_row(Data::Owned(Vec::from(value)), D, D)
    }

    /// The shape of rows whose numbers are not there, for calls that read none of them.
    pub(crate) fn shape_only(rows: usize, dim: usize, batch: &[usize]) -> Self {
        Self { data: Data::Owned(Vec::new()), dim, rows, batch: batch.to_vec(), fault: None, points: None }
    }

    fn one_row(data: Data<'a, T>, len: usize, dim: usize) -> Self {
        let fault = (len != dim).then_some(Fault::ParameterLength);
        Self { data, dim, rows: 1, batch: Vec::new(), fault, points: None }
    }

    /// The same rows, shared out among batches in row-major order: the rows of each follow each other.
    ///
    /// ```
    /// # use keops::View;
    /// let view = View::from_flat(&[0.0; 12], 1).batched(&[3, 2]);
    /// assert_eq!((view.batch(), view.batches(), view.rows()), (&[3, 2][..], 6, 2));
    /// assert!(view.batched(&[5]).fault().is_some()); // 12 rows are no 5 batches
    /// ```
    #[must_use]
    pub fn batched(mut self, batch: &[usize]) -> Self {
        if self.fault.is_none() {
            let rows = self.rows.saturating_mul(self.batches());
            match rows.checked_rem(count(batch)) {
                Some(0) => self.rows = rows / count(batch),
                _ => (self.rows, self.fault) = (rows, Some(Fault::Batch)),
            }
        }
        self.batch = batch.to_vec();
        self.points = None;
        self
    }

    /// The same rows as values of a parameter, one for each batch.
    pub(crate) fn into_parameters(mut self) -> Self {
        if self.fault.is_none() && self.rows != 1 {
            (self.rows, self.fault) = (self.rows.saturating_mul(self.batches()), Some(Fault::Batch));
        }
        self
    }

    /// The batch dimensions of the view; empty if it has one batch.
    ///
    /// ```
    /// # use keops::View;
    /// assert!(View::from_flat(&[0.0; 12], 1).batch().is_empty());
    /// assert_eq!(View::from_flat(&[0.0; 12], 1).batched(&[3, 2]).batch(), [3, 2]);
    /// ```
    #[must_use]
    pub fn batch(&self) -> &[usize] {
        &self.batch
    }

    /// The number of batches.
    ///
    /// ```
    /// # use keops::View;
    /// assert_eq!(View::from_flat(&[0.0; 12], 1).batched(&[3, 2]).batches(), 6);
    /// ```
    #[must_use]
    pub fn batches(&self) -> usize {
        count(&self.batch)
    }

    /// All numbers, row by row, if they are stored in 16 bits.
    ///
    /// ```
    /// # use keops_core::data::{Halves, View, f16};
    /// let numbers = [0.5, 1.0].map(f16::from_f32);
    /// assert!(View::<f32>::from_halves(Halves::F16(&numbers), 1).halves().is_some());
    /// assert!(View::from_flat(&[0.5_f32, 1.0], 1).halves().is_none());
    /// ```
    #[must_use]
    pub fn halves(&self) -> Option<Halves<'_>> {
        match self.data {
            Data::Halves(data) => Some(data),
            _ => None,
        }
    }

    /// All numbers, row by row: `batches` times `rows` times `dim` numbers, if there is no [`Self::fault`]. `None` if
    /// they are on a CUDA device or stored in 16 bits.
    ///
    /// ```
    /// # use keops::View;
    /// assert_eq!(View::from_rows(&[[1.0, 2.0], [3.0, 4.0]]).host(), Some(&[1.0, 2.0, 3.0, 4.0][..]));
    /// ```
    #[must_use]
    pub fn host(&self) -> Option<&[T]> {
        match &self.data {
            Data::Borrowed(data) => Some(data),
            Data::One(data) => Some(data),
            Data::Owned(data) => Some(data),
            Data::Array(Array::Host(data)) => Some(data),
            Data::Array(Array::Cuda(..)) | Data::Halves(_) => None,
        }
    }

    /// The memory that holds the numbers, if they are on a CUDA device.
    ///
    /// ```
    /// # use keops::View;
    /// assert!(View::scalar(0.5_f32).memory().is_none());
    /// ```
    #[must_use]
    pub fn memory(&self) -> Option<&Arc<dyn Memory>> {
        match &self.data {
            Data::Array(Array::Cuda(memory, _)) => Some(memory),
            _ => None,
        }
    }

    /// The array that holds the numbers, if there is one.
    ///
    /// ```
    /// # use keops_core::data::{Array, View};
    /// let view = View::from_array(Array::Host(vec![1.0, 2.0].into()), 1);
    /// assert_eq!(view.kept().map(Array::len), Some(2));
    /// assert!(View::from_flat(&[1.0, 2.0], 1).kept().is_none());
    /// ```
    #[must_use]
    pub fn kept(&self) -> Option<&Array<T>> {
        match &self.data {
            Data::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The CUDA device that the numbers are on, if they are on one.
    ///
    /// ```
    /// # use keops::View;
    /// assert_eq!(View::from_flat(&[1.0_f32, 2.0], 1).device(), None);
    /// ```
    #[must_use]
    pub fn device(&self) -> Option<Device> {
        self.memory().map(|memory| Device::Cuda(memory.ordinal()))
    }

    /// The number of numbers in all rows of all batches.
    ///
    /// ```
    /// # use keops::View;
    /// assert_eq!(View::from_rows(&[[1.0, 2.0], [3.0, 4.0]]).len(), 4);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Array(data) => data.len(),
            Data::Halves(data) => data.len(),
            _ => self.host().map_or(0, <[T]>::len),
        }
    }

    /// Whether there are no numbers.
    ///
    /// ```
    /// # use keops::View;
    /// assert!(View::<f32>::from_rows::<3>(&[]).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows in `range`, of a view of one batch on the host; `None` for other views, and if there are no such rows.
    ///
    /// ```
    /// # use keops::View;
    /// let view = View::from_rows(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    /// assert_eq!(view.part(1..2).unwrap().host(), Some(&[3.0, 4.0][..]));
    /// assert!(view.part(1..4).is_none()); // there are 3
    /// ```
    #[must_use]
    pub fn part(&self, range: core::ops::Range<usize>) -> Option<View<'_, T>> {
        let data = self.host()?.get(range.start.checked_mul(self.dim)?..range.end.checked_mul(self.dim)?)?;
        Some(View {
            data: Data::Borrowed(data),
            dim: self.dim,
            rows: range.len(),
            batch: Vec::new(),
            fault: self.fault,
            points: None,
        })
    }

    /// The number of numbers in a row.
    ///
    /// ```
    /// # use keops::View;
    /// assert_eq!(View::from_flat(&[0.0; 12], 3).dim(), 3);
    /// ```
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The number of rows of a batch; of all rows, if they are no multiple of the number of batches.
    ///
    /// ```
    /// # use keops::View;
    /// let view = View::from_flat(&[0.0; 12], 1);
    /// assert_eq!((view.rows(), view.clone().batched(&[3]).rows(), view.batched(&[5]).rows()), (12, 4, 12));
    /// ```
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The fault of the view, if it has one.
    ///
    /// ```
    /// # use keops_core::data::{Fault, View};
    /// assert_eq!(View::from_flat(&[0.0; 12], 3).fault(), None);
    /// assert_eq!(View::from_flat(&[0.0; 12], 5).fault(), Some(Fault::FlatLength));
    /// ```
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Makes an error of the fault of the view, if it has one, with the name of the variable.
    ///
    /// # Errors
    /// [`Error::FlatLength`], [`Error::Dimension`], [`Error::ParameterLength`] or [`Error::BatchRows`], if there is a
    /// [`Self::fault`].
    ///
    /// ```
    /// # use keops::View;
    /// assert_eq!(View::from_flat(&[0.0; 12], 1).batched(&[3]).check("x"), Ok(()));
    /// let error = View::from_flat(&[0.0; 12], 1).batched(&[5]).check("x").unwrap_err();
    /// assert_eq!(error.to_string(), "`x` has 12 rows, which are no batches of shape [5]");
    /// ```
    pub fn check(&self, variable: &'static str) -> Result<(), Error> {
        let (len, dim) = (self.len(), self.dim);
        Err(match self.fault {
            None => return Ok(()),
            Some(Fault::FlatLength) => Error::FlatLength { variable, len, dim },
            Some(Fault::RowLength(found)) => Error::Dimension { variable, dim, found },
            Some(Fault::ParameterLength) => Error::ParameterLength { variable, len, dim },
            Some(Fault::Batch) => Error::BatchRows { variable, rows: self.rows, batch: self.batch.clone() },
        })
    }
}

/// The number of batches of this shape.
fn count(batch: &[usize]) -> usize {
    batch.iter().fold(1, |product: usize, &size| product.saturating_mul(size))
}

impl<'a, T: Scalar> View<'a, T> {
    /// The same view, with numbers that were stored in 16 bits converted to the element type of the call.
    ///
    /// ```
    /// # use keops_core::data::{Halves, View, f16};
    /// let numbers = [0.5, 1.0].map(f16::from_f32);
    /// let view = View::<f32>::from_halves(Halves::F16(&numbers), 1).widened();
    /// assert_eq!(view.host(), Some(&[0.5, 1.0][..]));
    /// ```
    #[must_use]
    pub fn widened(&self) -> View<'a, T> {
        let mut view = self.clone();
        if let Data::Halves(data) = self.data {
            view.data = Data::Owned(data.widen());
        }
        view
    }
}

fn whole_rows(len: usize, dim: usize) -> (usize, Option<Fault>) {
    match len.checked_rem(dim) {
        Some(0) => (len / dim, None),
        _ => (0, Some(Fault::FlatLength)),
    }
}
