//! Training: the top level from a small sample, then what lies below each of its centroids from its part of a larger one. Of two levels, those
//! are super-cells and their lists; of three, regions, and what is in them is trained in `regions.rs`.
//!
//! Two levels cost the square root of what one costs, and the same levels route rows and queries afterwards. Lists are shared out
//! in proportion to the sampled rows of a super-cell. The larger sample lies in memory if it fits; otherwise it goes through runs
//! by super-cell or region, in a second pass over the source. Either way each trains on the same rows in the same order.

use std::borrow::Cow;

use rayon::prelude::*;

use super::coarse::Coarse;
use super::codes::subtract;
use super::kmeans::{Groups, KMeans};
use super::nearest::{Frame, Targets, is_finite, norm};
use super::quantiser::{Quantiser, TRAINING_BYTES, TRAINING_ROWS};
use super::regions::RegionTrainer;
use super::rounds;
use super::route::Router;
use super::rows::PreparedRows;
use super::sample::{Sampler, mix};
use super::spec::Resolved;
use super::work::Work;
use crate::budget::{Lease, MemoryBudget};
use crate::distance::{DistanceTile, Grid};
use crate::error::Result;
use crate::progress::Progress;
use crate::source::RowSource;
use crate::store::{Run, RunBuffer, RunShape};
use crate::types::{RowRange, Tile};

/// What is read of a part lies in memory so often: as bytes and as numbers, and as numbers and by super-cell.
const COPIES: u64 = 2;
/// Rows gathered at a time where all of them are in memory.
pub(super) const GATHERED_ROWS: usize = 16_384;

/// What training needs.
#[derive(Clone, Copy)]
pub(super) struct Trainer<'a> {
    pub(super) source: &'a dyn RowSource,
    pub(super) spec: &'a Resolved,
    /// Rows read at a time.
    pub(super) batch: u64,
    pub(super) work: &'a Work,
    pub(super) budget: &'a MemoryBudget,
    pub(super) tile: &'a dyn DistanceTile,
    pub(super) progress: &'a Progress,
}

/// Sampled rows in memory: places of rows among values, ascending.
struct Sample<'v> {
    values: Cow<'v, [f32]>,
    /// All sampled rows; those of the small sample alone if the others did not fit.
    all: Vec<u32>,
    /// The small sample.
    top: Vec<u32>,
}

/// The larger sample by centroid of the top level: super-cells, or regions.
pub(super) enum Cells<'v> {
    Held { values: &'v [f32], all: &'v [u32], groups: Groups },
    Spilled(Vec<Run>),
}

/// Some rows (row-major), by their places among the values.
pub(super) struct Part<'v> {
    pub(super) values: Cow<'v, [f32]>,
    pub(super) places: Vec<u32>,
}

