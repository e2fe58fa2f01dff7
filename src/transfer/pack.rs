//! The archive for one target, made while it is read: of shared blocks, only what the target needs.
//!
//! Nothing is made before it is wanted: a tree of a hundred thousand empty files is a hundred thousand headers, which
//! would take more room than all files under way.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use super::bits::Bits;
use super::delta::Header;
use super::manifest::{Entry, Kind};
use super::read::{Block, Part};
use super::source::Source;
use super::survey::Archives;
use super::tar::{END, Head, head, padding};
use super::tee::{Blocks, NotYet, SOON};
use crate::remote::Patience;

/// How many bytes of headers are made at once.
const BATCH: usize = 64 << 10;

/// An archive in the making.
pub(super) struct Pack<'a> {
    source: Arc<Source>,
    send: Bits,
    /// Of which files the content has begun to come.
    begun: Bits,
    /// The folders whose attributes are sent.
    folders: Bits,
    headers: &'a [Header],
    archives: Archives,
    /// Whom everything belongs to, whoever it belongs to here.
    owner: Option<(u32, u32)>,
    blocks: Blocks,
    /// The block that is under way, and which part of it comes next.
    block: Option<(Arc<Block>, usize)>,
    /// Until nobody holds its other end, what comes last has to wait.
    others: Option<Receiver<()>>,
    /// The entry that comes next; all before it are packed.
    next: usize,
    /// The entry whose content comes, and what is known of it.
    current: Option<Current>,
    ready: VecDeque<Chunk>,
    ended: bool,
    which: Which,
    /// Who is told how many more bytes and files are on their way.
    moved: &'a Moved<'a>,
    /// For how long what is read is waited for.
    patience: Option<&'a Patience<'a>>,
}

/// Is told how many more bytes and files are on their way.
pub(super) type Moved<'a> = dyn Fn(u64, u64) + Sync + 'a;

/// What of a tree goes into an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Everything.
    All,
    /// Everything but the folders.
    NoFolders,
    /// The folders alone.
    Folders,
    /// What the target needs, and nothing that can only come when all of it is there.
    Part,
}

struct Current {
    size: u64,
    /// How many bytes of it were given, holes included.
    given: u64,
    /// The parts that come, where the target must get the holes between them as zeros.
    filled: Option<VecDeque<(u64, u64)>>,
}

/// A piece of the archive.
enum Chunk {
    Own(Vec<u8>, usize),
    Shared(Arc<Block>, Range<usize>),
    Zeros(u64),
    /// What has no content, up to an entry.
    WithoutContent(usize),
    /// From here on, everything else has to be there.
    Others,
    /// Further names of files of the source, from an entry on.
    Names(usize),
    /// Further names of what was carried over, from one of the headers on.
    Carried(usize),
    /// The folders from this one of the list on.
    Folders(Vec<Folder>, usize),
}

/// A folder that gets its attributes: one of the source, or one that only the target has.
enum Folder {
    Source(usize),
    Own(usize),
}

impl<'a> Pack<'a> {
    pub(super) fn new(
        source: &Arc<Source>,
        (send, folders): (Bits, Bits),
        headers: &'a [Header],
        (archives, owner): (Archives, Option<(u32, u32)>),
        blocks: Blocks,
        which: Which,
        moved: &'a Moved<'a>,
    ) -> Self {
        Self {
            source: Arc::clone(source),
            send,
            begun: Bits::default(),
            folders,
            headers,
            archives,
            owner,
            blocks,
            block: None,
            others: None,
            next: 0,
            current: None,
            ready: VecDeque::new(),
            ended: false,
            which,
            moved,
            patience: None,
        }
    }

    /// What is read is waited for no longer than this.
    #[must_use]
    pub(super) fn within(mut self, patience: &'a Patience<'a>) -> Self {
        self.patience = Some(patience);
        self
    }

    /// What comes last waits until nobody holds the other end of this.
    #[must_use]
    pub(super) fn after(mut self, others: Receiver<()>) -> Self {
        self.others = Some(others);
        self
    }

    /// Makes the next pieces; at the end there are none.
    fn more(&mut self) -> io::Result<()> {
        // Part after part: what all parts of a block make may be many times its size.
        if let Some((block, at)) = self.block.take()
            && let Some(part) = block.parts.get(at)
        {
            self.part(&block, part);
            let next = at + 1;
            self.block = (next < block.parts.len()).then_some((block, next));
            return Ok(());
        }
        let block = self.blocks.next_soon();
        match block.map_err(|NotYet| self.not_yet())? {
            Some(block) => self.block = Some((block, 0)),
            None if self.ended => {}
            // What would come next were taken for the rest of the file, which then looked whole.
            None if self.current.is_some() || self.lacks_content() => return Err(cut_short()),
            None => {
                self.ended = true;
                self.ready.push_back(Chunk::WithoutContent(usize::MAX));
                if self.which != Which::Part {
                    self.last();
                }
                self.ready.push_back(Chunk::Own(END.to_vec(), 0));
            }
        }
        Ok(())
    }

