//! A store of ours that holds no neighbours of its own: those along which it was made stay where they were found, and its mark says where that is.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::source::ZarrStore;
use crate::store::{MARK, Status};

/// What the mark calls it.
const MEMBER: &str = "neighbors";

/// The store that holds the neighbours of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Where it is, seen from the folder that the other lies in, with `/` between names.
    pub path: String,
    /// Hash of the run that wrote it.
    pub run: String,
}

impl Holder {
    /// What the store at `path`, which need not be there yet, names `holding` by. None where no text does.
    pub(super) fn named(path: &Path, holding: &ZarrStore) -> Result<Option<Self>> {
        let run = holding.root_attributes()?.get(MARK).and_then(|mark| mark.get("run")?.as_str().map(str::to_owned));
        let places = without_links(path).zip(Path::new(holding.name()).canonicalize().ok());
        let path = places.and_then(|(path, place)| between(path.parent()?, &place));
        Ok(path.zip(run).map(|(path, run)| Self { path, run }))
    }

    /// What the mark of the other says of it.
    pub fn told(&self) -> (&'static str, Value) {
        (MEMBER, serde_json::json!(self))
    }
}

/// The store that holds the neighbours of the one at `path`: itself, or the one that its mark names. `GM_STALE` where another run's is there now, `GM_SCHEMA`
/// where that is not finished: what it lacks would be read as padding.
pub fn holder(path: &Path) -> Result<ZarrStore> {
    let store = ZarrStore::open(path)?;
    let Some(Holder { path: place, run }) = named_by(&store)? else { return Ok(store) };
    let place = place_of(path, &place)?;
    let held = ZarrStore::open(&place).map_err(|error| match error {
        Error::NotFound { .. } => Error::NotFound {
            store: store.name().to_owned(),
            kind: "store that holds its neighbors".into(),
            key: place.display().to_string(),
            available: Vec::new(),
        },
        other => other,
    })?;
    let attributes = held.root_attributes()?;
    let mark = attributes.get(MARK);
    let said = |name: &str| mark.and_then(|mark| mark.get(name)).and_then(Value::as_str);
    if said("run") != Some(&run) {
        let reason = format!("it held the neighbors of {}, and another run wrote what is there now", store.name());
        return Err(Error::Stale { path: place, reason });
    }
    // One that names a third was never named: whoever wrote this asked it where they are.
    if mark.is_some_and(|mark| mark.get(MEMBER).is_some()) {
        let reason = "names a store that has no neighbors of its own";
        return Err(Error::schema(store.name(), "", format!("{MARK}.{MEMBER}"), reason));
    }
    if said("status") != Some(Status::Complete.name()) {
        let reason = format!(
            "is not complete, and it holds the neighbors of {}: a run is writing it or was interrupted; continue that run with resume",
            store.name()
        );
        return Err(Error::schema(held.name(), "", format!("{MARK}.status"), reason));
    }
    Ok(held)
}

/// Where the store at `path` says that its neighbours are, whatever is there. None where it holds them itself, or is none of ours.
pub fn named_place(path: &Path) -> Option<PathBuf> {
    let named = named_by(&ZarrStore::open(path).ok()?).ok()??;
    place_of(path, &named.path).ok()
}

/// What the mark of a store names; none where it names nothing.
fn named_by(store: &ZarrStore) -> Result<Option<Holder>> {
    let attributes = store.root_attributes()?;
    let Some(named) = attributes.get(MARK).and_then(|mark| mark.get(MEMBER)) else { return Ok(None) };
    serde_json::from_value(named.clone()).map(Some).map_err(|_| {
        Error::schema(store.name(), "", format!("{MARK}.{MEMBER}"), "is not the path and the run of a store")
    })
}

/// The place that the store at `path` calls so.
fn place_of(path: &Path, called: &str) -> Result<PathBuf> {
    let resolved = path.canonicalize().map_err(|error| Error::io("open", path, error))?;
    Ok(resolved.parent().unwrap_or(Path::new("")).join(called))
}

/// The path without links, of which the end need not be there yet: what is not there is no link.
fn without_links(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let there = path.ancestors().find_map(|place| Some((place, place.canonicalize().ok()?)));
    let (place, resolved) = there?;
    let missing = path.strip_prefix(place).ok()?;
    // A way up from a folder that is not there leads nowhere.
    let goes_down = missing.components().all(|part| matches!(part, Component::Normal(_)));
    goes_down.then(|| if missing.as_os_str().is_empty() { resolved } else { resolved.join(missing) })
}

/// The way from a folder to a place, both of them absolute; the place itself where they have nothing in common.
fn between(folder: &Path, place: &Path) -> Option<String> {
    let (from, to): (Vec<_>, Vec<_>) = (folder.components().collect(), place.components().collect());
    let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    if common == 0 {
        return place.to_str().map(str::to_owned);
    }
    let up = std::iter::repeat_n(Some(".."), from.len() - common);
    let down = to[common..].iter().map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    Some(up.chain(down).collect::<Option<Vec<_>>>()?.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_place_goes_up_and_down() {
        for (folder, place, way) in [
            ("/data", "/data/near.zarr", "near.zarr"),
            ("/data/runs/b", "/data/near.zarr", "../../near.zarr"),
            ("/data", "/other/near.zarr", "../other/near.zarr"),
            ("/", "/near.zarr", "near.zarr"),
        ] {
            assert_eq!(between(Path::new(folder), Path::new(place)).as_deref(), Some(way), "{folder} {place}");
        }
    }
}
