//! What a tree contains: names, kinds, attributes, sizes, times. Compact, because there may be hundreds of thousands.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest as _, Sha256};

use super::turn::{LARGE, Turn};

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link.
    Link,
    /// A named pipe.
    Pipe,
}

impl Kind {
    fn letter(self) -> u8 {
        match self {
            Self::Folder => b'd',
            Self::File => b'f',
            Self::Link => b'l',
            Self::Pipe => b'p',
        }
    }
}

/// A point in time, as file systems keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Billionths of a second after that.
    pub nanos: u32,
}

/// How exactly times can be kept by both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// To the nanosecond.
    Nanos,
    /// To the second and from 1970 on, which is what busybox keeps.
    Seconds,
}

impl Precision {
    /// Whether two times are the same as far as this goes.
    pub fn same(self, a: Time, b: Time) -> bool {
        self.kept(a) == self.kept(b)
    }

    /// What is kept of a time.
    fn kept(self, time: Time) -> Time {
        match self {
            Self::Nanos => time,
            Self::Seconds => Time {
                seconds: time.seconds.max(0),
                nanos: 0,
            },
        }
    }
}

/// One entry. Its path and what a link names are kept by the [`Manifest`].
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    path: (u32, u16),
    target: (u32, u16),
    /// The entry that is the same file under another name, when that one comes first.
    first: Option<u32>,
    /// What it is.
    pub kind: Kind,
    /// Its mode, without the kind.
    pub mode: u16,
    /// The number of its owner.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// When it was last changed.
    pub changed: Time,
    /// How many bytes a file has.
    pub size: u64,
    /// Whether a file takes less room than it has bytes.
    pub sparse: bool,
    /// How many bytes of a file are no holes.
    pub taken: u64,
}

/// What is known of an entry besides its names.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// What it is.
    pub kind: Kind,
    /// Its mode, without the kind.
    pub mode: u16,
    /// Its owner and group.
    pub owner: (u32, u32),
    /// When it was last changed.
    pub changed: Time,
    /// How many bytes a file has.
    pub size: u64,
    /// Whether a file takes less room than it has bytes.
    pub sparse: bool,
    /// How many bytes of a file are no holes.
    pub taken: u64,
    /// Which file it is, when it has several names.
    pub shared: Option<(u64, u64)>,
}

/// The entries of a tree, in the order of their paths, so that folders come before what they contain.
///
/// Paths are relative to the tree, whose own path is empty.
#[derive(Debug, Default)]
pub struct Manifest {
    names: Vec<u8>,
    entries: Vec<Entry>,
    shared: Vec<(u32, (u64, u64))>,
    /// Extended attributes of those that have some, by the place of the entry's path.
    extended: BTreeMap<u32, Vec<(String, Vec<u8>)>>,
    /// Held for as long as there are many entries, where lists of several trees come at once.
    turn: Option<Turn>,
}

/// The manifest has no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the names of the tree take more than 4 GiB, or a path has more than 4,095 bytes")]
pub struct TooMuch;

/// The longest path that a system takes, without the zero byte at its end.
const LONGEST_PATH: usize = 4095;

impl Manifest {
    /// Adds an entry. [`settle`](Self::settle) has to be called when all are there.
    pub fn add(&mut self, path: &[u8], target: &[u8], known: &Known) -> Result<(), TooMuch> {
        let path = self.keep(path)?;
        let target = self.keep(target)?;
        if let Some(shared) = known.shared {
            self.shared.push((path.0, shared));
        }
        self.entries.push(Entry {
            path,
            target,
            first: None,
            kind: known.kind,
            mode: known.mode,
            uid: known.owner.0,
            gid: known.owner.1,
            changed: known.changed,
            size: if known.kind == Kind::File {
                known.size
            } else {
                0
            },
            sparse: known.sparse,
            taken: known.taken.min(known.size),
        });
        Ok(())
    }

    /// Gives the entry that was added last its extended attributes.
    pub fn extend_last(&mut self, attributes: Vec<(String, Vec<u8>)>) {
        if let (false, Some(last)) = (attributes.is_empty(), self.entries.last()) {
            self.extended.insert(last.path.0, attributes);
        }
    }

