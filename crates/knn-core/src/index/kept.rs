//! The graph of an index's own rows, where it keeps one: the first few neighbours of each row, in the order of the rows.
//!
//! A mapping of other cells follows it to repair what its lists have missed. The rows lie in blocks, each with a checksum, so that any
//! of them is read alone, and is either what was written or `GM_CORRUPT`. `docs/formats/gmx.md` says the same to other readers.

use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::store::PositionedFile;
use crate::types::RowRange;

/// Neighbours of a row that may be kept: no repair follows more.
pub const MOST_KEPT: u32 = 64;
const MAGIC: [u8; 8] = *b"GMGRAPHS";
/// Bytes before the first block.
const HEADER: u64 = 24;
/// Rows of a block; the last one may have fewer.
const BLOCK_ROWS: u64 = 4096;
/// Bytes of the checksum behind each block.
const CHECKSUM: u64 = 8;

/// How the graph of so many rows, with so many neighbours of each, is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeptLayout {
    pub(super) rows: u64,
    pub(super) neighbors: u32,
}

impl KeptLayout {
    /// Bytes of a row number; all ones stand for none.
    fn id_width(self) -> u64 {
        if self.rows < u64::from(u32::MAX) { 4 } else { 8 }
    }

    /// Bytes of a row.
    fn row_bytes(self) -> u64 {
        u64::from(self.neighbors) * self.id_width()
    }

    /// What the file begins with.
    pub(super) fn header(self) -> Vec<u8> {
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&self.rows.to_le_bytes());
        header.extend_from_slice(&self.neighbors.to_le_bytes());
        header.extend_from_slice(&(self.id_width() as u32).to_le_bytes());
        header
    }

    /// Bytes of the file; none where there cannot be so many.
    pub(super) fn file_length(self) -> Option<u64> {
        let checksums = self.rows.div_ceil(BLOCK_ROWS).checked_mul(CHECKSUM)?;
        self.rows.checked_mul(self.row_bytes())?.checked_add(checksums)?.checked_add(HEADER)
    }

    /// The rows of a block.
    fn block(self, block: u64) -> RowRange {
        RowRange::new(block * BLOCK_ROWS, ((block + 1) * BLOCK_ROWS).min(self.rows))
    }

    /// Bytes of a row that is encoded, for rows of a whole block.
    pub(super) fn block_bytes(self) -> usize {
        (BLOCK_ROWS * self.row_bytes()) as usize
    }

    /// Appends the neighbours of rows, −1 where there is none.
    pub(super) fn encode(self, ids: &[i64], out: &mut Vec<u8>) {
        let width = self.id_width() as usize;
        // −1 is all ones in any width.
        for id in ids {
            out.extend_from_slice(&id.to_le_bytes()[..width]);
        }
    }
}

/// Bytes of a graph of so many rows on disk.
pub fn kept_bytes(rows: u64, neighbors: u32) -> u64 {
    KeptLayout { rows, neighbors }.file_length().unwrap_or(u64::MAX)
}

/// The graph of an index, open for reading.
#[derive(Debug)]
pub struct KeptGraph {
    file: PositionedFile,
    layout: KeptLayout,
}

/// A block of a graph: its first row, and the neighbours of its rows, row-major, −1 behind those that there are.
#[derive(Debug, Default)]
pub struct KeptBlock {
    /// Number of the first row.
    pub first_row: u64,
    /// Neighbours of all rows.
    pub ids: Vec<i64>,
    bytes: Vec<u8>,
}

impl KeptBlock {
    /// Bytes that it takes, of a graph of so many rows.
    pub fn bytes(rows: u64, neighbors: u64) -> u64 {
        BLOCK_ROWS.min(rows) * neighbors * (8 + 8) + CHECKSUM
    }
}

impl KeptGraph {
    /// Opens a file of the length that its layout gives.
    pub(super) fn open(path: &Path, layout: KeptLayout) -> Result<Self> {
        let file = PositionedFile::open(path)?;
        let mut header = vec![0; HEADER as usize];
        file.read_exact_at(&mut header, 0)?;
        if header != layout.header() {
            let KeptLayout { rows, neighbors } = layout;
            return Err(file.corrupt("header", format!("it does not hold {neighbors} neighbors of {rows} rows")));
        }
        Ok(Self { file, layout })
    }

    /// Neighbours of a row.
    pub fn neighbors(&self) -> usize {
        self.layout.neighbors as usize
    }

