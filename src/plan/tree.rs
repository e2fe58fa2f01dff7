//! A tree that is brought to nodes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RemotePath, Sha256};
use crate::config::NodeName;

/// A tree, and what of it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something that is wanted or not, independently of the others"
)]
pub struct Tree {
    /// Where it is.
    pub from: TreeSource,
    /// What its manifest was when the plan was made.
    pub digest: Sha256,
    /// What is left out of it, and stays where it is on the other side: rules as in a `.gitignore`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Whether what it does not have goes on the other side.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
    /// Whether content, and not size and time, tells which files are the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checksum: bool,
    /// Whom everything shall belong to on the other side: `user:group` or `user`, names or numbers there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whether files that stay the same are not copied into a stage, but get another name there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub link_unchanged: bool,
    /// Whether nodes get content from the node that has it by themselves, with the user's agent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
    /// Whether what is sent is made smaller by zstd on its way.
    #[serde(default, skip_serializing_if = "Compression::is_auto")]
    pub compress: Compression,
    /// How many bytes a second go out to a node at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
}

/// Whether what is sent is made smaller on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// By zstd, where a look at the tree and at the line tells that it is faster, and the node has zstd.
    #[default]
    Auto,
    /// Never.
    Never,
    /// By zstd, always.
    Zstd,
}

impl Compression {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// Where a tree is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum TreeSource {
    /// On the machine that runs the plan.
    Runner {
        /// The folder.
        path: RemotePath,
    },
    /// On a node, where it is only read.
    Node {
        /// The node.
        node: NodeName,
        /// The folder there.
        path: RemotePath,
    },
}

impl TreeSource {
    /// The folder, where it is.
    pub fn path(&self) -> &RemotePath {
        match self {
            Self::Runner { path } | Self::Node { path, .. } => path,
        }
    }

    /// The node that it is on; none when it is on the machine that runs the plan.
    pub fn node(&self) -> Option<&NodeName> {
        match self {
            Self::Runner { .. } => None,
            Self::Node { node, .. } => Some(node),
        }
    }
}

impl fmt::Display for TreeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runner { path } => write!(f, "{path} of this machine"),
            Self::Node { node, path } => write!(f, "{path} of {node}"),
        }
    }
}
