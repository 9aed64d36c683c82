//! What rows are centred by before a device has them, which makes values small and what they are off by.

/// Rows of which the middle of a block is taken, at most.
const SAMPLED_ROWS: usize = 64;

/// The median of each coordinate over some of the rows, all of whose coordinates are finite; zero where there are none. A few rows far out do not move
/// it. Any centre gives the same neighbours; near the rows it makes values and what they are off by small.
pub(super) fn middle(rows: &[f32], centre: &mut [f32]) {
    let (dim, step) = (centre.len(), (rows.len() / centre.len()).div_ceil(SAMPLED_ROWS).max(1));
    let some = rows.chunks_exact(dim).step_by(step).filter(|row| row.iter().all(|value| value.is_finite()));
    let sample: Vec<&[f32]> = some.collect();
    let mut column = Vec::with_capacity(sample.len());
    for (coordinate, place) in centre.iter_mut().enumerate() {
        column.clear();
        column.extend(sample.iter().map(|row| row[coordinate]));
        let half = column.len() / 2;
        *place = if column.is_empty() { 0.0 } else { *column.select_nth_unstable_by(half, f32::total_cmp).1 };
    }
}

/// Writes the row less the centre.
pub(super) fn less(row: &[f32], centre: &[f32], place: &mut [f32]) {
    for ((place, value), mean) in place.iter_mut().zip(row).zip(centre) {
        *place = value - mean;
    }
}

/// Length of the row less the centre, NaN if a coordinate is not finite.
pub(super) fn length(row: &[f32], centre: &[f32]) -> f64 {
    let (mut sum, mut flaw) = (0f64, 0f32);
    for (value, mean) in row.iter().zip(centre) {
        let centred = f64::from(value - mean);
        sum += centred * centred;
        // Zero for finite numbers, NaN for others.
        flaw += value * 0.0;
    }
    if flaw == 0.0 { sum.sqrt() } else { f64::NAN }
}
