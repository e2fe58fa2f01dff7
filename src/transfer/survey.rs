//! What a node says of the place where a tree shall land.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use super::attributes::{self, Attributes};
use super::hidden;
use super::listing::Listing;
use super::manifest::{Kind, Known, Manifest, Precision, Time};
use super::rules::Rules;
use super::turn::{LARGE, Turn};

/// What unpacks archives on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archives {
    /// GNU tar.
    Gnu,
    /// The one of busybox: whole seconds, no extended attributes, no holes.
    Busybox,
}

impl Archives {
    /// How exactly it keeps times.
    fn precision(self) -> Precision {
        match self {
            Self::Gnu => Precision::Nanos,
            Self::Busybox => Precision::Seconds,
        }
    }
}

/// What a node computes fingerprints of files with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKind {
    /// `b2sum`.
    Blake2,
    /// `sha256sum`.
    Sha256,
}

/// What stands where a tree shall land.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Nothing,
    /// A folder.
    Folder,
    /// Something else.
    Other,
}

/// What a node said.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "answers of a node, of which none follows from the others"
)]
pub struct Survey {
    /// What unpacks archives.
    pub archives: Archives,
    /// What fingerprints are compared.
    pub hash: HashKind,
    /// The program that computes them, with its options.
    pub(super) hasher: String,
    /// The one that computes SHA-256 by instructions of the processor, if there is one.
    pub(super) quick: Option<String>,
    /// How many of it may run at once.
    pub(super) processes: u32,
    /// Whether it has zstd.
    pub zstd: bool,
    /// Whom files shall belong to, as numbers of this node.
    pub owner: Option<(u32, u32)>,
    /// The folder in which a stage is made: the one that the place is in, or where that can't be, the place itself.
    pub(super) base: String,
    /// By what two folders change places at once; `none` where nothing can do so.
    pub exchange: String,
    /// Whether the user there is the superuser.
    pub superuser: bool,
    /// The numbers of that user and its group.
    pub user: Option<(u32, u32)>,
    /// What is kept of extended attributes there.
    pub attributes: Attributes,
    /// What stands there.
    pub standing: Standing,
    /// The place without links on the way.
    pub real: String,
    /// Where the tree is: there, unless a swap was cut short in the instant in which the old tree has another name.
    pub tree: String,
    /// Whether this user may put something beside it.
    pub writable: bool,
    /// Whether this user may put something into it.
    pub writable_inside: bool,
    /// Whether a file system is mounted at the place.
    pub mounted: bool,
    /// Where something is mounted in the tree that is there.
    pub holds_mount: Option<String>,
    /// All places in it at which something is mounted.
    pub(super) mounts: Vec<String>,
    /// Free space in bytes.
    pub space: u64,
    /// Free inodes, where that is known.
    pub inodes: Option<u64>,
    /// The folder of the latest stage for this place.
    pub stage: Option<String>,
    /// The entries of the tree that is there.
    pub live: Listing,
    /// The entries of the latest stage.
    pub staged: Listing,
    /// Held for as long as there are many entries that take room.
    pub(super) turn: Option<Turn>,
    /// What is there and can't be carried over, such as sockets and devices.
    pub odd: Vec<Vec<u8>>,
    /// What a replacing that was cut short left beside places on another file system.
    pub(super) litter: Vec<Vec<u8>>,
}

impl Survey {
    /// What can't be carried over to a new tree, and would have to be.
    pub fn stays(&self, rules: &Rules, delete: bool) -> Option<&[u8]> {
        let stays = |odd: &&Vec<u8>| !delete || rules.leave_out(odd, false);
        self.odd.iter().find(stays).map(|odd| &odd[..])
    }

    /// Where something is mounted whose place would go, or get something else, if files were replaced where they are.
    pub fn endangered(&self, source: &Manifest, rules: &Rules, delete: bool) -> Option<&str> {
        let is_endangered = |mount: &&String| {
            let path = mount.strip_prefix(&self.tree).unwrap_or_default();
            let path = path.trim_start_matches('/').as_bytes();
            let ends = memchr::memchr_iter(b'/', path).chain([path.len()]);
            let is_left_out = rules.leave_out(path, true);
            for above in ends.map(|end| &path[..end]) {
                match source.find(above).and_then(|at| source.get(at)) {
                    Some(entry) if entry.kind == Kind::Folder => {}
                    Some(_) => return true,
                    None => return delete && !is_left_out,
                }
            }
            false
        };
        self.mounts.iter().find(is_endangered).map(String::as_str)
    }

