//! The fast scan of codes: for each row the sum of one table entry a sub-space, sixty-four rows at a time.
//!
//! A table has sixteen entries of a byte for each sub-space, which is what one shuffle instruction looks up, and sums saturate: 255 is
//! that much or more. Sums that saturate do not depend on the order of additions, so every lane gives the same integers (F. André,
//! A.-M. Kermarrec, N. Le Scouarnec: Cache locality is not enough: high-performance nearest neighbor search with product quantization
//! fast scan, VLDB 2015).

use super::codebook::CODEWORDS;
use super::vector::Scalar;

/// Rows whose codes lie together in a file, two to a byte.
pub const CODE_BLOCK_ROWS: usize = 32;
/// Rows that are looked up at a time.
pub const CODE_GROUP_ROWS: usize = 64;

/// A code of sixty-four rows, a byte each; aligned so that no load straddles a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct SixtyFour(pub(super) [u8; CODE_GROUP_ROWS]);

/// The codes of a list as the scan reads them: for each sixty-four rows one sub-space after the other.
#[derive(Debug, Default)]
pub struct PackedCodes {
    spaces: usize,
    rows: usize,
    values: Vec<SixtyFour>,
}

impl PackedCodes {
    /// Takes the codes of `rows` rows as they are stored: for each 32 rows sixteen bytes a sub-space, byte `i` with the code of row `i` in
    /// its low half and that of row `16 + i` in its high half.
    pub fn unpack(&mut self, stored: &[u8], spaces: usize, rows: usize) {
        (self.spaces, self.rows) = (spaces, rows);
        let (halves, _) = stored.as_chunks::<{ CODE_BLOCK_ROWS / 2 }>();
        let groups = rows.div_ceil(CODE_GROUP_ROWS);
        self.values.resize(groups * spaces, SixtyFour([0; CODE_GROUP_ROWS]));
        for (block, codes) in halves.chunks_exact(spaces.max(1)).take(rows.div_ceil(CODE_BLOCK_ROWS)).enumerate() {
            let (group, first) = (block / 2 * spaces, block % 2 * CODE_BLOCK_ROWS);
            for (to, half) in self.values[group..].iter_mut().zip(codes) {
                let to = &mut to.0[first..first + CODE_BLOCK_ROWS];
                for (row, both) in half.iter().enumerate() {
                    to[row] = both & 15;
                    to[row + CODE_BLOCK_ROWS / 2] = both >> 4;
                }
            }
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes that the codes of `rows` rows take.
    pub fn bytes(rows: u64, spaces: u64) -> u64 {
        rows.next_multiple_of(CODE_GROUP_ROWS as u64) * spaces
    }

    fn groups(&self) -> usize {
        self.rows.div_ceil(CODE_GROUP_ROWS)
    }
}

/// What the scan needs of a machine: sixty-four bytes at once.
///
/// Functions are unsafe because a lane's instructions may be called only where the machine has them.
pub(super) trait Lookup {
    /// A sum for each of sixty-four rows.
    type Sums: Copy;
    /// All sums zero.
    unsafe fn none() -> Self::Sums;
    /// Each sum and the entry that its row's code, below 16, stands for; 255 where that is more.
    unsafe fn plus_entries(sums: Self::Sums, codes: &SixtyFour, table: &[u8; CODEWORDS]) -> Self::Sums;
    /// One bit a row: at most `limit`.
    unsafe fn at_most(sums: Self::Sums, limit: u8) -> u64;
}

/// One bit for each row of which the sum is at most `limit`, sixty-four rows to a mask.
///
/// # Safety
/// The machine must have the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn at_most<L: Lookup>(
    codes: &PackedCodes,
    table: &[[u8; CODEWORDS]],
    limit: u8,
    masks: &mut Vec<u64>,
) {
    masks.clear();
    let groups = codes.groups();
    for first in (0..groups).step_by(4) {
        // SAFETY: the caller vouches for the instructions of `L`.
        unsafe {
            match groups - first {
                1 => some_groups::<L, 1>(codes, first, table, limit, masks),
                2 => some_groups::<L, 2>(codes, first, table, limit, masks),
                3 => some_groups::<L, 3>(codes, first, table, limit, masks),
                _ => some_groups::<L, 4>(codes, first, table, limit, masks),
            }
        }
    }
    if let Some(last) = masks.last_mut() {
        // What fills up the last group is no row.
        *last &= u64::MAX >> (groups * CODE_GROUP_ROWS - codes.rows);
    }
}

/// `N` groups side by side, so that an entry is loaded once for all of them.
///
/// # Safety
/// The machine must have the instructions of `L`.
#[inline(always)]
unsafe fn some_groups<L: Lookup, const N: usize>(
    codes: &PackedCodes,
    first: usize,
    table: &[[u8; CODEWORDS]],
    limit: u8,
    masks: &mut Vec<u64>,
) {
    let spaces = codes.spaces;
    let groups: [&[SixtyFour]; N] =
        std::array::from_fn(|group| &codes.values[(first + group) * spaces..(first + group + 1) * spaces]);
    // SAFETY: the caller vouches for the instructions of `L`.
    let mut sums = [unsafe { L::none() }; N];
    for (space, entries) in table.iter().enumerate().take(spaces) {
        for group in 0..N {
            // SAFETY: as above.
            sums[group] = unsafe { L::plus_entries(sums[group], &groups[group][space], entries) };
        }
    }
    for sums in sums {
        // SAFETY: as above.
        masks.push(unsafe { L::at_most(sums, limit) });
    }
}

impl Lookup for Scalar {
    type Sums = [u8; CODE_GROUP_ROWS];

