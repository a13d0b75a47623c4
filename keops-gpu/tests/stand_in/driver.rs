//! A library to be loaded in the place of the CUDA driver, by tests of what the engine does with it.
//!
//! It has the functions that the engine calls, the kernels of one formula, each a module whose text is its name, and two
//! devices that are the host's memory. Everything on a stream runs when the stream is synchronized, not before: work that
//! needs memory which is gone by then is counted as a violation, as is letting memory go while work is pending.
//! Any call can be made to fail.
//!
//! The formula, in f32: variables x (target, 2), y (source, 2), b (source, 1), p (parameter, 1); values
//! (Σ p (x, y) b, Σ b), row number the count of sources. Its state is the three sums, the last one as bits.
#![allow(non_snake_case, reason = "the functions are called what the driver calls them")]
#![allow(missing_docs, clippy::missing_safety_doc, reason = "they are the driver's")]
#![allow(clippy::undocumented_unsafe_blocks, reason = "callers pass what the driver's documentation says")]

use std::{
    alloc::{Layout, alloc, dealloc},
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    ffi::{CStr, c_char, c_void},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst},
    },
};

/// How many states a thread of the merge kernel joins.
const MERGED: usize = 64;

const INVALID_VALUE: u32 = 1;
const OUT_OF_MEMORY: u32 = 2;
const INVALID_CONTEXT: u32 = 201;
const INVALID_PTX: u32 = 218;
const NOT_FOUND: u32 = 500;
/// Not a code that `cust` knows.
const NEW_CODE: u32 = 912;

/// How many threads a multiprocessor has at a time.
const THREADS: i32 = 64;

/// The primary context, of either device.
const CONTEXT: usize = 0x10;

/// The kernels; the handles of modules and functions are their numbers, from 1.
const KERNELS: [&[u8]; 3] = [b"f", b"f_merge", b"keops_total_f32"];

static CALLS: AtomicU64 = AtomicU64::new(0);
static LOADED: AtomicU64 = AtomicU64::new(0);
static MADE: AtomicU64 = AtomicU64::new(0);
static FAIL_AT: AtomicI64 = AtomicI64::new(-1);
static MULTIPROCESSORS: AtomicI64 = AtomicI64::new(2);
static FREE: AtomicU64 = AtomicU64::new(1 << 30);
/// The local memory of a thread of the main kernel, in bytes.
static LOCAL: AtomicU64 = AtomicU64::new(0);
/// The major numbers of the devices' compute capabilities.
static MAJORS: [AtomicU64; 2] = [AtomicU64::new(9), AtomicU64::new(9)];
static HELD: AtomicBool = AtomicBool::new(false);
static VIOLATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());
/// The allocations that are memory of the devices, and not page-locked memory of the host.
static ON_DEVICE: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());
static STREAMS: Mutex<BTreeMap<usize, Vec<Work>>> = Mutex::new(BTreeMap::new());

/// The stream that an event was recorded on.
static EVENTS: Mutex<BTreeMap<usize, Option<usize>>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// The context that is current; 0 if none is.
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

enum Work {
    Columns { to: usize, from: usize, to_pitch: usize, from_pitch: usize, bytes: usize, rows: usize },
    Copy { to: usize, from: usize, bytes: usize, to_device: bool },
    Main { blocks: u32, addresses: [usize; 6], counts: [u32; 2] },
    Merge { blocks: u32, addresses: [usize; 3], counts: [u32; 3] },
    Total { blocks: u32, addresses: [usize; 2], counts: [u32; 2] },
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a call; an error if it is the one to fail.
fn called() -> u32 {
    let number = CALLS.fetch_add(1, SeqCst);
    if i64::try_from(number).is_ok_and(|number| number == FAIL_AT.load(SeqCst)) { NEW_CODE } else { 0 }
}

macro_rules! driver {
    ($(fn $name:ident($($parameter:ident: $type:ty),*) $body:block)*) => {
        $(
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($parameter: $type),*) -> u32 {
                let code = called();
                if code != 0 {
                    return code;
                }
                #[allow(unused_unsafe, reason = "some of them have nothing unsafe to do")]
                unsafe { $body }
            }
        )*
    };
}

