//! The index of a shard: where each inner chunk lies, or that it was never written.
//!
//! An index is read once and kept, because every band of a shard needs it; whole shards never are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::metadata::Sharding;
use super::object::Object;
use crate::error::Result;

/// Offset and length of a chunk that was never written.
const ABSENT: u64 = u64::MAX;
/// Bytes of an index entry.
const ENTRY: u64 = 16;
/// Indexes of one array are kept up to this many bytes, then forgotten together: a pass goes forwards.
const KEPT_INDEXES: u64 = 16 << 20;

/// Offset and length of an inner chunk in its object.
pub(super) type Span = Option<(u64, u64)>;

/// Reads and checks the index of a shard of `slots` inner chunks.
pub(super) fn read_index(object: &Object, sharding: Sharding, slots: u64) -> Result<Vec<Span>> {
    let corrupt = |reason: String| object.corrupt("shard index", reason);
    let entries = slots * ENTRY;
    let length = entries + if sharding.checksum { 4 } else { 0 };
    let Some(payload) = object.len.checked_sub(length) else {
        return Err(corrupt(format!("needs {length} bytes but the shard has {}", object.len)));
    };
    let start = if sharding.index_at_start { 0 } else { payload };
    let bytes = object.read(start, length)?;
    let (table, checksum) = bytes.split_at(entries as usize);
    if sharding.checksum && crc32c::crc32c(table).to_le_bytes() != checksum {
        return Err(corrupt("its crc32c does not match".into()));
    }
    // Chunks lie on the other side of the index than the file's end, or its beginning.
    let (low, high) = if sharding.index_at_start { (length, object.len) } else { (0, payload) };
    let number =
        |bytes: [u8; 8]| if sharding.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) };
    let words = table.as_chunks::<8>().0;
    words
        .as_chunks::<2>()
        .0
        .iter()
        .enumerate()
        .map(|(slot, &[offset, length])| match (number(offset), number(length)) {
            (ABSENT, ABSENT) => Ok(None),
            (offset, length) if offset >= low && offset.checked_add(length).is_some_and(|end| end <= high) => {
                Ok(Some((offset, length)))
            }
            (offset, length) => Err(corrupt(format!(
                "inner chunk {slot} is said to lie at {offset} + {length}, outside the bytes {low}..{high} of the chunks"
            ))),
        })
        .collect()
}

/// The indexes of an array that have been read, by object.
#[derive(Debug, Default)]
pub(super) struct Indexes(Mutex<HashMap<Vec<u64>, Arc<[Span]>>>);

impl Indexes {
    /// Bytes that indexes of `slots` entries each may take here, for `objects` of them.
    pub(super) fn bytes(slots: u64, objects: u64) -> u64 {
        let one = slots.saturating_mul(size_of::<Span>() as u64);
        one.saturating_mul(objects).min(KEPT_INDEXES.max(one).saturating_add(one))
    }

    /// The index of an object, read by `read` the first time. Two threads may both read it then; that is harmless.
    pub(super) fn get(&self, object: &[u64], read: impl FnOnce() -> Result<Vec<Span>>) -> Result<Arc<[Span]>> {
        if let Some(index) = self.lock().get(object) {
            return Ok(Arc::clone(index));
        }
        let index: Arc<[Span]> = read()?.into();
        let mut kept = self.lock();
        if kept.values().map(|index| size_of_val::<[Span]>(index) as u64).sum::<u64>() > KEPT_INDEXES {
            kept.clear();
        }
        kept.insert(object.to_vec(), Arc::clone(&index));
        Ok(index)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u64>, Arc<[Span]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
