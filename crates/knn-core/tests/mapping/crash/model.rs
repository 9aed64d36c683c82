//! What a power cut may leave of a recorded disk.
//!
//! A file keeps what was synced, and of what was written since a beginning, or its length with zeros behind that beginning, or
//! nothing. A folder keeps the names that it had when it was synced, and of what was done to its names since any part in any
//! order, but for one name never a later change without the earlier ones. That a file is synced says nothing of its name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::recorder::Op;
use super::state::State;

/// What becomes of changes that were not synced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    /// All of them are there: the process was killed, and the machine lives.
    Kept,
    /// None is there.
    Lost,
    /// Names are there, and no bytes: what file systems leave that delay the writing of data.
    Empty,
    /// Any of them, as the seed says.
    Mixed(u64),
}

enum Node {
    File(File),
    Folder(Folder),
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<u8>,
    /// Where the last write begins, counted in `pending`.
    last: usize,
}

#[derive(Default)]
struct Folder {
    durable: BTreeMap<String, usize>,
    live: BTreeMap<String, usize>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Link(String, usize),
    Unlink(String),
    Rename(String, String),
}

/// A disk as it is after some of the calls of a log.
pub(crate) struct Model {
    nodes: Vec<Node>,
    open: BTreeMap<usize, usize>,
    /// Lines of journals that were synced, by path: what they speak of is committed.
    pub(crate) committed: BTreeMap<PathBuf, BTreeSet<String>>,
    /// Paths that were renamed to, and durably so, since they were last removed.
    pub(crate) published: BTreeSet<PathBuf>,
    renamed: BTreeSet<PathBuf>,
}

impl Model {
    /// A disk on which all of `base` is durable.
    pub(crate) fn new(base: &State) -> Self {
        let mut model = Self {
            nodes: vec![Node::Folder(Folder::default())],
            open: BTreeMap::new(),
            committed: BTreeMap::new(),
            published: BTreeSet::new(),
            renamed: BTreeSet::new(),
        };
        for folder in &base.folders {
            let node = model.add(Node::Folder(Folder::default()));
            model.place(Path::new(folder), node);
        }
        for (path, bytes) in &base.files {
            let node = model.add(Node::File(File { durable: bytes.clone(), ..File::default() }));
            model.place(Path::new(path), node);
        }
        model
    }

