//! `zarr.json` of an array, turned into a grid, a codec chain and a fill value, or refused with the field at fault.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::codec::{Codecs, ends_big};
use super::grid::Grid;
use crate::error::{Error, Result};
use crate::types::DType;

/// No array of an AnnData has more dimensions.
const MOST_DIMENSIONS: usize = 32;
/// Most elements of an array, and most of a chunk before its bytes are looked at.
const MOST_ELEMENTS: u64 = 1 << 48;
/// Most bytes of a decoded inner chunk.
pub(super) const LARGEST_CHUNK: u64 = 1 << 30;
/// Most inner chunks of a shard: their index takes 64 MiB.
const MOST_SLOTS: u64 = 1 << 22;
/// Longest fill value of strings: an absent array repeats it for every row, at no cost to whoever wrote it.
const LONGEST_FILL: usize = 64;

/// The fields of a `zarr.json` that are read. Everything else, consolidated metadata above all, is skipped unparsed.
#[derive(Debug, Deserialize)]
pub(in crate::source) struct Fields {
    pub(super) zarr_format: u64,
    pub(super) node_type: String,
    #[serde(default)]
    pub(super) attributes: Map<String, Value>,
    shape: Option<Vec<u64>>,
    data_type: Option<Named>,
    chunk_grid: Option<Named>,
    chunk_key_encoding: Option<Named>,
    fill_value: Option<Value>,
    codecs: Option<Vec<Named>>,
    #[serde(default)]
    storage_transformers: Vec<Value>,
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
    /// Name of the element type, for what cannot be read further.
    pub(in crate::source) fn type_name(&self) -> &str {
        self.data_type.as_ref().map_or("", Named::name)
    }

    /// The declared shape, for what is only described.
    pub(in crate::source) fn shape(&self) -> &[u64] {
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

/// How the coordinates of an object become its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyEncoding {
    /// `default` keys begin with `c`; those of `v2` do not.
    prefixed: bool,
    separator: char,
}

impl KeyEncoding {
    /// Key of an object below its array.
    pub(super) fn key(self, object: &[u64]) -> String {
        let mut key = String::from(if self.prefixed { "c" } else { "" });
        for (axis, number) in object.iter().enumerate() {
            if self.prefixed || axis > 0 {
                key.push(self.separator);
            }
            let _ = write!(key, "{number}");
        }
        if key.is_empty() { "0".into() } else { key }
    }

    /// The coordinates that a path below the array stands for, if it is a key.
    pub(super) fn parse(self, path: &str, dimensions: usize) -> Option<Vec<u64>> {
        let numbers = if self.prefixed { path.strip_prefix('c')?.strip_prefix(self.separator)? } else { path };
        let object: Vec<u64> = numbers.split(self.separator).map(str::parse).collect::<Result<_, _>>().ok()?;
        // Only the canonical spelling is a key: `c/+1` and `c/01` are somebody else's files.
        (object.len() == dimensions && self.key(&object) == path).then_some(object)
    }
}

/// Names the array in errors.
pub(super) struct At<'a> {
    pub(super) store: &'a str,
    pub(super) array: &'a str,
}

