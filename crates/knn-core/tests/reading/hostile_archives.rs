//! Hostile zip archives: directories that lie, names that climb, members that explode.

use std::path::PathBuf;

use super::archive::{End, Member, archive, deflate, member, packed};
use super::hostile_version2::cells;
use super::refusal::{accepted, refused};

/// The members of a good store.
fn members() -> Vec<Member> {
    let folder = tempfile::tempdir().unwrap();
    cells(folder.path());
    packed(folder.path(), "")
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells.zarr.zip");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[track_caller]
fn is_refused(case: &str, bytes: &[u8], code: &str, field: &str) {
    let (_folder, path) = written(bytes);
    refused(case, &path, "X_pca", code, field);
}

/// The place of the only chunk of `obsm/X_pca`.
fn chunk(members: &[Member]) -> usize {
    members.iter().position(|member| member.name == "obsm/X_pca/0.0").unwrap()
}

#[test]
fn the_archive_that_is_damaged_here_is_read() {
    for method in [0, 8] {
        let mut members = members();
        for member in &mut members {
            member.method = method;
        }
        // Newer attributes behind older ones are how zarr's own store writes.
        members.insert(0, member(".zattrs", b"{\"encoding-type\": \"old\"}"));
        members.push(member("obs/", b""));
        let (_folder, path) = written(&archive(&members, &End::default()));
        accepted(&path, "X_pca");
    }
}

#[test]
fn names_that_leave_the_store_are_refused() {
    let long = "x".repeat(2000);
    for name in ["../outside", "obs/../../outside", "/etc/passwd", "obs//x", "obs/./x", "C:\\x", "a\0b", "", &long] {
        let mut members = members();
        members.push(member(name, b"x"));
        is_refused(name, &archive(&members, &End::default()), "GM_CORRUPT", "member");
    }
    let mut link = member("obs/link", b"/etc/passwd");
    link.attributes = 0o120_777 << 16;
    is_refused("link", &archive(&[members(), vec![link]].concat(), &End::default()), "GM_CORRUPT", "obs/link");
    let twice = [members(), vec![member("obsm/X_pca/0.0", &[0; 64])]].concat();
    is_refused("a chunk twice", &archive(&twice, &End::default()), "GM_CORRUPT", "obsm/X_pca/0.0");
}

#[test]
fn members_that_lie_are_refused() {
    type Lie = fn(&mut Member);
    let cases: [(&str, &str, &str, Lie); 13] = [
        ("offset outside", "GM_CORRUPT", "0.0", |m| m.offset = Some(0x7fff_ffff)),
        ("offset inside another", "GM_CORRUPT", "central directory", |m| m.offset = Some(10)),
        ("wide offset outside", "GM_CORRUPT", "0.0", |m| (m.wide, m.offset) = (true, Some(u64::MAX - 4))),
        ("packed size outside", "GM_CORRUPT", "0.0", |m| m.packed = Some(0x7fff_ffff)),
        ("wide packed size", "GM_CORRUPT", "0.0", |m| (m.wide, m.packed) = (true, Some(1 << 60))),
        ("stored but other sizes", "GM_CORRUPT", "0.0", |m| m.len = Some(65)),
        ("denser than deflate", "GM_CORRUPT", "0.0", |m| (m.method, m.len) = (8, Some(1 << 31))),
        ("wide and denser", "GM_CORRUPT", "0.0", |m| (m.method, m.wide, m.len) = (8, true, Some(1 << 40))),
        ("longer than it says", "GM_CORRUPT", "inner chunk", |m| (m.method, m.len) = (8, Some(63))),
        ("shorter than it says", "GM_CORRUPT", "0.0", |m| {
            (m.method, m.len) = (8, Some(64));
            m.bytes.truncate(40);
        }),
        ("another crc", "GM_CORRUPT", "0.0", |m| m.crc = Some(7)),
        ("encrypted", "GM_UNSUPPORTED", "0.0", |m| m.flags = 1),
        ("bzip2", "GM_UNSUPPORTED", "method 12", |m| m.method = 12),
    ];
    for (case, code, field, lie) in cases {
        let mut members = members();
        let at = chunk(&members);
        lie(&mut members[at]);
        is_refused(case, &archive(&members, &End::default()), code, field);
    }
}

#[test]
fn ends_that_lie_are_refused() {
    let good = members();
    let end = |change: fn(&mut End)| {
        let mut end = End::default();
        change(&mut end);
        archive(&good, &end)
    };
    let directory = "central directory";
    let cases: [(&str, &str, &str, Vec<u8>); 13] = [
        ("more members", "GM_CORRUPT", directory, end(|e| e.members = Some(60_000))),
        ("one member more", "GM_CORRUPT", directory, {
            let count = good.len() as u64 + 1;
            archive(&good, &End { members: Some(count), ..End::default() })
        }),
        ("fewer members", "GM_CORRUPT", directory, end(|e| e.members = Some(1))),
        ("start outside", "GM_CORRUPT", directory, end(|e| e.start = Some(0x7fff_ffff))),
        ("size outside", "GM_CORRUPT", directory, end(|e| e.size = Some(0x7fff_ffff))),
        ("start elsewhere", "GM_CORRUPT", directory, end(|e| e.start = Some(7))),
        ("wide, 2^60 members", "GM_UNSUPPORTED", "members", end(|e| (e.wide, e.members) = (true, Some(1 << 60)))),
        ("wide, 2^18 members", "GM_CORRUPT", directory, end(|e| (e.wide, e.members) = (true, Some(1 << 18)))),
        ("wide, size 2^63", "GM_CORRUPT", directory, end(|e| (e.wide, e.size) = (true, Some(1 << 63)))),
        ("wide, record outside", "GM_CORRUPT", "zip64", end(|e| (e.wide, e.wide_at) = (true, Some(u64::MAX - 8)))),
        ("wide, record elsewhere", "GM_CORRUPT", "zip64", end(|e| (e.wide, e.wide_at) = (true, Some(3)))),
        ("several disks", "GM_UNSUPPORTED", "disks", end(|e| e.disk = 1)),
        ("truncated", "GM_CORRUPT", "end of central directory", {
            let mut bytes = end(|_| {});
            bytes.truncate(bytes.len() - 30);
            bytes
        }),
    ];
    for (case, code, field, bytes) in cases {
        is_refused(case, &bytes, code, field);
    }
    is_refused("nothing but a signature", b"PK\x03\x04", "GM_CORRUPT", "end of central directory");
    is_refused("no zip at all", b"hello", "GM_UNSUPPORTED", "neither a zip archive");
    is_refused("empty archive", &archive(&[], &End::default()), "GM_SCHEMA", "zarr.json");
}

#[test]
fn bombs_in_archives_are_refused_before_they_are_inflated() {
    // 64 MiB of zeros where a chunk has 64 bytes; as metadata; and packed twice.
    let zeros = vec![0u8; 64 << 20];
    let mut members_with_bomb = members();
    let at = chunk(&members_with_bomb);
    members_with_bomb[at].method = 8;
    members_with_bomb[at].bytes = zeros.clone();
    is_refused("chunk", &archive(&members_with_bomb, &End::default()), "GM_CORRUPT", "inner chunk");
    let spaces = Member { method: 8, ..member("obsm/X_pca/.zarray", &vec![b' '; (64 << 20) + 1]) };
    let mut with_metadata: Vec<Member> = members().into_iter().filter(|m| m.name != "obsm/X_pca/.zarray").collect();
    with_metadata.push(spaces);
    is_refused("metadata", &archive(&with_metadata, &End::default()), "GM_SCHEMA", ".zarray");
    let mut twice = members();
    twice[at].method = 8;
    twice[at].bytes = deflate(&zeros);
    is_refused("twice", &archive(&twice, &End::default()), "GM_CORRUPT", "inner chunk");
}
