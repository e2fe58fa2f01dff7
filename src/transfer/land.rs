//! Bringing a tree to a node: looked at, staged beside its place, verified.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;

use super::bits::Bits;
use super::bring::Brought;
use super::delta::{Delta, word};
use super::list::List;
use super::manifest::{Entry, Kind, Manifest, Marks};
use super::read::{Findings, Hash};
use super::rules::Rules;
use super::script::{self, Exec, LandError};
use super::source::Source;
use super::sums::Own;
use super::survey::{Archives, HashKind, Reader, Survey};
use super::tee::{Blocks, Seat};
use crate::remote::{Bulk, Host, Input, Output, Patience, RemoteError, RemoteErrorKind};

/// Where a tree is staged, and by which names.
#[derive(Debug, Clone)]
pub struct Names {
    /// The name of the stage, beside the place.
    pub own: String,
    /// How the names of the stages of all runs begin.
    pub hidden: String,
}

/// How a tree is brought to a node.
pub struct Landing<'a> {
    /// The node.
    pub exec: &'a Exec<'a>,
    /// Connections for a stream of so many bytes to it.
    pub bulk: &'a (dyn Fn(u64) -> Bulk + Sync),
    /// Is told how many more bytes and files are on their way.
    pub moved: &'a (dyn Fn(u64, u64) + Sync),
    /// How long it may take.
    pub patience: &'a Patience<'a>,
    /// The tree.
    pub source: &'a Arc<Source>,
    /// What the node said.
    pub survey: &'a Survey,
    /// What has to be done.
    pub delta: &'a Delta,
    /// What is left out.
    pub rules: &'a Rules,
    /// The name of the stage, beside the place.
    pub stage: &'a str,
    /// The folder on the node for the record of the stage, and the record.
    pub record: (&'a str, &'a str),
    /// Whether the node itself has the source: it is copied there then, and nothing of it is sent.
    pub is_near: bool,
}

/// Asks a node what stands where a tree shall land, and in the stages for it where `names` are given.
pub fn survey(
    exec: &Exec<'_>,
    to: &str,
    names: Option<&Names>,
    patience: &Patience<'_>,
) -> Result<Survey, LandError> {
    let mut reader = Reader::default();
    let hidden = names.map_or("-", |names| &names.hidden);
    let own = names.map_or("-", |names| &names.own);
    let arguments = [to, hidden, own];
    script::run(
        exec,
        script::survey(),
        &arguments,
        Input::Nothing,
        &mut reader,
        patience,
    )?;
    reader.finish().ok_or_else(|| {
        let what = format!("what the node said of {to} was cut short or can't be understood");
        RemoteError::new(RemoteErrorKind::Lost, what).into()
    })
}

/// Where a place on a node really is: its path without links.
pub fn place(exec: &Exec<'_>, to: &str, patience: &Patience<'_>) -> Result<String, LandError> {
    let mut out = Output::at_most(64 << 10);
    script::run(
        exec,
        script::place(),
        &[to],
        Input::Nothing,
        &mut out,
        patience,
    )?;
    if let Some((real, "")) = out.text().split_once('\0') {
        return Ok(real.to_owned());
    }
    let what = format!("what the node said of {to} was cut short or can't be understood");
    Err(RemoteError::new(RemoteErrorKind::Lost, what).into())
}

/// Notes down what a place contains, before it is surveyed: what changes from here on, a swap carries over once more.
pub fn note(
    exec: &Exec<'_>,
    to: &str,
    record: &str,
    patience: &Patience<'_>,
) -> Result<(), LandError> {
    let mut out = Output::at_most(1 << 10);
    let arguments = ["live", to, record];
    script::run(
        exec,
        script::note(),
        &arguments,
        Input::Nothing,
        &mut out,
        patience,
    )
    .map(|_| ())
}

