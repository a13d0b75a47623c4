//! The numbers of arguments on the host, for what is computed outside of the engines.

use std::borrow::Cow;

use crate::{
    arguments::{Fault, View},
    error::Error,
    real::Element,
};

/// The numbers of a view, copied if they are on a CUDA device or stored in 16 bits; `what` is the name of the argument.
///
/// # Errors
/// A view that does not consist of whole rows; whatever the device says.
pub(crate) fn numbers<'v, T: Element>(view: &'v View<'_, T>, what: &'static str) -> Result<Cow<'v, [T]>, Error> {
    let (len, dim) = (view.len(), view.dim());
    match view.fault() {
        Some(Fault::FlatLength) => return Err(Error::FlatLength { variable: what, len, dim }),
        Some(Fault::ParameterLength) => return Err(Error::ParameterLength { variable: what, len, dim }),
        Some(Fault::Batch) => {
            return Err(Error::BatchRows { variable: what, rows: view.rows(), batch: view.batch().to_vec() });
        }
        None => {}
    }
    if let Some(halves) = view.halves() {
        return Ok(Cow::Owned(halves.widen()));
    }
    let Some(memory) = view.memory() else { return Ok(Cow::Borrowed(view.host().unwrap_or_default())) };
    let mut numbers = vec![T::default(); len];
    T::copy_from_device(&**memory, &mut numbers)?;
    Ok(Cow::Owned(numbers))
}
