//! Makes the checksums of a changed input right again, where its format has them: without, nearly every change would end
//! at a checksum, and nothing behind it would be tried.

use gigamapper_core::store::hash_bytes;
use serde_json::{Value, json};

use super::bundle::Files;
use super::target::Target;

/// Between the last member of a manifest and its checksum, and behind that.
const SEAL: &str = ",\n  \"xxh3\": \"";
const END: &str = "\"\n}\n";

/// Checksums of a bundle: of shard indexes, and of the manifest of an index and of its files.
pub(crate) fn files(target: Target, files: &mut Files) {
    match target {
        Target::Shard => shards(files),
        Target::Gmx => {
            lists(files);
            manifest(files);
        }
        _ => {}
    }
}

/// Checksums of a single file: those of HDF5 and of zip.
pub(crate) fn bytes(target: Target, bytes: &mut [u8]) {
    match target {
        Target::H5ad => hdf5(bytes),
        Target::Zip => zip(bytes),
        _ => {}
    }
}

/// Chunks of a shard of the array with this metadata; with a checksum if there are any.
fn slots(metadata: &Value) -> Option<usize> {
    let extents = |value: &Value| -> Option<Vec<u64>> { value.as_array()?.iter().map(Value::as_u64).collect() };
    let shard = extents(metadata.pointer("/chunk_grid/configuration/chunk_shape")?)?;
    let codec = metadata.get("codecs")?.as_array()?.iter().find(|codec| codec["name"] == "sharding_indexed")?;
    let inner = extents(codec.pointer("/configuration/chunk_shape")?)?;
    let ratio = |(shard, inner): (&u64, &u64)| shard.checked_div(*inner);
    let slots = shard.iter().zip(&inner).map(ratio).try_fold(1u64, |slots, ratio| slots.checked_mul(ratio?))?;
    usize::try_from(slots).ok().filter(|&slots| slots < 4096)
}

