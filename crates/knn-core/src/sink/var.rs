//! What a store says of genes, which is known only at its end: their names, and matrices with a row for each in `varm`.

use super::name::check_group;
use super::node::{Node, compress, compressed, encoding, strings};
use crate::error::{Error, Result};
use crate::types::DType;

/// Genes and what belongs to them. It stands in every part of a store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VarTable {
    /// Names of the genes.
    pub names: Vec<String>,
    /// Name, and genes × columns numbers.
    pub matrices: Vec<(String, Vec<f64>)>,
}

impl VarTable {
    /// The nodes of it, below the groups that the tree has.
    pub(super) fn nodes(&self, nodes: &mut Vec<Node>) -> Result<()> {
        if self.names.is_empty() {
            return Ok(());
        }
        check_group(self.matrices.iter().map(|(name, _)| name.as_str()))?;
        nodes.push(strings("var/_index", &self.names));
        for (name, values) in &self.matrices {
            let genes = self.names.len();
            if values.is_empty() || !values.len().is_multiple_of(genes) {
                return Err(Error::internal(format!("varm/{name}: {} numbers for {genes} genes", values.len())));
            }
            let shape = [genes as u64, (values.len() / genes) as u64];
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let path = format!("varm/{name}");
            let mut node = compressed(&path, &shape, &shape, DType::Float64, &encoding("array", "0.2.0"));
            node.chunk = Some(("c/0/0", compress(&bytes)));
            nodes.push(node);
        }
        Ok(())
    }
}
