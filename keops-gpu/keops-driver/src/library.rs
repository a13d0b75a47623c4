//! The driver, which is opened once, and its functions, each of which is looked up once.

use core::{
    ffi::{CStr, c_void},
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};
use std::sync::OnceLock;

use libloading::Library;

/// The file name of the driver, for which the system searches its folders of libraries.
const NAME: &str = if cfg!(windows) {
    "nvcuda.dll"
} else if cfg!(target_vendor = "apple") {
    "libcuda.dylib"
} else {
    "libcuda.so.1"
};

/// The driver, opened once and never closed, since the addresses of its functions are kept.
///
/// # Errors
/// The library cannot be opened; the error is the system's message.
pub(crate) fn library() -> Result<&'static Library, &'static str> {
    static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();
    // SAFETY: loading runs the initializers of the library of this name on the system's search path. Those of the driver have
    // no conditions; whoever puts another library in its place answers for it.
    let opened = LIBRARY.get_or_init(|| unsafe { Library::new(NAME) }.map_err(|error| with_sources(&error)));
    opened.as_ref().map_err(String::as_str)
}

/// The text of an error and of its causes: on some systems only the cause says what is missing.
fn with_sources(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The reason why a function cannot be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is no driver.
    Library,
    /// The driver has no such function.
    Function,
}

/// A function of the driver, looked up once.
pub(crate) struct Function {
    name: &'static CStr,
    /// Null until the function is found.
    address: AtomicPtr<c_void>,
}

impl Function {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The address of the function, which is not null. `own` is the address of the function of the same name in this crate.
    #[inline]
    pub(crate) fn address(&self, own: *const c_void) -> Result<*mut c_void, Missing> {
        let known = self.address.load(Ordering::Acquire);
        if known.is_null() { self.find(own) } else { Ok(known) }
    }

    #[cold]
    fn find(&self, own: *const c_void) -> Result<*mut c_void, Missing> {
        let library = library().map_err(|_| Missing::Library)?;
        // SAFETY: the symbol is only read as the address of a function, which every symbol of such a name is.
        let found = unsafe { library.get::<*mut c_void>(self.name) }.map_err(|_| Missing::Function)?;
        let address = *found;
        // A library that finds its symbols in this program would have us call ourselves forever.
        if address.is_null() || ptr::eq(address, own) {
            return Err(Missing::Function);
        }
        self.address.store(address, Ordering::Release);
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_there_is_not() {
        static FUNCTION: Function = Function::new(c"cuThereIsNoSuchFunction");
        let missing = if library().is_ok() { Missing::Function } else { Missing::Library };
        assert_eq!(FUNCTION.address(ptr::null()), Err(missing));
        assert_eq!(FUNCTION.address(ptr::null()), Err(missing), "the second time as the first");
    }

    #[test]
    fn what_is_missing_is_named() {
        if let Err(reason) = library() {
            assert!(reason.contains(NAME), "{reason}");
        }
    }
}
