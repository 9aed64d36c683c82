//! The reference as the join meets it: one slab that stays, or slabs that are read again for every block of queries.

use crate::distance::{DistanceTile, Metric};
use crate::error::Result;
use crate::join::Slab;
use crate::representation::TileReader;
use crate::source::RowSource;
use crate::types::{RowRange, Tile};

/// Slabs of reference rows, in row order.
pub(in crate::pipeline) struct Reference<'a> {
    source: &'a dyn RowSource,
    tile: &'a dyn DistanceTile,
    metric: Metric,
    slab_rows: u64,
    slab: Slab,
    ahead: Tile,
}

impl<'a> Reference<'a> {
    /// Reads the first slab; its mean centres them all.
    pub(in crate::pipeline) fn open(
        source: &'a dyn RowSource,
        metric: Metric,
        slab_rows: u64,
        tile: &'a dyn DistanceTile,
    ) -> Result<Self> {
        let mut first = Tile::default();
        TileReader::new(source, RowRange::new(0, source.rows()), metric).next(slab_rows, &mut first)?;
        let centre = Slab::mean(&first);
        let slab = Slab::new(first, centre, metric, tile);
        Ok(Self { source, tile, metric, slab_rows, slab, ahead: Tile::default() })
    }

    /// Whether one slab holds all.
    fn is_resident(&self) -> bool {
        self.slab_rows >= self.source.rows()
    }

    /// Shows every slab to `visit`, reading the next one meanwhile. Returns the rows left out because they cannot be compared.
    pub(in crate::pipeline) fn visit(&mut self, mut visit: impl FnMut(&Slab) -> Result<()> + Send) -> Result<u64> {
        if self.is_resident() {
            visit(&self.slab)?;
            return Ok(self.slab.packed().invalid_rows());
        }
        let mut reader = TileReader::new(self.source, RowRange::new(0, self.source.rows()), self.metric);
        let mut excluded = 0;
        reader.next(self.slab_rows, &mut self.ahead)?;
        while self.ahead.rows() > 0 {
            self.ahead = self.slab.refill(std::mem::take(&mut self.ahead), self.tile);
            excluded += self.slab.packed().invalid_rows();
            let (slab, ahead) = (&self.slab, &mut self.ahead);
            let (visited, read) = rayon::join(|| visit(slab), || reader.next(self.slab_rows, ahead));
            visited?;
            read?;
        }
        Ok(excluded)
    }
}
