//! Embeddings and expression of the reference that do not fit the memory: rows of the query wait with their weights, as many as there is room
//! for, while the matrix passes by once.
//!
//! For 10 M rows of 50 columns in 512 MiB some 400 000 rows wait together, so the matrix is read 25 times. Sorting what every edge brings by query
//! row instead would write and read 30 rows of the matrix for every query cell, which is more as long as the reference has fewer rows than
//! twice the neighbours times the rows that wait.

use std::sync::Arc;

use super::expression::RESULT_BYTES;
use super::inputs::Inputs;
use super::library_size::LibrarySizeReader;
use super::outputs::embedding_path;
use super::plan::Prepared;
use crate::error::Result;
use crate::kernel::CsrBlock;
use crate::operator::WaitingRows;
use crate::progress::Progress;
use crate::sink::{StoreSpec, UnitWriter};
use crate::source::RowSource;
use crate::types::{RowRange, Tile};

/// Bytes of a band of the reference.
const BAND_BYTES: u64 = 16 << 20;

/// Which matrices pass by, and how many bytes rows take that wait for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Passing {
    /// Places among the embeddings of the inputs.
    pub(super) embeddings: Vec<usize>,
    pub(super) expression: bool,
    pub(super) waiting_bytes: u64,
}

/// One of them.
struct Matrix {
    rows: Arc<dyn RowSource>,
    /// Columns that are transferred; all where there are none.
    places: Option<Vec<usize>>,
    path: String,
    /// Whether rows are scaled to library sizes.
    is_expression: bool,
}

/// Rows that wait, and what for.
pub(super) struct PassingMatrices<'a> {
    matrices: Vec<Matrix>,
    waiting: WaitingRows,
    capacity: u64,
    sizes: Option<LibrarySizeReader<'a>>,
    progress: &'a Progress,
    bytes: Vec<u8>,
}

impl Passing {
    pub(super) fn is_empty(&self) -> bool {
        self.embeddings.is_empty() && !self.expression
    }

    /// What the user should know: what is read how many times, because the memory does not hold it.
    pub(super) fn warning(&self, inputs: &Inputs, spec: &StoreSpec) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let n_obs = spec.layout.n_obs();
        let all = WaitingRows::bytes(n_obs, n_obs.saturating_mul(spec.k + 1), self.columns(inputs));
        let times = all.div_ceil(self.waiting_bytes.max(1)).max(spec.layout.units());
        let names = self.embeddings.iter().map(|&place| format!("obsm/{}", inputs.embeddings[place].0));
        let expression = inputs.expression.iter().filter(|_| self.expression).map(|expression| expression.path.clone());
        let names: Vec<_> = names.chain(expression).collect();
        let names = names.join(" and ");
        let times = if times == 1 { "once".into() } else { format!("some {times} times") };
        Some(format!(
            "the memory does not hold {names} of the reference, so it passes by {times}: more memory is quicker"
        ))
    }

    /// Columns of the widest result.
    pub(super) fn columns(&self, inputs: &Inputs) -> u64 {
        let embeddings = self.embeddings.iter().map(|&place| inputs.embeddings[place].1.dim());
        let expression = inputs.expression.iter().filter(|_| self.expression).map(|expression| expression.genes.len());
        embeddings.chain(expression).max().unwrap_or(0) as u64
    }

    /// Bytes of reading them one after the other, two bands at a time, and of results.
    pub(super) fn reading_bytes(&self, inputs: &Inputs) -> u64 {
        let embeddings = self.embeddings.iter().map(|&place| &*inputs.embeddings[place].1);
        let expression = inputs.expression.iter().filter(|_| self.expression).map(|expression| &*expression.rows);
        let of = |rows: &dyn RowSource| {
            let band = band_rows(rows);
            rows.scratch_bytes(band).saturating_add(2 * band * rows.dim() as u64 * 4)
        };
        let reading = embeddings.chain(expression).map(of).max().unwrap_or(0);
        reading.saturating_add(3 * RESULT_BYTES.max(self.columns(inputs) * 4))
    }
}

