//! Contexts.
//!
//! Contract: a context is a device and flags; limits and cache settings are accepted and change nothing. A fault stays
//! with the device, also when the context is reset.

use super::pointer::Out;
use super::state::{Context, Handle, driver, run, stack, synchronize, unknown};
use crate::error::{Error, code};

/// The version of the interface of contexts.
const INTERFACE: u32 = 3020;

fn invalid() -> Error {
    Error::new(code::INVALID_CONTEXT, "no such context")
}

driver! {
    fn cuDevicePrimaryCtxRetain(context: Out<Handle>, device: i32) {
        run(|state| {
            state.device(device)?;
            let number = device as usize;
            if state.primaries[number].handle == 0 {
                let handle = state.handle();
                state.primaries[number].handle = handle;
            }
            let primary = &mut state.primaries[number];
            primary.users += 1;
            let (handle, flags) = (primary.handle, primary.flags);
            state.contexts.insert(handle, Context { device: number, flags });
            context.set(handle)
        })
    }

    fn cuDevicePrimaryCtxRelease_v2(device: i32) {
        run(|state| {
            state.device(device)?;
            let primary = &mut state.primaries[device as usize];
            primary.users = primary.users.checked_sub(1).ok_or_else(invalid)?;
            Ok(())
        })
    }

    fn cuDevicePrimaryCtxReset_v2(device: i32) {
        run(|state| state.device(device).map(drop))
    }

    fn cuDevicePrimaryCtxSetFlags_v2(device: i32, flags: u32) {
        run(|state| {
            state.device(device)?;
            state.primaries[device as usize].flags = flags;
            Ok(())
        })
    }

    fn cuDevicePrimaryCtxGetState(device: i32, flags: Out<u32>, active: Out<i32>) {
        run(|state| {
            state.device(device)?;
            let primary = state.primaries[device as usize];
            flags.set(primary.flags)?;
            active.set(i32::from(primary.users > 0))
        })
    }

    fn cuCtxCreate_v2(context: Out<Handle>, flags: u32, device: i32) {
        run(|state| {
            state.device(device)?;
            let handle = state.handle();
            state.contexts.insert(handle, Context { device: device as usize, flags });
            stack(|stack| stack.push(handle));
            context.set(handle)
        })
    }

    fn cuCtxDestroy_v2(context: Handle) {
        run(|state| {
            state.contexts.remove(&context).ok_or_else(invalid)?;
            stack(|stack| stack.retain(|handle| *handle != context));
            Ok(())
        })
    }

    fn cuCtxPushCurrent_v2(context: Handle) {
        run(|state| {
            state.contexts.get(&context).ok_or_else(invalid)?;
            stack(|stack| stack.push(context));
            Ok(())
        })
    }

    fn cuCtxPopCurrent_v2(context: Out<Handle>) {
        run(|_| {
            let handle = stack(Vec::pop).ok_or_else(invalid)?;
            context.set_optional(handle);
            Ok(())
        })
    }

    fn cuCtxSetCurrent(context: Handle) {
        run(|state| {
            if context != 0 {
                state.contexts.get(&context).ok_or_else(invalid)?;
            }
            stack(|stack| {
                stack.pop();
                if context != 0 {
                    stack.push(context);
                }
            });
            Ok(())
        })
    }

    fn cuCtxGetCurrent(context: Out<Handle>) {
        run(|_| context.set(stack(|stack| stack.last().copied().unwrap_or(0))))
    }

    fn cuCtxGetDevice(device: Out<i32>) {
        run(|state| device.set(state.current()?.device as i32))
    }

    fn cuCtxGetFlags(flags: Out<u32>) {
        run(|state| flags.set(state.current()?.flags))
    }

    fn cuCtxGetApiVersion(context: Handle, version: Out<u32>) {
        run(|state| {
            if context != 0 {
                state.contexts.get(&context).ok_or_else(|| unknown("context"))?;
            }
            version.set(INTERFACE)
        })
    }

    fn cuCtxSynchronize() {
        synchronize()
    }

    fn cuCtxGetStreamPriorityRange(least: Out<i32>, greatest: Out<i32>) {
        run(|state| {
            state.current()?;
            least.set_optional(0);
            greatest.set_optional(-5);
            Ok(())
        })
    }

    fn cuCtxSetLimit(_limit: u32, _value: usize) {
        run(|state| state.current().map(drop))
    }

    fn cuCtxGetLimit(value: Out<usize>, limit: u32) {
        run(|state| {
            state.current()?;
            // Stack, printf buffer, heap.
            value.set([1024, 1 << 20, 8 << 20].get(limit as usize).copied().unwrap_or(0))
        })
    }

    fn cuCtxSetCacheConfig(_config: u32) {
        run(|state| state.current().map(drop))
    }

    fn cuCtxGetCacheConfig(config: Out<u32>) {
        run(|state| state.current().map(drop).and_then(|()| config.set(0)))
    }

    fn cuCtxSetSharedMemConfig(_config: u32) {
        run(|state| state.current().map(drop))
    }

    fn cuCtxGetSharedMemConfig(config: Out<u32>) {
        run(|state| state.current().map(drop).and_then(|()| config.set(1)))
    }
}
