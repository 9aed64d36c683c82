//! The golden cases: what CellMapper 0.2.6 computes from the same stores, within the tolerances that their README states.

use std::path::{Path, PathBuf};

use gigamapper_core::graph::ReverseBlock;
use gigamapper_core::kernel::{Entering, Kernel, Symmetrize, Weights};
use gigamapper_core::pipeline::{MapRequest, RunReport};
use gigamapper_core::source::AnnDataStore;
use gigamapper_core::types::NeighborBlock;
use serde_json::Value;

use super::mapped::Mapped;
use super::npy;
use super::sample::{Place, map, output};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures")
}

struct Case {
    expected: PathBuf,
    kernel: &'static str,
    is_self: bool,
    reference: AnnDataStore,
    report: RunReport,
    mapped: Mapped,
    /// Absolute tolerance of distances: CellMapper computes a cosine in f32, as one less a product.
    near: f64,
    labels: Vec<String>,
    numbers: Vec<String>,
    embeddings: Vec<String>,
    _place: Place,
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Maps a case as its `params.json` says, by a kernel.
fn case(name: &str, query: &str, reference: Option<&str>, kernel: &'static str) -> Case {
    let golden = fixtures().join("golden").join(name);
    let parameters = json(&golden.join("params.json"));
    let keys = |kind: &str| texts(&parameters[kind]);
    let (labels, numbers, embeddings) = (keys("categorical"), keys("numerical"), keys("obsm"));
    let store = |name: &str| fixtures().join(name).to_str().unwrap().to_owned();
    let place = Place::new();
    let request = MapRequest {
        query: store(query),
        reference: reference.map(store),
        output: Some(place.output().to_str().unwrap().to_owned()),
        use_rep: parameters["use_rep"].as_str().map(str::to_owned),
        n_neighbors: parameters["n_neighbors"].as_i64(),
        obs_keys: Some([labels.as_slice(), &numbers].concat()),
        obsm_keys: Some(embeddings.clone()),
        metric: parameters["knn_dist_metric"].as_str().map(str::to_owned),
        kernel_method: Some(kernel.into()),
        probabilities: Some("all".into()),
        memory: Some("512MiB".into()),
        ..MapRequest::default()
    };
    let report = map(&request).unwrap();
    Case {
        expected: golden.join("expected"),
        kernel,
        is_self: reference.is_none(),
        reference: AnnDataStore::open(&fixtures().join(reference.unwrap_or(query))).unwrap(),
        report,
        near: if parameters["knn_dist_metric"] == "cosine" { 2e-4 } else { 1e-6 },
        mapped: Mapped::open(output(&request)),
        labels,
        numbers,
        embeddings,
        _place: place,
    }
}

impl Case {
    fn npy(&self, name: &str) -> npy::Npy {
        npy::read(&self.expected.join(name))
    }

    /// Distances to 1e-5 and the absolute tolerance; ids equal, except where distances tie within that.
    fn check_neighbors(&self) {
        let (ids, distances) = (self.npy("neighbors.yx.indices.npy"), self.npy("neighbors.yx.distances.npy"));
        let found = self.mapped.neighbors();
        assert_eq!((found.k, found.ids.len()), (ids.width, ids.values.len()));
        for (slot, &expected) in distances.values.iter().enumerate() {
            let tolerance = 1e-5 * expected + if expected < 1e-3 { self.near } else { 1e-6 };
            assert!((f64::from(found.distances[slot]) - expected).abs() <= tolerance, "slot {slot}: {expected}");
            if found.ids[slot] as f64 != ids.values[slot] {
                let row = slot / ids.width * ids.width..(slot / ids.width + 1) * ids.width;
                let tied = row.clone().any(|other| {
                    found.ids[slot] as f64 == ids.values[other]
                        && (distances.values[other] - expected).abs() <= tolerance
                });
                let last = slot + 1 == row.end;
                assert!(tied || last, "slot {slot}: cell {} for {}", found.ids[slot], ids.values[slot]);
            }
        }
    }

    /// What the kernel computes, an array of a folder.
    fn of_kernel(&self, name: &str) -> PathBuf {
        self.expected.join(self.kernel).join(name)
    }

    /// Absolute tolerance of the weights of each row. By cosine CellMapper's distances have rounding errors of f32, which 1 / d makes large
    /// where d is small.
    fn tolerances(&self) -> Vec<f64> {
        let distances = self.npy("neighbors.yx.distances.npy");
        let is_rounded = self.near > 1e-5 && self.kernel == "inverse_distance";
        let of = |row: &[f64]| if is_rounded { (4e-7 / row[0].abs()).clamp(1e-5, 1e-3) } else { 1e-5 };
        distances.values.chunks(distances.width).map(of).collect()
    }

