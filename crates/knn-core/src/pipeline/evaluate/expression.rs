//! Predicted expression against the original: which matrices and genes, and the passes over both.
//!
//! The first pass sums what correlation and totals follow from; divergence, which needs the totals, takes a second; ranks need all values of a
//! gene at once, so that as many genes as fit are read in one pass, and there are as many passes as that takes.

use std::collections::{BTreeMap, HashMap};

use super::gene_cells::{GeneCells, Groups};
use super::gene_ranks;
use super::gene_sums::GeneSums;
use super::report::{ExpressionEvaluation, ExpressionMetric, GroupMetric};
use crate::error::{Error, Result};
use crate::pipeline::request::ExpressionKeys;
use crate::progress::Progress;
use crate::representation::TileReader;
use crate::source::{AnnDataStore, ColumnKind, RowSource};
use crate::types::RowRange;

/// Values that a report holds at most.
const MOST_VALUES: u64 = 1 << 22;

/// Matrices that are compared.
pub(super) struct Expressions {
    cells: GeneCells,
    keys: ExpressionKeys,
    /// Names of the genes.
    genes: Vec<String>,
    /// Which genes the averages are over.
    tested: Vec<bool>,
}

impl Expressions {
    /// Opens the matrices and finds the genes of both.
    pub(super) fn open(
        truth: &AnnDataStore,
        predictions: &AnnDataStore,
        keys: &ExpressionKeys,
        progress: &Progress,
    ) -> Result<Self> {
        let original = truth.representation(&keys.original)?;
        let imputed = predictions.representation(&keys.imputed)?;
        original.preflight()?;
        imputed.preflight()?;
        if original.rows() > u64::from(u32::MAX) && keys.methods.iter().any(|method| method == "spearman") {
            return Err(Error::Unsupported {
                what: format!("ranks of the {} cells of {}", original.rows(), original.name()),
                remedy: "compare by pearson, js or rmse".into(),
            });
        }
        let theirs = named_genes(truth, &*original)?;
        let ours = named_genes(predictions, &*imputed)?;
        let (genes, columns) = shared(&theirs, &ours, (truth, predictions), &keys.genes)?;
        let tested = match &keys.test_var_key {
            None => vec![true; genes.len()],
            Some(key) => {
                let column = truth.gene_column(key)?;
                let mut flags = Vec::new();
                if !matches!(column.kind(), ColumnKind::Boolean) {
                    let reason = format!("the column is {} and not boolean", column.kind().name());
                    return Err(Error::schema(truth.name(), format!("var/{key}"), "encoding-type", reason));
                }
                column.read_codes(RowRange::new(0, column.rows()), &mut flags)?;
                columns.iter().map(|[column, _]| flags[*column as usize] == 1).collect()
            }
        };
        let groups = keys.groupby.as_ref().map(|key| Groups::open(truth, predictions, key, progress)).transpose()?;
        let values = genes.len() as u64 * keys.methods.len() as u64 * (groups.as_ref().map_or(0, Groups::len) + 1);
        if values > MOST_VALUES {
            return Err(Error::Unsupported {
                what: format!("a report of {values} values, more than {MOST_VALUES},"),
                remedy: "name fewer genes, or methods one by one, or groups of fewer categories".into(),
            });
        }
        let cells = GeneCells { original, imputed, columns, groups };
        Ok(Self { cells, keys: keys.clone(), genes, tested })
    }

    /// Bytes of the passes besides values that are ranked.
    pub(super) fn bytes(&self) -> u64 {
        let reading = TileReader::bytes(&self.cells.original) + TileReader::bytes(&self.cells.imputed);
        let groups = self.cells.groups.as_ref().map_or(0, |groups| groups.column.bytes() + groups.classes.bytes());
        let slots = self.cells.groups.as_ref().map_or(0, Groups::len) + 1;
        let genes = self.genes.len() as u64;
        let report = genes * (slots * self.keys.methods.len() as u64 * 16 + 64);
        let block = self.cells.block_rows() * (self.cells.row_bytes() + 4);
        reading + groups + block + GeneSums::bytes(genes, slots) + report
    }

    /// Bytes that ranking one gene takes at least; 0 where nothing is ranked.
    pub(super) fn least_ranked(&self) -> u64 {
        if self.ranks() { gene_ranks::least(self.cells.original.rows()) } else { 0 }
    }

    /// Bytes that ranking all genes at once takes, with so many threads.
    pub(super) fn most_ranked(&self, threads: u64) -> u64 {
        if self.ranks() { gene_ranks::most(self.cells.original.rows(), self.genes.len() as u64, threads) } else { 0 }
    }

    fn ranks(&self) -> bool {
        self.keys.methods.iter().any(|method| method == "spearman")
    }

