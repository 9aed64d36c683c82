//! The tile algorithm, once for every lane.

use super::pack::{BLOCK_ROWS, PackedReferences, Sixteen};
use super::query::{PANEL_ROWS, QueryPanels, QueryRows};
use super::survivors::{FEW_MORE, Resolve, Survivors};
use super::vector::Vector;

/// The number of each lane.
static LANES: Sixteen = Sixteen([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
/// Bytes of a group of reference blocks that stays in the first-level cache while all query panels pass over it.
const GROUP_BYTES: usize = 26 * 1024;

/// Which part of the references meets which queries.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// The queries.
    pub rows: &'a QueryRows,
    /// Which of them meet references together.
    pub panels: &'a QueryPanels,
    /// Panels that take part, ascending.
    pub chosen: &'a [u32],
    /// First block of references.
    pub first_block: usize,
    /// One past the last block.
    pub end_block: usize,
    /// Added to the slot of each survivor.
    pub first_slot: u32,
}

/// Pushes every (query, reference) of the visit whose value is above the query's limit into its buffer.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn scan<V: Vector>(
    references: &PackedReferences,
    visit: Visit,
    survivors: &mut Survivors,
    resolve: &mut dyn Resolve,
) {
    let group = (GROUP_BYTES / (references.pairs() * BLOCK_ROWS * 4).max(1)).max(1);
    for first in (visit.first_block..visit.end_block).step_by(group) {
        let last = (first + group).min(visit.end_block);
        for &panel in visit.chosen {
            let exponent = visit.panels.exponent(panel as usize);
            let members = visit.panels.members(panel as usize);
            let queries = visit.rows.six(members);
            // SAFETY: the caller vouches for the instructions of `V`.
            let mut limits = unsafe { survivors.limits::<V>(members) };
            for block in first..last {
                // SAFETY: the caller vouches for the instructions of `V`.
                let sums = unsafe { six_by_sixteen::<V>(queries, references, block, exponent) };
                let loose = references.loose[block];
                // SAFETY: as above.
                if unsafe { !V::any_above(&sums, &limits) } && loose == 0 {
                    continue;
                }
                let first_slot = visit.first_slot + (block * BLOCK_ROWS) as u32;
                // SAFETY: as above.
                let slots = unsafe { V::load(&LANES).plus(V::splat(first_slot as i32)) };
                let mut raised = loose != 0;
                let dense = references.valid[block] & !loose;
                // Written out, because an index that varies would keep the six in memory.
                macro_rules! push {
                    ($($i:literal)*) => { $(
                        // SAFETY: as above.
                        let mask = unsafe { sums[$i].above(limits[$i]) } & dense;
                        if mask != 0 {
                            // SAFETY: as above.
                            raised |= unsafe {
                                survivors.push(members[$i] as usize, slots, mask, sums[$i], visit.rows, resolve)
                            };
                        }
                    )* };
                }
                push!(0 1 2 3 4 5);
                if loose != 0 {
                    for &member in members.iter().filter(|member| **member != visit.panels.padding()) {
                        survivors.push_loose(member as usize, first_slot, loose, resolve);
                    }
                }
                if raised {
                    // SAFETY: as above.
                    limits = unsafe { survivors.limits::<V>(members) };
                }
            }
        }
    }
}

/// Writes the value of every query with every reference: a row for each query, in the order of the rows. Padding and invalid
/// references have the smallest value, loose ones the largest.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn values<V: Vector>(
    rows: &QueryRows,
    queries: &QueryPanels,
    references: &PackedReferences,
    out: &mut Vec<i32>,
) {
    let width = references.blocks() * BLOCK_ROWS;
    out.resize(queries.padding() as usize * width, 0);
    for panel in 0..queries.panels() {
        let (exponent, six) = (queries.exponent(panel), rows.six(queries.members(panel)));
        for block in 0..references.blocks() {
            // SAFETY: the caller vouches for the instructions of `V`.
            let sums = unsafe { six_by_sixteen::<V>(six, references, block, exponent) };
            let (valid, loose) = (references.valid[block], references.loose[block]);
            for (sum, &member) in sums.into_iter().zip(queries.members(panel)) {
                if member == queries.padding() {
                    continue;
                }
                // SAFETY: as above.
                let mut found = unsafe { sum.stored() };
                if valid != u16::MAX || loose != 0 {
                    for (lane, value) in found.0.iter_mut().enumerate() {
                        *value = match ((valid >> lane) & 1, (loose >> lane) & 1) {
                            (0, _) => i32::MIN,
                            (_, 1) => i32::MAX,
                            _ => *value,
                        };
                    }
                }
                let start = member as usize * width + block * BLOCK_ROWS;
                out[start..start + BLOCK_ROWS].copy_from_slice(&found.0);
            }
        }
    }
}

