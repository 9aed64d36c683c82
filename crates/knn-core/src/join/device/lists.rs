//! A block of queries against the lists of an index that lie nearest to each, on devices.
//!
//! Queries go in the order of their nearest lists, in groups that are compared with all lists in which any of a group looks; see [`Groups`]. What a
//! device finds elsewhere than where a query looks is passed over, and what it found then settles the query, or the processor joins it.

use rayon::prelude::*;

use super::groups::{Extent, Group, Groups, Rows as GroupRows};
use super::judge::{Asked, Judge, Rows, Verdict};
use super::relay::Pieces;
use super::size::LEFT_ROWS;
use super::{Desk, OnDevice, Stop};
use crate::error::Result;
use crate::gpu::{Batch, Block};
use crate::index::{Around, Probes, RouteScratch};
use crate::join::barred::Barred;
use crate::join::lists::{ListJoin, rows_at_a_time};
use crate::join::order::Ordered;
use crate::join::results::Results;
use crate::join::slice::Slice;
use crate::progress::Progress;
use crate::types::{NeighborBlock, Tile};

/// Queries that a thread decides at a time.
const JUDGED: usize = 64;

/// Queries of a piece, in the order of their nearest lists.
#[derive(Clone, Copy)]
struct Piece<'a> {
    queries: &'a Tile,
    order: &'a [u32],
    own: Option<&'a [i64]>,
    k: usize,
    /// Where each looks, so many lists.
    lists: &'a [u32],
    probes: Probes,
}

