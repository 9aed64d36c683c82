//! Training below regions: the super-cells of each region, and the lists in each of them, from the sampled rows of that region.
//!
//! Nothing of a region depends on another, so as many are trained at a time as keep the threads busy and, where their rows come from runs, fit
//! the budget. Super-cells are shared
//! out among the regions, and lists among the super-cells of a region, in proportion to sampled rows.

use rayon::prelude::*;

use super::coarse::{Coarse, Regions};
use super::kmeans::{Groups, KMeans};
use super::nearest::Targets;
use super::sample::mix;
use super::spec::Resolved;
use super::train::{Cells, Part, assign, gather, shared_out};
use crate::budget::MemoryBudget;
use crate::error::Result;

/// What makes the seeds of regions others than those of lists.
const OF_REGIONS: u64 = u64::MAX / 3;

/// Trains below regions.
#[derive(Clone, Copy)]
pub(super) struct RegionTrainer<'a> {
    pub(super) spec: &'a Resolved,
    pub(super) kmeans: KMeans<'a>,
    pub(super) budget: &'a MemoryBudget,
}

/// A region, trained.
struct Trained {
    super_cells: Vec<f32>,
    /// Lists of each super-cell.
    shares: Vec<u32>,
    lists: Vec<f32>,
}

impl RegionTrainer<'_> {
    /// All levels: `centroids` are those of the regions, `sampled` the larger sample by region.
    pub(super) fn train(&self, centre: Vec<f32>, reach: f64, centroids: Vec<f32>, sampled: &Cells) -> Result<Coarse> {
        let (dim, levels) = (centre.len(), self.spec.levels);
        let counts: Vec<u64> = (0..levels.regions as usize).map(|region| sampled.rows(region)).collect();
        let cells = shared_out(&counts, levels.super_cells);
        // No region has fewer lists than super-cells.
        let more = shared_out(&counts, levels.lists - levels.super_cells + levels.regions);
        let lists: Vec<u32> = cells.iter().zip(more).map(|(cells, more)| cells + more - 1).collect();
        let (at_a_time, _lease) = sampled.at_a_time(&counts, dim, self.budget)?;
        let (mut super_cells, mut all, mut first_cell, mut first_list) = (Vec::new(), Vec::new(), vec![0], vec![0]);
        for some in (0..counts.len()).collect::<Vec<_>>().chunks(at_a_time) {
            let trained = some.par_iter().map(|&region| {
                let centroid = &centroids[region * dim..(region + 1) * dim];
                self.region(region, &sampled.part(region)?, centroid, [cells[region], lists[region]])
            });
            for Trained { super_cells: centroids, shares, lists } in trained.collect::<Result<Vec<_>>>()? {
                super_cells.extend(centroids);
                all.extend(lists);
                for share in shares {
                    first_list.push(first_list[first_list.len() - 1] + share);
                }
                first_cell.push(first_list.len() as u32 - 1);
            }
        }
        let coarse = Coarse::new(centre, reach, super_cells, first_list, all);
        Ok(coarse.below(Some(Regions { first_cell, centroids })))
    }

    /// So many super-cells and lists of a region of these rows.
    fn region(&self, region: usize, part: &Part, centroid: &[f32], [cells, lists]: [u32; 2]) -> Result<Trained> {
        let (Self { spec, kmeans, .. }, Part { values, places }) = (self, part);
        let (dim, seed) = (centroid.len(), mix(spec.seed ^ OF_REGIONS, region as u64));
        let held = places.len();
        // Some of the rows, spread evenly over all of them.
        let sampled = held.min(spec.sample_of_cells(cells) as usize);
        let some: Vec<u32> = (0..sampled).map(|i| places[(i as u64 * held as u64 / sampled as u64) as usize]).collect();
        let super_cells = kmeans.train(&gather(values, &some, dim), cells as usize, seed, centroid)?;
        let targets = Targets::new(&super_cells, kmeans.frame, kmeans.tile);
        let assigned = assign(kmeans, values, places, &targets);
        let groups = Groups::new(&assigned, cells as usize);
        let counts: Vec<u64> = (0..groups.len()).map(|cell| groups.members(cell).len() as u64).collect();
        let shares = shared_out(&counts, lists);
        let trained = shares.par_iter().enumerate().map(|(cell, &share)| {
            let rows: Vec<u32> = groups.members(cell).iter().map(|&row| places[row as usize]).collect();
            let otherwise = &super_cells[cell * dim..(cell + 1) * dim];
            kmeans.train(&gather(values, &rows, dim), share as usize, mix(seed, cell as u64), otherwise)
        });
        let lists = trained.collect::<Result<Vec<_>>>()?.concat();
        Ok(Trained { super_cells, shares, lists })
    }
}
