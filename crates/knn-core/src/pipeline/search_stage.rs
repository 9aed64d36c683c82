//! What an approximate search needs before the join: an index, opened or built beside the output, and the number of lists to probe.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::memory::PROCESS;
use super::plan::Prepared;
use super::report::RecallReport;
use super::request::{IvfParameters, Resolved};
use crate::budget::MemoryBudget;
use crate::distance::DistanceTile;
use crate::error::{Error, Result};
use crate::index::{IndexBuilder, IndexSpec, Io, IvfIndex, ListType, Sampler, Start};
use crate::join::{Calibration, ListJoin, Target};
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::source::RowSource;
use crate::store::Vfs;
use crate::types::{RowRange, Tile};

/// Queries that measure the recall; half of them choose the probes, half report.
const MEASURED_QUERIES: u64 = 2000;
/// Rows read at a time while they are chosen.
const SAMPLED_ROWS: u64 = 16_384;

/// The index of a run, open.
pub(super) struct RunIndex {
    pub(super) index: IvfIndex,
    pub(super) warnings: Vec<String>,
    /// The folder to be removed when the run is complete, if the run built it.
    built: Option<PathBuf>,
}

/// Opens the index that was given, or builds the run's own. None for an exact search.
pub(super) fn index(
    prepared: &Prepared,
    vfs: &Arc<dyn Vfs>,
    budget: &MemoryBudget,
    tile: &dyn DistanceTile,
    progress: &Progress,
) -> Result<Option<RunIndex>> {
    let resolved = &prepared.resolved;
    let Some(ivf) = &resolved.parameters.ivf else { return Ok(None) };
    if let Some(path) = &resolved.search.index {
        let index = open(path, resolved, Io::Pread, budget)?;
        check(&index, prepared)?;
        return Ok(Some(RunIndex { index, warnings: Vec::new(), built: None }));
    }
    let path = place(resolved)?;
    let builder = IndexBuilder {
        vfs: Arc::clone(vfs),
        spec: spec(ivf, &resolved.parameters.metric)?,
        start: if resolved.resume { Start::Resume } else { Start::Overwrite },
        // The build has the memory to itself: what the join takes is not there yet.
        budget: MemoryBudget::new(resolved.memory.saturating_sub(PROCESS)),
        tile,
        progress,
    };
    let report = builder.build(&path, &prepared.inputs.reference_rows)?;
    // Nobody else knows of this index, so a map of it is safe.
    let index = open(&path, resolved, Io::Mmap, budget)?;
    Ok(Some(RunIndex { index, warnings: report.warnings, built: Some(path) }))
}

impl RunIndex {
    /// Removes the index, if it was the run's own.
    pub(super) fn end(self, vfs: &dyn Vfs) -> Result<()> {
        self.built.map_or(Ok(()), |path| vfs.remove_dir_all(&path))
    }
}

/// What decides the bytes of an index.
pub(super) fn spec(ivf: &IvfParameters, metric: &str) -> Result<IndexSpec> {
    let nlist = u32::try_from(ivf.nlist).map_err(|_| Error::param("nlist", ivf.nlist, "at most 2^28"))?;
    Ok(IndexSpec { nlist: Some(nlist), dtype: list_type(&ivf.list_dtype), metric: metric.into(), seed: ivf.seed, prepare: None })
}

/// The numbers in lists, by their name.
pub(super) fn list_type(name: &str) -> ListType {
    if name == "f16" { ListType::F16 } else { ListType::F32 }
}

/// Where the run's own index goes: into the folder for intermediate files, or beside the output.
fn place(resolved: &Resolved) -> Result<PathBuf> {
    let output = resolved.output.as_ref().ok_or_else(|| Error::param("output", "", "name the store to write"))?;
    let mut name = output.file_name().unwrap_or_default().to_os_string();
    name.push(".index.gmx");
    Ok(resolved.search.work_dir.as_deref().map_or_else(|| output.with_file_name(&name), |folder| folder.join(&name)))
}

