//! The scan of codes in a visit: which rows of the list at hand may be near enough that their exact distance is computed.
//!
//! Codes lose true neighbours, so what they select must not depend on how a join is carried out. The four nearest lists of a query are
//! searched without codes, the others in the order of the file. What it keeps of a list follows from the k-th exact distance that is
//! known before the visit, and what it found is ranked at places of that order. So the neighbours are the same for any threads,
//! slices, memory and lane.
//!
//! Let x̃ be what the codes of a row x stand for, E the mean of ‖x − x̃‖² and D the k-th distance known so far. Across the line of sight
//! the error has a deviation of about σ = √(E / d) along it, so ‖q − x̃‖² lies about normally around ‖q − x‖² with a deviation of 2σ·‖q − x‖.
//! A row is looked at if ‖q − x̃‖² ≤ D² + 2zσ·√(D² + E) + 2E² / (D² + E). The last term is what remains where neighbours are nearer than
//! the codes can tell apart; z is the quantile of the normal distribution above which lies what may be lost. Where rows are not
//! stored, x̃ is the row and nothing is lost but by the rounding of sums, for which the limit is as much higher.
//!
//! Of an index that is elsewhere rows may be missing that codes select. They are asked for, and whoever called the join fetches them and
//! joins again: only what was found when nothing was missing counts. Where all are missing, they are asked for by the distances that the
//! nearest lists gave, which is nearly always more than a join with all of them looks at.

use super::rank::Ranking;
use super::results::Results;
use crate::distance::{CODEWORDS, Codebooks, DistanceTile, Metric, PackedCodes};
use crate::index::{IvfIndex, ListType, ListView};

/// Share of the farthest neighbours that codes may lose, unless it is said.
pub const DEFAULT_LOSS: f64 = 0.005;
/// Sums up to this are near enough; one more stands for all that are not.
const LIMIT: u8 = 254;
/// Weight of the error itself beside the deviation.
const NEAR_ERROR: f64 = 2.0;
/// Rows found of a query that are ranked at once.
const HELD: usize = 16;
/// No scale of a table is larger, so that nothing times it is no number.
const LARGEST_SCALE: f64 = 1e30;

/// What codes of an index select by.
#[derive(Clone, Copy)]
pub(super) struct Coded<'a> {
    index: &'a IvfIndex,
    books: &'a Codebooks,
    error: f64,
    /// z.
    deviations: f64,
}

impl<'a> Coded<'a> {
    pub(super) fn of(index: &'a IvfIndex) -> Option<Self> {
        let books = index.codebooks()?;
        Some(Self { index, books, error: index.code_error(), deviations: deviations(DEFAULT_LOSS) })
    }

    pub(super) fn losing(self, share: f64) -> Self {
        Self { deviations: deviations(share), ..self }
    }

    /// The squared distance from what codes stand for up to which a row is looked at, where the k-th neighbour is at `distance`.
    fn limit(&self, distance: f64) -> f64 {
        let squared = distance * distance;
        if self.index.manifest().dtype == ListType::None {
            let rounding = 0.5 * self.books.spaces() as f64 + 1.0;
            return squared * (f64::from(LIMIT) / (f64::from(LIMIT) - rounding)) * (1.0 + 1e-4);
        }
        let both = squared + self.error;
        let deviation = (self.error / self.books.dim() as f64).sqrt();
        let near = if both > 0.0 { NEAR_ERROR * self.error * self.error / both } else { 0.0 };
        squared + 2.0 * self.deviations * deviation * both.sqrt() + near
    }
}

/// The quantile of the normal distribution above which lies this share; infinite for none.
fn deviations(share: f64) -> f64 {
    if share <= 0.0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        let above = 0.5 * libm::erfc(middle / std::f64::consts::SQRT_2);
        if above > share { low = middle } else { high = middle }
    }
    high
}

/// Buffers of the scan of one slice.
#[derive(Debug, Default)]
pub(super) struct CodeScan {
    packed: PackedCodes,
    residual: Vec<f32>,
    table: Vec<[u8; CODEWORDS]>,
    masks: Vec<u64>,
    rows: Vec<u32>,
    starts: Vec<usize>,
    exact: Vec<f64>,
    /// Queries that had k neighbours when the sweep began: only of them it is known what is near enough.
    limited: Vec<bool>,
    /// Queries of a visit that had not.
    others: Vec<u32>,
    /// What was found of each query and is not ranked yet.
    held: Vec<Held>,
    ranking: Ranking,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    length: usize,
    found: [(i64, f64); HELD],
}

