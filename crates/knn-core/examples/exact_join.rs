//! The exact join as a peer of a benchmark: reads raw f32 rows once, then joins them whenever a line arrives on stdin.
//!
//! `exact_join REFERENCES.f32 QUERIES.f32 DIM K THREADS IDS.i64`: each line of stdin runs one join, packing included, and
//! answers with its seconds; the ids of the last one are written to IDS.i64.

use std::io::{BufRead, Write};
use std::time::Instant;

use gigamapper_core::distance::{Lane, Metric};
use gigamapper_core::join::{Ordered, Slab, join_slab};
use gigamapper_core::progress::Progress;
use gigamapper_core::types::{NeighborBlock, Tile};

fn rows(path: &str, dim: usize) -> Result<Tile, Box<dyn std::error::Error>> {
    let values = std::fs::read(path)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Ok(Tile { first_row: 0, dim, values })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [references, queries, dim, k, threads, ids] = arguments.as_slice() else {
        return Err("exact_join REFERENCES.f32 QUERIES.f32 DIM K THREADS IDS.i64".into());
    };
    let (dim, k): (usize, usize) = (dim.parse()?, k.parse()?);
    let (references, queries) = (rows(references, dim)?, rows(queries, dim)?);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
    let slots = queries.rows() * k;
    let mut out = std::io::stdout();
    let mut ordered = Ordered::default();
    for line in std::io::stdin().lock().lines() {
        line?;
        let began = Instant::now();
        let mut nearest = NeighborBlock { first_row: 0, k, ids: vec![-1; slots], distances: vec![f32::NAN; slots] };
        pool.install(|| {
            let slab = Slab::new(references.clone(), Slab::mean(&references), Metric::Euclidean, &Lane::best());
            join_slab(&queries, &slab, (false, None), &Lane::best(), &mut nearest, &mut ordered, &Progress::silent())
        })?;
        writeln!(out, "{}", began.elapsed().as_secs_f64())?;
        out.flush()?;
        std::fs::write(ids, nearest.ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    Ok(())
}
