//! Parquet: one column of one row group at a time. What the metadata say of a column is checked before it is decoded.

use std::io::Read;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::Schema;
use arrow_select::concat::concat;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::Groups;
use super::ask::{ask, damaged};
use crate::error::{Error, Result};
use crate::store::PositionedFile;

/// Bytes of the metadata at the end of a file.
const LARGEST_FOOTER: u64 = 64 << 20;
/// Bytes of a decoded column of one row group.
const LARGEST_COLUMN: u64 = 1 << 30;

/// A Parquet file.
#[derive(Debug)]
pub(super) struct ParquetFile {
    file: Shared,
    name: String,
    metadata: ArrowReaderMetadata,
    rows: Vec<u64>,
    largest: u64,
}

/// The file, as the library reads it.
#[derive(Debug, Clone)]
struct Shared(Arc<PositionedFile>);

/// A place in it.
struct At {
    file: Arc<PositionedFile>,
    next: u64,
}

impl Read for At {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let left = self.file.length().saturating_sub(self.next);
        let taken = (out.len() as u64).min(left) as usize;
        self.file.read_exact_at(&mut out[..taken], self.next).map_err(std::io::Error::other)?;
        self.next += taken as u64;
        Ok(taken)
    }
}

impl Length for Shared {
    fn len(&self) -> u64 {
        self.0.length()
    }
}

impl ChunkReader for Shared {
    type T = At;

    fn get_read(&self, start: u64) -> Result<At, ParquetError> {
        Ok(At { file: self.0.clone(), next: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.0.length()) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} end behind the end of the file")));
        }
        let mut bytes = vec![0; length];
        self.0.read_exact_at(&mut bytes, start).map_err(|error| ParquetError::General(error.to_string()))?;
        Ok(bytes.into())
    }
}

impl ParquetFile {
    /// Whether the first bytes of a file are those of Parquet.
    pub(super) fn is_parquet(head: &[u8]) -> bool {
        head.starts_with(b"PAR1")
    }

    /// Reads the metadata of a file.
    pub(super) fn open(file: Arc<PositionedFile>, name: String) -> Result<Self> {
        let length = file.length();
        let mut tail = [0; 8];
        if length < 12 {
            return Err(damaged(&name, "footer", "is cut short"));
        }
        file.read_exact_at(&mut tail, length - 8)?;
        let size = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
        if &tail[4..] != b"PAR1" || size > length - 12 {
            return Err(damaged(&name, "footer", "is cut short"));
        }
        if size > LARGEST_FOOTER {
            return Err(Error::schema(name, "", "footer", format!("{size} bytes are more than {LARGEST_FOOTER}")));
        }
        let file = Shared(file);
        let metadata = ask(&name, "footer", || ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()))?;
        let (mut rows, mut largest) = (Vec::new(), 0);
        for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
            let wrong = |reason: &str| damaged(&name, &format!("row group {number}"), reason);
            rows.push(u64::try_from(group.num_rows()).map_err(|_| wrong("has a negative number of rows"))?);
            for column in group.columns() {
                let sizes = (u64::try_from(column.compressed_size()), u64::try_from(column.uncompressed_size()));
                let (Ok(stored), Ok(decoded)) = sizes else { return Err(wrong("has a column of negative size")) };
                if stored > length || decoded > LARGEST_COLUMN {
                    return Err(wrong("has a column that is larger than the file or than 1 GiB"));
                }
                largest = largest.max(stored + decoded);
            }
        }
        Ok(Self { file, name, metadata, rows, largest })
    }
}

impl Groups for ParquetFile {
    fn schema(&self) -> &Schema {
        self.metadata.schema()
    }

    fn rows(&self) -> &[u64] {
        &self.rows
    }

    fn largest_bytes(&self) -> u64 {
        // Pages, decoded values, and both halves while they are put together.
        self.largest.saturating_mul(3)
    }

    fn read(&self, group: usize, column: usize) -> Result<ArrayRef> {
        let rows = self.rows[group];
        ask(&self.name, &format!("row group {group}"), || -> Result<ArrayRef, String> {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone());
            let mask = ProjectionMask::roots(self.metadata.metadata().file_metadata().schema_descr(), [column]);
            let reader =
                builder.with_row_groups(vec![group]).with_projection(mask).with_batch_size(rows.max(1) as usize);
            let reader = reader.build().map_err(|error| error.to_string())?;
            let mut parts: Vec<ArrayRef> = Vec::new();
            for batch in reader {
                let batch = batch.map_err(|error| error.to_string())?;
                parts.push(batch.columns().first().cloned().ok_or("has no columns")?);
            }
            let array = match parts.as_slice() {
                [] if rows == 0 => arrow_array::new_empty_array(self.schema().field(column).data_type()),
                [one] => one.clone(),
                some => {
                    let some: Vec<_> = some.iter().map(AsRef::as_ref).collect();
                    concat(&some).map_err(|error| error.to_string())?
                }
            };
            if array.len() as u64 == rows { Ok(array) } else { Err("has another number of rows".into()) }
        })
    }
}
