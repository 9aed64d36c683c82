//! Lists that are far longer than the others are made several, so that no query pays for one crowded place.
//!
//! The rows of such a list are clustered by themselves, again where that leaves too many in one, on a grid of their own that is as
//! fine as they need. Rows that clustering cannot tell apart, as duplicates, are cut by row id.

use super::kmeans::{Groups, KMeans};
use super::nearest::{Frame, Targets, norm};
use super::sample::mix;
use super::train::gather;
use crate::distance::DistanceTile;
use crate::error::Result;
use crate::progress::Progress;

/// Parts that a list is split into at a time, and sampled rows that train each.
const MOST_PARTS: usize = 64;
const SAMPLE_PER_PART: usize = 64;
/// Rounds of splitting; what is still too long is cut.
const MOST_ROUNDS: u32 = 8;

/// Splits lists.
#[derive(Clone, Copy)]
pub(super) struct Splitter<'a> {
    pub(super) tile: &'a dyn DistanceTile,
    pub(super) progress: &'a Progress,
    pub(super) dim: usize,
    /// Longer lists are split.
    pub(super) most_rows: u64,
    /// Rows of the parts, about.
    pub(super) part_rows: u64,
}

/// A part of a list.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    pub(super) centroid: Vec<f32>,
    /// Places of its rows in the list, ascending.
    pub(super) rows: Vec<u32>,
}

impl Splitter<'_> {
    /// The parts of a list, which is itself where it is not too long.
    pub(super) fn split(&self, values: &[f32], centroid: &[f32], seed: u64) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        let whole = Part { centroid: centroid.to_vec(), rows: (0..(values.len() / self.dim) as u32).collect() };
        self.split_part(values, whole, seed, 0, &mut parts)?;
        Ok(parts)
    }

    fn split_part(&self, values: &[f32], part: Part, seed: u64, round: u32, parts: &mut Vec<Part>) -> Result<()> {
        if part.rows.len() as u64 <= self.most_rows {
            parts.push(part);
            return Ok(());
        }
        let groups = if round < MOST_ROUNDS { self.cluster(values, &part, seed)? } else { Vec::new() };
        if groups.len() < 2 {
            let count = part.rows.len().div_ceil(self.part_rows as usize);
            let cuts = part.rows.chunks(part.rows.len().div_ceil(count));
            parts.extend(cuts.map(|rows| Part { centroid: part.centroid.clone(), rows: rows.to_vec() }));
            return Ok(());
        }
        for (group, part) in groups.into_iter().enumerate() {
            self.split_part(values, part, mix(seed, group as u64), round + 1, parts)?;
        }
        Ok(())
    }

    /// The clusters of a part's rows that have any.
    fn cluster(&self, values: &[f32], part: &Part, seed: u64) -> Result<Vec<Part>> {
        let rows = gather(values, &part.rows, self.dim);
        let reach = rows.chunks_exact(self.dim).map(|row| norm(row, &part.centroid)).fold(0.0, f64::max);
        let frame = Frame::new(&part.centroid, reach);
        let kmeans = KMeans { frame: &frame, tile: self.tile, progress: self.progress };
        let held = part.rows.len();
        let count = held.div_ceil(self.part_rows as usize).min(MOST_PARTS);
        let sampled = held.min(count * SAMPLE_PER_PART);
        let sample: Vec<u32> = (0..sampled).map(|i| (i as u64 * held as u64 / sampled as u64) as u32).collect();
        let centroids = kmeans.train(&gather(&rows, &sample, self.dim), count, seed, &part.centroid)?;
        let groups = Groups::new(&kmeans.assign(&rows, &Targets::new(&centroids, &frame, self.tile)), count);
        let filled = (0..count).filter(|&group| !groups.members(group).is_empty());
        Ok(filled
            .map(|group| Part {
                centroid: centroids[group * self.dim..(group + 1) * self.dim].to_vec(),
                rows: groups.members(group).iter().map(|&row| part.rows[row as usize]).collect(),
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Lane;

    fn split(values: &[f32], most_rows: u64, part_rows: u64) -> Vec<Part> {
        let (lane, progress) = (Lane::best(), Progress::silent());
        let splitter = Splitter { tile: &lane, progress: &progress, dim: 1, most_rows, part_rows };
        splitter.split(values, &[0.0], 1).unwrap()
    }

    #[test]
    fn duplicates_are_cut_by_row_and_others_by_place() {
        assert_eq!(split(&[1.0; 10], 10, 3).len(), 1);
        let cut = split(&[1.0; 10], 9, 3);
        let rows: Vec<&[u32]> = cut.iter().map(|part| &part.rows[..]).collect();
        assert_eq!(rows, [&[0, 1, 2][..], &[3, 4, 5], &[6, 7, 8], &[9]]);
        let values: Vec<f32> = (0u16..1000).map(|i| f32::from(i % 8)).collect();
        let parts = split(&values, 125, 125);
        assert!(parts.iter().all(|part| part.rows.len() <= 125));
        let mut all: Vec<u32> = parts.iter().flat_map(|part| part.rows.clone()).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }

    #[test]
    fn a_flood_of_duplicates_among_others_ends() {
        let values: Vec<f32> = (0u16..5000).map(|i| if i % 50 == 0 { f32::from(i) } else { 7.0 }).collect();
        let parts = split(&values, 100, 25);
        assert!(parts.iter().all(|part| (1..=100).contains(&part.rows.len())));
        assert_eq!(parts.iter().map(|part| part.rows.len()).sum::<usize>(), 5000);
    }
}
