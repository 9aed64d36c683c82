//! Everything of a computed representation up to the first write: stores opened and joined by their genes, counted and hashed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use xxhash_rust::xxh3::xxh3_128;

use crate::budget::MIB;
use crate::error::{Error, Result};
use crate::pipeline::figures::{Side, side};
use crate::pipeline::memory_plan::{MemoryPlan, PROCESS};
use crate::pipeline::places::{Existing, check_output};
use crate::pipeline::rechunk::{ColumnCopy, colors, columns};
use crate::pipeline::request::ResolvedJoint;
use crate::pipeline::start::{FINGERPRINT_SEED, WORKER};
use crate::progress::Progress;
use crate::representation::joint::{
    Batch, BatchReader, GeneNames, GramSums, MOST_ROWS, SharedGenes, additions, solving_bytes,
};
use crate::sink::{ArraySpec, Kind, Layout, Stage, StoreSpec, planned_bytes, writer_bytes};
use crate::source::{AnnDataStore, RowSource};
use crate::types::DType;

/// Version of the layout of the outputs and of the numbers in them: part of the run hash.
const JOINT_VERSION: u32 = 1;
/// Genes up to which all their products are summed. Of cells with an entry for one gene in twenty that costs less than passes do; of dense
/// cells as much as a few.
const GRAM_GENES: usize = 4096;
/// Genes of which canonical correlations are found at most: the products of both stores take 1 GiB.
pub(super) const MOST_CANONICAL_GENES: usize = 8192;
/// Measured on two cores of 2025.
const SECONDS_OF_ADDITION: f64 = 2e-9;
/// Components unless said otherwise, as in scanpy and CellMapper.
const DEFAULT_COMPONENTS: u64 = 50;

/// A representation that may be computed.
pub(in crate::pipeline) struct Prepared {
    /// The reference, if there is one, and the query.
    pub(super) stores: Vec<Input>,
    pub(super) genes: SharedGenes,
    pub(super) cells: u64,
    pub(super) count: u64,
    pub(super) is_streamed: bool,
    pub(super) memory: MemoryPlan,
    pub(super) warnings: Vec<String>,
    pub(super) run: String,
}

/// One of the stores.
pub(super) struct Input {
    pub(super) store: AnnDataStore,
    pub(super) rows: Arc<dyn RowSource>,
    /// The names first, then the columns.
    pub(super) columns: Vec<ColumnCopy>,
    pub(super) colors: BTreeMap<String, Vec<String>>,
    pub(super) spec: StoreSpec,
    pub(super) output: Option<PathBuf>,
}

impl Prepared {
    /// Opens and checks everything that the request names.
    pub(super) fn open(resolved: &ResolvedJoint, progress: &Progress) -> Result<Self> {
        let read: Vec<_> = resolved.reference.iter().chain([&resolved.query]).cloned().collect();
        let written = [resolved.reference_output.clone().filter(|_| read.len() > 1), resolved.output.clone()];
        let existing = Existing { resume: resolved.resume, overwrite: resolved.overwrite };
        for output in written.iter().flatten() {
            let inputs: Vec<_> = read.iter().map(PathBuf::as_path).collect();
            check_output(output, &inputs, existing)?;
        }
        let mut warnings = Vec::new();
        let opened =
            read.iter().map(|path| open((path, progress), resolved, &mut warnings)).collect::<Result<Vec<_>>>()?;
        let named: Vec<_> = opened.iter().map(Opened::genes).collect();
        let genes = SharedGenes::join(&named)?;
        let cells = opened.iter().map(|one| one.store.n_obs()).sum();
        let count = count(resolved, &genes, &opened)?;
        let is_streamed = match resolved.solver.as_str() {
            "gram" => false,
            "passes" => true,
            _ => !resolved.is_canonical && genes.len() > GRAM_GENES,
        };
        if resolved.is_canonical && genes.len() > MOST_CANONICAL_GENES {
            return Err(Error::Unsupported {
                what: format!("fast_cca of {} genes, more than {MOST_CANONICAL_GENES},", genes.len()),
                remedy: "choose genes with maskVar, or take joint_pca, which has no such limit".into(),
            });
        }
        let mut hashes = Vec::new();
        for one in &opened {
            hashes.push(one.rows.fingerprint(FINGERPRINT_SEED)?);
            hashes.push(xxh3_128(one.names.join("\0").as_bytes()));
            hashes.push(xxh3_128(format!("{:?}", (&one.mask, &one.colors)).as_bytes()));
            for column in &one.columns {
                hashes.push(column.fingerprint(FINGERPRINT_SEED)?);
            }
        }
        let hashes: Vec<_> = hashes.iter().map(|hash| format!("{hash:032x}")).collect();
        let told = json!({
            "mode": resolved.method(), "layer": resolved.layer, "mask_var": resolved.mask_var, "n_comps": count,
            "key_added": resolved.key_added, "solver": if is_streamed { "passes" } else { "gram" },
            "seed": resolved.seed, "n_genes": genes.len(),
        });
        let arrays: Vec<Vec<ArraySpec>> = opened.iter().map(|one| arrays(one, resolved, count)).collect();
        let paths: Vec<Vec<&str>> =
            arrays.iter().map(|of| of.iter().map(|array| array.path.as_str()).collect()).collect();
        let identity = serde_json::to_vec(&(JOINT_VERSION, &told, resolved.layout, resolved.compact, paths, hashes));
        let run = format!("{:032x}", xxh3_128(&identity.map_err(|error| Error::internal(error.to_string()))?));
        let mut stores = Vec::new();
        let outputs = written.into_iter().skip(2 - opened.len());
        for ((one, arrays), output) in opened.into_iter().zip(arrays).zip(outputs) {
            let grid = resolved.layout;
            let layout = Layout::new(one.store.n_obs(), grid.inner_rows, grid.inner_per_unit, grid.part_rows)?;
            let layout = layout.compact(resolved.compact);
            let spec = StoreSpec { layout, n_ref: 0, k: 0, holder: None, run: run.clone(), plan: told.clone(), arrays };
            spec.check(WORKER)?;
            let Opened { store, rows, columns, colors, .. } = one;
            stores.push(Input { store, rows, columns, colors, spec, output });
        }
        let mut prepared =
            Self { stores, genes, cells, count, is_streamed, memory: MemoryPlan::default(), warnings, run };
        prepared.memory = prepared.plan_memory(resolved)?;
        Ok(prepared)
    }

