//! A key and its value as Java sees them, and the line they stand on.
//!
//! Owns decoded text only; the raw bytes belong to `Line`.
//!
//! ```
//! use clusterctl::properties::Properties;
//! let file = Properties::parse(b"java\\ home = /opt/java\n");
//! let entry = file.entries().next().unwrap();
//! assert_eq!((entry.key, entry.line), ("java home".into(), 1));
//! ```

use super::JavaString;

/// One definition of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: JavaString,
    /// The value of this definition; a later one may override it.
    pub value: JavaString,
    /// The number of the first physical line.
    pub line: usize,
}
