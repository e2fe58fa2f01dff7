//! A lossless tree of a Java `.properties` file: parse, look up, edit, diff.
//!
//! Owns the file format, exactly as `java.util.Properties` of JDK 17 reads it:
//! every byte of a file is kept, an edit changes one logical line and nothing
//! else, and what a Java program will see is what this module says it will.
//! Must not know any product, any key by name or the rest of this program.
//!
//! ```
//! use clusterctl::properties::{Properties, Which};
//! let mut file = Properties::parse(b"#Tue Jan 07 10:00:00 UTC 2025\nserver.url=https\\://old\\:8443\n");
//! file.set("server.url", "https://new:8443", Which::Only)?;
//! assert_eq!(file.get("server.url").unwrap(), "https://new:8443");
//! assert!(file.bytes().ends_with(b"server.url=https\\://new\\:8443\n"));
//! # Ok::<(), clusterctl::properties::EditError>(())
//! ```

mod byte_diff;
mod edit;
mod edit_error;
mod encoding;
mod entry;
mod habit;
mod java_string;
mod line;
mod line_end;
mod mask;
mod meaning_diff;
mod parity;
mod piece;
mod problem;
mod scanner;
mod secret_name;
mod tree;
mod unreadable;
mod which;

pub use byte_diff::{ByteDiff, DiffLine, Fate, Hunk};
pub use edit_error::EditError;
pub use encoding::Encoding;
pub use entry::Entry;
pub use java_string::JavaString;
pub use line::{EntrySpans, Line, LineKind};
pub use line_end::LineEnd;
pub use meaning_diff::MeaningDiff;
pub use parity::{Differing, Parity};
pub use problem::{Problem, ProblemKind};
pub use secret_name::looks_secret;
pub use tree::{Duplicate, Properties};
pub use unreadable::Unreadable;
pub use which::Which;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod laws;
