//! Devices, and what is kept for each: its context, its modules, and its workspaces, each a stream and memory for a pass.
//!
//! The context is the primary context of the device, which other CUDA code in the program shares. It is retained at the
//! first call and never released: a program may call at any time until it ends, and the driver ends with it.

use core::ptr;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use cust::{
    context::{Context, CurrentContext},
    device::DeviceAttribute,
    error::{CudaError, CudaResult},
    function::FunctionAttribute,
    module::Module,
    stream::{Stream, StreamFlags},
    sys::{self, CUcontext, CUresult},
};
use keops_core::data::Error;
use keops_driver::Status;

use crate::{
    Kernel, failure,
    memory::{Allocation, free_bytes},
    staging::Staging,
};

/// The code `CUDA_ERROR_NO_DEVICE`: the driver works, but there is no device.
const NO_DEVICE: u32 = CudaError::NoDevice as u32;

/// The major compute capability that kernels are compiled for: sm_80.
const LEAST_CAPABILITY: i32 = 8;

/// The number of CUDA devices; 0 without a driver.
///
/// # Errors
/// A driver is installed, but does not work.
///
/// ```
/// let count = keops_gpu::devices()?; // 0 on a machine without a GPU
/// for ordinal in 0..count {
///     println!("device {ordinal}: {}", if keops_gpu::is_available(ordinal) { "used" } else { "too old" });
/// }
/// assert!(!keops_gpu::is_available(count)); // they are numbered from 0
/// # Ok::<(), keops_core::data::Error>(())
/// ```
pub fn devices() -> Result<usize, Error> {
    match keops_driver::status() {
        Status::NoLibrary { .. } | Status::Failed { code: NO_DEVICE, .. } => Ok(0),
        Status::Failed { operation, code } => Err(failure::failed(*operation, *code)),
        Status::Devices(count) => Ok(*count),
    }
}

/// Whether there is a CUDA device of this number, new enough for the kernels that `keops` compiles by default (sm_80). Only the
/// first call takes time.
///
/// ```
/// use keops_core::data::Device;
///
/// // what `Device::Auto` chooses, for formulas that have kernels
/// let device = if keops_gpu::is_available(0) { Device::Cuda(0) } else { Device::Cpu };
/// println!("calls run on {device}");
/// assert!(!keops_gpu::is_available(usize::MAX));
/// ```
#[must_use]
pub fn is_available(ordinal: usize) -> bool {
    devices().is_ok_and(|count| ordinal < count) && capability(ordinal).is_none_or(|major| major >= LEAST_CAPABILITY)
}

/// The numbers of the devices that are available.
pub(crate) fn available() -> impl Iterator<Item = usize> {
    (0..devices().unwrap_or(0)).filter(|&ordinal| is_available(ordinal))
}

/// Whether a device has room for the local memory of a kernel. Where the device cannot be asked, the answer is yes, and the call
/// has the error.
pub(crate) fn has_room(ordinal: usize, kernel: &Kernel) -> bool {
    // most kernels, for which the driver need not be asked
    if kernel.sizes.local_bytes <= SMALL_LOCAL_BYTES / 4 {
        return true;
    }
    let check = || {
        let device = Gpu::open(ordinal)?;
        let _restore = device.make_current()?;
        // the driver knows how much local memory the kernel has besides its targets
        let loaded = device.module(kernel, &kernel.name)?;
        device.check_local(loaded.local_bytes)
    };
    !matches!(check(), Err(Error::DeviceMemory { .. }))
}

/// The bytes of local memory that every device has for each of its threads.
const SMALL_LOCAL_BYTES: usize = 16 << 10;

/// The major number of a device's compute capability, if the driver returns it.
fn capability(ordinal: usize) -> Option<i32> {
    let device = cust::device::Device::get_device(u32::try_from(ordinal).ok()?).ok()?;
    device.get_attribute(DeviceAttribute::ComputeCapabilityMajor).ok()
}

