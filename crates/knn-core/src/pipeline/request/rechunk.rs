//! A copy of an embedding as it is asked for.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{DEFAULT_LAYOUT, LayoutRequest};
use super::values::{checked_layout, checked_memory, checked_threads, distinct};
use crate::error::{Error, Result};
use crate::source::filtered_path;

/// A request to copy an embedding and columns of a store into a new AnnData whose chunks are whole rows. Unknown fields are refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RechunkRequest {
    /// The store to copy from, in any format that can be read, or many: `a.zarr,b.zarr`, or a pattern with `*` and `?`. It is never
    /// written to.
    pub input: String,
    /// Only the cells for which a condition on columns of `obs` holds, as in `map`. Default all.
    #[serde(rename = "where")]
    pub input_where: Option<String>,
    /// Where the copy goes; `GM_EXISTS` if something is there.
    pub output: Option<String>,
    /// The matrix to copy: a key of `obsm`, `X` or `layers/<name>`: cells × d numbers, stored as f32 in `obsm`. Default `X_pca`.
    #[serde(alias = "use_rep")]
    pub use_rep: Option<String>,
    /// Columns of `obs` to copy. Default: all that can be read.
    #[serde(alias = "obs_keys")]
    pub obs_keys: Option<Vec<String>>,
    /// Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
    /// cgroup's, at least 256 MiB. `GM_BUDGET` says what would do.
    pub memory: Option<String>,
    /// Worker threads; default all cores.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub threads: Option<i64>,
    /// Continue an interrupted copy of the same request; `GM_STALE` if input or parameters differ.
    pub resume: Option<bool>,
    /// Replace what an earlier run wrote there; anything else that is there stays `GM_EXISTS`.
    pub overwrite: Option<bool>,
    /// Rows per inner chunk, shard and part; for tests of the layout.
    pub layout: Option<LayoutRequest>,
}

/// A request for a copy with paths and limits resolved.
#[derive(Debug, Clone)]
pub struct ResolvedRechunk {
    /// The store to copy from.
    pub input: PathBuf,
    /// The copy.
    pub output: PathBuf,
    /// The matrix to copy; none of the cells of an index, whose rows are in its lists.
    pub use_rep: Option<String>,
    /// The fingerprint of the rows of that index.
    pub index_source: Option<String>,
    /// The representation that the index is of, likewise.
    pub index_rep: Option<String>,
    /// Columns, where that was said.
    pub obs_keys: Option<Vec<String>>,
    /// The budget, bytes.
    pub memory: u64,
    /// Worker threads.
    pub threads: usize,
    /// Continue an interrupted copy.
    pub resume: bool,
    /// Replace an earlier store.
    pub overwrite: bool,
    /// Grid of the output.
    pub layout: LayoutRequest,
}

impl RechunkRequest {
    /// Fills in defaults and refuses values that no store could make valid. Touches no array.
    pub fn resolve(&self) -> Result<ResolvedRechunk> {
        if self.input.is_empty() {
            return Err(Error::param("input", "", "name the store to be copied"));
        }
        let output = self.output.as_ref().filter(|output| !output.is_empty());
        let output = output.ok_or_else(|| Error::param("output", "", "name the store to write"))?;
        let obs_keys = self.obs_keys.as_deref().map(|keys| distinct("obsKeys", Some(keys))).transpose()?;
        Ok(ResolvedRechunk {
            input: filtered_path(Path::new(&self.input), "where", self.input_where.as_deref())?,
            output: PathBuf::from(output),
            use_rep: Some(self.use_rep.clone().unwrap_or_else(|| "X_pca".into())),
            index_source: None,
            index_rep: None,
            obs_keys,
            memory: checked_memory(self.memory.as_deref())?,
            threads: checked_threads(self.threads)?,
            resume: self.resume.unwrap_or(false),
            overwrite: self.overwrite.unwrap_or(false),
            layout: checked_layout(self.layout.unwrap_or(DEFAULT_LAYOUT))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_by_name() {
        let request =
            || RechunkRequest { input: "a".into(), output: Some("b.zarr".into()), ..RechunkRequest::default() };
        let wrong = [
            ("input", RechunkRequest { input: String::new(), ..request() }),
            ("where", RechunkRequest { input_where: Some("a".into()), ..request() }),
            ("output", RechunkRequest { output: None, ..request() }),
            ("obsKeys", RechunkRequest { obs_keys: Some(vec!["a".into(), "a".into()]), ..request() }),
            ("threads", RechunkRequest { threads: Some(0), ..request() }),
            ("memory", RechunkRequest { memory: Some("lots".into()), ..request() }),
        ];
        for (name, request) in wrong {
            let error = request.resolve().unwrap_err();
            assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some(name)), "{request:?}");
        }
        let resolved = request().resolve().unwrap();
        assert_eq!((resolved.use_rep.as_deref(), resolved.obs_keys), (Some("X_pca"), None));
    }
}
