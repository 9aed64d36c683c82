//! Rows grouped around centroids, so that groups too far away need not be looked at.
//!
//! A plain k-means on a sample, a few rounds: the grouping decides how much work is saved and nothing else, because what is left
//! out is left out by the triangle inequality on the groups' true radii.

use rayon::prelude::*;

use crate::distance::{BLOCK_ROWS, DistanceTile, PackedReferences, QueryPanels};

/// Rows of a group, about. Smaller groups are tighter, and are ruled out sooner; more of them cost more to rule out.
const ROWS_PER_CLUSTER: usize = 64;
/// More groups would cost more to choose from than they save.
pub(super) const MOST_CLUSTERS: usize = 1024;
/// Rows of the sample per centroid, and rounds over it.
const SAMPLE_PER_CLUSTER: usize = 32;
const ROUNDS: usize = 4;
/// Rows that one thread assigns at a time.
const ASSIGNED_ROWS: usize = 192;

/// Centroids, in the centred space of their slab.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    /// `count × dim` values.
    centroids: Vec<f32>,
    pub(super) packed: PackedReferences,
    zero: Vec<f32>,
}

impl Clusters {
    /// Groups for `rows`, which are centred by `centre` first.
    pub(super) fn train(rows: &[f32], centre: &[f32], tile: &dyn DistanceTile) -> Self {
        let dim = centre.len();
        let finite: Vec<usize> = (0..rows.len() / dim)
            .filter(|row| rows[row * dim..(row + 1) * dim].iter().all(|value| value.is_finite()))
            .collect();
        let count = (finite.len() / ROWS_PER_CLUSTER).clamp(1, MOST_CLUSTERS);
        let sampled = finite.len().min(count * SAMPLE_PER_CLUSTER);
        let sample: Vec<f32> = (0..sampled)
            .flat_map(|i| {
                let row = finite[i * finite.len() / sampled];
                rows[row * dim..(row + 1) * dim].iter().zip(centre).map(|(value, mean)| value - mean)
            })
            .collect();
        let mut clusters = Self { zero: vec![0.0; dim], ..Self::default() };
        // Spread over the sample, because rows that lie side by side in a store are often alike.
        clusters.centroids = (0..count)
            .flat_map(|i| {
                let row = i * sampled / count;
                // Without any finite row one centroid stands at the centre.
                sample.get(row * dim..(row + 1) * dim).unwrap_or(&clusters.zero).to_vec()
            })
            .collect();
        clusters.pack();
        for _ in 0..ROUNDS {
            clusters.refine(&sample, tile);
        }
        clusters
    }

    /// Number of groups.
    pub(super) fn len(&self) -> usize {
        self.centroids.len() / self.zero.len()
    }

    /// One centroid.
    pub(super) fn centroid(&self, cluster: usize) -> &[f32] {
        let dim = self.zero.len();
        &self.centroids[cluster * dim..(cluster + 1) * dim]
    }

    /// The nearest centroid of each row; some centroid for rows that are not finite.
    pub(super) fn assign(&self, rows: &[f32], centre: &[f32], tile: &dyn DistanceTile) -> Vec<u32> {
        let width = self.packed.blocks() * BLOCK_ROWS;
        let mut assigned = vec![0; rows.len() / centre.len()];
        let jobs = assigned.par_chunks_mut(ASSIGNED_ROWS).zip(rows.par_chunks(ASSIGNED_ROWS * centre.len()));
        jobs.for_each_init(
            || (QueryPanels::default(), Vec::new()),
            |(panels, values), (assigned, rows)| {
                panels.repack(rows, centre.len(), centre);
                tile.values(panels, &self.packed, values);
                for (nearest, values) in assigned.iter_mut().zip(values.chunks_exact(width)) {
                    let values = values[..self.len()].iter().enumerate();
                    let least =
                        values.fold((0, f32::INFINITY), |least, (i, &v)| if v < least.1 { (i, v) } else { least });
                    *nearest = least.0 as u32;
                }
            },
        );
        assigned
    }

    /// One round: every centroid becomes the mean of the rows nearest to it; one that has none stays.
    fn refine(&mut self, sample: &[f32], tile: &dyn DistanceTile) {
        let dim = self.zero.len();
        let assigned = self.assign(sample, &self.zero, tile);
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
        self.pack();
    }

    fn pack(&mut self) {
        let dim = self.zero.len();
        let blocks = self.len().div_ceil(BLOCK_ROWS);
        self.packed.repack(blocks, &self.zero, self.centroids.chunks_exact(dim).enumerate());
    }
}
