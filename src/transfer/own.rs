//! What a machine says of the files of a tree that it has: their fingerprints, and whether they are as they were.

use std::io::{self, Write};

use super::bits::Bits;
use super::list::List;
use super::read::Findings;
use super::script::{self, Exec, LandError};
use super::source::Source;
use super::sums::hash;
use super::survey::{Archives, HashKind, time};
use crate::remote::{Input, Patience, RemoteError, RemoteErrorKind};

/// How many files are told of at once: as many as `from/sums.sh` says.
const BATCH: usize = 256;

/// A tree where it is.
pub(super) struct Own<'a> {
    pub(super) exec: &'a Exec<'a>,
    pub(super) source: &'a Source,
    /// What the machine is like.
    pub(super) archives: Archives,
    pub(super) patience: &'a Patience<'a>,
    pub(super) findings: &'a Findings,
}

impl HashKind {
    /// The program that computes it.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Blake2 => "b2sum",
            Self::Sha256 => "sha256sum",
        }
    }
}

impl Own<'_> {
    /// Has the machine compute the fingerprints of these files.
    pub(super) fn compute(&self, kind: HashKind, which: &Bits) -> Result<(), LandError> {
        if which.is_none() {
            return Ok(());
        }
        let manifest = &self.source.manifest;
        let mut paths = manifest.iter().filter(|(at, _)| which.has(*at));
        let each = self.archives == Archives::Busybox
            && paths.any(|(_, entry)| manifest.path(entry).contains(&b'\n'));
        let mut list = List::new(manifest, which, &[]);
        let root = self.source.root.to_string_lossy();
        let arguments = [&*root, kind.program(), if each { "each" } else { "-" }];
        let mut told = Told {
            own: self,
            kind,
            which,
            line: Vec::new(),
            next: 0,
            batch: Vec::new(),
            seen: None,
        };
        let ended = script::run(
            self.exec,
            script::sums(),
            &arguments,
            Input::Reader(&mut list),
            &mut told,
            self.patience,
        );
        match ended {
            Ok(_) if told.coming().is_none() && told.batch.is_empty() => Ok(()),
            Ok(_) => {
                let what = "the fingerprints of the source were cut short";
                Err(RemoteError::new(RemoteErrorKind::Lost, what).into())
            }
            Err(LandError::Said { said, .. }) => {
                let first = said.lines().next().unwrap_or_default().to_owned();
                let what = format!("the source can't be read any more: {first}");
                Err(LandError::Changed(what))
            }
            Err(error) => Err(error),
        }
    }
}

/// Reads what is told, as it comes.
struct Told<'a> {
    own: &'a Own<'a>,
    kind: HashKind,
    which: &'a Bits,
    line: Vec<u8>,
    next: usize,
    /// Those whose fingerprints are known, and whose sizes and times come.
    batch: Vec<usize>,
    /// How many of these have told theirs, once the batch is full.
    seen: Option<usize>,
}

impl Told<'_> {
    /// The file whose fingerprint comes next.
    fn coming(&self) -> Option<usize> {
        let entries = self.own.source.manifest.len();
        (self.next..entries).find(|at| self.which.has(*at))
    }

    fn hear(&mut self, line: &[u8]) -> Option<()> {
        if let Some(seen) = self.seen {
            let at = *self.batch.get(seen)?;
            self.compare(at, std::str::from_utf8(line).ok()?)?;
            self.seen = Some(seen + 1).filter(|seen| *seen < self.batch.len());
            if self.seen.is_none() {
                self.batch.clear();
            }
            return Some(());
        }
        let at = self.coming()?;
        self.next = at + 1;
        let source = self.own.source;
        let place = source.place(source.manifest.path(source.manifest.get(at)?));
        self.own.findings.agree(
            self.kind,
            at,
            hash(line.strip_prefix(b"\\").unwrap_or(line))?,
            &place,
        );
        self.batch.push(at);
        if self.batch.len() == BATCH || self.coming().is_none() {
            self.seen = Some(0);
        }
        Some(())
    }

    /// Whether a file still has the size and the time that it had; a time in whole seconds says no more than that.
    fn compare(&self, at: usize, line: &str) -> Option<()> {
        let source = self.own.source;
        let entry = source.manifest.get(at)?;
        let (size, changed) = line.split_once(' ')?;
        let now = time(changed)?;
        let is_same = size.parse() == Ok(entry.size)
            && now.seconds == entry.changed.seconds
            && (!changed.contains('.') || now.nanos == entry.changed.nanos);
        if !is_same {
            let place = source.place(source.manifest.path(entry));
            self.own.findings.has_changed(place);
        }
        Some(())
    }
}

impl Write for Told<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.hear(&line)
                .ok_or_else(|| io::Error::other("a list of fingerprints can't be understood"))?;
        }
        self.line.extend_from_slice(rest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
