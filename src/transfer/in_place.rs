//! What is done to a live tree whose files are replaced where they are, one by one.
//!
//! What was sent stands in a hidden folder on the same file system by then, so each order is a rename, or no more than
//! that. An order is five words, each with a zero byte: a letter, a path, and what belongs to it; see `land/replace.sh`.
//! Whoever is killed between two of them leaves a tree of which every file is the old one or the new one, and the next
//! comparison tells what is left to do.

use std::collections::BTreeSet;

use super::delta::{Work, word};
use super::likeness::Likeness;
use super::manifest::{Entry, Kind, Manifest};
use super::room::Room;

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
        self.open(&mut orders);
        self.places(&mut orders);
        let survey = self.survey;
        let owner = |entry: &Entry| {
            let owner = survey.owner.unwrap_or((entry.uid, entry.gid));
            survey.superuser.then_some(owner)
        };
        let adjust = adjustments(self.source, &self.delta.adjust, owner);
        orders.0.extend(adjust);
        self.removals(&mut orders);
        self.folders();
        self.ways();
        self.delta.orders = orders.0;
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
        for at in ways.iter().filter_map(|path| source.find(path)) {
            if let Some(entry) = source.get(at).filter(|_| !self.delta.fresh.has(at)) {
                let room = Room::of(entry, b"", self.survey.archives);
                self.delta.needs.add(room);
            }
        }
    }

    /// Folders in which this user could not change anything are opened first. They get their modes back at the end.
    fn open(&self, orders: &mut Orders) {
        if self.survey.superuser {
            return;
        }
        let live = &self.survey.live;
        for entry in live.iter() {
            if entry.kind == Kind::Folder && entry.mode & 0o700 != 0o700 {
                orders.plain(b'W', entry.path());
            }
        }
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
        let stays = |path: &[u8]| self.rules.leave_out(path, false);
        let odd = if self.wanted.delete {
            &self.survey.odd[..]
        } else {
            &[]
        };
        for path in odd {
            if !stays(path) && !self.is_replaced(path) && self.source.find(path).is_none() {
                orders.plain(b'D', path);
            }
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
            } else if entry.kind == Kind::Folder
                && !self.survey.superuser
                && entry.mode & 0o700 != 0o700
                && self.source.find(path).is_none()
            {
                let mode = format!("{:o}", entry.mode);
                orders.add(b'P', path, [&mode, "-", "-"]);
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
        let closed = |mode: u16| !self.survey.superuser && mode & 0o700 != 0o700;
        for (at, entry) in self.source.iter() {
            let there = live.find(self.source.path(entry));
            let Some(there) = there.filter(|it| it.kind == entry.kind && it.kind == Kind::Folder)
            else {
                continue;
            };
            let differs = entry.mode != there.mode
                || closed(there.mode)
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
