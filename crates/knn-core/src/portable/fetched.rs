//! An index that is elsewhere, searched by the lists that were fetched of it.
//!
//! Three steps: its small files are handed over and checked; queries are routed, which says what is to be fetched; and when that is handed
//! over, queries are joined. Lists are those that a run with the same number of probes visits, so its neighbours are found.

use std::ops::Range;

use super::ranges::together;
use super::run::QueryRun;
use crate::budget::{Lease, MemoryBudget};
use crate::distance::Lane;
use crate::error::{Error, Result};
use crate::index::{IvfIndex, Manifest, PartOf, Probes};
use crate::join::{Barred, ListJoin};
use crate::progress::Progress;

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
}

/// An index, and what was fetched of its lists.
pub struct FetchedIndex {
    place: String,
    index: IvfIndex,
    lane: Lane,
    /// Lists that queries so far are to look in.
    visited: Vec<bool>,
    budget: MemoryBudget,
    lease: Option<Lease>,
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
        let visited = vec![false; index.nlist() as usize];
        let place = place.to_owned();
        Ok(Self { place, index, lane: Lane::best(), visited, budget: budget.clone(), lease: None })
    }

    /// What is written down of it.
    pub fn description(&self) -> &Manifest {
        self.index.manifest()
    }

    /// Forgets the lists of the queries before, in memory and as what is to be fetched.
    pub fn begin(&mut self) {
        self.index.forget();
        self.lease = None;
        self.visited.fill(false);
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
        let visited = (0u32..).zip(&self.visited).filter(|(_, visited)| **visited);
        let lists: Vec<u32> = visited.map(|(list, _)| list).collect();
        fetch.lists = lists.len() as u64;
        let parts: Vec<_> = lists.iter().flat_map(|&list| self.index.parts(list)).collect();
        let codes = manifest.codes.map(|_| PartOf::Codes);
        for of in [PartOf::Lists].into_iter().chain(codes) {
            let wanted: Vec<_> = parts.iter().filter(|part| part.of == of).map(|part| part.bytes.clone()).collect();
            let (name, length) = IvfIndex::large_file(manifest, &self.place, of)?;
            fetch.index_bytes += length;
            fetch.probed_bytes += wanted.iter().map(|range| range.end - range.start).sum::<u64>();
            fetch.ranges.extend(together(&wanted).into_iter().map(|range| (of, name.clone(), range)));
        }
        let bytes = fetch.ranges.iter().map(|(_, _, range)| range.end - range.start).sum();
        self.lease = None;
        self.lease = Some(self.budget.take("the lists that queries look in", bytes)?);
        Ok(fetch)
    }

    /// Takes over the bytes of one of those ranges.
    pub fn give(&mut self, of: PartOf, offset: u64, bytes: Vec<u8>) {
        self.index.give(of, offset, bytes);
    }

    /// Finds the nearest of the next queries of a run, at most `rows` of them, in what was fetched.
    pub fn join(&self, run: &mut QueryRun, rows: usize, nprobe: usize, progress: &Progress) -> Result<()> {
        self.check(run, nprobe)?;
        let join = ListJoin::new(&self.index, &self.lane, &self.budget);
        run.advance(rows, |queries, nearest, ordered| {
            join.join(queries, Probes::Nearest(nprobe), Barred::NONE, nearest, ordered, progress)
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
