//! Bringing a tree to a node: looked at, staged beside its place, verified.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use super::bits::Bits;
use super::delta::{Delta, word};
use super::in_place::adjustments;
use super::list::List;
use super::manifest::{Entry, Kind, Manifest, Marks};
use super::pack::{Pack, Which};
use super::read::{Block, Findings};
use super::rules::Rules;
use super::script::{self, Exec, LandError};
use super::source::Source;
use super::sums::sums;
use super::survey::{Archives, HashKind, Reader, Survey};
use super::tee::{Seat, Stream};
use super::throttle::{RealClock, Throttle};
use crate::remote::{Input, Output, Patience, RemoteError, RemoteErrorKind};

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
    /// How many bytes a second go out to this node at the most.
    pub rate: Option<u64>,
    /// Whether files that stay the same are not copied into the stage, but get another name there.
    pub link_unchanged: bool,
}

/// Asks a node what stands where a tree shall land, and in the stages for it where `names` are given.
pub fn survey(
    exec: &Exec<'_>,
    to: &str,
    names: Option<&Names>,
    owner: Option<&str>,
    patience: &Patience<'_>,
) -> Result<Survey, LandError> {
    let mut reader = Reader::default();
    let hidden = names.map_or("-", |names| &names.hidden);
    let own = names.map_or("-", |names| &names.own);
    let arguments = [to, hidden, own, owner.unwrap_or("-")];
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
        self.staged_entries = self.staged.len();
        self.live = Manifest::default();
        self.staged = Manifest::default();
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
        self.prepare(&stage)?;
        let delta = self.delta;
        let kept = self.record.0;
        if !self.rules.are_none() {
            let arguments = ["own", &self.survey.real, kept];
            self.run(script::note(), &arguments, Input::Bytes(&delta.own()))?;
        }
        self.carry(&stage)?;
        let said = self.bring(&stage, seat)?;
        self.compare(&stage)?;
        Ok(said)
    }

    /// Brings what is not there yet to a hidden folder on the same file system, verifies it, and leaves it to the caller
    /// to give it its places.
    pub fn bring_in_place(&self, seat: Seat<'_>) -> Result<String, LandError> {
        self.check_room()?;
        let stage = self.survey.beside(self.stage);
        self.prepare(&stage)?;
        let said = self.bring(&stage, seat)?;
        if !self.delta.folders.is_none() {
            let (_, nothing) = channel();
            let which = Which::Folders;
            let mut folders = self.pack(nothing, Bits::default(), which, &self.delta.folders);
            let at = format!("{stage}.folders");
            self.run(script::keep(), &[&at], Input::Reader(&mut folders))?;
        }
        Ok(said)
    }

    fn prepare(&self, stage: &str) -> Result<(), LandError> {
        let found = self.survey.stage.as_deref().unwrap_or("-");
        let (kept, record) = self.record;
        let arguments = [stage, found, kept, record];
        self.run(
            script::prepare(),
            &arguments,
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
                let arguments = [self.survey.real.as_str(), stage, "link"];
                self.run(script::carry(), &arguments, Input::Reader(&mut list))?;
            }
        }
        if !(copied.is_none() && delta.extra.is_empty()) {
            let mut list = List::new(manifest, &copied, &delta.extra);
            let arguments = [self.survey.real.as_str(), stage, "copy"];
            self.run(script::carry(), &arguments, Input::Reader(&mut list))?;
        }
        if delta.adjust.is_none() {
            return Ok(());
        }
        let owner = |entry: &Entry| {
            let owner = self.survey.owner.unwrap_or((entry.uid, entry.gid));
            self.survey.superuser.then_some(owner)
        };
        let orders = adjustments(manifest, &delta.adjust, owner);
        self.run(script::adjust(), &[stage], Input::Bytes(&orders))
            .map(|_| ())
    }

    /// Sends what is to be sent, and has its fingerprints compared.
    fn bring(&self, stage: &str, seat: Seat<'_>) -> Result<String, LandError> {
        let wanted = (self.delta.send.clone(), self.delta.verify.clone());
        let Stream { blocks, findings } =
            seat.join(self.source, wanted.0, wanted.1, self.survey.hash);
        let said = self.unpack(stage, blocks)?;
        findings.wait();
        let changed = findings.changed();
        if let Some(first) = changed.first() {
            let more = match changed.len() {
                1 => String::new(),
                many => format!(" and {} more", many - 1),
            };
            let what = format!(
                "the source changed while it was read: {}{more}",
                first.display()
            );
            return Err(LandError::Changed(what));
        }
        self.verify(stage, &findings)?;
        Ok(said)
    }

    fn pack(
        &self,
        blocks: Receiver<Arc<Block>>,
        send: Bits,
        which: Which,
        folders: &Bits,
    ) -> Pack<'_> {
        Pack::new(
            self.source,
            (send, folders.clone()),
            &self.delta.headers,
            (self.survey.archives, self.survey.owner),
            blocks,
            which,
        )
    }

    fn run(
        &self,
        script: script::Script,
        arguments: &[&str],
        input: Input<'_>,
    ) -> Result<String, LandError> {
        let mut out = Output::at_most(1 << 20);
        script::run(self.exec, script, arguments, input, &mut out, self.patience)
    }

    fn unpack(&self, stage: &str, blocks: Receiver<Arc<Block>>) -> Result<String, LandError> {
        let archives = self.survey.archives;
        let how = match archives {
            Archives::Gnu => "gnu",
            Archives::Busybox => "busybox",
        };
        // busybox makes links last of all, which changes the times of folders.
        let which = match archives {
            Archives::Gnu => Which::All,
            Archives::Busybox => Which::NoFolders,
        };
        let fresh = &self.delta.fresh;
        let first = self.pack(blocks, self.delta.send.clone(), which, fresh);
        let mut first = Throttle::new(first, self.rate, RealClock::default());
        let said = self.run(script::unpack(), &[stage, how], Input::Reader(&mut first))?;
        if which == Which::All {
            return Ok(said);
        }
        let (_, nothing) = channel();
        let mut folders = self.pack(nothing, Bits::default(), Which::Folders, fresh);
        self.run(script::unpack(), &[stage, how], Input::Reader(&mut folders))
    }

    /// Compares the fingerprints of all files that came over the wire, now or before.
    fn verify(&self, stage: &str, findings: &Findings) -> Result<(), LandError> {
        let which = &self.delta.verify;
        if which.is_none() {
            return Ok(());
        }
        let manifest = &self.source.manifest;
        let kind = self.survey.hash;
        let (mut right, mut wrong) = (Bits::default(), None);
        let mut heard = |at, hash| {
            if findings.hash(kind, at) == Some(hash) {
                right.add(at);
            } else {
                wrong = Some(at);
            }
        };
        let files = (manifest, which);
        sums(
            self.exec,
            self.patience,
            self.survey,
            stage,
            files,
            &mut heard,
        )?;
        let missing = || {
            let mut all = manifest.iter().map(|(at, _)| at);
            all.find(|at| which.has(*at) && !right.has(*at))
        };
        let Some(wrong) = wrong.or_else(missing).and_then(|at| manifest.get(at)) else {
            return Ok(());
        };
        let program = match kind {
            HashKind::Blake2 => "BLAKE2",
            HashKind::Sha256 => "SHA-256",
        };
        let path = String::from_utf8_lossy(manifest.path(wrong));
        let what =
            format!("{path} is not what was sent: its {program} in {stage} is another than here");
        Err(LandError::Broken(what))
    }

    /// Compares all that can be seen of the staged tree with what it shall be.
    fn compare(&self, stage: &str) -> Result<(), LandError> {
        let staged = survey(self.exec, stage, None, None, self.patience)?;
        if staged.digest(self.rules) == self.delta.becomes {
            return Ok(());
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
        let what = match other.map(|(_, entry)| String::from_utf8_lossy(manifest.path(entry))) {
            Some(path) => format!("{path} did not become in {stage} what it is here"),
            None => format!("what was carried over to {stage} changed at the same time"),
        };
        Err(LandError::Broken(what))
    }

    /// Whether what arrives and what is copied has room.
    fn check_room(&self) -> Result<(), LandError> {
        let (delta, survey) = (self.delta, self.survey);
        let needed = delta.room();
        if needed > survey.space {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            let what = format!(
                "{} needs {} MiB for the new tree beside the old one, and {} MiB are free",
                survey.real,
                mib(needed),
                mib(survey.space)
            );
            return Err(LandError::NoRoom(what));
        }
        let new = delta
            .entries
            .saturating_sub(u64::try_from(survey.staged_entries).unwrap_or(0));
        if let Some(free) = survey.inodes
            && new > free
        {
            let what = format!(
                "{} needs {new} inodes for the new tree, and {free} are free",
                survey.real
            );
            return Err(LandError::NoRoom(what));
        }
        Ok(())
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

    /// How many bytes a stage takes at the most.
    pub fn room(&self) -> u64 {
        // Each file takes a block more than its bytes at the most.
        self.bytes
            .saturating_add(self.copied)
            .saturating_add(self.entries.saturating_mul(512))
    }
}
