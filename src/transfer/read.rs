//! One reading of the source: files go straight into blocks that all targets share, and are hashed on the way.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::fs::OFlags;
use sha2::Digest as _;

use super::bits::Bits;
use super::manifest::{Entry, Kind};
use super::prints::{Found, Hash};
use super::script::LandError;
use super::source::Source;
use super::survey::HashKind;

/// How much one block holds.
const BLOCK: usize = 256 << 10;

/// How many parts it may have before it is passed on: of the smallest files, there would be tens of thousands.
const PARTS: usize = 1024;

/// A part of the reading.
#[derive(Debug)]
pub(super) struct Block {
    /// Where the reading stood when it began.
    pub(super) start: Position,
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Vec<Part>,
}

/// Where a reading stands: at which entry, whether that was begun, and how many of its bytes were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) entry: usize,
    pub(super) begun: bool,
    pub(super) at: u64,
}

/// What a block tells.
#[derive(Debug)]
pub(super) enum Part {
    /// The content of an entry begins; of one with holes, these parts of it come.
    Begin(usize, Option<Arc<[(u64, u64)]>>),
    /// These bytes of the block belong to it.
    Data(std::ops::Range<usize>),
    /// It is complete.
    End,
}

/// What a reading found besides the content.
///
/// Fingerprints are those of all readings of a source: nodes that each have a reading of their own have the same files.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Of all readings of a source.
    hashes: Arc<Found>,
    changed: Mutex<Vec<PathBuf>>,
    /// Why nothing more can be read, if that is so.
    failed: Mutex<Option<LandError>>,
    finished: (Mutex<bool>, Condvar),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Findings {
    /// What a reading of this source finds.
    pub(super) fn of(source: &Source) -> Self {
        Self {
            hashes: Arc::clone(source.found()),
            ..Self::default()
        }
    }

    /// Waits until everything is read.
    pub(super) fn wait(&self) {
        let (finished, bell) = &self.finished;
        let mut is = lock(finished);
        while !*is {
            is = bell.wait(is).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing will be found any more.
    pub(super) fn finish(&self) {
        let (finished, bell) = &self.finished;
        *lock(finished) = true;
        bell.notify_all();
    }

    /// The fingerprint of an entry, when it was read.
    pub(super) fn hash(&self, kind: HashKind, entry: usize) -> Option<Hash> {
        self.hashes.get(kind, entry)
    }

    /// What changed since the plan was made, or could not be read.
    pub(super) fn changed(&self) -> Vec<PathBuf> {
        let mut changed = lock(&self.changed).clone();
        changed.sort();
        changed.dedup();
        changed
    }

    /// The fingerprint of an entry: all that read it must find the same.
    pub(super) fn agree(&self, kind: HashKind, entry: usize, hash: Hash, place: &Path) {
        if !self.hashes.agree(kind, entry, hash) {
            self.has_changed(place.to_owned());
        }
    }

    /// Something changed since the plan was made, or can't be read.
    pub(super) fn has_changed(&self, place: PathBuf) {
        lock(&self.changed).push(place);
    }

    /// Nothing more can be read.
    pub(super) fn fail(&self, why: LandError) {
        lock(&self.failed).get_or_insert(why);
    }

    /// Whether nothing more can be read.
    pub(super) fn has_failed(&self) -> bool {
        lock(&self.failed).is_some()
    }

    /// An error when nothing more could be read.
    pub(super) fn check(&self) -> Result<(), LandError> {
        let failed = lock(&self.failed);
        failed.clone().map_or(Ok(()), Err)
    }
}

/// What is read, and what for.
pub(super) struct Reading<'a> {
    pub(super) source: &'a Source,
    /// Whose content is passed on.
    pub(super) send: &'a Bits,
    /// Whose fingerprint somebody wants, by the kind of fingerprint.
    pub(super) verify: [(HashKind, &'a Bits); 2],
    pub(super) findings: &'a Findings,
    /// Whether anybody still waits for it.
    pub(super) wanted: &'a (dyn Fn() -> bool + Sync),
}

/// Computes the fingerprints of some files on all processors. What changed since it was listed, or can't be read, has
/// none.
pub(super) fn fingerprints(source: &Source, kind: HashKind, which: &Bits) -> Result<(), LandError> {
    let many = match source.afar {
        None => thread::available_parallelism().map_or(1, usize::from),
        // Another machine has other processors than this one, and other work.
        Some(_) => 2,
    };
    let mut shares: Vec<(u64, Bits)> = vec![(0, Bits::default()); many];
    for (at, entry) in source.manifest.iter().filter(|(at, _)| which.has(*at)) {
        if let Some(least) = shares.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            // Opening a file takes as long as reading a little.
            least.0 += entry.size + (32 << 10);
            least.1.add(at);
        }
    }
    let findings = Findings::of(source);
    let none = Bits::default();
    thread::scope(|scope| {
        for (_, share) in &shares {
            let reading = Reading {
                source,
                send: &none,
                verify: [(kind, share), (kind, &none)],
                findings: &findings,
                wanted: &|| true,
            };
            scope.spawn(move || reading.run(Position::default(), &mut |_| true));
        }
    });
    findings.check()
}

/// A receiver of blocks; it says whether more are wanted.
pub(super) type Sink<'a> = dyn FnMut(Arc<Block>) -> bool + Send + 'a;

/// Whether the processor here computes SHA-256 by instructions of its own, which is faster than BLAKE2.
pub(super) fn is_quick_here() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("sha");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

/// As much of a fingerprint as is compared.
pub(super) fn short(hash: &[u8]) -> Hash {
    let mut short = Hash::default();
    short.copy_from_slice(&hash[..32]);
    short
}

impl Reading<'_> {
    /// Reads on from there, and passes blocks on as they become full.
    pub(super) fn run(&self, from: Position, sink: &mut Sink<'_>) {
        if let Some(afar) = &self.source.afar {
            self.run_afar(afar, from, sink);
            return;
        }
        let mut out = Out::new(fresh(from), sink);
        for (at, entry) in self.source.manifest.iter().skip(from.entry) {
            let is_first = entry.kind == Kind::File && self.source.manifest.first(entry).is_none();
            if is_first && entry.size == 0 && self.send.has(at) {
                self.still_empty(entry);
            }
            let is_content = is_first && entry.size > 0;
            let read = self.send.has(at) || self.verify.iter().any(|(_, bits)| bits.has(at));
            if !is_content || !read {
                continue;
            }
            let begun = if at == from.entry {
                from
            } else {
                Position {
                    entry: at,
                    ..Position::default()
                }
            };
            self.file(at, entry, begun, &mut out);
            if !out.wanted {
                return;
            }
        }
        out.flush(Position::default());
    }

    /// Of a file that was empty nothing is read; it may have got its content since.
    fn still_empty(&self, entry: &Entry) {
        let place = self.source.place(self.source.manifest.path(entry));
        if !std::fs::symlink_metadata(&place).is_ok_and(|found| is_same(&found, entry)) {
            lock(&self.findings.changed).push(place);
        }
    }

    fn file(&self, at: usize, entry: &Entry, begun: Position, out: &mut Out<'_, '_>) {
        let place = self.source.place(self.source.manifest.path(entry));
        let mut options = File::options();
        options
            .read(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let mut file = options.open(&place).ok();
        let mut is_whole = file.is_some();
        let send = self.send.has(at);
        let parts: Option<Arc<[(u64, u64)]>> = file
            .as_mut()
            .filter(|_| entry.sparse)
            .and_then(|file| parts(file, entry.size).ok())
            .map(Into::into);
        if send && !begun.begun {
            out.part(Part::Begin(at, parts.clone()));
        }
        let mut hashers =
            Hashers::new(self.verify.map(|(kind, bits)| bits.has(at).then_some(kind)));
        let whole = [(0, entry.size)];
        let mut reached = 0;
        for (start, length) in parts.as_deref().unwrap_or(&whole) {
            hashers.zeros(start.saturating_sub(reached));
            reached = *start;
            let skip = begun.at.saturating_sub(*start).min(*length);
            reached += skip;
            if let Some(file) = &mut file
                && (*start != 0 || skip != 0)
            {
                is_whole &= file.seek(SeekFrom::Start(reached)).is_ok();
            }
            let end = start + length;
            while reached < end {
                let room = out.room(Position {
                    entry: at,
                    begun: send,
                    at: reached,
                });
                if !out.wanted {
                    return;
                }
                let much = usize::try_from(end - reached)
                    .unwrap_or(usize::MAX)
                    .min(room);
                let from = out.block.bytes.len();
                out.block.bytes.resize(from + much, 0);
                let read = file
                    .as_mut()
                    .map_or(0, |file| read(file, &mut out.block.bytes[from..]));
                let read = if is_whole { read } else { 0 };
                // Whatever is missing is made up for with zeros, so that what follows stays in its place.
                out.block.bytes[from + read..].fill(0);
                is_whole &= read == much;
                hashers.bytes(&out.block.bytes[from..]);
                reached += u64::try_from(much).unwrap_or_default();
                if send {
                    out.block.parts.push(Part::Data(from..from + much));
                } else {
                    out.block.bytes.truncate(from);
                }
            }
        }
        hashers.zeros(entry.size.saturating_sub(reached));
        if send {
            out.part(Part::End);
        }
        let same = file
            .and_then(|file| file.metadata().ok())
            .is_some_and(|found| is_same(&found, entry));
        if !(is_whole && same) {
            lock(&self.findings.changed).push(place);
        } else if !begun.begun {
            hashers.finish(|kind, hash| self.findings.agree(kind, at, short(hash), &place));
        }
    }
}

/// Whether a file is as it was when the tree was looked at.
fn is_same(found: &Metadata, entry: &Entry) -> bool {
    let nanos = i64::from(entry.changed.nanos);
    (found.size(), found.mtime(), found.mtime_nsec()) == (entry.size, entry.changed.seconds, nanos)
}

/// Reads as much as there is.
fn read(file: &mut File, into: &mut [u8]) -> usize {
    let mut got = 0;
    while got < into.len() {
        match file.read(&mut into[got..]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    got
}

/// Where a file has data; it ends with an empty part at the file's end.
fn parts(file: &mut File, size: u64) -> io::Result<Vec<(u64, u64)>> {
    use rustix::fs::{SeekFrom, seek};
    let mut found = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match seek(&*file, SeekFrom::Data(at)) {
            Err(rustix::io::Errno::NXIO) => break,
            other => other?,
        };
        let end = seek(&*file, SeekFrom::Hole(start))?.min(size);
        if start >= end {
            break;
        }
        found.push((start, end - start));
        at = end;
    }
    seek(&*file, SeekFrom::Start(0))?;
    found.push((size, 0));
    Ok(found)
}

/// How many bytes of a file are no holes.
pub(super) fn without_holes(at: &Path, size: u64) -> io::Result<u64> {
    let mut file = File::options()
        .read(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(at)?;
    let parts = parts(&mut file, size)?;
    Ok(parts.iter().map(|(_, length)| length).sum())
}

pub(super) fn fresh(start: Position) -> Block {
    Block {
        start,
        // What is large is given all of its room at once; many small files don't need that much.
        bytes: Vec::new(),
        parts: Vec::new(),
    }
}

/// The block that is being filled.
pub(super) struct Out<'a, 's> {
    block: Block,
    sink: &'a mut Sink<'s>,
    pub(super) wanted: bool,
}

impl<'a, 's> Out<'a, 's> {
    pub(super) fn new(block: Block, sink: &'a mut Sink<'s>) -> Self {
        Self {
            block,
            sink,
            wanted: true,
        }
    }

    /// Adds content, for which there must be room.
    pub(super) fn data(&mut self, bytes: &[u8]) {
        let from = self.block.bytes.len();
        if bytes.len() > BLOCK / 32 {
            self.block.bytes.reserve_exact(BLOCK - from);
        }
        self.block.bytes.extend_from_slice(bytes);
        let to = self.block.bytes.len();
        match self.block.parts.last_mut() {
            Some(Part::Data(last)) if last.end == from => last.end = to,
            _ => self.block.parts.push(Part::Data(from..to)),
        }
    }

    pub(super) fn part(&mut self, part: Part) {
        self.block.parts.push(part);
    }

    /// How much room the block has; a full one is passed on, and the next begins there.
    pub(super) fn room(&mut self, next: Position) -> usize {
        if self.block.bytes.len() == BLOCK || self.block.parts.len() >= PARTS {
            self.flush(next);
        }
        BLOCK - self.block.bytes.len()
    }

    pub(super) fn flush(&mut self, next: Position) {
        let block = std::mem::replace(&mut self.block, fresh(next));
        if !block.parts.is_empty() {
            self.wanted = (self.sink)(Arc::new(block));
        }
    }
}

/// Fingerprints in the making.
pub(super) struct Hashers {
    blake2: Option<Box<blake2b_simd::State>>,
    sha256: Option<sha2::Sha256>,
}

impl Hashers {
    pub(super) fn new(kinds: [Option<HashKind>; 2]) -> Self {
        let wants = |kind| kinds.contains(&Some(kind));
        Self {
            blake2: wants(HashKind::Blake2).then(|| Box::new(blake2b_simd::State::new())),
            sha256: wants(HashKind::Sha256).then(sha2::Sha256::new),
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if let Some(state) = &mut self.blake2 {
            state.update(bytes);
        }
        if let Some(state) = &mut self.sha256 {
            state.update(bytes);
        }
    }

    pub(super) fn zeros(&mut self, mut many: u64) {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        while many > 0 && (self.blake2.is_some() || self.sha256.is_some()) {
            let much = usize::try_from(many).unwrap_or(usize::MAX).min(ZEROS.len());
            self.bytes(&ZEROS[..much]);
            many -= u64::try_from(much).unwrap_or(many);
        }
    }

    pub(super) fn finish(self, mut tell: impl FnMut(HashKind, &[u8])) {
        if let Some(state) = self.blake2 {
            tell(HashKind::Blake2, state.finalize().as_bytes());
        }
        if let Some(state) = self.sha256 {
            tell(HashKind::Sha256, &state.finalize());
        }
    }
}