impl At<'_> {
    fn schema(&self, field: &str, reason: impl Into<String>) -> Error {
        Error::schema(self.store, self.array, field, reason)
    }

    pub(super) fn unsupported(&self, what: &str) -> Error {
        Error::Unsupported {
            what: format!("{}/{}: {what}", self.store, self.array),
            remedy: "write the store again with anndata's defaults (zarr v3)".into(),
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
        let name = fields.data_type.as_ref().ok_or_else(|| at.schema("data_type", "is missing"))?.name();
        let dtype = DType::from_name(name).ok_or_else(|| at.unsupported(&format!("data type {name:?}")))?;
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
        let element = dtype.size().unwrap_or(8) as u64;
        let bytes = product(grid.inner.iter().copied()).and_then(|elements| elements.checked_mul(element));
        if bytes.is_none_or(|bytes| bytes > LARGEST_CHUNK) {
            return Err(
                at.schema("chunk_grid", format!("a chunk {:?} of {} is more than 1 GiB", grid.inner, dtype.name()))
            );
        }
        let codecs = Codecs::parse(&codecs, dtype, &grid.inner, at)?;
        let fill = fill_bytes(dtype, fields.fill_value.as_ref())
            .ok_or_else(|| at.schema("fill_value", format!("{:?} is no {}", fields.fill_value, dtype.name())))?;
        let keys = key_encoding(fields.chunk_key_encoding.as_ref(), at)?;
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

fn key_encoding(named: Option<&Named>, at: &At<'_>) -> Result<KeyEncoding> {
    let named = named.ok_or_else(|| at.schema("chunk_key_encoding", "is missing"))?;
    let prefixed = match named.name() {
        "default" => true,
        "v2" => false,
        other => return Err(at.unsupported(&format!("chunk key encoding {other:?}"))),
    };
    let separator = match named.field::<&str>("separator") {
        Some("/") => '/',
        Some(".") => '.',
        None => {
            if prefixed {
                '/'
            } else {
                '.'
            }
        }
        Some(other) => return Err(at.schema("chunk_key_encoding", format!("separator {other:?}"))),
    };
    Ok(KeyEncoding { prefixed, separator })
}

/// One element of a fill value. Floats may be numbers, names, or their bits in hexadecimal.
fn fill_bytes(dtype: DType, value: Option<&Value>) -> Option<Vec<u8>> {
    let value = value?;
    macro_rules! integer {
        ($type:ty, $as:ident) => {
            <$type>::try_from(value.$as()?).ok()?.to_ne_bytes().to_vec()
        };
    }
    Some(match dtype {
        DType::Bool => vec![u8::from(value.as_bool()?)],
        DType::Int8 => integer!(i8, as_i64),
        DType::Int16 => integer!(i16, as_i64),
        DType::Int32 => integer!(i32, as_i64),
        DType::Int64 => integer!(i64, as_i64),
        DType::UInt8 => integer!(u8, as_u64),
        DType::UInt16 => integer!(u16, as_u64),
        DType::UInt32 => integer!(u32, as_u64),
        DType::UInt64 => integer!(u64, as_u64),
        DType::Float16 => match fill_float(value)? {
            Fill::Bits(bits) => u16::try_from(bits).ok()?.to_ne_bytes().to_vec(),
            Fill::Number(number) => half::f16::from_f64(number).to_bits().to_ne_bytes().to_vec(),
        },
        DType::Float32 => match fill_float(value)? {
            Fill::Bits(bits) => u32::try_from(bits).ok()?.to_ne_bytes().to_vec(),
            Fill::Number(number) => (number as f32).to_ne_bytes().to_vec(),
        },
        DType::Float64 => match fill_float(value)? {
            Fill::Bits(bits) => bits.to_ne_bytes().to_vec(),
            Fill::Number(number) => number.to_ne_bytes().to_vec(),
        },
        DType::String => value.as_str().filter(|text| text.len() <= LONGEST_FILL)?.as_bytes().to_vec(),
    })
}

enum Fill {
    Bits(u64),
    Number(f64),
}

fn fill_float(value: &Value) -> Option<Fill> {
    if let Some(number) = value.as_f64() {
        return Some(Fill::Number(number));
    }
    Some(match value.as_str()? {
        "NaN" => Fill::Number(f64::NAN),
        "Infinity" => Fill::Number(f64::INFINITY),
        "-Infinity" => Fill::Number(f64::NEG_INFINITY),
        text => Fill::Bits(u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back() {
        for (prefixed, separator, key) in
            [(true, '/', "c/3/0"), (true, '.', "c.3.0"), (false, '.', "3.0"), (false, '/', "3/0")]
        {
            let keys = KeyEncoding { prefixed, separator };
            assert_eq!(keys.key(&[3, 0]), key);
            assert_eq!(keys.parse(key, 2), Some(vec![3, 0]));
            for other in ["c/03/0", "zarr.json", "c/3", "c/3/0/1", "c/+3/0", ""] {
                assert_eq!(keys.parse(other, 2), None, "{other}");
            }
        }
        assert_eq!(KeyEncoding { prefixed: false, separator: '.' }.key(&[]), "0");
    }

    #[test]
    fn fill_values_are_of_their_type() {
        let fill = |dtype, text: &str| fill_bytes(dtype, Some(&serde_json::from_str(text).unwrap()));
        assert_eq!(fill(DType::Int8, "-1"), Some(vec![255]));
        assert_eq!(fill(DType::Int8, "200"), None);
        assert_eq!(fill(DType::UInt8, "-1"), None);
        assert_eq!(fill(DType::Bool, "true"), Some(vec![1]));
        assert_eq!(fill(DType::Float32, "\"0x7fc00000\""), Some(0x7fc0_0000u32.to_ne_bytes().to_vec()));
        assert_eq!(fill(DType::Float64, "\"-Infinity\""), Some(f64::NEG_INFINITY.to_ne_bytes().to_vec()));
        assert_eq!(fill(DType::Float64, "\"much\""), None);
        assert_eq!(fill(DType::String, "\"a\""), Some(vec![b'a']));
        assert_eq!(fill(DType::Float64, "null"), None);
    }
}
