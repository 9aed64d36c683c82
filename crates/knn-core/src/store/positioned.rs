//! A file read at any offset by any number of threads: no cursor, so nothing to share and nothing to lock.
//!
//! [`Vfs`](super::Vfs) reads from the beginning only, which is what journals and small files need. What is read here was written
//! through it and is checked by whoever reads it.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where the bytes are.
#[derive(Debug)]
enum Bytes {
    OnDisk(File),
    InMemory(Vec<u8>),
    /// What was handed over of it, by where it begins; parts do not overlap.
    Parts(BTreeMap<u64, Vec<u8>>),
}

/// A file open for reading at offsets.
#[derive(Debug)]
pub struct PositionedFile {
    bytes: Bytes,
    path: PathBuf,
    length: u64,
}

impl PositionedFile {
    /// Opens a file; its length is taken now and is what reads are checked against.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let length = file.metadata().map_err(|e| Error::io("look at", path, e))?.len();
        Ok(Self { bytes: Bytes::OnDisk(file), path: path.to_path_buf(), length })
    }

    /// What a file called `path` would hold, in memory.
    pub fn of_bytes(path: &Path, bytes: Vec<u8>) -> Self {
        let length = bytes.len() as u64;
        Self { bytes: Bytes::InMemory(bytes), path: path.to_path_buf(), length }
    }

    /// A file of this length that is elsewhere, and of which nothing is here yet.
    pub fn of_parts(path: &Path, length: u64) -> Self {
        Self { bytes: Bytes::Parts(BTreeMap::new()), path: path.to_path_buf(), length }
    }

    /// Takes over a part of such a file. What is there already stays.
    pub fn give(&mut self, offset: u64, part: Vec<u8>) {
        if let Bytes::Parts(parts) = &mut self.bytes {
            parts.entry(offset).or_insert(part);
        }
    }

    /// Gives back what was taken of such a file.
    pub fn forget(&mut self) {
        if let Bytes::Parts(parts) = &mut self.bytes {
            parts.clear();
        }
    }

    /// What was handed over of these bytes, ascending, by where it begins; nothing of a file that is here.
    pub fn parts_in(&self, bytes: Range<u64>) -> impl Iterator<Item = (u64, &[u8])> {
        let parts = match &self.bytes {
            Bytes::Parts(parts) => Some(parts),
            Bytes::OnDisk(_) | Bytes::InMemory(_) => None,
        };
        let before = parts.and_then(|parts| parts.range(..bytes.start).next_back());
        let behind = parts.map(|parts| parts.range(bytes.start..bytes.end.max(bytes.start)));
        before.into_iter().chain(behind.into_iter().flatten()).filter_map(move |(&start, part)| {
            let (from, to) = (bytes.start.max(start), bytes.end.min(start + part.len() as u64));
            (from < to).then(|| (from, &part[(from - start) as usize..(to - start) as usize]))
        })
    }

    /// What was not handed over of these bytes, ascending.
    pub fn lacking(&self, bytes: Range<u64>) -> Vec<Range<u64>> {
        let (mut lacking, mut end) = (Vec::new(), bytes.start);
        for (start, part) in self.parts_in(bytes.clone()) {
            lacking.extend((end < start).then_some(end..start));
            end = start + part.len() as u64;
        }
        lacking.extend((end < bytes.end).then_some(end..bytes.end));
        lacking
    }

    /// Bytes that are in memory.
    pub fn held_bytes(&self) -> u64 {
        match &self.bytes {
            Bytes::OnDisk(_) => 0,
            Bytes::InMemory(bytes) => bytes.capacity() as u64,
            Bytes::Parts(parts) => parts.values().map(|part| part.capacity() as u64).sum(),
        }
    }

    /// Bytes of the file when it was opened.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Its path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself, for whoever maps it; none where its bytes are in memory.
    pub fn file(&self) -> Option<&File> {
        match &self.bytes {
            Bytes::OnDisk(file) => Some(file),
            Bytes::InMemory(_) | Bytes::Parts(_) => None,
        }
    }

    /// Tells the system that these bytes will be read, so that it fetches them meanwhile. Where a system cannot be told, nothing happens.
    pub fn will_read(&self, offset: u64, length: u64) {
        #[cfg(all(target_os = "linux", feature = "disk"))]
        if let (Some(file), Some(length)) = (self.file(), std::num::NonZeroU64::new(length)) {
            // Advice only: what fails here is read all the same.
            let _ = rustix::fs::fadvise(file, offset, Some(length), rustix::fs::Advice::WillNeed);
        }
        #[cfg(not(all(target_os = "linux", feature = "disk")))]
        let _ = (offset, length);
    }

    /// Fills `bytes` from `offset`. A file that ends before is `GM_CORRUPT`, whoever shortened it.
    pub fn read_exact_at(&self, mut bytes: &mut [u8], mut offset: u64) -> Result<()> {
        while !bytes.is_empty() {
            match self.read_at(bytes, offset) {
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

    fn read_at(&self, out: &mut [u8], offset: u64) -> std::io::Result<usize> {
        match &self.bytes {
            Bytes::OnDisk(file) => read_at(file, out, offset),
            Bytes::InMemory(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
                let length = rest.len().min(out.len());
                out[..length].copy_from_slice(&rest[..length]);
                Ok(length)
            }
            Bytes::Parts(parts) => {
                let part = parts.range(..=offset).next_back();
                let rest = part.and_then(|(start, part)| part.get((offset - start) as usize..));
                let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
                    return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "these bytes were not fetched"));
                };
                let length = rest.len().min(out.len());
                out[..length].copy_from_slice(&rest[..length]);
                Ok(length)
            }
        }
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
        let given = PositionedFile::of_bytes(&path, b"abcdef".to_vec());
        given.read_exact_at(&mut bytes, 3).unwrap();
        assert_eq!((&bytes, given.length()), (b"def", 6));
        assert!(given.held_bytes() >= 6 && file.held_bytes() == 0);
        assert_eq!(given.read_exact_at(&mut bytes, u64::MAX).unwrap_err().code(), "GM_CORRUPT");
        let mut parts = PositionedFile::of_parts(&path, 6);
        parts.give(2, b"cd".to_vec());
        parts.give(4, b"ef".to_vec());
        parts.read_exact_at(&mut bytes, 3).unwrap();
        assert_eq!((&bytes, parts.length()), (b"def", 6));
        assert!(parts.held_bytes() >= 4);
        let held = |bytes| parts.parts_in(bytes).map(|(start, part)| (start, part.to_vec())).collect::<Vec<_>>();
        assert_eq!(held(0..6), [(2, b"cd".to_vec()), (4, b"ef".to_vec())]);
        assert_eq!((held(3..5), held(0..2)), (vec![(3, b"d".to_vec()), (4, b"e".to_vec())], vec![]));
        let lacking = |bytes| parts.lacking(bytes).iter().map(|part| [part.start, part.end]).collect::<Vec<_>>();
        assert_eq!((lacking(0..6), lacking(3..6), lacking(1..1)), (vec![[0, 2]], vec![], vec![]));
        assert_eq!(parts.read_exact_at(&mut bytes, 1).unwrap_err().code(), "GM_IO");
        parts.forget();
        assert_eq!(parts.read_exact_at(&mut bytes, 3).unwrap_err().code(), "GM_IO");
        assert_eq!(PositionedFile::open(&folder.path().join("y")).unwrap_err().code(), "GM_IO");
    }
}
