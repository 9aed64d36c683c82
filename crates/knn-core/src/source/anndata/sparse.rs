//! A compressed sparse matrix as it is stored: `indptr`, `indices` and `data`, checked against its shape.
//!
//! Both compressions are one thing here, with a **major** axis that `indptr` counts and a minor one that `indices` name.
//! Unsorted indices, explicit zeros and entries that are there twice (which add up, as in scipy) are fine.

use serde::Deserialize;
use serde_json::Value;

use super::store::encoding;
use crate::error::{Error, Result};
use crate::source::container::{Container, Missing, Node};
use crate::source::key::join;
use crate::source::numbers;
use crate::source::window::Window;
use crate::types::{DType, RowRange};

/// More elements than any dense form of a matrix may have is no shape.
const MOST_CELLS: u64 = 1 << 48;
/// Entries that are looked at together.
pub(super) const PIECE: u64 = 1 << 16;

/// Which axis is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Compressed {
    /// CSR.
    Rows,
    /// CSC.
    Columns,
}

/// A sparse matrix that can be read along its major axis.
#[derive(Debug)]
pub(super) struct Sparse {
    store: String,
    path: String,
    pub(super) rows: u64,
    pub(super) columns: u64,
    pub(super) entries: u64,
    /// Extents of the compressed axis and of the other.
    pub(super) major: u64,
    pub(super) minor: u64,
    indptr: Window,
    indices: Window,
    data: Window,
}

/// Entries of a piece: where each lies on the minor axis, and its value.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) indices: Vec<u64>,
    pub(super) values: Vec<f32>,
    bytes: Vec<u8>,
}

impl Sparse {
    /// Opens the members of a sparse matrix and checks their sizes.
    pub(super) fn open(store: &dyn Container, path: &str, node: &Node, compressed: Compressed) -> Result<Self> {
        let wrong = |field: &str, reason: String| Error::schema(store.name(), path, field, reason);
        let field = if encoding(&node.attributes).is_empty() { "h5sparse_shape" } else { "shape" };
        let shape = node.attributes.get(field).unwrap_or(&Value::Null);
        let [rows, columns] =
            <[u64; 2]>::deserialize(shape).map_err(|_| wrong(field, format!("{shape} is not rows and columns")))?;
        if rows.max(1).checked_mul(columns.max(1)).is_none_or(|cells| cells > MOST_CELLS) {
            return Err(wrong(field, format!("[{rows}, {columns}] is more than 2^48 elements")));
        }
        let (major, minor) = if compressed == Compressed::Rows { (rows, columns) } else { (columns, rows) };
        // A chunk of values or indices that is lost would read as zeros. Of the first row pointers zeros are usual, and
        // later ones would run backwards.
        let (indptr, indices, data) = (
            Window::new(store.array(&join(path, "indptr"), Missing::Fill)?)?,
            Window::new(store.array(&join(path, "indices"), Missing::AllOrNone)?)?,
            Window::new(store.array(&join(path, "data"), Missing::AllOrNone)?)?,
        );
        for window in [&indptr, &indices] {
            if !numbers::is_integer(window.dtype()) {
                return Err(window.schema("data_type", format!("is {} and not an integer", window.dtype().name())));
            }
        }
        if data.dtype() == DType::String {
            return Err(data.schema("data_type", "strings cannot be a representation".into()));
        }
        if indptr.len() != major + 1 {
            return Err(indptr.schema("shape", format!("[{}] is not one more than {major}", indptr.len())));
        }
        if indices.len() != data.len() {
            return Err(indices.schema("shape", format!("[{}] is not that of data, [{}]", indices.len(), data.len())));
        }
        let entries = data.len();
        Ok(Self {
            store: store.name().into(),
            path: path.into(),
            rows,
            columns,
            entries,
            major,
            minor,
            indptr,
            indices,
            data,
        })
    }

    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.store, self.path)
    }

    pub(super) fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// Reads where each of these rows, or columns, begins among the entries, and where the last ends.
    pub(super) fn starts(&self, major: RowRange) -> Result<Vec<u64>> {
        let (mut bytes, mut starts) = (Vec::new(), Vec::with_capacity(major.len() + 1));
        let mut last = 0;
        for piece in (RowRange { start: major.start, end: major.end + 1 }).pieces(PIECE) {
            self.indptr.read(piece, &mut bytes)?;
            let mut fine = true;
            numbers::each_i64(self.indptr.dtype(), &bytes, |start| {
                let start = start.and_then(|start| u64::try_from(start).ok()).unwrap_or(u64::MAX);
                fine &= start >= last && start <= self.entries;
                last = start;
                starts.push(start);
            });
            if !fine {
                let rows = format!("{}..{}", piece.start, piece.end);
                let reason = format!("{rows} run backwards or point beyond the {} entries", self.entries);
                return Err(self.indptr.schema("values", reason));
            }
        }
        Ok(starts)
    }

    /// Reads entries, whose indices are then known to lie on the minor axis.
    pub(super) fn read(&self, entries: RowRange, out: &mut Entries) -> Result<()> {
        self.indices.read(entries, &mut out.bytes)?;
        out.indices.clear();
        numbers::each_i64(self.indices.dtype(), &out.bytes, |index| {
            out.indices.push(index.and_then(|index| u64::try_from(index).ok()).unwrap_or(u64::MAX));
        });
        if let Some(at) = out.indices.iter().position(|index| *index >= self.minor) {
            let reason = format!("that of entry {} lies outside the {}", entries.start + at as u64, self.minor);
            return Err(self.indices.schema("values", reason));
        }
        self.data.read(entries, &mut out.bytes)?;
        out.values.clear();
        numbers::extend_f32(self.data.dtype(), &out.bytes, &mut out.values);
        Ok(())
    }

    /// Bytes that reading takes at most, beyond what it fills, for so many rows, or columns, of the major axis.
    pub(super) fn scratch_bytes(&self, major: u64) -> u64 {
        let windows = [&self.indptr, &self.indices, &self.data].map(Window::bytes).iter().sum::<u64>();
        // Bytes, indices and values of a piece; and the starts.
        windows.saturating_add(PIECE * 20).saturating_add(major.saturating_add(1).saturating_mul(8))
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        [&self.indptr, &self.indices, &self.data].map(Window::stored_bytes).iter().sum()
    }

    /// Checks what is stored, and that the entries are as many as the pointers say.
    pub(super) fn preflight(&self) -> Result<()> {
        [&self.indptr, &self.indices, &self.data].into_iter().try_for_each(Window::preflight)?;
        let (first, last) =
            (self.starts(RowRange::new(0, 0))?[0], self.starts(RowRange::new(self.major, self.major))?[0]);
        if (first, last) != (0, self.entries) {
            let reason = format!("go from {first} to {last}, and there are {} entries", self.entries);
            return Err(self.indptr.schema("values", reason));
        }
        Ok(())
    }

    pub(super) fn fingerprint(&self, seed: u64) -> Result<u128> {
        let mut hash = xxhash_rust::xxh3::Xxh3::with_seed(seed);
        for number in [self.rows, self.columns, self.major] {
            hash.update(&number.to_le_bytes());
        }
        for window in [&self.indptr, &self.indices, &self.data] {
            hash.update(&window.fingerprint(seed)?.to_le_bytes());
        }
        Ok(hash.digest128())
    }

    pub(super) fn warnings(&self) -> Result<Vec<String>> {
        if self.entries > 0 && self.data.is_absent()? {
            return Ok(vec![format!("{}/data has no stored chunk: every value is its fill value", self.name())]);
        }
        Ok(Vec::new())
    }
}
