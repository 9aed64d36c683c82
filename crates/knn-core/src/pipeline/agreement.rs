//! What an approximate search does to labels: the query cells that told the recall vote with their true neighbours as well, under the run's
//! own weights, and their labels are compared with those that are stored.
//!
//! Weights need the bandwidth, which is known after the join. So the join's first journal record keeps the cells and the true neighbours
//! that they miss, and transfer, which passes every row, completes what it reads there and votes a second time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::join::Missed;
use crate::source::Categories;
use crate::types::{NeighborBlock, RowRange};

/// Neighbours that are held out at most: where k is large, fewer cells are compared.
const MOST_NEIGHBORS: usize = 1 << 16;
/// Categories that are listed.
const LISTED: usize = 30;
/// Bytes that a missed neighbour takes: as numbers, and as the text and the values of a journal record.
const MISSED_BYTES: u64 = 128;

/// Whether labels are those of an exact search, of one label column: over a held-out sample of this run's own query cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LabelAgreement {
    /// Cells of the sample.
    #[cfg_attr(test, ts(type = "number"))]
    pub cells: u64,
    /// How many of them have the label that their true neighbours give them.
    #[cfg_attr(test, ts(type = "number"))]
    pub agreeing: u64,
    /// Their share, 0 to 1; 1 where there is no cell.
    pub agreement: f64,
    /// By the label that true neighbours give, the category that keeps the smallest share of its cells first; at most 30.
    pub categories: Vec<CategoryAgreement>,
    /// Categories of the sample that are not listed: all keep as many or more.
    #[cfg_attr(test, ts(type = "number"))]
    pub left_out: u64,
}

/// One category of a [`LabelAgreement`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CategoryAgreement {
    /// The label.
    pub category: String,
    /// Cells of the sample that have it by their true neighbours.
    #[cfg_attr(test, ts(type = "number"))]
    pub cells: u64,
    /// The share of them that keeps it, 0 to 1.
    pub kept: f64,
}

/// Query cells, and the true neighbours that the search misses for them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct HeldOut {
    /// Rows of the query, ascending.
    rows: Vec<u64>,
    /// Where the missed neighbours of each row end.
    ends: Vec<usize>,
    ids: Vec<i64>,
    /// Bits of f32: text must not round them.
    distances: Vec<u32>,
}

impl HeldOut {
    /// Of the queries at `numbers`, those that `missed` tells of, as many as there is room for with `k` neighbours each.
    pub(super) fn new(numbers: &[u64], mut missed: Vec<Missed>, k: usize) -> Self {
        missed.sort_unstable_by_key(|missed| numbers[missed.query]);
        let most = (MOST_NEIGHBORS / k.max(1)).max(1);
        let every = missed.len().div_ceil(most).max(1);
        let mut held = Self::default();
        // Not the first ones: rows that lie side by side in a store are often alike.
        for Missed { query, neighbors, .. } in missed.into_iter().step_by(every) {
            held.rows.push(numbers[query]);
            held.ids.extend(neighbors.iter().map(|(id, _)| id));
            held.distances.extend(neighbors.iter().map(|(_, distance)| distance.to_bits()));
            held.ends.push(held.ids.len());
        }
        held
    }

    /// Bytes of those of `queries` queries with `k` neighbours, if all are missed.
    pub(super) fn bytes(queries: u64, k: u64) -> u64 {
        (queries * k).min((MOST_NEIGHBORS as u64).max(k)) * MISSED_BYTES
    }

    /// The places here of the cells within `rows`.
    pub(super) fn among(&self, rows: RowRange) -> std::ops::Range<usize> {
        let place = |row| self.rows.partition_point(|held| *held < row);
        place(rows.start)..place(rows.end)
    }

    /// Row of the query at a place.
    pub(super) fn row(&self, place: usize) -> u64 {
        self.rows[place]
    }

    /// The true neighbours at a place, from those `found`: the best of both, ascending by (f32 distance, id). Whatever is nearer than the
    /// last of them is known, because it was found or missed.
    pub(super) fn truth(&self, place: usize, (ids, distances): (&[i64], &[f32]), truth: &mut NeighborBlock) {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        let missed = start..self.ends[place];
        let missed = self.ids[missed.clone()].iter().zip(&self.distances[missed]);
        let found = ids.iter().copied().zip(distances.iter().copied());
        let mut all: Vec<_> = found.chain(missed.map(|(&id, &bits)| (id, f32::from_bits(bits)))).collect();
        all.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let k = truth.k;
        truth.first_row = self.rows[place];
        truth.ids.clear();
        truth.ids.extend(all.iter().take(k).map(|(id, _)| id));
        truth.ids.resize(k, -1);
        truth.distances.clear();
        truth.distances.extend(all.iter().take(k).map(|(_, distance)| distance));
        truth.distances.resize(k, f32::NAN);
    }
}

