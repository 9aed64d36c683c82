//! One array of a store: what it is, where its chunks lie, and what reading it takes. Reading itself is in `read.rs`.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::codec::HEADER_BYTES;
use super::metadata::{ArrayMetadata, At};
use super::object::Object;
use super::read::{chunk_name, in_flight};
use super::shard::{Indexes, Span, read_index};
use super::spare::Spare;
use super::store::{ZarrKind, ZarrStore};
use crate::error::{Error, Result};
use crate::source::container::Missing;
use crate::source::key::join;
use crate::types::{DType, RowRange};

/// An array of a zarr store.
#[derive(Debug)]
pub struct ZarrArray {
    store: ZarrStore,
    path: String,
    metadata: ArrayMetadata,
    attributes: Map<String, Value>,
    missing: Missing,
    indexes: Indexes,
    absent: OnceLock<bool>,
    /// Numbers of objects along the rows of which any is stored, ascending.
    object_rows: OnceLock<Vec<u64>>,
    largest_strings: OnceLock<u64>,
    stored_bytes: OnceLock<u64>,
    spare: Spare,
}

impl ZarrArray {
    /// Opens the array at `path`, whose missing chunks are [`Missing::Fill`].
    pub fn open(store: &ZarrStore, path: &str) -> Result<Self> {
        let node = store.node(path)?.ok_or_else(|| Error::NotFound {
            store: store.name().into(),
            kind: "array".into(),
            key: path.into(),
            available: Vec::new(),
        })?;
        let ZarrKind::Array(fields) = &node.kind else {
            return Err(Error::schema(store.name(), path, "node_type", "is a group where an array is expected"));
        };
        let metadata = ArrayMetadata::parse(fields, &At { store: store.name(), array: path })?;
        Ok(Self {
            store: store.clone(),
            path: path.into(),
            metadata,
            attributes: node.attributes,
            missing: Missing::Fill,
            indexes: Indexes::default(),
            absent: OnceLock::new(),
            object_rows: OnceLock::new(),
            largest_strings: OnceLock::new(),
            stored_bytes: OnceLock::new(),
            spare: Spare::default(),
        })
    }

