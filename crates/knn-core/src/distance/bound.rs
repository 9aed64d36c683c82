//! How far the tile's f32 value may lie from the exact squared distance.
//!
//! With u = 2⁻²⁴, q' and x' the centred rows as stored in f32, and a the tile's value for ‖x'‖² − 2·q'·x':
//!
//! * the dot product of d terms plus the starting ‖x'‖², in any order, fused or not: γ(d+2)·(‖x'‖² + 2‖q'‖‖x'‖)
//!   (Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., §3.1);
//! * ‖x'‖² itself is rounded once to f32: u·‖x'‖²;
//! * centring rounds each coordinate once, which moves the squared distance by at most 2u·(‖q'‖+‖x'‖)²(1+2u);
//! * ranks are by the distance rounded to f32, so a squared distance counts as equal within 2u·(‖q'‖+‖x'‖)²;
//! * sums of a threshold and a margin are rounded too: another few u.
//!
//! All are below (d + 24)·u·(‖q'‖ + ‖x'‖)². Values that underflow are covered by an absolute term; where a sum could overflow
//! f32, the bound is infinite and every pair is decided exactly.

/// Unit roundoff of f32.
const UNIT: f64 = 1.0 / (1u64 << 24) as f64;

/// An upper bound of |a + ‖q'‖² − D| for a query of norm `query` against references of norm at most `reference`.
pub fn error_bound(dim: usize, query: f64, reference: f64) -> f64 {
    let terms = dim as f64 + 24.0;
    let largest = (query + reference).powi(2);
    if largest >= f64::from(f32::MAX) / 4.0 {
        return f64::INFINITY;
    }
    terms * (UNIT * largest + f64::from(f32::MIN_POSITIVE))
}

/// The smallest f32 that is not below `value`.
pub fn round_up(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) < value { near.next_up() } else { near }
}

/// The threshold for tile values, given that the k-th neighbour so far is at f32 distance `kth`: whatever is above it
/// cannot be as near, not even as a tie.
pub fn threshold(kth: f32, query_norm_squared: f64, error: f64) -> f32 {
    let reach = f64::from(kth.next_up()).powi(2);
    round_up((reach - query_norm_squared + error) * (1.0 + 4.0 * f64::EPSILON) + f64::from(f32::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_up_never_goes_down() {
        for value in [0.1f64, -0.1, 1.0, 16_777_217.0, -16_777_217.0, 1e-50, 1e300] {
            assert!(f64::from(round_up(value)) >= value, "{value}");
        }
    }
}
