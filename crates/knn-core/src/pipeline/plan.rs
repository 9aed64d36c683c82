//! From a request to a resolved run: everything is opened, checked and counted, and nothing is written.

use std::path::{Component, Path, PathBuf};

use rayon::ThreadPool;
use serde::Serialize;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_128;

use super::inputs::Inputs;
use super::memory::{self, Sizes};
use super::outputs;
use super::report::{OutputLayout, Plan, Side};
use super::request::{LayoutRequest, MapRequest, Parameters, Resolved};
use crate::error::{Error, Result};
use crate::sink::{Layout, StoreSpec, planned_bytes};
use crate::source::{AnnDataStore, RowSource, ZarrRows};

/// Name of the one worker of a run in this process.
pub(super) const WORKER: &str = "worker-0";
/// Version of the output's layout and of the numbers in it: part of the run hash.
const RESULT_VERSION: u32 = 1;
/// Pairs a second of one core, and bytes a second of a disk: for estimates only.
const PAIRS_PER_SECOND: f64 = 0.6e9;
const BYTES_PER_SECOND: f64 = 0.4e9;

/// A run that may start.
pub(super) struct Prepared {
    pub(super) resolved: Resolved,
    pub(super) inputs: Inputs,
    pub(super) spec: StoreSpec,
    pub(super) sizes: Sizes,
    pub(super) plan: Plan,
}

/// What the run hash covers: whatever changes a byte of the result. A struct, so that its JSON has one order of fields.
#[derive(Serialize)]
struct Identity<'a> {
    version: u32,
    mode: &'a str,
    parameters: &'a Parameters,
    layout: LayoutRequest,
    inputs: Vec<String>,
}

/// What `run` would do and cost. Writes nothing; fails where `run` would refuse to start.
pub fn plan(request: &MapRequest) -> Result<Plan> {
    prepare(request).map(|(prepared, _)| prepared.plan)
}

/// Everything up to the first write. What reading takes depends on the threads that read, so this runs in the run's own pool.
pub(super) fn prepare(request: &MapRequest) -> Result<(Prepared, ThreadPool)> {
    let resolved = request.resolve()?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(resolved.threads)
        .thread_name(|number| format!("gigamapper-{number}"))
        .build()
        .map_err(|error| Error::Backend {
            backend: "cpu".into(),
            reason: error.to_string(),
            remedy: "ask for fewer threads".into(),
        })?;
    let prepared = pool.install(|| check(resolved))?;
    Ok((prepared, pool))
}

