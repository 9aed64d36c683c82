//! One-hop repair: the neighbours of a query's neighbours are compared with it too, and the k nearest of all are kept.
//!
//! Which rows are looked at follows from the graph before the repair alone, and exact values decide, so the result is the same whatever was
//! in memory. Where links and rows of all references are at hand, a query is repaired at once. Where they are not, the queries of a block first
//! look up the links of one slab of references after another, and then meet their candidates in one slab of rows after another.
//!
//! Queries of a block are taken in an order in which those with a common neighbour lie side by side, because they look at much the same rows.

use rayon::prelude::*;

use super::links::{Hop, Links};
use super::order::{Ordered, ordered_bytes};
use super::rank::Ranking;
use crate::distance::{DistanceTile, Metric};
use crate::error::Result;
use crate::progress::Progress;
use crate::types::{NeighborBlock, Tile};

/// Queries that a thread repairs at a time.
const CHUNK: usize = 256;

/// Repairs blocks of queries, one after the other.
pub struct Repair<'a> {
    hop: Hop,
    metric: Metric,
    tile: &'a dyn DistanceTile,
    dim: usize,
    k: usize,
    /// The block in the order of work, and what that follows from.
    ordered: Ordered,
    keys: Vec<u32>,
    /// Each query's own number among the references, −1 where it is none.
    own: Vec<i64>,
    /// Candidates of each query, and how many there are; empty until they are looked up.
    candidates: Vec<i64>,
    counts: Vec<u32>,
}

/// Scratch of a thread.
#[derive(Debug, Default)]
struct Scratch {
    candidates: Vec<i64>,
    known: Vec<i64>,
    starts: Vec<usize>,
    exact: Vec<f64>,
    ranking: Ranking,
}

impl<'a> Repair<'a> {
    /// For queries and references prepared for `metric`.
    pub fn new(hop: Hop, metric: Metric, tile: &'a dyn DistanceTile) -> Self {
        Self {
            hop,
            metric,
            tile,
            dim: 0,
            k: 0,
            ordered: Ordered::default(),
            keys: Vec::new(),
            own: Vec::new(),
            candidates: Vec::new(),
            counts: Vec::new(),
        }
    }

    /// Bytes of a query of a block, besides its row and its neighbours: where it is repaired at once, or slab by slab.
    pub fn row_bytes(hop: Hop, k: u64, dim: u64, at_once: bool) -> u64 {
        ordered_bytes(k, dim) + 4 + 8 + if at_once { 0 } else { hop.width() as u64 * 8 + 4 }
    }

    /// Bytes that a thread takes.
    pub fn scratch_bytes(hop: Hop, k: usize) -> u64 {
        (hop.width() * (8 + 8 + 8) + k * 8 + Ranking::bytes(hop.width(), k)) as u64
    }

    /// Takes a block of queries (row-major) and what was found for them. With `own` they are references, whose numbers it has, and none
    /// becomes its own neighbour.
    pub fn begin(&mut self, queries: &[f32], dim: usize, own: Option<&[i64]>, nearest: &NeighborBlock) {
        (self.dim, self.k) = (dim, nearest.k);
        let own_of = |row: u32| own.map_or(-1, |own| own[row as usize]);
        let rows = (0..nearest.rows() as u32).into_par_iter().with_min_len(CHUNK);
        rows.map(|row| locality(own_of(row), nearest.row(row as usize).0)).collect_into_vec(&mut self.keys);
        self.ordered.sort_by_key(nearest.rows(), |row| self.keys[row as usize]);
        self.ordered.gather(queries, dim, nearest);
        self.own.clear();
        self.own.extend(self.ordered.order.iter().map(|&row| own_of(row)));
        self.candidates.clear();
        self.counts.clear();
    }