#[unsafe(no_mangle)]
pub extern "C" fn stand_in_set(multiprocessors: i64, free: u64) {
    MULTIPROCESSORS.store(multiprocessors, SeqCst);
    FREE.store(free, SeqCst);
}

/// The call of this number, counted from now, fails; none if it is negative.
#[unsafe(no_mangle)]
pub extern "C" fn stand_in_fail(number: i64) {
    CALLS.store(0, SeqCst);
    FAIL_AT.store(number, SeqCst);
}

/// Makes a context of the program current on this thread, and tells which one was.
#[unsafe(no_mangle)]
pub extern "C" fn stand_in_current(context: u64) -> u64 {
    CURRENT.replace(context as usize) as u64
}

#[unsafe(no_mangle)]
pub extern "C" fn stand_in_calls() -> u64 {
    CALLS.load(SeqCst)
}

/// How many streams and events there are.
#[unsafe(no_mangle)]
pub extern "C" fn stand_in_live_handles() -> u64 {
    (lock(&STREAMS).len() + lock(&EVENTS).len()) as u64
}

/// How many streams, events and allocations were made.
#[unsafe(no_mangle)]
pub extern "C" fn stand_in_made() -> u64 {
    MADE.load(SeqCst)
}

/// How much local memory a thread of the main kernel has, of modules that are loaded from now on.
#[unsafe(no_mangle)]
pub extern "C" fn stand_in_local(bytes: u64) -> u64 {
    LOCAL.swap(bytes, SeqCst)
}

/// The compute capability of device 0 is one with this major number.
#[unsafe(no_mangle)]
pub extern "C" fn stand_in_capability(major: u64) -> u64 {
    MAJORS[0].swap(major, SeqCst)
}

/// Whether loading modules takes until it is let go.
#[unsafe(no_mangle)]
pub extern "C" fn stand_in_hold(held: u64) -> u64 {
    u64::from(HELD.swap(held != 0, SeqCst))
}

/// How many modules were loaded.
#[unsafe(no_mangle)]
pub extern "C" fn stand_in_modules() -> u64 {
    LOADED.load(SeqCst)
}

#[unsafe(no_mangle)]
pub extern "C" fn stand_in_live_bytes() -> u64 {
    lock(&LIVE).values().map(|&bytes| bytes as u64).sum()
}

#[unsafe(no_mangle)]
pub extern "C" fn stand_in_violations() -> u64 {
    VIOLATIONS.load(SeqCst)
}