/// The reference of the largest value for each query, the lowest of equal ones, among those that the grid holds; 0 if it holds none.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn nearest<V: Vector>(
    rows: &QueryRows,
    queries: &QueryPanels,
    references: &PackedReferences,
    scratch: &mut Vec<i32>,
    out: &mut [u32],
) {
    let width = references.blocks() * BLOCK_ROWS;
    // SAFETY: the caller vouches for the instructions of `V`.
    unsafe { values::<V>(rows, queries, references, scratch) };
    for (nearest, values) in out.iter_mut().zip(scratch.chunks_exact(width)) {
        // A loose reference has the largest value for every query: it attracts none.
        let most = values.iter().fold(i32::MIN, |most, &value| if value == i32::MAX { most } else { most.max(value) });
        // Nothing that the grid holds has the smallest value; padding does.
        let found = if most == i32::MIN { None } else { values.iter().position(|&value| value == most) };
        *nearest = found.unwrap_or(0) as u32;
    }
}

/// The references of the largest values for each query that a panel holds: at least `count` and not more than [`FEW_MORE`] more, if there are as many
/// that the grid holds. A query has so many places in `out`, by the order of the rows: the reference of the largest value comes first, the
/// lowest of equal ones; the places behind them are left as they are.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn few<V: Vector>(
    rows: &QueryRows,
    queries: &QueryPanels,
    references: &PackedReferences,
    count: usize,
    scratch: &mut Vec<i32>,
    out: &mut [u32],
) {
    let (width, places) = (references.blocks() * BLOCK_ROWS, count + FEW_MORE);
    // SAFETY: the caller vouches for the instructions of `V`.
    unsafe { values::<V>(rows, queries, references, scratch) };
    let members = (0..queries.panels()).flat_map(|panel| queries.members(panel));
    for &member in members.filter(|member| **member != queries.padding()) {
        let values = &scratch[member as usize * width..][..width];
        let out = &mut out[member as usize * places..][..places];
        // SAFETY: as above.
        let kth = unsafe { V::kth(values, width, count) }.unwrap_or(i32::MIN);
        let (mut found, mut most) = (0, i32::MIN);
        // SAFETY: as above.
        let (kth, below) = unsafe { (V::splat(kth), V::splat(kth.saturating_sub(1))) };
        // What is above the k-th value first: ties with it may be more than there are places for.
        for (ties, block) in
            [false, true].into_iter().flat_map(|ties| (0..references.blocks()).map(move |at| (ties, at)))
        {
            let some = values[block * BLOCK_ROWS..].first_chunk().expect("the values are whole blocks");
            // SAFETY: as above.
            let (above, reach) = unsafe { (V::read(some).above(kth), V::read(some).above(below)) };
            // Padding has the smallest value and does not count, nor does what is loose.
            let mask = if ties { reach & !above } else { above };
            let mut mask = mask & references.valid[block] & !references.loose[block];
            while mask != 0 && found < places {
                let lane = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                out[found] = (block * BLOCK_ROWS + lane) as u32;
                if found == 0 || some[lane] > most {
                    most = some[lane];
                    out[..=found].rotate_right(1);
                }
                found += 1;
            }
        }
    }
}

/// The values of six queries with sixteen references: q̂·x̂ − ⌊‖x̂‖² / 2^(t+1)⌋.
///
/// # Safety
/// The machine must have the instructions of `V`.
#[inline(always)]
unsafe fn six_by_sixteen<V: Vector>(
    queries: [&[i32]; PANEL_ROWS],
    references: &PackedReferences,
    block: usize,
    exponent: u32,
) -> [V; PANEL_ROWS] {
    // SAFETY: the caller vouches for the instructions of `V`.
    unsafe {
        let start = V::load(&references.halves[block]).shifted_negative(exponent);
        V::six_sums(queries, references.block(block), start)
    }
}