    /// Blocks that there are.
    pub fn blocks(&self) -> u64 {
        self.layout.rows.div_ceil(BLOCK_ROWS)
    }

    /// The block that a row is in.
    pub fn block_of(row: u64) -> u64 {
        row / BLOCK_ROWS
    }

    /// Reads a block: `GM_CORRUPT` if it is not what was written.
    pub fn read(&self, block: u64, to: &mut KeptBlock) -> Result<()> {
        if block >= self.blocks() {
            return Err(Error::internal(format!("block {block} of {} of a graph", self.blocks())));
        }
        let (rows, row_bytes) = (self.layout.block(block), self.layout.row_bytes());
        let KeptBlock { first_row, ids, bytes } = to;
        let length = rows.len() as u64 * row_bytes;
        bytes.resize((length + CHECKSUM) as usize, 0);
        self.file.read_exact_at(bytes, HEADER + block * (BLOCK_ROWS * row_bytes + CHECKSUM))?;
        let (values, checksum) = bytes.split_at(length as usize);
        let wrong = |reason: &str| self.file.corrupt(format!("rows {} to {}", rows.start, rows.end), reason);
        if xxh3_64(values).to_le_bytes() != checksum {
            return Err(wrong("its checksum is wrong"));
        }
        *first_row = rows.start;
        ids.clear();
        if self.layout.id_width() == 4 {
            let id = |bytes: &[u8; 4]| Some(u32::from_le_bytes(*bytes)).filter(|id| *id != u32::MAX);
            ids.extend(values.as_chunks().0.iter().map(|bytes| id(bytes).map_or(-1, i64::from)));
        } else {
            ids.extend(values.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)));
        }
        let most = self.layout.rows.min(i64::MAX as u64) as i64;
        if ids.iter().any(|id| !(-1..most).contains(id)) {
            return Err(wrong("a neighbor is no row of the index"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_is_read_as_it_was_written_in_either_width() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph.bin");
        let wide = u64::from(u32::MAX);
        assert_eq!(KeptLayout { rows: wide - 1, neighbors: 3 }.row_bytes(), 12);
        assert_eq!(KeptLayout { rows: wide, neighbors: 3 }.row_bytes(), 24);
        assert_eq!(KeptLayout { rows: 8193, neighbors: 3 }.file_length(), Some(24 + 8193 * 12 + 3 * 8));
        assert_eq!(KeptLayout { rows: u64::MAX, neighbors: 3 }.file_length(), None);
        // Only the first block of so many rows is there, and only that is read.
        for layout in [KeptLayout { rows: 5000, neighbors: 3 }, KeptLayout { rows: wide + 9, neighbors: 2 }] {
            let last = layout.rows as i64 - 1;
            let k = layout.neighbors as usize;
            let mut ids: Vec<i64> = (0..4096 * k as i64).map(|place| (place * 7919) % layout.rows as i64).collect();
            (ids[0], ids[1], ids[k]) = (last, -1, -1);
            let (mut block, mut bytes) = (Vec::new(), layout.header());
            layout.encode(&ids, &mut block);
            assert_eq!(block.len(), layout.block_bytes());
            bytes.extend_from_slice(&block);
            bytes.extend_from_slice(&xxh3_64(&block).to_le_bytes());
            std::fs::write(&path, &bytes).unwrap();
            let mut read = KeptBlock::default();
            let graph = KeptGraph::open(&path, layout).unwrap();
            graph.read(0, &mut read).unwrap();
            assert_eq!((read.first_row, &read.ids, graph.neighbors()), (0, &ids, k));
            assert_eq!(graph.read(1, &mut read).unwrap_err().code(), "GM_CORRUPT");
            // A number beyond the rows is not believed, even with its checksum.
            ids[0] = last + 1;
            block.clear();
            layout.encode(&ids, &mut block);
            let bytes = [&layout.header()[..], &block, &xxh3_64(&block).to_le_bytes()].concat();
            std::fs::write(&path, &bytes).unwrap();
            let graph = KeptGraph::open(&path, layout).unwrap();
            assert_eq!(graph.read(0, &mut read).unwrap_err().code(), "GM_CORRUPT");
            let other = KeptLayout { neighbors: layout.neighbors + 1, ..layout };
            assert_eq!(KeptGraph::open(&path, other).unwrap_err().code(), "GM_CORRUPT");
        }
    }
}
