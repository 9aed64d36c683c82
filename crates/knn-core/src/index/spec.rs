//! What decides the bytes of an index, and what follows from it before a row is read.

use std::collections::BTreeMap;

use serde_json::json;

use super::coarse::Coarse;
use super::format::{FORMAT, ListLayout, ListType};
use super::keeper::{check_kept, kept_run};
use super::levels::{Levels, MOST_IN_TWO_LEVELS};
use super::manifest::{CodeRecord, Manifest, Training};
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::source::RowSource;
use crate::store::hash_bytes;

/// Rows of a list, about: where the join was fastest, with some more and some fewer about the same (`docs/design/search-engine.md`).
const ROWS_PER_LIST: u64 = 350;
/// More lists are not trained. Where long ones are split there are more, and no index has more than 2^28.
pub const MOST_TRAINED: u32 = 1 << 24;
/// Rows of the sample per list, and per super-cell or region.
const SAMPLE_PER_LIST: u32 = 64;
/// The same, and rounds over all lists after that, where training is thorough.
const THOROUGH_SAMPLE_PER_LIST: u32 = 256;
const THOROUGH_ROUNDS: u32 = 2;
const SAMPLE_PER_SUPER_CELL: u32 = 256;
/// The sample of the top level also tells the centre and the reach, so it is not smaller than this.
const LEAST_SAMPLE: u64 = 1024;
/// Lists of more rows than this many times the mean are split, but none of at most `NEVER_SPLIT` rows.
const SPLIT_ABOVE: u32 = 4;
const NEVER_SPLIT: u64 = 64;
/// Levels are stale from so many times the rows on that they were trained on.
const STALE_GROWTH: u64 = 2;
/// Fewer rows per list than this train poor centroids.
const ROWS_TO_TRAIN_A_LIST: u64 = 39;

/// What a caller says of the index to be built. Everything here, the rows, and nothing else decides its bytes.
#[derive(Debug, Clone)]
pub struct IndexSpec {
    /// Number of lists; a 350th of the rows if it is not said.
    pub nlist: Option<u32>,
    /// How rows are stored.
    pub dtype: ListType,
    /// Whether rows have codes of a product quantiser, which select what their exact distance decides. Rows that are not stored have nothing
    /// else.
    pub codes: bool,
    /// The metric that rows are prepared for, and found by.
    pub metric: Metric,
    /// Seed of every choice.
    pub seed: u64,
    /// Whether two levels are trained on four times the rows, and all lists then moved together: slower by so much, and about 1 in 100 neighbours
    /// more is in as many lists. Three levels are always trained briefly.
    pub thorough: bool,
    /// Lists up to which two levels of centroids are trained, and three beyond. No request sets it: it is lowered by tests and measurements alone,
    /// and what it was is seen by the levels of the index.
    #[doc(hidden)]
    pub most_in_two_levels: u32,
    /// Neighbours of each row that the index is to keep. The build itself keeps none: a [`super::GraphKeeper`] does when the lists are sealed.
    /// A build that goes on takes an index that has them for finished.
    pub keep: Option<u32>,
}

impl Default for IndexSpec {
    fn default() -> Self {
        Self {
            nlist: None,
            dtype: ListType::F32,
            codes: false,
            metric: Metric::Euclidean,
            seed: 0,
            thorough: false,
            keep: None,
            most_in_two_levels: MOST_IN_TWO_LEVELS,
        }
    }
}

/// The spec, resolved for a source.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub(super) rows: u64,
    pub(super) layout: ListLayout,
    pub(super) codes: Option<CodeRecord>,
    pub(super) seed: u64,
    /// As they are trained.
    pub(super) levels: Levels,
    pub(super) warnings: Vec<String>,
    pub(super) generation: u32,
    pub(super) source: String,
    training: Training,
    pub(super) metric: Metric,
    pub(super) run: String,
    /// What the index is once it keeps the graph that it is to have.
    pub(super) kept_run: Option<String>,
}

