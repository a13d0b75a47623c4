//! Copying numbers to a device.

use crate::{
    call::Element,
    data::{Array, Device, Error},
    problem::Settings,
};

impl Settings {
    /// Copies numbers to the device of these settings. For [`Device::Auto`] it is the first CUDA device that can run
    /// kernels, if there is one, else the host.
    ///
    /// # Errors
    /// A device that does not exist; [`Device::AllCuda`], which is not one device; errors of the device.
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
