//! What an approximate search needs before the join: an index, opened or built beside the output, and the number of lists to probe.

use std::path::Path;
use std::sync::Arc;

use super::joined::Measured;
use super::rounding::round;
use super::space;
use super::truth::true_neighbors;
use crate::budget::MemoryBudget;
use crate::distance::DistanceTile;
use crate::error::{Error, Result};
use crate::index::{IndexBuilder, Io, IvfIndex, KeptBlock, KeptGraph, Probes, Sampler, Start, discard};
use crate::join::{Barred, Calibration, DEFAULT_LOSS, Links, ListJoin, Repairs, Target, Theirs};
use crate::pipeline::agreement::HeldOut;
use crate::pipeline::cost::repair_cost;
use crate::pipeline::index_terms::spec;
use crate::pipeline::inputs::batches::BatchCodes;
use crate::pipeline::memory::sizes::MEASURED_QUERIES;
use crate::pipeline::memory_plan::PROCESS;
use crate::pipeline::other_graphs;
use crate::pipeline::places::{place, runs_folder};
use crate::pipeline::prepared::Prepared;
use crate::pipeline::report::RecallReport;
use crate::pipeline::request::{IvfParameters, Resolved};
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::source::RowSource;
use crate::store::{RunLedger, Vfs};
use crate::types::{RowRange, Tile};

/// Set apart from the seed that trains an index: samples of one seed are nested, and rows that trained the centroids lie nearer to
/// them than others do.
const MEASURING: u64 = 0x5bd1_e995_7f4a_7c15;
/// Share of the neighbours that a recall lets go, which codes may lose.
const CODES_SHARE: f64 = 0.1;
/// Rows read at a time while they are chosen, where a block has as many.
const SAMPLED_ROWS: u64 = 16_384;

/// The lists of an index, and those that each query looks in.
#[derive(Clone, Copy)]
pub(in crate::pipeline) struct Lists<'a> {
    pub(in crate::pipeline) search: &'a ListJoin<'a>,
    pub(in crate::pipeline) probes: Probes,
}

/// Opens the index that was given, if one was, and so finds out whether it is whole.
pub(in crate::pipeline) fn given(prepared: &Prepared, budget: &MemoryBudget) -> Result<Option<IvfIndex>> {
    let resolved = &prepared.resolved;
    let path = resolved.parameters.ivf.as_ref().and(resolved.search.index.as_deref());
    path.map(|path| open(path, resolved, Io::Pread, budget)).transpose()
}

/// Builds the run's own index, or goes on with it, and opens it. None for an exact search.
pub(in crate::pipeline) fn built(
    prepared: &Prepared,
    vfs: &Arc<dyn Vfs>,
    budget: &MemoryBudget,
    tile: &dyn DistanceTile,
    progress: &Progress,
) -> Result<Option<IvfIndex>> {
    let resolved = &prepared.resolved;
    let Some(ivf) = &resolved.parameters.ivf else { return Ok(None) };
    let path = place(resolved, ".index.gmx")?;
    let builder = IndexBuilder {
        vfs: Arc::clone(vfs),
        spec: spec(ivf.nlist, &ivf.list_dtype, ivf.rerank.is_some(), resolved.parameters.metric, ivf.seed)?,
        start: if resolved.resume { Start::Resume } else { Start::Overwrite },
        // The build has the memory to itself: what the join takes is not there yet.
        budget: MemoryBudget::new(resolved.memory.saturating_sub(PROCESS + prepared.inputs.held_bytes())),
        tile,
        progress,
    };
    builder.build(&path, &prepared.inputs.reference_rows)?;
    // Nobody else knows of this index, so a map of it is safe.
    open(&path, resolved, Io::Mmap, budget).map(Some)
}

