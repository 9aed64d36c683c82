//! How fast the rows of a store are read: one pass over a representation, in batches of 8192 rows as a join takes them.
//!
//! `read_rows STORE KEY [THREADS]` answers with rows, columns, seconds and GB of f32 a second, three times.

use std::path::Path;
use std::time::Instant;

use gigamapper_core::distance::Metric;
use gigamapper_core::representation::TileReader;
use gigamapper_core::source::AnnDataStore;
use gigamapper_core::types::{RowRange, Tile};

const BATCH: u64 = 8192;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (store, key, threads) = match arguments.as_slice() {
        [store, key] => (store, key, "0"),
        [store, key, threads] => (store, key, threads.as_str()),
        _ => return Err("read_rows STORE KEY [THREADS]".into()),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
    let rows = AnnDataStore::open(Path::new(store))?.representation(key)?;
    let mut tile = Tile::default();
    for _ in 0..3 {
        let began = Instant::now();
        let mut sum = 0.0;
        pool.install(|| -> gigamapper_core::error::Result<()> {
            let mut reader = TileReader::new(&rows, RowRange::new(0, rows.rows()), Metric::Euclidean);
            loop {
                reader.next(BATCH, &mut tile)?;
                if tile.rows() == 0 {
                    return Ok(());
                }
                sum += f64::from(tile.row(0)[0]);
            }
        })?;
        let seconds = began.elapsed().as_secs_f64();
        let gigabytes = rows.rows() as f64 * rows.dim() as f64 * 4e-9;
        println!("{} x {}: {seconds:.3} s, {:.2} GB/s ({sum})", rows.rows(), rows.dim(), gigabytes / seconds);
    }
    Ok(())
}
