//! Values in a plan: written out, referred to, or given by an earlier step.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::StepId;
use crate::config::SecretRef;

/// What a step gave for later ones to use, by name. Never a secret.
pub type Outputs = BTreeMap<String, String>;

/// A value that an action uses.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Value {
    /// The value itself.
    Text(String),
    /// Where a secret is found when it is needed; the plan never holds it.
    Secret(SecretRef),
    /// What an earlier step of the same run gave.
    FromStep {
        /// The earlier step.
        step: StepId,
        /// The name of its output.
        output: String,
    },
}

impl Value {
    /// Whether the value must not be shown.
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// As a person may see it: a secret only by its reference.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Secret(reference) => write!(f, "<secret {reference}>"),
            Self::FromStep { step, output } => write!(f, "<{output} of {step}>"),
        }
    }
}
