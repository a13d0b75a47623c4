//! Driver functions that exist so that programs link, and answer `CUDA_ERROR_NOT_SUPPORTED`.
//!
//! Contract: the crate `cust` refers to all of them. Their arguments are not looked at, which the C calling convention
//! allows.

use super::state::driver;
use crate::error::code;

/// Defines functions that do nothing.
macro_rules! unsupported {
    ($($name:ident)*) => {
        driver! { $(fn $name() { code::NOT_SUPPORTED })* }
    };
}

unsupported! {
    cuArray3DCreate_v2
    cuArray3DGetDescriptor_v2
    cuArrayDestroy
    cuDestroyExternalMemory
    cuExternalMemoryGetMappedBuffer
    cuGraphAddKernelNode
    cuGraphCreate
    cuGraphDebugDotPrint
    cuGraphDestroy
    cuGraphGetEdges
    cuGraphGetNodes
    cuGraphKernelNodeGetParams
    cuGraphNodeGetType
    cuImportExternalMemory
    cuLinkAddData_v2
    cuLinkComplete
    cuLinkCreate_v2
    cuLinkDestroy
    cuMemAdvise
    cuMemAllocPitch
    cuMemPrefetchAsync
    cuMemcpy2D_v2
    cuMemcpyAtoH_v2
    cuMemcpyHtoA_v2
    cuSurfObjectCreate
    cuSurfObjectDestroy
    cuSurfObjectGetResourceDesc
    cuTexObjectCreate
    cuTexObjectDestroy
    cuTexObjectGetResourceDesc
    cuTexObjectGetResourceViewDesc
}