    /// Gives the file or folder with this path its extended attributes, once all are there and settled.
    pub fn extend(&mut self, path: &[u8], attributes: Vec<(String, Vec<u8>)>) {
        let found = self.find(path).and_then(|at| self.entries.get(at));
        if let Some(entry) = found.filter(|it| matches!(it.kind, Kind::File | Kind::Folder)) {
            self.extended.insert(entry.path.0, attributes);
        }
    }

    /// Lets the next one have its turn: this list stays.
    pub(super) fn ends_its_turn(&mut self) {
        self.turn = None;
    }

    /// Has only one such list of many entries in memory at a time: the next one that grows large waits for this one's end.
    pub(super) fn in_turn(&mut self) {
        if self.entries.len() == LARGE && self.turn.is_none() {
            self.turn = Turn::take();
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(u32, u16), TooMuch> {
        if bytes.len() > LONGEST_PATH {
            return Err(TooMuch);
        }
        let at = u32::try_from(self.names.len()).map_err(|_| TooMuch)?;
        let length = u16::try_from(bytes.len()).map_err(|_| TooMuch)?;
        self.names.extend_from_slice(bytes);
        // Every path has a place of its own, also an empty one.
        self.names.push(0);
        Ok((at, length))
    }

    /// Puts the entries in order and finds those that are one file.
    pub fn settle(&mut self) {
        let names = std::mem::take(&mut self.names);
        let path = |entry: &Entry| slice(&names, entry.path);
        self.entries.sort_unstable_by(|a, b| path(a).cmp(path(b)));
        self.names = names;
        let shared: HashMap<u32, (u64, u64)> = self.shared.drain(..).collect();
        let mut firsts: HashMap<(u64, u64), u32> = HashMap::new();
        for (at, entry) in self.entries.iter_mut().enumerate() {
            let Some(file) = shared
                .get(&entry.path.0)
                .filter(|_| entry.kind == Kind::File)
            else {
                continue;
            };
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let first = *firsts.entry(*file).or_insert(at);
            entry.first = (first != at).then_some(first);
        }
        self.shared = Vec::new();
        self.entries.shrink_to_fit();
        self.names.shrink_to_fit();
    }

    /// How many entries there are, the tree itself included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing, not even a tree.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in order, each with its number.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, &Entry)> {
        self.entries.iter().enumerate()
    }

    /// An entry by its number.
    pub fn get(&self, at: usize) -> Option<&Entry> {
        self.entries.get(at)
    }

    /// The path of an entry.
    pub fn path(&self, entry: &Entry) -> &[u8] {
        slice(&self.names, entry.path)
    }

    /// What a link names.
    pub fn target(&self, entry: &Entry) -> &[u8] {
        slice(&self.names, entry.target)
    }

    /// The entry that is the same file under the first of its names; `None` for one that is the first or the only one.
    pub fn first(&self, entry: &Entry) -> Option<&Entry> {
        self.entries.get(self.first_at(entry)?)
    }

    /// The number of that entry.
    pub fn first_at(&self, entry: &Entry) -> Option<usize> {
        usize::try_from(entry.first?).ok()
    }

    /// The extended attributes of an entry.
    pub fn extended(&self, entry: &Entry) -> &[(String, Vec<u8>)] {
        self.extended.get(&entry.path.0).map_or(&[], Vec::as_slice)
    }

    /// The number of the entry with this path.
    pub fn find(&self, path: &[u8]) -> Option<usize> {
        let place = |entry: &Entry| slice(&self.names, entry.path).cmp(path);
        self.entries.binary_search_by(place).ok()
    }

    /// What tells an entry from another one, for a fingerprint.
    ///
    /// The times of folders are left out: they change with everything that comes and goes, also with what is not
    /// looked at. So are owners, which not everybody can keep.
    pub fn mark(&self, entry: &Entry, precision: Precision) -> [u8; 32] {
        let first = self.first(entry).map(|first| self.path(first));
        self.mark_as(entry, precision, first)
    }

    /// The mark of an entry as another name of this one.
    pub fn mark_as(&self, entry: &Entry, precision: Precision, first: Option<&[u8]>) -> [u8; 32] {
        let mut hasher = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(bytes);
        };
        part(self.path(entry));
        part(&[entry.kind.letter()]);
        match entry.kind {
            Kind::Link => part(self.target(entry)),
            Kind::Folder | Kind::Pipe => part(&entry.mode.to_le_bytes()),
            Kind::File => {
                part(&entry.mode.to_le_bytes());
                part(&entry.size.to_le_bytes());
                let Time { seconds, nanos } = precision.kept(entry.changed);
                part(&seconds.to_le_bytes());
                part(&nanos.to_le_bytes());
                part(first.unwrap_or_default());
            }
        }
        hasher.finalize().into()
    }
}

