//! Which matrices of the reference do not stay in memory, and what letting them pass by takes.

use crate::operator::WaitingRows;
use crate::pipeline::inputs::Inputs;
use crate::pipeline::inputs::bands::band_rows;
use crate::pipeline::inputs::expression::RESULT_BYTES;
use crate::sink::StoreSpec;
use crate::source::RowSource;

/// Which matrices pass by, and how many bytes rows take that wait for them.
#[derive(Debug, Clone, Default)]
pub(in crate::pipeline) struct Passing {
    /// Places among the embeddings of the inputs.
    pub(in crate::pipeline) embeddings: Vec<usize>,
    pub(in crate::pipeline) expression: bool,
    pub(in crate::pipeline) waiting_bytes: u64,
}

impl Passing {
    pub(in crate::pipeline) fn is_empty(&self) -> bool {
        self.embeddings.is_empty() && !self.expression
    }

    /// What the user should know: what is read how many times, because the memory does not hold it.
    pub(in crate::pipeline) fn warning(&self, inputs: &Inputs, spec: &StoreSpec) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let n_obs = spec.layout.n_obs();
        let all = WaitingRows::bytes(n_obs, n_obs.saturating_mul(spec.k + 1), self.columns(inputs));
        let times = all.div_ceil(self.waiting_bytes.max(1)).max(spec.layout.units());
        let names = self.embeddings.iter().map(|&place| format!("obsm/{}", inputs.embeddings[place].0));
        let expression = inputs.expression.iter().filter(|_| self.expression).map(|expression| expression.path.clone());
        let names: Vec<_> = names.chain(expression).collect();
        let names = names.join(" and ");
        let times = if times == 1 { "once".into() } else { format!("some {times} times") };
        Some(format!(
            "the memory does not hold {names} of the reference, so it passes by {times}: more memory is quicker"
        ))
    }

    /// Columns of the widest result.
    pub(in crate::pipeline) fn columns(&self, inputs: &Inputs) -> u64 {
        let embeddings = self.embeddings.iter().map(|&place| inputs.embeddings[place].1.dim());
        let expression = inputs.expression.iter().filter(|_| self.expression).map(|expression| expression.genes.len());
        embeddings.chain(expression).max().unwrap_or(0) as u64
    }

    /// Bytes of reading them one after the other, two bands at a time, and of results.
    pub(in crate::pipeline) fn reading_bytes(&self, inputs: &Inputs) -> u64 {
        let embeddings = self.embeddings.iter().map(|&place| &*inputs.embeddings[place].1);
        let expression = inputs.expression.iter().filter(|_| self.expression).map(|expression| &*expression.rows);
        let of = |rows: &dyn RowSource| {
            let band = band_rows(rows);
            rows.scratch_bytes(band).saturating_add(2 * band * rows.dim() as u64 * 4)
        };
        let reading = embeddings.chain(expression).map(of).max().unwrap_or(0);
        reading.saturating_add(3 * RESULT_BYTES.max(self.columns(inputs) * 4))
    }
}
