//! The gaussian kernel with a bandwidth of each cell (Haghverdi et al. 2016, as scanpy has it): √(2σᵢσⱼ/(σᵢ²+σⱼ²)) · exp(−d²/(σᵢ²+σⱼ²)).
//!
//! σ of a cell is the root of the median of its squared distances.

/// σ of a cell with neighbours at these ascending distances: 0 without any.
pub fn adaptive_sigma(distances: &[f32]) -> f32 {
    let square = |place: usize| f64::from(distances[place]) * f64::from(distances[place]);
    match distances.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => distances[odd / 2],
        even => f64::midpoint(square(even / 2 - 1), square(even / 2)).sqrt() as f32,
    }
}

/// Factor and exponent of an edge between cells of these bandwidths. Between cells that both have 0 there is no distance to weigh.
pub(super) fn weight(distance: f32, own: f32, other: f32) -> (f64, f64) {
    let (own, other) = (f64::from(own), f64::from(other));
    let both = own * own + other * other;
    if both == 0.0 {
        return (1.0, 0.0);
    }
    ((2.0 * own * other / both).sqrt(), f64::from(distance) * f64::from(distance) / both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bandwidth_is_the_root_of_the_median_square() {
        assert_eq!(adaptive_sigma(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(adaptive_sigma(&[1.0, 2.0, 4.0, 9.0]), 10f32.sqrt());
        assert_eq!(adaptive_sigma(&[]), 0.0);
    }

    #[test]
    fn both_ends_see_one_weight() {
        let (factor, exponent) = weight(3.0, 1.0, 2.0);
        assert_eq!((factor, exponent), (0.8f64.sqrt(), 9.0 / 5.0));
        assert_eq!(weight(3.0, 2.0, 1.0), (factor, exponent));
        assert_eq!(weight(0.0, 0.0, 0.0), (1.0, 0.0));
    }
}
