//! The reference's own graph in its index: what is kept, and mappings of other cells that are repaired by it.

use std::path::Path;
use std::sync::Arc;

use gigamapper_core::distance::{Lane, exact_distance};
use gigamapper_core::error::Error;
use gigamapper_core::pipeline::{
    IndexReport, IndexRequest, MapRequest, RunReport, Seams, build_index, build_index_with, describe_index, plan,
    plan_index, run_with,
};
use gigamapper_core::progress::{Cancel, Progress};
use gigamapper_core::types::NeighborBlock;
use xxhash_rust::xxh3::xxh3_64;

use super::cells::Cells;
use super::clusters::{by_lists, clustered, index_of, with_gaps};
use super::disk::{Disk, assert_same, files, listed};
use super::ivf_interruption::{clear_first, disturbed_anywhere};
use super::mapped::Mapped;
use super::sample::{Place, map, output, quick};

const DIM: usize = 9;

/// A request for the index of a store with so many neighbours of each row.
fn keeping(place: &Place, reference: &Cells, kept: i64, nlist: i64) -> IndexRequest {
    IndexRequest {
        reference: reference.path(),
        output: Some(place.inputs().join("kept.gmx").to_str().unwrap().into()),
        nlist: Some(nlist),
        keep_graph: Some(kept),
        memory: Some("256MiB".into()),
        threads: Some(2),
        training: Some("brief".into()),
        ..IndexRequest::default()
    }
}

fn built(request: &IndexRequest) -> IndexReport {
    build_index_with(request, &Progress::silent(), &quick()).unwrap()
}

/// A mapping by the index that was built.
fn by_graph(place: &Place, query: &Cells, reference: &Cells, index: &IndexRequest) -> MapRequest {
    MapRequest {
        index: index.output.clone(),
        nlist: None,
        repair: Some("always".into()),
        overwrite: Some(true),
        ..by_lists(place, query, Some(reference), 1)
    }
}

/// `graph.bin`, read as `docs/formats/gmx.md` describes it.
fn graph(index: &IndexRequest, n: usize) -> Vec<Vec<i64>> {
    let bytes = std::fs::read(Path::new(index.output.as_deref().unwrap()).join("graph.bin")).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let kept = index.keep_graph.unwrap() as usize;
    assert_eq!((&bytes[..8], &bytes[8..16]), (&b"GMGRAPHS"[..], &(n as u64).to_le_bytes()[..]));
    assert_eq!((number(16), number(20)), (kept as u32, 4));
    let (mut rows, mut at) = (Vec::new(), 24);
    while rows.len() < n {
        let block = (n - rows.len()).min(4096) * kept * 4;
        let values = &bytes[at..at + block];
        assert_eq!(bytes[at + block..at + block + 8], xxh3_64(values).to_le_bytes());
        at += block + 8;
        rows.extend(values.chunks_exact(kept * 4).map(|row| {
            let ids = row.as_chunks().0.iter().map(|id| u32::from_le_bytes(*id));
            ids.map(|id| if id == u32::MAX { -1 } else { i64::from(id) }).collect()
        }));
    }
    assert_eq!(at, bytes.len());
    rows
}

fn rows_of(cells: &Cells, f16: bool) -> Vec<f32> {
    let rows = Mapped::open(Path::new(&cells.path())).matrix("X_pca");
    if f16 { rows.into_iter().map(|value| half::f16::from_f32(value).to_f32()).collect() } else { rows }
}

