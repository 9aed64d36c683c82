//! Rows of a stored graph as they leave the core: ids in the width that they are stored in, so that nothing is converted twice.

use crate::error::{Error, Result};
use crate::types::DType;

/// A block's bytes at most: ids and distances together.
pub const MOST_BLOCK_BYTES: u64 = 64 << 20;

/// Row numbers of the reference, −1 where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ids {
    /// Of a reference of fewer than 2^31 rows.
    Int32(Vec<i32>),
    /// Of any other.
    Int64(Vec<i64>),
}

/// Neighbours of consecutive query rows, `rows × k`, row-major, ascending by distance.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphBlock {
    /// Number of the first query row.
    pub first_row: u64,
    /// Width of each row.
    pub k: usize,
    /// Reference rows, −1 where there is none.
    pub ids: Ids,
    /// Distances, NaN where there is none.
    pub distances: Vec<f32>,
}

impl Ids {
    /// None yet, in the width of `dtype`, and room for as many as are expected.
    pub(super) fn with_capacity(dtype: DType, ids: usize) -> Self {
        if dtype == DType::Int32 { Self::Int32(Vec::with_capacity(ids)) } else { Self::Int64(Vec::with_capacity(ids)) }
    }

    /// Appends ids from their bytes in memory; `false` if one is neither −1 nor a row of the reference.
    pub(super) fn extend(&mut self, bytes: &[u8], n_ref: u64) -> bool {
        let valid = |id: i64| id >= -1 && id < n_ref.min(i64::MAX as u64) as i64;
        match self {
            Self::Int32(ids) => {
                let first = ids.len();
                ids.extend(bytes.as_chunks().0.iter().map(|bytes| i32::from_ne_bytes(*bytes)));
                ids[first..].iter().all(|&id| valid(i64::from(id)))
            }
            Self::Int64(ids) => {
                let first = ids.len();
                ids.extend(bytes.as_chunks().0.iter().map(|bytes| i64::from_ne_bytes(*bytes)));
                ids[first..].iter().all(|&id| valid(id))
            }
        }
    }
}

/// Rows of a block: as many as were asked for, or as fit in [`MOST_BLOCK_BYTES`], where a row has `row_bytes`.
pub(super) fn block_rows(asked: Option<i64>, row_bytes: u64) -> Result<u64> {
    let most = (MOST_BLOCK_BYTES / row_bytes).max(1);
    match asked {
        None => Ok(most),
        Some(rows) if rows < 1 => Err(Error::param("rows", rows, "at least 1")),
        Some(rows) if rows as u64 > most => {
            Err(Error::param("rows", rows, format!("at most {most}: a block has no more than 64 MiB")))
        }
        Some(rows) => Ok(rows as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_bounded() {
        assert_eq!(block_rows(None, 30 * 8).unwrap(), 279_620);
        assert_eq!(block_rows(None, 1 << 30).unwrap(), 1);
        assert_eq!(block_rows(Some(7), 240).unwrap(), 7);
        for wrong in [0, -1, 279_621, i64::MAX] {
            assert_eq!(block_rows(Some(wrong), 240).unwrap_err().code(), "GM_PARAM");
        }
    }

    #[test]
    fn ids_outside_the_reference_are_seen() {
        let bytes = |ids: &[i64]| ids.iter().flat_map(|id| id.to_ne_bytes()).collect::<Vec<_>>();
        assert!(Ids::with_capacity(DType::Int64, 0).extend(&bytes(&[-1, 0, 4]), 5));
        assert!(!Ids::with_capacity(DType::Int64, 0).extend(&bytes(&[5]), 5));
        assert!(!Ids::with_capacity(DType::Int64, 0).extend(&bytes(&[-2]), 5));
        assert!(!Ids::with_capacity(DType::Int32, 0).extend(&6i32.to_ne_bytes(), 5));
    }
}
