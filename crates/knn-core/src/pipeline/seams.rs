//! What a test may replace in a run.

use std::sync::Arc;

use super::inputs::Inputs;
use super::memory::passing::Passing;
use super::memory::sizes::Sizes;
use crate::distance::Lane;
use crate::gpu::Backend;
use crate::store::{OsVfs, Vfs};

/// What a test may replace. Nothing of it changes a result.
#[derive(Clone)]
pub struct Seams {
    /// Where every write goes.
    pub vfs: Arc<dyn Vfs>,
    /// Query rows in flight, instead of what the budget gives.
    pub block_rows: Option<u64>,
    /// Reference rows in memory, instead of what the budget gives.
    pub slab_rows: Option<u64>,
    /// Rows of a run in the order of lists, instead of what the budget gives.
    pub run_rows: Option<u64>,
    /// Bytes of rows that wait for matrices of the reference, instead of what the budget gives; then every matrix passes by.
    pub waiting_bytes: Option<u64>,
    /// Bytes of a state of diffusion, instead of what the budget gives.
    pub state_bytes: Option<u64>,
    /// Lane of the distance tile, instead of the best.
    pub lane: Lane,
    /// What selects, instead of what the plan found.
    pub backend: Option<Backend>,
}

impl Default for Seams {
    fn default() -> Self {
        Self {
            vfs: Arc::new(OsVfs),
            block_rows: None,
            slab_rows: None,
            run_rows: None,
            waiting_bytes: None,
            state_bytes: None,
            lane: Lane::best(),
            backend: None,
        }
    }
}

impl Seams {
    pub(super) fn replace(&self, sizes: &mut Sizes, inputs: &Inputs) {
        sizes.block_rows = self.block_rows.unwrap_or(sizes.block_rows);
        sizes.slab_rows = self.slab_rows.unwrap_or(sizes.slab_rows);
        sizes.run_rows = self.run_rows;
        sizes.after.state = self.state_bytes.unwrap_or(sizes.after.state);
        // What is diffused is looked at in another way.
        if let Some(bytes) = self.waiting_bytes.filter(|_| sizes.after.state == 0) {
            let embeddings = (0..inputs.embeddings.len()).collect();
            let passing = Passing { embeddings, expression: inputs.expression.is_some(), waiting_bytes: bytes };
            sizes.after.passing = passing;
        }
        if let Some(repair) = &mut sizes.repair {
            repair.replace(self.block_rows, self.slab_rows);
        }
    }
}
