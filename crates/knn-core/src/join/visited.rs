//! Which lists a join will visit, before it does: so that they can be fetched first.

use super::lists::{ListJoin, rows_at_a_time};
use crate::index::{Probes, RouteScratch};
use crate::types::Tile;

impl ListJoin<'_> {
    /// Marks the lists that [`ListJoin::join`] visits for these queries and k neighbours: those that they look in, and where these
    /// hold fewer than k rows, as many more as it takes. `visited` has a place for each list.
    pub fn mark_visited(&self, queries: &Tile, probes: Probes, k: usize, visited: &mut [bool]) {
        let dim = queries.dim;
        let probes = probes.with(probes.most().clamp(1, self.nlist()));
        let around = self.around(probes);
        let own = self.router.own(&queries.values, self.tile);
        let mut order: Vec<u32> = (0..queries.rows() as u32).collect();
        order.sort_unstable_by_key(|&row| (own[row as usize], row));
        let (mut scratch, mut lists, mut short) = (RouteScratch::default(), Vec::new(), Vec::new());
        for order in order.chunks(rows_at_a_time(probes.most())) {
            let rows: Vec<f32> = order.iter().flat_map(|&row| queries.row(row as usize).iter().copied()).collect();
            let from: Vec<u32> = order.iter().map(|&row| own[row as usize]).collect();
            self.route(&around, &rows, &from, probes, &mut scratch, &mut lists);
            self.mark(&rows, &lists, probes.most(), k, visited, &mut short);
        }
        let mut most = probes.most();
        while most < self.nlist() && !short.is_empty() {
            most = self.wider(most);
            for rows in std::mem::take(&mut short).chunks(rows_at_a_time(most) * dim) {
                let lists = self.router.nearest(rows, most, self.tile);
                self.mark(rows, &lists, most, k, visited, &mut short);
            }
        }
    }

    /// Marks the lists of these rows; those that find fewer than k there are appended to `short`.
    fn mark(&self, rows: &[f32], lists: &[u32], most: usize, k: usize, visited: &mut [bool], short: &mut Vec<f32>) {
        for (row, lists) in rows.chunks_exact(self.index.dim()).zip(lists.chunks_exact(most)) {
            let mut found = 0;
            for &list in lists.iter().filter(|list| **list != u32::MAX) {
                visited[list as usize] = true;
                found += self.index.list_rows(list);
            }
            if found < k as u64 && row.iter().all(|value| value.is_finite()) {
                short.extend_from_slice(row);
            }
        }
    }
}
