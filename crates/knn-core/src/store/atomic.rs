//! A file that appears whole or not at all.
//!
//! It is written under a temporary name in its own folder, synced, and renamed; the folder is synced last. The two
//! halves are apart ([`AtomicFile::seal`], [`SealedFile::publish`]) because a unit seals all its files before it
//! publishes any: a full disk is met while nothing has changed. Whatever is dropped before it is published removes its
//! temporary file. A killed process cannot, so a resumed run calls [`recover`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::checksum::hex;
use super::{Vfs, VfsFile};
use crate::error::{Error, Result};

/// What lies beside a store or an index under its name and one more ending, such as its journal and its lock.
pub fn beside(path: &Path, ending: &str) -> Result<PathBuf> {
    if path.file_name().is_none() {
        return Err(Error::param("output", path.display(), "name a folder to be made"));
    }
    Ok(path.with_added_extension(ending))
}

/// Length and checksum of a file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Bytes.
    pub length: u64,
    /// xxh3-64, 16 hexadecimal digits.
    pub xxh3: String,
}

/// A file being written under a temporary name.
pub struct AtomicFile {
    file: Box<dyn VfsFile>,
    hash: Box<Xxh3>,
    length: u64,
    guard: Guard,
}

/// A file written in full, not yet under its own name.
pub struct SealedFile {
    /// What is in it.
    pub written: Written,
    guard: Guard,
}

struct Guard {
    vfs: Arc<dyn Vfs>,
    temporary: PathBuf,
    target: PathBuf,
    published: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.published {
            // There is no one to tell; a resumed run looks for what is left.
            let _ = self.vfs.remove_file(&self.temporary);
        }
    }
}

impl AtomicFile {
    /// Starts to write what will be `target`, and makes its folder.
    pub fn create(vfs: &Arc<dyn Vfs>, target: &Path, worker: &str) -> Result<Self> {
        make_dirs(&**vfs, parent(target))?;
        let name = target.file_name().ok_or_else(|| Error::internal(format!("{} is no file", target.display())))?;
        let temporary = target.with_file_name(temporary_name(&name.to_string_lossy(), worker));
        let file = vfs.create(&temporary)?;
        let guard = Guard { vfs: Arc::clone(vfs), temporary, target: target.to_path_buf(), published: false };
        Ok(Self { file, hash: Box::new(Xxh3::new()), length: 0, guard })
    }

    /// Appends bytes.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Ends the file and makes its bytes durable.
    pub fn seal(mut self) -> Result<SealedFile> {
        self.file.sync()?;
        Ok(self.seal_unsynced())
    }

    /// Ends the file. After a power cut it may be there with nothing in it: only for what is written again anyway.
    pub fn seal_unsynced(self) -> SealedFile {
        let written = Written { length: self.length, xxh3: hex(self.hash.digest()) };
        SealedFile { written, guard: self.guard }
    }
}

