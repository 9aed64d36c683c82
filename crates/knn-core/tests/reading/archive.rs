//! A zip archive written byte by byte, so that any field of it can lie.

use std::io::Write;
use std::path::Path;

/// A member and what the directory says of it.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    /// External attributes.
    pub(crate) attributes: u32,
    /// Where they lie, instead of what is true.
    pub(crate) packed: Option<u64>,
    pub(crate) len: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) crc: Option<u32>,
    /// Sizes and offset in an extra field of 64 bits.
    pub(crate) wide: bool,
}

/// The record at the end, where it lies.
#[derive(Debug, Clone, Default)]
pub(crate) struct End {
    pub(crate) members: Option<u64>,
    pub(crate) size: Option<u64>,
    pub(crate) start: Option<u64>,
    pub(crate) disk: u16,
    /// With a zip64 record before it.
    pub(crate) wide: bool,
    /// Where the locator says that record lies.
    pub(crate) wide_at: Option<u64>,
}

pub(crate) fn member(name: &str, bytes: &[u8]) -> Member {
    Member {
        name: name.into(),
        bytes: bytes.to_vec(),
        method: 0,
        flags: 0,
        attributes: 0,
        packed: None,
        len: None,
        offset: None,
        crc: None,
        wide: false,
    }
}

pub(crate) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The archive of these members.
pub(crate) fn archive(members: &[Member], end: &End) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let stored = if member.method == 8 { deflate(&member.bytes) } else { member.bytes.clone() };
        let offset = member.offset.unwrap_or(out.len() as u64);
        let packed = member.packed.unwrap_or(stored.len() as u64);
        let len = member.len.unwrap_or(member.bytes.len() as u64);
        let crc = member.crc.unwrap_or_else(|| crc(&member.bytes));
        let narrow = |value: u64| if member.wide { u32::MAX } else { value as u32 };
        let name = member.name.as_bytes();
        let mut common = Vec::new();
        common.extend(member.flags.to_le_bytes());
        common.extend(member.method.to_le_bytes());
        common.extend([0; 4]);
        common.extend(crc.to_le_bytes());
        common.extend(narrow(packed).to_le_bytes());
        common.extend(narrow(len).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        out.extend(b"PK\x03\x04\x14\x00");
        out.extend(&common);
        out.extend([0, 0]);
        out.extend(name);
        out.extend(&stored);
        let mut extra = Vec::new();
        if member.wide {
            extra.extend([1, 0, 24, 0]);
            extra.extend([len, packed, offset].iter().flat_map(|value| value.to_le_bytes()));
        }
        directory.extend(b"PK\x01\x02\x14\x03\x14\x00");
        directory.extend(&common);
        directory.extend((extra.len() as u16).to_le_bytes());
        directory.extend([0; 6]);
        directory.extend(member.attributes.to_le_bytes());
        directory.extend(narrow(offset).to_le_bytes());
        directory.extend(name);
        directory.extend(&extra);
    }
    let (start, size) = (end.start.unwrap_or(out.len() as u64), end.size.unwrap_or(directory.len() as u64));
    let count = end.members.unwrap_or(members.len() as u64);
    out.extend(directory);
    if end.wide {
        let at = end.wide_at.unwrap_or(out.len() as u64);
        out.extend(b"PK\x06\x06");
        out.extend(44u64.to_le_bytes());
        out.extend([45, 0, 45, 0]);
        out.extend([0; 8]);
        out.extend([count, count, size, start].iter().flat_map(|value| value.to_le_bytes()));
        out.extend(b"PK\x06\x07");
        out.extend([0; 4]);
        out.extend(at.to_le_bytes());
        out.extend([1, 0, 0, 0]);
    }
    out.extend(b"PK\x05\x06");
    out.extend(end.disk.to_le_bytes());
    out.extend(end.disk.to_le_bytes());
    let (count, size, start) =
        if end.wide { (u16::MAX, u32::MAX, u32::MAX) } else { (count as u16, size as u32, start as u32) };
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// Every file below a folder as a member.
pub(crate) fn packed(folder: &Path, prefix: &str) -> Vec<Member> {
    let mut members = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
                members.push(member(&format!("{prefix}{name}"), &std::fs::read(&path).unwrap()));
            }
        }
    }
    members.sort_by(|left, right| left.name.cmp(&right.name));
    members
}
