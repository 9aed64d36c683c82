//! The file system as the rest of the core sees it: the few operations that the commit protocol is made of.
//!
//! Object safe, so that one run can be given a file system that fails on purpose. Paths are the operating system's.
//! There is no seek and no truncation: nothing that was written is ever changed in place.

use std::io::Read;
use std::path::Path;

use crate::error::Result;

/// A file system to write to. Errors are `GM_IO` with the path and the operation.
pub trait Vfs: Send + Sync {
    /// Opens `path` for writing from its beginning, whatever was there.
    fn create(&self, path: &Path) -> Result<Box<dyn VfsFile>>;
    /// Makes `path` with these bytes, synced; `false` if it exists already. No other process can succeed as well.
    fn create_new(&self, path: &Path, bytes: &[u8]) -> Result<bool>;
    /// Opens `path` for writing at its end, and makes it if it is not there.
    fn append(&self, path: &Path) -> Result<Box<dyn VfsFile>>;
    /// Opens `path` for reading from its beginning.
    fn open(&self, path: &Path) -> Result<Box<dyn Read + Send>>;
    /// Reads a small file whole; more than `most` bytes are `GM_CORRUPT`.
    fn read(&self, path: &Path, most: u64) -> Result<Vec<u8>>;
    /// Gives `from` the name `to`, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Removes a file; one that is not there is not an error.
    fn remove_file(&self, path: &Path) -> Result<()>;
    /// Removes a folder and all in it; one that is not there is not an error.
    fn remove_dir_all(&self, path: &Path) -> Result<()>;
    /// Makes a folder and those above it.
    fn create_dir_all(&self, path: &Path) -> Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> Result<()>;
    /// Bytes of the file at `path`; `None` if there is no file of that name.
    fn len(&self, path: &Path) -> Result<Option<u64>>;
    /// Whether anything has that name, a dangling link included.
    fn exists(&self, path: &Path) -> Result<bool>;
    /// Names in a folder, sorted, and whether each is a folder itself (a link is not).
    fn list(&self, path: &Path) -> Result<Vec<(String, bool)>>;
}

/// A file open for writing.
pub trait VfsFile: Send {
    /// Writes all of `bytes` at the end of what was written.
    fn write_all(&mut self, bytes: &[u8]) -> Result<()>;
    /// Makes what was written durable.
    fn sync(&mut self) -> Result<()>;
}
