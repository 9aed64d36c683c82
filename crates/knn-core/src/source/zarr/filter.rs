//! Filters of numcodecs that zarr v2 puts before its compressor: shuffle and delta. Neither changes a length.

use super::metadata::Named;

/// Puts elements together again whose bytes were sorted by significance.
pub(super) fn unshuffle(bytes: &[u8], size: usize) -> Result<Vec<u8>, String> {
    if !bytes.len().is_multiple_of(size) {
        return Err(format!("shuffle: {} bytes are no elements of {size}", bytes.len()));
    }
    let count = bytes.len() / size;
    let mut out = vec![0; bytes.len()];
    for (place, plane) in bytes.chunks_exact(count.max(1)).enumerate() {
        for (element, byte) in out.chunks_exact_mut(size).zip(plane) {
            element[place] = *byte;
        }
    }
    Ok(out)
}

/// Differences between neighbouring elements, stored in the elements' own type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delta {
    kind: Kind,
    size: usize,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Float,
}

impl Delta {
    /// Takes differences of the type of the elements; of another one (`astype`) they are refused.
    pub(super) fn parse(codec: &Named) -> Result<Self, String> {
        let dtype: String = codec.field("dtype").ok_or("delta has no dtype")?;
        if let Some(other) = codec.field::<String>("astype").filter(|astype| *astype != dtype) {
            return Err(format!("delta of {dtype} stored as {other}"));
        }
        let (order, rest) = dtype.split_at_checked(1).ok_or("delta has no dtype")?;
        let (kind, size) = match rest {
            "i1" | "u1" => (Kind::Integer, 1),
            "i2" | "u2" => (Kind::Integer, 2),
            "i4" | "u4" => (Kind::Integer, 4),
            "i8" | "u8" => (Kind::Integer, 8),
            "f4" => (Kind::Float, 4),
            "f8" => (Kind::Float, 8),
            _ => return Err(format!("delta of {dtype:?}")),
        };
        Ok(Self { kind, size, big_endian: order == ">" })
    }

    /// Sums the differences up, as numpy's `cumsum` does.
    pub(super) fn decode(self, mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        macro_rules! sum {
            ($type:ty, $add:expr) => {{
                let mut sum = <$type>::default();
                for element in bytes.as_chunks_mut::<{ size_of::<$type>() }>().0 {
                    let read = if self.big_endian { <$type>::from_be_bytes } else { <$type>::from_le_bytes };
                    let write = if self.big_endian { <$type>::to_be_bytes } else { <$type>::to_le_bytes };
                    sum = $add(sum, read(*element));
                    *element = write(sum);
                }
            }};
        }
        if !bytes.len().is_multiple_of(self.size) {
            return Err(format!("delta: {} bytes are no elements of {}", bytes.len(), self.size));
        }
        match (self.kind, self.size) {
            (Kind::Float, 4) => sum!(f32, |sum, next| sum + next),
            (Kind::Float, _) => sum!(f64, |sum, next| sum + next),
            (Kind::Integer, 1) => sum!(u8, u8::wrapping_add),
            (Kind::Integer, 2) => sum!(u16, u16::wrapping_add),
            (Kind::Integer, 4) => sum!(u32, u32::wrapping_add),
            (Kind::Integer, _) => sum!(u64, u64::wrapping_add),
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffled_bytes_are_put_together() {
        assert_eq!(unshuffle(&[1, 3, 5, 2, 4, 6], 2).unwrap(), [1, 2, 3, 4, 5, 6]);
        assert!(unshuffle(&[], 4).unwrap().is_empty());
        assert!(unshuffle(&[1, 2, 3], 2).unwrap_err().contains("shuffle"));
    }

    #[test]
    fn differences_are_summed_in_their_type() {
        let delta = |kind, size, big_endian| Delta { kind, size, big_endian };
        assert_eq!(delta(Kind::Integer, 1, false).decode(vec![250, 10, 1]).unwrap(), [250, 4, 5]);
        assert_eq!(delta(Kind::Integer, 2, true).decode(vec![0, 255, 0, 1]).unwrap(), [0, 255, 1, 0]);
        let floats: Vec<u8> = [1.5f32, -0.25].iter().flat_map(|v| v.to_le_bytes()).collect();
        let sums: Vec<u8> = [1.5f32, 1.25].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(delta(Kind::Float, 4, false).decode(floats).unwrap(), sums);
        assert!(delta(Kind::Integer, 4, false).decode(vec![0; 3]).is_err());
    }
}
