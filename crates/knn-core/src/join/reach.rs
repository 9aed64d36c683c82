//! Which groups of references a query still has to look at.
//!
//! A group with centroid c and radius r is left out for a panel when the triangle inequality proves that it holds none of the k
//! nearest of any of its six queries: ‖q − x‖ ≥ ‖q − c‖ − r, and no neighbour is farther than the running limit says. For inner
//! products it is the inequality of Cauchy and Schwarz: ⟨q, x⟩ ≤ ⟨q, c⟩ + ‖q‖·r.

use super::slab::{Group, Slab};
use crate::distance::{BLOCK_ROWS, DistanceTile, QueryPanels, QueryRows, Survivors};

/// How near each group is to each query of a chunk, and how far each query still has to look.
#[derive(Default)]
pub(super) struct Bounds {
    /// The tile's value of each query with each centroid.
    values: Vec<i32>,
    /// Centroids of a row of `values`, padding included.
    width: usize,
    /// Groups, nearest first.
    pub(super) order: Vec<u32>,
    reach: Vec<Reach>,
    /// Panels that the group at hand may concern.
    pub(super) chosen: Vec<u32>,
    nearest: Vec<i32>,
}

/// How far a query looks, and the limit that says so.
#[derive(Clone, Copy)]
struct Reach {
    limit: i32,
    /// No neighbour is farther than this; infinite while there are fewer than k.
    distance: f64,
}

impl Bounds {
    pub(super) fn fill(&mut self, queries: &QueryRows, panels: &QueryPanels, slab: &Slab, tile: &dyn DistanceTile) {
        let clusters = &slab.clusters.packed;
        tile.values(queries, panels, clusters, &mut self.values);
        self.width = clusters.blocks() * BLOCK_ROWS;
        self.nearest.clear();
        self.nearest.resize(self.width, i32::MIN);
        self.reach.clear();
        self.reach.resize(queries.rows(), Reach { limit: i32::MIN, distance: f64::INFINITY });
        for values in self.values.chunks_exact(self.width).take(queries.rows()) {
            self.nearest.iter_mut().zip(values).for_each(|(nearest, &value)| *nearest = (*nearest).max(value));
        }
        self.order.clear();
        self.order.extend(0..slab.groups.len() as u32);
        let nearest = |group: u32| self.nearest[slab.groups[group as usize].cluster as usize];
        self.order.sort_unstable_by_key(|&group| (std::cmp::Reverse(nearest(group)), group));
    }

    /// The panels of which some query may have a neighbour in the group: in terms of distances, ‖q − c‖ ≤ r + the query's reach.
    pub(super) fn choose(&mut self, group: Group, queries: &QueryRows, panels: &QueryPanels, survivors: &Survivors) {
        self.chosen.clear();
        for panel in 0..panels.panels() {
            let mut near = |query: usize| {
                let limit = survivors.limit(query);
                if limit == i32::MAX {
                    return false;
                }
                let reach = &mut self.reach[query];
                if limit > reach.limit {
                    *reach = Reach { limit, distance: queries.farthest(query, limit) };
                }
                let value = self.values[query * self.width + group.cluster as usize];
                value > queries.limit_of_group(query, reach.distance, group.radius)
            };
            if panels.members(panel).iter().any(|&member| near(member as usize)) {
                self.chosen.push(panel as u32);
            }
        }
    }
}
