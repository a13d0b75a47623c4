//! The numbers of arguments on the host, for what is computed outside of the engines.

use std::borrow::Cow;

use crate::{arguments::View, array::Stored, error::Error, number::Scalar};

/// The numbers of a view, copied if they are on a CUDA device or stored in 16 bits; `what` is the name of the argument.
///
/// # Errors
/// A view that does not consist of whole rows; whatever the device says.
pub(crate) fn numbers<'v, T: Scalar + Stored>(
    view: &'v View<'_, T>,
    what: &'static str,
) -> Result<Cow<'v, [T]>, Error> {
    view.check(what)?;
    if let Some(halves) = view.halves() {
        return Ok(Cow::Owned(halves.widen()));
    }
    let Some(memory) = view.memory() else { return Ok(Cow::Borrowed(view.host().unwrap_or_default())) };
    let mut numbers = vec![T::default(); view.len()];
    T::copy_from_device(&**memory, &mut numbers)?;
    Ok(Cow::Owned(numbers))
}
