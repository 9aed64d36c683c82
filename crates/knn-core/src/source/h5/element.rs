//! How one value lies in its record: a number, a flag or a text, on its own or as the field of a compound.

use hdf5_reader::{ByteOrder, Datatype, StringPadding, StringSize, VarLenKind};

use crate::types::DType;

/// Bytes of a reference to a text of variable length: its length, the address of a heap, and the number there. Files with
/// shorter addresses are of the nineties.
pub(super) const REFERENCE: usize = 16;
/// Wider records than any table of cells has.
const WIDEST_RECORD: usize = 1 << 20;

/// How texts are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// In place, padded to the size of the value.
    Fixed(StringPadding),
    /// In a heap of the file.
    Variable,
}

/// A value in a record of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// What it reads as.
    pub(super) dtype: DType,
    /// How it is stored, if it is text.
    pub(super) text: Option<Text>,
    /// Whether its bytes are in the other order than this machine's.
    swap: bool,
    /// Bytes before the first value of a record.
    offset: usize,
    /// Bytes of a value as stored.
    pub(super) size: usize,
    /// Values of a record: more than one where a field is an array.
    pub(super) values: usize,
    /// Bytes of a record.
    pub(super) record: usize,
}

impl Element {
    /// The value of a type that is not compound; the name of the type where it is not read.
    pub(super) fn parse(datatype: &Datatype) -> Result<Self, String> {
        let one = |dtype, text, swap, size| Self { dtype, text, swap, offset: 0, size, values: 1, record: size };
        let other = || Err(unread(datatype));
        let swapped = |order: &ByteOrder| (*order == ByteOrder::BigEndian) != cfg!(target_endian = "big");
        Ok(match datatype {
            Datatype::FixedPoint { size, signed, byte_order } => {
                let dtype = match (size, signed) {
                    (1, true) => DType::Int8,
                    (2, true) => DType::Int16,
                    (4, true) => DType::Int32,
                    (8, true) => DType::Int64,
                    (1, false) => DType::UInt8,
                    (2, false) => DType::UInt16,
                    (4, false) => DType::UInt32,
                    (8, false) => DType::UInt64,
                    _ => return other(),
                };
                one(dtype, None, *size > 1 && swapped(byte_order), usize::from(*size))
            }
            Datatype::FloatingPoint { size, byte_order } => {
                let dtype = match size {
                    2 => DType::Float16,
                    4 => DType::Float32,
                    8 => DType::Float64,
                    _ => return other(),
                };
                one(dtype, None, swapped(byte_order), usize::from(*size))
            }
            Datatype::String { size: StringSize::Fixed(size), padding, .. } => {
                let size = *size as usize;
                if size == 0 || size > WIDEST_RECORD {
                    return other();
                }
                one(DType::String, Some(Text::Fixed(*padding)), false, size)
            }
            Datatype::String { size: StringSize::Variable, .. } => {
                one(DType::String, Some(Text::Variable), false, REFERENCE)
            }
            Datatype::VarLen { base, kind, .. } if *kind == VarLenKind::String && base.is_vlen_string_base() => {
                one(DType::String, Some(Text::Variable), false, REFERENCE)
            }
            Datatype::Enum { base, members } => {
                let value = Self::parse(base)?;
                let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
                let flag = value.size == 1 && names.iter().all(|name| ["FALSE", "TRUE"].contains(name));
                Self { dtype: if flag { DType::Bool } else { value.dtype }, ..value }
            }
            _ => return other(),
        })
    }

    /// The field of a compound of `record` bytes, which lies `offset` bytes behind the beginning of it.
    pub(super) fn field(datatype: &Datatype, offset: usize, record: usize) -> Result<Self, String> {
        let (base, values) = match datatype {
            Datatype::Array { base, dims } if dims.len() == 1 => (&**base, dims[0] as usize),
            other => (other, 1),
        };
        let value = Self::parse(base)?;
        let end = value.size.checked_mul(values).and_then(|size| size.checked_add(offset));
        if values == 0 || record > WIDEST_RECORD || end.is_none_or(|end| end > record) {
            return Err(format!("{} outside of its record", type_name(datatype)));
        }
        Ok(Self { offset, values, record, ..value })
    }