    /// Bytes that the outputs take on disk at most.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.stores.iter().map(|input| planned_bytes(&input.spec)).sum()
    }

    /// Bytes that are read, about: components of many genes usually take a dozen passes.
    pub(super) fn read_bytes(&self) -> u64 {
        let passes = if self.is_streamed { 13 } else { 2 };
        self.stores.iter().map(|input| input.rows.stored_bytes()).sum::<u64>().saturating_mul(passes)
    }

    /// The reference, if there is one, and the query.
    pub(super) fn sides(&self) -> Vec<Side> {
        self.stores.iter().map(|input| side(&input.store, &input.rows)).collect()
    }

    /// How components are found.
    pub(super) fn solver(&self) -> &'static str {
        if self.is_streamed { "passes" } else { "gram" }
    }

    /// Rough seconds of finding components, from a fixed constant for each addition.
    pub(super) fn seconds(&self, threads: usize) -> f64 {
        let entries = |one: &Input| {
            let all = one.rows.rows().saturating_mul(one.rows.dim() as u64);
            one.rows.entries().unwrap_or(all)
        };
        let entries = self.stores.iter().map(entries).sum();
        let additions = additions(self.count, self.genes.len() as u64, (self.cells, entries), self.is_streamed);
        additions * SECONDS_OF_ADDITION / threads.max(1) as f64
    }

    fn plan_memory(&self, resolved: &ResolvedJoint) -> Result<MemoryPlan> {
        let genes = self.genes.len() as u64;
        let widest = self.stores.iter().map(|one| one.rows.dim() as u64).max().unwrap_or(0);
        let all_genes: u64 = self.stores.iter().map(|one| one.store.n_vars()).sum();
        let most = |bytes: &dyn Fn(&Input) -> u64| self.stores.iter().map(bytes).max().unwrap_or(0);
        let sums = if self.is_streamed { 0 } else { GramSums::bytes(genes, 1 + u64::from(resolved.is_canonical)) };
        let held: u64 = self.stores.iter().map(|one| one.store.container().held_bytes()).sum();
        let mut parts = BTreeMap::from([
            ("process".to_owned(), PROCESS),
            ("writer".to_owned(), self.stores.iter().map(|one| writer_bytes(&one.spec)).sum()),
            ("gene names".to_owned(), SharedGenes::bytes(all_genes)),
            ("chunks of cells".to_owned(), most(&|one| BatchReader::bytes(&one.rows))),
            ("cells in flight".to_owned(), Batch::bytes(genes, widest) + MOST_ROWS * self.count * 4),
            ("products of genes".to_owned(), sums),
            ("components".to_owned(), solving_bytes(self.count, genes, self.is_streamed, resolved.is_canonical)),
            ("chunks of columns".to_owned(), most(&|one| ColumnCopy::bytes(&one.columns))),
        ]);
        if held > 0 {
            parts.insert("cells in memory".to_owned(), held);
        }
        let planned = parts.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
        if planned > resolved.memory {
            let largest = parts.iter().max_by_key(|(_, bytes)| **bytes).map_or("process", |(part, _)| part.as_str());
            let other = match largest {
                "products of genes" if resolved.is_canonical => ", or fewer genes by maskVar",
                "products of genes" => ", or solver \"passes\", or fewer genes by maskVar",
                "chunks of cells" => ", or smaller chunks of the matrix",
                "chunks of columns" => ", or fewer obsKeys",
                _ => "",
            };
            return Err(Error::Budget {
                what: format!("{} (most of it: {largest})", resolved.method()),
                needed: planned,
                available: resolved.memory,
                remedy: format!("memory of {} MiB would do{other}", planned.div_ceil(MIB)),
            });
        }
        Ok(MemoryPlan { limit: resolved.memory, planned, parts })
    }
}

