//! One step down the levels: from the centroids that a row chose on one level to the nearest of their children.
//!
//! Rows meet the children of one centroid after the other, those of their own nearest centroid first, which bounds what is still to be
//! found. What is nearest is decided by the integers of the tile, ties to the lower number.

use super::kmeans::Groups;
use super::nearest::{Askers, Targets};
use crate::distance::{Candidate, DistanceTile, QueryRows, Resolve, Survivors};

/// So many times as many centroids as are chosen make sorting what is chosen cheaper than counting by centroid.
const SPARSE: usize = 8;

/// The children of each centroid of a level, and the number of the first of them.
pub(super) type Children = [(u32, Targets)];

/// What rows have chosen on one level.
#[derive(Clone, Copy)]
pub(super) struct Chosen<'a> {
    /// Centroids: so many places for each row, the nearest first, `u32::MAX` where there are fewer.
    pub(super) centroids: &'a [u32],
    pub(super) places: usize,
}

/// Buffers of one thread.
#[derive(Default)]
pub(super) struct Descent {
    survivors: Survivors,
    members: Vec<u32>,
    sought: Vec<u32>,
    pairs: Vec<u64>,
    keys: Vec<u64>,
    /// The values of what was found last.
    pub(super) values: Vec<i32>,
}

impl Descent {
    /// The `count` nearest children of what each row has chosen, nearest first: as many places for each row of `nearest`, which are
    /// `u32::MAX` before and stay so behind the last child.
    pub(super) fn step(
        &mut self,
        children: &Children,
        chosen: Chosen,
        count: usize,
        askers: &mut Askers,
        tile: &dyn DistanceTile,
        nearest: &mut [u32],
    ) {
        let Self { survivors, members, sought, pairs, keys, values } = self;
        let Chosen { centroids, places } = chosen;
        let is_sparse = centroids.len() * SPARSE < children.len();
        let mut asking = Asking::begin(askers, survivors, Keep::new(count, values, nearest, keys), tile);
        for own in [true, false] {
            let is_now = |at: usize| at.is_multiple_of(places) == own;
            if is_sparse {
                pairs.clear();
                let met = centroids.iter().enumerate().filter(|&(at, &centroid)| is_now(at) && centroid != u32::MAX);
                pairs.extend(met.map(|(at, &centroid)| u64::from(centroid) << 32 | (at / places) as u64));
                pairs.sort_unstable();
                for alike in pairs.chunk_by(|a, b| a >> 32 == b >> 32) {
                    let (first, targets) = &children[(alike[0] >> 32) as usize];
                    members.clear();
                    members.extend(alike.iter().map(|&pair| pair as u32));
                    asking.meet(*first, targets, members);
                }
                continue;
            }
            sought.clear();
            sought.extend(
                centroids.iter().enumerate().map(|(at, &centroid)| if is_now(at) { centroid } else { u32::MAX }),
            );
            let groups = Groups::new(sought, children.len());
            for (centroid, (first, targets)) in children.iter().enumerate() {
                members.clear();
                members.extend(groups.members(centroid).iter().map(|&at| at / places as u32));
                if !members.is_empty() {
                    asking.meet(*first, targets, members);
                }
            }
        }
        asking.end();
    }
}

/// One thread's rows while they ask for the nearest of all targets that they meet.
struct Asking<'a> {
    askers: &'a mut Askers,
    survivors: &'a mut Survivors,
    keep: Keep<'a>,
    tile: &'a dyn DistanceTile,
}

impl<'a> Asking<'a> {
    fn begin(askers: &'a mut Askers, survivors: &'a mut Survivors, keep: Keep<'a>, tile: &'a dyn DistanceTile) -> Self {
        survivors.reset(askers.len(), keep.count, |row| if askers.is_valid(row) { i32::MIN } else { i32::MAX });
        Self { askers, survivors, keep, tile }
    }

