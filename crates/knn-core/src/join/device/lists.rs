//! A block of queries against the lists of an index that lie nearest to each, on a device.
//!
//! Each list is copied once for all queries of a piece that look in it. The nearest list of each query comes first, then the next three, then
//! the others, so that little of what is found later has to be compared.

use rayon::prelude::*;

use super::judge::{Asked, Judge, Rows, Verdict};
use super::{Loaded, OnDevice, Stop, unsound};
use crate::error::Result;
use crate::gpu::{Batch, Block};
use crate::index::{Around, ListBuffer, ListView, Probes, RouteScratch};
use crate::join::barred::Barred;
use crate::join::lists::{ListJoin, rows_at_a_time};
use crate::join::order::Ordered;
use crate::join::results::Results;
use crate::join::slice::{NEAR_RANKS, Slice};
use crate::join::visits::Visits;
use crate::progress::Progress;
use crate::types::{NeighborBlock, Tile};

/// Queries that a thread decides at a time.
const JUDGED: usize = 64;

/// Queries of a piece, in the order of their nearest lists, and their neighbours.
struct Piece<'a> {
    queries: &'a Tile,
    order: &'a [u32],
    own: Option<&'a [i64]>,
    k: usize,
    ids: &'a mut [i64],
    distances: &'a mut [f32],
}

/// What was decided for one query that looks in a list.
struct Judged {
    ids: Vec<i64>,
    distances: Vec<f32>,
    left: u64,
}

