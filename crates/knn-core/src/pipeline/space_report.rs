//! Whether the query seems to lie in another space than the reference: made by another model, scaled or turned in another way.
//!
//! Then its neighbours are far. How far they lie is compared with how far neighbours lie within the reference, for a sample of both that
//! is taken from all over the stores: where most query cells are farther from their last neighbour than nearly all reference cells are from
//! theirs, the same representation has hardly been named on both sides. It is the rule by which labels are rejected by distance, applied
//! to the query as a whole. Of a bundle, whose rows are in its lists alone, the sample is of these. Nothing is known of stores that are too small, of
//! inner products, which are no distances, of codes alone, and where a large reference would be read once more for a few queries.

use serde::{Deserialize, Serialize};

/// Cells of either side, fewer than which tell nothing.
const FEWEST: usize = 20;
/// The quantile of the reference's distances beyond which a cell is far.
const FAR: f64 = 0.99;
/// The share of far query cells from which the space seems another one.
const MOST: f64 = 0.5;

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
    pub(super) fn of(mut query: Vec<f64>, mut reference: Vec<f64>) -> Option<Self> {
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
