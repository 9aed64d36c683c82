//! How the budget is shared out: the block of queries in flight, the slab of references, and what the rest takes.

pub(super) mod passing;
pub(super) mod repair;
pub(super) mod sizes;
pub(super) mod imported;
pub(super) mod diffusion;
pub(super) mod graphs;
pub(super) mod reverse;
pub(super) mod runs;
pub(super) mod transfer;

use std::collections::BTreeMap;

use self::repair::RepairNeeds;
use self::reverse::ReverseNeeds;
use self::runs::{Needs, Shares, routed_shape};
use self::sizes::{AfterJoin, MEASURED_QUERIES, Sizes, TRUTH_ROWS, fits};
use self::transfer::share_transfer;
use super::agreement::HeldOut;
use super::backend;
use super::cost::index_bytes;
use super::finished::Finished;
use super::found::FoundRows;
use super::inputs::Inputs;
use super::memory_plan::{MemoryPlan, PROCESS};
use super::order::{Order, Traffic};
use super::request::{IvfParameters, Resolved};
use crate::error::{Error, Result};
use crate::gpu::{Backend, Device};
use crate::index::{CodeRecord, IndexBuilder, KeptBlock, Levels, RouteScratch, Router};
use crate::join::{DeviceSize, QUERY_CHUNK, Slab, SliceSize, ordered_bytes, sample_bytes, scratch_bytes, slice_bytes};
use crate::representation::TileReader;
use crate::sink::{ArraySpec, Stage, StoreSpec, writer_bytes};
use crate::source::RowSource;

/// No block is larger: beyond this nothing gets faster.
const MOST_BLOCK_ROWS: u64 = 16_384;
/// On a device larger blocks are quicker: rows of a slab are copied to it once for each.
const MOST_DEVICE_BLOCK: u64 = 1 << 17;
/// A reference that must be streamed is not cut finer than this.
const LEAST_SLAB_ROWS: u64 = 4096;
/// A list is at most so many times as long as the mean, about.
const LONGEST_LIST: u64 = 8;
/// Centroids are in memory as they are, beside their bytes when they are read, and packed.
const LEVEL_COPIES: u64 = 4;
/// Where lists stay in memory, more queries in flight make nothing faster, and the rows of one block are written while the next is joined.
const MOST_LIST_BLOCK: u64 = 1 << 18;
/// Fewer queries in flight would visit too many lists for too few of them.
const LEAST_LIST_BLOCK: u64 = 4096;

/// Shares out `resolved.memory`, or says what would be enough. A run that goes on keeps the order that it was begun in.
pub(in crate::pipeline) fn share(
    resolved: &Resolved,
    inputs: &Inputs,
    spec: &StoreSpec,
    (begun, backend): (Option<Order>, &Backend),
) -> Result<Sizes> {
    let mut common = BTreeMap::new();
    common.insert("process", PROCESS);
    common.extend(inputs.held());
    common.extend(backend::opened());
    common.insert("writer", writer_bytes(spec) + Finished::scratch_bytes(spec.k));
    common.extend(inputs.batch.as_ref().map(|batch| ("batches", batch.bytes())));
    let reverse = ReverseNeeds::of(resolved, spec)?;
    let ivf = resolved.parameters.ivf.as_ref();
    if ivf.is_some() && inputs.columns.iter().any(|input| input.labels().is_some()) {
        let queries = MEASURED_QUERIES.min(inputs.query.n_obs()).div_ceil(2);
        common.insert("held-out cells", HeldOut::bytes(queries, spec.k));
    }
    let (transfer, passing) = share_transfer(resolved, &common, inputs, spec, reverse.as_ref());
    let mut sizes = match ivf {
        Some(ivf) => {
            let order = begun.or(resolved.search.order);
            let share = |devices: &[Device]| {
                share_lists(resolved, inputs, spec, (&common, transfer.clone()), ivf, (order, devices))
            };
            with_devices(backend, share)?
        }
        None if resolved.imported.is_some() => imported::share(resolved, inputs, spec.k, &common, transfer.clone())?,
        None => {
            with_devices(backend, |devices| share_slabs(resolved, inputs, spec, (&common, devices), transfer.clone()))?
        }
    };
    sizes.after.transfer = transfer.values().sum();
    sizes.after.passing = passing;
    if let Some(reverse) = reverse {
        fits(resolved, "sorting edges", reverse.least_stage(), &common)?;
        reverse.enter(sizes.after.transfer, &mut sizes);
    }
    diffusion::enter(resolved, inputs, spec, &mut sizes);
    graphs::enter(resolved, inputs, spec, &mut sizes);
    Ok(sizes)
}