/// Removes the run's own index, which nobody looks at once the last query is joined.
pub(in crate::pipeline) fn end(prepared: &Prepared, vfs: &Arc<dyn Vfs>) -> Result<()> {
    let resolved = &prepared.resolved;
    if resolved.parameters.ivf.is_none() || resolved.search.index.is_some() {
        return Ok(());
    }
    discard(vfs, &place(resolved, ".index.gmx")?)
}

/// Makes durable that nothing is left of a search or of what weighs by more than distances, before the store is finished: afterwards nobody
/// looks for it any more.
pub(in crate::pipeline) fn settle(prepared: &Prepared, vfs: &dyn Vfs) -> Result<()> {
    let Prepared { resolved, sizes, .. } = prepared;
    let parameters = &resolved.parameters;
    let has_runs = parameters.ivf.is_some() || sizes.after.reverse.is_some() || parameters.diffusion.is_some();
    if !has_runs && !other_graphs::is_used(resolved) {
        return Ok(());
    }
    vfs.sync_dir(runs_folder(resolved)?.parent().unwrap_or(Path::new("")))
}

/// Where runs would go nothing else may be, whichever order is taken. A run that goes on finds its own there.
pub(in crate::pipeline) fn check_runs(resolved: &Resolved, vfs: &dyn Vfs) -> Result<()> {
    if resolved.parameters.ivf.is_none() || resolved.resume {
        return Ok(());
    }
    RunLedger::check(vfs, &runs_folder(resolved)?)
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

/// The lists that a query looks in: as many as was asked for, or of those that the recall chose the near ones.
pub(in crate::pipeline) fn probes(ivf: Option<&IvfParameters>, chosen: &RecallReport) -> Probes {
    let most = chosen.nprobe.unwrap_or(0) as usize;
    if ivf.is_some_and(|ivf| ivf.nprobe.is_some()) { Probes::Nearest(most) } else { Probes::Near(most) }
}

/// An index, ready to be joined.
pub(in crate::pipeline) fn search<'a>(
    prepared: &Prepared,
    index: &'a IvfIndex,
    tile: &'a dyn DistanceTile,
    budget: &MemoryBudget,
) -> ListJoin<'a> {
    ListJoin::new(index, tile, budget).losing(loss(prepared.resolved.parameters.ivf.as_ref()))
}

/// What codes may lose of the farthest neighbours: a tenth of what the recall allows a search to lose, so that the lists decide.
fn loss(ivf: Option<&IvfParameters>) -> f64 {
    let recall = ivf.and_then(|ivf| ivf.recall);
    recall.map_or(DEFAULT_LOSS, |recall| (1.0 - recall) * CODES_SHARE)
}

/// Whether distances of a search are those to what codes stand for.
fn is_approximate(ivf: &IvfParameters) -> bool {
    ivf.rerank.as_deref() == Some("none")
}

/// What is said of a search without queries: there was nothing to miss.
pub(in crate::pipeline) fn unmeasured(ivf: &IvfParameters) -> Measured {
    let (method, approximate_distances) = (method(ivf).into(), is_approximate(ivf));
    let recall =
        RecallReport { target: ivf.recall, nprobe: ivf.nprobe, method, approximate_distances, ..RecallReport::exact() };
    Measured { recall, held_out: None, space: None }
}

/// Nothing is missed by an exact search, and nothing is sought where neighbours are imported.
pub(in crate::pipeline) fn unsearched(method: &str) -> Measured {
    Measured { recall: RecallReport { method: method.into(), ..RecallReport::exact() }, held_out: None, space: None }
}

fn method(ivf: &IvfParameters) -> &'static str {
    if ivf.rerank.is_some() { "ivfpq" } else { "ivf" }
}

