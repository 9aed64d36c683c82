//! Queries and their neighbours, and what their weights transfer.

use gigamapper_core::portable::{self, OtherRuns, Weighing};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::failure::{Result, told};
use crate::reference::{Memory, metric};

/// Queries, and what was found for them.
#[wasm_bindgen]
pub struct QueryRun(pub(crate) portable::QueryRun);

#[wasm_bindgen]
impl QueryRun {
    /// Rows of `dim` columns, row-major, each to be given its k nearest.
    #[wasm_bindgen(constructor)]
    pub fn new(values: Vec<f32>, dim: usize, k: usize, metric_name: &str, memory: &Memory) -> Result<Self> {
        told(portable::QueryRun::new(values, dim, k, metric(metric_name)?, &memory.0)).map(Self)
    }

    /// Rows that were joined.
    pub fn done(&self) -> usize {
        self.0.done()
    }

    /// Numbers of the neighbours, −1 where there is none.
    pub fn indices(&self) -> Vec<f64> {
        self.0.found().ids.iter().map(|&id| id as f64).collect()
    }

    /// Their distances, NaN where there is none.
    pub fn distances(&self) -> Vec<f32> {
        self.0.found().distances.clone()
    }

    /// Codes of what became of each row.
    pub fn statuses(&self) -> Vec<u8> {
        self.0.statuses().to_vec()
    }
}

/// How neighbours are weighed.
#[wasm_bindgen]
pub struct Asked(Weighing);

#[wasm_bindgen]
impl Asked {
    /// What is not given is what the core takes.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(
        kernel_method: Option<String>,
        bandwidth: Option<f64>,
        seed: f64,
        symmetrize: Option<String>,
        self_edges: Option<bool>,
    ) -> Self {
        Self(Weighing { kernel_method, bandwidth, seed: seed as u64, symmetrize, self_edges })
    }
}

/// Weights of all queries of a run.
#[wasm_bindgen]
pub struct Weighed(portable::Weighed);

#[wasm_bindgen]
impl Weighed {
    /// Weighs the neighbours of a run.
    #[wasm_bindgen(constructor)]
    pub fn new(run: &QueryRun, asked: Asked, reference_rows: f64, memory: &Memory) -> Result<Self> {
        let Asked(asked) = asked;
        told(portable::Weighed::new(&run.0, &asked, None, reference_rows as u64, &memory.0)).map(Self)
    }

    /// The same with the graphs within the reference, within the query, and from reference to query.
    pub fn among(
        run: &QueryRun,
        asked: Asked,
        xx: &QueryRun,
        yy: &QueryRun,
        xy: &QueryRun,
        reference_rows: f64,
        memory: &Memory,
    ) -> Result<Self> {
        let (Asked(asked), others) = (asked, OtherRuns { xx: &xx.0, yy: &yy.0, xy: &xy.0 });
        told(portable::Weighed::new(&run.0, &asked, Some(others), reference_rows as u64, &memory.0)).map(Self)
    }

    /// The bandwidth.
    pub fn sigma(&self) -> Option<f64> {
        self.0.sigma()
    }

    /// Votes over a column of codes.
    pub fn labels(&self, codes: Vec<i32>, categories: usize) -> Result<Votes> {
        let votes = told(self.0.labels(codes, categories))?;
        Ok(Votes { codes: votes.codes, confidence: votes.confidence })
    }

    /// Means of a column of numbers, followed by their deviations.
    pub fn numbers(&self, numbers: &[f64]) -> Result<Vec<f64>> {
        let means = told(self.0.numbers(numbers))?;
        Ok([means.means, means.deviations].concat())
    }

    /// Means of an embedding, row-major.
    pub fn embedding(&self, values: Vec<f32>, dim: usize) -> Result<Vec<f32>> {
        told(self.0.embedding(values, dim))
    }
}

/// What a vote gave.
#[wasm_bindgen]
pub struct Votes {
    codes: Vec<i32>,
    confidence: Vec<f32>,
}

#[wasm_bindgen]
impl Votes {
    /// The label of each row, −1 where there is none.
    pub fn codes(&self) -> Vec<i32> {
        self.codes.clone()
    }

    /// Its share of the weight.
    pub fn confidence(&self) -> Vec<f32> {
        self.confidence.clone()
    }
}