/// Shares out memory with as many devices as it does for, and with one at least where there are any.
fn with_devices(backend: &Backend, share: impl Fn(&[Device]) -> Result<Sizes>) -> Result<Sizes> {
    let Backend::Cuda { devices, .. } = backend else { return share(&[]) };
    for count in (2..=devices.len()).rev() {
        let shared = share(&devices[..count]);
        if !matches!(shared, Err(Error::Budget { .. })) {
            return shared;
        }
    }
    share(&devices[..devices.len().min(1)])
}

/// Shares out the memory of an exact search.
fn share_slabs(
    resolved: &Resolved,
    inputs: &Inputs,
    spec: &StoreSpec,
    (common, devices): (&BTreeMap<&'static str, u64>, &[Device]),
    transfer: BTreeMap<&'static str, u64>,
) -> Result<Sizes> {
    let (n_query, n_ref) = (inputs.query.n_obs(), inputs.reference.n_obs());
    let dim = inputs.query_rows.dim() as u64;
    let k = spec.k;
    let threads = resolved.threads as u64;
    let mut join = common.clone();
    join.insert("threads", threads * scratch_bytes(k as usize, dim as usize));
    join.insert("query reading", TileReader::bytes(&inputs.query_rows));
    let names = inputs.names.natural_tile_rows().min(n_query);
    join.insert("names", inputs.names.scratch_bytes(names) + names * 32);

    // On devices: batches, rows of a slab that each holds, and what each takes on its way there.
    let mut device = device_size(devices, k, dim);
    let (most_block, most_slab, row_bytes) = match device {
        Some(size) => {
            join.insert("device batches", size.slabs_bytes());
            (MOST_DEVICE_BLOCK, size.most_rows(devices).clamp(1, n_ref.max(1)), size.row_bytes())
        }
        None => (MOST_BLOCK_ROWS, n_ref.max(1), 0),
    };
    let per_row = block_row_bytes(dim, k) + ordered_bytes(k, dim);
    let least_block = n_query.clamp(1, (QUERY_CHUNK as u64 * threads).min(MOST_BLOCK_ROWS));
    let most_block = n_query.clamp(1, most_block);
    let reading = TileReader::bytes(&inputs.reference_rows);
    let mut fixed: u64 = join.values().sum();
    let whole = Slab::bytes(n_ref, dim) + n_ref * row_bytes + reading;
    let resident = n_ref <= most_slab && fixed + whole + least_block * per_row <= resolved.memory;
    // The slab at work and the rows read ahead for the next one.
    let slab_row = Slab::bytes(LEAST_SLAB_ROWS, dim).div_ceil(LEAST_SLAB_ROWS) + row_bytes + dim * 4;
    let least_slab = n_ref.clamp(1, LEAST_SLAB_ROWS.min(most_slab));
    let least_join = fixed + least_block * per_row + whole.min(reading + least_slab * slab_row);
    let least_transfer = transfer.values().sum();
    // The stage that needs more is the one to complain: what it asks for is enough for the other.
    if least_transfer > least_join {
        fits(resolved, "transfer", least_transfer, &transfer)?;
    } else {
        let mut least = join.clone();
        least.insert("reference reading", reading);
        fits(resolved, "neighbors", least_join, &least)?;
    }
    if let Some(device) = &mut device {
        let least = if resident { fixed + whole + least_block * per_row } else { least_join };
        *device = device.with(resolved.memory - least);
        join.insert("device batches", device.slabs_bytes());
        fixed = join.values().sum();
    }
    let (block_rows, slab_rows) = if resident {
        let left = resolved.memory - fixed - whole;
        ((left / per_row).clamp(least_block, most_block), n_ref.max(1))
    } else {
        // Half for the queries in flight, half for the references: passes over the reference fall with the block.
        let left = resolved.memory - fixed - reading;
        let for_queries = (left / 2).min(left - least_slab * slab_row);
        let block_rows = (for_queries / per_row).clamp(least_block, n_query.clamp(1, 1 << 20));
        let slab_rows = (left.saturating_sub(block_rows * per_row) / slab_row).clamp(least_slab, most_slab);
        (block_rows, slab_rows)
    };
    join.insert("queries in flight", block_rows * per_row);
    let slabs = if resident { whole } else { reading + slab_rows * slab_row };
    join.insert("reference in memory", slabs);

    let highest = if least_transfer > join.values().sum() { transfer } else { join };
    let planned = highest.values().sum();
    let parts = highest.into_iter().map(|(what, bytes)| (what.to_owned(), bytes)).collect();
    let passes = if resident { 1 } else { n_query.div_ceil(block_rows) };
    let memory = MemoryPlan { limit: resolved.memory, planned, parts };
    Ok(Sizes { block_rows, slab_rows, reference_passes: passes, leased: planned, device, memory, ..Sizes::default() })
}

/// Shares out the memory of a search by lists: a third of what is free for queries in flight, in the order of lists a third for runs, the rest
/// for lists.
fn share_lists(
    resolved: &Resolved,
    inputs: &Inputs,
    spec: &StoreSpec,
    (common, transfer): (&BTreeMap<&'static str, u64>, BTreeMap<&'static str, u64>),
    ivf: &IvfParameters,
    (order, devices): (Option<Order>, &[Device]),
) -> Result<Sizes> {
    let (n_query, n_ref) = (inputs.query.n_obs(), inputs.reference.n_obs());
    let (dim, k, threads) = (inputs.query_rows.dim() as u64, spec.k, resolved.threads as u64);
    // Rows that only codes tell are no queries.
    let has_rows = !resolved.self_mapping || ivf.rerank.as_deref() != Some("none");
    check_order(order, has_rows)?;
    // Longer lists are cut when an index is built; what fills up lists of few rows is small.
    let longest = (n_ref / ivf.nlist.max(1) * LONGEST_LIST).max(64).min(n_ref);
    let (mut join, levels) = search_parts(resolved, inputs, spec.k, common, ivf, longest);
    let mut device = device_size(devices, k, dim);
    let device_bytes = |size: DeviceSize| size.lists_bytes(threads, (ivf.nlist, longest));
    join.extend(device.map(|size| ("device batches", device_bytes(size))));
    let per_row = block_row_bytes(dim, k) + ordered_bytes(k, 0) + 16;
    let least_block = n_query.clamp(1, LEAST_LIST_BLOCK);
    let fixed: u64 = join.values().sum();
    let cells = levels_of(ivf.nlist).super_cells;
    let needs = Needs {
        n_query,
        found: FoundRows::new(spec)?,
        routed: (!resolved.self_mapping).then(|| routed_shape(cells, dim)),
        // Which rows of the output they are, too, and those of the block before.
        row: per_row + 16,
        block_rows: [least_block, n_query.clamp(least_block, MOST_LIST_BLOCK)],
    };
    // In self-mapping, the list that queries come from.
    let own_list = if resolved.self_mapping { longest * (dim * 8 + 8) } else { 0 };
    let by_lists = fixed + own_list + needs.least();
    let repairs = ivf.repair != "never";
    let by_rows = fixed + if repairs { needs.least() } else { least_block * per_row };
    let kept = resolved.search.kept.map_or(0, |kept| KeptBlock::bytes(n_ref, kept));
    let sample = if repairs { sample_bytes(MEASURED_QUERIES.min(n_query), k, dim) + kept } else { 0 };
    let least_join = (if order == Some(Order::Lists) { by_lists } else { by_rows }).max(fixed + sample);
    let least_transfer: u64 = transfer.values().sum();
    let build = build_parts(resolved, inputs, ivf, threads);
    let least_build: u64 = build.values().sum();
    let repair = repairs.then(|| repair_needs(resolved, inputs, spec, common, needs.found));
    let least_repair = repair.as_ref().map_or(0, RepairNeeds::least);
    let repair_parts = repair.as_ref().map(|repair| repair.parts.clone()).unwrap_or_default();
    let stages = [
        ("neighbors", least_join, &join),
        ("transfer", least_transfer, &transfer),
        ("the index", least_build, &build),
        ("repair", least_repair, &repair_parts),
    ];
    all_fit(resolved, stages)?;
    device = device.map(|size| size.with(resolved.memory - least_join));
    join.extend(device.map(|size| ("device batches", device_bytes(size))));
    let fixed: u64 = join.values().sum();
    let by_lists = fixed + own_list + needs.least();
    let share = (resolved.memory - fixed) / 3 / per_row;
    let lists = n_ref * (dim * 4 + 8);
    let stay = resolved.memory - fixed >= lists + MOST_LIST_BLOCK * per_row;
    let most = n_query.min(if stay { MOST_LIST_BLOCK } else { spec.layout.unit_rows() });
    let block_rows = share.clamp(least_block, most.max(least_block));
    let joined = spec.arrays.iter().filter(|array| array.stage == Stage::Joined);
    let traffic = Traffic {
        blocks: n_query.div_ceil(block_rows),
        index: index_bytes(n_ref, dim, ivf.nlist, &ivf.list_dtype, ivf.rerank.is_some()),
        query: n_query * dim * 4,
        results: n_query * joined.filter_map(ArraySpec::row_bytes).sum::<u64>(),
        stays: stay,
    };
    // Queries that lie side by side look in few lists together, which is what a device is asked for.
    let groups = device.is_some() && traffic.blocks > 1;
    let cheaper = || if groups { Order::Lists } else { Order::cheaper(traffic) };
    // Where nobody asked for it, the order of lists is none that would not fit.
    let order = order.unwrap_or_else(|| if has_rows && by_lists <= resolved.memory { cheaper() } else { Order::Rows });
    let shares = match order {
        Order::Rows if !repairs => Shares { block_rows, run_bytes: 0 },
        Order::Rows => needs.share(resolved.memory - fixed),
        Order::Lists => needs.share(resolved.memory - fixed - own_list),
    };
    let through_runs = order == Order::Lists || repairs;
    let (block_rows, per_row) = (shares.block_rows, if through_runs { needs.row } else { per_row });
    join.insert("queries in flight", block_rows * per_row);
    join.extend(through_runs.then_some(("runs", shares.run_bytes)));
    join.extend((order == Order::Lists).then_some(("queries of lists", own_list)));
    if repairs {
        // The sample is gone when the join begins.
        join.insert("repair sample", (fixed + sample).saturating_sub(join.values().sum()));
    }
    let planned: u64 = join.values().sum();
    let (highest, planned) = if least_transfer > planned { (transfer, least_transfer) } else { (join, planned) };
    // The index takes its levels itself, and its lists if there is room.
    let leased = planned.min(resolved.memory - levels);
    let shared = repair.as_ref().map(|repair| (repair.share(resolved.memory), repair));
    let (highest, planned) = match &shared {
        Some((shares, repair)) if shares.bytes > planned => (repair.told(shares), shares.bytes),
        _ => (highest, planned),
    };
    let parts = highest.into_iter().map(|(what, bytes)| (what.to_owned(), bytes)).collect();
    let memory = MemoryPlan { limit: resolved.memory, planned, parts };
    Ok(Sizes {
        block_rows,
        slab_rows: n_ref.max(1),
        reference_passes: 1,
        leased,
        device,
        order: Some(order),
        after: AfterJoin::default(),
        repair: shared.map(|(shares, _)| shares),
        run_bytes: shares.run_bytes,
        found_bytes: if through_runs { needs.of_found(shares.run_bytes) } else { 0 },
        run_rows: None,
        memory,
    })
}

/// The least that devices take for a join, where there are any.
fn device_size(devices: &[Device], k: u64, dim: u64) -> Option<DeviceSize> {
    (!devices.is_empty()).then(|| DeviceSize::least(k as usize, dim as usize, devices.len()))
}

/// What a search by lists takes besides queries in flight, of which so much are the levels of the index.
fn search_parts(
    resolved: &Resolved,
    inputs: &Inputs,
    k: u64,
    common: &BTreeMap<&'static str, u64>,
    ivf: &IvfParameters,
    longest: u64,
) -> (BTreeMap<&'static str, u64>, u64) {
    let (n_query, n_ref) = (inputs.query.n_obs(), inputs.reference.n_obs());
    let (dim, threads) = (inputs.query_rows.dim() as u64, resolved.threads as u64);
    let codes = if ivf.rerank.is_some() { u64::from(CodeRecord::of(dim as usize).sub_spaces) } else { 0 };
    let slice =
        slice_bytes(SliceSize { queries: n_query, k: k as usize, dim, nlist: ivf.nlist, rows: n_ref, longest, codes });
    let codebooks = if codes > 0 { dim * 64 + 64 } else { 0 };
    let levels = ivf.nlist * (dim * 4 * LEVEL_COPIES + 64) + (1 << 16) + codebooks;
    let mut join = common.clone();
    let routing = threads * RouteScratch::bytes(ivf.nlist, dim) + Router::scratch_bytes(dim, threads);
    join.insert("threads", threads * slice + routing);
    join.insert("index levels", levels);
    if ivf.rerank.as_deref() == Some("none") {
        // The sample that measures the recall meets the reference's own rows, a slab at a time.
        let slab = Slab::bytes(TRUTH_ROWS.min(n_ref), dim) + TRUTH_ROWS.min(n_ref) * dim * 4;
        let threads = threads * scratch_bytes(k as usize + 1, dim as usize);
        join.insert("true neighbors", slab + TileReader::bytes(&inputs.reference_rows) + threads);
    }
    join.insert("query reading", TileReader::bytes(&inputs.query_rows));
    let names = inputs.names.natural_tile_rows().min(n_query);
    join.insert("names", inputs.names.scratch_bytes(names) + names * 32);
    (join, levels)
}

/// What a repair takes besides queries and references.
fn repair_needs(
    resolved: &Resolved,
    inputs: &Inputs,
    spec: &StoreSpec,
    common: &BTreeMap<&'static str, u64>,
    found: FoundRows,
) -> RepairNeeds {
    let names = inputs.names.natural_tile_rows().min(spec.layout.n_obs());
    let mut parts = common.clone();
    parts.insert("names", inputs.names.scratch_bytes(names) + names * 32);
    parts.insert("runs", found.gather_bytes());
    parts.insert("query reading", TileReader::bytes(&inputs.query_rows));
    parts.insert("reference reading", TileReader::bytes(&inputs.reference_rows));
    if let Some(kept) = resolved.search.kept {
        parts.insert("graph reading", KeptBlock::bytes(spec.n_ref, kept));
    }
    RepairNeeds {
        n_query: spec.layout.n_obs(),
        n_ref: spec.n_ref,
        own: resolved.self_mapping,
        theirs: resolved.search.kept.unwrap_or(spec.k),
        dim: inputs.query_rows.dim() as u64,
        k: spec.k,
        threads: resolved.threads as u64,
        bucket_rows: found.bucket_rows(),
        unit_rows: spec.layout.unit_rows(),
        parts,
    }
}

/// The levels above so many lists.
fn levels_of(nlist: u64) -> Levels {
    Levels::of(u32::try_from(nlist).unwrap_or(u32::MAX))
}

/// What building the run's own index takes at least, before anything else is in memory.
fn build_parts(resolved: &Resolved, inputs: &Inputs, ivf: &IvfParameters, threads: u64) -> BTreeMap<&'static str, u64> {
    let mut parts = BTreeMap::from([("process", PROCESS)]);
    parts.extend(inputs.held());
    if ivf.index.is_none() && resolved.search.index.is_none() {
        let dim = inputs.reference_rows.dim() as u64;
        parts.insert("levels of the index", IndexBuilder::least_bytes(levels_of(ivf.nlist), dim, threads, false));
        parts.insert("reference reading", TileReader::bytes(&inputs.reference_rows));
        if ivf.rerank.is_some() {
            parts.insert("training of codes", IndexBuilder::codes_bytes(dim));
        }
    }
    parts
}

/// Bytes of one query row in flight, besides what the join copies: this block's tile and the next one's, its neighbours and
/// those of the block before.
fn block_row_bytes(dim: u64, k: u64) -> u64 {
    2 * dim * 4 + k * (8 + 4) + Finished::row_bytes(k) + 8
}

/// Lists that hold no rows hold no queries.
fn check_order(order: Option<Order>, has_rows: bool) -> Result<()> {
    if order == Some(Order::Lists) && !has_rows {
        let reason = "lists without rows (rerank \"none\") hold no queries: take \"rows\"";
        return Err(Error::param("order", "lists", reason));
    }
    Ok(())
}

/// Of stages that follow each other, the one that needs most is the one to complain: what it asks for is enough for the others.
fn all_fit(resolved: &Resolved, stages: [(&str, u64, &BTreeMap<&'static str, u64>); 4]) -> Result<()> {
    let [first, others @ ..] = stages;
    let (what, needed, parts) =
        others.into_iter().fold(first, |most, stage| if stage.1 > most.1 { stage } else { most });
    fits(resolved, what, needed, parts)
}
