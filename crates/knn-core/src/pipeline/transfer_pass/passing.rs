//! Embeddings and expression of the reference that do not fit the memory: rows of the query wait with their weights, as many as there is room
//! for, while the matrix passes by once.
//!
//! For 10 M rows of 50 columns in 512 MiB some 400 000 rows wait together, so the matrix is read 25 times. Sorting what every edge brings by query
//! row instead would write and read 30 rows of the matrix for every query cell, which is more as long as the reference has fewer rows than
//! twice the neighbours times the rows that wait.

use std::sync::Arc;

use crate::error::Result;
use crate::kernel::CsrBlock;
use crate::operator::WaitingRows;
use crate::pipeline::inputs::bands::band_rows;
use crate::pipeline::inputs::expression::RESULT_BYTES;
use crate::pipeline::inputs::library_size::LibrarySizeReader;
use crate::pipeline::outputs::embedding_path;
use crate::pipeline::prepared::Prepared;
use crate::progress::Progress;
use crate::sink::UnitWriter;
use crate::source::RowSource;
use crate::types::{RowRange, Tile};

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
pub(in crate::pipeline) struct PassingMatrices<'a> {
    matrices: Vec<Matrix>,
    waiting: WaitingRows,
    capacity: u64,
    sizes: Option<LibrarySizeReader<'a>>,
    progress: &'a Progress,
    bytes: Vec<u8>,
}

impl<'a> PassingMatrices<'a> {
    /// What passes by in a run; none where all is in memory.
    pub(in crate::pipeline) fn of(prepared: &'a Prepared, progress: &'a Progress) -> Option<Self> {
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
    pub(in crate::pipeline) fn add(&mut self, block: &CsrBlock, writer: &mut UnitWriter) -> Result<()> {
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
    pub(in crate::pipeline) fn flush(&mut self, writer: &mut UnitWriter) -> Result<()> {
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
