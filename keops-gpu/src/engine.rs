//! A pass, from the checked arguments to the results, on one device or on all.

use cust::error::CudaError;
use keops_core::{
    data::{Array, Error, Stored, To, View},
    number::Scalar,
    problem::{Outputs, Piece, Place, Problem, cuda::Devices},
    reduction::Total,
};

use crate::{
    Kernel,
    cut::Job,
    device::{self, Gpu},
    failure,
    memory::Resident,
    numbers::Numbers,
    pass::DevicePass,
};

/// Computes a_i = Reduction_j f(p, x_i, y_j) for all targets i on CUDA devices, for the formula and reduction that `kernel`
/// was compiled for.
///
/// # Errors
/// A device does not exist; arguments are on another device; results are to stay on several devices; a module lacks the
/// kernel; the pass needs more memory than is free; any error of the driver.
pub fn reduce<T: Scalar + Stored>(
    devices: Devices,
    kernel: &Kernel,
    problem: &Problem<'_, T>,
    outputs: &mut Outputs<'_, '_, T>,
) -> Result<(), Error> {
    let widened: Vec<_>;
    let mut views = problem.views();
    if views.iter().any(|view| view.halves().is_some()) {
        widened = views.iter().map(View::widened).collect();
        views = &widened;
    }
    let (shape, pairs, batches) = (problem.shape(), problem.pairs(), problem.batches());
    let Outputs { pieces, indices, .. } = outputs;
    let numbers = Numbers::new().ok_or_else(|| failure::no_kernel(kernel.signature.name, &kernel.name))?;
    let job = Job { shape, pattern: pairs.pattern, rows: [0, shape.rows()], variables: views.len() };
    let meter = pairs.meter(shape);
    let pass = DevicePass { kernel, numbers, views, batches, job, meter: meter.as_ref() };
    let mut ordinals = match devices {
        Devices::One(ordinal) => vec![ordinal],
        Devices::All => {
            device::devices()?;
            device::available().collect()
        }
    };
    ordinals.truncate(shape.rows().div_ceil(kernel.sizes.block_targets.max(1)).max(1));
    // where there is no device, opening the first one says why
    let first = ordinals.first().copied().unwrap_or(0);
    let is_array = |piece: &Piece<'_, T>| matches!(piece.to, To::Array(_));
    if devices == Devices::All && (pieces.iter().any(is_array) || matches!(indices, To::Array(_))) {
        return Err(Error::NotOnePlace);
    }
    let totals = match ordinals.len() {
        0 | 1 => pass.on(first, pieces, indices)?,
        _ => pass.on_all(&ordinals, pieces, indices)?,
    };
    leave_totals(first, numbers, &totals, pieces)?;
    if let Some(meter) = meter {
        meter.finish();
    }
    Ok(())
}

/// Copies numbers to memory of a CUDA device, where they stay.
///
/// # Errors
/// The device does not exist; the numbers need more memory than is free; any error of the driver.
///
/// ```
/// use keops_core::data::Error;
///
/// let error = keops_gpu::upload(999, &[1.0_f32, 2.0]).unwrap_err();
/// assert!(matches!(error, Error::NoCudaDevice { ordinal: 999, .. }));
/// if keops_gpu::is_available(0) {
///     assert_eq!(keops_gpu::upload(0, &[1.0_f32, 2.0])?.len(), 2);
/// }
/// # Ok::<(), Error>(())
/// ```
pub fn upload<T: Scalar + Stored>(ordinal: usize, from: &[T]) -> Result<Array<T>, Error> {
    let device = Gpu::open(ordinal)?;
    let numbers = Numbers::new().ok_or_else(|| failure::cuda("copying to the device", CudaError::InvalidValue))?;
    Resident::upload(&device, numbers, from).map(Resident::into_array)
}

/// Writes the totals of all columns to the pieces that are totals.
fn leave_totals<T: Scalar + Stored>(
    ordinal: usize,
    numbers: Numbers<T>,
    totals: &[Total],
    pieces: &mut [Piece<'_, T>],
) -> Result<(), Error> {
    let mut columns = totals.iter();
    for piece in pieces {
        let of_piece = columns.by_ref().take(piece.width);
        if piece.place != Place::Total {
            of_piece.for_each(drop);
            continue;
        }
        let rounded = of_piece.map(|total| T::of_f64(total.value()));
        match &mut piece.to {
            To::Host(to) => to.iter_mut().zip(rounded).for_each(|(to, total)| *to = total),
            To::Array(array) => {
                let rounded: Vec<T> = rounded.collect();
                **array = Resident::upload(&Gpu::open(ordinal)?, numbers, &rounded)?.into_array();
            }
        }
    }
    Ok(())
}
