//! The functions of the driver, and the errors that they return by themselves.
//!
//! The table has the functions that `cust` 0.3.2 and the engine call, with the parameters of `cust_raw` 0.11.3 as the machine sees
//! them. What a pointer points to, and the values of an enum, concern only `cust` and the driver.
#![allow(non_snake_case, reason = "the functions have the names of the driver's functions")]

use core::{
    cell::Cell,
    ffi::{CStr, c_char, c_void},
    mem::transmute,
};

use crate::{
    codes::{self, SUCCESS},
    library::{Function, Missing},
};

/// A pointer to memory of the host, or to a function.
type Pointer = *mut c_void;
/// A pointer to an object of the driver.
type Handle = *mut c_void;
/// A C enum.
type Enum = u32;

thread_local! {
    static LAST_ERROR: Cell<u32> = const { Cell::new(SUCCESS) };
}

/// The code that the driver returned when it last failed on this thread, also if `cust` does not know the code; 0 if it never
/// failed.
#[must_use]
pub fn last_error() -> u32 {
    LAST_ERROR.try_with(Cell::get).unwrap_or(SUCCESS)
}

/// The code that `cust` gets for a code of the driver.
#[inline]
fn answer(code: u32) -> u32 {
    if code == SUCCESS { SUCCESS } else { failure(code) }
}

#[cold]
fn failure(code: u32) -> u32 {
    // the thread may be ending, and its variables be gone
    let _ = LAST_ERROR.try_with(|last| last.set(code));
    codes::known(code)
}

/// The code that the function `name` returns if it cannot be called.
#[cold]
fn missing(name: &CStr, why: Missing) -> u32 {
    failure(match why {
        Missing::Library if name == c"cuInit" => codes::NO_DEVICE,
        Missing::Library => codes::NOT_INITIALIZED,
        Missing::Function => codes::NOT_FOUND,
    })
}

/// The name of a function as a C string.
const fn c_name(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("a name is an identifier"),
    }
}

/// Defines functions that call the functions of the same name in the driver.
macro_rules! functions {
    ($(fn $name:ident($($parameter:ident: $type:ty),*);)*) => {
        $(
            #[unsafe(no_mangle)]
            pub(crate) unsafe extern "C" fn $name($($parameter: $type),*) -> u32 {
                const NAME: &CStr = c_name(concat!(stringify!($name), "\0"));
                static FUNCTION: Function = Function::new(NAME);
                match FUNCTION.address($name as *const c_void) {
                    // SAFETY: the function of this name has these parameters in every driver, and is in it forever;
                    // the caller answers for their values.
                    Ok(address) => answer(unsafe {
                        transmute::<*mut c_void, unsafe extern "C" fn($($type),*) -> u32>(address)($($parameter),*)
                    }),
                    Err(why) => missing(NAME, why),
                }
            }
        )*

        /// Calls every function of the table with zeros.
        #[cfg(test)]
        unsafe fn call_all(mut each: impl FnMut(&str, u32)) {
            $(
                // SAFETY: the caller knows that there is no driver, so that nothing looks at the parameters.
                each(stringify!($name), unsafe { $name($(core::mem::zeroed::<$type>()),*) });
            )*
        }
    };
}