    fn place(&mut self, path: &Path, node: usize) {
        let name = name(path);
        let folder = self.folder(parent(path));
        folder.durable.insert(name.clone(), node);
        folder.live.insert(name, node);
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn find(&self, path: &Path) -> usize {
        path.components().fold(0, |at, part| match &self.nodes[at] {
            Node::Folder(folder) => folder.live[part.as_os_str().to_str().unwrap()],
            Node::File(_) => panic!("{} is in a file", path.display()),
        })
    }

    fn folder(&mut self, path: &Path) -> &mut Folder {
        let at = self.find(path);
        match &mut self.nodes[at] {
            Node::Folder(folder) => folder,
            Node::File(_) => panic!("{} is a file", path.display()),
        }
    }

    fn file(&mut self, number: usize) -> &mut File {
        match &mut self.nodes[self.open[&number]] {
            Node::File(file) => file,
            Node::Folder(_) => panic!("a folder that is written to"),
        }
    }

    fn link(&mut self, path: &Path, node: usize) {
        let name = name(path);
        let folder = self.folder(parent(path));
        folder.live.insert(name.clone(), node);
        folder.pending.push(Change::Link(name, node));
    }

    /// Does what a call did.
    pub(crate) fn apply(&mut self, op: &Op) {
        match op {
            Op::MakeFolder(path) => {
                let node = self.add(Node::Folder(Folder::default()));
                self.link(path, node);
            }
            Op::Create(path, number) => {
                let node = self.add(Node::File(File::default()));
                self.open.insert(*number, node);
                self.link(path, node);
            }
            Op::Open(path, number) => {
                let node = self.find(path);
                self.open.insert(*number, node);
            }
            Op::Write(number, bytes) => {
                let file = self.file(*number);
                file.last = file.pending.len();
                file.pending.extend_from_slice(bytes);
            }
            Op::Sync(number) => {
                let file = self.file(*number);
                let pending = std::mem::take(&mut file.pending);
                file.durable.extend(pending);
                file.last = 0;
                self.enter(self.open[number]);
            }
            Op::Rename(from, to) => {
                assert_eq!(parent(from), parent(to), "renamed to another folder");
                let (old, new) = (name(from), name(to));
                let folder = self.folder(parent(from));
                let node = folder.live.remove(&old).unwrap();
                folder.live.insert(new.clone(), node);
                folder.pending.push(Change::Rename(old, new));
                self.renamed.insert(to.clone());
            }
            Op::Remove(path) => {
                let name = name(path);
                let folder = self.folder(parent(path));
                folder.live.remove(&name).unwrap();
                folder.pending.push(Change::Unlink(name));
                self.committed.remove(path);
                self.published.remove(path);
                self.renamed.remove(path);
            }
            Op::Killed => {}
            Op::SyncFolder(path) => {
                let folder = self.folder(path);
                folder.durable = folder.live.clone();
                folder.pending.clear();
                let now: Vec<_> = self.renamed.iter().filter(|renamed| parent(renamed) == path).cloned().collect();
                self.published.extend(now);
            }
        }
    }

    /// Notes the lines of a journal that was synced.
    fn enter(&mut self, node: usize) {
        let Node::File(file) = &self.nodes[node] else { return };
        let lines = || {
            let text = String::from_utf8_lossy(&file.durable).into_owned();
            text.split_inclusive('\n').filter(|line| line.ends_with('\n')).skip(1).map(str::to_owned).collect()
        };
        let mut folders = vec![(PathBuf::new(), 0)];
        while let Some((path, at)) = folders.pop() {
            let Node::Folder(folder) = &self.nodes[at] else { continue };
            for (name, &child) in &folder.live {
                let path = path.join(name);
                if child == node && path.extension().is_some_and(|extension| extension == "ndjson") {
                    self.committed.insert(path, lines());
                } else {
                    folders.push((path, child));
                }
            }
        }
    }

    /// What is on the disk when power comes back.
    pub(crate) fn cut(&self, cut: Cut) -> State {
        let mut state = State::default();
        let mut dice = Dice(if let Cut::Mixed(seed) = cut { seed } else { 0 });
        let chance = 1 + dice.below(7);
        self.keep(0, "", cut, chance, &mut dice, &mut state);
        state
    }

    fn keep(&self, node: usize, path: &str, cut: Cut, chance: u64, dice: &mut Dice, state: &mut State) {
        match &self.nodes[node] {
            Node::File(file) => {
                state.files.insert(path.to_owned(), file.cut(cut, dice));
            }
            Node::Folder(folder) => {
                if !path.is_empty() {
                    state.folders.insert(path.to_owned());
                }
                for (name, child) in folder.cut(cut, chance, dice) {
                    let path = if path.is_empty() { name } else { format!("{path}/{name}") };
                    self.keep(child, &path, cut, chance, dice, state);
                }
            }
        }
    }
}

impl File {
    fn cut(&self, cut: Cut, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let all = self.pending.len();
        let (kept, zeros) = match cut {
            Cut::Kept => (all, 0),
            Cut::Lost | Cut::Empty => (0, 0),
            Cut::Mixed(_) => match dice.below(6) {
                0 => (0, 0),
                1 | 2 => (all, 0),
                3 => (dice.below(all as u64 + 1) as usize, 0),
                // Torn in the last write.
                4 => (self.last + dice.below((all - self.last) as u64 + 1) as usize, 0),
                _ => {
                    let kept = dice.below(all as u64 + 1) as usize;
                    (kept, all - kept)
                }
            },
        };
        bytes.extend_from_slice(&self.pending[..kept]);
        bytes.resize(bytes.len() + zeros, 0);
        bytes
    }
}

impl Folder {
    fn cut(&self, cut: Cut, chance: u64, dice: &mut Dice) -> BTreeMap<String, usize> {
        let mut names = self.durable.clone();
        let mut lost = BTreeSet::new();
        for change in &self.pending {
            let touched: Vec<&String> = match change {
                Change::Link(name, _) | Change::Unlink(name) => vec![name],
                Change::Rename(from, to) => vec![from, to],
            };
            let keep = match cut {
                Cut::Kept | Cut::Empty => true,
                Cut::Lost => false,
                Cut::Mixed(_) => dice.below(8) < chance,
            };
            if !keep || touched.iter().any(|name| lost.contains(*name)) {
                lost.extend(touched.into_iter().cloned());
                continue;
            }
            match change {
                Change::Link(name, node) => {
                    names.insert(name.clone(), *node);
                }
                Change::Unlink(name) => {
                    names.remove(name);
                }
                Change::Rename(from, to) => {
                    let node = names.remove(from).unwrap();
                    names.insert(to.clone(), node);
                }
            }
        }
        names
    }
}

/// Numbers that a seed decides.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
