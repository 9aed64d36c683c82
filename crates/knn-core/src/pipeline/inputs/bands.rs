//! Bands of a matrix that is read from its first row to its last, once or many times.

use crate::source::RowSource;

/// Bytes of a band of the reference.
const BAND_BYTES: u64 = 16 << 20;

/// Rows of a band: whole chunks.
pub(in crate::pipeline) fn band_rows(rows: &dyn RowSource) -> u64 {
    let natural = rows.natural_tile_rows().max(1);
    let many = (BAND_BYTES / (rows.dim() as u64 * 4).max(1)).max(1);
    (many / natural * natural).max(natural).min(rows.rows().max(1))
}
