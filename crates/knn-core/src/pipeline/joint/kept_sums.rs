//! Sums of a pass as they stand after some units, kept so that an interrupted pass goes on behind them.
//!
//! A file says for itself whether it is whole: it begins with the hash of the run and ends with a checksum. It appears under its own name only
//! when it is durable, and the one before it goes after that. The last file of a pass stays until everything is stored, because the passes
//! behind it follow from it.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use crate::error::{Error, Result};
use crate::representation::joint::Sums;
use crate::store::{AtomicFile, Vfs, is_temporary, recover};

const WORKER: &str = "sums";
const ENDING: &str = ".sums";
/// Bytes of the hash of a run, as text.
const RUN_BYTES: u64 = 32;
/// Bytes that go to the disk together.
const BUFFER: usize = 1 << 20;

pub(super) struct KeptSums {
    vfs: Arc<dyn Vfs>,
    folder: PathBuf,
    run: String,
}

impl KeptSums {
    /// Goes on with what is in `folder` if `resume`, or removes it. `GM_EXISTS` if anything there is not ours.
    pub(super) fn open(vfs: &Arc<dyn Vfs>, folder: &Path, run: &str, resume: bool) -> Result<Self> {
        Self::check(&**vfs, folder)?;
        if vfs.exists(folder)? {
            if resume {
                recover(&**vfs, folder)?;
            } else {
                vfs.remove_dir_all(folder)?;
            }
        }
        Ok(Self { vfs: Arc::clone(vfs), folder: folder.to_path_buf(), run: run.to_owned() })
    }

    /// `GM_EXISTS` if there is anything in the folder that is no sums.
    pub(super) fn check(vfs: &dyn Vfs, folder: &Path) -> Result<()> {
        if !vfs.exists(folder)? {
            return Ok(());
        }
        let ours = |name: &str| name.ends_with(ENDING) || is_temporary(name);
        if vfs.len(folder)?.is_some() || vfs.list(folder)?.iter().any(|(name, is_folder)| *is_folder || !ours(name)) {
            return Err(Error::Exists {
                path: folder.to_path_buf(),
                reason: "it holds files that are no sums of gigamapper, which would go there".into(),
                remedy: "choose another output, or remove it yourself".into(),
            });
        }
        Ok(())
    }

    /// Fills sums with what is kept of a pass, and tells how many rows they are of; 0 where nothing whole is kept.
    pub(super) fn load(&self, pass: usize, sums: &mut dyn Sums) -> Result<u64> {
        if !self.vfs.exists(&self.folder)? {
            return Ok(0);
        }
        for rows in self.of_pass(pass)?.into_iter().rev() {
            let path = self.path(pass, rows);
            let expected = RUN_BYTES + sums.count() * 8 + 8;
            if self.vfs.len(&path)? == Some(expected) && self.read(&path, sums)? {
                return Ok(rows);
            }
            sums.each(&mut |values| {
                values.fill(0.0);
                Ok(())
            })?;
        }
        Ok(0)
    }

    /// Keeps sums of a pass over so many rows, in the place of what was kept of it before.
    pub(super) fn save(&self, pass: usize, rows: u64, sums: &mut dyn Sums) -> Result<()> {
        let before = if self.vfs.exists(&self.folder)? { self.of_pass(pass)? } else { Vec::new() };
        let mut file = AtomicFile::create(&self.vfs, &self.path(pass, rows), WORKER)?;
        let mut hash = Xxh3::new();
        let mut bytes = self.run.as_bytes().to_vec();
        let mut flush = |bytes: &mut Vec<u8>, least: usize| -> Result<()> {
            if bytes.len() > least {
                hash.update(bytes);
                file.write_all(bytes)?;
                bytes.clear();
            }
            Ok(())
        };
        sums.each(&mut |values| {
            for values in values.chunks(BUFFER / 8) {
                bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                flush(&mut bytes, BUFFER)?;
            }
            Ok(())
        })?;
        flush(&mut bytes, 0)?;
        file.write_all(&hash.digest().to_le_bytes())?;
        file.seal()?.publish()?;
        self.vfs.sync_dir(&self.folder)?;
        let others = before.into_iter().filter(|&other| other != rows);
        others.map(|other| self.path(pass, other)).try_for_each(|path| self.vfs.remove_file(&path))
    }

    /// Removes everything: the components are stored.
    pub(super) fn end(self) -> Result<()> {
        self.vfs.remove_dir_all(&self.folder)
    }

