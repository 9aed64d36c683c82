//! Weighted vote over labels.

use rayon::prelude::*;

use crate::kernel::CsrBlock;

/// Code of a reference row that has no label.
pub const MISSING: i32 = -1;
/// Code of a reference row whose label cannot be predicted: its weight counts, for nobody.
pub const OTHER: i32 = -2;

/// Label codes of every reference row, and the number of categories.
#[derive(Debug, Clone)]
pub struct Labels {
    /// One code per reference row: a category, [`MISSING`] or [`OTHER`].
    pub codes: Vec<i32>,
    /// Number of categories.
    pub categories: usize,
    /// Whether rows without a label vote for having none. Otherwise they are dropped, and the rest renormalised.
    pub missing_votes: bool,
}

/// What is wanted of a vote besides label and confidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// The share of every category.
    pub probabilities: bool,
    /// The second label, the margin and the entropy.
    pub details: bool,
    /// So many categories with the largest shares.
    pub top: usize,
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

/// Results of a vote for a block of rows. What was not asked for is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelVotes {
    /// Category with the largest weight, ties to the lowest code; −1 where no neighbour has a label.
    pub codes: Vec<i32>,
    /// Its share of the weight that counts; 0 where there is none.
    pub confidence: Vec<f32>,
    /// `rows × categories` shares, row-major. NaN where there is no label.
    pub probabilities: Vec<f32>,
    /// Category with the second largest weight; −1 where there is none.
    pub second: Vec<i32>,
    /// Share of the first less that of the second, 0 to 1; NaN where there is no label.
    pub margin: Vec<f32>,
    /// Shannon entropy −Σ p ln p of the shares, in nats; NaN where there is no label.
    pub entropy: Vec<f32>,
    /// `rows × top` categories by descending share, −1 where there are fewer.
    pub top_codes: Vec<i32>,
    /// Their shares, 0 where there are fewer; NaN where there is no label.
    pub top_shares: Vec<f32>,
}

/// One row's results, where they go.
struct Row<'a> {
    code: &'a mut i32,
    confidence: &'a mut f32,
    second: Option<&'a mut i32>,
    margin: Option<&'a mut f32>,
    entropy: Option<&'a mut f32>,
    probabilities: &'a mut [f32],
    top_codes: &'a mut [i32],
    top_shares: &'a mut [f32],
}

/// Sums of one row: a zero for every category before and after, and the categories that are not zero.
struct Sums {
    /// Codes of the row's neighbours. They lie anywhere among those of the reference: fetched together, one need not wait for another.
    codes: Vec<i32>,
    by_code: Vec<f64>,
    found: Vec<(i32, f64)>,
}

impl LabelVotes {
    fn clear(&mut self, rows: usize, categories: usize, asked: Asked) {
        fill(&mut self.codes, rows, -1);
        fill(&mut self.confidence, rows, 0.0);
        fill(&mut self.probabilities, if asked.probabilities { rows * categories } else { 0 }, f32::NAN);
        let details = if asked.details { rows } else { 0 };
        fill(&mut self.second, details, -1);
        fill(&mut self.margin, details, f32::NAN);
        fill(&mut self.entropy, details, f32::NAN);
        fill(&mut self.top_codes, rows * asked.top, -1);
        fill(&mut self.top_shares, rows * asked.top, f32::NAN);
    }

    /// The rows, each with its part of every result.
    fn rows(&mut self, categories: usize, asked: Asked) -> impl Iterator<Item = Row<'_>> {
        let mut second = self.second.iter_mut();
        let mut margin = self.margin.iter_mut();
        let mut entropy = self.entropy.iter_mut();
        let mut probabilities = self.probabilities.chunks_mut(categories.max(1));
        let mut top_codes = self.top_codes.chunks_mut(asked.top.max(1));
        let mut top_shares = self.top_shares.chunks_mut(asked.top.max(1));
        self.codes.iter_mut().zip(&mut self.confidence).map(move |(code, confidence)| Row {
            code,
            confidence,
            second: second.next(),
            margin: margin.next(),
            entropy: entropy.next(),
            probabilities: probabilities.next().unwrap_or_default(),
            top_codes: top_codes.next().unwrap_or_default(),
            top_shares: top_shares.next().unwrap_or_default(),
        })
    }
}

fn fill<T: Copy>(values: &mut Vec<T>, count: usize, value: T) {
    values.clear();
    values.resize(count, value);
}

impl Labels {
    /// Votes for every row of `block`.
    pub fn vote(&self, block: &CsrBlock, asked: Asked, votes: &mut LabelVotes) {
        votes.clear(block.rows(), self.categories, asked);
        if self.categories == 0 {
            return;
        }
        let mut rows: Vec<_> = votes.rows(self.categories, asked).collect();
        let sums = || Sums { codes: Vec::new(), by_code: vec![0.0; self.categories], found: Vec::new() };
        rows.par_iter_mut().enumerate().with_min_len(256).for_each_init(sums, |sums, (row, results)| {
            self.vote_row(block.row(row), sums, results);
        });
    }

