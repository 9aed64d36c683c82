//! Which rows of a store are chosen: a bit for each, in granules, of which those that are chosen or left out as a whole need none.

use xxhash_rust::xxh3::Xxh3;

use crate::types::RowRange;

/// Rows of a granule.
pub(super) const GRANULE: u64 = 1 << 16;
/// Bits of a word.
const WORD: u64 = 64;

#[derive(Debug)]
enum Granule {
    None,
    All,
    Some(Box<[u64]>),
}

/// Chosen rows, found by their number among all and among the chosen.
#[derive(Debug)]
pub(super) struct Selection {
    rows: u64,
    granules: Vec<Granule>,
    /// Chosen rows before each granule, and at the end all.
    before: Vec<u64>,
}

impl Selection {
    /// Of no row yet.
    pub(super) fn new() -> Self {
        Self { rows: 0, granules: Vec::new(), before: vec![0] }
    }

    /// Adds rows: a whole granule, or what remains.
    pub(super) fn add(&mut self, chosen: &[bool]) {
        let count = chosen.iter().filter(|chosen| **chosen).count();
        let granule = if count == 0 {
            Granule::None
        } else if count == chosen.len() {
            Granule::All
        } else {
            let word = |bits: &[bool]| bits.iter().rev().fold(0, |word, bit| word << 1 | u64::from(*bit));
            Granule::Some(chosen.chunks(WORD as usize).map(word).collect())
        };
        self.granules.push(granule);
        self.before.push(self.count() + count as u64);
        self.rows += chosen.len() as u64;
    }

    /// Rows that there are.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows that are chosen.
    pub(super) fn count(&self) -> u64 {
        self.before.last().copied().unwrap_or(0)
    }

    /// Bytes in memory.
    pub(super) fn held_bytes(&self) -> u64 {
        let words = |granule: &Granule| if let Granule::Some(words) = granule { words.len() as u64 * 8 } else { 0 };
        self.granules.iter().map(words).sum::<u64>() + self.granules.len() as u64 * 24
    }

    fn is_chosen(&self, row: u64) -> bool {
        let within = row % GRANULE;
        match &self.granules[(row / GRANULE) as usize] {
            Granule::None => false,
            Granule::All => true,
            Granule::Some(words) => words[(within / WORD) as usize] >> (within % WORD) & 1 == 1,
        }
    }

    /// Chosen rows before a row, which may be one past the last.
    pub(super) fn rank(&self, row: u64) -> u64 {
        let (granule, within) = ((row / GRANULE) as usize, row % GRANULE);
        self.before[granule.min(self.granules.len())]
            + match self.granules.get(granule) {
                None | Some(Granule::None) => 0,
                Some(Granule::All) => within,
                Some(Granule::Some(words)) => {
                    let (whole, bits) = ((within / WORD) as usize, within % WORD);
                    let last = words.get(whole).map_or(0, |word| word & !(u64::MAX << bits));
                    words[..whole].iter().chain([&last]).map(|word| u64::from(word.count_ones())).sum()
                }
            }
    }

    /// The row that is the `rank`-th of the chosen, from 0; one past all rows where there is none.
    pub(super) fn row(&self, rank: u64) -> u64 {
        if rank >= self.count() {
            return self.rows;
        }
        let granule = self.before.partition_point(|before| *before <= rank) - 1;
        let (first, mut rest) = (granule as u64 * GRANULE, rank - self.before[granule]);
        match &self.granules[granule] {
            Granule::Some(words) => {
                for (place, word) in (0..).zip(words) {
                    let ones = u64::from(word.count_ones());
                    if rest < ones {
                        let mut word = *word;
                        (0..rest).for_each(|_| word &= word - 1);
                        return first + place * WORD + u64::from(word.trailing_zeros());
                    }
                    rest -= ones;
                }
                self.rows
            }
            _ => first + rest,
        }
    }

