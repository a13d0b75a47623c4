//! Numbers that are left on a device.

use crate::{
    call::Element,
    data::{Array, Device, Error},
    problem::Settings,
};

impl Settings {
    /// Leaves numbers on the device: for [`Device::Auto`] the first CUDA device that can run kernels, if
    /// there is one, else the host.
    ///
    /// # Errors
    /// No such device; [`Device::AllCuda`], which is not one place; whatever the device says.
    ///
    /// ```
    /// # use keops_core::{data::{Device, Error}, problem::Settings};
    /// let mut settings = Settings::default(); // without an engine for CUDA
    /// assert_eq!(settings.upload(&[1.0_f32, 2.0])?.device(), Device::Cpu);
    /// settings.device = Device::AllCuda;
    /// assert_eq!(settings.upload(&[1.0_f32, 2.0]).unwrap_err(), Error::NotOnePlace);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn upload<T: Element>(&self, numbers: &[T]) -> Result<Array<T>, Error> {
        let here = || Array::Host(numbers.to_vec().into());
        match (self.device, self.cuda) {
            (Device::Cpu, _) | (Device::Auto, None) => Ok(here()),
            (Device::Auto, Some(engines)) => match engines.first_available() {
                Some(ordinal) => T::engines(engines).upload(ordinal, numbers),
                None => Ok(here()),
            },
            (Device::Cuda(ordinal), Some(engines)) => T::engines(engines).upload(ordinal, numbers),
            (Device::Cuda(_), None) => Err(Error::BuiltWithoutCuda),
            (Device::AllCuda, _) => Err(Error::NotOnePlace),
        }
    }
}
