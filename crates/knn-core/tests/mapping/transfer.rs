//! Transfers along neighbours that were found before: the bytes of the mapping that found them, whatever they are stored as, and refusals
//! before anything is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gigamapper_core::error::Result;
use gigamapper_core::pipeline::{LayoutRequest, MapRequest, RunReport, TransferRequest, plan_transfer, transfer_with};
use gigamapper_core::progress::{Cancel, Progress};
use gigamapper_core::types::NeighborBlock;
use serde_json::json;

use super::disk::{assert_same, files};
use super::mapped::Mapped;
use super::sample::{Place, map, quick, sample};
use super::zarr::{Grid, array, group};

fn transfer(request: &TransferRequest) -> Result<RunReport> {
    transfer_with(request, &Progress::silent(), &quick())
}

pub(super) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Everything that a store holds but for what it says of how it was made.
pub(super) fn told_apart(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = files(store);
    all.retain(|path, _| {
        let parts: Vec<_> = path.split('/').collect();
        let is_root = matches!(parts[..], ["zarr.json"])
            || matches!(parts[..], [part, "zarr.json"] if part.starts_with("dataset_"));
        !is_root && !parts.contains(&"uns")
    });
    all
}

/// The same of a store that has neighbours.
pub(super) fn content(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let all = told_apart(store);
    assert!(all.keys().any(|path| path.ends_with("obsm/knn_indices/zarr.json")), "{:?}", all.keys());
    all
}

/// The transfer of what a mapping transfers, along `neighbors`, which are stored with it.
pub(super) fn along(neighbors: String, mapping: &MapRequest, output: &Path) -> TransferRequest {
    let mapping = mapping.clone();
    TransferRequest {
        query: mapping.query,
        reference: mapping.reference,
        neighbors,
        store_neighbors: Some(true),
        output: Some(text(output)),
        obs_keys: mapping.obs_keys,
        obsm_keys: mapping.obsm_keys,
        kernel_method: mapping.kernel_method,
        symmetrize: mapping.symmetrize,
        probabilities: mapping.probabilities,
        memory: mapping.memory,
        threads: mapping.threads,
        overwrite: Some(true),
        layout: mapping.layout,
        ..TransferRequest::default()
    }
}

/// A sample in one store or two, mapped by a kernel.
pub(super) fn mapped(place: &Place, within: bool, kernel: &str, layout: Option<LayoutRequest>) -> MapRequest {
    let cells = |name: &str, n: usize| {
        if place.inputs().join(format!("{name}.zarr")).exists() { None } else { Some(sample(place, name, n)) }
    };
    drop((cells("query", 150), cells("reference", 110)));
    let path = |name: &str| text(&place.inputs().join(format!("{name}.zarr")));
    let keys = |keys: &[&str]| Some(keys.iter().map(|&key| key.to_owned()).collect());
    let request = MapRequest {
        query: path("query"),
        reference: (!within).then(|| path("reference")),
        output: Some(text(&place.inputs().join("mapped.zarr"))),
        obs_keys: keys(&["cell type", "flag", "score", "count"]),
        obsm_keys: keys(&["X_umap"]),
        probabilities: Some("all".into()),
        kernel_method: Some(kernel.into()),
        n_neighbors: Some(7),
        memory: Some("256MiB".into()),
        threads: Some(2),
        overwrite: Some(true),
        layout,
        ..MapRequest::default()
    };
    map(&request).unwrap();
    request
}

pub(super) const PARTS: Option<LayoutRequest> =
    Some(LayoutRequest { inner_rows: 16, inner_per_unit: 2, part_rows: 64 });

#[test]
fn along_the_neighbors_of_a_mapping_its_bytes_are_made_again() {
    let place = Place::new();
    for (within, kernel, layout) in [
        (false, "gauss", PARTS),
        (false, "scarches", None),
        (false, "random", PARTS),
        (true, "umap", None),
        (true, "adaptive_gauss", PARTS),
        (true, "gauss", PARTS),
        (true, "inverse_distance", None),
    ] {
        let mapping = mapped(&place, within, kernel, layout);
        let found = PathBuf::from(mapping.output.as_ref().unwrap());
        let report = transfer(&along(text(&found), &mapping, &place.output())).unwrap();
        assert_same(&content(&place.output()), &content(&found), &format!("{within} {kernel}"));
        assert_eq!((report.recall.method.as_str(), report.plan.pairs), ("imported", 0));
        assert_eq!(report.status_counts["invalid input"], 2);
    }
    // Another kernel, and fewer neighbours, along the same graph: what a mapping with those makes.
    let other = MapRequest { n_neighbors: Some(4), ..mapped(&place, false, "equal", None) };
    map(&other).unwrap();
    let expected = content(Path::new(other.output.as_ref().unwrap()));
    let mapping = mapped(&place, false, "gauss", None);
    let request = TransferRequest {
        kernel_method: Some("equal".into()),
        n_neighbors: Some(4),
        ..along(mapping.output.clone().unwrap(), &mapping, &place.output())
    };
    transfer(&request).unwrap();
    assert_same(&content(&place.output()), &expected, "fewer");
}

