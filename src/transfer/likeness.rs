//! Whether an entry of one tree is as an entry of another.

use super::manifest::{Entry, Kind, Manifest, Precision};
use super::survey::Survey;

/// How much two entries are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// In all that can be seen.
    Same,
    /// Files of one content that differ in mode, owner or time.
    Content,
    /// Not at all.
    Other,
}

/// What entries are compared by.
pub(super) struct Sight<'a> {
    pub(super) source: &'a Manifest,
    pub(super) survey: &'a Survey,
    pub(super) precision: Precision,
}

impl Sight<'_> {
    /// How much an entry of a node's tree is like one of the source, as far as their attributes tell; `same` says
    /// whether their contents are the same, where these were compared.
    pub(super) fn likeness(
        &self,
        entry: &Entry,
        tree: &Manifest,
        other: &Entry,
        same: Option<bool>,
    ) -> Likeness {
        if entry.kind != other.kind {
            return Likeness::Other;
        }
        let owner = self.survey.owner.unwrap_or((entry.uid, entry.gid));
        let owners = !self.survey.superuser || owner == (other.uid, other.gid);
        let all = |same: bool| {
            if same && owners {
                Likeness::Same
            } else {
                Likeness::Other
            }
        };
        match entry.kind {
            Kind::Link => all(self.source.target(entry) == tree.target(other)),
            Kind::Folder | Kind::Pipe => all(entry.mode == other.mode),
            Kind::File => {
                let first =
                    |tree: &Manifest, entry| tree.first(entry).map(|it| tree.path(it).to_vec());
                let times = self.precision.same(entry.changed, other.changed);
                // Without content there is nothing to compare.
                let content = entry.size == other.size
                    && (entry.size == 0 || same.unwrap_or(times))
                    && first(self.source, entry) == first(tree, other);
                match (content, times && owners && entry.mode == other.mode) {
                    (true, true) => Likeness::Same,
                    (true, false) => Likeness::Content,
                    (false, _) => Likeness::Other,
                }
            }
        }
    }
}