    /// Shows some rows some targets, numbered from `first`.
    fn meet(&mut self, first: u32, targets: &Targets, members: &[u32]) {
        self.askers.top(members, first, targets, self.tile, self.survivors, &mut self.keep);
    }

    fn end(mut self) {
        self.askers.finish(self.tile, self.survivors, &mut self.keep);
    }
}

/// Keeps the best by value, the lowest on ties.
struct Keep<'a> {
    count: usize,
    values: &'a mut [i32],
    nearest: &'a mut [u32],
    keys: &'a mut Vec<u64>,
}

impl<'a> Keep<'a> {
    fn new(count: usize, values: &'a mut Vec<i32>, nearest: &'a mut [u32], keys: &'a mut Vec<u64>) -> Self {
        values.clear();
        values.resize(nearest.len(), i32::MIN);
        Self { count, values, nearest, keys }
    }
}

impl Resolve for Keep<'_> {
    /// The values themselves are compared, so nothing below the k-th is kept.
    fn limit(&self, _: usize, kth: i32, _: &QueryRows) -> i32 {
        kth.saturating_sub(1)
    }

    fn resolve(&mut self, row: usize, candidates: &mut Vec<Candidate>) -> i32 {
        let range = row * self.count..(row + 1) * self.count;
        let (values, nearest) = (&mut self.values[range.clone()], &mut self.nearest[range]);
        // What is loose could not even be moved onto the grid.
        self.keys.clear();
        let known = values.iter().zip(&*nearest).filter(|(_, place)| **place != u32::MAX);
        self.keys.extend(known.map(|(&value, &place)| key(value, place)));
        let found = candidates.iter().map(|found| if found.value == i32::MAX { i32::MIN } else { found.value });
        self.keys.extend(found.zip(&*candidates).map(|(value, found)| key(value, found.slot)));
        self.keys.sort_unstable();
        for ((value, place), &key) in values.iter_mut().zip(nearest).zip(self.keys.iter()) {
            (*value, *place) = keyed(key);
        }
        if self.keys.len() < self.count { i32::MIN } else { values[self.count - 1].saturating_sub(1) }
    }
}

/// Ascending keys are descending values, then ascending places.
#[inline]
pub(super) fn key(value: i32, place: u32) -> u64 {
    u64::from(!(value as u32 ^ (1 << 31))) << 32 | u64::from(place)
}

/// Value and place of a key.
#[inline]
pub(super) fn keyed(key: u64) -> (i32, u32) {
    (!((key >> 32) as u32) as i32 ^ i32::MIN, key as u32)
}

#[cfg(test)]
mod tests {
    use super::super::nearest::Frame;
    use super::*;
    use crate::distance::Lane;

    #[test]
    fn few_rows_find_among_many_centroids_what_they_find_among_others() {
        // A centroid has two children, on either side of it.
        let frame = Frame::new(&[0.0], 600.0);
        for lane in Lane::available() {
            let children: Vec<(u32, Targets)> = (0u16..500)
                .map(|i| (u32::from(i) * 2, Targets::new(&[f32::from(i) - 0.25, f32::from(i) + 0.25], &frame, &lane)))
                .collect();
            let rows: Vec<f32> = (0u16..300).map(|i| f32::from(i) * 1.5 + 0.1).collect();
            let chosen = |row: f32| [row.round() as u32, (row + 1.0).round() as u32, u32::MAX];
            let found = |rows: &[f32]| {
                let mut askers = Askers::default();
                askers.fill(rows, &frame, &lane);
                let centroids: Vec<u32> = rows.iter().flat_map(|&row| chosen(row)).collect();
                let mut nearest = vec![u32::MAX; rows.len() * 3];
                let chosen = Chosen { centroids: &centroids, places: 3 };
                Descent::default().step(&children, chosen, 3, &mut askers, &lane, &mut nearest);
                nearest
            };
            let together = found(&rows);
            assert!(rows.chunks(7).flat_map(found).eq(together.iter().copied()), "{}", lane.name());
            assert_eq!(together[..3], [1, 0, 2]);
        }
    }
}
