//! The runs of a shuffle under way: a folder with a journal of its own, so that what was interrupted goes on behind the last run.
//!
//! A run holds a work range: what comes from one place in an order of work up to another. Ranges of a stage follow each other without gaps, and
//! where one ends is the caller's choice, so a process with other memory continues what another began. A run counts when a line of the
//! journal says so; its name follows from stage and range, never from the journal. Files that no line speaks of are removed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::buffer::RunBuffer;
use super::layout::RunShape;
use super::merge::{FAN_IN, merge};
use super::reader::Run;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::store::{
    AtomicFile, Header, Journal, Lock, ObjectRecord, PositionedFile, Record, Stage, Vfs, Written, hash_file,
    is_temporary, make_dirs, recover, standing,
};

/// One process works in a folder, so its temporary files need no other name.
const WORKER: &str = "runs";
const JOURNAL: &str = "runs.ndjson";

/// What is committed, and the lock that keeps others out until it is dropped.
pub struct RunLedger {
    vfs: Arc<dyn Vfs>,
    folder: PathBuf,
    journal: Journal,
    records: Vec<Record>,
    _lock: Lock,
}

impl RunLedger {
    /// Begins the runs of `run` in `folder`, or goes on with them if `resume`. What another run has left there is removed; `GM_EXISTS` if
    /// anything there is not a ledger's.
    pub fn open(vfs: &Arc<dyn Vfs>, folder: &Path, run: &str, resume: bool) -> Result<Self> {
        let lock = Lock::take(vfs, &lock_file(folder))?;
        Self::check(&**vfs, folder)?;
        let path = folder.join(JOURNAL);
        let begun = Journal::read(&**vfs, &path)?;
        if !resume || begun.as_ref().is_some_and(|begun| begun.header.run != run) {
            Self::remove(&**vfs, folder)?;
        }
        make_dirs(&**vfs, folder)?;
        let records = Journal::read(&**vfs, &path)?.map_or_else(Vec::new, |begun| begun.records);
        let journal = Journal::open(vfs, &path, WORKER, &Header::new(run, json!({}), json!({})))?;
        let mut ledger =
            Self { vfs: Arc::clone(vfs), folder: folder.to_path_buf(), journal, records: Vec::new(), _lock: lock };
        ledger.recover(records)?;
        Ok(ledger)
    }

    /// `GM_EXISTS` if there is anything in `folder` that is not a ledger's; nothing may be there.
    pub fn check(vfs: &dyn Vfs, folder: &Path) -> Result<()> {
        if !vfs.exists(folder)? {
            return Ok(());
        }
        let ours = |name: &str| name == JOURNAL || name.strip_suffix(".run").is_some() || is_temporary(name);
        if vfs.len(folder)?.is_some() || vfs.list(folder)?.iter().any(|(name, is_folder)| *is_folder || !ours(name)) {
            return Err(Error::Exists {
                path: folder.to_path_buf(),
                reason: "it holds files that are no runs of gigamapper, which would go there".into(),
                remedy: "choose another output or workDir, or remove it yourself".into(),
            });
        }
        Ok(())
    }

    /// Whether anything is left of a shuffle in `folder`, be it the lock of a process that was killed.
    pub fn is_left(vfs: &dyn Vfs, folder: &Path) -> Result<bool> {
        Ok(vfs.exists(folder)? || vfs.exists(&lock_file(folder))?)
    }

    /// Removes the runs in `folder` and the folder; one that is not there is not an error.
    pub fn remove(vfs: &dyn Vfs, folder: &Path) -> Result<()> {
        Self::check(vfs, folder)?;
        if vfs.exists(folder)? { vfs.remove_dir_all(folder) } else { Ok(()) }
    }

