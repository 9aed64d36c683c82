//! The recall contract: how many lists to probe so that a share of the true neighbours is found, and how many are found then.
//!
//! A sample of the run's own queries is joined with all lists. One half of it chooses the number of probes: the smallest whose mean
//! recall is what was asked for and a standard deviation more. The other half, which had no say, tells the recall that is reported. Samples follow from seed and
//! row numbers, and all values are exact, so a resumed run chooses the same.

use super::barred::{Barred, Batches};
use super::links::Hop;
use super::lists::{ListJoin, rows_at_a_time};
use super::order::Ordered;
use crate::error::Result;
use crate::index::Probes;
use crate::progress::Progress;
use crate::types::{NeighborBlock, Tile};

/// Of a normal distribution, 95 % lie within so many standard deviations.
const DEVIATIONS: f64 = 1.96;

/// How many of the true neighbours a search finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Recall {
    /// The lists that a query looks in.
    pub probes: Probes,
    /// How far a repair looks, where there is one.
    pub repair: Option<Hop>,
    /// How many they are on average, of the queries that did not choose.
    pub lists: f64,
    /// Mean share of the k true neighbours that are found, of the queries that did not choose.
    pub measured: f64,
    /// Half the width of the 95 % interval of that mean.
    pub within: f64,
    /// What each of these queries misses.
    pub missed: Vec<Missed>,
}

/// The true neighbours of a query that a search does not find.
#[derive(Debug, Clone, PartialEq)]
pub struct Missed {
    /// The query's place in the sample.
    pub query: usize,
    /// How many true neighbours it has: at least one.
    pub of: usize,
    /// Ids and distances of those that are missed.
    pub neighbors: Vec<(i64, f32)>,
}

impl Missed {
    /// The share of the true neighbours that is found.
    pub(super) fn share(&self) -> f64 {
        (self.of - self.neighbors.len()) as f64 / self.of as f64
    }
}

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// The smallest number of near lists ([`Probes::Near`]) that finds this share.
    Recall(f64),
    /// This number of lists ([`Probes::Nearest`]), whatever they hold.
    Probes(usize),
}

/// The batch of each query, and those of the references; none where batches do not matter.
type QueryBatches<'a> = Option<(Vec<u32>, Batches<'a>)>;

/// The queries that measure, and their true neighbours.
pub struct Calibration<'a> {
    pub(super) search: &'a ListJoin<'a>,
    /// First the queries that choose, then those that report.
    pub(super) queries: Tile,
    pub(super) own: Option<Vec<i64>>,
    /// The batch of each query, and those of the references, where those of its own are no neighbours.
    batches: QueryBatches<'a>,
    pub(super) truth: NeighborBlock,
    /// What the recall is measured by that is reported, where it is not the same.
    pub(super) told: Option<NeighborBlock>,
}

impl<'a> Calibration<'a> {
    /// Finds the true neighbours of a sample of queries, in any order that has nothing to do with them.
    pub fn new(
        search: &'a ListJoin<'a>,
        queries: Tile,
        own: Option<Vec<i64>>,
        k: usize,
        progress: &Progress,
    ) -> Result<Self> {
        Self::among_others(search, queries, (own, None), k, progress)
    }

    /// The same among references that are not of a query's own batch.
    pub fn among_others(
        search: &'a ListJoin<'a>,
        queries: Tile,
        (own, batches): (Option<Vec<i64>>, QueryBatches<'a>),
        k: usize,
        progress: &Progress,
    ) -> Result<Self> {
        let truth = NeighborBlock::empty(queries.rows(), k);
        let mut calibration = Self { search, queries, own, batches, truth, told: None };
        let mut truth = std::mem::take(&mut calibration.truth);
        search.join_all(&calibration.queries, calibration.barred(), &mut truth, progress)?;
        calibration.truth = truth;
        Ok(calibration)
    }

    /// What may not become a neighbour of each query.
    fn barred(&self) -> Barred<'_> {
        Barred {
            own: self.own.as_deref(),
            batches: self.batches.as_ref().map(|(queries, references)| (queries.as_slice(), *references)),
        }
    }

    /// Measures the recall that is reported by these neighbours of the same queries: where an index holds only codes, what it finds in all
    /// lists chooses the probes, because more of them find nothing better, but is not the truth.
    #[must_use]
    pub fn told_by(self, truth: NeighborBlock) -> Self {
        Self { told: Some(truth), ..self }
    }

