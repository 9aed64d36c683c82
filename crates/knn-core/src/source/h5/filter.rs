//! The filter pipeline of a chunk, undone in reverse. What each filter must yield is known before, and no more is written.

use std::io::Read;

use hdf5_reader::messages::filter_pipeline::FilterPipelineMessage;

use super::lzf;
use crate::source::zarr::{Size, decode_blosc, decode_zstd, expanded};

/// Most filters of a pipeline.
const MOST_FILTERS: usize = 8;
/// deflate's densest stream.
const DENSEST_DEFLATE: u64 = 1032;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    Deflate,
    /// Bytes of elements of so many bytes, first all firsts, then all seconds.
    Shuffle(usize),
    Fletcher32,
    Lzf,
    Blosc,
    Zstd,
}

/// What was done to every chunk of an array, in that order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filters(Vec<Filter>);

impl Filters {
    /// Filters that can be undone, or the name of one that cannot.
    pub(super) fn parse(message: &FilterPipelineMessage, record: usize) -> Result<Self, String> {
        if message.filters.len() > MOST_FILTERS {
            return Err(format!("a pipeline of {} filters", message.filters.len()));
        }
        let known = message.filters.iter().map(|filter| match filter.id {
            1 => Ok(Filter::Deflate),
            2 => Ok(Filter::Shuffle(filter.client_data.first().map_or(record, |&size| size as usize))),
            3 => Ok(Filter::Fletcher32),
            32_000 => Ok(Filter::Lzf),
            32_001 => Ok(Filter::Blosc),
            32_015 => Ok(Filter::Zstd),
            4 => Err("the filter szip".into()),
            5 => Err("the filter nbit".into()),
            6 => Err("the filter scaleoffset".into()),
            id => Err(format!("the filter {id} ({:?})", filter.name.as_deref().unwrap_or_default())),
        });
        known.collect::<Result<_, _>>().map(Self)
    }

    /// Whether chunks are stored as they are.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name for people: `raw`, `gzip`, `shuffle+lzf`.
    pub(super) fn name(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|filter| filter.name()).collect();
        if names.is_empty() { "raw".into() } else { names.join("+") }
    }

    /// Most bytes that a chunk of `decoded` bytes takes stored: no filter makes data much larger.
    pub(super) fn largest_encoded(&self, decoded: u64) -> u64 {
        self.0.iter().fold(decoded, |size, filter| filter.yields(Size::AtMost(size)).most())
    }

    /// Most bytes held while such a chunk is decoded: a filter's input and its output.
    pub(super) fn largest_working(&self, decoded: u64) -> u64 {
        let encoded = self.largest_encoded(decoded);
        if self.0.len() > 1 { encoded.saturating_mul(2) } else { encoded.saturating_add(decoded) }
    }

    /// Undoes the filters that `mask` does not name, to exactly `decoded` bytes. `spare` is memory that may be used.
    pub(super) fn decode(
        &self,
        mut bytes: Vec<u8>,
        mask: u32,
        decoded: u64,
        spare: &mut Vec<u8>,
    ) -> Result<Vec<u8>, String> {
        let applied = || self.0.iter().enumerate().filter(|(number, _)| mask & (1 << number) == 0);
        // What each filter was given, from the array outwards.
        let mut sizes = Vec::with_capacity(self.0.len());
        let mut size = Size::Exactly(decoded);
        for (_, filter) in applied() {
            sizes.push(size);
            size = filter.yields(size);
        }
        size.check(bytes.len() as u64).map_err(|reason| format!("encoded: {reason}"))?;
        let steps: Vec<_> = applied().map(|(_, filter)| *filter).zip(sizes).collect();
        for (filter, size) in steps.into_iter().rev() {
            let mut out = std::mem::take(spare);
            out.clear();
            filter.undo(&bytes, size, &mut out)?;
            *spare = std::mem::replace(&mut bytes, out);
            size.check(bytes.len() as u64)?;
        }
        Ok(bytes)
    }
}

