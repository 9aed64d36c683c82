//! The coarse levels: super-cells, and the lists in each.
//!
//! Lists are numbered super-cell by super-cell, so a super-cell's lists lie side by side in the file and in the numbering.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::format::{Bytes, corrupt};
use crate::error::Result;
use crate::store::{Vfs, Written, write_atomic};

const MAGIC: [u8; 8] = *b"GMCOARSE";
/// More columns than any embedding has.
pub(super) const MOST_DIM: u32 = 1 << 20;
/// Far more lists than can be trained.
pub(super) const MOST_LISTS: u32 = 1 << 28;

/// Centroids of both levels.
#[derive(Debug, Clone, PartialEq)]
pub struct Coarse {
    dim: usize,
    centre: Vec<f32>,
    reach: f64,
    super_cells: Vec<f32>,
    first_list: Vec<u32>,
    lists: Vec<f32>,
}

impl Coarse {
    /// From its parts: `first_list` has one entry more than there are super-cells.
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
        Self { dim, centre, reach, super_cells, first_list, lists }
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

    /// Number of super-cells.
    pub fn super_cells(&self) -> u32 {
        self.first_list.len() as u32 - 1
    }

    /// The centroids of the super-cells, row-major.
    pub fn super_centroids(&self) -> &[f32] {
        &self.super_cells
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
    pub(super) fn bytes(super_cells: u64, lists: u64, dim: u64) -> u64 {
        (super_cells + lists + 1) * dim * 4 + (super_cells + 1) * 4 + 64
    }

    /// Bytes of the file.
    pub(super) fn file_length(super_cells: u64, lists: u64, dim: u64) -> Option<u64> {
        let values = (super_cells + lists + 1).checked_mul(dim)?.checked_mul(4)?;
        values.checked_add((super_cells + 1) * 4 + 24)
    }

    /// Writes the levels to a file that appears whole.
    pub(super) fn write(&self, vfs: &Arc<dyn Vfs>, path: &Path, worker: &str) -> Result<Written> {
        let mut bytes =
            Vec::with_capacity(
                Self::bytes(u64::from(self.super_cells()), u64::from(self.nlist()), self.dim as u64) as usize
            );
        bytes.extend_from_slice(&MAGIC);
        for number in [self.dim as u32, self.super_cells()] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.reach.to_le_bytes());
        self.first_list.iter().for_each(|first| bytes.extend_from_slice(&first.to_le_bytes()));
        for value in [&self.centre, &self.super_cells, &self.lists].into_iter().flatten() {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        write_atomic(vfs, path, worker, &bytes)
    }

    /// Reads the levels from the bytes of `file`, which must be all of them and no more.
    pub(super) fn parse(bytes: &[u8], file: &str, dim: usize) -> Result<Self> {
        let wrong = |block: &str, reason: &str| corrupt(file, block, reason);
        let mut rest = Bytes::new(bytes, file, "levels");
        if rest.take(8)? != MAGIC {
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
        let first_list = rest.u32s(super_cells as usize + 1)?;
        let ascending = first_list.windows(2).all(|pair| pair[0] < pair[1]);
        let nlist = first_list[first_list.len() - 1];
        if first_list[0] != 0 || !ascending || nlist > MOST_LISTS {
            return Err(wrong("lists", "super-cells do not share out the lists"));
        }
        let mut floats = |count: usize, what: &str| {
            let values = rest.f32s(count.checked_mul(dim).ok_or_else(|| wrong(what, "too large"))?)?;
            if values.iter().all(|value| value.is_finite()) { Ok(values) } else { Err(wrong(what, "not finite")) }
        };
        let centre = floats(1, "centre")?;
        let super_centroids = floats(super_cells as usize, "super-cells")?;
        let lists = floats(nlist as usize, "centroids")?;
        rest.end()?;
        Ok(Self::new(centre, reach, super_centroids, first_list, lists))
    }
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
        coarse.write(&(Arc::new(OsVfs) as Arc<dyn Vfs>), &path, "w").unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(Coarse::parse(&bytes, "f", 2).unwrap(), coarse);
        assert_eq!((coarse.lists_of(1), coarse.centroids(1..2)), (1..3, &[2.0, 3.0][..]));
        assert_eq!([0, 1, 2].map(|list| coarse.super_cell_of(list)), [0, 1, 1]);
        for length in 0..bytes.len() {
            assert_eq!(Coarse::parse(&bytes[..length], "f", 2).unwrap_err().code(), "GM_CORRUPT");
        }
        assert!(Coarse::parse(&[&bytes[..], &[0]].concat(), "f", 2).is_err());
        assert!(Coarse::parse(&bytes, "f", 3).is_err());
    }
}
