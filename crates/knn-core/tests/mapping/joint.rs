//! Representations computed of genes: one result however they are stored and made, interrupted or not; and
//! refusals before anything is written. That the numbers are those of their definition is tested where they are computed, and against
//! scikit-learn and scipy in `test/interop/test_joint.py`.

use std::path::Path;
use std::sync::{Arc, Mutex};

use gigamapper_core::error::{Error, Result};
use gigamapper_core::pipeline::{
    CleanRequest, JointReport, JointRequest, LayoutRequest, clean, joint_with, plan_joint,
};
use gigamapper_core::progress::{Cancel, Progress, ProgressEvent};
use gigamapper_core::source::{Container, Missing, ZarrStore};

use super::cells::Cells;
use super::disk::{Disk, assert_same, files, listed};
use super::mapped::Mapped;
use super::sample::{Place, noise};

pub(crate) const GENES: usize = 40;
pub(crate) const QUERY: usize = 81;
pub(crate) const REFERENCE: usize = 110;

pub(crate) fn joint(request: &JointRequest) -> Result<JointReport> {
    joint_with(request, &Progress::silent(), Disk::quick())
}

/// Expression of cells, half of it 0, along a few directions of which the first is the longest.
pub(crate) fn expression(seed: u64, cells: usize) -> Vec<f32> {
    let (own, along) = (noise(seed, cells * GENES), noise(seed + 50, cells * 5));
    let directions = noise(9, 5 * GENES);
    let value = |cell: usize, gene: usize| {
        let shared: f32 = (0..5).map(|at| along[cell * 5 + at] * directions[at * GENES + gene] * (6 - at) as f32).sum();
        if own[cell * GENES + gene] > 0.0 { 1.0 + shared + 0.3 * own[cell * GENES + gene] } else { 0.0 }
    };
    (0..cells).flat_map(|cell| (0..GENES).map(move |gene| value(cell, gene)).collect::<Vec<_>>()).collect()
}

pub(crate) fn genes() -> Vec<String> {
    (0..GENES).map(|gene| format!("gén-{gene}")).collect()
}

/// How a matrix is stored.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Dense,
    Rows,
    Columns,
}

pub(crate) fn cells(place: &Place, name: &str, n: usize, seed: u64, form: Form) -> Cells {
    let values = expression(seed, n);
    let codes: Vec<i8> = (0..n).map(|cell| (cell % 3) as i8).collect();
    let cells = place.cells(name, n).genes(&genes()).categorical("type", &codes, &["T", "B", "NK"], false);
    match form {
        Form::Dense => cells.dense("X", &values),
        Form::Rows => cells.sparse("X", &values, true),
        Form::Columns => cells.sparse("X", &values, false),
    }
}

/// The same cells with the genes in another order, and one more.
fn shuffled(place: &Place, name: &str, n: usize, seed: u64) -> Cells {
    let values = expression(seed, n);
    let order: Vec<usize> = (0..GENES).map(|gene| gene * 7 % GENES).collect();
    let mut names: Vec<String> = order.iter().map(|&gene| genes()[gene].clone()).collect();
    names.insert(3, "nowhere else".into());
    let row = |row: &[f32]| {
        let mut row: Vec<f32> = order.iter().map(|&gene| row[gene]).collect();
        row.insert(3, f32::NAN);
        row
    };
    let values: Vec<f32> = values.chunks_exact(GENES).flat_map(row).collect();
    let codes: Vec<i8> = (0..n).map(|cell| (cell % 3) as i8).collect();
    let cells = place.cells(name, n).genes(&names).categorical("type", &codes, &["T", "B", "NK"], false);
    cells.sparse("X", &values, true)
}

pub(crate) fn request(place: &Place, query: &Cells, reference: Option<&Cells>) -> JointRequest {
    let output = |name: &str| Some(place.outputs().join(name).to_str().unwrap().to_owned());
    JointRequest {
        query: query.path(),
        reference: reference.map(Cells::path),
        output: output("query.zarr"),
        reference_output: reference.and_then(|_| output("reference.zarr")),
        n_comps: Some(4),
        memory: Some("512MiB".into()),
        threads: Some(2),
        layout: Some(LayoutRequest { inner_rows: 16, inner_per_unit: 2, part_rows: 64 }),
        ..JointRequest::default()
    }
}

