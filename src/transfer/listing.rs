//! What a node says that a tree contains, told by how it differs from a tree that is known already.
//!
//! Trees of hundreds of thousands of files are looked at on many nodes at once, and most are nearly the same. Of an entry
//! that is as in the known tree, no more than a bit is kept; only what differs takes room.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use super::bits::Bits;
use super::manifest::{self, Entry, Extended, Kind, Known, Manifest, Mark, Precision, TooMuch};

/// A tree on a node.
#[derive(Debug)]
pub struct Listing {
    /// The known tree.
    like: Arc<Manifest>,
    /// How exactly the node tells times.
    precision: Precision,
    /// Whom the first entry that was told belongs to: mostly, all that a user has brought belongs to it.
    owner: Option<(u32, u32)>,
    /// Which entries of the known tree are there as they are in it.
    same: Bits,
    /// Which of these belong to that owner, whomever they belong to in the known tree.
    owned: Bits,
    /// All others.
    own: Manifest,
    /// The extended attributes of those that have some, by their numbers.
    extended: BTreeMap<usize, Extended>,
}

/// An entry of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    /// Its number, which is not its rank.
    pub(super) at: usize,
    entry: Entry,
    listing: &'a Listing,
}

impl Default for Listing {
    fn default() -> Self {
        Self::like(&Arc::default())
    }
}

impl Listing {
    /// One that has nothing yet.
    pub(super) fn like(known: &Arc<Manifest>) -> Self {
        Self {
            like: Arc::clone(known),
            precision: Precision::Nanos,
            owner: None,
            same: Bits::default(),
            owned: Bits::default(),
            own: Manifest::default(),
            extended: BTreeMap::new(),
        }
    }

    /// How exactly the times are told that come from here on.
    pub(super) fn told(&mut self, precision: Precision) {
        self.precision = precision;
    }

    /// Adds an entry. [`settle`](Self::settle) has to be called when all are there.
    pub(super) fn add(&mut self, path: &[u8], target: &[u8], known: &Known) -> Result<(), TooMuch> {
        let owner = *self.owner.get_or_insert(known.owner);
        let Some(at) = self.find_alike(path, target, known) else {
            return self.own.add(path, target, known);
        };
        self.same.add(at);
        if owner == known.owner {
            self.owned.add(at);
        }
        Ok(())
    }

    /// The entry of the known tree that this one is as, but for its owner, where that is the one of all.
    fn find_alike(&self, path: &[u8], target: &[u8], known: &Known) -> Option<usize> {
        // Which other names a file has is told of those alone that are kept here.
        if known.shared.is_some() {
            return None;
        }
        let at = self.like.find(path)?;
        let there = self.like.get(at)?;
        let entry = Entry::of(known);
        let is_alike = (entry.kind, entry.mode, entry.size) == (there.kind, there.mode, there.size)
            && (entry.sparse, entry.taken) == (there.sparse, there.taken)
            && entry.changed == self.precision.kept(there.changed)
            && (self.owner == Some(known.owner) || known.owner == (there.uid, there.gid))
            && target == self.like.target(there);
        is_alike.then_some(at)
    }

    /// Puts the entries in order and finds those that are one file.
    pub(super) fn settle(&mut self) {
        self.own.settle();
    }

    /// Gives the file or folder with this path its extended attributes, once all are there and settled.
    pub(super) fn extend(&mut self, path: &[u8], attributes: Extended) {
        let found = self.find(path);
        if let Some(item) = found.filter(|it| matches!(it.kind, Kind::File | Kind::Folder)) {
            let at = item.at;
            self.extended.insert(at, attributes);
        }
    }

    /// How many entries take room here.
    pub(super) fn kept(&self) -> usize {
        self.own.len()
    }

