//! A file read at any offset by any number of threads: no cursor, so nothing to share and nothing to lock.
//!
//! [`Vfs`](super::Vfs) reads from the beginning only, which is what journals and small files need. What is read here was written
//! through it and is checked by whoever reads it.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file open for reading at offsets.
#[derive(Debug)]
pub struct PositionedFile {
    file: File,
    path: PathBuf,
    length: u64,
}

impl PositionedFile {
    /// Opens a file; its length is taken now and is what reads are checked against.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let length = file.metadata().map_err(|e| Error::io("look at", path, e))?.len();
        Ok(Self { file, path: path.to_path_buf(), length })
    }

    /// Bytes of the file when it was opened.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Its path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself, for whoever maps it.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Tells the system that these bytes will be read, so that it fetches them meanwhile. Where a system cannot be told, nothing happens.
    pub fn will_read(&self, offset: u64, length: u64) {
        #[cfg(target_os = "linux")]
        if let Some(length) = std::num::NonZeroU64::new(length) {
            // Advice only: what fails here is read all the same.
            let _ = rustix::fs::fadvise(&self.file, offset, Some(length), rustix::fs::Advice::WillNeed);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (offset, length);
    }

    /// Fills `bytes` from `offset`. A file that ends before is `GM_CORRUPT`, whoever shortened it.
    pub fn read_exact_at(&self, mut bytes: &mut [u8], mut offset: u64) -> Result<()> {
        while !bytes.is_empty() {
            match read_at(&self.file, bytes, offset) {
                Ok(0) => return Err(self.corrupt("end", format!("it ends before byte {offset}"))),
                Ok(read) => {
                    bytes = &mut bytes[read..];
                    offset += read as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", &self.path, error)),
            }
        }
        Ok(())
    }

    /// `GM_CORRUPT` of a part of this file.
    pub fn corrupt(&self, block: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Corrupt { file: self.path.display().to_string(), block: block.into(), reason: reason.into() }
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, offset)
}

#[cfg(not(any(unix, windows)))]
fn read_at(_: &File, _: &mut [u8], _: u64) -> std::io::Result<usize> {
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_is_read_and_no_more_than_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"abcdef").unwrap();
        let file = PositionedFile::open(&path).unwrap();
        let mut bytes = [0; 3];
        file.read_exact_at(&mut bytes, 2).unwrap();
        assert_eq!((&bytes, file.length()), (b"cde", 6));
        assert_eq!(file.read_exact_at(&mut bytes, 4).unwrap_err().code(), "GM_CORRUPT");
        assert_eq!(PositionedFile::open(&folder.path().join("y")).unwrap_err().code(), "GM_IO");
    }
}
