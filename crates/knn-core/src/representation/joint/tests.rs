//! Components against their definitions, on cells small enough for dense algebra.

use super::super::symmetric::eigen;
use super::*;
use crate::source::{MemoryRows, RowSource};

/// Cells × genes, of which about half are zero, with a few directions that stand out.
fn cells(seed: u64, cells: usize, genes: usize) -> Vec<f32> {
    let noise = block::random(cells * (genes + 4), seed);
    let directions = block::random(4 * genes, 77);
    let mut all = vec![0.0; cells * genes];
    for cell in 0..cells {
        for gene in 0..genes {
            let own = noise[cell * (genes + 4) + gene];
            let shared: f64 = (0..4)
                .map(|at| {
                    noise[cell * (genes + 4) + genes + at] * directions[at * genes + gene] * (9.0 - 2.0 * at as f64)
                })
                .sum();
            if own > 0.0 {
                all[cell * genes + gene] = (own + shared + 1.0) as f32;
            }
        }
    }
    all
}

fn names(genes: usize) -> Vec<String> {
    (0..genes).map(|gene| format!("g{gene}")).collect()
}

fn shared(genes: usize, stores: usize) -> SharedGenes {
    let names = names(genes);
    SharedGenes::join(&vec![GeneNames { store: "s", names: &names, mask: None }; stores]).unwrap()
}

/// Adds all rows of the stores, up to `step` of them at a time.
fn add(sums: &mut dyn Sums, stores: &[MemoryRows], genes: &SharedGenes, step: u64) {
    let mut batch = Batch::default();
    for (store, rows) in stores.iter().enumerate() {
        let mut reader = BatchReader::new(rows, genes, store, 0);
        while reader.position() < rows.rows() {
            reader.next((reader.position() + step).min(rows.rows()), &mut batch).unwrap();
            batch.turn(genes.len());
            sums.add(store, &batch);
        }
    }
}

fn scores(components: &Components, store: usize, rows: &MemoryRows, genes: &SharedGenes) -> Vec<f32> {
    let (mut batch, mut out, mut all) = (Batch::default(), Vec::new(), Vec::new());
    let mut reader = BatchReader::new(rows, genes, store, 0);
    while reader.position() < rows.rows() {
        reader.next(rows.rows(), &mut batch).unwrap();
        Scores::new(components, store, genes.len()).fill(&batch, &mut out);
        all.extend_from_slice(&out);
    }
    all
}

/// Two stores, and all of both as f64, each gene without its mean.
fn joined(genes: usize) -> (Vec<MemoryRows>, Vec<f64>) {
    let (left, right) = (cells(1, 90, genes), cells(2, 50, genes));
    let mut all: Vec<f64> = left.iter().chain(&right).map(|&value| f64::from(value)).collect();
    for gene in 0..genes {
        let mean = all.iter().skip(gene).step_by(genes).sum::<f64>() / 140.0;
        all.iter_mut().skip(gene).step_by(genes).for_each(|value| *value -= mean);
    }
    (vec![MemoryRows::new(left, genes).unwrap(), MemoryRows::new(right, genes).unwrap()], all)
}

fn check_principal(found: &Components, stores: &[MemoryRows], centred: &[f64], tolerance: f64) {
    let genes = centred.len() / 140;
    let covariance = block::inner(centred, genes, centred, genes);
    let expected = eigen(covariance.clone(), genes);
    let total: f64 = expected.values.iter().sum();
    assert!((found.total - total / 139.0).abs() < 1e-9 * total);
    let shared = shared(genes, 2);
    let all: Vec<f32> = (0..2).flat_map(|store| scores(found, store, &stores[store], &shared)).collect();
    for component in 0..found.count {
        let value = expected.values[component] / 139.0;
        assert!((found.values[component] - value).abs() < tolerance * value);
        let vector = expected.vector(component);
        let largest = vector.iter().fold(0.0_f64, |most, value| if value.abs() > most.abs() { *value } else { most });
        let length = (expected.values[component] / 140.0).sqrt();
        for (cell, row) in centred.chunks_exact(genes).enumerate() {
            let score = row.iter().zip(vector).map(|(a, b)| a * b).sum::<f64>() * largest.signum();
            let ours = f64::from(all[cell * found.count + component]);
            assert!((ours - score).abs() < 1e-4 * length, "{component}: {ours} for {score}");
        }
    }
}

#[test]
fn principal_components_are_those_of_the_definition() {
    for genes in [6, 40, 120] {
        let (stores, centred) = joined(genes);
        let count = 4;
        let mut sums = GramSums::by_genes(genes);
        add(&mut sums, &stores, &shared(genes, 2), 7);
        let found = principal(sums, 140, (count, 0), &|| Ok(())).unwrap();
        assert!(found.converged);
        check_principal(&found, &stores, &centred, 1e-9);
        let mut pass = |_: usize, sums: &mut ProductSums| {
            add(sums, &stores, &shared(genes, 2), 7);
            Ok(())
        };
        let streamed = principal_streamed((genes, 140), count, 0, &mut pass).unwrap();
        assert!(streamed.converged && streamed.applied <= 8, "{}", streamed.applied);
        check_principal(&streamed, &stores, &centred, 1e-6);
    }
}

