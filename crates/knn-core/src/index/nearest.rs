//! The nearest of a set of centroids, through the distance tile: the one place of this stage that knows what the tile's values are.
//!
//! Nearest is defined on integer coordinates, ties to the lower centroid, so it is the same on every lane. A centroid too far out
//! for the grid is moved towards the centre until it fits: the grid is made for all but a few rows, and those few lie in its
//! direction still.

use crate::distance::{
    BLOCK_ROWS, DistanceTile, Grid, Metric, PackedReferences, QueryPanels, QueryRows, Resolve, Survivors, Visit,
    exact_squared,
};

/// The space in which rows and centroids are compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frame {
    grid: Grid,
    reach: f64,
}

impl Frame {
    /// Around `centre`, for rows of norms up to `reach` after centring.
    pub(super) fn new(centre: &[f32], reach: f64) -> Self {
        Self { grid: Grid::new(centre.to_vec(), reach), reach }
    }

    /// Where the nearest by a metric is sought: for inner products that of the largest product, and otherwise the nearest by distance.
    pub(super) fn by(metric: Metric, centre: &[f32], reach: f64) -> Self {
        if !metric.is_product() {
            return Self::new(centre, reach);
        }
        let origin = vec![0.0; centre.len()];
        let reach = reach + norm(centre, &origin);
        Self { grid: Grid::by(metric, origin, reach), reach }
    }

    /// Whether targets are compared by inner products instead of distances.
    pub(super) fn is_product(&self) -> bool {
        self.grid.metric().is_product()
    }

    /// Columns of a row.
    pub(super) fn dim(&self) -> usize {
        self.grid.dim()
    }

    /// Moves a centroid to where the grid holds it.
    fn hold(&self, centroid: &mut [f32]) {
        let norm = norm(centroid, self.grid.centre());
        if norm > self.reach {
            let share = self.reach / norm;
            for (value, &mean) in centroid.iter_mut().zip(self.grid.centre()) {
                let mean = f64::from(mean);
                *value = (mean + (f64::from(*value) - mean) * share) as f32;
            }
        }
    }
}

/// Distance of a row from a centre.
pub(super) fn norm(row: &[f32], centre: &[f32]) -> f64 {
    exact_squared(row, centre).sqrt()
}

/// Centroids as the tile reads them.
#[derive(Debug, Default)]
pub(super) struct Targets {
    packed: PackedReferences,
    held: Vec<f32>,
}

impl Targets {
    /// Packs centroids (row-major).
    pub(super) fn new(centroids: &[f32], frame: &Frame, tile: &dyn DistanceTile) -> Self {
        let mut targets = Self::default();
        targets.repack(centroids, frame, tile);
        targets.held = Vec::new();
        targets
    }

    /// Packs other centroids into the same buffers.
    pub(super) fn repack(&mut self, centroids: &[f32], frame: &Frame, tile: &dyn DistanceTile) {
        self.held.clear();
        self.held.extend_from_slice(centroids);
        self.held.chunks_exact_mut(frame.dim()).for_each(|centroid| frame.hold(centroid));
        tile.pack(&mut self.packed, &self.held, &frame.grid);
    }

    /// Takes centroids from where they are packed, in this order.
    pub(super) fn gather<'t>(&mut self, from: impl ExactSizeIterator<Item = (&'t Self, usize)>) {
        self.packed.gather(from.map(|(targets, slot)| (&targets.packed, slot)));
    }

    /// Bytes that so many centroids take.
    pub(super) fn bytes(count: u64, dim: u64) -> u64 {
        PackedReferences::bytes(count, dim)
    }
}

/// Rows that ask, with the buffers of one thread.
#[derive(Debug, Default)]
pub(super) struct Askers {
    rows: QueryRows,
    panels: QueryPanels,
    chosen: Vec<u32>,
    values: Vec<i32>,
}

impl Askers {
    /// Takes these rows (row-major).
    pub(super) fn fill(&mut self, rows: &[f32], frame: &Frame, tile: &dyn DistanceTile) {
        tile.fill(&mut self.rows, rows, &frame.grid);
    }

