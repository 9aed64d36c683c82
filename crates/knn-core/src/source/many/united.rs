//! One column of `obs` of many stores: in which form all of them can give it, and its categories, united by name.

use std::collections::HashMap;

use super::part::Part;
use crate::error::{Error, Result};
use crate::source::times::{DATETIME, TIMEDELTA, declared};
use crate::source::{AnnDataStore, Categories, ColumnKind, ObsColumn};
use crate::types::DType;

/// United categories of a column that has more are refused, as those of one store are.
const MOST_CATEGORIES: usize = 1 << 22;

/// A column in the form that all stores can give.
pub(super) struct United {
    pub(super) form: Form,
    columns: Vec<ObsColumn>,
}

/// The form.
pub(super) enum Form {
    /// Codes into these categories; for each store, what its codes are among them.
    Categorical { categories: Categories, ordered: bool, places: Vec<Vec<i32>> },
    /// Values of one type, some of them perhaps missing.
    Values { dtype: DType, masked: bool },
    /// Numbers of different types, as f64.
    Numbers,
    /// Points or lengths of time of one unit, by what declares them.
    Times(String),
    /// Texts, some of them perhaps missing.
    Texts { masked: bool },
    /// Something that is not read.
    Other(String),
}

impl United {
    /// The column of that name of every store. `GM_NOT_FOUND` and `GM_SCHEMA` name the store that differs from the first.
    pub(super) fn open(stores: &[AnnDataStore], key: &str) -> Result<Self> {
        let columns = stores.iter().map(|store| store.column(key)).collect::<Result<Vec<_>>>()?;
        let form = form(stores, key, &columns)?;
        Ok(Self { form, columns })
    }

    /// Its values or codes, a share for every store.
    pub(super) fn values(self) -> Vec<Part> {
        let columns = self.columns.into_iter();
        match self.form {
            Form::Categorical { places, .. } => columns.zip(places).map(|(c, places)| Part::Codes(c, places)).collect(),
            Form::Values { .. } | Form::Times(_) => columns.map(Part::Values).collect(),
            Form::Numbers => columns.map(Part::Numbers).collect(),
            Form::Texts { .. } => columns.map(Part::Texts).collect(),
            Form::Other(_) => Vec::new(),
        }
    }

    /// Which of them are missing.
    pub(super) fn mask(self) -> Vec<Part> {
        self.columns.into_iter().map(Part::Mask).collect()
    }
}

fn form(stores: &[AnnDataStore], key: &str, columns: &[ObsColumn]) -> Result<Form> {
    let masked = columns.iter().any(ObsColumn::is_nullable);
    let (Some(first), Some(store)) = (columns.first(), stores.first()) else {
        return Err(Error::internal("a column of no store"));
    };
    let other = columns.iter().position(|column| column.kind().name() != first.kind().name());
    if let Some(other) = other {
        let (kind, here) = (columns[other].kind().name(), first.kind().name());
        let reason = format!("is {kind}, but {here} in {}: many stores are one only where kinds are", store.name());
        return Err(Error::schema(stores[other].name(), format!("obs/{key}"), "encoding-type", reason));
    }
    Ok(match first.kind() {
        ColumnKind::Categorical { .. } => united(stores, key, columns)?,
        ColumnKind::Boolean => Form::Values { dtype: DType::Bool, masked },
        ColumnKind::Numeric(dtype) => {
            let is_float = matches!(dtype, DType::Float16 | DType::Float32 | DType::Float64);
            let same = columns.iter().all(|column| column.dtype() == Some(*dtype));
            if same && !(is_float && masked) { Form::Values { dtype: *dtype, masked } } else { Form::Numbers }
        }
        ColumnKind::String => Form::Texts { masked },
        ColumnKind::Other(encoding) => Form::Other(encoding.clone()),
        kind @ (ColumnKind::Datetime { unit } | ColumnKind::Timedelta { unit }) => {
            if let Some(other) = columns.iter().position(|column| column.kind() != kind) {
                let (ColumnKind::Datetime { unit: theirs } | ColumnKind::Timedelta { unit: theirs }) =
                    columns[other].kind()
                else {
                    return Err(Error::internal("a time that is none"));
                };
                let reason = format!("counts {theirs:?}, but {unit:?} in {}: store both in one unit", store.name());
                return Err(Error::schema(stores[other].name(), format!("obs/{key}"), "data_type", reason));
            }
            let name = if matches!(kind, ColumnKind::Datetime { .. }) { DATETIME } else { TIMEDELTA };
            Form::Times(declared(name, unit, 1))
        }
    })
}

/// Categories in the order in which they appear first. Their order means something only where all stores have the same.
fn united(stores: &[AnnDataStore], key: &str, columns: &[ObsColumn]) -> Result<Form> {
    let Some(first) = columns.first().and_then(ObsColumn::categories) else {
        return Err(Error::internal("a categorical column without categories"));
    };
    let (mut texts, mut bytes, mut places) = (Vec::new(), Vec::new(), Vec::with_capacity(columns.len()));
    let mut known: HashMap<Vec<u8>, i32> = HashMap::new();
    let mut ordered = true;
    for (store, column) in stores.iter().zip(columns) {
        let refuse = |reason: String| Err(Error::schema(store.name(), format!("obs/{key}"), "categories", reason));
        let own = column.categories().unwrap_or(first);
        ordered &= matches!(column.kind(), ColumnKind::Categorical { ordered: true, .. }) && own == first;
        let mut of_store = Vec::with_capacity(own.len());
        let mut place = |value: &[u8]| -> (i32, bool) {
            if let Some(&place) = known.get(value) {
                return (place, false);
            }
            let next = known.len() as i32;
            known.insert(value.to_vec(), next);
            (next, true)
        };
        match (own, first) {
            (Categories::Strings(names), Categories::Strings(_)) => {
                for name in names {
                    let (place, is_new) = place(name.as_bytes());
                    of_store.push(place);
                    texts.extend(is_new.then(|| name.clone()));
                }
            }
            (Categories::Values { dtype, bytes: own }, Categories::Values { dtype: wanted, .. }) if dtype == wanted => {
                for value in own.chunks_exact(dtype.size().unwrap_or(1)) {
                    let (place, is_new) = place(value);
                    of_store.push(place);
                    if is_new {
                        bytes.extend_from_slice(value);
                    }
                }
            }
            _ => return refuse("are of another type than those of the first store".into()),
        }
        if known.len() > MOST_CATEGORIES {
            return refuse(format!("are more than {MOST_CATEGORIES} together with those of the stores before"));
        }
        places.push(of_store);
    }
    let categories = match first {
        Categories::Strings(_) => Categories::Strings(texts),
        Categories::Values { dtype, .. } => Categories::Values { dtype: *dtype, bytes },
    };
    Ok(Form::Categorical { categories, ordered, places })
}
