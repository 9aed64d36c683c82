//! Some rows at hand by their entries: row by row, with the shared genes in ascending order, and gene by gene.

use super::genes::SharedGenes;
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::representation::TileReader;
use crate::source::RowSource;
use crate::types::{RowRange, SparseRows, Tile};

/// Entries of a batch, but for a row that has more.
pub const MOST_ENTRIES: usize = 1 << 21;
/// Rows of a batch.
pub const MOST_ROWS: u64 = 1 << 15;

/// Consecutive rows.
#[derive(Debug, Default)]
pub struct Batch {
    rows: SparseRows,
    /// Where the entries of each gene begin among those below.
    starts: Vec<usize>,
    /// Row and entry of each value, gene by gene, in the order of the rows.
    by_gene: Vec<[u32; 2]>,
    next: Vec<usize>,
}

impl Batch {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows.rows()
    }

    /// Genes, ascending, and values of a row.
    pub(super) fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let entries = self.rows.starts[row]..self.rows.starts[row + 1];
        (&self.rows.columns[entries.clone()], &self.rows.values[entries])
    }

    /// Rows and entries that have a value of a gene.
    pub(super) fn of_gene(&self, gene: usize) -> &[[u32; 2]] {
        &self.by_gene[self.starts[gene]..self.starts[gene + 1]]
    }

    pub(super) fn value(&self, entry: u32) -> f64 {
        f64::from(self.rows.values[entry as usize])
    }

    /// Genes and values of a row up to one of its entries, which is the last.
    pub(super) fn up_to(&self, [row, entry]: [u32; 2]) -> (&[u32], &[f32]) {
        let entries = self.rows.starts[row as usize]..entry as usize + 1;
        (&self.rows.columns[entries.clone()], &self.rows.values[entries])
    }

    /// Sorts the entries by genes.
    pub fn turn(&mut self, genes: usize) {
        let Self { rows, starts, by_gene, next } = self;
        starts.clear();
        starts.resize(genes + 1, 0);
        rows.columns.iter().for_each(|&gene| starts[gene as usize + 1] += 1);
        for gene in 0..genes {
            starts[gene + 1] += starts[gene];
        }
        next.clone_from(starts);
        by_gene.clear();
        by_gene.resize(rows.columns.len(), [0; 2]);
        for (row, of_row) in (0..).zip(rows.starts.windows(2)) {
            for entry in of_row[0]..of_row[1] {
                let place = &mut next[rows.columns[entry] as usize];
                by_gene[*place] = [row, entry as u32];
                *place += 1;
            }
        }
    }

    /// Bytes of a batch of rows with at most so many entries, and of reading it beside another.
    pub fn bytes(genes: u64, widest: u64) -> u64 {
        let entries = (MOST_ENTRIES as u64).max(widest);
        // Two batches row by row and gene by gene, and what is read of one; starts of rows and of genes.
        entries * (2 * 8 + 2 * 8 + 8) + MOST_ROWS * 8 * 3 + genes * 32
    }
}

/// A pass over the rows of one store.
pub struct BatchReader<'a> {
    source: &'a dyn RowSource,
    genes: &'a SharedGenes,
    /// Number of the store among those that share the genes.
    store: usize,
    tiles: TileReader<'a>,
    next: u64,
    read: SparseRows,
    tile: Tile,
    sorted: Vec<(u32, f32)>,
}

impl<'a> BatchReader<'a> {
    /// From a row on.
    pub fn new(source: &'a dyn RowSource, genes: &'a SharedGenes, store: usize, first: u64) -> Self {
        let tiles = TileReader::new(source, RowRange::new(first, source.rows()), Metric::Euclidean);
        Self {
            source,
            genes,
            store,
            tiles,
            next: first,
            read: SparseRows::default(),
            tile: Tile::default(),
            sorted: Vec::new(),
        }
    }

    /// Bytes that a pass over a source takes besides its batches.
    pub fn bytes(source: &dyn RowSource) -> u64 {
        if source.entries().is_some() {
            return source.scratch_bytes(MOST_ROWS.min(source.rows()));
        }
        TileReader::bytes(source).saturating_add((MOST_ENTRIES as u64).max(source.dim() as u64) * 4)
    }

    /// The row that comes next.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Fills `batch` with the next rows before `end`; with none there. `GM_SCHEMA` for a value that is not finite.
    pub fn next(&mut self, end: u64, batch: &mut Batch) -> Result<()> {
        batch.rows.begin(self.next);
        let rows = RowRange::new(self.next, end.min(self.next + MOST_ROWS));
        if rows.is_empty() {
            return Ok(());
        }
        if self.source.read_entries(rows, MOST_ENTRIES, &mut self.read)? {
            for row in 0..self.read.rows() {
                let entries = self.read.starts[row]..self.read.starts[row + 1];
                let columns = self.read.columns[entries.clone()].iter().map(|&column| column as usize);
                let entries = columns.zip(self.read.values[entries].iter().copied());
                take_row(self.genes, self.store, entries, &mut self.sorted, &mut batch.rows);
            }
        } else {
            let fitting = (MOST_ENTRIES / self.source.dim().max(1)).max(1) as u64;
            self.tiles.next((rows.len() as u64).min(fitting), &mut self.tile)?;
            for row in 0..self.tile.rows() {
                let values = self.tile.row(row);
                let stored = values.iter().filter(|value| **value != 0.0).count();
                // Zeros of a row that is nearly full cost less than places do.
                let all = stored * 2 > values.len();
                let entries = values.iter().copied().enumerate().filter(|(_, value)| all || *value != 0.0);
                take_row(self.genes, self.store, entries, &mut self.sorted, &mut batch.rows);
            }
        }
        self.check(batch)?;
        self.next += batch.rows() as u64;
        Ok(())
    }

    fn check(&self, batch: &Batch) -> Result<()> {
        let Some(entry) = batch.rows.values.iter().position(|value| !value.is_finite()) else { return Ok(()) };
        let row = batch.rows.starts.partition_point(|&start| start <= entry) - 1;
        let (value, cell) = (batch.rows.values[entry], batch.rows.first_row + row as u64);
        let gene = &self.genes.names()[batch.rows.columns[entry] as usize];
        let reason = format!("cell {cell} has {value} for gene {gene:?}, and components need numbers");
        Err(Error::schema(self.source.name(), "", "values", reason))
    }
}

/// Adds a row with its shared genes in ascending order, each once.
fn take_row(
    genes: &SharedGenes,
    store: usize,
    entries: impl Iterator<Item = (usize, f32)>,
    sorted: &mut Vec<(u32, f32)>,
    out: &mut SparseRows,
) {
    let first = out.values.len();
    let mut ascending = true;
    for (column, value) in entries {
        let Some(gene) = genes.place(store, column) else { continue };
        ascending &= out.columns[first..].last().is_none_or(|&last| last < gene);
        out.push(gene, value);
    }
    if !ascending {
        sorted.clear();
        sorted.extend(out.columns.drain(first..).zip(out.values.drain(first..)));
        // Stable: entries of one gene add up in the order in which they are stored.
        sorted.sort_by_key(|&(gene, _)| gene);
        for &(gene, value) in &*sorted {
            match out.columns[first..].last() {
                Some(&last) if last == gene => {
                    let sum = out.values.len() - 1;
                    out.values[sum] += value;
                }
                _ => out.push(gene, value),
            }
        }
    }
    out.end_row();
}