    /// How exactly times can be kept there.
    pub fn precision(&self) -> Precision {
        self.archives.precision()
    }

    /// Whether stages are made in the place itself.
    pub fn stages_inside(&self) -> bool {
        self.base == self.real
    }
}

/// Reads what the script writes, as it comes, without keeping it.
#[derive(Default)]
pub(super) struct Reader<'a> {
    /// What of the tree that is there is passed over.
    rules: Option<&'a Rules>,
    part: Vec<u8>,
    state: State,
    values: HashMap<String, String>,
    live: Listing,
    staged: Listing,
    turn: Option<Turn>,
    odd: Vec<Vec<u8>>,
    litter: Vec<Vec<u8>>,
    /// The extended attributes in each of the trees, as they were listed.
    listed: Vec<(Tree, Vec<u8>)>,
    /// The file system of the tree that is there, and the first folder in it that is on another.
    device: Option<String>,
    elsewhere: Option<Vec<u8>>,
    /// What was read of an entry so far.
    attributes: Vec<u8>,
    path: Vec<u8>,
    batch: Vec<Vec<u8>>,
    next: usize,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Values,
    /// The attributes of an entry come next, or the end.
    Attributes(Tree),
    Path(Tree),
    Target(Tree),
    /// The lines of a batch.
    Lines(Tree),
    BatchPath(Tree),
    BatchTarget(Tree),
    Whole,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tree {
    Live,
    Staged,
}

