//! The tile alone on every lane of this machine, on one core: 192 queries against 8 192 references at d = 50, with limits that few pairs
//! reach. Lanes take turns; the median of seven is told.
//!
//!     cargo run --release -p gigamapper-tile-lanes --example scan

use std::time::Instant;

use gigamapper_tile_lanes::distance::{DistanceTile as _, Lane};
use gigamapper_tile_lanes::sample::scan;

const ROUNDS: usize = 7;
const TIMES: u32 = 100;

fn main() {
    let lanes = Lane::available();
    let mut speeds = vec![Vec::new(); lanes.len()];
    for _ in 0..ROUNDS {
        for (lane, speeds) in lanes.iter().zip(&mut speeds) {
            let began = Instant::now();
            let pairs = scan(*lane, TIMES);
            speeds.push(pairs as f64 / began.elapsed().as_secs_f64() / 1e9);
        }
    }
    for (lane, speeds) in lanes.iter().zip(&mut speeds) {
        speeds.sort_unstable_by(f64::total_cmp);
        println!("{:12} {:.3} Gpair/s", lane.name(), speeds[ROUNDS / 2]);
    }
}
