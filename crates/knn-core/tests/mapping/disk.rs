//! Disks for tests: fast because nothing is synced, and disturbed at the n-th call where a test wants that; and what is on them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use gigamapper_core::error::{Error, Result};
use gigamapper_core::progress::Cancel;
use gigamapper_core::store::{OsVfs, Vfs, VfsFile};

/// What happens when the calls that change something are used up.
#[derive(Clone)]
enum Then {
    /// This call fails, and all after it if that lasts.
    Fail { fault: Fault, lasts: bool },
    /// The user presses Ctrl-C.
    Cancel(Cancel),
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// ENOSPC, and nothing is written.
    Full,
    /// ENOSPC when half of the bytes are written.
    Short,
    /// EIO.
    Io,
}

#[derive(Clone)]
pub(crate) struct Disk {
    left: Arc<AtomicI64>,
    then: Then,
}

impl Disk {
    /// A disk without disturbance.
    pub(crate) fn quick() -> Arc<dyn Vfs> {
        Arc::new(Self::failing(i64::MAX))
    }

    pub(crate) fn failing(calls: i64) -> Self {
        Self::faulty(calls, Fault::Short, true)
    }

    /// A disk of which one call fails, or all from that one on.
    pub(crate) fn faulty(calls: i64, fault: Fault, lasts: bool) -> Self {
        Self { left: Arc::new(AtomicI64::new(calls)), then: Then::Fail { fault, lasts } }
    }

    pub(crate) fn cancelling(calls: i64, cancel: Cancel) -> Self {
        Self { left: Arc::new(AtomicI64::new(calls)), then: Then::Cancel(cancel) }
    }

    /// Calls that were not made; negative if there were more.
    pub(crate) fn left(&self) -> i64 {
        self.left.load(Ordering::Relaxed)
    }

    fn spend(&self) -> Result<()> {
        let left = self.left.fetch_sub(1, Ordering::Relaxed);
        if left > 0 {
            return Ok(());
        }
        match &self.then {
            Then::Fail { lasts: false, .. } if left < 0 => Ok(()),
            Then::Fail { fault: Fault::Io, .. } => {
                Err(Error::io("write", "disk", std::io::Error::from_raw_os_error(5)))
            }
            Then::Fail { .. } => Err(Error::io("write", "disk", std::io::Error::from(std::io::ErrorKind::StorageFull))),
            Then::Cancel(cancel) => {
                cancel.cancel();
                Ok(())
            }
        }
    }
}

struct DiskFile {
    file: Box<dyn VfsFile>,
    disk: Disk,
}

impl VfsFile for DiskFile {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        let half = match self.disk.then {
            Then::Fail { fault: Fault::Short, .. } => bytes.len() / 2,
            _ => 0,
        };
        self.disk.spend().or_else(|error| self.file.write_all(&bytes[..half]).and(Err(error)))?;
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.disk.spend()
    }
}

impl Vfs for Disk {
    fn create(&self, path: &Path) -> Result<Box<dyn VfsFile>> {
        self.spend()?;
        Ok(Box::new(DiskFile { file: OsVfs.create(path)?, disk: self.clone() }))
    }

    fn create_new(&self, path: &Path, bytes: &[u8]) -> Result<bool> {
        self.spend()?;
        OsVfs.create_new(path, bytes)
    }

    fn append(&self, path: &Path) -> Result<Box<dyn VfsFile>> {
        self.spend()?;
        Ok(Box::new(DiskFile { file: OsVfs.append(path)?, disk: self.clone() }))
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

/// Paths and contents of all files below a folder.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Fails with the names of the files that differ, not with their bytes.
pub(crate) fn assert_same(found: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>, what: &str) {
    let differing: Vec<_> =
        found.keys().chain(expected.keys()).filter(|name| found.get(*name) != expected.get(*name)).collect();
    assert!(differing.is_empty(), "{what}: {differing:?}");
}

/// Names in a folder, sorted.
pub(crate) fn listed(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
