//! What is unusual but not wrong: such cells get a status, and such stores a valid result.

use gigamapper_core::pipeline::{MapRequest, RunReport};
use half::f16;

use super::cells::Cells;
use super::mapped::Mapped;
use super::sample::{DIM, Place, map, noise, output, sample};
use super::zarr::Grid;

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|&key| key.to_owned()).collect()
}

fn mapped(request: &MapRequest) -> (RunReport, Mapped) {
    let report = map(request).unwrap();
    (report, Mapped::open(output(request)))
}

/// Cells at these positions of a line.
fn line(place: &Place, name: &str, positions: &[f32]) -> Cells {
    place.cells(name, positions.len()).embedding("X_pca", 1, positions)
}

#[test]
fn cells_that_are_not_finite_get_a_status() {
    let place = Place::new();
    let (query, reference) = (sample(&place, "query", 81), sample(&place, "reference", 90));
    let (report, mapped) = mapped(&place.full_request(&query, Some(&reference)));
    let statuses = mapped.labels("mapping_status");
    assert_eq!(statuses.len(), 81);
    for (row, status) in statuses.iter().enumerate() {
        let wrong = row == 9 || row == 70;
        assert_eq!(status, if wrong { "invalid input" } else { "ok" });
        assert_eq!(mapped.codes("cell type_pred")[row] < 0, wrong);
        assert_eq!(mapped.numbers("cell type_conf")[row] == 0.0, wrong);
        assert_eq!(mapped.labels("cell type_status")[row], if wrong { "unlabelled" } else { "ok" });
        assert_eq!(mapped.numbers("score_pred")[row].is_nan(), wrong);
        assert_eq!(mapped.matrix("X_umap_pred")[row * 2].is_nan(), wrong);
        assert_eq!(mapped.neighbors().ids[row * 7] < 0, wrong);
    }
    assert_eq!((report.status_counts["ok"], report.status_counts["invalid input"]), (79, 2));
    assert_eq!(report.label_status_counts["cell type"]["unlabelled"], 2);
    // And those of the reference are nobody's neighbours.
    assert_eq!(report.excluded_reference_rows, 2);
    assert!(mapped.neighbors().ids.iter().all(|id| *id != 9 && *id != 70));
    let (report, own) = self::mapped(&MapRequest {
        output: Some(place.outputs().join("own.zarr").to_str().unwrap().into()),
        ..place.full_request(&reference, None)
    });
    assert_eq!((report.excluded_reference_rows, report.status_counts["invalid input"]), (2, 2));
    let neighbors = own.neighbors();
    assert_eq!(neighbors.k, 6);
    assert!(neighbors.ids.iter().enumerate().all(|(slot, &id)| id != (slot / 6) as i64));
}

#[test]
fn an_empty_query_gives_an_empty_store() {
    let place = Place::new();
    let empty: [f32; 0] = [];
    let query = place.cells("query", 0).embedding("X_pca", DIM, &empty);
    let reference = sample(&place, "reference", 90);
    let (report, mapped) = mapped(&place.full_request(&query, Some(&reference)));
    assert_eq!((mapped.n_obs(), report.plan.layout.units, report.sigma), (0, 0, None));
    assert_eq!(report.warnings, Vec::<String>::new());
    assert_eq!(mapped.categories("cell type_pred"), ["T", "B", "NK", "größer", "unused"]);
    assert_eq!((mapped.names().len(), mapped.neighbors().ids.len(), mapped.matrix("X_umap_pred").len()), (0, 0, 0));
    let own = MapRequest {
        output: Some(place.outputs().join("own.zarr").to_str().unwrap().into()),
        ..place.request(&query, None)
    };
    assert_eq!(self::mapped(&own).1.n_obs(), 0);
    assert_eq!(map(&MapRequest { resume: Some(true), ..own }).unwrap().resumed_units, 0);
}

