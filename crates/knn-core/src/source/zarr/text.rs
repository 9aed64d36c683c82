//! Texts of one width: numpy's `U` and `S`, each padded with zeros to the same length.

use std::ops::Range;

use super::metadata::Named;
use crate::source::StringBlock;

/// Longest such text, in bytes.
const LONGEST: usize = 1 << 22;

/// How a text of fixed width is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FixedText {
    /// UTF-32 of so many characters.
    Utf32(usize),
    /// So many bytes, which are UTF-8 for us.
    Bytes(usize),
}

impl FixedText {
    /// Whether a data type is one of these.
    pub(super) fn is_named(named: &Named) -> bool {
        matches!(named.name(), "fixed_length_utf32" | "null_terminated_bytes")
    }

    /// The type that is named, if it is one of these.
    pub(super) fn parse(named: &Named) -> Result<Option<Self>, String> {
        if !Self::is_named(named) {
            return Ok(None);
        }
        let bytes: usize = named.field("length_bytes").ok_or("has no length_bytes")?;
        if bytes > LONGEST {
            return Err(format!("texts of {bytes} bytes are more than {LONGEST}"));
        }
        Ok(Some(match named.name() {
            "fixed_length_utf32" if !bytes.is_multiple_of(4) => return Err(format!("{bytes} bytes are no UTF-32")),
            "fixed_length_utf32" => Self::Utf32(bytes / 4),
            _ => Self::Bytes(bytes),
        }))
    }

    /// Bytes of one text.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Utf32(characters) => characters * 4,
            Self::Bytes(bytes) => bytes,
        }
    }

    /// Appends the texts `wanted` of a decoded chunk to `out`.
    pub(super) fn read(
        self,
        chunk: &[u8],
        swap: bool,
        wanted: Range<usize>,
        out: &mut StringBlock,
    ) -> Result<(), String> {
        let width = self.bytes();
        let mut text = String::new();
        for number in wanted {
            let bytes = &chunk[number * width..(number + 1) * width];
            match self {
                Self::Bytes(_) => {
                    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                    let text = std::str::from_utf8(&bytes[..end]);
                    out.push(text.map_err(|_| format!("string {number} is not UTF-8"))?);
                }
                Self::Utf32(_) => {
                    text.clear();
                    for unit in bytes.as_chunks::<4>().0 {
                        let unit = if swap { u32::from_be_bytes(*unit) } else { u32::from_le_bytes(*unit) };
                        text.push(char::from_u32(unit).ok_or_else(|| format!("string {number} is not Unicode"))?);
                    }
                    out.push(text.trim_end_matches('\0'));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_at_their_padding() {
        let mut out = StringBlock::default();
        FixedText::Bytes(3).read(b"ab\0\0\0\0cde", false, 0..3, &mut out).unwrap();
        let units: Vec<u8> = ['ß', 'x', '\0', '\0'].iter().flat_map(|c| (*c as u32).to_be_bytes()).collect();
        FixedText::Utf32(2).read(&units, true, 0..2, &mut out).unwrap();
        assert_eq!(out.iter().collect::<Vec<_>>(), ["ab", "", "cde", "ßx", ""]);
        assert!(FixedText::Utf32(1).read(&[0, 0, 0xd8, 0], true, 0..1, &mut out).is_err());
        assert!(FixedText::Bytes(1).read(&[0xff], false, 0..1, &mut out).is_err());
    }
}
