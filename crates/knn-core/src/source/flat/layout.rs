//! Where the values of a flat file lie, read from its suffix and its header and checked against its size.

use super::npy;
use crate::error::{Error, Result};
use crate::store::PositionedFile;
use crate::types::DType;

/// Most values of a matrix.
const MOST_VALUES: u64 = 1 << 48;
/// Wider rows than any representation has.
const MOST_COLUMNS: u64 = 1 << 24;

/// The order in which values follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Row by row.
    Rows,
    /// Column by column, as Fortran has it.
    Columns,
    /// Row by row, each behind its number of values (`.fvecs`).
    Prefixed,
}

/// A matrix in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) rows: u64,
    pub(super) columns: u64,
    pub(super) dtype: DType,
    /// Whether bytes are in the other order than this machine's.
    pub(super) swap: bool,
    pub(super) order: Order,
    /// Bytes before the first value, or before the prefix of the first row.
    pub(super) offset: u64,
}

/// Suffixes of the files that are read here.
pub(in crate::source) const SUFFIXES: [&str; 6] = ["npy", "fbin", "u8bin", "i8bin", "fvecs", "f32"];

impl Layout {
    /// The layout of `file`, which has the suffix `suffix`; `name` is the file's for errors, and tells the width of raw rows.
    pub(super) fn read(file: &PositionedFile, suffix: &str, name: &str) -> Result<Self> {
        let native = cfg!(target_endian = "little");
        let plain =
            |rows, columns, dtype, offset| Self { rows, columns, dtype, swap: !native, order: Order::Rows, offset };
        let layout = match suffix {
            "npy" => npy::layout(file, name)?,
            "fbin" | "u8bin" | "i8bin" => {
                let [rows, columns] = header(file, name)?;
                let dtype = match suffix {
                    "fbin" => DType::Float32,
                    "u8bin" => DType::UInt8,
                    _ => DType::Int8,
                };
                plain(u64::from(rows), u64::from(columns), dtype, 8)
            }
            "fvecs" => {
                let [columns] = header(file, name)?;
                let row = 4 + 4 * u64::from(columns);
                let rows = whole(name, file.length(), row)?;
                Self { order: Order::Prefixed, ..plain(rows, u64::from(columns), DType::Float32, 0) }
            }
            _ => {
                let stem = name.strip_suffix(".f32").and_then(|stem| stem.rsplit_once('.'));
                let columns = stem.and_then(|(_, columns)| columns.parse::<u64>().ok()).filter(|&columns| columns > 0);
                let wrong = || Error::schema(name, "", "shape", "raw rows need their width in the name: cells.50.f32");
                let columns: u64 = columns.filter(|&columns| columns <= MOST_COLUMNS).ok_or_else(wrong)?;
                plain(whole(name, file.length(), 4 * columns)?, columns, DType::Float32, 0)
            }
        };
        layout.check(file, name)?;
        Ok(layout)
    }

    /// Bytes of a value.
    pub(super) fn size(&self) -> u64 {
        self.dtype.size().unwrap_or(1) as u64
    }

    /// Bytes of a row where rows lie together, with its prefix.
    pub(super) fn stride(&self) -> u64 {
        self.columns * self.size() + if self.order == Order::Prefixed { 4 } else { 0 }
    }

    fn check(&self, file: &PositionedFile, name: &str) -> Result<()> {
        let wrong = |reason: String| Err(Error::schema(name, "", "shape", reason));
        let shape = [self.rows, self.columns];
        if self.columns == 0 || self.columns > MOST_COLUMNS {
            return wrong(format!("{shape:?} has no columns, or more than {MOST_COLUMNS}"));
        }
        if self.rows.checked_mul(self.columns).is_none_or(|values| values > MOST_VALUES) {
            return wrong(format!("{shape:?} is more than 2^48 values"));
        }
        let needed = self.offset + self.rows * self.stride();
        if needed > file.length() {
            return Err(Error::Corrupt {
                file: name.into(),
                block: "data".into(),
                reason: format!(
                    "{shape:?} values of {} need {needed} bytes and there are {}",
                    self.dtype.name(),
                    file.length()
                ),
            });
        }
        if needed < file.length() {
            return wrong(format!(
                "{shape:?} values of {} end at byte {needed} of {}",
                self.dtype.name(),
                file.length()
            ));
        }
        Ok(())
    }
}

/// The first 32-bit numbers of a file, little-endian.
fn header<const N: usize>(file: &PositionedFile, name: &str) -> Result<[u32; N]> {
    let mut numbers = [0; N];
    if file.length() < 4 * N as u64 {
        return Err(Error::Corrupt { file: name.into(), block: "header".into(), reason: "is cut short".into() });
    }
    for (at, number) in numbers.iter_mut().enumerate() {
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, 4 * at as u64)?;
        *number = u32::from_le_bytes(bytes);
    }
    Ok(numbers)
}

/// How many rows of `row` bytes a file of `length` bytes has.
fn whole(name: &str, length: u64, row: u64) -> Result<u64> {
    if !length.is_multiple_of(row) {
        let reason = format!("{length} bytes are no number of rows of {row} bytes");
        return Err(Error::Corrupt { file: name.into(), block: "data".into(), reason });
    }
    Ok(length / row)
}
