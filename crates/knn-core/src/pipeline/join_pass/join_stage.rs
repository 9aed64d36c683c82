//! The first pass: neighbours of every query cell, stored unit by unit, and the sums that the bandwidth needs.

use super::joined::Joined;
use super::reference::Reference;
use super::rounding::round;
use super::search_stage::Lists;
use super::units::{Units, copy_names};
use crate::distance::DistanceTile;
use crate::error::Result;
use crate::join::{OnDevice, Ordered, join_slab};
use crate::pipeline::finished::Finished;
use crate::pipeline::inputs::batches::{BatchCodes, barred};
use crate::pipeline::prepared::Prepared;
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::sink::UnitWriter;
use crate::source::{RowSource, StringBlock};
use crate::types::{MappingStatus, NeighborBlock, RowRange, Tile};

/// Units whose rows are joined; without lists with all of the reference.
pub(in crate::pipeline) struct JoinStage<'a> {
    prepared: &'a Prepared,
    tile: &'a dyn DistanceTile,
    lists: Option<Lists<'a>>,
    codes: Option<&'a BatchCodes<'a>>,
    progress: &'a Progress,
    pass: Option<Pass<'a>>,
}

impl<'a> JoinStage<'a> {
    /// Nothing is read before the first unit is asked for.
    pub(in crate::pipeline) fn new(
        prepared: &'a Prepared,
        tile: &'a dyn DistanceTile,
        (lists, codes): (Option<Lists<'a>>, Option<&'a BatchCodes<'a>>),
        progress: &'a Progress,
    ) -> Self {
        Self { prepared, tile, lists, codes, progress, pass: None }
    }
}

impl Units for JoinStage<'_> {
    fn unit(&mut self, writer: &mut UnitWriter, joined: &mut Joined) -> Result<()> {
        let Self { prepared, tile, lists, codes, progress, pass } = self;
        let rows = writer.range().rows;
        let pass = match pass {
            Some(pass) => pass,
            none => none.insert(Pass::start(prepared, *tile, (*lists, *codes), progress, rows.start)?),
        };
        pass.unit(rows, writer, joined)?;
        prepared.note_device(pass.device.as_mut());
        Ok(())
    }

    fn skip(&mut self) {
        self.pass = None;
    }
}

/// Where neighbours are found.
enum Finder<'a> {
    /// Among all reference rows.
    All(Box<Reference<'a>>),
    /// In lists; with the ids of the queries at hand.
    Lists(Lists<'a>, Vec<i64>),
}

/// A pass over consecutive units: readers and buffers stay from one to the next.
struct Pass<'a> {
    prepared: &'a Prepared,
    tile: &'a dyn DistanceTile,
    progress: &'a Progress,
    finder: Finder<'a>,
    /// What selects, where it is not the tile.
    device: Option<OnDevice>,
    /// Batches, where those of a query's own are no neighbours; and those of the block at hand.
    codes: Option<&'a BatchCodes<'a>>,
    of_block: Vec<u32>,
    reader: TileReader<'a>,
    queries: Tile,
    ahead: Tile,
    nearest: NeighborBlock,
    ordered: Ordered,
    /// The block before, until it is written.
    finished: Finished,
    names: StringBlock,
}

