//! A reference that grows, and its index after it: what a search finds then, and what is refused.

use std::path::Path;

use gigamapper_core::error::Error;
use gigamapper_core::pipeline::{IndexReport, IndexRequest, MapRequest, build_index, describe_index, plan, plan_index};
use gigamapper_core::progress::Progress;

use super::cells::Cells;
use super::clusters::{by_lists, clustered, index_of};
use super::disk::{assert_same, files, listed};
use super::mapped::Mapped;
use super::sample::{Place, map, output};

const DIM: usize = 8;

/// The atlas with its first `n` cells, which are the same however many there are.
fn atlas(place: &Place, n: usize) -> Cells {
    let _ = std::fs::remove_dir_all(place.inputs().join("atlas.zarr"));
    clustered(place, "atlas", n, DIM, 2)
}

fn append(place: &Place, index: &str) -> IndexRequest {
    IndexRequest {
        reference: place.inputs().join("atlas.zarr").to_str().unwrap().into(),
        output: Some(index.into()),
        append: Some(true),
        memory: Some("256MiB".into()),
        threads: Some(2),
        ..IndexRequest::default()
    }
}

fn appended(request: &IndexRequest) -> IndexReport {
    build_index(request, &Progress::silent()).unwrap()
}

/// A search of every list of a given index.
fn search(place: &Place, query: &Cells, reference: &Cells, index: &str, nprobe: u64) -> MapRequest {
    MapRequest {
        index: Some(index.into()),
        nlist: None,
        nprobe: Some(nprobe as i64),
        overwrite: Some(true),
        ..by_lists(place, query, Some(reference), 8)
    }
}

#[test]
fn an_index_that_grew_with_its_reference_finds_what_is_there_and_fits_no_other() {
    let place = Place::new();
    let query = clustered(&place, "query", 300, DIM, 1);
    let index = index_of(&place, &atlas(&place, 900), "atlas.gmx", 8);
    let first = describe_index(Path::new(&index)).unwrap();
    assert_eq!((first.generation, first.rows), (1, 900));

    let grown = atlas(&place, 1400);
    let request = search(&place, &query, &grown, &index, first.nlist);
    assert_eq!(map(&request).unwrap_err().code(), "GM_SHAPE", "the index is behind its reference");
    let planned = plan_index(&append(&place, &index)).unwrap();
    assert_eq!((planned.added_rows, planned.parameters.nlist, planned.reference.n_obs), (500, 8, 1400));
    assert_eq!(describe_index(Path::new(&index)).unwrap(), first, "a plan writes nothing");
    let report = appended(&append(&place, &index));
    assert_eq!((report.generation, report.added_rows, report.rows, report.nlist), (2, 500, 1400, first.nlist));
    assert!(report.bytes > first.bytes && report.bytes <= planned.disk_bytes, "{report:?}");
    let stages: Vec<_> = report.stages.iter().map(|stage| stage.stage.as_str()).collect();
    assert_eq!(stages, ["preflight", "verify", "read", "add", "seal"]);
    let described = describe_index(Path::new(&index)).unwrap();
    assert_eq!((described.generation, described.rows, described.bytes), (2, 1400, report.bytes));
    assert_eq!((described.nlist, described.seed, described.list_dtype), (first.nlist, first.seed, first.list_dtype));
    assert_ne!(described.digest, first.digest);
    assert_eq!(listed(&place.inputs()), ["atlas.gmx", "atlas.zarr", "query.zarr"]);

    // All lists hold all neighbours, so what they find is what is there.
    let to = place.outputs().join("exact.zarr").to_str().unwrap().to_owned();
    let exact = MapRequest {
        method: Some("exact".into()),
        nlist: None,
        output: Some(to),
        ..by_lists(&place, &query, Some(&grown), 8)
    };
    map(&exact).unwrap();
    assert_eq!(map(&request).unwrap().recall.measured, 1.0);
    let (found, truth) = (Mapped::open(output(&request)).neighbors(), Mapped::open(output(&exact)).neighbors());
    assert_eq!(found.ids, truth.ids);
    assert!(truth.ids.iter().any(|&id| id >= 900) && truth.ids.iter().any(|&id| id < 900));
    assert!(found.distances.iter().zip(&truth.distances).all(|(a, b)| a.to_bits() == b.to_bits()));

    let ungrown = atlas(&place, 900);
    let request = search(&place, &query, &ungrown, &index, first.nlist);
    assert_eq!(map(&request).unwrap_err().code(), "GM_SHAPE");
    assert_eq!(plan(&request).unwrap_err().code(), "GM_SHAPE");
}

