//! The file as the HDF5 parser sees it: each question may read so many bytes and no more, so that no metadata, however
//! they lie or loop, can make it build more than a small multiple of that.

use std::sync::atomic::{AtomicU64, Ordering};

use hdf5_reader::error::Error as H5Error;
use hdf5_reader::{Storage, StorageBuffer};

use crate::error::Error;
use crate::store::PositionedFile;

/// Bytes of metadata that one question may read. An entry of a chunk index takes 32 to 40 of them and becomes 184 in
/// memory while it is parsed, so that an array may have 300 000 chunks and nobody needs more than 64 MiB to learn of them.
const MOST_METADATA: u64 = 12 << 20;

/// A file, and what the current question may still read of it.
#[derive(Debug)]
pub(super) struct BoundedFile {
    pub(super) file: PositionedFile,
    left: AtomicU64,
}

impl BoundedFile {
    pub(super) fn new(file: PositionedFile) -> Self {
        Self { file, left: AtomicU64::new(MOST_METADATA) }
    }

    /// Starts a new question.
    pub(super) fn allow(&self) {
        self.left.store(MOST_METADATA, Ordering::Relaxed);
    }
}

impl Storage for BoundedFile {
    fn len(&self) -> u64 {
        self.file.length()
    }

    fn read_range(&self, offset: u64, len: usize) -> hdf5_reader::error::Result<StorageBuffer> {
        let available = self.file.length().saturating_sub(offset);
        if len as u64 > available {
            return Err(H5Error::UnexpectedEof { offset, needed: len as u64, available });
        }
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(len as u64));
        if taken.is_err() {
            return Err(H5Error::ResourceLimit(format!("more than {MOST_METADATA} bytes of metadata for one object")));
        }
        let mut bytes = vec![0; len];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(StorageBuffer::from_vec(bytes)),
            Err(Error::Io { source, .. }) => Err(H5Error::Io(source)),
            Err(_) => Err(H5Error::UnexpectedEof { offset, needed: len as u64, available: 0 }),
        }
    }
}
