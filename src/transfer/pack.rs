//! The archive for one target, made while it is read: of shared blocks, only what the target needs.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::bits::Bits;
use super::delta::Header;
use super::manifest::{Entry, Kind};
use super::read::{Block, Part};
use super::source::Source;
use super::survey::Archives;
use super::tar::{END, Head, head, padding};

/// An archive in the making.
pub(super) struct Pack<'a> {
    source: Arc<Source>,
    send: Bits,
    /// The folders whose attributes are sent.
    folders: Bits,
    headers: &'a [Header],
    archives: Archives,
    /// Whom everything belongs to, whoever it belongs to here.
    owner: Option<(u32, u32)>,
    blocks: Receiver<Arc<Block>>,
    /// The entry that comes next; all before it are packed.
    next: usize,
    /// The entry whose content comes, and what is known of it.
    current: Option<Current>,
    ready: VecDeque<Chunk>,
    ended: bool,
    which: Which,
}

/// What of a tree goes into an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Everything.
    All,
    /// Everything but the folders.
    NoFolders,
    /// The folders alone.
    Folders,
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
}

impl<'a> Pack<'a> {
    pub(super) fn new(
        source: &Arc<Source>,
        (send, folders): (Bits, Bits),
        headers: &'a [Header],
        (archives, owner): (Archives, Option<(u32, u32)>),
        blocks: Receiver<Arc<Block>>,
        which: Which,
    ) -> Self {
        Self {
            source: Arc::clone(source),
            send,
            folders,
            headers,
            archives,
            owner,
            blocks,
            next: 0,
            current: None,
            ready: VecDeque::new(),
            ended: false,
            which,
        }
    }

    /// Makes the next pieces; at the end there are none.
    fn more(&mut self) {
        match self.blocks.recv() {
            Ok(block) => {
                for part in &block.parts {
                    self.part(&block, part);
                }
            }
            Err(_) if self.ended => {}
            Err(_) => {
                self.ended = true;
                self.without_content_before(usize::MAX);
                self.last();
            }
        }
    }

    fn part(&mut self, block: &Arc<Block>, part: &Part) {
        match part {
            Part::Begin(at, parts) => {
                self.current = None;
                if self.send.has(*at) {
                    self.without_content_before(*at);
                    self.begin(*at, parts.as_ref());
                    self.next = at + 1;
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
        self.own(&self.head(entry, with_holes.map(|parts| &parts[..])));
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
        let Source {
            manifest, names, ..
        } = &*self.source;
        let first = manifest.first(entry);
        // Some programs believe names more than numbers.
        let (owner, names) = match self.owner {
            Some(owner) => (owner, ("", "")),
            None => (
                (entry.uid, entry.gid),
                (names.user(entry.uid), names.group(entry.gid)),
            ),
        };
        head(
            &Head {
                path: manifest.path(entry),
                kind: entry.kind,
                mode: entry.mode,
                owner,
                names,
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

    /// Packs what has no content, up to an entry.
    fn without_content_before(&mut self, end: usize) {
        let source = Arc::clone(&self.source);
        let from = self.next;
        for (at, entry) in source
            .manifest
            .iter()
            .skip(from)
            .take(end.saturating_sub(from))
        {
            if entry.kind == Kind::Folder || !self.send.has(at) {
                continue;
            }
            let has_content = entry.size > 0 && source.manifest.first(entry).is_none();
            if !has_content {
                self.own(&self.head(entry, None));
            }
        }
        self.next = end;
    }

    /// What comes last: further names of what was carried over, and all folders, the deepest first, so that nothing
    /// that is put into a folder changes its times or is kept out by its mode.
    fn last(&mut self) {
        let source = Arc::clone(&self.source);
        let carried = |header: &Header, target: &[u8]| {
            head(
                &Head {
                    path: &header.path,
                    kind: header.entry.kind,
                    mode: header.entry.mode,
                    owner: (header.entry.uid, header.entry.gid),
                    names: ("", ""),
                    changed: header.entry.changed,
                    size: 0,
                    target,
                    is_further_name: header.first.is_some(),
                    extended: &[],
                    parts: None,
                },
                self.archives,
            )
        };
        let mut bytes = Vec::new();
        for header in self.headers {
            if let Some(first) = &header.first
                && self.which != Which::Folders
            {
                bytes.extend(carried(header, first));
            }
        }
        let folders = source
            .manifest
            .iter()
            .filter(|(at, entry)| entry.kind == Kind::Folder && self.folders.has(*at));
        let mut folders: Vec<(&[u8], Option<&Entry>, Option<&Header>)> = folders
            .map(|(_, entry)| (source.manifest.path(entry), Some(entry), None))
            .collect();
        let own = self.headers.iter().filter(|header| header.first.is_none());
        folders.extend(own.map(|header| (&header.path[..], None, Some(header))));
        folders.sort_unstable_by(|a, b| b.0.cmp(a.0));
        if self.which == Which::NoFolders {
            folders.clear();
        }
        for (_, entry, header) in folders {
            bytes.extend(match (entry, header) {
                (Some(entry), _) => self.head(entry, None),
                (_, Some(header)) => carried(header, b""),
                _ => Vec::new(),
            });
        }
        bytes.extend(END);
        self.own(&bytes);
    }

    fn own(&mut self, bytes: &[u8]) {
        if let Some(Chunk::Own(last, _)) = self.ready.back_mut() {
            last.extend_from_slice(bytes);
        } else {
            self.ready.push_back(Chunk::Own(bytes.to_vec(), 0));
        }
    }
}

impl Read for Pack<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            let Some(chunk) = self.ready.front_mut() else {
                if self.ended || filled > 0 {
                    break;
                }
                self.more();
                continue;
            };
            let room = &mut into[filled..];
            let (much, done) = match chunk {
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
                    (much, range.start == range.end)
                }
                Chunk::Zeros(left) => {
                    let much = room.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    room[..much].fill(0);
                    *left -= u64::try_from(much).unwrap_or(*left);
                    (much, *left == 0)
                }
            };
            filled += much;
            if done {
                self.ready.pop_front();
            }
        }
        Ok(filled)
    }
}