/// Opens an index as was asked for. Otherwise its lists are held in memory where they fit, and else read in the way that is safe.
fn open(path: &Path, resolved: &Resolved, safe: Io, budget: &MemoryBudget) -> Result<IvfIndex> {
    match resolved.search.io.as_str() {
        "mmap" => IvfIndex::open(path, Io::Mmap, budget),
        "pread" => IvfIndex::open(path, Io::Pread, budget),
        _ => {
            let index = IvfIndex::open(path, Io::Auto, budget)?;
            if index.io() == Io::Resident || safe == Io::Pread {
                return Ok(index);
            }
            drop(index);
            IvfIndex::open(path, safe, budget)
        }
    }
}

/// An index of other rows than the reference's cannot be searched for it.
fn check(index: &IvfIndex, prepared: &Prepared) -> Result<()> {
    let reference = &prepared.inputs.reference_rows;
    let store = prepared.resolved.search.index.as_ref().map_or(String::new(), |path| path.display().to_string());
    if index.dim() != reference.dim() || index.rows() != reference.rows() {
        return Err(Error::Shape {
            left: store,
            left_shape: vec![index.rows(), index.dim() as u64],
            right: reference.array().name(),
            right_shape: vec![reference.rows(), reference.dim() as u64],
            reason: "the index must be of the reference's own rows".into(),
        });
    }
    let manifest = index.manifest();
    if manifest.source != format!("{:032x}", reference.fingerprint(manifest.training.seed)?) {
        let reason = "the index was built from other rows than the reference has now".into();
        return Err(Error::Stale { path: PathBuf::from(store), reason });
    }
    let metric = &prepared.resolved.parameters.metric;
    if index.manifest().metric != *metric {
        let reason = format!("the index is made for {:?}", index.manifest().metric);
        return Err(Error::param("metric", metric, reason));
    }
    Ok(())
}

/// Chooses the number of lists to probe, and measures the recall, on a sample of the run's own queries.
pub(super) fn calibrate(prepared: &Prepared, search: &ListJoin, progress: &Progress) -> Result<(usize, RecallReport)> {
    let Some(ivf) = &prepared.resolved.parameters.ivf else { return Ok((0, RecallReport::exact())) };
    let source = &prepared.inputs.query_rows;
    let sampler = Sampler::new(ivf.seed, MEASURED_QUERIES, source.rows());
    let (mut sample, mut own) = (Tile { first_row: 0, dim: source.dim(), values: Vec::new() }, Vec::new());
    let (mut reader, mut tile) = (TileReader::new(source, RowRange::new(0, source.rows())), Tile::default());
    progress.begin("calibrate", source.rows(), 0);
    loop {
        reader.next(SAMPLED_ROWS, &mut tile)?;
        if tile.rows() == 0 {
            break;
        }
        for row in (0..tile.rows()).filter(|&row| sampler.takes(tile.first_row + row as u64)) {
            own.push((tile.first_row + row as u64) as i64);
            sample.values.extend_from_slice(tile.row(row));
        }
        progress.advance(tile.rows() as u64)?;
    }
    // Rows that lie side by side in a store are often alike: every second one chooses, the others report.
    let order: Vec<usize> = (0..own.len()).step_by(2).chain((1..own.len()).step_by(2)).collect();
    let values = order.iter().flat_map(|&row| sample.row(row).iter().copied()).collect();
    let own = prepared.resolved.self_mapping.then(|| order.iter().map(|&row| own[row]).collect());
    let queries = Tile { first_row: 0, dim: source.dim(), values };
    let calibration = Calibration::new(search, queries, own, prepared.spec.k as usize, progress)?;
    let target = ivf.nprobe.map_or(Target::Recall(ivf.recall.unwrap_or(1.0)), |probes| Target::Probes(probes as usize));
    let recall = calibration.measure(target, progress)?;
    progress.end();
    let report = RecallReport {
        measured: recall.measured,
        low: (recall.measured - recall.within).max(0.0),
        high: (recall.measured + recall.within).min(1.0),
        target: ivf.recall,
        nprobe: Some(recall.probes as u64),
        method: "ivf".into(),
    };
    Ok((recall.probes, report))
}