impl Trainer<'_> {
    /// Trains the levels, and the quantiser if there is to be one; `held` are all rows if they are in memory.
    pub(super) fn train(&self, held: Option<&[f32]>) -> Result<(Coarse, Option<Quantiser>)> {
        let (dim, levels) = (self.spec.layout.dim, self.spec.levels);
        let tops = levels.top() as usize;
        let row_bytes = dim as u64 * 4 + 16;
        let passes = self.spec.rows * u64::from(held.is_none());
        // Chance may take a few more than were wanted.
        let sample_bytes = (self.spec.sample() + self.spec.sample() / 8).min(self.spec.rows) * row_bytes;
        let fits = held.is_some() || sample_bytes <= self.budget.available() / 2;
        let wanted = if fits { self.spec.sample() } else { self.spec.top_sample() };
        let _lease = match held {
            Some(_) => None,
            None => Some(self.budget.take("the sample that trains the index", wanted.min(self.spec.rows) * row_bytes)?),
        };
        self.progress.begin("train", passes * if fits { 1 } else { 2 }, 0);
        let sample = self.sample(held, wanted)?;
        let top = gather(&sample.values, &sample.top, dim);
        let (centre, reach) = centre_and_reach(&top, dim);
        let frame = Frame::new(&centre, reach);
        let kmeans = KMeans { frame: &frame, tile: self.tile, progress: self.progress };
        let centroids = kmeans.train(&top, tops, mix(self.spec.seed, 0), &centre)?;
        drop(top);
        let targets = Targets::new(&centroids, &frame, self.tile);
        let cells = if fits {
            let groups = Groups::new(&assign(&kmeans, &sample.values, &sample.all, &targets), tops);
            Cells::Held { values: &sample.values, all: &sample.all, groups }
        } else {
            Cells::Spilled(self.spill(&kmeans, &targets)?)
        };
        let coarse = if levels.regions > 0 {
            let trainer = RegionTrainer { spec: self.spec, kmeans, budget: self.budget };
            trainer.train(centre, reach, centroids, &cells)?
        } else {
            let coarse = self.lists(&kmeans, centre, reach, centroids, &cells)?;
            rounds::over_all(coarse, &cells, self.spec.rounds(), &kmeans, self.budget)?
        };
        let quantiser = self.spec.codes.map(|_| self.quantiser(&coarse, &sample)).transpose()?;
        self.progress.end();
        Ok((coarse, quantiser))
    }

    /// Trains the lists of each super-cell, of two levels.
    fn lists(
        &self,
        kmeans: &KMeans,
        centre: Vec<f32>,
        reach: f64,
        centroids: Vec<f32>,
        cells: &Cells,
    ) -> Result<Coarse> {
        let (dim, super_cells) = (centre.len(), self.spec.levels.super_cells as usize);
        let counts: Vec<u64> = (0..super_cells).map(|cell| cells.rows(cell)).collect();
        let shares = shared_out(&counts, self.spec.levels.lists);
        let (at_a_time, _lease) = cells.at_a_time(&counts, dim, self.budget)?;
        let mut trained = Vec::with_capacity(super_cells);
        for some in (0..super_cells).collect::<Vec<_>>().chunks(at_a_time) {
            let of_cells = some.par_iter().map(|&cell| {
                let Part { values, places } = cells.part(cell)?;
                let otherwise = &centroids[cell * dim..(cell + 1) * dim];
                let seed = mix(self.spec.seed, cell as u64 + 1);
                kmeans.train(&gather(&values, &places, dim), shares[cell] as usize, seed, otherwise)
            });
            trained.extend(of_cells.collect::<Result<Vec<_>>>()?);
        }
        let mut first_list = vec![0];
        for share in shares {
            first_list.push(first_list[first_list.len() - 1] + share);
        }
        Ok(Coarse::new(centre, reach, centroids, first_list, trained.concat()))
    }

    /// Trains the quantiser on residuals of the small sample, or of as many rows of it as are enough.
    fn quantiser(&self, coarse: &Coarse, sample: &Sample) -> Result<Quantiser> {
        let dim = self.spec.layout.dim;
        let every = sample.top.len().div_ceil(TRAINING_ROWS).max(1);
        let some: Vec<u32> = sample.top.iter().copied().step_by(every).collect();
        let _lease = self.budget.take("the rows that train the codes", (some.len() * dim) as u64 * TRAINING_BYTES)?;
        let mut residuals = gather(&sample.values, &some, dim);
        let lists = Router::new(coarse, self.tile).assign(&residuals, self.tile);
        for (row, list) in residuals.chunks_exact_mut(dim).zip(lists) {
            // A finite row has a list.
            let centroid = coarse.centroids(list..list + 1);
            let values = row.to_vec();
            subtract(&values, centroid, row);
        }
        Quantiser::train(&residuals, dim, self.spec.seed, self.tile, self.progress)
    }

    /// The rows that a sampler of `wanted` rows takes, as far as they are finite.
    fn sample<'v>(&self, held: Option<&'v [f32]>, wanted: u64) -> Result<Sample<'v>> {
        let (dim, rows) = (self.spec.layout.dim, self.spec.rows);
        let all = Sampler::new(self.spec.seed, wanted, rows);
        let top = Sampler::new(self.spec.seed, self.spec.top_sample(), rows);
        if let Some(values) = held {
            let takes = |row: &u32| is_finite(&values[*row as usize * dim..][..dim]);
            let all: Vec<u32> = (0..rows as u32).filter(|&row| all.takes(u64::from(row))).filter(takes).collect();
            let top = all.iter().copied().filter(|&row| top.takes(u64::from(row))).collect();
            return Ok(Sample { values: Cow::Borrowed(values), all, top });
        }
        let (mut values, mut in_all, mut in_top) = (Vec::new(), 0, Vec::new());
        self.pass(all, |row, taken| {
            in_top.extend(top.takes(row).then_some(in_all));
            values.extend_from_slice(taken);
            in_all += 1;
            Ok(())
        })?;
        Ok(Sample { values: Cow::Owned(values), all: (0..in_all).collect(), top: in_top })
    }

    /// One pass over the source: `each(row, values)` for finite rows of the sample, in order.
    fn pass(&self, sampler: Sampler, mut each: impl FnMut(u64, &[f32]) -> Result<()>) -> Result<()> {
        let rows = RowRange::new(0, self.spec.rows);
        let mut reader = PreparedRows::new(self.source, rows, self.spec);
        let mut tile = Tile::default();
        let _lease = self.budget.take("reading rows", PreparedRows::bytes(self.source, self.batch))?;
        loop {
            reader.next(self.batch, &mut tile)?;
            if tile.rows() == 0 {
                return Ok(());
            }
            for row in 0..tile.rows() {
                let (number, values) = (tile.first_row + row as u64, tile.row(row));
                if sampler.takes(number) && is_finite(values) {
                    each(number, values)?;
                }
            }
            self.progress.advance(tile.rows() as u64)?;
        }
    }

    /// Puts the larger sample into runs by centroid of the top level.
    fn spill(&self, kmeans: &KMeans, targets: &Targets) -> Result<Vec<Run>> {
        let dim = self.spec.layout.dim;
        let shape = RunShape { keys: self.spec.levels.top(), width: dim as u32 * 4 };
        let reading = PreparedRows::bytes(self.source, self.batch);
        let room = self.budget.available().saturating_sub(reading) / 2;
        let run_rows = room.saturating_sub(RunBuffer::bytes(shape, 0)) / (u64::from(shape.width) + 8);
        let run_rows = run_rows.clamp(self.batch, self.spec.rows.max(self.batch));
        let _lease = self.budget.take("sorting the sample", RunBuffer::bytes(shape, run_rows))?;
        let mut buffer = RunBuffer::new(shape);
        buffer.reserve(run_rows as usize);
        let mut batch = Vec::new();
        let mut runs = Vec::new();
        let flush = |batch: &mut Vec<f32>, buffer: &mut RunBuffer, runs: &mut Vec<Run>| -> Result<()> {
            let assigned = kmeans.assign(batch, targets);
            for (&cell, row) in assigned.iter().zip(batch.chunks_exact(dim)) {
                if buffer.len() as u64 == run_rows {
                    runs.push(self.work.commit_sample(runs.len(), buffer, shape)?);
                }
                buffer.push(cell, bytemuck::cast_slice(row))?;
            }
            batch.clear();
            Ok(())
        };
        self.pass(Sampler::new(self.spec.seed, self.spec.sample(), self.spec.rows), |_, values| {
            batch.extend_from_slice(values);
            if batch.len() == self.batch as usize * dim { flush(&mut batch, &mut buffer, &mut runs) } else { Ok(()) }
        })?;
        flush(&mut batch, &mut buffer, &mut runs)?;
        runs.push(self.work.commit_sample(runs.len(), &mut buffer, shape)?);
        Ok(runs)
    }
}

