//! Appending to an index: a store that has grown has its new rows put into the same lists, as a new generation of files.
//!
//! Levels are not trained again and lists are not split, so lists grow; what is said of the index tells when it should be built
//! again. Everything is checked before anything is written: that the index is whole, and that the store begins with exactly its rows. The
//! new files have names of their own, and the manifest is replaced when they are durable: at every moment the index is the old one or
//! the new one. The old files go last; a process that died before leaves them to the next append.

use std::path::Path;

use super::builder::{Build, BuildReport, IndexBuilder, batch_rows};
use super::coarse::Coarse;
use super::content::Content;
use super::ivf::{IvfIndex, absent};
use super::lists::Io;
use super::manifest::Manifest;
use super::rows::PreparedRows;
use super::spec::Resolved;
use super::work::Work;
use crate::error::{Error, Result};
use crate::source::RowSource;

impl IndexBuilder<'_> {
    /// Bytes that appending to an index takes at least, whatever the rows are.
    pub fn least_append_bytes(old: &Manifest, threads: u64) -> u64 {
        let (levels, dim) = (old.centroids(), u64::from(old.dim));
        super::builder::levels_bytes(levels, dim, threads) + Coarse::bytes(levels, dim) + u64::from(old.nlist) * 24
    }

    /// Appends the rows of `source` that the index at `path` has not, on the threads of the pool that it is called in. The spec is the
    /// index's own, whatever the builder's says.
    ///
    /// `GM_NOT_FOUND` where no index is, `GM_CORRUPT` if it is damaged, `GM_SHAPE` if the source has fewer rows or other columns, and
    /// `GM_STALE` if it does not begin with the rows of the index: then nothing was written.
    pub fn append(&self, path: &Path, source: &dyn RowSource) -> Result<BuildReport> {
        self.append_in((path, None), source)
    }

    /// The same with a folder for intermediate files, as [`IndexBuilder::build_in`] has it.
    pub fn append_in(&self, places: (&Path, Option<&Path>), source: &dyn RowSource) -> Result<BuildReport> {
        let IndexBuilder { vfs, budget, progress, .. } = self;
        let (path, work_dir) = places;
        progress.begin("preflight", 0, 0);
        if Manifest::read(&**vfs, path)?.is_none() {
            // Not even a lock is made beside what is not there.
            return Err(absent(path));
        }
        let locks = Work::locks(vfs, path, work_dir)?;
        let index = IvfIndex::open(path, Io::Pread, budget)?;
        let old = index.manifest();
        check_growth(path, old, source, "the store")?;
        check_growable(path, old)?;
        let spec = Resolved::grown(old, source)?;
        let mut warnings = spec.warnings.clone();
        if old.rows == spec.rows {
            Work::tidy(&**vfs, places, old)?;
            warnings.push(nothing_to_append(old));
            return Ok(BuildReport { manifest: old.clone(), warnings, spilled: false, found: true, added: 0 });
        }
        source.preflight()?;
        self.check_content(path, &index, source, &spec)?;
        let (first, excluded) = (old.rows, old.excluded);
        let work = Work::append(vfs, places, locks, &spec, first)?;
        let (manifest, spilled) = Build::new(self, source, &spec, &work, Some(&index)).run()?;
        drop(index);
        // The new generation is looked at before the old one goes.
        let longest = IvfIndex::open(path, Io::Pread, budget)?.longest_list();
        Work::tidy(&**vfs, places, &manifest)?;
        drop(work);
        if manifest.excluded > excluded {
            let added = manifest.excluded - excluded;
            warnings.push(format!("{added} new rows have {} and are in no list", manifest.metric.flaws()));
        }
        if longest > spec.longest(manifest.rows - manifest.excluded) {
            let mean = (manifest.rows - manifest.excluded) / u64::from(manifest.nlist);
            warnings.push(format!(
                "the longest list has {longest} rows, where the mean is {mean}: an index that is built again has it split"
            ));
        }
        let added = manifest.rows - first;
        Ok(BuildReport { manifest, warnings, spilled, found: false, added })
    }

    /// The rows of the index must be the first of the source, to the bit.
    fn check_content(&self, path: &Path, index: &IvfIndex, source: &dyn RowSource, spec: &Resolved) -> Result<()> {
        let IndexBuilder { budget, progress, .. } = self;
        progress.begin("verify", 2 * index.rows(), 0);
        let held = Content::of_index(index, budget, progress)?;
        let batch = batch_rows(budget, source.dim() as u64);
        let _lease = budget.take("reading rows", PreparedRows::bytes(source, batch))?;
        if Content::of_rows(source, index.rows(), spec, batch, progress)? != held {
            let reason = format!("the first {} rows of the store are not those of the index", index.rows());
            return Err(Error::Stale { path: path.to_path_buf(), reason });
        }
        progress.end();
        Ok(())
    }
}

/// Whether the sizes of a store allow that it has grown out of the rows of an index: `GM_SHAPE` otherwise, and `GM_STALE` where it has
/// as many rows as the index but not the same. `name` is the store's.
pub fn check_growth(path: &Path, old: &Manifest, source: &dyn RowSource, name: &str) -> Result<()> {
    if source.dim() != old.dim as usize || source.rows() < old.rows {
        return Err(Error::Shape {
            left: path.display().to_string(),
            left_shape: vec![old.rows, u64::from(old.dim)],
            right: name.to_owned(),
            right_shape: vec![source.rows(), source.dim() as u64],
            reason: "the store must have the rows of the index, of as many columns, and more behind them".into(),
        });
    }
    if source.rows() == old.rows && old.source != format!("{:032x}", source.fingerprint(old.training.seed)?) {
        let reason = "the index was built from other rows than the store has now".into();
        return Err(Error::Stale { path: path.to_path_buf(), reason });
    }
    Ok(())
}

/// Whether an index can be appended to: `GM_UNSUPPORTED` where it holds codes alone, so that its rows cannot be compared with those of a store,
/// and where it keeps the graph of its rows, because new rows become neighbours of old ones.
pub fn check_growable(path: &Path, old: &Manifest) -> Result<()> {
    if old.graph.is_some() {
        return Err(Error::Unsupported {
            what: format!("an append to {}, which keeps the graph of its rows", path.display()),
            remedy:
                "build the index again from all rows (overwrite), with keepGraph or without, which can be appended to"
                    .into(),
        });
    }
    if old.dtype.is_growable() {
        return Ok(());
    }
    Err(Error::Unsupported {
        what: format!("an append to {}, which holds codes without rows", path.display()),
        remedy: "build the index again from all rows, or with rerank exact or f16, which can be appended to".into(),
    })
}

/// What to say where there is nothing to append.
pub fn nothing_to_append(old: &Manifest) -> String {
    format!("nothing to append: the index holds all {} rows already", old.rows)
}