impl Write for Reader<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(0, rest) {
            self.part.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let part = std::mem::take(&mut self.part);
            self.hear(&part)
                .ok_or_else(|| io::Error::other("a list of files can't be understood"))?;
            self.part = part;
            self.part.clear();
        }
        self.part.extend_from_slice(rest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> Reader<'a> {
    /// One that knows a tree that is nearly the same.
    pub(super) fn like(known: &Arc<Manifest>) -> Self {
        Self {
            live: Listing::like(known),
            staged: Listing::like(known),
            ..Self::default()
        }
    }

    /// One that passes over what these rules leave out.
    pub(super) fn without(rules: &'a Rules) -> Self {
        Self {
            rules: Some(rules),
            ..Self::default()
        }
    }

    fn hear(&mut self, part: &[u8]) -> Option<()> {
        match self.state {
            State::Values => self.value(part)?,
            State::Attributes(tree) => match part {
                b"" => self.state = State::Values,
                b"batch" => self.state = State::Lines(tree),
                _ => {
                    self.attributes = part.to_vec();
                    self.state = State::Path(tree);
                }
            },
            State::Path(tree) => {
                self.path = part.to_vec();
                self.state = State::Target(tree);
            }
            State::Target(tree) => {
                let attributes = std::mem::take(&mut self.attributes);
                self.add(tree, &attributes, part)?;
                self.state = State::Attributes(tree);
            }
            State::Lines(tree) => {
                let lines = part
                    .split(|byte| *byte == b'\n')
                    .filter(|line| !line.is_empty());
                self.batch = lines.map(<[u8]>::to_vec).collect();
                self.next = 0;
                self.state = State::BatchPath(tree);
            }
            State::BatchPath(tree) => {
                // As `find` names them: `.` for the folder itself, and `./` before all others.
                let path = part.strip_prefix(b".")?;
                self.path = path.strip_prefix(b"/").unwrap_or(path).to_vec();
                self.state = State::BatchTarget(tree);
            }
            State::BatchTarget(tree) => {
                let line = std::mem::take(self.batch.get_mut(self.next)?);
                self.add(tree, &of_stat(&line)?, part)?;
                self.next += 1;
                let done = self.next == self.batch.len();
                self.state = if done {
                    State::Attributes(tree)
                } else {
                    State::BatchPath(tree)
                };
            }
            State::Whole => return None,
        }
        Some(())
    }

    fn value(&mut self, part: &[u8]) -> Option<()> {
        let attributes = [
            (Tree::Live, &b"attributes of live\n"[..]),
            (Tree::Staged, b"attributes of staged\n"),
        ];
        for (tree, start) in attributes {
            if let Some(text) = part.strip_prefix(start) {
                self.listed.push((tree, text.to_vec()));
                return Some(());
            }
        }
        match part {
            b"live" => {
                self.live.told(self.precision());
                self.state = State::Attributes(Tree::Live);
            }
            b"staged" => {
                self.staged.told(self.precision());
                self.state = State::Attributes(Tree::Staged);
            }
            b"whole" => self.state = State::Whole,
            _ => {
                let (name, value) = std::str::from_utf8(part).ok()?.split_once('=')?;
                self.values.insert(name.to_owned(), value.to_owned());
            }
        }
        Some(())
    }

    fn add(&mut self, tree: Tree, attributes: &[u8], target: &[u8]) -> Option<()> {
        let is_folder = attributes.starts_with(b"d");
        let is_left_out = self
            .rules
            .is_some_and(|rules| rules.leave_out(&self.path, is_folder));
        if is_left_out || (tree == Tree::Live && self.is_hidden()) {
            if tree == Tree::Live && hidden::is_near(&self.path) {
                self.litter.push(std::mem::take(&mut self.path));
            }
            return Some(());
        }
        let Some(mut known) = parse(attributes)? else {
            self.odd.push(std::mem::take(&mut self.path));
            return Some(());
        };
        if let (Tree::Live, Kind::Folder, None) = (tree, known.kind, &self.elsewhere) {
            let device = device(attributes)?;
            if self.device.as_ref().is_some_and(|own| own != device) {
                self.elsewhere = Some(self.path.clone());
            }
            self.device.get_or_insert_with(|| device.to_owned());
        }
        // What has other names elsewhere, as unchanged files may have in the live tree, is not freed when it goes.
        if tree == Tree::Staged && known.shared.is_some() {
            known.taken = 0;
        }
        let into = match tree {
            Tree::Live => &mut self.live,
            Tree::Staged => &mut self.staged,
        };
        let before = into.kept();
        into.add(&self.path, target, &known).ok()?;
        let has_grown = into.kept() > before;
        let kept = self.live.kept() + self.staged.kept();
        if has_grown && kept > LARGE && kept.is_multiple_of(LARGE) {
            // The next one that grows large waits for this one's end.
            match &mut self.turn {
                None => self.turn = Turn::take(),
                Some(turn) => turn.goes_on(),
            }
        }
        Some(())
    }

    /// What the node has to tell trees by.
    fn archives(&self) -> Option<Archives> {
        let value = |name: &str| self.values.get(name).map(String::as_str);
        Some(match value("archives")? {
            "gnu" if value("lists") == Some("find") => Archives::Gnu,
            _ => Archives::Busybox,
        })
    }

    fn precision(&self) -> Precision {
        let archives = self.archives();
        archives.map_or(Precision::Nanos, Archives::precision)
    }

    /// Whether an entry belongs to a stage or to an old tree that is kept in the place itself, or to a file system that
    /// is mounted there.
    fn is_hidden(&self) -> bool {
        let is_mounted = self.values.get("mounted").is_some_and(|it| it == "yes");
        let real = self.values.get("real").map_or("", String::as_str);
        let name = real.rsplit_once('/').map_or(real, |(_, name)| name);
        hidden::is_hidden(&self.path, name.as_bytes(), is_mounted)
    }

    /// What a step noted down before it began to change the place, if that was told.
    pub(super) fn begun(&self) -> Option<String> {
        let is_whole = self.state == State::Whole;
        self.values.get("begun").filter(|_| is_whole).cloned()
    }

    /// All that was said; `None` when it was cut short.
    pub(super) fn finish(mut self) -> Option<Survey> {
        if self.state != State::Whole || !self.part.is_empty() {
            return None;
        }
        self.live.settle();
        self.staged.settle();
        for (tree, text) in std::mem::take(&mut self.listed) {
            let of = match tree {
                Tree::Live => &mut self.live,
                Tree::Staged => &mut self.staged,
            };
            for (path, attributes) in attributes::listed(&text) {
                of.extend(&path, attributes);
            }
        }
        let value = |name: &str| self.values.get(name).map(String::as_str);
        let elsewhere = self.elsewhere.as_deref().map(|path| {
            let real = value("real").unwrap_or_default();
            format!("{real}/{}", String::from_utf8_lossy(path))
        });
        let mounts = value("mounts").unwrap_or_default().lines();
        let mounts: Vec<String> = mounts.map(str::to_owned).collect();
        let yes = |name: &str| value(name) == Some("yes");
        let archives = self.archives()?;
        let superuser = value("user") == Some("0");
        let number = |name: &str| value(name).and_then(|number| number.parse().ok());
        Some(Survey {
            archives,
            attributes: Attributes {
                unpacked: archives == Archives::Gnu,
                listed: yes("attributes"),
                of_users: yes("user_attributes"),
                lists: yes("access_lists"),
                superuser,
            },
            hash: match value("hash")? {
                "blake2" => HashKind::Blake2,
                _ => HashKind::Sha256,
            },
            hasher: value("hasher")?.to_owned(),
            quick: value("quick").map(str::to_owned),
            processes: value("processes")?.parse().ok()?,
            zstd: yes("zstd"),
            owner: match value("owner") {
                None => None,
                Some(owner) => {
                    let (user, group) = owner.split_once(':')?;
                    Some((user.parse().ok()?, group.parse().ok()?))
                }
            },
            base: value("base")?.to_owned(),
            exchange: value("exchange")?.to_owned(),
            superuser,
            user: number("user").zip(number("group")),
            tree: value("tree").or(value("real"))?.to_owned(),
            standing: match value("kind")? {
                "absent" => Standing::Nothing,
                "folder" => Standing::Folder,
                _ => Standing::Other,
            },
            real: value("real")?.to_owned(),
            writable: yes("writable"),
            writable_inside: yes("inside"),
            mounted: yes("mounted"),
            holds_mount: mounts.first().cloned().or(elsewhere),
            mounts,
            space: value("space")?.parse::<u64>().ok()?.saturating_mul(1024),
            inodes: value("inodes").and_then(|free| free.parse().ok()),
            stage: value("stage")
                .filter(|at| !at.is_empty())
                .map(str::to_owned),
            live: self.live,
            staged: self.staged,
            turn: self.turn,
            odd: self.odd,
            litter: self.litter,
        })
    }
}

