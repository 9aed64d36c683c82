//! A finished graph of ours on disk, in blocks of rows: what a caller outside the pipeline reads neighbours with.
//!
//! The parts of a large store are one graph here. Only a store whose root says that it is complete is opened, because an
//! unfinished one reads as padding. Nothing of size n is held.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::block::{GraphBlock, Ids, block_rows};
use super::holder::{Holder, holder};
use super::stored::StoredNeighbors;
use crate::error::{Error, Result};
use crate::source::{Container, ZarrArray, ZarrStore};
use crate::store::{MARK, MARK_VERSION, Status};
use crate::types::{NeighborBlock, RowRange};

/// What a stored graph holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct GraphDescription {
    /// The store.
    pub path: String,
    /// Query rows.
    #[cfg_attr(test, ts(type = "number"))]
    pub rows: u64,
    /// Neighbours of each, padded with −1 and NaN where there are fewer.
    #[cfg_attr(test, ts(type = "number"))]
    pub k: u64,
    /// Reference rows, which the indices count.
    #[cfg_attr(test, ts(type = "number"))]
    pub n_ref: u64,
    /// Type of the indices: `int32`, or `int64` from 2^31 reference rows on.
    pub dtype: String,
    /// Rows of a block of 64 MiB, the largest there is.
    #[cfg_attr(test, ts(type = "number"))]
    pub block_rows: u64,
}

/// A graph that can be read in any order.
pub struct GraphStore {
    store: ZarrStore,
    /// The store that holds its arrays: the same, or the one that it names.
    holder: ZarrStore,
    description: GraphDescription,
    run: String,
    part_rows: u64,
    row_bytes: u64,
    /// The part that was read last.
    part: Option<(u64, StoredNeighbors)>,
}

impl GraphStore {
    /// Opens the store at `path`: `GM_NOT_FOUND` where nothing is, `GM_SCHEMA` where it is not ours or not finished,
    /// `GM_UNSUPPORTED` where a newer version wrote it.
    pub fn open(path: &Path) -> Result<Self> {
        let store = ZarrStore::open(path)?;
        let attributes = store.root_attributes()?;
        let wrong = |field: &str, reason: &str| Error::schema(store.name(), "", format!("{MARK}{field}"), reason);
        let mark = attributes.get(MARK).and_then(Value::as_object);
        let mark = mark.ok_or_else(|| wrong("", "is missing: this is not a store that gigamapper wrote"))?;
        if number(mark, "version").is_none_or(|version| version > MARK_VERSION) {
            return Err(Error::Unsupported {
                what: format!("the version of the store {}", store.name()),
                remedy: "read it with a newer gigamapper".into(),
            });
        }
        if mark.get("status").and_then(Value::as_str) != Some(Status::Complete.name()) {
            let reason = "is not complete: a run is writing it or was interrupted; continue that run with resume";
            return Err(wrong(".status", reason));
        }
        let counted =
            |name: &str| number(mark, name).ok_or_else(|| wrong(&format!(".{name}"), "is not a whole number"));
        let (rows, n_ref, k, part_rows) =
            (counted("n_obs")?, counted("n_ref")?, counted("k")?, counted("part_rows")?.max(1));
        let holder = holder(path)?;
        let first = StoredNeighbors::open(&holder, &prefix(0, rows, part_rows))?;
        let row_bytes = k.saturating_mul(first.ids_dtype().size().unwrap_or(8) as u64 + 4);
        if k == 0 || row_bytes > super::MOST_BLOCK_BYTES {
            return Err(wrong(".k", "cannot be the width of a graph"));
        }
        let description = GraphDescription {
            path: store.name().to_owned(),
            rows,
            k,
            n_ref,
            dtype: first.ids_dtype().name().to_owned(),
            block_rows: block_rows(None, row_bytes)?,
        };
        let run = mark.get("run").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut graph = Self { store, holder, description, run, part_rows, row_bytes, part: None };
        graph.check(0, &first)?;
        graph.part = Some((0, first));
        Ok(graph)
    }

    /// What it holds.
    pub fn description(&self) -> &GraphDescription {
        &self.description
    }

    /// Hash of all content and parameters that the graph was made of.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// What a store at `path` of the same parts says that its neighbours stay where these are. None where no text names that place.
    pub fn named_from(&self, path: &Path) -> Result<Option<Holder>> {
        Holder::named(path, &self.holder)
    }

