//! Presence scores of a stored graph: one pass over its edges for as many columns of scores as fit in memory, and one over the reference's
//! names to store them.
//!
//! Sums are of the size of the reference, whatever the query's, so they are what the memory must hold: of one column at least. Where not all columns
//! fit, there are more passes, and where finished ones do not fit either, they wait on disk; no result depends on how many.

mod report;
mod edges;
mod group_scores;
mod scores;

pub use report::PresenceReport;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use xxhash_rust::xxh3::xxh3_128;

use self::edges::{BLOCK_ROWS, Edges};
use self::group_scores::GroupScores;
use self::scores::{Scores, passes};
use super::clock::laps;
use super::memory_plan::{MemoryPlan, PROCESS, held};
use super::outputs::described;
use super::places::{Existing, check_output, of_graph, open_store};
use super::provenance::same_choice;
use super::rechunk::ColumnCopy;
use super::request::{PresenceRequest, ResolvedPresence};
use super::start::{FINGERPRINT_SEED, WORKER, pool};
use crate::budget::{MIB, MemoryBudget};
use crate::error::{Error, Result};
use crate::operator::PresenceSums;
use crate::progress::Progress;
use crate::sink::{ArraySpec, Field, Kind, Layout, MappingStore, Stage, StoreSpec, Uns, UnsValue, writer_bytes};
use crate::source::AnnDataStore;
use crate::store::{OsVfs, Vfs};
use crate::types::DType;

/// Version of the layout of the scores and of the numbers in it: part of the run hash.
const PRESENCE_VERSION: u32 = 1;
/// Rows whose scores are put side by side at a time.
const PIECE_ROWS: u64 = 4096;

/// Scores every reference cell by the query cells that have it for a neighbour.
pub fn presence(request: &PresenceRequest, progress: &Progress) -> Result<PresenceReport> {
    presence_with(request, progress, Arc::new(OsVfs), None)
}

/// [`presence`] through another file system, and with no more than so many columns of sums in memory: where that is one, finished ones are on disk.
#[expect(clippy::needless_pass_by_value, reason = "as the other verbs take it")]
pub fn presence_with(
    request: &PresenceRequest,
    progress: &Progress,
    vfs: Arc<dyn Vfs>,
    columns: Option<u64>,
) -> Result<PresenceReport> {
    progress.begin("preflight", 0, 0);
    progress.check()?;
    let resolved = request.resolve()?;
    let pool = pool(resolved.threads)?;
    let mut prepared = pool.install(|| prepare(&resolved, columns, progress))?;
    let budget = MemoryBudget::new(resolved.memory);
    let _lease = budget.take("the scores", prepared.memory.planned)?;
    let (kernel, sigma) = pool.install(|| scores::kernel(&mut prepared.edges, &resolved, progress))?;
    let store = open_store(Arc::clone(&vfs), &resolved.output, prepared.spec.clone(), resolved.existing())?;
    let (n_ref, all) = (prepared.spec.layout.n_obs() as usize, prepared.groups.len());
    let groups = if prepared.waits {
        GroupScores::on_disk(n_ref, &vfs, store.path())?
    } else {
        GroupScores::in_memory(n_ref, all)
    };
    let with = ((&kernel, sigma), prepared.columns);
    let scores = pool.install(|| Scores::sum(&mut prepared.edges, &resolved, with, groups, progress))?;
    let mut scores = scores.end(store.path())?;
    progress.begin("write", prepared.spec.layout.n_obs(), 0);
    pool.install(|| write(&mut prepared, &resolved, &mut scores, &store, progress))?;
    progress.end();
    scores.release();
    let written = store.bytes_written();
    progress.begin("finalise", 0, 0);
    progress.check()?;
    store.finalise(&uns(&prepared, &resolved, &scores)?)?;
    progress.end();
    let description = prepared.edges.description();
    Ok(PresenceReport {
        output: store.path().display().to_string(),
        n_query: description.rows,
        n_ref: description.n_ref,
        sigma: scores.sigma,
        total_weight: scores.total,
        groups: prepared.groups,
        passes: prepared.passes,
        stored: described(&prepared.spec.arrays, description.n_ref),
        memory: prepared.memory,
        threads: resolved.threads as u64,
        stages: laps(progress, &[("write", written), ("finalise", store.bytes_written() - written)]),
        peak_memory: progress.peak_memory(),
        warnings: prepared.warnings,
        run: prepared.spec.run,
    })
}

