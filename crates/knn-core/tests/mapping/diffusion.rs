//! Diffusion: CellMapper's numbers, and one result however it is carried out, disturbed or cut into blocks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gigamapper_core::error::Error;
use gigamapper_core::kernel::KernelMethod;
use gigamapper_core::pipeline::{LayoutRequest, MapRequest, Seams, VerifyRequest, plan, run_with, verify};
use gigamapper_core::progress::{Cancel, Progress};
use gigamapper_core::source::{AnnDataStore, RowSource};
use gigamapper_core::types::{RowRange, Tile};

use super::cells::Cells;
use super::disk::{Disk, assert_same, files};
use super::mapped::Mapped;
use super::npy;
use super::sample::{DIM, Place, map, noise, output, quick, sample};

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures").join(path)
}

pub(super) fn to(place: &Place, request: &MapRequest, name: &str) -> MapRequest {
    MapRequest { output: Some(place.outputs().join(name).to_str().unwrap().into()), ..request.clone() }
}

pub(super) fn remove(place: &Place, name: &str) {
    std::fs::remove_dir_all(place.outputs().join(name)).unwrap();
    std::fs::remove_dir_all(place.outputs().join(format!("{name}.journal"))).unwrap();
}

pub(super) fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|&key| key.to_owned()).collect()
}

/// A golden case of self-mapping: its name, its store, its representation and a column of numbers.
type Case = (&'static str, &'static str, &'static str, &'static str);

const SYNTHETIC: Case = ("synthetic_self", "golden/synthetic_cross/reference.zarr", "X_rep", "score");
const PBMC: Case = ("pbmc_self", "pbmc/reference.zarr", "X_pca", "n_genes");

/// The request of a case, by a kernel.
fn golden(place: &Place, (_, store, use_rep, numbers): Case, kernel: &str, t: i64) -> MapRequest {
    MapRequest {
        query: fixture(store).to_str().unwrap().into(),
        output: place.output().to_str().map(str::to_owned),
        use_rep: Some(use_rep.into()),
        n_neighbors: Some(15),
        obs_keys: Some(keys(&[numbers])),
        kernel_method: Some(kernel.into()),
        probabilities: Some("all".into()),
        t: Some(t),
        memory: Some("512MiB".into()),
        overwrite: Some(true),
        ..MapRequest::default()
    }
}

/// Relative 1e-5 plus 1e-6 of the largest.
fn near(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0f64, |most, value| most.max(value.abs()));
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        let tolerance = 1e-5 * expected.abs() + 1e-6 * largest;
        assert!((found - expected).abs() <= tolerance, "{what} at {row}: {found} for {expected}");
    }
}

fn expression(path: &Path) -> Vec<f64> {
    let rows = AnnDataStore::open(path).unwrap().representation("X").unwrap();
    let mut tile = Tile::default();
    rows.read(RowRange::new(0, rows.rows()), &mut tile).unwrap();
    tile.values.iter().map(|&value| f64::from(value)).collect()
}

#[test]
fn diffused_numbers_are_cellmappers_by_every_kernel() {
    let place = Place::new();
    let kernels = ["umap", "gauss", "scarches", "inverse_distance", "equal", "jaccard", "hnoca"];
    for (case, kernel) in kernels.into_iter().flat_map(|kernel| [(SYNTHETIC, kernel), (PBMC, kernel)]) {
        let expected = fixture("golden").join(case.0).join("expected").join(kernel);
        let key = case.3;
        for t in 1..=3 {
            let request = golden(&place, case, kernel, t);
            let theirs = npy::read(&expected.join(format!("obs.{key}.pred.t{t}.npy"))).values;
            map(&request).unwrap();
            let found = Mapped::open(output(&request)).numbers(&format!("{key}_pred"));
            near(&found, &theirs, &format!("{} by {kernel}, {t} steps", case.0));
            if t > 1 && case == SYNTHETIC {
                let spectral = MapRequest { diffusion_method: Some("spectral".into()), ..request };
                map(&spectral).unwrap();
                let found = Mapped::open(output(&spectral)).numbers(&format!("{key}_pred"));
                near(&found, &theirs, &format!("{kernel}, {t} steps at once"));
            }
        }
    }
}