/// Rows of a band: whole chunks.
pub(super) fn band_rows(rows: &dyn RowSource) -> u64 {
    let natural = rows.natural_tile_rows().max(1);
    let many = (BAND_BYTES / (rows.dim() as u64 * 4).max(1)).max(1);
    (many / natural * natural).max(natural).min(rows.rows().max(1))
}

impl<'a> PassingMatrices<'a> {
    /// What passes by in a run; none where all is in memory.
    pub(super) fn of(prepared: &'a Prepared, progress: &'a Progress) -> Option<Self> {
        let (inputs, passing) = (&prepared.inputs, &prepared.sizes.after.passing);
        let mut matrices = Vec::new();
        for &place in &passing.embeddings {
            let (key, rows) = &inputs.embeddings[place];
            let path = embedding_path(key, &prepared.resolved.parameters);
            matrices.push(Matrix { rows: Arc::clone(rows), places: None, path, is_expression: false });
        }
        if let Some(expression) = inputs.expression.as_ref().filter(|_| passing.expression) {
            let (rows, places) = (Arc::clone(&expression.rows), expression.picked());
            matrices.push(Matrix { rows, places, path: expression.path.clone(), is_expression: true });
        }
        let waiting = WaitingRows::new(passing.columns(inputs) as usize);
        let capacity = passing.waiting_bytes;
        let sizes = inputs.library_sizes.as_ref().map(LibrarySizeReader::new);
        (!matrices.is_empty()).then(|| Self { matrices, waiting, capacity, sizes, progress, bytes: Vec::new() })
    }

    /// Lets rows of weights wait, and those before them have their results where there is no more room.
    pub(super) fn add(&mut self, block: &CsrBlock, writer: &mut UnitWriter) -> Result<()> {
        let mut first = 0;
        while first < block.rows() {
            // Where there is room for none it is at least one that waits.
            let rows = self.waiting.fitting(block, first, self.capacity).max(usize::from(self.waiting.is_empty()));
            if rows == 0 {
                self.flush(writer)?;
            }
            if rows > 0 {
                self.waiting.push(block, first..first + rows);
            }
            first += rows;
        }
        Ok(())
    }

    /// Lets every matrix pass by, and writes what the rows that wait have of it.
    pub(super) fn flush(&mut self, writer: &mut UnitWriter) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        for matrix in &self.matrices {
            let columns = matrix.places.as_ref().map_or(matrix.rows.dim(), Vec::len);
            self.waiting.begin(columns);
            pass(matrix, &mut self.waiting, self.progress)?;
            let at_once = (RESULT_BYTES as usize / (columns.max(1) * 4)).max(1);
            self.waiting.means(columns, at_once, |first, means| {
                if let Some(sizes) = self.sizes.as_mut().filter(|_| matrix.is_expression) {
                    sizes.scale(first, columns, means)?;
                }
                self.bytes.clear();
                self.bytes.extend(means.iter().flat_map(|mean| mean.to_le_bytes()));
                writer.append(&matrix.path, &self.bytes)
            })?;
        }
        self.waiting.clear();
        Ok(())
    }
}

/// Reads the bands of a matrix that any row waits for, the next one while one is added.
fn pass(matrix: &Matrix, waiting: &mut WaitingRows, progress: &Progress) -> Result<()> {
    let (rows, band) = (&matrix.rows, band_rows(&*matrix.rows));
    let bands: Vec<_> = RowRange::new(0, rows.rows()).pieces(band).collect();
    let touched = waiting.touched(band, bands.len());
    let mut bands = bands.into_iter().zip(touched).filter_map(|(band, touched)| touched.then_some(band));
    let read = |next: Option<RowRange>, tile: &mut Tile| next.map(|band| rows.read(band, tile)).transpose();
    let (mut tile, mut ahead) = (Tile::default(), Tile::default());
    let mut is_read = read(bands.next(), &mut tile)?;
    while is_read.is_some() {
        let next = bands.next();
        let (read, ()) = rayon::join(|| read(next, &mut ahead), || waiting.add(&tile, matrix.places.as_deref()));
        is_read = read?;
        std::mem::swap(&mut tile, &mut ahead);
        progress.check()?;
    }
    Ok(())
}
