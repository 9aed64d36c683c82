//! The steps: blocks of lanes one after another, each taken through all of its steps before the next.
//!
//! Steps are counted over all blocks. The state after step s of block b is the file of the range b·t … b·t + s, which stands for the states before it;
//! so the ranges of a ledger tell what is done, and a run goes on behind its last step. How many lanes a block has follows from the memory when the first
//! step is made, and stays with the run: where less memory goes on with it, rows come in more bands.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::blocks::Blocks;
use super::finals::Diffused;
use super::lanes::{Group, Lanes};
use super::matrix::MatrixReader;
use crate::error::{Error, Result};
use crate::operator::{Band, Spectrum, StateNumber, diffuse};
use crate::pipeline::memory::diffusion::SUMS_BYTES;
use crate::pipeline::prepared::Prepared;
use crate::progress::Progress;
use crate::store::{AtomicFile, PositionedFile, RunLedger, Stage, Vfs};
use crate::types::RowRange;

/// One block on its way.
struct Block<'a, 'l> {
    group: &'a Group<'l>,
    number: u64,
    lanes: Range<u64>,
}

/// All that steps need.
pub(super) struct Steps<'a> {
    lanes: &'a Lanes<'a>,
    ledger: RunLedger,
    vfs: Arc<dyn Vfs>,
    blocks: Blocks,
    matrix: MatrixReader,
    n: u64,
    /// Bytes of a state in memory.
    state_bytes: u64,
    spectral: bool,
    spectrum: Option<Spectrum>,
    bytes: Vec<u8>,
    sums: Vec<f64>,
}

impl<'a> Steps<'a> {
    /// Those of a run, of which `ledger` holds M and what was done before.
    pub(super) fn new(
        prepared: &Prepared,
        lanes: &'a Lanes<'a>,
        ledger: RunLedger,
        vfs: &Arc<dyn Vfs>,
    ) -> Result<Self> {
        let asked = prepared.resolved.parameters.diffusion.as_ref();
        let asked = asked.ok_or_else(|| Error::internal("steps that nobody asked for"))?;
        let (n, state_bytes) = (prepared.spec.layout.n_obs(), prepared.sizes.after.state);
        let all = [lanes.wide.lanes(), lanes.narrow.lanes()];
        let begun = ledger
            .extra(Stage::Diffused)
            .and_then(|extra| Some([extra.get("wide")?.as_u64()?, extra.get("narrow")?.as_u64()?]));
        let blocks = match begun {
            Some(widths) => Blocks::new(all, widths, asked.t),
            None => Blocks::that_fit(all, n, state_bytes, asked.t),
        };
        let matrix = MatrixReader::open(&ledger, prepared.spec.n_ref)?;
        Ok(Self {
            lanes,
            ledger,
            vfs: Arc::clone(vfs),
            blocks,
            matrix,
            n,
            state_bytes,
            spectral: asked.method == "spectral",
            spectrum: None,
            bytes: Vec::new(),
            sums: Vec::new(),
        })
    }

    /// Makes the steps that were not made yet.
    pub(super) fn run(&mut self, progress: &Progress) -> Result<()> {
        let done = self.ledger.covered(Stage::Diffused);
        progress.begin("diffuse", self.blocks.steps().saturating_mul(self.n), done.saturating_mul(self.n));
        let Lanes { wide, narrow, .. } = self.lanes;
        for (number, lanes) in self.blocks.wide() {
            self.block::<f64>(&Block { group: wide, number, lanes }, progress)?;
        }
        for (number, lanes) in self.blocks.narrow() {
            self.block::<f32>(&Block { group: narrow, number, lanes }, progress)?;
        }
        progress.end();
        Ok(())
    }

    /// What transfer reads.
    pub(super) fn end(self) -> Result<Diffused> {
        Diffused::open(self.ledger, self.lanes.keys.clone(), &self.blocks)
    }

