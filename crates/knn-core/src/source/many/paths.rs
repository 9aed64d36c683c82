//! Which stores a path names. A path that exists is itself, whatever is in its name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::source::anndata::encoding;
use crate::source::container::Container;
use crate::source::filtered::split;
use crate::source::subtree::Subtree;

/// More stores than this are not opened as one: each is held open.
const MOST_STORES: usize = 4096;
/// What the parts of a store are called, with their number behind it.
const PART: &str = "dataset_";

/// The stores that a request calls by one path: between commas, and by `*` and `?` in their names, numbers in their order. A condition behind
/// it changes nothing of that.
///
/// `GM_NOT_FOUND` where a pattern meets nothing, `GM_PARAM` where a store is named twice.
pub fn stores(path: &Path) -> Result<Vec<PathBuf>> {
    if let Some((whole, _)) = split(path)? {
        return stores(&whole);
    }
    let Some(text) = path.to_str().filter(|text| text.contains([',', '*', '?']) && path.symlink_metadata().is_err())
    else {
        return Ok(vec![path.to_path_buf()]);
    };
    let mut all: Vec<PathBuf> = Vec::new();
    for one in text.split(',').map(str::trim) {
        if one.is_empty() {
            return Err(Error::param("store", text, "name a store before and behind every comma"));
        }
        let found = if one.contains(['*', '?']) { matching(Path::new(one))? } else { vec![PathBuf::from(one)] };
        for store in found {
            if all.contains(&store) {
                return Err(Error::param("store", text, format!("{} is named twice", store.display())));
            }
            all.push(store);
        }
        if all.len() > MOST_STORES {
            return Err(Error::param("store", text, format!("at most {MOST_STORES} stores are read as one")));
        }
    }
    Ok(all)
}

/// The groups `dataset_0`, `dataset_1`, … of a store that is no AnnData itself; the store where it has none.
pub(in crate::source) fn parts(container: Arc<dyn Container>) -> Result<Vec<Arc<dyn Container>>> {
    let is_anndata = |store: &dyn Container| -> Result<bool> {
        let root = store.node("")?;
        Ok(root.is_none_or(|root| !encoding(&root.attributes).is_empty()) || store.node("obs")?.is_some())
    };
    if is_anndata(container.as_ref())? || container.node(&format!("{PART}0"))?.is_none() {
        return Ok(vec![container]);
    }
    let number = |name: &String| name.strip_prefix(PART).and_then(|number| number.parse::<usize>().ok());
    let count = container.children("")?.iter().filter_map(number).map(|last| last.saturating_add(1)).max().unwrap_or(0);
    if count > MOST_STORES {
        let reason = format!("more than {MOST_STORES} parts");
        return Err(Error::schema(container.name(), format!("{PART}{}", count - 1), "node", reason));
    }
    let part =
        |part| Ok(Arc::new(Subtree::open(Arc::clone(&container), format!("{PART}{part}"))?) as Arc<dyn Container>);
    (0..count).map(part).collect()
}

/// Everything that a pattern meets, sorted.
fn matching(pattern: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str().to_string_lossy();
        if !name.contains(['*', '?']) {
            for path in &mut found {
                path.push(component);
            }
            continue;
        }
        let mut deeper = Vec::new();
        for folder in &found {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            // A folder that a pattern met may be a file, in which nothing lies.
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            for entry in entries {
                let entry = entry.map_err(|error| Error::io("list", folder, error))?.file_name();
                if entry.to_str().is_some_and(|entry| fits(&name, entry) && !entry.starts_with('.')) {
                    deeper.push(if folder == Path::new(".") { PathBuf::from(entry) } else { folder.join(entry) });
                }
            }
            if deeper.len() > MOST_STORES {
                let reason = format!("meets more than {MOST_STORES} stores");
                return Err(Error::param("store", pattern.display(), reason));
            }
        }
        found = deeper;
    }
    found.retain(|path| path.exists());
    if found.is_empty() {
        let store = pattern.display().to_string();
        return Err(Error::NotFound { store: store.clone(), kind: "store".into(), key: store, available: Vec::new() });
    }
    found.sort_by_cached_key(|path| in_order(&path.to_string_lossy()));
    Ok(found)
}

/// Whether a name is one of a pattern: `*` stands for any letters, `?` for one. Takes no longer than their lengths multiplied.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(&letter) if letter == '?' || letter == name[from] => (at, from) = (at + 1, from + 1),
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    (at, from) = (place + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// A key that sorts names as people do: `part_2` before `part_10`. Texts and numbers take turns.
fn in_order(name: &str) -> Vec<(String, u128)> {
    let mut key: Vec<(String, u128)> = vec![(String::new(), 0)];
    let mut counting = false;
    for letter in name.chars() {
        if let Some(digit) = letter.to_digit(10) {
            if let Some((_, number)) = key.last_mut() {
                *number = number.saturating_mul(10).saturating_add(u128::from(digit));
            }
            counting = true;
            continue;
        }
        if counting {
            key.push((String::new(), 0));
            counting = false;
        }
        if let Some((text, _)) = key.last_mut() {
            text.push(letter);
        }
    }
    // Names that count alike, such as 01 and 1, stay apart.
    key.push((name.to_owned(), 0));
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_meet_what_they_say() {
        for (pattern, name, meets) in [
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("a?c", "aéc", true),
            ("a?c", "ac", false),
            ("*_*.zarr", "part_1.zarr", true),
            ("**b", "aab", true),
            ("a", "b", false),
        ] {
            assert_eq!(fits(pattern, name), meets, "{pattern} {name}");
        }
        assert!(!fits(&"*a".repeat(40), &"a".repeat(39)));
    }

    #[test]
    fn stores_come_in_the_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["part_10.zarr", "part_2.zarr", "part_1.zarr", ".part_3.zarr", "other", "a,b"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let names = |text: &str| -> Result<Vec<String>> {
            let found = stores(&folder.path().join(text))?;
            Ok(found.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect())
        };
        assert_eq!(names("part_*.zarr").unwrap(), ["part_1.zarr", "part_2.zarr", "part_10.zarr"]);
        assert_eq!(names("a,b").unwrap(), ["a,b"]);
        assert_eq!(names("nothing").unwrap(), ["nothing"]);
        let two = format!("part_2.zarr,{}", folder.path().join("part_1.zarr").display());
        assert_eq!(names(&two).unwrap(), ["part_2.zarr", "part_1.zarr"]);
        assert_eq!(names("p*z*").unwrap().len(), 3);
        assert_eq!(names("q*").unwrap_err().code(), "GM_NOT_FOUND");
        assert_eq!(names("x,").unwrap_err().code(), "GM_PARAM");
        let twice = format!("part_2.zarr,{}", folder.path().join("part_2.zarr").display());
        assert_eq!(names(&twice).unwrap_err().code(), "GM_PARAM");
    }
}
