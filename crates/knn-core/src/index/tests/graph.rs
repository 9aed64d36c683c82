//! The graph that an index keeps: what was put in is read, at every moment the index is whole, and what cannot be is refused.

use super::*;
use crate::index::{GraphKeeper, KeptBlock, Manifest};

/// Links of a row, some of them none.
fn links_of(row: u64, rows: u64, neighbors: u64) -> Vec<i64> {
    let known = if row.is_multiple_of(9) { row % (neighbors + 1) } else { neighbors };
    (0..neighbors).map(|place| if place < known { ((row * 7919 + place * 13) % rows) as i64 } else { -1 }).collect()
}

/// Keeps such a graph in a sealed index.
pub(super) fn keep(vfs: &Arc<dyn Vfs>, path: &Path, sealed: &Manifest, neighbors: u32) -> Result<Manifest> {
    let mut keeper = GraphKeeper::begin(vfs, path, sealed, neighbors)?;
    // In pieces that fit no block.
    for first in (0..sealed.rows).step_by(1000) {
        let rows = first..(first + 1000).min(sealed.rows);
        let ids: Vec<i64> = rows.flat_map(|row| links_of(row, sealed.rows, neighbors.into())).collect();
        keeper.push(&ids)?;
    }
    keeper.end()
}

/// The graph that an index has, read block by block.
pub(super) fn links(index: &IvfIndex) -> Result<Vec<i64>> {
    let graph = index.graph().expect("a graph that was kept");
    let (mut all, mut block) = (Vec::new(), KeptBlock::default());
    for number in 0..graph.blocks() {
        graph.read(number, &mut block)?;
        assert_eq!(block.first_row * graph.neighbors() as u64, all.len() as u64);
        all.extend_from_slice(&block.ids);
    }
    Ok(all)
}

pub(super) fn quick() -> Arc<dyn Vfs> {
    Arc::new(FailingVfs::after(i64::MAX))
}

fn keeping(neighbors: u32) -> How {
    How { spec: IndexSpec { nlist: Some(16), keep: Some(neighbors), ..IndexSpec::default() }, ..How::default() }
}

#[test]
fn a_graph_is_kept_at_one_moment_and_a_build_that_goes_on_finds_it() {
    let (values, folder) = (even(9000, 3), tempfile::tempdir().unwrap());
    let path = folder.path().join("x.gmx");
    let without = keeping(5).build(&path, &values, 3).unwrap().manifest;
    let before = files(&path);
    assert_eq!((without.version, without.graph), (1, None));
    let whole = folder.path().join("whole.gmx");
    append::copy(&path, &whole);
    let with = keep(&quick(), &whole, &without, 5).unwrap();
    let after = files(&whole);
    assert_eq!((with.version, with.graph.map(|graph| graph.neighbors)), (4, Some(5)));
    assert_ne!(with.run, without.run);
    let expected: Vec<i64> = (0..9000).flat_map(|row| links_of(row, 9000, 5)).collect();
    assert_eq!(links(&open(&whole, Io::Pread).unwrap()).unwrap(), expected);
    open(&whole, Io::Pread).unwrap().verify(&Progress::silent()).unwrap();
    check_rows(&whole, &values, 3);
    let mut kept = [0, 0];
    for calls in 0.. {
        let to = folder.path().join(format!("to{calls}.gmx"));
        append::copy(&path, &to);
        let failing: Arc<dyn Vfs> = Arc::new(FailingVfs::after(calls));
        let ended = keep(&failing, &to, &without, 5);
        let _ = std::fs::remove_file(folder.path().join(format!("to{calls}.gmx.lock")));
        let found = open(&to, Io::Pread).unwrap();
        found.verify(&Progress::silent()).unwrap();
        let has = found.graph().is_some();
        kept[usize::from(has)] += 1;
        drop(found);
        // Whoever goes on with the build is told which of the two it is.
        let report = How { start: Start::Resume, ..keeping(5) }.build(&to, &values, 3).unwrap();
        assert!(report.found && report.manifest.graph.is_some() == has, "after {calls} calls");
        if !has {
            assert!(before.iter().all(|(name, bytes)| files(&to)[name] == *bytes), "after {calls} calls");
            assert_eq!(keep(&quick(), &to, &report.manifest, 5).unwrap(), with);
        }
        assert!(files(&to) == after, "after {calls} calls");
        if let Err(error) = ended {
            assert_eq!(error.code(), "GM_IO", "after {calls} calls: {error}");
        } else {
            break;
        }
    }
    assert!(kept[0] > 5 && kept[1] > 0, "{kept:?}");
}

#[test]
fn a_graph_of_another_index_or_another_number_is_refused() {
    let (values, folder) = (even(900, 3), tempfile::tempdir().unwrap());
    let path = folder.path().join("x.gmx");
    let code = |result: Result<BuildReport>| result.unwrap_err().code();
    let without = keeping(5).build(&path, &values, 3).unwrap().manifest;
    for (neighbors, expected) in [(0, "GM_PARAM"), (65, "GM_PARAM")] {
        assert_eq!(keep(&quick(), &path, &without, neighbors).unwrap_err().code(), expected);
        let other = folder.path().join("other.gmx");
        assert_eq!(code(keeping(neighbors).build(&other, &values, 3)), expected);
    }
    let mut none = keeping(5);
    (none.spec.dtype, none.spec.codes) = (ListType::None, true);
    assert_eq!(code(none.build(&folder.path().join("none.gmx"), &values, 3)), "GM_PARAM");
    // Too few rows.
    let keeper = GraphKeeper::begin(&quick(), &path, &without, 5).unwrap();
    assert_eq!(keeper.end().unwrap_err().code(), "GM_INTERNAL");
    assert!(open(&path, Io::Pread).unwrap().graph().is_none());

    let with = keep(&quick(), &path, &without, 5).unwrap();
    assert_eq!(keep(&quick(), &path, &without, 5).unwrap_err().code(), "GM_STALE");
    assert_eq!(keep(&quick(), &path, &with, 5).unwrap_err().code(), "GM_STALE");
    let resumed = |how: How| How { start: Start::Resume, ..how }.build(&path, &values, 3);
    assert!(resumed(keeping(5)).unwrap().found);
    assert_eq!(code(resumed(keeping(6))), "GM_STALE");
    assert_eq!(code(resumed(How::of_lists(16))), "GM_STALE");
    let before = files(&path);
    let error = How::default().append(&path, &even(950, 3), 3).unwrap_err();
    assert!(matches!(&error, crate::error::Error::Unsupported { remedy, .. } if remedy.contains("again")), "{error}");
    assert!(files(&path) == before);
    // What is built again without a graph has none, and the bytes that it always had.
    let again = How { start: Start::Overwrite, ..How::of_lists(16) };
    assert_eq!(again.build(&path, &values, 3).unwrap().manifest, without);
    assert!(!files(&path).contains_key("graph.bin"));
}
