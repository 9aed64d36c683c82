//! Many runs made one, so that no reader has more than [`FAN_IN`] files open.

use std::path::Path;
use std::sync::Arc;

use super::layout::{Entry, RunShape, encode, hasher};
use super::reader::Run;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::store::{AtomicFile, Vfs, Written};

/// Runs that are read side by side at most.
pub const FAN_IN: usize = 64;

/// Bytes that are copied at a time.
const PIECE: u64 = 1 << 18;

/// Writes the records of all `runs` as one run: by key, within a key in the order of the runs. However many records a key has, it takes
/// the memory of some.
pub fn merge(
    vfs: &Arc<dyn Vfs>,
    runs: &[Run],
    shape: RunShape,
    path: &Path,
    worker: &str,
    progress: &Progress,
) -> Result<Written> {
    if runs.len() > FAN_IN || runs.iter().any(|run| run.shape() != shape) {
        return Err(Error::internal(format!("{} runs cannot be merged into one of {shape:?}", runs.len())));
    }
    let mut file = AtomicFile::create(vfs, path, worker)?;
    let mut entries: Vec<Entry> = Vec::with_capacity(shape.keys as usize);
    let (mut records, mut bytes) = (0, Vec::new());
    for key in 0..shape.keys {
        let mut hash = hasher();
        for run in runs {
            let mut reader = run.key(key);
            records += reader.left();
            while reader.left() > 0 {
                progress.check()?;
                bytes.clear();
                reader.read((PIECE / u64::from(shape.width.max(1))).max(1), &mut bytes)?;
                hash.update(&bytes);
                file.write_all(&bytes)?;
            }
        }
        entries.push(Entry { end: records, xxh3: hash.digest() });
    }
    file.write_all(&encode(shape, &entries))?;
    let sealed = file.seal()?;
    let folder = sealed.folder().to_path_buf();
    let written = sealed.publish()?;
    vfs.sync_dir(&folder)?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{OsVfs, RunBuffer};
    use proptest::prelude::*;

    const KEYS: u32 = 5;

    fn os() -> Arc<dyn Vfs> {
        Arc::new(OsVfs)
    }

    fn shape(width: u32) -> RunShape {
        RunShape { keys: KEYS, width }
    }

    /// The records of a key through one run.
    fn of(run: &Run, key: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        run.read(key..key + 1, &mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, run.records(key..key + 1) * u64::from(run.shape().width));
        bytes
    }

    proptest! {
        // Every run is synced, which is slow.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn wherever_it_is_cut_the_records_of_a_key_come_in_the_order_they_were_pushed(
            records in prop::collection::vec((0..KEYS, any::<[u8; 3]>()), 0..60), cuts in prop::collection::vec(0usize..60, 0..6),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut buffer = RunBuffer::new(shape(3));
            let mut runs = Vec::new();
            for (at, (key, record)) in records.iter().enumerate() {
                buffer.push(*key, record).unwrap();
                if cuts.contains(&at) {
                    let path = folder.path().join(at.to_string());
                    buffer.commit(&os(), &path, "w").unwrap();
                    runs.push(Run::open(&path, shape(3)).unwrap());
                }
            }
            let path = folder.path().join("last");
            buffer.commit(&os(), &path, "w").unwrap();
            runs.push(Run::open(&path, shape(3)).unwrap());
            let merged = folder.path().join("merged");
            merge(&os(), &runs, shape(3), &merged, "w", &Progress::silent()).unwrap();
            let merged = Run::open(&merged, shape(3)).unwrap();
            for key in 0..KEYS {
                let expected: Vec<u8> = records.iter().filter(|(k, _)| *k == key).flat_map(|(_, r)| *r).collect();
                prop_assert_eq!(&of(&merged, key), &expected);
                let apart: Vec<u8> = runs.iter().flat_map(|run| of(run, key)).collect();
                prop_assert_eq!(&apart, &expected);
            }
            let mut all = Vec::new();
            merged.read(1..4, &mut all).unwrap();
            prop_assert_eq!(all, [of(&merged, 1), of(&merged, 2), of(&merged, 3)].concat());
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let mut buffer = RunBuffer::new(shape(2));
        for i in 0..20u8 {
            buffer.push(u32::from(i % KEYS as u8), &[i, 7]).unwrap();
        }
        buffer.commit(&os(), &path, "w").unwrap();
        let whole = std::fs::read(&path).unwrap();
        let read = || Run::open(&path, shape(2)).and_then(|run| run.read(0..KEYS, &mut Vec::new()));
        let read_few = || {
            let run = Run::open(&path, shape(2))?;
            (0..KEYS).try_for_each(|key| {
                let mut reader = run.key(key);
                while reader.left() > 0 {
                    reader.read(3, &mut Vec::new())?;
                }
                Ok::<_, Error>(())
            })
        };
        read().unwrap();
        read_few().unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read().unwrap_err().code(), "GM_CORRUPT", "bit {bit}");
            assert_eq!(read_few().unwrap_err().code(), "GM_CORRUPT", "bit {bit}");
        }
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(read().unwrap_err().code(), "GM_CORRUPT", "{length} bytes");
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(Run::open(&path, shape(3)).unwrap_err().code(), "GM_CORRUPT");
    }

    #[test]
    fn what_does_not_fit_the_shape_is_a_bug() {
        let mut buffer = RunBuffer::new(shape(2));
        assert_eq!(buffer.push(KEYS, &[0, 0]).unwrap_err().code(), "GM_INTERNAL");
        assert_eq!(buffer.push(0, &[0]).unwrap_err().code(), "GM_INTERNAL");
        assert!(buffer.is_empty());
    }
}
