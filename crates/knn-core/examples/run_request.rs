//! A request carried out by the core alone, as the other side of a benchmark of the library: `run_request map|neighbors|rechunk REQUEST.json`.
//!
//! The file holds what the library gives to its addon, as JSON. Prints the report as JSON, with the seconds from reading the request to the
//! report.

use std::time::Instant;

use gigamapper_core::pipeline::{MapRequest, NeighborsRequest, RechunkRequest, neighbors, rechunk, run};
use gigamapper_core::progress::Progress;
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [verb, request] = arguments.as_slice() else {
        return Err("run_request map|neighbors|rechunk REQUEST.json".into());
    };
    let began = Instant::now();
    let request: Value = serde_json::from_slice(&std::fs::read(request)?)?;
    let progress = Progress::silent();
    let report = match verb.as_str() {
        "map" => json!(run(&serde_json::from_value::<MapRequest>(request)?, &progress)?),
        "neighbors" => json!(neighbors(&serde_json::from_value::<NeighborsRequest>(request)?, &progress)?),
        "rechunk" => json!(rechunk(&serde_json::from_value::<RechunkRequest>(request)?, &progress)?),
        other => return Err(format!("there is no verb {other:?}").into()),
    };
    println!("{}", json!({ "report": report, "seconds": began.elapsed().as_secs_f64() }));
    Ok(())
}