fn check(resolved: Resolved) -> Result<Prepared> {
    if let Some(output) = &resolved.output {
        check_output(output, &resolved)?;
    }
    let inputs = Inputs::open(&resolved)?;
    inputs.preflight()?;
    let parameters = &resolved.parameters;
    let (n_obs, n_ref) = (inputs.query.n_obs(), inputs.reference.n_obs());
    let k = parameters.n_neighbors - u64::from(resolved.self_mapping);
    let wanted = resolved.layout;
    let layout = Layout::new(n_obs, wanted.inner_rows, wanted.inner_per_unit, wanted.part_rows)?;
    let mode = if resolved.self_mapping { "self" } else { "cross" };
    let inputs_hash = inputs.fingerprints()?;
    let identity = Identity { version: RESULT_VERSION, mode, parameters, layout: wanted, inputs: inputs_hash };
    let identity = serde_json::to_vec(&identity).map_err(|error| Error::internal(error.to_string()))?;
    let run = format!("{:032x}", xxh3_128(&identity));
    let arrays = outputs::arrays(&inputs, parameters, k);
    // What stands in the store must not depend on where the inputs lie or how much memory there was.
    let told = json!({ "mode": mode, "parameters": parameters, "n_obs": n_obs, "n_ref": n_ref, "k": k });
    let spec = StoreSpec { layout, n_ref, k, run: run.clone(), plan: told, arrays };
    spec.check(WORKER)?;
    let sizes = memory::share(&resolved, &inputs, &spec)?;

    let pairs = n_obs.saturating_mul(n_ref);
    let reference_bytes = inputs.reference_rows.stored_bytes().saturating_mul(sizes.reference_passes);
    let read_bytes = inputs.query_rows.stored_bytes().saturating_add(reference_bytes);
    let disk_bytes = planned_bytes(&spec);
    let threads = resolved.threads as u64;
    let estimated_seconds =
        pairs as f64 / (PAIRS_PER_SECOND * threads as f64) + (read_bytes + disk_bytes) as f64 / BYTES_PER_SECOND;
    let plan = Plan {
        mode: mode.into(),
        query: side(&inputs.query, &inputs.query_rows),
        reference: side(&inputs.reference, &inputs.reference_rows),
        k,
        parameters: parameters.clone(),
        method_reason: "the only method of this version".into(),
        layout: OutputLayout {
            inner_rows: layout.inner_rows(),
            unit_rows: layout.unit_rows(),
            part_rows: layout.part_rows(),
            units: layout.units(),
            parts: layout.parts(),
        },
        block_rows: sizes.block_rows,
        slab_rows: sizes.slab_rows,
        reference_passes: sizes.reference_passes,
        threads,
        memory: sizes.memory.clone(),
        disk_bytes,
        read_bytes,
        pairs,
        estimated_seconds,
        outputs: outputs::described(&spec.arrays, n_obs),
        warnings: warnings(&resolved, &inputs, k),
        run,
    };
    Ok(Prepared { resolved, inputs, spec, sizes, plan })
}

/// The output may not exist unless that was said, and may not touch what is read.
fn check_output(output: &Path, resolved: &Resolved) -> Result<()> {
    let target = absolute(output)?;
    for input in [&resolved.query, &resolved.reference] {
        let input = absolute(input)?;
        if target.starts_with(&input) || input.starts_with(&target) {
            let reason = format!("overlaps {}, which is read: nothing is ever written there", input.display());
            return Err(Error::param("output", output.display(), reason));
        }
    }
    if resolved.resume && resolved.overwrite {
        return Err(Error::param("resume", true, "cannot be combined with overwrite"));
    }
    if !resolved.resume && !resolved.overwrite && output.symlink_metadata().is_ok() {
        return Err(Error::Exists {
            path: output.to_path_buf(),
            reason: "the output is already there".into(),
            remedy: "say resume to continue the run that wrote it, overwrite to replace it, or choose another".into(),
        });
    }
    Ok(())
}

/// The path as the system sees it. What does not exist yet is no link, so from there on names are enough.
fn absolute(path: &Path) -> Result<PathBuf> {
    let mut resolved = PathBuf::new();
    for part in std::path::absolute(path).map_err(|error| Error::io("resolve", path, error))?.components() {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            Component::Normal(name) => {
                resolved.push(name);
                resolved = resolved.canonicalize().unwrap_or(resolved);
            }
            _ => resolved.push(part),
        }
    }
    Ok(resolved)
}

fn side(store: &AnnDataStore, rows: &ZarrRows) -> Side {
    Side { path: store.name().to_owned(), n_obs: store.n_obs(), dim: rows.dim() as u64, dtype: rows.dtype() }
}

fn warnings(resolved: &Resolved, inputs: &Inputs, k: u64) -> Vec<String> {
    let mut warnings = inputs.warnings.clone();
    let others = inputs.reference.n_obs().saturating_sub(u64::from(resolved.self_mapping));
    if inputs.query.n_obs() > 0 && k > others {
        let asked = resolved.parameters.n_neighbors;
        warnings.push(format!(
            "nNeighbors {asked} is more than the cells there are to find ({others}): rows are padded with -1 and NaN"
        ));
    }
    if resolved.parameters.obs_keys.is_empty() && resolved.parameters.obsm_keys.is_empty() {
        warnings.push("neither obsKeys nor obsmKeys: only neighbors are stored".into());
    }
    warnings
}
