//! Repair as a stage of its own: the graph that was found lies in runs, and the units that are stored have repaired neighbours.
//!
//! So what a row's repair looks at is the graph before any repair, whichever unit is stored already, and a unit that is committed never changes.
//! Links are those neighbours, or between two stores the graph that the index of the reference keeps.
//! Where the memory has room for all references, their links are read once and their rows from the store once. Where it has not,
//! every block of queries reads both again, slab by slab: slow, but bounded.

use std::sync::Arc;

use super::gather::Buckets;
use super::joined::{Joined, Measured};
use super::rounding::{round, round_references};
use super::units::{Units, copy_names, store_units};
use crate::distance::DistanceTile;
use crate::error::{Error, Result};
use crate::index::{KeptBlock, KeptGraph};
use crate::join::{Hop, Links, Repair};
use crate::pipeline::finished::Finished;
use crate::pipeline::memory::repair::RepairShares;
use crate::pipeline::prepared::Prepared;
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::sink::{MappingStore, UnitWriter};
use crate::source::{RowSource, StringBlock};
use crate::store::RunLedger;
use crate::types::{MappingStatus, NeighborBlock, RowRange, Tile};

/// Stores the units that are not committed yet with repaired neighbours, and removes the runs.
pub(in crate::pipeline) fn run(
    prepared: &Prepared,
    store: &MappingStore,
    mut ledger: RunLedger,
    (hop, kept, measured): (Hop, Option<Arc<KeptGraph>>, &Measured),
    tile: &dyn DistanceTile,
    progress: &Progress,
) -> Result<Joined> {
    let mut stage = RepairStage::open(prepared, &mut ledger, (hop, kept), tile, progress)?;
    let joined = store_units(prepared, store, &mut stage, measured)?;
    progress.end();
    ledger.end()?;
    Ok(joined)
}

/// The graph that was found, and buffers that serve unit after unit.
pub(in crate::pipeline) struct RepairStage<'a> {
    prepared: &'a Prepared,
    progress: &'a Progress,
    shares: RepairShares,
    buckets: Buckets,
    /// The graph of the reference, where the query is another store.
    kept: Option<Arc<KeptGraph>>,
    repair: Repair<'a>,
    /// Links and rows of references: of all, or of a slab.
    links: Links,
    rows: Tile,
    /// The block at hand.
    queries: Tile,
    own: Vec<i64>,
    found: Finished,
    bucket: Finished,
    kept_block: KeptBlock,
    names: StringBlock,
}

impl<'a> RepairStage<'a> {
    /// Opens the runs. Where all references stay, reads them.
    fn open(
        prepared: &'a Prepared,
        ledger: &mut RunLedger,
        (hop, kept): (Hop, Option<Arc<KeptGraph>>),
        tile: &'a dyn DistanceTile,
        progress: &'a Progress,
    ) -> Result<Self> {
        let shares = prepared.sizes.repair.clone().ok_or_else(|| Error::internal("a repair that was not planned"))?;
        let metric = prepared.resolved.parameters.metric;
        let mut stage = Self {
            prepared,
            progress,
            shares,
            buckets: Buckets::open(prepared, ledger, progress)?,
            kept,
            repair: Repair::new(hop, metric, tile),
            links: Links::new(hop.r1, prepared.spec.n_ref),
            rows: Tile::default(),
            queries: Tile::default(),
            own: Vec::new(),
            found: Finished::default(),
            bucket: Finished::default(),
            kept_block: KeptBlock::default(),
            names: StringBlock::default(),
        };
        let all = RowRange::new(0, prepared.spec.n_ref);
        stage.links.reserve(stage.shares.link_rows as usize);
        if stage.shares.stays {
            // All of them fit, so none is looked up before the last is there.
            stage.links()?;
            TileReader::new(&prepared.inputs.reference_rows, all, metric).next(all.end, &mut stage.rows)?;
            round_references(&prepared.resolved, &mut stage.rows);
        }
        Ok(stage)
    }

