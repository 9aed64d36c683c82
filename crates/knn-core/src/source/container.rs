//! Groups, arrays and attributes, whatever format holds them: what AnnData stands on.
//!
//! A format implements both traits and nothing else. Paths are those of zarr: `obsm/X_pca`, without a slash in front, the
//! root the empty path. An attribute that refers to another node is the text of its path: with a slash in front it counts
//! from the root of the container, else from the group that the node lies in. A table that a format keeps as one dataset
//! is a group with an array for each field, and with the attributes `_index` and `column-order`.
//!
//! Not here: opening, which is in `open.rs`, and what the encodings of AnnData mean.

use std::fmt::Debug;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::filtered::FilteredStore;
use super::strings::StringBlock;
use crate::error::{Error, Result};
use crate::types::{DType, RowRange};

/// A hierarchy of groups and arrays. Shared between threads; errors name it as the user did.
pub trait Container: Debug + Send + Sync {
    /// The store as the user named it.
    fn name(&self) -> &str;

    /// The format in one word: `zarr`, `h5ad`.
    fn format(&self) -> &'static str;

    /// Version of the zarr format, where it is one.
    fn zarr_format(&self) -> Option<u64> {
        None
    }

    /// The stores that are read as one, in the order of their rows, each with its cells; none where it is one store.
    fn stores(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// Bytes of it that stay in memory while it is open: of cells that a caller gave, and of which cells are chosen.
    fn held_bytes(&self) -> u64 {
        0
    }

    /// Itself, where it is the cells of a store for which a condition holds.
    fn filtered(&self) -> Option<&FilteredStore> {
        None
    }

    /// What lies at a path; `None` if nothing does.
    fn node(&self, path: &str) -> Result<Option<Node>>;

    /// Names of the nodes directly below a group, sorted; empty for what is no group.
    fn children(&self, path: &str) -> Result<Vec<String>>;

    /// Opens an array, and says what chunks mean that it lacks. `GM_NOT_FOUND` if there is none.
    fn array(&self, path: &str, missing: Missing) -> Result<Arc<dyn StoredArray>>;
}

/// A group or an array with its attributes.
#[derive(Debug, Clone)]
pub struct Node {
    /// Which of both.
    pub kind: NodeKind,
    /// Its attributes. Those that cannot be expressed in JSON are left out.
    pub attributes: Map<String, Value>,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// It has members.
    Group,
    /// It has elements.
    Array(Declared),
}

/// What an array says of itself, also where it cannot be read further.
#[derive(Debug, Clone)]
pub struct Declared {
    /// zarr v3's name of its element type, or a foreign name.
    pub dtype: String,
    /// Extent of every axis, unchecked.
    pub shape: Vec<u64>,
}

/// What a chunk object that does not exist means. Missing inner chunks of a shard are always fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The fill value: writers leave out chunks of nothing else. For columns.
    Fill,
    /// The fill value if no object of the array exists, damage if some do. For embeddings, where a lost shard would
    /// otherwise become a million cells at the origin.
    AllOrNone,
    /// The fill value beside another object of the same rows, damage if these rows have none while others do. For expression: many a chunk of some genes
    /// holds nothing but 0, which zarr-python 3 does not write.
    Bands,
}

/// One array, read in ranges of its first axis. Its metadata were checked when it was opened.
pub trait StoredArray: Debug + Send + Sync {
    /// Store and path, as errors name it.
    fn name(&self) -> String;

    /// Extent of every axis.
    fn shape(&self) -> &[u64];

    /// Element type. Strings of every kind are [`DType::String`].
    fn dtype(&self) -> DType;

    /// Extent of the first axis; 1 for a scalar.
    fn rows(&self) -> u64 {
        self.shape().first().copied().unwrap_or(1)
    }

    /// Shape of what is decoded at once. No extent is 0.
    fn inner_chunk(&self) -> &[u64];

