//! The chunk objects of an array that exist, by listing its folder: asking for every possible key would take for ever
//! where a shape lies.

use super::array::ZarrArray;
use super::files::EntryKind;
use crate::error::{Error, Result};
use crate::source::key::join;

/// More chunk objects than a store of a billion cells has.
const MOST_OBJECTS: usize = 1 << 24;

impl ZarrArray {
    /// Coordinates of all stored objects inside the grid, in C order. Other files in the folder are not ours to judge.
    pub(super) fn objects(&self) -> Result<Vec<Vec<u64>>> {
        let mut found = Vec::new();
        self.list("", self.metadata().grid.shape.len(), &mut found)?;
        let counts = self.metadata().grid.objects();
        found.retain(|object: &Vec<u64>| object.iter().zip(&counts).all(|(number, count)| number < count));
        found.sort_unstable();
        Ok(found)
    }

    /// Walks at most as deep as keys go. Folders that are links are not walked: they could form a loop.
    fn list(&self, below: &str, depth: usize, found: &mut Vec<Vec<u64>>) -> Result<()> {
        for (name, kind) in self.store().entries(join(self.path(), below).trim_end_matches('/'))? {
            let path = join(below, &name);
            if kind == EntryKind::Folder {
                if depth > 0 {
                    self.list(&path, depth - 1, found)?;
                }
            } else if let Some(object) = self.metadata().keys.parse(&path, self.metadata().grid.shape.len()) {
                found.push(object);
            } else if kind == EntryKind::Link {
                // Perhaps a folder of chunks: what is not listed would be taken for never written.
                return Err(Error::Corrupt {
                    file: format!("{}/{}", self.store().name(), join(self.path(), &path)),
                    block: "file".into(),
                    reason: "a symbolic link that is no chunk, inside an array".into(),
                });
            }
            if found.len() > MOST_OBJECTS {
                return Err(Error::Unsupported {
                    what: format!("{}: an array of more than {MOST_OBJECTS} chunk objects", self.name()),
                    remedy: "write it again with larger chunks, or with shards".into(),
                });
            }
        }
        Ok(())
    }
}