driver! {
    fn cuInit(_flags: u32) { 0 }
    fn cuDeviceGetCount(count: *mut i32) { *count = 2; 0 }
    fn cuDeviceGet(device: *mut i32, ordinal: i32) { *device = ordinal; 0 }
    fn cuDeviceTotalMem_v2(bytes: *mut usize, _device: i32) { *bytes = 1 << 30; 0 }
    fn cuDeviceGetAttribute(value: *mut i32, attribute: u32, device: i32) {
        *value = match attribute {
            // the second device is larger
            16 => i32::try_from(MULTIPROCESSORS.load(SeqCst)).unwrap_or(1) * [1, 40][device as usize],
            39 => THREADS,
            // the compute capability: 9.0 and 9.1
            75 => i32::try_from(MAJORS[device as usize].load(SeqCst)).unwrap_or(0),
            76 => device,
            _ => return INVALID_VALUE,
        };
        0
    }
    fn cuDevicePrimaryCtxRetain(context: *mut usize, _device: i32) { *context = CONTEXT; 0 }
    fn cuDevicePrimaryCtxRelease_v2(_device: i32) { 0 }
    fn cuCtxSetCurrent(context: usize) { CURRENT.set(context); 0 }
    fn cuCtxGetCurrent(context: *mut usize) { *context = CURRENT.get(); 0 }
    fn cuModuleLoadDataEx(
        module: *mut usize,
        image: *const c_char,
        _count: u32,
        _options: *mut u32,
        _values: *mut *mut c_void
    ) {
        *module = number(image);
        LOADED.fetch_add(1, SeqCst);
        while HELD.load(SeqCst) {
            std::thread::yield_now();
        }
        if *module == 0 { INVALID_PTX } else { 0 }
    }
    fn cuModuleUnload(_module: usize) { 0 }
    fn cuModuleGetFunction(function: *mut usize, module: usize, name: *const c_char) {
        *function = number(name);
        if *function == module { 0 } else { NOT_FOUND }
    }
    fn cuFuncGetAttribute(value: *mut i32, attribute: u32, function: usize) {
        let local = if function == 1 { LOCAL.load(SeqCst) } else { 0 };
        *value = if attribute == 3 { i32::try_from(local).unwrap_or(0) } else { return INVALID_VALUE };
        0
    }
    fn cuStreamCreateWithPriority(stream: *mut usize, _flags: u32, _priority: i32) {
        let mut streams = lock(&STREAMS);
        let number = streams.last_key_value().map_or(1, |(last, _)| last + 1);
        streams.insert(number, Vec::new());
        MADE.fetch_add(1, SeqCst);
        *stream = number;
        0
    }
    fn cuStreamDestroy_v2(stream: usize) {
        if lock(&STREAMS).remove(&stream).is_none_or(|work| !work.is_empty()) {
            VIOLATIONS.fetch_add(1, SeqCst);
        }
        0
    }
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) {
        *free = free_bytes();
        *total = *free;
        0
    }
    fn cuMemAlloc_v2(address: *mut u64, bytes: usize) {
        if CURRENT.get() != CONTEXT {
            return INVALID_CONTEXT;
        }
        if bytes > free_bytes() {
            return OUT_OF_MEMORY;
        }
        let code = allocate(address, bytes);
        lock(&ON_DEVICE).insert(*address);
        code
    }
    fn cuMemAllocHost_v2(memory: *mut *mut c_void, bytes: usize) {
        let mut address = 0;
        let code = allocate(&raw mut address, bytes);
        *memory = std::ptr::with_exposed_provenance_mut(address as usize);
        code
    }
    fn cuEventCreate(event: *mut usize, _flags: u32) {
        let mut events = lock(&EVENTS);
        let number = events.last_key_value().map_or(1, |(last, _)| last + 1);
        events.insert(number, None);
        MADE.fetch_add(1, SeqCst);
        *event = number;
        0
    }
    fn cuEventRecord(event: usize, stream: usize) {
        lock(&EVENTS).insert(event, Some(stream));
        0
    }
    fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, bytes: usize, stream: usize) {
        push(stream, Work::Copy { to: to as usize, from: from.expose_provenance(), bytes, to_device: true })
    }
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, bytes: usize, stream: usize) {
        push(stream, Work::Copy { to: to.expose_provenance(), from: from as usize, bytes, to_device: false })
    }
    fn cuMemcpy2DAsync_v2(copy: *const [usize; 16], stream: usize) {
        let [x, _, _, _, from, _, from_pitch, _, _, _, _, to, _, to_pitch, bytes, rows] = *copy;
        push(stream, Work::Columns { to, from: from + x, to_pitch, from_pitch, bytes, rows })
    }
    fn cuLaunchKernel(
        function: usize,
        x: u32, _y: u32, _z: u32,
        threads: u32, _threads_y: u32, _threads_z: u32,
        _shared: u32,
        stream: usize,
        parameters: *mut *mut c_void,
        _extra: *mut *mut c_void
    ) {
        if CURRENT.get() != CONTEXT {
            return INVALID_CONTEXT;
        }
        if x == 0 || threads != 128 {
            return INVALID_VALUE;
        }
        // what all threads of the first device have, at any time
        if function == 1 && LOCAL.load(SeqCst) as usize * (2 * THREADS as usize) > free_bytes() {
            return OUT_OF_MEMORY;
        }
        let address = |at: usize| *(*parameters.add(at)).cast::<usize>();
        let count = |at: usize| *(*parameters.add(at)).cast::<u32>();
        let work = match function {
            1 => Work::Main { blocks: x, addresses: [0, 1, 2, 3, 4, 5].map(address), counts: [6, 7].map(count) },
            2 => Work::Merge { blocks: x, addresses: [0, 1, 2].map(address), counts: [3, 4, 5].map(count) },
            _ => Work::Total { blocks: x, addresses: [0, 1].map(address), counts: [2, 3].map(count) },
        };
        push(stream, work)
    }
}