    /// The edges that enter each row, with what the row that they leave made of them.
    fn entering(&self, kernel: &Kernel, neighbors: &NeighborBlock) -> ReverseBlock {
        let n = self.mapped.n_obs();
        let mut edges = vec![Vec::new(); n];
        let mut values = Vec::new();
        for row in 0..n {
            let (ids, distances) = neighbors.row(row);
            kernel.directed(row as u64, distances, true, &mut values);
            ids.iter().zip(&values[1..]).for_each(|(&id, &value)| edges[id as usize].push((row as u64, value)));
        }
        let mut block = ReverseBlock { starts: vec![0], ..ReverseBlock::default() };
        for of_row in edges {
            block.sources.extend(of_row.iter().map(|edge| edge.0));
            block.values.extend(of_row.iter().map(|edge| edge.1));
            block.starts.push(block.sources.len());
        }
        block
    }

    /// M, rebuilt from the stored neighbours and the stored bandwidth.
    fn check_matrix(&self) {
        let neighbors = self.mapped.neighbors();
        let kernel = match (self.kernel, self.report.sigma) {
            ("gauss", Some(sigma)) => Kernel::Gauss { sigma },
            ("scarches", Some(sigma)) => Kernel::Scarches { sigma },
            ("inverse_distance", None) => Kernel::InverseDistance,
            ("equal", None) => Kernel::Equal,
            ("umap", None) => Kernel::Umap,
            other => panic!("{other:?}"),
        };
        let mut weights = Weights::default();
        let is_mapped = |row: usize| neighbors.ids[row * neighbors.k] >= 0;
        let edges = self.is_self.then(|| self.entering(&kernel, &neighbors));
        let symmetrize = if self.kernel == "umap" { Symmetrize::Union } else { Symmetrize::Max };
        let entering = edges.as_ref().map(|edges| Entering { edges, symmetrize });
        kernel.weigh(&neighbors, entering, self.is_self, is_mapped, &mut weights);
        weights.normalize();
        let block = weights.block;
        let read = |name: &str| npy::read(&self.of_kernel(&format!("matrix.{name}.npy"))).values;
        let (data, indices, starts) = (read("data"), read("indices"), read("indptr"));
        let columns = self.reference.n_obs() as usize;
        assert_eq!(block.rows() + 1, starts.len());
        for (row, tolerance) in self.tolerances().into_iter().enumerate() {
            let mut difference = vec![0f64; columns];
            for entry in starts[row] as usize..starts[row + 1] as usize {
                difference[indices[entry] as usize] += data[entry];
            }
            let (ids, weights) = block.row(row);
            ids.iter().zip(weights).for_each(|(&id, weight)| difference[id as usize] -= weight);
            assert!(difference.iter().all(|d| d.abs() <= tolerance), "{} row {row}", self.kernel);
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12, "row {row}");
        }
    }

    fn check_labels(&self, key: &str) {
        let file = |what: &str| self.of_kernel(&format!("obs.{key}.{what}"));
        let (predicted, confidence) = (format!("{key}_pred"), self.mapped.numbers(&format!("{key}_conf")));
        let categories = self.mapped.categories(&predicted);
        let (ours, theirs) = (self.mapped.parts[0].column(&predicted), self.reference.column(key));
        assert_eq!(ours.unwrap().kind(), theirs.unwrap().kind(), "{key}: categories, their order and `ordered`");
        let tolerances = self.tolerances();
        let mut probabilities: Vec<f64> =
            self.mapped.matrix(&format!("{key}_prob")).into_iter().map(f64::from).collect();
        if !self.is_self {
            // Its columns are sorted by name there, and in the order of the categories here.
            let (sorted, shares) = (texts(&json(&file("prob_columns.json"))), npy::read(&file("prob.npy")));
            assert_eq!((sorted.len(), shares.width), (categories.len(), categories.len()));
            let column = |category| sorted.iter().position(|name| name == category).unwrap();
            let columns: Vec<_> = categories.iter().map(column).collect();
            let rows = shares.values.chunks(shares.width);
            let expected: Vec<f64> = rows.flat_map(|row| columns.iter().map(|&column| row[column])).collect();
            for (slot, (found, expected)) in probabilities.iter().zip(&expected).enumerate() {
                let tolerance = tolerances[slot / categories.len()];
                assert!((found - expected).abs() <= tolerance, "{key} slot {slot}: {found} for {expected}");
            }
            probabilities = expected;
        }
        let expected = npy::read(&file("conf.npy")).values;
        for (row, (found, expected)) in confidence.iter().zip(&expected).enumerate() {
            assert!((found - expected).abs() <= tolerances[row], "{key} row {row}: {found} for {expected}");
        }
        for (row, (found, expected)) in
            self.mapped.labels(&predicted).iter().zip(texts(&json(&file("pred.json")))).enumerate()
        {
            let mut best: Vec<f64> = probabilities[row * categories.len()..(row + 1) * categories.len()].to_vec();
            best.sort_by(f64::total_cmp);
            let margin = best[best.len() - 1] - best[best.len() - 2];
            assert!(*found == expected || margin < 1e-6, "{key} row {row}: {found} for {expected}");
        }
        assert_eq!(self.report.label_status_counts[key]["ok"] as usize, confidence.len());
        if self.is_self {
            return;
        }
        let colors = self.expected.join(format!("gauss/uns.{key}_pred_colors.json"));
        let stored = self.mapped.parts[0].colors(&predicted).unwrap();
        let expected = colors.exists().then(|| texts(&json(&colors)));
        assert_eq!(stored, expected.or_else(|| self.reference.colors(key).unwrap()), "{key}");
    }

