//! What a store will hold, said before anything is written.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Layout;
use super::name::{check_group, check_name};
use crate::error::{Error, Result};
use crate::graph::Holder;
use crate::store::Stage;
use crate::types::DType;

/// Bytes of an inner chunk of expression at most.
const EXPRESSION_CHUNK: u64 = 8 << 20;
/// Bytes of a compressed inner chunk at most: 4096 rows of 30 neighbours.
const COMPACT_CHUNK: u64 = 1 << 19;

/// A store to be written.
#[derive(Debug, Clone)]
pub struct StoreSpec {
    /// Its grid.
    pub layout: Layout,
    /// Rows of the reference.
    pub n_ref: u64,
    /// Width of the neighbours.
    pub k: u64,
    /// The store that holds them, where this one does not.
    pub holder: Option<Holder>,
    /// Hash of the run: a store is resumed only by the same.
    pub run: String,
    /// The plan, kept in the journal for people.
    pub plan: Value,
    /// The arrays. `obs/_index` must be among them; columns stand in `obs` in this order.
    pub arrays: Vec<ArraySpec>,
}

/// One array or column.
#[derive(Debug, Clone)]
pub struct ArraySpec {
    /// `obs/<name>` for a column, `obsm/<name>` for a matrix.
    pub path: String,
    /// The stage that writes it.
    pub stage: Stage,
    /// What is in it.
    pub kind: Kind,
}

/// The form of an array.
#[derive(Debug, Clone)]
pub enum Kind {
    /// One value per row.
    Column(Field),
    /// `width` values per row.
    Matrix {
        /// Their type.
        dtype: DType,
        /// How many.
        width: u64,
    },
    /// A value for each gene, at `X` or `layers/<name>`; `var` is of these genes.
    Expression {
        /// Their names.
        genes: Arc<Vec<String>>,
    },
    /// Any number of values per row, one behind another: an array of a sparse matrix `obsp/<name>`, its `data`, `indices` or `indptr`. Only a
    /// store of one part has such arrays.
    Ragged {
        /// Their type.
        dtype: DType,
        /// How many there are in all at most.
        most: u64,
    },
}

/// The values of a column.
#[derive(Debug, Clone)]
pub enum Field {
    /// Codes of type [`codes_dtype`], −1 where there is none.
    Categorical {
        /// What the codes mean.
        categories: Categories,
        /// Whether their order has a meaning.
        ordered: bool,
    },
    /// Numbers, NaN where there is none.
    F64,
    /// Numbers, NaN where there is none.
    F32,
    /// Texts; `obs/_index` is one.
    Strings,
    /// Numbers or booleans of this type, one for every row.
    Values(DType),
    /// Integers, booleans or texts of this type, of which a [`Field::Mask`] at `obs/<name>/mask` says which are missing.
    Nullable(DType),
    /// True for every row of the nullable column around it that has no value.
    Mask,
}

/// The categories of a categorical column.
#[derive(Debug, Clone, PartialEq)]
pub enum Categories {
    /// Texts.
    Strings(Vec<String>),
    /// Little-endian numbers or booleans.
    Numbers {
        /// Their type.
        dtype: DType,
        /// Their bytes.
        bytes: Vec<u8>,
    },
}

impl Categories {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Strings(names) => names.len(),
            Self::Numbers { dtype, bytes } => bytes.len() / dtype.size().unwrap_or(1),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Strings(names) => names.iter().map(|name| name.len() as u64 + 32).sum(),
            Self::Numbers { bytes, .. } => bytes.len() as u64,
        }
    }
}

/// Type of the codes of that many categories; pandas chooses the same.
pub fn codes_dtype(categories: usize) -> DType {
    match categories {
        0..=126 => DType::Int8,
        127..=32_766 => DType::Int16,
        _ => DType::Int32,
    }
}

impl ArraySpec {
    /// Type of the values that are appended; `string` for texts.
    pub fn dtype(&self) -> DType {
        match &self.kind {
            Kind::Column(Field::Categorical { categories, .. }) => codes_dtype(categories.len()),
            Kind::Column(Field::F64) => DType::Float64,
            Kind::Column(Field::F32) | Kind::Expression { .. } => DType::Float32,
            Kind::Column(Field::Strings) => DType::String,
            Kind::Column(Field::Mask) => DType::Bool,
            Kind::Column(Field::Values(dtype) | Field::Nullable(dtype))
            | Kind::Matrix { dtype, .. }
            | Kind::Ragged { dtype, .. } => *dtype,
        }
    }

    /// Bytes of one row; `None` where rows differ in length, as those of texts do.
    pub fn row_bytes(&self) -> Option<u64> {
        if matches!(self.kind, Kind::Ragged { .. }) {
            return None;
        }
        let width = self.width().unwrap_or(1);
        self.dtype().size().map(|size| size as u64 * width)
    }

    /// Values of a row, where it has many.
    pub(super) fn width(&self) -> Option<u64> {
        match &self.kind {
            Kind::Matrix { width, .. } => Some(*width),
            Kind::Expression { genes } => Some(genes.len() as u64),
            Kind::Column(_) | Kind::Ragged { .. } => None,
        }
    }