/// What is left of the memory of the devices.
fn free_bytes() -> usize {
    let live = lock(&LIVE);
    let taken: usize = lock(&ON_DEVICE).iter().filter_map(|address| live.get(&(*address as usize))).sum();
    usize::try_from(FREE.load(SeqCst)).unwrap_or(usize::MAX).saturating_sub(taken)
}

/// The number of the kernel of this name; 0 if there is none.
unsafe fn number(name: *const c_char) -> usize {
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    KERNELS.iter().position(|kernel| *kernel == name).map_or(0, |at| at + 1)
}

unsafe fn allocate(address: *mut u64, bytes: usize) -> u32 {
    let Ok(layout) = Layout::from_size_align(bytes, 256) else { return INVALID_VALUE };
    unsafe {
        let memory = alloc(layout);
        memory.write_bytes(0xff, bytes); // NaN, and row numbers that there are not.
        let exposed = memory.expose_provenance();
        lock(&LIVE).insert(exposed, bytes);
        MADE.fetch_add(1, SeqCst);
        *address = exposed as u64;
    }
    0
}

/// Waits even when it is the call to fail: what was begun comes to its end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamSynchronize(stream: usize) -> u32 {
    let code = called();
    let work = lock(&STREAMS).get_mut(&stream).map(std::mem::take).unwrap_or_default();
    for work in work {
        unsafe { run(&work) };
    }
    code
}

/// Waits for all of the event's stream, even when it is the call to fail.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventSynchronize(event: usize) -> u32 {
    let stream = lock(&EVENTS).get(&event).copied().flatten();
    unsafe { cuStreamSynchronize(stream.unwrap_or(0)) }
}

/// Lets go even when it is the call to fail.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventDestroy_v2(event: usize) -> u32 {
    lock(&EVENTS).remove(&event);
    called()
}

/// Lets go even when it is the call to fail.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeHost(memory: *mut c_void) -> u32 {
    unsafe { cuMemFree_v2(memory.expose_provenance() as u64) }
}

/// Lets go even when it is the call to fail.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFree_v2(address: u64) -> u32 {
    let code = called();
    let pending = |work: &Work| match work {
        Work::Copy { to, from, .. } => overlaps(*to, address) || overlaps(*from, address),
        _ => false,
    };
    if lock(&STREAMS).values().flatten().any(pending) {
        VIOLATIONS.fetch_add(1, SeqCst);
    }
    lock(&ON_DEVICE).remove(&address);
    match lock(&LIVE).remove(&(address as usize)) {
        None => VIOLATIONS.fetch_add(1, SeqCst),
        Some(bytes) => {
            if let Ok(layout) = Layout::from_size_align(bytes, 256) {
                unsafe { dealloc(std::ptr::with_exposed_provenance_mut(address as usize), layout) };
            }
            0
        }
    };
    code
}

/// Whether an address is inside the allocation that starts at another one.
fn overlaps(address: usize, start: u64) -> bool {
    let start = start as usize;
    lock(&LIVE).get(&start).is_some_and(|bytes| (start..start + bytes).contains(&address))
}

fn push(stream: usize, work: Work) -> u32 {
    match lock(&STREAMS).get_mut(&stream) {
        None => INVALID_VALUE,
        Some(queue) => {
            queue.push(work);
            0
        }
    }
}

/// `count` items on the device; a violation, and none, if they are not all inside an allocation.
unsafe fn device<'a, T>(address: usize, count: usize) -> &'a mut [T] {
    let bytes = count * size_of::<T>();
    let inside = lock(&LIVE).range(..=address).next_back().is_some_and(|(start, len)| address + bytes <= start + len);
    if !inside || !address.is_multiple_of(align_of::<T>()) {
        VIOLATIONS.fetch_add(1, SeqCst);
        return &mut [];
    }
    unsafe { std::slice::from_raw_parts_mut(std::ptr::with_exposed_provenance_mut(address), count) }
}