#[test]
fn diffused_expression_is_cellmappers() {
    let place = Place::new();
    let expected = fixture("golden/synthetic_self/expected/gauss");
    for t in [1, 3] {
        let layer = |name: &str| expected.join(format!("layer.X.t{t}.{name}.npy"));
        let request = MapRequest { layer_key: Some("X".into()), ..golden(&place, SYNTHETIC, "gauss", t) };
        map(&request).unwrap();
        let found = expression(output(&request));
        let [data, indices, starts] = ["data", "indices", "indptr"].map(|name| npy::read(&layer(name)).values);
        let genes = found.len() / (starts.len() - 1);
        let mut theirs = vec![0.0; found.len()];
        for row in 0..starts.len() - 1 {
            for entry in starts[row] as usize..starts[row + 1] as usize {
                theirs[row * genes + indices[entry] as usize] = data[entry];
            }
        }
        near(&found, &theirs, &format!("{t} steps"));
    }
}

/// Some of everything, three units in two parts.
pub(super) fn all(place: &Place, cells: &Cells, kernel: KernelMethod) -> MapRequest {
    MapRequest {
        kernel_method: Some(kernel.name().into()),
        t: Some(3),
        label_details: Some(true),
        ..place.full_request(cells, None)
    }
}

fn bytes(request: &MapRequest, seams: Seams) -> BTreeMap<String, Vec<u8>> {
    run_with(request, &Progress::silent(), seams).unwrap();
    files(output(request))
}

#[test]
fn blocks_bands_threads_memory_and_interruptions_change_no_byte() {
    let place = Place::new();
    let cells = sample(&place, "cells", 90);
    for kernel in [KernelMethod::Umap, KernelMethod::Jaccard, KernelMethod::HnocaKnn, KernelMethod::Gauss] {
        let request = MapRequest {
            symmetrize: (kernel == KernelMethod::Gauss).then(|| "none".into()),
            ..all(&place, &cells, kernel)
        };
        let whole = to(&place, &request, "whole.zarr");
        let expected = bytes(&whole, quick());
        // Of 90 rows: all lanes, a few, one, one in bands of 26 rows, and of one row.
        for (state_bytes, threads) in [(1 << 20, 1), (90 * 8 * 3, 3), (90 * 8, 2), (210, 2), (1, 8)] {
            let again = MapRequest { threads: Some(threads), ..to(&place, &request, "again.zarr") };
            let seams = Seams { state_bytes: Some(state_bytes), run_rows: Some(100), ..quick() };
            assert_same(&bytes(&again, seams), &expected, &format!("{kernel:?}, states of {state_bytes} bytes"));
            remove(&place, "again.zarr");
        }
        let memory = MapRequest { memory: Some("3GiB".into()), ..to(&place, &request, "again.zarr") };
        assert_same(&bytes(&memory, quick()), &expected, "other memory");
        remove(&place, "again.zarr");
        if kernel == KernelMethod::Umap {
            is_resumed(&place, &request, &expected);
        }
        remove(&place, "whole.zarr");
        let left: Vec<_> = files(&place.outputs()).into_keys().collect();
        assert_eq!(left, Vec::<String>::new(), "{kernel:?}");
    }
}

/// Cancels again and again, each time later, and resumes with less memory for states.
fn is_resumed(place: &Place, request: &MapRequest, expected: &BTreeMap<String, Vec<u8>>) {
    let (mut cancelled, mut kept) = (0, 0);
    for at in (3..).step_by(89) {
        let cut = to(place, request, "cut.zarr");
        let cancel = Cancel::default();
        let disk = Arc::new(Disk::cancelling(at, cancel.clone()));
        let seams = Seams { vfs: disk, state_bytes: Some(90 * 8 * 5), ..quick() };
        let ended = run_with(&cut, &Progress::new(cancel, None), seams);
        if ended.is_err() {
            cancelled += 1;
            let states = place.outputs().join("cut.zarr.steps");
            let is_state = |name: &String| name.starts_with("diffuse-");
            kept += usize::from(states.exists() && files(&states).keys().any(is_state));
            let seams = || Seams { state_bytes: Some(300), ..quick() };
            match run_with(&MapRequest { resume: Some(true), ..cut.clone() }, &Progress::silent(), seams()) {
                Err(Error::NotFound { .. }) => run_with(&cut, &Progress::silent(), seams()),
                other => other,
            }
            .unwrap();
        }
        assert_same(&files(output(&cut)), expected, &format!("cancelled after {at} calls"));
        remove(place, "cut.zarr");
        if ended.is_ok() {
            break;
        }
    }
    assert!(cancelled > 5 && kept > 0, "{cancelled}, of which {kept} were within the steps");
}