fn again(request: &JointRequest) -> JointRequest {
    JointRequest { overwrite: Some(true), ..request.clone() }
}

fn scores(place: &Place, key: &str) -> [Vec<f32>; 2] {
    ["reference.zarr", "query.zarr"].map(|name| Mapped::open(&place.outputs().join(name)).matrix(key))
}

/// Every way to compute: by products, by passes, and canonical correlations.
fn ways(request: &JointRequest) -> [JointRequest; 3] {
    let solved = |solver: &str| JointRequest { solver: Some(solver.into()), ..request.clone() };
    [solved("gram"), solved("passes"), JointRequest { method: Some("fast_cca".into()), ..request.clone() }]
}

#[test]
fn outputs_hold_scores_names_columns_and_loadings() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", QUERY, 1, Form::Rows), cells(&place, "reference", REFERENCE, 2, Form::Rows));
    let before = files(&place.inputs());
    let report = joint(&request(&place, &query, Some(&reference))).unwrap();
    assert_eq!(files(&place.inputs()), before, "inputs are not written to");
    assert_eq!((report.n_genes, report.n_comps, report.passes), (GENES as u64, 4, 1));
    assert_eq!((report.use_rep.as_str(), report.solver.as_str()), ("X_pca", "gram"));
    assert_eq!(
        listed(&place.outputs()),
        ["query.zarr", "query.zarr.journal", "reference.zarr", "reference.zarr.journal"]
    );
    let [of_reference, of_query] = scores(&place, "X_pca");
    // Over all cells scores have mean 0 and the variance that was told, and no component is correlated with another.
    let all: Vec<f64> = of_reference.iter().chain(&of_query).map(|&score| f64::from(score)).collect();
    let column = |at: usize| all.iter().copied().skip(at).step_by(4).collect::<Vec<_>>();
    for at in 0..4 {
        let values = column(at);
        assert_eq!(values.len(), QUERY + REFERENCE);
        assert!(values.iter().sum::<f64>().abs() < 1e-3);
        for other in 0..=at {
            let product: f64 = values.iter().zip(column(other)).map(|(a, b)| a * b).sum();
            let expected = if other == at { report.variance[at] } else { 0.0 };
            assert!((product / 190.0 - expected).abs() < 1e-4 * report.variance[0], "{at}, {other}");
        }
    }
    assert!(report.variance.is_sorted_by(|a, b| a > b) && report.variance_ratio.iter().sum::<f64>() < 1.0);
    for (name, cells) in [("query.zarr", &query), ("reference.zarr", &reference)] {
        let (stored, original) = (Mapped::open(&place.outputs().join(name)), Mapped::open(&cells.root));
        assert_eq!(stored.names(), original.names());
        assert_eq!(stored.labels("type"), original.labels("type"));
        assert_eq!(stored.parts[0].gene_names().unwrap(), genes());
        let store = ZarrStore::open(Path::new(stored.parts[0].name())).unwrap();
        assert_eq!(store.array("varm/PCs", Missing::Fill).unwrap().shape(), [GENES as u64, 4]);
        assert_eq!(store.array("uns/pca/variance", Missing::Fill).unwrap().shape(), [4]);
    }
}

#[test]
fn components_do_not_depend_on_how_cells_are_stored() {
    let place = Place::new();
    let reference = cells(&place, "reference", REFERENCE, 2, Form::Dense);
    let forms = [
        cells(&place, "dense", QUERY, 1, Form::Dense),
        cells(&place, "rows", QUERY, 1, Form::Rows),
        cells(&place, "columns", QUERY, 1, Form::Columns),
        shuffled(&place, "shuffled", QUERY, 1),
        place.cells("layer", QUERY).genes(&genes()).dense("layers/counts", &expression(1, QUERY)),
    ];
    let of_layer =
        cells(&place, "of layer", REFERENCE, 2, Form::Dense).dense("layers/counts", &expression(2, REFERENCE));
    for way in ways(&request(&place, &forms[0], Some(&reference))) {
        let key = if way.method.is_some() { "X_cca" } else { "X_pca" };
        joint(&again(&way)).unwrap();
        let expected = scores(&place, key);
        assert!(expected.iter().flatten().all(|score| score.is_finite()));
        for query in &forms[1..4] {
            joint(&again(&JointRequest { query: query.path(), ..way.clone() })).unwrap();
            assert_eq!(scores(&place, key), expected, "{}", query.path());
        }
        let layer = JointRequest {
            query: forms[4].path(),
            reference: Some(of_layer.path()),
            layer: Some("counts".into()),
            ..way.clone()
        };
        joint(&again(&layer)).unwrap();
        assert_eq!(scores(&place, key), expected, "a layer");
    }
}