    /// Rows of an inner chunk and of a shard. Readers decode whole inner chunks, so those of long rows have fewer rows.
    pub(super) fn grid(&self, layout: &Layout) -> (u64, u64) {
        let (inner, unit) = (layout.inner_rows(), layout.unit_rows());
        let most = match &self.kind {
            _ if layout.is_compact() && self.width().is_some() => COMPACT_CHUNK,
            Kind::Expression { .. } => EXPRESSION_CHUNK,
            _ => return (inner, unit),
        };
        let most = (most / self.row_bytes().unwrap_or(1).max(1)).clamp(1, inner);
        if layout.units() > 1 {
            // Shards meet the units, so what is inside divides them.
            return ((1..=most).rev().find(|rows| unit.is_multiple_of(*rows)).unwrap_or(1), unit);
        }
        (most, unit.next_multiple_of(most))
    }

    /// Path of the array whose chunks hold the values.
    pub(super) fn values(&self) -> String {
        match self.kind {
            Kind::Column(Field::Categorical { .. }) => format!("{}/codes", self.path),
            Kind::Column(Field::Nullable(_)) => format!("{}/values", self.path),
            _ => self.path.clone(),
        }
    }

    /// Path inside the store of the object that holds a unit.
    pub(super) fn object(&self, layout: &Layout, unit: u64) -> String {
        let range = layout.unit(unit);
        if matches!(self.kind, Kind::Ragged { .. }) {
            return format!("{}/unit-{unit}", self.path);
        }
        let tail = if self.width().is_some() { "/0" } else { "" };
        format!("{}{}/c/{}{tail}", layout.prefix(range.part), self.values(), layout.chunk(range))
    }

    /// Path of the column or matrix: that of the column which a mask is part of.
    pub(super) fn owner(&self) -> &str {
        let is_mask = matches!(self.kind, Kind::Column(Field::Mask));
        self.path.strip_suffix("/mask").filter(|_| is_mask).unwrap_or(&self.path)
    }

    /// Whether it is a column or matrix of its own.
    pub(super) fn is_member(&self) -> bool {
        !matches!(self.kind, Kind::Column(Field::Mask))
    }

    fn check(&self) -> Result<()> {
        let wrong = |reason: &str| Err(Error::internal(format!("array {:?}: {reason}", self.path)));
        let (group, name) = self.owner().split_once('/').unwrap_or(("", &self.path));
        if matches!(self.kind, Kind::Ragged { .. }) {
            let Some((name, "data" | "indices" | "indptr")) = name.split_once('/').filter(|_| group == "obsp") else {
                return wrong("rows of any length are those of a sparse matrix in obsp");
            };
            return check_name(name);
        }
        if let Kind::Expression { genes } = &self.kind {
            let is_place = self.path == "X" || (group == "layers" && check_name(name).is_ok());
            return if is_place && !genes.is_empty() {
                Ok(())
            } else {
                wrong("expression is of genes, at X or in layers")
            };
        }
        check_name(name)?;
        match &self.kind {
            Kind::Column(field) => {
                if group != "obs" {
                    return wrong("a column is in obs");
                }
                if (name == "_index") && !matches!(field, Field::Strings) {
                    return wrong("the index holds texts");
                }
                if let Field::Categorical { categories: Categories::Numbers { dtype, bytes }, .. } = field
                    && dtype.size().is_none_or(|size| !bytes.len().is_multiple_of(size))
                {
                    return wrong("categories are not whole numbers of their type");
                }
            }
            Kind::Matrix { dtype, width } => {
                if group != "obsm" || *width == 0 || dtype.size().is_none() {
                    return wrong("a matrix is in obsm, is at least one wide and has no texts");
                }
            }
            Kind::Expression { .. } | Kind::Ragged { .. } => {}
        }
        Ok(())
    }
}

impl StoreSpec {
    /// Refuses what cannot be written; the worker's name becomes part of file names.
    pub fn check(&self, worker: &str) -> Result<()> {
        check_name(worker)?;
        self.arrays.iter().try_for_each(ArraySpec::check)?;
        let has_ragged = self.arrays.iter().any(|array| matches!(array.kind, Kind::Ragged { .. }));
        if has_ragged && self.layout.parts() > 1 {
            return Err(Error::internal("a sparse matrix in a store of several parts"));
        }
        for group in ["obs/", "obsm/"] {
            let members = self.arrays.iter().filter(|array| array.is_member());
            check_group(members.filter_map(|array| array.path.strip_prefix(group)))?;
        }
        if !self.arrays.iter().any(|array| array.path == "obs/_index") {
            return Err(Error::internal("a store without obs/_index"));
        }
        Ok(())
    }

    /// The stages that write something.
    pub fn stages(&self) -> Vec<Stage> {
        let all = [Stage::Joined, Stage::Transferred, Stage::Copied];
        all.into_iter().filter(|stage| self.arrays.iter().any(|array| array.stage == *stage)).collect()
    }

    /// The arrays of a stage.
    pub(super) fn of(&self, stage: Stage) -> impl Iterator<Item = &ArraySpec> {
        self.arrays.iter().filter(move |array| array.stage == stage)
    }

    /// What must agree for a unit to mean the same objects.
    pub(super) fn grid(&self) -> Value {
        let arrays: Vec<_> =
            self.arrays.iter().map(|a| json!([a.values(), a.stage, a.dtype(), a.row_bytes()])).collect();
        json!({
            "n_obs": self.layout.n_obs(), "inner_rows": self.layout.inner_rows(), "unit_rows": self.layout.unit_rows(),
            "part_rows": self.layout.part_rows(), "compact": self.layout.is_compact(), "arrays": arrays,
        })
    }
}
