//! The bytes of a run: shape, table and footer.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// What a file must end with to be a run.
const MAGIC: [u8; 8] = *b"GMRUN\0\0\x01";
/// Bytes of the footer: magic, width, keys, records, checksum of the table, checksum of the footer so far.
pub(super) const FOOTER: usize = 40;
/// Bytes of a key in the table.
pub(super) const ENTRY: usize = 16;

/// What the records of a run are: as wide as this, with keys below that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunShape {
    /// Keys are `0..keys`.
    pub keys: u32,
    /// Bytes of a record, without its key.
    pub width: u32,
}

/// Where a key's records end, counted in records from the beginning of the file, and their checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) end: u64,
    pub(super) xxh3: u64,
}

impl RunShape {
    /// Bytes of a run of this shape with so many records; `None` beyond what a file can have.
    pub(super) fn file_length(self, records: u64) -> Option<u64> {
        let table = u64::from(self.keys) * ENTRY as u64 + FOOTER as u64;
        records.checked_mul(u64::from(self.width))?.checked_add(table)
    }
}

/// Table and footer of a run.
pub(super) fn encode(shape: RunShape, entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY + FOOTER);
    for entry in entries {
        bytes.extend_from_slice(&entry.end.to_le_bytes());
        bytes.extend_from_slice(&entry.xxh3.to_le_bytes());
    }
    let table = xxh3_64(&bytes);
    let footer = bytes.len();
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&shape.width.to_le_bytes());
    bytes.extend_from_slice(&shape.keys.to_le_bytes());
    bytes.extend_from_slice(&entries.last().map_or(0, |last| last.end).to_le_bytes());
    bytes.extend_from_slice(&table.to_le_bytes());
    let own = xxh3_64(&bytes[footer..]);
    bytes.extend_from_slice(&own.to_le_bytes());
    bytes
}

/// The number of records and the checksum of the table that a footer tells, if it is one of this shape.
pub(super) fn decode_footer(bytes: &[u8; FOOTER], shape: RunShape) -> Result<(u64, u64), &'static str> {
    let four = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let eight = |at: usize| u64::from(four(at)) | u64::from(four(at + 4)) << 32;
    if bytes[..8] != MAGIC {
        return Err("it is no run");
    }
    if xxh3_64(&bytes[..FOOTER - 8]) != eight(FOOTER - 8) {
        return Err("its checksum is wrong");
    }
    if (RunShape { width: four(8), keys: four(12) }) != shape {
        return Err("its records have another shape");
    }
    Ok((eight(16), eight(24)))
}

/// The table, checked against its checksum, its order and the number of records.
pub(super) fn decode_table(bytes: &[u8], records: u64, xxh3: u64) -> Result<Vec<Entry>, &'static str> {
    if xxh3_64(bytes) != xxh3 {
        return Err("its checksum is wrong");
    }
    let mut last = 0;
    let mut entries = Vec::with_capacity(bytes.len() / ENTRY);
    for pair in bytes.as_chunks::<8>().0.as_chunks::<2>().0 {
        let entry = Entry { end: u64::from_le_bytes(pair[0]), xxh3: u64::from_le_bytes(pair[1]) };
        if entry.end < last {
            return Err("a key ends before it begins");
        }
        last = entry.end;
        entries.push(entry);
    }
    if last == records { Ok(entries) } else { Err("it does not cover all records") }
}

/// A fresh checksum.
pub(super) fn hasher() -> Box<Xxh3> {
    Box::new(Xxh3::new())
}