#[test]
fn threads_memory_and_interruptions_change_no_byte_of_components() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", QUERY, 1, Form::Rows), cells(&place, "reference", REFERENCE, 2, Form::Rows));
    for way in ways(&request(&place, &query, Some(&reference))) {
        let disk = Disk::failing(i64::MAX);
        joint_with(&again(&way), &Progress::silent(), Arc::new(disk.clone())).unwrap();
        let calls = i64::MAX - disk.left();
        let expected = files(&place.outputs());
        for (threads, memory) in [(1, "400MiB"), (8, "2GiB")] {
            let other = JointRequest { threads: Some(threads), memory: Some(memory.into()), ..again(&way) };
            joint(&other).unwrap();
            assert_same(&files(&place.outputs()), &expected, &format!("{threads} threads"));
        }
        for at in (0..calls).step_by((calls / 15 + 1) as usize) {
            let cancel = Cancel::default();
            let disk = Arc::new(Disk::cancelling(at, cancel.clone()));
            if let Err(error) = joint_with(&again(&way), &Progress::new(cancel, None), disk) {
                assert_eq!(error.code(), "GM_CANCELLED", "{error}");
            }
            let resumed = JointRequest { resume: Some(true), ..way.clone() };
            match joint(&resumed) {
                Err(Error::NotFound { .. }) => joint(&way).unwrap(),
                other => other.unwrap(),
            };
            assert_same(&files(&place.outputs()), &expected, &format!("cancelled after {at} of {calls} calls"));
        }
    }
}

#[test]
fn a_full_disk_at_any_call_is_a_typed_error_and_components_are_resumed_to_the_same_bytes() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", QUERY, 1, Form::Rows), cells(&place, "reference", REFERENCE, 2, Form::Rows));
    let way = request(&place, &query, Some(&reference));
    let disk = Disk::failing(i64::MAX);
    joint_with(&way, &Progress::silent(), Arc::new(disk.clone())).unwrap();
    let calls = i64::MAX - disk.left();
    let expected = files(&place.outputs());
    for at in (0..calls).step_by((calls / 25 + 1) as usize) {
        std::fs::remove_dir_all(place.outputs()).unwrap();
        std::fs::create_dir(place.outputs()).unwrap();
        let error = joint_with(&way, &Progress::silent(), Arc::new(Disk::failing(at))).unwrap_err();
        assert_eq!(error.code(), "GM_IO", "{error}");
        // A disk that can no longer remove anything leaves locks; a process that has ended would lose them by itself.
        for lock in
            listed(&place.outputs()).iter().filter(|name| Path::new(name).extension().is_some_and(|e| e == "lock"))
        {
            std::fs::remove_file(place.outputs().join(lock)).unwrap();
        }
        let resumed = JointRequest { resume: Some(true), ..way.clone() };
        match joint(&resumed) {
            Err(Error::NotFound { .. }) => joint(&again(&way)).unwrap(),
            other => other.unwrap(),
        };
        assert_same(&files(&place.outputs()), &expected, &format!("full after {at} of {calls} calls"));
    }
}