    fn path(&self, pass: usize, rows: u64) -> PathBuf {
        self.folder.join(format!("pass-{pass}-{rows}{ENDING}"))
    }

    /// Rows of what is kept of a pass, ascending.
    fn of_pass(&self, pass: usize) -> Result<Vec<u64>> {
        let front = format!("pass-{pass}-");
        let rows = |(name, _): &(String, bool)| name.strip_prefix(&front)?.strip_suffix(ENDING)?.parse().ok();
        let mut all: Vec<u64> = self.vfs.list(&self.folder)?.iter().filter_map(rows).collect();
        all.sort_unstable();
        Ok(all)
    }

    /// Whether a file is whole and of this run; the sums are then what it holds.
    fn read(&self, path: &Path, sums: &mut dyn Sums) -> Result<bool> {
        let mut file = BufReader::with_capacity(BUFFER, self.vfs.open(path)?);
        let mut hash = Xxh3::new();
        let mut take = |bytes: &mut [u8]| file.read_exact(bytes).map_err(|error| Error::io("read", path, error));
        let mut run = [0; RUN_BYTES as usize];
        take(&mut run)?;
        if run[..] != *self.run.as_bytes() {
            return Ok(false);
        }
        hash.update(&run);
        let mut bytes = Vec::new();
        sums.each(&mut |values| {
            for values in values.chunks_mut(BUFFER / 8) {
                bytes.resize(values.len() * 8, 0);
                take(&mut bytes)?;
                hash.update(&bytes);
                for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
                    *value = f64::from_le_bytes(*bytes);
                }
            }
            Ok(())
        })?;
        let mut end = [0; 8];
        take(&mut end)?;
        Ok(u64::from_le_bytes(end) == hash.digest())
    }
}

/// Whether a folder holds sums, and nothing else.
pub(in crate::pipeline) fn are_sums(vfs: &dyn Vfs, folder: &Path) -> Result<bool> {
    let is_one = vfs.exists(folder)? && vfs.len(folder)?.is_none() && KeptSums::check(vfs, folder).is_ok();
    Ok(is_one && vfs.list(folder)?.iter().any(|(name, _)| name.ends_with(ENDING)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::representation::joint::Batch;
    use crate::store::OsVfs;

    struct Two(Vec<f64>, Vec<f64>);

    impl Sums for Two {
        fn add(&mut self, _: usize, _: &Batch) {}

        fn each(&mut self, visit: &mut dyn FnMut(&mut [f64]) -> Result<()>) -> Result<()> {
            visit(&mut self.0)?;
            visit(&mut self.1)
        }

        fn count(&self) -> u64 {
            (self.0.len() + self.1.len()) as u64
        }
    }

    #[test]
    fn the_last_sums_that_are_whole_come_back() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("x.fit");
        let vfs: Arc<dyn Vfs> = Arc::new(OsVfs);
        let run = "0123456789abcdef0123456789abcdef";
        let open = |run: &str, resume| KeptSums::open(&vfs, &folder, run, resume).unwrap();
        let kept = open(run, true);
        let zero = || Two(vec![0.0; 3], vec![0.0; 200_000]);
        let mut sums = zero();
        assert_eq!(kept.load(0, &mut sums).unwrap(), 0);
        (sums.0[1], sums.1[199_999]) = (-1.5, f64::MIN_POSITIVE);
        kept.save(0, 10, &mut sums).unwrap();
        kept.save(1, 10, &mut zero()).unwrap();
        let mut read = zero();
        assert_eq!((kept.load(0, &mut read).unwrap(), &read.0, &read.1), (10, &sums.0, &sums.1));
        kept.save(0, 20, &mut sums).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "one of each pass");
        // One flipped bit: as if nothing were there, and no number of it is left.
        let path = folder.join("pass-0-20.sums");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let mut read = Two(vec![7.0; 3], vec![7.0; 200_000]);
        assert_eq!(open(run, true).load(0, &mut read).unwrap(), 0);
        assert!(read.0.iter().chain(&read.1).all(|&value| value == 0.0));
        assert_eq!(open("f".repeat(32).as_str(), true).load(1, &mut read).unwrap(), 0);
        std::fs::write(folder.join("notes"), "").unwrap();
        assert_eq!(KeptSums::open(&vfs, &folder, run, false).err().unwrap().code(), "GM_EXISTS");
        std::fs::remove_file(folder.join("notes")).unwrap();
        open(run, false);
        assert!(!folder.exists());
    }
}
