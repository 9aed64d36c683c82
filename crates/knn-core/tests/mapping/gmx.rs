//! An index as `docs/formats/gmx.md` describes it: read by a reader that knows nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use gigamapper_core::budget::MemoryBudget;
use gigamapper_core::distance::Lane;
use gigamapper_core::index::{IndexBuilder, IndexSpec, ListType, Start};
use gigamapper_core::pipeline::{IndexRequest, build_index};
use gigamapper_core::progress::Progress;
use gigamapper_core::source::MemoryRows;
use half::f16;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::disk::{Disk, listed};
use super::sample::{Place, noise};

const MANIFEST: &str = "manifest.json";
const SEAL: &str = ",\n  \"xxh3\": \"";

/// The bytes of a file, the next of which are taken off one by one.
struct Fields(Vec<u8>, usize);

impl Fields {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        self.1 += N;
        self.0[self.1 - N..self.1].try_into().unwrap()
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn f32s(&mut self, count: u64) -> Vec<f32> {
        (0..count).map(|_| f32::from_le_bytes(self.take())).collect()
    }

    fn ends(&self) {
        assert_eq!(self.1, self.0.len(), "there is more than the document says");
    }
}

fn digits(bytes: &[u8]) -> String {
    format!("{:016x}", xxh3_64(bytes))
}

/// The manifest, once its checksum is the one that it ends with.
fn manifest(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join(MANIFEST)).unwrap();
    let (body, end) = text.rsplit_once(SEAL).unwrap();
    assert_eq!((SEAL.len(), end), (13, format!("{}\"\n}}\n", digits(body.as_bytes())).as_str()));
    assert!(text.len() <= 65_536);
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut members =
        "format version generation dim metric rows excluded dtype idWidth nlist superCells levels training \
                       source run files xxh3"
            .split(' ')
            .collect::<Vec<_>>();
    let three = manifest["version"] == 3;
    let coded = manifest["version"] == 2 || three && manifest.get("codes").is_some();
    if coded {
        members.push("codes");
    }
    if three {
        members.push("regions");
    }
    members.sort_unstable();
    let mut found = names(&manifest);
    found.sort_unstable();
    assert_eq!(found, members);
    let mut training = names(&manifest["training"]);
    training.sort_unstable();
    // Three levels are trained without rounds over all lists.
    let mut expected = vec!["lists", "rows", "samplePerList", "samplePerSuperCell", "seed", "splitAbove"];
    if !three {
        expected.insert(1, "rounds");
    }
    assert_eq!(training, expected);
    assert_eq!(manifest["format"], "gigamapper-index");
    assert!(coded || three || manifest["version"] == 1);
    let (spaces, columns) = sub_spaces(manifest["dim"].as_u64().unwrap());
    let codes = serde_json::json!({ "subSpaces": spaces, "columns": columns, "bits": 4 });
    assert_eq!(manifest["codes"], if coded { codes } else { Value::Null });
    assert_eq!(manifest["levels"], if three { 3 } else { 2 });
    manifest
}

/// Sub-spaces of rows of `d` columns, and columns of each.
fn sub_spaces(d: u64) -> (u64, u64) {
    let columns = d.div_ceil(44).max(2).min(d);
    (d.div_ceil(columns), columns)
}

/// A row as it lies in a list, with the number of the list.
type Listed = BTreeMap<u64, (u64, Vec<f32>)>;

struct Read {
    rows: Listed,
    excluded: Vec<u64>,
    /// The region of every list, in an index that has regions.
    regions: Vec<u32>,
    /// Centroids of the lists.
    centroids: Vec<Vec<f32>>,
    /// What the codes of each row stand for, in an index that has them.
    decoded: BTreeMap<u64, Vec<f32>>,
    manifest: Value,
}