#[test]
fn passes_that_were_made_are_not_made_again() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", QUERY, 1, Form::Rows), cells(&place, "reference", REFERENCE, 2, Form::Rows));
    let request = JointRequest { solver: Some("passes".into()), ..request(&place, &query, Some(&reference)) };
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let listener = Box::new(move |event: ProgressEvent| {
        if event.stage == "scores" {
            stop.cancel();
        }
    });
    let error = joint_with(&request, &Progress::new(cancel, Some(listener)), Disk::quick()).unwrap_err();
    assert_eq!(error.code(), "GM_CANCELLED");
    assert!(place.outputs().join("query.zarr.fit").exists());
    let seen: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let told = Arc::clone(&seen);
    let listener = Box::new(move |event: ProgressEvent| {
        if event.stage == "components" {
            told.lock().unwrap().push((event.done, event.total));
        }
    });
    let resumed = JointRequest { resume: Some(true), ..request };
    let report = joint_with(&resumed, &Progress::new(Cancel::default(), Some(listener)), Disk::quick()).unwrap();
    let seen = seen.lock().unwrap();
    assert!(report.passes >= 2 && !seen.is_empty());
    assert!(seen.iter().all(|(done, total)| done == total), "{seen:?}");
    assert!(!place.outputs().join("query.zarr.fit").exists());
    // What is finished is told again without any pass.
    let told = joint(&resumed).unwrap();
    assert_eq!((told.variance, told.run, told.passes), (report.variance, report.run, report.passes));
    let other = JointRequest { n_comps: Some(3), ..resumed };
    assert_eq!(joint(&other).unwrap_err().code(), "GM_STALE");
}

#[test]
fn sums_that_nobody_goes_on_with_are_cleaned_away_and_others_stay() {
    let place = Place::new();
    let query = cells(&place, "query", QUERY, 1, Form::Rows);
    let request = request(&place, &query, None);
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let listener = Box::new(move |event: ProgressEvent| {
        if event.stage == "scores" {
            stop.cancel();
        }
    });
    joint_with(&request, &Progress::new(cancel, Some(listener)), Disk::quick()).unwrap_err();
    let paths = vec![place.outputs().to_str().unwrap().to_owned()];
    let found = |unfinished: bool| {
        let request = CleanRequest { paths: paths.clone(), yes: Some(true), unfinished: Some(unfinished) };
        clean(&request).unwrap().leftovers.into_iter().map(|left| left.kind).collect::<Vec<_>>()
    };
    assert_eq!(found(false), Vec::<String>::new());
    assert!(place.outputs().join("query.zarr.fit").exists());
    assert_eq!(found(true), ["store", "sums"]);
    assert_eq!(listed(&place.outputs()), Vec::<String>::new());
}

#[test]
fn a_mask_chooses_genes_and_one_store_has_components_of_its_own() {
    let place = Place::new();
    let mask: Vec<bool> = (0..GENES).map(|gene| gene % 2 == 0).collect();
    let all = cells(&place, "all", QUERY, 1, Form::Rows).gene_mask("highly_variable", &mask);
    let some: Vec<f32> =
        expression(1, QUERY).chunks_exact(GENES).flat_map(|row| row.iter().copied().step_by(2)).collect();
    let names: Vec<String> = genes().into_iter().step_by(2).collect();
    let half = place.cells("half", QUERY).genes(&names).dense("X", &some);
    let of_half = request(&place, &half, None);
    joint(&of_half).unwrap();
    let expected = Mapped::open(&place.outputs().join("query.zarr")).matrix("X_pca");
    let masked = JointRequest {
        query: all.path(),
        mask_var: Some("highly_variable".into()),
        n_comps: Some(4),
        ..again(&of_half)
    };
    let report = joint(&masked).unwrap();
    assert_eq!((report.n_genes, report.reference_output), (20, None));
    assert_eq!(Mapped::open(&place.outputs().join("query.zarr")).matrix("X_pca"), expected);
    let report = joint(&JointRequest { n_comps: None, ..masked }).unwrap();
    assert_eq!(report.n_comps, 19, "one less than there are genes");
}

