//! One writer per store: a lock file beside it that says who that is.
//!
//! A killed process leaves its lock behind, so a lock whose process no longer runs is taken over. Process numbers are
//! used again, so the time the process started is compared as well. Both are known only on the same host and only where
//! there is a `/proc`; elsewhere a lock counts as held and the error says which file to delete.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Vfs, make_dirs, temporary_name};
use crate::error::{Error, Result};

/// Removes its lock file when dropped.
pub struct Lock {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
    /// Start of the process in clock ticks since the machine came up; 0 where that is not known.
    started: u64,
}

/// What a lock file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Free,
    /// The process that took it runs no more.
    Stale,
    /// A process has it, or it cannot be known that it has not.
    Held,
    /// It does not say who has it: torn, or none of ours.
    Unreadable,
}

impl Lock {
    /// What is left of stale locks of `path` that were being put away. Whoever takes the lock removes it.
    pub fn leftovers(vfs: &dyn Vfs, path: &Path) -> Vec<PathBuf> {
        asides(vfs, path)
    }

    /// What the lock at `path` means, which may be another a moment later.
    pub fn standing(vfs: &dyn Vfs, path: &Path) -> Result<Standing> {
        if vfs.len(path)?.is_none() {
            return Ok(Standing::Free);
        }
        let found = vfs.read(path, 4096).unwrap_or_default();
        Ok(match serde_json::from_slice::<Holder>(&found) {
            Ok(holder) if lives(&holder) => Standing::Held,
            Ok(_) => Standing::Stale,
            Err(_) => Standing::Unreadable,
        })
    }

    /// Takes the lock at `path`, from a dead process if need be; `GM_EXISTS` if a living one has it.
    pub fn take(vfs: &Arc<dyn Vfs>, path: &Path) -> Result<Self> {
        make_dirs(&**vfs, path.parent().unwrap_or(Path::new("")))?;
        let mine = Holder { pid: std::process::id(), host: host(), started: started(std::process::id()).unwrap_or(0) };
        let mine = serde_json::to_vec(&mine).map_err(|e| Error::internal(e.to_string()))?;
        // Twice: once more after a stale lock was put away.
        for _ in 0..2 {
            if vfs.create_new(path, &mine)? {
                sweep(&**vfs, path, &mine);
                return Ok(Self { vfs: Arc::clone(vfs), path: path.to_path_buf() });
            }
            let found = settled(&**vfs, path)?;
            match serde_json::from_slice::<Holder>(&found) {
                Ok(holder) if lives(&holder) => return Err(held(path, &holder)),
                // Torn: the machine stopped between making the file and filling it.
                Ok(_) | Err(_) => put_away(&**vfs, path, &found)?,
            }
        }
        Err(Error::Exists {
            path: path.to_path_buf(),
            reason: "another process took the lock at the same moment".into(),
            remedy: "wait for it to end".into(),
        })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Once more if it fails, because this process may want it again. If it stays, the next run sees that this process has ended.
        let _ = self.vfs.remove_file(&self.path).or_else(|_| self.vfs.remove_file(&self.path));
    }
}

/// What the lock file says. Its maker fills it within moments, so an unreadable one is given that time.
fn settled(vfs: &dyn Vfs, path: &Path) -> Result<Vec<u8>> {
    for _ in 0..5 {
        match vfs.read(path, 4096) {
            Ok(bytes) if serde_json::from_slice::<Holder>(&bytes).is_ok() => return Ok(bytes),
            Ok(_) => std::thread::sleep(Duration::from_millis(40)),
            Err(_) if !vfs.exists(path)? => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
    }
    vfs.read(path, 4096)
}

/// Where stale locks are put away.
fn asides(vfs: &dyn Vfs, path: &Path) -> Vec<PathBuf> {
    let start = temporary_name(&path.file_name().unwrap_or_default().to_string_lossy(), "");
    // A folder that may not be listed is not in the way of whoever may write to it.
    let names = vfs.list(path.parent().unwrap_or(Path::new(""))).unwrap_or_default();
    let names = names.into_iter().filter(|(name, is_folder)| !is_folder && name.starts_with(&start));
    names.map(|(name, _)| path.with_file_name(name)).collect()
}

/// Removes what processes left that ended while they put a stale lock away. One that holds this very lock is about to be given back.
fn sweep(vfs: &dyn Vfs, path: &Path, mine: &[u8]) {
    for aside in asides(vfs, path) {
        if vfs.read(&aside, 4096).is_ok_and(|found| found != mine) {
            // Whoever takes the lock next looks again.
            let _ = vfs.remove_file(&aside);
        }
    }
}

/// Renames the stale lock before removing it, and looks again: another process may have replaced it since it was read.
fn put_away(vfs: &dyn Vfs, path: &Path, stale: &[u8]) -> Result<()> {
    if !vfs.exists(path)? {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = path.with_file_name(temporary_name(&name, &std::process::id().to_string()));
    vfs.rename(path, &aside)?;
    // It may be swept away meanwhile, which is as good.
    if vfs.exists(&aside)? && vfs.read(&aside, 4096)? != stale {
        return vfs.rename(&aside, path);
    }
    vfs.remove_file(&aside)
}

fn held(path: &Path, holder: &Holder) -> Error {
    Error::Exists {
        path: path.to_path_buf(),
        reason: format!("process {} on {} is writing this store", holder.pid, holder.host),
        remedy: format!("wait for it to end, or delete {} if it is not running any more", path.display()),
    }
}

fn lives(holder: &Holder) -> bool {
    if holder.host != host() || !Path::new("/proc/self/stat").exists() {
        return true;
    }
    started(holder.pid).is_some_and(|now| holder.started == 0 || now == holder.started)
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .map_or_else(|| "this machine".into(), |name| name.trim().to_owned())
}

/// Field 22 of `/proc/<pid>/stat`. The second field is the program's name in parentheses and may itself hold anything.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 1..].split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::OsVfs;

    fn os() -> Arc<dyn Vfs> {
        Arc::new(OsVfs)
    }

    #[test]
    fn a_held_lock_is_refused_and_a_dropped_one_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.lock");
        let lock = Lock::take(&os(), &path).unwrap();
        let error = Lock::take(&os(), &path).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), "GM_EXISTS");
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(lock);
        assert!(!path.exists());
        Lock::take(&os(), &path).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_dead_process_loses_its_lock_and_a_foreign_host_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.lock");
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let me = std::process::id();
        let write = |pid: u32, host: &str, started: u64| {
            std::fs::write(&path, serde_json::to_vec(&Holder { pid, host: host.into(), started }).unwrap()).unwrap();
        };
        write(ended.id(), &host(), 5);
        Lock::take(&os(), &path).unwrap();
        // The same number, but another process: it started at another time.
        write(me, &host(), started(me).unwrap() + 1);
        Lock::take(&os(), &path).unwrap();
        std::fs::write(&path, b"").unwrap();
        Lock::take(&os(), &path).unwrap();
        // Another process ended while it put such a lock away.
        std::fs::write(folder.path().join(".s.lock.tmp-77"), b"{}").unwrap();
        assert_eq!(Lock::leftovers(&OsVfs, &path), [folder.path().join(".s.lock.tmp-77")]);
        Lock::take(&os(), &path).unwrap();
        assert_eq!(Lock::leftovers(&OsVfs, &path), Vec::<PathBuf>::new());
        write(ended.id(), "elsewhere", 5);
        assert_eq!(Lock::take(&os(), &path).map(|_| ()).unwrap_err().code(), "GM_EXISTS");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