    /// Sets what a missing chunk object means.
    #[must_use]
    pub fn with_missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }

    /// Store and path, as errors name it.
    pub fn name(&self) -> String {
        Path::new(self.store.name()).join(&self.path).display().to_string()
    }

    /// Extent of every axis.
    pub fn shape(&self) -> &[u64] {
        &self.metadata.grid.shape
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.metadata.dtype
    }

    /// The attributes of its `zarr.json`.
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }

    /// Extent of the first axis.
    pub fn rows(&self) -> u64 {
        self.metadata.grid.rows()
    }

    /// Rows of one band of inner chunks.
    pub fn inner_rows(&self) -> u64 {
        self.metadata.grid.band_rows()
    }

    /// Cuts a range of rows at the bands.
    pub fn bands(&self, rows: RowRange) -> impl Iterator<Item = RowRange> + use<> {
        self.metadata.grid.bands(rows)
    }

    /// Shape of an inner chunk.
    pub fn inner_chunk(&self) -> &[u64] {
        &self.metadata.grid.inner
    }

    /// Shape of a shard, where there are shards.
    pub fn shard(&self) -> Option<&[u64]> {
        self.metadata.sharding.is_some().then_some(&*self.metadata.grid.object)
    }

    /// Names of its compression codecs, `raw` without any.
    pub fn codec(&self) -> String {
        self.metadata.codecs.name()
    }

    /// Bytes of all its stored objects; 0 where they cannot be listed, which the preflight reports.
    pub fn stored_bytes(&self) -> u64 {
        *self.stored_bytes.get_or_init(|| {
            let sizes = self.objects().and_then(|objects| {
                objects.iter().map(|object| self.store.object_len(&self.key(object))).sum::<Result<u64>>()
            });
            sizes.unwrap_or(0)
        })
    }

    /// Whether no object of it is stored, so that every element is the fill value.
    pub fn is_absent(&self) -> Result<bool> {
        if let Some(absent) = self.absent.get() {
            return Ok(*absent);
        }
        let absent = self.objects()?.is_empty();
        Ok(*self.absent.get_or_init(|| absent))
    }

    /// Bytes of scratch that reading `rows` rows takes at most, beyond what it fills.
    pub fn scratch_bytes(&self, rows: u64) -> u64 {
        let grid = &self.metadata.grid;
        let bands = (rows.div_ceil(grid.band_rows()) + 1).min(grid.rows().div_ceil(grid.band_rows()));
        let indexes = if self.metadata.sharding.is_some() {
            Indexes::bytes(grid.slots(), grid.objects().iter().product())
        } else {
            0
        };
        if self.reads_in_place() {
            return indexes;
        }
        let elements = grid.inner_elements();
        // A decoded chunk waits for the others of its group; what else a decode needs, only the threads at work hold.
        let (kept, working) = match self.dtype().size() {
            Some(_) => {
                let decoded = self.metadata.codecs.largest_decoded(elements);
                (decoded, self.metadata.codecs.largest_working(elements).saturating_sub(decoded))
            }
            // The strings taken; and encoded, decoded and their ends.
            None => (self.largest_strings(), self.largest_strings() * 2 + elements * size_of::<usize>() as u64),
        };
        let jobs = bands.saturating_mul(grid.band_width()).min(in_flight(kept));
        let threads = jobs.min(rayon::current_num_threads() as u64);
        jobs.saturating_mul(kept).saturating_add(threads.saturating_mul(working)).saturating_add(indexes)
    }

    pub(super) fn store(&self) -> &ZarrStore {
        &self.store
    }

    pub(super) fn spare(&self) -> &Spare {
        &self.spare
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn metadata(&self) -> &ArrayMetadata {
        &self.metadata
    }

    pub(super) fn missing(&self) -> Missing {
        self.missing
    }

    /// Path in the store of a chunk object.
    pub(super) fn key(&self, object: &[u64]) -> String {
        join(&self.path, &self.metadata.keys.key(object))
    }

    /// A schema error of this array.
    pub(crate) fn schema(&self, field: &str, reason: impl Into<String>) -> Error {
        Error::schema(self.store.name(), self.path.as_str(), field, reason)
    }

    /// Where the inner chunks of an object lie in it.
    pub(super) fn spans(&self, coordinates: &[u64], object: &Object) -> Result<std::sync::Arc<[Span]>> {
        match self.metadata.sharding {
            None => Ok([Some((0, object.len))].into()),
            Some(sharding) => {
                self.indexes.get(coordinates, || read_index(object, sharding, self.metadata.grid.slots()))
            }
        }
    }

    /// Refuses an encoded length that no chunk of this array can have.
    pub(super) fn check_length(&self, object: &Object, block: &str, length: u64) -> Result<()> {
        let elements = self.metadata.grid.inner_elements();
        let decoded = self.metadata.codecs.largest_decoded(elements);
        let encoded = self.metadata.codecs.largest_encoded(elements);
        if self.metadata.codecs.is_uncompressed() && length != decoded {
            return Err(object.corrupt(block, format!("has {length} bytes where {decoded} are stored uncompressed")));
        }
        if length == 0 || length > encoded {
            return Err(object.corrupt(block, format!("has {length} bytes, but 1 to {encoded} are possible")));
        }
        Ok(())
    }

    /// Finds an inner chunk: its open object, offset and length. `None` is fill.
    pub(super) fn stored(&self, band: u64, column: u64) -> Result<Option<(Object, u64, u64)>> {
        let place = self.metadata.grid.place(band, column);
        let key = self.key(&place.object);
        let Some(object) = self.store.object(&key)? else {
            return if self.is_lost(&place.object)? { Err(self.lost(&key)) } else { Ok(None) };
        };
        let spans = self.spans(&place.object, &object)?;
        let Some((offset, length)) = spans.get(place.slot).copied().flatten() else { return Ok(None) };
        self.check_length(&object, &chunk_name(band, column), length)?;
        Ok(Some((object, offset, length)))
    }

    /// Whether an object that is not there is one that other objects show to have been lost.
    fn is_lost(&self, coordinates: &[u64]) -> Result<bool> {
        Ok(match self.missing {
            Missing::Fill => false,
            Missing::AllOrNone => !self.is_absent()?,
            Missing::Bands => {
                let stored = self.object_rows()?;
                !stored.is_empty() && coordinates.first().is_some_and(|first| stored.binary_search(first).is_err())
            }
        })
    }

    /// Numbers of objects along the rows of which any is stored, ascending.
    fn object_rows(&self) -> Result<&[u64]> {
        if let Some(stored) = self.object_rows.get() {
            return Ok(stored);
        }
        let mut stored: Vec<_> = self.objects()?.iter().filter_map(|object| object.first().copied()).collect();
        stored.dedup();
        Ok(self.object_rows.get_or_init(|| stored))
    }

    /// A chunk object that other objects of its array show to have been lost.
    pub(super) fn lost(&self, key: &str) -> Error {
        Error::Corrupt {
            file: format!("{}/{key}", self.store.name()),
            block: "chunk object".into(),
            reason: "is missing while other chunks of the array exist".into(),
        }
    }

    /// The largest decoded size that any chunk of a string array announces.
    pub(super) fn largest_strings(&self) -> u64 {
        let elements = self.metadata.grid.inner_elements();
        *self
            .largest_strings
            .get_or_init(|| self.announced().unwrap_or_else(|_| self.metadata.codecs.largest_decoded(elements)))
    }

    fn announced(&self) -> Result<u64> {
        let elements = self.metadata.grid.inner_elements();
        let mut largest = elements.saturating_mul(4 + self.metadata.fill.len() as u64);
        for coordinates in self.objects()? {
            let Some(object) = self.store.object(&self.key(&coordinates))? else { continue };
            for (offset, length) in self.spans(&coordinates, &object)?.iter().flatten() {
                let head = object.read(*offset, (*length).min(HEADER_BYTES))?;
                largest = largest.max(self.metadata.codecs.announced(&head, *length, elements));
            }
        }
        Ok(largest)
    }
}
