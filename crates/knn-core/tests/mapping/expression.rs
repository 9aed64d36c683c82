//! Expression that is transferred: CellMapper's numbers, however the matrix is stored and the run is disturbed.

use std::path::{Path, PathBuf};

use gigamapper_core::error::Result;
use gigamapper_core::pipeline::{LayoutRequest, MapRequest, RunReport};
use gigamapper_core::progress::Progress;
use gigamapper_core::source::{AnnDataStore, RowSource, inspect};
use gigamapper_core::types::{RowRange, Tile};
use serde_json::json;

use super::disk::{assert_same, files};
use super::mapped::Mapped;
use super::npy;
use super::sample::{Place, map, noise, quick, sample};
use super::zarr::{Grid, array, group, strings};

const GENES: [&str; 7] = ["CD3E", "MS4A1", "NKG7", "GNLY", "LYZ", "é", "CD8A"];

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures").join(path)
}

/// Values of X of all parts.
fn values(folder: &Path, key: &str) -> Vec<f32> {
    let mut tile = Tile::default();
    let mut read = |part: &AnnDataStore| {
        let rows = part.representation(key).unwrap();
        rows.read(RowRange::new(0, rows.rows()), &mut tile).unwrap();
        tile.values.clone()
    };
    Mapped::open(folder).parts.iter().flat_map(&mut read).collect()
}

#[test]
fn expression_is_cellmappers() {
    let place = Place::new();
    let stores = fixture("golden/synthetic_cross");
    let request = MapRequest {
        query: stores.join("query.zarr").to_str().unwrap().into(),
        reference: stores.join("reference.zarr").to_str().map(str::to_owned),
        output: place.output().to_str().map(str::to_owned),
        use_rep: Some("X_rep".into()),
        n_neighbors: Some(15),
        layer_key: Some("X".into()),
        ..MapRequest::default()
    };
    map(&request).unwrap();
    let read = |name: &str| npy::read(&stores.join(format!("expected/gauss/layer.X.{name}.npy"))).values;
    let (data, indices, starts) = (read("data"), read("indices"), read("indptr"));
    let found = values(&place.output(), "X");
    let reference = AnnDataStore::open(Path::new(request.reference.as_ref().unwrap())).unwrap();
    let genes = reference.n_vars() as usize;
    assert_eq!(AnnDataStore::open(&place.output()).unwrap().gene_names().unwrap(), reference.gene_names().unwrap());
    assert_eq!(found.len(), (starts.len() - 1) * genes);
    let largest = data.iter().fold(0f64, |most, value| most.max(value.abs()));
    for row in 0..starts.len() - 1 {
        let mut expected = vec![0f64; genes];
        for entry in starts[row] as usize..starts[row + 1] as usize {
            expected[indices[entry] as usize] = data[entry];
        }
        for (gene, expected) in expected.iter().enumerate() {
            let near = 1e-5 * expected.abs() + 1e-6 * largest;
            assert!((f64::from(found[row * genes + gene]) - expected).abs() <= near, "{row} {gene}");
        }
    }
}

