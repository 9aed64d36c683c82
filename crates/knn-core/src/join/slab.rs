//! A range of reference rows in memory: as they are, and packed for the tile in groups of near rows.

use std::sync::atomic::{AtomicU64, Ordering};

use super::clusters::Clusters;
use crate::distance::{BLOCK_ROWS, DistanceTile, Grid, Metric, PackedReferences, exact_squared};
use crate::types::Tile;

/// How often any slab was filled.
static FILLINGS: AtomicU64 = AtomicU64::new(0);

/// Stands for no row; it never survives the tile.
const PADDING: u32 = u32::MAX;

/// Reference rows of one visit: the original f32 rows decide, the packed ones select.
#[derive(Debug, Default)]
pub struct Slab {
    rows: Tile,
    packed: PackedReferences,
    metric: Metric,
    centre: Vec<f32>,
    grid: Grid,
    pub(super) clusters: Clusters,
    pub(super) groups: Vec<Group>,
    /// Row at each slot of the packed rows.
    row_at: Vec<u32>,
    /// The number of this filling, which no other slab's has.
    filling: u64,
}

/// The blocks of one cluster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) cluster: u32,
    pub(super) first_block: usize,
    pub(super) end_block: usize,
    /// No row of the group is farther from the centroid.
    pub(super) radius: f64,
}

impl Slab {
    /// Packs `rows`, prepared for the metric, around `centre`. Any centre gives the same neighbours; the rows' mean gives the tightest
    /// bound. Inner products are about the origin whatever it is.
    pub fn new(rows: Tile, mut centre: Vec<f32>, metric: Metric, tile: &dyn DistanceTile) -> Self {
        if metric.is_product() {
            centre.fill(0.0);
        }
        let mut slab = Self { metric, centre, ..Self::default() };
        slab.refill(rows, tile);
        slab
    }

    /// Takes other rows into the same buffers and gives the old tile back.
    pub fn refill(&mut self, rows: Tile, tile: &dyn DistanceTile) -> Tile {
        let old = std::mem::replace(&mut self.rows, rows);
        self.filling = FILLINGS.fetch_add(1, Ordering::Relaxed);
        let rows = &self.rows;
        let mut norms: Vec<f64> = rows.values.chunks_exact(rows.dim).filter_map(|row| self.norm(row)).collect();
        let reach = Grid::reach(&mut norms);
        self.grid = Grid::by(self.metric, self.centre.clone(), reach);
        // Groups are of rows that lie near to each other, whatever is compared.
        let near = Grid::new(self.centre.clone(), reach);
        self.clusters = Clusters::train(&rows.values, &near, tile);
        let assigned = self.clusters.assign(&rows.values, &near, tile);
        if self.metric.is_product() {
            self.clusters.pack(&self.grid, tile);
        }
        let mut order: Vec<u32> = (0..rows.rows() as u32).collect();
        order.sort_by_key(|&row| (assigned[row as usize], row));
        self.groups.clear();
        self.row_at.clear();
        for members in order.chunk_by(|a, b| assigned[*a as usize] == assigned[*b as usize]) {
            let cluster = assigned[members[0] as usize];
            let first_block = self.row_at.len() / BLOCK_ROWS;
            let mut radius = 0f64;
            for &row in members {
                self.row_at.push(row);
                if !rows.row(row as usize).iter().all(|value| value.is_finite()) {
                    continue; // It never survives the tile, and would reach everywhere.
                }
                radius = radius.max(exact_squared(rows.row(row as usize), self.clusters.centroid(cluster as usize)));
            }
            self.row_at.resize(self.row_at.len().next_multiple_of(BLOCK_ROWS), PADDING);
            let end_block = self.row_at.len() / BLOCK_ROWS;
            self.groups.push(Group { cluster, first_block, end_block, radius: radius.sqrt() });
        }
        let slots = self.row_at.iter().enumerate();
        let slots = slots.filter(|(_, row)| **row != PADDING).map(|(slot, &row)| (slot, rows.row(row as usize)));
        self.packed.repack(self.row_at.len() / BLOCK_ROWS, &self.grid, slots);
        old
    }

    /// Distance of a row from the centre; none if it is not finite.
    fn norm(&self, row: &[f32]) -> Option<f64> {
        row.iter().all(|value| value.is_finite()).then(|| exact_squared(row, &self.centre).sqrt())
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

    /// A number that tells the rows from all others that any slab has or had.
    #[cfg(feature = "disk")]
    pub(super) fn filling(&self) -> u64 {
        self.filling
    }

    /// What rows are compared by.
    #[cfg(feature = "disk")]
    pub(super) fn metric(&self) -> Metric {
        self.metric
    }

    /// The packed rows.
    pub fn packed(&self) -> &PackedReferences {
        &self.packed
    }

    /// Where the packed rows have their coordinates.
    pub(super) fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Row (counted within the slab) at a slot of the packed rows.
    pub(super) fn row_at(&self, slot: u32) -> u32 {
        self.row_at[slot as usize]
    }

    /// Bytes that a slab of `rows` rows takes at most, while it is filled.
    pub fn bytes(rows: u64, dim: u64) -> u64 {
        // Every cluster pads its last block: half a block for each of about 64 rows.
        let padded = rows + rows / 5 + BLOCK_ROWS as u64;
        rows * (dim * 4 + 16) + PackedReferences::bytes(padded, dim) + padded * 4 + rows * dim * 3
    }
}
