//! Whole mappings by every kernel: one result however they are carried out, and a bandwidth that can be taken to another query.

use std::collections::BTreeMap;

use gigamapper_core::error::Error;
use gigamapper_core::kernel::KernelMethod;
use gigamapper_core::pipeline::{LayoutRequest, MapRequest, RunReport, Seams, run_with};
use gigamapper_core::progress::{Cancel, Progress};
use gigamapper_core::source::{ZarrArray, ZarrStore};
use gigamapper_core::types::RowRange;

use super::cells::Cells;
use super::disk::{Disk, assert_same, files};
use super::mapped::Mapped;
use super::sample::{Place, map, output, quick, sample};

fn to(place: &Place, request: &MapRequest, name: &str) -> MapRequest {
    MapRequest { output: Some(place.outputs().join(name).to_str().unwrap().into()), ..request.clone() }
}

/// A request for numbers and labels by a kernel.
fn by(kernel: KernelMethod, request: &MapRequest) -> MapRequest {
    let obs_keys = Some(vec!["cell type".into(), "score".into()]);
    MapRequest { kernel_method: Some(kernel.name().into()), obs_keys, ..request.clone() }
}

/// Whether a kernel can weigh neighbours in another store.
fn crosses(kernel: KernelMethod) -> bool {
    !kernel.is_within()
}

/// Maps with other blocks, runs and threads, and perhaps with interruptions; the files must be the same.
fn has_one_result(place: &Place, request: &MapRequest, what: &str, interrupted: bool) {
    let whole = to(place, request, "whole.zarr");
    map(&whole).unwrap();
    let expected = files(output(&whole));
    // Runs of so few edges are more than can be read side by side.
    for (block_rows, threads, run_rows) in [(1, 1, Some(3)), (7, 3, Some(100)), (64, 8, None)] {
        let again = MapRequest { threads: Some(threads), ..to(place, request, "again.zarr") };
        run_with(&again, &Progress::silent(), Seams { block_rows: Some(block_rows), run_rows, ..quick() }).unwrap();
        assert_same(&files(output(&again)), &expected, &format!("{what}, blocks of {block_rows}"));
        remove(place, "again.zarr");
    }
    if interrupted {
        is_resumed(place, request, &expected, what);
    }
    remove(place, "whole.zarr");
    let left: Vec<_> = files(&place.outputs()).into_keys().collect();
    assert_eq!(left, Vec::<String>::new(), "{what}");
}

/// Cancels again and again, each time later, and resumes.
fn is_resumed(place: &Place, request: &MapRequest, expected: &BTreeMap<String, Vec<u8>>, what: &str) {
    let mut cancelled = 0;
    for at in (3..).step_by(211) {
        let cut = to(place, request, "cut.zarr");
        let cancel = Cancel::default();
        let seams = Seams { vfs: std::sync::Arc::new(Disk::cancelling(at, cancel.clone())), ..quick() };
        let ended = run_with(&cut, &Progress::new(cancel, None), seams);
        if ended.is_err() {
            cancelled += 1;
            match map(&MapRequest { resume: Some(true), ..cut.clone() }) {
                Err(Error::NotFound { .. }) => map(&cut),
                other => other,
            }
            .unwrap();
        }
        assert_same(&files(output(&cut)), expected, &format!("{what}, cancelled after {at} calls"));
        remove(place, "cut.zarr");
        if ended.is_ok() {
            break;
        }
    }
    assert!(cancelled > 1, "{what}: {cancelled}");
}

fn remove(place: &Place, name: &str) {
    std::fs::remove_dir_all(place.outputs().join(name)).unwrap();
    std::fs::remove_dir_all(place.outputs().join(format!("{name}.journal"))).unwrap();
}

#[test]
fn every_kernel_has_one_result_however_it_is_carried_out() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 81), sample(&place, "reference", 90));
    for kernel in KernelMethod::ALL {
        if crosses(kernel) {
            let request = by(kernel, &place.request(&query, Some(&reference)));
            // The others leave nothing between join and transfer.
            has_one_result(&place, &request, &format!("{} across", kernel.name()), kernel == KernelMethod::Jaccard);
        }
        let request = by(kernel, &place.request(&reference, None));
        has_one_result(&place, &request, kernel.name(), kernel == KernelMethod::AdaptiveGauss);
    }
}