/// Cells of one label column by the code that true neighbours give: how many they are, and how many have it stored as well. −1 is no label.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept(BTreeMap<i32, [u64; 2]>);

impl Kept {
    pub(super) fn count(&mut self, truth: i32, stored: i32) {
        let [cells, kept] = self.0.entry(truth).or_default();
        *cells += 1;
        *kept += u64::from(truth == stored);
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (code, [cells, kept]) in &other.0 {
            let all = self.0.entry(*code).or_default();
            *all = [all[0] + cells, all[1] + kept];
        }
    }

    pub(super) fn report(&self, categories: &Categories) -> LabelAgreement {
        let [cells, agreeing] = self.0.values().fold([0, 0], |[cells, kept], both| [cells + both[0], kept + both[1]]);
        let share = |cells: u64, kept: u64| if cells == 0 { 1.0 } else { kept as f64 / cells as f64 };
        let mut labels: Vec<_> = self.0.iter().filter(|(code, _)| **code >= 0).collect();
        // Of equal shares that of more cells says more.
        labels.sort_by(|(_, a), (_, b)| share(a[0], a[1]).total_cmp(&share(b[0], b[1])).then(b[0].cmp(&a[0])));
        let left_out = labels.len().saturating_sub(LISTED) as u64;
        let listed = labels.into_iter().take(LISTED).map(|(code, [cells, kept])| CategoryAgreement {
            category: categories.label(*code as usize),
            cells: *cells,
            kept: share(*cells, *kept),
        });
        LabelAgreement { cells, agreeing, agreement: share(cells, agreeing), categories: listed.collect(), left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(query: usize, neighbors: &[(i64, f32)]) -> Missed {
        Missed { query, of: 3, neighbors: neighbors.to_vec() }
    }

    #[test]
    fn what_was_missed_completes_what_was_found() {
        let held = HeldOut::new(&[70, 20, 50], vec![missed(0, &[(9, 1.0)]), missed(1, &[(4, 2.0), (2, 2.0)])], 3);
        assert_eq!((held.among(RowRange::new(0, 70)), held.among(RowRange::new(21, 100))), (0..1, 1..2));
        let text = serde_json::to_string(&held).unwrap();
        let held: HeldOut = serde_json::from_str(&text).unwrap();
        let mut truth = NeighborBlock { k: 3, ..NeighborBlock::default() };
        held.truth(0, (&[3, 1], &[2.0, 5.0]), &mut truth);
        assert_eq!(
            (truth.first_row, truth.ids.as_slice(), truth.distances.as_slice()),
            (20, &[2, 3, 4][..], &[2.0; 3][..])
        );
        held.truth(1, (&[], &[]), &mut truth);
        assert_eq!((truth.first_row, truth.row(0)), (70, (&[9][..], &[1.0][..])));
    }

    #[test]
    fn cells_are_held_out_as_far_as_there_is_room() {
        let many: Vec<_> = (0..100).map(|query| missed(query, &[])).collect();
        let numbers: Vec<u64> = (0..100).collect();
        assert_eq!(
            HeldOut::new(&numbers, many.clone(), 4096).rows,
            [0, 7, 14, 21, 28, 35, 42, 49, 56, 63, 70, 77, 84, 91, 98]
        );
        assert_eq!(HeldOut::new(&numbers, many, 1 << 20).rows, [0]);
    }

    #[test]
    fn the_worst_category_comes_first_and_few_are_listed() {
        let mut kept = Kept::default();
        for code in 0..40 {
            (0..=code).for_each(|_| kept.count(code, code));
        }
        kept.count(7, 3);
        kept.count(-1, 2);
        let mut twice = kept.clone();
        twice.add(&serde_json::from_value(serde_json::to_value(&kept).unwrap()).unwrap());
        let names = (0..40).map(|code| format!("type {code}")).collect();
        let report = twice.report(&Categories::Strings(names));
        assert_eq!((report.cells, report.agreeing), (1644, 1640));
        assert_eq!(report.agreement, 1640.0 / 1644.0);
        assert_eq!((report.categories.len(), report.left_out), (30, 10));
        assert_eq!(report.categories[0], CategoryAgreement { category: "type 7".into(), cells: 18, kept: 16.0 / 18.0 });
        assert_eq!(report.categories[1], CategoryAgreement { category: "type 39".into(), cells: 80, kept: 1.0 });
        assert_eq!(Kept::default().report(&Categories::Strings(Vec::new())).agreement, 1.0);
    }
}
