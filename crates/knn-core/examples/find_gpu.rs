//! What looking for a GPU takes: the first time in a process, when a library is opened, and again; and what memory it leaves taken.
//!
//! `find_gpu [python]`: looks as `backend: "auto"` does, or with `python` as `cuda` and `doctor` do, a hundred times, and prints one line of JSON:
//! milliseconds of the first time and the median of the others, mebibytes of anonymous memory that are taken since, and what was found or is missing.

use std::time::Instant;

use gigamapper_core::gpu::{Device, Search, probe};
use serde_json::json;

const ROUNDS: usize = 100;

/// Mebibytes of anonymous memory of this process.
fn anonymous() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kibibytes.unwrap_or(f64::NAN) / 1024.0
}

fn main() {
    let asks_python = std::env::args().nth(1).is_some_and(|word| word == "python");
    let before = anonymous();
    let mut milliseconds = Vec::with_capacity(ROUNDS);
    let mut found = String::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let devices = Search::from_environment(asks_python).and_then(|search| probe(&search));
        milliseconds.push(began.elapsed().as_secs_f64() * 1e3);
        let in_words = |devices: Vec<Device>| devices.iter().map(Device::in_words).collect::<Vec<_>>().join(", ");
        found = devices.map_or_else(|absent| absent.reason(), in_words);
    }
    let first = milliseconds.remove(0);
    milliseconds.sort_by(f64::total_cmp);
    let told = json!({
        "asksPython": asks_python,
        "firstMilliseconds": first,
        "medianMilliseconds": milliseconds[milliseconds.len() / 2],
        "longestMilliseconds": milliseconds[milliseconds.len() - 1],
        "anonymousMebibytes": anonymous() - before,
        "found": found,
    });
    println!("{told}");
}
