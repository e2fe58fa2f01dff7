//! One line of a list of known hosts.

use super::KnownKey;
use super::hashed_name::HashedName;
use super::key::HostKey;
use crate::remote::ssh_config::Place;
use crate::remote::ssh_config::pattern::{self, Fit};

/// The longest marker.
const LONGEST_MARKER: usize = 31;

/// A line that says something.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) mark: KeyMark,
    pub(super) names: Names,
    pub(super) key: HostKey,
}

/// What a line says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMark {
    /// The host has it.
    Plain,
    /// It signs the keys of hosts.
    Authority,
    /// Nobody may use it.
    Revoked,
}

/// The hosts of a line.
#[derive(Debug, Clone)]
pub(super) enum Names {
    /// One that can't be read.
    Hashed(HashedName),
    /// Names without wildcards, in small letters.
    Exactly(Vec<String>),
    /// A list with wildcards or `!`.
    Patterns(String),
}

impl Entry {
    /// Nothing for an empty line, a comment, and a line that OpenSSH skips.
    pub(super) fn read(line: &str, place: &Place) -> Option<Self> {
        let line = line.split('\0').next().unwrap_or_default();
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (mark, line) = mark(line)?;
        let (names, rest) = line.split_once([' ', '\t'])?;
        let mut words = rest.split([' ', '\t']).filter(|word| !word.is_empty());
        let key = HostKey::from_words(words.next()?, words.next()?)?;
        Some(Self {
            place: place.clone(),
            mark,
            names: Names::read(names)?,
            key,
        })
    }

    /// What it says of its key.
    pub(super) fn known(&self) -> KnownKey {
        KnownKey {
            place: self.place.clone(),
            kind: self.key.kind().to_owned(),
            fingerprint: self.key.fingerprint(),
            mark: self.mark,
        }
    }
}

/// At most one marker, and what follows. A marker ends at the first space, even after a tab.
fn mark(line: &str) -> Option<(KeyMark, &str)> {
    if !line.starts_with('@') {
        return Some((KeyMark::Plain, line));
    }
    let end = line.find(' ').or_else(|| line.find('\t'))?;
    let (word, rest) = line.split_at(end);
    let mark = match word {
        _ if word.len() > LONGEST_MARKER => return None,
        "@cert-authority" => KeyMark::Authority,
        "@revoked" => KeyMark::Revoked,
        _ => return None,
    };
    let rest = rest.trim_start_matches([' ', '\t']);
    (!rest.starts_with('@')).then_some((mark, rest))
}

impl Names {
    fn read(text: &str) -> Option<Self> {
        if text.starts_with('|') {
            let name = HashedName::read(text).ok()??;
            return Some(Self::Hashed(name));
        }
        let text = text.to_ascii_lowercase();
        if text.contains(['*', '?', '!']) || text.len() > 1000 {
            return Some(Self::Patterns(text));
        }
        Some(Self::Exactly(text.split(',').map(str::to_owned).collect()))
    }

    /// Whether the name, with its port if that is not the usual one, is among them.
    pub(super) fn contain(&self, name: &str) -> bool {
        match self {
            Self::Hashed(hashed) => hashed.is(name),
            Self::Exactly(names) => {
                let name = name.to_ascii_lowercase();
                names.contains(&name)
            }
            Self::Patterns(list) => {
                pattern::fits_list(&name.to_ascii_lowercase(), list) == Fit::Yes
            }
        }
    }
}
