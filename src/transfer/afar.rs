//! One reading of a tree on another machine: its tar writes what is wanted, which goes straight into the blocks that all
//! targets share, and its own program computes the fingerprints, which are compared with what came.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::bits::Bits;
use super::list::List;
use super::manifest::{Entry, Kind};
use super::origin::Afar;
use super::own::Own;
use super::read::{Hashers, Out, Part, Position, Reading, Sink, fresh};
use super::script::{self, LandError};
use super::survey::Archives;
use super::untar::{Member, Taker, Untar};
use crate::remote::{Input, Patience, RemoteError, RemoteErrorKind};

/// How long a reading may take; whoever wants it has less patience.
const LONGEST: Duration = Duration::from_hours(366 * 24);

impl Reading<'_> {
    /// Reads on from there on the other machine, and passes blocks on as they become full.
    pub(super) fn run_afar(&self, afar: &Afar, from: Position, sink: &mut Sink<'_>) {
        let broken_off = || !(self.wanted)() || self.findings.has_failed();
        let patience = Patience::new(LONGEST, &broken_off);
        let exec = &*afar.origin.exec;
        thread::scope(|scope| {
            let sums = || {
                let own = Own {
                    exec: &exec,
                    source: self.source,
                    archives: afar.archives,
                    patience: &patience,
                    findings: self.findings,
                };
                // Of a file that was empty nothing comes; it may have got its content since.
                let empty = self.empty(from.entry);
                let any = afar.hash;
                for (kind, which) in self.verify.into_iter().chain([(any, &empty)]) {
                    if let Err(error) = own.compute(kind, which) {
                        self.fail(afar, error);
                    }
                }
            };
            let computing = scope.spawn(sums);
            self.content(afar, from, sink, &patience);
            // What it panics with is a fault of the program, which its owner shows.
            let _ = computing.join();
        });
    }

    fn fail(&self, afar: &Afar, error: LandError) {
        if !(self.wanted)() {
            return;
        }
        let name = &afar.origin.name;
        let mut what = format!("{name}, which has the tree: {error}");
        self.findings.fail(match error {
            LandError::Remote(error) => {
                let hint = error
                    .hint
                    .filter(|_| error.kind != RemoteErrorKind::Lost)
                    .unwrap_or_else(|| "push it again: what arrived is not sent again".to_owned());
                LandError::Remote(RemoteError::new(error.kind, what).hint(hint))
            }
            LandError::Changed(why) => {
                what = format!("{name}: {why}");
                LandError::Changed(what)
            }
            _ => LandError::Broken(what),
        });
    }

    fn content(&self, afar: &Afar, from: Position, sink: &mut Sink<'_>, patience: &Patience<'_>) {
        let which = self.comes(from.entry);
        if which.is_none() {
            return;
        }
        let mut untar = Untar::new(Taking {
            reading: self,
            which: &which,
            from,
            out: Out::new(fresh(from), sink),
            next: 0,
            current: None,
        });
        let how = match afar.archives {
            Archives::Gnu => "gnu",
            Archives::Busybox => "busybox",
        };
        let root = self.source.root.to_string_lossy();
        let mut list = List::new(&self.source.manifest, &which, &[]);
        let ended = script::run(
            &&*afar.origin.exec,
            script::content(),
            &[&root, how, "-"],
            Input::Reader(&mut list),
            &mut untar,
            patience,
        );
        let is_cut = untar.is_cut();
        let taking = &mut untar.taker;
        match ended {
            _ if !taking.out.wanted => {}
            Err(LandError::Said { said, .. }) if is_cut || taking.next == 0 => {
                self.fail(afar, LandError::Broken(said));
            }
            Ok(_) if is_cut => {
                let what = "the archive of its tar was cut short".to_owned();
                self.fail(afar, LandError::Broken(what));
            }
            // That something could not be read, the tar says as well; which, is known already.
            Ok(_) | Err(LandError::Said { .. }) => {
                taking.pass_over(self.source.manifest.len());
                taking.out.flush(Position::default());
            }
            Err(error) => self.fail(afar, error),
        }
    }

    /// The files whose content comes, from an entry on.
    fn comes(&self, from: usize) -> Bits {
        self.files(from, |entry| entry.size > 0)
    }

    /// The files that are sent and have no content, from an entry on.
    fn empty(&self, from: usize) -> Bits {
        self.files(from, |entry| entry.size == 0)
    }

    /// The files that are sent and are like this, from an entry on.
    fn files(&self, from: usize, is_one: impl Fn(&Entry) -> bool) -> Bits {
        let manifest = &self.source.manifest;
        let mut which = Bits::default();
        for (at, entry) in manifest.iter().skip(from) {
            let is_first = entry.kind == Kind::File && manifest.first(entry).is_none();
            if is_first && is_one(entry) && self.send.has(at) {
                which.add(at);
            }
        }
        which
    }
}

/// Puts what comes into blocks.
struct Taking<'a, 's> {
    reading: &'a Reading<'a>,
    which: &'a Bits,
    from: Position,
    out: Out<'a, 's>,
    /// What comes next is this entry or a later one.
    next: usize,
    current: Option<Current>,
}

