//! Whether two stores hold the same cells in the same order: as many, and of the same names.

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::source::{AnnDataStore, ObsNames, StringBlock};
use crate::types::{DType, RowRange};

/// Bytes of a name while it is read.
const NAME_BYTES: u64 = 32;

/// Names of a store, a band at a time.
struct Names {
    index: ObsNames,
    rows: RowRange,
    block: StringBlock,
}

impl Names {
    fn open(store: &AnnDataStore) -> Result<Self> {
        Ok(Self { index: store.names()?, rows: RowRange::new(0, 0), block: StringBlock::default() })
    }

    /// Makes sure that the row is in the block.
    fn reach(&mut self, row: u64) -> Result<()> {
        if !(self.rows.start..self.rows.end).contains(&row) {
            self.rows = RowRange::new(row, self.index.band_end(row).max(row + 1));
            self.index.read(self.rows, &mut self.block)?;
        }
        Ok(())
    }

    fn at(&self, row: u64) -> &str {
        self.block.get((row - self.rows.start) as usize)
    }

    /// Bytes of reading them; 0 where numbers stand for names, which are not read.
    fn bytes(&self) -> u64 {
        if self.index.dtype() != DType::String {
            return 0;
        }
        let band = self.index.natural_tile_rows().min(self.index.rows());
        self.index.scratch_bytes(band).saturating_add(band.saturating_mul(NAME_BYTES))
    }
}

/// Bytes of comparing the names of both.
pub(super) fn bytes(left: &AnnDataStore, right: &AnnDataStore) -> Result<u64> {
    Ok(Names::open(left)?.bytes().saturating_add(Names::open(right)?.bytes()))
}

/// Refuses stores of different numbers of cells.
pub(super) fn as_many(left: &AnnDataStore, right: &AnnDataStore) -> Result<()> {
    if left.n_obs() == right.n_obs() {
        return Ok(());
    }
    Err(Error::Shape {
        left: left.name().to_owned(),
        left_shape: vec![left.n_obs()],
        right: right.name().to_owned(),
        right_shape: vec![right.n_obs()],
        reason: "predictions and truth need the same cells".into(),
    })
}

/// Refuses cells of another name, row by row. Where one of the stores has numbers instead of names, the order is trusted, with a warning.
pub(super) fn same_names(
    left: &AnnDataStore,
    right: &AnnDataStore,
    warnings: &mut Vec<String>,
    progress: &Progress,
) -> Result<()> {
    let (mut ours, mut theirs) = (Names::open(left)?, Names::open(right)?);
    if let Some((nameless, _)) =
        [(left, &ours), (right, &theirs)].into_iter().find(|(_, names)| names.index.dtype() != DType::String)
    {
        warnings.push(format!("{} has no names of cells: its rows are taken in their order", nameless.name()));
        return Ok(());
    }
    let mut next = 0;
    while next < left.n_obs() {
        ours.reach(next)?;
        theirs.reach(next)?;
        let last = ours.rows.end.min(theirs.rows.end);
        if let Some(row) = (next..last).find(|&row| ours.at(row) != theirs.at(row)) {
            let reason = format!(
                "cell {row} is {:?}, and {:?} in {}: the same cells are needed in the same order",
                theirs.at(row),
                ours.at(row),
                left.name()
            );
            return Err(Error::schema(right.name(), "obs/_index", "values", reason));
        }
        progress.advance(last - next)?;
        next = last;
    }
    Ok(())
}
