//! What a call takes: rows and parameters, borrowed from whatever holds them.
//!
//! The function made by `keops!` takes `impl AsRows<'a, T, D>` for each variable and `impl AsParameter<'a, T, D>` for
//! each parameter. `T` follows from any of the arguments, and with it the type of literals; `D` is written in the
//! formula or follows from the row types.
//!
//! A [`View`] is never refused: what is wrong with it (a flat slice of 7 numbers as rows of 3) stays inside until the
//! call is evaluated, where the variable has a name and the caller a `Result`.

mod batched;
mod standard;

use std::{borrow::Cow, sync::Arc};

pub use batched::{Batched, batched};

use crate::{
    array::{Array, Memory},
    error::Error,
    halves::Halves,
    real::Element,
    settings::Device,
};

/// Rows of one variable, as the engines see them: numbers row by row.
#[derive(Clone, Debug)]
pub struct View<'a, T> {
    data: Data<'a, T>,
    dim: usize,
    rows: usize,
    batch: Vec<usize>,
    fault: Option<Fault>,
}

/// Where the numbers are.
#[derive(Clone, Debug)]
enum Data<'a, T> {
    Borrowed(&'a [T]),
    /// A parameter given by value, the most common one without an allocation.
    One([T; 1]),
    Owned(Vec<T>),
    /// On a device, maybe.
    Array(Array<T>),
    /// Stored in 16 bits.
    Halves(Halves<'a>),
}

/// What is wrong with a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The length is not a multiple of the dimension.
    FlatLength,
    /// Rows hold so many numbers, and not as many as the dimension says.
    RowLength(usize),
    /// A parameter's length is not its dimension.
    ParameterLength,
    /// The rows are no whole number for each batch.
    Batch,
}

impl<'a, T> View<'a, T> {
    /// Rows of fixed length.
    #[must_use]
    pub fn from_rows<const D: usize>(rows: &'a [[T; D]]) -> Self {
        Self { data: Data::Borrowed(rows.as_flattened()), dim: D, rows: rows.len(), batch: Vec::new(), fault: None }
    }

    /// Rows of length `dim`, one after another.
    #[must_use]
    pub fn from_flat(data: &'a [T], dim: usize) -> Self {
        let (rows, fault) = whole_rows(data.len(), dim);
        Self { data: Data::Borrowed(data), dim, rows, batch: Vec::new(), fault }
    }

    /// Rows of length `dim` that were copied, because they were not one after another.
    #[must_use]
    pub fn from_owned(data: Vec<T>, dim: usize) -> Self {
        let (rows, fault) = whole_rows(data.len(), dim);
        Self { data: Data::Owned(data), dim, rows, batch: Vec::new(), fault }
    }

