//! Devices, and what is kept for each: its context, its modules, a stream and some memory for each thread.
//!
//! The context is the primary one of the device, which other CUDA code in the program shares. It is retained at the
//! first call and never released: a program may call at any time until it ends, and the driver ends with it.

use core::ptr;
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cust::{
    context::{Context, CurrentContext},
    device::DeviceAttribute,
    error::CudaError,
    module::Module,
    stream::{Stream, StreamFlags},
    sys::{self, CUcontext},
};
use keops_core::error::Error;
use keops_driver::Status;

use crate::{Kernel, failure, memory::Memory, staging::Staging};

/// `CUDA_ERROR_NO_DEVICE`: the driver works, but has nothing to drive.
const NO_DEVICE: u32 = CudaError::NoDevice as u32;

/// The major compute capability that kernels are compiled for: sm_80.
const LEAST_CAPABILITY: i32 = 8;

/// How many CUDA devices there are: 0 without a driver.
///
/// # Errors
/// A driver that is there, but does not work.
pub fn devices() -> Result<usize, Error> {
    match keops_driver::status() {
        Status::NoLibrary { .. } | Status::Failed { code: NO_DEVICE, .. } => Ok(0),
        Status::Failed { operation, code } => Err(failure::failed(*operation, *code)),
        Status::Devices(count) => Ok(*count),
    }
}

/// Whether there is a CUDA device of this number, new enough for the kernels that `keops` compiles unless told
/// otherwise. Only the first call takes time.
#[must_use]
pub fn is_available(ordinal: usize) -> bool {
    devices().is_ok_and(|count| ordinal < count) && capability(ordinal).is_none_or(|major| major >= LEAST_CAPABILITY)
}

/// The major number of a device's compute capability, if the driver tells.
fn capability(ordinal: usize) -> Option<i32> {
    let device = cust::device::Device::get_device(u32::try_from(ordinal).ok()?).ok()?;
    device.get_attribute(DeviceAttribute::ComputeCapabilityMajor).ok()
}

/// A device that calls run on.
#[derive(Debug)]
pub(crate) struct Device {
    ordinal: usize,
    context: Context,
    /// How many multiprocessors it has.
    pub(crate) multiprocessors: usize,
    /// How much memory it has, in bytes.
    pub(crate) memory: usize,
    /// The modules that were loaded, by where their text is and how long it is.
    modules: Mutex<HashMap<(usize, usize), Arc<Module>>>,
}

/// What a mutex guards, also if a thread panicked meanwhile: maps whose entries are complete.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device {
    /// The device of this number.
    pub(crate) fn open(ordinal: usize) -> Result<Arc<Self>, Error> {
        static DEVICES: Mutex<BTreeMap<usize, Arc<Device>>> = Mutex::new(BTreeMap::new());

        let status = keops_driver::status();
        if !matches!(status, Status::Devices(count) if ordinal < *count) {
            return Err(failure::no_device(ordinal, status));
        }
        let mut devices = lock(&DEVICES);
        if let Some(device) = devices.get(&ordinal) {
            return Ok(Arc::clone(device));
        }
        let device = Arc::new(Self::new(ordinal)?);
        devices.insert(ordinal, Arc::clone(&device));
        Ok(device)
    }

    fn new(ordinal: usize) -> Result<Self, Error> {
        let failed = |error| failure::cuda(format!("opening the CUDA device {ordinal}"), error);
        let number = u32::try_from(ordinal).map_err(|_| failed(CudaError::InvalidDevice))?;
        let device = cust::device::Device::get_device(number).map_err(failed)?;
        let count = device.get_attribute(DeviceAttribute::MultiprocessorCount).map_err(failed)?;
        let memory = device.total_memory().map_err(failed)?;
        // Making a context makes it current; what was current comes back.
        let _restore = Restore::new();
        let context = Context::new(device).map_err(failed)?;
        let multiprocessors = usize::try_from(count).unwrap_or(1);
        Ok(Self { ordinal, context, multiprocessors, memory, modules: Mutex::default() })
    }

    /// Its number.
    pub(crate) fn ordinal(&self) -> usize {
        self.ordinal
    }

    /// Makes the device the current one of this thread, until the guard is dropped.
    pub(crate) fn make_current(&self) -> Result<Restore, Error> {
        let restore = Restore::new();
        CurrentContext::set_current(&self.context)
            .map_err(|error| failure::cuda(format!("switching to the CUDA device {}", self.ordinal), error))?;
        Ok(restore)
    }

    /// The module of an entry point of a kernel, loaded when it is first launched: the driver compiles it then. The device
    /// must be current.
    pub(crate) fn module(&self, kernel: &Kernel, entry: &str) -> Result<Arc<Module>, Error> {
        let ptx = kernel.module(entry).filter(|_| !entry.contains('\0')); // `cust` would panic.
        let ptx = ptx.ok_or_else(|| failure::no_kernel(kernel.formula, entry))?;
        let key = (ptx.as_ptr().addr(), ptx.len());
        // The lock is kept while the driver compiles: a thread that wants the same module must wait anyway.
        let mut modules = lock(&self.modules);
        if let Some(module) = modules.get(&key) {
            return Ok(Arc::clone(module));
        }
        let failed = |error| failure::cuda(format!("loading the kernel {entry}"), error);
        if ptx.contains('\0') {
            return Err(failed(CudaError::InvalidPtx)); // `cust` would panic.
        }
        let module = Arc::new(Module::from_ptx(ptx, &[]).map_err(failed)?);
        modules.insert(key, Arc::clone(&module));
        Ok(module)
    }

    /// Runs a call with what this thread keeps for the device, made at the first call. The device must be current.
    pub(crate) fn with_lane<R>(self: &Arc<Self>, call: impl FnOnce(&mut Lane) -> Result<R, Error>) -> Result<R, Error> {
        thread_local! {
            static LANES: RefCell<Vec<Lane>> = const { RefCell::new(Vec::new()) };
        }
        // It is taken out, not borrowed, so that nothing can find it in use. In a thread that is ending there is no
        // place to keep one, and it lives for this call.
        let kept = LANES.try_with(|lanes| {
            let mut lanes = lanes.borrow_mut();
            let at = lanes.iter().position(|lane| lane.device.ordinal == self.ordinal)?;
            Some(lanes.swap_remove(at))
        });
        let mut lane = match kept.ok().flatten() {
            Some(lane) => lane,
            None => Lane::new(self)?,
        };
        let result = call(&mut lane);
        lane.trim();
        let mut lane = Some(lane);
        let _ = LANES.try_with(|lanes| lanes.borrow_mut().extend(lane.take()));
        result
    }
}

