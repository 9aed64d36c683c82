//! Whether the query seems to lie in another space than the reference: made by another model, scaled or turned in another way.
//!
//! Then its neighbours are far. How far they lie is compared with how far neighbours lie within the reference, for a sample of both that
//! is taken from all over the stores: where most query cells are farther from their last neighbour than nearly all reference cells are from
//! theirs, the same representation has hardly been named on both sides. It is the rule by which labels are rejected by distance, applied
//! to the query as a whole. Of a bundle, whose rows are in its lists alone, the sample is of these. Nothing is known of stores that are too small, of
//! inner products, which are no distances, of codes alone, and where a large reference would be read once more for a few queries.

use serde::{Deserialize, Serialize};

use super::plan::Prepared;
use super::search_stage::true_neighbors;
use crate::distance::DistanceTile;
use crate::error::Result;
use crate::index::{ListBuffer, Probes};
use crate::join::{Barred, ListJoin, Ordered};
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::source::RowSource;
use crate::types::{NeighborBlock, RowRange, Tile};

/// Places of a store that a sample is from, and rows of each that follow each other.
const PLACES: u64 = 64;
const ROWS: u64 = 8;
/// Cells of either side, fewer than which tell nothing.
const FEWEST: usize = 20;
/// The quantile of the reference's distances beyond which a cell is far.
const FAR: f64 = 0.99;
/// The share of far query cells from which the space seems another one.
const MOST: f64 = 0.5;
/// An exact search goes through a larger reference once more only for so many query cells.
const SMALL_REFERENCE: u64 = 1 << 20;
const MANY_QUERIES: u64 = 8192;

/// How far the query's neighbours lie, beside those within the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SpaceReport {
    /// Median distance of a sample of query cells to the last of their k neighbours.
    pub query: f64,
    /// The same of reference cells to the last of theirs, within the reference.
    pub reference: f64,
    /// The distance that 99 % of those of the reference do not exceed.
    pub far: f64,
    /// Share of the query cells that exceed it.
    pub farther: f64,
    /// Whether they are so many that the query seems to lie in another space.
    pub is_other: bool,
}

impl SpaceReport {
    /// What the user should know.
    pub(super) fn warning(&self, use_rep: &str) -> Option<String> {
        self.is_other.then(|| {
            format!(
                "the query seems to lie in another space than the reference: {:.0} % of its cells are farther from their neighbors than 99 % of the reference's cells are from theirs (median {:.3} beside {:.3}). Check that {use_rep} is of the same model in both stores, and scaled alike",
                self.farther * 100.0,
                self.query,
                self.reference
            )
        })
    }

    /// From the distances to the last neighbours.
    fn of(mut query: Vec<f64>, mut reference: Vec<f64>) -> Option<Self> {
        if query.len().min(reference.len()) < FEWEST {
            return None;
        }
        query.sort_by(f64::total_cmp);
        reference.sort_by(f64::total_cmp);
        let quantile = |sorted: &[f64], share: f64| sorted[((sorted.len() - 1) as f64 * share).ceil() as usize];
        let far = quantile(&reference, FAR);
        let farther = query.iter().filter(|distance| **distance > far).count() as f64 / query.len() as f64;
        let (query, reference) = (quantile(&query, 0.5), quantile(&reference, 0.5));
        Some(Self { query, reference, far, farther, is_other: farther > MOST })
    }
}

