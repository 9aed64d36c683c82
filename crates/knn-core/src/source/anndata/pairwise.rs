//! A member of `obsp` as edges: the stored entries of a matrix of cells × cells, row by row.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sparse::{Entries, PIECE, Sparse};
use crate::error::{Error, Result};
use crate::source::{EdgeBlock, EdgeRows};
use crate::types::RowRange;

/// A sparse matrix that is compressed by rows.
#[derive(Debug)]
pub(super) struct PairwiseRows {
    matrix: Sparse,
}

impl PairwiseRows {
    pub(super) fn new(matrix: Sparse) -> Self {
        Self { matrix }
    }
}

impl EdgeRows for PairwiseRows {
    fn name(&self) -> String {
        self.matrix.name()
    }

    fn rows(&self) -> u64 {
        self.matrix.rows
    }

    fn columns(&self) -> Option<u64> {
        Some(self.matrix.columns)
    }

    fn widths(&self, rows: RowRange) -> Result<Vec<u64>> {
        Ok(self.matrix.starts(rows)?.windows(2).map(|pair| pair[1] - pair[0]).collect())
    }

    fn read(&self, rows: RowRange, out: &mut EdgeBlock) -> Result<()> {
        let starts = self.matrix.starts(rows)?;
        let (first, last) = (starts.first().copied().unwrap_or(0), starts.last().copied().unwrap_or(0));
        out.starts.clear();
        out.starts.extend(starts.iter().map(|start| (start - first) as usize));
        out.ids.clear();
        out.distances.clear();
        let mut entries = Entries::default();
        for piece in RowRange::new(first, last).pieces(PIECE) {
            self.matrix.read(piece, &mut entries)?;
            out.ids.extend(entries.indices.iter().map(|&index| i64::try_from(index).unwrap_or(i64::MAX)));
            out.distances.extend_from_slice(&entries.values);
        }
        Ok(())
    }

    fn scratch_bytes(&self, rows: u64, _: u64) -> u64 {
        self.matrix.scratch_bytes(rows)
    }

    fn preflight(&self) -> Result<()> {
        self.matrix.preflight()
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        self.matrix.fingerprint(seed)
    }
}

/// Rows whose entries are counted together.
const COUNTED_ROWS: u64 = 1 << 20;
/// Entries that are turned together: 64 MiB of them.
const TURNED_ENTRIES: u64 = 1 << 23;

/// A sparse matrix that is compressed by columns. A row of it is everywhere, so as many rows as there is room for are turned in one pass over all
/// entries, and kept until others are asked for: a matrix of e entries is read ⌈e / 2^23⌉ times where it is read from front to back, and once more
/// for each 2^20 rows.
#[derive(Debug)]
pub(super) struct PairwiseColumns {
    matrix: Sparse,
    counted_rows: u64,
    turned_entries: u64,
    band: Mutex<Turned>,
}

