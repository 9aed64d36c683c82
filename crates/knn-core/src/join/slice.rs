//! One thread's share of a join by lists: its queries, their buffers, and the list at hand.

use super::codes::CodeScan;
use super::lists::{ListJoin, SLICE_ROUTES, SLICE_ROWS};
use super::rank::Ranking;
use super::results::Results;
use super::visits::{Places, Visits};
use crate::distance::{
    BLOCK_ROWS, Candidate, DistanceTile, PackedReferences, QueryPanels, QueryRows, Resolve, Survivors, Visit,
};
use crate::error::Result;
use crate::index::{Io, IvfIndex, ListBuffer, ListType, ListView, ReadAhead};
use crate::progress::Progress;

/// Lists of a query that are visited before the others, its nearest apart.
pub(super) const NEAR_RANKS: usize = 4;

/// Fewer queries of a slice than this are compared with the rows of a list as they are, where it would be packed for them alone.
///
/// Measured with 1 million rows of LID 20 among themselves in 256 MiB (`neighbors --recall 0.95 --memory 256MiB`, 2 threads, 4 096 lists of 244
/// rows, seconds of both threads): of 1.05 million visits 16 % are for one or two queries and 52 % for up to eight. Packing for each took 19.6, for
/// three and more 14.3 beside 1.4 without packing, for nine and more 8.4 beside 11.8: packing a list costs about as much as three queries do.
/// The join did 55 000, 69 000 and 63 000 rows a second.
const FEWEST_PACKED: usize = 3;

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
    scan: CodeScan,
}

/// The size of a search, as far as it decides what a thread takes.
#[derive(Debug, Clone, Copy)]
pub struct SliceSize {
    /// Queries that there are.
    pub queries: u64,
    /// Neighbours sought.
    pub k: usize,
    /// Columns of a row.
    pub dim: u64,
    /// Lists of the index.
    pub nlist: u64,
    /// Rows of the index.
    pub rows: u64,
    /// Rows of its longest list.
    pub longest: u64,
    /// Codes of a row; 0 in an index without.
    pub codes: u64,
}

