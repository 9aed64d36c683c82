//! The distance tile alone, on one core: 192 queries against 8 192 references at d = 50, with the thresholds of a join under
//! way, which the k nearest and few others pass. `plain` is the same tile as plain Rust, for the compiler to vectorise.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gigamapper_core::distance::{
    Candidate, DistanceTile, Lane, PackedReferences, QueryPanels, Resolve, Survivors, Visit,
};

const DIM: usize = 50;
const QUERIES: usize = 192;
const REFERENCES: usize = 8192;
const K: usize = 30;

/// Drops what it is given: the bench measures the tile, not the exact distances.
struct Forget;

impl Resolve for Forget {
    fn resolve(&mut self, _: usize, candidates: &mut Vec<Candidate>) -> f32 {
        candidates.clear();
        f32::INFINITY
    }

    fn excluded(&self, _: usize) -> Option<u32> {
        None
    }
}

fn rows(count: usize, mut seed: u64) -> Vec<f32> {
    let mut uniform = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..count * DIM).map(|_| uniform() + uniform() + uniform()).collect()
}

fn tile(criterion: &mut Criterion) {
    let centre = vec![0f32; DIM];
    let references = PackedReferences::pack(&rows(REFERENCES, 1), DIM, &centre);
    let mut queries = QueryPanels::default();
    queries.repack(&rows(QUERIES, 2), DIM, &centre);
    let all: Vec<u32> = (0..queries.panels() as u32).collect();
    let visit = Visit { panels: &all, first_block: 0, end_block: references.blocks() };
    let mut group = criterion.benchmark_group("tile_d50");
    group.throughput(Throughput::Elements((QUERIES * REFERENCES) as u64));
    for lane in Lane::available() {
        let name = if lane == Lane::SCALAR { "plain" } else { lane.name() };
        group.bench_function(name, |bencher| {
            let mut survivors = Survivors::default();
            survivors.reset(QUERIES, K, |query| (f32::INFINITY, queries.error_bound(query, &references)));
            lane.top_k(&queries, &references, visit, &mut survivors, &mut Forget);
            let thresholds: Vec<f32> = (0..QUERIES).map(|query| survivors.threshold(query)).collect();
            bencher.iter(|| {
                survivors.reset(QUERIES, K, |query| (thresholds[query], queries.error_bound(query, &references)));
                lane.top_k(&queries, &references, visit, &mut survivors, &mut Forget);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, tile);
criterion_main!(benches);