functions! {
    fn cuArray3DCreate_v2(handle: Pointer, allocate_array: Pointer);
    fn cuArray3DGetDescriptor_v2(array_descriptor: Pointer, array: Handle);
    fn cuArrayDestroy(array: Handle);
    fn cuCtxCreate_v2(pctx: Pointer, flags: u32, dev: i32);
    fn cuCtxDestroy_v2(ctx: Handle);
    fn cuCtxGetApiVersion(ctx: Handle, version: Pointer);
    fn cuCtxGetCacheConfig(pconfig: Pointer);
    fn cuCtxGetCurrent(pctx: Pointer);
    fn cuCtxGetDevice(device: Pointer);
    fn cuCtxGetFlags(flags: Pointer);
    fn cuCtxGetLimit(pvalue: Pointer, limit: Enum);
    fn cuCtxGetSharedMemConfig(config: Pointer);
    fn cuCtxGetStreamPriorityRange(least_priority: Pointer, greatest_priority: Pointer);
    fn cuCtxPopCurrent_v2(pctx: Pointer);
    fn cuCtxPushCurrent_v2(ctx: Handle);
    fn cuCtxSetCacheConfig(config: Enum);
    fn cuCtxSetCurrent(ctx: Handle);
    fn cuCtxSetLimit(limit: Enum, value: usize);
    fn cuCtxSetSharedMemConfig(config: Enum);
    fn cuCtxSynchronize();
    fn cuDestroyExternalMemory(ext_mem: Handle);
    fn cuDeviceGet(device: Pointer, ordinal: i32);
    fn cuDeviceGetAttribute(pi: Pointer, attrib: Enum, dev: i32);
    fn cuDeviceGetCount(count: Pointer);
    fn cuDeviceGetName(name: Pointer, len: i32, dev: i32);
    fn cuDevicePrimaryCtxRelease_v2(dev: i32);
    fn cuDevicePrimaryCtxReset_v2(dev: i32);
    fn cuDevicePrimaryCtxRetain(pctx: Pointer, dev: i32);
    fn cuDevicePrimaryCtxSetFlags_v2(dev: i32, flags: u32);
    fn cuDeviceTotalMem_v2(bytes: Pointer, dev: i32);
    fn cuDriverGetVersion(driver_version: Pointer);
    fn cuEventCreate(event: Pointer, flags: u32);
    fn cuEventDestroy_v2(event: Handle);
    fn cuEventElapsedTime(milliseconds: Pointer, start: Handle, end: Handle);
    fn cuEventQuery(event: Handle);
    fn cuEventRecord(event: Handle, stream: Handle);
    fn cuEventSynchronize(event: Handle);
    fn cuExternalMemoryGetMappedBuffer(dev_ptr: Pointer, ext_mem: Handle, buffer_desc: Pointer);
    fn cuFuncGetAttribute(pi: Pointer, attrib: Enum, hfunc: Handle);
    fn cuFuncSetCacheConfig(hfunc: Handle, config: Enum);
    fn cuFuncSetSharedMemConfig(hfunc: Handle, config: Enum);
    fn cuGraphAddKernelNode(
        graph_node: Pointer, graph: Handle, dependencies: Pointer, num_dependencies: usize, node_params: Pointer
    );
    fn cuGraphCreate(graph: Pointer, flags: u32);
    fn cuGraphDebugDotPrint(graph: Handle, path: Pointer, flags: u32);
    fn cuGraphDestroy(graph: Handle);
    fn cuGraphGetEdges(graph: Handle, from: Pointer, to: Pointer, num_edges: Pointer);
    fn cuGraphGetNodes(graph: Handle, nodes: Pointer, num_nodes: Pointer);
    fn cuGraphKernelNodeGetParams(node: Handle, node_params: Pointer);
    fn cuGraphNodeGetType(node: Handle, kind: Pointer);
    fn cuImportExternalMemory(ext_mem_out: Pointer, mem_handle_desc: Pointer);
    fn cuInit(flags: u32);
    fn cuLaunchHostFunc(stream: Handle, function: Pointer, user_data: Pointer);
    fn cuLaunchKernel(
        f: Handle, grid_dim_x: u32, grid_dim_y: u32, grid_dim_z: u32, block_dim_x: u32, block_dim_y: u32,
        block_dim_z: u32, shared_mem_bytes: u32, stream: Handle, kernel_params: Pointer, extra: Pointer
    );
    fn cuLinkAddData_v2(
        state: Handle, kind: Enum, data: Pointer, size: usize, name: Pointer, num_options: u32, options: Pointer,
        option_values: Pointer
    );
    fn cuLinkComplete(state: Handle, cubin_out: Pointer, size_out: Pointer);
    fn cuLinkCreate_v2(num_options: u32, options: Pointer, option_values: Pointer, state_out: Pointer);
    fn cuLinkDestroy(state: Handle);
    fn cuMemAdvise(dev_ptr: u64, count: usize, advice: Enum, device: i32);
    fn cuMemAllocAsync(dptr: Pointer, bytesize: usize, stream: Handle);
    fn cuMemAllocHost_v2(pp: Pointer, bytesize: usize);
    fn cuMemAllocManaged(dptr: Pointer, bytesize: usize, flags: u32);
    fn cuMemAlloc_v2(dptr: Pointer, bytesize: usize);
    fn cuMemFreeAsync(dptr: u64, stream: Handle);
    fn cuMemFreeHost(p: Pointer);
    fn cuMemFree_v2(dptr: u64);
    fn cuMemGetInfo_v2(free: Pointer, total: Pointer);
    fn cuMemPrefetchAsync(dev_ptr: u64, count: usize, dst_device: i32, stream: Handle);
    fn cuMemcpy2DAsync_v2(copy: Pointer, stream: Handle);
    fn cuMemcpy2D_v2(copy: Pointer);
    fn cuMemcpyAtoH_v2(dst_host: Pointer, src_array: Handle, src_offset: usize, byte_count: usize);
    fn cuMemcpyDtoDAsync_v2(dst_device: u64, src_device: u64, byte_count: usize, stream: Handle);
    fn cuMemcpyDtoD_v2(dst_device: u64, src_device: u64, byte_count: usize);
    fn cuMemcpyDtoHAsync_v2(dst_host: Pointer, src_device: u64, byte_count: usize, stream: Handle);
    fn cuMemcpyDtoH_v2(dst_host: Pointer, src_device: u64, byte_count: usize);
    fn cuMemcpyHtoA_v2(dst_array: Handle, dst_offset: usize, src_host: Pointer, byte_count: usize);
    fn cuMemcpyHtoDAsync_v2(dst_device: u64, src_host: Pointer, byte_count: usize, stream: Handle);
    fn cuMemcpyHtoD_v2(dst_device: u64, src_host: Pointer, byte_count: usize);
    fn cuMemsetD16Async(dst_device: u64, value: u16, count: usize, stream: Handle);
    fn cuMemsetD16_v2(dst_device: u64, value: u16, count: usize);
    fn cuMemsetD32Async(dst_device: u64, value: u32, count: usize, stream: Handle);
    fn cuMemsetD32_v2(dst_device: u64, value: u32, count: usize);
    fn cuMemsetD8Async(dst_device: u64, value: u8, count: usize, stream: Handle);
    fn cuMemsetD8_v2(dst_device: u64, value: u8, count: usize);
    fn cuModuleGetFunction(hfunc: Pointer, hmod: Handle, name: Pointer);
    fn cuModuleGetGlobal_v2(dptr: Pointer, bytes: Pointer, hmod: Handle, name: Pointer);
    fn cuModuleLoad(module: Pointer, fname: Pointer);
    fn cuModuleLoadData(module: Pointer, image: Pointer);
    fn cuModuleLoadDataEx(module: Pointer, image: Pointer, num_options: u32, options: Pointer, option_values: Pointer);
    fn cuModuleUnload(hmod: Handle);
    fn cuOccupancyAvailableDynamicSMemPerBlock(
        dynamic_smem_size: Pointer, func: Handle, num_blocks: i32, block_size: i32
    );
    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
        num_blocks: Pointer, func: Handle, block_size: i32, dynamic_smem_size: usize
    );
    fn cuOccupancyMaxPotentialBlockSize(
        min_grid_size: Pointer, block_size: Pointer, func: Handle, block_size_to_dynamic_smem_size: Pointer,
        dynamic_smem_size: usize, block_size_limit: i32
    );
    fn cuStreamCreateWithPriority(stream: Pointer, flags: u32, priority: i32);
    fn cuStreamDestroy_v2(stream: Handle);
    fn cuStreamGetFlags(stream: Handle, flags: Pointer);
    fn cuStreamGetPriority(stream: Handle, priority: Pointer);
    fn cuStreamSynchronize(stream: Handle);
    fn cuStreamWaitEvent(stream: Handle, event: Handle, flags: u32);
    fn cuSurfObjectCreate(surf_object: Pointer, res_desc: Pointer);
    fn cuSurfObjectDestroy(surf_object: u64);
    fn cuSurfObjectGetResourceDesc(res_desc: Pointer, surf_object: u64);
    fn cuTexObjectCreate(tex_object: Pointer, res_desc: Pointer, tex_desc: Pointer, res_view_desc: Pointer);
    fn cuTexObjectDestroy(tex_object: u64);
    fn cuTexObjectGetResourceDesc(res_desc: Pointer, tex_object: u64);
    fn cuTexObjectGetResourceViewDesc(res_view_desc: Pointer, tex_object: u64);
}

