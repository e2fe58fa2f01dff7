//! The name of a step.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::NodeName;

/// The name of a step: `<verb>/<node>/<slug>`, unique in its plan and the same when planned again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct StepId(String);

impl StepId {
    /// The step of this verb on this node; what a slug may not contain becomes `-`.
    pub fn new(verb: &str, node: &NodeName, slug: &str) -> Self {
        let slug: String = slug
            .chars()
            .map(|c| if fits(c) { c } else { '-' })
            .collect();
        Self(format!("{verb}/{node}/{slug}"))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part: what the step does.
    pub fn slug(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The node's part.
    pub fn node(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or("")
    }

    /// The name as the name of one file.
    pub fn file_name(&self) -> String {
        self.0.replace('/', "+")
    }
}

fn fits(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StepId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split('/').collect();
        let good = parts.len() == 3
            && text.len() <= 200
            && parts
                .iter()
                .all(|p| !p.is_empty() && !p.starts_with('.') && p.chars().all(fits));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{}` is not the name of a step; names look like convert/ucd1/stop-server",
                text.escape_debug()
            ))
        }
    }
}

impl<'de> Deserialize<'de> for StepId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
