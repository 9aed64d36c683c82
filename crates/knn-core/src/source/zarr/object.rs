//! An open file of a store, or an open member of an archive: bytes that are read in ranges and never beyond their end.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

use crate::error::{Error, Result};

/// An open file of the store. It knows its name for errors.
pub(super) struct Object {
    file: File,
    /// Where its bytes begin in the file.
    start: u64,
    packed: Option<Packed>,
    /// Store and path in it, as the user would name it.
    pub(super) name: String,
    /// Bytes of it, decompressed.
    pub(super) len: u64,
}

/// What an archive says of a member beyond its length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed {
    /// Stored bytes, where they are deflated.
    pub(super) deflated: Option<u64>,
    /// CRC-32 of the member, decompressed.
    pub(super) crc: u32,
}

impl Object {
    /// A whole file of `len` bytes.
    pub(super) fn new(file: File, name: String, len: u64) -> Self {
        Self { file, start: 0, packed: None, name, len }
    }

    /// The member of this archive whose bytes begin at `start`.
    pub(super) fn into_member(self, start: u64, len: u64, packed: Packed) -> Self {
        Self { start, len, packed: Some(packed), ..self }
    }

    /// Reads `len` bytes at `offset`, which must lie inside the file: the caller knows that, or is told `GM_CORRUPT`.
    pub(super) fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        self.read_spare(offset, len, Vec::new())
    }

    /// The same into memory that was used before.
    pub(super) fn read_spare(&self, offset: u64, len: u64, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(self.corrupt("file", format!("ends before byte {offset} + {len}")));
        }
        bytes.clear();
        bytes.reserve_exact(len as usize);
        bytes.resize(len as usize, 0);
        self.read_into(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `out` with the bytes at `offset`. Every object has a file of its own, so the cursor is nobody else's.
    pub(super) fn read_into(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > self.len) {
            return Err(self.corrupt("file", format!("ends before byte {offset} + {}", out.len())));
        }
        let read = match self.packed.and_then(|packed| packed.deflated) {
            None => {
                let mut file = &self.file;
                file.seek(SeekFrom::Start(self.start + offset)).and_then(|_| file.read_exact(out))
            }
            Some(deflated) => self.inflate(deflated, offset, out),
        };
        read.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => self.corrupt("file", format!("ends before byte {offset} + {}", out.len())),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => self.corrupt("member", format!("deflate: {error}")),
            _ => Error::io("read", &self.name, error),
        })?;
        // A part cannot be checked without the rest; the chunks of arrays are read as wholes.
        if let Some(packed) = self.packed.filter(|_| out.len() as u64 == self.len) {
            let mut crc = flate2::Crc::new();
            crc.update(out);
            if crc.sum() != packed.crc {
                return Err(self.corrupt("member", "its crc32 does not match"));
            }
        }
        Ok(())
    }

    /// Decompresses from the start, since deflate knows no other way, into nothing but the buffer.
    fn inflate(&self, deflated: u64, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.start))?;
        let mut decoder = DeflateDecoder::new(file.take(deflated));
        std::io::copy(&mut (&mut decoder).take(offset), &mut std::io::sink())?;
        decoder.read_exact(out)?;
        if offset + out.len() as u64 == self.len && decoder.read(&mut [0])? > 0 {
            return Err(std::io::Error::new(ErrorKind::InvalidData, format!("holds more than {} bytes", self.len)));
        }
        Ok(())
    }

    /// Damage in this file.
    pub(super) fn corrupt(&self, block: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Corrupt { file: self.name.clone(), block: block.into(), reason: reason.into() }
    }
}
