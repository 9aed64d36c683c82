//! Lists that will be visited, told to the system before, so that it fetches them while others are joined.
//!
//! Nothing is read here and nothing is held: pages go to the page cache. Lists that stay in memory need none of it.

use std::ops::Range;

use super::ivf::IvfIndex;
use super::lists::Io;

/// Bytes that one visitor has fetched ahead: some tens of lists of 256 rows, enough for a disk to have several at hand.
const AHEAD_BYTES: u64 = 2 << 20;
/// Lists ahead at least, however long they are.
const FEWEST: u64 = 2;
/// Lists ahead at most: each call tells of half as many.
const MOST: u64 = 64;

/// What is told of one sweep over lists, in the order in which they are visited.
pub struct ReadAhead<'a> {
    index: &'a IvfIndex,
    lists: &'a [u32],
    told: Told,
}

impl<'a> ReadAhead<'a> {
    /// Before the first of `lists` is visited.
    pub fn new(index: &'a IvfIndex, lists: &'a [u32]) -> Self {
        let mean = (index.stored_bytes() / u64::from(index.nlist()).max(1)).max(1);
        let window = if index.io() == Io::Resident { 0 } else { (AHEAD_BYTES / mean).clamp(FEWEST, MOST) as usize };
        Self { index, lists, told: Told { window, end: 0 } }
    }

    /// Before the list at this place is visited.
    #[inline]
    pub fn visiting(&mut self, place: usize) {
        if let Some(next) = self.told.next(place, self.lists.len()) {
            self.index.will_read(&self.lists[next]);
        }
    }
}

/// How far the system was told.
struct Told {
    /// Lists to be ahead; 0 where nothing is fetched.
    window: usize,
    end: usize,
}

impl Told {
    /// The places to tell of when this one of `count` is visited: in halves, so that neighbours in the file are told of in one call.
    fn next(&mut self, place: usize, count: usize) -> Option<Range<usize>> {
        if self.window == 0 || self.end == count || self.end > place + self.window / 2 {
            return None;
        }
        let next = self.end..(place + self.window + 1).min(count);
        self.end = next.end;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_is_told_of_once_before_its_visit_and_not_too_early() {
        for (count, window) in [(0, 4), (1, 2), (5, 2), (100, 7), (64, 64), (1000, 3)] {
            let (mut told, mut told_of) = (Told { window, end: 0 }, Vec::new());
            for place in 0..count {
                told_of.extend(told.next(place, count).into_iter().flatten());
                assert!(told_of.len() > place && told_of.len() <= place + window + 1, "{count} {window} {place}");
            }
            assert_eq!(told_of, (0..count).collect::<Vec<_>>(), "{count} {window}");
        }
        assert_eq!((0..9).find_map(|place| Told { window: 0, end: 0 }.next(place, 9)), None);
    }
}
