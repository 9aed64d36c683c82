//! What is committed: one JSON line per unit in `<store>.journal/<worker>.ndjson`, appended and synced.
//!
//! The first line says what run the others belong to. A process can be killed while it appends, so a last line that is
//! torn never happened; the bytes are removed before anything is appended behind them. A broken line anywhere else
//! cannot come from a kill and is `GM_CORRUPT`. A journal holds no path of the machine, only names inside the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Vfs, VfsFile, write_atomic};
use crate::error::{Error, Result};

const FORMAT: &str = "gigamapper-journal";
const VERSION: u32 = 1;
/// Far above what a billion cells need (about 1 000 units of 20 objects), far below what would hurt.
const MOST_BYTES: u64 = 1 << 28;

/// Which step a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The coarse levels of an index are trained.
    Trained,
    /// Rows are added to an index: they lie in a run.
    Added,
    /// Queries are sorted by super-cell: they lie in a run.
    Routed,
    /// Neighbours of queries are found: they lie in a run, sorted by rows of the output.
    Found,
    /// Neighbours of the rows are stored.
    Joined,
    /// Edges of the graph are sorted by the row that they end in: they lie in a run.
    Reversed,
    /// Weights of the rows, row-normalised, lie in a file.
    Weighed,
    /// Steps of diffusion are made: their result lies in a file.
    Diffused,
    /// Everything transferred to the rows is stored.
    Transferred,
    /// The rows are copied from another store.
    Copied,
    /// All metadata is written but for the root, which comes next.
    Finished,
}

/// The first line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// What kind of file this is.
    pub format: String,
    /// Version of the kind.
    pub version: u32,
    /// Hash of the run.
    pub run: String,
    /// Grid of the output and its arrays: a unit means the same rows of the same objects only where these agree.
    pub grid: Value,
    /// The plan, for people.
    pub plan: Value,
}

/// One committed unit of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The stage that ended.
    pub stage: Stage,
    /// Number of the unit.
    pub unit: u64,
    /// First row and one past the last, of the whole query.
    pub rows: [u64; 2],
    /// The objects written for it.
    pub objects: Vec<ObjectRecord>,
    /// What the stage wants to know again when it resumes.
    #[serde(default)]
    pub extra: Value,
}

/// The records that stand, by stage and first row: a run that was merged stands for those it was made of.
pub fn standing(records: Vec<Record>) -> Vec<Record> {
    let mut kept: Vec<Record> = Vec::new();
    for record in records {
        kept.retain(|other| {
            other.stage != record.stage || other.rows[0] < record.rows[0] || other.rows[1] > record.rows[1]
        });
        kept.push(record);
    }
    kept.sort_by_key(|record| (record.stage, record.rows[0]));
    kept
}

/// One object of a committed unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRecord {
    /// Path inside the store.
    pub name: String,
    /// Bytes.
    pub length: u64,
    /// xxh3-64 of them.
    pub xxh3: String,
}

/// What a journal file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    /// Its first line.
    pub header: Header,
    /// The others, in order.
    pub records: Vec<Record>,
    /// Bytes up to the end of the last whole line.
    valid: usize,
}

/// A journal open for appending.
pub struct Journal {
    file: Box<dyn VfsFile>,
    path: PathBuf,
    broken: bool,
}

impl Stage {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trained => "train",
            Self::Added => "add",
            Self::Routed => "route",
            Self::Found => "find",
            Self::Joined => "join",
            Self::Reversed => "reverse",
            Self::Weighed => "weigh",
            Self::Diffused => "diffuse",
            Self::Transferred => "transfer",
            Self::Copied => "rechunk",
            Self::Finished => "finalise",
        }
    }
}

impl Header {
    /// The header of a run.
    pub fn new(run: impl Into<String>, grid: Value, plan: Value) -> Self {
        Self { format: FORMAT.into(), version: VERSION, run: run.into(), grid, plan }
    }
}

impl Journal {
    /// Opens the journal of one worker behind its last whole line, or starts it with `header`.
    pub fn open(vfs: &Arc<dyn Vfs>, path: &Path, worker: &str, header: &Header) -> Result<Self> {
        match Self::read(&**vfs, path)? {
            None => {
                write_atomic(vfs, path, worker, &line(header)?)?;
            }
            Some(contents) => {
                let bytes = vfs.read(path, MOST_BYTES)?;
                if contents.valid < bytes.len() {
                    write_atomic(vfs, path, worker, &bytes[..contents.valid])?;
                }
            }
        }
        let mut file = vfs.append(path)?;
        // Whoever opens it trusts its lines; the process that wrote the last may have been killed before it was durable.
        file.sync()?;
        Ok(Self { file, path: path.to_path_buf(), broken: false })
    }

