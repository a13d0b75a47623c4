//! The C functions of the driver, from the context to the launch and its fault.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::null_mut;

// Links the library of which the functions below come.
use keops_emulator as _;

unsafe extern "C" {
    fn cuInit(flags: u32) -> u32;
    fn cuDeviceGetCount(count: *mut i32) -> u32;
    fn cuDeviceGetName(name: *mut c_char, length: i32, device: i32) -> u32;
    fn cuDeviceGetAttribute(value: *mut i32, attribute: u32, device: i32) -> u32;
    fn cuDevicePrimaryCtxRetain(context: *mut *mut c_void, device: i32) -> u32;
    fn cuCtxSetCurrent(context: *mut c_void) -> u32;
    fn cuCtxSynchronize() -> u32;
    fn cuModuleLoadData(module: *mut *mut c_void, image: *const c_void) -> u32;
    fn cuModuleGetFunction(function: *mut *mut c_void, module: *mut c_void, name: *const c_char) -> u32;
    fn cuMemAlloc_v2(address: *mut u64, size: usize) -> u32;
    fn cuMemFree_v2(address: u64) -> u32;
    fn cuMemAllocHost_v2(host: *mut *mut c_void, size: usize) -> u32;
    fn cuMemFreeHost(host: *mut c_void) -> u32;
    fn cuMemsetD32_v2(address: u64, value: u32, count: usize) -> u32;
    fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, size: usize) -> u32;
    fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, size: usize) -> u32;
    fn cuStreamCreate(stream: *mut *mut c_void, flags: u32) -> u32;
    fn cuStreamSynchronize(stream: *mut c_void) -> u32;
    fn cuLaunchKernel(
        function: *mut c_void,
        gx: u32,
        gy: u32,
        gz: u32,
        bx: u32,
        by: u32,
        bz: u32,
        shared: u32,
        stream: *mut c_void,
        parameters: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) -> u32;
    fn cuGetErrorName(error: u32, text: *mut *const c_char) -> u32;
    fn keops_emulator_live_bytes() -> u64;
    fn keops_emulator_last_error(buffer: *mut c_char, length: usize) -> usize;
}

const TEXT: &CStr = c".version 7.8 .target sm_80
.address_size 64
.visible .entry twice(.param .u64 a, .param .u32 factor)
{
    .reg .b32 %r<4>; .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [a]; ld.param.u32 %r1, [factor];
    mov.u32 %r2, %tid.x; mul.wide.u32 %rd2, %r2, 4; add.s64 %rd1, %rd1, %rd2;
    ld.global.u32 %r3, [%rd1]; mul.lo.u32 %r3, %r3, %r1; st.global.u32 [%rd1], %r3;
    ret;
}
";

#[test]
fn from_c() {
    let (mut count, mut major) = (0, 0);
    let (mut context, mut module, mut function, mut stream, mut host) =
        (null_mut(), null_mut(), null_mut(), null_mut(), null_mut());
    let mut address = 0u64;
    let mut values = [1u32, 2, 3, 4];
    let mut name = [0 as c_char; 32];
    // SAFETY: every pointer is to a variable or array of the size that the function asks for, and the texts end with a
    // zero.
    unsafe {
        assert_eq!(cuDeviceGetCount(&mut count), 3);
        assert_eq!(cuInit(0), 0);
        assert_eq!(cuDeviceGetCount(&mut count), 0);
        assert_eq!(count, 1);
        assert_eq!(cuDeviceGetCount(null_mut()), 1);
        assert_eq!(cuDeviceGetName(name.as_mut_ptr(), 32, 0), 0);
        assert_eq!(CStr::from_ptr(name.as_ptr()), c"keops emulator");
        assert_eq!(cuDeviceGetAttribute(&mut major, 75, 0), 0);
        assert_eq!(major, 9);
        assert_eq!(cuMemAlloc_v2(&mut address, 16), 201);
        assert_eq!(cuDevicePrimaryCtxRetain(&mut context, 0), 0);
        assert_eq!(cuCtxSetCurrent(context), 0);
        assert_eq!(cuModuleLoadData(&mut module, c"rubbish".as_ptr().cast()), 218);
        assert_eq!(cuModuleLoadData(&mut module, TEXT.as_ptr().cast()), 0);
        assert_eq!(cuModuleGetFunction(&mut function, module, c"thrice".as_ptr()), 500);
        assert_eq!(cuModuleGetFunction(&mut function, module, c"twice".as_ptr()), 0);
        assert_eq!(cuStreamCreate(&mut stream, 0), 0);
        assert_eq!(cuMemAlloc_v2(&mut address, 16), 0);
        assert_eq!(keops_emulator_live_bytes(), 16);
        assert_eq!(cuMemcpyHtoD_v2(address, values.as_ptr().cast(), 16), 0);
        let mut factor = 2u32;
        let mut parameters = [(&raw mut address).cast(), (&raw mut factor).cast()];
        let list = parameters.as_mut_ptr();
        let launch = move |threads| cuLaunchKernel(function, 1, 1, 1, threads, 1, 1, 0, stream, list, null_mut());
        assert_eq!(launch(4), 0);
        assert_eq!(cuStreamSynchronize(stream), 0);
        assert_eq!(cuMemcpyDtoH_v2(values.as_mut_ptr().cast(), address, 16), 0);
        assert_eq!(values, [2, 4, 6, 8]);
        assert_eq!(cuMemsetD32_v2(address, 7, 4), 0);
        assert_eq!(cuMemcpyDtoH_v2(values.as_mut_ptr().cast(), address, 16), 0);
        assert_eq!(values, [7; 4]);
        // Pinned memory is reached by kernels at the address of the host.
        assert_eq!(cuMemAllocHost_v2(&mut host, 16), 0);
        host.cast::<[u32; 4]>().write([1, 2, 3, 4]);
        let mut pinned = host.addr() as u64;
        *list = (&raw mut pinned).cast();
        assert_eq!(launch(4), 0);
        assert_eq!(host.cast::<[u32; 4]>().read(), [2, 4, 6, 8]);
        assert_eq!(cuMemFreeHost(host), 0);
        *list = (&raw mut address).cast();
        assert_eq!(cuMemcpyDtoH_v2(values.as_mut_ptr().cast(), address + 4, 16), 1);
        assert_eq!(launch(0), 1);
        assert_eq!(launch(5), 700);
        assert_eq!(cuCtxSynchronize(), 700);
        assert_eq!(cuMemFree_v2(address), 700);
        let mut text = [0 as c_char; 400];
        let length = keops_emulator_last_error(text.as_mut_ptr(), text.len());
        let text = CStr::from_ptr(text.as_ptr()).to_string_lossy();
        assert_eq!(text.len(), length);
        assert!(text.contains("thread [4, 0, 0]") && text.contains("ld.global.u32 %r3, [%rd1];"), "{text}");
        let mut error = std::ptr::null();
        assert_eq!(cuGetErrorName(700, &mut error), 0);
        assert_eq!(CStr::from_ptr(error), c"CUDA_ERROR_ILLEGAL_ADDRESS");
    }
}
