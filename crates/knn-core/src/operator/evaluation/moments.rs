//! Sums over pairs of values of one gene, from which Pearson's correlation and the root mean square error of z-scores follow.
//!
//! Values are counted from the first one, so that a gene that does not vary has sums of exactly 0 and one far from 0 loses no digits.

/// Sums over pairs of an original and an imputed value.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PairMoments {
    cells: u64,
    first: [f32; 2],
    sums: [f64; 2],
    squares: [f64; 2],
    product: f64,
}

impl PairMoments {
    /// Adds a pair of finite values.
    pub fn add(&mut self, original: f32, imputed: f32) {
        if self.cells == 0 {
            self.first = [original, imputed];
        }
        self.cells += 1;
        let left = f64::from(original) - f64::from(self.first[0]);
        let right = f64::from(imputed) - f64::from(self.first[1]);
        self.sums[0] += left;
        self.sums[1] += right;
        self.squares[0] += left * left;
        self.squares[1] += right * right;
        self.product += left * right;
    }

    /// Pairs.
    pub fn cells(&self) -> u64 {
        self.cells
    }

    /// n² times both variances and the covariance. Variances are not negative.
    fn spread(&self) -> ([f64; 2], f64) {
        let n = self.cells as f64;
        let of = |side: usize| (n * self.squares[side] - self.sums[side] * self.sums[side]).max(0.0);
        ([of(0), of(1)], n * self.product - self.sums[0] * self.sums[1])
    }

    /// Pearson's r, as `scipy.stats.pearsonr`; none for fewer than two pairs or where a side does not vary.
    pub fn pearson(&self) -> Option<f64> {
        let ([left, right], both) = self.spread();
        (self.cells > 1 && left > 0.0 && right > 0.0).then(|| (both / (left.sqrt() * right.sqrt())).clamp(-1.0, 1.0))
    }

    /// √(mean (z − z′)²) of the z-scores of both sides, with the population's deviation and 1 in its place where that is 0: √(2 − 2r), or 1
    /// where one side alone does not vary. None without a pair.
    pub fn rmse(&self) -> Option<f64> {
        let ([left, right], _) = self.spread();
        let varying = usize::from(left > 0.0) + usize::from(right > 0.0);
        (self.cells > 0).then(|| match self.pearson() {
            Some(r) => (2.0 - 2.0 * r).max(0.0).sqrt(),
            None => (varying as f64).sqrt(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(f32, f32)]) -> PairMoments {
        let mut moments = PairMoments::default();
        for &(left, right) in pairs {
            moments.add(left, right);
        }
        moments
    }

    #[test]
    fn correlations_are_those_of_the_definition_also_far_from_zero() {
        // scipy.stats.pearsonr([1, 2, 4, 7], [0.5, 1, 3, 2.5]).
        let pairs = [(1.0, 0.5), (2.0, 1.0), (4.0, 3.0), (7.0, 2.5)];
        let r = of(&pairs).pearson().unwrap();
        assert!((r - 0.793_884_186_037_444_7).abs() < 1e-12, "{r}");
        let far = pairs.map(|(left, right)| (left + 65_536.0, right - 8192.0));
        assert!((of(&far).pearson().unwrap() - r).abs() < 1e-9);
        assert!((of(&pairs).rmse().unwrap() - (2.0 - 2.0 * r).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_side_that_does_not_vary_has_no_correlation() {
        let constant = of(&[(0.1, 0.3), (0.2, 0.3), (0.4, 0.3)]);
        assert_eq!((constant.pearson(), constant.rmse()), (None, Some(1.0)));
        let both = of(&[(0.1, 0.3), (0.1, 0.3)]);
        assert_eq!((both.pearson(), both.rmse()), (None, Some(0.0)));
        assert_eq!((PairMoments::default().rmse(), of(&[(1.0, 2.0)]).pearson()), (None, None));
    }
}
