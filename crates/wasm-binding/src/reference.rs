//! What queries are compared with: a reference in memory, or an index that is fetched as it is needed.

use std::hint::black_box;
use std::ops::Range;

use gigamapper_core::budget::MemoryBudget;
use gigamapper_core::distance::Metric;
use gigamapper_core::error::Error;
use gigamapper_core::index::PartOf;
use gigamapper_core::portable;
use gigamapper_core::progress::Progress;
use serde_json::json;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::failure::{Result, failed, told};
use crate::mapping::QueryRun;

/// Bytes that calls may take together, shared by all that is made with it.
#[wasm_bindgen]
pub struct Memory(pub(crate) MemoryBudget);

#[wasm_bindgen]
impl Memory {
    /// So many bytes, of those that a module can address.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(bytes: f64) -> Self {
        Self(MemoryBudget::new((bytes as u64).min(usize::MAX as u64)))
    }

    /// Fails unless so many bytes are left, and can be had. Arrays are copied into the module before a function of it sees them, and where
    /// that fails, the module ends; so they are announced.
    pub fn check(&self, what: &str, bytes: f64) -> Result<()> {
        let lease = told(self.0.take(what, bytes as u64))?;
        let mut room = Vec::<u8>::new();
        let had = room.try_reserve_exact(bytes as usize);
        // An allocation that nobody looks at may be left out.
        black_box(&room);
        drop(lease);
        had.map_err(|_| {
            let (needed, available, remedy) = (bytes as u64, 0, "close what is not needed, or map fewer cells".into());
            failed(&Error::Budget { what: what.into(), needed, available, remedy })
        })
    }
}

/// The metric of a name.
pub(crate) fn metric(name: &str) -> Result<Metric> {
    let names = Metric::ALL.map(Metric::name).join(", ");
    let metric = Metric::from_name(name);
    metric.ok_or_else(|| failed(&Error::param("metric", name, format!("one of {names}"))))
}

/// A reference in memory.
#[wasm_bindgen]
pub struct ExactReference(portable::ExactReference);

#[wasm_bindgen]
impl ExactReference {
    /// Rows of `dim` columns, row-major.
    #[wasm_bindgen(constructor)]
    pub fn new(values: Vec<f32>, dim: usize, metric_name: &str, memory: &Memory) -> Result<Self> {
        told(portable::ExactReference::new(values, dim, metric(metric_name)?, &memory.0)).map(Self)
    }

    /// A run of the rows themselves.
    pub fn own_run(&self, n_neighbors: usize, memory: &Memory) -> Result<QueryRun> {
        told(self.0.own_run(n_neighbors, &memory.0)).map(QueryRun)
    }

    /// Joins the next queries of a run, at most so many.
    pub fn join(&self, run: &mut QueryRun, rows: usize) -> Result<()> {
        told(self.0.join(&mut run.0, rows, &Progress::silent()))
    }
}

/// An index that is elsewhere.
#[wasm_bindgen]
pub struct FetchedIndex(portable::FetchedIndex);

#[wasm_bindgen]
impl FetchedIndex {
    /// Checks a manifest; the names of the files that are needed whole, with their lengths and checksums, as JSON text.
    pub fn small_files(place: &str, manifest: &[u8]) -> Result<String> {
        let manifest = told(portable::FetchedIndex::manifest(place, manifest))?;
        let names = portable::FetchedIndex::small_files(&manifest);
        let files = names.into_iter().map(|name| {
            let record = manifest.files.get(&name);
            json!({ "name": name, "length": record.map(|it| it.length), "xxh3": record.map(|it| &it.xxh3) })
        });
        Ok(json!(files.collect::<Vec<_>>()).to_string())
    }

    /// An index from its manifest and those files one after the other, `lengths` bytes each.
    #[wasm_bindgen(constructor)]
    pub fn new(place: &str, manifest: &[u8], files: &[u8], lengths: &[u32], memory: &Memory) -> Result<Self> {
        let manifest = told(portable::FetchedIndex::manifest(place, manifest))?;
        let mut rest = files;
        let take = |&length: &u32| rest.split_off(..length as usize).unwrap_or_default();
        let files: Vec<&[u8]> = lengths.iter().map(take).collect();
        told(portable::FetchedIndex::new(place, manifest, &files, &memory.0)).map(Self)
    }

    /// Its manifest, as JSON text.
    pub fn description(&self) -> String {
        json!(self.0.description()).to_string()
    }

    /// Forgets the queries before; codes may say which rows are fetched.
    pub fn begin(&mut self, codes_first: bool) {
        self.0.begin(codes_first);
    }

    /// Routes some rows of a run.
    pub fn route(&mut self, run: &QueryRun, first: usize, rows: usize, nprobe: usize) -> Result<()> {
        told(self.0.route(&run.0, first, rows, nprobe))
    }

    /// What is to be fetched, as JSON text: ranges with `codes`, `file`, `start`, `end`, and how many bytes lists and index have.
    pub fn fetch(&mut self) -> Result<String> {
        let fetch = told(self.0.fetch())?;
        let ranges = fetch.ranges.iter().map(|(of, file, bytes)| {
            json!({ "codes": *of == PartOf::Codes, "file": file, "start": bytes.start, "end": bytes.end })
        });
        let ranges: Vec<_> = ranges.collect();
        let told = json!({
            "ranges": ranges, "probedBytes": fetch.probed_bytes, "lists": fetch.lists, "indexBytes": fetch.index_bytes,
            "byCodes": fetch.by_codes
        });
        Ok(told.to_string())
    }

    /// Lets some rows of a run select by codes.
    pub fn select(&self, run: &QueryRun, first: usize, rows: usize, nprobe: usize) -> Result<()> {
        told(self.0.select(&run.0, first, rows, nprobe, &Progress::silent()))
    }

    /// What is to be fetched of the rows that were selected, as JSON text: ranges as above, how many rows, and of how many lists all.
    pub fn fetch_rows(&mut self) -> Result<String> {
        let fetch = told(self.0.fetch_rows())?;
        let range = |(file, bytes): &(String, Range<u64>)| json!({ "codes": false, "file": file, "start": bytes.start, "end": bytes.end });
        let ranges: Vec<_> = fetch.ranges.iter().map(range).collect();
        Ok(json!({ "ranges": ranges, "rows": fetch.rows, "whole": fetch.whole }).to_string())
    }

    /// Takes over the bytes of a range.
    pub fn give(&mut self, codes: bool, offset: f64, bytes: Vec<u8>) {
        let of = if codes { PartOf::Codes } else { PartOf::Lists };
        self.0.give(of, offset as u64, bytes);
    }

    /// Joins the next queries of a run, at most so many; false if rows are to be fetched first.
    pub fn join(&self, run: &mut QueryRun, rows: usize, nprobe: usize) -> Result<bool> {
        told(self.0.join(&mut run.0, rows, nprobe, &Progress::silent()))
    }
}
