//! Cells that a condition chooses: mapping onto them is mapping onto a store that has no others, and they are part of what a run is.

use std::path::Path;

use gigamapper_core::pipeline::{
    IndexRequest, MapRequest, NeighborsRequest, PresenceRequest, RechunkRequest, TransferRequest, build_index,
    neighbors, plan, plan_index, plan_transfer, presence, rechunk,
};
use gigamapper_core::progress::Progress;
use gigamapper_core::source::{AnnDataStore, Container as _, ZarrStore};

use super::mapped::Mapped;
use super::sample::{Place, map, output, sample};

fn at(place: &Place, name: &str) -> String {
    place.outputs().join(name).to_str().unwrap().to_owned()
}

/// A copy of the chosen cells, and how many.
fn copied(place: &Place, input: &str, condition: &str, name: &str) -> (String, u64) {
    let output = at(place, name);
    let request = RechunkRequest {
        input: input.to_owned(),
        input_where: Some(condition.to_owned()),
        output: Some(output.clone()),
        ..RechunkRequest::default()
    };
    let report = rechunk(&request, &Progress::silent()).unwrap();
    let rows = AnnDataStore::open(Path::new(&output)).unwrap().n_obs();
    assert_eq!(report.input.n_obs, rows);
    (output, rows)
}

const QUERY: &str = "`cell type` in [\"T\", \"NK\"] or score > 9";
const REFERENCE: &str = "flag == false and `cell type` is not missing";

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn chosen_cells_map_as_a_store_of_their_own() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 150), sample(&place, "ref", 190));
    let (few_queries, n_query) = copied(&place, &query.path(), QUERY, "few-queries.zarr");
    let (few, n_ref) = copied(&place, &reference.path(), REFERENCE, "few.zarr");
    assert!(n_query > 50 && n_query < 150 && n_ref > 70 && n_ref < 130);
    let base = MapRequest {
        obs_keys: Some(keys(&["cell type", "score", "count"])),
        // One part, whose uns says what was chosen.
        layout: None,
        overwrite: Some(true),
        ..place.request(&query, Some(&reference))
    };
    let found = |request: MapRequest| {
        let request = MapRequest { overwrite: Some(true), ..request };
        let report = map(&request).unwrap();
        let mapped = Mapped::open(output(&request));
        let codes = mapped.codes("cell type_pred");
        (
            mapped.neighbors(),
            mapped.names(),
            codes,
            mapped.numbers("score_pred").iter().map(|n| n.to_bits()).collect::<Vec<_>>(),
            report.plan.run,
        )
    };
    for method in ["exact", "ivf"] {
        let base = || MapRequest {
            method: Some(method.into()),
            nlist: (method == "ivf").then_some(8),
            nprobe: (method == "ivf").then_some(8),
            ..base.clone()
        };
        let apart = found(MapRequest { query: few_queries.clone(), reference: Some(few.clone()), ..base() });
        let chosen = MapRequest { query_where: Some(QUERY.into()), reference_where: Some(REFERENCE.into()), ..base() };
        let ours = found(chosen.clone());
        assert!(ours.0.ids == apart.0.ids && ours.1 == apart.1 && ours.2 == apart.2 && ours.3 == apart.3, "{method}");
        // Threads, memory and blocks change nothing, another condition does.
        let other = found(MapRequest { threads: Some(1), memory: Some("1GiB".into()), ..chosen.clone() });
        assert_eq!((&ours.0.ids, &ours.3, &ours.4), (&other.0.ids, &other.3, &other.4), "{method}");
        let narrower = MapRequest { reference_where: Some(format!("({REFERENCE}) and score > 1")), ..chosen };
        assert_ne!(plan(&narrower).unwrap().run, ours.4, "{method}");
    }
    // In the store stands which cells its rows are.
    let store = ZarrStore::open(&place.output()).unwrap();
    for side in ["query", "reference"] {
        for what in ["where", "cells", "of", "digest"] {
            let path = format!("uns/gigamapper/chosen/{side}/{what}");
            assert!(store.node(&path).unwrap().is_some(), "{path}");
        }
    }
}

