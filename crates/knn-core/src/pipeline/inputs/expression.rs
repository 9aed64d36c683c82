//! Expression of the reference: which matrix and genes are transferred, what they take, and how they are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bands::band_rows;
use crate::error::{Error, Result};
use crate::kernel::CsrBlock;
use crate::operator::{Embedding, Expression, transfer_embedding, transfer_expression};
use crate::pipeline::request::Parameters;
use crate::progress::Progress;
use crate::source::{AnnDataStore, RowSource};
use crate::types::{RowRange, Tile};

/// Bytes of results at a time, of one row at least.
pub(in crate::pipeline) const RESULT_BYTES: u64 = 8 << 20;

/// A matrix of the reference, and the genes of it that are transferred.
pub(in crate::pipeline) struct ExpressionInput {
    pub(in crate::pipeline) rows: Arc<dyn RowSource>,
    /// Where it is stored, which is where it is found: `X` or `layers/<name>`.
    pub(in crate::pipeline) path: String,
    /// Names of the genes, in the order of the result.
    pub(in crate::pipeline) genes: Arc<Vec<String>>,
    /// For each column of the matrix its place in the result; none where it is the whole matrix.
    places: Option<Vec<Option<u32>>>,
}

/// The matrix in memory: as it came.
pub(in crate::pipeline) enum Matrix {
    Sparse(Expression),
    Dense(Embedding),
}

impl Matrix {
    /// Genes of a row.
    pub(in crate::pipeline) fn genes(&self) -> usize {
        match self {
            Self::Sparse(expression) => expression.genes(),
            Self::Dense(embedding) => embedding.dim,
        }
    }

    /// Transfers to one piece of rows, few of them at a time, and hands out the results with the number of their first row.
    pub(in crate::pipeline) fn apply(
        &self,
        weights: &CsrBlock,
        results: &mut Vec<f32>,
        mut take: impl FnMut(u64, &mut [f32]) -> Result<()>,
    ) -> Result<()> {
        let width = self.genes();
        let step = (RESULT_BYTES as usize / (width.max(1) * 4)).max(1);
        for first in (0..weights.rows()).step_by(step) {
            let rows = weights.part(first..(first + step).min(weights.rows()));
            match self {
                Self::Sparse(expression) => transfer_expression(expression, &rows, results),
                Self::Dense(embedding) => transfer_embedding(embedding, &rows, results),
            }
            take(rows.first_row, results)?;
        }
        Ok(())
    }
}

impl ExpressionInput {
    /// Opens what the request names; `GM_NOT_FOUND` for a gene that there is not.
    pub(in crate::pipeline) fn open(reference: &AnnDataStore, parameters: &Parameters) -> Result<Option<Self>> {
        let Some(path) = parameters.layer_key.clone() else { return Ok(None) };
        let rows = reference.representation(&path)?;
        let names = reference.gene_names()?;
        if names.len() != rows.dim() {
            return Err(Error::Shape {
                left: rows.name(),
                left_shape: vec![rows.rows(), rows.dim() as u64],
                right: format!("{}/var", reference.name()),
                right_shape: vec![names.len() as u64],
                reason: "one column for every gene".into(),
            });
        }
        if parameters.genes.is_empty() {
            return Ok(Some(Self { rows, path, genes: Arc::new(names), places: None }));
        }
        // Of genes with one name the first is meant.
        let mut columns = BTreeMap::new();
        for (column, name) in names.iter().enumerate() {
            columns.entry(name.as_str()).or_insert(column);
        }
        let mut places = vec![None; names.len()];
        for (place, gene) in (0..).zip(&parameters.genes) {
            let Some(&column) = columns.get(gene.as_str()) else {
                let available = names.iter().take(10).cloned().collect();
                let store = format!("{}/var", reference.name());
                return Err(Error::NotFound { store, kind: "gene".into(), key: gene.clone(), available });
            };
            places[column] = Some(place);
        }
        Ok(Some(Self { rows, path, genes: Arc::new(parameters.genes.clone()), places: Some(places) }))
    }

    /// Bytes of the matrix in memory, and of reading it.
    pub(in crate::pipeline) fn bytes(&self) -> u64 {
        let (cells, tile) = (self.rows.rows(), band_rows(&*self.rows));
        let held = match self.rows.entries() {
            Some(entries) => Expression::bytes(cells, entries),
            None => cells.saturating_mul(self.genes.len() as u64 * 4),
        };
        held.saturating_add(self.rows.scratch_bytes(tile)).saturating_add(tile * self.rows.dim() as u64 * 4)
    }

    /// The columns of the matrix that are picked, in the order of the result; none where it is the whole matrix.
    pub(in crate::pipeline) fn picked(&self) -> Option<Vec<usize>> {
        self.places.is_some().then(|| self.columns())
    }

    /// For each gene of the result its column of the matrix.
    pub(in crate::pipeline) fn columns(&self) -> Vec<usize> {
        let Some(places) = &self.places else { return (0..self.genes.len()).collect() };
        let mut columns = vec![0; self.genes.len()];
        for (column, place) in places.iter().enumerate() {
            if let Some(place) = *place {
                columns[place as usize] = column;
            }
        }
        columns
    }

    /// Reads the genes of every reference cell.
    pub(in crate::pipeline) fn read(&self, progress: &Progress) -> Result<Matrix> {
        let (cells, width) = (self.rows.rows(), self.genes.len());
        let place = |column: usize| match &self.places {
            None => u32::try_from(column).ok(),
            Some(places) => places[column],
        };
        let mut tile = Tile::default();
        let mut sparse = self.rows.entries().map(|entries| Expression::new(width, cells as usize, entries as usize));
        let mut dense = Vec::with_capacity(if sparse.is_some() { 0 } else { cells as usize * width });
        for rows in RowRange::new(0, cells).pieces(band_rows(&*self.rows)) {
            self.rows.read(rows, &mut tile)?;
            for row in 0..rows.len() {
                let values = tile.row(row);
                if let Some(sparse) = &mut sparse {
                    sparse.push(values, place);
                } else if self.places.is_none() {
                    dense.extend_from_slice(values);
                } else {
                    let start = dense.len();
                    dense.resize(start + width, 0.0);
                    for (column, &value) in values.iter().enumerate() {
                        if let Some(place) = place(column) {
                            dense[start + place as usize] = value;
                        }
                    }
                }
            }
            progress.check()?;
        }
        Ok(match sparse {
            Some(sparse) => Matrix::Sparse(sparse),
            None => Matrix::Dense(Embedding { values: dense, dim: width }),
        })
    }
}