/// One of the stores, before it is known what is computed.
struct Opened {
    store: AnnDataStore,
    rows: Arc<dyn RowSource>,
    names: Vec<String>,
    mask: Option<Vec<bool>>,
    columns: Vec<ColumnCopy>,
    colors: BTreeMap<String, Vec<String>>,
}

impl Opened {
    fn genes(&self) -> GeneNames<'_> {
        GeneNames { store: self.store.name(), names: &self.names, mask: self.mask.as_deref() }
    }
}

fn open(
    (path, progress): (&std::path::Path, &Progress),
    resolved: &ResolvedJoint,
    warnings: &mut Vec<String>,
) -> Result<Opened> {
    let store = AnnDataStore::open_while(path, progress)?;
    let rows = store.representation(&resolved.layer)?;
    rows.preflight()?;
    warnings.extend(rows.warnings()?);
    let names = store.gene_names()?;
    if names.len() != rows.dim() {
        return Err(Error::Shape {
            left: rows.name(),
            left_shape: vec![rows.rows(), rows.dim() as u64],
            right: format!("{}/var", store.name()),
            right_shape: vec![names.len() as u64],
            reason: "one column for every gene".into(),
        });
    }
    let mask = resolved.mask_var.as_deref().map(|key| store.gene_mask(key)).transpose()?;
    // Of two stores rarely all columns are asked for by name, so one that lacks a column goes without.
    let asked = resolved.obs_keys.as_ref().map(|keys| {
        let known = store.obs_keys();
        keys.iter().filter(|key| known.contains(key)).cloned().collect::<Vec<_>>()
    });
    let columns = columns(&store, asked.as_deref(), warnings)?;
    columns.iter().try_for_each(ColumnCopy::preflight)?;
    let colors = colors(&store, &columns, warnings);
    Ok(Opened { store, rows, names, mask, columns, colors })
}

fn arrays(one: &Opened, resolved: &ResolvedJoint, count: u64) -> Vec<ArraySpec> {
    let kind = Kind::Matrix { dtype: DType::Float32, width: count };
    let path = format!("obsm/{}", resolved.key_added);
    let mut arrays = vec![ArraySpec { path, stage: Stage::Transferred, kind }];
    let copied = one.columns.iter().flat_map(ColumnCopy::arrays);
    arrays.extend(copied.map(|array| ArraySpec { stage: Stage::Transferred, ..array }));
    arrays
}

/// The number of components; `GM_PARAM` for more than there can be.
fn count(resolved: &ResolvedJoint, genes: &SharedGenes, opened: &[Opened]) -> Result<u64> {
    let cells = opened.iter().map(|one| one.store.n_obs());
    let cells = if resolved.is_canonical { cells.min() } else { Some(cells.sum()) }.unwrap_or(0);
    if cells == 0 {
        let empty = opened.iter().find(|one| one.store.n_obs() == 0);
        let store = empty.map_or("", |one| one.store.name());
        return Err(Error::schema(store, "obs", "shape", "there are no cells to compute components of"));
    }
    let most = cells.min(genes.len() as u64);
    match resolved.n_comps {
        Some(count) if count > most => {
            let of = if resolved.is_canonical { "cells of each store" } else { "cells" };
            let reason = format!("at most {most}: there are {cells} {of} and {} genes", genes.len());
            Err(Error::param("nComps", count, reason))
        }
        Some(count) => Ok(count),
        None => Ok(DEFAULT_COMPONENTS.min(most - 1).max(1)),
    }
}
