//! The representation of a mapping for which none was named and none is stored: computed before the mapping, beside its output, and gone with
//! its end.
//!
//! What it is decides the run as its own hash does: of its content and parameters. So a plan, which computes nothing, and a run that goes on
//! when it is computed, or no longer needed, are of one run.

use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::joint_resolved;
use super::prepared::Prepared;
use crate::error::{Error, Result};
use crate::pipeline::bundle;
use crate::pipeline::places::is_begun;
use crate::pipeline::plan::{planned, pool};
use crate::pipeline::report::{MemoryPlan, Plan};
use crate::pipeline::request::{Representation, Resolved, ResolvedJoint, joint_key};
use crate::pipeline::run::Seams;
use crate::pipeline::search_stage::place;
use crate::progress::Progress;
use crate::sink::{self, Found, find};
use crate::source::{AnnDataStore, FirstColumns, RowSource};
use crate::store::Vfs;
use crate::types::{DType, RowRange, Tile};

/// A representation that is computed for a run.
#[derive(Debug, Clone)]
pub struct Computed {
    request: ResolvedJoint,
    /// Whether it is another run's, which computes it, counts what that costs, and removes it.
    lent: bool,
    /// Where it is, once it is there.
    stored: bool,
    count: u64,
    run: String,
    memory: MemoryPlan,
    disk_bytes: u64,
    read_bytes: u64,
    seconds: f64,
    warnings: Vec<String>,
}

/// What CellMapper warns of.
fn warning(request: &ResolvedJoint) -> String {
    let (within, by) = match &request.reference {
        None => (" and self-mapping mode detected", "using PCA".to_owned()),
        Some(_) => ("", format!("using '{}'", request.method())),
    };
    format!(
        "No representation provided (`use_rep=None`){within}. Computing a joint representation automatically {by}. For optimal results, \
         consider pre-computing a representation, as the command pca does, and passing it to `use_rep`."
    )
}

/// Settles which representation a run takes: the one that was named, the usual one where it is stored, or one to be computed.
pub(in crate::pipeline) fn settle(resolved: &mut Resolved, progress: &Progress) -> Result<()> {
    let Representation::Usual { is_canonical, seed } = resolved.representation else { return Ok(()) };
    let both =
        || Ok(lacks(&resolved.query, progress)? && (resolved.self_mapping || lacks(&resolved.reference, progress)?));
    let is_needed = resolved.search.index.is_none() && both()?;
    if !is_needed {
        resolved.representation = Representation::Stored;
        if resolved.bundled {
            let own = bundle::representation(&AnnDataStore::open(&resolved.reference)?)?;
            resolved.parameters.use_rep = own.unwrap_or_else(|| resolved.parameters.use_rep.clone());
        }
        return Ok(());
    }
    let outputs = [".query-rep.zarr", ".reference-rep.zarr"]
        .map(|ending| resolved.output.as_ref().map(|_| place(resolved, ending)).transpose());
    let [output, reference_output] = outputs;
    let request = ResolvedJoint {
        query: resolved.query.clone(),
        reference: (!resolved.self_mapping).then(|| resolved.reference.clone()),
        is_canonical,
        output: output?,
        reference_output: reference_output?.filter(|_| !resolved.self_mapping),
        layer: "X".into(),
        mask_var: None,
        n_comps: resolved.parameters.n_comps,
        key_added: joint_key(is_canonical).into(),
        obs_keys: Some(Vec::new()),
        solver: "auto".into(),
        seed,
        memory: resolved.memory,
        threads: resolved.threads,
        resume: false,
        overwrite: true,
        layout: resolved.layout,
        compact: resolved.compact,
    };
    let prepared = pool(request.threads)?.install(|| Prepared::open(&request, progress))?;
    let seconds = prepared.seconds(request.threads);
    let mut warnings = vec![warning(&request)];
    warnings.extend(prepared.warnings.iter().cloned());
    resolved.parameters.use_rep.clone_from(&request.key_added);
    resolved.representation = Representation::Computed(Box::new(Computed {
        request,
        lent: false,
        stored: false,
        count: prepared.count,
        disk_bytes: prepared.disk_bytes(),
        read_bytes: prepared.read_bytes(),
        run: prepared.run,
        memory: prepared.memory,
        seconds,
        warnings,
    }));
    Ok(())
}

/// Whether a store has no usual representation, and a matrix to compute one of.
fn lacks(path: &Path, progress: &Progress) -> Result<bool> {
    let store = AnnDataStore::open_while(path, progress)?;
    let has = |path: &str| matches!(store.container().node(path), Ok(Some(_)));
    Ok(!has("obsm/X_pca") && has("X"))
}

