//! One chunk of a column: spooled raw while its unit is written, compressed when it is sealed.
//!
//! Compressing at once would hold an encoder of more than a mebibyte for every column of a wide table. The frame must
//! say how long its content is, because numcodecs refuses it otherwise, and for texts that is known only at the end.
//! The encoder is fed in pieces of one size, so that its output depends on the content alone.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::node::{ZSTD_LEVEL, fill_bytes};
use super::shard::PADDING;
use super::spec::ArraySpec;
use crate::error::{Error, Result};
use crate::store::{AtomicFile, SealedFile, Vfs, VfsFile, make_dirs, temporary_name};

pub(super) struct Column {
    spool: Spool,
    target: PathBuf,
    worker: String,
    rows: u64,
    /// Bytes of a value; `None` for texts.
    size: Option<u64>,
    fill: Vec<u8>,
}

/// A temporary file that is written, then read, and goes with its owner.
struct Spool {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    file: Box<dyn VfsFile>,
    length: u64,
}

impl Drop for Spool {
    fn drop(&mut self) {
        // A resumed run removes what stays.
        let _ = self.vfs.remove_file(&self.path);
    }
}

impl Column {
    pub(super) fn create(vfs: &Arc<dyn Vfs>, target: &Path, worker: &str, array: &ArraySpec) -> Result<Self> {
        make_dirs(&**vfs, target.parent().unwrap_or(Path::new("")))?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = target.with_file_name(temporary_name(&format!("{name}.raw"), worker));
        let spool = Spool { vfs: Arc::clone(vfs), file: vfs.create(&path)?, path, length: 0 };
        // An empty text is its length alone.
        let fill = if array.row_bytes().is_none() { vec![0; 4] } else { fill_bytes(array.dtype()) };
        Ok(Self { spool, target: target.into(), worker: worker.into(), rows: 0, size: array.row_bytes(), fill })
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(size) = self.size else { return Err(Error::internal("values for a column of texts")) };
        self.rows += bytes.len() as u64 / size;
        self.spool.write_all(bytes)
    }

    pub(super) fn append_strings(&mut self, bytes: &[u8], ends: &[usize]) -> Result<()> {
        if self.size.is_some() {
            return Err(Error::internal("texts for a column of values"));
        }
        let mut encoded = Vec::with_capacity(PADDING.min(bytes.len() + 4 * ends.len()));
        let mut start = 0;
        for &end in ends {
            let text = bytes.get(start..end).ok_or_else(|| Error::internal("texts end behind their bytes"))?;
            let length = u32::try_from(text.len()).map_err(|_| Error::internal("a text of more than 4 GiB"))?;
            encoded.extend_from_slice(&length.to_le_bytes());
            encoded.extend_from_slice(text);
            if encoded.len() >= PADDING {
                self.spool.write_all(&encoded)?;
                encoded.clear();
            }
            start = end;
        }
        self.rows += ends.len() as u64;
        self.spool.write_all(&encoded)
    }

    /// Compresses what was spooled into the chunk, filled up to `chunk_rows` rows.
    pub(super) fn seal(self, chunk_rows: u64) -> Result<SealedFile> {
        let missing = (chunk_rows - self.rows) * self.fill.len() as u64;
        let count = if self.size.is_none() {
            let rows = u32::try_from(chunk_rows).map_err(|_| Error::internal("a chunk of more than 2^32 texts"))?;
            rows.to_le_bytes().to_vec()
        } else {
            Vec::new()
        };
        let total = count.len() as u64 + self.spool.length + missing;
        let padding = self.fill.repeat(PADDING / self.fill.len());
        let raw = self.spool.vfs.open(&self.spool.path)?.take(self.spool.length);
        let mut content = (&count[..]).chain(raw).chain(Repeat { pattern: &padding, at: 0 }).take(total);
        let file = AtomicFile::create(&self.spool.vfs, &self.target, &self.worker)?;
        let failed = |error: std::io::Error| from_io(error, &self.target);
        let mut encoder = zstd::stream::write::Encoder::new(file, ZSTD_LEVEL).map_err(failed)?;
        encoder.include_contentsize(true).map_err(failed)?;
        encoder.set_pledged_src_size(Some(total)).map_err(failed)?;
        let mut piece = vec![0; PADDING];
        loop {
            let read = fill_up(&mut content, &mut piece).map_err(failed)?;
            if read == 0 {
                break;
            }
            encoder.write_all(&piece[..read]).map_err(failed)?;
        }
        let sealed = encoder.finish().map_err(failed)?.seal()?;
        drop(content);
        // What cannot be removed would stay beside a finished store.
        self.spool.vfs.remove_file(&self.spool.path)?;
        Ok(sealed)
    }
}

impl Spool {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// The same bytes for ever.
struct Repeat<'a> {
    pattern: &'a [u8],
    at: usize,
}

impl Read for Repeat<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(self.pattern.len() - self.at);
        buffer[..count].copy_from_slice(&self.pattern[self.at..self.at + count]);
        self.at = (self.at + count) % self.pattern.len();
        Ok(count)
    }
}

fn fill_up(content: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match content.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Our own error if the encoder only passed it on.
fn from_io(error: std::io::Error, path: &Path) -> Error {
    error.downcast::<Error>().unwrap_or_else(|error| Error::io("compress", path, error))
}
