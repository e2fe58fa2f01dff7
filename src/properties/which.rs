//! Which definition of a key an edit means.
//!
//! Owns the choice only; the search for definitions belongs to the tree.
//!
//! ```
//! use clusterctl::properties::{Properties, Which};
//! let mut file = Properties::parse(b"a=1\na=2\n");
//! assert!(file.set("a", "3", Which::Only).is_err());
//! file.set("a", "3", Which::Last).unwrap();
//! assert_eq!(file.bytes(), b"a=1\na=3\n");
//! ```

/// The definition or definitions of a key that an edit changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The only one; a key that is defined more than once is an error.
    #[default]
    Only,
    /// The first one, which Java overrides when others follow.
    First,
    /// The last one, which Java uses.
    Last,
    /// Every one.
    All,
    /// The one on this physical line.
    Line(usize),
}