impl<'a> Pass<'a> {
    fn start(
        prepared: &'a Prepared,
        tile: &'a dyn DistanceTile,
        (lists, codes): (Option<Lists<'a>>, Option<&'a BatchCodes<'a>>),
        progress: &'a Progress,
        first_row: u64,
    ) -> Result<Self> {
        let (inputs, metric) = (&prepared.inputs, prepared.resolved.parameters.metric);
        let finder = if let Some(lists) = lists {
            Finder::Lists(lists, Vec::new())
        } else {
            let reference = Reference::open(&inputs.reference_rows, metric, prepared.sizes.slab_rows, tile)?;
            Finder::All(Box::new(reference))
        };
        // Cells of the own batch are left out by the processor alone.
        let device = if codes.is_none() { prepared.on_device()? } else { None };
        let rows = RowRange::new(first_row, inputs.query_rows.rows());
        let reader = TileReader::new(&inputs.query_rows, rows, metric);
        let k = prepared.spec.k as usize;
        let mut finished = Finished::default();
        finished.nearest.k = k;
        Ok(Self {
            prepared,
            tile,
            progress,
            finder,
            device,
            codes,
            of_block: Vec::new(),
            reader,
            queries: Tile::default(),
            ahead: Tile::default(),
            nearest: NeighborBlock { k, ..NeighborBlock::default() },
            ordered: Ordered::default(),
            finished,
            names: StringBlock::default(),
        })
    }

    fn unit(&mut self, rows: RowRange, writer: &mut UnitWriter, joined: &mut Joined) -> Result<()> {
        let block_rows = self.prepared.sizes.block_rows;
        // Blocks do not cross units, so what was read ahead at the end of one unit is nothing.
        self.reader.next(block_rows.min(rows.end - rows.start), &mut self.ahead)?;
        round(&self.prepared.resolved, &mut self.ahead);
        for block in rows.pieces(block_rows) {
            std::mem::swap(&mut self.queries, &mut self.ahead);
            debug_assert_eq!((self.queries.first_row, self.queries.rows()), (block.start, block.len()));
            self.join(rows.end, block_rows, writer, joined)?;
            self.finished.take(&mut self.nearest, &self.queries, self.prepared.resolved.parameters.metric);
            let statuses = &self.finished.statuses;
            for &status in statuses {
                joined.statuses[usize::from(status)] += 1;
            }
            joined.sums.add(&self.finished.nearest, |row| statuses[row] == MappingStatus::Ok as u8);
            self.progress.advance(block.len() as u64)?;
        }
        self.finished.store(writer, self.prepared.spec.n_ref)?;
        // Last, with the block's buffers in memory, so that the first unit takes as much as any other.
        copy_names(self.prepared, rows, &mut self.names, writer, self.progress)
    }

    /// Joins the block in `queries`; meanwhile reads the next one of the unit and writes the one before.
    fn join(&mut self, unit_end: u64, block_rows: u64, writer: &mut UnitWriter, joined: &mut Joined) -> Result<()> {
        let left = unit_end - self.reader.position();
        let Self {
            prepared, tile, progress, finder, device, reader, queries, ahead, nearest, ordered, finished, ..
        } = self;
        let (codes, of_block) = (self.codes, &mut self.of_block);
        if let Some(codes) = codes {
            codes.of_queries(RowRange::new(queries.first_row, queries.first_row + queries.rows() as u64), of_block)?;
        }
        let of_block = of_block.as_slice();
        let self_mapping = prepared.resolved.self_mapping;
        let slots = queries.rows() * nearest.k;
        nearest.first_row = queries.first_row;
        let visit = || match finder {
            Finder::All(reference) => {
                nearest.ids.clear();
                nearest.ids.resize(slots, -1);
                nearest.distances.clear();
                nearest.distances.resize(slots, f32::NAN);
                let batches = barred(None, codes, of_block).batches;
                reference.visit(|slab| match device {
                    Some(device) => device.join_slab(queries, slab, self_mapping, *tile, (nearest, ordered), progress),
                    None => join_slab(queries, slab, (self_mapping, batches), *tile, nearest, ordered, progress),
                })
            }
            Finder::Lists(Lists { search, probes }, own) => {
                nearest.ids.resize(slots, -1);
                nearest.distances.resize(slots, f32::NAN);
                let first = queries.first_row as i64;
                own.clear();
                own.extend(first..first + queries.rows() as i64);
                let own = self_mapping.then_some(own.as_slice());
                let barred = barred(own, codes, of_block);
                let joined = match device {
                    Some(device) => search.join_on(device, queries, *probes, own, (nearest, ordered), progress),
                    None => search.join(queries, *probes, barred, nearest, ordered, progress),
                };
                joined.map(|()| search.excluded())
            }
        };
        let meanwhile = || {
            finished.store(writer, prepared.spec.n_ref)?;
            reader.next(block_rows.min(left), ahead)?;
            round(&prepared.resolved, ahead);
            Ok(())
        };
        let (excluded, done) = rayon::join(visit, meanwhile);
        joined.excluded = excluded?;
        done
    }
}