    /// Whether the content of some file has not come: whoever reads may have gone before the end. What another machine
    /// lacks by now, is told by itself.
    fn lacks_content(&self) -> bool {
        if self.source.afar.is_some() {
            return false;
        }
        let manifest = &self.source.manifest;
        let has_content = |entry: &Entry| {
            entry.kind == Kind::File && entry.size > 0 && manifest.first(entry).is_none()
        };
        let mut sent = manifest.iter().filter(|(at, _)| self.send.has(*at));
        sent.any(|(at, entry)| has_content(entry) && !self.begun.has(at))
    }

    /// Why nothing is given now.
    fn not_yet(&self) -> io::Error {
        let patience = self.patience;
        if patience.is_some_and(|patience| patience.check("").is_err()) {
            return cut_short();
        }
        io::ErrorKind::WouldBlock.into()
    }

    fn part(&mut self, block: &Arc<Block>, part: &Part) {
        match part {
            Part::Begin(at, parts) => {
                self.current = None;
                if self.send.has(*at) {
                    self.begun.add(*at);
                    self.ready.push_back(Chunk::WithoutContent(*at));
                    self.begin(*at, parts.as_ref());
                }
            }
            Part::Data(range) => {
                let Some(current) = &mut self.current else {
                    return;
                };
                let (mut at, end) = (range.start, range.end);
                while at < end {
                    let mut much = end - at;
                    if let Some(parts) = &mut current.filled {
                        while parts
                            .front()
                            .is_some_and(|(start, length)| start + length <= current.given)
                        {
                            parts.pop_front();
                        }
                        if let Some((start, length)) = parts.front() {
                            let hole = start.saturating_sub(current.given);
                            self.ready.push_back(Chunk::Zeros(hole));
                            current.given += hole;
                            let left = start + length - current.given;
                            much = much.min(usize::try_from(left).unwrap_or(usize::MAX));
                        }
                    }
                    self.ready
                        .push_back(Chunk::Shared(Arc::clone(block), at..at + much));
                    current.given += u64::try_from(much).unwrap_or_default();
                    at += much;
                }
            }
            Part::End => {
                let Some(current) = self.current.take() else {
                    return;
                };
                if current.filled.is_some() {
                    self.ready
                        .push_back(Chunk::Zeros(current.size.saturating_sub(current.given)));
                    self.pad(current.size);
                } else {
                    self.pad(current.given);
                }
                (self.moved)(0, 1);
            }
        }
    }

    fn pad(&mut self, size: u64) {
        let missing = u64::try_from(padding(size)).unwrap_or_default();
        self.ready.push_back(Chunk::Zeros(missing));
    }

    fn begin(&mut self, at: usize, parts: Option<&Arc<[(u64, u64)]>>) {
        let source = Arc::clone(&self.source);
        let Some(entry) = source.manifest.get(at) else {
            return;
        };
        let with_holes = parts.filter(|_| self.archives == Archives::Gnu);
        let head = self.head(entry, with_holes.map(|parts| &parts[..]));
        self.ready.push_back(Chunk::Own(head, 0));
        self.current = Some(Current {
            size: entry.size,
            given: 0,
            filled: match (parts, with_holes) {
                (Some(parts), None) => Some(parts.iter().copied().collect()),
                _ => None,
            },
        });
    }

    fn head(&self, entry: &Entry, parts: Option<&[(u64, u64)]>) -> Vec<u8> {
        let Source { manifest, .. } = &*self.source;
        let first = manifest.first(entry);
        head(
            &Head {
                path: manifest.path(entry),
                kind: entry.kind,
                mode: entry.mode,
                owner: self.owner.unwrap_or((entry.uid, entry.gid)),
                changed: entry.changed,
                size: entry.size,
                target: first.map_or_else(|| manifest.target(entry), |first| manifest.path(first)),
                is_further_name: first.is_some(),
                extended: manifest.extended(entry),
                parts,
            },
            self.archives,
        )
    }

    /// The header of what only the target has.
    fn carried(&self, header: &Header) -> Vec<u8> {
        head(
            &Head {
                path: &header.path,
                kind: header.entry.kind,
                mode: header.entry.mode,
                owner: (header.entry.uid, header.entry.gid),
                changed: header.entry.changed,
                size: 0,
                target: header.first.as_deref().unwrap_or_default(),
                is_further_name: header.first.is_some(),
                extended: &header.extended,
                parts: None,
            },
            self.archives,
        )
    }