    /// An entry by its number.
    pub(super) fn get(&self, at: usize) -> Option<Item<'_>> {
        let entry = match at.checked_sub(self.like.len()) {
            Some(own) => *self.own.get(own)?,
            None if self.same.has(at) => self.as_there(at, *self.like.get(at)?),
            None => return None,
        };
        Some(Item {
            at,
            entry,
            listing: self,
        })
    }

    /// An entry as the node has it that is as one of the known tree.
    fn as_there(&self, at: usize, entry: Entry) -> Entry {
        let owner = self.owner.filter(|_| self.owned.has(at));
        entry.there(owner.unwrap_or((entry.uid, entry.gid)), self.precision)
    }

    /// The entry with this path.
    pub(super) fn find(&self, path: &[u8]) -> Option<Item<'_>> {
        let same = self.like.find(path).filter(|at| self.same.has(*at));
        let own = || Some(self.like.len() + self.own.find(path)?);
        self.get(same.or_else(own)?)
    }

    /// The entries in the order of their paths.
    pub(super) fn iter(&self) -> impl Iterator<Item = Item<'_>> {
        let same = (0..self.like.len()).filter(|at| self.same.has(*at));
        let own = self.like.len()..self.like.len() + self.own.len();
        merged(self, same, own, Ordering::is_lt)
    }

    /// The same in reverse.
    pub(super) fn iter_back(&self) -> impl Iterator<Item = Item<'_>> {
        let same = (0..self.like.len()).rev();
        let same = same.filter(|at| self.same.has(*at));
        let own = self.like.len()..self.like.len() + self.own.len();
        merged(self, same, own.rev(), Ordering::is_gt)
    }

    /// All of it by itself, where no other tree was known.
    pub(super) fn into_manifest(self) -> Manifest {
        let mut manifest = self.own;
        let first = self.like.len();
        for (at, attributes) in self.extended {
            manifest.extend_at(at.saturating_sub(first), attributes);
        }
        manifest
    }
}

/// The entries with these numbers, of both sorts, as one row.
fn merged(
    listing: &Listing,
    same: impl Iterator<Item = usize>,
    own: impl Iterator<Item = usize>,
    comes_first: impl Fn(Ordering) -> bool,
) -> impl Iterator<Item = Item<'_>> {
    let mut same = same.filter_map(|at| listing.get(at)).peekable();
    let mut own = own.filter_map(|at| listing.get(at)).peekable();
    std::iter::from_fn(move || {
        let is_same = match (same.peek(), own.peek()) {
            (Some(same), Some(own)) => comes_first(same.path().cmp(own.path())),
            (same, _) => same.is_some(),
        };
        if is_same { same.next() } else { own.next() }
    })
}

impl<'a> Item<'a> {
    /// Whose names it has.
    fn names(&self) -> &'a Manifest {
        if self.at < self.listing.like.len() {
            &self.listing.like
        } else {
            &self.listing.own
        }
    }

    /// Its path.
    pub(super) fn path(&self) -> &'a [u8] {
        self.names().path(&self.entry)
    }

    /// What a link names.
    pub(super) fn target(&self) -> &'a [u8] {
        self.names().target(&self.entry)
    }

    /// The entry that is the same file under the first of its names; `None` for one that is the first or the only one.
    pub(super) fn first(&self) -> Option<Self> {
        let own = self.listing.own.first_at(&self.entry)?;
        self.listing.get(self.listing.like.len() + own)
    }

    /// Its extended attributes.
    pub(super) fn extended(&self) -> &'a [(String, Vec<u8>)] {
        let own = self.listing.extended.get(&self.at);
        own.map_or(&[], Vec::as_slice)
    }

    /// What tells it from another entry, for a fingerprint.
    pub(super) fn mark(&self, precision: Precision) -> Mark {
        self.mark_as(precision, self.first().map(|first| first.path()))
    }

    /// The mark of it as another name of this file.
    pub(super) fn mark_as(&self, precision: Precision, first: Option<&[u8]>) -> Mark {
        manifest::mark(&self.entry, (self.path(), self.target()), precision, first)
    }
}

