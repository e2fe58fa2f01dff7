//! Bringing a tree to a node: looked at, staged beside its place, verified.

use std::sync::Arc;
use std::thread;

use super::bits::Bits;
use super::bring::{Brought, By};
use super::delta::{Delta, word};
use super::in_place::adjustments;
use super::list::List;
use super::listing::{Item, Listing};
use super::manifest::{Entry, Kind, fingerprint};
use super::origin::Afar;
use super::own::Own;
use super::pack::Which;
use super::pull::Pull;
use super::read::Findings;
use super::rules::Rules;
use super::script::{self, Exec, LandError};
use super::source::Source;
use super::sums::sums;
use super::survey::{Archives, HashKind, Reader, Survey};
use super::tee::{Blocks, Seat};
use super::zip::Zip;
use crate::remote::{Bulk, Host, Input, Load, Output, Patience, RemoteError, RemoteErrorKind};

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
    /// Connections for a stream to it.
    pub bulk: &'a (dyn Fn(Load) -> Bulk + Sync),
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
    /// Whether what is sent is made smaller on its way, and to how many machines it goes at once.
    pub zip: (Zip, usize),
    /// The folder on the node for the record of the stage, and the record.
    pub record: (&'a str, &'a str),
    /// Whether the node itself has the source: it is copied there then, and nothing of it is sent.
    pub is_near: bool,
    /// How the node gets content from the machine that has the source by itself, where it shall.
    pub pull: Option<&'a Pull>,
    /// How many bytes a second go out to this node at the most.
    pub rate: Option<u64>,
    /// Whether files that stay the same are not copied into the stage, but get another name there.
    pub link_unchanged: bool,
}

/// How a node gets content by itself.
#[derive(Clone, Copy)]
enum ByItself<'a> {
    /// It has the source.
    Copies,
    /// From the machine that has the source.
    Pulls(&'a Pull, &'a Afar),
}

/// Asks a node what stands where a tree shall land, and in the stages for it where `names` are given. It takes the
/// less room the more that is like a source.
pub fn survey(
    exec: &Exec<'_>,
    to: &str,
    names: Option<&Names>,
    owner: Option<&str>,
    like: Option<&Source>,
    patience: &Patience<'_>,
) -> Result<Survey, LandError> {
    let hidden = names.map_or("-", |names| &names.hidden);
    let own = names.map_or("-", |names| &names.own);
    let arguments = [to, hidden, own, owner.unwrap_or("-"), "all", "-"];
    let reader = asked(exec, arguments, like, patience)?;
    reader.finish().ok_or_else(|| not_understood(to))
}

/// What a place on a node contains.
#[derive(Debug)]
pub enum Contents {
    /// A step has begun to change it, and noted down first what there was.
    Before(String),
    /// What is there now, without extended attributes.
    Now(Box<Survey>),
}

/// Asks a node what a place contains, or where a step has begun to change it, what that noted down there.
pub fn contents(
    exec: &Exec<'_>,
    at: &str,
    begun: Option<&str>,
    like: Option<&Source>,
    patience: &Patience<'_>,
) -> Result<Contents, LandError> {
    let arguments = [at, "-", "-", "-", "entries", begun.unwrap_or("-")];
    let reader = asked(exec, arguments, like, patience)?;
    if let Some(was) = reader.begun() {
        return Ok(Contents::Before(was));
    }
    let now = reader
        .finish()
        .map(|survey| Contents::Now(Box::new(survey)));
    now.ok_or_else(|| not_understood(at))
}

/// What a node answers that is asked for what stands at a place.
fn asked(
    exec: &Exec<'_>,
    arguments: [&str; 6],
    like: Option<&Source>,
    patience: &Patience<'_>,
) -> Result<Reader<'static>, LandError> {
    let mut reader = like.map_or_else(Reader::default, |like| Reader::like(&like.manifest));
    script::run(
        exec,
        script::survey(),
        &arguments,
        Input::Nothing,
        &mut reader,
        patience,
    )?;
    Ok(reader)
}

