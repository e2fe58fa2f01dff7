//! What is done to a live tree whose files are replaced where they are, one by one.
//!
//! What was sent stands in a hidden folder on the same file system by then, so each order is a rename, or no more than
//! that. An order is five words, each with a zero byte: a letter, a path, and what belongs to it; see `land/replace.sh`.
//! Whoever is killed between two of them leaves a tree of which every file is the old one or the new one, and the next
//! comparison tells what is left to do.

use std::collections::{BTreeMap, BTreeSet};

use super::delta::{Work, word};
use super::likeness::Likeness;
use super::listing::Item;
use super::manifest::{Entry, Kind, Manifest};
use super::room::Room;
use super::survey::Archives;

/// Orders in the making.
struct Orders(Vec<u8>);

impl Orders {
    fn add(&mut self, letter: u8, path: &[u8], more: [&str; 3]) {
        self.0.extend([letter, 0]);
        word(path, &mut self.0);
        for word in more {
            self.0.extend_from_slice(word.as_bytes());
            self.0.push(0);
        }
    }

    fn plain(&mut self, letter: u8, path: &[u8]) {
        self.add(letter, path, ["-"; 3]);
    }
}

/// The orders that give some files their mode, owner and time.
pub(super) fn adjustments(
    manifest: &Manifest,
    which: &super::bits::Bits,
    owner: impl Fn(&Entry) -> Option<(u32, u32)>,
) -> Vec<u8> {
    let mut orders = Orders(Vec::new());
    for (_, entry) in manifest.iter().filter(|(at, _)| which.has(*at)) {
        let owner = owner(entry).map_or("-".to_owned(), |(uid, gid)| format!("{uid}:{gid}"));
        let time = format!("{}.{:09}", entry.changed.seconds, entry.changed.nanos);
        let mode = format!("{:o}", entry.mode);
        orders.add(b'A', manifest.path(entry), [&mode, &owner, &time]);
    }
    orders.0
}

