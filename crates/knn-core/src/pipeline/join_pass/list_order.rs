//! The join whose results go to runs: in the order of lists, where queries that lie near each other meet the lists around them, and in either order
//! where neighbours are repaired before they are stored.
//!
//! A work range is as many queries as a run holds. It is committed when its run is durable, and a process that goes on begins behind it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::joined::Measured;
use super::routed::{self, RoutedRows};
use super::search_stage::Lists;
use super::work_rows::{OwnRows, StoreRows, WorkRows};
use crate::error::{Error, Result};
use crate::join::{Barred, Ordered};
use crate::pipeline::agreement::HeldOut;
use crate::pipeline::finished::Finished;
use crate::pipeline::found::FoundRows;
use crate::pipeline::memory::runs::run_rows;
use crate::pipeline::order::Order;
use crate::pipeline::prepared::Prepared;
use crate::pipeline::report::RecallReport;
use crate::pipeline::space_report::SpaceReport;
use crate::progress::Progress;
use crate::store::{RunBuffer, RunLedger, Stage};
use crate::types::{NeighborBlock, Tile};

/// What the first range's record keeps, because a process that goes on may have nothing left to ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::pipeline) struct Searched {
    recall: RecallReport,
    /// The queries that told it.
    held_out: Option<HeldOut>,
    #[serde(default)]
    space: Option<SpaceReport>,
    /// Reference rows that cannot be compared.
    pub(in crate::pipeline) excluded: u64,
}

impl Searched {
    /// The recall that was measured before the first range.
    pub(in crate::pipeline) fn measured(self) -> Measured {
        Measured { recall: self.recall, held_out: self.held_out, space: self.space }
    }
}

/// What the ranges before this one have learned, if there are any.
pub(in crate::pipeline) fn searched(ledger: &RunLedger) -> Result<Option<Searched>> {
    let read = |extra: &serde_json::Value| serde_json::from_value(extra.clone());
    ledger.extra(Stage::Found).map(read).transpose().map_err(|error| Error::Corrupt {
        file: ledger.path().display().to_string(),
        block: "journal record of a run".into(),
        reason: error.to_string(),
    })
}

/// A block of queries, and their rows in the output.
#[derive(Default)]
struct Block {
    queries: Tile,
    rows: Vec<i64>,
}

/// Finds the neighbours of all queries that are left. `lap` is told the name of a stage that ends before the join.
pub(in crate::pipeline) fn run(
    prepared: &Prepared,
    ledger: &mut RunLedger,
    lists: Lists,
    measured: &Measured,
    progress: &Progress,
    mut lap: impl FnMut(&str) + Send,
) -> Result<()> {
    let (n_obs, source) = (prepared.spec.layout.n_obs(), &prepared.inputs.query_rows);
    let (index, found) = (lists.search.index(), ledger.covered(Stage::Found));
    if prepared.resolved.self_mapping {
        let mut of_lists = OwnRows::from(index, source, prepared.resolved.parameters.metric, found);
        let mut of_store = StoreRows::from(prepared, found);
        let in_lists = prepared.sizes.order == Some(Order::Lists);
        let work: &mut dyn WorkRows = if in_lists { &mut of_lists } else { &mut of_store };
        progress.begin("join", n_obs, found);
        search(prepared, ledger, work, lists, measured, progress)?;
    } else {
        progress.begin("route", n_obs, ledger.covered(Stage::Routed));
        routed::route(prepared, ledger, lists.search, progress)?;
        let shape = routed::shape_of(lists.search);
        let runs = ledger.runs(Stage::Routed, shape, progress)?;
        progress.end();
        lap("route");
        progress.begin("join", n_obs, found);
        search(prepared, ledger, &mut RoutedRows::from(&runs, shape, found)?, lists, measured, progress)?;
        drop(runs);
        ledger.end_stage(Stage::Routed)?;
    }
    Ok(())
}

