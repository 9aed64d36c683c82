//! k-means over rows in memory, the same for every number of threads.
//!
//! Assignment is the tile's, ties to the lower centroid. A centroid becomes the mean of its rows, summed in f64 in the order of the
//! rows: threads share out centroids, never the rows of one. A centroid without rows is given a row of the largest cluster, so that
//! crowded places get more centroids.

use rayon::prelude::*;

use super::nearest::{Askers, Frame, Targets};
use super::sample::mix;
use crate::distance::DistanceTile;
use crate::error::Result;
use crate::progress::Progress;

/// Rounds of assigning and averaging, fewer if nothing moves.
const ITERATIONS: usize = 10;
/// Rows that a thread assigns at a time.
const ASSIGNED_ROWS: usize = 384;

/// What every k-means of one build shares.
#[derive(Clone, Copy)]
pub(super) struct KMeans<'a> {
    pub(super) frame: &'a Frame,
    pub(super) tile: &'a dyn DistanceTile,
    pub(super) progress: &'a Progress,
}

impl KMeans<'_> {
    /// `count` centroids of `rows` (row-major, all finite). Without rows all of them stand at `otherwise`.
    pub(super) fn train(&self, rows: &[f32], count: usize, seed: u64, otherwise: &[f32]) -> Result<Vec<f32>> {
        let dim = self.frame.dim();
        let held = rows.len() / dim;
        if held == 0 {
            return Ok(otherwise.repeat(count));
        }
        let mut centroids: Vec<f32> =
            chosen(held, count, seed).flat_map(|row| rows[row * dim..(row + 1) * dim].iter().copied()).collect();
        let mut targets = Targets::default();
        let mut assigned = Vec::new();
        for round in 0..ITERATIONS {
            self.progress.check()?;
            targets.repack(&centroids, self.frame, self.tile);
            let before = std::mem::take(&mut assigned);
            assigned = self.assign(rows, &targets);
            if assigned == before {
                break;
            }
            self.average(rows, &assigned, mix(seed, round as u64), &mut centroids);
        }
        Ok(centroids)
    }

    /// The nearest centroid of each row.
    pub(super) fn assign(&self, rows: &[f32], targets: &Targets) -> Vec<u32> {
        let dim = self.frame.dim();
        let mut assigned = vec![0; rows.len() / dim];
        let jobs = assigned.par_chunks_mut(ASSIGNED_ROWS).zip(rows.par_chunks(ASSIGNED_ROWS * dim));
        jobs.for_each_init(Askers::default, |askers, (assigned, rows)| {
            askers.fill(rows, self.frame, self.tile);
            askers.nearest(targets, self.tile, assigned);
        });
        assigned
    }

    /// Moves every centroid to the mean of its rows, and those that have none into the largest clusters.
    fn average(&self, rows: &[f32], assigned: &[u32], seed: u64, centroids: &mut [f32]) {
        let dim = self.frame.dim();
        let groups = Groups::new(assigned, centroids.len() / dim);
        centroids.par_chunks_mut(dim).enumerate().for_each_init(
            || vec![0f64; dim],
            |sums, (cluster, centroid)| {
                let members = groups.members(cluster);
                if members.is_empty() {
                    return;
                }
                sums.fill(0.0);
                for &row in members {
                    let row = &rows[row as usize * dim..][..dim];
                    sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
                }
                let count = members.len() as f64;
                centroid.iter_mut().zip(sums).for_each(|(value, sum)| *value = (*sum / count) as f32);
            },
        );
        // Largest first; of equals the lower one. A cluster that gave a row away counts as half as large.
        let sized = |cluster: usize| (groups.members(cluster).len(), std::cmp::Reverse(cluster));
        let mut largest: std::collections::BinaryHeap<_> = (0..groups.len()).map(sized).collect();
        for empty in (0..groups.len()).filter(|&cluster| groups.members(cluster).is_empty()) {
            let Some((size, std::cmp::Reverse(from))) = largest.pop().filter(|(size, _)| *size > 1) else { return };
            let members = groups.members(from);
            let row = members[(mix(seed, empty as u64) % members.len() as u64) as usize] as usize;
            centroids[empty * dim..(empty + 1) * dim].copy_from_slice(&rows[row * dim..(row + 1) * dim]);
            largest.push((size / 2, std::cmp::Reverse(from)));
        }
    }
}

