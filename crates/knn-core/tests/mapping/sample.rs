//! One query and one reference with something of everything, small enough to be mapped a hundred times; and how they are mapped.

use std::path::{Path, PathBuf};

use gigamapper_core::error::Result;
use gigamapper_core::pipeline::{LayoutRequest, MapRequest, RunReport, Seams, run_with};
use gigamapper_core::progress::Progress;

use super::cells::Cells;
use super::disk::Disk;
use super::zarr::Grid;

pub(crate) const DIM: usize = 5;

/// Inputs in one folder and outputs in another, which stays empty when a run is refused.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        std::fs::create_dir(folder.path().join("out")).unwrap();
        Self { folder }
    }

    pub(crate) fn inputs(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    pub(crate) fn outputs(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.outputs().join("mapped.zarr")
    }

    /// A store without columns or embeddings.
    pub(crate) fn cells(&self, name: &str, n: usize) -> Cells {
        Cells::new(&self.inputs(), name, n)
    }

    /// A request for `reference`'s columns of [`sample`]; no reference is self-mapping.
    pub(crate) fn request(&self, query: &Cells, reference: Option<&Cells>) -> MapRequest {
        MapRequest {
            query: query.path(),
            reference: reference.map(Cells::path),
            output: Some(self.output().to_str().unwrap().to_owned()),
            n_neighbors: Some(7),
            memory: Some("256MiB".into()),
            threads: Some(2),
            layout: Some(LayoutRequest { inner_rows: 16, inner_per_unit: 2, part_rows: 64 }),
            ..MapRequest::default()
        }
    }

    /// The same with every column of [`sample`].
    pub(crate) fn full_request(&self, query: &Cells, reference: Option<&Cells>) -> MapRequest {
        let keys = |keys: &[&str]| Some(keys.iter().map(|&key| key.to_owned()).collect());
        MapRequest {
            obs_keys: keys(&["cell type", "flag", "score", "count"]),
            obsm_keys: keys(&["X_umap"]),
            probabilities: Some("all".into()),
            ..self.request(query, reference)
        }
    }
}

/// `count` numbers between −1 and 1, from a fixed generator.
pub(crate) fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Cells with duplicates, a cell that is not finite, columns with gaps, and an embedding, cut as `grid` says.
pub(crate) fn sample_in(place: &Place, name: &str, n: usize, grid: Grid) -> Cells {
    let mut representation = noise(name.len() as u64, n * DIM);
    representation.copy_within(0..3 * DIM, 40 * DIM);
    representation[9 * DIM + 2] = f32::NAN;
    representation[70 * DIM] = f32::INFINITY;
    let codes: Vec<i8> = (0..n).map(|cell| [0, 2, 1, 2, -1, 0, 3][cell % 7]).collect();
    let score: Vec<f32> = (0..n).map(|cell| if cell % 11 == 3 { f32::NAN } else { cell as f32 / 7.0 }).collect();
    let count: Vec<i64> = (0..n as i64).map(|cell| (1 << 40) + cell * cell).collect();
    let missing: Vec<bool> = (0..n).map(|cell| cell % 5 == 1).collect();
    let names: Vec<_> = (0..n).map(|cell| format!("Zelle-é{}", cell / 2)).collect();
    place
        .cells(name, n)
        .names(&names)
        .embedding_in("X_pca", DIM, &representation, grid)
        .embedding("X_umap", 2, &noise(99, n * 2))
        .categorical("cell type", &codes, &["T", "B", "NK", "größer", "unused"], true)
        .column("flag", &(0..n).map(|cell| cell % 3 == 0).collect::<Vec<_>>())
        .column("score", &score)
        .nullable("count", &count, &missing)
        .colors("cell type", &["#f00", "#0f0", "#00f", "#ff0", "#0ff"])
}

/// The same in shards of small inner chunks that split the columns, as anndata does.
pub(crate) fn sample(place: &Place, name: &str, n: usize) -> Cells {
    sample_in(place, name, n, Grid::shards([80, 4], [20, 2]))
}

/// Seams without syncs.
pub(crate) fn quick() -> Seams {
    Seams { vfs: Disk::quick(), ..Seams::default() }
}

/// Maps on a quick disk.
pub(crate) fn map(request: &MapRequest) -> Result<RunReport> {
    run_with(request, &Progress::silent(), quick())
}

/// Where a request's output is.
pub(crate) fn output(request: &MapRequest) -> &Path {
    Path::new(request.output.as_deref().unwrap())
}
