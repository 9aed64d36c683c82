//! One request has one result: no size, thread, lane, budget, place or interruption changes a byte of the store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gigamapper_core::distance::Lane;
use gigamapper_core::pipeline::{LayoutRequest, MapRequest, Seams, plan, run_with};
use gigamapper_core::progress::{Cancel, Progress};

use super::cells::Cells;
use super::disk::{Disk, assert_same, files};
use super::mapped::Mapped;
use super::sample::{Place, map, output, quick, sample, sample_in};
use super::zarr::Grid;

type Files = BTreeMap<String, Vec<u8>>;

const QUERY: usize = 111;
const REFERENCE: usize = 150;

/// Maps to another output through `seams` and takes the store away again.
fn stored(place: &Place, request: &MapRequest, seams: Seams) -> Files {
    let path = place.outputs().join("again.zarr");
    let again = MapRequest { output: Some(path.to_str().unwrap().into()), ..request.clone() };
    run_with(&again, &Progress::silent(), seams).unwrap();
    let found = files(&path);
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::remove_dir_all(place.outputs().join("again.zarr.journal")).unwrap();
    found
}

fn every_way_gives_the_same_bytes(place: &Place, request: &MapRequest) {
    map(request).unwrap();
    let expected = files(output(request));
    assert!(expected.len() > 100, "{} files", expected.len());
    for rows in [1, 7, 64, 4096] {
        let blocks = stored(place, request, Seams { block_rows: Some(rows), ..quick() });
        assert_same(&blocks, &expected, &format!("blocks of {rows}"));
        let slabs = stored(place, request, Seams { slab_rows: Some(rows), ..quick() });
        assert_same(&slabs, &expected, &format!("slabs of {rows}"));
    }
    for (block_rows, slab_rows) in [(7, 64), (64, 7), (1, 1)] {
        let seams = Seams { block_rows: Some(block_rows), slab_rows: Some(slab_rows), ..quick() };
        assert_same(&stored(place, request, seams), &expected, &format!("{block_rows} × {slab_rows}"));
    }
    for threads in [1, 8] {
        let request = MapRequest { threads: Some(threads), ..request.clone() };
        assert_same(&stored(place, &request, quick()), &expected, &format!("{threads} threads"));
        let seams = Seams { block_rows: Some(7), slab_rows: Some(64), ..quick() };
        assert_same(&stored(place, &request, seams), &expected, &format!("{threads} threads, small tiles"));
    }
    for lane in Lane::available() {
        let seams = Seams { slab_rows: Some(7), lane, ..quick() };
        assert_same(&stored(place, request, seams), &expected, &format!("{lane:?}"));
    }
    for memory in ["100MiB", "3GiB"] {
        let request = MapRequest { memory: Some(memory.into()), ..request.clone() };
        assert_same(&stored(place, &request, quick()), &expected, memory);
    }
}

#[test]
fn cross_mapping_has_one_result() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", QUERY), sample(&place, "reference", REFERENCE));
    every_way_gives_the_same_bytes(&place, &place.full_request(&query, Some(&reference)));
}

#[test]
fn self_mapping_has_one_result() {
    let place = Place::new();
    let cells = sample(&place, "cells", QUERY);
    every_way_gives_the_same_bytes(&place, &place.full_request(&cells, None));
}

/// Everything that readers see of a store, as text.
fn values(path: &Path) -> Vec<String> {
    let mapped = Mapped::open(path);
    let neighbors = mapped.neighbors();
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let wide = |key: &str| mapped.numbers(key).iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let mut seen = vec![format!("{:?}", mapped.names()), format!("{:?}", neighbors.ids)];
    seen.push(format!("{:?}", bits(&neighbors.distances)));
    for key in ["mapping_status", "cell type_pred", "cell type_status", "flag_pred", "flag_status"] {
        seen.push(format!("{key} {:?}", mapped.labels(key)));
    }
    for key in ["cell type_conf", "flag_conf", "score_pred", "score_sd", "count_pred", "count_sd"] {
        seen.push(format!("{key} {:?}", wide(key)));
    }
    for key in ["cell type_prob", "flag_prob", "X_umap_pred"] {
        seen.push(format!("{key} {:?}", bits(&mapped.matrix(key))));
    }
    seen.push(format!("{:?}", mapped.parts[0].colors("cell type_pred").unwrap()));
    seen
}

