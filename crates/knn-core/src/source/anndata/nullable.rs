//! Values with a mask: anndata's `nullable-*` groups, and plain arrays, which have none.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::source::StringBlock;
use crate::source::container::{Container, Missing, NodeKind, StoredArray};
use crate::source::key::join;
use crate::types::{DType, RowRange};

/// A one-dimensional array of values, and where it says so, a mask of the missing ones.
#[derive(Debug)]
pub(super) struct Nullable {
    pub(super) values: Arc<dyn StoredArray>,
    mask: Option<Arc<dyn StoredArray>>,
}

impl Nullable {
    /// Opens an array, or a group with `values` and `mask`.
    pub(super) fn open(store: &dyn Container, path: &str) -> Result<Self> {
        let node = store.node(path)?.ok_or_else(|| Error::schema(store.name(), path, "node", "is missing"))?;
        match node.kind {
            NodeKind::Array(_) => Self::of(store.array(path, Missing::Fill)?, None),
            NodeKind::Group => Self::pair(store, path, "values"),
        }
    }

    /// Opens the member `values` of a group, with its `mask` if there is one.
    pub(super) fn pair(store: &dyn Container, path: &str, values: &str) -> Result<Self> {
        let member = |name: &str| -> Result<Option<Arc<dyn StoredArray>>> {
            let path = join(path, name);
            store.node(&path)?.map(|_| store.array(&path, Missing::Fill)).transpose()
        };
        let values =
            member(values)?.ok_or_else(|| Error::schema(store.name(), path, values, "the array is missing"))?;
        Self::of(values, member("mask")?)
    }

    fn of(values: Arc<dyn StoredArray>, mask: Option<Arc<dyn StoredArray>>) -> Result<Self> {
        if values.shape().len() != 1 {
            return Err(values.schema("shape", format!("{:?} has not one dimension", values.shape())));
        }
        if let Some(mask) = &mask {
            if mask.dtype() != DType::Bool {
                return Err(mask.schema("data_type", format!("is {} and not bool", mask.dtype().name())));
            }
            if mask.shape() != values.shape() {
                return Err(Error::Shape {
                    left: values.name(),
                    left_shape: values.shape().to_vec(),
                    right: mask.name(),
                    right_shape: mask.shape().to_vec(),
                    reason: "values and their mask".into(),
                });
            }
        }
        Ok(Self { values, mask })
    }

    pub(super) fn rows(&self) -> u64 {
        self.values.rows()
    }

    /// Whether some values may be missing.
    pub(super) fn has_mask(&self) -> bool {
        self.mask.is_some()
    }

    pub(super) fn natural_rows(&self) -> u64 {
        self.values.inner_rows().max(self.mask.as_ref().map_or(1, |mask| mask.inner_rows()))
    }

    /// One past the last row of the band of chunks that a row lies in.
    pub(super) fn band_end(&self, row: u64) -> u64 {
        self.values.band_end(row).max(self.mask.as_ref().map_or(0, |mask| mask.band_end(row)))
    }

    pub(super) fn scratch_bytes(&self, rows: u64) -> u64 {
        let element = self.values.dtype().size().unwrap_or(0) as u64 + u64::from(self.mask.is_some());
        let arrays = [Some(&self.values), self.mask.as_ref()];
        let read = arrays.iter().flatten().map(|array| array.scratch_bytes(rows)).max().unwrap_or(0);
        read.saturating_add(rows.saturating_mul(element))
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        self.values.stored_bytes() + self.mask.as_ref().map_or(0, |mask| mask.stored_bytes())
    }

    /// Reads values and calls `set_missing` with the position of every missing one.
    pub(super) fn read_missing(&self, rows: RowRange, mut set_missing: impl FnMut(usize)) -> Result<()> {
        let Some(mask) = &self.mask else { return Ok(()) };
        let mut bytes = Vec::new();
        mask.read_rows(rows, &mut bytes)?;
        bytes.iter().enumerate().filter(|(_, masked)| **masked != 0).for_each(|(row, _)| set_missing(row));
        Ok(())
    }

    /// Reads strings; missing ones read as `missing`.
    pub(super) fn read_strings(&self, rows: RowRange, missing: &str, out: &mut StringBlock) -> Result<()> {
        self.values.read_strings(rows, out)?;
        let mut masked = Vec::new();
        self.read_missing(rows, |row| masked.push(row))?;
        if masked.is_empty() {
            return Ok(());
        }
        let mut masked = masked.into_iter().peekable();
        let mut replaced = StringBlock::default();
        for (row, text) in out.iter().enumerate() {
            replaced.push(if masked.next_if_eq(&row).is_some() { missing } else { text });
        }
        *out = replaced;
        Ok(())
    }

    pub(super) fn preflight(&self) -> Result<()> {
        self.values.preflight()?;
        self.mask.as_ref().map_or(Ok(()), |mask| mask.preflight())
    }

    pub(super) fn fingerprint(&self, seed: u64) -> Result<u128> {
        let mask = self.mask.as_ref().map_or(Ok(0), |mask| mask.fingerprint(seed))?;
        Ok(self.values.fingerprint(seed)? ^ mask.rotate_left(1))
    }
}
