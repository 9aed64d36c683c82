//! Rows grouped around centroids, so that groups too far away need not be looked at.
//!
//! A plain k-means on a sample, a few rounds: the grouping decides how much work is saved and nothing else, because what is left
//! out is left out by the triangle inequality on the groups' true radii.

use rayon::prelude::*;

use crate::distance::{DistanceTile, Grid, PackedReferences, QueryPanels, QueryRows};

/// Rows of a group, about. Smaller groups are tighter, and are ruled out sooner; more of them cost more to rule out.
const ROWS_PER_CLUSTER: usize = 64;
/// More groups would cost more to choose from than they save.
pub(super) const MOST_CLUSTERS: usize = 1024;
/// Rows of the sample per centroid, and rounds over it.
const SAMPLE_PER_CLUSTER: usize = 32;
const ROUNDS: usize = 4;
/// Rows that one thread assigns at a time.
const ASSIGNED_ROWS: usize = 192;

/// Centroids of a slab's rows.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    /// `count × dim` values.
    centroids: Vec<f32>,
    pub(super) packed: PackedReferences,
    dim: usize,
}

impl Clusters {
    /// Groups for `rows`.
    pub(super) fn train(rows: &[f32], grid: &Grid, tile: &dyn DistanceTile) -> Self {
        let dim = grid.dim();
        let finite: Vec<usize> = (0..rows.len() / dim)
            .filter(|row| rows[row * dim..(row + 1) * dim].iter().all(|value| value.is_finite()))
            .collect();
        let count = (finite.len() / ROWS_PER_CLUSTER).clamp(1, MOST_CLUSTERS);
        let sampled = finite.len().min(count * SAMPLE_PER_CLUSTER);
        let sample: Vec<f32> = (0..sampled)
            .flat_map(|i| {
                let row = finite[i * finite.len() / sampled];
                rows[row * dim..(row + 1) * dim].iter().copied()
            })
            .collect();
        let mut clusters = Self { dim, ..Self::default() };
        // Spread over the sample, because rows that lie side by side in a store are often alike.
        clusters.centroids = (0..count)
            .flat_map(|i| {
                let row = i * sampled / count;
                // Without any finite row one centroid stands at the centre.
                sample.get(row * dim..(row + 1) * dim).unwrap_or(grid.centre()).to_vec()
            })
            .collect();
        clusters.pack(grid, tile);
        for _ in 0..ROUNDS {
            clusters.refine(&sample, grid, tile);
        }
        clusters
    }

    /// Packs the centroids on a grid.
    pub(super) fn pack(&mut self, grid: &Grid, tile: &dyn DistanceTile) {
        tile.pack(&mut self.packed, &self.centroids, grid);
    }

    /// Number of groups.
    pub(super) fn len(&self) -> usize {
        self.centroids.len() / self.dim
    }

    /// One centroid.
    pub(super) fn centroid(&self, cluster: usize) -> &[f32] {
        &self.centroids[cluster * self.dim..(cluster + 1) * self.dim]
    }

    /// The nearest centroid of each row; some centroid for rows that are not finite.
    pub(super) fn assign(&self, rows: &[f32], grid: &Grid, tile: &dyn DistanceTile) -> Vec<u32> {
        let mut assigned = vec![0; rows.len() / self.dim];
        let jobs = assigned.par_chunks_mut(ASSIGNED_ROWS).zip(rows.par_chunks(ASSIGNED_ROWS * self.dim));
        jobs.for_each_init(
            || (QueryRows::default(), QueryPanels::default(), Vec::new()),
            |(queries, panels, scratch), (assigned, rows)| {
                tile.fill(queries, rows, grid);
                panels.all(queries);
                tile.nearest(queries, panels, &self.packed, scratch, assigned);
            },
        );
        assigned
    }

    /// One round: every centroid becomes the mean of the rows nearest to it; one that has none stays.
    fn refine(&mut self, sample: &[f32], grid: &Grid, tile: &dyn DistanceTile) {
        let dim = self.dim;
        let assigned = self.assign(sample, grid, tile);
        let mut sums = vec![0f64; self.centroids.len()];
        let mut counts = vec![0u32; self.len()];
        for (&cluster, row) in assigned.iter().zip(sample.chunks_exact(dim)) {
            let sums = &mut sums[cluster as usize * dim..][..dim];
            sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
            counts[cluster as usize] += 1;
        }
        for (cluster, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let range = cluster * dim..(cluster + 1) * dim;
            for (value, sum) in self.centroids[range.clone()].iter_mut().zip(&sums[range]) {
                *value = (sum / f64::from(count)) as f32;
            }
        }
        self.pack(grid, tile);
    }
}