impl Survey {
    /// The fingerprint of the tree that is there, without what the rules leave out.
    pub fn digest(&self, rules: &Rules) -> [u8; 32] {
        let live = &self.live;
        let mut marks = Marks::default();
        for (_, entry) in live.iter() {
            if !rules.leave_out(live.path(entry), entry.kind == Kind::Folder) {
                marks.add(live.mark(entry, self.precision()));
            }
        }
        marks.digest()
    }

    /// Forgets what the trees contain, which takes room.
    pub fn forget_entries(&mut self) {
        self.live = Manifest::default();
        self.staged = Manifest::default();
    }

    /// What stands beside the place under this name.
    pub fn beside(&self, name: &str) -> String {
        match self.real.rsplit_once('/') {
            Some((parent, _)) => format!("{parent}/{name}"),
            None => name.to_owned(),
        }
    }
}

impl Landing<'_> {
    /// Stages the tree and verifies it. What could not be kept of it is told.
    pub fn stage(&self, seat: Seat<'_>) -> Result<String, LandError> {
        self.check_room()?;
        let stage = self.survey.beside(self.stage);
        if self.is_near && self.copies_well() {
            // Whoever gets the same from afar need not wait for this one.
            drop(seat);
            self.prepare(&stage)?;
            return self.copy(&stage);
        }
        // Connecting takes its time, too.
        let (prepared, bulk) = thread::scope(|scope| {
            let bulk = thread::Builder::new()
                .name("connections".to_owned())
                .spawn_scoped(scope, || (self.bulk)(self.delta.bytes));
            let prepared = self.prepare(&stage);
            let bulk = bulk.ok().and_then(|thread| thread.join().ok());
            (prepared, bulk.unwrap_or(Bulk::Same))
        });
        prepared?;
        let Brought {
            said,
            findings,
            waits,
        } = self.bring(&stage, seat, &bulk)?;
        self.ended(&findings)?;
        drop(waits);
        self.check(&stage, &findings, &bulk, &said)?;
        Ok(said)
    }

    /// Waits until readings have ended; an error when one could not go on, or something changed meanwhile.
    pub(super) fn ended(&self, findings: &[Arc<Findings>]) -> Result<(), LandError> {
        for findings in findings {
            findings.wait();
            findings.check()?;
        }
        self.unchanged(findings)
    }

    /// An error when something changed while it was read.
    fn unchanged(&self, findings: &[Arc<Findings>]) -> Result<(), LandError> {
        let changed = findings.iter().flat_map(|findings| findings.changed());
        let mut changed: Vec<_> = changed.collect();
        changed.sort();
        changed.dedup();
        if let Some(first) = changed.first() {
            let more = match changed.len() {
                1 => String::new(),
                many => format!(" and {} more", many - 1),
            };
            let what = format!(
                "the source changed while it was read: {}{more}",
                self.source.shown(first)
            );
            return Err(LandError::Changed(what));
        }
        Ok(())
    }

    /// Whether `cp` makes of the source what tar does. Who is not the superuser can't put one file after the other into a
    /// folder that `cp` closes after each, and does not keep the bits by which a file runs as its owner.
    fn copies_well(&self) -> bool {
        let fits = |entry: &Entry| match entry.kind {
            Kind::Folder => entry.mode & 0o300 == 0o300,
            Kind::File => entry.mode & 0o6000 == 0,
            Kind::Link | Kind::Pipe => true,
        };
        self.survey.superuser || self.source.manifest.iter().all(|(_, entry)| fits(entry))
    }

    /// Copies on the node itself what it does not have at its place yet; what has no content is unpacked as ever.
    fn copy(&self, stage: &str) -> Result<String, LandError> {
        let manifest = &self.source.manifest;
        let (mut content, mut rest) = (Bits::default(), Bits::default());
        for (at, entry) in manifest.iter().filter(|(at, _)| self.delta.send.has(*at)) {
            let is_content = entry.kind == Kind::File && manifest.first(entry).is_none();
            if is_content {
                content.add(at);
            } else {
                rest.add(at);
            }
        }
        if !content.is_none() {
            let mut list = List::new(manifest, &content, &[]);
            let root = self.source.root.to_string_lossy();
            self.run(script::carry(), &[&root, stage], Input::Reader(&mut list))?;
            (self.moved)(self.delta.bytes, self.delta.files);
        }
        let said = self.unpack(stage, &rest, Blocks::none(), None)?;
        let findings = Arc::new(Findings::default());
        let own = Own {
            exec: self.exec,
            source: self.source,
            archives: self.survey.archives,
            patience: self.patience,
            findings: &findings,
        };
        // Also of those that were empty: they may have got their content since.
        let mut which = self.delta.verify.clone();
        which.join(&content);
        own.compute(self.hash(), &which)?;
        let findings = [findings];
        self.unchanged(&findings)?;
        self.check(stage, &findings, &Bulk::Same, &said)?;
        Ok(said)
    }

    /// The kind of fingerprints by which files are compared.
    pub(super) fn hash(&self) -> HashKind {
        self.source.hash_with(self.survey.hash)
    }

    /// Makes the stage, and copies into it what the node has already.
    fn prepare(&self, stage: &str) -> Result<(), LandError> {
        let found = self.survey.stage.as_deref().unwrap_or("-");
        let (kept, record) = self.record;
        self.run(
            script::prepare(),
            &[stage, found, kept, record],
            Input::Bytes(&self.delta.sweep),
        )?;
        let delta = self.delta;
        if !self.rules.are_none() {
            let arguments = ["own", &self.survey.real, kept];
            self.run(script::note(), &arguments, Input::Bytes(&delta.own()))?;
        }
        if !(delta.carry.is_none() && delta.extra.is_empty()) {
            let mut list = List::new(&self.source.manifest, &delta.carry, &delta.extra);
            self.run(
                script::carry(),
                &[&self.survey.tree, stage],
                Input::Reader(&mut list),
            )?;
        }
        Ok(())
    }

    pub(super) fn run(
        &self,
        script: script::Script,
        arguments: &[&str],
        input: Input<'_>,
    ) -> Result<String, LandError> {
        let mut out = Output::at_most(1 << 20);
        script::run(self.exec, script, arguments, input, &mut out, self.patience)
    }

    /// Compares the fingerprints of some files, and says which are others.
    pub(super) fn verify(
        &self,
        stage: &str,
        which: &Bits,
        findings: &[Arc<Findings>],
        by: Option<&dyn Host>,
    ) -> Result<Bits, LandError> {
        if which.is_none() {
            return Ok(Bits::default());
        }
        let manifest = &self.source.manifest;
        let kind = self.hash();
        let program = kind.program();
        let has_lines = || {
            let paths = manifest.iter().filter(|(at, _)| which.has(*at));
            paths
                .map(|(_, entry)| manifest.path(entry))
                .any(|path| path.contains(&b'\n'))
        };
        let each = self.survey.archives == Archives::Busybox && has_lines();
        let mut sums = Sums {
            line: Vec::new(),
            next: 0,
            wrong: Bits::default(),
            expected: &mut |at| {
                let found = manifest.iter().skip(at).find(|(at, _)| which.has(*at));
                found.map(|(at, _)| (at, findings.iter().find_map(|it| it.hash(kind, at))))
            },
        };
        let mut list = List::new(manifest, which, &[]);
        let arguments = [stage, program, if each { "each" } else { "-" }];
        let exec = self.by(by);
        script::run(
            &exec,
            script::verify(),
            &arguments,
            Input::Reader(&mut list),
            &mut sums,
            self.patience,
        )?;
        while let Some((missing, _)) = (sums.expected)(sums.next) {
            sums.wrong.add(missing);
            sums.next = missing + 1;
        }
        Ok(sums.wrong)
    }

    /// Compares all that can be seen of the staged tree with what it shall be.
    pub(super) fn compare(&self, stage: &str, said: &str) -> Result<(), LandError> {
        let staged = survey(self.exec, stage, None, self.patience)?;
        if staged.digest(self.rules) == self.delta.becomes {
            return self.compare_attributes(&staged, stage, said);
        }
        let manifest = &self.source.manifest;
        let precision = staged.precision();
        let is_other = |entry: &Entry| {
            let there = staged.live.find(manifest.path(entry));
            let there = there.and_then(|at| staged.live.get(at));
            there
                .is_none_or(|it| staged.live.mark(it, precision) != manifest.mark(entry, precision))
        };
        let other = manifest.iter().find(|(_, entry)| is_other(entry));
        let here = self.source.whereabouts();
        let what = match other.map(|(_, entry)| String::from_utf8_lossy(manifest.path(entry))) {
            Some(path) if path.is_empty() => {
                format!("{stage} did not become what the folder is {here}")
            }
            Some(path) => format!("{path} did not become in {stage} what it is {here}"),
            None => format!("what was carried over to {stage} changed at the same time"),
        };
        Err(LandError::Broken(what))
    }

    /// Compares the extended attributes that the node keeps, as it said.
    fn compare_attributes(
        &self,
        staged: &Survey,
        stage: &str,
        said: &str,
    ) -> Result<(), LandError> {
        let manifest = &self.source.manifest;
        let is_other = |entry: &Entry| {
            let there = staged.live.find(manifest.path(entry));
            let there = there.and_then(|at| staged.live.get(at));
            let wanted = self.survey.attributes;
            !there.is_some_and(|it| wanted.are_same((manifest, entry), (&staged.live, it)))
        };
        let with_some = |entry: &Entry| matches!(entry.kind, Kind::File | Kind::Folder);
        let other = manifest
            .iter()
            .find(|(_, entry)| with_some(entry) && is_other(entry));
        let Some((_, entry)) = other else {
            return Ok(());
        };
        let path = match manifest.path(entry) {
            b"" => "the folder itself".into(),
            path => String::from_utf8_lossy(path),
        };
        let reason = match said.lines().next() {
            Some(line) => format!(" ({line})"),
            None => String::new(),
        };
        let what = format!(
            "{path} has other extended attributes or another access list in {stage} than {}{reason}",
            self.source.whereabouts()
        );
        Err(LandError::Broken(what))
    }

    /// Whether what arrives and what is copied has room.
    fn check_room(&self) -> Result<(), LandError> {
        match self.delta.lack(self.survey) {
            Some(lack) => Err(LandError::NoRoom(format!("{}: {lack}", self.survey.real))),
            None => Ok(()),
        }
    }
}