    fn block<T: StateNumber>(&mut self, block: &Block, progress: &Progress) -> Result<()> {
        let [first, last] = self.blocks.finished(block.number);
        let done = self.ledger.covered(Stage::Diffused);
        if self.spectral {
            return if done < last { self.spectral::<T>(block, progress) } else { Ok(()) };
        }
        for end in done.max(first)..last {
            self.step::<T>(block, [first, end + 1], progress)?;
        }
        Ok(())
    }

    fn extra(&self) -> Value {
        let [wide, narrow] = self.blocks.widths();
        json!({ "wide": wide, "narrow": narrow })
    }

    /// Rows that a band of a block has at most.
    fn band_rows(&self, row_bytes: u64) -> u64 {
        (self.state_bytes / row_bytes).clamp(1, self.n.max(1))
    }

    /// Applies M once; the state before it is the file of the range that ends one step earlier, or the data themselves.
    fn step<T: StateNumber>(&mut self, block: &Block, range: [u64; 2], progress: &Progress) -> Result<()> {
        let width = (block.lanes.end - block.lanes.start) as usize;
        let before = [range[0], range[1] - 1];
        let before = if before[0] < before[1] { Some(self.ledger.read(Stage::Diffused, before)?) } else { None };
        let bands: Vec<_> = RowRange::new(0, self.n).pieces(self.band_rows((width * size_of::<T>()) as u64)).collect();
        let mut values = vec![T::NOTHING; bands.first().map_or(0, |band| band.len()) * width];
        let mut partial: Option<(PathBuf, PositionedFile)> = None;
        for (number, &band) in (0..).zip(&bands) {
            let values = &mut values[..band.len() * width];
            match &before {
                Some(file) => {
                    let offset = band.start * (width * size_of::<T>()) as u64;
                    file.read_exact_at(bytemuck::cast_slice_mut(values), offset)?;
                }
                None => block.group.fill(band, &block.lanes, values, progress)?,
            }
            let band = Band { rows: band, width, values };
            let sums_before = partial.as_ref().map(|(_, file)| file);
            let is_last = number + 1 == bands.len() as u64;
            let extra = self.extra();
            let Self { ledger, vfs, matrix, bytes, sums, .. } = &mut *self;
            let mut pass = Pass { matrix, bytes, sums, width, sums_before, progress };
            if is_last {
                ledger.write(Stage::Diffused, range, extra, |file| pass.apply(&band, true, file))?;
            } else {
                let path = ledger.passing(number % 2);
                let mut file = AtomicFile::create(vfs, &path, "steps")?;
                pass.apply(&band, false, &mut file)?;
                file.seal_unsynced().publish()?;
                let file = PositionedFile::open(&path)?;
                if let Some((path, _)) = partial.replace((path, file)) {
                    vfs.remove_file(&path)?;
                }
            }
        }
        partial.map_or(Ok(()), |(path, _)| self.vfs.remove_file(&path))
    }

    /// All steps of a block at once.
    fn spectral<T: StateNumber>(&mut self, block: &Block, progress: &Progress) -> Result<()> {
        let spectrum = match self.spectrum.take() {
            Some(spectrum) => spectrum,
            None => self.decompose(progress)?,
        };
        let width = (block.lanes.end - block.lanes.start) as usize;
        let mut values = vec![T::NOTHING; self.n as usize * width];
        block.group.fill(RowRange::new(0, self.n), &block.lanes, &mut values, progress)?;
        if values.iter().any(|value| !value.wide().is_finite()) {
            let reason = "eigenvectors spread what is NaN or infinite over all cells: take iterative";
            return Err(Error::param("diffusionMethod", "spectral", reason));
        }
        let mut state: Vec<f64> = values.iter().map(|value| value.wide()).collect();
        spectrum.apply(self.blocks.t, &mut state, width);
        for (row, values) in values.chunks_exact_mut(width.max(1)).enumerate() {
            let is_alone = spectrum.is_alone(row);
            let state = &state[row * width..(row + 1) * width];
            let of = |&value: &f64| if is_alone { T::NOTHING } else { T::of(value) };
            values.iter_mut().zip(state).for_each(|(value, state)| *value = of(state));
        }
        let (range, extra) = (self.blocks.finished(block.number), self.extra());
        self.ledger.write(Stage::Diffused, range, extra, |file| file.write_all(bytemuck::cast_slice(&values)))?;
        self.spectrum = Some(spectrum);
        progress.advance(self.n * self.blocks.t)
    }

