//! What has to be done so that one tree becomes as another: what is sent, what is kept, what goes.

use std::collections::{BTreeMap, BTreeSet};

use super::attributes::Attributes;
use super::bits::Bits;
use super::checksum::SameContent;
use super::likeness::{Likeness, Sight};
use super::listing::Item;
use super::manifest::{Entry, Extended, Kind, Manifest, Mark, Precision, fingerprint};
use super::room::Room;
use super::rules::Rules;
use super::survey::Survey;

/// What is wanted of a copy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Whether what the source does not have goes.
    pub delete: bool,
    /// Whether files are replaced where they are, one by one.
    pub in_place: bool,
    /// Whether files that stay the same get another name instead of being copied.
    pub link_unchanged: bool,
    /// The files that have the same content on both sides, where that and not their time tells whether they are the same.
    pub same: Option<&'a SameContent>,
    /// What tells that files arrived as they were sent.
    pub arrival: Arrival,
}

/// What tells that files arrived as they were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Arrival {
    /// The node reads again what it has just written.
    #[default]
    ReadBack,
    /// The connection brings them unchanged, and they could be unpacked.
    Trusted,
}

/// An entry of the target's tree that is not copied but needs its header in the stream.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) path: Vec<u8>,
    pub(super) entry: Entry,
    /// The other name of the same file.
    pub(super) first: Option<Vec<u8>>,
    /// What it has of extended attributes.
    pub(super) extended: Extended,
}

/// What has to be done for one target.
#[derive(Debug, Default)]
pub struct Delta {
    /// Entries of the source that are sent, folders aside: all of these are.
    pub(super) send: Bits,
    /// Files of the source whose content is compared by fingerprints at the end.
    pub(super) verify: Bits,
    /// Files of the source that are copied into the stage on the node, since it has them.
    pub(super) carry: Bits,
    /// Files of the source that the target has, and whose mode, owner or time it has not.
    pub(super) adjust: Bits,
    /// Folders of the source whose attributes are sent; in a stage those of all are.
    pub(super) fresh: Bits,
    /// Of files that are replaced in place: folders that get their attributes when all files have their places.
    pub(super) folders: Bits,
    /// Of files that are replaced in place: what is done to the live tree, in the words of `land/replace.sh`.
    pub(super) orders: Vec<u8>,
    /// Of files that are replaced in place: what closes folders again that only the target has.
    pub(super) closed: Vec<u8>,
    /// What of the target's own is copied there: paths as programs on the node take them, each with a zero byte.
    pub(super) extra: Vec<u8>,
    /// What an earlier stage has that does not belong there, in the same form.
    pub(super) sweep: Vec<u8>,
    /// Folders and further names of files that are carried over.
    pub(super) headers: Vec<Header>,
    /// Files that are sent.
    pub files: u64,
    /// The bytes of these.
    pub bytes: u64,
    /// Files that are as they should be.
    pub kept: u64,
    /// Files of the source that the stage has already.
    pub arrived: u64,
    /// What the stage takes on the node, of what is not in it yet.
    pub(super) needs: Room,
    /// What is there before, of what goes from an earlier stage.
    pub(super) frees: Room,
    /// Entries that go.
    pub removed: u64,
    /// Entries that are new or get another content, kind or attributes, folders included.
    pub changed: u64,
    /// Excluded entries that could not stay, because the source has a file where they need a folder.
    pub lost: Vec<Vec<u8>>,
    /// A folder whose attributes have to be set where it is, and which belongs to another user than the one who works there.
    pub not_own: Option<Vec<u8>>,
    /// The fingerprint of the tree that comes of it, without what the rules leave out.
    pub becomes: [u8; 32],
    /// The fingerprint of the tree that is there, without what the rules leave out.
    pub was: [u8; 32],
}