#[test]
fn the_first_neighbors_of_every_row_are_kept_and_told_of() {
    let place = Place::new();
    let cells = with_gaps(&place, "cells", 5000, DIM, 3);
    let request = keeping(&place, &cells, 6, 40);
    let planned = plan_index(&request).unwrap();
    let report = built(&request);
    assert_eq!((planned.parameters.keep_graph, report.rows), (Some(6), 5000));
    assert!(report.bytes <= planned.disk_bytes && planned.run_bytes > 5000 * 6 * 8, "{planned:?}");
    assert!(report.stages.iter().any(|stage| stage.stage == "graph"), "{report:?}");
    assert_eq!(listed(&place.inputs()), ["cells.zarr", "kept.gmx"]);
    let index = Path::new(request.output.as_deref().unwrap());
    let described = describe_index(index).unwrap();
    assert_eq!((described.keep_graph, described.format_version, described.generation), (Some(6), 4, 1));
    let without = index_of(&place, &cells, "without.gmx", 40);
    let (plain, all) = (files(Path::new(&without)), files(index));
    for (name, bytes) in plain.iter().filter(|(name, _)| *name != "manifest.json") {
        assert!(all[name] == *bytes, "{name}");
    }
    assert_eq!(describe_index(Path::new(&without)).unwrap().format_version, 1);

    // What a self-mapping finds at the same recall, and hardly less than there is.
    let own = MapRequest { n_neighbors: Some(7), recall: Some(0.95), ..by_lists(&place, &cells, None, 40) };
    map(&own).unwrap();
    let found = Mapped::open(output(&own)).neighbors();
    let graph = graph(&request, 5000);
    for (row, kept) in graph.iter().enumerate() {
        let (there, none) = kept.split_at(found.row(row).0.len());
        assert_eq!(there, found.row(row).0, "row {row}");
        assert!(none.iter().all(|id| *id == -1), "row {row}: {kept:?}");
    }
    assert_eq!(graph[9], [-1; 6], "a row that is not finite has no neighbors");

    // An index that was built before gets its graph when the build is resumed.
    let later = IndexRequest { output: Some(without.clone()), resume: Some(true), ..request.clone() };
    built(&later);
    assert_same(&files(Path::new(&without)), &all, "resumed");
    let nothing = built(&later);
    assert!(nothing.stages.iter().all(|stage| stage.stage != "join"), "{nothing:?}");
    assert_eq!(listed(&place.inputs()), ["cells.zarr", "kept.gmx", "without.gmx"]);
}

/// What a repair by the kept graph is, in a plain loop.
fn repaired(
    (queries, references): (&[f32], &[f32]),
    before: &NeighborBlock,
    graph: &[Vec<i64>],
    (r1, r2): (usize, usize),
) -> Vec<Vec<(f32, i64)>> {
    let of = |query: usize| {
        let known = before.row(query).0.iter().copied().filter(|id| *id >= 0);
        let theirs = known.clone().take(r2).flat_map(|id| graph[id as usize].iter().take(r1).copied());
        let mut all: Vec<i64> = known.chain(theirs).filter(|id| *id >= 0).collect();
        all.sort_unstable();
        all.dedup();
        let query = &queries[query * DIM..(query + 1) * DIM];
        let row = |id: i64| &references[id as usize * DIM..(id as usize + 1) * DIM];
        let mut all: Vec<_> = all.into_iter().map(|id| (exact_distance(query, row(id)), id)).collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        all.truncate(before.k);
        all
    };
    (0..before.rows()).map(of).collect()
}

#[test]
fn other_cells_are_repaired_by_the_kept_graph_as_the_definition_says() {
    let place = Place::new();
    let (query, reference) = (with_gaps(&place, "query", 700, DIM, 1), with_gaps(&place, "reference", 5000, DIM, 2));
    for (kept, dtype, order) in [(16, "f32", "rows"), (5, "f16", "lists")] {
        let index = IndexRequest {
            list_dtype: Some(dtype.into()),
            overwrite: Some(true),
            ..keeping(&place, &reference, kept, 48)
        };
        built(&index);
        let request =
            MapRequest { nprobe: Some(2), order: Some(order.into()), ..by_graph(&place, &query, &reference, &index) };
        let plain = map(&MapRequest { repair: Some("never".into()), ..request.clone() }).unwrap();
        let before = Mapped::open(output(&request)).neighbors();
        let report = map(&request).unwrap();
        let hop = report.recall.repair.unwrap();
        assert_eq!((hop.r1, hop.r2), (12.min(kept as usize), 12));
        assert!(report.recall.measured > plain.recall.measured, "{:?}, {:?}", report.recall, plain.recall);
        let rows = (&*rows_of(&query, false), &*rows_of(&reference, dtype == "f16"));
        let expected = repaired(rows, &before, &graph(&index, 5000), (hop.r1, hop.r2));
        let found = Mapped::open(output(&request)).neighbors();
        for (row, expected) in expected.iter().enumerate() {
            let (ids, distances) = found.row(row);
            let found: Vec<_> = distances.iter().copied().zip(ids.iter().copied()).filter(|(_, id)| *id >= 0).collect();
            assert_eq!(&found, expected, "row {row} of {dtype} lists");
        }
        assert!(found.ids != before.ids);
    }
}