fn not_understood(to: &str) -> LandError {
    let what = format!("what the node said of {to} was cut short or can't be understood");
    RemoteError::new(RemoteErrorKind::Lost, what).into()
}

/// A place on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its path without links.
    pub real: String,
    /// Whether a file system is mounted there.
    pub mounted: bool,
}

/// Where a place on a node really is.
pub fn place(exec: &Exec<'_>, to: &str, patience: &Patience<'_>) -> Result<Place, LandError> {
    let mut out = Output::at_most(64 << 10);
    script::run(
        exec,
        script::place(),
        &[to],
        Input::Nothing,
        &mut out,
        patience,
    )?;
    let said = out.text();
    let parts: Vec<&str> = said.split('\0').collect();
    if let [real, mounted @ ("yes" | "no"), ""] = parts[..] {
        return Ok(Place {
            real: real.to_owned(),
            mounted: mounted == "yes",
        });
    }
    Err(not_understood(to))
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

/// Closes folders again that a replacing which was cut short had opened for itself; whether there were any.
pub fn close_again(
    exec: &Exec<'_>,
    to: &str,
    record: &str,
    patience: &Patience<'_>,
) -> Result<bool, LandError> {
    let mut out = Output::at_most(1 << 10);
    let arguments = [to, record];
    script::run(
        exec,
        script::close(),
        &arguments,
        Input::Nothing,
        &mut out,
        patience,
    )?;
    Ok(out.text().trim_end() == "closed")
}

impl Survey {
    /// The fingerprint of the tree that is there, without what the rules leave out.
    pub fn digest(&self, rules: &Rules) -> [u8; 32] {
        let is_seen = |entry: &Item<'_>| !rules.leave_out(entry.path(), entry.kind == Kind::Folder);
        let seen = self.live.iter().filter(is_seen);
        fingerprint(seen.map(|entry| entry.mark(self.precision())))
    }

    /// The program there that computes this kind of fingerprints.
    pub(super) fn program(&self, kind: HashKind) -> &str {
        match &self.quick {
            Some(quick) if kind == HashKind::Sha256 => quick,
            _ if kind == self.hash => &self.hasher,
            _ => kind.program(),
        }
    }

    /// Forgets what the trees contain, which takes room.
    pub fn forget_entries(&mut self) {
        self.live = Listing::default();
        self.staged = Listing::default();
        self.turn = None;
    }

    /// What stands beside the place under this name, or where stages are made in the place, in it.
    pub fn beside(&self, name: &str) -> String {
        format!("{}/{name}", self.base)
    }
}

impl Landing<'_> {
    /// Stages the tree and verifies it. What could not be kept of it is told.
    pub fn stage(&self, seat: Seat<'_>) -> Result<String, LandError> {
        self.check_room()?;
        let stage = self.survey.beside(self.stage);
        let prepare = || {
            self.prepare(&stage)?;
            let (delta, kept) = (self.delta, self.record.0);
            if !self.rules.are_none() {
                let arguments = ["own", &self.survey.real, kept];
                self.run(script::note(), &arguments, Input::Bytes(&delta.own()))?;
            }
            self.carry(&stage)
        };
        let by_itself = if self.is_near && self.survey.owner.is_none() && self.copies_well() {
            Some(ByItself::Copies)
        } else {
            self.pulls()
        };
        if let Some(how) = by_itself {
            // Whoever gets the same from afar need not wait for this one.
            drop(seat);
            prepare()?;
            return self.have_it_come(&stage, how, true);
        }
        self.fetch(&stage, seat, prepare, true)
    }

    /// Brings what is not there yet to a hidden folder on the same file system, verifies as much of it as is wanted, and
    /// leaves it to the caller to give it its places.
    pub fn bring_in_place(&self, seat: Seat<'_>) -> Result<String, LandError> {
        self.check_room()?;
        let stage = self.survey.beside(self.stage);
        let said = match self.pulls() {
            Some(how) => {
                drop(seat);
                self.prepare(&stage)?;
                self.have_it_come(&stage, how, false)?
            }
            None => self.fetch(&stage, seat, || self.prepare(&stage), false)?,
        };
        if !self.delta.folders.is_none() {
            let (nothing, folders) = (Bits::default(), &self.delta.folders);
            let mut folders = self.pack(nothing, folders, Blocks::none(), Which::Folders);
            let at = format!("{}/folders", self.record.0);
            self.run(script::keep(), &[&at], Input::Reader(&mut folders))?;
        }
        if !self.delta.closed.is_empty() {
            let at = format!("{}/closed", self.record.0);
            self.run(script::keep(), &[&at], Input::Bytes(&self.delta.closed))?;
        }
        Ok(said)
    }

    /// Has a stage prepared, brings to it what is sent, and verifies that; where it shall be the `whole` tree, all that
    /// can be seen of it, too.
    fn fetch(
        &self,
        stage: &str,
        seat: Seat<'_>,
        prepare: impl FnOnce() -> Result<(), LandError>,
        whole: bool,
    ) -> Result<String, LandError> {
        let load = Load {
            bytes: self.delta.bytes,
            in_parts: self.comes_in_parts(),
        };
        // Connecting takes its time, too.
        let (prepared, bulk) = thread::scope(|scope| {
            let bulk = thread::Builder::new()
                .name("connections".to_owned())
                .spawn_scoped(scope, || (self.bulk)(load));
            let prepared = prepare();
            let bulk = bulk.ok().and_then(|thread| thread.join().ok());
            (prepared, bulk.unwrap_or(Bulk::Same))
        });
        prepared?;
        let Brought {
            said,
            findings,
            waits,
        } = self.bring(stage, seat, &bulk)?;
        self.ended(&findings)?;
        drop(waits);
        let which = &self.delta.verify;
        self.check(stage, which, &findings, &bulk, whole.then_some(&said))?;
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

    /// How the node gets content from another machine by itself, where it shall.
    fn pulls(&self) -> Option<ByItself<'_>> {
        let afar = self.source.afar.as_ref()?;
        self.pull.map(|pull| ByItself::Pulls(pull, afar))
    }

    /// The node itself gets what it does not have at its place yet; what has no content is unpacked as ever. Where the
    /// stage shall be the `whole` tree, all that can be seen of it is verified.
    fn have_it_come(
        &self,
        stage: &str,
        how: ByItself<'_>,
        whole: bool,
    ) -> Result<String, LandError> {
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
            match how {
                ByItself::Copies => {
                    let arguments = [&*root, stage, "copy"];
                    self.run(script::carry(), &arguments, Input::Reader(&mut list))?;
                }
                ByItself::Pulls(pull, afar) => {
                    let archives = self.survey.archives;
                    let owner = self.survey.owner;
                    pull.content(stage, (afar, archives), (&root, owner), list, self.patience)?;
                    if [afar.archives, archives].contains(&Archives::Busybox) {
                        self.adjust(stage, &content)?;
                    }
                }
            }
            (self.moved)(self.delta.bytes, self.delta.files);
        }
        let said = self.unpack(stage, &rest, Blocks::none(), By::usual())?;
        let findings = Arc::new(Findings::of(self.source));
        let far;
        let (exec, archives) = match how {
            ByItself::Copies => (self.exec, self.survey.archives),
            ByItself::Pulls(_, afar) => {
                far = &*afar.origin.exec;
                (&far as &Exec<'_>, afar.archives)
            }
        };
        let own = Own {
            exec,
            source: self.source,
            archives,
            patience: self.patience,
            findings: &findings,
        };
        // Also of those that were empty: they may have got their content since.
        let mut which = self.delta.verify.clone();
        which.join(&content);
        own.compute(self.hash(), &which)?;
        let findings = [findings];
        self.unchanged(&findings)?;
        let compared = whole.then_some(said.as_str());
        self.check(stage, &which, &findings, &Bulk::Same, compared)?;
        Ok(said)
    }

    /// The kind of fingerprints by which files are compared.
    pub(super) fn hash(&self) -> HashKind {
        self.source.hash_with(self.survey)
    }

    /// Makes the stage, without what an earlier one has and this one does not want.
    fn prepare(&self, stage: &str) -> Result<(), LandError> {
        let found = self.survey.stage.as_deref().unwrap_or("-");
        let (kept, record) = self.record;
        self.run(
            script::prepare(),
            &[stage, found, kept, record],
            Input::Bytes(&self.delta.sweep),
        )
        .map(|_| ())
    }

    /// Copies what the live tree has and stays, and gives it the attributes that it shall have.
    fn carry(&self, stage: &str) -> Result<(), LandError> {
        let (delta, manifest) = (self.delta, &self.source.manifest);
        let mut copied = delta.carry.clone();
        if self.link_unchanged {
            copied.keep_common(&delta.adjust);
            let mut linked = delta.carry.clone();
            linked.take_away(&delta.adjust);
            if !linked.is_none() {
                let mut list = List::new(manifest, &linked, &[]);
                let arguments = [self.survey.tree.as_str(), stage, "link"];
                self.run(script::carry(), &arguments, Input::Reader(&mut list))?;
            }
        }
        if !(copied.is_none() && delta.extra.is_empty()) {
            let mut list = List::new(manifest, &copied, &delta.extra);
            let arguments = [self.survey.tree.as_str(), stage, "copy"];
            self.run(script::carry(), &arguments, Input::Reader(&mut list))?;
        }
        if delta.adjust.is_none() {
            return Ok(());
        }
        self.adjust(stage, &delta.adjust)
    }

    /// Gives files in the stage the attributes that they shall have.
    fn adjust(&self, stage: &str, which: &Bits) -> Result<(), LandError> {
        let owner = |entry: &Entry| {
            let owner = self.survey.owner.unwrap_or((entry.uid, entry.gid));
            self.survey.superuser.then_some(owner)
        };
        let orders = adjustments(&self.source.manifest, which, owner);
        self.run(script::adjust(), &[stage], Input::Bytes(&orders))
            .map(|_| ())
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
        let manifest = &*self.source.manifest;
        let kind = self.hash();
        let mut wrong = which.clone();
        let mut right = Bits::default();
        let mut heard = |at, hash| {
            let is_right = |it: &Arc<Findings>| it.hash(kind, at) == Some(hash);
            if findings.iter().any(is_right) {
                right.add(at);
            }
        };
        let files = (manifest, which);
        let exec = self.by(by);
        sums(
            &exec,
            self.patience,
            self.survey,
            kind,
            stage,
            files,
            &mut heard,
        )?;
        wrong.take_away(&right);
        Ok(wrong)
    }

    /// Compares all that can be seen of the staged tree with what it shall be.
    pub(super) fn compare(&self, stage: &str, said: &str) -> Result<(), LandError> {
        let source = Some(&**self.source);
        let staged = survey(self.exec, stage, None, None, source, self.patience)?;
        if staged.digest(self.rules) == self.delta.becomes {
            return self.compare_attributes(&staged, stage, said);
        }
        let manifest = &self.source.manifest;
        let precision = staged.precision();
        let is_other = |entry: &Entry| {
            let there = staged.live.find(manifest.path(entry));
            there.is_none_or(|it| it.mark(precision) != manifest.mark(entry, precision))
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
            let wanted = self.survey.attributes;
            !there.is_some_and(|it| wanted.are_same(manifest.extended(entry), it.extended()))
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
