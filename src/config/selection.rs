//! Which nodes an option such as `--on ucd*,@site-a,!ucd3` means.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::glob::{Piece, fits, pieces};
use super::nearest::nearest;
use super::{NodeName, ResolvedNode, Tag};

/// The most names that an error lists.
const LISTED: usize = 12;

/// A selection of nodes: parts that are joined by commas. A part is a name, a
/// pattern (`*`, `?`, `[abc]`), or `@` and a tag or a pattern for tags. Parts
/// that begin with `!` take nodes out again, wherever they stand; where all
/// parts do, they are taken out of all nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    /// As written, for errors.
    text: String,
    excludes: bool,
    by_tag: bool,
    pattern: Vec<Piece>,
}

/// Why a selection selects nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// There is nothing, or nothing between two commas.
    #[error(
        "the selection {text:?} has an empty part\nhint: name nodes or tags, such as \"ucd1,@site-a\", or \"*\" for all nodes"
    )]
    Empty {
        /// The selection.
        text: String,
    },
    /// A part is neither name nor pattern.
    #[error(
        "{part:?} selects no nodes: {problem}\nhint: a part is a name, `@tag`, or a pattern with `*`, `?` and `[abc]`; `!` before it takes nodes out"
    )]
    NotAPattern {
        /// The part.
        part: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A part fits no node.
    #[error("{part:?} fits no node of the cluster{}\nhint: {known}", did_you_mean(.near.as_deref()))]
    NoSuchNode {
        /// The part.
        part: String,
        /// What was probably meant.
        near: Option<String>,
        /// What there is.
        known: String,
    },
    /// All that was selected was taken out again.
    #[error("the selection {text:?} takes out every node that it selects")]
    NothingLeft {
        /// The selection.
        text: String,
    },
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

impl Selection {
    /// All nodes.
    pub fn all() -> Self {
        let pattern = vec![Piece::Any];
        Self {
            parts: vec![Part {
                text: "*".to_owned(),
                excludes: false,
                by_tag: false,
                pattern,
            }],
        }
    }

    /// The nodes that this means, in the order of their names.
    pub(super) fn of<'n>(
        &self,
        nodes: &'n BTreeMap<NodeName, ResolvedNode>,
    ) -> Result<Vec<&'n ResolvedNode>, SelectionError> {
        for part in &self.parts {
            if !nodes.values().any(|node| part.fits(node)) {
                return Err(part.no_such_node(nodes));
            }
        }
        let all = self.parts.iter().all(|part| part.excludes);
        let meant = |node: &&ResolvedNode| {
            let chosen = |excludes| {
                self.parts
                    .iter()
                    .any(|part| part.excludes == excludes && part.fits(node))
            };
            (all || chosen(false)) && !chosen(true)
        };
        let selected: Vec<_> = nodes.values().filter(meant).collect();
        if selected.is_empty() {
            return Err(SelectionError::NothingLeft {
                text: self.to_string(),
            });
        }
        Ok(selected)
    }
}

impl Part {
    fn fits(&self, node: &ResolvedNode) -> bool {
        if self.by_tag {
            node.tags
                .iter()
                .any(|tag| fits(&self.pattern, tag.as_str()))
        } else {
            fits(&self.pattern, node.name.as_str())
        }
    }

    fn no_such_node(&self, nodes: &BTreeMap<NodeName, ResolvedNode>) -> SelectionError {
        let names: BTreeSet<&str> = nodes.keys().map(NodeName::as_str).collect();
        let tags: BTreeSet<&str> = nodes
            .values()
            .flat_map(|node| &node.tags)
            .map(Tag::as_str)
            .collect();
        let word = self.text.trim_start_matches('!').trim_start_matches('@');
        let (own, other) = if self.by_tag {
            (&tags, &names)
        } else {
            (&names, &tags)
        };
        let sign = |by_tag: bool| if by_tag { "@" } else { "" };
        let near = if other.contains(word) {
            Some(format!("{}{word}", sign(!self.by_tag)))
        } else {
            nearest(word, own.iter().copied()).map(|near| format!("{}{near}", sign(self.by_tag)))
        };
        SelectionError::NoSuchNode {
            part: self.text.clone(),
            near,
            known: format!("nodes: {}; tags: {}", list(&names, ""), list(&tags, "@")),
        }
    }
}

