//! The representation of a store of a run: one that it has, or one that is computed for the run.

use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Error, Result};
use crate::pipeline::request::{Computed, Representation, Resolved};
use crate::source::{AnnDataStore, FirstColumns, RowSource};
use crate::types::{DType, RowRange, Tile};

/// The representation of a store of a run.
pub(in crate::pipeline) fn rows(resolved: &Resolved, path: &Path, store: &AnnDataStore) -> Result<Arc<dyn RowSource>> {
    if let Representation::Computed(computed) = &resolved.representation {
        return computed_rows(computed, path, store);
    }
    let rows = store.representation(&resolved.parameters.use_rep)?;
    Ok(match resolved.parameters.n_comps {
        Some(columns) => FirstColumns::of(rows, columns),
        None => rows,
    })
}

/// The rows of a store.
fn computed_rows(computed: &Computed, path: &Path, store: &AnnDataStore) -> Result<Arc<dyn RowSource>> {
    let is_reference = computed.request.reference.as_deref() == Some(path);
    let output = if is_reference { &computed.request.reference_output } else { &computed.request.output };
    let rows = match output.as_ref().filter(|_| computed.stored) {
        Some(output) => Some(AnnDataStore::open(output)?.representation(&computed.request.key_added)?),
        None => None,
    };
    let number = u8::from(is_reference);
    let fingerprint = xxh3_128(format!("{} {number}", computed.run).as_bytes());
    Ok(Arc::new(ComputedStore {
        name: format!("{}/{} computed of {}", store.name(), computed.request.key_added, computed.request.layer),
        cells: store.n_obs(),
        dim: computed.count as usize,
        fingerprint,
        rows,
    }))
}

/// The computed representation of one store. In a plan there are no rows.
struct ComputedStore {
    name: String,
    cells: u64,
    dim: usize,
    fingerprint: u128,
    rows: Option<Arc<dyn RowSource>>,
}

impl RowSource for ComputedStore {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn rows(&self) -> u64 {
        self.cells
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn dtype(&self) -> DType {
        DType::Float32
    }

    /// Its chunks are read in place.
    fn natural_tile_rows(&self) -> u64 {
        self.rows.as_ref().map_or(1, RowSource::natural_tile_rows)
    }

    fn band_end(&self, row: u64) -> u64 {
        self.rows.as_ref().map_or((row + 1).min(self.cells), |rows| rows.band_end(row))
    }

    fn scratch_bytes(&self, count: u64) -> u64 {
        // Indexes of shards that are open.
        self.rows.as_ref().map_or(1 << 16, |rows| rows.scratch_bytes(count))
    }

    fn stored_bytes(&self) -> u64 {
        self.cells.saturating_mul(self.dim as u64 * 4)
    }

    fn read(&self, rows: RowRange, tile: &mut Tile) -> Result<()> {
        let stored = self.rows.as_ref();
        stored.ok_or_else(|| Error::internal(format!("{} is not computed", self.name)))?.read(rows, tile)
    }

    fn preflight(&self) -> Result<()> {
        self.rows.as_ref().map_or(Ok(()), RowSource::preflight)
    }

    fn fingerprint(&self, _: u64) -> Result<u128> {
        Ok(self.fingerprint)
    }
}
