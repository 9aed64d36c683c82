//! What lies between two rows, and how it is told.
//!
//! Every metric has an *exact value*, an f64 that decides: ‖q − x‖² by [`exact_squared`](super::exact_squared), and −⟨q, x⟩ by
//! [`exact_product`](super::exact_product) for inner products. It is reported as an f32, and neighbours are ascending by (that
//! f32, id): values that round to the same f32 are ties.
//!
//! | metric | rows | reported |
//! |---|---|---|
//! | euclidean | as they are | √‖q − x‖² |
//! | squared euclidean | as they are | ‖q − x‖² |
//! | cosine | x / ‖x‖, rounded to f32 | ‖q − x‖² / 2, which is 1 − cos, at most 2 |
//! | inner product | as they are | −⟨q, x⟩ |
//!
//! Each of two rows of length 1 is moved by at most 2⁻²⁴ when it is rounded, so a cosine distance D is off by at most 2⁻²³·√(2D) + 2⁻⁴⁷,
//! and no more than that is lost where vectors are almost parallel. Rows that are equal bit for bit are at distance 0.
//!
//! What f32 cannot hold is reported as its largest number (or its smallest). Zero is never negative.

use serde::{Deserialize, Serialize};

use crate::types::MappingStatus;

/// How far two rows are apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// ‖q − x‖.
    #[default]
    Euclidean,
    /// ‖q − x‖².
    #[serde(rename = "sqeuclidean")]
    SquaredEuclidean,
    /// 1 − ⟨q, x⟩ / (‖q‖ ‖x‖).
    Cosine,
    /// −⟨q, x⟩: not a distance, but smaller is nearer all the same.
    InnerProduct,
}

/// Nothing is farther by cosine.
const OPPOSITE: f32 = 2.0;

impl Metric {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Euclidean, Self::SquaredEuclidean, Self::Cosine, Self::InnerProduct];

    /// The name in requests and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Euclidean => "euclidean",
            Self::SquaredEuclidean => "sqeuclidean",
            Self::Cosine => "cosine",
            Self::InnerProduct => "inner_product",
        }
    }

    /// The metric of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Whether rows are compared by their products, which no triangle inequality holds for.
    #[inline(always)]
    pub fn is_product(self) -> bool {
        self == Self::InnerProduct
    }

    /// What is done to every row when it is read.
    pub fn prepare(self) -> Option<fn(&mut [f32])> {
        (self == Self::Cosine).then_some(normalise)
    }

    /// Why a row that was prepared is compared with none; nothing if it is a row like others.
    pub fn flaw(self, prepared: &[f32]) -> Option<MappingStatus> {
        if prepared.iter().all(|value| value.is_finite()) {
            return None;
        }
        let has_no_direction = self == Self::Cosine && prepared.iter().all(|value| value.is_nan());
        Some(if has_no_direction { MappingStatus::ZeroVector } else { MappingStatus::InvalidInput })
    }

    /// What the rows have that are compared with none.
    pub fn flaws(self) -> &'static str {
        if self == Self::Cosine {
            "NaN or infinite coordinates or no direction, being zero throughout,"
        } else {
            "NaN or infinite coordinates"
        }
    }

    /// What is reported of an exact value.
    #[inline(always)]
    pub fn reported(self, exact: f64) -> f32 {
        const MOST: f64 = f32::MAX as f64;
        match self {
            Self::Euclidean => exact.sqrt().min(MOST) as f32,
            Self::SquaredEuclidean => exact.min(MOST) as f32,
            Self::Cosine => (0.5 * exact).min(f64::from(OPPOSITE)) as f32,
            // Adding zero makes negative zero positive.
            Self::InnerProduct => exact.clamp(-MOST, MOST) as f32 + 0.0,
        }
    }

    /// No row of which this or less is reported lies beyond the bound: the euclidean distance of prepared rows, or the exact value of
    /// inner products. Infinite where what is reported ends.
    #[inline(always)]
    pub fn bound(self, reported: f32) -> f64 {
        // Whatever rounds to this f32 is below the next.
        let next = f64::from(reported.next_up());
        match self {
            Self::Euclidean | Self::InnerProduct => next,
            Self::SquaredEuclidean => next.sqrt(),
            Self::Cosine if reported >= OPPOSITE => f64::INFINITY,
            Self::Cosine => (2.0 * next).sqrt(),
        }
    }

    /// The bound that also holds for rows of which no more is reported than of one at this bound.
    #[inline(always)]
    pub fn with_ties(self, bound: f64) -> f64 {
        match self {
            // Not by way of the square, which f64 may not hold as exactly.
            Self::Euclidean => f64::from((bound as f32).next_up()),
            Self::SquaredEuclidean | Self::Cosine => self.bound(self.reported(bound * bound)),
            Self::InnerProduct => self.bound(self.reported(bound)),
        }
    }
}

