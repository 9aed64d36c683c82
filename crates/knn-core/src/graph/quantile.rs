//! The quantile of one neighbour's distances over a whole graph, without holding them: two passes that count distances by the two halves of
//! their bits.

use super::store::GraphStore;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Values of half of the bits of an f32.
const HALVES: usize = 1 << 16;

/// The smallest distance that at least the share `quantile` of all rows do not exceed: of their neighbour at `slot`, counted from 0, or of their
/// last one where they have fewer. None if no row has a neighbour. Distances are not negative, so that they stand in the order of their bits.
pub fn distance_quantile(
    graph: &mut GraphStore,
    slot: usize,
    quantile: f64,
    progress: &Progress,
) -> Result<Option<f64>> {
    let mut upper = vec![0u64; HALVES];
    each(graph, slot, progress, |bits| upper[(bits >> 16) as usize] += 1)?;
    let rows: u64 = upper.iter().sum();
    if rows == 0 {
        return Ok(None);
    }
    let rank = ((quantile * rows as f64).ceil() as u64).clamp(1, rows);
    let (high, before) = bucket(&upper, rank);
    let mut lower = vec![0u64; HALVES];
    each(graph, slot, progress, |bits| {
        if (bits >> 16) as usize == high {
            lower[(bits & 0xffff) as usize] += 1;
        }
    })?;
    let (low, _) = bucket(&lower, rank - before);
    Ok(Some(f64::from(f32::from_bits(((high as u32) << 16) | low as u32))))
}

/// The bucket that holds the value of this rank, counted from 1, and how many values lie before it.
fn bucket(counts: &[u64], rank: u64) -> (usize, u64) {
    let mut before = 0;
    for (bucket, count) in counts.iter().enumerate() {
        if before + count >= rank {
            return (bucket, before);
        }
        before += count;
    }
    (counts.len() - 1, before)
}

/// The bits of every row's distance.
fn each(graph: &mut GraphStore, slot: usize, progress: &Progress, mut visit: impl FnMut(u32)) -> Result<()> {
    let (rows, step) = (graph.description().rows, graph.description().block_rows.min(1 << 16));
    let mut next = 0;
    while next < rows {
        progress.check()?;
        let block = graph.read(next, Some(step as i64))?;
        for distances in block.distances.chunks(block.k) {
            let valid = distances.iter().position(|distance| distance.is_nan()).unwrap_or(block.k);
            if let Some(last) = valid.checked_sub(1) {
                let distance = distances[slot.min(last)];
                if distance < 0.0 {
                    let path = &graph.description().path;
                    return Err(Error::param("rejectGraph", path, "holds inner products, which are no distances"));
                }
                visit(distance.to_bits());
            }
        }
        next += block.distances.len() as u64 / block.k as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_of_a_rank_holds_it() {
        assert_eq!(bucket(&[2, 0, 3], 1), (0, 0));
        assert_eq!(bucket(&[2, 0, 3], 2), (0, 0));
        assert_eq!(bucket(&[2, 0, 3], 3), (2, 2));
        assert_eq!(bucket(&[2, 0, 3], 5), (2, 2));
    }
}
