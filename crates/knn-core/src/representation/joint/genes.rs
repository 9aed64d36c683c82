//! The genes that all stores have, by name, in the order of the first store.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// Place of a column whose gene is not shared.
const NONE: u32 = u32::MAX;

/// The genes of a store.
#[derive(Debug, Clone, Copy)]
pub struct GeneNames<'a> {
    /// The store as the user named it.
    pub store: &'a str,
    /// Names, one for each column.
    pub names: &'a [String],
    /// Which of them may be taken; all where there is none.
    pub mask: Option<&'a [bool]>,
}

/// Genes that all stores have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedGenes {
    names: Vec<String>,
    places: Vec<Vec<u32>>,
}

impl SharedGenes {
    /// The inner join by name. `GM_SCHEMA` for a name that is there twice, `GM_SHAPE` if no gene is shared.
    pub fn join(stores: &[GeneNames]) -> Result<Self> {
        let all: Vec<_> = stores.iter().map(|genes| genes.store).collect();
        let maps = stores.iter().map(|genes| by_name(genes, &all)).collect::<Result<Vec<_>>>()?;
        let Some((first, others)) = maps.split_first() else {
            return Err(Error::internal("genes of no store"));
        };
        let mut names = Vec::new();
        let mut places: Vec<Vec<u32>> = stores.iter().map(|genes| vec![NONE; genes.names.len()]).collect();
        for name in stores[0].names {
            let Some(&column) = first.get(name.as_str()) else { continue };
            let found: Option<Vec<_>> = others.iter().map(|map| map.get(name.as_str()).copied()).collect();
            let Some(found) = found else { continue };
            let place = u32::try_from(names.len()).map_err(|error| Error::internal(error.to_string()))?;
            for (places, column) in places.iter_mut().zip(std::iter::once(column).chain(found)) {
                places[column] = place;
            }
            names.push(name.clone());
        }
        if names.is_empty() {
            return Err(nothing_shared(stores, &maps));
        }
        Ok(Self { names, places })
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none, which a join refuses.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Which gene a column of a store is, if it is one of these.
    pub(super) fn place(&self, store: usize, column: usize) -> Option<u32> {
        self.places[store].get(column).copied().filter(|&place| place != NONE)
    }

    /// Bytes of names of so many genes of each store, while they are joined.
    pub fn bytes(genes: u64) -> u64 {
        // A name with its allocation, in the list and in the map.
        genes.saturating_mul(160)
    }
}

fn by_name<'a>(genes: &GeneNames<'a>, stores: &[&str]) -> Result<HashMap<&'a str, usize>> {
    let mut map = HashMap::with_capacity(genes.names.len());
    for (column, name) in genes.names.iter().enumerate() {
        if genes.mask.is_some_and(|mask| !mask[column]) {
            continue;
        }
        if map.insert(name.as_str(), column).is_some() {
            let joined = if stores.len() > 1 {
                format!(", so the genes of {} cannot be joined", stores.join(" and "))
            } else {
                String::new()
            };
            let reason = format!("gene {name:?} is there more than once{joined}: make the names unique");
            return Err(Error::schema(genes.store, "var", "index", reason));
        }
    }
    Ok(map)
}

fn nothing_shared(stores: &[GeneNames], maps: &[HashMap<&str, usize>]) -> Error {
    let told = |number: usize| (format!("{}/var", stores[number].store), vec![maps[number].len() as u64]);
    let example = |number: usize| stores[number].names.first().map_or("none", String::as_str);
    if stores.len() == 1 {
        return Error::schema(stores[0].store, "var", "index", "there is no gene to take");
    }
    let ((left, left_shape), (right, right_shape)) = (told(0), told(stores.len() - 1));
    let reason =
        format!("no gene is in both, by name: the first are {:?} and {:?}", example(0), example(stores.len() - 1));
    Error::Shape { left, left_shape, right, right_shape, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|&name| name.to_owned()).collect()
    }

    fn genes<'a>(store: &'a str, names: &'a [String]) -> GeneNames<'a> {
        GeneNames { store, names, mask: None }
    }

    #[test]
    fn genes_are_joined_by_name_in_the_order_of_the_first() {
        let (left, right) = (names(&["c", "a", "x", "é"]), names(&["é", "y", "c"]));
        let shared = SharedGenes::join(&[genes("r", &left), genes("q", &right)]).unwrap();
        assert_eq!(shared.names(), ["c", "é"]);
        let places = |store, width| (0..width).map(|column| shared.place(store, column)).collect::<Vec<_>>();
        assert_eq!(places(0, 4), [Some(0), None, None, Some(1)]);
        assert_eq!(places(1, 3), [Some(1), None, Some(0)]);
        let mask = [true, true, true, false];
        let masked = GeneNames { mask: Some(&mask), ..genes("r", &left) };
        assert_eq!(SharedGenes::join(&[masked, genes("q", &right)]).unwrap().names(), ["c"]);
    }

    #[test]
    fn doubtful_genes_are_refused_and_both_stores_are_named() {
        let (twice, once, other) = (names(&["a", "b", "a"]), names(&["a"]), names(&["z"]));
        for order in [[genes("r", &twice), genes("q", &once)], [genes("r", &once), genes("q", &twice)]] {
            let error = SharedGenes::join(&order).unwrap_err();
            assert_eq!(error.code(), "GM_SCHEMA");
            assert!(error.to_string().contains("r and q"), "{error}");
        }
        let error = SharedGenes::join(&[genes("r", &once), genes("q", &other)]).unwrap_err();
        assert_eq!((error.code(), error.details()["left"].as_str()), ("GM_SHAPE", Some("r/var")));
        assert!(error.to_string().contains("q/var"), "{error}");
    }
}
