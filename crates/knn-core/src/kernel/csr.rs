//! A block of rows of the mapping matrix M.

/// Row-normalised weights of a block of query rows, in the order of their neighbours with a self edge first, or of columns where they are
/// symmetrised. Lives for one block.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CsrBlock {
    /// Global number of the first query row.
    pub first_row: u64,
    /// Start of each row in `columns`, and the end of the last.
    pub starts: Vec<usize>,
    /// Reference rows.
    pub columns: Vec<u64>,
    /// Their weights; each non-empty row sums to 1.
    pub weights: Vec<f64>,
}

impl CsrBlock {
    /// Number of query rows held.
    pub fn rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Reference rows and weights of one query row, counted within the block.
    pub fn row(&self, row: usize) -> (&[u64], &[f64]) {
        let range = self.starts[row]..self.starts[row + 1];
        (&self.columns[range.clone()], &self.weights[range])
    }

    /// Reference rows and weights of one query row, in the order of reference rows.
    pub fn by_column<'b>(&self, row: usize, buffer: &'b mut Vec<(u64, f64)>) -> &'b [(u64, f64)] {
        let (columns, weights) = self.row(row);
        buffer.clear();
        buffer.extend(columns.iter().copied().zip(weights.iter().copied()));
        // A reference row is a neighbour once.
        buffer.sort_unstable_by_key(|(column, _)| *column);
        buffer
    }

    /// A copy of some rows, counted within the block.
    #[must_use]
    pub fn part(&self, rows: std::ops::Range<usize>) -> Self {
        let edges = self.starts[rows.start]..self.starts[rows.end];
        Self {
            first_row: self.first_row + rows.start as u64,
            starts: self.starts[rows.start..=rows.end].iter().map(|start| start - edges.start).collect(),
            columns: self.columns[edges.clone()].to_vec(),
            weights: self.weights[edges].to_vec(),
        }
    }

    /// Empties the block for rows from `first_row` on.
    pub(super) fn clear(&mut self, first_row: u64) {
        self.first_row = first_row;
        self.starts.clear();
        self.starts.push(0);
        self.columns.clear();
        self.weights.clear();
    }
}
