//! Values of Arrow's arrays as the native-endian bytes and texts that stored arrays are read as.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use crate::types::DType;

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers, flags or texts.
    Plain(DType),
    /// Codes into a dictionary of texts.
    Categorical,
    /// Lists of so many floats.
    Vectors(DType, usize),
}

/// What a type is read as; `None` for what is not read.
pub(super) fn kind(datatype: &DataType) -> Option<Kind> {
    Some(match datatype {
        DataType::Dictionary(_, values) if number(values).is_none() && is_text(values) => Kind::Categorical,
        DataType::FixedSizeList(field, size) => match (number(field.data_type())?, usize::try_from(*size).ok()?) {
            (dtype @ (DType::Float16 | DType::Float32 | DType::Float64), size) if size > 0 => {
                Kind::Vectors(dtype, size)
            }
            _ => return None,
        },
        text if is_text(text) => Kind::Plain(DType::String),
        other => Kind::Plain(number(other)?),
    })
}

fn is_text(datatype: &DataType) -> bool {
    matches!(datatype, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn number(datatype: &DataType) -> Option<DType> {
    Some(match datatype {
        DataType::Boolean => DType::Bool,
        DataType::Int8 => DType::Int8,
        DataType::Int16 => DType::Int16,
        DataType::Int32 => DType::Int32,
        DataType::Int64 => DType::Int64,
        DataType::UInt8 => DType::UInt8,
        DataType::UInt16 => DType::UInt16,
        DataType::UInt32 => DType::UInt32,
        DataType::UInt64 => DType::UInt64,
        DataType::Float16 => DType::Float16,
        DataType::Float32 => DType::Float32,
        DataType::Float64 => DType::Float64,
        _ => return None,
    })
}

/// Writes the numbers of an array, one after the other. Missing floats are NaN, other missing values anything.
pub(super) fn write_numbers(array: &ArrayRef, dtype: DType, out: &mut [u8]) {
    if let Some(flags) = array.as_boolean_opt() {
        for (row, flag) in out.iter_mut().enumerate() {
            *flag = u8::from(flags.value(row));
        }
        return;
    }
    let size = dtype.size().unwrap_or(1);
    let data = array.to_data();
    let Some(buffer) = data.buffers().first() else { return };
    let first = data.offset() * size;
    out.copy_from_slice(&buffer.as_slice()[first..first + out.len()]);
    if array.null_count() > 0 {
        let missing = out.chunks_exact_mut(size).enumerate().filter(|(row, _)| array.is_null(*row));
        missing.for_each(|(_, value)| fill_nan(dtype, value));
    }
}

/// Writes the lists of an array, one after the other. Missing lists are NaN.
pub(super) fn write_vectors(array: &ArrayRef, dtype: DType, width: usize, out: &mut [u8]) {
    let Some(lists) = array.as_fixed_size_list_opt().filter(|lists| !lists.is_empty()) else { return };
    let values = lists.values().slice(lists.value_offset_at(0), lists.len() * width);
    write_numbers(&values, dtype, out);
    if lists.null_count() == 0 {
        return;
    }
    let row = width * dtype.size().unwrap_or(1);
    for (_, values) in out.chunks_exact_mut(row).enumerate().filter(|(number, _)| lists.is_null(*number)) {
        fill_nan(dtype, values);
    }
}

fn fill_nan(dtype: DType, values: &mut [u8]) {
    match dtype {
        DType::Float16 => values.chunks_exact_mut(2).for_each(|v| v.copy_from_slice(&half::f16::NAN.to_ne_bytes())),
        DType::Float32 => values.chunks_exact_mut(4).for_each(|v| v.copy_from_slice(&f32::NAN.to_ne_bytes())),
        DType::Float64 => values.chunks_exact_mut(8).for_each(|v| v.copy_from_slice(&f64::NAN.to_ne_bytes())),
        _ => {}
    }
}

/// The text of a row; empty where it is missing.
pub(super) fn text(array: &dyn Array, row: usize) -> &str {
    if array.is_null(row) {
        return "";
    }
    if let Some(texts) = array.as_string_opt::<i32>() {
        return texts.value(row);
    }
    if let Some(texts) = array.as_string_opt::<i64>() {
        return texts.value(row);
    }
    array.as_string_view_opt().map_or("", |texts| texts.value(row))
}
