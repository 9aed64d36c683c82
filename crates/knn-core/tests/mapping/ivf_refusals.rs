//! Searches by lists that cannot be done: a typed error, and nothing written at the output.

use std::path::Path;

use gigamapper_core::error::Error;
use gigamapper_core::pipeline::{MapRequest, plan};

use super::clusters::{by_lists, clustered, index_of};
use super::disk::listed;
use super::sample::{Place, map, noise, output};

const DIM: usize = 6;

fn with_index(place: &Place, index: &str) -> MapRequest {
    let (query, reference) = (clustered(place, "query", 120, DIM, 1), clustered(place, "reference", 600, DIM, 2));
    MapRequest { index: Some(index.into()), nlist: None, ..by_lists(place, &query, Some(&reference), 8) }
}

/// Fails to map with this code, and has written nothing.
#[track_caller]
fn refused(place: &Place, request: &MapRequest, code: &str) -> Error {
    let error = map(request).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert_eq!(listed(&place.outputs()), Vec::<String>::new(), "{error}");
    error
}

#[test]
fn an_index_of_other_rows_is_refused_by_plan_and_run() {
    let place = Place::new();
    let index = place.inputs().join("given.gmx").to_str().unwrap().to_owned();
    let others = [
        ("GM_SHAPE", clustered(&place, "fewer", 599, DIM, 2)),
        ("GM_SHAPE", clustered(&place, "wider", 600, DIM + 1, 2)),
        ("GM_STALE", clustered(&place, "other", 600, DIM, 3)),
    ];
    let request = with_index(&place, &index);
    for (code, other) in others {
        index_of(&place, &other, "given.gmx", 8);
        let error = refused(&place, &request, code);
        assert!(error.to_string().contains("given.gmx"), "{error}");
        assert_eq!(plan(&request).unwrap_err().code(), code);
        std::fs::remove_dir_all(&index).unwrap();
    }
    // The right rows, which change afterwards.
    let reference = clustered(&place, "reference", 600, DIM, 2);
    index_of(&place, &reference, "given.gmx", 8);
    plan(&request).unwrap();
    let _ = reference.embedding("X_pca", DIM, &noise(8, 600 * DIM));
    refused(&place, &request, "GM_STALE");
}

#[test]
fn an_index_that_is_missing_or_something_else_is_refused() {
    let place = Place::new();
    let index = place.inputs().join("given.gmx");
    let request = with_index(&place, index.to_str().unwrap());
    refused(&place, &request, "GM_NOT_FOUND");
    std::fs::create_dir(&index).unwrap();
    refused(&place, &request, "GM_SCHEMA");
    std::fs::remove_dir(&index).unwrap();
    std::fs::write(&index, "text").unwrap();
    refused(&place, &request, "GM_SCHEMA");
}

#[test]
fn a_damaged_index_is_refused_before_anything_is_written() {
    let place = Place::new();
    let index = place.inputs().join("given.gmx");
    let request = with_index(&place, index.to_str().unwrap());
    index_of(&place, &clustered(&place, "reference", 600, DIM, 2), "given.gmx", 8);
    for name in listed(&index) {
        let file = index.join(&name);
        let bytes = std::fs::read(&file).unwrap();
        for io in ["pread", "mmap", "auto"] {
            let request = MapRequest { io: Some(io.into()), ..request.clone() };
            for cut in [0, bytes.len() / 2, bytes.len() - 1] {
                std::fs::write(&file, &bytes[..cut]).unwrap();
                refused(&place, &request, "GM_CORRUPT");
            }
            // At the beginning of the file of lists is a row; elsewhere there may be padding.
            let flips: &[usize] = if name == "lists.bin" { &[0, 5] } else { &[0, bytes.len() / 2, bytes.len() - 1] };
            for &flip in flips {
                let mut flipped = bytes.clone();
                flipped[flip] ^= 4;
                std::fs::write(&file, flipped).unwrap();
                refused(&place, &request, "GM_CORRUPT");
            }
        }
        std::fs::remove_file(&file).unwrap();
        refused(&place, &request, if name == "manifest.json" { "GM_SCHEMA" } else { "GM_CORRUPT" });
        std::fs::write(&file, &bytes).unwrap();
    }
    map(&request).unwrap();
}

#[test]
fn more_lists_than_cells_are_refused_and_few_cells_for_each_are_warned_of() {
    let place = Place::new();
    let (query, reference) = (clustered(&place, "query", 60, DIM, 1), clustered(&place, "reference", 90, DIM, 2));
    let request = |nlist| by_lists(&place, &query, Some(&reference), nlist);
    let error = refused(&place, &request(91), "GM_PARAM");
    assert_eq!(error.details()["name"].as_str(), Some("nlist"));
    let error = refused(&place, &MapRequest { nprobe: Some(9), ..request(8) }, "GM_PARAM");
    assert_eq!(error.details()["name"].as_str(), Some("nprobe"));
    for (nlist, warned) in [(90, true), (3, true), (2, false), (1, false)] {
        let report = map(&MapRequest { overwrite: Some(true), ..request(nlist) }).unwrap();
        let few = report.warnings.iter().filter(|warning| warning.contains("nlist")).count();
        assert_eq!(few, usize::from(warned), "{nlist}: {:?}", report.warnings);
    }
}

/// The memory that an error says would do.
fn remedy(error: &Error) -> String {
    let text = error.hint().unwrap_or_default();
    let mebibytes = text.strip_prefix("memory of ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    assert!(mebibytes.parse::<u64>().is_ok(), "{error}: {text}");
    format!("{mebibytes}MiB")
}

#[test]
fn too_little_memory_is_refused_and_what_would_do_does() {
    let place = Place::new();
    let wide = (clustered(&place, "wide", 60, 2000, 1), clustered(&place, "widest", 200, 2000, 2));
    let many = (clustered(&place, "many", 5000, DIM, 1), clustered(&place, "most", 6000, DIM, 2));
    let requests = [
        by_lists(&place, &wide.0, Some(&wide.1), 4),
        by_lists(&place, &many.0, Some(&many.1), 64),
        MapRequest { threads: Some(8), ..by_lists(&place, &many.0, Some(&many.1), 6000) },
        MapRequest { n_neighbors: Some(300), ..by_lists(&place, &many.0, None, 16) },
        MapRequest { nprobe: Some(64), io: Some("mmap".into()), ..by_lists(&place, &many.0, Some(&many.1), 64) },
    ];
    for (number, request) in requests.into_iter().enumerate() {
        let error = refused(&place, &MapRequest { memory: Some("10MiB".into()), ..request.clone() }, "GM_BUDGET");
        let enough = MapRequest { memory: Some(remedy(&error)), ..request };
        plan(&enough).unwrap();
        let report = map(&enough).unwrap_or_else(|later| panic!("{number}: {error}, and then {later}"));
        assert!(report.plan.memory.planned <= report.plan.memory.limit, "{number}");
        remove(output(&enough));
    }
}

fn remove(store: &Path) {
    std::fs::remove_dir_all(store).unwrap();
    std::fs::remove_dir_all(store.with_added_extension("journal")).unwrap();
}
