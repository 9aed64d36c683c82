//! What a search costs, from fixed constants per pair and byte: for `plan` and for nothing that is stored.
//!
//! Bytes on disk are upper estimates. Times are rough, and never decide anything.

use super::order::Order;
use super::report::SearchPlan;
use super::request::Parameters;
use crate::index::{CodeRecord, Levels};
use crate::join::RepairCost;
use crate::store::FAN_IN;

/// Pairs a second of one core, and bytes a second of a disk.
const PAIRS_PER_SECOND: f64 = 0.6e9;
const BYTES_PER_SECOND: f64 = 0.4e9;
/// Lists visited for each cell while the recall has not chosen a number yet.
const USUAL_NPROBE: u64 = 32;
/// Lists begin at multiples of this, so half of it is lost for each.
const ALIGNMENT: u64 = 4096;
/// Super-cells whose lists each row that is assigned to a list is compared with, and regions whose super-cells.
const ROUTED_SUPER_CELLS: u64 = 12;
const ROUTED_REGIONS: u64 = 12;

/// Pairs that each of the r1 · r2 candidates of a repair costs, and a cell besides: `docs/design/repair.md` says where that comes from.
const REPAIR_CANDIDATE: f64 = 40.0;
const REPAIR_CELL: f64 = 2400.0;
/// Candidates of a cell, where nothing was chosen yet.
const USUAL_CANDIDATES: u64 = 144;

/// The size of a search.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) n_query: u64,
    pub(super) n_ref: u64,
    pub(super) dim: u64,
    pub(super) k: u64,
    pub(super) self_mapping: bool,
}

/// Bytes of an index: rows with their ids and checksums, the padding of each list, the centroids, and codes where it has them.
pub(super) fn index_bytes(n: u64, dim: u64, nlist: u64, list_dtype: &str, coded: bool) -> u64 {
    let number = match list_dtype {
        "f16" => 2,
        "none" => 0,
        _ => 4,
    };
    let codes = if coded { codes_bytes(n, dim, nlist) } else { 0 };
    let row = dim.saturating_mul(number).saturating_add(id_bytes(n));
    let list = dim * 4 + ALIGNMENT / 2 + 32;
    n.saturating_mul(row).saturating_add(nlist.saturating_mul(list)).saturating_add(codes).saturating_add(1 << 16)
}

/// Bytes of codes: half a byte for each sub-space, the last block of each list half empty, and the codebooks.
fn codes_bytes(n: u64, dim: u64, nlist: u64) -> u64 {
    let spaces = u64::from(CodeRecord::of(dim as usize).sub_spaces);
    let blocks = n.saturating_add(nlist.saturating_mul(32)) / 32;
    blocks.saturating_mul(spaces * 16).saturating_add(nlist.saturating_mul(40)).saturating_add(dim.saturating_mul(64))
}

/// Bytes of the runs that building an index sorts its rows with.
pub(super) fn build_run_bytes(n: u64, dim: u64) -> u64 {
    n.saturating_mul(dim * 4 + id_bytes(n) + 4)
}

/// What a search by the chosen method takes on disk, and how much of it stays out of the output.
pub(super) fn search_plan(parameters: &Parameters, extent: Extent, order: Option<Order>, run_rows: u64) -> SearchPlan {
    let Some(ivf) = &parameters.ivf else {
        return SearchPlan { recall: None, nlist: None, nprobe: None, order: None, index_bytes: 0, run_bytes: 0 };
    };
    let Extent { n_query, n_ref, dim, k, self_mapping } = extent;
    let index_bytes = index_bytes(n_ref, dim, ivf.nlist, &ivf.list_dtype, ivf.rerank.is_some());
    let built = if ivf.index.is_some() { 0 } else { build_run_bytes(n_ref, dim) };
    // Queries are sorted by list in runs, but within one store the lists hold them, and results are sorted back. Where there are too many
    // runs to be read side by side, most of them may be there twice while they are merged.
    let copies = if n_query > run_rows.saturating_mul(FAN_IN as u64) { 2 } else { 1 };
    let routed = if self_mapping { 0 } else { n_query.saturating_mul(dim * 4 + 8) };
    let found = n_query.saturating_mul(k * (id_bytes(n_ref) + 4) + 8);
    let joined = if order == Some(Order::Lists) || ivf.repair != "never" {
        routed.saturating_add(found).saturating_mul(copies)
    } else {
        0
    };
    // The runs of one stage are gone when the next one's are whole.
    SearchPlan {
        recall: ivf.recall,
        nlist: Some(ivf.nlist),
        nprobe: ivf.nprobe,
        order: order.map(|order| order.name().into()),
        index_bytes,
        run_bytes: built.max(joined),
    }
}