#[test]
fn a_transfer_that_was_stopped_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let mapping = mapped(&place, true, "umap", PARTS);
    let request = along(mapping.output.clone().unwrap(), &mapping, &place.output());
    transfer(&request).unwrap();
    let whole = files(&place.output());
    for stage in ["join", "transfer", "finalise"] {
        let cancel = Cancel::default();
        let stop = cancel.clone();
        let listener = Box::new(move |event: gigamapper_core::progress::ProgressEvent| {
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
    let other = TransferRequest { kernel_method: Some("equal".into()), overwrite: None, resume: Some(true), ..request };
    assert_eq!(transfer(&other).unwrap_err().code(), "GM_STALE");
}

/// A `.npy` file of a matrix.
fn npy(path: &Path, dtype: &str, shape: [usize; 2], bytes: &[u8]) -> String {
    let mut header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({}, {}), }}", shape[0], shape[1]);
    header.push_str(&" ".repeat(127 - (10 + header.len()) % 64 % 128));
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    std::fs::write(path, file).unwrap();
    text(path)
}

/// Ids and distances as two files, each row turned around behind the cell itself if there is room for that.
pub(super) fn as_arrays(place: &Place, name: &str, graph: &NeighborBlock, with_self: bool) -> String {
    let (mut ids, mut distances) = (Vec::new(), Vec::new());
    let width = graph.k + usize::from(with_self);
    for row in 0..graph.rows() {
        if with_self {
            ids.push(row as i64);
            distances.push(0.0);
        }
        let slots = row * graph.k..(row + 1) * graph.k;
        ids.extend(graph.ids[slots.clone()].iter().rev());
        distances.extend(graph.distances[slots].iter().rev().map(|&distance| f64::from(distance)));
    }
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let ids = npy(&place.inputs().join(format!("{name}-ids.npy")), "<i8", [graph.rows(), width], &bytes);
    let bytes: Vec<u8> = distances.iter().flat_map(|distance| distance.to_le_bytes()).collect();
    let distances = npy(&place.inputs().join(format!("{name}-distances.npy")), "<f8", [graph.rows(), width], &bytes);
    format!("{ids},{distances}")
}

/// Along which axis a matrix is compressed.
#[derive(Clone, Copy)]
pub(super) enum Compressed {
    Rows,
    Columns,
}

/// A matrix of cells × cells in `obsp`, entries in the order of the ids.
pub(super) fn as_obsp(store: &Path, key: &str, graph: &NeighborBlock, diagonal: bool, compressed: Compressed) {
    let n = graph.rows();
    let mut entries = Vec::new();
    for row in 0..n {
        let (ids, distances) = graph.row(row);
        entries.extend(ids.iter().zip(distances).map(|(&id, &distance)| (row as i32, id as i32, distance)));
        entries.extend(diagonal.then_some((row as i32, row as i32, 0.0)));
    }
    if matches!(compressed, Compressed::Columns) {
        for (row, column, _) in &mut entries {
            std::mem::swap(row, column);
        }
    }
    entries.sort_by_key(|&(major, minor, _)| (major, minor));
    let indptr: Vec<i64> = (0..=n as i32).map(|row| entries.partition_point(|entry| entry.0 < row) as i64).collect();
    let indices: Vec<i32> = entries.iter().map(|entry| entry.1).collect();
    let data: Vec<f32> = entries.iter().map(|entry| entry.2).collect();
    group(store, "obsp", &json!({ "encoding-type": "dict", "encoding-version": "0.1.0" }));
    let path = format!("obsp/{key}");
    let encoding = if matches!(compressed, Compressed::Rows) { "csr_matrix" } else { "csc_matrix" };
    group(store, &path, &json!({ "encoding-type": encoding, "encoding-version": "0.1.0", "shape": [n, n] }));
    array(store, &format!("{path}/data"), &[data.len()], &data, Grid::chunks(64, 1));
    array(store, &format!("{path}/indices"), &[indices.len()], &indices, Grid::chunks(64, 1));
    array(store, &format!("{path}/indptr"), &[n + 1], &indptr, Grid::chunks(64, 1));
}