pub(super) struct Work<'a> {
    pub(super) source: &'a Manifest,
    pub(super) survey: &'a Survey,
    pub(super) rules: &'a Rules,
    pub(super) wanted: Wanted<'a>,
    precision: Precision,
    attributes: Attributes,
    /// Whether the times of folders that differ alone are a difference.
    folder_times: bool,
    /// Whether an earlier stage is of any use.
    pub(super) stage_is_fit: bool,
    /// Files of the target, by their first names, that have names which the source does not have.
    foreign: BTreeSet<&'a [u8]>,
    pub(super) delta: Delta,
    /// The paths that the stage shall have, of those that it has.
    pub(super) staged: Bits,
    /// Of files that are replaced in place: what of the source is there already and stays the file that it is.
    pub(super) stays: Bits,
    /// Of these: further names of files that stay.
    pub(super) relink: Bits,
    /// Of these: what of the target's own goes.
    pub(super) removed: Bits,
}

impl Delta {
    /// What has to be done so that the tree that was surveyed becomes as the source.
    pub fn between(source: &Manifest, survey: &Survey, rules: &Rules, wanted: Wanted<'_>) -> Self {
        let mut work = Work {
            source,
            survey,
            rules,
            wanted,
            precision: survey.precision(),
            attributes: survey.attributes,
            // What is left out, or only there, comes and goes, and changes the times of folders.
            folder_times: rules.are_none(),
            stage_is_fit: stage_is_fit(source, survey),
            foreign: foreign(source, survey),
            delta: Self::default(),
            staged: Bits::default(),
            stays: Bits::default(),
            relink: Bits::default(),
            removed: Bits::default(),
        };
        work.folder_times &= wanted.delete || !work.has_own();
        for (at, entry) in source.iter() {
            work.of_source(at, entry);
        }
        work.delta.was = survey.digest(rules);
        let extra = work.of_target();
        let of_source = source
            .iter()
            .map(|(_, entry)| source.mark(entry, work.precision));
        work.delta.becomes = fingerprint(of_source.chain(extra));
        work.of_odd();
        work.sweep();
        if wanted.in_place {
            work.order();
        }
        work.delta
    }

    /// What is done to a live tree whose files are replaced where they are, for [`replace`](super::replace).
    pub fn into_orders(self) -> Vec<u8> {
        self.orders
    }

    /// Whether there is nothing to do.
    pub fn is_none(&self) -> bool {
        self.changed == 0 && self.removed == 0
    }
}

