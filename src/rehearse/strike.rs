//! Faults to order: what goes wrong, on which node, at which step.

use std::fmt;
use std::str::FromStr;

use crate::config::NodeName;
use crate::plan::{Plan, StepId};

/// A fault that strikes once, at one step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Strike {
    /// What goes wrong.
    pub kind: StrikeKind,
    /// On which node.
    pub node: String,
    /// At which step: its whole name or only the last part.
    pub step: String,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StrikeKind {
    /// The node answers no more.
    Unreachable,
    /// The runner dies before the effect.
    Crash,
    /// The runner dies right after the effect.
    CrashAfter,
    /// The node loses power in the midst of the effect.
    PowerLoss,
    /// The step takes too long and is ended, without effect.
    Timeout,
    /// The step says that it failed, without effect.
    Failed,
    /// The disk is full.
    DiskFull,
    /// The rights do not suffice.
    Denied,
    /// Somebody changed what the step's guard looks at.
    Stale,
    /// The effect is there, and its outcome is lost on the way.
    LostOutcome,
    /// The person presses Ctrl-C while the step goes on.
    Interrupt,
}

impl StrikeKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Unreachable,
        Self::Crash,
        Self::CrashAfter,
        Self::PowerLoss,
        Self::Timeout,
        Self::Failed,
        Self::DiskFull,
        Self::Denied,
        Self::Stale,
        Self::LostOutcome,
        Self::Interrupt,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Crash => "crash",
            Self::CrashAfter => "crash-after",
            Self::PowerLoss => "power-loss",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
            Self::DiskFull => "disk-full",
            Self::Denied => "denied",
            Self::Stale => "stale",
            Self::LostOutcome => "lost-outcome",
            Self::Interrupt => "interrupt",
        }
    }
}

impl fmt::Display for StrikeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.kind, self.node, self.step)
    }
}

impl FromStr for Strike {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || {
            format!(
                "`{}` is not a fault; write KIND@NODE:STEP, such as timeout@ucd1:stop-server",
                text.escape_debug()
            )
        };
        let (kind, place) = text.split_once('@').ok_or_else(shape)?;
        let (node, step) = place.split_once(':').ok_or_else(shape)?;
        if node.is_empty() || step.is_empty() {
            return Err(shape());
        }
        let kind = StrikeKind::ALL
            .into_iter()
            .find(|k| k.name() == kind)
            .ok_or_else(|| {
                let names: Vec<_> = StrikeKind::ALL.iter().map(|kind| kind.name()).collect();
                format!(
                    "there is no fault `{}`; there are {}",
                    kind.escape_debug(),
                    names.join(", ")
                )
            })?;
        Ok(Self {
            kind,
            node: node.to_owned(),
            step: step.to_owned(),
        })
    }
}

impl Strike {
    /// The step of the plan that this strikes.
    pub(super) fn place(&self, plan: &Plan) -> Result<(NodeName, StepId), String> {
        let on_node: Vec<_> = plan
            .steps()
            .filter(|(node, _)| node.as_str() == self.node)
            .collect();
        if on_node.is_empty() {
            let nodes: Vec<_> = plan
                .touched()
                .into_iter()
                .map(ToString::to_string)
                .collect();
            return Err(format!(
                "{self}: the plan does nothing on `{}`; its nodes are {}",
                self.node.escape_debug(),
                nodes.join(", ")
            ));
        }
        let (node, step) = on_node
            .iter()
            .find(|(_, step)| step.id.as_str() == self.step || step.id.slug() == self.step)
            .ok_or_else(|| {
                let steps: Vec<_> = on_node.iter().map(|(_, step)| step.id.slug()).collect();
                format!(
                    "{self}: there is no step `{}` on {}; its steps are {}",
                    self.step.escape_debug(),
                    self.node,
                    steps.join(", ")
                )
            })?;
        if self.kind == StrikeKind::Stale && step.guards.is_empty() {
            return Err(format!("{self}: the step has no guard that could be stale"));
        }
        Ok(((*node).clone(), step.id.clone()))
    }
}
