//! The coarse levels: super-cells, and the lists in each; in a large index regions, and the super-cells in each of them.
//!
//! Lists are numbered super-cell by super-cell, and super-cells region by region, so what is in one lies side by side in the file and in the
//! numbering.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::format::{Bytes, corrupt};
use super::levels::Levels;
use crate::error::Result;
use crate::store::{Vfs, Written, write_atomic};

const MAGIC: [u8; 8] = *b"GMCOARSE";
/// That of three levels.
const MAGIC_OF_THREE: [u8; 8] = *b"GMCOARS3";
/// More columns than any embedding has.
pub(super) const MOST_DIM: u32 = 1 << 20;
/// Far more lists than can be trained, because some are split.
pub(super) const MOST_LISTS: u32 = 1 << 28;

/// The level above the super-cells.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Regions {
    /// The first super-cell of each, and their number.
    pub(super) first_cell: Vec<u32>,
    /// Row-major.
    pub(super) centroids: Vec<f32>,
}

/// Centroids of all levels.
#[derive(Debug, Clone, PartialEq)]
pub struct Coarse {
    dim: usize,
    centre: Vec<f32>,
    reach: f64,
    /// None where there are two levels.
    regions: Option<Regions>,
    super_cells: Vec<f32>,
    first_list: Vec<u32>,
    lists: Vec<f32>,
}

impl Coarse {
    /// Two levels from their parts: `first_list` has one entry more than there are super-cells.
    pub(super) fn new(
        centre: Vec<f32>,
        reach: f64,
        super_cells: Vec<f32>,
        first_list: Vec<u32>,
        lists: Vec<f32>,
    ) -> Self {
        let dim = centre.len();
        debug_assert_eq!(super_cells.len(), (first_list.len() - 1) * dim);
        debug_assert_eq!(lists.len(), first_list.last().map_or(0, |&last| last as usize) * dim);
        Self { dim, centre, reach, regions: None, super_cells, first_list, lists }
    }

    /// The same below regions, if there are any.
    #[must_use]
    pub(super) fn below(self, regions: Option<Regions>) -> Self {
        debug_assert!(regions.as_ref().is_none_or(|regions| {
            regions.first_cell.last() == Some(&self.super_cells())
                && regions.centroids.len() == (regions.first_cell.len() - 1) * self.dim
        }));
        Self { regions, ..self }
    }

    /// The same levels with other lists in the super-cells.
    pub(super) fn with_lists(&self, first_list: Vec<u32>, lists: Vec<f32>) -> Self {
        Self::new(self.centre.clone(), self.reach, self.super_cells.clone(), first_list, lists)
            .below(self.regions.clone())
    }

    /// Columns of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The mean of the rows that trained the index.
    pub fn centre(&self) -> &[f32] {
        &self.centre
    }

    /// How far from the centre most rows lie at most: the largest norm of the sample, or twice its 99th percentile if that is less.
    pub fn reach(&self) -> f64 {
        self.reach
    }

    /// How many centroids each level has.
    pub fn levels(&self) -> Levels {
        Levels { regions: self.regions(), super_cells: self.super_cells(), lists: self.nlist() }
    }

    /// Number of regions; 0 where there are two levels.
    pub fn regions(&self) -> u32 {
        self.regions.as_ref().map_or(0, |regions| regions.first_cell.len() as u32 - 1)
    }

    /// The centroids of the regions, row-major.
    pub(super) fn region_centroids(&self) -> &[f32] {
        self.regions.as_ref().map_or(&[], |regions| &regions.centroids)
    }

    /// The super-cells of a region.
    pub(super) fn cells_of(&self, region: u32) -> Range<u32> {
        let first = |region| self.regions.as_ref().map_or(0, |regions| regions.first_cell[region as usize]);
        first(region)..first(region + 1)
    }

    /// Number of super-cells.
    pub fn super_cells(&self) -> u32 {
        self.first_list.len() as u32 - 1
    }

    /// The centroids of the super-cells, row-major.
    pub fn super_centroids(&self) -> &[f32] {
        &self.super_cells
    }

    /// The centroids of some super-cells, row-major.
    pub(super) fn centroids_of_cells(&self, cells: Range<u32>) -> &[f32] {
        &self.super_cells[cells.start as usize * self.dim..cells.end as usize * self.dim]
    }

