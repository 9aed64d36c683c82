//! The nearest of a set of centroids, through the distance tile: the one place of this stage that knows what the tile's values are.
//!
//! Nearest is defined on integer coordinates, ties to the lower centroid, so it is the same on every lane. A centroid too far out
//! for the grid is moved towards the centre until it fits: the grid is made for all but a few rows, and those few lie in its
//! direction still.

use crate::distance::{
    BLOCK_ROWS, DistanceTile, Grid, PackedReferences, QueryPanels, QueryRows, Resolve, Survivors, Visit,
};

/// Queries that meet a set of centroids at a time.
const SLICE: usize = 96;

/// How near a centroid is: larger is nearer, comparable for one row only.
pub(super) type Score = i32;

/// The score of what is farther than everything.
pub(super) const FARTHEST: Score = i32::MIN;

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
    row.iter().zip(centre).map(|(&value, &mean)| (f64::from(value) - f64::from(mean)).powi(2)).sum::<f64>().sqrt()
}

/// Centroids as the tile reads them.
#[derive(Debug, Default)]
pub(super) struct Targets {
    packed: PackedReferences,
    held: Vec<f32>,
    count: usize,
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
        self.count = centroids.len() / frame.dim();
        tile.pack(&mut self.packed, &self.held, &frame.grid);
    }

    /// Bytes that so many centroids take.
    pub(super) fn bytes(count: u64, dim: u64) -> u64 {
        PackedReferences::bytes(count, dim)
    }

    /// Number of centroids.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Values of one row with all centroids, what fills up the last block included.
    pub(super) fn width(&self) -> usize {
        self.packed.blocks() * BLOCK_ROWS
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
        QueryRows::bytes(rows, dim) + QueryPanels::bytes(SLICE as u64, dim)
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.rows()
    }

    /// Whether all coordinates of a row are finite. Scores of others mean nothing.
    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.rows.is_valid(row)
    }

    /// The nearest target of every row.
    pub(super) fn nearest(&mut self, targets: &Targets, tile: &dyn DistanceTile, nearest: &mut [u32]) {
        self.panels.all(&self.rows);
        tile.nearest(&self.panels, &targets.packed, &mut self.values, nearest);
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

    /// The scores of some rows with all targets: `found(row, scores)` for each of `members`.
    pub(super) fn ask(
        &mut self,
        members: &[u32],
        targets: &Targets,
        tile: &dyn DistanceTile,
        mut found: impl FnMut(usize, &[Score]),
    ) {
        let width = targets.width();
        for slice in members.chunks(SLICE) {
            self.panels.gather(&self.rows, slice.iter().copied());
            tile.values(&self.panels, &targets.packed, &mut self.values);
            for &member in slice {
                found(member as usize, &self.values[member as usize * width..][..targets.count]);
            }
        }
    }
}

/// Whether all coordinates are finite.
pub(super) fn is_finite(row: &[f32]) -> bool {
    row.iter().all(|value| value.is_finite())
}

/// The best of some scores. Lanes of it are independent, so that the compiler compares many at once.
pub(super) fn most(scores: &[Score]) -> Score {
    // The largest score is that of centroids which not even moving could put on the grid. One more, it is the smallest.
    let better = |a: Score, b: Score| a.max(b.wrapping_add(1));
    let (chunks, rest) = scores.as_chunks::<16>();
    let mut lanes = [FARTHEST; 16];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &score)| *lane = better(*lane, score));
    }
    let most = lanes.into_iter().fold(FARTHEST, Score::max);
    rest.iter().copied().fold(most, better).saturating_sub(1)
}

/// The lowest place of the best score.
pub(super) fn best(scores: &[Score]) -> u32 {
    let most = most(scores);
    scores.iter().position(|&score| score == most).unwrap_or(0) as u32
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
            let mut asked = [9; 5];
            askers.ask(&[0, 1, 2, 3, 4], &targets, &lane, |row, scores| asked[row] = best(scores));
            assert_eq!(asked, nearest);
        }
    }

    #[test]
    fn the_best_is_the_lowest_of_the_largest() {
        let scores: Vec<Score> = (0..70).map(|i| i * 31 % 17).collect();
        assert_eq!((most(&scores), best(&scores)), (16, scores.iter().position(|&s| s == 16).unwrap() as u32));
        assert_eq!((best(&[i32::MAX, 3, 5, 5]), best(&[i32::MAX]), best(&[])), (2, 0, 0));
    }
}
