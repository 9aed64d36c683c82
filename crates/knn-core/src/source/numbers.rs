//! Native-endian bytes of any fixed-size element type, read as the types that the rest of the core computes with.

use half::f16;

use crate::types::DType;

/// Calls `$each` with every element converted by `$convert`.
macro_rules! elements {
    ($bytes:expr, $type:ty, $each:expr, |$value:ident| $convert:expr) => {{
        const SIZE: usize = size_of::<$type>();
        for chunk in $bytes.as_chunks::<SIZE>().0 {
            let $value = <$type>::from_ne_bytes(*chunk);
            $each($convert);
        }
    }};
}

/// Every element as f64. 64-bit integers beyond 2^53 are rounded, as in every tool that computes in f64.
pub(super) fn each_f64(dtype: DType, bytes: &[u8], mut each: impl FnMut(f64)) {
    match dtype {
        DType::Bool => bytes.iter().for_each(|&byte| each(f64::from(u8::from(byte != 0)))),
        DType::Int8 => elements!(bytes, i8, each, |v| f64::from(v)),
        DType::Int16 => elements!(bytes, i16, each, |v| f64::from(v)),
        DType::Int32 => elements!(bytes, i32, each, |v| f64::from(v)),
        DType::Int64 => elements!(bytes, i64, each, |v| v as f64),
        DType::UInt8 => bytes.iter().for_each(|&byte| each(f64::from(byte))),
        DType::UInt16 => elements!(bytes, u16, each, |v| f64::from(v)),
        DType::UInt32 => elements!(bytes, u32, each, |v| f64::from(v)),
        DType::UInt64 => elements!(bytes, u64, each, |v| v as f64),
        DType::Float16 => elements!(bytes, u16, each, |v| f16::from_bits(v).to_f64()),
        DType::Float32 => elements!(bytes, f32, each, |v| f64::from(v)),
        DType::Float64 => elements!(bytes, f64, each, |v| v),
        DType::String => {}
    }
}

/// Every element as f32, appended to `out`. Integers go there directly, so that they are rounded once.
pub(super) fn extend_f32(dtype: DType, bytes: &[u8], out: &mut Vec<f32>) {
    let mut push = |value: f32| out.push(value);
    match dtype {
        DType::Int64 => elements!(bytes, i64, push, |v| v as f32),
        DType::UInt64 => elements!(bytes, u64, push, |v| v as f32),
        DType::Float32 => elements!(bytes, f32, push, |v| v),
        _ => each_f64(dtype, bytes, |value| push(value as f32)),
    }
}

/// Every element as i64; `None` where it does not fit. For integer and boolean types only.
pub(super) fn each_i64(dtype: DType, bytes: &[u8], mut each: impl FnMut(Option<i64>)) {
    match dtype {
        DType::Bool => bytes.iter().for_each(|&byte| each(Some(i64::from(byte != 0)))),
        DType::Int8 => elements!(bytes, i8, each, |v| Some(i64::from(v))),
        DType::Int16 => elements!(bytes, i16, each, |v| Some(i64::from(v))),
        DType::Int32 => elements!(bytes, i32, each, |v| Some(i64::from(v))),
        DType::Int64 => elements!(bytes, i64, each, |v| Some(v)),
        DType::UInt8 => bytes.iter().for_each(|&byte| each(Some(i64::from(byte)))),
        DType::UInt16 => elements!(bytes, u16, each, |v| Some(i64::from(v))),
        DType::UInt32 => elements!(bytes, u32, each, |v| Some(i64::from(v))),
        DType::UInt64 => elements!(bytes, u64, each, |v| i64::try_from(v).ok()),
        DType::Float16 | DType::Float32 | DType::Float64 | DType::String => {}
    }
}

/// Whether it is a signed or unsigned integer.
pub(super) fn is_integer(dtype: DType) -> bool {
    !matches!(dtype, DType::Bool | DType::Float16 | DType::Float32 | DType::Float64 | DType::String)
}

/// One element as people read it.
pub(super) fn label(dtype: DType, element: &[u8]) -> String {
    let mut text = String::new();
    match dtype {
        DType::Bool => text.push_str(if element.first().is_some_and(|&byte| byte != 0) { "True" } else { "False" }),
        DType::UInt64 => elements!(element, u64, |v: u64| text = v.to_string(), |v| v),
        DType::Float32 => elements!(element, f32, |v: f32| text = format!("{v:?}"), |v| v),
        DType::Float16 | DType::Float64 => each_f64(dtype, element, |v| text = format!("{v:?}")),
        _ => each_i64(dtype, element, |v| text = v.unwrap_or_default().to_string()),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_as_its_numbers() {
        let mut seen = Vec::new();
        each_f64(DType::Int16, &(-3i16).to_ne_bytes(), |v| seen.push(v));
        each_f64(DType::Float16, &f16::from_f32(0.5).to_bits().to_ne_bytes(), |v| seen.push(v));
        each_f64(DType::UInt64, &7u64.to_ne_bytes(), |v| seen.push(v));
        each_f64(DType::Bool, &[1, 0], |v| seen.push(v));
        assert_eq!(seen, [-3.0, 0.5, 7.0, 1.0, 0.0]);
        let mut out = Vec::new();
        extend_f32(DType::Float64, &0.1f64.to_ne_bytes(), &mut out);
        assert_eq!(out, [0.1f32]);
        let mut codes = Vec::new();
        each_i64(DType::UInt64, &u64::MAX.to_ne_bytes(), |v| codes.push(v));
        assert_eq!(codes, [None]);
    }

    #[test]
    fn labels_read_as_in_python() {
        assert_eq!(label(DType::Bool, &[1]), "True");
        assert_eq!(label(DType::Float32, &0.1f32.to_ne_bytes()), "0.1");
        assert_eq!(label(DType::Float64, &2f64.to_ne_bytes()), "2.0");
        assert_eq!(label(DType::Int64, &(-4i64).to_ne_bytes()), "-4");
        assert_eq!(label(DType::UInt64, &u64::MAX.to_ne_bytes()), u64::MAX.to_string());
    }
}