/// Chooses the number of lists to probe, and measures the recall, on a sample of the run's own queries.
pub(in crate::pipeline) fn calibrate<'a>(
    prepared: &Prepared,
    search: &'a ListJoin<'a>,
    codes: Option<&'a BatchCodes>,
    tile: &dyn DistanceTile,
    progress: &Progress,
) -> Result<Measured> {
    let Some(ivf) = &prepared.resolved.parameters.ivf else {
        return Ok(unsearched(&prepared.resolved.parameters.method));
    };
    let source = &prepared.inputs.query_rows;
    let sampler = Sampler::new(ivf.seed ^ MEASURING, MEASURED_QUERIES, source.rows());
    let (mut sample, mut numbers) = (Tile { first_row: 0, dim: source.dim(), values: Vec::new() }, Vec::new());
    let all = RowRange::new(0, source.rows());
    let (mut reader, mut band) = (TileReader::new(source, all, prepared.resolved.parameters.metric), Tile::default());
    let (mut batches, mut of_band) = (Vec::new(), Vec::new());
    progress.begin("calibrate", source.rows(), 0);
    loop {
        reader.next(SAMPLED_ROWS.min(prepared.sizes.block_rows), &mut band)?;
        if band.rows() == 0 {
            break;
        }
        if let Some(codes) = codes {
            codes.of_queries(RowRange::new(band.first_row, band.first_row + band.rows() as u64), &mut of_band)?;
        }
        for row in (0..band.rows()).filter(|&row| sampler.takes(band.first_row + row as u64)) {
            numbers.push(band.first_row + row as u64);
            sample.values.extend_from_slice(band.row(row));
            batches.extend(of_band.get(row).copied());
        }
        progress.advance(band.rows() as u64)?;
    }
    // Rows that lie side by side in a store are often alike: every second one chooses, the others report.
    let order: Vec<usize> = (0..numbers.len()).step_by(2).chain((1..numbers.len()).step_by(2)).collect();
    let values = order.iter().flat_map(|&row| sample.row(row).iter().copied()).collect();
    let numbers: Vec<u64> = order.iter().map(|&row| numbers[row]).collect();
    let batches = codes.map(|codes| (order.iter().map(|&row| batches[row]).collect::<Vec<_>>(), codes.references()));
    let own: Option<Vec<i64>> =
        prepared.resolved.self_mapping.then(|| numbers.iter().map(|&number| number as i64).collect());
    let mut queries = Tile { first_row: 0, dim: source.dim(), values };
    round(&prepared.resolved, &mut queries);
    let k = prepared.spec.k as usize;
    let told = is_approximate(ivf).then(|| {
        let batches = batches.as_ref().map(|(queries, references)| (queries.as_slice(), *references));
        true_neighbors(prepared, &queries, Barred { own: own.as_deref(), batches }, tile, progress)
    });
    let told = told.transpose()?;
    let mut calibration = Calibration::among_others(search, queries, (own, batches), k, progress)?;
    if let Some(truth) = told {
        calibration = calibration.told_by(truth);
    }
    let target = ivf.nprobe.map_or(Target::Recall(ivf.recall.unwrap_or(1.0)), |probes| Target::Probes(probes as usize));
    let recall = match ivf.repair.as_str() {
        "never" => calibration.measure(target, progress)?,
        repair => {
            let cost = repair_cost(prepared.spec.n_ref, prepared.spec.k, source.dim() as u64);
            let mut rows = |rows: &[i64]| rows_at(prepared, rows, progress);
            let mut links = |rows: &[i64], links: &mut Links| {
                links_at(kept(&prepared.resolved, search.index())?, rows, links, progress)
            };
            let theirs = match prepared.resolved.search.kept {
                Some(neighbors) => Theirs::Kept(neighbors as usize, &mut links),
                None => Theirs::Found(&mut rows),
            };
            let repairs = Repairs { always: repair == "always", cost, theirs };
            calibration.measure_repaired(target, repairs, progress)?
        }
    };
    progress.end();
    // Approximate distances cannot be ranked among true ones.
    let has_labels = !is_approximate(ivf) && prepared.inputs.columns.iter().any(|input| input.labels().is_some());
    let held_out = has_labels.then(|| HeldOut::new(&numbers, recall.missed, k));
    let recall = RecallReport {
        measured: recall.measured,
        low: (recall.measured - recall.within).max(0.0),
        high: (recall.measured + recall.within).min(1.0),
        target: ivf.recall,
        nprobe: Some(recall.probes.most() as u64),
        mean_nprobe: Some(recall.lists),
        repair: recall.repair,
        method: method(ivf).into(),
        approximate_distances: is_approximate(ivf),
    };
    let chosen = (search, probes(Some(ivf), &recall));
    let space = if is_approximate(ivf) { None } else { space::compare(prepared, Some(chosen), tile, progress)? };
    Ok(Measured { recall, held_out, space })
}