/// Everything in an index, checked as the document says.
fn read(folder: &Path) -> Read {
    let manifest = manifest(folder);
    let number = |name: &str| manifest[name].as_u64().unwrap();
    let (d, n, x, lists, cells) =
        (number("dim"), number("rows"), number("excluded"), number("nlist"), number("superCells"));
    let file = |stem: &str| {
        let name = match number("generation") {
            1 => format!("{stem}.bin"),
            generation => format!("{stem}.{generation}.bin"),
        };
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        let record = &manifest["files"][&name];
        assert_eq!(
            (record["length"].as_u64(), record["xxh3"].as_str()),
            (Some(bytes.len() as u64), Some(&*digits(&bytes)))
        );
        Fields(bytes, 0)
    };
    let coded = manifest.get("codes").is_some();
    assert_eq!(manifest["files"].as_object().unwrap().len(), if coded { 6 } else { 4 });

    let regions = if manifest["version"] == 3 { number("regions") } else { 0 };
    let (centroids, regions) = levels(file("coarse"), [d, regions, cells, lists]);

    let mut offsets = file("offsets");
    assert_eq!((&offsets.take::<8>(), offsets.u64()), (b"GMOFFSET", lists));
    let bytes = file("lists").0;
    let width = match manifest["dtype"].as_str() {
        Some("none") => 0,
        Some("f16") => 2,
        _ => 4,
    };
    let mut ids_of = Vec::new();
    let id_width = number("idWidth");
    assert_eq!(id_width, if n <= 1 << 32 { 4 } else { 8 });
    let (mut rows, mut end) = (Listed::new(), 0);
    for list in 0..lists {
        let (offset, r, xxh3) = (offsets.u64(), offsets.u64(), offsets.u64());
        assert_eq!(offset, u64::next_multiple_of(end, if width == 0 { 64 } else { 4096 }));
        if r == 0 {
            assert_eq!(xxh3, xxh3_64(b""));
            ids_of.push(Vec::new());
            continue;
        }
        assert!(bytes[end as usize..offset as usize].iter().all(|&byte| byte == 0));
        let ids_at = (r * d * width).next_multiple_of(8);
        end = offset + ids_at + r * id_width;
        let own = &bytes[offset as usize..end as usize];
        assert_eq!(xxh3_64(own), xxh3);
        assert!(own[(r * d * width) as usize..ids_at as usize].iter().all(|&byte| byte == 0));
        let mut values = Fields(own[..(r * d * width) as usize].to_vec(), 0);
        let mut ids = Fields(own[ids_at as usize..].to_vec(), 0);
        let mut last = None;
        ids_of.push(Vec::new());
        for _ in 0..r {
            let id = if id_width == 4 { u64::from(ids.u32()) } else { ids.u64() };
            assert!(last < Some(id) && id < n);
            last = Some(id);
            ids_of[list as usize].push(id);
            let row = match width {
                0 => Vec::new(),
                2 => (0..d).map(|_| f16::from_le_bytes(values.take()).to_f32()).collect(),
                _ => values.f32s(d),
            };
            assert!(rows.insert(id, (list, row)).is_none(), "row {id} is in two lists");
        }
        ids.ends();
        values.ends();
    }
    offsets.ends();
    assert_eq!((end, rows.len() as u64), (bytes.len() as u64, n - x));

    let mut excluded = file("excluded");
    assert_eq!((&excluded.take::<8>(), excluded.u64()), (b"GMEXCLUD", x));
    let numbers: Vec<u64> = (0..x).map(|_| excluded.u64()).collect();
    excluded.ends();
    assert!(
        numbers.is_sorted_by(|a, b| a < b) && numbers.iter().all(|number| *number < n && !rows.contains_key(number))
    );
    let decoded = if coded { decoded(d, file("pq"), &file("codes").0, &centroids, &ids_of) } else { BTreeMap::new() };
    Read { rows, excluded: numbers, regions, centroids, decoded, manifest }
}

/// The centroids of the lists, and where there are regions that of each list.
fn levels(mut coarse: Fields, [d, regions, cells, lists]: [u64; 4]) -> (Vec<Vec<f32>>, Vec<u32>) {
    let three = regions > 0;
    let bytes = if three { 36 + 4 * (regions + cells) } else { 28 + 4 * cells };
    assert_eq!(coarse.0.len() as u64, bytes + 4 * d * (1 + regions + cells + lists));
    let magic = if three { b"GMCOARS3" } else { b"GMCOARSE" };
    assert_eq!((&coarse.take::<8>(), u64::from(coarse.u32()), u64::from(coarse.u32())), (magic, d, cells));
    let reach = f64::from_le_bytes(coarse.take());
    assert!(reach.is_finite() && reach >= 0.0);
    assert!(!three || u64::from(coarse.u32()) == regions);
    let mut firsts = |parents: u64, children: u64| {
        let first: Vec<u32> = (0..=parents).map(|_| coarse.u32()).collect();
        assert!(first[0] == 0 && u64::from(first[parents as usize]) == children && first.is_sorted_by(|a, b| a < b));
        first
    };
    let first_cell = if three { firsts(regions, cells) } else { Vec::new() };
    let first_list = firsts(cells, lists);
    let parent = |first: &[u32], child: u32| first.partition_point(|first| *first <= child) as u32 - 1;
    let of_lists = (0..lists as u32).filter(|_| three).map(|list| parent(&first_cell, parent(&first_list, list)));
    let upper = coarse.f32s(d * (1 + regions + cells));
    assert!(upper.iter().all(|value| value.is_finite()));
    let centroids = (0..lists).map(|_| coarse.f32s(d)).collect();
    coarse.ends();
    (centroids, of_lists.collect())
}