    /// Repairs the block: `links` and `rows` are those of all references.
    pub fn at_once(&mut self, links: &Links, rows: &Tile, progress: &Progress) -> Result<()> {
        let Self { hop, metric, tile, dim, k, ordered, own, .. } = self;
        let (hop, dim, k) = (*hop, *dim, *k);
        let Ordered { rows: queries, ids, distances, .. } = ordered;
        let results = ids.par_chunks_mut(CHUNK * k).zip(distances.par_chunks_mut(CHUNK * k));
        let chunks = results.zip(queries.par_chunks(CHUNK * dim)).zip(own.par_chunks(CHUNK));
        chunks.try_for_each_init(Scratch::default, |scratch, (((ids, distances), queries), own)| {
            progress.check()?;
            let found = ids.chunks_exact_mut(k).zip(distances.chunks_exact_mut(k));
            for (((ids, distances), query), &own) in found.zip(queries.chunks_exact(dim)).zip(own) {
                let mut candidates = std::mem::take(&mut scratch.candidates);
                candidates.clear();
                candidates.extend(of_neighbors(ids, hop, links));
                let count = settle(&mut candidates, ids, own, &mut scratch.known);
                decide(query, &candidates[..count], rows, ids, distances, *metric, *tile, scratch);
                scratch.candidates = candidates;
            }
            Ok(())
        })
    }

    /// Looks up the links of these references, for the queries of which they are neighbours.
    pub fn look(&mut self, links: &Links, progress: &Progress) -> Result<()> {
        let (hop, k) = (self.hop, self.k);
        self.candidates.resize(self.own.len() * hop.width(), -1);
        self.counts.resize(self.own.len(), 0);
        let places = self.candidates.par_chunks_mut(CHUNK * hop.width()).zip(self.counts.par_chunks_mut(CHUNK));
        places.zip(self.ordered.ids.par_chunks(CHUNK * k)).try_for_each(|((candidates, counts), ids)| {
            progress.check()?;
            for ((candidates, count), ids) in candidates.chunks_exact_mut(hop.width()).zip(counts).zip(ids.chunks(k)) {
                for candidate in of_neighbors(ids, hop, links) {
                    candidates[*count as usize] = candidate;
                    *count += 1;
                }
            }
            Ok(())
        })
    }

    /// Strikes out candidates that are there twice or known already, once all links are looked up.
    pub fn settle(&mut self) {
        let (hop, k) = (self.hop, self.k);
        let places = self.candidates.par_chunks_mut(hop.width()).zip(self.counts.par_iter_mut());
        let places = places.zip(self.ordered.ids.par_chunks(k)).zip(&self.own).with_min_len(CHUNK);
        places.for_each_init(Vec::new, |known, (((candidates, count), ids), &own)| {
            *count = settle(&mut candidates[..*count as usize], ids, own, known) as u32;
        });
    }

    /// Compares the queries with those of their candidates that these rows of the reference are. After [`Self::settle`].
    pub fn decide(&mut self, rows: &Tile, progress: &Progress) -> Result<()> {
        let Self { hop, metric, tile, dim, k, ordered, candidates, counts, .. } = self;
        let (width, dim, k) = (hop.width(), *dim, *k);
        let (first, end) = (rows.first_row as i64, rows.first_row as i64 + rows.rows() as i64);
        let Ordered { rows: queries, ids, distances, .. } = ordered;
        let results = ids.par_chunks_mut(CHUNK * k).zip(distances.par_chunks_mut(CHUNK * k));
        let looked_at = candidates.par_chunks(CHUNK * width).zip(counts.par_chunks(CHUNK));
        let chunks = results.zip(queries.par_chunks(CHUNK * dim)).zip(looked_at);
        chunks.try_for_each_init(Scratch::default, |scratch, (((ids, distances), queries), (candidates, counts))| {
            progress.check()?;
            let found = ids.chunks_exact_mut(k).zip(distances.chunks_exact_mut(k));
            let looked_at = candidates.chunks_exact(width).zip(counts);
            for (((ids, distances), query), (candidates, &count)) in found.zip(queries.chunks_exact(dim)).zip(looked_at)
            {
                let candidates = &candidates[..count as usize];
                let start = candidates.partition_point(|&id| id < first);
                let stop = candidates.partition_point(|&id| id < end);
                decide(query, &candidates[start..stop], rows, ids, distances, *metric, *tile, scratch);
            }
            Ok(())
        })
    }