/// Compares both sides by the search that a run takes: in lists, or among all references.
pub(super) fn compare(
    prepared: &Prepared,
    lists: Option<(&ListJoin, Probes)>,
    tile: &dyn DistanceTile,
    progress: &Progress,
) -> Result<Option<SpaceReport>> {
    let (resolved, inputs) = (&prepared.resolved, &prepared.inputs);
    let k = prepared.spec.k as usize;
    let is_known = !resolved.self_mapping && resolved.imported.is_none() && k > 0;
    let is_cheap =
        lists.is_some() || inputs.reference.n_obs() <= SMALL_REFERENCE || inputs.query.n_obs() >= MANY_QUERIES;
    if !is_known || !is_cheap || resolved.parameters.metric.is_product() {
        return Ok(None);
    }
    let (mut rows, mut own) = (Tile { first_row: 0, dim: inputs.query_rows.dim(), values: Vec::new() }, Vec::new());
    sample(prepared, &inputs.query_rows, |_| -1, &mut rows, &mut own, progress)?;
    let queries = own.len();
    match lists {
        Some((search, _)) if resolved.bundled => sample_lists(search, &mut rows, &mut own, progress)?,
        _ => sample(prepared, &inputs.reference_rows, |row| row as i64, &mut rows, &mut own, progress)?,
    }
    let barred = Barred::own(Some(&own));
    let found = match lists {
        Some((search, probes)) => {
            let mut found = NeighborBlock::empty(own.len(), k);
            search.join(&rows, probes, barred, &mut found, &mut Ordered::default(), progress)?;
            found
        }
        None => true_neighbors(prepared, &rows, barred, tile, progress)?,
    };
    let last = |row: usize| found.row(row).1.last().map(|distance| f64::from(*distance));
    Ok(SpaceReport::of((0..queries).filter_map(last).collect(), (queries..own.len()).filter_map(last).collect()))
}

/// Adds rows from all over a store, and the id of each.
fn sample(
    prepared: &Prepared,
    source: &dyn RowSource,
    id: impl Fn(u64) -> i64,
    rows: &mut Tile,
    ids: &mut Vec<i64>,
    progress: &Progress,
) -> Result<()> {
    let mut piece = Tile::default();
    for some in places(source.rows()) {
        progress.check()?;
        let mut reader = TileReader::new(source, some, prepared.resolved.parameters.metric);
        reader.next(ROWS, &mut piece)?;
        rows.values.extend_from_slice(&piece.values);
        ids.extend((some.start..some.end).map(&id));
    }
    Ok(())
}

/// The same of the lists of an index, whose rows are taken in the order of lists.
fn sample_lists(search: &ListJoin, rows: &mut Tile, ids: &mut Vec<i64>, progress: &Progress) -> Result<()> {
    let (index, mut buffer) = (search.index(), ListBuffer::default());
    // The list at hand, and rows in the lists before it.
    let (mut list, mut before) = (0, 0);
    for some in places(index.listed_rows()) {
        progress.check()?;
        let mut next = some.start;
        while next < some.end {
            while before + index.list_rows(list) <= next {
                before += index.list_rows(list);
                list += 1;
            }
            let view = index.list(list, &mut buffer)?;
            let within = (next - before) as usize..(some.end.min(before + index.list_rows(list)) - before) as usize;
            next = before + within.end as u64;
            rows.values.extend_from_slice(&view.rows[within.start * rows.dim..within.end * rows.dim]);
            ids.extend(within.map(|row| view.ids.get(row) as i64));
        }
    }
    Ok(())
}

/// Rows all over `n`, as many at each place as follow each other; of few rows all.
fn places(n: u64) -> impl Iterator<Item = RowRange> {
    let mut next = 0;
    (0..PLACES).filter_map(move |place| {
        let first = (u128::from(place) * u128::from(n) / u128::from(PLACES)) as u64;
        let some = RowRange { start: first.max(next), end: (first + ROWS).min(n) };
        next = next.max(some.end);
        (some.start < some.end).then_some(some)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_must_be_farther_than_nearly_all() {
        let reference: Vec<f64> = (1..=100).map(f64::from).collect();
        let report = |query: Vec<f64>| SpaceReport::of(query, reference.clone());
        let same = report(reference.clone()).unwrap();
        assert!(!same.is_other && same.farther <= 0.01 && same.warning("X_pca").is_none(), "{same:?}");
        let shifted = report((40..=139).map(f64::from).collect()).unwrap();
        assert!(!shifted.is_other && shifted.farther > 0.3, "{shifted:?}");
        let other = report((600..700).map(f64::from).collect()).unwrap();
        assert!(other.is_other && other.farther == 1.0, "{other:?}");
        assert!(other.warning("X_scvi").unwrap().contains("X_scvi"));
        assert_eq!(report(vec![5.0; 19]), None);
    }
}
