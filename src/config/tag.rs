//! A word that groups nodes.

super::word::word_type! {
    /// A word that groups nodes; `--on @tag` selects them.
    Tag, "tag"
}
