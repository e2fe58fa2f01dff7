//! One step of a plan.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Condition, Millis, Probe, Proof, StepId};

/// One step on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name, unique in the plan.
    pub id: StepId,
    /// What it does, in one line for people.
    pub title: String,
    /// Why it is done.
    pub why: Why,
    /// How grave it is.
    pub class: Class,
    /// What is done.
    pub action: Action,
    /// What must still be true before the first attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<Condition>,
    /// How its effect is seen.
    pub proof: Proof,
    /// What later steps need to know of it: names, and what is looked at for each once the step is done.
    ///
    /// They are read from the world and not from the effect's answer, so that they
    /// can be read again when that answer was lost.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Probe>,
    /// How it is taken back.
    pub undo: Undo,
    /// How long it may take.
    pub timeout: Millis,
    /// The state that the node is in after it, in words.
    pub leaves: String,
    /// Set when the change must not stay: it is given back when the run is cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporary: Option<Temporary>,
    /// The temporary change that this step ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<StepId>,
    /// What a person sees beforehand, such as the diff of a file; secrets are masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
}

/// Why a step is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// The reason, in a sentence.
    pub says: String,
    /// The title of the page that asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// How grave a step is, from harmless to final.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Looks and changes nothing.
    Read,
    /// Changes something that users don't notice yet.
    Stage,
    /// Users may notice it.
    Disrupt,
    /// It can't be taken back.
    Irreversible,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Stage => "stage",
            Self::Disrupt => "disrupt",
            Self::Irreversible => "irreversible",
        })
    }
}

/// How a step is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Undo {
    /// By doing this.
    By {
        /// What is done.
        action: Box<Action>,
        /// How it is seen that the step's effect is gone.
        proof: Proof,
    },
    /// There is nothing to take back.
    Nothing {
        /// Why, in a sentence.
        because: String,
    },
    /// It can't be taken back.
    Impossible {
        /// Why, in a sentence.
        because: String,
    },
}

/// A change that must not stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Temporary {
    /// How long it may last.
    pub lease: Millis,
}
