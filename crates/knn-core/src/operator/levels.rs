//! Weighted vote over labels of several levels, from coarse to fine: the deepest whose rolled-up weight is large enough.
//!
//! Labels are nodes of a tree. A neighbour gives its weight to its own label and to all above it, so a label has the weight of everything
//! below it.

use rayon::prelude::*;

use super::categorical::MISSING;
use crate::kernel::CsrBlock;

/// A label without one above it.
pub const ROOT: i32 = -1;

/// Labels of several levels, and the deepest of every reference row.
#[derive(Debug, Clone)]
pub struct LabelTree {
    /// The label above each; [`ROOT`] where there is none. No label is above itself.
    pub parents: Vec<i32>,
    /// How many labels are above each.
    pub depths: Vec<u16>,
    /// The deepest label of every reference row, or [`MISSING`].
    pub nodes: Vec<i32>,
    /// Least share of a label that is told.
    pub threshold: f64,
    /// Whether rows without a label count in the whole weight. Otherwise they are dropped, and the rest renormalised.
    pub missing_votes: bool,
}

/// Results of a vote for a block of rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LevelVotes {
    /// The deepest label with a share of at least the threshold, of those the largest, ties to the first; −1 where there is none.
    pub nodes: Vec<i32>,
    /// Its share; 0 where there is none.
    pub shares: Vec<f32>,
}

impl LabelTree {
    /// Votes for every row of `block`.
    pub fn vote(&self, block: &CsrBlock, votes: &mut LevelVotes) {
        votes.nodes.resize(block.rows(), MISSING);
        votes.shares.resize(block.rows(), 0.0);
        let rows = votes.nodes.par_iter_mut().zip(&mut votes.shares).enumerate().with_min_len(256);
        let sums = || (vec![0f64; self.parents.len()], Vec::new());
        rows.for_each_init(sums, |(by_node, found), (row, (node, share))| {
            (*node, *share) = self.vote_row(block.row(row), by_node, found);
        });
    }

    /// One row's vote, given a zero for every label, which they are again afterwards.
    fn vote_row(
        &self,
        (columns, weights): (&[u64], &[f64]),
        by_node: &mut [f64],
        found: &mut Vec<usize>,
    ) -> (i32, f32) {
        let mut total = 0.0;
        for (&column, &weight) in columns.iter().zip(weights) {
            let mut node = self.nodes[column as usize];
            if weight <= 0.0 || (node == MISSING && !self.missing_votes) {
                continue;
            }
            total += weight;
            while let Ok(place) = usize::try_from(node) {
                if by_node[place] == 0.0 {
                    found.push(place);
                }
                by_node[place] += weight;
                node = self.parents[place];
            }
        }
        let mut best: Option<(usize, f64)> = None;
        for place in found.drain(..) {
            let share = std::mem::take(&mut by_node[place]) / total;
            let is_better = |&(than, share_of): &(usize, f64)| {
                let depth = self.depths[place].cmp(&self.depths[than]);
                depth.then(share.total_cmp(&share_of)).then(than.cmp(&place)).is_gt()
            };
            if share >= self.threshold && best.as_ref().is_none_or(is_better) {
                best = Some((place, share));
            }
        }
        best.map_or((MISSING, 0.0), |(place, share)| (place as i32, share as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lymphoid (0) over T (1), over CD4 (2) and CD8 (3), and over B (4); myeloid (5) alone.
    fn tree(threshold: f64, missing_votes: bool) -> LabelTree {
        LabelTree {
            parents: vec![ROOT, 0, 1, 1, 0, ROOT],
            depths: vec![0, 1, 2, 2, 1, 0],
            nodes: vec![2, 3, 4, 5, MISSING, 1],
            threshold,
            missing_votes,
        }
    }

    fn voted(tree: &LabelTree, edges: &[(u64, f64)]) -> (i32, f32) {
        let (columns, weights) = edges.iter().copied().unzip();
        let block = CsrBlock { first_row: 0, starts: vec![0, edges.len()], columns, weights };
        let mut votes = LevelVotes::default();
        tree.vote(&block, &mut votes);
        (votes.nodes[0], votes.shares[0])
    }

    #[test]
    fn the_deepest_label_with_enough_weight_is_told() {
        let of = |edges: &[(u64, f64)]| voted(&tree(0.5, false), edges);
        assert_eq!(of(&[(0, 0.75), (1, 0.25)]), (2, 0.75));
        // No T cell of one kind has half of the weight, but T has.
        assert_eq!(of(&[(0, 0.375), (1, 0.375), (2, 0.25)]), (1, 0.75));
        assert_eq!(of(&[(0, 0.25), (1, 0.125), (2, 0.25), (3, 0.375)]), (0, 0.625));
        assert_eq!(of(&[(0, 0.25), (3, 0.375), (2, 0.0), (4, 0.375)]), (5, 0.6));
        // Of two with the same depth and weight it is the first.
        assert_eq!(of(&[(1, 0.5), (0, 0.5)]), (2, 0.5));
        assert_eq!(voted(&tree(0.7, false), &[(0, 0.5), (3, 0.5)]), (MISSING, 0.0));
        assert_eq!(of(&[]), (MISSING, 0.0));
        assert_eq!(of(&[(4, 1.0)]), (MISSING, 0.0));
    }

    #[test]
    fn cells_without_a_label_count_where_they_vote() {
        let edges = [(0, 0.4), (4, 0.6)];
        assert_eq!(voted(&tree(0.5, false), &edges), (2, 1.0));
        assert_eq!(voted(&tree(0.5, true), &edges), (MISSING, 0.0));
    }

    #[test]
    fn a_label_between_two_levels_counts_from_where_it_stands() {
        assert_eq!(voted(&tree(0.6, false), &[(5, 0.5), (0, 0.25), (2, 0.25)]), (1, 0.75));
    }
}
