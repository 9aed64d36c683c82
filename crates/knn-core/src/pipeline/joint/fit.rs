//! Passes over the cells of all stores, and the components that follow from their sums.

use super::kept_sums::KeptSums;
use super::prepared::Prepared;
use crate::error::Result;
use crate::pipeline::request::ResolvedJoint;
use crate::progress::Progress;
use crate::representation::joint::{
    Batch, BatchReader, Components, GramSums, ProductSums, Sums, canonical, principal, principal_streamed,
};

/// Finds the components. Passes that an earlier process ended are not made again, and one that it began goes on behind its last unit.
pub(super) fn fit(
    prepared: &Prepared,
    resolved: &ResolvedJoint,
    kept: &KeptSums,
    progress: &Progress,
) -> Result<Components> {
    let (genes, count) = (prepared.genes.len(), prepared.count as usize);
    if prepared.is_streamed {
        let mut made = |number: usize, sums: &mut ProductSums| pass(prepared, kept, number, sums, progress);
        return principal_streamed((genes, prepared.cells), count, resolved.seed, &mut made);
    }
    let mut sums = if resolved.is_canonical { GramSums::by_cells(genes) } else { GramSums::by_genes(genes) };
    pass(prepared, kept, 0, &mut sums, progress)?;
    progress.check()?;
    if resolved.is_canonical {
        canonical(sums, (count, resolved.seed), &|| progress.check())
    } else {
        principal(sums, prepared.cells, (count, resolved.seed), &|| progress.check())
    }
}

/// Adds every cell to the sums, those of the reference first. While some are added, the next are read.
fn pass(prepared: &Prepared, kept: &KeptSums, number: usize, sums: &mut dyn Sums, progress: &Progress) -> Result<()> {
    let done = kept.load(number, sums)?;
    progress.begin("components", prepared.cells, done);
    progress.check()?;
    let genes = prepared.genes.len();
    let (mut batch, mut ahead) = (Batch::default(), Batch::default());
    let mut before = 0;
    for (store, input) in prepared.stores.iter().enumerate() {
        let layout = input.spec.layout;
        let first = done.saturating_sub(before).min(layout.n_obs());
        let mut reader = BatchReader::new(&input.rows, &prepared.genes, store, first);
        for unit in (0..layout.units()).map(|unit| layout.unit(unit).rows).filter(|unit| unit.start >= first) {
            reader.next(unit.end, &mut batch)?;
            batch.turn(genes);
            while batch.rows() > 0 {
                let mut read = || {
                    reader.next(unit.end, &mut ahead)?;
                    ahead.turn(genes);
                    Ok(())
                };
                let ((), read) = rayon::join(|| sums.add(store, &batch), || -> Result<()> { read() });
                read?;
                progress.advance(batch.rows() as u64)?;
                std::mem::swap(&mut batch, &mut ahead);
            }
            kept.save(number, before + unit.end, sums)?;
        }
        before += layout.n_obs();
    }
    progress.end();
    Ok(())
}
