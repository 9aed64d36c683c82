//! Reading a representation, as a peer of a benchmark: `read_rows STORE KEY BATCH THREADS`. Each line on stdin reads all rows in
//! batches of BATCH, as a run does, and answers with the seconds, the bytes of f32 that came, and a sum over them.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use gigamapper_core::distance::Metric;
use gigamapper_core::representation::TileReader;
use gigamapper_core::source::{AnnDataStore, RowSource};
use gigamapper_core::types::{RowRange, Tile};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, key, batch, threads] = arguments.as_slice() else {
        return Err("read_rows STORE KEY BATCH THREADS".into());
    };
    let (batch, threads) = (batch.parse()?, threads.parse()?);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        line?;
        let began = Instant::now();
        let (bytes, sum) = pool.install(|| -> gigamapper_core::error::Result<_> {
            let source = AnnDataStore::open(Path::new(store))?.representation(key)?;
            let mut reader = TileReader::new(&source, RowRange::new(0, source.rows()), Metric::Euclidean);
            let (mut tile, mut bytes, mut sum) = (Tile::default(), 0, 0u64);
            loop {
                reader.next(batch, &mut tile)?;
                let Some(last) = tile.values.last() else { return Ok((bytes, sum)) };
                bytes += size_of_val(tile.values.as_slice());
                sum = sum.wrapping_mul(31).wrapping_add(u64::from(last.to_bits()));
            }
        })?;
        writeln!(out, "{:.4} {bytes} {sum}", began.elapsed().as_secs_f64())?;
        out.flush()?;
    }
    Ok(())
}
