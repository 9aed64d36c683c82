//! Where the values of an array are, and what the metadata say of it: everything is checked here, before a value is read.

use hdf5_reader::Dataset;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::layout::DataLayout;

use super::chunks::{Expected, Span, entries, spans};
use super::element::Element;
use super::file::H5File;
use super::filter::Filters;
use crate::error::{Error, Result};
use crate::source::container::Container;
use crate::source::zarr::Grid;

/// No array of an AnnData has more dimensions.
const MOST_DIMENSIONS: usize = 32;
/// Most values of an array.
const MOST_VALUES: u64 = 1 << 48;
/// Most bytes of a decoded chunk.
const LARGEST_CHUNK: u64 = 1 << 30;
/// Bytes of what is not chunked that are read at a time.
const WINDOW: u64 = 1 << 20;

/// Where values are stored.
#[derive(Debug)]
pub(super) enum Place {
    /// Nowhere: each is the fill value.
    Absent,
    /// In the metadata.
    Inline(Vec<u8>),
    /// One after the other, from this byte of the file on.
    Contiguous(u64),
    /// In chunks, by number.
    Chunks(Vec<(u64, Span)>),
}

/// An array as its header describes it.
#[derive(Debug)]
pub(super) struct Layout {
    /// Shape and chunks in values; what is not chunked is cut into windows of rows.
    pub(super) grid: Grid,
    pub(super) place: Place,
    pub(super) filters: Filters,
    /// One value, native-endian. Empty for texts.
    pub(super) fill: Vec<u8>,
}

impl Layout {
    /// Reads and checks the header of a dataset.
    pub(super) fn read(file: &H5File, path: &str, dataset: &Dataset, element: &Element) -> Result<Self> {
        let wrong = |field: &str, reason: String| Error::schema(file.name(), path, field, reason);
        let records = dataset.shape();
        if records.len() + 1 > MOST_DIMENSIONS {
            return Err(wrong("shape", format!("{} dimensions are too many", records.len())));
        }
        // Zeros count as ones here, so that they cannot hide a factor that overflows elsewhere.
        let count = product(records.iter().copied().chain([element.values as u64]));
        if count.is_none_or(|count| count > MOST_VALUES) {
            return Err(wrong("shape", format!("{records:?} is more than 2^48 values")));
        }
        let header = file.ask(path, |reader| reader.get_or_parse_header(dataset.address()))?;
        let (mut layout, mut filters) = (None, Filters::default());
        for message in &header.messages {
            match message {
                HdfMessage::DataLayout(found) => layout = Some(&found.layout),
                HdfMessage::FilterPipeline(found) => {
                    filters = Filters::parse(found, element.record).map_err(|what| unsupported(file, path, &what))?;
                }
                HdfMessage::ExternalFiles(_) => return Err(unsupported(file, path, "data in another file")),
                _ => {}
            }
        }
        let layout = layout.ok_or_else(|| wrong("layout", "is missing".into()))?;
        let (inner, place) = match layout {
            DataLayout::Compact { data } => {
                let needed = stored_bytes(records, element);
                if (data.len() as u64) < needed {
                    return Err(wrong("layout", format!("{} bytes where the shape needs {needed}", data.len())));
                }
                (window(records, element), Place::Inline(data.clone()))
            }
            DataLayout::Contiguous { address, size } => {
                (window(records, element), contiguous(file, path, *address, *size, stored_bytes(records, element))?)
            }
            DataLayout::Chunked { address, dims, chunk_indexing, .. } => {
                let chunk = dims.get(..records.len()).ok_or_else(|| wrong("chunks", format!("are {dims:?}")))?;
                let inner: Vec<u64> = chunk.iter().map(|&extent| u64::from(extent)).collect();
                let decoded = product(inner.iter().copied().chain([element.record as u64]));
                let decoded = decoded.filter(|&decoded| decoded <= LARGEST_CHUNK && !inner.contains(&0));
                let decoded = decoded.ok_or_else(|| wrong("chunks", format!("{inner:?} are not 1 byte to 1 GiB")))?;
                let grid = Grid { shape: records.to_vec(), object: inner.clone(), inner: inner.clone() };
                let place = if is_undefined(file, *address) || records.contains(&0) {
                    Place::Absent
                } else {
                    let found = file.ask(path, |reader| {
                        entries(reader, dataset, *address, chunk, chunk_indexing.as_ref(), element.record)
                    })?;
                    let expected = Expected {
                        grid: &grid,
                        decoded,
                        most: filters.largest_encoded(decoded),
                        filtered: !filters.is_empty(),
                        file: file.shared().file.file.length(),
                        base: file.base(),
                    };
                    let spans = spans(found, &expected).map_err(|(block, reason)| Error::Corrupt {
                        file: format!("{}/{path}", file.name()),
                        block,
                        reason,
                    })?;
                    if spans.is_empty() { Place::Absent } else { Place::Chunks(spans) }
                };
                (inner, place)
            }
        };
        let fill = fill(dataset, element).ok_or_else(|| wrong("fill_value", "has another size than a value".into()))?;
        let (mut shape, mut inner) = (records.to_vec(), inner);
        if element.values > 1 {
            shape.push(element.values as u64);
            inner.push(element.values as u64);
        }
        Ok(Self { grid: Grid { shape, object: inner.clone(), inner }, place, filters, fill })
    }
}

