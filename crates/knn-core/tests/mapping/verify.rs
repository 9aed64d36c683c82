//! Damage to a finished store or index is found, whatever file it is in, and a store is repaired by resuming its run.

use std::path::Path;
use std::sync::Arc;

use gigamapper_core::pipeline::{
    IndexRequest, LayoutRequest, MapRequest, Seams, VerifyReport, VerifyRequest, build_index, run_with, verify,
};
use gigamapper_core::progress::{Cancel, Progress};

use super::clusters::{by_lists, index_of, with_gaps};
use super::disk::{Disk, assert_same, files};
use super::sample::{Place, map, output, quick, sample};

/// Three units in two parts, with a column and an embedding.
fn small(place: &Place) -> MapRequest {
    let (query, reference) = (sample(place, "query", 81), sample(place, "reference", 90));
    MapRequest {
        obs_keys: Some(vec!["cell type".into()]),
        obsm_keys: Some(vec!["X_umap".into()]),
        layout: Some(LayoutRequest { inner_rows: 16, inner_per_unit: 2, part_rows: 64 }),
        ..place.request(&query, Some(&reference))
    }
}

fn verified(path: &Path, repair: bool) -> VerifyReport {
    let request = VerifyRequest { path: path.to_str().unwrap().into(), repair: Some(repair) };
    verify(&request, &Progress::silent()).unwrap()
}

fn refused(path: &Path, repair: bool) -> &'static str {
    let request = VerifyRequest { path: path.to_str().unwrap().into(), repair: Some(repair) };
    verify(&request, &Progress::silent()).unwrap_err().code()
}

fn resumed(request: &MapRequest) -> MapRequest {
    MapRequest { resume: Some(true), ..request.clone() }
}

/// Damages a file in one of several ways.
fn damage(file: &Path, way: usize) {
    let bytes = std::fs::read(file).unwrap();
    match way % 4 {
        0 if !file.ends_with("out/mapped.zarr/zarr.json") => {
            let mut flipped = bytes.clone();
            flipped[bytes.len() * 2 / 3] ^= 16;
            std::fs::write(file, flipped).unwrap();
        }
        0 | 1 => std::fs::write(file, &bytes[..bytes.len() / 2]).unwrap(),
        2 => std::fs::write(file, [&bytes[..], b" "].concat()).unwrap(),
        _ => std::fs::remove_file(file).unwrap(),
    }
}

#[test]
fn damage_to_any_file_is_found_and_repaired_by_resuming() {
    let place = Place::new();
    let request = small(&place);
    map(&request).unwrap();
    let (store, expected) = (output(&request), files(output(&request)));
    let whole = verified(store, true);
    assert!(whole.complete && !whole.reopened && whole.remedy.is_none(), "{whole:?}");
    assert_eq!((whole.objects, whole.bytes), (expected.len() as u64, expected.values().map(|b| b.len() as u64).sum()));
    // Every third file, in another way than the one before.
    for (number, name) in expected.keys().enumerate().step_by(3) {
        damage(&store.join(name), number);
        let before = files(&place.outputs());
        let found = verified(store, false);
        assert_eq!(found.damaged.iter().map(|damaged| &damaged.object).collect::<Vec<_>>(), [name]);
        assert_eq!(found.units.len(), 1, "{found:?}");
        assert!(found.complete && found.remedy.is_some());
        assert_same(&files(&place.outputs()), &before, "looking changes nothing");
        assert!(verified(store, true).reopened);
        let unit = &found.units[0];
        let report = map(&resumed(&request)).unwrap();
        // All units of both stages but the one that was damaged.
        assert_eq!(
            report.resumed_units,
            2 * report.plan.layout.units - u64::from(unit.stage != "finalise"),
            "{unit:?}"
        );
        assert_same(&files(store), &expected, name);
        assert_eq!(verified(store, false).damaged, []);
    }
}

