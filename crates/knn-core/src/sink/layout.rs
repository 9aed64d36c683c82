//! Which row is in which part, unit and inner chunk. Pure arithmetic: the same numbers give the same grid.

use crate::error::{Error, Result};
use crate::types::RowRange;

/// The grid of an output store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    n_obs: u64,
    inner_rows: u64,
    unit_rows: u64,
    part_rows: u64,
    compact: bool,
}

/// The rows of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitRange {
    /// Number of the unit in the store.
    pub unit: u64,
    /// The part it is in.
    pub part: u64,
    /// Its rows, counted over the whole store.
    pub rows: RowRange,
    /// Its first row, counted within the part.
    pub first_in_part: u64,
}

impl Layout {
    /// The grid of `n_obs` rows, with at most `inner_rows` rows per inner chunk, `inner_per_unit` inner chunks per unit
    /// and `part_rows` rows per part. A part is a whole number of units.
    pub fn new(n_obs: u64, inner_rows: u64, inner_per_unit: u64, part_rows: u64) -> Result<Self> {
        let most = inner_rows.checked_mul(inner_per_unit).unwrap_or(0);
        if most == 0 || part_rows == 0 || !part_rows.is_multiple_of(most) || part_rows > 1 << 40 {
            let value = format!("{inner_rows} rows × {inner_per_unit}, parts of {part_rows}");
            return Err(Error::param("layout", value, "a unit has rows and a part is a whole number of units"));
        }
        let inner_rows = n_obs.clamp(1, inner_rows);
        let unit_rows = inner_rows * n_obs.div_ceil(inner_rows).clamp(1, inner_per_unit);
        Ok(Self { n_obs, inner_rows, unit_rows, part_rows, compact: false })
    }

    /// The same grid with matrices compressed, in chunks that are small enough to be decoded for a few rows.
    #[must_use]
    pub fn compact(self, compact: bool) -> Self {
        Self { compact, ..self }
    }

    /// Whether matrices are compressed.
    pub fn is_compact(&self) -> bool {
        self.compact
    }

    /// Rows in all.
    pub fn n_obs(&self) -> u64 {
        self.n_obs
    }

    /// Rows of an inner chunk.
    pub fn inner_rows(&self) -> u64 {
        self.inner_rows
    }

    /// Rows of a unit, a shard and the chunk of a column.
    pub fn unit_rows(&self) -> u64 {
        self.unit_rows
    }

    /// Most rows of a part.
    pub fn part_rows(&self) -> u64 {
        self.part_rows
    }

    /// Inner chunks of a shard.
    pub fn inner_per_unit(&self) -> u64 {
        self.unit_rows / self.inner_rows
    }

    /// Units in all; none if there are no rows.
    pub fn units(&self) -> u64 {
        // Parts are whole numbers of units wherever there is more than one, so units can be counted over the whole.
        self.n_obs.div_ceil(self.unit_rows)
    }

    /// The rows of unit `unit`.
    pub fn unit(&self, unit: u64) -> UnitRange {
        debug_assert!(unit < self.units());
        let start = unit * self.unit_rows;
        let part = start / self.part_rows;
        let rows = RowRange::new(start, (start + self.unit_rows).min(self.n_obs));
        UnitRange { unit, part, rows, first_in_part: start - part * self.part_rows }
    }

    /// Parts: 1 means that the store itself is the AnnData.
    pub fn parts(&self) -> u64 {
        self.n_obs.div_ceil(self.part_rows).max(1)
    }

    /// Rows of part `part`.
    pub fn part_rows_of(&self, part: u64) -> u64 {
        (self.n_obs - part * self.part_rows).min(self.part_rows)
    }

    /// Path of a part inside the store, empty or ending in `/`.
    pub fn prefix(&self, part: u64) -> String {
        if self.parts() == 1 { String::new() } else { format!("dataset_{part}/") }
    }

    /// Number of a unit's chunk along the rows of its part.
    pub(super) fn chunk(&self, range: UnitRange) -> u64 {
        range.first_in_part / self.unit_rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_stores_have_small_chunks() {
        for (n, inner, unit) in [(0, 1, 1), (1, 1, 1), (7, 7, 7), (65_536, 65_536, 65_536), (65_537, 65_536, 131_072)] {
            let layout = Layout::new(n, 65_536, 16, 1 << 24).unwrap();
            assert_eq!((layout.inner_rows(), layout.unit_rows(), layout.parts()), (inner, unit, 1), "{n}");
        }
        let billion = Layout::new(1_000_000_000, 65_536, 16, 1 << 24).unwrap();
        assert_eq!((billion.unit_rows(), billion.units(), billion.parts()), (1 << 20, 954, 60));
    }

    #[test]
    fn units_tile_the_rows_and_no_unit_crosses_a_part() {
        for n in 0..60 {
            for (inner, per, part) in [(4, 2, 16), (4, 2, 8), (1, 1, 1), (3, 5, 30)] {
                let layout = Layout::new(n, inner, per, part).unwrap();
                let mut next = 0;
                for unit in 0..layout.units() {
                    let range = layout.unit(unit);
                    assert_eq!(range.rows.start, next);
                    assert_eq!(range.part * part + range.first_in_part, range.rows.start);
                    assert_eq!(range.first_in_part % layout.unit_rows(), 0);
                    assert!(range.first_in_part + range.rows.len() as u64 <= layout.part_rows_of(range.part));
                    next = range.rows.end;
                }
                assert_eq!(next, n);
                assert_eq!((0..layout.parts()).map(|p| layout.part_rows_of(p)).sum::<u64>(), n);
            }
        }
    }

    #[test]
    fn impossible_grids_are_refused() {
        for (inner, per, part) in [(0, 1, 1), (1, 0, 1), (4, 2, 12), (4, 2, 0), (u64::MAX, 2, 8)] {
            assert_eq!(Layout::new(5, inner, per, part).unwrap_err().code(), "GM_PARAM");
        }
    }
}