impl CodeScan {
    /// Bytes of the scan of `queries` queries and lists of up to `longest` rows of `codes` codes.
    pub(super) fn bytes(queries: u64, longest: u64, dim: u64, codes: u64, k: usize) -> u64 {
        let query = size_of::<Held>() as u64 + 5;
        let found = longest * (4 + 8 + 8) + Ranking::bytes(longest as usize, k) as u64;
        queries * query + PackedCodes::bytes(longest, codes) + longest / 8 + dim * 4 + codes * 16 + found
    }

    /// Begins the sweep of the lists that are not among the nearest.
    pub(super) fn begin(&mut self, results: &Results) {
        let queries = results.rows.len() / results.dim;
        self.limited.clear();
        self.limited.extend((0..queries).map(|query| !results.is_short(query)));
        self.held.clear();
        self.held.resize(queries, Held { length: 0, found: [(0, 0.0); HELD] });
    }

    /// Looks for neighbours of `members` in a list, and returns those of them that need to see all of it.
    pub(super) fn visit(
        &mut self,
        coded: &Coded,
        (list, view): (u32, ListView),
        members: &[u32],
        results: &mut Results,
        tile: &dyn DistanceTile,
    ) -> &[u32] {
        let (index, metric) = (coded.index, coded.index.manifest().metric);
        let centroid = index.coarse().centroids(list..list + 1);
        self.packed.unpack(view.codes, coded.books.spaces(), view.len());
        self.others.clear();
        for &member in members {
            let query = member as usize;
            if !self.limited[query] {
                self.others.push(member);
                continue;
            }
            let distance = metric.bound(results.distances[(query + 1) * results.k - 1]);
            self.select(coded, coded.limit(distance), centroid, results.row(query), tile);
            if let Some(there) = view.there {
                index.ask(list, there, &mut self.rows);
            }
            if self.rows.is_empty() {
                continue;
            }
            self.starts.clear();
            self.starts.extend(self.rows.iter().map(|&row| row as usize * results.dim));
            tile.exact(metric, results.row(query), view.rows, &self.starts, &mut self.exact);
            // What is farther than the k-th is not one of the nearest, whatever else is found.
            let most = distance * distance * (1.0 + 1e-12);
            for (&row, &exact) in self.rows.iter().zip(&self.exact).filter(|(_, exact)| **exact <= most) {
                let held = &mut self.held[query];
                if held.length == HELD {
                    held.rank(query, metric, results, &mut self.ranking);
                }
                held.found[held.length] = (view.ids.get(row as usize) as i64, exact);
                held.length += 1;
            }
        }
        &self.others
    }

    /// The rows of the list that was unpacked of which a query's codes say that they may be near enough.
    fn select(&mut self, coded: &Coded, limit: f64, centroid: &[f32], query: &[f32], tile: &dyn DistanceTile) {
        self.rows.clear();
        let scale = (f64::from(LIMIT) / limit).min(LARGEST_SCALE);
        if !limit.is_finite() || scale < f64::from(f32::MIN_POSITIVE) {
            self.rows.extend(0..self.packed.rows() as u32);
            return;
        }
        self.residual.clear();
        self.residual.extend(query.iter().zip(centroid).map(|(value, middle)| value - middle));
        tile.tabulate(coded.books, &self.residual, scale as f32, &mut self.table);
        tile.at_most(&self.packed, &self.table, LIMIT, &mut self.masks);
        for (group, &mask) in self.masks.iter().enumerate() {
            let mut mask = mask;
            while mask != 0 {
                self.rows.push(group as u32 * u64::BITS + mask.trailing_zeros());
                mask &= mask - 1;
            }
        }
    }

    /// Ranks all that was found.
    pub(super) fn end(&mut self, results: &mut Results, metric: Metric) {
        for (query, held) in self.held.iter_mut().enumerate() {
            held.rank(query, metric, results, &mut self.ranking);
        }
        self.held.clear();
    }
}

impl Held {
    fn rank(&mut self, query: usize, metric: Metric, results: &mut Results, ranking: &mut Ranking) {
        if self.length > 0 {
            results.merge(query, metric, self.found[..self.length].iter().copied(), ranking);
            self.length = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_quantiles_of_the_normal_distribution() {
        for (share, expected) in [(0.5, 0.0), (0.025, 1.959_964), (0.005, 2.575_829), (0.001, 3.090_232)] {
            assert!((deviations(share) - expected).abs() < 1e-5, "{share}: {}", deviations(share));
        }
        assert!(deviations(0.0).is_infinite() && deviations(1e-300).is_finite());
    }
}
