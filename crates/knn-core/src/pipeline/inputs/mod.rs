//! The arrays of both stores that a request names, opened and checked against each other.

pub(super) mod bands;
pub(super) mod library_size;
pub(super) mod batches;
pub(super) mod expression;
pub(super) mod levels;
pub(super) mod imported;
pub(super) mod representation_rows;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_128;

use self::batches::BatchInput;
use self::expression::ExpressionInput;
use self::levels::LevelsInput;
use self::library_size::LibrarySizes;
use super::bundle;
use super::memory_plan::HELD;
use super::request::{LabelParameters, OtherGraph, Resolved, same_place};
use super::start::FINGERPRINT_SEED;
use crate::error::{Error, Result};
use crate::graph::ImportedGraph;
use crate::progress::Progress;
use crate::source::{AnnDataStore, Categories, ColumnKind, ObsColumn, ObsNames, RowSource, UnreadRows};
use crate::types::RowRange;

/// Everything that a run reads.
pub(in crate::pipeline) struct Inputs {
    pub(in crate::pipeline) query: AnnDataStore,
    pub(in crate::pipeline) reference: AnnDataStore,
    pub(in crate::pipeline) query_rows: Arc<dyn RowSource>,
    pub(in crate::pipeline) reference_rows: Arc<dyn RowSource>,
    pub(in crate::pipeline) names: ObsNames,
    pub(in crate::pipeline) columns: Vec<ColumnInput>,
    /// Labels of several levels.
    pub(in crate::pipeline) levels: Option<LevelsInput>,
    pub(in crate::pipeline) embeddings: Vec<(String, Arc<dyn RowSource>)>,
    pub(in crate::pipeline) expression: Option<ExpressionInput>,
    /// Whose batch is no neighbour.
    pub(in crate::pipeline) batch: Option<BatchInput>,
    /// Of the query's cells, where expression is scaled to them.
    pub(in crate::pipeline) library_sizes: Option<LibrarySizes>,
    /// Neighbours of a row in each of the other graphs that are needed.
    pub(in crate::pipeline) other_widths: Vec<(OtherGraph, u64)>,
    /// Neighbours that were found before; then nobody reads the rows.
    pub(in crate::pipeline) imported: Option<ImportedGraph>,
    pub(in crate::pipeline) warnings: Vec<String>,
    one_store: bool,
}

/// A column of the reference that is transferred.
pub(in crate::pipeline) struct ColumnInput {
    pub(in crate::pipeline) column: ObsColumn,
    /// Colours of its categories, as many as there are.
    pub(in crate::pipeline) colors: Option<Vec<String>>,
    /// Which of its categories may be predicted; none where all may.
    pub(in crate::pipeline) predicted: Option<Vec<bool>>,
    /// Whether it holds booleans of which the share is told.
    averaged: bool,
}

impl ColumnInput {
    /// Categories, if it is voted on, and whether their order means something.
    pub(in crate::pipeline) fn labels(&self) -> Option<(&Categories, bool)> {
        let ordered = matches!(self.column.kind(), ColumnKind::Categorical { ordered: true, .. });
        self.column.categories().filter(|_| !self.averaged).map(|categories| (categories, ordered))
    }
}

/// A warning where query and reference are parts of one store that have cells in common: each of those is its own nearest.
fn shared_cells(resolved: &Resolved, query: &AnnDataStore, reference: &AnnDataStore) -> Option<String> {
    let meet = same_place(&resolved.query, &resolved.reference) && query.shares_cells(reference);
    meet.then(|| {
        "query and reference are parts of one store that have cells in common: such a cell is its own nearest neighbor. Choose apart by where and referenceWhere".into()
    })
}

/// Which cells of the stores were chosen, where not all are.
pub(in crate::pipeline) fn chosen(inputs: &Inputs) -> Option<Value> {
    let sides = [("query", &inputs.query), ("reference", &inputs.reference)];
    let of = |(side, store): (&str, &AnnDataStore)| store.filtered().map(|part| (side.to_owned(), part.described()));
    let described: Map<String, Value> = sides.into_iter().filter_map(of).collect();
    (!described.is_empty()).then_some(described.into())
}

