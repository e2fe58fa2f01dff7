//! What a probe found.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ServiceState, Sha256};

/// What a probe found on a node.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// There is no such thing.
    Absent,
    /// It is there, and equal to what it was compared with.
    Same,
    /// It is there, and not equal to what it was compared with.
    Different,
    /// A word or a value that is no secret.
    Text(String),
    /// A count, a size, a status.
    Number(i64),
    /// A fingerprint.
    Digest(Sha256),
    /// What a service does.
    Service(ServiceState),
}

impl Reading {
    /// A reading in words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Same => f.write_str("as wanted"),
            Self::Different => f.write_str("different"),
            Self::Text(text) => write!(f, "`{}`", text.escape_debug()),
            Self::Number(number) => number.fmt(f),
            Self::Digest(digest) => write!(f, "sha256 {}", digest.short()),
            Self::Service(state) => state.fmt(f),
        }
    }
}
