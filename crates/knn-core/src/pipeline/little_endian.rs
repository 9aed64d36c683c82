//! Numbers as they are stored.

use crate::types::DType;

/// The same values as they are stored; `bytes` is used where the machine stores them otherwise.
pub(super) fn little_endian_floats<'v>(values: &'v [f32], bytes: &'v mut Vec<u8>) -> &'v [u8] {
    if cfg!(target_endian = "little") {
        return bytemuck::cast_slice(values);
    }
    bytes.clear();
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// Numbers as bytes.
pub(super) fn little_endian<'b, T: Copy, const N: usize>(
    values: &[T],
    to: fn(T) -> [u8; N],
    bytes: &'b mut Vec<u8>,
) -> &'b [u8] {
    bytes.clear();
    bytes.extend(values.iter().flat_map(|&value| to(value)));
    bytes
}

/// Codes in the type that they are stored in.
pub(super) fn little_endian_codes(codes: &[i32], dtype: DType, bytes: &mut Vec<u8>) {
    bytes.clear();
    match dtype {
        DType::Int8 => bytes.extend(codes.iter().map(|&code| code as i8 as u8)),
        DType::Int16 => bytes.extend(codes.iter().flat_map(|&code| (code as i16).to_le_bytes())),
        _ => bytes.extend(codes.iter().flat_map(|code| code.to_le_bytes())),
    }
}