    #[inline(always)]
    unsafe fn none() -> Self::Sums {
        [0; CODE_GROUP_ROWS]
    }

    #[inline(always)]
    unsafe fn plus_entries(mut sums: Self::Sums, codes: &SixtyFour, table: &[u8; CODEWORDS]) -> Self::Sums {
        for (sum, &code) in sums.iter_mut().zip(&codes.0) {
            *sum = sum.saturating_add(table[usize::from(code) % CODEWORDS]);
        }
        sums
    }

    #[inline(always)]
    unsafe fn at_most(sums: Self::Sums, limit: u8) -> u64 {
        sums.iter().enumerate().fold(0, |mask, (row, &sum)| mask | (u64::from(sum <= limit) << row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{Codebooks, DistanceTile, Lane};
    use proptest::prelude::*;

    /// Codes as they are stored, written from the description alone.
    fn stored(codes: &[Vec<u8>], spaces: usize) -> Vec<u8> {
        let mut bytes = vec![0; codes.len().div_ceil(CODE_BLOCK_ROWS) * spaces * 16];
        for (row, codes) in codes.iter().enumerate() {
            let (block, place) = (row / CODE_BLOCK_ROWS, row % CODE_BLOCK_ROWS);
            for (space, code) in codes.iter().enumerate() {
                bytes[(block * spaces + space) * 16 + place % 16] |= code << (place / 16 * 4);
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn every_lane_finds_the_rows_of_the_plain_sum(
            (spaces, codes, table) in (1usize..50, 0usize..330).prop_flat_map(|(spaces, rows)| (
                Just(spaces),
                prop::collection::vec(prop::collection::vec(0u8..16, spaces), rows),
                prop::collection::vec(prop::array::uniform16(prop_oneof![8 => 0u8..20, 1 => any::<u8>()]), spaces),
            )),
            limit: u8,
        ) {
            let mut packed = PackedCodes::default();
            packed.unpack(&[9; 4000], 3, 90);
            packed.unpack(&stored(&codes, spaces), spaces, codes.len());
            let sum = |codes: &Vec<u8>| codes.iter().zip(&table).map(|(&code, t)| u32::from(t[code as usize])).sum::<u32>();
            let expected: Vec<bool> = codes.iter().map(|codes| sum(codes).min(255) <= u32::from(limit)).collect();
            for lane in Lane::available() {
                let mut masks = vec![7; 3];
                lane.at_most(&packed, &table, limit, &mut masks);
                let bits: Vec<bool> = masks.iter().flat_map(|mask| (0..64).map(move |row| mask >> row & 1 == 1)).collect();
                prop_assert_eq!(&bits[..codes.len()], &expected[..], "{}", lane.name());
                prop_assert!(!bits[codes.len()..].contains(&true), "{}", lane.name());
            }
        }

        #[test]
        fn every_lane_makes_the_same_codes_and_tables(
            (width, columns, row) in (1usize..6, 1usize..40).prop_flat_map(|(width, dim)| {
                let value = prop_oneof![20 => -3f32..3.0, 1 => Just(1e30f32), 1 => Just(-3e38f32)];
                (Just(width), prop::collection::vec(prop::array::uniform16(value.clone()), dim), prop::collection::vec(value, dim))
            }),
            scale in prop_oneof![5 => 0.1f32..50.0, 1 => Just(0.0), 1 => Just(1e30)],
        ) {
            let books = Codebooks::new(width, columns);
            let (mut codes, mut table) = (vec![0; books.spaces()], Vec::new());
            Lane::SCALAR.encode(&books, &row, &mut codes);
            Lane::SCALAR.tabulate(&books, &row, scale, &mut table);
            for (space, entries) in table.iter().enumerate() {
                let columns = space * width..((space + 1) * width).min(row.len());
                let squared = |word: usize| columns.clone().map(|c| (row[c] - books.columns()[c][word]).powi(2)).sum::<f32>();
                let nearest = (0..16).min_by(|a, b| squared(*a).total_cmp(&squared(*b))).unwrap();
                prop_assert_eq!(usize::from(codes[space]), nearest);
                for (word, &entry) in entries.iter().enumerate() {
                    prop_assert_eq!(f32::from(entry), (squared(word) * scale).min(255.0).round_ties_even(), "{}", word);
                }
            }
            for lane in Lane::available() {
                let (mut same, mut tabulated) = (vec![0; books.spaces()], Vec::new());
                lane.encode(&books, &row, &mut same);
                lane.tabulate(&books, &row, scale, &mut tabulated);
                prop_assert!((&same, &tabulated) == (&codes, &table), "{}", lane.name());
            }
        }
    }
}