    /// Appends a record and makes it durable: from here on the unit is committed.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        if self.broken {
            // The file may end within a line; another line behind it would be damage that no kill explains.
            let reason = std::io::Error::other("an earlier line was not written whole");
            return Err(Error::io("append to", &self.path, reason));
        }
        self.broken = true;
        self.file.write_all(&line(record)?)?;
        self.file.sync()?;
        self.broken = false;
        Ok(())
    }

    /// Writes a journal anew with some of its records, at one moment.
    pub fn rewrite(vfs: &Arc<dyn Vfs>, path: &Path, worker: &str, header: &Header, records: &[Record]) -> Result<()> {
        let mut bytes = line(header)?;
        for record in records {
            bytes.extend(line(record)?);
        }
        write_atomic(vfs, path, worker, &bytes).map(|_| ())
    }

    /// Reads a journal; `None` if there is none, or if it was torn within its first line.
    pub fn read(vfs: &dyn Vfs, path: &Path) -> Result<Option<Contents>> {
        if vfs.len(path)?.is_none() {
            return Ok(None);
        }
        parse(&vfs.read(path, MOST_BYTES)?, &path.display().to_string())
    }

    /// Reads the journals of all workers in a folder, in the order of their names.
    pub fn read_all(vfs: &dyn Vfs, folder: &Path) -> Result<Vec<Contents>> {
        if !vfs.exists(folder)? {
            return Ok(Vec::new());
        }
        let names = vfs.list(folder)?;
        let journals = names.iter().filter(|(name, is_folder)| !is_folder && name.ends_with(".ndjson"));
        journals.filter_map(|(name, _)| Self::read(vfs, &folder.join(name)).transpose()).collect()
    }
}

fn line(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value).map_err(|e| Error::internal(e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn parse(bytes: &[u8], file: &str) -> Result<Option<Contents>> {
    let corrupt = |number: usize, reason: String| Error::Corrupt {
        file: file.to_owned(),
        block: format!("line {}", number + 1),
        reason,
    };
    let mut header = None;
    let mut records = Vec::new();
    let mut valid = 0;
    for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let last = valid + line.len() == bytes.len();
        if line.last() != Some(&b'\n') {
            break;
        }
        let torn = if number == 0 {
            serde_json::from_slice(line).map(|first: Header| header = Some(first))
        } else {
            serde_json::from_slice(line).map(|record: Record| records.push(record))
        };
        match torn {
            Err(_) if last => break,
            Err(error) => return Err(corrupt(number, error.to_string())),
            Ok(()) => valid += line.len(),
        }
    }
    let Some(header) = header else { return Ok(None) };
    if header.format != FORMAT {
        return Err(corrupt(0, format!("format {:?} is not {FORMAT:?}", header.format)));
    }
    if header.version != VERSION {
        return Err(Error::Unsupported {
            what: format!("version {} of the journal {file}", header.version),
            remedy: "resume with the version of gigamapper that began the run".into(),
        });
    }
    Ok(Some(Contents { header, records, valid }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::OsVfs;

    fn os() -> Arc<dyn Vfs> {
        Arc::new(OsVfs)
    }

    fn record(unit: u64) -> Record {
        let objects = vec![ObjectRecord { name: "obs/x/c/0".into(), length: 3, xxh3: "00".into() }];
        Record { stage: Stage::Joined, unit, rows: [0, 4], objects, extra: json!({ "sum": 0.1 }) }
    }

    fn header() -> Header {
        Header::new("abc", json!({}), json!({ "k": 3 }))
    }

    #[test]
    fn records_come_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j/0.ndjson");
        assert_eq!(Journal::read(&OsVfs, &path).unwrap(), None);
        let mut journal = Journal::open(&os(), &path, "0", &header()).unwrap();
        journal.append(&record(1)).unwrap();
        drop(journal);
        let mut journal = Journal::open(&os(), &path, "0", &header()).unwrap();
        journal.append(&record(0)).unwrap();
        let all = Journal::read_all(&OsVfs, path.parent().unwrap()).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!((&all[0].header, &all[0].records), (&header(), &vec![record(1), record(0)]));
    }

    #[test]
    fn every_torn_end_is_ignored_and_repaired() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.ndjson");
        let first = line(&header()).unwrap();
        let whole = [first.clone(), line(&record(0)).unwrap(), line(&record(1)).unwrap()].concat();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let before = Journal::read(&OsVfs, &path).unwrap().map_or(0, |c| c.records.len());
            assert_eq!(before, whole[..cut].split(|&b| b == b'\n').count().saturating_sub(2), "cut at {cut}");
            Journal::open(&os(), &path, "0", &header()).unwrap().append(&record(7)).unwrap();
            let after = Journal::read(&OsVfs, &path).unwrap().unwrap();
            assert_eq!((after.records.len(), after.records.last()), (before + 1, Some(&record(7))), "cut at {cut}");
        }
    }

    #[test]
    fn a_garbled_last_line_is_torn_and_a_garbled_middle_is_corrupt() {
        let lines = |middle: &[u8]| [line(&header()).unwrap(), middle.to_vec(), line(&record(1)).unwrap()].concat();
        let torn = [line(&header()).unwrap(), b"\0\0\0\n".to_vec()].concat();
        assert_eq!(parse(&torn, "j").unwrap().unwrap().records.len(), 0);
        let error = parse(&lines(b"{\"stage\":\n"), "j").unwrap_err();
        assert!(matches!(&error, Error::Corrupt { block, .. } if block == "line 2"), "{error}");
        let other = b"{\"format\":\"x\",\"version\":1,\"run\":\"\",\"grid\":0,\"plan\":0}\n";
        assert_eq!(parse(other, "j").unwrap_err().code(), "GM_CORRUPT");
        let newer = String::from_utf8(line(&header()).unwrap()).unwrap().replace("\"version\":1", "\"version\":2");
        assert_eq!(parse(newer.as_bytes(), "j").unwrap_err().code(), "GM_UNSUPPORTED");
    }
}