/// Scores that may be made.
struct Prepared {
    edges: Edges,
    names: ColumnCopy,
    /// Names of the groups, as many as there are columns in `obsm`.
    groups: Vec<String>,
    /// Columns of sums in memory at a time.
    columns: u64,
    passes: u64,
    /// Whether finished columns of groups wait on disk.
    waits: bool,
    spec: StoreSpec,
    memory: MemoryPlan,
    warnings: Vec<String>,
}

/// Everything up to the first write.
fn prepare(resolved: &ResolvedPresence, most_columns: Option<u64>, progress: &Progress) -> Result<Prepared> {
    let grouped = resolved.groups.as_ref().map(|(store, _)| store.as_path());
    let graph = of_graph(&resolved.neighbors);
    let graph = graph.iter().map(PathBuf::as_path);
    let read: Vec<_> = graph.chain([resolved.reference.as_path()]).chain(grouped).collect();
    check_output(&resolved.output, &read, resolved.existing())?;
    let mut warnings = Vec::new();
    let edges = Edges::open(resolved, &mut warnings, progress)?;
    let reference = AnnDataStore::open_while(&resolved.reference, progress)?;
    let n_ref = edges.description().n_ref;
    if reference.n_obs() != n_ref {
        return Err(Error::Shape {
            left: edges.description().path.clone(),
            left_shape: vec![n_ref],
            right: reference.name().to_owned(),
            right_shape: vec![reference.n_obs()],
            reason: "the neighbors are of a reference with another number of cells".into(),
        });
    }
    let names = ColumnCopy::names(&reference)?;
    names.preflight()?;
    same_choice(edges.graph(), ("reference", &reference), &mut warnings)?;
    let groups = edges.groups();
    if resolved.groups.is_some() && groups.is_empty() {
        warnings.push("groupby has no category: scores are of the whole query alone".into());
    }
    let mut arrays = names.arrays();
    let transferred = |path: String, kind| ArraySpec { path, stage: Stage::Transferred, kind };
    arrays.push(transferred(format!("obs/{}", resolved.key_added), Kind::Column(Field::F64)));
    if !groups.is_empty() {
        let kind = Kind::Matrix { dtype: DType::Float32, width: groups.len() as u64 };
        arrays.push(transferred(format!("obsm/{}", resolved.key_added), kind));
    }
    let grid = resolved.layout;
    let layout = Layout::new(n_ref, grid.inner_rows, grid.inner_per_unit, grid.part_rows)?;
    let fingerprints = [edges.fingerprint(FINGERPRINT_SEED)?, names.fingerprint(FINGERPRINT_SEED)?];
    let parameters = json!({
        "key_added": resolved.key_added, "groups": groups, "log": resolved.scaling.log,
        "percentile": resolved.scaling.percentile, "minmax": resolved.scaling.minmax, "bandwidth": resolved.bandwidth,
        "kernel_method": resolved.kernel.name(),
    });
    let fingerprints: Vec<_> = fingerprints.iter().map(|hash| format!("{hash:032x}")).collect();
    let identity = serde_json::to_vec(&(PRESENCE_VERSION, &parameters, grid, fingerprints));
    let run = format!("{:032x}", xxh3_128(&identity.map_err(|error| Error::internal(error.to_string()))?));
    let plan = json!({ "mode": "presence", "parameters": parameters, "n_ref": n_ref });
    let spec = StoreSpec { layout, n_ref: 0, k: 0, holder: None, run, plan, arrays };
    spec.check(WORKER)?;
    let all = groups.len() as u64 + 1;
    let (columns, waits, memory) = memory((resolved, reference.container().held_bytes()), &edges, &spec, &names, all)?;
    let columns = columns.min(most_columns.unwrap_or(all));
    let waits = all > 1 && (waits || most_columns == Some(1));
    let passes = passes(all, columns).count() as u64;
    Ok(Prepared { edges, names, groups, columns, passes, waits, spec, memory, warnings })
}