impl Work<'_> {
    fn of_source(&mut self, at: usize, entry: &Entry) {
        let path = self.source.path(entry);
        let sight = Sight {
            source: self.source,
            survey: self.survey,
            precision: self.precision,
            folder_times: self.folder_times,
            in_place: self.wanted.in_place,
        };
        let live = &self.survey.live;
        let found = live.find(path);
        let file = self.source.first_at(entry).unwrap_or(at);
        let same = self.wanted.same.map(|same| same.has(file));
        let likeness = found.map_or(Likeness::Other, |it| sight.likeness(entry, &it, same));
        if likeness != Likeness::Same {
            self.delta.changed += 1;
        }
        let there = self.survey.staged.find(path);
        let there = there.filter(|_| self.stage_is_fit);
        let in_stage = there.is_some_and(|it| sight.likeness(entry, &it, None) == Likeness::Same);
        // What has another kind goes: what is unpacked must never follow a link that an earlier stage has.
        let same_kind = there.is_some_and(|staged| staged.kind == entry.kind);
        let is_content = entry.kind == Kind::File && self.source.first(entry).is_none();
        let room = Room::of(entry, self.source.target(entry), self.survey.archives);
        if entry.kind == Kind::Folder {
            let is_fresh = !self.wanted.in_place || found.is_none_or(|it| it.kind != Kind::Folder);
            if is_fresh {
                self.delta.fresh.add(at);
            }
            if let Some(staged) = there.filter(|_| same_kind) {
                self.staged.add(staged.at);
            } else if is_fresh {
                self.delta.needs.add(room);
            }
            return;
        }
        if !is_content {
            if self.wanted.in_place {
                self.without_content(at, entry, likeness);
            } else {
                // These cost little, and a stage that has them gets them again.
                self.delta.send.add(at);
            }
            if self.delta.send.has(at) && self.source.first(entry).is_none() {
                self.delta.needs.add(room);
            }
            return;
        }
        // A file that shall have attributes which can't be seen from here is brought again with the rest; and so is one
        // that would lose them with another owner.
        let are_unknown = self.attributes.are_unknown(self.source.extended(entry));
        let is_kept = match likeness {
            Likeness::Same => !are_unknown,
            Likeness::Content => {
                self.source.extended(entry).is_empty()
                    && found.is_some_and(|it| self.may_adjust(&it))
            }
            Likeness::Other => false,
        };
        if let Some(found) = found.filter(|_| is_kept) {
            self.delta.kept += 1;
            if self.wanted.in_place {
                self.stays.add(at);
            } else {
                // Whatever the stage has of it was never compared with anything: it is copied again.
                self.delta.carry.add(at);
                if !(self.wanted.link_unchanged && likeness == Likeness::Same) {
                    let room = Room::of(&found, b"", self.survey.archives);
                    self.delta.needs.add(room);
                }
            }
            if likeness == Likeness::Content {
                self.delta.adjust.add(at);
            }
            return;
        }
        let arrived = there.filter(|_| in_stage && !are_unknown);
        if entry.size > 0 && (self.wanted.arrival == Arrival::ReadBack || arrived.is_some()) {
            self.delta.verify.add(at);
        }
        if let Some(staged) = arrived {
            self.staged.add(staged.at);
            self.delta.arrived += 1;
        } else {
            self.delta.needs.add(room);
            self.delta.send.add(at);
            self.delta.files += 1;
            self.delta.bytes += entry.size;
        }
    }

    /// Whether a file gets its attributes, and another name for it that only the target has nothing that is not its own.
    fn may_adjust(&self, found: &Item<'_>) -> bool {
        let survey = self.survey;
        let is_own = survey.superuser || survey.user.is_none_or(|(user, _)| user == found.uid);
        let file = found.first().map_or(found.path(), |first| first.path());
        !self.wanted.in_place || (is_own && !self.foreign.contains(file))
    }

    /// Whether the target has anything that the source does not have.
    fn has_own(&self) -> bool {
        let live = &self.survey.live;
        live.iter()
            .any(|entry| self.source.find(entry.path()).is_none())
    }

    /// What of the target's own the source does not have; the marks of what of it stays.
    fn of_target(&mut self) -> Vec<Mark> {
        let wanted = self.wanted;
        let live = &self.survey.live;
        let mut needed: BTreeSet<&[u8]> = BTreeSet::new();
        let excluded = |entry: &Item<'_>| {
            self.rules
                .leave_out(entry.path(), entry.kind == Kind::Folder)
        };
        if wanted.delete && !self.rules.are_none() {
            for entry in live.iter().filter(excluded) {
                let path = entry.path();
                needed.extend(memchr::memchr_iter(b'/', path).map(|at| &path[..at]));
            }
            // To another tree such things can't be carried at all.
            let odd = self.survey.odd.iter().filter(|_| wanted.in_place);
            for path in odd.filter(|path| self.rules.leave_out(path, false)) {
                needed.extend(memchr::memchr_iter(b'/', path).map(|at| &path[..at]));
            }
        }
        let mut extra = Vec::new();
        for entry in live.iter() {
            let path = entry.path();
            let is_excluded = excluded(&entry);
            if let Some(there) = self.source.find(path).and_then(|at| self.source.get(at)) {
                if is_excluded && there.kind != entry.kind {
                    self.delta.lost.push(path.to_vec());
                }
                continue;
            }
            if is_excluded || !wanted.delete || needed.contains(path) {
                extra.push((entry.at, is_excluded));
            } else {
                self.delta.removed += 1;
                self.removed.add(entry.at);
            }
        }
        // Of a file with several names, the first that is carried over is copied, and the others become its names.
        let firsts = live.iter().filter_map(|entry| entry.first());
        let shared: BTreeSet<&[u8]> = firsts.map(|first| first.path()).collect();
        let mut copied = BTreeMap::new();
        let mut marks = Vec::new();
        for (at, is_excluded) in extra {
            let Some(entry) = live.get(at) else {
                continue;
            };
            let path = entry.path();
            if self.is_blocked(path, is_excluded) {
                continue;
            }
            let file = entry.first().map_or(path, |first| first.path());
            let first = if self.stays_there(file) {
                Some(file)
            } else if shared.contains(file) {
                Some(*copied.entry(file).or_insert(path)).filter(|first| *first != path)
            } else {
                None
            };
            if !is_excluded {
                marks.push(entry.mark_as(self.precision, first));
            }
            if !wanted.in_place {
                self.carry(&entry, first);
            }
        }
        marks
    }

    /// What is there and is neither file, folder, link nor pipe, or was left there.
    fn of_odd(&mut self) {
        for path in &self.survey.odd {
            let is_taken = || self.source.find(path).is_some() || self.is_replaced(path);
            if self.rules.leave_out(path, false) && is_taken() {
                self.delta.lost.push(path.clone());
            }
        }
        if self.wanted.in_place {
            let gone = self.survey.litter.len() + self.odd_that_goes().count();
            self.delta.removed += u64::try_from(gone).unwrap_or_default();
        }
    }

    /// What of that goes from where files are replaced, and nothing takes its place.
    pub(super) fn odd_that_goes(&self) -> impl Iterator<Item = &'_ Vec<u8>> {
        let goes = |path: &&Vec<u8>| {
            self.wanted.delete
                && !self.rules.leave_out(path, false)
                && !self.is_replaced(path)
                && self.source.find(path).is_none()
        };
        self.survey.odd.iter().filter(goes)
    }

    /// Whether a path is a file that is there already and stays the one that it is.
    fn stays_there(&self, path: &[u8]) -> bool {
        self.source.find(path).is_some_and(|at| self.stays.has(at))
    }

    /// Whether the source has something else where the folder of an entry was.
    fn is_blocked(&mut self, path: &[u8], is_excluded: bool) -> bool {
        let blocked = self.is_replaced(path);
        if blocked {
            if is_excluded {
                self.delta.lost.push(path.to_vec());
            } else {
                self.delta.removed += 1;
            }
        }
        blocked
    }

    /// Whether the source has something else where a folder was that a path leads through.
    pub(super) fn is_replaced(&self, path: &[u8]) -> bool {
        memchr::memchr_iter(b'/', path).any(|at| {
            let above = self
                .source
                .find(&path[..at])
                .and_then(|at| self.source.get(at));
            above.is_some_and(|above| above.kind != Kind::Folder)
        })
    }

    fn carry(&mut self, entry: &Item<'_>, first: Option<&[u8]>) {
        let path = entry.path();
        let extended = entry.extended().iter();
        let extended = extended.filter(|(name, _)| self.attributes.keep(name));
        let header = |first| Header {
            path: path.to_vec(),
            entry: **entry,
            first,
            extended: extended.clone().cloned().collect(),
        };
        let staged = self.survey.staged.find(path);
        let staged = staged.filter(|_| self.stage_is_fit);
        let room = Room::of(entry, entry.target(), self.survey.archives);
        match (entry.kind, first) {
            (Kind::Folder, _) => self.delta.headers.push(header(None)),
            (_, Some(first)) => {
                self.delta.headers.push(header(Some(first.to_vec())));
            }
            _ => {
                // What is not ours may change at any time: it is always taken as it is now.
                self.delta.needs.add(room);
                word(path, &mut self.delta.extra);
            }
        }
        if entry.kind == Kind::Folder {
            if let Some(staged) = staged.filter(|it| it.kind == Kind::Folder) {
                self.staged.add(staged.at);
            } else {
                self.delta.needs.add(room);
            }
        }
    }

    /// What an earlier stage has and this one does not want.
    fn sweep(&mut self) {
        let staged = &self.survey.staged;
        for entry in staged.iter() {
            let path = entry.path();
            if !path.is_empty() && !self.staged.has(entry.at) {
                word(path, &mut self.delta.sweep);
                if entry.first().is_none() {
                    // As much as it takes at the least: an earlier stage may have been cut short anywhere.
                    let is_all_of_it = entry.kind != Kind::File || entry.taken > 0;
                    self.delta.frees.add(Room {
                        bytes: entry.taken,
                        inodes: u64::from(is_all_of_it),
                    });
                }
            }
        }
    }
}

