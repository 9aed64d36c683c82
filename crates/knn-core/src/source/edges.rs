//! Edges from cells to cells as another tool stored them, by rows: ids and distances, whatever their order. Only that they can be read is
//! checked here; what they may be is known to whoever reads them.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use super::container::{Missing, StoredArray};
use super::numbers;
use super::open::open;
use crate::error::{Error, Result};
use crate::types::{DType, RowRange};

/// Edges that leave consecutive rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EdgeBlock {
    /// Where the edges of each row begin, and where those of the last end.
    pub starts: Vec<usize>,
    /// Cells that they lead to; what no id can be is `i64::MAX`.
    pub ids: Vec<i64>,
    /// Their distances.
    pub distances: Vec<f32>,
}

/// Stored edges, read in ranges of rows.
pub trait EdgeRows: Debug + Send + Sync {
    /// What errors call them.
    fn name(&self) -> String;

    /// Number of rows.
    fn rows(&self) -> u64;

    /// Number of cells that edges lead to, where that is stored.
    fn columns(&self) -> Option<u64>;

    /// How many edges these rows have, one number each, with what may stand for none.
    fn widths(&self, rows: RowRange) -> Result<Vec<u64>>;

    /// Reads the edges of these rows.
    fn read(&self, rows: RowRange, out: &mut EdgeBlock) -> Result<()>;

    /// Bytes of scratch that reading so many rows with so many edges takes, beyond the block.
    fn scratch_bytes(&self, rows: u64, edges: u64) -> u64;

    /// Checks what is stored without decoding it.
    fn preflight(&self) -> Result<()>;

    /// Hash of what is stored.
    fn fingerprint(&self, seed: u64) -> Result<u128>;
}

/// Two matrices of rows × k: ids and distances.
#[derive(Debug)]
struct PairedArrays {
    ids: Arc<dyn StoredArray>,
    distances: Arc<dyn StoredArray>,
    width: u64,
}

/// Opens two matrices, such as `.npy` files, of as many rows and columns: ids, which must be integers, and distances.
pub fn paired(ids: &Path, distances: &Path) -> Result<Arc<dyn EdgeRows>> {
    let matrix = |path: &Path| open(path)?.array("X", Missing::AllOrNone);
    let (ids, distances) = (matrix(ids)?, matrix(distances)?);
    if ids.shape() != distances.shape() {
        return Err(Error::Shape {
            left: ids.name(),
            left_shape: ids.shape().to_vec(),
            right: distances.name(),
            right_shape: distances.shape().to_vec(),
            reason: "one distance for every id".into(),
        });
    }
    if !numbers::is_integer(ids.dtype()) {
        return Err(ids.schema("data_type", format!("is {} and not an integer: ids come first", ids.dtype().name())));
    }
    if !matches!(distances.dtype(), DType::Float16 | DType::Float32 | DType::Float64) {
        return Err(distances.schema("data_type", format!("is {} and not a float", distances.dtype().name())));
    }
    let width = ids.shape().get(1).copied().unwrap_or(1);
    Ok(Arc::new(PairedArrays { ids, distances, width }))
}

impl EdgeRows for PairedArrays {
    fn name(&self) -> String {
        format!("{} with {}", self.ids.name(), self.distances.name())
    }

    fn rows(&self) -> u64 {
        self.ids.rows()
    }

    fn columns(&self) -> Option<u64> {
        None
    }

    fn widths(&self, rows: RowRange) -> Result<Vec<u64>> {
        Ok(vec![self.width; rows.len()])
    }

    fn read(&self, rows: RowRange, out: &mut EdgeBlock) -> Result<()> {
        let width = self.width as usize;
        out.starts.clear();
        out.starts.extend((0..=rows.len()).map(|row| row * width));
        let mut bytes = Vec::new();
        self.ids.read_rows(rows, &mut bytes)?;
        out.ids.clear();
        numbers::each_i64(self.ids.dtype(), &bytes, |id| out.ids.push(id.unwrap_or(i64::MAX)));
        self.distances.read_rows(rows, &mut bytes)?;
        out.distances.clear();
        numbers::extend_f32(self.distances.dtype(), &bytes, &mut out.distances);
        Ok(())
    }

    fn scratch_bytes(&self, rows: u64, edges: u64) -> u64 {
        self.ids.scratch_bytes(rows).max(self.distances.scratch_bytes(rows)).saturating_add(edges.saturating_mul(8))
    }

    fn preflight(&self) -> Result<()> {
        self.ids.preflight()?;
        self.distances.preflight()
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        Ok(self.ids.fingerprint(seed)?.rotate_left(1) ^ self.distances.fingerprint(seed)?)
    }
}