/// The compute capability of a device (90 for 9.0), if the driver returns it.
fn whole_capability(device: cust::device::Device) -> Option<u32> {
    let number = |attribute| u32::try_from(device.get_attribute(attribute).ok()?).ok();
    let major = number(DeviceAttribute::ComputeCapabilityMajor)?;
    Some(10 * major + number(DeviceAttribute::ComputeCapabilityMinor)?)
}

/// The place of a module. Its lock is kept while the driver compiles: a thread that needs the same module must wait anyway,
/// and after a failure the next thread tries again.
type Slot = Mutex<Option<Arc<LoadedModule>>>;

/// A module that the driver has loaded.
#[derive(Debug)]
pub(crate) struct LoadedModule {
    pub(crate) module: Module,
    /// The local memory of a thread of its entry point, in bytes; 0 if the driver does not return it.
    pub(crate) local_bytes: usize,
}

impl LoadedModule {
    fn new(module: Module, entry: &str) -> Self {
        let function = module.get_function(entry);
        let bytes = function.and_then(|function| function.get_attribute(FunctionAttribute::LocalSizeBytes));
        let local_bytes = bytes.ok().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
        Self { module, local_bytes }
    }
}

/// A device that calls run on.
#[derive(Debug)]
pub(crate) struct Gpu {
    ordinal: usize,
    context: Context,
    /// The number of multiprocessors.
    pub(crate) multiprocessors: usize,
    /// The memory of the device, in bytes.
    pub(crate) memory: usize,
    /// The number of threads that the device can run at a time, if the driver returns it.
    threads: Option<usize>,
    /// The bytes that the driver has reserved for the local memory of threads, and keeps, as far as kernels of this crate needed
    /// them.
    reserved: AtomicUsize,
    /// The compute capability (90 for 9.0), if the driver returns it.
    capability: Option<u32>,
    /// The modules that are loaded or being loaded, by the address and the length of their text.
    modules: Mutex<HashMap<(usize, usize), Arc<Slot>>>,
    /// The workspaces that no pass uses; the last one was used last.
    workspaces: Mutex<Vec<Workspace>>,
}

/// The devices that were opened.
static DEVICES: Mutex<BTreeMap<usize, Arc<Gpu>>> = Mutex::new(BTreeMap::new());

