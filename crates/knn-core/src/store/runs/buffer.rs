//! Records in memory, until they are a run.

use std::path::Path;
use std::sync::Arc;

use super::layout::{Entry, RunShape, encode, hasher};
use crate::error::{Error, Result};
use crate::store::{AtomicFile, Vfs, Written};

/// Records are handed to the file in pieces of about this many bytes.
const PIECE: usize = 1 << 18;

/// Collects records of one shape; the same buffers serve run after run.
#[derive(Debug)]
pub struct RunBuffer {
    shape: RunShape,
    keys: Vec<u32>,
    records: Vec<u8>,
    order: Vec<u32>,
}

impl RunBuffer {
    /// An empty buffer.
    pub fn new(shape: RunShape) -> Self {
        Self { shape, keys: Vec::new(), records: Vec::new(), order: Vec::new() }
    }

    /// Bytes that `records` records take here until they are committed.
    pub fn bytes(shape: RunShape, records: u64) -> u64 {
        records * (u64::from(shape.width) + 8) + u64::from(shape.keys) * 24 + PIECE as u64 + u64::from(shape.width)
    }

    /// Makes room for so many records, so that pushing them takes no more memory than [`Self::bytes`] says.
    pub fn reserve(&mut self, records: usize) {
        self.keys.reserve_exact(records);
        self.records.reserve_exact(records * self.shape.width as usize);
        self.order.reserve_exact(records);
    }

    /// Adds a record. A key or width that the shape has not is a bug of the caller.
    pub fn push(&mut self, key: u32, record: &[u8]) -> Result<()> {
        if key >= self.shape.keys || record.len() != self.shape.width as usize {
            return Err(Error::internal(format!("key {key} and {} bytes for a run of {:?}", record.len(), self.shape)));
        }
        self.keys.push(key);
        self.records.extend_from_slice(record);
        Ok(())
    }

    /// Records held.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Writes what is held as a run that is durable under its own name, and empties the buffer.
    pub fn commit(&mut self, vfs: &Arc<dyn Vfs>, path: &Path, worker: &str) -> Result<Written> {
        let starts = self.sort()?;
        let width = self.shape.width as usize;
        let mut file = AtomicFile::create(vfs, path, worker)?;
        let mut piece = Vec::with_capacity(PIECE + width);
        let mut entries = Vec::with_capacity(self.shape.keys as usize);
        for ends in starts.windows(2) {
            let mut hash = hasher();
            for &record in &self.order[ends[0]..ends[1]] {
                let bytes = &self.records[record as usize * width..][..width];
                hash.update(bytes);
                piece.extend_from_slice(bytes);
                if piece.len() >= PIECE {
                    file.write_all(&piece)?;
                    piece.clear();
                }
            }
            entries.push(Entry { end: ends[1] as u64, xxh3: hash.digest() });
        }
        piece.extend_from_slice(&encode(self.shape, &entries));
        file.write_all(&piece)?;
        let sealed = file.seal()?;
        let folder = sealed.folder().to_path_buf();
        let written = sealed.publish()?;
        vfs.sync_dir(&folder)?;
        self.keys.clear();
        self.records.clear();
        Ok(written)
    }

    /// Brings `order` into the order of keys, records of a key as they were pushed; where each key's begin.
    fn sort(&mut self) -> Result<Vec<usize>> {
        if u32::try_from(self.keys.len()).is_err() {
            return Err(Error::internal(format!("{} records in one run", self.keys.len())));
        }
        let mut starts = vec![0; self.shape.keys as usize + 1];
        self.keys.iter().for_each(|&key| starts[key as usize + 1] += 1);
        for key in 0..self.shape.keys as usize {
            starts[key + 1] += starts[key];
        }
        let mut next = starts.clone();
        self.order.clear();
        self.order.resize(self.keys.len(), 0);
        for (record, &key) in self.keys.iter().enumerate() {
            self.order[next[key as usize]] = record as u32;
            next[key as usize] += 1;
        }
        Ok(starts)
    }
}
