//! A block of queries against one slab of references, on devices: each has the slab, and is asked for the next of the queries.

use std::ops::Range;

use rayon::prelude::*;

use super::judge::{Asked, Judge, Rows, Verdict};
use super::relay::Pieces;
use super::size::LEFT_ROWS;
use super::{Desk, OnDevice, Stop};
use crate::distance::DistanceTile;
use crate::error::Result;
use crate::gpu::{Batch, Block};
use crate::join::exact::{join_rows, join_slab};
use crate::join::order::Ordered;
use crate::join::slab::Slab;
use crate::progress::Progress;
use crate::types::{NeighborBlock, Tile};

/// Queries that a thread decides at a time.
const JUDGED: usize = 256;

/// How far a device came with a block.
#[derive(Default)]
struct Came {
    /// Queries that it was asked for.
    queries: usize,
    /// Those of them that are left to the processor.
    left: Vec<u32>,
}

/// What a block is joined with.
#[derive(Clone, Copy)]
struct Join<'a> {
    queries: &'a Tile,
    slab: &'a Slab,
    self_mapping: bool,
    tile: &'a dyn DistanceTile,
    progress: &'a Progress,
}

impl OnDevice {
    /// [`join_slab`] with the same result, without batches that bar.
    pub fn join_slab(
        &mut self,
        queries: &Tile,
        slab: &Slab,
        self_mapping: bool,
        tile: &dyn DistanceTile,
        (nearest, ordered): (&mut NeighborBlock, &mut Ordered),
        progress: &Progress,
    ) -> Result<()> {
        let join = Join { queries, slab, self_mapping, tile, progress };
        let mut came = Came::default();
        if self.has_device() && nearest.k > 0 && queries.rows() > 0 {
            let ended = self.join_on_devices(join, nearest, &mut came);
            let settled = came.queries - came.left.len();
            self.work.settled += settled as u64;
            self.work.left += (queries.rows() - settled) as u64;
            ended.or_else(|stop| self.stop(stop))?;
        }
        if came.queries == 0 || came.left.len() == queries.rows() {
            return join_slab(queries, slab, (self_mapping, None), tile, nearest, ordered, progress);
        }
        came.left.extend(came.queries as u32..queries.rows() as u32);
        for left in came.left.chunks(LEFT_ROWS) {
            join.some(left, nearest, ordered)?;
        }
        Ok(())
    }
}

impl OnDevice {
    /// Joins the queries, as many as can be; `came` says how far it came, whatever happens.
    fn join_on_devices(
        &mut self,
        join: Join,
        nearest: &mut NeighborBlock,
        came: &mut Came,
    ) -> std::result::Result<(), Stop> {
        let (k, rows) = (nearest.k, join.queries.rows());
        let each = self.batch_queries(rows);
        let mut parts = (0..rows).step_by(each).map(|first| first..(first + each).min(rows));
        let next = |_| Ok(parts.next());
        let ask = |part: &Range<usize>, desk: &mut Desk| {
            if !desk.load_slab(join.slab.filling(), &join.slab.rows().values)? {
                return Ok(false);
            }
            desk.selector.ask(part.len(), |at| join.queries.row(part.start + at))?;
            Ok(true)
        };
        let decide = |part: Range<usize>, found: Option<(&Batch, &Block)>| {
            came.queries = part.end;
            let Some(found) = found else {
                came.left.extend(part.start as u32..part.end as u32);
                return Ok(true);
            };
            let slots = part.start * k..part.end * k;
            let results = (&mut nearest.ids[slots.clone()], &mut nearest.distances[slots]);
            let (left, is_unsound) = join.judge(part.start, found, results)?;
            came.left.extend(left);
            Ok(!is_unsound)
        };
        self.relay(Pieces { next, ask, decide })
    }
}

impl Join<'_> {
    /// Joins some of the queries on the processor.
    fn some(self, some: &[u32], nearest: &mut NeighborBlock, ordered: &mut Ordered) -> Result<()> {
        let (dim, k) = (self.queries.dim, nearest.k);
        let values = some.iter().flat_map(|&row| self.queries.row(row as usize).iter().copied()).collect();
        let queries = Tile { first_row: 0, dim, values };
        let slots = |row: u32| row as usize * k..(row as usize + 1) * k;
        let ids = some.iter().flat_map(|&row| nearest.ids[slots(row)].iter().copied()).collect();
        let distances = some.iter().flat_map(|&row| nearest.distances[slots(row)].iter().copied()).collect();
        let mut few = NeighborBlock { first_row: 0, k, ids, distances };
        let own = |row: u32| self.queries.first_row as i64 + i64::from(some[row as usize]);
        join_rows(&queries, self.slab, (self.self_mapping, &own), None, self.tile, &mut few, ordered, self.progress)?;
        for (&row, (ids, distances)) in some.iter().zip(few.ids.chunks(k).zip(few.distances.chunks(k))) {
            nearest.ids[slots(row)].copy_from_slice(ids);
            nearest.distances[slots(row)].copy_from_slice(distances);
        }
        Ok(())
    }

    /// Decides a batch, the first of whose queries is this row: those that are left to the processor, and whether what was told of any cannot be.
    fn judge(
        self,
        first: usize,
        (batch, block): (&Batch, &Block),
        (ids, distances): (&mut [i64], &mut [f32]),
    ) -> Result<(Vec<u32>, bool)> {
        let Self { queries, slab, self_mapping, tile, progress } = self;
        let k = ids.len() / batch.queries();
        let rows = Rows { values: &slab.rows().values, dim: queries.dim, metric: slab.metric(), tile };
        let base = slab.first_row() as i64;
        let jobs = ids.par_chunks_mut(JUDGED * k).zip(distances.par_chunks_mut(JUDGED * k)).enumerate();
        let judged = jobs.map_init(Judge::default, |judge, (chunk, (ids, distances))| {
            progress.check()?;
            let (mut left, mut is_unsound) = (Vec::new(), false);
            for (at, (ids, distances)) in (chunk * JUDGED..).zip(ids.chunks_mut(k).zip(distances.chunks_mut(k))) {
                let row = first + at;
                let own = if self_mapping { (queries.first_row + row as u64) as i64 } else { -1 };
                let mut asked = Asked { row: queries.row(row), own, ids, distances };
                let verdict =
                    judge.judge(batch.of(at), block, rows, &mut asked, (|_| true, |row| base + i64::from(row)));
                is_unsound |= verdict == Verdict::Unsound;
                if verdict != Verdict::Settled {
                    left.push(row as u32);
                }
            }
            Ok((left, is_unsound))
        });
        let judged: Vec<(Vec<u32>, bool)> = judged.collect::<Result<_>>()?;
        let is_unsound = judged.iter().any(|(_, is_unsound)| *is_unsound);
        Ok((judged.into_iter().flat_map(|(left, _)| left).collect(), is_unsound))
    }
}
