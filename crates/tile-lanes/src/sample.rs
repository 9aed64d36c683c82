//! Random rows, and everything that a lane does with them, put into one number.

use crate::distance::{
    Candidate, DistanceTile, FEW_MORE, Grid, Lane, Metric, PackedReferences, QueryPanels, QueryRows, Resolve,
    Survivors, Visit, exact_product, exact_squared,
};

/// A generator of the xorshift family: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From `low` to before `high`.
    fn between(&mut self, low: u64, high: u64) -> usize {
        (low + (self.bits() >> 20) % (high - low)) as usize
    }

    /// From −1.5 to 1.5, more often near 0.
    fn value(&mut self) -> f32 {
        (0..3).map(|_| (self.bits() >> 40) as f32 / (1u64 << 24) as f32 - 0.5).sum()
    }

    /// Rows of which a few are far out, and fewer are not finite.
    fn rows(&mut self, rows: usize, dim: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(rows * dim);
        for _ in 0..rows {
            let factor = match self.bits() >> 32 & 31 {
                0 => 1e3,
                1 => 1e-3,
                2 => f32::INFINITY,
                _ => 1.0,
            };
            values.extend((0..dim).map(|_| self.value() * factor));
        }
        values
    }
}

/// Queries and references of one size, and by what metric they meet.
pub struct Sample {
    metric: Metric,
    dim: usize,
    k: usize,
    queries: Vec<f32>,
    references: Vec<f32>,
    grid: Grid,
}

/// The k nearest of each query as the exact values have them: (value, row), ascending.
type Neighbors = Vec<Vec<(f64, u32)>>;

impl Sample {
    /// The sample of this number.
    pub fn new(seed: u64) -> Self {
        let mut random = Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // The first numbers of near seeds are alike.
        for _ in 0..8 {
            random.bits();
        }
        let metric = if random.between(0, 3) == 0 { Metric::InnerProduct } else { Metric::Euclidean };
        let (dim, k) = (random.between(1, 70), random.between(1, 40));
        let (queries, references) = (random.between(1, 40), random.between(1, 700));
        let (queries, references) = (random.rows(queries, dim), random.rows(references, dim));
        let grid = Grid::by(metric, (0..dim).map(|_| random.value()).collect(), (dim as f64).sqrt());
        Self { metric, dim, k, queries, references, grid }
    }

    /// The k nearest by a lane: whatever survives is decided exactly.
    pub fn nearest(&self, lane: Lane) -> Neighbors {
        let (rows, panels, packed) = self.packed(lane);
        let mut decide = Decide { sample: self, lane, rows: &rows, found: vec![Vec::new(); rows.rows()] };
        let mut survivors = Survivors::default();
        survivors.reset(rows.rows(), self.k, |query| if rows.is_valid(query) { i32::MIN } else { i32::MAX });
        let chosen: Vec<u32> = (0..panels.panels() as u32).collect();
        let visit = Visit {
            rows: &rows,
            panels: &panels,
            chosen: &chosen,
            first_block: 0,
            end_block: packed.blocks(),
            first_slot: 0,
        };
        lane.top_k(&packed, visit, &mut survivors, &mut decide);
        lane.finish(&rows, &mut survivors, &mut decide);
        decide.found
    }

    /// The same from all pairs.
    pub fn plainly(&self) -> Neighbors {
        let finite = |row: &[f32]| row.iter().all(|value| value.is_finite());
        let mut found = Vec::new();
        for query in self.queries.chunks_exact(self.dim) {
            let references = self.references.chunks_exact(self.dim).zip(0..);
            let references = references.filter(|(row, _)| finite(row) && finite(query));
            let mut nearest: Vec<_> = references.map(|(row, id)| (self.exact(query, row), id)).collect();
            self.sort(&mut nearest);
            found.push(nearest);
        }
        found
    }

    fn exact(&self, query: &[f32], row: &[f32]) -> f64 {
        if self.metric.is_product() { -exact_product(query, row) } else { exact_squared(query, row) }
    }

    fn sort(&self, nearest: &mut Vec<(f64, u32)>) {
        nearest.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        nearest.truncate(self.k);
    }