#[test]
fn a_part_maps_onto_itself_and_onto_the_rest() {
    let place = Place::new();
    let cells = sample(&place, "cells", 160);
    let base = MapRequest { obs_keys: Some(keys(&["cell type"])), ..place.request(&cells, None) };
    let own = MapRequest { query_where: Some("flag == true".into()), ..base.clone() };
    assert_eq!(map(&own).unwrap().plan.mode, "self");
    let rest = MapRequest { reference_where: Some("flag != true".into()), overwrite: Some(true), ..own.clone() };
    let report = map(&rest).unwrap();
    assert_eq!(report.plan.mode, "cross");
    assert!(!report.warnings.iter().any(|warning| warning.contains("in common")), "{:?}", report.warnings);
    let whole = MapRequest { reference: Some(cells.path()), ..rest.clone() };
    assert!(
        plan(&MapRequest { reference_where: None, ..whole.clone() })
            .unwrap()
            .warnings
            .iter()
            .any(|w| w.contains("in common"))
    );
    // Resumed only as what it was.
    let resumed = MapRequest { overwrite: None, resume: Some(true), ..rest.clone() };
    assert!(map(&resumed).is_ok());
    let other = MapRequest { reference_where: Some("flag != true and score > 3".into()), ..resumed };
    assert_eq!(map(&other).unwrap_err().code(), "GM_STALE");
    // Where a condition holds for no cell of the reference, there is nothing to map onto.
    let none = MapRequest { reference_where: Some("score > 1e9".into()), ..rest };
    assert_eq!(plan(&none).unwrap_err().code(), "GM_SCHEMA");
}

#[test]
fn an_index_is_of_the_cells_that_were_chosen() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 90), sample(&place, "ref", 190));
    let index = at(&place, "part.gmx");
    let built = build_index(
        &IndexRequest {
            reference: reference.path(),
            reference_where: Some(REFERENCE.into()),
            output: Some(index.clone()),
            nlist: Some(8),
            memory: Some("256MiB".into()),
            ..IndexRequest::default()
        },
        &Progress::silent(),
    );
    let rows = built.unwrap().rows;
    let by_index = |condition: Option<&str>| MapRequest {
        index: Some(index.clone()),
        nprobe: Some(8),
        method: Some("ivf".into()),
        reference_where: condition.map(str::to_owned),
        overwrite: Some(true),
        ..place.request(&query, Some(&reference))
    };
    let report = map(&by_index(Some(REFERENCE))).unwrap();
    assert_eq!(report.plan.reference.n_obs, rows);
    let exact = MapRequest { method: Some("exact".into()), index: None, nprobe: None, ..by_index(Some(REFERENCE)) };
    let found = Mapped::open(&place.output()).neighbors();
    map(&exact).unwrap();
    assert_eq!(Mapped::open(&place.output()).neighbors().ids, found.ids);
    for other in [None, Some("flag == false and `cell type` is missing")] {
        assert!(plan(&by_index(other)).is_err(), "{other:?}");
    }
}

#[test]
fn parts_of_parts_are_told_apart_by_all_their_conditions() {
    let place = Place::new();
    let cells = sample(&place, "cells", 160);
    let part = |condition: &str| format!("{}[{condition}]", cells.path());
    let narrow = || Some("score > 3".to_owned());
    let nested = MapRequest {
        query: part("flag == true"),
        reference: Some(part("flag == false")),
        query_where: narrow(),
        reference_where: narrow(),
        ..place.request(&cells, None)
    };
    let planned = plan(&nested).unwrap();
    assert_eq!(planned.mode, "cross");
    assert!(!planned.warnings.iter().any(|warning| warning.contains("in common")), "{:?}", planned.warnings);
    let told = (planned.parameters.query_where.as_deref(), planned.parameters.reference_where.as_deref());
    assert_eq!(told, (Some("flag == true and score > 3"), Some("flag == false and score > 3")));
    // It is the run of the same cells however they are chosen.
    let at_once = |flag: &str| Some(format!("flag == {flag} and score > 3"));
    let flat = MapRequest {
        query: cells.path(),
        reference: Some(cells.path()),
        query_where: at_once("true"),
        reference_where: at_once("false"),
        ..nested.clone()
    };
    assert_eq!(plan(&flat).unwrap().run, planned.run);
    assert_eq!(plan(&MapRequest { reference: Some(part("flag == true")), ..nested }).unwrap().mode, "self");
}