/// Rows that are turned, among rows that are counted.
#[derive(Debug, Default)]
struct Turned {
    first_counted: u64,
    /// Entries of each row from there on.
    counts: Vec<u32>,
    first: u64,
    /// Where the entries of each row from there on begin, and where those of the last end.
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl PairwiseColumns {
    /// Takes a matrix; `GM_UNSUPPORTED` for more than 2^32 columns.
    pub(super) fn new(matrix: Sparse) -> Result<Self> {
        if u32::try_from(matrix.columns).is_err() {
            return Err(Error::Unsupported {
                what: format!("{}, a csc_matrix of more than 2^32 columns,", matrix.name()),
                remedy: "store it by rows: scipy.sparse.csr_matrix(matrix)".into(),
            });
        }
        Ok(Self { matrix, counted_rows: COUNTED_ROWS, turned_entries: TURNED_ENTRIES, band: Mutex::default() })
    }

    /// Shows every entry, column by column: its row, its column and its value.
    fn each(&self, mut see: impl FnMut(u64, u32, f32)) -> Result<()> {
        let mut entries = Entries::default();
        for columns in RowRange::new(0, self.matrix.major).pieces(PIECE) {
            let starts = self.matrix.starts(columns)?;
            let all = RowRange::new(starts[0], starts[starts.len() - 1]);
            let mut column = 0;
            for piece in all.pieces(PIECE) {
                self.matrix.read(piece, &mut entries)?;
                for (number, (&row, &value)) in (piece.start..).zip(entries.indices.iter().zip(&entries.values)) {
                    while starts[column + 1] <= number {
                        column += 1;
                    }
                    see(row, (columns.start + column as u64) as u32, value);
                }
            }
        }
        Ok(())
    }

    /// Counts the entries of these rows, and of those behind them for whom there is room.
    fn count(&self, rows: RowRange, band: &mut Turned) -> Result<()> {
        let counted = band.first_counted..band.first_counted + band.counts.len() as u64;
        if counted.start <= rows.start && rows.end <= counted.end {
            return Ok(());
        }
        let last = (rows.start + self.counted_rows).min(self.matrix.rows).max(rows.end);
        band.first_counted = rows.start;
        band.counts.clear();
        band.counts.resize((last - rows.start) as usize, 0);
        self.each(|row, _, _| {
            if (rows.start..last).contains(&row) {
                band.counts[(row - rows.start) as usize] += 1;
            }
        })
    }

    /// Turns these rows, and those behind them for whom there is room.
    fn turn(&self, rows: RowRange, band: &mut Turned) -> Result<()> {
        let turned = band.first..band.first + band.starts.len().saturating_sub(1) as u64;
        if turned.start <= rows.start && rows.end <= turned.end {
            return Ok(());
        }
        self.count(rows, band)?;
        let Turned { first_counted, counts, first, starts, columns, values } = band;
        *first = rows.start;
        starts.clear();
        starts.push(0);
        let mut end = 0;
        for (row, count) in (*first_counted..).zip(counts.iter()).skip((rows.start - *first_counted) as usize) {
            end += *count as usize;
            if end as u64 > self.turned_entries && row >= rows.end {
                break;
            }
            starts.push(end);
        }
        let (entries, last) = (starts[starts.len() - 1], *first + starts.len() as u64 - 1);
        columns.clear();
        columns.resize(entries, 0);
        values.clear();
        values.resize(entries, 0.0);
        // Starts move to the ends of their rows, and are moved back at the end.
        self.each(|row, column, value| {
            if (*first..last).contains(&row) {
                let place = &mut starts[(row - *first) as usize];
                (columns[*place], values[*place]) = (column, value);
                *place += 1;
            }
        })?;
        starts.rotate_right(1);
        starts[0] = 0;
        Ok(())
    }

    fn band(&self) -> MutexGuard<'_, Turned> {
        self.band.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EdgeRows for PairwiseColumns {
    fn name(&self) -> String {
        self.matrix.name()
    }

    fn rows(&self) -> u64 {
        self.matrix.rows
    }

    fn columns(&self) -> Option<u64> {
        Some(self.matrix.columns)
    }

    fn widths(&self, rows: RowRange) -> Result<Vec<u64>> {
        let mut band = self.band();
        self.count(rows, &mut band)?;
        let first = (rows.start - band.first_counted) as usize;
        Ok(band.counts[first..first + rows.len()].iter().map(|&count| u64::from(count)).collect())
    }

    fn read(&self, rows: RowRange, out: &mut EdgeBlock) -> Result<()> {
        let mut band = self.band();
        self.turn(rows, &mut band)?;
        let first = (rows.start - band.first) as usize;
        let starts = &band.starts[first..=first + rows.len()];
        let entries = starts[0]..starts[rows.len()];
        out.starts.clear();
        out.starts.extend(starts.iter().map(|start| start - entries.start));
        out.ids.clear();
        out.ids.extend(band.columns[entries.clone()].iter().map(|&column| i64::from(column)));
        out.distances.clear();
        out.distances.extend_from_slice(&band.values[entries]);
        Ok(())
    }

    fn scratch_bytes(&self, _: u64, edges: u64) -> u64 {
        let rows = self.counted_rows.min(self.matrix.rows);
        let entries = self.matrix.entries.min(self.turned_entries.max(edges));
        let turned = (rows * 12 + 64).saturating_add(entries * 8);
        self.matrix.scratch_bytes(PIECE.min(self.matrix.major)).saturating_add(turned)
    }

    fn preflight(&self) -> Result<()> {
        self.matrix.preflight()
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        self.matrix.fingerprint(seed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::source::AnnDataStore;
    use crate::source::anndata::sparse::Compressed;
    use crate::source::testing::{Spec, anndata, array, floats, group};
    use crate::types::DType;

    #[test]
    fn rows_of_a_matrix_by_columns_are_the_same_wherever_they_are_cut() {
        const N: usize = 23;
        let (_folder, root) = anndata(N, &[]);
        let value = |row: usize, column: usize| {
            ((row * 7 + column * 3).is_multiple_of(5) || row == 4).then(|| (row * N + column) as f32)
        };
        let (mut indptr, mut indices, mut data) = (vec![0u32], Vec::new(), Vec::new());
        for column in 0..N {
            for row in (0..N).rev() {
                if let Some(value) = value(row, column) {
                    indices.push(row as u32);
                    data.push(value);
                }
            }
            indptr.push(indices.len() as u32);
        }
        let bytes = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
        let count = indices.len() as u64;
        group(&root, "obsp", &json!({ "encoding-type": "dict", "encoding-version": "0.1.0" }));
        let shape = json!({ "encoding-type": "csc_matrix", "encoding-version": "0.1.0", "shape": [N, N] });
        group(&root, "obsp/x", &shape);
        array(&root, "obsp/x/indptr", &Spec::new(DType::UInt32, &[N as u64 + 1]), &bytes(&indptr));
        array(&root, "obsp/x/indices", &Spec::new(DType::UInt32, &[count]), &bytes(&indices));
        array(&root, "obsp/x/data", &Spec::new(DType::Float32, &[count]), &floats(data));
        let store = AnnDataStore::open(&root).unwrap();
        for (counted_rows, turned_entries, step) in [(100, 1000, N), (5, 1, 3), (4, 30, 2), (1, 1, 1), (9, 25, 9)] {
            let node = store.container().node("obsp/x").unwrap().unwrap();
            let matrix = Sparse::open(store.container(), "obsp/x", &node, Compressed::Columns).unwrap();
            let rows = PairwiseColumns { counted_rows, turned_entries, ..PairwiseColumns::new(matrix).unwrap() };
            rows.preflight().unwrap();
            assert_eq!((EdgeRows::rows(&rows), EdgeRows::columns(&rows)), (N as u64, Some(N as u64)));
            // From front to back, and once more from the front.
            for _ in 0..2 {
                let mut block = EdgeBlock::default();
                for piece in RowRange::new(0, N as u64).pieces(step as u64) {
                    let widths = rows.widths(piece).unwrap();
                    EdgeRows::read(&rows, piece, &mut block).unwrap();
                    for (at, row) in (piece.start as usize..piece.end as usize).enumerate() {
                        let own = block.starts[at]..block.starts[at + 1];
                        let expected: Vec<_> =
                            (0..N).filter_map(|column| Some((column as i64, value(row, column)?))).collect();
                        let found =
                            block.ids[own.clone()].iter().copied().zip(block.distances[own.clone()].iter().copied());
                        assert_eq!(found.collect::<Vec<_>>(), expected, "row {row} of {counted_rows} {turned_entries}");
                        assert_eq!(widths[at], own.len() as u64);
                    }
                }
            }
        }
    }
}