    /// The lists of a super-cell.
    pub fn lists_of(&self, super_cell: u32) -> Range<u32> {
        self.first_list[super_cell as usize]..self.first_list[super_cell as usize + 1]
    }

    /// Number of lists.
    pub fn nlist(&self) -> u32 {
        self.first_list[self.first_list.len() - 1]
    }

    /// The super-cell of a list.
    pub fn super_cell_of(&self, list: u32) -> u32 {
        self.first_list.partition_point(|&first| first <= list) as u32 - 1
    }

    /// The centroids of some lists, row-major.
    pub fn centroids(&self, lists: Range<u32>) -> &[f32] {
        &self.lists[lists.start as usize * self.dim..lists.end as usize * self.dim]
    }

    /// Bytes that the levels take in memory, and about as many on disk.
    pub(super) fn bytes(levels: Levels, dim: u64) -> u64 {
        (levels.centroids() + 1) * dim * 4 + levels.firsts() * 4 + 64
    }

    /// Bytes of the file.
    pub(super) fn file_length(levels: Levels, dim: u64) -> Option<u64> {
        let values = (levels.centroids() + 1).checked_mul(dim)?.checked_mul(4)?;
        let header = if levels.regions == 0 { 24 } else { 28 };
        values.checked_add(levels.firsts() * 4 + header)
    }

    /// Writes the levels to a file that appears whole.
    pub(super) fn write(&self, vfs: &Arc<dyn Vfs>, path: &Path, worker: &str) -> Result<Written> {
        let mut bytes = Vec::with_capacity(Self::bytes(self.levels(), self.dim as u64) as usize);
        bytes.extend_from_slice(if self.regions.is_some() { &MAGIC_OF_THREE } else { &MAGIC });
        for number in [self.dim as u32, self.super_cells()] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.reach.to_le_bytes());
        if let Some(regions) = &self.regions {
            bytes.extend_from_slice(&self.regions().to_le_bytes());
            regions.first_cell.iter().for_each(|first| bytes.extend_from_slice(&first.to_le_bytes()));
        }
        self.first_list.iter().for_each(|first| bytes.extend_from_slice(&first.to_le_bytes()));
        let values = [&self.centre[..], self.region_centroids(), &self.super_cells, &self.lists];
        for value in values.into_iter().flatten() {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        write_atomic(vfs, path, worker, &bytes)
    }

    /// Reads the levels from the bytes of `file`, which must be all of them and no more.
    pub(super) fn parse(bytes: &[u8], file: &str, dim: usize) -> Result<Self> {
        let wrong = |block: &str, reason: &str| corrupt(file, block, reason);
        let mut rest = Bytes::new(bytes, file, "levels");
        let magic = rest.take(8)?;
        let three = magic == MAGIC_OF_THREE;
        if !three && magic != MAGIC {
            return Err(wrong("header", "it holds no coarse levels"));
        }
        let (stored, super_cells) = (rest.u32()?, rest.u32()?);
        if stored as usize != dim || stored == 0 || stored > MOST_DIM {
            return Err(wrong("header", &format!("{stored} columns instead of {dim}")));
        }
        if super_cells == 0 || super_cells > MOST_LISTS {
            return Err(wrong("header", &format!("{super_cells} super-cells")));
        }
        let reach = f64::from_bits(rest.u64()?);
        if !(reach.is_finite() && reach >= 0.0) {
            return Err(wrong("header", &format!("reach {reach}")));
        }
        let regions = if three { rest.u32()? } else { 0 };
        if regions > super_cells || three && regions == 0 {
            return Err(wrong("header", &format!("{regions} regions of {super_cells} super-cells")));
        }
        let first_cell = if three { rest.u32s(regions as usize + 1)? } else { Vec::new() };
        if three && (!shares_out(&first_cell) || first_cell.last() != Some(&super_cells)) {
            return Err(wrong("regions", "regions do not share out the super-cells"));
        }
        let first_list = rest.u32s(super_cells as usize + 1)?;
        let nlist = first_list[first_list.len() - 1];
        if !shares_out(&first_list) || nlist > MOST_LISTS {
            return Err(wrong("lists", "super-cells do not share out the lists"));
        }
        let mut floats = |count: usize, what: &str| {
            let values = rest.f32s(count.checked_mul(dim).ok_or_else(|| wrong(what, "too large"))?)?;
            if values.iter().all(|value| value.is_finite()) { Ok(values) } else { Err(wrong(what, "not finite")) }
        };
        let centre = floats(1, "centre")?;
        let region_centroids = floats(regions as usize, "regions")?;
        let super_centroids = floats(super_cells as usize, "super-cells")?;
        let lists = floats(nlist as usize, "centroids")?;
        rest.end()?;
        let regions = three.then_some(Regions { first_cell, centroids: region_centroids });
        Ok(Self::new(centre, reach, super_centroids, first_list, lists).below(regions))
    }
}

