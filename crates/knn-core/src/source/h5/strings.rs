//! Texts of an array, band by band, so that a billion names are never in memory.

use hdf5_reader::StringPadding;

use super::array::H5Array;
use super::element::Text;
use crate::error::Result;
use crate::source::StringBlock;
use crate::source::container::{StoredArray, bands};
use crate::source::memory::check_range;
use crate::types::{DType, RowRange};

/// Texts of one read may have this many bytes on average, beyond [`TEXT_SLACK`], and no more than the file: references to
/// one text could otherwise be repeated for ever.
const LONGEST_MEAN_TEXT: u64 = 4096;
/// Every read may have so many bytes of text.
const TEXT_SLACK: u64 = 1 << 20;

impl H5Array {
    /// Reads the texts of a one-dimensional array into `out`, which is cleared first.
    pub(super) fn read_texts(&self, rows: RowRange, out: &mut StringBlock) -> Result<()> {
        check_range(rows, self.rows())?;
        out.clear();
        let Some(text) = self.element().text.filter(|_| self.dtype() == DType::String && self.shape().len() == 1)
        else {
            return Err(self.schema("data_type", "is not a list of strings".into()));
        };
        let file = self.file().shared().file.file.length();
        let most =
            (rows.len() as u64).saturating_mul(LONGEST_MEAN_TEXT).saturating_add(TEXT_SLACK).min(file + TEXT_SLACK);
        let band = self.layout().grid.band_rows();
        for piece in bands(rows, band) {
            let number = piece.start / band;
            let Some(records) = self.stored(number)? else {
                (0..piece.len()).for_each(|_| out.push(""));
                continue;
            };
            let first = (piece.start % band) as usize;
            let record = self.element().record;
            for (row, bytes) in records.chunks_exact(record).enumerate().skip(first).take(piece.len()) {
                let slot = self.element().slot(bytes);
                let name = || format!("text {}", number * band + row as u64);
                match text {
                    Text::Fixed(padding) => {
                        let text = std::str::from_utf8(trimmed(slot, padding));
                        out.push(text.map_err(|_| self.corrupt(name(), "is not UTF-8"))?);
                    }
                    Text::Variable => {
                        self.file().heap_text(slot, out).map_err(|reason| self.corrupt(name(), reason))??;
                    }
                }
                if out.bytes.len() as u64 > most {
                    return Err(self.corrupt(name(), format!("the texts read with it have more than {most} bytes")));
                }
            }
            self.spare().give(records);
        }
        Ok(())
    }
}

/// A text without what pads it. Writers disagree on how they say what they pad with, so zeros at the end never count.
fn trimmed(bytes: &[u8], padding: StringPadding) -> &[u8] {
    let pads: &[u8] = if padding == StringPadding::SpacePad { b"\0 " } else { b"\0" };
    let end = match padding {
        StringPadding::NullTerminate => bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()),
        _ => bytes.iter().rposition(|byte| !pads.contains(byte)).map_or(0, |last| last + 1),
    };
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_no_text() {
        assert_eq!(trimmed(b"ab\0c", StringPadding::NullTerminate), b"ab");
        assert_eq!(trimmed(b"ab\0c\0\0", StringPadding::NullPad), b"ab\0c");
        assert_eq!(trimmed(b"ab \0", StringPadding::SpacePad), b"ab");
        assert_eq!(trimmed(b"  ", StringPadding::SpacePad), b"");
        assert_eq!(trimmed(b"a ", StringPadding::NullPad), b"a ");
    }
}