/// A line of `stat` in the words of `find`.
fn of_stat(line: &[u8]) -> Option<Vec<u8>> {
    let at = memchr::memchr(b'/', line)?;
    let kind: &[u8] = match &line[..at] {
        b"directory" => b"d",
        b"symbolic link" => b"l",
        b"fifo" => b"p",
        file if file.starts_with(b"regular") => b"f",
        _ => b"?",
    };
    Some([kind, b" ", &line[at + 1..]].concat())
}

/// What is known of an entry; nothing of one that is of no kind that is copied.
#[expect(
    clippy::option_option,
    reason = "what can't be read, and what is not copied"
)]
fn parse(attributes: &[u8]) -> Option<Option<Known>> {
    let text = std::str::from_utf8(attributes).ok()?;
    let mut words = text.split(' ');
    let mut word = || words.next();
    let kind = match word()? {
        "d" => Kind::Folder,
        "f" => Kind::File,
        "l" => Kind::Link,
        "p" => Kind::Pipe,
        _ => return Some(None),
    };
    let mode = u16::from_str_radix(word()?, 8).ok()?;
    let owner = (word()?.parse().ok()?, word()?.parse().ok()?);
    let changed = time(word()?)?;
    let size = word()?.parse().ok()?;
    let names: u64 = word()?.parse().ok()?;
    let (device, inode) = word()?.split_once(':')?;
    let file = (number(device)?, number(inode)?);
    let blocks: u64 = word()?.parse().ok()?;
    Some(Some(Known {
        kind,
        mode,
        owner,
        changed,
        size,
        sparse: kind == Kind::File && blocks.saturating_mul(512) < size,
        taken: blocks.saturating_mul(512),
        shared: (names > 1 && kind == Kind::File).then_some(file),
    }))
}

