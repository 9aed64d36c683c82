//! The join by lists as a peer of a benchmark: reads raw f32 rows once, builds or opens their index, then joins the rows with
//! themselves whenever a line with a number of probes arrives on stdin.
//!
//! `list_join ROWS.f32 DIM K THREADS INDEX [codes]`: each line answers with the probes, the seconds of the join, and the recall of 500 rows
//! against all lists. `near N` is what the recall contract chooses from: the near ones of at most N lists. `repair R1 R2` looks at the first R1
//! neighbours of the first R2 neighbours that the last join found, with links and rows of all references in memory. With `codes` the index has
//! codes beside its rows, and `losing SHARE` says how much of the farthest neighbours they may lose from there on.

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use gigamapper_core::budget::MemoryBudget;
use gigamapper_core::distance::{Lane, Metric};
use gigamapper_core::index::{IndexBuilder, IndexSpec, Io, IvfIndex, Probes, Start};
use gigamapper_core::join::{Barred, Hop, Links, ListJoin, Ordered, Repair};
use gigamapper_core::progress::Progress;
use gigamapper_core::source::MemoryRows;
use gigamapper_core::store::OsVfs;
use gigamapper_core::types::{NeighborBlock, Tile};

const SAMPLED: usize = 500;

fn empty(rows: usize, k: usize) -> NeighborBlock {
    NeighborBlock { first_row: 0, k, ids: vec![-1; rows * k], distances: vec![f32::NAN; rows * k] }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, dim, k, threads, index, codes @ ..] = arguments.as_slice() else {
        return Err("list_join ROWS.f32 DIM K THREADS INDEX [codes]".into());
    };
    let (dim, k): (usize, usize) = (dim.parse()?, k.parse()?);
    let values: Vec<f32> = std::fs::read(path)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
    let (budget, progress, index) = (MemoryBudget::new(1 << 34), Progress::silent(), Path::new(index));
    if !index.exists() {
        let builder = IndexBuilder {
            vfs: Arc::new(OsVfs),
            spec: IndexSpec { codes: !codes.is_empty(), ..IndexSpec::default() },
            start: Start::New,
            budget: budget.clone(),
            tile: &Lane::best(),
            progress: &progress,
        };
        let source = MemoryRows::new(values.clone(), dim)?.with_natural_tile_rows(4096);
        pool.install(|| builder.build(index, &source))?;
    }
    let index = IvfIndex::open(index, Io::Resident, &budget)?;
    let queries = Tile { first_row: 0, dim, values };
    let few = Tile { first_row: 0, dim, values: queries.values[..SAMPLED * dim].to_vec() };
    let lane = Lane::best();
    let mut search = ListJoin::new(&index, &lane, &budget);
    let mut ordered = Ordered::default();
    let own: Vec<i64> = (0..queries.rows() as i64).collect();
    let mut truth = empty(SAMPLED, k);
    pool.install(|| search.join_all(&few, Barred::own(Some(&own[..SAMPLED])), &mut truth, &progress))?;
    let mut out = std::io::stdout();
    let (mut last, mut repaired) = (empty(queries.rows(), k), empty(queries.rows(), k));
    let recall = |nearest: &NeighborBlock| {
        let found =
            (0..SAMPLED).map(|row| truth.row(row).0.iter().filter(|id| nearest.row(row).0.contains(id)).count());
        found.sum::<usize>() as f64 / (SAMPLED * k) as f64
    };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if let Some(share) = line.trim().strip_prefix("losing ") {
            search = search.losing(share.parse()?);
            continue;
        }
        if let Some(hop) = line.trim().strip_prefix("repair ") {
            let (r1, r2) = hop.split_once(' ').ok_or("repair R1 R2")?;
            let hop = Hop { r1: r1.parse()?, r2: r2.parse()? }.within(k);
            repaired.clone_from(&last);
            let began = Instant::now();
            let mut links = Links::new(hop.r1, queries.rows() as u64);
            links.push(&last);
            let mut repair = Repair::new(hop, Metric::Euclidean, &lane);
            pool.install(|| {
                repair.begin(&queries.values, dim, Some(&own), &last);
                repair.at_once(&links, &queries, &progress)?;
                repair.end(&mut repaired);
                Ok::<_, gigamapper_core::error::Error>(())
            })?;
            writeln!(out, "{line} {:.3} {:.5}", began.elapsed().as_secs_f64(), recall(&repaired))?;
            out.flush()?;
            continue;
        }
        let probes = match line.trim().strip_prefix("near ") {
            Some(most) => Probes::Near(most.parse()?),
            None => Probes::Nearest(line.trim().parse()?),
        };
        last.ids.fill(-1);
        last.distances.fill(f32::NAN);
        let began = Instant::now();
        pool.install(|| search.join(&queries, probes, Barred::own(Some(&own)), &mut last, &mut ordered, &progress))?;
        let seconds = began.elapsed().as_secs_f64();
        writeln!(out, "{line} {seconds:.3} {:.5}", recall(&last))?;
        out.flush()?;
    }
    Ok(())
}
