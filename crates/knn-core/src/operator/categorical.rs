//! Weighted vote over labels.

use rayon::prelude::*;

use crate::kernel::CsrBlock;

/// Label codes of every reference row, −1 where it has none, and the number of categories.
#[derive(Debug, Clone)]
pub struct Labels {
    /// One code per reference row.
    pub codes: Vec<i32>,
    /// Number of categories.
    pub categories: usize,
}

/// What became of a cell in one label column: the codes of `obs/<key>_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum LabelStatus {
    /// It has a predicted label.
    Ok = 0,
    /// No neighbour has a label.
    Unlabelled = 1,
    /// Its label was rejected.
    Rejected = 2,
}

impl LabelStatus {
    /// Category names, by code.
    pub const NAMES: [&'static str; 3] = ["ok", "unlabelled", "rejected"];
}

/// Results of a vote for a block of rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelVotes {
    /// Category with the largest weight, ties to the lowest code; −1 where no neighbour has a label.
    pub codes: Vec<i32>,
    /// Its weight among the labelled neighbours; 0 where there is none.
    pub confidence: Vec<f32>,
    /// `rows × categories` weights, row-major; empty unless asked for. NaN where no neighbour has a label.
    pub probabilities: Vec<f32>,
}

impl Labels {
    /// Votes for every row of `block`. Neighbours without a label are dropped and the rest renormalised.
    pub fn vote(&self, block: &CsrBlock, probabilities: bool, votes: &mut LabelVotes) {
        let (rows, categories) = (block.rows(), self.categories);
        votes.codes.clear();
        votes.codes.resize(rows, -1);
        votes.confidence.clear();
        votes.confidence.resize(rows, 0.0);
        votes.probabilities.clear();
        votes.probabilities.resize(if probabilities { rows * categories } else { 0 }, f32::NAN);
        if categories == 0 {
            return;
        }
        let rows = votes.codes.par_iter_mut().zip(votes.confidence.par_iter_mut()).enumerate();
        let sums = || vec![0f64; categories];
        if probabilities {
            let shares = votes.probabilities.par_chunks_mut(categories);
            rows.zip(shares).with_min_len(256).for_each_init(sums, |sums, ((row, (code, confidence)), shares)| {
                (*code, *confidence) = self.vote_row(block.row(row), sums, shares);
            });
        } else {
            rows.with_min_len(256).for_each_init(sums, |sums, (row, (code, confidence))| {
                (*code, *confidence) = self.vote_row(block.row(row), sums, &mut []);
            });
        }
    }

    /// One row's vote. `sums` holds a zero for every category, before and after.
    fn vote_row(&self, (columns, weights): (&[u64], &[f64]), sums: &mut [f64], shares: &mut [f32]) -> (i32, f32) {
        let codes = || columns.iter().map(|&column| self.codes[column as usize]);
        let labelled = || codes().zip(weights).filter(|(code, _)| *code >= 0);
        let mut total = 0.0;
        for (code, weight) in labelled() {
            sums[code as usize] += weight;
            total += weight;
        }
        let best = labelled().map(|(code, _)| code).reduce(|best, code| {
            let (ours, theirs) = (sums[code as usize], sums[best as usize]);
            if ours > theirs || (ours == theirs && code < best) { code } else { best }
        });
        let vote = match best {
            Some(best) if total > 0.0 => {
                shares.iter_mut().zip(sums.iter()).for_each(|(share, sum)| *share = (sum / total) as f32);
                (best, (sums[best as usize] / total) as f32)
            }
            _ => (-1, 0.0),
        };
        labelled().for_each(|(code, _)| sums[code as usize] = 0.0);
        vote
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(codes: &[i32], categories: usize, rows: &[&[(u64, f64)]]) -> LabelVotes {
        let mut block = CsrBlock { starts: vec![0], ..CsrBlock::default() };
        for row in rows {
            block.columns.extend(row.iter().map(|(column, _)| column));
            block.weights.extend(row.iter().map(|(_, weight)| weight));
            block.starts.push(block.columns.len());
        }
        let mut votes = LabelVotes::default();
        Labels { codes: codes.to_vec(), categories }.vote(&block, true, &mut votes);
        votes
    }

    #[test]
    fn the_largest_weight_wins_and_ties_go_to_the_lowest_code() {
        let votes = vote(&[2, 0, 1], 3, &[&[(0, 0.4), (1, 0.4), (2, 0.2)], &[(0, 0.2), (1, 0.3), (2, 0.5)]]);
        assert_eq!(votes.codes, [0, 1]);
        assert_eq!(votes.confidence, [0.4, 0.5]);
        assert_eq!(votes.probabilities, [0.4, 0.2, 0.4, 0.3, 0.5, 0.2]);
    }

    #[test]
    fn unlabelled_neighbors_drop_out_and_the_rest_is_renormalised() {
        let votes = vote(&[-1, 1, -1], 2, &[&[(0, 0.75), (1, 0.25)], &[(0, 0.5), (2, 0.5)], &[]]);
        assert_eq!(votes.codes, [1, -1, -1]);
        assert_eq!(votes.confidence, [1.0, 0.0, 0.0]);
        assert_eq!(votes.probabilities[..2], [0.0, 1.0]);
        assert!(votes.probabilities[2..].iter().all(|share| share.is_nan()));
    }

    #[test]
    fn a_reference_without_categories_labels_nobody() {
        let votes = vote(&[-1], 0, &[&[(0, 1.0)]]);
        assert_eq!((votes.codes, votes.confidence), (vec![-1], vec![0.0]));
    }
}