/// The file system that an entry is on.
fn device(attributes: &[u8]) -> Option<&str> {
    let file = std::str::from_utf8(attributes).ok()?.split(' ').nth(7)?;
    Some(file.split_once(':')?.0)
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

/// A time as `find` writes it, `12.0034500000`, or in whole seconds. Also before 1970 the fraction is what follows
/// the whole second.
pub(super) fn time(text: &str) -> Option<Time> {
    let (seconds, rest) = text.split_once('.').unwrap_or((text, "0"));
    let digits: String = rest.chars().chain("000000000".chars()).take(9).collect();
    Some(Time {
        seconds: seconds.parse().ok()?,
        nanos: digits.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] =
        b"lists=find\0archives=gnu\0hash=blake2\0hasher=b2sum\0processes=2\0exchange=perl\0user=0\0kind=folder\0\
        real=/opt/a\0writable=yes\0mounted=no\0base=/opt\0space=10\0inodes=-\0";

    #[test]
    fn a_survey_is_read_however_it_arrives() {
        let tree = b"live\0d 755 0 0 1.5000000000 4096 3 1:2 8\0\0\0\
            f 644 1 2 1700000000.1234567890 7 2 1:3 8\0a\nb\0\0\
            l 777 1 2 -2.7500000000 1 1 1:4 0\0\xff\0t\0f 644 1 1 1.0 1 1 1:9 8\0.a.clusterctl-x.stage/f\0\0s 777 1 2 1.0 1 1 1:4 0\0sock\0\0\0stage=\0whole\0";
        let all = [HEAD, tree].concat();
        for size in [1, 7, 1000] {
            let mut reader = Reader::default();
            all.chunks(size)
                .for_each(|chunk| reader.write_all(chunk).unwrap());
            let survey = reader.finish().unwrap();
            assert_eq!(survey.live.kept(), 3);
            assert!(!survey.stages_inside());
            assert_eq!(survey.odd, [b"sock"]);
            let file = survey.live.find(b"a\nb").unwrap();
            assert_eq!(
                file.changed,
                Time {
                    seconds: 1_700_000_000,
                    nanos: 123_456_789
                }
            );
            let link = survey.live.find(b"\xff").unwrap();
            assert_eq!(link.target(), b"t");
            assert_eq!(
                link.changed,
                Time {
                    seconds: -2,
                    nanos: 750_000_000
                }
            );
            assert_eq!((survey.space, survey.inodes), (10240, None));
        }
        let mut cut = Reader::default();
        cut.write_all(&all[..all.len() - 3]).unwrap();
        assert!(cut.finish().is_none());
    }

    #[test]
    fn batches_are_read_like_lists() {
        let head = String::from_utf8(HEAD.to_vec())
            .unwrap()
            .replace("lists=find", "lists=stat");
        let tree = b"live\0batch\0directory/755 0 0 5 4096 3 1:2 8\nregular empty file/644 0 0 6 0 1 1:3 0\n\
            symbolic link/777 0 0 7 1 1 1:4 0\n\0.\0\0./x\ny\0\0./l\0t\0\0stage=\0whole\0";
        let mut reader = Reader::default();
        reader.write_all(head.as_bytes()).unwrap();
        reader.write_all(tree).unwrap();
        let survey = reader.finish().unwrap();
        assert_eq!(survey.archives, Archives::Busybox);
        assert_eq!(survey.live.kept(), 3);
        assert!(survey.live.find(b"x\ny").is_some());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            &b"live\0x\0\0\0"[..],
            b"live\0f 9 0\0a\0\0",
            b"novalue\0",
            b"live\0batch\0\0.\0\0",
        ] {
            let mut reader = Reader::default();
            reader.write_all(HEAD).unwrap();
            let read = reader.write_all(bad);
            assert!(read.is_err() || reader.finish().is_none(), "{bad:?}");
        }
    }
}