#[test]
fn matrices_of_cells_by_cells_have_one_result_and_are_what_they_say() {
    let place = Place::new();
    let cells = sample(&place, "cells", 90);
    // Three units in one part.
    let layout = Some(LayoutRequest { inner_rows: 16, inner_per_unit: 2, part_rows: 1024 });
    for kernel in [KernelMethod::Umap, KernelMethod::ScarchesLocal] {
        let request = MapRequest { layout, ..by(kernel, &place.request(&cells, None)) };
        has_one_result(&place, &request, kernel.name(), kernel == KernelMethod::Umap);
        let (_, found) = mapped(&request);
        let neighbors = found.neighbors();
        let distances = Csr::read(&request, "distances");
        let weights = Csr::read(&request, "connectivities");
        assert_eq!((distances.ends.len(), weights.ends.len()), (91, 91));
        for row in 0..90 {
            let (ids, of_row) = neighbors.row(row);
            let mut expected: Vec<_> = ids.iter().map(|&id| id as u32).zip(of_row.iter().copied()).collect();
            expected.sort_by_key(|(id, _)| *id);
            assert_eq!(distances.row(row), expected);
            let of_row = weights.row(row);
            assert!(of_row.windows(2).all(|pair| pair[0].0 < pair[1].0));
            for (column, weight) in of_row {
                assert!(weight > 0.0 && column as usize != row);
                assert!(weights.row(column as usize).contains(&(row as u32, weight)), "{row} {column}");
            }
        }
        std::fs::remove_dir_all(output(&request)).unwrap();
        std::fs::remove_dir_all(place.outputs().join("mapped.zarr.journal")).unwrap();
    }
}

/// A matrix in obsp.
struct Csr {
    ends: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Csr {
    fn read(request: &MapRequest, name: &str) -> Self {
        let store = ZarrStore::open(output(request)).unwrap();
        let array = |of: &str| {
            let array = ZarrArray::open(&store, &format!("obsp/{name}/{of}")).unwrap();
            let mut bytes = Vec::new();
            array.read_rows(RowRange::new(0, array.shape()[0]), &mut bytes).unwrap();
            bytes
        };
        let numbers = |of: &str| array(of).as_chunks().0.iter().map(|bytes| u32::from_ne_bytes(*bytes)).collect();
        let values = array("data").as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect();
        Self { ends: numbers("indptr"), columns: numbers("indices"), values }
    }

    fn row(&self, row: usize) -> Vec<(u32, f32)> {
        let range = self.ends[row] as usize..self.ends[row + 1] as usize;
        self.columns[range.clone()].iter().copied().zip(self.values[range].iter().copied()).collect()
    }
}
#[test]
fn layouts_of_the_output_change_no_weight() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 111), sample(&place, "reference", 90));
    for kernel in KernelMethod::ALL.into_iter().filter(|kernel| crosses(*kernel)) {
        let request = by(kernel, &place.request(&query, Some(&reference)));
        let mut expected = None;
        for (number, (inner_rows, inner_per_unit, part_rows)) in
            [(1, 3, 111), (16, 2, 64), (128, 1, 128)].into_iter().enumerate()
        {
            let layout = Some(LayoutRequest { inner_rows, inner_per_unit, part_rows });
            let name = format!("{}-{number}.zarr", kernel.name());
            let (_, found) = mapped(&MapRequest { layout, ..to(&place, &request, &name) });
            let seen = (
                bits(&found.numbers("score_pred")),
                bits(&found.numbers("cell type_conf")),
                found.codes("cell type_pred"),
            );
            assert_eq!(*expected.get_or_insert(seen.clone()), seen, "{name}");
        }
    }
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn mapped(request: &MapRequest) -> (RunReport, Mapped) {
    let report = map(request).unwrap();
    (report, Mapped::open(output(request)))
}

/// Cells at these positions of a line.
fn line(place: &Place, name: &str, positions: &[f32]) -> Cells {
    place.cells(name, positions.len()).embedding("X_pca", 1, positions)
}