/// The text of an error; its name where the driver has no text, so that there always is one.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuGetErrorString(error: u32, to: *mut *const c_char) -> u32 {
    static FUNCTION: Function = Function::new(c"cuGetErrorString");
    // SAFETY: `to` is what the caller has for the text.
    unsafe { describe(&FUNCTION, cuGetErrorString as *const c_void, error, to) }
}

/// The name of an error; there always is one.
#[unsafe(no_mangle)]
unsafe extern "C" fn cuGetErrorName(error: u32, to: *mut *const c_char) -> u32 {
    static FUNCTION: Function = Function::new(c"cuGetErrorName");
    // SAFETY: `to` is what the caller has for the name.
    unsafe { describe(&FUNCTION, cuGetErrorName as *const c_void, error, to) }
}

/// What the driver's function says about an error, else the name in this crate's table, else that there is none.
///
/// # Safety
/// `to` must be null or may be written.
unsafe fn describe(function: &Function, own: *const c_void, error: u32, to: *mut *const c_char) -> u32 {
    type Describe = unsafe extern "C" fn(u32, *mut *const c_char) -> u32;

    if to.is_null() {
        return codes::INVALID_VALUE;
    }
    let mut text: *const c_char = core::ptr::null();
    if let Ok(address) = function.address(own) {
        // SAFETY: both functions that come here have these parameters, and `text` may be written.
        let code = unsafe { transmute::<*mut c_void, Describe>(address)(error, &raw mut text) };
        if code != SUCCESS {
            text = core::ptr::null();
        }
    }
    if text.is_null() {
        text = codes::c_name(error).unwrap_or(c"an error without a name").as_ptr();
    }
    // SAFETY: the caller's promise, and it is not null.
    unsafe { to.write(text) };
    SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        library::library,
        status::{Status, status},
    };

    #[test]
    fn answers_without_a_driver() {
        if library().is_ok() {
            return; // On a machine with a driver there is nothing to see.
        }
        let mut count = 0;
        // SAFETY: there is no driver.
        unsafe {
            call_all(|name, code| {
                count += 1;
                let expected = if name == "cuInit" { codes::NO_DEVICE } else { codes::NOT_INITIALIZED };
                assert_eq!((name, code), (name, expected));
                assert_eq!(last_error(), code);
            });
        }
        assert_eq!(count, 105);
        assert!(matches!(status(), Status::NoLibrary { reason } if !reason.is_empty()));
    }

    #[test]
    fn every_error_has_a_text() {
        for code in (0..1100).chain([100_100, u32::MAX]) {
            for describe in [cuGetErrorString, cuGetErrorName] {
                let mut text: *const c_char = core::ptr::null();
                // SAFETY: `text` may be written.
                assert_eq!(unsafe { describe(code, &raw mut text) }, SUCCESS);
                assert!(!text.is_null());
                // SAFETY: both functions leave a C string that lives forever.
                assert!(!unsafe { CStr::from_ptr(text) }.is_empty(), "{code}");
            }
        }
        // SAFETY: null is what the function looks for.
        assert_eq!(unsafe { cuGetErrorName(2, core::ptr::null_mut()) }, codes::INVALID_VALUE);
    }

    #[test]
    fn unknown_codes_are_kept_for_who_asks() {
        assert_eq!((answer(912), last_error()), (codes::UNKNOWN, 912));
        assert_eq!((answer(2), last_error()), (2, 2));
        assert_eq!((answer(SUCCESS), last_error()), (SUCCESS, 2), "success changes nothing");
    }

    #[test]
    fn what_is_missing_decides_the_answer() {
        assert_eq!(missing(c"cuInit", Missing::Library), codes::NO_DEVICE);
        assert_eq!(missing(c"cuMemAlloc_v2", Missing::Library), codes::NOT_INITIALIZED);
        assert_eq!(missing(c"cuInit", Missing::Function), codes::NOT_FOUND);
    }
}
