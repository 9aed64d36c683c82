//! A range of reference rows in memory, as they are and packed for the tile.

use crate::distance::PackedReferences;
use crate::types::Tile;

/// Reference rows of one visit: the original f32 rows decide, the packed ones select.
#[derive(Debug, Default)]
pub struct Slab {
    rows: Tile,
    packed: PackedReferences,
    centre: Vec<f32>,
}

impl Slab {
    /// Packs `rows` around `centre`. Any centre gives the same neighbours; the rows' mean gives the tightest bound.
    pub fn new(rows: Tile, centre: Vec<f32>) -> Self {
        let packed = PackedReferences::pack(&rows.values, rows.dim, &centre);
        Self { rows, packed, centre }
    }

    /// Takes other rows into the same buffers and gives the old tile back.
    pub fn refill(&mut self, rows: Tile) -> Tile {
        self.packed.repack(&rows.values, &self.centre);
        std::mem::replace(&mut self.rows, rows)
    }

    /// Mean of the finite rows of a tile, f32: a centre.
    pub fn mean(rows: &Tile) -> Vec<f32> {
        let mut sums = vec![0f64; rows.dim];
        let mut count = 0u64;
        for row in rows.values.chunks_exact(rows.dim).filter(|row| row.iter().all(|v| v.is_finite())) {
            sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
            count += 1;
        }
        sums.iter().map(|sum| (sum / count.max(1) as f64) as f32).collect()
    }

    /// Global number of the first row.
    pub fn first_row(&self) -> u64 {
        self.rows.first_row
    }

    /// The original rows.
    pub fn rows(&self) -> &Tile {
        &self.rows
    }

    /// The packed rows.
    pub fn packed(&self) -> &PackedReferences {
        &self.packed
    }

    /// What was subtracted before packing.
    pub fn centre(&self) -> &[f32] {
        &self.centre
    }

    /// Bytes that a slab of `rows` rows takes.
    pub fn bytes(rows: u64, dim: u64) -> u64 {
        rows * dim * 4 + PackedReferences::bytes(rows, dim)
    }
}
