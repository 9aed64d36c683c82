//! Rows in the order in which the tile reads them.
//!
//! References: blocks of sixteen rows, dimension by dimension, so that one step of the tile loads two full vectors.
//! Queries: panels of six rows, dimension by dimension, scaled by −2, so that the tile only adds. Both are centred first,
//! because ‖x‖² − 2·q·x cancels for data far from the origin.

use super::bound;

/// References in a block.
pub const BLOCK_ROWS: usize = 16;
/// Queries in a panel.
pub const PANEL_ROWS: usize = 6;

/// Sixteen values of one dimension; aligned so that no load straddles a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Sixteen(pub(super) [f32; BLOCK_ROWS]);

/// Reference rows packed for the tile.
#[derive(Debug, Clone, Default)]
pub struct PackedReferences {
    dim: usize,
    rows: usize,
    pub(super) values: Vec<Sixteen>,
    pub(super) norms: Vec<Sixteen>,
    /// One bit per row of a block: whether it is a finite row and not padding.
    pub(super) valid: Vec<u16>,
    largest_norm: f64,
    invalid: u64,
}

impl PackedReferences {
    /// Packs `rows` (row-major, `dim` columns) after subtracting `centre`. Rows with a NaN or infinite coordinate never survive.
    pub fn pack(rows: &[f32], dim: usize, centre: &[f32]) -> Self {
        let mut packed = Self { dim, ..Self::default() };
        let count = rows.len() / dim;
        packed.repack(
            count.div_ceil(BLOCK_ROWS),
            centre,
            (0..count).map(|row| (row, &rows[row * dim..(row + 1) * dim])),
        );
        packed
    }

    /// Packs other rows into the same buffers: `blocks` blocks, each row at the slot that comes with it. Slots that no row takes
    /// are padding.
    pub fn repack<'r>(&mut self, blocks: usize, centre: &[f32], rows: impl Iterator<Item = (usize, &'r [f32])>) {
        let dim = centre.len();
        self.dim = dim;
        self.values.clear();
        self.values.resize(blocks * dim, Sixteen([0.0; BLOCK_ROWS]));
        self.norms.clear();
        self.norms.resize(blocks, Sixteen([f32::INFINITY; BLOCK_ROWS]));
        self.valid.clear();
        self.valid.resize(blocks, 0);
        let mut largest = 0f64;
        (self.rows, self.invalid) = (0, 0);
        for (slot, values) in rows {
            self.rows += 1;
            if !values.iter().all(|v| v.is_finite()) {
                self.invalid += 1;
                continue;
            }
            let (block, lane) = (slot / BLOCK_ROWS, slot % BLOCK_ROWS);
            let mut norm = 0f64;
            for (d, (value, mean)) in values.iter().zip(centre).enumerate() {
                let centred = value - mean;
                self.values[block * dim + d].0[lane] = centred;
                norm += f64::from(centred) * f64::from(centred);
            }
            self.norms[block].0[lane] = norm as f32;
            self.valid[block] |= 1 << lane;
            largest = largest.max(norm);
        }
        self.largest_norm = largest.sqrt();
    }

    /// Number of rows, padding not counted.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of blocks of sixteen.
    pub fn blocks(&self) -> usize {
        self.valid.len()
    }

    /// Columns of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Rows left out because a coordinate is NaN or infinite.
    pub fn invalid_rows(&self) -> u64 {
        self.invalid
    }

    /// Bytes that `rows` rows take when packed.
    pub fn bytes(rows: u64, dim: u64) -> u64 {
        rows.div_ceil(BLOCK_ROWS as u64) * (BLOCK_ROWS as u64 * 4 * (dim + 1) + 2)
    }

    /// Largest norm of a centred row.
    pub fn largest_norm(&self) -> f64 {
        self.largest_norm
    }
}

/// Query rows packed for the tile, with their norms.
#[derive(Debug, Clone, Default)]
pub struct QueryPanels {
    dim: usize,
    rows: usize,
    pub(super) values: Vec<f32>,
    norms: Vec<f64>,
}

impl QueryPanels {
    /// Packs `rows` (row-major, `dim` columns) after subtracting `centre`, into the buffers that are there. Padding rows and
    /// invalid rows are zeros; [`Self::norm_squared`] tells the invalid ones.
    pub fn repack(&mut self, rows: &[f32], dim: usize, centre: &[f32]) {
        self.dim = dim;
        self.rows = rows.len() / dim;
        let panels = self.rows.div_ceil(PANEL_ROWS);
        self.values.clear();
        self.values.resize(panels * PANEL_ROWS * dim, 0.0);
        self.norms.clear();
        for (row, values) in rows.chunks_exact(dim).enumerate() {
            if !values.iter().all(|v| v.is_finite()) {
                self.norms.push(f64::NAN);
                continue;
            }
            let base = row / PANEL_ROWS * PANEL_ROWS * dim + row % PANEL_ROWS;
            let mut norm = 0f64;
            for (d, (value, mean)) in values.iter().zip(centre).enumerate() {
                let centred = value - mean;
                self.values[base + d * PANEL_ROWS] = -2.0 * centred;
                norm += f64::from(centred) * f64::from(centred);
            }
            self.norms.push(norm);
        }
    }

    /// Number of rows, padding not counted.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of panels of six.
    pub fn panels(&self) -> usize {
        self.rows.div_ceil(PANEL_ROWS)
    }

    /// ‖q'‖² of a row; NaN for a row with a NaN or infinite coordinate.
    pub fn norm_squared(&self, row: usize) -> f64 {
        self.norms[row]
    }

    /// The error bound of a row against these references.
    pub fn error_bound(&self, row: usize, references: &PackedReferences) -> f64 {
        bound::error_bound(self.dim, self.norms[row].sqrt(), references.largest_norm())
    }

    /// Six queries, dimension by dimension.
    pub(super) fn panel(&self, panel: usize) -> &[[f32; PANEL_ROWS]] {
        &self.values.as_chunks::<PANEL_ROWS>().0[panel * self.dim..(panel + 1) * self.dim]
    }
}
