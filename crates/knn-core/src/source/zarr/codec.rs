//! Decoding of one inner chunk, and the only place that knows compression libraries.
//!
//! What a chunk must decode to is known before: exactly, for types of fixed size; within a bound, for strings. Each step
//! is given that size and writes no more. The `zarrs` crate's own chain decodes without bound and its string codec panics
//! on lengths that lie, so only its blosc is used, behind a check of the frame's header; `bytes`, `transpose`,
//! `vlen-utf8`, `crc32c` and the filters of zarr v2 are a few lines each, and zstd and gzip are asked for a bounded output directly.

use std::io::Read;
use std::ops::Range;

use zarrs::array::codec::{blosc_decompress_bytes, blosc_validate};

use super::filter::{Delta, unshuffle};
use super::metadata::{At, LARGEST_CHUNK, Named};
use super::text::FixedText;
use crate::error::Result;
use crate::source::StringBlock;
use crate::types::DType;

/// Most codecs of a chain.
const MOST_CODECS: usize = 8;
/// A string array may hold this many bytes a string on average, beyond [`STRINGS_SLACK`]: a bomb holds more.
const LONGEST_MEAN_STRING: u64 = 4096;
/// Every string chunk may be this large, whatever its number of strings.
const STRINGS_SLACK: u64 = 1 << 20;
/// zstd's densest block: 3 bytes of header and 1 that repeats for 128 KiB.
const ZSTD_BLOCK: u64 = 128 << 10;
/// No element is larger that a shuffle takes apart.
const LARGEST_SHUFFLED: usize = 1 << 16;
/// Bytes of an encoded chunk that tell how large it decodes.
pub(super) const HEADER_BYTES: u64 = 32;

/// The chain of one array's inner chunks.
#[derive(Debug)]
pub(super) struct Codecs {
    values: Values,
    /// Whether a chunk of two dimensions is stored column by column.
    transposed: Option<[usize; 2]>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    /// Elements of `size` bytes, to be reversed if `swap`.
    Fixed { size: usize, swap: bool },
    /// Interleaved lengths and texts.
    Strings,
    /// Texts of one width, big-endian if `swap`.
    Texts { text: FixedText, swap: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Zstd,
    Gzip,
    Zlib,
    Blosc,
    Crc32c,
    Shuffle { size: usize },
    Delta(Delta),
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Blosc => "blosc",
            Self::Crc32c => "crc32c",
            Self::Shuffle { .. } => "shuffle",
            Self::Delta(_) => "delta",
        }
    }
}

/// What a step must yield.
#[derive(Debug, Clone, Copy)]
pub(in crate::source) enum Size {
    Exactly(u64),
    AtMost(u64),
}

impl Size {
    pub(in crate::source) fn most(self) -> u64 {
        match self {
            Self::Exactly(size) | Self::AtMost(size) => size,
        }
    }

    pub(in crate::source) fn check(self, found: u64) -> Result<(), String> {
        match self {
            Self::Exactly(size) if found != size => Err(format!("decodes to {found} bytes and not {size}")),
            Self::AtMost(size) if found > size => Err(format!("decodes to {found} bytes, more than {size}")),
            _ => Ok(()),
        }
    }
}

/// Whether a `bytes` codec stores big-endian. One-byte types need not say.
pub(super) fn ends_big(bytes: &Named) -> Result<bool, String> {
    match bytes.field::<&str>("endian") {
        None | Some("little") => Ok(false),
        Some("big") => Ok(true),
        Some(other) => Err(format!("endian {other:?}")),
    }
}