impl Deref for Item<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.entry
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Time;
    use super::*;

    fn known(kind: Kind, owner: u32, seconds: i64, nanos: u32) -> Known {
        Known {
            kind,
            mode: 0o644,
            owner: (owner, owner),
            changed: Time { seconds, nanos },
            size: 5,
            sparse: false,
            taken: 5,
            shared: None,
        }
    }

    fn source() -> Arc<Manifest> {
        let mut tree = Manifest::default();
        for (path, kind) in [
            ("", Kind::Folder),
            ("a", Kind::File),
            ("b", Kind::File),
            ("d", Kind::File),
            ("l", Kind::Link),
        ] {
            let target = if kind == Kind::Link { "a" } else { "" };
            tree.add(path.as_bytes(), target.as_bytes(), &known(kind, 7, 1, 2))
                .unwrap();
        }
        tree.settle();
        Arc::new(tree)
    }

    #[test]
    fn only_what_differs_takes_room_and_all_is_told_as_it_is() {
        let mut there = Listing::like(&source());
        there.add(b"", b"", &known(Kind::Folder, 9, 1, 2)).unwrap();
        there.add(b"l", b"b", &known(Kind::Link, 9, 1, 2)).unwrap();
        there.add(b"d", b"", &known(Kind::File, 8, 1, 2)).unwrap();
        there.add(b"b", b"", &known(Kind::File, 7, 1, 2)).unwrap();
        there.add(b"a", b"", &known(Kind::File, 9, 1, 2)).unwrap();
        there.add(b"c", b"", &known(Kind::File, 9, 1, 2)).unwrap();
        there.settle();
        // One of a third owner, one that is new, and a link to something else.
        assert_eq!(there.kept(), 3);
        let told: Vec<_> = there.iter().map(|it| (it.path(), it.uid)).collect();
        let wanted: [(&[u8], u32); 6] = [
            (b"", 9),
            (b"a", 9),
            (b"b", 7),
            (b"c", 9),
            (b"d", 8),
            (b"l", 9),
        ];
        assert_eq!(told, wanted);
        let mut back: Vec<_> = there.iter_back().map(|it| (it.path(), it.uid)).collect();
        back.reverse();
        assert_eq!(back, wanted);
        assert_eq!(there.find(b"l").unwrap().target(), b"b");
        let a = there.find(b"a").unwrap();
        assert_eq!(there.get(a.at).unwrap().path(), b"a");
        assert!(there.find(b"e").is_none());
    }

    #[test]
    fn it_has_the_fingerprint_that_it_has_by_itself() {
        for precision in [Precision::Nanos, Precision::Seconds] {
            let nanos = if precision == Precision::Nanos { 2 } else { 0 };
            let trees = [source(), Arc::default()].map(|like| {
                let mut there = Listing::like(&like);
                there.told(precision);
                let shared = Known {
                    shared: Some((1, 1)),
                    ..known(Kind::File, 7, 1, nanos)
                };
                for path in [&b"d"[..], b"a"] {
                    there.add(path, b"", &shared).unwrap();
                }
                there
                    .add(b"b", b"", &known(Kind::File, 7, 1, nanos))
                    .unwrap();
                there
                    .add(b"l", b"a", &known(Kind::Link, 7, 1, nanos))
                    .unwrap();
                there.settle();
                there
            });
            let [kept, whole] = [&trees[0], &trees[1]].map(Listing::kept);
            assert_eq!((kept, whole), (2, 4));
            let firsts = [&trees[0], &trees[1]].map(|tree| {
                let d = tree.find(b"d").unwrap();
                assert_eq!(d.first().unwrap().path(), b"a");
                assert_eq!(tree.find(b"b").unwrap().changed.nanos, nanos);
                manifest::fingerprint(tree.iter().map(|it| it.mark(precision)))
            });
            assert_eq!(firsts[0], firsts[1]);
        }
    }

    #[test]
    fn extended_attributes_are_its_own() {
        let mut tree = Manifest::default();
        tree.add(b"a", b"", &known(Kind::File, 7, 1, 2)).unwrap();
        tree.extend_last(vec![("user.a".to_owned(), vec![1])]);
        tree.settle();
        let mut there = Listing::like(&Arc::new(tree));
        there.add(b"a", b"", &known(Kind::File, 7, 1, 2)).unwrap();
        there.add(b"n", b"", &known(Kind::File, 7, 1, 2)).unwrap();
        there.settle();
        assert_eq!(there.find(b"a").unwrap().extended(), []);
        there.extend(b"a", vec![("user.b".to_owned(), vec![2])]);
        there.extend(b"n", vec![("user.c".to_owned(), vec![3])]);
        let names = |path: &[u8]| there.find(path).unwrap().extended()[0].0.clone();
        assert_eq!([names(b"a"), names(b"n")], ["user.b", "user.c"]);
    }
}