    /// Finds the eigenvectors of M.
    fn decompose(&mut self, progress: &Progress) -> Result<Spectrum> {
        let n = self.n as usize;
        let (mut dense, mut log_sums) = (vec![0.0; n * n], Vec::with_capacity(n));
        self.matrix.rewind();
        while self.matrix.read()? {
            let block = &self.matrix.block;
            for row in 0..block.rows() {
                let (columns, weights) = block.row(row);
                let place = (block.first_row as usize + row) * n;
                columns.iter().zip(weights).for_each(|(&column, &weight)| dense[place + column as usize] = weight);
            }
            log_sums.extend_from_slice(&self.matrix.log_sums);
        }
        Spectrum::of(dense, &log_sums, &|| progress.check())
    }
}

/// One reading of M.
struct Pass<'p> {
    matrix: &'p mut MatrixReader,
    bytes: &'p mut Vec<u8>,
    sums: &'p mut Vec<f64>,
    width: usize,
    /// Sums over the bands before.
    sums_before: Option<&'p PositionedFile>,
    progress: &'p Progress,
}

impl Pass<'_> {
    /// Adds a band to the sums of every row, and writes them: as a state behind the last band.
    fn apply<T: StateNumber>(&mut self, band: &Band<'_, T>, is_last: bool, file: &mut AtomicFile) -> Result<()> {
        let width = self.width;
        let most = (SUMS_BYTES as usize / (width.max(1) * 8)).max(1);
        self.matrix.rewind();
        while self.matrix.read()? {
            let rows = self.matrix.block.rows();
            for first in (0..rows).step_by(most) {
                let last = (first + most).min(rows);
                let part = self.matrix.block.part(first..last);
                self.sums.clear();
                self.sums.resize(part.rows() * width, 0.0);
                if let Some(before) = self.sums_before {
                    let offset = part.first_row * (width * 8) as u64;
                    before.read_exact_at(bytemuck::cast_slice_mut(self.sums), offset)?;
                }
                diffuse(&part, band, self.sums);
                self.bytes.clear();
                if is_last {
                    for (row, sums) in self.sums.chunks_exact(width.max(1)).enumerate() {
                        let is_alone = part.starts[row] == part.starts[row + 1];
                        let of = |&sum: &f64| if is_alone { T::NOTHING } else { T::of(sum) };
                        for sum in sums {
                            self.bytes.extend_from_slice(bytemuck::bytes_of(&of(sum)));
                        }
                    }
                } else {
                    self.bytes.extend_from_slice(bytemuck::cast_slice(self.sums));
                }
                file.write_all(self.bytes)?;
                if is_last {
                    self.progress.advance(part.rows() as u64)?;
                } else {
                    self.progress.check()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_every_lane_once_and_fit_where_they_can() {
        let blocks = Blocks::that_fit([7, 5], 1000, 24_000, 3);
        assert_eq!(blocks.widths(), [3, 5]);
        assert_eq!(blocks.wide().collect::<Vec<_>>(), [(0, 0..3), (1, 3..6), (2, 6..7)]);
        assert_eq!(blocks.narrow().collect::<Vec<_>>(), [(3, 0..5)]);
        assert_eq!((blocks.finished(2), blocks.steps(), blocks.row_bytes()), ([6, 9], 12, 76));
        let least = Blocks::that_fit([2, 0], 1 << 30, 1 << 20, 2);
        assert_eq!((least.widths(), least.wide().count(), least.narrow().count()), ([1, 1], 2, 0));
    }
}
