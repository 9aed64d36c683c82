//! What an index is: `manifest.json`, written last, so that an index without one is not finished. An append replaces it, and with it
//! all that the index is, at one moment.
//!
//! Its last member is the checksum of all bytes before it. That is checked before anything in it is believed, the version included,
//! so a damaged manifest is never taken for that of a newer version.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::coarse::{MOST_DIM, MOST_LISTS};
use super::codes::CodeLayout;
use super::format::{
    CODED_VERSION, FORMAT, GRAPH_VERSION, ListLayout, ListType, MANIFEST, THREE_LEVEL_VERSION, VERSION, corrupt,
    file_name,
};
use super::kept::{KeptLayout, MOST_KEPT};
use super::levels::Levels;
use super::quantiser::width;
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::store::{Vfs, Written, hash_bytes, write_atomic};

/// Far above what a manifest has.
const MOST_BYTES: u64 = 1 << 16;

/// What is written down of an index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// What kind of folder this is.
    pub format: String,
    /// Version of the kind.
    pub version: u32,
    /// 1 as it was built, one more with every append.
    pub generation: u32,
    /// Columns of a row.
    pub dim: u32,
    /// The metric that the rows were prepared for, and are found by.
    pub metric: Metric,
    /// Rows of the source, those in no list included.
    pub rows: u64,
    /// Rows in no list, because a coordinate is NaN or infinite, or by cosine because all are zero.
    pub excluded: u64,
    /// How rows are stored.
    pub dtype: ListType,
    /// Bytes of a row id in a list.
    pub id_width: u64,
    /// Number of lists.
    pub nlist: u32,
    /// Number of super-cells.
    pub super_cells: u32,
    /// Levels of centroids: 2, or 3.
    pub levels: u32,
    /// Number of regions; not there in an index with two levels, which is of version 1 or 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<u32>,
    /// How it was trained.
    pub training: Training,
    /// Fingerprint of the source, 32 hexadecimal digits.
    pub source: String,
    /// How rows are coded; not there in an index without codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes: Option<CodeRecord>,
    /// The graph of the rows; not there in an index without one, which is of version 1 or 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<GraphRecord>,
    /// Hash of the source and of everything that decides the bytes of the index.
    pub run: String,
    /// Length and checksum of every other file.
    pub files: BTreeMap<String, FileRecord>,
}

/// The parameters of training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Training {
    /// Seed of every choice.
    pub seed: u64,
    /// Rows of the source when the levels were trained.
    pub rows: u64,
    /// Lists before the largest were split.
    pub lists: u32,
    /// Rows of the sample per list.
    pub sample_per_list: u32,
    /// Rows of the sample per super-cell, and per region.
    pub sample_per_super_cell: u32,
    /// Rounds over all lists together, after those of each super-cell were trained apart; not there if there were none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rounds: u32,
    /// Lists of more rows than this many times the mean are split.
    pub split_above: u32,
}

/// Whether there were no rounds, which is not written down.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(rounds: &u32) -> bool {
    *rounds == 0
}

/// How rows are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CodeRecord {
    /// Sub-spaces of a row, each with a code.
    pub sub_spaces: u32,
    /// Columns of a sub-space; the last may have fewer.
    pub columns: u32,
    /// Bits of a code.
    pub bits: u32,
}

impl CodeRecord {
    /// That of rows of `dim` columns.
    pub fn of(dim: usize) -> Self {
        let columns = width(dim);
        Self { sub_spaces: dim.div_ceil(columns) as u32, columns: columns as u32, bits: 4 }
    }
}

/// The graph that an index keeps of its own rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GraphRecord {
    /// Neighbours of each row.
    pub neighbors: u32,
}

/// A file of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Bytes.
    pub length: u64,
    /// xxh3-64, 16 hexadecimal digits.
    pub xxh3: String,
}

impl From<Written> for FileRecord {
    fn from(written: Written) -> Self {
        Self { length: written.length, xxh3: written.xxh3 }
    }
}

/// What every version's manifest says.
#[derive(Deserialize)]
struct Kind {
    format: String,
    version: u32,
}

/// What stands between the last member and the checksum of all before.
const SEAL: &str = ",\n  \"xxh3\": \"";
/// What stands behind the checksum.
const END: &str = "\"\n}\n";

