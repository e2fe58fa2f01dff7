//! Whether an entry of one tree is as an entry of another.

use super::listing::Item;
use super::manifest::{Entry, Kind, Manifest, Precision};
use super::survey::{Archives, Survey};

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
    /// Whether the times of folders that differ alone are a difference.
    pub(super) folder_times: bool,
    /// Whether folders stay where they are, with whatever attributes the source does not have.
    pub(super) in_place: bool,
}

impl Sight<'_> {
    /// How much an entry of a node's tree is like one of the source, as far as their attributes tell; `same` says
    /// whether their contents are the same, where these were compared.
    pub(super) fn likeness(&self, entry: &Entry, other: &Item<'_>, same: Option<bool>) -> Likeness {
        if entry.kind != other.kind {
            return Likeness::Other;
        }
        let owner = self.survey.owner.unwrap_or((entry.uid, entry.gid));
        let owners = !self.survey.superuser || owner == (other.uid, other.gid);
        let attributes = self.survey.attributes;
        let (here, there) = (self.source.extended(entry), other.extended());
        let same_attributes = if self.in_place && entry.kind == Kind::Folder {
            attributes.has_all(there, here)
        } else {
            attributes.are_same(here, there)
        };
        if !same_attributes {
            return Likeness::Other;
        }
        let times = self.precision.same(entry.changed, other.changed);
        // The programs of busybox keep no times of links and pipes.
        let times_if_kept = times || self.survey.archives == Archives::Busybox;
        let all = |same: bool| {
            if same && owners {
                Likeness::Same
            } else {
                Likeness::Other
            }
        };
        match entry.kind {
            Kind::Link => all(times_if_kept && self.source.target(entry) == other.target()),
            Kind::Folder => all(entry.mode == other.mode && (times || !self.folder_times)),
            Kind::Pipe => all(entry.mode == other.mode && times_if_kept),
            Kind::File => {
                let first = self.source.first(entry).map(|it| self.source.path(it));
                // Without content there is nothing to compare.
                let content = entry.size == other.size
                    && (entry.size == 0 || same.unwrap_or(times))
                    && first == other.first().map(|it| it.path());
                match (content, times && owners && entry.mode == other.mode) {
                    (true, true) => Likeness::Same,
                    (true, false) => Likeness::Content,
                    (false, _) => Likeness::Other,
                }
            }
        }
    }
}
