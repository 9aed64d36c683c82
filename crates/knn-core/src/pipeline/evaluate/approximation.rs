//! An approximate mapping against an exact one of the same cells: the recall of its neighbours, and what its labels lose.

use std::collections::BTreeMap;

use super::report::{ClassEvaluation, ClassLoss, LabelEvaluation, LabelLoss, NeighborAgreement};
use crate::error::{Error, Result};
use crate::graph::{GraphBlock, GraphDescription, GraphStore, Ids};
use crate::pipeline::provenance::same_graphs;
use crate::progress::Progress;
use crate::types::RowRange;

/// Cells whose neighbours are compared together.
const BLOCK_ROWS: u64 = 16_384;

/// Two graphs of the same cells.
pub(super) struct Graphs {
    found: GraphStore,
    exact: GraphStore,
}

impl Graphs {
    /// Takes graphs, which must be of as many cells and references.
    pub(super) fn new(found: GraphStore, exact: GraphStore) -> Result<Self> {
        let shape = |graph: &GraphStore| vec![graph.description().rows, graph.description().n_ref];
        if shape(&found) != shape(&exact) {
            return Err(Error::Shape {
                left: found.description().path.clone(),
                left_shape: shape(&found),
                right: exact.description().path.clone(),
                right_shape: shape(&exact),
                reason: "both need the same query and reference cells".into(),
            });
        }
        same_graphs(&exact, &found)?;
        Ok(Self { found, exact })
    }

    /// Bytes of a block of both.
    pub(super) fn bytes(&self) -> u64 {
        let of = |GraphDescription { k, rows, .. }: &GraphDescription| BLOCK_ROWS.min(*rows) * k * (8 + 4 + 8);
        of(self.found.description()) + of(self.exact.description())
    }

    /// Looks for every exact neighbour among those that were found.
    pub(super) fn compare(&mut self, progress: &Progress) -> Result<NeighborAgreement> {
        let (rows, ours, theirs) = {
            let [ours, theirs] = [self.found.description(), self.exact.description()];
            (ours.rows, ours.k as usize, theirs.k as usize)
        };
        let k = ours.min(theirs);
        let [mut cells, mut all, mut hits, mut first, mut complete] = [0u64; 5];
        let step = BLOCK_ROWS.min(self.found.description().block_rows).min(self.exact.description().block_rows);
        for block in RowRange::new(0, rows).pieces(step) {
            let asked = Some(block.len() as i64);
            let (found, exact) = (ids(self.found.read(block.start, asked)?), ids(self.exact.read(block.start, asked)?));
            for (found, exact) in found.chunks(ours).zip(exact.chunks(theirs)) {
                let (found, exact) = (&found[..k], &exact[..k]);
                let wanted = exact.iter().filter(|&&id| id >= 0).count() as u64;
                if wanted == 0 {
                    continue;
                }
                let met = exact.iter().filter(|&&id| id >= 0 && found.contains(&id)).count() as u64;
                cells += 1;
                all += wanted;
                hits += met;
                first += u64::from(found[0] == exact[0]);
                complete += u64::from(met == wanted);
            }
            progress.advance(block.len() as u64)?;
        }
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        Ok(NeighborAgreement {
            cells,
            k: k as u64,
            recall: share(hits, all),
            first: share(first, cells),
            complete: share(complete, cells),
        })
    }
}

fn ids(block: GraphBlock) -> Vec<i64> {
    match block.ids {
        Ids::Int32(ids) => ids.into_iter().map(i64::from).collect(),
        Ids::Int64(ids) => ids,
    }
}

/// What labels lose: of the approximate mapping, and of the exact one against the same truth, or none where the exact labels are the truth.
pub(super) fn loss(found: &LabelEvaluation, exact: Option<&LabelEvaluation>) -> LabelLoss {
    let by_name = |evaluation: &LabelEvaluation| -> BTreeMap<String, ClassEvaluation> {
        evaluation.classes.iter().map(|class| (class.category.clone(), class.clone())).collect()
    };
    let (ours, theirs) = (by_name(found), exact.map(by_name));
    let mut names: Vec<_> = found.classes.iter().map(|class| &class.category).collect();
    names.extend(theirs.iter().flat_map(BTreeMap::keys).filter(|name| !ours.contains_key(*name)));
    let mut classes: Vec<_> = names
        .into_iter()
        .map(|name| {
            let (ours, theirs) = (ours.get(name), theirs.as_ref().map(|theirs| theirs.get(name)));
            let f1 = ours.map_or(0.0, |class| class.f1);
            // Against themselves, exact labels are all right; a class that only the approximate mapping predicts has none.
            let exact_f1 = match theirs {
                Some(class) => class.map_or(0.0, |class| class.f1),
                None => f64::from(u8::from(ours.is_some_and(|class| class.support > 0))),
            };
            let support = ours.or(theirs.flatten()).map_or(0, |class| class.support);
            ClassLoss { category: name.clone(), support, exact_f1, f1, loss: exact_f1 - f1 }
        })
        .collect();
    classes.sort_by(|left, right| right.loss.total_cmp(&left.loss));
    let of = |score: fn(&crate::operator::LabelScores) -> f64| {
        let ours = found.scores.as_ref().map(score)?;
        let theirs = match exact {
            Some(exact) => exact.scores.as_ref().map(score)?,
            None => 1.0,
        };
        Some(theirs - ours)
    };
    LabelLoss {
        by: if exact.is_some() { "truth" } else { "exact" }.into(),
        f1_macro: of(|scores| scores.f1_macro),
        accuracy: of(|scores| scores.accuracy),
        classes,
    }
}
