//! A file system for tests that fails on the n-th call that changes something, as a full disk does, and from then on.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::{OsVfs, Vfs, VfsFile};
use crate::error::{Error, Result};

/// Passes calls on to the operating system until its calls are used up.
pub(crate) struct FailingVfs {
    left: Arc<AtomicI64>,
}

struct FailingFile {
    file: Box<dyn VfsFile>,
    left: Arc<AtomicI64>,
}

impl FailingVfs {
    pub(crate) fn after(calls: i64) -> Self {
        Self { left: Arc::new(AtomicI64::new(calls)) }
    }

    fn spend(&self) -> Result<()> {
        spend(&self.left)
    }
}

fn spend(left: &AtomicI64) -> Result<()> {
    if left.fetch_sub(1, Ordering::Relaxed) > 0 {
        return Ok(());
    }
    Err(Error::io("write", "disk", std::io::Error::from(std::io::ErrorKind::StorageFull)))
}

impl VfsFile for FailingFile {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        // A short write: half of the bytes reach the disk.
        spend(&self.left).or_else(|error| self.file.write_all(&bytes[..bytes.len() / 2]).and(Err(error)))?;
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> Result<()> {
        spend(&self.left)
    }
}

impl Vfs for FailingVfs {
    fn create(&self, path: &Path) -> Result<Box<dyn VfsFile>> {
        self.spend()?;
        Ok(Box::new(FailingFile { file: OsVfs.create(path)?, left: Arc::clone(&self.left) }))
    }

    fn create_new(&self, path: &Path, bytes: &[u8]) -> Result<bool> {
        self.spend()?;
        OsVfs.create_new(path, bytes)
    }

    fn append(&self, path: &Path) -> Result<Box<dyn VfsFile>> {
        self.spend()?;
        Ok(Box::new(FailingFile { file: OsVfs.append(path)?, left: Arc::clone(&self.left) }))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Read + Send>> {
        OsVfs.open(path)
    }

    fn read(&self, path: &Path, most: u64) -> Result<Vec<u8>> {
        OsVfs.read(path, most)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.spend()?;
        OsVfs.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.spend()?;
        OsVfs.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> Result<()> {
        self.spend()?;
        OsVfs.remove_dir_all(path)
    }

    fn create_dir_all(&self, path: &Path) -> Result<()> {
        self.spend()?;
        OsVfs.create_dir_all(path)
    }

    fn sync_dir(&self, _: &Path) -> Result<()> {
        self.spend()
    }

    fn len(&self, path: &Path) -> Result<Option<u64>> {
        OsVfs.len(path)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        OsVfs.exists(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<(String, bool)>> {
        OsVfs.list(path)
    }
}
