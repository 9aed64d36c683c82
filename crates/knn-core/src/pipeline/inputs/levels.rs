//! Labels of several levels as a tree: from columns that go from coarse to fine, or from one column and what is above each of its labels.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::operator::{LabelTree, MISSING, ROOT};
use crate::pipeline::request::{DEFAULT_THRESHOLD, Parameters};
use crate::progress::Progress;
use crate::source::{AnnDataStore, Categories, ObsColumn};
use crate::types::RowRange;

/// Labels above one another at most: deeper tables are taken for mistakes.
const MOST_LEVELS: usize = 64;

/// Labels of several levels, opened.
pub(in crate::pipeline) struct LevelsInput {
    columns: Vec<ObsColumn>,
    /// Number of the first label of each column.
    firsts: Vec<usize>,
    /// What each label is called.
    names: Vec<String>,
    /// What each level is called: its column, or how many labels are above.
    pub(in crate::pipeline) levels: Vec<String>,
    parents: Vec<i32>,
    /// The level of each label.
    pub(in crate::pipeline) depths: Vec<u16>,
    threshold: f64,
    missing_votes: bool,
}

impl LevelsInput {
    /// Opens the columns that a request names; reads them where what is above a label follows from the cells.
    pub(in crate::pipeline) fn open(
        reference: &AnnDataStore,
        parameters: &Parameters,
        warnings: &mut Vec<String>,
        progress: &Progress,
    ) -> Result<Option<Self>> {
        let asked = &parameters.labels;
        if asked.levels.is_empty() {
            return Ok(None);
        }
        let columns: Vec<_> =
            asked.levels.iter().map(|key| reference.column(key)?.labelled(progress)).collect::<Result<_>>()?;
        let (mut firsts, mut names) = (Vec::new(), Vec::new());
        for column in &columns {
            let Some(categories) = column.categories() else {
                let reason = "labelLevels are columns of categories or texts";
                return Err(Error::schema(reference.name(), format!("obs/{}", column.key()), "encoding-type", reason));
            };
            firsts.push(names.len());
            names.extend(labels(categories));
        }
        let mut input = Self {
            columns,
            firsts,
            names,
            levels: asked.levels.clone(),
            parents: Vec::new(),
            depths: Vec::new(),
            threshold: asked.level_threshold.unwrap_or(DEFAULT_THRESHOLD),
            missing_votes: asked.missing == "category",
        };
        if asked.parents.is_empty() {
            input.depths = input.level_of_labels();
            input.parents = input.nested(reference, progress)?;
        } else {
            warnings.extend(input.grow(&asked.parents)?);
        }
        if asked.missing == "error" {
            input.refuse_missing(reference, progress)?;
        }
        if !asked.subset.is_empty() {
            warnings.push("subsetCategories does not concern labelLevels: any of their labels may be told".into());
        }
        Ok(Some(input))
    }

    /// The finest column.
    pub(in crate::pipeline) fn key(&self) -> &str {
        self.columns.last().map_or("", ObsColumn::key)
    }

    pub(in crate::pipeline) fn preflight(&self) -> Result<()> {
        self.columns.iter().try_for_each(ObsColumn::preflight)
    }

    pub(in crate::pipeline) fn fingerprint(&self, seed: u64) -> Result<Vec<u128>> {
        self.columns.iter().map(|column| column.fingerprint(seed)).collect()
    }

    /// Bytes of the tree, of the label of every reference cell, and of reading them.
    pub(in crate::pipeline) fn bytes(&self) -> u64 {
        let cells = self.columns.first().map_or(0, ObsColumn::rows);
        let band = self.band_rows();
        let reading: u64 = self.columns.iter().map(|column| column.scratch_bytes(band) + band * 4).sum();
        let names: usize = self.names.iter().map(|name| name.len() + 64).sum();
        cells * 4 + reading + names as u64
    }

    /// Bytes of the sums of one thread.
    pub(in crate::pipeline) fn sums_bytes(&self) -> u64 {
        self.names.len() as u64 * 16
    }

    /// Reads the deepest label of every reference cell.
    pub(in crate::pipeline) fn read(&self, progress: &Progress) -> Result<LabelTree> {
        let mut nodes = Vec::with_capacity(self.columns.first().map_or(0, ObsColumn::rows) as usize);
        self.each_cell(progress, |labels| {
            let deepest = labels.iter().rev().find(|&&label| label != MISSING);
            nodes.push(deepest.copied().unwrap_or(MISSING));
            Ok(())
        })?;
        Ok(LabelTree {
            parents: self.parents.clone(),
            depths: self.depths.clone(),
            nodes,
            threshold: self.threshold,
            missing_votes: self.missing_votes,
        })
    }

    /// What labels are called, each name once, and the place of every label among them.
    pub(in crate::pipeline) fn distinct_names(&self) -> (Vec<String>, Vec<i32>) {
        let (mut distinct, mut places) = (Vec::new(), BTreeMap::new());
        let mut place = |name: &String| {
            *places.entry(name.clone()).or_insert_with(|| {
                distinct.push(name.clone());
                distinct.len() as i32 - 1
            })
        };
        let of_labels = self.names.iter().map(&mut place).collect();
        (distinct, of_labels)
    }

    fn level_of_labels(&self) -> Vec<u16> {
        let level = |label: usize| self.firsts.partition_point(|&first| first <= label) - 1;
        (0..self.names.len()).map(|label| level(label) as u16).collect()
    }