impl ListJoin<'_> {
    /// [`ListJoin::join`] with the same result, without batches that bar, in an index without codes.
    pub fn join_on(
        &self,
        device: &mut OnDevice,
        queries: &Tile,
        probes: Probes,
        own: Option<&[i64]>,
        (nearest, ordered): (&mut NeighborBlock, &mut Ordered),
        progress: &Progress,
    ) -> Result<()> {
        let k = nearest.k;
        if device.work.is_some() && self.coded.is_none() && k > 0 && queries.rows() > 0 {
            let probes = probes.with(probes.most().clamp(1, self.nlist()));
            let around = self.around(probes);
            let own_lists = self.router.own(&queries.values, self.tile);
            ordered.sort_by_key(queries.rows(), |row| own_lists[row as usize]);
            ordered.room(k);
            let Ordered { order, ids, distances, .. } = &mut *ordered;
            let each = (device.routes / probes.most()).max(1);
            let pieces = ids.chunks_mut(each * k).zip(distances.chunks_mut(each * k)).zip(order.chunks(each));
            let mut done = Ok(());
            for ((ids, distances), order) in pieces {
                let mut piece = Piece { queries, order, own, k, ids, distances };
                done = self.piece(device, &mut piece, (&around, &own_lists), probes, progress);
                if done.is_err() {
                    break;
                }
            }
            match done {
                Ok(()) => {
                    ordered.scatter(nearest);
                    return Ok(());
                }
                // The processor begins this block anew.
                Err(stop) => device.stop(stop)?,
            }
        }
        self.join(queries, probes, Barred::own(own), nearest, ordered, progress)
    }

    fn piece(
        &self,
        device: &mut OnDevice,
        piece: &mut Piece,
        (around, own_lists): (&Around, &[u32]),
        probes: Probes,
        progress: &Progress,
    ) -> std::result::Result<(), Stop> {
        piece.ids.fill(-1);
        piece.distances.fill(f32::NAN);
        let lists = self.routes_of(piece, (around, own_lists), probes);
        let (most, nlist) = (probes.most(), self.nlist());
        let (mut visits, mut buffer) = (Visits::default(), ListBuffer::default());
        for sweep in [0..1, 1..NEAR_RANKS, NEAR_RANKS..usize::MAX] {
            visits.sort(&lists, most, sweep.start.min(most)..sweep.end.min(most), nlist);
            for &list in &visits.lists {
                progress.check()?;
                let view = self.index.list(list, &mut buffer)?;
                if !view.is_empty() {
                    self.visit(device, piece, (list, view), visits.members(list))?;
                }
            }
        }
        self.widen_all(piece, most, progress)?;
        Ok(())
    }

    /// Where the queries of a piece look.
    fn routes_of(&self, piece: &Piece, (around, own_lists): (&Around, &[u32]), probes: Probes) -> Vec<u32> {
        let each = rows_at_a_time(probes.most());
        let mut all = vec![u32::MAX; piece.order.len() * probes.most()];
        all.par_chunks_mut(each * probes.most()).zip(piece.order.par_chunks(each)).for_each_init(
            || (RouteScratch::default(), Vec::new()),
            |(scratch, lists), (all, order)| {
                let rows: Vec<f32> =
                    order.iter().flat_map(|&row| piece.queries.row(row as usize).iter().copied()).collect();
                let from: Vec<u32> = order.iter().map(|&row| own_lists[row as usize]).collect();
                self.route(around, &rows, &from, probes, scratch, lists);
                all.copy_from_slice(lists);
            },
        );
        all
    }

    /// Compares some queries of a piece, by their places, with a list.
    fn visit(
        &self,
        device: &mut OnDevice,
        piece: &mut Piece,
        (list, view): (u32, ListView),
        members: &[u32],
    ) -> std::result::Result<(), Stop> {
        let OnDevice { work, fewest_pairs, settled, left, .. } = device;
        let is_worth_it = members.len() * view.ids.len() >= *fewest_pairs;
        if let Some(work) = work.as_mut().filter(|_| is_worth_it)
            && work.load(Loaded::List(list), view.rows)?
        {
            for members in members.chunks(work.selector.size().queries) {
                let batch = &mut work.batches[0];
                work.selector.search(members.iter().map(|&place| piece.row(place)), batch)?;
                let judged = self.judge(piece, view, members, Some((batch, &work.selector.block())))?;
                let by_processor: u64 = judged.iter().map(|judged| judged.left).sum();
                *left += by_processor;
                *settled += members.len() as u64 - by_processor;
                piece.take(members, judged);
            }
            return Ok(());
        }
        let judged = self.judge(piece, view, members, None)?;
        piece.take(members, judged);
        Ok(())
    }

    /// Decides some queries by what a device found, or by all rows of the list.
    fn judge(
        &self,
        piece: &Piece,
        view: ListView,
        members: &[u32],
        found: Option<(&Batch, &Block)>,
    ) -> std::result::Result<Vec<Judged>, Stop> {
        let manifest = self.index.manifest();
        let rows = Rows { values: view.rows, dim: piece.queries.dim, metric: manifest.metric, tile: self.tile };
        let id = |row: u32| view.ids.get(row as usize) as i64;
        let judged =
            members.par_iter().enumerate().with_min_len(JUDGED).map_init(Judge::default, |judge, (at, &place)| {
                let slots = place as usize * piece.k..(place as usize + 1) * piece.k;
                let (mut ids, mut distances) = (piece.ids[slots.clone()].to_vec(), piece.distances[slots].to_vec());
                let own = piece.own.map_or(-1, |own| own[piece.order[place as usize] as usize]);
                let row = piece.row(place);
                let mut asked = Asked { row, own, ids: &mut ids, distances: &mut distances };
                let told = found.map(|(batch, block)| judge.judge(batch.of(at), block, rows, &mut asked, id));
                match told {
                    Some(Verdict::Unsound) => return Err(Stop::Fault(unsound())),
                    Some(Verdict::Settled) => {}
                    Some(Verdict::Open) | None => judge.all(rows, &mut asked, id),
                }
                Ok(Judged { ids, distances, left: u64::from(told != Some(Verdict::Settled)) })
            });
        judged.collect()
    }

    /// Looks in more lists for queries that found too few.
    fn widen_all(&self, piece: &mut Piece, probes: usize, progress: &Progress) -> Result<()> {
        let (k, dim, each) = (piece.k, piece.queries.dim, rows_at_a_time(probes));
        let (queries, own) = (piece.queries, piece.own);
        let results = piece.ids.par_chunks_mut(each * k).zip(piece.distances.par_chunks_mut(each * k));
        results.zip(piece.order.par_chunks(each)).try_for_each_init(
            || Slice::new(self),
            |slice, ((ids, distances), order)| {
                if ids.chunks(k).all(|ids| ids[k - 1] >= 0) {
                    return Ok(());
                }
                let rows: Vec<f32> = order.iter().flat_map(|&row| queries.row(row as usize).iter().copied()).collect();
                let own: Option<Vec<i64>> = own.map(|own| order.iter().map(|&row| own[row as usize]).collect());
                let barred = Barred::own(own.as_deref());
                let mut results = Results { rows: &rows, dim, barred, k, ids, distances };
                self.widen(slice, &mut results, probes, progress)
            },
        )
    }
}

impl Piece<'_> {
    /// The query at a place.
    fn row(&self, place: u32) -> &[f32] {
        self.queries.row(self.order[place as usize] as usize)
    }

    /// Takes what was decided for the queries at these places.
    fn take(&mut self, places: &[u32], judged: Vec<Judged>) {
        for (&place, judged) in places.iter().zip(judged) {
            let slots = place as usize * self.k..(place as usize + 1) * self.k;
            self.ids[slots.clone()].copy_from_slice(&judged.ids);
            self.distances[slots].copy_from_slice(&judged.distances);
        }
    }
}
