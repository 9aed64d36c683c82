//! Arrays with any number of values for a row, of which sparse matrices are made.
//!
//! How long such an array is, and so where its chunks begin, is known only when its last unit is written. Until then each unit has the values
//! of its rows in a file of its own, committed like any other object. The end puts them together into chunks, and removes them before the
//! root says that the store is complete: whoever is stopped in between finds units that are not whole, and writes them again.

use std::io::Read;

use super::mapping::Shared;
use super::node::{Node, compress, compressed, encoding, group};
use super::spec::{ArraySpec, Kind};
use crate::error::{Error, Result};
use crate::store::{AtomicFile, ObjectRecord, Written};

/// Values of a chunk at most.
const CHUNK: u64 = 1 << 18;

/// Whether an object is a unit's file, which a finished store has put together and no longer has.
pub(super) fn is_of_a_unit(object: &str) -> bool {
    let name = object.rsplit('/').next().unwrap_or(object);
    name.strip_prefix("unit-")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Writes the chunks of all such arrays, and returns what describes them and the matrices that they are; `objects` gets the chunks.
pub(super) fn stitch(store: &Shared, objects: &mut Vec<ObjectRecord>) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    for array in arrays(store) {
        if let Some(path) = array.path.strip_suffix("/indptr") {
            let mut attributes = encoding("csr_matrix", "0.1.0");
            attributes.insert("shape".into(), vec![store.spec.layout.n_obs(), store.spec.n_ref].into());
            nodes.push(group(path, &attributes));
        }
        nodes.push(stitched(store, array, objects)?);
    }
    Ok(nodes)
}

/// Removes the files of the units.
pub(super) fn end(store: &Shared) -> Result<()> {
    let layout = &store.spec.layout;
    for array in arrays(store) {
        for unit in 0..layout.units() {
            store.vfs.remove_file(&store.path.join(array.object(layout, unit)))?;
        }
        if layout.units() > 0 {
            store.vfs.sync_dir(&store.path.join(&array.path))?;
        }
    }
    Ok(())
}

fn arrays(store: &Shared) -> impl Iterator<Item = &ArraySpec> {
    store.spec.arrays.iter().filter(|array| matches!(array.kind, Kind::Ragged { .. }))
}

/// Puts one array together.
fn stitched(store: &Shared, array: &ArraySpec, objects: &mut Vec<ObjectRecord>) -> Result<Node> {
    let size = array.dtype().size().ok_or_else(|| Error::internal("a sparse matrix of texts"))? as u64;
    let (layout, path) = (&store.spec.layout, store.path.join(&array.path));
    let files: Vec<_> = (0..layout.units()).map(|unit| store.path.join(array.object(layout, unit))).collect();
    let mut total = 0;
    for file in &files {
        total += store.vfs.len(file)?.ok_or_else(|| Error::internal(format!("{} is not there", file.display())))?;
    }
    let values = total / size;
    let chunk = values.clamp(1, CHUNK);
    let mut bytes = Vec::with_capacity((chunk * size) as usize);
    let mut number = 0;
    for file in &files {
        let mut reader = store.vfs.open(file)?;
        loop {
            let free = chunk * size - bytes.len() as u64;
            let read = reader.by_ref().take(free).read_to_end(&mut bytes);
            let read = read.map_err(|error| Error::io("read", file, error))?;
            if read as u64 == free {
                objects.push(write(store, array, number, &mut bytes)?);
                number += 1;
            } else {
                break;
            }
        }
    }
    if !bytes.is_empty() {
        bytes.resize((chunk * size) as usize, 0);
        objects.push(write(store, array, number, &mut bytes)?);
    }
    if total > 0 {
        store.vfs.sync_dir(&path.join("c"))?;
    }
    Ok(compressed(&array.path, &[values], &[chunk], array.dtype(), &encoding("array", "0.2.0")))
}

/// Writes a chunk, and empties it.
fn write(store: &Shared, array: &ArraySpec, number: u64, bytes: &mut Vec<u8>) -> Result<ObjectRecord> {
    let name = format!("{}/c/{number}", array.path);
    let target = store.path.join(&name);
    let mut file = AtomicFile::create(&store.vfs, &target, &store.worker)?;
    let compressed = compress(bytes);
    file.write_all(&compressed)?;
    let Written { length, xxh3 } = file.seal()?.publish()?;
    store.count(length);
    bytes.clear();
    Ok(ObjectRecord { name, length, xxh3 })
}
