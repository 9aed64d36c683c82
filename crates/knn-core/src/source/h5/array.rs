//! One array of a file: what it is, and what reading it takes. Reading itself is in `read.rs` and `strings.rs`.

use hdf5_reader::Dataset;

use super::element::{Element, Text, check_number};
use super::file::H5File;
use super::heap::HEAP_BYTES;
use super::place::{Layout, Place, unsupported};
use super::table;
use crate::error::{Error, Result};
use crate::source::StringBlock;
use crate::source::container::{Container, Missing, StoredArray};
use crate::source::zarr::{Spare, in_flight};
use crate::types::{DType, RowRange};

/// Bytes of records that are worth a read.
const READ_BYTES: u64 = 1 << 20;

/// An array of an HDF5 file.
#[derive(Debug)]
pub(super) struct H5Array {
    file: H5File,
    path: String,
    element: Element,
    layout: Layout,
    missing: Missing,
    spare: Spare,
}

impl H5Array {
    /// Opens a dataset, or a field of a compound one.
    pub(super) fn open(
        file: &H5File,
        path: &str,
        dataset: &Dataset,
        field: Option<&str>,
        missing: Missing,
    ) -> Result<Self> {
        let refused = |what: String| unsupported(file, path, &format!("data type {what}"));
        let element = match field {
            Some(field) => table::element(dataset, field),
            None => Element::parse(dataset.dtype()),
        };
        let element = element.map_err(refused)?;
        if field.is_none() && element.text.is_none() {
            let message = file.ask(path, |_| dataset.raw_datatype())?;
            check_number(&message).map_err(refused)?;
        }
        if element.text == Some(Text::Variable) && file.shared().reader.superblock().offset_size != 8 {
            return Err(refused("string with addresses of less than 8 bytes".into()));
        }
        let layout = Layout::read(file, path, dataset, &element)?;
        Ok(Self { file: file.clone(), path: path.into(), element, layout, missing, spare: Spare::default() })
    }

    /// Damage of a part of this array.
    pub(super) fn corrupt(&self, block: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Corrupt { file: self.name(), block: block.into(), reason: reason.into() }
    }

    /// A chunk that other chunks of its array show to have been lost.
    pub(super) fn lost(&self, number: u64) -> Error {
        self.corrupt(format!("chunk {number}"), "is missing while other chunks of the array exist")
    }

    /// Whether a chunk that is not there is one that others show to have been lost.
    pub(super) fn is_lost(&self, number: u64) -> bool {
        let Place::Chunks(spans) = &self.layout.place else { return false };
        match self.missing {
            Missing::Fill => false,
            Missing::AllOrNone => true,
            Missing::Bands => {
                let across = self.chunks_across();
                let first = number / across * across;
                let next = spans.partition_point(|(number, _)| *number < first);
                spans.get(next).is_none_or(|(number, _)| *number >= first + across)
            }
        }
    }

    /// Chunks side by side.
    fn chunks_across(&self) -> u64 {
        self.layout.grid.objects().iter().skip(1).product::<u64>().max(1)
    }

    pub(super) fn file(&self) -> &H5File {
        &self.file
    }

    pub(super) fn element(&self) -> &Element {
        &self.element
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn spare(&self) -> &Spare {
        &self.spare
    }

    /// Records of so many rows: each value is one, but for fields that are arrays.
    pub(super) fn records(&self, rows: u64) -> u64 {
        let columns: u64 = self.shape().iter().skip(1).product();
        rows.saturating_mul(columns) / self.element.values as u64
    }

    /// Bytes of the records of a chunk before its filters.
    pub(super) fn decoded_bytes(&self) -> u64 {
        self.layout.grid.inner_elements() / self.element.values as u64 * self.element.record as u64
    }
}

impl StoredArray for H5Array {
    fn name(&self) -> String {
        format!("{}/{}", self.file.name(), self.path)
    }

    fn shape(&self) -> &[u64] {
        &self.layout.grid.shape
    }

    fn dtype(&self) -> DType {
        self.element.dtype
    }

    fn inner_chunk(&self) -> &[u64] {
        &self.layout.grid.inner
    }

    /// Small chunks are read several bands at a time: each read costs more than one of them.
    fn inner_rows(&self) -> u64 {
        let grid = &self.layout.grid;
        let band = self.decoded_bytes().saturating_mul(grid.band_width()).max(1);
        let bands = (READ_BYTES / band).clamp(1, grid.rows().div_ceil(grid.band_rows()).max(1));
        grid.band_rows() * bands
    }

    fn codec(&self) -> String {
        self.layout.filters.name()
    }

    fn reads_in_place(&self) -> bool {
        matches!(self.layout.place, Place::Contiguous(_)) && self.element.is_raw()
    }

    fn scratch_bytes(&self, rows: u64) -> u64 {
        if self.reads_in_place() {
            return 0;
        }
        let grid = &self.layout.grid;
        let bands = (rows.div_ceil(grid.band_rows()) + 1).min(grid.rows().div_ceil(grid.band_rows()));
        let decoded = self.decoded_bytes();
        let working = self.layout.filters.largest_working(decoded);
        if self.dtype() == DType::String {
            return working.saturating_add(HEAP_BYTES);
        }
        let jobs = bands.saturating_mul(grid.band_width()).min(in_flight(decoded));
        let threads = jobs.min(rayon::current_num_threads() as u64);
        jobs.saturating_mul(decoded).saturating_add(threads.saturating_mul(working))
    }

    /// Texts in heaps are not counted.
    fn stored_bytes(&self) -> u64 {
        match &self.layout.place {
            Place::Absent => 0,
            Place::Inline(bytes) => bytes.len() as u64,
            Place::Contiguous(_) => self.records(self.rows()).saturating_mul(self.element.record as u64),
            Place::Chunks(spans) => spans.iter().map(|(_, span)| span.length).sum(),
        }
    }

    fn read_into(&self, rows: RowRange, out: &mut [u8]) -> Result<()> {
        self.read_values(rows, out)
    }

    fn read_strings(&self, rows: RowRange, out: &mut StringBlock) -> Result<()> {
        self.read_texts(rows, out)
    }

    /// Places of chunks were checked when the array was opened.
    fn preflight(&self) -> Result<()> {
        let Place::Chunks(spans) = &self.layout.place else { return Ok(()) };
        let count: u64 = self.layout.grid.objects().iter().product();
        if self.missing == Missing::Bands {
            let bands = self.layout.grid.objects().first().copied().unwrap_or(0);
            let lost = (0..bands).map(|band| band * self.chunks_across()).find(|&first| self.is_lost(first));
            return lost.map_or(Ok(()), |first| Err(self.lost(first)));
        }
        if self.missing == Missing::AllOrNone && (spans.len() as u64) < count {
            let absent = (0..).zip(spans).find(|(number, (stored, _))| number != stored);
            return Err(self.lost(absent.map_or(spans.len() as u64, |(number, _)| number)));
        }
        Ok(())
    }

    fn fingerprint(&self, seed: u64) -> Result<u128> {
        self.content_hash(seed)
    }

    fn is_absent(&self) -> Result<bool> {
        Ok(matches!(self.layout.place, Place::Absent))
    }

    fn schema(&self, field: &str, reason: String) -> Error {
        Error::schema(self.file.name(), self.path.as_str(), field, reason)
    }
}