    fn packed(&self, lane: Lane) -> (QueryRows, QueryPanels, PackedReferences) {
        let (mut rows, mut panels) = (QueryRows::default(), QueryPanels::default());
        let mut packed = PackedReferences::default();
        lane.fill(&mut rows, &self.queries, &self.grid);
        panels.all(&rows);
        lane.pack(&mut packed, &self.references, &self.grid);
        (rows, panels, packed)
    }
}

/// Keeps the k nearest.
struct Decide<'a> {
    sample: &'a Sample,
    lane: Lane,
    rows: &'a QueryRows,
    found: Neighbors,
}

impl Resolve for Decide<'_> {
    fn resolve(&mut self, query: usize, candidates: &mut Vec<Candidate>) -> i32 {
        let Sample { metric, dim, k, queries, references, .. } = self.sample;
        let starts: Vec<usize> = candidates.iter().map(|candidate| candidate.slot as usize * dim).collect();
        let mut exact = Vec::new();
        self.lane.exact(*metric, &queries[query * dim..(query + 1) * dim], references, &starts, &mut exact);
        let nearest = &mut self.found[query];
        nearest.extend(exact.into_iter().zip(candidates.drain(..).map(|candidate| candidate.slot)));
        self.sample.sort(nearest);
        match nearest.get(k - 1) {
            _ if !self.rows.is_valid(query) => i32::MAX,
            None => i32::MIN,
            Some((exact, _)) => self.rows.limit(query, if metric.is_product() { *exact } else { exact.sqrt() }),
        }
    }
}

/// The hash FNV-1a, by words instead of bytes.
struct Hash(u64);

impl Hash {
    fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0100_0000_01b3);
        self.0 ^= self.0 >> 29;
    }

    fn all(&mut self, words: &[u32]) {
        for &word in words {
            self.add(word.into());
        }
    }
}

/// All values of a sample, the nearest and the few nearest references, and the neighbours with the bits of their exact values.
pub fn digest(lane: Lane, seed: u64) -> u64 {
    const COUNT: usize = 5;
    let sample = Sample::new(seed);
    let (rows, panels, packed) = sample.packed(lane);
    let (mut values, mut hash) = (Vec::new(), Hash(0xcbf2_9ce4_8422_2325));
    let mut found = vec![0; rows.rows()];
    lane.nearest(&rows, &panels, &packed, &mut values, &mut found);
    hash.all(&found);
    found.clear();
    found.resize(rows.rows() * (COUNT + FEW_MORE), u32::MAX);
    lane.few(&rows, &panels, &packed, COUNT, &mut values, &mut found);
    hash.all(&found);
    lane.values(&rows, &panels, &packed, &mut values);
    for &value in &values {
        hash.add(u64::from(value as u32));
    }
    for (exact, row) in sample.nearest(lane).into_iter().flatten() {
        hash.add(exact.to_bits());
        hash.add(row.into());
    }
    hash.0
}

/// The tile alone, as in a join under way: how many pairs met.
pub fn scan(lane: Lane, times: u32) -> u64 {
    const DIM: usize = 50;
    let mut random = Random(11);
    let mut some = |rows: usize| (0..rows * DIM).map(|_| random.value()).collect::<Vec<_>>();
    let (queries, references) = (some(192), some(8192));
    let grid = Grid::new(vec![0.0; DIM], 10.0);
    let sample = Sample { metric: Metric::Euclidean, dim: DIM, k: 30, queries, references, grid };
    let (rows, panels, packed) = sample.packed(lane);
    let chosen: Vec<u32> = (0..panels.panels() as u32).collect();
    let kth: Vec<f64> = sample.nearest(lane).iter().map(|nearest| nearest[sample.k - 1].0.sqrt()).collect();
    let mut survivors = Survivors::default();
    for _ in 0..times {
        survivors.reset(rows.rows(), sample.k, |query| rows.limit(query, kth[query]));
        let (end_block, first_block, first_slot) = (packed.blocks(), 0, 0);
        let visit = Visit { rows: &rows, panels: &panels, chosen: &chosen, first_block, end_block, first_slot };
        let mut decide = Decide { sample: &sample, lane, rows: &rows, found: vec![Vec::new(); rows.rows()] };
        lane.top_k(&packed, visit, &mut survivors, &mut decide);
    }
    u64::from(times) * (rows.rows() * packed.rows()) as u64
}
