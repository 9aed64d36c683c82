//! Queries that lie side by side, with the rows of all lists that any of them looks in: what a device is asked for at a time.
//!
//! A device finds neighbours among many rows nearly as soon as among few, and what it finds is decided once for each query instead of once for each
//! list. Of what it finds among lists that a query does not look in, nothing counts.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::Result;
use crate::index::{IvfIndex, ListBuffer};

/// Queries of a group at most. With fewer, calls take more time than what they compute; with more, each is compared with more lists in which it does not look.
pub(super) const MOST_QUERIES: usize = 1 << 13;

/// Queries, by their places in a piece, and the lists that they look in.
pub(super) struct Group {
    pub(super) places: Range<usize>,
    /// None where there is too little to compare for a device, or more than there is room for.
    pub(super) rows: Option<Rows>,
}

/// The rows of some lists, one after another.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) values: Vec<f32>,
    pub(super) ids: Vec<i64>,
    /// The list of each row.
    pub(super) lists: Vec<u32>,
}

/// How large a group may be, and how small for a device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) rows: usize,
    pub(super) queries: usize,
    pub(super) fewest_pairs: usize,
}

/// The queries of a piece, cut into groups one after another.
pub(super) struct Groups<'a> {
    index: &'a IvfIndex,
    /// So many for each query.
    lists: &'a [u32],
    probes: usize,
    extent: Extent,
    /// The next query.
    place: usize,
    /// The number of the last group that has the list; 0 where none has.
    seen: Vec<u64>,
    number: u64,
    /// Rows that nobody needs any more.
    spare: &'a Spare,
}

/// Room for rows that is used again.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<Rows>>);

impl Spare {
    fn take(&self) -> Rows {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes rows back.
    pub(super) fn put(&self, rows: Rows) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(rows);
    }
}

impl<'a> Groups<'a> {
    /// Groups of queries, each of which looks in so many lists at most (`u32::MAX` for none), in the order in which they are.
    pub(super) fn new(
        index: &'a IvfIndex,
        (lists, probes): (&'a [u32], usize),
        extent: Extent,
        spare: &'a Spare,
    ) -> Self {
        let seen = vec![0; index.nlist() as usize];
        Self { index, lists, probes, extent, place: 0, seen, number: 0, spare }
    }

    /// The next group.
    pub(super) fn next(&mut self) -> Result<Option<Group>> {
        let queries = self.lists.len() / self.probes;
        if self.place == queries {
            return Ok(None);
        }
        self.number += 1;
        let (first, mut chosen, mut rows) = (self.place, Vec::new(), 0);
        let end = queries.min(first + self.extent.queries);
        while self.place < end {
            let (before, rows_before) = (chosen.len(), rows);
            for &list in &self.lists[self.place * self.probes..(self.place + 1) * self.probes] {
                if list != u32::MAX && self.seen[list as usize] != self.number {
                    self.seen[list as usize] = self.number;
                    rows += self.index.list_rows(list) as usize;
                    chosen.push(list);
                }
            }
            if rows > self.extent.rows {
                chosen.truncate(before);
                rows = rows_before;
                // One that does not fit with the others begins the next group; one that does not fit alone is a group.
                if self.place == first {
                    self.place += 1;
                    chosen.clear();
                    rows = 0;
                }
                break;
            }
            self.place += 1;
        }
        let places = first..self.place;
        let is_worth_it = rows > 0 && rows * places.len() >= self.extent.fewest_pairs;
        chosen.sort_unstable();
        let rows = if is_worth_it { Some(self.read(&chosen, rows)?) } else { None };
        Ok(Some(Group { places, rows }))
    }

    /// Reads lists.
    fn read(&self, lists: &[u32], count: usize) -> Result<Rows> {
        let dim = self.index.dim();
        let mut rows = self.spare.take();
        rows.values.resize(count * dim, 0.0);
        rows.ids.resize(count, -1);
        rows.lists.resize(count, u32::MAX);
        let (mut values, mut ids, mut of) = (&mut *rows.values, &mut *rows.ids, &mut *rows.lists);
        let parts = lists.iter().map(|&list| {
            let count = self.index.list_rows(list) as usize;
            (
                list,
                values.split_off_mut(..count * dim).unwrap_or_default(),
                ids.split_off_mut(..count).unwrap_or_default(),
                of.split_off_mut(..count).unwrap_or_default(),
            )
        });
        let parts: Vec<_> = parts.collect();
        parts.into_par_iter().try_for_each_init(ListBuffer::default, |buffer, (list, values, ids, of)| {
            let view = self.index.list(list, buffer)?;
            values.copy_from_slice(view.rows);
            ids.iter_mut().enumerate().for_each(|(row, id)| *id = view.ids.get(row) as i64);
            of.fill(list);
            Ok::<_, crate::error::Error>(())
        })?;
        Ok(rows)
    }
}
