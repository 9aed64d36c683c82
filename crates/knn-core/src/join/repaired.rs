//! The recall of a search whose neighbours are repaired, and the choice between more lists and a repair.
//!
//! A true neighbour is found after a repair if it was found before or is among the candidates, because whatever is among the k nearest of all
//! rows is among the k nearest of some. So numbers of rows are all that is compared: the neighbours of the sample's neighbours are found by joining
//! those rows too, or read where an index keeps them, and no candidate's coordinates are read.
//!
//! Several numbers of near lists, shares of the one that does without a repair, are combined with several hops. Of those that find what is wanted
//! the cheapest is taken, by what its pairs cost; no clock has a say.

use std::ops::Range;
use std::rc::Rc;

use super::barred::Barred;
use super::links::{Hop, Links};
use super::lists::rows_at_a_time;
use super::order::Ordered;
use super::recall::{Calibration, Missed, Recall, Target, is_enough, mean, within};
use crate::error::Result;
use crate::index::Probes;
use crate::progress::Progress;
use crate::types::{NeighborBlock, Tile};

/// Hops that are considered, the smallest first.
pub const HOPS: [Hop; 5] =
    [Hop { r1: 6, r2: 6 }, Hop { r1: 8, r2: 8 }, Hop { r1: 12, r2: 8 }, Hop { r1: 12, r2: 12 }, Hop { r1: 16, r2: 16 }];
/// The hop where the lists are given, so that nothing is chosen.
const USUAL_HOP: Hop = Hop { r1: 12, r2: 12 };
/// Eighths of the lists that do without a repair, with which one is considered.
const EIGHTHS: [usize; 7] = [7, 6, 5, 4, 3, 2, 1];
/// Of the sample's neighbours as many are looked up as if those of so many numbers of lists had none in common. They have most, and numbers of
/// lists that are too many for that are not considered.
const DISTINCT: usize = 3;

/// What a search takes for a query, told in pairs that the tile compares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RepairCost {
    /// Each of the r1 · r2 places of a repair: looking it up, and where it is new, reading its row wherever it lies and comparing it exactly.
    pub candidate: f64,
    /// A query that is repaired, whatever its candidates: it is sorted, and its neighbours go through runs and are read again.
    pub query: f64,
}

/// Whether and how neighbours may be repaired.
pub struct Repairs<'a> {
    /// Whether they must be; otherwise they are where that is cheaper.
    pub always: bool,
    /// What it costs.
    pub cost: RepairCost,
    /// The neighbours of references.
    pub theirs: Theirs<'a>,
}

/// Where the neighbours of references come from.
pub enum Theirs<'a> {
    /// The references are the queries, and have the neighbours that the search finds. Reads rows of the reference, as the index has them, by
    /// their numbers, which ascend.
    Found(&'a mut dyn FnMut(&[i64]) -> Result<Tile>),
    /// The index keeps so many of each, whatever lists are searched. Adds the links of rows, by their numbers, which ascend.
    Kept(usize, &'a mut dyn FnMut(&[i64], &mut Links) -> Result<()>),
}

impl Theirs<'_> {
    /// Neighbours that a reference has, where a search looks for `k`.
    fn neighbors(&self, k: usize) -> usize {
        match self {
            Self::Found(_) => k,
            Self::Kept(neighbors, _) => *neighbors,
        }
    }
}

/// Rows of the reference that are looked up for so many queries at most.
fn most_looked_up(queries: u64) -> u64 {
    queries * HOPS.iter().map(|hop| hop.r2).max().unwrap_or(0) as u64 * DISTINCT as u64
}

/// Bytes that weighing a repair takes for a sample of so many queries: rows that are looked up, twice, and for each number of lists the sample's
/// neighbours and their links.
pub fn sample_bytes(queries: u64, k: u64, dim: u64) -> u64 {
    let [r1, r2] = [HOPS.map(|hop| hop.r1), HOPS.map(|hop| hop.r2)].map(|all| all.into_iter().max().unwrap_or(0));
    let each = k * 12 + r2 as u64 * (8 + Links::row_bytes(r1, u64::MAX));
    most_looked_up(queries) * (dim * 8 + 24) + (EIGHTHS.len() as u64 + 1) * queries * each
}

/// The sample's neighbours in some lists, and the neighbours of the first of them.
struct Hopped {
    probes: Probes,
    found: NeighborBlock,
    /// Ascending, each with its links at the same place: at least the first neighbours.
    rows: Rc<Vec<i64>>,
    links: Rc<Links>,
}

