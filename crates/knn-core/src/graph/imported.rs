//! Neighbours that were found before: by a mapping of ours, or by another tool, as a matrix of cells × cells or as ids and distances.
//!
//! Whatever they come from, they leave here as rows of one width, ascending by (f32 distance, id) and padded. Every row is checked: ids lie in the
//! reference, none twice; distances are finite and not negative. Within one store the cell itself is dropped, by its id. Rows need not be
//! sorted, nor equally long: the width is that of the longest, which a scan finds, and rows of other tools have at most 10 000 edges.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use super::block::{GraphBlock, Ids};
use super::store::{GraphDescription, GraphStore};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::source::{AnnDataStore, EdgeBlock, EdgeRows, ObsColumn, ZarrStore, condition, paired, stores};
use crate::store::MARK;
use crate::types::{MappingStatus, NeighborBlock, RowRange};

/// More edges of a row than anyone maps with.
const MOST_WIDTH: u64 = 10_000;
/// Edges and rows that are read together.
const PIECE_EDGES: u64 = 1 << 18;
const PIECE_ROWS: u64 = 16_384;
/// Rows that a thread looks at together at least.
const CHECKED_ROWS: usize = 256;
/// What scanpy calls its distances.
const DISTANCES: &str = "distances";
/// The column of statuses in a store of ours.
const STATUS: &str = "mapping_status";

/// What a graph must be one of.
#[derive(Debug, Clone, Copy)]
pub struct GraphBetween {
    /// Query cells.
    pub n_query: u64,
    /// Reference cells.
    pub n_ref: u64,
    /// Whether they are the same.
    pub within: bool,
    /// Whether distances of a store of ours may be negative, as inner products are.
    pub signed: bool,
}

/// A graph to be taken over.
pub struct ImportedGraph {
    source: Source,
    between: GraphBetween,
    /// Neighbours that are kept of each row at most.
    most: u64,
    width: u64,
    /// Whether rows must be as they leave here.
    stay: bool,
    edges: EdgeBlock,
}

/// One row while it is put in order.
#[derive(Default)]
struct Ordered {
    pairs: Vec<(f32, i64)>,
    ids: Vec<i64>,
}

enum Source {
    /// A store of ours, and what became of its cells.
    Stored(Box<GraphStore>, Option<ObsColumn>),
    /// What another tool made.
    Edges(Arc<dyn EdgeRows>),
}

impl ImportedGraph {
    /// Opens what `place` names: a finished store of ours; an AnnData with a sparse matrix `key` (default `distances`) in `obsp`; or
    /// `ids.npy,distances.npy`. Of each row `most` neighbours are kept, all if there is none.
    pub fn open(place: &Path, key: Option<&str>, most: Option<u64>, between: GraphBetween) -> Result<Self> {
        if let Some(condition) = condition(place)? {
            let reason = "a graph is taken whole: the cells that it is of are chosen in query and reference";
            return Err(Error::param("neighbors", condition, reason));
        }
        let source = match stores(place)?.as_slice() {
            [ids, distances] => {
                if let Some(key) = key {
                    let reason = "is of a matrix in obsp, and ids with distances have none";
                    return Err(Error::param("neighborsKey", key, reason));
                }
                Source::Edges(paired(ids, distances)?)
            }
            [one] if key.is_none() && is_ours(one)? => {
                let graph = Box::new(GraphStore::open(one)?);
                let cells = AnnDataStore::open(one)?;
                let has_status = cells.obs_keys().iter().any(|key| key == STATUS);
                Source::Stored(graph, has_status.then(|| cells.column(STATUS)).transpose()?)
            }
            [one] => Source::Edges(AnnDataStore::open(one)?.pairwise(key.unwrap_or(DISTANCES))?),
            _ => {
                let reason = "a store with neighbors, or ids and distances with a comma between";
                return Err(Error::param("neighbors", place.display(), reason));
            }
        };
        let mut graph = Self {
            source,
            between,
            most: most.unwrap_or(u64::MAX),
            width: 0,
            stay: false,
            edges: EdgeBlock::default(),
        };
        graph.check_shape()?;
        if let Source::Stored(stored, _) = &graph.source {
            graph.width = stored.description().k.min(graph.most);
        }
        Ok(graph)
    }

    /// The store, where it is one of ours, which tells its cells' names.
    pub fn stored(&self) -> Option<&GraphStore> {
        if let Source::Stored(graph, _) = &self.source { Some(graph) } else { None }
    }

