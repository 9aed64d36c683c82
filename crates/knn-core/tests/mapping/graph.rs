//! A stored graph read back in blocks, as callers outside the pipeline read it.

use std::path::Path;

use gigamapper_core::graph::{GraphStore, Ids};
use gigamapper_core::pipeline::{NeighborsRequest, neighbors, plan_neighbors};
use gigamapper_core::progress::Progress;
use gigamapper_core::sink::{ArraySpec, Field, Kind, Layout, MappingStore, Stage, StoreSpec, Uns};
use gigamapper_core::types::DType;
use serde_json::json;

use super::disk::Disk;
use super::mapped::Mapped;
use super::sample::{Place, map, output, sample};

fn open_error(path: &Path) -> (&'static str, String) {
    let error = GraphStore::open(path).err().unwrap();
    (error.code(), error.to_string())
}

/// Ids of a graph whose reference has more than 2^32 rows.
fn wide(row: u64) -> [i64; 2] {
    [(1 << 33) + row as i64, -1]
}

/// A store of ten such rows in three parts, not finalised.
fn wide_store(path: &Path, n_ref: u64) -> MappingStore {
    let joined = |path: &str, kind| ArraySpec { path: path.into(), stage: Stage::Joined, kind };
    let arrays = vec![
        joined("obs/_index", Kind::Column(Field::Strings)),
        joined("obsm/knn_indices", Kind::Matrix { dtype: DType::Int64, width: 2 }),
        joined("obsm/knn_distances", Kind::Matrix { dtype: DType::Float32, width: 2 }),
    ];
    let layout = Layout::new(10, 2, 2, 4).unwrap();
    let spec = StoreSpec { layout, n_ref, k: 2, holder: None, run: "r".into(), plan: json!({}), arrays };
    let store = MappingStore::create(Disk::quick(), path, spec, "worker").unwrap();
    for unit in 0..layout.units() {
        let mut writer = store.begin(Stage::Joined, unit).unwrap();
        for row in layout.unit(unit).rows.start..layout.unit(unit).rows.end {
            let ids: Vec<u8> = wide(row).iter().flat_map(|id| id.to_le_bytes()).collect();
            let distances: Vec<u8> = [row as f32, f32::NAN].iter().flat_map(|d| d.to_le_bytes()).collect();
            writer.append("obsm/knn_indices", &ids).unwrap();
            writer.append("obsm/knn_distances", &distances).unwrap();
            writer.append_strings("obs/_index", b"c", &[1]).unwrap();
        }
        writer.commit(json!({})).unwrap();
    }
    store
}

#[test]
fn blocks_of_any_size_are_the_rows_of_all_parts() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 150), sample(&place, "reference", 90));
    let request = place.request(&query, Some(&reference));
    map(&request).unwrap();
    let whole = Mapped::open(output(&request)).neighbors();
    let mut graph = GraphStore::open(output(&request)).unwrap();
    let found = graph.description().clone();
    assert_eq!((found.rows, found.k, found.n_ref, found.dtype.as_str()), (150, 7, 90, "int32"));
    for rows in [1, 63, 64, 100, 1000] {
        let (mut ids, mut distances, mut next) = (Vec::new(), Vec::new(), 0);
        while next < found.rows {
            let block = graph.read(next, Some(rows)).unwrap();
            assert_eq!((block.first_row, block.k), (next, 7));
            let Ids::Int32(of_block) = block.ids else { panic!("{rows}") };
            next += (of_block.len() / 7) as u64;
            ids.extend(of_block.into_iter().map(i64::from));
            distances.extend(block.distances.iter().map(|distance| distance.to_bits()));
        }
        assert_eq!(ids, whole.ids, "{rows}");
        assert_eq!(distances, whole.distances.iter().map(|d| d.to_bits()).collect::<Vec<_>>(), "{rows}");
    }
    assert_eq!(graph.read(150, None).unwrap().distances, [0f32; 0]);
    assert_eq!(graph.read(151, None).unwrap_err().code(), "GM_PARAM");
    assert_eq!(graph.read(0, Some(0)).unwrap_err().code(), "GM_PARAM");
}

#[test]
fn ids_keep_the_width_they_are_stored_in() {
    let place = Place::new();
    let path = place.output();
    wide_store(&path, 1 << 34).finalise(&Uns::default()).unwrap();
    let mut graph = GraphStore::open(&path).unwrap();
    assert_eq!(graph.description().dtype, "int64");
    let block = graph.read(3, Some(6)).unwrap();
    assert_eq!(block.ids, Ids::Int64((3..9).flat_map(wide).collect()));
}

#[test]
fn an_unfinished_or_foreign_store_is_refused_by_name() {
    let place = Place::new();
    let path = place.output();
    let (code, message) = open_error(&path);
    assert_eq!(code, "GM_NOT_FOUND", "{message}");
    drop(wide_store(&path, 1 << 34));
    let (code, message) = open_error(&path);
    assert_eq!(code, "GM_SCHEMA");
    assert!(message.contains("resume"), "{message}");
    let foreign = sample(&place, "query", 80);
    let (code, message) = open_error(Path::new(&foreign.path()));
    assert_eq!(code, "GM_SCHEMA");
    assert!(message.contains("not a store that gigamapper wrote"), "{message}");
}

#[test]
fn an_index_beyond_the_reference_is_corrupt() {
    let place = Place::new();
    let path = place.output();
    wide_store(&path, (1 << 33) + 5).finalise(&Uns::default()).unwrap();
    let mut graph = GraphStore::open(&path).unwrap();
    assert!(graph.read(0, Some(5)).is_ok());
    assert_eq!(graph.read(0, Some(6)).unwrap_err().code(), "GM_CORRUPT");
}

#[test]
fn neighbors_alone_are_those_of_the_mapping() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 150), sample(&place, "reference", 90));
    let mapping = place.request(&query, Some(&reference));
    map(&mapping).unwrap();
    let graph = place.outputs().join("graph.zarr");
    let request = NeighborsRequest {
        query: query.path(),
        reference: Some(reference.path()),
        output: Some(graph.to_str().unwrap().into()),
        n_neighbors: Some(7),
        memory: Some("256MiB".into()),
        layout: mapping.layout,
        ..NeighborsRequest::default()
    };
    let planned = plan_neighbors(&request).unwrap();
    assert!(!planned.warnings.iter().any(|warning| warning.contains("obsKeys")), "{:?}", planned.warnings);
    let report = neighbors(&request, &Progress::silent()).unwrap();
    assert_eq!((report.recall.measured, report.recall.method.as_str()), (1.0, "exact"));
    let (of_graph, of_mapping) = (Mapped::open(&graph).neighbors(), Mapped::open(output(&mapping)).neighbors());
    assert_eq!(of_graph.ids, of_mapping.ids);
}
