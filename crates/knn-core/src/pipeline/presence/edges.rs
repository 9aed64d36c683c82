//! The edges of a stored graph with the group of each query cell, block by block, in the order of the rows.

use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Error, Result};
use crate::graph::{DistanceSums, GraphDescription, GraphStore, Ids};
use crate::pipeline::provenance::same_choice;
use crate::pipeline::request::ResolvedPresence;
use crate::progress::Progress;
use crate::source::{AnnDataStore, ObsColumn};
use crate::types::{NeighborBlock, RowRange};

/// Query cells read at a time, at most.
pub(super) const BLOCK_ROWS: u64 = 16_384;

pub(super) struct Edges {
    graph: GraphStore,
    groups: Option<ObsColumn>,
    /// Bytes that the store of the groups holds.
    held: u64,
    block: NeighborBlock,
    codes: Vec<i32>,
    /// Groups of the rows in `band`, which are those of whole chunks.
    read: Vec<i32>,
    band: RowRange,
}

impl Edges {
    /// Opens the graph and the column of groups, which must be of the same cells.
    pub(super) fn open(resolved: &ResolvedPresence, warnings: &mut Vec<String>, progress: &Progress) -> Result<Self> {
        let (graph, mut held) = (GraphStore::open(&resolved.neighbors)?, 0);
        let rows = graph.description().rows;
        let groups = match &resolved.groups {
            None => None,
            Some((path, key)) => {
                let store = AnnDataStore::open_while(path, progress)?;
                let column = store.column(key)?.labelled(progress)?;
                if column.categories().is_none() {
                    return Err(Error::Unsupported {
                        what: format!("groups by obs column {key:?} of {}, which has no categories", store.name()),
                        remedy: "store it as a categorical, or name one that is".into(),
                    });
                }
                if store.n_obs() != rows {
                    return Err(Error::Shape {
                        left: graph.description().path.clone(),
                        left_shape: vec![rows],
                        right: store.name().to_owned(),
                        right_shape: vec![store.n_obs()],
                        reason: "groups and neighbors need the same query cells".into(),
                    });
                }
                if *path != resolved.neighbors {
                    same_choice(&graph, ("query", &store), warnings)?;
                }
                column.preflight()?;
                held = store.container().held_bytes();
                Some(column)
            }
        };
        Ok(Self {
            graph,
            groups,
            held,
            block: NeighborBlock::default(),
            codes: Vec::new(),
            read: Vec::new(),
            band: RowRange::new(0, 0),
        })
    }

    pub(super) fn description(&self) -> &GraphDescription {
        self.graph.description()
    }

    pub(super) fn graph(&self) -> &GraphStore {
        &self.graph
    }

    /// Bytes that stay in memory of the store of the groups: which of its cells are chosen.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held
    }

    /// Names of the groups, by their codes.
    pub(super) fn groups(&self) -> Vec<String> {
        let categories = self.groups.as_ref().and_then(ObsColumn::categories);
        categories.map_or_else(Vec::new, |all| (0..all.len()).map(|code| all.label(code)).collect())
    }

    /// Hash of the content that scores are made of.
    pub(super) fn fingerprint(&self, seed: u64) -> Result<u128> {
        let groups = self.groups.as_ref().map_or(Ok(0), |column| column.fingerprint(seed))?;
        Ok(xxh3_128(self.graph.run().as_bytes()).rotate_left(1) ^ groups)
    }

    /// Bytes of a block, and of reading one.
    pub(super) fn bytes(&self) -> u64 {
        let GraphDescription { k, rows, .. } = self.description();
        let read = self.groups.as_ref().map_or(0, |column| {
            let band = column.natural_tile_rows().min(*rows);
            column.scratch_bytes(band) + band * 4
        });
        BLOCK_ROWS * k * (12 + 12 + 8) + BLOCK_ROWS * 4 + read
    }

    /// Sums over all stored distances. Inner products, which are below 0, are refused.
    pub(super) fn distances(&mut self, progress: &Progress) -> Result<DistanceSums> {
        let mut sums = DistanceSums::default();
        let name = self.description().path.clone();
        self.each(progress, |block, _| {
            if block.distances.iter().any(|&distance| distance < 0.0) {
                let reason = format!("{name} holds inner products, which are no distances");
                return Err(Error::param("neighbors", &name, reason));
            }
            sums.add(block, |_| false);
            Ok(())
        })?;
        Ok(sums)
    }

    /// Every block in order, with the group of each of its rows.
    pub(super) fn each(
        &mut self,
        progress: &Progress,
        mut visit: impl FnMut(&NeighborBlock, &[i32]) -> Result<()>,
    ) -> Result<()> {
        let rows = self.description().rows;
        let step = BLOCK_ROWS.min(self.description().block_rows);
        for piece in RowRange::new(0, rows).pieces(step) {
            let stored = self.graph.read(piece.start, Some(piece.len() as i64))?;
            (self.block.first_row, self.block.k) = (stored.first_row, stored.k);
            self.block.ids = match stored.ids {
                Ids::Int32(ids) => ids.into_iter().map(i64::from).collect(),
                Ids::Int64(ids) => ids,
            };
            self.block.distances = stored.distances;
            self.group(piece)?;
            visit(&self.block, &self.codes)?;
            progress.advance(piece.len() as u64)?;
        }
        Ok(())
    }

    /// Reads the groups of these rows, decoding no chunk twice.
    fn group(&mut self, rows: RowRange) -> Result<()> {
        self.codes.clear();
        let Some(column) = &self.groups else { return Ok(()) };
        let mut next = rows.start;
        while next < rows.end {
            if !(self.band.start..self.band.end).contains(&next) {
                self.band = RowRange::new(next, column.band_end(next).min(column.rows()));
                column.read_codes(self.band, &mut self.read)?;
            }
            let last = self.band.end.min(rows.end);
            let within = (next - self.band.start) as usize..(last - self.band.start) as usize;
            self.codes.extend_from_slice(&self.read[within]);
            next = last;
        }
        Ok(())
    }
}