/// Locks a mutex, also if a thread panicked while it held the lock: the maps behind it have complete entries only.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gpu {
    /// Opens the device of this number, or returns the opened one.
    pub(crate) fn open(ordinal: usize) -> Result<Arc<Self>, Error> {
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
        let capability = whole_capability(device);
        // making a context makes it current; the context that was current is restored
        let _restore = Restore::new();
        let context = Context::new(device).map_err(failed)?;
        let multiprocessors = usize::try_from(count).unwrap_or(1);
        let threads = device.get_attribute(DeviceAttribute::MaxThreadsPerMultiprocessor).ok();
        let threads = threads.and_then(|threads| multiprocessors.checked_mul(usize::try_from(threads).ok()?));
        let (modules, workspaces, reserved) = (Mutex::default(), Mutex::default(), AtomicUsize::new(0));
        Ok(Self { ordinal, context, multiprocessors, memory, threads, reserved, capability, modules, workspaces })
    }

    /// The bytes that the driver reserves, for all threads at a time, where each has so much local memory. `None` where that is
    /// little, or not known.
    fn reserves(&self, local_bytes: usize) -> Option<usize> {
        let threads = self.threads.filter(|_| local_bytes > SMALL_LOCAL_BYTES)?;
        Some(local_bytes.saturating_mul(threads))
    }

    /// The most local memory of a thread, in bytes, for which no more than half of the device's memory is reserved.
    pub(crate) fn most_local_bytes(&self) -> usize {
        let share = self.threads.and_then(|threads| (self.memory / 2).checked_div(threads));
        share.map_or(usize::MAX, |share| share.max(SMALL_LOCAL_BYTES))
    }

    /// Checks that there is room for so much local memory of each thread. The device must be current.
    ///
    /// # Errors
    /// The local memory takes more than is free; any error of the driver.
    fn check_local(&self, local_bytes: usize) -> Result<(), Error> {
        let Some(needed) = self.reserves(local_bytes) else { return Ok(()) };
        let reserved = self.reserved.load(Ordering::Relaxed);
        if needed <= reserved {
            return Ok(());
        }
        if needed > self.memory {
            return Err(failure::memory(needed, self.memory));
        }
        let free = || Ok(free_bytes()?.saturating_add(reserved));
        if needed > free()? {
            self.release_idle();
            let free = free()?;
            if needed > free {
                return Err(failure::memory(needed, free));
            }
        }
        Ok(())
    }

    /// Launches a kernel that has so much local memory for each thread.
    ///
    /// # Errors
    /// The error of the launch; or too little memory for the threads, with the needed and the free bytes.
    pub(crate) fn with_local(
        &self,
        local_bytes: usize,
        launch: impl Fn() -> CudaResult<()>,
    ) -> Result<(), LaunchError> {
        let Some(needed) = self.reserves(local_bytes) else { return launch().map_err(LaunchError::Failed) };
        if needed > self.memory {
            return Err(LaunchError::Memory(failure::memory(needed, self.memory)));
        }
        // The launch is tried whatever is free: the driver may have reserved the memory for other code.
        let mut launched = launch();
        if launched == Err(CudaError::OutOfMemory) {
            self.release_idle();
            launched = launch();
        }
        match launched {
            Ok(()) => {
                self.reserved.fetch_max(needed, Ordering::Relaxed);
                Ok(())
            }
            Err(CudaError::OutOfMemory) if needed > self.reserved.load(Ordering::Relaxed) => {
                let free = free_bytes().unwrap_or(0).saturating_add(self.reserved.load(Ordering::Relaxed));
                Err(LaunchError::Memory(failure::memory(needed, free)))
            }
            Err(error) => Err(LaunchError::Failed(error)),
        }
    }

    /// The number of the device.
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

    /// The module of an entry point of a kernel, loaded when it is first launched: its binary, or else the driver compiles it
    /// then. The device must be current.
    pub(crate) fn module(&self, kernel: &Kernel, entry: &str) -> Result<Arc<LoadedModule>, Error> {
        let ptx = kernel.module(entry).filter(|_| !entry.contains('\0')); // `cust` would panic.
        let ptx = ptx.ok_or_else(|| failure::no_kernel(kernel.signature.name, entry))?;
        let key = (ptx.as_ptr().addr(), ptx.len());
        let slot = Arc::clone(lock(&self.modules).entry(key).or_default());
        let mut slot = lock(&slot);
        if let Some(module) = &*slot {
            return Ok(Arc::clone(module));
        }
        let failed = |error| failure::cuda(format!("loading the kernel {entry}"), error);
        if ptx.contains('\0') {
            return Err(failed(CudaError::InvalidPtx)); // `cust` would panic.
        }
        // A binary that the driver does not take, of a newer assembler say, is no error: there is the text.
        let cubin = self.capability.and_then(|capability| kernel.cubin(entry, capability));
        let module = match cubin.and_then(|cubin| Module::from_cubin(cubin, &[]).ok()) {
            Some(module) => module,
            None => Module::from_ptx(ptx, &[]).map_err(failed)?,
        };
        Ok(Arc::clone(slot.insert(Arc::new(LoadedModule::new(module, entry)))))
    }

    /// Runs a pass with a workspace that no other pass uses meanwhile: one that is kept, or a new one. The device must be current.
    pub(crate) fn with_workspace<R>(&self, call: impl FnOnce(&mut Workspace) -> Result<R, Error>) -> Result<R, Error> {
        // The lock is not kept: passes of several threads run at a time.
        let kept = lock(&self.workspaces).pop();
        let mut workspace = match kept {
            Some(workspace) => workspace,
            None => Workspace::new()?,
        };
        let result = call(&mut workspace);
        workspace.trim();
        let mut workspaces = lock(&self.workspaces);
        if workspaces.len() < KEPT_WORKSPACES {
            workspaces.push(workspace);
        }
        result
    }

    /// Frees the memory of the workspaces that no pass uses, for a pass that needs more than is free. The device must be current.
    pub(crate) fn release_idle(&self) {
        lock(&self.workspaces).iter_mut().for_each(Workspace::release);
    }

    /// Frees all workspaces that no pass uses.
    fn release_workspaces(&self) -> Result<(), Error> {
        let _restore = self.make_current()?;
        lock(&self.workspaces).clear();
        Ok(())
    }
}