pub(super) fn unsupported(file: &H5File, path: &str, what: &str) -> Error {
    Error::Unsupported {
        what: format!("{}/{path}: {what}", file.name()),
        remedy: "write the file again with anndata's defaults".into(),
    }
}

fn product(extents: impl Iterator<Item = u64>) -> Option<u64> {
    extents.map(|extent| extent.max(1)).try_fold(1u64, u64::checked_mul)
}

/// Bytes of all records; the shape was checked.
fn stored_bytes(records: &[u64], element: &Element) -> u64 {
    records.iter().product::<u64>().saturating_mul(element.record as u64)
}

/// Chunk shape of what has no chunks: as many rows as a window holds.
fn window(records: &[u64], element: &Element) -> Vec<u64> {
    let Some((&rows, columns)) = records.split_first() else { return Vec::new() };
    let row = stored_bytes(columns, element).max(1);
    let mut inner = vec![(WINDOW / row).clamp(1, rows.max(1))];
    inner.extend(columns.iter().map(|&extent| extent.max(1)));
    inner
}

fn is_undefined(file: &H5File, address: u64) -> bool {
    let size = file.shared().reader.superblock().offset_size;
    hdf5_reader::io::Cursor::is_undefined_offset(address, size)
}

fn contiguous(file: &H5File, path: &str, address: u64, size: u64, needed: u64) -> Result<Place> {
    if is_undefined(file, address) || needed == 0 {
        return Ok(Place::Absent);
    }
    if size < needed {
        let reason = format!("{size} bytes are stored where the shape needs {needed}");
        return Err(Error::schema(file.name(), path, "shape", reason));
    }
    let offset = address.checked_add(file.base());
    let inside = |offset: &u64| offset.checked_add(needed).is_some_and(|end| end <= file.shared().file.file.length());
    let offset = offset.filter(inside).ok_or_else(|| Error::Corrupt {
        file: format!("{}/{path}", file.name()),
        block: "data".into(),
        reason: format!("{needed} bytes at {address} end behind the end of the file"),
    })?;
    Ok(Place::Contiguous(offset))
}

fn fill(dataset: &Dataset, element: &Element) -> Option<Vec<u8>> {
    let Some(size) = element.dtype.size() else { return Some(Vec::new()) };
    let Some(value) = dataset.fill_value().and_then(|fill| fill.value.as_deref()).filter(|value| !value.is_empty())
    else {
        return Some(vec![0; size]);
    };
    if value.len() != element.record {
        return None;
    }
    let mut values = element.convert(value.to_vec());
    values.truncate(size);
    Some(values)
}