#[test]
fn fewer_reference_cells_than_neighbors_are_padded_with_a_warning() {
    let place = Place::new();
    let query = line(&place, "query", &[0.0, 10.0]);
    let reference = line(&place, "reference", &[1.0, f32::NAN, 4.0]).column("x", &[1i64, 2, 3]);
    let request = MapRequest { obs_keys: Some(keys(&["x"])), ..place.request(&query, Some(&reference)) };
    let (report, mapped) = mapped(&MapRequest { n_neighbors: Some(5), ..request });
    let neighbors = mapped.neighbors();
    assert_eq!(neighbors.ids, [0, 2, -1, -1, -1, 2, 0, -1, -1, -1]);
    assert_eq!(neighbors.distances[..2], [1.0, 4.0]);
    assert!(neighbors.distances[2..5].iter().all(|distance| distance.is_nan()));
    assert!(report.warnings.iter().any(|warning| warning.contains("padded")), "{:?}", report.warnings);
    assert_eq!(report.sigma, Some((1.0 + 4.0 + 6.0 + 9.0) / 4.0));
}

#[test]
fn one_cell_can_be_a_reference_and_map_onto_itself() {
    let place = Place::new();
    let query = line(&place, "query", &[0.0, 3.0]);
    let one = line(&place, "one", &[1.0]).categorical("type", &[1], &["a", "b"], true);
    let request = MapRequest { obs_keys: Some(keys(&["type"])), ..place.request(&query, Some(&one)) };
    let (_, found) = mapped(&request);
    assert_eq!((found.labels("type_pred"), found.numbers("type_conf")), (vec!["b".into(); 2], vec![1.0; 2]));
    assert_eq!(found.categories("type_pred"), ["a", "b"]);
    let own = MapRequest {
        obs_keys: Some(keys(&["type"])),
        output: Some(place.outputs().join("own.zarr").to_str().unwrap().into()),
        ..place.request(&one, None)
    };
    let (report, found) = mapped(&own);
    assert_eq!(found.labels("mapping_status"), ["no neighbors"]);
    assert_eq!((found.codes("type_pred"), found.numbers("type_conf"), report.sigma), (vec![-1], vec![0.0], None));
    assert!(report.warnings.iter().any(|warning| warning.contains("no query cell")), "{:?}", report.warnings);
}

#[test]
fn missing_labels_drop_out_and_the_rest_is_renormalised() {
    let place = Place::new();
    // The first query cell has labelled neighbours and others, the second only others.
    let query = line(&place, "query", &[0.0, 100.0]);
    let reference = line(&place, "reference", &[-1.0, 1.0, 2.0, 99.0, 100.0, 101.0])
        .categorical("type", &[1, -1, 0, -1, -1, -1], &["a", "b", "never"], false)
        .categorical("single", &[0; 6], &["only"], false)
        .categorical("nothing", &[-1; 6], &[], false)
        .nullable("n", &[10, 20, 30, 0, 0, 0], &[false, true, false, true, true, true]);
    let request = MapRequest {
        obs_keys: Some(keys(&["type", "single", "nothing", "n"])),
        n_neighbors: Some(3),
        bandwidth: Some(2.0),
        probabilities: Some("all".into()),
        ..place.request(&query, Some(&reference))
    };
    let (report, found) = mapped(&request);
    let weight = |d: f64| (-d * d / 8.0).exp();
    let share = weight(1.0) / (weight(1.0) + weight(2.0));
    assert_eq!(found.labels("type_pred"), ["b", ""]);
    assert_eq!(found.labels("type_status"), ["ok", "unlabelled"]);
    assert_eq!(found.labels("mapping_status"), ["ok", "ok"]);
    assert!((found.numbers("type_conf")[0] - share).abs() < 1e-6 && found.numbers("type_conf")[1] == 0.0);
    let shares = found.matrix("type_prob");
    assert!((f64::from(shares[1]) - share).abs() < 1e-6 && shares[2] == 0.0 && shares[3..].iter().all(|s| s.is_nan()));
    assert_eq!((found.labels("single_pred"), found.numbers("single_conf")), (vec!["only".into(); 2], vec![1.0; 2]));
    assert_eq!((found.codes("nothing_pred"), found.categories("nothing_pred").len()), (vec![-1, -1], 0));
    let mean = share * 10.0 + (1.0 - share) * 30.0;
    assert!((found.numbers("n_pred")[0] - mean).abs() < 1e-9 && found.numbers("n_pred")[1].is_nan());
    assert_eq!(report.label_status_counts["type"]["unlabelled"], 1);
}

