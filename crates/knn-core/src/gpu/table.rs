//! The functions of cuVS that are called, resolved once.

use std::ffi::{c_char, c_void};

use libloading::Library;

use super::abi::{BruteForceIndex, CEnum, DlManagedTensor, Filter, Resources};

/// Declares the table: a field for each function, its name in the library, and its type.
macro_rules! table {
    ($($field:ident = $symbol:literal: fn($($argument:ty),*) -> $result:ty;)*) => {
        /// Pointers to the functions of an open library.
        #[derive(Debug, Clone, Copy)]
        pub(super) struct Table {
            $(pub(super) $field: unsafe extern "C" fn($($argument),*) -> $result,)*
        }

        impl Table {
            /// Finds all of them, or says which one is missing.
            pub(super) fn resolve(library: &Library) -> Result<Self, &'static str> {
                Ok(Self {
                    // SAFETY: the types are those of cuVS' headers of version 26, which is checked before any of the others is called; a
                    // library is never closed, so that the pointer stays good.
                    $($field: *unsafe { library.get::<unsafe extern "C" fn($($argument),*) -> $result>($symbol) }
                        .map_err(|_| $symbol)?,)*
                })
            }
        }
    };
}

table! {
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
