//! The nouns that every stage shares: row ranges, element types, tiles and neighbour blocks.

use serde::{Deserialize, Serialize};

/// A half-open range of rows, `start..end`, of a query or a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowRange {
    /// First row.
    pub start: u64,
    /// One past the last row.
    pub end: u64,
}

impl RowRange {
    /// The range `start..end`.
    pub fn new(start: u64, end: u64) -> Self {
        debug_assert!(start <= end);
        Self { start, end }
    }

    /// Number of rows.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there is no row in it.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Cuts the range into pieces of at most `rows` rows, in order.
    pub fn pieces(self, rows: u64) -> impl Iterator<Item = Self> {
        debug_assert!(rows > 0);
        (self.start..self.end)
            .step_by(rows as usize)
            .map(move |start| Self { start, end: (start + rows).min(self.end) })
    }
}

/// Element type of an array on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are zarr's own")]
pub enum DType {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float16,
    Float32,
    Float64,
    String,
}

impl DType {
    /// Bytes of one element; `None` for variable-length strings.
    pub fn size(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Int8 | Self::UInt8 => Some(1),
            Self::Int16 | Self::UInt16 | Self::Float16 => Some(2),
            Self::Int32 | Self::UInt32 | Self::Float32 => Some(4),
            Self::Int64 | Self::UInt64 | Self::Float64 => Some(8),
            Self::String => None,
        }
    }

    /// zarr v3's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::UInt8 => "uint8",
            Self::UInt16 => "uint16",
            Self::UInt32 => "uint32",
            Self::UInt64 => "uint64",
            Self::Float16 => "float16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::String => "string",
        }
    }

    /// Every type.
    pub const ALL: [Self; 13] = [
        Self::Bool,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::UInt8,
        Self::UInt16,
        Self::UInt32,
        Self::UInt64,
        Self::Float16,
        Self::Float32,
        Self::Float64,
        Self::String,
    ];

    /// The type that zarr v3 calls `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

/// A block of consecutive rows of a representation, row-major f32, in the order of the source.
#[derive(Debug, Clone, Default)]
pub struct Tile {
    /// Global number of the first row.
    pub first_row: u64,
    /// Columns of each row.
    pub dim: usize,
    /// `rows × dim` values.
    pub values: Vec<f32>,
}

impl Tile {
    /// Number of rows held.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.dim).unwrap_or(0)
    }

    /// The values of one row, counted within the tile.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dim..(row + 1) * self.dim]
    }
}

/// Consecutive rows of a matrix by their entries, in the order of the source. What has no entry is 0; an entry may be 0, too.
#[derive(Debug, Clone, Default)]
pub struct SparseRows {
    /// Global number of the first row.
    pub first_row: u64,
    /// Where each row begins among the entries, and where the last one ends.
    pub starts: Vec<usize>,
    /// Column of each entry.
    pub columns: Vec<u32>,
    /// Value of each entry.
    pub values: Vec<f32>,
}

impl SparseRows {
    /// Number of rows held.
    pub fn rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Leaves no row, and begins with that one.
    pub fn begin(&mut self, first_row: u64) {
        self.first_row = first_row;
        self.starts.clear();
        self.starts.push(0);
        self.columns.clear();
        self.values.clear();
    }

    /// Adds an entry to the row that is not ended yet.
    pub fn push(&mut self, column: u32, value: f32) {
        self.columns.push(column);
        self.values.push(value);
    }

    /// Ends a row.
    pub fn end_row(&mut self) {
        self.starts.push(self.values.len());
    }
}

/// What became of a query cell: the codes of `obs/mapping_status`. −1 in a store means not yet written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(i8)]
pub enum MappingStatus {
    /// It has neighbours.
    Ok = 0,
    /// Valid, but there was no reference cell to find.
    NoNeighbors = 1,
    /// A coordinate is NaN or infinite.
    InvalidInput = 2,
    /// All coordinates are zero, where the metric needs a direction.
    ZeroVector = 3,
}

impl MappingStatus {
    /// Category names, by code.
    pub const NAMES: [&'static str; 4] = ["ok", "no neighbors", "invalid input", "zero vector"];
}

/// The k nearest reference cells of a block of query cells: `rows × k`, ascending by (f32 distance, id), padded with
/// id −1 and distance NaN. Distances are true metric distances.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NeighborBlock {
    /// Global number of the first query row.
    pub first_row: u64,
    /// Width of each row.
    pub k: usize,
    /// Reference rows, −1 where there is none.
    pub ids: Vec<i64>,
    /// Distances, NaN where there is none.
    pub distances: Vec<f32>,
}

impl NeighborBlock {
    /// `rows` rows without any neighbour.
    pub fn empty(rows: usize, k: usize) -> Self {
        Self { first_row: 0, k, ids: vec![-1; rows * k], distances: vec![f32::NAN; rows * k] }
    }

    /// Number of query rows held.
    pub fn rows(&self) -> usize {
        self.ids.len().checked_div(self.k).unwrap_or(0)
    }

    /// Valid neighbours of one row (counted within the block): ids and distances without the padding.
    pub fn row(&self, row: usize) -> (&[i64], &[f32]) {
        let ids = &self.ids[row * self.k..(row + 1) * self.k];
        let valid = ids.iter().position(|&id| id < 0).unwrap_or(self.k);
        (&ids[..valid], &self.distances[row * self.k..row * self.k + valid])
    }
}
