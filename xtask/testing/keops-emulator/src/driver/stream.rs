//! Streams.
//!
//! Contract: everything in a stream is done at once, so that waiting only reports faults.

use super::pointer::{Callback, Host, Out, call};
use super::state::{Handle, State, driver, run, unknown};
use crate::error::{Error, code};

fn create(state: &mut State, stream: Out<Handle>, flags: u32, priority: i32) -> Result<(), Error> {
    let device = state.current()?.device;
    state.devices[device].check()?;
    let handle = state.handle();
    state.streams.insert(handle, (flags, priority));
    stream.set(handle)
}

fn wait(stream: Handle) -> u32 {
    run(|state| {
        state.stream(stream)?;
        let device = state.current()?.device;
        state.devices[device].check()
    })
}

driver! {
    fn cuStreamCreate(stream: Out<Handle>, flags: u32) {
        run(|state| create(state, stream, flags, 0))
    }

    fn cuStreamCreateWithPriority(stream: Out<Handle>, flags: u32, priority: i32) {
        run(|state| create(state, stream, flags, priority))
    }

    fn cuStreamDestroy_v2(stream: Handle) {
        run(|state| state.streams.remove(&stream).map(drop).ok_or_else(|| unknown("stream")))
    }

    fn cuStreamSynchronize(stream: Handle) {
        wait(stream)
    }

    fn cuStreamQuery(stream: Handle) {
        wait(stream)
    }

    fn cuStreamWaitEvent(stream: Handle, event: Handle, _flags: u32) {
        run(|state| {
            state.stream(stream)?;
            state.events.get(&event).map(drop).ok_or_else(|| unknown("event"))
        })
    }

    fn cuStreamGetFlags(stream: Handle, flags: Out<u32>) {
        run(|state| flags.set(state.stream(stream)?.0))
    }

    fn cuStreamGetPriority(stream: Handle, priority: Out<i32>) {
        run(|state| priority.set(state.stream(stream)?.1))
    }

    fn cuLaunchHostFunc(stream: Handle, function: Callback, data: Host) {
        // The function may call the driver on its own account, so the lock is free while it runs.
        match wait(stream) {
            code::SUCCESS => call(function, data).map_or_else(|error| error.code, |()| code::SUCCESS),
            fault => fault,
        }
    }
}