/// Cells without gaps but for one that cannot be mapped, with a column of one value.
pub(super) fn plain(place: &Place, n: usize) -> Cells {
    let mut representation = noise(7, n * DIM);
    representation[9 * DIM] = f32::NAN;
    let codes: Vec<i8> = (0..n).map(|cell| [0, 2, 1, 2, -1, 0, 3][cell % 7]).collect();
    let score: Vec<f64> = (0..n).map(|cell| if cell % 11 == 3 { f64::NAN } else { cell as f64 / 7.0 }).collect();
    place
        .cells("plain", n)
        .embedding("X_pca", DIM, &representation)
        .embedding("X_one", 3, &vec![3.7; n * 3])
        .embedding("X_umap", 2, &noise(3, n * 2))
        .categorical("type", &codes, &["T", "B", "NK", "rare", "unused"], false)
        .column("one", &vec![0.1f64; n])
        .column("score", &score)
}

#[test]
fn steps_are_what_repeated_transfer_gives() {
    let place = Place::new();
    let cells = plain(&place, 80);
    let request = MapRequest {
        obs_keys: Some(keys(&["type", "one", "score"])),
        obsm_keys: Some(keys(&["X_one", "X_umap"])),
        probabilities: Some("all".into()),
        label_details: Some(true),
        kernel_method: Some("gauss".into()),
        layout: Some(LayoutRequest { inner_rows: 16, inner_per_unit: 2, part_rows: 1024 }),
        overwrite: Some(true),
        ..place.request(&cells, None)
    };
    map(&request).unwrap();
    let once = Mapped::open(output(&request));
    let embedding = once.matrix("X_umap_pred");
    let shares = once.matrix("type_prob");

    // Two steps are one step of what one step gave, for cells that have all their neighbours' values.
    let mut finite = embedding.clone();
    finite.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
    let next = place
        .cells("next", 80)
        .embedding("X_pca", DIM, &{
            let mut representation = noise(7, 80 * DIM);
            representation[9 * DIM] = f32::NAN;
            representation
        })
        .embedding("X_umap", 2, &finite);
    let step = MapRequest { obs_keys: None, obsm_keys: Some(keys(&["X_umap"])), query: next.path(), ..request.clone() };
    map(&step).unwrap();
    let expected = Mapped::open(output(&step)).matrix("X_umap_pred");
    let twice = MapRequest { t: Some(2), ..request.clone() };
    map(&twice).unwrap();
    let found = Mapped::open(output(&twice));
    for (place, (&found, &expected)) in found.matrix("X_umap_pred").iter().zip(&expected).enumerate() {
        assert!((found - expected).abs() < 1e-6 || (found.is_nan() && expected.is_nan()), "{place}");
    }

    // What is the same everywhere stays so, and the cell that has no neighbours has nothing.
    for t in [2, 7] {
        let request = MapRequest { t: Some(t), ..request.clone() };
        map(&request).unwrap();
        let found = Mapped::open(output(&request));
        let (one, deviation) = (found.numbers("one_pred"), found.numbers("one_sd"));
        let same = found.matrix("X_one_pred");
        let (labels, shares) = (found.labels("type_pred"), found.matrix("type_prob"));
        assert_eq!(found.labels("type_status")[9], "unlabelled");
        for row in 0..80 {
            if row == 9 {
                assert!(one[row].is_nan() && same[row * 3].is_nan() && labels[row].is_empty());
                assert!(shares[row * 5..row * 5 + 5].iter().all(|share| share.is_nan()));
                continue;
            }
            assert_eq!((one[row], deviation[row]), (0.1, 0.0), "row {row}");
            assert_eq!(same[row * 3..row * 3 + 3], [3.7; 3], "row {row}");
            let sum: f32 = shares[row * 5..row * 5 + 5].iter().sum();
            assert!((sum - 1.0).abs() < 1e-6 && shares[row * 5 + 4] == 0.0, "row {row}: {sum}");
        }
        let score = found.numbers("score_pred");
        assert!((0..80).filter(|&row| row != 9).all(|row| (0.0..80.0 / 7.0).contains(&score[row])));
    }
    // Labels spread: after many steps the largest share is smaller than after one.
    let mean = |shares: &[f32]| {
        let rows = shares.chunks(5).filter(|row| !row[0].is_nan());
        rows.map(|row| row.iter().copied().fold(0.0, f32::max)).sum::<f32>()
    };
    assert!(mean(&found.matrix("type_prob")) < mean(&shares));
}

