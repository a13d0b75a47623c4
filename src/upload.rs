//! Copying arguments to a device.

use keops_core::{
    arguments::AsRows,
    call::Element,
    data::{Device, DeviceRows, Error},
};

/// A device to which arguments can be copied once for several calls.
///
/// ```
/// use keops::prelude::*;
///
/// keops! {
///     /// a_i = Σ_j exp(-|x_i - y_j|²) b_j
///     pub fn gaussian_product(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
/// }
///
/// # fn main() -> Result<(), keops::Error> {
/// let x = vec![[0.0_f32, 0.0, 0.0], [1.0, 0.0, 0.0]];
/// let x = Device::Auto.upload(&x)?; // on the first GPU, if there is one
/// let mut b = Device::Auto.upload(&[[1.0], [1.0]])?;
/// for _ in 0..3 {
///     b = gaussian_product(&x, &x, &b).eval_on_device()?; // nothing is copied
/// }
/// let b: Rows<f32, 1> = b.download()?;
/// # assert!((b[0][0] - (1.0 + (-1.0_f32).exp()).powi(3)).abs() < 1e-4);
/// # Ok(())
/// # }
/// ```
pub trait Upload {
    /// Copies rows to the device. [`Device::Auto`] is the first CUDA device, or memory of the host on a machine without
    /// one.
    ///
    /// # Errors
    /// There is no such device, its memory does not suffice, or the rows do not have D numbers each.
    /// [`Device::AllCuda`] is an error, since an array is on one device.
    ///
    /// ```
    /// # use keops::prelude::*;
    /// let rows: DeviceRows<f32, 2> = Device::Cpu.upload(&[[1.0, 2.0], [3.0, 4.0]])?;
    /// assert_eq!((rows.len(), rows.device()), (2, Device::Cpu));
    /// let nowhere: Result<DeviceRows<f32, 2>, Error> = Device::AllCuda.upload(&[[1.0, 2.0]]);
    /// assert_eq!(nowhere.unwrap_err(), Error::NotOnePlace);
    /// # Ok::<(), Error>(())
    /// ```
    fn upload<'a, T: Element, const D: usize>(self, rows: impl AsRows<'a, T, D>) -> Result<DeviceRows<T, D>, Error>;
}

impl Upload for Device {
    fn upload<'a, T: Element, const D: usize>(self, rows: impl AsRows<'a, T, D>) -> Result<DeviceRows<T, D>, Error> {
        let view = rows.as_rows();
        view.check("rows")?;
        let mut settings = crate::__private::settings();
        settings.device = self;
        let array = match view.kept() {
            Some(array) if array.device() == self || self == Device::Auto => array.clone(),
            _ => settings.upload(&view.numbers()?)?,
        };
        Ok(DeviceRows::from_array(array))
    }
}
