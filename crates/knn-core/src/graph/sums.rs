//! Sums over all distances of a graph, in an order that no block size or thread count changes.

use serde::{Deserialize, Serialize};

use crate::types::NeighborBlock;

/// Rows of one partial sum.
pub const SUM_GRANULE: u64 = 65_536;

/// Partial sums of distances, by granule of 65 536 query rows: the sum over rows of the sum over that row's neighbours, and the sum of
/// squared deviations from the granule's mean, updated row by row (Chan and others 1983), because a plain sum of squares would
/// lose what distances far from 0 differ by. Serialised with exact bits, so that a resumed run continues with the same sums.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DistanceSums {
    granules: Vec<Granule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Granule {
    /// `row / SUM_GRANULE`.
    number: u64,
    /// Bits of the f64 sum: text must not round it.
    sum: u64,
    /// Bits of the f64 sum of squared deviations from the mean.
    squares: u64,
    /// Valid distances.
    distances: u64,
    /// Rows with at least one, or with a self edge.
    rows: u64,
}

impl DistanceSums {
    /// Adds the rows of a block; blocks come in row order.
    pub fn add(&mut self, block: &NeighborBlock, is_mapped: impl Fn(usize) -> bool) {
        for row in 0..block.rows() {
            let number = (block.first_row + row as u64) / SUM_GRANULE;
            if self.granules.last().is_none_or(|last| last.number != number) {
                self.granules.push(Granule {
                    number,
                    sum: 0f64.to_bits(),
                    squares: 0f64.to_bits(),
                    distances: 0,
                    rows: 0,
                });
            }
            let granule = self.granules.last_mut().expect("one was just pushed");
            let (_, distances) = block.row(row);
            let of_row = Moments::of(distances);
            granule.squares = granule.moments().with(of_row).squares.to_bits();
            granule.sum = (f64::from_bits(granule.sum) + of_row.sum).to_bits();
            granule.distances += of_row.count;
            granule.rows += u64::from(is_mapped(row));
        }
    }

    /// The granules that rows from `first_row` on have touched, as they stand now: what a unit's journal record keeps.
    #[must_use]
    pub fn since(&self, first_row: u64) -> Self {
        let number = first_row / SUM_GRANULE;
        let first = self.granules.partition_point(|granule| granule.number < number);
        Self { granules: self.granules[first..].to_vec() }
    }

    /// Takes over granules that an earlier run recorded. A granule that spans two units stands in both records, and the later
    /// one has all of it.
    pub fn restore(&mut self, recorded: &Self) {
        for granule in &recorded.granules {
            if self.granules.last().is_some_and(|last| last.number == granule.number) {
                self.granules.pop();
            }
            self.granules.push(*granule);
        }
    }

    /// Mean of all valid distances; with `self_edges` each mapped row also has one of distance 0. None without any.
    pub fn mean(&self, self_edges: bool) -> Option<f64> {
        let sum: f64 = self.granules.iter().map(|granule| f64::from_bits(granule.sum)).sum();
        let counted = |granule: &Granule| granule.distances + if self_edges { granule.rows } else { 0 };
        let count: u64 = self.granules.iter().map(counted).sum();
        (count > 0).then(|| sum / count as f64)
    }

    /// Population standard deviation of the same distances.
    pub fn deviation(&self, self_edges: bool) -> Option<f64> {
        let granules = self.granules.iter().map(Granule::moments);
        let mut all = granules.fold(Moments::default(), Moments::with);
        if self_edges {
            let rows = self.granules.iter().map(|granule| granule.rows).sum();
            all = all.with(Moments { count: rows, ..Moments::default() });
        }
        (all.count > 0).then(|| (all.squares / all.count as f64).sqrt())
    }
}