    /// Refuses a graph of other cells.
    fn check_shape(&self) -> Result<()> {
        let GraphBetween { n_query, n_ref, within, .. } = self.between;
        let (name, shape) = match &self.source {
            Source::Stored(graph, _) => {
                let found = graph.description();
                (found.path.clone(), vec![found.rows, found.n_ref])
            }
            Source::Edges(edges) => {
                edges.preflight()?;
                (edges.name(), std::iter::once(edges.rows()).chain(edges.columns()).collect())
            }
        };
        let is_square = matches!(&self.source, Source::Edges(edges) if edges.columns().is_some());
        if is_square && !within {
            return Err(Error::param("neighbors", name, "lies within one store: leave the reference out"));
        }
        let wanted = if shape.len() == 2 { vec![n_query, n_ref] } else { vec![n_query] };
        if shape == wanted {
            return Ok(());
        }
        Err(Error::Shape {
            left: name,
            left_shape: shape,
            right: "query and reference".into(),
            right_shape: vec![n_query, n_ref],
            reason: "the neighbors must be of the query's cells, and among the reference's".into(),
        })
    }

    /// Looks at every row of another tool's graph and finds the width, which it returns. That of a store of ours is known.
    pub fn scan(&mut self, progress: &Progress) -> Result<u64> {
        if let Source::Edges(_) = &self.source {
            let mut longest = 1;
            let mut ordered = Ordered::default();
            let mut next = 0;
            while next < self.between.n_query {
                let rows = self.piece(next, self.between.n_query)?;
                self.load(rows)?;
                for row in 0..rows.len() {
                    self.order(rows, row, &mut ordered)?;
                    longest = longest.max(ordered.pairs.len() as u64);
                }
                progress.check()?;
                next = rows.end;
            }
            self.width = longest.min(self.most);
        }
        Ok(self.width)
    }

    /// Takes over the width that a scan has found.
    #[must_use]
    pub fn with_width(mut self, width: u64) -> Self {
        self.width = width;
        self
    }

    /// Says whether rows are only looked at, and read again where they stand: then one that is not in order is an error.
    #[must_use]
    pub fn staying(mut self, stay: bool) -> Self {
        self.stay = stay;
        self
    }

    /// The rows from `first` on that may be read together.
    pub fn piece(&self, first: u64, end: u64) -> Result<RowRange> {
        let stored = match &self.source {
            Source::Stored(graph, _) => graph.description().k,
            Source::Edges(_) => 1,
        };
        let rows = (PIECE_EDGES / self.width.max(stored)).clamp(1, PIECE_ROWS);
        let wanted = RowRange::new(first, (first + rows).min(end));
        let Source::Edges(edges) = &self.source else { return Ok(wanted) };
        let widths = edges.widths(wanted)?;
        if let Some(row) = widths.iter().position(|&width| width > MOST_WIDTH) {
            return Err(Error::Unsupported {
                what: format!("{} neighbors of row {} in {}", widths[row], first + row as u64, edges.name()),
                remedy: format!("at most {MOST_WIDTH} of each cell can be taken over"),
            });
        }
        let mut sum = 0;
        let fitting = widths.iter().take_while(|&&width| {
            sum += width;
            sum <= PIECE_EDGES
        });
        Ok(RowRange::new(first, first + (fitting.count() as u64).max(1)))
    }

    /// Bytes of reading a piece and of the rows that come of it.
    pub fn bytes(&self) -> u64 {
        let edges = PIECE_EDGES.max(MOST_WIDTH);
        let read = match &self.source {
            Source::Stored(..) => edges * 12,
            Source::Edges(source) => source.scratch_bytes(PIECE_ROWS.min(self.between.n_query), edges),
        };
        // The edges, and the rows that come of them twice: some are written while the next are read. Each thread puts one row in order.
        let in_order = MOST_WIDTH * 24 * rayon::current_num_threads() as u64;
        read.saturating_add(edges * (12 + 12 + 12)).saturating_add(in_order)
    }

