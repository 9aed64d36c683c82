//! `zarr.json` of an array, turned into a grid, a codec chain and a fill value, or refused with the field at fault.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::codec::{Codecs, ends_big};
use super::fill::fill_bytes;
use super::grid::Grid;
use super::key_encoding::KeyEncoding;
use super::text::FixedText;
use crate::error::{Error, Result};
use crate::source::times;
use crate::types::DType;

/// No array of an AnnData has more dimensions.
const MOST_DIMENSIONS: usize = 32;
/// Most elements of an array, and most of a chunk before its bytes are looked at.
const MOST_ELEMENTS: u64 = 1 << 48;
/// Most bytes of a decoded inner chunk.
pub(super) const LARGEST_CHUNK: u64 = 1 << 30;
/// Most inner chunks of a shard: their index takes 64 MiB.
const MOST_SLOTS: u64 = 1 << 22;

/// The fields of a `zarr.json` that are read. Everything else, consolidated metadata above all, is skipped unparsed.
#[derive(Debug, Deserialize)]
pub(super) struct Fields {
    pub(super) zarr_format: u64,
    pub(super) node_type: String,
    #[serde(default)]
    pub(super) attributes: Map<String, Value>,
    pub(super) shape: Option<Vec<u64>>,
    pub(super) data_type: Option<Named>,
    pub(super) chunk_grid: Option<Named>,
    pub(super) chunk_key_encoding: Option<Named>,
    pub(super) fill_value: Option<Value>,
    pub(super) codecs: Option<Vec<Named>>,
    #[serde(default)]
    pub(super) storage_transformers: Vec<Value>,
}

/// zarr's extension points: a name, or a name with a configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Named {
    Short(String),
    Long {
        name: String,
        #[serde(default)]
        configuration: Map<String, Value>,
    },
}

impl Named {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Short(name) | Self::Long { name, .. } => name,
        }
    }

    pub(super) fn field<'a, T: Deserialize<'a>>(&'a self, field: &str) -> Option<T> {
        match self {
            Self::Short(_) => None,
            Self::Long { configuration, .. } => T::deserialize(configuration.get(field)?).ok(),
        }
    }
}

impl Fields {
    /// Name of the element type, for what cannot be read further. Texts of every kind are `string`, and times tell their unit.
    pub(super) fn type_name(&self) -> String {
        let Some(named) = self.data_type.as_ref() else { return String::new() };
        if times::is_time(named.name()) {
            let unit: String = named.field("unit").unwrap_or_default();
            return times::declared(named.name(), &unit, named.field("scale_factor").unwrap_or(1));
        }
        if FixedText::is_named(named) { "string".into() } else { named.name().to_owned() }
    }

    /// The declared shape, for what is only described.
    pub(super) fn shape(&self) -> &[u64] {
        self.shape.as_deref().unwrap_or_default()
    }
}

/// What the metadata of an array say, checked.
#[derive(Debug)]
pub(super) struct ArrayMetadata {
    pub(super) grid: Grid,
    pub(super) dtype: DType,
    pub(super) keys: KeyEncoding,
    pub(super) sharding: Option<Sharding>,
    pub(super) codecs: Codecs,
    /// One element, native-endian; the text itself for strings.
    pub(super) fill: Vec<u8>,
}

/// Where a shard keeps its index, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sharding {
    pub(super) index_at_start: bool,
    pub(super) checksum: bool,
    pub(super) big_endian: bool,
}

/// Names the array in errors.
pub(super) struct At<'a> {
    pub(super) store: &'a str,
    pub(super) array: &'a str,
}

impl At<'_> {
    pub(super) fn schema(&self, field: &str, reason: impl Into<String>) -> Error {
        Error::schema(self.store, self.array, field, reason)
    }

    pub(super) fn unsupported(&self, what: &str) -> Error {
        Error::Unsupported {
            what: format!("{}/{}: {what}", self.store, self.array),
            remedy: "write the store again with anndata's defaults".into(),
        }
    }
}