/// Files of the target, by their first names, that have names which the source does not have: what is done to such a file
/// is done to what stays as well.
fn foreign<'a>(source: &Manifest, survey: &'a Survey) -> BTreeSet<&'a [u8]> {
    let mut foreign = BTreeSet::new();
    let mut shared = BTreeSet::new();
    for entry in survey.live.iter() {
        let Some(first) = entry.first().map(|first| first.path()) else {
            continue;
        };
        shared.insert(first);
        if source.find(entry.path()).is_none() {
            foreign.insert(first);
        }
    }
    foreign.extend(
        shared
            .into_iter()
            .filter(|first| source.find(first).is_none()),
    );
    foreign
}

/// Whether no folder of an earlier stage has an extended attribute that would stay there against the source's will.
fn stage_is_fit(source: &Manifest, survey: &Survey) -> bool {
    let mut folders = survey
        .staged
        .iter()
        .filter(|entry| entry.kind == Kind::Folder);
    !folders.any(|folder| {
        let here = source.find(folder.path()).and_then(|at| source.get(at));
        here.is_some_and(|entry| {
            survey
                .attributes
                .has_more(folder.extended(), source.extended(entry))
        })
    })
}

/// A path as programs on a node take it, which never look at it as an option.
pub(super) fn word(path: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(b"./");
    into.extend_from_slice(path);
    into.push(0);
}