impl Manifest {
    /// How lists are laid out.
    pub(super) fn layout(&self) -> ListLayout {
        ListLayout { dim: self.dim as usize, dtype: self.dtype, id_width: self.id_width }
    }

    /// How codes are laid out, where there are any.
    pub(super) fn code_layout(&self) -> Option<CodeLayout> {
        self.codes.map(|codes| CodeLayout { spaces: codes.sub_spaces as usize })
    }

    /// How the graph of the rows is laid out, where there is one.
    pub(super) fn kept_layout(&self) -> Option<KeptLayout> {
        self.graph.map(|graph| KeptLayout { rows: self.rows, neighbors: graph.neighbors })
    }

    /// How many centroids each level has.
    pub(super) fn centroids(&self) -> Levels {
        Levels { regions: self.regions.unwrap_or(0), super_cells: self.super_cells, lists: self.nlist }
    }

    /// The version that an index of so many levels with codes, or without, is of as long as it keeps no graph.
    pub(super) fn version_of(levels: u32, codes: Option<CodeRecord>) -> u32 {
        match (levels, codes) {
            (3, _) => THREE_LEVEL_VERSION,
            (_, Some(_)) => CODED_VERSION,
            _ => VERSION,
        }
    }

    /// The name of one of its files.
    pub(super) fn file_name(&self, name: &str) -> String {
        file_name(name, self.generation)
    }

