//! What a tree contains: names, kinds, attributes, sizes, times. Compact, because there may be hundreds of thousands.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

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
    pub(super) fn kept(self, time: Time) -> Time {
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
    /// Where its path begins, which is followed by what a link names, and how long the two are.
    place: u32,
    length: u16,
    target: u16,
    /// The entry that is the same file under another name, when that one comes first, or `NONE`.
    first: u32,
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
    extended: BTreeMap<u32, Extended>,
}

/// Extended attributes: names and values.
pub(super) type Extended = Vec<(String, Vec<u8>)>;

/// The manifest has no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the names of the tree take more than 4 GiB, or a path has more than 4,095 bytes")]
pub struct TooMuch;

/// The longest path that a system takes, without the zero byte at its end.
const LONGEST_PATH: usize = 4095;

/// That there is no entry: none of so high a number has room.
const NONE: u32 = u32::MAX;

impl Entry {
    /// An entry that is not told the place of its names yet.
    pub(super) fn of(known: &Known) -> Self {
        // What anything else takes differs by file system.
        let size = match known.kind {
            Kind::File => known.size,
            Kind::Folder | Kind::Link | Kind::Pipe => 0,
        };
        Self {
            place: 0,
            length: 0,
            target: 0,
            first: NONE,
            kind: known.kind,
            mode: known.mode,
            uid: known.owner.0,
            gid: known.owner.1,
            changed: known.changed,
            size,
            sparse: known.sparse,
            taken: known.taken.min(size),
        }
    }

    /// The same entry where it belongs to somebody else and times are kept less exactly; no other name is known there.
    pub(super) fn there(self, (uid, gid): (u32, u32), precision: Precision) -> Self {
        Self {
            first: NONE,
            uid,
            gid,
            changed: precision.kept(self.changed),
            ..self
        }
    }
}

impl Manifest {
    /// Adds an entry. [`settle`](Self::settle) has to be called when all are there.
    pub fn add(&mut self, path: &[u8], target: &[u8], known: &Known) -> Result<(), TooMuch> {
        if path.len() > LONGEST_PATH || target.len() > LONGEST_PATH {
            return Err(TooMuch);
        }
        let place = u32::try_from(self.names.len()).map_err(|_| TooMuch)?;
        let length = u16::try_from(path.len()).map_err(|_| TooMuch)?;
        let target_length = u16::try_from(target.len()).map_err(|_| TooMuch)?;
        self.names.extend_from_slice(path);
        self.names.extend_from_slice(target);
        // Every path has a place of its own, also an empty one.
        self.names.push(0);
        if let Some(shared) = known.shared {
            self.shared.push((place, shared));
        }
        self.entries.push(Entry {
            place,
            length,
            target: target_length,
            ..Entry::of(known)
        });
        Ok(())
    }

    /// Gives the entry that was added last its extended attributes.
    pub fn extend_last(&mut self, attributes: Extended) {
        if let (false, Some(last)) = (attributes.is_empty(), self.entries.last()) {
            self.extended.insert(last.place, attributes);
        }
    }

    /// Gives the file or folder with this path its extended attributes, once all are there and settled.
    pub fn extend(&mut self, path: &[u8], attributes: Extended) {
        let found = self.find(path).and_then(|at| self.entries.get(at));
        if let Some(entry) = found.filter(|it| matches!(it.kind, Kind::File | Kind::Folder)) {
            self.extended.insert(entry.place, attributes);
        }
    }

    /// Gives an entry its extended attributes by its number, once all are there and settled.
    pub(super) fn extend_at(&mut self, at: usize, attributes: Extended) {
        if let Some(entry) = self.entries.get(at) {
            self.extended.insert(entry.place, attributes);
        }
    }

    /// Puts the entries in order and finds those that are one file.
    pub fn settle(&mut self) {
        let names = std::mem::take(&mut self.names);
        let path = |entry: &Entry| slice(&names, entry.place, 0, entry.length);
        self.entries.sort_unstable_by(|a, b| path(a).cmp(path(b)));
        self.names = names;
        let shared: HashMap<u32, (u64, u64)> = self.shared.drain(..).collect();
        let mut firsts: HashMap<(u64, u64), u32> = HashMap::new();
        for (at, entry) in self.entries.iter_mut().enumerate() {
            let Some(file) = shared
                .get(&entry.place)
                .filter(|_| entry.kind == Kind::File)
            else {
                continue;
            };
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let first = *firsts.entry(*file).or_insert(at);
            entry.first = if first == at { NONE } else { first };
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
        slice(&self.names, entry.place, 0, entry.length)
    }

    /// What a link names.
    pub fn target(&self, entry: &Entry) -> &[u8] {
        slice(&self.names, entry.place, entry.length, entry.target)
    }

    /// The entry that is the same file under the first of its names; `None` for one that is the first or the only one.
    pub fn first(&self, entry: &Entry) -> Option<&Entry> {
        self.entries.get(self.first_at(entry)?)
    }

    /// The number of that entry.
    pub fn first_at(&self, entry: &Entry) -> Option<usize> {
        let first = Some(entry.first).filter(|first| *first != NONE)?;
        usize::try_from(first).ok()
    }

    /// The extended attributes of an entry.
    pub fn extended(&self, entry: &Entry) -> &[(String, Vec<u8>)] {
        self.extended.get(&entry.place).map_or(&[], Vec::as_slice)
    }

    /// The number of the entry with this path.
    pub fn find(&self, path: &[u8]) -> Option<usize> {
        let place = |entry: &Entry| self.path(entry).cmp(path);
        self.entries.binary_search_by(place).ok()
    }

    /// What tells an entry from another one, for a [`fingerprint`].
    pub fn mark(&self, entry: &Entry, precision: Precision) -> Mark {
        let first = self.first(entry).map(|first| self.path(first));
        mark(
            entry,
            (self.path(entry), self.target(entry)),
            precision,
            first,
        )
    }
}

fn slice(names: &[u8], at: u32, skip: u16, length: u16) -> &[u8] {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    let at = at.saturating_add(usize::from(skip));
    names
        .get(at..at.saturating_add(usize::from(length)))
        .unwrap_or_default()
}

/// What tells an entry from another one.
pub type Mark = [u8; 32];

/// The mark of an entry with this path and what it names as a link, and perhaps as another name of a file.
///
/// The times of folders are left out: they change with everything that comes and goes, also with what is not
/// looked at. So are owners, which not everybody can keep.
pub(super) fn mark(
    entry: &Entry,
    (path, target): (&[u8], &[u8]),
    precision: Precision,
    first: Option<&[u8]>,
) -> Mark {
    let mut hasher = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(bytes);
    };
    part(path);
    part(&[entry.kind.letter()]);
    match entry.kind {
        Kind::Link => part(target),
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

/// The one fingerprint of entries with these marks, in whatever order they come.
///
/// They have to be put in order, which takes room: of many trees at once, one after the other has it.
pub fn fingerprint(marks: impl Iterator<Item = Mark>) -> Mark {
    // The same room for all: what each thread had taken and given back would stay with that thread.
    static ROOM: Mutex<Vec<Mark>> = Mutex::new(Vec::new());
    let mut all = ROOM.lock().unwrap_or_else(PoisonError::into_inner);
    all.clear();
    all.extend(marks);
    all.sort_unstable();
    let mut hasher = Sha256::new();
    for mark in all.iter() {
        hasher.update(mark);
    }
    drop(all);
    hasher.finalize().into()
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
            fingerprint(tree.iter().map(|(_, entry)| tree.mark(entry, precision)))
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
