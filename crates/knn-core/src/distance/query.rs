//! Queries as the tile reads them: rows on the grid, each with what it takes to turn values into distances and back, and which six of
//! them meet references together. The tile reads rows where they lie: copying six side by side, for every list that they visit, took
//! longer than reading from six places does.
//!
//! A value is w = q̂·x̂ − ⌊‖x̂‖² / 2^(t+1)⌋ with t the query's exponent: larger is nearer. With q̃ = 2ᵗ·q̂, ‖q̃ − x̂‖² lies within
//! [‖q̃‖² − 2^(t+1)·w, ‖q̃‖² − 2^(t+1)·(w − 1)].
//!
//! For inner products it is w = q̂·x̂, and ⟨q, x⟩ · s lies within [w − e, w + e], where s is the scale of the query times that of the
//! references, and e the grids' error. What is called a distance here is −⟨q, x⟩ there.

use super::grid::{Grid, LONGEST, Misfit, power};
use super::metric::Metric;

/// Queries in a panel.
pub const PANEL_ROWS: usize = 6;

/// Query rows on a grid.
#[derive(Debug, Clone, Default)]
pub struct QueryRows {
    pairs: usize,
    scale: f64,
    metric: Metric,
    values: Vec<i32>,
    known: Vec<Known>,
}

/// What is known of a query beside its coordinates.
#[derive(Debug, Clone, Copy)]
struct Known {
    exponent: u32,
    /// Bound of what grids do to a distance of this query, both sides; infinite for a query that no grid holds, NaN for one with a
    /// coordinate that is NaN or infinite.
    error: f64,
    /// ‖q̃‖²; for inner products how many units of the tile one unit of a product has.
    norm: f64,
}

impl QueryRows {
    /// Puts `rows` (row-major) on the grid, into the buffers that are there.
    #[inline(always)]
    pub fn fill(&mut self, rows: &[f32], grid: &Grid) {
        let pairs = grid.pairs();
        (self.pairs, self.scale, self.metric) = (pairs, grid.scale(), grid.metric());
        self.values.clear();
        self.values.resize(rows.len() / grid.dim() * pairs, 0);
        self.known.clear();
        for (row, values) in rows.chunks_exact(grid.dim()).zip(self.values.chunks_exact_mut(pairs)) {
            if self.metric.is_product() {
                self.known.push(match grid.product_query(row, values) {
                    Some(scale) => Known { exponent: 0, error: grid.product_error(), norm: scale * grid.scale() },
                    None => Known { exponent: 0, error: f64::NAN, norm: 0.0 },
                });
                continue;
            }
            self.known.push(match grid.query(row, values) {
                Ok((exponent, norm)) => {
                    let error = grid.error(exponent) + grid.error(0);
                    Known { exponent, error, norm: f64::from(norm) * power(2 * exponent) }
                }
                Err(Misfit::Loose) => Known { exponent: 0, error: f64::INFINITY, norm: 0.0 },
                Err(Misfit::Invalid) => Known { exponent: 0, error: f64::NAN, norm: 0.0 },
            });
        }
    }

