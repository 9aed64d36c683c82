//! The graphs besides that from the query to the reference: kept with it, taken up again, or made by another tool; and what shared neighbours
//! are counted in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gigamapper_core::error::Error;
use gigamapper_core::graph::GraphStore;
use gigamapper_core::kernel::KernelMethod;
use gigamapper_core::pipeline::{
    MapRequest, NeighborsRequest, Seams, TransferRequest, neighbors_with, plan_neighbors, plan_transfer, transfer_with,
};
use gigamapper_core::progress::{Cancel, Progress};

use super::disk::{Disk, assert_same, files, listed};
use super::mapped::Mapped;
use super::sample::{Place, map, quick};
use super::transfer::{Compressed, PARTS, along, as_arrays, as_obsp, content, mapped, text, transferred};

/// The graphs of two samples, all four of them kept.
fn all_graphs(place: &Place, mapping: &MapRequest) -> NeighborsRequest {
    NeighborsRequest {
        query: mapping.query.clone(),
        reference: mapping.reference.clone(),
        output: Some(text(&place.outputs().join("graph.zarr"))),
        n_neighbors: mapping.n_neighbors,
        graphs: Some(["yx", "xx", "yy", "xy"].map(str::to_owned).to_vec()),
        memory: mapping.memory.clone(),
        threads: mapping.threads,
        layout: mapping.layout,
        ..NeighborsRequest::default()
    }
}

const SHARED: [KernelMethod; 3] = [KernelMethod::Jaccard, KernelMethod::Hnoca, KernelMethod::HnocaKnn];

#[test]
fn graphs_that_are_kept_are_taken_up_again_to_the_bytes_of_a_mapping() {
    let place = Place::new();
    let mapping = mapped(&place, false, "gauss", PARTS);
    let request = all_graphs(&place, &mapping);
    let planned = plan_neighbors(&request).unwrap();
    let alone = plan_neighbors(&NeighborsRequest { graphs: None, ..request.clone() }).unwrap();
    assert_eq!(listed(&place.outputs()), Vec::<String>::new(), "a plan writes nothing");
    assert!(planned.disk_bytes > alone.disk_bytes && planned.pairs > alone.pairs);
    assert_eq!((planned.run, planned.search.run_bytes), (alone.run, alone.search.run_bytes));
    let report = neighbors_with(&request, &Progress::silent(), &quick()).unwrap();
    // What is stored of each is told with the rest.
    assert_eq!(report.stored, planned.outputs);
    let told = |name: &str, array: &str| {
        let path = text(&place.outputs().join(format!("graph-{name}.zarr/obsm/{array}")));
        report
            .stored
            .iter()
            .find(|stored| stored.path == path)
            .map(|stored| (stored.shape.clone(), stored.stage.clone()))
    };
    let (n_query, n_ref, k) = (planned.query.n_obs, planned.reference.n_obs, planned.k);
    for (name, rows) in [("xx", n_ref), ("yy", n_query), ("xy", n_ref)] {
        let width = if name == "xy" { k } else { k - 1 };
        for array in ["knn_indices", "knn_distances"] {
            assert_eq!(told(name, array), Some((vec![rows, width], "graphs".into())), "{name} {array}");
        }
    }
    assert!(alone.outputs.iter().all(|stored| !stored.path.contains(".zarr")));
    let graph = |name: &str| place.outputs().join(format!("graph{name}.zarr"));
    // Each is what is found where it is asked for alone.
    let (query, reference) = (&mapping.query, mapping.reference.as_ref().unwrap());
    for (name, from, to) in [("-xx", reference, None), ("-yy", query, None), ("-xy", reference, Some(query.clone()))] {
        let one = NeighborsRequest {
            query: from.clone(),
            reference: to,
            output: Some(text(&place.inputs().join(format!("one{name}.zarr")))),
            graphs: None,
            ..request.clone()
        };
        neighbors_with(&one, &Progress::silent(), &quick()).unwrap();
        let alone = Mapped::open(Path::new(one.output.as_ref().unwrap()));
        let bits = |found: &Mapped| {
            let found = found.neighbors();
            (found.k, found.ids, found.distances.iter().map(|distance| distance.to_bits()).collect::<Vec<_>>())
        };
        assert!(bits(&Mapped::open(&graph(name))) == bits(&alone), "{name}");
    }
    for kernel in SHARED {
        let mapping = mapped(&place, false, kernel.name(), PARTS);
        let request = along(text(&graph("")), &mapping, &place.output());
        let planned = plan_transfer(&request).unwrap();
        transfer_with(&request, &Progress::silent(), &quick()).unwrap();
        let found = PathBuf::from(mapping.output.as_ref().unwrap());
        assert_same(&content(&place.output()), &content(&found), kernel.name());
        assert!(planned.search.run_bytes > 0, "the graphs are taken over");
        let left: Vec<_> = listed(&place.outputs()).into_iter().filter(|name| name.starts_with("mapped")).collect();
        assert_eq!(left, ["mapped.zarr", "mapped.zarr.journal"], "{}", kernel.name());
    }
}

