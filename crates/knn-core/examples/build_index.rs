//! The build of an index as a peer of a benchmark: reads raw f32 rows once, then builds their index whenever a line arrives on
//! stdin.
//!
//! `build_index ROWS.f32 DIM NLIST THREADS MEMORY INDEX [three|thorough]`: each line of stdin builds the index again (NLIST 0 is the default) and
//! answers with the seconds of each stage and their sum, read and durable write included. With `three` it has three levels of centroids, however
//! few lists there are; with `thorough` its lists are trained as `gigamapper index` does.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use gigamapper_core::budget::{MemoryBudget, parse_bytes};
use gigamapper_core::distance::Lane;
use gigamapper_core::index::{IndexBuilder, IndexSpec, Start};
use gigamapper_core::progress::{Cancel, Progress};
use gigamapper_core::source::MemoryRows;
use gigamapper_core::store::OsVfs;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rows, dim, nlist, threads, memory, index, how @ ..] = arguments.as_slice() else {
        return Err("build_index ROWS.f32 DIM NLIST THREADS MEMORY INDEX [three|thorough]".into());
    };
    let said = |word: &str| how.iter().any(|said| said == word);
    let spec = IndexSpec { thorough: said("thorough"), ..IndexSpec::default() };
    let most_in_two_levels = if said("three") { 0 } else { spec.most_in_two_levels };
    let (dim, nlist): (usize, u32) = (dim.parse()?, nlist.parse()?);
    let values = std::fs::read(rows)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let source = MemoryRows::new(values, dim)?.with_natural_tile_rows(4096);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        line?;
        let began = Instant::now();
        let stages: Arc<Mutex<Vec<(String, f64)>>> = Arc::default();
        let seen = Arc::clone(&stages);
        let listener = move |event: gigamapper_core::progress::ProgressEvent| {
            let mut stages = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if stages.last().is_none_or(|(stage, _)| *stage != event.stage) {
                stages.push((event.stage, began.elapsed().as_secs_f64()));
            }
        };
        let progress = Progress::new(Cancel::default(), Some(Box::new(listener)));
        let builder = IndexBuilder {
            vfs: Arc::new(OsVfs),
            spec: IndexSpec { nlist: (nlist > 0).then_some(nlist), most_in_two_levels, ..spec.clone() },
            start: Start::Overwrite,
            budget: MemoryBudget::new(parse_bytes(memory)?),
            tile: &Lane::best(),
            progress: &progress,
        };
        let report = pool.install(|| builder.build(Path::new(index), &source))?;
        let whole = began.elapsed().as_secs_f64();
        let stages = stages.lock().map_err(|_| "a listener failed")?;
        let ends = stages.iter().skip(1).map(|(_, at)| *at).chain([whole]);
        let seconds: BTreeMap<&str, f64> =
            stages.iter().zip(ends).map(|((stage, at), end)| (stage.as_str(), end - at)).collect();
        let (lists, levels) = (report.manifest.nlist, report.manifest.levels);
        let peak = progress.peak_memory();
        writeln!(
            out,
            "{}",
            serde_json::json!({ "lists": lists, "levels": levels, "peak": peak, "spilled": report.spilled, "stages": seconds, "seconds": whole })
        )?;
        out.flush()?;
    }
    Ok(())
}