#[test]
fn batches_and_threads_change_no_bit() {
    let genes = 30;
    let (stores, _) = joined(genes);
    let run = |threads: usize, step: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut sums = GramSums::by_genes(genes);
            add(&mut sums, &stores, &shared(genes, 2), step);
            let exact = principal(sums, 140, (5, 1), &|| Ok(())).unwrap();
            let mut pass = |_: usize, sums: &mut ProductSums| {
                add(sums, &stores, &shared(genes, 2), step);
                Ok(())
            };
            let streamed = principal_streamed((genes, 140), 5, 1, &mut pass).unwrap();
            let mut sums = GramSums::by_cells(genes);
            add(&mut sums, &stores, &shared(genes, 2), step);
            (exact, streamed, canonical(sums, (5, 1), &|| Ok(())).unwrap())
        })
    };
    let first = run(1, 1);
    for (threads, step) in [(1, 33), (3, 5), (4, 1000)] {
        assert_eq!(run(threads, step), first, "{threads} threads, {step} rows");
    }
}

#[test]
fn canonical_correlations_are_the_singular_vectors_of_the_cells() {
    let genes = 50;
    let (left, right) = (cells(3, 40, genes), cells(4, 60, genes));
    let centred = |rows: &[f32]| -> Vec<f64> {
        let centre = |row: &[f32]| {
            let mean = row.iter().map(|&value| f64::from(value)).sum::<f64>() / genes as f64;
            row.iter().map(|&value| f64::from(value) - mean).collect::<Vec<_>>()
        };
        rows.chunks_exact(genes).flat_map(centre).collect()
    };
    let (a, b) = (centred(&right), centred(&left));
    // Cells of the second store × cells of the first.
    let mut cross = vec![0.0; 60 * 40];
    for i in 0..60 {
        for j in 0..40 {
            cross[i * 40 + j] = (0..genes).map(|g| a[i * genes + g] * b[j * genes + g]).sum();
        }
    }
    let transposed: Vec<f64> = (0..40 * 60).map(|at| cross[at % 60 * 40 + at / 60]).collect();
    let of_second = eigen(block::inner(&transposed, 60, &transposed, 60), 60);
    let stores = [MemoryRows::new(left, genes).unwrap(), MemoryRows::new(right, genes).unwrap()];
    let genes_of = shared(genes, 2);
    let mut sums = GramSums::by_cells(genes);
    add(&mut sums, &stores, &genes_of, 9);
    let count = 3;
    let found = canonical(sums, (count, 0), &|| Ok(())).unwrap();
    for (value, square) in found.values.iter().zip(&of_second.values) {
        assert!((value * 49.0 - square.sqrt()).abs() < 1e-9 * square.sqrt());
    }
    let [ours_first, ours] = [0, 1].map(|store| scores(&found, store, &stores[store], &genes_of));
    // The same cells of the definition, each scaled to length 1; one sign for a component, in both stores.
    let normal = |rows: Vec<Vec<f64>>| -> Vec<Vec<f64>> {
        let length = |row: &Vec<f64>| row.iter().map(|value| value * value).sum::<f64>().sqrt();
        rows.into_iter()
            .map(|row| {
                let all = length(&row);
                row.into_iter().map(|value| value / all).collect()
            })
            .collect()
    };
    let second: Vec<Vec<f64>> = (0..60).map(|i| (0..count).map(|c| of_second.vector(c)[i]).collect()).collect();
    let first: Vec<Vec<f64>> = (0..40)
        .map(|j| {
            (0..count)
                .map(|c| {
                    (0..60).map(|i| cross[i * 40 + j] * of_second.vector(c)[i]).sum::<f64>()
                        / of_second.values[c].sqrt()
                })
                .collect()
        })
        .collect();
    let (second, first) = (normal(second), normal(first));
    for component in 0..count {
        let sign = (f64::from(ours[component]) * second[0][component]).signum();
        for (ours, expected) in [(&ours, &second), (&ours_first, &first)] {
            for (cell, expected) in expected.iter().enumerate() {
                let ours = f64::from(ours[cell * count + component]) * sign;
                assert!((ours - expected[component]).abs() < 1e-5, "{component}: {ours} for {}", expected[component]);
            }
        }
    }
    // Of two genes in each cell only one direction is left.
    let mut sums = GramSums::by_cells(2);
    let stores = [cells(3, 9, 2), cells(4, 9, 2)].map(|rows| MemoryRows::new(rows, 2).unwrap());
    add(&mut sums, &stores, &shared(2, 2), 9);
    assert_eq!(canonical(sums, (2, 0), &|| Ok(())).unwrap_err().code(), "GM_PARAM");
}

#[test]
fn genes_are_found_by_name_and_doubled_entries_add_up() {
    let order = [2_usize, 0, 1];
    let mixed: Vec<String> = order.iter().map(|gene| format!("g{gene}")).chain(["other".into()]).collect();
    let own = names(3);
    let all = |names| GeneNames { store: "s", names, mask: None };
    let genes = SharedGenes::join(&[all(&own), all(&mixed)]).unwrap();
    let rows = MemoryRows::new(vec![3.0, 1.0, 2.0, 9.0, 0.0, 5.0, 0.0, f32::NAN], 4).unwrap();
    let mut batch = Batch::default();
    BatchReader::new(&rows, &genes, 1, 0).next(2, &mut batch).unwrap();
    assert_eq!(batch.row(0), (&[0, 1, 2][..], &[1.0, 2.0, 3.0][..]));
    assert_eq!(batch.row(1), (&[0][..], &[5.0][..]), "what is no number is of a gene that is not shared");
    let bad = MemoryRows::new(vec![1.0, f32::INFINITY, 0.0, 0.0], 4).unwrap();
    let error = BatchReader::new(&bad, &genes, 1, 0).next(1, &mut batch).unwrap_err();
    assert_eq!(error.code(), "GM_SCHEMA");
    assert!(error.to_string().contains("cell 0") && error.to_string().contains("g0"), "{error}");
}