    /// One row's vote.
    fn vote_row(&self, (columns, weights): (&[u64], &[f64]), sums: &mut Sums, results: &mut Row) {
        let Sums { codes, by_code, found } = sums;
        codes.clear();
        codes.extend(columns.iter().map(|&column| self.codes[column as usize]));
        found.clear();
        let (mut total, mut unlabelled) = (0.0, 0.0);
        for (&code, &weight) in codes.iter().zip(weights) {
            match code {
                MISSING => unlabelled += weight,
                OTHER => total += weight,
                code => {
                    let sum = &mut by_code[code as usize];
                    if *sum == 0.0 && weight > 0.0 {
                        found.push((code, 0.0));
                    }
                    *sum += weight;
                    total += weight;
                }
            }
        }
        for (code, sum) in found.iter_mut() {
            *sum = std::mem::take(&mut by_code[*code as usize]);
        }
        if self.missing_votes {
            total += unlabelled;
        }
        let larger = |a: &(i32, f64), b: &(i32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let Some(&(best, weight)) = found.iter().min_by(|a, b| larger(a, b)) else { return };
        if self.missing_votes && unlabelled > weight {
            return;
        }
        (*results.code, *results.confidence) = (best, (weight / total) as f32);
        if !results.probabilities.is_empty() {
            results.probabilities.fill(0.0);
            for &(code, sum) in found.iter() {
                results.probabilities[code as usize] = (sum / total) as f32;
            }
        }
        if results.second.is_none() && results.top_codes.is_empty() {
            return;
        }
        found.sort_unstable_by(larger);
        results.top_shares.fill(0.0);
        for (place, &(code, sum)) in found.iter().enumerate().take(results.top_codes.len()) {
            (results.top_codes[place], results.top_shares[place]) = (code, (sum / total) as f32);
        }
        let second = found.get(1).copied().unwrap_or((-1, 0.0));
        if let Some(result) = &mut results.second {
            **result = second.0;
        }
        if let Some(margin) = &mut results.margin {
            **margin = ((weight - second.1) / total) as f32;
        }
        if let Some(entropy) = &mut results.entropy {
            let nats = |&(_, sum): &(i32, f64)| -(sum / total) * libm::log(sum / total);
            **entropy = found.iter().map(nats).sum::<f64>().max(0.0) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(codes: &[i32], categories: usize) -> Labels {
        Labels { codes: codes.to_vec(), categories, missing_votes: false }
    }

    fn vote_with(labels: &Labels, asked: Asked, rows: &[&[(u64, f64)]]) -> LabelVotes {
        let mut block = CsrBlock { starts: vec![0], ..CsrBlock::default() };
        for row in rows {
            block.columns.extend(row.iter().map(|(column, _)| column));
            block.weights.extend(row.iter().map(|(_, weight)| weight));
            block.starts.push(block.columns.len());
        }
        let mut votes = LabelVotes::default();
        labels.vote(&block, asked, &mut votes);
        votes
    }

    fn vote(codes: &[i32], categories: usize, rows: &[&[(u64, f64)]]) -> LabelVotes {
        vote_with(&labels(codes, categories), Asked { probabilities: true, ..Asked::default() }, rows)
    }

    #[test]
    fn the_second_label_margin_entropy_and_the_largest_shares_are_told() {
        let asked = Asked { details: true, top: 3, probabilities: false };
        let rows: [&[(u64, f64)]; 3] = [&[(0, 0.5), (1, 0.25), (2, 0.25)], &[(3, 1.0)], &[]];
        let votes = vote_with(&labels(&[1, 0, 2, 1], 4), asked, &rows);
        assert_eq!((votes.codes, votes.second), (vec![1, 1, -1], vec![0, -1, -1]));
        assert_eq!(votes.margin[..2], [0.25, 1.0]);
        assert!((f64::from(votes.entropy[0]) - 1.5 * 2f64.ln()).abs() < 1e-7);
        assert_eq!(votes.entropy[1], 0.0);
        assert!(votes.margin[2].is_nan() && votes.entropy[2].is_nan() && votes.probabilities.is_empty());
        assert_eq!(votes.top_codes, [1, 0, 2, 1, -1, -1, -1, -1, -1]);
        assert_eq!(votes.top_shares[..6], [0.5, 0.25, 0.25, 1.0, 0.0, 0.0]);
        assert!(votes.top_shares[6..].iter().all(|share| share.is_nan()));
    }

    #[test]
    fn what_cannot_be_predicted_keeps_its_weight() {
        let votes = vote(&[OTHER, 1, OTHER], 2, &[&[(0, 0.75), (1, 0.25)], &[(0, 0.5), (2, 0.5)]]);
        assert_eq!((votes.codes, votes.confidence), (vec![1, -1], vec![0.25, 0.0]));
        assert_eq!(votes.probabilities[..2], [0.0, 0.25]);
    }

    #[test]
    fn cells_without_a_label_vote_for_none_if_they_may() {
        let labels = Labels { missing_votes: true, ..labels(&[MISSING, 1, 0], 2) };
        let rows: [&[(u64, f64)]; 3] = [&[(0, 0.6), (1, 0.4)], &[(0, 0.5), (1, 0.5)], &[(0, 0.2), (1, 0.3), (2, 0.5)]];
        let votes = vote_with(&labels, Asked::default(), &rows);
        assert_eq!((votes.codes, votes.confidence), (vec![-1, 1, 0], vec![0.0, 0.5, 0.5]));
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
