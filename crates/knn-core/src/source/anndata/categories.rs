//! The categories of a column. They are held in memory: labels of cells are few, and an array that claims otherwise is
//! refused.

use super::nullable::Nullable;
use crate::error::{Error, Result};
use crate::source::container::Container;
use crate::source::{StringBlock, numbers};
use crate::types::{DType, RowRange};

/// More categories than labels have; a column of names as a categorical reaches millions.
const MOST_CATEGORIES: u64 = 1 << 22;

/// The values that codes stand for.
#[derive(Debug, Clone, PartialEq)]
pub enum Categories {
    /// Texts.
    Strings(Vec<String>),
    /// Numbers or booleans, which need be neither contiguous nor sorted.
    Values {
        /// Type of one value.
        dtype: DType,
        /// All values, native-endian.
        bytes: Vec<u8>,
    },
}

impl Categories {
    /// False and true: what a boolean column is coded with.
    pub(in crate::source) fn booleans() -> Self {
        Self::Values { dtype: DType::Bool, bytes: vec![0, 1] }
    }

    pub(super) fn read(store: &dyn Container, path: &str) -> Result<Self> {
        let array = Nullable::open(store, path)?;
        let all = RowRange::new(0, array.rows());
        if array.rows() > MOST_CATEGORIES {
            return Err(Error::schema(store.name(), path, "shape", format!("more than {MOST_CATEGORIES} categories")));
        }
        // Categories differ, so what was never written can be one of them at most. Believed, it would cost its writer nothing.
        if array.rows() > 1 && array.values.is_absent()? {
            return Err(array.values.schema("shape", format!("{} categories, none of them stored", array.rows())));
        }
        let mut missing = false;
        array.read_missing(all, |_| missing = true)?;
        if missing {
            return Err(Error::schema(store.name(), path, "mask", "a category cannot be missing"));
        }
        let dtype = array.values.dtype();
        if dtype == DType::String {
            let mut block = StringBlock::default();
            array.values.read_strings(all, &mut block)?;
            return Ok(Self::Strings(block.iter().map(str::to_owned).collect()));
        }
        let mut bytes = Vec::new();
        array.values.read_rows(all, &mut bytes)?;
        Ok(Self::Values { dtype, bytes })
    }

    /// Number of categories.
    pub fn len(&self) -> usize {
        match self {
            Self::Strings(names) => names.len(),
            Self::Values { dtype, bytes } => bytes.len() / dtype.size().unwrap_or(1),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One category as people read it; `True` and `False` for booleans.
    pub fn label(&self, index: usize) -> String {
        match self {
            Self::Strings(names) => names[index].clone(),
            Self::Values { dtype, bytes } => {
                let size = dtype.size().unwrap_or(1);
                numbers::label(*dtype, &bytes[index * size..(index + 1) * size])
            }
        }
    }
}
