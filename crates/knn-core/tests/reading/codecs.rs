//! Every element type, order, codec and filter, as numpy wrote it.

use gigamapper_core::source::{Missing, StringBlock, open};
use gigamapper_core::types::{DType, RowRange};
use serde_json::Value;

use super::{expected, fixtures};

/// Elements as f64; those of these fixtures are exact.
fn numbers(dtype: DType, bytes: &[u8]) -> Vec<f64> {
    macro_rules! each {
        ($type:ty, $read:expr) => {
            bytes.as_chunks::<{ size_of::<$type>() }>().0.iter().map(|b| $read(<$type>::from_ne_bytes(*b))).collect()
        };
    }
    match dtype {
        DType::Bool | DType::UInt8 => bytes.iter().map(|&byte| f64::from(byte)).collect(),
        DType::Int8 => each!(i8, f64::from),
        DType::Int16 => each!(i16, f64::from),
        DType::Int32 => each!(i32, f64::from),
        DType::Int64 => each!(i64, |v| v as f64),
        DType::UInt16 => each!(u16, f64::from),
        DType::UInt32 => each!(u32, f64::from),
        DType::UInt64 => each!(u64, |v| v as f64),
        DType::Float16 => each!(u16, |v| half::f16::from_bits(v).to_f64()),
        DType::Float32 => each!(f32, f64::from),
        DType::Float64 => each!(f64, |v| v),
        DType::String => Vec::new(),
    }
}

#[test]
fn every_codec_type_and_order_reads_as_numpy_wrote_it() {
    for (name, least) in [("codecs-v2.zarr.zip", 50), ("codecs-v3.zarr.zip", 30)] {
        let path = fixtures().join(name);
        let store = open(&path).unwrap();
        let arrays = expected(&path);
        let arrays = arrays.as_object().unwrap();
        assert!(arrays.len() >= least, "{name}: {}", arrays.len());
        for (key, expected) in arrays {
            let array = store.array(key, Missing::AllOrNone).unwrap_or_else(|error| panic!("{key}: {error}"));
            array.preflight().unwrap();
            let shape: Vec<u64> = serde_json::from_value(expected["shape"].clone()).unwrap();
            assert_eq!(array.shape(), shape, "{key}");
            let values = expected["values"].as_array().unwrap();
            let width = values.len() / shape[0] as usize;
            for rows in [RowRange::new(0, shape[0]), RowRange::new(7, 23), RowRange::new(36, 37)] {
                let wanted = &values[rows.start as usize * width..rows.end as usize * width];
                if array.dtype() == DType::String {
                    let mut block = StringBlock::default();
                    array.read_strings(rows, &mut block).unwrap();
                    let wanted: Vec<&str> = wanted.iter().filter_map(Value::as_str).collect();
                    assert_eq!(block.iter().collect::<Vec<_>>(), wanted, "{key}");
                } else {
                    let mut bytes = Vec::new();
                    array.read_rows(rows, &mut bytes).unwrap_or_else(|error| panic!("{key}: {error}"));
                    let wanted: Vec<f64> = wanted.iter().filter_map(Value::as_f64).collect();
                    assert_eq!(numbers(array.dtype(), &bytes), wanted, "{key}");
                }
            }
        }
    }
}