impl Cells<'_> {
    /// Sampled rows of a centroid.
    pub(super) fn rows(&self, cell: usize) -> u64 {
        match self {
            Self::Held { groups, .. } => groups.members(cell).len() as u64,
            Self::Spilled(runs) => runs.iter().map(|run| run.records(cell as u32..cell as u32 + 1)).sum(),
        }
    }

    /// How many of the top level's parts, of so many rows each, are trained at a time, and the memory for that: all if they are in memory; of
    /// those that are read as many as keep the threads busy and fit the budget.
    pub(super) fn at_a_time(&self, rows: &[u64], dim: usize, budget: &MemoryBudget) -> Result<(usize, Option<Lease>)> {
        let Self::Spilled(_) = self else { return Ok((rows.len().max(1), None)) };
        let largest = rows.iter().copied().max().unwrap_or(0) * dim as u64 * 4 * COPIES;
        let most = (rayon::current_num_threads() as u64).min(rows.len().max(1) as u64);
        let at_a_time = (budget.available() / 2 / largest.max(1)).clamp(1, most);
        let lease = budget.take("the samples of the largest parts", largest * at_a_time)?;
        Ok((at_a_time as usize, Some(lease)))
    }

    /// Them, in their order.
    pub(super) fn part(&self, cell: usize) -> Result<Part<'_>> {
        match self {
            Self::Held { values, all, groups } => {
                let places = groups.members(cell).iter().map(|&place| all[place as usize]).collect();
                Ok(Part { values: Cow::Borrowed(values), places })
            }
            Self::Spilled(runs) => {
                let mut bytes = Vec::new();
                runs.iter().try_for_each(|run| run.read(cell as u32..cell as u32 + 1, &mut bytes))?;
                let values = bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
                Ok(Part { values: Cow::Owned(values), places: (0..self.rows(cell) as u32).collect() })
            }
        }
    }
}