/// Frees what is kept for the next calls on all devices: streams, page-locked memory, and memory of the devices. Contexts and
/// modules stay. Calls that run meanwhile are not disturbed.
///
/// # Errors
/// The driver cannot switch to a device.
///
/// ```
/// keops_gpu::release_kept()?; // before another program on the machine needs the memory
/// keops_gpu::release_kept()?; // nothing is kept any more, which is no error
/// # Ok::<(), keops_core::data::Error>(())
/// ```
pub fn release_kept() -> Result<(), Error> {
    let devices: Vec<_> = lock(&DEVICES).values().cloned().collect();
    devices.iter().try_for_each(|device| device.release_workspaces())
}

/// The reason why a kernel was not launched.
pub(crate) enum LaunchError {
    /// There is too little memory for the threads of the kernel.
    Memory(Error),
    Failed(CudaError),
}

/// The most workspaces that a device keeps. Further passes that run at the same time make and free their own.
const KEPT_WORKSPACES: usize = 8;

/// The most memory that a workspace keeps, in bytes.
const KEPT: usize = 64 << 20;

/// A stream of a device, and memory, for one pass at a time; both are kept for the next pass. A workspace belongs to the context
/// of the device, which must be current wherever the workspace is used or dropped, and to no thread.
#[derive(Debug)]
pub(crate) struct Workspace {
    // fields are dropped in this order: memory before the stream
    scratch: Option<Allocation>,
    staging: Staging,
    stream: Stream,
}

impl Workspace {
    fn new() -> Result<Self, Error> {
        let stream = Stream::new(StreamFlags::DEFAULT, None);
        let stream = stream.map_err(|error| failure::cuda("making a stream", error))?;
        Ok(Self { scratch: None, staging: Staging::default(), stream })
    }

    /// The buffers for copies, and the stream, which has no work yet.
    pub(crate) fn staging(&mut self) -> (&mut Staging, &Stream) {
        self.staging.idle();
        (&mut self.staging, &self.stream)
    }

    /// The memory that the workspace has already, in bytes.
    pub(crate) fn scratch_bytes(&self) -> usize {
        self.scratch.as_ref().map_or(0, Allocation::bytes)
    }

    /// Frees the memory.
    pub(crate) fn release(&mut self) {
        self.scratch = None;
    }

    /// Allocation of at least so many bytes, the buffers for copies, and the stream, which has no work yet.
    pub(crate) fn scratch(&mut self, bytes: usize) -> Result<(&Allocation, &mut Staging, &Stream), Error> {
        let Self { scratch, staging, stream } = self;
        staging.idle();
        if scratch.as_ref().is_none_or(|scratch| scratch.bytes() < bytes) {
            *scratch = None;
        }
        let scratch = match scratch {
            Some(scratch) => scratch,
            none => none.insert(Allocation::allocate(bytes)?),
        };
        Ok((scratch, staging, stream))
    }

    /// Frees the memory if it is too much to keep.
    fn trim(&mut self) {
        if self.scratch_bytes() > KEPT {
            self.release();
        }
    }
}

/// A guard that restores the current context of the thread when it is dropped; no context is current then if none was before.
#[derive(Debug)]
pub(crate) struct Restore(Option<CUcontext>);

impl Restore {
    fn new() -> Self {
        let mut current: CUcontext = ptr::null_mut();
        // SAFETY: `current` may be written.
        let answer = unsafe { sys::cuCtxGetCurrent(&raw mut current) };
        // null stands for no context; a context that the driver does not return is not restored
        Self((answer == CUresult::CUDA_SUCCESS).then_some(current))
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(current) = self.0 {
            // SAFETY: the context that the driver returned on this thread, which the guard does not leave, since it holds a pointer.
            let _ = unsafe { sys::cuCtxSetCurrent(current) };
        }
    }
}
