//! Finished scores of the groups, group after group: in memory, or where that does not hold them in a file within the store that is written. It has a
//! temporary name, goes with what it is of, and is removed by whoever resumes a run that was killed.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::pipeline::start::WORKER;
use crate::store::{AtomicFile, PositionedFile, SealedFile, Vfs, temporary_name};
use crate::types::RowRange;

/// Name of the file, before it is made a temporary one.
const NAME: &str = "scores";

/// A score of every reference cell for every group.
pub(super) struct GroupScores {
    place: Place,
    n_ref: usize,
    bytes: Vec<u8>,
}

enum Place {
    Memory(Vec<f32>),
    Written(AtomicFile),
    /// The file is removed with the first of these.
    Disk(#[expect(dead_code, reason = "removes the file")] SealedFile, PositionedFile),
}

impl GroupScores {
    /// Of so many groups that fit into memory.
    pub(super) fn in_memory(n_ref: usize, groups: usize) -> Self {
        Self { place: Place::Memory(Vec::with_capacity(n_ref * groups)), n_ref, bytes: Vec::new() }
    }

    /// Of any number of groups, in a file below `store`.
    pub(super) fn on_disk(n_ref: usize, vfs: &Arc<dyn Vfs>, store: &Path) -> Result<Self> {
        let file = AtomicFile::create(vfs, &store.join(NAME), WORKER)?;
        Ok(Self { place: Place::Written(file), n_ref, bytes: Vec::new() })
    }

    /// Appends those of the next group.
    pub(super) fn push(&mut self, scores: &[f64]) -> Result<()> {
        let scores = scores.iter().map(|&score| score as f32);
        match &mut self.place {
            Place::Memory(all) => all.extend(scores),
            Place::Written(file) => {
                self.bytes.clear();
                self.bytes.extend(scores.flat_map(f32::to_ne_bytes));
                file.write_all(&self.bytes)?;
            }
            Place::Disk(..) => return Err(Error::internal("a group behind the last")),
        }
        Ok(())
    }

    /// All are there, and may be read.
    pub(super) fn end(self, store: &Path) -> Result<Self> {
        let place = match self.place {
            Place::Written(file) => {
                let sealed = file.seal_unsynced();
                Place::Disk(sealed, PositionedFile::open(&store.join(temporary_name(NAME, WORKER)))?)
            }
            place => place,
        };
        Ok(Self { place, n_ref: self.n_ref, bytes: Vec::new() })
    }

    /// Fills `scores` with those of one group and of these cells.
    pub(super) fn read(&self, group: usize, rows: RowRange, scores: &mut Vec<f32>) -> Result<()> {
        let first = group * self.n_ref + rows.start as usize;
        scores.clear();
        match &self.place {
            Place::Memory(all) => scores.extend_from_slice(&all[first..first + rows.len()]),
            Place::Disk(_, file) => {
                scores.resize(rows.len(), 0.0);
                file.read_exact_at(bytemuck::cast_slice_mut(scores), first as u64 * 4)?;
            }
            Place::Written(_) => return Err(Error::internal("scores that are still written")),
        }
        Ok(())
    }
}
