//! The first pass: neighbours of every query cell, stored unit by unit, and the sums that the bandwidth needs.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::agreement::HeldOut;
use super::batches::{BatchCodes, barred};
use super::finished::Finished;
use super::gather::Gather;
use super::import_stage::Import;
use super::outputs::NAMES;
use super::plan::Prepared;
use super::reference::Reference;
use super::repair_stage::RepairStage;
use super::report::RecallReport;
use super::search_stage::{Measured, round};
use super::space::SpaceReport;
use crate::distance::DistanceTile;
use crate::error::{Error, Result};
use crate::graph::DistanceSums;
use crate::index::Probes;
use crate::join::{DeviceSize, ListJoin, OnDevice, Ordered, join_slab};
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::sink::{MappingStore, Stage, UnitWriter};
use crate::source::{RowSource, StringBlock};
use crate::store::Record;
use crate::types::{MappingStatus, NeighborBlock, RowRange, Tile};

/// What the pass learned; each unit's journal record holds its share, so that a resumed run learns the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Joined {
    pub(super) sums: DistanceSums,
    /// Query cells by the code of their status.
    pub(super) statuses: [u64; MappingStatus::NAMES.len()],
    /// Reference rows that cannot be compared.
    pub(super) excluded: u64,
    /// Recall of the search, measured before its first unit.
    pub(super) recall: Option<RecallReport>,
    /// The queries that told it; in the record of the first unit only.
    #[serde(default)]
    pub(super) held_out: Option<HeldOut>,
    /// How far the query lies from the reference; in the record of the first unit only.
    #[serde(default)]
    pub(super) space: Option<SpaceReport>,
}

impl Joined {
    /// Whether any query cell has a neighbour.
    pub(super) fn has_neighbors(&self) -> bool {
        self.statuses[MappingStatus::Ok as usize] > 0
    }

    fn restore(&mut self, record: &Self) {
        self.sums.restore(&record.sums);
        self.statuses.iter_mut().zip(record.statuses).for_each(|(all, unit)| *all += unit);
        self.excluded = record.excluded;
    }
}

/// The recall that was measured before the first unit, if that one is committed. It is measured again where it is not: what told it stands there
/// only.
pub(super) fn measured(store: &MappingStore) -> Result<Option<Measured>> {
    let record = store.committed(Stage::Joined, 0);
    let Some(Joined { recall: Some(recall), held_out, space, .. }) =
        record.map(|record| recorded(store, &record)).transpose()?
    else {
        return Ok(None);
    };
    Ok(Some(Measured { recall, held_out, space }))
}

fn recorded(store: &MappingStore, record: &Record) -> Result<Joined> {
    serde_json::from_value(record.extra.clone()).map_err(|error| Error::Corrupt {
        file: store.path().display().to_string(),
        block: format!("journal record of unit {}", record.unit),
        reason: error.to_string(),
    })
}

/// How the neighbours of a unit come about.
pub(super) enum Way<'a> {
    /// Its rows are joined; without lists with all of the reference.
    Joined(&'a dyn DistanceTile, Option<Lists<'a>>, Option<&'a BatchCodes<'a>>),
    /// They are found already, in another order.
    Gathered(Box<Gather<'a>>),
    /// They were found before.
    Imported(Box<Import<'a>>),
    /// They are found, and repaired before they are stored.
    Repaired(Box<RepairStage<'a>>),
}

/// Stores every unit that is not committed yet.
pub(super) fn run(
    prepared: &Prepared,
    store: &MappingStore,
    mut way: Way,
    measured: &Measured,
    progress: &Progress,
) -> Result<Joined> {
    let layout = prepared.spec.layout;
    let mut joined = Joined { recall: Some(measured.recall.clone()), ..Joined::default() };
    let mut pass: Option<Pass> = None;
    for unit in 0..layout.units() {
        let range = layout.unit(unit);
        if let Some(record) = store.committed(Stage::Joined, unit) {
            joined.restore(&recorded(store, &record)?);
            pass = None;
            continue;
        }
        let before = joined.statuses;
        let mut writer = store.begin(Stage::Joined, unit)?;
        match &mut way {
            Way::Gathered(gather) => gather.unit(&mut writer, &mut joined)?,
            Way::Imported(import) => import.unit(&mut writer, &mut joined)?,
            Way::Repaired(repair) => repair.unit(&mut writer, &mut joined)?,
            Way::Joined(tile, lists, codes) => {
                let pass = match &mut pass {
                    Some(pass) => pass,
                    none => none.insert(Pass::start(prepared, *tile, (*lists, *codes), progress, range.rows.start)?),
                };
                pass.unit(range.rows, &mut writer, &mut joined)?;
                prepared.note_failure(pass.device.as_ref());
            }
        }
        let statuses: Vec<u64> = joined.statuses.iter().zip(before).map(|(all, earlier)| all - earlier).collect();
        let (sums, excluded) = (joined.sums.since(range.rows.start), joined.excluded);
        let mut learned = json!({ "sums": sums, "statuses": statuses, "excluded": excluded, "recall": joined.recall });
        if let (0, Some(held_out)) = (unit, &measured.held_out) {
            learned["held_out"] = json!(held_out);
        }
        if let (0, Some(space)) = (unit, &measured.space) {
            learned["space"] = json!(space);
        }
        writer.commit(learned)?;
    }
    Ok(joined)
}

/// The lists of an index, and those that each query looks in.
#[derive(Clone, Copy)]
pub(super) struct Lists<'a> {
    pub(super) search: &'a ListJoin<'a>,
    pub(super) probes: Probes,
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
        let device = if codes.is_none() { on_device(prepared)? } else { None };
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

/// What a plan's device takes for the join, where there is one.
pub(super) fn on_device(prepared: &Prepared) -> Result<Option<OnDevice>> {
    let least = || DeviceSize::least(prepared.spec.k as usize, prepared.inputs.query_rows.dim());
    let size = prepared.sizes.device.unwrap_or_else(least);
    OnDevice::begin(&prepared.backend, prepared.resolved.parameters.metric, size)
}

/// Copies the names of some rows to their unit, band by band.
pub(super) fn copy_names(
    prepared: &Prepared,
    rows: RowRange,
    block: &mut StringBlock,
    writer: &mut UnitWriter,
    progress: &Progress,
) -> Result<()> {
    let names = &prepared.inputs.names;
    let mut next = rows.start;
    while next < rows.end {
        let last = names.band_end(next).min(rows.end);
        names.read(RowRange::new(next, last), block)?;
        writer.append_strings(NAMES, &block.bytes, &block.ends)?;
        progress.check()?;
        next = last;
    }
    Ok(())
}