fn list(words: &BTreeSet<&str>, sign: &str) -> String {
    if words.is_empty() {
        return "none".to_owned();
    }
    let mut text: Vec<_> = words
        .iter()
        .take(LISTED)
        .map(|word| format!("{sign}{word}"))
        .collect();
    if words.len() > LISTED {
        text.push(format!("and {} more", words.len() - LISTED));
    }
    text.join(", ")
}

impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split(',').map(|part| {
            let part = part.trim();
            let (excludes, rest) = part
                .strip_prefix('!')
                .map_or((false, part), |rest| (true, rest));
            let (by_tag, rest) = rest
                .strip_prefix('@')
                .map_or((false, rest), |rest| (true, rest));
            if rest.is_empty() {
                return Err(SelectionError::Empty {
                    text: text.to_owned(),
                });
            }
            let pattern = pieces(rest).map_err(|problem| SelectionError::NotAPattern {
                part: part.to_owned(),
                problem,
            })?;
            Ok(Part {
                text: part.to_owned(),
                excludes,
                by_tag,
                pattern,
            })
        });
        Ok(Self {
            parts: parts.collect::<Result<_, _>>()?,
        })
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.parts.iter().map(|part| part.text.as_str()).collect();
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cluster;
    use super::*;

    fn cluster() -> Cluster {
        let text = "
            name = 'test'
            [nodes.ucd1]
            tags = ['server', 'site-a']
            [nodes.ucd2]
            tags = ['server', 'site-b']
            [nodes.ucd10]
            tags = ['server', 'site-b']
            [nodes.relay1]
            tags = ['relay', 'site-a']
            [nodes.spare]
        ";
        Cluster::parse(text, "cluster.toml").unwrap()
    }

    fn select(text: &str) -> Result<Vec<String>, String> {
        let cluster = cluster();
        let selection: Selection = text
            .parse()
            .map_err(|error: SelectionError| error.to_string())?;
        let nodes = cluster
            .select(&selection)
            .map_err(|error| error.to_string())?;
        Ok(nodes
            .into_iter()
            .map(|node| node.name.to_string())
            .collect())
    }

    #[test]
    fn what_a_selection_means() {
        for (text, names) in [
            ("ucd2,ucd1", "ucd1 ucd2"),
            ("ucd1,ucd1,ucd?", "ucd1 ucd2"),
            ("ucd*", "ucd1 ucd10 ucd2"),
            ("*", "relay1 spare ucd1 ucd10 ucd2"),
            ("@site-b", "ucd10 ucd2"),
            ("@site-*,!relay1", "ucd1 ucd10 ucd2"),
            ("!@server", "relay1 spare"),
            ("!@server, !spare", "relay1"),
            ("!ucd1,@server", "ucd10 ucd2"),
            ("ucd[12]", "ucd1 ucd2"),
        ] {
            assert_eq!(
                select(text),
                Ok(names.split(' ').map(str::to_owned).collect()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_selects_nothing_says_what_there_is() {
        for (text, expected) in [
            ("", "empty part"),
            ("ucd1,", "empty part"),
            ("@", "empty part"),
            ("ucd1;ucd2", "can't contain such a character"),
            (
                "ucd3",
                "did you mean `ucd1`?\nhint: nodes: relay1, spare, ucd1, ucd10, ucd2; tags: @relay, @server, @site-a, @site-b",
            ),
            ("@sever", "did you mean `@server`?"),
            ("server", "did you mean `@server`?"),
            ("@ucd1", "did you mean `ucd1`?"),
            ("!ucd7*", "\"!ucd7*\" fits no node"),
            ("ucd1,!ucd*", "takes out every node"),
        ] {
            let error = select(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn all_is_a_star() {
        assert_eq!("*".parse(), Ok(Selection::all()));
        assert_eq!(Selection::all().to_string(), "*");
    }
}
