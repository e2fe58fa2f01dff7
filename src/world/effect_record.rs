//! What a node remembers of an effect: that it was begun, and how it ended.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::config::SecretRef;
use crate::engine::{Epoch, Fault, FaultKind};
use crate::plan::{Outputs, Reading};

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

/// A name that no other attempt has, made of characters that every shell leaves alone.
fn new_attempt(epoch: Epoch) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = jiff::Timestamp::now().as_nanosecond();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{now}-{}-{count}", epoch.0, std::process::id())
}
