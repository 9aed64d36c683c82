//! [`Vfs`] on the operating system's own file system.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::vfs::{Vfs, VfsFile};
use crate::error::{Error, Result};

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsVfs;

struct OsFile {
    file: File,
    path: PathBuf,
}

impl VfsFile for OsFile {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| Error::io("write", &self.path, e))
    }

    fn sync(&mut self) -> Result<()> {
        self.file.sync_all().map_err(|e| Error::io("sync", &self.path, e))
    }
}

impl Vfs for OsVfs {
    fn create(&self, path: &Path) -> Result<Box<dyn VfsFile>> {
        let file = File::create(path).map_err(|e| Error::io("create", path, e))?;
        Ok(Box::new(OsFile { file, path: path.to_path_buf() }))
    }

    fn create_new(&self, path: &Path, bytes: &[u8]) -> Result<bool> {
        let file = match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(Error::io("create", path, error)),
        };
        let mut file = OsFile { file, path: path.to_path_buf() };
        let written = file.write_all(bytes).and_then(|()| file.sync());
        if written.is_err() {
            self.remove_file(path)?;
        }
        written.map(|()| true)
    }

    fn append(&self, path: &Path) -> Result<Box<dyn VfsFile>> {
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(|e| Error::io("open", path, e))?;
        Ok(Box::new(OsFile { file, path: path.to_path_buf() }))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path).map_err(|e| Error::io("open", path, e))?))
    }

    fn read(&self, path: &Path, most: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path)?
            .take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|e| Error::io("read", path, e))?;
        if bytes.len() as u64 > most {
            return Err(Error::Corrupt {
                file: path.display().to_string(),
                block: "file".into(),
                reason: format!("more than {most} bytes"),
            });
        }
        Ok(bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(|e| Error::io("rename", from, e))
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        gone(fs::remove_file(path)).map_err(|e| Error::io("remove", path, e))
    }

    fn remove_dir_all(&self, path: &Path) -> Result<()> {
        gone(fs::remove_dir_all(path)).map_err(|e| Error::io("remove", path, e))
    }

    fn create_dir_all(&self, path: &Path) -> Result<()> {
        fs::create_dir_all(path).map_err(|e| Error::io("create folder", path, e))
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        // Only Unix lets a folder be opened and synced; elsewhere a rename is as durable as the system makes it.
        if cfg!(unix) {
            let folder = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            File::open(folder).and_then(|file| file.sync_all()).map_err(|e| Error::io("sync folder", path, e))?;
        }
        Ok(())
    }

    fn len(&self, path: &Path) -> Result<Option<u64>> {
        match fs::symlink_metadata(path) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(Error::io("look at", path, error)),
        }
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        match fs::symlink_metadata(path) {
            Ok(_) => Ok(true),
            Err(error) if absent(&error) => Ok(false),
            Err(error) => Err(Error::io("look at", path, error)),
        }
    }

    fn list(&self, path: &Path) -> Result<Vec<(String, bool)>> {
        let failed = |e| Error::io("list", path, e);
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let folder = entry.file_type().map_err(failed)?.is_dir();
            // A name that is not Unicode is not one of ours; its lossy form matches none of them either.
            names.push((entry.file_name().to_string_lossy().into_owned(), folder));
        }
        names.sort_unstable();
        Ok(names)
    }
}

fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if absent(&error) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_listed_read_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut file = OsVfs.create(&path).unwrap();
        file.write_all(b"one").unwrap();
        drop(file);
        let mut file = OsVfs.append(&path).unwrap();
        file.write_all(b"two").unwrap();
        file.sync().unwrap();
        OsVfs.create_dir_all(&folder.path().join("b/c")).unwrap();
        assert_eq!(OsVfs.read(&path, 6).unwrap(), b"onetwo");
        assert_eq!(OsVfs.read(&path, 5).unwrap_err().code(), "GM_CORRUPT");
        assert_eq!(OsVfs.len(&path).unwrap(), Some(6));
        assert_eq!(OsVfs.len(folder.path()).unwrap(), None);
        assert_eq!(OsVfs.list(folder.path()).unwrap(), [("a".to_owned(), false), ("b".to_owned(), true)]);
        OsVfs.sync_dir(folder.path()).unwrap();
        OsVfs.remove_file(&path).unwrap();
        OsVfs.remove_file(&path).unwrap();
        OsVfs.remove_dir_all(&folder.path().join("b")).unwrap();
        OsVfs.remove_dir_all(&folder.path().join("b")).unwrap();
        assert!(!OsVfs.exists(&path).unwrap());
    }

    #[test]
    fn only_one_makes_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(OsVfs.create_new(&path, b"1").unwrap());
        assert!(!OsVfs.create_new(&path, b"2").unwrap());
        assert_eq!(OsVfs.read(&path, 9).unwrap(), b"1");
    }

    #[test]
    fn errors_name_path_and_operation() {
        let error = OsVfs.read(Path::new("/nowhere/at/all"), 1).unwrap_err();
        assert!(matches!(&error, Error::Io { operation: "open", path, .. } if path.ends_with("all")), "{error}");
    }
}