impl std::io::Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.write_all(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl SealedFile {
    /// Gives the file its own name. The caller syncs [`SealedFile::folder`], once for many files.
    pub fn publish(mut self) -> Result<Written> {
        self.guard.vfs.rename(&self.guard.temporary, &self.guard.target)?;
        self.guard.published = true;
        Ok(self.written.clone())
    }

    /// The folder it is in.
    pub fn folder(&self) -> &Path {
        parent(&self.guard.target)
    }
}

/// Writes a small file atomically and durably.
pub fn write_atomic(vfs: &Arc<dyn Vfs>, target: &Path, worker: &str, bytes: &[u8]) -> Result<Written> {
    let mut file = AtomicFile::create(vfs, target, worker)?;
    file.write_all(bytes)?;
    let written = file.seal()?.publish()?;
    vfs.sync_dir(parent(target))?;
    Ok(written)
}

/// Makes a folder, and makes durable the names of those that were missing and of the one above them, which a process may have made that
/// was killed before it could do so.
pub fn make_dirs(vfs: &dyn Vfs, folder: &Path) -> Result<()> {
    let mut missing = Vec::new();
    let mut at = folder;
    while !at.as_os_str().is_empty() && !vfs.exists(at)? {
        missing.push(at);
        at = parent(at);
    }
    if missing.is_empty() {
        return Ok(());
    }
    if at.file_name().is_some() {
        // It may lie in a folder of others, which may not be opened.
        match vfs.sync_dir(parent(at)) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    for made in missing.into_iter().rev() {
        // One at a time: of a process that is killed here only the last may have no durable name.
        vfs.create_dir_all(made)?;
        vfs.sync_dir(parent(made))?;
    }
    Ok(())
}

/// Makes many folders below one that is there. Names become durable at the end, once in each folder that has new ones: only for work that is made
/// durable by [`recover`] before anyone goes on with it.
pub fn make_many_dirs<'a>(vfs: &dyn Vfs, folders: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let (mut known, mut changed) = (BTreeSet::new(), BTreeSet::new());
    for folder in folders {
        let mut missing = Vec::new();
        let mut at = folder;
        while !at.as_os_str().is_empty() && !known.contains(at) && !vfs.exists(at)? {
            missing.push(at);
            at = parent(at);
        }
        known.insert(at);
        for made in missing.into_iter().rev() {
            vfs.create_dir_all(made)?;
            known.insert(made);
            changed.insert(parent(made));
        }
    }
    changed.into_iter().try_for_each(|folder| vfs.sync_dir(folder))
}

/// The temporary name of `name` while `worker` writes it.
pub fn temporary_name(name: &str, worker: &str) -> String {
    format!(".{name}.tmp-{worker}")
}

/// Whether a file of that name is the unfinished work of some worker.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.rfind(".tmp-").is_some_and(|at| at > 1)
}

/// Removes temporary files in a folder and all below it; returns how many there were. Links are not followed.
///
/// All names are made durable, that of the folder included: the process that gave them may have been killed before it could do so, and whoever
/// goes on with its work finds them there and trusts them.
pub fn recover(vfs: &dyn Vfs, folder: &Path) -> Result<u64> {
    let mut removed = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for (name, is_folder) in vfs.list(&at)? {
            let path = at.join(&name);
            if is_folder {
                folders.push(path);
            } else if is_temporary(&name) {
                vfs.remove_file(&path)?;
                removed += 1;
            }
        }
        vfs.sync_dir(&at)?;
    }
    vfs.sync_dir(parent(folder))?;
    Ok(removed)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{OsVfs, hash_bytes};

    fn os() -> Arc<dyn Vfs> {
        Arc::new(OsVfs)
    }

    #[test]
    fn a_file_appears_when_it_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("c/3/0");
        let mut file = AtomicFile::create(&os(), &target, "w").unwrap();
        file.write_all(b"ab").unwrap();
        file.write_all(b"c").unwrap();
        assert!(folder.path().join("c/3/.0.tmp-w").exists());
        let sealed = file.seal().unwrap();
        assert!(!target.exists());
        let written = sealed.publish().unwrap();
        assert_eq!(written, Written { length: 3, xxh3: hash_bytes(b"abc") });
        assert_eq!(std::fs::read(&target).unwrap(), b"abc");
        assert_eq!(std::fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_dropped_leaves_nothing_and_harms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x");
        write_atomic(&os(), &target, "w", b"old").unwrap();
        let mut file = AtomicFile::create(&os(), &target, "w").unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        drop(AtomicFile::create(&os(), &target, "w").unwrap().seal().unwrap());
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_temporaries_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/.b.tmp-w")).unwrap();
        for name in ["a/.0.tmp-w", ".zarr.json.tmp-7", "a/0", ".tmp-w", "x.tmp-w", ".gitignore", "a/.b.tmp-w/keep"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        assert_eq!(recover(&OsVfs, folder.path()).unwrap(), 2);
        assert!(folder.path().join("a/0").exists() && folder.path().join("a/.b.tmp-w/keep").exists());
        assert!(folder.path().join(".tmp-w").exists() && folder.path().join("x.tmp-w").exists());
    }
}
