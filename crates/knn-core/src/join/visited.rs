//! Which lists a join will visit, and how, before it does: so that they can be fetched first.

use super::lists::{ListJoin, rows_at_a_time};
use super::slice::NEAR_RANKS;
use crate::index::{Probes, RouteScratch};
use crate::types::Tile;

/// How a join looks in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Looked {
    /// Not at all.
    #[default]
    Not,
    /// At the rows that its codes select.
    ByCodes,
    /// At all rows.
    Whole,
}

impl ListJoin<'_> {
    /// Marks the lists that [`ListJoin::join`] visits for these queries and k neighbours: those that they look in, and where these
    /// hold fewer than k rows, as many more as it takes. `visited` has a place for each list.
    pub fn mark_visited(&self, queries: &Tile, probes: Probes, k: usize, visited: &mut [Looked]) {
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
    fn mark(&self, rows: &[f32], lists: &[u32], most: usize, k: usize, visited: &mut [Looked], short: &mut Vec<f32>) {
        let rows_in = |lists: &[u32]| -> u64 {
            let there = lists.iter().filter(|list| **list != u32::MAX);
            there.map(|&list| self.index.list_rows(list)).sum()
        };
        for (row, lists) in rows.chunks_exact(self.index.dim()).zip(lists.chunks_exact(most)) {
            let (near, far) = lists.split_at(most.min(NEAR_RANKS));
            let selects = self.coded.is_some() && rows_in(near) >= k as u64;
            let of_far = if selects { Looked::ByCodes } else { Looked::Whole };
            let looked = near.iter().map(|list| (list, Looked::Whole)).chain(far.iter().map(|list| (list, of_far)));
            for (&list, looked) in looked.filter(|(list, _)| **list != u32::MAX) {
                let visited = &mut visited[list as usize];
                *visited = looked.max(*visited);
            }
            if rows_in(lists) < k as u64 && row.iter().all(|value| value.is_finite()) {
                short.extend_from_slice(row);
            }
        }
    }
}