    /// What is above each label, which all cells that have both must agree on.
    fn nested(&self, reference: &AnnDataStore, progress: &Progress) -> Result<Vec<i32>> {
        let mut parents = vec![ROOT; self.names.len()];
        self.each_cell(progress, |labels| {
            for pair in labels.windows(2).filter(|pair| !pair.contains(&MISSING)) {
                let (above, label) = (pair[0], pair[1] as usize);
                if parents[label] == ROOT {
                    parents[label] = above;
                } else if parents[label] != above {
                    let level = usize::from(self.depths[label]);
                    let [one, other] = [parents[label], above].map(|above| &self.names[above as usize]);
                    let reason = format!(
                        "{:?} lies within {one:?} and within {other:?} of {:?}: labelLevels go from coarse to fine",
                        self.names[label],
                        self.levels[level - 1]
                    );
                    let column = format!("obs/{}", self.levels[level]);
                    return Err(Error::schema(reference.name(), column, "values", reason));
                }
            }
            Ok(())
        })?;
        Ok(parents)
    }

    /// Refuses a column in which a cell has no label.
    fn refuse_missing(&self, reference: &AnnDataStore, progress: &Progress) -> Result<()> {
        let mut missing = vec![0u64; self.columns.len()];
        self.each_cell(progress, |labels| {
            missing.iter_mut().zip(labels).for_each(|(missing, &label)| *missing += u64::from(label == MISSING));
            Ok(())
        })?;
        match self.columns.iter().zip(missing).find(|(_, missing)| *missing > 0) {
            None => Ok(()),
            Some((column, missing)) => {
                let reason = format!("{missing} cells have no label, and missing is error");
                Err(Error::schema(reference.name(), format!("obs/{}", column.key()), "values", reason))
            }
        }
    }

    /// Adds the labels above those of the one column; warns of what stands above no cell's label.
    fn grow(&mut self, table: &BTreeMap<String, String>) -> Result<Option<String>> {
        let own = self.names.len();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (place, name) in self.names.iter().enumerate() {
            places.entry(name.clone()).or_insert(place);
        }
        for name in table.values().chain(table.keys()) {
            places.entry(name.clone()).or_insert_with(|| {
                self.names.push(name.clone());
                self.names.len() - 1
            });
        }
        self.parents =
            self.names.iter().map(|name| table.get(name).map_or(ROOT, |above| places[above] as i32)).collect();
        for label in 0..self.names.len() {
            let mut depth = 0;
            let mut above = self.parents[label];
            while let Ok(place) = usize::try_from(above) {
                depth += 1;
                above = self.parents[place];
                if depth > MOST_LEVELS {
                    let reason = format!("goes in a circle, or has more than {MOST_LEVELS} labels above one another");
                    return Err(Error::param("labelParents", &self.names[label], reason));
                }
            }
            self.depths.push(depth as u16);
        }
        let deepest = self.depths.iter().copied().max().unwrap_or(0);
        self.levels = (0..=deepest).map(|depth| depth.to_string()).collect();
        let mut is_above = vec![false; self.names.len()];
        for label in 0..own {
            let mut at = label as i32;
            while let Ok(place) = usize::try_from(at) {
                is_above[place] = true;
                at = self.parents[place];
            }
        }
        let idle: Vec<_> =
            self.names.iter().zip(is_above).filter(|(_, is_above)| !is_above).map(|(name, _)| name).collect();
        Ok((!idle.is_empty())
            .then(|| format!("labelParents names {idle:?}, which no label of {:?} lies below", self.key())))
    }

    /// Cells whose labels of all columns are read at a time: no chunk is read twice where columns are cut alike.
    fn band_rows(&self) -> u64 {
        let natural = self.columns.iter().map(ObsColumn::natural_tile_rows).max().unwrap_or(1).max(1);
        natural.min(self.columns.first().map_or(1, ObsColumn::rows).max(1))
    }

    /// Hands out the labels of every cell, one of each column.
    fn each_cell(&self, progress: &Progress, mut take: impl FnMut(&[i32]) -> Result<()>) -> Result<()> {
        let cells = self.columns.first().map_or(0, ObsColumn::rows);
        let mut codes = vec![Vec::new(); self.columns.len()];
        let mut labels = vec![MISSING; self.columns.len()];
        for rows in RowRange::new(0, cells).pieces(self.band_rows()) {
            for (column, codes) in self.columns.iter().zip(&mut codes) {
                column.read_codes(rows, codes)?;
            }
            for cell in 0..rows.len() {
                for ((label, codes), &first) in labels.iter_mut().zip(&codes).zip(&self.firsts) {
                    *label = if codes[cell] < 0 { MISSING } else { first as i32 + codes[cell] };
                }
                take(&labels)?;
            }
            progress.check()?;
        }
        Ok(())
    }
}

fn labels(categories: &Categories) -> impl Iterator<Item = String> {
    (0..categories.len()).map(|code| categories.label(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::MapRequest;
    use crate::progress::Cancel;

    #[test]
    fn labels_are_not_read_on_for_a_run_that_is_to_stop() {
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/pbmc");
        let path = fixtures.join("reference.zarr").to_str().unwrap().to_owned();
        let request = MapRequest {
            query: path.clone(),
            label_levels: Some(vec!["bulk_labels".into()]),
            label_parents: Some(BTreeMap::from([("Dendritic".to_owned(), "myeloid".to_owned())])),
            ..MapRequest::default()
        };
        let parameters = request.resolve().unwrap().parameters;
        let reference = AnnDataStore::open(std::path::Path::new(&path)).unwrap();
        let open = |progress: &Progress| {
            LevelsInput::open(&reference, &parameters, &mut Vec::new(), progress).map(Option::unwrap)
        };
        let cancel = Cancel::default();
        let progress = Progress::new(cancel.clone(), None);
        let levels = open(&progress).unwrap();
        assert_eq!(levels.read(&progress).unwrap().nodes.len() as u64, reference.n_obs());
        cancel.cancel();
        assert_eq!(levels.read(&progress).err().map(|error| error.code()), Some("GM_CANCELLED"));
    }
}