#[test]
fn one_step_is_what_there_is_without() {
    let place = Place::new();
    let cells = sample(&place, "cells", 90);
    let request = MapRequest { overwrite: Some(true), ..place.full_request(&cells, None) };
    let expected = bytes(&request, quick());
    assert_same(&bytes(&MapRequest { t: Some(1), ..request.clone() }, quick()), &expected, "one step");
    let reference = sample(&place, "reference", 80);
    let across = MapRequest { overwrite: Some(true), ..place.full_request(&cells, Some(&reference)) };
    let expected = bytes(&across, quick());
    assert_same(&bytes(&MapRequest { t: Some(1), ..across }, quick()), &expected, "one step across");
}

#[test]
fn eigenvectors_give_what_steps_give() {
    let place = Place::new();
    let cells = plain(&place, 80);
    let request = MapRequest {
        obs_keys: Some(keys(&["type", "score"])),
        obsm_keys: Some(keys(&["X_umap"])),
        overwrite: Some(true),
        t: Some(20),
        ..place.request(&cells, None)
    };
    for kernel in KernelMethod::ALL.into_iter().filter(|&kernel| kernel != KernelMethod::HnocaKnn) {
        let steps = MapRequest { kernel_method: Some(kernel.name().into()), ..request.clone() };
        map(&steps).unwrap();
        let seen = |request: &MapRequest| {
            let mapped = Mapped::open(output(request));
            let embedding = mapped.matrix("X_umap_pred").into_iter().map(f64::from).collect::<Vec<_>>();
            (mapped.labels("type_pred"), mapped.numbers("type_conf"), mapped.numbers("score_pred"), embedding)
        };
        let expected = seen(&steps);
        let at_once = MapRequest { diffusion_method: Some("spectral".into()), ..steps };
        run_with(&at_once, &Progress::silent(), Seams { state_bytes: Some(80 * 8 * 2), ..quick() }).unwrap();
        let found = seen(&at_once);
        assert_eq!(found.0, expected.0, "{kernel:?}");
        for (found, expected) in [(found.1, expected.1), (found.2, expected.2), (found.3, expected.3)] {
            for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let is_near = (found - expected).abs() <= 1e-5 * expected.abs().max(0.01);
                assert!(is_near || (found.is_nan() && expected.is_nan()), "{kernel:?}, {row}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn what_cannot_be_diffused_is_refused_before_anything_is_written() {
    let place = Place::new();
    let (cells, reference) = (sample(&place, "cells", 90), sample(&place, "reference", 80));
    let own = || MapRequest { t: Some(2), ..place.full_request(&cells, None) };
    let spectral = || MapRequest { diffusion_method: Some("spectral".into()), ..own() };
    let many = plain(&place, 2049);
    let wrong = [
        ("GM_PARAM", "t", MapRequest { t: Some(0), ..own() }),
        ("GM_PARAM", "t", MapRequest { t: Some(-1), ..own() }),
        ("GM_PARAM", "square", MapRequest { reference: Some(reference.path()), ..own() }),
        ("GM_NOT_FOUND", "nope", MapRequest { obs_keys: Some(keys(&["nope"])), ..own() }),
        ("GM_PARAM", "diffusionMethod", MapRequest { diffusion_method: Some("both".into()), ..own() }),
        ("GM_PARAM", "both ways", MapRequest { kernel_method: Some("hnoca_knn".into()), ..spectral() }),
        ("GM_UNSUPPORTED", "2049 cells", MapRequest { query: many.path(), obs_keys: None, ..spectral() }),
    ];
    for (code, told, request) in wrong {
        let error = map(&request).unwrap_err();
        assert!(error.code() == code && error.to_string().contains(told), "{told}: {error}");
        assert_eq!(std::fs::read_dir(place.outputs()).unwrap().count(), 0, "{told}");
    }
    let error = map(&MapRequest { obsm_keys: Some(keys(&["X_pca"])), ..spectral() }).unwrap_err();
    assert!(error.code() == "GM_PARAM" && error.to_string().contains("NaN"), "{error}");
    std::fs::create_dir(place.outputs().join("other.zarr.steps")).unwrap();
    std::fs::write(place.outputs().join("other.zarr.steps/notes"), "").unwrap();
    assert_eq!(map(&to(&place, &own(), "other.zarr")).unwrap_err().code(), "GM_EXISTS");
}

#[test]
fn a_damaged_unit_is_diffused_again() {
    let place = Place::new();
    let cells = sample(&place, "cells", 90);
    let request = all(&place, &cells, KernelMethod::Umap);
    let expected = bytes(&request, quick());
    let store = output(&request);
    let file = store.join("dataset_0/obs/score_pred/c/1");
    let mut damaged = std::fs::read(&file).unwrap();
    damaged[9] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    let path = store.to_str().unwrap().to_owned();
    verify(&VerifyRequest { path, repair: Some(true) }, &Progress::silent()).unwrap();
    let report = map(&MapRequest { resume: Some(true), ..request.clone() }).unwrap();
    // Of three units, joined and transferred, one is made again.
    assert_eq!(report.resumed_units, 5);
    assert_same(&files(store), &expected, "repaired");
}

#[test]
fn a_plan_tells_what_states_take() {
    let place = Place::new();
    let cells = sample(&place, "cells", 90);
    let request = place.full_request(&cells, None);
    let one = plan(&request).unwrap();
    let three = plan(&MapRequest { t: Some(3), ..request }).unwrap();
    assert!(one.parameters.diffusion.is_none() && three.parameters.diffusion.unwrap().t == 3);
    // M, and the states of all lanes.
    assert!(three.search.run_bytes > one.search.run_bytes + 90 * 13 * 12);
    assert!(three.memory.planned <= three.memory.limit && one.run != three.run);
}

#[test]
fn eigenvectors_need_the_same_memory_whatever_there_is_and_go_on_in_it() {
    let place = Place::new();
    let cells = plain(&place, 80);
    let request = MapRequest {
        diffusion_method: Some("spectral".into()),
        obs_keys: Some(keys(&["type", "score"])),
        obsm_keys: Some(keys(&["X_umap"])),
        overwrite: Some(true),
        t: Some(5),
        ..place.request(&cells, None)
    };
    let needed = |request: &MapRequest| {
        let error = plan(&MapRequest { memory: Some("66MiB".into()), ..request.clone() }).unwrap_err();
        assert_eq!(error.code(), "GM_BUDGET");
        error.details()["needed"].as_u64().unwrap()
    };
    let iterative = MapRequest { diffusion_method: None, ..request.clone() };
    // M and its eigenvectors, but not the state of ten lanes that steps have: it is not there at the same time.
    assert_eq!(needed(&request) - needed(&iterative), 2 * 80 * 80 * 8 + 80 * 64 - 80 * 10 * 8);
    let expected = bytes(&request, quick());
    let exact = MapRequest { memory: Some(needed(&request).to_string()), ..request.clone() };
    assert_same(&bytes(&exact, quick()), &expected, "in as little memory as it needs");
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let listener = Box::new(move |event: gigamapper_core::progress::ProgressEvent| {
        if event.stage == "diffuse" && event.done > 0 {
            stop.cancel();
        }
    });
    let cut = run_with(&request, &Progress::new(cancel, Some(listener)), quick());
    assert_eq!(cut.unwrap_err().code(), "GM_CANCELLED");
    let less = MapRequest { overwrite: None, resume: Some(true), ..exact };
    assert_same(&bytes(&less, quick()), &expected, "resumed in less memory");
}
