//! An end that is no success, with its exit code and what to type next.

use crate::config::{ConfigError, SecretError, SelectionError};
use crate::engine::{Fault, FaultKind, JournalError};
use crate::exit::Exit;
use crate::plan::LoadError;
use crate::primitives::edit_properties::Unplannable;
use crate::store::StoreError;
use crate::view::Trouble;

/// Why a verb did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Refusal {
    exit: Exit,
    what: String,
    state: Option<String>,
    hints: Vec<String>,
}

impl Refusal {
    /// A refusal with this exit code.
    pub(super) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            state: None,
            hints: Vec::new(),
        }
    }

    /// What was typed can't be done.
    pub(super) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// The same with what to type next.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same with the state that things are in.
    pub(super) fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }
}

/// The exit code of an error, and how it is told; `state` holds unless the error knows better.
pub(super) fn told(error: &anyhow::Error, state: Option<&str>) -> (Exit, Trouble) {
    // Not by its chain: what an error was given as its context is found in this way only.
    let refusal = error.downcast_ref::<Refusal>();
    let exit = exit(error);
    let mut trouble = Trouble::of(error).exit(exit.code());
    let known = refusal.and_then(|refusal| refusal.state.as_deref());
    if let Some(state) = known.or(state) {
        trouble = trouble.state(state);
    }
    for hint in refusal.map(|refusal| &refusal.hints).into_iter().flatten() {
        trouble = trouble.hint(hint);
    }
    for hint in hints_of(error) {
        trouble = trouble.hint(hint);
    }
    (exit, trouble)
}

/// The exit code of an error.
pub(super) fn exit(error: &anyhow::Error) -> Exit {
    let refusal = error.downcast_ref::<Refusal>();
    refusal.map_or_else(|| exit_of(error), |refusal| refusal.exit)
}

fn exit_of(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if let Some(fault) = cause.downcast_ref::<Fault>() {
            return match fault.kind {
                FaultKind::Unreachable => Exit::Unreachable,
                FaultKind::Stale => Exit::Stale,
                FaultKind::Fenced => Exit::Held,
                _ => Exit::Forbidden,
            };
        }
        if let Some(error) = cause.downcast_ref::<StoreError>() {
            return match error {
                StoreError::Busy { .. } => Exit::Held,
                StoreError::NoSuchRun { .. } | StoreError::Ambiguous { .. } => Exit::Usage,
                StoreError::Io { .. } => Exit::Forbidden,
            };
        }
        let usage = cause.is::<ConfigError>()
            || cause.is::<SelectionError>()
            || cause.is::<LoadError>()
            || cause.is::<SecretError>()
            || cause.is::<Unplannable>()
            || cause.is::<JournalError>();
        if usage {
            return Exit::Usage;
        }
    }
    Exit::Unexpected
}

fn hints_of(error: &anyhow::Error) -> Vec<String> {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<StoreError>())
        .flat_map(|error| match error {
            StoreError::NoSuchRun { .. } => {
                vec!["clusterctl runs list   (shows every run)".to_owned()]
            }
            StoreError::Ambiguous { .. } => vec!["give more of the run's name".to_owned()],
            StoreError::Busy { run, pid } => {
                let look = format!("clusterctl runs show {run}   (how far it has come)");
                let stop = pid
                    .map(|pid| format!("kill {pid}   (asks that process to stop in a safe state)"));
                std::iter::once(look).chain(stop).collect()
            }
            StoreError::Io { .. } => {
                vec!["--state-dir DIR   (keeps runs in another folder)".to_owned()]
            }
        })
        .collect()
}