impl Work<'_> {
    /// A link, a pipe or a further name of a file of the source.
    pub(super) fn without_content(&mut self, at: usize, entry: &Entry, like: Likeness) {
        match self.source.first_at(entry) {
            Some(first) if self.stays.has(first) => {
                if like == Likeness::Other {
                    self.relink.add(at);
                } else {
                    self.stays.add(at);
                }
            }
            None if like == Likeness::Same => self.stays.add(at),
            _ => self.delta.send.add(at),
        }
    }

    /// Writes down what is to be done.
    pub(super) fn order(&mut self) {
        let mut orders = Orders(Vec::new());
        for path in &self.survey.litter {
            orders.plain(b'N', path);
            self.touch_parent(path);
        }
        self.places(&mut orders);
        let survey = self.survey;
        let owner = |entry: &Entry| {
            let owner = survey.owner.unwrap_or((entry.uid, entry.gid));
            survey.superuser.then_some(owner)
        };
        let adjust = adjustments(self.source, &self.delta.adjust, owner);
        orders.0.extend(adjust);
        self.removals(&mut orders);
        // What is staged in the place changes the time of that.
        let is_own = |place: &Item<'_>| survey.user.is_some_and(|(user, _)| place.uid == user);
        let may = survey.superuser || survey.live.find(b"").as_ref().is_some_and(is_own);
        if let (true, true, Some(root)) = (survey.stages_inside(), may, self.source.find(b"")) {
            self.delta.folders.add(root);
        }
        self.folders();
        self.ways();
        self.open(orders);
        self.delta.not_own = self.not_own();
    }

    /// A folder that gets its attributes where it is, and which this user can't give them, since it belongs to another.
    fn not_own(&self) -> Option<Vec<u8>> {
        let (user, _) = self.survey.user.filter(|_| !self.survey.superuser)?;
        let folders = self
            .source
            .iter()
            .filter(|(at, _)| self.delta.folders.has(*at));
        let mut paths = folders.map(|(_, entry)| self.source.path(entry));
        let is_other = |path: &&[u8]| {
            let there = self.survey.live.find(path);
            there.is_some_and(|it| it.kind == Kind::Folder && it.uid != user)
        };
        paths.find(is_other).map(<[u8]>::to_vec)
    }

    /// The room of the folders in which what was sent waits, though they are there already in the live tree.
    fn ways(&mut self) {
        let source = self.source;
        let mut ways: BTreeSet<&[u8]> = BTreeSet::new();
        for (at, entry) in source.iter() {
            if self.delta.send.has(at) {
                let path = source.path(entry);
                ways.extend(memchr::memchr_iter(b'/', path).map(|at| &path[..at]));
            }
        }
        let staged = &self.survey.staged;
        let is_there = |path: &[u8]| {
            self.stage_is_fit && staged.find(path).is_some_and(|it| it.kind == Kind::Folder)
        };
        let missing = ways.iter().filter(|path| !is_there(path));
        for at in missing.filter_map(|path| source.find(path)) {
            if let Some(entry) = source.get(at).filter(|_| !self.delta.fresh.has(at)) {
                let room = Room::of(entry, b"", self.survey.archives);
                self.delta.needs.add(room);
            }
        }
    }

    /// Folders in which something changes, and this user could not change it, are opened before the orders are followed.
    /// They get their modes back at the end; those that only the target has, also when all is cut short before that.
    fn open(&mut self, orders: Orders) {
        if self.survey.superuser {
            self.delta.orders = orders.0;
            return;
        }
        let (survey, source) = (self.survey, self.source);
        let ways = self.ways_of(&orders);
        let is_closed = |entry: &Item<'_>| {
            entry.kind == Kind::Folder && entry.mode & 0o700 != 0o700 && ways.contains(entry.path())
        };
        let closed: Vec<Item<'_>> = survey.live.iter().filter(is_closed).collect();
        let (mut all, mut own) = (Orders(Vec::new()), Orders(Vec::new()));
        for path in closed.iter().map(Item::path) {
            all.plain(b'W', path);
            match source.find(path) {
                Some(at) => self.delta.folders.add(at),
                None => own.plain(b'W', path),
            }
        }
        all.0.extend(orders.0);
        // Each by its path, so that none is closed before what is in it.
        let mut modes = BTreeMap::new();
        for entry in closed.iter().rev() {
            let path = entry.path();
            if source.find(path).is_none() {
                own.add(b'P', path, [&format!("{:o}", entry.mode), "-", "-"]);
                if !self.is_replaced(path) {
                    modes.insert(path, entry.mode);
                }
            }
        }
        if survey.archives == Archives::Busybox {
            // Its tar gives folders modes only where it is called by root.
            let folders = source.iter().filter(|(at, _)| self.delta.folders.has(*at));
            modes.extend(folders.map(|(_, entry)| (source.path(entry), entry.mode)));
        }
        for (path, mode) in modes.iter().rev() {
            all.add(b'P', path, [&format!("{mode:o}"), "-", "-"]);
        }
        self.delta.orders = all.0;
        self.delta.closed = own.0;
    }

    /// The folders that lead to what orders are about, and to folders that get their attributes.
    fn ways_of(&self, orders: &Orders) -> BTreeSet<Vec<u8>> {
        let words: Vec<&[u8]> = orders.0.split(|byte| *byte == 0).collect();
        let mut ways: BTreeSet<Vec<u8>> = BTreeSet::new();
        let mut lead = |path: &[u8]| {
            ways.insert(Vec::new());
            ways.extend(memchr::memchr_iter(b'/', path).map(|at| path[..at].to_vec()));
        };
        for order in words.chunks_exact(5) {
            for path in order[1..3]
                .iter()
                .filter_map(|word| word.strip_prefix(b"./"))
            {
                lead(path);
            }
        }
        for (at, entry) in self.source.iter() {
            if self.delta.folders.has(at) {
                lead(self.source.path(entry));
            }
        }
        ways
    }

    /// What takes its place in the live tree, folders before what they contain.
    fn places(&mut self, orders: &mut Orders) {
        let live = &self.survey.live;
        for (at, entry) in self.source.iter() {
            let path = self.source.path(entry);
            let there = live.find(path);
            let is_folder = there.is_some_and(|it| it.kind == Kind::Folder);
            if self.relink.has(at) {
                let first = self.source.first(entry).unwrap_or(entry);
                orders.0.extend([b'L', 0]);
                word(path, &mut orders.0);
                word(self.source.path(first), &mut orders.0);
                orders.0.extend_from_slice(b"-\0-\0");
                self.touch_parent(path);
                continue;
            }
            let is_new = match entry.kind {
                Kind::Folder => self.delta.fresh.has(at),
                _ => !self.stays.has(at),
            };
            // A folder that is new takes all that it contains along.
            if !is_new || self.comes_with_its_folder(path) {
                continue;
            }
            let swaps = is_folder || (entry.kind == Kind::Folder && there.is_some());
            orders.plain(if swaps { b'X' } else { b'R' }, path);
            self.touch_parent(path);
        }
    }

    /// Whether a folder that a path lies in is new.
    fn comes_with_its_folder(&self, path: &[u8]) -> bool {
        let is_new = |folder: &[u8]| {
            let at = self.source.find(folder);
            at.is_some_and(|at| self.delta.fresh.has(at))
        };
        !path.is_empty()
            && (is_new(b"") || memchr::memchr_iter(b'/', path).any(|at| is_new(&path[..at])))
    }

    /// What goes, the deepest first.
    fn removals(&mut self, orders: &mut Orders) {
        let live = &self.survey.live;
        let odd: Vec<Vec<u8>> = self.odd_that_goes().cloned().collect();
        for path in &odd {
            orders.plain(b'D', path);
            self.touch_parent(path);
        }
        for entry in live.iter_back() {
            let path = entry.path();
            if self.is_replaced(path) {
                // It has gone with its folder.
            } else if self.removed.has(entry.at) {
                let letter = if entry.kind == Kind::Folder {
                    b'F'
                } else {
                    b'D'
                };
                orders.plain(letter, path);
                self.touch_parent(path);
            }
        }
    }

    /// The folder in which something changes gets its time back at the end.
    fn touch_parent(&mut self, path: &[u8]) {
        let parent = match memchr::memrchr(b'/', path) {
            Some(at) => &path[..at],
            None if path.is_empty() => return,
            None => b"",
        };
        if let Some(at) = self.source.find(parent) {
            self.delta.folders.add(at);
        }
    }

    /// Which folders get their attributes at the end: those in which something changed, and those that differ.
    fn folders(&mut self) {
        let live = &self.survey.live;
        let owner = |entry: &Entry| self.survey.owner.unwrap_or((entry.uid, entry.gid));
        for (at, entry) in self.source.iter() {
            let there = live.find(self.source.path(entry));
            let Some(there) = there.filter(|it| it.kind == entry.kind && it.kind == Kind::Folder)
            else {
                continue;
            };
            let differs = entry.mode != there.mode
                || !self.survey.precision().same(entry.changed, there.changed)
                || (self.survey.superuser && owner(entry) != (there.uid, there.gid))
                || !self.source.extended(entry).is_empty();
            if differs {
                self.delta.folders.add(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::super::script;

    fn sh(root: &Path, commands: &str) {
        let done = Command::new("sh")
            .args(["-ec", commands])
            .current_dir(root)
            .output()
            .unwrap();
        assert!(done.status.success(), "{commands}: {done:?}");
    }

    /// Whatever follows the orders comes to the same tree.
    #[test]
    fn all_that_follow_orders_come_to_one_tree() {
        const ORDERS: [[&str; 5]; 12] = [
            ["R", "./a", "-", "-", "-"],
            ["X", "./d", "-", "-", "-"],
            ["X", "./f", "-", "-", "-"],
            ["X", "./l", "-", "-", "-"],
            ["R", "./-n\new", "-", "-", "-"],
            ["R", "./s", "-", "-", "-"],
            ["L", "./k/h", "./k/g", "-", "-"],
            ["L", "./x", "./k/g", "-", "-"],
            ["A", "./t", "640", "-", "1000000000.123456789"],
            ["D", "./gone/y", "-", "-", "-"],
            ["F", "./gone", "-", "-", "-"],
            ["F", "./stays", "-", "-", "-"],
        ];
        let plain = script::replace().text;
        let without = |names: &[&str]| {
            names.iter().fold(plain.to_owned(), |text, name| {
                text.replace(&format!("command -v {name}"), "false")
            })
        };
        let mut ways = vec![plain.to_owned(), without(&["perl"])];
        ways.push(without(&["perl", "python3"]));
        for (way, text) in ways.iter().enumerate() {
            for shell in [&["dash"][..], &["bash"], &["ksh"], &["busybox", "sh"]] {
                let folder = tempfile::tempdir().unwrap();
                let root = folder.path();
                sh(
                    root,
                    "mkdir -p to/d to/gone to/stays to/k to/x stage/f stage/l stage/s state out
                     echo old >to/a; echo old >to/d/in; echo old >to/f; ln -s ../out to/l; ln -s a to/s; echo g >to/k/g; echo h >to/k/h; echo x >to/x/in
                     echo t >to/t; echo y >to/gone/y; echo own >to/stays/own; echo o >out/o
                     echo new >stage/a; echo new >stage/d; echo new >stage/f/in; echo new >stage/l/in; echo n >'stage/-n
ew'; rmdir stage/s; ln -s b stage/s",
                );
                let mut child = Command::new(shell[0])
                    .args(&shell[1..])
                    .args(["-c", text, "replace"])
                    .args([root.join("to"), root.join("stage"), root.join("state")])
                    .args(["was", "becomes", "gnu"])
                    .stdin(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut orders = child.stdin.take().unwrap();
                for word in ORDERS.iter().flatten() {
                    orders.write_all(word.as_bytes()).unwrap();
                    orders.write_all(b"\0").unwrap();
                }
                drop(orders);
                let ended = child.wait_with_output().unwrap();
                assert!(ended.status.success(), "{way} {shell:?}: {ended:?}");
                sh(
                    &root.join("to"),
                    "[ \"$(cat a d f/in l/in)\" = 'new
new
new
new' ] && [ \"$(cat -- '-n
ew')\" = n ] && [ \"$(readlink s)\" = b ] && ! [ -L l ]
                     [ k/h -ef k/g ] && [ x -ef k/g ] && [ \"$(cat x)\" = g ] && [ \"$(stat -c '%a %.9Y' t)\" = '640 1000000000.123456789' ]
                     ! [ -e gone ] && [ \"$(cat stays/own)\" = own ] && [ \"$(cat ../out/o)\" = o ] && [ \"$(ls ../out)\" = o ]",
                );
                assert!(!root.join("stage").exists());
                let begun = fs::read_to_string(root.join("state/begun")).unwrap();
                assert_eq!(begun, "was becomes\n");
            }
        }
    }

    /// Where another file system is mounted, things are copied beside their places, forced to disk, and get them then.
    #[test]
    fn what_goes_to_another_file_system_is_beside_its_place_first() {
        const ORDERS: [[&str; 5]; 9] = [
            ["N", "./data/deep/.clusterctl-near", "-", "-", "-"],
            ["R", "./data/a", "-", "-", "-"],
            ["R", "./data/b", "-", "-", "-"],
            ["X", "./data/folder", "-", "-", "-"],
            ["X", "./data/file", "-", "-", "-"],
            ["X", "./data/both", "-", "-", "-"],
            ["R", "./data/new", "-", "-", "-"],
            ["L", "./data/l", "./data/g", "-", "-"],
            ["R", "./out", "-", "-", "-"],
        ];
        let plain = script::replace().text;
        for names in [&[][..], &["perl"], &["perl", "python3"]] {
            let text = names.iter().fold(plain.to_owned(), |text, name| {
                text.replace(&format!("command -v {name}"), "false")
            });
            for exchanges in [true, false] {
                let text = if exchanges {
                    text.clone()
                } else {
                    text.replace("echo 316 280", "echo 0 280")
                };
                let folder = tempfile::tempdir().unwrap();
                let root = folder.path();
                sh(
                    root,
                    "mkdir -p to/data vol/folder vol/both vol/deep stage/data/new stage/data/file stage/data/both state bin
                     cd vol; echo old >a; echo old >folder/in; echo old >file; echo old >both/old; echo g >g; echo l >l; echo half >deep/.clusterctl-near; cd ../stage/data
                     echo new >a; ln a b; ln a new/c; echo new >new/d; echo new >folder; echo new >file/in; echo new >both/new; echo out >../out
                     cd ../..; printf '#!/bin/sh\nprintf \"%%s \" \"$@\" >>synced\nexec /usr/bin/sync \"$@\"\n' >bin/sync; chmod 755 bin/sync; sed -i \"s,>>synced,>>$PWD/synced,\" bin/sync",
                );
                let mut orders = Vec::new();
                for word in ORDERS.iter().flatten() {
                    orders.extend_from_slice(word.as_bytes());
                    orders.push(0);
                }
                let done = follow(root, "mount --bind vol to/data", &text, &orders);
                assert!(done.status.success(), "{names:?} {exchanges}: {done:?}");
                sh(
                    &root.join("vol"),
                    "[ \"$(cat a b folder file/in both/new new/c new/d | sort -u)\" = new ] && [ a -ef b ] && [ l -ef g ]
                     ! [ -e both/old ] && [ -z \"$(find . -name '.clusterctl*')\" ] && [ \"$(cat ../to/out)\" = out ]
                     grep -q -e '/data/.clusterctl-near' ../synced",
                );
                if names.len() < 2 {
                    sh(&root.join("vol"), "[ a -ef new/c ]");
                }
            }
        }
    }

    /// Follows orders where something else is mounted, with the programs in `bin` first.
    fn follow(root: &Path, mount: &str, text: &str, orders: &[u8]) -> std::process::Output {
        let run = format!(
            "{mount}; PATH=$PWD/bin:$PATH exec sh -c \"$1\" replace \"$PWD/to\" \"$PWD/stage\" \"$PWD/state\" was becomes gnu"
        );
        let mut child = Command::new("unshare")
            .args(["-m", "sh", "-ec", &run, "sh", text])
            .current_dir(root)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(orders).unwrap();
        child.wait_with_output().unwrap()
    }

    #[test]
    fn where_there_is_no_room_on_another_file_system_what_was_there_stays() {
        let plain = script::replace().text;
        for names in [&[][..], &["perl"], &["perl", "python3"]] {
            let text = names.iter().fold(plain.to_owned(), |text, name| {
                text.replace(&format!("command -v {name}"), "false")
            });
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            sh(
                root,
                "mkdir -p to/data stage/data/a state bin; head -c 3000000 /dev/urandom >stage/data/a/in; head -c 3000000 /dev/urandom >stage/data/b",
            );
            let mount = "mount -t tmpfs -o size=1m clusterctl-test to/data; echo old >to/data/a; echo old >to/data/b; trap 'cat to/data/a to/data/b; ls -A to/data' EXIT; true";
            for orders in [b"X\0./data/a\0-\0-\0-\0", b"R\0./data/b\0-\0-\0-\0"] {
                let run = "sh -c \"$1\" replace \"$PWD/to\" \"$PWD/stage\" \"$PWD/state\" was becomes gnu || code=$?; exit $code";
                let mut child = Command::new("unshare")
                    .args(["-m", "sh", "-ec", &format!("{mount}; {run}"), "sh", &text])
                    .current_dir(root)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                child.stdin.take().unwrap().write_all(orders).unwrap();
                let ended = child.wait_with_output().unwrap();
                assert_eq!(ended.status.code(), Some(86), "{names:?}: {ended:?}");
                let said = String::from_utf8_lossy(&ended.stderr);
                assert!(said.contains("/to/data"), "{names:?}: {said}");
                let left = String::from_utf8_lossy(&ended.stdout);
                assert_eq!(left, "old\nold\na\nb\n", "{names:?}");
            }
        }
    }

    /// A link that somebody puts where a folder was leads nowhere.
    #[test]
    fn nothing_is_done_through_a_link() {
        let plain = script::replace().text;
        for names in [&[][..], &["perl"], &["perl", "python3"]] {
            let text = names.iter().fold(plain.to_owned(), |text, name| {
                text.replace(&format!("command -v {name}"), "false")
            });
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            sh(
                root,
                "mkdir -p to stage/d out state; ln -s ../out to/d; echo new >stage/d/f; echo old >out/f",
            );
            let mut child = Command::new("sh")
                .args(["-c", &text, "replace"])
                .args([root.join("to"), root.join("stage"), root.join("state")])
                .args(["was", "becomes", "gnu"])
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let orders = b"R\0./d/f\0-\0-\0-\0";
            child.stdin.take().unwrap().write_all(orders).unwrap();
            let ended = child.wait_with_output().unwrap();
            assert_eq!(ended.status.code(), Some(89), "{ended:?}");
            let said = String::from_utf8_lossy(&ended.stderr);
            assert!(said.contains("no folder any more"), "{said}");
            assert_eq!(fs::read_to_string(root.join("out/f")).unwrap(), "old\n");
        }
    }
}
