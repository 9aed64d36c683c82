//! The graph of one store as scanpy keeps it: `obsp/distances` and `obsp/connectivities`, cells × cells, and `uns/neighbors`.
//!
//! Distances are those of the stored neighbours, without the cell itself. Connectivities are the weights that a mapping uses, symmetrised
//! but not normalised, without the diagonal. Columns ascend within a row. Only a store of one part has them: the parts of a larger one are
//! AnnData of their own, and no matrix of scanpy goes from one to another. Kernels of shared neighbours have so many more weights than
//! neighbours that they are not stored.

use serde_json::{Value, json};

use super::request::Parameters;
use crate::error::Result;
use crate::kernel::{KernelMethod, Weights};
use crate::sink::{ArraySpec, Kind, Layout, Stage, StoreSpec, UnitWriter};
use crate::types::{DType, NeighborBlock};

/// The two matrices.
const MATRICES: [&str; 2] = ["obsp/distances", "obsp/connectivities"];

/// Columns are sorted as numbers of 32 bits; parts of a billion rows are not made but by who asks for them.
const MOST_ROWS: u64 = 1 << 32;

/// Whether a mapping with these parameters stores them.
pub(super) fn is_stored(parameters: &Parameters, self_mapping: bool, graph_only: bool, layout: &Layout) -> bool {
    let is_shared = KernelMethod::from_name(&parameters.kernel_method).is_some_and(KernelMethod::is_shared);
    self_mapping
        && !graph_only
        && !is_shared
        && layout.parts() == 1
        && layout.n_obs() > 0
        && layout.n_obs() <= MOST_ROWS
        && !parameters.metric.is_product()
}

/// Whether this store has them.
pub(super) fn is_stored_in(spec: &StoreSpec) -> bool {
    spec.arrays.iter().any(|array| array.path.starts_with(MATRICES[0]))
}

/// Their arrays. At most each edge has two entries.
pub(super) fn arrays(n_obs: u64, k: u64) -> Vec<ArraySpec> {
    let numbers = numbers(n_obs, k);
    let edges = [n_obs.saturating_mul(k), n_obs.saturating_mul(2 * k)];
    let of = |(matrix, most): (&str, u64)| {
        let array = |name: &str, dtype, most| ArraySpec {
            path: format!("{matrix}/{name}"),
            stage: Stage::Transferred,
            kind: Kind::Ragged { dtype, most },
        };
        [array("data", DType::Float32, most), array("indices", numbers, most), array("indptr", numbers, n_obs + 1)]
    };
    MATRICES.into_iter().zip(edges).flat_map(of).collect()
}

/// Type of columns and row ends: the narrowest that any number of entries there may be fits in.
fn numbers(n_obs: u64, k: u64) -> DType {
    if n_obs.saturating_mul(2 * k + 1) < 1 << 31 { DType::Int32 } else { DType::Int64 }
}

/// `uns/neighbors`. As in scanpy, the number of neighbours counts the cell itself. It does not say `use_rep`, because scanpy would look for
/// that embedding here.
pub(super) fn uns(parameters: &Parameters, k: u64) -> Value {
    json!({
        "connectivities_key": "connectivities",
        "distances_key": "distances",
        "params": {
            "n_neighbors": k + 1,
            "method": parameters.kernel_method,
            "metric": parameters.metric.name(),
            "random_state": 0,
        },
    })
}

/// Writes the rows of both matrices as they come.
#[derive(Debug)]
pub(super) struct SquareWriter {
    wide: bool,
    /// Entries of each matrix so far, in this unit and those before it.
    ends: [u64; 2],
    /// Columns of a row, and the bits of their values below them: whole numbers are sorted faster than pairs.
    row: Vec<u64>,
    columns: Vec<u8>,
    values: Vec<u8>,
    rows: Vec<u8>,
}

impl SquareWriter {
    /// For a store of `n_obs` rows with `k` neighbours.
    pub(super) fn new(n_obs: u64, k: u64) -> Self {
        Self {
            wide: numbers(n_obs, k) == DType::Int64,
            ends: [0; 2],
            row: Vec::new(),
            columns: Vec::new(),
            values: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Begins a unit; the units before it have so many entries of each matrix.
    pub(super) fn begin(&mut self, unit: u64, before: [u64; 2], writer: &mut UnitWriter) -> Result<()> {
        self.ends = before;
        for matrix in MATRICES.iter().filter(|_| unit == 0) {
            self.rows.clear();
            push(self.wide, 0, &mut self.rows);
            writer.append(&format!("{matrix}/indptr"), &self.rows)?;
        }
        Ok(())
    }

    /// Entries of each matrix, in the units so far.
    pub(super) fn ends(&self) -> [u64; 2] {
        self.ends
    }

    /// Appends the rows of a piece: their neighbours, and their weights before they are normalised.
    pub(super) fn append(
        &mut self,
        neighbors: &NeighborBlock,
        weights: &Weights,
        writer: &mut UnitWriter,
    ) -> Result<()> {
        for (matrix, name) in MATRICES.into_iter().enumerate() {
            self.columns.clear();
            self.values.clear();
            self.rows.clear();
            for row in 0..neighbors.rows() {
                self.row.clear();
                if matrix == 0 {
                    let (ids, distances) = neighbors.row(row);
                    self.row.extend(ids.iter().zip(distances).map(|(&id, &distance)| entry(id as u64, distance)));
                } else {
                    let own = neighbors.first_row + row as u64;
                    let others = weights.raw(row).filter(|&(column, weight)| column != own && weight > 0.0);
                    self.row.extend(others.map(|(column, weight)| entry(column, weight as f32)));
                }
                self.row.sort_unstable();
                for &entry in &self.row {
                    push(self.wide, entry >> 32, &mut self.columns);
                    self.values.extend_from_slice(&(entry as u32).to_le_bytes());
                }
                self.ends[matrix] += self.row.len() as u64;
                push(self.wide, self.ends[matrix], &mut self.rows);
            }
            writer.append(&format!("{name}/indices"), &self.columns)?;
            writer.append(&format!("{name}/data"), &self.values)?;
            writer.append(&format!("{name}/indptr"), &self.rows)?;
        }
        Ok(())
    }

    /// Bytes of a piece of rows with so many edges in all.
    pub(super) fn bytes(edges: u64) -> u64 {
        edges * (8 + 4 + 16)
    }
}

/// A column, which is below 2³² ([`MOST_ROWS`]), and the bits of its value.
fn entry(column: u64, value: f32) -> u64 {
    column << 32 | u64::from(value.to_bits())
}

fn push(wide: bool, number: u64, bytes: &mut Vec<u8>) {
    if wide {
        bytes.extend_from_slice(&number.to_le_bytes());
    } else {
        bytes.extend_from_slice(&(number as u32).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_wide_as_the_most_entries_need() {
        assert_eq!(numbers(1_000_000, 30), DType::Int32);
        assert_eq!(numbers(16_000_000, 99), DType::Int64);
        assert_eq!(numbers(u64::MAX, 2), DType::Int64);
        let [mut narrow, mut wide] = [Vec::new(), Vec::new()];
        push(false, 258, &mut narrow);
        push(true, 258, &mut wide);
        assert_eq!((narrow, wide), (vec![2, 1, 0, 0], vec![2, 1, 0, 0, 0, 0, 0, 0]));
    }
}
