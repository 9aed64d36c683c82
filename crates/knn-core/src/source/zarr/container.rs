//! A zarr store as a [`Container`].

use std::sync::Arc;

use super::array::ZarrArray;
use super::store::{ZarrKind, ZarrStore};
use crate::error::{Error, Result};
use crate::source::StringBlock;
use crate::source::container::{Container, Declared, Missing, Node, NodeKind, StoredArray};
use crate::types::{DType, RowRange};

impl Container for ZarrStore {
    fn name(&self) -> &str {
        Self::name(self)
    }

    fn format(&self) -> &'static str {
        "zarr"
    }

    fn zarr_format(&self) -> Option<u64> {
        Some(self.version())
    }

    fn node(&self, path: &str) -> Result<Option<Node>> {
        Ok(Self::node(self, path)?.map(|node| Node {
            attributes: node.attributes,
            kind: match node.kind {
                ZarrKind::Group => NodeKind::Group,
                ZarrKind::Array(fields) => {
                    NodeKind::Array(Declared { dtype: fields.type_name(), shape: fields.shape().to_vec() })
                }
            },
        }))
    }

    fn children(&self, path: &str) -> Result<Vec<String>> {
        Self::children(self, path)
    }

    fn array(&self, path: &str, missing: Missing) -> Result<Arc<dyn StoredArray>> {
        Ok(Arc::new(ZarrArray::open(self, path)?.with_missing(missing)))
    }
}

impl StoredArray for ZarrArray {
    fn name(&self) -> String {
        Self::name(self)
    }

    fn shape(&self) -> &[u64] {
        Self::shape(self)
    }

    fn dtype(&self) -> DType {
        Self::dtype(self)
    }

    fn inner_chunk(&self) -> &[u64] {
        Self::inner_chunk(self)
    }

    fn shard(&self) -> Option<&[u64]> {
        Self::shard(self)
    }

    fn codec(&self) -> String {
        Self::codec(self)
    }

    fn reads_in_place(&self) -> bool {
        Self::reads_in_place(self)
    }

    fn scratch_bytes(&self, rows: u64) -> u64 {
        Self::scratch_bytes(self, rows)
    }

    fn stored_bytes(&self) -> u64 {
        Self::stored_bytes(self)
    }

    fn read_into(&self, rows: RowRange, out: &mut [u8]) -> Result<()> {
        Self::read_into(self, rows, out)
    }

    fn read_rows(&self, rows: RowRange, out: &mut Vec<u8>) -> Result<()> {
        Self::read_rows(self, rows, out)
    }

    fn read_strings(&self, rows: RowRange, out: &mut StringBlock) -> Result<()> {
        Self::read_strings(self, rows, out)
    }

    fn preflight(&self) -> Result<()> {
        Self::preflight(self)
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        Self::fingerprint(self, seed)
    }

    fn is_absent(&self) -> Result<bool> {
        Self::is_absent(self)
    }

    fn schema(&self, field: &str, reason: String) -> Error {
        Self::schema(self, field, reason)
    }
}
