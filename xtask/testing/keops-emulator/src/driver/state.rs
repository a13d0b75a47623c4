//! The state of the driver: devices, contexts, handles.
//!
//! Contract: one lock guards all of it; the current contexts belong to the thread, as in CUDA.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::device::{Device, Kernel, Module, Options};
use crate::error::{Error, code};

/// A handle that the caller holds.
pub(crate) type Handle = usize;

/// A context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) device: usize,
    pub(crate) flags: u32,
}

/// The primary context of a device.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Primary {
    pub(crate) handle: Handle,
    pub(crate) users: u32,
    pub(crate) flags: u32,
}

/// The devices, the contexts and the objects behind all handles.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) devices: Vec<Device>,
    pub(crate) ready: bool,
    pub(crate) contexts: HashMap<Handle, Context>,
    pub(crate) primaries: Vec<Primary>,
    pub(crate) modules: HashMap<Handle, (usize, Module)>,
    pub(crate) functions: HashMap<Handle, (usize, Kernel)>,
    /// The flags and the priority of each stream.
    pub(crate) streams: HashMap<Handle, (u32, i32)>,
    /// The time at which each event was recorded.
    pub(crate) events: HashMap<Handle, Option<Instant>>,
    next: Handle,
    last: String,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

thread_local! {
    static CURRENT: RefCell<Vec<Handle>> = const { RefCell::new(Vec::new()) };
}

/// The stack of the current contexts of this thread, the current one last.
pub(crate) fn stack<T>(function: impl FnOnce(&mut Vec<Handle>) -> T) -> T {
    CURRENT.with_borrow_mut(function)
}

fn locked<T>(function: impl FnOnce(&mut State) -> T) -> T {
    // A panic within a call leaves tables that are still whole, so the lock stays usable.
    let mut guard = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    function(guard.get_or_insert_default())
}

/// Runs the body of a driver function and gives its number.
pub(crate) fn run(function: impl FnOnce(&mut State) -> Result<(), Error>) -> u32 {
    locked(|state| {
        let result = if state.ready { function(state) } else { Err(Error::new(code::NOT_INITIALIZED, "no cuInit")) };
        state.finish(result)
    })
}

/// Does what [`run`] does, for a body that works on the device of the current context.
pub(crate) fn on_device(function: impl FnOnce(&mut Device) -> Result<(), Error>) -> u32 {
    run(|state| {
        let device = state.current()?.device;
        function(&mut state.devices[device])
    })
}

/// Checks that there is a current context, and that its device has no fault.
pub(crate) fn synchronize() -> u32 {
    on_device(|device| device.check())
}

/// Runs `cuInit`.
pub(crate) fn initialise() -> u32 {
    locked(|state| {
        let result = state.start();
        state.finish(result)
    })
}

/// The bytes that are allocated on all devices.
pub(crate) fn live_bytes() -> u64 {
    locked(|state| state.devices.iter().map(Device::live_bytes).sum())
}

/// The text of the last error.
pub(crate) fn last_error() -> String {
    locked(|state| state.last.clone())
}

impl State {
    fn start(&mut self) -> Result<(), Error> {
        if !self.ready {
            let text = std::env::var("KEOPS_EMULATOR_DEVICES").ok();
            let count = text.and_then(|text| text.trim().parse().ok()).unwrap_or(1).min(16);
            self.devices = (0..count).map(|number| Device::numbered(Options::from_env(), number)).collect();
            self.primaries = self.devices.iter().map(|_| Primary::default()).collect();
            self.ready = true;
        }
        if self.devices.is_empty() {
            return Err(Error::new(code::NO_DEVICE, "no device"));
        }
        Ok(())
    }

    fn finish(&mut self, result: Result<(), Error>) -> u32 {
        match result {
            Ok(()) => code::SUCCESS,
            Err(error) => {
                self.last = error.text;
                error.code
            }
        }
    }

    /// A handle that was never used.
    pub(crate) fn handle(&mut self) -> Handle {
        self.next += 16;
        self.next
    }

    /// A device by its number.
    pub(crate) fn device(&mut self, number: i32) -> Result<&mut Device, Error> {
        let found = usize::try_from(number).ok().and_then(|number| self.devices.get_mut(number));
        found.ok_or_else(|| Error::new(code::INVALID_DEVICE, format!("no device {number}")))
    }

    /// The current context.
    pub(crate) fn current(&self) -> Result<Context, Error> {
        let handle = stack(|stack| stack.last().copied());
        let context = handle.and_then(|handle| self.contexts.get(&handle).copied());
        context.ok_or_else(|| Error::new(code::INVALID_CONTEXT, "no current context"))
    }

    /// The device whose memory an address is in, else that of the current context.
    pub(crate) fn owner(&mut self, address: u64) -> Result<&mut Device, Error> {
        let current = self.current()?.device;
        let found = self.devices.iter().position(|device| device.range(address).is_some());
        Ok(&mut self.devices[found.unwrap_or(current)])
    }

    /// A kernel by its handle, and its device.
    pub(crate) fn kernel(&mut self, handle: Handle) -> Result<(&mut Device, Kernel), Error> {
        let (device, kernel) = *self.functions.get(&handle).ok_or_else(|| unknown("function"))?;
        Ok((&mut self.devices[device], kernel))
    }

    /// Refuses a stream that does not exist; 0 to 2 are the default streams.
    pub(crate) fn stream(&self, handle: Handle) -> Result<(u32, i32), Error> {
        if handle <= 2 { Ok((0, 0)) } else { self.streams.get(&handle).copied().ok_or_else(|| unknown("stream")) }
    }
}

/// The error for a handle that means nothing.
pub(crate) fn unknown(what: &str) -> Error {
    Error::new(code::INVALID_HANDLE, format!("no such {what}"))
}

/// Defines driver functions: the body gives a `CUresult`.
macro_rules! driver {
    ($($(#[$meta:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)*) => {
        $(
            $(#[$meta])*
            #[unsafe(no_mangle)]
            #[allow(non_snake_case, clippy::too_many_arguments, reason = "the names and arguments of cuda.h")]
            pub(crate) extern "C" fn $name($($argument: $type),*) -> u32 $body
        )*
    };
}
pub(crate) use driver;