fn slice(names: &[u8], (at, length): (u32, u16)) -> &[u8] {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    names
        .get(at..at.saturating_add(usize::from(length)))
        .unwrap_or_default()
}

/// Collects the marks of entries, in any order, for one fingerprint of all.
#[derive(Debug, Default)]
pub struct Marks(Vec<[u8; 32]>);

impl Marks {
    /// Adds an entry's mark.
    pub fn add(&mut self, mark: [u8; 32]) {
        self.0.push(mark);
    }

    /// The fingerprint of all.
    pub fn digest(mut self) -> [u8; 32] {
        self.0.sort_unstable();
        let mut hasher = Sha256::new();
        for mark in &self.0 {
            hasher.update(mark);
        }
        hasher.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn file(size: u64) -> Known {
        Known {
            kind: Kind::File,
            mode: 0o644,
            owner: (0, 0),
            changed: Time {
                seconds: 1,
                nanos: 2,
            },
            size,
            sparse: false,
            taken: size,
            shared: None,
        }
    }

    #[test]
    fn entries_are_found_and_files_with_several_names_are_one() {
        let mut tree = Manifest::default();
        let linked = Known {
            shared: Some((1, 7)),
            ..file(3)
        };
        tree.add(b"b", b"", &linked).unwrap();
        tree.add(b"a/\xff\n", b"", &linked).unwrap();
        tree.add(
            b"a",
            b"",
            &Known {
                kind: Kind::Folder,
                ..file(4096)
            },
        )
        .unwrap();
        tree.add(
            b"",
            b"",
            &Known {
                kind: Kind::Folder,
                ..file(0)
            },
        )
        .unwrap();
        tree.settle();
        let paths: Vec<_> = tree.iter().map(|(_, e)| tree.path(e)).collect();
        assert_eq!(paths, [&b""[..], b"a", b"a/\xff\n", b"b"]);
        let b = tree.get(tree.find(b"b").unwrap()).unwrap();
        assert_eq!(tree.path(tree.first(b).unwrap()), b"a/\xff\n");
        assert_eq!(tree.find(b"c"), None);
        assert!(tree.add(&[b'x'; 4096], b"", &file(0)).is_err());
    }

    #[test]
    fn a_fingerprint_depends_on_content_and_not_on_order() {
        let tree = |names: &[&[u8]], nanos| {
            let mut tree = Manifest::default();
            for name in names {
                let known = Known {
                    changed: Time { seconds: 1, nanos },
                    ..file(1)
                };
                tree.add(name, b"", &known).unwrap();
            }
            tree.settle();
            tree
        };
        let digest = |tree: &Manifest, precision| {
            let mut marks = Marks::default();
            tree.iter()
                .for_each(|(_, entry)| marks.add(tree.mark(entry, precision)));
            marks.digest()
        };
        let (a, b) = (tree(&[b"x", b"y"], 1), tree(&[b"y", b"x"], 2));
        assert_ne!(digest(&a, Precision::Nanos), digest(&b, Precision::Nanos));
        assert_eq!(
            digest(&a, Precision::Seconds),
            digest(&b, Precision::Seconds)
        );
        let other = tree(&[b"x", b"z"], 1);
        assert_ne!(
            digest(&a, Precision::Seconds),
            digest(&other, Precision::Seconds)
        );
    }
}
