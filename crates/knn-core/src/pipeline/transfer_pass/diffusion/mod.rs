//! Diffusion between join and transfer, in self-mapping: t applications of M to the data, block of columns after block of columns.
//!
//! M is made once and goes to disk, row-normalised, in the order of its rows (`matrix`). Data are numbers in lanes: labels as one lane for every
//! category, numbers as three, embeddings and expression as they are (`lanes`). A step reads M once, for as many lanes as have all their rows in
//! memory; where not even one has, it is read once for each band of rows (`steps`). So the memory bounds how often M is read and nothing else, and since every sum
//! runs in one order no result depends on it. What a step gives is committed, the state before it is gone then, and transfer reads the last of each
//! block (`finals`).

mod blocks;
mod finals;
mod lanes;
mod matrix;
mod steps;

pub(in crate::pipeline) use finals::{Diffused, Key};

use std::path::PathBuf;
use std::sync::Arc;

use self::lanes::Lanes;
use self::steps::Steps;
use super::weigher::Weigher;
use crate::budget::MemoryBudget;
use crate::error::Result;
use crate::pipeline::places::place;
use crate::pipeline::prepared::Prepared;
use crate::pipeline::request::Resolved;
use crate::progress::Progress;
use crate::sink::{MappingStore, Stage};
use crate::store::{RunLedger, Vfs};

/// The folder of states and weights.
fn folder(resolved: &Resolved) -> Result<PathBuf> {
    place(resolved, ".steps")
}

/// Whether a run diffuses anything.
fn is_used(prepared: &Prepared) -> bool {
    prepared.resolved.parameters.diffusion.is_some() && prepared.spec.stages().contains(&Stage::Transferred)
}

/// Where states would go nothing else may be. A run that goes on finds its own there.
pub(in crate::pipeline) fn check(prepared: &Prepared, vfs: &dyn Vfs) -> Result<()> {
    if !is_used(prepared) || prepared.resolved.resume {
        return Ok(());
    }
    RunLedger::check(vfs, &folder(&prepared.resolved)?)
}

/// Diffuses all that is transferred; none where that is one step, or nothing is left to transfer.
pub(in crate::pipeline) fn run(
    prepared: &Prepared,
    store: &MappingStore,
    weigher: &mut Weigher,
    (vfs, budget): (&Arc<dyn Vfs>, &MemoryBudget),
    progress: &Progress,
) -> Result<Option<Diffused>> {
    if !is_used(prepared) {
        return Ok(None);
    }
    let (folder, run, layout) = (folder(&prepared.resolved)?, &prepared.spec.run, prepared.spec.layout);
    if (0..layout.units()).all(|unit| store.committed(Stage::Transferred, unit).is_some()) {
        // What a process left that was stopped right behind its last unit.
        if !store.is_complete() && vfs.exists(&folder)? {
            RunLedger::open(vfs, &folder, run, false)?.end()?;
        }
        return Ok(None);
    }
    let _lease = budget.take("the state", prepared.sizes.after.state_lease)?;
    let mut ledger = RunLedger::open(vfs, &folder, run, prepared.resolved.resume)?;
    matrix::write(prepared, store, weigher, &mut ledger, progress)?;
    let lanes = Lanes::of(prepared, progress)?;
    let mut steps = Steps::new(prepared, &lanes, ledger, vfs)?;
    steps.run(progress)?;
    steps.end().map(Some)
}
