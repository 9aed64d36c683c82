//! Which groups of references a query still has to look at.
//!
//! A group with centroid c and radius r is left out for a panel when the triangle inequality proves that it holds none of the k
//! nearest of any of its six queries: ‖q − x‖ ≥ ‖q − c‖ − r, and no neighbour is farther than the running threshold says.

use super::slab::{Group, Slab};
use crate::distance::{BLOCK_ROWS, DistanceTile, PANEL_ROWS, QueryPanels, Survivors};

/// How near each group is to each query of a chunk, and how far each query still has to look.
#[derive(Default)]
pub(super) struct Bounds {
    /// The tile's value of each query with each centroid.
    values: Vec<f32>,
    /// Centroids of a row of `values`, padding included.
    width: usize,
    /// Groups, nearest first.
    pub(super) order: Vec<u32>,
    reach: Vec<Reach>,
    /// Panels that the group at hand may concern.
    pub(super) chosen: Vec<u32>,
    nearest: Vec<f32>,
}

/// What a query needs to rule a group out without a square root.
#[derive(Clone, Copy)]
struct Reach {
    /// ‖q'‖² less the error bound of the values: added to a value it gives at most ‖q − c‖².
    offset: f64,
    /// The threshold of which `distance` was made.
    threshold: f32,
    /// No neighbour is farther than this; infinite while there are fewer than k.
    distance: f64,
}

impl Bounds {
    pub(super) fn fill(&mut self, panels: &QueryPanels, slab: &Slab, tile: &dyn DistanceTile) {
        let clusters = &slab.clusters.packed;
        tile.values(panels, clusters, &mut self.values);
        self.width = clusters.blocks() * BLOCK_ROWS;
        self.nearest.clear();
        self.nearest.resize(self.width, f32::INFINITY);
        self.reach.clear();
        for (query, values) in self.values.chunks_exact(self.width).take(panels.rows()).enumerate() {
            let norm = panels.norm_squared(query);
            let offset = norm - panels.error_bound(query, clusters);
            self.reach.push(Reach { offset, threshold: f32::INFINITY, distance: f64::INFINITY });
            let norm = norm as f32;
            self.nearest.iter_mut().zip(values).for_each(|(nearest, value)| *nearest = nearest.min(value + norm));
        }
        self.order.clear();
        self.order.extend(0..slab.groups.len() as u32);
        let nearest = |group: u32| self.nearest[slab.groups[group as usize].cluster as usize];
        self.order.sort_unstable_by(|&a, &b| nearest(a).total_cmp(&nearest(b)).then(a.cmp(&b)));
    }

    /// The panels of which some query may have a neighbour in the group: ‖q − c‖ ≤ r + the query's reach.
    pub(super) fn choose(&mut self, group: Group, panels: &QueryPanels, survivors: &Survivors) {
        self.chosen.clear();
        for panel in 0..panels.panels() {
            let queries = panel * PANEL_ROWS..((panel + 1) * PANEL_ROWS).min(panels.rows());
            let near = |query: usize| {
                let reach = &mut self.reach[query];
                let threshold = survivors.threshold(query);
                if threshold == f32::NEG_INFINITY {
                    return false;
                }
                if threshold < reach.threshold {
                    reach.threshold = threshold;
                    let squared = f64::from(threshold) + panels.norm_squared(query);
                    // Rounded up by far more than f64's own errors.
                    reach.distance = squared.max(0.0).sqrt() * (1.0 + 1e-12);
                }
                let squared = f64::from(self.values[query * self.width + group.cluster as usize]) + reach.offset;
                let limit = (group.radius + reach.distance) * (1.0 + 1e-12);
                // What is not a number proves nothing.
                !matches!(squared.partial_cmp(&(limit * limit)), Some(std::cmp::Ordering::Greater))
            };
            if queries.into_iter().any(near) {
                self.chosen.push(panel as u32);
            }
        }
    }
}
