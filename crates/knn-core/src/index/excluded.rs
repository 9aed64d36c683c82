//! The rows that are in no list, because a coordinate is NaN or infinite or the metric needs a direction: their numbers, ascending.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::format::{Bytes, corrupt};
use crate::error::Result;
use crate::store::{AtomicFile, PositionedFile, Vfs};

const MAGIC: [u8; 8] = *b"GMEXCLUD";
/// Bytes before the first number.
const HEADER: u64 = 16;

/// Bytes of the file.
pub(super) fn file_length(count: u64) -> Option<u64> {
    count.checked_mul(8)?.checked_add(HEADER)
}

/// Begins the file, for `count` rows.
pub(super) fn begin(vfs: &Arc<dyn Vfs>, path: &Path, worker: &str, count: u64) -> Result<AtomicFile> {
    let mut file = AtomicFile::create(vfs, path, worker)?;
    file.write_all(&MAGIC)?;
    file.write_all(&count.to_le_bytes())?;
    Ok(file)
}

/// Reads the numbers of `count` rows of `rows`.
pub(super) fn parse(bytes: &[u8], file: &str, count: u64, rows: u64) -> Result<Vec<u64>> {
    let mut rest = Bytes::new(bytes, file, "rows");
    if rest.take(8)? != MAGIC || rest.u64()? != count {
        return Err(corrupt(file, "header", format!("it does not hold {count} rows")));
    }
    let excluded = rest.u64s(usize::try_from(count).map_err(|_| corrupt(file, "header", "too many rows"))?)?;
    rest.end()?;
    let ascending = excluded.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || excluded.last().is_some_and(|&last| last >= rows) {
        return Err(corrupt(file, "rows", format!("they are not ascending numbers below {rows}")));
    }
    Ok(excluded)
}

/// Reads some of the numbers, of `rows` rows.
pub(super) fn read(file: &PositionedFile, some: Range<u64>, rows: u64) -> Result<Vec<u64>> {
    let mut bytes = vec![0; (some.end - some.start) as usize * 8];
    file.read_exact_at(&mut bytes, HEADER + some.start * 8)?;
    let excluded: Vec<u64> = bytes.as_chunks().0.iter().map(|number| u64::from_le_bytes(*number)).collect();
    let ascending = excluded.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || excluded.last().is_some_and(|&last| last >= rows) {
        return Err(file.corrupt("rows", format!("they are not ascending numbers below {rows}")));
    }
    Ok(excluded)
}