#[cfg(test)]
mod tests {
    use super::super::listing::Listing;
    use super::super::manifest::{Known, Time};
    use super::super::survey::{Archives, HashKind, Standing};
    use super::*;

    fn tree(entries: &[(&str, Kind, u64)]) -> Manifest {
        let mut tree = Manifest::default();
        for (path, kind, size) in entries {
            let known = Known {
                kind: *kind,
                mode: 0o644,
                owner: (1, 1),
                changed: Time {
                    seconds: 5,
                    nanos: 6,
                },
                size: *size,
                sparse: false,
                taken: *size,
                shared: None,
            };
            tree.add(path.as_bytes(), b"", &known).unwrap();
        }
        tree.settle();
        tree
    }

    /// The same as a node tells it.
    fn listing(tree: &Manifest) -> Listing {
        let mut listing = Listing::default();
        for (_, entry) in tree.iter() {
            let known = Known {
                kind: entry.kind,
                mode: entry.mode,
                owner: (entry.uid, entry.gid),
                changed: entry.changed,
                size: entry.size,
                sparse: entry.sparse,
                taken: entry.taken,
                shared: None,
            };
            listing.add(tree.path(entry), b"", &known).unwrap();
        }
        listing.settle();
        listing
    }

    fn survey(live: &Manifest, staged: &Manifest) -> Survey {
        Survey {
            zstd: false,
            archives: Archives::Gnu,
            hash: HashKind::Blake2,
            hasher: "b2sum".to_owned(),
            quick: None,
            processes: 1,
            owner: None,
            base: "/".to_owned(),
            exchange: "perl".to_owned(),
            superuser: true,
            user: Some((0, 0)),
            attributes: Attributes::default(),
            tree: "/x".to_owned(),
            standing: Standing::Folder,
            real: "/x".to_owned(),
            writable: true,
            writable_inside: true,
            mounted: false,
            holds_mount: None,
            mounts: Vec::new(),
            space: 0,
            inodes: None,
            stage: None,
            live: listing(live),
            staged: listing(staged),
            turn: None,
            odd: Vec::new(),
            litter: Vec::new(),
        }
    }

    const D: Kind = Kind::Folder;
    const F: Kind = Kind::File;

    fn delta(live: &[(&str, Kind, u64)], staged: &[(&str, Kind, u64)], delete: bool) -> Delta {
        let source = tree(&[
            ("", D, 0),
            ("a", F, 1),
            ("b", F, 2),
            ("c", D, 0),
            ("c/d", F, 3),
        ]);
        let rules = Rules::new(&["*.log".to_owned()]).unwrap();
        Delta::between(
            &source,
            &survey(&tree(live), &tree(staged)),
            &rules,
            Wanted {
                delete,
                ..Wanted::default()
            },
        )
    }

