//! Mappings whose representation is cut, or computed because none is named and none is stored.

use std::sync::Arc;

use gigamapper_core::error::Error;
use gigamapper_core::pipeline::{JointRequest, MapRequest, Seams, plan, run_with};
use gigamapper_core::progress::{Cancel, Progress};
use gigamapper_core::source::AnnDataStore;
use gigamapper_core::types::{RowRange, Tile};

use super::cells::Cells;
use super::disk::{Disk, assert_same, files, listed};
use super::joint::{Form, QUERY, REFERENCE, cells, joint, request};
use super::mapped::Mapped;
use super::sample::{Place, map, noise, quick};

/// A mapping that names no representation.
fn mapping(place: &Place, query: &Cells, reference: Option<&Cells>) -> MapRequest {
    MapRequest {
        obs_keys: Some(vec!["type".into()]),
        n_comps: Some(4),
        memory: Some("512MiB".into()),
        ..place.request(query, reference)
    }
}

fn neighbors(place: &Place) -> (Vec<i64>, Vec<u32>, Vec<String>) {
    let mapped = Mapped::open(&place.output());
    let block = mapped.neighbors();
    (block.ids, block.distances.iter().map(|distance| distance.to_bits()).collect(), mapped.labels("type_pred"))
}

#[test]
fn a_mapping_without_a_representation_computes_one_and_says_so() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", QUERY, 1, Form::Rows), cells(&place, "reference", REFERENCE, 2, Form::Rows));
    for (with, fallback) in [(Some(&reference), "joint_pca"), (Some(&reference), "fast_cca"), (None, "joint_pca")] {
        let way = JointRequest { method: Some(fallback.into()), ..request(&place, &query, with) };
        let made = joint(&way).unwrap();
        let stored = MapRequest {
            query: made.output.clone(),
            reference: made.reference_output.clone(),
            use_rep: Some(made.use_rep.clone()),
            n_comps: None,
            ..mapping(&place, &query, with)
        };
        assert_eq!(map(&stored).unwrap().warnings, Vec::<String>::new());
        let expected = neighbors(&place);
        std::fs::remove_dir_all(place.outputs()).unwrap();
        std::fs::create_dir(place.outputs()).unwrap();

        let unnamed = MapRequest { fallback_representation: Some(fallback.into()), ..mapping(&place, &query, with) };
        let planned = plan(&unnamed).unwrap();
        assert_eq!(listed(&place.outputs()), Vec::<String>::new(), "a plan writes nothing");
        let report = map(&unnamed).unwrap();
        assert_eq!(neighbors(&place), expected, "{fallback}");
        assert!(report.warnings[0].starts_with("No representation provided (`use_rep=None`)"), "{:?}", report.warnings);
        assert_eq!((&planned.run, &planned.warnings), (&report.plan.run, &report.warnings));
        assert_eq!(listed(&place.outputs()), ["mapped.zarr", "mapped.zarr.journal"]);
        std::fs::remove_dir_all(place.outputs()).unwrap();
        std::fs::create_dir(place.outputs()).unwrap();
    }
}

#[test]
fn a_mapping_that_computes_its_representation_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", QUERY, 1, Form::Rows), cells(&place, "reference", REFERENCE, 2, Form::Rows));
    let request = mapping(&place, &query, Some(&reference));
    // A kernel of shared neighbours needs the representation for graphs of its own.
    for kernel in ["gauss", "jaccard"] {
        let request = MapRequest { kernel_method: Some(kernel.into()), overwrite: Some(true), ..request.clone() };
        let disk = Disk::failing(i64::MAX);
        run_with(&request, &Progress::silent(), Seams { vfs: Arc::new(disk.clone()), ..quick() }).unwrap();
        let calls = i64::MAX - disk.left();
        let expected = files(&place.outputs());
        let resumed = MapRequest { overwrite: None, resume: Some(true), ..request.clone() };
        for at in (0..calls).step_by((calls / 12 + 1) as usize) {
            std::fs::remove_dir_all(place.outputs()).unwrap();
            std::fs::create_dir(place.outputs()).unwrap();
            let cancel = Cancel::default();
            let vfs = Arc::new(Disk::cancelling(at, cancel.clone()));
            if let Err(error) = run_with(&request, &Progress::new(cancel, None), Seams { vfs, ..quick() }) {
                assert_eq!(error.code(), "GM_CANCELLED", "{error}");
            }
            match map(&resumed) {
                Err(Error::NotFound { .. }) => map(&request).unwrap(),
                other => other.unwrap(),
            };
            assert_same(&files(&place.outputs()), &expected, &format!("{kernel}: cancelled after {at} of {calls}"));
        }
        map(&resumed).unwrap();
        assert_same(&files(&place.outputs()), &expected, "resumed when it was finished");
    }
}