    /// Rows of one band of inner chunks, at least 1.
    fn inner_rows(&self) -> u64 {
        self.inner_chunk().first().copied().unwrap_or(1).max(1)
    }

    /// Rows that a range may be cut at without anything being decoded twice: those of a band, or 1 where stored bytes are read in place.
    fn natural_rows(&self) -> u64 {
        if self.reads_in_place() { 1 } else { self.inner_rows() }
    }

    /// One past the last row of the band that a row lies in: reading from one end of a band to the next decodes no chunk twice.
    fn band_end(&self, row: u64) -> u64 {
        let band = self.inner_rows();
        (row / band).saturating_add(1).saturating_mul(band).min(self.rows())
    }

    /// Shape of a shard, where there are shards.
    fn shard(&self) -> Option<&[u64]> {
        None
    }

    /// Names of its compression codecs, `raw` without any.
    fn codec(&self) -> String;

    /// Whether stored bytes are the rows as they are wanted, so that any range costs its own bytes only.
    fn reads_in_place(&self) -> bool;

    /// Bytes of scratch that reading `rows` rows takes at most, beyond what it fills.
    fn scratch_bytes(&self, rows: u64) -> u64;

    /// Bytes that it takes in the store.
    fn stored_bytes(&self) -> u64;

    /// Reads rows of fixed-size elements, row-major and native-endian, into a buffer of exactly their size.
    fn read_into(&self, rows: RowRange, out: &mut [u8]) -> Result<()>;

    /// The same into `out`, whose length is set.
    fn read_rows(&self, rows: RowRange, out: &mut Vec<u8>) -> Result<()> {
        let size = self.dtype().size().ok_or_else(|| self.schema("data_type", "is string, not a number".into()))?;
        let width = self.shape().iter().skip(1).try_fold(size as u64, |bytes, &extent| bytes.checked_mul(extent));
        let bytes = width.and_then(|width| width.checked_mul(rows.len() as u64));
        let bytes = bytes.and_then(|bytes| isize::try_from(bytes).ok());
        out.resize(bytes.ok_or_else(|| Error::internal("rows beyond memory"))?.cast_unsigned(), 0);
        self.read_into(rows, out)
    }

    /// Clears `out` and reads the strings of a one-dimensional array into it.
    fn read_strings(&self, rows: RowRange, out: &mut StringBlock) -> Result<()>;

    /// Checks everything that is stored of the array, without decoding it.
    fn preflight(&self) -> Result<()>;

    /// Hash of metadata and sampled content, the same wherever it lies.
    fn fingerprint(&self, seed: u64) -> Result<u128>;

    /// Whether nothing of it is stored, so that every element is the fill value.
    fn is_absent(&self) -> Result<bool>;

    /// What the user should know before it is read as a representation.
    fn warnings(&self) -> Result<Vec<String>> {
        if self.rows() > 0 && self.is_absent()? {
            return Ok(vec![format!("{} has no stored chunk: every value is its fill value", self.name())]);
        }
        Ok(Vec::new())
    }

    /// A schema error of this array.
    fn schema(&self, field: &str, reason: String) -> Error;
}

/// Cuts a range of rows where bands of `band` rows end. `band` is at least 1.
pub(super) fn bands(rows: RowRange, band: u64) -> impl Iterator<Item = RowRange> + use<> {
    let mut start = rows.start;
    std::iter::from_fn(move || {
        let end = (start - start % band).saturating_add(band).min(rows.end);
        let piece = RowRange { start, end };
        start = end;
        (piece.start < piece.end).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cut_where_inner_chunks_end() {
        let cuts: Vec<_> = bands(RowRange::new(3, 12), 5).map(|r| (r.start, r.end)).collect();
        assert_eq!(cuts, [(3, 5), (5, 10), (10, 12)]);
        assert_eq!(bands(RowRange::new(4, 4), 5).count(), 0);
    }
}
