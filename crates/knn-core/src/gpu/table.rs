//! The functions that are called, resolved once: those of cuVS, and those of CUDA's driver.

use std::ffi::{c_char, c_void};

use libloading::Library;

use super::abi::{BruteForceIndex, CEnum, DlManagedTensor, Filter, Resources};

/// Declares a table: a field for each function, its name in the library, and its type.
macro_rules! table {
    ($(#[$about:meta])* $name:ident { $($field:ident = $symbol:literal: fn($($argument:ty),*) -> $result:ty;)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy)]
        pub(super) struct $name {
            $(pub(super) $field: unsafe extern "C" fn($($argument),*) -> $result,)*
        }

        impl $name {
            /// Finds all of them, or says which one is missing.
            pub(super) fn resolve(library: &Library) -> Result<Self, &'static str> {
                Ok(Self {
                    // SAFETY: the types are those of the headers of cuVS 26, whose version is checked before any of the others is called, and of
                    // cuda.h, where a name stands for a type for ever; a library is never closed, so that the pointer stays good.
                    $($field: *unsafe { library.get::<unsafe extern "C" fn($($argument),*) -> $result>($symbol) }
                        .map_err(|_| $symbol)?,)*
                })
            }
        }
    };
}

table! {
    /// Pointers to the functions of an open cuVS.
    Table {
        last_error = "cuvsGetLastErrorText": fn() -> *const c_char;
        resources_create = "cuvsResourcesCreate": fn(*mut Resources) -> CEnum;
        resources_destroy = "cuvsResourcesDestroy": fn(Resources) -> CEnum;
        stream_sync = "cuvsStreamSync": fn(Resources) -> CEnum;
        device_id = "cuvsDeviceIdGet": fn(Resources, *mut i32) -> CEnum;
        alloc = "cuvsRMMAlloc": fn(Resources, *mut *mut c_void, usize) -> CEnum;
        free = "cuvsRMMFree": fn(Resources, *mut c_void, usize) -> CEnum;
        host_alloc = "cuvsRMMHostAlloc": fn(*mut *mut c_void, usize) -> CEnum;
        host_free = "cuvsRMMHostFree": fn(*mut c_void, usize) -> CEnum;
        copy = "cuvsMatrixCopy": fn(Resources, *mut DlManagedTensor, *mut DlManagedTensor) -> CEnum;
        index_create = "cuvsBruteForceIndexCreate": fn(*mut *mut BruteForceIndex) -> CEnum;
        index_destroy = "cuvsBruteForceIndexDestroy": fn(*mut BruteForceIndex) -> CEnum;
        build = "cuvsBruteForceBuild": fn(Resources, *mut DlManagedTensor, CEnum, f32, *mut BruteForceIndex) -> CEnum;
        search = "cuvsBruteForceSearch": fn(Resources, *mut BruteForceIndex, *mut DlManagedTensor, *mut DlManagedTensor, *mut DlManagedTensor, Filter) -> CEnum;
    }
}

table! {
    /// Pointers to the functions of CUDA's driver.
    DriverTable {
        init = "cuInit": fn(u32) -> CEnum;
        count = "cuDeviceGetCount": fn(*mut i32) -> CEnum;
        device = "cuDeviceGet": fn(*mut i32, i32) -> CEnum;
        name = "cuDeviceGetName": fn(*mut c_char, i32, i32) -> CEnum;
        retain = "cuDevicePrimaryCtxRetain": fn(*mut *mut c_void, i32) -> CEnum;
        release = "cuDevicePrimaryCtxRelease_v2": fn(i32) -> CEnum;
        make_current = "cuCtxSetCurrent": fn(*mut c_void) -> CEnum;
        memory = "cuMemGetInfo_v2": fn(*mut usize, *mut usize) -> CEnum;
        error_text = "cuGetErrorString": fn(CEnum, *mut *const c_char) -> CEnum;
    }
}