    /// Writes it: from here on the index is sealed.
    pub(super) fn write(&self, vfs: &Arc<dyn Vfs>, folder: &Path, worker: &str) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::internal(e.to_string()))?;
        let body = text.trim_end_matches("\n}");
        let sealed = format!("{body}{SEAL}{}{END}", hash_bytes(body.as_bytes()));
        write_atomic(vfs, &folder.join(MANIFEST), worker, sealed.as_bytes()).map(|_| ())
    }

    /// Reads and checks the manifest of an index; `None` if there is none.
    pub fn read(vfs: &dyn Vfs, folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(MANIFEST);
        if vfs.len(&path)?.is_none() {
            return Ok(None);
        }
        Self::parse(&vfs.read(&path, MOST_BYTES)?, &path.display().to_string()).map(Some)
    }

    /// Reads it from the bytes of `file`, which must be all of them and no more.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self> {
        let wrong = |reason: String| corrupt(file, "manifest", reason);
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is no text".into()))?;
        let sealed = text.strip_suffix(END).and_then(|text| text.rsplit_once(SEAL));
        let (body, xxh3) = sealed.ok_or_else(|| wrong("it is cut short".into()))?;
        if hash_bytes(body.as_bytes()) != xxh3 {
            return Err(wrong("its checksum is wrong".into()));
        }
        let kind: Kind = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
        if kind.format != FORMAT {
            return Err(wrong(format!("format {:?} is not {FORMAT:?}", kind.format)));
        }
        if !(VERSION..=GRAPH_VERSION).contains(&kind.version) {
            return Err(Error::Unsupported {
                what: format!("version {} of the index {file}", kind.version),
                remedy: "use a newer gigamapper, or build the index again".into(),
            });
        }
        let manifest: Self = serde_json::from_str(&format!("{body}\n}}")).map_err(|e| wrong(e.to_string()))?;
        manifest.check().map_err(|reason| wrong(reason.into()))?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.dim == 0 || self.dim > MOST_DIM {
            return Err("its number of columns cannot be");
        }
        if self.generation == 0 {
            return Err("it is of no generation");
        }
        if self.excluded > self.rows || self.training.rows > self.rows {
            return Err("it excludes more rows than there are, or was trained on more");
        }
        if self.id_width != ListLayout::id_width(self.rows) {
            return Err("its row ids do not have the width that they need");
        }
        if self.codes.is_some_and(|codes| codes != CodeRecord::of(self.dim as usize)) {
            return Err("its rows cannot have such codes");
        }
        if self.levels != self.centroids().count() || self.regions.is_some_and(|it| it == 0 || it > self.super_cells) {
            return Err("its number of regions cannot be");
        }
        if self.graph.is_some_and(|graph| graph.neighbors == 0 || graph.neighbors > MOST_KEPT) {
            return Err("it cannot keep so many neighbors");
        }
        let plain = Self::version_of(self.levels, self.codes);
        if self.version != if self.graph.is_some() { GRAPH_VERSION } else { plain } {
            return Err("it has codes, levels or a graph that its version does not know");
        }
        if self.codes.is_none() && self.dtype == ListType::None {
            return Err("it has neither rows nor codes");
        }
        if self.nlist == 0 || self.nlist > MOST_LISTS || self.super_cells == 0 || self.super_cells > self.nlist {
            return Err("its numbers of lists and super-cells cannot be");
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT.into(),
            version: VERSION,
            generation: 1,
            dim: 3,
            metric: Metric::Euclidean,
            rows: 10,
            excluded: 1,
            dtype: ListType::F16,
            id_width: 4,
            nlist: 4,
            super_cells: 2,
            levels: 2,
            regions: None,
            training: Training {
                seed: u64::MAX,
                rows: 10,
                lists: 4,
                sample_per_list: 64,
                sample_per_super_cell: 256,
                rounds: 0,
                split_above: 4,
            },
            source: "00".into(),
            codes: None,
            graph: None,
            run: "11".into(),
            files: BTreeMap::from([("lists.bin".into(), FileRecord { length: 5, xxh3: "22".into() })]),
        }
    }

    /// One of three levels.
    fn three() -> Manifest {
        Manifest { version: 3, levels: 3, regions: Some(2), ..manifest() }
    }

    #[test]
    fn it_is_read_as_written_and_every_flipped_bit_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let vfs: Arc<dyn Vfs> = Arc::new(crate::store::OsVfs);
        assert_eq!(Manifest::read(&*vfs, folder.path()).unwrap(), None);
        for three in [three(), Manifest { codes: Some(CodeRecord::of(3)), ..three() }] {
            three.write(&vfs, folder.path(), "w").unwrap();
            assert_eq!(Manifest::read(&*vfs, folder.path()).unwrap(), Some(three));
        }
        manifest().write(&vfs, folder.path(), "w").unwrap();
        assert_eq!(Manifest::read(&*vfs, folder.path()).unwrap(), Some(manifest()));
        let bytes = std::fs::read(folder.path().join(MANIFEST)).unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Manifest::parse(&flipped, "m").unwrap_err().code(), "GM_CORRUPT", "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(Manifest::parse(&bytes[..length], "m").unwrap_err().code(), "GM_CORRUPT");
        }
    }

    #[test]
    fn a_newer_version_is_refused_with_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let vfs: Arc<dyn Vfs> = Arc::new(crate::store::OsVfs);
        Manifest { version: 5, ..manifest() }.write(&vfs, folder.path(), "w").unwrap();
        assert_eq!(Manifest::read(&*vfs, folder.path()).unwrap_err().code(), "GM_UNSUPPORTED");
        let untrained = Training { rows: 11, ..manifest().training };
        for wrong in [
            Manifest { dim: 0, ..manifest() },
            Manifest { generation: 0, ..manifest() },
            Manifest { excluded: 11, ..manifest() },
            Manifest { training: untrained, ..manifest() },
            Manifest { version: 2, ..manifest() },
            Manifest { version: 3, ..manifest() },
            Manifest { graph: Some(GraphRecord { neighbors: 9 }), ..manifest() },
            Manifest { version: 4, ..manifest() },
            Manifest { version: 4, graph: Some(GraphRecord { neighbors: 0 }), ..manifest() },
            Manifest { version: 4, graph: Some(GraphRecord { neighbors: 65 }), ..manifest() },
            Manifest { codes: Some(CodeRecord::of(3)), ..manifest() },
            Manifest { version: 2, codes: Some(CodeRecord::of(5)), ..manifest() },
            Manifest { dtype: ListType::None, ..manifest() },
            Manifest { levels: 3, ..manifest() },
            Manifest { regions: Some(1), ..manifest() },
            Manifest { levels: 3, regions: Some(1), ..manifest() },
            Manifest { regions: Some(0), ..three() },
            Manifest { regions: Some(3), ..three() },
            Manifest { levels: 2, ..three() },
            Manifest { version: 2, codes: Some(CodeRecord::of(3)), ..three() },
        ] {
            wrong.write(&vfs, folder.path(), "w").unwrap();
            assert_eq!(Manifest::read(&*vfs, folder.path()).unwrap_err().code(), "GM_CORRUPT");
        }
    }
}