    /// Keeps the records whose files are there, as long as the ranges of a stage follow each other, and removes all other files.
    fn recover(&mut self, records: Vec<Record>) -> Result<()> {
        for record in standing(records) {
            let length = self.vfs.len(&self.run(record.stage, record.rows))?;
            let present = record.objects.first().is_some_and(|object| length == Some(object.length));
            if present && record.rows[0] == self.covered(record.stage) && record.rows[0] <= record.rows[1] {
                self.records.push(record);
            }
        }
        let names: BTreeSet<String> = self.records.iter().map(|record| name(record.stage, record.rows)).collect();
        recover(&*self.vfs, &self.folder)?;
        for (name, _) in self.vfs.list(&self.folder)? {
            if name != JOURNAL && !names.contains(&name) {
                self.vfs.remove_file(&self.folder.join(name))?;
            }
        }
        Ok(())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    fn run(&self, stage: Stage, range: [u64; 2]) -> PathBuf {
        self.folder.join(name(stage, range))
    }

    fn of(&self, stage: Stage) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.stage == stage)
    }

    /// How far the ranges of a stage reach: all before this place is in runs.
    pub fn covered(&self, stage: Stage) -> u64 {
        self.of(stage).last().map_or(0, |record| record.rows[1])
    }

    /// What a stage wanted to know again, as its first range has it.
    pub fn extra(&self, stage: Stage) -> Option<&Value> {
        self.of(stage).next().map(|record| &record.extra)
    }

    /// Commits what `buffer` holds as the run of the range from what is covered up to `end`, and empties it.
    pub fn commit(&mut self, stage: Stage, end: u64, buffer: &mut RunBuffer, extra: Value) -> Result<()> {
        let range = [self.covered(stage), end];
        let written = buffer.commit(&self.vfs, &self.run(stage, range), WORKER)?;
        self.enter(stage, range, written, extra)
    }

    fn enter(&mut self, stage: Stage, range: [u64; 2], written: Written, extra: Value) -> Result<()> {
        let objects = vec![ObjectRecord { name: name(stage, range), length: written.length, xxh3: written.xxh3 }];
        let record = Record { stage, unit: range[0], rows: range, objects, extra };
        self.journal.append(&record)?;
        self.records.push(record);
        Ok(())
    }

    /// Commits what `write` writes as the file of a range that begins where others of its stage begin or end. Those that lie within it are gone
    /// then: it stands for them.
    pub fn write(
        &mut self,
        stage: Stage,
        range: [u64; 2],
        extra: Value,
        write: impl FnOnce(&mut AtomicFile) -> Result<()>,
    ) -> Result<()> {
        let mut file = AtomicFile::create(&self.vfs, &self.run(stage, range), WORKER)?;
        write(&mut file)?;
        let written = file.seal()?.publish()?;
        self.vfs.sync_dir(&self.folder)?;
        let within =
            |record: &Record| record.stage == stage && record.rows[0] >= range[0] && record.rows[1] <= range[1];
        let (replaced, kept) = std::mem::take(&mut self.records).into_iter().partition(within);
        let replaced: Vec<Record> = replaced;
        self.records = kept;
        self.enter(stage, range, written, extra)?;
        replaced.iter().try_for_each(|record| self.vfs.remove_file(&self.run(stage, record.rows)))
    }

    /// Opens the file of a range that was committed; `GM_CORRUPT` if it is not what was written.
    pub fn read(&self, stage: Stage, range: [u64; 2]) -> Result<PositionedFile> {
        let path = self.run(stage, range);
        let record = self.of(stage).find(|record| record.rows == range);
        let object = record.and_then(|record| record.objects.first());
        let object = object.ok_or_else(|| Error::internal(format!("{} was not committed", path.display())))?;
        let file = PositionedFile::open(&path)?;
        if file.length() != object.length || hash_file(&*self.vfs, &path)? != object.xxh3 {
            return Err(file.corrupt("", "its checksum is not that of what was written"));
        }
        Ok(file)
    }

    /// The ranges of a stage, in their order.
    pub fn ranges(&self, stage: Stage) -> Vec<[u64; 2]> {
        self.of(stage).map(|record| record.rows).collect()
    }

    /// A file beside the runs that is never committed: what it holds is gone when its process ends.
    pub fn passing(&self, number: u64) -> PathBuf {
        self.folder.join(format!("passing-{number}.run"))
    }

    /// The runs of a stage in the order of their ranges, merged until there are few enough to read side by side.
    pub fn runs(&mut self, stage: Stage, shape: RunShape, progress: &Progress) -> Result<Vec<Run>> {
        loop {
            let ranges: Vec<[u64; 2]> = self.of(stage).map(|record| record.rows).collect();
            let open = |range: &[u64; 2]| Run::open(&self.run(stage, *range), shape);
            if ranges.len() <= FAN_IN {
                return ranges.iter().map(open).collect();
            }
            let (others, of_stage) = std::mem::take(&mut self.records).into_iter().partition(|r| r.stage != stage);
            let before: Vec<Record> = of_stage;
            self.records = others;
            for some in before.chunks(FAN_IN) {
                if let [one] = some {
                    self.records.push(one.clone());
                    continue;
                }
                let range = [some[0].rows[0], some[some.len() - 1].rows[1]];
                let opened = some.iter().map(|record| Run::open(&self.run(stage, record.rows), shape));
                let opened = opened.collect::<Result<Vec<_>>>()?;
                let written = merge(&self.vfs, &opened, shape, &self.run(stage, range), WORKER, progress)?;
                drop(opened);
                self.enter(stage, range, written, some[0].extra.clone())?;
                some.iter().try_for_each(|record| self.vfs.remove_file(&self.run(stage, record.rows)))?;
            }
        }
    }

    /// Removes the runs of a stage: nobody reads them any more.
    pub fn end_stage(&mut self, stage: Stage) -> Result<()> {
        // The last first: whatever stops this on its way leaves ranges that follow each other.
        while let Some(at) = self.records.iter().rposition(|record| record.stage == stage) {
            let record = self.records.remove(at);
            self.vfs.remove_file(&self.run(stage, record.rows))?;
        }
        Ok(())
    }

    /// Removes the folder: the shuffle is done.
    pub fn end(self) -> Result<()> {
        Self::remove(&*self.vfs, &self.folder)
    }
}