unsafe fn run(work: &Work) {
    unsafe {
        match *work {
            Work::Copy { to, from, bytes, to_device } => {
                let of_device = device::<u8>(if to_device { to } else { from }, bytes);
                let host = if to_device { from } else { to };
                if to_device && !of_device.is_empty() {
                    std::ptr::copy(std::ptr::with_exposed_provenance(host), of_device.as_mut_ptr(), bytes);
                } else if !of_device.is_empty() {
                    std::ptr::copy(of_device.as_ptr(), std::ptr::with_exposed_provenance_mut(host), bytes);
                }
            }
            Work::Columns { to, from, to_pitch, from_pitch, bytes, rows } => {
                for row in 0..rows {
                    let row_of_result = device::<u8>(from + row * from_pitch, bytes).to_vec();
                    device::<u8>(to + row * to_pitch, bytes).copy_from_slice(&row_of_result);
                }
            }
            Work::Main { blocks, addresses, counts: [targets, parts] } => {
                for unit in device::<[u32; 7]>(addresses[1], blocks as usize) {
                    one_unit(*unit, addresses, targets as usize, parts);
                }
            }
            Work::Merge { blocks, addresses: [states, values, indices], counts: [targets, parts, apart] } => {
                let [targets, parts, apart] = [targets, parts, apart].map(|count| count as usize);
                let groups = parts.div_ceil(MERGED * apart);
                assert_eq!(blocks as usize, (targets * groups).div_ceil(128));
                let states = device::<f32>(states, 3 * targets * parts);
                for (group, target) in (0..groups).flat_map(|group| (0..targets).map(move |target| (group, target))) {
                    let (mut sums, mut count) = ([0.0; 2], 0);
                    let first = group * MERGED * apart;
                    let place = |part: usize, word: usize| (part * 3 + word) * targets + target;
                    for part in (first..parts.min(first + MERGED * apart)).step_by(apart) {
                        sums = [sums[0] + states[place(part, 0)], sums[1] + states[place(part, 1)]];
                        count += states[place(part, 2)].to_bits();
                    }
                    if groups == 1 {
                        device::<[f32; 2]>(values, targets)[target] = sums;
                        device::<u32>(indices, targets)[target] = count;
                    } else {
                        let joined = [sums[0], sums[1], f32::from_bits(count)];
                        (0..3).for_each(|word| states[place(first, word)] = joined[word]);
                    }
                }
            }
            Work::Total { blocks, addresses: [values, partial], counts: [rows, width] } => {
                let (rows, width) = (rows as usize, width as usize);
                let partial = device::<[f64; 2]>(partial, blocks as usize * width);
                partial.fill([0.0; 2]);
                for (number, &value) in device::<f32>(values, rows * width).iter().enumerate() {
                    let block = number / width % blocks as usize;
                    partial[block * width + number % width][usize::from(number % 3 == 0)] += f64::from(value);
                }
            }
        }
    }
}

/// One block of the main kernel.
unsafe fn one_unit(unit: [u32; 7], addresses: [usize; 6], targets: usize, parts: u32) {
    let [first, count, first_range, ranges, part, first_row, pointers] = unit.map(|word| word as usize);
    let [data, _, list, values, indices, states] = addresses;
    unsafe {
        let &mut [x, y, b, p] = device::<[usize; 4]>(data + 8 * pointers, 1).first_mut().expect("four variables");
        let (x, p) = (device::<[f32; 2]>(x, first + count), device::<f32>(p, 1)[0]);
        for (number, x) in x[first..].iter().enumerate() {
            let (mut sums, mut sources) = ([0.0; 2], 0);
            for &[begin, end] in &*device::<[u32; 2]>(list + 8 * first_range, ranges) {
                let (y, b) = (device::<[f32; 2]>(y, end as usize), device::<f32>(b, end as usize));
                for source in begin as usize..end as usize {
                    let dot = x[0] * y[source][0] + x[1] * y[source][1];
                    sums = [sums[0] + p * dot * b[source], sums[1] + b[source]];
                    sources += 1;
                }
            }
            let row = first_row + number;
            if parts == 1 {
                device::<[f32; 2]>(values, targets)[row] = sums;
                device::<u32>(indices, targets)[row] = sources;
            } else {
                let states = device::<f32>(states, 3 * targets * parts as usize);
                for (word, value) in [sums[0], sums[1], f32::from_bits(sources)].into_iter().enumerate() {
                    states[(part * 3 + word) * targets + row] = value;
                }
            }
        }
    }
}
