//! What a node remembers of an effect: that it was begun, and how it ended.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::durable;
use super::errno::{self, OrFault as _};
use super::hold;
use super::lock_file::LockFile;
use super::node_folder::NodeFolder;
use super::replace::exists;
use super::tree;
use super::watch::Watch;
use crate::config::SecretRef;
use crate::engine::{Call, Direction, Epoch, Fault, FaultKind};
use crate::plan::{Outputs, RunId, StepId};

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
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Done(Outputs),
    Failed(Fault),
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
        hold::guard(self.folder, self.run, self.epoch)
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
        let before = self.last()?.map(|last| Record {
            before: None,
            ..last
        });
        let record = Record {
            format: FORMAT,
            attempt: new_attempt(self.epoch),
            epoch: self.epoch,
            pid: std::process::id(),
            command,
            beside,
            outcome: None,
            before: before.map(Box::new),
        };
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
        let record = Record {
            outcome: Some(match outcome {
                Ok(outputs) => Outcome::Done(outputs.clone()),
                Err(fault) => Outcome::Failed(fault.clone()),
            }),
            before: None,
            ..begun.clone()
        };
        self.write(&record)?;
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

    /// How an attempt ended, when its runner saw it end.
    pub(super) fn outcome(record: &Record) -> Option<Result<Outputs, Fault>> {
        record.outcome.clone().map(|outcome| match outcome {
            Outcome::Done(outputs) => Ok(outputs),
            Outcome::Failed(fault) => Err(fault),
        })
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
        let text = fs::read_to_string(self.path("exit")).ok()?;
        let (attempt, code) = text.split_once(' ')?;
        (attempt == record.attempt).then(|| code.trim().parse().ok())?
    }

    /// Whether the command of this attempt was started.
    pub(super) fn was_started(&self, record: &Record) -> bool {
        let text = fs::read_to_string(self.path("pid")).unwrap_or_default();
        text.split_once(' ')
            .is_some_and(|(attempt, _)| attempt == record.attempt)
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
        match (&record.outcome, &record.command) {
            (Some(outcome), _) => matches!(outcome, Outcome::Done(_)),
            (None, None) => false,
            (None, Some(command)) => self
                .exit_code(record)
                .is_some_and(|code| command.success.contains(&code)),
        }
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
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            let what = format!("{} can't be used: {error}", path.display());
            Fault::new(FaultKind::LostOutcome, what)
        })
    }

    fn write(&self, record: &Record) -> Result<(), Fault> {
        let path = self.folder.effect(self.run, self.step, self.direction);
        let json = serde_json::to_vec_pretty(record).unwrap_or_default();
        durable::replace(&path, &json).or_fault("written", &path)
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
