//! The rows of the embedding on their way: while one piece is written, the next is read.

use crate::distance::Metric;
use crate::error::Result;
use crate::pipeline::little_endian::little_endian_floats;
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::sink::UnitWriter;
use crate::source::RowSource;
use crate::types::{RowRange, Tile};

/// Bytes of a piece: large enough that a write costs nothing beside its bytes.
const PIECE_BYTES: u64 = 4 << 20;

/// Rows of a piece, at least one.
pub(super) fn piece_rows(dim: u64) -> u64 {
    (PIECE_BYTES / (dim.max(1) * 4)).max(1)
}

/// A pass over the rows in ascending units. Bands of chunks are carried from one unit to the next.
pub(super) struct RowsCopy<'a> {
    source: &'a dyn RowSource,
    path: &'a str,
    reader: TileReader<'a>,
    tile: Tile,
    ahead: Tile,
    bytes: Vec<u8>,
}

impl<'a> RowsCopy<'a> {
    pub(super) fn new(source: &'a dyn RowSource, path: &'a str) -> Self {
        let reader = Self::reader(source, 0);
        Self { source, path, reader, tile: Tile::default(), ahead: Tile::default(), bytes: Vec::new() }
    }

    /// Rows as they are: euclidean distances prepare nothing.
    fn reader(source: &'a dyn RowSource, first: u64) -> TileReader<'a> {
        TileReader::new(source, RowRange::new(first, source.rows()), Metric::Euclidean)
    }

    /// Copies the rows of one unit.
    pub(super) fn copy(&mut self, rows: RowRange, writer: &mut UnitWriter, progress: &Progress) -> Result<()> {
        if self.reader.position() != rows.start {
            // A unit before was committed by an earlier run.
            self.reader = Self::reader(self.source, rows.start);
        }
        let most = piece_rows(self.source.dim() as u64);
        let piece = |reader: &TileReader| most.min(rows.end - reader.position());
        self.reader.next(piece(&self.reader), &mut self.tile)?;
        while self.tile.rows() > 0 {
            let Self { reader, tile, ahead, bytes, path, .. } = self;
            let write = || writer.append(path, little_endian_floats(&tile.values, bytes));
            let next = piece(reader);
            let (written, read) = rayon::join(write, || reader.next(next, ahead));
            written?;
            read?;
            progress.advance(tile.rows() as u64)?;
            std::mem::swap(tile, ahead);
        }
        Ok(())
    }
}