#[test]
fn a_repair_by_the_kept_graph_has_one_result_however_it_is_carried_out() {
    let place = Place::new();
    let (query, reference) = (with_gaps(&place, "query", 700, DIM, 1), with_gaps(&place, "reference", 5000, DIM, 2));
    let index = keeping(&place, &reference, 16, 48);
    built(&index);
    let request = MapRequest { recall: Some(0.97), ..by_graph(&place, &query, &reference, &index) };
    let first = map(&request).unwrap();
    assert!(first.recall.repair.is_some() && first.recall.low > 0.9, "{:?}", first.recall);
    let expected = files(output(&request));
    let check = |what: &str, request: &MapRequest, seams: Seams| {
        let report: RunReport = run_with(request, &Progress::silent(), seams).unwrap();
        assert_same(&files(output(request)), &expected, what);
        assert_eq!((&report.recall, &report.label_agreement), (&first.recall, &first.label_agreement), "{what}");
    };
    for order in ["rows", "lists"] {
        let again = place.outputs().join(order).with_extension("zarr").to_str().unwrap().to_owned();
        let request = MapRequest { order: Some(order.into()), output: Some(again), ..request.clone() };
        for (block, slab) in [(1, 999), (300, 4097), (700, 6000)] {
            let seams = Seams { block_rows: Some(block), slab_rows: Some(slab), run_rows: Some(77), ..quick() };
            check(&format!("{order}, blocks of {block}, slabs of {slab}"), &request, seams);
        }
        for (threads, memory, io) in [(1, "120MiB", "pread"), (8, "1GiB", "mmap")] {
            let (memory, io) = (Some(memory.into()), Some(io.into()));
            check(order, &MapRequest { threads: Some(threads), memory, io, ..request.clone() }, quick());
        }
        for lane in Lane::available() {
            check(&format!("{lane:?}"), &request, Seams { lane, ..quick() });
        }
    }
}

#[test]
fn every_metric_and_codes_are_repaired_by_the_kept_graph() {
    let place = Place::new();
    let (query, reference) = (with_gaps(&place, "query", 400, DIM, 1), with_gaps(&place, "reference", 3000, DIM, 2));
    for (method, metric) in [("ivf", "cosine"), ("ivf", "inner_product"), ("ivfpq", "sqeuclidean")] {
        let (method, metric) = (Some(method.into()), Some(metric.into()));
        let index = IndexRequest { method, metric, overwrite: Some(true), ..keeping(&place, &reference, 12, 32) };
        built(&index);
        let request = MapRequest {
            method: index.method.clone(),
            metric: index.metric.clone(),
            obs_keys: None,
            nprobe: Some(1),
            ..by_graph(&place, &query, &reference, &index)
        };
        let never = map(&MapRequest { repair: Some("never".into()), ..request.clone() }).unwrap();
        let always = map(&request).unwrap();
        assert!(always.recall.measured > never.recall.measured, "{:?}, {:?}", always.recall, never.recall);
        let whole = files(output(&request));
        run_with(&request, &Progress::silent(), Seams { slab_rows: Some(700), ..quick() }).unwrap();
        assert_same(&files(output(&request)), &whole, metric_name(&request));
    }
}

fn metric_name(request: &MapRequest) -> &str {
    request.metric.as_deref().unwrap_or("euclidean")
}