impl IndexSpec {
    /// Checks the spec and resolves it for a source.
    pub(super) fn resolve(&self, source: &dyn RowSource) -> Result<Resolved> {
        let (rows, dim) = (source.rows(), source.dim());
        if dim == 0 || dim > super::coarse::MOST_DIM as usize {
            return Err(Error::param("dim", dim, "an index is of rows of 1 to 1048576 columns"));
        }
        let codes = self.codes(dim)?;
        self.keep.map_or(Ok(()), |neighbors| check_kept(neighbors, self.dtype))?;
        let mut warnings = source.warnings()?;
        let lists = self.lists(rows, &mut warnings)?;
        let levels = Levels::within(lists, self.most_in_two_levels);
        let fingerprint = format!("{:032x}", source.fingerprint(self.seed)?);
        let thorough = self.thorough && levels.regions == 0;
        let mut resolved = Resolved {
            rows,
            layout: ListLayout { dim, dtype: self.dtype, id_width: ListLayout::id_width(rows) },
            codes,
            seed: self.seed,
            levels,
            warnings,
            generation: 1,
            source: fingerprint,
            training: Training {
                seed: self.seed,
                rows,
                lists,
                sample_per_list: if thorough { THOROUGH_SAMPLE_PER_LIST } else { SAMPLE_PER_LIST },
                sample_per_super_cell: SAMPLE_PER_SUPER_CELL,
                rounds: if thorough { THOROUGH_ROUNDS } else { 0 },
                split_above: SPLIT_ABOVE,
            },
            metric: self.metric,
            run: String::new(),
            kept_run: None,
        };
        let mut identity = json!({
            "format": FORMAT, "version": Manifest::version_of(levels.count(), codes), "rows": rows, "dim": dim, "dtype": self.dtype, "metric": self.metric,
            "source": resolved.source, "training": resolved.training, "superCells": levels.super_cells,
        });
        if levels.regions > 0 {
            identity["regions"] = json!(levels.regions);
        }
        if codes.is_some() {
            identity["codes"] = json!(codes);
        }
        resolved.run = hash_bytes(identity.to_string().as_bytes());
        resolved.kept_run = self.keep.map(|neighbors| kept_run(&resolved.run, neighbors));
        Ok(resolved)
    }

    /// How rows of `dim` columns are coded, if they are.
    fn codes(&self, dim: usize) -> Result<Option<CodeRecord>> {
        if self.codes && self.metric.is_product() {
            return Err(Error::Unsupported {
                what: "an index with codes for inner products".into(),
                remedy: "build it without codes (method ivf), or choose another metric".into(),
            });
        }
        if !self.codes && self.dtype == ListType::None {
            return Err(Error::param("rerank", "none", "rows that are not stored must have codes"));
        }
        Ok(self.codes.then(|| CodeRecord::of(dim)))
    }

    fn lists(&self, rows: u64, warnings: &mut Vec<String>) -> Result<u32> {
        let Some(lists) = self.nlist else {
            if rows / ROWS_PER_LIST > u64::from(MOST_TRAINED) {
                warnings.push(format!("{MOST_TRAINED} lists are made, which is few for {rows} rows: lists are long"));
            }
            return Ok(default_lists(rows));
        };
        if lists == 0 {
            return Err(Error::param("nlist", lists, "at least 1"));
        }
        if lists > MOST_TRAINED {
            return Err(Error::Unsupported {
                what: format!("an index of {lists} lists"),
                remedy: format!("ask for at most {MOST_TRAINED}"),
            });
        }
        warnings.extend(training_warning(u64::from(lists), rows));
        Ok(lists)
    }
}

/// Lists for so many rows, if it is not said: a 350th of them, and no more than can be trained.
pub fn default_lists(rows: u64) -> u32 {
    (rows / ROWS_PER_LIST).clamp(1, u64::from(MOST_TRAINED)) as u32
}

/// What to say of an index that has too few rows for each list.
pub fn training_warning(lists: u64, rows: u64) -> Option<String> {
    let few = lists > 1 && rows / lists < ROWS_TO_TRAIN_A_LIST;
    let rows = rows / lists.max(1);
    few.then(|| {
        format!("nlist {lists} leaves {rows} cells for each list: at least {ROWS_TO_TRAIN_A_LIST} train one well")
    })
}

/// What to say of an index that holds far more rows than its levels were trained on.
pub fn stale_warning(trained: u64, rows: u64) -> Option<String> {
    (rows / STALE_GROWTH >= trained.max(1)).then(|| {
        format!(
            "the lists were made for {trained} rows and hold {rows}: an index that is built again is searched faster"
        )
    })
}

impl Resolved {
    /// Rows of the sample, about.
    pub(super) fn sample(&self) -> u64 {
        u64::from(self.levels.lists) * u64::from(self.training.sample_per_list)
    }

    /// Rows of that part of the sample which trains the top level.
    pub(super) fn top_sample(&self) -> u64 {
        (u64::from(self.levels.top()) * u64::from(SAMPLE_PER_SUPER_CELL)).max(LEAST_SAMPLE).min(self.sample())
    }

    /// Sampled rows that train so many super-cells of a region.
    pub(super) fn sample_of_cells(&self, super_cells: u32) -> u64 {
        u64::from(super_cells) * u64::from(self.training.sample_per_super_cell)
    }

    /// Rounds over all lists after each super-cell was trained apart.
    pub(super) fn rounds(&self) -> u32 {
        self.training.rounds
    }