/// The lock of a folder, beside it.
fn lock_file(folder: &Path) -> PathBuf {
    folder.with_added_extension("lock")
}

/// The file of a range.
fn name(stage: Stage, range: [u64; 2]) -> String {
    format!("{}-{}-{}.run", stage.name(), range[0], range[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::OsVfs;

    const SHAPE: RunShape = RunShape { keys: 3, width: 1 };

    fn os() -> Arc<dyn Vfs> {
        Arc::new(OsVfs)
    }

    fn open(folder: &Path, run: &str, resume: bool) -> RunLedger {
        RunLedger::open(&os(), folder, run, resume).unwrap()
    }

    /// Commits ranges that end at each of `ends`, with one record of each place.
    fn commit(ledger: &mut RunLedger, stage: Stage, ends: &[u64]) {
        let mut buffer = RunBuffer::new(SHAPE);
        for &end in ends {
            for place in ledger.covered(stage)..end {
                buffer.push((place % 3) as u32, &[place as u8]).unwrap();
            }
            ledger.commit(stage, end, &mut buffer, json!({ "end": end })).unwrap();
        }
    }

    fn records(ledger: &mut RunLedger, stage: Stage) -> Vec<u8> {
        let runs = ledger.runs(stage, SHAPE, &Progress::silent()).unwrap();
        assert!(runs.len() <= FAN_IN);
        let mut all = Vec::new();
        for key in 0..SHAPE.keys {
            runs.iter().try_for_each(|run| run.read(key..key + 1, &mut all)).unwrap();
        }
        all
    }

    fn expected(places: u64) -> Vec<u8> {
        (0..3).flat_map(|key| (key..places).step_by(3).map(|place| place as u8)).collect()
    }

    #[test]
    fn stages_go_on_behind_their_last_range() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("x.runs");
        let mut ledger = open(&folder, "a", true);
        commit(&mut ledger, Stage::Routed, &[4, 9]);
        commit(&mut ledger, Stage::Found, &[5]);
        drop(ledger);
        let mut ledger = open(&folder, "a", true);
        assert_eq!((ledger.covered(Stage::Routed), ledger.covered(Stage::Found)), (9, 5));
        assert_eq!(ledger.extra(Stage::Found), Some(&json!({ "end": 5 })));
        commit(&mut ledger, Stage::Found, &[9]);
        assert_eq!(
            (records(&mut ledger, Stage::Routed), records(&mut ledger, Stage::Found)),
            (expected(9), expected(9))
        );
        ledger.end_stage(Stage::Routed).unwrap();
        assert_eq!(ledger.covered(Stage::Routed), 0);
        drop(ledger);
        let ledger = open(&folder, "a", true);
        assert_eq!((ledger.covered(Stage::Routed), ledger.covered(Stage::Found)), (0, 9));
        ledger.end().unwrap();
        assert!(std::fs::read_dir(temporary.path()).unwrap().next().is_none());
    }

    #[test]
    fn what_another_run_left_is_removed_and_nothing_foreign_is() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("x.runs");
        for (run, resume) in [("a", false), ("b", true), ("c", true), ("c", false)] {
            let mut ledger = open(&folder, run, resume);
            assert_eq!(ledger.covered(Stage::Found), 0, "{run}");
            commit(&mut ledger, Stage::Found, &[3]);
        }
        std::fs::write(folder.join("notes"), "").unwrap();
        assert_eq!(RunLedger::open(&os(), &folder, "c", true).err().unwrap().code(), "GM_EXISTS");
        assert_eq!(RunLedger::remove(&OsVfs, &folder).unwrap_err().code(), "GM_EXISTS");
        assert!(folder.join("notes").exists() && folder.join("find-0-3.run").exists());
    }

    #[test]
    fn a_range_that_is_gone_is_done_again_with_all_behind_it() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("x.runs");
        let mut ledger = open(&folder, "a", true);
        commit(&mut ledger, Stage::Found, &[2, 5, 7]);
        drop(ledger);
        std::fs::remove_file(folder.join("find-2-5.run")).unwrap();
        std::fs::write(folder.join(".find-7-9.run.tmp-runs"), "half").unwrap();
        let mut ledger = open(&folder, "a", true);
        assert_eq!(ledger.covered(Stage::Found), 2);
        assert!(!folder.join("find-5-7.run").exists() && !folder.join(".find-7-9.run.tmp-runs").exists());
        commit(&mut ledger, Stage::Found, &[3, 8]);
        drop(ledger);
        let mut ledger = open(&folder, "a", true);
        assert_eq!((ledger.covered(Stage::Found), records(&mut ledger, Stage::Found)), (8, expected(8)));
    }

    #[test]
    fn a_file_stands_for_those_within_its_range_and_is_what_was_written() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("x.runs");
        let mut ledger = open(&folder, "a", true);
        let write = |ledger: &mut RunLedger, range: [u64; 2]| {
            let bytes = [range[0] as u8, range[1] as u8];
            ledger.write(Stage::Diffused, range, json!({ "wide": 4 }), |file| file.write_all(&bytes)).unwrap();
        };
        for range in [[0, 1], [0, 2], [2, 3], [2, 4]] {
            write(&mut ledger, range);
        }
        std::fs::write(ledger.passing(0), "half").unwrap();
        drop(ledger);
        let mut ledger = open(&folder, "a", true);
        assert_eq!(ledger.ranges(Stage::Diffused), [[0, 2], [2, 4]]);
        assert_eq!((ledger.covered(Stage::Diffused), ledger.extra(Stage::Diffused)), (4, Some(&json!({ "wide": 4 }))));
        write(&mut ledger, [4, 5]);
        let mut bytes = [0; 2];
        ledger.read(Stage::Diffused, [2, 4]).unwrap().read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, [2, 4]);
        assert_eq!(ledger.read(Stage::Diffused, [0, 1]).unwrap_err().code(), "GM_INTERNAL");
        let mut left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["diffuse-0-2.run", "diffuse-2-4.run", "diffuse-4-5.run", "runs.ndjson"]);
        std::fs::write(folder.join("diffuse-0-2.run"), [0, 3]).unwrap();
        assert_eq!(ledger.read(Stage::Diffused, [0, 2]).unwrap_err().code(), "GM_CORRUPT");
    }

    #[test]
    fn many_runs_become_few_and_stay_in_order() {
        for count in [FAN_IN, FAN_IN + 1, 3 * FAN_IN] {
            let temporary = tempfile::tempdir().unwrap();
            let folder = temporary.path().join("x.runs");
            let mut ledger = open(&folder, "a", true);
            commit(&mut ledger, Stage::Found, &(1..=count as u64).collect::<Vec<_>>());
            let found = records(&mut ledger, Stage::Found);
            assert_eq!(found, expected(count as u64), "{count}");
            drop(ledger);
            let mut ledger = open(&folder, "a", true);
            assert_eq!((ledger.covered(Stage::Found), records(&mut ledger, Stage::Found)), (count as u64, found));
            assert_eq!(ledger.extra(Stage::Found), Some(&json!({ "end": 1 })));
        }
    }

    #[test]
    fn only_one_process_has_a_ledger() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("x.runs");
        let ledger = open(&folder, "a", true);
        assert_eq!(RunLedger::open(&os(), &folder, "a", true).err().unwrap().code(), "GM_EXISTS");
        drop(ledger);
        open(&folder, "a", true);
    }
}