impl Delta {
    /// What of the target's own is carried over, folders aside.
    fn own(&self) -> Vec<u8> {
        let mut own = self.extra.clone();
        for header in self.headers.iter().filter(|header| header.first.is_some()) {
            word(&header.path, &mut own);
        }
        own
    }
}

/// Which entry comes at or after a number, and its fingerprint.
type Expected<'a> = dyn FnMut(usize) -> Option<(usize, Option<Hash>)> + Send + 'a;

/// Compares fingerprints as they come, a line each.
struct Sums<'a> {
    line: Vec<u8>,
    next: usize,
    wrong: Bits,
    expected: &'a mut Expected<'a>,
}

impl Write for Sums<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            let Some((at, hash)) = (self.expected)(self.next) else {
                return Err(io::Error::other("there are more fingerprints than files"));
            };
            self.next = at + 1;
            if hash.is_none_or(|hash| !says(&line, &hash)) {
                self.wrong.add(at);
            }
        }
        self.line.extend_from_slice(rest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a line of a program such as `sha256sum` begins with this fingerprint. A backslash marks an odd name.
fn says(line: &[u8], hash: &Hash) -> bool {
    let line = line.strip_prefix(b"\\").unwrap_or(line);
    let digit = |half: u8| {
        if half < 10 {
            b'0' + half
        } else {
            b'a' + half - 10
        }
    };
    line.len() >= 64
        && hash
            .iter()
            .zip(line.chunks(2))
            .all(|(byte, digits)| digits == [digit(byte >> 4), digit(byte & 15)])
}