#[test]
fn damage_everywhere_is_told_with_array_part_and_rows() {
    let place = Place::new();
    let request = small(&place);
    map(&request).unwrap();
    let expected = files(output(&request));
    let gone =
        ["dataset_0/obsm/knn_indices/c/1/0", "dataset_1/obs/cell type_pred/codes/c/0", "dataset_1/uns/zarr.json"];
    for (way, name) in gone.iter().enumerate() {
        damage(&output(&request).join(name), way);
    }
    std::fs::write(output(&request).join("notes.txt"), b"mine").unwrap();
    let found = verified(output(&request), true);
    let arrays: Vec<_> = found.damaged.iter().map(|damaged| damaged.array.as_str()).collect();
    assert_eq!(arrays, ["obsm/knn_indices", "obs/cell type_pred/codes", "uns"]);
    let units: Vec<_> = found.units.iter().map(|unit| (unit.stage.as_str(), unit.unit, unit.part, unit.rows)).collect();
    assert_eq!(units, [("finalise", 0, 0, [0, 81]), ("join", 1, 0, [32, 64]), ("transfer", 2, 1, [64, 81])]);
    assert_eq!(found.unknown, ["notes.txt"]);
    map(&resumed(&request)).unwrap();
    std::fs::remove_file(output(&request).join("notes.txt")).unwrap();
    assert_same(&files(output(&request)), &expected, "repaired");
}

#[test]
fn a_damaged_map_by_lists_is_repaired_with_an_index_built_again() {
    let place = Place::new();
    let (query, reference) = (with_gaps(&place, "query", 600, 6, 1), with_gaps(&place, "reference", 900, 6, 2));
    for order in ["rows", "lists"] {
        let request = MapRequest {
            order: Some(order.into()),
            overwrite: Some(true),
            ..by_lists(&place, &query, Some(&reference), 12)
        };
        map(&request).unwrap();
        let expected = files(output(&request));
        damage(&output(&request).join("dataset_0/obsm/knn_distances/c/1/0"), 1);
        assert!(verified(output(&request), true).reopened);
        map(&MapRequest { overwrite: None, ..resumed(&request) }).unwrap();
        assert_same(&files(output(&request)), &expected, order);
    }
}

#[test]
fn a_running_store_says_what_is_not_there_yet() {
    let place = Place::new();
    let request = small(&place);
    let cancel = Cancel::default();
    let seams = Seams { vfs: Arc::new(Disk::cancelling(500, cancel.clone())), ..quick() };
    run_with(&request, &Progress::new(cancel, None), seams).unwrap_err();
    let found = verified(output(&request), false);
    assert!(!found.complete && found.damaged.is_empty() && found.unknown.is_empty(), "{found:?}");
    assert!((1..6).contains(&found.units.len()) && found.remedy.is_some(), "{found:?}");
    assert!(!verified(output(&request), true).reopened, "there is nothing to repair");
    map(&resumed(&request)).unwrap();
    assert_eq!(verified(output(&request), false).units, []);
}

#[test]
fn what_cannot_be_verified_is_refused() {
    let place = Place::new();
    let request = small(&place);
    assert_eq!(refused(output(&request), false), "GM_NOT_FOUND");
    assert_eq!(refused(Path::new(&request.query), false), "GM_SCHEMA");
    map(&request).unwrap();
    // A journal whose names lead out of the store.
    let journal = place.outputs().join("mapped.zarr.journal/worker-0.ndjson");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("dataset_0/obsm/knn_indices/c/0/0", "../../in/query.zarr/zarr.json", 1))
        .unwrap();
    let found = verified(output(&request), false);
    assert!(found.damaged.iter().any(|damaged| damaged.reason.contains("leads out")), "{found:?}");
    std::fs::remove_dir_all(place.outputs().join("mapped.zarr.journal")).unwrap();
    assert_eq!(refused(output(&request), false), "GM_NOT_FOUND");
}