    /// Compares all genes, ranking within so many bytes.
    pub(super) fn evaluate(
        &mut self,
        (ranked_bytes, threads): (u64, u64),
        warnings: &mut Vec<String>,
        progress: &Progress,
    ) -> Result<ExpressionEvaluation> {
        let slots = self.cells.groups.as_ref().map_or(0, Groups::len) as usize + 1;
        let mut sums = GeneSums::new(&self.cells.columns, slots);
        let mut cells_of = vec![0u64; slots];
        progress.begin("expression", self.cells.original.rows(), 0);
        self.cells.each(progress, |cells| {
            cells_of[0] += cells.groups.len() as u64;
            cells
                .groups
                .iter()
                .filter_map(|&group| usize::try_from(group).ok())
                .for_each(|group| cells_of[group + 1] += 1);
            sums.add(cells);
            Ok(())
        })?;
        let mut values: BTreeMap<String, Vec<Vec<Option<f64>>>> = BTreeMap::new();
        for method in self.keys.methods.clone() {
            let found = match method.as_str() {
                "pearson" => sums.pearson(),
                "rmse" => sums.rmse(),
                "js" => {
                    progress.begin("divergence", self.cells.original.rows(), 0);
                    self.cells.each(progress, |cells| {
                        sums.diverge(cells);
                        Ok(())
                    })?;
                    sums.distances()
                }
                _ => {
                    progress.begin("ranks", self.cells.original.rows(), 0);
                    gene_ranks::spearman(&mut self.cells, slots, (ranked_bytes, threads), progress)?
                }
            };
            values.insert(method, found);
        }
        let cells = self.cells.original.rows();
        let left_out = cells * self.genes.len() as u64 - sums.pairs();
        if left_out > 0 {
            warnings.push(format!("{left_out} pairs of values are left out, because one of them is not finite"));
        }
        let metrics = self.keys.methods.iter().map(|method| self.metric(method, &values[method], &cells_of)).collect();
        Ok(ExpressionEvaluation {
            original: self.keys.original.clone(),
            imputed: self.keys.imputed.clone(),
            cells,
            genes: self.genes.clone(),
            left_out,
            metrics,
        })
    }

    /// What is told of the values of a method, of all cells first and then of each group.
    fn metric(&self, method: &str, values: &[Vec<Option<f64>>], cells: &[u64]) -> ExpressionMetric {
        let tested = |values: &[Option<f64>]| -> (u64, Option<f64>) {
            let found: Vec<f64> =
                values.iter().zip(&self.tested).filter_map(|(value, tested)| value.filter(|_| *tested)).collect();
            let mean = found.iter().sum::<f64>() / found.len() as f64;
            (found.len() as u64, (!found.is_empty()).then_some(mean))
        };
        let (test_genes, average) = tested(&values[0]);
        let groups = self
            .cells
            .groups
            .iter()
            .flat_map(|groups| (0..groups.classes.len()).map(|group| groups.classes.name(group)));
        let groups = groups.zip(values[1..].iter().zip(&cells[1..])).filter(|(_, (_, cells))| **cells > 0);
        ExpressionMetric {
            method: method.to_owned(),
            average,
            test_genes,
            values: values[0].clone(),
            groups: groups
                .map(|(group, (values, &cells))| GroupMetric {
                    group: group.to_owned(),
                    cells,
                    average: tested(values).1,
                    values: values.clone(),
                })
                .collect(),
        }
    }
}

/// The genes of a matrix, one for each column.
fn named_genes(store: &AnnDataStore, rows: &dyn RowSource) -> Result<Vec<String>> {
    let names = store.gene_names()?;
    if names.len() == rows.dim() {
        return Ok(names);
    }
    Err(Error::Shape {
        left: rows.name(),
        left_shape: vec![rows.rows(), rows.dim() as u64],
        right: format!("{}/var", store.name()),
        right_shape: vec![names.len() as u64],
        reason: "one column for every gene".into(),
    })
}

/// The genes that both have, or those of them that are wanted, in the order of the predictions. Of genes with one name the first is meant.
fn shared(
    theirs: &[String],
    ours: &[String],
    (truth, predictions): (&AnnDataStore, &AnnDataStore),
    wanted: &[String],
) -> Result<(Vec<String>, Vec<[u32; 2]>)> {
    let mut first: HashMap<&str, u32> = HashMap::new();
    for (name, column) in theirs.iter().zip(0..) {
        first.entry(name).or_insert(column);
    }
    let (mut names, mut columns) = (Vec::new(), Vec::new());
    for (name, column) in ours.iter().zip(0..) {
        if let Some(original) = first.remove(name.as_str()).filter(|_| wanted.is_empty() || wanted.contains(name)) {
            names.push(name.clone());
            columns.push([original, column]);
        }
    }
    if let Some(absent) = wanted.iter().find(|gene| !names.contains(gene)) {
        let store = if ours.contains(absent) { truth } else { predictions };
        let known = if ours.contains(absent) { theirs } else { ours };
        return Err(Error::NotFound {
            store: format!("{}/var", store.name()),
            kind: "gene".into(),
            key: absent.clone(),
            available: known.iter().take(10).cloned().collect(),
        });
    }
    if names.is_empty() {
        let reason = format!("none of its genes is one of {}", truth.name());
        return Err(Error::schema(predictions.name(), "var", "_index", reason));
    }
    Ok((names, columns))
}