impl ArrayMetadata {
    /// Checks and interprets the fields of an array.
    pub(super) fn parse(fields: &Fields, at: &At<'_>) -> Result<Self> {
        let shape = fields.shape.clone().ok_or_else(|| at.schema("shape", "is missing"))?;
        if shape.len() > MOST_DIMENSIONS {
            return Err(at.schema("shape", format!("{} dimensions are more than {MOST_DIMENSIONS}", shape.len())));
        }
        // Zeros count as ones here, so that they cannot hide a factor that overflows elsewhere.
        if product(shape.iter().map(|&extent| extent.max(1))).is_none_or(|elements| elements > MOST_ELEMENTS) {
            return Err(at.schema("shape", format!("{shape:?} is more than 2^48 elements")));
        }
        let named = fields.data_type.as_ref().ok_or_else(|| at.schema("data_type", "is missing"))?;
        let text = FixedText::parse(named).map_err(|reason| at.schema("data_type", reason))?;
        let name = if text.is_some() { DType::String.name() } else { named.name() };
        // Points and lengths of time are integers, and what they count does not matter to whoever averages them.
        let dtype = if times::is_time(name) { Some(DType::Int64) } else { DType::from_name(name) };
        let dtype = dtype.ok_or_else(|| at.unsupported(&format!("data type {name:?}")))?;
        if !fields.storage_transformers.is_empty() {
            return Err(at.unsupported("storage transformers"));
        }
        let regular = fields.chunk_grid.as_ref().ok_or_else(|| at.schema("chunk_grid", "is missing"))?;
        if regular.name() != "regular" {
            return Err(at.unsupported(&format!("chunk grid {:?}", regular.name())));
        }
        let object = chunk_shape(regular, &shape).map_err(|reason| at.schema("chunk_grid", reason))?;
        let codecs = fields.codecs.as_deref().ok_or_else(|| at.schema("codecs", "is missing"))?;
        let (sharding, inner, codecs) = match codecs {
            [only] if only.name() == "sharding_indexed" => {
                let inner = chunk_shape(only, &shape).map_err(|reason| at.schema("codecs", reason))?;
                let sharding = index_codecs(only, at)?;
                let codecs: Vec<Named> =
                    only.field("codecs").ok_or_else(|| at.schema("codecs", "sharding_indexed has no codecs"))?;
                (Some(sharding), inner, codecs)
            }
            plain => (None, object.clone(), plain.to_vec()),
        };
        if object.iter().zip(&inner).any(|(object, inner)| !object.is_multiple_of(*inner)) {
            return Err(at.schema("chunk_grid", format!("a shard {object:?} is no multiple of {inner:?}")));
        }
        let grid = Grid { shape, object, inner };
        if grid
            .object
            .iter()
            .zip(&grid.inner)
            .try_fold(1u64, |n, (o, i)| n.checked_mul(o / i))
            .is_none_or(|n| n > MOST_SLOTS)
        {
            return Err(at.schema("codecs", format!("more than {MOST_SLOTS} inner chunks in a shard")));
        }
        // A string takes four bytes at least, and eight of ours.
        let element = dtype.size().unwrap_or_else(|| text.map_or(8, |text| text.bytes().max(8))) as u64;
        let bytes = product(grid.inner.iter().copied()).and_then(|elements| elements.checked_mul(element));
        if bytes.is_none_or(|bytes| bytes > LARGEST_CHUNK) {
            return Err(
                at.schema("chunk_grid", format!("a chunk {:?} of {} is more than 1 GiB", grid.inner, dtype.name()))
            );
        }
        let codecs = Codecs::parse(&codecs, dtype, text, &grid.inner, at)?;
        let fill = fill_bytes(dtype, fields.fill_value.as_ref())
            .ok_or_else(|| at.schema("fill_value", format!("{:?} is no {}", fields.fill_value, dtype.name())))?;
        let keys = KeyEncoding::parse_metadata(fields.chunk_key_encoding.as_ref(), at)?;
        Ok(Self { grid, dtype, keys, sharding, codecs, fill })
    }
}

fn product(mut factors: impl Iterator<Item = u64>) -> Option<u64> {
    factors.try_fold(1u64, u64::checked_mul)
}

fn chunk_shape(named: &Named, shape: &[u64]) -> Result<Vec<u64>, String> {
    let mut chunk: Vec<u64> = named.field("chunk_shape").ok_or("chunk_shape is missing")?;
    if chunk.len() != shape.len() {
        return Err(format!("chunk_shape {chunk:?} has other dimensions than shape {shape:?}"));
    }
    for (chunk, &extent) in chunk.iter_mut().zip(shape) {
        // Some writers give empty arrays empty chunks; there is nothing to read in either.
        if *chunk == 0 && extent == 0 {
            *chunk = 1;
        }
    }
    if product(chunk.iter().copied()).is_none_or(|elements| elements == 0 || elements > MOST_ELEMENTS) {
        return Err(format!("chunk_shape {chunk:?} is empty or too large"));
    }
    Ok(chunk)
}

fn index_codecs(sharding: &Named, at: &At<'_>) -> Result<Sharding> {
    let codecs: Vec<Named> =
        sharding.field("index_codecs").ok_or_else(|| at.schema("codecs", "sharding_indexed has no index_codecs"))?;
    let (bytes, checksum) = match codecs.as_slice() {
        [bytes] => (bytes, false),
        [bytes, crc] if crc.name() == "crc32c" => (bytes, true),
        _ => return Err(at.unsupported("a shard index with codecs other than bytes and crc32c")),
    };
    if bytes.name() != "bytes" {
        return Err(at.unsupported(&format!("a shard index with codec {:?}", bytes.name())));
    }
    let index_at_start = match sharding.field::<&str>("index_location") {
        None | Some("end") => false,
        Some("start") => true,
        Some(other) => return Err(at.schema("index_location", format!("{other:?}"))),
    };
    let big_endian = ends_big(bytes).map_err(|reason| at.schema("index_codecs", reason))?;
    Ok(Sharding { index_at_start, checksum, big_endian })
}