/// What was transferred: everything but the statuses, which another tool's graph cannot tell.
pub(super) fn transferred(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = content(store);
    all.retain(|path, _| !path.starts_with("obs/mapping_status/"));
    all
}

#[test]
fn graphs_of_other_tools_are_those_that_they_are_copies_of() {
    let place = Place::new();
    let mapping = mapped(&place, true, "umap", None);
    let found = PathBuf::from(mapping.output.as_ref().unwrap());
    let graph = Mapped::open(&found).neighbors();
    let expected = transferred(&found);
    for with_self in [false, true] {
        let arrays = along(as_arrays(&place, "given", &graph, with_self), &mapping, &place.output());
        let report = transfer(&arrays).unwrap();
        assert_eq!(report.plan.k, 6, "the cell itself is none of its neighbors");
        assert_same(&transferred(&place.output()), &expected, &format!("{with_self}"));
        // Two cells are not finite. A graph cannot tell why they have no neighbours.
        assert_eq!((report.status_counts["no neighbors"], report.status_counts["invalid input"]), (2, 0));
        for compressed in [Compressed::Rows, Compressed::Columns] {
            as_obsp(Path::new(&mapping.query), "own", &graph, with_self, compressed);
            let matrix = TransferRequest {
                neighbors_key: Some("own".into()),
                ..along(mapping.query.clone(), &mapping, &place.output())
            };
            transfer(&matrix).unwrap();
            assert_same(&transferred(&place.output()), &expected, &format!("{with_self}"));
        }
    }
    // Rows of other lengths are padded to the longest.
    let mut ragged = graph.clone();
    for row in 0..ragged.rows() {
        for slot in row % 6..6 {
            (ragged.ids[row * 6 + slot], ragged.distances[row * 6 + slot]) = (-1, f32::NAN);
        }
    }
    as_obsp(Path::new(&mapping.query), "distances", &ragged, true, Compressed::Rows);
    let report = transfer(&along(mapping.query.clone(), &mapping, &place.output())).unwrap();
    assert_eq!(report.plan.k, 5);
    let kept = Mapped::open(&place.output()).neighbors();
    for row in 0..kept.rows() {
        assert_eq!(kept.row(row).0, ragged.row(row).0, "{row}");
    }

    let mapping = mapped(&place, false, "gauss", PARTS);
    let found = PathBuf::from(mapping.output.as_ref().unwrap());
    let graph = Mapped::open(&found).neighbors();
    transfer(&along(as_arrays(&place, "given", &graph, false), &mapping, &place.output())).unwrap();
    let [ours, theirs] = [&place.output(), &found].map(|path| Mapped::open(path));
    assert_eq!(ours.neighbors().ids, theirs.neighbors().ids);
    assert_eq!(ours.codes("cell type_pred"), theirs.codes("cell type_pred"));
    assert_eq!(ours.numbers("cell type_conf"), theirs.numbers("cell type_conf"));
}

#[test]
fn along_the_neighbors_that_cellmapper_found_its_predictions_are_made() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures");
    let place = Place::new();
    for (case, query, reference, kernel, k) in [
        ("pbmc_cross", "pbmc/query.zarr", Some("pbmc/reference.zarr"), "gauss", 30),
        ("pbmc_self", "pbmc/reference.zarr", None, "umap", 14),
    ] {
        let expected = fixtures.join("golden").join(case).join("expected");
        let of = |what: &str| text(&expected.join(format!("neighbors.yx.{what}.npy")));
        let request = TransferRequest {
            query: text(&fixtures.join(query)),
            reference: reference.map(|reference| text(&fixtures.join(reference))),
            neighbors: format!("{},{}", of("indices"), of("distances")),
            output: Some(text(&place.output())),
            obs_keys: Some(vec!["bulk_labels".into()]),
            overwrite: Some(true),
            ..TransferRequest::default()
        };
        let report = transfer(&request).unwrap();
        assert_eq!((report.plan.k, report.plan.parameters.kernel_method.as_str()), (k, kernel));
        let folder = expected.join(kernel);
        let labels: Vec<String> =
            serde_json::from_slice(&std::fs::read(folder.join("obs.bulk_labels.pred.json")).unwrap()).unwrap();
        let found = Mapped::open(&place.output());
        assert_eq!(found.labels("bulk_labels_pred"), labels, "{case}");
        let confidences = super::npy::read(&folder.join("obs.bulk_labels.conf.npy")).values;
        for (found, expected) in found.numbers("bulk_labels_conf").iter().zip(confidences) {
            assert!((found - expected).abs() <= 1e-5, "{case}: {found} for {expected}");
        }
    }
}

