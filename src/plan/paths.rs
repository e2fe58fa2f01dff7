//! Paths on a node, which need not be paths on this machine.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An absolute path on a node, as that node writes it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct RemotePath(String);

impl RemotePath {
    /// A path as the node writes it.
    pub fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the path begins at a root: `/`, a drive such as `C:\\`, or `\\\\server`.
    pub fn is_absolute(&self) -> bool {
        let drive = |b: &[u8]| matches!(b, [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
        self.0.starts_with('/') || self.0.starts_with(r"\\") || drive(self.0.as_bytes())
    }

    /// The path as one of this machine.
    pub fn local(&self) -> &std::path::Path {
        std::path::Path::new(&self.0)
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<std::path::Path> for RemotePath {
    fn as_ref(&self) -> &std::path::Path {
        self.local()
    }
}

#[cfg(test)]
mod tests {
    use super::RemotePath;

    #[test]
    fn roots_of_both_systems_are_known() {
        for path in ["/", "/opt/x", r"C:\inetpub", "d:/x", r"\\server\share"] {
            assert!(RemotePath::new(path).is_absolute(), "{path}");
        }
        for path in ["", "opt", "./x", "C:", "C:x", "~/x", r"\x", "é:/x"] {
            assert!(!RemotePath::new(path).is_absolute(), "{path}");
        }
    }
}
