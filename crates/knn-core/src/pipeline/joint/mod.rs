//! A representation computed of the genes that stores share: the joint principal components of their cells, or canonical correlations between
//! two stores. Each store gets a new AnnData with it; the inputs are never written to.
//!
//! Passes over the cells sum what has the size of the genes, and the last one stores scores. Sums are kept after every unit, in a folder beside
//! the output that goes when everything is stored, so no unit of any pass is made twice.

mod report;
mod kept_sums;
mod prepared;
mod fit;
mod scores;
mod fallback;

pub(super) use self::fallback::{add_costs, settle};
pub use self::report::{JointPlan, JointReport};

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use self::kept_sums::KeptSums;
pub(super) use self::kept_sums::are_sums;
use self::prepared::{Input, Prepared};
use self::report::Told;
use super::clock::laps;
use super::outputs::described;
use super::places::{Existing, is_begun, open_store};
use super::request::{JointRequest, ResolvedJoint};
use super::start::pool;
use crate::budget::MemoryBudget;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::representation::joint::Components;
use crate::sink::{MappingStore, Stage, Uns, UnsValue, VarTable};
use crate::store::{OsVfs, Vfs};

/// What [`joint`] would do and cost. Writes nothing; fails where it would refuse to start.
pub fn plan_joint(request: &JointRequest) -> Result<JointPlan> {
    let resolved = request.resolve_plan()?;
    let prepared = pool(resolved.threads)?.install(|| Prepared::open(&resolved, &Progress::silent()))?;
    let (sides, query) = (prepared.sides(), &prepared.stores[prepared.stores.len() - 1]);
    Ok(JointPlan {
        method: resolved.method().into(),
        query: sides[sides.len() - 1].clone(),
        reference: sides.first().filter(|_| sides.len() > 1).cloned(),
        n_genes: prepared.genes.len() as u64,
        n_comps: prepared.count,
        use_rep: resolved.key_added.clone(),
        solver: prepared.solver().into(),
        outputs: described(&query.spec.arrays, query.spec.layout.n_obs()),
        disk_bytes: prepared.disk_bytes(),
        read_bytes: prepared.read_bytes(),
        estimated_seconds: prepared.seconds(resolved.threads),
        threads: resolved.threads as u64,
        memory: prepared.memory,
        warnings: prepared.warnings,
        run: prepared.run,
    })
}

/// Computes a representation of one store or of two. What is committed stays, whatever happens.
pub fn joint(request: &JointRequest, progress: &Progress) -> Result<JointReport> {
    joint_with(request, progress, Arc::new(OsVfs))
}

/// [`joint`] through another file system.
#[expect(clippy::needless_pass_by_value, reason = "as the other verbs take it")]
pub fn joint_with(request: &JointRequest, progress: &Progress, vfs: Arc<dyn Vfs>) -> Result<JointReport> {
    progress.begin("preflight", 0, 0);
    progress.check()?;
    joint_resolved(&request.resolve()?, progress, &vfs)
}

/// The same of a request that is resolved.
pub(super) fn joint_resolved(resolved: &ResolvedJoint, progress: &Progress, vfs: &Arc<dyn Vfs>) -> Result<JointReport> {
    let pool = pool(resolved.threads)?;
    let mut prepared = pool.install(|| Prepared::open(resolved, progress))?;
    let budget = MemoryBudget::new(resolved.memory);
    let _lease = budget.take(resolved.method(), prepared.memory.planned)?;
    let folder = sums_folder(resolved)?;
    KeptSums::check(&**vfs, &folder)?;
    let stores = open_stores(&prepared, resolved, vfs)?;
    // Its lock keeps others from the sums, too.
    let kept = KeptSums::open(vfs, &folder, &prepared.run, resolved.resume)?;
    let resumed: Vec<(u64, u64)> = stores.iter().flat_map(committed).collect();
    let is_complete = stores.iter().all(MappingStore::is_complete);
    let told = if is_complete {
        told_before(&stores)?
    } else {
        let components = pool.install(|| fit::fit(&prepared, resolved, &kept, progress))?;
        let told = told(&components);
        let extra = serde_json::to_value(&told).map_err(|error| Error::internal(error.to_string()))?;
        progress.begin("scores", prepared.cells, resumed.iter().map(|(_, rows)| rows).sum());
        pool.install(|| scores::store(&mut prepared, resolved, &components, (&stores, &extra), progress))?;
        progress.end();
        progress.begin("finalise", 0, 0);
        progress.check()?;
        for (number, (input, store)) in prepared.stores.iter().zip(&stores).enumerate() {
            let (uns, var) = finished(&prepared, resolved, (number, input), &components)?;
            store.finalise_with(&uns, &var)?;
        }
        progress.end();
        told
    };
    kept.end()?;
    Ok(report(prepared, resolved, &stores, told, resumed.len() as u64, progress))
}

/// Units of a store that were committed before, with their rows.
fn committed(store: &MappingStore) -> Vec<(u64, u64)> {
    let layout = store.spec().layout;
    let units = (0..layout.units()).filter(|&unit| store.committed(Stage::Transferred, unit).is_some());
    units.map(|unit| (unit, layout.unit(unit).rows.len() as u64)).collect()
}

/// Where sums are kept: beside the output of the query.
fn sums_folder(resolved: &ResolvedJoint) -> Result<PathBuf> {
    let output = resolved.output.as_deref().ok_or_else(|| Error::param("output", "", "name the store to write"))?;
    Ok(output.with_added_extension("fit"))
}