    /// Most rows of a part.
    pub fn part_rows(&self) -> u64 {
        self.part_rows
    }

    /// A text that `uns/gigamapper` of the store has at a path; none where nothing is there.
    pub fn told(&self, path: &str) -> Result<Option<String>> {
        let path = format!("{}uns/{MARK}/{path}", prefix(0, self.description.rows, self.part_rows));
        if Container::node(&self.store, &path)?.is_none() {
            return Ok(None);
        }
        ZarrArray::open(&self.store, &path)?.read_text().map(Some)
    }

    /// The rows from `first_row` on: as many as were asked for, else as fit in 64 MiB, and no more than there are.
    pub fn read(&mut self, first_row: u64, rows: Option<i64>) -> Result<GraphBlock> {
        let rows = block_rows(rows, self.row_bytes)?;
        let all = self.description.rows;
        if first_row > all {
            return Err(Error::param("firstRow", first_row, format!("at most {all}, the rows of the graph")));
        }
        let (k, n_ref) = (self.description.k as usize, self.description.n_ref);
        let last = first_row.saturating_add(rows).min(all);
        // Never more than a block may have, whatever the store claims.
        let slots = (last - first_row) as usize * k;
        let ids = Ids::with_capacity(self.current(0)?.ids_dtype(), slots);
        let mut block = GraphBlock { first_row, k, ids, distances: Vec::with_capacity(slots) };
        let mut next = first_row;
        while next < last {
            let (part, part_rows) = (next / self.part_rows, self.part_rows);
            let end = last.min((part + 1).saturating_mul(part_rows));
            let within = RowRange::new(next - part * part_rows, end - part * part_rows);
            let stored = self.current(part)?;
            if !stored.append(within, n_ref, &mut block)? {
                return Err(Error::Corrupt {
                    file: format!("{}/obsm/knn_indices", self.holder.name()),
                    block: format!("rows {next} to {end}"),
                    reason: format!("an index is no row of a reference of {n_ref}"),
                });
            }
            next = end;
        }
        Ok(block)
    }

    /// Fills a block with these rows, whatever their ids are.
    pub(super) fn read_rows(&mut self, rows: RowRange, block: &mut NeighborBlock) -> Result<()> {
        (block.first_row, block.k) = (rows.start, self.description.k as usize);
        block.ids.clear();
        block.distances.clear();
        let mut next = rows.start;
        while next < rows.end {
            let part = next / self.part_rows;
            let first = part * self.part_rows;
            let end = rows.end.min(first.saturating_add(self.part_rows));
            self.current(part)?.read_more(RowRange::new(next - first, end - first), block)?;
            next = end;
        }
        Ok(())
    }

    /// The neighbours of a part, opened unless they are already.
    fn current(&mut self, part: u64) -> Result<&mut StoredNeighbors> {
        if self.part.as_ref().is_none_or(|(open, _)| *open != part) {
            let prefix = prefix(part, self.description.rows, self.part_rows);
            let stored = StoredNeighbors::open(&self.holder, &prefix)?;
            self.check(part, &stored)?;
            self.part = Some((part, stored));
        }
        let (_, stored) = self.part.as_mut().ok_or_else(|| Error::internal("a part that was just opened"))?;
        Ok(stored)
    }

    /// Refuses arrays that are not what the root says.
    fn check(&self, part: u64, stored: &StoredNeighbors) -> Result<()> {
        let GraphDescription { rows, k, dtype, .. } = &self.description;
        let rows = (rows - part * self.part_rows).min(self.part_rows);
        if stored.shape() != [rows, *k] || stored.ids_dtype().name() != dtype {
            let reason = format!("is not the {dtype} array of {rows} × {k} that the root of the store announces");
            return Err(stored.schema("shape", reason));
        }
        Ok(())
    }
}

fn number(mark: &Map<String, Value>, name: &str) -> Option<u64> {
    mark.get(name).and_then(Value::as_u64)
}

/// Where a part lies in the store; one part is the store itself.
fn prefix(part: u64, rows: u64, part_rows: u64) -> String {
    if rows <= part_rows { String::new() } else { format!("dataset_{part}/") }
}
