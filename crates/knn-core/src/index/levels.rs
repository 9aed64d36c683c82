//! How many centroids each level of an index has. It follows from the number of lists alone.
//!
//! Up to 2^18 lists there are two levels: super-cells, and the lists in each. Beyond, regions stand above the super-cells: with two
//! levels, what a row is compared with and what training needs at once both grow with the square root of the lists, with three by their
//! cube root.

/// Two levels route among so many lists.
pub(super) const MOST_IN_TWO_LEVELS: u32 = 1 << 18;
/// Super-cells for each of the square root of the lists, and lists of a super-cell at least.
const CELLS_PER_ROOT: u64 = 4;
const LISTS_PER_CELL: u64 = 4;
/// Regions for each of the cube root r of the lists, super-cells for each of r², and super-cells of a region at least.
const REGIONS_PER_ROOT: u64 = 4;
const CELLS_PER_SQUARE: u64 = 1;
const CELLS_PER_REGION: u64 = 4;

/// The sizes of the levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// Regions; 0 where there are two levels.
    pub regions: u32,
    /// Super-cells.
    pub super_cells: u32,
    /// Lists.
    pub lists: u32,
}

impl Levels {
    /// The levels above so many lists.
    pub fn of(lists: u32) -> Self {
        Self::within(lists, MOST_IN_TWO_LEVELS)
    }

    /// The same, where two levels are enough for so many lists.
    ///
    /// Of two levels, a row is compared with all super-cells and with the lists of some dozens of them, so there are more super-cells than the
    /// square root of the lists, and each is small. Of three, it is compared with all R regions, with the S / R super-cells of some eight of them
    /// and with the L / S lists of some eight of those. R + 8 S / R + 8 L / S is 14 ∛L where R = 4 ∛L and S = ∛L², little more than the least sum, and
    /// of the shapes that were measured this one lost fewest neighbours by near lists: few regions cut badly, and so do super-cells of few lists.
    pub(super) fn within(lists: u32, most_in_two: u32) -> Self {
        let count = u64::from(lists);
        let most_cells = count.div_ceil(LISTS_PER_CELL).max(1);
        if lists <= most_in_two {
            let super_cells = (count.isqrt() * CELLS_PER_ROOT).min(most_cells).max(1);
            return Self { regions: 0, super_cells: super_cells as u32, lists };
        }
        let root = cube_root(count);
        let super_cells = (root * root * CELLS_PER_SQUARE).min(most_cells);
        let regions = (root * REGIONS_PER_ROOT).min(super_cells.div_ceil(CELLS_PER_REGION));
        Self { regions: regions as u32, super_cells: super_cells as u32, lists }
    }

    /// How many levels there are: 2 or 3.
    pub fn count(self) -> u32 {
        if self.regions == 0 { 2 } else { 3 }
    }

    /// Centroids of the level that rows are compared with first: regions, or super-cells where there are none.
    pub(super) fn top(self) -> u32 {
        if self.regions == 0 { self.super_cells } else { self.regions }
    }

    /// Centroids of all levels.
    pub(super) fn centroids(self) -> u64 {
        u64::from(self.regions) + u64::from(self.super_cells) + u64::from(self.lists)
    }

    /// First children that are written down: one for each region, if there are any, and for each super-cell, and one more of both.
    pub(super) fn firsts(self) -> u64 {
        let of_regions = if self.regions == 0 { 0 } else { u64::from(self.regions) + 1 };
        of_regions + u64::from(self.super_cells) + 1
    }
}

/// The largest whole number whose cube is not above this.
fn cube_root(number: u64) -> u64 {
    let mut root = (number as f64).cbrt() as u64;
    while root.pow(3) > number {
        root -= 1;
    }
    while (root + 1).pow(3) <= number {
        root += 1;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_from_the_lists() {
        let of = |lists| {
            let Levels { regions, super_cells, .. } = Levels::of(lists);
            (regions, super_cells)
        };
        assert_eq!([1, 4, 17, 4096].map(of), [(0, 1), (0, 1), (0, 5), (0, 256)]);
        assert_eq!([1 << 18, (1 << 18) + 1, 1 << 24].map(of), [(0, 2048), (256, 4096), (1024, 65_536)]);
        for lists in (1..5000).chain([1 << 20, 1 << 28]) {
            let three = Levels::within(lists, 0);
            assert!((1..=three.super_cells).contains(&three.regions) && three.super_cells <= lists, "{three:?}");
            assert_eq!((three.count(), Levels::within(lists, lists).count()), (3, 2));
            assert_eq!(three.top(), three.regions);
        }
        assert_eq!(Levels::within(40, 39), Levels { regions: 3, super_cells: 9, lists: 40 });
    }

    #[test]
    fn cube_roots_are_whole() {
        for root in [0, 1, 2, 63, 64, 645] {
            let cube = u64::pow(root, 3);
            assert_eq!((cube_root(cube), cube_root(u64::pow(root + 1, 3) - 1)), (root, root));
        }
    }
}
