//! Plans: what a run will do, as data.
//!
//! A [`Plan`] is an ordered list of [`Stage`]s; a stage has one [`Lane`] of
//! ordered [`Step`]s per node; a step says what is done ([`Action`]), what must
//! be true before it (guards), how its effect is seen ([`Proof`]) and how it is
//! taken back ([`Undo`]). There are no conditions, loops or expressions: what
//! depends on the state of the world was decided by whoever made the plan.
//!
//! This room owns the types, their rules ([`Plan::problems`]), the
//! [digest](Plan::digest), the file format, the plan that takes a run back
//! ([`reverse`]), and the renderings for people ([`text`], [`runbook`]). It
//! does no I/O beyond reading and writing a plan's own file, and knows nothing
//! of engines, worlds or vendors.
//!
//! ```
//! use clusterctl::plan::{Argv, Condition, Expect, Probe, Reading};
//!
//! let stopped = Condition {
//!     probe: Probe::Command { argv: Argv::new(["systemctl", "is-active", "ucd"]) },
//!     expect: Expect::Is(Reading::Number(3)),
//! };
//! assert_eq!(stopped.to_string(), "`systemctl is-active ucd` gives 3");
//! ```

mod action;
mod address;
mod argv;
mod by_hand;
mod condition;
mod digest;
mod file;
mod haproxy_by_hand;
mod hooks;
mod in_words;
mod look_by_hand;
mod markdown;
mod millis;
mod paths;
pub(crate) mod printable;
mod probe;
mod reading;
mod reverse;
mod rules;
mod run_id;
pub mod runbook;
mod sha;
mod shell;
mod stage;
mod step;
mod step_id;
mod target;
pub mod text;
mod tree;
mod unified;
mod value;

pub use action::{
    Action, BackupRef, Merge, Method, OnTimeout, PoolState, PropertyEdit, Service, ServiceState,
    XmlEdit,
};
pub use address::as_part;
pub use argv::Argv;
pub use condition::{Condition, Expect, Proof};
pub use file::{FORMAT, LoadError};
pub use hooks::{Hook, Hooks};
pub use millis::Millis;
pub use paths::RemotePath;
pub use probe::{Item, PoolFact, Probe};
pub use reading::Reading;
pub use reverse::{Irreversible, reverse};
pub use rules::PlanProblem;
pub use run_id::RunId;
pub use sha::Sha256;
pub use stage::{Lane, OnFailure, Stage};
pub use step::{Class, Step, Temporary, Undo, Why};
pub use step_id::StepId;
pub use target::{Login, Sudo, Target};
pub use tree::{Compression, Tree, TreeSource};
pub use value::{Outputs, Value};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::NodeName;

/// What a run will do, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of this format; see [`FORMAT`].
    pub format: u32,
    /// The verb that made the plan, such as `props-set`.
    pub verb: String,
    /// What the plan is for, in one line for people.
    pub title: String,
    /// The program that made it, with its version.
    pub made_by: String,
    /// When it was made.
    #[schemars(with = "String")]
    pub made_at: jiff::Timestamp,
    /// The state that the nodes are in before the first step, in words.
    pub starts_as: String,
    /// The nodes that the plan speaks of, with the addresses they had when it was made.
    pub nodes: BTreeMap<NodeName, Target>,
    /// Commands that the runner calls around steps.
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// What is done, stage after stage.
    pub stages: Vec<Stage>,
}

impl Plan {
    /// All steps in the order of stages and, within a stage, of lanes.
    pub fn steps(&self) -> impl Iterator<Item = (&NodeName, &Step)> {
        self.stages
            .iter()
            .flat_map(|stage| &stage.lanes)
            .flat_map(|lane| lane.steps.iter().map(move |step| (&lane.node, step)))
    }

    /// The step with this id, and the node it is for.
    pub fn step(&self, id: &StepId) -> Option<(&NodeName, &Step)> {
        self.steps().find(|(_, step)| step.id == *id)
    }

    /// Whether the plan has nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps().next().is_none()
    }

    /// The nodes that some step touches, in the order in which their locks are taken.
    pub fn touched(&self) -> std::collections::BTreeSet<&NodeName> {
        self.steps().map(|(node, _)| node).collect()
    }

    /// The nodes that some step changes.
    pub fn changed(&self) -> std::collections::BTreeSet<&NodeName> {
        self.steps()
            .filter(|(_, step)| step.class != Class::Read)
            .map(|(node, _)| node)
            .collect()
    }

    /// Whether some step has an effect that can be taken back.
    pub fn can_be_taken_back(&self) -> bool {
        self.steps()
            .any(|(_, step)| matches!(step.undo, Undo::By { .. }))
    }

    /// The gravest class among the steps.
    pub fn class(&self) -> Class {
        self.steps()
            .map(|(_, step)| step.class)
            .max()
            .unwrap_or(Class::Read)
    }
}
