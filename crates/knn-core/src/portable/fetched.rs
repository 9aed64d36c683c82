//! An index that is elsewhere, searched by the lists that were fetched of it.
//!
//! Three steps: its small files are handed over and checked; queries are routed, which says what is to be fetched; and when that is handed
//! over, queries are joined. Lists are those that a run with the same number of probes visits, so its neighbours are found.
//!
//! Of an index with codes a run compares all rows of the four nearest lists of a query, and of others those that their codes select. Here,
//! lists that are among the nearest of no query come as codes first; queries select, and of a list the rows come that any of them selected, or
//! all where that costs less.

use std::ops::Range;

use super::ranges::{cost, near, together};
use super::run::QueryRun;
use crate::budget::{Lease, MemoryBudget};
use crate::distance::Lane;
use crate::error::{Error, Result};
use crate::index::{IvfIndex, ListType, Manifest, PartOf, Probes};
use crate::join::{Barred, ListJoin, Looked, Ordered};
use crate::progress::Progress;
use crate::types::NeighborBlock;

/// What is to be fetched of the lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetch {
    /// Ranges of files: which file, its name and the bytes.
    pub ranges: Vec<(PartOf, String, Range<u64>)>,
    /// Bytes of the lists that are probed, codes included.
    pub probed_bytes: u64,
    /// Lists that are probed.
    pub lists: u64,
    /// Bytes of all lists of the index, codes included.
    pub index_bytes: u64,
    /// Lists of which codes come first, and rows as queries select them.
    pub by_codes: u64,
}

/// What is to be fetched of the rows that codes selected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchRows {
    /// Ranges of the file of lists: its name and the bytes.
    pub ranges: Vec<(String, Range<u64>)>,
    /// Rows that come because they were selected.
    pub rows: u64,
    /// Lists whose rows all come, because so many were selected.
    pub whole: u64,
}

/// An index, and what was fetched of its lists.
pub struct FetchedIndex {
    place: String,
    index: IvfIndex,
    lane: Lane,
    /// How queries so far look in each list.
    visited: Vec<Looked>,
    codes_first: bool,
    budget: MemoryBudget,
    leases: Vec<Lease>,
}

impl FetchedIndex {
    /// Reads and checks a manifest; `place` is the name of the index in messages.
    pub fn manifest(place: &str, bytes: &[u8]) -> Result<Manifest> {
        Manifest::parse(bytes, &format!("{place}/manifest.json"))
    }

    /// Names of the files that are needed whole.
    pub fn small_files(manifest: &Manifest) -> Vec<String> {
        IvfIndex::small_files(manifest)
    }

    /// An index from its manifest and those files, in the order of their names.
    pub fn new(place: &str, manifest: Manifest, files: &[impl AsRef<[u8]>], budget: &MemoryBudget) -> Result<Self> {
        let bytes = files.iter().map(|file| file.as_ref().len() as u64).sum();
        let _handed = budget.take("the small files of the index", bytes)?;
        let names = IvfIndex::small_files(&manifest);
        let file = |name: &str| {
            let (_, bytes) = names.iter().zip(files).find(|(known, _)| *known == name)?;
            Some(bytes.as_ref())
        };
        let index = IvfIndex::fetched(place, manifest, file, budget)?;
        let visited = vec![Looked::Not; index.nlist() as usize];
        let (place, lane, budget) = (place.to_owned(), Lane::best(), budget.clone());
        Ok(Self { place, index, lane, visited, codes_first: false, budget, leases: Vec::new() })
    }

    /// What is written down of it.
    pub fn description(&self) -> &Manifest {
        self.index.manifest()
    }

    /// Forgets the lists of the queries before, in memory and as what is to be fetched. With `codes_first`, codes of an index that has them say
    /// which rows are fetched; those are compared with their codes, and have no checksum of their own.
    pub fn begin(&mut self, codes_first: bool) {
        self.index.forget();
        self.leases.clear();
        self.visited.fill(Looked::Not);
        self.codes_first = codes_first && self.index.manifest().dtype != ListType::None;
    }

    /// Routes some rows of a run: the lists that they look in are to be fetched.
    pub fn route(&mut self, run: &QueryRun, first: usize, rows: usize, nprobe: usize) -> Result<()> {
        self.check(run, nprobe)?;
        let join = ListJoin::new(&self.index, &self.lane, &self.budget);
        join.mark_visited(&run.block(first, rows), Probes::Nearest(nprobe), run.k(), &mut self.visited);
        Ok(())
    }

