//! Commands that the runner calls around steps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Argv, Millis};

/// Commands that the runner calls on its own machine while a plan is applied.
///
/// They get what happened in environment variables (`CLUSTERCTL_HOOK`,
/// `CLUSTERCTL_RUN`, `CLUSTERCTL_VERB`, `CLUSTERCTL_DIGEST`, `CLUSTERCTL_STEP`,
/// `CLUSTERCTL_NODE`, `CLUSTERCTL_TITLE`, `CLUSTERCTL_OUTCOME`,
/// `CLUSTERCTL_ERROR`, `CLUSTERCTL_STATE`, `CLUSTERCTL_EXIT`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hooks {
    /// Before each step; a failure stops the run before that step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_step: Option<Hook>,
    /// After each step that is done; its own failure is only reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_step: Option<Hook>,
    /// After a step failed; its own failure is only reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<Hook>,
    /// When the run ends, however it ends; its own failure is only reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_end: Option<Hook>,
}

impl Hooks {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each hook that there is, with its name.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &Hook)> {
        [
            ("before_step", &self.before_step),
            ("after_step", &self.after_step),
            ("on_failure", &self.on_failure),
            ("on_end", &self.on_end),
        ]
        .into_iter()
        .filter_map(|(name, hook)| hook.as_ref().map(|hook| (name, hook)))
    }
}

/// One command of the runner's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The command, run without a shell.
    pub command: Argv,
    /// How long it may take before it is ended.
    pub deadline: Millis,
}
