//! The self-join of one raw f32 file with ann-search-rs, for `bench/peers.py`.
//!
//! ann-search-rs-peer ROWS.f32 DIM K METHOD BUILD SEARCH,SEARCH… OUT
//!
//! METHOD is `ivf` (BUILD = nlist, SEARCH = nprobe), `hnsw` (BUILD = ef of construction, with m = 16, SEARCH = ef) or
//! `nndescent` (BUILD = 0, SEARCH = ef). Threads follow RAYON_NUM_THREADS. For each SEARCH prints `search build_seconds
//! search_seconds` and writes the neighbours as u32 to OUT.SEARCH. Every row counts itself, as the crate's own self-query does.

use std::error::Error;
use std::fs;
use std::time::Instant;

use ann_search_rs::prelude::Verbosity::Quiet;
use ann_search_rs::{
    build_hnsw_index, build_ivf_index, build_nndescent_index, query_hnsw_self, query_ivf_self, query_nndescent_self,
};

const METRIC: &str = "euclidean";
const SEED: usize = 42;

type Neighbors = (Vec<Vec<usize>>, Option<Vec<Vec<f32>>>);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [rows, dim, k, method, build, searches, out] = words.as_slice() else {
        return Err("usage: ROWS.f32 DIM K METHOD BUILD SEARCH,SEARCH… OUT".into());
    };
    let (dim, k, build): (usize, usize, usize) = (dim.parse()?, k.parse()?, build.parse()?);
    let values: Vec<f32> = fs::read(rows)?.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let n = values.len() / dim;
    let searches: Vec<usize> = searches.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let rows = (values, n, dim);
    let began = Instant::now();
    match method.as_str() {
        "ivf" => {
            let index = build_ivf_index(rows, Some(build), None, METRIC, SEED, Quiet)?;
            run(began, &searches, out, |nprobe| Ok(query_ivf_self(&index, k, Some(nprobe), true, Quiet)?))
        }
        "hnsw" => {
            let index = build_hnsw_index(rows, 16, build, METRIC, SEED, Quiet)?;
            run(began, &searches, out, |ef| Ok(query_hnsw_self(&index, k, ef, true, Quiet)?))
        }
        "nndescent" => {
            let index = build_nndescent_index(rows, METRIC, 0.001, 0.0, None, None, None, None, SEED, Quiet)?;
            run(began, &searches, out, |ef| Ok(query_nndescent_self(&index, k, Some(ef), true, Quiet)?))
        }
        other => Err(format!("no method {other}").into()),
    }
}

fn run(
    began: Instant,
    searches: &[usize],
    out: &str,
    query: impl Fn(usize) -> Result<Neighbors, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let built = began.elapsed().as_secs_f64();
    for &search in searches {
        let began = Instant::now();
        let (ids, _) = query(search)?;
        println!("{search} {built} {}", began.elapsed().as_secs_f64());
        let bytes: Vec<u8> = ids.iter().flatten().flat_map(|&id| u32::try_from(id).unwrap_or(u32::MAX).to_le_bytes()).collect();
        fs::write(format!("{out}.{search}"), bytes)?;
    }
    Ok(())
}