    /// What is to be fetched for all rows that were routed, in the order of the files. Memory for it is taken here.
    pub fn fetch(&mut self) -> Result<Fetch> {
        let manifest = self.index.manifest();
        let mut fetch = Fetch::default();
        let visited = (0u32..).zip(&self.visited).filter(|(_, looked)| **looked != Looked::Not);
        let by_codes = |looked: Looked| self.codes_first && looked == Looked::ByCodes;
        fetch.lists = visited.clone().count() as u64;
        fetch.by_codes = visited.clone().filter(|(_, looked)| by_codes(**looked)).count() as u64;
        let codes = manifest.codes.map(|_| PartOf::Codes);
        for of in [PartOf::Lists].into_iter().chain(codes) {
            let (mut wanted, (name, length)) = (Vec::new(), IvfIndex::large_file(manifest, &self.place, of)?);
            for (list, &looked) in visited.clone() {
                for part in self.index.parts(list).filter(|part| part.of == of) {
                    fetch.probed_bytes += part.bytes.end - part.bytes.start;
                    wanted.extend((of == PartOf::Codes || !by_codes(looked)).then_some(part.bytes));
                }
            }
            fetch.index_bytes += length;
            fetch.ranges.extend(together(&wanted).into_iter().map(|range| (of, name.clone(), range)));
        }
        let bytes = fetch.ranges.iter().map(|(_, _, range)| range.end - range.start).sum();
        self.leases.clear();
        self.leases.push(self.budget.take("the lists that queries look in", bytes)?);
        Ok(fetch)
    }

    /// Lets some rows of a run select by the codes that were fetched; nothing is found yet. Asks for the rows that [`Self::fetch_rows`] tells.
    pub fn select(&self, run: &QueryRun, first: usize, rows: usize, nprobe: usize, progress: &Progress) -> Result<()> {
        self.check(run, nprobe)?;
        let queries = run.block(first, rows);
        let mut nearest = NeighborBlock::empty(queries.rows(), run.k());
        let join = ListJoin::new(&self.index, &self.lane, &self.budget);
        join.join(&queries, Probes::Nearest(nprobe), Barred::NONE, &mut nearest, &mut Ordered::default(), progress)
    }

    /// What is to be fetched of the rows that were asked for since this was called last: those alone with the numbers of their lists, or all rows of
    /// a list where that costs less. Memory for it is taken here.
    pub fn fetch_rows(&mut self) -> Result<FetchRows> {
        let (mut fetch, mut wanted) = (FetchRows::default(), Vec::new());
        let asked = self.index.take_asked();
        let lacks = |gap: &Range<u64>| self.index.lacks(gap);
        for (list, rows) in &asked {
            let (some, all) = (near(&self.index.rows_of(*list, rows), lacks), self.index.lacking_of(*list));
            if cost(&all) <= cost(&some) {
                fetch.whole += 1;
                wanted.extend(all);
            } else {
                fetch.rows += rows.len() as u64;
                wanted.extend(some);
            }
        }
        if wanted.is_empty() && !asked.is_empty() {
            return Err(Error::internal("rows were asked for that are there"));
        }
        let (name, _) = IvfIndex::large_file(self.index.manifest(), &self.place, PartOf::Lists)?;
        fetch.ranges = near(&wanted, lacks).into_iter().map(|range| (name.clone(), range)).collect();
        let bytes = fetch.ranges.iter().map(|(_, range)| range.end - range.start).sum();
        self.leases.push(self.budget.take("the rows that codes select", bytes)?);
        Ok(fetch)
    }

    /// Takes over the bytes of one of those ranges.
    pub fn give(&mut self, of: PartOf, offset: u64, bytes: Vec<u8>) {
        self.index.give(of, offset, bytes);
    }

    /// Finds the nearest of the next queries of a run, at most `rows` of them, in what was fetched. False if rows are missing, which were asked
    /// for: then they are to be fetched, and the same queries joined again.
    pub fn join(&self, run: &mut QueryRun, rows: usize, nprobe: usize, progress: &Progress) -> Result<bool> {
        self.check(run, nprobe)?;
        let join = ListJoin::new(&self.index, &self.lane, &self.budget);
        run.advance(rows, |queries, nearest, ordered| {
            join.join(queries, Probes::Nearest(nprobe), Barred::NONE, nearest, ordered, progress)?;
            Ok(!self.index.asks())
        })
    }

    fn check(&self, run: &QueryRun, nprobe: usize) -> Result<()> {
        let Manifest { rows, dim, metric, nlist, .. } = *self.index.manifest();
        run.check_columns(&self.place, rows, dim as usize)?;
        if run.metric != metric {
            let reason = format!("the index was built for {}", metric.name());
            return Err(Error::param("metric", run.metric.name(), reason));
        }
        if nprobe == 0 || nprobe > nlist as usize {
            return Err(Error::param("nprobe", nprobe, format!("between 1 and the {nlist} lists of the index")));
        }
        Ok(())
    }
}