    /// What comes last: further names of files, and all folders, the deepest first, so that nothing that is put into a
    /// folder changes its times or is kept out by its mode.
    fn last(&mut self) {
        self.ready.push_back(Chunk::Others);
        if self.which != Which::Folders {
            self.ready.push_back(Chunk::Names(0));
            self.ready.push_back(Chunk::Carried(0));
        }
        if self.which != Which::NoFolders {
            let folders = self.folders();
            self.ready.push_back(Chunk::Folders(folders, 0));
        }
    }

    /// The deepest first.
    fn folders(&self) -> Vec<Folder> {
        let manifest = &self.source.manifest;
        let of_source = manifest
            .iter()
            .filter(|(at, entry)| entry.kind == Kind::Folder && self.folders.has(*at))
            .map(|(at, _)| Folder::Source(at));
        let own = self.headers.iter().enumerate();
        let own = own
            .filter(|(_, header)| header.first.is_none())
            .map(|(at, _)| Folder::Own(at));
        let path = |folder: &Folder| match folder {
            Folder::Source(at) => manifest.get(*at).map(|entry| manifest.path(entry)),
            Folder::Own(at) => self.headers.get(*at).map(|header| &header.path[..]),
        };
        let mut folders: Vec<_> = of_source.chain(own).collect();
        folders.sort_unstable_by(|a, b| path(b).cmp(&path(a)));
        folders
    }

    /// Makes a batch of what a chunk stands for, and what is left of the chunk.
    fn unfold(&mut self, chunk: Chunk) -> (Vec<u8>, Option<Chunk>) {
        let mut bytes = Vec::new();
        let source = Arc::clone(&self.source);
        let manifest = &source.manifest;
        match chunk {
            Chunk::WithoutContent(end) => {
                while self.next < end
                    && let Some(entry) = manifest.get(self.next)
                {
                    if bytes.len() >= BATCH {
                        return (bytes, Some(Chunk::WithoutContent(end)));
                    }
                    let comes = entry.kind != Kind::Folder
                        && entry.size == 0
                        && manifest.first(entry).is_none()
                        && self.send.has(self.next);
                    if comes {
                        (self.moved)(0, u64::from(entry.kind == Kind::File));
                        bytes.extend(self.head(entry, None));
                    }
                    self.next += 1;
                }
            }
            Chunk::Names(mut at) => {
                while let Some(entry) = manifest.get(at) {
                    if bytes.len() >= BATCH {
                        return (bytes, Some(Chunk::Names(at)));
                    }
                    if self.send.has(at) && manifest.first(entry).is_some() {
                        bytes.extend(self.head(entry, None));
                    }
                    at += 1;
                }
            }
            Chunk::Carried(mut at) => {
                while let Some(header) = self.headers.get(at) {
                    if bytes.len() >= BATCH {
                        return (bytes, Some(Chunk::Carried(at)));
                    }
                    if header.first.is_some() {
                        bytes.extend(self.carried(header));
                    }
                    at += 1;
                }
            }
            Chunk::Folders(folders, mut at) => {
                while let Some(folder) = folders.get(at) {
                    if bytes.len() >= BATCH {
                        return (bytes, Some(Chunk::Folders(folders, at)));
                    }
                    match folder {
                        Folder::Source(at) => {
                            let entry = manifest.get(*at);
                            bytes.extend(entry.into_iter().flat_map(|it| self.head(it, None)));
                        }
                        Folder::Own(at) => {
                            let header = self.headers.get(*at);
                            bytes.extend(header.into_iter().flat_map(|it| self.carried(it)));
                        }
                    }
                    at += 1;
                }
            }
            made => return (bytes, Some(made)),
        }
        (bytes, None)
    }
}

fn cut_short() -> io::Error {
    io::Error::other("the source ended too early")
}