    /// Bytes that so many rows take, without their values.
    pub(super) fn bytes(rows: u64, dim: u64) -> u64 {
        QueryRows::bytes(rows, dim) + QueryPanels::bytes(rows)
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.rows()
    }

    /// Whether all coordinates of a row are finite. Scores of others mean nothing.
    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.rows.is_valid(row)
    }

    /// How much larger a row's squared distance to a target of value `far` is than to one of value `near`, in squared steps of the grid.
    pub(super) fn farther(&self, row: usize, near: i32, far: i32) -> f64 {
        self.rows.farther(row, near, far)
    }

    /// A value below those of all targets whose squared distance is beyond that of one of value `near` by no more than this, in squared steps
    /// of the grid.
    pub(super) fn beyond(&self, row: usize, near: i32, squared: f64) -> i32 {
        self.rows.beyond(row, near, squared)
    }

    /// The targets of the `count` largest values for some rows, and a few more: see [`DistanceTile::few`].
    pub(super) fn few(
        &mut self,
        members: &[u32],
        count: usize,
        targets: &Targets,
        tile: &dyn DistanceTile,
        out: &mut [u32],
    ) {
        self.panels.gather(&self.rows, members.iter().copied());
        tile.few(&self.rows, &self.panels, &targets.packed, count, &mut self.values, out);
    }

    /// The values of some rows with all targets: so many for each row as is returned, of which those of targets come first.
    pub(super) fn values(
        &mut self,
        members: &[u32],
        targets: &Targets,
        tile: &dyn DistanceTile,
        out: &mut Vec<i32>,
    ) -> usize {
        self.panels.gather(&self.rows, members.iter().copied());
        tile.values(&self.rows, &self.panels, &targets.packed, out);
        targets.packed.blocks() * BLOCK_ROWS
    }

    /// The nearest target of every row.
    pub(super) fn nearest(&mut self, targets: &Targets, tile: &dyn DistanceTile, nearest: &mut [u32]) {
        self.panels.all(&self.rows);
        tile.nearest(&self.rows, &self.panels, &targets.packed, &mut self.values, nearest);
    }

    /// Passes some rows over all targets, numbered from `first`: what may be among a row's nearest ends in `survivors` or with `resolve`.
    pub(super) fn top(
        &mut self,
        members: &[u32],
        first: u32,
        targets: &Targets,
        tile: &dyn DistanceTile,
        survivors: &mut Survivors,
        resolve: &mut dyn Resolve,
    ) {
        self.panels.gather(&self.rows, members.iter().copied());
        self.chosen.clear();
        self.chosen.extend(0..self.panels.panels() as u32);
        let visit = Visit {
            rows: &self.rows,
            panels: &self.panels,
            chosen: &self.chosen,
            first_block: 0,
            end_block: targets.packed.blocks(),
            first_slot: first,
        };
        tile.top_k(&targets.packed, visit, survivors, resolve);
    }

    /// Settles every row at the end.
    pub(super) fn finish(&self, tile: &dyn DistanceTile, survivors: &mut Survivors, resolve: &mut dyn Resolve) {
        tile.finish(&self.rows, survivors, resolve);
    }
}

/// Whether all coordinates are finite.
pub(super) fn is_finite(row: &[f32]) -> bool {
    row.iter().all(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Lane;

    #[test]
    fn a_centroid_far_out_attracts_what_lies_in_its_direction_and_nothing_else() {
        let frame = Frame::new(&[0.0, 0.0], 10.0);
        for lane in Lane::available() {
            let targets = Targets::new(&[0.0, 0.0, 1e6, 0.0, 3.0, 3.0], &frame, &lane);
            let mut askers = Askers::default();
            askers.fill(&[1.0, 1.0, 2.5, 2.6, 2e6, 5.0, -1e6, 0.0, f32::MAX, 0.0], &frame, &lane);
            let mut nearest = [9; 5];
            askers.nearest(&targets, &lane, &mut nearest);
            assert_eq!(nearest[..3], [0, 2, 1], "{}", lane.name());
        }
    }
}
