//! The distance tile alone, on one core: 192 queries against 8 192 references at d = 50, with the thresholds of a join under
//! way, which the k nearest and few others pass. `plain` is the same tile as plain f32 Rust, for the compiler to vectorise.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gigamapper_core::distance::{
    Candidate, DistanceTile, Grid, Lane, PackedReferences, QueryPanels, QueryRows, Resolve, Survivors, Visit,
};

const DIM: usize = 50;
const QUERIES: usize = 192;
const REFERENCES: usize = 8192;
const K: usize = 30;

/// Drops what it is given: the bench measures the tile, not the exact distances.
struct Forget;

impl Resolve for Forget {
    fn resolve(&mut self, _: usize, candidates: &mut Vec<Candidate>) -> i32 {
        candidates.clear();
        i32::MIN
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

/// The tile as plain f32 Rust, for the compiler to vectorise: six queries against sixteen references at a time, as packed as ours.
fn plain(
    queries: &[[f32; 6]],
    references: &[[f32; 16]],
    norms: &[[f32; 16]],
    limits: &[f32],
    found: &mut Vec<(u32, f32)>,
) {
    for (panel, six) in queries.chunks_exact(DIM).enumerate() {
        for (block, (values, norm)) in references.chunks_exact(DIM).zip(norms).enumerate() {
            let mut sums = [*norm; 6];
            for (query, value) in six.iter().zip(values) {
                for i in 0..6 {
                    for lane in 0..16 {
                        sums[i][lane] += query[i] * value[lane];
                    }
                }
            }
            for (sum, limit) in sums.iter().zip(&limits[panel * 6..]) {
                if sum.iter().any(|value| value <= limit) {
                    found.extend(sum.iter().filter(|value| *value <= limit).map(|&value| (block as u32, value)));
                }
            }
        }
    }
}

fn tile(criterion: &mut Criterion) {
    let (references, queries) = (rows(REFERENCES, 1), rows(QUERIES, 2));
    let mut group = criterion.benchmark_group("tile_d50");
    group.throughput(Throughput::Elements((QUERIES * REFERENCES) as u64));

    let packed: Vec<[f32; 16]> = references
        .chunks_exact(DIM * 16)
        .flat_map(|block| (0..DIM).map(move |d| std::array::from_fn(|lane| block[lane * DIM + d])))
        .collect();
    let norms: Vec<[f32; 16]> = references
        .chunks_exact(DIM * 16)
        .map(|block| std::array::from_fn(|lane| block[lane * DIM..(lane + 1) * DIM].iter().map(|v| v * v).sum()))
        .collect();
    let panels: Vec<[f32; 6]> = queries
        .chunks_exact(DIM * 6)
        .flat_map(|panel| (0..DIM).map(move |d| std::array::from_fn(|i| -2.0 * panel[i * DIM + d])))
        .collect();
    let limits: Vec<f32> = queries.chunks_exact(DIM).map(|query| kth_value(query, &references)).collect();
    group.bench_function("plain", |bencher| {
        let mut found = Vec::new();
        bencher.iter(|| {
            found.clear();
            plain(&panels, &packed, &norms, &limits, &mut found);
            found.len()
        });
    });

    let centre = vec![0f32; DIM];
    let mut lengths: Vec<f64> = references.chunks_exact(DIM).map(|row| norm(row).sqrt()).collect();
    let grid = Grid::new(centre, Grid::reach(&mut lengths));
    let references = PackedReferences::pack(&references, &grid);
    let (mut on_grid, mut panels) = (QueryRows::default(), QueryPanels::default());
    Lane::best().fill(&mut on_grid, &queries, &grid);
    panels.all(&on_grid);
    let chosen: Vec<u32> = (0..panels.panels() as u32).collect();
    let end_block = references.blocks();
    let visit = Visit { rows: &on_grid, panels: &panels, chosen: &chosen, first_block: 0, end_block, first_slot: 0 };
    for lane in Lane::available() {
        group.bench_function(lane.name(), |bencher| {
            let mut survivors = Survivors::default();
            survivors.reset(QUERIES, K, |_| i32::MIN);
            lane.top_k(&references, visit, &mut survivors, &mut Forget);
            let limits: Vec<i32> = (0..QUERIES).map(|query| survivors.limit(query)).collect();
            bencher.iter(|| {
                survivors.reset(QUERIES, K, |query| limits[query]);
                lane.top_k(&references, visit, &mut survivors, &mut Forget);
            });
        });
    }
    group.finish();
}

fn norm(row: &[f32]) -> f64 {
    row.iter().map(|value| f64::from(*value).powi(2)).sum()
}

/// ‖x‖² − 2·q·x of the k-th nearest reference.
fn kth_value(query: &[f32], references: &[f32]) -> f32 {
    let value = |x: &[f32]| x.iter().zip(query).map(|(x, q)| x * x - 2.0 * q * x).sum();
    let mut values: Vec<f32> = references.chunks_exact(DIM).map(value).collect();
    values.sort_unstable_by(f32::total_cmp);
    values[K]
}

criterion_group!(benches, tile);
criterion_main!(benches);