/// Begins, continues or replaces the outputs, in the order of the stores. The query's is the first to be begun, so whoever resumes finds that
/// one at least.
fn open_stores(prepared: &Prepared, resolved: &ResolvedJoint, vfs: &Arc<dyn Vfs>) -> Result<Vec<MappingStore>> {
    let existing = Existing { resume: resolved.resume, overwrite: resolved.overwrite };
    let open = |input: &Input, existing| {
        let output = input.output.as_deref().ok_or_else(|| Error::param("output", "", "name the store to write"))?;
        open_store(Arc::clone(vfs), output, input.spec.clone(), existing)
    };
    let mut stores = Vec::new();
    for (number, input) in prepared.stores.iter().enumerate().rev() {
        let is_first = number + 1 == prepared.stores.len();
        let is_begun = is_first || input.output.as_deref().map_or(Ok(true), |path| is_begun(&**vfs, path))?;
        stores.push(open(input, Existing { resume: existing.resume && is_begun, ..existing })?);
    }
    stores.reverse();
    Ok(stores)
}

fn told(components: &Components) -> Told {
    Told {
        values: components.values.clone(),
        ratios: components.ratios(),
        residual: components.residual,
        converged: components.converged,
        applied: components.applied as u64,
    }
}

/// What the journal of finished outputs tells.
fn told_before(stores: &[MappingStore]) -> Result<Told> {
    let record = stores.iter().find_map(|store| store.committed(Stage::Transferred, 0));
    let extra = record.map(|record| record.extra.clone()).unwrap_or_default();
    serde_json::from_value(extra).map_err(|error| Error::internal(format!("a journal without components: {error}")))
}

/// What stands in `uns`, `var` and `varm` of an output, as scanpy and CellMapper call it.
fn finished(
    prepared: &Prepared,
    resolved: &ResolvedJoint,
    (number, input): (usize, &Input),
    components: &Components,
) -> Result<(Uns, VarTable)> {
    let key = &resolved.key_added;
    let method = resolved.method();
    let mut all = json!({
        "gigamapper": {
            "version": env!("CARGO_PKG_VERSION"), "mode": method, "run": prepared.run, "layer": resolved.layer,
            "solver": prepared.solver(), "seed": resolved.seed, "residual": components.residual,
        },
    });
    all[format!("{key}_params")] =
        json!({ "n_comps": prepared.count, "n_common_genes": prepared.genes.len(), "method": method });
    let mut uns = Uns::from_json(all.as_object().unwrap_or(&Map::new()))?;
    // scanpy leaves out the key where it is the usual one.
    let name = if key == "X_pca" { "pca" } else { key.as_str() };
    let floats = |values: Vec<f64>| UnsValue::Floats(values);
    let mut of_components = Uns::default();
    if resolved.is_canonical {
        of_components.insert("singular_values", floats(components.values.clone()));
    } else {
        let mut params = json!({ "zero_center": true, "use_highly_variable": resolved.mask_var.is_some() });
        params["mask_var"] = json!(resolved.mask_var);
        params["layer"] = resolved.layer.strip_prefix("layers/").map_or(Value::Null, Value::from);
        of_components.insert("params", UnsValue::Dict(Uns::from_json(params.as_object().unwrap_or(&Map::new()))?));
        of_components.insert("variance", floats(components.values.clone()));
        of_components.insert("variance_ratio", floats(components.ratios()));
    }
    uns.insert(name, UnsValue::Dict(of_components));
    for (name, colors) in &input.colors {
        uns.insert(name.clone(), UnsValue::Strings(colors.clone()));
    }
    let matrix = if key == "X_pca" { "PCs" } else { key.as_str() };
    let loadings = components.loadings_of(number).to_vec();
    Ok((uns, VarTable { names: prepared.genes.names().to_vec(), matrices: vec![(matrix.to_owned(), loadings)] }))
}

fn report(
    prepared: Prepared,
    resolved: &ResolvedJoint,
    stores: &[MappingStore],
    told: Told,
    resumed_units: u64,
    progress: &Progress,
) -> JointReport {
    let (solver, disk_bytes, sides) = (prepared.solver(), prepared.disk_bytes(), prepared.sides());
    let mut warnings = prepared.warnings;
    if !told.converged {
        warnings.push(format!(
            "components have a residual of {:.1e} of their variance after {} applications: the last of them are not told apart from those behind them",
            told.residual, told.applied
        ));
    }
    let written = stores.iter().map(MappingStore::bytes_written).sum();
    let stages = laps(progress, &[("scores", written)]);
    let [path, reference_path] = [stores.last(), stores.first().filter(|_| stores.len() > 1)]
        .map(|store| store.map(|store| store.path().display().to_string()));
    let query = &prepared.stores[prepared.stores.len() - 1];
    let (variance, singular_values) =
        if resolved.is_canonical { (Vec::new(), told.values) } else { (told.values, Vec::new()) };
    JointReport {
        method: resolved.method().into(),
        output: path.unwrap_or_default(),
        reference_output: reference_path,
        query: sides[sides.len() - 1].clone(),
        reference: sides.first().filter(|_| sides.len() > 1).cloned(),
        n_genes: prepared.genes.len() as u64,
        n_comps: prepared.count,
        use_rep: resolved.key_added.clone(),
        solver: solver.into(),
        passes: if prepared.is_streamed { told.applied } else { 1 },
        residual: told.residual,
        variance_ratio: if resolved.is_canonical { Vec::new() } else { told.ratios },
        variance,
        singular_values,
        stored: described(&query.spec.arrays, query.spec.layout.n_obs()),
        disk_bytes,
        memory: prepared.memory,
        threads: resolved.threads as u64,
        seconds: stages.iter().map(|stage| stage.seconds).sum(),
        stages,
        peak_memory: progress.peak_memory(),
        resumed_units,
        warnings,
        run: prepared.run,
    }
}