    /// Fills `block` with the neighbours of a piece of rows, and `statuses` with what became of each.
    pub fn read(&mut self, rows: RowRange, block: &mut NeighborBlock, statuses: &mut Vec<u8>) -> Result<()> {
        if self.read_as_stored(rows, block, statuses)? {
            return Ok(());
        }
        self.load(rows)?;
        let k = self.width as usize;
        (block.first_row, block.k) = (rows.start, k);
        block.ids.clear();
        block.ids.resize(rows.len() * k, -1);
        block.distances.clear();
        block.distances.resize(rows.len() * k, f32::NAN);
        self.load_statuses(rows, statuses)?;
        let slots = block.ids.par_chunks_mut(k.max(1)).zip(block.distances.par_chunks_mut(k.max(1)));
        let filled = slots.zip(statuses).enumerate().map_init(Ordered::default, |ordered, (row, (slots, status))| {
            self.order(rows, row, ordered)?;
            for ((id, distance), pair) in slots.0.iter_mut().zip(slots.1).zip(&ordered.pairs) {
                (*distance, *id) = *pair;
            }
            *status = status_of(ordered.pairs.len(), *status);
            Ok(())
        });
        // Of several wrong rows the first is told.
        filled.find_map_first(Result::err).map_or(Ok(()), Err)
    }

    /// Reads rows that a store of ours has as they leave here; `false` where one is not so, or it is no such store.
    fn read_as_stored(&mut self, rows: RowRange, block: &mut NeighborBlock, statuses: &mut Vec<u8>) -> Result<bool> {
        match &mut self.source {
            Source::Stored(graph, _) if graph.description().k == self.width => graph.read_rows(rows, block)?,
            _ => return Ok(false),
        }
        self.load_statuses(rows, statuses)?;
        let k = block.k.max(1);
        let slots = block.ids.par_chunks(k).zip(block.distances.par_chunks(k));
        let of_rows = slots.zip(statuses).enumerate().with_min_len(CHECKED_ROWS);
        Ok(of_rows.all(|(row, ((ids, distances), status))| {
            let count = ids.iter().take_while(|&&id| id != -1).count();
            *status = status_of(count, *status);
            self.between.has_in_order(rows.start + row as u64, &ids[..count], &distances[..count])
                && ids[count..].iter().all(|&id| id == -1)
                && distances[count..].iter().all(|distance| distance.is_nan())
        }))
    }

    /// Whether a store of ours holds these rows as they leave here, in parts of as many rows, so that whoever needs them may read them there.
    pub fn is_as_stored(&self, part_rows: u64) -> Result<bool> {
        let Source::Stored(graph, _) = &self.source else { return Ok(false) };
        let GraphDescription { rows, k, .. } = *graph.description();
        let is_one_part = rows <= part_rows && rows <= graph.part_rows();
        // A cell may be its own neighbour only where cells were mapped between two stores.
        let mode = if self.between.within { "self" } else { "cross" };
        let is_same_mode = graph.told("mode")?.as_deref() == Some(mode);
        Ok(self.width == k && is_same_mode && (is_one_part || part_rows == graph.part_rows()))
    }

    /// Hash of what is taken over.
    pub fn fingerprint(&self, seed: u64) -> Result<u128> {
        let content = match &self.source {
            Source::Stored(graph, _) => xxh3_128(graph.run().as_bytes()),
            Source::Edges(edges) => edges.fingerprint(seed)?,
        };
        Ok(content.rotate_left(1) ^ u128::from(self.most))
    }

    /// Reads the edges of a piece as they are.
    fn load(&mut self, rows: RowRange) -> Result<()> {
        match &mut self.source {
            Source::Edges(edges) => edges.read(rows, &mut self.edges),
            Source::Stored(graph, _) => {
                let GraphBlock { ids, distances, k, .. } = graph.read(rows.start, Some(rows.len() as i64))?;
                self.edges.starts.clear();
                self.edges.starts.extend((0..=rows.len()).map(|row| row * k));
                self.edges.ids = match ids {
                    Ids::Int32(ids) => ids.into_iter().map(i64::from).collect(),
                    Ids::Int64(ids) => ids,
                };
                self.edges.distances = distances;
                Ok(())
            }
        }
    }

    /// What a store of ours says of these cells; ok where nothing does.
    fn load_statuses(&self, rows: RowRange, statuses: &mut Vec<u8>) -> Result<()> {
        statuses.clear();
        statuses.resize(rows.len(), MappingStatus::Ok as u8);
        let Source::Stored(_, Some(column)) = &self.source else { return Ok(()) };
        let Some(categories) = column.categories() else { return Ok(()) };
        let named = |code: usize| {
            let name = categories.label(code);
            MappingStatus::NAMES.iter().position(|known| *known == name).unwrap_or(0) as u8
        };
        let known: Vec<u8> = (0..categories.len()).map(named).collect();
        let mut codes = Vec::new();
        column.read_codes(rows, &mut codes)?;
        for (status, code) in statuses.iter_mut().zip(codes) {
            *status = usize::try_from(code).map_or(*status, |code| known[code]);
        }
        Ok(())
    }

