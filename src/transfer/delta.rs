//! What has to be done so that one tree becomes as another: what is sent, what is kept, what goes.

use std::collections::{BTreeMap, BTreeSet};

use super::attributes::Attributes;
use super::bits::Bits;
use super::manifest::{Entry, Kind, Manifest, Marks, Precision};
use super::room::Room;
use super::rules::Rules;
use super::survey::{Archives, Survey};

/// What is wanted of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Whether what the source does not have goes.
    pub delete: bool,
}

/// An entry of the target's tree that is not copied but needs its header in the stream.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) path: Vec<u8>,
    pub(super) entry: Entry,
    /// The other name of the same file.
    pub(super) first: Option<Vec<u8>>,
    /// What it has of extended attributes.
    pub(super) extended: Vec<(String, Vec<u8>)>,
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
    /// The fingerprint of the tree that comes of it, without what the rules leave out.
    pub becomes: [u8; 32],
    /// The fingerprint of the tree that is there, without what the rules leave out.
    pub was: [u8; 32],
}

struct Work<'a> {
    source: &'a Manifest,
    survey: &'a Survey,
    rules: &'a Rules,
    precision: Precision,
    attributes: Attributes,
    /// Whether the times of folders that differ alone are a difference.
    folder_times: bool,
    /// Whether an earlier stage is of any use.
    stage_is_fit: bool,
    delta: Delta,
    /// The paths that the stage shall have, of those that it has.
    staged: Bits,
}

impl Delta {
    /// What has to be done so that the tree that was surveyed becomes as the source.
    pub fn between(source: &Manifest, survey: &Survey, rules: &Rules, wanted: Wanted) -> Self {
        let mut work = Work {
            source,
            survey,
            rules,
            precision: survey.precision(),
            attributes: survey.attributes,
            // What is left out, or only there, comes and goes, and changes the times of folders.
            folder_times: rules.are_none(),
            stage_is_fit: stage_is_fit(source, survey),
            delta: Self::default(),
            staged: Bits::default(),
        };
        work.folder_times &= wanted.delete || !work.has_own();
        let mut becomes = Marks::default();
        for (at, entry) in source.iter() {
            becomes.add(source.mark(entry, work.precision));
            work.of_source(at, entry);
        }
        work.of_target(wanted, &mut becomes);
        work.sweep();
        work.delta.becomes = becomes.digest();
        work.delta
    }

    /// Whether there is nothing to do.
    pub fn is_none(&self) -> bool {
        self.changed == 0 && self.removed == 0
    }
}

