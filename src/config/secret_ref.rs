//! Where a secret is to be found; never the secret itself.

use serde::{Deserialize, Serialize};

/// A reference to a secret.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file.
    File(String),
    /// A command's output.
    Cmd(Vec<String>),
    /// A question on the terminal.
    Prompt(String),
    /// Given to this invocation only.
    Given(String),
}

impl std::fmt::Display for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Cmd(words) => write!(f, "cmd:{}", words.join(" ")),
            Self::Prompt(label) => write!(f, "prompt:{label}"),
            Self::Given(label) => write!(f, "given:{label}"),
        }
    }
}