/// What the codes of every row stand for.
fn decoded(d: u64, mut pq: Fields, codes: &[u8], centroids: &[Vec<f32>], ids: &[Vec<u64>]) -> BTreeMap<u64, Vec<f32>> {
    let (spaces, columns) = sub_spaces(d);
    assert_eq!((&pq.take::<8>(), u64::from(pq.u32()), u64::from(pq.u32())), (b"GMPQCODE", d, columns));
    let error = f64::from_le_bytes(pq.take());
    assert!(error.is_finite() && error >= 0.0);
    let words: Vec<Vec<f32>> = (0..d).map(|_| pq.f32s(16)).collect();
    pq.ends();
    let (mut rows, mut end) = (BTreeMap::new(), 0u64);
    for (centroid, ids) in centroids.iter().zip(ids).filter(|(_, ids)| !ids.is_empty()) {
        let start = end.next_multiple_of(64);
        assert!(codes[end as usize..start as usize].iter().all(|&byte| byte == 0));
        let length = (ids.len() as u64).div_ceil(32) * spaces * 16;
        let own = &codes[start as usize..(start + length) as usize];
        end = start + length + 8;
        assert_eq!(codes[(start + length) as usize..end as usize], xxh3_64(own).to_le_bytes());
        for (row, id) in ids.iter().enumerate() {
            let code = |space: usize| {
                let byte = own[(row / 32 * spaces as usize + space) * 16 + row % 16];
                usize::from(if row % 32 < 16 { byte & 15 } else { byte >> 4 })
            };
            let value = |column: usize| centroid[column] + words[column][code(column / columns as usize)];
            rows.insert(*id, (0..d as usize).map(value).collect());
        }
    }
    assert_eq!(end, codes.len() as u64);
    rows
}

/// Values with duplicates, a crowd and some that are not finite.
fn values(n: usize, dim: usize) -> Vec<f32> {
    let mut values = noise(5, n * dim);
    for row in (0..n).filter(|row| row % 5 == 0) {
        values[row * dim..(row + 1) * dim].fill(0.25);
    }
    for (place, odd) in [(3, f32::NAN), (100 * dim, f32::INFINITY), ((n - 1) * dim, f32::NEG_INFINITY)] {
        values[place] = odd;
    }
    values
}

#[test]
fn codes_are_read_by_the_document_alone() {
    for (dim, rerank) in [(7, "exact"), (1, "f16"), (90, "none")] {
        let place = Place::new();
        let all = values(900, dim);
        let _ = place.cells("cells", 900).embedding("X_pca", dim, &all);
        let request = IndexRequest {
            reference: place.inputs().join("cells.zarr").to_str().unwrap().into(),
            output: Some(place.outputs().join("cells.gmx").to_str().unwrap().into()),
            nlist: Some(20),
            method: Some("ivfpq".into()),
            rerank: Some(rerank.into()),
            memory: Some("256MiB".into()),
            ..IndexRequest::default()
        };
        build_index(&request, &Progress::silent()).unwrap();
        let index = read(&place.outputs().join("cells.gmx"));
        assert_eq!(index.decoded.len(), index.rows.len());
        let (mut without, mut with) = (0.0, 0.0);
        for (row, values) in
            all.chunks_exact(dim).enumerate().filter(|(_, values)| values.iter().all(|v| v.is_finite()))
        {
            let row = row as u64;
            let squared = |from: &[f32]| from.iter().zip(values).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
            assert!(index.rows[&row].1.len() == if rerank == "none" { 0 } else { dim });
            without += squared(&index.centroids[index.rows[&row].0 as usize]);
            with += squared(&index.decoded[&row]);
        }
        assert!(with < without * if dim == 90 { 0.6 } else { 0.25 }, "{dim}: {with} of {without}");
    }
}

