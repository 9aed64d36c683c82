//! Neighbours that stay in the store in which they were found: what is made along them, who finds them there, and what becomes of it when that store
//! is moved, gone or another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gigamapper_core::error::Result;
use gigamapper_core::graph::{GraphStore, Ids};
use gigamapper_core::pipeline::{
    DiffuseRequest, LayoutRequest, MapRequest, PresenceRequest, RunReport, TransferRequest, diffuse_with,
    plan_transfer, presence_with, run_with, transfer_with,
};
use gigamapper_core::progress::{Cancel, Progress, ProgressEvent};

use super::disk::{Disk, assert_same, files};
use super::mapped::Mapped;
use super::sample::{Place, map, quick};
use super::transfer::{PARTS, along, as_arrays, mapped, text, told_apart};

fn transfer(request: &TransferRequest) -> Result<RunReport> {
    transfer_with(request, &Progress::silent(), &quick())
}

/// A transfer along the neighbours of a mapping, which stay there.
fn staying(mapping: &MapRequest, output: &Path) -> TransferRequest {
    TransferRequest { store_neighbors: None, ..along(mapping.output.clone().unwrap(), mapping, output) }
}

/// What a mapping stores without its neighbours, and what stands of them in `obsm`.
fn without_neighbors(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = told_apart(store);
    all.retain(|path, _| !path.contains("obsm/knn_") && !path.ends_with("obsm/zarr.json"));
    all
}

/// What a transfer without neighbours stores, but for what it says of how it was made.
fn transferred(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = told_apart(store);
    assert!(all.keys().all(|path| !path.contains("obsm/knn_")), "{:?}", all.keys());
    all.retain(|path, _| !path.ends_with("obsm/zarr.json"));
    all
}

/// All rows of a graph.
fn rows(store: &Path) -> (Ids, Vec<u32>) {
    let block = GraphStore::open(store).unwrap().read(0, Some(1000)).unwrap();
    (block.ids, block.distances.iter().map(|distance| distance.to_bits()).collect())
}

#[test]
fn what_is_made_along_them_is_the_same_and_they_are_found_there() {
    let place = Place::new();
    for (within, kernel, layout) in [
        (false, "gauss", PARTS),
        (false, "scarches", None),
        (true, "umap", None),
        (true, "adaptive_gauss", PARTS),
        (true, "jaccard", PARTS),
        (true, "hnoca_knn", None),
    ] {
        let mapping = mapped(&place, within, kernel, layout);
        let found = PathBuf::from(mapping.output.as_ref().unwrap());
        let before = files(&found);
        let request = staying(&mapping, &place.output());
        let planned = plan_transfer(&TransferRequest { output: None, ..request.clone() }).unwrap();
        assert!(planned.outputs.iter().all(|array| !array.path.contains("knn_")), "{:?}", planned.outputs);
        assert!(planned.method_reason.ends_with("and stay there"), "{}", planned.method_reason);
        let report = transfer(&request).unwrap();
        assert_same(&transferred(&place.output()), &without_neighbors(&found), &format!("{within} {kernel}"));
        assert_eq!(report.status_counts["invalid input"], 2);
        assert!(rows(&place.output()) == rows(&found), "{within} {kernel}");
        assert_same(&files(&found), &before, "the store that has them");
        // Whoever goes on from there names the store that has them, not the one between.
        let second = place.outputs().join("second.zarr");
        let from_there = TransferRequest { neighbors: text(&place.output()), ..staying(&mapping, &second) };
        transfer(&from_there).unwrap();
        assert_same(&transferred(&second), &without_neighbors(&found), &format!("{within} {kernel}, again"));
        std::fs::remove_dir_all(place.output()).unwrap();
        assert!(rows(&second) == rows(&found), "{within} {kernel}, again");
    }
}

#[test]
fn a_transfer_along_them_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let mapping = mapped(&place, true, "umap", PARTS);
    let request = staying(&mapping, &place.output());
    transfer(&request).unwrap();
    let whole = files(&place.output());
    for stage in ["join", "reverse", "transfer", "finalise"] {
        let cancel = Cancel::default();
        let stop = cancel.clone();
        let listener = Box::new(move |event: ProgressEvent| {
            if event.stage == stage {
                stop.cancel();
            }
        });
        let error = transfer_with(&request, &Progress::new(cancel, Some(listener)), &quick()).unwrap_err();
        assert_eq!(error.code(), "GM_CANCELLED", "{stage}");
        let resumed = TransferRequest { overwrite: None, resume: Some(true), threads: Some(1), ..request.clone() };
        transfer(&resumed).unwrap();
        assert_same(&files(&place.output()), &whole, stage);
    }
    let copied = TransferRequest { store_neighbors: Some(true), overwrite: None, resume: Some(true), ..request };
    assert_eq!(transfer(&copied).unwrap_err().code(), "GM_STALE");
}