/// `count` different places below `of`, at random; from the beginning again where there are not so many.
fn chosen(of: usize, count: usize, seed: u64) -> impl Iterator<Item = usize> {
    let mut places: Vec<u32> = (0..of as u32).collect();
    for i in 0..count.min(of) {
        let other = i as u64 + mix(seed, i as u64) % (of - i) as u64;
        places.swap(i, other as usize);
    }
    places.truncate(count);
    (0..count).map(move |i| places[i % places.len()] as usize)
}

/// Places sorted by the group they are in, each group in order.
#[derive(Debug)]
pub(super) struct Groups {
    order: Vec<u32>,
    starts: Vec<usize>,
}

impl Groups {
    /// Sorts by group; `u32::MAX` is in none.
    pub(super) fn new(assigned: &[u32], groups: usize) -> Self {
        let mut starts = vec![0; groups + 1];
        let in_one = || assigned.iter().enumerate().filter(|(_, group)| **group != u32::MAX);
        in_one().for_each(|(_, &group)| starts[group as usize + 1] += 1);
        for group in 0..groups {
            starts[group + 1] += starts[group];
        }
        let mut next = starts.clone();
        let mut order = vec![0; starts[groups]];
        for (place, &group) in in_one() {
            order[next[group as usize]] = place as u32;
            next[group as usize] += 1;
        }
        Self { order, starts }
    }

    /// Number of groups.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The places in a group, ascending.
    pub(super) fn members(&self, group: usize) -> &[u32] {
        &self.order[self.starts[group]..self.starts[group + 1]]
    }

    /// The places in a range of groups.
    pub(super) fn range(&self, groups: std::ops::Range<usize>) -> &[u32] {
        &self.order[self.starts[groups.start]..self.starts[groups.end]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Lane;

    fn trained(rows: &[f32], dim: usize, count: usize) -> Vec<f32> {
        let frame = Frame::new(&vec![0.0; dim], 10.0);
        let lane = Lane::best();
        let progress = Progress::silent();
        KMeans { frame: &frame, tile: &lane, progress: &progress }.train(rows, count, 3, &vec![0.5; dim]).unwrap()
    }

    #[test]
    fn clusters_far_apart_are_found_whatever_the_threads() {
        let rows: Vec<f32> = (0..4000u32).flat_map(|i| [(i % 4) as f32 * 2.0, (i / 4 % 10) as f32 * 0.01]).collect();
        let mut first: Option<Vec<f32>> = None;
        for threads in [1, 2, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| trained(&rows, 2, 8));
            let mut near = [false; 4];
            found.chunks_exact(2).for_each(|c| near[(c[0] / 2.0).round() as usize] = true);
            assert_eq!(near, [true; 4]);
            assert_eq!(*first.get_or_insert_with(|| found.clone()), found);
        }
    }

    #[test]
    fn too_few_rows_and_equal_rows_are_no_trouble() {
        assert_eq!(trained(&[], 2, 3), [0.5; 6]);
        assert_eq!(trained(&[1.0, 2.0], 2, 2), [1.0, 2.0, 1.0, 2.0]);
        assert_eq!(trained(&[3.0; 50], 1, 4), [3.0; 4]);
    }

    #[test]
    fn groups_are_in_order() {
        let groups = Groups::new(&[1, u32::MAX, 0, 1], 3);
        assert_eq!((groups.members(0), groups.members(1), groups.members(2)), (&[2][..], &[0, 3][..], &[][..]));
        assert_eq!(groups.range(0..2), [2, 0, 3]);
    }
}
