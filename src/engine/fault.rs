//! What can go wrong between the engine and a node.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of a fault: what it says about the effect, and whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The node does not answer. Retryable: nothing was begun, or its outcome can be read later.
    Unreachable,
    /// The time was up. Not retryable: the effect may still be going on.
    TimedOut,
    /// The node or the service said no. Not retryable: it would say no again.
    Failed,
    /// The rights do not suffice. Not retryable until somebody grants them.
    Denied,
    /// A disk is full. Not retryable until somebody makes room.
    DiskFull,
    /// The world is not as the plan expects. Not retryable: a new plan is needed.
    Stale,
    /// This runner no longer holds the node. Not retryable: another runner may hold it.
    Fenced,
    /// A person asked for it to stop.
    Cancelled,
    /// The effect may have happened and its outcome is lost. Resuming looks at the world.
    LostOutcome,
    /// A secret could not be had. Not retryable until it can be.
    Secret,
    /// The runner itself is going down; nothing further may be done.
    RunnerGone,
}

impl FaultKind {
    /// Whether the same call may succeed when it is made again at once.
    pub fn retryable(self) -> bool {
        self == Self::Unreachable
    }
}

/// Something went wrong with one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// What happened, in a sentence without the node's name. Never a secret.
    pub what: String,
    /// What to type or to do next, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Fault {
    /// A fault of this kind.
    pub fn new(kind: FaultKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            hint: None,
        }
    }

    /// The same fault with what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}