#[test]
fn booleans_are_voted_on() {
    let place = Place::new();
    let query = line(&place, "query", &[0.0, 10.0]);
    let reference = line(&place, "reference", &[0.0, 1.0, 9.0, 10.0]).column("flag", &[true, true, false, false]);
    let request = MapRequest { obs_keys: Some(keys(&["flag"])), ..place.request(&query, Some(&reference)) };
    let (_, found) = mapped(&MapRequest { n_neighbors: Some(2), ..request });
    assert_eq!(found.categories("flag_pred"), ["False", "True"]);
    assert_eq!(
        (found.labels("flag_pred"), found.numbers("flag_conf")),
        (vec!["True".into(), "False".into()], vec![1.0; 2])
    );
}

#[test]
fn duplicates_have_bandwidth_zero_and_equal_weights() {
    let place = Place::new();
    let query = line(&place, "query", &[7.0; 3]).names(&["twin", "twin", "twin"]);
    let reference = line(&place, "reference", &[7.0; 9]).column("x", &[1.0f64, 2.0, 4.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let request = MapRequest { obs_keys: Some(keys(&["x"])), ..place.request(&query, Some(&reference)) };
    let (report, found) = mapped(&MapRequest { n_neighbors: Some(4), ..request });
    assert_eq!(report.sigma, Some(0.0));
    assert!(report.warnings.iter().any(|warning| warning.contains("weighted equally")), "{:?}", report.warnings);
    assert_eq!(found.neighbors().ids, [0, 1, 2, 3].repeat(3));
    assert_eq!((found.numbers("x_pred"), found.names()), (vec![3.0; 3], vec!["twin".to_owned(); 3]));
}

#[test]
fn element_types_of_a_representation_do_not_matter() {
    let place = Place::new();
    let n = 60;
    // Small integers are the same in every type.
    let values: Vec<i16> = noise(3, n * DIM).iter().map(|value| (value * 100.0) as i16).collect();
    let big = Grid { big_endian: true, ..Grid::chunks(7, 3) };
    let grid = Grid::shards([32, 5], [16, 1]);
    let as_f32: Vec<f32> = values.iter().map(|&v| f32::from(v)).collect();
    let as_f64: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
    let as_f16: Vec<f16> = as_f32.iter().map(|&v| f16::from_f32(v)).collect();
    let stores = [
        place.cells("f32", n).embedding("X_pca", DIM, &as_f32),
        place.cells("f64", n).embedding_in("X_pca", DIM, &as_f64, grid),
        place.cells("f16", n).embedding_in("X_pca", DIM, &as_f16, grid),
        place.cells("i16", n).embedding("X_pca", DIM, &values),
        place.cells("big", n).embedding_in("X_pca", DIM, &as_f64, big),
        place.cells("big16", n).embedding_in("X_pca", DIM, &values, big),
    ];
    let mut expected = None;
    for (number, store) in stores.iter().enumerate() {
        let output = place.outputs().join(format!("{number}.zarr")).to_str().unwrap().to_owned();
        let neighbors = mapped(&MapRequest { output: Some(output), ..place.request(store, None) }).1.neighbors();
        assert_eq!(*expected.get_or_insert(neighbors.clone()), neighbors, "{}", store.path());
    }
}

#[test]
fn arrays_of_one_dimension_and_names_beyond_ascii_are_mapped() {
    let place = Place::new();
    let query = place.cells("größe", 2).names(&["細胞", "cellule nº 2"]).vector("X_时间", &[0f32, 1.0]);
    let reference = place
        .cells("référence", 3)
        .vector("X_时间", &[0f64, 1.0, 5.0])
        .vector("pseudo", &[10i32, 20, 30])
        .categorical("тип клетки", &[0, 1, 1], &["нейрон", "глия"], false);
    let request = MapRequest {
        use_rep: Some("X_时间".into()),
        obs_keys: Some(keys(&["тип клетки"])),
        obsm_keys: Some(keys(&["pseudo"])),
        n_neighbors: Some(1),
        ..place.request(&query, Some(&reference))
    };
    let (_, found) = mapped(&request);
    assert_eq!(found.names(), ["細胞", "cellule nº 2"]);
    assert_eq!(found.labels("тип клетки_pred"), ["нейрон", "глия"]);
    assert_eq!(found.matrix("pseudo_pred"), [10.0, 20.0]);
}