impl Codecs {
    /// Checks that every codec of the chain is one that can be decoded within bounds.
    pub(super) fn parse(
        chain: &[Named],
        dtype: DType,
        text: Option<FixedText>,
        inner: &[u64],
        at: &At<'_>,
    ) -> Result<Self> {
        if chain.len() > MOST_CODECS {
            return Err(at.unsupported(&format!("a chain of {} codecs", chain.len())));
        }
        let mut chain = chain.iter().peekable();
        let mut transposed = None;
        while let Some(transpose) = chain.next_if(|codec| codec.name() == "transpose") {
            match transpose.field::<Vec<usize>>("order").as_deref() {
                Some([1, 0]) if transposed.is_none() && inner.len() == 2 => {
                    transposed = Some([inner[0] as usize, inner[1] as usize]);
                }
                Some(order) if order.len() == inner.len() && order.iter().copied().eq(0..order.len()) => {}
                _ => return Err(at.unsupported("this transpose codec")),
            }
        }
        let values = match (chain.next(), dtype.size(), text) {
            (Some(codec), Some(size), _) if codec.name() == "bytes" => {
                let big = ends_big(codec).map_err(|reason| at.unsupported(&reason))?;
                Values::Fixed { size, swap: size > 1 && big != cfg!(target_endian = "big") }
            }
            (Some(codec), None, Some(text)) if codec.name() == "bytes" => {
                let swap = ends_big(codec).map_err(|reason| at.unsupported(&reason))?;
                Values::Texts { text, swap }
            }
            (Some(codec), None, None) if codec.name() == "vlen-utf8" => Values::Strings,
            (Some(codec), ..) => {
                return Err(at.unsupported(&format!("codec {:?} for {}", codec.name(), dtype.name())));
            }
            (None, ..) => return Err(at.unsupported("a chain without an array-to-bytes codec")),
        };
        let steps = chain
            .map(|codec| match codec.name() {
                "zstd" => Ok(Step::Zstd),
                "gzip" => Ok(Step::Gzip),
                "zlib" | "numcodecs.zlib" => Ok(Step::Zlib),
                "blosc" => Ok(Step::Blosc),
                "crc32c" => Ok(Step::Crc32c),
                "shuffle" | "numcodecs.shuffle" => match codec.field("elementsize").unwrap_or(4) {
                    size @ 1..=LARGEST_SHUFFLED => Ok(Step::Shuffle { size }),
                    size => Err(at.schema("filters", format!("a shuffle of elements of {size} bytes"))),
                },
                "delta" | "numcodecs.delta" => {
                    Delta::parse(codec).map(Step::Delta).map_err(|reason| at.schema("filters", reason))
                }
                other => Err(at.unsupported(&format!("codec {other:?}"))),
            })
            .collect::<Result<_>>()?;
        Ok(Self { values, transposed, steps })
    }

    /// Whether stored bytes are row-major native-endian elements as they lie.
    pub(super) fn is_raw(&self) -> bool {
        self.steps.is_empty() && self.transposed.is_none() && matches!(self.values, Values::Fixed { swap: false, .. })
    }

    /// Whether an encoded chunk has the size of a decoded one, and that size is known.
    pub(super) fn is_uncompressed(&self) -> bool {
        self.steps.is_empty() && self.values != Values::Strings
    }

    /// Name for people: `raw`, `zstd`, `blosc`.
    pub(super) fn name(&self) -> String {
        let names: Vec<String> = self.steps.iter().map(|step| step.name().to_owned()).collect();
        if names.is_empty() { "raw".into() } else { names.join("+") }
    }

    /// Most bytes that a chunk of `elements` elements may decode to.
    pub(super) fn largest_decoded(&self, elements: u64) -> u64 {
        match self.values {
            Values::Fixed { size, .. } => elements.saturating_mul(size as u64),
            Values::Texts { text, .. } => elements.saturating_mul(text.bytes() as u64),
            Values::Strings => {
                elements.saturating_mul(4 + LONGEST_MEAN_STRING).saturating_add(STRINGS_SLACK).min(LARGEST_CHUNK)
            }
        }
    }

    /// Most bytes that a chunk of `elements` elements may take encoded: no codec makes data much larger.
    pub(super) fn largest_encoded(&self, elements: u64) -> u64 {
        let mut size = self.largest_decoded(elements);
        for _ in &self.steps {
            size = expanded(size);
        }
        size
    }

