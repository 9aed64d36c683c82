//! The nearest of a set of centroids, through the distance tile: the one place of this stage that knows what the tile's values are.

use crate::distance::{BLOCK_ROWS, DistanceTile, PackedReferences, QueryPanels};

/// Queries that meet a set of centroids at a time: their values stay in a near cache.
const SLICE: usize = 96;

/// How near a centroid is: larger is nearer, comparable for one row only.
pub(super) type Score = f32;

/// The score of what is farther than everything.
pub(super) const FARTHEST: Score = f32::NEG_INFINITY;

/// The space in which rows and centroids are compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frame {
    centre: Vec<f32>,
}

impl Frame {
    /// Around `centre`, for rows of norms up to `reach` after centring.
    pub(super) fn new(centre: &[f32], _reach: f64) -> Self {
        Self { centre: centre.to_vec() }
    }

    /// Columns of a row.
    pub(super) fn dim(&self) -> usize {
        self.centre.len()
    }
}

/// Centroids as the tile reads them.
#[derive(Debug, Default)]
pub(super) struct Targets {
    packed: PackedReferences,
    count: usize,
}

impl Targets {
    /// Packs centroids (row-major).
    pub(super) fn new(centroids: &[f32], frame: &Frame) -> Self {
        let mut targets = Self::default();
        targets.repack(centroids, frame);
        targets
    }

    /// Packs other centroids into the same buffers.
    pub(super) fn repack(&mut self, centroids: &[f32], frame: &Frame) {
        let rows = centroids.chunks_exact(frame.dim());
        self.count = rows.len();
        self.packed.repack(self.count.div_ceil(BLOCK_ROWS), &frame.centre, rows.enumerate());
    }

    /// Bytes that so many centroids take.
    pub(super) fn bytes(count: u64, dim: u64) -> u64 {
        PackedReferences::bytes(count, dim)
    }

    /// Number of centroids.
    pub(super) fn len(&self) -> usize {
        self.count
    }
}

/// Rows that ask, with the buffers of one thread.
#[derive(Debug, Default)]
pub(super) struct Askers {
    rows: Vec<f32>,
    gathered: Vec<f32>,
    valid: Vec<bool>,
    panels: QueryPanels,
    values: Vec<f32>,
    scores: Vec<Score>,
}

impl Askers {
    /// Takes these rows (row-major).
    pub(super) fn fill(&mut self, rows: &[f32], frame: &Frame) {
        self.rows.clear();
        self.rows.extend_from_slice(rows);
        self.valid.clear();
        self.valid.extend(rows.chunks_exact(frame.dim()).map(is_finite));
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.valid.len()
    }

    /// Whether all coordinates of a row are finite. Scores of others mean nothing.
    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.valid[row]
    }

    /// The scores of some rows with all targets: `found(row, scores)` for each of `members`.
    pub(super) fn ask(
        &mut self,
        members: &[u32],
        targets: &Targets,
        frame: &Frame,
        tile: &dyn DistanceTile,
        mut found: impl FnMut(usize, &[Score]),
    ) {
        let dim = frame.dim();
        let width = targets.packed.blocks() * BLOCK_ROWS;
        for slice in members.chunks(SLICE) {
            self.gathered.clear();
            for &member in slice {
                self.gathered.extend_from_slice(&self.rows[member as usize * dim..][..dim]);
            }
            self.panels.repack(&self.gathered, dim, &frame.centre);
            tile.values(&self.panels, &targets.packed, &mut self.values);
            for (&member, values) in slice.iter().zip(self.values.chunks_exact(width)) {
                self.scores.clear();
                self.scores.extend(values[..targets.count].iter().map(|value| -value));
                found(member as usize, &self.scores);
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
    let better = |a: Score, b: Score| if b > a { b } else { a };
    let (chunks, rest) = scores.as_chunks::<16>();
    let mut lanes = [FARTHEST; 16];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &score)| *lane = better(*lane, score));
    }
    lanes.iter().chain(rest).copied().fold(FARTHEST, better)
}

/// The lowest place of the best score.
pub(super) fn best(scores: &[Score]) -> u32 {
    let most = most(scores);
    scores.iter().position(|&score| score == most).unwrap_or(0) as u32
}
