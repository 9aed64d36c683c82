//! One unit of one stage while it is written: all of its arrays, or nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::column::Column;
use super::layout::UnitRange;
use super::mapping::Shared;
use super::shard::Shard;
use super::spec::{ArraySpec, Kind};
use crate::error::{Error, Result};
use crate::store::{AtomicFile, ObjectRecord, Record, SealedFile, Stage};

/// Takes the rows of a unit. Dropped before it is committed, it leaves nothing behind.
pub struct UnitWriter {
    store: Arc<Shared>,
    stage: Stage,
    range: UnitRange,
    arrays: Vec<Open>,
}

struct Open {
    path: String,
    object: String,
    row_bytes: Option<u64>,
    writer: Writer,
}

enum Writer {
    Shard(Shard),
    Column(Column),
    /// Values of any number, of so many bytes each.
    Ragged(AtomicFile, u64),
}

impl Open {
    fn create(store: &Shared, array: &ArraySpec, unit: u64) -> Result<Self> {
        let layout = &store.spec.layout;
        let object = array.object(layout, unit);
        let target = store.path.join(&object);
        let writer = match array.kind {
            Kind::Matrix { .. } | Kind::Expression { .. } => {
                Writer::Shard(Shard::create(&store.vfs, &target, &store.worker, array, layout)?)
            }
            Kind::Column(_) => Writer::Column(Column::create(&store.vfs, &target, &store.worker, array)?),
            Kind::Ragged { dtype, .. } => {
                let size = dtype.size().unwrap_or(1) as u64;
                Writer::Ragged(AtomicFile::create(&store.vfs, &target, &store.worker)?, size)
            }
        };
        Ok(Self { path: array.path.clone(), object, row_bytes: array.row_bytes(), writer })
    }

    /// Rows written so far; `None` where rows have any length.
    fn rows(&self) -> Option<u64> {
        match &self.writer {
            Writer::Shard(shard) => Some(shard.rows()),
            Writer::Column(column) => Some(column.rows()),
            Writer::Ragged(..) => None,
        }
    }
}

impl UnitWriter {
    pub(super) fn begin(store: &Arc<Shared>, stage: Stage, unit: u64) -> Result<Self> {
        let range = store.spec.layout.unit(unit);
        // Made first, so that whatever fails below gives the unit free again.
        let mut writer = Self { store: Arc::clone(store), stage, range, arrays: Vec::new() };
        for array in store.spec.of(stage) {
            writer.arrays.push(Open::create(store, array, unit)?);
        }
        Ok(writer)
    }

    /// The rows to write.
    pub fn range(&self) -> UnitRange {
        self.range
    }

    /// Appends whole rows, little-endian, to the array of that path, or whole values where rows have any length; rows come in order, any number
    /// at a time.
    pub fn append(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let open = self.array(path)?;
        if let Writer::Ragged(file, size) = &mut open.writer {
            if !(bytes.len() as u64).is_multiple_of(*size) {
                return Err(Error::internal(format!("{path}: {} bytes are no whole values of {size}", bytes.len())));
            }
            return file.write_all(bytes);
        }
        let row_bytes = open.row_bytes.ok_or_else(|| Error::internal(format!("{path} takes texts")))?;
        if !(bytes.len() as u64).is_multiple_of(row_bytes) {
            return Err(Error::internal(format!("{path}: {} bytes are no whole rows of {row_bytes}", bytes.len())));
        }
        self.room(path, bytes.len() as u64 / row_bytes)?;
        match &mut self.array(path)?.writer {
            Writer::Shard(shard) => shard.append(bytes),
            Writer::Column(column) => column.append(bytes),
            Writer::Ragged(file, _) => file.write_all(bytes),
        }
    }

    /// Appends texts, given as their bytes one behind another and the end of each.
    pub fn append_strings(&mut self, path: &str, bytes: &[u8], ends: &[usize]) -> Result<()> {
        self.room(path, ends.len() as u64)?;
        match &mut self.array(path)?.writer {
            Writer::Column(column) => column.append_strings(bytes, ends),
            Writer::Shard(_) | Writer::Ragged(..) => Err(Error::internal(format!("{path} takes no texts"))),
        }
    }

    /// Makes the unit durable and enters it in the journal, with what the stage wants to know again.
    pub fn commit(mut self, extra: Value) -> Result<()> {
        for open in &self.arrays {
            if let Some(rows) = open.rows().filter(|&rows| rows != self.range.rows.len() as u64) {
                let reason = format!("{} got {rows} of {} rows", open.path, self.range.rows.len());
                return Err(Error::internal(reason));
            }
        }
        let unit_rows = self.store.spec.layout.unit_rows();
        let mut sealed: Vec<(String, SealedFile)> = Vec::with_capacity(self.arrays.len());
        for open in self.arrays.drain(..) {
            let file = match open.writer {
                Writer::Shard(shard) => shard.seal()?,
                Writer::Column(column) => column.seal(unit_rows)?,
                Writer::Ragged(file, _) => file.seal()?,
            };
            sealed.push((open.object, file));
        }
        let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
        let mut objects = Vec::with_capacity(sealed.len());
        for (name, file) in sealed {
            folders.insert(file.folder().to_path_buf());
            let written = file.publish()?;
            objects.push(ObjectRecord { name, length: written.length, xxh3: written.xxh3 });
        }
        folders.iter().try_for_each(|folder| self.store.vfs.sync_dir(folder))?;
        let rows = [self.range.rows.start, self.range.rows.end];
        self.store.enter(Record { stage: self.stage, unit: self.range.unit, rows, objects, extra })
    }

    fn array(&mut self, path: &str) -> Result<&mut Open> {
        let stage = self.stage;
        let found = self.arrays.iter_mut().find(|open| open.path == path);
        found.ok_or_else(|| Error::internal(format!("{path} is not written when a unit is {stage:?}")))
    }

    fn room(&mut self, path: &str, rows: u64) -> Result<()> {
        let most = self.range.rows.len() as u64;
        let written = self.array(path)?.rows().unwrap_or(0);
        if written + rows > most {
            return Err(Error::internal(format!("{path}: {} rows for a unit of {most}", written + rows)));
        }
        Ok(())
    }
}

impl Drop for UnitWriter {
    fn drop(&mut self) {
        self.store.release(self.stage, self.range.unit);
    }
}
