//! Whether a mapping for which no representation was named takes one that is stored or one that is computed for it, and what that costs.
//!
//! What it is decides the run as its own hash does: of its content and parameters. So a plan, which computes nothing, and a run that goes on
//! when it is computed, or no longer needed, are of one run.

use std::path::Path;

use super::prepared::Prepared;
use crate::error::Result;
use crate::pipeline::bundle;
use crate::pipeline::places::place;
use crate::pipeline::report::Plan;
use crate::pipeline::request::{Computed, Representation, Resolved, ResolvedJoint, joint_key};
use crate::pipeline::start::pool;
use crate::progress::Progress;
use crate::source::AnnDataStore;

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