/// A sample with expression as CSR in X and dense in the layer `dense`: the same numbers.
pub(crate) fn sample_with_genes(place: &Place, name: &str, n: usize) -> String {
    let cells = sample(place, name, n);
    let root = &cells.root;
    std::fs::remove_dir_all(root.join("var/_index")).unwrap();
    strings(root, "var/_index", &GENES);
    let values: Vec<f32> =
        noise(5, n * GENES.len()).into_iter().map(|value| if value < 0.4 { 0.0 } else { value }).collect();
    array(root, "layers/dense", &[n, GENES.len()], &values, Grid::chunks(32, 4));
    let (mut data, mut indices, mut indptr) = (Vec::new(), Vec::new(), vec![0i64]);
    for row in values.chunks(GENES.len()) {
        for (gene, &value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            data.push(value);
            indices.push(gene as i32);
        }
        indptr.push(data.len() as i64);
    }
    let shape = json!({ "encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [n, GENES.len()] });
    group(root, "X", &shape);
    let chunk = |length: usize| Grid::chunks(length.max(1), 1);
    array(root, "X/data", &[data.len()], &data, chunk(64));
    array(root, "X/indices", &[indices.len()], &indices, chunk(64));
    array(root, "X/indptr", &[indptr.len()], &indptr, chunk(64));
    cells.path()
}

fn request(place: &Place, layer: &str) -> MapRequest {
    let stores = ["query", "reference"].map(|name| {
        let path = place.inputs().join(format!("{name}.zarr"));
        if path.exists() { path.to_str().unwrap().to_owned() } else { sample_with_genes(place, name, 140) }
    });
    let [query, reference] = stores;
    MapRequest {
        query,
        reference: Some(reference),
        output: place.output().to_str().map(str::to_owned),
        layer_key: Some(layer.into()),
        n_neighbors: Some(7),
        memory: Some("256MiB".into()),
        threads: Some(2),
        layout: Some(LayoutRequest { inner_rows: 16, inner_per_unit: 2, part_rows: 64 }),
        overwrite: Some(true),
        ..MapRequest::default()
    }
}

fn stored(request: &MapRequest, key: &str) -> Vec<u32> {
    map(request).unwrap();
    let path = Path::new(request.output.as_ref().unwrap());
    values(path, key).into_iter().map(f32::to_bits).collect()
}

#[test]
fn a_chunk_of_genes_that_nobody_has_need_not_be_stored() {
    let place = Place::new();
    let request = request(&place, "dense");
    let layer = Path::new(request.reference.as_ref().unwrap()).join("layers/dense");
    // Genes 4 to 6 of cells 32 to 63: zarr-python 3 writes no chunk of nothing but 0.
    let chunk = layer.join("c/1/1");
    let zeros = vec![0u8; std::fs::metadata(&chunk).unwrap().len() as usize];
    std::fs::write(&chunk, zeros).unwrap();
    let expected = stored(&request, "layers/dense");
    std::fs::remove_file(&chunk).unwrap();
    assert_eq!(stored(&request, "layers/dense"), expected);
    std::fs::remove_file(layer.join("c/1/0")).unwrap();
    let error = map(&request).unwrap_err();
    assert_eq!(error.code(), "GM_CORRUPT", "{error}");
    assert!(error.to_string().contains("layers/dense/c/1"), "{error}");
}

#[test]
fn sparse_and_dense_expression_are_one_and_parts_change_no_bit() {
    let place = Place::new();
    let sparse = stored(&request(&place, "X"), "X");
    assert_eq!(sparse.len(), 140 * GENES.len());
    assert!(sparse.iter().any(|&bits| f32::from_bits(bits).is_nan()), "a cell that is not finite has no expression");
    assert_eq!(stored(&request(&place, "dense"), "layers/dense"), sparse);
    assert_eq!(stored(&request(&place, "layers/dense"), "layers/dense"), sparse);
    let whole = MapRequest { layout: None, threads: Some(1), ..request(&place, "X") };
    assert_eq!(stored(&whole, "X"), sparse);
    let report = inspect(&place.output()).unwrap();
    assert_eq!(report.layers["X"].shape, [140, 7]);
}

#[test]
fn genes_are_those_that_were_asked_for_in_their_order() {
    let place = Place::new();
    let whole = stored(&request(&place, "X"), "X");
    let (asked, columns) = (["LYZ", "é", "CD3E"], [4, 5, 0]);
    for (layer, key) in [("X", "X"), ("dense", "layers/dense")] {
        let genes = Some(asked.iter().map(|&gene| gene.to_owned()).collect());
        let some = stored(&MapRequest { genes, ..request(&place, layer) }, key);
        let expected: Vec<_> = whole.chunks(7).flat_map(|row| columns.map(|column| row[column])).collect();
        assert_eq!(some, expected, "{layer}");
        assert_eq!(Mapped::open(&place.output()).parts[0].gene_names().unwrap(), asked);
    }
}

#[test]
fn an_interrupted_transfer_of_expression_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let request = MapRequest { overwrite: None, ..request(&place, "X") };
    map(&request).unwrap();
    let expected = files(&place.output());
    let mut interrupted = 0;
    for (number, calls) in [50, 100, 150, 200, 250].into_iter().enumerate() {
        let output = place.outputs().join(format!("{number}.zarr"));
        let request = MapRequest { output: output.to_str().map(str::to_owned), ..request.clone() };
        let seams =
            gigamapper_core::pipeline::Seams { vfs: std::sync::Arc::new(super::disk::Disk::failing(calls)), ..quick() };
        let failed: Result<RunReport> = gigamapper_core::pipeline::run_with(&request, &Progress::silent(), seams);
        if let Err(error) = failed {
            assert_eq!(error.code(), "GM_IO", "{error}");
            interrupted += 1;
            let _ = std::fs::remove_file(output.with_added_extension("lock"));
            map(&MapRequest { resume: Some(true), ..request }).unwrap();
        }
        assert_same(&files(&output), &expected, &format!("after {calls} calls"));
    }
    assert!(interrupted >= 3, "{interrupted}");
}

#[test]
fn rows_are_scaled_to_the_library_sizes_of_the_query() {
    let place = Place::new();
    let whole: Vec<f32> = stored(&request(&place, "X"), "X").into_iter().map(f32::from_bits).collect();
    let sum = |row: &[f32]| row.iter().map(|&value| f64::from(value)).sum::<f64>();
    let query = AnnDataStore::open(Path::new(&request(&place, "X").query)).unwrap();
    let mut counts = Tile::default();
    query.representation("layers/dense").unwrap().read(RowRange::new(0, 140), &mut counts).unwrap();
    let mut scores = Vec::new();
    query.column("score").unwrap().read_numbers(RowRange::new(0, 140), &mut scores).unwrap();
    let targets: Vec<f64> = (0..140).map(|cell| sum(counts.row(cell))).collect();
    for (key, targets) in [("X", &targets), ("dense", &targets), ("obs/score", &scores)] {
        let request = MapRequest { target_libsize: Some(key.into()), ..request(&place, "X") };
        let scaled = stored(&request, "X");
        for (cell, (row, before)) in scaled.chunks(7).zip(whole.chunks(7)).enumerate() {
            let factor = if sum(before) > 0.0 { targets[cell] / sum(before) } else { 0.0 };
            let expected: Vec<_> = before.iter().map(|&value| (f64::from(value) * factor) as f32).collect();
            // Whatever is not a number is any of them.
            let same = row.iter().zip(&expected).all(|(&bits, expected)| {
                f32::from_bits(bits).to_bits() == expected.to_bits()
                    || (f32::from_bits(bits).is_nan() && expected.is_nan())
            });
            assert!(same, "{key} {cell}");
        }
        let passing = gigamapper_core::pipeline::Seams { waiting_bytes: Some(900), ..quick() };
        gigamapper_core::pipeline::run_with(&request, &Progress::silent(), passing).unwrap();
        let again: Vec<_> = values(&place.output(), "X").into_iter().map(f32::to_bits).collect();
        assert_eq!(again, scaled, "{key}");
    }
    assert!(whole.chunks(7).any(|row| sum(row) > 0.0));
}

#[test]
fn what_cannot_be_transferred_is_refused_before_anything_is_written() {
    let place = Place::new();
    let request = MapRequest { overwrite: None, ..request(&place, "X") };
    let genes = |genes: &[&str]| Some(genes.iter().map(|&gene| gene.to_owned()).collect::<Vec<_>>());
    let wrong = [
        ("GM_NOT_FOUND", MapRequest { layer_key: Some("counts".into()), ..request.clone() }),
        ("GM_NOT_FOUND", MapRequest { genes: genes(&["CD3E", "TP53"]), ..request.clone() }),
        ("GM_PARAM", MapRequest { genes: genes(&["CD3E", "CD3E"]), ..request.clone() }),
        ("GM_PARAM", MapRequest { genes: genes(&["CD3E"]), layer_key: None, ..request.clone() }),
        ("GM_PARAM", MapRequest { layer_key: Some(String::new()), ..request.clone() }),
        ("GM_PARAM", MapRequest { layer_key: None, target_libsize: Some("X".into()), ..request.clone() }),
        ("GM_NOT_FOUND", MapRequest { target_libsize: Some("obs/total".into()), ..request.clone() }),
        ("GM_NOT_FOUND", MapRequest { target_libsize: Some("counts".into()), ..request.clone() }),
        ("GM_SCHEMA", MapRequest { target_libsize: Some("obs/cell type".into()), ..request.clone() }),
    ];
    for (code, wrong) in wrong {
        let error = map(&wrong).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0);
    }
}
