//! What a file has besides its content: mode, owner, times, access lists and other extended attributes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Attributes that the kernel computes from the content, which must not be carried to another.
const COMPUTED: [&str; 2] = ["security.ima", "security.evm"];

/// A file's attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) read_at: (i64, i64),
    pub(super) changed_at: (i64, i64),
    pub(super) extended: Extended,
}

/// Extended attributes by name.
pub(super) type Extended = BTreeMap<String, Vec<u8>>;

impl Attributes {
    /// The same without the time of the last reading, which reading changes.
    pub(super) fn unread(&self) -> Self {
        Self {
            read_at: (0, 0),
            ..self.clone()
        }
    }
}

/// Whether the kernel computes this attribute from the content.
pub(super) fn is_computed(name: &str) -> bool {
    COMPUTED.contains(&name)
}