impl Hopped {
    /// The true neighbours of a query that neither it nor its candidates have.
    fn missed(&self, query: usize, truth: &NeighborBlock, hop: Hop, seen: &mut Vec<i64>) -> Missed {
        let known = self.found.row(query).0;
        seen.clear();
        seen.extend_from_slice(known);
        let places = known.iter().take(hop.r2).filter_map(|id| self.rows.binary_search(id).ok());
        seen.extend(places.flat_map(|place| self.links.of(place as i64).take(hop.r1)));
        seen.sort_unstable();
        seen.dedup();
        let (ids, distances) = truth.row(query);
        let all = ids.iter().copied().zip(distances.iter().copied());
        let neighbors = all.filter(|(id, _)| seen.binary_search(id).is_err()).collect();
        Missed { query, of: ids.len(), neighbors }
    }

    /// The same of some queries, without those that have no true neighbour.
    fn all_missed(&self, queries: Range<usize>, truth: &NeighborBlock, hop: Hop) -> Vec<Missed> {
        let mut seen = Vec::new();
        queries.map(|query| self.missed(query, truth, hop, &mut seen)).filter(|missed| missed.of > 0).collect()
    }
}

impl Calibration<'_> {
    /// Chooses the number of lists and a repair, or lists alone, and measures.
    pub fn measure_repaired(&self, target: Target, repairs: Repairs, progress: &Progress) -> Result<Recall> {
        let Repairs { always, cost, mut theirs } = repairs;
        let hops = HOPS.map(|hop| hop.among(theirs.neighbors(self.truth.k), self.truth.k));
        let rows = self.queries.rows();
        let half = rows.div_ceil(2);
        let reporting = half.min(rows.saturating_sub(1))..rows;
        let (plain, wanted) = match target {
            Target::Probes(probes) => (Probes::Nearest(probes.clamp(1, self.search.nlist())), None),
            Target::Recall(wanted) => (Probes::Near(self.choose(wanted, half, progress)?), Some(wanted)),
        };
        let (chosen, hop) = match wanted {
            None => {
                let usual = USUAL_HOP.among(theirs.neighbors(self.truth.k), self.truth.k);
                (self.hop(&[plain], &hops, &mut theirs, progress)?.pop(), usual)
            }
            Some(wanted) => {
                let shares = EIGHTHS.map(|eighths| (plain.most() * eighths / 8).max(1));
                let mut some: Vec<_> = shares.into_iter().map(|most| plain.with(most)).collect();
                if always {
                    some.insert(0, plain);
                }
                some.dedup();
                let alone = self.rows_compared(half, plain);
                if !always {
                    // What the smallest hop would make too dear need not be looked up.
                    let least = cost.query + cost.candidate * hops[0].width() as f64;
                    some.retain(|&probes| self.rows_compared(half, probes) + least < alone);
                }
                let all = self.hop(&some, &hops, &mut theirs, progress)?;
                let most = if always { f64::INFINITY } else { alone };
                self.cheapest(all, &hops, (half, wanted, most), cost)
            }
        };
        let Some(chosen) = chosen else { return self.tell(plain, progress) };
        let truth = self.told.as_ref().unwrap_or(&self.truth);
        let missed = chosen.all_missed(reporting.clone(), truth, hop);
        let shares: Vec<f64> = missed.iter().map(Missed::share).collect();
        let measured = mean(&shares);
        let lists = self.search.mean_probes(&self.queries.values[reporting.start * self.queries.dim..], chosen.probes);
        Ok(Recall {
            probes: chosen.probes,
            repair: Some(hop),
            lists,
            measured,
            within: within(&shares, measured),
            missed,
        })
    }

    /// The lists and the hop that cost least, below `most`, of those that find the wanted share for the first `half` queries. Of equal ones the
    /// first.
    fn cheapest(
        &self,
        all: Vec<Hopped>,
        hops: &[Hop],
        (half, wanted, most): (usize, f64, f64),
        cost: RepairCost,
    ) -> (Option<Hopped>, Hop) {
        let mut best = (most, None, USUAL_HOP);
        for (place, hopped) in all.iter().enumerate() {
            let compared = self.rows_compared(half, hopped.probes);
            for &hop in hops {
                let missed = hopped.all_missed(0..half, &self.truth, hop);
                let costs = compared + cost.query + cost.candidate * hop.width() as f64;
                if costs < best.0 && is_enough(&missed, wanted) {
                    best = (costs, Some(place), hop);
                }
            }
        }
        (best.1.and_then(|place| all.into_iter().nth(place)), best.2)
    }

    /// Finds the sample's neighbours in these lists, and the neighbours of those.
    fn hop(&self, some: &[Probes], hops: &[Hop], theirs: &mut Theirs, progress: &Progress) -> Result<Vec<Hopped>> {
        let k = self.truth.k;
        let most = hops
            .iter()
            .fold(Hop { r1: 0, r2: 0 }, |most, hop| Hop { r1: most.r1.max(hop.r1), r2: most.r2.max(hop.r2) });
        let room = most_looked_up(self.queries.rows() as u64) as usize;
        let (mut all, mut hopped) = (Vec::new(), Vec::new());
        for &probes in some {
            let mut found = NeighborBlock { k, ..NeighborBlock::default() };
            let keep = |some: &NeighborBlock| {
                found.ids.extend_from_slice(&some.ids);
                found.distances.extend_from_slice(&some.distances);
            };
            self.find(&self.queries, self.own.as_deref(), probes, keep, progress)?;
            let rows = first_of(&found, most.r2);
            let mut together = [all.as_slice(), &rows].concat();
            together.sort_unstable();
            together.dedup();
            if together.len() > room {
                break;
            }
            all = together;
            hopped.push((probes, found, rows));
        }
        let new_links = |rows: usize| {
            let mut links = Links::new(most.r1, self.search.index().rows());
            links.begin(0);
            links.reserve(rows);
            links
        };
        let fetch = match theirs {
            Theirs::Found(fetch) => fetch,
            Theirs::Kept(_, fetch) => {
                let mut links = new_links(all.len());
                fetch(&all, &mut links)?;
                let (rows, links) = (Rc::new(all), Rc::new(links));
                let theirs = |(probes, found, _)| Hopped { probes, found, rows: rows.clone(), links: links.clone() };
                return Ok(hopped.into_iter().map(theirs).collect());
            }
        };
        let values = fetch(&all)?;
        let theirs = |(probes, found, rows): (Probes, NeighborBlock, Vec<i64>)| {
            let place = |row: &i64| all.binary_search(row).unwrap_or(0);
            let values = rows.iter().flat_map(|row| values.row(place(row)).iter().copied()).collect();
            let queries = Tile { first_row: 0, dim: self.queries.dim, values };
            let mut links = new_links(rows.len());
            self.find(&queries, Some(&rows), probes, |some| links.push(some), progress)?;
            Ok(Hopped { probes, found, rows: Rc::new(rows), links: Rc::new(links) })
        };
        hopped.into_iter().map(theirs).collect()
    }

    /// Shows the neighbours of queries in the lists that they look in, a few queries at a time.
    fn find(
        &self,
        queries: &Tile,
        own: Option<&[i64]>,
        probes: Probes,
        mut show: impl FnMut(&NeighborBlock),
        progress: &Progress,
    ) -> Result<()> {
        let (dim, each, mut ordered) = (queries.dim, rows_at_a_time(probes.most()), Ordered::default());
        for first in (0..queries.rows()).step_by(each) {
            let some = first..(first + each).min(queries.rows());
            let values = queries.values[some.start * dim..some.end * dim].to_vec();
            let mut found = NeighborBlock::empty(some.len(), self.truth.k);
            let own = own.map(|own| &own[some]);
            self.search.join(
                &Tile { first_row: 0, dim, values },
                probes,
                Barred::own(own),
                &mut found,
                &mut ordered,
                progress,
            )?;
            show(&found);
        }
        Ok(())
    }

    /// Rows that each of the first `half` queries is compared with in its lists, on average.
    fn rows_compared(&self, half: usize, probes: Probes) -> f64 {
        let (dim, index) = (self.queries.dim, self.search.index());
        let compared = |rows| -> u64 {
            let lists = self.search.routes(rows, probes).into_iter().filter(|list| *list != u32::MAX);
            lists.map(|list| index.list_rows(list)).sum()
        };
        let rows = &self.queries.values[..half * dim];
        let all: u64 = rows.chunks(rows_at_a_time(probes.most()) * dim.max(1)).map(compared).sum();
        all as f64 / half.max(1) as f64
    }
}

/// The first neighbours of all queries, ascending, each once.
fn first_of(found: &NeighborBlock, count: usize) -> Vec<i64> {
    let mut rows: Vec<i64> = (0..found.rows()).flat_map(|row| found.row(row).0.iter().take(count).copied()).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}