    /// Chooses the number of probes, and measures.
    pub fn measure(&self, target: Target, progress: &Progress) -> Result<Recall> {
        let half = self.queries.rows().div_ceil(2);
        let probes = match target {
            Target::Probes(probes) => Probes::Nearest(probes.clamp(1, self.search.nlist())),
            Target::Recall(wanted) => Probes::Near(self.choose(wanted, half, progress)?),
        };
        self.tell(probes, progress)
    }

    /// Measures what is found in these lists.
    pub(super) fn tell(&self, probes: Probes, progress: &Progress) -> Result<Recall> {
        let rows = self.queries.rows();
        let half = rows.div_ceil(2);
        // A single query does both.
        let reporting = half.min(rows.saturating_sub(1))..rows;
        let truth = self.told.as_ref().unwrap_or(&self.truth);
        let missed = self.missed(reporting.clone(), probes, truth, progress)?;
        let shares: Vec<f64> = missed.iter().map(Missed::share).collect();
        let measured = mean(&shares);
        let lists = self.search.mean_probes(&self.queries.values[reporting.start * self.queries.dim..], probes);
        Ok(Recall { probes, repair: None, lists, measured, within: within(&shares, measured), missed })
    }

    /// The smallest number of near lists in which the first `half` queries find the wanted share, and one standard deviation of their mean
    /// more: a number that just does for them is as likely as not too small for the others.
    pub(super) fn choose(&self, wanted: f64, half: usize, progress: &Progress) -> Result<usize> {
        let enough = |probes| {
            let missed = self.missed(0..half, Probes::Near(probes), &self.truth, progress)?;
            Ok::<_, crate::error::Error>(is_enough(&missed, wanted))
        };
        let most = self.search.nlist();
        let (mut few, mut many) = (0, 1);
        while many < most && !enough(many)? {
            (few, many) = (many, (many * 2).min(most));
        }
        while many - few > 1 {
            let middle = usize::midpoint(few, many);
            if enough(middle)? { many = middle } else { few = middle }
        }
        Ok(many)
    }

    /// What each query misses. Queries without any true neighbour are left out.
    fn missed(
        &self,
        rows: std::ops::Range<usize>,
        probes: Probes,
        truth: &NeighborBlock,
        progress: &Progress,
    ) -> Result<Vec<Missed>> {
        let (dim, k) = (self.queries.dim, truth.k);
        let mut missed = Vec::with_capacity(rows.len());
        // With many probes a few at a time, because the routes of all would be large.
        for first in rows.clone().step_by(rows_at_a_time(probes.most())) {
            let some = first..(first + rows_at_a_time(probes.most())).min(rows.end);
            let values = self.queries.values[some.start * dim..some.end * dim].to_vec();
            let barred = self.barred().part(some.clone());
            let mut found = NeighborBlock::empty(some.len(), k);
            let queries = Tile { first_row: 0, dim, values };
            self.search.join(&queries, probes, barred, &mut found, &mut Ordered::default(), progress)?;
            missed.extend(some.enumerate().filter_map(|(at, query)| {
                let ((ids, distances), (found, _)) = (truth.row(query), found.row(at));
                let known = ids.iter().copied().zip(distances.iter().copied());
                let neighbors = known.filter(|(id, _)| !found.contains(id)).collect();
                (!ids.is_empty()).then_some(Missed { query, of: ids.len(), neighbors })
            }));
        }
        Ok(missed)
    }
}

/// Whether the wanted share is found, and one standard deviation of its mean more.
pub(super) fn is_enough(missed: &[Missed], wanted: f64) -> bool {
    let shares: Vec<f64> = missed.iter().map(Missed::share).collect();
    let mean = mean(&shares);
    mean - within(&shares, mean) / DEVIATIONS >= wanted
}

/// Half the width of the 95 % interval of a mean. One share alone says nothing of the others; where there is none, none is missed.
pub(super) fn within(shares: &[f64], mean: f64) -> f64 {
    if shares.len() < 2 {
        return shares.len() as f64;
    }
    let count = shares.len() as f64;
    let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / (count - 1.0);
    DEVIATIONS * (variance / count).sqrt()
}

/// 1 where nobody has a neighbour to miss.
pub(super) fn mean(shares: &[f64]) -> f64 {
    if shares.is_empty() { 1.0 } else { shares.iter().sum::<f64>() / shares.len() as f64 }
}
