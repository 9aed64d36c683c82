//! The kernel w = 1 / (d + 1e-8) (CellMapper 0.2.6). A cell at distance 0 takes nearly everything.

/// What keeps a distance of 0 finite, in units of distance.
const EPSILON: f64 = 1e-8;

/// The weight.
pub(super) fn weight(distance: f32) -> f64 {
    1.0 / (f64::from(distance) + EPSILON)
}

#[cfg(test)]
mod tests {
    use crate::kernel::Kernel;
    use crate::kernel::tests::{near, weights};

    #[test]
    fn weights_are_the_formula_normalised() {
        near(&weights(&Kernel::InverseDistance, false, &[0.5, 2.0]).weights, &[1.0 / (0.5 + 1e-8), 1.0 / (2.0 + 1e-8)]);
        let own = weights(&Kernel::InverseDistance, true, &[0.5]);
        near(&own.weights, &[1e8, 1.0 / (0.5 + 1e-8)]);
    }
}
