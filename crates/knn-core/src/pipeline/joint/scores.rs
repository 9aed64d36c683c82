//! The last pass: scores of the cells, and their names and columns, stored unit by unit.

use serde_json::Value;

use super::prepared::{Input, Prepared};
use crate::error::{Error, Result};
use crate::pipeline::little_endian::little_endian_floats;
use crate::pipeline::request::ResolvedJoint;
use crate::progress::Progress;
use crate::representation::joint::{Batch, BatchReader, Components, Scores};
use crate::sink::{MappingStore, Stage};

/// Stores every unit that is not committed yet, each with what is told of the components.
pub(super) fn store(
    prepared: &mut Prepared,
    resolved: &ResolvedJoint,
    components: &Components,
    (stores, told): (&[MappingStore], &Value),
    progress: &Progress,
) -> Result<()> {
    let path = format!("obsm/{}", resolved.key_added);
    let (mut batch, mut ahead) = (Batch::default(), Batch::default());
    let (mut scores, mut bytes) = (Vec::new(), Vec::new());
    for (number, (input, store)) in prepared.stores.iter_mut().zip(stores).enumerate() {
        let Input { rows, columns, spec, .. } = input;
        let layout = spec.layout;
        let scored = Scores::new(components, number, prepared.genes.len());
        let mut reader = BatchReader::new(rows, &prepared.genes, number, 0);
        for unit in (0..layout.units()).filter(|&unit| store.committed(Stage::Transferred, unit).is_none()) {
            let mut writer = store.begin(Stage::Transferred, unit)?;
            let range = writer.range().rows;
            if reader.position() != range.start {
                // A unit before was committed by an earlier run.
                reader = BatchReader::new(rows, &prepared.genes, number, range.start);
            }
            reader.next(range.end, &mut batch)?;
            while batch.rows() > 0 {
                let write = || {
                    scored.fill(&batch, &mut scores);
                    writer.append(&path, little_endian_floats(&scores, &mut bytes))
                };
                let (written, read) = rayon::join(write, || reader.next(range.end, &mut ahead));
                written?;
                read?;
                progress.advance(batch.rows() as u64)?;
                std::mem::swap(&mut batch, &mut ahead);
            }
            if reader.position() != range.end {
                return Err(Error::internal(format!("unit {unit} ends at row {}", reader.position())));
            }
            for column in &mut *columns {
                column.copy(range, &mut writer)?;
                progress.check()?;
            }
            writer.commit(told.clone())?;
        }
    }
    Ok(())
}
