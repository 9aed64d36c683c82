//! What holds for every kernel.

use std::sync::Arc;

use proptest::prelude::*;

use super::{CsrBlock, Entering, Kernel, Symmetrize, Weights};
use crate::graph::ReverseBlock;
use crate::types::NeighborBlock;

/// Every kernel of distances.
fn kernels() -> Vec<Kernel> {
    vec![
        Kernel::Gauss { sigma: 0.8 },
        Kernel::Scarches { sigma: 0.8 },
        Kernel::ScarchesLocal,
        Kernel::InverseDistance,
        Kernel::Equal,
        Kernel::Random { seed: 3 },
        Kernel::Umap,
        Kernel::AdaptiveGauss { sigmas: Arc::new((0..60).map(|row| 0.5 + row as f32).collect()) },
    ]
}

/// Row 5 with neighbours 100, 101, … at these distances; NaN is padding.
pub(super) fn neighbors(distances: &[f32], k: usize) -> NeighborBlock {
    let ids = distances.iter().enumerate().map(|(i, d)| if d.is_nan() { -1 } else { 100 + i as i64 }).collect();
    NeighborBlock { first_row: 5, k, ids, distances: distances.to_vec() }
}

/// Normalised weights of that row.
pub(super) fn weights(kernel: &Kernel, self_edges: bool, distances: &[f32]) -> CsrBlock {
    let mut weights = Weights::default();
    kernel.weigh(&neighbors(distances, distances.len()), None, self_edges, |_| true, &mut weights);
    weights.normalize();
    weights.block
}

/// Weights are these, but for a factor.
pub(super) fn near(weights: &[f64], raw: &[f64]) {
    let total: f64 = raw.iter().sum();
    assert_eq!(weights.len(), raw.len());
    for (weight, raw) in weights.iter().zip(raw) {
        assert!((weight - raw / total).abs() < 1e-7 * weight.max(1e-9), "{weights:?} for {raw:?}");
    }
}

#[test]
fn equal_weights_are_equal() {
    assert_eq!(weights(&Kernel::Equal, true, &[0.5, 9.0, 1e6]).weights, [0.25; 4]);
}

proptest! {
    #[test]
    fn rows_sum_to_one_wherever_they_are_cut(
        rows in prop::collection::vec(prop::collection::vec(0f32..50.0, 0..6), 1..12), self_edges: bool, piece in 1usize..5,
    ) {
        const K: usize = 6;
        let mut whole = NeighborBlock::empty(rows.len(), K);
        for (row, distances) in rows.iter().enumerate() {
            let mut sorted = distances.clone();
            sorted.sort_by(f32::total_cmp);
            for (slot, distance) in sorted.into_iter().enumerate() {
                whole.ids[row * K + slot] = 40 + slot as i64;
                whole.distances[row * K + slot] = distance;
            }
        }
        for kernel in kernels() {
            let mut weights = Weights::default();
            kernel.weigh(&whole, None, self_edges, |row| row % 3 != 1, &mut weights);
            weights.normalize();
            let block = weights.block.clone();
            let mut pieces = CsrBlock { starts: vec![0], ..CsrBlock::default() };
            for (row, of_row) in rows.iter().enumerate() {
                let (columns, weights) = block.row(row);
                let own = usize::from(self_edges && row % 3 != 1);
                // The simplicial set leaves a cell alone that has no other.
                let alone = of_row.is_empty() && kernel == Kernel::Umap;
                prop_assert_eq!(columns.len(), if alone { 0 } else { of_row.len() + own });
                prop_assert!(columns.is_empty() || (weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                prop_assert!(weights.iter().all(|&weight| weight >= 0.0));
            }
            for first in (0..rows.len()).step_by(piece) {
                let last = rows.len().min(first + piece);
                let some = NeighborBlock {
                    first_row: first as u64,
                    k: K,
                    ids: whole.ids[first * K..last * K].to_vec(),
                    distances: whole.distances[first * K..last * K].to_vec(),
                };
                kernel.weigh(&some, None, self_edges, |row| (first + row) % 3 != 1, &mut weights);
                weights.normalize();
                let offset = pieces.columns.len();
                pieces.columns.extend_from_slice(&weights.block.columns);
                pieces.weights.extend_from_slice(&weights.block.weights);
                pieces.starts.extend(weights.block.starts[1..].iter().map(|end| end + offset));
            }
            prop_assert_eq!(pieces, block);
        }
    }
}

/// A graph of rows within themselves, and its transpose, carried by a kernel.
fn transposed(kernel: &Kernel, neighbors: &NeighborBlock, self_edges: bool) -> ReverseBlock {
    let mut edges = vec![Vec::new(); neighbors.rows()];
    let mut values = Vec::new();
    for row in 0..neighbors.rows() {
        let (ids, distances) = neighbors.row(row);
        kernel.directed(row as u64, distances, self_edges, &mut values);
        let others = &values[usize::from(self_edges)..];
        ids.iter().zip(others).for_each(|(&id, &value)| edges[id as usize].push((row as u64, value)));
    }
    let mut block = ReverseBlock { starts: vec![0], ..ReverseBlock::default() };
    for of_row in edges {
        block.sources.extend(of_row.iter().map(|edge| edge.0));
        block.values.extend(of_row.iter().map(|edge| edge.1));
        block.starts.push(block.sources.len());
    }
    block
}

proptest! {
    #[test]
    fn symmetrised_weights_are_symmetric_and_their_rows_sum_to_one(
        points in prop::collection::vec(0f32..9.0, 2..14), k in 1usize..5, self_edges: bool,
    ) {
        let n = points.len();
        let mut neighbors = NeighborBlock::empty(n, k);
        for row in 0..n {
            let mut others: Vec<_> = (0..n).filter(|&o| o != row).map(|o| ((points[row] - points[o]).abs(), o)).collect();
            others.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            for (slot, (distance, other)) in others.into_iter().take(k).enumerate() {
                (neighbors.ids[row * k + slot], neighbors.distances[row * k + slot]) = (other as i64, distance);
            }
        }
        for kernel in kernels() {
            let edges = transposed(&kernel, &neighbors, self_edges);
            let ways = if kernel == Kernel::Umap { vec![Symmetrize::Union] } else { vec![Symmetrize::Max, Symmetrize::Mean] };
            for symmetrize in ways {
                let mut weights = Weights::default();
                let entering = Some(Entering { edges: &edges, symmetrize });
                kernel.weigh(&neighbors, entering, self_edges, |_| true, &mut weights);
                let raw = |row: usize, column: usize| weights.raw(row).find(|(c, _)| *c == column as u64).map(|(_, w)| w);
                for row in 0..n {
                    let columns: Vec<_> = weights.raw(row).map(|(column, _)| column).collect();
                    prop_assert!(columns.windows(2).all(|pair| pair[0] < pair[1]));
                    for column in 0..n {
                        let (here, there) = (raw(row, column), raw(column, row));
                        prop_assert_eq!(here.is_some(), there.is_some());
                        let (here, there) = (here.unwrap_or(0.0), there.unwrap_or(0.0));
                        prop_assert!((here - there).abs() <= 1e-12 * here.abs(), "{:?} {} {}", kernel, here, there);
                    }
                }
                weights.normalize();
                for row in 0..n {
                    let (_, of_row) = weights.block.row(row);
                    prop_assert!((of_row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                }
            }
        }
    }
}
