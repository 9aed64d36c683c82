//! Keeping the graph of an index's own rows in the index: a file beside the lists, and then a manifest that names it.
//!
//! The lists are sealed before, because whoever finds the neighbours searches them. Until the manifest is replaced the index is what it was,
//! whole and without a graph, and a file of links means nothing; from then on it has the graph.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use super::format::{GRAPH, GRAPH_VERSION, ListType};
use super::ivf::absent;
use super::kept::{KeptLayout, MOST_KEPT};
use super::manifest::{GraphRecord, Manifest};
use super::work::{WORKER, Work};
use crate::error::{Error, Result};
use crate::store::{AtomicFile, Lock, Vfs, hash_bytes, recover};

/// What an index is that keeps so many neighbours of each row, where `run` is what it is without.
pub(super) fn kept_run(run: &str, neighbors: u32) -> String {
    hash_bytes(json!({ "graphOf": run, "neighbors": neighbors }).to_string().as_bytes())
}

/// Refuses more neighbours than any repair follows, and a graph of rows that are not there to be compared.
pub(super) fn check_kept(neighbors: u32, dtype: ListType) -> Result<()> {
    if neighbors == 0 || neighbors > MOST_KEPT {
        return Err(Error::param("keepGraph", neighbors, format!("between 1 and {MOST_KEPT}")));
    }
    if dtype == ListType::None {
        let reason = "codes without rows (rerank \"none\") are never repaired, so a graph would serve nobody";
        return Err(Error::param("keepGraph", neighbors, reason));
    }
    Ok(())
}

/// Writes the graph of a sealed index. It holds the index's lock until it ends.
pub struct GraphKeeper {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    manifest: Manifest,
    layout: KeptLayout,
    file: AtomicFile,
    /// Rows that are written or wait, and the bytes of those that wait.
    rows: u64,
    waiting: Vec<u8>,
    _lock: Lock,
}

impl GraphKeeper {
    /// Bytes that it takes.
    pub fn bytes(rows: u64, neighbors: u32) -> u64 {
        KeptLayout { rows, neighbors }.block_bytes() as u64
    }

    /// Begins the graph of the index at `path`, which must be the one that `sealed` describes: `GM_STALE` otherwise.
    pub fn begin(vfs: &Arc<dyn Vfs>, path: &Path, sealed: &Manifest, neighbors: u32) -> Result<Self> {
        check_kept(neighbors, sealed.dtype)?;
        let lock = Work::lock(vfs, path)?;
        let manifest = Manifest::read(&**vfs, path)?.ok_or_else(|| absent(path))?;
        if manifest != *sealed || manifest.graph.is_some() {
            let reason = "it was replaced while its graph was to be made".into();
            return Err(Error::Stale { path: path.to_path_buf(), reason });
        }
        recover(&**vfs, path)?;
        let layout = KeptLayout { rows: manifest.rows, neighbors };
        let mut file = AtomicFile::create(vfs, &path.join(manifest.file_name(GRAPH)), WORKER)?;
        file.write_all(&layout.header())?;
        let vfs = Arc::clone(vfs);
        Ok(Self { vfs, path: path.to_path_buf(), manifest, layout, file, rows: 0, waiting: Vec::new(), _lock: lock })
    }

    /// Adds the neighbours of the rows that come next, −1 behind those that there are: row-major, as many of each as are kept.
    pub fn push(&mut self, ids: &[i64]) -> Result<()> {
        let (width, block) = (self.layout.neighbors as usize, self.layout.block_bytes());
        for row in ids.chunks_exact(width) {
            self.layout.encode(row, &mut self.waiting);
            self.rows += 1;
            if self.waiting.len() == block {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Seals the file and names it in the manifest, which is returned.
    pub fn end(mut self) -> Result<Manifest> {
        if !self.waiting.is_empty() {
            self.flush()?;
        }
        let Self { vfs, path, mut manifest, layout, file, rows, .. } = self;
        if rows != layout.rows || Some(file.length()) != layout.file_length() {
            return Err(Error::internal(format!("a graph of {rows} rows for an index of {}", layout.rows)));
        }
        let written = file.seal()?.publish()?;
        vfs.sync_dir(&path)?;
        manifest.files.insert(manifest.file_name(GRAPH), written.into());
        manifest.version = GRAPH_VERSION;
        manifest.run = kept_run(&manifest.run, layout.neighbors);
        manifest.graph = Some(GraphRecord { neighbors: layout.neighbors });
        manifest.write(&vfs, &path, WORKER)?;
        Ok(manifest)
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_all(&self.waiting)?;
        self.file.write_all(&xxh3_64(&self.waiting).to_le_bytes())?;
        self.waiting.clear();
        Ok(())
    }
}