/// Their neighbours.
struct Nearest<'a> {
    ids: &'a mut [i64],
    distances: &'a mut [f32],
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
        if device.has_device() && self.coded.is_none() && k > 0 && queries.rows() > 0 {
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
                let lists = &self.routes_of((queries, order), (&around, &own_lists), probes);
                let piece = Piece { queries, order, own, k, lists, probes };
                done = self.piece(device, piece, &mut Nearest { ids, distances }, progress);
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
        piece: Piece,
        nearest: &mut Nearest,
        progress: &Progress,
    ) -> std::result::Result<(), Stop> {
        nearest.ids.fill(-1);
        nearest.distances.fill(f32::NAN);
        let queries = device.batch_queries(usize::MAX).min(device.group.queries);
        let extent = Extent { queries, rows: device.group.rows.min(device.most_rows()), ..device.group };
        let spare = std::mem::take(&mut device.spare);
        let mut groups = Groups::new(self.index, (piece.lists, piece.probes.most()), extent, &spare);
        let next = |_| {
            progress.check()?;
            groups.next()
        };
        let ask = |group: &Group, desk: &mut Desk| {
            let Some(rows) = &group.rows else { return Ok(false) };
            if !desk.load_group(&rows.values)? {
                return Ok(false);
            }
            desk.selector.ask(group.places.len(), |at| piece.row(group.places.start + at))?;
            Ok(true)
        };
        let (mut settled, mut left) = (0, Vec::new());
        let decide = |group: Group, found: Option<(&Batch, &Block)>| {
            let Group { places, rows, .. } = group;
            let by_processor = left.len();
            let mut is_sound = true;
            match (found, &rows) {
                (Some(found), Some(rows)) => {
                    let judged = self.judge(piece, places.start, (rows, found), nearest);
                    is_sound = judged.iter().all(|(_, verdict)| *verdict != Verdict::Unsound);
                    let is_left = |verdict: &Verdict| !is_sound || *verdict == Verdict::Open;
                    left.extend(judged.iter().filter(|(_, verdict)| is_left(verdict)).map(|(place, _)| *place));
                    settled += (places.len() - (left.len() - by_processor)) as u64;
                }
                _ => left.extend(places.map(|place| place as u32)),
            }
            if let Some(rows) = rows {
                spare.put(rows);
            }
            Ok(is_sound)
        };
        let done = device.relay(Pieces { next, ask, decide });
        device.spare = spare;
        // Otherwise the processor does the block anew.
        done?;
        device.work.settled += settled;
        device.work.left += left.len() as u64;
        for left in left.chunks(LEFT_ROWS) {
            self.left(piece, left, nearest, progress)?;
        }
        self.widen_all(piece, nearest, progress)?;
        Ok(())
    }

    /// Where queries look.
    fn routes_of(
        &self,
        (queries, order): (&Tile, &[u32]),
        (around, own_lists): (&Around, &[u32]),
        probes: Probes,
    ) -> Vec<u32> {
        let each = rows_at_a_time(probes.most());
        let mut all = vec![u32::MAX; order.len() * probes.most()];
        all.par_chunks_mut(each * probes.most()).zip(order.par_chunks(each)).for_each_init(
            || (RouteScratch::default(), Vec::new()),
            |(scratch, lists), (all, order)| {
                let rows: Vec<f32> = order.iter().flat_map(|&row| queries.row(row as usize).iter().copied()).collect();
                let from: Vec<u32> = order.iter().map(|&row| own_lists[row as usize]).collect();
                self.route(around, &rows, &from, probes, scratch, lists);
                all.copy_from_slice(lists);
            },
        );
        all
    }

    /// Decides the queries of a group, the first of which is at this place, by what a device found among rows.
    fn judge(
        &self,
        piece: Piece,
        first: usize,
        (rows, (batch, block)): (&GroupRows, (&Batch, &Block)),
        nearest: &mut Nearest,
    ) -> Vec<(u32, Verdict)> {
        let (k, count) = (piece.k, batch.queries());
        let slots = first * k..(first + count) * k;
        let (ids, distances) = (&mut nearest.ids[slots.clone()], &mut nearest.distances[slots]);
        let GroupRows { values, ids: numbers, lists } = rows;
        let metric = self.index.manifest().metric;
        let rows = Rows { values, dim: piece.queries.dim, metric, tile: self.tile };
        let results = ids.par_chunks_mut(k).zip(distances.par_chunks_mut(k)).enumerate();
        let judged = results.with_min_len(JUDGED).map_init(Judge::default, |judge, (at, (ids, distances))| {
            let (place, looks_in) = (first + at, piece.looks_in(first + at));
            let own = piece.own.map_or(-1, |own| own[piece.order[place] as usize]);
            let mut asked = Asked { row: piece.row(place), own, ids, distances };
            let counts = |row: u32| looks_in.contains(&lists[row as usize]);
            let id = |row: u32| numbers[row as usize];
            (place as u32, judge.judge(batch.of(at), block, rows, &mut asked, (counts, id)))
        });
        judged.collect()
    }

    /// Joins some of the queries on the processor.
    fn left(&self, piece: Piece, left: &[u32], nearest: &mut Nearest, progress: &Progress) -> Result<()> {
        let (k, dim) = (piece.k, piece.queries.dim);
        let values = left.iter().flat_map(|&place| piece.row(place as usize).iter().copied()).collect();
        let own = |own: &[i64]| left.iter().map(|&place| own[piece.order[place as usize] as usize]).collect();
        let own: Option<Vec<i64>> = piece.own.map(own);
        let (ids, distances) = (vec![-1; left.len() * k], vec![f32::NAN; left.len() * k]);
        let mut few = NeighborBlock { first_row: 0, k, ids, distances };
        let (queries, barred) = (Tile { first_row: 0, dim, values }, Barred::own(own.as_deref()));
        self.join(&queries, piece.probes, barred, &mut few, &mut Ordered::default(), progress)?;
        for (&place, (ids, distances)) in left.iter().zip(few.ids.chunks(k).zip(few.distances.chunks(k))) {
            let slots = place as usize * k..(place as usize + 1) * k;
            nearest.ids[slots.clone()].copy_from_slice(ids);
            nearest.distances[slots].copy_from_slice(distances);
        }
        Ok(())
    }

    /// Looks in more lists for queries that found too few.
    fn widen_all(&self, piece: Piece, nearest: &mut Nearest, progress: &Progress) -> Result<()> {
        let (k, dim, probes) = (piece.k, piece.queries.dim, piece.probes.most());
        let each = rows_at_a_time(probes);
        let (queries, own) = (piece.queries, piece.own);
        let results = nearest.ids.par_chunks_mut(each * k).zip(nearest.distances.par_chunks_mut(each * k));
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

impl<'a> Piece<'a> {
    /// The query at a place.
    fn row(self, place: usize) -> &'a [f32] {
        self.queries.row(self.order[place] as usize)
    }

    /// The lists that it looks in.
    fn looks_in(self, place: usize) -> &'a [u32] {
        let probes = self.probes.most();
        &self.lists[place * probes..(place + 1) * probes]
    }
}