#[test]
fn what_is_no_graph_of_these_cells_is_refused_before_anything_is_written() {
    let place = Place::new();
    let mapping = mapped(&place, true, "gauss", None);
    let cross = MapRequest { reference: Some(text(&place.inputs().join("reference.zarr"))), ..mapping.clone() };
    let found = mapping.output.clone().unwrap();
    let graph = Mapped::open(Path::new(&found)).neighbors();
    as_obsp(Path::new(&mapping.query), "distances", &graph, false, Compressed::Rows);
    let request =
        |neighbors: String| TransferRequest { overwrite: None, ..along(neighbors, &mapping, &place.output()) };
    let of = |change: &dyn Fn(&mut NeighborBlock)| {
        let mut changed = graph.clone();
        change(&mut changed);
        request(as_arrays(&place, "given", &changed, false))
    };
    let refuse = |code: &str, request: &TransferRequest, what: &str| {
        let error = transfer(request).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(format!("{error} {}", error.details()).contains(what), "{error} does not say {what:?}");
        assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0, "{error}");
    };
    refuse("GM_SCHEMA", &of(&|graph| graph.ids[6 * 3] = 150), "row 3 names cell 150");
    refuse("GM_SCHEMA", &of(&|graph| graph.ids[6 * 3] = -2), "row 3 names cell -2");
    refuse("GM_SCHEMA", &of(&|graph| graph.distances[6 * 5] = f32::NAN), "row 5 lies NaN");
    refuse("GM_SCHEMA", &of(&|graph| graph.distances[6 * 5] = -1.0), "row 5 lies -1");
    refuse("GM_SCHEMA", &of(&|graph| graph.ids[6 * 7] = graph.ids[6 * 7 + 1]), "twice");
    refuse("GM_SHAPE", &of(&|graph| graph.ids.truncate(6 * 149)), "150");
    let swapped = as_arrays(&place, "given", &graph, false);
    let (ids, distances) = swapped.split_once(',').unwrap();
    refuse("GM_SCHEMA", &request(format!("{distances},{ids}")), "not an integer");
    refuse("GM_PARAM", &request(format!("{ids},{distances},{found}")), "comma");
    refuse(
        "GM_PARAM",
        &TransferRequest { neighbors_key: Some("a".into()), ..request(swapped.clone()) },
        "neighborsKey",
    );
    // The graph of one store is none between two.
    let between = |neighbors: String| TransferRequest {
        reference: cross.reference.clone(),
        kernel_method: Some("gauss".into()),
        ..request(neighbors)
    };
    refuse("GM_PARAM", &between(mapping.query.clone()), "within one store");
    refuse("GM_SHAPE", &between(found.clone()), "110");
    let unknown = TransferRequest { neighbors_key: Some("nothing".into()), ..request(mapping.query.clone()) };
    refuse("GM_NOT_FOUND", &unknown, "distances");
    refuse("GM_NOT_FOUND", &request(text(&place.inputs().join("nowhere.zarr"))), "nowhere");
    refuse(
        "GM_PARAM",
        &TransferRequest { output: Some(found.clone()), overwrite: Some(true), ..request(found.clone()) },
        "overlaps",
    );
    refuse("GM_BUDGET", &TransferRequest { memory: Some("80MiB".into()), ..request(found) }, "imported neighbors");
}

#[test]
fn a_plan_tells_what_a_transfer_takes_and_refuses_what_it_would() {
    let place = Place::new();
    let mapping = mapped(&place, false, "gauss", PARTS);
    let found = PathBuf::from(mapping.output.as_ref().unwrap());
    let arrays = as_arrays(&place, "given", &Mapped::open(&found).neighbors(), false);
    for neighbors in [text(&found), arrays] {
        let request = TransferRequest { overwrite: None, ..along(neighbors, &mapping, &place.output()) };
        let planned = plan_transfer(&TransferRequest { output: None, ..request.clone() }).unwrap();
        assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0, "a plan writes nothing");
        assert_eq!((planned.parameters.method.as_str(), planned.k, planned.pairs), ("imported", 7, 0));
        assert!(planned.disk_bytes > 0 && planned.memory.planned <= planned.memory.limit);
        assert_eq!(transfer(&request).unwrap().plan, planned);
        assert_eq!(plan_transfer(&request).unwrap_err().code(), "GM_EXISTS");
        std::fs::remove_dir_all(place.outputs()).unwrap();
        std::fs::create_dir(place.outputs()).unwrap();
        let small = TransferRequest { memory: Some("80MiB".into()), ..request };
        assert_eq!(plan_transfer(&small).unwrap_err().code(), "GM_BUDGET");
    }
}
