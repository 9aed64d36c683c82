//! Appending to an index: what it would cost, and what is refused before the index stage begins. The index says what its lists are, so
//! options that would say something else are refused.

use xxhash_rust::xxh3::xxh3_128;

use super::bundle_copy;
use super::memory::{Reference, memory};
use super::report::IndexPlan;
use crate::error::{Error, Result};
use crate::index::{IndexBuilder, Manifest, check_growable, check_growth, nothing_to_append, stale_warning};
use crate::pipeline::cost;
use crate::pipeline::figures::side;
use crate::pipeline::index_terms::{INDEX_VERSION, list_dtype, rerank, sealed, training};
use crate::pipeline::places::{Existing, check_output, check_work_dir};
use crate::pipeline::request::{IndexParameters, IndexRequest, ResolvedIndex, bundled_cells};
use crate::pipeline::start::FINGERPRINT_SEED;
use crate::progress::Progress;
use crate::source::{AnnDataStore, RowSource};

/// What an append would do and cost, and the rows that it reads.
pub(in crate::pipeline) fn prepare(
    request: &IndexRequest,
    resolved: &ResolvedIndex,
    progress: &Progress,
) -> Result<(IndexPlan, Reference)> {
    let Some(path) = resolved.output.as_deref() else {
        return Err(Error::param("output", "", "name the index to append to"));
    };
    if resolved.overwrite {
        return Err(Error::param("append", true, "cannot be combined with overwrite"));
    }
    check_output(path, &[&resolved.reference], Existing { resume: true, overwrite: false })?;
    if let Some(work_dir) = &resolved.work_dir {
        check_work_dir(work_dir, &[&resolved.reference], Some(path))?;
    }
    let index = sealed(path)?;
    check_growable(path, &index)?;
    let parameters = parameters(request, resolved, &index)?;
    let store = AnnDataStore::open_while(&resolved.reference, progress)?;
    let rows = store.representation(&resolved.use_rep)?;
    rows.preflight()?;
    check_growth(path, &index, &rows, &rows.name())?;
    let added = rows.rows() - index.rows;
    let mut warnings = rows.warnings()?;
    warnings.extend(stale_warning(index.training.rows, rows.rows()));
    if added == 0 {
        warnings.push(nothing_to_append(&index));
    }
    if added > 0 && !resolved.bundle && bundled_cells(path).is_some() {
        warnings.push(
            "the cells beside its lists will be those of before: build it again with bundle to map where the reference is not".into(),
        );
    }
    let (dim, nlist, threads) = (rows.dim() as u64, u64::from(index.nlist), resolved.threads as u64);
    let disk_bytes = cost::index_bytes(rows.rows(), dim, nlist, &parameters.list_dtype, parameters.rerank.is_some());
    let disk_bytes = disk_bytes.saturating_add(bundle_copy::planned(resolved, progress)?);
    let run_bytes = cost::build_run_bytes(added, dim);
    // The rows of the index are compared with the store's; its lists are read for that, and again to be written with the new rows.
    let read_bytes = rows.stored_bytes();
    let traffic = read_bytes.saturating_add(disk_bytes.saturating_mul(3)).saturating_add(run_bytes.saturating_mul(2));
    let levels = IndexBuilder::least_append_bytes(&index, threads);
    let held = store.container().held_bytes();
    Ok((
        IndexPlan {
            reference: side(&store, &rows),
            memory: memory(resolved, (&rows, held), levels)?,
            added_rows: added,
            threads,
            backend: None,
            disk_bytes,
            run_bytes,
            read_bytes,
            estimated_seconds: cost::seconds(added.saturating_mul(cost::routing(nlist)), traffic, threads),
            warnings,
            run: identity(&index, &parameters, &rows)?,
            parameters,
        },
        (rows, held),
    ))
}

fn identity(index: &Manifest, parameters: &IndexParameters, rows: &dyn RowSource) -> Result<String> {
    let fingerprint = format!("{:032x}", rows.fingerprint(FINGERPRINT_SEED)?);
    let identity = serde_json::to_vec(&(INDEX_VERSION, &index.run, parameters, fingerprint));
    let identity = identity.map_err(|error| Error::internal(error.to_string()))?;
    Ok(format!("{:032x}", xxh3_128(&identity)))
}

/// The parameters of the index. Those that were given must be the same.
fn parameters(request: &IndexRequest, resolved: &ResolvedIndex, index: &Manifest) -> Result<IndexParameters> {
    let parameters = IndexParameters {
        use_rep: resolved.use_rep.clone(),
        nlist: u64::from(index.training.lists),
        seed: index.training.seed,
        training: training(index).into(),
        list_dtype: list_dtype(index).into(),
        rerank: rerank(index),
        metric: index.metric,
        keep_graph: None,
    };
    if let Some(kept) = resolved.keep_graph {
        let reason = "an index that is appended to keeps no graph: build it again from all rows to have one";
        return Err(Error::param("keepGraph", kept, reason));
    }
    let given = [
        ("nlist", request.nlist.map(|nlist| nlist.to_string()), parameters.nlist.to_string()),
        ("seed", request.seed.map(|seed| seed.to_string()), parameters.seed.to_string()),
        ("training", request.training.clone(), parameters.training.clone()),
        ("listDtype", request.list_dtype.clone(), parameters.list_dtype.clone()),
        ("method", request.method.clone(), if index.codes.is_some() { "ivfpq" } else { "ivf" }.into()),
        ("rerank", request.rerank.clone(), parameters.rerank.clone().unwrap_or_else(|| "no codes".into())),
        ("metric", request.metric.clone(), parameters.metric.name().to_owned()),
    ];
    for (name, given, own) in given {
        if let Some(given) = given.filter(|given| *given != own) {
            return Err(Error::param(name, given, format!("an append leaves the index as it is, with {own}")));
        }
    }
    Ok(parameters)
}
