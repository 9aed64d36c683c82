//! The central directory of a zip archive, as the ZIP specification (APPNOTE 6.3, sections 4.3.12 to 4.3.16 and 4.5.3) lays it out.
//!
//! Read as a stream and checked member by member, so that what is held is what the file's own length justifies. Not read:
//! archives of several disks, encrypted members, methods other than stored and deflate, data in front of the archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use crate::source::key::{is_node_document, is_plain_segment};

/// More members than a store of large chunks has. They and their names, at most a directory of this size, take less than
/// 64 MiB.
const MOST_MEMBERS: u64 = 1 << 18;
const LARGEST_DIRECTORY: u64 = 24 << 20;
/// Longest name of a member.
const LONGEST_NAME: usize = 1024;
/// Bytes of the record that ends an archive, and most of the comment after it.
const END: u64 = 22;
const LONGEST_COMMENT: u64 = 65_535;
/// Bytes of a member's record without its name.
const RECORD: usize = 46;
/// Bytes of the header in front of a member without its name.
pub(super) const LOCAL_HEADER: u64 = 30;
/// Deflate makes no more than this of one byte, and of nothing.
const DENSEST_DEFLATE: u64 = 1032;
const DEFLATE_SLACK: u64 = 64;
/// Type of a symbolic link in the upper half of the external attributes that Unix programs write.
const LINK: u64 = 0o120_000;
const TYPE_MASK: u64 = 0o170_000;

/// A member that can be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// Where its local header lies.
    pub(super) header: u64,
    /// Stored bytes.
    pub(super) packed: u64,
    /// Bytes decompressed.
    pub(super) len: u64,
    pub(super) deflated: bool,
    pub(super) crc: u32,
}

/// What an archive holds.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) members: BTreeMap<String, Member>,
    /// Where the directory begins: members end before it.
    pub(super) start: u64,
}

/// What is wrong with an archive: which part, and why.
#[derive(Debug)]
pub(super) enum Wrong {
    Corrupt { block: String, reason: String },
    Unsupported(String),
    Io(std::io::Error),
}

fn corrupt(block: impl Into<String>, reason: impl Into<String>) -> Wrong {
    Wrong::Corrupt { block: block.into(), reason: reason.into() }
}

fn u16_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 2).map_or(0, |b| u64::from(u16::from_le_bytes([b[0], b[1]])))
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u16_at(bytes, at) | (u16_at(bytes, at + 2) << 16)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u32_at(bytes, at) | (u32_at(bytes, at + 4) << 32)
}

/// Where the directory lies.
struct Place {
    start: u64,
    len: u64,
    members: u64,
}

impl Directory {
    /// Reads the directory of an archive of `len` bytes.
    pub(super) fn read(file: &File, len: u64) -> Result<Self, Wrong> {
        let place = find(file, len)?;
        let mut stream = file;
        stream.seek(SeekFrom::Start(place.start)).map_err(Wrong::Io)?;
        let mut stream = BufReader::with_capacity(64 << 10, stream.take(place.len));
        let mut members = BTreeMap::new();
        let mut spans = Vec::new();
        for number in 0..place.members {
            let (name, member) = read_member(&mut stream, number, place.start)?;
            spans.push((member.header, member.header + LOCAL_HEADER + name.len() as u64 + member.packed));
            if name.ends_with('/') {
                continue;
            }
            // Writers that append put newer attributes behind older ones; a chunk that is there twice is damage.
            if members.contains_key(&name) && !is_node_document(name.rsplit('/').next().unwrap_or_default()) {
                return Err(corrupt(format!("member {name:?}"), "is there twice"));
            }
            members.insert(name, member);
        }
        if stream.read(&mut [0]).map_err(Wrong::Io)? > 0 {
            return Err(corrupt("central directory", "is longer than its members"));
        }
        spans.sort_unstable();
        if let Some(pair) = spans.windows(2).find(|pair| pair[0].1 > pair[1].0) {
            return Err(corrupt("central directory", format!("members overlap at byte {}", pair[1].0)));
        }
        Ok(Self { members, start: place.start })
    }
}