    #[test]
    fn only_what_differs_is_sent() {
        let all = delta(&[], &[], false);
        assert_eq!((all.files, all.bytes, all.kept, all.changed), (3, 6, 0, 5));
        let some = delta(
            &[("", D, 0), ("a", F, 1), ("b", F, 9), ("c", D, 0)],
            &[],
            false,
        );
        assert_eq!((some.files, some.bytes, some.kept), (2, 5, 1));
        assert!(some.carry.has(1) && !some.carry.has(2) && some.extra.is_empty());
        let none = delta(
            &[
                ("", D, 0),
                ("a", F, 1),
                ("b", F, 2),
                ("c", D, 0),
                ("c/d", F, 3),
            ],
            &[],
            true,
        );
        assert!(none.is_none(), "{none:?}");
        assert_eq!(none.was, none.becomes);
    }

    #[test]
    fn what_arrived_before_is_not_sent_again_but_verified() {
        let staged = [
            ("", D, 0),
            ("a", F, 1),
            ("b", F, 7),
            ("old", F, 1),
            ("c", D, 0),
        ];
        let delta = delta(&[], &staged, false);
        assert_eq!((delta.files, delta.arrived), (2, 1));
        assert!(!delta.send.has(1) && delta.verify.has(1) && delta.send.has(2));
        assert_eq!(delta.sweep, b"./b\0./old\0");
        // Three new files, and a folder that is there already.
        assert_eq!((delta.needs.bytes, delta.needs.inodes), (2 * 4096, 2));
        assert_eq!((delta.frees.bytes, delta.frees.inodes), (8, 2));
    }

    #[test]
    fn what_is_kept_is_copied_from_the_live_tree_whatever_a_stage_has_of_it() {
        let all = [("", D, 0), ("a", F, 1)];
        let delta = delta(&all, &all, false);
        assert!(delta.carry.has(1) && !delta.verify.has(1));
        assert_eq!(delta.sweep, b"./a\0");
    }

    #[test]
    fn what_is_excluded_stays_and_the_rest_goes_where_that_is_wanted() {
        let live = [
            ("", D, 0),
            ("a", F, 1),
            ("x", D, 0),
            ("x/y.log", F, 1),
            ("x/z", F, 1),
            ("w", D, 0),
        ];
        let stays = delta(&live, &[], false);
        assert_eq!(stays.removed, 0);
        assert!(stays.carry.has(1));
        assert_eq!(stays.extra, b"./x/y.log\0./x/z\0");
        let goes = delta(&live, &[], true);
        assert_eq!(goes.removed, 2);
        assert_eq!(goes.extra, b"./x/y.log\0");
        assert_eq!(
            goes.headers.iter().map(|h| &h.path[..]).collect::<Vec<_>>(),
            [b"x"]
        );
        assert_ne!(stays.becomes, goes.becomes);
    }

    #[test]
    fn what_is_excluded_is_never_lost_unseen() {
        let live = [("", D, 0), ("a", D, 0), ("a/y.log", F, 1)];
        assert_eq!(delta(&live, &[], true).lost, [b"a/y.log"]);
    }

    #[test]
    fn what_is_replaced_in_place_is_ordered_once() {
        let source = tree(&[
            ("", D, 0),
            ("a", D, 0),
            ("a-b", F, 1),
            ("a/x", F, 1),
            ("f", F, 2),
            ("k", F, 3),
        ]);
        let live = tree(&[
            ("", D, 0),
            ("f", D, 0),
            ("f/in", F, 1),
            ("k", F, 3),
            ("own", D, 0),
            ("own/y", F, 1),
        ]);
        let rules = Rules::new(&[]).unwrap();
        let wanted = Wanted {
            in_place: true,
            delete: true,
            ..Wanted::default()
        };
        let delta = Delta::between(&source, &survey(&live, &tree(&[])), &rules, wanted);
        let words: Vec<_> = delta.orders.split(|byte| *byte == 0).collect();
        let orders: Vec<_> = words
            .chunks_exact(5)
            .map(|order| (order[0], order[1]))
            .collect();
        let wanted: [(&[u8], &[u8]); 5] = [
            (b"R", b"./a"),
            (b"R", b"./a-b"),
            (b"X", b"./f"),
            (b"D", b"./own/y"),
            (b"F", b"./own"),
        ];
        assert_eq!(orders, wanted);
        assert_eq!((delta.files, delta.kept, delta.removed), (3, 1, 3));
        assert!(delta.folders.has(0) && !delta.folders.has(1) && delta.fresh.has(1));
    }
}