/// Cells whose transfers tell each weight: number i is 1 for cell i alone.
fn told(place: &Place, name: &str, positions: &[f32]) -> (Cells, Vec<String>) {
    let n = positions.len();
    let keys: Vec<_> = (0..n).map(|cell| format!("is_{cell}")).collect();
    let cells = line(place, name, positions);
    let told = keys.iter().enumerate().fold(cells, |cells, (cell, key)| {
        cells.column(key, &(0..n).map(|other| f64::from(u8::from(other == cell))).collect::<Vec<_>>())
    });
    (told, keys)
}

/// M of a self-mapping, row by row.
fn matrix(request: &MapRequest, keys: &[String]) -> Vec<Vec<f64>> {
    let (_, found) = mapped(&MapRequest { obs_keys: Some(keys.to_vec()), ..request.clone() });
    let columns: Vec<_> = keys.iter().map(|key| found.numbers(&format!("{key}_pred"))).collect();
    (0..columns[0].len()).map(|row| columns.iter().map(|column| column[row]).collect()).collect()
}

#[test]
fn symmetrised_weights_are_the_larger_or_the_mean_of_both_directions() {
    let place = Place::new();
    // Of each the one nearest neighbour: 0 → 1, 1 → 0, 2 → 1, 3 → 2.
    let (cells, keys) = told(&place, "cells", &[0.0, 1.0, 2.5, 5.0]);
    let request =
        MapRequest { n_neighbors: Some(2), kernel_method: Some("equal".into()), ..place.request(&cells, None) };
    let of = |name: &str, symmetrize: Option<&str>, self_edges| {
        let symmetrize = symmetrize.map(str::to_owned);
        matrix(&MapRequest { symmetrize, self_edges, ..to(&place, &request, name) }, &keys)
    };
    let third = 1.0 / 3.0;
    assert_eq!(of("none.zarr", Some("none"), Some(false))[1], [1.0, 0.0, 0.0, 0.0]);
    let max = of("max.zarr", None, Some(false));
    assert_eq!((max[0].as_slice(), max[1].as_slice()), (&[0.0, 1.0, 0.0, 0.0][..], &[0.5, 0.0, 0.5, 0.0][..]));
    let mean = of("mean.zarr", Some("mean"), Some(false));
    // 0 and 1 have each other; the edge between 1 and 2 goes one way.
    assert!((mean[1][0] - 2.0 * third).abs() < 1e-15 && (mean[1][2] - third).abs() < 1e-15, "{mean:?}");
    let own = of("own.zarr", Some("max"), Some(true));
    assert!(own[1][..3].iter().all(|weight| (weight - third).abs() < 1e-15), "{own:?}");
}

#[test]
fn the_simplicial_set_of_umap_has_no_diagonal_whatever_self_edges_say() {
    let place = Place::new();
    let (cells, keys) = told(&place, "cells", &[0.0, 1.0, 2.5, 5.0, 9.0]);
    let request = MapRequest { n_neighbors: Some(4), ..place.request(&cells, None) };
    for (name, self_edges) in [("with.zarr", true), ("without.zarr", false)] {
        let m = matrix(&MapRequest { self_edges: Some(self_edges), ..to(&place, &request, name) }, &keys);
        for (row, weights) in m.iter().enumerate() {
            assert_eq!(weights[row], 0.0);
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-6);
        }
    }
}

#[test]
fn adaptive_weights_are_the_formula() {
    let place = Place::new();
    let positions = [0.0f32, 1.0, 2.5, 5.0];
    let (cells, keys) = told(&place, "cells", &positions);
    // All others are neighbours: the median is of three.
    let request = MapRequest { n_neighbors: Some(4), ..place.request(&cells, None) };
    let m = matrix(&MapRequest { kernel_method: Some("adaptive_gauss".into()), ..request }, &keys);
    let sigma = [2.5f64, 1.5, 2.5, 4.0];
    for row in 0..4 {
        let raw: Vec<f64> = (0..4)
            .map(|column| {
                let (d, both) =
                    (f64::from(positions[row] - positions[column]), sigma[row].powi(2) + sigma[column].powi(2));
                (2.0 * sigma[row] * sigma[column] / both).sqrt() * (-d * d / both).exp()
            })
            .collect();
        let total: f64 = raw.iter().sum();
        for column in 0..4 {
            assert!((m[row][column] - raw[column] / total).abs() < 1e-12, "{row} {column}");
        }
    }
}