    /// Most bytes held while such a chunk is decoded: a step's input and its output.
    pub(super) fn largest_working(&self, elements: u64) -> u64 {
        let encoded = self.largest_encoded(elements);
        let output = if self.steps.len() > 1 { encoded } else { self.largest_decoded(elements) };
        encoded.saturating_add(output)
    }

    /// Bytes that an encoded chunk says it decodes to, from its first [`HEADER_BYTES`]; a guess where its codec does not
    /// say, never more than the bound.
    pub(super) fn announced(&self, head: &[u8], encoded: u64, elements: u64) -> u64 {
        let most = self.largest_decoded(elements);
        let told = match self.steps.as_slice() {
            [] => Some(encoded),
            [Step::Zstd, ..] if self.steps[1..].iter().all(|step| *step == Step::Crc32c) => {
                zstd::zstd_safe::get_frame_content_size(head).ok().flatten()
            }
            [Step::Blosc, ..] => head.get(4..8).and_then(|b| Some(u64::from(u32::from_le_bytes(b.try_into().ok()?)))),
            _ => None,
        };
        told.unwrap_or(most).min(most)
    }

    /// Decodes a chunk of fixed-size elements to exactly its row-major native-endian bytes.
    /// `spare` is memory that may be used, and gets back what is not needed any more.
    pub(super) fn decode_fixed(&self, encoded: Vec<u8>, elements: u64, spare: &mut Vec<u8>) -> Result<Vec<u8>, String> {
        let Values::Fixed { size, swap } = self.values else { return Err("holds strings".into()) };
        let mut bytes = self.decode_bytes(encoded, Size::Exactly(self.largest_decoded(elements)), spare)?;
        if swap {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        if let Some([rows, columns]) = self.transposed {
            bytes = transpose(&bytes, rows, columns, size);
        }
        Ok(bytes)
    }

    /// Decodes a chunk of `elements` strings and appends those in `wanted` to `out`.
    pub(super) fn decode_strings(
        &self,
        encoded: Vec<u8>,
        elements: u64,
        wanted: Range<usize>,
        out: &mut StringBlock,
    ) -> Result<(), String> {
        if let Values::Texts { text, swap } = self.values {
            let bytes = self.decode_bytes(encoded, Size::Exactly(self.largest_decoded(elements)), &mut Vec::new())?;
            return text.read(&bytes, swap, wanted, out);
        }
        let bytes = self.decode_bytes(encoded, Size::AtMost(self.largest_decoded(elements)), &mut Vec::new())?;
        let (count, mut rest) = split_length(&bytes).ok_or("ends before its number of strings")?;
        if count as u64 != elements {
            return Err(format!("holds {count} strings and not {elements}"));
        }
        for number in 0..count {
            let (text, after) = split_length(rest)
                .and_then(|(length, after)| after.split_at_checked(length))
                .ok_or_else(|| format!("string {number} ends outside the chunk"))?;
            if wanted.contains(&number) {
                let text = std::str::from_utf8(text).map_err(|_| format!("string {number} is not UTF-8"))?;
                out.push(text);
            }
            rest = after;
        }
        if rest.is_empty() { Ok(()) } else { Err(format!("has {} bytes after its last string", rest.len())) }
    }

    fn decode_bytes(&self, mut bytes: Vec<u8>, decoded: Size, spare: &mut Vec<u8>) -> Result<Vec<u8>, String> {
        // What each step must yield, from the array outwards.
        let mut sizes = Vec::with_capacity(self.steps.len());
        let mut size = decoded;
        for step in &self.steps {
            sizes.push(size);
            size = match (step, size) {
                (Step::Crc32c, Size::Exactly(size)) => Size::Exactly(size + 4),
                (Step::Crc32c, Size::AtMost(size)) => Size::AtMost(size + 4),
                // Filters change no length.
                (Step::Shuffle { .. } | Step::Delta(_), size) => size,
                (_, size) => Size::AtMost(expanded(size.most())),
            };
        }
        size.check(bytes.len() as u64).map_err(|reason| format!("encoded: {reason}"))?;
        for (step, size) in self.steps.iter().zip(sizes).rev() {
            bytes = match step {
                Step::Zstd => {
                    let mut out = std::mem::take(spare);
                    decode_zstd(&bytes, size, &mut out)?;
                    *spare = bytes;
                    out
                }
                Step::Gzip => read_bounded(flate2::read::MultiGzDecoder::new(bytes.as_slice()), "gzip", size)?,
                Step::Zlib => read_bounded(flate2::read::ZlibDecoder::new(bytes.as_slice()), "zlib", size)?,
                Step::Blosc => decode_blosc(&bytes, size)?,
                Step::Crc32c => decode_crc32c(bytes)?,
                Step::Shuffle { size } => unshuffle(&bytes, *size)?,
                Step::Delta(delta) => delta.decode(bytes)?,
            };
            size.check(bytes.len() as u64)?;
        }
        Ok(bytes)
    }
}

/// What data of `size` bytes grow to at most: deflate's bound is the widest of the codecs'.
pub(in crate::source) fn expanded(size: u64) -> u64 {
    size.saturating_add(size / 8).saturating_add(64 << 10)
}

pub(in crate::source) fn decode_zstd(bytes: &[u8], size: Size, out: &mut Vec<u8>) -> Result<(), String> {
    let told = zstd::zstd_safe::get_frame_content_size(bytes).map_err(|_| "is not a zstd frame")?;
    if let Some(told) = told {
        size.check(told).map_err(|reason| format!("zstd: {reason}"))?;
    }
    // The buffer is as large as the data justify: a frame of a few bytes cannot hold a gigabyte.
    let dense = (bytes.len() as u64 / 4 + 1).saturating_mul(ZSTD_BLOCK);
    let capacity = told.unwrap_or(size.most()).min(dense) as usize;
    out.clear();
    out.reserve_exact(capacity);
    let mut decoder = zstd::bulk::Decompressor::new().map_err(|error| format!("zstd: {error}"))?;
    decoder.decompress_to_buffer(bytes, out).map_err(|error| format!("zstd: {error}"))?;
    Ok(())
}

pub(in crate::source) fn decode_blosc(bytes: &[u8], size: Size) -> Result<Vec<u8>, String> {
    let told = blosc_validate(bytes).ok_or("is not a blosc frame")?;
    size.check(told as u64).map_err(|reason| format!("blosc: {reason}"))?;
    blosc_decompress_bytes(bytes, told, 1).map_err(|error| format!("blosc: {error}"))
}

fn decode_crc32c(mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let (payload, stored) = bytes.split_last_chunk::<4>().ok_or("is shorter than its checksum")?;
    if crc32c::crc32c(payload) != u32::from_le_bytes(*stored) {
        return Err("its crc32c does not match".into());
    }
    bytes.truncate(bytes.len() - 4);
    Ok(bytes)
}

/// Reads at most one byte more than allowed, which the caller's check then refuses.
fn read_bounded(decoder: impl Read, codec: &str, size: Size) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    decoder.take(size.most() + 1).read_to_end(&mut out).map_err(|error| format!("{codec}: {error}"))?;
    Ok(out)
}

fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*length) as usize, rest))
}

/// Turns columns × rows into rows × columns.
fn transpose(bytes: &[u8], rows: usize, columns: usize, size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for row in 0..rows {
        for column in 0..columns {
            let at = (column * rows + row) * size;
            out.extend_from_slice(&bytes[at..at + size]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codecs(steps: &[Step], values: Values) -> Codecs {
        Codecs { values, transposed: None, steps: steps.to_vec() }
    }

    const FLOATS: Values = Values::Fixed { size: 4, swap: false };

    #[test]
    fn a_zstd_bomb_is_refused_before_it_is_decoded() {
        let bomb = zstd::bulk::compress(&vec![0u8; 64 << 20], 1).unwrap();
        let error = codecs(&[Step::Zstd], FLOATS).decode_fixed(bomb.clone(), 10, &mut Vec::new()).unwrap_err();
        assert!(error.contains("67108864 bytes and not 40"), "{error}");
        // The same without a declared size: the decoder stops at the buffer.
        let silent = zstd::stream::encode_all(vec![0u8; 64 << 20].as_slice(), 1).unwrap();
        assert!(codecs(&[Step::Zstd], FLOATS).decode_fixed(silent, 10, &mut Vec::new()).is_err());
        assert!(
            codecs(&[Step::Zstd], Values::Strings).decode_strings(bomb, 1, 0..1, &mut StringBlock::default()).is_err()
        );
    }

    #[test]
    fn a_frame_that_announces_more_than_it_holds_gets_no_buffer_for_it() {
        let mut liar = zstd::bulk::compress(&[7u8; 300], 1).unwrap();
        // Frame header: magic, descriptor with a two-byte content size of 300 − 256. Say 256 + 65535 instead.
        assert_eq!(zstd::zstd_safe::get_frame_content_size(&liar).unwrap(), Some(300));
        liar[5..7].copy_from_slice(&[0xff, 0xff]);
        assert!(codecs(&[Step::Zstd], FLOATS).decode_fixed(liar, (256 + 65535) / 4, &mut Vec::new()).is_err());
    }

    #[test]
    fn gzip_zlib_and_blosc_bombs_are_refused() {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&vec![0u8; 8 << 20]).unwrap();
        let error =
            codecs(&[Step::Gzip], FLOATS).decode_fixed(gzip.finish().unwrap(), 10, &mut Vec::new()).unwrap_err();
        assert!(error.contains("41 bytes and not 40"), "{error}");
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        zlib.write_all(&vec![0u8; 8 << 20]).unwrap();
        assert!(codecs(&[Step::Zlib], FLOATS).decode_fixed(zlib.finish().unwrap(), 10, &mut Vec::new()).is_err());
        for junk in [&b""[..], &[2, 1, 1, 4, 255, 255, 255, 127, 0, 0, 0, 0, 16, 0, 0, 0]] {
            assert!(codecs(&[Step::Blosc], FLOATS).decode_fixed(junk.to_vec(), 10, &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let plain = codecs(&[], Values::Strings);
        let decode =
            |bytes: &[u8], elements| plain.decode_strings(bytes.to_vec(), elements, 0..9, &mut StringBlock::default());
        assert!(decode(&[1, 0, 0, 0, 1, 0, 0, 0, b'a'], 1).is_ok());
        for (wrong, elements) in [
            (&[1, 0, 0, 0, 200, 0, 0, 0, b'a'][..], 1),
            (&[1, 0, 0, 0, 255, 255, 255, 255, b'a'], 1),
            (&[2, 0, 0, 0, 1, 0, 0, 0, b'a'], 2),
            (&[2, 0, 0, 0, 1, 0, 0, 0, b'a'], 1),
            (&[1, 0, 0, 0, 1, 0, 0, 0, b'a', 0], 1),
            (&[1, 0, 0, 0, 1, 0, 0, 0, 0xff], 1),
            (&[1, 0], 1),
        ] {
            assert!(decode(wrong, elements).is_err(), "{wrong:?}");
        }
        assert!(codecs(&[], FLOATS).decode_fixed(vec![0; 39], 10, &mut Vec::new()).is_err());
    }

    #[test]
    fn a_checksum_is_checked_and_a_transposed_chunk_turned() {
        let mut bytes = vec![1u8, 2, 3, 4];
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        let crc = codecs(&[Step::Crc32c], FLOATS);
        assert_eq!(crc.decode_fixed(bytes.clone(), 1, &mut Vec::new()).unwrap(), [1, 2, 3, 4]);
        bytes[0] ^= 1;
        assert!(crc.decode_fixed(bytes, 1, &mut Vec::new()).unwrap_err().contains("crc32c"));
        assert_eq!(transpose(&[1, 2, 3, 4, 5, 6], 3, 2, 1), [1, 4, 2, 5, 3, 6]);
    }
}
