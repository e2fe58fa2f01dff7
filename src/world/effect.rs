//! What a node remembers of an effect: that it was begun, and how it ended.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::durable;
use super::errno::{self, OrFault as _};
use super::local_hold;
use super::lock_file::LockFile;
use super::node_folder::NodeFolder;
use super::replace::exists;
use super::tree;
use super::watch::Watch;
use crate::config::SecretRef;
use crate::engine::{Call, Direction, Epoch, Fault, FaultKind};
use crate::plan::{Outputs, Reading, RunId, StepId};

/// The version of an effect's record.
const FORMAT: u32 = 1;

/// The record of one attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    format: u32,
    /// Tells this attempt apart from all others.
    pub(super) attempt: String,
    epoch: Epoch,
    /// The runner.
    pid: u32,
    /// Set when a command does the work: what is needed to read its outcome without its runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<Commanded>,
    /// What the work makes beside its place before it gets its name: of no use once the work was cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beside: Option<PathBuf>,
    /// How it ended, when it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    /// The attempt before this one, whose record is put back when this one had no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Box<Record>>,
}

/// A command that an effect runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Commanded {
    /// As a person may see it.
    pub(super) shown: String,
    /// The exit codes that mean success.
    pub(super) success: Vec<i64>,
    /// The secrets that it reads, which it may repeat in what it writes.
    pub(super) secrets: Vec<SecretRef>,
    /// Whether it is our own work on files, whose exit codes mean more than failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) files: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Done(Outputs),
    Failed(Fault),
}

impl Record {
    /// The record of a new attempt; `before` is the one whose place it takes.
    pub(super) fn begun(
        epoch: Epoch,
        command: Option<Commanded>,
        beside: Option<PathBuf>,
        before: Option<Self>,
    ) -> Self {
        let before = before.map(|before| Self {
            before: None,
            ..before
        });
        Self {
            format: FORMAT,
            attempt: new_attempt(epoch),
            epoch,
            pid: std::process::id(),
            command,
            beside,
            outcome: None,
            before: before.map(Box::new),
        }
    }

    /// The same attempt, ended.
    pub(super) fn ended(&self, outcome: &Result<Outputs, Fault>) -> Self {
        Self {
            outcome: Some(match outcome {
                Ok(outputs) => Outcome::Done(outputs.clone()),
                Err(fault) => Outcome::Failed(fault.clone()),
            }),
            before: None,
            ..self.clone()
        }
    }

    /// The record whose place this one took.
    pub(super) fn before(&self) -> Option<&Self> {
        self.before.as_deref()
    }

    /// What the file at this path says.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, Fault> {
        serde_json::from_slice(bytes).map_err(|error| {
            let what = format!("{} can't be used: {error}", path.display());
            Fault::new(FaultKind::LostOutcome, what)
        })
    }

    /// What the file says.
    pub(super) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// What the work had made beside its place when it was cut short.
    pub(super) fn beside(&self) -> Option<&Path> {
        self.beside.as_deref()
    }

    /// How the attempt ended, when its runner saw it end.
    pub(super) fn outcome(&self) -> Option<Result<Outputs, Fault>> {
        self.outcome.clone().map(|outcome| match outcome {
            Outcome::Done(outputs) => Ok(outputs),
            Outcome::Failed(fault) => Err(fault),
        })
    }

    /// The exit code that the command of this attempt left in the effect's file for it.
    pub(super) fn exit_code(&self, file: &str) -> Option<i64> {
        let (attempt, code) = file.split_once(' ')?;
        (attempt == self.attempt).then(|| code.trim().parse().ok())?
    }

    /// Whether the command of this attempt was started, as the effect's file for its process says.
    pub(super) fn was_started(&self, file: &str) -> bool {
        file.split_once(' ')
            .is_some_and(|(attempt, _)| attempt == self.attempt)
    }

    /// Whether it succeeded, also when only the exit code that its command left says so.
    pub(super) fn has_succeeded(&self, exit_file: &str) -> bool {
        match (&self.outcome, &self.command) {
            (Some(outcome), _) => matches!(outcome, Outcome::Done(_)),
            (None, None) => false,
            (None, Some(command)) => self
                .exit_code(exit_file)
                .is_some_and(|code| command.success.contains(&code)),
        }
    }
}

