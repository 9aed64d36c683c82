//! A block of queries against the lists of an index that lie nearest to each, on devices.
//!
//! Each list is copied once for all queries of a piece that look in it, to the device that is free. The nearest list of each query comes first, then
//! the next three, then the others, so that little of what is found later has to be compared.

use std::ops::Range;

use rayon::prelude::*;

use super::held::Held;
use super::judge::{Asked, Judge, Rows, Verdict};
use super::relay::Pieces;
use super::rounds::{Rounds, Visit};
use super::{Desk, Loaded, OnDevice, Stop};
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
}

/// Their neighbours.
struct Nearest<'a> {
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
                let piece = Piece { queries, order, own, k };
                let nearest = &mut Nearest { ids, distances };
                done = self.piece(device, (piece, nearest), (&around, &own_lists), probes, progress);
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
        (piece, nearest): (Piece, &mut Nearest),
        (around, own_lists): (&Around, &[u32]),
        probes: Probes,
        progress: &Progress,
    ) -> std::result::Result<(), Stop> {
        nearest.ids.fill(-1);
        nearest.distances.fill(f32::NAN);
        let lists = self.routes_of(piece, (around, own_lists), probes);
        let most = probes.most();
        let sizes = (device.fewest_pairs, device.batch_queries(usize::MAX));
        let mut rounds = Rounds::new(self.index, (&lists, most), sizes);
        let next = |desk| {
            progress.check()?;
            rounds.next(desk)
        };
        let ask = |visit: &Visit, desk: &mut Desk| {
            let Visit { held, members, is_worth_it } = visit;
            let view = held.view(self.index)?;
            if !is_worth_it || !desk.load(Loaded::List(held.list()), view.rows)? {
                return Ok(false);
            }
            desk.selector.ask(members.iter().map(|&place| piece.row(place)))?;
            Ok(true)
        };
        let (mut settled, mut left) = (0, 0);
        let decide = |visit: Visit, found: Option<(&Batch, &Block)>| {
            let Visit { held, members, .. } = visit;
            let mut judged = self.judge((piece, &*nearest), (&held, &members), found)?;
            let is_sound = judged.is_some();
            if let Some(judged) = judged.as_ref().filter(|_| found.is_some()) {
                let by_processor: u64 = judged.iter().map(|judged| judged.left).sum();
                left += by_processor;
                settled += members.len() as u64 - by_processor;
            }
            if !is_sound {
                judged = self.judge((piece, &*nearest), (&held, &members), None)?;
            }
            nearest.take(piece.k, &members, judged.unwrap_or_default());
            Ok(is_sound)
        };
        let done = device.relay(Pieces { next, ask, decide });
        device.work.settled += settled;
        device.work.left += left;
        done?;
        self.widen_all((piece, nearest), most, progress)?;
        Ok(())
    }

    /// Where the queries of a piece look.
    fn routes_of(&self, piece: Piece, (around, own_lists): (&Around, &[u32]), probes: Probes) -> Vec<u32> {
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

    /// Decides some queries by what a device found, or by all rows of the list. None where what it found of any cannot be.
    fn judge(
        &self,
        (piece, nearest): (Piece, &Nearest),
        (held, members): (&Held, &[u32]),
        found: Option<(&Batch, &Block)>,
    ) -> Result<Option<Vec<Judged>>> {
        let view = held.view(self.index)?;
        let manifest = self.index.manifest();
        let rows = Rows { values: view.rows, dim: piece.queries.dim, metric: manifest.metric, tile: self.tile };
        let id = |row: u32| view.ids.get(row as usize) as i64;
        let judged =
            members.par_iter().enumerate().with_min_len(JUDGED).map_init(Judge::default, |judge, (at, &place)| {
                let slots = piece.slots(place);
                let (mut ids, mut distances) = (nearest.ids[slots.clone()].to_vec(), nearest.distances[slots].to_vec());
                let own = piece.own.map_or(-1, |own| own[piece.order[place as usize] as usize]);
                let row = piece.row(place);
                let mut asked = Asked { row, own, ids: &mut ids, distances: &mut distances };
                let told = found.map(|(batch, block)| judge.judge(batch.of(at), block, rows, &mut asked, id));
                match told {
                    Some(Verdict::Unsound) => return None,
                    Some(Verdict::Settled) => {}
                    Some(Verdict::Open) | None => judge.all(rows, &mut asked, id),
                }
                Some(Judged { ids, distances, left: u64::from(told != Some(Verdict::Settled)) })
            });
        Ok(judged.collect())
    }

    /// Looks in more lists for queries that found too few.
    fn widen_all(&self, (piece, nearest): (Piece, &mut Nearest), probes: usize, progress: &Progress) -> Result<()> {
        let (k, dim, each) = (piece.k, piece.queries.dim, rows_at_a_time(probes));
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
    fn row(self, place: u32) -> &'a [f32] {
        self.queries.row(self.order[place as usize] as usize)
    }

    /// Where its neighbours are.
    fn slots(self, place: u32) -> Range<usize> {
        place as usize * self.k..(place as usize + 1) * self.k
    }
}

impl Nearest<'_> {
    /// Takes what was decided for the queries at these places.
    fn take(&mut self, k: usize, places: &[u32], judged: Vec<Judged>) {
        for (&place, judged) in places.iter().zip(judged) {
            let slots = place as usize * k..(place as usize + 1) * k;
            self.ids[slots.clone()].copy_from_slice(&judged.ids);
            self.distances[slots].copy_from_slice(&judged.distances);
        }
    }
}