/// A file on its way.
struct Current {
    at: usize,
    size: u64,
    parts: Arc<[(u64, u64)]>,
    part: usize,
    /// How much of it came, holes included.
    reached: u64,
    /// How much of it was given before this reading.
    had: u64,
    hashers: Hashers,
}

impl Taking<'_, '_> {
    /// What should have come before this entry has gone, or can't be read.
    fn pass_over(&mut self, end: usize) {
        let source = self.reading.source;
        for at in (self.next..end).filter(|at| self.which.has(*at)) {
            if let Some(entry) = source.manifest.get(at) {
                let place = source.place(source.manifest.path(entry));
                self.reading.findings.has_changed(place);
            }
        }
        self.next = end;
    }

    fn entry(&self, member: &Member) -> Option<(usize, &Entry)> {
        let manifest = &self.reading.source.manifest;
        let path = member.path.strip_prefix(b"./").unwrap_or(&member.path);
        let at = manifest.find(path.strip_suffix(b"/").unwrap_or(path))?;
        let is_awaited = at >= self.next && self.which.has(at);
        is_awaited.then(|| manifest.get(at).map(|entry| (at, entry)))?
    }
}

fn unwanted() -> io::Error {
    io::Error::other("nobody wants it any more")
}

impl Taker for Taking<'_, '_> {
    fn begin(&mut self, member: Member) -> io::Result<bool> {
        let Some((at, entry)) = self.entry(&member) else {
            let path = String::from_utf8_lossy(&member.path).into_owned();
            let what = format!("{path} came, which was not asked for");
            return Err(io::Error::other(what));
        };
        let size = entry.size;
        self.pass_over(at);
        if !member.is_file || member.size != size {
            // It has become something else.
            self.pass_over(at + 1);
            return Ok(false);
        }
        self.next = at + 1;
        let begun = Some(self.from).filter(|from| from.entry == at && from.begun);
        let parts: Option<Arc<[(u64, u64)]>> = member.parts.map(Into::into);
        if begun.is_none() {
            self.out.part(Part::Begin(at, parts.clone()));
        }
        let verify = self.reading.verify;
        let kinds = verify.map(|(kind, bits)| (begun.is_none() && bits.has(at)).then_some(kind));
        self.current = Some(Current {
            at,
            size,
            parts: parts.unwrap_or_else(|| [(0, size)].into()),
            part: 0,
            reached: 0,
            had: begun.map_or(0, |from| from.at),
            hashers: Hashers::new(kinds),
        });
        Ok(true)
    }

    fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some((start, length)) = current.parts.get(current.part) else {
                return Err(io::Error::other("more content came than the file has"));
            };
            if current.reached < *start {
                current.hashers.zeros(start - current.reached);
                current.reached = *start;
            }
            let left = start + length - current.reached;
            if left == 0 {
                current.part += 1;
                continue;
            }
            let mut much = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if current.reached < current.had {
                let had = current.had - current.reached;
                much = much.min(usize::try_from(had).unwrap_or(usize::MAX));
            } else {
                let room = self.out.room(Position {
                    entry: current.at,
                    begun: true,
                    at: current.reached,
                });
                if !self.out.wanted {
                    return Err(unwanted());
                }
                much = much.min(room);
                self.out.data(&rest[..much]);
                current.hashers.bytes(&rest[..much]);
            }
            current.reached += u64::try_from(much).unwrap_or_default();
            rest = &rest[much..];
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        let Some(mut current) = self.current.take() else {
            return Ok(());
        };
        current
            .hashers
            .zeros(current.size.saturating_sub(current.reached));
        self.out.part(Part::End);
        let Reading {
            source, findings, ..
        } = self.reading;
        if let Some(entry) = source.manifest.get(current.at) {
            let place = source.place(source.manifest.path(entry));
            current.hashers.finish(|kind, hash| {
                findings.agree(kind, current.at, super::read::short(hash), &place);
            });
        }
        if self.out.wanted {
            Ok(())
        } else {
            Err(unwanted())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::mpsc::sync_channel;

    use super::super::pack::{Pack, Which};
    use super::super::rules::Rules;
    use super::super::source::Source;
    use super::super::tee::Blocks;
    use super::*;

    /// What would follow in the archive must not be taken for the rest of a file, which then had its size and its time.
    #[test]
    fn what_ends_within_a_file_makes_no_archive() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "0123456789").unwrap();
        let source = Source::read(folder.path(), &Rules::new(&[]).unwrap()).unwrap();
        let at = source.manifest.find(b"a").unwrap();
        let (source, mut send) = (Arc::new(source), Bits::default());
        send.add(at);
        let (to, blocks) = sync_channel(1);
        let mut block = fresh(Position::default());
        block.bytes.extend_from_slice(b"01234");
        block.parts = vec![Part::Begin(at, None), Part::Data(0..5)];
        to.send(Arc::new(block)).unwrap();
        drop(to);
        let moved = |_, _| {};
        let blocks = Blocks::from(blocks);
        let mut pack = Pack::new(
            &source,
            (send, Bits::default()),
            &[],
            (Archives::Gnu, None),
            blocks,
            Which::All,
            &moved,
        );
        assert!(pack.read_to_end(&mut Vec::new()).is_err());
    }
}