    /// Repairs the queries of some buckets that follow each other, into `found`.
    fn block(&mut self, buckets: &[(u32, RowRange)], rows: RowRange, reader: &mut TileReader) -> Result<()> {
        let Self { prepared, progress, shares, repair, queries, own, found, bucket, .. } = self;
        let k = prepared.spec.k as usize;
        let Finished { nearest, statuses, .. } = found;
        *nearest = NeighborBlock { first_row: rows.start, k, ..std::mem::take(nearest) };
        nearest.ids.reserve_exact(rows.len() * k);
        nearest.distances.reserve_exact(rows.len() * k);
        for &(key, rows) in buckets {
            self.buckets.read(key, rows, bucket)?;
            nearest.ids.extend_from_slice(&bucket.nearest.ids);
            nearest.distances.extend_from_slice(&bucket.nearest.distances);
            statuses.extend_from_slice(&bucket.statuses);
        }
        own.clear();
        own.extend(rows.start as i64..rows.end as i64);
        let dim = prepared.inputs.query_rows.dim();
        let own = prepared.resolved.self_mapping.then_some(own.as_slice());
        let values = if shares.stays && own.is_some() {
            &self.rows.values[rows.start as usize * dim..rows.end as usize * dim]
        } else {
            reader.next(rows.end - rows.start, queries)?;
            round(&prepared.resolved, queries);
            &queries.values
        };
        repair.begin(values, dim, own, nearest);
        if shares.stays {
            repair.at_once(&self.links, &self.rows, progress)?;
        } else {
            self.slabs()?;
        }
        self.repair.end(&mut self.found.nearest);
        Ok(())
    }

    /// Shows the block all references, slab by slab: first their links, then their rows.
    fn slabs(&mut self) -> Result<()> {
        self.links()?;
        let Self { prepared, progress, shares, repair, links, rows, .. } = self;
        repair.look(links, progress)?;
        repair.settle();
        let (source, metric) = (&prepared.inputs.reference_rows, prepared.resolved.parameters.metric);
        let mut reader = TileReader::new(source, RowRange::new(0, source.rows()), metric);
        loop {
            reader.next(shares.slab_rows, rows)?;
            if rows.rows() == 0 {
                return Ok(());
            }
            round_references(&prepared.resolved, rows);
            repair.decide(rows, progress)?;
        }
    }

    /// Reads the links of all references, and looks those of a slab up when the next one begins. The last slab is left.
    fn links(&mut self) -> Result<()> {
        let Self { prepared, progress, shares, buckets, kept, repair, links, bucket, kept_block, .. } = self;
        let most = shares.link_rows;
        links.begin(0);
        if let Some(graph) = kept {
            for block in 0..graph.blocks() {
                progress.check()?;
                graph.read(block, kept_block)?;
                let (k, mut row, mut left) = (graph.neighbors(), kept_block.first_row, kept_block.ids.as_slice());
                while !left.is_empty() {
                    if links.rows() as u64 == most {
                        repair.look(links, progress)?;
                        links.begin(row);
                    }
                    let rows = (most - links.rows() as u64).min((left.len() / k) as u64);
                    let (some, others) = left.split_at(rows as usize * k);
                    links.push_ids(some, k);
                    (row, left) = (row + rows, others);
                }
            }
            return Ok(());
        }
        for unit in 0..prepared.spec.layout.units() {
            for (key, some) in buckets.form.buckets(unit) {
                progress.check()?;
                if links.rows() > 0 && (links.rows() + some.len()) as u64 > most {
                    repair.look(links, progress)?;
                    links.begin(some.start);
                }
                buckets.read(key, some, bucket)?;
                links.push(&bucket.nearest);
            }
        }
        Ok(())
    }
}

impl Units for RepairStage<'_> {
    fn unit(&mut self, writer: &mut UnitWriter, joined: &mut Joined) -> Result<()> {
        let range = writer.range();
        joined.excluded = self.buckets.excluded;
        let metric = self.prepared.resolved.parameters.metric;
        let mut reader = TileReader::new(&self.prepared.inputs.query_rows, range.rows, metric);
        let buckets: Vec<_> = self.buckets.form.buckets(range.unit).collect();
        let mut left = buckets.as_slice();
        while let [(_, first), ..] = left {
            // Whole buckets, at least one.
            let whole = left.iter().take_while(|(_, rows)| rows.end - first.start <= self.shares.block_rows).count();
            let (block, others) = left.split_at(whole.max(1));
            left = others;
            let end = block.last().map_or(first.end, |(_, rows)| rows.end);
            self.block(block, RowRange::new(first.start, end), &mut reader)?;
            let Finished { nearest, statuses, .. } = &self.found;
            for &status in statuses {
                joined.statuses[usize::from(status)] += 1;
            }
            joined.sums.add(nearest, |row| statuses[row] == MappingStatus::Ok as u8);
            self.found.store(writer, self.prepared.spec.n_ref)?;
            self.progress.advance(end - first.start)?;
        }
        copy_names(self.prepared, range.rows, &mut self.names, writer, self.progress)
    }
}