#[test]
fn other_layouts_of_output_and_input_hold_the_same_values() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", QUERY), sample(&place, "reference", REFERENCE));
    let request = place.full_request(&query, Some(&reference));
    map(&request).unwrap();
    let expected = values(output(&request));
    let check = |what: &str, request: MapRequest| {
        let path = place.outputs().join(format!("{what}.zarr"));
        let request = MapRequest { output: Some(path.to_str().unwrap().into()), ..request };
        map(&request).unwrap();
        for (found, expected) in values(&path).iter().zip(&expected) {
            assert_eq!(found, expected, "{what}");
        }
    };
    for (inner_rows, inner_per_unit, part_rows) in [(1, 3, 111), (8, 4, 32), (64, 1, 64), (65_536, 16, 1 << 24)] {
        let layout = Some(LayoutRequest { inner_rows, inner_per_unit, part_rows });
        check(&format!("{inner_rows}-{inner_per_unit}"), MapRequest { layout, ..request.clone() });
    }
    let grids = [
        Grid::chunks(1000, 5),
        Grid::chunks(13, 2),
        Grid::shards([200, 5], [200, 1]),
        Grid::shards([30, 6], [3, 3]),
        Grid { big_endian: true, ..Grid::shards([64, 5], [16, 5]) },
    ];
    for (number, grid) in grids.into_iter().enumerate() {
        let cut = |name: &str, n: usize| {
            let inputs = Place::new();
            let cells = sample_in(&inputs, name, n, grid);
            (inputs, cells)
        };
        let ((_q, query), (_r, reference)) = (cut("query", QUERY), cut("reference", REFERENCE));
        let paths = MapRequest { query: query.path(), reference: Some(reference.path()), ..request.clone() };
        check(&format!("grid {number}"), paths);
    }
}

#[test]
fn the_run_hash_is_of_content_and_of_nothing_else() {
    let place = Place::new();
    let make = |place: &Place| -> (Cells, Cells) { (sample(place, "query", 80), sample(place, "reference", 90)) };
    let (query, reference) = make(&place);
    let request = place.full_request(&query, Some(&reference));
    let hash = |request: &MapRequest| plan(request).unwrap().run;
    let run = hash(&request);
    // Elsewhere, in other memory, with other threads, written at another time.
    let elsewhere = Place::new();
    let (copied_query, copied_reference) = make(&elsewhere);
    let moved = elsewhere.full_request(&copied_query, Some(&copied_reference));
    assert_eq!(hash(&moved), run);
    assert_eq!(
        hash(&MapRequest { memory: Some("1GiB".into()), threads: Some(1), output: None, ..request.clone() }),
        run
    );
    assert_eq!(hash(&MapRequest { method: Some("exact".into()), backend: Some("cpu".into()), ..request.clone() }), run);
    // Whatever changes a byte of the result.
    let others = [
        MapRequest { n_neighbors: Some(8), ..request.clone() },
        MapRequest { bandwidth: Some(1.5), ..request.clone() },
        MapRequest { obs_keys: Some(vec!["flag".into()]), ..request.clone() },
        MapRequest { prediction_postfix: Some("p".into()), ..request.clone() },
        MapRequest { layout: None, ..request.clone() },
        MapRequest { reference: None, ..request.clone() },
    ];
    let mut seen = vec![run.clone()];
    for other in &others {
        let hash = hash(other);
        assert!(!seen.contains(&hash), "{other:?}");
        seen.push(hash);
    }
    let copied_reference = copied_reference.colors("cell type", &["#000", "#0f0", "#00f", "#ff0", "#0ff"]);
    assert_ne!(hash(&moved), run, "other colors");
    let copied_reference = copied_reference.colors("cell type", &["#f00", "#0f0", "#00f", "#ff0", "#0ff"]);
    assert_eq!(hash(&moved), run);
    let _ = copied_reference.column("flag", &[true; 90]);
    assert_ne!(hash(&moved), run, "other labels");
}

#[test]
fn an_interrupted_run_ends_in_the_same_bytes_whatever_sizes_it_is_resumed_with() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", QUERY), sample(&place, "reference", REFERENCE));
    let request = place.full_request(&query, Some(&reference));
    map(&request).unwrap();
    let expected = files(output(&request));
    let whole = Disk::failing(i64::MAX);
    let counted =
        MapRequest { output: place.outputs().join("counted.zarr").to_str().map(str::to_owned), ..request.clone() };
    let seams = Seams { vfs: Arc::new(whole.clone()), block_rows: Some(9), ..quick() };
    run_with(&counted, &Progress::silent(), seams).unwrap();
    let all = i64::MAX - whole.left();
    for calls in [all * 2 / 5, all / 2] {
        let path = place.outputs().join(format!("{calls}.zarr"));
        let request = MapRequest { output: Some(path.to_str().unwrap().into()), ..request.clone() };
        let cancel = Cancel::default();
        let seams = Seams { vfs: Arc::new(Disk::cancelling(calls, cancel.clone())), block_rows: Some(9), ..quick() };
        let error = run_with(&request, &Progress::new(cancel, None), seams).unwrap_err();
        assert_eq!(error.code(), "GM_CANCELLED");
        let resumed = MapRequest { resume: Some(true), threads: Some(1), memory: Some("1GiB".into()), ..request };
        let seams = Seams { block_rows: Some(5), slab_rows: Some(64), lane: Lane::SCALAR, ..quick() };
        let report = run_with(&resumed, &Progress::silent(), seams).unwrap();
        assert!(report.resumed_units > 0, "{calls}");
        assert_same(&files(&path), &expected, &format!("{calls} calls"));
    }
}
