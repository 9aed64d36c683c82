//! Colours of united categories: those of the first store that has a category. Where a store has none, there are none.

use std::collections::HashMap;

use crate::error::Result;
use crate::source::{AnnDataStore, Categories, ColumnKind};

/// The colours of a label column of many stores; `None` unless all of them have one for each of their categories.
pub(super) fn colors(stores: &[AnnDataStore], key: &str, categories: &Categories) -> Result<Option<Vec<String>>> {
    let mut known: HashMap<String, String> = HashMap::new();
    for store in stores {
        let column = store.column(key)?;
        let ColumnKind::Categorical { categories: own, .. } = column.kind() else { return Ok(None) };
        let Some(colors) = store.colors(key)?.filter(|colors| colors.len() == own.len()) else { return Ok(None) };
        for (index, color) in colors.into_iter().enumerate() {
            known.entry(own.label(index)).or_insert(color);
        }
    }
    Ok((0..categories.len()).map(|index| known.get(&categories.label(index)).cloned()).collect())
}