fn shards(files: &mut Files) {
    let described: Vec<(String, usize)> = files
        .iter()
        .filter_map(|(name, text)| {
            let folder = name.strip_suffix("zarr.json")?;
            Some((format!("{folder}c/"), slots(&serde_json::from_slice(text).ok()?)?))
        })
        .collect();
    for (name, bytes) in files {
        let Some((_, slots)) = described.iter().find(|(folder, _)| name.starts_with(folder)) else { continue };
        // The index may stand at either end; where it does not, four bytes of a chunk are changed.
        let Some(start) = bytes.len().checked_sub(16 * slots + 4) else { continue };
        let end = bytes.len() - 4;
        let sum = crc32c::crc32c(&bytes[start..end]);
        bytes[end..].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Checksums of lists, which stand in `offsets.bin`, and those of their codes, which stand behind them. As the document of
/// the format says: a list of r rows of d numbers, filled up to 8 bytes, and as many row numbers.
fn lists(files: &mut Files) {
    let bytes = |name: &str| files.iter().find(|(known, _)| known == name).map(|(_, bytes)| bytes.clone());
    let (Some(text), Some(lists), Some(offsets)) = (bytes("manifest.json"), bytes("lists.bin"), bytes("offsets.bin"))
    else {
        return;
    };
    let Ok(manifest) = serde_json::from_slice::<Value>(&text) else { return };
    // No list of an input is longer than the input.
    let number = |name: &str| manifest.pointer(name).and_then(Value::as_u64).unwrap_or(0) as usize % (1 << 20);
    let width = match manifest["dtype"].as_str() {
        Some("f32") => 4,
        Some("f16") => 2,
        _ => 0,
    };
    let (mut sealed, mut codes, mut next) = (offsets, bytes("codes.bin"), 0usize);
    for place in sealed.get_mut(16..).unwrap_or_default().as_chunks_mut::<24>().0 {
        let word = |at: usize| place[at..at + 8].iter().rev().fold(0, |word, &byte| word << 8 | usize::from(byte));
        let (offset, rows) = (word(0), word(8));
        if rows > 1 << 16 {
            return;
        }
        let length = (rows * number("/dim") * width).next_multiple_of(8) + rows * number("/idWidth");
        if let Some(list) = lists.get(offset..offset.saturating_add(length)) {
            place[16..].copy_from_slice(&u64::from_str_radix(&hash_bytes(list), 16).unwrap_or(0).to_le_bytes());
        }
        let coded = 16 * number("/codes/subSpaces") * rows.div_ceil(32);
        if let Some(codes) = codes.as_mut().filter(|_| rows > 0) {
            if let Some(list) = codes.get(next..next + coded) {
                let sum = u64::from_str_radix(&hash_bytes(list), 16).unwrap_or(0).to_le_bytes();
                codes.get_mut(next + coded..next + coded + 8).into_iter().for_each(|place| place.copy_from_slice(&sum));
            }
            next = (next + coded + 8).next_multiple_of(64);
        }
    }
    for (name, bytes) in files {
        match (&**name, &mut codes) {
            ("offsets.bin", _) => bytes.clone_from(&sealed),
            ("codes.bin", Some(codes)) => bytes.clone_from(codes),
            _ => {}
        }
    }
}

fn manifest(files: &mut Files) {
    let sums: Vec<(String, usize, String)> =
        files.iter().map(|(name, bytes)| (name.clone(), bytes.len(), hash_bytes(bytes))).collect();
    let Some((_, text)) = files.iter_mut().find(|(name, _)| name == "manifest.json") else { return };
    let Ok(Value::Object(mut members)) = serde_json::from_slice(text) else { return };
    members.remove("xxh3");
    if let Some(Value::Object(records)) = members.get_mut("files") {
        for (name, length, xxh3) in sums {
            if let Some(record) = records.get_mut(&name) {
                *record = json!({ "length": length, "xxh3": xxh3 });
            }
        }
    }
    let body = serde_json::to_string_pretty(&members).unwrap_or_default();
    let body = body.trim_end_matches("\n}");
    *text = format!("{body}{SEAL}{}{END}", hash_bytes(body.as_bytes())).into_bytes();
}

/// Jenkins' lookup3, as HDF5 has it.
fn lookup3(bytes: &[u8]) -> u32 {
    let mut state = [0xdead_beef_u32.wrapping_add(bytes.len() as u32); 3];
    let word = |bytes: &[u8], at: usize| {
        (0..4).fold(0, |word, byte| word | u32::from(bytes.get(at + byte).copied().unwrap_or(0)) << (8 * byte))
    };
    let mut rest = bytes;
    while rest.len() > 12 {
        let [a, b, c] = &mut state;
        (*a, *b, *c) = (a.wrapping_add(word(rest, 0)), b.wrapping_add(word(rest, 4)), c.wrapping_add(word(rest, 8)));
        for (step, turn) in [4, 6, 8, 16, 19, 4].into_iter().enumerate() {
            let (to, from, third) = (step % 3, (step + 2) % 3, (step + 1) % 3);
            state[to] = state[to].wrapping_sub(state[from]) ^ state[from].rotate_left(turn);
            state[from] = state[from].wrapping_add(state[third]);
        }
        rest = &rest[12..];
    }
    if rest.is_empty() {
        return state[2];
    }
    let [mut a, mut b, mut c] = state;
    (a, b, c) = (a.wrapping_add(word(rest, 0)), b.wrapping_add(word(rest, 4)), c.wrapping_add(word(rest, 8)));
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

/// Bytes of an object header before its checksum.
fn header_length(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(5)?;
    let before = 6 + if flags & 0x20 > 0 { 16 } else { 0 } + if flags & 0x10 > 0 { 4 } else { 0 };
    let width = 1usize << (flags & 3);
    let length =
        bytes.get(before..before + width)?.iter().rev().fold(0u64, |length, &byte| length << 8 | u64::from(byte));
    usize::try_from(length).ok()?.checked_add(before + width)
}

fn hdf5(bytes: &mut [u8]) {
    for at in 0..bytes.len().saturating_sub(8) {
        let length = match &bytes[at..at + 4] {
            b"\x89HDF" if bytes.get(at + 8).is_some_and(|version| (2..4).contains(version)) => Some(44),
            b"OHDR" => header_length(&bytes[at..]),
            b"BTHD" => Some(34),
            b"FAHD" => Some(24),
            b"EAHD" => Some(68),
            b"FRHP" => Some(142),
            _ => None,
        };
        let Some(end) = length.and_then(|length| at.checked_add(length)) else { continue };
        if end.checked_add(4).is_some_and(|behind| behind <= bytes.len()) {
            let sum = lookup3(&bytes[at..end]);
            bytes[end..end + 4].copy_from_slice(&sum.to_le_bytes());
        }
    }
}

/// CRC-32 of stored members, in their own header and in the directory's.
fn zip(bytes: &mut [u8]) {
    let number = |bytes: &[u8], at: usize, width: usize| -> Option<usize> {
        Some(bytes.get(at..at + width)?.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    };
    for at in 0..bytes.len().saturating_sub(46) {
        if bytes[at..at + 4] != *b"PK\x01\x02" || number(bytes, at + 10, 2) != Some(0) {
            continue;
        }
        let (Some(length), Some(local)) = (number(bytes, at + 20, 4), number(bytes, at + 42, 4)) else { continue };
        let (Some(name), Some(extra)) = (number(bytes, local + 26, 2), number(bytes, local + 28, 2)) else { continue };
        let start = local + 30 + name + extra;
        let Some(payload) = bytes.get(start..start.saturating_add(length)) else { continue };
        let mut crc = flate2::Crc::new();
        crc.update(payload);
        let crc = crc.sum().to_le_bytes();
        bytes[at + 16..at + 20].copy_from_slice(&crc);
        if let Some(place) = bytes.get_mut(local + 14..local + 18) {
            place.copy_from_slice(&crc);
        }
    }
}