    /// Fills `ordered` with the neighbours of one of the rows that are loaded, in order and without the cell itself.
    fn order(&self, rows: RowRange, row: usize, Ordered { pairs, ids }: &mut Ordered) -> Result<()> {
        let edges = self.edges.starts[row]..self.edges.starts[row + 1];
        let row = rows.start + row as u64;
        let GraphBetween { n_ref, within, signed, .. } = self.between;
        let signed = signed && matches!(self.source, Source::Stored(..));
        pairs.clear();
        for edge in edges.clone() {
            let (id, distance) = (self.edges.ids[edge], self.edges.distances[edge]);
            if id == -1 {
                continue;
            }
            if !u64::try_from(id).is_ok_and(|id| id < n_ref) {
                return Err(self.wrong(row, &format!("names cell {id} of a reference of {n_ref}")));
            }
            if within && id as u64 == row {
                continue;
            }
            if !distance.is_finite() || (distance < 0.0 && !signed) {
                return Err(self.wrong(row, &format!("lies {distance} from cell {id}, which is no distance")));
            }
            // −0 is 0, so that its id decides.
            pairs.push((distance + 0.0, id));
        }
        // Rows of ours are in order, and those of most tools.
        let order = |left: &(f32, i64), right: &(f32, i64)| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1));
        let is_sorted = pairs.is_sorted_by(|left, right| order(left, right).is_lt());
        if self.stay && !(is_sorted && self.edges.ids[edges][pairs.len()..].iter().all(|&id| id == -1)) {
            return Err(
                self.wrong(row, "is not in the order of distances and ids: say storeNeighbors, and it is stored so")
            );
        }
        if !is_sorted {
            pairs.sort_unstable_by(order);
        }
        if are_distinct(pairs.iter().map(|(_, id)| *id)) {
            return Ok(());
        }
        ids.clear();
        ids.extend(pairs.iter().map(|(_, id)| *id));
        ids.sort_unstable();
        if let Some([twice, ..]) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(self.wrong(row, &format!("names cell {twice} twice")));
        }
        Ok(())
    }

    fn wrong(&self, row: u64, what: &str) -> Error {
        let name = match &self.source {
            Source::Stored(graph, _) => graph.description().path.clone(),
            Source::Edges(edges) => edges.name(),
        };
        Error::schema(name, "", "neighbors", format!("row {row} {what}"))
    }
}

impl GraphBetween {
    /// Whether these are the neighbours of a row in their order, nearest first, each of them once. `false` where that would have to be looked at more
    /// closely.
    fn has_in_order(&self, row: u64, ids: &[i64], distances: &[f32]) -> bool {
        let is_one = |id: i64| u64::try_from(id).is_ok_and(|id| id < self.n_ref && !(self.within && id == row));
        let is_distance = |distance: f32| distance.is_finite() && (self.signed || distance.is_sign_positive());
        let is_behind = |place: usize| {
            let [(before, first), (after, next)] = [place - 1, place].map(|place| (distances[place], ids[place]));
            before < after || (before.to_bits() == after.to_bits() && first < next)
        };
        ids.iter().all(|&id| is_one(id))
            && distances.iter().all(|&distance| is_distance(distance))
            && (1..ids.len()).all(is_behind)
            && are_distinct(ids.iter().copied())
    }
}

/// Whether ids differ in twelve of their bits, once these are mixed: of a usual row nine times in ten, and then nobody needs to sort them.
fn are_distinct(mut ids: impl Iterator<Item = i64>) -> bool {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut seen = [0u64; 64];
    ids.all(|id| {
        let place = (id.cast_unsigned().wrapping_mul(MIX) >> 52) as usize;
        let (word, bit) = (&mut seen[place / 64], 1 << (place % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    })
}

/// What became of a cell with so many neighbours, of which a store of ours may have told why there are none.
fn status_of(neighbors: usize, told: u8) -> u8 {
    match (neighbors, told == MappingStatus::Ok as u8) {
        (1.., _) => MappingStatus::Ok as u8,
        (0, true) => MappingStatus::NoNeighbors as u8,
        (0, false) => told,
    }
}

/// Whether a store at a path is one that gigamapper wrote.
pub fn is_ours(path: &Path) -> Result<bool> {
    if !path.is_dir() {
        return Ok(false);
    }
    Ok(ZarrStore::open(path)?.root_attributes()?.contains_key(MARK))
}