#[test]
fn components_that_cannot_be_computed_are_refused_before_anything_is_written() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", QUERY, 1, Form::Rows), cells(&place, "reference", REFERENCE, 2, Form::Rows));
    let request = request(&place, &query, Some(&reference));
    let other = place.cells("other", 3).genes(&["a", "b"]).dense("X", &[1.0, 2.0, 0.0, 1.0, 4.0, 4.0]);
    let twice = place.cells("twice", 3).genes(&["gén-1", "gén-1"]).dense("X", &[1.0, 2.0, 0.0, 1.0, 4.0, 4.0]);
    let bare = place.cells("bare", 3).genes(&genes());
    let narrow = place.cells("narrow", 3).genes(&genes()).dense("X", &[1.0, 2.0, 0.0, 1.0, 4.0, 4.0]);
    let of = |cells: &Cells| JointRequest { query: cells.path(), ..request.clone() };
    let wrong = [
        ("GM_SHAPE", of(&other)),
        ("GM_SCHEMA", of(&twice)),
        ("GM_NOT_FOUND", of(&bare)),
        ("GM_SHAPE", of(&narrow)),
        ("GM_NOT_FOUND", JointRequest { layer: Some("counts".into()), ..request.clone() }),
        ("GM_NOT_FOUND", JointRequest { mask_var: Some("highly_variable".into()), ..request.clone() }),
        ("GM_PARAM", JointRequest { n_comps: Some(41), ..request.clone() }),
        ("GM_PARAM", JointRequest { output: Some(query.path()), ..request.clone() }),
        ("GM_PARAM", JointRequest { reference_output: Some(query.path()), ..request.clone() }),
        ("GM_BUDGET", JointRequest { memory: Some("80MiB".into()), ..request.clone() }),
        ("GM_NOT_FOUND", JointRequest { resume: Some(true), ..request.clone() }),
    ];
    for (code, wrong) in wrong {
        let error = joint(&wrong).unwrap_err();
        assert_eq!(error.code(), code, "{error}: {wrong:?}");
        assert_eq!(listed(&place.outputs()), Vec::<String>::new(), "{wrong:?}");
    }
    let error = joint(&of(&other)).unwrap_err().to_string();
    assert!(error.contains("reference.zarr") && error.contains("other.zarr"), "{error}");
    // What is no number is found when it is met.
    let mut values = expression(1, QUERY);
    values[5 * GENES + 3] = f32::NAN;
    let broken = place.cells("broken", QUERY).genes(&genes()).dense("X", &values);
    let error = joint(&of(&broken)).unwrap_err();
    assert_eq!(error.code(), "GM_SCHEMA");
    let text = error.to_string();
    assert!(text.contains("broken.zarr/X") && text.contains("cell 5") && text.contains("gén-3"), "{text}");
}

#[test]
fn a_plan_tells_what_components_take_and_needs_no_outputs() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", QUERY, 1, Form::Rows), cells(&place, "reference", REFERENCE, 2, Form::Rows));
    for way in ways(&request(&place, &query, Some(&reference))) {
        let planned = plan_joint(&JointRequest { output: None, reference_output: None, ..way.clone() }).unwrap();
        assert_eq!(listed(&place.outputs()), Vec::<String>::new(), "a plan writes nothing");
        let report = joint(&way).unwrap();
        assert_eq!((planned.n_genes, planned.n_comps, &planned.solver), (GENES as u64, 4, &report.solver));
        assert_eq!((&planned.memory, planned.disk_bytes), (&report.memory, report.disk_bytes));
        assert_eq!((&planned.run, &planned.outputs), (&report.run, &report.stored));
        assert!(planned.read_bytes > 0 && planned.estimated_seconds > 0.0);
        assert_eq!(plan_joint(&way).unwrap_err().code(), "GM_EXISTS");
        std::fs::remove_dir_all(place.outputs()).unwrap();
        std::fs::create_dir(place.outputs()).unwrap();
        let small = JointRequest { memory: Some("70MiB".into()), ..way };
        assert_eq!(plan_joint(&small).unwrap_err().code(), "GM_BUDGET");
    }
}

#[test]
fn compressed_components_are_the_same_values() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", QUERY, 1, Form::Rows), cells(&place, "reference", REFERENCE, 2, Form::Rows));
    let plain = request(&place, &query, Some(&reference));
    joint(&plain).unwrap();
    let expected = scores(&place, "X_pca");
    let codecs = || std::fs::read_to_string(place.outputs().join("query.zarr/dataset_0/obsm/X_pca/zarr.json")).unwrap();
    assert!(!codecs().contains("blosc"));
    joint(&JointRequest { profile: Some("compact".into()), ..again(&plain) }).unwrap();
    assert!(codecs().contains("blosc"));
    assert_eq!(scores(&place, "X_pca"), expected);
}