#[test]
fn an_index_is_read_by_its_document_alone() {
    for (dim, dtype, nlist) in [(7, "f32", 40), (5, "f16", 40), (1, "f32", 200), (3, "f16", 1)] {
        let place = Place::new();
        let all = values(1500, dim);
        let request = IndexRequest {
            reference: place.inputs().join("cells.zarr").to_str().unwrap().into(),
            output: Some(place.outputs().join("cells.gmx").to_str().unwrap().into()),
            nlist: Some(nlist),
            list_dtype: Some(dtype.into()),
            seed: Some((1 << 53) - 1),
            memory: Some("256MiB".into()),
            ..IndexRequest::default()
        };
        let path = place.outputs().join("cells.gmx");
        let mut before: Option<Read> = None;
        // As it was built, and after two appends.
        for (generation, n) in [(1, 900), (2, 901), (3, 1500)] {
            let _ = std::fs::remove_dir_all(&request.reference);
            let _ = place.cells("cells", n).embedding("X_pca", dim, &all[..n * dim]);
            let append = Some(generation > 1);
            build_index(&IndexRequest { append, ..request.clone() }, &Progress::silent()).unwrap();
            let index = read(&path);
            let manifest = &index.manifest;
            assert_eq!(
                (manifest["generation"].as_u64(), manifest["rows"].as_u64()),
                (Some(generation), Some(n as u64))
            );
            assert_eq!(manifest["training"]["rows"], 900);
            assert_eq!(manifest["training"]["seed"].as_u64(), Some((1 << 53) - 1));
            let mut names: Vec<_> =
                manifest["files"].as_object().unwrap().keys().cloned().chain([MANIFEST.into()]).collect();
            names.sort_unstable();
            assert_eq!(listed(&path), names);
            for (row, values) in all[..n * dim].chunks_exact(dim).enumerate() {
                let row = row as u64;
                if values.iter().all(|value| value.is_finite()) {
                    let round = |value: &f32| if dtype == "f16" { f16::from_f32(*value).to_f32() } else { *value };
                    assert_eq!(index.rows[&row].1, values.iter().map(round).collect::<Vec<_>>(), "row {row}");
                } else {
                    assert!(index.excluded.contains(&row), "row {row}");
                }
            }
            if let Some(before) = &before {
                assert_eq!(before.centroids, index.centroids, "an append leaves the levels");
                assert!(
                    before.rows.iter().all(|(row, listed)| index.rows[row] == *listed),
                    "and every row in its list"
                );
            }
            before = Some(index);
        }
    }
}

#[test]
fn three_levels_are_read_by_the_document_alone() {
    for (dim, dtype, codes) in [(7, ListType::F32, false), (3, ListType::F16, true), (90, ListType::None, true)] {
        let folder = tempfile::tempdir().unwrap();
        let (path, all) = (folder.path().join("cells.gmx"), values(1500, dim));
        let built = in_three_levels(&path, &all[..900 * dim], dim, dtype, codes);
        let mut index = read(&path);
        if dtype != ListType::None {
            built.append(&path, &MemoryRows::new(all.clone(), dim).unwrap()).unwrap();
            let grown = read(&path);
            let levels = (&grown.centroids, &grown.regions);
            assert_eq!(levels, (&index.centroids, &index.regions), "an append leaves the levels");
            assert!(index.rows.iter().all(|(row, listed)| grown.rows[row] == *listed), "and every row in its list");
            index = grown;
        }
        assert_eq!(index.manifest["version"], 3);
        assert_eq!(index.decoded.len(), if codes { index.rows.len() } else { 0 });
        let n = index.manifest["rows"].as_u64().unwrap() as usize;
        for (row, values) in (0..).zip(all[..n * dim].chunks_exact(dim)) {
            if !values.iter().all(|value| value.is_finite()) {
                assert!(index.excluded.contains(&row), "row {row}");
            } else if dtype == ListType::F32 {
                assert_eq!(index.rows[&row].1, values, "row {row}");
            }
        }
        assert!(index.regions.len() == index.centroids.len() && index.regions.is_sorted());
        let regions = u64::from(index.regions[index.regions.len() - 1]) + 1;
        assert!(regions > 2 && Some(regions) == index.manifest["regions"].as_u64());
    }
}

/// Builds an index with three levels, which are otherwise those of more lists than a test has; and who can append to it.
fn in_three_levels<'a>(path: &Path, rows: &[f32], dim: usize, dtype: ListType, codes: bool) -> IndexBuilder<'a> {
    static PROGRESS: std::sync::LazyLock<Progress> = std::sync::LazyLock::new(Progress::silent);
    let builder = IndexBuilder {
        vfs: Disk::quick(),
        spec: IndexSpec { nlist: Some(60), dtype, codes, most_in_two_levels: 0, ..IndexSpec::default() },
        start: Start::New,
        budget: MemoryBudget::new(1 << 28),
        tile: &Lane::SCALAR,
        progress: &PROGRESS,
    };
    builder.build(path, &MemoryRows::new(rows.to_vec(), dim).unwrap()).unwrap();
    builder
}
