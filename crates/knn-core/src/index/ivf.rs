//! A sealed index, open for reading.
//!
//! Opening compares every length with the files and every checksum of the small files with the manifest, and checks that offsets
//! tile the file of lists exactly. Lists are checked when they are read. So whatever happened to the files, a list is either what
//! was written or `GM_CORRUPT`.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::apart::Apart;
use super::coarse::Coarse;
use super::codes::Codes;
use super::excluded;
use super::format::{COARSE, CODES, EXCLUDED, GRAPH, LISTS, ListType, OFFSETS, PQ, corrupt};
use super::kept::{KeptBlock, KeptGraph};
use super::lists::{Io, ListBuffer, ListView, Lists};
use super::manifest::{FileRecord, Manifest};
use super::offsets::Offsets;
use super::quantiser::Quantiser;
use crate::budget::{Lease, MemoryBudget};
use crate::distance::Codebooks;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::store::{OsVfs, PositionedFile, Vfs, hash_bytes, hash_file};

/// Share of the free budget that resident lists may take when nobody asked for them.
const RESIDENT_SHARE: u64 = 2;

/// An inverted-file index. Threads share it; each brings a [`ListBuffer`].
pub struct IvfIndex {
    pub(super) path: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) coarse: Coarse,
    pub(super) offsets: Offsets,
    pub(super) lists: Lists,
    pub(super) coded: Option<(Quantiser, Codes)>,
    pub(super) graph: Option<Arc<KeptGraph>>,
    /// Of an index that is elsewhere and whose rows may come one by one.
    pub(super) apart: Option<Apart>,
    pub(super) _leases: Vec<Lease>,
}

impl IvfIndex {
    /// Opens a sealed index and checks it. Its levels, and lists that are to be resident, are taken from `budget`.
    pub fn open(path: &Path, io: Io, budget: &MemoryBudget) -> Result<Self> {
        let mut manifest = Manifest::read(&OsVfs, path)?.ok_or_else(|| absent(path))?;
        loop {
            let error = match Self::open_as(path, manifest.clone(), io, budget) {
                Err(error) => error,
                opened => return opened,
            };
            match Manifest::read(&OsVfs, path) {
                // Another process has appended to it since its manifest was read, and the files that it named are gone.
                Ok(Some(now)) if now != manifest => manifest = now,
                _ => return Err(error),
            }
        }
    }

    fn open_as(path: &Path, manifest: Manifest, io: Io, budget: &MemoryBudget) -> Result<Self> {
        let layout = manifest.layout();
        let (centroids, dim) = (manifest.centroids(), u64::from(manifest.dim));
        let levels = Coarse::bytes(centroids, dim).saturating_add(u64::from(manifest.nlist) * 32);
        // Twice, because the bytes of a file lie beside what is made of them.
        let reading = budget.take("the levels of the index while they are read", levels)?;
        let mut leases = vec![budget.take("the levels of the index", levels)?];
        let [coarse_file, offsets_file, lists_file] =
            [COARSE, OFFSETS, LISTS].map(|name| path.join(manifest.file_name(name)));
        let bytes = small_file(&manifest, path, COARSE, Coarse::file_length(centroids, dim))?;
        let coarse = Coarse::parse(&bytes, &coarse_file.display().to_string(), manifest.dim as usize)?;
        if coarse.levels() != centroids {
            return Err(corrupt(&coarse_file.display().to_string(), "header", "it has other levels than the manifest"));
        }
        let lists_length = record(&manifest, path, LISTS)?.length;
        check_length(&manifest, path, LISTS, Some(lists_length))?;
        let lists_file = PositionedFile::open(&lists_file)?;
        let bytes = small_file(&manifest, path, OFFSETS, Some(Offsets::file_length(manifest.nlist)))?;
        let indexed = manifest.rows - manifest.excluded;
        let name = offsets_file.display().to_string();
        let offsets = Offsets::parse(&bytes, &name, manifest.nlist, indexed, lists_length, layout)?;
        drop((bytes, reading));
        check_file(&manifest, path, EXCLUDED, excluded::file_length(manifest.excluded))?;
        let places = manifest.code_layout().map(|layout| Codes::places(&offsets, layout));
        let codes_length = places.as_ref().map_or(Some(0), |places| places.as_ref().map(|(_, length)| *length));
        let resident = lists_length.saturating_add(codes_length.unwrap_or(u64::MAX));
        let io = match io {
            Io::Auto if resident <= budget.available() / RESIDENT_SHARE => Io::Resident,
            Io::Auto => Io::Pread,
            chosen => chosen,
        };
        if io == Io::Resident {
            leases.push(budget.take("the lists of the index", lists_length.saturating_add(8))?);
        }
        let lists = Lists::open(lists_file, layout, manifest.nlist as usize, io)?;
        let coded = Self::open_codes(path, &manifest, places.flatten(), io, budget, &mut leases)?;
        let graph = Self::open_graph(path, &manifest)?;
        let path = path.to_path_buf();
        Ok(Self { path, manifest, coarse, offsets, lists, coded, graph, apart: None, _leases: leases })
    }