/// Rows of the reference by their numbers, which ascend, as the index has them: one pass over the store.
fn rows_at(prepared: &Prepared, numbers: &[i64], progress: &Progress) -> Result<Tile> {
    let source = &prepared.inputs.reference_rows;
    let all = RowRange::new(0, source.rows());
    let mut reader = TileReader::new(source, all, prepared.resolved.parameters.metric);
    let mut rows = Tile { first_row: 0, dim: source.dim(), values: Vec::with_capacity(numbers.len() * source.dim()) };
    let (mut band, mut left) = (Tile::default(), numbers.iter().map(|&number| number as u64).peekable());
    while left.peek().is_some() {
        progress.check()?;
        reader.next(SAMPLED_ROWS.min(prepared.sizes.block_rows), &mut band)?;
        let end = band.first_row + band.rows() as u64;
        if band.rows() == 0 {
            return Err(Error::internal(format!("a neighbor beyond row {end}")));
        }
        while let Some(number) = left.next_if(|number| *number < end) {
            rows.values.extend_from_slice(band.row((number - band.first_row) as usize));
        }
    }
    round(&prepared.resolved, &mut rows);
    Ok(rows)
}

/// Adds the links of rows that an index keeps, by their numbers, which ascend: one pass over the blocks that they are in.
fn links_at(graph: &KeptGraph, numbers: &[i64], links: &mut Links, progress: &Progress) -> Result<()> {
    let (k, mut block) = (graph.neighbors(), KeptBlock::default());
    for some in numbers.chunk_by(|&one, &next| KeptGraph::block_of(one as u64) == KeptGraph::block_of(next as u64)) {
        progress.check()?;
        graph.read(KeptGraph::block_of(some[0] as u64), &mut block)?;
        for &number in some {
            let place = (number as u64 - block.first_row) as usize;
            links.push_ids(&block.ids[place * k..(place + 1) * k], k);
        }
    }
    Ok(())
}

/// The graph that an index keeps, as the plan counted on it: `GM_STALE` if the index was replaced since.
pub(in crate::pipeline) fn kept<'a>(resolved: &Resolved, index: &'a IvfIndex) -> Result<&'a Arc<KeptGraph>> {
    let graph = index.graph().filter(|graph| Some(graph.neighbors() as u64) == resolved.search.kept);
    let reason = "it does not keep the graph any more that it had when the run was planned";
    graph.ok_or_else(|| Error::Stale { path: index.path().to_path_buf(), reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_measure_are_no_more_often_rows_that_train_than_others() {
        const ROWS: u64 = 200_000;
        for seed in [0, 1, u64::MAX] {
            let trains = Sampler::new(seed, ROWS / 4, ROWS);
            let measures = Sampler::new(seed ^ MEASURING, MEASURED_QUERIES, ROWS);
            let measuring: Vec<u64> = (0..ROWS).filter(|&row| measures.takes(row)).collect();
            let both = measuring.iter().filter(|&&row| trains.takes(row)).count();
            let share = both as f64 / measuring.len() as f64;
            assert!((0.2..0.3).contains(&share), "{share} of the rows that measure train, of all rows a quarter does");
        }
    }
}
