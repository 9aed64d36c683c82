//! Values of Arrow's arrays as the native-endian bytes and texts that stored arrays are read as.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

use crate::source::times::NOT_A_TIME;
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
    /// Points or lengths of time, by what declares them.
    Times(&'static str),
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
        DataType::Timestamp(TimeUnit::Second, _) => Kind::Times("numpy.datetime64[s]"),
        DataType::Timestamp(TimeUnit::Millisecond, _) | DataType::Date64 => Kind::Times("numpy.datetime64[ms]"),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Kind::Times("numpy.datetime64[us]"),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Kind::Times("numpy.datetime64[ns]"),
        DataType::Date32 => Kind::Times("numpy.datetime64[D]"),
        DataType::Duration(TimeUnit::Second) => Kind::Times("numpy.timedelta64[s]"),
        DataType::Duration(TimeUnit::Millisecond) => Kind::Times("numpy.timedelta64[ms]"),
        DataType::Duration(TimeUnit::Microsecond) => Kind::Times("numpy.timedelta64[us]"),
        DataType::Duration(TimeUnit::Nanosecond) => Kind::Times("numpy.timedelta64[ns]"),
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

/// Writes points or lengths of time as 64 bits each; days have 32. Missing ones are the least there is.
pub(super) fn write_times(array: &ArrayRef, out: &mut [u8]) {
    let data = array.to_data();
    let Some(buffer) = data.buffers().first() else { return };
    let size = data.data_type().primitive_width().unwrap_or(size_of::<i64>());
    let stored = buffer.as_slice().get(data.offset() * size..).unwrap_or_default().chunks_exact(size);
    for ((row, time), stored) in out.chunks_exact_mut(size_of::<i64>()).enumerate().zip(stored) {
        let wide = <[u8; 8]>::try_from(stored).map(i64::from_ne_bytes);
        let narrow = || <[u8; 4]>::try_from(stored).map_or(NOT_A_TIME, |days| i64::from(i32::from_ne_bytes(days)));
        let count = if array.is_null(row) { NOT_A_TIME } else { wide.unwrap_or_else(|_| narrow()) };
        time.copy_from_slice(&count.to_ne_bytes());
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
