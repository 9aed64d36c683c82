//! xxh3-64 as the journal writes it: 16 hexadecimal digits. It finds damage; it is no defence against forgery.

use std::path::Path;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::Vfs;
use crate::error::{Error, Result};

/// The checksum of bytes in memory.
pub fn hash_bytes(bytes: &[u8]) -> String {
    hex(xxh3_64(bytes))
}

/// The checksum of a file, read in pieces.
pub fn hash_file(vfs: &dyn Vfs, path: &Path) -> Result<String> {
    let mut file = vfs.open(path)?;
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(hash.digest())),
            Ok(read) => hash.update(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", path, error)),
        }
    }
}

pub(super) fn hex(digest: u64) -> String {
    format!("{digest:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::OsVfs;

    #[test]
    fn a_file_hashes_as_its_bytes() {
        let bytes: Vec<u8> = (0..1_000_003_u32).map(|i| i as u8).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(hash_file(&OsVfs, &path).unwrap(), hash_bytes(&bytes));
        assert_eq!(hash_bytes(b""), "2d06800538d394c2");
    }
}