/// Memory up to this size is kept for the next call.
const KEPT: usize = 64 << 20;

/// What a thread keeps for a device: its stream, and memory for its next call.
#[derive(Debug)]
pub(crate) struct Lane {
    device: Arc<Device>,
    /// None once it is being dropped.
    parts: Option<Parts>,
}

/// Memory is let go before the stream.
#[derive(Debug)]
struct Parts {
    scratch: Option<Memory>,
    staging: Staging,
    stream: Stream,
}

impl Lane {
    fn new(device: &Arc<Device>) -> Result<Self, Error> {
        let stream = Stream::new(StreamFlags::DEFAULT, None);
        let stream = stream.map_err(|error| failure::cuda("making a stream", error))?;
        let parts = Parts { scratch: None, staging: Staging::default(), stream };
        Ok(Self { device: Arc::clone(device), parts: Some(parts) })
    }

    fn parts(&mut self) -> &mut Parts {
        self.parts.as_mut().expect("there until it is dropped")
    }

    /// What copies go through, and the stream that they are on. There is nothing on it yet.
    pub(crate) fn staging(&mut self) -> (&mut Staging, &Stream) {
        let Parts { staging, stream, .. } = self.parts();
        staging.idle();
        (staging, stream)
    }

    /// How much memory is there already, in bytes.
    pub(crate) fn scratch_bytes(&mut self) -> usize {
        self.parts().scratch.as_ref().map_or(0, Memory::bytes)
    }

    /// Lets that memory go.
    pub(crate) fn release(&mut self) {
        self.parts().scratch = None;
    }

    /// Memory of at least so many bytes, what copies go through, and the stream. There is nothing on it yet.
    pub(crate) fn scratch(&mut self, bytes: usize) -> Result<(&Memory, &mut Staging, &Stream), Error> {
        let Parts { scratch, staging, stream } = self.parts();
        staging.idle();
        if scratch.as_ref().is_none_or(|scratch| scratch.bytes() < bytes) {
            *scratch = None;
        }
        let scratch = match scratch {
            Some(scratch) => scratch,
            none => none.insert(Memory::allocate(bytes)?),
        };
        Ok((scratch, staging, stream))
    }

    /// Lets memory go that is too much to keep.
    fn trim(&mut self) {
        if self.scratch_bytes() > KEPT {
            self.release();
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // without its device there is no way to let things go, and nobody to tell
        let _restore = self.device.make_current();
        self.parts = None;
    }
}

/// Makes the context current again that was so before, when it is dropped.
#[derive(Debug)]
pub(crate) struct Restore(CUcontext);

impl Restore {
    fn new() -> Self {
        let mut current: CUcontext = ptr::null_mut();
        // SAFETY: `current` may be written. If the driver fails, it stays null, and nothing is restored.
        let _ = unsafe { sys::cuCtxGetCurrent(&raw mut current) };
        Self(current)
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: a handle that the driver gave on this thread: a guard holds a pointer, so it does not leave it.
            let _ = unsafe { sys::cuCtxSetCurrent(self.0) };
        }
    }
}
