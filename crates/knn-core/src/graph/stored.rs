//! Neighbours on disk, read back in row order.

use super::block::GraphBlock;
use crate::error::{Error, Result};
use crate::source::{Missing, ZarrArray, ZarrStore};
use crate::types::{DType, NeighborBlock, RowRange};

/// `obsm/knn_indices` and `obsm/knn_distances` of one AnnData.
pub struct StoredNeighbors {
    indices: ZarrArray,
    distances: ZarrArray,
    k: usize,
    buffer: Vec<u8>,
    other: Vec<u8>,
}

impl StoredNeighbors {
    /// Opens the neighbours of the AnnData at `prefix` (empty, or ending in `/`) of a store.
    pub fn open(store: &ZarrStore, prefix: &str) -> Result<Self> {
        let open =
            |name: &str| Ok(ZarrArray::open(store, &format!("{prefix}obsm/{name}"))?.with_missing(Missing::AllOrNone));
        let (indices, distances) = (open("knn_indices")?, open("knn_distances")?);
        let &[_, k] = indices.shape() else {
            return Err(indices.schema("shape", "is not rows × k"));
        };
        if indices.shape() != distances.shape() {
            return Err(Error::Shape {
                left: indices.name(),
                left_shape: indices.shape().to_vec(),
                right: distances.name(),
                right_shape: distances.shape().to_vec(),
                reason: "one distance for every neighbor".into(),
            });
        }
        if !matches!(indices.dtype(), DType::Int32 | DType::Int64) {
            return Err(indices.schema("data_type", "is neither int32 nor int64"));
        }
        if distances.dtype() != DType::Float32 {
            return Err(distances.schema("data_type", "is not float32"));
        }
        Ok(Self { indices, distances, k: k as usize, buffer: Vec::new(), other: Vec::new() })
    }

    /// Reads these rows, counted within the AnnData, as rows from `first_row` on of the whole query.
    pub fn read(&mut self, rows: RowRange, first_row: u64, block: &mut NeighborBlock) -> Result<()> {
        (block.first_row, block.k) = (first_row, self.k);
        block.ids.clear();
        block.distances.clear();
        self.read_more(rows, block)
    }

    /// Adds these rows, counted within the AnnData, behind those of a block. Ids and distances are read side by side.
    pub(super) fn read_more(&mut self, rows: RowRange, block: &mut NeighborBlock) -> Result<()> {
        let Self { indices, distances, buffer, other, .. } = self;
        let (into_ids, into_distances) = (&mut block.ids, &mut block.distances);
        let read_ids = || {
            indices.read_rows(rows, buffer)?;
            if indices.dtype() == DType::Int32 {
                into_ids.extend(buffer.as_chunks().0.iter().map(|bytes| i64::from(i32::from_ne_bytes(*bytes))));
            } else {
                into_ids.extend(buffer.as_chunks().0.iter().map(|bytes| i64::from_ne_bytes(*bytes)));
            }
            Ok(())
        };
        let read_distances = || {
            distances.read_rows(rows, other)?;
            into_distances.extend(other.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)));
            Ok(())
        };
        let (ids, distances) = rayon::join(read_ids, read_distances);
        ids.and(distances)
    }

    /// Appends these rows, counted within the AnnData, to a block; `false` if an id is no row of `n_ref`.
    pub(super) fn append(&mut self, rows: RowRange, n_ref: u64, block: &mut GraphBlock) -> Result<bool> {
        self.indices.read_rows(rows, &mut self.buffer)?;
        let valid = block.ids.extend(&self.buffer, n_ref);
        self.distances.read_rows(rows, &mut self.buffer)?;
        block.distances.extend(self.buffer.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)));
        Ok(valid)
    }

    /// Rows and width.
    pub(super) fn shape(&self) -> &[u64] {
        self.indices.shape()
    }

    /// Type of the ids: int32 or int64.
    pub(super) fn ids_dtype(&self) -> DType {
        self.indices.dtype()
    }

    /// A schema error of the ids.
    pub(super) fn schema(&self, field: &str, reason: String) -> Error {
        self.indices.schema(field, reason)
    }

    /// Bytes that reading `rows` rows of `k` neighbours takes, the block included.
    pub fn bytes(rows: u64, k: u64) -> u64 {
        rows * k * (8 + 4 + 8 + 4)
    }
}
