//! One thread's share of a join by lists: its queries, their buffers, and the list at hand.

use super::lists::{ListJoin, SLICE_ROWS};
use super::rank::Ranking;
use super::visits::{Places, Visits};
use crate::distance::{
    BLOCK_ROWS, Candidate, DistanceTile, PackedReferences, QueryPanels, QueryRows, Resolve, Survivors, Visit,
};
use crate::error::Result;
use crate::index::{Io, IvfIndex, ListBuffer, ListView};
use crate::progress::Progress;

/// Buffers that serve slice after slice.
pub(super) struct Slice<'a> {
    search: &'a ListJoin<'a>,
    queries: QueryRows,
    panels: QueryPanels,
    survivors: Survivors,
    packed: PackedReferences,
    visits: Visits,
    places: Places,
    chosen: Vec<u32>,
    buffer: ListBuffer,
    decided: Decided,
}

/// The size of a search, as far as it decides what a thread takes.
#[derive(Debug, Clone, Copy)]
pub struct SliceSize {
    /// Neighbours sought.
    pub k: usize,
    /// Columns of a row.
    pub dim: u64,
    /// Lists probed.
    pub probes: u64,
    /// Lists of the index.
    pub nlist: u64,
    /// Rows of the index, and of its longest list.
    pub rows: u64,
    /// Rows of its longest list.
    pub longest: u64,
}

/// Bytes that one thread takes for its slices.
pub fn slice_bytes(size: SliceSize) -> u64 {
    let SliceSize { k, dim, probes, nlist, rows, longest } = size;
    let slice = SLICE_ROWS as u64;
    let queries = QueryRows::bytes(slice, dim) + QueryPanels::bytes(slice, dim) + Survivors::bytes(SLICE_ROWS, k + 1);
    let visits = Visits::bytes(SLICE_ROWS, probes as usize, nlist as usize) + slice * (probes * 4 + 8);
    let found = Survivors::slots(k + 1);
    let decided = found * (dim as usize * 4 + 32) + Ranking::bytes(found, k);
    let places = (rows / BLOCK_ROWS as u64 + nlist) * 8;
    queries + visits + places + decided as u64 + PackedReferences::bytes(longest, dim) + longest * (dim * 8 + 8)
}

impl<'a> Slice<'a> {
    pub(super) fn new(search: &'a ListJoin<'a>) -> Self {
        Self {
            search,
            queries: QueryRows::default(),
            panels: QueryPanels::default(),
            survivors: Survivors::default(),
            packed: PackedReferences::default(),
            visits: Visits::default(),
            places: Places::default(),
            chosen: Vec::new(),
            buffer: ListBuffer::default(),
            decided: Decided::default(),
        }
    }

    /// Finds the k nearest of each row where it looks; `own` has the id of each, where rows are references themselves.
    #[expect(clippy::too_many_arguments, reason = "a slice is its rows, its results and whose they are")]
    pub(super) fn join(
        &mut self,
        rows: &[f32],
        looks: Looks,
        own: Option<&[i64]>,
        k: usize,
        ids: &mut [i64],
        distances: &mut [f32],
        progress: &Progress,
    ) -> Result<()> {
        let Self { search, queries, panels, survivors, packed, visits, places, chosen, buffer, decided, .. } = self;
        let ListJoin { index, grid, tile, .. } = search;
        tile.fill(queries, rows, grid);
        places.clear();
        let stays = index.io() != Io::Pread;
        let mut results = Results { own, rows, queries, tile: *tile, k, ids, distances, decided };
        survivors.reset(queries.rows(), results.sought(), |query| results.limit(query));
        for nearest in [true, false] {
            match looks {
                Looks::In { lists, probes } => {
                    let ranks = if nearest { 0..1 } else { 1..probes };
                    visits.sort(lists, probes, ranks, index.nlist() as usize);
                }
                Looks::Everywhere { nearest: first } if nearest => visits.sort(first, 1, 0..1, index.nlist() as usize),
                Looks::Everywhere { nearest: first } => visits.everywhere_else(first, index.nlist()),
            }
            for &list in &visits.lists {
                progress.check()?;
                let view = index.list(list, buffer)?;
                if view.is_empty() {
                    continue;
                }
                let members = visits.members(list);
                let packed = search.packed(list, view.rows, packed);
                panels.gather(queries, members.iter().copied());
                chosen.clear();
                chosen.extend(0..panels.panels() as u32);
                let blocks = packed.blocks();
                let first_slot = if stays { places.begin(list, blocks, BLOCK_ROWS) } else { 0 };
                let visit = Visit { rows: queries, panels, chosen, first_block: 0, end_block: blocks, first_slot };
                let lists = if stays { Found::Among(index, places) } else { Found::In(view) };
                let mut decide = Decide { results: &mut results, lists };
                tile.top_k(packed, visit, survivors, &mut decide);
                if !stays {
                    for &query in members {
                        survivors.settle(query as usize, &mut decide);
                    }
                }
            }
        }
        if stays {
            let mut decide = Decide { results: &mut results, lists: Found::Among(index, places) };
            tile.finish(queries, survivors, &mut decide);
        }
        Ok(())
    }
}

