//! The transpose of a stored graph, between join and transfer: every edge goes to runs, sorted by the row that it ends in, with what its own
//! row made of it.
//!
//! A work range is the rows whose edges a run holds. It is committed when its run is durable, so an interrupted run goes on behind the last
//! one. The runs are gone when the last unit is transferred; where units are found damaged after that, they are made again.

use std::path::PathBuf;
use std::sync::Arc;

use super::stored_rows::StoredRows;
use crate::error::{Error, Result};
use crate::graph::ReverseReader;
use crate::kernel::{Kernel, KernelMethod, Symmetrize, adaptive_sigma};
use crate::pipeline::places::place;
use crate::pipeline::prepared::Prepared;
use crate::pipeline::request::Resolved;
use crate::progress::Progress;
use crate::sink::{MappingStore, Stage};
use crate::store::{RunBuffer, RunLedger, Vfs};

/// The edges that enter each row, while they are needed.
pub(in crate::pipeline) struct Reverse {
    ledger: RunLedger,
    pub(in crate::pipeline) reader: ReverseReader,
    pub(in crate::pipeline) symmetrize: Symmetrize,
}

impl Reverse {
    /// Removes the runs.
    pub(in crate::pipeline) fn end(self) -> Result<()> {
        drop(self.reader);
        self.ledger.end()
    }
}

/// The folder of the runs.
fn folder(resolved: &Resolved) -> Result<PathBuf> {
    place(resolved, ".edges")
}

/// Where runs would go nothing else may be. A run that goes on finds its own there.
pub(in crate::pipeline) fn check(prepared: &Prepared, vfs: &dyn Vfs) -> Result<()> {
    if prepared.sizes.after.reverse.is_none() || prepared.resolved.resume {
        return Ok(());
    }
    RunLedger::check(vfs, &folder(&prepared.resolved)?)
}

/// Sorts all edges by the row that they end in, and opens them; none where weights are not symmetrised, or nothing is left to transfer.
pub(in crate::pipeline) fn run(
    prepared: &Prepared,
    store: &MappingStore,
    vfs: &Arc<dyn Vfs>,
    kernel: &Kernel,
    progress: &Progress,
) -> Result<Option<Reverse>> {
    let Some(shares) = prepared.sizes.after.reverse else { return Ok(None) };
    let (folder, layout, run) = (folder(&prepared.resolved)?, prepared.spec.layout, &prepared.spec.run);
    let is_done = (0..layout.units()).all(|unit| store.committed(Stage::Transferred, unit).is_some());
    if is_done {
        // What a process left that was stopped right behind its last unit.
        if !store.is_complete() && vfs.exists(&folder)? {
            RunLedger::open(vfs, &folder, run, false)?.end()?;
        }
        return Ok(None);
    }
    let mut ledger = RunLedger::open(vfs, &folder, run, prepared.resolved.resume)?;
    let mut next = ledger.covered(Stage::Reversed);
    progress.begin("reverse", layout.n_obs(), next);
    let mut rows = StoredRows::open(store.path(), layout)?;
    let own = prepared.resolved.parameters.self_edges;
    let most = prepared.sizes.run_rows.unwrap_or(shares.run_edges);
    let mut buffer = RunBuffer::new(shares.form.shape());
    buffer.reserve(most.min((layout.n_obs() - next).saturating_mul(prepared.spec.k)) as usize);
    let mut values = Vec::new();
    while next < layout.n_obs() {
        let block = rows.read(next, layout.n_obs())?;
        kernel.carry(block, own, &mut values);
        for (row, of_row) in values.chunks_exact(block.k + 1).enumerate() {
            let (ids, _) = block.row(row);
            let source = block.first_row + row as u64;
            if !buffer.is_empty() && (buffer.len() + ids.len()) as u64 > most {
                ledger.commit(Stage::Reversed, source, &mut buffer, serde_json::Value::Null)?;
            }
            // Its own edge ends where it begins: transfer knows it without being told.
            for (&target, &value) in ids.iter().zip(&of_row[1..]) {
                shares.form.push(source, target as u64, value, &mut buffer)?;
            }
        }
        next += block.rows() as u64;
        progress.advance(block.rows() as u64)?;
    }
    if ledger.covered(Stage::Reversed) < next {
        ledger.commit(Stage::Reversed, next, &mut buffer, serde_json::Value::Null)?;
    }
    drop(buffer);
    let runs = ledger.runs(Stage::Reversed, shares.form.shape(), progress)?;
    progress.end();
    let reader = ReverseReader::new(shares.form, runs, shares.window_edges);
    let symmetrize = Symmetrize::from_name(&prepared.resolved.parameters.symmetrize);
    let symmetrize = symmetrize.ok_or_else(|| Error::internal("an unknown way to symmetrise"))?;
    Ok(Some(Reverse { ledger, reader, symmetrize }))
}

/// The bandwidths of all cells, where the kernel has them.
pub(in crate::pipeline) fn sigmas(prepared: &Prepared, store: &MappingStore, progress: &Progress) -> Result<Vec<f32>> {
    if prepared.resolved.parameters.kernel_method != KernelMethod::AdaptiveGauss.name() {
        return Ok(Vec::new());
    }
    let layout = prepared.spec.layout;
    let mut rows = StoredRows::open(store.path(), layout)?;
    let mut sigmas = Vec::with_capacity(layout.n_obs() as usize);
    while (sigmas.len() as u64) < layout.n_obs() {
        let block = rows.read(sigmas.len() as u64, layout.n_obs())?;
        sigmas.extend((0..block.rows()).map(|row| adaptive_sigma(block.row(row).1)));
        progress.check()?;
    }
    Ok(sigmas)
}