#[test]
fn small_references_and_empty_queries_are_repaired() {
    let place = Place::new();
    let (query, none) = (clustered(&place, "query", 30, DIM, 1), clustered(&place, "none", 0, DIM, 1));
    for n in [1, 2, 40] {
        let reference = clustered(&place, &format!("reference{n}"), n, DIM, 5);
        let index = IndexRequest { overwrite: Some(true), ..keeping(&place, &reference, 8, 1) };
        built(&index);
        assert!(graph(&index, n).iter().all(|row| row.iter().filter(|id| **id >= 0).count() == 8.min(n - 1)));
        for query in [&query, &none] {
            let request = by_graph(&place, query, &reference, &index);
            assert_eq!(map(&request).unwrap().recall.measured, 1.0, "{n}");
        }
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written_and_says_what_to_do() {
    let place = Place::new();
    let (query, reference) = (clustered(&place, "query", 60, DIM, 1), clustered(&place, "reference", 900, DIM, 2));
    let without = index_of(&place, &reference, "without.gmx", 8);
    for request in [
        by_lists(&place, &query, Some(&reference), 8),
        MapRequest { index: Some(without.clone()), nlist: None, ..by_lists(&place, &query, Some(&reference), 8) },
    ] {
        let error = map(&MapRequest { repair: Some("always".into()), ..request }).unwrap_err();
        assert!(
            matches!(&error, Error::Unsupported { remedy, .. } if remedy.contains("index --keep-graph")),
            "{error:?}"
        );
    }
    assert_eq!(listed(&place.outputs()), Vec::<String>::new());
    let index = keeping(&place, &reference, 8, 8);
    built(&index);
    let append = IndexRequest { append: Some(true), nlist: None, keep_graph: None, ..index.clone() };
    let before = files(Path::new(index.output.as_deref().unwrap()));
    for request in [append.clone(), IndexRequest { keep_graph: Some(8), ..append }] {
        assert_eq!(plan_index(&request).unwrap_err().code(), "GM_UNSUPPORTED");
        assert_eq!(build_index(&request, &Progress::silent()).unwrap_err().code(), "GM_UNSUPPORTED");
    }
    assert_same(&files(Path::new(index.output.as_deref().unwrap())), &before, "refused");
    let plain = IndexRequest { output: Some(without), append: Some(true), nlist: None, ..index.clone() };
    assert!(matches!(plan_index(&plain).unwrap_err(), Error::Param { name, .. } if name == "keepGraph"));
    let little = IndexRequest { memory: Some("80MiB".into()), keep_graph: Some(64), ..index.clone() };
    let error = plan_index(&IndexRequest { overwrite: Some(true), ..little }).unwrap_err();
    assert_eq!(error.code(), "GM_BUDGET");

    // The graph is part of what the index is, and so of what a run is.
    let request = by_graph(&place, &query, &reference, &index);
    let run = |repair: &str| plan(&MapRequest { repair: Some(repair.into()), ..request.clone() }).unwrap().run;
    assert_ne!(run("always"), run("never"));
    assert_eq!(run("auto"), run("never"), "so few cells are repaired only if that is asked for");
}

#[test]
fn a_build_with_a_graph_is_resumed_to_the_same_bytes_wherever_it_stops() {
    let place = Place::new();
    let reference = with_gaps(&place, "reference", 900, DIM, 2);
    let index = keeping(&place, &reference, 6, 12);
    let path = Path::new(index.output.as_deref().unwrap());
    let disk = Disk::failing(i64::MAX);
    build_index_with(&index, &Progress::silent(), &Seams { vfs: Arc::new(disk.clone()), ..quick() }).unwrap();
    let (calls, expected, points) = (i64::MAX - disk.left(), files(path), 29);
    let (mut cancelled, mut whole) = (0, 0);
    for point in 0..points {
        let at = calls * point / points;
        for failing in [false, true] {
            std::fs::remove_dir_all(path).unwrap();
            let cancel = Cancel::default();
            let disk = if failing { Disk::failing(at) } else { Disk::cancelling(at, cancel.clone()) };
            let seams = Seams { vfs: Arc::new(disk), ..quick() };
            if let Err(error) = build_index_with(&index, &Progress::new(cancel, None), &seams) {
                assert_eq!(error.code(), if failing { "GM_IO" } else { "GM_CANCELLED" }, "{error}");
                cancelled += usize::from(!failing);
            }
            // Nothing but an index that is whole can be opened, with a graph or without.
            whole += usize::from(describe_index(path).is_ok_and(|index| index.keep_graph.is_none()));
            for name in
                listed(&place.inputs()).iter().filter(|name| Path::new(name).extension().is_some_and(|e| e == "lock"))
            {
                std::fs::remove_file(place.inputs().join(name)).unwrap();
            }
            let again =
                IndexRequest { resume: Some(true), threads: Some(1), memory: Some("1GiB".into()), ..index.clone() };
            built(&again);
            assert_same(&files(path), &expected, &format!("stopped after {at} of {calls} calls"));
            assert_eq!(listed(&place.inputs()), ["kept.gmx", "reference.zarr"], "after {at} of {calls} calls");
        }
    }
    assert!(cancelled > points as usize / 3 && whole > 10, "{cancelled} cancelled, {whole} without a graph");
}

#[test]
fn a_repair_by_the_graph_of_an_index_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let (query, reference) = (with_gaps(&place, "query", 600, 6, 1), with_gaps(&place, "reference", 900, 6, 2));
    let index = keeping(&place, &reference, 8, 12);
    built(&index);
    for order in ["rows", "lists"] {
        let request =
            MapRequest { order: Some(order.into()), overwrite: None, ..by_graph(&place, &query, &reference, &index) };
        disturbed_anywhere(&place, &request, 17);
        clear_first(&place);
    }
}