impl Filter {
    fn name(self) -> &'static str {
        match self {
            Self::Deflate => "gzip",
            Self::Shuffle(_) => "shuffle",
            Self::Fletcher32 => "fletcher32",
            Self::Lzf => "lzf",
            Self::Blosc => "blosc",
            Self::Zstd => "zstd",
        }
    }

    /// What the filter makes of so many bytes.
    fn yields(self, size: Size) -> Size {
        match (self, size) {
            (Self::Shuffle(_), size) => size,
            (Self::Fletcher32, Size::Exactly(size)) => Size::Exactly(size + 4),
            (Self::Fletcher32, Size::AtMost(size)) => Size::AtMost(size + 4),
            (_, size) => Size::AtMost(expanded(size.most())),
        }
    }

    fn undo(self, bytes: &[u8], size: Size, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Deflate => {
                // The buffer is as large as the data justify.
                out.reserve(size.most().min((bytes.len() as u64).saturating_mul(DENSEST_DEFLATE)) as usize);
                let mut decoder = flate2::read::ZlibDecoder::new(bytes).take(size.most() + 1);
                decoder.read_to_end(out).map(drop).map_err(|error| format!("gzip: {error}"))
            }
            Self::Shuffle(element) => {
                unshuffle(bytes, element, out);
                Ok(())
            }
            Self::Fletcher32 => {
                let plain = hdf5_reader::filters::fletcher32::verify_and_strip(bytes);
                out.extend_from_slice(&plain.map_err(|_| "its fletcher32 does not match")?);
                Ok(())
            }
            Self::Lzf => lzf::decode(bytes, size.most() as usize, out),
            Self::Blosc => {
                *out = decode_blosc(bytes, size)?;
                Ok(())
            }
            Self::Zstd => decode_zstd(bytes, size, out),
        }
    }
}

/// Puts the bytes of each element together again. What is left over at the end was left as it was.
fn unshuffle(bytes: &[u8], element: usize, out: &mut Vec<u8>) {
    let elements = bytes.len().checked_div(element).unwrap_or(0);
    match element {
        _ if elements < 2 || element < 2 => {
            out.extend_from_slice(bytes);
            return;
        }
        2 => unshuffle_fixed::<2>(bytes, elements, out),
        4 => unshuffle_fixed::<4>(bytes, elements, out),
        8 => unshuffle_fixed::<8>(bytes, elements, out),
        _ => {
            for number in 0..elements {
                out.extend((0..element).map(|byte| bytes[byte * elements + number]));
            }
        }
    }
    out.extend_from_slice(&bytes[elements * element..]);
}

fn unshuffle_fixed<const N: usize>(bytes: &[u8], elements: usize, out: &mut Vec<u8>) {
    let planes: [&[u8]; N] = std::array::from_fn(|byte| &bytes[byte * elements..(byte + 1) * elements]);
    out.resize(elements * N, 0);
    for (number, value) in out.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        for (byte, plane) in value.iter_mut().zip(planes) {
            *byte = plane[number];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_any_size_are_put_together_again() {
        for element in 1..10usize {
            let plain: Vec<u8> = (0..53u8).collect();
            let whole = plain.len() / element;
            let mut shuffled: Vec<u8> = Vec::new();
            for byte in 0..element {
                shuffled.extend((0..whole).map(|number| plain[number * element + byte]));
            }
            shuffled.extend_from_slice(&plain[whole * element..]);
            let mut out = Vec::new();
            unshuffle(&shuffled, element, &mut out);
            assert_eq!(out, plain, "{element}");
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_size_of_its_chunk() {
        use std::io::Write;
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        zlib.write_all(&vec![0u8; 8 << 20]).unwrap();
        let bomb = zlib.finish().unwrap();
        let mut spare = Vec::new();
        let error = Filters(vec![Filter::Deflate]).decode(bomb, 0, 40, &mut spare).unwrap_err();
        assert!(error.contains("41 bytes and not 40"), "{error}");
        // A mask says that the filter was left out.
        let plain = Filters(vec![Filter::Deflate]).decode(vec![7; 40], 1, 40, &mut spare).unwrap();
        assert_eq!(plain, [7; 40]);
    }
}