#[test]
fn what_hnoca_knn_leaves_is_what_hnoca_says_of_neighbors() {
    let place = Place::new();
    let (query, _) = told(&place, "query", &[0.2, 1.1, 4.0, 6.5]);
    let (reference, keys) = told(&place, "reference", &[0.0, 1.0, 2.5, 5.0, 9.0]);
    for of in [None, Some(&query)] {
        let cells = of.unwrap_or(&reference);
        let request = MapRequest { n_neighbors: Some(3), ..place.request(cells, of.map(|_| &reference)) };
        let by = |kernel: &str| {
            let name = format!("{kernel}-{}.zarr", of.is_some());
            matrix(&MapRequest { kernel_method: Some(kernel.into()), ..to(&place, &request, &name) }, &keys)
        };
        let (all, near, share) = (by("hnoca"), by("hnoca_knn"), by("jaccard"));
        for row in 0..all.len() {
            let kept: f64 = (0..5).filter(|&column| near[row][column] > 0.0).map(|column| all[row][column]).sum();
            let count = near[row].iter().filter(|weight| **weight > 0.0).count();
            assert_eq!(count, 3, "{row}: the neighbors, in self-mapping with the cell itself");
            for column in 0..5 {
                let expected = if near[row][column] > 0.0 { all[row][column] / kept } else { 0.0 };
                assert!((near[row][column] - expected).abs() < 1e-12, "{row} {column}");
                // hnoca is the square of jaccard, but for a factor.
                let (first, here) = (share[row][row.min(4)], share[row][column]);
                let squared = all[row][column] * first * first - all[row][row.min(4)] * here * here;
                assert!(squared.abs() < 1e-12, "{row} {column}");
            }
        }
    }
}

#[test]
fn kernels_that_need_no_distance_take_inner_products() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 81), sample(&place, "reference", 90));
    for kernel in KernelMethod::ALL.into_iter().filter(|kernel| crosses(*kernel)) {
        let request = by(kernel, &place.request(&query, Some(&reference)));
        let name = format!("{}.zarr", kernel.name());
        let ended = map(&MapRequest { metric: Some("inner_product".into()), ..to(&place, &request, &name) });
        match ended {
            Ok(report) => assert!(!kernel.weighs_distances() && report.sigma.is_none(), "{}", kernel.name()),
            Err(error) => assert!(kernel.weighs_distances() && error.code() == "GM_PARAM", "{error}"),
        }
    }
}

#[test]
fn one_neighbor_is_enough_to_share() {
    let place = Place::new();
    let (query, _) = told(&place, "query", &[0.2, 4.0]);
    let (reference, keys) = told(&place, "reference", &[0.0, 1.0, 5.0]);
    let request = MapRequest {
        n_neighbors: Some(1),
        kernel_method: Some("jaccard".into()),
        ..place.request(&query, Some(&reference))
    };
    // The first cell has reference cell 0 and itself: the former is 0's own, and 0 and 1 have the latter. s is 2, 1 and 0.
    let m = matrix(&request, &keys);
    let raw = [2.0 / 2.0, 1.0 / 3.0];
    assert!((m[0][0] - raw[0] / (raw[0] + raw[1])).abs() < 1e-12 && m[0][2] == 0.0, "{m:?}");
}