/// Adds to a plan what computing costs, and tells of it.
pub(in crate::pipeline) fn add_costs(resolved: &Resolved, plan: &mut Plan) {
    let Representation::Computed(computed) = &resolved.representation else { return };
    if computed.lent {
        return;
    }
    plan.read_bytes = plan.read_bytes.saturating_add(computed.read_bytes);
    plan.search.run_bytes = plan.search.run_bytes.saturating_add(computed.disk_bytes);
    plan.estimated_seconds += computed.seconds;
    if computed.memory.planned > plan.memory.planned {
        plan.memory = computed.memory.clone();
    }
    plan.warnings.splice(0..0, computed.warnings.iter().cloned());
}

/// Computes what a run needs, or goes on with it. Nothing is computed for a run that would be refused, or that is finished.
pub(in crate::pipeline) fn compute(mut resolved: Resolved, progress: &Progress, seams: &Seams) -> Result<Resolved> {
    settle(&mut resolved, progress)?;
    let Representation::Computed(computed) = &resolved.representation else { return Ok(resolved) };
    let Some(output) = resolved.output.as_ref().filter(|_| !computed.stored) else { return Ok(resolved) };
    planned(resolved.clone(), progress)?;
    if resolved.resume && matches!(find(&*seams.vfs, output)?, Found::Ours { complete: true, .. }) {
        return Ok(resolved);
    }
    let begun = |path: &Path| is_begun(&*seams.vfs, path);
    let resume = resolved.resume && computed.request.output.as_deref().map_or(Ok(false), begun)?;
    if resolved.resume && !resume && !begun(output)? {
        let store = output.display().to_string();
        let (kind, key) = ("run to resume".into(), store.clone());
        return Err(Error::NotFound { store, kind, key, available: Vec::new() });
    }
    let request = ResolvedJoint { resume, overwrite: !resume, ..computed.request.clone() };
    joint_resolved(&request, progress, &seams.vfs)?;
    if let Representation::Computed(computed) = &mut resolved.representation {
        computed.stored = true;
    }
    Ok(resolved)
}

/// The representation of a run for the other runs that it needs.
pub(in crate::pipeline) fn lent(representation: &Representation) -> Representation {
    let mut lent = representation.clone();
    if let Representation::Computed(computed) = &mut lent {
        computed.lent = true;
    }
    lent
}

/// Whether the representation of a run is computed for it.
pub(in crate::pipeline) fn is_computed(resolved: &Resolved) -> bool {
    matches!(resolved.representation, Representation::Computed(_))
}

/// Removes what was computed for a run that is finished.
pub(in crate::pipeline) fn discard(resolved: &Resolved, vfs: &Arc<dyn Vfs>) -> Result<()> {
    let Representation::Computed(computed) = &resolved.representation else { return Ok(()) };
    if computed.lent {
        return Ok(());
    }
    let outputs = [&computed.request.output, &computed.request.reference_output];
    let there: Vec<_> = outputs.into_iter().flatten().filter(|path| path.exists()).collect();
    there.iter().try_for_each(|path| sink::discard(vfs, path))?;
    // Nobody looks for them again once the run is told to be done.
    let folder = there.first().and_then(|path| path.parent());
    folder.map_or(Ok(()), |folder| vfs.sync_dir(folder))
}

/// The representation of a store of a run.
pub(in crate::pipeline) fn rows(resolved: &Resolved, path: &Path, store: &AnnDataStore) -> Result<Arc<dyn RowSource>> {
    if let Representation::Computed(computed) = &resolved.representation {
        return computed.rows(path, store);
    }
    let rows = store.representation(&resolved.parameters.use_rep)?;
    Ok(match resolved.parameters.n_comps {
        Some(columns) => FirstColumns::of(rows, columns),
        None => rows,
    })
}

impl Computed {
    /// The rows of a store.
    fn rows(&self, path: &Path, store: &AnnDataStore) -> Result<Arc<dyn RowSource>> {
        let is_reference = self.request.reference.as_deref() == Some(path);
        let output = if is_reference { &self.request.reference_output } else { &self.request.output };
        let rows = match output.as_ref().filter(|_| self.stored) {
            Some(output) => Some(AnnDataStore::open(output)?.representation(&self.request.key_added)?),
            None => None,
        };
        let number = u8::from(is_reference);
        let fingerprint = xxh3_128(format!("{} {number}", self.run).as_bytes());
        Ok(Arc::new(ComputedStore {
            name: format!("{}/{} computed of {}", store.name(), self.request.key_added, self.request.layer),
            cells: store.n_obs(),
            dim: self.count as usize,
            fingerprint,
            rows,
        }))
    }
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