    /// So many rows of so many numbers, of which the variable has `dim`: of what knows its shape at run time.
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
        Self { data, dim, rows, batch: Vec::new(), fault }
    }

    /// A parameter of `dim` components, borrowed or copied.
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
    #[must_use]
    pub fn from_array(data: Array<T>, dim: usize) -> Self {
        let (rows, fault) = whole_rows(data.len(), dim);
        Self { data: Data::Array(data), dim, rows, batch: Vec::new(), fault }
    }

    /// Rows of length `dim`, one after another, stored in 16 bits.
    #[must_use]
    pub fn from_halves(data: Halves<'a>, dim: usize) -> Self {
        let (rows, fault) = whole_rows(data.len(), dim);
        Self { data: Data::Halves(data), dim, rows, batch: Vec::new(), fault }
    }

    /// A parameter of `dim` components, stored in 16 bits.
    #[must_use]
    pub fn halves_parameter(data: Halves<'a>, dim: usize) -> Self {
        Self::one_row(Data::Halves(data), data.len(), dim)
    }

    /// A parameter of `dim` components.
    #[must_use]
    pub fn parameter(data: &'a [T], dim: usize) -> Self {
        Self::one_row(Data::Borrowed(data), data.len(), dim)
    }

    /// A parameter of one component.
    #[must_use]
    pub fn scalar(value: T) -> Self {
        Self::one_row(Data::One([value]), 1, 1)
    }

    /// A parameter of `D` components.
    #[must_use]
    pub fn array<const D: usize>(value: [T; D]) -> Self {
        Self::one_row(Data::Owned(Vec::from(value)), D, D)
    }

    fn one_row(data: Data<'a, T>, len: usize, dim: usize) -> Self {
        Self { data, dim, rows: 1, batch: Vec::new(), fault: (len != dim).then_some(Fault::ParameterLength) }
    }

    /// The same rows, shared out among batches in row-major order: the rows of each follow each other.
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
        self
    }

    /// Rows of one variable as those of a parameter, of which each batch has one.
    pub(crate) fn into_parameters(mut self) -> Self {
        if self.fault.is_none() && self.rows != 1 {
            (self.rows, self.fault) = (self.rows.saturating_mul(self.batches()), Some(Fault::Batch));
        }
        self
    }

    /// Its batch dimensions; none if it has one batch.
    #[must_use]
    pub fn batch(&self) -> &[usize] {
        &self.batch
    }

    /// How many batches it has.
    #[must_use]
    pub fn batches(&self) -> usize {
        count(&self.batch)
    }

    /// All numbers, row by row, if they are stored in 16 bits.
    #[must_use]
    pub fn halves(&self) -> Option<Halves<'_>> {
        match self.data {
            Data::Halves(data) => Some(data),
            _ => None,
        }
    }

    /// All numbers, row by row, unless they are on a CUDA device or stored in 16 bits. If there is no [`Self::fault`], batches times `rows`
    /// times `dim` of them.
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

    /// The memory that they are in, if that is one of a CUDA device.
    #[must_use]
    pub fn memory(&self) -> Option<&Arc<dyn Memory>> {
        match &self.data {
            Data::Array(Array::Cuda(memory, _)) => Some(memory),
            _ => None,
        }
    }

    /// The array that they are in, if they are in one.
    #[must_use]
    pub fn kept(&self) -> Option<&Array<T>> {
        match &self.data {
            Data::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The CUDA device that they are on, if they are on one.
    #[must_use]
    pub fn device(&self) -> Option<Device> {
        self.memory().map(|memory| Device::Cuda(memory.ordinal()))
    }

    /// How many numbers.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Array(data) => data.len(),
            Data::Halves(data) => data.len(),
            _ => self.host().map_or(0, <[T]>::len),
        }
    }

    /// Whether there are no numbers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows `range` of a view of one batch, if they are on the host.
    #[must_use]
    pub fn part(&self, range: core::ops::Range<usize>) -> Option<View<'_, T>> {
        let data = self.host()?.get(range.start.checked_mul(self.dim)?..range.end.checked_mul(self.dim)?)?;
        Some(View {
            data: Data::Borrowed(data),
            dim: self.dim,
            rows: range.len(),
            batch: Vec::new(),
            fault: self.fault,
        })
    }

    /// Numbers in a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many rows a batch has; all rows, if they could not be shared out.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// What is wrong, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Says what is wrong, with the name of the variable.
    ///
    /// # Errors
    /// [`Error::FlatLength`], [`Error::Dimension`], [`Error::ParameterLength`] or [`Error::BatchRows`], if there is a
    /// [`Self::fault`].
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

impl<'a, T: Element> View<'a, T> {
    /// The same view, with numbers that were stored in 16 bits as numbers that are computed with.
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

/// Rows of `D` numbers of type `T`: an argument for a variable `Vi<D>` or `Vj<D>`.
///
/// References to `[[T; D]]`, `Vec<[T; D]>`, `[[T; D]; N]`, [`Rows<T, D>`](crate::rows::Rows) and
/// [`DeviceRows<T, D>`](crate::array::DeviceRows), and flat ones, row after row: `[T]`, `Vec<T>` and `[T; N]`. Where `T` is `f32` they may be stored as `f16` or `bf16`: see
/// [`halves`](crate::halves). Arrays and matrices of other crates: see [`interfaces`](crate::interfaces).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not rows of dimension {D} with elements of type `{T}`",
    label = "expected rows of dimension {D}",
    note = "rows are references: `&Vec<[{T}; {D}]>`, `&[[{T}; {D}]]`, `&Rows<{T}, {D}>`, or flat, as `&[{T}]`"
)]
pub trait AsRows<'a, T: Element, const D: usize> {
    /// The rows, borrowed.
    #[allow(clippy::wrong_self_convention, reason = "`self` is a reference, or becomes the view")]
    fn as_rows(self) -> View<'a, T>;
}

/// `D` numbers of type `T`: an argument for a parameter `Pm<D>`.
///
/// A number (for `Pm<1>`), an array `[T; D]`, or a reference to `[T; D]`, `[T]`, `Vec<T>`, or a
/// [`Rows<T, D>`](crate::rows::Rows) or [`DeviceRows<T, D>`](crate::array::DeviceRows) of one row.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a parameter of dimension {D} with elements of type `{T}`",
    label = "expected a parameter of dimension {D}",
    note = "a parameter is `[{T}; {D}]` or `&[{T}]`; one of dimension 1 may be a `{T}`"
)]
pub trait AsParameter<'a, T: Element, const D: usize> {
    /// The parameter, borrowed or copied.
    #[allow(clippy::wrong_self_convention, reason = "`self` is a reference or a small value")]
    fn as_parameter(self) -> View<'a, T>;
}