impl Inputs {
    /// Opens what the request names; reads metadata and categories only.
    pub(in crate::pipeline) fn open(resolved: &Resolved, progress: &Progress) -> Result<Self> {
        let parameters = &resolved.parameters;
        let open = |path: &Path| AnnDataStore::open_while(path, progress);
        let query = open(&resolved.query)?;
        // Within one store a condition is evaluated once.
        let reference = if resolved.self_mapping { query.clone() } else { open(&resolved.reference)? };
        let rows = |place: &Path, store: &AnnDataStore| -> Result<Arc<dyn RowSource>> {
            match &resolved.imported {
                Some(_) => Ok(Arc::new(UnreadRows::new(store.name(), store.n_obs()))),
                None => representation_rows::rows(resolved, place, store),
            }
        };
        let query_rows = rows(&resolved.query, &query)?;
        let reference_rows =
            if resolved.bundled { bundle::rows(resolved, &reference)? } else { rows(&resolved.reference, &reference)? };
        if query_rows.dim() != reference_rows.dim() {
            return Err(Error::Shape {
                left: query_rows.name(),
                left_shape: vec![query_rows.rows(), query_rows.dim() as u64],
                right: reference_rows.name(),
                right_shape: vec![reference_rows.rows(), reference_rows.dim() as u64],
                reason: "query and reference need the same number of columns".into(),
            });
        }
        if reference.n_obs() == 0 && query.n_obs() > 0 {
            let reason = "the reference has no cells to map onto";
            return Err(Error::schema(reference.name(), "obs", "shape", reason));
        }
        if query.n_obs() > i64::MAX as u64 / 2 || reference.n_obs() > i64::from(u32::MAX) as u64 * 1024 {
            return Err(Error::schema(reference.name(), "obs", "shape", "more cells than row ids can count"));
        }
        let imported = imported::open(resolved, &query, &reference)?;
        let mut warnings = query_rows.warnings()?;
        if !resolved.self_mapping {
            warnings.extend(reference_rows.warnings()?);
            warnings.extend(shared_cells(resolved, &query, &reference));
            warnings.extend(bundle::warnings(resolved, &reference, &query_rows)?);
        }
        let columns: Vec<_> = parameters
            .obs_keys
            .iter()
            .map(|key| ColumnInput::open(&reference, key, &parameters.labels, &mut warnings, progress))
            .collect::<Result<_>>()?;
        let levels = LevelsInput::open(&reference, parameters, &mut warnings, progress)?;
        let embeddings: Vec<_> = parameters
            .obsm_keys
            .iter()
            .map(|key| Ok((key.clone(), reference.embedding(key)?)))
            .collect::<Result<_>>()?;
        let expression = ExpressionInput::open(&reference, parameters)?;
        let batch = BatchInput::open(resolved, [&query, &reference], &mut warnings, progress)?;
        let library_sizes = LibrarySizes::open(&query, parameters)?;
        let names = query.names()?;
        let one_store = resolved.self_mapping;
        Ok(Self {
            query,
            reference,
            query_rows,
            reference_rows,
            names,
            columns,
            levels,
            embeddings,
            expression,
            batch,
            library_sizes,
            other_widths: Vec::new(),
            imported,
            warnings,
            one_store,
        })
    }

    /// Checks sizes and shard indexes of every array that the run will read, and that no label is missing where that is an error.
    pub(in crate::pipeline) fn preflight(&self, labels: &LabelParameters, progress: &Progress) -> Result<()> {
        self.query_rows.preflight()?;
        self.reference_rows.preflight()?;
        self.names.preflight()?;
        self.columns.iter().try_for_each(|input| input.column.preflight())?;
        if labels.missing == "error" {
            self.columns.iter().try_for_each(|input| input.refuse_missing(self.reference.name(), progress))?;
        }
        self.expression.iter().try_for_each(|expression| expression.rows.preflight())?;
        self.levels.iter().try_for_each(LevelsInput::preflight)?;
        self.batch.iter().try_for_each(BatchInput::preflight)?;
        self.library_sizes.iter().try_for_each(LibrarySizes::preflight)?;
        self.embeddings.iter().try_for_each(|(_, rows)| rows.preflight())
    }

    /// Looks at all neighbours that are taken over, and settles what they tell of the request.
    pub(in crate::pipeline) fn scan_imported(&mut self, resolved: &mut Resolved, progress: &Progress) -> Result<()> {
        let stores = [&self.query, &self.reference];
        imported::scan(resolved, self.imported.as_mut(), stores, &mut self.warnings, progress)
    }

    /// Bytes of cells that the caller gave in memory, where they stay, and of which cells are chosen.
    pub(in crate::pipeline) fn held_bytes(&self) -> u64 {
        let query = self.query.container().held_bytes();
        // Within one store both are the same cells.
        query + if self.one_store { 0 } else { self.reference.container().held_bytes() }
    }

    /// The same as a part of the memory, where there are any.
    pub(in crate::pipeline) fn held(&self) -> Option<(&'static str, u64)> {
        Some((HELD, self.held_bytes())).filter(|(_, bytes)| *bytes > 0)
    }

