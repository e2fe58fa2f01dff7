//! Stages and their lanes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Millis, Step};
use crate::config::NodeName;

/// A part of a plan in which nodes go side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// What the stage is for, in a few words.
    pub name: String,
    /// How many lanes go at once; at least one.
    pub width: u32,
    /// How many lanes may fail before the run stops.
    pub max_failures: u32,
    /// How long to wait when all lanes have ended, before the next stage.
    pub bake: Millis,
    /// What becomes of a lane in which a step fails.
    pub on_failure: OnFailure,
    /// One lane a node.
    pub lanes: Vec<Lane>,
}

impl Stage {
    /// A stage whose lanes go one after the other, and which stops at the first failure.
    pub fn in_turn(name: impl Into<String>, lanes: Vec<Lane>) -> Self {
        Self {
            name: name.into(),
            width: 1,
            max_failures: 0,
            bake: Millis(0),
            on_failure: OnFailure::Stop,
            lanes,
        }
    }
}

/// What becomes of a lane in which a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The lane stays as it is.
    Stop,
    /// The lane's steps of this stage are undone backwards.
    ReturnLane,
    /// The same; and when the run goes on no further, what it changed for a time is given back.
    GiveBack,
}

impl OnFailure {
    /// Whether the lane's steps of this stage are undone.
    pub fn returns(self) -> bool {
        match self {
            Self::Stop => false,
            Self::ReturnLane | Self::GiveBack => true,
        }
    }
}

/// The steps of one node in a stage, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lane {
    /// The node.
    pub node: NodeName,
    /// Its steps.
    pub steps: Vec<Step>,
}