/// Finds the record at the end, and the one of 64 bits before it.
fn find(file: &File, len: u64) -> Result<Place, Wrong> {
    let read = |offset: u64, len: u64| -> Result<Vec<u8>, Wrong> {
        let (mut stream, mut bytes) = (file, vec![0; len as usize]);
        stream.seek(SeekFrom::Start(offset)).and_then(|_| stream.read_exact(&mut bytes)).map_err(Wrong::Io)?;
        Ok(bytes)
    };
    let no_end = || corrupt("end of central directory", "is missing: this is no whole zip archive");
    let tail_len = len.min(END + LONGEST_COMMENT);
    let tail = read(len - tail_len, tail_len)?;
    let last = tail.len().checked_sub(END as usize).ok_or_else(no_end)?;
    let at = (0..=last)
        .rev()
        .find(|&at| {
            tail[at..].starts_with(b"PK\x05\x06") && at + END as usize + u16_at(&tail, at + 20) as usize == tail.len()
        })
        .ok_or_else(no_end)?;
    let end = &tail[at..];
    let end_at = len - tail_len + at as u64;
    let (mut members, mut size, mut start) = (u16_at(end, 10), u32_at(end, 12), u32_at(end, 16));
    let mut disks = [u16_at(end, 4), u16_at(end, 6)];
    let mut limit = end_at;
    if members == 0xffff || size == 0xffff_ffff || start == 0xffff_ffff {
        let block = "zip64 end of central directory";
        let locator = end_at.checked_sub(20).ok_or_else(|| corrupt(block, "is missing"))?;
        let found = read(locator, 20)?;
        if !found.starts_with(b"PK\x06\x07") {
            return Err(corrupt(block, "is missing"));
        }
        let record_at = u64_at(&found, 8);
        if record_at.checked_add(56).is_none_or(|end| end > locator) {
            return Err(corrupt(block, format!("is said to lie at {record_at}, outside the archive")));
        }
        let record = read(record_at, 56)?;
        if !record.starts_with(b"PK\x06\x06") {
            return Err(corrupt(block, "is missing"));
        }
        disks = [u32_at(&record, 16), u32_at(&record, 20)];
        (members, size, start) = (u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48));
        limit = record_at;
    }
    if disks.iter().any(|disk| *disk != 0) {
        return Err(Wrong::Unsupported("an archive of several disks".into()));
    }
    if start.checked_add(size).is_none_or(|end| end > limit) {
        return Err(corrupt("central directory", format!("is said to lie at {start} + {size}, outside the archive")));
    }
    if members > MOST_MEMBERS || size > LARGEST_DIRECTORY {
        return Err(Wrong::Unsupported(format!("an archive of more than {MOST_MEMBERS} members")));
    }
    if members.checked_mul(RECORD as u64).is_none_or(|least| least > size) {
        return Err(corrupt("central directory", format!("{size} bytes cannot hold {members} members")));
    }
    Ok(Place { start, len: size, members })
}

fn read_member(stream: &mut impl Read, number: u64, directory: u64) -> Result<(String, Member), Wrong> {
    let damaged = |reason: &str| corrupt(format!("member {number} of the central directory"), reason);
    let mut read = |len: usize| -> Result<Vec<u8>, Wrong> {
        let mut bytes = vec![0; len];
        match stream.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(damaged("ends too early")),
            Err(error) => Err(Wrong::Io(error)),
        }
    };
    let record = read(RECORD)?;
    if !record.starts_with(b"PK\x01\x02") {
        return Err(damaged("does not begin as one"));
    }
    let name = read(u16_at(&record, 28) as usize)?;
    let extra = read(u16_at(&record, 30) as usize)?;
    read(u16_at(&record, 32) as usize)?;
    let name = String::from_utf8(name).map_err(|_| damaged("has a name that is not UTF-8"))?;
    let block = || format!("member {:?}", name.chars().take(100).collect::<String>());
    let plain = name.strip_suffix('/').unwrap_or(&name).split('/').all(is_plain_segment);
    if !plain || name.len() > LONGEST_NAME {
        return Err(corrupt(block(), "is not a plain name inside the store"));
    }
    if (u32_at(&record, 38) >> 16) & TYPE_MASK == LINK {
        return Err(corrupt(block(), "is a symbolic link"));
    }
    if u16_at(&record, 8) & 1 != 0 {
        return Err(Wrong::Unsupported(format!("{}, which is encrypted,", block())));
    }
    let deflated = match u16_at(&record, 10) {
        0 => false,
        8 => true,
        method => return Err(Wrong::Unsupported(format!("{} of compression method {method}", block()))),
    };
    let (mut packed, mut len, mut header) = (u32_at(&record, 20), u32_at(&record, 24), u32_at(&record, 42));
    wide(&extra, [&mut len, &mut packed, &mut header]).map_err(|reason| corrupt(block(), reason))?;
    let end = header.checked_add(LOCAL_HEADER + name.len() as u64).and_then(|start| start.checked_add(packed));
    if end.is_none_or(|end| end > directory) {
        return Err(corrupt(block(), format!("is said to lie at {header} + {packed}, outside the archive")));
    }
    if !deflated && packed != len {
        return Err(corrupt(block(), format!("is stored in {packed} bytes and not in its {len}")));
    }
    if deflated && len > packed.saturating_mul(DENSEST_DEFLATE).saturating_add(DEFLATE_SLACK) {
        return Err(corrupt(block(), format!("cannot hold {len} bytes in {packed}")));
    }
    Ok((name, Member { header, packed, len, deflated, crc: u32_at(&record, 16) as u32 }))
}

/// Takes from the extra field what does not fit 32 bits, in the order that the specification gives.
fn wide(mut extra: &[u8], fields: [&mut u64; 3]) -> Result<(), &'static str> {
    let mut missing: Vec<&mut u64> = fields.into_iter().filter(|field| **field == 0xffff_ffff).collect();
    if missing.is_empty() {
        return Ok(());
    }
    while extra.len() >= 4 {
        let (id, len) = (u16_at(extra, 0), u16_at(extra, 2) as usize);
        let Some(body) = extra.get(4..4 + len) else { break };
        if id == 1 {
            if body.len() < missing.len() * 8 {
                break;
            }
            missing.iter_mut().enumerate().for_each(|(number, field)| **field = u64_at(body, number * 8));
            return Ok(());
        }
        extra = &extra[4 + len..];
    }
    Err("lacks its 64-bit sizes")
}
