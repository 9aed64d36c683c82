//! Cells in clusters of very different sizes, as a tissue has them, with the cluster as their label.

use std::path::Path;

use gigamapper_core::budget::MemoryBudget;
use gigamapper_core::distance::Lane;
use gigamapper_core::index::{IndexBuilder, IndexSpec, Start};
use gigamapper_core::pipeline::{IndexRequest, LayoutRequest, MapRequest, build_index};
use gigamapper_core::progress::Progress;
use gigamapper_core::source::AnnDataStore;

use super::cells::Cells;
use super::disk::Disk;
use super::sample::{Place, noise};

pub(crate) const TYPES: [&str; 9] = ["T", "B", "NK", "mono", "DC", "mast", "plasma", "pDC", "HSC"];
/// Cells of each type among a thousand.
const SHARES: [usize; 9] = [400, 250, 150, 80, 50, 30, 20, 12, 8];

/// Rows and types of `n` cells: the types are the same whatever the seed, and near enough to each other to overlap a little.
fn rows(n: usize, dim: usize, seed: u64) -> (Vec<f32>, Vec<i8>) {
    let centres = noise(4711, TYPES.len() * dim);
    let places = noise(seed, n);
    let wide: Vec<Vec<f32>> = (1..=4).map(|part| noise(seed * 100 + part, n * dim)).collect();
    let (mut values, mut codes) = (Vec::with_capacity(n * dim), Vec::with_capacity(n));
    for (cell, place) in places.iter().enumerate() {
        let mut left = f64::from(place + 1.0) * 500.0;
        let kind = SHARES.iter().position(|&share| {
            left -= share as f64;
            left < 0.0
        });
        let kind = kind.unwrap_or(0);
        codes.push(kind as i8);
        for d in 0..dim {
            // A sum of four is nearly normal.
            let spread: f32 = wide.iter().map(|part| part[cell * dim + d]).sum();
            values.push(centres[kind * dim + d] * 3.0 + spread);
        }
    }
    (values, codes)
}

/// Cells with their type as a label.
pub(crate) fn clustered(place: &Place, name: &str, n: usize, dim: usize, seed: u64) -> Cells {
    let (values, codes) = rows(n, dim, seed);
    place.cells(name, n).embedding("X_pca", dim, &values).categorical("type", &codes, &TYPES, false)
}

/// The same with two cells that are not finite, and with twins.
pub(crate) fn with_gaps(place: &Place, name: &str, n: usize, dim: usize, seed: u64) -> Cells {
    let (mut values, codes) = rows(n, dim, seed);
    for twin in (20..n).step_by(7) {
        values.copy_within((twin - 20) * dim..(twin - 19) * dim, twin * dim);
    }
    values[9 * dim + 1] = f32::NAN;
    values[(n - 1) * dim] = f32::INFINITY;
    place.cells(name, n).embedding("X_pca", dim, &values).categorical("type", &codes, &TYPES, false)
}

/// A search by lists for labels, in units of 256 cells.
pub(crate) fn by_lists(place: &Place, query: &Cells, reference: Option<&Cells>, nlist: i64) -> MapRequest {
    MapRequest {
        obs_keys: Some(vec!["type".into()]),
        method: Some("ivf".into()),
        nlist: Some(nlist),
        n_neighbors: Some(12),
        layout: Some(LayoutRequest { inner_rows: 128, inner_per_unit: 2, part_rows: 512 }),
        ..place.request(query, reference)
    }
}

/// Builds an index of a store with three levels of centroids, which otherwise only more lists have than tests can, and gives its path.
pub(crate) fn three_levels_of(place: &Place, reference: &Cells, name: &str, nlist: u32) -> String {
    let output = place.inputs().join(name);
    let builder = IndexBuilder {
        vfs: Disk::quick(),
        spec: IndexSpec { nlist: Some(nlist), most_in_two_levels: 0, ..IndexSpec::default() },
        start: Start::New,
        budget: MemoryBudget::new(1 << 28),
        tile: &Lane::best(),
        progress: &Progress::silent(),
    };
    let rows = AnnDataStore::open(Path::new(&reference.path())).unwrap().embedding("X_pca").unwrap();
    builder.build(&output, &rows).unwrap();
    output.to_str().unwrap().to_owned()
}

/// Builds the index of a store that a run would build for itself, and gives its path.
pub(crate) fn index_of(place: &Place, reference: &Cells, name: &str, nlist: i64) -> String {
    let output = place.inputs().join(name).to_str().unwrap().to_owned();
    let request = IndexRequest {
        reference: reference.path(),
        output: Some(output.clone()),
        nlist: Some(nlist),
        training: Some("brief".into()),
        memory: Some("256MiB".into()),
        threads: Some(2),
        ..IndexRequest::default()
    };
    build_index(&request, &Progress::silent()).unwrap();
    output
}
