//! UMAP's fuzzy simplicial set, CellMapper's default in self-mapping (umap-learn: `smooth_knn_dist`, `compute_membership_strengths`).
//!
//! An edge that leaves a cell has the strength exp(−(d − ρ)/σ), or 1 where d ≤ ρ: ρ is the distance of the nearest neighbour that is not a
//! duplicate (local connectivity 1), and σ makes the strengths of a cell's edges sum up to log₂ of their number. Both directions of an edge
//! are then united, a + b − ab. A self edge counts as a distance of 0 when σ is sought, and has no strength itself.

/// Steps of the search for σ, how near it must come, and the least σ as a share of the mean distance, as umap-learn has them.
const STEPS: usize = 64;
const TOLERANCE: f64 = 1e-5;
const LEAST_SHARE: f64 = 1e-3;

/// Appends the strengths of the edges to neighbours at these ascending distances; that of a self edge, 0, first.
pub(super) fn strengths(distances: &[f32], self_edge: bool, values: &mut Vec<f32>) {
    values.extend(self_edge.then_some(0.0));
    let Some(rho) = distances.iter().copied().find(|&distance| distance > 0.0) else {
        // At distance 0 all are as near as can be.
        values.extend(distances.iter().map(|_| 1.0));
        return;
    };
    let sigma = sigma(distances, self_edge, rho);
    values.extend(distances.iter().map(|&distance| {
        let beyond = distance - rho;
        if beyond <= 0.0 || sigma == 0.0 { 1.0 } else { libm::exp(f64::from(-(beyond / sigma))) as f32 }
    }));
}

/// σ by bisection. As in umap-learn, the first of the edges takes no part in the sum: that is the self edge where there is one.
fn sigma(distances: &[f32], self_edge: bool, rho: f32) -> f32 {
    let edges = distances.len() + usize::from(self_edge);
    let target = libm::log2(edges as f64);
    let summed = &distances[usize::from(!self_edge)..];
    let (mut low, mut high, mut sigma) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..STEPS {
        let strength = |&distance: &f32| {
            let beyond = f64::from(distance - rho);
            if beyond > 0.0 { libm::exp(-(beyond / sigma)) } else { 1.0 }
        };
        let sum: f64 = summed.iter().map(strength).sum();
        if (sum - target).abs() < TOLERANCE {
            break;
        }
        if sum > target {
            high = sigma;
            sigma = f64::midpoint(low, high);
        } else {
            low = sigma;
            sigma = if high.is_finite() { f64::midpoint(low, high) } else { sigma * 2.0 };
        }
    }
    let mean = distances.iter().map(|&distance| f64::from(distance)).sum::<f64>() / edges as f64;
    sigma.max(LEAST_SHARE * mean) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(distances: &[f32], self_edge: bool) -> Vec<f32> {
        let mut values = Vec::new();
        strengths(distances, self_edge, &mut values);
        values
    }

    #[test]
    fn the_nearest_has_strength_one_and_all_sum_up_to_the_logarithm() {
        let found = of(&[0.5, 0.7, 1.0, 1.1, 2.0, 2.5, 4.0], true);
        assert_eq!((found[0], found[1]), (0.0, 1.0));
        let sum: f64 = found.iter().map(|&strength| f64::from(strength)).sum();
        assert!((sum - 3.0).abs() < 1e-4, "{sum}");
        assert!(found[1..].windows(2).all(|pair| pair[0] >= pair[1]));
    }

    #[test]
    fn strengths_are_those_of_umap_learn() {
        // umap-learn 0.5.12: smooth_knn_dist and compute_membership_strengths of these distances, with and without the cell itself.
        let own = of(&[0.3, 0.5, 0.9, 1.7], true);
        let expected = [1.0, 0.754_180_13, 0.428_968_4, 0.138_779_6];
        assert!(own[1..].iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 2e-6), "{own:?}");
        let others = of(&[0.3, 0.5, 0.9, 1.7], false);
        assert!(
            others
                .iter()
                .zip([1.0, 0.884_497_34, 0.691_973_7, 0.423_521_7])
                .all(|(found, expected)| (found - expected).abs() < 2e-6),
            "{others:?}"
        );
    }

    #[test]
    fn duplicates_are_as_near_as_can_be() {
        assert_eq!(of(&[0.0, 0.0], true), [0.0, 1.0, 1.0]);
        let mixed = of(&[0.0, 0.0, 1.0, 3.0], true);
        assert_eq!(mixed[..4], [0.0, 1.0, 1.0, 1.0]);
        assert_eq!(of(&[], true), [0.0]);
    }
}
