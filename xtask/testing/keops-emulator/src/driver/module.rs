//! Modules, functions, launches, occupancy.
//!
//! Contract: an image is PTX text with a zero at its end; compiled images (cubin, fatbin) are refused. Options of the
//! compiler are accepted and change nothing.

use super::pointer::{Host, Out, Parameters, Text};
use super::query::{PROCESSORS, THREADS};
use super::state::{Handle, State, driver, run, unknown};
use crate::device::{SHARED_MOST, THREADS_MOST};
use crate::error::{Error, code};
use crate::machine::Grid;

fn load(state: &mut State, to: Out<Handle>, text: &str) -> Result<(), Error> {
    let device = state.current()?.device;
    let module = state.devices[device].load(text)?;
    let handle = state.handle();
    state.modules.insert(handle, (device, module));
    to.set(handle)
}

fn load_image(to: Out<Handle>, image: Text) -> u32 {
    run(|state| {
        let magic = image.magic()?;
        if magic == *b"\x7fELF" || magic == [0x50, 0xed, 0x55, 0xba] {
            return Err(Error::new(code::INVALID_PTX, "the emulator reads PTX text only"));
        }
        load(state, to, &image.get()?)
    })
}

/// Blocks of a size that a multiprocessor runs at once.
fn occupancy(state: &mut State, function: Handle, threads: i32, dynamic: usize) -> Result<i32, Error> {
    let (device, kernel) = state.kernel(function)?;
    let needs = device.needs(kernel)?;
    if threads <= 0 || threads as u32 > needs.threads {
        return Ok(0);
    }
    let shared = needs.shared as usize + dynamic;
    let by_shared = (SHARED_MOST as usize).checked_div(shared).map_or(32, |blocks| blocks.min(32)) as i32;
    Ok((THREADS / threads).min(by_shared).min(32))
}

driver! {
    fn cuModuleLoad(module: Out<Handle>, file: Text) {
        run(|state| {
            let missing = |error| Error::new(301, format!("{error}"));
            let text = std::fs::read_to_string(file.get()?).map_err(missing)?;
            load(state, module, &text)
        })
    }

    fn cuModuleLoadData(module: Out<Handle>, image: Text) {
        load_image(module, image)
    }

    fn cuModuleLoadDataEx(module: Out<Handle>, image: Text, _count: u32, _options: Host, _values: Host) {
        load_image(module, image)
    }

    fn cuModuleUnload(module: Handle) {
        run(|state| {
            let (device, loaded) = state.modules.remove(&module).ok_or_else(|| unknown("module"))?;
            state.functions.retain(|_, (owner, kernel)| *owner != device || kernel.module != loaded);
            state.devices[device].unload(loaded)
        })
    }

    fn cuModuleGetFunction(function: Out<Handle>, module: Handle, name: Text) {
        run(|state| {
            let (device, loaded) = *state.modules.get(&module).ok_or_else(|| unknown("module"))?;
            let kernel = state.devices[device].kernel(loaded, &name.get()?)?;
            let handle = state.handle();
            state.functions.insert(handle, (device, kernel));
            function.set(handle)
        })
    }

    fn cuModuleGetGlobal_v2(address: Out<u64>, size: Out<usize>, module: Handle, name: Text) {
        run(|state| {
            let (device, loaded) = *state.modules.get(&module).ok_or_else(|| unknown("module"))?;
            let (base, bytes) = state.devices[device].global(loaded, &name.get()?)?;
            address.set_optional(base);
            size.set_optional(bytes as usize);
            Ok(())
        })
    }

    fn cuLaunchKernel(
        function: Handle,
        blocks_x: u32,
        blocks_y: u32,
        blocks_z: u32,
        threads_x: u32,
        threads_y: u32,
        threads_z: u32,
        shared: u32,
        stream: Handle,
        parameters: Parameters,
        extra: Host,
    ) {
        run(|state| {
            state.current()?;
            state.stream(stream)?;
            if parameters.is_null() && extra.address() != 0 {
                return Err(Error::new(code::NOT_SUPPORTED, "parameters of a launch in `extra`"));
            }
            let (device, kernel) = state.kernel(function)?;
            let values = parameters.get(&device.parameters(kernel)?)?;
            let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            let (blocks, threads) = ([blocks_x, blocks_y, blocks_z], [threads_x, threads_y, threads_z]);
            device.launch(kernel, Grid { blocks, threads, shared }, &slices).map(drop)
        })
    }

    fn cuFuncGetAttribute(value: Out<i32>, attribute: u32, function: Handle) {
        run(|state| {
            let (device, kernel) = state.kernel(function)?;
            let needs = device.needs(kernel)?;
            value.set(match attribute {
                0 => needs.threads as i32,
                1 => needs.shared as i32,
                3 => needs.local as i32,
                // A compiler gives registers to the virtual ones; no kernel has more than 255.
                4 => needs.registers.min(255) as i32,
                5 => 78,
                6 => 90,
                8 => device.allowed_shared(kernel)? as i32,
                2 | 7 | 9 => 0,
                _ => return Err(Error::new(code::INVALID_VALUE, format!("no attribute {attribute}"))),
            })
        })
    }

    fn cuFuncSetAttribute(function: Handle, attribute: u32, value: i32) {
        run(|state| {
            let (device, kernel) = state.kernel(function)?;
            match (attribute, u32::try_from(value)) {
                (8, Ok(bytes)) => device.allow_shared(kernel, bytes),
                (9, _) => Ok(()),
                _ => Err(Error::new(code::INVALID_VALUE, format!("attribute {attribute} cannot be {value}"))),
            }
        })
    }

    fn cuFuncSetCacheConfig(function: Handle, _config: u32) {
        run(|state| state.kernel(function).map(drop))
    }

    fn cuFuncSetSharedMemConfig(function: Handle, _config: u32) {
        run(|state| state.kernel(function).map(drop))
    }

    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(count: Out<i32>, function: Handle, threads: i32, dynamic: usize) {
        run(|state| count.set(occupancy(state, function, threads, dynamic)?))
    }

    fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        count: Out<i32>,
        function: Handle,
        threads: i32,
        dynamic: usize,
        _flags: u32,
    ) {
        cuOccupancyMaxActiveBlocksPerMultiprocessor(count, function, threads, dynamic)
    }

    fn cuOccupancyMaxPotentialBlockSize(
        blocks: Out<i32>,
        threads: Out<i32>,
        function: Handle,
        _shared_of_threads: Host,
        dynamic: usize,
        limit: i32,
    ) {
        run(|state| {
            let (device, kernel) = state.kernel(function)?;
            let most = device.needs(kernel)?.threads.min(THREADS_MOST) as i32;
            let best = if limit > 0 { most.min(limit) } else { most };
            blocks.set(occupancy(state, function, best, dynamic)? * PROCESSORS)?;
            threads.set(best)
        })
    }

    fn cuOccupancyAvailableDynamicSMemPerBlock(bytes: Out<usize>, function: Handle, blocks: i32, _threads: i32) {
        run(|state| {
            let (device, kernel) = state.kernel(function)?;
            let fixed = device.needs(kernel)?.shared as usize;
            bytes.set((SHARED_MOST as usize / blocks.max(1) as usize).saturating_sub(fixed))
        })
    }
}