/// Bytes that one thread takes for its slices, however many lists are probed.
pub fn slice_bytes(size: SliceSize) -> u64 {
    let SliceSize { queries, k, dim, nlist, rows, longest, codes } = size;
    let slice = queries.min(SLICE_ROWS as u64);
    let routes = slice.saturating_mul(nlist).min(SLICE_ROUTES as u64);
    let buffers = QueryRows::bytes(slice, dim) + QueryPanels::bytes(slice);
    let buffers = buffers + Survivors::bytes(slice as usize, k + 1) + slice * (dim * 4 + 8);
    let visits = Visits::bytes(routes, nlist) + routes * 4;
    let found = Survivors::slots(k + 1);
    let decided = found * (dim as usize * 4 + 28) + Ranking::bytes(found, k);
    let compared = longest * 16 + Ranking::bytes(longest as usize, 0) as u64;
    let places = (rows / BLOCK_ROWS as u64 + nlist) * 8;
    let scan = if codes == 0 { 0 } else { CodeScan::bytes(slice, longest, dim, codes, k) };
    buffers
        + visits
        + scan
        + places
        + compared
        + decided as u64
        + PackedReferences::bytes(longest, dim)
        + longest * (dim * 8 + 8)
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
            scan: CodeScan::default(),
        }
    }

    /// Finds the k nearest of each query where it looks.
    pub(super) fn join(&mut self, results: &mut Results, looks: Looks, progress: &Progress) -> Result<()> {
        let Self { search, queries, panels, survivors, packed, visits, places, chosen, buffer, decided, scan } = self;
        let ListJoin { index, grid, tile, coded, .. } = search;
        tile.fill(queries, results.rows, grid);
        places.clear();
        // Rows that only codes tell are there as long as a visit.
        let stays = index.io() != Io::Pread && index.manifest().dtype != ListType::None;
        let by_codes = coded.as_ref().filter(|_| matches!(looks, Looks::In { .. }));
        survivors.reset(queries.rows(), results.sought(), |query| results.limit(query, queries));
        survivors.barring(results.barred.has_batches());
        // The nearest lists first: what they hold bounds what is kept of the others.
        for sweep in [0..1, 1..NEAR_RANKS, NEAR_RANKS..usize::MAX] {
            match looks {
                Looks::In { lists, probes } => {
                    let ranks = sweep.start.min(probes)..sweep.end.min(probes);
                    visits.sort(lists, probes, ranks, index.nlist() as usize);
                }
                Looks::Everywhere { nearest } if sweep.start == 0 => {
                    visits.sort(nearest, 1, 0..1, index.nlist() as usize);
                }
                Looks::Everywhere { nearest } if sweep.start == 1 => visits.everywhere_else(nearest, index.nlist()),
                Looks::Everywhere { .. } => break,
            }
            // What is nearest is decided without codes, because only then it is known what is near enough.
            let by_codes = by_codes.filter(|_| sweep.start == NEAR_RANKS);
            if by_codes.is_some() {
                if stays {
                    let lists = Found::Among(index, places);
                    tile.finish(queries, survivors, &mut Decide { results, queries, tile: *tile, lists, decided });
                }
                scan.begin(results);
            } else if sweep.start != 0 && stays {
                let mut decide = Decide { results, queries, tile: *tile, lists: Found::Among(index, places), decided };
                tile.tighten(queries, survivors, &mut decide);
            }
            let mut ahead = ReadAhead::new(index, &visits.lists);
            for (place, &list) in visits.lists.iter().enumerate() {
                progress.check()?;
                ahead.visiting(place);
                let apart = by_codes.is_some() && index.is_apart(list);
                let mut view = if apart { index.list_apart(list, buffer)? } else { index.list(list, buffer)? };
                if view.is_empty() {
                    continue;
                }
                let mut members = visits.members(list);
                if let Some(coded) = by_codes {
                    members = scan.visit(coded, (list, view), members, results, *tile);
                    if members.is_empty() {
                        continue;
                    }
                    if apart {
                        // They need all of it, which is an error where it is not there.
                        view = index.list(list, buffer)?;
                    }
                }
                if members.len() < FEWEST_PACKED && !search.keeps_packed() {
                    for query in members.iter().map(|&query| query as usize).filter(|&query| queries.is_valid(query)) {
                        let limit = survivors.limit(query);
                        decided.compare(query, limit, view, results, queries, *tile);
                        survivors.raise(query, results.limit(query, queries));
                    }
                    continue;
                }
                let packed = search.packed(list, view.rows, packed);
                panels.gather(queries, members.iter().copied());
                chosen.clear();
                chosen.extend(0..panels.panels() as u32);
                let blocks = packed.blocks();
                if stays && !places.have_room(blocks, BLOCK_ROWS) {
                    let lists = Found::Among(index, places);
                    tile.finish(queries, survivors, &mut Decide { results, queries, tile: *tile, lists, decided });
                    places.clear();
                }
                let first_slot = if stays { places.begin(list, blocks, BLOCK_ROWS) } else { 0 };
                let visit = Visit { rows: queries, panels, chosen, first_block: 0, end_block: blocks, first_slot };
                let lists = if stays { Found::Among(index, places) } else { Found::In(view) };
                let mut decide = Decide { results, queries, tile: *tile, lists, decided };
                tile.top_k(packed, visit, survivors, &mut decide);
                if !stays {
                    for &query in members {
                        survivors.settle(query as usize, &mut decide);
                    }
                }
            }
        }
        scan.end(results, queries.metric());
        if stays {
            let lists = Found::Among(index, places);
            let mut decide = Decide { results, queries, tile: *tile, lists, decided };
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

/// Scratch of a decision.
#[derive(Debug, Default)]
struct Decided {
    widened: Vec<f32>,
    ids: Vec<i64>,
    starts: Vec<usize>,
    exact: Vec<f64>,
    ranking: Ranking,
}

impl Decided {
    /// Compares a query, all of whose coordinates are finite, with every row of a list. What its limit rules out is left out: no row above the limit
    /// is farther than that.
    fn compare(
        &mut self,
        query: usize,
        limit: i32,
        view: ListView,
        results: &mut Results,
        queries: &QueryRows,
        tile: &dyn DistanceTile,
    ) {
        let (dim, metric) = (results.dim, queries.metric());
        self.starts.clear();
        self.starts.extend((0..view.ids.len()).map(|row| row * dim));
        tile.exact(metric, results.row(query), view.rows, &self.starts, &mut self.exact);
        let farthest = if limit == i32::MIN { f64::INFINITY } else { queries.farthest(query, limit) };
        // Exact values are squared, but for products.
        let most = if metric.is_product() { farthest } else { farthest * farthest * (1.0 + 1e-12) };
        let found = self.exact.iter().enumerate().filter(|(_, exact)| exact.is_finite() && **exact <= most);
        let found = found.map(|(row, &exact)| (view.ids.get(row) as i64, exact));
        results.merge(query, metric, found, &mut self.ranking);
    }
}

/// Where the rows of candidates are.
enum Found<'a> {
    /// All in the list at hand.
    In(ListView<'a>),
    /// In lists that stay in memory.
    Among(&'a IvfIndex, &'a Places),
}

/// Exact distances for the queries of a slice.
struct Decide<'a, 'r> {
    results: &'a mut Results<'r>,
    queries: &'a QueryRows,
    tile: &'a dyn DistanceTile,
    lists: Found<'a>,
    decided: &'a mut Decided,
}

impl Resolve for Decide<'_, '_> {
    fn bars(&self, query: usize, slot: u32) -> bool {
        let id = match &self.lists {
            Found::In(view) => view.ids.get(slot as usize),
            Found::Among(index, places) => {
                let (list, row) = places.find(slot, BLOCK_ROWS);
                index.visited_id(list, row)
            }
        };
        self.results.barred.bars(query, id as i64)
    }

    fn resolve(&mut self, query: usize, candidates: &mut Vec<Candidate>) -> i32 {
        let Self { results, queries, tile, lists, decided } = self;
        if !candidates.is_empty() {
            let Decided { widened, ids, starts, exact, ranking } = &mut **decided;
            let dim = results.dim;
            ids.clear();
            starts.clear();
            let numbers = match lists {
                Found::In(view) => {
                    let rows = candidates.iter().map(|candidate| candidate.slot as usize);
                    ids.extend(rows.clone().map(|row| view.ids.get(row) as i64));
                    starts.extend(rows.map(|row| row * dim));
                    view.rows
                }
                Found::Among(index, places) => {
                    let at = candidates.iter().map(|candidate| places.find(candidate.slot, BLOCK_ROWS));
                    ids.extend(at.clone().map(|(list, row)| index.visited_id(list, row) as i64));
                    if let Some(numbers) = index.numbers() {
                        starts.extend(at.map(|(list, row)| index.first_number(list) + row * dim));
                        numbers
                    } else {
                        widened.resize(candidates.len() * dim, 0.0);
                        let copies = at.zip(widened.chunks_exact_mut(dim));
                        copies.for_each(|((list, row), values)| index.visited_half(list, row, values));
                        starts.extend((0..candidates.len()).map(|row| row * dim));
                        widened
                    }
                }
            };
            let metric = queries.metric();
            tile.exact(metric, results.row(query), numbers, starts, exact);
            results.merge(query, metric, ids.iter().copied().zip(exact.iter().copied()), ranking);
        }
        results.limit(query, queries)
    }
}