#[test]
fn presence_and_diffusion_find_them_through_the_store_that_names_theirs() {
    let place = Place::new();
    let cross = mapped(&place, false, "gauss", PARTS);
    transfer(&staying(&cross, &place.output())).unwrap();
    let scores = |neighbors: &Path| {
        let output = place.outputs().join("presence.zarr");
        let request = PresenceRequest {
            neighbors: text(neighbors),
            reference: cross.reference.clone().unwrap(),
            output: Some(text(&output)),
            overwrite: Some(true),
            ..PresenceRequest::default()
        };
        presence_with(&request, &Progress::silent(), Disk::quick(), None).unwrap();
        Mapped::open(&output).numbers("presence_score")
    };
    assert_eq!(scores(&place.output()), scores(Path::new(cross.output.as_ref().unwrap())));

    let within = mapped(&place, true, "umap", None);
    let output = |name: &str| place.outputs().join(name);
    transfer(&staying(&within, &output("own.zarr"))).unwrap();
    let diffused = |neighbors: &Path, name: &str, stored: Option<bool>| {
        let request = DiffuseRequest {
            neighbors: text(neighbors),
            query: within.query.clone(),
            output: Some(text(&output(name))),
            obs_keys: within.obs_keys.clone(),
            store_neighbors: stored,
            ..DiffuseRequest::default()
        };
        diffuse_with(&request, &Progress::silent(), &quick()).unwrap();
        output(name)
    };
    let copied = diffused(Path::new(within.output.as_ref().unwrap()), "copied.zarr", Some(true));
    let left = diffused(&output("own.zarr"), "left.zarr", None);
    assert_same(&transferred(&left), &without_neighbors(&copied), "diffused");
}

#[test]
fn neither_a_transfer_nor_presence_writes_where_the_neighbors_are() {
    let place = Place::new();
    let mapping = mapped(&place, true, "umap", None);
    let found = PathBuf::from(mapping.output.as_ref().unwrap());
    transfer(&staying(&mapping, &place.output())).unwrap();
    let before = files(&found);
    let over = TransferRequest { neighbors: text(&place.output()), ..staying(&mapping, &found) };
    assert_eq!(over.overwrite, Some(true));
    let learnt = MapRequest {
        reject_graph: Some(text(&place.output())),
        reject_quantile: Some(0.9),
        output: Some(text(&found)),
        overwrite: Some(true),
        ..mapping.clone()
    };
    let scores = PresenceRequest {
        neighbors: text(&place.output()),
        reference: mapping.query,
        output: Some(text(&found)),
        overwrite: Some(true),
        ..PresenceRequest::default()
    };
    let refused = [
        transfer(&over).unwrap_err(),
        map(&learnt).unwrap_err(),
        presence_with(&scores, &Progress::silent(), Disk::quick(), None).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.code(), "GM_PARAM", "{error}");
        assert!(error.to_string().contains("mapped.zarr, which is read"), "{error}");
    }
    assert_same(&files(&found), &before, "the store that has them");
}

#[test]
fn neighbors_of_a_store_that_is_not_finished_are_not_read() {
    let place = Place::new();
    let mapping = mapped(&place, false, "gauss", None);
    let found = PathBuf::from(mapping.output.as_ref().unwrap());
    transfer(&staying(&mapping, &place.output())).unwrap();
    // The same run, made anew and stopped before it had neighbours: what it lacks is padding.
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let listener = Box::new(move |event: ProgressEvent| {
        if event.stage == "join" {
            stop.cancel();
        }
    });
    let again = MapRequest { overwrite: Some(true), ..mapping.clone() };
    let stopped = run_with(&again, &Progress::new(cancel, Some(listener)), quick()).unwrap_err();
    assert_eq!(stopped.code(), "GM_CANCELLED");
    let error = GraphStore::open(&place.output()).err().unwrap();
    assert_eq!(error.code(), "GM_SCHEMA");
    assert!(error.to_string().contains("mapped.zarr") && error.to_string().contains("not complete"), "{error}");
    map(&MapRequest { overwrite: None, resume: Some(true), ..mapping }).unwrap();
    assert!(rows(&place.output()) == rows(&found));
}