#[test]
fn as_many_neighbors_are_taken_of_all_graphs_as_of_the_first() {
    let place = Place::new();
    let mapping = mapped(&place, false, "gauss", PARTS);
    let request = NeighborsRequest { n_neighbors: Some(9), ..all_graphs(&place, &mapping) };
    neighbors_with(&request, &Progress::silent(), &quick()).unwrap();
    for kernel in SHARED {
        let mapping = mapped(&place, false, kernel.name(), PARTS);
        let few = MapRequest { n_neighbors: Some(5), overwrite: Some(true), ..mapping };
        map(&few).unwrap();
        let request = along(request.output.clone().unwrap(), &few, &place.output());
        let request = TransferRequest { n_neighbors: Some(5), ..request };
        transfer_with(&request, &Progress::silent(), &quick()).unwrap();
        let found = PathBuf::from(few.output.as_ref().unwrap());
        assert_same(&content(&place.output()), &content(&found), kernel.name());
    }
}

#[test]
fn keeping_graphs_is_resumed_to_the_same_bytes() {
    let place = Place::new();
    let request = all_graphs(&place, &mapped(&place, false, "gauss", PARTS));
    neighbors_with(&request, &Progress::silent(), &quick()).unwrap();
    let expected = files(&place.outputs());
    let clear = || {
        std::fs::remove_dir_all(place.outputs()).unwrap();
        std::fs::create_dir(place.outputs()).unwrap();
    };
    let mut cancelled = 0;
    for at in (3..).step_by(173) {
        clear();
        let cancel = Cancel::default();
        let seams = Seams { vfs: Arc::new(Disk::cancelling(at, cancel.clone())), ..quick() };
        let ended = neighbors_with(&request, &Progress::new(cancel, None), &seams);
        if ended.is_err() {
            cancelled += 1;
            let again = NeighborsRequest { resume: Some(true), ..request.clone() };
            match neighbors_with(&again, &Progress::silent(), &quick()) {
                Err(Error::NotFound { .. }) => neighbors_with(&request, &Progress::silent(), &quick()),
                other => other,
            }
            .unwrap();
        }
        assert_same(&files(&place.outputs()), &expected, &format!("cancelled after {at} calls"));
        if ended.is_ok() {
            break;
        }
    }
    assert!(cancelled > 3, "{cancelled}");
}

#[test]
fn shared_neighbors_are_counted_in_graphs_of_other_tools() {
    let place = Place::new();
    let mapping = mapped(&place, false, "gauss", None);
    let request = all_graphs(&place, &mapping);
    neighbors_with(&request, &Progress::silent(), &quick()).unwrap();
    let graph = |name: &str| Mapped::open(&place.outputs().join(format!("graph{name}.zarr"))).neighbors();
    let reference = mapping.reference.clone().unwrap();
    as_obsp(Path::new(&reference), "distances", &graph("-xx"), true, Compressed::Rows);
    as_obsp(Path::new(&mapping.query), "distances", &graph("-yy"), false, Compressed::Columns);
    let (yx, xy) = (as_arrays(&place, "yx", &graph(""), false), as_arrays(&place, "xy", &graph("-xy"), false));
    for kernel in SHARED {
        let mapping = mapped(&place, false, kernel.name(), None);
        let expected = transferred(Path::new(mapping.output.as_ref().unwrap()));
        let request = TransferRequest {
            neighbors_xx: Some(reference.clone()),
            neighbors_yy: Some(mapping.query.clone()),
            neighbors_xy: Some(xy.clone()),
            ..along(yx.clone(), &mapping, &place.output())
        };
        transfer_with(&request, &Progress::silent(), &quick()).unwrap();
        assert_same(&transferred(&place.output()), &expected, kernel.name());
    }
}