    fn check_all(&self) {
        self.check_neighbors();
        // Of shared neighbours what is transferred tells enough, and M would be large.
        if !["jaccard", "hnoca"].contains(&self.kernel) {
            self.check_matrix();
        }
        self.labels.iter().for_each(|key| self.check_labels(key));
        for key in &self.numbers {
            let of_one_step = if self.is_self { ".t1" } else { "" };
            let expected = npy::read(&self.of_kernel(&format!("obs.{key}.pred{of_one_step}.npy"))).values;
            near(&self.mapped.numbers(&format!("{key}_pred")), &expected, self.scaled(&expected, 1, 0), key);
        }
        for key in &self.embeddings {
            let npy::Npy { values, width } = npy::read(&self.of_kernel(&format!("obsm.{key}.pred.npy")));
            let found = self.mapped.matrix(&format!("{key}_pred"));
            for column in 0..width {
                let column_of = |values: &[f64]| values.iter().copied().skip(column).step_by(width).collect::<Vec<_>>();
                let found: Vec<_> = found.iter().map(|&value| f64::from(value)).collect();
                near(&column_of(&found), &column_of(&values), self.scaled(&values, width, column), key);
            }
        }
        assert_eq!(self.report.status_counts["ok"] as usize, self.mapped.n_obs());
    }

    /// Relative 1e-5 plus 1e-6 of the largest value of the column, or as much of it as weights may differ by.
    fn scaled(&self, values: &[f64], width: usize, column: usize) -> impl Fn(f64) -> f64 + use<> {
        let largest = values.iter().skip(column).step_by(width).fold(0f64, |most, value| most.max(value.abs()));
        let loosest = self.tolerances().into_iter().fold(0f64, f64::max);
        let share = if loosest > 1e-5 { loosest } else { 1e-6 };
        move |expected| 1e-5 * expected.abs() + share * largest
    }
}

fn near<T: Copy + Into<f64>>(found: &[T], expected: &[f64], tolerance: impl Fn(f64) -> f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (row, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let found = found.into();
        let same = (found - expected).abs() <= tolerance(expected) || (found.is_nan() && expected.is_nan());
        assert!(same, "{what} at {row}: {found} for {expected}");
    }
}

/// CellMapper's kernels, but for the one of self-mapping alone.
const KERNELS: [&str; 6] = ["gauss", "scarches", "inverse_distance", "equal", "jaccard", "hnoca"];

#[test]
fn pbmc_maps_as_cellmapper_does() {
    for kernel in KERNELS {
        let case = case("pbmc_cross", "pbmc/query.zarr", Some("pbmc/reference.zarr"), kernel);
        assert_eq!((case.labels.len(), case.numbers.len(), case.embeddings.len()), (2, 2, 1));
        case.check_all();
    }
}

#[test]
fn synthetic_cells_map_as_cellmapper_does() {
    let stores = "golden/synthetic_cross";
    let (query, reference) = (format!("{stores}/query.zarr"), format!("{stores}/reference.zarr"));
    for kernel in KERNELS {
        let case = case("synthetic_cross", &query, Some(&reference), kernel);
        assert_eq!((case.labels.len(), case.numbers.len(), case.embeddings.len()), (2, 2, 1));
        case.check_all();
    }
}

#[test]
fn synthetic_cells_map_by_cosine_as_cellmapper_does() {
    let stores = "golden/synthetic_cosine";
    let (query, reference) = (format!("{stores}/query.zarr"), format!("{stores}/reference.zarr"));
    for kernel in KERNELS {
        let case = case("synthetic_cosine", &query, Some(&reference), kernel);
        assert_eq!((case.labels.len(), case.numbers.len(), case.embeddings.len()), (1, 1, 1));
        case.check_all();
    }
}

#[test]
fn self_mapping_is_cellmappers() {
    for kernel in KERNELS.into_iter().chain(["umap"]) {
        case("pbmc_self", "pbmc/reference.zarr", None, kernel).check_all();
        case("synthetic_self", "golden/synthetic_cross/reference.zarr", None, kernel).check_all();
    }
}
