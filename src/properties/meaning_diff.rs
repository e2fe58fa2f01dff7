//! How two files differ for the program that loads them.
//!
//! Owns keys and the fate of their values. Never holds a value: it may be a
//! secret.
//!
//! ```
//! use clusterctl::properties::{MeaningDiff, Properties};
//! let old = Properties::parse(b"a=1\nb=2\n");
//! let new = Properties::parse(b"b : \\u0032\nc=3\n");
//! let diff = MeaningDiff::between(&old, &new).unwrap();
//! assert_eq!(diff.to_string(), "1 key added (c), 1 key removed (a)");
//! ```

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

use super::{JavaString, Properties, Unreadable};

/// The keys that Java finds added, removed or changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeaningDiff {
    /// Keys of the new file only, in its order.
    pub added: Vec<JavaString>,
    /// Keys of the old file only, in its order.
    pub removed: Vec<JavaString>,
    /// Keys with another value, in the order of the new file.
    pub changed: Vec<JavaString>,
    /// Whether the files differ in any byte.
    pub bytes_differ: bool,
}

impl MeaningDiff {
    /// Compares what Java loads from two files; each must be one that it loads.
    pub fn between(old: &Properties, new: &Properties) -> Result<Self, Unreadable> {
        old.check()?;
        new.check()?;
        let (before, after) = (loaded(old), loaded(new));
        let mut diff = Self {
            bytes_differ: old.bytes() != new.bytes(),
            ..Self::default()
        };
        for key in new.keys() {
            match before.get(&key) {
                None => diff.added.push(key),
                Some(value) if after.get(&key) != Some(value) => diff.changed.push(key),
                Some(_) => {}
            }
        }
        diff.removed = old.keys();
        diff.removed.retain(|key| !after.contains_key(key));
        Ok(diff)
    }

    /// Whether Java loads the same from both.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    /// Whether only order, layout, comments or overridden definitions differ.
    pub fn is_layout_only(&self) -> bool {
        self.is_empty() && self.bytes_differ
    }
}

fn loaded(file: &Properties) -> HashMap<JavaString, JavaString> {
    file.entries()
        .map(|entry| (entry.key, entry.value))
        .collect()
}

impl Display for MeaningDiff {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_layout_only() {
            return f.write_str("the same keys and values, written differently");
        }
        if self.is_empty() {
            return f.write_str("no difference");
        }
        let mut comma = "";
        for (keys, fate) in [
            (&self.added, "added"),
            (&self.removed, "removed"),
            (&self.changed, "changed"),
        ] {
            let noun = if keys.len() == 1 { "key" } else { "keys" };
            let names: Vec<_> = keys.iter().map(JavaString::to_lossy).collect();
            if !keys.is_empty() {
                let (count, names) = (keys.len(), names.join(", "));
                write!(f, "{comma}{count} {noun} {fate} ({names})")?;
                comma = ", ";
            }
        }
        Ok(())
    }
}
