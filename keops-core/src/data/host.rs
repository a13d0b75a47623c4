//! The numbers of arguments on the host, for computations outside of the engines.

use std::borrow::Cow;

use crate::{
    data::{Error, Stored, View, room},
    number::Scalar,
};

impl<'a, T: Scalar + Stored> View<'a, T> {
    /// The numbers, copied if they are on a CUDA device or stored in 16 bits.
    ///
    /// # Errors
    /// An error of the device; [`Error::OutputTooLarge`] if there is no memory for the copy.
    pub fn numbers(&self) -> Result<Cow<'_, [T]>, Error> {
        if let Some(halves) = self.halves() {
            return Ok(Cow::Owned(halves.widen()));
        }
        let Some(memory) = self.memory() else { return Ok(Cow::Borrowed(self.host().unwrap_or_default())) };
        let mut numbers = room(self.len(), 1)?;
        T::copy_from_device(&**memory, &mut numbers)?;
        Ok(Cow::Owned(numbers))
    }

    /// The same rows on the host, in the element type of the call.
    ///
    /// # Errors
    /// The errors of [`Self::numbers`].
    pub(crate) fn on_host(&self) -> Result<View<'a, T>, Error> {
        if self.host().is_some() {
            return Ok(self.clone());
        }
        Ok(View::from_owned(self.numbers()?.into_owned(), self.dim()).batched(self.batch()))
    }
}

/// The numbers of a view; `what` is the name of the argument.
///
/// # Errors
/// A fault of the view; the errors of [`View::numbers`].
pub(crate) fn numbers<'v, T: Scalar + Stored>(
    view: &'v View<'_, T>,
    what: &'static str,
) -> Result<Cow<'v, [T]>, Error> {
    view.check(what)?;
    view.numbers()
}