    /// The spec of the next generation of an index: of the rows of `source`, the first of which it holds, in the same lists.
    pub(super) fn grown(old: &Manifest, source: &dyn RowSource) -> Result<Self> {
        let rows = source.rows();
        let fingerprint = format!("{:032x}", source.fingerprint(old.training.seed)?);
        let identity = json!({ "grownFrom": old.run, "rows": rows, "source": fingerprint });
        let mut warnings = source.warnings()?;
        warnings.extend(stale_warning(old.training.rows, rows));
        Ok(Self {
            rows,
            layout: ListLayout { id_width: ListLayout::id_width(rows), ..old.layout() },
            codes: old.codes,
            seed: old.training.seed,
            levels: Levels { lists: old.training.lists, ..old.centroids() },
            warnings,
            generation: old.generation + 1,
            source: fingerprint,
            training: old.training.clone(),
            metric: old.metric,
            run: hash_bytes(identity.to_string().as_bytes()),
            kept_run: None,
        })
    }

    /// How rows lie in runs: those that no list will hold are kept whole until their codes are made.
    pub(super) fn run_layout(&self) -> ListLayout {
        let stored = self.layout.dtype == ListType::None;
        ListLayout { dtype: if stored { ListType::F32 } else { self.layout.dtype }, ..self.layout }
    }

    /// Rows of the longest list that a build leaves whole if `rows` are in lists.
    pub(super) fn longest(&self, rows: u64) -> u64 {
        (self.mean(rows) * u64::from(self.training.split_above)).max(NEVER_SPLIT)
    }

    /// Rows of a list that is not split yet, and rows of the lists that a longer one is split into, if `rows` are in lists. An append
    /// splits none: the levels stay.
    pub(super) fn split(&self, rows: u64) -> (u64, u64) {
        (if self.generation == 1 { self.longest(rows) } else { u64::MAX }, self.mean(rows))
    }

    fn mean(&self, rows: u64) -> u64 {
        rows.div_ceil(u64::from(self.levels.lists)).max(1)
    }

    /// The manifest of the index, but for its files.
    pub(super) fn manifest(&self, coarse: &Coarse, excluded: u64) -> Manifest {
        Manifest {
            format: FORMAT.into(),
            version: Manifest::version_of(coarse.levels().count(), self.codes),
            generation: self.generation,
            dim: self.layout.dim as u32,
            metric: self.metric,
            rows: self.rows,
            excluded,
            dtype: self.layout.dtype,
            id_width: self.layout.id_width,
            nlist: coarse.nlist(),
            super_cells: coarse.super_cells(),
            levels: coarse.levels().count(),
            regions: (coarse.regions() > 0).then(|| coarse.regions()),
            training: self.training.clone(),
            source: self.source.clone(),
            codes: self.codes,
            graph: None,
            run: self.run.clone(),
            files: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemoryRows;

    #[test]
    fn the_number_of_lists_follows_from_the_rows() {
        let lists = |nlist, rows| {
            let mut warnings = Vec::new();
            let lists = IndexSpec { nlist, ..IndexSpec::default() }.lists(rows, &mut warnings);
            (lists.map_err(|error| error.code()), warnings.len())
        };
        assert_eq!(lists(None, 0), (Ok(1), 0));
        assert_eq!(lists(None, 100), (Ok(1), 0));
        assert_eq!(lists(None, 1_000_000), (Ok(2857), 0));
        assert_eq!(lists(None, 1_000_000_000), (Ok(2_857_142), 0));
        assert_eq!(lists(None, 100_000_000_000), (Ok(1 << 24), 1));
        assert_eq!(lists(Some(100), 3899), (Ok(100), 1));
        assert_eq!(lists(Some(100), 3900), (Ok(100), 0));
        assert_eq!(lists(Some(100), 99), (Ok(100), 1));
        for (rows, lists) in [(349, 1), (700, 2), (50_000, 142), (10_000_000, 28_571), (u64::MAX, 1 << 24)] {
            assert_eq!(default_lists(rows), lists, "{rows}");
        }
        assert_eq!(lists(Some(0), 9), (Err("GM_PARAM"), 0));
        assert_eq!(lists(Some((1 << 24) + 1), 9), (Err("GM_UNSUPPORTED"), 0));
    }

    #[test]
    fn the_run_is_of_rows_and_parameters() {
        let run = |spec: IndexSpec, values: Vec<f32>| spec.resolve(&MemoryRows::new(values, 2).unwrap()).unwrap().run;
        let first = run(IndexSpec::default(), vec![0.0; 8]);
        assert_eq!(first, run(IndexSpec::default(), vec![0.0; 8]));
        assert_ne!(first, run(IndexSpec::default(), vec![1.0; 8]));
        for other in [
            IndexSpec { nlist: Some(2), ..IndexSpec::default() },
            IndexSpec { dtype: ListType::F16, ..IndexSpec::default() },
            IndexSpec { metric: Metric::Cosine, ..IndexSpec::default() },
            IndexSpec { seed: 1, ..IndexSpec::default() },
            IndexSpec { codes: true, ..IndexSpec::default() },
            IndexSpec { thorough: true, ..IndexSpec::default() },
            IndexSpec { most_in_two_levels: 0, ..IndexSpec::default() },
        ] {
            assert_ne!(first, run(other, vec![0.0; 8]));
        }
    }
}
