//! Folders and files held in memory: read as a disk, or written to one.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Cursor, Read};
use std::path::Path;

use gigamapper_core::error::{Error, Result};
use gigamapper_core::store::{Vfs, VfsFile};
use serde_json::json;

/// All that is in a folder, by path inside it.
#[derive(Debug, Clone, Default, PartialEq, Hash)]
pub(crate) struct State {
    pub(crate) folders: BTreeSet<String>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl State {
    /// What is in a folder on disk.
    pub(crate) fn of(root: &Path) -> Self {
        let mut state = Self { files: super::super::disk::files(root), ..Self::default() };
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    state.folders.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
                    folders.push(path);
                }
            }
        }
        state
    }

    /// A number that tells states apart.
    pub(crate) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// The files below a folder, by path inside it.
    pub(crate) fn below(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let inside = |(path, bytes): (&String, &Vec<u8>)| {
            let rest = path.strip_prefix(folder)?.strip_prefix('/')?;
            Some((rest.to_owned(), bytes.clone()))
        };
        self.files.iter().filter_map(inside).collect()
    }

    /// Writes it into an empty folder. The machine came up again, so the process that a lock names runs no more.
    pub(crate) fn write(&self, root: &Path) {
        for folder in &self.folders {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        for (path, bytes) in &self.files {
            std::fs::write(root.join(path), bytes).unwrap();
            if is_lock(path) || path.contains(".lock.tmp-") {
                let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
                let holder = json!({ "pid": std::process::id(), "host": host.trim(), "started": 1 });
                std::fs::write(root.join(path), holder.to_string()).unwrap();
            }
        }
    }
}

/// Whether a path is that of a lock.
pub(crate) fn is_lock(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "lock")
}

fn key(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn never<T>() -> Result<T> {
    Err(Error::io("write", "memory", std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem)))
}

/// To be read and no more; paths are those inside the folder.
impl Vfs for State {
    fn create(&self, _: &Path) -> Result<Box<dyn VfsFile>> {
        never()
    }

    fn create_new(&self, _: &Path, _: &[u8]) -> Result<bool> {
        never()
    }

    fn append(&self, _: &Path) -> Result<Box<dyn VfsFile>> {
        never()
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.read(path, u64::MAX)?)))
    }

    fn read(&self, path: &Path, _: u64) -> Result<Vec<u8>> {
        let missing = || Error::io("open", path, std::io::Error::from(std::io::ErrorKind::NotFound));
        self.files.get(&key(path)).cloned().ok_or_else(missing)
    }

    fn rename(&self, _: &Path, _: &Path) -> Result<()> {
        never()
    }

    fn remove_file(&self, _: &Path) -> Result<()> {
        never()
    }

    fn remove_dir_all(&self, _: &Path) -> Result<()> {
        never()
    }

    fn create_dir_all(&self, _: &Path) -> Result<()> {
        never()
    }

    fn sync_dir(&self, _: &Path) -> Result<()> {
        never()
    }

    fn len(&self, path: &Path) -> Result<Option<u64>> {
        Ok(self.files.get(&key(path)).map(|bytes| bytes.len() as u64))
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        let path = key(path);
        Ok(self.files.contains_key(&path) || self.folders.contains(&path))
    }

    fn list(&self, path: &Path) -> Result<Vec<(String, bool)>> {
        let mut names = BTreeMap::new();
        for (entry, is_folder) in
            self.files.keys().map(|file| (file, false)).chain(self.folders.iter().map(|folder| (folder, true)))
        {
            let entry = Path::new(entry);
            if entry.parent() == Some(path) {
                names.insert(entry.file_name().unwrap().to_str().unwrap().to_owned(), is_folder);
            }
        }
        Ok(names.into_iter().collect())
    }
}
