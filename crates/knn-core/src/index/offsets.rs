//! Where each list lies, how many rows it has, and its checksum.

use std::path::Path;
use std::sync::Arc;

use super::coarse::MOST_LISTS;
use super::format::{Bytes, ListLayout, corrupt};
use crate::error::Result;
use crate::store::{Vfs, Written, write_atomic};

const MAGIC: [u8; 8] = *b"GMOFFSET";
/// Bytes before the first entry, and of an entry.
const HEADER: u64 = 16;
const ENTRY: u64 = 24;

/// One list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) rows: u64,
    pub(super) xxh3: u64,
}

/// All lists, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    pub(super) places: Vec<Place>,
}

impl Offsets {
    /// Bytes of the file.
    pub(super) fn file_length(lists: u32) -> u64 {
        HEADER + u64::from(lists) * ENTRY
    }

    pub(super) fn write(&self, vfs: &Arc<dyn Vfs>, path: &Path, worker: &str) -> Result<Written> {
        let mut bytes = Vec::with_capacity(Self::file_length(self.places.len() as u32) as usize);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&(self.places.len() as u64).to_le_bytes());
        for place in &self.places {
            for number in [place.offset, place.rows, place.xxh3] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        write_atomic(vfs, path, worker, &bytes)
    }

    /// Reads the places of `lists` lists that have `rows` rows in all and fill `length` bytes. Lists follow each other without
    /// gaps but for their alignment, so there is one right offset for each.
    pub(super) fn parse(
        bytes: &[u8],
        file: &str,
        lists: u32,
        rows: u64,
        length: u64,
        layout: ListLayout,
    ) -> Result<Self> {
        let mut rest = Bytes::new(bytes, file, "offsets");
        let magic = rest.take(8)?;
        if magic != MAGIC || rest.u64()? != u64::from(lists) || lists > MOST_LISTS {
            return Err(corrupt(file, "header", format!("it does not hold {lists} offsets")));
        }
        let numbers = rest.u64s(lists as usize * 3)?;
        rest.end()?;
        let mut places = Vec::with_capacity(lists as usize);
        let (mut end, mut seen) = (0u64, 0u64);
        for (list, &[offset, held, xxh3]) in numbers.as_chunks::<3>().0.iter().enumerate() {
            let wrong = |reason: &str| corrupt(file, format!("list {list}"), reason);
            let expected =
                end.checked_next_multiple_of(layout.alignment()).ok_or_else(|| wrong("its offset overflows"))?;
            if offset != expected {
                return Err(wrong("it does not begin where the one before ends"));
            }
            seen = seen.checked_add(held).filter(|&seen| seen <= rows).ok_or_else(|| wrong("too many rows"))?;
            let bytes = layout.list_bytes(held).and_then(|bytes| offset.checked_add(bytes));
            let bytes = bytes.ok_or_else(|| wrong("its length overflows"))?;
            // A list without rows takes no place, not even that of its alignment.
            end = if held == 0 { end } else { bytes };
            places.push(Place { offset, rows: held, xxh3 });
        }
        if seen != rows || end != length {
            return Err(corrupt(
                file,
                "offsets",
                format!("{seen} rows and {end} bytes instead of {rows} and {length}"),
            ));
        }
        Ok(Self { places })
    }
}