    /// What is compared.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.known.len()
    }

    /// Bytes that `rows` rows take.
    pub fn bytes(rows: u64, dim: u64) -> u64 {
        rows * (dim.div_ceil(2) * 4 + size_of::<Known>() as u64)
    }

    /// Whether all coordinates of a row are finite.
    pub fn is_valid(&self, row: usize) -> bool {
        !self.known[row].error.is_nan()
    }

    /// The limit of a query at a true distance: every reference as near as that, or nearer, has a value above it.
    #[inline(always)]
    pub fn limit(&self, row: usize, distance: f64) -> i32 {
        let Known { exponent, error, norm } = self.known[row];
        let least = if self.metric.is_product() {
            -distance * norm - error
        } else {
            // Rounded up by far more than f64's own errors.
            let steps = (distance + error) * self.scale * (1.0 + 1e-12);
            (norm - steps * steps) / power(exponent + 1)
        };
        // `as` cuts towards zero, by less than one, and saturates: an infinite distance or error gives the smallest. The largest is
        // kept for queries that keep nothing; where it would come out, nothing on the grid is near enough, but loose rows may be.
        ((least - least.abs() * 1e-12 - 2.0) as i32).min(i32::MAX - 1)
    }

    /// The limit of a query for whatever a group is grouped around: if that has no value above it, no reference of the group is as
    /// near as this distance. None lies farther than `radius` from what it is grouped around.
    ///
    /// By the triangle inequality ‖q − x‖ ≥ ‖q − c‖ − r, and by that of Cauchy and Schwarz ⟨q, x⟩ ≤ ⟨q, c⟩ + ‖q‖·r.
    #[inline(always)]
    pub fn limit_of_group(&self, row: usize, distance: f64, radius: f64) -> i32 {
        if self.metric.is_product() {
            // The query is no longer than that in steps of its own, of which `norm / scale` are one unit.
            return self.limit(row, distance + LONGEST * radius * self.scale / self.known[row].norm);
        }
        self.limit(row, (radius + distance) * (1.0 + 1e-12))
    }

    /// No reference of at least this value is farther away than this, nor is one of which the same f32 is reported; infinite beyond
    /// f32.
    #[inline(always)]
    pub fn farthest(&self, row: usize, value: i32) -> f64 {
        let Known { exponent, error, norm } = self.known[row];
        if self.metric.is_product() {
            let most = error - f64::from(value);
            return self.metric.with_ties((most + most.abs() * 1e-12) / norm);
        }
        let squared = norm - power(exponent + 1) * (f64::from(value) - 1.0);
        let distance = squared.max(0.0).sqrt() / self.scale * (1.0 + 1e-12) + error;
        self.metric.with_ties(distance)
    }

    /// How much larger the squared distance to a reference of value `far` is than to one of value `near`, on the grid, in squared steps.
    pub fn farther(&self, row: usize, near: i32, far: i32) -> f64 {
        power(self.known[row].exponent + 1) * (f64::from(near) - f64::from(far))
    }

    /// A value below those of all references whose squared distance, on the grid, is larger than that of one of value `near` by no more than this,
    /// in squared steps.
    pub fn beyond(&self, row: usize, near: i32, squared: f64) -> i32 {
        ((f64::from(near) - squared / power(self.known[row].exponent + 1)).floor() as i32).saturating_sub(1)
    }

    /// The coordinates of a row, in pairs; of any row for what is padding.
    #[inline(always)]
    fn values(&self, row: u32) -> &[i32] {
        let row = (row as usize).min(self.known.len() - 1);
        &self.values[row * self.pairs..(row + 1) * self.pairs]
    }

    /// The coordinates of six rows, in pairs. What padding holds does not matter: its limit lets nothing through.
    #[inline(always)]
    pub(super) fn six(&self, members: &[u32; PANEL_ROWS]) -> [&[i32]; PANEL_ROWS] {
        members.map(|member| self.values(member))
    }
}

/// Which queries meet references together, six by six.
#[derive(Debug, Clone, Default)]
pub struct QueryPanels {
    padding: u32,
    members: Vec<[u32; PANEL_ROWS]>,
    exponents: Vec<u32>,
}

impl QueryPanels {
    /// Takes these rows of `rows`. Those of a panel share their exponent, so that a panel may be cut short; what is left of it is padding,
    /// whose member is the number of rows.
    pub fn gather(&mut self, rows: &QueryRows, members: impl Iterator<Item = u32>) {
        let padding = rows.rows() as u32;
        self.padding = padding;
        self.members.clear();
        self.exponents.clear();
        let mut taken = PANEL_ROWS;
        for member in members {
            let exponent = rows.known[member as usize].exponent;
            if taken == PANEL_ROWS || self.exponents.last() != Some(&exponent) {
                self.members.push([padding; PANEL_ROWS]);
                self.exponents.push(exponent);
                taken = 0;
            }
            let panel = self.members.len() - 1;
            self.members[panel][taken] = member;
            taken += 1;
        }
    }

    /// Takes all rows in order.
    pub fn all(&mut self, rows: &QueryRows) {
        self.gather(rows, 0..rows.rows() as u32);
    }

    /// The member that stands for padding.
    #[inline(always)]
    pub(super) fn padding(&self) -> u32 {
        self.padding
    }

    /// Number of panels.
    pub fn panels(&self) -> usize {
        self.members.len()
    }

    /// Bytes that the panels of `rows` queries take.
    pub fn bytes(rows: u64) -> u64 {
        rows.div_ceil(PANEL_ROWS as u64) * (PANEL_ROWS as u64 * 4 + 4)
    }

    /// The rows of a panel; padding is the number of rows.
    #[inline(always)]
    pub fn members(&self, panel: usize) -> &[u32; PANEL_ROWS] {
        &self.members[panel]
    }

    /// How far half norms are shifted for a panel.
    #[inline(always)]
    pub(super) fn exponent(&self, panel: usize) -> u32 {
        self.exponents[panel]
    }
}