    /// Gives the neighbours back, in the order in which the block was taken.
    pub fn end(&mut self, nearest: &mut NeighborBlock) {
        self.ordered.scatter(nearest);
    }
}

/// A key that rows with a common neighbour often share: of the row and its neighbours, the one whose number has the lowest hash.
fn locality(own: i64, neighbors: &[i64]) -> u32 {
    let all = neighbors.iter().chain(std::iter::once(&own)).filter(|id| **id >= 0);
    all.map(|&id| ((id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32).min().unwrap_or(u32::MAX)
}

/// The links of the first neighbours of a query, of those that are held.
fn of_neighbors(ids: &[i64], hop: Hop, links: &Links) -> impl Iterator<Item = i64> {
    ids.iter().take(hop.r2).take_while(|id| **id >= 0).flat_map(|&id| links.of(id))
}

/// Sorts candidates and moves those that are new to the front: neither known neighbours nor the query itself, each once. Returns how many.
fn settle(candidates: &mut [i64], ids: &[i64], own: i64, known: &mut Vec<i64>) -> usize {
    candidates.sort_unstable();
    known.clear();
    known.extend(ids.iter().copied().take_while(|id| *id >= 0));
    known.push(own);
    known.sort_unstable();
    let (mut kept, mut before, mut at) = (0, -1, 0);
    for place in 0..candidates.len() {
        let id = candidates[place];
        while at < known.len() && known[at] < id {
            at += 1;
        }
        if id != before && known.get(at) != Some(&id) {
            candidates[kept] = id;
            kept += 1;
        }
        before = id;
    }
    kept
}

/// Reads something of every cache line of some rows, so that those that are far away are fetched side by side and not one after the other while
/// they are compared.
fn touch(values: &[f32], dim: usize, starts: &[usize]) {
    const LINE: usize = 16;
    let lines = starts.iter().flat_map(|&start| values[start..start + dim].iter().step_by(LINE));
    std::hint::black_box(lines.fold(0, |all, value| all ^ value.to_bits()));
}

/// Puts those of the candidates, all among `rows`, in their places that are among the k nearest.
#[expect(clippy::too_many_arguments, reason = "a query, what it meets, what it has, and how they are compared")]
fn decide(
    query: &[f32],
    candidates: &[i64],
    rows: &Tile,
    ids: &mut [i64],
    distances: &mut [f32],
    metric: Metric,
    tile: &dyn DistanceTile,
    scratch: &mut Scratch,
) {
    let Scratch { starts, exact, ranking, .. } = scratch;
    starts.clear();
    starts.extend(candidates.iter().map(|&id| (id - rows.first_row as i64) as usize * rows.dim));
    touch(&rows.values, rows.dim, starts);
    tile.exact(metric, query, &rows.values, starts, exact);
    // Whatever is reported as the farthest neighbour is may be a tie.
    let farthest = distances.last().map_or(f64::NAN, |&distance| metric.bound(distance));
    let farthest = if ids.last().is_some_and(|&id| id < 0) { f64::INFINITY } else { farthest };
    // Exact values are squared, but for products.
    let most = if metric.is_product() { farthest } else { farthest * farthest * (1.0 + 1e-12) };
    let found = candidates.iter().copied().zip(exact.iter().copied()).filter(|(_, exact)| *exact <= most);
    let mut found = found.peekable();
    if found.peek().is_some() {
        ranking.merge(ids, distances, -1, metric, found);
    }
}
