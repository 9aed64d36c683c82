//! The lists that a piece of queries looks in, one after another, handed out to devices with the queries that look there.

use std::sync::Arc;

use super::held::{Held, Shelf};
use crate::error::Result;
use crate::index::IvfIndex;
use crate::join::slice::NEAR_RANKS;
use crate::join::visits::Visits;

/// A list, and queries that look in it, by their places in the piece.
pub(super) struct Visit {
    pub(super) held: Arc<Held>,
    pub(super) members: Vec<u32>,
    /// Whether there is enough to compare for a device.
    pub(super) is_worth_it: bool,
}

/// What is left of a list: queries from this one on, which no device was asked for.
struct Rest {
    held: Arc<Held>,
    members: Vec<u32>,
    from: usize,
    is_worth_it: bool,
}

/// The lists, in three rounds over them.
pub(super) struct Rounds<'a> {
    index: &'a IvfIndex,
    /// So many for each query, nearest first.
    lists: &'a [u32],
    probes: usize,
    fewest_pairs: usize,
    batch_queries: usize,
    round: usize,
    visits: Visits,
    /// The next of the lists of this round.
    place: usize,
    shelf: Shelf,
    /// What is left of the list of each device.
    rests: Vec<Option<Rest>>,
}

/// The ranks of each round.
const ROUNDS: [std::ops::Range<usize>; 3] = [0..1, 1..NEAR_RANKS, NEAR_RANKS..usize::MAX];

impl<'a> Rounds<'a> {
    pub(super) fn new(
        index: &'a IvfIndex,
        (lists, probes): (&'a [u32], usize),
        (fewest_pairs, batch_queries): (usize, usize),
    ) -> Self {
        let (visits, shelf) = (Visits::default(), Shelf::default());
        let (round, place, rests) = (0, 0, Vec::new());
        Self { index, lists, probes, fewest_pairs, batch_queries, round, visits, place, shelf, rests }
    }

    /// The next visit for a device: of the list that it has, else of the next one, else of what another device has left.
    pub(super) fn next(&mut self, desk: usize) -> Result<Option<Visit>> {
        if self.rests.len() <= desk {
            self.rests.resize_with(desk + 1, || None);
        }
        if self.rests[desk].is_none() {
            self.rests[desk] = match self.next_list()? {
                None => self.rests.iter_mut().find_map(Option::take),
                next => next,
            };
        }
        let Some(Rest { held, members, from, is_worth_it }) = self.rests[desk].take() else { return Ok(None) };
        let end = if is_worth_it { (from + self.batch_queries).min(members.len()) } else { members.len() };
        let some = members[from..end].to_vec();
        if end < members.len() {
            self.rests[desk] = Some(Rest { held: Arc::clone(&held), members, from: end, is_worth_it });
        }
        Ok(Some(Visit { held, members: some, is_worth_it }))
    }

    /// The next list that has rows, with all queries that look in it.
    fn next_list(&mut self) -> Result<Option<Rest>> {
        loop {
            let Some(&list) = self.visits.lists.get(self.place) else {
                let Some(ranks) = ROUNDS.get(self.round) else { return Ok(None) };
                self.round += 1;
                self.place = 0;
                let ranks = ranks.start.min(self.probes)..ranks.end.min(self.probes);
                self.visits.sort(self.lists, self.probes, ranks, self.index.nlist() as usize);
                continue;
            };
            self.place += 1;
            if let Some(held) = self.shelf.read(self.index, list)? {
                let members = self.visits.members(list).to_vec();
                let is_worth_it = members.len() * self.index.list_rows(list) as usize >= self.fewest_pairs;
                return Ok(Some(Rest { held, members, from: 0, is_worth_it }));
            }
        }
    }
}
