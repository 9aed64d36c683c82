//! Whole runs through an index with three levels of centroids.

use gigamapper_core::pipeline::{IndexRequest, MapRequest, build_index, describe_index, plan, plan_index};
use gigamapper_core::progress::Progress;

use super::clusters::{by_lists, clustered, three_levels_of, with_gaps};
use super::mapped::Mapped;
use super::sample::{Place, map, noise, output};

const DIM: usize = 9;

/// What a request finds in another output.
fn found(place: &Place, name: &str, request: &MapRequest) -> (Vec<i64>, Vec<u32>) {
    let to = place.outputs().join(name).to_str().unwrap().to_owned();
    let request = MapRequest { output: Some(to), ..request.clone() };
    map(&request).unwrap();
    let neighbors = Mapped::open(output(&request)).neighbors();
    (neighbors.ids, neighbors.distances.iter().map(|distance| distance.to_bits()).collect())
}

#[test]
fn in_all_lists_of_three_levels_the_exact_neighbours_are_found_in_every_order() {
    let place = Place::new();
    let (query, reference) = (with_gaps(&place, "query", 700, DIM, 1), with_gaps(&place, "reference", 3000, DIM, 2));
    let index = three_levels_of(&place, &reference, "reference.gmx", 100);
    let described = describe_index(index.as_ref()).unwrap();
    assert_eq!((described.levels, described.format_version, described.rows), (3, 3, 3000));
    let exact =
        MapRequest { method: Some("exact".into()), nlist: None, ..by_lists(&place, &query, Some(&reference), 1) };
    let expected = found(&place, "exact.zarr", &exact);
    let nprobe = Some(i64::try_from(described.nlist).unwrap());
    let given = MapRequest { index: Some(index), method: Some("ivf".into()), ..exact };
    for order in ["rows", "lists"] {
        let request = MapRequest { nprobe, order: Some(order.into()), ..given.clone() };
        assert_eq!(found(&place, &format!("{order}.zarr"), &request), expected, "{order}");
    }
    // With a recall instead, what was promised is found.
    let report = map(&MapRequest { recall: Some(0.9), ..given }).unwrap();
    assert!(report.recall.measured > 0.85, "{:?}", report.recall);
}

#[test]
fn cells_are_appended_to_an_index_of_three_levels_and_found() {
    let place = Place::new();
    // The first cells of the second store are those of the first.
    let (old, grown) = (clustered(&place, "old", 900, DIM, 2), clustered(&place, "grown", 1400, DIM, 2));
    let index = three_levels_of(&place, &old, "old.gmx", 60);
    let request = IndexRequest {
        reference: grown.path(),
        output: Some(index.clone()),
        append: Some(true),
        memory: Some("256MiB".into()),
        ..IndexRequest::default()
    };
    assert_eq!(plan_index(&request).unwrap().added_rows, 500);
    let report = build_index(&request, &Progress::silent()).unwrap();
    let described = describe_index(index.as_ref()).unwrap();
    assert_eq!((report.added_rows, described.generation, described.levels), (500, 2, 3));
    let exact = MapRequest { method: Some("exact".into()), nlist: None, ..by_lists(&place, &grown, None, 1) };
    let nprobe = Some(i64::try_from(described.nlist).unwrap());
    let reference = Some(grown.path());
    let given = MapRequest { index: Some(index), method: Some("ivf".into()), nprobe, reference, ..exact.clone() };
    assert_eq!(found(&place, "given.zarr", &given), found(&place, "exact.zarr", &exact));
}

#[test]
fn more_lists_than_two_levels_hold_are_planned_and_need_their_memory() {
    let place = Place::new();
    let n = (1 << 18) + 1;
    let cells = place.cells("cells", n).embedding("X_pca", 1, &noise(3, n));
    let request = |nlist: usize, memory: &str| IndexRequest {
        reference: cells.path(),
        nlist: Some(nlist as i64),
        memory: Some(memory.into()),
        threads: Some(2),
        training: Some("brief".into()),
        ..IndexRequest::default()
    };
    let [two, three] = [n - 1, n].map(|nlist| plan_index(&request(nlist, "1GiB")).unwrap());
    // Too few cells for each list, and nothing else.
    assert_eq!((two.warnings.len(), three.warnings.len()), (1, 1), "{:?}", three.warnings);
    // What knows where each of 4 096 super-cells lies in 64 runs is planned for.
    assert!(three.memory.planned > two.memory.planned + 4096 * 64 * 32, "{:?} {:?}", three.memory, two.memory);
    assert_eq!(plan_index(&request(n, "90MiB")).unwrap_err().code(), "GM_BUDGET");
    let mapped = MapRequest { memory: Some("1GiB".into()), ..by_lists(&place, &cells, None, n as i64) };
    let planned = plan(&MapRequest { obs_keys: None, ..mapped.clone() }).unwrap();
    assert_eq!((planned.search.nlist, planned.warnings.len()), (Some(n as u64), 2), "{:?}", planned.warnings);
    let small = MapRequest { obs_keys: None, memory: Some("100MiB".into()), ..mapped };
    assert_eq!(plan(&small).unwrap_err().code(), "GM_BUDGET");
}