    /// Whether stored bytes are native-endian values as they lie.
    pub(super) fn is_raw(&self) -> bool {
        self.text.is_none() && !self.swap && self.fills_record()
    }

    fn fills_record(&self) -> bool {
        self.size * self.values == self.record
    }

    /// Records as native-endian values, one after the other. For numbers and flags.
    pub(super) fn convert(&self, mut records: Vec<u8>) -> Vec<u8> {
        if !self.fills_record() {
            let width = self.size * self.values;
            let mut values = Vec::with_capacity(records.len() / self.record * width);
            for record in records.chunks_exact(self.record) {
                values.extend_from_slice(&record[self.offset..self.offset + width]);
            }
            records = values;
        }
        if self.swap {
            match self.size {
                2 => records.as_chunks_mut::<2>().0.iter_mut().for_each(|value| value.reverse()),
                4 => records.as_chunks_mut::<4>().0.iter_mut().for_each(|value| value.reverse()),
                _ => records.as_chunks_mut::<8>().0.iter_mut().for_each(|value| value.reverse()),
            }
        }
        records
    }

    /// The stored bytes of the value of one record.
    pub(super) fn slot<'a>(&self, record: &'a [u8]) -> &'a [u8] {
        &record[self.offset..self.offset + self.size]
    }
}

/// The type as people would name it.
pub(super) fn type_name(datatype: &Datatype) -> String {
    Element::parse(datatype).map_or_else(|name| name, |element| element.dtype.name().into())
}

/// Name of a type that has no counterpart here.
fn unread(datatype: &Datatype) -> String {
    match datatype {
        Datatype::FixedPoint { size, .. } => format!("int{}", u32::from(*size) * 8),
        Datatype::FloatingPoint { size, .. } => format!("float{}", u32::from(*size) * 8),
        Datatype::String { .. } => "string".into(),
        Datatype::Compound { fields, .. } => format!("compound of {} fields", fields.len()),
        Datatype::Array { base, dims } => {
            format!("{} of {}", type_name(base), dims.iter().map(u64::to_string).collect::<Vec<_>>().join("x"))
        }
        Datatype::Enum { base, .. } => format!("enum of {}", type_name(base)),
        Datatype::VarLen { base, .. } => format!("list of {}", type_name(base)),
        Datatype::Opaque { .. } => "opaque".into(),
        Datatype::Reference { .. } => "reference".into(),
        Datatype::Bitfield { .. } => "bitfield".into(),
    }
}

/// Checks the parts of a number's type message that the parser leaves out: that every bit of it counts and that floats are
/// IEEE's, so that no bfloat16 is read as a half. `message` is the stored type; classes that are no numbers pass.
pub(super) fn check_number(message: &[u8]) -> Result<(), String> {
    let &[class, _, _, _, s0, s1, s2, s3, ref rest @ ..] = message else { return Err("is cut short".into()) };
    let size = u32::from_le_bytes([s0, s1, s2, s3]);
    let offset_and_bits = |rest: &[u8]| {
        Some((u16::from_le_bytes([*rest.first()?, *rest.get(1)?]), u16::from_le_bytes([*rest.get(2)?, *rest.get(3)?])))
    };
    if class & 0x0f > 1 {
        return Ok(());
    }
    let (offset, bits) = offset_and_bits(rest).ok_or("is cut short")?;
    if offset != 0 || u32::from(bits) != size * 8 {
        return Err(format!("uses {bits} bits from bit {offset} of {size} bytes"));
    }
    if class & 0x0f == 1 {
        let found = rest.get(4..8).ok_or("is cut short")?;
        let ieee: [u8; 4] = match size {
            2 => [10, 5, 0, 10],
            4 => [23, 8, 0, 23],
            _ => [52, 11, 0, 52],
        };
        if found != ieee {
            return Err(format!("is a float of {size} bytes that is not IEEE 754's"));
        }
    }
    Ok(())
}