/// How many columns of sums are in memory at a time, or what would be enough for one; and whether finished ones of groups have no room there.
fn memory(
    (resolved, held_of_reference): (&ResolvedPresence, u64),
    edges: &Edges,
    spec: &StoreSpec,
    names: &ColumnCopy,
    all: u64,
) -> Result<(u64, bool, MemoryPlan)> {
    let (n_ref, k) = (edges.description().n_ref, edges.description().k);
    let mut parts = BTreeMap::from([
        ("process".to_owned(), PROCESS),
        ("writer".to_owned(), writer_bytes(spec) + PIECE_ROWS * (all + 1) * 4),
        ("names".to_owned(), ColumnCopy::bytes(std::slice::from_ref(names))),
        ("edges in flight".to_owned(), edges.bytes()),
        // Finished scores of the whole query in f64, and a column's copy while it is scaled and written.
        ("scores".to_owned(), n_ref.saturating_mul(20)),
    ]);
    parts.extend(held(held_of_reference + edges.held_bytes()));
    let fixed = parts.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
    let sums = |columns| PresenceSums::bytes(n_ref, columns, BLOCK_ROWS, k);
    let mut least = fixed.saturating_add(sums(1));
    let of_groups = n_ref.saturating_mul((all - 1) * 4);
    let waits = least.saturating_add(of_groups) > resolved.memory;
    if !waits && of_groups > 0 {
        parts.insert("scores of groups".to_owned(), of_groups);
        least += of_groups;
    }
    if least > resolved.memory {
        return Err(Error::Budget {
            what: "presence scores, which are as many as the reference has cells".into(),
            needed: least,
            available: resolved.memory,
            remedy: format!("memory of {} MiB would do", least.div_ceil(MIB)),
        });
    }
    let columns = ((resolved.memory - least) / (n_ref * 8).max(1) + 1).min(all);
    parts.insert("sums".to_owned(), sums(columns));
    let planned = parts.values().sum();
    Ok((columns, waits, MemoryPlan { limit: resolved.memory, planned, parts }))
}

/// Stores every unit that is not committed yet.
fn write(
    prepared: &mut Prepared,
    resolved: &ResolvedPresence,
    scores: &mut Scores,
    store: &MappingStore,
    progress: &Progress,
) -> Result<()> {
    let layout = prepared.spec.layout;
    let (obs, obsm) = (format!("obs/{}", resolved.key_added), format!("obsm/{}", resolved.key_added));
    let mut bytes = Vec::new();
    for unit in 0..layout.units() {
        if store.committed(Stage::Copied, unit).is_none() {
            let mut writer = store.begin(Stage::Copied, unit)?;
            prepared.names.copy(writer.range().rows, &mut writer)?;
            writer.commit(json!(null))?;
        }
        let rows = layout.unit(unit).rows;
        if store.committed(Stage::Transferred, unit).is_none() {
            let mut writer = store.begin(Stage::Transferred, unit)?;
            for piece in rows.pieces(PIECE_ROWS) {
                writer.append(&obs, scores.overall_bytes(piece, &mut bytes))?;
                if !prepared.groups.is_empty() {
                    writer.append(&obsm, scores.group_bytes(piece, &mut bytes)?)?;
                }
                progress.check()?;
            }
            writer.commit(json!(null))?;
        }
        progress.advance(rows.len() as u64)?;
    }
    Ok(())
}

/// What was done. Nothing in it depends on memory, threads, time or place.
fn uns(prepared: &Prepared, resolved: &ResolvedPresence, scores: &Scores) -> Result<Uns> {
    let description = prepared.edges.description();
    let (low, high) = resolved.scaling.percentile;
    let mut done = json!({
        "version": env!("CARGO_PKG_VERSION"), "mode": "presence", "run": prepared.spec.run,
        "n_query": description.rows, "log": resolved.scaling.log, "minmax": resolved.scaling.minmax,
        "percentile_low": low, "percentile_high": high, "total_weight": scores.total,
        "kernel_method": resolved.kernel.name(),
    });
    if let Some(sigma) = scores.sigma {
        done["sigma"] = json!(sigma);
    }
    if let Some((_, key)) = &resolved.groups {
        done["groupby"] = json!(key);
    }
    let mut uns = Uns::from_json(json!({ "gigamapper": done }).as_object().unwrap_or(&serde_json::Map::new()))?;
    if !prepared.groups.is_empty() {
        uns.insert(format!("{}_groups", resolved.key_added), UnsValue::Strings(prepared.groups.clone()));
    }
    Ok(uns)
}

impl ResolvedPresence {
    fn existing(&self) -> Existing {
        Existing { resume: self.resume, overwrite: self.overwrite }
    }
}