#[test]
fn damage_to_any_file_of_an_index_is_found() {
    let place = Place::new();
    let index = index_of(&place, &with_gaps(&place, "reference", 900, 6, 2), "x.gmx", 12);
    let index = Path::new(&index);
    let whole = verified(index, false);
    assert_eq!((whole.kind.as_str(), whole.damaged.len(), whole.remedy.as_ref()), ("index", 0, None));
    let expected = files(index);
    assert_eq!(whole.objects, expected.len() as u64);
    for (name, bytes) in &expected {
        for way in 0..3 {
            damage(&index.join(name), way);
            let found = verified(index, false);
            assert_eq!(found.damaged.iter().map(|damaged| &damaged.object).collect::<Vec<_>>(), [name], "{way}");
            assert!(found.remedy.is_some());
            std::fs::write(index.join(name), bytes).unwrap();
        }
    }
    assert_eq!(refused(index, true), "GM_PARAM");
}

#[test]
fn matrices_that_were_put_together_are_verified_and_repaired() {
    let place = Place::new();
    let cells = sample(&place, "cells", 90);
    let request = MapRequest {
        layout: Some(LayoutRequest { inner_rows: 16, inner_per_unit: 2, part_rows: 128 }),
        obs_keys: Some(vec!["cell type".into()]),
        ..place.request(&cells, None)
    };
    map(&request).unwrap();
    let (store, expected) = (output(&request), files(output(&request)));
    let whole = verified(store, false);
    assert!(whole.damaged.is_empty() && whole.units.is_empty() && whole.unknown.is_empty(), "{whole:?}");
    assert_eq!(whole.objects, expected.len() as u64);
    let chunks: Vec<_> = expected.keys().filter(|name| name.starts_with("obsp/") && name.contains("/c/")).collect();
    assert!(chunks.len() >= 6, "{chunks:?}");
    for (way, name) in chunks.into_iter().enumerate() {
        damage(&store.join(name), way);
        let found = verified(store, true);
        assert_eq!(found.damaged.iter().map(|damaged| &damaged.object).collect::<Vec<_>>(), [name]);
        assert!(found.reopened);
        map(&resumed(&request)).unwrap();
        assert_same(&files(store), &expected, name);
    }
}

#[test]
fn damage_to_the_cells_of_an_index_is_found() {
    let place = Place::new();
    let output = place.outputs().join("atlas.gmx");
    let request = IndexRequest {
        reference: sample(&place, "ref", 190).path(),
        output: Some(output.to_str().unwrap().to_owned()),
        nlist: Some(8),
        bundle: Some(true),
        memory: Some("256MiB".into()),
        ..IndexRequest::default()
    };
    build_index(&request, &Progress::silent()).unwrap();
    let whole = verified(&output, false);
    assert!(whole.complete && whole.damaged.is_empty() && whole.unknown.is_empty(), "{whole:?}");
    let cells = files(&output.join("cells.zarr"));
    assert!(whole.objects > cells.len() as u64);
    for (way, (name, bytes)) in cells.iter().enumerate().step_by(4) {
        damage(&output.join("cells.zarr").join(name), way.max(1));
        let found = verified(&output, false);
        let damaged: Vec<_> = found.damaged.iter().map(|damaged| damaged.object.clone()).collect();
        assert!(damaged == [format!("cells.zarr/{name}")] || name == "zarr.json", "{name}: {found:?}");
        assert!(found.remedy.is_some_and(|remedy| remedy.contains("bundle")), "{name}");
        std::fs::write(output.join("cells.zarr").join(name), bytes).unwrap();
    }
    std::fs::write(output.join("notes.txt"), b"mine").unwrap();
    std::fs::remove_dir_all(output.join("cells.zarr.journal")).unwrap();
    let found = verified(&output, false);
    assert_eq!(found.damaged.iter().map(|damaged| &damaged.object).collect::<Vec<_>>(), ["cells.zarr"]);
    assert_eq!(found.unknown, ["notes.txt"]);
}
