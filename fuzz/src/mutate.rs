//! Changes to an input that keep its form, so that they reach what lies behind the first check: values of JSON become hostile
//! ones, fields of binary formats their extremes, and checksums are made right again. Half of the time the fuzzer's own
//! changes of bytes are made, inside one file of a bundle.

use serde_json::{Map, Number, Value, json};

use super::bundle::{Files, decoded, encoded};
use super::seal;
use super::target::Target;

/// Numbers that programs get wrong.
const NUMBERS: [u64; 22] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    64,
    255,
    256,
    65_535,
    1 << 16,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 40,
    1 << 60,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];
/// Words that readers look for, and some that they should not meet.
const WORDS: &str = "\
    zarr_format node_type shape data_type chunk_grid chunk_key_encoding codecs fill_value attributes \
    dtype chunks compressor filters order dimension_separator configuration name chunk_shape separator \
    index_codecs index_location storage_transformers dimension_names consolidated_metadata encoding-type \
    encoding-version _index column-order ordered categories codes h5sparse_format h5sparse_shape array \
    group regular default v2 bytes transpose zstd gzip blosc crc32c sharding_indexed vlen-utf8 vlen_utf8 \
    zlib lz4 shuffle delta fixedscaleoffset cname clevel typesize blocksize level checksum endian little \
    big start end C F <f4 >f8 |O |S5 <U3 |b1 <i8 <M8[ns] float32 float64 int8 uint64 bool string NaN \
    -Infinity 0x7fc00000 anndata dataframe csr_matrix csc_matrix categorical string-array \
    nullable-integer nullable-boolean nullable-string-array dict null .. obs/../X /";

/// Numbers that look random (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn word(&mut self) -> &'static str {
        let number = self.below(WORDS.split(' ').count());
        WORDS.split(' ').nth(number).unwrap_or_default()
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

/// Changes bytes without knowing what they mean: a buffer, how much of it is used, and how much may be; returns how much is.
pub(crate) type Plain = fn(&mut [u8], usize, usize) -> usize;

/// Changes the first `size` bytes of `data`, which may become as many as it has; returns how many there are.
pub(crate) fn mutate(target: Target, data: &mut [u8], size: usize, seed: u32, plain: Plain) -> usize {
    let mut random = Random(u64::from(seed));
    let changed = if target.is_bundle() {
        let mut files = decoded(&data[..size]);
        for _ in 0..=random.below(3) {
            change_files(&mut files, &mut random, plain);
        }
        if random.below(8) > 0 {
            seal::files(target, &mut files);
        }
        encoded(&files)
    } else {
        let mut bytes = data[..size].to_vec();
        for _ in 0..=random.below(3) {
            change_bytes(&mut bytes, data.len(), &mut random, plain);
        }
        if random.below(8) > 0 {
            seal::bytes(target, &mut bytes);
        }
        bytes
    };
    let length = changed.len().min(data.len());
    data[..length].copy_from_slice(&changed[..length]);
    length
}

fn change_files(files: &mut Files, random: &mut Random, plain: Plain) {
    if files.is_empty() {
        return files
            .push(("zarr.json".into(), b"{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":{}}".to_vec()));
    }
    let (at, other) = (random.below(files.len()), random.below(files.len()));
    match random.below(24) {
        0 => drop(files.remove(at)),
        1 => files[at].1 = files[other].1.clone(),
        2 => {
            let copy = (files[other].0.clone(), files[at].1.clone());
            files.push(copy);
        }
        3 => {
            let (folder, last) =
                files[at].0.rsplit_once('/').map_or(("", &*files[at].0), |(folder, last)| (folder, last));
            let (_, new) = files[other].0.rsplit_once('/').unwrap_or(("", &files[other].0));
            files[at].0 = match random.below(3) {
                0 => format!("{folder}/{new}"),
                1 => format!("{folder}/{}/{last}", random.word()),
                _ => files[at].0.replace('0', "1"),
            };
        }
        _ => match serde_json::from_slice::<Value>(&files[at].1) {
            Ok(mut value) if random.below(8) > 0 => {
                let elsewhere = serde_json::from_slice(&files[other].1).unwrap_or(Value::Null);
                for _ in 0..=random.below(3) {
                    change_value(&mut value, &elsewhere, random);
                }
                files[at].1 = serde_json::to_vec(&value).unwrap_or_default();
            }
            _ => change_bytes(&mut files[at].1, usize::from(u16::MAX), random, plain),
        },
    }
}

/// The nodes of a document, itself included.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(count).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// The node of a document with this number, in the order of reading.
fn node<'v>(value: &'v mut Value, number: &mut usize) -> Option<&'v mut Value> {
    if *number == 0 {
        return Some(value);
    }
    *number -= 1;
    match value {
        Value::Array(values) => values.iter_mut().find_map(|value| node(value, number)),
        Value::Object(members) => members.values_mut().find_map(|value| node(value, number)),
        _ => None,
    }
}