impl Work<'_> {
    fn of_source(&mut self, at: usize, entry: &Entry) {
        let path = self.source.path(entry);
        let live = self
            .survey
            .live
            .find(path)
            .and_then(|at| self.survey.live.get(at));
        let is_kept = live.is_some_and(|live| self.is_same(entry, &self.survey.live, live));
        if !is_kept {
            self.delta.changed += 1;
        }
        let staged = self.survey.staged.find(path).filter(|_| self.stage_is_fit);
        let in_stage = staged
            .and_then(|at| self.survey.staged.get(at))
            .is_some_and(|staged| self.is_same(entry, &self.survey.staged, staged));
        // What has another kind goes: what is unpacked must never follow a link that an earlier stage has.
        let same_kind = staged
            .and_then(|at| self.survey.staged.get(at))
            .is_some_and(|staged| staged.kind == entry.kind);
        let is_content = entry.kind == Kind::File && self.source.first(entry).is_none();
        let room = Room::of(entry, self.source.target(entry), self.survey.archives);
        if entry.kind == Kind::Folder {
            if let Some(staged) = staged.filter(|_| same_kind) {
                self.staged.add(staged);
            } else {
                self.delta.needs.add(room);
            }
            return;
        }
        if !is_content {
            // These cost little, and a stage that has them gets them again.
            self.delta.send.add(at);
            if self.source.first(entry).is_none() {
                self.delta.needs.add(room);
            }
            return;
        }
        // A file that shall have attributes which can't be seen from here is brought again with the rest.
        let are_unknown = self.attributes.are_unknown((self.source, entry));
        if let Some(live) = live.filter(|_| is_kept && !are_unknown) {
            self.delta.kept += 1;
            // Whatever the stage has of it was never compared with anything: it is copied again.
            self.delta.carry.add(at);
            self.delta
                .needs
                .add(Room::of(live, b"", self.survey.archives));
            return;
        }
        if entry.size > 0 {
            self.delta.verify.add(at);
        }
        if let Some(staged) = staged.filter(|_| in_stage && !are_unknown) {
            self.staged.add(staged);
            self.delta.arrived += 1;
        } else {
            self.delta.needs.add(room);
            self.delta.send.add(at);
            self.delta.files += 1;
            self.delta.bytes += entry.size;
        }
    }

    /// Whether an entry of another tree is as one of the source, as far as its attributes tell.
    fn is_same(&self, entry: &Entry, other_tree: &Manifest, other: &Entry) -> bool {
        let owners = !self.survey.superuser || (entry.uid, entry.gid) == (other.uid, other.gid);
        if entry.kind != other.kind
            || !owners
            || !self
                .attributes
                .are_same((self.source, entry), (other_tree, other))
        {
            return false;
        }
        let same_time = self.precision.same(entry.changed, other.changed);
        // The programs of busybox keep no times of links and pipes.
        let same_if_kept = same_time || self.survey.archives == Archives::Busybox;
        match entry.kind {
            Kind::Link => same_if_kept && self.source.target(entry) == other_tree.target(other),
            Kind::Folder => entry.mode == other.mode && (same_time || !self.folder_times),
            Kind::Pipe => entry.mode == other.mode && same_if_kept,
            Kind::File => {
                let path =
                    |tree: &Manifest, entry| tree.first(entry).map(|it| tree.path(it).to_vec());
                entry.mode == other.mode
                    && entry.size == other.size
                    && same_time
                    && path(self.source, entry) == path(other_tree, other)
            }
        }
    }

    /// Whether the target has anything that the source does not have.
    fn has_own(&self) -> bool {
        let live = &self.survey.live;
        live.iter()
            .any(|(_, entry)| self.source.find(live.path(entry)).is_none())
    }

    /// What of the target's own the source does not have.
    fn of_target(&mut self, wanted: Wanted, becomes: &mut Marks) {
        let live = &self.survey.live;
        let mut was = Marks::default();
        let mut needed: BTreeSet<&[u8]> = BTreeSet::new();
        let excluded = |entry: &Entry| {
            self.rules
                .leave_out(live.path(entry), entry.kind == Kind::Folder)
        };
        if wanted.delete && !self.rules.are_none() {
            for (_, entry) in live.iter().filter(|(_, entry)| excluded(entry)) {
                let path = live.path(entry);
                needed.extend(memchr::memchr_iter(b'/', path).map(|at| &path[..at]));
            }
        }
        let mut extra = Vec::new();
        for (_, entry) in live.iter() {
            let path = live.path(entry);
            let is_excluded = excluded(entry);
            if !is_excluded {
                was.add(live.mark(entry, self.precision));
            }
            if let Some(there) = self.source.find(path).and_then(|at| self.source.get(at)) {
                if is_excluded && there.kind != entry.kind {
                    self.delta.lost.push(path.to_vec());
                }
                continue;
            }
            if is_excluded || !wanted.delete || needed.contains(path) {
                extra.push((entry, is_excluded));
            } else {
                self.delta.removed += 1;
            }
        }
        // Of a file with several names, the first that is carried over is copied, and the others become its names.
        let firsts = live.iter().filter_map(|(_, entry)| live.first(entry));
        let shared: BTreeSet<&[u8]> = firsts.map(|first| live.path(first)).collect();
        let mut copied = BTreeMap::new();
        for (entry, is_excluded) in extra {
            if self.is_blocked(entry, is_excluded) {
                continue;
            }
            let path = live.path(entry);
            let file = live.first(entry).map_or(path, |first| live.path(first));
            let first = if shared.contains(file) {
                Some(*copied.entry(file).or_insert(path)).filter(|first| *first != path)
            } else {
                None
            };
            if !is_excluded {
                becomes.add(live.mark_as(entry, self.precision, first));
            }
            self.carry(entry, first);
        }
        self.delta.was = was.digest();
    }

    /// Whether the source has something else where the folder of an entry was.
    fn is_blocked(&mut self, entry: &Entry, is_excluded: bool) -> bool {
        let path = self.survey.live.path(entry);
        let blocked = memchr::memchr_iter(b'/', path).any(|at| {
            let above = self
                .source
                .find(&path[..at])
                .and_then(|at| self.source.get(at));
            above.is_some_and(|above| above.kind != Kind::Folder)
        });
        if blocked {
            if is_excluded {
                self.delta.lost.push(path.to_vec());
            } else {
                self.delta.removed += 1;
            }
        }
        blocked
    }

    fn carry(&mut self, entry: &Entry, first: Option<&[u8]>) {
        let path = self.survey.live.path(entry);
        let extended = self.survey.live.extended(entry).iter();
        let extended = extended.filter(|(name, _)| self.attributes.keep(name));
        let header = |first| Header {
            path: path.to_vec(),
            entry: *entry,
            first,
            extended: extended.clone().cloned().collect(),
        };
        let staged = self.survey.staged.find(path).filter(|_| self.stage_is_fit);
        let target = self.survey.live.target(entry);
        let room = Room::of(entry, target, self.survey.archives);
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
            let same = |at: &usize| {
                let there = self.survey.staged.get(*at);
                there.is_some_and(|it| it.kind == Kind::Folder)
            };
            if let Some(staged) = staged.filter(same) {
                self.staged.add(staged);
            } else {
                self.delta.needs.add(room);
            }
        }
    }

    /// What an earlier stage has and this one does not want.
    fn sweep(&mut self) {
        let staged = &self.survey.staged;
        for (at, entry) in staged.iter() {
            let path = staged.path(entry);
            if !path.is_empty() && !self.staged.has(at) {
                word(path, &mut self.delta.sweep);
                if staged.first(entry).is_none() {
                    // As much as it takes at the least: an earlier stage may have been cut short anywhere.
                    self.delta.frees.add(Room {
                        bytes: entry.taken,
                        inodes: 1,
                    });
                }
            }
        }
    }
}

/// Whether no folder of an earlier stage has an extended attribute that would stay there against the source's will.
fn stage_is_fit(source: &Manifest, survey: &Survey) -> bool {
    let staged = &survey.staged;
    let mut folders = staged
        .iter()
        .map(|(_, entry)| entry)
        .filter(|entry| entry.kind == Kind::Folder);
    !folders.any(|folder| {
        let there = source.find(staged.path(folder));
        there.and_then(|at| source.get(at)).is_some_and(|entry| {
            survey
                .attributes
                .has_more((staged, folder), (source, entry))
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

    fn survey(live: Manifest, staged: Manifest) -> Survey {
        Survey {
            archives: Archives::Gnu,
            hash: HashKind::Blake2,
            exchange: "perl".to_owned(),
            superuser: true,
            user: Some((0, 0)),
            attributes: Attributes::default(),
            tree: "/x".to_owned(),
            standing: Standing::Folder,
            real: "/x".to_owned(),
            writable: true,
            mounted: false,
            holds_mount: None,
            space: 0,
            inodes: None,
            stage: None,
            live,
            staged,
            odd: Vec::new(),
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
            &survey(tree(live), tree(staged)),
            &rules,
            Wanted { delete },
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
}