/// What a repair costs, in pairs. A cell's neighbours are written to runs, and read twice: as links and as its own. Its row is read once more. How
/// often they are read where memory is short is not in it, because the choice must not depend on memory.
pub(super) fn repair_cost(n_ref: u64, k: u64, dim: u64) -> RepairCost {
    let record = k * (id_bytes(n_ref) + 4) + 5;
    let bytes = (3 * record + dim * 4) as f64;
    RepairCost { candidate: REPAIR_CANDIDATE, query: REPAIR_CELL + bytes * PAIRS_PER_SECOND / BYTES_PER_SECOND }
}

/// Distances that the search computes.
pub(super) fn pairs(parameters: &Parameters, extent: Extent) -> u64 {
    let Extent { n_query, n_ref, .. } = extent;
    let Some(ivf) = &parameters.ivf else { return n_query.saturating_mul(n_ref) };
    let list_rows = n_ref.div_ceil(ivf.nlist);
    let visited = ivf.nprobe.unwrap_or(USUAL_NPROBE).min(ivf.nlist).saturating_mul(list_rows).min(n_ref);
    let assigned = if ivf.index.is_some() { 0 } else { n_ref };
    let repaired = if ivf.repair == "always" { USUAL_CANDIDATES } else { 0 };
    n_query.saturating_mul(visited + repaired).saturating_add((n_query + assigned).saturating_mul(routing(ivf.nlist)))
}

/// Comparisons that find the lists of one row.
pub(super) fn routing(nlist: u64) -> u64 {
    let levels = Levels::of(u32::try_from(nlist).unwrap_or(u32::MAX));
    let (regions, cells) = (u64::from(levels.regions), u64::from(levels.super_cells));
    if regions > 0 {
        return regions + ROUTED_REGIONS * cells.div_ceil(regions) + ROUTED_SUPER_CELLS * nlist.div_ceil(cells);
    }
    let super_cells = nlist.isqrt().max(1);
    nlist.min(super_cells + ROUTED_SUPER_CELLS * nlist.div_ceil(super_cells))
}

/// Rough seconds.
pub(super) fn seconds(pairs: u64, bytes: u64, threads: u64) -> f64 {
    pairs as f64 / (PAIRS_PER_SECOND * threads as f64) + bytes as f64 / BYTES_PER_SECOND
}

/// Bytes of a row's number among `n`.
fn id_bytes(n: u64) -> u64 {
    if n < 1 << 32 { 4 } else { 8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_takes_about_what_its_rows_take() {
        let (n, dim) = (1_000_000, 50);
        let f32s = index_bytes(n, dim, 4096, "f32", false);
        assert!((204_000_000..220_000_000).contains(&f32s), "{f32s}");
        assert!(index_bytes(n, dim, 4096, "f16", false) < f32s * 6 / 10);
        assert!(index_bytes(u64::MAX, u64::from(u32::MAX), 1, "f32", true) > 1 << 60);
        let coded = index_bytes(n, dim, 4096, "f32", true) - f32s;
        assert!((12_500_000..16_000_000).contains(&coded), "{coded}");
        assert!(index_bytes(n, dim, 4096, "none", true) < 40 * n);
        assert!(index_bytes(n, 2000, 4096, "none", true) - 4096 * 2000 * 4 < 40 * n);
    }

    #[test]
    fn routing_is_never_more_than_all_centroids() {
        assert_eq!(routing(1), 1);
        assert_eq!(routing(64), 64);
        assert_eq!(routing(4096), 64 + 12 * 64);
        assert_eq!(routing((1 << 18) + 1), 256 + 12 * 16 + 12 * 65);
    }
}