/// Where the rows of a slice look.
#[derive(Debug, Clone, Copy)]
pub(super) enum Looks<'a> {
    /// In these lists, `probes` for each row, nearest first.
    In { lists: &'a [u32], probes: usize },
    /// In all lists, this one of each row first.
    Everywhere { nearest: &'a [u32] },
}

/// The neighbours of a slice, and what deciding them takes.
struct Results<'a> {
    own: Option<&'a [i64]>,
    rows: &'a [f32],
    queries: &'a QueryRows,
    tile: &'a dyn DistanceTile,
    k: usize,
    ids: &'a mut [i64],
    distances: &'a mut [f32],
    decided: &'a mut Decided,
}

impl Results<'_> {
    /// The limit of a query by what is known of it; nothing is above that of a query that is not finite.
    fn limit(&self, query: usize) -> i32 {
        if !self.queries.is_valid(query) {
            return i32::MAX;
        }
        let last = (query + 1) * self.k - 1;
        if self.ids[last] < 0 {
            return i32::MIN;
        }
        // Whatever rounds to the same f32 may be a tie.
        self.queries.limit(query, f64::from(self.distances[last].next_up()))
    }

    /// Neighbours that a query's buffer must be able to bound: in self-mapping, one of them may be the query itself.
    fn sought(&self) -> usize {
        self.k + usize::from(self.own.is_some())
    }
}

/// Scratch of a decision.
#[derive(Debug, Default)]
struct Decided {
    rows: Vec<f32>,
    ids: Vec<i64>,
    chosen: Vec<u32>,
    starts: Vec<usize>,
    squared: Vec<f64>,
    ranking: Ranking,
}

/// Where the rows of candidates are.
enum Found<'a> {
    /// All in the list at hand.
    In(ListView<'a>),
    /// In lists that stay in memory.
    Among(&'a IvfIndex, &'a Places),
}

struct Decide<'a, 'r> {
    results: &'a mut Results<'r>,
    lists: Found<'a>,
}

impl Resolve for Decide<'_, '_> {
    fn resolve(&mut self, query: usize, candidates: &mut Vec<Candidate>) -> i32 {
        let results = &mut *self.results;
        if candidates.is_empty() {
            return results.limit(query);
        }
        let dim = results.rows.len() / results.queries.rows();
        let row = &results.rows[query * dim..(query + 1) * dim];
        let own = results.own.map_or(-1, |own| own[query]);
        let Decided { rows, ids, chosen, starts, squared, ranking } = &mut *results.decided;
        ids.clear();
        chosen.clear();
        match &self.lists {
            Found::In(view) => {
                chosen.extend(candidates.iter().map(|candidate| candidate.slot));
                ids.extend(candidates.iter().map(|candidate| view.ids.get(candidate.slot as usize) as i64));
                results.tile.squared(row, view.rows, chosen, squared);
            }
            Found::Among(index, places) => {
                let at = candidates.iter().map(|candidate| places.find(candidate.slot, BLOCK_ROWS));
                ids.extend(at.clone().map(|(list, row)| index.visited_id(list, row) as i64));
                if let Some((numbers, _)) = index.numbers(0) {
                    let start = |list| index.numbers(list).map_or(0, |(_, start)| start);
                    starts.clear();
                    starts.extend(at.map(|(list, row)| start(list) + row * dim));
                    results.tile.squared_at(row, numbers, starts, squared);
                } else {
                    rows.resize(candidates.len() * dim, 0.0);
                    let copies = at.zip(rows.chunks_exact_mut(dim));
                    copies.for_each(|((list, row), values)| index.visited_row(list, row, values));
                    chosen.extend(0..candidates.len() as u32);
                    results.tile.squared(row, rows, chosen, squared);
                }
            }
        }
        let slots = query * results.k..(query + 1) * results.k;
        let found = ids.iter().copied().zip(squared.iter().copied());
        ranking.merge(&mut results.ids[slots.clone()], &mut results.distances[slots], own, found);
        results.limit(query)
    }
}