#[test]
fn a_cell_with_many_that_enter_it_hears_all_of_them() {
    let place = Place::new();
    // Points far out, each in a direction of its own: all are nearer to the middle than to each other.
    let n = 200;
    let mut points = vec![0f32; (n + 1) * n];
    (0..n).for_each(|cell| points[cell * n + cell] = 1.0 + cell as f32 / 1000.0);
    let values: Vec<f64> = (0..=n).map(|cell| if cell == n { 0.0 } else { 1.0 }).collect();
    let cells = place.cells("star", n + 1).embedding("X_pca", n, &points).column("x", &values);
    let request = MapRequest {
        obs_keys: Some(vec!["x".into()]),
        n_neighbors: Some(2),
        kernel_method: Some("equal".into()),
        self_edges: Some(true),
        ..place.request(&cells, None)
    };
    let (_, found) = mapped(&request);
    assert!(found.neighbors().ids[..n].iter().all(|&id| id == n as i64));
    // All of them with 1, and itself with 0, one share each.
    assert!((found.numbers("x_pred")[n] - 200.0 / 201.0).abs() < 1e-12);
    assert_eq!(found.numbers("x_pred")[0], 0.5);
}

#[test]
fn a_stored_bandwidth_maps_a_later_query_alike() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 81), sample(&place, "reference", 90));
    for kernel in KernelMethod::ALL.into_iter().filter(|kernel| kernel.has_bandwidth()) {
        let request = by(kernel, &place.request(&query, Some(&reference)));
        let (report, learnt) = mapped(&to(&place, &request, &format!("{}.zarr", kernel.name())));
        let pinned = to(&place, &request, &format!("{}-pinned.zarr", kernel.name()));
        let (again, found) = mapped(&MapRequest { bandwidth: report.sigma, ..pinned.clone() });
        assert_eq!(again.sigma, report.sigma);
        assert_eq!(bits(&found.numbers("score_pred")), bits(&learnt.numbers("score_pred")), "{}", kernel.name());
        let wider = to(&place, &request, &format!("{}-wider.zarr", kernel.name()));
        let (_, wider) = mapped(&MapRequest { bandwidth: report.sigma.map(|sigma| sigma * 2.0), ..wider });
        assert_ne!(bits(&wider.numbers("score_pred")), bits(&learnt.numbers("score_pred")), "{}", kernel.name());
        let stored = std::fs::read(output(&pinned).join("dataset_0/uns/gigamapper/sigma/zarr.json")).unwrap();
        assert!(String::from_utf8(stored).unwrap().contains("float64"));
    }
}

#[test]
fn distances_that_are_all_the_same_have_no_deviation_and_equal_weights() {
    let place = Place::new();
    let query = line(&place, "query", &[0.0, 10.0]);
    let reference = line(&place, "reference", &[-2.0, 2.0, 8.0, 12.0]).column("x", &[1.0f64, 2.0, 4.0, 7.0]);
    let request = MapRequest { obs_keys: Some(vec!["x".into()]), ..place.request(&query, Some(&reference)) };
    let kernel_method = Some("scarches".into());
    let (report, found) = mapped(&MapRequest { n_neighbors: Some(2), kernel_method, ..request });
    assert_eq!((report.sigma, found.numbers("x_pred")), (Some(0.0), vec![1.5, 5.5]));
    assert!(
        report.warnings.iter().any(|warning| warning.contains("all distances are the same")),
        "{:?}",
        report.warnings
    );
}

#[test]
fn kernels_without_a_bandwidth_report_none() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 81), sample(&place, "reference", 90));
    let request = by(KernelMethod::Equal, &place.request(&query, Some(&reference)));
    let (report, found) = mapped(&request);
    assert_eq!(report.sigma, None);
    assert!(!report.warnings.iter().any(|warning| warning.contains("neighbor")), "{:?}", report.warnings);
    let confidence = found.numbers("cell type_conf")[0];
    let neighbors = (1..=7).map(f64::from).flat_map(|of| (0..=7).map(move |some| f64::from(some) / of));
    assert!(neighbors.into_iter().any(|share| (share - confidence).abs() < 1e-6), "{confidence}");
}

#[test]
fn random_weights_follow_from_the_seed() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 81), sample(&place, "reference", 90));
    let request = by(KernelMethod::Random, &place.request(&query, Some(&reference)));
    let of = |name: &str, seed| {
        let (_, found) = mapped(&MapRequest { seed, ..to(&place, &request, name) });
        bits(&found.numbers("score_pred"))
    };
    assert_eq!(of("none.zarr", None), of("zero.zarr", Some(0)));
    assert_ne!(of("one.zarr", Some(1)), of("two.zarr", Some(2)));
}
