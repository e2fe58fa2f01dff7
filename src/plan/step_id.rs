//! The name of a step.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Sha256;
use crate::config::NodeName;

/// The name of a step: `<verb>/<node>/<slug>`, unique in its plan and the same when planned again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct StepId(String);

impl StepId {
    /// The step of this verb on this node; what a name may not contain becomes `-`,
    /// and one that would be too long ends with its digest.
    pub fn new(verb: &str, node: &NodeName, slug: &str) -> Self {
        let (verb, mut slug) = (part(verb), part(slug));
        let room = LONGEST
            .saturating_sub(verb.len() + node.as_str().len() + 2)
            .max(SHORTEST);
        if slug.len() > room {
            let digest = Sha256::of(&slug);
            slug.truncate(room - SHORTEST + 1);
            slug = format!("{slug}-{}", &digest.short()[..SHORTEST - 2]);
        }
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

/// The longest name of a step, in bytes.
const LONGEST: usize = 200;
/// What is always left for the end of a name that is too long.
const SHORTEST: usize = 14;

/// The text as a part of a name.
fn part(text: &str) -> String {
    let safe: String = text
        .chars()
        .enumerate()
        .map(|(at, c)| {
            if fits(c) && (at > 0 || c != '.') {
                c
            } else {
                '-'
            }
        })
        .collect();
    if safe.is_empty() {
        "-".to_owned()
    } else {
        safe
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
            && text.len() <= LONGEST
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_can_be_read_back() {
        let node: NodeName = "ucd1".parse().unwrap();
        for (verb, slug, name) in [
            ("convert", "stop", "convert/ucd1/stop"),
            ("props-set", "a b/c", "props-set/ucd1/a-b-c"),
            ("x", "..", "x/ucd1/-."),
            ("", "", "-/ucd1/-"),
        ] {
            let id = StepId::new(verb, &node, slug);
            assert_eq!(id.as_str(), name);
            assert_eq!(id.as_str().parse(), Ok(id));
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let node: NodeName = "ucd1".parse().unwrap();
        let [a, b] = ["a", "b"].map(|end| StepId::new("x", &node, &("s".repeat(300) + end)));
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), LONGEST);
        assert_eq!(a.as_str().parse(), Ok(a));
    }
}
