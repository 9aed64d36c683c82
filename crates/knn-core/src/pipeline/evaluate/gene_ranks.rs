//! Spearman's correlation of every gene, of all cells and within each group: as many genes at a time as fit, each with the values of all cells.

use rayon::prelude::*;

use super::gene_cells::GeneCells;
use crate::error::Result;
use crate::operator::{RankScratch, spearman as correlation};
use crate::progress::Progress;

/// Bytes of a cell: its group, and its place among the cells of that.
const CELL_BYTES: u64 = 8;
/// Bytes of a cell for each gene.
const VALUE_BYTES: u64 = 8;

/// Values of one gene, of all cells.
#[derive(Default)]
struct Gene {
    original: Vec<f32>,
    imputed: Vec<f32>,
}

/// Bytes that one gene takes.
pub(super) fn least(cells: u64) -> u64 {
    cells.saturating_mul(CELL_BYTES + VALUE_BYTES).saturating_add(RankScratch::bytes(cells))
}

/// Bytes that so many genes take in so many threads.
pub(super) fn most(cells: u64, genes: u64, threads: u64) -> u64 {
    let workers = RankScratch::bytes(cells).saturating_mul(threads.min(genes));
    cells
        .saturating_mul(CELL_BYTES)
        .saturating_add(cells.saturating_mul(VALUE_BYTES).saturating_mul(genes))
        .saturating_add(workers)
}

/// The correlations, slot by slot: of all cells and then of each group.
pub(super) fn spearman(
    both: &mut GeneCells,
    slots: usize,
    (bytes, threads): (u64, u64),
    progress: &Progress,
) -> Result<Vec<Vec<Option<f64>>>> {
    let cells = both.rows();
    let columns = both.columns.clone();
    // A worker each for as many genes as there are threads, if so many fit; what is left holds more genes.
    let free = bytes.saturating_sub(cells * CELL_BYTES);
    let (scratch, values) = (RankScratch::bytes(cells).max(1), (cells * VALUE_BYTES).max(1));
    let workers = (free / (scratch + values)).clamp(1, threads.min(columns.len() as u64).max(1));
    let genes =
        ((free.saturating_sub(workers * scratch)) / values).clamp(workers, columns.len().max(1) as u64) as usize;
    let mut scratches: Vec<RankScratch> = (0..workers).map(|_| RankScratch::default()).collect();
    let mut found = vec![Vec::with_capacity(columns.len()); slots];
    let mut groups = Vec::new();
    for (number, some) in columns.chunks(genes).enumerate() {
        let mut block: Vec<Gene> = some.iter().map(|_| Gene::with_room(cells as usize)).collect();
        let mut codes = Vec::with_capacity(if number == 0 { cells as usize } else { 0 });
        if number > 0 {
            progress.begin("ranks", cells, 0);
        }
        both.each(progress, |seen| {
            if number == 0 {
                codes.extend_from_slice(&seen.groups);
            }
            block.par_iter_mut().zip(some).for_each(|(gene, &[left, right])| {
                let rows = 0..seen.groups.len();
                gene.original.extend(rows.clone().map(|row| seen.original.row(row)[left as usize]));
                gene.imputed.extend(rows.map(|row| seen.imputed.row(row)[right as usize]));
            });
            Ok(())
        })?;
        if number == 0 {
            groups = by_group(&codes, slots - 1);
        }
        let each = block.len().div_ceil(scratches.len()).max(1);
        let correlated: Vec<Vec<Option<f64>>> = block
            .par_chunks(each)
            .zip(&mut scratches)
            .flat_map_iter(|(genes, scratch)| {
                genes.iter().map(|gene| gene.correlate(&groups, scratch)).collect::<Vec<_>>()
            })
            .collect();
        for of_gene in correlated {
            found.iter_mut().zip(of_gene).for_each(|(slot, value)| slot.push(value));
        }
        progress.check()?;
    }
    Ok(found)
}

/// The cells of each group, in their order.
fn by_group(codes: &[i32], groups: usize) -> Vec<Vec<u32>> {
    let mut cells = vec![0usize; groups];
    let group_of = |code: &i32| usize::try_from(*code).ok();
    codes.iter().filter_map(group_of).for_each(|group| cells[group] += 1);
    let mut found: Vec<Vec<u32>> = cells.into_iter().map(Vec::with_capacity).collect();
    for (cell, group) in (0..).zip(codes).filter_map(|(cell, code)| Some((cell, group_of(code)?))) {
        found[group].push(cell);
    }
    found
}

impl Gene {
    fn with_room(cells: usize) -> Self {
        Self { original: Vec::with_capacity(cells), imputed: Vec::with_capacity(cells) }
    }

    /// Of all cells, then of each group.
    fn correlate(&self, groups: &[Vec<u32>], scratch: &mut RankScratch) -> Vec<Option<f64>> {
        let all = self.original.iter().copied().zip(self.imputed.iter().copied());
        let mut found = vec![correlation(all, scratch)];
        for cells in groups {
            let of_cells = cells.iter().map(|&cell| (self.original[cell as usize], self.imputed[cell as usize]));
            found.push(correlation(of_cells, scratch));
        }
        found
    }
}