/// How many numbers there are, their sum, and the sum of their squared deviations from their mean.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: u64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn of(distances: &[f32]) -> Self {
        let sum: f64 = distances.iter().map(|&d| f64::from(d)).sum();
        let mean = sum / distances.len().max(1) as f64;
        let squares = distances.iter().map(|&d| (f64::from(d) - mean) * (f64::from(d) - mean)).sum();
        Self { count: distances.len() as u64, sum, squares }
    }

    /// Of these numbers and others.
    fn with(self, other: Self) -> Self {
        if self.count == 0 || other.count == 0 {
            return if self.count == 0 { other } else { self };
        }
        let (ours, theirs) = (self.count as f64, other.count as f64);
        let apart = other.sum / theirs - self.sum / ours;
        let squares = self.squares + other.squares + apart * apart * (ours * theirs / (ours + theirs));
        Self { count: self.count + other.count, sum: self.sum + other.sum, squares }
    }
}

impl Granule {
    fn moments(&self) -> Moments {
        Moments { count: self.distances, sum: f64::from_bits(self.sum), squares: f64::from_bits(self.squares) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(first_row: u64, distances: Vec<f32>) -> NeighborBlock {
        NeighborBlock {
            first_row,
            k: 2,
            ids: distances.iter().map(|d| if d.is_nan() { -1 } else { 7 }).collect(),
            distances,
        }
    }

    #[test]
    fn the_mean_counts_valid_distances_and_self_edges() {
        let mut sums = DistanceSums::default();
        sums.add(&block(0, vec![1.0, 2.0, 3.0, f32::NAN, f32::NAN, f32::NAN]), |row| row < 2);
        assert_eq!(sums.mean(false), Some(2.0));
        assert_eq!(sums.mean(true), Some(6.0 / 5.0));
        assert_eq!(DistanceSums::default().mean(true), None);
    }

    #[test]
    fn the_deviation_is_that_of_the_population_far_from_zero_too() {
        let mut sums = DistanceSums::default();
        sums.add(&block(0, vec![1.0, 2.0, 3.0, f32::NAN, f32::NAN, f32::NAN]), |row| row < 2);
        // np.std([1, 2, 3]) and np.std([1, 2, 3, 0, 0])
        assert!((sums.deviation(false).unwrap() - (2f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!((sums.deviation(true).unwrap() - 1.36f64.sqrt()).abs() < 1e-15);
        assert_eq!(DistanceSums::default().deviation(true), None);
        let mut far = DistanceSums::default();
        for granule in 0..3 {
            far.add(&block(granule * SUM_GRANULE, [1e6f32 - 0.5, 1e6 + 0.5].repeat(500)), |_| true);
        }
        assert!((far.deviation(false).unwrap() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn cutting_into_blocks_changes_no_bit_within_a_granule() {
        let distances: Vec<f32> = (0..2000).map(|i| 0.1 + (i as f32).sin().abs()).collect();
        let mut whole = DistanceSums::default();
        whole.add(&block(65_000, distances.clone()), |_| true);
        for cut in [1usize, 7, 64, 536, 999] {
            let mut pieces = DistanceSums::default();
            for (i, piece) in distances.chunks(cut * 2).enumerate() {
                pieces.add(&block(65_000 + (i * cut) as u64, piece.to_vec()), |_| true);
            }
            assert_eq!(pieces, whole, "{cut}");
        }
    }

    #[test]
    fn restoring_unit_by_unit_gives_the_same_bits() {
        let distances: Vec<f32> = (0..2000).map(|i| 0.1 + (i as f32).cos().abs()).collect();
        let (mut whole, mut restored) = (DistanceSums::default(), DistanceSums::default());
        for (i, unit) in distances.chunks(600).enumerate() {
            let first_row = 65_000 + 300 * i as u64;
            whole.add(&block(first_row, unit.to_vec()), |_| true);
            let recorded = serde_json::to_string(&whole.since(first_row)).unwrap();
            restored.restore(&serde_json::from_str(&recorded).unwrap());
        }
        assert_eq!(restored, whole);
    }
}
