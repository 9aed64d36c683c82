//! Neighbours of other batches than a cell's own: what is found is what mapping onto the other batches finds, batch by batch.

use std::path::Path;
use std::sync::{Arc, Mutex};

use gigamapper_core::pipeline::{
    DiffuseRequest, MapRequest, TransferRequest, plan, plan_diffuse, run_with, transfer_with,
};
use gigamapper_core::progress::{Cancel, Progress, ProgressEvent};

use super::disk::assert_same;
use super::mapped::Mapped;
use super::sample::{Place, map, quick, sample};
use super::transfer::{along, content, text};

const KEY: &str = "cell type";
const LABELS: [&str; 4] = ["T", "B", "NK", "größer"];

/// The label of each cell of a sample; none where it is missing.
fn label(cell: usize) -> Option<&'static str> {
    [Some("T"), Some("NK"), Some("B"), Some("NK"), None, Some("T"), Some("größer")][cell % 7]
}

fn with(request: &MapRequest, method: &str) -> MapRequest {
    let lists = (method != "exact").then_some(8);
    MapRequest {
        method: Some(method.into()),
        nlist: lists,
        nprobe: lists,
        obs_keys: Some(vec!["flag".into()]),
        overwrite: Some(true),
        kernel_method: Some("gauss".into()),
        ..request.clone()
    }
}

fn found(place: &Place, request: &MapRequest) -> (Vec<i64>, Vec<u32>, usize) {
    map(request).unwrap();
    let found = Mapped::open(&place.output()).neighbors();
    (found.ids, found.distances.iter().map(|distance| distance.to_bits()).collect(), found.k)
}

#[test]
fn neighbors_are_those_of_a_reference_without_the_batch() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 120), sample(&place, "ref", 190));
    for (method, own) in [("exact", false), ("exact", true), ("ivf", false), ("ivf", true), ("ivfpq", false)] {
        let n = if own { 190 } else { 120 };
        let base = place.request(if own { &reference } else { &query }, (!own).then_some(&reference));
        let excluding = MapRequest { exclude_batch: Some(KEY.into()), ..with(&base, method) };
        let (ids, distances, k) = found(&place, &excluding);
        assert_eq!(ids.len(), n * k);
        let (others, at, _) = found(&place, &with(&base, method));
        assert!(ids != others, "{method}: nothing was excluded");
        // What is of no batch excludes nothing.
        for cell in (0..n).filter(|&cell| label(cell).is_none()) {
            let slots = cell * k..(cell + 1) * k;
            assert_eq!(
                (&ids[slots.clone()], &distances[slots.clone()]),
                (&others[slots.clone()], &at[slots]),
                "{method}"
            );
        }
        let is_own = |cell: usize, id: i64| id >= 0 && label(cell).is_some() && label(cell) == label(id as usize);
        assert!(!(0..n * k).any(|slot| is_own(slot / k, ids[slot])), "{method}");
        // Codes may lose a neighbor, whatever is excluded.
        for batch in LABELS.into_iter().filter(|_| method != "ivfpq") {
            let apart = MapRequest {
                reference: Some(reference.path()),
                query_where: Some(format!("`{KEY}` == \"{batch}\"")),
                reference_where: Some(format!("`{KEY}` != \"{batch}\" or `{KEY}` is missing")),
                n_neighbors: Some(k as i64),
                ..with(&base, "exact")
            };
            let (expected, far, width) = found(&place, &apart);
            assert_eq!(width, k);
            let kept: Vec<i64> = (0..190).filter(|&cell| label(cell) != Some(batch)).map(|cell| cell as i64).collect();
            let cells: Vec<usize> = (0..n).filter(|&cell| label(cell) == Some(batch)).collect();
            assert_eq!(expected.len(), cells.len() * k);
            for (row, cell) in cells.into_iter().enumerate() {
                let theirs: Vec<i64> = expected[row * k..(row + 1) * k]
                    .iter()
                    .map(|&id| usize::try_from(id).map_or(-1, |id| kept[id]))
                    .collect();
                assert_eq!(ids[cell * k..(cell + 1) * k], theirs, "{method}, own {own}, {batch}, cell {cell}");
                assert_eq!(
                    distances[cell * k..(cell + 1) * k],
                    far[row * k..(row + 1) * k],
                    "{method}, {batch}, {cell}"
                );
            }
        }
    }
}

