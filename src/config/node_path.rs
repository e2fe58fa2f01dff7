//! An absolute path on a node.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An absolute path on a node: `/opt/ucd/server` or `C:\inetpub\wwwroot`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodePath(String);

/// Why a text is not an absolute path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{problem}\nhint: write an absolute path without `..`, such as \"/opt/ucd/server\" or 'C:\\inetpub\\wwwroot\\SecretServer'"
)]
pub struct InvalidPath {
    problem: String,
}

impl NodePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A path that the program itself chose.
    pub(super) fn constant(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    fn check(text: &str) -> Result<(), String> {
        let drive = matches!(text.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
        if text.is_empty() {
            return Err("the path is empty".to_owned());
        }
        if let Some(bad) = text.chars().find(|c| c.is_control()) {
            return Err(format!("the path contains the control character {bad:?}"));
        }
        if !text.starts_with('/') && !drive {
            return Err(format!("the path {text:?} is not absolute"));
        }
        if text.split(['/', '\\']).any(|part| part == "..") {
            return Err(format!("the path {text:?} leads upwards"));
        }
        Ok(())
    }
}

impl FromStr for NodePath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for NodePath {
    type Error = InvalidPath;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Self::check(&text) {
            Ok(()) => Ok(Self(text)),
            Err(problem) => Err(InvalidPath { problem }),
        }
    }
}

impl From<NodePath> for String {
    fn from(path: NodePath) -> Self {
        path.0
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl schemars::JsonSchema for NodePath {
    fn schema_name() -> Cow<'static, str> {
        "NodePath".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^(/|[A-Za-z]:[\\/])",
            "examples": ["/opt/ucd/server"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_only() {
        for good in ["/", "/opt/ucd", r"C:\inetpub", "d:/x", "/a/..b"] {
            assert!(good.parse::<NodePath>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "opt",
            "./a",
            "~/a",
            "/a/../b",
            r"C:\..",
            "C:",
            "/a\n",
            "%ProgramData%\\x",
        ] {
            assert!(bad.parse::<NodePath>().is_err(), "{bad}");
        }
    }
}
