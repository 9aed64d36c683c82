//! The k best of what is known and what was found: ascending by (f32 distance, id). Inner products are distances below zero.

use crate::distance::Metric;

/// Scratch of a ranking.
#[derive(Debug, Default)]
pub(super) struct Ranking {
    keys: Vec<u64>,
    nearest: Vec<(f32, i64)>,
}

impl Ranking {
    /// Bytes of a ranking of `found` rows among `k` known ones.
    pub(super) fn bytes(found: usize, k: usize) -> usize {
        (found + k) * (8 + 16)
    }

    /// Puts what was found (id and exact value) among the k nearest of one query; `own` is left out.
    pub(super) fn merge(
        &mut self,
        ids: &mut [i64],
        distances: &mut [f32],
        own: i64,
        metric: Metric,
        found: impl Iterator<Item = (i64, f64)>,
    ) {
        let Self { keys, nearest } = self;
        nearest.clear();
        let known = ids.iter().zip(&*distances).take_while(|(id, _)| **id >= 0);
        nearest.extend(known.map(|(&id, &distance)| (distance, id)));
        nearest.extend(found.filter(|(id, _)| *id != own).map(|(id, exact)| (metric.reported(exact), id)));
        // Numbers are sorted much faster than pairs; the second half of a key says where its pair is.
        keys.clear();
        keys.extend(nearest.iter().zip(0u64..).map(|((distance, _), at)| u64::from(ordered(*distance)) << 32 | at));
        keys.sort_unstable();
        let pair = |key: u64| nearest[key as u32 as usize];
        for ties in keys.chunk_by_mut(|a, b| *a >> 32 == *b >> 32).filter(|ties| ties.len() > 1) {
            ties.sort_unstable_by_key(|key| pair(*key).1);
        }
        for ((id, distance), &key) in ids.iter_mut().zip(distances).zip(keys.iter()) {
            (*distance, *id) = pair(key);
        }
    }
}

/// Numbers in the order of the distances, of which none is NaN or negative zero.
fn ordered(distance: f32) -> u32 {
    let bits = distance.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lower_id_and_the_own_row_is_left_out() {
        let (mut ids, mut distances) = ([5, -1, -1], [2.0, f32::NAN, f32::NAN]);
        let found = [(9, 4.0), (3, 4.0), (7, 0.0), (1, 9.0)];
        Ranking::default().merge(&mut ids, &mut distances, 7, Metric::Euclidean, found.into_iter());
        assert_eq!((ids, distances), ([3, 5, 9], [2.0, 2.0, 2.0]));
    }

    #[test]
    fn products_below_zero_come_first() {
        let (mut ids, mut distances) = ([5, 6, -1, -1, -1], [-2.0, 3.0, 0.0, 0.0, 0.0]);
        let found = [(1, -0.0), (2, -2.0), (3, f64::MIN), (4, 1e-60), (7, -5.0)];
        Ranking::default().merge(&mut ids, &mut distances, 7, Metric::InnerProduct, found.into_iter());
        assert_eq!((ids, distances), ([3, 2, 5, 1, 4], [f32::MIN, -2.0, -2.0, 0.0, 0.0]));
    }

    #[test]
    fn keys_are_in_the_order_of_the_distances() {
        let ascending = [f32::MIN, -1.0, -1e-45, 0.0, 1e-45, 1.0, f32::MAX];
        assert!(ascending.is_sorted_by_key(|distance| ordered(*distance)));
    }
}