#[test]
fn a_graph_of_other_chosen_cells_is_refused() {
    let place = Place::new();
    let halves: Vec<f32> = (0..190).map(|cell| (cell % 2) as f32).collect();
    let (query, reference) = (sample(&place, "query", 90), sample(&place, "ref", 190).column("half", &halves));
    let (graph, half) = (at(&place, "graph.zarr"), |half: u8| Some(format!("half == {half}")));
    let found = NeighborsRequest {
        query: query.path(),
        reference: Some(reference.path()),
        reference_where: half(0),
        output: Some(graph.clone()),
        n_neighbors: Some(7),
        memory: Some("256MiB".into()),
        ..NeighborsRequest::default()
    };
    neighbors(&found, &Progress::silent()).unwrap();
    let transfer = |reference: &str, condition| TransferRequest {
        query: query.path(),
        reference: Some(reference.to_owned()),
        reference_where: condition,
        neighbors: graph.clone(),
        obs_keys: Some(keys(&["cell type"])),
        memory: Some("256MiB".into()),
        ..TransferRequest::default()
    };
    let warned = |warnings: &[String]| warnings.iter().any(|warning| warning.contains("taken whole"));
    let own = plan_transfer(&transfer(&reference.path(), half(0))).unwrap();
    assert!(!warned(&own.warnings));
    let error = plan_transfer(&transfer(&reference.path(), half(1))).unwrap_err();
    assert!(error.code() == "GM_STALE" && error.to_string().contains("half == 0"), "{error}");
    let scores = |reference: &str, condition| {
        let request = PresenceRequest {
            neighbors: graph.clone(),
            reference: reference.to_owned(),
            reference_where: condition,
            output: Some(at(&place, "scores.zarr")),
            memory: Some("256MiB".into()),
            overwrite: Some(true),
            ..PresenceRequest::default()
        };
        presence(&request, &Progress::silent())
    };
    let report = scores(&reference.path(), half(0)).unwrap();
    assert!(report.memory.parts.contains_key("cells in memory") && !warned(&report.warnings));
    assert_eq!(scores(&reference.path(), half(1)).unwrap_err().code(), "GM_STALE");
    // A copy of the chosen cells may be the same ones.
    let (copy, cells) = copied(&place, &reference.path(), "half == 0", "copy.zarr");
    assert_eq!(cells, 95);
    assert!(warned(&plan_transfer(&transfer(&copy, None)).unwrap().warnings));
    assert!(warned(&scores(&copy, None).unwrap().warnings));
}

#[test]
fn which_cells_are_chosen_is_counted_wherever_it_is_in_memory() {
    let place = Place::new();
    let reference = sample(&place, "ref", 190);
    let index = |condition: Option<&str>, keep_graph| IndexRequest {
        reference: reference.path(),
        reference_where: condition.map(str::to_owned),
        nlist: Some(8),
        keep_graph,
        memory: Some("256MiB".into()),
        ..IndexRequest::default()
    };
    let planned = |condition, kept| plan_index(&index(condition, kept)).unwrap().memory;
    let (whole, part) = (planned(None, None), planned(Some(REFERENCE), None));
    assert!(!whole.parts.contains_key("cells in memory"));
    let held = part.parts["cells in memory"];
    assert!(held > 0);
    assert_eq!(part.planned, part.parts.values().sum::<u64>());
    assert!(planned(Some(REFERENCE), Some(4)).parts.contains_key("cells in memory"));
    let copy = RechunkRequest {
        input: reference.path(),
        input_where: Some(REFERENCE.into()),
        output: Some(at(&place, "copy.zarr")),
        memory: Some("256MiB".into()),
        ..RechunkRequest::default()
    };
    let report = rechunk(&copy, &Progress::silent()).unwrap();
    assert_eq!(report.memory.parts.get("cells in memory"), Some(&held));
    let own = MapRequest { query_where: Some(REFERENCE.into()), ..place.request(&reference, None) };
    assert_eq!(plan(&own).unwrap().memory.parts.get("cells in memory"), Some(&held), "both sides are one");
}
