//! The tile algorithm, once for every lane.

use super::pack::{BLOCK_ROWS, PANEL_ROWS, PackedReferences, QueryPanels, Sixteen};
use super::survivors::{Resolve, Survivors};
use super::vector::Vector;

/// Bytes of a group of reference blocks that stays in the first-level cache while all query panels pass over it.
const GROUP_BYTES: usize = 25 * 1024;

/// Which part of the references meets which queries.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// Panels of queries, ascending.
    pub panels: &'a [u32],
    /// First block of references.
    pub first_block: usize,
    /// One past the last block.
    pub end_block: usize,
}

/// Pushes every (query, reference) of the visit whose value is within the query's threshold into its buffer.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn scan<V: Vector>(
    queries: &QueryPanels,
    references: &PackedReferences,
    visit: Visit,
    survivors: &mut Survivors,
    resolve: &mut dyn Resolve,
) {
    let dim = references.dim();
    let group = (GROUP_BYTES / (dim * BLOCK_ROWS * 4)).max(1);
    for first in (visit.first_block..visit.end_block).step_by(group) {
        let last = (first + group).min(visit.end_block);
        for &panel in visit.panels {
            let rows = queries.panel(panel as usize);
            let first_query = panel as usize * PANEL_ROWS;
            for block in first..last {
                let values = &references.values[block * dim..(block + 1) * dim];
                // SAFETY: the caller vouches for the instructions of `V`.
                let sums = unsafe { six_by_sixteen::<V>(rows, values, &references.norms[block]) };
                let limits = survivors.thresholds(first_query);
                // SAFETY: as above.
                if unsafe { !V::any_not_greater(&sums, limits) } {
                    continue;
                }
                let limits = *limits;
                let valid = references.valid[block];
                for i in 0..PANEL_ROWS {
                    // SAFETY: as above.
                    let mask = unsafe { sums[i].not_greater(limits[i]) } & valid;
                    if mask != 0 {
                        let mut found = Sixteen([0.0; BLOCK_ROWS]);
                        // SAFETY: as above.
                        unsafe { sums[i].store(&mut found) };
                        survivors.push(first_query + i, (block * BLOCK_ROWS) as u32, mask, &found.0, resolve);
                    }
                }
            }
        }
    }
}

/// Writes the value of every query with every reference: a row for each query, padding included on both sides.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn values<V: Vector>(queries: &QueryPanels, references: &PackedReferences, out: &mut Vec<f32>) {
    let dim = references.dim();
    let width = references.blocks() * BLOCK_ROWS;
    out.resize(queries.panels() * PANEL_ROWS * width, 0.0);
    let mut found = Sixteen([0.0; BLOCK_ROWS]);
    for panel in 0..queries.panels() {
        for block in 0..references.blocks() {
            let values = &references.values[block * dim..(block + 1) * dim];
            // SAFETY: the caller vouches for the instructions of `V`.
            let sums = unsafe { six_by_sixteen::<V>(queries.panel(panel), values, &references.norms[block]) };
            for (i, sum) in sums.into_iter().enumerate() {
                // SAFETY: as above.
                unsafe { sum.store(&mut found) };
                let start = (panel * PANEL_ROWS + i) * width + block * BLOCK_ROWS;
                out[start..start + BLOCK_ROWS].copy_from_slice(&found.0);
            }
        }
    }
}

/// ‖x‖² − 2·q·x of six queries and sixteen references.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
unsafe fn six_by_sixteen<V: Vector>(
    queries: &[[f32; PANEL_ROWS]],
    values: &[Sixteen],
    norms: &Sixteen,
) -> [V; PANEL_ROWS] {
    // SAFETY: the caller vouches for the instructions of `V`.
    unsafe {
        let start = V::load(norms);
        let mut sums = [start; PANEL_ROWS];
        for (query, value) in queries.iter().zip(values) {
            let value = V::load(value);
            for i in 0..PANEL_ROWS {
                sums[i] = sums[i].add_product(V::splat(query[i]), value);
            }
        }
        sums
    }
}
