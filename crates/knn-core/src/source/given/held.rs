//! Stores in memory by the path that requests call them, as long as they are held.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::checked::checked;
use super::description::CellsDescription;
use crate::error::{Error, Result};
use crate::source::columnar::TableFile;
use crate::source::container::Container;

/// What the path of a store in memory begins with; its number follows.
const SCHEME: &str = "memory:";

/// Stores by number, and the number of the next one.
struct Stores {
    held: BTreeMap<u64, Arc<dyn Container>>,
    next: u64,
}

static STORES: Mutex<Stores> = Mutex::new(Stores { held: BTreeMap::new(), next: 0 });

fn all() -> MutexGuard<'static, Stores> {
    STORES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Checks cells that were given, and holds them until they are [released](release). Returns their path.
///
/// `GM_PARAM`, `GM_SHAPE` or `GM_SCHEMA` where they contradict each other; each names the field.
pub fn hold(description: CellsDescription, mut arrays: Vec<Vec<u8>>) -> Result<String> {
    let store: Arc<dyn Container> = match description.table {
        Some(table) if description.matrix.is_none() && table < arrays.len() => {
            Arc::new(TableFile::of_bytes(description.name, arrays.swap_remove(table))?)
        }
        Some(table) => return Err(Error::param("table", table, "give the bytes of a table, and nothing beside them")),
        None => Arc::new(checked(description, arrays)?),
    };
    let mut stores = all();
    let number = stores.next;
    stores.next += 1;
    stores.held.insert(number, store);
    Ok(format!("{SCHEME}{number}"))
}

/// Lets go of what was held. Whoever reads it at the moment keeps it until then.
pub fn release(path: &str) {
    if let Some(number) = number(path) {
        all().held.remove(&number);
    }
}

/// The store in memory that a path names, if it names one that is held.
pub(in crate::source) fn held(path: &Path) -> Option<Arc<dyn Container>> {
    all().held.get(&number(path.to_str()?)?).cloned()
}

fn number(path: &str) -> Option<u64> {
    path.strip_prefix(SCHEME)?.parse().ok()
}
