//! Scores of all reference cells, summed and scaled in as many passes as the memory asks for.

use std::path::Path;

use super::edges::Edges;
use super::group_scores::GroupScores;
use crate::error::Result;
use crate::kernel::{Kernel, KernelMethod};
use crate::operator::PresenceSums;
use crate::pipeline::request::ResolvedPresence;
use crate::progress::Progress;
use crate::types::RowRange;

/// Finished scores.
pub(super) struct Scores {
    /// The bandwidth; none if there is no edge.
    pub(super) sigma: Option<f64>,
    /// The weight of all edges.
    pub(super) total: f64,
    overall: Vec<f64>,
    groups: GroupScores,
    /// How many groups there are.
    n_groups: usize,
    of_group: Vec<f32>,
}

/// One pass: whether it has the whole query's column, the first group and how many groups.
pub(super) fn passes(all: u64, columns: u64) -> impl Iterator<Item = (bool, usize, usize)> {
    (0..all).step_by(columns.max(1) as usize).map(move |first| {
        let last = (first + columns).min(all);
        (first == 0, first.saturating_sub(1) as usize, (last - first - u64::from(first == 0)) as usize)
    })
}

/// The kernel and its bandwidth: pinned, or what it takes from all stored distances. None if there is no edge, or the kernel has none.
pub(super) fn kernel(
    edges: &mut Edges,
    resolved: &ResolvedPresence,
    progress: &Progress,
) -> Result<(Kernel, Option<f64>)> {
    progress.begin("bandwidth", edges.description().rows, 0);
    let distances = edges.distances(progress)?;
    progress.end();
    let learnt = match resolved.kernel {
        KernelMethod::Gauss => distances.mean(false),
        KernelMethod::Scarches => distances.deviation(false),
        _ => None,
    };
    let sigma = learnt.map(|learnt| resolved.bandwidth.unwrap_or(learnt));
    // Without an edge no weight is ever computed.
    let of = sigma.unwrap_or(1.0);
    let kernel = match resolved.kernel {
        KernelMethod::Scarches => Kernel::Scarches { sigma: of },
        KernelMethod::ScarchesLocal => Kernel::ScarchesLocal,
        KernelMethod::InverseDistance => Kernel::InverseDistance,
        KernelMethod::Equal => Kernel::Equal,
        _ => Kernel::Gauss { sigma: of },
    };
    Ok((kernel, sigma))
}

impl Scores {
    /// Sums and scales every column, `columns` of them at a time.
    pub(super) fn sum(
        edges: &mut Edges,
        resolved: &ResolvedPresence,
        ((kernel, sigma), columns): ((&Kernel, Option<f64>), u64),
        groups: GroupScores,
        progress: &Progress,
    ) -> Result<Self> {
        let (n_ref, rows) = (edges.description().n_ref as usize, edges.description().rows);
        let all = edges.groups().len() as u64 + 1;
        let mut scores =
            Self { sigma, total: 0.0, overall: Vec::new(), groups, n_groups: all as usize - 1, of_group: Vec::new() };
        progress.begin("presence", rows * passes(all, columns).count() as u64, 0);
        for (overall, first_group, groups) in passes(all, columns) {
            let mut sums = PresenceSums::new(n_ref, overall, first_group, groups);
            edges.each(progress, |block, codes| {
                sums.add(block, codes, kernel);
                Ok(())
            })?;
            let mut scratch = Vec::new();
            if overall {
                scores.total = sums.overall().iter().sum();
                resolved.scaling.apply(sums.overall(), &mut scratch);
                scores.overall = sums.overall().to_vec();
            }
            for group in sums.groups().take(groups) {
                resolved.scaling.apply(group, &mut scratch);
                scores.groups.push(group)?;
                progress.check()?;
            }
        }
        progress.end();
        Ok(scores)
    }

    /// The whole query's scores of these rows, little-endian.
    pub(super) fn overall_bytes<'b>(&self, rows: RowRange, bytes: &'b mut Vec<u8>) -> &'b [u8] {
        bytes.clear();
        let scores = &self.overall[rows.start as usize..rows.end as usize];
        bytes.extend(scores.iter().flat_map(|score| score.to_le_bytes()));
        bytes
    }

    /// Lets the groups' scores be read, which `store` may have in a file.
    pub(super) fn end(self, store: &Path) -> Result<Self> {
        Ok(Self { groups: self.groups.end(store)?, ..self })
    }

    /// Lets go of the groups' scores, which are stored.
    pub(super) fn release(&mut self) {
        self.groups = GroupScores::in_memory(0, 0);
    }

    /// The groups' scores of these rows, row by row, little-endian.
    pub(super) fn group_bytes<'b>(&mut self, rows: RowRange, bytes: &'b mut Vec<u8>) -> Result<&'b [u8]> {
        let width = self.n_groups * 4;
        bytes.clear();
        bytes.resize(rows.len() * width, 0);
        for group in 0..self.n_groups {
            self.groups.read(group, rows, &mut self.of_group)?;
            for (row, score) in bytes.chunks_exact_mut(width).zip(&self.of_group) {
                row[group * 4..group * 4 + 4].copy_from_slice(&score.to_le_bytes());
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_have_every_column_once() {
        for (all, columns, expected) in [
            (1, 1, vec![(true, 0, 0)]),
            (4, 9, vec![(true, 0, 3)]),
            (4, 2, vec![(true, 0, 1), (false, 1, 2)]),
            (4, 1, vec![(true, 0, 0), (false, 0, 1), (false, 1, 1), (false, 2, 1)]),
        ] {
            assert_eq!(passes(all, columns).collect::<Vec<_>>(), expected, "{all} {columns}");
        }
    }
}
