//! What a GPU takes to search, by how many rows and queries: `device_search ROWS.f32 DIM K`.
//!
//! Raw f32 rows are read once; of those the first are copied to the first device and the others ask for their nearest, in batches, as a join does it. Prints a
//! line of JSON for each size: seconds to copy the rows and to search, medians of several times, and the pairs of a second. Between sizes everything
//! that was taken of the device is given back, and the device is looked for anew at the end.

use std::time::Instant;

use gigamapper_core::distance::Metric;
use gigamapper_core::gpu::{BatchSize, Device, Fault, Search, Selector, probe};
use serde_json::json;

/// Rows, queries of a batch and how often.
const SIZES: [(usize, usize, usize); 10] = [
    (350, 1 << 12, 50),
    (350, 1 << 14, 50),
    (1 << 14, 1 << 12, 30),
    (5 << 13, 1 << 12, 30),
    (1 << 16, 1 << 13, 20),
    (3 << 15, 1 << 14, 10),
    (1 << 17, 1 << 14, 5),
    (1 << 20, 1 << 12, 3),
    (1 << 20, 1 << 14, 3),
    (1 << 20, 1 << 16, 2),
];

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn devices() -> Result<Vec<Device>, Box<dyn std::error::Error>> {
    Ok(Search::from_environment(true).and_then(|search| probe(&search)).map_err(|absent| absent.reason())?)
}

fn time(
    selector: &mut Selector,
    rows: &[f32],
    queries: &[f32],
    size: BatchSize,
    rounds: usize,
) -> Result<(f64, f64), Fault> {
    let query = |at: usize| &queries[at * size.dim..(at + 1) * size.dim];
    let (mut loading, mut searching) = (Vec::new(), Vec::new());
    for _ in 0..=rounds {
        let began = Instant::now();
        selector.load(rows)?;
        // The next answer waits for the rows.
        selector.ask(1, query)?;
        let batch = selector.answer()?;
        selector.rest(batch);
        loading.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        selector.ask(queries.len() / size.dim, query)?;
        let batch = selector.answer()?;
        selector.rest(batch);
        searching.push(began.elapsed().as_secs_f64());
    }
    // The first time kernels are loaded.
    Ok((median(loading.split_off(1)), median(searching.split_off(1))))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, dim, k] = arguments.as_slice() else { return Err("device_search ROWS.f32 DIM K".into()) };
    let (dim, k): (usize, usize) = (dim.parse()?, k.parse()?);
    let values: Vec<f32> = std::fs::read(path)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let device = devices()?.swap_remove(0);
    println!("{}", json!({ "device": device.in_words(), "version": device.version(), "rows": values.len() / dim }));
    let mut sizes: Vec<(Metric, usize, (usize, usize, usize))> = Vec::new();
    sizes.extend(SIZES.map(|size| (Metric::Euclidean, k, size)));
    // More than 64 are sought by other kernels; so is by products.
    for size in [(5 << 13, 1 << 12, 20), (1 << 20, 1 << 14, 2)] {
        sizes.extend([(Metric::Euclidean, 32, size), (Metric::Euclidean, 65, size), (Metric::InnerProduct, k, size)]);
    }
    for (metric, sought, (rows, queries, rounds)) in sizes {
        if (rows + queries) * dim > values.len() {
            continue;
        }
        let size = BatchSize { dim, queries, sought };
        let began = Instant::now();
        let mut selector = Selector::new(&device, metric, size).map_err(|fault| format!("{fault:?}"))?;
        let beginning = began.elapsed().as_secs_f64();
        let (of_rows, of_queries) = values.split_at(rows * dim);
        let timed = time(&mut selector, of_rows, &of_queries[..queries * dim], size, rounds);
        let (loading, searching) = timed.map_err(|fault| format!("{fault:?}"))?;
        drop(selector);
        let told = json!({
            "metric": format!("{metric:?}"), "rows": rows, "queries": queries, "sought": sought, "beginSeconds": beginning,
            "loadSeconds": loading, "searchSeconds": searching, "pairsPerSecond": (rows * queries) as f64 / searching,
        });
        println!("{told}");
    }
    drop(device);
    println!("{}", json!({ "afterwards": devices()?[0].in_words() }));
    Ok(())
}
