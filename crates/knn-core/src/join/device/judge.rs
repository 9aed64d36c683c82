//! What a device found for one query, decided by exact values.

use crate::distance::{DistanceTile, Metric};
use crate::gpu::{Block, Told};
use crate::join::rank::Ranking;

/// Scratch of a thread.
#[derive(Debug, Default)]
pub(super) struct Judge {
    order: Vec<i64>,
    /// Rows that may be near, the device's values of all but the long ones, and the exact values.
    rows: Vec<u32>,
    values: Vec<f64>,
    starts: Vec<usize>,
    exact: Vec<f64>,
    ranking: Ranking,
    ids: Vec<i64>,
    distances: Vec<f32>,
}

/// What is known of a query's neighbours in a slab or list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are found.
    Settled,
    /// More rows may be near than were found; nothing was changed.
    Open,
    /// What the device tells cannot be.
    Unsound,
}

/// Rows of a slab or list, and how they are compared.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) dim: usize,
    pub(super) metric: Metric,
    pub(super) tile: &'a dyn DistanceTile,
}

/// A query and the neighbours that it has.
pub(super) struct Asked<'a> {
    pub(super) row: &'a [f32],
    /// Its own id, or −1.
    pub(super) own: i64,
    pub(super) ids: &'a mut [i64],
    pub(super) distances: &'a mut [f32],
}

impl Judge {
    /// Puts what was found among the neighbours of the query, if that settles them. A row only `counts` where the query looks, and has an `id`.
    pub(super) fn judge(
        &mut self,
        told: Told,
        block: &Block,
        rows: Rows,
        asked: &mut Asked,
        (counts, id): (impl Fn(u32) -> bool, impl Fn(u32) -> i64),
    ) -> Verdict {
        let Rows { metric, .. } = rows;
        if told.norm.is_nan() {
            return Verdict::Settled;
        }
        if told.norm.is_infinite() {
            return Verdict::Open;
        }
        let Self { order, rows: near, values, .. } = self;
        let Some(found) = block.read(told, order) else { return Verdict::Unsound };
        let (reach, most) = limits(metric, asked.ids, asked.distances);
        let excess = block.bound.excess(told.norm, reach);
        near.clear();
        values.clear();
        for (row, value) in found.filter(|(row, value)| *value - excess <= most && counts(*row)) {
            near.push(row);
            values.push(value);
        }
        near.extend(block.long().iter().filter(|row| counts(**row)));
        self.compare(rows, asked.row);
        // A device that computes with fewer digits than was assumed is found out.
        let is_sound = |(value, exact): (&f64, &f64)| {
            let reach = if metric.is_product() { 0.0 } else { exact.sqrt() };
            *value - block.bound.excess(told.norm, reach) <= *exact
        };
        if !self.values.iter().zip(&self.exact).all(is_sound) {
            return Verdict::Unsound;
        }
        self.ids.clear();
        self.ids.extend_from_slice(asked.ids);
        self.distances.clear();
        self.distances.extend_from_slice(asked.distances);
        let exact = self.rows.iter().map(|&row| id(row)).zip(self.exact.iter().copied());
        self.ranking.merge(&mut self.ids, &mut self.distances, asked.own, metric, exact);
        let (reach, most) = limits(metric, &self.ids, &self.distances);
        let least = block.least_other(told);
        if least < f64::INFINITY && least - block.bound.excess(told.norm, reach) <= most {
            return Verdict::Open;
        }
        asked.ids.copy_from_slice(&self.ids);
        asked.distances.copy_from_slice(&self.distances);
        Verdict::Settled
    }

    /// The exact values of the rows at hand.
    fn compare(&mut self, rows: Rows, query: &[f32]) {
        self.starts.clear();
        self.starts.extend(self.rows.iter().map(|&row| row as usize * rows.dim));
        rows.tile.exact(rows.metric, query, rows.values, &self.starts, &mut self.exact);
    }

    /// Bytes for k neighbours and so many rows.
    pub(super) fn bytes(found: usize, k: usize) -> usize {
        found * (8 + 4 + 8 + 8 + 8) + Ranking::bytes(found, k) + k * 12
    }
}

/// How far a query looks that has these neighbours: no neighbour is farther (euclidean; infinite for products), and none has a larger exact value.
fn limits(metric: Metric, ids: &[i64], distances: &[f32]) -> (f64, f64) {
    let (Some(&last), Some(0..)) = (distances.last(), ids.last()) else { return (f64::INFINITY, f64::INFINITY) };
    // Whatever is reported as the same f32 may be a tie.
    let bound = metric.bound(last);
    if metric.is_product() { (f64::INFINITY, bound) } else { (bound, bound * bound * (1.0 + 1e-12)) }
}
