//! The k best of what is known and what was found: ascending by (f32 distance, id).

use crate::distance::distance_of;

/// Scratch of a ranking.
#[derive(Debug, Default)]
pub(super) struct Ranking {
    keys: Vec<u64>,
    /// The bits of a distance, which is not negative, are in the order of the distances.
    nearest: Vec<(u32, i64)>,
}

impl Ranking {
    /// Bytes of a ranking of `found` rows among `k` known ones.
    pub(super) fn bytes(found: usize, k: usize) -> usize {
        (found + k) * (8 + 16)
    }

    /// Puts what was found (id and squared distance) among the k nearest of one query; `own` is left out.
    pub(super) fn merge(
        &mut self,
        ids: &mut [i64],
        distances: &mut [f32],
        own: i64,
        found: impl Iterator<Item = (i64, f64)>,
    ) {
        let Self { keys, nearest } = self;
        nearest.clear();
        let known = ids.iter().zip(&*distances).take_while(|(id, _)| **id >= 0);
        nearest.extend(known.map(|(&id, distance)| (distance.to_bits(), id)));
        nearest.extend(found.filter(|(id, _)| *id != own).map(|(id, squared)| (distance_of(squared).to_bits(), id)));
        // Numbers are sorted much faster than pairs; the second half of a key says where its pair is.
        keys.clear();
        keys.extend(nearest.iter().zip(0u64..).map(|((bits, _), at)| u64::from(*bits) << 32 | at));
        keys.sort_unstable();
        let pair = |key: u64| nearest[key as u32 as usize];
        for ties in keys.chunk_by_mut(|a, b| *a >> 32 == *b >> 32).filter(|ties| ties.len() > 1) {
            ties.sort_unstable_by_key(|key| pair(*key).1);
        }
        for ((id, distance), &key) in ids.iter_mut().zip(distances).zip(keys.iter()) {
            let (bits, found) = pair(key);
            (*id, *distance) = (found, f32::from_bits(bits));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lower_id_and_the_own_row_is_left_out() {
        let (mut ids, mut distances) = ([5, -1, -1], [2.0, f32::NAN, f32::NAN]);
        let found = [(9, 4.0), (3, 4.0), (7, 0.0), (1, 9.0)];
        Ranking::default().merge(&mut ids, &mut distances, 7, found.into_iter());
        assert_eq!((ids, distances), ([3, 5, 9], [2.0, 2.0, 2.0]));
    }
}
