//! A run on disk: opened with all of its table checked, read key by key with all of the records checked.

use std::ops::Range;
use std::path::Path;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::layout::{ENTRY, Entry, FOOTER, RunShape, decode_footer, decode_table, hasher};
use crate::error::{Error, Result};
use crate::store::PositionedFile;

/// A committed run. Threads share it.
#[derive(Debug)]
pub struct Run {
    file: PositionedFile,
    shape: RunShape,
    entries: Vec<Entry>,
}

impl Run {
    /// Opens a run whose records are known to have this shape.
    pub fn open(path: &Path, shape: RunShape) -> Result<Self> {
        let file = PositionedFile::open(path)?;
        let length = file.length();
        let mut footer = [0; FOOTER];
        let at = length.checked_sub(FOOTER as u64).ok_or_else(|| file.corrupt("footer", "it is cut short"))?;
        file.read_exact_at(&mut footer, at)?;
        let (records, xxh3) = decode_footer(&footer, shape).map_err(|reason| file.corrupt("footer", reason))?;
        if shape.file_length(records) != Some(length) {
            return Err(file.corrupt("footer", format!("{records} records do not make {length} bytes")));
        }
        // As long as the caller's own shape says, and no longer than the file.
        let mut table = vec![0; shape.keys as usize * ENTRY];
        let table_at = at - table.len() as u64;
        file.read_exact_at(&mut table, table_at)?;
        let entries = decode_table(&table, records, xxh3).map_err(|reason| file.corrupt("table", reason))?;
        Ok(Self { file, shape, entries })
    }

    /// Bytes that an open run takes.
    pub fn bytes(shape: RunShape) -> u64 {
        u64::from(shape.keys) * 2 * ENTRY as u64
    }

    /// What its records are.
    pub fn shape(&self) -> RunShape {
        self.shape
    }

    /// Number of records with these keys.
    pub fn records(&self, keys: Range<u32>) -> u64 {
        self.start(keys.end) - self.start(keys.start)
    }

    /// Appends the records with these keys to `out`, in order.
    pub fn read(&self, keys: Range<u32>, out: &mut Vec<u8>) -> Result<()> {
        if keys.start > keys.end || keys.end > self.shape.keys {
            return Err(Error::internal(format!("keys {keys:?} of a run of {:?}", self.shape)));
        }
        let width = u64::from(self.shape.width);
        let first = out.len();
        out.resize(first + (self.records(keys.clone()) * width) as usize, 0);
        let start = self.start(keys.start);
        self.file.read_exact_at(&mut out[first..], start * width)?;
        for key in keys {
            let (from, to) = (self.start(key) - start, self.start(key + 1) - start);
            let bytes = &out[first + (from * width) as usize..first + (to * width) as usize];
            if xxh3_64(bytes) != self.entries[key as usize].xxh3 {
                return Err(self.file.corrupt(format!("key {key}"), "its checksum is wrong"));
            }
        }
        Ok(())
    }

    /// The records of a key a few at a time, where all of them might be too many.
    pub fn key(&self, key: u32) -> KeyReader<'_> {
        KeyReader { run: self, key, next: self.start(key), end: self.start(key + 1), hash: hasher() }
    }

    /// Records before those of a key.
    fn start(&self, key: u32) -> u64 {
        if key == 0 { 0 } else { self.entries[key as usize - 1].end }
    }
}

/// The records of one key, read in order. Their checksum is compared when the last one was read.
pub struct KeyReader<'a> {
    run: &'a Run,
    key: u32,
    next: u64,
    end: u64,
    hash: Box<Xxh3>,
}

impl KeyReader<'_> {
    /// Records that were not read yet.
    pub fn left(&self) -> u64 {
        self.end - self.next
    }

    /// Appends the next `most` records to `out`, or those that are left if they are fewer. What was read counts for nothing if an error
    /// follows.
    pub fn read(&mut self, most: u64, out: &mut Vec<u8>) -> Result<()> {
        let width = u64::from(self.run.shape.width);
        let records = most.min(self.left());
        let first = out.len();
        out.resize(first + (records * width) as usize, 0);
        self.run.file.read_exact_at(&mut out[first..], self.next * width)?;
        self.hash.update(&out[first..]);
        self.next += records;
        if self.next == self.end && self.hash.digest() != self.run.entries[self.key as usize].xxh3 {
            return Err(self.run.file.corrupt(format!("key {}", self.key), "its checksum is wrong"));
        }
        Ok(())
    }
}