/// The nearest centroid of the rows at some places, gathered a few at a time.
pub(super) fn assign(kmeans: &KMeans, values: &[f32], places: &[u32], targets: &Targets) -> Vec<u32> {
    let mut assigned = Vec::with_capacity(places.len());
    for some in places.chunks(GATHERED_ROWS) {
        assigned.extend(kmeans.assign(&gather(values, some, kmeans.frame.dim()), targets));
    }
    assigned
}

/// Rows at some places, side by side.
pub(super) fn gather(values: &[f32], places: &[u32], dim: usize) -> Vec<f32> {
    let mut gathered = Vec::with_capacity(places.len() * dim);
    for &place in places {
        gathered.extend_from_slice(&values[place as usize * dim..][..dim]);
    }
    gathered
}

/// The mean of rows, and how far from it most of them lie at most.
fn centre_and_reach(rows: &[f32], dim: usize) -> (Vec<f32>, f64) {
    let mut sums = vec![0f64; dim];
    for row in rows.chunks_exact(dim) {
        sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    let count = (rows.len() / dim).max(1) as f64;
    let centre: Vec<f32> = sums.iter().map(|sum| (sum / count) as f32).collect();
    let mut norms: Vec<f64> = rows.chunks_exact(dim).map(|row| norm(row, &centre)).collect();
    let reach = Grid::reach(&mut norms);
    (centre, reach)
}

/// Shares out `lists` in proportion to counts, at least one each: the largest remainders get what is left, the first of equals.
pub(super) fn shared_out(counts: &[u64], lists: u32) -> Vec<u32> {
    let spare = u128::from(lists) - counts.len() as u128;
    let total = counts.iter().map(|&count| u128::from(count)).sum::<u128>();
    // Without any rows all count alike.
    let weight = |cell: usize| if total == 0 { 1 } else { u128::from(counts[cell]) };
    let total = if total == 0 { counts.len() as u128 } else { total };
    let mut shares: Vec<u32> = (0..counts.len()).map(|cell| 1 + (weight(cell) * spare / total) as u32).collect();
    let left = lists - shares.iter().sum::<u32>();
    let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
    by_remainder.sort_by_key(|&cell| std::cmp::Reverse(weight(cell) * spare % total));
    by_remainder[..left as usize].iter().for_each(|&cell| shares[cell] += 1);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_lists_are_shared_out(counts in prop::collection::vec(0u64..1 << 40, 1..40), more in 0u32..1000) {
            let lists = counts.len() as u32 + more;
            let shares = shared_out(&counts, lists);
            prop_assert_eq!(shares.iter().sum::<u32>(), lists);
            prop_assert!(shares.iter().all(|&share| share > 0));
        }
    }

    #[test]
    fn lists_follow_the_rows() {
        assert_eq!(shared_out(&[300, 100, 0], 7), [4, 2, 1]);
        assert_eq!(shared_out(&[0, 0], 5), [3, 2]);
    }

    #[test]
    fn centre_and_reach_are_of_the_rows() {
        assert_eq!(centre_and_reach(&[1.0, 3.0], 1), (vec![2.0], 1.0));
        assert_eq!(centre_and_reach(&[], 2), (vec![0.0; 2], 0.0));
    }
}
