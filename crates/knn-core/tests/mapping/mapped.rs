//! A mapped store read back with the core's own source stage, all parts of it as one.

use std::path::Path;

use gigamapper_core::graph::StoredNeighbors;
use gigamapper_core::source::{AnnDataStore, StringBlock, ZarrStore};
use gigamapper_core::types::{NeighborBlock, RowRange, Tile};

pub(crate) struct Mapped {
    /// The AnnData of each part.
    pub(crate) parts: Vec<AnnDataStore>,
}

impl Mapped {
    pub(crate) fn open(path: &Path) -> Self {
        let part = |number: usize| path.join(format!("dataset_{number}"));
        let mut paths = Vec::new();
        while part(paths.len()).exists() {
            paths.push(part(paths.len()));
        }
        if paths.is_empty() {
            paths.push(path.to_path_buf());
        }
        Self { parts: paths.iter().map(|path| AnnDataStore::open(path).unwrap()).collect() }
    }

    pub(crate) fn n_obs(&self) -> usize {
        self.parts.iter().map(|part| part.n_obs() as usize).sum()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut block = StringBlock::default();
        let mut read = |part: &AnnDataStore| {
            part.names().unwrap().read(all(part), &mut block).unwrap();
            block.iter().map(str::to_owned).collect::<Vec<_>>()
        };
        self.parts.iter().flat_map(&mut read).collect()
    }

    pub(crate) fn codes(&self, key: &str) -> Vec<i32> {
        let mut codes = Vec::new();
        let mut read = |part: &AnnDataStore| {
            part.column(key).unwrap().read_codes(all(part), &mut codes).unwrap();
            codes.clone()
        };
        self.parts.iter().flat_map(&mut read).collect()
    }

    pub(crate) fn categories(&self, key: &str) -> Vec<String> {
        let column = self.parts[0].column(key).unwrap();
        let categories = column.categories().unwrap();
        (0..categories.len()).map(|index| categories.label(index)).collect()
    }

    /// Labels of a categorical column; empty where one is missing.
    pub(crate) fn labels(&self, key: &str) -> Vec<String> {
        let categories = self.categories(key);
        self.codes(key).iter().map(|&code| categories.get(code as usize).cloned().unwrap_or_default()).collect()
    }

    pub(crate) fn numbers(&self, key: &str) -> Vec<f64> {
        let mut numbers = Vec::new();
        let mut read = |part: &AnnDataStore| {
            part.column(key).unwrap().read_numbers(all(part), &mut numbers).unwrap();
            numbers.clone()
        };
        self.parts.iter().flat_map(&mut read).collect()
    }

    pub(crate) fn matrix(&self, key: &str) -> Vec<f32> {
        let mut tile = Tile::default();
        let mut read = |part: &AnnDataStore| {
            part.representation(key).unwrap().read(all(part), &mut tile).unwrap();
            tile.values.clone()
        };
        self.parts.iter().flat_map(&mut read).collect()
    }

    pub(crate) fn neighbors(&self) -> NeighborBlock {
        let mut whole = NeighborBlock::default();
        let mut block = NeighborBlock::default();
        for part in &self.parts {
            let store = ZarrStore::open(Path::new(part.name())).unwrap();
            StoredNeighbors::open(&store, "").unwrap().read(all(part), 0, &mut block).unwrap();
            whole.k = block.k;
            whole.ids.extend_from_slice(&block.ids);
            whole.distances.extend_from_slice(&block.distances);
        }
        whole
    }
}

fn all(part: &AnnDataStore) -> RowRange {
    RowRange::new(0, part.n_obs())
}
