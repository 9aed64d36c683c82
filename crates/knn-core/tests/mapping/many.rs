//! Mapping with many stores as query or reference gives the bits of mapping with the one store that they are together.

use std::collections::BTreeMap;
use std::path::Path;

use gigamapper_core::pipeline::{IndexRequest, MapRequest, RechunkRequest, build_index, plan, rechunk};
use gigamapper_core::progress::Progress;

use super::cells::Cells;
use super::disk::files;
use super::sample::{DIM, Place, map, noise};
use super::zarr::Grid;

const LABELS: [&str; 3] = ["T", "B", "NK"];

/// Cells `first..last` of one that has all, in chunks of `band` rows.
fn piece(place: &Place, name: &str, [first, last]: [usize; 2], band: usize) -> Cells {
    let cells = first..last;
    let rows = noise(5, 200 * DIM);
    let codes: Vec<i8> = cells.clone().map(|cell| [0, 1, 2, -1, 1][cell % 5]).collect();
    let score: Vec<f32> = cells.clone().map(|cell| if cell % 7 == 0 { f32::NAN } else { cell as f32 }).collect();
    let count: Vec<i64> = cells.clone().map(|cell| (1 << 40) + cell as i64).collect();
    let missing: Vec<bool> = cells.clone().map(|cell| cell % 4 == 1).collect();
    let names: Vec<_> = cells.map(|cell| format!("cell{cell}")).collect();
    let embedding = &rows[first * DIM..last * DIM];
    place
        .cells(name, last - first)
        .names(&names)
        .embedding_in("X_pca", DIM, embedding, Grid::chunks(band, 2))
        .embedding("X_umap", 2, &noise(9, 400)[first * 2..last * 2])
        .categorical("label", &codes, &LABELS, false)
        .column("score", &score)
        .nullable("count", &count, &missing)
        .colors("label", &["#f00", "#0f0", "#00f"])
}

/// All chunks of a mapped store, and what its arrays are; without what names the run, which depends on how inputs are stored.
fn stored(output: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = files(output);
    all.retain(|path, _| !path.ends_with("uns/gigamapper/run/c") && path != "zarr.json");
    assert!(all.len() > 20, "{:?}", all.keys());
    all
}

fn request(place: &Place, query: &str, reference: Option<&str>) -> MapRequest {
    let keys = |keys: &[&str]| Some(keys.iter().map(|&key| key.to_owned()).collect());
    MapRequest {
        query: query.to_owned(),
        reference: reference.map(str::to_owned),
        obs_keys: keys(&["label", "score", "count"]),
        obsm_keys: keys(&["X_umap"]),
        overwrite: Some(true),
        ..place.request(&place.cells("unused", 1), None)
    }
}

#[test]
fn halves_map_as_the_whole_does() {
    let place = Place::new();
    let whole = piece(&place, "whole", [0, 200], 64).path();
    let halves =
        [piece(&place, "half_2", [0, 90], 40), piece(&place, "half_10", [90, 200], 30)].map(|half| half.path());
    let query = piece(&place, "query", [30, 130], 64).path();
    let queries = [piece(&place, "q1", [30, 41], 7), piece(&place, "q2", [41, 130], 100)].map(|part| part.path());
    let (halves, queries) = (halves.join(","), queries.join(","));
    let pattern = place.inputs().join("half_*.zarr").to_str().unwrap().to_owned();
    let mapped = |query: &str, reference: Option<&str>| {
        let request = request(&place, query, reference);
        map(&request).unwrap();
        stored(&place.output())
    };
    let expected = mapped(&query, Some(&whole));
    for (query, reference) in [(&query, &halves), (&queries, &whole), (&queries, &halves), (&query, &pattern)] {
        assert!(mapped(query, Some(reference)) == expected, "{query} onto {reference}");
    }
    let own = mapped(&whole, None);
    assert!(mapped(&halves, None) == own);
    assert!(mapped(&halves, Some(&pattern)) == own);
}

#[test]
fn an_index_of_halves_is_that_of_the_whole() {
    let place = Place::new();
    let whole = piece(&place, "whole", [0, 200], 64).path();
    let halves = [piece(&place, "a", [0, 90], 40), piece(&place, "b", [90, 200], 30)].map(|half| half.path()).join(",");
    let built = |reference: &str, name: &str| {
        let output = place.outputs().join(name);
        let request = IndexRequest {
            reference: reference.into(),
            output: Some(output.to_str().unwrap().into()),
            nlist: Some(4),
            memory: Some("256MiB".into()),
            threads: Some(2),
            ..IndexRequest::default()
        };
        build_index(&request, &Progress::silent()).unwrap();
        std::fs::read(files(&output).keys().find(|path| path.contains("lists")).map(|path| output.join(path)).unwrap())
            .unwrap()
    };
    assert!(built(&whole, "whole.gmx") == built(&halves, "halves.gmx"));
}

#[test]
fn a_copy_in_parts_maps_as_its_original() {
    let place = Place::new();
    let whole = piece(&place, "whole", [0, 200], 64);
    let copy = place.inputs().join("copy.zarr").to_str().unwrap().to_owned();
    let request_copy = RechunkRequest {
        input: whole.path(),
        output: Some(copy.clone()),
        memory: Some("256MiB".into()),
        layout: place.request(&whole, None).layout,
        ..RechunkRequest::default()
    };
    assert_eq!(rechunk(&request_copy, &Progress::silent()).unwrap().layout.parts, 4);
    let query = piece(&place, "query", [0, 200], 10).path();
    let mapped = |reference: &str| {
        map(&MapRequest { obsm_keys: None, ..request(&place, &query, Some(reference)) }).unwrap();
        stored(&place.output())
    };
    assert!(mapped(&copy) == mapped(&whole.path()));
}

#[test]
fn no_store_among_many_is_written_to() {
    let place = Place::new();
    let [a, b] = [piece(&place, "a", [0, 50], 64), piece(&place, "b", [50, 99], 64)];
    let both = format!("{},{}", a.path(), b.path());
    let inside = Some(b.root.join("out.zarr").to_str().unwrap().to_owned());
    let error = plan(&MapRequest { output: inside, ..request(&place, &both, None) }).unwrap_err();
    assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some("output")));
    let gone = format!("{},{}", a.path(), place.inputs().join("gone.zarr").display());
    assert_eq!(plan(&request(&place, &gone, None)).unwrap_err().code(), "GM_NOT_FOUND");
}