/// Whether these are first children: strictly ascending from 0.
fn shares_out(first: &[u32]) -> bool {
    first.first() == Some(&0) && first.windows(2).all(|pair| pair[0] < pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::OsVfs;

    #[test]
    fn levels_are_read_as_written_and_nothing_shorter_or_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coarse.bin");
        let coarse = Coarse::new(vec![1.0, 2.0], 3.5, vec![0.0; 4], vec![0, 1, 3], (0u8..6).map(f32::from).collect());
        let three = Coarse::new(vec![1.0, 2.0], 3.5, vec![0.5; 6], vec![0, 1, 3, 4], (0u8..8).map(f32::from).collect());
        let three = three.below(Some(Regions { first_cell: vec![0, 2, 3], centroids: vec![7.0, 8.0, 9.0, 6.0] }));
        for coarse in [&coarse, &three] {
            coarse.write(&(Arc::new(OsVfs) as Arc<dyn Vfs>), &path, "w").unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(Coarse::parse(&bytes, "f", 2).unwrap(), *coarse);
            assert_eq!(Coarse::file_length(coarse.levels(), 2), Some(bytes.len() as u64));
            for length in 0..bytes.len() {
                assert_eq!(Coarse::parse(&bytes[..length], "f", 2).unwrap_err().code(), "GM_CORRUPT");
            }
            assert!(Coarse::parse(&[&bytes[..], &[0]].concat(), "f", 2).is_err());
            assert!(Coarse::parse(&bytes, "f", 3).is_err());
        }
        assert_eq!((coarse.lists_of(1), coarse.centroids(1..2)), (1..3, &[2.0, 3.0][..]));
        assert_eq!([0, 1, 2].map(|list| coarse.super_cell_of(list)), [0, 1, 1]);
        assert_eq!((three.levels(), three.cells_of(1)), (Levels { regions: 2, super_cells: 3, lists: 4 }, 2..3));
        assert_eq!(
            (coarse.levels().count(), three.with_lists(vec![0, 1, 2, 3], vec![0.0; 6]).levels().count()),
            (2, 3)
        );
    }

    #[test]
    fn first_children_that_cannot_be_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coarse.bin");
        let coarse = Coarse::new(vec![0.0], 1.0, vec![0.0; 4], vec![0, 1, 2, 3, 4], vec![0.0; 4]);
        let coarse = coarse.below(Some(Regions { first_cell: vec![0, 1, 4], centroids: vec![0.0; 2] }));
        coarse.write(&(Arc::new(OsVfs) as Arc<dyn Vfs>), &path, "w").unwrap();
        let bytes = std::fs::read(&path).unwrap();
        // The number of regions, their first super-cells, the first lists, and a centroid of a region.
        for (at, wrong) in
            [(24, 0), (24, 5), (24, u32::MAX), (28, 1), (32, 0), (32, 4), (36, 3), (36, 5), (40, 1), (44, 0)]
        {
            let mut damaged = bytes.clone();
            damaged[at..at + 4].copy_from_slice(&wrong.to_le_bytes());
            assert_eq!(Coarse::parse(&damaged, "f", 1).unwrap_err().code(), "GM_CORRUPT", "{wrong} at {at}");
        }
        let mut damaged = bytes;
        damaged[64..68].copy_from_slice(&f32::NAN.to_le_bytes());
        assert_eq!(Coarse::parse(&damaged, "f", 1).unwrap_err().code(), "GM_CORRUPT");
    }
}