    /// The first chosen row from a row on; one past all rows where there is none.
    fn next(&self, from: u64) -> u64 {
        let mut row = from;
        while row < self.rows {
            let (granule, within) = ((row / GRANULE) as usize, row % GRANULE);
            match &self.granules[granule] {
                Granule::None => row += GRANULE - within,
                Granule::All => return row,
                Granule::Some(words) => match words[(within / WORD) as usize] >> (within % WORD) {
                    0 => row += WORD - within % WORD,
                    bits => return row + u64::from(bits.trailing_zeros()),
                },
            }
        }
        self.rows
    }

    /// The chosen from one rank to another, as runs of rows that follow each other.
    pub(super) fn runs(&self, ranks: RowRange) -> impl Iterator<Item = RowRange> {
        let mut left = ranks.end.saturating_sub(ranks.start);
        let mut from = if left > 0 { self.row(ranks.start) } else { self.rows };
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let start = self.next(from);
            let mut end = start + 1;
            while end - start < left && end < self.rows && self.is_chosen(end) {
                end += 1;
            }
            (left, from) = (left - (end - start), end);
            Some(RowRange { start, end })
        })
    }

    /// Hash of which rows are chosen.
    pub(super) fn digest(&self) -> u128 {
        let mut hash = Xxh3::new();
        hash.update(&self.rows.to_le_bytes());
        for granule in &self.granules {
            match granule {
                Granule::None => hash.update(&[0]),
                Granule::All => hash.update(&[1]),
                Granule::Some(words) => {
                    hash.update(&[2]);
                    words.iter().for_each(|word| hash.update(&word.to_le_bytes()));
                }
            }
        }
        hash.digest128()
    }

    /// Whether a row is chosen here and there. Both are of the same rows.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.granules.iter().zip(&other.granules).any(|pair| match pair {
            (Granule::None, _) | (_, Granule::None) => false,
            (Granule::All, _) | (_, Granule::All) => true,
            (Granule::Some(left), Granule::Some(right)) => left.iter().zip(right).any(|(left, right)| left & right > 0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Granules of every kind, the last one short, against a plain list.
    #[test]
    fn ranks_and_rows_are_those_of_a_plain_list() {
        let rows = GRANULE * 3 + 100;
        let chosen = |row: u64| match row / GRANULE {
            0 => row % 3 == 1 || (500..800).contains(&row),
            1 => false,
            2 => true,
            _ => row.is_multiple_of(7),
        };
        let all: Vec<bool> = (0..rows).map(chosen).collect();
        let mut selection = Selection::new();
        all.chunks(GRANULE as usize).for_each(|granule| selection.add(granule));
        let plain: Vec<u64> = (0..rows).filter(|&row| chosen(row)).collect();
        assert_eq!((selection.rows(), selection.count()), (rows, plain.len() as u64));
        for (rank, &row) in (0..).zip(&plain).step_by(97) {
            assert_eq!(selection.row(rank), row);
            assert_eq!((selection.rank(row), selection.rank(row + 1)), (rank, rank + 1));
        }
        assert_eq!((selection.row(plain.len() as u64), selection.rank(rows)), (rows, plain.len() as u64));
        for (start, end) in [(0, plain.len()), (160, 700), (21_000, 22_500), (5, 5)] {
            let runs = selection.runs(RowRange::new(start as u64, end as u64));
            let found: Vec<u64> = runs.flat_map(|run| run.start..run.end).collect();
            assert_eq!(found, plain[start..end]);
        }
        assert!(selection.held_bytes() < rows / 8);
    }

    #[test]
    fn selections_meet_where_both_choose() {
        let of = |chosen: &[bool]| {
            let mut selection = Selection::new();
            selection.add(chosen);
            selection
        };
        assert!(!of(&[true, false]).meets(&of(&[false, true])));
        assert!(of(&[true, false]).meets(&of(&[true, true])));
        assert_ne!(of(&[true, false]).digest(), of(&[false, true]).digest());
    }
}