/// Joins the queries that are left in the order of lists.
fn search(
    prepared: &Prepared,
    ledger: &mut RunLedger,
    work: &mut dyn WorkRows,
    lists: Lists,
    measured: &Measured,
    progress: &Progress,
) -> Result<()> {
    let (sizes, metric) = (&prepared.sizes, prepared.resolved.parameters.metric);
    let (form, n_obs) = (FoundRows::new(&prepared.spec)?, prepared.spec.layout.n_obs());
    let run_rows = sizes.run_rows.unwrap_or_else(|| run_rows(form.shape(), sizes.found_bytes));
    let block_rows = sizes.block_rows.min(run_rows);
    let k = prepared.spec.k as usize;
    let mut nearest = NeighborBlock { k, ..NeighborBlock::default() };
    let (mut here, mut ahead, mut ordered) = (Block::default(), Block::default(), Ordered::default());
    let (mut finished, mut finished_rows) = (Finished::default(), Vec::new());
    finished.nearest.k = k;
    let ledger_is_new = ledger.covered(Stage::Found) == 0;
    let mut range = Range {
        form,
        run_rows,
        end: ledger.covered(Stage::Found),
        ledger,
        buffer: RunBuffer::new(form.shape()),
        record: Vec::new(),
        // In one record only: with labels it may be long, and ranges are many.
        extra: if ledger_is_new {
            json!(Searched {
                recall: measured.recall.clone(),
                held_out: measured.held_out.clone(),
                space: measured.space.clone(),
                excluded: lists.search.excluded(),
            })
        } else {
            serde_json::Value::Null
        },
    };
    range.buffer.reserve(run_rows.min(n_obs - range.end) as usize);
    let mut device = prepared.on_device()?;
    work.next(block_rows, &mut ahead.queries, &mut ahead.rows)?;
    while !ahead.rows.is_empty() {
        std::mem::swap(&mut here, &mut ahead);
        let Block { queries, rows } = &here;
        nearest.ids.resize(rows.len() * k, -1);
        nearest.distances.resize(rows.len() * k, f32::NAN);
        let own = prepared.resolved.self_mapping.then_some(rows.as_slice());
        let (nearest_too, ordered_too) = (&mut nearest, &mut ordered);
        let visit = || match &mut device {
            Some(device) => {
                lists.search.join_on(device, queries, lists.probes, own, (nearest_too, ordered_too), progress)
            }
            None => lists.search.join(queries, lists.probes, Barred::own(own), nearest_too, ordered_too, progress),
        };
        // Meanwhile the block before goes to its run, and the next one is read.
        let meanwhile = || {
            range.push(&finished_rows, &finished)?;
            work.next(block_rows, &mut ahead.queries, &mut ahead.rows)
        };
        let (found, done) = rayon::join(visit, meanwhile);
        found?;
        done?;
        finished.take(&mut nearest, queries, metric);
        finished_rows.clone_from(rows);
        progress.advance(rows.len() as u64)?;
    }
    prepared.note_device(device.as_mut());
    range.push(&finished_rows, &finished)?;
    range.commit()?;
    let end = range.ledger.covered(Stage::Found);
    if end == n_obs {
        return Ok(());
    }
    Err(Error::Corrupt {
        file: lists.search.index().path().display().to_string(),
        block: "lists".into(),
        reason: format!("{end} rows instead of {n_obs}"),
    })
}

/// The work range at hand: what was found and is not committed.
struct Range<'a> {
    form: FoundRows,
    run_rows: u64,
    /// The place in the order of work up to which queries are in `buffer`.
    end: u64,
    ledger: &'a mut RunLedger,
    buffer: RunBuffer,
    record: Vec<u8>,
    extra: serde_json::Value,
}

impl Range<'_> {
    /// Adds a block, after a commit if there is no room for it.
    fn push(&mut self, rows: &[i64], found: &Finished) -> Result<()> {
        if self.buffer.len() as u64 + rows.len() as u64 > self.run_rows {
            self.commit()?;
        }
        self.form.push(rows, found, &mut self.buffer, &mut self.record)?;
        self.end += rows.len() as u64;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.ledger.commit(Stage::Found, self.end, &mut self.buffer, self.extra.take())
    }
}