#[test]
fn it_has_one_result_and_is_part_of_the_run() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 120), sample(&place, "ref", 190));
    let base = MapRequest { exclude_batch: Some(KEY.into()), ..with(&place.request(&query, Some(&reference)), "ivf") };
    let recall = MapRequest { nprobe: None, recall: Some(0.9), ..base.clone() };
    let first = found(&place, &recall);
    for (threads, memory) in [(1, "256MiB"), (2, "1GiB")] {
        let other = MapRequest { threads: Some(threads), memory: Some(memory.into()), ..recall.clone() };
        assert_eq!(found(&place, &other), first);
    }
    let plain = plan(&MapRequest { exclude_batch: None, ..base.clone() }).unwrap();
    let excluding = plan(&base).unwrap();
    assert_ne!(plain.run, excluding.run);
    assert!(excluding.memory.parts.contains_key("batches") && !plain.memory.parts.contains_key("batches"));
}

#[test]
fn what_cannot_be_is_refused_before_work() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 120), sample(&place, "ref", 190));
    let base = MapRequest { exclude_batch: Some(KEY.into()), ..place.request(&query, Some(&reference)) };
    let code = |request: MapRequest| plan(&request).err().map(|error| error.code());
    assert_eq!(code(base.clone()), None);
    assert_eq!(code(MapRequest { exclude_batch: Some("score".into()), ..base.clone() }), Some("GM_UNSUPPORTED"));
    assert_eq!(code(MapRequest { exclude_batch: Some("nothing".into()), ..base.clone() }), Some("GM_NOT_FOUND"));
    let lists = |request: MapRequest| MapRequest { method: Some("ivf".into()), nlist: Some(8), ..request };
    assert_eq!(code(lists(MapRequest { order: Some("lists".into()), ..base.clone() })), Some("GM_UNSUPPORTED"));
    assert_eq!(code(lists(MapRequest { repair: Some("always".into()), ..base.clone() })), Some("GM_UNSUPPORTED"));
    assert_eq!(code(MapRequest { kernel_method: Some("jaccard".into()), ..base }), Some("GM_UNSUPPORTED"));
}

#[test]
fn a_cell_of_an_excluded_batch_does_not_vote_for_itself_unless_it_is_asked_to() {
    let place = Place::new();
    let cells = sample(&place, "cells", 190);
    let mapping = MapRequest {
        exclude_batch: Some(KEY.into()),
        output: Some(text(&place.inputs().join("mapped.zarr"))),
        ..with(&place.request(&cells, None), "exact")
    };
    assert!(!map(&mapping).unwrap().plan.parameters.self_edges);
    let found = Path::new(mapping.output.as_ref().unwrap());
    let confidence = |path: &Path| Mapped::open(path).numbers("flag_conf");
    let asked = MapRequest { self_edges: Some(true), output: Some(text(&place.output())), ..mapping.clone() };
    map(&asked).unwrap();
    assert_ne!(confidence(found), confidence(&place.output()));
    // Nor along the neighbors that were found so.
    let transfer = along(text(found), &mapping, &place.output());
    transfer_with(&transfer, &Progress::silent(), &quick()).unwrap();
    assert_same(&content(&place.output()), &content(found), "along");
    // Nor along what was taken over from there.
    let (first, second) = (place.outputs().join("first.zarr"), place.outputs().join("second.zarr"));
    std::fs::rename(place.output(), &first).unwrap();
    std::fs::remove_dir_all(place.outputs().join("mapped.zarr.journal")).unwrap();
    let again = TransferRequest { neighbors: text(&first), output: Some(text(&second)), ..transfer.clone() };
    let report = transfer_with(&again, &Progress::silent(), &quick()).unwrap();
    assert_eq!(report.plan.parameters.exclude_batch.as_deref(), Some(KEY));
    assert_same(&content(&second), &content(found), "along what was taken over");
    let diffused = DiffuseRequest {
        neighbors: text(&second),
        query: cells.path(),
        obs_keys: Some(vec!["score".into()]),
        ..DiffuseRequest::default()
    };
    assert!(!plan_diffuse(&diffused).unwrap().parameters.self_edges);
    let asked = TransferRequest { self_edges: Some(true), ..transfer };
    transfer_with(&asked, &Progress::silent(), &quick()).unwrap();
    assert_ne!(confidence(found), confidence(&place.output()));
}

#[test]
fn an_index_is_built_before_batches_are_in_memory() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 120), sample(&place, "ref", 190));
    let base = MapRequest { exclude_batch: Some(KEY.into()), ..with(&place.request(&query, Some(&reference)), "ivf") };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let stages = Arc::clone(&seen);
    let listener = Box::new(move |event: ProgressEvent| stages.lock().unwrap().push(event.stage));
    run_with(&base, &Progress::new(Cancel::default(), Some(listener)), quick()).unwrap();
    let seen = seen.lock().unwrap();
    let first = |stage: &str| seen.iter().position(|seen| seen == stage).unwrap();
    assert!(first("seal") < first("batches") && first("batches") < first("calibrate"), "{seen:?}");
}