#[test]
fn graphs_that_are_missing_or_of_other_cells_are_refused_before_anything_is_written() {
    let place = Place::new();
    let mapping = mapped(&place, false, "gauss", PARTS);
    let found = mapping.output.clone().unwrap();
    let graph = Mapped::open(Path::new(&found)).neighbors();
    let arrays = as_arrays(&place, "yx", &graph, false);
    let request = TransferRequest {
        kernel_method: Some("jaccard".into()),
        overwrite: None,
        ..along(found.clone(), &mapping, &place.output())
    };
    let with = |xx: &str, yy: &str, xy: &str| TransferRequest {
        neighbors_xx: Some(xx.into()),
        neighbors_yy: Some(yy.into()),
        neighbors_xy: Some(xy.into()),
        ..request.clone()
    };
    let refuse = |code: &str, request: &TransferRequest, what: &str| {
        let planned = plan_transfer(request).unwrap_err();
        let error = transfer_with(request, &Progress::silent(), &quick()).unwrap_err();
        assert_eq!((planned.to_string(), error.code()), (error.to_string(), code), "{error}");
        assert!(format!("{error} {}", error.details()).contains(what), "{error} does not say {what:?}");
        assert_eq!(listed(&place.outputs()), Vec::<String>::new(), "{error}");
    };
    refuse("GM_PARAM", &request, "neighborsXx");
    refuse("GM_SHAPE", &with(&arrays, &arrays, &arrays), "110");
    refuse("GM_NOT_FOUND", &with("nowhere.zarr", &arrays, &arrays), "nowhere");
    refuse("GM_PARAM", &TransferRequest { kernel_method: None, ..with(&arrays, &arrays, &arrays) }, "neighborsXx");
    let taken = all_graphs(&place, &mapping);
    std::fs::create_dir(place.outputs().join("graph-yy.zarr")).unwrap();
    std::fs::write(place.outputs().join("graph-yy.zarr/what"), "ours").unwrap();
    for error in
        [plan_neighbors(&taken).unwrap_err(), neighbors_with(&taken, &Progress::silent(), &quick()).unwrap_err()]
    {
        assert_eq!(error.code(), "GM_EXISTS");
    }
    assert_eq!(listed(&place.outputs()), ["graph-yy.zarr"]);
    std::fs::remove_dir_all(place.outputs().join("graph-yy.zarr")).unwrap();
    let kept = map(&MapRequest { output: Some(text(&place.output())), ..mapping });
    assert_eq!(kept.unwrap().plan.k, 7);
}

#[test]
fn rows_that_wait_for_graphs_to_pass_take_what_is_left_and_need_little() {
    let place = Place::new();
    let mapping = mapped(&place, false, "hnoca_knn", PARTS);
    let expected = content(Path::new(mapping.output.as_ref().unwrap()));
    let small = MapRequest { memory: Some("66MiB".into()), ..mapping.clone() };
    let error = map(&small).unwrap_err();
    assert_eq!(error.code(), "GM_BUDGET", "{error}");
    let needed = error.details()["needed"].as_u64().unwrap();
    for memory in [needed, needed + (1 << 20), 1 << 30] {
        let report = map(&MapRequest { memory: Some(memory.to_string()), ..mapping.clone() }).unwrap();
        assert!(report.plan.memory.planned <= memory);
        assert_same(&content(Path::new(mapping.output.as_ref().unwrap())), &expected, &format!("in {memory} bytes"));
    }
    assert_eq!(map(&MapRequest { memory: Some((needed - 1).to_string()), ..mapping }).unwrap_err().code(), "GM_BUDGET");
}

#[test]
fn graphs_that_are_kept_tell_the_cells_that_they_are_of() {
    let place = Place::new();
    let mapping = mapped(&place, false, "gauss", None);
    let (query_where, reference_where) = (Some("flag == true".to_owned()), Some("score > 3".to_owned()));
    let request = NeighborsRequest { query_where, reference_where, ..all_graphs(&place, &mapping) };
    neighbors_with(&request, &Progress::silent(), &quick()).unwrap();
    let (query, reference) = (request.query.clone(), request.reference.clone().unwrap());
    let (of_query, of_reference) = (request.query_where.clone(), request.reference_where.clone());
    for (name, from, to) in [
        ("xx", (reference.clone(), of_reference.clone()), (None, None)),
        ("yy", (query.clone(), of_query.clone()), (None, None)),
        ("xy", (reference, of_reference), (Some(query), of_query)),
    ] {
        let alone = NeighborsRequest {
            query: from.0,
            query_where: from.1,
            reference: to.0,
            reference_where: to.1,
            graphs: None,
            output: None,
            ..request.clone()
        };
        let kept = GraphStore::open(&place.outputs().join(format!("graph-{name}.zarr"))).unwrap();
        assert_eq!(kept.run(), plan_neighbors(&alone).unwrap().run, "{name}");
        let told = kept.told("parameters").unwrap().unwrap();
        assert_eq!(told.contains("referenceWhere"), name == "xy", "{told}");
    }
}

#[test]
fn graphs_of_another_metric_are_not_counted_together() {
    let place = Place::new();
    let mapping = mapped(&place, false, "jaccard", None);
    let request = all_graphs(&place, &mapping);
    neighbors_with(&request, &Progress::silent(), &quick()).unwrap();
    let graph = request.output.clone().unwrap();
    let transfer = along(graph, &mapping, &place.output());
    plan_transfer(&transfer).unwrap();
    // The one between the stores is found again, and the others are those of before.
    let again =
        NeighborsRequest { metric: Some("cosine".into()), graphs: None, overwrite: Some(true), ..request.clone() };
    neighbors_with(&again, &Progress::silent(), &quick()).unwrap();
    let error = plan_transfer(&transfer).unwrap_err();
    assert_eq!(error.code(), "GM_STALE", "{error}");
    assert!(error.to_string().contains("cosine in X_pca"), "{error}");
    let all = NeighborsRequest { graphs: request.graphs, ..again };
    neighbors_with(&all, &Progress::silent(), &quick()).unwrap();
    plan_transfer(&transfer).unwrap();
}
