//! A disk that writes down all that is done to it, and on which a process can be killed.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gigamapper_core::error::{Error, Result};
use gigamapper_core::store::{OsVfs, Vfs, VfsFile};

use super::state::is_lock;

/// One call that changes something, or makes changes durable. Paths are inside the folder that is recorded.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// A folder is made.
    MakeFolder(PathBuf),
    /// A file is made, empty; from here on it has this number.
    Create(PathBuf, usize),
    /// A file is opened to append; from here on it has this number.
    Open(PathBuf, usize),
    /// Bytes are written at the end of the file of that number.
    Write(usize, Vec<u8>),
    /// The bytes of a file are made durable.
    Sync(usize),
    /// A file gets another name, in the same folder.
    Rename(PathBuf, PathBuf),
    /// A file, or a folder that is empty, loses its name.
    Remove(PathBuf),
    /// The names in a folder are made durable.
    SyncFolder(PathBuf),
    /// The process was killed; another one begins.
    Killed,
}

/// Records what is done in one folder.
#[derive(Clone)]
pub(crate) struct Recorder {
    root: PathBuf,
    shared: Arc<Shared>,
}

struct Shared {
    log: Mutex<Vec<Op>>,
    files: AtomicUsize,
    /// The call after which the process is dead: nothing it does reaches the disk any more.
    dies_after: Box<Dies>,
    dead: AtomicBool,
}

/// Whether a process is killed after a call, which is that of so many before it.
type Dies = dyn Fn(usize, &Op) -> bool + Send + Sync;

impl Recorder {
    pub(crate) fn new(root: &Path) -> Self {
        Self::dying(root, |_, _| false)
    }

    /// A disk of a process that is killed once, after the first call of which `dies_after` says so.
    pub(crate) fn dying(root: &Path, dies_after: impl Fn(usize, &Op) -> bool + Send + Sync + 'static) -> Self {
        let shared = Shared {
            log: Mutex::default(),
            files: AtomicUsize::new(0),
            dies_after: Box::new(dies_after),
            dead: AtomicBool::new(false),
        };
        Self { root: root.to_path_buf(), shared: Arc::new(shared) }
    }

    /// The next process on the same disk lives, and the lock of the one that was killed counts for nothing.
    pub(crate) fn revive(&self) {
        assert!(self.shared.dead.swap(false, Ordering::Relaxed), "it was not killed");
        self.shared.log.lock().unwrap().push(Op::Killed);
        for (name, is_folder) in OsVfs.list(&self.root).unwrap() {
            if !is_folder && is_lock(&name) {
                self.remove_file(&self.root.join(name)).unwrap();
            }
        }
    }

    /// What was done.
    pub(crate) fn log(&self) -> Vec<Op> {
        self.shared.log.lock().unwrap().clone()
    }

    fn inside(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap().to_path_buf()
    }

    /// Does something and writes it down in one step, so that the log has the order in which things happened.
    fn step<T>(&self, act: impl FnOnce(&mut Vec<Op>) -> Result<T>) -> Result<T> {
        let mut log = self.shared.log.lock().unwrap();
        if self.shared.dead.load(Ordering::Relaxed) {
            return Err(Error::io("write", "disk", std::io::Error::other("the process was killed")));
        }
        let before = log.len();
        let done = act(&mut log);
        let lives_again = log.iter().any(|op| matches!(op, Op::Killed));
        if !lives_again && (before..log.len()).any(|at| (self.shared.dies_after)(at, &log[at])) {
            self.shared.dead.store(true, Ordering::Relaxed);
        }
        done
    }

    fn number(&self) -> usize {
        self.shared.files.fetch_add(1, Ordering::Relaxed)
    }

    fn remove_below(path: &Path, inside: &Path, log: &mut Vec<Op>) -> Result<()> {
        for (name, is_folder) in OsVfs.list(path)? {
            if is_folder {
                Self::remove_below(&path.join(&name), &inside.join(&name), log)?;
            } else {
                log.push(Op::Remove(inside.join(&name)));
            }
        }
        log.push(Op::Remove(inside.to_path_buf()));
        Ok(())
    }
}

struct RecordedFile {
    file: Box<dyn VfsFile>,
    number: usize,
    recorder: Recorder,
}

impl VfsFile for RecordedFile {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.recorder.step(|log| {
            self.file.write_all(bytes)?;
            log.push(Op::Write(self.number, bytes.to_vec()));
            Ok(())
        })
    }

    fn sync(&mut self) -> Result<()> {
        self.recorder.step(|log| {
            log.push(Op::Sync(self.number));
            Ok(())
        })
    }
}

impl Vfs for Recorder {
    fn create(&self, path: &Path) -> Result<Box<dyn VfsFile>> {
        self.step(|log| {
            let (file, number) = (OsVfs.create(path)?, self.number());
            log.push(Op::Create(self.inside(path), number));
            Ok(Box::new(RecordedFile { file, number, recorder: self.clone() }) as Box<dyn VfsFile>)
        })
    }

    fn create_new(&self, path: &Path, bytes: &[u8]) -> Result<bool> {
        self.step(|log| {
            let made = OsVfs.create_new(path, bytes)?;
            if made {
                let number = self.number();
                log.push(Op::Create(self.inside(path), number));
                log.push(Op::Write(number, bytes.to_vec()));
                log.push(Op::Sync(number));
            }
            Ok(made)
        })
    }

    fn append(&self, path: &Path) -> Result<Box<dyn VfsFile>> {
        self.step(|log| {
            let (there, number) = (OsVfs.exists(path)?, self.number());
            let (file, inside) = (OsVfs.append(path)?, self.inside(path));
            log.push(if there { Op::Open(inside, number) } else { Op::Create(inside, number) });
            Ok(Box::new(RecordedFile { file, number, recorder: self.clone() }) as Box<dyn VfsFile>)
        })
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Read + Send>> {
        OsVfs.open(path)
    }

    fn read(&self, path: &Path, most: u64) -> Result<Vec<u8>> {
        OsVfs.read(path, most)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.step(|log| {
            OsVfs.rename(from, to)?;
            log.push(Op::Rename(self.inside(from), self.inside(to)));
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.step(|log| {
            if OsVfs.exists(path)? {
                OsVfs.remove_file(path)?;
                log.push(Op::Remove(self.inside(path)));
            }
            Ok(())
        })
    }

    fn remove_dir_all(&self, path: &Path) -> Result<()> {
        self.step(|log| {
            if OsVfs.exists(path)? {
                Self::remove_below(path, &self.inside(path), log)?;
                OsVfs.remove_dir_all(path)?;
            }
            Ok(())
        })
    }

    fn create_dir_all(&self, path: &Path) -> Result<()> {
        self.step(|log| {
            let inside = self.inside(path);
            let mut missing: Vec<_> = inside.ancestors().filter(|at| !self.root.join(at).exists()).collect();
            missing.reverse();
            OsVfs.create_dir_all(path)?;
            log.extend(missing.into_iter().map(|at| Op::MakeFolder(at.to_path_buf())));
            Ok(())
        })
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.step(|log| {
            // What lies above the folder is durable.
            log.extend(path.strip_prefix(&self.root).map(|inside| Op::SyncFolder(inside.to_path_buf())));
            Ok(())
        })
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