    /// Hashes of all content that the result is made of, in a fixed order.
    pub(in crate::pipeline) fn fingerprints(&self) -> Result<Vec<String>> {
        let mut all = vec![
            self.query_rows.fingerprint(FINGERPRINT_SEED)?,
            self.reference_rows.fingerprint(FINGERPRINT_SEED)?,
            self.names.fingerprint(FINGERPRINT_SEED)?,
        ];
        all.extend(self.imported.as_ref().map(|graph| graph.fingerprint(FINGERPRINT_SEED)).transpose()?);
        if let Some(batch) = &self.batch {
            all.extend(batch.fingerprints(FINGERPRINT_SEED)?);
        }
        for input in &self.columns {
            all.push(input.column.fingerprint(FINGERPRINT_SEED)?);
            all.push(xxh3_128(format!("{:?}", input.colors).as_bytes()));
        }
        for (_, rows) in &self.embeddings {
            all.push(rows.fingerprint(FINGERPRINT_SEED)?);
        }
        if let Some(expression) = &self.expression {
            all.push(expression.rows.fingerprint(FINGERPRINT_SEED)?);
            all.push(xxh3_128(format!("{:?}", expression.genes).as_bytes()));
        }
        if let Some(levels) = &self.levels {
            all.extend(levels.fingerprint(FINGERPRINT_SEED)?);
        }
        if let Some(sizes) = &self.library_sizes {
            all.push(sizes.fingerprint(FINGERPRINT_SEED)?);
        }
        Ok(all.into_iter().map(|hash| format!("{hash:032x}")).collect())
    }
}

impl ColumnInput {
    fn open(
        reference: &AnnDataStore,
        key: &str,
        labels: &LabelParameters,
        warnings: &mut Vec<String>,
        progress: &Progress,
    ) -> Result<Self> {
        let column = reference.column(key)?;
        if let ColumnKind::Other(encoding) = column.kind() {
            return Err(Error::Unsupported {
                what: format!("transferring obs column {key:?} of {} ({encoding})", reference.name()),
                remedy: "categories, texts, numbers and booleans can be transferred; store it as one of those".into(),
            });
        }
        let column = column.labelled(progress)?;
        let averaged = labels.booleans.is_some() && *column.kind() == ColumnKind::Boolean;
        let categories = column.categories().filter(|_| !averaged);
        let colors = colors(reference, key, categories, warnings);
        let predicted = predicted(key, &labels.subset, categories, warnings);
        Ok(Self { column, colors, predicted, averaged })
    }

    /// Refuses a label column in which a cell has no label.
    fn refuse_missing(&self, store: &str, progress: &Progress) -> Result<()> {
        let Some(_) = self.labels() else { return Ok(()) };
        let (mut missing, mut codes) = (0, Vec::new());
        for rows in RowRange::new(0, self.column.rows()).pieces(self.column.natural_tile_rows().max(1)) {
            self.column.read_codes(rows, &mut codes)?;
            missing += codes.iter().filter(|&&code| code < 0).count();
            progress.check()?;
        }
        if missing == 0 {
            return Ok(());
        }
        let reason = format!("{missing} cells have no label, and missing is error");
        Err(Error::schema(store, format!("obs/{}", self.column.key()), "values", reason))
    }
}

/// Which categories may be predicted. Names that there are not are told and ignored, as CellMapper does.
fn predicted(
    key: &str,
    subset: &[String],
    categories: Option<&Categories>,
    warnings: &mut Vec<String>,
) -> Option<Vec<bool>> {
    if subset.is_empty() {
        return None;
    }
    let Some(categories) = categories else {
        warnings.push(format!("subsetCategories does not concern {key:?}, which holds numbers"));
        return None;
    };
    let names: Vec<_> = (0..categories.len()).map(|code| categories.label(code)).collect();
    let unknown: Vec<_> = subset.iter().filter(|name| !names.contains(name)).map(|name| format!("{name:?}")).collect();
    let kept: Vec<_> = names.iter().map(|name| subset.contains(name)).collect();
    let known = kept.contains(&true);
    if !unknown.is_empty() {
        let rest = if known { "ignored" } else { "so all categories may be predicted" };
        warnings.push(format!("{key:?} has no categories {}: {rest}", unknown.join(", ")));
    }
    known.then_some(kept)
}

/// The colours of a label column. A problem with them warns and never stops a transfer.
fn colors(
    reference: &AnnDataStore,
    key: &str,
    categories: Option<&Categories>,
    warnings: &mut Vec<String>,
) -> Option<Vec<String>> {
    let categories = categories?.len();
    match reference.colors(key) {
        Ok(Some(colors)) if colors.len() == categories && categories > 0 => Some(colors),
        Ok(Some(colors)) => {
            let found = colors.len();
            warnings.push(format!("uns/{key}_colors has {found} colors for {categories} categories: not transferred"));
            None
        }
        Ok(None) => None,
        Err(error) => {
            warnings.push(format!("uns/{key}_colors cannot be read ({error}): not transferred"));
            None
        }
    }
}