#[test]
fn a_computed_representation_is_counted_once_by_whatever_needs_it() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", QUERY, 1, Form::Rows), cells(&place, "reference", REFERENCE, 2, Form::Rows));
    let made = joint(&request(&place, &query, Some(&reference))).unwrap();
    let by = |kernel: &str, stored: bool| {
        let request = MapRequest { kernel_method: Some(kernel.into()), ..mapping(&place, &query, Some(&reference)) };
        let stored = stored.then(|| MapRequest {
            query: made.output.clone(),
            reference: made.reference_output.clone(),
            n_comps: None,
            ..request.clone()
        });
        plan(&MapRequest { output: None, ..stored.unwrap_or(request) }).unwrap()
    };
    let [computed, stored] = [false, true].map(|stored| ["gauss", "jaccard"].map(|kernel| by(kernel, stored)));
    let bytes = |at: usize| computed[at].search.run_bytes - stored[at].search.run_bytes;
    assert!(bytes(0) > 0 && bytes(0) == bytes(1), "{} and {}", bytes(0), bytes(1));
    for computed in &computed {
        let warned = computed.warnings.iter().filter(|warning| warning.starts_with("No representation"));
        assert_eq!(warned.count(), 1, "{}", computed.parameters.kernel_method);
    }
    // What the graphs of shared neighbours cost besides is the same.
    let seconds =
        |[gauss, jaccard]: &[gigamapper_core::pipeline::Plan; 2]| jaccard.estimated_seconds - gauss.estimated_seconds;
    assert!((seconds(&computed) - seconds(&stored)).abs() < 1e-3, "{} {}", seconds(&computed), seconds(&stored));
}

#[test]
fn components_of_a_stored_representation_are_cut_on_request_only() {
    let place = Place::new();
    let (wide, narrow) = (noise(3, 60 * 5), noise(4, 90 * 5));
    let first = |values: &[f32]| values.chunks_exact(5).flat_map(|row| row[..2].to_vec()).collect::<Vec<_>>();
    let query = place.cells("query", 60).embedding("X_pca", 5, &wide).embedding("two", 2, &first(&wide));
    let reference = place.cells("reference", 90).embedding("X_pca", 5, &narrow).embedding("two", 2, &first(&narrow));
    let found = |request: &MapRequest| {
        let report = map(&MapRequest { overwrite: Some(true), ..request.clone() }).unwrap();
        (Mapped::open(&place.output()).neighbors(), report.plan.query.dim)
    };
    let request = place.request(&query, Some(&reference));
    let two = found(&MapRequest { use_rep: Some("two".into()), ..request.clone() });
    assert_eq!(found(&MapRequest { n_comps: Some(2), ..request.clone() }), two);
    assert_eq!(found(&request).1, 5, "whole unless that is asked for");
    assert_eq!(found(&MapRequest { n_comps: Some(50), ..request.clone() }).1, 5);
    let error = map(&MapRequest { n_comps: Some(0), ..request }).unwrap_err();
    assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some("nComps")));
    let mut tile = Tile::default();
    let store = AnnDataStore::open(&query.root).unwrap();
    store.representation("X_pca").unwrap().read(RowRange::new(0, 1), &mut tile).unwrap();
    assert_eq!(tile.values, wide[..5]);
}

#[test]
fn a_mapping_that_cannot_compute_a_representation_is_refused_before_anything_is_written() {
    let place = Place::new();
    let (query, reference) =
        (cells(&place, "query", QUERY, 1, Form::Rows), cells(&place, "reference", REFERENCE, 2, Form::Rows));
    let other = place.cells("other", 30).genes(&["a", "b"]).dense("X", &noise(1, 60));
    let represented = place.cells("represented", 30).embedding("X_pca", 4, &noise(1, 120));
    let request = mapping(&place, &query, Some(&reference));
    let wrong = [
        ("GM_SHAPE", mapping(&place, &other, Some(&reference))),
        // One of them has it: that the other has not is no reason to compute what is not comparable.
        ("GM_NOT_FOUND", mapping(&place, &represented, Some(&reference))),
        ("GM_NOT_FOUND", MapRequest { use_rep: Some("X_pca".into()), ..request.clone() }),
        ("GM_NOT_FOUND", MapRequest { obs_keys: Some(vec!["nothing".into()]), ..request.clone() }),
        ("GM_PARAM", MapRequest { n_comps: Some(41), ..request.clone() }),
        ("GM_PARAM", MapRequest { fallback_representation: Some("svd".into()), ..request.clone() }),
        ("GM_BUDGET", MapRequest { memory: Some("100MiB".into()), ..request.clone() }),
        ("GM_NOT_FOUND", MapRequest { resume: Some(true), ..request }),
    ];
    for (code, wrong) in wrong {
        let error = map(&wrong).unwrap_err();
        assert_eq!(error.code(), code, "{error}: {wrong:?}");
        assert_eq!(listed(&place.outputs()), Vec::<String>::new(), "{wrong:?}");
    }
}
