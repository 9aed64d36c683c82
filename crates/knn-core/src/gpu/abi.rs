//! The types of cuVS' C interface and of `DLPack`, as their headers of version 26 lay them out on a 64-bit machine.

use std::ffi::c_void;

/// An enum of C.
pub(super) type CEnum = i32;
/// What every function returns when it did what was asked.
pub(super) const SUCCESS: CEnum = 1;

/// A handle of `raft::resources`.
pub(super) type Resources = usize;

/// `kDLCUDA` and `kDLCUDAHost`.
pub(super) const CUDA: CEnum = 2;
pub(super) const CUDA_HOST: CEnum = 3;

/// `L2Expanded` and `InnerProduct` of `cuvsDistanceType`.
pub(super) const L2_EXPANDED: CEnum = 0;
pub(super) const INNER_PRODUCT: CEnum = 6;

/// `DLDevice`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct DlDevice {
    pub(super) kind: CEnum,
    pub(super) id: i32,
}

/// `DLDataType`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct DlDataType {
    pub(super) code: u8,
    pub(super) bits: u8,
    pub(super) lanes: u16,
}

/// f32.
pub(super) const FLOAT: DlDataType = DlDataType { code: 2, bits: 32, lanes: 1 };
/// i64.
pub(super) const INT64: DlDataType = DlDataType { code: 0, bits: 64, lanes: 1 };

/// `DLTensor`. `byte_offset` is ignored by cuVS, and stays zero.
#[derive(Debug)]
#[repr(C)]
pub(super) struct DlTensor {
    pub(super) data: *mut c_void,
    pub(super) device: DlDevice,
    pub(super) ndim: i32,
    pub(super) dtype: DlDataType,
    pub(super) shape: *mut i64,
    pub(super) strides: *mut i64,
    pub(super) byte_offset: u64,
}

/// `DLManagedTensor`; nothing is called when it is no longer used, because its owner is on our side.
#[derive(Debug)]
#[repr(C)]
pub(super) struct DlManagedTensor {
    pub(super) tensor: DlTensor,
    pub(super) context: *mut c_void,
    pub(super) deleter: *mut c_void,
}

/// `cuvsFilter`, handed over by value.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Filter {
    pub(super) addr: usize,
    pub(super) kind: CEnum,
}

impl Filter {
    /// `NO_FILTER`.
    pub(super) const NONE: Self = Self { addr: 0, kind: 0 };
}

/// `cuvsBruteForceIndex`; made and freed by cuVS.
#[derive(Debug)]
#[repr(C)]
pub(super) struct BruteForceIndex {
    pub(super) addr: usize,
    pub(super) dtype: DlDataType,
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn types_lie_in_memory_as_the_headers_have_them() {
        assert_eq!((size_of::<DlDevice>(), size_of::<DlDataType>(), size_of::<Filter>()), (8, 4, 16));
        assert_eq!((size_of::<DlTensor>(), size_of::<DlManagedTensor>(), size_of::<BruteForceIndex>()), (48, 64, 16));
        assert_eq!(
            (offset_of!(DlTensor, device), offset_of!(DlTensor, ndim), offset_of!(DlTensor, dtype)),
            (8, 16, 20)
        );
        assert_eq!((offset_of!(DlTensor, shape), offset_of!(DlTensor, strides)), (24, 32));
        assert_eq!((offset_of!(DlManagedTensor, context), offset_of!(DlManagedTensor, deleter)), (48, 56));
    }
}