/// Scales a row to length 1, each coordinate rounded once from f64. A zero vector has no direction and becomes NaN throughout; a row
/// that is not finite becomes infinite throughout, so that the two can be told apart.
fn normalise(row: &mut [f32]) {
    if !row.iter().all(|value| value.is_finite()) {
        row.fill(f32::INFINITY);
        return;
    }
    let norm = super::exact::exact_norm(row);
    for value in row {
        *value = (f64::from(*value) / norm) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::{exact_product, exact_squared};
    use proptest::prelude::*;

    /// Values of every size, and the two zeros.
    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => -10f32..10.0,
            1 => any::<f32>().prop_filter("finite", |value| value.is_finite()),
            1 => prop::sample::select(vec![0.0, -0.0, 1e-30, f32::MAX, f32::MIN, f32::MIN_POSITIVE]),
        ]
    }

    fn exact(metric: Metric, q: &[f32], x: &[f32]) -> f64 {
        if metric.is_product() { -exact_product(q, x) } else { exact_squared(q, x) }
    }

    proptest! {
        #[test]
        fn whatever_is_reported_as_near_lies_within_the_bound(
            pairs in prop::collection::vec((value(), value(), value()), 1..9),
        ) {
            for metric in Metric::ALL {
                let mut rows = [0, 1, 2].map(|_| Vec::new());
                for &(q, x, y) in &pairs {
                    rows.iter_mut().zip([q, x, y]).for_each(|(row, value)| row.push(value));
                }
                if let Some(prepare) = metric.prepare() {
                    for row in &mut rows {
                        prepare(row);
                    }
                }
                if rows.iter().any(|row| metric.flaw(row).is_some()) {
                    continue;
                }
                let [q, x, y] = &rows;
                let within = |x: &[f32]| if metric.is_product() { exact(metric, q, x) } else { exact(metric, q, x).sqrt() };
                let reported = |x: &[f32]| metric.reported(exact(metric, q, x));
                let a_little_more = |bound: f64| bound + bound.abs() * 1e-12;
                for (near, far) in [(x, y), (y, x)].into_iter().filter(|(near, far)| reported(near) <= reported(far)) {
                    let told = reported(near);
                    prop_assert!(told.is_finite() && (metric.is_product() || told >= 0.0), "{metric:?}: {told}");
                    prop_assert!(told != 0.0 || told.is_sign_positive(), "{metric:?}");
                    prop_assert!(within(near) <= a_little_more(metric.bound(reported(far))), "{metric:?}");
                    prop_assert!(within(near) <= a_little_more(metric.with_ties(a_little_more(within(far)))), "{metric:?}");
                }
            }
        }

        #[test]
        fn cosine_is_one_minus_the_cosine(pairs in prop::collection::vec((-5f32..5.0, -5f32..5.0), 2..60)) {
            let (mut q, mut x): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let (squares, other) = (exact_product(&q, &q), exact_product(&x, &x));
            prop_assume!(squares > 1e-6 && other > 1e-6);
            let cosine = exact_product(&q, &x) / (squares * other).sqrt();
            normalise(&mut q);
            normalise(&mut x);
            let found = f64::from(Metric::Cosine.reported(exact_squared(&q, &x)));
            let expected = 1.0 - cosine;
            // Besides the rounding to f32: each row is moved by 2⁻²⁴ of its length at most.
            let tolerance = (2.0 * expected.max(0.0)).sqrt() * 2f64.powi(-23) + 2f64.powi(-47);
            prop_assert!((found - expected).abs() <= tolerance + 6e-8 * expected + 1e-15, "{found} for {expected}");
        }
    }

    #[test]
    fn nothing_is_farther_by_cosine_than_what_is_opposite() {
        let mut beyond = 0;
        for number in 1..500u16 {
            let mut q: Vec<f32> = (0..5u16).map(|d| (f32::from(number * 7 + d * 13) * 0.37).sin()).collect();
            let mut x: Vec<f32> = q.iter().map(|value| -3.0 * value).collect();
            normalise(&mut q);
            normalise(&mut x);
            let exact = exact_squared(&q, &x);
            beyond += u32::from((exact * 0.5) as f32 > OPPOSITE);
            let told = Metric::Cosine.reported(exact);
            assert!((OPPOSITE - 1e-6..=OPPOSITE).contains(&told), "{told}");
            assert!(exact.sqrt() <= Metric::Cosine.bound(told));
        }
        // Rounding makes some rows longer than 1.
        assert!(beyond > 0);
    }

    #[test]
    fn rows_without_a_direction_are_told_from_rows_that_are_not_finite() {
        let status = |metric: Metric, row: &[f32]| {
            let mut row = row.to_vec();
            metric.prepare().into_iter().for_each(|prepare| prepare(&mut row));
            metric.flaw(&row)
        };
        assert_eq!(status(Metric::Cosine, &[0.0, -0.0]), Some(MappingStatus::ZeroVector));
        for row in [[f32::NAN; 2], [f32::NAN, 0.0], [0.0, f32::INFINITY]] {
            for metric in Metric::ALL {
                assert_eq!(status(metric, &row), Some(MappingStatus::InvalidInput), "{metric:?}, {row:?}");
            }
        }
        for metric in [Metric::Euclidean, Metric::SquaredEuclidean, Metric::InnerProduct] {
            assert_eq!(status(metric, &[0.0, 0.0]), None);
        }
        for row in [[f32::MAX, f32::MAX], [1e-45, 0.0], [3.0, -4.0]] {
            assert_eq!(status(Metric::Cosine, &row), None, "{row:?}");
        }
        let mut row = [3.0, -4.0];
        normalise(&mut row);
        assert_eq!(row, [0.6, -0.8]);
    }

    #[test]
    fn names_are_those_of_files_and_requests() {
        for metric in Metric::ALL {
            assert_eq!(Metric::from_name(metric.name()), Some(metric));
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
        }
        assert_eq!(Metric::from_name("manhattan"), None);
    }
}