#[test]
fn they_are_named_from_folders_that_are_not_there_yet_and_through_links() {
    let place = Place::new();
    let mapping = mapped(&place, false, "gauss", None);
    let found = PathBuf::from(mapping.output.as_ref().unwrap());
    let fresh = staying(&mapping, &place.outputs().join("a/b/new.zarr"));
    let fresh = TransferRequest { overwrite: None, ..fresh };
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let listener = Box::new(move |event: ProgressEvent| {
        if event.stage == "transfer" {
            stop.cancel();
        }
    });
    let stopped = transfer_with(&fresh, &Progress::new(cancel, Some(listener)), &quick()).unwrap_err();
    assert_eq!(stopped.code(), "GM_CANCELLED");
    transfer(&TransferRequest { resume: Some(true), ..fresh.clone() }).unwrap();
    assert!(rows(Path::new(fresh.output.as_ref().unwrap())) == rows(&found));
    assert!(!place.outputs().join("a/b/new.zarr/obsm/knn_indices").exists());
    #[cfg(unix)]
    {
        let (target, link) = (place.outputs().join("deep/down"), place.output());
        std::fs::create_dir_all(&target).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        transfer(&staying(&mapping, &link)).unwrap();
        assert!(rows(&link) == rows(&found) && rows(&target) == rows(&found));
        assert!(!link.join("obsm/knn_indices").exists());
    }
}

#[test]
fn both_stores_may_be_moved_together_and_what_is_lost_or_another_is_told() {
    let place = Place::new();
    let mapping = mapped(&place, false, "gauss", None);
    let found = PathBuf::from(mapping.output.as_ref().unwrap());
    transfer(&staying(&mapping, &place.output())).unwrap();
    let expected = rows(&found);
    let moved = place.inputs().parent().unwrap().join("moved");
    std::fs::create_dir(&moved).unwrap();
    for folder in [place.inputs(), place.outputs()] {
        std::fs::rename(&folder, moved.join(folder.file_name().unwrap())).unwrap();
    }
    let there = |path: &Path| moved.join(path.strip_prefix(place.inputs().parent().unwrap()).unwrap());
    let (found, output) = (there(&found), there(&place.output()));
    assert!(rows(&output) == expected);

    let open = |path: &Path| GraphStore::open(path).err().unwrap();
    let aside = found.with_file_name("aside.zarr");
    std::fs::rename(&found, &aside).unwrap();
    let error = open(&output);
    assert_eq!(error.code(), "GM_NOT_FOUND");
    assert!(error.to_string().contains("mapped.zarr"), "{error}");
    // Another run at the same place.
    let other = MapRequest {
        query: text(&there(Path::new(&mapping.query))),
        reference: mapping.reference.as_ref().map(|path| text(&there(Path::new(path)))),
        n_neighbors: Some(5),
        output: Some(text(&found)),
        ..mapping
    };
    map(&other).unwrap();
    let error = open(&output);
    assert_eq!(error.code(), "GM_STALE");
    assert!(error.to_string().contains("another run"), "{error}");
    std::fs::remove_dir_all(&found).unwrap();
    // What is named must have neighbours itself, and be named by words that say where it is.
    let root = output.join("zarr.json");
    let mut document: serde_json::Value = serde_json::from_slice(&std::fs::read(&root).unwrap()).unwrap();
    for (told, code) in [
        (serde_json::json!("mapped.zarr"), "GM_SCHEMA"),
        (serde_json::json!({ "path": 3, "run": "a" }), "GM_SCHEMA"),
        (serde_json::json!({ "path": "mapped.zarr", "run": document["attributes"]["gigamapper"]["run"] }), "GM_SCHEMA"),
        (serde_json::json!({ "path": "../../../nowhere", "run": "a" }), "GM_NOT_FOUND"),
    ] {
        document["attributes"]["gigamapper"]["neighbors"] = told.clone();
        std::fs::write(&root, document.to_string()).unwrap();
        let error = open(&output);
        assert_eq!(error.code(), code, "{told}: {error}");
    }
}

#[test]
fn they_are_stored_where_they_are_not_as_they_are_used() {
    let place = Place::new();
    let mapping = mapped(&place, false, "gauss", PARTS);
    let found = PathBuf::from(mapping.output.as_ref().unwrap());
    let graph = Mapped::open(&found).neighbors();
    let arrays = as_arrays(&place, "given", &graph, false);
    let request = staying(&mapping, &place.output());
    let parted = LayoutRequest { part_rows: 32, ..PARTS.unwrap() };
    for (what, request) in [
        ("of another tool", TransferRequest { neighbors: arrays, ..request.clone() }),
        ("fewer", TransferRequest { n_neighbors: Some(4), ..request.clone() }),
        ("parted otherwise", TransferRequest { layout: Some(parted), ..request.clone() }),
        ("asked for", TransferRequest { store_neighbors: Some(true), ..request.clone() }),
    ] {
        let report = transfer(&request).unwrap();
        assert!(report.stored.iter().any(|array| array.path == "obsm/knn_indices"), "{what}");
        assert_eq!(Mapped::open(&place.output()).codes("cell type_pred").len(), 150, "{what}");
        if request.store_neighbors.is_none() {
            let refused = TransferRequest { store_neighbors: Some(false), ..request };
            let error = transfer(&refused).unwrap_err();
            assert_eq!(error.code(), "GM_PARAM", "{what}");
            assert!(error.to_string().contains("storeNeighbors"), "{what}: {error}");
        }
    }
}
