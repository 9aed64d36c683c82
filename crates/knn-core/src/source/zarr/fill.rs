//! Fill values: what stands in `zarr.json` for elements that were never written.

use serde_json::Value;

use crate::types::DType;

/// Longest fill value of strings: an absent array repeats it for every row, at no cost to whoever wrote it.
const LONGEST_FILL: usize = 64;

/// One element of a fill value. Floats may be numbers, names, or their bits in hexadecimal.
pub(super) fn fill_bytes(dtype: DType, value: Option<&Value>) -> Option<Vec<u8>> {
    let value = value?;
    macro_rules! integer {
        ($type:ty, $as:ident) => {
            <$type>::try_from(value.$as()?).ok()?.to_ne_bytes().to_vec()
        };
    }
    Some(match dtype {
        DType::Bool => vec![u8::from(value.as_bool()?)],
        DType::Int8 => integer!(i8, as_i64),
        DType::Int16 => integer!(i16, as_i64),
        DType::Int32 => integer!(i32, as_i64),
        // Points in time that are none.
        DType::Int64 if value.as_str() == Some("NaT") => i64::MIN.to_ne_bytes().to_vec(),
        DType::Int64 => integer!(i64, as_i64),
        DType::UInt8 => integer!(u8, as_u64),
        DType::UInt16 => integer!(u16, as_u64),
        DType::UInt32 => integer!(u32, as_u64),
        DType::UInt64 => integer!(u64, as_u64),
        DType::Float16 => match fill_float(value)? {
            Fill::Bits(bits) => u16::try_from(bits).ok()?.to_ne_bytes().to_vec(),
            Fill::Number(number) => half::f16::from_f64(number).to_bits().to_ne_bytes().to_vec(),
        },
        DType::Float32 => match fill_float(value)? {
            Fill::Bits(bits) => u32::try_from(bits).ok()?.to_ne_bytes().to_vec(),
            Fill::Number(number) => (number as f32).to_ne_bytes().to_vec(),
        },
        DType::Float64 => match fill_float(value)? {
            Fill::Bits(bits) => bits.to_ne_bytes().to_vec(),
            Fill::Number(number) => number.to_ne_bytes().to_vec(),
        },
        DType::String => value.as_str().filter(|text| text.len() <= LONGEST_FILL)?.as_bytes().to_vec(),
    })
}

enum Fill {
    Bits(u64),
    Number(f64),
}

fn fill_float(value: &Value) -> Option<Fill> {
    if let Some(number) = value.as_f64() {
        return Some(Fill::Number(number));
    }
    Some(match value.as_str()? {
        "NaN" => Fill::Number(f64::NAN),
        "Infinity" => Fill::Number(f64::INFINITY),
        "-Infinity" => Fill::Number(f64::NEG_INFINITY),
        text => Fill::Bits(u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_values_are_of_their_type() {
        let fill = |dtype, text: &str| fill_bytes(dtype, Some(&serde_json::from_str(text).unwrap()));
        assert_eq!(fill(DType::Int8, "-1"), Some(vec![255]));
        assert_eq!(fill(DType::Int8, "200"), None);
        assert_eq!(fill(DType::UInt8, "-1"), None);
        assert_eq!(fill(DType::Bool, "true"), Some(vec![1]));
        assert_eq!(fill(DType::Float32, "\"0x7fc00000\""), Some(0x7fc0_0000u32.to_ne_bytes().to_vec()));
        assert_eq!(fill(DType::Float64, "\"-Infinity\""), Some(f64::NEG_INFINITY.to_ne_bytes().to_vec()));
        assert_eq!(fill(DType::Float64, "\"much\""), None);
        assert_eq!(fill(DType::String, "\"a\""), Some(vec![b'a']));
        assert_eq!(fill(DType::Float64, "null"), None);
    }
}
