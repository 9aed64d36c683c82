//! Rounds of k-means over all lists at once, after those of each super-cell were trained apart.
//!
//! A row near the border of its super-cell may be stored in a list of another one. Apart, it moves centroids of the cell that it is in; here it
//! moves the one that it will be stored with. Sums are made super-cell by super-cell in the order of the rows, so they do not depend on whether
//! the sample is in memory.

use super::coarse::Coarse;
use super::kmeans::KMeans;
use super::route::Router;
use super::train::{Cells, GATHERED_ROWS, gather};
use crate::budget::MemoryBudget;
use crate::error::Result;

/// Bytes of the sums and counts of so many lists.
pub(super) fn bytes(lists: u64, dim: u64) -> u64 {
    lists * (dim * 8 + 8)
}

/// Moves every list to the mean of the rows that are nearest to it, so many times. One that has none stays where it is.
pub(super) fn over_all(
    mut coarse: Coarse,
    cells: &Cells,
    rounds: u32,
    kmeans: &KMeans,
    budget: &MemoryBudget,
) -> Result<Coarse> {
    if rounds == 0 {
        return Ok(coarse);
    }
    let (dim, lists) = (coarse.dim(), coarse.nlist() as usize);
    let _lease = budget.take("sums over all lists", bytes(lists as u64, dim as u64))?;
    // One part is read at a time.
    let largest = (0..coarse.super_cells() as usize).map(|cell| cells.rows(cell)).max().unwrap_or(0);
    let (_, _part) = cells.at_a_time(&[largest], dim, budget)?;
    let mut means = Means { sums: vec![0.0; lists * dim], counts: vec![0; lists] };
    for _ in 0..rounds {
        let router = Router::new(&coarse, kmeans.tile);
        for cell in 0..coarse.super_cells() as usize {
            let part = cells.part(cell)?;
            for places in part.places.chunks(GATHERED_ROWS) {
                kmeans.progress.check()?;
                let rows = gather(&part.values, places, dim);
                means.add(&rows, &router.assign(&rows, kmeans.tile));
            }
        }
        coarse = means.take(&coarse);
    }
    Ok(coarse)
}

/// Sums of rows by list.
struct Means {
    sums: Vec<f64>,
    counts: Vec<u64>,
}

impl Means {
    /// Counts every row to its list.
    fn add(&mut self, rows: &[f32], lists: &[u32]) {
        let dim = self.sums.len() / self.counts.len();
        for (row, &list) in rows.chunks_exact(dim).zip(lists) {
            self.counts[list as usize] += 1;
            let sums = &mut self.sums[list as usize * dim..][..dim];
            sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        }
    }

    /// The same levels with lists at the means of what was counted, which is forgotten.
    fn take(&mut self, coarse: &Coarse) -> Coarse {
        let dim = coarse.dim();
        let mut lists = coarse.centroids(0..coarse.nlist()).to_vec();
        for ((centroid, sums), count) in lists.chunks_exact_mut(dim).zip(self.sums.chunks_exact(dim)).zip(&self.counts)
        {
            if *count > 0 {
                centroid.iter_mut().zip(sums).for_each(|(value, sum)| *value = (sum / *count as f64) as f32);
            }
        }
        self.sums.fill(0.0);
        self.counts.fill(0);
        let first_list = (0..coarse.super_cells()).map(|cell| coarse.lists_of(cell).start).chain([coarse.nlist()]);
        coarse.with_lists(first_list.collect(), lists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_move_to_the_means_of_their_rows_and_those_without_rows_stay() {
        let coarse = Coarse::new(vec![0.0], 9.0, vec![0.0, 5.0], vec![0, 2, 3], vec![1.0, 2.0, 3.0]);
        let mut means = Means { sums: vec![0.0; 3], counts: vec![0; 3] };
        means.add(&[4.0, 6.0, 7.0], &[0, 2, 2]);
        let moved = means.take(&coarse);
        assert_eq!(moved, coarse.with_lists(vec![0, 2, 3], vec![4.0, 2.0, 6.5]));
        assert_eq!(means.take(&moved), moved, "what was counted is forgotten");
    }
}