fn change_value(document: &mut Value, elsewhere: &Value, random: &mut Random) {
    let mut number = random.below(count(document));
    let copied = node(&mut elsewhere.clone(), &mut random.below(count(elsewhere))).cloned().unwrap_or_default();
    let Some(found) = node(document, &mut number) else { return };
    match (random.below(6), &mut *found) {
        (0, _) => *found = copied,
        (1, _) | (_, Value::Null) => *found = any_value(random),
        (_, Value::Number(number)) => *found = hostile_number(number, random),
        (_, Value::String(_)) => *found = json!(random.word()),
        (_, Value::Bool(value)) => *value = !*value,
        (_, Value::Array(values)) => {
            let at = random.below(values.len() + 1);
            match random.below(4) {
                0 if at < values.len() => drop(values.remove(at)),
                1 if at < values.len() => values.push(values[at].clone()),
                2 => values.truncate(at),
                _ => values.insert(at, copied),
            }
        }
        (_, Value::Object(members)) => change_members(members, copied, random),
    }
}

fn change_members(members: &mut Map<String, Value>, copied: Value, random: &mut Random) {
    let key = members.keys().nth(random.below(members.len())).cloned();
    match (random.below(3), key) {
        (0, Some(key)) => drop(members.remove(&key)),
        (1, Some(key)) => {
            let value = members.remove(&key).unwrap_or_default();
            members.insert(random.word().into(), value);
        }
        _ => drop(members.insert(random.word().into(), copied)),
    }
}

fn any_value(random: &mut Random) -> Value {
    match random.below(8) {
        0 => Value::Null,
        1 => json!([]),
        2 => json!({}),
        3 => json!(true),
        4 => json!(random.word()),
        5 => json!(-1),
        6 => json!([random.one_of(&NUMBERS), random.one_of(&NUMBERS)]),
        _ => json!(random.one_of(&NUMBERS)),
    }
}

fn hostile_number(number: &Number, random: &mut Random) -> Value {
    let whole = number.as_i64().unwrap_or(0);
    match random.below(8) {
        0 => json!(whole.wrapping_add(1)),
        1 => json!(whole.wrapping_sub(1)),
        2 => json!(whole.wrapping_mul(2)),
        3 => json!(-1),
        4 => json!(1e300),
        5 => json!(0.5),
        _ => json!(random.one_of(&NUMBERS)),
    }
}

fn change_bytes(bytes: &mut Vec<u8>, most: usize, random: &mut Random, plain: Plain) {
    let length = bytes.len();
    if length < 8 || random.below(2) == 0 {
        bytes.resize((length + 64).clamp(64, most.max(64)), 0);
        let (used, room) = (length.min(bytes.len()), bytes.len());
        let changed = plain(bytes, used, room);
        return bytes.truncate(changed);
    }
    let at = random.below(length - 8) / 4 * 4 + if random.below(4) == 0 { random.below(4) } else { 0 };
    let at = at.min(length - 8);
    let word: [u8; 8] = bytes[at..at + 8].try_into().unwrap_or_default();
    let (old, new) = (u64::from_le_bytes(word), random.one_of(&NUMBERS));
    match random.below(9) {
        0 => bytes[at] = new as u8,
        1 => bytes[at..at + 2].copy_from_slice(&(new as u16).to_le_bytes()),
        2 => bytes[at..at + 4].copy_from_slice(&(new as u32).to_le_bytes()),
        3 => bytes[at..at + 4].copy_from_slice(&(new as u32).to_be_bytes()),
        4 => bytes[at..at + 8].copy_from_slice(&new.to_le_bytes()),
        5 => bytes[at..at + 8].copy_from_slice(&old.wrapping_add(new).to_le_bytes()),
        6 => bytes[at..at + 8].copy_from_slice(&old.wrapping_sub(1).to_le_bytes()),
        7 => bytes[at] ^= 1 << random.below(8),
        _ => {
            // A piece of the file in another place: offsets that meet, blocks that contain themselves.
            let (from, span) = (random.below(length - 8), 8 + random.below(120));
            let span = span.min(length - from.max(at));
            bytes.copy_within(from..from + span, at);
        }
    }
}