impl Read for Pack<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            let Some(mut chunk) = self.ready.pop_front() else {
                // What has to be waited for comes with the next piece.
                if self.ended || (filled > 0 && self.block.is_none()) {
                    break;
                }
                self.more()?;
                continue;
            };
            let room = &mut into[filled..];
            let (much, done) = match &mut chunk {
                Chunk::Own(bytes, at) => {
                    let much = room.len().min(bytes.len() - *at);
                    room[..much].copy_from_slice(&bytes[*at..*at + much]);
                    *at += much;
                    (much, *at == bytes.len())
                }
                Chunk::Shared(block, range) => {
                    let much = room.len().min(range.len());
                    room[..much].copy_from_slice(&block.bytes[range.start..range.start + much]);
                    range.start += much;
                    (self.moved)(u64::try_from(much).unwrap_or_default(), 0);
                    (much, range.start == range.end)
                }
                Chunk::Zeros(left) => {
                    let much = room.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    room[..much].fill(0);
                    *left -= u64::try_from(much).unwrap_or(*left);
                    (much, *left == 0)
                }
                Chunk::Others if filled > 0 && self.others.is_some() => {
                    // What is there goes out before anybody is waited for.
                    self.ready.push_front(chunk);
                    break;
                }
                Chunk::Others => {
                    // Nothing is ever sent: it ends when the last of them has ended.
                    let others = self.others.as_ref();
                    let waited = others.map(|others| others.recv_timeout(SOON));
                    if waited == Some(Err(RecvTimeoutError::Timeout)) {
                        self.ready.push_front(chunk);
                        return Err(self.not_yet());
                    }
                    self.others = None;
                    continue;
                }
                _ => {
                    let (bytes, rest) = self.unfold(chunk);
                    if let Some(rest) = rest {
                        self.ready.push_front(rest);
                    }
                    self.ready.push_front(Chunk::Own(bytes, 0));
                    continue;
                }
            };
            filled += much;
            if !done {
                self.ready.push_front(chunk);
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{Known, Manifest, Time};
    use super::*;

    #[test]
    fn a_hundred_thousand_empty_files_are_never_in_memory_at_once() {
        let many = 100_000;
        let mut manifest = Manifest::default();
        let mut send = Bits::default();
        for number in 0..many {
            let known = file(0);
            let path = format!("{number:06}");
            manifest.add(path.as_bytes(), b"", &known).unwrap();
            send.add(number);
        }
        manifest.settle();
        let source = source(manifest);
        let archives = (Archives::Gnu, None);
        let moved: &Moved<'_> = &|_, _| {};
        let mut pack = Pack::new(
            &source,
            (send, Bits::default()),
            &[],
            archives,
            Blocks::none(),
            Which::All,
            moved,
        );
        let (mut into, mut size, mut most) = (vec![0; 32 << 10], 0, 0);
        while let much @ 1.. = pack.read(&mut into).unwrap() {
            size += much;
            let held = pack.ready.iter().map(|chunk| match chunk {
                Chunk::Own(bytes, _) => bytes.capacity(),
                _ => 0,
            });
            most = most.max(held.sum());
        }
        assert!(size >= many * 512, "{size}");
        assert!(most < 1 << 20, "{most} bytes were held at once");
    }

    fn source(manifest: Manifest) -> Arc<Source> {
        Arc::new(Source {
            root: "/".into(),
            manifest: Arc::new(manifest),
            left_out: Vec::new(),
            attributes_unknown: false,
            afar: None,
            read: std::time::Instant::now(),
            fingerprints: super::super::source::Fingerprints::default(),
            sample: std::sync::Mutex::default(),
        })
    }

    fn file(size: u64) -> Known {
        Known {
            kind: Kind::File,
            mode: 0o644,
            owner: (0, 0),
            changed: Time {
                seconds: 1,
                nanos: 0,
            },
            size,
            sparse: false,
            taken: size,
            shared: None,
        }
    }

    #[test]
    fn an_archive_that_lacks_a_file_has_no_end() {
        let mut manifest = Manifest::default();
        let mut send = Bits::default();
        for (number, size) in [(0, 0), (1, 5)] {
            let path = format!("{number}");
            manifest.add(path.as_bytes(), b"", &file(size)).unwrap();
            send.add(number);
        }
        manifest.settle();
        let source = source(manifest);
        let (archives, moved) = ((Archives::Gnu, None), &|_, _| {});
        let bits = (send, Bits::default());
        let none = Blocks::none();
        let mut pack = Pack::new(&source, bits, &[], archives, none, Which::All, moved);
        let read = io::copy(&mut pack, &mut io::sink());
        assert_eq!(read.unwrap_err().to_string(), "the source ended too early");
    }

    /// Whoever waits looks after its connection meanwhile.
    #[test]
    fn nobody_is_kept_waiting_for_long() {
        let source = source(Manifest::default());
        let (to, blocks) = std::sync::mpsc::sync_channel(1);
        let (at_work, others) = std::sync::mpsc::channel();
        let moved: &Moved<'_> = &|_, _| {};
        let bits = (Bits::default(), Bits::default());
        let archives = (Archives::Gnu, None);
        let blocks = Blocks::from(blocks);
        let mut pack = Pack::new(&source, bits, &[], archives, blocks, Which::All, moved);
        pack = pack.after(others);
        let mut into = [0; 4096];
        let mut waits = || {
            let read = pack.read(&mut into);
            read.map_err(|error| error.kind())
        };
        assert_eq!(waits(), Err(io::ErrorKind::WouldBlock));
        drop(to);
        assert_eq!(waits(), Err(io::ErrorKind::WouldBlock));
        drop(at_work);
        assert_eq!(waits(), Ok(END.len()));
        assert_eq!(waits(), Ok(0));
    }
}