#[test]
fn a_reference_may_be_stored_in_another_way_when_it_has_grown() {
    let place = Place::new();
    let index = index_of(&place, &atlas(&place, 900), "atlas.gmx", 8);
    let grown = atlas(&place, 1400);
    let before = files(Path::new(&index));
    assert_eq!(appended(&append(&place, &index)).added_rows, 500);
    let expected = files(Path::new(&index));
    // The same rows in other chunks, by other threads, in less memory.
    std::fs::remove_dir_all(&index).unwrap();
    std::fs::create_dir(&index).unwrap();
    for (name, bytes) in &before {
        std::fs::write(Path::new(&index).join(name), bytes).unwrap();
    }
    let rows = gigamapper_core::source::AnnDataStore::open(&grown.root).unwrap().representation("X_pca").unwrap();
    let mut tile = gigamapper_core::types::Tile::default();
    gigamapper_core::source::RowSource::read(&rows, gigamapper_core::types::RowRange::new(0, 1400), &mut tile).unwrap();
    std::fs::remove_dir_all(grown.root.join("obsm/X_pca")).unwrap();
    let _ = grown.embedding_in("X_pca", DIM, &tile.values, super::zarr::Grid::shards([200, 8], [50, 4]));
    let request = IndexRequest { threads: Some(1), memory: Some("128MiB".into()), ..append(&place, &index) };
    appended(&request);
    let mut found = files(Path::new(&index));
    // The manifest names the store that it was made of; nothing else differs.
    found.insert("manifest.json".into(), expected["manifest.json"].clone());
    assert_same(&found, &expected, "other chunks");
}

#[test]
fn with_nothing_new_an_append_says_so() {
    let place = Place::new();
    let index = index_of(&place, &atlas(&place, 900), "atlas.gmx", 8);
    let before = files(Path::new(&index));
    let says = |warnings: &[String]| warnings.iter().any(|warning| warning.contains("nothing to append"));
    assert!(says(&plan_index(&append(&place, &index)).unwrap().warnings));
    let report = appended(&append(&place, &index));
    assert_eq!((report.added_rows, report.generation, report.rows), (0, 1, 900));
    assert!(says(&report.warnings), "{:?}", report.warnings);
    assert_same(&files(Path::new(&index)), &before, "nothing");
}

#[test]
fn what_an_append_cannot_be_asked_for_is_refused() {
    let place = Place::new();
    let index = index_of(&place, &atlas(&place, 900), "atlas.gmx", 8);
    let before = files(&place.inputs());
    let _ = atlas(&place, 1000);
    let refused = |request: IndexRequest| -> Error {
        let error = build_index(&request, &Progress::silent()).unwrap_err();
        assert_eq!(plan_index(&request).unwrap_err().code(), error.code(), "a plan refuses the same");
        assert_eq!(listed(&place.inputs()), ["atlas.gmx", "atlas.zarr"], "{error}");
        error
    };
    let given = || append(&place, &index);
    for (name, request) in [
        ("nlist", IndexRequest { nlist: Some(9), ..given() }),
        ("seed", IndexRequest { seed: Some(1), ..given() }),
        ("listDtype", IndexRequest { list_dtype: Some("f16".into()), ..given() }),
        ("metric", IndexRequest { metric: Some("cosine".into()), ..given() }),
        ("append", IndexRequest { overwrite: Some(true), ..given() }),
        ("output", IndexRequest { output: None, ..given() }),
        ("output", IndexRequest { output: Some("atlas.zarr".into()), ..given() }),
    ] {
        let error = refused(request);
        assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some(name)), "{error}");
    }
    let missing = place.inputs().join("missing.gmx").to_str().unwrap().to_owned();
    assert_eq!(refused(IndexRequest { output: Some(missing), ..given() }).code(), "GM_NOT_FOUND");
    assert_eq!(refused(IndexRequest { use_rep: Some("X_scvi".into()), ..given() }).code(), "GM_NOT_FOUND");
    assert_eq!(refused(IndexRequest { memory: Some("1MiB".into()), ..given() }).code(), "GM_BUDGET");
    let _ = atlas(&place, 899);
    let error = refused(given());
    assert_eq!(error.code(), "GM_SHAPE");
    assert!(error.to_string().contains("[900, 8]") && error.to_string().contains("[899, 8]"), "{error}");
    assert!(error.to_string().contains("atlas.gmx") && error.to_string().contains("X_pca"), "{error}");
    // Other cells, as many as the index has, and more: that is known only when they are compared.
    std::fs::remove_dir_all(place.inputs().join("atlas.zarr")).unwrap();
    let _ = clustered(&place, "atlas", 900, DIM, 3);
    assert_eq!(refused(given()).code(), "GM_STALE");
    let _ = clustered(&place, "atlas", 1000, DIM, 3);
    let error = build_index(&given(), &Progress::silent()).unwrap_err();
    assert_eq!(error.code(), "GM_STALE", "{error}");
    // The same options as the index has are no others.
    let _ = atlas(&place, 900);
    assert_same(&files(&place.inputs()), &before, "nothing was written");
    let _ = atlas(&place, 1000);
    let same = IndexRequest {
        nlist: Some(8),
        seed: Some(0),
        list_dtype: Some("f32".into()),
        metric: Some("euclidean".into()),
        resume: Some(true),
        ..given()
    };
    assert_eq!(appended(&same).added_rows, 100);
}