    /// The graph of an index that keeps one; its blocks are checked when they are read.
    fn open_graph(path: &Path, manifest: &Manifest) -> Result<Option<Arc<KeptGraph>>> {
        let Some(layout) = manifest.kept_layout() else { return Ok(None) };
        let (file, _) = check_length(manifest, path, GRAPH, layout.file_length())?;
        KeptGraph::open(&file, layout).map(|graph| Some(Arc::new(graph)))
    }

    /// The quantiser and the codes of an index that has them, which are read as lists are.
    fn open_codes(
        path: &Path,
        manifest: &Manifest,
        places: Option<(Vec<u64>, u64)>,
        io: Io,
        budget: &MemoryBudget,
        leases: &mut Vec<Lease>,
    ) -> Result<Option<(Quantiser, Codes)>> {
        let Some(layout) = manifest.code_layout() else { return Ok(None) };
        let length = Quantiser::file_length(u64::from(manifest.dim));
        leases.push(budget.take("the codebooks of the index", length.unwrap_or(u64::MAX))?);
        let bytes = small_file(manifest, path, PQ, length)?;
        let file = path.join(manifest.file_name(PQ)).display().to_string();
        let quantiser = Quantiser::parse(&bytes, &file, manifest.dim as usize)?;
        let (starts, length) = places.unzip();
        let (codes_file, _) = check_length(manifest, path, CODES, length)?;
        if io == Io::Resident {
            leases.push(budget.take("the codes of the index", length.unwrap_or(0).saturating_add(8))?);
        }
        let codes = Codes::open(PositionedFile::open(&codes_file)?, layout, starts.unwrap_or_default(), io)?;
        Ok(Some((quantiser, codes)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is written down of it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its centroids.
    pub fn coarse(&self) -> &Coarse {
        &self.coarse
    }

    /// The graph of its own rows, if it keeps one. It can be read when the index is closed.
    pub fn graph(&self) -> Option<&Arc<KeptGraph>> {
        self.graph.as_ref()
    }

    /// Number of lists.
    pub fn nlist(&self) -> u32 {
        self.manifest.nlist
    }

    /// Columns of a row.
    pub fn dim(&self) -> usize {
        self.coarse.dim()
    }

    /// Rows of the source, those in no list included.
    pub fn rows(&self) -> u64 {
        self.manifest.rows
    }

    /// How lists are read.
    pub fn io(&self) -> Io {
        self.lists.io()
    }

    /// Bytes of its lists, codes included.
    pub(super) fn stored_bytes(&self) -> u64 {
        let length = |name| self.manifest.files.get(&self.manifest.file_name(name)).map_or(0, |file| file.length);
        length(LISTS).saturating_add(length(CODES))
    }

    /// These lists, ascending, are read soon. Those that are neighbours in the file are told of together.
    pub(super) fn will_read(&self, lists: &[u32]) {
        for run in lists.chunk_by(|one, next| one + 1 == *next) {
            let (Some(&first), Some(&last)) = (run.first(), run.last()) else { continue };
            let [from, to] = [first, last].map(|list| self.offsets.places[list as usize]);
            self.lists.will_read(from, to);
            if let Some((_, codes)) = &self.coded {
                codes.will_read(first, last, to.rows);
            }
        }
    }

    /// Rows of a list, without reading it.
    pub fn list_rows(&self, list: u32) -> u64 {
        self.offsets.places[list as usize].rows
    }

    /// Rows of the longest list.
    pub fn longest_list(&self) -> u64 {
        self.offsets.places.iter().map(|place| place.rows).max().unwrap_or(0)
    }

    /// Bytes that a [`ListBuffer`] takes at most.
    pub fn buffer_bytes(&self) -> u64 {
        let rows = self.longest_list();
        let layout = self.manifest.code_layout();
        let codes = layout.map_or(0, |layout| layout.list_bytes(rows).unwrap_or(u64::MAX));
        let stored = self.manifest.layout().list_bytes(rows).unwrap_or(u64::MAX);
        stored.saturating_add(codes).saturating_add(rows * self.dim() as u64 * 4)
    }

    /// What makes codes of rows, in an index that has them.
    pub(super) fn quantiser(&self) -> Option<&Quantiser> {
        self.coded.as_ref().map(|(quantiser, _)| quantiser)
    }

    /// The codewords, in an index that has codes.
    pub fn codebooks(&self) -> Option<&Codebooks> {
        self.quantiser().map(|quantiser| &quantiser.books)
    }

    /// Mean squared distance of a row from what its codes stand for; 0 where nothing else is known of rows.
    pub fn code_error(&self) -> f64 {
        let stored = self.manifest.dtype != ListType::None;
        self.quantiser().filter(|_| stored).map_or(0.0, |quantiser| quantiser.error)
    }

    /// A list, checked; its bytes lie in `buffer` unless they are in memory already.
    pub fn list<'a>(&'a self, list: u32, buffer: &'a mut ListBuffer) -> Result<ListView<'a>> {
        let place = self.offsets.places.get(list as usize);
        let place = place.ok_or_else(|| Error::internal(format!("list {list} of {}", self.nlist())))?;
        let ListBuffer { words, widened, codes, .. } = buffer;
        let (values, ids) = self.lists.stored(list, *place, words)?;
        let Some((quantiser, coded)) = &self.coded else {
            return Ok(ListView { rows: self.lists.rows(values, widened), ids, codes: &[], there: None });
        };
        let codes = coded.list(list, place.rows, codes)?;
        if self.manifest.dtype != ListType::None {
            return Ok(ListView { rows: self.lists.rows(values, widened), ids, codes, there: None });
        }
        widened.resize(ids.len() * self.dim(), 0.0);
        let (layout, centroid) = (coded.layout(), self.coarse.centroids(list..list + 1));
        for (row, values) in widened.chunks_exact_mut(self.dim()).enumerate() {
            quantiser.books.decode(|space| layout.code(codes, row, space), centroid, values);
        }
        Ok(ListView { rows: widened, ids, codes, there: None })
    }

    /// The number of a row of a list that was visited before. Only where lists stay in memory, as [`Self::io`] tells: there a visit has
    /// checked them.
    #[inline]
    pub fn visited_id(&self, list: u32, row: usize) -> u64 {
        self.lists.visited_id(self.offsets.places[list as usize], row)
    }

    /// Widens such a row, where lists are of f16.
    #[inline]
    pub fn visited_half(&self, list: u32, row: usize, values: &mut [f32]) {
        self.lists.visited_half(self.offsets.places[list as usize], row, values);
    }

    /// All numbers of the lists, where they stay in memory as f32; the rows of a list begin at [`Self::first_number`], and what is not a
    /// row means nothing.
    #[inline]
    pub fn numbers(&self) -> Option<&[f32]> {
        self.lists.numbers()
    }

    /// Where the rows of a list begin among [`Self::numbers`].
    #[inline]
    pub fn first_number(&self, list: u32) -> usize {
        Lists::first_number(self.offsets.places[list as usize])
    }

    /// Bytes that [`Self::excluded`] takes.
    pub(super) fn excluded_bytes(&self) -> u64 {
        self.manifest.excluded.saturating_mul(24)
    }

    /// The rows in no list, ascending.
    pub fn excluded(&self) -> Result<Vec<u64>> {
        let bytes = small_file(&self.manifest, &self.path, EXCLUDED, excluded::file_length(self.manifest.excluded))?;
        let file = self.path.join(self.manifest.file_name(EXCLUDED)).display().to_string();
        excluded::parse(&bytes, &file, self.manifest.excluded, self.manifest.rows)
    }

    /// Rows that are in lists.
    pub fn listed_rows(&self) -> u64 {
        self.manifest.rows - self.manifest.excluded
    }

    /// Some of the rows in no list, counted among them in ascending order. The file was compared with its checksum when the index was opened.
    pub fn excluded_rows(&self, some: Range<u64>) -> Result<Vec<u64>> {
        let file = PositionedFile::open(&self.path.join(self.manifest.file_name(EXCLUDED)))?;
        excluded::read(&file, some, self.manifest.rows)
    }

    /// Reads every list and the graph once, and so finds all damage there is.
    pub fn verify(&self, progress: &Progress) -> Result<()> {
        let mut buffer = ListBuffer::default();
        progress.begin("verify", self.rows(), 0);
        for list in 0..self.nlist() {
            let rows = self.list(list, &mut buffer)?.len();
            progress.advance(rows as u64)?;
        }
        self.excluded()?;
        if let Some(graph) = &self.graph {
            let mut block = KeptBlock::default();
            for number in 0..graph.blocks() {
                progress.check()?;
                graph.read(number, &mut block)?;
            }
        }
        progress.end();
        Ok(())
    }
}

/// `GM_NOT_FOUND` of an index.
pub(super) fn absent(path: &Path) -> Error {
    let path = path.display().to_string();
    Error::NotFound { store: path.clone(), kind: "finished index".into(), key: path, available: Vec::new() }
}

/// What the manifest says of a file.
pub(super) fn record<'m>(manifest: &'m Manifest, folder: &Path, name: &str) -> Result<&'m FileRecord> {
    let path = folder.join(super::format::MANIFEST).display().to_string();
    let name = manifest.file_name(name);
    manifest.files.get(&name).ok_or_else(|| corrupt(&path, "files", format!("{name} is missing")))
}

/// The bytes of a small file, checked against the manifest and against the length that it must have.
fn small_file(manifest: &Manifest, folder: &Path, name: &str, length: Option<u64>) -> Result<Vec<u8>> {
    let (path, record) = check_length(manifest, folder, name, length)?;
    let bytes = OsVfs.read(&path, record.length)?;
    if hash_bytes(&bytes) != record.xxh3 {
        return Err(corrupt(&path.display().to_string(), "file", "its checksum is wrong"));
    }
    Ok(bytes)
}

/// The same check of a file that is not needed yet and may be large.
fn check_file(manifest: &Manifest, folder: &Path, name: &str, length: Option<u64>) -> Result<()> {
    let (path, record) = check_length(manifest, folder, name, length)?;
    if hash_file(&OsVfs, &path)? != record.xxh3 {
        return Err(corrupt(&path.display().to_string(), "file", "its checksum is wrong"));
    }
    Ok(())
}

fn check_length<'m>(
    manifest: &'m Manifest,
    folder: &Path,
    name: &str,
    length: Option<u64>,
) -> Result<(PathBuf, &'m FileRecord)> {
    let (path, record) = (folder.join(manifest.file_name(name)), record(manifest, folder, name)?);
    let found = OsVfs.len(&path)?;
    if Some(record.length) != length || found != length {
        let found = found.map_or("no".into(), |found| found.to_string());
        let reason = format!("{found} bytes instead of {}", record.length);
        return Err(corrupt(&path.display().to_string(), "file", reason));
    }
    Ok((path, record))
}