/// What the node says of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    /// Nothing, or that it was taken back.
    Absent,
    /// It was begun, and may have had an effect.
    Begun,
    /// It was done.
    Done,
}

impl Stamp {
    /// What a probe finds.
    pub(super) fn reading(self) -> Reading {
        match self {
            Self::Absent => Reading::Absent,
            Self::Begun => Reading::text("begun"),
            Self::Done => Reading::text("done"),
        }
    }
}

/// One direction of one step of a run on a node.
#[derive(Debug)]
pub(super) struct Effect<'a> {
    folder: &'a NodeFolder,
    run: &'a RunId,
    step: &'a StepId,
    direction: Direction,
    epoch: Epoch,
}

impl<'a> Effect<'a> {
    pub(super) fn of(folder: &'a NodeFolder, call: &Call<'a>) -> Self {
        Self {
            folder,
            run: call.run,
            step: call.step,
            direction: call.direction,
            epoch: call.epoch,
        }
    }

    /// Does file work under the effect lock, and remembers how it ended.
    pub(super) fn perform(
        &self,
        watch: &mut Watch<'_>,
        beside: Option<PathBuf>,
        work: impl FnOnce(&Watch<'_>) -> Result<Outputs, Fault>,
    ) -> Result<Outputs, Fault> {
        let _alone = self.alone(watch)?;
        let record = self.begin(None, beside)?;
        let outcome = work(watch);
        match (self.end(&record, &outcome), outcome) {
            (Err(fault), Ok(_)) => Err(not_remembered(&fault)),
            (_, outcome) => outcome,
        }
    }

    /// Refuses a run that does not hold the node.
    pub(super) fn guard(&self) -> Result<(), Fault> {
        local_hold::guard(self.folder, self.run, self.epoch)
    }

    /// The effect lock.
    pub(super) fn alone(&self, watch: &mut Watch<'_>) -> Result<LockFile, Fault> {
        let what = "waiting for an earlier effect on the node";
        LockFile::wait(&self.folder.effect_lock(), watch, what)
    }

    /// Remembers that a new attempt begins, if the run holds the node. Under the effect lock.
    ///
    /// Whether it does is looked at again in the end: writing the record takes a while, and the runner may be put to
    /// sleep in it. So only what had a record before its runner fell asleep can be done when it wakes.
    pub(super) fn begin(
        &self,
        command: Option<Commanded>,
        beside: Option<PathBuf>,
    ) -> Result<Record, Fault> {
        self.guard()?;
        let effects = self.folder.effects(self.run);
        durable::make_folder(&effects).or_fault("made", &effects)?;
        if self.direction == Direction::Do {
            self.forget_what_was_taken_back()?;
        }
        let record = Record::begun(self.epoch, command, beside, self.last()?);
        self.write(&record)?;
        match self.guard() {
            Ok(()) => Ok(record),
            Err(fault) => {
                self.withdraw(&record)?;
                Err(fault)
            }
        }
    }

    /// Remembers how the attempt ended. Under the effect lock.
    pub(super) fn end(
        &self,
        begun: &Record,
        outcome: &Result<Outputs, Fault>,
    ) -> Result<(), Fault> {
        self.write(&begun.ended(outcome))?;
        if self.direction == Direction::Undo && outcome.is_ok() {
            self.forget(Direction::Do)?;
        }
        Ok(())
    }

    /// Clears away what an attempt that was cut short had made beside its place. Under the effect lock.
    pub(super) fn clear(record: &Record) -> Result<(), Fault> {
        match &record.beside {
            Some(beside) if exists(beside) => tree::remove_any(beside),
            _ => Ok(()),
        }
    }

    /// Forgets an attempt that had no effect; what the node knew before it stands again. Under the effect lock.
    pub(super) fn withdraw(&self, begun: &Record) -> Result<(), Fault> {
        match &begun.before {
            Some(before) => self.write(before),
            None => self.forget(self.direction),
        }
    }

    /// The record of the last attempt.
    pub(super) fn last(&self) -> Result<Option<Record>, Fault> {
        if self.direction == Direction::Do && self.was_taken_back()? {
            return Ok(None);
        }
        self.read(self.direction)
    }

    /// The record's path; the other files of the effect have another ending.
    pub(super) fn path(&self, ending: &str) -> PathBuf {
        let record = self.folder.effect(self.run, self.step, self.direction);
        record.with_extension(ending)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the fence is told: the folder, the run, the epoch, where the effect's files go, and the attempt.
    pub(super) fn fence_arguments(&self, record: &Record) -> [OsString; 5] {
        [
            self.folder.path().into(),
            self.run.as_str().into(),
            self.epoch.0.to_string().into(),
            self.path("").into(),
            record.attempt.clone().into(),
        ]
    }

    /// The exit code that the command of this attempt left, also when nobody was there to see it.
    pub(super) fn exit_code(&self, record: &Record) -> Option<i64> {
        record.exit_code(&self.file("exit"))
    }

    /// Whether the command of this attempt was started.
    pub(super) fn was_started(&self, record: &Record) -> bool {
        record.was_started(&self.file("pid"))
    }

    fn file(&self, ending: &str) -> String {
        fs::read_to_string(self.path(ending)).unwrap_or_default()
    }

    /// What was taken back is forgotten before the taking back is, so that no reader sees it done in between.
    fn forget_what_was_taken_back(&self) -> Result<(), Fault> {
        if self.was_taken_back()? {
            self.forget(Direction::Do)?;
        }
        self.forget(Direction::Undo)
    }

    /// A command that takes a step back may end without its runner: its outcome is looked at here too.
    fn was_taken_back(&self) -> Result<bool, Fault> {
        let undo = Self {
            direction: Direction::Undo,
            ..*self
        };
        Ok(undo
            .read(Direction::Undo)?
            .is_some_and(|record| undo.has_succeeded(&record)))
    }

    fn has_succeeded(&self, record: &Record) -> bool {
        record.has_succeeded(&self.file("exit"))
    }

    fn forget(&self, direction: Direction) -> Result<(), Fault> {
        let path = self.folder.effect(self.run, self.step, direction);
        durable::remove(&path).or_fault("removed", &path)
    }

    fn read(&self, direction: Direction) -> Result<Option<Record>, Fault> {
        let path = self.folder.effect(self.run, self.step, direction);
        let bytes = match fs::read(&path) {
            Err(error) if errno::is_absent(&error) => return Ok(None),
            bytes => bytes.or_fault("read", &path)?,
        };
        Record::parse(&bytes, &path).map(Some)
    }

    fn write(&self, record: &Record) -> Result<(), Fault> {
        let path = self.folder.effect(self.run, self.step, self.direction);
        durable::replace(&path, &record.bytes()).or_fault("written", &path)
    }
}

/// The effect is there, but the node does not know.
pub(super) fn not_remembered(fault: &Fault) -> Fault {
    Fault {
        kind: FaultKind::LostOutcome,
        what: format!(
            "it was done, but that could not be written down: {}",
            fault.what
        ),
        hint: fault.hint.clone(),
    }
}

/// What the node remembers of a step.
pub(super) fn stamp(folder: &NodeFolder, run: &RunId, step: &StepId) -> Result<Stamp, Fault> {
    let effect = Effect {
        folder,
        run,
        step,
        direction: Direction::Do,
        epoch: Epoch::default(),
    };
    Ok(match effect.last()? {
        None => Stamp::Absent,
        Some(record) if effect.has_succeeded(&record) => Stamp::Done,
        Some(_) => Stamp::Begun,
    })
}

/// A name that no other attempt has, made of characters that every shell leaves alone.
fn new_attempt(epoch: Epoch) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = jiff::Timestamp::now().as_nanosecond();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{now}-{}-{count}", epoch.0, std::process::id())
}
